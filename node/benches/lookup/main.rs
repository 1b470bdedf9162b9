//! Look-ups of known names over the local port, in a session, beside others under the same load in the same run: an
//! empty tonic call; a tonic call that is answered with the same bytes and looks nothing up; and Redis MGET of values of
//! the same size where redis-server is installed.
//!
//! `cargo bench -p flowlore-node --bench lookup [-- NAMES]`. Both ends share this machine. Goals: single look-ups at
//! 80 % of the rate of an empty call with a p99 of at most 1.25 times its p99; batches of 1,000 at half of an empty
//! batch and no slower than MGET.
//!
//! Where a batch's time goes, microseconds of CPU a name, both ends, on two cores that other programs used, too: an
//! empty batch, which decodes the names and answers nothing, 0.18; the same bytes without a look-up 0.4, as 228 bytes a
//! name are copied by encoder, socket, HTTP/2 and decoder; a look-up 0.66, and 2.3 when each answer was put together
//! and taken apart; MGET, which sends 170 bytes, 0.3. A batch at half of an empty one would take less than tonic takes
//! to carry the answers. A single look-up takes 41, the same bytes and an empty call 34.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

mod load;
mod peers;
#[path = "../../tests/running/mod.rs"]
mod running;

use std::time::Instant;

use flowlore_common::credential::{CallHeader, CredentialFile};
use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_common::label::Category;
use flowlore_node::publish::{Observed, draft};
use flowlore_node::publisher::publish_due;
use flowlore_node::rpc::client::Local;
use flowlore_proto::v1;
use flowlore_proto::v1::reputation_service_client::ReputationServiceClient;
use load::{Load, load};
use mimalloc::MiMalloc;
use peers::{Redis, ask_redis, mget};
use running::{Running, make};
use tonic::Streaming;
use tonic::transport::Channel;

/// As the node has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Names without an argument.
const NAMES: usize = 2_000;
/// (callers at once, calls, names a call) of a load; single calls, and batches.
const LOADS: [(usize, usize, usize); 2] = [(64, 60_000, 1), (BATCH_CALLERS, 512, BATCH)];
const BATCH: usize = 1_000;
const BATCH_CALLERS: usize = 8;
/// Each load comes in so many parts, in turns, so that nobody has the quieter machine.
const TURNS: usize = 4;

#[tokio::main]
async fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(NAMES);
    let names: Vec<String> = (0..count).map(|number| format!("n{number}.example")).collect();
    let root = tempfile::tempdir().unwrap();
    let node = Running::start(&make(root.path(), "Bench", true)).await;
    let begun = Instant::now();
    fill(&node, &names).await;
    println!("{count} names and their sites evaluated, sealed, stored: {:?}", begun.elapsed());
    let local = node.local().await;
    let answer = node.lookup(&["n1.example"]).await.remove(0);
    assert_eq!(answer.state(), v1::AnswerState::Answered);
    println!("the shared part of an answer has {} B", answer.shared.len());
    cold(&local, &names).await;

    let empty = peers::fixed(vec![]).await;
    let redis = Redis::start(&names, answer.shared.len()).await;
    for (callers, calls, size) in LOADS {
        println!("\n{size} a call, {callers} callers");
        let asked = |turn: usize| -> Vec<Vec<String>> {
            let calls = (0..calls / TURNS).map(|call| call + turn * calls / TURNS);
            let name = |at: usize| names[at * 7_919 % count].clone();
            calls.map(|call| (0..size).map(|at| name(call * size + at)).collect()).collect()
        };
        let given = collect(local.clone().answers(asked(0).remove(0)).await.unwrap()).await;
        let bytes: usize = given.iter().map(prost::Message::encoded_len).sum();
        println!("answers have {} B each", bytes / size);
        let fixed = peers::fixed(given).await;
        let [mut ours, mut theirs, mut same, mut others]: [Load; 4] = Default::default();
        for turn in 0..TURNS {
            theirs.add(load(vec![empty.clone(); callers], asked(turn), &[], ask_empty).await);
            same.add(load(vec![fixed.clone(); callers], asked(turn), &[], ask_fixed).await);
            ours.add(load(vec![local.clone(); callers], asked(turn), &[], ask).await);
            if let Some(redis) = &redis {
                let connections = redis.callers(callers, size).await;
                let asked = asked(turn).iter().map(|names| mget(names)).collect();
                others.add(load(connections, asked, &[redis.process()], ask_redis).await);
            }
        }
        theirs.print("empty tonic call", size);
        same.print("the same bytes, fixed", size);
        ours.print("look-up, warm", size);
        ours.compare("empty call", &theirs);
        ours.compare("same bytes", &same);
        match &redis {
            Some(_) => {
                others.print("Redis MGET", size);
                ours.compare("Redis MGET", &others);
            }
            None => println!("  SKIPPED Redis MGET: redis-server is not installed"),
        }
    }
    signatures(&node);
    node.stop().await;
}

async fn ask(mut client: Local, destinations: Vec<String>) -> Local {
    let size = destinations.len();
    check(client.answers(destinations).await.unwrap(), size).await;
    client
}

async fn ask_fixed(
    mut client: ReputationServiceClient<Channel>,
    destinations: Vec<String>,
) -> ReputationServiceClient<Channel> {
    let size = destinations.len();
    check(client.lookup(v1::LookupRequest { destinations }).await.unwrap().into_inner(), size)
        .await;
    client
}

async fn ask_empty(
    mut client: ReputationServiceClient<Channel>,
    destinations: Vec<String>,
) -> ReputationServiceClient<Channel> {
    check(client.lookup(v1::LookupRequest { destinations }).await.unwrap().into_inner(), 0).await;
    client
}

/// Counts answers, and checks the place and the state of each; what it says stays as it came.
async fn check(mut parts: Streaming<v1::Answers>, size: usize) {
    let mut count = 0;
    while let Some(part) = parts.message().await.unwrap() {
        for answer in part.each() {
            let answer = answer.unwrap();
            assert_eq!((answer.index, answer.state()), (count, v1::AnswerState::Answered));
            count += 1;
        }
    }
    assert_eq!(count as usize, size);
}

async fn collect(mut parts: Streaming<v1::Answers>) -> Vec<v1::Answers> {
    let mut all = vec![];
    while let Some(part) = parts.message().await.unwrap() {
        all.push(part);
    }
    all
}

/// Every name once, after a start: tokens are derived, labels read and opened.
async fn cold(local: &Local, names: &[String]) {
    println!("\n{BATCH} a call, {BATCH_CALLERS} callers, no name asked for before");
    let calls = names.chunks(BATCH).map(<[String]>::to_vec).collect();
    load(vec![local.clone(); BATCH_CALLERS], calls, &[], ask).await.print("look-up, cold", BATCH);
}

/// Publishes a sighting of every name.
async fn fill(node: &Running, names: &[String]) {
    let node = &node.node;
    let seen: Vec<Observed> = names
        .iter()
        .map(|name| Observed {
            host: name.parse().unwrap(),
            port: 443,
            transport: 6,
            categories: [(Category::KeepAlive, 9)].into(),
            hosts: 3,
            first: SystemClock.now().day(),
            last: SystemClock.now().day(),
        })
        .collect();
    let roster = node.store.roster();
    let (policy, slots) = (node.own_policy(&roster), node.slots(&roster));
    let drafted = draft(&seen, &[], &policy, slots, &mut SystemRng);
    assert_eq!(drafted.statements.len(), 2 * names.len());
    node.outbox().observe(drafted.statements, slots).unwrap();
    publish_due(node).await.unwrap();
}

/// What a call outside a session does beside: the caller signs, the node checks credential and signature.
fn signatures(node: &Running) {
    let text = std::fs::read_to_string(node.dir.join("credentials/admin.cred")).unwrap();
    let credential = CredentialFile::parse(&text).unwrap();
    let (method, now_s) = ("/flowlore.v1.ReputationService/Lookup", SystemClock.now().seconds());
    let now_s = u64::try_from(now_s).unwrap();
    let (org, key) = (node.node.org, node.node.keys.signing.public());
    let begun = Instant::now();
    let headers: Vec<String> =
        (0..1_000).map(|_| credential.call(method, now_s, &mut SystemRng).to_string()).collect();
    let signed = begun.elapsed();
    let begun = Instant::now();
    for header in &headers {
        header.parse::<CallHeader>().unwrap().check(&org, &key, method, now_s).unwrap();
    }
    let (sign, check) = (signed / 1_000, begun.elapsed() / 1_000);
    println!("\nof a call outside a session: signing {sign:.0?}, checking {check:.0?}");
}

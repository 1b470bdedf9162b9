//! Look-ups of known names over the local port, in a session, beside an empty tonic call under the same load in the same run, and
//! Redis MGET of values of the same size where redis-server is installed.
//!
//! `cargo bench -p flowlore-node --bench lookup [-- NAMES]`. Both ends share this machine. Goals: single look-ups at
//! 80 % of the rate of an empty call with a p99 of at most 1.25 times its p99; batches of 1,000 at half of an empty
//! batch and no slower than MGET.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

#[path = "../tests/running/mod.rs"]
mod running;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flowlore_common::credential::{CallHeader, CredentialFile};
use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_common::label::Category;
use flowlore_node::publish::{Observed, draft};
use flowlore_node::publisher::publish_due;
use flowlore_node::rpc::client::Local;
use flowlore_proto::v1;
use flowlore_proto::v1::reputation_service_client::ReputationServiceClient;
use flowlore_proto::v1::reputation_service_server::{ReputationService, ReputationServiceServer};
use running::{Running, make};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Names without an argument.
const NAMES: usize = 2_000;
/// Callers at once.
const STREAMS: usize = 64;
const SINGLES: usize = 60_000;
const BATCH: usize = 1_000;
const BATCHES: usize = 128;
const BATCH_STREAMS: usize = 8;

#[tokio::main]
async fn main() {
    let names = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(NAMES);
    let root = tempfile::tempdir().unwrap();
    let node = Running::start(&make(root.path(), "Bench", true)).await;
    let begun = Instant::now();
    fill(&node, names).await;
    println!("{names} names and their sites evaluated, sealed, stored: {:?}", begun.elapsed());
    let name = |number: usize| format!("n{}.example", number * 7_919 % names);

    let local = node.local().await;
    let empty = ReputationServiceClient::connect(format!("http://{}", serve_empty().await));
    let empty = empty.await.unwrap();
    let answer = node.lookup(&["n1.example"]).await.remove(0);
    assert_eq!(answer.state(), v1::AnswerState::Answered);
    println!("an answer has {} B of shared JSON", answer.shared_json.len());
    cold(&local, names).await;

    for (streams, calls, size) in [(STREAMS, SINGLES, 1), (BATCH_STREAMS, BATCHES, BATCH)] {
        println!("\n{size} a call, {streams} callers");
        let asked = |call: usize| (0..size).map(|at| name(call * size + at)).collect::<Vec<_>>();
        let ask = |mut client: Local, call| {
            let destinations = asked(call);
            async move {
                let answers = client.answers(destinations).await.unwrap();
                assert_eq!(answers.collect::<Vec<_>>().await.len(), size);
            }
        };
        let ask_empty = |mut client: ReputationServiceClient<_>, call| {
            let destinations = asked(call);
            async move {
                let answers = client.lookup(v1::LookupRequest { destinations }).await.unwrap();
                assert_eq!(answers.into_inner().collect::<Vec<_>>().await.len(), 0);
            }
        };
        // In turns, so that neither has the quieter machine.
        let (mut ours, mut theirs) = (Load::default(), Load::default());
        for _ in 0..4 {
            theirs.add(load(streams, calls / 4, |call| ask_empty(empty.clone(), call)).await);
            ours.add(load(streams, calls / 4, |call| ask(local.clone(), call)).await);
        }
        theirs.print("empty tonic call", size);
        ours.print("look-up, warm", size);
        println!(
            "  ratio: {:.0} % of the empty call's rate, {:.2} times its p99",
            100.0 * ours.rate() / theirs.rate(),
            ours.p99().as_secs_f64() / theirs.p99().as_secs_f64()
        );
    }
    signatures(&node);
    mget(names, answer.shared_json.len()).await;
    node.stop().await;
}

/// Every name once, after a start: tokens are derived, labels read and opened.
async fn cold(local: &Local, names: usize) {
    let all: Vec<String> = (0..names).map(|number| format!("n{number}.example")).collect();
    let calls: Vec<Vec<String>> = all.chunks(BATCH).map(<[String]>::to_vec).collect();
    println!("\n{BATCH} a call, {BATCH_STREAMS} callers, no name asked for before");
    let ask = |call: usize| {
        let (mut local, destinations) = (local.clone(), calls[call].clone());
        async move {
            let answers = local.answers(destinations).await.unwrap();
            answers
                .map(|answer| assert_eq!(answer.unwrap().state(), v1::AnswerState::Answered))
                .collect::<Vec<_>>()
                .await;
        }
    };
    load(BATCH_STREAMS, calls.len(), ask).await.print("look-up, cold", BATCH);
}

/// Publishes a sighting of every name.
async fn fill(node: &Running, names: usize) {
    let node = &node.node;
    let seen: Vec<Observed> = (0..names)
        .map(|number| Observed {
            host: format!("n{number}.example").parse().unwrap(),
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
    assert_eq!(drafted.statements.len(), 2 * names);
    node.outbox().observe(drafted.statements, slots).unwrap();
    publish_due(node).await.unwrap();
}

/// How calls went.
#[derive(Default)]
struct Load {
    took: Duration,
    cpu: Duration,
    each: Vec<Duration>,
}

impl Load {
    fn add(&mut self, other: Self) {
        self.took += other.took;
        self.cpu += other.cpu;
        self.each.extend(other.each);
        self.each.sort_unstable();
    }

    fn rate(&self) -> f64 {
        self.each.len() as f64 / self.took.as_secs_f64()
    }

    fn p99(&self) -> Duration {
        self.each[self.each.len() * 99 / 100]
    }

    fn print(&self, what: &str, size: usize) {
        let calls = self.each.len() as f64;
        println!(
            "  {what:<18} {:>9.0} calls/s {:>10.0} names/s   p50 {:>8.0?} p99 {:>8.0?}   {:>7.1} us CPU a name, both ends",
            self.rate(),
            self.rate() * size as f64,
            self.each[self.each.len() / 2],
            self.p99(),
            self.cpu.as_secs_f64() * 1e6 / calls / size as f64,
        );
    }
}

/// Makes calls from so many callers at once, each waiting for its answer.
async fn load<F>(streams: usize, calls: usize, call: impl Fn(usize) -> F) -> Load
where
    F: Future<Output = ()> + Send + 'static,
{
    let work: Vec<Vec<F>> =
        (0..streams).map(|stream| (stream..calls).step_by(streams).map(&call).collect()).collect();
    let (begun, cpu) = (Instant::now(), cpu_time());
    let callers = work.into_iter().map(|calls| {
        tokio::spawn(async move {
            let mut each = Vec::with_capacity(calls.len());
            for call in calls {
                let asked = Instant::now();
                call.await;
                each.push(asked.elapsed());
            }
            each
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut each = vec![];
    for caller in callers {
        each.extend(caller.await.unwrap());
    }
    Load { took: begun.elapsed(), cpu: cpu_time() - cpu, each }
}

/// User and system time of this process: fields 14 and 15 of proc(5), in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// Answers nothing to anything.
struct Empty;

#[tonic::async_trait]
impl ReputationService for Empty {
    type LookupStream = tokio_stream::Empty<Result<v1::Answer, Status>>;

    async fn lookup(
        &self,
        _: Request<v1::LookupRequest>,
    ) -> Result<Response<Self::LookupStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}

async fn serve_empty() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().add_service(ReputationServiceServer::new(Empty));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
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

/// A Redis server that ends with the bench.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn mget(names: usize, value_bytes: usize) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .stdout(Stdio::null())
        .spawn();
    let Ok(server) = server else {
        println!("\nSKIPPED Redis MGET: redis-server is not installed");
        return;
    };
    let _server = Redis(server);
    let connect = async || loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut stream = tokio::time::timeout(Duration::from_secs(10), connect()).await.unwrap();
    let value = "x".repeat(value_bytes);
    for number in 0..names {
        let name = format!("n{number}.example");
        stream.write_all(&command(&["SET", &name, &value])).await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
    }
    // Every value has one length, so every reply has.
    let reply =
        format!("*{BATCH}\r\n").len() + BATCH * format!("${value_bytes}\r\n{value}\r\n").len();
    let begun = Instant::now();
    let callers = (0..BATCH_STREAMS).map(|caller| {
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let mut bytes = vec![0; reply];
            for call in 0..BATCHES / BATCH_STREAMS {
                let asked = (0..BATCH).map(|at| {
                    let number = (call * BATCH_STREAMS + caller) * BATCH + at;
                    format!("n{}.example", number * 7_919 % names)
                });
                let asked: Vec<String> = std::iter::once("MGET".to_owned()).chain(asked).collect();
                let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
                stream.write_all(&command(&asked)).await.unwrap();
                stream.read_exact(&mut bytes).await.unwrap();
                assert!(bytes.ends_with(b"x\r\n"));
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let rate = (BATCHES * BATCH) as f64 / begun.elapsed().as_secs_f64();
    println!("\nRedis MGET, {BATCH} a call, {BATCH_STREAMS} callers: {rate:.0} names/s");
}

/// A command as Redis reads it (RESP: an array of bulk strings).
fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

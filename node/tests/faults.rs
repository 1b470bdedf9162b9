//! Goal: what an operator meets when parts are missing, broken or hostile: said, counted, and nothing else is lost.
//! Method: three nodes of this process on loopback, a pinned connection in the hands of the test, files changed
//! under a stopped node.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod running;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use flowlore_common::destination::Input;
use flowlore_common::env::SeededRng;
use flowlore_node::dial::channel;
use flowlore_node::tls::{Identity, Traffic};
use flowlore_proto::v1;
use flowlore_proto::v1::evaluator_service_client::EvaluatorServiceClient;
use flowlore_veil::keys::{KeyShare, PublicKeyPackage};
use flowlore_veil::oprf::Request;
use running::{PATIENCE, Running, make, settled, three};
use tonic::Code;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Channel;

use v1::AnswerState as State;

async fn state(node: &Running, destination: &str) -> State {
    node.lookup(&[destination]).await.remove(0).state()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_evaluators_are_enough_and_with_one_names_wait_to_be_asked() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = three(root.path()).await;
    a.put("known.example", v1::Verdict::Malicious).await;
    settled(&[&a, &b, &c]).await;
    assert_eq!(state(&c, "known.example").await, State::Answered);

    // One evaluator down: nothing is amiss.
    let a_dir = a.dir.clone();
    a.stop().await;
    assert_eq!(state(&c, "second.example").await, State::Unseen);

    // Two down: the known is answered, the new is not asked, which is said, and queued.
    let b_dir = b.dir.clone();
    b.stop().await;
    let answers = c.lookup(&["known.example", "third.example", "fourth.example"]).await;
    assert_eq!(answers[0].state(), State::Answered);
    for answer in &answers[1..] {
        assert_eq!(answer.state(), State::NotAsked);
        assert_eq!((answer.evaluators_up, answer.evaluators_needed), (1, 2));
        assert!(answer.retry_after_s > 0);
    }
    // Each name as itself and as its site.
    assert_eq!(c.status().await.names.unwrap().queued, 4);
    let c_dir = c.dir.clone();
    c.stop().await;
    let c = Running::start(&c_dir).await;
    assert_eq!(c.status().await.names.unwrap().queued, 4, "they wait on disk");

    // Enough are back: what waited is asked without anybody asking again.
    let b = Running::start(&b_dir).await;
    c.until("it was asked", |status| status.names.as_ref().unwrap().queued == 0).await;
    b.stop().await;
    for destination in ["third.example", "fourth.example"] {
        assert_eq!(state(&c, destination).await, State::Unseen, "known now, with B gone again");
    }
    c.stop().await;
    Running::start(&a_dir).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_long_messages_and_bombs_are_refused_and_the_node_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = three(root.path()).await;
    let status = a.status().await;
    let us = status.members.iter().find(|member| member.name == "A").unwrap();
    let identity = Identity::new(&b.node.keys.transport).unwrap();
    let key = a.node.keys.transport.public().bytes();
    let to = || channel(&identity, &us.address, key, Arc::new(Traffic::default())).unwrap();
    let evaluate = async |mut client: EvaluatorServiceClient<Channel>, bytes: usize| {
        let request = v1::EvaluateRequest { signed: vec![0; bytes].into() };
        client.evaluate(request).await.unwrap_err().code()
    };
    // A message's field and length take a few bytes; below the limit it is read, and is no request.
    let limit = flowlore_node::limits::MESSAGE_BYTES_MAX;
    let plain = || EvaluatorServiceClient::new(to());
    assert_eq!(evaluate(plain(), limit - 8).await, Code::InvalidArgument);
    let over = evaluate(plain(), limit + 1).await;
    assert!(matches!(over, Code::OutOfRange | Code::ResourceExhausted), "{over:?}");
    // 256 MiB of zeros are some 256 kB on the wire.
    let bomb = evaluate(plain().send_compressed(Gzip), 256 << 20).await;
    assert!(matches!(bomb, Code::OutOfRange | Code::ResourceExhausted), "{bomb:?}");
    b.put("evil.example", v1::Verdict::Malicious).await;
    settled(&[&a, &b, &c]).await;
    for node in [a, b, c] {
        node.stop().await;
    }
}

/// Fills the files of a folder with nonsense of their length.
fn overwrite(folder: &Path) {
    for path in files(folder) {
        let bytes = usize::try_from(path.metadata().unwrap().len()).unwrap();
        std::fs::write(&path, vec![0xa5; bytes]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_broken_state_is_made_anew_and_answers_the_same() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let node = Running::start(&dir).await;
    let names: Vec<_> = (0..40).map(|number| format!("host-{number}.example")).collect();
    let asked: Vec<_> = names.iter().map(String::as_str).collect();
    for name in &asked[..20] {
        node.put(name, v1::Verdict::Malicious).await;
    }
    let shared = |answers: Vec<v1::Answer>| {
        answers.into_iter().map(|answer| answer.shared).collect::<Vec<_>>()
    };
    let before = shared(node.lookup(&asked).await);
    let digest = node.status().await.store.unwrap().objects_digest;
    node.stop().await;
    let state = dir.join("state");
    for how in ["deleted", "overwritten"] {
        match how {
            "deleted" => std::fs::remove_dir_all(&state).unwrap(),
            _ => overwrite(&state),
        }
        let begun = Instant::now();
        let node = Running::start(&dir).await;
        println!("state {how}: 20 blocks, up again in {:?}", begun.elapsed());
        assert_eq!(shared(node.lookup(&asked).await), before, "{how}");
        assert_eq!(node.status().await.store.unwrap().objects_digest, digest, "{how}");
        node.stop().await;
    }
    assert!(dir.join("state.aside-0").is_dir(), "the broken one is kept for inspection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_a_folder_is_told_so() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let node = Running::start(&dir).await;
    let second = tokio::task::spawn_blocking({
        let dir = dir.clone();
        move || {
            let program = env!("CARGO_BIN_EXE_flowlore-node");
            Command::new(program).args(["run", "--dir"]).arg(dir).output().unwrap()
        }
    });
    let second = second.await.unwrap();
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(text.contains("another process uses") && text.contains("stop it first"), "{text}");
    assert_eq!(state(&node, "evil.example").await, State::Unseen, "the first goes on");
    node.stop().await;
}

/// Neither a share alone nor the same one twice makes a `Y`.
fn one_share_gives_no_token(share: &KeyShare, package: &PublicKeyPackage) {
    let mut rng = SeededRng::new("one share", 1);
    let input = Input::host(&"evil.example".parse().unwrap());
    let request = Request::new(&[input], 1, &mut rng).unwrap();
    let evaluated = || {
        let answer = share.evaluate(request.blinded(), &mut SeededRng::new("proof", 1)).unwrap();
        request.verify(share.number(), package, &answer).unwrap()
    };
    assert!(request.finalize(package, &[evaluated()]).is_err());
    assert!(request.finalize(package, &[evaluated(), evaluated()]).is_err());
}

/// All files below a folder.
fn files(root: &Path) -> Vec<PathBuf> {
    flowlore_node::rpc::client::files_below(root).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_node_holds_anothers_share_or_the_whole_key() {
    let root = tempfile::tempdir().unwrap();
    let nodes = three(root.path()).await;
    let erased = nodes[0].dir.join("keys/dealt");
    nodes[0].until("the dealer erased what was taken", |_| !erased.exists()).await;
    let share = |node: &Running| std::fs::read(node.dir.join("keys/oprf-share")).unwrap();
    let shares: Vec<_> = nodes.iter().map(share).collect();
    for (holder, bytes) in nodes.iter().zip(&shares) {
        let share = KeyShare::from_bytes(bytes).unwrap();
        let key = holder.node.store.roster().key.clone().unwrap();
        assert!(key.package.holds(&share), "its own share, checked against the roster");
        one_share_gives_no_token(&share, &key.package);
        // Number and generation come first; the rest is the secret scalar.
        let secret = &bytes[6..];
        for other in &nodes {
            let hex = hex::encode(secret);
            let found: Vec<_> = files(&other.dir)
                .into_iter()
                .filter(|path| {
                    let bytes = std::fs::read(path).unwrap_or_default();
                    let has =
                        |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
                    has(secret) || has(hex.as_bytes())
                })
                .collect();
            if other.dir == holder.dir {
                assert_eq!(found, [holder.dir.join("keys/oprf-share")], "the search finds it");
            } else {
                assert!(found.is_empty(), "{found:?}");
            }
        }
    }
    for node in nodes {
        node.stop().await;
    }
}

/// A file-size limit stands in for a full disk: writes beyond it fail, as they do when no block is left.
#[test]
fn a_full_disk_stops_no_answer_and_loses_nothing_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let put = async |dir: &Path, name: &str| {
        let mut local = flowlore_node::rpc::client::Local::connect(dir).await?;
        local.call_malicious(name, "").await
    };
    // The largest file so far, in blocks of 512 bytes, and some room for a few labels.
    let blocks = {
        let node = runtime.block_on(Running::start(&dir));
        runtime.block_on(async {
            node.put("first.example", v1::Verdict::Malicious).await;
            node.stop().await;
        });
        let sizes = files(&dir.join("log")).into_iter().map(|path| path.metadata().unwrap().len());
        sizes.max().unwrap() / 512 + 8
    };
    let script = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec {} run --dir {}",
        env!("CARGO_BIN_EXE_flowlore-node"),
        dir.display()
    );
    let log = std::fs::File::create(root.path().join("node.log")).unwrap();
    let null = std::process::Stdio::null;
    let mut child =
        Command::new("sh").args(["-c", &script]).stdout(null()).stderr(log).spawn().unwrap();
    let mut acknowledged = vec!["first.example".to_owned()];
    let mut refused = 0;
    runtime.block_on(async {
        let up = async {
            while put(&dir, "up.example").await.is_err() && child.try_wait().unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("it comes up, or ends with a reason");
        for number in 0..60 {
            let name = format!("host-{number}.example");
            match put(&dir, &name).await {
                Ok(_) => acknowledged.push(name),
                Err(_) => refused += 1,
            }
        }
    });
    let log = || std::fs::read_to_string(root.path().join("node.log")).unwrap();
    assert!(refused > 0, "the limit was never met: {}", log());
    // Killed as it is: nothing is written on the way out.
    child.kill().unwrap();
    child.wait().unwrap();
    println!("{} labels acknowledged, {refused} refused on a full disk", acknowledged.len());
    runtime.block_on(async {
        let node = Running::start(&dir).await;
        for name in &acknowledged {
            assert_eq!(state(&node, name).await, State::Answered, "{name}: {}", log());
        }
        node.put("after.example", v1::Verdict::Malicious).await;
        assert_eq!(state(&node, "after.example").await, State::Answered);
        node.stop().await;
    });
}

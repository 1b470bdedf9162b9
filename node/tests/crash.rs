//! Goal: a node that is killed at any moment loses nothing that it acknowledged, and never seals two blocks at one
//! height. Method: the program itself in a child process, killed with SIGKILL as soon as a step of publishing is seen
//! on its disk or its socket, at seeded moments; a peer that lives on holds the heights against it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod running;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flowlore_common::env::{Clock as _, SeededRng, SystemClock};
use flowlore_common::ids::BlockId;
use flowlore_common::suffixes::Suffixes;
use flowlore_node::folder::Folder;
use flowlore_node::keys::Keys;
use flowlore_node::outbox::Outbox;
use flowlore_node::rpc::client::{Local, files_below};
use flowlore_proto::v1;
use rand_core::RngCore as _;
use running::{PATIENCE, Running, join, make, settled, shared};
use tokio_stream::StreamExt as _;

/// Kills, spread evenly over the steps.
const KILLS: u64 = 50;

/// After which step of publishing a label the node is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The statement is on disk, sealing begins: `private/labels` grew.
    Seal,
    /// The block is written: the log grew.
    Fsync,
    /// The block is in the state and the statement noted as sealed: `private/labels` grew again.
    Index,
    /// The label was acknowledged: the peer is about to hear of it.
    Send,
}

const STEPS: [Step; 4] = [Step::Seal, Step::Fsync, Step::Index, Step::Send];

/// The child, killed when dropped.
struct Killed(Child);

impl Killed {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(dir: &Path) -> Killed {
    spawn_with(dir, &[])
}

fn spawn_with(dir: &Path, more: &[&str]) -> Killed {
    let log = std::fs::File::options().create(true).append(true).open(dir.join("node.log"));
    let child = Command::new(env!("CARGO_BIN_EXE_flowlore-node"))
        .args(["run", "--dir"])
        .arg(dir)
        .args(more)
        .stdin(Stdio::null())
        .stderr(log.unwrap())
        .spawn();
    Killed(child.unwrap())
}

async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("never: {what}"))
}

async fn connected(dir: &Path) -> Local {
    let up = async {
        loop {
            // What the kill before left waiting is sealed first, so that what is seen next is the next label's doing.
            if let Ok(mut local) = Local::connect(dir).await
                && let Ok(status) = local.status().await
                && status.names.is_some_and(|names| names.waiting == 0)
            {
                return local;
            }
            tokio::task::yield_now().await;
        }
    };
    patiently("the node is up and nothing waits", up).await
}

fn bytes(paths: &[PathBuf]) -> u64 {
    paths.iter().filter_map(|path| path.metadata().ok()).map(|data| data.len()).sum()
}

/// What can be seen of a step from outside.
struct Watched {
    labels: Vec<PathBuf>,
    log: Vec<PathBuf>,
}

impl Watched {
    fn new(dir: &Path) -> Self {
        let log = files_below(&dir.join("log")).unwrap();
        Self { labels: vec![dir.join("private/labels")], log }
    }

    fn sizes(&self) -> (u64, u64) {
        (bytes(&self.labels), bytes(&self.log))
    }
}

/// Puts a label and kills the node at the step; whether the label was acknowledged before.
async fn put_and_kill(
    child: &mut Killed,
    dir: &Path,
    name: &str,
    (step, spins): (Step, u64),
) -> bool {
    let mut local = connected(dir).await;
    let watched = Watched::new(dir);
    let (labels, log) = watched.sizes();
    let name = name.to_owned();
    let mut put = tokio::spawn(async move { local.call_malicious(&name, "").await });
    let begun = Instant::now();
    let mut first = None;
    loop {
        assert!(begun.elapsed() < PATIENCE, "{step:?} was never seen");
        let (labels_now, log_now) = watched.sizes();
        if labels_now > labels {
            first.get_or_insert(labels_now);
        }
        let reached = match step {
            Step::Seal => first.is_some(),
            Step::Fsync => log_now > log,
            Step::Index => first.is_some_and(|first| labels_now > first),
            Step::Send => false,
        };
        // A put that ends before its step was seen to pass is killed later than wished for, which is a point, too.
        if reached || put.is_finished() {
            break;
        }
        tokio::task::yield_now().await;
    }
    if step == Step::Send {
        let status = patiently("the label is acknowledged", &mut put).await.unwrap();
        for _ in 0..spins {
            tokio::task::yield_now().await;
        }
        child.kill();
        return status.is_ok();
    }
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    child.kill();
    patiently("the call ends with the node", put).await.unwrap().is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_nothing_acknowledged_and_fork_nothing() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = ["A", "B"].map(|name| make(root.path(), name, name == "A"));
    let governor = Running::start(&a).await;
    let b = join(&governor, &b, "B", &[]).await;
    governor.put("first.example", v1::Verdict::Malicious).await;
    let org = governor.node.org;
    governor.stop().await;
    let seed = 20_261_124;
    println!("seed {seed}");
    let mut rng = SeededRng::new("kills", seed);
    let mut acknowledged = vec!["first.example".to_owned()];
    let mut heights: BTreeMap<u64, BlockId> = BTreeMap::new();
    let mut killed: BTreeMap<Step, (u32, u32)> = BTreeMap::new();
    let begun = Instant::now();
    for (round, step) in (0..KILLS).zip(STEPS.into_iter().cycle()) {
        let mut child = spawn(&a);
        let name = format!("host-{round}.example");
        let spins = match step {
            Step::Send => rng.next_u64() % 200,
            _ => rng.next_u64() % 20_000,
        };
        let was_acknowledged = put_and_kill(&mut child, &a, &name, (step, spins)).await;
        let counts = killed.entry(step).or_default();
        counts.0 += 1;
        counts.1 += u32::from(was_acknowledged);
        if was_acknowledged {
            acknowledged.push(name);
        }
        // What the peer holds of the feed only ever grows, and keeps what it was.
        let ledger = b.node.store.read();
        assert_eq!(ledger.forks().count(), 0, "round {round}: two blocks at one height");
        if let Some(head) = ledger.heads().filter(|head| head.feed.org == org).last() {
            let known = *heights.entry(head.next).or_insert(head.block);
            assert_eq!(known, head.block, "round {round}: height {} changed", head.next);
            let highest = heights.last_key_value().map(|(next, _)| *next);
            assert_eq!(highest, Some(head.next), "round {round}: the feed shrank");
        }
    }
    println!(
        "{KILLS} kills in {:?}; step: (kills, acknowledged before) {killed:?}",
        begun.elapsed()
    );

    // At rest: all that was acknowledged is said, sealed, and held by the peer.
    let a = Running::start(&a).await;
    a.until("nothing waits", |status| status.names.as_ref().unwrap().waiting == 0).await;
    settled(&[&a, &b]).await;
    let mine = a.local().await.labels.mine(v1::MineRequest {}).await.unwrap();
    let mine: Vec<_> = mine.into_inner().map(|label| label.unwrap().destination).collect().await;
    for name in &acknowledged {
        assert!(mine.contains(name), "{name} was acknowledged and is lost");
        for node in [&a, &b] {
            let answer = node.lookup(&[name]).await.remove(0);
            assert_eq!(answer.state(), v1::AnswerState::Answered, "{name}");
        }
    }
    assert_eq!(b.node.store.read().forks().count(), 0);
    println!("{} labels acknowledged, all there; {} in all", acknowledged.len(), mine.len());
    a.stop().await;
    b.stop().await;
}

fn copy(from: &Path, to: &Path) {
    for path in files_below(from).unwrap() {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&path, &target).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_hears_first_how_far_its_feed_had_come() {
    let root = tempfile::tempdir().unwrap();
    let [dir, b] = ["A", "B"].map(|name| make(root.path(), name, name == "A"));
    let a = Running::start(&dir).await;
    let b = join(&a, &b, "B", &[]).await;
    a.put("one.example", v1::Verdict::Malicious).await;
    a.stop().await;
    let backup = root.path().join("backup");
    copy(&dir, &backup);
    let a = Running::start(&dir).await;
    let sealed = |status: &v1::StatusResponse| status.names.as_ref().unwrap().waiting == 0;
    for name in ["two.example", "three.example"] {
        a.put(name, v1::Verdict::Malicious).await;
        a.until("it is sealed", sealed).await;
    }
    settled(&[&a, &b]).await;
    let org = a.node.org;
    a.stop().await;
    std::fs::remove_dir_all(&dir).unwrap();
    copy(&backup, &dir);
    for private in [&dir, &dir.join("keys"), &dir.join("private")] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(private, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    // Something waits in the backup: a node that asked nobody would seal it at once, at a height that B has seen.
    {
        let folder = Folder::open(&dir).unwrap();
        let keys = Keys::load(&folder).unwrap();
        let mut outbox = Outbox::open(&folder, &keys.at_rest, Suffixes::shipped()).unwrap();
        assert!(outbox.reseal_all(SystemClock.now().hour()).unwrap() > 0);
    }
    let height = |node: &Running| node.node.store.head_of(&org).unwrap().next;
    // Alone it cannot know, and with somebody to ask it asks: the next block comes after those that it has lost.
    let a = Running::start(&dir).await;
    a.put("four.example", v1::Verdict::Malicious).await;
    a.until("it is sealed", sealed).await;
    settled(&[&a, &b]).await;
    // What waited may share a block with the new label.
    let after = height(&a);
    assert!(after >= 4 && after == height(&b), "{after}");
    assert_eq!(b.node.store.read().forks().count(), 0);
    a.stop().await;
    // Nobody there to be asked: after its attempts it goes on.
    b.stop().await;
    let begun = Instant::now();
    let a = Running::start(&dir).await;
    a.put("five.example", v1::Verdict::Malicious).await;
    a.until("it is sealed", sealed).await;
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(height(&a), after + 1);
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_lost_for_good_goes_on_in_a_new_incarnation() {
    let root = tempfile::tempdir().unwrap();
    let [dir, b] = ["A", "B"].map(|name| make(root.path(), name, name == "A"));
    let a = Running::start(&dir).await;
    let b = join(&a, &b, "B", &[]).await;
    let org = a.node.org;
    for name in ["one.example", "two.example"] {
        a.put(name, v1::Verdict::Malicious).await;
    }
    settled(&[&a, &b]).await;
    a.stop().await;
    let heads = || {
        let ledger = b.node.store.read();
        let ours = ledger.heads().filter(|head| head.feed.org == org);
        ours.map(|head| (head.feed.incarnation, head.next)).collect::<Vec<_>>()
    };
    let before = heads();
    assert_eq!(before.len(), 1);

    let mut child = spawn_with(&dir, &["--new-incarnation"]);
    let mut local = connected(&dir).await;
    local.call_malicious("three.example", "").await.unwrap();
    patiently("B holds what was said", async {
        while b.lookup(&["three.example"]).await[0].state() != v1::AnswerState::Answered {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let after = heads();
    assert_eq!(after[0], before[0], "nothing more is said in the old one");
    assert_eq!((after.len(), after[1].0), (2, 1), "{after:?}");
    // All was said again there: once the old feed counts for nothing, the new one says as much.
    for name in ["one.example", "two.example"] {
        let answer = b.lookup(&[name]).await.remove(0);
        let json = shared(&answer);
        assert_eq!(json["host"]["tally"]["malicious"]["orgs"], 1, "{name}: once, not twice");
    }
    assert!(after[1].1 >= 2, "the old labels, and the new one: {after:?}");
    assert_eq!(b.node.store.read().forks().count(), 0);
    child.kill();
    // The next start needs no word: it goes on where it was.
    let a = Running::start(&dir).await;
    a.put("four.example", v1::Verdict::Malicious).await;
    settled(&[&a, &b]).await;
    assert_eq!(heads().len(), 2);
    a.stop().await;
    b.stop().await;
}

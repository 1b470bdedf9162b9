//! Goal: what routers send to a node is analyzed and kept as an upload is, whatever becomes of the process in between.
//! Method: a node on loopback, datagrams made here, and the machine's clock with the test's hand on it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod datagrams;
mod running;

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use datagrams::{Way, data, ipfix, template, version_5, version_9};
use flowlore_common::env::{Clock, SystemClock};
use flowlore_common::time::Micros;
use flowlore_node::demo::ports;
use flowlore_node::metrics;
use flowlore_node::rpc::client::{Local, upload_parts};
use flowlore_proto::v1;
use running::{PATIENCE, Running, known, make};
use serde_json::Value;

/// Seconds of a period.
const PERIOD: i64 = 10;

/// Stands at the beginning of a period until the test says that the next one begins, and near the machine's clock, by
/// which calls are signed.
struct Standing(AtomicI64);

impl Clock for Standing {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::Relaxed))
    }
}

impl Standing {
    fn new() -> Arc<Self> {
        let standing = Self(AtomicI64::new(0));
        standing.next();
        Arc::new(standing)
    }

    fn next(&self) {
        let begun = |at: i64| at.div_euclid(PERIOD * 1_000_000);
        let period = begun(SystemClock.now().0).max(begun(self.now().0) + 1);
        self.0.store(period * PERIOD * 1_000_000, Ordering::Relaxed);
    }
}

/// A node's folder with an input.
fn listening(root: &Path, listen: &str, every: &str) -> PathBuf {
    let dir = make(root, "A", true);
    let path = dir.join("flowlore.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let input = format!("[[input]]\nkind = \"netflow\"\nlisten = {listen:?}\nevery = {every:?}\n");
    std::fs::write(&path, text + "\n" + &input).unwrap();
    dir
}

/// A router, by its address on loopback.
fn router(address: &str) -> UdpSocket {
    UdpSocket::bind((address, 0)).unwrap()
}

fn seconds() -> u32 {
    u32::try_from(SystemClock.now().seconds()).unwrap()
}

/// Both ways of a connection from inside to this last byte of an address.
fn both(to: u8, port: u16) -> [Way; 2] {
    let (inside, outside) = (([10, 1, 2, 3], port), ([198, 51, 100, to], 443));
    [
        Way { source: inside, destination: outside, packets: 10, bytes: 1_400 },
        Way { source: outside, destination: inside, packets: 12, bytes: 9_000 },
    ]
}

/// What the node itself saw of an address.
async fn here(node: &Running, to: u8) -> Value {
    let address = format!("198.51.100.{to}");
    known(&node.lookup(&[&address]).await[0])["here"].clone()
}

fn spool(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("private/spool")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn received(node: &Running, count: u64) {
    node.until("the datagrams are received", |status| {
        status.netflow.as_ref().unwrap().datagrams == count
    })
    .await;
}

async fn analyzed(node: &Running, count: u64) {
    node.until("the period is analyzed", |status| {
        status.netflow.as_ref().unwrap().periods_analyzed == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routers_are_heard_and_what_they_say_is_kept_as_an_upload_is() {
    let root = tempfile::tempdir().unwrap();
    let dir = listening(root.path(), "127.0.0.1:0", "10s");
    let clock = Standing::new();
    let node = Running::start_at(&dir, clock.clone()).await;
    let to = node.inputs[0];
    let now = seconds();
    // One template id, two exporters, two meanings.
    let [one, two] = [router("127.0.0.1"), router("127.0.0.2")];
    let send = |from: &UdpSocket, datagram: Vec<u8>| from.send_to(&datagram, to).unwrap();
    let bytes: usize = [
        send(&one, version_9(now, 1, &[template(false, false), data(false, &both(1, 50_001))])),
        send(&two, version_9(now, 1, &[template(false, true), data(true, &both(2, 50_002))])),
        send(&one, version_9(now, 2, &[data(false, &both(3, 50_003))])),
        send(&two, version_9(now, 2, &[data(true, &both(4, 50_004))])),
        send(&one, version_5(now, 1, &both(5, 50_005))),
        send(&two, ipfix(now, 0, &[template(true, true), data(true, &both(6, 50_006))])),
    ]
    .iter()
    .sum();
    send(&one, b"not of a router".to_vec());
    received(&node, 7).await;
    // As a capture: its header, and headers of record, IP and UDP. It is written when nothing comes for a moment.
    let bytes = (24 + 6 * (16 + 20 + 8) + bytes) as u64;
    let written = async {
        while spool(&dir)[0].metadata().unwrap().len() < bytes {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    let copy = root.path().join("copy.pcap");
    std::fs::copy(&spool(&dir)[0], &copy).unwrap();
    clock.next();
    analyzed(&node, 1).await;
    assert!(spool(&dir).is_empty(), "what is kept needs no spool");
    for to in 1..=6 {
        let seen = here(&node, to).await;
        assert_eq!((&seen["flows"], &seen["machines"]), (&1.into(), &1.into()), "{to}: {seen}");
        // Headers of IP and TCP are taken off.
        assert_eq!(seen["bytes_out"], 1_400 - 10 * 52, "{to}: {seen}");
        assert_eq!(seen["bytes_in"], 9_000 - 12 * 52, "{to}: {seen}");
    }
    let sealed = |status: &v1::StatusResponse| status.names.as_ref().unwrap().cached == 6;
    node.until("what may leave has gone through the door", sealed).await;
    let status = node.status().await;
    let netflow = status.netflow.unwrap();
    assert_eq!((netflow.exporters, netflow.waiting_bytes, netflow.analyses_failed), (4, 0, 0));
    let dropped = |reason: &str, count| v1::DroppedCount { reason: reason.to_owned(), count };
    assert_eq!(netflow.dropped, [dropped("not_netflow", 1)]);
    assert_eq!(netflow.listens, [to.to_string()]);
    assert_eq!(netflow.kernel_drops, cfg!(target_os = "linux").then_some(0));
    let page = metrics::text(&node.node).unwrap();
    for line in [
        "flowlore_netflow_datagrams_total 7",
        "flowlore_netflow_dropped_total{reason=\"not_netflow\"} 1",
        "flowlore_netflow_periods_analyzed_total 1",
        "flowlore_netflow_exporters 4",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }

    // For people, what an upload is answered.
    let kept: Vec<PathBuf> = std::fs::read_dir(dir.join("private/reports"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let kept: Value = serde_json::from_slice(&std::fs::read(&kept[0]).unwrap()).unwrap();
    assert_eq!(kept["input"]["flows"], 6, "{kept}");

    // The capture that the analyzer read is an upload like any other: it was kept already.
    let parts = upload_parts(&[copy], v1::AnalyzeOptions::default()).unwrap();
    let mut answer = node.local().await.flows.analyze(parts).await.unwrap().into_inner();
    let mut document = vec![];
    while let Some(part) = answer.message().await.unwrap() {
        if let Some(v1::analyze_response::Part::Report(part)) = part.part {
            document.extend_from_slice(&part.document);
        }
    }
    let report: Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(report["input"]["flows"], 6, "{report}");
    assert_eq!(here(&node, 1).await["flows"], 1, "the same again counts once");

    // In the next period, templates need not be announced again.
    send(&one, version_9(now, 3, &[data(false, &both(1, 50_007))]));
    send(&two, ipfix(now, 2, &[data(true, &both(6, 50_008))]));
    received(&node, 9).await;
    clock.next();
    analyzed(&node, 2).await;
    assert_eq!(
        (here(&node, 1).await["flows"].clone(), here(&node, 6).await["flows"].clone()),
        (2.into(), 2.into())
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_until_the_end_is_analyzed() {
    let root = tempfile::tempdir().unwrap();
    let dir = listening(root.path(), "127.0.0.1:0", "1d");
    let node = Running::start(&dir).await;
    for number in 0..50 {
        let datagram = version_5(seconds(), number * 2, &both(1, 40_000 + number as u16));
        router("127.0.0.1").send_to(&datagram, node.inputs[0]).unwrap();
    }
    node.stop().await;
    assert!(spool(&dir).is_empty());
    let node = Running::start(&dir).await;
    assert_eq!(here(&node, 1).await["flows"], 50);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_leaves_is_analyzed_by_the_next_one() {
    let root = tempfile::tempdir().unwrap();
    let [port] = ports::free().unwrap();
    let dir = listening(root.path(), &port.to_string(), "1d");
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowlore-node"))
        .args(["run", "--dir"])
        .arg(&dir)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let up = async {
        loop {
            if let Ok(mut local) = Local::connect(&dir).await
                && local.status().await.is_ok()
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.unwrap();
    let sent = version_9(seconds(), 1, &[template(false, false), data(false, &both(1, 50_001))]);
    let to: SocketAddr = port;
    router("127.0.0.1").send_to(&sent, to).unwrap();
    let written = async {
        let is_written =
            |path: &PathBuf| std::fs::read(path).is_ok_and(|bytes| bytes.ends_with(&sent));
        while !spool(&dir).iter().any(is_written) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(spool(&dir).len(), 1);

    // Also when it listens to nobody any more.
    let path = dir.join("flowlore.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.find("[[input]]").unwrap()]).unwrap();
    let node = Running::start(&dir).await;
    let read = async {
        while !spool(&dir).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    assert_eq!(here(&node, 1).await["flows"], 1);
    assert!(node.status().await.netflow.is_none());
    node.stop().await;
}

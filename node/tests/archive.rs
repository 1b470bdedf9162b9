//! Goal: the flows of uploads are kept as the report counts them, once, and are erased when asked. Method: a node of
//! this process, an upload of rows from just now, since what is older than thirty days would be forgotten; then the
//! archive's files, and the program that erases.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod logs;
mod running;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use flowlore_archive::ArchiveError;
use flowlore_archive::file::Selection;
use flowlore_archive::row::Row;
use flowlore_common::env::{Clock as _, SystemClock};
use flowlore_node::rpc::client::upload_parts;
use flowlore_proto::v1;
use logs::folder_of;
use running::{Running, make};
use serde_json::Value;
use tokio_stream::StreamExt as _;

/// Rows of conn, ssl and dhcp logs: of two hosts, one with a name, and a scanner from outside.
fn write_logs(folder: &Path, now_s: i64) {
    let mut conn = String::new();
    for number in 0..100_i64 {
        let (source, destination) = match number {
            90.. => ("198.51.100.200", "10.0.0.1"),
            _ if number % 3 == 0 => ("10.0.0.1", "203.0.113.9"),
            _ => ("10.0.0.2", "203.0.113.10"),
        };
        let start = now_s - 7_200 + number * 60;
        conn += &format!(
            r#"{{"_path":"conn","ts":{start}.5,"uid":"C{number}","id.orig_h":"{source}","id.orig_p":50000,"id.resp_h":"{destination}","id.resp_p":443,"proto":"tcp","service":"ssl","duration":1.25,"orig_bytes":{number},"resp_bytes":2000,"conn_state":"SF","orig_pkts":5,"orig_ip_bytes":400,"resp_pkts":5,"resp_ip_bytes":2300}}"#
        );
        conn.push('\n');
    }
    // One row came twice.
    let again = conn.lines().next().unwrap().to_owned();
    conn += &again;
    conn.push('\n');
    std::fs::write(folder.join("conn.log"), conn).unwrap();
    let start = now_s - 7_200;
    let ssl = format!(
        r#"{{"_path":"ssl","ts":{start}.6,"uid":"C0","id.orig_h":"10.0.0.1","id.orig_p":50000,"id.resp_h":"203.0.113.9","id.resp_p":443,"server_name":"a.example"}}"#
    );
    std::fs::write(folder.join("ssl.log"), ssl + "\n").unwrap();
    let lease = now_s - 9_000;
    let dhcp = format!(
        r#"{{"_path":"dhcp","ts":{lease}.0,"uids":["D1"],"client_addr":"10.0.0.1","mac":"02:00:00:00:00:01","host_name":"pc-1","assigned_addr":"10.0.0.1"}}"#
    );
    std::fs::write(folder.join("dhcp.log"), dhcp + "\n").unwrap();
}

fn kept(node: &Running) -> Vec<Row> {
    let mut rows = Vec::new();
    let take = |row| {
        rows.push(row);
        Ok::<_, ArchiveError>(())
    };
    node.node.flows.archive.read(&Selection::ALL, take).unwrap();
    rows
}

fn erase(dir: &Path, whose: &[&str]) -> Value {
    let program = env!("CARGO_BIN_EXE_flowlore-node");
    let output = Command::new(program)
        .args(["archive", "erase", "--json", "--dir"])
        .arg(dir)
        .args(whose)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_of_uploads_are_kept_once_and_erased_when_asked() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let logs = root.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    write_logs(&logs, SystemClock.now().seconds());
    let node = Running::start(&dir).await;
    let home = ["10.0.0.0/8".to_owned()];
    let mut report = Value::Null;
    for _ in 0..2 {
        let analyzed =
            node.local().await.analyze(std::slice::from_ref(&logs), &home).await.unwrap();
        report = serde_json::from_slice(&analyzed.report).unwrap();
    }
    // As many as the report counts, and as it counts them.
    let rows = kept(&node);
    assert_eq!(rows.len(), 100);
    assert_eq!(report["input"]["flows"], rows.len());
    let mut categories = BTreeMap::new();
    for row in &rows {
        *categories.entry(row.category.clone()).or_insert(0) += 1;
    }
    let reported = report["categories"].as_object().unwrap().iter();
    let reported: BTreeMap<_, _> = reported
        .map(|(name, flows)| (name.clone(), flows.as_i64().unwrap()))
        .filter(|(_, flows)| *flows > 0)
        .collect();
    assert_eq!(categories, reported);
    // What was known of them is kept with them.
    let named: Vec<&Row> = rows.iter().filter(|row| row.destination_name.is_some()).collect();
    assert_eq!(named.len(), 1);
    let first = named[0];
    assert_eq!(first.destination_name.as_deref(), Some("a.example"));
    assert_eq!(
        (first.named_by.as_deref(), first.host_name.as_deref(), first.uid.as_deref()),
        (Some("sni"), Some("pc-1"), Some("C0"))
    );
    assert_eq!((first.end.0 - first.start.0, first.direction.as_str()), (1_250_000, "outbound"));
    let probes = rows.iter().filter(|row| row.direction == "inbound");
    assert!(probes.clone().all(|row| row.host == row.destination_ip));
    assert_eq!(probes.count(), 10);
    // While the node runs, then after it was stopped: the same command.
    let spooled = |name: &str| {
        std::fs::create_dir_all(dir.join("private/spool")).unwrap();
        std::fs::write(dir.join("private/spool").join(name), b"datagrams").unwrap();
    };
    spooled("00000000000000000001.failed");
    let receipt = erase(&dir, &["--host", "pc-1"]);
    assert_eq!(receipt["flows_erased"], 30, "{receipt}");
    assert_eq!(receipt["datagram_files_removed"], 1, "{receipt}");
    node.stop().await;
    // As a killed one leaves them.
    spooled("00000000000000000002.pcap");
    spooled("00000000000000000003.open");
    std::fs::create_dir(dir.join("private/upload-killed")).unwrap();
    let receipt = erase(&dir, &["--host", "198.51.100.200"]);
    assert_eq!(receipt["flows_erased"], 10, "{receipt}");
    assert_eq!(receipt["datagram_files_removed"], 2, "{receipt}");
    assert_eq!(std::fs::read_dir(dir.join("private/spool")).unwrap().count(), 0);
    assert!(!dir.join("private/upload-killed").exists());
    let node = Running::start(&dir).await;
    let rows = kept(&node);
    assert_eq!(rows.len(), 60);
    assert!(rows.iter().all(|row| row.host.to_string() == "10.0.0.2"));
    // Sent once more, the erased flows stay away.
    node.local().await.analyze(std::slice::from_ref(&logs), &home).await.unwrap();
    assert_eq!(kept(&node).len(), 60);
    assert_eq!(erase(&dir, &["--before", "2149-01-01"])["flows_erased"], 60);
    node.stop().await;
}

/// The query of README's kind, by the glob that it names, while the node runs. `FLOWLORE_DUCKDB_PYTHON` names a Python
/// that has DuckDB (<https://duckdb.org>).
#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_what_the_report_counts() {
    let Some(python) = folder_of("FLOWLORE_DUCKDB_PYTHON", "duckdb_reads_what_the_report_counts")
    else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let logs = root.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    write_logs(&logs, SystemClock.now().seconds());
    let node = Running::start(&dir).await;
    let home = ["10.0.0.0/8".to_owned()];
    let analyzed = node.local().await.analyze(std::slice::from_ref(&logs), &home).await.unwrap();
    let report: Value = serde_json::from_slice(&analyzed.report).unwrap();
    let glob = dir.join("archive/date=*/hour=*/*.parquet");
    let program = format!(
        "import duckdb, json\n\
         flows = \"read_parquet('{}', hive_partitioning = true)\"\n\
         all = lambda what: duckdb.sql(f'SELECT {{what}} FROM {{flows}} GROUP BY ALL').fetchall()\n\
         print(json.dumps([all('category, count(*)'), all('host_ip, count(*), sum(source_bytes)::BIGINT'), \
         all('count(*), count(DISTINCT uid), bool_and(hour::INTEGER BETWEEN 0 AND 23)')]))",
        glob.display()
    );
    let output = Command::new(python).args(["-c", &program]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [categories, hosts, sums]: [Vec<Vec<Value>>; 3] =
        serde_json::from_slice(&output.stdout).unwrap();
    let reported = report["categories"].as_object().unwrap();
    let counted = |row: &Vec<Value>| (row[0].as_str().unwrap().to_owned(), row[1].clone());
    let read: BTreeMap<_, _> = categories.iter().map(counted).collect();
    let flows = |name: &String| read.get(name).cloned().unwrap_or_else(|| 0.into());
    assert!(reported.iter().all(|(name, count)| flows(name) == *count), "{read:?} {reported:?}");
    let numbers = 0..100_i64;
    let of = |is: fn(i64) -> bool| {
        let bytes: Vec<i64> = numbers.clone().filter(|number| is(*number)).collect();
        (bytes.len() as i64, bytes.iter().sum::<i64>())
    };
    let expected = BTreeMap::from([
        ("10.0.0.1", of(|number| number >= 90 || number % 3 == 0)),
        ("10.0.0.2", of(|number| number < 90 && number % 3 != 0)),
    ]);
    let sums_of = |row: &Vec<Value>| (row[1].as_i64().unwrap(), row[2].as_i64().unwrap());
    let read: BTreeMap<_, _> =
        hosts.iter().map(|row| (row[0].as_str().unwrap(), sums_of(row))).collect();
    assert_eq!(read, expected);
    assert_eq!(serde_json::json!(sums), serde_json::json!([[100, 100, true]]));
    node.stop().await;
}

/// What began to come before an erasure may hold what is erased.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_its_way_in_does_not_bring_back_what_is_erased() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let logs = root.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    write_logs(&logs, SystemClock.now().seconds());
    let node = Running::start(&dir).await;
    for day in ["", "2026-11-23"] {
        let options = v1::AnalyzeOptions { day: day.to_owned(), ..Default::default() };
        let parts = upload_parts(std::slice::from_ref(&logs), options).unwrap();
        let mut parts: Vec<_> = parts.collect().await;
        let end = parts.pop().unwrap();
        let (send, sent) = tokio::sync::mpsc::channel(parts.len() + 1);
        for part in parts {
            send.send(part).await.unwrap();
        }
        let mut local = node.local().await;
        let stream = tokio_stream::wrappers::ReceiverStream::new(sent);
        let call = tokio::spawn(async move { local.flows.analyze(stream).await });
        let comes = async {
            let is_upload = |entry: std::io::Result<std::fs::DirEntry>| {
                entry.unwrap().file_name().to_string_lossy().starts_with("upload-")
            };
            while !std::fs::read_dir(dir.join("private")).unwrap().any(is_upload) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(running::PATIENCE, comes).await.unwrap();
        assert_eq!(erase(&dir, &["--host", "pc-1"])["flows_erased"], 0);
        send.send(end).await.unwrap();
        let refused = call.await.unwrap().unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Aborted, "{refused}");
        assert_eq!(kept(&node).len(), 0);
        assert!(!dir.join("private/days/2026-11-23").exists());
    }
    node.stop().await;
}

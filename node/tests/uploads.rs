//! Goal: what the local port says of flows is what the commands say, byte for byte, and what cannot be used is refused
//! plainly and leaves nothing behind. Method: a node of this process; the client's commands in this process beside the
//! node's own program, on one sample day; and calls made by hand where a client would not make them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod logs;
mod running;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use clap::Parser as _;
use flowlore_client::cli::Cli;
use flowlore_client::cmd::{Console, run};
use flowlore_client::failure::Failure;
use flowlore_common::env::{Clock as _, SystemClock};
use flowlore_node::limits::{UPLOAD_PART_BYTES_MAX, UPLOAD_TABLE_BYTES_MAX, UPLOADS_MAX};
use flowlore_node::rpc::client::upload_parts;
use flowlore_proto::v1;
use flowlore_proto::v1::FilePurpose as Purpose;
use flowlore_proto::v1::analyze_request::Part;
use flowlore_proto::v1::triage_question::About;
use logs::{flowlore_node, sample_day};
use running::{PATIENCE, Running, known, make};
use serde_json::{Value, json};
use tonic::{Code, Status};

/// A node and a day's logs of one org.
struct Scene {
    root: tempfile::TempDir,
    node: Running,
    logs: String,
}

impl Scene {
    async fn new(rows: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        let node = Running::start(&make(root.path(), "A", true)).await;
        let day = root.path().join("day");
        sample_day(&day, 7, rows);
        let logs = day.join("org-a").to_str().unwrap().to_owned();
        Self { root, node, logs }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.root.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What the client's command prints.
    async fn client(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut out = Vec::new();
        let mut console = Console {
            out: &mut out,
            json: arguments.contains(&"--json"),
            out_is_terminal: false,
            colour: false,
            progress: false,
            now: SystemClock.now(),
        };
        let dir = self.node.dir.to_str().unwrap();
        let all = ["flowlore", "--dir", dir].into_iter().chain(arguments.iter().copied());
        let cli = Cli::try_parse_from(all).unwrap();
        run(cli, |_| None, Arc::new(SystemClock), &mut console).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// What a triage that is made by hand is answered.
    async fn triage(&self, parts: Vec<Part>) -> Result<Vec<u8>, Status> {
        let parts = parts.into_iter().map(|part| v1::AnalyzeRequest { part: Some(part) });
        let parts = tokio_stream::iter(parts.collect::<Vec<_>>());
        let mut answer = self.node.local().await.flows.triage(parts).await?.into_inner();
        let mut document = Vec::new();
        while let Some(part) = answer.message().await? {
            document.extend_from_slice(&part.document);
        }
        Ok(document)
    }

    /// Uploads that wait in the node's folder.
    fn waiting(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.node.dir.join("private")).unwrap();
        let all = entries.map(|entry| entry.unwrap().path());
        all.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("upload-"))
            .collect()
    }
}

/// Without how long the node's own program took, which is not sent.
fn untimed(text: &str) -> String {
    let timed = text.split_once("   read in ").unwrap();
    let (_, rest) = timed.1.split_once('\n').unwrap();
    format!("{}\n{rest}", timed.0)
}

/// A finding about one address outside.
fn about_an_address(report: &Value) -> &Value {
    let mut findings = report["findings"].as_array().unwrap().iter();
    let outside =
        |one: &&Value| one["direction"] == "outbound" && one["behaviour"] != "c2_over_dns";
    findings.find(|one| outside(one) && one["destination"]["host"].is_null()).unwrap()
}

/// Where its flows went.
fn address(finding: &Value) -> &str {
    finding["destination"]["address"].as_str().unwrap()
}

/// Alerts in Suricata's notation, of both ends of some flows of the report.
fn alerts(report: &Value) -> String {
    let findings = report["findings"].as_array().unwrap().iter();
    let alert = |finding: &Value| {
        let (from, to) = (&finding["source"]["address"], &finding["destination"]["address"]);
        let line = json!({
            "timestamp": finding["first"], "event_type": "alert", "src_ip": from, "dest_ip": to, "proto": "TCP",
            "alert": { "signature": format!("about {}", finding["behaviour"]), "category": "test" },
        });
        format!("{line}\n")
    };
    findings.take(3).map(alert).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_port_answers_as_the_commands_do() {
    let scene = Scene::new(500).await;
    let logs = &*scene.logs;
    fs::write(Path::new(logs).join(".hidden"), "not read").unwrap();
    let assets = scene.file("assets.csv", "address,name,criticality\n10.0.0.0/8,INSIDE,high\n");

    // Reports: the same bytes, but for the time that the program took.
    let analyzed = flowlore_node(&["analyze", logs, "--output", "json"]);
    assert_eq!(scene.client(&["upload", logs, "--json"]).await.unwrap(), analyzed);
    let report: Value = serde_json::from_str(&analyzed).unwrap();
    assert!(report["input"]["notes"].to_string().contains("not read: 1"), "{}", report["input"]);
    let sequences = scene.file("sequences.tsv", "own\tOur own\tscan > 1h c2\tus\n");
    let options = [
        &["--assets", &*assets, "--sequences", &*sequences][..],
        &["--min-severity", "info", "--tz", "Asia/Tokyo"],
    ]
    .concat();
    let text = flowlore_node(&[&["analyze", logs], &options[..]].concat());
    let uploaded = scene.client(&[&["upload", logs], &options[..]].concat()).await.unwrap();
    let (uploaded, publication) = uploaded.split_once("\nQueued for publication").unwrap();
    assert_eq!(uploaded, untimed(&text));
    assert!(publication.contains("contacted"), "{publication}");

    // Stories: of several alerts, of a finding, of a host at a time.
    let eve = scene.file("eve.json", &alerts(&report));
    let finding = about_an_address(&report);
    let id = finding["id"].as_str().unwrap();
    let (at, host) = (&finding["first"], &finding["source"]["address"]);
    let (at, host) = (at.as_str().unwrap(), host.as_str().unwrap());
    let local = at.replace('T', " ").replace('Z', "");
    for (json, asked) in [
        (false, vec!["--alert", &eve, "--assets", &assets, "--before", "1h", "--after", "2h"]),
        (true, vec!["--alert", &eve]),
        (false, vec!["--alert", id]),
        (true, vec!["--at", at, "--host", host, "--home-net", "10.0.0.0/8"]),
        (false, vec!["--at", &local, "--host", host, "--tz", "UTC"]),
    ] {
        let asked = [&["triage", logs], &asked[..]].concat();
        let (there, here) =
            if json { (&["--json"][..], &["--output", "json"][..]) } else { Default::default() };
        let told = scene.client(&[&asked[..], there].concat()).await.unwrap();
        assert_eq!(told, flowlore_node(&[&asked[..], here].concat()), "{asked:?}");
        let part = if json { "\"story\":" } else { "What happened" };
        assert!(told.contains(part), "{told}");
    }
    assert!(scene.waiting().is_empty(), "nothing of an upload stays");
    let seen = &scene.node.lookup(&[address(finding)]).await[0];
    assert!(!known(seen)["here"].is_null(), "what was uploaded is remembered");
    scene.node.stop().await;
}

/// A log that no sensor of ours writes: who talked to whom, every five minutes.
const MAPPED: &str = "from;to;port;at;out;in\n";
/// How it is read.
const MAPPING: &str = r#"
notation = "csv"
separator = ";"
bytes_are = "payload"
[time]
field = "at"
format = "s"
[fields]
source = "from"
destination = "to"
destination_port = "port"
transport = { or = "tcp" }
bytes_out = "out"
bytes_in = "in"
"#;

fn mapped_log() -> String {
    let row = |n: i64| format!("10.0.0.7;198.51.100.9;443;{};1482;611\n", 1_795_507_200 + 300 * n);
    (0..150).fold(MAPPED.to_owned(), |log, n| log + &row(n))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_beside_the_logs_goes_with_them() {
    let scene = Scene::new(500).await;
    let log = scene.file("proxy.csv", &mapped_log());
    let format = format!("map:{}", scene.file("proxy.toml", MAPPING));
    let tor = scene.file("tor.txt", "# nodes\n198.51.100.9:443\n");
    let domains = scene.file("domains.tsv", "evil.example\t2026-11-20\n");
    let lists = ["--tor", &*tor, "--domains", &*domains];

    // Without its mapping nothing of it is read, which must not make it known when it comes with it.
    let unread = scene.client(&["upload", &log, "--json"]).await.unwrap();
    let unread: Value = serde_json::from_str(&unread).unwrap();
    assert_eq!(unread["input"]["flows"], 0);
    let mapped = [&["upload", &log, "--format", &*format][..], &lists].concat();
    let uploaded = scene.client(&[&mapped[..], &["--json"]].concat()).await.unwrap();
    let mapped = [&["analyze", &log, "--format", &*format][..], &lists].concat();
    assert_eq!(uploaded, flowlore_node(&[&mapped[..], &["--output", "json"]].concat()));
    let report: Value = serde_json::from_str(&uploaded).unwrap();
    assert_eq!(report["input"]["flows"], 150);
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().any(|one| one["behaviour"] == "tor_use"), "{findings:?}");
    let flows = async || {
        let seen = &scene.node.lookup(&["198.51.100.9"]).await[0];
        known(seen)["here"]["flows"].clone()
    };
    assert_eq!(flows().await, 150);

    // The same lines by the same mapping are known; by another they are other flows.
    scene.client(&["upload", &log, "--format", &format]).await.unwrap();
    assert_eq!(flows().await, 150);
    let other = scene.file("other.toml", &MAPPING.replace("= \"out\"", "= \"in\""));
    scene.client(&["upload", &log, "--format", &format!("map:{other}")]).await.unwrap();
    assert_eq!(flows().await, 300);

    let asked = ["--at", "2026-11-24T09:00:00Z", "--host", "10.0.0.7", "--format", &*format];
    let asked = [&["triage", &log][..], &asked, &lists].concat();
    assert_eq!(scene.client(&asked).await.unwrap(), flowlore_node(&asked));

    let wrong_list = scene.file("wrong.txt", "192.0.2.7\n192.0.2.7 9001\n");
    let wrong_mapping = scene.file("wrong.toml", &MAPPING.replace("separator", "seperator"));
    let wrong_format = format!("map:{wrong_mapping}");
    for (options, told) in [
        (["--tor", &*wrong_list], format!("--tor {wrong_list}: line 2: '192.0.2.7 9001'")),
        (["--domains", &*wrong_list], format!("--domains {wrong_list}: line 1")),
        (["--format", &*wrong_format], format!("mapping {wrong_mapping}")),
    ] {
        for command in [&["upload", &log][..], &asked[..6]] {
            let failure = scene.client(&[command, &options].concat()).await.unwrap_err();
            assert_eq!(failure.code, "invalid_argument", "{failure}");
            assert!(failure.message.contains(&told), "{told}: {failure}");
            assert!(!failure.message.contains("upload-"), "paths are the sender's: {failure}");
        }
    }
    scene.node.stop().await;
}

/// How much is listed is a matter of the eye.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_decides_nothing_that_leaves() {
    let scene = Scene::new(500).await;
    let mut queued = vec![];
    for severity in ["info", "critical"] {
        let (min_severity, keep_here) = (severity.to_owned(), true);
        let options = v1::AnalyzeOptions { min_severity, keep_here, ..Default::default() };
        let parts = upload_parts(&[scene.logs.clone().into()], options).unwrap();
        let answer = scene.node.local().await.flows.analyze(parts).await.unwrap();
        let mut answer = answer.into_inner();
        while let Some(part) = answer.message().await.unwrap() {
            if let Some(v1::analyze_response::Part::Publication(summary)) = part.part {
                queued.push(summary);
            }
        }
    }
    assert!(queued[0].suspected_names > 0, "{queued:?}");
    assert_eq!(queued[0], queued[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_triage_publishes_and_keeps_nothing() {
    let scene = Scene::new(500).await;
    let report: Value =
        serde_json::from_str(&flowlore_node(&["analyze", &scene.logs, "--output", "json"]))
            .unwrap();
    let eve = scene.file("eve.json", &alerts(&report));
    scene.client(&["triage", &scene.logs, "--alert", &eve]).await.unwrap();
    let status = scene.node.status().await;
    assert_eq!((status.names.unwrap().waiting, status.store.unwrap().blocks), (0, 0));
    let seen = &scene.node.lookup(&[address(about_an_address(&report))]).await[0];
    assert!(known(seen)["here"].is_null(), "what was asked about is not remembered");
    let archive = scene.node.dir.join("archive");
    assert!(
        !archive.exists() || logs::files(&archive).iter().all(|path| path.extension().is_none())
    );
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_refused_with_the_reason() {
    let scene = Scene::new(500).await;
    let logs = &*scene.logs;
    let quiet = scene.file("quiet.json", "{\"event_type\":\"stats\"}\n");
    let assets = scene.file("assets.csv", "address,criticality\n10.0.0.1,urgent\n");
    let time = "2026-11-23T09:22:30Z";
    let moment = |host: &'static str| ["--at", time, "--host", host];
    for (asked, told) in [
        (vec!["--alert", &*quiet], format!("--alert {quiet}: no alert in it")),
        (vec!["--alert", "0123abcd"], "no finding of".to_owned()),
        (vec!["--at", "yesterday", "--host", "10.0.0.1"], "no time; write it as".to_owned()),
        (moment("198.18.77.7").to_vec(), "198.18.77.7: no flow of this host".to_owned()),
        (vec!["--at", time, "--host", "10.0.0.1", "--after", "8d"], "1 s to 7 d".to_owned()),
        (vec!["--alert", &quiet, "--assets", &assets], format!("--assets {assets}: line 2")),
        (vec!["--alert", &quiet, "--tz", "Mars/North"], "no such time zone".to_owned()),
    ] {
        let arguments = [&["triage", logs], &asked[..]].concat();
        let failure = scene.client(&arguments).await.unwrap_err();
        assert_eq!(failure.code, "invalid_argument", "{failure}");
        assert!(failure.message.contains(&told), "{told}: {failure}");
        assert!(!failure.message.contains("upload-"), "paths are the sender's: {failure}");
    }

    let issue = Command::new(env!("CARGO_BIN_EXE_flowlore-node"))
        .args(["credential", "issue", "--name", "ray", "--role", "reader", "--dir"])
        .arg(&scene.node.dir)
        .output();
    assert!(issue.unwrap().status.success());
    let credential = scene.node.dir.join("credentials/ray.cred");
    let arguments =
        ["--credential", credential.to_str().unwrap(), "triage", logs, "--alert", &quiet];
    let failure = scene.client(&arguments).await.unwrap_err();
    assert_eq!(failure.code, "permission_denied", "{failure}");
    assert!(failure.message.contains("contributor"), "{failure}");

    assert!(scene.waiting().is_empty());
    scene.node.stop().await;
}

fn open(purpose: Purpose, question: Option<v1::TriageQuestion>) -> Part {
    let (path, purpose) = ("x.log".to_owned(), purpose.into());
    Part::Open(v1::FileOpen { path, purpose, question, ..v1::FileOpen::default() })
}

fn question() -> Option<v1::TriageQuestion> {
    let moment = v1::Moment {
        at: "2026-11-23T09:22:30Z".to_owned(),
        host: "10.0.0.1".to_owned(),
        destination: String::new(),
    };
    Some(v1::TriageQuestion { about: Some(About::Moment(moment)), ..v1::TriageQuestion::default() })
}

fn data(bytes: usize) -> Part {
    Part::Data(vec![b'\n'; bytes].into())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_by_hand_meet_the_bounds() {
    let scene = Scene::new(500).await;
    let end = || Part::End(v1::UploadEnd {});
    let table = usize::try_from(UPLOAD_TABLE_BYTES_MAX).unwrap() / UPLOAD_PART_BYTES_MAX;
    let too_large = (0..=table).map(|_| data(UPLOAD_PART_BYTES_MAX));
    let too_large = [open(Purpose::Assets, question())].into_iter().chain(too_large).collect();
    let long = v1::FileOpen { path: "x".repeat(5_000), ..v1::FileOpen::default() };
    let form = v1::Presentation { form: "picture".to_owned(), ..v1::Presentation::default() };
    let form = v1::AnalyzeOptions { presentation: Some(form), ..v1::AnalyzeOptions::default() };
    let form = v1::FileOpen {
        path: "x.log".to_owned(),
        options: Some(form),
        question: question(),
        ..v1::FileOpen::default()
    };
    let flows = || open(Purpose::Flows, question());
    let unknown = v1::FileOpen { path: "x".to_owned(), purpose: 99, ..v1::FileOpen::default() };
    for (parts, told) in [
        (vec![data(1), end()], "data before the first open"),
        (vec![flows(), data(UPLOAD_PART_BYTES_MAX + 1)], "at most 256 KiB"),
        (vec![Part::Open(long)], "1 to 4,096 bytes"),
        (vec![Part::Open(unknown)], "purpose"),
        (vec![flows(), open(Purpose::Places, None), open(Purpose::Places, None)], "one file"),
        (too_large, "more than 16 MiB"),
        (vec![Part::Open(form), end()], "is not json, ndjson or text"),
        (vec![open(Purpose::Flows, None), end()], "has a question"),
        (vec![flows(), data(1)], "broke off"),
        (vec![], "broke off"),
        (vec![flows(), end()], "no flows at all"),
    ] {
        let refused = scene.triage(parts).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(told), "{told}: {refused}");
    }
    let channel = flowlore_node::rpc::client::connect(&scene.node.node.config.local).await.unwrap();
    let mut unsigned = v1::flow_service_client::FlowServiceClient::new(channel);
    let refused = unsigned.triage(tokio_stream::empty()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(scene.waiting().is_empty());
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_leaves_nothing_and_keeps_no_place() {
    let scene = Scene::new(500).await;
    for _ in 0..=UPLOADS_MAX {
        let (parts, queue) = tokio::sync::mpsc::channel(4);
        let queue = tokio_stream::wrappers::ReceiverStream::new(queue);
        let mut local = scene.node.local().await;
        let call = tokio::spawn(async move { local.flows.triage(queue).await.map(|_| ()) });
        for part in [open(Purpose::Flows, question()), data(1_000)] {
            parts.send(v1::AnalyzeRequest { part: Some(part) }).await.unwrap();
        }
        until("it waits in a folder", || scene.waiting().len() == 1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        drop(parts);
        until("the folder is gone", || scene.waiting().is_empty()).await;
    }
    // More went away than there are places, and the next one finds a place.
    let refused = scene.triage(vec![open(Purpose::Flows, question()), Part::End(v1::UploadEnd {})]);
    assert!(refused.await.unwrap_err().message().contains("no flows at all"));
    scene.node.stop().await;
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

//! Goal: what is sent part by part for a day is reported as one run over the day reports it, kept once, and forgotten
//! when it must be. Method: a sample day cut into its hours, sent to a node of this process in a shuffled order, with a
//! restart in between; beside it the node's own program on all of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod logs;
mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser as _;
use flowlore_archive::ArchiveError;
use flowlore_archive::file::Selection;
use flowlore_client::cli::Cli;
use flowlore_client::cmd::{Console, run};
use flowlore_client::failure::Failure;
use flowlore_common::destination::{Host, Input};
use flowlore_common::env::{Clock as _, SystemClock};
use flowlore_common::label::Purpose;
use logs::{Log, Random, files, flowlore_node, sample_day};
use running::{Running, known, make};
use serde_json::Value;

/// Of the sample and of the order.
const SEED: u64 = 20_261_123;
/// A name for what belongs together, whatever the rows say.
const DAY: &str = "2026-11-23";

/// A node that keeps flows of any age, since a sample's day does not move.
fn node_folder(root: &Path, days_gib: u32) -> PathBuf {
    let dir = make(root, "A", true);
    let path = dir.join("flowlore.toml");
    let mut table: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    table["retention"]["flows_days"] = 3_653.into();
    table["analyze"]["days_gib"] = days_gib.into();
    fs::write(&path, toml::to_string(&table).unwrap()).unwrap();
    dir
}

/// What the client's command prints.
async fn client(node: &Running, arguments: &[&str]) -> Result<String, Failure> {
    let mut out = Vec::new();
    let mut console = Console {
        out: &mut out,
        json: arguments.contains(&"--json"),
        out_is_terminal: false,
        colour: false,
        progress: false,
        now: SystemClock.now(),
    };
    let dir = node.dir.to_str().unwrap();
    let all = ["flowlore", "--dir", dir].into_iter().chain(arguments.iter().copied());
    let cli = Cli::try_parse_from(all).unwrap();
    run(cli, |_| None, Arc::new(SystemClock), &mut console).await?;
    Ok(String::from_utf8(out).unwrap())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Cuts a day's logs by the time of their rows, an hour a folder; gives the folders.
fn cut(day: &Path, into: &Path) -> Vec<PathBuf> {
    let mut hours: BTreeMap<(u64, String), Log> = BTreeMap::new();
    for log in files(day).iter().filter_map(|path| Log::read(path)) {
        for row in &log.rows {
            let time = row.split(|byte| *byte == b'\t').next().unwrap();
            let seconds: f64 = std::str::from_utf8(time).unwrap().parse().unwrap();
            let empty = || Log { header: log.header.clone(), rows: vec![] };
            let hour = (seconds / 3_600.0) as u64;
            hours.entry((hour, log.name())).or_insert_with(empty).rows.push(row.clone());
        }
    }
    for ((hour, name), log) in &hours {
        let folder = into.join(hour.to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.log")), log.to_bytes()).unwrap();
    }
    let hours: BTreeSet<u64> = hours.into_keys().map(|(hour, _)| hour).collect();
    hours.iter().map(|hour| into.join(hour.to_string())).collect()
}

fn rows_kept(node: &Running) -> u64 {
    let mut rows = 0;
    let take = |_| {
        rows += 1;
        Ok::<_, ArchiveError>(())
    };
    node.node.flows.archive.read(&Selection::ALL, take).unwrap();
    rows
}

/// The beacons of a report: to where, and which incident.
fn beacons(report: &Value) -> BTreeMap<String, String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let beacons =
        findings.filter(|one| one["behaviour"].as_str().unwrap().starts_with("c2_beacon"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    beacons
        .filter_map(|one| Some((text(&one["destination"]["host"])?, text(&one["incident"])?)))
        .collect()
}

async fn incidents_here(node: &Running, destination: &str) -> u64 {
    known(&node.lookup(&[destination]).await[0])["here"]["incidents"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_comes_by_the_hour_is_reported_as_one() {
    println!("seed {SEED}");
    let root = tempfile::tempdir().unwrap();
    let (sample, day) = (root.path().join("sample"), root.path().join("day"));
    sample_day(&sample, SEED, 2_000);
    let mut hours = cut(&sample.join("org-a"), &day);
    assert!(hours.len() >= 24, "{hours:?}");
    let whole = flowlore_node(&["analyze", day.to_str().unwrap(), "--output", "json"]);
    let report = json(&whole);
    let mut alone = BTreeSet::new();
    for hour in &hours {
        let report = flowlore_node(&["analyze", hour.to_str().unwrap(), "--output", "json"]);
        alone.extend(beacons(&json(&report)).into_keys());
    }
    let slow = beacons(&report).into_keys().find(|host| !alone.contains(host));
    let slow = slow.expect("a beacon that no hour shows");

    Random(SEED).shuffle(&mut hours);
    let dir = node_folder(root.path(), 1);
    let mut node = Running::start(&dir).await;
    let mut last = String::new();
    for (sent, hour) in hours.iter().enumerate() {
        if sent == hours.len() / 2 {
            node.stop().await;
            node = Running::start(&dir).await;
        }
        let hour = hour.to_str().unwrap();
        last = client(&node, &["upload", hour, "--day", DAY, "--json"]).await.unwrap();
    }
    // To the last byte, the list of files included.
    assert_eq!(last, whole);
    assert_eq!(rows_kept(&node), report["input"]["flows"].as_u64().unwrap());
    let incidents = incidents_here(&node, &slow).await;
    assert!(incidents > 0, "what only the whole shows is remembered");
    let said = Input::host(&slow.parse::<Host>().unwrap());
    let said =
        || node.node.outbox().get(Purpose::Suspected, &said).map(|said| said.entries.clone());
    let suspected = said();
    assert!(suspected.is_some(), "and said");

    // Sent again, a part of it changes nothing, and is told from a new one.
    let again = ["upload", hours[0].to_str().unwrap(), "--day", DAY, "--json"];
    let mut again = json(&client(&node, &again).await.unwrap());
    let notes = again["input"]["notes"].take();
    assert!(notes.to_string().contains("were sent for 2026-11-23 before"), "{notes}");
    again["input"]["notes"] = report["input"]["notes"].clone();
    assert_eq!(again, report);
    assert_eq!(rows_kept(&node), report["input"]["flows"].as_u64().unwrap());
    assert_eq!((incidents_here(&node, &slow).await, said()), (incidents, suspected));

    // Another day is another day; and text is of the day.
    let one = ["upload", hours[0].to_str().unwrap(), "--day", "2026-11-24"];
    let text = client(&node, &one).await.unwrap();
    assert!(text.lines().next().unwrap().contains("all that was sent for 2026-11-24"), "{text}");
    let of_hour = flowlore_node(&["analyze", hours[0].to_str().unwrap()]);
    assert_eq!(
        text.lines().nth(1).unwrap().split(" read").next().unwrap().trim_end(),
        of_hour.lines().nth(1).unwrap().split(" read").next().unwrap().trim_end()
    );

    // Raw logs: nobody's flows can be told apart in them.
    let erased = ["archive", "erase", "--json", "--host", "192.0.2.250", "--dir"];
    let receipt = json(&flowlore_node(&[&erased[..], &[dir.to_str().unwrap()]].concat()));
    assert_eq!((&receipt["days_removed"], &receipt["flows_erased"]), (&2.into(), &0.into()));
    assert!(!dir.join("private/days").exists());
    node.stop().await;
}

/// Connections of a host, a row each five minutes of an hour.
fn csv(columns: &str, hour: i64) -> String {
    let row = |n: i64| {
        let at = 1_795_478_400 + 3_600 * hour + 300 * n;
        match columns {
            "from,to,at" => format!("10.0.0.7,198.51.100.9,{at}\n"),
            _ => format!("{at},198.51.100.9,10.0.0.7\n"),
        }
    };
    (0..12).fold(format!("{columns}\n"), |log, n| log + &row(n))
}

const MAPPING: &str = r#"
notation = "csv"
bytes_are = "payload"
[time]
field = "at"
format = "s"
[fields]
source = "from"
destination = "to"
destination_port = { or = "443" }
transport = { or = "tcp" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_a_day_is_read_as_it_was_sent() {
    let root = tempfile::tempdir().unwrap();
    let node = Running::start(&node_folder(root.path(), 1)).await;
    let file = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // Two logs by two mappings, and one that is known by its content.
    let [one, two] = [("one", "from,to,at", 9), ("two", "when,whereto,who", 10)]
        .map(|(name, columns, hour)| file(&format!("{name}.csv"), &csv(columns, hour)));
    let other = MAPPING.replace("\"from\"", "\"who\"").replace("\"to\"", "\"whereto\"");
    let other = other.replace("\"at\"", "\"when\"");
    let [first, second] = [("first", MAPPING), ("second", &*other)]
        .map(|(name, text)| format!("map:{}", file(&format!("{name}.toml"), text)));
    let conn = r#"{"_path":"conn","ts":1795518000.5,"uid":"C1","id.orig_h":"10.0.0.7","id.orig_p":50000,"id.resp_h":"198.51.100.9","id.resp_p":443,"proto":"tcp","duration":1.0,"orig_bytes":10,"resp_bytes":20,"conn_state":"SF"}"#;
    let conn = file("conn.log", &format!("{conn}\n"));
    let day = ["--day", DAY, "--json"];
    let upload = async |part: &[&str]| {
        json(&client(&node, &[&["upload"], part, &day].concat()).await.unwrap())
    };
    assert_eq!(upload(&[&one, "--format", &first]).await["input"]["flows"], 12);
    assert_eq!(upload(&[&conn]).await["input"]["flows"], 13);
    let report = upload(&[&two, "--format", &second, "--keep-here"]).await;
    assert_eq!(report["input"]["flows"], 25, "{}", report["input"]);
    let named: Vec<&str> = report["input"]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(named, [&*conn, &*one, &*two]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_outlives_the_loss_of_a_file() {
    let root = tempfile::tempdir().unwrap();
    let dir = node_folder(root.path(), 1);
    let node = Running::start(&dir).await;
    let mapping = root.path().join("map.toml");
    fs::write(&mapping, MAPPING).unwrap();
    let mapping = format!("map:{}", mapping.display());
    let upload = async |node: &Running, hour: i64| {
        let log = root.path().join(format!("{hour}.csv"));
        fs::write(&log, csv("from,to,at", hour)).unwrap();
        let log = log.to_str().unwrap();
        client(node, &["upload", log, "--format", &mapping, "--day", DAY, "--json"]).await
    };
    upload(&node, 9).await.unwrap();
    let day = dir.join("private/days").join(DAY);
    let stored = fs::read_dir(&day).unwrap().next().unwrap().unwrap().path().join("00000");
    fs::remove_file(&stored).unwrap();
    let report = json(&upload(&node, 10).await.unwrap());
    assert_eq!(report["input"]["flows"], 12);
    assert!(report["input"]["notes"].to_string().contains("left out: 1"), "{report}");
    assert_eq!(rows_kept(&node), 24, "flows were kept when they came");
    // The next process removes it, so that it can be sent again.
    node.stop().await;
    let node = Running::start(&dir).await;
    let report = json(&upload(&node, 9).await.unwrap());
    assert_eq!((&report["input"]["flows"], &report["input"]["notes"]), (&24.into(), &json("[]")));
    assert_eq!(rows_kept(&node), 24);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_room_for_days_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let node = Running::start(&node_folder(root.path(), 0)).await;
    let log = root.path().join("one.csv");
    fs::write(&log, csv("from,to,at", 9)).unwrap();
    let upload = ["upload", log.to_str().unwrap(), "--day", DAY];
    let failure = client(&node, &upload).await.unwrap_err();
    assert_eq!(failure.code, "failed_precondition", "{failure}");
    assert!(failure.message.contains("without --day"), "{failure}");
    assert!(failure.message.contains("[analyze] days_gib"), "{failure}");
    assert_eq!(rows_kept(&node), 0, "nothing of it is kept");
    node.stop().await;
}

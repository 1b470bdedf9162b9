//! Goal: `triage` as people call it: wrong input is said plainly, and among a day's alerts the harmless ones are
//! answered while no true one is taken for harmless. Method: the program on sample days; alerts made of the day's own
//! flows, with the answer key beside them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod logs;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use logs::{Log, Random, files, flowlore_node, report, sample_day};
use serde_json::{Value, json};

/// Benign alerts laid between the true ones.
const BENIGN: usize = 500;
/// Of these at least so many, percent, need nobody.
const ANSWERED_PERCENT: usize = 90;

/// What the program says on standard error when it refuses.
fn refusal(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_flowlore-node");
    let output = Command::new(program).arg("triage").args(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty() && !said.is_empty());
    said
}

#[test]
fn wrong_input_is_said_plainly() {
    let root = tempfile::tempdir().unwrap();
    let day = root.path().join("day");
    sample_day(&day, 5, 2_000);
    let logs = day.join("org-a");
    let host = conns(&logs).swap_remove(0).from;
    let logs = logs.to_str().unwrap();
    let quiet = root.path().join("quiet.json");
    fs::write(&quiet, "{\"event_type\":\"stats\",\"timestamp\":\"2026-11-23T09:00:00.0+0000\"}\n")
        .unwrap();
    let quiet = quiet.to_str().unwrap();
    let time = "2026-11-23T09:22:30Z";
    for (arguments, expected) in [
        (vec![logs, "--alert", quiet], "no alert in it"),
        (vec![logs, "--alert", "no-such-file"], "no-such-file"),
        (vec![logs, "--alert", "0123abcd"], "no finding of"),
        (vec!["-", "--alert", "-"], "cannot both be standard input"),
        (vec![logs, "--at", "yesterday", "--host", "10.0.0.1"], "no time; write it as"),
        (vec![logs, "--at", time, "--host", "198.18.77.7"], "198.18.77.7: no flow of this host"),
        (vec![logs, "--at", "2026-12-24T09:22:30Z", "--host", &host], "outside of the"),
        (vec![logs, "--at", time, "--host", "no such"], "no machine is called 'no such'"),
        (vec!["-", "--at", time, "--host", "pc-7"], "read twice for a name"),
        (vec![logs, "--at", time], "--host"),
        (vec![logs], "--alert"),
        (
            vec![logs, "--at", time, "--host", "10.0.0.1", "--destination", "a b"],
            "no name and no address",
        ),
        (vec![logs, "--at", time, "--host", "10.0.0.1", "--before", "1y"], "write it as 90s"),
        (vec![logs, "--at", time, "--host", "10.0.0.1", "--after", "8d"], "1 s to 7 d"),
    ] {
        let said = refusal(&arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

/// A row of conn.log, as much of it as an alert names.
struct Conn {
    ts: String,
    from: String,
    to: String,
    port: String,
}

fn conns(folder: &Path) -> Vec<Conn> {
    let logs = files(folder).into_iter().filter_map(|path| Log::read(&path));
    let mut all = Vec::new();
    for log in logs.filter(|log| log.name() == "conn") {
        let fields = log.words("fields");
        let at = ["ts", "id.orig_h", "id.resp_h", "id.resp_p"]
            .map(|name| fields.iter().position(|field| field == name).unwrap());
        for row in &log.rows {
            let row = String::from_utf8(row.clone()).unwrap();
            let words: Vec<&str> = row.split('\t').collect();
            let [ts, from, to, port] = at.map(|at| words[at].to_owned());
            all.push(Conn { ts, from, to, port });
        }
    }
    all
}

fn alert(conn: &Conn, rule: &str) -> String {
    let (seconds, fraction) = conn.ts.split_once('.').unwrap();
    let second: i64 = seconds.parse().unwrap();
    let at = flowlore_common::time::Micros(second * 1_000_000)
        .to_string()
        .replace('Z', &format!(".{fraction}Z"));
    let alert = json!({
        "timestamp": at, "event_type": "alert", "src_ip": conn.from, "dest_ip": conn.to, "dest_port": conn.port.parse::<u16>().unwrap(),
        "proto": "TCP", "alert": {"signature": rule, "category": "test"},
    });
    format!("{alert}\n")
}

/// Rows of a table with a header, by column.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let row = |line: &str| {
        let cells = header.iter().zip(line.split('\t'));
        cells.map(|(name, cell)| ((*name).to_owned(), cell.to_owned())).collect()
    };
    lines.map(row).collect()
}

#[test]
fn harmless_alerts_are_answered_and_true_ones_never_taken_for_harmless() {
    let root = tempfile::tempdir().unwrap();
    let day = root.path().join("day");
    sample_day(&day, 12, 40_000);
    let logs = day.join("org-a");
    let conns = conns(&logs);
    let key = table(&day.join("key.tsv"));
    let bad: BTreeSet<&str> = key.iter().flat_map(|row| row["destination"].split('|')).collect();
    let victims: BTreeSet<&str> = key.iter().map(|row| &*row["source"]).collect();
    let inside = |address: &str| address.starts_with("10.");
    let mut benign: Vec<&Conn> = conns
        .iter()
        .filter(|conn| inside(&conn.from) && !victims.contains(&*conn.from))
        .filter(|conn| !inside(&conn.to) && !bad.contains(&*conn.to))
        .collect();
    let mut random = Random(3);
    random.shuffle(&mut benign);
    benign.truncate(BENIGN);
    assert_eq!(benign.len(), BENIGN);
    let mut lines = String::new();
    let rules = ["ET INFO TLS", "ET POLICY agent", "ET DNS name", "ET HUNTING odd", "GPL MISC x"];
    for conn in &benign {
        // A signature fires for what a service does, so the service decides which.
        let service = conn.to.bytes().chain(conn.port.bytes()).map(usize::from).sum::<usize>();
        lines.push_str(&alert(conn, rules[service % rules.len()]));
    }
    let mut attacks = 0;
    for (number, row) in key.iter().enumerate() {
        let there: Vec<&str> = row["destination"].split('|').collect();
        let of = |conn: &&Conn| conn.from == row["source"] && there.contains(&&*conn.to);
        // In the middle of it, where an alert is as likely as anywhere.
        let flows: Vec<&Conn> = conns.iter().filter(of).collect();
        if let Some(conn) = flows.get(flows.len() / 2) {
            lines.push_str(&alert(conn, &format!("TRUE {number} {}", row["behaviours"])));
            attacks += 1;
        }
    }
    assert!(attacks >= 5, "{attacks} of {} rows of the key have flows", key.len());
    let alerts = root.path().join("alerts.json");
    fs::write(&alerts, &lines).unwrap();
    let nets: BTreeSet<&str> = key.iter().flat_map(|row| row["home_net"].split('|')).collect();
    let mut arguments = vec![
        "triage",
        logs.to_str().unwrap(),
        "--alert",
        alerts.to_str().unwrap(),
        "--output",
        "json",
    ];
    nets.iter().for_each(|net| arguments.extend(["--home-net", net]));
    let review: Value = serde_json::from_str(&flowlore_node(&arguments)).unwrap();

    let mut quiet = 0;
    let mut verdicts: BTreeMap<(bool, String), u64> = BTreeMap::new();
    for triage in review["triages"].as_array().unwrap() {
        let attack = triage["alert"]["rule"].as_str().unwrap().starts_with("TRUE");
        let count = triage["alert"]["count"].as_u64().unwrap();
        let verdict = triage["summary"]["verdict"].as_str().unwrap().to_owned();
        if !attack {
            // Whoever reads an answer has read those that are folded into it.
            let read = u64::from(verdict != "no_interesting_activity");
            quiet += count - read;
        }
        println!("{} {count} {verdict}: {}", triage["alert"]["rule"], triage["summary"]["text"]);
        *verdicts.entry((attack, verdict)).or_default() += count;
        let flows = &triage["window"];
        let left: u64 =
            flows["left_out"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(flows["flows"], json!(flows["told"].as_u64().unwrap() + left));
    }
    println!("{attacks} true alerts among {BENIGN}: {verdicts:?}");
    println!("benign ones that need nobody: {quiet} of {BENIGN}");
    assert!(!verdicts.contains_key(&(true, "no_interesting_activity".to_owned())), "{verdicts:?}");
    let quiet = usize::try_from(quiet).unwrap();
    assert!(quiet * 100 >= BENIGN * ANSWERED_PERCENT, "{quiet} of {BENIGN}");
}

#[test]
fn a_machine_is_named_as_its_leases_do() {
    let root = tempfile::tempdir().unwrap();
    let day = root.path().join("day");
    sample_day(&day, 7, 500);
    let logs = day.join("org-a");
    let report = report(&logs);
    let mut findings = report["findings"].as_array().unwrap().iter();
    let named = findings.find(|one| one["source"]["known_from"] == "dhcp").unwrap();
    let name = named["source"]["name"].as_str().unwrap();
    let at = named["first"].as_str().unwrap();
    let triage = |host: &str| {
        let logs = logs.to_str().unwrap();
        flowlore_node(&["triage", logs, "--at", at, "--host", host, "--output", "json"])
    };
    let by_address = triage(named["source"]["address"].as_str().unwrap());
    assert_eq!(triage(&name.to_lowercase()), by_address);
    let wrong = format!("{name}x");
    let said = refusal(&[logs.to_str().unwrap(), "--at", at, "--host", &wrong]);
    assert!(said.contains("near to it: ") && said.contains(&name.to_lowercase()), "{said}");
}

#[test]
fn a_finding_of_the_report_is_triaged_by_its_id() {
    let root = tempfile::tempdir().unwrap();
    let day = root.path().join("day");
    sample_day(&day, 7, 3_000);
    let logs = day.join("org-a");
    let report = report(&logs);
    let finding = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["severity"] != "info")
        .unwrap();
    let id = finding["id"].as_str().unwrap();
    let triage =
        flowlore_node(&["triage", logs.to_str().unwrap(), "--alert", id, "--output", "json"]);
    let triage: Value = serde_json::from_str(&triage).unwrap();
    assert_eq!(triage["schema"], "flowlore.triage.v1");
    assert_eq!(triage["alert"]["at"], finding["first"]);
    let ids: Vec<&Value> =
        triage["findings"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert!(ids.contains(&&finding["id"]), "{ids:?}");
    let text = flowlore_node(&["triage", logs.to_str().unwrap(), "--alert", id]);
    assert!(
        text.contains("What happened") && text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
}

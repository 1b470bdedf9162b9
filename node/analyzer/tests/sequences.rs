//! Goal: findings that stand in an order that attacks have are one incident that tells the steps; others stay apart.
//!
//! Method: logs of our own making through the whole analyzer: a host that tries doors, gets through one, and data that
//! leave the other side of it; then the same with a step too early, too late, elsewhere, or missing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, sync::Arc};

use flowlore_analyzer::{
    options::Options,
    report::{Report, model::Incident, text::TextOptions},
    sequences::Sequences,
};
use flowlore_common::label::{Behaviour, Severity};

#[path = "support/logs.rs"]
mod logs;

use logs::{CONN, Cut, DAY, File, all, analyze, file, report, shuffle};

const HOST: &str = "10.20.0.7";
const SERVER: &str = "10.20.0.9";
const SSH: &str = "#separator \\x09\n#unset_field\t-\n#path\tssh\n#fields\tts\tuid\tid.orig_h\tid.orig_p\t\
    id.resp_h\tid.resp_p\tauth_success\tauth_attempts\n";

/// Knocks at the doors of twenty inside hosts, which nobody answers.
fn scan(second: u64) -> Vec<String> {
    let knock = |n: u64| {
        format!(
            "{}.0\tCk{n}\t{HOST}\t40000\t10.20.1.{n}\t22\ttcp\t-\t0.1\t0\t0\tS0\t-\t-\t0\tS\t1\t60\t0\t0\t-\n",
            DAY + second + n
        )
    };
    (1..=20).map(knock).collect()
}

/// Thirty refused log-ons of the host at the server, then one that works.
fn guess(second: u64) -> Vec<String> {
    let row = |n: u64| {
        let works = if n == 30 { "T" } else { "F" };
        let at = DAY + second + n * 5;
        format!("{at}.0\tCs{n}\t{HOST}\t50000\t{SERVER}\t22\t{works}\t1\n")
    };
    (0..=30).map(row).collect()
}

/// A hundred megabytes from a host to an address outside, too quickly for a session.
fn upload(second: u64, from: &str) -> Vec<String> {
    vec![format!(
        "{}.0\tCu\t{from}\t41000\t203.0.113.50\t9443\ttcp\t-\t9.0\t100000000\t3000\tSF\t-\t-\t0\tShADadFf\t71430\t\
         102857200\t35715\t1431600\t-\n",
        DAY + second
    )]
}

fn files(conns: &[Vec<String>], log_ons: &[String]) -> Vec<File> {
    vec![file("conn.log", CONN, &conns.concat()), file("ssh.log", SSH, log_ons)]
}

/// In order, an hour apart.
fn attack() -> Vec<File> {
    files(&[scan(3_600), upload(12_000, SERVER)], &guess(7_200))
}

fn with(list: &str) -> Options {
    Options { sequences: Arc::new(Sequences::parse(list).unwrap()), ..all() }
}

fn in_order(report: &Report) -> Vec<&Incident> {
    report.incidents.iter().filter(|one| !one.sequences.is_empty()).collect()
}

#[test]
fn steps_in_order_are_one_incident_a_step_graver() {
    let found = report(&attack(), &all());
    let behaviours: BTreeSet<Behaviour> = found.findings.iter().map(|one| one.behaviour).collect();
    let steps =
        [Behaviour::HorizontalScan, Behaviour::LoginFailuresThenSuccess, Behaviour::ExfilVolume];
    assert_eq!(behaviours, BTreeSet::from(steps), "{:#?}", found.findings);
    assert!(found.findings.iter().all(|one| one.severity == Severity::Medium));
    let [one] = &found.incidents[..] else { panic!("one incident, not {:#?}", found.incidents) };
    assert_eq!((one.severity, one.hosts.len()), (Severity::High, 2));
    assert_eq!(one.title, "Scan, log-on, data out: 2 hosts");
    let [sequence] = &one.sequences[..] else { panic!("{:#?}", one.sequences) };
    assert_eq!(sequence.name, "scan_logon_theft");
    let hosts: Vec<String> = sequence.steps.iter().map(|step| step.host.to_string()).collect();
    assert_eq!(hosts, [HOST, HOST, SERVER]);
    let told = sequence.steps.iter().zip(steps);
    assert!(told.clone().all(|(step, what)| step.sentence.starts_with(what.title())), "{told:?}");
    assert!(sequence.steps.is_sorted_by_key(|step| step.at));
    // Each step's evidence, in short here and whole at its finding.
    let said = &sequence.steps[1].sentence;
    assert!(said.contains("30 log-ons over SSH refused"), "{said}");
    let ids = sequence.steps.iter().map(|step| &step.finding_id);
    assert!(ids.clone().all(|id| one.finding_ids.contains(id)) && ids.count() == 3);
    assert!(found.summary.action_required);
}

#[test]
fn a_person_who_lists_high_alone_sees_the_steps() {
    let found = report(&attack(), &Options { severity_min: Severity::High, ..all() });
    assert_eq!((found.incidents.len(), found.findings.len()), (1, 3));
    let options = TextOptions {
        colour: false,
        input: "logs",
        elapsed_ms: None,
        offset_s: &|_| 0,
        zone: "UTC",
    };
    let text = found.to_text(&options);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    let steps = ["In order", "1. 23 Nov 2026, 01:00:01, 10.20.0.7: ", "2. 23 Nov 2026, 02:00:00"];
    assert!(steps.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{text}");
    assert!(at("3. 23 Nov 2026, 03:20:00, 10.20.0.9: ") > at(steps[2]));
    let mut told = text[at("In order")..at("    For")].lines();
    assert!(told.all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn what_stands_in_no_order_stays_apart() {
    let two = |name: &str, found: &Report| {
        // Two steps may follow each other: they are together, and no graver.
        for one in in_order(found) {
            assert_eq!(
                (one.sequences[0].steps.len(), one.severity),
                (2, Severity::Medium),
                "{name}"
            );
        }
        assert!(found.incidents.iter().all(|one| one.severity <= Severity::Medium), "{name}");
    };
    for (name, files) in [
        ("data left before", files(&[scan(3_600), upload(600, SERVER)], &guess(7_200))),
        (
            "data left another host",
            files(&[scan(3_600), upload(12_000, "10.20.0.10")], &guess(7_200)),
        ),
        ("nobody got in", files(&[scan(3_600), upload(12_000, SERVER)], &guess(7_200)[..30])),
        ("a day later", files(&[scan(3_600), upload(7_400 + 86_400, SERVER)], &guess(7_200))),
        ("the log-on came first", files(&[scan(9_000), upload(12_000, SERVER)], &guess(7_200))),
    ] {
        let found = report(&files, &all());
        assert!(found.incidents.len() > 1, "{name}: {:#?}", found.incidents);
        two(name, &found);
    }
}

#[test]
fn work_on_a_host_that_is_seen_in_two_ways_is_one_step() {
    // The host that guessed its way in then talks to the server all the time.
    let beacon = (0..60).map(|n| {
        format!(
            "{}.0\tCb{n}\t{HOST}\t40000\t{SERVER}\t8443\ttcp\t-\t0.4\t900\t1400\tSF\t-\t-\t0\tShADadFf\t8\t1328\t8\t\
             1820\t-\n",
            DAY + 7_400 + n * 300
        )
    });
    let found = report(&files(&[beacon.collect()], &guess(7_200)), &all());
    assert!(found.findings.iter().any(|one| one.behaviour.is_c2()), "{:#?}", found.findings);
    assert!(in_order(&found).is_empty(), "{:#?}", found.incidents);
}

#[test]
fn the_list_is_the_persons() {
    assert!(in_order(&report(&attack(), &with(""))).is_empty(), "none are wanted");
    let short = "own\tOur own\tscan > 10m movement > 24h theft\tus\n";
    assert!(in_order(&report(&attack(), &with(short))).is_empty(), "an hour is too long");
    let own = "own\tOur own\thorizontal_scan > 2h login_failures_then_success\tus\n";
    let found = report(&attack(), &with(own));
    let [one] = in_order(&found)[..] else { panic!("{:#?}", found.incidents) };
    assert_eq!((&*one.title, one.severity), ("Our own", Severity::Medium));
    assert_eq!(found.incidents.len(), 2);
    // By the host that was reached, which here took no second step of its own.
    let own = "own\tOur own\tscan > 2h reached movement\tus\n";
    assert!(in_order(&report(&attack(), &with(own))).is_empty(), "a scan gets onto no host");
    let own = "own\tOur own\tmovement > 2h reached theft\tus\n";
    assert_eq!(in_order(&report(&attack(), &with(own))).len(), 1);
    let lists = found.tool.lists.iter().map(|list| list.name).collect::<Vec<_>>();
    assert!(lists.contains(&"sequences"));
}

#[test]
fn no_order_of_arrival_and_no_cut_shows() {
    let json = |rows: (Vec<String>, Vec<String>), cut| {
        let files = vec![file("conn.log", CONN, &rows.0), file("ssh.log", SSH, &rows.1)];
        analyze(&files, &all(), cut).0.report.to_json()
    };
    let rows = || ([scan(3_600), upload(12_000, SERVER)].concat(), guess(7_200));
    let whole = json(rows(), Cut { intakes: 1, parts: 1, share_bytes: usize::MAX });
    assert!(whole.contains("scan_logon_theft"));
    for seed in 0..3 {
        let (mut conns, mut log_ons) = rows();
        shuffle(&mut conns, seed);
        shuffle(&mut log_ons, seed + 10);
        let cut = Cut { intakes: 2, parts: 3, share_bytes: 1 << 12 };
        assert!(json((conns, log_ons), cut) == whole, "seed {seed}");
    }
}

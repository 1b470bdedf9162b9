//! Goal: `lateral_movement` is found after what it follows, and administrators and clients of servers are left alone.
//!
//! Method: logs of our own making around DETECTORS.md's row, through the whole analyzer, with and without a history.

use flowlore_analyzer::{history::History, options::Options, report::Report};
use flowlore_common::{
    label::{Behaviour, Severity},
    time::Micros,
};

#[path = "support/logs.rs"]
mod logs;

use logs::{CONN, DAY, File, WHOLE, all, analyze, conn, file, report, shuffle};

const HOST: &str = "10.20.0.7";
const SMB: &str = "#separator \\x09\n#unset_field\t-\n#path\tsmb_mapping\n#fields\tts\tuid\tid.orig_h\tid.orig_p\t\
    id.resp_h\tid.resp_p\tpath\tshare_type\n";

/// A connection that nobody recognised, at a second of the day.
fn flow(second: u64, uid: &str, to: &str, port: u16) -> String {
    conn(second * 1_000, uid, HOST, 40_000, to, port).replace("\tssl\t", "\t-\t")
}

/// A beacon to a bare address, from an hour on for three hours: high.
fn beacon() -> Vec<String> {
    (0..36).map(|n| flow(3_600 + n * 300, &format!("Cb{n}"), "203.0.113.77", 8_443)).collect()
}

/// Eleven other hosts that browse, so that what is rare can be told.
fn others() -> Vec<String> {
    (20..31)
        .map(|n| {
            conn(n * 1_000, &format!("Co{n}"), &format!("10.20.0.{n}"), 40_000, "198.51.100.1", 443)
        })
        .collect()
}

fn with(rows: &[Vec<String>]) -> Vec<File> {
    vec![file("conn.log", CONN, &rows.concat())]
}

fn movement(report: &Report) -> Option<&flowlore_analyzer::report::model::Finding> {
    report.findings.iter().find(|one| one.behaviour == Behaviour::LateralMovement)
}

#[test]
fn sessions_after_a_beacon_are_high_and_of_its_incident() {
    let moves = vec![flow(7_200, "Cm1", "10.20.0.9", 445), flow(7_300, "Cm2", "10.20.0.10", 3_389)];
    let found = report(&with(&[others(), beacon(), moves]), &all());
    let one = movement(&found).expect("a movement");
    assert_eq!((one.severity, one.flows), (Severity::High, 2));
    assert_eq!((one.destination.count, one.destination.port), (Some(2), 0));
    assert_eq!(one.pivot.flow_uids, ["Cm1", "Cm2"]);
    let said: Vec<&str> = one.evidence.iter().map(|one| one.sentence.as_str()).collect();
    assert_eq!(
        said[0],
        "Sessions with 2 inside hosts on ports 445, 3389, by which administrators work."
    );
    assert!(
        said[1].starts_with("They began 60 min after") || said[1].contains("C2 beacon"),
        "{said:?}"
    );
    let beacon = found.findings.iter().find(|one| one.behaviour == Behaviour::C2BeaconIp).unwrap();
    assert_eq!(beacon.incident, one.incident);
}

#[test]
fn what_was_there_before_or_is_a_server_is_none() {
    let before = vec![flow(100, "Cm0", "10.20.0.9", 445), flow(7_200, "Cm1", "10.20.0.9", 445)];
    assert!(movement(&report(&with(&[others(), beacon(), before]), &all())).is_none());
    let server: Vec<String> = (20..24)
        .map(|n| conn(9_000, &format!("Cs{n}"), &format!("10.20.0.{n}"), 40_000, "10.20.0.9", 445))
        .chain([flow(7_200, "Cm1", "10.20.0.9", 445)])
        .collect();
    assert!(movement(&report(&with(&[others(), beacon(), server]), &all())).is_none());
    let domain = vec![flow(7_100, "Ck1", "10.20.0.9", 88), flow(7_200, "Cm1", "10.20.0.9", 445)];
    assert!(movement(&report(&with(&[others(), beacon(), domain]), &all())).is_none());
    let web = vec![flow(7_200, "Cm1", "10.20.0.9", 443)];
    assert!(movement(&report(&with(&[others(), beacon(), web]), &all())).is_none());
    let moves = vec![flow(7_200, "Cm1", "10.20.0.9", 445)];
    assert!(movement(&report(&with(&[others(), moves]), &all())).is_none(), "nothing is wrong");
}

/// A history of a week in which the host contacted these.
fn history(hosts: &[&str]) -> Options {
    let mut history = History::default();
    let today = Micros(i64::try_from(DAY).unwrap_or_default() * 1_000_000).day();
    for back in 1..=7 {
        let day = flowlore_common::time::Day(today.0 - back);
        history.note_day(day);
        hosts.iter().for_each(|host| history.note_destination(host, day, day, HOST));
    }
    Options { history: Some(history), ..all() }
}

#[test]
fn a_history_tells_what_is_new() {
    let moves = || vec![flow(7_200, "Cm1", "10.20.0.9", 445)];
    let files = with(&[others(), beacon(), moves()]);
    assert!(movement(&report(&files, &history(&["10.20.0.9"]))).is_none());
    let new = report(&files, &history(&["10.20.0.10"]));
    assert!(movement(&new).expect("new").limits.iter().all(|limit| !limit.contains("history")));
    let spread = |hosts: u64| -> Vec<String> {
        (0..hosts).map(|n| flow(n * 60, &format!("Cw{n}"), &format!("10.20.1.{n}"), 445)).collect()
    };
    let found = report(&with(&[others(), spread(5)]), &history(&[]));
    assert_eq!(movement(&found).map(|one| one.severity), Some(Severity::Medium));
    assert!(movement(&report(&with(&[others(), spread(4)]), &history(&[]))).is_none());
    assert!(movement(&report(&with(&[others(), spread(5)]), &all())).is_none());
}

#[test]
fn an_administrators_share_after_a_beacon_of_doubt() {
    // A name on the web's port is medium without a history.
    let named: Vec<String> = (0..36)
        .map(|n| {
            conn(3_600_000 + n * 300_000, &format!("Cb{n}"), HOST, 40_000, "203.0.113.77", 443)
        })
        .collect();
    let hellos: Vec<String> = (0..36)
        .map(|n| {
            logs::ssl(
                3_600_000 + n * 300_000,
                &format!("Cb{n}"),
                HOST,
                40_000,
                "203.0.113.77",
                "a.example",
            )
        })
        .collect();
    let moves = vec![flow(7_200, "Cm1", "10.20.0.9", 445)];
    let mut files = with(&[others(), named, moves]);
    files.push(file("ssl.log", logs::SSL, &hellos));
    assert!(movement(&report(&files, &all())).is_none());
    let share =
        format!("{}.5\tCm1\t{HOST}\t40000\t10.20.0.9\t445\t\\\\srv\\C$\tDISK\n", DAY + 7_200);
    files.push(file("smb_mapping.log", SMB, &[share]));
    let found = report(&files, &all());
    let one = movement(&found).expect("a share of administrators");
    assert_eq!(one.severity, Severity::High);
    assert!(one.evidence.iter().any(|one| one.sentence.contains("share that only administrators")));
}

/// Binds to a server, so many a second: as many to the mapper as to a port that it handed out.
fn binds(count: u64, a_second: u64) -> Vec<String> {
    (0..count)
        .flat_map(|n| {
            [(135, "Ca"), (49_668, "Cd")].map(|(port, uid)| {
                flow(100 + n / a_second, &format!("{uid}{n}"), "10.20.0.2", port)
            })
        })
        .collect()
}

#[test]
fn a_storm_of_binds() {
    let found = report(&with(&[binds(20, 3)]), &all());
    let one = movement(&found).expect("a storm");
    assert_eq!((one.severity, one.flows), (Severity::Medium, 40));
    assert_eq!(one.destination.address.to_string(), "10.20.0.2");
    assert_eq!(one.destination.count, None);
    assert!(movement(&report(&with(&[binds(19, 3)]), &all())).is_none());
    // A client of many programs: one every five seconds.
    let slow: Vec<String> = (0..40)
        .flat_map(|n| {
            [135, 49_668].map(|port| flow(n * 5, &format!("Cp{port}x{n}"), "10.20.0.2", port))
        })
        .collect();
    assert!(movement(&report(&with(&[slow]), &all())).is_none());
}

#[test]
fn any_order_gives_the_same() {
    let moves: Vec<String> =
        (0..70).map(|n| flow(7_200 + n, &format!("Cm{n}"), &format!("10.20.2.{n}"), 445)).collect();
    let mut rows = [others(), beacon(), moves, binds(30, 3)].concat();
    let json = |rows: &[String]| {
        analyze(&[file("conn.log", CONN, rows)], &all(), WHOLE).0.report.to_json()
    };
    let whole = json(&rows);
    // 64 sessions are kept, the first ones; that with the mapper was before the beacon.
    assert!(whole.contains("63 inside hosts"));
    for seed in 0..8 {
        shuffle(&mut rows, seed);
        assert_eq!(json(&rows), whole, "seed {seed}");
    }
}

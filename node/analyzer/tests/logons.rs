//! Goal: what logs of log-ons say is used: names of machines and people, and a password that was guessed
//! (`login_failures_then_success`); and what only looks like that is left alone.
//!
//! Method: logs of our own making through the whole analyzer.

use flowlore_analyzer::report::model::Finding;
use flowlore_common::label::{Behaviour, Severity};

#[path = "support/logs.rs"]
mod logs;

use logs::{CONN, Cut, DAY, File, all, analyze, conn, file, report, shuffle};

const KERBEROS: &str = "#separator \\x09\n#unset_field\t-\n#path\tkerberos\n#fields\tts\tuid\tid.orig_h\tid.orig_p\t\
    id.resp_h\tid.resp_p\trequest_type\tclient\tservice\tsuccess\terror_msg\n";
const SSH: &str = "#separator \\x09\n#unset_field\t-\n#path\tssh\n#fields\tts\tuid\tid.orig_h\tid.orig_p\t\
    id.resp_h\tid.resp_p\tauth_success\tauth_attempts\n";

/// A log-on of a user over Kerberos, at a second of the day.
fn kerberos(second: u64, user: &str, works: bool) -> String {
    let outcome = if works { "T\t-" } else { "F\tKDC_ERR_PREAUTH_FAILED" };
    format!(
        "{}.0\tCk{second}\t10.20.0.7\t50000\t10.20.0.2\t88\tAS\t{user}/A.EXAMPLE\tkrbtgt/A\t{outcome}\n",
        DAY + second
    )
}

fn ssh(second: u64, client: &str, works: bool) -> String {
    let outcome = if works { "T" } else { "F" };
    format!("{}.0\tCs{second}\t{client}\t50000\t10.20.0.9\t22\t{outcome}\t1\n", DAY + second)
}

/// The logs with one flow, so that there is a time that the data covers.
fn with_flow(logs: File) -> Vec<File> {
    vec![file("conn.log", CONN, &[conn(0, "Cx", "10.20.0.7", 40_000, "198.51.100.1", 443)]), logs]
}

fn guessed(logs: File) -> Option<Finding> {
    let findings = report(&with_flow(logs), &all()).findings;
    let mut found =
        findings.into_iter().filter(|one| one.behaviour == Behaviour::LoginFailuresThenSuccess);
    let one = found.next();
    assert!(found.next().is_none(), "one finding a source and target");
    one
}

#[test]
fn a_password_is_guessed_until_it_works() {
    let rows = |failures: u64| -> Vec<String> {
        let tries = (0..failures).map(|n| kerberos(n * 7, "anna", false));
        tries.chain([kerberos(100, "anna", true)]).collect()
    };
    let one = guessed(file("kerberos.log", KERBEROS, &rows(9))).expect("nine, then one");
    assert_eq!((one.severity, one.destination.port), (Severity::Medium, 88));
    assert_eq!(one.destination.address.to_string(), "10.20.0.2");
    let said: Vec<&str> = one.evidence.iter().map(|one| one.sentence.as_str()).collect();
    assert_eq!(said[0], "9 log-ons over Kerberos refused, of 1 user.");
    assert_eq!(said[1], "Then, 100 s after the first of them, one worked, as anna.");
    assert!(guessed(file("kerberos.log", KERBEROS, &rows(8))).is_none());
}

#[test]
fn from_outside_it_is_high_and_has_its_flows() {
    let client = "198.51.100.77";
    let rows: Vec<String> =
        (0..30).map(|n| ssh(n * 5, client, false)).chain([ssh(200, client, true)]).collect();
    let flows: Vec<String> = (0..=30)
        .map(|n| conn(n * 5_000, &format!("Cf{n}"), client, 50_000 + n as u16, "10.20.0.9", 22))
        .map(|row| row.replace("\tssl\t", "\tssh\t"))
        .collect();
    let files = [file("conn.log", CONN, &flows), file("ssh.log", SSH, &rows)];
    let report = report(&files, &all());
    let mut found = report.findings.iter();
    let one = found.find(|one| one.behaviour == Behaviour::LoginFailuresThenSuccess).unwrap();
    assert_eq!((one.severity, one.flows), (Severity::High, 31));
    assert_eq!(one.pivot.flow_uids.first().map(String::as_str), Some("Cf0"));
    assert_eq!(one.source.address.to_string(), client);
}

#[test]
fn ssh_success_inferred_from_flows_alone() {
    let flows = |short: u64, bytes: u64| -> Vec<String> {
        let row = |n: u64, bytes: u64| {
            conn(n * 10_000, &format!("Cs{n}"), "10.20.0.7", 40_000, "10.20.0.9", 22)
                .replace("\tssl\t", "\tssh\t")
                .replace("\t900\t1400\t", &format!("\t900\t{bytes}\t"))
        };
        (0..short).map(|n| row(n, 1_400)).chain([row(short, bytes)]).collect()
    };
    let of = |rows: Vec<String>| {
        let findings = report(&[file("conn.log", CONN, &rows)], &all()).findings;
        let mut found = findings.into_iter();
        found.find(|one| one.behaviour == Behaviour::SshSuccessInferred).map(|one| one.severity)
    };
    assert_eq!(of(flows(20, 9_000)), Some(Severity::Medium));
    assert_eq!(of(flows(19, 9_000)), None);
    assert_eq!(of(flows(20, 3_390)), None, "no more than a log-on");
}

#[test]
fn log_ons_name_machines_and_people() {
    let rows = [
        kerberos(10, "PC-7$", true),
        kerberos(20, "anna", true),
        kerberos(30, "guessed-by-anybody", false),
    ];
    let bad: Vec<String> = (0..40)
        .map(|n| conn(n * 60_000, &format!("Cb{n}"), "10.20.0.7", 40_000, "203.0.113.9", 8_443))
        .collect();
    let files = [file("conn.log", CONN, &bad), file("kerberos.log", KERBEROS, &rows)];
    let report = report(&files, &all());
    let source = &report.findings.first().expect("a beacon").source;
    assert_eq!(source.name.as_deref(), Some("PC-7"));
    assert_eq!((source.user.as_deref(), source.known_from), (Some("anna"), "kerberos"));
}

#[test]
fn any_order_and_cut_gives_the_same() {
    let mut rows: Vec<String> = (0..12).map(|n| kerberos(n * 7, "anna", false)).collect();
    rows.extend([kerberos(100, "anna", true), kerberos(100, "PC-7$", true)]);
    let whole = report(&with_flow(file("kerberos.log", KERBEROS, &rows)), &all()).to_json();
    assert!(whole.contains("login_failures_then_success"));
    for seed in 0..10 {
        shuffle(&mut rows, seed);
        let cut = Cut { intakes: 2, parts: 3, share_bytes: 1 };
        let files = with_flow(file("kerberos.log", KERBEROS, &rows));
        assert_eq!(analyze(&files, &all(), cut).0.report.to_json(), whole, "seed {seed}");
    }
}

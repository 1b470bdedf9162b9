//! Goal: `port_protocol_mismatch` is found where the sensor's silence says something, and nowhere else.
//!
//! Method: logs of our own making around DETECTORS.md's row, through the whole analyzer.

use flowlore_analyzer::report::{Report, model::Finding};
use flowlore_common::label::{Behaviour, Severity};

#[path = "support/logs.rs"]
mod logs;

use logs::{CONN, DAY, DNS, File, HTTP, all, conn, dns, file, report};

const HOST: &str = "10.20.0.7";
const SERVER: &str = "203.0.113.77";

/// A short exchange at a second of the day, of a service that the sensor recognised or not (`-`).
fn flow(second: u64, to: &str, port: u16, service: &str) -> String {
    conn(second * 1_000, &format!("C{second}x{port}"), HOST, 40_000, to, port)
        .replace("\tssl\t", &format!("\t{service}\t"))
}

/// A connection in which the sensor recognised something, to somewhere else.
fn elsewhere() -> String {
    flow(10, "198.51.100.1", 443, "ssl")
}

fn logs_of(rows: &[String]) -> Vec<File> {
    vec![file("conn.log", CONN, rows)]
}

fn mismatch(report: &Report) -> Option<&Finding> {
    report.findings.iter().find(|one| one.behaviour == Behaviour::PortProtocolMismatch)
}

#[test]
fn no_tls_on_its_port_where_the_sensor_knows_tls() {
    let found = report(&logs_of(&[elsewhere(), flow(900, SERVER, 443, "-")]), &all());
    let one = mismatch(&found).expect("not TLS");
    assert_eq!((one.severity, one.flows), (Severity::Medium, 1));
    assert_eq!(
        one.evidence[0].sentence,
        "1 connection to port 443 in which both ends talk (900 B out, 1,400 B in), but not TLS."
    );
    let ssh = report(&logs_of(&[elsewhere(), flow(900, SERVER, 443, "ssh")]), &all());
    assert!(mismatch(&ssh).is_some(), "something else");
    let web = report(&logs_of(&[elsewhere(), flow(900, SERVER, 80, "-")]), &all());
    assert_eq!(mismatch(&web).map(|one| one.severity), Some(Severity::Low));
}

#[test]
fn silence_says_nothing_where_the_sensor_could_not_have_known() {
    let odd = || flow(900, SERVER, 443, "-");
    let none = |rows: &[String], why: &str| {
        assert!(mismatch(&report(&logs_of(rows), &all())).is_none(), "{why}");
    };
    none(&[odd()], "it recognises nothing at all");
    none(&[elsewhere(), odd().replace("ShADadFf", "DadFf")], "the opening was not seen");
    none(&[elsewhere(), odd().replace("\t900\t1400\t", "\t900\t0\t")], "one end only");
    none(&[elsewhere(), odd().replace("\t0\tShAD", "\t7\tShAD")], "not seen whole");
    none(&[elsewhere(), flow(900, SERVER, 8_443, "-")], "another port");
    none(&[elsewhere(), odd().replace(SERVER, "10.20.0.9")], "inside");
    none(&[flow(600, SERVER, 443, "ssl"), odd()], "TLS five minutes before");
    let long_before = [flow(599, SERVER, 443, "ssl"), odd()];
    assert!(mismatch(&report(&logs_of(&long_before), &all())).is_some());
}

#[test]
fn a_name_makes_it_less() {
    let mut files = logs_of(&[elsewhere(), flow(900, SERVER, 443, "-")]);
    files.push(file("dns.log", DNS, &[dns(899_000, HOST, "chat.example", SERVER)]));
    let found = report(&files, &all());
    assert_eq!(mismatch(&found).map(|one| one.severity), Some(Severity::Low));
}

#[test]
fn a_shell_that_comes_back_after_a_download() {
    let fetch = flow(880, SERVER, 8_888, "http");
    let header = format!("{}\tresp_mime_types\torig_mime_types\n", HTTP.trim_end());
    let request = format!(
        "{}.1\tC880x8888\t{HOST}\t40000\t{SERVER}\t8888\tGET\t{SERVER}\t/a\t-\t0\t7168\t200\t\
         application/x-dosexec\t-\n",
        DAY + 880
    );
    let mut files = logs_of(&[fetch, flow(900, SERVER, 443, "-")]);
    files.push(file("http.log", &header, &[request]));
    let found = report(&files, &all());
    let chain = found.findings.iter().find(|one| one.behaviour == Behaviour::DownloadThenC2);
    let chain = chain.expect("the file, then the shell");
    assert_eq!((chain.severity, chain.destination.port), (Severity::High, 443));
    assert!(
        chain.evidence.iter().any(|one| one.sentence.contains("is not what its port says")),
        "{:?}",
        chain.evidence
    );
}

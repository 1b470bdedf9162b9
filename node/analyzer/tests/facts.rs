//! Goal: what logs say beside their flows reaches the report as it was said, once, and is cut where a bound says so.
//! Method: small logs of our own, in one part and in many; a number worked out by hand for each.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/logs.rs"]
mod logs;

use flowlore_analyzer::{limits::ADDRESSES_MAX, report::Report};
use logs::*;

const PARTS: Cut = Cut { intakes: 3, parts: 7, share_bytes: usize::MAX };
const HOUR_MS: u64 = 3_600_000;

/// The report of files, the same in one part and in many.
fn both_ways(files: &[File]) -> Report {
    let whole = report(files, &all());
    let parts = analyze(files, &all(), PARTS).0.report;
    assert_eq!(whole.to_json(), parts.to_json());
    whole
}

fn json(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A day's ticks from a host to an address, as rows of conn.log.
fn ticks(host: &str, server: &str) -> Vec<String> {
    let tick = |number: u64| {
        let port = u16::try_from(30_000 + number).unwrap();
        conn(number * 300_000, &format!("Ct{number}"), host, port, server, 443)
    };
    (0..288).map(tick).collect()
}

#[test]
fn one_sided_flows_of_all_parts_count() {
    // 40 of 100 flows, of hosts that lie in different buckets.
    let rows = (0..100_u16).map(|number| {
        let host = format!("10.0.{number}.1");
        let row = conn(1_000, &format!("C{number}"), &host, 1_000, "198.51.100.9", 443);
        if number % 5 < 2 { row.replace("\t8\t1820\t", "\t0\t0\t") } else { row }
    });
    let report = both_ways(&[file("conn.log", CONN, &rows.collect::<Vec<_>>())]);
    assert_eq!(report.coverage.one_sided_permille, 400);
}

#[test]
fn unanswered_is_without_a_packet_not_without_data() {
    let without_data = |row: String| row.replace("\t900\t1400\t", "\t900\t0\t");
    let rows: Vec<_> = ticks("10.0.0.1", "198.51.100.9").into_iter().map(without_data).collect();
    let report = both_ways(&[file("conn.log", CONN, &rows)]);
    assert_eq!(report.unanswered, 0);
    let said = |report: &Report, measure: &str| {
        report.findings[0].evidence.iter().any(|one| one.measure == measure)
    };
    assert!(!said(&report, "unanswered"));
    let refused = |row: String| row.replace("\t8\t1820\t", "\t0\t0\t");
    let rows: Vec<_> = rows.into_iter().map(refused).collect();
    let report = both_ways(&[file("conn.log", CONN, &rows)]);
    assert_eq!(report.unanswered, 288);
    assert!(said(&report, "unanswered"));
}

#[test]
fn a_connect_request_lacks_no_host_header() {
    let conns = ticks("10.0.0.1", "198.51.100.9");
    let request = |number: u64, method: &str, uri: &str| {
        let second = DAY + number * 300;
        format!(
            "{second}.100000\tCt{number}\t10.0.0.1\t{}\t198.51.100.9\t443\t{method}\t-\t{uri}\tagent/1\t0\t0\t200\n",
            30_000 + number
        )
    };
    let missing = |method: &str, uri: &str| {
        let rows: Vec<_> = (0..288).map(|number| request(number, method, uri)).collect();
        let report = both_ways(&[file("conn.log", CONN, &conns), file("http.log", HTTP, &rows)]);
        report.findings[0].evidence.iter().any(|one| one.measure == "missing_host_header")
    };
    assert!(missing("GET", "/tasks"));
    assert!(!missing("CONNECT", "c2.example:443"));
}

#[test]
fn loss_weighs_by_the_time_that_it_was_measured_over() {
    let flows: Vec<_> = (0..3)
        .map(|hour| conn(hour * HOUR_MS, &format!("C{hour}"), "10.0.0.1", 1, "198.51.100.1", 443))
        .collect();
    let loss = |second: u64, interval: u64, percent: &str| {
        format!(
            r#"{{"_path":"capture_loss","ts":{}.0,"ts_delta":{interval}.0,"peer":"zeek","gaps":1,"acks":10,"percent_lost":{percent}}}"#,
            DAY + second
        )
    };
    // 10 % for a minute and none for nine: 1 %.
    let rows = [loss(600, 60, "10.0"), loss(1_200, 540, "0.0")];
    let files = [file("conn.log", CONN, &flows), ("capture_loss.log".to_owned(), json(&rows))];
    assert_eq!(both_ways(&files).coverage.missed_bytes_permille, 10);
}

#[test]
fn an_hour_in_which_only_the_sensor_spoke_is_quiet() {
    let flow =
        |hour: u64| conn(hour * HOUR_MS, &format!("C{hour}"), "10.0.0.1", 1, "198.51.100.1", 443);
    let flows = [flow(1), flow(2), flow(4)];
    let holed = both_ways(&[file("conn.log", CONN, &flows)]);
    assert_eq!(holed.coverage.empty_hours.len(), 1);
    let awake = format!(
        r#"{{"_path":"capture_loss","ts":{}.0,"ts_delta":900.0,"peer":"zeek","gaps":0,"acks":10,"percent_lost":0.0}}"#,
        DAY + 3 * 3_600 + 1_800
    );
    let quiet =
        both_ways(&[file("conn.log", CONN, &flows), ("capture_loss.log".to_owned(), awake + "\n")]);
    assert!(quiet.coverage.empty_hours.is_empty());
}

#[test]
fn a_lease_with_a_name_or_a_mac_tells_the_machine_and_one_for_nobody_does_not() {
    let conns: Vec<_> =
        [ticks("10.0.0.1", "198.51.100.9"), ticks("10.0.0.2", "198.51.100.10")].concat();
    let lease = |address: &str, name: &str, mac: &str| {
        format!(
            r#"{{"_path":"dhcp","ts":{DAY}.0,"uids":["CD"],"client_addr":"{address}","assigned_addr":"{address}"{name}{mac}}}"#
        )
    };
    let rows = [
        lease("10.0.0.1", r#","host_name":"pc-1""#, ""),
        lease("10.0.0.2", "", r#","mac":"02:00:00:00:00:02""#),
        lease("0.0.0.0", r#","host_name":"nobody""#, ""),
    ];
    let files = [file("conn.log", CONN, &conns), ("dhcp.log".to_owned(), json(&rows))];
    let report = both_ways(&files);
    let source = |address: &str| {
        let of = |one: &&flowlore_analyzer::report::model::Finding| {
            one.source.address.to_string() == address
        };
        &report.findings.iter().find(of).unwrap().source
    };
    assert_eq!(source("10.0.0.1").name.as_deref(), Some("pc-1"));
    assert_eq!(source("10.0.0.2").mac.as_deref(), Some("02:00:00:00:00:02"));
    assert!(!report.to_json().contains("nobody"));
    // Nor does a lease for 0.0.0.0 name who has not got an address yet.
    let conns = ticks("0.0.0.0", "198.51.100.9");
    let files = [file("conn.log", CONN, &conns), ("dhcp.log".to_owned(), json(&rows[2..]))];
    assert!(!both_ways(&files).to_json().contains("nobody"));
}

#[test]
fn addresses_of_a_name_are_listed_up_to_the_bound() {
    let servers = ADDRESSES_MAX + 5;
    let (mut conns, mut hellos) = (Vec::new(), Vec::new());
    for number in 0..288_u64 {
        let server = format!("198.51.100.{}", 1 + number as usize % servers);
        let port = u16::try_from(30_000 + number).unwrap();
        let uid = format!("Ct{number}");
        conns.push(conn(number * 300_000, &uid, "10.0.0.1", port, &server, 443));
        hellos.push(ssl(number * 300_000 + 10, &uid, "10.0.0.1", port, &server, "c2.evil.example"));
    }
    let report = both_ways(&[file("conn.log", CONN, &conns), file("ssl.log", SSL, &hellos)]);
    assert_eq!(report.findings[0].destination.addresses_seen.len(), ADDRESSES_MAX);
}

#[test]
fn what_is_between_strangers_is_said_not_to_be_judged() {
    let inside = ticks("10.0.0.1", "198.51.100.9");
    let strangers = ticks("198.51.100.20", "203.0.113.9");
    let notes =
        |rows: &[String]| both_ways(&[file("conn.log", CONN, rows)]).coverage.notes.join(" ");
    let said = notes(&[&inside[..], &strangers[..10]].concat());
    assert!(
        said.contains("10 flows with both ends outside (3.4 % of all) were not judged."),
        "{said}"
    );
    assert!(!said.contains("--home-net"), "{said}");
    let said = notes(&[&inside[..10], &strangers[..]].concat());
    assert!(said.contains("is --home-net right?"), "{said}");
    assert!(!notes(&strangers).contains("not judged"), "nobody is inside: all were");
}

#[test]
fn every_kind_of_attack_is_looked_for() {
    let report = both_ways(&[file("conn.log", CONN, &ticks("10.0.0.1", "198.51.100.9"))]);
    assert_eq!(flowlore_analyzer::detect::not_looked_for(), None, "there is one for each kind");
    let said = report.coverage.notes.join(" ");
    assert!(!said.contains("Not looked for"), "{said}");
}

//! Goal: a source that knocks at many doors (`detect/scan.rs`) or tries password after password (`detect/login.rs`) is found,
//! and what only looks like it is not.
//!
//! Method: logs of our own making around each edge of DETECTORS.md's row, through the whole analyzer.

use flowlore_analyzer::report::model::Finding;
use flowlore_common::label::{Behaviour, Severity};

#[path = "support/logs.rs"]
mod logs;

use logs::{CONN, DAY, DNS, all, dns, file, report, shuffle};

const SCANNER: &str = "10.0.0.66";

/// An attempt that got nothing (`S0`), or a short exchange (`SF`).
fn attempt(second: u64, to: &str, port: u16, proto: &str, answered: bool) -> String {
    let at = DAY + second;
    let (bytes, state, packets) = if answered { (300, "SF", 4) } else { (0, "S0", 0) };
    let uid = format!("C{second}x{port}x{}", to.replace(['.', ':'], ""));
    format!(
        "{at}.000000\t{uid}\t{SCANNER}\t40000\t{to}\t{port}\t{proto}\t-\t0.100000\t{bytes}\t{bytes}\t\
         {state}\t-\t-\t0\tS\t1\t60\t{packets}\t{bytes}\t-\n"
    )
}

fn found(rows: &[String]) -> Vec<Finding> {
    report(&[file("conn.log", CONN, rows)], &all()).findings
}

/// Hosts of a network, each tried on a port, so many seconds apart.
fn across(net: &str, hosts: u64, port: u16, apart_s: u64) -> Vec<String> {
    (1..=hosts).map(|n| attempt(n * apart_s, &format!("{net}{n}"), port, "tcp", false)).collect()
}

fn only(findings: &[Finding], behaviour: Behaviour, severity: Severity) -> &Finding {
    let [one] = findings else { panic!("one finding, not {findings:#?}") };
    assert_eq!((one.behaviour, one.severity), (behaviour, severity));
    one
}

#[test]
fn ten_hosts_within_an_hour() {
    let findings = found(&across("10.0.1.", 10, 445, 300));
    let one = only(&findings, Behaviour::HorizontalScan, Severity::Medium);
    assert_eq!((one.destination.count, one.destination.port, one.flows), (Some(10), 445, 10));
    assert_eq!(
        one.evidence[0].sentence,
        "Up to 10 hosts tried on port 445 within an hour that gave nothing back."
    );
    assert!(found(&across("10.0.1.", 9, 445, 300)).is_empty());
    // The tenth comes an hour after the first.
    assert!(found(&across("10.0.1.", 10, 445, 400)).is_empty());
}

#[test]
fn outside_hosts_are_low_until_many_or_an_entrance() {
    for (hosts, port, severity) in [
        (10, 80, Severity::Low),
        (99, 80, Severity::Low),
        (100, 80, Severity::Medium),
        (10, 22, Severity::Medium),
    ] {
        let findings = found(&across("198.51.100.", hosts, port, 1));
        only(&findings, Behaviour::HorizontalScan, severity);
    }
}

#[test]
fn a_scan_alone_is_never_high() {
    let rows: Vec<_> = (0..1_200)
        .map(|n| attempt(n, &format!("10.1.{}.{}", n / 250, n % 250 + 1), 445, "tcp", false))
        .collect();
    let findings = found(&rows);
    let one = only(&findings, Behaviour::HorizontalScan, Severity::Medium);
    assert_eq!(one.destination.count, Some(1_200));
    assert!(one.evidence.iter().any(|one| one.sentence.contains("held at medium: a scan alone")));
}

#[test]
fn ports_of_one_host() {
    let ports = |count: u16, proto: &str, from: u16| {
        (0..count)
            .map(|n| attempt(n.into(), "198.51.100.9", from + n, proto, false))
            .collect::<Vec<_>>()
    };
    let findings = found(&ports(12, "tcp", 100));
    let one = only(&findings, Behaviour::VerticalScan, Severity::Low);
    assert_eq!((one.destination.count, one.destination.port), (None, 0));
    assert_eq!(one.destination.address.to_string(), "198.51.100.9");
    assert!(found(&ports(9, "tcp", 100)).is_empty());
    // Traceroute, a port a probe.
    assert!(found(&ports(90, "udp", 33_434)).is_empty());
}

#[test]
fn a_hundred_ports_of_a_hundred_hosts_are_two_findings_and_one_incident() {
    let rows: Vec<_> = (1..=100)
        .flat_map(|host| (1..=20).map(move |port| (host, port)))
        .map(|(host, port)| attempt(u64::from(port), &format!("10.0.2.{host}"), port, "tcp", false))
        .collect();
    let report = report(&[file("conn.log", CONN, &rows)], &all());
    let kinds: Vec<_> = report.findings.iter().map(|one| one.behaviour).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds.contains(&Behaviour::HorizontalScan) && kinds.contains(&Behaviour::VerticalScan));
    assert_eq!(report.incidents.len(), 1);
    assert_eq!(report.incidents[0].destinations, ["100 hosts"]);
}

#[test]
fn echo_requests_to_25_hosts() {
    let sweep = |hosts: u64| {
        (1..=hosts)
            .map(|n| attempt(n, &format!("10.0.3.{n}"), 0, "icmp", false))
            .collect::<Vec<_>>()
    };
    only(&found(&sweep(25)), Behaviour::IcmpSweep, Severity::Medium);
    assert!(found(&sweep(24)).is_empty());
}

#[test]
fn a_client_of_many_servers_meets_dead_ones() {
    let clients = |answered: u64| {
        let mut rows = across("10.0.1.", 10, 5432, 10);
        let others = (1..=answered).map(|n| attempt(n, &format!("10.0.4.{n}"), 5432, "tcp", true));
        rows.extend(others);
        rows
    };
    assert_eq!(found(&clients(30)).len(), 1);
    assert!(found(&clients(31)).is_empty());
}

#[test]
fn names_that_were_looked_up_are_no_scan() {
    let rows = across("198.51.100.", 40, 443, 10);
    let lookups: Vec<_> = (1..=40)
        .map(|n| dns(n, SCANNER, &format!("h{n}.site{n}.example"), &format!("198.51.100.{n}")))
        .collect();
    let files = [file("conn.log", CONN, &rows), file("dns.log", DNS, &lookups)];
    assert!(report(&files, &all()).findings.is_empty());
    assert_eq!(found(&rows).len(), 1);
}

#[test]
fn a_network_without_ipv6_is_no_scan() {
    let mut rows = across("2001:db8::", 40, 443, 10);
    assert!(found(&rows).is_empty());
    rows.push(attempt(1, "2001:db8::ffff", 443, "tcp", true));
    assert_eq!(found(&rows).len(), 1);
}

#[test]
fn who_knocks_from_outside_is_counted_and_no_finding() {
    let rows: Vec<_> = (1..=200)
        .map(|port| {
            attempt(port, "10.0.0.1", port as u16, "tcp", false).replace(SCANNER, "198.51.100.1")
        })
        .collect();
    let report = report(&[file("conn.log", CONN, &rows)], &all());
    assert!(report.findings.is_empty());
    assert_eq!(report.inbound_probes[0].probes, 200);
}

/// Pairs of host and port, so many ports of each of nine hosts, tried some seconds apart.
fn grid(net: &str, pairs: usize, apart_s: u64) -> Vec<String> {
    let pair = |n: u64| {
        attempt(n * apart_s, &format!("{net}{}", n % 9 + 1), 1_000 + n as u16 / 9, "tcp", false)
    };
    (0..pairs as u64).map(pair).collect()
}

fn half_open(rows: &[String]) -> Option<Finding> {
    let all = found(rows);
    assert!(all.len() < 2, "one scanner is one finding: {all:#?}");
    all.into_iter().find(|one| one.behaviour == Behaviour::SynScan)
}

#[test]
fn fifty_half_open_pairs_within_an_hour() {
    let one = half_open(&grid("10.0.1.", 50, 60)).unwrap();
    assert_eq!((one.severity, one.flows), (Severity::Medium, 50));
    assert_eq!((one.destination.count, one.destination.port), (Some(9), 0));
    assert_eq!(
        one.evidence[0].sentence,
        "Up to 50 pairs of host and port tried within an hour, with two packets at most and no \
         handshake completed: 9 hosts, ports 1000, 1001, 1002, 1003, 1004 and 1 more."
    );
    assert_eq!(half_open(&grid("10.0.1.", 49, 60)), None);
    // The fiftieth comes an hour after the first.
    assert!(half_open(&grid("10.0.1.", 50, 73)).is_some());
    assert_eq!(half_open(&grid("10.0.1.", 50, 74)), None);
}

#[test]
fn pairs_outside_may_be_peers() {
    let one = half_open(&grid("198.51.100.", 80, 10)).unwrap();
    assert_eq!(one.severity, Severity::Low);
    let peers: Vec<_> = (1..=240)
        .map(|n| attempt(n, &format!("198.51.100.{n}"), 20_000 + n as u16, "tcp", false))
        .collect();
    let one = half_open(&peers).unwrap();
    assert_eq!((one.severity, one.destination.count), (Severity::Low, Some(240)));
    assert!(one.evidence.iter().any(|one| one.sentence.contains("peer-to-peer programs try")));
}

#[test]
fn a_probe_has_two_packets_and_completes_no_handshake() {
    let of = |state: &str, packets: u64, payload: u64| {
        let rows: Vec<_> = grid("10.0.1.", 60, 10)
            .into_iter()
            .map(|row| {
                let row = row.replace("\tS0\t", &format!("\t{state}\t"));
                let row = row.replace("\tS\t1\t60\t", &format!("\tS\t{packets}\t60\t"));
                row.replace("\t0.100000\t0\t", &format!("\t0.100000\t{payload}\t"))
            })
            .collect();
        half_open(&rows).is_some()
    };
    for state in ["S0", "REJ", "RSTOS0", "SH", "RSTO"] {
        assert!(of(state, 1, 0) && of(state, 2, 0), "{state}");
        assert!(!of(state, 3, 0), "{state}: a client is patient, or completes the handshake");
        assert!(!of(state, 0, 0), "{state}: packets were not counted");
        assert!(!of(state, 2, 1), "{state}: something was said");
    }
    for state in ["S1", "SF", "RSTR", "SHR", "OTH", "-"] {
        assert!(!of(state, 2, 0), "{state}");
    }
}

#[test]
fn half_open_pairs_among_many_that_work_are_a_client() {
    let with = |answered: u64| {
        let mut rows = grid("10.0.1.", 50, 10);
        rows.extend(
            (0..answered)
                .map(|n| attempt(n, &format!("10.0.4.{}", n % 200), 2_000 + n as u16, "tcp", true)),
        );
        half_open(&rows).is_some()
    };
    assert!(with(150));
    assert!(!with(151));
}

#[test]
fn pairs_with_names_are_what_programs_try() {
    let rows = grid("198.51.100.", 60, 10);
    let lookups: Vec<_> = (1..=9)
        .map(|n| dns(1, SCANNER, &format!("h{n}.site{n}.example"), &format!("198.51.100.{n}")))
        .collect();
    let files = [file("conn.log", CONN, &rows[9..]), file("dns.log", DNS, &lookups)];
    assert!(report(&files, &all()).findings.is_empty());
    assert!(half_open(&rows[9..]).is_some());
}

#[test]
fn where_another_scan_is_found_it_says_what_was_half_open() {
    let mut rows = grid("10.0.1.", 80, 10);
    rows.extend(across("10.0.5.", 10, 445, 10));
    let findings = found(&rows);
    let one = only(&findings, Behaviour::HorizontalScan, Severity::Medium);
    let said = |one: &Finding| {
        let half = one.evidence.iter().find(|one| one.measure == "half_open");
        half.map(|one| one.sentence.clone())
    };
    assert_eq!(
        said(one).unwrap(),
        "10 of 10 attempts ended after two packets at most, with no handshake completed."
    );
    // The other way is another matter.
    let mut rows = grid("10.0.1.", 80, 10);
    rows.extend(across("198.51.100.", 10, 80, 10));
    let kinds: Vec<_> = found(&rows).iter().map(|one| one.behaviour).collect();
    assert_eq!(kinds, [Behaviour::SynScan, Behaviour::HorizontalScan]);
    let patient = (0..)
        .zip(across("10.0.1.", 10, 445, 10))
        .map(|(n, row)| if n < 6 { row.replace("\tS\t1\t", "\tS\t3\t") } else { row });
    let patient: Vec<String> = patient.collect();
    assert_eq!(said(&found(&patient)[0]), None, "4 of 10");
}

#[test]
fn any_order_gives_the_same() {
    let mut rows = across("10.0.1.", 60, 445, 20);
    rows.extend((1..=30).map(|port| attempt(port, "10.0.1.7", port as u16, "tcp", false)));
    rows.extend(grid("198.51.100.", 70, 10));
    // A host whose name becomes known between its ports.
    rows.extend((1..=30).map(|port| attempt(port * 10, "203.0.113.7", port as u16, "tcp", false)));
    let names = [dns(155_000, SCANNER, "named.example", "203.0.113.7")];
    let json = |rows: &[String]| {
        report(&[file("conn.log", CONN, rows), file("dns.log", DNS, &names)], &all()).to_json()
    };
    let before = json(&rows);
    assert!(before.contains("syn_scan"));
    for seed in 0..20 {
        shuffle(&mut rows, seed);
        assert_eq!(json(&rows), before, "seed {seed}");
    }
}

/// Sessions with a server, so many seconds apart, of so many bytes each way.
fn sessions(count: u64, apart_s: u64, port: u16, service: &str, bytes: u64) -> Vec<String> {
    (0..count)
        .map(|n| {
            let at = DAY + n * apart_s;
            format!(
                "{at}.000000\tCl{n}\t{SCANNER}\t{}\t10.0.0.9\t{port}\ttcp\t{service}\t2.000000\t{bytes}\t\
                 {bytes}\tSF\t-\t-\t0\tSD\t12\t2000\t12\t2000\t-\n",
                40_000 + n
            )
        })
        .collect()
}

#[test]
fn guessed_passwords() {
    for (port, service) in [(22, "-"), (902, "ssh"), (3389, "-")] {
        let rows = sessions(20, 31, port, service, 2_000);
        let all = found(&rows);
        let guessed = all.iter().find(|one| one.behaviour == Behaviour::BruteForceLogin);
        assert_eq!(guessed.map(|one| one.severity), Some(Severity::Medium), "{port}");
        let few = found(&sessions(19, 31, port, service, 2_000));
        assert!(few.iter().all(|one| one.behaviour != Behaviour::BruteForceLogin), "{port}");
        // The twentieth comes ten minutes after the first.
        let slower = found(&sessions(20, 32, port, service, 2_000));
        assert!(slower.iter().all(|one| one.behaviour != Behaviour::BruteForceLogin), "{port}");
        let work = found(&sessions(20, 31, port, service, 2_146));
        assert!(work.iter().all(|one| one.behaviour != Behaviour::BruteForceLogin), "{port}");
    }
    assert!(
        found(&sessions(20, 7, 445, "-", 2_000))
            .iter()
            .all(|one| { one.behaviour != Behaviour::BruteForceLogin })
    );
    let inbound: Vec<_> = sessions(300, 1, 22, "-", 900)
        .into_iter()
        .map(|row| row.replace(SCANNER, "198.51.100.1"))
        .collect();
    let inbound = found(&inbound);
    let guessed = inbound.iter().find(|one| one.behaviour == Behaviour::BruteForceLogin).unwrap();
    assert_eq!(guessed.severity, Severity::Low);
}

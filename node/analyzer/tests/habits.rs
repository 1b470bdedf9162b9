//! Goal: the habits of `detect/habits.rs` are noted, one finding a source each, and make neither a verdict nor an alert.
//!
//! Method: logs of our own making around each gate of the table there, through the whole analyzer.

use std::sync::Arc;

use flowlore_analyzer::{
    lists::Lists,
    options::Options,
    report::{
        Report,
        model::{Finding, Verdict},
    },
};
use flowlore_common::label::{Behaviour, Severity};

#[path = "support/logs.rs"]
mod logs;

use logs::{CONN, DAY, DNS, File, HTTP, SSL, all, conn, dns, file, report, shuffle, ssl};

const HOST: &str = "10.20.0.7";

/// A short exchange that the sensor did not recognise, at a second of the day.
fn flow(second: u64, to: &str, port: u16) -> String {
    conn(second * 1_000, &format!("C{second}x{port}"), HOST, 40_000, to, port)
        .replace("\tssl\t", "\t-\t")
}

fn with(rows: &[String]) -> Vec<File> {
    vec![file("conn.log", CONN, rows)]
}

fn noted(report: &Report, behaviour: Behaviour) -> Option<&Finding> {
    let mut all = report.findings.iter().filter(|one| one.behaviour == behaviour);
    let one = all.next();
    assert!(all.next().is_none(), "one finding a source");
    one
}

/// What a report says of a habit: severity, destinations, kind of its incident.
fn said(report: &Report, behaviour: Behaviour) -> Option<(Severity, Option<u64>, &'static str)> {
    let one = noted(report, behaviour)?;
    assert!(report.summary.verdict != Verdict::Malicious && !report.summary.action_required);
    let incident = report.incidents.iter().find(|incident| incident.id == one.incident)?;
    Some((one.severity, one.destination.count, incident.kind))
}

#[test]
fn remote_access_tools_by_their_names() {
    let rows = [conn(1_000, "Cr", HOST, 40_000, "198.51.100.9", 443)];
    let hello = [ssl(1_100, "Cr", HOST, 40_000, "198.51.100.9", "relay-1.net.anydesk.com")];
    let mut files = with(&rows);
    files.push(file("ssl.log", SSL, &hello));
    let found = report(&files, &all());
    let said = said(&found, Behaviour::RemoteAccessTool);
    assert_eq!(said, Some((Severity::Low, None, "policy")));
    assert_eq!(found.summary.verdict, Verdict::NoInterestingActivity);
    let one = noted(&found, Behaviour::RemoteAccessTool).unwrap();
    assert!(one.evidence[0].sentence.contains("AnyDesk"));
}

#[test]
fn miners_hold_slow_connections() {
    let held = |port: u16, seconds: u64, bytes: u64| {
        let row = flow(1_000, "198.51.100.9", port);
        row.replace("\t0.400000\t900\t1400\t", &format!("\t{seconds}.0\t{bytes}\t{bytes}\t"))
    };
    let of = |row: String| said(&report(&with(&[row]), &all()), Behaviour::Cryptomining);
    assert_eq!(of(held(4_444, 1_800, 100_000)), Some((Severity::Info, None, "policy")));
    assert_eq!(of(held(4_444, 1_799, 100_000)), None, "too short");
    assert_eq!(of(held(4_444, 1_800, 180_000)), None, "200 B a second");
    assert_eq!(of(held(4_445, 1_800, 100_000)), None, "no pool's port");
    let mut files = with(&[held(4_445, 1_800, 100_000)]);
    files.push(file("dns.log", DNS, &[dns(900_000, HOST, "eu.nanopool.org", "198.51.100.9")]));
    let named = report(&files, &all());
    assert_eq!(
        said(&named, Behaviour::Cryptomining),
        Some((Severity::Medium, None, "policy")),
        "a pool's name"
    );
    assert_eq!(noted(&named, Behaviour::Cryptomining).unwrap().incident.len(), 8);
}

#[test]
fn names_that_tor_makes_up_and_nobody_looked_up() {
    let of = |names: &[&str], asked: &[String]| {
        let hosts = || (1..).zip(names);
        let rows: Vec<String> = hosts()
            .map(|(n, _)| {
                conn(n * 1_000, &format!("Ct{n}"), HOST, 40_000, &format!("198.51.100.{n}"), 443)
            })
            .collect();
        let hellos: Vec<String> = hosts()
            .map(|(n, name)| {
                ssl(
                    n * 1_000 + 9,
                    &format!("Ct{n}"),
                    HOST,
                    40_000,
                    &format!("198.51.100.{n}"),
                    name,
                )
            })
            .collect();
        let mut files = with(&rows);
        files.push(file("ssl.log", SSL, &hellos));
        files.push(file("dns.log", DNS, asked));
        said(&report(&files, &all()), Behaviour::TorUse)
    };
    let asks = || vec![dns(10, HOST, "www.example", "192.0.2.7")];
    let (one, other) = ("www.4fzg2kq5nmv3.com", "www.xr7dj2wq6abq.com");
    assert_eq!(of(&[one, other], &asks()), Some((Severity::Info, Some(2), "policy")));
    assert_eq!(of(&[one], &asks()), None);
    assert_eq!(of(&[one, other], &[]), None, "a host that asks nobody");
    let looked_up = [asks(), vec![dns(20, HOST, one, "198.51.100.1")]].concat();
    assert_eq!(of(&[one, other], &looked_up), None);
}

#[test]
fn peers_and_unknown_ports() {
    let peers = |hosts: u64| -> Vec<String> {
        (1..=hosts)
            .map(|n| flow(n, &format!("198.51.100.{n}"), 40_001).replace("\ttcp\t", "\tudp\t"))
            .collect()
    };
    let found = report(&with(&peers(5)), &all());
    assert_eq!(said(&found, Behaviour::P2pOverlay), Some((Severity::Info, Some(5), "policy")));
    assert_eq!(said(&report(&with(&peers(4)), &all()), Behaviour::P2pOverlay), None);
    let odd =
        report(&with(&[flow(5, "198.51.100.1", 1_177), flow(6, "198.51.100.2", 7_084)]), &all());
    assert_eq!(said(&odd, Behaviour::UnknownPort), Some((Severity::Info, Some(2), "hygiene")));
    let known = report(&with(&[flow(5, "198.51.100.1", 8_443)]), &all());
    assert_eq!(said(&known, Behaviour::UnknownPort), None);
}

#[test]
fn addresses_that_no_look_up_led_to() {
    let of = |second: u64| {
        let mut files =
            with(&[flow(second, "198.51.100.1", 443), flow(second, "198.51.100.2", 443)]);
        let asked = [dns(0, HOST, "www.example", "198.51.100.2")];
        files.push(file("dns.log", DNS, &asked));
        said(&report(&files, &all()), Behaviour::ConnWithoutDns)
    };
    assert_eq!(of(1_800), Some((Severity::Info, None, "hygiene")));
    assert_eq!(of(1_799), None, "half an hour is not over");
    let without = report(&with(&[flow(1_800, "198.51.100.1", 443)]), &all());
    assert_eq!(said(&without, Behaviour::ConnWithoutDns), None, "no log of DNS");
}

/// All findings, with a list of Tor's nodes.
fn with_nodes(rows: &str) -> Options {
    let mut lists = Lists::default();
    lists.set_tor(rows).expect("rows of nodes");
    Options { lists: Arc::new(lists), ..all() }
}

#[test]
fn nodes_of_tor_by_their_list() {
    let rows = [flow(1, "198.51.100.1", 9_001), flow(2, "198.51.100.2", 443)];
    let of = |nodes: &str| said(&report(&with(&rows), &with_nodes(nodes)), Behaviour::TorUse);
    let one = Some((Severity::Info, None, "policy"));
    assert_eq!(of("198.51.100.1"), one);
    assert_eq!(of("198.51.100.1:9001"), one);
    assert_eq!(of("198.51.100.1:9002\n198.51.100.3"), None);
    let both = of("# nodes\n198.51.100.1\n198.51.100.2:443\n");
    assert_eq!(both, Some((Severity::Info, Some(2), "policy")));
    let unanswered = [rows[0].replace("\t900\t1400\t", "\t900\t0\t")];
    let found = report(&with(&unanswered), &with_nodes("198.51.100.1"));
    assert_eq!(said(&found, Behaviour::TorUse), None);
    let inside = [flow(1, "10.20.0.9", 9_001)];
    let found = report(&with(&inside), &with_nodes("10.20.0.9"));
    assert_eq!(said(&found, Behaviour::TorUse), None, "nodes are outside");
    let told = |options: &Options| {
        report(&with(&rows), options).coverage.notes.join(" ").contains("--tor")
    };
    assert!(told(&all()) && !told(&with_nodes("")));
}

#[test]
fn a_list_of_nodes_adds_to_names_that_tor_makes_up() {
    let names = ["www.4fzg2kq5nmv3.com", "www.xr7dj2wq6abq.com"];
    let visits: Vec<_> = (1..).zip(names).map(|(second, name)| named(second, name)).collect();
    let sentences = |visits: &[(String, String)], nodes: &str| -> Vec<String> {
        let mut files = both(visits);
        files.push(file("dns.log", DNS, &[dns(10, HOST, "www.example", "192.0.2.7")]));
        let found = report(&files, &with_nodes(nodes));
        let evidence = noted(&found, Behaviour::TorUse).map(|one| one.evidence.clone());
        evidence.into_iter().flatten().map(|one| one.sentence).collect()
    };
    let by_list = "to addresses on the list of Tor's nodes.";
    let by_name = "2 server names as Tor makes them up";
    let all = sentences(&visits, "198.51.100.9");
    assert!(all[0].starts_with("2 connections") && all[0].ends_with(by_list), "{all:?}");
    assert!(all[1].starts_with(by_name), "{all:?}");
    let names = sentences(&visits, "");
    assert!(names[0].starts_with(by_name), "{names:?}");
    let one = sentences(&visits[..1], "198.51.100.9");
    assert!(one[0].starts_with("1 connection to"), "{one:?}");
    assert!(one.iter().all(|one| !one.contains("server names")), "one name is none: {one:?}");
}

/// All findings, with days of registration of domains.
fn registered(rows: &str) -> Options {
    let mut lists = Lists::default();
    lists.set_domains(rows).expect("rows of domains");
    Options { lists: Arc::new(lists), ..all() }
}

/// A connection by TLS to a name, at a second of the day.
fn named(second: u64, name: &str) -> (String, String) {
    let (uid, to) = (format!("Cn{second}"), "198.51.100.9");
    let ms = second * 1_000;
    (conn(ms, &uid, HOST, 40_000, to, 443), ssl(ms + 20, &uid, HOST, 40_000, to, name))
}

fn both(rows: &[(String, String)]) -> Vec<File> {
    let (conns, hellos): (Vec<String>, Vec<String>) = rows.iter().cloned().unzip();
    vec![file("conn.log", CONN, &conns), file("ssl.log", SSL, &hellos)]
}

#[test]
fn domains_are_young_for_sixty_days() {
    let visit = || both(&[named(1, "www.fresh.example")]);
    let of = |day: &str| {
        let options = registered(&format!("fresh.example\t{day}\n"));
        said(&report(&visit(), &options), Behaviour::YoungDomain)
    };
    // The visit is on 2026-11-23.
    assert_eq!(of("2026-11-23"), Some((Severity::Info, None, "hygiene")));
    assert_eq!(of("2026-09-25"), Some((Severity::Info, None, "hygiene")), "59 days");
    assert_eq!(of("2026-09-24"), None, "60 days");
    assert_eq!(of("2026-11-24"), None, "a day later: another owner's");
    let without = report(&visit(), &all());
    assert_eq!(said(&without, Behaviour::YoungDomain), None);
    let told = |report: &Report| report.coverage.notes.join(" ").contains("--domains");
    assert!(told(&without));
    assert!(!told(&report(&visit(), &registered("other.example\t2026-11-01"))));
}

#[test]
fn of_young_domains_each_counts_once_and_by_the_day_of_its_visit() {
    let options = registered("a.example\t2026-11-24\nb.example\t2026-11-20\n");
    let visits = [named(1, "x.a.example"), named(86_400, "x.a.example"), named(9, "y.a.example")];
    let found = report(&both(&visits), &options);
    let one = noted(&found, Behaviour::YoungDomain).unwrap();
    assert_eq!(
        one.evidence[0].sentence,
        "1 connection to 1 domain registered less than 60 days before, such as a.example \
         (2026-11-24)."
    );
    let visits = [named(1, "b.example"), named(2, "w.b.example"), named(86_400, "a.example")];
    let found = report(&both(&visits), &options);
    let two = Some((Severity::Info, Some(2), "hygiene"));
    assert_eq!(said(&found, Behaviour::YoungDomain), two, "domains, not names");
    let (row, hello) = named(1, "b.example");
    let unanswered = row.replace("\t900\t1400\t", "\t900\t0\t");
    let found = report(&both(&[(unanswered, hello)]), &options);
    assert_eq!(said(&found, Behaviour::YoungDomain), None);
}

#[test]
fn young_domains_behind_a_proxy() {
    let mut files = with(&[conn(1_000, "Cp", HOST, 40_000, "10.20.0.250", 3_128)]);
    let asked = format!(
        "{DAY}.900000\tCp\t{HOST}\t40000\t10.20.0.250\t3128\tCONNECT\tb.example\tb.example:443\t-\t0\t0\t200\n"
    );
    files.push(file("http.log", HTTP, &[asked]));
    let found = report(&files, &registered("b.example\t2026-11-20"));
    let info = Some((Severity::Info, None, "hygiene"));
    assert_eq!(said(&found, Behaviour::YoungDomain), info);
}

#[test]
fn a_name_that_turns_private() {
    let of = |first: &str, second: &str, apart_ms: u64| {
        let mut files = with(&[flow(5, "198.51.100.1", 443)]);
        let asked =
            [dns(0, HOST, "a.evil.example", first), dns(apart_ms, HOST, "a.evil.example", second)];
        files.push(file("dns.log", DNS, &asked));
        noted(&report(&files, &all()), Behaviour::DnsRebindingAnswer).map(|one| one.severity)
    };
    assert_eq!(of("203.0.113.5", "192.168.1.1", 60_000), Some(Severity::Low));
    assert_eq!(of("203.0.113.5", "192.168.1.1", 3_600_000), None);
    assert_eq!(of("192.168.1.1", "203.0.113.5", 60_000), None, "private first");
    assert_eq!(of("192.168.1.1", "192.168.1.1", 60_000), None, "a name of one's own");
}

#[test]
fn any_order_gives_the_same() {
    let mut rows: Vec<String> =
        (0..40).map(|n| flow(n * 60, &format!("198.51.100.{n}"), 1_100 + n as u16 % 7)).collect();
    rows.push(format!("{}\n", flow(DAY % 7, "198.51.100.9", 4_444).trim_end()));
    let mut names: Vec<_> = (1..60)
        .map(|n| {
            let (row, hello) = named(n * 50, &format!("h{}.d{}.example", n % 7, n % 4));
            (row.replace("198.51.100.9", &format!("198.51.100.{n}")), hello)
        })
        .collect();
    let mut options = registered("d1.example\t2026-11-20\nd3.example\t2026-11-01\n");
    let nodes = "198.51.100.5\n198.51.100.9\n198.51.100.33:443\n";
    Arc::make_mut(&mut options.lists).set_tor(nodes).unwrap();
    let mut run = |seed: Option<u64>| {
        if let Some(seed) = seed {
            shuffle(&mut rows, seed);
            shuffle(&mut names, seed);
        }
        let mut files = both(&names);
        files[0].1 += &rows.concat();
        report(&files, &options).to_json()
    };
    let whole = run(None);
    for habit in ["unknown_port", "young_domain", "tor_use"] {
        assert!(whole.contains(&format!("\"behaviour\":\"{habit}\"")), "{habit}");
    }
    for seed in 0..8 {
        assert!(run(Some(seed)) == whole, "seed {seed}");
    }
}

//! Goal: the report says what the logs say, whatever order, pieces, threads or memory they come in.
//! Method: small logs of our own, read by the sources and settled as the product does.

use std::fmt::Write as _;

use flowlore_analyzer::{
    direction::Home,
    history::History,
    inventory::Assets,
    options::Options,
    report::{
        Report,
        model::{Finding, Verdict},
        text::TextOptions,
    },
};
use flowlore_common::{label::Severity, time::Micros};
#[path = "support/logs.rs"]
mod logs;

use logs::*;

/// What is left when file names and their order are set aside.
fn anonymous(mut report: Report) -> String {
    report.input.files.clear();
    report.to_json()
}

#[test]
fn the_beacon_is_found_and_the_browsing_is_not() {
    let report = report(&day_files(), &Options::default());
    // Without a history a named service that ticks is worth a look, no more.
    assert_eq!(report.summary.verdict, Verdict::Suspicious, "{}", report.summary.text);
    assert_eq!(report.incidents.len(), 1, "{:?}", report.incidents);
    let finding = &report.findings[0];
    assert_eq!(finding.behaviour.name(), "c2_beacon_http_tls");
    assert_eq!(finding.severity, Severity::Medium);
    assert_eq!(finding.source.address.to_string(), "10.20.0.7");
    assert_eq!(finding.destination.host.as_deref(), Some("c2.evil.example"));
    assert_eq!(finding.destination.site.as_deref(), Some("evil.example"));
    assert_eq!(finding.destination.named_by, "sni");
    assert_eq!((finding.flows, finding.pivot.flow_uids.len(), finding.pivot.more), (288, 20, 268));
    assert!(finding.ongoing);
    assert!(report.incidents[0].title.contains("only this host"), "{}", report.incidents[0].title);
    assert_eq!(report.coverage.grade.name(), "good");
    assert_eq!(report.inbound_probes.len(), 1);
    let probes = &report.inbound_probes[0];
    assert_eq!((probes.probes, probes.sources, probes.ports, probes.answered), (30, 1, 30, 0));
}

/// Every flow is in one file, one category and one conversation.
#[test]
fn counts_reconcile() {
    for conversations in [None, Some(0), Some(5)] {
        let report = report(&day_files(), &Options { conversations, ..all() });
        let flows = report.input.flows;
        assert_eq!(flows, 20 * 60 + 288 + 30);
        assert_eq!(report.input.files.iter().map(|file| file.flows).sum::<u64>(), flows);
        assert_eq!(report.categories.values().sum::<u64>(), flows);
        let list = &report.conversations;
        let listed: u64 = list.list.iter().map(|row| row.flows).sum();
        assert_eq!(listed + list.rest.flows, flows);
        assert_eq!(list.listed, list.list.len() as u64);
        let bytes = |sum: u64, row: u64| sum + row;
        let out = list.list.iter().map(|row| row.bytes_out).fold(list.rest.bytes_out, bytes);
        assert_eq!(out, (20 * 60 + 288) * 900);
        let destinations: u64 = report.destinations.iter().map(|one| one.flows).sum();
        assert_eq!(destinations, flows);
    }
}

/// The same rows in another order, over 24 files, in several intakes and parts, under a budget that
/// forces spilling: the same bytes.
#[test]
fn nothing_of_order_pieces_threads_and_memory_shows() {
    let expected = anonymous(report(&day_files(), &all()));
    let (mut conns, mut names, mut hellos) = day();
    for (seed, intakes, parts, share_bytes) in
        [(1, 1, 1, usize::MAX), (2, 2, 3, usize::MAX), (3, 8, 8, 100_000), (4, 3, 1, 0)]
    {
        shuffle(&mut conns, seed);
        shuffle(&mut names, seed);
        shuffle(&mut hellos, seed);
        let mut files = Vec::new();
        for hour in 0..24 {
            let share = |rows: &[String]| -> Vec<String> {
                rows.iter().skip(hour).step_by(24).cloned().collect()
            };
            files.push(file("ssl.log", SSL, &share(&hellos)));
            files.push(file("conn.log", CONN, &share(&conns)));
            files.push(file("dns.log", DNS, &share(&names)));
        }
        let cut = Cut { intakes, parts, share_bytes };
        let (analysis, spilled) = analyze(&files, &all(), cut);
        assert_eq!(spilled > 0, share_bytes < usize::MAX, "the budget bites");
        assert_eq!(anonymous(analysis.report), expected, "seed {seed}");
    }
}

#[test]
fn a_flow_that_stands_twice_is_one_and_the_latest_wins() {
    let row = conn(1_000, "Ca", "10.0.0.1", 40_000, "198.51.100.1", 443);
    let longer = row.replace("\t0.400000\t900\t", "\t9.000000\t9000\t");
    let other_start = conn(1_001, "Ca", "10.0.0.1", 40_000, "198.51.100.1", 443);
    let open = ("open_conn.log", CONN.replace("\tconn\n", "\topen_conn\n"));
    let files = vec![
        (open.0.to_owned(), open.1 + &row + &row),
        file("conn.log", CONN, &[longer, row, other_start]),
    ];
    let mut reversed = files.clone();
    reversed.reverse();
    for files in [files, reversed] {
        let report = report(&files, &all());
        assert_eq!(report.input.flows, 2);
        assert_eq!(report.conversations.list[0].bytes_out, 9_900, "the longer one and the other");
        let duplicates = |name: &str| {
            let file = report.input.files.iter().find(|file| file.path == name).unwrap();
            (file.flows, file.skipped.get("duplicate").copied().unwrap_or_default())
        };
        assert_eq!((duplicates("open_conn.log"), duplicates("conn.log")), ((0, 2), (2, 1)));
    }
}

/// Who asked matters: an answer to another client, one that came later or too long ago, names nothing.
#[test]
fn dns_names_only_the_flows_of_who_asked() {
    let day_ms = 86_400_000;
    let flows = [
        conn(10_000, "C1", "10.0.0.1", 1, "198.51.100.1", 8443),
        conn(10_000, "C2", "10.0.0.2", 1, "198.51.100.1", 8443),
        conn(4_000, "C3", "10.0.0.1", 2, "198.51.100.1", 8444),
        conn(5_001 + day_ms, "C4", "10.0.0.1", 3, "198.51.100.1", 8445),
    ];
    let answers = [dns(5_000, "10.0.0.1", "Files.Example.", "cdn.example,198.51.100.1")];
    let files = vec![file("dns.log", DNS, &answers), file("conn.log", CONN, &flows)];
    let report = report(&files, &all());
    let mut to: Vec<_> = report
        .conversations
        .list
        .iter()
        .map(|row| (row.source.to_string(), row.port, row.destination.clone()))
        .collect();
    to.sort();
    let expected = [
        ("10.0.0.1", 8443, "files.example"),
        ("10.0.0.1", 8444, "198.51.100.1"),
        ("10.0.0.1", 8445, "198.51.100.1"),
        ("10.0.0.2", 8443, "198.51.100.1"),
    ];
    assert_eq!(to, expected.map(|(who, port, name)| (who.to_owned(), port, name.to_owned())));
}

/// The server name outranks the Host header, which outranks DNS; CONNECT outranks all.
#[test]
fn the_best_name_wins() {
    let row = |uid: &str, port| conn(10_000, uid, "10.0.0.1", port, "198.51.100.1", 443);
    let http = |uid: &str, method: &str, host: &str, uri: &str| {
        format!(
            "{}.000000\t{uid}\t10.0.0.1\t1\t198.51.100.1\t443\t{method}\t{host}\t{uri}\tua\t0\t0\t200\n",
            DAY + 10
        )
    };
    let flows = [row("C1", 1), row("C2", 2), row("C3", 3), row("C4", 4)];
    let hellos =
        ["C1", "C4"].map(|uid| ssl(10_000, uid, "10.0.0.1", 1, "198.51.100.1", "sni.example"));
    let requests = [
        http("C1", "GET", "host.example", "/"),
        http("C2", "GET", "rare.example", "/"),
        http("C2", "GET", "host.example:8080", "/"),
        http("C2", "GET", "HOST.example", "/"),
        http("C4", "CONNECT", "-", "tunnel.example:443"),
    ];
    let files = vec![
        file("dns.log", DNS, &[dns(9_000, "10.0.0.1", "dns.example", "198.51.100.1")]),
        file("ssl.log", SSL, &hellos),
        file("http.log", HTTP, &requests),
        file("conn.log", CONN, &flows),
    ];
    let report = report(&files, &all());
    let names: Vec<&str> =
        report.conversations.list.iter().map(|row| row.destination.as_str()).collect();
    assert_eq!(names, ["dns.example", "host.example", "sni.example", "tunnel.example"]);
    let proxied: Vec<bool> = report.conversations.list.iter().map(|row| row.proxied).collect();
    assert_eq!(proxied, [false, false, false, true]);
}

#[test]
fn home_net_turns_directions() {
    let files = day_files();
    let home = |net: &str| Home::new(vec![net.parse().unwrap()]);
    let direction = |options: &Options| -> Vec<String> {
        let report = report(&files, options);
        let rows =
            report.conversations.list.iter().filter(|row| row.destination == "c2.evil.example");
        rows.map(|row| row.direction.to_string()).collect()
    };
    assert_eq!(direction(&all()), ["outbound"]);
    assert_eq!(direction(&Options { home: home("203.0.113.0/24"), ..all() }), ["inbound"]);
    assert_eq!(direction(&Options { home: home("0.0.0.0/0"), ..all() }), ["internal"]);
    let nowhere = Options { home: home("192.168.0.0/16"), ..all() };
    assert_eq!(direction(&nowhere), ["external"]);
    let external = report(&files, &nowhere);
    assert!(!external.findings.is_empty(), "scored, since no home host exists at all");
    let elsewhere = report(&files, &Options { home: home("10.20.0.3/32"), ..all() });
    let beacon = |finding: &Finding| finding.destination.host.as_deref() == Some("c2.evil.example");
    assert!(!elsewhere.findings.iter().any(beacon), "between strangers, with a home host seen");
}

#[test]
fn an_empty_hour_makes_nothing_found_inconclusive() {
    let rows = |hours: &[u64]| -> Vec<String> {
        let row = |hour: &u64| conn(hour * 3_600_000, "C1", "10.0.0.1", 1, "198.51.100.1", 443);
        hours.iter().map(row).collect()
    };
    let files = |hours: &[u64]| {
        vec![
            file("conn.log", CONN, &rows(hours)),
            file("dns.log", DNS, &[dns(0, "10.0.0.1", "a.example", "198.51.100.1")]),
        ]
    };
    let whole = report(&files(&[1, 2, 3]), &all());
    assert_eq!(whole.summary.text, "NOTHING NEEDS ACTION. Coverage good.");
    let holed = report(&files(&[1, 2, 5]), &all());
    assert_eq!(holed.summary.verdict, Verdict::Inconclusive);
    assert_eq!(
        holed.summary.text,
        "INCONCLUSIVE: no records 03:00 to 05:00 on 2026-11-23; nothing bad in the rest."
    );
    let nothing = report(&[file("conn.log", CONN, &[])], &all());
    assert_eq!(nothing.summary.text, "INCONCLUSIVE: no flows in the input.");
}

/// Names of one site that tick alike are one finding; hosts that poll one site are one incident.
#[test]
fn a_site_is_one_finding_a_source_and_one_incident() {
    let (mut conns, mut hellos) = (Vec::new(), Vec::new());
    for host in 1..=3_u64 {
        for name in 0..10_u64 {
            for tick in 0..200_u64 {
                let ms = tick * 400_000 + name * 1_000 + host * 100;
                let (uid, source) = (format!("C{host}x{name}x{tick}"), format!("10.0.0.{host}"));
                let server = format!("198.51.100.{name}");
                let port = u16::try_from(20_000 + tick).unwrap();
                conns.push(conn(ms, &uid, &source, port, &server, 443));
                let name = format!("edge{name}.vendor.example");
                hellos.push(ssl(ms, &uid, &source, port, &server, &name));
            }
        }
    }
    let files = vec![file("conn.log", CONN, &conns), file("ssl.log", SSL, &hellos)];
    let report = report(&files, &all());
    assert_eq!(report.incidents.len(), 1, "{:?}", report.incidents);
    assert_eq!(report.findings.len(), 3);
    assert_eq!(report.incidents[0].hosts.len(), 3);
    assert_eq!(report.incidents[0].destinations.len(), 10);
    assert!(
        report.findings.iter().all(|one| one.destination.names.len() == 10 && one.flows == 2_000)
    );
}

/// The first half of a day, the second, and the whole: the same incident by its id. With a history
/// the day after too.
#[test]
fn ids_last_through_batches_and_with_a_history_through_days() {
    let rows = |from: u64, to: u64| -> Vec<File> {
        let ticks = (from..to).map(|tick| tick * 300_000 + tick % 7);
        let rows: Vec<String> = ticks
            .map(|ms| conn(ms, &format!("C{ms}"), "10.20.0.7", 40_000, "203.0.113.77", 443))
            .collect();
        vec![file("conn.log", CONN, &rows)]
    };
    let ids = |report: &Report| {
        (report.incidents[0].id.clone(), report.findings[0].id.clone(), report.incidents[0].state)
    };
    let whole = ids(&report(&rows(0, 288), &all()));
    assert_eq!(ids(&report(&rows(0, 144), &all())), whole);
    assert_eq!(ids(&report(&rows(144, 288), &all())), whole);
    assert_eq!(whole.2, "new");
    let tomorrow = ids(&report(&rows(288, 576), &all()));
    assert_ne!(tomorrow.0, whole.0, "without a history it is another day's");

    let remember = Options { history: Some(History::default()), ..all() };
    let (today, _) = analyze(&rows(0, 288), &remember, WHOLE);
    assert_eq!(ids(&today.report), whole);
    let again = Options { history: today.history, ..all() };
    let (day_after, _) = analyze(&rows(288, 576), &again, WHOLE);
    assert_eq!(day_after.report.coverage.history_days, 1);
    let (incident, finding, state) = ids(&day_after.report);
    assert_eq!((incident, finding, state), (whole.0, whole.1, "ongoing"));
}

#[test]
fn machines_have_the_names_of_their_leases_and_of_the_asset_file() {
    let dhcp = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
        #path\tdhcp\n#fields\tts\tuids\tclient_addr\tserver_addr\tmac\thost_name\tdomain\t\
        assigned_addr\tlease_time\n";
    let lease = |second: u64, name: &str| {
        format!(
            "{}.000000\tCd\t10.20.0.7\t10.20.0.1\t00:00:5e:00:53:07\t{name}\t-\t10.20.0.7\t3600.0\n",
            DAY + second
        )
    };
    let mut files = day_files();
    files.push(file("dhcp.log", dhcp, &[lease(50_000, "fin-lt-014"), lease(10, "old-name")]));
    let source = |options: &Options| report(&files, options).findings[0].source.clone();
    let leased = source(&all());
    assert_eq!(leased.name.as_deref(), Some("fin-lt-014"), "the latest lease");
    assert_eq!(leased.mac.as_deref(), Some("00:00:5e:00:53:07"));
    assert_eq!(leased.known_from, "dhcp");
    let assets =
        Assets::parse("address,owner,criticality,tags\nFIN-LT-014,u4031,high,pay\n").unwrap();
    let known = source(&Options { assets, ..all() });
    assert_eq!((known.user.as_deref(), known.known_from), (Some("u4031"), "file"));
    assert_eq!(known.tags, ["pay"]);
}

#[test]
fn what_is_below_the_threshold_is_counted() {
    let files = day_files();
    let every = report(&files, &all());
    let none = report(&files, &Options { severity_min: Severity::Critical, ..all() });
    assert!(none.findings.is_empty() && none.incidents.is_empty());
    assert_eq!(none.summary.below_threshold, every.incidents.len() as u64);
    assert_eq!(none.summary.incidents, every.summary.incidents);
    assert_eq!(none.summary.text, every.summary.text, "what is not listed is still there");
}

/// Odd records must not stop anything: no packets, times before 1970 are refused by the source, huge
/// numbers, uids that are no uids.
#[test]
fn extreme_values_are_kept_exactly_or_saturate() {
    let max = u64::MAX;
    let row = conn(0, "odd uid!", "10.0.0.1", 0, "198.51.100.1", 0);
    let huge = row.replace("\t900\t1400\t", &format!("\t{max}\t{max}\t"));
    let more = huge.replace("odd uid!", "x".repeat(300).as_str());
    let files = vec![file("conn.log", CONN, &[huge, more])];
    let report = report(&files, &all());
    assert_eq!(report.input.flows, 2);
    assert_eq!(report.conversations.list[0].bytes_out, max);
}

fn text(report: &Report) -> String {
    report.to_text(&TextOptions {
        colour: false,
        input: "logs",
        elapsed_ms: None,
        offset_s: &|_: Micros| 0,
        zone: "UTC",
    })
}

/// The whole text and the whole JSON, read by a person when they change. `GOLDEN=write` writes them.
#[test]
fn whole_reports_are_as_before() {
    let options = Options { conversations: Some(5), ..Options::default() };
    let report = report(&day_files(), &options);
    let mut json = String::new();
    let mut value: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    // A new version or list is no change of what is said about the logs.
    value.as_object_mut().unwrap().remove("tool");
    write!(json, "{value:#}").unwrap();
    let words = text(&report).replacen(env!("CARGO_PKG_VERSION"), "VERSION", 1);
    for (name, now) in [("day.txt", words), ("day.json", json + "\n")] {
        let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&path, &now).unwrap();
        }
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(now == before, "{name} changed:\n{now}");
    }
    assert!(text(&report).lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn keys_are_those_of_the_schema() {
    let report = report(&day_files(), &all());
    let value: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    let has = |value: &serde_json::Value, keys: &[&str]| {
        keys.iter().for_each(|key| assert!(value.get(key).is_some(), "no key {key}"));
    };
    has(
        &value,
        &[
            "schema",
            "tool",
            "tenant",
            "input",
            "coverage",
            "summary",
            "incidents",
            "findings",
            "destinations",
            "categories",
            "conversations",
        ],
    );
    has(&value["tool"], &["version", "detectors", "lists", "options_digest"]);
    has(&value["input"], &["files", "flows", "first", "last"]);
    has(&value["input"]["files"][0], &["path", "format", "records", "flows", "skipped"]);
    has(
        &value["coverage"],
        &[
            "grade",
            "empty_hours",
            "missed_bytes_permille",
            "one_sided_permille",
            "named_permille",
            "logs_absent",
            "history_days",
            "crowd",
            "notes",
        ],
    );
    has(
        &value["summary"],
        &[
            "verdict",
            "outcome",
            "confidence",
            "confidence_band",
            "action_required",
            "text",
            "incidents",
            "muted",
            "below_threshold",
        ],
    );
    has(
        &value["incidents"][0],
        &[
            "id",
            "title",
            "severity",
            "kind",
            "confidence",
            "state",
            "hosts",
            "destinations",
            "first",
            "last",
            "finding_ids",
            "actions",
            "closed_elsewhere",
        ],
    );
    let finding = &value["findings"][0];
    has(
        finding,
        &[
            "id",
            "incident",
            "behaviour",
            "severity",
            "confidence",
            "source",
            "destination",
            "direction",
            "first",
            "last",
            "flows",
            "bytes_out",
            "bytes_in",
            "packets_out",
            "packets_in",
            "scores",
            "evidence",
            "submission",
            "attack",
            "pivot",
            "crowd",
            "actions",
            "limits",
        ],
    );
    has(&finding["source"], &["address", "name", "mac", "user", "tags", "known_from"]);
    has(
        &finding["destination"],
        &["host", "address", "addresses_seen", "port", "transport", "site", "named_by"],
    );
    has(&finding["evidence"][0], &["measure", "value", "unit", "threshold", "for", "sentence"]);
    has(&finding["pivot"], &["flow_uids", "community_ids", "more"]);
    has(
        &value["destinations"][0],
        &["destination", "categories", "hosts", "flows", "assessment", "role", "class"],
    );
    has(&value["conversations"], &["total", "listed", "rest", "list"]);
    has(
        &value["conversations"]["list"][0],
        &[
            "source",
            "destination",
            "port",
            "transport",
            "flows",
            "bytes_out",
            "bytes_in",
            "packets_out",
            "packets_in",
            "first",
            "last",
        ],
    );
    assert_eq!(value["input"]["first"], "2026-11-23T00:00:00Z");
}

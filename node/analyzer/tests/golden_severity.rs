//! Goal: the severity of a finding is that of DETECTORS.md's table, row by row, and what is said of it is so.
//!
//! Method: groups of our own making in surroundings that differ in one thing at a time.

use flowlore_analyzer::{
    detect::{Hit, detect},
    pair::{Arrival, Contact, Group, Surroundings},
    severity::{Rarity, judge, rule},
    stats::Scratch,
};
use flowlore_common::label::{Behaviour, Direction, Severity};

#[path = "support/mod.rs"]
mod support;

use support::{DAY, START, around, by_address, by_name, proxied, ticks};

/// What `detect` finds in a day with these surroundings.
fn find(group: &Group<'_>) -> Vec<Hit> {
    detect(group, &around(), &mut Scratch::default())
}

/// Surroundings in which nothing caps or raises.
fn known() -> Surroundings {
    Surroundings { history_days: 30, ..around() }
}

#[test]
fn the_table_row_by_row() {
    use Behaviour::{C2BeaconIp, LongConnection, Strobe};
    use Direction::{Inbound, Internal, Outbound};
    use Severity::{Critical, High, Info, Low, Medium};
    let hosts = |some| Surroundings { hosts_contacting: some, ..known() };
    let few = |change: Surroundings| Surroundings { inside_hosts: 9, ..change };
    let familiar = Surroundings { first_seen_days: Some(30), ..known() };
    let rows = [
        ("rare, above 0.8", C2BeaconIp, 801, Outbound, known(), Critical),
        ("rare, 0.8", C2BeaconIp, 800, Outbound, known(), High),
        ("rare, 0.6", C2BeaconIp, 600, Outbound, known(), High),
        ("rare, below 0.6", C2BeaconIp, 599, Outbound, known(), Medium),
        ("rare, below 0.4", C2BeaconIp, 399, Outbound, known(), Low),
        ("rare, below 0.2", C2BeaconIp, 199, Outbound, known(), Info),
        ("4 of 214 are 2 %", C2BeaconIp, 900, Outbound, hosts(4), Critical),
        ("5 of 214 are not", C2BeaconIp, 900, Outbound, hosts(5), Medium),
        ("just below half", C2BeaconIp, 900, Outbound, hosts(106), Medium),
        ("half", C2BeaconIp, 900, Outbound, hosts(107), Info),
        ("strobe, rare", Strobe, 950, Outbound, known(), Critical),
        ("strobe, common", Strobe, 650, Outbound, hosts(200), Info),
        ("uncommon keeps below its band", C2BeaconIp, 300, Outbound, hosts(20), Low),
        ("few hosts", C2BeaconIp, 700, Outbound, few(hosts(9)), High),
        ("few hosts, known for a month", C2BeaconIp, 700, Outbound, few(familiar), Medium),
        ("inbound", C2BeaconIp, 900, Inbound, known(), Medium),
        ("internal", C2BeaconIp, 900, Internal, known(), Medium),
        ("long alone", LongConnection, 950, Outbound, known(), Medium),
        ("long, a few hours", LongConnection, 300, Internal, known(), Low),
        ("no history", C2BeaconIp, 900, Outbound, around(), High),
        (
            "weak evidence",
            C2BeaconIp,
            900,
            Outbound,
            Surroundings { weak_evidence: true, ..known() },
            High,
        ),
        (
            "a critical host, one step up",
            C2BeaconIp,
            500,
            Outbound,
            Surroundings { critical_asset: true, ..known() },
            High,
        ),
        (
            "a critical host without history",
            C2BeaconIp,
            700,
            Outbound,
            Surroundings { critical_asset: true, ..around() },
            High,
        ),
        (
            "a critical host makes nothing of nothing",
            C2BeaconIp,
            100,
            Outbound,
            Surroundings { critical_asset: true, ..known() },
            Info,
        ),
    ];
    for (name, behaviour, threat, direction, around, expected) in rows {
        let mut group = Group { direction, ..by_address(&[]) };
        (group.totals.flows, group.totals.bytes_in) = (900, 90_000);
        assert_eq!(rule(behaviour, threat, &group, &around).severity, expected, "{name}");
    }
}

#[test]
fn a_scan_alone_is_medium_and_of_peers_low() {
    let weak = Surroundings { weak_evidence: true, ..known() };
    let of = |behaviour, direction, around: &Surroundings| {
        rule(behaviour, 650, &Group { direction, ..by_address(&[]) }, around).severity
    };
    for scan in [Behaviour::HorizontalScan, Behaviour::VerticalScan, Behaviour::SynScan] {
        assert_eq!(of(scan, Direction::Internal, &known()), Severity::Medium, "{scan}");
        assert_eq!(of(scan, Direction::Internal, &weak), Severity::Low, "{scan}");
        let outside = match scan {
            Behaviour::SynScan => Severity::Low,
            _ => Severity::Medium,
        };
        assert_eq!(of(scan, Direction::Outbound, &known()), outside, "{scan}");
    }
}

#[test]
fn what_many_here_use_or_long_used_is_milder() {
    let contacts = [Contact { second: START, bytes: 1 }];
    let group = by_address(&contacts);
    let of = |behaviour, hosts_contacting, arrival| {
        let around = Surroundings { hosts_contacting, arrival, ..known() };
        rule(behaviour, 700, &group, &around).severity
    };
    let session = Behaviour::InteractiveC2Channel;
    assert_eq!(of(session, 1, Arrival::Unknown), Severity::High);
    assert_eq!(of(session, 5, Arrival::Unknown), Severity::Low);
    assert_eq!(of(session, 5, Arrival::Settled), Severity::Low);
    assert_eq!(of(session, 5, Arrival::New), Severity::Medium);
    let upload = Behaviour::ExfilVolume;
    assert_eq!(of(upload, 1, Arrival::Unknown), Severity::High);
    assert_eq!(of(upload, 1, Arrival::New), Severity::High);
    assert_eq!(of(upload, 1, Arrival::Settled), Severity::Low);
    assert_eq!(of(upload, 5, Arrival::Unknown), Severity::Low);
    let long = Behaviour::LongConnection;
    assert_eq!(of(long, 1, Arrival::Unknown), Severity::Medium);
    assert_eq!(of(long, 5, Arrival::Unknown), Severity::Low);
    let named = by_name("vpn.example", &contacts);
    let of_named = |arrival| rule(long, 700, &named, &Surroundings { arrival, ..known() });
    assert_eq!(of_named(Arrival::Unknown).severity, Severity::Low, "it has a name");
    assert_eq!(of_named(Arrival::New).severity, Severity::Medium, "that nobody knew");
}

#[test]
fn phishing_is_judged_by_its_grade() {
    let contacts = [Contact { second: START, bytes: 1 }];
    let group = by_name("post.example", &contacts);
    let of = |threat, around: Surroundings| {
        rule(Behaviour::PhishingSubmission, threat, &group, &around).severity
    };
    let by = |hosts_contacting, arrival| Surroundings { hosts_contacting, arrival, ..known() };
    assert_eq!(of(850, known()), Severity::Critical);
    assert_eq!(of(850, around()), Severity::High, "no history");
    assert_eq!(of(850, Surroundings { weak_evidence: true, ..known() }), Severity::High);
    assert_eq!(of(750, known()), Severity::High);
    assert_eq!(of(550, known()), Severity::Medium);
    let four_of_forty = Surroundings { inside_hosts: 40, ..by(4, Arrival::Unknown) };
    assert_eq!(of(750, four_of_forty), Severity::High, "some fell for the same mail");
    assert_eq!(of(750, by(5, Arrival::Unknown)), Severity::Low);
    assert_eq!(of(750, by(5, Arrival::New)), Severity::High, "many fell for it at once");
    assert_eq!(of(850, by(107, Arrival::New)), Severity::Info);
}

#[test]
fn who_knocks_and_gets_no_data_is_no_finding() {
    let mut group = Group { direction: Direction::Inbound, ..by_address(&[]) };
    group.totals.flows = 900;
    let of = |group: &Group<'_>| rule(Behaviour::C2BeaconIp, 900, group, &known());
    assert_eq!(of(&group).severity, Severity::Info, "refusals are packets, but no data");
    assert_eq!(of(&group).reason, Some("a probe that got no data"));
    group.totals.bytes_in = 1;
    assert_eq!(of(&group).severity, Severity::Medium);
    group.direction = Direction::Outbound;
    group.totals.bytes_in = 0;
    assert_eq!(of(&group).severity, Severity::Critical);
}

#[test]
fn an_ordinary_service_is_grave_only_with_a_second_sign() {
    let contacts = [Contact { second: START, bytes: 1 }];
    let ordinary = by_name("service.example", &contacts);
    let unknown = Surroundings { arrival: Arrival::Unknown, ..known() };
    let settled = Surroundings { arrival: Arrival::Settled, ..known() };
    let few = Surroundings { inside_hosts: 9, ..unknown };
    let of = |group: &Group<'_>, around: &Surroundings| {
        rule(Behaviour::C2BeaconHttpTls, 700, group, around).severity
    };
    assert_eq!(of(&ordinary, &few), Severity::Medium);
    assert_eq!(of(&ordinary, &unknown), Severity::Medium, "time was not measured");
    assert_eq!(of(&ordinary, &settled), Severity::Low);
    let new = Surroundings { arrival: Arrival::New, ..few };
    assert_eq!(of(&ordinary, &new), Severity::Medium, "new alone");
    let after = |around| rule(Behaviour::DownloadThenC2, 700, &ordinary, around).severity;
    assert_eq!(after(&new), Severity::High, "new, and a download before it");
    assert_eq!(after(&few), Severity::Medium);
    assert_eq!(of(&by_address(&contacts), &few), Severity::High, "no name");
    let through_proxy = proxied("service.example", &contacts);
    assert_eq!(of(&through_proxy, &few), Severity::Medium, "a proxy's clients name all they use");
    // Five machines or more, fewer than half: the org uses it. Four: it may have spread that far.
    let shared = |hosts_contacting| Surroundings { hosts_contacting, ..unknown };
    assert_eq!(of(&ordinary, &shared(5)), Severity::Low);
    assert_eq!(of(&ordinary, &shared(106)), Severity::Low);
    let four_of_forty = Surroundings { inside_hosts: 40, ..shared(4) };
    assert_eq!(of(&ordinary, &four_of_forty), Severity::Medium);
    assert_eq!(of(&by_address(&contacts), &shared(5)), Severity::Medium, "no name");
    let with = |change: fn(&mut Group<'_>)| {
        let mut group = ordinary.clone();
        change(&mut group);
        of(&group, &few)
    };
    assert_eq!(with(|group| group.totals.unanswered = 1), Severity::High);
    assert_eq!(with(|group| group.hints.missing_host_header = 1), Severity::High);
    assert_eq!(with(|group| group.hints.mime_mismatch = 1), Severity::High);
    assert_eq!(with(|group| group.hints.tls = 0), Severity::High);
    assert_eq!(with(|group| group.port = 8_443), Severity::High);
    assert_eq!(with(|group| group.totals.flows = 4), Severity::High, "named by DNS mostly");
    assert_eq!(with(|group| group.hints.rare_signature = true), Severity::Medium);
}

#[test]
fn where_no_log_names_anything_a_missing_name_is_no_sign() {
    let contacts = [Contact { second: START, bytes: 1 }];
    let group = by_address(&contacts);
    let of = |behaviour, group: &Group<'_>, arrival, nothing_named| {
        let around = Surroundings { arrival, nothing_named, ..known() };
        rule(behaviour, 700, group, &around).severity
    };
    let beacon = |group: &Group<'_>, arrival, dark| of(Behaviour::C2BeaconIp, group, arrival, dark);
    assert_eq!(beacon(&group, Arrival::Unknown, false), Severity::High);
    assert_eq!(beacon(&group, Arrival::Unknown, true), Severity::Medium);
    assert_eq!(beacon(&group, Arrival::Settled, true), Severity::Low);
    assert_eq!(beacon(&group, Arrival::New, true), Severity::Medium);
    let with = |change: fn(&mut Group<'_>)| {
        let mut group = group.clone();
        change(&mut group);
        beacon(&group, Arrival::Unknown, true)
    };
    assert_eq!(with(|group| group.port = 8_443), Severity::High);
    assert_eq!(with(|group| group.totals.unanswered = 1), Severity::High);
    let strange = flowlore_analyzer::pair::Sessions {
        count: 1,
        first_us: 0,
        longest_us: 60_000_000,
        bytes_out: 2_000,
        bytes_in: 2_000,
        packets_out: 20,
        packets_in: 20,
        nameless: false,
        unrecognised: true,
    };
    let mut shell = group.clone();
    shell.hints.sessions = Some(Box::new(strange));
    let session = Behaviour::InteractiveC2Channel;
    assert_eq!(of(session, &shell, Arrival::Unknown, true), Severity::High, "recognised elsewhere");
    let long = |dark| of(Behaviour::LongConnection, &group, Arrival::Unknown, dark);
    assert_eq!([long(false), long(true)], [Severity::Medium, Severity::Low]);
}

#[test]
fn resolvers_that_are_asked_over_tls_are_low() {
    let contacts = [Contact { second: START, bytes: 1 }];
    let of = |group: &Group<'_>| rule(Behaviour::C2BeaconHttpTls, 700, group, &known()).severity;
    let named = Group { port: 853, ..by_name("dns.example", &contacts) };
    assert_eq!(of(&named), Severity::Low);
    assert_eq!(of(&Group { port: 853, ..by_address(&contacts) }), Severity::High, "no name");
}

#[test]
fn graver_scores_and_rarer_destinations_are_never_milder() {
    for direction in [Direction::Outbound, Direction::Inbound, Direction::External] {
        for behaviour in [Behaviour::C2BeaconIp, Behaviour::LongConnection] {
            let of = |threat, some| {
                let around = Surroundings { hosts_contacting: some, ..known() };
                let group = Group { direction, ..by_address(&[]) };
                rule(behaviour, threat, &group, &around).severity
            };
            for threat in 1..=1000 {
                assert!(of(threat, 1) >= of(threat - 1, 1));
                assert!(of(threat, 1) >= of(threat, 20) && of(threat, 20) >= of(threat, 150));
            }
        }
    }
}

#[test]
fn an_implant_is_high_and_the_updater_of_all_is_nothing() {
    let contacts = ticks(START, START + DAY, 300, 10, 1_482);
    let mut group = by_name("beacon.example", &contacts);
    group.port = 8_443; // no ordinary service
    let hit = find(&group).remove(0);
    let new = Surroundings { arrival: Arrival::New, ..around() };
    let judged = judge(hit.clone(), &group, &new);
    assert_eq!(judged.severity, Severity::High);
    assert_eq!(judged.threat_milli, hit.base_milli + 150);
    let said: Vec<&str> = judged.hit.evidence.iter().map(|e| e.sentence.as_str()).collect();
    assert!(said.contains(&"1 of 214 hosts contacts it."), "{said:?}");
    let last = said.last().expect("a sentence");
    assert!(last.contains(", +0.150 for prevalence), held at high: no history."), "{last}");
    let codes: Vec<_> = judged.actions.iter().map(|a| (a.code, a.target.as_str())).collect();
    assert_eq!(
        codes,
        [
            ("isolate_host", "192.0.2.31"),
            ("find_process", "192.0.2.31"),
            ("block_destination", "beacon.example"),
        ]
    );
    let common = Surroundings { hosts_contacting: 150, ..around() };
    let judged = judge(hit, &group, &common);
    assert_eq!((judged.severity, judged.actions.len()), (Severity::Info, 0));
    assert!(judged.hit.evidence.iter().any(|e| !e.supports && e.measure == "hosts_contacting"));
}

#[test]
fn what_is_not_known_is_said() {
    let contacts = ticks(START, START + DAY, 300, 10, 1_482);
    let group = by_address(&contacts);
    let alone = Surroundings { inside_hosts: 1, weak_evidence: true, ..around() };
    let judged = judge(find(&group).remove(0), &group, &alone);
    let limits = judged.hit.limits.join("\n");
    assert!(limits.contains("1 inside host in the data: too few (10 needed)"), "{limits}");
    assert!(limits.contains("0 days of history (7 needed)"), "{limits}");
    assert!(limits.contains("Sampled or one-sided"), "{limits}");
}

#[test]
fn confidence_adds_up_as_documented() {
    let group = by_address(&[Contact { second: START, bytes: 1 }]);
    let of = |threat, around: &Surroundings| {
        flowlore_analyzer::severity::confidence(threat, false, &group, around)
    };
    let few = Surroundings { inside_hosts: 1, ..around() };
    assert_eq!(of(930, &around()), 86, "30 + 46 + 10 for a rarity that was measured");
    assert_eq!(of(930, &known()), 91, "5 for a history");
    assert_eq!(of(930, &few), 76, "rarity among one host is nothing");
    assert_eq!(of(930, &Surroundings { weak_evidence: true, ..few }), 66);
    assert_eq!(of(1000, &known()), 95, "never certain");
    let mut unanswered = group.clone();
    unanswered.totals.unanswered = 1;
    let got = flowlore_analyzer::severity::confidence(930, false, &unanswered, &few);
    assert_eq!(got, 66, "nothing ever came back");
    let got = flowlore_analyzer::severity::confidence(930, true, &group, &known());
    assert_eq!(got, 61, "something harmless explains it");
}

#[test]
fn rarity_needs_hosts_to_compare() {
    let of = |inside_hosts, hosts_contacting| {
        Rarity::of(&Surroundings { inside_hosts, hosts_contacting, ..around() })
    };
    assert_eq!(of(9, 9), Rarity::Rare);
    assert_eq!(of(10, 1), Rarity::Rare);
    assert_eq!(of(10, 4), Rarity::Uncommon);
    assert_eq!(of(10, 5), Rarity::Common);
    assert_eq!(of(u32::MAX, u32::MAX), Rarity::Common);
}

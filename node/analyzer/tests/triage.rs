//! Goal: the story around an alert says what happened, adds up, and comes to what the findings come to.
//!
//! Method: logs of our own making through the whole analyzer, with a watch as the product has it; a golden story; and
//! properties over many windows of a day: no flow of a window is lost, summary and details agree, order is nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;

use flowlore_analyzer::{
    options::Options,
    report::{
        Report,
        model::{Finding, Verdict},
        text::TextOptions,
    },
    source::Reader,
    triage::{
        Alert, Around, Questions,
        alert::{Alerts, Taken, destination},
        collect, fold,
        model::{Review, StoryLine, Triage},
    },
};
use flowlore_common::{label::Severity, time::Micros};

#[path = "support/logs.rs"]
mod logs;

use logs::{
    CONN, Cut, DAY, DNS, File, HTTP, Numbers, SSL, WHOLE, analyze_and, conn, day, day_files, dns,
    file, shuffle, ssl,
};

const HOST: &str = "10.20.0.7";
const SERVER: &str = "203.0.113.77";

fn at(second: u64) -> Micros {
    Micros(i64::try_from((DAY + second) * 1_000_000).unwrap())
}

fn asked(second: u64, host: &str, to: Option<&str>) -> Alert {
    let destination = to.map(|to| destination(to).unwrap());
    Alert { destination, ..Alert::asked(at(second), host.parse().unwrap()) }
}

fn questions(alerts: Vec<Alert>) -> Questions {
    Questions { alerts: fold(alerts), around: Around::default(), unusable: 0 }
}

fn answer(questions: &Questions, files: &[File], cut: Cut) -> (Vec<Triage>, Report) {
    let options = Options { severity_min: Severity::Low, ..Options::default() };
    let watch = questions.watch();
    let (analysis, _, collected) =
        analyze_and(files, &options, cut, Some(&watch), |part| collect(&watch, part, &options));
    (questions.answer(&collected, &analysis.report), analysis.report)
}

fn one(alert: Alert, files: &[File]) -> Triage {
    answer(&questions(vec![alert]), files, WHOLE).0.remove(0)
}

fn text(triage: &Triage) -> String {
    triage.to_text(&text_options())
}

fn text_options() -> TextOptions<'static> {
    TextOptions { colour: false, input: "logs", elapsed_ms: None, offset_s: &|_| 0, zone: "UTC" }
}

/// A connection of the host: when and how long (ms), where, payload and packets both ways.
struct Flow {
    uid: &'static str,
    from_ms: u64,
    for_ms: u64,
    to: &'static str,
    port: u16,
    service: &'static str,
    sizes: (u64, u64),
    packets: (u64, u64),
}

impl Flow {
    fn row(&self) -> String {
        let Self { uid, from_ms, for_ms, to, port, service, sizes, packets } = self;
        let ports = 40_000 + from_ms / 1_000 % 20_000;
        let state = if packets.1 == 0 { "S0" } else { "SF" };
        format!(
            "{}.{:03}000\t{uid}\t{HOST}\t{ports}\t{to}\t{port}\ttcp\t{service}\t{}.{:03}000\t{}\t{}\t{state}\t-\t-\t0\t\
             ShADadFf\t{}\t{}\t{}\t{}\t-\n",
            DAY + from_ms / 1_000,
            from_ms % 1_000,
            for_ms / 1_000,
            for_ms % 1_000,
            sizes.0,
            sizes.1,
            packets.0,
            sizes.0 + 40 * packets.0,
            packets.1,
            sizes.1 + 40 * packets.1,
        )
    }
}

/// A page, a program a minute after it, a session soon after that; then all closes together and something else begins.
fn infection() -> Vec<File> {
    let web = |uid, from_ms, for_ms, to, back| Flow {
        uid,
        from_ms,
        for_ms,
        to,
        port: 443,
        service: "ssl",
        sizes: (900, back),
        packets: (12, back / 1_300 + 4),
    };
    let flows = [
        web("Cpage1", 36_000_000, 266_200, "198.51.100.10", 240_000),
        web("Cpage2", 36_000_400, 266_000, "198.51.100.11", 31_000),
        web("Cpage3", 36_001_100, 900, "198.51.100.11", 12_000),
        Flow {
            uid: "Cfetch",
            from_ms: 36_060_000,
            for_ms: 700,
            to: SERVER,
            port: 80,
            service: "http",
            sizes: (180, 7_400),
            packets: (5, 9),
        },
        Flow {
            uid: "Cshell",
            from_ms: 36_072_000,
            for_ms: 194_000,
            to: SERVER,
            port: 8_080,
            service: "-",
            sizes: (8_300, 4_100),
            packets: (60, 58),
        },
        web("Cnext", 36_300_000, 400, "198.51.100.12", 2_000),
    ];
    let names = [("news.example", "198.51.100.10"), ("img.example", "198.51.100.11")];
    let asked = names.iter().map(|(name, to)| dns(35_999_900, HOST, name, to)).collect::<Vec<_>>();
    let hellos = [
        ssl(36_000_050, "Cpage1", HOST, 40_000, "198.51.100.10", "news.example"),
        ssl(36_000_450, "Cpage2", HOST, 40_000, "198.51.100.11", "img.example"),
        ssl(36_001_150, "Cpage3", HOST, 40_001, "198.51.100.11", "img.example"),
        ssl(36_300_050, "Cnext", HOST, 40_300, "198.51.100.12", "mail.example"),
    ];
    let request = format!(
        "{}.100000\tCfetch\t{HOST}\t40060\t{SERVER}\t80\tGET\t{SERVER}\t/a\t-\t0\t7168\t200\tapplication/x-dosexec\t-\n",
        DAY + 36_060
    );
    let http = format!("{}\tresp_mime_types\torig_mime_types\n", HTTP.trim_end());
    vec![
        file("conn.log", CONN, &flows.iter().map(Flow::row).collect::<Vec<_>>()),
        file("dns.log", DNS, &asked),
        file("ssl.log", SSL, &hellos),
        file("http.log", &http, &[request]),
    ]
}

fn kinds(triage: &Triage) -> Vec<&'static str> {
    triage.story.iter().map(|line| line.kind).collect()
}

fn line<'a>(triage: &'a Triage, kind: &str) -> &'a StoryLine {
    triage.story.iter().find(|line| line.kind == kind).unwrap()
}

/// The whole text and JSON, read by a person when they change. `GOLDEN=write` writes them.
#[test]
fn a_download_and_a_session_are_told_in_order() {
    let triage = one(asked(36_075, HOST, Some(SERVER)), &infection());
    assert_eq!(
        kinds(&triage),
        ["page_load", "download", "contact", "alert", "closing", "after"],
        "{}",
        text(&triage)
    );
    assert!(line(&triage, "download").sentence.contains("etched a program of 7,168 B"));
    assert!(line(&triage, "contact").sentence.starts_with("12 s later: talked to"));
    assert_eq!(triage.summary.verdict, Verdict::Malicious);
    let mut value = serde_json::to_value(&triage).unwrap();
    // A new version or list is no change of what is said about the flows.
    value.as_object_mut().unwrap().remove("tool");
    let mut json = String::new();
    writeln!(json, "{value:#}").unwrap();
    let words = text(&triage).replacen(env!("CARGO_PKG_VERSION"), "VERSION", 1);
    assert!(words.lines().all(|line| line.chars().count() <= 100), "{words}");
    for (name, now) in [("triage.txt", words), ("triage.json", json)] {
        let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&path, &now).unwrap();
        }
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(now == before, "{name} changed:\n{now}");
    }
}

#[test]
fn a_finding_is_a_question_too() {
    let (_, report) = answer(&questions(vec![]), &infection(), WHOLE);
    let finding = &report.findings[0];
    let alert = Alert::of_finding(finding, &Options::default().home);
    assert_eq!(
        (alert.host.to_string().as_str(), alert.destination.as_deref()),
        (HOST, Some(SERVER))
    );
    let triage = one(alert, &infection());
    assert!(triage.findings.iter().any(|one| one.id == finding.id));
    assert_eq!(triage.summary.verdict, Verdict::Malicious);
}

#[test]
fn what_straddles_an_edge_is_in_the_window() {
    let host = "10.20.0.9";
    let row = |uid: &str, from_s: u64, for_s: u64, to: &str| {
        conn(from_s * 1_000, uid, host, 40_000, to, 443)
            .replace("0.400000", &format!("{for_s}.000000"))
    };
    // The window is 9,400 to 11,800.
    let rows = [
        row("Cbefore", 9_000, 399, "198.51.100.1"),
        row("Cinto", 9_000, 401, "198.51.100.2"),
        row("Cacross", 9_000, 9_000, "198.51.100.3"),
        row("Cwithin", 10_000, 5, "198.51.100.4"),
        row("Cout", 11_000, 1_000, "198.51.100.5"),
        row("Cchain", 11_900, 300, "198.51.100.5"),
        row("Cfar", 11_000, 50_000, "198.51.100.6"),
        row("Cafter", 12_300, 5, "198.51.100.7"),
    ];
    let triage = one(asked(10_000, host, None), &[file("conn.log", CONN, &rows)]);
    let there: Vec<&str> = triage.destinations.iter().map(|one| &*one.destination).collect();
    let all = ["198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.5", "198.51.100.6"];
    assert_eq!(there, all);
    // The fifth goes on at the end: it is followed to its end, and so are flows that overlap it. The third was there
    // before the window, and the sixth would not end within twice the time: neither is waited for.
    assert_eq!(triage.window.to, at(12_201));
    assert_eq!(triage.window.extended_by_s, 400);
    assert_eq!(triage.window.flows, 6);
    let chain = triage.groups.iter().find(|group| group.flows == 2).unwrap();
    assert_eq!(
        triage.destinations[usize::try_from(chain.destination).unwrap()].destination,
        "198.51.100.5"
    );
}

/// Flows of rows of conn.log that overlap whole seconds, counted in the plainest way.
fn overlapping(rows: &[String], triage: &Triage) -> u64 {
    let micros = |text: &str| {
        let (seconds, rest) = text.split_once('.').unwrap_or((text, "0"));
        seconds.parse::<i64>().unwrap() * 1_000_000 + format!("{rest:0<6}").parse::<i64>().unwrap()
    };
    let within = |row: &&String| {
        let fields: Vec<&str> = row.split('\t').collect();
        let start = micros(fields[0]);
        let end = start + if fields[8] == "-" { 0 } else { micros(fields[8]) };
        start < triage.window.to.0 && end >= triage.window.from.0
    };
    rows.iter().filter(within).count() as u64
}

/// A day's files, and what its hosts contact at any time of it.
fn many() -> Vec<Alert> {
    let mut numbers = Numbers(11);
    let there = ["198.51.100.10", "www2.news.example", SERVER, "192.0.2.99", "203.0.113.200"];
    let alert = |_| {
        let host = format!("10.20.0.{}", 1 + numbers.below(20));
        let to = there.get(usize::try_from(numbers.below(6)).unwrap()).copied();
        Alert { rule: format!("r{}", numbers.below(3)), ..asked(numbers.below(86_400), &host, to) }
    };
    (0..60).map(alert).collect()
}

#[test]
fn the_flows_of_a_window_add_up() {
    let (conns, names, hellos) = day();
    let files = [
        file("conn.log", CONN, &conns),
        file("dns.log", DNS, &names),
        file("ssl.log", SSL, &hellos),
    ];
    let (triages, _) = answer(&questions(many()), &files, WHOLE);
    assert!(triages.len() > 20);
    for triage in &triages {
        let window = &triage.window;
        assert_eq!(window.flows, overlapping(&conns, triage), "{:?}", triage.alert);
        assert_eq!(window.flows, window.told + window.left_out.values().sum::<u64>());
        assert_eq!(window.told, triage.story.iter().map(|line| line.flows).sum::<u64>());
        let others = window.left_out.get("other_hosts").copied().unwrap_or(0);
        let of_host: u64 = triage.destinations.iter().map(|one| one.flows).sum();
        assert_eq!(window.flows - others, of_host);
        assert_eq!(of_host, triage.groups.iter().map(|group| group.flows).sum::<u64>());
        let mut uids: Vec<&String> = triage.story.iter().flat_map(|line| &line.flow_uids).collect();
        let all = uids.len();
        uids.sort();
        uids.dedup();
        assert_eq!(uids.len(), all, "a flow is told once");
    }
    let told = triages.iter().filter(|one| one.window.told > 0).count();
    let left = triages.iter().filter(|one| !one.window.left_out.is_empty()).count();
    assert!(told > 5 && left > 5, "{told} {left}: the property is not about nothing");
}

#[test]
fn summary_and_details_agree() {
    let mut seen = Vec::new();
    let (mut triages, _) = answer(&questions(many()), &day_files(), WHOLE);
    triages.push(one(asked(36_075, HOST, Some(SERVER)), &infection()));
    for triage in &triages {
        let summary = &triage.summary;
        let findings = triage.findings.iter().filter(|one| one.behaviour.kind() == "threat");
        let gravest = findings.clone().map(|one| one.severity).max();
        let there = |one: &&Finding| {
            let to = &one.destination;
            let place = triage.alert.destination.as_deref();
            to.host.as_deref() == place || Some(&*to.address.to_string()) == place
        };
        let about_alert = findings.filter(there).count();
        match summary.verdict {
            Verdict::Malicious => assert!(gravest >= Some(Severity::High)),
            Verdict::Suspicious => assert!(gravest < Some(Severity::High)),
            Verdict::NoInterestingActivity | Verdict::Inconclusive => {
                assert!(gravest < Some(Severity::High) && about_alert == 0);
            }
        }
        assert_eq!(summary.action_required, summary.verdict == Verdict::Malicious);
        let asks = !triage.actions.is_empty();
        assert_eq!(asks, summary.verdict != Verdict::NoInterestingActivity, "{}", text(triage));
        let host = triage.alert.host.address.to_string();
        let grave: u64 = ["critical", "high"].iter().map(|name| summary.incidents[name]).sum();
        assert_eq!(grave > 0, summary.verdict == Verdict::Malicious);
        assert!(
            summary.text.contains(&host) || summary.text.contains("another host"),
            "{}",
            summary.text
        );
        assert!(!triage.evidence.is_empty());
        assert!(text(triage).contains(&summary.text[..30]));
        let alerts = triage.story.iter().filter(|line| line.kind == "alert").count();
        assert_eq!(alerts, 1);
        assert!(triage.story.is_sorted_by_key(|line| line.at));
        seen.push((summary.verdict as u8, summary.outcome));
    }
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() >= 4, "{seen:?}: the day has all kinds of answers");
}

#[test]
fn neither_order_nor_splitting_shows() {
    let questions = questions(many());
    let (conns, names, hellos) = day();
    let json = |files: &[File], cut| {
        let (triages, report) = answer(&questions, files, cut);
        serde_json::to_string(&questions.review(triages, &report)).unwrap()
    };
    let files = |conns: &[String], names: &[String], hellos: &[String]| {
        vec![
            file("conn.log", CONN, conns),
            file("dns.log", DNS, names),
            file("ssl.log", SSL, hellos),
        ]
    };
    let whole = json(&files(&conns, &names, &hellos), WHOLE);
    for seed in 0..3 {
        let (mut conns, mut names, mut hellos) = (conns.clone(), names.clone(), hellos.clone());
        shuffle(&mut conns, seed);
        shuffle(&mut names, seed + 10);
        shuffle(&mut hellos, seed + 20);
        let cut = Cut { intakes: 3, parts: 4, share_bytes: 1 << 16 };
        assert!(json(&files(&conns, &names, &hellos), cut) == whole, "seed {seed}");
    }
}

#[test]
fn what_everybody_contacts_needs_nobody() {
    let triage = one(asked(40_000, "10.20.0.5", Some("www1.news.example")), &day_files());
    // Not every window has a visit to it.
    let rows = day().0;
    assert!(rows.len() > 1_000);
    let visits = triage.destinations.iter().any(|one| one.destination == "www1.news.example");
    let expected = if visits { Verdict::NoInterestingActivity } else { Verdict::Inconclusive };
    assert_eq!(triage.summary.verdict, expected, "{}", text(&triage));
    let mut hours = (0..24)
        .map(|hour| one(asked(hour * 3_600, "10.20.0.5", Some("www1.news.example")), &day_files()));
    let usual = hours
        .find(|one| one.destinations.iter().any(|to| to.destination == "www1.news.example"))
        .unwrap();
    assert_eq!(usual.summary.verdict, Verdict::NoInterestingActivity, "{}", text(&usual));
    assert!(usual.actions.is_empty());
    assert!(usual.evidence.iter().any(|one| one.sentence.contains("20 of 20 hosts here contact")));
}

#[test]
fn probes_from_outside_need_nobody() {
    let triage = one(asked(10, "10.20.0.3", Some("192.0.2.99")), &day_files());
    assert_eq!(triage.summary.verdict, Verdict::NoInterestingActivity, "{}", text(&triage));
    assert_eq!(triage.summary.outcome, "attempted");
    let said = "NO INTERESTING ACTIVITY: 192.0.2.99 probed 10.20.0.3 from outside, 3 flows; no data came back.";
    assert!(triage.summary.text.starts_with(said), "{}", triage.summary.text);
    // The same flows are probes when the alert is about something else.
    let other = one(asked(10, "10.20.0.3", Some("198.51.100.10")), &day_files());
    assert_eq!(other.window.left_out.get("inbound_probes"), Some(&30));
    // Where only one side is seen, silence is no proof.
    let (mut conns, names, hellos) = day();
    conns.extend((0..40_u16).map(|n| {
        let at = u64::from(n) * 1_000;
        conn(at, &format!("Ch{n}"), "10.20.0.3", 41_000 + n, "198.51.100.10", 443)
            .replace("\t900\t1400\tSF", "\t900\t0\tOTH")
            .replace("\t8\t1820", "\t0\t0")
    }));
    let files = vec![
        file("conn.log", CONN, &conns),
        file("dns.log", DNS, &names),
        file("ssl.log", SSL, &hellos),
    ];
    let blind = one(asked(10, "10.20.0.3", Some("192.0.2.99")), &files);
    assert_eq!(blind.summary.verdict, Verdict::Suspicious, "{}", text(&blind));
}

#[test]
fn attempts_from_inside_without_an_answer_are_told_as_that() {
    let (mut conns, names, hellos) = day();
    let from_inside = |row: &String| row.replace("\t192.0.2.99\t", "\t10.20.0.9\t");
    let probes: Vec<String> = conns
        .iter()
        .filter(|row| row.contains("\t192.0.2.99\t"))
        .take(3)
        .map(from_inside)
        .collect();
    assert_eq!(probes.len(), 3);
    conns.extend(probes);
    let files = vec![
        file("conn.log", CONN, &conns),
        file("dns.log", DNS, &names),
        file("ssl.log", SSL, &hellos),
    ];
    let triage = one(asked(10, "10.20.0.3", Some("10.20.0.9")), &files);
    assert_eq!(triage.summary.verdict, Verdict::Suspicious, "{}", text(&triage));
    assert_eq!(triage.summary.outcome, "attempted");
    assert!(triage.summary.text.starts_with("ATTEMPTED, NO ANSWER"), "{}", triage.summary.text);
    assert!(!triage.summary.action_required);
}

#[test]
fn a_blind_sensor_is_no_proof() {
    let silent = one(asked(40_000, "10.20.0.200", None), &day_files());
    assert_eq!(silent.summary.verdict, Verdict::Inconclusive);
    let late = one(asked(200_000, "10.20.0.5", None), &day_files());
    assert_eq!(late.summary.verdict, Verdict::Inconclusive);
    assert!(late.limits.iter().any(|one| one.contains("outside of the time")));
    let unseen = one(asked(40_000, "10.20.0.5", Some("203.0.113.200")), &day_files());
    assert_eq!(unseen.summary.verdict, Verdict::Inconclusive);
    assert_eq!(unseen.actions[0].code, "check_sensor");
}

#[test]
fn alerts_of_both_sensors_are_read_and_folded() {
    let eve = |second: u64, source: &str, to: &str, rule: &str| {
        let micros = at(second).to_string().replace('Z', ".000000+0000");
        format!(
            "{{\"timestamp\":\"{micros}\",\"flow_id\":7,\"event_type\":\"alert\",\"src_ip\":\"{source}\",\"src_port\":8080,\
             \"dest_ip\":\"{to}\",\"dest_port\":40072,\"proto\":\"TCP\",\"alert\":{{\"signature\":\"{rule}\",\"category\":\"Trojan\"}}}}\n"
        )
    };
    let lines = [
        eve(36_080, SERVER, HOST, "ET TROJAN shell"),
        eve(36_090, SERVER, HOST, "ET TROJAN shell"),
        eve(36_085, HOST, SERVER, "ET POLICY exe"),
    ];
    let notice = format!(
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tnotice\n#fields\tts\tuid\t\
         id.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tnote\tmsg\tsrc\tdst\n{}.0\tCshell\t{HOST}\t40072\t{SERVER}\t8080\t\
         Custom::Shell\tsomething\t{HOST}\t{SERVER}\n{}.0\t-\t-\t-\t-\t-\tCaptureLoss::Too_Little\tnone\t-\t-\n",
        DAY + 36_100,
        DAY + 36_101,
    );
    let read = |name: &str, text: &str| {
        let mut alerts = Alerts::new(Options::default().home);
        let mut reader = Reader::new(name);
        reader.feed(text.as_bytes(), &mut alerts);
        reader.finish(&mut alerts);
        alerts.finish()
    };
    let Taken { mut alerts, count, unusable } = read("eve.json", &lines.concat());
    assert_eq!((alerts.len(), count, unusable), (3, 3, 0));
    let Taken { alerts: notices, count, unusable } = read("notice.log", &notice);
    assert_eq!((notices.len(), count, unusable), (1, 1, 1));
    alerts.extend(notices);
    let questions = Questions { unusable, ..questions(alerts) };
    let (triages, report) = answer(&questions, &infection(), WHOLE);
    let told: Vec<_> = triages.iter().map(|one| (&*one.alert.rule, one.alert.count)).collect();
    assert_eq!(told, [("ET TROJAN shell", 2), ("ET POLICY exe", 1), ("Custom::Shell", 1)]);
    for triage in &triages {
        assert_eq!(triage.alert.host.address.to_string(), HOST, "whoever sent the packet");
        assert_eq!(triage.summary.verdict, Verdict::Malicious);
    }
    let review: Review = questions.review(triages, &report);
    assert_eq!((review.alerts, review.folded, review.unusable), (4, 1, 1));
    assert_eq!(review.verdicts["malicious"], 3);
    assert!(review.shared.is_empty(), "one host shares nothing");
    assert!(review.to_text(&text_options()).contains("4 alerts, 1 of them folded"));
}

#[test]
fn hosts_that_share_a_destination_are_put_together() {
    let (mut conns, names, mut hellos) = day();
    // A second host beacons to the same place.
    for tick in 0..288_u16 {
        let (ms, uid) = (u64::from(tick) * 300_000 + 7_000, format!("Csecond{tick}"));
        conns.push(conn(ms, &uid, "10.20.0.8", 20_000 + tick, SERVER, 443));
        hellos.push(ssl(ms + 20, &uid, "10.20.0.8", 20_000 + tick, SERVER, "c2.evil.example"));
    }
    let files = [
        file("conn.log", CONN, &conns),
        file("dns.log", DNS, &names),
        file("ssl.log", SSL, &hellos),
    ];
    let hosts = [HOST, "10.20.0.8", "10.20.0.5"];
    let questions = questions(hosts.iter().map(|host| asked(40_000, host, None)).collect());
    let (triages, report) = answer(&questions, &files, WHOLE);
    let review = questions.review(triages, &report);
    let [shared] = &review.shared[..] else { panic!("{:?}", review.shared) };
    assert_eq!(shared.destination.as_deref(), Some("c2.evil.example"));
    let hosts: Vec<String> = shared.hosts.iter().map(ToString::to_string).collect();
    assert_eq!((shared.hosts_count, hosts), (2, vec![HOST.to_owned(), "10.20.0.8".to_owned()]));
    assert!(shared.sentence.starts_with("2 hosts, one destination, c2.evil.example"));
}

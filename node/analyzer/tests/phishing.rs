//! Goal: a visit to a page that lures is told from a submission, in four grades, and both from a person who reads.
//!
//! Method: logs of our own making around the edges of DETECTORS.md's rows `phishing_page_visit` and
//! `phishing_submission`, through the whole analyzer.

use flowlore_analyzer::{
    history::History,
    options::Options,
    report::{
        Report,
        model::{Finding, Verdict},
    },
};
use flowlore_common::{
    label::{Behaviour, Severity},
    time::Day,
};

#[path = "support/logs.rs"]
mod logs;

use logs::{CONN, Cut, DAY, DNS, File, HTTP, SSL, all, analyze, dns, file, report, shuffle};

const VICTIM: &str = "10.20.0.7";
const OTHER: &str = "10.20.0.8";
const LURE: &str = "quiet-river.glitch.me";
const COLLECTOR: &str = "post-relay.example";

/// A connection by TLS: who, when and how long (ms), to what name, payload both ways.
#[derive(Clone, Debug)]
struct Flow {
    source: &'static str,
    at_ms: u64,
    until_ms: u64,
    name: String,
    out: u64,
    back: u64,
    port: u16,
}

fn flow(at_ms: u64, name: &str, out: u64, back: u64) -> Flow {
    let until_ms = at_ms + 900;
    Flow { source: VICTIM, at_ms, until_ms, name: name.to_owned(), out, back, port: 443 }
}

impl Flow {
    fn until(self, until_ms: u64) -> Self {
        Self { until_ms, ..self }
    }

    /// An address of its own for each name.
    fn address(&self) -> String {
        let sum = self.name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte));
        format!("203.0.113.{}", 1 + sum % 250)
    }

    fn uid(&self) -> String {
        format!(
            "C{}x{}x{}",
            self.source.replace('.', ""),
            self.at_ms,
            self.address().replace('.', "")
        )
    }

    fn stamp(&self) -> String {
        format!("{}.{:03}000", DAY + self.at_ms / 1000, self.at_ms % 1000)
    }

    fn conn(&self) -> String {
        let (out, back) = (1 + self.out / 1_200, 1 + self.back / 1_200);
        let lasts = self.until_ms - self.at_ms;
        format!(
            "{}\t{}\t{}\t40000\t{}\t{}\ttcp\t{}\t{}.{:03}000\t{}\t{}\tSF\t-\t-\t0\tShADadFf\t{}\t{}\t\
             {}\t{}\t-\n",
            self.stamp(),
            self.uid(),
            self.source,
            self.address(),
            self.port,
            if self.port == 80 { "http" } else { "ssl" },
            lasts / 1000,
            lasts % 1000,
            self.out,
            self.back,
            2 + out,
            self.out + 40 * (2 + out),
            2 + back,
            self.back + 40 * (2 + back),
        )
    }

    fn hello(&self) -> String {
        format!(
            "{}\t{}\t{}\t40000\t{}\t443\tTLSv13\t{}\tT\n",
            self.stamp(),
            self.uid(),
            self.source,
            self.address(),
            self.name
        )
    }

    fn post(&self, body: u64) -> String {
        format!(
            "{}\t{}\t{}\t40000\t{}\t80\tPOST\t{}\t/next.php\t-\t{body}\t120\t200\n",
            self.stamp(),
            self.uid(),
            self.source,
            self.address(),
            self.name
        )
    }
}

fn files(flows: &[Flow], posts: &[String]) -> Vec<File> {
    let conns: Vec<String> = flows.iter().map(Flow::conn).collect();
    let hellos: Vec<String> = flows.iter().filter(|one| one.port == 443).map(Flow::hello).collect();
    vec![
        file("conn.log", CONN, &conns),
        file("ssl.log", SSL, &hellos),
        file("http.log", HTTP, posts),
    ]
}

fn of(flows: &[Flow]) -> Report {
    report(&files(flows, &[]), &all())
}

fn find(report: &Report, behaviour: Behaviour) -> Option<&Finding> {
    report.findings.iter().find(|one| one.behaviour == behaviour)
}

const VISIT: Behaviour = Behaviour::PhishingPageVisit;
const SUBMISSION: Behaviour = Behaviour::PhishingSubmission;
/// When the tab is closed.
const CLOSED: u64 = 640_000;

/// A page on free hosting with its parts, form filling among them, opened at 600 s.
fn load() -> Vec<Flow> {
    vec![
        flow(600_000, LURE, 1_400, 150_000).until(CLOSED),
        flow(600_800, "cdn.library.example", 1_200, 60_000).until(CLOSED + 200),
        flow(601_200, "code.library.example", 1_150, 30_000).until(CLOSED + 100),
        flow(602_000, "content-autofill.googleapis.com", 1_210, 2_800).until(CLOSED + 300),
    ]
}

fn with(mut flows: Vec<Flow>, more: impl IntoIterator<Item = Flow>) -> Vec<Flow> {
    flows.extend(more);
    flows
}

fn grade(flows: &[Flow]) -> Option<(Severity, &'static str)> {
    let report = of(flows);
    find(&report, SUBMISSION).map(|one| (one.severity, one.submission.unwrap_or("none")))
}

#[test]
fn phishing_page_visit_alone_is_low_and_needs_no_action() {
    let report = of(&load());
    let visit = find(&report, VISIT).expect("a visit");
    assert_eq!((visit.severity, visit.submission), (Severity::Low, Some("no_submission_seen")));
    assert_eq!(visit.destination.host.as_deref(), Some(LURE));
    assert_eq!(report.summary.verdict, Verdict::NoInterestingActivity);
    let told: Vec<&str> = visit.evidence.iter().map(|one| one.sentence.as_str()).collect();
    assert_eq!(
        told[..5],
        [
            "quiet-river.glitch.me opened a page load: 4 flows, 242.8 kB back.",
            "Its hosting gives anybody a name.",
            "Form-autofill look-up 2 s later.",
            "How the page was come by is unknown: no mail or chat within 120 s before.",
            "Nothing was seen to be sent after it.",
        ]
    );
    assert!(visit.limits.iter().any(|limit| limit.contains("HTTP/2")), "{:?}", visit.limits);
}

#[test]
fn phishing_submission_in_four_grades() {
    let to = |at_ms, out, back| flow(at_ms, COLLECTOR, out, back);
    assert_eq!(grade(&load()), None);
    // A hello of 517 B, and never a byte back.
    let tried = [to(615_000, 517, 0).until(CLOSED), to(624_000, 517, 0).until(CLOSED)];
    assert_eq!(grade(&with(load(), tried)), Some((Severity::Medium, "submission_attempted")));
    let sent = to(615_000, 1_400, 3_000);
    assert_eq!(grade(&with(load(), [sent])), Some((Severity::High, "submission_likely")));
    let plain = Flow { port: 80, ..to(615_000, 600, 250) };
    let posted = report(&files(&with(load(), [plain.clone()]), &[plain.post(90)]), &all());
    let posted = find(&posted, SUBMISSION).expect("a post");
    assert_eq!(posted.submission, Some("submission_confirmed"));
    // Critical but for the missing history.
    assert_eq!(posted.severity, Severity::High);
    assert_eq!(posted.destination.port, 80);
}

#[test]
fn phishing_submission_is_confirmed_by_the_way_on_to_the_brand() {
    let name = |one: &mut Flow| one.name = one.name.replace(LURE, "paypal-help.example");
    let mut flows = load();
    flows.iter_mut().for_each(name);
    flows.push(flow(615_000, COLLECTOR, 1_400, 3_000));
    flows.push(flow(618_000, "www.paypal.com", 1_500, 90_000));
    let report = of(&flows);
    let sent = find(&report, SUBMISSION).expect("a submission");
    assert_eq!(sent.submission, Some("submission_confirmed"));
    assert!(sent.evidence.iter().any(|one| one.sentence == "3 s later on to a site of PayPal."));
    let late = with(flows[..5].to_vec(), [flow(645_001, "www.paypal.com", 1_500, 90_000)]);
    assert_eq!(grade(&late), Some((Severity::High, "submission_likely")));
}

#[test]
fn a_bare_visit_with_a_large_hello_is_no_submission() {
    // Each hello has 1,184 B of a key share more.
    let large = |flow: Flow| Flow { out: flow.out + 1_200, ..flow };
    let flows: Vec<Flow> = load().into_iter().map(large).collect();
    let bare = large(flow(615_000, "next.reading.example", 1_250, 4_000)).until(CLOSED);
    assert_eq!(grade(&with(flows.clone(), [bare])), None);
    let form = large(flow(615_000, COLLECTOR, 2_000, 4_000)).until(CLOSED);
    assert_eq!(grade(&with(flows, [form])), Some((Severity::High, "submission_likely")));
    // And without one.
    let bare = flow(615_000, "next.reading.example", 1_250, 4_000).until(CLOSED);
    assert_eq!(grade(&with(load(), [bare])), None);
}

#[test]
fn what_a_person_does_besides_is_no_submission() {
    let form = |at_ms, name: &str| flow(at_ms, name, 2_400, 3_000).until(CLOSED.max(at_ms));
    for (why, more) in [
        ("an update service", vec![form(615_000, "update.googleapis.com")]),
        ("a brand's own site", vec![form(615_000, "www.paypal.com")]),
        ("too soon to have typed", vec![form(603_900, COLLECTOR)]),
        ("too late", vec![form(900_001, COLLECTOR)]),
        ("contacted before", vec![form(300_000, COLLECTOR), form(615_000, COLLECTOR)]),
        (
            "its site was contacted before",
            vec![form(300_000, "www.post-relay.example"), form(615_000, COLLECTOR)],
        ),
        ("contacted long after", vec![form(615_000, COLLECTOR), form(1_300_000, COLLECTOR)]),
        ("a page of its own", vec![flow(615_000, COLLECTOR, 2_400, 10_000).until(CLOSED)]),
        ("parts of a page", vec![form(615_000, COLLECTOR), form(616_000, "other-part.example")]),
    ] {
        assert_eq!(grade(&with(load(), more)), None, "{why}");
    }
    let mut nameless = form(615_000, "");
    nameless.out = 5_000;
    assert_eq!(grade(&with(load(), [nameless])), None, "it may be anybody's");
    let mut gone = form(615_000, COLLECTOR);
    gone.out = 0;
    assert_eq!(grade(&with(load(), [gone])), None, "nothing was sent");
}

#[test]
fn one_sign_alone_is_no_lure() {
    let visits = |flows: &[Flow]| find(&of(flows), VISIT).is_some();
    let without_form = load()[..3].to_vec();
    assert!(!visits(&without_form), "free hosting alone");
    let named = |name: &str| {
        let mut flows = load();
        flows[0].name = name.to_owned();
        flows
    };
    assert!(!visits(&named("www.reading.example")), "an ordinary page with a form");
    assert!(visits(&named("paypal-help.example")), "a look-alike with a form");
    assert!(visits(&named("account-help.example")), "a word of log-on pages and a form");
    assert!(!visits(&named("account.help.example")), "the label of many a service");
    let mut small = load();
    small[0].back = 20_000;
    assert!(!visits(&small), "no page load");
    let mut alone = load();
    alone.retain(|one| !one.name.contains("library"));
    alone[0].back = 200_000;
    assert!(visits(&alone), "all of it over one connection");
    // Something else opened the page that has a part there.
    let opened = flow(599_000, "www.reading.example", 1_300, 90_000);
    assert!(!visits(&with(load(), [opened])));
    // A site that somebody comes back to is a habit.
    let again = |n: u64| {
        load().into_iter().map(move |one| Flow {
            at_ms: one.at_ms + n * 900_000,
            until_ms: one.until_ms + n * 900_000,
            ..one
        })
    };
    assert!(visits(&(0..3).flat_map(again).collect::<Vec<_>>()));
    assert!(!visits(&(0..4).flat_map(again).collect::<Vec<_>>()));
}

#[test]
fn mail_before_is_credited_where_it_was() {
    let confidence = |flows: &[Flow]| {
        let report = of(flows);
        let sent = find(&report, SUBMISSION).expect("a submission");
        let mail = sent.evidence.iter().find(|one| one.measure == "mail_before").expect("said");
        (sent.confidence, mail.supports, mail.sentence.clone())
    };
    let flows = with(load(), [flow(615_000, COLLECTOR, 1_400, 3_000)]);
    let (without, credited, _) = confidence(&flows);
    assert!(!credited);
    let mail =
        |from_ms, until_ms| flow(from_ms, "webmail.org.example", 2_000, 90_000).until(until_ms);
    let (with_mail, credited, said) = confidence(&with(flows.clone(), [mail(500_000, 560_000)]));
    assert!(credited && with_mail > without, "{with_mail} {without}");
    assert_eq!(said, "Mail or chat 40 s before: webmail.org.example.");
    let (_, credited, _) = confidence(&with(flows, [mail(470_000, 479_000)]));
    assert!(!credited, "121 s before");
}

/// A machine with two addresses asks from one of them and goes there from the other.
#[test]
fn look_ups_stand_for_what_is_gone_to_from_another_address() {
    let page = flow(600_000, LURE, 1_400, 250_000).until(CLOSED);
    let flows = [page, flow(615_000, COLLECTOR, 2_700, 3_000)];
    let said = |asked: &[(u64, &str)]| {
        let asked: Vec<String> =
            asked.iter().map(|(ms, name)| dns(*ms, VICTIM, name, "203.0.113.9")).collect();
        let mut files = files(&flows, &[]);
        files.push(file("dns.log", DNS, &asked));
        let found = report(&files, &all());
        let of = |behaviour| find(&found, behaviour).map(|one| one.submission.unwrap_or("none"));
        (of(VISIT), of(SUBMISSION))
    };
    let likely = (Some("submission_likely"), Some("submission_likely"));
    let autofill = "content-autofill.googleapis.com";
    assert_eq!(said(&[]), (None, None), "one sign alone");
    assert_eq!(said(&[(602_000, autofill)]), likely);
    assert_eq!(said(&[(630_001, autofill)]), (None, None), "too late");
    assert_eq!(said(&[(599_999, autofill)]), (None, None), "too early");
    let attempted = (Some("submission_attempted"), Some("submission_attempted"));
    assert_eq!(said(&[(480_000, "webmail.org.example")]), attempted, "mail before");
    assert_eq!(said(&[(479_999, "webmail.org.example")]), (None, None));
    assert_eq!(said(&[(600_500, "logo.clearbit.com")]), attempted, "a logo");
    assert_eq!(said(&[(602_001, "logo.clearbit.com")]), (None, None), "after the load");
}

#[test]
fn of_two_visitors_only_the_one_that_submitted_is_a_compromise() {
    let other = load().into_iter().map(|one| Flow {
        source: OTHER,
        at_ms: one.at_ms + 400_000,
        until_ms: one.until_ms + 400_000,
        ..one
    });
    let flows = with(load(), other.chain([flow(615_000, COLLECTOR, 1_400, 3_000)]));
    let report = of(&flows);
    let severe: Vec<_> = report
        .findings
        .iter()
        .filter(|one| one.severity >= Severity::Medium)
        .map(|one| one.source.address.to_string())
        .collect();
    assert_eq!(severe, [VICTIM]);
    let visit = |source: &str| {
        let mut all = report.findings.iter().filter(|one| one.behaviour == VISIT);
        all.find(|one| one.source.address.to_string() == source).and_then(|one| one.submission)
    };
    assert_eq!(visit(VICTIM), Some("submission_likely"));
    assert_eq!(visit(OTHER), Some("no_submission_seen"));
    let [incident] = &report.incidents[..] else { panic!("one matter: {:#?}", report.incidents) };
    assert_eq!(incident.title, "Phishing: credentials likely submitted: 2 hosts, one destination");
    assert_eq!(report.summary.outcome, "compromise_likely");
}

#[test]
fn a_page_that_passes_it_on_collects_itself() {
    let again = flow(620_000, LURE, 2_000, 3_000).until(CLOSED);
    // An honest page may send to its own host, too, so it takes two signs of the place to be likely.
    assert_eq!(
        grade(&with(load(), [again.clone()])),
        Some((Severity::Medium, "submission_attempted"))
    );
    let named = |mut flow: Flow| {
        flow.name = flow.name.replace("quiet-river", "paypal-river");
        flow
    };
    let flows = with(load(), [again.clone()]).into_iter().map(named).collect::<Vec<_>>();
    assert_eq!(grade(&flows), Some((Severity::High, "submission_likely")));
    let plain = load()[..3].to_vec();
    assert_eq!(grade(&with(plain, [again])), None);
    let next_page = flow(620_000, LURE, 2_000, 40_000);
    assert_eq!(grade(&with(load(), [next_page])), None, "another page is read");
}

#[test]
fn what_many_here_use_is_no_lure() {
    let hosts: Vec<String> = (0..30).map(|n| format!("10.20.1.{n}")).collect();
    let visitors = |count: usize| {
        let mut flows = with(load(), [flow(615_000, COLLECTOR, 1_400, 3_000)]);
        for (n, host) in hosts.iter().enumerate() {
            let name = if n < count { LURE } else { "www.reading.example" };
            let source: &'static str = host.clone().leak();
            flows.push(Flow { source, ..flow(100_000, name, 1_400, 2_000) });
        }
        find(&of(&flows), SUBMISSION).map(|one| one.severity)
    };
    assert_eq!(visitors(0), Some(Severity::High));
    assert_eq!(visitors(3), Some(Severity::High), "some fell for the same mail");
    assert_eq!(visitors(4), None);
}

#[test]
fn what_was_here_for_longer_than_lures_live_is_none() {
    let today = Day(u16::try_from(DAY / 86_400).expect("a day"));
    let before = |days: u16| Day(today.0 - days);
    let flows = with(load(), [Flow { port: 80, ..flow(615_000, COLLECTOR, 600, 250) }]);
    let posts = [flows[4].post(90)];
    let severity = |known: Option<(&str, u16)>| {
        let mut history = History::default();
        (1..=20).for_each(|days| history.note_day(before(days)));
        if let Some((name, days)) = known {
            history.note_destination(name, before(days), before(1), OTHER);
        }
        let options = Options { history: Some(history), ..all() };
        let report = report(&files(&flows, &posts), &options);
        find(&report, SUBMISSION).map(|one| one.severity)
    };
    assert_eq!(severity(None), Some(Severity::Critical), "new by the history, too");
    assert_eq!(severity(Some((LURE, 7))), Some(Severity::Critical));
    assert_eq!(severity(Some((LURE, 8))), None);
    assert_eq!(severity(Some((COLLECTOR, 8))), None);
}

#[test]
fn no_order_of_arrival_and_no_cut_shows() {
    let mut flows = with(
        load(),
        [
            flow(615_000, COLLECTOR, 1_400, 3_000),
            flow(624_000, COLLECTOR, 1_500, 3_000),
            flow(580_000, "webmail.org.example", 2_000, 90_000),
        ],
    );
    let mut texts = (0..4).map(|seed| {
        shuffle(&mut flows, seed);
        let cut = Cut { intakes: 2, parts: 3, share_bytes: 1 };
        serde_json::to_string(&analyze(&files(&flows, &[]), &all(), cut).0.report).expect("JSON")
    });
    let first = texts.next().expect("four");
    assert!(first.contains("phishing_submission") && first.contains("phishing_page_visit"));
    texts.for_each(|text| assert_eq!(text, first));
}

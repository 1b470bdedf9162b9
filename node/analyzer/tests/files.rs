//! Goal: what came in, what talked and what went out is found together, and what only looks like it is not.
//!
//! Method: logs of our own making around the edges of DETECTORS.md's rows `interactive_c2_channel`,
//! `malicious_download`, `download_then_c2`, `exfil_volume` and `exfil_pcr_shift`, through the whole analyzer.

use flowlore_analyzer::{
    history::History,
    options::Options,
    report::{Report, model::Finding},
};
use flowlore_common::label::{Behaviour, Severity};

#[path = "support/logs.rs"]
mod logs;

use logs::{CONN, Cut, DAY, HTTP, SSL, WHOLE, all, analyze, file, report, shuffle, ssl};

const HOST: &str = "10.20.0.7";
const SERVER: &str = "203.0.113.77";

/// A connection: when and how long (s), port, payload and packets both ways, state and history.
struct Flow {
    at_s: u64,
    for_s: u64,
    to: &'static str,
    port: u16,
    service: &'static str,
    out: (u64, u64),
    back: (u64, u64),
}

impl Flow {
    fn uid(&self) -> String {
        format!("C{}x{}", self.at_s, self.port)
    }

    fn row(&self) -> String {
        let Self { at_s, for_s, to, port, service, out, back } = self;
        format!(
            "{}.000000\t{}\t{HOST}\t40000\t{to}\t{port}\ttcp\t{service}\t{for_s}.500000\t{}\t{}\t\
             SF\t-\t-\t0\tShADadFf\t{}\t{}\t{}\t{}\t-\n",
            DAY + at_s,
            self.uid(),
            out.0,
            back.0,
            out.1,
            out.0 + 40 * out.1,
            back.1,
            back.0 + 40 * back.1
        )
    }
}

fn shell(at_s: u64, port: u16) -> Flow {
    Flow { at_s, for_s: 194, to: SERVER, port, service: "-", out: (8_300, 60), back: (4_100, 58) }
}

fn fetch(at_s: u64, port: u16) -> Flow {
    Flow { at_s, for_s: 0, to: SERVER, port, service: "http", out: (180, 5), back: (7_400, 9) }
}

/// A request that brought something of a type.
fn request(flow: &Flow, host: &str, mime: &str) -> String {
    let (at, uid, port) = (DAY + flow.at_s, flow.uid(), flow.port);
    format!(
        "{at}.100000\t{uid}\t{HOST}\t40000\t{}\t{port}\tGET\t{host}\t/a\t-\t0\t7168\t200\t{mime}\t-\n",
        flow.to
    )
}

fn http() -> String {
    format!("{}\tresp_mime_types\torig_mime_types\n", HTTP.trim_end())
}

fn findings(flows: &[Flow], requests: &[String]) -> Report {
    let rows: Vec<String> = flows.iter().map(Flow::row).collect();
    report(&[file("conn.log", CONN, &rows), file("http.log", &http(), requests)], &all())
}

fn of(report: &Report, behaviour: Behaviour) -> Option<&Finding> {
    report.findings.iter().find(|one| one.behaviour == behaviour)
}

const SESSION: Behaviour = Behaviour::InteractiveC2Channel;

#[test]
fn interactive_c2_channel_with_conn_log_alone() {
    let found = findings(&[shell(100, 4041)], &[]);
    let one = of(&found, SESSION).expect("a session on an odd port");
    assert_eq!((one.severity, one.flows), (Severity::Medium, 1));
    assert_eq!(
        one.evidence[0].sentence,
        "1 session of 194 s in which the ends talk: 8,300 B out, 4,100 B in, packets of 138 B and \
         70 B on average."
    );
    let two = findings(&[shell(100, 4041), shell(900, 4041), fetch(50, 80)], &[]);
    assert_eq!(of(&two, SESSION).map(|one| one.severity), Some(Severity::High));
}

#[test]
fn sessions_that_services_explain_are_left_alone() {
    for port in [22, 443, 993, 3389, 5222, 5228] {
        assert!(of(&findings(&[shell(100, port)], &[]), SESSION).is_none(), "{port}");
    }
    let short = Flow { for_s: 29, ..shell(100, 4041) };
    assert!(of(&findings(&[short], &[]), SESSION).is_none());
    let inside = Flow { to: "10.20.0.9", ..shell(100, 4041) };
    assert!(of(&findings(&[inside], &[]), SESSION).is_none());
}

#[test]
fn a_server_name_on_the_wire_is_no_bare_address() {
    let flow = Flow { service: "ssl", ..shell(100, 8443) };
    let hello = ssl(100_100, &flow.uid(), HOST, 40_000, SERVER, "push.vendor.example");
    let hello = hello.replace("\t443\t", "\t8443\t");
    let files = [file("conn.log", CONN, &[flow.row()]), file("ssl.log", SSL, &[hello])];
    assert!(of(&report(&files, &all()), SESSION).is_none());
}

#[test]
fn peers_of_a_peer_to_peer_program_are_no_channels() {
    let hosts = [
        "198.51.100.1",
        "198.51.100.2",
        "198.51.100.3",
        "198.51.100.4",
        "198.51.100.5",
        "198.51.100.6",
        "198.51.100.7",
        "198.51.100.8",
        "198.51.100.9",
        "198.51.100.10",
    ];
    let flows = |count: usize| -> Vec<Flow> {
        let ports = 50_000..;
        hosts[..count]
            .iter()
            .zip(ports)
            .map(|(&to, port)| Flow { to, ..shell(100, port) })
            .collect()
    };
    assert!(of(&findings(&flows(9), &[]), SESSION).is_some());
    assert!(of(&findings(&flows(10), &[]), SESSION).is_none());
}

#[test]
fn malicious_download_by_who_gave_it() {
    let download = |port, host: &str, mime: &str| {
        let flow = fetch(100, port);
        let rows = [request(&flow, host, mime)];
        let found = findings(&[flow], &rows);
        of(&found, Behaviour::MaliciousDownload).map(|one| one.severity)
    };
    let program = "application/x-dosexec";
    assert_eq!(download(80, SERVER, program), Some(Severity::Medium));
    assert_eq!(download(9_999, SERVER, program), Some(Severity::High));
    assert_eq!(download(80, SERVER, "text/x-shellscript"), Some(Severity::Medium));
    assert_eq!(download(80, "cdn.vendor.example", program), Some(Severity::Low));
    assert_eq!(download(80, SERVER, "text/html"), None);
    assert_eq!(download(80, SERVER, "application/zip"), None);
}

#[test]
fn download_then_c2_is_one_incident_in_the_order_of_events() {
    let flows = [fetch(100, 80), shell(126, 4041)];
    let rows = [request(&flows[0], SERVER, "application/x-dosexec")];
    let found = findings(&flows, &rows);
    let one = of(&found, Behaviour::DownloadThenC2).expect("a chain");
    assert_eq!(one.severity, Severity::High, "critical, but for the missing history");
    let told: Vec<&str> = one.evidence[..3].iter().map(|one| one.sentence.as_str()).collect();
    assert_eq!(
        told,
        [
            "First a program of 7,168 B came in from 203.0.113.77, port 80.",
            "Then, 26 s later, the first contact with 203.0.113.77, port 4041.",
            "From 0 s after that on, a session in which both ends talk.",
        ]
    );
    let threats: Vec<_> = found.incidents.iter().filter(|one| one.kind == "threat").collect();
    let [incident] = threats[..] else { panic!("one incident: {threats:#?}") };
    assert_eq!(incident.finding_ids.len(), 3);
}

#[test]
fn download_then_c2_needs_the_order_and_the_time() {
    let chain = |download_s: u64, session_s: u64| {
        let flows = [fetch(download_s, 80), shell(session_s, 4041)];
        let rows = [request(&flows[0], SERVER, "application/x-dosexec")];
        of(&findings(&flows, &rows), Behaviour::DownloadThenC2).is_some()
    };
    assert!(chain(100, 700));
    assert!(!chain(100, 701), "too late");
    assert!(!chain(100, 99), "the channel was there before");
}

#[test]
fn what_is_asked_of_servers_inside_after_an_update_is_no_channel() {
    let ticks = |to: &'static str| {
        let tick = |number: u64| Flow {
            at_s: 200 + 60 * number,
            for_s: 0,
            to,
            port: 3_890,
            service: "-",
            out: (300, 5),
            back: (500, 4),
        };
        let flows: Vec<Flow> = std::iter::once(fetch(100, 80)).chain((0..200).map(tick)).collect();
        let rows = [request(&flows[0], SERVER, "application/x-dosexec")];
        let found = findings(&flows, &rows);
        let has = |behaviour| of(&found, behaviour).is_some();
        (has(Behaviour::C2BeaconIp), has(Behaviour::DownloadThenC2))
    };
    assert_eq!(ticks("198.51.100.9"), (true, true));
    assert_eq!(ticks("10.20.0.9"), (true, false), "inside");
}

#[test]
fn the_file_and_the_channel_of_two_servers_are_one_incident() {
    let flows = [Flow { to: "198.51.100.9", ..fetch(100, 80) }, shell(126, 4041)];
    let rows = [request(&flows[0], "198.51.100.9", "application/x-dosexec")];
    let found = findings(&flows, &rows);
    let threats = found.incidents.iter().filter(|one| one.kind == "threat");
    let findings: Vec<usize> = threats.map(|one| one.finding_ids.len()).collect();
    assert_eq!(findings, [3]);
}

/// Both are of one pair, whose first contact says nothing of which came first.
#[test]
fn a_program_after_the_session_is_no_sequence() {
    let told = |session_s: u64, file_s: u64| {
        // Hours apart, so that no download_then_c2 speaks of them.
        let file = Flow { for_s: 1, ..fetch(file_s, 4_041) };
        let found = findings(
            &[shell(session_s, 4_041), shell(session_s + 300, 4_041), file],
            &[request(&fetch(file_s, 4_041), SERVER, "application/x-dosexec")],
        );
        let told = found.incidents.iter().flat_map(|one| &one.sequences);
        told.map(|one| one.steps.iter().map(|step| step.at.seconds()).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let at = |second: u64| i64::try_from(DAY + second).expect("a time");
    assert_eq!(told(18_000, 100), [[at(100), at(18_000)]], "the file, then the session");
    assert!(told(100, 18_000).is_empty(), "the session, then the file");
}

#[test]
fn exfil_volume_by_size_and_by_what_else_is_there() {
    let upload = |bytes: u64, port| Flow {
        at_s: 400,
        for_s: 90,
        to: SERVER,
        port,
        service: "-",
        out: (bytes, bytes / 1_400 + 1),
        back: (3_000, bytes / 2_800 + 1),
    };
    let severity = |flows: &[Flow], rows: &[String]| {
        of(&findings(flows, rows), Behaviour::ExfilVolume).map(|one| one.severity)
    };
    assert_eq!(severity(&[upload(100_000_000, 443)], &[]), Some(Severity::Medium));
    assert_eq!(severity(&[upload(99_999_999, 443)], &[]), None);
    // A mebibyte to where a program came from is another matter.
    // Too short for a session.
    let flows = [fetch(100, 80), Flow { for_s: 9, ..upload(1 << 20, 443) }];
    let rows = [request(&flows[0], SERVER, "application/x-dosexec")];
    assert_eq!(severity(&flows, &rows), Some(Severity::High));
    assert_eq!(severity(&flows, &[]), None);
}

/// A session with an FTP server of 20 s, in passive mode.
fn ftp(at_s: u64) -> Flow {
    let (out, back) = ((210, 20), (940, 18));
    Flow { at_s, for_s: 20, to: SERVER, port: 21, service: "ftp", out, back }
}

#[test]
fn exfil_pcr_shift_of_files_put_on_a_server() {
    let put = |at_s: u64| Flow { port: 44_523, out: (533, 4), back: (0, 4), for_s: 0, ..ftp(at_s) };
    let said = |flows: &[Flow]| {
        let found = findings(flows, &[]);
        of(&found, Behaviour::ExfilPcrShift)
            .map(|one| (one.severity, one.bytes_out, one.evidence[0].sentence.clone()))
    };
    let sentence = "2 files put on an FTP server outside, 1,066 B in all: data connections in which \
                    only the client sends.";
    assert_eq!(
        said(&[ftp(100), put(104), put(120)]),
        Some((Severity::Low, 210 + 2 * 533, sentence.to_owned()))
    );
    assert_eq!(said(&[put(104)]), None, "no control connection");
    assert_eq!(said(&[ftp(100), put(99), put(121)]), None, "not while it was open");
    assert_eq!(said(&[ftp(100), Flow { back: (1, 4), ..put(104) }]), None, "it answers there");
    assert_eq!(said(&[ftp(100), Flow { out: (0, 4), ..put(104) }]), None, "nothing sent");
    assert_eq!(said(&[ftp(100), Flow { to: "198.51.100.9", ..put(104) }]), None, "elsewhere");
    let inside = |flow: Flow| Flow { to: "10.20.0.9", ..flow };
    assert_eq!(said(&[inside(ftp(100)), inside(put(104))]), None, "a server of ours");
}

#[test]
fn exfil_pcr_shift_of_a_day_beside_those_before() {
    let exchanged = |day: u64, out: u64, back: u64| Flow {
        at_s: 86_400 * day + 36_000,
        for_s: 9,
        to: SERVER,
        port: 443,
        service: "-",
        out: (out, out / 1_400 + 1),
        back: (back, back / 1_400 + 1),
    };
    let after = |days: u64| {
        let mut history = History::default();
        for day in 0..days {
            let conn = file("conn.log", CONN, &[exchanged(day, 1_000_000, 3_000_000).row()]);
            let options = Options { history: Some(history), ..all() };
            history = analyze(&[conn], &options, WHOLE).0.history.expect("it was given one");
        }
        history
    };
    let said = |days: u64, out: u64| {
        let conn = file("conn.log", CONN, &[exchanged(days, out, out / 2).row()]);
        let options = Options { history: Some(after(days)), ..all() };
        let found = report(&[conn], &options);
        let one = of(&found, Behaviour::ExfilPcrShift)?;
        Some((one.severity, one.evidence[0].sentence.clone()))
    };
    let sentence = "It sent 12.0 MB and got 6.0 MB that day, a ratio of +0.33 (+1 gives only, -1 takes \
                    only); the median of 7 days before is -0.50.";
    assert_eq!(said(7, 12_000_000), Some((Severity::Low, sentence.to_owned())));
    assert_eq!(said(6, 12_000_000), None, "too few days");
    assert_eq!(said(7, 9_000_000), None, "too little");
}

#[test]
fn no_order_of_arrival_and_no_cut_shows() {
    let mut flows = vec![fetch(100, 80), shell(126, 4041), shell(400, 4041), fetch(90, 8080)];
    flows.extend([ftp(700), Flow { port: 44_523, out: (533, 4), back: (0, 4), ..ftp(702) }]);
    flows.push(Flow { to: "198.51.100.9", out: (200_000_000, 150_000), ..shell(500, 443) });
    let mut rows: Vec<String> = flows.iter().map(Flow::row).collect();
    let mut requests = vec![
        request(&flows[0], SERVER, "application/x-dosexec"),
        request(&flows[3], SERVER, "text/x-shellscript"),
    ];
    let mut texts = (0..4).map(|seed| {
        shuffle(&mut rows, seed);
        shuffle(&mut requests, seed);
        let files = [file("conn.log", CONN, &rows), file("http.log", &http(), &requests)];
        let cut = Cut { intakes: 2, parts: 3, share_bytes: 1 };
        serde_json::to_string(&analyze(&files, &all(), cut).0.report).expect("a report")
    });
    let first = texts.next().expect("four");
    for code in ["download_then_c2", "exfil_volume", "exfil_pcr_shift"] {
        assert!(first.contains(&format!("\"{code}\"")), "{code}");
    }
    texts.for_each(|text| assert_eq!(text, first));
}

/// Routers and clouds write a record of a connection every few minutes, each into a file of its own.
#[test]
fn records_of_one_connection_without_flags_are_no_beacon() {
    let record = |n: u64, port: u64| {
        let (begin, end) = (DAY + n * 600, DAY + n * 600 + 590);
        let way = |from: &str, from_port: u64, to: &str, to_port: u64| {
            format!(
                "2 123456789010 eni-0a1b2c3d {from} {to} {from_port} {to_port} 6 40 6000 {begin} {end} ACCEPT OK\n"
            )
        };
        let text = way(HOST, port, SERVER, 8_443) + &way(SERVER, 8_443, HOST, port);
        (format!("{n:03}.log"), text)
    };
    let beacons = |port: fn(u64) -> u64| {
        let files: Vec<_> = (0..36).map(|n| record(n, port(n))).collect();
        let found = report(&files, &all());
        assert_eq!(found.input.flows, 36);
        found.findings.iter().filter(|one| one.behaviour == Behaviour::C2BeaconIp).count()
    };
    assert_eq!(beacons(|_| 40_000), 0, "one connection");
    assert_eq!(beacons(|n| 40_000 + n), 1, "a connection each time");
}

//! Goal: names that carry data are found, by the rows of DETECTORS.md for `dns`, `dns_flows` and `dga`; what only looks
//! like it is not.
//!
//! Method: logs of our own making around each edge, through the whole analyzer.

use flowlore_analyzer::report::model::{Finding, Report};
use flowlore_common::label::{Behaviour, Direction, Severity};

#[path = "support/logs.rs"]
mod logs;

use logs::{CONN, Cut, DAY, DNS, Numbers, all, analyze, file, report, shuffle};

const HOST: &str = "10.0.0.66";
const RESOLVER: &str = "10.0.0.53";
const A: u16 = 1;
const NULL: u16 = 10;
const MX: u16 = 15;
const TXT: u16 = 16;
const HTTPS: u16 = 65;
const NXDOMAIN: u16 = 3;

/// A look-up with its flow.
struct Ask<'a> {
    second: u64,
    client: &'a str,
    server: &'a str,
    name: &'a str,
    qtype: u16,
    rcode: u16,
    answers: &'a str,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            second: 0,
            client: HOST,
            server: RESOLVER,
            name: "",
            qtype: A,
            rcode: 0,
            answers: "-",
        }
    }
}

#[derive(Default)]
struct Logs {
    conn: Vec<String>,
    dns: Vec<String>,
}

impl Logs {
    fn ask(&mut self, ask: &Ask<'_>) {
        let &Ask { second, client, server, name, qtype, rcode, answers } = ask;
        let (at, uid) = (DAY + second, format!("Cd{}", self.conn.len()));
        let (out, back) = (name.len() + 29, name.len() + 29 + answers.len());
        self.conn.push(format!(
            "{at}.000000\t{uid}\t{client}\t40000\t{server}\t53\tudp\tdns\t0.010000\t{out}\t{back}\tSF\t-\t-\t0\t\
             Dd\t1\t{}\t1\t{}\t-\n",
            out + 28,
            back + 28
        ));
        self.dns.push(format!(
            "{at}.000000\t{uid}\t{client}\t40000\t{server}\t53\tudp\t{name}\t{qtype}\t{rcode}\t{answers}\t-\n"
        ));
    }

    /// A flow to where a name leads.
    fn visit(&mut self, second: u64, client: &str, to: &str) {
        let (at, uid) = (DAY + second, format!("Cv{}", self.conn.len()));
        self.conn.push(format!(
            "{at}.000000\t{uid}\t{client}\t40001\t{to}\t443\ttcp\tssl\t0.400000\t900\t1400\tSF\t-\t-\t0\tShADadFf\t\
             8\t1328\t8\t1820\t-\n"
        ));
    }

    fn report(&self) -> Report {
        report(&[file("conn.log", CONN, &self.conn), file("dns.log", DNS, &self.dns)], &all())
    }

    fn findings(&self) -> Vec<Finding> {
        self.report().findings
    }
}

/// Letters and digits that only look random.
fn code(numbers: &mut Numbers, length: usize) -> String {
    let alphabet = b"abcdefghijklmnopqrstuvwxyz234567";
    (0..length).map(|_| char::from(alphabet[numbers.below(32) as usize])).collect()
}

/// So many names with so many letters before the domain, so many seconds apart.
fn tunnel(count: u64, letters: usize, domain: &str, apart_s: u64, qtype: u16) -> Logs {
    let (mut logs, mut numbers) = (Logs::default(), Numbers(11));
    for n in 0..count {
        let name = format!("{}.{domain}", code(&mut numbers, letters));
        logs.ask(&Ask { second: n * apart_s, name: &name, qtype, ..Ask::default() });
    }
    logs
}

fn of(findings: &[Finding], behaviour: Behaviour) -> Option<&Finding> {
    findings.iter().find(|one| one.behaviour == behaviour)
}

fn behaviours(logs: &Logs) -> Vec<(Behaviour, Severity)> {
    logs.findings().iter().map(|one| (one.behaviour, one.severity)).collect()
}

/// Eleven more hosts that do nothing special, so that rarity can be measured.
fn with_others(mut logs: Logs) -> Logs {
    for host in 1..=11 {
        logs.visit(host, &format!("10.0.0.{host}"), "198.51.100.9");
    }
    logs
}

#[test]
fn names_that_carry_data_are_high_when_rare() {
    // 200 names of 61 bytes within 10 minutes: 12.2 kB.
    let logs = with_others(tunnel(200, 48, "evil.example", 3, TXT));
    let findings = logs.findings();
    let one = of(&findings, Behaviour::C2OverDns).expect("a tunnel");
    assert_eq!((one.severity, one.direction), (Severity::High, Direction::Outbound));
    assert_eq!(one.destination.host.as_deref(), Some("evil.example"));
    assert_eq!(
        (one.destination.address.to_string().as_str(), one.destination.port),
        (RESOLVER, 53)
    );
    assert_eq!((one.flows, one.pivot.flow_uids.len()), (200, 20));
    let sentence = &one.evidence[0].sentence;
    assert!(
        sentence.starts_with(
            "200 different names under evil.example looked up within a day, and none of"
        )
    );
    assert!(one.evidence[1].sentence.starts_with("In an hour 12.2 kB in 200 names, with 4."));
    // All that is found of it is one incident.
    assert_eq!(logs.report().incidents.len(), 1);
}

#[test]
fn each_condition_of_carrying_has_its_edge() {
    let c2 = |logs: Logs| of(&logs.findings(), Behaviour::C2OverDns).map(|one| one.severity);
    // 99 names of 61 bytes: fewer than RITA counts, too few bytes.
    assert_eq!(c2(tunnel(99, 48, "evil.example", 3, TXT)), None);
    // 69 names of 145 bytes in an hour are 10,005 bytes; 68 are not enough.
    let long = |count| {
        let (mut logs, mut numbers) = (Logs::default(), Numbers(5));
        for n in 0..count {
            let labels = [code(&mut numbers, 60), code(&mut numbers, 60), code(&mut numbers, 10)];
            let name = format!("{}.evil.example", labels.join("."));
            logs.ask(&Ask { second: n, name: &name, ..Ask::default() });
        }
        logs
    };
    assert_eq!(c2(long(69)), Some(Severity::High));
    assert_eq!(c2(long(68)), None);
    // The same spread over three hours.
    assert_eq!(c2(tunnel(99, 48, "evil.example", 120, TXT)), None);
    // Many short names: by count alone never above medium.
    assert_eq!(c2(tunnel(100, 8, "evil.example", 60, A)), Some(Severity::Low));
    assert_eq!(c2(tunnel(1_200, 8, "evil.example", 60, A)), Some(Severity::Medium));
    // Long names of few letters: no channel.
    let mut dull = Logs::default();
    for n in 0..99 {
        let name = format!("{}{n}.evil.example", "a".repeat(120 - n.to_string().len()));
        dull.ask(&Ask { second: n, name: &name, ..Ask::default() });
    }
    assert_eq!(c2(dull), None);
}

#[test]
fn names_that_are_visited_are_no_messages() {
    let (mut logs, mut numbers) = (Logs::default(), Numbers(3));
    for n in 0..400_u64 {
        let (name, to) = (
            format!("{}.cdn.example", code(&mut numbers, 48)),
            format!("198.51.{}.{}", n / 200, n % 200 + 1),
        );
        logs.ask(&Ask { second: n, name: &name, answers: &to, ..Ask::default() });
        logs.visit(n, HOST, &to);
    }
    assert_eq!(behaviours(&logs), []);
}

#[test]
fn who_asks_for_others_is_not_blamed() {
    // A resolver of ours asks an outside one for what another host visits.
    let (mut logs, mut numbers) = (Logs::default(), Numbers(3));
    for n in 0..400_u64 {
        let (name, to) = (
            format!("{}.cdn.example", code(&mut numbers, 48)),
            format!("198.51.{}.{}", n / 200, n % 200 + 1),
        );
        let outside = Ask {
            second: n,
            client: RESOLVER,
            server: "192.0.2.53",
            name: &name,
            answers: &to,
            ..Ask::default()
        };
        logs.ask(&outside);
        logs.ask(&Ask { second: n, name: &name, answers: &to, ..Ask::default() });
        logs.visit(n, HOST, &to);
    }
    assert_eq!(behaviours(&logs), []);
}

#[test]
fn what_others_visit_holds_it_down() {
    // A resolver of ours asks for 200 names that carry data; somebody went to every fourth of them by address alone.
    let (mut logs, mut numbers) = (Logs::default(), Numbers(3));
    for n in 0..200_u64 {
        let (name, to) =
            (format!("{}.cdn.example", code(&mut numbers, 48)), format!("198.51.100.{}", n + 1));
        logs.ask(&Ask { second: n, client: RESOLVER, name: &name, answers: &to, ..Ask::default() });
        if n % 4 == 0 {
            logs.visit(n, HOST, &to);
        }
    }
    let c2 = |logs: &Logs| of(&logs.findings(), Behaviour::C2OverDns).map(|one| one.severity);
    assert_eq!(c2(&logs), Some(Severity::Medium));
    for n in 0..200 {
        logs.visit(n, HOST, &format!("198.51.100.{}", n + 1));
    }
    assert_eq!(c2(&logs), None);
}

#[test]
fn an_address_that_is_visited_under_another_name_confirms_nothing() {
    let (mut logs, mut numbers) = (Logs::default(), Numbers(3));
    let mut hellos = Vec::new();
    for n in 0..200_u64 {
        let (name, to) = (format!("{}.evil.example", code(&mut numbers, 48)), "198.51.100.7");
        logs.ask(&Ask { second: n, name: &name, answers: to, ..Ask::default() });
        hellos.push(logs::ssl(
            n * 1_000,
            &format!("Cv{}", logs.conn.len()),
            HOST,
            40_001,
            to,
            "www.news.example",
        ));
        logs.visit(n, HOST, to);
    }
    let mut files = vec![file("conn.log", CONN, &logs.conn), file("dns.log", DNS, &logs.dns)];
    let c2 = |files: &[logs::File]| {
        of(&report(files, &all()).findings, Behaviour::C2OverDns).map(|one| one.severity)
    };
    assert_eq!(c2(&files), None, "without names in flows the address is all there is");
    files.push(file("ssl.log", logs::SSL, &hellos));
    assert_eq!(c2(&files), Some(Severity::High));
}

#[test]
fn ordinary_look_ups_that_look_odd_are_not_found() {
    let (mut logs, mut numbers) = (Logs::default(), Numbers(9));
    for n in 0..300_u64 {
        let octet = n % 250;
        let mut ask = |name: &str, qtype, rcode, answers: &str| {
            logs.ask(&Ask { second: n * 20, name, qtype, rcode, answers, ..Ask::default() });
        };
        // Reverse zones, of both families.
        ask(&format!("{octet}.2.0.192.in-addr.arpa"), 12, 0, "pc.corp.local");
        ask(
            &format!("{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(24 - (octet as usize % 3) * 2)),
            12,
            NXDOMAIN,
            "-",
        );
        // A list of mail senders.
        ask(&format!("{octet}.113.0.203.list.example"), A, 0, "127.0.0.2");
        // The network's search list behind names.
        ask(&format!("www{n}.wikipedia.org.corp.local"), A, NXDOMAIN, "-");
        // Directory services and service bindings.
        ask("_ldap._tcp.dc._msdcs.corp.local", 33, 0, "dc1.corp.local");
        ask("www.shop.example", HTTPS, 0, "-");
        ask("_dns.resolver.arpa", 64, NXDOMAIN, "-");
        // Names of a single label, as browsers try them.
        ask(&code(&mut numbers, 12), A, NXDOMAIN, "-");
        // Keys of mail.
        ask(
            &format!("s{n}._domainkey.shop.example"),
            TXT,
            0,
            &format!("TXT 392 k=rsa; p={}", code(&mut numbers, 370)),
        );
        // Neighbours ask each other by other ports.
        let row = format!("{}.000000\tCm{n}\t{HOST}\t5353\t224.0.0.251\t5353\tudp\t", DAY + n);
        logs.dns
            .push(format!("{row}{}.neighbour.example\t{MX}\t-\t-\t-\n", code(&mut numbers, 60)));
    }
    let found = behaviours(&logs);
    // 300 keys under one domain in a day are a count that RITA would name, and no more than a hint.
    assert!(found.iter().all(|(_, severity)| *severity == Severity::Low), "{found:?}");
    assert!(found.iter().all(|(behaviour, _)| *behaviour == Behaviour::C2OverDns), "{found:?}");
    assert!(found.len() <= 1, "{found:?}");
}

#[test]
fn services_that_are_asked_by_data_in_names_are_low() {
    let findings = tunnel(1_500, 60, "sophosxl.net", 10, TXT).findings();
    let one = of(&findings, Behaviour::C2OverDns).expect("said, and held");
    assert_eq!(one.severity, Severity::Low);
}

#[test]
fn what_half_of_the_hosts_ask_is_how_the_network_works() {
    let mut logs = with_others(tunnel(300, 60, "agent.example", 10, TXT));
    let mut numbers = Numbers(4);
    for host in 1..=7 {
        let (name, client) =
            (format!("{}.agent.example", code(&mut numbers, 60)), format!("10.0.0.{host}"));
        logs.ask(&Ask { client: &client, name: &name, ..Ask::default() });
    }
    assert_eq!(behaviours(&logs), []);
}

#[test]
fn hints_are_low_and_need_a_habit() {
    let odd = |count| {
        of(&tunnel(count, 8, "evil.example", 60, NULL).findings(), Behaviour::DnsOddQtype)
            .map(|one| one.severity)
    };
    assert_eq!((odd(10), odd(9)), (Some(Severity::Low), None));
    let long = |count, letters| {
        of(&tunnel(count, letters, "evil.example", 600, A).findings(), Behaviour::DnsTunnelOversize)
            .is_some()
    };
    // 60 letters, 13 of the domain and 18 beside make 91 bytes.
    assert!(long(10, 60) && !long(10, 59) && !long(9, 60));
    let txt = |count, letters| {
        let (mut logs, mut numbers) = (Logs::default(), Numbers(1));
        let all: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
        for n in 0..count {
            let text: String = (0..200).map(|_| all[numbers.below(letters) as usize]).collect();
            let (name, answer) = (format!("q{n}.evil.example"), format!("TXT 200 {text}"));
            logs.ask(&Ask {
                second: n,
                name: &name,
                qtype: TXT,
                answers: &answer,
                ..Ask::default()
            });
        }
        of(&logs.findings(), Behaviour::DnsTxtHighEntropy).is_some()
    };
    // 62 letters have up to 5.95 bits; 16 have at most 4.
    assert!(txt(4, 62) && !txt(3, 62) && !txt(4, 16));
}

#[test]
fn names_without_a_common_domain_are_told_by_the_server() {
    let (mut logs, mut numbers) = (Logs::default(), Numbers(8));
    for n in 0..150 {
        let (name, server) = (format!("dnscat.{}", code(&mut numbers, 60)), "203.0.113.77");
        logs.ask(&Ask { second: n, server, name: &name, qtype: MX, ..Ask::default() });
    }
    let findings = logs.findings();
    let one = of(&findings, Behaviour::C2OverDns).expect("a tunnel");
    assert_eq!((one.severity, one.destination.host.as_deref()), (Severity::High, None));
    assert_eq!(one.destination.address.to_string(), "203.0.113.77");
}

#[test]
fn dga_asks_for_many_domains_that_do_not_exist() {
    let dga = |missing: u64, resolving: u64, apart_s: u64| {
        let (mut logs, mut numbers) = (Logs::default(), Numbers(2));
        for n in 0..missing {
            let name = format!("{}.com", code(&mut numbers, 14));
            logs.ask(&Ask { second: n * apart_s, name: &name, rcode: NXDOMAIN, ..Ask::default() });
        }
        for n in 0..resolving {
            let name = format!("{}.com", code(&mut numbers, 9));
            logs.ask(&Ask { second: n, name: &name, answers: "198.51.100.1", ..Ask::default() });
        }
        of(&logs.findings(), Behaviour::DgaNxdomain).cloned()
    };
    let ten = dga(10, 30, 60).expect("ten within an hour, of forty");
    assert_eq!(ten.severity, Severity::Low);
    let sentence = &ten.evidence[0].sentence;
    assert!(
        sentence.starts_with(
            "10 different domains asked for within an hour that do not exist, such as "
        )
    );
    assert!(dga(9, 0, 60).is_none());
    assert!(dga(10, 31, 60).is_none(), "fewer than a quarter");
    assert!(dga(10, 0, 400).is_none(), "the tenth comes an hour after the first");
    assert_eq!(dga(500, 0, 1).map(|one| one.severity), Some(Severity::Low), "a hint, however many");
}

#[test]
fn flows_alone_still_show_it() {
    // Each question a flow of its own: as many as RITA counts, larger than AnDNS allows.
    let (mut logs, mut numbers) = (Logs::default(), Numbers(8));
    for n in 0..100 {
        let name = format!("{}.{}.evil.example", code(&mut numbers, 60), code(&mut numbers, 20));
        logs.ask(&Ask { second: n, name: &name, ..Ask::default() });
    }
    let found = |rows: &[String]| report(&[file("conn.log", CONN, rows)], &all()).findings;
    let findings = found(&logs.conn);
    let one = of(&findings, Behaviour::DnsTunnelOversize).expect("a hint");
    assert_eq!((one.severity, findings.len()), (Severity::Low, 1));
    assert!(found(&logs.conn[1..]).is_empty());
    // One flow for all of them, as `dns_flows` wants it: 13 packets, 10 kB, 75 a packet.
    let session = |packets: u64, bytes: u64| {
        let row = format!(
            "{DAY}.000000\tCs\t{HOST}\t40000\t203.0.113.77\t53\tudp\tdns\t20.000000\t{bytes}\t900\tSF\t-\t-\t0\tDd\t\
             {packets}\t{bytes}\t1\t928\t-\n"
        );
        of(&found(&[row]), Behaviour::DnsTunnelSession).map(|one| one.severity)
    };
    assert_eq!(session(133, 10_000), Some(Severity::Low));
    assert_eq!(session(133, 9_999), None);
    assert_eq!(session(134, 10_000), None, "74 bytes a question");
    assert_eq!(session(11, 10_000), None, "12 packets in 20 s");
}

#[test]
fn no_order_and_no_cut_shows() {
    let mut logs = with_others(tunnel(300, 48, "evil.example", 3, MX));
    let mut numbers = Numbers(6);
    for n in 0..40 {
        let name = format!("dnscat.{}", code(&mut numbers, 60));
        logs.ask(&Ask {
            second: n,
            server: "203.0.113.77",
            name: &name,
            qtype: TXT,
            ..Ask::default()
        });
        let name = format!("{}.com", code(&mut numbers, 14));
        logs.ask(&Ask { second: n, name: &name, rcode: NXDOMAIN, ..Ask::default() });
    }
    let files = |logs: &Logs| [file("conn.log", CONN, &logs.conn), file("dns.log", DNS, &logs.dns)];
    let text = |logs: &Logs, cut| analyze(&files(logs), &all(), cut).0.report.to_json();
    let whole = text(&logs, logs::WHOLE);
    for seed in 1..4 {
        shuffle(&mut logs.conn, seed);
        shuffle(&mut logs.dns, seed + 10);
        let cut = Cut { intakes: 2, parts: 3, share_bytes: 9_000 };
        assert_eq!(text(&logs, cut), whole, "seed {seed}");
    }
}

//! The logs agree with each other and with what a network can do: read from their bytes alone.

mod sample;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sample::{Row, Sample, params};

const HOUR_US: u64 = 3_600_000_000;
const DAY_US: u64 = 24 * HOUR_US;

fn two_orgs() -> Sample {
    sample::sample(&params(11, 2, 24, "all"))
}

/// Hours since 1970 from `org-a/2026-11-23/conn.09:00:00-10:00:00.log`.
fn hour_of(file: &str) -> u64 {
    let mut parts = file.rsplit('/');
    let name = parts.next().expect("a name");
    let day: flowlore_common::time::Day = parts.next().expect("a day").parse().expect("a date");
    let (from, to) = name.split_once('.').expect("a log").1.split_once('-').expect("two hours");
    let hour: u64 = from[..2].parse().expect("an hour");
    assert_eq!(to, format!("{:02}:00:00.log", (hour + 1) % 24));
    u64::from(day.0) * 24 + hour
}

#[test]
fn rows_stand_in_their_hour_and_in_order() {
    let sample = two_orgs();
    for org in sample.orgs() {
        for log in sample.summary.rows.keys() {
            let mut last = 0;
            sample.each(org, log, |row| {
                let written = if *log == "conn" { row.end() } else { row.micros("ts") };
                assert_eq!(written / HOUR_US, hour_of(row.file), "{}", row.file);
                assert!(written >= last, "{}: {written} after {last}", row.file);
                last = written;
            });
        }
    }
    for (file, bytes) in sample.files.iter().filter(|(file, _)| file.ends_with(".log")) {
        let text = std::str::from_utf8(bytes).expect("text");
        let last = text.lines().last().expect("a line");
        assert!(text.starts_with("#separator \\x09\n") && last.starts_with("#close\t"), "{file}");
    }
    let total: u64 = sample.summary.rows.values().sum();
    let counted: usize = sample
        .files
        .iter()
        .filter(|(file, _)| file.ends_with(".log"))
        .map(|(_, bytes)| {
            bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty() && l[0] != b'#').count()
        })
        .sum();
    assert_eq!(counted as u64, total, "the summary counts what was written");
}

#[test]
fn uids_are_unique_and_join_the_logs() {
    let sample = two_orgs();
    let mut uids = BTreeMap::new();
    let four = |row: &Row<'_>| {
        ["id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"].map(|name| row.text(name).to_owned())
    };
    for org in sample.orgs() {
        sample.each(org, "conn", |row| {
            let before = uids.insert(row.text("uid"), (four(&row), row.micros("ts"), row.end()));
            assert!(before.is_none(), "{} twice", row.text("uid"));
        });
        for log in ["dns", "ssl", "quic", "http", "files"] {
            let mut joined = 0;
            sample.each(org, log, |row| {
                let (ends, start, end) = &uids[row.text("uid")];
                let time = row.micros("ts");
                assert_eq!(*ends, four(&row));
                assert!(*start <= time && time <= *end, "{log} {}", row.text("uid"));
                joined += 1;
            });
            assert!(joined > 20, "{org} {log}: {joined}");
        }
        let mut files = BTreeSet::new();
        sample.each(org, "files", |row| assert!(files.insert(row.text("fuid"))));
        sample.each(org, "http", |row| {
            for column in ["orig_fuids", "resp_fuids"] {
                assert!(!row.set(column) || files.remove(row.text(column)));
            }
        });
        assert!(files.is_empty(), "every file belongs to a request");
        sample.each(org, "dhcp", |row| {
            assert_eq!(uids[row.text("uids")].0[0], row.text("client_addr"));
        });
    }
}

/// An answer: from when it is known, until when it holds, and its addresses.
type Told<'a> = (u64, u64, Vec<&'a str>);

/// Who opened it asked the resolver first, got this address, and the answer had not run out.
#[test]
fn names_are_looked_up_before_they_are_used_and_while_they_hold() {
    let sample = two_orgs();
    for org in sample.orgs() {
        let mut answers: BTreeMap<(&str, &str), Vec<Told<'_>>> = BTreeMap::new();
        // A machine that has IPv6 asks by IPv4 all the same.
        let mut v4_of: BTreeMap<String, &str> = BTreeMap::new();
        sample.each(org, "dhcp", |row| {
            let own = row.text("assigned_addr");
            let octets: Vec<u8> = own.split('.').map(|o| o.parse().expect("octet")).collect();
            let low = u16::from_be_bytes([octets[2], octets[3]]);
            v4_of.insert(format!("::{low:x}"), own);
        });
        sample.each(org, "dns", |row| {
            if row.set("answers") {
                let from = row.micros("ts") + row.micros("rtt");
                let ttl = micros_of_first(row.text("TTLs"));
                let list = row.text("answers").split(',').collect();
                let key = (row.text("id.orig_h"), row.text("query"));
                answers.entry(key).or_default().push((from, from + ttl, list));
            }
        });
        let mut checked = 0;
        sample.each(org, "ssl", |row| {
            let (own, to, name) =
                (row.text("id.orig_h"), row.text("id.resp_h"), row.text("server_name"));
            let unnamed = name == "-";
            let inbound = !sample.is_inside(org, own);
            let proxied = row.text("id.resp_p") == "3128";
            let forwarder = row.text("id.resp_p") == "853"; // configured by address
            if unnamed || inbound || proxied || forwarder {
                return;
            }
            let own = match own.rsplit_once("::") {
                Some((_, low)) => v4_of[&format!("::{low}")],
                None => own,
            };
            let time = row.micros("ts");
            let found =
                answers.get(&(own, name)).into_iter().flatten().any(|(from, until, list)| {
                    // The hello comes after the lookup; the connection began before it ran out.
                    *from <= time && time <= *until + 2_000_000 && list.contains(&to)
                });
            assert!(found, "{own} -> {name} at {to}");
            checked += 1;
        });
        assert!(checked > 1_000, "{checked}");
    }
}

fn micros_of_first(ttls: &str) -> u64 {
    sample::micros(ttls.split(',').next().expect("a TTL"))
}

#[test]
fn packets_bytes_state_and_history_agree() {
    let sample = two_orgs();
    for org in sample.orgs() {
        sample.each(org, "conn", |row| {
            let v6 = row.text("id.orig_h").contains(':');
            let history = row.text("history");
            let (header_min, header_max) = match (row.text("proto"), v6) {
                ("tcp", false) => (40, 60),
                ("tcp", true) => (60, 80),
                (_, false) => (28, 28),
                (_, true) => (48, 48),
            };
            for (way, sent_again) in [("orig", 'T'), ("resp", 't')] {
                let packets = row.number(&format!("{way}_pkts"));
                let ip = row.number(&format!("{way}_ip_bytes"));
                let column = format!("{way}_bytes");
                let bytes = if row.set(&column) { row.number(&column) } else { 0 };
                // A single unanswered datagram has no byte columns, yet its packet counts.
                let lone = !row.set("duration");
                let least = bytes + packets * header_min;
                let most = bytes + packets * header_max;
                if !lone || row.text("proto") == "tcp" {
                    let again = history.contains(sent_again);
                    assert!(ip >= least && (again || ip <= most), "{:?}", row.values());
                    assert!(bytes <= packets * 1_500, "{:?}", row.values());
                }
                assert_eq!(packets == 0, ip == 0);
            }
            check_state(&row, history);
            let inside = |name| sample.is_inside(org, row.text(name));
            assert_eq!(row.text("local_orig") == "T", inside("id.orig_h"));
            assert_eq!(row.text("local_resp") == "T", inside("id.resp_h"));
            assert_eq!(row.number("missed_bytes"), 0);
        });
    }
}

/// What each state says of the letters, by the reference of conn.log.
fn check_state(row: &Row<'_>, history: &str) {
    let has = |letters: &str| letters.chars().all(|letter| history.contains(letter));
    let none = |letters: &str| !letters.chars().any(|letter| history.contains(letter));
    let answered = row.number("resp_pkts") > 0;
    let good = match (row.text("proto"), row.text("conn_state")) {
        ("tcp", "SF") => has("ShAFf") && none("Rr"),
        ("tcp", "S0") => history == "S" && !answered,
        ("tcp", "REJ") => history == "Sr" && row.number("resp_bytes") == 0,
        ("tcp", "RSTO") => has("ShAR") && none("r"),
        ("tcp", "RSTR") => has("ShAr") && none("R"),
        ("tcp", "S1") => has("ShA") && none("FfRr"),
        ("tcp", "S2") => has("ShAF") && none("fRr"),
        ("udp", "SF") => history == "Dd" && answered,
        ("udp", "S0") => history == "D" && !answered,
        ("icmp", "OTH") => history == "-",
        _ => false,
    };
    assert!(good, "{:?}", row.values());
    if row.text("proto") == "tcp" && row.set("orig_bytes") {
        assert_eq!(row.number("orig_bytes") > 0, history.contains('D'), "{:?}", row.values());
        assert_eq!(row.number("resp_bytes") > 0, history.contains('d'), "{:?}", row.values());
    }
}

#[test]
fn nothing_outside_is_real() {
    let sample = two_orgs();
    let mut seen = BTreeSet::new();
    for org in sample.orgs() {
        for log in sample.summary.rows.keys() {
            sample.each(org, log, |row| {
                for value in row.values() {
                    for part in value.split([',', ' ']) {
                        seen.insert(part.to_owned());
                    }
                }
            });
        }
    }
    let (mut addresses, mut names) = (0, 0);
    for text in &seen {
        if let Ok(addr) = text.parse::<IpAddr>() {
            addresses += 1;
            assert!(is_allowed(addr), "{addr}");
        } else if looks_like_name(text) {
            names += 1;
            let host = text.split(':').next().expect("a host");
            assert!(host.ends_with(".example") || host.ends_with(".in-addr.arpa"), "{text}");
        }
    }
    assert!(addresses > 300 && names > 1_000, "{addresses} {names}");
}

/// RFC 5737, 3849, 9637 outside; RFC 1918 inside; multicast; a block list's answer.
fn is_allowed(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => match addr.octets() {
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [10, ..] => true,
            [172, b, ..] => (16..32).contains(&b),
            octets => matches!(octets, [224, 0, 0, 251] | [239, 255, 255, 250] | [127, 0, 0, 2]),
        },
        IpAddr::V6(addr) => match addr.segments() {
            [0x2001, 0xdb8, ..] => true,
            [0x3fff, second, ..] => second < 0x1000,
            _ => false,
        },
    }
}

/// Labels of letters, digits, hyphens and underscores, the last one of letters only.
fn looks_like_name(text: &str) -> bool {
    let host = text.split(':').next().expect("a host");
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    let top = host.rsplit('.').next().expect("a label");
    host.contains('.')
        && host.chars().all(good)
        && top.len() > 1
        && top.chars().all(|c| c.is_ascii_alphabetic())
}

#[test]
fn volume_follows_the_day_and_the_week() {
    let mut week = params(12, 1, 20, "clean");
    week.days = 7;
    let sample = sample::sample(&week);
    let mut by_hour = [0_u64; 7 * 24];
    let first = u64::from(week.first_day.0) * DAY_US;
    sample.each("org-a", "conn", |row| {
        if sample.is_inside("org-a", row.text("id.orig_h")) {
            by_hour[((row.micros("ts") - first) / HOUR_US) as usize] += 1;
        }
    });
    let sum = |day: usize, hours: std::ops::Range<usize>| -> u64 {
        by_hour[day * 24..][hours].iter().sum()
    };
    for day in 0..5 {
        assert!(sum(day, 9..12) > 2 * sum(day, 0..3), "day {day}: {by_hour:?}");
    }
    let (monday, saturday) = (sum(0, 0..24), sum(5, 0..24));
    assert!(saturday * 10 < monday * 7, "{saturday} on a Saturday, {monday} on a Monday");
}

#[test]
fn as_many_rows_as_asked_for() {
    for (seed, rows, days) in [(13, 150_000, 1), (14, 700_000, 7)] {
        let mut asked = params(seed, 1, 50, "clean");
        (asked.rows, asked.days) = (Some(rows), days);
        let got = sample::sample(&asked).summary.rows["conn"];
        assert!(got * 100 > rows * 80 && got * 100 < rows * 120, "{got} of {rows}, {days} days");
    }
}

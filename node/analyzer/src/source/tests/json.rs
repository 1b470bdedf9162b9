//! The pass that reads objects in place, against `serde_json` on mutated records, and what it remembers from one record to the
//! next: nothing of that may show.

use super::super::json::Records;
use super::collect::{blocks, one, pieces, read};
use super::pieces::Random;

/// The keys and values of a record, those that may be absent last.
const FIELDS: [(&str, &str); 24] = [
    ("ts", "1700000000.123456"),
    ("id.orig_h", "\"192.0.2.1\""),
    ("id.orig_p", "50123"),
    ("id.resp_h", "\"2001:db8::1\""),
    ("id.resp_p", "443"),
    ("proto", "\"tcp\""),
    ("uid", "\"CHhAvVGS1DHFjwGM9\""),
    ("service", "\"ssl\""),
    ("duration", "0.000123"),
    ("orig_bytes", "0"),
    ("resp_bytes", "123456789012"),
    ("conn_state", "\"SF\""),
    ("local_orig", "true"),
    ("local_resp", "false"),
    ("missed_bytes", "12"),
    ("history", "\"ShADadFf\""),
    ("orig_pkts", "10"),
    ("orig_ip_bytes", "1e3"),
    ("resp_pkts", "null"),
    ("resp_ip_bytes", "46.0"),
    ("tunnel_parents", "[\"CCb2Mx2qhsrWZWN1V8\",\"C2\"]"),
    ("ip_proto", "6"),
    ("a_key_that_is_longer_than_sixteen_bytes", "-1.5e-07"),
    ("note", "\"Grüße, \u{1f980}\""),
];

const NEEDED: usize = 6;

/// A record with these of the fields, in this order.
fn record(random: &mut Random, order: &[usize]) -> String {
    let blank =
        |random: &mut Random| random.pick(&["", "", "", "", "", " ", "\t", "  "]).to_owned();
    let spaced = random.below(4) == 0;
    let mut between = || if spaced { blank(random) } else { String::new() };
    let fields: Vec<String> = order
        .iter()
        .map(|at| {
            let (key, value) = FIELDS[*at];
            let (a, b, c, d) = (between(), between(), between(), between());
            format!("{a}\"{key}\"{b}:{c}{value}{d}")
        })
        .collect();
    format!("{{{}}}{}", fields.join(","), between())
}

/// Some of the fields, the needed ones among them; in order, or in any.
fn choice(random: &mut Random, any_order: bool) -> Vec<usize> {
    let mut order: Vec<usize> =
        (0..FIELDS.len()).filter(|at| *at < NEEDED || random.below(4) != 0).collect();
    if any_order {
        for at in 1..order.len() {
            order.swap(at, usize::try_from(random.below(at as u64 + 1)).unwrap_or(0));
        }
    }
    order
}

/// A text with up to three changes.
fn mutated(random: &mut Random, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let place = |random: &mut Random, chars: &[char]| {
        usize::try_from(random.below(chars.len() as u64 + 1)).unwrap_or(0)
    };
    for _ in 0..random.below(4) {
        let (a, b) = (place(random, &chars), place(random, &chars));
        let new = random.pick(&[
            "\"",
            "\"",
            ",",
            ":",
            "{",
            "}",
            "[",
            "]",
            "\\",
            "\\\"",
            "\t",
            "\r",
            "\n",
            "\u{1}",
            "\u{7f}",
            " ",
            "0",
            "-",
            ".",
            "e",
            "E+",
            "1",
            "a",
            "é",
            "null",
            "true",
            "[]",
            "[1, \"a\"]",
            "[null]",
            "\"ts\":2",
            "\"id_resp_p\":80",
            ",,",
            "\"\"",
            "00",
            "1.",
            "123456789",
            "\"_path\":\"dns\",",
        ]);
        let until = match random.below(4) {
            0 => a,
            1 => (a + 1).min(chars.len()),
            2 => (a + new.chars().count()).min(chars.len()),
            // A long way only now and then, or little is left to be read.
            _ if random.below(8) == 0 => b.max(a),
            _ => a,
        };
        chars.splice(a..until, new.chars());
    }
    chars.into_iter().collect()
}

/// No text is accepted that `serde_json` refuses, and all values are those that it gives; alone, in a block, and whatever came
/// before.
#[test]
fn mutated_records_agree_with_serde_json() {
    for seed in 10..14 {
        let (mut random, mut records) = (Random(seed), Records::default());
        let (mut fast, mut valid, mut refused) = (0, 0, 0);
        for case in 0..6_000 {
            let any_order = random.below(3) == 0;
            let order = choice(&mut random, any_order);
            let text = record(&mut random, &order);
            let text = mutated(&mut random, &text);
            let [first, alone, thorough] = records.compare(&text);
            if alone.is_some() {
                assert_eq!(alone, thorough, "seed {seed}, case {case}: {text}");
                fast += 1;
            }
            if !text.contains('\n') {
                assert_eq!(first, alone, "seed {seed}, case {case}: {text}");
            }
            valid += u32::from(thorough.is_some());
            refused += u32::from(thorough.is_none());
        }
        // The mutations must reach all sides, or the test says nothing.
        println!("seed {seed}: {fast} read in place of {valid} valid, {refused} refused");
        assert!(fast > 1_500 && valid > fast && refused > 1_500, "{fast} {valid} {refused}");
    }
}

/// Whatever the order of keys, and whatever the records before, the record is the same.
#[test]
fn keys_in_any_order_and_absent_ones() {
    for seed in 20..30 {
        let mut random = Random(seed);
        let (mut log, mut expected) = (String::new(), Vec::new());
        for _ in 0..60 {
            let any_order = random.below(2) == 0;
            let mut order = choice(&mut random, any_order);
            let spelled = |text: String, random: &mut Random| match random.below(3) {
                0 => text.replace("id.", "id_"),
                _ => text,
            };
            let text = record(&mut random, &order);
            log.push_str(&spelled(text, &mut random));
            log.push('\n');
            order.sort_unstable();
            expected.push(one("conn.log", &record(&mut random, &order)));
        }
        let (sink, tally) = read("conn.log", &log);
        assert_eq!((tally.records, tally.used()), (60, 60), "seed {seed}");
        assert_eq!(sink.0, expected, "seed {seed}");
        assert_eq!(blocks("conn.log", &log, 77).0.0, expected, "seed {seed}");
        let (pieces, _) = pieces("conn.log", log.as_bytes(), 300);
        assert_eq!(pieces.sorted(), sink.sorted(), "seed {seed}");
    }
}

/// Records of several logs in one file, each of which says which it is.
#[test]
fn logs_that_take_turns() {
    let ends = r#""ts":1.5,"uid":"C1","id.orig_h":"192.0.2.1","id.orig_p":5,"id.resp_h":"192.0.2.2","id.resp_p":53"#;
    let conn = format!(r#"{{"_path":"conn",{ends},"proto":"udp","orig_bytes":7}}"#);
    let dns = format!(
        r#"{{{ends},"proto":"udp","query":"a.example","answers":["192.0.2.9", "b"],"_path":"dns"}}"#
    );
    let weird = r#"{"ts":1.5,"name":"x","_path":"weird"}"#;
    let alone = [one("x", &conn), one("x", &dns)];
    let (sink, tally) =
        read("x", [&conn, &dns, weird].map(|line| format!("{line}\n")).concat().repeat(5));
    assert_eq!((tally.records, tally.used()), (15, 10));
    assert_eq!(sink.0, vec![alone; 5].concat());
}

/// More keys, and more quotes, than are remembered.
#[test]
fn wide_records() {
    let needed = "\"ts\":1.5,\"id.orig_h\":\"192.0.2.1\",\"id.orig_p\":5,\"id.resp_h\":\"192.0.2.2\",\"id.resp_p\":53,\"proto\":\"udp\"";
    let expected = one("conn.log", &format!("{{{needed}}}"));
    for others in [10, 63, 64, 65, 400, 600, 2_000] {
        let many: String = (0..others).map(|key| format!("\"k{key}\":{key},")).collect();
        let (sink, tally) = read("conn.log", format!("{{{many}{needed}}}\n").repeat(3));
        assert_eq!((tally.used(), &sink.0), (3, &vec![expected.clone(); 3]), "{others}");
        let items = vec!["\"i\""; others].join(",");
        let (sink, tally) =
            read("conn.log", format!("{{\"list\":[{items}],{needed}}}\n").repeat(3));
        assert_eq!((tally.used(), &sink.0), (3, &vec![expected.clone(); 3]), "{others}");
    }
}

/// As some programs write bytes that are no text.
#[test]
fn half_a_character_costs_nothing_but_itself() {
    let query = |name: &str| {
        format!(
            "{{\"ts\":1.5,\"uid\":\"C1\",\"id.orig_h\":\"192.0.2.1\",\"id.orig_p\":5,\
             \"id.resp_h\":\"192.0.2.2\",\"id.resp_p\":53,\"proto\":\"udp\",\"query\":\"{name}\"}}"
        )
    };
    let marked = one("dns.log", &query("x\u{fffd}\u{fffd}\u{fffd}.evil.example"));
    assert_eq!(one("dns.log", &query("x\\udcff.evil.example")), marked);
    assert!(marked.contains("evil.example"));
}

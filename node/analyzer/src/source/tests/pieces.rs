//! The same records and numbers for every block size, every piece size and any order of pieces; and
//! the JSON pass against `serde_json` on generated text.

use std::fmt::Write as _;

use super::super::json::Records;
use super::collect::{blocks, pieces, read};

/// A small generator (splitmix64), so that cases are the same everywhere.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }
}

/// Logs put together, with headers, comments, bad lines and blank ones in between.
fn mixture(random: &mut Random) -> String {
    let mut log = String::new();
    if random.below(3) == 0 {
        log.push_str("lost header\trow\n");
    }
    for _ in 0..=random.below(4) {
        let fields = random.pick(&[
            "conn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto",
            "conn\n#fields\tproto\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tts",
            "weird\n#fields\tts\tuid\ta\tb\tc\td\tname",
        ]);
        let _ = writeln!(log, "#separator \\x09\n#path\t{fields}");
        for row in 0..random.below(12) {
            let (first, last) =
                if fields.contains("proto\tuid") { ("tcp", "2.5") } else { ("2.5", "tcp") };
            let _ = writeln!(
                log,
                "{}",
                match random.below(8) {
                    0 => "#comment\tx".to_owned(),
                    1 => String::new(),
                    2 => "too\tfew".to_owned(),
                    // Of any length, since rows are looked at 64 bytes at a time.
                    some => {
                        let uid = "C".repeat(usize::try_from(random.below(150)).unwrap_or(0));
                        let end = if some == 3 { "\r" } else { "" };
                        format!("{first}\t{uid}{row}\t192.0.2.1\t5\t198.51.100.2\t443\t{last}{end}")
                    }
                }
            );
        }
        if random.below(2) == 0 {
            log.push_str("#close\tx\r\n");
        }
    }
    log.truncate(log.len() - usize::try_from(random.below(3)).unwrap_or(0));
    log
}

#[test]
fn tab_separated_text() {
    let mut random = Random(1);
    for case in 0..200 {
        let log = mixture(&mut random);
        same_for_all_cuts(&log, case);
    }
}

#[test]
fn json_lines_and_arrays() {
    let mut random = Random(2);
    for case in 0..100 {
        let objects: Vec<String> = (0..random.below(9)).map(|_| object(&mut random)).collect();
        same_for_all_cuts(&objects.join("\n"), case);
        same_for_all_cuts(&format!("[{}]", objects.join(",\n")), case);
    }
}

/// What a file is was once decided on more bytes when a byte order mark and the rest came in one block.
#[test]
fn a_byte_order_mark_and_blanks_before_an_array() {
    let row = r#"{"_path":"conn","ts":1.0,"uid":"C1","id.orig_h":"192.0.2.1","id.orig_p":1,"id.resp_h":"198.51.100.1","id.resp_p":2,"proto":"tcp"}"#;
    for blanks in 0..9 {
        for mark in ["", "\u{feff}"] {
            let log = format!("{mark}{}[\n{row}\n]", "\t\n".repeat(blanks));
            same_for_all_cuts(&log, blanks as u64);
        }
    }
}

fn same_for_all_cuts(log: &str, case: u64) {
    let (whole, tally) = read("open_conn.log", log);
    for size in [1, 2, 5, 13, 64, 700] {
        let (sink, part) = blocks("open_conn.log", log, size);
        assert_eq!((&sink, &part), (&whole, &tally), "case {case}, blocks of {size}:\n{log}");
    }
    let whole = whole.sorted();
    for size in [1, 7, 40, 128, usize::MAX] {
        let (sink, part) = pieces("open_conn.log", log.as_bytes(), size);
        let sink = sink.sorted();
        assert_eq!((&sink, &part), (&whole, &tally), "case {case}, pieces of {size}:\n{log}");
    }
}

/// An object that may or may not be JSON, and may or may not be a record.
fn object(random: &mut Random) -> String {
    let value = |random: &mut Random| {
        random.pick(&[
            "1.5",
            "\"192.0.2.1\"",
            "443",
            "1e3",
            "-0.5e-7",
            "0",
            "01",
            "1.",
            ".5",
            "-",
            "+1",
            "tru",
            "true",
            "false",
            "null",
            "\"\"",
            "\"a\\\"b\"",
            "\"\\u00e9\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"é\"",
            "\"tab\tin\"",
            "\"open",
            "[]",
            "[1,2]",
            "[1,]",
            "[,1]",
            "[\"a\",null]",
            "[[1]]",
            "[1 2]",
            "{}",
            "{\"ts\":1}",
            "{\"a\"}",
            "\"x\":",
            "1 1",
            "\"C1\"",
            "\"tcp\"",
            "99999",
            "\"long text to cross more than one word of eight bytes\"",
            "1E+2",
            "1e",
            "--1",
            "NaN",
        ])
    };
    let keys = [
        "\"ts\"",
        "\"uid\"",
        "\"id.orig_h\"",
        "\"id_orig_p\"",
        "\"id.resp_h\"",
        "\"id.resp_p\"",
        "\"proto\"",
        "\"missed_bytes\"",
        "\"_path\"",
        "\"other\"",
        "\"t\\u0073\"",
        "ts",
        "\"\"",
    ];
    let mut text = String::from("{");
    if random.below(2) == 0 {
        text.push_str(
            "\"ts\":1.5,\"id.orig_h\":\"192.0.2.1\",\"id.orig_p\":5,\"id.resp_h\":\"198.51.100.2\",\
             \"id.resp_p\":443,\"proto\":\"tcp\",\"missed_bytes\":0,\"uid\":\"C9\"",
        );
    }
    for index in 0..random.below(4) {
        let comma = if index > 0 || text.len() > 1 {
            random.pick(&[",", ",", ", ", "\t,", ""])
        } else {
            ""
        };
        let _ = write!(
            text,
            "{comma}{}{}{}",
            random.pick(&keys),
            random.pick(&[":", " : "]),
            value(random)
        );
    }
    text + random.pick(&["}", "}", "}", "} ", "", "}}", ",}", "}\r"])
}

/// The fast pass must accept no text that `serde_json` refuses, and give the values that it gives.
#[test]
fn the_fast_pass_agrees_with_serde_json() {
    let mut random = Random(3);
    let (mut records, mut fast, mut valid) = (Records::default(), 0, 0);
    for _ in 0..40_000 {
        let text = object(&mut random);
        let [_, quick, thorough] = records.compare(&text);
        if quick.is_some() {
            assert_eq!(quick, thorough, "{text}");
            fast += 1;
        }
        let parses = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
        let odd = text.contains("\\ud800");
        assert!(odd || parses.is_ok() == thorough.is_some(), "{text}");
        valid += u32::from(parses.is_ok());
    }
    // The generator must reach both sides, or the test says nothing.
    assert!(fast > 4_000 && valid > fast, "{fast} {valid}");
}

//! Bad lines of each kind among good ones: exactly so many counted, nothing else lost.

use std::collections::BTreeMap;

use super::collect::{pieces, read};
use crate::limits::LINE_BYTES_MAX;
use crate::record::Skip;

const HEADER: &str = "#separator \\x09\n#path\tconn\n\
     #fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\torig_bytes\tduration\n";
const GOOD: &str = "1.5\tC1\t192.0.2.1\t50000\t198.51.100.2\t443\ttcp\t10\t0.5";
const GOOD_JSON: &str = r#"{"ts":1.5,"uid":"C1","id.orig_h":"192.0.2.1","id.orig_p":50000,"id.resp_h":"198.51.100.2","id.resp_p":443,"proto":"tcp","missed_bytes":0,"orig_bytes":10,"duration":0.5}"#;

/// Each bad line that many times, at places that differ.
fn planted(good: &[u8], bad: &[(Skip, Vec<u8>)]) -> (Vec<u8>, BTreeMap<Skip, u64>, u64) {
    let (mut log, mut expected, mut records) = (Vec::new(), BTreeMap::new(), 0);
    for round in 1..=3_u64 {
        for (index, (reason, line)) in bad.iter().enumerate() {
            let count = (index as u64 + round) % 4;
            *expected.entry(*reason).or_insert(0) += count;
            records += count + 1;
            for _ in 0..count {
                log.extend_from_slice(line);
                log.push(b'\n');
            }
            log.extend_from_slice(good);
            log.push(b'\n');
        }
    }
    (log, expected, records)
}

fn check(name: &str, log: &[u8], expected: &BTreeMap<Skip, u64>, records: u64) {
    let bad: u64 = expected.values().sum();
    for (sink, tally) in [read(name, log), pieces(name, log, 1), pieces(name, log, 1_000)] {
        assert_eq!(&tally.skipped, expected);
        assert_eq!((tally.records, tally.used()), (records, records - bad));
        assert_eq!(sink.0.len() as u64, records - bad);
        assert!(sink.0.iter().all(|record| record == &sink.0[0]), "good lines are untouched");
    }
}

fn with(column: usize, value: &str) -> Vec<u8> {
    let mut columns: Vec<&str> = GOOD.split('\t').collect();
    columns[column] = value;
    columns.join("\t").into_bytes()
}

#[test]
fn in_tab_separated_text() {
    let mut bad = vec![
        (Skip::BadTime, with(0, "yesterday")),
        (Skip::BadTime, with(0, "1700000000123")),
        (Skip::BadTime, with(8, "4294967295")),
        (Skip::BadNumber, with(8, "-1")),
        (Skip::MissingField, with(0, "-")),
        (Skip::BadAddress, with(2, "192.0.2.300")),
        (Skip::BadAddress, with(4, "host.example")),
        (Skip::MissingField, with(4, "-")),
        (Skip::BadPort, with(3, "65536")),
        (Skip::BadPort, with(5, "-1")),
        (Skip::BadNumber, with(7, "-10")),
        (Skip::BadNumber, with(7, "99999999999999999999")),
        (Skip::MissingField, with(6, "-")),
        (Skip::ColumnCount, GOOD.replacen('\t', " ", 1).into_bytes()),
        (Skip::ColumnCount, format!("{GOOD}\textra").into_bytes()),
        (Skip::ColumnCount, b"garbage".to_vec()),
        (Skip::ColumnCount, vec![b'\t'; 5_000]),
        (Skip::Binary, b"\x00\x01\xff\xfe".to_vec()),
        (Skip::LineTooLong, vec![b'y'; LINE_BYTES_MAX + 1]),
    ];
    let mut not_text = with(1, "C?");
    let at = not_text.iter().position(|byte| *byte == b'?').unwrap();
    not_text[at] = 0xff;
    bad.push((Skip::Binary, not_text));
    let (rows, mut expected, records) = planted(GOOD.as_bytes(), &bad);
    let log = [b"row\twithout\nheader\n", HEADER.as_bytes(), &rows, b"1.5\tC1\t192.0"].concat();
    expected.extend([(Skip::NoHeader, 2), (Skip::CutOff, 1)]);
    check("x", &log, &expected, records + 3);
}

#[test]
fn in_json_lines() {
    let with = |from: &str, to: &str| (GOOD_JSON.replace(from, to)).into_bytes();
    let bad = vec![
        (Skip::BadTime, with("1.5", "-1.5")),
        (Skip::BadTime, with("1.5", "\"now\"")),
        (Skip::BadTime, with("0.5", "1e12")),
        (Skip::MissingField, with("\"ts\"", "\"time\"")),
        (Skip::MissingField, with("\"tcp\"", "null")),
        (Skip::BadAddress, with("192.0.2.1", "192.0.2")),
        (Skip::BadPort, with("50000", "93145")),
        (Skip::BadNumber, with(":10,", ":1.5,")),
        (Skip::BadJson, with("\"uid\":", "\"uid\"")),
        (Skip::BadJson, with("1.5", "01.5")),
        (Skip::BadJson, b"[1]".to_vec()),
        (Skip::BadJson, b"ts,uid,more".to_vec()),
        (Skip::Binary, b"\x00\x01\xff\xfe".to_vec()),
        (Skip::Binary, b"{\"ts\":1.5,\"uid\":\"\xff\"}".to_vec()),
        (Skip::LineTooLong, vec![b'y'; LINE_BYTES_MAX + 1]),
        (Skip::UnusedLog, b"{\"_path\":\"weird\",\"ts\":1.5}".to_vec()),
    ];
    let (rows, mut expected, records) = planted(GOOD_JSON.as_bytes(), &bad);
    let log = [GOOD_JSON.as_bytes(), b"\n", &rows, b"{\"ts\":1.5,\"uid\":\"C"].concat();
    expected.insert(Skip::CutOff, 1);
    check("x", &log, &expected, records + 2);
    // Before the first object that tells, too.
    let log = [b"rubbish\n\x00\n", &log[..]].concat();
    *expected.entry(Skip::BadJson).or_default() += 1;
    *expected.entry(Skip::Binary).or_default() += 1;
    check("x", &log, &expected, records + 4);
}

#[test]
fn in_a_json_array() {
    let long = format!("\"{}\"", "y".repeat(LINE_BYTES_MAX));
    let log = format!(
        "[{GOOD_JSON},7,{GOOD_JSON},{{\"ts\":}},\n{long},{GOOD_JSON},{},{{\"ts\":1.5,\"u",
        GOOD_JSON.replace("443", "99999")
    );
    let expected =
        [(Skip::BadJson, 2), (Skip::LineTooLong, 1), (Skip::BadPort, 1), (Skip::CutOff, 1)];
    check("x", log.as_bytes(), &expected.into(), 8);
}

#[test]
fn a_line_of_a_megabyte_is_read() {
    let name = "n".repeat(1_000_000);
    let log = format!("{HEADER}{}\n", GOOD.replace("C1", &name));
    let (sink, tally) = read("x", &log);
    let uid = format!("uid: {:?}", name.as_bytes());
    assert_eq!((tally.used(), sink.0[0].contains(&uid)), (1, true));
}

#[test]
fn a_header_too_wide_to_use_costs_its_rows_only() {
    let wide = vec!["c"; crate::limits::COLUMNS_MAX + 1].join("\t");
    let log = format!("#path\tconn\n#fields\t{wide}\n{wide}\n{HEADER}{GOOD}\n");
    let (_, tally) = read("x", &log);
    assert_eq!((tally.records, tally.used()), (2, 1));
    assert_eq!(tally.skipped, [(Skip::NoHeader, 1)].into());
}

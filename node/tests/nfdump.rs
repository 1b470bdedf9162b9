//! Goal: what nfdump compressed says what it says plain. Method: a file of our own is written anew by nfdump
//! (<https://github.com/phaag/nfdump>) in each of its ways, and analyzed. `FLOWLORE_NFDUMP` names the program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod logs;

use std::process::{Command, Stdio};

use logs::{flowlore_node, folder_of};
use serde_json::Value;

/// Layout 2 of nfdump 1.7, one block: some hundred connections of three hosts inside, a record a way.
fn file() -> Vec<u8> {
    const FIRST_MS: u64 = 1_795_514_402_000;
    let mut records = vec![];
    for number in 0..600_u16 {
        let (inside, outside) = ([3 + (number % 3) as u8, 2, 1, 10], [number as u8, 100, 51, 198]);
        let ports = (40_000 + number, 443);
        let up = ([inside, outside], [ports.0, ports.1], [10, 1_400 + u64::from(number)]);
        let down = ([outside, inside], [ports.1, ports.0], [12, 9_000]);
        for (ends, ports, counts) in [up, down] {
            let begun_ms = FIRST_MS + 100 * u64::from(number);
            let times_ms = [begun_ms, begun_ms + 2_000, begun_ms + 3_000];
            // A flow of two elements: IPv4, 12 bytes; what every flow has, 52 bytes and four of its head.
            records.extend([11, 0, 12 + 12 + 56, 0, 2, 0, 0, 0, 1, 0, 0, 9]);
            records.extend([&[2, 0, 12, 0][..], &ends.concat(), &[1, 0, 56, 0]].concat());
            records.extend(times_ms.iter().chain(&counts).flat_map(|number| number.to_le_bytes()));
            records.extend(ports.iter().flat_map(|port| port.to_le_bytes()));
            records.extend([6, 0x1b, 0, 0, 0, 0, 0, 0]);
        }
    }
    let mut file = vec![0x0c, 0xa5, 2, 0, 0, 1, 7, 1];
    file.resize(36, 0);
    for word in [1, 1_200, records.len() as u32, 3] {
        file.extend(word.to_le_bytes());
    }
    file.extend(records);
    file
}

/// What a file says, but for its name.
fn told(path: &std::path::Path) -> (Value, Value) {
    let arguments =
        ["analyze", path.to_str().unwrap(), "--output", "json", "--conversations", "all"];
    let mut report: Value = serde_json::from_str(&flowlore_node(&arguments)).unwrap();
    report["input"]["files"][0]["path"].take();
    (report["input"].take(), report["conversations"].take())
}

#[test]
fn what_nfdump_compressed_says_what_it_says_plain() {
    let what = "what_nfdump_compressed_says_what_it_says_plain";
    let Some(nfdump) = folder_of("FLOWLORE_NFDUMP", what) else { return };
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, file()).unwrap();
    let expected = told(&plain);
    assert_eq!(expected.0["flows"], 600, "{expected:?}");
    let length = plain.metadata().unwrap().len();
    // Plain, LZ4, bzip2; then LZO, which is counted.
    for way in ["", "-y", "-j", "-z"] {
        let anew = dir.path().join(format!("anew{way}"));
        let written = Command::new(&nfdump)
            .args(Some(way).filter(|way| !way.is_empty()))
            .arg("-r")
            .arg(&plain)
            .arg("-w")
            .arg(&anew)
            .stdout(Stdio::null())
            .status();
        assert!(written.unwrap().success(), "nfdump {way}");
        assert_eq!(anew.metadata().unwrap().len() < length / 2, !way.is_empty(), "nfdump {way}");
        if way == "-z" {
            assert_eq!(told(&anew).0["files"][0]["skipped"]["unused_log"], 1_200);
        } else {
            assert_eq!(told(&anew), expected, "nfdump {way}");
        }
    }
}

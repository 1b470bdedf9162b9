//! Goal: the same rows give the same report, whatever their order, their files, their compression and the number of
//! threads. Method: a sample day (and a capture, where the folder is given) through the program: as it is, shuffled,
//! dealt out over 24 files, and those packed; each with 1, 2 and 8 threads; connections alone, and all logs.
//!
//! Only `input.files` may differ between arrangements, since it is the list of the files; its sums may not. Between
//! numbers of threads no byte may.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod logs;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use logs::{Log, Random, analyze, files, folder_of, sample_day, totals};
use serde_json::Value;

/// Files that each log is dealt out over.
const FILES: usize = 24;
/// Of the sample day and of the shuffling.
const SEED: u64 = 20_261_124;

#[test]
fn of_a_sample_day() {
    let root = tempfile::tempdir().unwrap();
    let day = root.path().join("day");
    sample_day(&day, SEED, 4_000);
    same_in_any_order(&day.join("org-a"));
}

#[test]
fn of_a_capture() {
    let what = "order of the capture beacon/rita-missing_host";
    let Some(captures) = folder_of("FLOWLORE_CAPTURES", what) else { return };
    same_in_any_order(&captures.join("beacon/rita-missing_host"));
}

fn same_in_any_order(source: &Path) {
    println!("seed {SEED}");
    for wanted in [Some("conn"), None] {
        let root = tempfile::tempdir().unwrap();
        let [as_is, shuffled, dealt, packed] =
            ["as-is", "shuffled", "dealt", "packed"].map(|name| root.path().join(name));
        let logs = copy(source, wanted, &as_is);
        let mut random = Random(SEED);
        write_shuffled(&logs, &shuffled, &mut random);
        write_dealt(&logs, &dealt, &mut random);
        write_packed(&dealt, &packed);

        let first = Reading::of(&as_is);
        let rows: usize = logs.iter().map(|log| log.rows.len()).sum();
        assert_eq!(first.totals["records"], rows as u64, "every row is read");
        assert!(first.findings > 0, "an order could show in the findings");
        for folder in [&shuffled, &dealt, &packed] {
            let other = Reading::of(folder);
            assert_eq!(other.totals, first.totals, "{wanted:?} {}", folder.display());
            same_text(&other.rest, &first.rest, &format!("{wanted:?} {}", folder.display()));
        }
    }
}

/// A report that is the same for all numbers of threads, without its list of files.
struct Reading {
    rest: String,
    totals: BTreeMap<String, u64>,
    findings: usize,
}

impl Reading {
    fn of(folder: &Path) -> Self {
        let [text, two, eight] =
            ["1", "2", "8"].map(|count| analyze(folder, &["--threads", count]));
        same_text(&two, &text, "2 threads");
        same_text(&eight, &text, "8 threads");
        let report: Value = serde_json::from_str(&text).unwrap();
        let list = report["input"]["files"].as_array().unwrap().len();
        assert_eq!(list, files(folder).len(), "every file is in the list");
        let findings = report["findings"].as_array().unwrap().len();
        Self { rest: without_files(&text), totals: totals(&report), findings }
    }
}

/// The report's text without `input.files`: cut out, not parsed and written again, so that bytes are compared.
fn without_files(report: &str) -> String {
    let (before, rest) = report.split_once("\"files\":[").unwrap();
    assert!(before.ends_with("\"input\":{"), "the first list of files is the input's");
    // No path here has a bracket in it.
    let (_, after) = rest.split_once("],\"flows\":").unwrap();
    format!("{before}{after}")
}

/// Says where two long texts part.
fn same_text(got: &str, expected: &str, what: &str) {
    if got == expected {
        return;
    }
    let at = got.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
    let near = |text: &str| {
        let bytes = &text.as_bytes()[at.saturating_sub(200)..text.len().min(at + 200)];
        String::from_utf8_lossy(bytes).into_owned()
    };
    panic!("{what}: differs at byte {at}:\n{}\ninstead of\n{}", near(got), near(expected));
}

/// Copies the files of the wanted log, or of all; gives each log with the rows of all its files.
fn copy(source: &Path, wanted: Option<&str>, to: &Path) -> Vec<Log> {
    let mut logs: BTreeMap<Vec<Vec<u8>>, Log> = BTreeMap::new();
    for file in files(source) {
        let Some(log) = Log::read(&file) else { continue };
        if wanted.is_some_and(|wanted| log.name() != wanted) {
            continue;
        }
        let copied = to.join(file.strip_prefix(source).unwrap());
        fs::create_dir_all(copied.parent().unwrap()).unwrap();
        fs::write(copied, fs::read(&file).unwrap()).unwrap();
        let empty = Log { rows: vec![], ..log.clone() };
        logs.entry(log.header).or_insert(empty).rows.extend(log.rows);
    }
    logs.into_values().collect()
}

fn write_shuffled(logs: &[Log], to: &Path, random: &mut Random) {
    fs::create_dir(to).unwrap();
    for (number, log) in logs.iter().enumerate() {
        let mut log = log.clone();
        random.shuffle(&mut log.rows);
        fs::write(to.join(format!("{}.{number}.log", log.name())), log.to_bytes()).unwrap();
    }
}

fn write_dealt(logs: &[Log], to: &Path, random: &mut Random) {
    fs::create_dir(to).unwrap();
    for (number, log) in logs.iter().enumerate() {
        let empty = Log { rows: vec![], ..log.clone() };
        let mut parts = vec![empty; FILES];
        for row in &log.rows {
            parts[random.below(FILES)].rows.push(row.clone());
        }
        for (part, log) in parts.iter().enumerate() {
            let name = format!("{}.{number}.{part:02}.log", log.name());
            fs::write(to.join(name), log.to_bytes()).unwrap();
        }
    }
}

/// The same files, every other one gzip and the rest Zstandard.
fn write_packed(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for (number, file) in files(from).iter().enumerate() {
        let (bytes, name) = (fs::read(file).unwrap(), file.file_name().unwrap().to_str().unwrap());
        let (packed, end) = if number % 2 == 0 {
            let mut gzip = GzEncoder::new(vec![], Compression::fast());
            gzip.write_all(&bytes).unwrap();
            (gzip.finish().unwrap(), "gz")
        } else {
            (zstd::encode_all(&*bytes, 1).unwrap(), "zst")
        };
        fs::write(to.join(format!("{name}.{end}")), packed).unwrap();
    }
}

//! Zeek logs in folders, taken apart and put together again, and the program that analyzes them.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Runs the program; gives what it printed.
pub(crate) fn flowlore_node(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_flowlore-node");
    let output = Command::new(program).args(arguments).output().unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "flowlore-node {}: {failed}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// The report on a folder, byte for byte.
pub(crate) fn analyze(folder: &Path, options: &[&str]) -> String {
    let path = folder.to_str().unwrap();
    flowlore_node(&[&["analyze", path, "--output", "json"], options].concat())
}

/// The report on a folder.
pub(crate) fn report(folder: &Path) -> Value {
    serde_json::from_str(&analyze(folder, &[])).unwrap()
}

/// A sample day in a new folder, all that can be planted in it.
pub(crate) fn sample_day(folder: &Path, seed: u64, rows: u64) {
    let (seed, rows) = (seed.to_string(), rows.to_string());
    let out = folder.to_str().unwrap();
    flowlore_node(&["synth", "--out", out, "--seed", &seed, "--rows", &rows]);
}

/// The folder that a variable names. Without it the test's runner is told by name what did not run: on the real
/// standard error, since what a passing test prints is not shown.
pub(crate) fn folder_of(variable: &str, what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        let said = format!("SKIPPED {what}: {variable} is not set\n");
        io::stderr().write_all(said.as_bytes()).unwrap();
    }
    folder
}

/// The files of a folder and those below it, in the order of their paths.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (vec![], vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// A log: its header's lines, and its rows without line ends.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) header: Vec<Vec<u8>>,
    pub(crate) rows: Vec<Vec<u8>>,
}

impl Log {
    /// Reads one in Zeek's own notation, plain or gzip; `None` when the file is no log.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let mut bytes = fs::read(path).unwrap();
        if path.extension().is_some_and(|end| end == "gz") {
            let mut unpacked = vec![];
            flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut unpacked).unwrap();
            bytes = unpacked;
        }
        if !bytes.starts_with(b"#separator") {
            return None;
        }
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let (header, rows): (Vec<_>, Vec<_>) =
            lines.map(<[u8]>::to_vec).partition(|line| line.starts_with(b"#"));
        let of_hour = |line: &Vec<u8>| line.starts_with(b"#open") || line.starts_with(b"#close");
        let header = header.into_iter().filter(|line| !of_hour(line)).collect();
        Some(Self { header, rows })
    }

    /// The words of a header line behind its name: `path`, `fields`, `types`.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        let start = format!("#{name}\t").into_bytes();
        let line = self.header.iter().find_map(|line| line.strip_prefix(&start[..])).unwrap();
        String::from_utf8(line.to_vec()).unwrap().split('\t').map(str::to_owned).collect()
    }

    /// Zeek's name of the log.
    pub(crate) fn name(&self) -> String {
        self.words("path").remove(0)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let lines = self.header.iter().chain(&self.rows);
        lines.flat_map(|line| [&line[..], b"\n"].concat()).collect()
    }
}

/// Sums over the files of a report: records, flows, and what was skipped for each reason.
pub(crate) fn totals(report: &Value) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for file in report["input"]["files"].as_array().unwrap() {
        let mut add = |name: &str, count: &Value| {
            *sums.entry(name.to_owned()).or_default() += count.as_u64().unwrap();
        };
        add("records", &file["records"]);
        add("flows", &file["flows"]);
        for (reason, count) in file["skipped"].as_object().unwrap() {
            add(reason, count);
        }
    }
    sums
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, repeatable, good enough to shuffle.
pub(crate) struct Random(pub u64);

impl Random {
    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((u128::from(z ^ z >> 31) * limit as u128) >> 64).unwrap()
    }

    /// Fisher and Yates.
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

//! Goal: bad lines among good ones are counted, each under its reason and in its file, and cost nothing else. Method:
//! a sample day through the program, clean and with bad lines of every reason planted in it, as many of each as of no
//! other; the reports may differ in the list of files only.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod logs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flowlore_analyzer::limits::LINE_BYTES_MAX;
use flowlore_analyzer::record::Skip;
use logs::{Log, Random, files, report, sample_day, totals};
use serde_json::{Map, Value, json};

const SEED: u64 = 7;
/// Logs that have ends and a time in every row.
const ANY: &[&str] = &["conn", "dns", "http", "ssl"];
/// Bad lines of the first reason, and how many more of each next one.
const FEWEST: usize = 3;
const STEP: usize = 2;

#[test]
fn bad_lines_are_counted_and_cost_nothing_else() {
    println!("seed {SEED}");
    let root = tempfile::tempdir().unwrap();
    sample_day(root.path(), SEED, 3_000);
    let day = root.path().join("org-a");
    let clean = report(&day);
    assert_eq!(skipped(&clean), BTreeMap::new(), "the sample has no bad line");
    assert!(!clean["findings"].as_array().unwrap().is_empty());

    let mut planting = Planting::read(&day);
    let mut count = FEWEST;
    let mut expected = totals(&clean);
    for reason in Skip::ALL {
        planting.plant(*reason, count);
        expected.insert(reason.name().to_owned(), count as u64);
        *expected.get_mut("records").unwrap() += count as u64;
        count += STEP;
    }
    planting.write();

    let mut dirty = report(&day);
    assert_eq!(totals(&dirty), expected);
    assert_eq!(skipped(&dirty), planting.planted, "each in its file");
    let flows = |report: &Value| -> BTreeMap<String, u64> {
        let files = report["input"]["files"].as_array().unwrap().iter();
        let of =
            files.map(|file| (file["path"].as_str().unwrap(), file["flows"].as_u64().unwrap()));
        of.filter(|(_, flows)| *flows > 0).map(|(path, flows)| (path.to_owned(), flows)).collect()
    };
    assert_eq!(flows(&dirty), flows(&clean), "every other flow is still there");
    let mut clean = clean;
    for report in [&mut clean, &mut dirty] {
        report["input"]["files"].take();
    }
    for (key, value) in clean.as_object().unwrap() {
        assert_eq!(&dirty[key], value, "{key}");
    }
}

/// What each file skipped for each reason, files without any left out.
type Skipped = BTreeMap<String, BTreeMap<String, u64>>;

fn skipped(report: &Value) -> Skipped {
    let files = report["input"]["files"].as_array().unwrap().iter();
    let of = |file: &Value| {
        let counts = serde_json::from_value(file["skipped"].clone()).unwrap();
        (file["path"].as_str().unwrap().to_owned(), counts)
    };
    files.map(of).filter(|(_, counts): &(_, BTreeMap<_, _>)| !counts.is_empty()).collect()
}

/// The files of a day, with what is planted in them.
struct Planting {
    files: Vec<File>,
    random: Random,
    planted: Skipped,
    day: PathBuf,
}

struct File {
    path: PathBuf,
    /// As it was.
    good: Log,
    /// As it becomes.
    lines: Vec<Vec<u8>>,
    before: Vec<u8>,
    after: Vec<u8>,
    json: bool,
}

impl Planting {
    fn read(day: &Path) -> Self {
        let file = |path: PathBuf| {
            let good = Log::read(&path).filter(|log| !log.rows.is_empty())?;
            let lines = good.rows.clone();
            Some(File { path, good, lines, before: vec![], after: vec![], json: false })
        };
        let files = files(day).into_iter().filter_map(file).collect();
        Self { files, random: Random(SEED), planted: BTreeMap::new(), day: day.to_owned() }
    }

    fn write(&self) {
        for file in &self.files {
            let header = if file.json { &[] } else { &file.good.header[..] };
            let lines = Log { header: header.to_vec(), rows: file.lines.clone() }.to_bytes();
            fs::write(&file.path, [&file.before[..], &lines, &file.after].concat()).unwrap();
        }
    }

    fn plant(&mut self, reason: Skip, count: usize) {
        match reason {
            Skip::BadTime => self.spoil(reason, count, ANY, |row| row.set("ts", "yesterday")),
            Skip::MissingField => self.spoil(reason, count, ANY, |row| row.set("ts", "-")),
            Skip::BadAddress => {
                self.spoil(reason, count, ANY, |row| row.set("id.orig_h", "192.0.2.300"));
            }
            Skip::BadPort => self.spoil(reason, count, ANY, |row| row.set("id.resp_p", "65536")),
            Skip::BadNumber => {
                self.spoil(reason, count, &["conn"], |row| row.set("orig_bytes", "-10"));
            }
            Skip::ColumnCount => self.spoil(reason, count, ANY, |row| row.0.push(b"more".to_vec())),
            Skip::Duplicate => self.spoil(reason, count, &["conn"], |_| ()),
            Skip::Binary => {
                self.spoil(reason, count, ANY, |row| row.0 = vec![b"\x00\x01\xff\xfe".to_vec()]);
            }
            Skip::LineTooLong => {
                self.spoil(reason, count, ANY, |row| row.0 = vec![vec![b'y'; LINE_BYTES_MAX + 1]]);
            }
            Skip::BadJson => self.spoil_json(count),
            Skip::NoHeader => self.put_before_a_header(count),
            Skip::CutOff => self.cut_off(count),
            Skip::UnusedLog => self.add_an_unused_log(count),
            Skip::NoFlow => self.add_intervals_without_traffic(count),
            Skip::NotIp => {
                self.add_captures(reason, 1, count, &[[0; 12].as_slice(), b"\x88\xcc"].concat())
            }
            Skip::BadPacket => self.add_captures(reason, 1, count, b"\x01\x02\x03\x04"),
            // What follows a broken part is not read: one a file.
            Skip::BadBlock => self.add_captures(reason, count, 1, &[]),
        }
    }

    /// Copies good rows, spoils the copies and puts them anywhere among the rows of their file.
    fn spoil(&mut self, reason: Skip, count: usize, names: &[&str], spoil: impl Fn(&mut Row)) {
        for number in 0..count {
            let at = self.file(names[number % names.len()], |_| true);
            let File { good, lines, .. } = &mut self.files[at];
            let copied = &good.rows[self.random.below(good.rows.len())];
            let columns = copied.split(|byte| *byte == b'\t').map(<[u8]>::to_vec);
            let mut row = Row(columns.collect(), good.words("fields"));
            spoil(&mut row);
            lines.insert(self.random.below(lines.len() + 1), row.0.join(&b'\t'));
            self.count(at, reason, 1);
        }
    }

    /// Makes a file JSON, with lines that are none in between.
    fn spoil_json(&mut self, count: usize) {
        let at = self.file("conn", |file| file.lines.len() == file.good.rows.len());
        let file = &mut self.files[at];
        file.json = true;
        file.lines = file.good.to_json();
        for _ in 0..count {
            let bad = b"{\"ts\":1.5,\"uid\"}".to_vec();
            file.lines.insert(self.random.below(file.lines.len() + 1), bad);
        }
        self.count(at, Skip::BadJson, count);
    }

    fn put_before_a_header(&mut self, count: usize) {
        let at = self.file("dns", |_| true);
        self.files[at].before = b"row\twithout\theader\n".repeat(count);
        self.count(at, Skip::NoHeader, count);
    }

    /// Ends one file after the other in the middle of a row.
    fn cut_off(&mut self, count: usize) {
        for number in 0..count {
            let at = self.file(ANY[number % ANY.len()], |file| file.after.is_empty());
            let file = &mut self.files[at];
            let columns: Vec<_> = file.good.rows[0].split(|byte| *byte == b'\t').collect();
            file.after = columns[..columns.len() / 2].join(&b'\t');
            self.count(at, Skip::CutOff, 1);
        }
    }

    fn add_an_unused_log(&mut self, count: usize) {
        let header = ["#separator \\x09", "#path\tweird", "#fields\tts\tname"];
        let header = header.map(|line| line.as_bytes().to_vec()).to_vec();
        let (path, lines) = (self.day.join("weird.log"), vec![b"1.5\todd".to_vec(); count]);
        let good = Log { header, rows: vec![] };
        self.files.push(File { path, good, lines, before: vec![], after: vec![], json: false });
        self.count(self.files.len() - 1, Skip::UnusedLog, count);
    }

    /// As Amazon's flow logs tell of them.
    fn add_intervals_without_traffic(&mut self, count: usize) {
        let line = b"2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA".to_vec();
        let (path, lines) = (self.day.join("quiet.txt"), vec![line; count]);
        let good = Log { header: vec![], rows: vec![] };
        self.files.push(File { path, good, lines, before: vec![], after: vec![], json: true });
        self.count(self.files.len() - 1, Skip::NoFlow, count);
    }

    /// Adds captures, each with so many of a frame; without one, each with a length that cannot be.
    fn add_captures(&mut self, reason: Skip, captures: usize, frames: usize, frame: &[u8]) {
        for number in 0..captures {
            let mut bytes =
                b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0".to_vec();
            let length = if frame.is_empty() { u32::MAX } else { frame.len() as u32 };
            for _ in 0..frames {
                bytes.extend([1_700_000_000, 0, length, length].map(u32::to_le_bytes).concat());
                bytes.extend_from_slice(frame);
            }
            let path = self.day.join(format!("{}-{number}.pcap", reason.name()));
            let good = Log { header: vec![], rows: vec![] };
            let file = File { path, good, lines: vec![], before: bytes, after: vec![], json: true };
            self.files.push(file);
            self.count(self.files.len() - 1, reason, frames);
        }
    }

    fn count(&mut self, at: usize, reason: Skip, count: usize) {
        let path = self.files[at].path.to_str().unwrap();
        let of_file = self.planted.entry(path.to_owned()).or_default();
        *of_file.entry(reason.name().to_owned()).or_default() += count as u64;
    }

    /// Any file of a log that is in Zeek's own notation and fits.
    fn file(&mut self, name: &str, fits: impl Fn(&File) -> bool) -> usize {
        let fits = |file: &File| !file.json && file.good.name() == name && fits(file);
        let fitting: Vec<_> = (0..self.files.len()).filter(|at| fits(&self.files[*at])).collect();
        fitting[self.random.below(fitting.len())]
    }
}

/// A row's columns, and their names.
struct Row(Vec<Vec<u8>>, Vec<String>);

impl Row {
    fn set(&mut self, name: &str, value: &str) {
        let at = self.1.iter().position(|field| field == name).unwrap();
        self.0[at] = value.as_bytes().to_vec();
    }
}

impl Log {
    /// The rows as JSON, an object a line.
    fn to_json(&self) -> Vec<Vec<u8>> {
        let (fields, types) = (self.words("fields"), self.words("types"));
        let object = |row: &Vec<u8>| {
            let values = str::from_utf8(row).unwrap().split('\t');
            let named = fields.iter().zip(&types).zip(values).filter(|(_, value)| *value != "-");
            let pairs = named.map(|((name, kind), value)| (name.clone(), to_json(kind, value)));
            Value::Object(pairs.collect::<Map<_, _>>()).to_string().into_bytes()
        };
        self.rows.iter().map(object).collect()
    }
}

fn to_json(kind: &str, value: &str) -> Value {
    match kind {
        "time" | "interval" | "double" | "count" | "int" | "port" => {
            serde_json::from_str(value).unwrap()
        }
        "bool" => json!(value == "T"),
        _ if value == "(empty)" => json!([]),
        _ if kind.starts_with("set[") || kind.starts_with("vector[") => {
            let inner = kind.split(['[', ']']).nth(1).unwrap();
            value.split(',').map(|item| to_json(inner, item)).collect()
        }
        _ => json!(value),
    }
}

//! Generates into memory and reads the bytes back, knowing nothing but Zeek's format.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use flowlore_synth::{Params, Scenario, Summary, generate};

pub(crate) struct Sample {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) summary: Summary,
}

pub(crate) fn params(seed: u64, orgs: u8, hosts: u32, scenario: &str) -> Params {
    let scenarios = Scenario::list(scenario).expect("a known scenario");
    Params { seed, orgs, hosts, scenarios, ..Params::default() }
}

pub(crate) fn sample(params: &Params) -> Sample {
    let mut files = BTreeMap::new();
    let summary = generate(params, &mut files).expect("memory takes all bytes");
    Sample { files, summary }
}

/// A row with the file it stands in.
pub(crate) struct Row<'a> {
    pub(crate) file: &'a str,
    fields: &'a [&'a str],
    values: Vec<&'a str>,
}

impl<'a> Row<'a> {
    pub(crate) fn text(&self, name: &str) -> &'a str {
        let at = self.fields.iter().position(|field| *field == name);
        self.values[at.unwrap_or_else(|| panic!("{}: no column {name}", self.file))]
    }
    pub(crate) fn set(&self, name: &str) -> bool {
        self.text(name) != "-"
    }
    pub(crate) fn number(&self, name: &str) -> u64 {
        let text = self.text(name);
        text.parse().unwrap_or_else(|_| panic!("{name} is {text}"))
    }
    /// A time or interval in microseconds.
    pub(crate) fn micros(&self, name: &str) -> u64 {
        micros(self.text(name))
    }
    /// A connection's end.
    pub(crate) fn end(&self) -> u64 {
        self.micros("ts") + if self.set("duration") { self.micros("duration") } else { 0 }
    }
    pub(crate) fn values(&self) -> &[&'a str] {
        &self.values
    }
}

pub(crate) fn micros(text: &str) -> u64 {
    let (whole, part) = text.split_once('.').expect("six decimals");
    assert_eq!(part.len(), 6, "{text}");
    whole.parse::<u64>().expect("seconds") * 1_000_000 + part.parse::<u64>().expect("micros")
}

impl Sample {
    pub(crate) fn orgs(&self) -> Vec<&str> {
        self.summary.orgs.iter().map(|(folder, _)| folder.as_str()).collect()
    }

    /// Calls `each` with every row of a log of an org, in the order of the files.
    pub(crate) fn each<'a>(&'a self, org: &str, log: &str, mut each: impl FnMut(Row<'a>)) {
        let name = format!("/{log}.");
        for (file, bytes) in self
            .files
            .iter()
            .filter(|(file, _)| file.starts_with(&format!("{org}/")) && file.contains(&name))
        {
            let text = std::str::from_utf8(bytes).expect("text");
            let header = text.lines().find_map(|line| line.strip_prefix("#fields\t"));
            let fields: Vec<&str> = header.expect("a header").split('\t').collect();
            let fields: &'a [&'a str] = fields.leak();
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let values: Vec<&str> = line.split('\t').collect();
                assert_eq!(values.len(), fields.len(), "{file}: {line}");
                each(Row { file, fields, values });
            }
        }
    }

    pub(crate) fn rows(&self, org: &str, log: &str) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        self.each(org, log, |row| rows.push(row));
        rows
    }

    /// Rows of the key without its header.
    pub(crate) fn key(&self) -> Vec<Vec<&str>> {
        let text = std::str::from_utf8(&self.files["key.tsv"]).expect("text");
        text.lines().skip(1).map(|line| line.split('\t').collect()).collect()
    }

    pub(crate) fn is_inside(&self, org: &str, addr: &str) -> bool {
        let (_, nets) = self.summary.orgs.iter().find(|(folder, _)| folder == org).expect("an org");
        nets.iter().any(|net| {
            let prefix = net.split_once("0.0/").or_else(|| net.split_once(":/")).expect("a net").0;
            addr.starts_with(prefix)
        })
    }
}

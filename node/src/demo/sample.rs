//! The logs of three orgs, and what is known to be in them: from the generator's key, and counted in the files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flowlore_common::env::{Clock as _, SystemClock};
use flowlore_common::time::Day;
use flowlore_synth::{Output, Params, Planted, Summary, generate};
use serde_json::Value;

use crate::rpc::client::files_below;

/// Machines of each org: a day of them is analyzed in a second.
const HOSTS: u32 = 24;

/// The sample of one run.
pub(super) struct Sample {
    root: PathBuf,
    summary: Summary,
    day: String,
}

/// A destination, who sees it, and from which machine.
pub(crate) struct Subject {
    /// Name or address.
    pub(super) destination: String,
    /// The day of the sample.
    pub(super) day: String,
    /// By org: the machine, where the key names one.
    sources: [Option<String>; 3],
    /// By org: whether its log files name the destination.
    named: [bool; 3],
}

impl Subject {
    pub(super) fn source(&self, org: usize) -> String {
        self.sources[org].clone().unwrap_or_default()
    }
    pub(super) const fn seen_by(&self, org: usize) -> bool {
        self.named[org]
    }
}

/// What the demo asks about.
pub(crate) struct Subjects {
    /// A C2 server that hosts of A and B call, and nobody at C.
    pub(super) shared: Subject,
    /// A C2 server that only hosts of A call.
    pub(super) only_a: Subject,
    /// What a person at A labels.
    pub(super) labelled: Subject,
}

impl Sample {
    /// Writes the logs.
    pub(super) fn generate(root: &Path, seed: u64) -> Result<Self> {
        let first_day = last_working_day(SystemClock.now().day());
        let params = Params { seed, first_day, orgs: 3, hosts: HOSTS, ..Params::default() };
        let day = params.first_day.to_string();
        let summary = generate(&params, &mut Files { root: root.to_owned() })
            .with_context(|| format!("writing sample logs to {}", root.display()))?;
        Ok(Self { root: root.to_owned(), summary, day })
    }

    pub(super) fn told(&self) -> String {
        let (planted, hosts) = (self.summary.planted.len(), self.summary.hosts);
        format!("a day of three orgs of {hosts} machines, {planted} attacks planted")
    }

    pub(super) fn logs(&self, org: usize) -> PathBuf {
        self.root.join(&self.summary.orgs[org].0)
    }

    pub(super) fn home_nets(&self, org: usize) -> Vec<String> {
        self.summary.orgs[org].1.iter().map(ToString::to_string).collect()
    }

    /// Rows of conn logs, counted in the files.
    pub(super) fn conn_rows(&self, org: usize) -> Result<u64> {
        let mut rows = 0;
        for path in files_below(&self.logs(org))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("conn.") {
                let text = fs::read(&path)?;
                let lines = text.split(|byte| *byte == b'\n');
                rows += lines.filter(|line| !line.is_empty() && line[0] != b'#').count() as u64;
            }
        }
        Ok(rows)
    }

    /// Picks what is asked about: what the key planted, preferring what the orgs' own reports found.
    pub(super) fn subjects(&self, reports: &[Option<Value>; 3]) -> Result<Subjects> {
        let mut beacons: BTreeMap<&str, Vec<&Planted>> = BTreeMap::new();
        for planted in self.summary.planted.iter().filter(|planted| planted.scenario == "beacon") {
            beacons.entry(&planted.destination).or_default().push(planted);
        }
        let mut shared = None;
        let mut only_a: Option<(bool, Subject)> = None;
        for (destination, planted) in &beacons {
            let subject = self.subject(destination, planted)?;
            match subject.named {
                [true, true, false] => shared = Some(subject),
                [true, false, false] => {
                    let found = !findings(reports[0].as_ref(), destination).is_empty();
                    if only_a.as_ref().is_none_or(|(other, _)| found && !other) {
                        only_a = Some((found, subject));
                    }
                }
                _ => {}
            }
        }
        let phishing = self.summary.planted.iter().find(|planted| {
            planted.scenario == "phishing" && planted.org == self.summary.orgs[0].0
        });
        let phishing = phishing.context("the sample has no phishing at A")?;
        Ok(Subjects {
            shared: shared.context("the sample has no server that A and B share")?,
            only_a: only_a.context("the sample has no server of A alone")?.1,
            labelled: self.subject(&phishing.destination, &[phishing])?,
        })
    }

    fn subject(&self, destination: &str, planted: &[&Planted]) -> Result<Subject> {
        let mut sources = [None, None, None];
        let mut named = [false; 3];
        for (org, (folder, _)) in self.summary.orgs.iter().enumerate().take(3) {
            let ours = planted.iter().find(|planted| planted.org == *folder);
            sources[org] = ours.map(|planted| planted.source.clone());
            named[org] = self.names(org, destination)?;
        }
        let (destination, day) = (destination.to_owned(), self.day.clone());
        Ok(Subject { destination, day, sources, named })
    }

    /// Whether an org's log files have a field that is the destination.
    fn names(&self, org: usize, destination: &str) -> Result<bool> {
        for path in files_below(&self.logs(org))? {
            let bytes = fs::read(&path)?;
            let mut fields = bytes.split(|byte| matches!(byte, b'\t' | b'\n' | b','));
            if fields.any(|field| field == destination.as_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The latest working day before today: nobody believes a node that saw tomorrow, and weekends are quiet.
fn last_working_day(today: Day) -> Day {
    let before = (1..=3).map(|back| Day(today.0.saturating_sub(back)));
    // Day 0, 1 January 1970, was a Thursday: Saturday is 2, Sunday 3.
    before.into_iter().find(|day| !matches!(day.0 % 7, 2 | 3)).unwrap_or(today)
}

/// Findings of a report about a destination at medium or above: what an org says to others.
pub(super) fn findings(report: Option<&Value>, destination: &str) -> Vec<Value> {
    let all = report.and_then(|report| report["findings"].as_array()).cloned().unwrap_or_default();
    let is_about = |finding: &Value| {
        let to = &finding["destination"];
        let host = to["host"].as_str().or(to["address"].as_str());
        let grave = matches!(finding["severity"].as_str(), Some("medium" | "high" | "critical"));
        host == Some(destination) && grave
    };
    all.into_iter().filter(is_about).collect()
}

/// Writes what the generator gives to files.
struct Files {
    root: PathBuf,
}

impl Output for Files {
    fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(bytes)
    }

    fn finish(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }
}

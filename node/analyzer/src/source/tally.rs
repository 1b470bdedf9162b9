//! What became of a file's records: each used, or counted under a reason.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Content;
use crate::record::Skip;

/// What (a part of) a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Format {
    /// No byte, or blank lines only.
    Empty,
    /// No format of ours.
    Unknown,
    /// A log of Zeek's.
    Zeek(Content),
    /// One of the table's, by its name in the report.
    Listed(&'static str),
}

/// The numbers of one file, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileTally {
    pub(super) formats: BTreeSet<Format>,
    /// Records: lines that are neither header nor blank, elements of a JSON array.
    pub records: u64,
    /// Flows that come from this file. Sources leave it at 0: which of several records of a flow counts
    /// is settled later.
    pub flows: u64,
    /// Records that gave nothing, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// What else is to be said of the file: what was lost before it was written, what was left out.
    pub notes: BTreeSet<String>,
}

impl FileTally {
    /// The format's name in the report: `zeek/conn`, `zeek/conn+zeek/dns` where logs were put together,
    /// `unknown`, `pcap`, `empty`.
    #[must_use]
    pub fn format(&self) -> String {
        let name = |format: &Format| match format {
            Format::Empty => "empty".to_owned(),
            Format::Unknown => "unknown".to_owned(),
            Format::Zeek(content) => format!("zeek/{}", content.name()),
            Format::Listed(name) => (*name).to_owned(),
        };
        let names: BTreeSet<String> = self.formats.iter().map(name).collect();
        names.into_iter().collect::<Vec<_>>().join("+")
    }

    /// Whether the file is of no format that we know.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.formats.contains(&Format::Unknown)
    }

    /// Records that were handed on.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.records.saturating_sub(self.skipped.values().sum())
    }

    /// Adds another part of the same file. Parts may be added in any order.
    pub fn merge(&mut self, other: &Self) {
        self.formats.extend(&other.formats);
        self.notes.extend(other.notes.iter().cloned());
        self.records += other.records;
        self.flows += other.flows;
        for (reason, count) in &other.skipped {
            self.skip(*reason, *count);
        }
    }

    /// Counts records under a reason.
    pub fn skip(&mut self, reason: Skip, count: u64) {
        *self.skipped.entry(reason).or_insert(0) += count;
    }
}

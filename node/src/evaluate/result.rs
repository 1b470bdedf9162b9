//! What an evaluation measured: the JSON of `--json` and `--save`, schema `flowlore.evaluation.v1`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) const SCHEMA: &str = "flowlore.evaluation.v1";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Evaluation {
    pub(super) schema: String,
    /// Version of the program.
    pub(super) version: String,
    pub(super) seed: u64,
    pub(super) hosts: u32,
    pub(super) days: u16,
    /// Recordings in the order of their table.
    pub(super) recordings: Vec<RecordingRow>,
    /// Recordings of formats that are not read, by format.
    pub(super) not_read: BTreeMap<String, Vec<String>>,
    /// Ranks of true incidents, a row for each way of looking.
    pub(super) ranks: Vec<RankRow>,
    pub(super) behaviours: Vec<BehaviourRow>,
    pub(super) budget: Option<Budget>,
    pub(super) calibration: Vec<CalibrationRow>,
    pub(super) robustness: Vec<RobustnessRow>,
    pub(super) detection_time: DetectionTime,
    /// Beacons by period, jitter, loss and noise of size.
    pub(super) beacons: Vec<BeaconRow>,
    /// Visits to pages that lure; absent in older results.
    #[serde(default)]
    pub(super) phishing: Phishing,
    /// Items to read, all recordings and the sample day.
    pub(super) items: BTreeMap<String, Items>,
}

/// One recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RecordingRow {
    pub(super) group: String,
    pub(super) malicious: bool,
    /// Another recording of the same traffic came before: not counted again.
    pub(super) repeated: bool,
    /// Rank of the true incident by way of looking, absent when it is not in the report.
    pub(super) ranks: BTreeMap<String, usize>,
    /// What was due and not found where it is, as is.
    pub(super) missed: Vec<String>,
    /// Incidents by severity, as is.
    pub(super) incidents: BTreeMap<String, usize>,
    /// Benign: incidents that should not be there.
    pub(super) loud: usize,
    pub(super) items: Items,
}

/// How many things there are to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Items {
    /// Incidents of medium severity and above.
    pub(super) ours: usize,
    pub(super) rita: usize,
    pub(super) sentinel: usize,
    pub(super) elastic: usize,
    pub(super) notices: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RankRow {
    /// `as_is`, `conn_only`; `laid` into a day that has a history, `laid_first_day` into one that has none, both also
    /// with `_conn_only`.
    pub(super) view: String,
    /// The rank that counts.
    pub(super) top: usize,
    pub(super) n: u64,
    pub(super) within: u64,
    /// Percent that are to be within, if there is a goal.
    pub(super) target_percent: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct BehaviourRow {
    /// `captures` or `sample`.
    pub(super) set: String,
    pub(super) code: String,
    /// Places where it is one of the right names.
    pub(super) due: u64,
    /// Of these, found by this name.
    pub(super) found: u64,
    /// Of these, found by another of the right names only.
    pub(super) otherwise: u64,
    /// Of the found, delivered: medium severity and above.
    pub(super) delivered: u64,
    /// Findings of medium severity and above where nothing is due.
    pub(super) false_delivered: u64,
    /// Findings of low severity where nothing is due.
    pub(super) false_low: u64,
}

/// Benign days of many hosts, from the third day on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Budget {
    pub(super) host_days: u64,
    /// Incidents of kind threat, high or critical.
    pub(super) high: u64,
    /// Medium and above.
    pub(super) delivered: u64,
    /// Low.
    pub(super) low: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CalibrationRow {
    /// Lower end of ten points of confidence.
    pub(super) from: u8,
    pub(super) findings: u64,
    pub(super) right: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RobustnessRow {
    pub(super) view: String,
    /// Reports that are not byte for byte the same.
    pub(super) reports_differ: u64,
    /// Due places found, of `due`.
    pub(super) found: u64,
    pub(super) due: u64,
    /// True incidents among the first three, of `groups`.
    pub(super) top3: u64,
    pub(super) groups: u64,
}

/// Seconds from the first flow at a due place to its first delivered finding; upper ends of a ladder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct DetectionTime {
    pub(super) n: u64,
    pub(super) median_s: Option<u32>,
    pub(super) p95_s: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct BeaconRow {
    pub(super) parameter: String,
    pub(super) value: u64,
    pub(super) n: u64,
    /// Found at any severity.
    pub(super) found: u64,
    /// Medium severity and above, with a history of two days.
    pub(super) delivered: u64,
    /// The same without a history.
    pub(super) first_day: u64,
    pub(super) rita: u64,
    pub(super) sentinel: u64,
    pub(super) elastic: u64,
}

/// Visits to pages that lure, and what was said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Phishing {
    /// Sample days, each of a seed of its own.
    pub(super) seeds: u64,
    /// By what was done, then what was said, `not_found` for a page that was not: all visits.
    pub(super) all: BTreeMap<String, BTreeMap<String, u64>>,
    /// The same of those that flows can show: see `Seen` in `phishing.rs`.
    pub(super) visible: BTreeMap<String, BTreeMap<String, u64>>,
    /// All visits by what they were like.
    pub(super) parameters: Vec<PhishingRow>,
}

/// All visits with one parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PhishingRow {
    pub(super) parameter: String,
    pub(super) value: String,
    /// Who typed nothing; of these, pages found, and called likely or confirmed.
    pub(super) visitors: u64,
    pub(super) pages_found: u64,
    pub(super) visitors_called: u64,
    /// Who sent something; of these, pages found, called attempted or above, and called just what it was.
    pub(super) submitters: u64,
    pub(super) submitters_found: u64,
    pub(super) submitters_called: u64,
    pub(super) submitters_right: u64,
}

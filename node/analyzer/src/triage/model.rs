//! The shape of a triage: schema `flowlore.triage.v1`, and `flowlore.triage_review.v1` over several. Field names and
//! their order are the JSON's; names may be added, never changed.

use std::{collections::BTreeMap, net::IpAddr};

use flowlore_common::{label::Behaviour, time::Micros};
use serde::Serialize;

use crate::{
    inventory::Machine,
    report::model::{ActionEntry, Finding, Summary, Tool, Verdict},
};

/// Name and version of the schema of one triage.
pub const SCHEMA: &str = "flowlore.triage.v1";
/// Name and version of the schema over several.
pub const REVIEW_SCHEMA: &str = "flowlore.triage_review.v1";

/// The story around an alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Triage {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What made it.
    pub tool: Tool,
    /// What was asked about.
    pub alert: AlertEntry,
    /// What was looked at.
    pub window: Window,
    /// The answer in short. `incidents` counts those that the findings below belong to.
    pub summary: Summary,
    /// What happened, in order of time.
    pub story: Vec<StoryLine>,
    /// What speaks for the verdict and against it, beside the evidence of the findings.
    pub evidence: Vec<Reason>,
    /// The host's other ends in the window, in order of their first flow.
    pub destinations: Vec<DestinationPart>,
    /// Other ends not listed.
    pub destinations_rest: u64,
    /// Flows to one destination and port that overlap in time, in order of their start.
    pub groups: Vec<GroupEntry>,
    /// Activity groups not listed.
    pub groups_rest: u64,
    /// Groups whose ends follow each other within 0.75 s.
    pub end_clusters: Vec<ClusterEntry>,
    /// End clusters not listed.
    pub end_clusters_rest: u64,
    /// What the whole input shows about the host during the window, and about the alert's destination at any time, as in
    /// the report; gravest first.
    pub findings: Vec<Finding>,
    /// Such findings not listed.
    pub findings_rest: u64,
    /// What to do, the most urgent first.
    pub actions: Vec<ActionEntry>,
    /// What could not be seen, each a sentence.
    pub limits: Vec<String>,
}

/// What was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertEntry {
    /// When; the first of identical ones.
    pub at: Micros,
    /// How many identical ones (same rule, host and destination within a day) this answers.
    pub count: u64,
    /// When the last of them was raised.
    pub last: Micros,
    /// What raised it.
    pub rule: String,
    /// Its sentence or class.
    pub message: Option<String>,
    /// Whose story: the inside end.
    pub host: Machine,
    /// The other end.
    pub destination: Option<String>,
    /// The sensor's name of its flow.
    pub uid: Option<String>,
}

/// What was looked at. `told` and the counts of `left_out` add up to `flows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Its first instant.
    pub from: Micros,
    /// The instant after its last.
    pub to: Micros,
    /// Seconds by which it is longer than asked for, so that activity groups are whole.
    pub extended_by_s: u64,
    /// Flows of the input that overlap it, whoever's.
    pub flows: u64,
    /// Of these, flows that a line of the story is about; each in one line.
    pub told: u64,
    /// The others, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoryLine {
    /// When it began.
    pub at: Micros,
    /// When it ended.
    pub until: Micros,
    /// `alert`, `look_up`, `page_load`, `download`, `contact`, `contacts`, `attempt`, `inbound`, `scan`, `names`,
    /// `closing` or `after`.
    pub kind: &'static str,
    /// The other end, where there is one.
    pub destination: Option<String>,
    /// For a person.
    pub sentence: String,
    /// Flows of the window that it is about.
    pub flows: u64,
    /// The sensor's names of the first of them.
    pub flow_uids: Vec<String>,
}

/// What speaks for a verdict, or against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Whether it speaks for the verdict.
    #[serde(rename = "for")]
    pub supports: bool,
    /// For a person.
    pub sentence: String,
}

/// Another end and its part in the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DestinationPart {
    /// Its name or address; of an incoming flow where it came from.
    pub destination: String,
    /// The server's port.
    pub port: u16,
    /// `tcp`, `udp`, `icmp`, or the protocol's number.
    pub transport: String,
    /// Whether it opened the flows.
    pub incoming: bool,
    /// `page`, `resource`, `download`, `name_server`, `visitor`, `prober`, `silent` or `other`.
    pub role: &'static str,
    /// Sum of the inference scores.
    pub score: i32,
    /// What it is made of.
    pub points: BTreeMap<&'static str, i32>,
    /// Flows in the window.
    pub flows: u64,
    /// Payload from whoever opened the flows.
    pub bytes_out: u64,
    /// Payload back.
    pub bytes_in: u64,
    /// Start of the first flow.
    pub first: Micros,
    /// End of the last flow.
    pub last: Micros,
    /// Inside hosts that contact it, in the whole input; of an incoming flow 0.
    pub inside_hosts: u64,
    /// Why its flows are in no line of the story, if some are not.
    pub left_out: Option<&'static str>,
}

/// Flows to one destination and port that overlap in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupEntry {
    /// Number of its entry in `destinations`, counted from 0.
    pub destination: u64,
    /// Start of the first flow.
    pub first: Micros,
    /// End of the last flow.
    pub last: Micros,
    /// Flows.
    pub flows: u64,
    /// Flows of each category.
    pub categories: BTreeMap<&'static str, u64>,
}

/// Groups that closed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterEntry {
    /// The first end.
    pub first: Micros,
    /// The last end.
    pub last: Micros,
    /// The other ends whose groups closed.
    pub destinations: Vec<String>,
}

/// Several triages together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Review {
    /// [`REVIEW_SCHEMA`].
    pub schema: &'static str,
    /// What made it.
    pub tool: Tool,
    /// Alerts read, identical ones counted each.
    pub alerts: u64,
    /// Of these, alerts that an identical one answers.
    pub folded: u64,
    /// Alerts that name no address.
    pub unusable: u64,
    /// Answers by verdict, identical alerts counted once.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// What hosts have in common, gravest first.
    pub shared: Vec<Shared>,
    /// The answers, in order of time. Absent where each stands on a line of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triages: Vec<Triage>,
}

/// A destination or behaviour that several hosts share: is it widespread?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// What they share: a destination; absent where it is a behaviour alone.
    pub destination: Option<String>,
    /// Behaviours found.
    pub behaviours: Vec<Behaviour>,
    /// The gravest verdict among their answers.
    pub verdict: Verdict,
    /// How many hosts.
    pub hosts_count: u64,
    /// The lowest of them.
    pub hosts: Vec<IpAddr>,
    /// Alerts about it, identical ones counted each.
    pub alerts: u64,
    /// Organizations elsewhere that saw the same; absent: not asked.
    pub orgs: Option<u64>,
    /// For a person.
    pub sentence: String,
}

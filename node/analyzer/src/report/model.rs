//! The report's shape: schema `flowlore.report.v1`. Field names and their order are the JSON's; names
//! may be added, never changed.

use std::{collections::BTreeMap, net::IpAddr};

use flowlore_common::{
    label::{Behaviour, Direction, Severity, Technique},
    time::Micros,
};
use serde::Serialize;

use crate::{coverage::Coverage, detect::phishing_submission::Submission, inventory::Machine};

/// Name and version of the schema.
pub const SCHEMA: &str = "flowlore.report.v1";

/// The whole answer to "what is in these logs?".
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What made it.
    pub tool: Tool,
    /// Whose data, where one node serves several.
    pub tenant: Option<String>,
    /// What was read.
    pub input: Input,
    /// How much of the traffic that shows.
    pub coverage: Coverage,
    /// The answer in short.
    pub summary: Summary,
    /// What somebody may have to act on: findings that belong together.
    pub incidents: Vec<Incident>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Destinations: those of findings first, then by flows.
    pub destinations: Vec<DestinationEntry>,
    /// Destinations not listed.
    pub destinations_rest: u64,
    /// Flows of each category; they add up to `input.flows`.
    pub categories: BTreeMap<&'static str, u64>,
    /// Who talked to whom.
    pub conversations: Conversations,
    /// Distinct inside hosts that sent something.
    pub inside_hosts: u64,
    /// Outbound flows without a payload byte back.
    pub unanswered: u64,
    /// Attempts from outside without an answer with data, by day.
    pub inbound_probes: Vec<ProbeDay>,
}

/// What made the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Version of the program.
    pub version: &'static str,
    /// Behaviours that this version looks for.
    pub detectors: Vec<Behaviour>,
    /// Lists in use, by name and hash.
    pub lists: Vec<List>,
    /// Digest of the options that change a report.
    pub options_digest: String,
}

/// A list that detection or naming uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct List {
    /// Its name.
    pub name: &'static str,
    /// The first sixteen hex digits of its hash.
    pub hash: String,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// File by file.
    pub files: Vec<InputFile>,
    /// Flows in all of them.
    pub flows: u64,
    /// Start of the first flow.
    pub first: Option<Micros>,
    /// End of the last one.
    pub last: Option<Micros>,
    /// What else is to be said about the paths given.
    pub notes: Vec<String>,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// As given or found.
    pub path: String,
    /// What it was recognised as.
    pub format: String,
    /// Records read.
    pub records: u64,
    /// Flows of the report that stand in it.
    pub flows: u64,
    /// Records that gave nothing, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// What else is to be said about it.
    pub note: Option<String>,
}

/// The answer in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// All in all.
    pub verdict: Verdict,
    /// How far an attack got, as far as flows show.
    pub outcome: &'static str,
    /// 0 to 100: how sure.
    pub confidence: u8,
    /// `low` to 39, `medium` to 64, `medium_high` to 84, `high`.
    pub confidence_band: &'static str,
    /// Whether a person has to do something.
    pub action_required: bool,
    /// One line.
    pub text: String,
    /// Incidents by severity, those below the threshold too.
    pub incidents: BTreeMap<&'static str, u64>,
    /// Incidents that somebody muted.
    pub muted: u64,
    /// Incidents below `--min-severity`, which are not listed.
    pub below_threshold: u64,
}

/// What the report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A threat of high severity or above.
    Malicious,
    /// A threat of medium severity.
    Suspicious,
    /// Nothing, in data that would have shown it.
    NoInterestingActivity,
    /// Nothing, in data that may have hidden it.
    Inconclusive,
}

/// What somebody may have to act on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Incident {
    /// Stable while it goes on.
    pub id: String,
    /// For a person.
    pub title: String,
    /// Of the gravest finding; one step above it, at most high, where three or more stand in a sequence.
    pub severity: Severity,
    /// `threat`, `policy` or `hygiene`.
    pub kind: &'static str,
    /// Of the surest finding.
    pub confidence: u8,
    /// `new`, `ongoing`, `ended`.
    pub state: &'static str,
    /// Inside hosts, or whoever opened the connections.
    pub hosts: Vec<IpAddr>,
    /// Names or addresses.
    pub destinations: Vec<String>,
    /// Start of the first flow.
    pub first: Micros,
    /// End of the last flow.
    pub last: Micros,
    /// Its findings, gravest first.
    pub finding_ids: Vec<String>,
    /// Where its findings stand in an order that attacks have: the order, and what each step was. Absent: nowhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<SequenceEntry>,
    /// What to do.
    pub actions: Vec<ActionEntry>,
    /// How other members closed the like.
    pub closed_elsewhere: Option<()>,
}

/// Findings in an order that attacks have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SequenceEntry {
    /// Its name in the list.
    pub name: String,
    /// For a person.
    pub title: String,
    /// In order of time.
    pub steps: Vec<StepEntry>,
}

/// A step of a sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepEntry {
    /// When it began.
    pub at: Micros,
    /// Who did it.
    pub host: IpAddr,
    /// The finding with all its evidence.
    pub finding_id: String,
    /// What it was, and what speaks for it.
    pub sentence: String,
}

/// What was found about one source and one destination.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Stable through batches and days while it goes on.
    pub id: String,
    /// The incident that it belongs to.
    pub incident: String,
    /// What it is.
    pub behaviour: Behaviour,
    /// How grave.
    pub severity: Severity,
    /// 0 to 100: how sure.
    pub confidence: u8,
    /// Who opened the connections.
    pub source: Machine,
    /// To where.
    pub destination: FindingDestination,
    /// Seen from the org.
    pub direction: Direction,
    /// Start of the first flow.
    pub first: Micros,
    /// End of the last flow.
    pub last: Micros,
    /// Whether it still goes on where the data end.
    pub ongoing: bool,
    /// Flows.
    pub flows: u64,
    /// Payload bytes from the source.
    pub bytes_out: u64,
    /// Payload bytes from the destination.
    pub bytes_in: u64,
    /// Packets from the source.
    pub packets_out: u64,
    /// Packets from the destination.
    pub packets_in: u64,
    /// Published scores, thousandths.
    pub scores: BTreeMap<&'static str, u16>,
    /// What speaks for it and against it.
    pub evidence: Vec<EvidenceEntry>,
    /// For phishing: how far it came.
    pub submission: Option<&'static str>,
    /// For a submission: the page that it followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// ATT&CK.
    pub attack: &'static [Technique],
    /// Where to look.
    pub pivot: Pivots,
    /// What other members know.
    pub crowd: Option<()>,
    /// What to do.
    pub actions: Vec<ActionEntry>,
    /// What could not be seen, each a sentence.
    pub limits: Vec<String>,
}

impl Finding {
    /// What it is called: by its behaviour, a submission by its grade.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match (self.behaviour, self.submission) {
            (Behaviour::PhishingSubmission, Some(grade)) => Submission::title(grade),
            (behaviour, _) => behaviour.title(),
        }
    }
}

/// Where the connections of a finding went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingDestination {
    /// Its name.
    pub host: Option<String>,
    /// Names of the same site that behave the same; all of them where there are several.
    pub names: Vec<String>,
    /// How many hosts, where the finding is about many; absent where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The address contacted most.
    pub address: IpAddr,
    /// The lowest of all of them.
    pub addresses_seen: Vec<IpAddr>,
    /// Its port; 0 for several.
    pub port: u16,
    /// `tcp`, `udp`, `icmp`, or the protocol's number.
    pub transport: String,
    /// Registrable domain of the name.
    pub site: Option<String>,
    /// Where the name is from.
    pub named_by: &'static str,
}

/// A measured fact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvidenceEntry {
    /// What was measured.
    pub measure: &'static str,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it was held against.
    pub threshold: Option<f64>,
    /// Whether it speaks for the finding.
    #[serde(rename = "for")]
    pub supports: bool,
    /// For a person.
    pub sentence: String,
}

/// Where to look in other tools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pivots {
    /// Sensor's names of the first flows.
    pub flow_uids: Vec<String>,
    /// Community IDs of the first flows.
    pub community_ids: Vec<String>,
    /// Flows beyond those.
    pub more: u64,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ActionEntry {
    /// Stable code.
    pub code: &'static str,
    /// What it is done to.
    pub target: String,
    /// For a person.
    pub sentence: String,
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DestinationEntry {
    /// Name, or address of one without.
    pub destination: String,
    /// Flows of each category.
    pub categories: BTreeMap<&'static str, u64>,
    /// Distinct sources.
    pub hosts: u32,
    /// Flows.
    pub flows: u64,
    /// `malicious`, `suspicious` or `unknown`. Nothing is benign for being common.
    pub assessment: &'static str,
    /// Its part in an attack.
    pub role: Option<&'static str>,
    /// What kind of place it is: `ordinary`, `address`.
    pub class: &'static str,
}

/// Who talked to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conversations {
    /// Conversations in the input.
    pub total: u64,
    /// Of these, listed here.
    pub listed: u64,
    /// Sums over the others.
    pub rest: RestSums,
    /// Most bytes first.
    pub list: Vec<Conversation>,
}

/// Sums over conversations that are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "as in a conversation")]
pub struct RestSums {
    pub flows: u64,
    pub bytes_out: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub packets_in: u64,
}

/// A source and a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conversation {
    /// Who opened the connections.
    pub source: IpAddr,
    /// Name, or address of one without.
    pub destination: String,
    /// Its port.
    pub port: u16,
    /// `tcp`, `udp`, `icmp`, or the protocol's number.
    pub transport: String,
    /// Seen from the org.
    pub direction: Direction,
    /// Whether it went through a proxy.
    pub proxied: bool,
    /// Flows.
    pub flows: u64,
    /// Payload bytes from the source.
    pub bytes_out: u64,
    /// Payload bytes from the destination.
    pub bytes_in: u64,
    /// Packets from the source.
    pub packets_out: u64,
    /// Packets from the destination.
    pub packets_in: u64,
    /// Start of the first flow.
    pub first: Micros,
    /// End of the last flow.
    pub last: Micros,
}

/// A day's attempts from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeDay {
    /// The day, UTC.
    pub day: flowlore_common::time::Day,
    /// Attempts without payload from inside.
    pub probes: u64,
    /// Distinct sources.
    pub sources: u64,
    /// Distinct ports.
    pub ports: u64,
    /// The most probed ports.
    pub top_ports: Vec<u16>,
    /// Attempts that got a packet back: a refusal, or an open port that said nothing.
    pub answered: u64,
}

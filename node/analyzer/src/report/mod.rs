//! The whole answer: what was read, how well it shows the traffic, what was found, who talked to whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write as _},
    num::NonZeroUsize,
};

use flowlore_common::{
    label::{Behaviour, Category, Severity},
    suffixes::Suffixes,
    time::Micros,
};

use crate::{
    coverage::{self, Coverage, Grade},
    detect::{self, phishing_submission::Submission},
    history::History,
    incident::{self, Context},
    limits::{DESTINATIONS_MAX, JSON_BUFFER_BYTES, PROBE_PORTS_MAX},
    options::Options,
    pair::{Grouping, Surroundings},
    record::Skip,
    settle::{Destination, Part, Probes, Row, Settlement, Sums},
    source,
};

pub mod model;
pub mod text;

pub use model::Report;
use model::{
    Conversation, Conversations, DestinationEntry, Finding, Incident, Input, InputFile, List,
    ProbeDay, RestSums, SCHEMA, Summary, Tool, Verdict,
};

/// Share of one-sided TCP from which evidence is weak, thousandths; as for poor coverage.
const WEAK_PERMILLE: u64 = 100;
/// Share of flows known from routers' records alone from which evidence is weak, thousandths: most.
const EXPORTED_PERMILLE: u64 = 500;

/// A report, and what a history is to remember of the input.
#[derive(Debug)]
pub struct Analysis {
    /// The answer.
    pub report: Report,
    /// With `--history`: it, with this input added.
    pub history: Option<History>,
    /// The gravest severity of all threats, listed or not.
    pub gravest: Option<Severity>,
    /// What the report does not list: how much is shown must not decide anything else.
    pub unlisted: Unlisted,
}

/// Incidents and findings below the least severity that was asked for; their findings have no sentences.
#[derive(Debug, Default)]
pub struct Unlisted {
    /// Gravest first.
    pub incidents: Vec<Incident>,
    /// Gravest first.
    pub findings: Vec<Finding>,
}

impl Analysis {
    /// Builds the report of settled parts. `files` are the inputs in the order of their numbers,
    /// with what reading them counted; `notes` is what else is to be said about the paths. `threads` share the
    /// sentences; what comes out does not depend on them.
    #[must_use]
    pub fn new(
        settlement: &Settlement,
        mut part: Part,
        files: Vec<InputFile>,
        notes: Vec<String>,
        options: &Options,
        threads: NonZeroUsize,
    ) -> Self {
        let seen = &settlement.seen;
        let (first_us, last_us) = (seen.first_us.unwrap_or(0), seen.last_us.unwrap_or(0));
        let first_day = Micros(first_us).day();
        let history_days =
            options.history.as_ref().map_or(0, |history| history.days_before(first_day));
        let mut coverage = coverage::grade(&part.coverage, seen, history_days);
        coverage.notes.extend(coverage::unjudged(&part.coverage, part.inside.is_empty()));
        coverage.notes.extend(detect::not_looked_for());
        coverage.notes.extend(options.lists.not_given());
        let useful = files.iter().filter(|file| file.records > file.skipped.values().sum());
        let formats = source::limits(useful.map(|file| &*file.format));
        coverage.notes.splice(0..0, formats.into_iter().map(str::to_owned));
        let around = Surroundings {
            inside_hosts: u32::try_from(part.inside.len()).unwrap_or(u32::MAX),
            history_days,
            weak_evidence: coverage.one_sided_permille > WEAK_PERMILLE
                || coverage.exported_permille > EXPORTED_PERMILLE,
            nothing_named: !seen.logs.name_destinations() && !files.iter().all(shows_names),
            ..settlement.surroundings()
        };
        let candidates = std::mem::take(&mut part.candidates);
        let context = Context { part: &part, options, around, first_us, last_us };
        let found = incident::find(&context, candidates, threads);
        let history =
            options.history.clone().map(|history| remember(history, &part, &found.matters));
        let threats = found.incidents.iter().filter(|one| one.kind == "threat");
        let gravest = threats.map(|one| one.severity).max();
        let summary = summarise(&coverage, &found.incidents, &found.findings, options);
        let (destinations, destinations_rest) = destinations(&part, &found.findings);
        let listed = |severity: Severity| severity >= options.severity_min;
        // An incident may be graver than its findings: then the steps that make it so are listed with it.
        let (incidents, unlisted_incidents): (Vec<Incident>, Vec<Incident>) =
            found.incidents.into_iter().partition(|one| listed(one.severity));
        let steps = incidents.iter().flat_map(|one| &one.sequences).flat_map(|one| &one.steps);
        let steps: BTreeSet<&str> = steps.map(|step| &*step.finding_id).collect();
        let (findings, unlisted_findings) = found
            .findings
            .into_iter()
            .partition(|one| listed(one.severity) || steps.contains(&*one.id));
        let unlisted = Unlisted { incidents: unlisted_incidents, findings: unlisted_findings };
        let report = Report {
            schema: SCHEMA,
            tool: tool(options),
            tenant: None,
            input: Input {
                files: with_flows(files, &part),
                flows: part.sums.flows,
                first: seen.first_us.map(Micros),
                last: seen.last_us.map(Micros),
                notes,
            },
            coverage,
            summary,
            findings,
            incidents,
            destinations,
            destinations_rest,
            categories: by_name(|category| part.categories[category]),
            inside_hosts: u64::from(around.inside_hosts),
            unanswered: part.unanswered,
            inbound_probes: part
                .probes
                .iter()
                .map(|(day, probes)| probe_day(*day, probes))
                .collect(),
            conversations: conversations(&mut part),
        };
        Self { report, history, gravest, unlisted }
    }
}

impl Report {
    /// The JSON text, without a line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a report has nothing that JSON cannot say")
    }

    /// The JSON text with a line end, written as it is made: a large report need not be in memory
    /// twice.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        // A buffer of a known type: its writes are a few instructions each, those to `out` a call each.
        let mut out = io::BufWriter::with_capacity(JSON_BUFFER_BYTES, out);
        serde_json::to_writer(&mut out, self)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// A finding a line, each a JSON object.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_ndjson(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut out = io::BufWriter::with_capacity(JSON_BUFFER_BYTES, out);
        for finding in &self.findings {
            serde_json::to_writer(&mut out, finding)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }
}

pub(crate) fn tool(options: &Options) -> Tool {
    let suffixes = blake3::Hash::from_bytes(*Suffixes::shipped().hash()).to_hex();
    let shipped = [
        ("places", options.places.hash()),
        ("public_suffix_list", suffixes[..16].to_owned()),
        ("sequences", options.sequences.hash()),
    ];
    let mut lists: Vec<List> = shipped
        .into_iter()
        .chain(options.lists.hashes())
        .map(|(name, hash)| List { name, hash })
        .collect();
    lists.sort_by_key(|list| list.name);
    Tool {
        version: env!("CARGO_PKG_VERSION"),
        detectors: detect::BEHAVIOURS.to_vec(),
        lists,
        options_digest: options.digest(),
    }
}

/// Adds what settling counted to what reading counted.
/// Whether the file, if it gave anything, would show the names that clients say: packets do, whatever is in them.
fn shows_names(file: &InputFile) -> bool {
    file.records == 0 || matches!(&*file.format, "pcap" | "pcapng")
}

fn with_flows(files: Vec<InputFile>, part: &Part) -> Vec<InputFile> {
    let mut counts = part.files.iter();
    let with = |mut file: InputFile| {
        if let Some(counts) = counts.next() {
            file.flows = counts.flows;
            if counts.duplicates > 0 {
                file.skipped.insert(Skip::Duplicate.name(), counts.duplicates);
            }
        }
        file
    };
    files.into_iter().map(with).collect()
}

/// Flows by category's name, from flows by its number; those with none left out.
fn by_name(flows: impl Fn(usize) -> u64) -> BTreeMap<&'static str, u64> {
    let count = |category: &Category| (category.name(), flows(usize::from(category.number())));
    Category::ALL.iter().map(count).filter(|(_, flows)| *flows > 0).collect()
}

/// Everything that the input adds to a history.
fn remember(
    mut history: History,
    part: &Part,
    matters: &[(String, flowlore_common::time::Day)],
) -> History {
    let named = part.named.iter().map(|(name, one)| (name.to_string(), one));
    let addressed = part.addressed.iter().map(|(address, one)| (address.to_string(), one));
    for (name, one) in named.chain(addressed).filter(|(_, one)| one.inside_hosts > 0) {
        let (first, last) = (Micros(one.first_us).day(), Micros(one.last_us).day());
        for host in one.visitors() {
            history.note_destination(&name, first, last, &host.to_string());
        }
    }
    part.coverage.days().for_each(|day| history.note_day(day));
    for (&(host, day), &sum) in &part.exchanged {
        history.note_exchanged(host, day, sum);
    }
    matters.iter().for_each(|(key, day)| history.note_finding(key, *day));
    history.trim();
    history
}

fn summarise(
    coverage: &Coverage,
    incidents: &[Incident],
    findings: &[Finding],
    options: &Options,
) -> Summary {
    let threats = || incidents.iter().filter(|one| one.kind == "threat");
    let gravest = threats().map(|one| one.severity).max();
    let action_required = gravest >= Some(Severity::High);
    let verdict = match gravest {
        Some(Severity::Critical | Severity::High) => Verdict::Malicious,
        Some(Severity::Medium) => Verdict::Suspicious,
        _ if coverage.grade == Grade::Poor => Verdict::Inconclusive,
        _ => Verdict::NoInterestingActivity,
    };
    let outcome = outcome(verdict, findings);
    // Without a finding the confidence is that of the data: good data would have shown the behaviours
    // that are looked for, not every attack.
    let confidence = match (gravest, coverage.grade) {
        (Some(gravest), _) if gravest >= Severity::Medium => {
            let same = threats().filter(|one| one.severity == gravest);
            same.map(|one| one.confidence).max().unwrap_or_default()
        }
        (_, Grade::Good) => 70,
        (_, Grade::Partial) => 50,
        (_, Grade::Poor) => 20,
    };
    let mut counts: BTreeMap<&'static str, u64> =
        Severity::ALL.iter().map(|severity| (severity.name(), 0)).collect();
    incidents.iter().for_each(|one| *counts.entry(one.severity.name()).or_default() += 1);
    let below = incidents.iter().filter(|one| one.severity < options.severity_min).count();
    Summary {
        verdict,
        outcome,
        confidence,
        confidence_band: band(confidence),
        action_required,
        text: headline(verdict, incidents, coverage),
        incidents: counts,
        muted: 0,
        below_threshold: below as u64,
    }
}

/// How far an attack got, as far as the gravest findings tell.
fn outcome(verdict: Verdict, findings: &[Finding]) -> &'static str {
    let grave = |least: Severity| findings.iter().filter(move |one| one.severity >= least);
    let sent = |grade: Submission| {
        grave(Severity::High).any(|one| {
            one.behaviour == Behaviour::PhishingSubmission && one.submission == Some(grade.name())
        })
    };
    match verdict {
        Verdict::NoInterestingActivity => "none",
        Verdict::Inconclusive => "unknown",
        _ if sent(Submission::Confirmed) => "compromise_confirmed",
        _ if sent(Submission::Likely) => "compromise_likely",
        _ if grave(Severity::High).any(|one| one.behaviour.is_c2()) => "compromise_likely",
        _ if grave(Severity::Medium).all(|one| one.behaviour == Behaviour::PhishingSubmission) => {
            "attempted"
        }
        _ => "unknown",
    }
}

/// The name of a confidence.
pub(crate) const fn band(confidence: u8) -> &'static str {
    match confidence {
        0..40 => "low",
        40..65 => "medium",
        65..85 => "medium_high",
        _ => "high",
    }
}

/// The line that a tired analyst reads first. High and critical need action, medium a look today.
fn headline(verdict: Verdict, incidents: &[Incident], coverage: &Coverage) -> String {
    let threats = || incidents.iter().filter(|one| one.kind == "threat");
    let acted: Vec<&Incident> = threats().filter(|one| one.severity >= Severity::High).collect();
    let looked_at = threats().filter(|one| one.severity == Severity::Medium).count();
    let hosts: BTreeSet<_> = acted.iter().flat_map(|one| &one.hosts).collect();
    let counted = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    let blind = match coverage.grade {
        Grade::Poor => " Coverage poor: what was not recorded cannot be excluded.",
        Grade::Good | Grade::Partial => "",
    };
    match verdict {
        Verdict::Malicious => {
            let rest = match looked_at {
                0 => "Nothing else needs a person.".to_owned(),
                1 => "1 more is worth a look today.".to_owned(),
                more => format!("{more} more are worth a look today."),
            };
            format!(
                "ACTION REQUIRED: {} on {}. {rest}{blind}",
                counted(acted.len(), "incident", "incidents"),
                counted(hosts.len(), "host", "hosts"),
            )
        }
        Verdict::Suspicious => format!(
            "SUSPICIOUS: {} worth a look today. Nothing needs action now.{blind}",
            counted(looked_at, "incident is", "incidents are"),
        ),
        Verdict::NoInterestingActivity => {
            let partly = if detect::not_looked_for().is_some() {
                " Not every kind of attack is looked for: see Limits."
            } else {
                ""
            };
            format!("NOTHING NEEDS ACTION. Coverage {}.{partly}", coverage.grade.name())
        }
        Verdict::Inconclusive => {
            let rest = match incidents.iter().filter(|one| one.severity == Severity::Low).count() {
                _ if coverage.no_flows => String::new(),
                0 => "; nothing bad in the rest".to_owned(),
                low => {
                    format!("; {} of low severity in the rest", counted(low, "finding", "findings"))
                }
            };
            format!("INCONCLUSIVE: {}{rest}.", coverage.poor_because())
        }
    }
}

fn destinations(part: &Part, findings: &[Finding]) -> (Vec<DestinationEntry>, u64) {
    let mut assessed: BTreeMap<String, Severity> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| !finding.behaviour.blames_source()) {
        let to = &finding.destination;
        let one = to.host.clone().unwrap_or_else(|| to.address.to_string());
        for name in to.names.iter().cloned().chain([one]) {
            let known = assessed.entry(name).or_insert(finding.severity);
            *known = finding.severity.max(*known);
        }
    }
    let named = part.named.iter().map(|(name, one)| (name.to_string(), one, "ordinary"));
    let addressed = part.addressed.iter().map(|(addr, one)| (addr.to_string(), one, "address"));
    let mut all = Vec::new();
    let trim = |all: &mut Vec<(Option<Severity>, u64, String, &Destination, &'static str)>| {
        all.sort_unstable_by(|a, b| (b.0, b.1, &a.2, a.4).cmp(&(a.0, a.1, &b.2, b.4)));
        all.truncate(DESTINATIONS_MAX);
    };
    // Trimmed now and then: there may be millions, of which a thousand are listed.
    let mut floor = None;
    for (name, one, class) in named.chain(addressed) {
        let severity = assessed.get(&name).copied();
        if floor.is_some_and(|floor| (severity, one.flows) < floor) {
            continue;
        }
        all.push((severity, one.flows, name, one, class));
        if all.len() > 4 * DESTINATIONS_MAX {
            trim(&mut all);
            floor = all.last().map(|last| (last.0, last.1));
        }
    }
    trim(&mut all);
    let rest = (part.named.len() + part.addressed.len() - all.len()) as u64;
    let entry = |(severity, flows, destination, one, class): (
        Option<Severity>,
        u64,
        String,
        &Destination,
        &'static str,
    )| DestinationEntry {
        destination,
        categories: by_name(|category| u64::from(one.categories.of(category))),
        hosts: one.hosts,
        flows,
        assessment: match severity {
            Some(Severity::Critical | Severity::High) => "malicious",
            Some(Severity::Medium) => "suspicious",
            _ => "unknown",
        },
        role: severity.filter(|severity| *severity >= Severity::High).map(|_| "impact"),
        class,
    };
    (all.into_iter().map(entry).collect(), rest)
}

fn conversations(part: &mut Part) -> Conversations {
    let rows = part.top();
    let mut listed = Sums::default();
    rows.iter().for_each(|row| listed.add(row.sums));
    let Sums { flows, bytes_out, bytes_in, packets_out, packets_in } = part.sums.less(listed);
    Conversations {
        total: part.conversations,
        listed: rows.len() as u64,
        rest: RestSums { flows, bytes_out, bytes_in, packets_out, packets_in },
        list: rows.iter().map(conversation).collect(),
    }
}

fn conversation(row: &Row) -> Conversation {
    let Sums { flows, bytes_out, bytes_in, packets_out, packets_in } = row.sums;
    Conversation {
        source: row.source.into(),
        destination: row.destination.to_string(),
        port: row.port,
        transport: incident::transport_name(row.transport),
        direction: row.direction,
        proxied: row.grouping == Grouping::Proxied,
        flows,
        bytes_out,
        bytes_in,
        packets_out,
        packets_in,
        first: Micros(row.first_us),
        last: Micros(row.last_us),
    }
}

fn probe_day(day: flowlore_common::time::Day, probes: &Probes) -> ProbeDay {
    let mut ports: Vec<(u64, u16)> =
        probes.ports.iter().map(|(&port, &count)| (count, port)).collect();
    ports.sort_unstable_by_key(|&(count, port)| (std::cmp::Reverse(count), port));
    ProbeDay {
        day,
        probes: probes.probes,
        sources: probes.sources,
        ports: ports.len() as u64,
        top_ports: ports.into_iter().take(PROBE_PORTS_MAX).map(|(_, port)| port).collect(),
        answered: probes.answered,
    }
}

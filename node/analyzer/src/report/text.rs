//! The report for a person at a terminal: at most 100 columns, gravest first, every number also in
//! the JSON.

use std::{collections::BTreeMap, fmt::Write as _};

use flowlore_common::{
    label::Severity,
    time::{Micros, SECONDS_PER_DAY, civil_from_days},
};

use super::{
    Report,
    model::{Finding, Incident},
};
use crate::{
    coverage::tenths,
    detect::words::{bytes, counted, grouped},
    record::Skip,
};

/// Columns of a line.
const WIDTH: usize = 100;
/// Further findings of an incident that get a line of their own.
const ALSO_MAX: usize = 5;
/// Where the text of a labelled line begins.
const LABEL_COLUMNS: usize = 13;

/// What the reader's side decides.
pub struct TextOptions<'a> {
    /// Whether the terminal shows colours.
    pub colour: bool,
    /// What was asked for, as the first line names it.
    pub input: &'a str,
    /// How long it took, milliseconds.
    pub elapsed_ms: Option<u64>,
    /// Seconds to add to UTC at an instant.
    pub offset_s: &'a dyn Fn(Micros) -> i32,
    /// Name of that zone.
    pub zone: &'a str,
}

impl TextOptions<'_> {
    pub(crate) fn local(&self, at: Micros) -> Local {
        Local((at.seconds() + i64::from((self.offset_s)(at))).max(0))
    }
}

/// Seconds since 1970 on a wall clock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local(i64);

impl Local {
    pub(crate) fn day(self) -> i64 {
        self.0.div_euclid(SECONDS_PER_DAY)
    }

    pub(crate) fn date(self) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (year, month, day) = civil_from_days(self.day());
        let month = MONTHS[usize::try_from(month - 1).unwrap_or(0) % 12];
        format!("{day} {month} {year}")
    }

    pub(crate) fn weekday(self) -> &'static str {
        // 1 January 1970 was a Thursday.
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        DAYS[usize::try_from(self.day().rem_euclid(7)).unwrap_or(0)]
    }

    pub(crate) fn time(self) -> String {
        let second = self.0.rem_euclid(SECONDS_PER_DAY);
        format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }
}

impl Report {
    /// The whole report as text.
    #[must_use]
    pub fn to_text(&self, options: &TextOptions<'_>) -> String {
        let mut out = String::new();
        self.head(&mut out, options);
        out.push('\n');
        let mark = if self.summary.action_required { "1" } else { "0" };
        let _ = writeln!(out, "{}", paint(&self.summary.text, mark, options.colour));
        for (number, incident) in (1..).zip(&self.incidents) {
            out.push('\n');
            self.incident(&mut out, number, incident, options);
        }
        out.push('\n');
        self.foot(&mut out);
        out
    }

    fn head(&self, out: &mut String, options: &TextOptions<'_>) {
        let period = match (self.input.first, self.input.last) {
            (Some(first), Some(last)) => {
                let (first, last) = (options.local(first), options.local(last));
                let from = format!("{} {}, {}", first.weekday(), first.date(), first.time());
                if first.day() == last.day() {
                    format!("{from} to {} {}", last.time(), options.zone)
                } else {
                    let to = format!("{} {}, {}", last.weekday(), last.date(), last.time());
                    format!("{from} to {to} {}", options.zone)
                }
            }
            _ => "no flows".to_owned(),
        };
        let line = format!("flowlore-node {}   {}   {period}", self.tool.version, options.input);
        wrap(out, "", &line);
        let destinations = self.destinations.len() as u64 + self.destinations_rest;
        let mut line = format!(
            "{}   {}   {}",
            counted(self.input.flows, "flow", "flows"),
            counted(self.inside_hosts, "inside host", "inside hosts"),
            counted(destinations, "destination", "destinations"),
        );
        if let Some(elapsed) = options.elapsed_ms {
            let _ = write!(line, "   read in {}.{} s", elapsed / 1000, elapsed / 100 % 10);
        }
        wrap(out, "", &line);
        let coverage = &self.coverage;
        let empty = match coverage.empty_hours.len() {
            0 => "no empty hour".to_owned(),
            _ => coverage.poor_because(),
        };
        let line = if coverage.no_flows {
            format!("Coverage {}: {}.", coverage.grade.name(), coverage.poor_because())
        } else {
            format!(
                "Coverage {}: {empty}, {} of bytes missed, {} of outbound flows named.",
                coverage.grade.name(),
                tenths(coverage.missed_bytes_permille),
                tenths(coverage.named_permille),
            )
        };
        wrap(out, "", &line);
        wrap(out, "", &format!("Limits: {}", coverage.notes.join(" ")));
        for note in &self.input.notes {
            wrap(out, "", &format!("Note: {note}."));
        }
        let mut said = BTreeMap::<&str, Vec<&str>>::new();
        for file in &self.input.files {
            if let Some(note) = &file.note {
                said.entry(note).or_default().push(&file.path);
            }
        }
        for (note, paths) in said {
            let more = match paths.len() - 1 {
                0 => String::new(),
                more => format!(" and {} more", grouped(more as u64)),
            };
            wrap(out, "", &format!("Note: {}{more}: {note}.", paths[0]));
        }
        let skipped = self.input.files.iter().flat_map(|file| &file.skipped);
        let mut reasons = BTreeMap::<&str, u64>::new();
        skipped.for_each(|(reason, count)| *reasons.entry(reason).or_default() += count);
        if !reasons.is_empty() {
            let list = reasons.iter().map(|(reason, count)| {
                let known = Skip::ALL.iter().find(|skip| skip.name() == *reason);
                let hint = known.map_or(String::new(), |skip| format!(" ({})", skip.hint()));
                format!("{} {reason}{hint}", grouped(*count))
            });
            let list = list.collect::<Vec<_>>().join(", ");
            wrap(out, "", &format!("Records that gave no flow: {list}."));
            let lost = self.input.files.iter().filter(|file| {
                let reasons =
                    file.skipped.iter().filter(|(reason, _)| **reason != Skip::UnusedLog.name());
                let skipped: u64 = reasons.map(|(_, count)| count).sum();
                skipped > 0 && skipped == file.records
            });
            if let Some(file) = lost.max_by_key(|file| file.skipped.values().sum::<u64>()) {
                wrap(
                    out,
                    "",
                    &format!("Note: {}: not one of its records could be used.", file.path),
                );
            }
        }
    }

    fn incident(
        &self,
        out: &mut String,
        number: usize,
        incident: &Incident,
        options: &TextOptions<'_>,
    ) {
        let name = incident.severity.name().to_ascii_uppercase();
        let name = paint(&name, colour_of(incident.severity), options.colour);
        let _ = writeln!(
            out,
            "[{number}] {name}, confidence {}   {}   {}",
            incident.confidence, incident.title, incident.id
        );
        for sequence in &incident.sequences {
            labelled(out, "In order", &format!("{}:", sequence.title));
            for (number, step) in (1..).zip(&sequence.steps) {
                let at = options.local(step.at);
                let line = format!(
                    "{number}. {}, {}, {}: {}",
                    at.date(),
                    at.time(),
                    step.host,
                    step.sentence
                );
                labelled(out, "", &line);
            }
        }
        let findings = incident.finding_ids.iter();
        let mut findings =
            findings.filter_map(|id| self.findings.iter().find(|finding| finding.id == *id));
        let Some(first) = findings.next() else { return };
        finding(out, first, options);
        let others: Vec<&Finding> = findings.collect();
        for other in others.iter().take(ALSO_MAX) {
            let line = format!(
                "{} -> {}: {}{}, {}, confidence {}.",
                who(other),
                to(other),
                other.behaviour.title(),
                other
                    .submission
                    .map(|grade| format!(", {}", grade.replace('_', " ")))
                    .unwrap_or_default(),
                other.severity,
                other.confidence
            );
            labelled(out, "Also", &line);
        }
        if others.len() > ALSO_MAX {
            let more = counted((others.len() - ALSO_MAX) as u64, "finding", "findings");
            labelled(out, "", &format!("and {more} more."));
        }
    }

    fn foot(&self, out: &mut String) {
        let listed =
            |severity: Severity| self.incidents.iter().filter(move |one| one.severity == severity);
        let hidden = Severity::ALL.iter().rev().filter_map(|&severity| {
            let all = self.summary.incidents.get(severity.name()).copied().unwrap_or_default();
            let hidden = all - listed(severity).count() as u64;
            (hidden > 0).then(|| format!("{} {severity}", grouped(hidden)))
        });
        let hidden: Vec<String> = hidden.collect();
        if hidden.is_empty() {
            wrap(out, "", "Not shown: nothing. Muted: none.");
        } else {
            let list = hidden.join(", ");
            wrap(out, "", &format!("Not shown: {list} (--min-severity info). Muted: none."));
        }
        let inside: u64 = self.findings.iter().map(|finding| finding.flows).sum();
        let others = self.input.flows.saturating_sub(inside);
        let mut line = format!("In no finding above: {}.", counted(others, "flow", "flows"));
        let _ = write!(line, " Of all flows {} outbound unanswered", grouped(self.unanswered));
        let (probes, answered) = self
            .inbound_probes
            .iter()
            .fold((0, 0), |sum, day| (sum.0 + day.probes, sum.1 + day.answered));
        if probes > 0 {
            let sources = self.inbound_probes.iter().map(|day| day.sources).max().unwrap_or(0);
            let _ = write!(
                line,
                ", {} from at most {} a day, {} got a packet back but no data",
                counted(probes, "inbound probe", "inbound probes"),
                counted(sources, "address", "addresses"),
                grouped(answered),
            );
        }
        line.push('.');
        wrap(out, "", &line);
    }
}

pub(crate) fn finding(out: &mut String, finding: &Finding, options: &TextOptions<'_>) {
    let host = finding.destination.host.as_ref();
    let page = finding.page.as_ref().filter(|page| host != Some(page));
    let page = page.map(|page| format!("{page}, then ")).unwrap_or_default();
    wrap(out, "    ", &format!("{} -> {page}{}", who(finding), to(finding)));
    let (first, last) = (options.local(finding.first), options.local(finding.last));
    let from = format!("{}, {}", first.date(), first.time());
    let until = if first.day() == last.day() {
        last.time()
    } else {
        format!("{}, {}", last.date(), last.time())
    };
    let going = if finding.ongoing { ", still going at end of data" } else { "" };
    let line = format!(
        "{from} to {until}{going}   {}   {} out, {} in",
        counted(finding.flows, "connection", "connections"),
        bytes(finding.bytes_out),
        bytes(finding.bytes_in),
    );
    wrap(out, "    ", &line);
    let sentences = |supports: bool| {
        let all = finding.evidence.iter().filter(|one| one.supports == supports);
        all.map(|one| one.sentence.as_str()).collect::<Vec<_>>().join(" ")
    };
    labelled(out, "For", &sentences(true));
    labelled(out, "Against", &sentences(false));
    labelled(out, "Unknown", &finding.limits.join(" "));
    let actions = finding.actions.iter().map(|action| action.sentence.as_str());
    labelled(out, "Do", &actions.collect::<Vec<_>>().join(" "));
    let mut pivot = match finding.pivot.flow_uids.first() {
        Some(uid) => format!("uid {uid}"),
        None => finding.pivot.community_ids.first().cloned().unwrap_or_default(),
    };
    if finding.flows > 1 {
        let _ = write!(pivot, " and {} more", grouped(finding.flows - 1));
    }
    for technique in finding.attack {
        let _ = write!(pivot, "   {} {}", technique.id, technique.name);
    }
    labelled(out, "Pivot", &pivot);
}

fn who(finding: &Finding) -> String {
    let source = &finding.source;
    let user = source.user.as_ref().map(|user| format!(", user {user}")).unwrap_or_default();
    match &source.name {
        Some(name) => format!("{name} ({}{user})", source.address),
        None if user.is_empty() => source.address.to_string(),
        None => format!("{} ({})", source.address, &user[2..]),
    }
}

fn to(finding: &Finding) -> String {
    let to = &finding.destination;
    let address =
        if to.address.is_ipv6() { format!("[{}]", to.address) } else { to.address.to_string() };
    let transport = &to.transport;
    let port = match to.port {
        0 => "*".to_owned(),
        port => port.to_string(),
    };
    if let Some(hosts) = to.count {
        return format!("{} hosts, {address} the first, :{port}/{transport}", grouped(hosts));
    }
    match (&to.host, to.names.len()) {
        (Some(host), 0) => format!("{host}:{port}/{transport} ({})", to.address),
        (Some(host), names) => {
            let more = names - 1;
            format!("{host} and {more} more of its site, :{port}/{transport} ({})", to.address)
        }
        (None, _) => format!("{address}:{port}/{transport}"),
    }
}

pub(crate) const fn colour_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low | Severity::Info => "36",
    }
}

pub(crate) fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// A line of an incident: its label, then text that hangs.
pub(crate) fn labelled(out: &mut String, label: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let first = format!("    {label:<9}");
    debug_assert_eq!(first.len(), LABEL_COLUMNS);
    let mut lines = String::new();
    wrap(&mut lines, &" ".repeat(LABEL_COLUMNS), text);
    out.push_str(&first);
    out.push_str(&lines[LABEL_COLUMNS..]);
}

/// Puts text between `indent` and the last column, broken at single spaces. Runs of spaces stay.
pub(crate) fn wrap(out: &mut String, indent: &str, text: &str) {
    let mut column = indent.len();
    out.push_str(indent);
    let mut first = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !first && column + 1 + length > WIDTH {
            // A separator of several spaces ends with the line.
            let trimmed = out.trim_end_matches(' ').len();
            out.truncate(trimmed);
            out.push('\n');
            out.push_str(indent);
            column = indent.len();
            if word.is_empty() {
                first = true;
                continue;
            }
        } else if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        first = false;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_hang() {
        let mut out = String::new();
        labelled(&mut out, "For", &"word ".repeat(40));
        assert!(out.lines().count() > 1);
        assert!(out.lines().all(|line| line.len() <= WIDTH), "{out}");
        assert!(out.lines().skip(1).all(|line| line.starts_with(&" ".repeat(LABEL_COLUMNS))));
        assert!(out.starts_with("    For      word"));
        let mut long = String::new();
        wrap(&mut long, "    ", &"x".repeat(300));
        assert_eq!(long.len(), 305, "a word is never cut");
    }

    #[test]
    fn clocks_show_weekday_and_date() {
        let local = Local(1_795_507_350);
        assert_eq!((local.weekday(), local.date().as_str()), ("Tue", "24 Nov 2026"));
        assert_eq!(local.time(), "08:02:30");
        assert_eq!((Local(0).weekday(), Local(0).date().as_str()), ("Thu", "1 Jan 1970"));
    }
}

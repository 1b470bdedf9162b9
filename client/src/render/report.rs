//! A report of schema `flowlore.report.v1`, as a compact summary. The whole is in the JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::text::{bytes, clean, clip, counted, number, paint};
use crate::api::Publication;
use crate::limits::{INCIDENTS_SHOWN, LISTED_MAX, SENTENCES_SHOWN};

/// The schema's name.
const SCHEMA: &str = "flowlore.report.v1";

/// The part of a report that the summary is made from. Keys that it does not know are passed over,
/// since later versions add some.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Report {
    schema: String,
    input: Input,
    coverage: Coverage,
    summary: Summary,
    incidents: Vec<Incident>,
    findings: Vec<Finding>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Input {
    files: Vec<InputFile>,
    flows: u64,
    first: Option<String>,
    last: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct InputFile {
    path: String,
    skipped: BTreeMap<String, u64>,
    note: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Coverage {
    grade: String,
    notes: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Summary {
    verdict: String,
    outcome: String,
    confidence: u8,
    action_required: bool,
    text: String,
    below_threshold: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Incident {
    id: String,
    title: String,
    severity: String,
    confidence: u8,
    hosts: Vec<String>,
    destinations: Vec<String>,
    first: String,
    last: String,
    finding_ids: Vec<String>,
    actions: Vec<Action>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Action {
    sentence: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Finding {
    id: String,
    flows: u64,
    bytes_out: u64,
    bytes_in: u64,
    evidence: Vec<Evidence>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Evidence {
    #[serde(rename = "for")]
    supports: bool,
    sentence: String,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// It is no JSON, no report of version 1, or a key has another type than the schema says.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let report: Self = serde_json::from_slice(json)?;
        if report.schema != SCHEMA {
            let schema = clip(&report.schema);
            return Err(serde::de::Error::custom(format!("schema '{schema}' is not {SCHEMA}")));
        }
        Ok(report)
    }
}

/// The summary: input, coverage, verdict, then incidents with their reasons.
#[must_use]
pub fn text(report: &Report, colour: bool) -> String {
    let mut out = input(&report.input);
    let coverage = &report.coverage;
    let _ = writeln!(out, "Coverage {}.", clean(&coverage.grade));
    for note in coverage.notes.iter().take(LISTED_MAX) {
        let _ = writeln!(out, "  {}", clean(note));
    }
    out.push('\n');
    out += &verdict(&report.summary, colour);
    for (place, one) in report.incidents.iter().take(INCIDENTS_SHOWN).enumerate() {
        out.push('\n');
        out += &incident(place + 1, one, report, colour);
    }
    let unshown = report.incidents.len().saturating_sub(INCIDENTS_SHOWN) as u64;
    let below = report.summary.below_threshold;
    if unshown + below > 0 {
        let _ = writeln!(
            out,
            "\nNot shown: {} more (--json), {below} below --min-severity.",
            number(unshown)
        );
    }
    out
}

fn input(input: &Input) -> String {
    let first = input.first.as_deref().unwrap_or("-");
    let last = input.last.as_deref().unwrap_or("-");
    let mut out = format!(
        "{} in {}, {} to {}\n",
        counted(input.flows, "flow"),
        counted(input.files.len() as u64, "file"),
        clip(first),
        clip(last)
    );
    let mut skipped: BTreeMap<&str, u64> = BTreeMap::new();
    for (reason, count) in input.files.iter().flat_map(|file| &file.skipped) {
        let sum = skipped.entry(reason).or_default();
        *sum = sum.saturating_add(*count);
    }
    let skipped: Vec<String> = skipped
        .iter()
        .map(|(reason, count)| format!("{} {}", number(*count), clip(reason)))
        .collect();
    if !skipped.is_empty() {
        let _ = writeln!(out, "Records that gave nothing: {}.", skipped.join(", "));
    }
    let notes = input.files.iter().filter_map(|file| Some((&file.path, file.note.as_ref()?)));
    for (path, note) in notes.take(LISTED_MAX) {
        let _ = writeln!(out, "  {}: {}", clip(path), clean(note));
    }
    out
}

fn verdict(summary: &Summary, colour: bool) -> String {
    let words = clean(&summary.verdict).replace('_', " ").to_uppercase();
    let code = match summary.verdict.as_str() {
        "malicious" => "1;31",
        "suspicious" | "inconclusive" => "1;33",
        _ => "1;32",
    };
    let words = paint(&words, code, colour);
    let outcome = clean(&summary.outcome).replace('_', " ");
    let action = if summary.action_required { "ACTION REQUIRED" } else { "no action required" };
    format!(
        "{words}, confidence {}, outcome {outcome}: {action}.\n{}\n",
        summary.confidence,
        clean(&summary.text)
    )
}

fn incident(place: usize, incident: &Incident, report: &Report, colour: bool) -> String {
    let code = match incident.severity.as_str() {
        "critical" | "high" => "1;31",
        "medium" => "1;33",
        _ => "1",
    };
    let severity = paint(&clean(&incident.severity).to_uppercase(), code, colour);
    let confidence = incident.confidence;
    let (title, id) = (clean(&incident.title), clip(&incident.id));
    let mut out = format!("[{place}] {severity}, confidence {confidence}   {title}   {id}\n");
    let findings: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| incident.finding_ids.contains(&finding.id))
        .collect();
    let sum = |of: fn(&Finding) -> u64| {
        findings.iter().fold(0_u64, |sum, finding| sum.saturating_add(of(finding)))
    };
    let (hosts, destinations) = (several(&incident.hosts), several(&incident.destinations));
    let _ = writeln!(out, "    {hosts} -> {destinations}");
    let _ = writeln!(
        out,
        "    {} to {}   {}   {} out, {} in",
        clip(&incident.first),
        clip(&incident.last),
        counted(sum(|finding| finding.flows), "connection"),
        bytes(sum(|finding| finding.bytes_out)),
        bytes(sum(|finding| finding.bytes_in)),
    );
    let evidence: Vec<&Evidence> = findings.iter().flat_map(|finding| &finding.evidence).collect();
    let reasons = |supports: bool| {
        let these = evidence.iter().filter(move |one| one.supports == supports);
        these.map(|one| one.sentence.as_str())
    };
    sentences(&mut out, "For", reasons(true));
    sentences(&mut out, "Against", reasons(false));
    sentences(&mut out, "Do", incident.actions.iter().map(|action| action.sentence.as_str()));
    out
}

fn sentences<'a>(out: &mut String, label: &str, sentences: impl Iterator<Item = &'a str>) {
    for (place, sentence) in sentences.take(SENTENCES_SHOWN).enumerate() {
        let label = if place == 0 { label } else { "" };
        let _ = writeln!(out, "    {label:<8} {}", clean(sentence));
    }
}

/// `a, b, c and 4 more`.
fn several(texts: &[String]) -> String {
    let shown: Vec<String> = texts.iter().take(SENTENCES_SHOWN).map(|text| clip(text)).collect();
    match texts.len().saturating_sub(SENTENCES_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What waits to leave the node because of the report.
#[must_use]
pub fn publication(publication: &Publication) -> String {
    let stay = counted(publication.never_tokenised_names, "destination");
    match publication.not_published_because.as_str() {
        "" => format!(
            "\nQueued for publication, sealed: {} contacted, {} suspected. {stay} never leave.\n",
            number(publication.contacted_names),
            number(publication.suspected_names),
        ),
        why => format!("\nNothing of this is published: {}.\n", clip(&why.replace('_', " "))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report() -> serde_json::Value {
        json!({
            "schema": "flowlore.report.v1", "later": true,
            "input": {
                "files": [
                    { "path": "conn.log", "format": "conn", "skipped": { "bad_time": 2 } },
                    { "path": "x\u{1b}[2J.log", "skipped": { "bad_time": 1, "binary": 1 },
                      "note": "format pcap: not read by this version" },
                ],
                "flows": 40_193, "first": "2026-11-23T00:00:00Z", "last": "2026-11-23T23:57:30Z",
            },
            "coverage": { "grade": "good", "notes": ["96 % of outbound flows named."] },
            "summary": {
                "verdict": "malicious", "outcome": "compromise_likely", "confidence": 86,
                "action_required": true, "text": "1 incident on 1 host.", "below_threshold": 9,
            },
            "incidents": [{
                "id": "7c1e9a04", "title": "C2 beacon", "severity": "high", "confidence": 86,
                "hosts": ["10.20.4.31"], "destinations": ["evil.example:443/tcp"],
                "first": "2026-11-23T09:22:30Z", "last": "2026-11-23T23:57:30Z",
                "finding_ids": ["7c1e9a04"],
                "actions": [{ "code": "isolate", "sentence": "Isolate 10.20.4.31." }],
            }],
            "findings": [{
                "id": "7c1e9a04", "flows": 176, "bytes_out": 261_000, "bytes_in": 108_000,
                "evidence": [
                    { "for": true, "sentence": "Every 300 s." },
                    { "for": false, "sentence": "Ordinary TLS and SNI." },
                ],
            }],
        })
    }

    #[test]
    fn a_report_in_short() {
        let report = Report::parse(report().to_string().as_bytes()).unwrap();
        let expected = r"40,193 flows in 2 files, 2026-11-23T00:00:00Z to 2026-11-23T23:57:30Z
Records that gave nothing: 3 bad_time, 1 binary.
  x\u{1b}[2J.log: format pcap: not read by this version
Coverage good.
  96 % of outbound flows named.

MALICIOUS, confidence 86, outcome compromise likely: ACTION REQUIRED.
1 incident on 1 host.

[1] HIGH, confidence 86   C2 beacon   7c1e9a04
    10.20.4.31 -> evil.example:443/tcp
    2026-11-23T09:22:30Z to 2026-11-23T23:57:30Z   176 connections   261 kB out, 108 kB in
    For      Every 300 s.
    Against  Ordinary TLS and SNI.
    Do       Isolate 10.20.4.31.

Not shown: 0 more (--json), 9 below --min-severity.
";
        assert_eq!(text(&report, false), expected);
        assert!(text(&report, true).contains("\u{1b}[1;31mMALICIOUS\u{1b}[0m"));
    }

    #[test]
    fn what_is_no_report_is_refused() {
        for (json, told) in [
            ("{}", "schema"),
            (r#"{"schema":"other.v2"}"#, "'other.v2'"),
            (r#"{"schema":"flowlore.report.v1","incidents":7}"#, "sequence"),
            ("{", "EOF"),
        ] {
            let error = Report::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told), "{json}: {error}");
        }
    }

    #[test]
    fn what_leaves_is_said() {
        let mut summary =
            Publication { contacted_names: 1_200, suspected_names: 2, ..Publication::default() };
        let text = publication(&summary);
        assert!(
            text.contains("1,200 contacted, 2 suspected. 0 destinations never leave"),
            "{text}"
        );
        summary.not_published_because = "keep_here".to_owned();
        assert_eq!(publication(&summary), "\nNothing of this is published: keep here.\n");
    }
}

//! Visits of every kind to pages that lure, and what is said of each: who typed nothing is no submitter.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use flowlore_common::label::Behaviour;

use super::result::{Phishing, PhishingRow};
use super::sample::{FIRST_DAY, Sample};
use super::seen;
use super::view::View;

/// Machines of a sample day: twice as many as there are visits.
const HOSTS: u32 = 120;
/// What a page is called that nothing was said of.
const NOT_FOUND: &str = "not_found";
const NONE: &str = "no_submission_seen";
/// Parameters by which the table is made.
const PARAMETERS: [&str; 11] = [
    "lure",
    "way",
    "typing",
    "again",
    "mail_before",
    "autofill",
    "brand_parts",
    "one_connection",
    "hybrid_hello",
    "dual_stack",
    "clicks_on",
];

/// Measures on a day of each of these seeds.
pub(super) fn measure(folder: &Path, seeds: Range<u64>) -> anyhow::Result<Phishing> {
    let mut sum = Phishing { seeds: seeds.end - seeds.start, ..Phishing::default() };
    for seed in seeds {
        let folder = folder.join(format!("phishing-{seed}"));
        let sample = Sample::make(&folder, (seed, HOSTS), (FIRST_DAY, 1), "phishing-grid")?;
        let here = vec![(vec![sample.folder().to_owned()], View::default())];
        let report = seen::analyze(&here, &sample.home, &sample.places, None)?.report;
        for planted in &sample.planted {
            let found = report.findings.iter().find(|one| {
                one.behaviour == Behaviour::PhishingPageVisit
                    && one.source.address.to_string() == planted.source
                    && one.destination.host.as_ref() == Some(&planted.destination)
            });
            let said = found.map_or(NOT_FOUND, |one| one.submission.unwrap_or(NONE));
            sum.add(&planted.parameters, said);
        }
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(sum)
}

/// Whether flows can show it: the page has a sign that one can see and another beside it, and what is sent goes over a
/// connection of its own.
fn is_visible(visit: &serde_json::Value) -> bool {
    let has = |name: &str| visit[name].as_bool() == Some(true);
    let of_name = match visit["lure"].as_str() {
        Some("plain") => 0,
        Some("look_alike_on_hosting") => 2,
        _ => 1,
    };
    let place = of_name + u32::from(has("brand_parts"));
    let around = u32::from(has("autofill")) + u32::from(has("mail_before"));
    let sent_apart = visit["grade"] == NONE || visit["way"] != "reused_connection";
    (place >= 2 || place == 1 && around >= 1) && sent_apart
}

/// A parameter's value in words.
fn value_of(visit: &serde_json::Value, name: &str) -> String {
    match name {
        "typing" => match visit["typing_s"].as_u64().unwrap_or(0) {
            0..20 => "below 20 s".to_owned(),
            20..60 => "20 to 60 s".to_owned(),
            _ => "above 60 s".to_owned(),
        },
        "again" => (!visit["again_s"].is_null()).to_string(),
        _ => visit[name].as_str().map_or_else(|| visit[name].to_string(), str::to_owned),
    }
}

impl Phishing {
    fn add(&mut self, visit: &serde_json::Value, said: &str) {
        let done = visit["grade"].as_str().unwrap_or(NONE);
        let count = |of: &mut BTreeMap<String, BTreeMap<String, u64>>| {
            *of.entry(done.to_owned()).or_default().entry(said.to_owned()).or_default() += 1;
        };
        count(&mut self.all);
        if is_visible(visit) {
            count(&mut self.visible);
        }
        for parameter in PARAMETERS {
            self.row(parameter, value_of(visit, parameter)).add(done, said);
        }
    }

    fn row(&mut self, parameter: &str, value: String) -> &mut PhishingRow {
        let place = |row: &PhishingRow| {
            let of = |name: &str| PARAMETERS.iter().position(|one| *one == name);
            (of(&row.parameter), row.value.clone())
        };
        let new = PhishingRow { parameter: parameter.to_owned(), value, ..PhishingRow::default() };
        let at = self.parameters.binary_search_by_key(&place(&new), place).unwrap_or_else(|at| {
            self.parameters.insert(at, new);
            at
        });
        &mut self.parameters[at]
    }

    /// Visits with one of `done` of which one of `said` was said, of those that were done; what is visible only.
    pub(super) fn called(
        &self,
        done: impl Fn(&str) -> bool,
        said: impl Fn(&str) -> bool,
    ) -> (u64, u64) {
        let rows = self.visible.iter().filter(|(name, _)| done(name)).map(|(_, row)| row);
        let sum = |row: &BTreeMap<String, u64>, all: bool| {
            row.iter().filter(|(name, _)| all || said(name)).map(|(_, count)| count).sum::<u64>()
        };
        rows.fold((0, 0), |total, row| (total.0 + sum(row, false), total.1 + sum(row, true)))
    }
}

impl PhishingRow {
    fn add(&mut self, done: &str, said: &str) {
        let found = u64::from(said != NOT_FOUND);
        let called = matches!(said, "submission_likely" | "submission_confirmed");
        if done == NONE {
            self.visitors += 1;
            self.pages_found += found;
            self.visitors_called += u64::from(called);
        } else {
            self.submitters += 1;
            self.submitters_found += found;
            self.submitters_called += u64::from(called || said == "submission_attempted");
            self.submitters_right += u64::from(done == said);
        }
    }
}

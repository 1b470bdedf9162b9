//! Everything that is measured, in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flowlore_analyzer::history::History;
use flowlore_analyzer::report::model::{Finding, Incident, Report};
use flowlore_common::label::{Behaviour, Severity};

use super::lay::Day;
use super::phishing;
use super::result::{
    BeaconRow, BehaviourRow, Budget, CalibrationRow, DetectionTime, Evaluation, Items, RankRow,
    RecordingRow, RobustnessRow, SCHEMA,
};
use super::rivals::{Item, Rivals};
use super::sample::{FIRST_DAY, Sample};
use super::seen::{self, Recordings};
use super::survey::Survey;
use super::truth::{self, Due, Recording};
use super::view::{Log, Share, View};

/// Sample days of sixty visits each: of 480, half are submissions.
const PHISHING_DAYS: u64 = 8;
/// Ways of looking, the rank that counts in each, and the percent of groups that are to be within it, if there is a goal.
const RANKS: [(&str, usize, Option<u8>); 6] = [
    ("as_is", 3, Some(90)),
    ("conn_only", 3, Some(75)),
    ("laid", 10, Some(85)),
    ("laid_conn_only", 10, Some(70)),
    ("laid_first_day", 10, None),
    ("laid_first_day_conn_only", 10, None),
];
/// Days that the alert budget leaves out; in them a history learns what is usual.
const LEARNING_DAYS: usize = 2;
/// When it is looked whether a place has been found, seconds after its first flow.
const LADDER_S: [u32; 14] = [
    60, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 28_800, 43_200, 86_400, 172_800,
    259_200,
];
/// Shares in which records are shuffled; prime, so that they are no batches of anything.
const SHUFFLED_SHARES: u64 = 13;

/// Measures all.
pub(super) fn all(
    tables: &[PathBuf],
    seed: u64,
    hosts: u32,
    days: u16,
) -> anyhow::Result<Evaluation> {
    let mut recordings = Vec::new();
    for table in tables {
        recordings.extend(truth::read(table)?);
    }
    let work = tempfile::tempdir()?;
    let network = (seed, hosts);
    let clean = Sample::make(&work.path().join("clean"), network, (FIRST_DAY, days), "clean")?;
    let laid = Laying::new(&clean)?;
    let mut evaluation = Evaluation {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed,
        hosts,
        days,
        recordings: Vec::new(),
        not_read: BTreeMap::new(),
        ranks: Vec::new(),
        behaviours: Vec::new(),
        budget: budget(&clean, hosts)?,
        calibration: Vec::new(),
        robustness: Vec::new(),
        detection_time: DetectionTime::default(),
        beacons: beacons(&work.path().join("grid"), network, &laid)?,
        phishing: phishing::measure(work.path(), seed..seed + PHISHING_DAYS)?,
        items: BTreeMap::new(),
    };
    let mut tally = Tally::default();
    for recording in &recordings {
        if truth::READ.contains(&recording.format.as_str()) {
            let row = tally.recording(recording, &laid)?;
            evaluation.recordings.push(row);
        } else {
            let names = evaluation.not_read.entry(recording.format.clone()).or_default();
            names.push(recording.group.clone());
        }
    }
    evaluation.ranks = ranks(&evaluation.recordings);
    let mut items = Items::default();
    for row in evaluation.recordings.iter().filter(|row| !row.repeated) {
        add(&mut items, row.items);
    }
    evaluation.items.insert("captures".to_owned(), items);
    let (planted, items) = sample(&work.path().join("planted"), network)?;
    evaluation.items.insert("sample".to_owned(), items);
    evaluation.behaviours = behaviours("captures", &tally.behaviours);
    evaluation.behaviours.extend(behaviours("sample", &planted));
    let confidence = tally.confidence.into_iter();
    evaluation.calibration = confidence
        .map(|(from, (findings, right))| CalibrationRow { from, findings, right })
        .collect();
    evaluation.robustness = tally.robustness.into_values().collect();
    let mut times = tally.times;
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).max(1) - 1).copied();
    evaluation.detection_time =
        DetectionTime { n: times.len() as u64, median_s: at(50), p95_s: at(95) };
    Ok(evaluation)
}

fn add(sum: &mut Items, one: Items) {
    sum.ours += one.ours;
    sum.rita += one.rita;
    sum.sentinel += one.sentinel;
    sum.elastic += one.elastic;
    sum.notices += one.notices;
}

/// Incidents of kind threat that are delivered.
fn delivered(report: &Report) -> impl Iterator<Item = &Incident> {
    let threats = report.incidents.iter().filter(|one| one.kind == "threat");
    threats.filter(|one| one.severity >= Severity::Medium)
}

/// The place in the report of the first incident with a finding where something is due, from 1.
fn rank(report: &Report, due: &[Due]) -> Option<usize> {
    let right = |finding: &&Finding| due.iter().any(|due| due.is_about(finding));
    let right: BTreeSet<&str> =
        report.findings.iter().filter(right).map(|finding| finding.incident.as_str()).collect();
    report.incidents.iter().position(|one| right.contains(one.id.as_str())).map(|at| at + 1)
}

fn conn_only(view: &mut View) {
    view.has = |log| log == Log::Conn;
}

/// The days that recordings are laid into: the first of a node, of which nothing is known, and the third.
struct Laying {
    first: Day,
    third: Day,
    /// What was here on the days before the third, by all logs and by conn.log alone.
    histories: [Option<History>; 2],
}

impl Laying {
    fn new(clean: &Sample) -> anyhow::Result<Self> {
        let mut days: Vec<_> = clean.days().take(LEARNING_DAYS + 1).collect();
        let first = days.first().cloned().context("no sample day")?;
        let third = days.pop().unwrap_or_else(|| first.clone());
        let before: Recordings =
            days.into_iter().map(|(path, _)| (vec![path], View::default())).collect();
        let learn = |seen: Recordings| -> anyhow::Result<Option<History>> {
            let mut history = Some(History::default());
            for day in seen {
                history = seen::analyze(&vec![day], &clean.home, &clean.places, history)?.history;
            }
            Ok(history)
        };
        Ok(Self {
            first: Day::new(first, &clean.home, &clean.places)?,
            third: Day::new(third, &clean.home, &clean.places)?,
            histories: [learn(before.clone())?, learn(seen::with(&before, conn_only))?],
        })
    }

    /// The place of the true incident in each of the days, by all logs and by conn.log alone.
    fn ranks(
        &self,
        recording: &Recording,
        survey: &Survey,
    ) -> anyhow::Result<Vec<(&'static str, Option<usize>)>> {
        let Self { first, third, histories: [all, conn] } = self;
        let views = [
            ("laid", third, false, all.clone()),
            ("laid_conn_only", third, true, conn.clone()),
            ("laid_first_day", first, false, None),
            ("laid_first_day_conn_only", first, true, None),
        ];
        let ranks = views.into_iter().map(|(name, day, only_conn, history)| {
            let laid = day.lay(recording, survey);
            let mut seen: Recordings = vec![
                (vec![day.path.clone()], View::default()),
                (vec![recording.path.clone()], laid.view),
            ];
            if only_conn {
                seen = seen::with(&seen, conn_only);
            }
            let report = seen::analyze(&seen, &day.home, &day.places, history)?.report;
            Ok((name, rank(&report, &laid.due)))
        });
        ranks.collect()
    }
}

/// Counts over recordings.
#[derive(Default)]
struct Tally {
    groups: BTreeSet<String>,
    behaviours: BTreeMap<Behaviour, BehaviourRow>,
    confidence: BTreeMap<u8, (u64, u64)>,
    /// In the order of the views.
    robustness: BTreeMap<usize, RobustnessRow>,
    times: Vec<u32>,
}

impl Tally {
    fn recording(&mut self, recording: &Recording, laid: &Laying) -> anyhow::Result<RecordingRow> {
        let repeated = !self.groups.insert(recording.group.clone());
        let here: Recordings = vec![(vec![recording.path.clone()], View::default())];
        let analyze = |seen: &Recordings| -> anyhow::Result<Report> {
            Ok(seen::analyze(seen, &recording.home, &recording.places, None)?.report)
        };
        let report = analyze(&here)?;
        let survey = Survey::read(&here)?;
        let rivals = Rivals::of(&survey, &recording.home);
        let mut ranks = BTreeMap::new();
        if !recording.due.is_empty() {
            let due = &recording.due;
            let mut found = vec![
                ("as_is", rank(&report, due)),
                ("conn_only", rank(&analyze(&seen::with(&here, conn_only))?, due)),
            ];
            found.extend(laid.ranks(recording, &survey)?);
            for (name, rank) in found {
                rank.map(|rank| ranks.insert(name.to_owned(), rank));
            }
        }
        if !repeated {
            count(&mut self.behaviours, &report, &recording.due);
            self.calibrate(&report, recording);
            self.robust(&here, &report, recording, &analyze)?;
            if !recording.due.is_empty() {
                self.detection_times(&here, &report, recording, &analyze)?;
            }
        }
        let mut incidents = BTreeMap::new();
        for one in &report.incidents {
            *incidents.entry(one.severity.name().to_owned()).or_default() += 1;
        }
        let quiet_from = recording.quiet_from;
        let loud = |one: &&Incident| quiet_from.is_some_and(|least| one.severity >= least);
        Ok(RecordingRow {
            group: recording.group.clone(),
            malicious: recording.quiet_from.is_none(),
            repeated,
            ranks,
            missed: recording.due.iter().filter_map(|due| missed(&report, due)).collect(),
            incidents,
            loud: report.incidents.iter().filter(loud).count(),
            items: Items {
                ours: delivered(&report).count(),
                rita: rivals.rita.len(),
                sentinel: rivals.sentinel.len(),
                elastic: rivals.elastic.len(),
                notices: survey.notices,
            },
        })
    }

    fn calibrate(&mut self, report: &Report, recording: &Recording) {
        for finding in report.findings.iter().filter(|one| one.severity >= Severity::Medium) {
            let counts = self.confidence.entry(finding.confidence / 10 * 10).or_default();
            counts.0 += 1;
            let right = recording.due.iter().any(|due| due.is_about(finding));
            counts.1 += u64::from(right);
        }
    }

    fn robust(
        &mut self,
        here: &Recordings,
        report: &Report,
        recording: &Recording,
        analyze: &impl Fn(&Recordings) -> anyhow::Result<Report>,
    ) -> anyhow::Result<()> {
        let shares = (0..SHUFFLED_SHARES).map(|at| SHUFFLED_SHARES - 1 - at);
        let shuffled = shares.map(|at| Share::Hashed { of: SHUFFLED_SHARES, at });
        let without = |has: fn(Log) -> bool| seen::with(here, |view| view.has = has);
        let views: [(&str, Recordings); 7] = [
            ("as is", here.clone()),
            ("shuffled", seen::in_shares(here, shuffled)),
            ("24 batches", seen::in_shares(here, (0..24).rev().map(Share::Hour))),
            ("without dns", without(|log| log != Log::Dns)),
            ("without ssl, quic", without(|log| log != Log::Tls)),
            ("without http", without(|log| log != Log::Http)),
            ("without files", without(|log| log != Log::Files)),
        ];
        let content = |report: &Report| {
            let mut report = report.clone();
            report.input.files.clear();
            report.input.notes.clear();
            report.to_json()
        };
        let original = content(report);
        for (number, (name, seen)) in views.into_iter().enumerate() {
            let report = analyze(&seen)?;
            let row = self.robustness.entry(number).or_insert_with(|| RobustnessRow {
                view: name.to_owned(),
                reports_differ: 0,
                found: 0,
                due: 0,
                top3: 0,
                groups: 0,
            });
            let found = |due: &&Due| report.findings.iter().any(|one| due.is_found_by(one));
            row.reports_differ += u64::from(content(&report) != original);
            row.found += recording.due.iter().filter(found).count() as u64;
            row.due += recording.due.len() as u64;
            row.groups += u64::from(!recording.due.is_empty());
            row.top3 += u64::from(rank(&report, &recording.due).is_some_and(|rank| rank <= 3));
        }
        Ok(())
    }

    /// For each due place that is delivered in the end: when it first was.
    fn detection_times(
        &mut self,
        here: &Recordings,
        report: &Report,
        recording: &Recording,
        analyze: &impl Fn(&Recordings) -> anyhow::Result<Report>,
    ) -> anyhow::Result<()> {
        let tells = |report: &Report, due: &Due| {
            let mut told = report.findings.iter().filter(|one| due.is_about(one));
            told.any(|one| one.severity >= Severity::Medium)
        };
        for due in recording.due.iter().filter(|due| tells(report, due)) {
            let of_due = report.findings.iter().filter(|one| due.is_about(one));
            let Some(first) = of_due.map(|one| one.first).min() else { continue };
            for after_s in LADDER_S {
                let until_us = first.0.saturating_add(i64::from(after_s) * 1_000_000);
                if tells(&analyze(&seen::with(here, |view| view.until_us = until_us))?, due) {
                    self.times.push(after_s);
                    break;
                }
            }
        }
        Ok(())
    }
}

/// What is wrong about a due place, in words.
fn missed(report: &Report, due: &Due) -> Option<String> {
    let codes: Vec<&str> = due.behaviours.iter().map(|(behaviour, _)| behaviour.name()).collect();
    let right = report.findings.iter().filter(|one| due.is_found_by(one));
    match right.map(|one| one.severity).max() {
        None => Some(codes.join(" or ")),
        Some(severity) if severity < due.severity_min => {
            Some(format!("{} only {severity}, {} due", codes.join(" or "), due.severity_min))
        }
        Some(_) => None,
    }
}

/// Counts a report's findings by behaviour.
fn count(rows: &mut BTreeMap<Behaviour, BehaviourRow>, report: &Report, due: &[Due]) {
    fn row(rows: &mut BTreeMap<Behaviour, BehaviourRow>, code: Behaviour) -> &mut BehaviourRow {
        rows.entry(code).or_insert_with(|| BehaviourRow {
            set: String::new(),
            code: code.name().to_owned(),
            due: 0,
            found: 0,
            otherwise: 0,
            delivered: 0,
            false_delivered: 0,
            false_low: 0,
        })
    }
    for due in due {
        let there = || report.findings.iter().filter(|one| due.is_found_by(one));
        let codes: BTreeSet<Behaviour> = due.behaviours.iter().map(|(code, _)| *code).collect();
        for code in codes {
            let mut same = there().filter(|one| one.behaviour == code).peekable();
            let row = row(rows, code);
            row.due += 1;
            if same.peek().is_some() {
                row.found += 1;
                row.delivered += u64::from(same.any(|one| one.severity >= Severity::Medium));
            } else {
                row.otherwise += u64::from(there().next().is_some());
            }
        }
    }
    for finding in &report.findings {
        if due.iter().any(|due| due.is_about(finding)) {
            continue; // what else is seen of an attack is no false alarm
        }
        let row = row(rows, finding.behaviour);
        if finding.severity >= Severity::Medium {
            row.false_delivered += 1;
        } else {
            row.false_low += 1;
        }
    }
}

fn behaviours(set: &str, rows: &BTreeMap<Behaviour, BehaviourRow>) -> Vec<BehaviourRow> {
    rows.values().map(|row| BehaviourRow { set: set.to_owned(), ..row.clone() }).collect()
}

fn ranks(rows: &[RecordingRow]) -> Vec<RankRow> {
    let counted = || rows.iter().filter(|row| row.malicious && !row.repeated);
    let rows = RANKS.iter().map(|&(view, top, target_percent)| {
        let within = counted().filter(|row| row.ranks.get(view).is_some_and(|rank| *rank <= top));
        RankRow {
            view: view.to_owned(),
            top,
            n: counted().count() as u64,
            within: within.count() as u64,
            target_percent,
        }
    });
    rows.collect()
}

/// Clean days one after the other, each with the history of those before it.
fn budget(sample: &Sample, hosts: u32) -> anyhow::Result<Option<Budget>> {
    let mut budget = Budget { host_days: 0, high: 0, delivered: 0, low: 0 };
    let mut history = Some(History::default());
    for (number, (day, _)) in sample.days().enumerate() {
        let analysis = seen::analyze(
            &vec![(vec![day], View::default())],
            &sample.home,
            &sample.places,
            history,
        )?;
        history = analysis.history;
        if number < LEARNING_DAYS {
            continue;
        }
        budget.host_days += u64::from(hosts);
        budget.delivered += delivered(&analysis.report).count() as u64;
        let threats = || analysis.report.incidents.iter().filter(|one| one.kind == "threat");
        budget.high += threats().filter(|one| one.severity >= Severity::High).count() as u64;
        budget.low += threats().filter(|one| one.severity == Severity::Low).count() as u64;
    }
    Ok((budget.host_days > 0).then_some(budget))
}

/// A day with everything planted, by its own key.
fn sample(
    folder: &Path,
    network: (u64, u32),
) -> anyhow::Result<(BTreeMap<Behaviour, BehaviourRow>, Items)> {
    let sample = Sample::make(folder, network, (FIRST_DAY, 1), "all")?;
    let here: Recordings = vec![(vec![sample.folder().to_owned()], View::default())];
    let report = seen::analyze(&here, &sample.home, &sample.places, None)?.report;
    let due: Vec<Due> = truth::read(&sample.key())?.into_iter().flat_map(|one| one.due).collect();
    let mut rows = BTreeMap::new();
    count(&mut rows, &report, &due);
    let survey = Survey::read(&here)?;
    let rivals = Rivals::of(&survey, &sample.home);
    let items = Items {
        ours: delivered(&report).count(),
        rita: rivals.rita.len(),
        sentinel: rivals.sentinel.len(),
        elastic: rivals.elastic.len(),
        notices: survey.notices,
    };
    Ok((rows, items))
}

/// Beacons of every habit, one at a time each, in one day: the third of a node that knows the two before, and its first.
fn beacons(folder: &Path, network: (u64, u32), laid: &Laying) -> anyhow::Result<Vec<BeaconRow>> {
    let day = laid.third.day();
    let sample = Sample::make(folder, network, (day, 1), "beacon-grid")?;
    let here: Recordings = vec![(vec![sample.folder().to_owned()], View::default())];
    let [history, _] = &laid.histories;
    let report = seen::analyze(&here, &sample.home, &sample.places, history.clone())?.report;
    let unlearned = seen::analyze(&here, &sample.home, &sample.places, None)?.report;
    let rivals = Rivals::of(&Survey::read(&here)?, &sample.home);
    let key = truth::read(&sample.key())?;
    let due = key.iter().flat_map(|recording| &recording.due);
    let mut rows: BTreeMap<(String, u64), BeaconRow> = BTreeMap::new();
    for (planted, due) in sample.planted.iter().zip(due) {
        let severity_in = |report: &Report| {
            let here = report.findings.iter().filter(|one| due.is_found_by(one));
            here.map(|one| one.severity).max()
        };
        let (severity, unlearned) = (severity_in(&report), severity_in(&unlearned));
        let has = |items: &[Item]| {
            let place =
                |item: &Item| due.source == Some(item.0) && due.destinations.contains(&item.1);
            u64::from(items.iter().any(place))
        };
        for name in ["period_s", "jitter_percent", "loss_percent", "size_noise_percent"] {
            let Some(value) = planted.parameters[name].as_u64() else { continue };
            let row = rows.entry((name.to_owned(), value)).or_insert_with(|| BeaconRow {
                parameter: name.to_owned(),
                value,
                n: 0,
                found: 0,
                delivered: 0,
                first_day: 0,
                rita: 0,
                sentinel: 0,
                elastic: 0,
            });
            row.n += 1;
            row.found += u64::from(severity.is_some());
            row.delivered += u64::from(severity >= Some(Severity::Medium));
            row.first_day += u64::from(unlearned >= Some(Severity::Medium));
            row.rita += has(&rivals.rita);
            row.sentinel += has(&rivals.sentinel);
            row.elastic += has(&rivals.elastic);
        }
    }
    Ok(rows.into_values().collect())
}

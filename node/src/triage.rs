//! Alerts in, the story around each out: for the command and for callers of the local port. Reads, settles and reports as
//! `analyze` does; nothing is published.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use flowlore_analyzer::{
    limits::ALERTS_MAX,
    options::Options,
    report::Report,
    source::Opening,
    triage::{
        Alert, Around, Questions,
        alert::{Alerts, Taken, destination},
        collect, fold,
        model::{REVIEW_SCHEMA, SCHEMA, Triage},
        named::Named,
    },
};
use flowlore_common::time::Micros;
use jiff::{Timestamp, civil::DateTime};

use crate::{
    analyze::{Effort, analyze, analyze_and},
    follow,
    input::Zone,
    output::{Output, Shown, json},
};

/// What the story is to be about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    /// The alerts of files, which errors name as somebody gave them.
    Alerts { paths: &'a [PathBuf], named: &'a str },
    /// A finding of the input, or the gravest one of an incident.
    Finding(&'a str),
    /// A host at a time, and perhaps its other end, as people write them.
    Moment { at: &'a str, host: &'a str, destination: Option<&'a str> },
}

/// The input, and how it is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) paths: &'a [PathBuf],
    pub(crate) opening: &'a Opening,
    pub(crate) effort: Effort,
    pub(crate) options: &'a Options,
    /// Of times that people write without one.
    pub(crate) zone: &'a Zone,
}

/// The stories.
pub(crate) struct Answers {
    questions: Questions,
    triages: Vec<Triage>,
    report: Report,
    /// Whether more than one alert was asked about, identical ones counted each.
    several: bool,
}

impl Answers {
    /// Reads the input and tells the stories; `around` is how many seconds before and after an alert are looked at.
    ///
    /// # Errors
    /// When a path, the alerts, the time or the host cannot be used.
    pub(crate) fn of(
        input: &Input<'_>,
        about: &About<'_>,
        around: (u64, u64),
    ) -> anyhow::Result<Self> {
        let &Input { paths, opening, effort, options, .. } = input;
        let around = Around::new(around.0, around.1).map_err(|error| anyhow!(error))?;
        let Taken { alerts, unusable, .. } = ask(input, about)?;
        let several = alerts.len() > 1;
        let questions = Questions { alerts: fold(alerts), around, unusable };
        let watch = questions.watch();
        let (analysis, collected) =
            analyze_and(paths, opening.clone().into(), effort, options, Some(&watch), |part| {
                collect(&watch, part, options)
            })?;
        let report = analysis.report;
        let unknown = questions.unknown_hosts(&collected);
        if let [first, ..] = unknown[..]
            && questions.alerts.iter().all(|one| unknown.contains(&one.alert.host))
        {
            bail!("{first}: no flow of this host in {}", shown(&report));
        }
        if let Some(first) = questions.alerts.first()
            && questions.miss(&report)
        {
            bail!("{}: outside of {}", first.alert.at, shown(&report));
        }
        let triages = questions.answer(&collected, &report);
        Ok(Self { questions, triages, report, several })
    }

    /// The schema of the document.
    pub(crate) const fn schema(&self) -> &'static str {
        if self.several { REVIEW_SCHEMA } else { SCHEMA }
    }

    /// Writes them.
    pub(crate) fn write(self, shown: &Shown<'_>, out: &mut dyn io::Write) -> io::Result<()> {
        let Self { questions, mut triages, report, several } = self;
        match shown.output {
            Output::Ndjson => {
                for triage in &triages {
                    json(triage, out)?;
                }
                if several {
                    let mut review = questions.review(triages, &report);
                    review.triages.clear();
                    json(&review, out)?;
                }
                Ok(())
            }
            Output::Json if several => json(&questions.review(triages, &report), out),
            Output::Text if several => {
                let review = questions.review(triages, &report);
                out.write_all(shown.text(|options| review.to_text(options)).as_bytes())
            }
            Output::Json | Output::Text => {
                let Some(triage) = triages.pop() else { return Ok(()) };
                match shown.output {
                    Output::Text => {
                        out.write_all(shown.text(|options| triage.to_text(options)).as_bytes())
                    }
                    Output::Json | Output::Ndjson => json(&triage, out),
                }
            }
        }
    }
}

/// The input in a few words, for an error.
fn shown(report: &Report) -> String {
    match (report.input.first, report.input.last) {
        (Some(first), Some(last)) => format!(
            "the {} flows of the input, {first} to {last}: check address and time, and that the right logs are named",
            report.input.flows
        ),
        _ => "the input, which has no flows at all: check the paths".to_owned(),
    }
}

/// What is asked about.
fn ask(input: &Input<'_>, about: &About<'_>) -> anyhow::Result<Taken> {
    let one = |alert| Taken { count: 1, alerts: vec![alert], unusable: 0 };
    match *about {
        About::Alerts { paths, named } => read(paths, named, input.options),
        About::Finding(id) => Ok(one(of_finding(id, input)?)),
        About::Moment { at, host, destination: to } => {
            let to = to.map(destination).transpose();
            let destination = to.map_err(|error| anyhow!("--destination {error}"))?;
            let at = parse_instant(at, input.zone)?;
            let host = match host.trim_start_matches('[').trim_end_matches(']').parse() {
                Ok(address) => address,
                Err(_) => of_name(host, at, input)?,
            };
            Ok(one(Alert { destination, ..Alert::asked(at, host) }))
        }
    }
}

/// An instant as people and logs write them.
fn parse_instant(text: &str, zone: &Zone) -> anyhow::Result<Micros> {
    let wrong = || {
        anyhow!(
            "--at {text}: no time; write it as 2026-11-23T09:22:30Z, 2026-11-23 09:22:30 or 1795425750.5"
        )
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Micros(at.as_microsecond()));
    }
    if let Ok(at) = text.parse::<DateTime>() {
        let at = zone.zone.to_timestamp(at).map_err(|_| wrong())?;
        return Ok(Micros(at.as_microsecond()));
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return Err(wrong());
    }
    let micros: i64 = format!("{fraction:0<6}")[..6].parse().map_err(|_| wrong())?;
    let at = seconds.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000_000));
    let at = at.and_then(|at| at.checked_add(micros)).map(Micros).ok_or_else(wrong)?;
    // What cannot be a timestamp has another unit.
    Timestamp::from_microsecond(at.0).map_err(|_| wrong())?;
    Ok(at)
}

/// The address that a machine had: the input is read once for what it says of machines.
fn of_name(name: &str, at: Micros, input: &Input<'_>) -> anyhow::Result<IpAddr> {
    if input.paths.iter().any(|path| path == Path::new("-")) {
        bail!(
            "--host {name}: the input is read twice for a name, which standard input cannot be: name an address"
        );
    }
    let Options { home, assets, .. } = input.options;
    let make = || Named::new(name, at, home.clone(), assets);
    let reading = follow::Options { threads: input.effort.threads, ..follow::Options::default() };
    let mut all = make();
    for named in follow::read(input.paths, &reading, make)?.sinks {
        all.merge(named);
    }
    all.address().map_err(|error| anyhow!("--host {name}: {error}"))
}

/// Whether this is how ids of findings look.
pub(crate) fn is_id(text: &str) -> bool {
    matches!(text.len(), 8 | 16) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The alert that a finding or the gravest finding of an incident makes: the input is analyzed once to find it.
fn of_finding(id: &str, input: &Input<'_>) -> anyhow::Result<Alert> {
    if !is_id(id) {
        bail!("--alert {id}: no id of a finding: it has 8 or 16 hex digits");
    }
    if input.paths.iter().any(|path| path == Path::new("-")) {
        bail!(
            "--alert {id}: the input is read twice for a finding, which standard input cannot be"
        );
    }
    let report = analyze(input.paths, input.opening.clone(), input.effort, input.options)?.report;
    let id = id.to_ascii_lowercase();
    let finding = report.findings.iter().find(|one| one.id == id || one.incident == id);
    let finding = finding.ok_or_else(|| {
        anyhow!(
            "--alert {id}: no file of this name, and no finding of {}; analyze --min-severity low lists them",
            shown(&report)
        )
    })?;
    Ok(Alert::of_finding(finding, &input.options.home))
}

/// The alerts of files or of standard input.
fn read(paths: &[PathBuf], named: &str, options: &Options) -> anyhow::Result<Taken> {
    let make = || Alerts::new(options.home.clone());
    let read = follow::read(paths, &follow::Options::default(), make)
        .with_context(|| format!("--alert {named}"))?;
    let mut all = Taken::default();
    for sink in read.sinks {
        all.add(sink.finish());
    }
    let Taken { count, unusable, .. } = all;
    if count > ALERTS_MAX as u64 {
        bail!("--alert {named}: {count} alerts; at most {ALERTS_MAX} at a time: split the file");
    }
    if count == 0 {
        let without = match unusable {
            0 => String::new(),
            some => format!(" ({some} name no address)"),
        };
        bail!(
            "--alert {named}: no alert in it{without}; lines of Suricata's EVE with event_type alert and of Zeek's \
             notice.log, with its header or as JSON, are read"
        );
    }
    Ok(all)
}

//! `triage`: alerts in, the story around each out. Reads, settles and reports as `analyze` does; nothing is published.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args as ClapArgs, ValueEnum};
use flowlore_analyzer::{
    direction::Home,
    limits::ALERTS_MAX,
    options::Options,
    report::{Report, text::TextOptions},
    triage::{
        Alert, Around, Questions,
        alert::{Alerts, destination},
        collect, fold,
        model::Triage,
    },
};
use flowlore_common::{label::Severity, time::Micros};
use jiff::{Timestamp, civil::DateTime};
use serde::Serialize;

use crate::{
    analyze::{analyze, analyze_and},
    follow,
    input::{InputArgs, Zone},
};

/// Tell the story around alerts: what happened before and after, what it comes to, what to do.
#[derive(Clone, Debug, ClapArgs)]
#[command(group = clap::ArgGroup::new("question").required(true).args(["alert", "at"]))]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Alerts: a file of Suricata's EVE or of Zeek's notice.log, one or many; - for standard input; or the id of a
    /// finding of these paths
    #[arg(long, value_name = "FILE|-|ID")]
    alert: Option<String>,
    /// When: 2026-11-23T09:22:30Z, 2026-11-23 09:22:30 in the zone of --tz, or seconds since 1970
    #[arg(long, value_name = "TIME", requires = "host")]
    at: Option<String>,
    /// Whose story
    #[arg(long, value_name = "ADDRESS", requires = "at")]
    host: Option<std::net::IpAddr>,
    /// The other end that it is about: a name or an address
    #[arg(long, value_name = "DESTINATION", requires = "at")]
    destination: Option<String>,
    /// How long before the alert
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    before: Duration,
    /// How long after it
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = parse_duration)]
    after: Duration,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For a person
    Text,
    /// One triage, or the review of several with all of them
    Json,
    /// A triage a line, then the review of several
    Ndjson,
}

/// `90s`, `10m`, `2h`, `1d`; a bare number is seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no length of time: write it as 90s, 10m, 2h or 1d");
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    count.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)
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

/// The command: writes the answers to `out`, which is a terminal or not.
///
/// # Errors
/// When a path, the alerts, the time or the host cannot be used.
pub(super) fn run(
    args: &Args,
    terminal: bool,
    out: &mut dyn io::Write,
) -> anyhow::Result<ExitCode> {
    let zone = args.input.zone()?;
    let folder = args.input.history()?;
    let options = args.input.options(Severity::Low, folder.as_ref())?;
    let seconds = (args.before.as_secs(), args.after.as_secs());
    let around = Around::new(seconds.0, seconds.1).map_err(|error| anyhow!(error))?;
    let (alerts, unusable) = ask(args, &zone, &options)?;
    let several = alerts.len() > 1;
    let questions = Questions { alerts: fold(alerts), around, unusable };
    let watch = questions.watch();
    let (analysis, collected) =
        analyze_and(&args.input.paths, args.input.effort(), &options, Some(&watch), |part| {
            collect(&watch, part, &options)
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
    let names = args.input.paths.iter().map(|path| path.to_string_lossy());
    let text = TextOptions {
        colour: terminal,
        input: &names.collect::<Vec<_>>().join(" "),
        elapsed_ms: None,
        offset_s: &|at: Micros| zone.offset_s(at),
        zone: &zone.name,
    };
    let written = write(&questions, triages, several, &report, (args.output, &text), out);
    match written.and_then(|()| out.flush()) {
        // Whoever reads has read enough: `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS).context("output"),
    }
}

fn write(
    questions: &Questions,
    mut triages: Vec<Triage>,
    several: bool,
    report: &Report,
    (output, options): (Output, &TextOptions<'_>),
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match output {
        Output::Ndjson => {
            for triage in &triages {
                json(triage, out)?;
            }
            if several {
                let mut review = questions.review(triages, report);
                review.triages.clear();
                json(&review, out)?;
            }
            Ok(())
        }
        Output::Json if several => json(&questions.review(triages, report), out),
        Output::Text if several => {
            out.write_all(questions.review(triages, report).to_text(options).as_bytes())
        }
        Output::Json | Output::Text => {
            let Some(triage) = triages.pop() else { return Ok(()) };
            match output {
                Output::Text => out.write_all(triage.to_text(options).as_bytes()),
                Output::Json | Output::Ndjson => json(&triage, out),
            }
        }
    }
}

fn json(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
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

/// What is asked about, and how many alerts name no address.
fn ask(args: &Args, zone: &Zone, options: &Options) -> anyhow::Result<(Vec<Alert>, u64)> {
    if let (Some(at), Some(host)) = (&args.at, args.host) {
        let to = args.destination.as_deref().map(destination).transpose();
        let destination = to.map_err(|error| anyhow!("--destination {error}"))?;
        return Ok((
            vec![Alert { destination, ..Alert::asked(parse_instant(at, zone)?, host) }],
            0,
        ));
    }
    let Some(named) = args.alert.as_deref() else { bail!("name --alert, or --at and --host") };
    let stdin = Path::new("-");
    if named == "-" && args.input.paths.iter().any(|path| path == stdin) {
        bail!("--alert - and the input cannot both be standard input: put one of them into a file");
    }
    let path = Path::new(named);
    if named != "-" && is_id(named) && !path.exists() {
        return Ok((vec![of_finding(named, args, options)?], 0));
    }
    let (alerts, unusable) = read(named, &options.home)?;
    if alerts.is_empty() {
        let without = match unusable {
            0 => String::new(),
            some => format!(" ({some} name no address)"),
        };
        bail!(
            "--alert {named}: no alert in it{without}; lines of Suricata's EVE with event_type alert and of Zeek's \
             notice.log, with its header or as JSON, are read"
        );
    }
    if alerts.len() > ALERTS_MAX {
        bail!(
            "--alert {named}: {} alerts; at most {ALERTS_MAX} at a time: split the file",
            alerts.len()
        );
    }
    Ok((alerts, unusable))
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 8 | 16) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The alert that a finding or the gravest finding of an incident makes: the input is analyzed once to find it.
fn of_finding(id: &str, args: &Args, options: &Options) -> anyhow::Result<Alert> {
    if args.input.paths.iter().any(|path| path == Path::new("-")) {
        bail!(
            "--alert {id}: the input is read twice for a finding, which standard input cannot be"
        );
    }
    let report = analyze(&args.input.paths, args.input.effort(), options)?.report;
    let id = id.to_ascii_lowercase();
    let finding = report.findings.iter().find(|one| one.id == id || one.incident == id);
    let finding = finding.ok_or_else(|| {
        anyhow!(
            "--alert {id}: no file of this name, and no finding of {}; analyze --min-severity low lists them",
            shown(&report)
        )
    })?;
    Ok(Alert::of_finding(finding, &options.home))
}

/// The alerts of a file or of standard input.
fn read(named: &str, home: &Home) -> anyhow::Result<(Vec<Alert>, u64)> {
    let paths = [PathBuf::from(named)];
    let read = follow::read(&paths, &follow::Options::default(), || Alerts::new(home.clone()))
        .with_context(|| format!("--alert {named}"))?;
    let mut all = (Vec::new(), 0);
    for sink in read.sinks {
        let (alerts, unusable) = sink.finish();
        all.0.extend(alerts);
        all.1 += unusable;
    }
    Ok(all)
}

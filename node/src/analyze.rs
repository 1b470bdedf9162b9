//! `flowlore-node analyze`: logs in, a report out. Nothing is published, no folder is needed.
//!
//! ```text
//! paths -> follow (threads) -> intakes -> settle (threads, bucket by bucket) -> report -> text | json | ndjson
//! ```

use std::{
    io,
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::Context as _;
use clap::Args;
use flowlore_analyzer::{
    intake::{Intake, Spill},
    limits::CONVERSATIONS_DEFAULT,
    options::Options,
    report::{Analysis, model::InputFile},
    settle::{Part, Settlement, Witness, Workspace},
    source::Opening,
};
use flowlore_common::{
    env::{Clock, SystemClock},
    label::Severity,
};

use crate::{
    follow::{self, FileRead, Followed, Openings},
    input::InputArgs,
    output::{Output, Shown},
    spill::TemporaryFile,
};

/// Exit code when `--fail-on` or `--fail-on-coverage` says so.
const FAILED_ON: u8 = 3;

/// Analyze logs and print what is in them.
#[derive(Clone, Debug, Args)]
pub struct AnalyzeArgs {
    #[command(flatten)]
    input: InputArgs,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// List findings from this severity on; the others are counted [default: medium as text, info as JSON]
    #[arg(long, value_name = "SEVERITY")]
    min_severity: Option<Severity>,
    /// List so many conversations, by bytes, or all
    #[arg(long, value_name = "N|all", default_value_t = Conversations(Some(CONVERSATIONS_DEFAULT)))]
    conversations: Conversations,
    /// Exit with 3 when a threat is at least this severe
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    /// Exit with 3 when coverage is poor
    #[arg(long)]
    fail_on_coverage: bool,
}

/// A number, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conversations(Option<usize>);

impl std::fmt::Display for Conversations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(count) => count.fmt(f),
            None => f.write_str("all"),
        }
    }
}

impl std::str::FromStr for Conversations {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(None));
        }
        text.parse().map(|count| Self(Some(count))).map_err(|_| "write a number, or all".to_owned())
    }
}

/// How the work is done. Nothing here changes what comes out.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Threads that read and settle.
    pub threads: NonZeroUsize,
    /// Bytes that may wait in memory.
    pub memory_bytes: usize,
}

/// Reads, settles and reports.
///
/// # Errors
/// When a named path cannot be read, or the temporary file cannot be written or read.
pub fn analyze(
    paths: &[PathBuf],
    opening: Opening,
    effort: Effort,
    options: &Options,
) -> anyhow::Result<Analysis> {
    Ok(analyze_and(paths, opening.into(), effort, options, None, |_| ())?.0)
}

/// As [`analyze`], with a witness of each flow and a look at the sums that the report is made of.
///
/// # Errors
/// As [`analyze`].
pub fn analyze_and<T>(
    paths: &[PathBuf],
    openings: Openings,
    effort: Effort,
    options: &Options,
    witness: Option<&dyn Witness>,
    look: impl FnOnce(&Part) -> T,
) -> anyhow::Result<(Analysis, T)> {
    let reading =
        follow::Options { threads: effort.threads, openings, ..follow::Options::default() };
    let waiting = Waiting::new(effort);
    let Followed { files, notes, sinks } = follow::read(paths, &reading, || waiting.intake())?;
    conclude(waiting, Read { files, notes, intakes: sinks }, options, witness, look)
}

/// What was read, ready to be settled.
pub(crate) struct Read {
    pub(crate) files: Vec<FileRead>,
    pub(crate) notes: Vec<String>,
    pub(crate) intakes: Vec<Intake>,
}

/// Where flows wait: a share of the memory each intake, the rest in one temporary file.
pub(crate) struct Waiting {
    effort: Effort,
    spill: Arc<dyn Spill>,
}

impl Waiting {
    pub(crate) fn new(effort: Effort) -> Self {
        Self { effort, spill: Arc::new(TemporaryFile::default()) }
    }

    pub(crate) fn intake(&self) -> Intake {
        // A quarter is left for settling.
        let share_bytes = self.effort.memory_bytes / 4 * 3 / self.effort.threads;
        Intake::new(share_bytes, Some(Arc::clone(&self.spill)))
    }
}

/// Settles and reports.
///
/// # Errors
/// When the temporary file cannot be written or read.
pub(crate) fn conclude<T>(
    waiting: Waiting,
    Read { files, notes, intakes: sinks }: Read,
    options: &Options,
    witness: Option<&dyn Witness>,
    look: impl FnOnce(&Part) -> T,
) -> anyhow::Result<(Analysis, T)> {
    let Waiting { effort, spill } = waiting;
    let settlement = Settlement::new(sinks, Some(spill), options).context("temporary file")?;
    let part = settle(&settlement, effort.threads, witness).context("flows on disk")?;
    let files = files.into_iter().map(input_file).collect();
    let looked = look(&part);
    let report = || Analysis::new(&settlement, part, files, notes, options, effort.threads);
    // On a thread of its own: allocators keep what a thread has freed for threads, so the report is
    // made where the flows were, and not beside them.
    let made = thread::scope(|scope| scope.spawn(report).join());
    let analysis = made.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    Ok((analysis, looked))
}

/// Settles all buckets on threads; which thread takes which makes no difference.
fn settle(
    settlement: &Settlement,
    threads: NonZeroUsize,
    witness: Option<&dyn Witness>,
) -> io::Result<Part> {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut part, mut space) = (Part::default(), Workspace::default());
        loop {
            let bucket = next.fetch_add(1, Ordering::Relaxed);
            if bucket >= settlement.buckets() {
                return Ok(part);
            }
            settlement.settle(bucket, &mut part, &mut space, witness)?;
        }
    };
    let parts: Vec<io::Result<Part>> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads.get()).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    });
    let mut whole = Part::default();
    for part in parts {
        whole.merge(part?);
    }
    Ok(whole)
}

fn input_file(file: FileRead) -> InputFile {
    let FileRead { path, tally, note } = file;
    InputFile {
        path,
        format: tally.format(),
        records: tally.records,
        flows: 0,
        skipped: tally.skipped.iter().map(|(reason, count)| (reason.name(), *count)).collect(),
        note,
    }
}

/// The command: writes the report to `out`, which is a terminal or not.
///
/// # Errors
/// When a path, the asset file, the history or the time zone cannot be used.
pub fn run(
    args: &AnalyzeArgs,
    terminal: bool,
    out: &mut dyn io::Write,
) -> anyhow::Result<ExitCode> {
    let opening = args.input.opening()?;
    let begun = SystemClock.now();
    let zone = args.input.zone()?;
    let folder = args.input.history()?;
    let severity_min = args.min_severity.unwrap_or(args.output.severity_min());
    let options = Options {
        conversations: args.conversations.0,
        ..args.input.options(severity_min, folder.as_ref())?
    };
    let effort = args.input.effort();
    let Analysis { report, history, gravest, .. } =
        analyze(&args.input.paths, opening, effort, &options)?;
    if let (Some(folder), Some(history)) = (&folder, &history) {
        folder.write(history)?;
    }
    let poor = report.coverage.grade == flowlore_analyzer::coverage::Grade::Poor;
    let failed =
        args.fail_on.is_some_and(|least| gravest >= Some(least)) || (args.fail_on_coverage && poor);
    let code = if failed { ExitCode::from(FAILED_ON) } else { ExitCode::SUCCESS };
    let elapsed = SystemClock.now().0.saturating_sub(begun.0) / 1000;
    let shown = Shown {
        output: args.output,
        colour: terminal,
        input: &args.input.shown(),
        zone: &zone,
        elapsed_ms: u64::try_from(elapsed).ok(),
    };
    let written = shown.report(&report, out);
    // The process ends: a million small texts need not be given back one by one.
    std::mem::forget(report);
    match written.and_then(|()| out.flush()) {
        // Whoever reads has read enough: `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code),
        other => other.map(|()| code).context("output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_are_a_number_or_all() {
        assert_eq!("all".parse(), Ok(Conversations(None)));
        assert_eq!("7".parse(), Ok(Conversations(Some(7))));
        assert!("some".parse::<Conversations>().is_err());
    }
}

//! `flowlore-node analyze`: logs in, a report out. Nothing is published, no folder is needed.
//!
//! ```text
//! paths -> follow (threads) -> intakes -> settle (threads, bucket by bucket) -> report -> text | json | ndjson
//! ```

use std::{
    io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use flowlore_analyzer::{
    direction::Home,
    history::History,
    intake::{Intake, Spill},
    inventory::Assets,
    limits::{CONVERSATIONS_DEFAULT, MEMORY_BYTES_DEFAULT},
    options::Options,
    report::{Analysis, model::InputFile, text::TextOptions},
    settle::{Part, Settlement, Witness, Workspace},
};
use flowlore_common::{
    env::{Clock, SystemClock},
    label::Severity,
    time::Micros,
};
use ipnet::IpNet;
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    follow::{self, FileRead, Followed},
    limits::{MEMORY_BYTES_MIN, READERS_MAX},
    spill::TemporaryFile,
};

/// Exit code when `--fail-on` or `--fail-on-coverage` says so.
const FAILED_ON: u8 = 3;
/// The history's file in its folder.
const HISTORY_FILE: &str = "history.json";
/// Beside it, locked while an analysis reads and writes it.
const HISTORY_LOCK: &str = "history.lock";

/// Analyze logs and print what is in them.
#[derive(Clone, Debug, Args)]
pub struct AnalyzeArgs {
    /// Files, folders (searched), or - for standard input; .gz and .zst are unpacked
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Format of the input; `auto` recognises it by content
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    format: Format,
    /// What is inside, instead of what the sensor says and private ranges; may be repeated
    #[arg(long, value_name = "CIDR")]
    home_net: Vec<IpNet>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// List findings from this severity on; the others are counted [default: medium as text, info as JSON]
    #[arg(long, value_name = "SEVERITY")]
    min_severity: Option<Severity>,
    /// List so many conversations, by bytes, or all
    #[arg(long, value_name = "N|all", default_value_t = Conversations(Some(CONVERSATIONS_DEFAULT)))]
    conversations: Conversations,
    /// CSV of machines: address, name, owner, criticality (low, normal, high), tags
    #[arg(long, value_name = "FILE")]
    assets: Option<PathBuf>,
    /// Remember in this folder what was contacted when, and use it
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,
    /// Memory for flows that wait, such as 512MiB or 2GiB; the rest waits in a temporary file
    #[arg(long, value_name = "SIZE", default_value_t = Size(MEMORY_BYTES_DEFAULT))]
    memory: Size,
    /// Threads, 1 to 256; one a core if not given
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<NonZeroUsize>,
    /// Time zone of the text, such as Europe/Berlin; JSON is always UTC
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    /// Exit with 3 when a threat is at least this severe
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    /// Exit with 3 when coverage is poor
    #[arg(long)]
    fail_on_coverage: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// By content
    Auto,
    /// The same: whatever is found is read
    Zeek,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For a person
    Text,
    /// The whole report
    Json,
    /// A finding a line
    Ndjson,
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

fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse().ok().and_then(NonZeroUsize::new);
    let allowed = count.filter(|count| count.get() <= READERS_MAX);
    allowed.ok_or_else(|| format!("'{text}' threads: write a number from 1 to {READERS_MAX}"))
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size(usize);

const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = UNITS.iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes));
        let (name, bytes) = unit.copied().unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / bytes)
    }
}

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no amount of memory: write it as 512MiB or 2GiB");
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let count: usize = digits.parse().map_err(|_| wrong())?;
        let letter = text[digits.len()..].trim().trim_end_matches("iB").trim_end_matches('B');
        let unit = UNITS.iter().find(|(name, _)| name[..1].eq_ignore_ascii_case(letter));
        let bytes = unit.and_then(|(_, bytes)| count.checked_mul(*bytes)).ok_or_else(wrong)?;
        if bytes < MEMORY_BYTES_MIN {
            return Err(format!("'{text}' is too little: {} at least", Self(MEMORY_BYTES_MIN)));
        }
        Ok(Self(bytes))
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
pub fn analyze(paths: &[PathBuf], effort: Effort, options: &Options) -> anyhow::Result<Analysis> {
    Ok(analyze_and(paths, effort, options, None, |_| ())?.0)
}

/// As [`analyze`], with a witness of each flow and a look at the sums that the report is made of.
///
/// # Errors
/// As [`analyze`].
pub fn analyze_and<T>(
    paths: &[PathBuf],
    effort: Effort,
    options: &Options,
    witness: Option<&dyn Witness>,
    look: impl FnOnce(&Part) -> T,
) -> anyhow::Result<(Analysis, T)> {
    let reading = follow::Options { threads: effort.threads, ..follow::Options::default() };
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
    let report = || Analysis::new(&settlement, part, files, notes, options);
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
pub fn run(args: AnalyzeArgs, terminal: bool, out: &mut dyn io::Write) -> anyhow::Result<ExitCode> {
    let (Format::Auto | Format::Zeek) = args.format;
    let begun = SystemClock.now();
    let zone = TimeZone::get(&args.tz)
        .map_err(|_| anyhow!("--tz {}: no such time zone; write it as Europe/Berlin", args.tz))?;
    let folder = args.history.as_deref().map(HistoryFolder::open).transpose()?;
    let options = Options {
        home: Home::new(args.home_net),
        severity_min: args.min_severity.unwrap_or(match args.output {
            Output::Text => Severity::Medium,
            // A program picks for itself.
            Output::Json | Output::Ndjson => Severity::Info,
        }),
        conversations: args.conversations.0,
        assets: args.assets.as_deref().map(read_assets).transpose()?.unwrap_or_default(),
        history: folder.as_ref().map(HistoryFolder::read).transpose()?,
    };
    let threads = args.threads.unwrap_or_else(|| follow::Options::default().threads);
    let effort = Effort { threads, memory_bytes: args.memory.0 };
    let Analysis { report, history, gravest } = analyze(&args.paths, effort, &options)?;
    if let (Some(folder), Some(history)) = (&folder, &history) {
        folder.write(history)?;
    }
    let poor = report.coverage.grade == flowlore_analyzer::coverage::Grade::Poor;
    let failed =
        args.fail_on.is_some_and(|least| gravest >= Some(least)) || (args.fail_on_coverage && poor);
    let code = if failed { ExitCode::from(FAILED_ON) } else { ExitCode::SUCCESS };
    let written = match args.output {
        Output::Json => report.write_json(out),
        Output::Ndjson => report.write_ndjson(out),
        Output::Text => {
            let elapsed = SystemClock.now().0.saturating_sub(begun.0) / 1000;
            let names = args.paths.iter().map(|path| path.to_string_lossy());
            let text = report.to_text(&TextOptions {
                colour: terminal,
                input: &names.collect::<Vec<_>>().join(" "),
                elapsed_ms: u64::try_from(elapsed).ok(),
                offset_s: &|at: Micros| offset_s(&zone, at),
                zone: &args.tz,
            });
            out.write_all(text.as_bytes())
        }
    };
    match written.and_then(|()| out.flush()) {
        // Whoever reads has read enough: `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code),
        other => other.map(|()| code).context("output"),
    }
}

fn offset_s(zone: &TimeZone, at: Micros) -> i32 {
    Timestamp::from_microsecond(at.0).map_or(0, |at| zone.to_offset(at).seconds())
}

fn read_assets(path: &Path) -> anyhow::Result<Assets> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("--assets {shown}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        anyhow!("--assets {shown}: line {line} is no UTF-8 text: save the table as CSV in UTF-8")
    })?;
    Assets::parse(&text).with_context(|| format!("--assets {shown}"))
}

/// The folder of `--history`, locked until dropped: two analyses at once would lose one's memory.
struct HistoryFolder {
    path: PathBuf,
    _lock: std::fs::File,
}

impl HistoryFolder {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("--history {}", path.display());
        if path.is_file() {
            bail!("{} is a file: name a folder for the history", context());
        }
        std::fs::create_dir_all(path).with_context(context)?;
        let lock = std::fs::File::create(path.join(HISTORY_LOCK)).with_context(context)?;
        lock.lock().with_context(context)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    fn file(&self) -> PathBuf {
        self.path.join(HISTORY_FILE)
    }

    fn read(&self) -> anyhow::Result<History> {
        let file = self.file();
        match std::fs::read(&file) {
            Ok(bytes) => History::from_bytes(&bytes).with_context(|| file.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(History::default()),
            Err(error) => Err(error).with_context(|| file.display().to_string()),
        }
    }

    /// All or nothing: whoever reads it sees the old one or the new one.
    fn write(&self, history: &History) -> anyhow::Result<()> {
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            io::Write::write_all(&mut file, &history.to_bytes())?;
            file.as_file().sync_all()?;
            file.persist(self.file())?;
            io::Result::Ok(())
        };
        write().with_context(|| self.file().display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for (text, bytes) in [("1GiB", 1 << 30), ("512MiB", 512 << 20), ("64M", 64 << 20)] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size, Size(bytes));
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        for text in ["", "12", "MiB", "5 parsecs", "1KiB", "99999999999999GiB", "-1GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn threads_are_a_few() {
        assert_eq!(parse_threads("256").map(NonZeroUsize::get), Ok(256));
        for text in ["0", "257", "100000", "-1", "many", ""] {
            let error = parse_threads(text).unwrap_err();
            assert!(error.contains("from 1 to 256"), "{error}");
        }
    }

    #[test]
    fn conversations_are_a_number_or_all() {
        assert_eq!("all".parse(), Ok(Conversations(None)));
        assert_eq!("7".parse(), Ok(Conversations(Some(7))));
        assert!("some".parse::<Conversations>().is_err());
    }
}

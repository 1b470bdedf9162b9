//! In which form answers are written: the same for a terminal here and for a caller of the local port.

use std::io;

use clap::ValueEnum;
use flowlore_analyzer::report::{Report, text::TextOptions};
use flowlore_common::{label::Severity, time::Micros};
use serde::Serialize;

use crate::input::Zone;
use crate::limits::DOCUMENT_BYTES_MAX;

/// What to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For a person
    #[default]
    Text,
    /// One document: the whole report; one triage, or the review of several with all of them
    Json,
    /// A finding a line; a triage a line, then the review of several
    Ndjson,
}

impl Output {
    /// Findings of reports in this form are listed from this severity on, unless somebody says otherwise.
    pub(crate) const fn severity_min(self) -> Severity {
        match self {
            Self::Text => Severity::Medium,
            // A program picks for itself.
            Self::Json | Self::Ndjson => Severity::Info,
        }
    }
}

/// A form, and what the reader's side decides about text.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) output: Output,
    pub(crate) colour: bool,
    /// What was asked for, as the first line names it.
    pub(crate) input: &'a str,
    pub(crate) zone: &'a Zone,
    /// How long it took, milliseconds.
    pub(crate) elapsed_ms: Option<u64>,
}

impl Shown<'_> {
    /// Text by `text`.
    pub(crate) fn text<T>(&self, text: impl FnOnce(&TextOptions<'_>) -> T) -> T {
        text(&TextOptions {
            colour: self.colour,
            input: self.input,
            elapsed_ms: self.elapsed_ms,
            offset_s: &|at: Micros| self.zone.offset_s(at),
            zone: &self.zone.name,
        })
    }

    /// Writes a report.
    pub(crate) fn report(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        match self.output {
            Output::Json => report.write_json(out),
            Output::Ndjson => report.write_ndjson(out),
            Output::Text => out.write_all(self.text(|options| report.to_text(options)).as_bytes()),
        }
    }
}

/// One JSON document on a line.
pub(crate) fn json(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// What is written, unless it is too much.
///
/// # Errors
/// It is.
pub(crate) fn bounded(
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut bounded = Bounded(Vec::new());
    write(&mut bounded)?;
    Ok(bounded.0)
}

/// A buffer with an end.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(io::Error::other("the answer has more than 256 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

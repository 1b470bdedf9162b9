//! The commands: each asks the node, then prints text or JSON.

mod enrich;
mod files;
mod history;
mod label;
mod lookup;
mod retract;
mod status;
mod upload;

use std::io::Write;
use std::sync::Arc;

use flowlore_common::env::Clock;
use flowlore_common::time::Micros;
use serde::Serialize;

use crate::access::Access;
use crate::api::Client;
use crate::cli::{Cli, Command};
use crate::failure::{Ending, Failure};
use crate::render::text::escape_unsafe;

/// Where a command prints, and how.
pub struct Console<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// JSON instead of text.
    pub json: bool,
    /// Standard output is a terminal.
    pub out_is_terminal: bool,
    /// Colours are wanted.
    pub colour: bool,
    /// Standard error is a terminal, where progress may be shown.
    pub progress: bool,
    /// When the command was given.
    pub now: Micros,
}

impl Console<'_> {
    /// Prints text.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes()).map_err(|error| unwritable(&error))
    }

    /// Hands what was printed over.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| unwritable(&error))
    }

    /// Prints one JSON document on a line.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value)
            .map_err(|error| Failure::new("json", error.to_string(), ""))?;
        self.json_document(&line)
    }

    /// Prints a JSON document as it is; on a terminal with harmful characters escaped, which
    /// changes no value.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub fn json_document(&mut self, document: &str) -> Result<(), Failure> {
        let document = document.trim_end();
        let shown = if self.out_is_terminal { escape_unsafe(document) } else { document.into() };
        self.text(&shown)?;
        self.text("\n")
    }
}

fn unwritable(error: &std::io::Error) -> Failure {
    Failure::new("output", format!("standard output: {error}"), "")
}

/// Runs a command: finds the node, asks, prints.
///
/// # Errors
/// See [`Failure`]. Whatever was answered before has been printed.
pub async fn run(
    cli: Cli,
    variable: impl Fn(&str) -> Option<String>,
    clock: Arc<dyn Clock>,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    if let Command::Lookup(lookup) = &cli.command {
        lookup::check(lookup)?;
    }
    let client = Client::connect(Access::find(&cli.access.into(), variable)?, clock).await?;
    match &cli.command {
        Command::Lookup(lookup) => lookup::run(&client, lookup, console).await,
        Command::Label(label) => label::run(&client, label, console).await,
        Command::Dispute(dispute) => label::dispute(&client, dispute, console).await,
        Command::History(history) => history::run(&client, history, console).await,
        Command::Enrich(enrich) => enrich::run(&client, enrich, console).await,
        Command::Retract(retract) => retract::run(&client, retract, console).await,
        Command::Upload(upload) => upload::run(&client, upload, console).await,
        Command::Triage(triage) => upload::triage(&client, triage, console).await,
        Command::Status => status::run(&client, console).await,
    }
}

//! The command line: one module a command. Each says what to type next.

mod archive;
mod credential;
mod demo;
mod federation;
pub mod init;
mod publish;
mod run;
mod store;
mod triage;
mod vectors;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{analyze, evaluate, synth};

/// Analyzes flow logs, explains them, publishes sealed labels, replicates, answers.
#[derive(Debug, Parser)]
#[command(name = "flowlore-node", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show three orgs on this machine: analyze, publish, replicate, look up.
    Demo(demo::Args),
    /// Make a node: keys, a commented configuration, an admin's credential, a federation of one.
    Init(init::Args),
    /// Run the node of a folder until Ctrl-C or SIGTERM.
    Run(run::Args),
    /// Found a federation, bring orgs in, make evaluation keys.
    Federation(federation::Args),
    /// Grant people roles at the local port, and take them back.
    Credential(credential::Args),
    /// Analyze logs and print what is in them; nothing is published.
    Analyze(analyze::AnalyzeArgs),
    /// Tell the story around alerts, a finding, or a host at a time; nothing is published.
    Triage(triage::Args),
    /// Measure the analyzer on captures with ground truth and on sample days.
    Evaluate(evaluate::EvaluateArgs),
    /// Show what would leave the node of some logs.
    Publish(publish::Args),
    /// Check the ledger, carry it elsewhere, bring it back.
    Store(store::Args),
    /// The org's own flows: erase some for good.
    Archive(archive::Args),
    /// Print the byte vectors of proto/PROTOCOL.md's signed formats.
    Vectors,
    /// Write deterministic sample logs with an answer key.
    Synth(synth::SynthArgs),
}

/// Runs a command; an error is one line on stderr and exit code 1.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Federation(args) => federation::run(&args),
        Command::Credential(args) => credential::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Archive(args) => archive::run(&args),
        Command::Vectors => vectors::run(),
        Command::Analyze(args) => print_analysis(&args),
        Command::Triage(args) => print_triage(&args),
        Command::Synth(args) => print_synth(&args),
        Command::Evaluate(args) => print_evaluation(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn print_analysis(args: &analyze::AnalyzeArgs) -> Result<ExitCode> {
    let stdout = std::io::stdout();
    let terminal = stdout.is_terminal();
    analyze::run(args, terminal, &mut std::io::BufWriter::new(stdout.lock()))
}

fn print_triage(args: &triage::Args) -> Result<ExitCode> {
    let stdout = std::io::stdout();
    let terminal = stdout.is_terminal();
    triage::run(args, terminal, &mut std::io::BufWriter::new(stdout.lock()))
}

fn print_synth(args: &synth::SynthArgs) -> Result<ExitCode> {
    synth::run(args, &mut std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

fn print_evaluation(args: &evaluate::EvaluateArgs) -> Result<ExitCode> {
    evaluate::run(args, &mut std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "the one line that a failing command says")]
fn complain(error: &str) {
    eprintln!("flowlore-node: {error}");
}

/// The folder of a node, as every command names it.
#[derive(Debug, clap::Args)]
struct Dir {
    /// The node's folder.
    #[arg(long, env = "FLOWLORE_DIR", value_name = "FOLDER")]
    dir: PathBuf,
}

impl Dir {
    fn path(&self) -> &Path {
        &self.dir
    }
}

/// Runs a future to its end on all cores.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    runtime()?.block_on(future)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

//! `demo`: three orgs on this machine, from logs to answers.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::demo;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Exit when all has been shown: 0, or 1 when anything differs from the sample's key.
    #[arg(long)]
    once: bool,
    /// Decides the sample logs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the three nodes live; must be empty or absent. Default: a temporary folder, removed at the end.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// This org analyzes nothing, so nobody learns what only it saw.
    #[arg(long, value_name = "A|B|C", value_parser = ["A", "B", "C"])]
    skip_org: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let temporary = match &args.dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("flowlore-demo-").tempdir()?),
    };
    let dir = args.dir.as_deref().or(temporary.as_ref().map(tempfile::TempDir::path));
    let dir = dir.context("a folder was made")?;
    let options =
        demo::Options { once: args.once, seed: args.seed, skip_org: args.skip_org.clone() };
    let differences = super::block_on(demo::run(dir, &options))?;
    Ok(if differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

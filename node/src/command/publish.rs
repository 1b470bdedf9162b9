//! `publish --dry-run`: exactly what would leave, readable and as bytes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::rpc::client::Local;

/// Arguments of `publish`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    dir: super::Dir,
    /// Show it; publishing itself is done by uploads to the running node.
    #[arg(long, required = true)]
    dry_run: bool,
    /// Logs: files or folders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    ensure!(args.dry_run, "only --dry-run is served: uploads to the running node publish");
    super::block_on(show(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &Args) -> Result<()> {
    for line in Local::connect(args.dir.path()).await?.dry_run(&args.paths).await? {
        println!("{line}");
    }
    Ok(())
}

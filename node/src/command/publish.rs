//! `publish --dry-run`: exactly what would leave, readable and as bytes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use flowlore_proto::v1;
use flowlore_proto::v1::dry_run_part::Part;
use tokio_stream::StreamExt as _;

use crate::rpc::client::{Local, status_error, upload_parts};

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
    let mut local = Local::connect(args.dir.path()).await?;
    let parts = upload_parts(&args.paths, v1::AnalyzeOptions::default())?;
    let shown = local.admin.publish_dry_run(parts).await.map_err(status_error)?;
    let mut shown = shown.into_inner();
    let mut statements = 0_u64;
    while let Some(part) = shown.next().await {
        match part.map_err(status_error)?.part {
            Some(Part::Statement(said)) => {
                statements += 1;
                println!("{} {} {}", said.purpose, said.kind, said.destination);
                for entry in said.entries {
                    println!("  {entry}");
                }
                println!("  sealed bytes: {}", hex::encode(said.body));
            }
            Some(Part::Kept(kept)) => {
                println!("{statements} statements would leave, as tokens and sealed bytes.");
                for (why, count) in sorted(kept.never_tokenised) {
                    println!("{count} destinations stay here: {why}");
                }
            }
            None => {}
        }
    }
    Ok(())
}

fn sorted(counts: impl IntoIterator<Item = (String, u64)>) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort();
    counts
}

//! `run`: the daemon.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use flowlore_common::env::SystemClock;

use crate::config::{Config, Log};
use crate::folder::Folder;
use crate::node::Node;
use crate::peer::joining;
use crate::serve;

/// How long work on other threads may go on when all else has ended: an analysis that nobody waits for any more.
const LEFTOVER_TIME_MAX: Duration = Duration::from_secs(1);

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    dir: super::Dir,
    /// Begin a new incarnation of this org's feed, because others hold blocks of it that are lost here for good.
    #[arg(long)]
    new_incarnation: bool,
    /// Stop when standard input ends, too: a parent's child does not outlive it.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let folder = Folder::open(args.dir.path())?;
    let config = Config::load(&folder)?;
    log_to_stderr(&config.log);
    let runtime = super::runtime()?;
    let served = runtime.block_on(async {
        let stop = serve::told_to_stop(args.until_stdin_closes)?;
        tokio::pin!(stop);
        if joining::is_joining(&folder)? {
            tokio::select! {
                joined = joining::join(&folder, &config) => joined?,
                () = &mut stop => return Ok(()),
            }
        }
        let node = Node::open(folder, config, Arc::new(SystemClock))?;
        if args.new_incarnation {
            node.begin_incarnation()?;
        }
        let serving = serve::start(node.clone()).await?;
        let (peers, clients) = (serving.peer_address, &serving.local_address);
        let metrics = serving.metrics_address.map(tracing::field::display);
        for input in &serving.input_addresses {
            tracing::info!(%input, "listening to routers");
        }
        tracing::info!(org = %node.org.short(), %peers, %clients, metrics, "serving");
        drop(node);
        serving.until(stop).await?;
        tracing::info!("stopped");
        anyhow::Ok(())
    });
    runtime.shutdown_timeout(LEFTOVER_TIME_MAX);
    served?;
    Ok(ExitCode::SUCCESS)
}

fn log_to_stderr(log: &Log) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(log.level)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // A logger that is set already is a test's: it may stay.
    let _ = if log.json { builder.json().try_init() } else { builder.try_init() };
}

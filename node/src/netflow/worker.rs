//! Closed files, one after the other, as an upload is: analyzed, kept, and removed when that is done.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use flowlore_analyzer::direction::Home;
use flowlore_analyzer::options::Options;
use flowlore_analyzer::source::Opening;
use flowlore_common::label::Severity;
use tokio::task::JoinSet;

use super::{Listener, reports};
use crate::keep::{self, Failed, Given};
use crate::node::Node;

/// Receives and analyzes until the node is to stop; what has come until then is analyzed, too. What an earlier process
/// left comes first.
///
/// # Errors
/// A socket fails.
pub async fn run(node: Arc<Node>, listeners: Vec<Listener>) -> Result<()> {
    let mut listening = JoinSet::new();
    for listener in listeners {
        let node = node.clone();
        listening.spawn_blocking(move || listener.run(&node));
    }
    loop {
        look_through(&node).await;
        tokio::select! {
            () = node.netflow.over.notified() => {}
            Some(ended) = listening.join_next() => ended.context("a listener died")??,
            () = node.stopped() => break,
        }
    }
    while let Some(ended) = listening.join_next().await {
        ended.context("a listener died")??;
    }
    look_through(&node).await;
    Ok(())
}

/// Every file that waits, once. One that fails is left for the next time.
async fn look_through(node: &Arc<Node>) {
    let waiting = node.netflow.spool.waiting().unwrap_or_else(|error| {
        tracing::error!(%error, "the folder of datagrams cannot be read");
        Vec::new()
    });
    for path in waiting {
        let kept = tokio::task::spawn_blocking({
            let (node, path) = (node.clone(), path.clone());
            move || keep_file(&node, &path)
        });
        // One that dies may do so again.
        let kept = kept.await.context("an analysis died").map_err(Failed::Unusable).flatten();
        let (error, what): (anyhow::Error, _) = match kept {
            Ok(()) => {
                node.publish.notify_one();
                continue;
            }
            Err(_) if path.try_exists().is_ok_and(|is_there| !is_there) => {
                tracing::info!("a period of netflow was erased before it was kept");
                continue;
            }
            Err(failed @ (Failed::NotKept(_) | Failed::Erased)) => {
                (failed.into(), "it is tried again")
            }
            Err(failed) if node.netflow.spool.failed(&path) => {
                (failed.into(), "it is set aside as private/spool/*.failed")
            }
            Err(failed) => (failed.into(), "it is tried again"),
        };
        node.netflow.counts.failed.inc();
        let error = format!("{error:#}");
        tracing::error!(error, "a period of netflow is not analyzed: {what}");
    }
}

/// Keeps what a file says, and removes it.
fn keep_file(node: &Node, path: &Path) -> Result<(), Failed> {
    let (begun, erasures) = (Instant::now(), node.flows.erasures());
    let mut digest = keep::digest();
    let read = File::open(path).and_then(|file| digest.update_reader(file).map(|_| ()));
    read.map_err(Failed::here)?;
    let digest = digest.finalize();
    let keep = |severity_min| {
        let home = Home::new(node.config.home_nets.clone());
        let options = Options { home, severity_min, ..Options::default() };
        let given = Given {
            paths: &[path.to_owned()],
            opening: &Opening::ByContent,
            options: &options,
            digest,
            keep_here: false,
            erasures,
        };
        keep::keep(node, &given, |analysis| reports::document(&mut analysis.report, path))
    };
    let (document, analysis, publication) = match keep(Severity::Info) {
        // With fewer findings, then.
        Err(Failed::TooMuch(_)) => keep(Severity::Medium)?,
        kept => kept?,
    };
    reports::keep(&node.folder, path, &document, node.clock.now()).map_err(Failed::here)?;
    node.netflow.spool.remove(path).map_err(Failed::here)?;
    node.netflow.counts.analyzed.inc();
    let report = &analysis.report;
    tracing::info!(
        flows = report.input.flows,
        records = report.input.files.iter().map(|file| file.records).sum::<u64>(),
        incidents = report.incidents.len(),
        contacted = publication.contacted,
        suspected = publication.suspected,
        milliseconds = u64::try_from(begun.elapsed().as_millis()).ok(),
        "a period of netflow is analyzed"
    );
    Ok(())
}

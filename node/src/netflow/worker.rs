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
        // Uploads and this share the machine's memory.
        let Ok(place) = node.analyses.clone().acquire_owned().await else { return };
        let kept = tokio::task::spawn_blocking({
            let node = node.clone();
            move || {
                let _place = place;
                keep_file(&node, &path)
            }
        });
        match kept.await.context("an analysis died").flatten() {
            Ok(()) => node.publish.notify_one(),
            Err(error) => {
                node.netflow.counts.failed.inc();
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "a period of netflow is not analyzed yet: it is tried again"
                );
            }
        }
    }
}

/// Keeps what a file says, and removes it.
fn keep_file(node: &Node, path: &Path) -> Result<()> {
    let begun = Instant::now();
    let mut digest = keep::digest();
    digest.update_reader(File::open(path)?)?;
    let options = Options {
        home: Home::new(node.config.home_nets.clone()),
        severity_min: Severity::Info,
        ..Options::default()
    };
    let given = Given {
        paths: &[path.to_owned()],
        opening: &Opening::ByContent,
        options: &options,
        digest: digest.finalize(),
        keep_here: false,
    };
    let (mut analysis, publication) = keep::keep(node, &given).map_err(|failed| match failed {
        Failed::Unusable(error) | Failed::NotKept(error) => error,
    })?;
    let report = &mut analysis.report;
    for file in &mut report.input.files {
        file.path = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    reports::keep(&node.folder, path, report, node.clock.now())?;
    node.netflow.spool.remove(path)?;
    node.netflow.counts.analyzed.inc();
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

//! One analysis of recordings, each as a view shows it.

use std::path::PathBuf;

use flowlore_analyzer::direction::Home;
use flowlore_analyzer::history::History;
use flowlore_analyzer::limits::MEMORY_BYTES_DEFAULT;
use flowlore_analyzer::options::Options;
use flowlore_analyzer::report::Analysis;
use flowlore_common::label::Severity;
use ipnet::IpNet;

use super::view::{Share, View, Viewed};
use crate::analyze::{self, Effort, Read, Waiting};
use crate::follow;

/// Files or folders, and how they are seen.
pub(super) type Recordings = Vec<(Vec<PathBuf>, View)>;

/// The report of recordings that are seen together.
pub(super) fn analyze(
    recordings: &Recordings,
    home: &[IpNet],
    history: Option<History>,
) -> anyhow::Result<Analysis> {
    let reading = follow::Options::default();
    let effort = Effort { threads: reading.threads, memory_bytes: MEMORY_BYTES_DEFAULT };
    let waiting = Waiting::new(effort);
    let mut read = Read { files: Vec::new(), notes: Vec::new(), intakes: Vec::new() };
    for (paths, view) in recordings {
        let view = View { files_before: read.files.len() as u32, ..view.clone() };
        let make = || Viewed::new(view.clone(), waiting.intake());
        let followed = follow::read(paths, &reading, make)?;
        read.files.extend(followed.files);
        read.intakes.extend(followed.sinks.into_iter().map(Viewed::into_inner));
    }
    let options = Options {
        home: Home::new(home.to_vec()),
        severity_min: Severity::Low,
        history,
        ..Options::default()
    };
    Ok(analyze::conclude(waiting, read, &options, None, |_| ())?.0)
}

/// The recordings, read once for each share, in this order.
pub(super) fn in_shares(
    recordings: &Recordings,
    shares: impl Iterator<Item = Share>,
) -> Recordings {
    let one = |share| {
        let seen = recordings
            .iter()
            .map(move |(paths, view)| (paths.clone(), View { share, ..view.clone() }));
        seen.collect::<Recordings>()
    };
    shares.flat_map(one).collect()
}

/// The recordings with something else about their views changed.
pub(super) fn with(recordings: &Recordings, change: impl Fn(&mut View)) -> Recordings {
    let mut changed = recordings.clone();
    changed.iter_mut().for_each(|(_, view)| change(view));
    changed
}

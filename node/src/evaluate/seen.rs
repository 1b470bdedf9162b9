//! One analysis of recordings, each as a view shows it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowlore_analyzer::direction::Home;
use flowlore_analyzer::history::History;
use flowlore_analyzer::limits::MEMORY_BYTES_DEFAULT;
use flowlore_analyzer::options::Options;
use flowlore_analyzer::places::Places;
use flowlore_analyzer::report::Analysis;
use flowlore_common::label::Severity;
use ipnet::IpNet;

use super::view::{Share, View, Viewed};
use crate::analyze::{self, Effort, Read, Waiting};
use crate::{follow, input};

/// Files or folders, and how they are seen.
pub(super) type Recordings = Vec<(Vec<PathBuf>, View)>;

/// The report of recordings that are seen together.
pub(super) fn analyze(
    recordings: &Recordings,
    home: &[IpNet],
    places: &Arc<Places>,
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
        places: Arc::clone(places),
        history,
        ..Options::default()
    };
    Ok(analyze::conclude(waiting, read, &options, None, |_| ())?.0)
}

/// The lists that ship with the program, and those that lie in a folder, as sample days have them of their outside.
pub(super) fn places(folder: &Path) -> anyhow::Result<Arc<Places>> {
    let there = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    input::read_places(there("places.tsv").as_deref(), there("brands.tsv").as_deref())
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

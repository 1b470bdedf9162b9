//! From paths to records: finds files, opens, maps and decompresses them, and reads them on threads.
//!
//! ```text
//! paths -> find (files in order, each once) -> queue (pieces of maps, whole streams) -> threads -> sinks
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `find` | paths, folders and links to a sorted list of files |
//! | `map` | a file as bytes: the one `unsafe` of the project |
//! | `unpack` | compressed files and pipes as blocks |
//! | `queue` | which thread reads what next |
//!
//! What comes out does not depend on threads, pieces or the order of paths: files are numbered in the
//! order of their paths, their numbers add up in any order, and so must what the sinks keep.

mod find;
mod map;
mod queue;
mod unpack;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use flowlore_analyzer::record::FileSink;
use flowlore_analyzer::source::{FileTally, Opening};

use crate::limits::{INPUT_FILES_MAX, PIECE_BYTES, READERS_MAX};
use queue::{Outcomes, Queue};
use unpack::Packing;

/// How files are read: those of some folders in ways of their own, all others in one way.
#[derive(Clone, Debug, Default)]
pub struct Openings {
    otherwise: Opening,
    by_folder: BTreeMap<PathBuf, Opening>,
}

impl From<Opening> for Openings {
    fn from(otherwise: Opening) -> Self {
        Self { otherwise, by_folder: BTreeMap::new() }
    }
}

impl Openings {
    /// Lets files of a folder and those below it be read in a way of their own.
    pub(crate) fn within(&mut self, folder: PathBuf, opening: Opening) {
        self.by_folder.insert(folder, opening);
    }

    /// How a file is read.
    fn of(&self, path: &Path) -> &Opening {
        let mut folders = path.ancestors().filter(|_| !self.by_folder.is_empty());
        folders.find_map(|folder| self.by_folder.get(folder)).unwrap_or(&self.otherwise)
    }
}

/// Whether a file that begins so is unpacked as it is read.
pub(crate) fn is_packed(start: &[u8]) -> bool {
    Packing::of(start) != Packing::Plain
}

/// How input is read. Of what is here only the openings change what comes out.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Threads that read.
    pub threads: NonZeroUsize,
    /// Bytes of a plain file that a thread reads at a time.
    pub piece_bytes: usize,
    /// By content, or by mappings.
    pub openings: Openings,
}

impl Default for Options {
    /// A thread a core.
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, piece_bytes: PIECE_BYTES, openings: Openings::default() }
    }
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRead {
    /// Its path as found, `-` for standard input.
    pub path: String,
    /// What became of its records.
    pub tally: FileTally,
    /// What a person should know: why it was not read, or not to its end. A sentence without a stop.
    pub note: Option<String>,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Followed<S> {
    /// The files, in the order of their paths. The place of a file is the number that sinks were told.
    pub files: Vec<FileRead>,
    /// What a person should know about paths that gave no file: seen twice, hidden, not a file.
    pub notes: Vec<String>,
    /// The sinks of the threads.
    pub sinks: Vec<S>,
}

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    /// A path that was named cannot be opened.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// The system's word.
        reason: io::Error,
    },
    /// More files than one analysis takes.
    #[error("more than {INPUT_FILES_MAX} files: name fewer folders at a time")]
    TooManyFiles,
    /// A thread ended early. A bug: inputs, however broken, are counted.
    #[error("a thread that reads input ended early; please report this")]
    Thread,
}

/// Reads all files under the paths, each once, into sinks that `make` gives, one a thread.
///
/// # Errors
/// When a named path cannot be opened. What is wrong inside a
/// file, and a file in a folder that cannot be opened, is said in the file's entry.
pub(crate) fn read<S: FileSink + Send>(
    paths: &[PathBuf],
    options: &Options,
    make: impl Fn() -> S,
) -> Result<Followed<S>, FollowError> {
    let found = find::files(paths)?;
    let queue = Mutex::new(Queue::new(&found.inputs, options));
    let threads = options.threads.get().min(READERS_MAX);
    let sinks: Vec<S> = (0..threads).map(|_| make()).collect();
    let ended: Vec<_> = thread::scope(|scope| {
        let spawn = |sink| scope.spawn(|| queue::work(&queue, sink));
        let running: Vec<_> = sinks.into_iter().map(spawn).collect();
        running.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let (mut sinks, mut outcomes) = (Vec::new(), Outcomes::default());
    for result in ended {
        let (sink, part) = result.map_err(|_| FollowError::Thread)?;
        sinks.push(sink);
        outcomes.merge(part);
    }
    let mut files = Vec::new();
    for (index, input) in found.inputs.iter().enumerate() {
        let (tally, note) = outcomes.take(index);
        if let (true, Some(reason)) = (input.named, outcomes.unopened(index)) {
            return Err(FollowError::Unreadable { path: input.path.clone(), reason });
        }
        files.push(FileRead { path: shown(&input.path), tally, note });
    }
    Ok(Followed { files, notes: found.notes, sinks })
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

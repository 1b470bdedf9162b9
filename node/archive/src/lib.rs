//! The org's own flows, kept for looking back. Private: nothing here may leave the machine.
//!
//! ```text
//! archive/date=2026-11-23/hour=09/BATCH-0.parquet     rows sorted by host, then start
//! archive/.incoming/BATCH/...                         a batch that is being written: in no glob
//! archive/.committed/BATCH/...                        whole and durable, being moved into place
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`limits`] | every bound of this crate, with unit and reason |
//! | [`row`] | a flow as it is kept |
//! | [`mod@column`] | the table of columns: name, type, from a row and back |
//! | [`mod@file`] | one Parquet file: rows in, pruned rows out |
//! | [`folder`] | where files lie, and how they come into view whole or not at all |
//! | [`batch`] | rows of one upload, hour by hour, with bounded memory |
//! | [`archive`] | the whole: write, read, forget |
pub mod archive;
pub mod batch;
pub mod column;
pub mod file;
pub mod folder;
pub mod limits;
pub mod row;

use std::{io, path::PathBuf};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What.
        source: io::Error,
    },
    /// Not a file that this version wrote, or a damaged one.
    #[error("{}: {what}; move the file away to go on without its flows", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A batch whose name cannot be part of a file's name.
    #[error("batch name '{0}': write 1 to 64 lower-case letters, digits or hyphens")]
    BatchName(String),
    /// Another process has it.
    #[error("{}: another process writes to this archive", .0.display())]
    Locked(PathBuf),
}

impl ArchiveError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

//! Files of datagrams on their way to the analysis. A file that is written has another name than one that is closed;
//! a process that ends in between leaves both to the next one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::packet::FILE_HEADER;
use crate::folder::make_private_dir;
use crate::limits::{
    SPOOL_ASIDE_MAX, SPOOL_ATTEMPTS_MAX, SPOOL_BUFFER_BYTES, SPOOL_FILES_MAX, SPOOL_FILES_MIN,
};

/// The folder in the node's.
pub(super) const FOLDER: &str = "private/spool";
/// How the name of a file ends that is written.
const OPEN: &str = "open";
/// How the name of a file ends that waits.
const CLOSED: &str = "pcap";
/// How the name of a file ends that could not be analyzed: it waits for nobody but people.
const FAILED: &str = "failed";

/// The folder, and how much is in it.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    bytes_max: u64,
    bytes: AtomicU64,
    /// Of the next file. Names are in the order of their beginning.
    next: AtomicU64,
    /// How often the analysis of files has failed in this process.
    attempts: Mutex<BTreeMap<PathBuf, u32>>,
}

impl Spool {
    /// Closes what an earlier process left open. Nobody else uses the folder.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(folder: &Path, bytes_max: u64) -> Result<Self> {
        let mut newest = 0;
        let mut bytes = 0;
        for path in files(folder).with_context(|| folder.display().to_string())? {
            let path = if ends(&path, OPEN) {
                let closed = path.with_extension(CLOSED);
                fs::rename(&path, &closed).with_context(|| path.display().to_string())?;
                closed
            } else {
                path
            };
            newest = newest.max(number(&path).unwrap_or_default());
            if ends(&path, CLOSED) {
                bytes += path.metadata().with_context(|| path.display().to_string())?.len();
            }
        }
        let (bytes, next) = (AtomicU64::new(bytes), AtomicU64::new(newest + 1));
        Ok(Self { folder: folder.to_owned(), bytes_max, bytes, next, attempts: Mutex::default() })
    }

    /// Files that wait, the oldest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn waiting(&self) -> io::Result<Vec<PathBuf>> {
        let mut all = files(&self.folder)?;
        all.retain(|path| ends(path, CLOSED));
        all.sort_unstable_by_key(|path| number(path));
        Ok(all)
    }

    /// Bytes of all files, also of those that are written.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Removes a file that was read, unless an erasure did.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.take(path).map(|_| ())
    }

    /// Whether it was there. Of two who remove it, one counts its bytes.
    fn take(&self, path: &Path) -> io::Result<bool> {
        let remove = || {
            let bytes = path.metadata()?.len();
            fs::remove_file(path).map(|()| bytes)
        };
        match remove() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            Ok(bytes) => {
                if ends(path, CLOSED) {
                    self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                }
                Ok(true)
            }
        }
    }

    /// Removes all that is not written any more, and tells how many files they were: nobody's datagrams can be told
    /// apart in them. A file that is written stays, since its datagrams come as the erasure does.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn clear(&self) -> Result<u64> {
        // Held until all are gone: none is set aside under another name meanwhile.
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut removed = 0;
        let mut all = files(&self.folder).with_context(|| self.folder.display().to_string())?;
        all.retain(|path| ends(path, CLOSED) || ends(path, FAILED));
        for path in all {
            removed += u64::from(self.take(&path).with_context(|| path.display().to_string())?);
        }
        attempts.clear();
        Ok(removed)
    }

    /// Its analysis has failed, and may do so whenever it is tried. Says whether it was set aside for that.
    pub(super) fn failed(&self, path: &Path) -> bool {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = attempts.entry(path.to_owned()).or_default();
        *count += 1;
        if *count < SPOOL_ATTEMPTS_MAX {
            return false;
        }
        attempts.remove(path);
        self.set_aside(path).is_ok()
    }

    fn set_aside(&self, path: &Path) -> io::Result<()> {
        let bytes = path.metadata()?.len();
        fs::rename(path, path.with_extension(FAILED))?;
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let mut aside = files(&self.folder)?;
        aside.retain(|path| ends(path, FAILED));
        aside.sort_unstable_by_key(|path| number(path));
        let beyond = aside.len().saturating_sub(SPOOL_ASIDE_MAX);
        aside[..beyond].iter().try_for_each(fs::remove_file)
    }

    /// Begins a file.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn begin(&self) -> Result<Open<'_>> {
        make_private_dir(&self.folder)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{number:020}.{OPEN}"));
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let file = file.with_context(|| path.display().to_string())?;
        let out = BufWriter::with_capacity(SPOOL_BUFFER_BYTES, file);
        let mut open = Open { spool: self, out, path, bytes: 0, unwritten: 0 };
        open.put(&FILE_HEADER)?;
        open.unwritten = 0;
        Ok(open)
    }

    /// Whether so many more bytes have room.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes() + bytes as u64 <= self.bytes_max
    }

    /// Whether so many files wait that none is to be added.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting().is_ok_and(|waiting| waiting.len() >= SPOOL_FILES_MAX)
    }
}

/// All files of the folder; none where there is no folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

fn ends(path: &Path, end: &str) -> bool {
    path.extension().is_some_and(|is| is == end)
}

fn number(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// A file that is written.
#[derive(Debug)]
pub(super) struct Open<'a> {
    spool: &'a Spool,
    out: BufWriter<File>,
    path: PathBuf,
    bytes: u64,
    /// Datagrams that may not have reached the file.
    unwritten: u64,
}

impl Open<'_> {
    /// Puts a datagram, and what it needs before it, at the end: all of it or, where the disk refuses, nothing.
    pub(super) fn put(&mut self, packets: &[u8]) -> io::Result<()> {
        // Longer ones would go past the buffer, in pieces.
        debug_assert!(packets.len() < SPOOL_BUFFER_BYTES);
        self.out.write_all(packets)?;
        self.unwritten += 1;
        self.bytes += packets.len() as u64;
        self.spool.bytes.fetch_add(packets.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Whether it has so many bytes that another is to be begun.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.spool.bytes_max / SPOOL_FILES_MIN
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.unwritten = 0;
        Ok(())
    }

    /// Lets it wait for the analysis. Where the disk refuses the last of it, the rest waits; gives how many datagrams
    /// were lost then, at most.
    pub(super) fn close(mut self) -> io::Result<u64> {
        let lost = if self.flush().is_ok() { 0 } else { self.unwritten };
        // What could not be written is not tried again when the buffer goes.
        let (file, _) = self.out.into_parts();
        let missing = self.bytes.saturating_sub(file.metadata()?.len());
        self.spool.bytes.fetch_sub(missing, Ordering::Relaxed);
        fs::rename(&self.path, self.path.with_extension(CLOSED))?;
        Ok(lost)
    }
}

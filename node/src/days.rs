//! Days in hand: what was sent for a day, as it came, so that a report is of all of it and not of an hour alone.
//!
//! ```text
//! private/days/2026-11-23/<digest>/sent.json      names, when it came, whether it may be published
//!                                  00000, 00001   its logs as they came, packed with zstd unless they came packed
//!                                  mapping        by which they are read, if they came with one
//! ```
//!
//! An upload is in view whole or not at all: it is written beside, in a folder that the next start removes, and renamed
//! when all of it is on disk. Who analyzes a day gets links of its own to the files, so that a day may go meanwhile.
//! These are raw logs. They go three days after the last of their day came, sooner when others need the room, and all of
//! them when flows are erased.

mod gathered;
mod sent;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use flowlore_common::time::{Day, Micros};
use tempfile::TempDir;

pub(crate) use self::gathered::Gathered;
pub(crate) use self::sent::{Came, Given};
use self::sent::{Counted, Sent};
use crate::folder::{Folder, UPLOAD_PREFIX, make_private_dir};
use crate::limits::{DAY_FILES_MAX, DAY_KEPT_HOURS, DAYS_MAX};

/// The folder in `private/`.
const FOLDER: &str = "days";

/// Why an upload is not taken into a day.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaysError {
    /// No room was given.
    #[error(
        "this node keeps no days in hand: upload without --day, or give them room by [analyze] days_gib in its \
         flowlore.toml and start it anew"
    )]
    Off,
    /// Its day would take more than there is for all.
    #[error(
        "{0} has no room: what was sent for it and this upload are more than the {1} GiB of [analyze] days_gib in the \
         node's flowlore.toml; give it more and start the node anew, or upload without --day"
    )]
    NoRoom(Day, u64),
    /// Its day would have too many files.
    #[error(
        "{0} would have more than {DAY_FILES_MAX} files: put more into a file, or upload without --day"
    )]
    TooManyFiles(Day),
    /// The disk refuses.
    #[error(transparent)]
    Disk(#[from] anyhow::Error),
}

impl From<io::Error> for DaysError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error.into())
    }
}

/// All days in hand.
#[derive(Debug)]
pub struct Days {
    private: PathBuf,
    bytes_max: u64,
    /// What is in view: by day and digest.
    held: Mutex<Held>,
}

type Held = BTreeMap<Day, BTreeMap<String, Counted>>;

/// An upload on disk that is not in view yet.
#[derive(Debug)]
pub(crate) struct Staged {
    day: Day,
    digest: String,
    folder: TempDir,
    counted: Counted,
}

impl Days {
    /// Those of a node, whose folder the caller holds locked; `bytes_max`: what they may take, none for 0.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(folder: &Folder, bytes_max: u64) -> Result<Self> {
        let days = Self { private: folder.path("private"), bytes_max, held: Mutex::default() };
        let root = days.root();
        for day in names(&root).with_context(|| root.display().to_string())? {
            let Ok(named) = day.parse::<Day>() else { continue };
            let uploads = root.join(&day);
            for digest in names(&uploads).with_context(|| uploads.display().to_string())? {
                days.found(named, &digest)?;
            }
        }
        Ok(days)
    }

    /// Takes an upload that an earlier process put in view; one that is not as it was put there goes.
    fn found(&self, day: Day, digest: &str) -> Result<()> {
        let path = self.day(day).join(digest);
        let whole = |sent: &Sent| sent.is_whole(&path);
        match Sent::read(&path).and_then(|sent| {
            anyhow::ensure!(whole(&sent), "{digest} of {day} lacks some of its bytes");
            Ok(sent)
        }) {
            Ok(sent) => {
                self.held().entry(day).or_default().insert(digest.to_owned(), sent.counted());
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "an upload of a day in hand cannot be read and is removed");
                drop(self.take_away(&path)?);
            }
        }
        Ok(())
    }

    /// Writes an upload to disk, not in view yet; `None` if its day has it.
    ///
    /// # Errors
    /// As [`DaysError`] says; nothing is left behind.
    pub(crate) fn stage(&self, given: &Given<'_>) -> Result<Option<Staged>, DaysError> {
        if self.bytes_max == 0 {
            return Err(DaysError::Off);
        }
        let (day, digest) = (given.day, given.digest.to_hex().to_string());
        let room = match self.held().get(&day) {
            Some(uploads) if uploads.contains_key(&digest) => {
                self.known_again(given, &digest)?;
                return Ok(None);
            }
            uploads => self.room(day, uploads, given.flows.len())?,
        };
        let folder = self.beside()?;
        let path = folder.path().join(&digest);
        make_private_dir(&path)?;
        let counted = sent::write(given, &path, room)?;
        let counted = counted.ok_or(DaysError::NoRoom(day, self.bytes_max >> 30))?;
        Ok(Some(Staged { day, digest, folder, counted }))
    }

    /// What came first without and then with it may not be published any more.
    fn known_again(&self, given: &Given<'_>, digest: &str) -> Result<()> {
        let folder = self.day(given.day).join(digest);
        let mut sent = Sent::read(&folder)?;
        if given.keep_here && !sent.keep_here {
            sent.keep_here = true;
            sent.replace(&folder)?;
        }
        Ok(())
    }

    /// Puts an upload in view, and gives the days that went to make room.
    ///
    /// # Errors
    /// As [`DaysError`] says; then it is not in view.
    pub(crate) fn commit(&self, staged: Staged) -> Result<Vec<Day>, DaysError> {
        let Staged { day, digest, folder, counted } = staged;
        let mut held = self.held();
        // Another call may have added to the day meanwhile.
        let uploads = held.get(&day);
        if uploads.is_some_and(|uploads| uploads.contains_key(&digest)) {
            return Ok(Vec::new());
        }
        if self.room(day, uploads, counted.files)? < counted.bytes {
            return Err(DaysError::NoRoom(day, self.bytes_max >> 30));
        }
        let mut gone = Vec::new();
        while bytes(&held) + counted.bytes > self.bytes_max || days_with(&held, day) > DAYS_MAX {
            let Some(oldest) = held.keys().copied().find(|other| *other != day) else { break };
            drop(self.take_away(&self.day(oldest))?);
            held.remove(&oldest);
            gone.push(oldest);
        }
        let into = self.day(day);
        make_private_dir(&into)?;
        // One that was put there and not in view, since the disk refused then.
        drop(self.take_away(&into.join(&digest))?);
        fs::rename(folder.path().join(&digest), into.join(&digest))?;
        for folder in [&into, &self.root(), &self.private] {
            File::open(folder)?.sync_all()?;
        }
        held.entry(day).or_default().insert(digest, counted);
        drop(held);
        for gone in &gone {
            tracing::info!(day = %gone, "a day is not in hand any more: its room was needed");
        }
        Ok(gone)
    }

    /// All that is in view of a day, as files to read.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn gather(&self, day: Day) -> Result<Gathered> {
        // Nothing goes while it is linked.
        let held = self.held();
        let mut gathered = Gathered::new(self.beside()?)?;
        for digest in held.get(&day).into_iter().flat_map(BTreeMap::keys) {
            if let Err(error) = gathered.link(&self.day(day).join(digest), digest) {
                let error = format!("{error:#}");
                tracing::warn!(%day, digest, error, "an upload of a day in hand cannot be read");
                gathered.leave_out(digest);
            }
        }
        Ok(gathered)
    }

    /// Removes days of which nothing came for so long that nothing more will.
    ///
    /// # Errors
    /// The disk refuses; the next time tries again.
    pub fn forget(&self, now: Micros) -> Result<()> {
        let kept_us = i64::from(DAY_KEPT_HOURS) * 3_600 * 1_000_000;
        let mut held = self.held();
        let is_over = |uploads: &BTreeMap<String, Counted>| {
            let last = uploads.values().map(|counted| counted.came).max();
            last.is_none_or(|last| now.0.saturating_sub(last.0) > kept_us)
        };
        let over: Vec<Day> =
            held.iter().filter(|(_, uploads)| is_over(uploads)).map(|(day, _)| *day).collect();
        for day in over {
            drop(self.take_away(&self.day(day))?);
            held.remove(&day);
            tracing::info!(%day, "a day is over and not in hand any more");
        }
        Ok(())
    }

    /// Removes all days, and tells how many they were.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn clear(&self) -> Result<u64> {
        let mut held = self.held();
        let count = held.len() as u64;
        let away = self.take_away(&self.root())?;
        held.clear();
        away.close().context("removing days in hand")?;
        Ok(count)
    }

    /// How many bytes may still come for a day, whatever else is in hand.
    fn room(
        &self,
        day: Day,
        uploads: Option<&BTreeMap<String, Counted>>,
        files: usize,
    ) -> Result<u64, DaysError> {
        let all = || uploads.into_iter().flat_map(BTreeMap::values);
        if all().map(|counted| counted.files).sum::<usize>() + files > DAY_FILES_MAX {
            return Err(DaysError::TooManyFiles(day));
        }
        Ok(self.bytes_max.saturating_sub(all().map(|counted| counted.bytes).sum()))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn root(&self) -> PathBuf {
        self.private.join(FOLDER)
    }

    fn day(&self, day: Day) -> PathBuf {
        self.root().join(day.to_string())
    }

    /// A folder that goes with what this gives, or at the next start.
    fn beside(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix(UPLOAD_PREFIX).tempdir_in(&self.private)
    }

    /// Takes a folder out of view at once; it is removed when what this gives is dropped, or at the next start.
    fn take_away(&self, path: &Path) -> Result<TempDir> {
        let away = self.beside()?;
        match fs::rename(path, away.path().join(FOLDER)) {
            // Somebody removed it by hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.with_context(|| format!("removing {}", path.display()))?,
        }
        Ok(away)
    }
}

fn bytes(held: &Held) -> u64 {
    held.values().flat_map(BTreeMap::values).map(|counted| counted.bytes).sum()
}

/// How many days there are with this one.
fn days_with(held: &Held, day: Day) -> usize {
    held.len() + usize::from(!held.contains_key(&day))
}

/// The names in a folder, in order; none where there is no folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().into_string().ok());
    let mut names: Vec<String> =
        entries.filter_map(|entry| name(entry).transpose()).collect::<io::Result<_>>()?;
    names.sort_unstable();
    Ok(names)
}

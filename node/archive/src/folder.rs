//! Where files lie, and how they come into view: whole, or not at all.
//!
//! A batch is written under `.incoming`, made durable, renamed to `.committed` in one step, and its
//! files are moved into place from there. Opening the archive finishes a move that was cut off and
//! removes what was never committed. Names that begin with a dot and end in `.part` are in no glob.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use flowlore_common::time::{Day, Hour};

use crate::{ArchiveError, limits::BATCH_NAME_MAX};

const INCOMING: &str = ".incoming";
const COMMITTED: &str = ".committed";
const LOCK: &str = ".lock";
/// Ending of a file in view.
const WHOLE: &str = "parquet";
/// Ending of a file that is not.
pub(crate) const PART: &str = "part";

/// The archive's folder, locked against a second writer while it stands.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    _lock: File,
}

/// A file in view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Its flows began in this hour.
    pub hour: Hour,
    /// Where it is.
    pub path: PathBuf,
}

/// A name that can be part of a file's name.
///
/// # Errors
/// When it cannot.
pub fn check_batch(name: &str) -> Result<(), ArchiveError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > BATCH_NAME_MAX || !name.bytes().all(allowed) {
        return Err(ArchiveError::BatchName(name.to_owned()));
    }
    Ok(())
}

impl Folder {
    /// Opens the folder, made if it is not there, and puts right what a crash has left. `lock` is how its file is locked.
    ///
    /// # Errors
    /// When it cannot be made or read, or another process writes to it.
    pub fn open(
        root: &Path,
        lock: impl FnOnce(&File) -> Result<(), fs::TryLockError>,
    ) -> Result<Self, ArchiveError> {
        make_private(root)?;
        let path = root.join(LOCK);
        let file = File::create(&path).map_err(ArchiveError::io(&path))?;
        lock(&file).map_err(|error| match error {
            fs::TryLockError::WouldBlock => ArchiveError::Locked(root.to_owned()),
            fs::TryLockError::Error(source) => ArchiveError::Io { path, source },
        })?;
        let folder = Self { root: root.to_owned(), _lock: file };
        remove_all(&root.join(INCOMING))?;
        make_private(&root.join(INCOMING))?;
        make_private(&root.join(COMMITTED))?;
        for batch in children(&root.join(COMMITTED))? {
            folder.place(&batch)?;
        }
        Ok(folder)
    }

    /// A new, empty place for a batch.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn incoming(&self, batch: &str) -> Result<PathBuf, ArchiveError> {
        let path = self.root.join(INCOMING).join(batch);
        remove_all(&path)?;
        make_private(&path)?;
        Ok(path)
    }

    /// Puts a batch into view. After the first rename it will be, whatever happens.
    ///
    /// # Errors
    /// When files cannot be moved; opening the archive again goes on.
    pub fn commit(&self, incoming: &Path, batch: &str) -> Result<(), ArchiveError> {
        sync(incoming)?;
        let committed = self.root.join(COMMITTED).join(batch);
        fs::rename(incoming, &committed).map_err(ArchiveError::io(&committed))?;
        sync(&self.root.join(COMMITTED))?;
        self.place(&committed)
    }

    fn place(&self, committed: &Path) -> Result<(), ArchiveError> {
        for from in children(committed)? {
            let to = self.final_path(&from)?;
            let hour = to.parent().unwrap_or(&self.root);
            make_private(hour)?;
            fs::rename(&from, &to).map_err(ArchiveError::io(&to))?;
            sync(hour)?;
        }
        sync(&self.root)?;
        remove_all(committed)
    }

    /// `HOUR.BATCH-N.part` to `date=/hour=/BATCH-N.parquet`.
    fn final_path(&self, from: &Path) -> Result<PathBuf, ArchiveError> {
        let strange = || ArchiveError::Damaged {
            path: from.to_owned(),
            what: "no file of a batch".to_owned(),
        };
        let name = from.file_name().and_then(|name| name.to_str()).ok_or_else(strange)?;
        let (hour, rest) = name.split_once('.').ok_or_else(strange)?;
        let hour = Hour(hour.parse().map_err(|_| strange())?);
        let stem = rest.strip_suffix(".part").ok_or_else(strange)?;
        Ok(self.hour_folder(hour).join(format!("{stem}.{WHOLE}")))
    }

    /// Where the flows of an hour lie.
    #[must_use]
    pub fn hour_folder(&self, hour: Hour) -> PathBuf {
        self.root.join(format!("date={}", hour.day())).join(format!("hour={:02}", hour.0 % 24))
    }

    /// Files in view, oldest hour first. What is no file of ours is passed over.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn parts(&self) -> Result<Vec<Part>, ArchiveError> {
        let mut parts = Vec::new();
        for date in children(&self.root)? {
            let Some(day) = value_of::<Day>(&date, "date=") else { continue };
            for folder in children(&date)? {
                let hour = value_of::<u32>(&folder, "hour=").filter(|hour| *hour < 24);
                let Some(hour) = hour else { continue };
                let hour = Hour(u32::from(day.0) * 24 + hour);
                let files = children(&folder)?.into_iter();
                let ours = files.filter(|path| path.extension().is_some_and(|end| end == WHOLE));
                parts.extend(ours.map(|path| Part { hour, path }));
            }
        }
        parts.sort();
        Ok(parts)
    }

    /// Puts a new version of a file in the old one's place, in one step.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn replace(&self, new: &Path, old: &Path) -> Result<(), ArchiveError> {
        fs::rename(new, old).map_err(ArchiveError::io(old))?;
        sync(old.parent().unwrap_or(&self.root))
    }

    /// Removes a file, and the folders that it leaves empty.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, part: &Part) -> Result<(), ArchiveError> {
        fs::remove_file(&part.path).map_err(ArchiveError::io(&part.path))?;
        // A folder with something left in it stays: that is all that can go wrong here.
        let mut folder = part.path.parent();
        for _ in 0..2 {
            let Some(path) = folder else { break };
            if fs::remove_dir(path).is_err() {
                break;
            }
            folder = path.parent();
        }
        match folder {
            Some(path) => sync(path),
            None => Ok(()),
        }
    }
}

/// The value in the name of a Hive-style folder.
fn value_of<T: std::str::FromStr>(path: &Path, key: &str) -> Option<T> {
    path.file_name()?.to_str()?.strip_prefix(key)?.parse().ok()
}

/// What is in a folder, by name; nothing where there is none.
fn children(path: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ArchiveError::io(path)(error)),
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(ArchiveError::io(path))?;
    paths.retain(|path| path.file_name().is_some_and(|name| name != LOCK));
    paths.sort();
    Ok(paths)
}

fn make_private(path: &Path) -> Result<(), ArchiveError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(ArchiveError::io(path))
}

fn remove_all(path: &Path) -> Result<(), ArchiveError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ArchiveError::io(path)(error)),
        _ => Ok(()),
    }
}

/// Makes names in a folder durable.
fn sync(path: &Path) -> Result<(), ArchiveError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(ArchiveError::io(path))
}

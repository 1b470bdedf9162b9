//! One upload of a day: how it is written, and what is known of it.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flowlore_common::time::{Day, Micros};
use serde::{Deserialize, Serialize};

use crate::follow::is_packed;

/// What is known of it, beside its files.
const FILE: &str = "sent.json";
/// The mapping by which its logs are read.
const MAPPING: &str = "mapping";

/// An upload for a day.
#[derive(Clone, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) day: Day,
    /// What it is recognised by.
    pub(crate) digest: blake3::Hash,
    pub(crate) flows: Vec<Came<'a>>,
    /// By which they are read.
    pub(crate) mapping: Option<Came<'a>>,
    /// Whether nothing of it may be published.
    pub(crate) keep_here: bool,
    /// When it came.
    pub(crate) now: Micros,
}

/// A file that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came<'a> {
    /// As its sender names it.
    pub(crate) sent: &'a str,
    /// Where it is now; its name tells some formats.
    pub(crate) stored: &'a Path,
}

/// What is known of an upload.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sent {
    came_us: i64,
    /// Of all its files as they are stored.
    bytes: u64,
    pub(super) keep_here: bool,
    /// Its logs, in the order of their numbers.
    pub(super) flows: Vec<Named>,
    /// How the sender names its mapping.
    pub(super) mapping: Option<String>,
}

/// The names of a log.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Named {
    /// As its sender names it.
    pub(super) sent: String,
    /// That of the file.
    pub(super) file: String,
}

/// What an upload takes of the bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) bytes: u64,
    pub(super) files: usize,
    pub(super) came: Micros,
}

impl Sent {
    /// That of the upload in a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
    }

    /// Whether its files are there, as large as they were.
    pub(super) fn is_whole(&self, folder: &Path) -> bool {
        let logs = (0..self.flows.len()).map(|number| log(folder, number));
        let all = logs.chain(self.mapping.iter().map(|_| mapping(folder)));
        let bytes = all.map(|path| path.metadata().map(|data| data.len())).sum::<io::Result<u64>>();
        bytes.is_ok_and(|bytes| bytes == self.bytes)
    }

    /// Writes it beside, then in its place.
    pub(super) fn replace(&self, folder: &Path) -> Result<()> {
        let (path, beside) = (folder.join(FILE), folder.join(format!("{FILE}.new")));
        let replace = || {
            match fs::remove_file(&beside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = private_file(&beside)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(folder)?.sync_all()
        };
        replace().with_context(|| path.display().to_string())
    }

    pub(super) fn counted(&self) -> Counted {
        Counted { bytes: self.bytes, files: self.flows.len(), came: Micros(self.came_us) }
    }
}

/// Where the log of a number is.
pub(super) fn log(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{number:05}"))
}

/// Where the mapping is.
pub(super) fn mapping(folder: &Path) -> PathBuf {
    folder.join(MAPPING)
}

/// Writes an upload into a folder, so that it stays; `None` if it has no room.
pub(super) fn write(given: &Given<'_>, folder: &Path, room: u64) -> Result<Option<Counted>> {
    let mut left = room;
    let logs = given.flows.iter().enumerate().map(|(number, came)| (came, log(folder, number)));
    // A mapping is read as text, as it came.
    let mapping = given.mapping.iter().map(|came| (came, mapping(folder)));
    let all = logs.map(|log| (log, true)).chain(mapping.map(|mapping| (mapping, false)));
    for ((came, to), may_pack) in all {
        let put =
            put(came.stored, &to, may_pack, left).with_context(|| to.display().to_string())?;
        let Some(bytes) = put else { return Ok(None) };
        left -= bytes;
    }
    let named = |came: &Came<'_>| Named {
        sent: came.sent.to_owned(),
        file: came.stored.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let sent = Sent {
        came_us: given.now.0,
        bytes: room - left,
        keep_here: given.keep_here,
        flows: given.flows.iter().map(named).collect(),
        mapping: given.mapping.map(|came| came.sent.to_owned()),
    };
    let write = || {
        let mut file = private_file(&folder.join(FILE))?;
        file.write_all(&serde_json::to_vec(&sent)?)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| folder.display().to_string())?;
    Ok(Some(sent.counted()))
}

/// Stores a file, packed unless it came packed or is not to be; gives its bytes, `None` if they are more than are left.
fn put(from: &Path, to: &Path, may_pack: bool, left: u64) -> io::Result<Option<u64>> {
    let mut start = Vec::new();
    let file = File::open(from)?;
    (&file).take(4).read_to_end(&mut start)?;
    if !may_pack || start.is_empty() || is_packed(&start) {
        let bytes = file.metadata()?.len();
        if bytes > left {
            return Ok(None);
        }
        fs::hard_link(from, to)?;
        fs::set_permissions(to, Permissions::from_mode(0o600))?;
        file.sync_all()?;
        return Ok(Some(bytes));
    }
    let mut out = Bounded { file: private_file(to)?, left, is_full: false };
    match zstd::stream::copy_encode(io::Cursor::new(start).chain(file), &mut out, 0) {
        Err(_) if out.is_full => return Ok(None),
        written => written?,
    }
    out.file.sync_all()?;
    Ok(Some(left - out.left))
}

fn private_file(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// A file with an end, so that what has no room is noticed before it took it.
struct Bounded {
    file: File,
    left: u64,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_full = bytes.len() as u64 > self.left;
        if self.is_full {
            return Err(io::Error::other("no room"));
        }
        let written = self.file.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

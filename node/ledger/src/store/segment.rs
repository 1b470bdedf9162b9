//! The log: everything that was accepted, in the order in which it came. Append-only files of at
//! most 64 MiB; an entry is `length u32 || kind u8 || content || BLAKE3 32` over all before it.
//!
//! After a crash the last file may end in the middle of an entry. What follows its last whole
//! entry was never acknowledged; it is moved into a file of its own and said.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, RealDisk};
use super::row::{LogEnd, Place};
use crate::limits::{ENTRY_BYTES_MAX, SEGMENT_BYTES_MAX};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// A block and the token records that came with it.
    Admission = 1,
    /// A roster document.
    Roster = 2,
    /// A fork proof.
    Fork = 3,
}

impl EntryKind {
    const ALL: [Self; 3] = [Self::Admission, Self::Roster, Self::Fork];
}

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system says no: disk full, no permission, a device error.
    #[error("log file {path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// An entry in the middle does not have its hash: the disk or somebody changed it.
    #[error("log file {path} is damaged at byte {offset}: restore it from a backup or a peer")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where the entry begins.
        offset: u64,
    },
    /// A write failed before: what is on disk is not known until the log is opened again.
    #[error("a write to the log failed before: restart the node")]
    Failed,
}

const HEAD_BYTES: usize = 5;
const HASH_BYTES: usize = 32;

/// The log, in a folder or in memory.
#[derive(Debug)]
pub struct Log {
    folder: Option<PathBuf>,
    disk: Arc<dyn Disk>,
    segments: Vec<Segment>,
    /// Set when a write failed: see [`LogError::Failed`].
    failed: bool,
}

#[derive(Debug)]
enum Segment {
    File { file: File, length: u64 },
    Memory(Vec<u8>),
}

impl Segment {
    fn length(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::File { file, .. } => file.read_exact_at(bytes, offset),
            Self::Memory(all) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let part = all.get(start..).and_then(|rest| rest.get(..bytes.len()));
                bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    fn append(&mut self, disk: &dyn Disk, entry: &[u8]) -> io::Result<()> {
        match self {
            Self::File { file, length } => {
                disk.append(file, entry)?;
                *length += entry.len() as u64;
            }
            Self::Memory(bytes) => bytes.extend_from_slice(entry),
        }
        Ok(())
    }
}

impl Log {
    /// A log that ends with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        let segments = vec![Segment::Memory(Vec::new())];
        Self { folder: None, disk: Arc::new(RealDisk), segments, failed: false }
    }

    /// Opens or creates a folder's log. Says how many bytes after the last whole entry were moved
    /// aside.
    ///
    /// # Errors
    /// `Io`.
    pub fn open(folder: &Path, disk: Arc<dyn Disk>) -> Result<(Self, u64), LogError> {
        std::fs::create_dir_all(folder).map_err(at(folder))?;
        let mut segments = Vec::new();
        loop {
            let path = segment_path(folder, segments.len());
            if !segments.is_empty() && !path.exists() {
                break;
            }
            segments.push(open_segment(&path)?);
        }
        let mut log = Self { folder: Some(folder.to_owned()), disk, segments, failed: false };
        let dropped = log.move_torn_tail_aside()?;
        Ok((log, dropped))
    }

    /// A folder's log as it is now, for reading: also while another process appends to it.
    ///
    /// # Errors
    /// `Io`: also when there is none.
    pub fn open_to_read(folder: &Path) -> Result<Self, LogError> {
        let mut segments = Vec::new();
        loop {
            let path = segment_path(folder, segments.len());
            if !segments.is_empty() && !path.exists() {
                break;
            }
            let file = File::open(&path).map_err(at(&path))?;
            let length = file.metadata().map_err(at(&path))?.len();
            segments.push(Segment::File { file, length });
        }
        let disk = Arc::new(RealDisk);
        Ok(Self { folder: Some(folder.to_owned()), disk, segments, failed: true })
    }

    /// Files of the log.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Where the next entry will begin.
    #[must_use]
    pub fn end(&self) -> LogEnd {
        let last = self.segments.len() - 1;
        LogEnd {
            segment: u32::try_from(last).unwrap_or(u32::MAX),
            offset: self.segments[last].length(),
        }
    }

    /// Appends an entry. With `durable` it is on disk, and all before it, when this returns.
    ///
    /// # Errors
    /// `Io`, after which every later call is `Failed`: whether the bytes are on disk is only known
    /// by reading them back, and the same height must never be sealed twice.
    pub fn append(
        &mut self,
        kind: EntryKind,
        content: &[u8],
        durable: bool,
    ) -> Result<Place, LogError> {
        if self.failed {
            return Err(LogError::Failed);
        }
        self.failed = true;
        let entry = encode_entry(kind, content);
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        if self.end().offset + entry.len() as u64 > SEGMENT_BYTES_MAX {
            self.begin_segment()?;
        }
        let end = self.end();
        let path = self.path(end.segment);
        let last = self.segments.len() - 1;
        self.segments[last].append(self.disk.as_ref(), &entry).map_err(at(&path))?;
        if durable {
            self.sync_last()?;
        }
        self.failed = false;
        let offset = u32::try_from(end.offset).unwrap_or(u32::MAX);
        Ok(Place { segment: end.segment, offset: offset + 5, length })
    }

    /// Waits until all is on disk.
    ///
    /// # Errors
    /// `Io`, `Failed`.
    pub fn sync(&mut self) -> Result<(), LogError> {
        if self.failed {
            return Err(LogError::Failed);
        }
        self.sync_last().inspect_err(|_| self.failed = true)
    }

    /// The bytes of a place.
    ///
    /// # Errors
    /// `Io`: also when there is no such place.
    pub fn read(&self, place: Place) -> Result<Vec<u8>, LogError> {
        let path = self.path(place.segment);
        let missing = || at(&path)(io::ErrorKind::UnexpectedEof.into());
        let index = usize::try_from(place.segment).unwrap_or(usize::MAX);
        let segment = self.segments.get(index).ok_or_else(missing)?;
        if u64::from(place.offset) + u64::from(place.length) > segment.length() {
            return Err(missing());
        }
        let mut bytes = vec![0; usize::try_from(place.length).unwrap_or(usize::MAX)];
        segment.read(u64::from(place.offset), &mut bytes).map_err(at(&path))?;
        Ok(bytes)
    }

    /// The entry that begins at `from`, with its content's place and where the next begins;
    /// `None` at the end of the log.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn entry(&self, from: LogEnd) -> Result<Option<Entry>, LogError> {
        let index = usize::try_from(from.segment).unwrap_or(usize::MAX);
        let Some(segment) = self.segments.get(index) else { return Ok(None) };
        if from.offset == segment.length() {
            let next = LogEnd { segment: from.segment + 1, offset: 0 };
            let more = index + 1 < self.segments.len();
            return if more { self.entry(next) } else { Ok(None) };
        }
        let path = self.path(from.segment);
        let entry = read_entry(segment, from).map_err(at(&path))?;
        entry.ok_or(LogError::Damaged { path, offset: from.offset }).map(Some)
    }

    /// The same log for reading: second handles on its files, or a copy in memory.
    pub(crate) fn reader(&self) -> Result<Self, LogError> {
        let segments = (0_u32..).zip(&self.segments).map(|(index, segment)| match segment {
            Segment::File { file, length } => {
                let file = file.try_clone().map_err(at(&self.path(index)))?;
                Ok(Segment::File { file, length: *length })
            }
            Segment::Memory(bytes) => Ok(Segment::Memory(bytes.clone())),
        });
        let segments = segments.collect::<Result<_, _>>()?;
        // A reader must never append: both would write at one end.
        Ok(Self { folder: self.folder.clone(), disk: self.disk.clone(), segments, failed: true })
    }

    fn sync_last(&self) -> Result<(), LogError> {
        if let Some(Segment::File { file, .. }) = self.segments.last() {
            self.disk.sync(file).map_err(at(&self.path(self.end().segment)))?;
        }
        Ok(())
    }

    /// The full file is made durable first: later syncs look at the last file only.
    fn begin_segment(&mut self) -> Result<(), LogError> {
        self.sync_last()?;
        let segment = match &self.folder {
            Some(folder) => open_segment(&segment_path(folder, self.segments.len()))?,
            None => Segment::Memory(Vec::new()),
        };
        self.segments.push(segment);
        Ok(())
    }

    fn move_torn_tail_aside(&mut self) -> Result<u64, LogError> {
        let last = self.end().segment;
        let mut whole = LogEnd { segment: last, offset: 0 };
        while let Ok(Some(entry)) = self.entry(whole) {
            whole = entry.next;
        }
        let path = self.path(last);
        let Some(Segment::File { file, length }) = self.segments.last_mut() else { return Ok(0) };
        let torn = *length - whole.offset;
        if torn > 0 {
            let mut tail = vec![0; usize::try_from(torn).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut tail, whole.offset).map_err(at(&path))?;
            let aside = path.with_extension(format!("torn-{}", whole.offset));
            std::fs::write(&aside, &tail).map_err(at(&aside))?;
            file.set_len(whole.offset).map_err(at(&path))?;
            file.sync_all().map_err(at(&path))?;
            *length = whole.offset;
        }
        Ok(torn)
    }

    fn path(&self, segment: u32) -> PathBuf {
        let index = usize::try_from(segment).unwrap_or(usize::MAX);
        self.folder.as_deref().map_or_else(PathBuf::new, |folder| segment_path(folder, index))
    }
}

/// An entry of the log.
#[derive(Debug)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Where its content lies.
    pub place: Place,
    /// Its content.
    pub content: Vec<u8>,
    /// Where the next begins.
    pub next: LogEnd,
}

/// `length u32 || kind u8 || content || BLAKE3 32`.
pub(super) fn encode_entry(kind: EntryKind, content: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(HEAD_BYTES + content.len() + HASH_BYTES);
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    entry.extend_from_slice(&length.to_be_bytes());
    entry.push(kind as u8);
    entry.extend_from_slice(content);
    entry.extend_from_slice(blake3::hash(&entry).as_bytes());
    entry
}

/// The next entry of a stream; `None` where it ends before one. Damage is `InvalidData`.
pub(super) fn stream_entry(reader: &mut impl Read) -> io::Result<Option<(EntryKind, Vec<u8>)>> {
    let mut head = [0; HEAD_BYTES];
    if reader.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut head[1..])?;
    let length = usize::try_from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
    let kind = EntryKind::ALL.into_iter().find(|kind| *kind as u8 == head[4]);
    let (Some(kind), Ok(length @ ..=ENTRY_BYTES_MAX)) = (kind, length) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut content = vec![0; length];
    reader.read_exact(&mut content)?;
    let mut hash = [0; HASH_BYTES];
    reader.read_exact(&mut hash)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&head).update(&content);
    if *hasher.finalize().as_bytes() != hash {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Some((kind, content)))
}

/// `None`: no whole entry with a right hash begins there.
fn read_entry(segment: &Segment, from: LogEnd) -> io::Result<Option<Entry>> {
    let rest = segment.length().saturating_sub(from.offset);
    if rest < HEAD_BYTES as u64 {
        return Ok(None);
    }
    let mut head = [0; HEAD_BYTES];
    segment.read(from.offset, &mut head)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let content_bytes = usize::try_from(length).unwrap_or(usize::MAX);
    let kind = EntryKind::ALL.into_iter().find(|kind| *kind as u8 == head[4]);
    let whole = (HEAD_BYTES + HASH_BYTES) as u64 + u64::from(length);
    let Some(kind) = kind.filter(|_| content_bytes <= ENTRY_BYTES_MAX && whole <= rest) else {
        return Ok(None);
    };
    let mut bytes = vec![0; content_bytes + HASH_BYTES];
    segment.read(from.offset + HEAD_BYTES as u64, &mut bytes)?;
    let hash = bytes.split_off(content_bytes);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&head).update(&bytes);
    if hasher.finalize().as_bytes()[..] != hash[..] {
        return Ok(None);
    }
    let Ok(offset) = u32::try_from(from.offset + HEAD_BYTES as u64) else { return Ok(None) };
    let place = Place { segment: from.segment, offset, length };
    let next = LogEnd { segment: from.segment, offset: from.offset + whole };
    Ok(Some(Entry { kind, place, content: bytes, next }))
}

fn segment_path(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("{index:08}.log"))
}

/// A new file's name must be on disk before its bytes are worth anything, so its folder is synced.
fn open_segment(path: &Path) -> Result<Segment, LogError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let is_new = !path.exists();
    let file = options.open(path).map_err(at(path))?;
    if let Some(folder) = path.parent().filter(|_| is_new) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
    }
    let length = file.metadata().map_err(at(path))?.len();
    Ok(Segment::File { file, length })
}

fn at(path: &Path) -> impl Fn(io::Error) -> LogError {
    let path = path.to_owned();
    move |error| LogError::Io { path: path.clone(), error }
}

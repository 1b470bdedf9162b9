//! Logs on their way: copied into another folder, or written as one file and read from it. Every
//! entry's hash is checked; what entries say is judged when they enter a ledger.

use std::io::{self, Read, Write};

use super::row::LogEnd;
use super::segment::{EntryKind, Log, LogError, encode_entry, stream_entry};

/// The first bytes of an exported log, with the version of its form.
pub const EXPORT_TAG: &[u8; 16] = b"flowlore-export\x01";

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Entries.
    pub entries: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Bytes after the last whole entry: a write that was under way, or a torn end.
    pub left_bytes: u64,
}

/// Shows every entry of a log that may be growing.
///
/// # Errors
/// `Damaged` anywhere but after the last whole entry, `Io`, or what `see` says.
fn each<E: From<LogError>>(
    log: &Log,
    mut see: impl FnMut(EntryKind, &[u8]) -> Result<(), E>,
) -> Result<Copied, E> {
    let mut copied = Copied::default();
    let (mut from, end) = (LogEnd::default(), log.end());
    loop {
        let entry = match log.entry(from) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(copied),
            Err(LogError::Damaged { .. }) if from.segment == end.segment => {
                copied.left_bytes = end.offset - from.offset;
                return Ok(copied);
            }
            Err(error) => return Err(error.into()),
        };
        see(entry.kind, &entry.content)?;
        copied.entries += 1;
        copied.bytes += entry.content.len() as u64;
        from = entry.next;
    }
}

/// Reads every entry of a log.
///
/// # Errors
/// See [`LogError`].
pub fn scan(log: &Log) -> Result<Copied, LogError> {
    each(log, |_, _| Ok(()))
}

/// Copies a log into an empty one and brings that to disk.
///
/// # Errors
/// See [`LogError`].
pub fn copy(from: &Log, to: &mut Log) -> Result<Copied, LogError> {
    let copied = each(from, |kind, content| to.append(kind, content, false).map(|_| ()))?;
    to.sync()?;
    Ok(copied)
}

/// Why a log could not be written as a file, or read from one.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no export.
    #[error("this is no exported store of a version that this node reads")]
    NoExport,
}

/// Writes a log: the tag, then its entries as they stand in segments.
///
/// # Errors
/// See [`TransferError`].
pub fn export(from: &Log, to: &mut impl Write) -> Result<Copied, TransferError> {
    to.write_all(EXPORT_TAG)?;
    let copied = each(from, |kind, content| {
        to.write_all(&encode_entry(kind, content)).map_err(TransferError::Io)
    })?;
    to.flush()?;
    Ok(copied)
}

/// An exported log, entry by entry.
#[derive(Debug)]
pub struct Exported<R>(R);

impl<R: Read> Exported<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// `NoExport`, `Io`.
    pub fn open(mut reader: R) -> Result<Self, TransferError> {
        let mut tag = [0; EXPORT_TAG.len()];
        match reader.read_exact(&mut tag) {
            Ok(()) if tag == *EXPORT_TAG => Ok(Self(reader)),
            Ok(()) => Err(TransferError::NoExport),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(TransferError::NoExport)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// `Io`: `UnexpectedEof` where it is cut off, `InvalidData` where it was changed.
    pub fn entry(&mut self) -> Result<Option<(EntryKind, Vec<u8>)>, TransferError> {
        Ok(stream_entry(&mut self.0)?)
    }
}

//! What an evaluator has counted, on disk: `private/evaluated`. The last entry about a thing holds, so that appending
//! and rewriting write the same entries.

use anyhow::Result;
use flowlore_common::canon::{Put as _, Reader};
use flowlore_common::ids::{BatchId, OrgId};
use flowlore_common::time::{Day, Hour};

use crate::folder::Folder;
use crate::keys::AtRestKey;
use crate::vault::Vault;

/// The file is rewritten when this many times more entries were written than are live.
const GARBAGE_FACTOR: usize = 4;
/// ... but not for fewer than this many, some hundred kB.
const GARBAGE_MIN: usize = 4_096;
/// Entries in one frame: at most 39 bytes each.
const ENTRIES_A_FRAME: usize = 65_536;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Elements that an org has used on a day.
    Used(Day, OrgId, u32),
    /// Elements of an org's first days beyond its daily quota.
    AtFirst(OrgId, u32),
    /// A batch that was answered, and when.
    Batch(Hour, BatchId),
}

/// The file.
#[derive(Debug)]
pub struct Counted {
    vault: Vault,
    written: usize,
}

impl Counted {
    /// Opens it: all entries, in the order in which they were written.
    ///
    /// # Errors
    /// It cannot be read or decrypted.
    pub fn open(folder: &Folder, key: &AtRestKey) -> Result<(Self, Vec<Count>)> {
        let (vault, frames) = Vault::open(folder, "evaluated", key)?;
        let mut kept = vec![];
        for frame in &frames {
            let mut reader = Reader::new(frame);
            while reader.position() < frame.len() {
                kept.push(decode(&mut reader)?);
            }
        }
        Ok((Self { vault, written: kept.len() }, kept))
    }

    /// Adds entries: all of them survive a crash, or none.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn append(&mut self, counts: &[Count]) -> Result<()> {
        self.vault.append(&encode(counts))?;
        self.written += counts.len();
        Ok(())
    }

    /// Rewrites the file as these entries if most of it is of the past.
    ///
    /// # Errors
    /// The disk refuses; the old file stands.
    pub fn tidy(&mut self, live: impl Iterator<Item = Count>) -> Result<()> {
        if self.written <= GARBAGE_MIN {
            return Ok(());
        }
        let live: Vec<_> = live.collect();
        if self.written > GARBAGE_FACTOR * live.len().max(GARBAGE_MIN / GARBAGE_FACTOR) {
            let frames: Vec<_> = live.chunks(ENTRIES_A_FRAME).map(encode).collect();
            self.vault.rewrite(frames.iter().map(Vec::as_slice))?;
            self.written = live.len();
        }
        Ok(())
    }
}

fn encode(counts: &[Count]) -> Vec<u8> {
    let mut bytes = vec![];
    for count in counts {
        match count {
            Count::Used(day, org, total) => {
                bytes.put_u8(1);
                bytes.put_u16(day.0);
                bytes.put(&org.0);
                bytes.put_u32(*total);
            }
            Count::AtFirst(org, total) => {
                bytes.put_u8(2);
                bytes.put(&org.0);
                bytes.put_u32(*total);
            }
            Count::Batch(hour, batch) => {
                bytes.put_u8(3);
                bytes.put_u32(hour.0);
                bytes.put(&batch.0);
            }
        }
    }
    bytes
}

fn decode(reader: &mut Reader<'_>) -> Result<Count> {
    Ok(match reader.u8()? {
        1 => Count::Used(Day(reader.u16()?), OrgId(reader.array()?), reader.u32()?),
        2 => Count::AtFirst(OrgId(reader.array()?), reader.u32()?),
        3 => Count::Batch(Hour(reader.u32()?), BatchId(reader.array()?)),
        _ => return Err(reader.error("unknown kind of count").into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use flowlore_common::env::SeededRng;

    #[test]
    fn entries_survive_and_the_past_goes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let keys = Keys::create(&folder, &mut SeededRng::new("counted", 1)).unwrap();
        let all = [
            Count::Used(Day(9), OrgId([1; 32]), 7),
            Count::AtFirst(OrgId([2; 32]), 8),
            Count::Batch(Hour(3), BatchId([4; 32])),
        ];
        let (mut counted, kept) = Counted::open(&folder, &keys.at_rest).unwrap();
        assert!(kept.is_empty());
        counted.append(&all).unwrap();
        let (mut counted, kept) = Counted::open(&folder, &keys.at_rest).unwrap();
        assert_eq!(kept, all);
        counted.append(&[all[2]; GARBAGE_MIN]).unwrap();
        let full = counted.vault.bytes();
        counted.tidy(all.into_iter()).unwrap();
        assert!(counted.vault.bytes() < full);
        assert_eq!(Counted::open(&folder, &keys.at_rest).unwrap().1, all);
    }
}

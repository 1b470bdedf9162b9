//! The state on disk, in sled: the one file that knows it. Beta software that has lost data, so
//! nothing here is the only copy, and opening it is an attempt.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use flowlore_common::block::Feed;
use flowlore_common::canon::{Malformed, Reader};
use flowlore_common::ids::{OrgId, Token};
use flowlore_common::lock;

use super::keys::{self, Of, Row, Table, block_key, feed_key, key, parse_feed, token_key};
use super::row::{BlockRow, FeedRow, ForkProof, LabelRow, LogEnd, NoteRow, TokenRow};
use super::{Changes, Store, StoreError};
use crate::limits::SLED_CACHE_BYTES;

/// How often sled writes by itself, milliseconds: what a crash costs is replayed from the log.
const FLUSH_EVERY_MS: u64 = 1_000;

/// A sled tree.
#[derive(Debug)]
pub struct SledStore(sled::Db);

impl SledStore {
    /// Opens or creates a folder, and reads from it to see that it answers.
    ///
    /// # Errors
    /// [`StoreError`]: set the folder aside and rebuild.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(SLED_CACHE_BYTES)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(Some(FLUSH_EVERY_MS));
        released(folder);
        // sled panics on some damaged files instead of giving an error.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        let store = match opened {
            Ok(opened) => Self(opened?),
            Err(_) => return Err(StoreError::Engine("sled panicked while opening".to_owned())),
        };
        let probed = catch_unwind(AssertUnwindSafe(|| {
            store.folded()?;
            store.documents()?;
            store.rivals()?;
            store.feeds()?;
            store.forks().map(|_| ())
        }));
        match probed {
            Ok(probed) => probed.map(|()| store),
            Err(_) => Err(StoreError::Engine("sled panicked while reading".to_owned())),
        }
    }

    /// Rows of all tables; reads them all.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.0.len()
    }

    fn get<R: Row>(&self, key: &[u8], what: &'static str) -> Result<Option<R>, StoreError> {
        let value = self.0.get(key)?;
        value.map(|bytes| R::parse(&bytes).map_err(damaged(what))).transpose()
    }

    /// Reads all rows of a prefix; `read` gets the key after the table's byte.
    fn scan<T>(
        &self,
        prefix: &[u8],
        what: &'static str,
        mut read: impl FnMut(&mut Reader<'_>, &[u8]) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        for entry in self.0.scan_prefix(prefix) {
            let (key, value) = entry?;
            let mut reader = Reader::new(&key);
            let row = reader.u8().and_then(|_| {
                let row = read(&mut reader, &value)?;
                reader.finish()?;
                Ok(row)
            });
            rows.push(row.map_err(damaged(what))?);
        }
        Ok(rows)
    }

    /// Shows all rows of a kind that tokens have, ascending by token and org.
    fn each<R: Row>(
        &self,
        of: Of,
        what: &'static str,
        see: &mut dyn FnMut(&Token, &OrgId, &R),
    ) -> Result<(), StoreError> {
        let rows = self.scan(&[Table::Token as u8], what, |key, value| {
            let token = Token(key.array()?);
            let kind = key.u8()?;
            if kind == Of::Record as u8 {
                return Ok(());
            }
            let org = OrgId(key.array()?);
            if kind == of as u8 {
                see(&token, &org, &R::parse(value)?);
            }
            Ok(())
        });
        rows.map(|_| ())
    }
}

/// Waits until an earlier handle has let go of the folder: sled would not, and a sound state would be taken for a broken
/// one.
fn released(folder: &Path) {
    if let Ok(file) = File::open(folder.join("db")) {
        // Whoever else holds it is for sled to say.
        let _ = lock::exclusive(&file);
    }
}

impl Store for SledStore {
    fn folded(&self) -> Result<LogEnd, StoreError> {
        Ok(self.get(keys::META, "log end")?.unwrap_or_default())
    }

    fn documents(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut expected = 0;
        self.scan(&[Table::Roster as u8], "roster document", |key, value| {
            if key.u32()? != expected {
                return Err(key.error("a version is missing"));
            }
            expected += 1;
            Ok(value.to_vec())
        })
    }

    fn rivals(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.scan(&[Table::Rival as u8], "rival roster document", |key, value| {
            key.u32()?;
            key.array::<32>()?;
            Ok(value.to_vec())
        })
    }

    fn feeds(&self) -> Result<Vec<(Feed, FeedRow)>, StoreError> {
        self.scan(&[Table::Feed as u8], "feed", |key, value| {
            Ok((parse_feed(key)?, FeedRow::parse(value)?))
        })
    }

    fn forks(&self) -> Result<Vec<(Feed, ForkProof)>, StoreError> {
        self.scan(&[Table::Fork as u8], "fork proof", |key, value| {
            let feed = parse_feed(key)?;
            Ok((feed, ForkProof::parse(value).ok_or_else(|| key.error("no fork proof"))?))
        })
    }

    fn block(&self, feed: &Feed, height: u64) -> Result<Option<BlockRow>, StoreError> {
        self.get(&block_key(feed, height), "block")
    }

    fn token(&self, token: &Token) -> Result<Option<TokenRow>, StoreError> {
        self.get(&token_key(token, Of::Record, None), "token")
    }

    fn label(&self, token: &Token, org: &OrgId) -> Result<Option<LabelRow>, StoreError> {
        self.get(&token_key(token, Of::Label, Some(org)), "label")
    }

    fn labels(&self, token: &Token) -> Result<Vec<(OrgId, LabelRow)>, StoreError> {
        self.scan(&token_key(token, Of::Label, None), "label", |key, value| {
            key.take(token.0.len() + 1)?;
            Ok((OrgId(key.array()?), LabelRow::parse(value)?))
        })
    }

    fn each_label(&self, see: &mut dyn FnMut(&Token, &OrgId, &LabelRow)) -> Result<(), StoreError> {
        self.each(Of::Label, "label", see)
    }

    fn note(&self, token: &Token, org: &OrgId) -> Result<Option<NoteRow>, StoreError> {
        self.get(&token_key(token, Of::Note, Some(org)), "note")
    }

    fn each_note(&self, see: &mut dyn FnMut(&Token, &OrgId, &NoteRow)) -> Result<(), StoreError> {
        self.each(Of::Note, "note", see)
    }

    fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        batch.insert(keys::META, changes.folded.bytes());
        for (version, bytes) in &changes.documents {
            set(&mut batch, key(Table::Roster, &[&version.to_be_bytes()]), bytes.clone());
        }
        for (version, hash, bytes) in &changes.rivals {
            set(&mut batch, key(Table::Rival, &[&version.to_be_bytes(), &hash.0]), bytes.clone());
        }
        for (feed, proof) in &changes.forks {
            let bytes = proof.map(|proof| proof.encode().to_vec());
            set(&mut batch, feed_key(Table::Fork, feed), bytes);
        }
        for (feed, row) in &changes.feeds {
            set(&mut batch, feed_key(Table::Feed, feed), row.map(|row| row.bytes()));
        }
        for (feed, height, row) in &changes.blocks {
            set(&mut batch, block_key(feed, *height), row.map(|row| row.bytes()));
        }
        for (token, row) in &changes.tokens {
            batch.insert(token_key(token, Of::Record, None), row.bytes());
        }
        for (token, org, row) in &changes.labels {
            let key = token_key(token, Of::Label, Some(org));
            set(&mut batch, key, row.map(|row| row.bytes()));
        }
        for (token, org, row) in &changes.notes {
            let key = token_key(token, Of::Note, Some(org));
            set(&mut batch, key, row.map(|row| row.bytes()));
        }
        Ok(self.0.apply_batch(batch)?)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush()?;
        Ok(())
    }
}

fn set(batch: &mut sled::Batch, key: Vec<u8>, value: Option<Vec<u8>>) {
    match value {
        Some(value) => batch.insert(key, value),
        None => batch.remove(key),
    }
}

fn damaged(what: &'static str) -> impl Fn(Malformed) -> StoreError {
    move |_| StoreError::Damaged(what)
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        Self::Engine(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_held_a_moment_longer_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state");
        drop(SledStore::open(&folder).unwrap());
        let held = File::open(folder.join("db")).unwrap();
        held.lock().unwrap();
        std::thread::scope(|scope| {
            let opened = scope.spawn(|| SledStore::open(&folder).map(drop));
            held.unlock().unwrap();
            assert!(opened.join().unwrap().is_ok());
        });
    }
}

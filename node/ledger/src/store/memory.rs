//! The state in memory: for tests and simulations, and to check the state on disk against.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use flowlore_common::block::Feed;
use flowlore_common::ids::{OrgId, RosterHash, Token};

use super::row::{BlockRow, FeedRow, ForkProof, LabelRow, LogEnd, NoteRow, TokenRow};
use super::{Changes, Store, StoreError};

/// Keeps everything in ordered maps.
#[derive(Debug, Default)]
pub struct MemoryStore(RwLock<Tables>);

#[derive(Debug, Default)]
struct Tables {
    folded: LogEnd,
    documents: BTreeMap<u32, Vec<u8>>,
    rivals: BTreeMap<(u32, RosterHash), Vec<u8>>,
    feeds: BTreeMap<Feed, FeedRow>,
    forks: BTreeMap<Feed, ForkProof>,
    blocks: BTreeMap<(Feed, u64), BlockRow>,
    tokens: BTreeMap<Token, TokenRow>,
    labels: BTreeMap<(Token, OrgId), LabelRow>,
    notes: BTreeMap<(Token, OrgId), NoteRow>,
}

impl MemoryStore {
    /// Nothing below can panic while it holds the lock, so a poisoned one is whole all the same.
    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn folded(&self) -> Result<LogEnd, StoreError> {
        Ok(self.read().folded)
    }

    fn documents(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.read().documents.values().cloned().collect())
    }

    fn rivals(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.read().rivals.values().cloned().collect())
    }

    fn feeds(&self) -> Result<Vec<(Feed, FeedRow)>, StoreError> {
        Ok(self.read().feeds.iter().map(|(feed, row)| (*feed, *row)).collect())
    }

    fn forks(&self) -> Result<Vec<(Feed, ForkProof)>, StoreError> {
        Ok(self.read().forks.iter().map(|(feed, proof)| (*feed, *proof)).collect())
    }

    fn block(&self, feed: &Feed, height: u64) -> Result<Option<BlockRow>, StoreError> {
        Ok(self.read().blocks.get(&(*feed, height)).copied())
    }

    fn token(&self, token: &Token) -> Result<Option<TokenRow>, StoreError> {
        Ok(self.read().tokens.get(token).copied())
    }

    fn label(&self, token: &Token, org: &OrgId) -> Result<Option<LabelRow>, StoreError> {
        Ok(self.read().labels.get(&(*token, *org)).copied())
    }

    fn labels(&self, token: &Token) -> Result<Vec<(OrgId, LabelRow)>, StoreError> {
        let range = (*token, OrgId([0; 32]))..=(*token, OrgId([0xff; 32]));
        let tables = self.read();
        Ok(tables.labels.range(range).map(|((_, org), row)| (*org, *row)).collect())
    }

    fn each_label(&self, see: &mut dyn FnMut(&Token, &OrgId, &LabelRow)) -> Result<(), StoreError> {
        for ((token, org), row) in &self.read().labels {
            see(token, org, row);
        }
        Ok(())
    }

    fn note(&self, token: &Token, org: &OrgId) -> Result<Option<NoteRow>, StoreError> {
        Ok(self.read().notes.get(&(*token, *org)).copied())
    }

    fn each_note(&self, see: &mut dyn FnMut(&Token, &OrgId, &NoteRow)) -> Result<(), StoreError> {
        for ((token, org), row) in &self.read().notes {
            see(token, org, row);
        }
        Ok(())
    }

    fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tables.folded = changes.folded;
        for (version, bytes) in &changes.documents {
            set(&mut tables.documents, *version, bytes.clone());
        }
        for (version, hash, bytes) in &changes.rivals {
            set(&mut tables.rivals, (*version, *hash), bytes.clone());
        }
        for (feed, proof) in &changes.forks {
            set(&mut tables.forks, *feed, *proof);
        }
        for (feed, row) in &changes.feeds {
            set(&mut tables.feeds, *feed, *row);
        }
        for (feed, height, row) in &changes.blocks {
            set(&mut tables.blocks, (*feed, *height), *row);
        }
        for (token, row) in &changes.tokens {
            tables.tokens.insert(*token, *row);
        }
        for (token, org, row) in &changes.labels {
            set(&mut tables.labels, (*token, *org), *row);
        }
        for (token, org, row) in &changes.notes {
            set(&mut tables.notes, (*token, *org), *row);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

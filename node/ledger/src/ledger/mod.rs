//! The ledger: one federation's objects, and what they add up to. Everything that enters is judged,
//! written to the log, folded into the state, in this order; everything that is asked is read from
//! both. One writer; many readers.

mod cut;
mod document;
mod enter;
mod import;
mod open;

use std::collections::BTreeMap;
use std::fs::File;

use flowlore_common::block::{Feed, SignedBlock};
use flowlore_common::ids::{BlockId, Token};
use flowlore_common::roster::Document;
use flowlore_common::time::{Day, Hour};
use rand_core::CryptoRngCore;

pub use enter::{Accepted, Admission};
pub use import::Imported;
pub use open::{Engine, OpenError, OpenReport};

use crate::admit::{Court, Refused};
use crate::answer::kept::Kept;
use crate::fold::{Ground, NewRecord, fold};
use crate::roster::{Chain, Contest, RosterError, View};
use crate::store::row::{FeedRow, ForkProof, Place};
use crate::store::segment::{Log, LogError};
use crate::store::{Store, StoreError};

/// One federation's objects, and what they add up to.
pub struct Ledger {
    log: Log,
    store: Box<dyn Store>,
    chain: Chain,
    feeds: BTreeMap<Feed, FeedRow>,
    forks: BTreeMap<Feed, ForkProof>,
    held: BTreeMap<Feed, Held>,
    /// Versions of which governors signed several documents, the one that holds among them.
    contests: BTreeMap<u32, Contest>,
    /// Answers of before that still hold.
    kept: Kept,
    /// Set when the log took something that the state did not.
    is_behind: bool,
    /// Keeps a second process out; `None` in memory.
    _lock: Option<File>,
}

/// A block that waits.
#[derive(Debug)]
struct Held {
    height: u64,
    block: Vec<u8>,
    records: Vec<Vec<u8>>,
}

impl Held {
    fn bytes(&self) -> usize {
        self.block.len() + self.records.iter().map(Vec::len).sum::<usize>()
    }
}

/// A feed's newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The feed.
    pub feed: Feed,
    /// The height that comes next.
    pub next: u64,
    /// The newest block.
    pub block: BlockId,
}

/// Blocks that somebody else has and we lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// The feed.
    pub feed: Feed,
    /// The first height wanted.
    pub from: u64,
    /// The height after the last one wanted.
    pub until: u64,
}

/// Why a roster document was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RosterRefused {
    /// It does not hold, or waits for the ones before it.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// Our disk or state failed.
    #[error("{0}")]
    Storage(String),
}

impl From<StoreError> for RosterRefused {
    fn from(error: StoreError) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<LogError> for RosterRefused {
    fn from(error: LogError) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        Self::Storage(error.to_string())
    }
}

impl Ledger {
    /// The newest roster.
    #[must_use]
    pub fn roster(&self) -> View<'_> {
        self.chain.newest()
    }

    /// All rosters.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Roster documents from a version on, in order, as far as `bytes_max` allows; at least one
    /// when there is one. Of a contested version all that are known.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn documents_from(
        &self,
        version: u32,
        bytes_max: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut left = bytes_max;
        let mut page: Vec<Vec<u8>> = Vec::new();
        let stored = self.store.documents()?.into_iter().map(Some).chain([None]);
        let from = usize::try_from(version).unwrap_or(usize::MAX);
        for (version, document) in (0_u32..).zip(stored).skip(from) {
            // All of one version or none: who asks goes on behind the last version that came.
            let documents: Vec<_> = match self.contests.get(&version) {
                Some(contest) => contest.documents().iter().map(Document::encode).collect(),
                None => document.into_iter().collect(),
            };
            let bytes = documents.iter().map(Vec::len).sum();
            if bytes > left && !page.is_empty() {
                break;
            }
            left = left.saturating_sub(bytes);
            page.extend(documents);
        }
        Ok(page)
    }

    /// All feeds, ascending.
    pub fn heads(&self) -> impl Iterator<Item = Head> + '_ {
        let head =
            |(feed, row): (&Feed, &FeedRow)| Head { feed: *feed, next: row.next, block: row.head };
        self.feeds.iter().map(head)
    }

    /// A feed's newest block.
    #[must_use]
    pub fn head(&self, feed: &Feed) -> Option<Head> {
        self.feeds.get(feed).map(|row| Head { feed: *feed, next: row.next, block: row.head })
    }

    /// Forks' proofs by feed, the lowest of each.
    pub fn forks(&self) -> impl Iterator<Item = &ForkProof> {
        self.forks.values()
    }

    /// What to ask of somebody who holds these heads: what comes after ours, or, where the head at
    /// our height is another block, that block, which proves a fork.
    #[must_use]
    pub fn wants(&self, theirs: &[Head]) -> Vec<Want> {
        let want = |head: &Head| {
            let cut = self.forks.get(&head.feed).map_or(u64::MAX, ForkProof::height);
            let until = head.next.min(cut);
            let from = match self.feeds.get(&head.feed) {
                Some(row) if row.next == head.next && row.head != head.block => row.next - 1,
                Some(row) => row.next,
                None => 0,
            };
            (from < until).then_some(Want { feed: head.feed, from, until })
        };
        theirs.iter().filter_map(want).collect()
    }

    /// Blocks of a feed from a height on, as far as `bytes_max` allows; at least one when there is
    /// one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn blocks_after(&self, want: Want, bytes_max: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let next = self.feeds.get(&want.feed).map_or(0, |row| row.next);
        let mut left = bytes_max;
        let mut page = Vec::new();
        for height in want.from..want.until.min(next) {
            let row = self.store.block(&want.feed, height)?;
            let row = row.ok_or(StoreError::Damaged("a block of a feed is missing"))?;
            let bytes = usize::try_from(row.place.length).unwrap_or(usize::MAX);
            if bytes > left && !page.is_empty() {
                break;
            }
            left = left.saturating_sub(bytes);
            page.push(self.read(row.place)?);
        }
        Ok(page)
    }

    /// A token's record, as it stands in the log.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn record(&self, token: &Token) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.token(token)?.map(|row| self.read(row.record)).transpose()
    }

    /// What two members compare first: equal digests, equal objects. Does not depend on the order
    /// of arrival.
    #[must_use]
    pub fn objects_digest(&self) -> [u8; 32] {
        self.kept.objects_digest(|| self.digest_objects())
    }

    fn digest_objects(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("flowlore objects v1");
        let roster = self.roster();
        hasher.update(&roster.version().to_be_bytes()).update(&roster.hash().0);
        hasher.update(&count(self.feeds.len()));
        for head in self.heads() {
            update_feed(&mut hasher, &head.feed);
            hasher.update(&head.next.to_be_bytes()).update(&head.block.0);
        }
        hasher.update(&count(self.forks.len()));
        for (feed, proof) in &self.forks {
            update_feed(&mut hasher, feed);
            hasher.update(&proof.height().to_be_bytes());
        }
        if let Some(contest) = self.contested().and_then(|version| self.contests.get(&version)) {
            contest.update(&mut hasher);
        }
        *hasher.finalize().as_bytes()
    }

    /// What the objects add up to on a day: equal objects must give equal ones.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn state_digest(&self, day: Day) -> Result<[u8; 32], StoreError> {
        let mut hasher = blake3::Hasher::new_derive_key("flowlore state v1");
        hasher.update(&self.roster().policy().state_version.to_be_bytes());
        hasher.update(&day.0.to_be_bytes());
        self.store.each_label(&mut |token, org, row| {
            let mut meaning = Vec::new();
            row.encode_meaning(&mut meaning);
            hasher.update(&token.0).update(&org.0).update(&meaning);
        })?;
        self.store.each_note(&mut |token, org, row| {
            let mut meaning = Vec::new();
            row.encode_meaning(&mut meaning);
            hasher.update(&token.0).update(&org.0).update(&meaning);
        })?;
        Ok(*hasher.finalize().as_bytes())
    }

    /// Blocks that wait for a roster document, for blocks before them or for their time.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Waits until everything that was accepted is on disk.
    ///
    /// # Errors
    /// The message of the log or the state.
    pub fn flush(&mut self) -> Result<(), RosterRefused> {
        self.log.sync()?;
        Ok(self.store.flush()?)
    }

    /// A feed's head with its counts.
    pub(crate) fn feed(&self, feed: &Feed) -> Option<&FeedRow> {
        self.feeds.get(feed)
    }

    /// How many items of a judged block would be void.
    pub(crate) fn trial(
        &self,
        block: &SignedBlock,
        records: Vec<(Token, Vec<u8>)>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<usize, StoreError> {
        let view = self.chain.at(block.header().roster_version);
        let view = view.ok_or(StoreError::Damaged("roster document"))?;
        let ground = Ground { view, store: self.store(), read: &|place| self.read(place) };
        let unplaced = |(token, record)| NewRecord { token, record, place: Place::default() };
        let records = records.into_iter().map(unplaced).collect();
        let folded = fold(ground, block, records, Place::default(), rng)?;
        Ok(folded.reasons.values().map(|count| usize::from(*count)).sum())
    }

    pub(crate) const fn kept(&self) -> &Kept {
        &self.kept
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    pub(crate) const fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn read(&self, place: Place) -> Result<Vec<u8>, StoreError> {
        self.log.read(place).map_err(|error| StoreError::Engine(error.to_string()))
    }

    fn court(&self) -> Court<'_> {
        Court {
            chain: &self.chain,
            feeds: &self.feeds,
            forks: &self.forks,
            contested: self.contested(),
            store: self.store.as_ref(),
        }
    }

    /// Retries what waits for its time.
    pub fn tick(&mut self, now: Hour, rng: &mut dyn CryptoRngCore) -> Vec<Accepted> {
        self.release(|_| true, now, rng)
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger of {:?}, {} feeds", self.chain.federation(), self.feeds.len())
    }
}

fn count(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn update_feed(hasher: &mut blake3::Hasher, feed: &Feed) {
    hasher.update(&feed.org.0).update(&feed.incarnation.to_be_bytes());
}

//! How a roster document enters, and what happens when governors signed several of one version: what
//! names any of them is taken out of the state and stays in the log; once they agree, what holds under
//! the document that they agreed on is folded anew from there.

use std::collections::BTreeMap;

use flowlore_common::block::{Feed, SignedHeader, UnverifiedBlock};
use flowlore_common::roster::Document;
use flowlore_common::time::Hour;
use rand_core::CryptoRngCore;

use super::enter::{BEHIND, Replayed, parse_admission};
use super::{Ledger, RosterRefused};
use crate::roster::{Chain, Contest, orgs_changed};
use crate::store::row::{ForkProof, LogEnd};
use crate::store::segment::{Entry, EntryKind};
use crate::store::{Changes, StoreError};

/// What a document did.
enum Entered {
    /// It was here.
    Known,
    /// It was taken, or kept as evidence.
    Taken,
    /// It changed which documents hold: what the log has may hold again.
    Turned,
}

impl Ledger {
    /// The version of which governors signed several documents without one that holds, if there is
    /// such a one: the roster before it is the newest until they agree.
    #[must_use]
    pub fn contested(&self) -> Option<u32> {
        let next = self.chain.next_version();
        self.contests.contains_key(&next).then_some(next)
    }

    /// The versions of which governors signed several documents, settled or not: for people to ask them.
    pub fn roster_forks(&self) -> impl Iterator<Item = u32> + '_ {
        self.contests.keys().copied()
    }

    pub(super) fn enter_document(
        &mut self,
        document: &Document,
        replayed: Option<Replayed>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<bool, RosterRefused> {
        let (entered, end) = self.take_document(document, replayed)?;
        if matches!(entered, Entered::Turned) {
            self.fold_again(document.statement.version, end, rng)?;
        }
        Ok(!matches!(entered, Entered::Known))
    }

    fn take_document(
        &mut self,
        document: &Document,
        replayed: Option<Replayed>,
    ) -> Result<(Entered, LogEnd), RosterRefused> {
        if self.is_behind {
            return Err(RosterRefused::Storage(BEHIND.to_owned()));
        }
        let version = document.statement.version;
        let is_contested = self.contests.contains_key(&version);
        if version > 0 && (is_contested || version < self.chain.next_version()) {
            return self.take_rival(document, replayed);
        }
        let mut chain = self.chain.clone();
        if !chain.apply(document)? {
            return Ok((Entered::Known, LogEnd::default()));
        }
        let bytes = document.encode();
        let (_, end) = self.place(EntryKind::Roster, &bytes, true, replayed)?;
        self.is_behind = true;
        let documents = vec![(version, Some(bytes))];
        let mut changes = Changes { folded: end, documents, ..Changes::default() };
        self.chain = chain;
        // Answers of another roster are none of this one, also where the state cannot be written.
        self.kept.forget(&changes);
        for org in orgs_changed(&document.statement) {
            let cuts = self.roster_cuts(&org)?;
            self.cut(&org, &cuts, &mut changes)?;
        }
        self.commit(&changes)?;
        self.is_behind = false;
        Ok((Entered::Taken, end))
    }

    /// Takes one more document of a version of which one is here, or more signatures of that one:
    /// should it be contested later, they count.
    fn take_rival(
        &mut self,
        document: &Document,
        replayed: Option<Replayed>,
    ) -> Result<(Entered, LogEnd), RosterRefused> {
        let version = document.statement.version;
        let known = match self.contests.get(&version) {
            Some(contest) => contest.clone(),
            None => Contest::of(self.document(version)?),
        };
        if known.knows(document) {
            return Ok((Entered::Known, LogEnd::default()));
        }
        let parent = self.chain.before(version);
        let contest = known.with(document, &parent)?;
        let (_, end) = self.place(EntryKind::Roster, &document.encode(), true, replayed)?;
        self.is_behind = true;
        let mut changes = Changes { folded: end, ..Changes::default() };
        if let [document] = contest.documents() {
            changes.documents.push((version, Some(document.encode())));
            self.commit(&changes)?;
            self.is_behind = false;
            return Ok((Entered::Taken, end));
        }
        for rival in contest.documents() {
            changes.rivals.push((version, rival.hash(), Some(rival.encode())));
        }
        let settled = contest.settled(&parent).cloned();
        let turns = settled.as_ref().map(Document::hash) != self.chain.hash_of(version);
        if turns {
            // Several batches follow. A state that reaches nowhere is made anew if a crash parts them.
            changes.folded = LogEnd::default();
            self.roll_back(version, &mut changes)?;
            let mut chain = parent;
            if let Some(document) = settled {
                chain.apply(&document)?;
                changes.documents.push((version, Some(document.encode())));
            }
            self.chain = chain;
        }
        self.contests.insert(version, contest);
        self.commit(&changes)?;
        self.is_behind = false;
        Ok((if turns { Entered::Turned } else { Entered::Taken }, end))
    }

    /// Adds to `changes` what taking documents from a version on back takes: them, what was found of
    /// contests after them, and all blocks and proofs that name them.
    fn roll_back(&mut self, version: u32, changes: &mut Changes) -> Result<(), StoreError> {
        for gone in version..self.chain.next_version() {
            changes.documents.push((gone, None));
        }
        for (later, contest) in self.contests.split_off(&version.saturating_add(1)) {
            changes.rivals.extend(contest.hashes().map(|hash| (later, hash, None)));
        }
        let names = |signed: &SignedHeader| signed.header.roster_version >= version;
        let is_gone = |proof: &ForkProof| names(&proof.one) || names(&proof.other);
        let gone: Vec<_> = self.forks.iter().filter(|(_, proof)| is_gone(proof)).collect();
        let gone: Vec<_> = gone.into_iter().map(|(feed, _)| *feed).collect();
        for feed in gone {
            self.forks.remove(&feed);
            changes.forks.push((feed, None));
        }
        let mut cuts: BTreeMap<_, BTreeMap<Feed, u64>> = BTreeMap::new();
        let feeds: Vec<_> = self.feeds.iter().map(|(feed, row)| (*feed, row.next)).collect();
        for (feed, next) in feeds {
            let from = self.first_naming(&feed, next, version)?;
            if from < next {
                cuts.entry(feed.org).or_default().insert(feed, from);
            }
        }
        for (org, cuts) in cuts {
            self.cut(&org, &cuts, changes)?;
        }
        Ok(())
    }

    /// The first height of a feed whose block names a version or a later one; they never go back.
    fn first_naming(&self, feed: &Feed, next: u64, version: u32) -> Result<u64, StoreError> {
        let (mut low, mut high) = (0, next);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.store.block(feed, middle)?;
            let row = row.ok_or(StoreError::Damaged("a block of a feed is missing"))?;
            if row.roster_version < version { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Takes from the log, up to `end`, whatever holds by the roster as it is now and is not in the
    /// state; again, until a round takes nothing. Each round takes one thing or ends.
    fn fold_again(
        &mut self,
        version: u32,
        end: LogEnd,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(), RosterRefused> {
        loop {
            let mut is_more = false;
            let mut from = LogEnd::default();
            while let Some(entry) = self.log.entry(from)?.filter(|entry| entry.next <= end) {
                from = entry.next;
                is_more |= self.enter_again(version, &entry, rng)?;
            }
            if !is_more {
                break;
            }
        }
        Ok(self.commit(&Changes { folded: end, ..Changes::default() })?)
    }

    /// `true`: it entered. What is refused stays where it is, in the log.
    fn enter_again(
        &mut self,
        version: u32,
        entry: &Entry,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<bool, RosterRefused> {
        let replayed = Some(Replayed { place: entry.place, end: LogEnd::default() });
        let damaged = || StoreError::Damaged("an entry of the log");
        match entry.kind {
            EntryKind::Roster => {
                let document = Document::parse(&entry.content).map_err(|_| damaged())?;
                if document.statement.version <= version {
                    return Ok(false);
                }
                match self.take_document(&document, replayed) {
                    Ok((entered, _)) => Ok(!matches!(entered, Entered::Known)),
                    Err(RosterRefused::Roster(_)) => Ok(false),
                    Err(storage) => Err(storage),
                }
            }
            EntryKind::Admission => {
                let (records, block) = parse_admission(&entry.content).ok_or_else(damaged)?;
                let header = UnverifiedBlock::header_of(&block).ok_or_else(damaged)?;
                let next = self.feeds.get(&header.feed).map_or(0, |row| row.next);
                if header.height != next {
                    return Ok(false);
                }
                // Its time had come, or it would not be in the log.
                let Ok(Some(next)) = self.judge(block, &records, Hour(u32::MAX)) else {
                    return Ok(false);
                };
                let entered = self.enter_block(*next, false, replayed, rng);
                entered.map(|_| true).map_err(|refused| RosterRefused::Storage(refused.to_string()))
            }
            EntryKind::Fork => {
                let proof = ForkProof::parse(&entry.content).ok_or_else(damaged)?;
                Ok(self.enter_fork(&proof, replayed).unwrap_or(false))
            }
        }
    }

    fn document(&self, version: u32) -> Result<Document, StoreError> {
        let damaged = || StoreError::Damaged("roster document");
        let index = usize::try_from(version).unwrap_or(usize::MAX);
        let bytes = self.store.documents()?.into_iter().nth(index).ok_or_else(damaged)?;
        Document::parse(&bytes).map_err(|_| damaged())
    }

    /// Contests and the chain as a state on disk has them.
    pub(super) fn stored_rosters(
        store: &dyn crate::store::Store,
    ) -> Result<(Chain, BTreeMap<u32, Contest>), super::OpenError> {
        let parse = |bytes: Vec<u8>| {
            Document::parse(&bytes).map_err(|_| StoreError::Damaged("roster document"))
        };
        let mut rivals: BTreeMap<u32, Vec<Document>> = BTreeMap::new();
        for bytes in store.rivals()? {
            let document = parse(bytes)?;
            rivals.entry(document.statement.version).or_default().push(document);
        }
        let mut documents = store.documents()?.into_iter();
        let first = documents.next().ok_or(StoreError::Damaged("roster document"))?;
        let mut chain = Chain::found(&parse(first)?)?;
        for bytes in documents {
            chain.apply(&parse(bytes)?)?;
        }
        let contests = rivals.into_values().filter_map(Contest::stored);
        Ok((chain, contests.map(|contest| (contest.version(), contest)).collect()))
    }
}

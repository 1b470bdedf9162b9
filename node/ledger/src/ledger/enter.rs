//! How something enters: judged, written to the log, folded into the state.

use std::collections::{BTreeMap, HashMap};

use flowlore_common::block::{Feed, SignedHeader};
use flowlore_common::canon::{Put as _, Reader};
use flowlore_common::ids::{BlockId, OrgId, Token};
use flowlore_common::roster::Document;
use flowlore_common::time::Hour;
use rand_core::CryptoRngCore;

use super::{Held, Ledger, RosterRefused};
use crate::admit::{Judgement, Next, Refused};
use crate::fold::{Ground, NewRecord, Void, fold};
use crate::limits::{HELD_BLOCKS_MAX, HELD_BYTES_MAX};
use crate::store::row::{BlockRow, ForkProof, LogEnd, Place};
use crate::store::segment::EntryKind;
use crate::store::{Changes, StoreError};

/// What became of a block that broke no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It entered its feed, and so did those that had waited for it: in this order.
    Accepted(Vec<Accepted>),
    /// It was here before.
    AlreadyHere,
}

/// A block that entered its feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The feed.
    pub feed: Feed,
    /// Its height.
    pub height: u64,
    /// Its name.
    pub id: BlockId,
    /// How many of its items count for nothing, by reason.
    pub voids: BTreeMap<Void, u16>,
}

/// Where an entry of the log lies that is being read back; nothing is appended then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replayed {
    pub(crate) place: Place,
    pub(crate) end: LogEnd,
}

impl Ledger {
    /// Judges a block and, when it comes next in its feed, takes it with its token records: those
    /// that are new here must come with it, no others may. A block that is held is kept here; all
    /// others are forgotten.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn admit(
        &mut self,
        block: Vec<u8>,
        records: Vec<Vec<u8>>,
        now: Hour,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Admission, Refused> {
        match self.judge(block.clone(), &records, now) {
            Ok(None) => Ok(Admission::AlreadyHere),
            Ok(Some(next)) => {
                let org = next.block.header().feed.org;
                let mut accepted = vec![self.enter_block(*next, false, None, rng)?];
                accepted.extend(self.release(|feed| feed.org == org, now, rng));
                Ok(Admission::Accepted(accepted))
            }
            Err(refused) if refused.is_held() => {
                self.hold(block, records)?;
                Err(refused)
            }
            Err(refused) => Err(refused),
        }
    }

    /// Takes a roster document; blocks that waited for it are taken too. A second one of a version that
    /// is here may take that version back, see [`Self::contested`]. `None`: it was here.
    ///
    /// # Errors
    /// See [`RosterRefused`].
    pub fn apply_roster(
        &mut self,
        document: &Document,
        now: Hour,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Option<Vec<Accepted>>, RosterRefused> {
        if !self.enter_document(document, None, rng)? {
            return Ok(None);
        }
        Ok(Some(self.release(|_| true, now, rng)))
    }

    /// Takes proof that a feed was forked: what it holds from there on stops counting. `false`: a
    /// proof as low is here.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn admit_fork(&mut self, proof: &ForkProof) -> Result<bool, Refused> {
        self.enter_fork(proof, None)
    }

    /// `None`: already here. A fork is kept as evidence, and refused.
    pub(crate) fn judge(
        &mut self,
        block: Vec<u8>,
        records: &[Vec<u8>],
        now: Hour,
    ) -> Result<Option<Box<Next>>, Refused> {
        self.check_whole()?;
        match self.court().judge(block, records, now)? {
            Judgement::AlreadyHere => Ok(None),
            Judgement::Next(next) => Ok(Some(next)),
            Judgement::Fork(newcomer) => {
                let ours = self.signed_header(&newcomer.header.feed, newcomer.header.height)?;
                self.enter_fork(&ForkProof::new(ours, *newcomer), None)?;
                Err(Refused::Fork(newcomer.header.height))
            }
        }
    }

    /// Writes a judged block to the log, then folds it into the state.
    pub(crate) fn enter_block(
        &mut self,
        next: Next,
        durable: bool,
        replayed: Option<Replayed>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Accepted, Refused> {
        let Next { block, head, records } = next;
        let header = *block.header();
        let content = match replayed {
            // Of the records there some may be here by now: what lies where, the entry itself tells.
            Some(Replayed { place, .. }) => self.read(place)?,
            None => encode_admission(block.bytes(), &records),
        };
        let (place, end) = self.place(EntryKind::Admission, &content, durable, replayed)?;
        let records = placed(records, &content, place)?;
        // The block is the end of its entry.
        let length = u32::try_from(block.bytes().len()).unwrap_or(u32::MAX);
        let place = place.part(place.length.saturating_sub(length), length);
        self.is_behind = true;
        let view = self.chain.at(header.roster_version).expect("judged by this roster");
        let ground = Ground { view, store: self.store.as_ref(), read: &|place| self.read(place) };
        let folded = fold(ground, &block, records, place, rng)?;
        let row = BlockRow {
            id: block.id(),
            sealed: header.sealed,
            roster_version: header.roster_version,
            voids: folded.voids,
            place,
        };
        let org = header.feed.org;
        let labels = folded.labels.into_iter().map(|(token, row)| (token, org, Some(row)));
        let notes = folded.notes.into_iter().map(|(token, row)| (token, org, Some(row)));
        self.commit(&Changes {
            folded: end,
            feeds: vec![(header.feed, Some(head))],
            blocks: vec![(header.feed, header.height, Some(row))],
            tokens: folded.tokens,
            labels: labels.collect(),
            notes: notes.collect(),
            ..Changes::default()
        })?;
        self.is_behind = false;
        Ok(Accepted {
            feed: header.feed,
            height: header.height,
            id: block.id(),
            voids: folded.reasons,
        })
    }

    pub(super) fn enter_fork(
        &mut self,
        proof: &ForkProof,
        replayed: Option<Replayed>,
    ) -> Result<bool, Refused> {
        self.check_whole()?;
        self.court().judge_fork(proof)?;
        let feed = proof.one.header.feed;
        if self.forks.get(&feed).is_some_and(|ours| ours.height() <= proof.height()) {
            return Ok(false);
        }
        let (_, end) = self.place(EntryKind::Fork, &proof.encode(), true, replayed)?;
        self.is_behind = true;
        let forks = vec![(feed, Some(*proof))];
        let mut changes = Changes { folded: end, forks, ..Changes::default() };
        self.forks.insert(feed, *proof);
        let is_held = self.feeds.get(&feed).is_some_and(|row| row.next > proof.height());
        if is_held {
            let cuts = BTreeMap::from([(feed, proof.height())]);
            self.cut(&feed.org, &cuts, &mut changes)?;
        }
        self.commit(&changes)?;
        self.is_behind = false;
        Ok(true)
    }

    /// The one way by which the state changes once the ledger is open.
    pub(super) fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.kept.forget(changes);
        self.store.apply(changes)?;
        for (feed, row) in &changes.feeds {
            match row {
                Some(row) => self.feeds.insert(*feed, *row),
                None => self.feeds.remove(feed),
            };
        }
        Ok(())
    }

    /// Appends an entry, or tells where the one that is replayed lies.
    pub(super) fn place(
        &mut self,
        kind: EntryKind,
        content: &[u8],
        durable: bool,
        replayed: Option<Replayed>,
    ) -> Result<(Place, LogEnd), crate::store::segment::LogError> {
        if let Some(replayed) = replayed {
            return Ok((replayed.place, replayed.end));
        }
        let place = self.log.append(kind, content, durable)?;
        Ok((place, self.log.end()))
    }

    fn check_whole(&self) -> Result<(), Refused> {
        if self.is_behind { Err(Refused::Storage(BEHIND.to_owned())) } else { Ok(()) }
    }

    fn signed_header(&self, feed: &Feed, height: u64) -> Result<SignedHeader, StoreError> {
        let damaged = StoreError::Damaged("a block of a feed");
        let row = self.store.block(feed, height)?.ok_or_else(|| damaged.clone())?;
        let bytes = self.read(row.place)?;
        let header = bytes.first_chunk().ok_or_else(|| damaged.clone())?;
        SignedHeader::parse(header).map_err(|_| damaged)
    }

    /// Keeps a block for later: the lowest of its feed, as all others wait for that one.
    fn hold(&mut self, block: Vec<u8>, records: Vec<Vec<u8>>) -> Result<(), Refused> {
        let header = SignedHeader::parse(block.first_chunk().expect("judged")).expect("judged");
        let (feed, height) = (header.header.feed, header.header.height);
        let new = Held { height, block, records };
        if self.held.get(&feed).is_some_and(|held| held.height < height) {
            return Ok(());
        }
        let others = self.held.iter().filter(|(held, _)| **held != feed);
        let bytes: usize = others.map(|(_, held)| held.bytes()).sum();
        let is_full = self.held.len() >= HELD_BLOCKS_MAX && !self.held.contains_key(&feed);
        if is_full || bytes + new.bytes() > HELD_BYTES_MAX {
            return Err(Refused::HeldFull);
        }
        self.held.insert(feed, new);
        Ok(())
    }

    /// Judges held blocks again until none can enter. Each round takes one or ends.
    pub(super) fn release(
        &mut self,
        concerns: impl Fn(&Feed) -> bool,
        now: Hour,
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<Accepted> {
        let mut released = Vec::new();
        loop {
            let before = released.len();
            let feeds: Vec<_> = self.held.keys().filter(|feed| concerns(feed)).copied().collect();
            for feed in feeds {
                let Some(held) = self.held.remove(&feed) else { continue };
                match self.judge(held.block.clone(), &held.records, now) {
                    Ok(Some(next)) => {
                        if let Ok(accepted) = self.enter_block(*next, false, None, rng) {
                            released.push(accepted);
                        }
                    }
                    Err(refused) if refused.is_held() => {
                        self.held.insert(feed, held);
                    }
                    // Here already, or never to enter: peers will offer what is still missing.
                    Ok(None) | Err(_) => {}
                }
            }
            if released.len() == before {
                return released;
            }
        }
    }

    /// The feeds of an org, ascending.
    pub(super) fn feeds_of(&self, org: &OrgId) -> Vec<Feed> {
        let range = Feed { org: *org, incarnation: 0 }..=Feed { org: *org, incarnation: u32::MAX };
        self.feeds.range(range).map(|(feed, _)| *feed).collect()
    }
}

pub(super) const BEHIND: &str = "the state is behind the log after a failure: restart the node";

/// `u16` number of records, each with a `u16` length, then the block.
fn encode_admission(block: &[u8], records: &[(Token, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(block.len() + 256 * records.len());
    bytes.put_u16(u16::try_from(records.len()).unwrap_or(u16::MAX));
    for (_, record) in records {
        bytes.put_u16(u16::try_from(record.len()).unwrap_or(u16::MAX));
        bytes.put(record);
    }
    bytes.put(block);
    bytes
}

/// Records with their places in the log, found in the entry that they came with.
fn placed(
    records: Vec<(Token, Vec<u8>)>,
    content: &[u8],
    entry: Place,
) -> Result<Vec<NewRecord>, StoreError> {
    let damaged = |_| StoreError::Damaged("an entry of the log");
    let mut reader = Reader::new(content);
    let mut places = HashMap::new();
    for _ in 0..reader.u16().map_err(damaged)? {
        let length = reader.u16().map_err(damaged)?;
        let offset = u32::try_from(reader.position()).unwrap_or(u32::MAX);
        let record = reader.take(usize::from(length)).map_err(damaged)?;
        places.insert(record, entry.part(offset, u32::from(length)));
    }
    let place = |(token, record): (Token, Vec<u8>)| {
        let place = *places.get(record.as_slice())?;
        Some(NewRecord { token, record, place })
    };
    let placed: Option<_> = records.into_iter().map(place).collect();
    placed.ok_or(StoreError::Damaged("an entry of the log"))
}

/// The records and the block of an admission.
pub(super) fn parse_admission(content: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    let mut reader = Reader::new(content);
    let mut records = Vec::new();
    for _ in 0..reader.u16().ok()? {
        let length = usize::from(reader.u16().ok()?);
        records.push(reader.take(length).ok()?.to_vec());
    }
    Some((records, content.get(reader.position()..)?.to_vec()))
}

//! Whether a block enters its feed. Two levels, the same at every member: a block that breaks a
//! rule of feeds is refused or held here; an item that breaks a rule of labels is void and stops
//! nothing ([`fold`](crate::fold)). Neither the local clock nor the order of arrival decides: they
//! can only delay.

use std::collections::BTreeMap;

use flowlore_common::block::{
    BlockError, Feed, Header, PayloadKind, SignedBlock, SignedHeader, UnverifiedBlock,
};
use flowlore_common::canon::Malformed;
use flowlore_common::ids::{BlockId, FederationId, RosterHash, Token};
use flowlore_common::limits::{BLOCK_ITEMS_MAX, RECORD_BYTES_MAX};
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::sign::PublicKey;
use flowlore_common::time::Hour;
use flowlore_veil::token::token_of;

use crate::fold::tokens_of;
use crate::limits::{BLOCK_AHEAD_HOURS_MAX, INCARNATIONS_MAX};
use crate::roster::{Chain, View};
use crate::store::row::{FeedRow, ForkProof};
use crate::store::{Store, StoreError};

/// Who is to blame for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Who signed the block: all members will refuse it.
    Author,
    /// Who sent it: it should have refused the block itself, or changed it.
    Peer,
    /// Nobody: something has not arrived yet, or a clock is off.
    Nobody,
    /// This node: its disk or memory.
    Us,
}

/// Why a block did not enter its feed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Cut off, another tag, or left-over bytes. Usually a bug or damage under way.
    #[error("{0}")]
    Malformed(Malformed),
    /// Bytes that must be zero are not: software newer than the federation's rules.
    #[error("reserved bytes of the block are not zero")]
    Reserved,
    /// More than 256 items or 256 KiB, or not as many as its header says.
    #[error("the block's sizes are over the limit or not those of its header")]
    Sizes,
    /// The payload was changed under way, or put together wrongly.
    #[error("the payload does not have the root that the header states")]
    Root,
    /// Forged or damaged. An honest peer never sends one.
    #[error("the block's signature does not hold under its org's key")]
    Signature,
    /// The sender is in the wrong network.
    #[error("the block is of another federation ({})", .0.short())]
    Federation(FederationId),
    /// The roster that it names has no such member, or an expelled one.
    #[error("the roster that the block names has no such active member")]
    UnknownOrg,
    /// It names a roster that has not arrived here. Held.
    #[error("the block names roster {given}, we hold up to {newest}")]
    RosterUnknown {
        /// The version it names.
        given: u32,
        /// The newest that we hold.
        newest: u32,
    },
    /// It names a roster version by another hash: its author believes another roster chain.
    #[error("the block names a roster of that version with another hash ({})", .0.short())]
    RosterHash(RosterHash),
    /// It names an older roster than the block before it.
    #[error("the block names an older roster than the block before it")]
    RosterBack,
    /// At or behind a place from which the feed was cut: after a re-key, an expulsion or a fork.
    #[error("the feed was cut before this block")]
    Cut,
    /// There is another block at its height: its author said two things. Kept as evidence.
    #[error("a second block at height {0}: its author has forked the feed")]
    Fork(u64),
    /// Blocks before it have not arrived. Held, and the missing ones wanted.
    #[error("the block has height {given}, {wanted} comes next")]
    Gap {
        /// Its height.
        given: u64,
        /// The next that is needed.
        wanted: u64,
    },
    /// It does not name the block before it.
    #[error("the block does not name the one before it")]
    Prev,
    /// The first block of an incarnation names a block that has not arrived. Held.
    #[error("the block before this incarnation has not arrived ({})", .0.short())]
    PrevUnknown(BlockId),
    /// A height after which none could follow.
    #[error("the height is the last that there is")]
    Height,
    /// More incarnations than an org may have.
    #[error("incarnation {0} is over the limit")]
    Incarnation(u32),
    /// Sealed before the block before it.
    #[error("the block was sealed before the one before it")]
    HourBack,
    /// More blocks in an hour or a day of sealed time than the policy allows.
    #[error("more blocks in this hour or day than the policy allows")]
    Quota,
    /// Sealed ahead of our clock: one of both clocks is off. Held until then.
    #[error("the block was sealed {0} hours ahead of our clock")]
    FromFuture(u32),
    /// Token records that it needs are not here and did not come with it. Ask for them.
    #[error("{} token records are missing", .0.len())]
    RecordsMissing(Vec<Token>),
    /// A record came that is of no token of the block, or is not of the token it was sent for.
    #[error("a token record came that the block does not need")]
    RecordUnasked,
    /// It should be held, but too much is held already. It will be offered again.
    #[error("too many blocks are held already")]
    HeldFull,
    /// Our disk or state failed; the block is not to blame.
    #[error("{0}")]
    Storage(String),
}

impl Refused {
    /// The name in metrics and logs: never changed.
    #[must_use]
    pub const fn metric(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Reserved => "reserved",
            Self::Sizes => "sizes",
            Self::Root => "root",
            Self::Signature => "signature",
            Self::Federation(_) => "federation",
            Self::UnknownOrg => "unknown_org",
            Self::RosterUnknown { .. } => "roster_unknown",
            Self::RosterHash(_) => "roster_hash",
            Self::RosterBack => "roster_back",
            Self::Cut => "cut",
            Self::Fork(_) => "fork",
            Self::Gap { .. } => "gap",
            Self::Prev => "prev",
            Self::PrevUnknown(_) => "prev_unknown",
            Self::Height => "height",
            Self::Incarnation(_) => "incarnation",
            Self::HourBack => "hour_back",
            Self::Quota => "quota",
            Self::FromFuture(_) => "from_future",
            Self::RecordsMissing(_) => "records_missing",
            Self::RecordUnasked => "record_unasked",
            Self::HeldFull => "held_full",
            Self::Storage(_) => "storage",
        }
    }

    /// Who is to blame.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Malformed(_) | Self::Root | Self::Sizes | Self::Reserved => Fault::Peer,
            Self::Signature | Self::Federation(_) | Self::RecordUnasked => Fault::Peer,
            Self::UnknownOrg | Self::RosterHash(_) | Self::RosterBack => Fault::Author,
            Self::Fork(_) | Self::Prev | Self::Height | Self::Incarnation(_) => Fault::Author,
            Self::HourBack | Self::Quota => Fault::Author,
            Self::RosterUnknown { .. } | Self::Cut | Self::Gap { .. } => Fault::Nobody,
            Self::PrevUnknown(_) | Self::FromFuture(_) | Self::RecordsMissing(_) => Fault::Nobody,
            Self::HeldFull | Self::Storage(_) => Fault::Us,
        }
    }

    /// Whether the block is kept until what it waits for is here.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(
            self,
            Self::RosterUnknown { .. }
                | Self::Gap { .. }
                | Self::PrevUnknown(_)
                | Self::FromFuture(_)
        )
    }
}

impl From<BlockError> for Refused {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Malformed(malformed) => Self::Malformed(malformed),
            BlockError::Reserved => Self::Reserved,
            BlockError::Sizes => Self::Sizes,
            BlockError::Root => Self::Root,
            BlockError::Signature => Self::Signature,
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Storage(error.to_string())
    }
}

/// What the rules look at.
#[derive(Clone, Copy)]
pub(crate) struct Court<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) feeds: &'a BTreeMap<Feed, FeedRow>,
    pub(crate) forks: &'a BTreeMap<Feed, ForkProof>,
    pub(crate) store: &'a dyn Store,
}

/// What the rules say of a block.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// It comes next.
    Next(Box<Next>),
    /// We have it.
    AlreadyHere,
    /// Another block than the one that we have at its height: with it, proof of a fork.
    Fork(Box<SignedHeader>),
}

/// A block that comes next in its feed.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) block: SignedBlock,
    /// The feed's head after it.
    pub(crate) head: FeedRow,
    /// The records that it brings and that are not here.
    pub(crate) records: Vec<(Token, Vec<u8>)>,
}

impl Court<'_> {
    pub(crate) fn judge(
        &self,
        bytes: Vec<u8>,
        records: &[Vec<u8>],
        now: Hour,
    ) -> Result<Judgement, Refused> {
        let block = UnverifiedBlock::parse(bytes)?;
        let view = self.roster_of(block.header())?;
        let key = key_of(&view, block.header())?;
        let block = block.verify(&key)?;
        let header = block.header();
        if self.is_cut(header) {
            return Err(Refused::Cut);
        }
        let ours = self.feeds.get(&header.feed);
        let next = ours.map_or(0, |row| row.next);
        if header.height < next {
            return self.compare_with_ours(&block);
        }
        if header.height > next {
            return Err(Refused::Gap { given: header.height, wanted: next });
        }
        self.check_prev(header, ours)?;
        let head = head_after(&block, ours, &view)?;
        let ahead = header.sealed.0.saturating_sub(now.0);
        if ahead > BLOCK_AHEAD_HOURS_MAX {
            return Err(Refused::FromFuture(ahead));
        }
        let records = self.records_of(&block, records)?;
        Ok(Judgement::Next(Box::new(Next { block, head, records })))
    }

    /// Checks a proof that two headers of one place were signed by their org.
    pub(crate) fn judge_fork(&self, proof: &ForkProof) -> Result<(), Refused> {
        let (one, other) = (&proof.one.header, &proof.other.header);
        if one.feed != other.feed || one.height != other.height || one.id() >= other.id() {
            return Err(Refused::Malformed(Malformed { what: "proves no fork", at: 0 }));
        }
        for signed in [&proof.one, &proof.other] {
            let view = self.roster_of(&signed.header)?;
            let key = key_of(&view, &signed.header)?;
            signed.verify(&key).map_err(|_| Refused::Signature)?;
        }
        Ok(())
    }

    fn roster_of(&self, header: &Header) -> Result<View<'_>, Refused> {
        if header.federation != self.chain.federation() {
            return Err(Refused::Federation(header.federation));
        }
        if header.height == u64::MAX {
            return Err(Refused::Height);
        }
        if header.feed.incarnation >= INCARNATIONS_MAX {
            return Err(Refused::Incarnation(header.feed.incarnation));
        }
        let newest = self.chain.newest().version();
        let view = self
            .chain
            .at(header.roster_version)
            .ok_or(Refused::RosterUnknown { given: header.roster_version, newest })?;
        if view.hash() != header.roster_hash {
            return Err(Refused::RosterHash(header.roster_hash));
        }
        match view.member(&header.feed.org) {
            Some(member) if member.active => Ok(view),
            _ => Err(Refused::UnknownOrg),
        }
    }

    fn is_cut(&self, header: &Header) -> bool {
        let newest = self.chain.newest();
        let member = newest.member(&header.feed.org);
        let forked = self.forks.get(&header.feed);
        member.is_some_and(|member| member.is_cut(block_place(header), header.roster_version))
            || forked.is_some_and(|proof| header.height >= proof.height())
    }

    fn compare_with_ours(&self, block: &SignedBlock) -> Result<Judgement, Refused> {
        let header = block.header();
        let row = self.store.block(&header.feed, header.height)?;
        let row = row.ok_or(StoreError::Damaged("a block of the feed is missing"))?;
        if row.id == block.id() {
            return Ok(Judgement::AlreadyHere);
        }
        Ok(Judgement::Fork(Box::new(*block.signed_header())))
    }

    fn check_prev(&self, header: &Header, ours: Option<&FeedRow>) -> Result<(), Refused> {
        if let Some(row) = ours {
            return if row.head == header.prev { Ok(()) } else { Err(Refused::Prev) };
        }
        if header.feed.incarnation == 0 {
            return if header.prev == BlockId::default() { Ok(()) } else { Err(Refused::Prev) };
        }
        if header.prev == BlockId::default() {
            // The org's earlier feeds were cut off whole, or it lost them before anybody saw them.
            return Ok(());
        }
        let (feed, _) =
            self.store.place_of(&header.prev)?.ok_or(Refused::PrevUnknown(header.prev))?;
        let is_earlier = feed.org == header.feed.org && feed.incarnation < header.feed.incarnation;
        if is_earlier { Ok(()) } else { Err(Refused::Prev) }
    }

    /// The records that are new to us; all that the block needs must be here or among `given`.
    fn records_of(
        &self,
        block: &SignedBlock,
        given: &[Vec<u8>],
    ) -> Result<Vec<(Token, Vec<u8>)>, Refused> {
        if given.len() > BLOCK_ITEMS_MAX
            || given.iter().any(|record| record.len() > RECORD_BYTES_MAX)
        {
            return Err(Refused::RecordUnasked);
        }
        let mut given: BTreeMap<Token, &Vec<u8>> =
            given.iter().map(|record| (token_of(record), record)).collect();
        let (mut records, mut missing) = (Vec::new(), Vec::new());
        if block.header().kind == PayloadKind::LABELS {
            for token in tokens_of(block) {
                let sent = given.remove(&token);
                if self.store.token(&token)?.is_some() {
                    continue;
                }
                match sent {
                    Some(record) => records.push((token, record.clone())),
                    None => missing.push(token),
                }
            }
        }
        if !given.is_empty() {
            return Err(Refused::RecordUnasked);
        }
        if missing.is_empty() { Ok(records) } else { Err(Refused::RecordsMissing(missing)) }
    }
}

/// A block's place in its org's feeds.
pub(crate) const fn block_place(header: &Header) -> FeedPlace {
    FeedPlace { incarnation: header.feed.incarnation, height: header.height }
}

/// The key that must have signed at this place; [`Court::roster_of`] found the member active.
fn key_of(view: &View<'_>, header: &Header) -> Result<PublicKey, Refused> {
    let member = view.member(&header.feed.org).ok_or(Refused::UnknownOrg)?;
    PublicKey::parse(&member.key_at(block_place(header))).map_err(|_| Refused::Signature)
}

/// The head after `block`, with the counts that quotas need.
fn head_after(
    block: &SignedBlock,
    ours: Option<&FeedRow>,
    view: &View<'_>,
) -> Result<FeedRow, Refused> {
    let header = block.header();
    let (mut in_hour, mut in_day) = (1, 1);
    if let Some(row) = ours {
        if header.sealed < row.sealed {
            return Err(Refused::HourBack);
        }
        if header.roster_version < row.roster_version {
            return Err(Refused::RosterBack);
        }
        if header.sealed == row.sealed {
            in_hour = row.in_hour.saturating_add(1);
        }
        if header.sealed.day() == row.sealed.day() {
            in_day = row.in_day.saturating_add(1);
        }
    }
    let policy = view.policy();
    if in_hour > policy.blocks_per_hour || in_day > policy.blocks_per_day {
        return Err(Refused::Quota);
    }
    Ok(FeedRow {
        next: header.height + 1,
        head: block.id(),
        sealed: header.sealed,
        roster_version: header.roster_version,
        in_hour,
        in_day,
    })
}

//! Whether a block enters its feed. Two levels, the same at every member: a block that breaks a
//! rule of feeds is refused or held here; an item that breaks a rule of labels is void and stops
//! nothing ([`fold`](crate::fold)). Neither the local clock nor the order of arrival decides: they
//! can only delay.

mod refused;

use std::collections::BTreeMap;

use flowlore_common::block::{
    Feed, Header, PayloadKind, SignedBlock, SignedHeader, UnverifiedBlock,
};
use flowlore_common::canon::Malformed;
use flowlore_common::ids::{BlockId, Token};
use flowlore_common::limits::{BLOCK_ITEMS_MAX, RECORD_BYTES_MAX};
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::sign::PublicKey;
use flowlore_common::time::Hour;
use flowlore_veil::token::token_of;

pub use refused::{Code, Fault, Refused};

use crate::fold::tokens_of;
use crate::limits::{BLOCK_AHEAD_HOURS_MAX, INCARNATIONS_MAX};
use crate::roster::{Chain, View};
use crate::store::row::{FeedRow, ForkProof};
use crate::store::{Store, StoreError};

/// What the rules look at.
#[derive(Clone, Copy)]
pub(crate) struct Court<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) feeds: &'a BTreeMap<Feed, FeedRow>,
    pub(crate) forks: &'a BTreeMap<Feed, ForkProof>,
    /// The version after the newest, when governors signed several of it.
    pub(crate) contested: Option<u32>,
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
        let given = header.roster_version;
        let newest = self.chain.newest().version();
        let view = self.chain.at(given).ok_or(match self.contested {
            Some(contested) => Refused::RosterContested(contested),
            None => Refused::RosterUnknown { given, newest },
        })?;
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
        // A later incarnation says where it goes on, and nobody can hold it to that: what it names may
        // have been cut off here before it came, and still stand where it came before.
        let is_free = header.feed.incarnation > 0;
        if is_free || header.prev == BlockId::default() { Ok(()) } else { Err(Refused::Prev) }
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

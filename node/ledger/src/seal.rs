//! Sealing one's own labels into blocks: once. The bytes are on disk before anybody, our own state
//! included, sees them; for a height that was written nothing is ever sealed again.

use flowlore_common::block::{BlockError, Draft, Feed, PayloadKind, SignedBlock};
use flowlore_common::ids::{BlockId, OrgId, Token};
use flowlore_common::label::Purpose;
use flowlore_common::limits::{BLOCK_ITEMS_MAX, BLOCK_PAYLOAD_BYTES_MAX};
use flowlore_common::sign::SecretKey;
use flowlore_common::time::Hour;
use rand_core::CryptoRngCore;

use crate::admit::Refused;
use crate::fold::token_in;
use crate::ledger::{Accepted, Ledger};

/// A label of one's own with the record of its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLabel {
    /// The item's bytes.
    pub item: Vec<u8>,
    /// The token's record.
    pub record: Vec<u8>,
}

/// Why nothing, or not all, was sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Nothing to seal.
    #[error("there is nothing to seal")]
    Empty,
    /// Two labels of one token: only one can be meant.
    #[error("two labels of one token ({})", .0.short())]
    Twice(Token),
    /// An item that has no token, or is too long for a block.
    #[error("an item is no label, or too long for a block")]
    Item,
    /// One's own block breaks a rule of feeds: the quota is used up, the clock is off, the org is
    /// no member, the key is not the roster's.
    #[error("our own block is refused: {0}")]
    Refused(#[from] Refused),
    /// The label's proof or record is wrong: it would count for nothing.
    #[error("{0} of our own items would be void")]
    Void(usize),
}

impl From<BlockError> for SealError {
    fn from(error: BlockError) -> Self {
        Self::Refused(error.into())
    }
}

/// Who seals.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The org.
    pub org: OrgId,
    /// Its incarnation; the newest one that it has, or a new one.
    pub incarnation: u32,
    /// Its signing key.
    pub key: &'a SecretKey,
}

/// What goes into one block.
struct Payload<'a> {
    kind: PayloadKind,
    purpose: u8,
    items: &'a [&'a [u8]],
    records: Vec<Vec<u8>>,
}

impl Ledger {
    /// Seals labels of one purpose into as many blocks as they need, tokens ascending. What it
    /// returns is on disk.
    ///
    /// # Errors
    /// See [`SealError`]. Blocks before the one that failed are sealed and stay so; the labels
    /// that are in no block yet can be sealed later.
    pub fn seal(
        &mut self,
        author: Author<'_>,
        purpose: Purpose,
        mut labels: Vec<OwnLabel>,
        now: Hour,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Vec<Accepted>, SealError> {
        if labels.is_empty() {
            return Err(SealError::Empty);
        }
        labels.sort_by(|a, b| a.item.cmp(&b.item));
        for label in &labels {
            token_in(&label.item).ok_or(SealError::Item)?;
        }
        for pair in labels.windows(2) {
            let (one, other) = (token_in(&pair[0].item), token_in(&pair[1].item));
            if let Some(token) = one.filter(|_| one == other) {
                return Err(SealError::Twice(token));
            }
        }
        let mut sealed = Vec::new();
        for part in parts(&labels)? {
            let items: Vec<&[u8]> = part.iter().map(|label| label.item.as_slice()).collect();
            let records: Vec<_> = part.iter().map(|label| label.record.clone()).collect();
            let (kind, purpose) = (PayloadKind::LABELS, purpose.number());
            let payload = Payload { kind, purpose, items: &items, records };
            sealed.push(self.seal_block(author, &payload, now, rng)?);
        }
        Ok(sealed)
    }

    /// Seals items of a kind other than labels into one block.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal_items(
        &mut self,
        author: Author<'_>,
        kind: PayloadKind,
        items: &[&[u8]],
        now: Hour,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Accepted, SealError> {
        if items.is_empty() {
            return Err(SealError::Empty);
        }
        let payload = Payload { kind, purpose: 0, items, records: Vec::new() };
        self.seal_block(author, &payload, now, rng)
    }

    /// The newest incarnation that an org has blocks in, by what we hold.
    #[must_use]
    pub fn incarnation(&self, org: &OrgId) -> Option<u32> {
        self.heads().filter(|head| head.feed.org == *org).map(|head| head.feed.incarnation).last()
    }

    fn seal_block(
        &mut self,
        author: Author<'_>,
        payload: &Payload<'_>,
        now: Hour,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Accepted, SealError> {
        // What we said under one of several rosters waits in the log; said again in its place, it
        // would be a fork as soon as that roster holds.
        if let Some(version) = self.contested() {
            return Err(SealError::Refused(Refused::RosterContested(version)));
        }
        let draft = self.draft(author, payload.kind, payload.purpose, now);
        let block = draft.seal(payload.items, author.key)?;
        // Every rule that others will apply is applied before the bytes exist anywhere.
        let next = self.judge(block.bytes().to_vec(), &payload.records, now)?;
        let next = next.ok_or(SealError::Refused(Refused::Fork(block.header().height)))?;
        self.check_own(&block, &next.records, rng)?;
        Ok(self.enter_block(*next, true, None, rng)?)
    }

    fn draft(&self, author: Author<'_>, kind: PayloadKind, purpose: u8, now: Hour) -> Draft {
        let feed = Feed { org: author.org, incarnation: author.incarnation };
        let ours = self.feed(&feed);
        let earlier = self
            .heads()
            .filter(|head| head.feed.org == author.org && head.feed < feed)
            .last()
            .map_or(BlockId::default(), |head| head.block);
        let roster = self.roster();
        Draft {
            federation: roster.federation(),
            feed,
            height: ours.map_or(0, |row| row.next),
            prev: ours.map_or(earlier, |row| row.head),
            // A clock that was set back must not stop the feed: the hour never falls within it.
            sealed: ours.map_or(now, |row| row.sealed.max(now)),
            roster_version: roster.version(),
            roster_hash: roster.hash(),
            kind,
            purpose,
        }
    }

    /// A void item of our own would be a bug for all to see for ever.
    fn check_own(
        &self,
        block: &SignedBlock,
        records: &[(Token, Vec<u8>)],
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(), SealError> {
        let voids = self.trial(block, records.to_vec(), rng).map_err(Refused::from)?;
        if voids == 0 { Ok(()) } else { Err(SealError::Void(voids)) }
    }
}

/// Cuts labels into parts that fit a block.
fn parts(labels: &[OwnLabel]) -> Result<Vec<&[OwnLabel]>, SealError> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 1);
    for (index, label) in labels.iter().enumerate() {
        let needed = 2 + label.item.len();
        if needed + 1 > BLOCK_PAYLOAD_BYTES_MAX || label.item.len() > usize::from(u16::MAX) {
            return Err(SealError::Item);
        }
        if bytes + needed > BLOCK_PAYLOAD_BYTES_MAX || index - start == BLOCK_ITEMS_MAX {
            parts.push(&labels[start..index]);
            (start, bytes) = (index, 1);
        }
        bytes += needed;
    }
    parts.push(&labels[start..]);
    Ok(parts)
}

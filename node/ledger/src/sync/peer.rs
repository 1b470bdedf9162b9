//! What is remembered of one connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use flowlore_common::block::{Feed, Header, UnverifiedBlock};
use flowlore_common::time::Micros;

use crate::ledger::{Head, Ledger};

/// What a peer was asked for; one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Roster,
    Blocks,
    Records,
}

/// Objects differ, and it may be the roster: from which version on documents are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) from: u32,
    /// How far to go back when they parted before that.
    step: u32,
}

impl Doubt {
    /// After a version that the peer holds, or at our newest. Of document 0 there is only one.
    pub(super) fn of(theirs: u32, ledger: &Ledger) -> Option<Self> {
        let from = theirs.saturating_add(1).min(ledger.roster().version());
        (from > 0).then_some(Self { from, step: 1 })
    }

    /// Twice as far back; `None`: there is nothing before.
    pub(super) fn back(self) -> Option<Self> {
        let from = self.from.saturating_sub(self.step);
        (self.from > 0).then_some(Self { from, step: self.step.saturating_mul(2) })
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Peer {
    /// It said Hello.
    pub(super) greeted: bool,
    /// When the connection began, for one that never says Hello.
    since: Micros,
    /// When we last told it what we hold.
    pub(super) compared: Micros,
    /// The newest roster document that it says to hold.
    pub(super) roster_version: u32,
    /// The feeds that it says to hold.
    pub(super) heads: BTreeMap<Feed, Head>,
    /// Feeds of which it may hold more than we do, and was not asked in vain.
    pub(super) open: BTreeSet<Feed>,
    /// Its objects differ from ours: to be looked into when a while has passed without agreement.
    pub(super) doubt: Option<Doubt>,
    /// Roster documents to compare as soon as nothing else is wanted of it.
    pub(super) check: Option<Doubt>,
    /// What it was asked for to compare.
    pub(super) checking: Option<Doubt>,
    /// How often it was told all that we hold since both sides last compared.
    pub(super) told: u32,
    /// What it was asked for, and when.
    pub(super) asked: Option<(Asked, Micros)>,
    /// A block of its last page was new to us.
    pub(super) has_helped: bool,
    /// Blocks that it sent and that are not worked off.
    pub(super) waiting: VecDeque<Waiting>,
}

impl Peer {
    pub(super) const fn new(now: Micros) -> Self {
        Self {
            greeted: false,
            since: now,
            compared: now,
            roster_version: 0,
            heads: BTreeMap::new(),
            open: BTreeSet::new(),
            doubt: None,
            check: None,
            checking: None,
            told: 0,
            asked: None,
            has_helped: false,
            waiting: VecDeque::new(),
        }
    }

    /// Since when it owes us something.
    pub(super) fn waits_since(&self) -> Option<Micros> {
        if self.greeted { self.asked.map(|(_, since)| since) } else { Some(self.since) }
    }
}

/// A block that waits, perhaps for its records.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) block: Vec<u8>,
    pub(super) records: Vec<Vec<u8>>,
}

impl Waiting {
    pub(super) const fn new(block: Vec<u8>) -> Self {
        Self { block, records: Vec::new() }
    }

    /// The header that the block claims to have.
    pub(super) fn header(&self) -> Option<Header> {
        UnverifiedBlock::header_of(&self.block)
    }
}

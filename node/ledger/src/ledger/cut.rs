//! Cutting a feed's end off: after a fork, a re-key or an expulsion. What the org said before
//! counts again, so the labels that the cut blocks touched are folded anew from what is left.

use std::collections::BTreeMap;

use flowlore_common::block::{Feed, PayloadKind, UnverifiedBlock};
use flowlore_common::ids::{OrgId, Token};
use flowlore_common::label::Purpose;
use flowlore_common::limits::BLOCK_ITEMS_MAX;
use flowlore_veil::label::Label;
use flowlore_veil::note::Note;

use super::Ledger;
use crate::fold::{Ground, Refresh, label_row, note_row, refreshed_token, token_in};
use crate::store::row::{BlockRow, FeedRow, LabelRow, NoteRow};
use crate::store::{Changes, StoreError};

const DAMAGED: StoreError = StoreError::Damaged("a block of a feed");

impl Ledger {
    /// From where the newest roster cuts an org's feeds. Versions never go back within a feed, so
    /// the first block at or after a cut tells whether any is cut off.
    pub(super) fn roster_cuts(&self, org: &OrgId) -> Result<BTreeMap<Feed, u64>, StoreError> {
        let mut cuts = BTreeMap::new();
        let roster = self.roster();
        let Some(member) = roster.member(org) else { return Ok(cuts) };
        for feed in self.feeds_of(org) {
            for cut in &member.cuts {
                let from = match feed.incarnation.cmp(&cut.from.incarnation) {
                    std::cmp::Ordering::Less => continue,
                    std::cmp::Ordering::Equal => cut.from.height,
                    std::cmp::Ordering::Greater => 0,
                };
                let row = self.store.block(&feed, from)?;
                if row.is_some_and(|row| row.roster_version < cut.version) {
                    let lowest = cuts.entry(feed).or_insert(from);
                    *lowest = from.min(*lowest);
                }
            }
        }
        Ok(cuts)
    }

    /// Adds to `changes` what cutting an org's feeds at these heights takes.
    pub(super) fn cut(
        &self,
        org: &OrgId,
        cuts: &BTreeMap<Feed, u64>,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        let mut touched = Touched::default();
        for (feed, height) in cuts {
            let next = self.feeds.get(feed).map_or(0, |row| row.next);
            for height in *height..next {
                let row = self.store.block(feed, height)?.ok_or(DAMAGED)?;
                self.each_said(feed, height, &row, &mut |token, said| touched.add(token, said))?;
                changes.blocks.push((*feed, height, None));
            }
            changes.feeds.push((*feed, self.head_at(feed, *height)?));
        }
        if touched.is_empty() {
            return Ok(());
        }
        for feed in self.feeds_of(org) {
            let next = self.feeds.get(&feed).map_or(0, |row| row.next);
            for height in 0..cuts.get(&feed).copied().unwrap_or(next) {
                let row = self.store.block(&feed, height)?.ok_or(DAMAGED)?;
                let mut see = |token, said: &Said| touched.fold(token, said, &row);
                self.each_said(&feed, height, &row, &mut see)?;
            }
        }
        let Touched { labels, notes } = touched;
        changes.labels.extend(labels.into_iter().map(|(token, row)| (token, *org, row)));
        changes.notes.extend(notes.into_iter().map(|(token, row)| (token, *org, row)));
        Ok(())
    }

    /// Shows every valid label, refresh and note of a block.
    fn each_said(
        &self,
        feed: &Feed,
        height: u64,
        row: &BlockRow,
        see: &mut dyn FnMut(Token, &Said),
    ) -> Result<(), StoreError> {
        let block = UnverifiedBlock::parse(self.read(row.place)?).map_err(|_| DAMAGED)?;
        let header = block.header();
        debug_assert_eq!((header.feed, header.height), (*feed, height));
        let view = self.chain.at(header.roster_version).ok_or(DAMAGED)?;
        let ground = Ground { view, store: self.store.as_ref(), read: &|place| self.read(place) };
        for index in (0..BLOCK_ITEMS_MAX).filter(|index| !row.voids.has(*index)) {
            let Some(item) = block.item(index) else { break };
            if header.kind == PayloadKind::LABELS {
                let purpose = Purpose::from_number(block.purpose()).ok_or(DAMAGED)?;
                let label = Label::parse(item, purpose).map_err(|_| DAMAGED)?;
                let said = Said::Label(label_row(&block, row.place, index, &label));
                see(token_in(item).ok_or(DAMAGED)?, &said);
            } else if header.kind == PayloadKind::REFRESH {
                let refresh = Refresh::parse(item).map_err(|_| DAMAGED)?;
                let token = refreshed_token(ground, header, refresh)?.ok_or(DAMAGED)?;
                see(token, &Said::Refresh);
            } else if header.kind == PayloadKind::NOTES {
                let note = Note::parse(item).map_err(|_| DAMAGED)?;
                see(note.token(), &Said::Note(note_row(&block, row.place, index, &note)));
            }
        }
        Ok(())
    }

    /// A feed's head when `next` blocks of it are left.
    fn head_at(&self, feed: &Feed, next: u64) -> Result<Option<FeedRow>, StoreError> {
        let Some(last) = next.checked_sub(1) else { return Ok(None) };
        let head = self.store.block(feed, last)?.ok_or(DAMAGED)?;
        let (mut in_hour, mut in_day) = (0_u16, 0_u16);
        for height in (0..next).rev() {
            let row = self.store.block(feed, height)?.ok_or(DAMAGED)?;
            if row.sealed.day() != head.sealed.day() {
                break;
            }
            in_day = in_day.saturating_add(1);
            in_hour = in_hour.saturating_add(u16::from(row.sealed == head.sealed));
        }
        Ok(Some(FeedRow {
            next,
            head: head.id,
            sealed: head.sealed,
            roster_version: head.roster_version,
            in_hour,
            in_day,
        }))
    }
}

/// What an item says about a token.
enum Said {
    /// A label.
    Label(LabelRow),
    /// Still in use.
    Refresh,
    /// A note.
    Note(NoteRow),
}

/// What an org said of the tokens that cut blocks named, as far as it still counts.
#[derive(Default)]
struct Touched {
    labels: BTreeMap<Token, Option<LabelRow>>,
    notes: BTreeMap<Token, Option<NoteRow>>,
}

impl Touched {
    fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.notes.is_empty()
    }

    /// Notes that a cut block named it.
    fn add(&mut self, token: Token, said: &Said) {
        match said {
            Said::Label(_) | Said::Refresh => drop(self.labels.insert(token, None)),
            Said::Note(_) => drop(self.notes.insert(token, None)),
        }
    }

    /// Takes what a block that is left says.
    fn fold(&mut self, token: Token, said: &Said, block: &BlockRow) {
        if let Said::Note(row) = said {
            if let Some(note) = self.notes.get_mut(&token) {
                *note = Some(note.map_or(*row, |before| before.merge(*row)));
            }
        } else if let Some(label) = self.labels.get_mut(&token) {
            *label = match (said, *label) {
                (Said::Label(row), None) => Some(*row),
                (Said::Label(row), Some(before)) => Some(before.merge(*row)),
                (_, before) => before.map(|before| before.refreshed(block.sealed)),
            };
        }
    }
}

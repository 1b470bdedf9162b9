//! What the items of a block that entered its feed add to the state. An item that breaks a rule is
//! void: kept in the chain, counted nowhere, and its author is known.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use flowlore_common::block::{Header, PayloadKind, SignedBlock, UnverifiedBlock};
use flowlore_common::canon::{Malformed, Put as _, Reader};
use flowlore_common::ids::Token;
use flowlore_common::label::Purpose;
use flowlore_veil::label::Label;
use flowlore_veil::note::Note;
use flowlore_veil::proof::{Claim, verify_proofs};
use flowlore_veil::token::TokenRecord;
use rand_core::CryptoRngCore;

use crate::admit::block_place;
use crate::roster::View;
use crate::store::row::{LabelPlace, LabelRow, NoteRow, Place, TokenRow, Voids, Weeks, week_of};
use crate::store::{Store, StoreError};

/// Why an item counts for nothing. Its author is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Void {
    /// Not the shape of its kind.
    Malformed,
    /// The payload's purpose is not known here.
    Purpose,
    /// Not above the one before it.
    Order,
    /// Its token's record says nothing.
    Record,
    /// Its token's record is of another purpose than the payload.
    RecordPurpose,
    /// The record's key epoch was not live in the roster that the block names.
    KeyEpoch,
    /// Its proof does not hold.
    Proof,
    /// It refreshes something that is not a valid label of its own feed before it.
    Refresh,
}

impl Void {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Purpose,
        Self::Order,
        Self::Record,
        Self::RecordPurpose,
        Self::KeyEpoch,
        Self::Proof,
        Self::Refresh,
    ];

    /// The name in metrics and logs: never changed.
    #[must_use]
    pub const fn metric(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Purpose => "purpose",
            Self::Order => "order",
            Self::Record => "record",
            Self::RecordPurpose => "record_purpose",
            Self::KeyEpoch => "key_epoch",
            Self::Proof => "proof",
            Self::Refresh => "refresh",
        }
    }
}

/// "Still in use": a label of the same feed, named by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refresh {
    /// The incarnation: the block's own.
    pub incarnation: u32,
    /// The label's block: an earlier one.
    pub height: u64,
    /// Which item of it.
    pub index: u16,
}

impl Refresh {
    /// Bytes of a refresh item.
    pub const BYTES: usize = 14;

    /// incarnation || height || index.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.put_u32(self.incarnation);
        bytes.put_u64(self.height);
        bytes.put_u16(self.index);
        bytes
    }

    /// Reads an item.
    ///
    /// # Errors
    /// Not 14 bytes.
    pub fn parse(item: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(item);
        let (incarnation, height) = (reader.u32()?, reader.u64()?);
        let refresh = Self { incarnation, height, index: reader.u16()? };
        reader.finish()?;
        Ok(refresh)
    }
}

/// What a block adds.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    pub(crate) voids: Voids,
    pub(crate) reasons: BTreeMap<Void, u16>,
    pub(crate) tokens: Vec<(Token, TokenRow)>,
    /// Merged with what was there, ascending by token.
    pub(crate) labels: BTreeMap<Token, LabelRow>,
    /// Likewise.
    pub(crate) notes: BTreeMap<Token, NoteRow>,
}

impl Folded {
    fn void(&mut self, index: usize, reason: Void) {
        self.voids.set(index);
        *self.reasons.entry(reason).or_default() += 1;
    }
}

/// A token record that comes with a block.
#[derive(Clone, Debug)]
pub(crate) struct NewRecord {
    pub(crate) token: Token,
    pub(crate) record: Vec<u8>,
    /// Where it lies in the log.
    pub(crate) place: Place,
}

/// What a fold reads.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) view: View<'a>,
    pub(crate) store: &'a dyn Store,
    /// Reads an item of the log.
    pub(crate) read: &'a dyn Fn(Place) -> Result<Vec<u8>, StoreError>,
}

/// The tokens that a labels block names, as far as its items have one, each once.
pub(crate) fn tokens_of(block: &SignedBlock) -> Vec<Token> {
    let mut tokens: Vec<_> = block.items().filter_map(token_in).collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// The token of a label item, without looking at the rest.
pub(crate) fn token_in(item: &[u8]) -> Option<Token> {
    item.first_chunk::<32>().map(|token| Token(*token))
}

/// Folds a block that lies at `place` in the log.
pub(crate) fn fold(
    ground: Ground<'_>,
    block: &SignedBlock,
    records: Vec<NewRecord>,
    place: Place,
    rng: &mut dyn CryptoRngCore,
) -> Result<Folded, StoreError> {
    match block.header().kind {
        PayloadKind::LABELS => fold_labels(ground, block, records, place, rng),
        PayloadKind::REFRESH => fold_refreshes(ground, block),
        PayloadKind::NOTES => fold_notes(ground, block, place),
        _ => Ok(Folded::default()),
    }
}

fn fold_labels(
    ground: Ground<'_>,
    block: &SignedBlock,
    new_records: Vec<NewRecord>,
    place: Place,
    mut rng: &mut dyn CryptoRngCore,
) -> Result<Folded, StoreError> {
    let mut folded = Folded::default();
    let mut records = BTreeMap::new();
    for NewRecord { token, record, place } in new_records {
        let parsed = parse_record(&record, &token);
        folded.tokens.push((token, TokenRow { void: parsed.is_none(), record: place }));
        records.insert(token, parsed);
    }
    let mut candidates = Vec::with_capacity(block.items().len());
    let mut before = None;
    for (index, item) in block.items().enumerate() {
        match candidate(ground, block, item, &mut before, &mut records) {
            Ok(label) => candidates.push((index, label)),
            Err(Rejected::Void(reason)) => folded.void(index, reason),
            Err(Rejected::Store(error)) => return Err(error),
        }
    }
    let member = ground.view.member(&block.header().feed.org);
    let Some(member) = member else { return Err(StoreError::Damaged("a block's org")) };
    let claims: Vec<_> = candidates
        .iter()
        .filter_map(|(_, label)| {
            let record = records.get(&label.token())?.as_ref()?;
            let share_group = member.registration.share_group;
            Some(Claim { record, proof: label.proof(), org: member.org, share_group })
        })
        .collect();
    let proved = verify_proofs(&claims, &mut rng);
    for ((index, label), holds) in candidates.iter().zip(proved) {
        if holds {
            let row = label_row(block, place, *index, label);
            let token = label.token();
            let ours = ground.store.label(&token, &member.org)?;
            folded.labels.insert(token, ours.map_or(row, |ours| ours.merge(row)));
        } else {
            folded.void(*index, Void::Proof);
        }
    }
    Ok(folded)
}

enum Rejected {
    Void(Void),
    Store(StoreError),
}

/// A label whose proof alone is still to be checked.
fn candidate(
    ground: Ground<'_>,
    block: &SignedBlock,
    item: &[u8],
    before: &mut Option<Token>,
    records: &mut BTreeMap<Token, Option<TokenRecord>>,
) -> Result<Label, Rejected> {
    let token = token_in(item).ok_or(Rejected::Void(Void::Malformed))?;
    let is_above = before.replace(token).is_none_or(|before| token > before);
    let purpose = Purpose::from_number(block.purpose()).ok_or(Rejected::Void(Void::Purpose))?;
    let label = Label::parse(item, purpose).map_err(|_| Rejected::Void(Void::Malformed))?;
    if !is_above {
        return Err(Rejected::Void(Void::Order));
    }
    let record = match records.entry(token) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unread) => {
            let row = ground.store.token(&token).map_err(Rejected::Store)?;
            let row = row.ok_or(Rejected::Store(StoreError::Damaged("a token's record")))?;
            unread.insert(if row.void {
                None
            } else {
                let record = (ground.read)(row.record).map_err(Rejected::Store)?;
                parse_record(&record, &token)
            })
        }
    };
    let record = record.as_ref().ok_or(Rejected::Void(Void::Record))?;
    if record.purpose() != purpose {
        return Err(Rejected::Void(Void::RecordPurpose));
    }
    if ground.view.key_epoch(record.key_epoch()).is_none() {
        return Err(Rejected::Void(Void::KeyEpoch));
    }
    Ok(label)
}

/// `None`: void, or not this token's, which admission has ruled out.
fn parse_record(record: &[u8], token: &Token) -> Option<TokenRecord> {
    TokenRecord::parse(record, token).ok()
}

/// Where an item of a block that lies at `place` stands in its feed, and in the log.
fn item_at(block: &UnverifiedBlock, place: Place, index: usize) -> (LabelPlace, Place) {
    let (offset, length) = block.places()[index];
    let index = u16::try_from(index).unwrap_or(u16::MAX);
    let at = LabelPlace { block: block_place(block.header()), index };
    (at, place.part(offset, u32::from(length)))
}

/// The row of a valid label of a block that lies at `place`.
pub(crate) fn label_row(
    block: &UnverifiedBlock,
    place: Place,
    index: usize,
    label: &Label,
) -> LabelRow {
    let header = block.header();
    let (at, item) = item_at(block, place, index);
    LabelRow {
        at,
        retracted: label.is_retracted(),
        sealed: header.sealed,
        roster_version: header.roster_version,
        latest: header.sealed,
        weeks: Weeks::only(week_of(header.sealed.day())),
        item,
    }
}

/// The row of a note of a block that lies at `place`.
pub(crate) fn note_row(
    block: &UnverifiedBlock,
    place: Place,
    index: usize,
    note: &Note,
) -> NoteRow {
    let (at, item) = item_at(block, place, index);
    NoteRow { at, withdrawn: note.is_withdrawn(), item }
}

/// A note is read only beside its org's live label of the same token, which proves that the org knows the name:
/// nothing else of it is checked here, so that no order of arrival can matter.
fn fold_notes(ground: Ground<'_>, block: &SignedBlock, place: Place) -> Result<Folded, StoreError> {
    let mut folded = Folded::default();
    let mut before = None;
    for (index, item) in block.items().enumerate() {
        let Ok(note) = Note::parse(item) else {
            folded.void(index, Void::Malformed);
            continue;
        };
        let token = note.token();
        if before.replace(token).is_some_and(|before| token <= before) {
            folded.void(index, Void::Order);
            continue;
        }
        let row = note_row(block, place, index, &note);
        let ours = ground.store.note(&token, &block.header().feed.org)?;
        folded.notes.insert(token, ours.map_or(row, |ours| ours.merge(row)));
    }
    Ok(folded)
}

fn fold_refreshes(ground: Ground<'_>, block: &SignedBlock) -> Result<Folded, StoreError> {
    let mut folded = Folded::default();
    let mut before = None;
    let header = block.header();
    for (index, item) in block.items().enumerate() {
        let Ok(refresh) = Refresh::parse(item) else {
            folded.void(index, Void::Malformed);
            continue;
        };
        if before.replace(refresh).is_some_and(|before| refresh <= before) {
            folded.void(index, Void::Order);
            continue;
        }
        let Some(token) = refreshed_token(ground, header, refresh)? else {
            folded.void(index, Void::Refresh);
            continue;
        };
        let row = match folded.labels.get(&token) {
            Some(row) => Some(*row),
            None => ground.store.label(&token, &header.feed.org)?,
        };
        let row = row.ok_or(StoreError::Damaged("a refreshed label"))?;
        folded.labels.insert(token, row.refreshed(header.sealed));
    }
    Ok(folded)
}

/// The token of the label that a refresh names; `None` when it names no valid label before it.
pub(crate) fn refreshed_token(
    ground: Ground<'_>,
    header: &Header,
    refresh: Refresh,
) -> Result<Option<Token>, StoreError> {
    if refresh.incarnation != header.feed.incarnation || refresh.height >= header.height {
        return Ok(None);
    }
    let row = ground.store.block(&header.feed, refresh.height)?;
    let row = row.ok_or(StoreError::Damaged("an earlier block of a feed"))?;
    if row.voids.has(usize::from(refresh.index)) {
        return Ok(None);
    }
    let bytes = (ground.read)(row.place)?;
    let named = UnverifiedBlock::parse(bytes)
        .map_err(|_| StoreError::Damaged("an earlier block of a feed"))?;
    if named.header().kind != PayloadKind::LABELS {
        return Ok(None);
    }
    Ok(named.item(usize::from(refresh.index)).and_then(token_in))
}

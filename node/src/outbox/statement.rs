//! A statement: what this org says of one input under one purpose, how two are made one, and its bytes on disk.

use std::collections::BTreeMap;

use anyhow::Result;
use flowlore_common::canon::{Put as _, Reader};
use flowlore_common::destination::Input;
use flowlore_common::ids::{BlockId, Token};
use flowlore_common::label::Purpose;
use flowlore_common::suffixes::Suffixes;
use flowlore_common::time::{Day, Hour};
use flowlore_veil::body::{Body, Contributor, Entry};
use flowlore_veil::note::NoteText;

/// Where a statement is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// To be sealed from this hour on.
    Due(Hour),
    /// In the own feed.
    Sealed(Sealed),
    /// It never leaves.
    Local,
}

/// Where a statement went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Under this key epoch.
    pub key_epoch: u32,
    /// As this token.
    pub token: Token,
    /// In this block; zeros for a withdrawal of what never left, which is in none.
    pub block: BlockId,
}

/// All that this org says about one input under one purpose.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it is about. Debug prints its kind only.
    pub input: Input,
    /// Under which purpose.
    pub purpose: Purpose,
    /// What is said; empty: withdrawn.
    pub entries: Vec<Entry>,
    /// What a person wrote beside it.
    pub note: Option<NoteText>,
    /// The person behind it.
    pub contributor: Option<Contributor>,
    /// When a person put it, seconds since 1970; 0 for the analyzer.
    pub put_s: i64,
    /// Where it is.
    pub progress: Progress,
}

/// One statement each: whether it stays here, purpose and input bytes.
pub type Key = (bool, Purpose, Box<[u8]>);

impl Statement {
    /// What it is known by: who says something about the same again replaces it.
    #[must_use]
    pub fn key(&self) -> Key {
        key(self.progress == Progress::Local, self.purpose, &self.input)
    }

    /// The body as it is sealed.
    #[must_use]
    pub fn body(&self) -> Body {
        Body::new(None, self.contributor, self.entries.clone())
    }

    /// Whether it has been withdrawn.
    #[must_use]
    pub fn is_retracted(&self) -> bool {
        self.entries.is_empty()
    }

    /// What withdraws it.
    #[must_use]
    pub fn retraction(&self, now: Hour) -> Self {
        let progress = match self.progress {
            Progress::Local => Progress::Local,
            Progress::Due(_) | Progress::Sealed(_) => Progress::Due(now),
        };
        Self { entries: vec![], note: None, progress, ..self.clone() }
    }

    /// Whether it waits to be sealed.
    #[must_use]
    pub const fn waits(&self) -> bool {
        matches!(self.progress, Progress::Due(_))
    }

    /// Whether it may be sealed by now.
    #[must_use]
    pub fn is_due(&self, now: Hour) -> bool {
        matches!(self.progress, Progress::Due(due) if due <= now)
    }

    /// Whether both say the same.
    #[must_use]
    pub fn says_as(&self, other: &Self) -> bool {
        self.entries == other.entries && self.note == other.note
    }

    /// The last day that it speaks of.
    #[must_use]
    pub fn last_day(&self) -> Day {
        self.entries.iter().map(|entry| entry.last_day).max().unwrap_or_default()
    }
}

/// See [`Statement::key`].
#[must_use]
pub(super) fn key(stays_here: bool, purpose: Purpose, input: &Input) -> Key {
    (stays_here, purpose, input.bytes().into())
}

/// Appends its bytes.
pub(super) fn encode(bytes: &mut Vec<u8>, statement: &Statement) -> Result<()> {
    bytes.put_u8(statement.purpose.number());
    let (state, number) = match statement.progress {
        Progress::Due(hour) => (0, hour.0),
        Progress::Sealed(sealed) => (1, sealed.key_epoch),
        Progress::Local => (2, 0),
    };
    bytes.put_u8(state);
    bytes.put_u32(number);
    if let Progress::Sealed(sealed) = statement.progress {
        bytes.put(&sealed.token.0);
        bytes.put(&sealed.block.0);
    }
    bytes.put_u64(u64::try_from(statement.put_s).unwrap_or(0));
    put_long(bytes, statement.input.bytes())?;
    put_long(bytes, &statement.body().encode()?)?;
    match &statement.note {
        Some(note) => put_long(bytes, &note.encode()?),
        None => put_long(bytes, &[]),
    }
}

fn put_long(bytes: &mut Vec<u8>, part: &[u8]) -> Result<()> {
    bytes.put_u16(u16::try_from(part.len())?);
    bytes.put(part);
    Ok(())
}

/// Reads one.
pub(super) fn decode(reader: &mut Reader<'_>, suffixes: &Suffixes) -> Result<Statement> {
    let purpose = Purpose::from_number(reader.u8()?);
    let purpose = purpose.ok_or_else(|| reader.error("unknown purpose"))?;
    let (state, number) = (reader.u8()?, reader.u32()?);
    let progress = match state {
        0 => Progress::Due(Hour(number)),
        1 => {
            let (token, block) = (Token(reader.array()?), BlockId(reader.array()?));
            Progress::Sealed(Sealed { key_epoch: number, token, block })
        }
        2 => Progress::Local,
        _ => return Err(reader.error("unknown progress").into()),
    };
    let put_s = i64::try_from(reader.u64()?)?;
    let input = Input::parse(take_long(reader)?, suffixes)?;
    let Body { contributor, entries, .. } = Body::decode(take_long(reader)?)?;
    let note = take_long(reader)?;
    let note = (!note.is_empty()).then(|| NoteText::decode(note));
    let note = note.map(|note| note.ok_or_else(|| reader.error("no note"))).transpose()?;
    Ok(Statement { input, purpose, entries, note, contributor, put_s, progress })
}

fn take_long<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    let length = usize::from(reader.u16()?);
    Ok(reader.take(length)?)
}

/// What of two entries must agree for them to be one: all but days, counts and confidence.
fn sameness(entry: &Entry) -> impl Ord + use<> {
    let what = (entry.kind, entry.direction, entry.transport, entry.port, entry.code);
    (what, entry.verdict, entry.source, entry.outcome, entry.reason, entry.detector)
}

/// Whether both speak of the same things, whatever the days and counts.
pub(super) fn same_kinds(one: &[Entry], other: &[Entry]) -> bool {
    one.iter().map(sameness).eq(other.iter().map(sameness))
}

/// The union, equal entries widened; the same in any order, so that reading the logs again says nothing new.
pub(super) fn merge(known: &[Entry], new: &[Entry]) -> Vec<Entry> {
    let mut merged: BTreeMap<_, Entry> = BTreeMap::new();
    for entry in known.iter().chain(new) {
        merged
            .entry(sameness(entry))
            .and_modify(|kept| {
                kept.first_day = kept.first_day.min(entry.first_day);
                kept.last_day = kept.last_day.max(entry.last_day);
                kept.flows_log2 = kept.flows_log2.max(entry.flows_log2);
                kept.hosts_log2 = kept.hosts_log2.max(entry.hosts_log2);
                kept.confidence = kept.confidence.max(entry.confidence);
            })
            .or_insert_with(|| entry.clone());
    }
    Body::new(None, None, merged.into_values().collect()).entries
}

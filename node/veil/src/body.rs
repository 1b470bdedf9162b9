//! What a label says, in bytes.
//!
//! ```text
//! body  = version u8 = 1 || count u8 || reserved u16 || prior_T 32 || contributor 16
//!         || entries || zeros                                              128, 256 or 512 B
//! entry = kind u8 || direction u8 || transport u8 || reserved u8 || port u16 || code u16
//!         || verdict u8 || confidence u8 || first_day u16 || last_day u16
//!         || flows_log2 u8 || hosts_log2 u8 || source u8 || outcome u8 || reason u8
//!         || minutes_log2 u8 || source_id u32 || detector u16 || reserved u16            28 B
//! ```

use flowlore_common::canon::{Put as _, Reader};
use flowlore_common::ids::Token;
use flowlore_common::label::{Direction, EntryKind, Outcome, Source, Verdict};
use flowlore_common::time::Day;
use zeroize::Zeroizing;

use crate::limits::{BODY_BYTES, ENTRIES_MAX};

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 1 + 2 + 32 + 16;
const ENTRY_BYTES: usize = 28;

const _: () = assert!(HEAD_BYTES + ENTRIES_MAX * ENTRY_BYTES <= BODY_BYTES[2]);
const _: () = assert!(HEAD_BYTES + (ENTRIES_MAX + 1) * ENTRY_BYTES > BODY_BYTES[2]);

/// Direction on the wire. Not the numbers of the vocabulary, which are those of OCSF.
const OUTBOUND: u8 = 1;
const INBOUND: u8 = 2;

/// Pseudonym of the person whose label it is; means something to their own org only.
pub type Contributor = [u8; 16];

/// One statement about a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What kind of statement.
    pub kind: EntryKind,
    /// Seen from the org; outbound or inbound.
    pub direction: Direction,
    /// IP protocol number.
    pub transport: u8,
    /// The destination's port; 0: the host as such.
    pub port: u16,
    /// Number of a flow category (1 to 29) or behaviour (from 0x0101); a number that this version
    /// does not know is kept.
    pub code: u16,
    /// What the org thinks of it.
    pub verdict: Verdict,
    /// 0 to 100.
    pub confidence: u8,
    /// First day of what it is about.
    pub first_day: Day,
    /// Last day of what it is about; not before the first.
    pub last_day: Day,
    /// How many flows, see [`count_log2`].
    pub flows_log2: u8,
    /// How many inside hosts, see [`count_log2`].
    pub hosts_log2: u8,
    /// Who says it.
    pub source: Source,
    /// How an incident about it was closed.
    pub outcome: Outcome,
    /// Why, as a number of the list of reasons; 0: none given.
    pub reason: u8,
    /// How long it took to close, see [`minutes_log2`].
    pub minutes_log2: u8,
    /// Which import it was taken from; 0: none.
    pub source_id: u32,
    /// Which detector, by its number; 0: a person.
    pub detector: u16,
}

/// A count as it is published: the bucket 1..3, 4..7, 8..15 and so on, as its `floor(log2)`; 0: not
/// known.
#[must_use]
pub fn count_log2(count: u64) -> u8 {
    count.checked_ilog2().map_or(0, |log| u8::try_from(log.max(1)).unwrap_or(u8::MAX))
}

/// Minutes as they are published: `floor(log2) + 1`; 0: none.
#[must_use]
pub fn minutes_log2(minutes: u64) -> u8 {
    minutes.checked_ilog2().map_or(0, |log| u8::try_from(log + 1).unwrap_or(u8::MAX))
}

/// All that one org says about one name under one purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The same org's label under the previous key epoch.
    pub prior: Option<Token>,
    /// The person behind it, if it is a person's.
    pub contributor: Option<Contributor>,
    /// At most [`ENTRIES_MAX`], gravest first, then latest.
    pub entries: Vec<Entry>,
}

/// Bytes that are no body, or a body that has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not 128, 256 or 512 bytes, or larger than its entries need.
    #[error("a body of {0} bytes: 128, 256 and 512 are possible, the least that holds its entries")]
    Size(usize),
    /// Made by a version that this one does not know.
    #[error("body version {0} is not known")]
    Version(u8),
    /// More entries than a body holds.
    #[error("{0} entries: a body holds at most 16")]
    Count(usize),
    /// Bytes that must be zero are not.
    #[error("reserved bytes or padding that are not zero")]
    Reserved,
    /// A field of an entry with a value that it cannot have.
    #[error("entry {index}: {field} has no such value")]
    Field {
        /// Which entry.
        index: usize,
        /// Which field.
        field: &'static str,
    },
}

impl Body {
    /// Orders the entries, gravest verdict first, then latest day, then by all that follows, and
    /// keeps the first [`ENTRIES_MAX`]: the same entries in any order give the same body.
    #[must_use]
    pub fn new(
        prior: Option<Token>,
        contributor: Option<Contributor>,
        mut entries: Vec<Entry>,
    ) -> Self {
        entries.sort_by_cached_key(|entry| {
            let mut bytes = Vec::with_capacity(ENTRY_BYTES);
            entry.encode(&mut bytes);
            (std::cmp::Reverse((entry.verdict, entry.last_day)), bytes)
        });
        entries.truncate(ENTRIES_MAX);
        Self { prior, contributor, entries }
    }

    /// Its bytes, padded to the least size that holds them.
    ///
    /// # Errors
    /// [`BodyError::Count`] for too many entries, [`BodyError::Field`] for a value that a reader
    /// would refuse.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, BodyError> {
        let size = size_for(self.entries.len()).ok_or(BodyError::Count(self.entries.len()))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        bytes.put_u8(VERSION);
        bytes.put_u8(u8::try_from(self.entries.len()).expect("at most 16"));
        bytes.put_u16(0);
        bytes.put(&self.prior.unwrap_or_default().0);
        bytes.put(&self.contributor.unwrap_or_default());
        for (index, entry) in self.entries.iter().enumerate() {
            entry.check().map_err(|field| BodyError::Field { index, field })?;
            entry.encode(&mut bytes);
        }
        bytes.resize(size, 0);
        Ok(bytes)
    }

    /// Reads a body. Accepts exactly what [`Self::encode`] writes, and codes of later versions.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let cut_off = |_| BodyError::Size(bytes.len());
        let mut reader = Reader::new(bytes);
        let version = reader.u8().map_err(cut_off)?;
        if version != VERSION {
            return Err(BodyError::Version(version));
        }
        let count = usize::from(reader.u8().map_err(cut_off)?);
        let size = size_for(count).ok_or(BodyError::Count(count))?;
        if bytes.len() != size {
            return Err(BodyError::Size(bytes.len()));
        }
        if reader.u16().map_err(cut_off)? != 0 {
            return Err(BodyError::Reserved);
        }
        let prior = Some(Token(reader.array().map_err(cut_off)?));
        let contributor = Some(reader.array().map_err(cut_off)?);
        let mut entries = Vec::with_capacity(count);
        for index in 0..count {
            let bytes = reader.take(ENTRY_BYTES).map_err(cut_off)?;
            entries.push(Entry::decode(bytes).map_err(|field| BodyError::Field { index, field })?);
        }
        if bytes[reader.position()..].iter().any(|byte| *byte != 0) {
            return Err(BodyError::Reserved);
        }
        Ok(Self {
            prior: prior.filter(|token| *token != Token::default()),
            contributor: contributor.filter(|pseudonym| *pseudonym != Contributor::default()),
            entries,
        })
    }
}

/// The least size that holds so many entries.
fn size_for(entries: usize) -> Option<usize> {
    let needed = HEAD_BYTES + entries * ENTRY_BYTES;
    BODY_BYTES.into_iter().find(|size| needed <= *size)
}

impl Entry {
    /// The field that a reader would refuse, if there is one.
    fn check(&self) -> Result<(), &'static str> {
        if !matches!(self.direction, Direction::Outbound | Direction::Inbound) {
            return Err("direction");
        }
        if self.confidence > 100 {
            return Err("confidence");
        }
        if self.first_day > self.last_day {
            return Err("last_day");
        }
        Ok(())
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_u8(self.kind.number());
        bytes.put_u8(if self.direction == Direction::Outbound { OUTBOUND } else { INBOUND });
        bytes.put_u8(self.transport);
        bytes.put_u8(0);
        bytes.put_u16(self.port);
        bytes.put_u16(self.code);
        bytes.put_u8(self.verdict.number());
        bytes.put_u8(self.confidence);
        bytes.put_u16(self.first_day.0);
        bytes.put_u16(self.last_day.0);
        bytes.put_u8(self.flows_log2);
        bytes.put_u8(self.hosts_log2);
        bytes.put_u8(self.source.number());
        bytes.put_u8(self.outcome.number());
        bytes.put_u8(self.reason);
        bytes.put_u8(self.minutes_log2);
        bytes.put_u32(self.source_id);
        bytes.put_u16(self.detector);
        bytes.put_u16(0);
    }

    fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader::new(bytes);
        let cut_off = |_| "length";
        let kind = reader.u8().map_err(cut_off)?;
        let direction = reader.u8().map_err(cut_off)?;
        let transport = reader.u8().map_err(cut_off)?;
        let reserved = reader.u8().map_err(cut_off)?;
        let port = reader.u16().map_err(cut_off)?;
        let code = reader.u16().map_err(cut_off)?;
        let verdict = reader.u8().map_err(cut_off)?;
        let confidence = reader.u8().map_err(cut_off)?;
        let first_day = Day(reader.u16().map_err(cut_off)?);
        let last_day = Day(reader.u16().map_err(cut_off)?);
        let flows_log2 = reader.u8().map_err(cut_off)?;
        let hosts_log2 = reader.u8().map_err(cut_off)?;
        let source = reader.u8().map_err(cut_off)?;
        let outcome = reader.u8().map_err(cut_off)?;
        let entry = Self {
            kind: EntryKind::from_number(kind).ok_or("kind")?,
            direction: match direction {
                OUTBOUND => Direction::Outbound,
                INBOUND => Direction::Inbound,
                _ => return Err("direction"),
            },
            transport,
            port,
            code,
            verdict: Verdict::from_number(verdict).ok_or("verdict")?,
            confidence,
            first_day,
            last_day,
            flows_log2,
            hosts_log2,
            source: Source::from_number(source).ok_or("source")?,
            outcome: Outcome::from_number(outcome).ok_or("outcome")?,
            reason: reader.u8().map_err(cut_off)?,
            minutes_log2: reader.u8().map_err(cut_off)?,
            source_id: reader.u32().map_err(cut_off)?,
            detector: reader.u16().map_err(cut_off)?,
        };
        let reserved = u16::from(reserved) | reader.u16().map_err(cut_off)?;
        if reserved != 0 {
            return Err("reserved");
        }
        entry.check()?;
        Ok(entry)
    }
}

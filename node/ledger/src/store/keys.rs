//! Every key and value byte of the state. One tree; the first byte of a key is its table.
//!
//! | key | value |
//! |---|---|
//! | `m` | schema version u16, log end: segment u32, offset u64 |
//! | `r` version u32 | roster document |
//! | `c` version u32, roster hash 32 | one of several documents that governors signed of a version |
//! | `f` org 32, incarnation u32 | feed head |
//! | `x` org 32, incarnation u32 | fork proof |
//! | `b` org 32, incarnation u32, height u64 | block |
//! | `k` token 32 `t` | void u8, where the record lies |
//! | `k` token 32 `l` org 32 | label |
//! | `k` token 32 `n` org 32 | note |
//!
//! All of one token stands together: tokens are spread evenly, and a new one costs one page of the tree.

use flowlore_common::block::Feed;
use flowlore_common::canon::{Malformed, Put as _, Reader};
use flowlore_common::ids::{BlockId, OrgId, Token};
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::time::Hour;

use super::row::{
    BlockRow, FeedRow, LabelPlace, LabelRow, LogEnd, NoteRow, Place, TokenRow, Voids, Weeks,
};

/// Version of this layout. Another one is rebuilt from the log.
pub const SCHEMA: u16 = 4;

/// The key of how far the log is in the state.
pub const META: &[u8] = b"m";

/// A table's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Table {
    /// Blocks.
    Block = b'b',
    /// Feed heads.
    Feed = b'f',
    /// Tokens: their records, labels and notes.
    Token = b'k',
    /// Roster documents of contested versions.
    Rival = b'c',
    /// Roster documents.
    Roster = b'r',
    /// Fork proofs.
    Fork = b'x',
}

/// What a row of [`Table::Token`] holds: the byte after the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Of {
    /// An org's label.
    Label = b'l',
    /// An org's note.
    Note = b'n',
    /// The record.
    Record = b't',
}

/// The key of a token's row; of all rows of a kind without an org.
#[must_use]
pub fn token_key(token: &Token, of: Of, org: Option<&OrgId>) -> Vec<u8> {
    let org: &[u8] = org.map_or(&[], |org| &org.0);
    key(Table::Token, &[&token.0, &[of as u8], org])
}

/// A key: the table, then parts.
#[must_use]
pub fn key(table: Table, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![table as u8];
    for part in parts {
        bytes.put(part);
    }
    bytes
}

/// The key of a feed in a table.
#[must_use]
pub fn feed_key(table: Table, feed: &Feed) -> Vec<u8> {
    key(table, &[&feed.org.0, &feed.incarnation.to_be_bytes()])
}

/// The key of a block.
#[must_use]
pub fn block_key(feed: &Feed, height: u64) -> Vec<u8> {
    let parts: [&[u8]; 3] = [&feed.org.0, &feed.incarnation.to_be_bytes(), &height.to_be_bytes()];
    key(Table::Block, &parts)
}

/// Reads a feed after the table's byte.
///
/// # Errors
/// Cut off.
pub fn parse_feed(reader: &mut Reader<'_>) -> Result<Feed, Malformed> {
    Ok(Feed { org: OrgId(reader.array()?), incarnation: reader.u32()? })
}

/// A value of the state.
pub trait Row: Sized {
    /// Appends its bytes.
    fn encode(&self, bytes: &mut Vec<u8>);
    /// Reads them.
    ///
    /// # Errors
    /// Malformed.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed>;

    /// Its bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        bytes
    }

    /// Reads exactly these bytes.
    ///
    /// # Errors
    /// Malformed, or bytes left over.
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let row = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(row)
    }
}

impl Row for LogEnd {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_u16(SCHEMA);
        bytes.put_u32(self.segment);
        bytes.put_u64(self.offset);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.u16()? != SCHEMA {
            return Err(reader.error("another schema"));
        }
        Ok(Self { segment: reader.u32()?, offset: reader.u64()? })
    }
}

impl Row for Place {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_u32(self.segment);
        bytes.put_u32(self.offset);
        bytes.put_u32(self.length);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { segment: reader.u32()?, offset: reader.u32()?, length: reader.u32()? })
    }
}

impl Row for FeedRow {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_u64(self.next);
        bytes.put(&self.head.0);
        bytes.put_u32(self.sealed.0);
        bytes.put_u32(self.roster_version);
        bytes.put_u16(self.in_hour);
        bytes.put_u16(self.in_day);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            next: reader.u64()?,
            head: BlockId(reader.array()?),
            sealed: Hour(reader.u32()?),
            roster_version: reader.u32()?,
            in_hour: reader.u16()?,
            in_day: reader.u16()?,
        })
    }
}

impl Row for BlockRow {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put(&self.id.0);
        bytes.put_u32(self.sealed.0);
        bytes.put_u32(self.roster_version);
        bytes.put(&self.voids.0);
        self.place.encode(bytes);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            id: BlockId(reader.array()?),
            sealed: Hour(reader.u32()?),
            roster_version: reader.u32()?,
            voids: Voids(reader.array()?),
            place: Place::decode(reader)?,
        })
    }
}

impl Row for TokenRow {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_u8(u8::from(self.void));
        self.record.encode(bytes);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { void: reader.bool()?, record: Place::decode(reader)? })
    }
}

impl Row for LabelRow {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.encode_meaning(bytes);
        self.item.encode(bytes);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let block = FeedPlace::parse(reader)?;
        Ok(Self {
            at: LabelPlace { block, index: reader.u16()? },
            retracted: reader.bool()?,
            sealed: Hour(reader.u32()?),
            roster_version: reader.u32()?,
            latest: Hour(reader.u32()?),
            weeks: Weeks { newest: reader.u16()?, bits: reader.u64()? },
            item: Place::decode(reader)?,
        })
    }
}

impl Row for NoteRow {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.encode_meaning(bytes);
        self.item.encode(bytes);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let block = FeedPlace::parse(reader)?;
        Ok(Self {
            at: LabelPlace { block, index: reader.u16()? },
            withdrawn: reader.bool()?,
            item: Place::decode(reader)?,
        })
    }
}

impl NoteRow {
    /// The bytes that are the same at every member.
    pub fn encode_meaning(&self, bytes: &mut Vec<u8>) {
        self.at.block.encode(bytes);
        bytes.put_u16(self.at.index);
        bytes.put_u8(u8::from(self.withdrawn));
    }
}

impl LabelRow {
    /// The bytes that are the same at every member: all but where the item lies in our log.
    pub fn encode_meaning(&self, bytes: &mut Vec<u8>) {
        self.at.block.encode(bytes);
        bytes.put_u16(self.at.index);
        bytes.put_u8(u8::from(self.retracted));
        bytes.put_u32(self.sealed.0);
        bytes.put_u32(self.roster_version);
        bytes.put_u32(self.latest.0);
        bytes.put_u16(self.weeks.newest);
        bytes.put_u64(self.weeks.bits);
    }
}

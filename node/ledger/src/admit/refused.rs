//! Why a block does not enter its feed: each reason with its name in metrics, its status and who is
//! to blame.

use flowlore_common::block::BlockError;
use flowlore_common::canon::Malformed;
use flowlore_common::ids::{FederationId, RosterHash, Token};

use crate::store::StoreError;

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

/// What a refusal is to a caller: the names of gRPC's status codes, whose numbers these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Wrong whatever else is here.
    InvalidArgument = 3,
    /// There is another one in its place.
    AlreadyExists = 6,
    /// Its author may not publish here.
    PermissionDenied = 7,
    /// A quota or a bound of ours.
    ResourceExhausted = 8,
    /// Something else comes first.
    FailedPrecondition = 9,
    /// Its time has not come.
    OutOfRange = 11,
    /// Our own fault.
    Internal = 13,
    /// It is not from whom it says it is.
    Unauthenticated = 16,
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
    /// It names a roster version of which governors signed several documents. Held until they agree.
    #[error("governors signed several rosters of version {0}: held until they agree on one")]
    RosterContested(u32),
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
            Self::RosterContested(_) => "roster_contested",
            Self::RosterHash(_) => "roster_hash",
            Self::RosterBack => "roster_back",
            Self::Cut => "cut",
            Self::Fork(_) => "fork",
            Self::Gap { .. } => "gap",
            Self::Prev => "prev",
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

    /// What a caller is told, by gRPC's canonical codes.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) | Self::Reserved | Self::Sizes | Self::Root => Code::InvalidArgument,
            Self::Federation(_) | Self::RosterHash(_) | Self::RosterBack => Code::InvalidArgument,
            Self::Prev | Self::Height | Self::Incarnation(_) => Code::InvalidArgument,
            Self::HourBack | Self::RecordUnasked => Code::InvalidArgument,
            Self::Signature => Code::Unauthenticated,
            Self::UnknownOrg => Code::PermissionDenied,
            Self::Fork(_) => Code::AlreadyExists,
            Self::RosterUnknown { .. } | Self::RosterContested(_) => Code::FailedPrecondition,
            Self::Cut | Self::Gap { .. } | Self::RecordsMissing(_) => Code::FailedPrecondition,
            Self::FromFuture(_) => Code::OutOfRange,
            Self::Quota | Self::HeldFull => Code::ResourceExhausted,
            Self::Storage(_) => Code::Internal,
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
            Self::FromFuture(_) | Self::RecordsMissing(_) => Fault::Nobody,
            Self::RosterContested(_) => Fault::Nobody,
            Self::HeldFull | Self::Storage(_) => Fault::Us,
        }
    }

    /// Whether the block is kept until what it waits for is here.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(
            self,
            Self::RosterUnknown { .. }
                | Self::RosterContested(_)
                | Self::Gap { .. }
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

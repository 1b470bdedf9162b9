//! What members' nodes say to each other. The bytes of blocks, records and documents are opaque to
//! the transport, which gives each of these a message of its own.

use flowlore_common::ids::{FederationId, Token};

use crate::ledger::{Head, Want};
use crate::store::row::ForkProof;

/// One message. Each stays below 1 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// First, from both sides.
    Hello {
        /// The lowest protocol version spoken.
        protocol_min: u16,
        /// The highest.
        protocol_max: u16,
        /// The federation.
        federation: FederationId,
        /// What is held.
        state: State,
    },
    /// What is held, as a whole.
    State(State),
    /// Asks for roster documents.
    WantRoster {
        /// The first version wanted.
        from: u32,
    },
    /// The answer: documents in order, none when there are none.
    Roster(Vec<Vec<u8>>),
    /// Proofs that feeds were forked.
    Forks(Vec<ForkProof>),
    /// Feeds that are held, and how far.
    Heads(Vec<Head>),
    /// Asks for blocks.
    WantBlocks(Vec<Want>),
    /// The answer: one page, feeds in the order asked for, heights ascending.
    Blocks(Vec<Vec<u8>>),
    /// Asks for the records of tokens that a block of the page needs.
    WantRecords(Vec<Token>),
    /// The answer, in the order asked for.
    Records(Vec<Vec<u8>>),
}

/// What a member holds, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The newest roster document.
    pub roster_version: u32,
    /// Equal for equal objects.
    pub objects_digest: [u8; 32],
}

//! What the ledger keeps: the log, which is the truth, and the state, which can be rebuilt from it.
//!
//! | module | owns |
//! |---|---|
//! | [`row`] | what is kept of blocks, tokens, labels and feeds |
//! | [`segment`] | the log: append-only files, every entry with its hash |
//! | [`disk`] | how writes reach the disk |
//! | [`transfer`] | logs copied, and as one file |
//! | [`keys`] | every key and value byte of the state |
//! | [`memory`] | the state in memory: tests and simulations |
//! | [`sled`] | the state on disk |
//! | [`behind`] | the state, written while the next block is checked |

pub mod behind;
pub mod disk;
pub mod keys;
pub mod memory;
pub mod row;
pub mod segment;
pub mod sled;
pub mod transfer;

use flowlore_common::block::Feed;
use flowlore_common::ids::{OrgId, RosterHash, Token};

use row::{BlockRow, FeedRow, ForkProof, LabelRow, LogEnd, NoteRow, TokenRow};

/// Why the state could not be read or written. The log is untouched: rebuild.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The engine failed: a full disk, a damaged file, a panic inside of it.
    #[error("the state could not be read or written: {0}")]
    Engine(String),
    /// A row is not what was written: damage that the engine did not notice.
    #[error("a row of the state is damaged ({0}); it will be rebuilt from the log")]
    Damaged(&'static str),
}

/// Everything that one block, document or proof changes: applied whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The log up to here is in the state.
    pub folded: LogEnd,
    /// Roster documents by version; `None`: rolled back.
    pub documents: Vec<(u32, Option<Vec<u8>>)>,
    /// Documents of a version of which governors signed several; `None`: no longer of the chain.
    pub rivals: Vec<(u32, RosterHash, Option<Vec<u8>>)>,
    /// Feeds' heads; `None`: the feed is gone.
    pub feeds: Vec<(Feed, Option<FeedRow>)>,
    /// Forks' proofs; `None`: the roster that one was signed under was rolled back.
    pub forks: Vec<(Feed, Option<ForkProof>)>,
    /// Blocks by feed and height; `None`: cut off.
    pub blocks: Vec<(Feed, u64, Option<BlockRow>)>,
    /// New token records.
    pub tokens: Vec<(Token, TokenRow)>,
    /// Labels; `None`: none is left.
    pub labels: Vec<(Token, OrgId, Option<LabelRow>)>,
    /// Notes; `None`: none is left.
    pub notes: Vec<(Token, OrgId, Option<NoteRow>)>,
}

/// What is asked of an engine. Every list is ascending by its key.
pub trait Store: Send + Sync {
    /// How far the log is in the state.
    ///
    /// # Errors
    /// See [`StoreError`], here and below.
    fn folded(&self) -> Result<LogEnd, StoreError>;
    /// All roster documents by version.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn documents(&self) -> Result<Vec<Vec<u8>>, StoreError>;
    /// All documents of contested versions, by version and hash.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn rivals(&self) -> Result<Vec<Vec<u8>>, StoreError>;
    /// All feeds.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn feeds(&self) -> Result<Vec<(Feed, FeedRow)>, StoreError>;
    /// All forks' proofs.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn forks(&self) -> Result<Vec<(Feed, ForkProof)>, StoreError>;
    /// The block at a height.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn block(&self, feed: &Feed, height: u64) -> Result<Option<BlockRow>, StoreError>;
    /// A token's record.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn token(&self, token: &Token) -> Result<Option<TokenRow>, StoreError>;
    /// An org's label of a token.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn label(&self, token: &Token, org: &OrgId) -> Result<Option<LabelRow>, StoreError>;
    /// All labels of a token.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn labels(&self, token: &Token) -> Result<Vec<(OrgId, LabelRow)>, StoreError>;
    /// Shows every label, for the state digest.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn each_label(&self, see: &mut dyn FnMut(&Token, &OrgId, &LabelRow)) -> Result<(), StoreError>;
    /// An org's last note about a token.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn note(&self, token: &Token, org: &OrgId) -> Result<Option<NoteRow>, StoreError>;
    /// Shows every note, for the state digest.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn each_note(&self, see: &mut dyn FnMut(&Token, &OrgId, &NoteRow)) -> Result<(), StoreError>;
    /// Applies changes whole or not at all. They may be lost by a crash before [`Self::flush`], in
    /// the order in which they came.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn apply(&self, changes: &Changes) -> Result<(), StoreError>;
    /// Waits until all is on disk.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn flush(&self) -> Result<(), StoreError>;
}

//! One federation's signed objects, and the answers that all members agree on. No I/O but the
//! store's; time and randomness come in as arguments.
//!
//! ```text
//! own labels -> seal \
//!                     block -> admit -> log -> fold -> state -> aggregate -> answer
//! peers <-> sync ----/          ^ roster
//! ```
//!
//! In the order in which data meets them:
//!
//! | module | owns |
//! |---|---|
//! | [`limits`] | every bound of this crate, with unit and reason |
//! | [`roster`] | the chain of documents: who is a member, under which keys and rules |
//! | [`store`] | the log of everything accepted, and the state made from it |
//! | [`fold`] | what items add to the state, and which are void |
//! | [`admit`] | whether a block enters its feed, and why not |
//! | [`ledger`] | all of it together: open, admit, cut, digest |
//! | [`seal`] | one's own labels into blocks, once |
//! | [`aggregate`] | which labels of a token live on a day, and who stands behind them |
//! | [`answer`] | the shared part of an answer |
//! | [`sync`] | two members' ledgers made equal, as a state machine |
//! | [`check`] | whether log and state agree |
//! | [`vectors`] | test vectors of the signed formats |
#![forbid(unsafe_code)]

pub mod admit;
pub mod aggregate;
pub mod answer;
pub mod check;
pub mod fold;
pub mod ledger;
pub mod limits;
pub mod roster;
pub mod seal;
pub mod store;
pub mod sync;
pub mod vectors;

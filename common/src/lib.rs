//! Flowlore's domain types. No I/O but waiting for locks; time and randomness come in through [`env`](mod@env).
//!
//! In the order in which data meets them:
//!
//! | module | owns |
//! |---|---|
//! | [`limits`] | every bound of this crate, with unit and reason |
//! | [`env`](mod@env) | the clock and the random source, so that everything else takes them as arguments |
//! | [`lock`] | locks on files, waited for a moment |
//! | [`time`] | instants, days and hours, and their RFC 3339 form |
//! | [`ids`] | 32-byte names of orgs, blocks, tokens and the like |
//! | [`suffixes`] | the public suffix list: which names are one site |
//! | [`destination`] | names and addresses: the one normaliser, and what may become a token |
//! | [`canon`] | the one encoding of whatever is hashed or signed |
//! | [`sign`] | ed25519 keys, strict verification, the tags of all signed messages |
//! | [`label`] | purposes, verdicts, behaviours, flow categories: the vocabulary with its numbers |
//! | [`evaluate`] | a request to an evaluator and its answer |
//! | [`block`] | an org's signed block of items |
//! | [`roster`] | the documents that say who is a member, and what all agreed on |
//! | [`invite`] | how an org comes in |
//! | [`credential`] | how people are known to their org's node |
//! | [`tag`] | tags of people's notes, with their numbers |
//! | [`answer`] | what a look-up says: `flowlore.answer.v1` |
//! | [`terminal`] | which characters of foreign text a terminal must not see |
//! | `wire` | between wire messages and these types (feature `wire`: node and client only) |
pub mod answer;
pub mod block;
pub mod canon;
pub mod credential;
pub mod destination;
pub mod env;
pub mod evaluate;
pub mod ids;
pub mod invite;
pub mod label;
pub mod limits;
pub mod lock;
pub mod roster;
pub mod sign;
pub mod suffixes;
pub mod tag;
pub mod terminal;
pub mod time;
#[cfg(feature = "wire")]
pub mod wire;

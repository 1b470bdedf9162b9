//! Flowlore's domain types. No I/O; time and randomness come in through [`env`].
//!
//! In the order in which data meets them:
//!
//! | module | owns |
//! |---|---|
//! | [`limits`] | every bound of this crate, with unit and reason |
//! | [`env`] | the clock and the random source, so that everything else takes them as arguments |
//! | [`time`] | instants, days and hours, and their RFC 3339 form |
//! | [`ids`] | 32-byte names of orgs, blocks, tokens and the like |
//! | [`label`] | purposes, verdicts, behaviours, flow categories: the vocabulary with its numbers |
pub mod env;
pub mod ids;
pub mod label;
pub mod limits;
pub mod time;

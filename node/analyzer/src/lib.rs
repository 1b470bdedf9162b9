//! Log bytes to flows, findings and a report. Pure: no files, threads, clock or randomness.
//!
//! ```text
//! bytes -> source -> record -> intake -> settle -> pair -> detect -> incident -> report
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`record`] | what a source hands on, and why a line gave nothing |
//! | [`category`] | what one flow is by its shape alone |
//! | [`pair`] | the contacts of a source with one destination |
//! | [`stats`] | how regular a series of contacts is |
//! | [`score`] | measured values to a threat score |
//! | [`detect`] | a group in, hits out: one file a behaviour |
//! | [`severity`] | a hit in its surroundings: how grave, how sure, what to do |
pub mod category;
pub mod detect;
pub mod pair;
pub mod record;
pub mod score;
pub mod severity;
pub mod stats;

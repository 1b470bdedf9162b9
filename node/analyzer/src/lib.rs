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
//! | [`detect`] | a group in, hits out: one file a behaviour |
pub mod category;
pub mod detect;
pub mod pair;
pub mod record;

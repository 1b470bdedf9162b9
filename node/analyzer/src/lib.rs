//! Log bytes to flows, findings and a report. Pure: no files, threads, clock or randomness.
//!
//! ```text
//! bytes -> source -> record -> intake -> settle -> pair -> detect -> incident -> report
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`record`] | what a source hands on, and why a line gave nothing |
pub mod record;

//! From answers and status to text: pure functions, so that every line can be tested.
//!
//! Nothing foreign reaches the output but through [`text::clean`] or [`text::clip`]: titles, notes
//! and names are written by strangers, and a terminal obeys what it is shown.

pub mod answer;
pub mod history;
pub mod label;
pub mod publication;
pub mod status;
pub mod text;

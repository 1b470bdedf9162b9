//! Replication with other members.
//!
//! | module | owns |
//! |---|---|
//! | [`links`] | channels to other members |
//! | [`frame`] | frames on the wire and messages of the sync protocol |
//! | [`hub`] | all streams around one state machine |
//! | [`session`] | one stream, from either side |
//! | [`dialler`] | keeps streams open, fetches the key share |
//! | [`joining`] | from an invitation to membership |

pub mod dialler;
pub mod frame;
pub mod hub;
pub mod joining;
pub mod links;
pub mod session;

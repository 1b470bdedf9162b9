//! Replication with other members.
//!
//! | module | owns |
//! |---|---|
//! | [`links`] | channels to other members |
//! | [`frame`] | frames on the wire and messages of the sync protocol |
//! | [`hub`] | all streams around one state machine |
//! | [`session`] | one stream, from either side |

pub mod frame;
pub mod hub;
pub mod links;
pub mod session;

//! The Flowlore client: `flowlore lookup`, `label`, `dispute`, `retract`, `upload`, `triage`,
//! `history`, `enrich`, `status`, and the library with which other programs ask a node the same questions.
//!
//! ```text
//! arguments -> access (where is the node, who asks) -> api (signed gRPC calls) -> render -> text
//! ```
//!
//! A client talks to one node, its own org's, over a Unix socket or loopback: what it asks leaves
//! the machine only as that node decides. Text of other orgs' labels is hostile until proven
//! otherwise, so everything that reaches a terminal goes through [`render::text`].
//!
//! | module | owns |
//! |---|---|
//! | [`limits`] | every bound of this crate, with unit and reason |
//! | [`failure`] | what went wrong, where, and what to do; exit codes |
//! | [`cli`] | the command line |
//! | [`access`] | where the node listens and with which credential it is asked |
//! | [`api`] | the only gRPC client; wire messages become domain types here |
//! | [`render`] | pure functions from answers and status to text |
//! | [`cmd`] | one file a command: ask, then print |
//!
//! `examples/lookup.rs` shows the library's use.
pub mod access;
pub mod api;
pub mod cli;
pub mod cmd;
pub mod failure;
pub mod limits;
pub mod render;

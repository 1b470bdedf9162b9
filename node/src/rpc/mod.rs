//! The services. Handlers check the caller, translate, and call the node; what things mean is decided elsewhere.
//!
//! | module | serves | on |
//! |---|---|---|
//! | [`auth`] | signed calls | the local port |
//! | [`session`] | calls without a signature, after one with | the local port |
//! | [`flows`] | uploads, their reports, the stories around alerts: `upload` | the local port |
//! | [`reputation`] | look-ups: `question`, `lookup`, `local` | the local port |
//! | [`labels`] | what people say | the local port |
//! | [`admin`] | status, invitations, approvals, keys | the local port |
//! | [`federation`] | replication, joining, the roster | the peers' port |
//! | [`evaluator`] | evaluations | the peers' port |
//! | [`status`] | what `admin` tells of the node | |
//! | [`observed`] | numbers, spans and counts of calls | |
//! | `erase` | what is to be erased, in messages and back | |
//! | [`ports`] | the services of each port, with their limits | |
//! | [`client`] | nothing: calls the local port, for commands | |

pub mod admin;
pub mod auth;
pub mod client;
mod erase;
pub mod evaluator;
pub mod federation;
pub mod flows;
pub mod labels;
mod local;
mod lookup;
pub mod observed;
pub mod ports;
mod question;
pub mod reputation;
pub mod session;
pub mod status;
mod upload;

use tonic::Status;

use crate::peer::links::RETRY_AFTER;

/// A fault of this node: said to the caller, logged here.
pub(crate) fn internal(error: impl std::fmt::Display) -> Status {
    tracing::error!(%error, "a call failed");
    Status::internal(error.to_string())
}

/// A wish that cannot be granted as things are.
pub(crate) fn precondition(error: &anyhow::Error) -> Status {
    Status::failed_precondition(format!("{error:#}"))
}

/// RESOURCE_EXHAUSTED with the time of renewal in the metadata.
pub(crate) fn exhausted(message: String, retry_after_s: u32) -> Status {
    let mut status = Status::resource_exhausted(message);
    status.metadata_mut().insert(RETRY_AFTER, retry_after_s.into());
    status
}

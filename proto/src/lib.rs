//! Flowlore's gRPC messages and services, generated from `proto/flowlore/v1`.
//!
//! The contracts (order, limits, errors) stand in the `.proto` files beside each call; the bytes that are
//! signed stand in PROTOCOL.md and travel through here as they are.

/// Version 1 of all messages and services.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod v1 {
    tonic::include_proto!("flowlore.v1");
}

//! Flowlore's gRPC messages and services, generated from `proto/flowlore/v1`.
//!
//! The contracts (order, limits, errors) stand in the `.proto` files beside each call; the bytes that are
//! signed stand in PROTOCOL.md and travel through here as they are.

pub mod answers;

/// Version 1 of all messages and services.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod v1 {
    tonic::include_proto!("flowlore.v1");

    pub use crate::answers::Answers;
}

/// The compiled `.proto` files, as reflection serves them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The path of every call, "/flowlore.v1.Service/Method": there is no other, so that what counts calls is bounded.
pub const CALLS: &[&str] = &include!(concat!(env!("OUT_DIR"), "/calls.rs"));

//! The services of each port, with their limits.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use flowlore_proto::v1::admin_service_server::AdminServiceServer;
use flowlore_proto::v1::evaluator_service_server::EvaluatorServiceServer;
use flowlore_proto::v1::flow_service_server::FlowServiceServer;
use flowlore_proto::v1::label_service_server::LabelServiceServer;
use flowlore_proto::v1::peer_service_server::PeerServiceServer;
use flowlore_proto::v1::reputation_service_server::ReputationServiceServer;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::layer::util::{Identity, Stack};

use super::admin::AdminHandler;
use super::auth::Auth;
use super::evaluator::EvaluatorHandler;
use super::federation::PeerHandler;
use super::flows::FlowHandler;
use super::labels::LabelHandler;
use super::observed::Observe;
use super::reputation::ReputationHandler;
use crate::limits::{
    CALL_TIME_MAX, CONNECTION_WINDOW_BYTES, KEEPALIVE_ANSWER_MAX, KEEPALIVE_EVERY,
    MESSAGE_BYTES_MAX, PENDING_RESETS_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX,
};
use crate::node::Node;
use crate::people::Revoked;

/// Configures limits of a service's generated server.
macro_rules! bounded {
    ($server:ident, $handler:expr) => {
        $server::new($handler)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
    };
}

/// What other members are served; a call that is no stream is answered in time or not at all.
pub fn peers(
    node: Arc<Node>,
    health: HealthServer<impl Health>,
) -> Router<Stack<Observe, Identity>> {
    limited()
        .timeout(CALL_TIME_MAX)
        .layer(Observe::new("peer", node.metrics.clone()))
        .add_service(health)
        .add_service(bounded!(PeerServiceServer, PeerHandler(node.clone())))
        .add_service(bounded!(EvaluatorServiceServer, EvaluatorHandler(node)))
}

/// What this org's own people are served, every call but those about health signed. Only here can be asked which
/// services there are.
///
/// # Errors
/// The compiled description of the services cannot be read; does not happen.
pub fn clients(
    node: Arc<Node>,
    health: HealthServer<impl Health>,
) -> Result<Router<Stack<Auth, Stack<Observe, Identity>>>> {
    let revoked = Revoked::new(node.folder.clone());
    let auth = Auth::new(node.org, node.keys.signing.public(), node.clock.clone(), revoked);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(flowlore_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .context("the services' description")?;
    Ok(limited()
        .layer(Observe::new("local", node.metrics.clone()))
        .layer(auth)
        .add_service(health)
        .add_service(reflection)
        .add_service(bounded!(FlowServiceServer, FlowHandler(node.clone())))
        .add_service(bounded!(ReputationServiceServer, ReputationHandler::new(node.clone())))
        .add_service(bounded!(LabelServiceServer, LabelHandler(node.clone())))
        .add_service(bounded!(AdminServiceServer, AdminHandler(node))))
}

/// A server with the bounds of every port, and no service yet.
#[must_use]
pub fn limited() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER_MAX))
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
}

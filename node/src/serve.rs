//! A node at work: both ports, the dialler, the publisher, until told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use flowlore_proto::v1::admin_service_server::AdminServiceServer;
use flowlore_proto::v1::evaluator_service_server::EvaluatorServiceServer;
use flowlore_proto::v1::flow_service_server::FlowServiceServer;
use flowlore_proto::v1::label_service_server::LabelServiceServer;
use flowlore_proto::v1::peer_service_server::PeerServiceServer;
use flowlore_proto::v1::reputation_service_server::ReputationServiceServer;
use tokio::task::JoinSet;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Server;

use crate::limits::{
    CONNECTION_WINDOW_BYTES, DRAIN_TIME_MAX, KEEPALIVE_ANSWER_MAX, KEEPALIVE_EVERY,
    MESSAGE_BYTES_MAX, PENDING_RESETS_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX,
};
use crate::listen::{LocalPort, PeerPort};
use crate::node::Node;
use crate::rpc::admin::AdminHandler;
use crate::rpc::auth::Auth;
use crate::rpc::evaluator::EvaluatorHandler;
use crate::rpc::federation::PeerHandler;
use crate::rpc::flows::FlowHandler;
use crate::rpc::labels::LabelHandler;
use crate::rpc::reputation::ReputationHandler;
use crate::tls::Admits;
use crate::{dialler, publisher};

/// A node that serves.
#[derive(Debug)]
pub struct Serving {
    /// Where peers connect.
    pub peer_address: SocketAddr,
    /// Where clients connect.
    pub local_address: String,
    node: Arc<Node>,
    servers: JoinSet<Result<()>>,
    workers: JoinSet<()>,
}

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

/// Binds both ports and starts everything.
///
/// # Errors
/// A port is taken, or an own share could not be kept.
pub async fn start(node: Arc<Node>) -> Result<Serving> {
    node.take_own_share()?;
    let peer_port = PeerPort::bind(node.config.peer_listen).await?;
    let local_port = LocalPort::bind(&node.config.local).await?;
    let (peer_address, local_address) = (peer_port.address()?, local_port.shown());
    let mut servers = JoinSet::new();
    servers.spawn(serve_peers(node.clone(), peer_port));
    servers.spawn(serve_clients(node.clone(), local_port));
    let mut workers = JoinSet::new();
    workers.spawn(dialler::run(node.clone()));
    workers.spawn(publisher::run(node.clone()));
    Ok(Serving { peer_address, local_address, node, servers, workers })
}

impl Serving {
    /// Serves until `until` is over or a server fails, then lets open calls end.
    ///
    /// # Errors
    /// A server failed.
    pub async fn until(mut self, until: impl Future<Output = ()>) -> Result<()> {
        let failed = tokio::select! {
            () = until => None,
            ended = self.servers.join_next() => ended,
        };
        self.workers.shutdown().await;
        self.node.stopping.send_replace(true);
        let drain = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIME_MAX, drain).await.is_err() {
            tracing::warn!("calls that did not end in time are cut off");
        }
        match failed {
            Some(ended) => ended.context("a server task died")?.context("a server failed"),
            None => Ok(()),
        }
    }
}

async fn serve_peers(node: Arc<Node>, port: PeerPort) -> Result<()> {
    let admits: Admits = {
        let node = node.clone();
        Arc::new(move |key| {
            node.store.roster().member_by_key(key).is_some()
                || node.admission().admits(key, node.clock.now().seconds())
        })
    };
    let incoming = port.accept(&node.identity, admits, node.meter.clone())?;
    let stopped = until_stopped(node.clone());
    limited()
        .add_service(bounded!(PeerServiceServer, PeerHandler(node.clone())))
        .add_service(bounded!(EvaluatorServiceServer, EvaluatorHandler(node)))
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
        .context("the peers' port")
}

async fn serve_clients(node: Arc<Node>, port: LocalPort) -> Result<()> {
    let stopped = until_stopped(node.clone());
    let auth = Auth::new(node.org, node.keys.signing.public(), node.clock.clone());
    limited()
        .layer(auth)
        .add_service(bounded!(FlowServiceServer, FlowHandler::new(node.clone())))
        .add_service(bounded!(ReputationServiceServer, ReputationHandler(node.clone())))
        .add_service(bounded!(LabelServiceServer, LabelHandler(node.clone())))
        .add_service(bounded!(AdminServiceServer, AdminHandler(node)))
        .serve_with_incoming_shutdown(port.accept(), stopped)
        .await
        .context("the local port")
}

fn limited() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER_MAX))
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
}

async fn until_stopped(node: Arc<Node>) {
    node.stopped().await;
}

/// Ends at SIGTERM or Ctrl-C, or when standard input ends, if that is to count.
pub async fn told_to_stop(until_stdin_closes: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => _ = signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    let orphaned = async {
        if until_stdin_closes {
            stdin_closed().await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = terminate => {}
        () = orphaned => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// A thread of its own waits for the end: reading from a pipe blocks, and nobody waits for the thread.
async fn stdin_closed() {
    let (sender, closed) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // An error means the same as the end.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = sender.send(());
    });
    let _ = closed.await;
}

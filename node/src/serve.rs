//! A node at work: both ports, the dialler, the publisher, until told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use crate::limits::DRAIN_TIME_MAX;
use crate::listen::{LocalPort, PeerPort};
use crate::node::Node;
use crate::peer::dialler;
use crate::publisher;
use crate::rpc::ports;
use crate::tls::Admits;

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
    ports::peers(node)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
        .context("the peers' port")
}

async fn serve_clients(node: Arc<Node>, port: LocalPort) -> Result<()> {
    let stopped = until_stopped(node.clone());
    ports::clients(node)
        .serve_with_incoming_shutdown(port.accept(), stopped)
        .await
        .context("the local port")
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

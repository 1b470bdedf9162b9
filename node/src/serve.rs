//! A node at work: its ports and inputs, the dialler, the publisher, until told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

use crate::config::Config;
use crate::limits::DRAIN_TIME_MAX;
use crate::listen::{LocalPort, PeerPort};
use crate::metrics::Page;
use crate::netflow;
use crate::node::Node;
use crate::peer::dialler;
use crate::publisher;
use crate::rpc::ports;
use crate::tls::Admits;

/// A node that serves.
pub struct Serving {
    /// Where peers connect.
    pub peer_address: SocketAddr,
    /// Where clients connect.
    pub local_address: String,
    /// Where metrics are read, if anywhere.
    pub metrics_address: Option<SocketAddr>,
    /// Where routers send to.
    pub input_addresses: Vec<SocketAddr>,
    node: Arc<Node>,
    health: HealthReporter,
    /// What ends by itself when the node is to stop.
    servers: JoinSet<Result<()>>,
    /// What is cut off then.
    dialler: JoinSet<()>,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serving({:?} on {})", self.node, self.peer_address)
    }
}

/// Binds all ports and starts everything.
///
/// # Errors
/// A port is taken, or an own share could not be kept.
pub async fn start(node: Arc<Node>) -> Result<Serving> {
    node.take_own_share()?;
    let peer_port = PeerPort::bind(node.config.peer_listen).await?;
    let local_port = LocalPort::bind(&node.config.local).await?;
    let page = metrics_page(&node.config).await;
    let inputs = node.netflow.bind(&node.config)?;
    let input_addresses = node.netflow.listens().to_vec();
    let (peer_address, local_address) = (peer_port.address()?, local_port.shown());
    let metrics_address = page.as_ref().map(Page::address).transpose()?;
    let (health, service) = health_reporter();
    let mut servers = JoinSet::new();
    servers.spawn(serve_peers(node.clone(), peer_port, service.clone()));
    servers.spawn(serve_clients(node.clone(), local_port, service));
    servers.spawn(publisher::run(node.clone()));
    servers.spawn(netflow::run(node.clone(), inputs));
    if let Some(page) = page {
        servers.spawn(page.serve(node.clone()));
    }
    let mut dialler = JoinSet::new();
    dialler.spawn(dialler::run(node.clone()));
    Ok(Serving {
        peer_address,
        local_address,
        metrics_address,
        input_addresses,
        node,
        health,
        servers,
        dialler,
    })
}

/// Metrics are for watching a node, not a reason for it to stay down.
async fn metrics_page(config: &Config) -> Option<Page> {
    match Page::bind(config.metrics_listen?).await {
        Ok(page) => Some(page),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "no metrics: choose another port");
            None
        }
    }
}

impl Serving {
    /// Serves until `until` is over or a server fails, then: says that it stops, takes no more, lets open calls
    /// and the publisher's batch end, analyzes what routers sent, and flushes the store.
    ///
    /// # Errors
    /// A server failed, or the disk refused the last flush.
    pub async fn until(mut self, until: impl Future<Output = ()>) -> Result<()> {
        let failed = tokio::select! {
            () = until => None,
            ended = self.servers.join_next() => ended,
        };
        self.health.set_service_status("", ServingStatus::NotServing).await;
        // Who watches hears that, and then the end of its call, which would stay open for ever.
        self.health.clear_service_status("").await;
        self.node.stopping.send_replace(true);
        self.dialler.shutdown().await;
        let drain = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIME_MAX, drain).await.is_err() {
            tracing::warn!("calls that did not end in time are cut off");
            self.servers.shutdown().await;
        }
        let node = self.node;
        tokio::task::spawn_blocking(move || node.store.flush()).await??;
        match failed {
            Some(ended) => ended.context("a server task died")?.context("a server failed"),
            None => Ok(()),
        }
    }
}

async fn serve_peers(
    node: Arc<Node>,
    port: PeerPort,
    health: HealthServer<impl Health>,
) -> Result<()> {
    let admits: Admits = {
        let node = node.clone();
        Arc::new(move |key| {
            node.store.roster().member_by_key(key).is_some()
                || node.admission().admits(key, node.clock.now().seconds())
        })
    };
    let (meter, metrics) = (node.meter.clone(), node.metrics.clone());
    let incoming = port.accept(&node.identity, admits, meter, metrics)?;
    let stopped = until_stopped(node.clone());
    ports::peers(node, health)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
        .context("the peers' port")
}

async fn serve_clients(
    node: Arc<Node>,
    port: LocalPort,
    health: HealthServer<impl Health>,
) -> Result<()> {
    let stopped = until_stopped(node.clone());
    ports::clients(node, health)?
        .serve_with_incoming_shutdown(port.accept(), stopped)
        .await
        .context("the local port")
}

async fn until_stopped(node: Arc<Node>) {
    node.stopped().await;
}

/// A future that ends at SIGTERM or Ctrl-C, or when standard input ends, if that is to count. From the call on, so
/// that a signal that comes early is not lost.
///
/// # Errors
/// The system lets nobody listen to signals.
pub fn told_to_stop(until_stdin_closes: bool) -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let orphaned = async move {
        if until_stdin_closes {
            stdin_closed().await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = orphaned => {}
        }
    })
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

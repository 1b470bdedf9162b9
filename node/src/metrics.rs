//! Counters for those who run the node, as Prometheus reads them, on the local side only. Labels take few values,
//! all of them ours: a call's path, a status code, a reason for refusal. No org, no destination, no address.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::limits::SCRAPES_MAX;
use crate::node::Node;

/// What a scraper is told that it reads.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds of a call's duration, seconds: a look-up of known names takes less than 1 ms, a day's upload minutes.
const CALL_SECONDS: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    port: &'static str,
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Port {
    port: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// What is counted as it happens; the rest is read from the node when somebody asks.
#[derive(Clone, Debug)]
pub struct Metrics {
    calls: Family<Call, Counter>,
    call_seconds: Family<Port, Histogram>,
    connections_refused: Family<Reason, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| Histogram::new(CALL_SECONDS)),
            connections_refused: Family::default(),
        }
    }
}

impl Metrics {
    /// Counts a call when its answer begins.
    pub fn called(&self, port: &'static str, method: &'static str, code: &'static str, s: f64) {
        self.calls.get_or_create(&Call { port, method, code }).inc();
        self.call_seconds.get_or_create(&Port { port }).observe(s);
    }

    /// Counts a connection to the peers' port that was not let in.
    pub fn connection_refused(&self, reason: &'static str) {
        self.connections_refused.get_or_create(&Reason { reason: reason.to_owned() }).inc();
    }

    /// How many connections were not let in for a reason.
    #[must_use]
    pub fn connections_refused(&self, reason: &'static str) -> u64 {
        self.connections_refused.get_or_create(&Reason { reason: reason.to_owned() }).get()
    }

    fn register(&self, registry: &mut Registry) {
        let help = "Calls by port, method and status code as the answer began";
        registry.register("calls", help, self.calls.clone());
        let help = "Time until the answer began";
        registry.register_with_unit("call", help, Unit::Seconds, self.call_seconds.clone());
        let help = "Connections to the peers' port that were not let in";
        registry.register("connections_refused", help, self.connections_refused.clone());
    }
}

/// All metrics of a node as OpenMetrics text. Blocks: the store is asked for its sizes.
///
/// # Errors
/// The library cannot write text; does not happen.
pub fn text(node: &Node) -> Result<String> {
    let mut registry = Registry::with_prefix("flowlore");
    node.metrics.register(&mut registry);
    node.netflow.counts.register(&mut registry);
    read(node, &mut registry);
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

fn read(node: &Node, registry: &mut Registry) {
    let status = crate::rpc::status::status(node);
    let refused: Family<Reason, Counter> = Family::default();
    for one in status.refused {
        refused.get_or_create(&Reason { reason: one.reason }).inc_by(one.count);
    }
    registry.register("refused", "Blocks and messages of peers that were refused", refused);
    let peers: Family<State, Gauge> = Family::default();
    for peer in &status.peers {
        let state = match peer.state.as_str() {
            "connected" => "connected",
            "connecting" => "connecting",
            _ => "backing_off",
        };
        peers.get_or_create(&State { state }).inc();
    }
    registry.register("peers", "Other members, by the state of the stream to them", peers);
    let in_sync = status.peers.iter().filter(|peer| peer.in_sync).count() as u64;
    let store = status.store.unwrap_or_default();
    let names = status.names.unwrap_or_default();
    let keys = status.keys.unwrap_or_default();
    let mut gauge = |name, help, value: u64| put(registry, name, help, ConstGauge::new(value));
    gauge("uptime_seconds", "Since the node began to serve", status.uptime_s);
    gauge("peers_in_sync", "Members whose last exchange found both stores equal", in_sync);
    gauge("members", "Active members, this one included", status.members.len() as u64);
    gauge("applicants", "Orgs that wait for approval", status.applicants.len() as u64);
    gauge("roster_version", "Newest roster document held", status.roster_version.into());
    gauge("key_epoch", "Newest evaluation key; 0: none", keys.key_epoch.into());
    gauge("key_share_held", "1: this node holds its share", keys.share_here.into());
    gauge("blocks", "Blocks of all feeds", store.blocks);
    gauge("own_blocks", "Blocks of this org's feed", store.own_blocks);
    gauge("held_blocks", "Blocks that wait for what comes before them", store.held_blocks);
    gauge("log_bytes", "Size of the log", store.log_bytes);
    gauge("names_cached", "Names whose secret is cached", names.cached);
    gauge("names_cached_bytes", "Size of that cache's file", names.cached_bytes);
    gauge("labels_due", "Labels that are due and wait for evaluators", names.waiting);
    gauge("lookups_queued", "Names looked up that wait for evaluators", names.queued);
    gauge("alarms", "What a person should look at: see status", status.alarms.len() as u64);
    gauge("netflow_waiting_bytes", "Datagrams on disk, to be analyzed", node.netflow.spool.bytes());
    gauge("labels_scheduled", "Labels that wait for their slot", names.scheduled);
    let mut counter = |name, help, value: u64| put(registry, name, help, ConstCounter::new(value));
    counter("peer_sent_bytes", "To all peers, inside TLS", status.peer_bytes_sent);
    counter("peer_received_bytes", "From all peers, inside TLS", status.peer_bytes_received);
    if let Some(lost) = node.netflow.kernel_drops() {
        let help = "Datagrams that the system lost before they were fetched";
        counter("netflow_kernel_drops", help, lost);
    }
}

fn put(registry: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    registry.register(name, help, metric);
}

/// The page that Prometheus reads, bound.
#[derive(Debug)]
pub struct Page {
    listener: TcpListener,
}

impl Page {
    /// Binds it.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        Ok(Self { listener: listener.with_context(|| format!("metrics.listen = {address}"))? })
    }

    /// The address with the port that the system chose.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the node is to stop.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(self, node: Arc<Node>) -> Result<()> {
        let stopping = node.clone();
        let readers = Arc::new(Semaphore::new(SCRAPES_MAX));
        let read = get(move || answer(node.clone(), readers.clone()));
        let metrics = Router::new().route("/metrics", read);
        axum::serve(self.listener, metrics)
            .with_graceful_shutdown(async move { stopping.stopped().await })
            .await
            .context("the metrics page")
    }
}

async fn answer(node: Arc<Node>, readers: Arc<Semaphore>) -> Response {
    let Ok(_reads) = readers.try_acquire() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let read = tokio::task::spawn_blocking(move || text(&node));
    match read.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

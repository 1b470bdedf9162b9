//! Nodes that run in a test's own process, on loopback, with ports from the system.

#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flowlore_common::env::{Clock, SystemClock};
use flowlore_common::wire;
use flowlore_node::command::init;
use flowlore_node::config::Config;
use flowlore_node::demo::ports;
use flowlore_node::folder::Folder;
use flowlore_node::node::Node;
use flowlore_node::peer::joining;
use flowlore_node::rpc::client::Local;
use flowlore_node::serve;
use flowlore_proto::v1;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;

/// How long any one condition may take on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node that runs in this process.
pub(crate) struct Running {
    pub(crate) dir: PathBuf,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) inputs: Vec<SocketAddr>,
    pub(crate) node: Arc<Node>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn start(dir: &Path) -> Self {
        Self::start_at(dir, Arc::new(SystemClock)).await
    }

    /// By another clock than the machine's.
    pub(crate) async fn start_at(dir: &Path, clock: Arc<dyn Clock>) -> Self {
        let folder = Folder::open(dir).unwrap();
        let config = Config::load(&folder).unwrap();
        if joining::is_joining(&folder).unwrap() {
            joining::join(&folder, &config).await.unwrap();
        }
        let node = Node::open(folder, config, clock).unwrap();
        let serving = serve::start(node.clone()).await.unwrap();
        let metrics = serving.metrics_address;
        let inputs = serving.input_addresses.clone();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(serving.until(async {
            let _ = stopped.await;
        }));
        Self { dir: dir.to_owned(), metrics, inputs, node, stop, ended }
    }

    /// Stops it, and waits until its folder is free for the next.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
        drop(self.node);
        let folder = Folder::open(&self.dir).unwrap();
        let free = async {
            while folder.lock().is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, free).await.expect("the folder is let go of");
    }

    pub(crate) async fn local(&self) -> Local {
        Local::connect(&self.dir).await.unwrap()
    }

    pub(crate) async fn status(&self) -> v1::StatusResponse {
        let status = self.local().await.admin.status(v1::StatusRequest {}).await;
        status.unwrap().into_inner()
    }

    pub(crate) async fn lookup(&self, destinations: &[&str]) -> Vec<v1::Answer> {
        let destinations = destinations.iter().map(ToString::to_string).collect();
        let request = v1::LookupRequest { destinations };
        let answers = self.local().await.reputation.lookup(request).await.unwrap();
        let parts: Vec<v1::Answers> = answers.into_inner().map(Result::unwrap).collect().await;
        parts.iter().flat_map(|part| part.decoded().unwrap()).collect()
    }

    pub(crate) async fn put(
        &self,
        destination: &str,
        verdict: v1::Verdict,
    ) -> v1::PutLabelResponse {
        let request = v1::PutLabelRequest {
            destination: destination.to_owned(),
            verdict: verdict.into(),
            ..v1::PutLabelRequest::default()
        };
        self.local().await.labels.put(request).await.unwrap().into_inner()
    }

    /// Waits until the status is as wanted.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&v1::StatusResponse) -> bool) {
        let wait = async {
            while !holds(&self.status().await) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

/// What all members agree on, as JSON.
pub(crate) fn shared(answer: &v1::Answer) -> serde_json::Value {
    serde_json::to_value(wire::shared_in(answer.shared.clone()).unwrap()).unwrap()
}

/// What the org itself knows, as JSON.
pub(crate) fn known(answer: &v1::Answer) -> serde_json::Value {
    serde_json::to_value(wire::local_in(answer.local.clone().unwrap()).unwrap()).unwrap()
}

/// A federation of A, B and C; A founded it and dealt a key, two of three.
pub(crate) async fn three(root: &Path) -> [Running; 3] {
    let [a, b, c] = ["A", "B", "C"].map(|name| make(root, name, name == "A"));
    let a = Running::start(&a).await;
    let b = join(&a, &b, "B", &[]).await;
    let c = join(&a, &c, "C", &["B"]).await;
    let keygen = v1::KeygenRequest { threshold: 2, evaluators: 3 };
    a.local().await.admin.keygen(keygen).await.unwrap();
    for node in [&a, &b, &c] {
        let has_share = |status: &v1::StatusResponse| {
            status.keys.as_ref().is_some_and(|keys| keys.share_here && keys.threshold == 2)
        };
        node.until("holds its share", has_share).await;
    }
    [a, b, c]
}

/// Waits until all hold the same objects.
pub(crate) async fn settled(nodes: &[&Running]) {
    let wait = async {
        loop {
            let mut digests = vec![];
            for node in nodes {
                digests.push(node.status().await.store.unwrap().objects_digest);
            }
            digests.dedup();
            if digests.len() == 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("all hold the same objects");
}

/// A node's folder with ports of its own.
pub(crate) fn make(root: &Path, name: &str, documentation_names: bool) -> PathBuf {
    let dir = root.join(name);
    init::create(&dir, name).unwrap();
    let [local, peer] = ports::free().unwrap().map(|port| port.to_string());
    let path = dir.join("flowlore.toml");
    let mut table: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    table["metrics"]["listen"] = "127.0.0.1:0".into();
    table["local"]["listen"] = local.into();
    table["peer"]["listen"] = peer.clone().into();
    table["peer"]["advertise"] = peer.into();
    std::fs::write(&path, toml::to_string(&table).unwrap()).unwrap();
    if documentation_names {
        init::refound(&dir, name, true, 0).unwrap();
    }
    dir
}

/// Invites, asks, approves.
pub(crate) async fn join(
    governor: &Running,
    dir: &Path,
    name: &str,
    endorsers: &[&str],
) -> Running {
    let mut local = governor.local().await;
    let line = local.admin.invite(v1::InviteRequest {}).await.unwrap().into_inner().line;
    joining::ask(&Folder::open(dir).unwrap(), &line).unwrap();
    let joining = tokio::spawn({
        let dir = dir.to_owned();
        async move { Running::start(&dir).await }
    });
    governor.until("asks", |status| status.applicants.iter().any(|who| who.name == name)).await;
    let endorsers = endorsers.iter().map(ToString::to_string).collect();
    let request = v1::ApproveRequest { applicant: name.to_owned(), endorsers };
    local.admin.approve(request).await.unwrap();
    joining.await.unwrap()
}

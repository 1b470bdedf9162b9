//! Three nodes as processes of their own, logging all they can, with a tap in front of every port.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use flowlore_node::command::init;
use flowlore_node::demo::ports;
use flowlore_node::folder::Folder;
use flowlore_node::keys::Keys;
use flowlore_node::peer::joining;
use flowlore_node::rpc::client::{Local, StatusResponse};
use flowlore_node::tls::Identity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::others;
use super::tap::{self, Identities, Recorder};

/// How long any one condition may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node: its folder, its log outside of it, and where it really listens.
pub(crate) struct Org {
    pub(crate) dir: PathBuf,
    pub(crate) log: PathBuf,
    local: SocketAddr,
    metrics: SocketAddr,
    /// Where it takes NetFlow, if it does.
    pub(crate) netflow: SocketAddr,
    child: Option<Child>,
}

impl Drop for Org {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; either way it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) struct Cluster {
    pub(crate) orgs: Vec<Org>,
}

impl Cluster {
    /// A federation of three, 2 of 3 evaluators. `keeps`: what stands in A's `[publish]`.
    pub(crate) async fn start(root: &Path, keeps: &toml::Table, recorder: &Arc<Recorder>) -> Self {
        let mut orgs = vec![];
        let mut taps = vec![];
        for name in ["A", "B", "C"] {
            let dir = root.join(name);
            init::create(&dir, name).unwrap();
            let [local, local_tap, peer, peer_tap, metrics, netflow] = ports::free().unwrap();
            let path = dir.join("flowlore.toml");
            let mut table: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
            table["local"]["listen"] = local_tap.to_string().into();
            table["peer"]["listen"] = peer.to_string().into();
            table["peer"]["advertise"] = peer_tap.to_string().into();
            table["metrics"]["listen"] = metrics.to_string().into();
            table["log"]["level"] = "trace".into();
            if name == "A" {
                table.insert("input".to_owned(), others::input(netflow));
                table["publish"].as_table_mut().unwrap().extend(keeps.clone());
            }
            std::fs::write(&path, toml::to_string(&table).unwrap()).unwrap();
            taps.push((local_tap, local, peer_tap, peer));
            let log = root.join(format!("{name}.log"));
            orgs.push(Org { dir, log, local, metrics, netflow, child: None });
        }
        init::refound(&orgs[0].dir, "Leak", true, 0).unwrap();
        let keys: Vec<_> = orgs.iter().map(|org| org.keys().transport).collect();
        let known =
            keys.iter().map(|key| (key.public().bytes(), Arc::new(Identity::new(key).unwrap())));
        let identities: Identities = Arc::new(known.collect());
        for (key, (local_tap, local, peer_tap, peer)) in keys.iter().zip(taps) {
            tap::clients(local_tap, local, recorder.clone()).await;
            tap::peers(peer_tap, peer, key, identities.clone(), recorder.clone()).await;
        }
        let mut cluster = Self { orgs };
        cluster.federate().await;
        cluster
    }

    async fn federate(&mut self) {
        self.run(0, &[]).await;
        for (at, name, endorsers) in [(1, "B", vec![]), (2, "C", vec!["B".to_owned()])] {
            let line = self.local(0).await.invite().await.unwrap();
            joining::ask(&Folder::open(&self.orgs[at].dir).unwrap(), &line).unwrap();
            self.orgs[at].launch(&[]);
            self.until(0, "asks", |status| status.applicants.iter().any(|who| who.name == name))
                .await;
            self.local(0).await.approve(name, &endorsers).await.unwrap();
            self.up(at).await;
        }
        self.local(0).await.keygen(2, 3).await.unwrap();
        for at in 0..3 {
            let holds = |status: &StatusResponse| {
                status.keys.as_ref().is_some_and(|keys| keys.share_here && keys.evaluators == 3)
            };
            self.until(at, "holds its share", holds).await;
        }
    }

    pub(crate) async fn local(&self, at: usize) -> Local {
        Local::connect(&self.orgs[at].dir).await.unwrap()
    }

    /// Starts a node, and waits until it answers.
    pub(crate) async fn run(&mut self, at: usize, environment: &[(&str, &str)]) {
        self.orgs[at].launch(environment);
        self.up(at).await;
    }

    async fn up(&mut self, at: usize) {
        let wait = async {
            while self.status(at).await.is_none() {
                let ended = self.orgs[at].child.as_mut().unwrap().try_wait().unwrap();
                assert!(ended.is_none(), "node {at} ended: {ended:?}");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the node comes up");
    }

    async fn status(&self, at: usize) -> Option<StatusResponse> {
        Local::connect(&self.orgs[at].dir).await.ok()?.status().await.ok()
    }

    pub(crate) async fn until(
        &self,
        at: usize,
        what: &str,
        holds: impl Fn(&StatusResponse) -> bool,
    ) {
        let wait = async {
            while !self.status(at).await.is_some_and(|status| holds(&status)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Waits until nothing waits at A and all hold the same objects, among them `blocks` of A at least.
    pub(crate) async fn settle(&self, blocks: u64) {
        let wait = async {
            loop {
                let mut digests = vec![];
                let mut waits = 0;
                for at in 0..3 {
                    let Some(status) = self.status(at).await else { continue };
                    let store = status.store.unwrap();
                    let names = status.names.unwrap();
                    waits += names.waiting;
                    waits += u64::from(at == 0 && store.own_blocks < blocks);
                    digests.push(store.objects_digest);
                }
                if waits == 0 && digests.len() == 3 && digests.iter().all(|one| *one == digests[0])
                {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("nothing waits and all hold the same");
    }

    /// Ends all nodes as an operator would.
    pub(crate) async fn stop(&mut self) {
        for org in &mut self.orgs {
            drop(org.child.as_mut().and_then(|child| child.stdin.take()));
        }
        for org in &mut self.orgs {
            org.ended().await;
        }
    }
}

impl Org {
    pub(crate) fn keys(&self) -> Keys {
        Keys::load(&Folder::open(&self.dir).unwrap()).unwrap()
    }

    /// What its metrics port answers to a request for this path.
    pub(crate) async fn metrics(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.metrics).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {path}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![];
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }

    fn launch(&mut self, environment: &[(&str, &str)]) {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_flowlore-node"))
            .args(["run", "--until-stdin-closes", "--dir"])
            .arg(&self.dir)
            // The configuration names the tap, for clients; this is where the tap finds the node.
            .env("FLOWLORE_LOCAL_LISTEN", self.local.to_string())
            .env("RUST_BACKTRACE", "full")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Starts it in a state in which it cannot run; what it says goes to its log.
    pub(crate) async fn fail_to_start(&mut self, environment: &[(&str, &str)]) {
        self.launch(environment);
        self.ended().await;
    }

    /// Ends it as a crash would.
    pub(crate) async fn crash(&mut self) {
        let process = self.child.as_ref().unwrap().id().to_string();
        let killed = Command::new("kill").args(["-ABRT", &process]).status().unwrap();
        assert!(killed.success());
        self.ended().await;
    }

    async fn ended(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let wait = async {
            while child.try_wait().unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            child.kill().unwrap();
            panic!("{} does not end", self.dir.display());
        }
    }
}

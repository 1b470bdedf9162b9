//! Three nodes as child processes, and the calls that the demo makes to them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::Instant;

use super::{ORGS, ports};
use crate::command::init;
use crate::folder::Folder;
use crate::peer::joining;
use crate::rpc::client::{Local, StatusResponse};

/// How long any one thing may take before the demo gives up: thirty times what it takes on two cores.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a child may drain before it is killed.
const DRAIN: Duration = Duration::from_secs(12);
/// Bytes of a child's log that are shown when something fails.
const LAST_WORDS_BYTES: usize = 2_000;

/// The three nodes.
#[derive(Default)]
pub(super) struct Cluster {
    nodes: Vec<Member>,
}

struct Member {
    dir: PathBuf,
    child: Option<Child>,
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; either way it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Cluster {
    /// Makes three nodes, one federation, one key dealt two of three.
    pub(super) async fn start(&mut self, root: &Path) -> Result<()> {
        for name in ORGS {
            let dir = root.join(name);
            init::create(&dir, name)?;
            configure(&dir)?;
            self.nodes.push(Member { dir, child: None });
        }
        init::refound(self.dir(0), "Demo", true, 0)?;
        self.spawn(0).await?;
        for org in 1..ORGS.len() {
            let line = self.local(0).await?.invite().await?;
            joining::ask(&Folder::open(self.dir(org))?, &line)?;
            self.launch(org)?;
            self.approve(org).await?;
            self.wait_until_up(org).await?;
        }
        self.local(0).await?.keygen(2, 3).await?;
        self.wait("every node holds its share of the key", |status| {
            let keys = status.keys.clone().unwrap_or_default();
            keys.share_here && keys.evaluators == 3
        })
        .await
    }

    pub(super) fn dir(&self, org: usize) -> &Path {
        &self.nodes[org].dir
    }

    pub(super) async fn local(&self, org: usize) -> Result<Local> {
        Local::connect(self.dir(org)).await
    }

    /// The status of a node, by a call to it.
    pub(super) async fn status(&self, org: usize) -> Result<StatusResponse> {
        self.local(org).await?.status().await
    }

    /// Waits until nothing waits anywhere and all hold the same objects.
    pub(super) async fn settle(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let mut digests = vec![];
            let mut waiting = 0;
            for org in 0..self.nodes.len() {
                let status = self.status(org).await?;
                waiting += status.names.unwrap_or_default().waiting;
                digests.push(status.store.unwrap_or_default().objects_digest);
            }
            if waiting == 0 && digests.windows(2).all(|pair| pair[0] == pair[1]) {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "the three stores do not become equal");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends a node as a crash would.
    pub(super) fn kill(&mut self, org: usize) {
        if let Some(mut child) = self.nodes[org].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(super) async fn restart(&mut self, org: usize) -> Result<()> {
        self.end(org).await;
        self.spawn(org).await
    }

    /// Ends all nodes.
    pub(super) async fn stop(&mut self) {
        for node in &mut self.nodes {
            // All begin to drain at once.
            drop(node.child.as_mut().and_then(|child| child.stdin.take()));
        }
        for org in 0..self.nodes.len() {
            self.end(org).await;
        }
    }

    /// The ends of the children's logs, of those that said something at warning level or above.
    pub(super) fn last_words(&self) -> String {
        let mut words = "the nodes' last words:".to_owned();
        for (node, name) in self.nodes.iter().zip(ORGS) {
            let log = std::fs::read(node.dir.join("node.log")).unwrap_or_default();
            let tail = &log[log.len().saturating_sub(LAST_WORDS_BYTES)..];
            let tail = String::from_utf8_lossy(tail);
            words.push_str(&format!("\n--- {name}\n{}", tail.trim()));
        }
        words
    }

    async fn end(&mut self, org: usize) {
        let Some(mut child) = self.nodes[org].child.take() else { return };
        drop(child.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < DRAIN && !matches!(child.try_wait(), Ok(Some(_))) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    async fn spawn(&mut self, org: usize) -> Result<()> {
        self.launch(org)?;
        self.wait_until_up(org).await
    }

    fn launch(&mut self, org: usize) -> Result<()> {
        let node = &mut self.nodes[org];
        let log = File::options().create(true).append(true).open(node.dir.join("node.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .args(["run", "--until-stdin-closes", "--dir"])
            .arg(&node.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting a node")?;
        node.child = Some(child);
        Ok(())
    }

    async fn wait_until_up(&mut self, org: usize) -> Result<()> {
        let begun = Instant::now();
        while self.status(org).await.is_err() {
            let child = self.nodes[org].child.as_mut().context("not started")?;
            if let Some(status) = child.try_wait()? {
                bail!("{} ended: {status}", ORGS[org]);
            }
            ensure!(begun.elapsed() < PATIENCE, "{} does not come up", ORGS[org]);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Approves a joiner as soon as it asks; B vouches for C, too.
    async fn approve(&self, org: usize) -> Result<()> {
        let endorsers: Vec<_> = ORGS[1..org].iter().map(ToString::to_string).collect();
        let applicant = ORGS[org].to_owned();
        let begun = Instant::now();
        while !self.status(0).await?.applicants.iter().any(|waiting| waiting.name == applicant) {
            ensure!(begun.elapsed() < PATIENCE, "{applicant} does not ask");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.local(0).await?.approve(&applicant, &endorsers).await?;
        Ok(())
    }

    async fn wait(&self, what: &str, holds: impl Fn(&StatusResponse) -> bool) -> Result<()> {
        let begun = Instant::now();
        for org in 0..self.nodes.len() {
            while !holds(&self.status(org).await?) {
                ensure!(begun.elapsed() < PATIENCE, "waited too long until {what}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }
}

/// Gives a node two ports of its own.
fn configure(dir: &Path) -> Result<()> {
    let [local, peer] = ports::free()?;
    let folder = Folder::open(dir)?;
    let text = std::fs::read_to_string(folder.config_file())?;
    let mut table: toml::Table = text.parse()?;
    table["metrics"]["listen"] = "".into();
    table["local"]["listen"] = local.to_string().into();
    table["peer"]["listen"] = peer.to_string().into();
    table["peer"]["advertise"] = peer.to_string().into();
    folder.write("flowlore.toml", toml::to_string(&table)?.as_bytes())
}

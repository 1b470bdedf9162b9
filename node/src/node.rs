//! A running node: everything that its services share.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use anyhow::{Context as _, Result};
use flowlore_common::destination::OwnPolicy;
use flowlore_common::env::Clock;
use flowlore_common::ids::OrgId;
use flowlore_common::roster::Registration;
use flowlore_common::suffixes::Suffixes;
use flowlore_common::time::Hour;
use flowlore_ledger::sync::Event;
use flowlore_veil::keys::{KeyShare, PublicKeyPackage};
use tokio::sync::{Notify, Semaphore, watch};

use crate::admission::{Admission, Dealt};
use crate::archive::Flows;
use crate::ask::Asker;
use crate::board::Board;
use crate::config::Config;
use crate::days::Days;
use crate::evaluator::Evaluator;
use crate::federation;
use crate::folder::{Folder, FolderLock};
use crate::guard::{Guard, Situation};
use crate::here::Here;
use crate::keys::Keys;
use crate::limits::{REDIAL_MAX, UPLOADS_MAX};
use crate::metrics::Metrics;
use crate::names::Names;
use crate::netflow::Netflow;
use crate::outbox::Outbox;
use crate::peer::dialler::outbound;
use crate::peer::hub::Hub;
use crate::peer::links::Links;
use crate::publish::Slots;
use crate::roster::Roster;
use crate::store::Store;
use crate::tls::{Identity, Meter};
use crate::upkeep::Upkeep;
use crate::wanted::Wanted;

/// Everything that the services of a node share.
pub struct Node {
    /// The configuration.
    pub config: Config,
    /// Its folder.
    pub folder: Folder,
    /// Its keys.
    pub keys: Keys,
    /// This org.
    pub org: OrgId,
    /// What its id is the hash of.
    pub registration: Registration,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The public suffix list in use.
    pub suffixes: &'static Suffixes,
    /// Blocks, records, roster and answers.
    pub store: Store,
    /// The org's own flows.
    pub flows: Flows,
    /// What was sent for days, as it came.
    pub days: Days,
    /// What routers send.
    pub netflow: Netflow,
    /// Asks evaluators.
    pub asker: Asker,
    /// Our share of the evaluation key.
    pub share: Arc<Mutex<Option<KeyShare>>>,
    /// The key epoch whose dealer was told, since the start, that we hold our share.
    pub share_told: AtomicU32,
    /// Evaluating for others.
    pub evaluator: Mutex<Evaluator>,
    /// Invitations and applicants.
    pub admission: Mutex<Admission>,
    /// Dealt shares that are still to be taken.
    pub dealt: Mutex<Dealt>,
    /// Channels to other members.
    pub links: Arc<Links>,
    /// TLS identity.
    pub identity: Arc<Identity>,
    /// Traffic by key.
    pub meter: Arc<Meter>,
    /// What is counted as it happens.
    pub metrics: Arc<Metrics>,
    /// What is known about peers.
    pub board: Board,
    /// After a start: when our feed may grow.
    pub guard: Guard,
    /// Replication streams.
    pub hub: Hub,
    /// Wakes the publisher.
    pub publish: Notify,
    /// Places among those whose flows are looked at.
    pub analyses: Arc<Semaphore>,
    /// One publication at a time, so that nothing is sealed twice; and what it looked at before.
    pub publishing: tokio::sync::Mutex<Upkeep>,
    /// Set when the node is to stop: whatever would stay open for ever ends then.
    pub stopping: watch::Sender<bool>,
    /// When the process began to serve.
    pub started: Instant,
    outbox: RwLock<Outbox>,
    wanted: Mutex<Wanted>,
    here: RwLock<Here>,
    _lock: FolderLock,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node of {:?}", self.org)
    }
}

impl Node {
    /// Opens the node of a folder; nothing listens or dials yet.
    ///
    /// # Errors
    /// The folder is in use, or something in it cannot be read.
    pub fn open(folder: Folder, config: Config, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let lock = folder.lock()?;
        folder.remove_leftovers()?;
        let keys = Keys::load(&folder)?;
        let registration = federation::registration(&folder)?;
        let org = registration.org();
        let store = Store::open(&folder, org, clock.as_ref())?;
        let share = Arc::new(Mutex::new(load_share(&folder)?));
        let names = Arc::new(Mutex::new(Names::open(&folder, &keys.at_rest)?));
        let suffixes = Suffixes::shipped();
        let identity = Arc::new(Identity::new(&keys.transport)?);
        let meter = Arc::new(Meter::default());
        let links = Arc::new(Links::new(identity.clone(), meter.clone()));
        let asker = Asker {
            org,
            signing: keys.signing.clone(),
            names,
            share: share.clone(),
            clock: clock.clone(),
            carrier: links.clone(),
        };
        let flows = Flows::open(folder.root(), config.retention)?;
        let days = Days::open(&folder, config.days_gib << 30)?;
        let netflow = Netflow::open(&folder)?;
        Ok(Arc::new(Self {
            flows,
            days,
            netflow,
            evaluator: Mutex::new(Evaluator::open(&folder, &keys.at_rest)?),
            here: RwLock::new(Here::open(&folder, &keys.at_rest)?),
            wanted: Mutex::new(Wanted::open(&folder, &keys.at_rest, suffixes)?),
            outbox: RwLock::new(Outbox::open(&folder, &keys.at_rest, suffixes)?),
            admission: Mutex::new(Admission::open(&folder)?),
            dealt: Mutex::new(Dealt::open(&folder)?),
            config,
            folder,
            keys,
            org,
            registration,
            clock,
            suffixes,
            store,
            asker,
            share,
            share_told: AtomicU32::new(0),
            links,
            identity,
            meter,
            metrics: Arc::default(),
            board: Board::default(),
            guard: Guard::default(),
            hub: Hub::default(),
            publish: Notify::new(),
            analyses: Arc::new(Semaphore::new(UPLOADS_MAX)),
            publishing: tokio::sync::Mutex::default(),
            stopping: watch::Sender::new(false),
            started: Instant::now(),
            _lock: lock,
        }))
    }

    /// Lets the sync state machine take a step. Blocks.
    pub fn step(&self, event: Event) {
        self.hub.step(&self.store, &self.board, self.clock.as_ref(), event);
    }

    /// Whether this node holds its share of a key.
    #[must_use]
    pub fn holds_share(&self, package: &PublicKeyPackage) -> bool {
        let share = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        share.as_ref().is_some_and(|share| package.holds(share))
    }

    /// Ends when the node is to stop.
    pub async fn stopped(&self) {
        // A sender that is gone means the same.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// The current hour.
    #[must_use]
    pub fn hour(&self) -> Hour {
        self.clock.now().hour()
    }

    /// What this org says.
    pub fn outbox(&self) -> RwLockWriteGuard<'_, Outbox> {
        self.outbox.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this org itself saw. Never leaves.
    pub fn here(&self) -> RwLockWriteGuard<'_, Here> {
        self.here.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both to read, as any number of look-ups do at once; waits for whoever writes.
    pub fn own(&self) -> (RwLockReadGuard<'_, Here>, RwLockReadGuard<'_, Outbox>) {
        let here = self.here.read().unwrap_or_else(PoisonError::into_inner);
        (here, self.outbox.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, if nobody writes now.
    #[must_use]
    pub fn own_at_once(&self) -> Option<(RwLockReadGuard<'_, Here>, RwLockReadGuard<'_, Outbox>)> {
        Some((self.here.try_read().ok()?, self.outbox.try_read().ok()?))
    }

    /// Names that wait to be asked for.
    pub fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether our feed may grow, a while after the start.
    ///
    /// # Errors
    /// What is still waited for.
    pub fn may_seal(&self, roster: &Roster) -> Result<(), &'static str> {
        let dialled = outbound(roster, &self.org);
        let untried = dialled.iter().filter(|org| !self.board.peer(org).tried).count();
        let waited = self.started.elapsed();
        let situation = Situation {
            others: roster.active().filter(|member| member.org != self.org).count(),
            untried,
            is_heard: !dialled.is_empty() || waited > REDIAL_MAX,
            waited,
        };
        self.guard.check(situation, |head| self.store.holds_own(head))
    }

    /// Lets the feed go on in a new incarnation, whatever others hold of the one before, and says everything again.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn begin_incarnation(&self) -> Result<()> {
        self.store.begin_incarnation();
        self.guard.waive();
        self.outbox().reseal_all(self.hour())?;
        Ok(())
    }

    /// What never leaves, as configured here and pinned by the roster.
    #[must_use]
    pub fn own_policy(&self, roster: &Roster) -> OwnPolicy<'static> {
        OwnPolicy {
            own: self.config.publish.own.clone(),
            private: self.config.publish.private.clone(),
            minting_sites: BTreeSet::new(),
            documentation_names: roster.policy.documentation_names,
            suffixes: self.suffixes,
        }
    }

    /// When contacted labels may leave.
    #[must_use]
    pub fn slots(&self, roster: &Roster) -> Slots {
        let delay_hours = roster.policy.publication_delay_hours;
        // The org's own hour of the day: spread over the federation, the same every day.
        Slots { now: self.hour(), delay_hours, slot: self.org.0[0] % 24 }
    }

    /// Invitations and applicants.
    pub fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Dealt shares that are still to be taken.
    pub fn dealt(&self) -> MutexGuard<'_, Dealt> {
        self.dealt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load_share(folder: &Folder) -> Result<Option<KeyShare>> {
    let bytes = folder.read(federation::SHARE_FILE)?;
    let share = bytes.map(|bytes| KeyShare::from_bytes(&bytes)).transpose();
    share.with_context(|| format!("{} is damaged", folder.path(federation::SHARE_FILE).display()))
}

//! Opening: the lock, the log's end, the state or a new one from the log.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowlore_common::roster::Document;
use flowlore_common::time::Hour;
use rand_core::CryptoRngCore;

use super::Ledger;
use super::enter::{Replayed, parse_admission};
use crate::answer::kept::Kept;
use crate::limits::STATE_SET_ASIDE_MAX;
use crate::roster::{Chain, RosterError};
use crate::store::behind::Behind;
use crate::store::disk::{Disk, RealDisk};
use crate::store::memory::MemoryStore;
use crate::store::row::{ForkProof, LogEnd};
use crate::store::segment::{EntryKind, Log, LogError};
use crate::store::sled as engine;
use crate::store::{Changes, Store, StoreError};

/// Where the state is kept. The log is on disk with both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// In memory, from the log at each start.
    Memory,
    /// In sled.
    Sled,
}

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Bytes after the log's last whole entry: the end of a write that was never acknowledged,
    /// moved into a file beside the log.
    pub torn_bytes: u64,
    /// Why the state was made anew from the log, if it was.
    pub rebuilt: Option<String>,
    /// Entries of the log that were folded into the state.
    pub replayed: u64,
}

/// Why a ledger can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0} is in use by another process: stop that first")]
    Locked(PathBuf),
    /// There is a ledger already, or none.
    #[error("{path}: {what}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The operating system says no.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state can't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Document 0 does not hold.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// An entry of the log was accepted once and is refused now: damage, or other software.
    #[error("the log's entry at segment {segment}, byte {offset} is refused: {reason}")]
    Replay {
        /// The segment.
        segment: u32,
        /// Where its content begins.
        offset: u32,
        /// Why.
        reason: String,
    },
}

impl Ledger {
    /// A new ledger in a folder, founded on document 0.
    ///
    /// # Errors
    /// See [`OpenError`]; `Folder` when there is one already.
    pub fn create(folder: &Path, engine: Engine, first: &Document) -> Result<Self, OpenError> {
        let lock = lock(folder)?;
        let (mut log, _) = Log::open(&folder.join("log"), Arc::new(RealDisk))?;
        if log.entry(LogEnd::default())?.is_some() {
            let what = "there is a ledger here already";
            return Err(OpenError::Folder { path: folder.to_owned(), what });
        }
        let chain = Chain::found(first)?;
        log.append(EntryKind::Roster, &first.encode(), true)?;
        let store = behind(open_store(folder, engine)?, engine)?;
        Self::founded(log, store, chain, first, Some(lock))
    }

    /// A ledger that ends with the process.
    ///
    /// # Errors
    /// `Roster`: document 0 does not hold.
    pub fn in_memory(first: &Document) -> Result<Self, OpenError> {
        Self::in_memory_on(first, Box::new(MemoryStore::default()))
    }

    /// A log that ends with the process, over a state of the caller's.
    ///
    /// # Errors
    /// `Roster`: document 0 does not hold. `Store`.
    pub fn in_memory_on(first: &Document, store: Box<dyn Store>) -> Result<Self, OpenError> {
        let mut log = Log::in_memory();
        let chain = Chain::found(first)?;
        log.append(EntryKind::Roster, &first.encode(), true)?;
        Self::founded(log, store, chain, first, None)
    }

    /// Opens a folder's ledger. A state that is missing, broken, of another layout or ahead of the
    /// log is set aside and made anew from the log.
    ///
    /// # Errors
    /// See [`OpenError`]; `Folder` when there is none.
    pub fn open(
        folder: &Path,
        engine: Engine,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, OpenReport), OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        Self::open_on(folder, engine, &disk, rng)
    }

    /// Likewise, on a disk of the caller's.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(
        folder: &Path,
        engine: Engine,
        disk: &Arc<dyn Disk>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, OpenReport), OpenError> {
        let lock = lock(folder)?;
        let (log, torn_bytes) = Log::open(&folder.join("log"), disk.clone())?;
        let mut report = OpenReport { torn_bytes, ..OpenReport::default() };
        let usable = match engine {
            Engine::Memory => Err(None),
            Engine::Sled => usable_state(folder, &log).map_err(Some),
        };
        let (mut ledger, from) = match usable {
            Ok((store, from)) => (Self::resumed(log, store)?, from),
            Err(why) => {
                if why.is_some() {
                    set_aside(folder)?;
                }
                report.rebuilt = why;
                let store = open_store(folder, engine)?;
                let first = first_entry(folder, &log)?;
                let chain = Chain::found(&first.0)?;
                let ledger = Self::founded(log, store, chain, &first.0, None)?;
                (ledger, first.1)
            }
        };
        ledger._lock = Some(lock);
        ledger.store = behind(disk.state(ledger.store), engine)?;
        report.replayed = ledger.replay(from, rng)?;
        Ok((ledger, report))
    }

    /// Folds the log from a place on into the state.
    pub(crate) fn replay(
        &mut self,
        mut from: LogEnd,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<u64, OpenError> {
        let mut entries = 0;
        while let Some(entry) = self.log.entry(from)? {
            let replayed = Replayed { place: entry.place, end: entry.next };
            self.replay_entry(entry.kind, &entry.content, replayed, rng).map_err(|reason| {
                let (segment, offset) = (entry.place.segment, entry.place.offset);
                OpenError::Replay { segment, offset, reason }
            })?;
            from = entry.next;
            entries += 1;
        }
        Ok(entries)
    }

    fn replay_entry(
        &mut self,
        kind: EntryKind,
        content: &[u8],
        replayed: Replayed,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(), String> {
        match kind {
            EntryKind::Admission => {
                let (records, block) = parse_admission(content).ok_or("malformed admission")?;
                // Its time has come, or it would not be in the log.
                let next = self.judge(block, &records, Hour(u32::MAX));
                let next = next.map_err(|refused| refused.to_string())?;
                let next = next.ok_or("a block that is here already")?;
                let entered = self.enter_block(*next, false, Some(replayed), rng);
                entered.map(|_| ()).map_err(|refused| refused.to_string())
            }
            EntryKind::Roster => {
                let document = Document::parse(content).map_err(|error| error.to_string())?;
                let entered = self.enter_document(&document, Some(replayed), rng);
                entered.map(|_| ()).map_err(|refused| refused.to_string())
            }
            EntryKind::Fork => {
                let proof = ForkProof::parse(content).ok_or("malformed fork proof")?;
                let entered = self.enter_fork(&proof, Some(replayed));
                entered.map(|_| ()).map_err(|refused| refused.to_string())
            }
        }
    }

    /// A ledger whose log holds document 0 and whose state is empty.
    pub(crate) fn founded(
        log: Log,
        store: Box<dyn Store>,
        chain: Chain,
        first: &Document,
        lock: Option<File>,
    ) -> Result<Self, OpenError> {
        let folded = log.entry(LogEnd::default())?.map_or(LogEnd::default(), |entry| entry.next);
        let documents = vec![(0, Some(first.encode()))];
        store.apply(&Changes { folded, documents, ..Changes::default() })?;
        Ok(Self {
            log,
            store,
            chain,
            feeds: BTreeMap::new(),
            forks: BTreeMap::new(),
            held: BTreeMap::new(),
            kept: Kept::default(),
            contests: BTreeMap::new(),
            is_behind: false,
            _lock: lock,
        })
    }

    /// Document 0, and where the log goes on after it.
    pub(crate) fn first_document(&self) -> Result<(Document, LogEnd), OpenError> {
        first_entry(Path::new("log"), &self.log)
    }

    fn resumed(log: Log, store: Box<dyn Store>) -> Result<Self, OpenError> {
        let (chain, contests) = Self::stored_rosters(store.as_ref())?;
        let (feeds, forks) = (store.feeds()?, store.forks()?);
        Ok(Self {
            log,
            store,
            chain,
            feeds: feeds.into_iter().collect(),
            forks: forks.into_iter().collect(),
            held: BTreeMap::new(),
            kept: Kept::default(),
            contests,
            is_behind: false,
            _lock: None,
        })
    }
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let io = |error| OpenError::Io { path: folder.to_owned(), error };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    let mut options = OpenOptions::new();
    let path = folder.join("ledger.lock");
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(io)?;
    match flowlore_common::lock::exclusive(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

fn open_store(folder: &Path, engine: Engine) -> Result<Box<dyn Store>, StoreError> {
    Ok(match engine {
        Engine::Memory => Box::new(MemoryStore::default()),
        Engine::Sled => Box::new(engine::SledStore::open(&folder.join("state"))?),
    })
}

/// A state on disk is written while the next block is checked.
fn behind(store: Box<dyn Store>, engine: Engine) -> Result<Box<dyn Store>, StoreError> {
    Ok(match engine {
        Engine::Memory => store,
        Engine::Sled => Box::new(Behind::new(store)?),
    })
}

/// The state on disk and how far it reaches, or why it can't be used.
fn usable_state(folder: &Path, log: &Log) -> Result<(Box<dyn Store>, LogEnd), String> {
    if !folder.join("state").exists() {
        return Err("there is none".to_owned());
    }
    let store = open_store(folder, Engine::Sled).map_err(|error| error.to_string())?;
    let folded = store.folded().map_err(|error| error.to_string())?;
    if folded == LogEnd::default() {
        return Err("it is empty".to_owned());
    }
    if folded > log.end() {
        return Err("it is ahead of the log, which lost its end".to_owned());
    }
    Ok((store, folded))
}

/// Keeps a broken state for inspection, a few of them at most.
fn set_aside(folder: &Path) -> Result<(), OpenError> {
    let state = folder.join("state");
    if !state.exists() {
        return Ok(());
    }
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::Io { path, error }
    };
    let aside = |index: usize| folder.join(format!("state.aside-{index}"));
    let oldest = aside(STATE_SET_ASIDE_MAX - 1);
    if oldest.exists() {
        std::fs::remove_dir_all(&oldest).map_err(io(&oldest))?;
    }
    for index in (0..STATE_SET_ASIDE_MAX - 1).rev() {
        let from = aside(index);
        if from.exists() {
            std::fs::rename(&from, aside(index + 1)).map_err(io(&from))?;
        }
    }
    std::fs::rename(&state, aside(0)).map_err(io(&state))
}

/// Document 0, and where the log goes on after it.
fn first_entry(folder: &Path, log: &Log) -> Result<(Document, LogEnd), OpenError> {
    let none = || OpenError::Folder {
        path: folder.to_owned(),
        what: "there is no ledger here: create or join a federation first",
    };
    let entry = log.entry(LogEnd::default())?.ok_or_else(none)?;
    let document = Document::parse(&entry.content).map_err(|error| OpenError::Replay {
        segment: entry.place.segment,
        offset: entry.place.offset,
        reason: error.to_string(),
    })?;
    Ok((document, entry.next))
}

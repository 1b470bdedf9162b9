//! The ledger of this node: many readers, one writer at a time. Whoever writes waits for its turn, so that a
//! flood from one peer slows that peer down and fills no queue. Methods block: call them off the async threads.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::{Context as _, Result, bail};
use flowlore_common::answer::Shared;
use flowlore_common::block::{Feed, PayloadKind};
use flowlore_common::env::{Clock, SystemRng};
use flowlore_common::ids::{BlockId, OrgId};
use flowlore_common::label::Purpose;
use flowlore_common::roster::{Change, Document};
use flowlore_common::sign::SecretKey;
use flowlore_common::time::{Day, Hour};
use flowlore_ledger::answer::{Encode, Question, Said};
use flowlore_ledger::ledger::{Engine, Head, Ledger};
use flowlore_ledger::roster::Chain;
use flowlore_ledger::seal::{Author, OwnLabel};
use tokio::sync::watch;

use crate::folder::Folder;
use crate::roster::Roster;

/// Earlier ledgers that are kept when a node begins in another federation.
const ASIDE_MAX: u32 = 100;

/// The ledger, and what others want to know of it without waiting.
pub struct Store {
    ledger: RwLock<Ledger>,
    org: OrgId,
    log_folder: PathBuf,
    incarnation_min: AtomicU32,
    roster: watch::Sender<Arc<Roster>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// The first document of a new federation.
    ///
    /// # Errors
    /// The changes do not fit together.
    pub fn first_document(
        changes: Vec<Change>,
        org: OrgId,
        key: &SecretKey,
        now: Hour,
    ) -> Result<Document> {
        Ok(Document::new(Chain::draft_first(changes, now)?, org, key))
    }

    /// Whether a folder's ledger holds any block.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn has_blocks(folder: &Folder) -> Result<bool> {
        if !folder.path("log").exists() {
            return Ok(false);
        }
        let (ledger, _) = Ledger::open(folder.root(), Engine::Sled, &mut SystemRng)?;
        Ok(ledger.heads().next().is_some())
    }

    /// Makes a ledger from a roster; one that is there already is set aside.
    ///
    /// # Errors
    /// The disk refuses, or the roster does not hold.
    pub fn create(folder: &Folder, documents: &[Document]) -> Result<()> {
        Self::set_aside(folder)?;
        let (first, rest) = documents.split_first().context("a roster has a first document")?;
        let mut ledger = Ledger::create(folder.root(), Engine::Sled, first)?;
        for document in rest {
            let issued = document.statement.issued;
            ledger.apply_roster(document, issued, &mut SystemRng)?;
        }
        Ok(ledger.flush()?)
    }

    /// Moves a ledger out of the way: what was published in another federation stays readable there.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn set_aside(folder: &Folder) -> Result<()> {
        let present: Vec<_> =
            ["log", "state"].into_iter().filter(|name| folder.path(name).exists()).collect();
        if present.is_empty() {
            return Ok(());
        }
        let free = (1..=ASIDE_MAX).map(|n| folder.path(format!("aside-{n}")));
        let Some(aside) = free.into_iter().find(|path| !path.exists()) else {
            bail!("{ASIDE_MAX} ledgers were set aside already; remove aside-* from the folder");
        };
        fs::create_dir(&aside).with_context(|| aside.display().to_string())?;
        for name in present {
            fs::rename(folder.path(name), aside.join(name)).context("setting a ledger aside")?;
        }
        Ok(())
    }

    /// Opens a folder's ledger.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(folder: &Folder, org: OrgId, clock: &dyn Clock) -> Result<Self> {
        let (mut ledger, report) = Ledger::open(folder.root(), Engine::Sled, &mut SystemRng)?;
        if report.torn_bytes > 0 {
            tracing::warn!(bytes = report.torn_bytes, "the log had a cut-off end: set aside");
        }
        if let Some(why) = report.rebuilt {
            tracing::warn!(why, entries = report.replayed, "the state was made anew from the log");
        }
        ledger.tick(clock.now().hour(), &mut SystemRng);
        let roster = Arc::new(Roster::new(ledger.roster()));
        Ok(Self {
            org,
            log_folder: folder.path("log"),
            incarnation_min: AtomicU32::new(0),
            roster: watch::Sender::new(roster),
            ledger: RwLock::new(ledger),
        })
    }

    /// The newest roster, at hand.
    #[must_use]
    pub fn roster(&self) -> Arc<Roster> {
        self.roster.borrow().clone()
    }

    /// Tells of every new roster.
    #[must_use]
    pub fn watch_roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.roster.subscribe()
    }

    /// Reads.
    pub fn read(&self) -> RwLockReadGuard<'_, Ledger> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, then tells of the roster if there is a newer one.
    pub fn write<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger: RwLockWriteGuard<'_, Ledger> =
            self.ledger.write().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut ledger);
        let view = ledger.roster();
        if view.hash() != self.roster.borrow().hash {
            self.roster.send_replace(Arc::new(Roster::new(view)));
        }
        done
    }

    /// What two members compare first.
    #[must_use]
    pub fn objects_digest(&self) -> [u8; 32] {
        self.read().objects_digest()
    }

    /// Where our own labels go: the newest incarnation that has blocks, that our key begins at, or that was asked for.
    #[must_use]
    pub fn own_feed(&self) -> Feed {
        self.own_feed_in(&self.read())
    }

    fn own_feed_in(&self, ledger: &Ledger) -> Feed {
        let written = ledger.incarnation(&self.org).unwrap_or(0);
        let key = ledger.roster().member(&self.org).and_then(|us| us.keys.last());
        let keyed = key.map_or(0, |range| range.from.incarnation);
        let asked = self.incarnation_min.load(Ordering::Relaxed);
        Feed { org: self.org, incarnation: written.max(keyed).max(asked) }
    }

    /// Lets our next block begin a new incarnation, because others hold blocks of ours that we have lost for good.
    pub fn begin_incarnation(&self) {
        let next = self.own_feed().incarnation.saturating_add(1);
        self.incarnation_min.store(next, Ordering::Relaxed);
    }

    /// The newest block of an org that we hold.
    #[must_use]
    pub fn head_of(&self, org: &OrgId) -> Option<Head> {
        self.read().heads().filter(|head| head.feed.org == *org).last()
    }

    /// Whether our own feed reaches as far as somebody else holds it.
    #[must_use]
    pub fn holds_own(&self, theirs: &Head) -> bool {
        let ledger = self.read();
        ledger.head(&theirs.feed).is_some_and(|ours| {
            ours.next > theirs.next || (ours.next == theirs.next && ours.block == theirs.block)
        })
    }

    /// Roster documents from a version on: a page.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn documents_from(&self, version: u32, bytes_max: usize) -> Result<Vec<Vec<u8>>> {
        Ok(self.read().documents_from(version, bytes_max)?)
    }

    /// Writes the next roster document as its only governor.
    ///
    /// # Errors
    /// The changes break a rule of rosters, or this org is no governor, or others must sign, too.
    pub fn amend(
        &self,
        changes: Vec<Change>,
        org: OrgId,
        key: &SecretKey,
        now: Hour,
    ) -> Result<()> {
        self.write(|ledger| {
            let issued = now.max(ledger.roster().issued());
            let statement = ledger.chain().draft(changes, issued)?;
            let document = Document::new(statement, org, key);
            ledger.apply_roster(&document, now, &mut SystemRng)?;
            Ok(())
        })
    }

    /// Seals labels of one purpose, at most a block's worth.
    ///
    /// # Errors
    /// The block would break a rule, or the disk refuses; nothing is sealed then.
    pub fn seal(
        &self,
        purpose: Purpose,
        labels: Vec<OwnLabel>,
        key: &SecretKey,
        now: Hour,
    ) -> Result<BlockId> {
        self.write(|ledger| {
            let incarnation = self.own_feed_in(ledger).incarnation;
            let author = Author { org: self.org, incarnation, key };
            let sealed = ledger.seal(author, purpose, labels, now, &mut SystemRng)?;
            Ok(sealed.first().context("a block was sealed")?.id)
        })
    }

    /// Seals items of a kind other than labels, at most a block's worth.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_items(
        &self,
        kind: PayloadKind,
        items: &[Vec<u8>],
        key: &SecretKey,
        now: Hour,
    ) -> Result<BlockId> {
        self.write(|ledger| {
            let incarnation = self.own_feed_in(ledger).incarnation;
            let author = Author { org: self.org, incarnation, key };
            let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
            Ok(ledger.seal_items(author, kind, &items, now, &mut SystemRng)?.id)
        })
    }

    /// Brings everything to disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn flush(&self) -> Result<()> {
        Ok(self.write(Ledger::flush)?)
    }

    /// What all members say on a day.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn tell(&self, question: &Question, day: Day, encode: Encode) -> Result<Shared<Said>> {
        Ok(self.read().tell(question, day, encode)?)
    }

    /// Reads, if nobody writes now.
    #[must_use]
    pub fn read_at_once(&self) -> Option<RwLockReadGuard<'_, Ledger>> {
        self.ledger.try_read().ok()
    }

    /// How much there is.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let ledger = self.read();
        let ours = ledger.heads().filter(|head| head.feed.org == self.org);
        Sizes {
            blocks: ledger.heads().map(|head| head.next).sum(),
            own_blocks: ours.map(|head| head.next).sum(),
            held_blocks: ledger.held() as u64,
            objects_digest: ledger.objects_digest(),
            log_bytes: folder_bytes(&self.log_folder),
        }
    }
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Blocks of all feeds.
    pub blocks: u64,
    /// Blocks of our own feed.
    pub own_blocks: u64,
    /// Blocks that wait for something.
    pub held_blocks: u64,
    /// Equal for equal objects.
    pub objects_digest: [u8; 32],
    /// Bytes of the log.
    pub log_bytes: u64,
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum()
}

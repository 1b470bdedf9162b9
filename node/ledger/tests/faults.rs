//! Goal: a disk that is full or breaks at any point costs nothing that was acknowledged, and the call
//! that met it and all later ones fail. Method: one story, on a disk that has so many bytes or so many
//! syncs or batches left, for every so many; then the same folder on a good disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flowlore_common::ids::{OrgId, Token};
use flowlore_common::label::Purpose;
use flowlore_ledger::ledger::{Accepted, Engine, Ledger};
use flowlore_ledger::seal::SealError;
use flowlore_ledger::store::disk::Disk;
use flowlore_ledger::store::row::{
    BlockRow, FeedRow, ForkProof, LabelRow, LogEnd, NoteRow, TokenRow,
};
use flowlore_ledger::store::{Changes, Store, StoreError};
use world::{NOW, World, sighting, today};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// So many bytes fit the log, then the disk is full.
    Bytes,
    /// So many syncs of the log, then the device fails.
    Syncs,
    /// So many batches of the state, then the disk is full.
    Batches,
}

#[derive(Debug)]
struct Failing {
    fault: Fault,
    left: Arc<AtomicUsize>,
}

impl Failing {
    /// How many of what is asked for are still granted.
    fn take(left: &AtomicUsize, wanted: usize) -> usize {
        let had = left.load(Ordering::SeqCst);
        left.store(had.saturating_sub(wanted), Ordering::SeqCst);
        had.min(wanted)
    }
}

impl Disk for Failing {
    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        if self.fault != Fault::Bytes {
            return file.write_all(bytes);
        }
        let fits = Self::take(&self.left, bytes.len());
        file.write_all(&bytes[..fits])?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.fault == Fault::Syncs && Self::take(&self.left, 1) == 0 {
            return Err(io::Error::other("device error"));
        }
        file.sync_data()
    }

    fn state(&self, store: Box<dyn Store>) -> Box<dyn Store> {
        if self.fault != Fault::Batches {
            return store;
        }
        Box::new(FullState { store, left: self.left.clone() })
    }
}

struct FullState {
    store: Box<dyn Store>,
    left: Arc<AtomicUsize>,
}

impl Store for FullState {
    fn folded(&self) -> Result<LogEnd, StoreError> {
        self.store.folded()
    }
    fn documents(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.store.documents()
    }
    fn rivals(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.store.rivals()
    }
    fn feeds(&self) -> Result<Vec<(world::Feed, FeedRow)>, StoreError> {
        self.store.feeds()
    }
    fn forks(&self) -> Result<Vec<(world::Feed, ForkProof)>, StoreError> {
        self.store.forks()
    }
    fn block(&self, feed: &world::Feed, height: u64) -> Result<Option<BlockRow>, StoreError> {
        self.store.block(feed, height)
    }
    fn token(&self, token: &Token) -> Result<Option<TokenRow>, StoreError> {
        self.store.token(token)
    }
    fn label(&self, token: &Token, org: &OrgId) -> Result<Option<LabelRow>, StoreError> {
        self.store.label(token, org)
    }
    fn labels(&self, token: &Token) -> Result<Vec<(OrgId, LabelRow)>, StoreError> {
        self.store.labels(token)
    }
    fn each_label(&self, see: &mut dyn FnMut(&Token, &OrgId, &LabelRow)) -> Result<(), StoreError> {
        self.store.each_label(see)
    }
    fn note(&self, token: &Token, org: &OrgId) -> Result<Option<NoteRow>, StoreError> {
        self.store.note(token, org)
    }
    fn each_note(&self, see: &mut dyn FnMut(&Token, &OrgId, &NoteRow)) -> Result<(), StoreError> {
        self.store.each_note(see)
    }
    fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        if Failing::take(&self.left, 1) == 0 {
            return Err(StoreError::Engine("No space left on device".to_owned()));
        }
        self.store.apply(changes)
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }
}

const BLOCKS: usize = 5;

/// One's own block about a name of its own.
fn say(world: &mut World, ledger: &mut Ledger, number: usize) -> Result<Accepted, SealError> {
    let label = world.label(0, &format!("n{number}.example"), Purpose::Contacted, &sighting());
    let author = world::org(0, 1);
    let sealed =
        ledger.seal(author.author(), Purpose::Contacted, vec![label], NOW, &mut world.rng)?;
    Ok(sealed[0].clone())
}

/// The story on a disk with so much left; `true`: it came to its end.
fn story(fault: Fault, left: usize) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(&[1]);
    drop(Ledger::create(dir.path(), Engine::Sled, &world.first).unwrap());
    let disk: Arc<dyn Disk> = Arc::new(Failing { fault, left: Arc::new(AtomicUsize::new(left)) });
    let opened = Ledger::open_on(dir.path(), Engine::Sled, &disk, &mut world.rng);
    let (mut ledger, _) = opened.unwrap();
    let mut acknowledged = Vec::new();
    for number in 0..BLOCKS {
        match say(&mut world, &mut ledger, number) {
            Ok(accepted) => acknowledged.push(accepted),
            Err(SealError::Refused(flowlore_ledger::admit::Refused::Storage(_))) => break,
            Err(other) => panic!("{other}"),
        }
    }
    let ended = acknowledged.len() == BLOCKS;
    if !ended {
        // Also with room again: what is on disk is known only by reading it.
        assert!(say(&mut world, &mut ledger, 99).is_err(), "{fault:?} {left}: it goes on");
    }
    drop(ledger);
    let (mut ledger, _) = Ledger::open(dir.path(), Engine::Sled, &mut world.rng).unwrap();
    let feed = world::org(0, 1).feed();
    for (height, accepted) in (0..).zip(&acknowledged) {
        assert_eq!((accepted.feed, accepted.height), (feed, height));
        let bytes = &world::blocks(&ledger, feed, height)[0];
        let block = flowlore_common::block::UnverifiedBlock::parse(bytes.clone()).unwrap();
        assert_eq!(block.header().id(), accepted.id, "{fault:?} {left}: an acknowledged block");
    }
    // At most the one that failed is there as well, whole.
    let next = ledger.head(&feed).map_or(0, |head| head.next);
    let said = acknowledged.len() as u64;
    assert!((said..=said + 1).contains(&next), "{fault:?} {left}: {next} of {said}");
    let check = ledger.verify(today(), &mut world.rng).unwrap();
    assert!(check.objects_agree && check.state_agrees, "{fault:?} {left}");
    assert_eq!(say(&mut world, &mut ledger, 100).unwrap().height, next, "and it goes on");
    ended
}

fn until_it_ends(fault: Fault, step: usize) {
    let stories = (0..).step_by(step).take_while(|left| !story(fault, *left)).count();
    assert!(stories > 3, "{fault:?}: the disk never failed");
}

#[test]
fn a_disk_that_is_full_after_any_number_of_bytes() {
    until_it_ends(Fault::Bytes, 97);
}

#[test]
fn a_sync_that_fails() {
    until_it_ends(Fault::Syncs, 1);
}

#[test]
fn a_state_that_can_not_be_written() {
    until_it_ends(Fault::Batches, 1);
}

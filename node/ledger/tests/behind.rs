//! Goal: a state that is written behind the caller's back shows nobody that it is, and no failure of the engine is lost or
//! waited for without end. Method: an engine that applies a batch only when it is let, then fails or panics.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use flowlore_common::ids::{OrgId, Token};
use flowlore_ledger::limits::BATCHES_BEHIND_MAX;
use flowlore_ledger::store::behind::Behind;
use flowlore_ledger::store::memory::MemoryStore;
use flowlore_ledger::store::row::{
    BlockRow, FeedRow, ForkProof, LabelRow, LogEnd, NoteRow, Place, TokenRow,
};
use flowlore_ledger::store::{Changes, Store, StoreError};
use world::Feed;

/// What the engine does with the next batch.
#[derive(Clone, Copy)]
enum Turn {
    Apply,
    Fail,
    Panic,
}

/// Applies as it is told; without a word it waits.
struct Told {
    memory: Arc<MemoryStore>,
    turns: Mutex<Receiver<Turn>>,
}

impl Store for Told {
    fn folded(&self) -> Result<LogEnd, StoreError> {
        self.memory.folded()
    }
    fn documents(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.memory.documents()
    }
    fn rivals(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.memory.rivals()
    }
    fn feeds(&self) -> Result<Vec<(Feed, FeedRow)>, StoreError> {
        self.memory.feeds()
    }
    fn forks(&self) -> Result<Vec<(Feed, ForkProof)>, StoreError> {
        self.memory.forks()
    }
    fn block(&self, feed: &Feed, height: u64) -> Result<Option<BlockRow>, StoreError> {
        self.memory.block(feed, height)
    }
    fn token(&self, token: &Token) -> Result<Option<TokenRow>, StoreError> {
        self.memory.token(token)
    }
    fn label(&self, token: &Token, org: &OrgId) -> Result<Option<LabelRow>, StoreError> {
        self.memory.label(token, org)
    }
    fn labels(&self, token: &Token) -> Result<Vec<(OrgId, LabelRow)>, StoreError> {
        self.memory.labels(token)
    }
    fn each_label(&self, see: &mut dyn FnMut(&Token, &OrgId, &LabelRow)) -> Result<(), StoreError> {
        self.memory.each_label(see)
    }
    fn note(&self, token: &Token, org: &OrgId) -> Result<Option<NoteRow>, StoreError> {
        self.memory.note(token, org)
    }
    fn each_note(&self, see: &mut dyn FnMut(&Token, &OrgId, &NoteRow)) -> Result<(), StoreError> {
        self.memory.each_note(see)
    }
    fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        match self.turns.lock().unwrap().recv() {
            Ok(Turn::Apply) => self.memory.apply(changes),
            Ok(Turn::Panic) => panic!("as told"),
            Ok(Turn::Fail) | Err(_) => Err(StoreError::Engine("as told".to_owned())),
        }
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.memory.flush()
    }
}

fn behind() -> (Behind, Sender<Turn>, Arc<MemoryStore>) {
    let (turn, turns) = channel();
    let memory = Arc::new(MemoryStore::default());
    let engine = Told { memory: memory.clone(), turns: Mutex::new(turns) };
    (Behind::new(Box::new(engine)).unwrap(), turn, memory)
}

/// A batch that brings one token.
fn batch(number: u8) -> Changes {
    let row = TokenRow { void: false, record: Place::default() };
    let folded = LogEnd { segment: u32::from(number), offset: 0 };
    Changes { folded, tokens: vec![(token(number), row)], ..Changes::default() }
}

fn token(number: u8) -> Token {
    Token([number; 32])
}

#[test]
fn who_reads_what_waits_waits_and_nobody_else() {
    let (behind, turn, memory) = behind();
    for number in 0..u8::try_from(BATCHES_BEHIND_MAX).unwrap() {
        behind.apply(&batch(number)).unwrap();
    }
    // Nothing is applied, and what no batch touches is read all the same.
    assert_eq!(behind.token(&token(99)).unwrap(), None);
    assert_eq!(memory.token(&token(0)).unwrap(), None);
    thread::scope(|scope| {
        let reads = scope.spawn(|| behind.token(&token(1)).unwrap().is_some());
        let lists = scope.spawn(|| behind.folded().unwrap().segment);
        let applies = scope.spawn(|| behind.apply(&batch(50)).unwrap());
        for _ in 0..=BATCHES_BEHIND_MAX {
            turn.send(Turn::Apply).unwrap();
        }
        applies.join().unwrap();
        assert!(reads.join().unwrap());
        assert!(lists.join().unwrap() >= 3);
    });
    behind.flush().unwrap();
    assert_eq!(memory.folded().unwrap().segment, 50, "in the order in which they came");
    behind.apply(&batch(51)).unwrap();
    turn.send(Turn::Apply).unwrap();
    drop(behind);
    assert!(memory.token(&token(51)).unwrap().is_some(), "what waits is written before the end");
}

#[test]
fn a_batch_that_fails_fails_all_that_comes_after() {
    for fault in [Turn::Fail, Turn::Panic] {
        let (behind, turn, memory) = behind();
        for number in 0..3 {
            behind.apply(&batch(number)).unwrap();
        }
        turn.send(Turn::Apply).unwrap();
        turn.send(fault).unwrap();
        assert!(behind.token(&token(1)).is_err());
        assert!(behind.flush().is_err() && behind.apply(&batch(9)).is_err());
        assert!(behind.token(&token(0)).is_err(), "until it is opened again");
        drop(behind);
        assert_eq!(memory.folded().unwrap().segment, 0, "none after the one that failed");
    }
}

//! A state that is written behind the caller's back: while one block's batch goes to disk, the next block is checked.
//!
//! Batches are applied in the order in which they came, a few at most wait, and nobody sees the difference: whoever
//! reads what a waiting batch touches waits for it. A batch that fails fails every later call; the log has what it
//! held, and opening folds it again. A crash loses waiting batches as it loses what the engine has not flushed.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use flowlore_common::block::Feed;
use flowlore_common::ids::{OrgId, Token};

use super::row::{BlockRow, FeedRow, ForkProof, LabelRow, LogEnd, NoteRow, TokenRow};
use super::{Changes, Store, StoreError};
use crate::limits::BATCHES_BEHIND_MAX;

/// An engine, and batches that it has yet to apply.
pub struct Behind {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    engine: Box<dyn Store>,
    queue: Mutex<Queue>,
    /// The queue grew, shrank, failed or is closed.
    moved: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Oldest first; the first is being applied.
    waiting: VecDeque<Arc<Changes>>,
    /// What waiting batches touch, and how many of them.
    touched: HashMap<Key, usize>,
    failed: Option<StoreError>,
    is_closed: bool,
}

/// What is read one by one. Lists of all are read when nothing waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Token(Token),
    Block(Feed, u64),
}

fn keys(changes: &Changes) -> impl Iterator<Item = Key> + '_ {
    let records = changes.tokens.iter().map(|(token, _)| *token);
    let labels = changes.labels.iter().map(|(token, ..)| *token);
    let notes = changes.notes.iter().map(|(token, ..)| *token);
    let blocks = changes.blocks.iter().map(|(feed, height, _)| Key::Block(*feed, *height));
    records.chain(labels).chain(notes).map(Key::Token).chain(blocks)
}

impl Behind {
    /// Begins to write behind the caller.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(engine: Box<dyn Store>) -> Result<Self, StoreError> {
        let (queue, moved) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { engine, queue, moved });
        let writer = shared.clone();
        let writer = std::thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || writer.write())
            .map_err(|error| StoreError::Engine(error.to_string()))?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// The engine, once nothing that waits touches `key`.
    fn at(&self, key: Key) -> Result<&dyn Store, StoreError> {
        drop(self.shared.wait(|queue| !queue.touched.contains_key(&key))?);
        Ok(self.shared.engine.as_ref())
    }

    /// The engine, once nothing waits.
    fn whole(&self) -> Result<&dyn Store, StoreError> {
        drop(self.shared.wait(|queue| queue.waiting.is_empty())?);
        Ok(self.shared.engine.as_ref())
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, is_so: impl Fn(&Queue) -> bool) -> Result<MutexGuard<'_, Queue>, StoreError> {
        let mut queue = self.queue();
        loop {
            if let Some(error) = &queue.failed {
                return Err(error.clone());
            }
            if is_so(&queue) {
                return Ok(queue);
            }
            queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The writer's life.
    fn write(&self) {
        let mut queue = self.queue();
        while queue.failed.is_none() {
            let Some(changes) = queue.waiting.front().cloned() else {
                if queue.is_closed {
                    return;
                }
                queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(queue);
            let applied = catch_unwind(AssertUnwindSafe(|| self.engine.apply(&changes)));
            let panicked = |_| Err(StoreError::Engine("it panicked".to_owned()));
            queue = self.queue();
            queue.failed = applied.unwrap_or_else(panicked).err();
            queue.waiting.pop_front();
            for key in keys(&changes) {
                let left = queue.touched.get(&key).map_or(0, |count| count - 1);
                match left {
                    0 => _ = queue.touched.remove(&key),
                    left => _ = queue.touched.insert(key, left),
                }
            }
            self.moved.notify_all();
        }
    }
}

/// Waits for what is still to be written: whoever opens the folder next finds it closed.
impl Drop for Behind {
    fn drop(&mut self) {
        self.shared.queue().is_closed = true;
        self.shared.moved.notify_all();
        if let Some(writer) = self.writer.take() {
            // It catches the engine's panics and has none of its own.
            let _ = writer.join();
        }
    }
}

impl Store for Behind {
    fn folded(&self) -> Result<LogEnd, StoreError> {
        self.whole()?.folded()
    }

    fn documents(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.whole()?.documents()
    }

    fn rivals(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.whole()?.rivals()
    }

    fn feeds(&self) -> Result<Vec<(Feed, FeedRow)>, StoreError> {
        self.whole()?.feeds()
    }

    fn forks(&self) -> Result<Vec<(Feed, ForkProof)>, StoreError> {
        self.whole()?.forks()
    }

    fn block(&self, feed: &Feed, height: u64) -> Result<Option<BlockRow>, StoreError> {
        self.at(Key::Block(*feed, height))?.block(feed, height)
    }

    fn token(&self, token: &Token) -> Result<Option<TokenRow>, StoreError> {
        self.at(Key::Token(*token))?.token(token)
    }

    fn label(&self, token: &Token, org: &OrgId) -> Result<Option<LabelRow>, StoreError> {
        self.at(Key::Token(*token))?.label(token, org)
    }

    fn labels(&self, token: &Token) -> Result<Vec<(OrgId, LabelRow)>, StoreError> {
        self.at(Key::Token(*token))?.labels(token)
    }

    fn each_label(&self, see: &mut dyn FnMut(&Token, &OrgId, &LabelRow)) -> Result<(), StoreError> {
        self.whole()?.each_label(see)
    }

    fn note(&self, token: &Token, org: &OrgId) -> Result<Option<NoteRow>, StoreError> {
        self.at(Key::Token(*token))?.note(token, org)
    }

    fn each_note(&self, see: &mut dyn FnMut(&Token, &OrgId, &NoteRow)) -> Result<(), StoreError> {
        self.whole()?.each_note(see)
    }

    fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut queue = self.shared.wait(|queue| queue.waiting.len() < BATCHES_BEHIND_MAX)?;
        for key in keys(changes) {
            *queue.touched.entry(key).or_default() += 1;
        }
        queue.waiting.push_back(Arc::new(changes.clone()));
        self.shared.moved.notify_all();
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.whole()?.flush()
    }
}

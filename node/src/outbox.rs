//! What this org says about destinations: waiting for evaluators or for its slot, or sealed. Kept under
//! `private/labels`, encrypted, because it holds the names. Saying the same twice changes nothing.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use flowlore_common::canon::{Put as _, Reader};
use flowlore_common::destination::Input;
use flowlore_common::ids::BlockId;
use flowlore_common::label::Purpose;
use flowlore_common::suffixes::Suffixes;
use flowlore_common::time::Hour;
use flowlore_veil::body::{Body, Contributor, Entry};
use zeroize::Zeroizing;

use crate::folder::Folder;
use crate::keys::AtRestKey;
use crate::limits::WAITING_LABELS_MAX;
use crate::vault::Vault;

/// The file is rewritten when this many times more statements were written than are live.
const GARBAGE_FACTOR: usize = 4;
/// ... but not for fewer than this many, a few hundred kB.
const GARBAGE_MIN: usize = 4_096;

/// Where a statement is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// To be sealed from this hour on.
    Due(Hour),
    /// Sealed under this key epoch, in this block.
    Sealed(u32, BlockId),
}

/// All that this org says about one input under one purpose.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it is about. Debug prints its kind only.
    pub input: Input,
    /// Under which purpose.
    pub purpose: Purpose,
    /// What is said; empty: withdrawn.
    pub entries: Vec<Entry>,
    /// The person behind it.
    pub contributor: Option<Contributor>,
    /// When a person put it, seconds since 1970; 0 for the analyzer.
    pub put_s: i64,
    /// Where it is.
    pub progress: Progress,
}

impl Statement {
    /// The body as it is sealed.
    #[must_use]
    pub fn body(&self) -> Body {
        Body::new(None, self.contributor, self.entries.clone())
    }

    /// Whether it has been withdrawn.
    #[must_use]
    pub fn is_retracted(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Purpose and input bytes: one live statement each.
type Key = (Purpose, Box<[u8]>);

fn key(purpose: Purpose, input: &Input) -> Key {
    (purpose, input.bytes().into())
}

/// Everything that this org says.
#[derive(Debug)]
pub struct Outbox {
    vault: Vault,
    statements: BTreeMap<Key, Statement>,
    written: usize,
}

impl Outbox {
    /// Opens `private/labels`.
    ///
    /// # Errors
    /// It cannot be read or decrypted.
    pub fn open(folder: &Folder, at_rest: &AtRestKey, suffixes: &Suffixes) -> Result<Self> {
        let (vault, frames) = Vault::open(folder, "labels", at_rest)?;
        let mut outbox = Self { vault, statements: BTreeMap::new(), written: 0 };
        for frame in &frames {
            let mut reader = Reader::new(frame);
            while reader.position() < frame.len() {
                let statement = decode(&mut reader, suffixes)?;
                outbox.statements.insert(key(statement.purpose, &statement.input), statement);
                outbox.written += 1;
            }
        }
        Ok(outbox)
    }

    /// Takes what analyses saw. What is known already is widened (days, counts, further entries) and waits again
    /// only when that changes it. Returns how many statements now wait because of it.
    ///
    /// # Errors
    /// The disk refuses, or too many wait; then nothing is taken.
    pub fn observe(&mut self, seen: Vec<Statement>) -> Result<usize> {
        let mut changed: BTreeMap<Key, Statement> = BTreeMap::new();
        for new in seen {
            let at = key(new.purpose, &new.input);
            let known = changed.get(&at).or_else(|| self.statements.get(&at));
            let merged = match known {
                Some(known) if !known.is_retracted() => {
                    let entries = merge(&known.entries, &new.entries);
                    if entries == known.entries {
                        continue;
                    }
                    Statement { entries, ..new }
                }
                _ => Statement { entries: merge(&[], &new.entries), ..new },
            };
            changed.insert(at, merged);
        }
        let count = changed.len();
        self.store(changed)?;
        Ok(count)
    }

    /// Takes what a person says; it replaces what was said before.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub fn put(&mut self, statement: Statement) -> Result<()> {
        let at = key(statement.purpose, &statement.input);
        self.store([(at, statement)].into())
    }

    /// What this org says about an input under a purpose.
    #[must_use]
    pub fn get(&self, purpose: Purpose, input: &Input) -> Option<&Statement> {
        self.statements.get(&key(purpose, input))
    }

    /// Statements that wait: those due first, then, to fill evaluation batches, those of later slots. At most
    /// `max`, in the order of purpose and input.
    #[must_use]
    pub fn waiting(&self, now: Hour, max: usize) -> Vec<Statement> {
        let is_due =
            |statement: &&Statement| matches!(statement.progress, Progress::Due(due) if due <= now);
        let is_later =
            |statement: &&Statement| matches!(statement.progress, Progress::Due(due) if due > now);
        let due = self.statements.values().filter(is_due);
        due.chain(self.statements.values().filter(is_later)).take(max).cloned().collect()
    }

    /// How many wait.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        let waits = |statement: &&Statement| matches!(statement.progress, Progress::Due(_));
        self.statements.values().filter(waits).count()
    }

    /// How many of them are due.
    #[must_use]
    pub fn due_count(&self, now: Hour) -> usize {
        let is_due = |said: &&Statement| matches!(said.progress, Progress::Due(due) if due <= now);
        self.statements.values().filter(is_due).count()
    }

    /// What people of this org said, newest first.
    #[must_use]
    pub fn by_people(&self) -> Vec<Statement> {
        let mut mine: Vec<_> =
            self.statements.values().filter(|statement| statement.put_s != 0).cloned().collect();
        mine.sort_by_key(|statement| (std::cmp::Reverse(statement.put_s), statement.purpose));
        mine
    }

    /// Notes that a statement was sealed, unless it was changed in the meantime.
    ///
    /// # Errors
    /// The disk refuses. It is sealed once more after a restart then, which replaces like with like.
    pub fn sealed(&mut self, sealed: &[Statement], key_epoch: u32, block: BlockId) -> Result<()> {
        let mut changed = BTreeMap::new();
        for statement in sealed {
            let at = key(statement.purpose, &statement.input);
            let current = self.statements.get(&at);
            if current.is_some_and(|current| current.entries == statement.entries) {
                let progress = Progress::Sealed(key_epoch, block);
                changed.insert(at, Statement { progress, ..statement.clone() });
            }
        }
        self.store(changed)
    }

    /// Makes everything live wait again that is not sealed under `key_epoch`: tokens of a new key are others.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn reseal_under(&mut self, key_epoch: u32, now: Hour) -> Result<usize> {
        self.reseal(|epoch| epoch != key_epoch, now)
    }

    /// Makes everything live wait again: in another federation all tokens are others.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn reseal_all(&mut self, now: Hour) -> Result<usize> {
        self.reseal(|_| true, now)
    }

    fn reseal(&mut self, of: impl Fn(u32) -> bool, now: Hour) -> Result<usize> {
        let chosen = |said: &&Statement| {
            !said.is_retracted() && matches!(said.progress, Progress::Sealed(epoch, _) if of(epoch))
        };
        let again = |said: &Statement| {
            let progress = Progress::Due(now);
            (key(said.purpose, &said.input), Statement { progress, ..said.clone() })
        };
        let changed: BTreeMap<_, _> = self.statements.values().filter(chosen).map(again).collect();
        let count = changed.len();
        self.store(changed)?;
        Ok(count)
    }

    fn store(&mut self, changed: BTreeMap<Key, Statement>) -> Result<()> {
        let new = changed.keys().filter(|key| !self.statements.contains_key(*key)).count();
        ensure!(
            self.statements.len() + new <= WAITING_LABELS_MAX,
            "more than {WAITING_LABELS_MAX} labels: nothing more is taken until some are sealed"
        );
        if changed.is_empty() {
            return Ok(());
        }
        for frame in frames(changed.values())? {
            self.vault.append(&frame)?;
        }
        self.written += changed.len();
        self.statements.extend(changed);
        if self.written > GARBAGE_MIN.max(GARBAGE_FACTOR * self.statements.len()) {
            let all = frames(self.statements.values())?;
            self.vault.rewrite(all.iter().map(|frame| frame.as_slice()))?;
            self.written = self.statements.len();
        }
        Ok(())
    }
}

/// Statements in one frame: at most 800 bytes each.
const STATEMENTS_A_FRAME: usize = 4_096;

fn frames<'a>(statements: impl Iterator<Item = &'a Statement>) -> Result<Vec<Zeroizing<Vec<u8>>>> {
    let mut frames = vec![];
    for (index, statement) in statements.enumerate() {
        if index % STATEMENTS_A_FRAME == 0 {
            frames.push(Zeroizing::new(Vec::new()));
        }
        if let Some(frame) = frames.last_mut() {
            encode(frame, statement)?;
        }
    }
    Ok(frames)
}

fn encode(bytes: &mut Vec<u8>, statement: &Statement) -> Result<()> {
    let body = statement.body().encode()?;
    bytes.put_u8(statement.purpose.number());
    let (sealed, number, block) = match statement.progress {
        Progress::Due(hour) => (0, hour.0, BlockId::default()),
        Progress::Sealed(key_epoch, block) => (1, key_epoch, block),
    };
    bytes.put_u8(sealed);
    bytes.put_u32(number);
    bytes.put(&block.0);
    bytes.put_u64(u64::try_from(statement.put_s).unwrap_or(0));
    let input = statement.input.bytes();
    bytes.put_u16(u16::try_from(input.len())?);
    bytes.put(input);
    bytes.put_u16(u16::try_from(body.len())?);
    bytes.put(&body);
    Ok(())
}

fn decode(reader: &mut Reader<'_>, suffixes: &Suffixes) -> Result<Statement> {
    let purpose = Purpose::from_number(reader.u8()?);
    let purpose = purpose.ok_or_else(|| reader.error("unknown purpose"))?;
    let sealed = reader.bool()?;
    let number = reader.u32()?;
    let block = BlockId(reader.array()?);
    let put_s = i64::try_from(reader.u64()?)?;
    let length = usize::from(reader.u16()?);
    let input = Input::parse(reader.take(length)?, suffixes)?;
    let length = usize::from(reader.u16()?);
    let body = Body::decode(reader.take(length)?)?;
    let progress =
        if sealed { Progress::Sealed(number, block) } else { Progress::Due(Hour(number)) };
    let Body { contributor, entries, .. } = body;
    Ok(Statement { input, purpose, entries, contributor, put_s, progress })
}

/// What of two entries must agree for them to be one: all but days, counts and confidence.
fn sameness(entry: &Entry) -> impl Ord + use<> {
    let what = (entry.kind, entry.direction, entry.transport, entry.port, entry.code);
    (what, entry.verdict, entry.source, entry.outcome, entry.reason, entry.detector)
}

/// The union, equal entries widened; the same in any order, so that reading the logs again says nothing new.
fn merge(known: &[Entry], new: &[Entry]) -> Vec<Entry> {
    let mut merged: BTreeMap<_, Entry> = BTreeMap::new();
    for entry in known.iter().chain(new) {
        merged
            .entry(sameness(entry))
            .and_modify(|kept| {
                kept.first_day = kept.first_day.min(entry.first_day);
                kept.last_day = kept.last_day.max(entry.last_day);
                kept.flows_log2 = kept.flows_log2.max(entry.flows_log2);
                kept.hosts_log2 = kept.hosts_log2.max(entry.hosts_log2);
                kept.confidence = kept.confidence.max(entry.confidence);
            })
            .or_insert_with(|| entry.clone());
    }
    Body::new(None, None, merged.into_values().collect()).entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use flowlore_common::destination::Host;
    use flowlore_common::env::SeededRng;
    use flowlore_common::label::{Direction, EntryKind, Outcome, Source, Verdict};
    use flowlore_common::time::Day;

    fn entry(code: u16, day: u16) -> Entry {
        Entry {
            kind: EntryKind::Sighting,
            direction: Direction::Outbound,
            transport: 6,
            port: 443,
            code,
            verdict: Verdict::Unknown,
            confidence: 0,
            first_day: Day(day),
            last_day: Day(day),
            flows_log2: 3,
            hosts_log2: 1,
            source: Source::Analyzer,
            outcome: Outcome::None,
            reason: 0,
            minutes_log2: 0,
            source_id: 0,
            detector: 1,
        }
    }

    fn statement(host: &str, entries: Vec<Entry>, due: u32) -> Statement {
        Statement {
            input: Input::host(&host.parse::<Host>().unwrap()),
            purpose: Purpose::Contacted,
            entries,
            contributor: None,
            put_s: 0,
            progress: Progress::Due(Hour(due)),
        }
    }

    fn node() -> (tempfile::TempDir, Folder, AtRestKey) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let keys = Keys::create(&folder, &mut SeededRng::new("outbox", 1)).unwrap();
        (dir, folder, keys.at_rest)
    }

    #[test]
    fn saying_the_same_again_says_nothing_new() {
        let (_dir, folder, key) = node();
        let mut outbox = Outbox::open(&folder, &key, Suffixes::shipped()).unwrap();
        let said = || vec![statement("a.example", vec![entry(5, 100)], 10)];
        assert_eq!(outbox.observe(said()).unwrap(), 1);
        outbox.sealed(&outbox.waiting(Hour(10), 9), 1, BlockId([1; 32])).unwrap();
        assert_eq!(outbox.waiting_count(), 0);
        assert_eq!(outbox.observe(said()).unwrap(), 0);
        // A later day widens it, and it waits again.
        assert_eq!(
            outbox.observe(vec![statement("a.example", vec![entry(5, 101)], 11)]).unwrap(),
            1
        );
        let mut outbox = Outbox::open(&folder, &key, Suffixes::shipped()).unwrap();
        let waiting = outbox.waiting(Hour(11), 9);
        assert_eq!(waiting.len(), 1);
        assert_eq!(
            (waiting[0].entries[0].first_day, waiting[0].entries[0].last_day),
            (Day(100), Day(101))
        );
        // Changed while it was being sealed: it stays waiting.
        outbox.observe(vec![statement("a.example", vec![entry(6, 101)], 11)]).unwrap();
        outbox.sealed(&waiting, 1, BlockId([2; 32])).unwrap();
        assert_eq!(outbox.waiting_count(), 1);
    }

    #[test]
    fn due_ones_come_first_and_a_new_key_makes_all_wait_again() {
        let (_dir, folder, key) = node();
        let mut outbox = Outbox::open(&folder, &key, Suffixes::shipped()).unwrap();
        let seen = vec![
            statement("a.example", vec![entry(5, 1)], 30),
            statement("b.example", vec![entry(5, 1)], 10),
        ];
        outbox.observe(seen).unwrap();
        let order: Vec<_> = outbox.waiting(Hour(20), 9).iter().map(|said| said.progress).collect();
        assert_eq!(order, [Progress::Due(Hour(10)), Progress::Due(Hour(30))]);
        outbox.sealed(&outbox.waiting(Hour(99), 9), 1, BlockId::default()).unwrap();
        assert_eq!(outbox.reseal_under(1, Hour(99)).unwrap(), 0);
        assert_eq!(outbox.reseal_under(2, Hour(99)).unwrap(), 2);
        assert_eq!(outbox.waiting_count(), 2);
    }

    #[test]
    fn merging_does_not_depend_on_order() {
        let entries = [entry(5, 3), entry(5, 9), entry(7, 4)];
        let all = merge(&[], &entries);
        let turned: Vec<_> = entries.iter().rev().cloned().collect();
        assert_eq!(merge(&merge(&[], &turned[..1]), &turned[1..]), all);
        assert_eq!(merge(&all, &all), all);
        assert_eq!(all.len(), 2);
    }
}

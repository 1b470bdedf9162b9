//! What this org says about destinations: waiting for evaluators or for its slot, or sealed. Kept under
//! `private/labels`, encrypted, because it holds the names. Saying the same twice changes nothing.

mod statement;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use flowlore_common::canon::Reader;
use flowlore_common::destination::Input;
use flowlore_common::label::Purpose;
use flowlore_common::suffixes::Suffixes;
use flowlore_common::time::Hour;
use zeroize::Zeroizing;

use crate::folder::Folder;
use crate::keys::AtRestKey;
use crate::limits::WAITING_LABELS_MAX;
use crate::publish::Slots;
use crate::vault::Vault;

pub use statement::{Key, Progress, Sealed, Statement};
use statement::{decode, encode, key, merge, same_kinds};

/// The file is rewritten when this many times more statements were written than are live.
const GARBAGE_FACTOR: usize = 4;
/// ... but not for fewer than this many, a few hundred kB.
const GARBAGE_MIN: usize = 4_096;

/// Everything that this org says.
#[derive(Debug)]
pub struct Outbox {
    vault: Vault,
    statements: BTreeMap<Key, Statement>,
    written: usize,
    /// Whether people ever said anything: most look-ups need not search for it.
    has_people: bool,
    changes: u64,
}

impl Outbox {
    /// Opens `private/labels`.
    ///
    /// # Errors
    /// It cannot be read or decrypted.
    pub fn open(folder: &Folder, at_rest: &AtRestKey, suffixes: &Suffixes) -> Result<Self> {
        let (vault, frames) = Vault::open(folder, "labels", at_rest)?;
        let statements = BTreeMap::new();
        let mut outbox = Self { vault, statements, written: 0, has_people: false, changes: 0 };
        for frame in &frames {
            let mut reader = Reader::new(frame);
            while reader.position() < frame.len() {
                let statement = decode(&mut reader, suffixes)?;
                outbox.has_people |= statement.put_s != 0;
                outbox.statements.insert(statement.key(), statement);
                outbox.written += 1;
            }
        }
        Ok(outbox)
    }

    /// Takes what analyses saw. What is known already is widened (days, counts, further entries) and waits again
    /// only when that changes it; see `next_progress` for when. Returns how many statements are new or changed.
    ///
    /// # Errors
    /// The disk refuses, or too many wait; then nothing is taken.
    pub fn observe(&mut self, seen: Vec<Statement>, slots: Slots) -> Result<usize> {
        let mut changed: BTreeMap<Key, Statement> = BTreeMap::new();
        for new in seen {
            let at = new.key();
            let known = changed.get(&at).or_else(|| self.statements.get(&at));
            let merged = match known {
                Some(known) if !known.is_retracted() => {
                    let entries = merge(&known.entries, &new.entries);
                    if entries == known.entries {
                        continue;
                    }
                    let progress =
                        next_progress(known, &new, same_kinds(&entries, &known.entries), slots);
                    Statement { entries, progress, ..known.clone() }
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
        self.store([(statement.key(), statement)].into())
    }

    /// What this org says to others about an input under a purpose.
    #[must_use]
    pub fn get(&self, purpose: Purpose, input: &Input) -> Option<&Statement> {
        self.statements.get(&key(false, purpose, input))
    }

    /// What people of this org say about an input and keep here.
    #[must_use]
    pub fn local(&self, purpose: Purpose, input: &Input) -> Option<&Statement> {
        self.statements.get(&key(true, purpose, input))
    }

    /// Statements that wait: those due first, then, to fill evaluation batches, those of later slots. At most
    /// `max`, in the order of purpose and input.
    #[must_use]
    pub fn waiting(&self, now: Hour, max: usize) -> Vec<Statement> {
        let due = self.statements.values().filter(|said| said.is_due(now));
        let later = self.statements.values().filter(|said| said.waits() && !said.is_due(now));
        due.chain(later).take(max).cloned().collect()
    }

    /// How many wait.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.statements.values().filter(|said| said.waits()).count()
    }

    /// How many of them are due.
    #[must_use]
    pub fn due_count(&self, now: Hour) -> usize {
        self.statements.values().filter(|said| said.is_due(now)).count()
    }

    /// Whether people of this org ever said anything.
    #[must_use]
    pub const fn has_people(&self) -> bool {
        self.has_people
    }

    /// How often it changed since it was opened, as far as look-ups search it: as long as no person said anything, they
    /// do not.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// What people of this org said, newest first.
    #[must_use]
    pub fn by_people(&self) -> Vec<Statement> {
        let mut mine: Vec<_> =
            self.statements.values().filter(|statement| statement.put_s != 0).cloned().collect();
        mine.sort_by_key(|statement| (std::cmp::Reverse(statement.put_s), statement.purpose));
        mine
    }

    /// Notes where statements went, unless they were changed in the meantime.
    ///
    /// # Errors
    /// The disk refuses. They are sealed once more after a restart then, which replaces like with like.
    pub fn sealed(&mut self, done: &[(Statement, Sealed)]) -> Result<()> {
        let mut changed = BTreeMap::new();
        for (statement, sealed) in done {
            let at = statement.key();
            if self.statements.get(&at).is_some_and(|current| current.says_as(statement)) {
                let progress = Progress::Sealed(*sealed);
                changed.insert(at, Statement { progress, ..statement.clone() });
            }
        }
        self.store(changed)
    }

    /// Everything that is sealed, with where it went.
    pub fn all_sealed(&self) -> impl Iterator<Item = (&Statement, Sealed)> {
        self.statements.values().filter_map(|said| match said.progress {
            Progress::Sealed(sealed) => Some((said, sealed)),
            Progress::Due(_) | Progress::Local => None,
        })
    }

    /// Makes these wait again, those that were changed meanwhile aside.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn again(&mut self, keys: &[Key], now: Hour) -> Result<()> {
        let sealed = |key: &&Key| {
            self.statements
                .get(*key)
                .is_some_and(|said| matches!(said.progress, Progress::Sealed(_)))
        };
        let again = |key: &Key| {
            let said = self.statements.get(key)?;
            Some((key.clone(), Statement { progress: Progress::Due(now), ..said.clone() }))
        };
        self.store(keys.iter().filter(sealed).filter_map(again).collect())
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
            let is_sealed =
                |progress| matches!(progress, Progress::Sealed(sealed) if of(sealed.key_epoch));
            !said.is_retracted() && is_sealed(said.progress)
        };
        let again = |said: &Statement| {
            let progress = Progress::Due(now);
            (said.key(), Statement { progress, ..said.clone() })
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
        self.has_people |= changed.values().any(|said| said.put_s != 0);
        self.changes += u64::from(self.has_people);
        self.statements.extend(changed);
        if self.written > GARBAGE_MIN.max(GARBAGE_FACTOR * self.statements.len()) {
            let all = frames(self.statements.values())?;
            self.vault.rewrite(all.iter().map(|frame| frame.as_slice()))?;
            self.written = self.statements.len();
        }
        Ok(())
    }
}

/// When a statement that analyses widened leaves again. Where the policy hides when names are used, its being in use is
/// told by refreshes alone, and what a sighting adds waits for its token's day of the four weeks; a suspicion does not
/// wait. What waits already does not wait longer.
fn next_progress(known: &Statement, new: &Statement, same_kinds: bool, slots: Slots) -> Progress {
    match (known.progress, new.progress) {
        (Progress::Due(one), Progress::Due(other)) => Progress::Due(one.min(other)),
        (Progress::Sealed(sealed), _) if slots.delay_hours > 0 && same_kinds => {
            Progress::Sealed(sealed)
        }
        (Progress::Sealed(sealed), _)
            if slots.delay_hours > 0 && known.purpose == Purpose::Contacted =>
        {
            Progress::Due(slots.next_phase(&sealed.token))
        }
        (_, progress) => progress,
    }
}

/// Statements in one frame: at most 5 kB each with the largest note, 5 MB in all.
const STATEMENTS_A_FRAME: usize = 1_024;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use flowlore_common::destination::Host;
    use flowlore_common::env::SeededRng;
    use flowlore_common::ids::{BlockId, Token};
    use flowlore_common::label::{Direction, EntryKind, Outcome, Source, Verdict};
    use flowlore_common::time::Day;
    use flowlore_veil::body::Entry;

    /// At once: nothing hides when names are used.
    const AT_ONCE: Slots = Slots { now: Hour(99), delay_hours: 0, slot: 3 };

    fn done(said: Vec<Statement>, key_epoch: u32) -> Vec<(Statement, Sealed)> {
        let sealed = Sealed { key_epoch, token: Token([7; 32]), block: BlockId([1; 32]) };
        said.into_iter().map(|said| (said, sealed)).collect()
    }

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
            note: None,
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
        assert_eq!(outbox.observe(said(), AT_ONCE).unwrap(), 1);
        outbox.sealed(&done(outbox.waiting(Hour(10), 9), 1)).unwrap();
        assert_eq!(outbox.waiting_count(), 0);
        assert_eq!(outbox.observe(said(), AT_ONCE).unwrap(), 0);
        // A later day widens it, and it waits again.
        assert_eq!(
            outbox.observe(vec![statement("a.example", vec![entry(5, 101)], 11)], AT_ONCE).unwrap(),
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
        outbox.observe(vec![statement("a.example", vec![entry(6, 101)], 11)], AT_ONCE).unwrap();
        outbox.sealed(&done(waiting, 1)).unwrap();
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
        outbox.observe(seen, AT_ONCE).unwrap();
        let order: Vec<_> = outbox.waiting(Hour(20), 9).iter().map(|said| said.progress).collect();
        assert_eq!(order, [Progress::Due(Hour(10)), Progress::Due(Hour(30))]);
        outbox.sealed(&done(outbox.waiting(Hour(99), 9), 1)).unwrap();
        assert_eq!(outbox.reseal_under(1, Hour(99)).unwrap(), 0);
        assert_eq!(outbox.reseal_under(2, Hour(99)).unwrap(), 2);
        assert_eq!(outbox.waiting_count(), 2);
    }

    #[test]
    fn where_use_is_hidden_it_is_told_every_four_weeks() {
        let (_dir, folder, key) = node();
        let mut outbox = Outbox::open(&folder, &key, Suffixes::shipped()).unwrap();
        let slots = Slots { now: Hour(24 * 200), delay_hours: 144, slot: 3 };
        let see = |outbox: &mut Outbox, purpose, code, day, due| {
            let said = statement("a.example", vec![entry(code, day)], due);
            outbox.observe(vec![Statement { purpose, ..said }], slots).unwrap();
            let said = outbox.statements.values().find(|said| said.purpose == purpose).unwrap();
            (said.progress, said.last_day())
        };
        for purpose in [Purpose::Contacted, Purpose::Suspected] {
            see(&mut outbox, purpose, 5, 100, 10);
            // What waits does not wait longer because it was seen once more.
            assert_eq!(see(&mut outbox, purpose, 5, 101, 30).0, Progress::Due(Hour(10)));
        }
        let sealed = done(outbox.waiting(Hour(10), 9), 1);
        outbox.sealed(&sealed).unwrap();
        let sealed = Progress::Sealed(sealed[0].1);
        // In use: a refresh will say so. Something new: a suspicion at once, a sighting on its token's day.
        for purpose in [Purpose::Contacted, Purpose::Suspected] {
            assert_eq!(see(&mut outbox, purpose, 5, 120, 40), (sealed, Day(120)));
        }
        let phase = slots.next_phase(&Token([7; 32]));
        assert!(phase.0 % 24 == 3 && (1..=28).contains(&(phase.day().0 - 200)), "{phase:?}");
        assert_eq!(see(&mut outbox, Purpose::Contacted, 6, 121, 41).0, Progress::Due(phase));
        assert_eq!(see(&mut outbox, Purpose::Suspected, 6, 121, 41).0, Progress::Due(Hour(41)));
    }

    #[test]
    fn notes_and_local_labels_survive_a_restart_beside_what_leaves() {
        let (_dir, folder, key) = node();
        let mut outbox = Outbox::open(&folder, &key, Suffixes::shipped()).unwrap();
        let note = flowlore_veil::note::NoteText { title: "t".to_owned(), ..Default::default() };
        let said = Statement {
            purpose: Purpose::Flagged,
            note: Some(note.clone()),
            ..statement("a.example", vec![entry(5, 1)], 10)
        };
        outbox.put(said.clone()).unwrap();
        outbox.put(Statement { progress: Progress::Local, ..said.clone() }).unwrap();
        outbox.sealed(&done(outbox.waiting(Hour(10), 9), 1)).unwrap();
        let outbox = Outbox::open(&folder, &key, Suffixes::shipped()).unwrap();
        let leaves = outbox.get(Purpose::Flagged, &said.input).unwrap();
        assert_eq!((leaves.note.as_ref(), leaves.waits()), (Some(&note), false));
        let stays = outbox.local(Purpose::Flagged, &said.input).unwrap();
        assert_eq!((stays.note.as_ref(), stays.progress), (Some(&note), Progress::Local));
        assert_eq!(outbox.all_sealed().count(), 1);
        assert_eq!(stays.retraction(Hour(1)).progress, Progress::Local, "nor does its end leave");
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

//! Answers of before. What is said of a name costs curve arithmetic to find, and mostly nothing changed since.
//!
//! Kept of a name are its tokens, which never change, and its level, encoded, with the day and the *step* (how many
//! changes the state had seen) for which it was computed. It holds for that day only, and until a change touches
//! one of its tokens or the roster: each change writes its step into the counters of the tokens that it touches, and a level holds while
//! no counter of its tokens is above its own step. Counters are shared by many tokens, so a level may be dropped in
//! vain, never kept in vain. Levels are computed while the ledger is read and counters are written while it is
//! changed, so that nothing can happen in between. In memory only: a table of names and tokens is what the protocol hides.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use flowlore_common::answer::{Level, Shared};
use flowlore_common::destination::Input;
use flowlore_common::ids::Token;
use flowlore_common::label::Purpose;
use flowlore_common::time::Day;
use flowlore_veil::token::Secret;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use super::{Asked, Question};
use crate::ledger::Ledger;
use crate::limits::{KEPT_ANSWERS_BYTES_MAX, KEPT_COUNTERS};
use crate::store::{Changes, StoreError};

/// What an entry takes beside its key, tokens and text, bytes.
const ENTRY_BYTES: u64 = 160;

/// Encodes a level, never to nothing. What is kept was encoded by whoever asked first, so that all who ask a ledger
/// have to bring the same.
pub type Encode = fn(&Level) -> Vec<u8>;

/// A destination as a question to what is kept: its names, and under which keys they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The host or address.
    pub host: Option<&'a Input>,
    /// Its site.
    pub site: Option<&'a Input>,
    /// Key epochs, in the order of the question's.
    pub key_epochs: &'a [u32],
}

/// A level that somebody says something in, encoded.
#[derive(Clone)]
pub struct Said(Arc<Found>);

impl std::ops::Deref for Said {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0.level
    }
}

/// All tokens of one name: by purpose, then in the order of the keys that it was asked for with.
pub(crate) struct Tokens(Zeroizing<Vec<[u8; 32]>>);

impl Tokens {
    pub(crate) fn of(asked: &Asked) -> Self {
        let token = |purpose, (key_epoch, y)| {
            Secret::derive(y, key_epoch, purpose).token(&asked.input).token().0
        };
        let keys = || asked.keys.iter().map(|(key_epoch, y)| (*key_epoch, y));
        let all =
            Purpose::ALL.iter().flat_map(|&purpose| keys().map(move |key| token(purpose, key)));
        Self(Zeroizing::new(all.collect()))
    }

    pub(crate) fn under(&self, purpose: Purpose) -> impl Iterator<Item = Token> + '_ {
        let keys = self.0.len() / Purpose::ALL.len();
        let first = usize::from(purpose.number()) * keys;
        self.0.iter().skip(first).take(keys).map(|token| Token(*token))
    }
}

/// What was found of one name.
struct Found {
    key_epochs: Box<[u32]>,
    tokens: Arc<Tokens>,
    day: Day,
    /// The last for which it is known to hold.
    step: AtomicU64,
    /// Encoded; empty: nobody says anything.
    level: Box<[u8]>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<[u8]>, Arc<Found>> for Bytes {
    fn weight(&self, name: &Box<[u8]>, found: &Arc<Found>) -> u64 {
        (name.len() + size_of_val(found.tokens.0.as_slice()) + found.level.len()) as u64
            + ENTRY_BYTES
    }
}

/// What a ledger keeps of its answers.
pub(crate) struct Kept {
    names: Cache<Box<[u8]>, Arc<Found>, Bytes>,
    /// Changes that the state has seen.
    step: u64,
    /// The last step that touched everything.
    all: u64,
    /// The last step that touched a token, by the token's first bytes.
    tokens: Box<[u64]>,
    objects_digest: OnceLock<[u8; 32]>,
}

impl Default for Kept {
    fn default() -> Self {
        // The cache grows as it fills; what it is told of the number of entries is for its shape.
        let entries = usize::try_from(KEPT_ANSWERS_BYTES_MAX / 1_024).unwrap_or(usize::MAX);
        Self {
            names: Cache::with_weighter(entries, KEPT_ANSWERS_BYTES_MAX, Bytes),
            step: 0,
            all: 0,
            tokens: vec![0; KEPT_COUNTERS].into(),
            objects_digest: OnceLock::new(),
        }
    }
}

impl Kept {
    /// Lets go of what a change touches. The roster decides who counts, so a document touches everything.
    pub(crate) fn forget(&mut self, changes: &Changes) {
        self.step += 1;
        self.objects_digest = OnceLock::new();
        if !changes.documents.is_empty() || !changes.rivals.is_empty() {
            self.all = self.step;
        }
        let labels = changes.labels.iter().map(|(token, ..)| token);
        for token in labels.chain(changes.notes.iter().map(|(token, ..)| token)) {
            self.tokens[counter(&token.0)] = self.step;
        }
    }

    /// The objects digest.
    pub(crate) fn objects_digest(&self, compute: impl FnOnce() -> [u8; 32]) -> [u8; 32] {
        *self.objects_digest.get_or_init(compute)
    }

    /// What was found of a name, whether or not it still holds.
    fn found(&self, name: &Input, key_epochs: &[u32]) -> Option<Arc<Found>> {
        self.names.get(name.bytes()).filter(|found| *found.key_epochs == *key_epochs)
    }

    fn holds(&self, found: &Found, day: Day) -> bool {
        let step = found.step.load(Ordering::Relaxed);
        if found.day != day || step == self.step {
            return found.day == day;
        }
        let tokens = found.tokens.0.iter().map(|token| self.tokens[counter(token)]);
        let holds = tokens.fold(self.all, u64::max) <= step;
        if holds {
            // So that its counters, which lie scattered, are read once after a change.
            found.step.store(self.step, Ordering::Relaxed);
        }
        holds
    }
}

/// The first 18 bits: tokens are hashes, so they spread by themselves.
fn counter(token: &[u8; 32]) -> usize {
    let first = u32::from_be_bytes([token[0], token[1], token[2], token[3]]);
    first as usize >> (u32::BITS - KEPT_COUNTERS.ilog2())
}

const _: () = assert!(KEPT_COUNTERS.is_power_of_two());

impl Ledger {
    /// How many changes the state has seen since it was opened: as long as this and the day are the same, so is
    /// every answer.
    #[must_use]
    pub const fn step(&self) -> u64 {
        self.kept().step
    }

    /// The answer when all that it takes was computed before and still holds: nothing is read, nothing is derived.
    #[must_use]
    pub fn told(&self, names: Names<'_>, day: Day) -> Option<Shared<Said>> {
        let level = |name: Option<&Input>| match name {
            None => Some(None),
            Some(name) => {
                let found = self.kept().found(name, names.key_epochs)?;
                self.kept().holds(&found, day).then_some(Some(found))
            }
        };
        let host = level(names.host)?;
        // Many a host is its own site.
        let site = if names.site == names.host { host.clone() } else { level(names.site)? };
        Some(self.told_of(host, site, day))
    }

    /// [`Self::answer`] with its levels encoded; what of it has to be computed is kept.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn tell(
        &self,
        question: &Question,
        day: Day,
        encode: Encode,
    ) -> Result<Shared<Said>, StoreError> {
        let find = |asked: &Option<Asked>| {
            asked.as_ref().map(|asked| self.find(asked, day, encode)).transpose()
        };
        let (host, site) = (find(&question.host)?, find(&question.site)?);
        Ok(self.told_of(host, site, day))
    }

    fn told_of(
        &self,
        host: Option<Arc<Found>>,
        site: Option<Arc<Found>>,
        day: Day,
    ) -> Shared<Said> {
        let said = |found: Option<Arc<Found>>| found.filter(|found| !found.level.is_empty());
        self.shared(said(host).map(Said), said(site).map(Said), day)
    }

    fn find(&self, asked: &Asked, day: Day, encode: Encode) -> Result<Arc<Found>, StoreError> {
        let key_epochs: Box<[u32]> = asked.keys.iter().map(|(key_epoch, _)| *key_epoch).collect();
        let before = self.kept().found(&asked.input, &key_epochs);
        if let Some(found) = before.as_ref().filter(|found| self.kept().holds(found, day)) {
            return Ok(found.clone());
        }
        let tokens =
            before.map_or_else(|| Arc::new(Tokens::of(asked)), |found| found.tokens.clone());
        let level = self.level(asked, &tokens, day)?;
        let level = level.as_ref().map(encode).unwrap_or_default().into();
        let step = AtomicU64::new(self.kept().step);
        let found = Arc::new(Found { key_epochs, tokens, day, step, level });
        self.kept().names.insert(asked.input.bytes().into(), found.clone());
        Ok(found)
    }
}

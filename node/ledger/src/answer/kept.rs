//! Answers of before. What is said of a name costs curve arithmetic to find, and mostly nothing changed since.
//!
//! Kept of a name are its tokens, which never change, and its level as JSON with the day and the *step* (how many
//! changes the state had seen) for which it was computed. It holds for that day only, and until a change touches
//! one of its tokens or the roster: each change writes its step into the counters of the tokens that it touches, and a level holds while
//! no counter of its tokens is above its own step. Counters are shared by many tokens, so a level may be dropped in
//! vain, never kept in vain. Levels are computed while the ledger is read and counters are written while it is
//! changed, so that nothing can happen in between. In memory only: a table of names and tokens is what the protocol hides.

use std::sync::{Arc, OnceLock};

use flowlore_common::destination::Input;
use flowlore_common::ids::{BlockId, Token};
use flowlore_common::label::Purpose;
use flowlore_common::time::Day;
use flowlore_veil::token::Secret;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{Asked, Question};
use crate::ledger::Ledger;
use crate::limits::{KEPT_ANSWERS_BYTES_MAX, KEPT_COUNTERS};
use crate::store::{Changes, StoreError};

/// What an entry takes beside its key, tokens and text, bytes.
const ENTRY_BYTES: u64 = 160;
/// What stands in an answer beside both levels, bytes.
const FRAME_BYTES: usize = 192;

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

/// An answer as its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The JSON of [`flowlore_common::answer::Shared`].
    pub json: Vec<u8>,
    /// Whether anybody says anything.
    pub is_seen: bool,
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
    step: u64,
    /// `None`: nobody says anything.
    level: Option<Box<RawValue>>,
}

impl Found {
    fn level(&self) -> Option<&RawValue> {
        self.level.as_deref()
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<[u8]>, Arc<Found>> for Bytes {
    fn weight(&self, name: &Box<[u8]>, found: &Arc<Found>) -> u64 {
        let level = found.level.as_ref().map_or(0, |level| level.get().len());
        (name.len() + size_of_val(found.tokens.0.as_slice()) + level) as u64 + ENTRY_BYTES
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
    /// With its hex digits.
    objects_digest: OnceLock<([u8; 32], String)>,
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

    /// The objects digest, and its hex digits.
    pub(crate) fn objects_digest(&self, compute: impl FnOnce() -> [u8; 32]) -> &([u8; 32], String) {
        self.objects_digest.get_or_init(|| {
            let digest = compute();
            (digest, BlockId(digest).to_string())
        })
    }

    /// What was found of a name, whether or not it still holds.
    fn found(&self, name: &Input, key_epochs: &[u32]) -> Option<Arc<Found>> {
        self.names.get(name.bytes()).filter(|found| *found.key_epochs == *key_epochs)
    }

    fn holds(&self, found: &Found, day: Day) -> bool {
        let tokens = found.tokens.0.iter().map(|token| self.tokens[counter(token)]);
        found.day == day && tokens.fold(self.all, u64::max) <= found.step
    }
}

/// The first 18 bits: tokens are hashes, so they spread by themselves.
fn counter(token: &[u8; 32]) -> usize {
    let first = u32::from_be_bytes([token[0], token[1], token[2], token[3]]);
    first as usize >> (u32::BITS - KEPT_COUNTERS.ilog2())
}

const _: () = assert!(KEPT_COUNTERS.is_power_of_two());

impl Ledger {
    /// The answer's bytes when all that it takes was computed before and still holds: nothing is read, nothing is
    /// derived.
    #[must_use]
    pub fn told(&self, names: Names<'_>, day: Day) -> Option<Told> {
        let level = |name: Option<&Input>| match name {
            None => Some(None),
            Some(name) => {
                let found = self.kept().found(name, names.key_epochs)?;
                self.kept().holds(&found, day).then_some(Some(found))
            }
        };
        let (host, site) = (level(names.host)?, level(names.site)?);
        Some(self.told_of(host.as_deref(), site.as_deref(), day))
    }

    /// The bytes of [`Self::answer`]; what of it has to be computed is kept.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn tell(&self, question: &Question, day: Day) -> Result<Told, StoreError> {
        let find =
            |asked: &Option<Asked>| asked.as_ref().map(|asked| self.find(asked, day)).transpose();
        let (host, site) = (find(&question.host)?, find(&question.site)?);
        Ok(self.told_of(host.as_deref(), site.as_deref(), day))
    }

    fn told_of(&self, host: Option<&Found>, site: Option<&Found>, day: Day) -> Told {
        let (host, site) = (host.and_then(Found::level), site.and_then(Found::level));
        let is_seen = host.is_some() || site.is_some();
        let bytes =
            [host, site].into_iter().flatten().map(|level| level.get().len()).sum::<usize>();
        let mut json = Vec::with_capacity(bytes + FRAME_BYTES);
        let written = serde_json::to_writer(&mut json, &self.shared(host, site, day));
        written.expect("a struct of texts and numbers is JSON, and memory takes it");
        Told { json, is_seen }
    }

    fn find(&self, asked: &Asked, day: Day) -> Result<Arc<Found>, StoreError> {
        let key_epochs: Box<[u32]> = asked.keys.iter().map(|(key_epoch, _)| *key_epoch).collect();
        let before = self.kept().found(&asked.input, &key_epochs);
        if let Some(found) = before.as_ref().filter(|found| self.kept().holds(found, day)) {
            return Ok(found.clone());
        }
        let tokens =
            before.map_or_else(|| Arc::new(Tokens::of(asked)), |found| found.tokens.clone());
        let level = self.level(asked, &tokens, day)?;
        let level = level.map(|level| serde_json::value::to_raw_value(&level)).transpose();
        let level = level.map_err(|error| StoreError::Engine(error.to_string()))?;
        let found = Arc::new(Found { key_epochs, tokens, day, step: self.kept().step, level });
        self.kept().names.insert(asked.input.bytes().into(), found.clone());
        Ok(found)
    }
}

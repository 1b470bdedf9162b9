//! Whether log and state agree: the log is read from its first byte, every hash and signature is
//! checked again, and what it adds up to is compared with the state. A product command, and the end
//! of every fault test.

use flowlore_common::time::Day;
use rand_core::CryptoRngCore;

use crate::ledger::{Ledger, OpenError};
use crate::roster::Chain;
use crate::store::memory::MemoryStore;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Entries of the log, all whole and all accepted again.
    pub entries: u64,
    /// Files of the log.
    pub segments: usize,
    /// Whether the log gives the objects that the ledger holds.
    pub objects_agree: bool,
    /// Whether the state is what the log adds up to.
    pub state_agrees: bool,
}

impl Ledger {
    /// Folds the whole log into memory and compares. Takes as long as receiving it anew, and memory
    /// for the state.
    ///
    /// # Errors
    /// See [`OpenError`]: where the log is damaged, and how.
    pub fn verify(&self, day: Day, rng: &mut dyn CryptoRngCore) -> Result<CheckReport, OpenError> {
        let (first, from) = self.first_document()?;
        let log = self.log().reader()?;
        let chain = Chain::found(&first)?;
        let store = Box::new(MemoryStore::default());
        let mut again = Self::founded(log, store, chain, &first, None)?;
        let entries = 1 + again.replay(from, rng)?;
        Ok(CheckReport {
            entries,
            segments: self.log().segments(),
            objects_agree: again.objects_digest() == self.objects_digest(),
            state_agrees: again.state_digest(day)? == self.state_digest(day)?,
        })
    }
}

//! Entries of another member's log, or of an export: judged as if a peer had sent them.

use flowlore_common::canon::Malformed;
use flowlore_common::roster::Document;
use flowlore_common::time::Hour;
use flowlore_veil::token::token_of;
use rand_core::CryptoRngCore;

use super::enter::parse_admission;
use super::{Admission, Ledger, RosterRefused};
use crate::admit::Refused;
use crate::store::row::ForkProof;
use crate::store::segment::EntryKind;

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It entered.
    New,
    /// It was here.
    Known,
    /// It did not enter: the reason's name in metrics, and its sentence.
    Refused(&'static str, String),
}

impl Ledger {
    /// Takes one entry.
    ///
    /// # Errors
    /// Our own disk or state fails.
    pub fn import(
        &mut self,
        kind: EntryKind,
        content: &[u8],
        now: Hour,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Imported, RosterRefused> {
        let malformed = |what| Refused::Malformed(Malformed { what, at: 0 });
        let done = match kind {
            EntryKind::Roster => {
                let document = match Document::parse(content) {
                    Ok(document) => document,
                    Err(error) => return judged(Err(Refused::Malformed(error))),
                };
                return match self.apply_roster(&document, now, rng) {
                    Ok(Some(_)) => Ok(Imported::New),
                    Ok(None) => Ok(Imported::Known),
                    Err(RosterRefused::Roster(error)) => {
                        Ok(Imported::Refused("roster", error.to_string()))
                    }
                    Err(storage) => Err(storage),
                };
            }
            EntryKind::Admission => match parse_admission(content) {
                None => Err(malformed("admission")),
                Some((mut records, block)) => {
                    // Those that are here would be refused as unasked.
                    let mut kept = Vec::with_capacity(records.len());
                    for record in records.drain(..) {
                        if self.record(&token_of(&record))?.is_none() {
                            kept.push(record);
                        }
                    }
                    let admitted = self.admit(block, kept, now, rng);
                    admitted.map(|admission| matches!(admission, Admission::Accepted(_)))
                }
            },
            EntryKind::Fork => match ForkProof::parse(content) {
                None => Err(malformed("fork proof")),
                Some(proof) => self.admit_fork(&proof),
            },
        };
        judged(done)
    }
}

fn judged(done: Result<bool, Refused>) -> Result<Imported, RosterRefused> {
    match done {
        Ok(true) => Ok(Imported::New),
        Ok(false) => Ok(Imported::Known),
        Err(Refused::Storage(error)) => Err(RosterRefused::Storage(error)),
        Err(refused) => Ok(Imported::Refused(refused.metric(), refused.to_string())),
    }
}

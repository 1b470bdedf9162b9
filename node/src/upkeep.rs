//! Holds what this org says against what stands of it, and says it again where need be:
//!
//! - after each change of the roster: what no longer stands as it was sealed waits again. A fork, a re-key, or a roster
//!   that lost against another takes blocks of ours back, and with them labels, retractions and notes.
//! - once a day, in this org's slot: labels whose day of the four weeks has come, and which were used since they were
//!   last spoken of, are refreshed; in a feed of another incarnation, which no refresh can name, they are said again.
//!
//! People's labels speak of the day on which they were said: they are not used, and expire unless somebody repeats them.

use flowlore_common::block::PayloadKind;
use flowlore_common::ids::RosterHash;
use flowlore_common::limits::BLOCK_ITEMS_MAX;
use flowlore_common::time::Day;
use flowlore_ledger::aggregate::Stands;
use flowlore_ledger::fold::Refresh;

use crate::limits::REFRESHES_A_DAY_MAX;
use crate::node::Node;
use crate::outbox::{Key, Sealed};
use crate::phase;
use crate::roster::Roster;

/// Statements that are looked at under one hold of the ledger.
const CHUNK: usize = 4_096;

/// What was looked at when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Upkeep {
    roster: Option<RosterHash>,
    day: Option<Day>,
}

/// A sealed statement, as far as it matters here.
struct Said {
    key: Key,
    sealed: Sealed,
    retracted: bool,
    has_note: bool,
    last_day: Day,
}

impl Said {
    /// Whether it stands as it was sealed.
    fn holds(&self, stands: Option<&Stands>) -> bool {
        match stands {
            Some(stands) if self.retracted => stands.row.retracted,
            None => self.retracted,
            Some(stands) => {
                !stands.row.retracted
                    && stands.block == self.sealed.block
                    && stands.has_note == self.has_note
            }
        }
    }

    /// Whether its day has come, and it was used since it was last spoken of.
    fn is_in_use(&self, stands: &Stands, today: Day) -> bool {
        let spoken = stands.row.latest.day();
        !self.retracted && self.last_day > spoken && phase::last(today, &self.sealed.token) > spoken
    }
}

impl Upkeep {
    /// Does what is to be done now, if anything is. Blocks.
    ///
    /// # Errors
    /// The store or the disk refuses, or the day's quota of blocks is used up: it is tried again.
    pub fn run(&mut self, node: &Node, roster: &Roster) -> anyhow::Result<()> {
        let now = node.hour();
        let is_new_roster = self.roster != Some(roster.hash);
        let is_slot = now.0 % 24 >= u32::from(node.slots(roster).slot);
        let is_new_day = is_slot && self.day != Some(now.day());
        if !(is_new_roster || is_new_day) || node.store.read().contested().is_some() {
            return Ok(());
        }
        let (again, mut refreshes) = look(node, is_new_day.then_some(now.day()))?;
        node.outbox().again(&again, now)?;
        refreshes.sort_unstable();
        for part in refreshes.chunks(BLOCK_ITEMS_MAX) {
            let items: Vec<_> = part.iter().map(Refresh::encode).collect();
            node.store.seal_items(PayloadKind::REFRESH, &items, &node.keys.signing, now)?;
        }
        if !(again.is_empty() && refreshes.is_empty()) {
            tracing::info!(again = again.len(), refreshed = refreshes.len(), "own labels kept up");
        }
        self.roster = Some(roster.hash);
        if is_new_day {
            self.day = Some(now.day());
        }
        Ok(())
    }
}

/// What must be said again, and, on a new day, what is to be refreshed.
fn look(node: &Node, today: Option<Day>) -> anyhow::Result<(Vec<Key>, Vec<Refresh>)> {
    let incarnation = node.store.own_feed().incarnation;
    let said: Vec<_> = {
        let outbox = node.outbox();
        let sealed = outbox.all_sealed().map(|(said, sealed)| Said {
            key: said.key(),
            sealed,
            retracted: said.is_retracted(),
            has_note: said.note.is_some(),
            last_day: said.last_day(),
        });
        sealed.collect()
    };
    let (mut again, mut refreshes) = (vec![], vec![]);
    for chunk in said.chunks(CHUNK) {
        let ledger = node.store.read();
        for one in chunk {
            let stands = ledger.stands(&one.sealed.token, &node.org)?;
            if !one.holds(stands.as_ref()) {
                again.push(one.key.clone());
                continue;
            }
            let Some((stands, today)) = stands.zip(today) else { continue };
            if !one.is_in_use(&stands, today) {
                continue;
            }
            let at = stands.row.at;
            if at.block.incarnation != incarnation {
                again.push(one.key.clone());
            } else if refreshes.len() < REFRESHES_A_DAY_MAX {
                let (height, index) = (at.block.height, at.index);
                refreshes.push(Refresh { incarnation, height, index });
            }
        }
    }
    Ok((again, refreshes))
}

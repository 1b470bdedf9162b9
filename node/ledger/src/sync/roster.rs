//! Roster documents that a peer sent: the next ones of our chain, or others in their place.

use flowlore_common::roster::Document;

use super::peer::{Asked, Doubt};
use super::{Broken, Effect, Outcome, PeerId, Step, Sync};
use crate::admit::Refused;
use crate::ledger::RosterRefused;
use crate::roster::RosterError;

impl Sync {
    pub(super) fn roster(
        &mut self,
        step: &mut Step<'_>,
        id: PeerId,
        documents: &[Vec<u8>],
    ) -> Outcome {
        let peer = self.peer(id)?;
        let asked = peer.asked.take_if(|(asked, _)| *asked == Asked::Roster);
        if asked.is_none() {
            return Err(Broken::Unasked("a roster document"));
        }
        let checking = peer.checking.take();
        let before = step.ledger.roster().version();
        let checking = checking.or_else(|| Doubt::of(before, step.ledger));
        let mut is_news = false;
        for bytes in documents {
            let document = Document::parse(bytes).map_err(|malformed| {
                let refused = Refused::Malformed(malformed);
                step.effects.push(Effect::Refused(id, refused.clone()));
                Broken::Object(refused)
            })?;
            let version = document.statement.version;
            let forks = step.ledger.roster_forks().count();
            match step.ledger.apply_roster(&document, step.now.hour(), step.rng) {
                Ok(None) => {}
                Ok(Some(released)) => {
                    is_news = true;
                    step.effects.push(Effect::Roster(version));
                    self.accepted(step, released, Some(id));
                }
                Err(RosterRefused::Storage(error)) => return Err(Broken::Storage(error)),
                // Its chain parted from ours before that: documents further back tell where.
                Err(RosterRefused::Roster(RosterError::Parent(version))) => {
                    let back = checking.and_then(Doubt::back);
                    let parted = Broken::Roster(RosterError::Parent(version));
                    self.peer(id)?.check = Some(back.ok_or(parted)?);
                    break;
                }
                // What follows a contested version waits until that is settled.
                Err(RosterRefused::Roster(RosterError::Missing { .. })) => break,
                Err(RosterRefused::Roster(error)) => return Err(Broken::Roster(error)),
            }
            if step.ledger.roster_forks().count() > forks {
                step.effects.push(Effect::RosterFork(version));
            }
        }
        let newest = step.ledger.roster().version();
        if newest <= before {
            // It promised more than it has, or what we can't take yet: not believed until it says so
            // again.
            let peer = self.peer(id)?;
            peer.roster_version = peer.roster_version.min(newest);
        }
        if is_news {
            self.tell_state(step, (newest > before).then_some(id));
        }
        Ok(())
    }
}

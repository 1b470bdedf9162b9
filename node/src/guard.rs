//! The restart guard: after a start nothing is sealed until the members that can be reached have told how far they
//! hold our feed, and we hold it as far. A node whose folder came back from a backup, or lost its end, would
//! otherwise seal a second block at a height that others have seen, which is what a forger does, and be cut off.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flowlore_common::ids::OrgId;
use flowlore_ledger::ledger::Head;
use flowlore_ledger::limits::SYNC_HEADS_MAX;
use flowlore_ledger::sync::message::Message;

use crate::limits::GUARD_WAIT_MAX;

/// What peers told since the start.
#[derive(Debug, Default)]
pub struct Guard {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Once passed, never asked again: from then on this process alone makes the feed grow.
    is_passed: bool,
    told: BTreeMap<OrgId, Told>,
}

/// What one member told of our feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It is connected; it has not said.
    Nothing,
    /// It holds no block of ours, or none that we lack.
    Less,
    /// It holds our feed up to here.
    Until(Head),
}

/// Who has to be heard before the guard is passed.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Members besides us.
    pub others: usize,
    /// Members that this node dials and has not tried since the start.
    pub untried: usize,
    /// Whether there is somebody to dial, or enough time for others to dial us has passed.
    pub is_heard: bool,
    /// How long ago the node started.
    pub waited: Duration,
}

impl Guard {
    /// Passes it: the feed goes on where nobody can hold a block yet.
    pub fn waive(&self) {
        self.with(|state| state.is_passed = true);
    }

    /// A stream to a member stands.
    pub fn connected(&self, org: OrgId) {
        self.with(|state| _ = state.told.entry(org).or_insert(Told::Nothing));
    }

    /// A stream to a member is gone: it is no longer one that can be reached.
    pub fn disconnected(&self, org: &OrgId) {
        self.with(|state| {
            if state.told.get(org) == Some(&Told::Nothing) {
                state.told.remove(org);
            }
        });
    }

    /// A member said something; `same` when it holds exactly what we hold.
    pub fn heard(&self, org: OrgId, us: &OrgId, message: &Message, same: bool) -> bool {
        let told = match message {
            Message::Hello { .. } | Message::State(_) if same => Told::Less,
            Message::Heads(heads) => {
                let ours = heads.iter().filter(|head| head.feed.org == *us).max();
                match ours {
                    Some(head) => Told::Until(*head),
                    // The first page is of all that it holds; a full page has others behind it.
                    None if heads.len() < SYNC_HEADS_MAX => Told::Less,
                    None => return false,
                }
            }
            // It lacks blocks of ours.
            Message::WantBlocks(wants) if wants.iter().any(|want| want.feed.org == *us) => {
                Told::Less
            }
            _ => return false,
        };
        self.with(|state| {
            let known = state.told.entry(org).or_insert(Told::Nothing);
            // A later, shorter list is of feeds that grew: it takes nothing back.
            let is_news = *known == Told::Nothing || matches!(told, Told::Until(_));
            if is_news {
                *known = told;
            }
            is_news && !state.is_passed
        })
    }

    /// Whether this node may seal; `holds` tells whether it holds its own feed up to a head.
    ///
    /// # Errors
    /// What is still waited for.
    pub fn check(
        &self,
        situation: Situation,
        holds: impl Fn(&Head) -> bool,
    ) -> Result<(), &'static str> {
        self.with(|state| {
            if state.is_passed {
                return Ok(());
            }
            if situation.others > 0 && situation.waited > GUARD_WAIT_MAX {
                tracing::error!(told = ?state.told, "A MEMBER CLAIMS BLOCKS OF OURS AND DOES NOT DELIVER");
            } else if situation.others > 0 {
                if situation.untried > 0 || !situation.is_heard {
                    return Err("after a start, the other members are asked first what they hold");
                }
                for told in state.told.values() {
                    match told {
                        Told::Nothing => {
                            return Err("a member has not told yet how far it holds our feed");
                        }
                        Told::Until(head) if !holds(head) => {
                            return Err("a member holds more of our feed than we: it is fetched");
                        }
                        Told::Less | Told::Until(_) => {}
                    }
                }
            }
            state.is_passed = true;
            Ok(())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowlore_common::block::Feed;
    use flowlore_common::ids::BlockId;

    const US: OrgId = OrgId([1; 32]);
    const PEER: OrgId = OrgId([2; 32]);

    fn head(org: OrgId, next: u64) -> Head {
        Head { feed: Feed { org, incarnation: 0 }, next, block: BlockId([9; 32]) }
    }

    fn all_tried() -> Situation {
        Situation { others: 2, untried: 0, is_heard: true, waited: Duration::ZERO }
    }

    #[test]
    fn alone_nobody_is_waited_for() {
        let alone = Situation { others: 0, is_heard: false, ..all_tried() };
        Guard::default().check(alone, |_| false).unwrap();
    }

    #[test]
    fn whoever_is_reached_is_heard_first_and_what_it_holds_is_fetched() {
        let guard = Guard::default();
        let untried = Situation { untried: 1, ..all_tried() };
        assert!(guard.check(untried, |_| true).is_err());
        let nobody_dialled_us = Situation { is_heard: false, ..all_tried() };
        assert!(guard.check(nobody_dialled_us, |_| true).is_err());
        guard.connected(PEER);
        assert!(guard.check(all_tried(), |_| true).is_err(), "connected and silent");
        let longer = Message::Heads(vec![head(PEER, 1), head(US, 5)]);
        assert!(guard.heard(PEER, &US, &longer, false));
        assert!(guard.check(all_tried(), |head| head.next <= 4).is_err(), "we lack one");
        // What it says later of others' feeds takes nothing back.
        assert!(!guard.heard(PEER, &US, &Message::Heads(vec![head(PEER, 2)]), false));
        assert!(guard.check(all_tried(), |head| head.next <= 4).is_err());
        guard.check(all_tried(), |head| head.next <= 5).unwrap();
        guard.check(untried, |_| false).expect("once passed, for good");
    }

    #[test]
    fn a_claim_that_is_not_made_good_does_not_silence_us_for_ever() {
        let guard = Guard::default();
        guard.heard(PEER, &US, &Message::Heads(vec![head(US, u64::MAX)]), false);
        assert!(guard.check(all_tried(), |_| false).is_err());
        let late = Situation { waited: GUARD_WAIT_MAX + Duration::from_secs(1), ..all_tried() };
        guard.check(late, |_| false).unwrap();
    }

    #[test]
    fn equal_stores_shorter_lists_and_lost_peers_let_us_go_on() {
        for message in [
            Message::Heads(vec![head(PEER, 3)]),
            Message::WantBlocks(vec![flowlore_ledger::ledger::Want {
                feed: Feed { org: US, incarnation: 0 },
                from: 0,
                until: 9,
            }]),
        ] {
            let guard = Guard::default();
            guard.connected(PEER);
            assert!(guard.heard(PEER, &US, &message, false));
            guard.check(all_tried(), |_| false).unwrap();
        }
        let guard = Guard::default();
        guard.connected(PEER);
        guard.disconnected(&PEER);
        guard.check(all_tried(), |_| false).unwrap();
    }
}

//! Two members' ledgers made equal: a state machine without I/O, clock or randomness of its own.
//!
//! ```text
//! Hello, State   both say what they hold, in one digest; equal: nothing to do
//! Forks, Heads   all that I hold, a line a feed; later only the feeds that grew
//! WantRoster     documents that I lack, before anything else: blocks are judged by them
//! WantBlocks     a few ranges that I lack; the answer is one page of blocks
//! WantRecords    the token records of those blocks that I lack
//! ```
//!
//! A receiver asks for one page at a time, and no feed of two peers at once, so memory is bounded
//! and no block is sent to it twice. What peers say is bounded by `limits`; one who breaks a rule
//! that it could have kept is disconnected, with the reason.

pub mod message;
mod peer;
mod roster;
mod serve;

use std::collections::BTreeMap;

use flowlore_common::block::Feed;
use flowlore_common::time::Micros;
use rand_core::CryptoRngCore;

use crate::admit::{Fault, Refused};
use crate::ledger::{Accepted, Admission, Head, Ledger};
use crate::limits::{
    PEERS_MAX, SYNC_ANSWER_US_MAX, SYNC_COMPARE_US, SYNC_FEEDS_MAX, SYNC_FORKS_MAX, SYNC_HEADS_MAX,
    SYNC_TELLS_MAX, SYNC_WAITING_BYTES_MAX, SYNC_WANTS_MAX,
};
use crate::roster::RosterError;
use crate::store::row::ForkProof;
use message::{Message, State};
use peer::{Asked, Doubt, Peer, Waiting};

/// A connection, by a number that the caller gives it.
pub type PeerId = u64;

/// The protocol's version that this software speaks.
pub const PROTOCOL: u16 = 1;

/// What happens to the machine.
#[derive(Clone, Debug)]
pub enum Event {
    /// A pinned connection to a member stands.
    Connected(PeerId),
    /// It is gone.
    Disconnected(PeerId),
    /// It said something.
    Received(PeerId, Message),
    /// Own blocks were sealed in these feeds.
    Grew(Vec<Feed>),
    /// A roster document was applied.
    RosterGrew,
    /// Time passed; every few seconds.
    Tick,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send this.
    Send(PeerId, Message),
    /// End the connection, with the reason for log and counter.
    Disconnect(PeerId, Broken),
    /// These entered the ledger.
    Accepted(Vec<Accepted>),
    /// A block was not taken; counted, and shown with its reason.
    Refused(PeerId, Refused),
    /// A roster document was taken.
    Roster(u32),
    /// A second valid roster document: an alarm for people.
    RosterFork(u32),
}

/// Why a connection is ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It speaks no version that we speak.
    #[error("the peer speaks protocol {min} to {max}, we speak {PROTOCOL}")]
    Protocol {
        /// Its lowest.
        min: u16,
        /// Its highest.
        max: u16,
    },
    /// It belongs to another federation.
    #[error("the peer is of another federation")]
    Federation,
    /// It said something before Hello, or Hello twice.
    #[error("the peer's messages are out of order")]
    Order,
    /// It sent more than a message may hold, or what nobody asked for.
    #[error("the peer sent {0} that was not asked for, or too much")]
    Unasked(&'static str),
    /// It passed on what it should have refused.
    #[error("the peer passed on a bad object: {0}")]
    Object(Refused),
    /// A roster document that does not hold.
    #[error("the peer passed on a bad roster document: {0}")]
    Roster(RosterError),
    /// It did not answer in time.
    #[error("the peer did not answer in time")]
    Silent,
    /// We have as many connections as we can serve.
    #[error("too many connections")]
    Full,
    /// Our own disk or state failed.
    #[error("our storage failed: {0}")]
    Storage(String),
}

/// The machine.
#[derive(Debug, Default)]
pub struct Sync {
    peers: BTreeMap<PeerId, Peer>,
    /// Which peer a feed is being asked of.
    asked_feeds: BTreeMap<Feed, PeerId>,
}

/// What one step works with.
struct Step<'a> {
    ledger: &'a mut Ledger,
    now: Micros,
    rng: &'a mut dyn CryptoRngCore,
    effects: Vec<Effect>,
}

type Outcome = Result<(), Broken>;

impl Sync {
    /// A machine without peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One step: what happened, to what has to be done, in this order.
    pub fn step(
        &mut self,
        ledger: &mut Ledger,
        now: Micros,
        rng: &mut dyn CryptoRngCore,
        event: Event,
    ) -> Vec<Effect> {
        let mut step = Step { ledger, now, rng, effects: Vec::new() };
        match event {
            Event::Connected(id) => self.connected(&mut step, id),
            Event::Disconnected(id) => {
                self.forget(id);
                self.ask_all(&mut step);
            }
            Event::Received(id, message) => self.received(&mut step, id, message),
            Event::Grew(feeds) => self.announce(&mut step, &feeds, None),
            Event::RosterGrew => self.tell_state(&mut step, None),
            Event::Tick => self.tick(&mut step),
        }
        step.effects
    }

    fn connected(&mut self, step: &mut Step<'_>, id: PeerId) {
        if self.peers.len() >= PEERS_MAX {
            step.effects.push(Effect::Disconnect(id, Broken::Full));
            return;
        }
        self.peers.insert(id, Peer::new(step.now));
        let federation = step.ledger.roster().federation();
        let state = state(step.ledger);
        let (protocol_min, protocol_max) = (PROTOCOL, PROTOCOL);
        step.send(id, Message::Hello { protocol_min, protocol_max, federation, state });
    }

    fn received(&mut self, step: &mut Step<'_>, id: PeerId, message: Message) {
        if !self.peers.contains_key(&id) {
            return;
        }
        if let Err(broken) = self.handle(step, id, message) {
            self.disconnect(step, id, broken);
        }
        self.ask_all(step);
    }

    fn handle(&mut self, step: &mut Step<'_>, id: PeerId, message: Message) -> Outcome {
        let greeted = self.peer(id)?.greeted;
        match message {
            Message::Hello { protocol_min: min, protocol_max: max, federation, state } => {
                if greeted {
                    return Err(Broken::Order);
                }
                if min > PROTOCOL || max < PROTOCOL {
                    return Err(Broken::Protocol { min, max });
                }
                if federation != step.ledger.roster().federation() {
                    return Err(Broken::Federation);
                }
                self.peer(id)?.greeted = true;
                self.state(step, id, &state)
            }
            _ if !greeted => Err(Broken::Order),
            Message::State(state) => self.state(step, id, &state),
            Message::WantRoster { from } => step.serve_roster(id, from),
            Message::Roster(documents) => self.roster(step, id, &documents),
            Message::Forks(proofs) => self.forks(step, id, &proofs),
            Message::Heads(heads) => self.heads(id, &heads),
            Message::WantBlocks(wants) => step.serve_blocks(id, &wants),
            Message::Blocks(blocks) => self.blocks(step, id, blocks),
            Message::WantRecords(tokens) => step.serve_records(id, &tokens),
            Message::Records(records) => self.records(step, id, records),
        }
    }

    /// What the peer holds; where it differs from ours, it is told all that we hold.
    fn state(&mut self, step: &mut Step<'_>, id: PeerId, theirs: &State) -> Outcome {
        let peer = self.peer(id)?;
        peer.roster_version = theirs.roster_version;
        let is_equal = theirs.objects_digest == step.ledger.objects_digest();
        peer.doubt = Doubt::of(theirs.roster_version, step.ledger).filter(|_| !is_equal);
        if is_equal || peer.told >= SYNC_TELLS_MAX {
            return Ok(());
        }
        peer.told += 1;
        let proofs: Vec<_> = step.ledger.forks().copied().collect();
        for page in proofs.chunks(SYNC_FORKS_MAX) {
            step.send(id, Message::Forks(page.to_vec()));
        }
        let heads: Vec<_> = step.ledger.heads().collect();
        for page in heads.chunks(SYNC_HEADS_MAX) {
            step.send(id, Message::Heads(page.to_vec()));
        }
        Ok(())
    }

    fn forks(&mut self, step: &mut Step<'_>, id: PeerId, proofs: &[ForkProof]) -> Outcome {
        if proofs.len() > SYNC_FORKS_MAX {
            return Err(Broken::Unasked("fork proofs"));
        }
        for proof in proofs {
            match step.ledger.admit_fork(proof) {
                Ok(true) => {
                    self.tell_fork(step, proof, Some(id));
                    self.tell_state(step, None);
                }
                Ok(false) => {}
                Err(refused) if refused.is_held() => {}
                Err(Refused::Storage(error)) => return Err(Broken::Storage(error)),
                Err(refused) => {
                    step.effects.push(Effect::Refused(id, refused.clone()));
                    return Err(Broken::Object(refused));
                }
            }
        }
        Ok(())
    }

    fn heads(&mut self, id: PeerId, heads: &[Head]) -> Outcome {
        let peer = self.peer(id)?;
        peer.heads.extend(heads.iter().map(|head| (head.feed, *head)));
        peer.open.extend(heads.iter().map(|head| head.feed));
        let is_bounded = heads.len() <= SYNC_HEADS_MAX && peer.heads.len() <= SYNC_FEEDS_MAX;
        if is_bounded { Ok(()) } else { Err(Broken::Unasked("feed heads")) }
    }

    fn blocks(&mut self, step: &mut Step<'_>, id: PeerId, blocks: Vec<Vec<u8>>) -> Outcome {
        let peer = self.peer(id)?;
        let bytes: usize = blocks.iter().map(Vec::len).sum();
        let asked = peer.asked.take_if(|(asked, _)| *asked == Asked::Blocks);
        if asked.is_none() || bytes > SYNC_WAITING_BYTES_MAX {
            return Err(Broken::Unasked("blocks"));
        }
        if blocks.is_empty() {
            // It promised more than it has, or lost it since: not believed until it says so again.
            peer.open.clear();
            self.asked_feeds.retain(|_, asked| *asked != id);
            return Ok(());
        }
        peer.waiting = blocks.into_iter().map(Waiting::new).collect();
        peer.has_helped = false;
        self.work_off(step, id)
    }

    fn records(&mut self, step: &mut Step<'_>, id: PeerId, records: Vec<Vec<u8>>) -> Outcome {
        let peer = self.peer(id)?;
        let asked = peer.asked.take_if(|(asked, _)| *asked == Asked::Records);
        let Some(first) = peer.waiting.front_mut().filter(|_| asked.is_some()) else {
            return Err(Broken::Unasked("token records"));
        };
        // A second round would mean that the first did not bring what was asked for.
        if !first.records.is_empty() || records.is_empty() {
            return Err(Broken::Unasked("token records"));
        }
        first.records = records;
        self.work_off(step, id)
    }

    /// Admits the blocks that a peer sent, until one needs records. What entered is told once.
    fn work_off(&mut self, step: &mut Step<'_>, id: PeerId) -> Outcome {
        let mut entered = Vec::new();
        let outcome = self.admit_waiting(step, id, &mut entered);
        self.accepted(step, entered, Some(id));
        outcome
    }

    fn admit_waiting(
        &mut self,
        step: &mut Step<'_>,
        id: PeerId,
        entered: &mut Vec<Accepted>,
    ) -> Outcome {
        while let Some(mut waiting) = self.peer(id)?.waiting.pop_front() {
            let hour = step.now.hour();
            let records = std::mem::take(&mut waiting.records);
            let had_records = !records.is_empty();
            match step.ledger.admit(waiting.block.clone(), records, hour, step.rng) {
                Ok(Admission::AlreadyHere) => {}
                Ok(Admission::Accepted(accepted)) => {
                    self.peer(id)?.has_helped = true;
                    entered.extend(accepted);
                }
                Err(Refused::RecordsMissing(tokens)) if !had_records => {
                    step.send(id, Message::WantRecords(tokens));
                    let peer = self.peer(id)?;
                    peer.waiting.push_front(waiting);
                    peer.asked = Some((Asked::Records, step.now));
                    return Ok(());
                }
                Err(refused) => self.refused(step, id, &waiting, refused)?,
            }
        }
        let peer = self.peers.get_mut(&id).ok_or(Broken::Order)?;
        if !peer.has_helped {
            // Nothing new in a whole page: asking on would never end.
            peer.open.retain(|feed| self.asked_feeds.get(feed) != Some(&id));
        }
        self.asked_feeds.retain(|_, asked| *asked != id);
        Ok(())
    }

    /// A block that was not taken: its feed is not asked of this peer again until it says anew what
    /// it holds.
    fn refused(
        &mut self,
        step: &mut Step<'_>,
        id: PeerId,
        waiting: &Waiting,
        refused: Refused,
    ) -> Outcome {
        let header = waiting.header();
        let feed = header.map(|header| header.feed);
        if let Refused::Fork(_) = refused {
            let proof = step.ledger.forks().find(|proof| Some(proof.one.header.feed) == feed);
            if let Some(proof) = proof.copied() {
                self.tell_fork(step, &proof, None);
                self.tell_state(step, None);
            }
        }
        step.effects.push(Effect::Refused(id, refused.clone()));
        let peer = self.peer(id)?;
        match &refused {
            Refused::Storage(error) => return Err(Broken::Storage(error.clone())),
            Refused::RosterUnknown { given, .. } => {
                peer.roster_version = peer.roster_version.max(*given);
            }
            Refused::RosterHash(_) => {
                let named = header.map_or(0, |header| header.roster_version);
                peer.check = Doubt::of(named.saturating_sub(1), step.ledger);
            }
            Refused::RecordsMissing(_) => return Err(Broken::Object(refused)),
            _ if refused.fault() == Fault::Peer => return Err(Broken::Object(refused)),
            _ => {}
        }
        peer.waiting.retain(|other| other.header().map(|header| header.feed) != feed);
        peer.open.retain(|other| Some(*other) != feed);
        if let Some(header) = header.filter(|_| refused == Refused::Prev) {
            // Its feed parted from ours before: the block that this one names is asked for next.
            let (feed, next, block) = (header.feed, header.height, header.prev);
            peer.heads.insert(feed, Head { feed, next, block });
            peer.open.insert(feed);
            peer.has_helped = true;
        }
        Ok(())
    }

    fn accepted(&mut self, step: &mut Step<'_>, accepted: Vec<Accepted>, from: Option<PeerId>) {
        if accepted.is_empty() {
            return;
        }
        let feeds: Vec<_> = accepted.iter().map(|accepted| accepted.feed).collect();
        step.effects.push(Effect::Accepted(accepted));
        self.announce(step, &feeds, from);
    }

    /// Tells the others that feeds grew: who lacks the blocks will ask.
    fn announce(&mut self, step: &mut Step<'_>, feeds: &[Feed], except: Option<PeerId>) {
        for (id, peer) in self.peers.iter().filter(|(id, _)| Some(**id) != except) {
            let knows = |head: &Head| {
                peer.heads.get(&head.feed).is_some_and(|theirs| theirs.next >= head.next)
            };
            let mut heads: Vec<_> =
                feeds.iter().filter_map(|feed| step.ledger.head(feed)).collect();
            heads.sort_unstable();
            heads.dedup();
            heads.retain(|head| !knows(head));
            if peer.greeted && !heads.is_empty() {
                heads.truncate(SYNC_HEADS_MAX);
                step.effects.push(Effect::Send(*id, Message::Heads(heads)));
            }
        }
    }

    /// Says anew what we hold, as a whole: after a roster change, and now and then.
    fn tell_state(&mut self, step: &mut Step<'_>, except: Option<PeerId>) {
        let state = state(step.ledger);
        for (id, peer) in self.peers.iter_mut().filter(|(id, _)| Some(**id) != except) {
            if peer.greeted {
                peer.compared = step.now;
                step.effects.push(Effect::Send(*id, Message::State(state)));
            }
        }
    }

    fn tell_fork(&self, step: &mut Step<'_>, proof: &ForkProof, except: Option<PeerId>) {
        for (id, peer) in self.peers.iter().filter(|(id, _)| Some(**id) != except) {
            if peer.greeted {
                step.effects.push(Effect::Send(*id, Message::Forks(vec![*proof])));
            }
        }
    }

    fn tick(&mut self, step: &mut Step<'_>) {
        let late: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.waits_since().is_some_and(|since| is_late(since, step.now)))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.disconnect(step, id, Broken::Silent);
        }
        let released = step.ledger.tick(step.now.hour(), step.rng);
        self.accepted(step, released, None);
        let due = |peer: &Peer| step.now.0.saturating_sub(peer.compared.0) >= SYNC_COMPARE_US;
        if self.peers.values().any(due) {
            self.tell_state(step, None);
            for peer in self.peers.values_mut() {
                peer.told = 0;
            }
        }
        for peer in self.peers.values_mut() {
            peer.check = peer.doubt.take().or(peer.check);
        }
        self.ask_all(step);
    }

    /// Asks every idle peer for what it has and we lack, no feed of two at once.
    fn ask_all(&mut self, step: &mut Step<'_>) {
        for (id, peer) in &mut self.peers {
            if peer.asked.is_some() || !peer.waiting.is_empty() || !peer.greeted {
                continue;
            }
            let newest = step.ledger.roster().version();
            if peer.roster_version > newest {
                peer.asked = Some((Asked::Roster, step.now));
                let want = Message::WantRoster { from: newest + 1 };
                step.effects.push(Effect::Send(*id, want));
                continue;
            }
            let heads = peer.open.iter().filter_map(|feed| peer.heads.get(feed)).copied();
            let mut wants = step.ledger.wants(&heads.collect::<Vec<_>>());
            peer.open = wants.iter().map(|want| want.feed).collect();
            wants.retain(|want| !self.asked_feeds.contains_key(&want.feed));
            wants.truncate(SYNC_WANTS_MAX);
            if wants.is_empty() {
                if let Some(doubt) = peer.check.take() {
                    peer.asked = Some((Asked::Roster, step.now));
                    peer.checking = Some(doubt);
                    let want = Message::WantRoster { from: doubt.from };
                    step.effects.push(Effect::Send(*id, want));
                }
                continue;
            }
            self.asked_feeds.extend(wants.iter().map(|want| (want.feed, *id)));
            peer.asked = Some((Asked::Blocks, step.now));
            step.effects.push(Effect::Send(*id, Message::WantBlocks(wants)));
        }
    }

    fn peer(&mut self, id: PeerId) -> Result<&mut Peer, Broken> {
        self.peers.get_mut(&id).ok_or(Broken::Order)
    }

    fn forget(&mut self, id: PeerId) {
        self.peers.remove(&id);
        self.asked_feeds.retain(|_, asked| *asked != id);
    }

    fn disconnect(&mut self, step: &mut Step<'_>, id: PeerId, broken: Broken) {
        self.forget(id);
        step.effects.push(Effect::Disconnect(id, broken));
    }
}

fn is_late(since: Micros, now: Micros) -> bool {
    now.0.saturating_sub(since.0) > SYNC_ANSWER_US_MAX
}

/// What we hold, as a whole.
fn state(ledger: &Ledger) -> State {
    let roster_version = ledger.roster().version();
    State { roster_version, objects_digest: ledger.objects_digest() }
}

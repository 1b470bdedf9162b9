//! A peer that says anything, one message after the other: it is answered or sent away, never believed.
#![no_main]

use flowlore_common::block::Feed;
use flowlore_common::ids::{BlockId, FederationId, OrgId, Token};
use flowlore_common::time::Micros;
use flowlore_fuzz::WORLD;
use flowlore_fuzz::world::{NOW, World, first};
use flowlore_ledger::ledger::{Head, Want};
use flowlore_ledger::store::row::ForkProof;
use flowlore_ledger::sync::message::{Message, State};
use flowlore_ledger::sync::{Effect, Event, Sync};
use libfuzzer_sys::fuzz_target;

/// Messages of one run: enough for a conversation.
const MESSAGES_MAX: usize = 24;

fuzz_target!(|data: &[u8]| {
    let world = &*WORLD;
    let mut ledger = world.ledger();
    let block = world.block(1, first(), &[b"x"]);
    let mut bytes = Bytes { left: data, world, block: block.bytes().to_vec() };
    let mut rng = world.rng.clone();
    let mut sync = Sync::new();
    let mut now = Micros(i64::from(NOW.0) * 3_600_000_000);
    sync.step(&mut ledger, now, &mut rng, Event::Connected(1));
    for _ in 0..MESSAGES_MAX {
        let Some(message) = bytes.message() else { break };
        let effects = sync.step(&mut ledger, now, &mut rng, Event::Received(1, message));
        assert!(effects.len() < 1_000, "one message, bounded effects");
        if effects.iter().any(|effect| matches!(effect, Effect::Disconnect(..))) {
            sync.step(&mut ledger, now, &mut rng, Event::Connected(1));
        }
        now = Micros(now.0 + 1_000_000);
        sync.step(&mut ledger, now, &mut rng, Event::Tick);
    }
    assert!(ledger.heads().all(|head| head.feed == block.header().feed && head.next <= 1));
});

/// Messages out of bytes; where ids are wanted, mostly ones that exist.
struct Bytes<'a> {
    left: &'a [u8],
    world: &'a World,
    block: Vec<u8>,
}

impl Bytes<'_> {
    fn u8(&mut self) -> Option<u8> {
        let (byte, left) = self.left.split_first()?;
        self.left = left;
        Some(*byte)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let wanted = usize::from(self.u8()?);
        let (bytes, left) = self.left.split_at(wanted.min(self.left.len()));
        self.left = left;
        Some(bytes.to_vec())
    }

    fn array(&mut self) -> Option<[u8; 32]> {
        Some([self.u8()?; 32])
    }

    fn feed(&mut self) -> Option<Feed> {
        let number = usize::from(self.u8()?);
        let org = self.world.orgs.get(number % 3).map_or(OrgId([9; 32]), |org| org.id);
        Some(Feed { org, incarnation: u32::from(self.u8()? % 3) })
    }

    fn block(&mut self) -> Option<Vec<u8>> {
        let given = self.bytes()?;
        if given.is_empty() {
            return Some(self.block.clone());
        }
        let mut bytes = self.block.clone();
        for (byte, change) in bytes.iter_mut().rev().zip(&given) {
            *byte ^= change;
        }
        Some(bytes)
    }

    fn state(&mut self) -> Option<State> {
        Some(State { roster_version: u32::from(self.u8()? % 3), objects_digest: self.array()? })
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.u8()? % 8).map(|_| one(self)).collect()
    }

    fn message(&mut self) -> Option<Message> {
        let federation = FederationId(self.world.first.hash().0);
        Some(match self.u8()? % 10 {
            0 => Message::Hello {
                protocol_min: 1,
                protocol_max: u16::from(self.u8()? % 3),
                federation,
                state: self.state()?,
            },
            1 => Message::State(self.state()?),
            2 => Message::WantRoster { from: u32::from(self.u8()?) },
            3 => {
                let first = self.world.first.encode();
                Message::Roster(self.list(|it| {
                    let given = it.bytes()?;
                    Some(if given.is_empty() { first.clone() } else { given })
                })?)
            }
            4 => Message::Forks(self.list(|it| {
                let (one, other) = (it.block()?, it.block()?);
                ForkProof::parse(&[&one[..284], &other[..284]].concat())
            })?),
            5 => Message::Heads(self.list(|it| {
                Some(Head {
                    feed: it.feed()?,
                    next: u64::from(it.u8()?),
                    block: BlockId(it.array()?),
                })
            })?),
            6 => Message::WantBlocks(self.list(|it| {
                Some(Want { feed: it.feed()?, from: it.u8()?.into(), until: it.u8()?.into() })
            })?),
            7 => Message::Blocks(self.list(Self::block)?),
            8 => Message::WantRecords(self.list(|it| Some(Token(it.array()?)))?),
            _ => Message::Records(self.list(Self::bytes)?),
        })
    }
}

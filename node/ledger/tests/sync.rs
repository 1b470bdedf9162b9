//! Goal: connected ledgers become equal, at bounded cost, and a peer that misbehaves is sent away
//! with a reason. Method: machines joined by queues; messages are delivered one by one in an order
//! drawn from a seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use std::collections::VecDeque;

use flowlore_common::block::PayloadKind;
use flowlore_common::env::SeededRng;
use flowlore_common::label::Purpose;
use flowlore_common::roster::Change;
use flowlore_common::time::{Hour, Micros};
use flowlore_ledger::ledger::{Ledger, Want};
use flowlore_ledger::limits::{PEERS_MAX, SYNC_ANSWER_US_MAX, SYNC_COMPARE_US};
use flowlore_ledger::sync::message::{Message, State};
use flowlore_ledger::sync::{Broken, Effect, Event, PeerId, Sync};
use rand_core::RngCore as _;
use world::{At, NOW, World, after, first, question, sighting, today};

const START: Micros = Micros(NOW.0 as i64 * 3_600_000_000);

struct Node {
    ledger: Ledger,
    sync: Sync,
    rng: SeededRng,
}

/// Nodes, all connected with each other; node n is peer n at every other one.
struct Net {
    nodes: Vec<Node>,
    queues: Vec<(usize, usize, VecDeque<Message>)>,
    rng: SeededRng,
    now: Micros,
    delivered: usize,
    blocks_sent: usize,
    broken: Vec<Broken>,
}

impl Net {
    fn new(ledgers: Vec<Ledger>, seed: u64) -> Self {
        let nodes = ledgers
            .into_iter()
            .map(|ledger| Node { ledger, sync: Sync::new(), rng: SeededRng::new("node", seed) })
            .collect();
        let rng = SeededRng::new("net", seed);
        let (queues, broken) = (Vec::new(), Vec::new());
        let mut net = Self { nodes, queues, rng, now: START, delivered: 0, blocks_sent: 0, broken };
        let count = net.nodes.len();
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from) {
                net.queues.push((from, to, VecDeque::new()));
            }
        }
        for node in 0..count {
            for other in (0..count).filter(|other| *other != node) {
                net.step(node, Event::Connected(other as PeerId));
            }
        }
        net
    }

    fn step(&mut self, at: usize, event: Event) {
        let node = &mut self.nodes[at];
        for effect in node.sync.step(&mut node.ledger, self.now, &mut node.rng, event) {
            match effect {
                Effect::Send(to, message) => {
                    if let Message::Blocks(blocks) = &message {
                        self.blocks_sent += blocks.len();
                    }
                    let to = usize::try_from(to).unwrap();
                    let queue = self.queues.iter_mut().find(|(a, b, _)| (*a, *b) == (at, to));
                    queue.unwrap().2.push_back(message);
                }
                Effect::Disconnect(_, broken) => self.broken.push(broken),
                _ => {}
            }
        }
    }

    /// Delivers until nothing is under way; links are served in an order from the seed.
    fn settle(&mut self) {
        loop {
            let busy: Vec<usize> =
                (0..self.queues.len()).filter(|index| !self.queues[*index].2.is_empty()).collect();
            if busy.is_empty() {
                return;
            }
            let pick = busy[self.rng.next_u32() as usize % busy.len()];
            let (from, to, queue) = &mut self.queues[pick];
            let (from, to) = (*from as PeerId, *to);
            let message = queue.pop_front().unwrap();
            self.delivered += 1;
            assert!(self.delivered < 100_000, "messages without end");
            self.step(to, Event::Received(from, message));
        }
    }

    fn tick(&mut self) {
        self.now = Micros(self.now.0 + SYNC_COMPARE_US);
        for node in 0..self.nodes.len() {
            self.step(node, Event::Tick);
        }
        self.settle();
    }

    fn assert_equal(&self) {
        let digests: Vec<_> = self.nodes.iter().map(|node| node.ledger.objects_digest()).collect();
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "objects differ");
        let states: Vec<_> =
            self.nodes.iter().map(|node| node.ledger.state_digest(today()).unwrap()).collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "states differ");
    }
}

/// Ledgers of three orgs, each with own labels about shared and own names.
fn three(world: &mut World, names: usize) -> Vec<Ledger> {
    (0..3)
        .map(|org| {
            let mut ledger = world.ledger();
            let author = world::org(u8::try_from(org).unwrap(), u8::try_from(org + 1).unwrap());
            let labels = (0..names)
                .map(|name| {
                    let own = if name % 2 == 0 { "shared".to_owned() } else { format!("o{org}") };
                    let name = format!("n{name}.{own}.example");
                    world.label(org, &name, Purpose::Contacted, &sighting())
                })
                .collect();
            let rng = &mut world.rng;
            ledger.seal(author.author(), Purpose::Contacted, labels, NOW, rng).unwrap();
            ledger
        })
        .collect()
}

#[test]
fn three_become_equal_in_every_order_and_no_block_is_sent_twice() {
    for seed in 0..20 {
        let mut world = World::new(&[1, 2, 3]);
        let mut net = Net::new(three(&mut world, 6), seed);
        net.settle();
        net.assert_equal();
        assert_eq!(net.broken, [], "seed {seed}");
        assert_eq!(net.blocks_sent, 6, "seed {seed}: each of 3 blocks to 2 others, once");
        let host = net.nodes[2].ledger.answer(&question("n0.shared.example"), today()).unwrap();
        assert_eq!(host.host.unwrap().contacted.orgs, 3);
    }
}

#[test]
fn equal_ledgers_say_hello_and_nothing_more() {
    let mut world = World::new(&[1, 2, 3]);
    let mut net = Net::new(three(&mut world, 2), 1);
    net.settle();
    let ledgers = std::mem::take(&mut net.nodes).into_iter().map(|node| node.ledger).collect();
    let mut again = Net::new(ledgers, 2);
    again.settle();
    assert_eq!(again.delivered, 6);
    again.tick();
    assert_eq!(again.delivered, 12, "a State each, answered by silence");
}

#[test]
fn what_grows_later_spreads_without_a_new_hello() {
    let mut world = World::new(&[1, 2, 3]);
    let mut net = Net::new(three(&mut world, 2), 3);
    net.settle();
    let author = world::org(0, 1);
    let label = world.label(0, "late.example", Purpose::Contacted, &sighting());
    let node = &mut net.nodes[0];
    let rng = &mut world.rng;
    node.ledger.seal(author.author(), Purpose::Contacted, vec![label], NOW, rng).unwrap();
    net.step(0, Event::Grew(vec![author.feed()]));
    net.settle();
    net.assert_equal();
    assert_eq!(net.broken, []);
}

#[test]
fn a_roster_document_spreads_and_releases_what_waited() {
    let mut world = World::new(&[1, 2, 3]);
    let mut ledgers = three(&mut world, 2);
    let mut documents = Vec::new();
    for number in 0..70 {
        let endpoints = vec![format!("a{number}.example:7071")];
        let change = Change::Endpoints(world.member(0), endpoints);
        let document = world.document(&ledgers[0], vec![change], NOW);
        ledgers[0].apply_roster(&document, NOW, &mut world.rng).unwrap();
        documents.push(document);
    }
    let author = world::org(0, 1);
    let rng = &mut world.rng;
    ledgers[0].seal_items(author.author(), PayloadKind(50), &[b"x"], NOW, rng).unwrap();
    let mut net = Net::new(ledgers, 4);
    net.settle();
    net.assert_equal();
    assert_eq!(net.nodes[2].ledger.roster().version(), 70);
    // And one more while connected.
    let change = Change::Endpoints(world.member(0), vec![]);
    let document = world.document(&net.nodes[0].ledger, vec![change], NOW);
    net.nodes[0].ledger.apply_roster(&document, NOW, &mut world.rng).unwrap();
    net.step(0, Event::RosterGrew);
    net.settle();
    net.assert_equal();
    assert_eq!(net.broken, []);
}

#[test]
fn a_fork_delivered_to_disjoint_halves_is_cut_everywhere() {
    for seed in 0..10 {
        let mut world = World::new(&[1, 2, 3, 4]);
        let one = world.block(3, first(), &[b"one"]);
        let two = world.block(3, after(&one), &[b"two"]);
        let other = world.block(3, after(&one), &[b"other"]);
        let more = world.block(3, after(&other), &[b"more"]);
        let longer = [&one, &other, &more];
        let ledgers = [&[&one, &two][..], &[&one, &two], &longer].map(|blocks| {
            let mut ledger = world.ledger();
            for block in blocks {
                let bytes = block.bytes().to_vec();
                ledger.admit(bytes, vec![], NOW, &mut world.rng).unwrap();
            }
            ledger
        });
        let mut net = Net::new(ledgers.into(), seed);
        net.settle();
        net.assert_equal();
        let feed = world.orgs[3].feed();
        assert_eq!(net.nodes[0].ledger.head(&feed).unwrap().next, 1, "seed {seed}");
        assert_eq!(net.broken, [], "seed {seed}");
    }
}

#[test]
fn rosters_that_parted_are_found_and_taken_back_everywhere() {
    for (depth, seed) in [(1, 21), (2, 22), (7, 23)] {
        let mut world = World::governed(&[1, 2, 3, 4], 3);
        let mut ledgers: Vec<_> = (0..4).map(|_| world.ledger()).collect();
        let mut other = None;
        // Two believe one chain of so many documents, two another.
        for (half, signers) in [("x", [0, 1]), ("y", [1, 2])] {
            let mut author = world.ledger();
            for version in 0..depth {
                let endpoints = vec![format!("{half}{version}.example:1")];
                let change = Change::Endpoints(world.member(0), endpoints);
                let document = world.signed(&author, vec![change], &signers);
                author.apply_roster(&document, NOW, &mut world.rng).unwrap();
                if half == "y" && version == 0 {
                    other = Some(document.clone());
                }
                let first = if half == "x" { 0 } else { 2 };
                for ledger in &mut ledgers[first..first + 2] {
                    ledger.apply_roster(&document, NOW, &mut world.rng).unwrap();
                }
            }
        }
        let mut net = Net::new(ledgers, seed);
        net.settle();
        for _ in 0..6 {
            net.tick();
        }
        assert_eq!(net.broken, [], "depth {depth}");
        net.assert_equal();
        for node in &net.nodes {
            assert_eq!((node.ledger.contested(), node.ledger.roster().version()), (Some(1), 0));
        }
        // Org 0 gives way, and one node hears of it.
        let mut settled = other.unwrap();
        settled.sign(world.member(0), &world.orgs[0].key);
        let node = &mut net.nodes[0];
        node.ledger.apply_roster(&settled, NOW, &mut node.rng).unwrap();
        net.step(0, Event::RosterGrew);
        net.settle();
        for _ in 0..3 {
            net.tick();
        }
        assert_eq!(net.broken, [], "depth {depth}");
        net.assert_equal();
        for node in &net.nodes {
            assert_eq!((node.ledger.contested(), node.ledger.roster().version()), (None, depth));
        }
    }
}

#[test]
fn long_feeds_come_in_pages() {
    let mut world = World::new(&[1, 2]);
    let mut source = world.ledger();
    let author = world::org(0, 1);
    let filler = vec![1; 60_000];
    let items: Vec<&[u8]> = vec![&filler; 4];
    for _ in 0..20 {
        let rng = &mut world.rng;
        source.seal_items(author.author(), PayloadKind(50), &items, NOW, rng).unwrap();
    }
    let mut net = Net::new(vec![source, world.ledger()], 5);
    net.settle();
    net.assert_equal();
    assert_eq!(net.blocks_sent, 20);
}

#[test]
fn a_block_from_the_future_comes_when_its_time_has_come() {
    let mut world = World::new(&[1, 2]);
    let mut ahead = world.ledger();
    let later = Hour(NOW.0 + 5);
    let block = world.block(1, At { sealed: later, ..first() }, &[b"x"]);
    let next = world.block(1, At { sealed: later, ..after(&block) }, &[b"y"]);
    for block in [&block, &next] {
        ahead.admit(block.bytes().to_vec(), vec![], later, &mut world.rng).unwrap();
    }
    let mut net = Net::new(vec![ahead, world.ledger()], 6);
    net.settle();
    assert_eq!(net.nodes[1].ledger.held(), 1);
    net.now = Micros(net.now.0 + 4 * 3_600_000_000);
    net.tick();
    net.tick();
    net.assert_equal();
    assert_eq!(net.broken, []);
}

/// One machine, and a peer that sends what the test says.
struct Alone {
    world: World,
    ledger: Ledger,
    sync: Sync,
}

impl Alone {
    fn new() -> Self {
        let world = World::new(&[1, 2]);
        let ledger = world.ledger();
        Self { world, ledger, sync: Sync::new() }
    }

    fn step(&mut self, now: Micros, event: Event) -> Vec<Effect> {
        self.sync.step(&mut self.ledger, now, &mut self.world.rng, event)
    }

    fn hear(&mut self, message: Message) -> Vec<Effect> {
        self.step(START, Event::Received(1, message))
    }

    fn hello(&mut self) -> Vec<Effect> {
        self.step(START, Event::Connected(1));
        let federation = self.ledger.roster().federation();
        let state = State { roster_version: 0, objects_digest: [0; 32] };
        self.hear(Message::Hello { protocol_min: 1, protocol_max: 1, federation, state })
    }

    fn broken_by(&mut self, message: Message) -> Option<Broken> {
        let effects = self.hear(message);
        effects.into_iter().find_map(|effect| match effect {
            Effect::Disconnect(1, broken) => Some(broken),
            _ => None,
        })
    }
}

#[test]
fn what_nobody_asked_for_ends_the_connection() {
    for message in [
        Message::Blocks(vec![]),
        Message::Records(vec![]),
        Message::Roster(vec![]),
        Message::WantBlocks(vec![Want { feed: world::org(0, 1).feed(), from: 0, until: 1 }; 1_000]),
    ] {
        let mut alone = Alone::new();
        alone.hello();
        let broken = alone.broken_by(message.clone());
        assert!(matches!(broken, Some(Broken::Unasked(_))), "{message:?}");
    }
}

#[test]
fn order_version_and_federation_are_checked() {
    let mut alone = Alone::new();
    alone.step(START, Event::Connected(1));
    assert_eq!(alone.broken_by(Message::WantRoster { from: 0 }), Some(Broken::Order));
    let mut alone = Alone::new();
    alone.hello();
    let federation = alone.ledger.roster().federation();
    let state = State { roster_version: 0, objects_digest: [0; 32] };
    let hello =
        |min, federation| Message::Hello { protocol_min: min, protocol_max: 9, federation, state };
    assert_eq!(alone.broken_by(hello(1, federation)), Some(Broken::Order));
    let mut alone = Alone::new();
    alone.step(START, Event::Connected(1));
    let newer = Broken::Protocol { min: 2, max: 9 };
    assert_eq!(alone.broken_by(hello(2, federation)), Some(newer));
    let mut alone = Alone::new();
    alone.step(START, Event::Connected(1));
    let other = flowlore_common::ids::FederationId([9; 32]);
    assert_eq!(alone.broken_by(hello(1, other)), Some(Broken::Federation));
}

#[test]
fn a_forged_block_ends_the_connection_with_its_reason() {
    let mut alone = Alone::new();
    alone.hello();
    let block = alone.world.block(1, first(), &[b"x"]);
    let head =
        flowlore_ledger::ledger::Head { feed: block.header().feed, next: 1, block: block.id() };
    let asks = alone.hear(Message::Heads(vec![head]));
    assert!(matches!(asks[..], [Effect::Send(1, Message::WantBlocks(_))]));
    let mut forged = block.bytes().to_vec();
    forged[230] ^= 1;
    let effects = alone.hear(Message::Blocks(vec![forged]));
    let refused = flowlore_ledger::admit::Refused::Signature;
    let expected =
        [Effect::Refused(1, refused.clone()), Effect::Disconnect(1, Broken::Object(refused))];
    assert_eq!(effects, expected);
    assert_eq!(alone.hear(Message::Heads(vec![head])), [], "a forgotten peer is not heard");
}

#[test]
fn a_lying_head_is_asked_once_and_a_silent_peer_is_left() {
    let mut alone = Alone::new();
    alone.hello();
    let feed = world::org(1, 2).feed();
    let head = flowlore_ledger::ledger::Head { feed, next: 5, block: Default::default() };
    let wants = |effects: &[Effect]| {
        let wants = |effect: &&Effect| matches!(effect, Effect::Send(_, Message::WantBlocks(_)));
        effects.iter().filter(wants).count()
    };
    assert_eq!(wants(&alone.hear(Message::Heads(vec![head]))), 1);
    assert_eq!(wants(&alone.hear(Message::Blocks(vec![]))), 0);
    assert_eq!(wants(&alone.hear(Message::Heads(vec![head]))), 1, "it says so anew");
    let in_time = Micros(START.0 + SYNC_ANSWER_US_MAX);
    assert!(!alone.step(in_time, Event::Tick).iter().any(|e| matches!(e, Effect::Disconnect(..))));
    let late = Micros(in_time.0 + 1);
    assert!(alone.step(late, Event::Tick).contains(&Effect::Disconnect(1, Broken::Silent)));
}

#[test]
fn a_page_without_news_ends_asking() {
    let mut alone = Alone::new();
    let block = alone.world.block(1, first(), &[b"x"]);
    let bytes = block.bytes().to_vec();
    alone.ledger.admit(bytes.clone(), vec![], NOW, &mut alone.world.rng).unwrap();
    alone.hello();
    // It claims another block at our height, and then sends ours.
    let feed = block.header().feed;
    let head = flowlore_ledger::ledger::Head { feed, next: 1, block: Default::default() };
    let asks = alone.hear(Message::Heads(vec![head]));
    assert!(matches!(asks[..], [Effect::Send(1, Message::WantBlocks(_))]));
    assert_eq!(alone.hear(Message::Blocks(vec![bytes])), []);
}

#[test]
fn connections_are_bounded() {
    let mut alone = Alone::new();
    for peer in 0..PEERS_MAX as PeerId {
        assert_eq!(alone.step(START, Event::Connected(peer)).len(), 1);
    }
    let one_more = alone.step(START, Event::Connected(PEERS_MAX as PeerId));
    assert_eq!(one_more, [Effect::Disconnect(PEERS_MAX as PeerId, Broken::Full)]);
}

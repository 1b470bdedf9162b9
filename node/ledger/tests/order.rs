//! Goal: equal objects give equal digests and the same answer bytes, whatever the order of arrival.
//! Method: a small set of objects with a replacement, a retraction, a void item, records and a roster
//! document that come before or after the blocks that need them, a new incarnation, a refresh and an
//! unknown kind; every permutation.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use std::collections::BTreeSet;

use flowlore_common::block::{Feed, PayloadKind, UnverifiedBlock};
use flowlore_common::env::SeededRng;
use flowlore_common::ids::{OrgId, Token};
use flowlore_common::label::{Purpose, Source, Verdict};
use flowlore_common::roster::{Change, Document};
use flowlore_common::time::Hour;
use flowlore_ledger::admit::Refused;
use flowlore_ledger::fold::Refresh;
use flowlore_ledger::ledger::{Accepted, Engine, Ledger};
use flowlore_ledger::seal::{Author, OwnLabel};
use flowlore_ledger::store::memory::MemoryStore;
use flowlore_ledger::store::row::{
    BlockRow, FeedRow, ForkProof, LabelRow, LogEnd, NoteRow, TokenRow,
};
use flowlore_ledger::store::{Changes, Store, StoreError};
use flowlore_veil::token::token_of;
use rand_core::RngCore as _;
use world::{At, NOW, World, after, assessment, first, permutations, question, sighting, today};

const NAME: &str = "evil.example";

/// One thing that arrives.
#[derive(Clone)]
enum Object {
    Block(Vec<u8>),
    /// A token's record, without which a block with labels of the token waits.
    Record(Vec<u8>),
    Roster(Box<Document>),
    Fork(Box<ForkProof>),
}

impl Object {
    fn is_of(&self, kind: PayloadKind) -> bool {
        let Self::Block(bytes) = self else { return false };
        UnverifiedBlock::header_of(bytes).is_some_and(|header| header.kind == kind)
    }

    const fn is_record(&self) -> bool {
        matches!(self, Self::Record(_))
    }
}

/// Every token's record once.
fn records_of<'a>(labels: impl IntoIterator<Item = &'a OwnLabel>) -> Vec<Object> {
    let records: BTreeSet<_> = labels.into_iter().map(|label| label.record.clone()).collect();
    records.into_iter().map(Object::Record).collect()
}

fn objects(world: &mut World) -> Vec<Object> {
    let mut ledger = world.ledger();
    let (a, b) = (world::org(0, 1), world::org(1, 2));
    let mut objects = Vec::new();
    let flagged = |world: &mut World, org, confidence| {
        let body = assessment(Verdict::Malicious, Source::Person, confidence);
        world.label(org, NAME, Purpose::Flagged, &body)
    };
    // A: flags, flags again with another confidence, then takes it back; contacted and refreshed.
    let (one, two) = (flagged(world, 0, 50), flagged(world, 0, 90));
    let taken_back = world.retraction(0, NAME, Purpose::Flagged);
    let contacted = world.label(0, NAME, Purpose::Contacted, &sighting());
    objects.extend(records_of([&one, &contacted]));
    let rng = &mut world.rng.clone();
    let first_contact = seal(&mut ledger, a.author(), Purpose::Contacted, contacted, rng);
    for label in [one, two, taken_back] {
        seal(&mut ledger, a.author(), Purpose::Flagged, label, rng);
    }
    let height = first_contact.height;
    let refresh = Refresh { incarnation: 0, height, index: 0 }.encode();
    let later = Hour(NOW.0 + 1);
    ledger.seal_items(a.author(), PayloadKind::REFRESH, &[&refresh], later, rng).unwrap();
    // A roster document, without which the rest of B's can't be judged.
    let change = Change::Endpoints(a.id, vec!["a.example:7071".to_owned()]);
    let document = world.document(&ledger, vec![change], NOW);
    ledger.apply_roster(&document, NOW, rng).unwrap();
    objects.push(Object::Roster(Box::new(document)));
    // B: flags in a later incarnation than the one that it contacted in, and an unknown kind.
    let (word, seen) =
        (flagged(world, 1, 70), world.label(1, NAME, Purpose::Contacted, &sighting()));
    seal(&mut ledger, b.author(), Purpose::Contacted, seen, rng);
    let anew = Author { incarnation: 1, ..b.author() };
    seal(&mut ledger, anew, Purpose::Flagged, word, rng);
    ledger.seal_items(anew, PayloadKind(77), &[b"new"], NOW, rng).unwrap();
    // ... and writes why, twice.
    for title in ["first thought", "second thought"] {
        let note = world.note(1, NAME, Purpose::Flagged, title);
        ledger.seal_items(anew, PayloadKind::NOTES, &[&note], NOW, rng).unwrap();
    }
    for head in ledger.heads().collect::<Vec<_>>() {
        objects.extend(world::blocks(&ledger, head.feed, 0).into_iter().map(Object::Block));
    }
    // C: a block with a void item: a label that it took from B.
    let stolen = world.label(1, NAME, Purpose::Contacted, &sighting());
    let at = At { kind: PayloadKind::LABELS, ..first() };
    let block = world.block(2, at, &[&stolen.item]);
    objects.push(Object::Block(block.bytes().to_vec()));
    objects
}

fn seal(
    ledger: &mut Ledger,
    author: Author<'_>,
    purpose: Purpose,
    label: OwnLabel,
    rng: &mut SeededRng,
) -> Accepted {
    ledger.seal(author, purpose, vec![label], NOW, rng).unwrap().remove(0)
}

/// Delivers in this order: what cannot enter yet waits, and is tried again whenever something else has come.
fn deliver(world: &World, order: &[&Object]) -> Ledger {
    deliver_to(world.ledger(), world, order)
}

fn deliver_to(mut ledger: Ledger, world: &World, order: &[&Object]) -> Ledger {
    let mut rng = world.rng.clone();
    let mut records = Vec::new();
    let mut waiting: Vec<&Object> = vec![];
    let mut take = |object: &Object| match object {
        Object::Roster(document) => ledger.apply_roster(document, NOW, &mut rng).is_ok(),
        Object::Fork(proof) => ledger.admit_fork(proof).is_ok(),
        Object::Block(block) => enters(&mut ledger, block, &records, &mut rng),
        Object::Record(record) => {
            let known = ledger.record(&token_of(record)).unwrap();
            assert_eq!(known, None, "no block entered without it");
            records.push(record.clone());
            true
        }
    };
    for object in order {
        if !take(object) {
            waiting.push(object);
            continue;
        }
        // What waited may have waited for this.
        loop {
            let before = waiting.len();
            waiting.retain(|object| !take(object));
            if waiting.len() == before {
                break;
            }
        }
    }
    ledger
}

/// Whether a block enters now, with those of the records that it needs, as sync asks for them.
fn enters(ledger: &mut Ledger, block: &[u8], records: &[Vec<u8>], rng: &mut SeededRng) -> bool {
    let admitted = match ledger.admit(block.to_vec(), vec![], NOW, rng) {
        Err(Refused::RecordsMissing(tokens)) => {
            let needed = |record: &&Vec<u8>| tokens.contains(&token_of(record));
            let found: Vec<_> = records.iter().filter(needed).cloned().collect();
            ledger.admit(block.to_vec(), found, NOW, rng)
        }
        other => other,
    };
    admitted.is_ok()
}

fn outcome(ledger: &Ledger) -> (String, String, String) {
    let answer = ledger.answer(&question(NAME), today()).unwrap();
    let hex = |bytes: [u8; 32]| hex::encode(bytes);
    let state = ledger.state_digest(today()).unwrap();
    (hex(ledger.objects_digest()), hex(state), serde_json::to_string(&answer).unwrap())
}

/// Seven blocks of three orgs: a replacement, a retraction, a refresh, a void item; and the one record without which
/// none of them but the refresh can enter.
fn seven_blocks(world: &mut World) -> Vec<Object> {
    let mut ledger = world.ledger();
    let rng = &mut SeededRng::new("seal", 1);
    let flagged = |world: &mut World, org, confidence| {
        let body = assessment(Verdict::Malicious, Source::Person, confidence);
        world.label(org, NAME, Purpose::Flagged, &body)
    };
    let (a, b) = (world::org(0, 1), world::org(1, 2));
    let mut labels = Vec::new();
    for (author, org, confidence) in [(&a, 0, 50), (&a, 0, 90), (&b, 1, 40), (&b, 1, 70)] {
        let label = flagged(world, org, confidence);
        labels.push(label.clone());
        seal(&mut ledger, author.author(), Purpose::Flagged, label, rng);
    }
    let taken_back = world.retraction(0, NAME, Purpose::Flagged);
    seal(&mut ledger, a.author(), Purpose::Flagged, taken_back, rng);
    let refresh = Refresh { incarnation: 0, height: 1, index: 0 }.encode();
    let later = Hour(NOW.0 + 1);
    ledger.seal_items(b.author(), PayloadKind::REFRESH, &[&refresh], later, rng).unwrap();
    let stolen = flagged(world, 1, 99);
    let block =
        world.block(2, At { kind: PayloadKind::LABELS, purpose: 1, ..first() }, &[&stolen.item]);
    let mut objects = vec![Object::Block(block.bytes().to_vec())];
    for head in ledger.heads().collect::<Vec<_>>() {
        objects.extend(world::blocks(&ledger, head.feed, 0).into_iter().map(Object::Block));
    }
    objects.extend(records_of(&labels));
    objects
}

#[test]
fn seven_blocks_of_three_orgs_in_all_5040_orders() {
    let mut world = World::new(&[1, 2, 3]);
    let objects = seven_blocks(&mut world);
    let (records, mut order): (Vec<&Object>, Vec<&Object>) =
        objects.iter().partition(|object| object.is_record());
    assert_eq!((order.len(), records.len()), (7, 1));
    let expected = outcome(&deliver(&world, &objects.iter().collect::<Vec<_>>()));
    let answer: serde_json::Value = serde_json::from_str(&expected.2).unwrap();
    assert_eq!(answer["host"]["tally"]["malicious"]["orgs"], 1, "B's; A took its own back");
    // The record before, between or after the blocks: eight places, one drawn for each order.
    let seed = 7;
    println!("seed {seed}");
    let mut rng = SeededRng::new("late", seed);
    let (mut seen, mut late) = (0, [0; 7]);
    permutations(&mut order, 7, &mut |blocks| {
        let place = rng.next_u32() as usize % 8;
        let mut order = blocks.to_vec();
        order.insert(place, records[0]);
        assert_eq!(outcome(&deliver(&world, &order)), expected, "the record at {place}");
        seen += 1;
        late[blocks[..place].iter().filter(|block| block.is_of(PayloadKind::LABELS)).count()] += 1;
    });
    assert_eq!(seen, 5_040);
    println!("orders by how many blocks need the record and come before it: {late:?}");
    assert!(late.iter().all(|orders| *orders > 400), "{late:?}");
}

/// Twelve blocks of four orgs and a roster document without which some can't be judged: the seven,
/// and under the document a knock, a contact, a replacement in a new incarnation, a vouch, an unknown kind;
/// and the records of four tokens.
fn twelve_blocks(world: &mut World) -> Vec<Object> {
    let mut objects = seven_blocks(world);
    let mut labels = Vec::new();
    let mut ledger = world.ledger();
    let rng = &mut SeededRng::new("seal", 2);
    let change = Change::Endpoints(world.member(3), vec!["d.example:7071".to_owned()]);
    let document = world.document(&ledger, vec![change], NOW);
    ledger.apply_roster(&document, NOW, rng).unwrap();
    let d = world::org(3, 4);
    let anew = Author { incarnation: 1, ..d.author() };
    let benign = assessment(Verdict::Benign, Source::Person, 60);
    for (author, purpose, body) in [
        (d.author(), Purpose::Knocked, &sighting()),
        (d.author(), Purpose::Contacted, &sighting()),
        (anew, Purpose::Contacted, &sighting()),
        (anew, Purpose::Vouched, &benign),
    ] {
        let label = world.label(3, NAME, purpose, body);
        labels.push(label.clone());
        seal(&mut ledger, author, purpose, label, rng);
    }
    ledger.seal_items(anew, PayloadKind(77), &[b"new"], NOW, rng).unwrap();
    for head in ledger.heads().collect::<Vec<_>>() {
        objects.extend(world::blocks(&ledger, head.feed, 0).into_iter().map(Object::Block));
    }
    objects.extend(records_of(&labels));
    let records = objects.iter().filter(|object| object.is_record()).count();
    assert_eq!((objects.len() - records, records), (12, 4));
    objects.push(Object::Roster(Box::new(document)));
    objects
}

#[test]
fn twelve_blocks_of_four_orgs_in_500_orders_on_both_engines() {
    let mut world = World::new(&[1, 2, 3, 4]);
    let objects = twelve_blocks(&mut world);
    let all: Vec<&Object> = objects.iter().collect();
    let expected = outcome(&deliver(&world, &all));
    let seed = 12;
    println!("seed {seed}");
    let mut rng = SeededRng::new("orders", seed);
    for round in 0..500 {
        let mut order = all.clone();
        shuffle(&mut order, &mut rng);
        let memory = deliver(&world, &order);
        assert_eq!(outcome(&memory), expected, "seed {seed}, round {round}, in memory");
        let dir = tempfile::tempdir().unwrap();
        let sled = Ledger::create(dir.path(), Engine::Sled, &world.first).unwrap();
        let sled = deliver_to(sled, &world, &order);
        assert_eq!(outcome(&sled), expected, "seed {seed}, round {round}, on sled");
    }
}

/// A state that never tells the fold what an org said before: what came last stands, as in a naive
/// store. The check above must notice.
#[test]
fn the_check_notices_a_fold_by_arrival() {
    let mut world = World::new(&[1, 2, 3, 4]);
    let objects = twelve_blocks(&mut world);
    // A refresh needs what was said before and would fail instead of being wrong.
    let all: Vec<&Object> =
        objects.iter().filter(|object| !object.is_of(PayloadKind::REFRESH)).collect();
    let naive = |order: &[&Object]| {
        let ledger = Ledger::in_memory_on(&world.first, Box::new(Naive::default())).unwrap();
        outcome(&deliver_to(ledger, &world, order))
    };
    let seed = 13;
    println!("seed {seed}");
    let mut rng = SeededRng::new("orders", seed);
    let (mut states, mut objects) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..50 {
        let mut order = all.clone();
        shuffle(&mut order, &mut rng);
        let (objects_digest, state, _) = naive(&order);
        states.insert(state);
        objects.insert(objects_digest);
    }
    assert_eq!(objects.len(), 1, "equal objects");
    assert!(states.len() > 1, "and the state that order decided");
}

#[derive(Default)]
struct Naive(MemoryStore);

impl Store for Naive {
    fn label(&self, _: &Token, _: &OrgId) -> Result<Option<LabelRow>, StoreError> {
        Ok(None)
    }
    fn folded(&self) -> Result<LogEnd, StoreError> {
        self.0.folded()
    }
    fn documents(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.0.documents()
    }
    fn rivals(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.0.rivals()
    }
    fn feeds(&self) -> Result<Vec<(Feed, FeedRow)>, StoreError> {
        self.0.feeds()
    }
    fn forks(&self) -> Result<Vec<(Feed, ForkProof)>, StoreError> {
        self.0.forks()
    }
    fn block(&self, feed: &Feed, height: u64) -> Result<Option<BlockRow>, StoreError> {
        self.0.block(feed, height)
    }
    fn token(&self, token: &Token) -> Result<Option<TokenRow>, StoreError> {
        self.0.token(token)
    }
    fn labels(&self, token: &Token) -> Result<Vec<(OrgId, LabelRow)>, StoreError> {
        self.0.labels(token)
    }
    fn each_label(&self, see: &mut dyn FnMut(&Token, &OrgId, &LabelRow)) -> Result<(), StoreError> {
        self.0.each_label(see)
    }
    fn note(&self, _: &Token, _: &OrgId) -> Result<Option<NoteRow>, StoreError> {
        Ok(None)
    }
    fn each_note(&self, see: &mut dyn FnMut(&Token, &OrgId, &NoteRow)) -> Result<(), StoreError> {
        self.0.each_note(see)
    }
    fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        self.0.apply(changes)
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush()
    }
}

fn shuffle<T>(items: &mut [T], rng: &mut SeededRng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.next_u32() as usize % (last + 1));
    }
}

#[test]
fn every_order_of_arrival_gives_one_answer() {
    let mut world = World::new(&[1, 2, 3]);
    let objects = objects(&mut world);
    assert_eq!(objects.len(), 14);
    let all: Vec<&Object> = objects.iter().collect();
    let expected = outcome(&deliver(&world, &all));
    let answer: serde_json::Value = serde_json::from_str(&expected.2).unwrap();
    let host = &answer["host"];
    assert_eq!(host["contacted"]["orgs"], 2, "A and B, and not C's stolen label");
    assert_eq!(host["tally"]["malicious"]["orgs"], 1, "B's; A took its own back");
    assert_eq!(host["titles"], serde_json::json!(["second thought"]), "the last note lives");
    assert_eq!(host["confidence"], 50, "one group: 70 is capped");
    assert_eq!(host["weeks"].as_array().unwrap().len(), 4, "a refresh covers three weeks before");
    // 14! orders are too many: every rotation, and in each every order of the first four.
    let mut seen = 0;
    for rotation in 0..objects.len() {
        let mut rotated = all.clone();
        rotated.rotate_left(rotation);
        let (front, back) = rotated.split_at(4);
        let mut front = front.to_vec();
        permutations(&mut front, 4, &mut |order| {
            let order: Vec<&Object> = order.iter().chain(back).copied().collect();
            assert_eq!(outcome(&deliver(&world, &order)), expected);
            seen += 1;
        });
    }
    assert_eq!(seen, 14 * 24);
}

#[test]
fn a_fork_gives_one_answer_in_every_order() {
    let mut world = World::new(&[1, 2, 3]);
    let label = |world: &mut World, confidence| {
        let body = assessment(Verdict::Malicious, Source::Person, confidence);
        world.label(1, NAME, Purpose::Flagged, &body)
    };
    let labels = [10, 20, 30, 40].map(|confidence| label(&mut world, confidence));
    let at = At { kind: PayloadKind::LABELS, purpose: 1, ..first() };
    let follow = |block: &_| At { kind: PayloadKind::LABELS, purpose: 1, ..after(block) };
    let one = world.block(1, at, &[&labels[0].item]);
    let two = world.block(1, follow(&one), &[&labels[1].item]);
    let other = world.block(1, follow(&one), &[&labels[2].item]);
    let three = world.block(1, follow(&two), &[&labels[3].item]);
    let proof = ForkProof::new(*two.signed_header(), *other.signed_header());
    let mut objects: Vec<_> = [one, two, other, three]
        .iter()
        .map(|block| Object::Block(block.bytes().to_vec()))
        .collect();
    objects.push(Object::Fork(Box::new(proof)));
    objects.extend(records_of(&labels));
    let mut order: Vec<&Object> = objects.iter().collect();
    let expected = outcome(&deliver(&world, &order));
    let answer: serde_json::Value = serde_json::from_str(&expected.2).unwrap();
    assert_eq!(answer["host"]["confidence"], 10, "what was said before the fork stands");
    permutations(&mut order, 6, &mut |order| {
        assert_eq!(outcome(&deliver(&world, order)), expected);
    });
}

#[test]
fn a_rekey_and_an_expulsion_cut_alike_in_every_order() {
    let mut world = World::new(&[1, 2, 3]);
    let label = |world: &mut World, confidence| {
        let body = assessment(Verdict::Malicious, Source::Person, confidence);
        world.label(1, NAME, Purpose::Flagged, &body)
    };
    let labels = [10, 20].map(|confidence| label(&mut world, confidence));
    let at = At { kind: PayloadKind::LABELS, purpose: 1, ..first() };
    let one = world.block(1, at, &[&labels[0].item]);
    let two = At { kind: PayloadKind::LABELS, purpose: 1, ..after(&one) };
    let two = world.block(1, two, &[&labels[1].item]);
    let from = flowlore_common::roster::member::FeedPlace { incarnation: 0, height: 1 };
    let new_key = flowlore_common::sign::SecretKey::from_seed(&[77; 32]).public().bytes();
    let rekey =
        Change::Rekey { org: world.member(1), from, signing_key: new_key, transport_key: new_key };
    let expel = Change::Expel { org: world.member(1), from, left: false };
    for (change, confidence) in [(rekey, Some(10)), (expel, None)] {
        let document = world.document(&world.ledger(), vec![change], NOW);
        let objects = [
            Object::Block(one.bytes().to_vec()),
            Object::Block(two.bytes().to_vec()),
            Object::Record(labels[0].record.clone()),
            Object::Roster(Box::new(document)),
        ];
        let mut order: Vec<&Object> = objects.iter().collect();
        let expected = outcome(&deliver(&world, &order));
        let answer: serde_json::Value = serde_json::from_str(&expected.2).unwrap();
        assert_eq!(answer["host"]["confidence"].as_u64(), confidence);
        permutations(&mut order, 4, &mut |order| {
            assert_eq!(outcome(&deliver(&world, order)), expected);
        });
    }
}

//! Goal: every engine answers the same questions alike. Method: random changes from a seed, applied
//! to all, and every question asked of all; sled also after it was closed and opened.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use flowlore_common::block::Feed;
use flowlore_common::env::SeededRng;
use flowlore_common::ids::{BlockId, OrgId, RosterHash, Token};
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::time::Hour;
use flowlore_ledger::store::behind::Behind;
use flowlore_ledger::store::memory::MemoryStore;
use flowlore_ledger::store::row::{
    BlockRow, FeedRow, ForkProof, LabelPlace, LabelRow, LogEnd, NoteRow, Place, TokenRow, Voids,
    Weeks,
};
use flowlore_ledger::store::sled::SledStore;
use flowlore_ledger::store::{Changes, Store};
use rand_core::RngCore;

const ROUNDS: u32 = 60;

fn byte(rng: &mut SeededRng, below: u32) -> u8 {
    u8::try_from(rng.next_u32() % below).unwrap()
}

fn feed(rng: &mut SeededRng) -> Feed {
    Feed { org: OrgId([byte(rng, 3); 32]), incarnation: rng.next_u32() % 2 }
}

fn place(rng: &mut SeededRng) -> Place {
    Place { segment: rng.next_u32(), offset: rng.next_u32(), length: rng.next_u32() }
}

fn label(rng: &mut SeededRng) -> LabelRow {
    let block = FeedPlace { incarnation: rng.next_u32(), height: rng.next_u64() };
    LabelRow {
        at: LabelPlace { block, index: u16::from(byte(rng, 256)) },
        retracted: rng.next_u32().is_multiple_of(2),
        sealed: Hour(rng.next_u32()),
        roster_version: rng.next_u32(),
        latest: Hour(rng.next_u32()),
        weeks: Weeks { newest: u16::from(byte(rng, 256)), bits: rng.next_u64() },
        item: place(rng),
    }
}

fn note(rng: &mut SeededRng) -> NoteRow {
    let LabelRow { at, retracted: withdrawn, item, .. } = label(rng);
    NoteRow { at, withdrawn, item }
}

fn changes(rng: &mut SeededRng, round: u32, proof: &ForkProof) -> Changes {
    let kept = |rng: &mut SeededRng| !rng.next_u32().is_multiple_of(4);
    let (height, id) = (u64::from(byte(rng, 5)), byte(rng, 5));
    let block = BlockRow {
        id: BlockId([id; 32]),
        sealed: Hour(rng.next_u32()),
        roster_version: rng.next_u32(),
        voids: Voids([byte(rng, 256); 32]),
        place: place(rng),
    };
    let head = FeedRow {
        next: rng.next_u64(),
        head: BlockId([id; 32]),
        sealed: Hour(rng.next_u32()),
        roster_version: rng.next_u32(),
        in_hour: u16::from(byte(rng, 256)),
        in_day: u16::from(byte(rng, 256)),
    };
    let token = Token([byte(rng, 4); 32]);
    Changes {
        folded: LogEnd { segment: round, offset: rng.next_u64() },
        documents: vec![(round, Some(vec![byte(rng, 256); 10]))],
        rivals: vec![(
            u32::from(byte(rng, 3)),
            RosterHash([byte(rng, 3); 32]),
            kept(rng).then(|| vec![byte(rng, 256); 10]),
        )],
        feeds: vec![(feed(rng), kept(rng).then_some(head))],
        forks: vec![(feed(rng), kept(rng).then_some(*proof))],
        blocks: vec![(feed(rng), height, kept(rng).then_some(block))],
        tokens: vec![(token, TokenRow { void: kept(rng), record: place(rng) })],
        labels: vec![(token, OrgId([byte(rng, 3); 32]), kept(rng).then(|| label(rng)))],
        notes: vec![(token, OrgId([byte(rng, 3); 32]), kept(rng).then(|| note(rng)))],
    }
}

/// Everything that a store answers.
fn everything(store: &dyn Store) -> String {
    let mut seen = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        store.folded(),
        store.documents(),
        store.rivals(),
        store.feeds(),
        store.forks()
    );
    for org in 0..3 {
        for incarnation in 0..2 {
            for height in 0..5 {
                let feed = Feed { org: OrgId([org; 32]), incarnation };
                seen += &format!("{:?}", store.block(&feed, height));
            }
        }
    }
    for id in 0..5 {
        let token = Token([id; 32]);
        seen += &format!("{:?} {:?}", store.token(&token), store.labels(&token));
        seen += &format!("{:?}", store.label(&token, &OrgId([1; 32])));
    }
    let each = store.each_label(&mut |token, org, row| seen += &format!("{token}{org}{row:?}"));
    each.unwrap();
    let each = store.each_note(&mut |token, org, row| seen += &format!("{token}{org}{row:?}"));
    each.unwrap();
    seen + &format!("{:?}", store.note(&Token([1; 32]), &OrgId([1; 32])))
}

#[test]
fn engines_answer_alike() {
    let world = world::World::new(&[1]);
    let one = world.block(0, world::first(), &[b"one"]);
    let other = world.block(0, world::first(), &[b"other"]);
    let proof = ForkProof::new(*one.signed_header(), *other.signed_header());
    for seed in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let memory = MemoryStore::default();
        let behind = Behind::new(Box::new(MemoryStore::default())).unwrap();
        let mut sled = SledStore::open(dir.path()).unwrap();
        let mut rng = SeededRng::new("engines", seed);
        for round in 0..ROUNDS {
            let changes = changes(&mut rng, round, &proof);
            memory.apply(&changes).unwrap();
            sled.apply(&changes).unwrap();
            behind.apply(&changes).unwrap();
            let expected = everything(&memory);
            assert_eq!(everything(&sled), expected, "seed {seed}, round {round}");
            assert_eq!(everything(&behind), expected, "behind; seed {seed}, round {round}");
        }
        sled.flush().unwrap();
        drop(sled);
        sled = SledStore::open(dir.path()).unwrap();
        assert_eq!(everything(&sled), everything(&memory), "seed {seed}, opened again");
    }
}

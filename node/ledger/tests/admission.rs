//! Goal: every reason of `Refused` is given, for nothing but its cause, and changes nothing.
//! Method: a good block, changed in one way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use flowlore_common::block::{PayloadKind, SignedBlock, SignedHeader};
use flowlore_common::ids::BlockId;
use flowlore_common::label::Purpose;
use flowlore_common::roster::Change;
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::time::Hour;
use flowlore_ledger::admit::{Fault, Refused};
use flowlore_ledger::ledger::{Accepted, Admission, Ledger};
use flowlore_ledger::limits::INCARNATIONS_MAX;
use flowlore_ledger::store::row::ForkProof;
use world::{At, NOW, World, after, first, sighting};

fn admit(world: &mut World, ledger: &mut Ledger, block: &SignedBlock) -> Result<usize, Refused> {
    admit_bytes(world, ledger, block.bytes().to_vec(), vec![])
}

/// How many blocks entered; 0: it was here.
fn admit_bytes(
    world: &mut World,
    ledger: &mut Ledger,
    block: Vec<u8>,
    records: Vec<Vec<u8>>,
) -> Result<usize, Refused> {
    let before = ledger.objects_digest();
    let result = ledger.admit(block, records, NOW, &mut world.rng);
    let entered = match result {
        Ok(Admission::Accepted(accepted)) => accepted.len(),
        Ok(Admission::AlreadyHere) => 0,
        Err(refused) => {
            let is_fork = matches!(refused, Refused::Fork(_));
            assert_eq!(ledger.objects_digest() != before, is_fork, "{refused}");
            return Err(refused);
        }
    };
    assert_eq!(ledger.objects_digest() != before, entered > 0);
    Ok(entered)
}

/// What happens to the second block of a feed.
fn second(change: impl FnOnce(&World, At) -> SignedBlock) -> Result<usize, Refused> {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let one = world.block(1, first(), &[b"one"]);
    assert_eq!(admit(&mut world, &mut ledger, &one), Ok(1));
    let block = change(&world, after(&one));
    admit(&mut world, &mut ledger, &block)
}

/// Changes a byte of the header and signs again.
fn patched(world: &World, at: At, offset: usize, value: u8) -> Vec<u8> {
    let mut bytes = world.block(1, at, &[b"two"]).bytes().to_vec();
    bytes[offset] = value;
    let signature = world.orgs[1].key.sign(&bytes[..220]);
    bytes[220..284].copy_from_slice(&signature);
    bytes
}

fn refused_bytes(change: impl FnOnce(&World) -> Vec<u8>) -> Refused {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let bytes = change(&world);
    admit_bytes(&mut world, &mut ledger, bytes, vec![]).unwrap_err()
}

#[test]
fn a_good_block_enters_once() {
    assert_eq!(second(|world, at| world.block(1, at, &[b"two"])), Ok(1));
    let mut world = World::new(&[1]);
    let mut ledger = world.ledger();
    let block = world.block(0, first(), &[b"x"]);
    assert_eq!(admit(&mut world, &mut ledger, &block), Ok(1));
    assert_eq!(admit(&mut world, &mut ledger, &block), Ok(0));
}

#[test]
fn malformed() {
    assert!(matches!(refused_bytes(|_| vec![]), Refused::Malformed(_)));
    assert!(matches!(refused_bytes(|w| patched(w, first(), 0, b'F')), Refused::Malformed(_)));
}

#[test]
fn reserved() {
    assert_eq!(refused_bytes(|world| patched(world, first(), 165, 1)), Refused::Reserved);
    assert_eq!(refused_bytes(|world| patched(world, first(), 219, 1)), Refused::Reserved);
}

#[test]
fn sizes() {
    assert_eq!(refused_bytes(|world| patched(world, first(), 167, 2)), Refused::Sizes);
}

#[test]
fn root() {
    assert_eq!(refused_bytes(|world| patched(world, first(), 180, 0xee)), Refused::Root);
}

#[test]
fn signature() {
    let refused = refused_bytes(|world| {
        let mut bytes = world.block(1, first(), &[b"x"]).bytes().to_vec();
        bytes[250] ^= 1;
        bytes
    });
    assert_eq!((refused.fault(), refused), (Fault::Peer, Refused::Signature));
}

#[test]
fn another_orgs_signature() {
    let refused = refused_bytes(|world| {
        let mut bytes = world.block(1, first(), &[b"x"]).bytes().to_vec();
        let forged = world.orgs[0].key.sign(&bytes[..220]);
        bytes[220..284].copy_from_slice(&forged);
        bytes
    });
    assert_eq!(refused, Refused::Signature);
}

#[test]
fn federation() {
    let refused = refused_bytes(|world| patched(world, first(), 16, 0xff));
    assert!(matches!(refused, Refused::Federation(_)));
}

#[test]
fn unknown_org() {
    let refused = refused_bytes(|world| patched(world, first(), 48, 0xff));
    assert_eq!((refused.fault(), refused), (Fault::Author, Refused::UnknownOrg));
}

#[test]
fn roster_unknown_is_held_until_the_document_comes() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let mut ahead = world.ledger();
    let change = Change::Endpoints(world.member(1), vec!["b.example:7071".to_owned()]);
    let document = world.document(&ahead, vec![change], NOW);
    ahead.apply_roster(&document, NOW, &mut world.rng).unwrap();
    let author = world::org(1, 2);
    let sealed =
        ahead.seal_items(author.author(), PayloadKind(32), &[b"x"], NOW, &mut world.rng).unwrap();
    let block = world::blocks(&ahead, sealed.feed, 0).remove(0);
    let refused = admit_bytes(&mut world, &mut ledger, block, vec![]).unwrap_err();
    assert_eq!(refused, Refused::RosterUnknown { given: 1, newest: 0 });
    assert_eq!(ledger.held(), 1);
    let released = ledger.apply_roster(&document, NOW, &mut world.rng).unwrap().unwrap();
    assert_eq!(released, [Accepted { ..sealed }]);
    assert_eq!(ledger.objects_digest(), ahead.objects_digest());
    assert_eq!(ledger.held(), 0);
}

#[test]
fn roster_hash() {
    let refused = refused_bytes(|world| patched(world, first(), 140, 0xff));
    assert!(matches!(refused, Refused::RosterHash(_)));
}

#[test]
fn roster_back() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let change = Change::Endpoints(world.member(1), vec![]);
    let document = world.document(&ledger, vec![change], NOW);
    ledger.apply_roster(&document, NOW, &mut world.rng).unwrap();
    let author = world::org(1, 2);
    let rng = &mut world.rng;
    let one = ledger.seal_items(author.author(), PayloadKind(32), &[b"x"], NOW, rng).unwrap();
    let old = At { height: 1, prev: one.id, ..first() };
    let block = world.block(1, old, &[b"x"]);
    assert_eq!(admit(&mut world, &mut ledger, &block), Err(Refused::RosterBack));
}

#[test]
fn cut_by_expulsion() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let one = world.block(1, first(), &[b"one"]);
    let two = world.block(1, after(&one), &[b"two"]);
    admit(&mut world, &mut ledger, &one).unwrap();
    admit(&mut world, &mut ledger, &two).unwrap();
    let from = FeedPlace { incarnation: 0, height: 1 };
    let expel = Change::Expel { org: world.member(1), from, left: false };
    let document = world.document(&ledger, vec![expel], NOW);
    ledger.apply_roster(&document, NOW, &mut world.rng).unwrap();
    let head = ledger.head(&world.orgs[1].feed()).unwrap();
    assert_eq!((head.next, head.block), (1, one.id()));
    assert_eq!(admit(&mut world, &mut ledger, &two), Err(Refused::Cut));
    assert_eq!(admit(&mut world, &mut ledger, &one), Ok(0));
}

#[test]
fn a_fork_is_refused_proved_and_cuts_the_feed() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let one = world.block(1, first(), &[b"one"]);
    let two = world.block(1, after(&one), &[b"two"]);
    let other = world.block(1, after(&one), &[b"other"]);
    admit(&mut world, &mut ledger, &one).unwrap();
    admit(&mut world, &mut ledger, &two).unwrap();
    let refused = admit(&mut world, &mut ledger, &other).unwrap_err();
    assert_eq!((refused.fault(), refused), (Fault::Author, Refused::Fork(1)));
    assert_eq!(ledger.head(&world.orgs[1].feed()).unwrap().next, 1);
    assert_eq!(admit(&mut world, &mut ledger, &two), Err(Refused::Cut));
    assert_eq!(admit(&mut world, &mut ledger, &other), Err(Refused::Cut));
    // The other order, and the proof before the blocks, end alike.
    let proof = *ledger.forks().next().unwrap();
    for order in [vec![&one, &other, &two], vec![&one]] {
        let mut replica = world.ledger();
        for block in order {
            let _ = admit(&mut world, &mut replica, block);
        }
        let _ = replica.admit_fork(&proof).unwrap();
        assert_eq!(replica.objects_digest(), ledger.objects_digest());
    }
    let mut early = world.ledger();
    assert_eq!(early.admit_fork(&proof), Ok(true));
    assert_eq!(early.admit_fork(&proof), Ok(false));
    admit(&mut world, &mut early, &one).unwrap();
    assert_eq!(admit(&mut world, &mut early, &two), Err(Refused::Cut));
    assert_eq!(early.objects_digest(), ledger.objects_digest());
}

#[test]
fn a_false_proof_is_refused() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let one = world.block(1, first(), &[b"one"]);
    let two = world.block(1, after(&one), &[b"two"]);
    let same = ForkProof { one: *one.signed_header(), other: *one.signed_header() };
    let heights = ForkProof::new(*one.signed_header(), *two.signed_header());
    let unsigned = {
        let other = world.block(1, first(), &[b"other"]);
        let stolen = SignedHeader { signature: [1; 64], ..*other.signed_header() };
        ForkProof::new(*one.signed_header(), stolen)
    };
    assert!(matches!(ledger.admit_fork(&same), Err(Refused::Malformed(_))));
    assert!(matches!(ledger.admit_fork(&heights), Err(Refused::Malformed(_))));
    assert_eq!(ledger.admit_fork(&unsigned), Err(Refused::Signature));
    admit(&mut world, &mut ledger, &one).unwrap();
}

#[test]
fn a_gap_is_held_and_filled() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let one = world.block(1, first(), &[b"one"]);
    let two = world.block(1, after(&one), &[b"two"]);
    let refused = admit(&mut world, &mut ledger, &two).unwrap_err();
    assert_eq!(refused, Refused::Gap { given: 1, wanted: 0 });
    assert!(refused.is_held());
    assert_eq!(admit(&mut world, &mut ledger, &one), Ok(2));
}

#[test]
fn prev() {
    let wrong = |world: &World, at: At| world.block(1, At { prev: BlockId([9; 32]), ..at }, &[b""]);
    assert_eq!(second(wrong), Err(Refused::Prev));
    let mut world = World::new(&[1]);
    let mut ledger = world.ledger();
    let block = world.block(0, At { prev: BlockId([9; 32]), ..first() }, &[b""]);
    assert_eq!(admit(&mut world, &mut ledger, &block), Err(Refused::Prev));
}

#[test]
fn an_incarnation_is_a_feed_of_its_own() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let one = world.block(1, first(), &[b"one"]);
    let anew = At { incarnation: 1, prev: one.id(), ..first() };
    let next = world.block(1, anew, &[b"anew"]);
    // What it names may be cut off here and stand elsewhere: no order of arrival may decide by it.
    assert_eq!(admit(&mut world, &mut ledger, &next), Ok(1));
    assert_eq!(admit(&mut world, &mut ledger, &one), Ok(1));
    assert_eq!(ledger.incarnation(&world.member(1)), Some(1));
    let far = world.block(1, At { incarnation: INCARNATIONS_MAX, ..anew }, &[b""]);
    let refused = admit(&mut world, &mut ledger, &far);
    assert_eq!(refused, Err(Refused::Incarnation(INCARNATIONS_MAX)));
}

#[test]
fn height() {
    let last = |world: &World, at: At| world.block(1, At { height: u64::MAX, ..at }, &[b""]);
    assert_eq!(second(last), Err(Refused::Height));
    let before_last =
        |world: &World, at: At| world.block(1, At { height: u64::MAX - 1, ..at }, &[b""]);
    let gap = Refused::Gap { given: u64::MAX - 1, wanted: 1 };
    assert_eq!(second(before_last), Err(gap));
}

#[test]
fn hour_back() {
    let back = |world: &World, at: At| world.block(1, At { sealed: Hour(NOW.0 - 1), ..at }, &[b""]);
    assert_eq!(second(back), Err(Refused::HourBack));
}

#[test]
fn from_future_is_held_until_its_time() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let soon = world.block(0, At { sealed: Hour(NOW.0 + 1), ..first() }, &[b"soon"]);
    assert_eq!(admit(&mut world, &mut ledger, &soon), Ok(1));
    let late = world.block(1, At { sealed: Hour(NOW.0 + 2), ..first() }, &[b"late"]);
    assert_eq!(admit(&mut world, &mut ledger, &late), Err(Refused::FromFuture(2)));
    assert_eq!(ledger.tick(NOW, &mut world.rng), []);
    assert_eq!(ledger.tick(Hour(NOW.0 + 1), &mut world.rng).len(), 1);
}

#[test]
fn quotas_count_sealed_time() {
    let mut world = World::with_policy(&[1], |policy| {
        policy.blocks_per_hour = 2;
        policy.blocks_per_day = 3;
    });
    let mut ledger = world.ledger();
    let mut at = first();
    let mut put = |world: &mut World, hour: u32| {
        let block = world.block(0, At { sealed: Hour(hour), ..at }, &[b"x"]);
        let result = admit(world, &mut ledger, &block);
        if result.is_ok() {
            at = after(&block);
        }
        result
    };
    // 08:00 of the day before, so that nothing is from the future.
    let hour = NOW.0 - 24;
    assert_eq!(put(&mut world, hour), Ok(1));
    assert_eq!(put(&mut world, hour), Ok(1));
    assert_eq!(put(&mut world, hour), Err(Refused::Quota));
    assert_eq!(put(&mut world, hour + 1), Ok(1));
    assert_eq!(put(&mut world, hour + 2), Err(Refused::Quota));
    assert_eq!(put(&mut world, hour + 16), Ok(1));
}

#[test]
fn records_come_with_their_block_or_are_asked_for() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let label = world.label(1, "evil.example", Purpose::Flagged, &sighting());
    let other = world.label(1, "other.example", Purpose::Flagged, &sighting());
    let at = At { kind: PayloadKind::LABELS, purpose: 1, ..first() };
    let block = world.block(1, at, &[&label.item]).bytes().to_vec();
    let token = flowlore_veil::token::token_of(&label.record);
    let mut try_with = |world: &mut World, records: Vec<Vec<u8>>| {
        admit_bytes(world, &mut ledger, block.clone(), records)
    };
    assert_eq!(try_with(&mut world, vec![]), Err(Refused::RecordsMissing(vec![token])));
    let both = vec![label.record.clone(), other.record];
    assert_eq!(try_with(&mut world, both), Err(Refused::RecordUnasked));
    let mut damaged = label.record.clone();
    damaged[10] ^= 1;
    assert_eq!(try_with(&mut world, vec![damaged]), Err(Refused::RecordUnasked));
    assert_eq!(try_with(&mut world, vec![vec![0; 5_000]]), Err(Refused::RecordUnasked));
    assert_eq!(try_with(&mut world, vec![label.record.clone()]), Ok(1));
    assert_eq!(ledger.record(&token).unwrap(), Some(label.record));
}

#[test]
fn held_blocks_are_bounded() {
    let mut world = World::new(&[1, 2]);
    let mut ledger = world.ledger();
    let filler = vec![0; 60_000];
    let mut refusals = std::collections::BTreeMap::new();
    for incarnation in 0..100 {
        let at = At { incarnation, height: 5, ..first() };
        let block = world.block(1, at, &[&filler, &filler, &filler, &filler]);
        let refused = admit(&mut world, &mut ledger, &block).unwrap_err();
        *refusals.entry(refused.metric()).or_insert(0) += 1;
    }
    assert_eq!(refusals, [("gap", 69), ("held_full", 31)].into());
    assert_eq!(ledger.held(), 69);
}

#[test]
fn the_digest_tells_how_deep_a_fork_reaches() {
    let mut world = World::new(&[1, 2]);
    let one = world.block(1, first(), &[b"one"]);
    let proof = |height| {
        let at = At { height, prev: one.id(), ..first() };
        let (a, b) = (world.block(1, at, &[b"a"]), world.block(1, at, &[b"b"]));
        ForkProof::new(*a.signed_header(), *b.signed_header())
    };
    let (low, high) = (proof(1), proof(2));
    let mut deep = world.ledger();
    let mut shallow = world.ledger();
    for ledger in [&mut deep, &mut shallow] {
        admit(&mut world, ledger, &one).unwrap();
    }
    shallow.admit_fork(&high).unwrap();
    deep.admit_fork(&low).unwrap();
    assert_ne!(deep.objects_digest(), shallow.objects_digest());
    assert_eq!(deep.admit_fork(&high), Ok(false), "the lowest is kept");
    assert_eq!(shallow.admit_fork(&low), Ok(true));
    assert_eq!(deep.objects_digest(), shallow.objects_digest());
}

#[test]
fn a_reencoded_payload_is_another_block() {
    // The same items with a purpose byte, a length or an order of its own: none has the signed root.
    let items: [&[u8]; 2] = [b"aa", b"bb"];
    let block = |world: &World| world.block(1, first(), &items).bytes().to_vec();
    let swapped = |world: &World| {
        let mut bytes = block(world);
        bytes[284..].copy_from_slice(b"\0\0\x02bb\0\x02aa");
        bytes
    };
    assert_eq!(refused_bytes(swapped), Refused::Root);
    let joined = |world: &World| {
        let mut bytes = block(world);
        bytes[284..].copy_from_slice(b"\0\0\x06aa\0\x02bb");
        bytes
    };
    assert_eq!(refused_bytes(joined), Refused::Sizes);
    let longer = |world: &World| [block(world), vec![0]].concat();
    assert_eq!(refused_bytes(longer), Refused::Sizes);
    let purpose = |world: &World| {
        let mut bytes = block(world);
        bytes[284] = 1;
        bytes
    };
    assert_eq!(refused_bytes(purpose), Refused::Reserved);
}

#[test]
fn every_reason_has_a_metric_a_code_and_one_to_blame() {
    use flowlore_common::canon::Malformed;
    use flowlore_common::ids::{FederationId, RosterHash};
    use flowlore_ledger::admit::Code;
    let reasons = [
        (Refused::Malformed(Malformed { what: "", at: 0 }), Code::InvalidArgument, Fault::Peer),
        (Refused::Reserved, Code::InvalidArgument, Fault::Peer),
        (Refused::Sizes, Code::InvalidArgument, Fault::Peer),
        (Refused::Root, Code::InvalidArgument, Fault::Peer),
        (Refused::Signature, Code::Unauthenticated, Fault::Peer),
        (Refused::Federation(FederationId::default()), Code::InvalidArgument, Fault::Peer),
        (Refused::UnknownOrg, Code::PermissionDenied, Fault::Author),
        (Refused::RosterUnknown { given: 1, newest: 0 }, Code::FailedPrecondition, Fault::Nobody),
        (Refused::RosterContested(1), Code::FailedPrecondition, Fault::Nobody),
        (Refused::RosterHash(RosterHash::default()), Code::InvalidArgument, Fault::Author),
        (Refused::RosterBack, Code::InvalidArgument, Fault::Author),
        (Refused::Cut, Code::FailedPrecondition, Fault::Nobody),
        (Refused::Fork(0), Code::AlreadyExists, Fault::Author),
        (Refused::Gap { given: 1, wanted: 0 }, Code::FailedPrecondition, Fault::Nobody),
        (Refused::Prev, Code::InvalidArgument, Fault::Author),
        (Refused::Height, Code::InvalidArgument, Fault::Author),
        (Refused::Incarnation(0), Code::InvalidArgument, Fault::Author),
        (Refused::HourBack, Code::InvalidArgument, Fault::Author),
        (Refused::Quota, Code::ResourceExhausted, Fault::Author),
        (Refused::FromFuture(2), Code::OutOfRange, Fault::Nobody),
        (Refused::RecordsMissing(vec![]), Code::FailedPrecondition, Fault::Nobody),
        (Refused::RecordUnasked, Code::InvalidArgument, Fault::Peer),
        (Refused::HeldFull, Code::ResourceExhausted, Fault::Us),
        (Refused::Storage(String::new()), Code::Internal, Fault::Us),
    ];
    let metrics: std::collections::BTreeSet<_> =
        reasons.iter().map(|(refused, ..)| refused.metric()).collect();
    assert_eq!(metrics.len(), reasons.len(), "no two share a metric");
    for (refused, code, fault) in reasons {
        assert_eq!((refused.code(), refused.fault()), (code, fault), "{refused}");
    }
}

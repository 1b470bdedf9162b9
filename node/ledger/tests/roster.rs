//! Goal: a roster document holds by its parent's governors and rules alone, and a refused one changes
//! nothing. Method: a good document, changed in one way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use flowlore_common::roster::change::{Admission, Rotation};
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::roster::{Change, Document, Policy, Roles, TABLE_EVERY};
use flowlore_common::sign::SecretKey;
use flowlore_common::time::Hour;
use flowlore_ledger::roster::{Chain, RosterError};
use world::{NOW, World, org};

fn chain(world: &World) -> Chain {
    Chain::found(&world.first).unwrap()
}

/// The next document with these changes, signed by org 0.
fn next(world: &World, chain: &Chain, changes: Vec<Change>) -> Document {
    let statement = chain.draft(changes, NOW).unwrap();
    Document::new(statement, world.orgs[0].id, &world.orgs[0].key)
}

fn change_error(changes: Vec<Change>) -> &'static str {
    let world = World::new(&[1, 2, 2]);
    match chain(&world).draft(changes, NOW) {
        Err(RosterError::Change { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

fn newcomer(change: impl FnOnce(&mut Admission)) -> Change {
    let mut admission = org(9, 9).admission;
    admission.endorsers = vec![org(0, 1).id, org(1, 2).id];
    change(&mut admission);
    Change::Admit(Box::new(admission))
}

#[test]
fn a_chain_is_followed_and_a_document_is_taken_once() {
    let world = World::new(&[1, 2]);
    let mut chain = chain(&world);
    let document = next(&world, &chain, vec![newcomer(|_| ())]);
    assert_eq!(chain.apply(&document), Ok(true));
    assert_eq!(chain.apply(&document), Ok(false));
    assert_eq!(chain.apply(&world.first), Ok(false));
    assert_eq!(chain.newest().active(), 3);
    assert_eq!(chain.at(0).unwrap().active(), 2, "the past stays");
    assert_eq!(chain.at(0).unwrap().succeeded(), Some(NOW));
    assert_eq!(chain.newest().member(&org(9, 9).id).unwrap().name, "Org 9");
}

#[test]
fn every_sixty_fourth_document_carries_the_table() {
    let world = World::new(&[1]);
    let mut chain = chain(&world);
    for version in 1..=TABLE_EVERY {
        let endpoints = vec![format!("a{version}.example:1")];
        let change = Change::Endpoints(world.orgs[0].id, endpoints);
        let document = next(&world, &chain, vec![change]);
        assert_eq!(document.statement.table.is_some(), version == TABLE_EVERY);
        let read = Document::parse(&document.encode()).unwrap();
        assert_eq!(chain.apply(&read), Ok(true));
    }
    let mut lying = next(&world, &chain, vec![]);
    for _ in 1..TABLE_EVERY {
        chain.apply(&lying).unwrap();
        lying = next(&world, &chain, vec![]);
    }
    let table = lying.statement.table.as_mut().unwrap();
    table.policy.grace_days += 1;
    let lying = Document::new(lying.statement, world.orgs[0].id, &world.orgs[0].key);
    assert_eq!(chain.apply(&lying), Err(RosterError::Root));
}

#[test]
fn place_parent_root_and_time_must_fit() {
    let world = World::new(&[1, 2]);
    let mut chain = chain(&world);
    let good = next(&world, &chain, vec![newcomer(|_| ())]);
    let mut refused = |change: &dyn Fn(&mut Document)| {
        let mut document = good.clone();
        change(&mut document);
        document.signatures.clear();
        document.sign(world.orgs[0].id, &world.orgs[0].key);
        let before = chain.newest().hash();
        let refused = chain.apply(&document).unwrap_err();
        assert_eq!(chain.newest().hash(), before);
        refused
    };
    let missing = RosterError::Missing { given: 2, wanted: 1 };
    assert_eq!(refused(&|document| document.statement.version = 2), missing);
    assert_eq!(refused(&|document| document.statement.parent.0[0] ^= 1), RosterError::Parent(1));
    assert_eq!(
        refused(&|document| document.statement.federation.0[0] ^= 1),
        RosterError::Federation
    );
    assert_eq!(refused(&|document| document.statement.table_root[0] ^= 1), RosterError::Root);
    assert_eq!(refused(&|document| document.statement.issued = Hour(NOW.0 - 1)), RosterError::Time);
    assert_eq!(chain.apply(&good), Ok(true));
}

#[test]
fn more_than_half_of_the_parents_governors_sign() {
    let world = World::new(&[1, 2, 3]);
    let mut chain = chain(&world);
    let governor = |roles: Roles| Roles { governor: true, ..roles };
    let promote = world.orgs[1..]
        .iter()
        .map(|org| Change::Roles(org.id, governor(org.admission.roles)))
        .collect();
    let promoted = next(&world, &chain, promote);
    chain.apply(&promoted).unwrap();
    let mut document = next(&world, &chain, vec![]);
    let too_few = RosterError::TooFew { given: 1, governors: 3 };
    assert_eq!(chain.apply(&document), Err(too_few));
    let mut forged = document.clone();
    forged.signatures.insert(world.orgs[1].id, [7; 64]);
    assert_eq!(chain.apply(&forged), Err(RosterError::Signature));
    let mut stranger = document.clone();
    stranger.sign(org(9, 9).id, &org(9, 9).key);
    assert_eq!(chain.apply(&stranger), Err(RosterError::Signature));
    document.sign(world.orgs[2].id, &world.orgs[2].key);
    assert_eq!(chain.apply(&document), Ok(true));
}

#[test]
fn half_of_the_governors_are_not_enough() {
    let world = World::new(&[1, 2]);
    let mut chain = chain(&world);
    let roles = Roles { governor: true, witness: false, evaluator: None };
    let promoted = next(&world, &chain, vec![Change::Roles(world.orgs[1].id, roles)]);
    chain.apply(&promoted).unwrap();
    let half = RosterError::TooFew { given: 1, governors: 2 };
    assert_eq!(chain.apply(&next(&world, &chain, vec![])), Err(half));
}

#[test]
fn two_documents_of_one_version_are_a_fork_if_both_hold() {
    let world = World::new(&[1, 2]);
    let mut chain = chain(&world);
    let one = next(&world, &chain, vec![newcomer(|_| ())]);
    let other = next(&world, &chain, vec![]);
    let mut unsigned = next(&world, &chain, vec![Change::Policy(Policy::default())]);
    unsigned.signatures.clear();
    chain.apply(&one).unwrap();
    assert_eq!(chain.apply(&other), Err(RosterError::Fork(1)));
    let too_few = RosterError::TooFew { given: 0, governors: 1 };
    assert_eq!(chain.apply(&unsigned), Err(too_few));
    assert_eq!(chain.newest().hash(), one.hash());
}

#[test]
fn document_0_needs_a_governor_that_signs_it() {
    let world = World::new(&[1]);
    let mut unsigned = world.first;
    unsigned.signatures.clear();
    let too_few = RosterError::TooFew { given: 0, governors: 1 };
    assert_eq!(Chain::found(&unsigned).unwrap_err(), too_few);
    let mut admission = org(0, 1).admission;
    admission.roles = Roles::default();
    let nobody = Chain::draft_first(vec![Change::Admit(Box::new(admission))], NOW);
    assert_eq!(nobody, Err(RosterError::NoGovernor));
}

#[test]
fn who_may_be_admitted() {
    let small_order = [0; 32];
    let cases: [(Change, &str); 8] = [
        (newcomer(|a| a.registration.first_key = small_order), "small order"),
        (newcomer(|a| a.transport_key = small_order), "small order"),
        (newcomer(|a| a.transport_key = org(1, 2).admission.transport_key), "transport key"),
        (newcomer(|a| a.roles.evaluator = Some(1)), "evaluator number"),
        (newcomer(|a| a.endorsers.truncate(1)), "endorse"),
        (newcomer(|a| a.endorsers[1] = a.endorsers[0]), "endorse"),
        (newcomer(|a| a.endorsers[0] = org(8, 8).id), "endorse"),
        (newcomer(|a| a.registration.share_group = org(1, 2).share_group), "siblings"),
    ];
    for (change, expected) in cases {
        let what = change_error(vec![change]);
        assert!(what.contains(expected), "{what} for {expected}");
    }
    let again = Change::Admit(Box::new(org(1, 2).admission));
    assert!(change_error(vec![again]).contains("is or was a member"));
}

#[test]
fn siblings_move_together() {
    let world = World::new(&[1, 2, 2]);
    let mut chain = chain(&world);
    let document = next(&world, &chain, vec![Change::ControlGroup(world.orgs[1].id, [8; 32])]);
    chain.apply(&document).unwrap();
    let group = |index: usize| chain.newest().member(&world.orgs[index].id).unwrap().control_group;
    assert_eq!((group(1), group(2)), ([8; 32], [8; 32]));
    assert_eq!(group(0), [1; 32]);
}

#[test]
fn a_rotation_is_signed_by_both_keys_and_goes_forward() {
    let world = World::new(&[1, 2]);
    let mut chain = chain(&world);
    let member = &world.orgs[1];
    let new = SecretKey::from_seed(&[55; 32]);
    let rotation = |height| {
        let mut rotation = Rotation {
            org: member.id,
            from: FeedPlace { incarnation: 0, height },
            signing_key: new.public().bytes(),
            transport_key: member.admission.transport_key,
            old_signature: [0; 64],
            new_signature: [0; 64],
        };
        rotation.sign(&chain.federation(), &member.key, &new);
        rotation
    };
    let fails = |rotation: Rotation, what: &str| {
        let drafted = chain.draft(vec![Change::Rotate(Box::new(rotation))], NOW);
        let error = drafted.unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    fails(Rotation { old_signature: [1; 64], ..rotation(5) }, "old and the new key");
    fails(Rotation { new_signature: [1; 64], ..rotation(5) }, "old and the new key");
    fails(rotation(0), "begins after");
    let document = next(&world, &chain, vec![Change::Rotate(Box::new(rotation(5)))]);
    chain.apply(&document).unwrap();
    let rotated = chain.newest().member(&member.id).unwrap();
    let at = |height| rotated.key_at(FeedPlace { incarnation: 0, height });
    assert_eq!((at(4), at(5)), (member.key.public().bytes(), new.public().bytes()));
}

#[test]
fn expelled_members_do_nothing_until_rekeyed() {
    let world = World::new(&[1, 2, 3]);
    let mut chain = chain(&world);
    let id = world.orgs[1].id;
    let from = FeedPlace { incarnation: 2, height: 7 };
    let document = next(&world, &chain, vec![Change::Expel { org: id, from, left: false }]);
    chain.apply(&document).unwrap();
    assert_eq!(chain.newest().active(), 2);
    let error = chain.draft(vec![Change::Endpoints(id, vec![])], NOW).unwrap_err();
    assert!(error.to_string().contains("expelled"));
    let new = SecretKey::from_seed(&[55; 32]).public().bytes();
    let rekey = Change::Rekey { org: id, from, signing_key: new, transport_key: new };
    let document = next(&world, &chain, vec![rekey]);
    chain.apply(&document).unwrap();
    let member = chain.newest().member(&id).unwrap();
    assert!(member.active);
    assert_eq!(member.keys.last().unwrap().from, FeedPlace { incarnation: 3, height: 0 });
    assert_eq!(member.cuts.len(), 2);
    assert!(member.is_cut(FeedPlace { incarnation: 3, height: 0 }, 1));
    assert!(!member.is_cut(FeedPlace { incarnation: 3, height: 0 }, 2));
}

#[test]
fn key_epochs_rise_and_keep_what_they_fix() {
    let fixed = |change: &dyn Fn(&mut flowlore_common::roster::KeyEpoch)| {
        let mut key_epoch = world::key_epoch(world::KEY_EPOCH);
        change(&mut key_epoch);
        change_error(vec![Change::KeyEpoch(key_epoch)])
    };
    assert!(fixed(&|_| ()).contains("higher generation"));
    assert!(fixed(&|k| k.number = 3).contains("higher number"));
    assert!(fixed(&|k| k.generation = 1).contains("another generation"));
    assert!(fixed(&|k| k.package.truncate(3)).contains("can't be read"));
    assert!(
        fixed(&|k| {
            k.number = 8;
            k.thresholds[1] = 1
        })
        .contains("thresholds")
    );
    let generated = flowlore_common::roster::key_epoch::KeyOrigin::Generated;
    assert!(
        fixed(&|k| {
            k.number = 8;
            k.origin = generated
        })
        .contains("every evaluator signs")
    );
    assert!(
        fixed(&|k| {
            k.number = 8;
            k.signatures = [(1, [1; 64])].into()
        })
        .contains("not hold")
    );
    assert!(
        fixed(&|k| {
            k.number = 8;
            k.signatures = [(2, [1; 64])].into()
        })
        .contains("no evaluator")
    );
    let world = World::new(&[1]);
    let mut chain = chain(&world);
    let mut signed = world::key_epoch(8);
    signed.signatures = [(1, world.orgs[0].key.sign(&signed.package_message()))].into();
    let document = next(&world, &chain, vec![Change::KeyEpoch(signed)]);
    chain.apply(&document).unwrap();
    assert_eq!(chain.newest().key_epochs().map(|k| k.number).collect::<Vec<_>>(), [7, 8]);
    let document = next(&world, &chain, vec![Change::RetireKeyEpoch(7)]);
    chain.apply(&document).unwrap();
    assert!(chain.newest().key_epoch(7).is_none());
    assert!(chain.at(1).unwrap().key_epoch(7).is_some());
}

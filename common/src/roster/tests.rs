//! Goal: one encoding of every document; nothing else is read. Method: a document with every kind
//! of change, encoded, read, cut and flipped.

use super::change::{Admission, Rotation};
use super::key_epoch::KeyOrigin;
use super::member::FeedPlace;
use super::*;

fn admission() -> Admission {
    Admission {
        registration: Registration {
            random: [10; 32],
            share_group: crate::ids::ShareGroup([11; 32]),
            first_key: SecretKey::from_seed(&[7; 32]).public().bytes(),
        },
        name: "Org A".to_owned(),
        transport_key: [12; 32],
        endpoints: vec!["198.51.100.1:7071".to_owned()],
        roles: Roles { governor: true, witness: false, evaluator: Some(1) },
        control_group: [13; 32],
        endorsers: vec![OrgId([1; 32]), OrgId([2; 32])],
    }
}

fn key_epoch() -> KeyEpoch {
    KeyEpoch {
        number: 7,
        generation: 1,
        origin: KeyOrigin::Generated,
        package: vec![1, 2, 3],
        thresholds: KeyEpoch::default_thresholds(),
        suffix_list: [1; 32],
        idna_tables: [2; 32],
        never_lists: [3; 32],
        signatures: [(1, [4; 64]), (2, [5; 64])].into(),
    }
}

/// One change of every kind.
fn every_change() -> Vec<Change> {
    let org = OrgId([1; 32]);
    let from = FeedPlace { incarnation: 1, height: 9 };
    vec![
        Change::Policy(Policy { name: "Test".to_owned(), ..Policy::default() }),
        Change::KeyEpoch(key_epoch()),
        Change::RetireKeyEpoch(6),
        Change::Admit(Box::new(admission())),
        Change::Endpoints(org, vec!["a.example:1".to_owned(), "b.example:2".to_owned()]),
        Change::Roles(org, Roles { governor: false, witness: true, evaluator: None }),
        Change::Rotate(Box::new(Rotation {
            org,
            from,
            signing_key: [3; 32],
            transport_key: [4; 32],
            old_signature: [5; 64],
            new_signature: [6; 64],
        })),
        Change::Rekey { org, from, signing_key: [3; 32], transport_key: [4; 32] },
        Change::Expel { org, from, left: true },
        Change::ControlGroup(org, [9; 32]),
    ]
}

fn document(version: u32) -> Document {
    let member = Member {
        org: admission().registration.org(),
        registration: admission().registration,
        name: "Org A".to_owned(),
        transport_key: [12; 32],
        endpoints: vec![],
        roles: Roles::default(),
        control_group: [13; 32],
        endorsers: vec![],
        admitted: Hour(5),
        active: true,
        keys: vec![member::KeyRange { from: FeedPlace::default(), key: [7; 32] }],
        cuts: vec![member::Cut { from: FeedPlace { incarnation: 0, height: 3 }, version: 2 }],
    };
    let table = Table {
        policy: Policy::default(),
        key_epochs: [(7, key_epoch())].into(),
        members: [(member.org, member)].into(),
    };
    let statement = Statement {
        federation: FederationId([5; 32]),
        version,
        parent: RosterHash([6; 32]),
        issued: Hour(498_752),
        changes: every_change(),
        table_root: table.root(),
        table: (version == TABLE_EVERY).then_some(table),
    };
    Document::new(statement, OrgId([1; 32]), &SecretKey::from_seed(&[7; 32]))
}

#[test]
fn documents_go_there_and_back() {
    for version in [1, TABLE_EVERY] {
        let document = document(version);
        let bytes = document.encode();
        let again = Document::parse(&bytes).unwrap();
        assert_eq!(again, document);
        assert_eq!(again.encode(), bytes);
        for cut in 0..bytes.len() {
            assert!(Document::parse(&bytes[..cut]).is_err(), "version {version} cut at {cut}");
        }
    }
}

#[test]
fn what_is_read_is_written_again_bit_for_bit() {
    let bytes = document(TABLE_EVERY).encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(document) = Document::parse(&flipped) {
            assert_eq!(document.encode(), flipped, "bit {bit} has a second encoding");
        }
    }
}

#[test]
fn signatures_do_not_change_the_hash() {
    let one = document(1);
    let mut two = one.clone();
    two.sign(OrgId([2; 32]), &SecretKey::from_seed(&[8; 32]));
    assert_eq!(one.hash(), two.hash());
    assert_ne!(one.encode(), two.encode());
}

#[test]
fn the_root_commits_to_every_part() {
    let table = document(TABLE_EVERY).statement.table.unwrap();
    let mut roots = vec![table.root()];
    let mut other = table.clone();
    other.policy.grace_days += 1;
    roots.push(other.root());
    let mut other = table.clone();
    other.key_epochs.clear();
    roots.push(other.root());
    let mut other = table;
    other.members.values_mut().next().unwrap().active = false;
    roots.push(other.root());
    roots.sort_unstable();
    roots.dedup();
    assert_eq!(roots.len(), 4);
}

#[test]
fn an_unknown_change_is_refused() {
    let bytes = [99, 0, 0, 0, 0];
    let error = Change::parse(&mut Reader::new(&bytes)).unwrap_err();
    assert_eq!(error.what, "unknown kind of roster change");
}

#[test]
fn org_id_of_the_published_vector() {
    assert_eq!(
        admission().registration.org().to_string(),
        "fe069ef9f4929847e4395ffed970dc6c08b558cb2eaa0365a22fe8ec5bf11e65"
    );
}

#[test]
fn a_key_holds_from_its_place_to_the_next() {
    let mut member = document(TABLE_EVERY).statement.table.unwrap().members.pop_first().unwrap().1;
    let at = |incarnation, height| FeedPlace { incarnation, height };
    member.keys.push(member::KeyRange { from: at(0, 10), key: [8; 32] });
    member.keys.push(member::KeyRange { from: at(1, 0), key: [9; 32] });
    assert_eq!(member.key_at(at(0, 9)), [7; 32]);
    assert_eq!(member.key_at(at(0, 10)), [8; 32]);
    assert_eq!(member.key_at(at(0, u64::MAX)), [8; 32]);
    assert_eq!(member.key_at(at(1, 0)), [9; 32]);
    assert_eq!(member.key(), [9; 32]);
    assert!(!member.is_cut(at(0, 2), 1));
    assert!(member.is_cut(at(0, 3), 1));
    assert!(!member.is_cut(at(0, 3), 2));
    assert!(member.is_cut(at(2, 0), 0));
}

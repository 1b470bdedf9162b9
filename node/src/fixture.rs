//! For tests: a federation of three orgs whose evaluation key is shared two of three.

use std::path::Path;

use flowlore_common::env::SeededRng;
use flowlore_common::ids::{OrgId, ShareGroup};
use flowlore_common::invite::JoinRequest;
use flowlore_common::roster::{Document, Policy, Registration};
use flowlore_common::sign::SecretKey;
use flowlore_common::time::Hour;
use flowlore_ledger::roster::Chain;
use flowlore_veil::keys::KeyShare;

use crate::config::Config;
use crate::federation;
use crate::roster::Roster;
use crate::store::Store;

/// 2026-11-24 08:00 UTC.
pub(crate) const NOW_S: i64 = 498_752 * 3_600;
const NOW: Hour = Hour(498_752);

/// One of the three.
pub(crate) struct Org {
    pub(crate) org: OrgId,
    pub(crate) signing: SecretKey,
    pub(crate) share: KeyShare,
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn registration(seed: u8) -> Registration {
    let first_key = key(seed).public().bytes();
    Registration { random: [seed; 32], share_group: ShareGroup([seed; 32]), first_key }
}

/// The federation, its daily quota as given.
pub(crate) fn three(evaluations_per_day: u32) -> (Roster, Vec<Org>) {
    let mut rng = SeededRng::new("fixture", 1);
    let text = "org.name = 'A'\npeer.advertise = 'a.example:1'";
    let config = Config::parse(text, Path::new("/"), &|_| None).unwrap();
    let policy = Policy { evaluations_per_day, evaluations_at_first: 0, ..Policy::default() };
    let keys = crate::keys::Keys::of(key(1), key(101));
    let (changes, _) =
        federation::founding(&config, &keys, registration(1), policy, &mut rng).unwrap();
    let us = registration(1).org();
    let first = Store::first_document(changes, us, &key(1), NOW).unwrap();
    let mut chain = Chain::found(&first).unwrap();
    let amend = |chain: &mut Chain, changes| {
        let statement = chain.draft(changes, NOW).unwrap();
        chain.apply(&Document::new(statement, us, &key(1))).unwrap();
    };
    for seed in 2..=3 {
        let request = JoinRequest {
            federation: chain.federation(),
            code: [0; 16],
            registration: registration(seed),
            name: format!("Org {seed}"),
            transport_key: key(100 + seed).public().bytes(),
            endpoints: vec![format!("org-{seed}.example:1")],
        };
        let endorsers = (1..seed).map(|seed| registration(seed).org()).collect();
        let roster = Roster::new(chain.newest());
        amend(&mut chain, vec![federation::admission(&roster, &request, endorsers)]);
    }
    let new = federation::deal(&Roster::new(chain.newest()), 2, 3, &mut rng).unwrap();
    amend(&mut chain, new.changes);
    let mut shares = new.shares;
    let org = |seed| {
        let org = registration(seed).org();
        Org { org, signing: key(seed), share: shares.remove(&org).unwrap() }
    };
    (Roster::new(chain.newest()), (1..=3).map(org).collect())
}

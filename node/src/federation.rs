//! Documents that this node writes as a governor: the founding of a federation, admissions, dealt keys.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use flowlore_common::canon::b3kdf;
use flowlore_common::ids::{OrgId, ShareGroup};
use flowlore_common::invite::JoinRequest;
use flowlore_common::roster::change::Admission;
use flowlore_common::roster::key_epoch::KeyOrigin;
use flowlore_common::roster::{Change, KeyEpoch, Policy, Registration, Roles};
use flowlore_common::suffixes::Suffixes;
use flowlore_veil::keys::{KeyShare, PublicKeyPackage, WholeKey};
use rand_core::CryptoRngCore;

use crate::config::Config;
use crate::folder::Folder;
use crate::keys::Keys;
use crate::roster::Roster;

/// The org's registration record, 96 bytes: public, and never to change.
const REGISTRATION_FILE: &str = "roster/registration";
/// The share of the evaluation key.
pub const SHARE_FILE: &str = "keys/oprf-share";

/// Which tables make one name of two spellings: UTS #46 non-transitional processing as the `idna` crate 1.1 does it.
/// Another version of the tables is another text here, and its nodes do not publish under this key.
const IDNA_TABLES: &[u8] = b"UTS-46 non-transitional, idna 1.1";
/// Which lists keep names and networks from ever becoming tokens: FLP1, 2.1, in its version of November 2026.
const NEVER_LISTS: &[u8] = b"FLP1 2026-11 never-tokenised";

/// Makes this org's registration: a share group of its own.
///
/// # Errors
/// The disk refuses.
pub fn register(
    folder: &Folder,
    keys: &Keys,
    rng: &mut impl CryptoRngCore,
) -> Result<Registration> {
    let (mut random, mut group) = ([0; 32], [0; 32]);
    rng.fill_bytes(&mut random);
    rng.fill_bytes(&mut group);
    let first_key = keys.signing.public().bytes();
    let registration = Registration { random, share_group: ShareGroup(group), first_key };
    folder.write(REGISTRATION_FILE, &registration.encode())?;
    Ok(registration)
}

/// This org's registration.
///
/// # Errors
/// It is missing or damaged.
pub fn registration(folder: &Folder) -> Result<Registration> {
    let bytes = folder.read(REGISTRATION_FILE)?;
    let bytes = bytes.with_context(|| format!("{REGISTRATION_FILE} is missing"))?;
    let mut reader = flowlore_common::canon::Reader::new(&bytes);
    let registration = Registration::parse(&mut reader)?;
    reader.finish().with_context(|| format!("{REGISTRATION_FILE} is damaged"))?;
    Ok(registration)
}

/// Addresses that the roster gets.
#[must_use]
pub fn endpoints(config: &Config) -> Vec<String> {
    let advertised = Some(config.peer_advertise.clone());
    advertised.into_iter().filter(|address| !address.is_empty()).collect()
}

/// What a federation of one begins with: this org as governor and only evaluator, and a key that it holds whole.
///
/// # Errors
/// Key generation fails; does not happen.
pub fn founding(
    config: &Config,
    keys: &Keys,
    registration: Registration,
    policy: Policy,
    rng: &mut impl CryptoRngCore,
) -> Result<(Vec<Change>, KeyShare)> {
    let (package, mut shares) = WholeKey::random(rng).deal(1, 1, 0, rng)?;
    let share = shares.pop().context("one share was dealt")?;
    let admission = Admission {
        registration,
        name: config.org_name.clone(),
        transport_key: keys.transport.public().bytes(),
        endpoints: endpoints(config),
        roles: Roles { governor: true, witness: false, evaluator: Some(1) },
        control_group: control_group(&registration),
        endorsers: vec![],
    };
    let changes = vec![
        Change::Policy(policy),
        Change::Admit(Box::new(admission)),
        Change::KeyEpoch(key_epoch(1, KeyOrigin::Single, &package)),
    ];
    Ok((changes, share))
}

/// Who shares a share group is controlled together; until governors know better, nobody else is.
fn control_group(registration: &Registration) -> [u8; 32] {
    b3kdf("flowlore control group v1", &registration.share_group.0)
}

/// The admission of an applicant. One that can be dialled becomes an evaluator: the next in number.
#[must_use]
pub fn admission(roster: &Roster, request: &JoinRequest, endorsers: Vec<OrgId>) -> Change {
    let next = roster.evaluators().keys().next_back().map_or(1, |last| last.saturating_add(1));
    let evaluator = (!request.endpoints.is_empty()).then_some(next);
    Change::Admit(Box::new(Admission {
        registration: request.registration,
        name: request.name.clone(),
        transport_key: request.transport_key,
        endpoints: request.endpoints.clone(),
        roles: Roles { governor: false, witness: false, evaluator },
        control_group: control_group(&request.registration),
        endorsers,
    }))
}

/// A key dealt t of n: the changes that announce it, and the share of each evaluator.
#[derive(Debug)]
pub struct NewKey {
    /// For the next roster document.
    pub changes: Vec<Change>,
    /// To be handed out, then forgotten.
    pub shares: BTreeMap<OrgId, KeyShare>,
    /// The new key epoch.
    pub number: u32,
}

/// Deals a new key to the evaluators of the roster; the key epoch before it ends.
///
/// # Errors
/// `t` of `n` is no way to share a key, or `n` is not the number of evaluators.
pub fn deal(roster: &Roster, t: u16, n: u16, rng: &mut impl CryptoRngCore) -> Result<NewKey> {
    let evaluators = roster.evaluators();
    ensure!(
        evaluators.len() == usize::from(n),
        "the roster has {} evaluators (members that can be dialled), not {n}",
        evaluators.len()
    );
    let (package, shares) = WholeKey::random(rng).deal(t, n, 0, rng)?;
    let mut changes = vec![];
    let mut holders = BTreeMap::new();
    // Shares are numbered from 1 without a gap; who left may have left one among the evaluators.
    for (share, (number, member)) in shares.into_iter().zip(evaluators) {
        if share.number() != number {
            let roles = Roles { evaluator: Some(share.number()), ..member.roles };
            changes.push(Change::Roles(member.org, roles));
        }
        holders.insert(member.org, share);
    }
    let before = roster.key.as_ref().map_or(0, |key| key.epoch.number);
    let number = before + 1;
    changes.push(Change::KeyEpoch(key_epoch(number, KeyOrigin::Dealt, &package)));
    if before > 0 {
        changes.push(Change::RetireKeyEpoch(before));
    }
    Ok(NewKey { changes, shares: holders, number })
}

fn key_epoch(number: u32, origin: KeyOrigin, package: &PublicKeyPackage) -> KeyEpoch {
    KeyEpoch {
        number,
        generation: package.generation(),
        origin,
        package: package.to_bytes(),
        thresholds: KeyEpoch::default_thresholds(),
        suffix_list: *Suffixes::shipped().hash(),
        idna_tables: b3kdf("flowlore idna tables v1", IDNA_TABLES),
        never_lists: b3kdf("flowlore never-tokenised lists v1", NEVER_LISTS),
        signatures: BTreeMap::new(),
    }
}

/// Whether this software makes names into tokens as the key epoch pins it: if not, it does not publish.
#[must_use]
pub fn same_rules(epoch: &KeyEpoch) -> bool {
    epoch.suffix_list == *Suffixes::shipped().hash()
        && epoch.idna_tables == b3kdf("flowlore idna tables v1", IDNA_TABLES)
        && epoch.never_lists == b3kdf("flowlore never-tokenised lists v1", NEVER_LISTS)
}

//! Applying one change of a roster document.

use std::collections::BTreeSet;
use std::sync::Arc;

use flowlore_common::ids::OrgId;
use flowlore_common::limits::{CUTS_MAX, KEY_RANGES_MAX};
use flowlore_common::roster::change::{Admission, Rotation};
use flowlore_common::roster::key_epoch::KeyOrigin;
use flowlore_common::roster::member::{Cut, FeedPlace, KeyRange};
use flowlore_common::roster::{Change, KeyEpoch, Member, Roles, Statement};
use flowlore_common::sign::PublicKey;
use flowlore_veil::keys::PublicKeyPackage;

use super::{Chain, Overlay};

type Applied = Result<(), &'static str>;

/// Applies `change` on top of what the changes before it made of `chain`.
pub(super) fn apply(
    chain: &Chain,
    overlay: &mut Overlay,
    statement: &Statement,
    change: &Change,
) -> Applied {
    match change {
        Change::Policy(policy) => overlay.policy = Some(policy.clone()),
        Change::KeyEpoch(key_epoch) => begin_key_epoch(chain, overlay, key_epoch)?,
        Change::RetireKeyEpoch(number) => {
            live_key_epoch(chain, overlay, *number).ok_or("no such key epoch")?;
            overlay.key_epochs.insert(*number, None);
        }
        Change::Admit(admission) => admit(chain, overlay, statement, admission)?,
        Change::Endpoints(org, endpoints) => {
            active(chain, overlay, org)?.endpoints.clone_from(endpoints);
        }
        Change::Roles(org, roles) => {
            check_roles(chain, overlay, org, *roles)?;
            active(chain, overlay, org)?.roles = *roles;
        }
        Change::Rotate(rotation) => rotate(chain, overlay, rotation)?,
        Change::Rekey { org, from, signing_key, transport_key } => {
            check_key(signing_key)?;
            check_transport_key(chain, overlay, org, transport_key)?;
            let member = known(chain, overlay, org)?;
            cut(member, *from, statement.version)?;
            let last = member.keys.last().map_or(0, |range| range.from.incarnation);
            let incarnation = last.max(from.incarnation).checked_add(1);
            let incarnation = incarnation.ok_or("no incarnation is left")?;
            push_key(member, FeedPlace { incarnation, height: 0 }, *signing_key)?;
            member.transport_key = *transport_key;
            member.active = true;
        }
        Change::Expel { org, from, left: _ } => {
            let member = active(chain, overlay, org)?;
            cut(member, *from, statement.version)?;
            member.active = false;
            member.roles = Roles::default();
        }
        Change::ControlGroup(org, group) => {
            let share_group = known(chain, overlay, org)?.registration.share_group;
            for org in all_orgs(chain, overlay) {
                let member = known(chain, overlay, &org)?;
                if member.registration.share_group == share_group {
                    member.control_group = *group;
                }
            }
        }
    }
    Ok(())
}

/// The member as it stands, to be changed.
fn known<'a>(
    chain: &Chain,
    overlay: &'a mut Overlay,
    org: &OrgId,
) -> Result<&'a mut Member, &'static str> {
    if !overlay.members.contains_key(org) {
        let (_, member) =
            chain.members.get(org).and_then(|history| history.last()).ok_or("no such member")?;
        overlay.members.insert(*org, Arc::clone(member));
    }
    overlay.members.get_mut(org).map(Arc::make_mut).ok_or("no such member")
}

fn active<'a>(
    chain: &Chain,
    overlay: &'a mut Overlay,
    org: &OrgId,
) -> Result<&'a mut Member, &'static str> {
    let member = known(chain, overlay, org)?;
    if member.active { Ok(member) } else { Err("the member is expelled") }
}

fn all_orgs(chain: &Chain, overlay: &Overlay) -> BTreeSet<OrgId> {
    chain.members.keys().chain(overlay.members.keys()).copied().collect()
}

fn live_key_epoch(chain: &Chain, overlay: &Overlay, number: u32) -> Option<Arc<KeyEpoch>> {
    let ours = || chain.key_epochs.get(&number)?.last()?.1.clone();
    overlay.key_epochs.get(&number).cloned().unwrap_or_else(ours)
}

fn check_key(key: &[u8; 32]) -> Result<PublicKey, &'static str> {
    PublicKey::parse(key).map_err(|_| "a key is no point of the curve, or of small order")
}

/// One certificate, one org: two members with one key could not be told apart on a connection.
fn check_transport_key(chain: &Chain, overlay: &Overlay, org: &OrgId, key: &[u8; 32]) -> Applied {
    check_key(key)?;
    let taken = |member: &&Arc<Member>| member.org != *org && member.transport_key == *key;
    if chain.members_with(overlay).iter().any(taken) {
        return Err("another member has this transport key");
    }
    Ok(())
}

/// An evaluator's number names one share: two holders of one could not be told apart.
fn check_roles(chain: &Chain, overlay: &Overlay, org: &OrgId, roles: Roles) -> Applied {
    let taken = |member: &&Arc<Member>| {
        member.org != *org && member.active && member.roles.evaluator == roles.evaluator
    };
    if roles.evaluator.is_some() && chain.members_with(overlay).iter().any(taken) {
        return Err("another member has this evaluator number");
    }
    Ok(())
}

fn admit(
    chain: &Chain,
    overlay: &mut Overlay,
    statement: &Statement,
    admission: &Admission,
) -> Applied {
    let org = admission.registration.org();
    if all_orgs(chain, overlay).contains(&org) {
        return Err("this org is or was a member: re-key it instead");
    }
    check_key(&admission.registration.first_key)?;
    check_transport_key(chain, overlay, &org, &admission.transport_key)?;
    check_roles(chain, overlay, &org, admission.roles)?;
    let members = chain.members_with(overlay);
    let sibling = members
        .iter()
        .find(|member| member.registration.share_group == admission.registration.share_group);
    if sibling.is_some_and(|sibling| sibling.control_group != admission.control_group) {
        return Err("siblings of one share group must have one control group");
    }
    // One who is admitted by this very document can't vouch for the next.
    let vouches = |org: &&OrgId| {
        let history = chain.members.get(org).and_then(|history| history.last());
        history.is_some_and(|(_, member)| member.active)
    };
    let distinct: BTreeSet<_> = admission.endorsers.iter().collect();
    let needed = chain.members.values().filter_map(|history| history.last());
    let needed = needed.filter(|(_, member)| member.active).count().min(2);
    let all_vouch = admission.endorsers.iter().all(|org| vouches(&org));
    if distinct.len() != admission.endorsers.len() || distinct.len() < needed || !all_vouch {
        return Err("two active members must endorse a new one, or all while there are fewer");
    }
    let member = Member {
        org,
        registration: admission.registration,
        name: admission.name.clone(),
        transport_key: admission.transport_key,
        endpoints: admission.endpoints.clone(),
        roles: admission.roles,
        control_group: admission.control_group,
        endorsers: admission.endorsers.clone(),
        admitted: statement.issued,
        active: true,
        keys: vec![KeyRange { from: FeedPlace::default(), key: admission.registration.first_key }],
        cuts: Vec::new(),
    };
    overlay.members.insert(org, Arc::new(member));
    Ok(())
}

fn rotate(chain: &Chain, overlay: &mut Overlay, rotation: &Rotation) -> Applied {
    let new = check_key(&rotation.signing_key)?;
    check_transport_key(chain, overlay, &rotation.org, &rotation.transport_key)?;
    let member = active(chain, overlay, &rotation.org)?;
    let old = check_key(&member.key())?;
    let message = rotation.message(&chain.federation);
    let both = old
        .verify(&message, &rotation.old_signature)
        .and_then(|()| new.verify(&message, &rotation.new_signature));
    both.map_err(|_| "a rotation is signed by the old and the new key")?;
    if rotation.signing_key != member.key() {
        push_key(member, rotation.from, rotation.signing_key)?;
    }
    member.transport_key = rotation.transport_key;
    Ok(())
}

fn push_key(member: &mut Member, from: FeedPlace, key: [u8; 32]) -> Applied {
    if member.keys.last().is_some_and(|last| from <= last.from) {
        return Err("a new key begins after the one before it");
    }
    if member.keys.len() >= KEY_RANGES_MAX {
        return Err("too many keys");
    }
    member.keys.push(KeyRange { from, key });
    Ok(())
}

fn cut(member: &mut Member, from: FeedPlace, version: u32) -> Applied {
    if member.cuts.len() >= CUTS_MAX {
        return Err("too many cuts");
    }
    member.cuts.push(Cut { from, version });
    Ok(())
}

fn begin_key_epoch(chain: &Chain, overlay: &mut Overlay, key_epoch: &KeyEpoch) -> Applied {
    let package = PublicKeyPackage::from_bytes(&key_epoch.package)
        .map_err(|_| "the public key package can't be read")?;
    if package.generation() != key_epoch.generation {
        return Err("the package is of another generation");
    }
    match live_key_epoch(chain, overlay, key_epoch.number) {
        None if chain.key_epochs.keys().any(|number| *number >= key_epoch.number) => {
            return Err("a new key epoch has a higher number than all before");
        }
        None => {}
        Some(before) => check_refresh(&before, key_epoch, &package)?,
    }
    if key_epoch.thresholds != KeyEpoch::default_thresholds() {
        return Err("thresholds other than those of the protocol");
    }
    let message = key_epoch.package_message();
    for number in package.evaluators() {
        let members = chain.members_with(overlay);
        let holder = members
            .iter()
            .find(|member| member.active && member.roles.evaluator == Some(number))
            .ok_or("an evaluator of the package is no member")?;
        match key_epoch.signatures.get(&number) {
            Some(signature) => check_key(&holder.key())?
                .verify(&message, signature)
                .map_err(|_| "an evaluator's signature does not hold")?,
            None if key_epoch.origin == KeyOrigin::Generated => {
                return Err("every evaluator signs a package made together");
            }
            None => {}
        }
    }
    let numbers: BTreeSet<_> = package.evaluators().collect();
    if !key_epoch.signatures.keys().all(|number| numbers.contains(number)) {
        return Err("a signature of one who is no evaluator of the package");
    }
    overlay.key_epochs.insert(key_epoch.number, Some(Arc::new(key_epoch.clone())));
    Ok(())
}

/// A refresh changes the shares only: with another key or list, tokens would no longer meet.
fn check_refresh(before: &KeyEpoch, after: &KeyEpoch, package: &PublicKeyPackage) -> Applied {
    let old = PublicKeyPackage::from_bytes(&before.package)
        .map_err(|_| "the public key package before can't be read")?;
    let lists = |entry: &KeyEpoch| {
        (entry.thresholds, entry.suffix_list, entry.idna_tables, entry.never_lists)
    };
    let same = old.group_key() == package.group_key() && lists(before) == lists(after);
    if same && after.generation > before.generation {
        Ok(())
    } else {
        Err("a refresh keeps the key and the lists and has a higher generation")
    }
}

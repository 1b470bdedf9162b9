//! What the node needs of the newest roster, at hand without asking the ledger.

use std::collections::BTreeMap;

use flowlore_common::ids::{FederationId, OrgId, RosterHash};
use flowlore_common::roster::{KeyEpoch, Member, Policy};
use flowlore_ledger::roster::View;
use flowlore_veil::keys::PublicKeyPackage;

use crate::tls::TransportKey;

/// The newest roster that this node holds.
#[derive(Clone, Debug)]
pub struct Roster {
    /// The federation.
    pub federation: FederationId,
    /// Version of the newest document.
    pub version: u32,
    /// Its hash.
    pub hash: RosterHash,
    /// The numbers in force.
    pub policy: Policy,
    /// The key that new tokens are made under; none before the first key generation.
    pub key: Option<LiveKey>,
    members: BTreeMap<OrgId, Member>,
}

/// A key epoch with its package parsed.
#[derive(Clone, Debug)]
pub struct LiveKey {
    /// What the roster says about it.
    pub epoch: KeyEpoch,
    /// Who evaluates, and under which public shares.
    pub package: PublicKeyPackage,
}

impl Roster {
    /// The active part of a view.
    #[must_use]
    pub fn new(view: View<'_>) -> Self {
        let key = view.key_epochs().last().and_then(|epoch| {
            let package = PublicKeyPackage::from_bytes(&epoch.package).ok()?;
            Some(LiveKey { epoch: epoch.clone(), package })
        });
        let active = view.members().filter(|member| member.active);
        Self {
            federation: view.federation(),
            version: view.version(),
            hash: view.hash(),
            policy: view.policy().clone(),
            key,
            members: active.map(|member| (member.org, member.clone())).collect(),
        }
    }

    /// The number of the key that new tokens are made under; 0: none yet.
    #[must_use]
    pub fn key_epoch(&self) -> u32 {
        self.key.as_ref().map_or(0, |key| key.epoch.number)
    }

    /// The active member that has this transport key.
    #[must_use]
    pub fn member_by_key(&self, key: &TransportKey) -> Option<&Member> {
        self.active().find(|member| member.transport_key == *key)
    }

    /// The active member of this id.
    #[must_use]
    pub fn member(&self, org: &OrgId) -> Option<&Member> {
        self.members.get(org)
    }

    /// Active members, by id.
    pub fn active(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Active evaluators, by number.
    #[must_use]
    pub fn evaluators(&self) -> BTreeMap<u16, &Member> {
        let number = |member: &Member| member.roles.evaluator;
        self.active().filter_map(|member| Some((number(member)?, member))).collect()
    }
}

/// What two people compare by voice: the first eight hex digits of a hash of the transport key.
#[must_use]
pub fn fingerprint(key: &TransportKey) -> String {
    let hash = flowlore_common::canon::b3kdf("flowlore fingerprint v1", key);
    hex::encode(&hash[..4])
}

//! What is known about peers right now, for `status`: connections, agreement, refusals.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use flowlore_common::ids::OrgId;

use crate::limits::REFUSED_KINDS_MAX;

/// One peer.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Replication streams that are open with it.
    pub sessions: u32,
    /// Whether it is being dialled.
    pub dialling: bool,
    /// Why the last connection ended.
    pub last_error: String,
    /// Whether a stream to it was tried since the start, with whatever success.
    pub tried: bool,
    /// The digest of all objects that it last said it holds.
    pub digest: Option<[u8; 32]>,
    /// Its clock less ours, seconds.
    pub clock_offset_s: i64,
}

/// All peers, and what was refused from whom.
#[derive(Debug, Default)]
pub struct Board {
    peers: Mutex<BTreeMap<OrgId, Peer>>,
    refused: Mutex<BTreeMap<(OrgId, String), u64>>,
}

impl Board {
    /// Changes what is known about a peer; only members get here, so the map is bounded by the roster.
    pub fn update(&self, org: OrgId, change: impl FnOnce(&mut Peer)) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        change(peers.entry(org).or_default());
    }

    /// What is known about a peer.
    #[must_use]
    pub fn peer(&self, org: &OrgId) -> Peer {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.get(org).cloned().unwrap_or_default()
    }

    /// Counts a refusal under its reason.
    pub fn refuse(&self, from: OrgId, reason: &str) {
        tracing::warn!(from = %from.short(), reason, "refused");
        self.count(from, reason.to_owned(), 1);
    }

    /// Counts items of an org that count for nothing, under `void_` and their reason.
    pub fn void(&self, author: OrgId, reason: &str, items: u64) {
        self.count(author, format!("void_{reason}"), items);
    }

    fn count(&self, org: OrgId, reason: String, by: u64) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (org, reason);
        if refused.len() < REFUSED_KINDS_MAX || refused.contains_key(&key) {
            *refused.entry(key).or_default() += by;
        }
    }

    /// Refusals by peer and reason.
    #[must_use]
    pub fn refused(&self) -> Vec<((OrgId, String), u64)> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }
}

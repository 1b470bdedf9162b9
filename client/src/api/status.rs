//! `AdminService.Status`.

use std::collections::BTreeMap;

use flowlore_proto::v1;
use serde::Serialize;
use v1::admin_service_client::AdminServiceClient;

use super::Client;
use crate::failure::Failure;
use crate::limits::{CALL_TIMEOUT, MESSAGE_BYTES_MAX};

/// How a node is. Ids are hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// The node's software.
    pub version: String,
    /// The org's name.
    pub org_name: String,
    /// The org's id.
    pub org_id: String,
    /// The federation's id.
    pub federation: String,
    /// The newest roster document held.
    pub roster_version: u32,
    /// Who is in the roster.
    pub members: Vec<Member>,
    /// Who waits for approval.
    pub applicants: Vec<Applicant>,
    /// The evaluators' key.
    pub keys: Keys,
    /// Connections to other members.
    pub peers: Vec<Peer>,
    /// The label store.
    pub store: Store,
    /// Names on their way to becoming tokens.
    pub names: Names,
    /// What was refused, and from whom.
    pub refused: Vec<Refused>,
    /// Bytes sent to all peers since start, inside TLS.
    pub peer_bytes_sent: u64,
    /// Bytes received from all peers since start, inside TLS.
    pub peer_bytes_received: u64,
    /// Seconds since start.
    pub uptime_s: u64,
    /// What routers send, if the node listens to any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netflow: Option<Netflow>,
}

/// What routers sent since start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Netflow {
    /// Where datagrams are received.
    pub listens: Vec<String>,
    /// Datagrams that came.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Routers, or parts of them, heard within a day.
    pub exporters: u64,
    /// Datagrams that were not kept, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Datagrams that the node's system lost, if it tells.
    pub kernel_drops: Option<u64>,
    /// Bytes that wait for analysis.
    pub waiting_bytes: u64,
    /// Periods that were analyzed.
    pub periods_analyzed: u64,
    /// Analyses that failed.
    pub analyses_failed: u64,
}

/// A member of the federation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its id.
    pub org_id: String,
    /// Of its transport key: what two people compare by voice.
    pub fingerprint: String,
    /// What it does for the federation.
    pub roles: Vec<String>,
    /// Its number among the evaluators; 0: it is none.
    pub evaluator_number: u32,
    /// Where it listens; empty: it only dials.
    pub address: String,
    /// Whether it is active.
    pub status: String,
}

/// An org that used an invitation and waits for approval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Applicant {
    /// The name that it wants.
    pub name: String,
    /// Its id.
    pub org_id: String,
    /// Of its transport key.
    pub fingerprint: String,
    /// Where it listens.
    pub address: String,
}

/// The evaluators' key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// Which key.
    pub key_epoch: u32,
    /// Which sharing of it.
    pub generation: u32,
    /// How many evaluators are needed.
    pub threshold: u32,
    /// How many there are.
    pub evaluators: u32,
    /// Whether this node holds a share.
    pub share_here: bool,
    /// How it came to be; empty: there is none yet.
    pub origin: String,
}

/// A connection to another member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its id.
    pub org_id: String,
    /// Its name.
    pub name: String,
    /// `connected`, `connecting`, `backing_off`.
    pub state: String,
    /// Why the last connection ended; empty: none did.
    pub last_error: String,
    /// Whether the last exchange found both stores equal.
    pub in_sync: bool,
    /// Bytes sent to it.
    pub bytes_sent: u64,
    /// Bytes received from it.
    pub bytes_received: u64,
    /// Its clock less this node's, seconds.
    pub clock_offset_s: i64,
}

/// The label store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Store {
    /// Blocks of all feeds.
    pub blocks: u64,
    /// Blocks that wait for a roster document, for blocks before them, or for their time.
    pub held_blocks: u64,
    /// Two nodes with the same digest hold the same.
    pub objects_digest: String,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Blocks of the own feed.
    pub own_blocks: u64,
}

/// Names on their way to becoming tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Names {
    /// Names whose secret is cached.
    pub cached: u64,
    /// Bytes of that cache.
    pub cached_bytes: u64,
    /// Names that wait for evaluators.
    pub waiting: u64,
    /// Labels that wait for their slot.
    pub scheduled: u64,
}

/// Objects that were refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The org whose connection they came by.
    pub from_org_id: String,
    /// Its name, where the roster knows it.
    pub from: Option<String>,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

impl Client {
    /// How the node is.
    ///
    /// # Errors
    /// The node refuses or cannot be reached.
    pub async fn status(&self) -> Result<NodeStatus, Failure> {
        let mut service = AdminServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let call = async {
            let response = service.status(v1::StatusRequest {}).await;
            response.map_err(|status| self.refusal(status))
        };
        Ok(self.within(CALL_TIMEOUT, call).await?.into_inner().into())
    }
}

impl From<v1::StatusResponse> for NodeStatus {
    fn from(status: v1::StatusResponse) -> Self {
        let names: BTreeMap<_, _> = status
            .members
            .iter()
            .map(|member| (member.org_id.clone(), member.name.clone()))
            .collect();
        let refused = status.refused.into_iter().map(|refused| Refused {
            from: names.get(&refused.from_org_id).cloned(),
            from_org_id: hex::encode(&refused.from_org_id),
            reason: refused.reason,
            count: refused.count,
        });
        Self {
            version: status.version,
            org_name: status.org_name,
            org_id: hex::encode(&status.org_id),
            federation: hex::encode(&status.federation),
            roster_version: status.roster_version,
            members: status.members.into_iter().map(Member::from).collect(),
            applicants: status.applicants.into_iter().map(Applicant::from).collect(),
            keys: status.keys.map(Keys::from).unwrap_or_default(),
            peers: status.peers.into_iter().map(Peer::from).collect(),
            store: status.store.map(Store::from).unwrap_or_default(),
            names: status.names.map(Names::from).unwrap_or_default(),
            refused: refused.collect(),
            peer_bytes_sent: status.peer_bytes_sent,
            peer_bytes_received: status.peer_bytes_received,
            uptime_s: status.uptime_s,
            netflow: status.netflow.map(Netflow::from),
        }
    }
}

impl From<v1::NetflowStatus> for Netflow {
    fn from(netflow: v1::NetflowStatus) -> Self {
        let dropped = netflow.dropped.into_iter().map(|dropped| (dropped.reason, dropped.count));
        Self {
            listens: netflow.listens,
            datagrams: netflow.datagrams,
            bytes: netflow.bytes,
            exporters: netflow.exporters,
            dropped: dropped.collect(),
            kernel_drops: netflow.kernel_drops,
            waiting_bytes: netflow.waiting_bytes,
            periods_analyzed: netflow.periods_analyzed,
            analyses_failed: netflow.analyses_failed,
        }
    }
}

impl From<v1::Member> for Member {
    fn from(member: v1::Member) -> Self {
        Self {
            name: member.name,
            org_id: hex::encode(&member.org_id),
            fingerprint: member.fingerprint,
            roles: member.roles,
            evaluator_number: member.evaluator_number,
            address: member.address,
            status: member.status,
        }
    }
}

impl From<v1::Applicant> for Applicant {
    fn from(applicant: v1::Applicant) -> Self {
        Self {
            name: applicant.name,
            org_id: hex::encode(&applicant.org_id),
            fingerprint: applicant.fingerprint,
            address: applicant.address,
        }
    }
}

impl From<v1::KeyStatus> for Keys {
    fn from(keys: v1::KeyStatus) -> Self {
        Self {
            key_epoch: keys.key_epoch,
            generation: keys.generation,
            threshold: keys.threshold,
            evaluators: keys.evaluators,
            share_here: keys.share_here,
            origin: keys.origin,
        }
    }
}

impl From<v1::PeerStatus> for Peer {
    fn from(peer: v1::PeerStatus) -> Self {
        Self {
            org_id: hex::encode(&peer.org_id),
            name: peer.name,
            state: peer.state,
            last_error: peer.last_error,
            in_sync: peer.in_sync,
            bytes_sent: peer.bytes_sent,
            bytes_received: peer.bytes_received,
            clock_offset_s: peer.clock_offset_s,
        }
    }
}

impl From<v1::StoreStatus> for Store {
    fn from(store: v1::StoreStatus) -> Self {
        Self {
            blocks: store.blocks,
            held_blocks: store.held_blocks,
            objects_digest: hex::encode(&store.objects_digest),
            log_bytes: store.log_bytes,
            own_blocks: store.own_blocks,
        }
    }
}

impl From<v1::NamesStatus> for Names {
    fn from(names: v1::NamesStatus) -> Self {
        Self {
            cached: names.cached,
            cached_bytes: names.cached_bytes,
            waiting: names.waiting,
            scheduled: names.scheduled,
        }
    }
}

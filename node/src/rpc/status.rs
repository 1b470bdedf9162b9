//! How the node is, for those who run it. No destination's name and no secret is in here.

use std::sync::PoisonError;

use flowlore_common::roster::Member;
use flowlore_common::roster::key_epoch::KeyOrigin;
use flowlore_proto::v1;

use crate::limits::CLOCK_OFFSET_S_MAX;
use crate::netflow::{Dropped, Netflow};
use crate::node::Node;
use crate::roster::{Roster, fingerprint};
use crate::rpc::admin::member_out;
use crate::store::Sizes;

/// The whole status.
#[must_use]
pub fn status(node: &Node) -> v1::StatusResponse {
    let roster = node.store.roster();
    let sizes = node.store.sizes();
    let (peer_bytes_sent, peer_bytes_received) = node.meter.totals();
    let others = roster.active().filter(|member| member.org != node.org);
    v1::StatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        org_name: node.config.org_name.clone(),
        org_id: node.org.0.to_vec().into(),
        federation: roster.federation.0.to_vec().into(),
        roster_version: roster.version,
        roster_hash: roster.hash.0.to_vec().into(),
        members: roster.active().map(member_out).collect(),
        applicants: applicants(node),
        keys: Some(key_status(node, &roster)),
        peers: others.map(|member| peer_status(node, member, &sizes.objects_digest)).collect(),
        store: Some(store(&sizes)),
        names: Some(names(node)),
        refused: refused(node),
        peer_bytes_sent,
        peer_bytes_received,
        uptime_s: node.started.elapsed().as_secs(),
        alarms: alarms(node),
        netflow: netflow(&node.netflow),
    }
}

fn netflow(netflow: &Netflow) -> Option<v1::NetflowStatus> {
    let listens = netflow.listens();
    let counts = &netflow.counts;
    let dropped = Dropped::ALL.map(|reason| v1::DroppedCount {
        reason: reason.name().to_owned(),
        count: counts.dropped(reason),
    });
    (!listens.is_empty()).then(|| v1::NetflowStatus {
        listens: listens.iter().map(ToString::to_string).collect(),
        datagrams: counts.datagrams.get(),
        bytes: counts.bytes.get(),
        exporters: u64::try_from(counts.exporters.get()).unwrap_or(0),
        dropped: dropped.into_iter().filter(|dropped| dropped.count > 0).collect(),
        kernel_drops: netflow.kernel_drops(),
        waiting_bytes: netflow.spool.bytes(),
        periods_analyzed: counts.analyzed.get(),
        analyses_failed: counts.failed.get(),
    })
}

fn store(sizes: &Sizes) -> v1::StoreStatus {
    v1::StoreStatus {
        blocks: sizes.blocks,
        own_blocks: sizes.own_blocks,
        held_blocks: sizes.held_blocks,
        objects_digest: sizes.objects_digest.to_vec().into(),
        log_bytes: sizes.log_bytes,
    }
}

/// What a person should look at.
fn alarms(node: &Node) -> Vec<String> {
    let roster = node.store.roster();
    let ledger = node.store.read();
    let mut alarms: Vec<String> = ledger
        .roster_forks()
        .map(|version| {
            let waits = if ledger.contested() == Some(version) {
                ", and what names one waits until a governor signs the other as well"
            } else {
                "; settled"
            };
            format!("ROSTER FORK: governors signed two documents of version {version}{waits}")
        })
        .collect();
    drop(ledger);
    for member in roster.active().filter(|member| member.org != node.org) {
        let offset = node.board.peer(&member.org).clock_offset_s;
        if offset.saturating_abs() > CLOCK_OFFSET_S_MAX {
            let name = &member.name;
            alarms.push(format!("CLOCK: that of {name} is {offset} s from ours: check both"));
        }
    }
    alarms
}

fn applicants(node: &Node) -> Vec<v1::Applicant> {
    let shown = |request: &flowlore_common::invite::JoinRequest| v1::Applicant {
        name: request.name.clone(),
        org_id: request.registration.org().0.to_vec().into(),
        fingerprint: fingerprint(&request.transport_key),
        address: request.endpoints.first().cloned().unwrap_or_default(),
    };
    node.admission().applicants().iter().map(shown).collect()
}

fn key_status(node: &Node, roster: &Roster) -> v1::KeyStatus {
    let Some(key) = &roster.key else { return v1::KeyStatus::default() };
    let origin = match key.epoch.origin {
        KeyOrigin::Single => "single: its holder can read this key epoch",
        KeyOrigin::Dealt => "dealt: the dealer knew the key and forgot it",
        KeyOrigin::Generated => "generated together",
    };
    v1::KeyStatus {
        key_epoch: key.epoch.number,
        generation: key.epoch.generation,
        threshold: key.package.threshold().into(),
        evaluators: u32::try_from(key.package.evaluators().len()).unwrap_or(u32::MAX),
        share_here: node.holds_share(&key.package),
        origin: origin.to_owned(),
    }
}

fn peer_status(node: &Node, member: &Member, ours: &[u8; 32]) -> v1::PeerStatus {
    let peer = node.board.peer(&member.org);
    let (bytes_sent, bytes_received) = node.meter.of(&member.transport_key).totals();
    let state = match (peer.sessions > 0, peer.dialling) {
        (true, _) => "connected",
        (false, true) => "connecting",
        (false, false) => "backing_off",
    };
    v1::PeerStatus {
        org_id: member.org.0.to_vec().into(),
        name: member.name.clone(),
        state: state.to_owned(),
        last_error: peer.last_error,
        in_sync: peer.digest.as_ref() == Some(ours) && peer.sessions > 0,
        bytes_sent,
        bytes_received,
        clock_offset_s: peer.clock_offset_s,
    }
}

fn names(node: &Node) -> v1::NamesStatus {
    let (cached, cached_bytes) =
        node.asker.names.lock().unwrap_or_else(PoisonError::into_inner).size();
    let outbox = node.outbox();
    let waiting = outbox.waiting_count();
    let due = outbox.due_count(node.hour());
    v1::NamesStatus {
        cached: cached as u64,
        cached_bytes,
        waiting: due as u64,
        scheduled: (waiting - due) as u64,
        queued: node.wanted().count() as u64,
    }
}

fn refused(node: &Node) -> Vec<v1::RefusedCount> {
    let shown = |((from, reason), count): ((flowlore_common::ids::OrgId, String), u64)| {
        v1::RefusedCount { from_org_id: from.0.to_vec().into(), reason, count }
    };
    node.board.refused().into_iter().map(shown).collect()
}

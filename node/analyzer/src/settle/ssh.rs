//! SSH sessions of a source with a server, where many are short and one is not.

use super::{
    bucket::{Bucket, NO_NAME},
    fold::{first_flows, place},
    group::{Gathered, Groups},
    part::{Candidate, Matter, Part},
};
use crate::{
    detect::ssh_success_inferred::{Inferred, SHORT_MIN, inferred},
    pair::{Grouping, Hints},
};

const TCP: u8 = 6;
/// [IANA]
const SSH: u16 = 22;

/// Finds sessions that seem to follow a guess that worked.
pub(super) fn find(bucket: &Bucket, groups: &Groups, part: &mut Part) {
    for (number, (group, members, _)) in (0..).zip(groups.iter()) {
        if !may_hold(group) {
            continue;
        }
        let flows = members.iter().map(|&at| &bucket.flows[at as usize]);
        let answered = flows.filter(|flow| flow.resp_bytes > 0);
        let mut sessions: Vec<(i64, u64)> = answered
            .map(|flow| (flow.start_us, flow.orig_bytes.saturating_add(flow.resp_bytes)))
            .collect();
        sessions.sort_unstable();
        let Some(inferred) = inferred(&sessions) else { continue };
        let key = &group.key;
        let address = groups.address(bucket, number);
        let candidate = Candidate {
            scores: [Inferred::score()].into(),
            contacts: [].into(),
            grouping: if key.spot.name == NO_NAME { Grouping::Address } else { Grouping::Name },
            source: key.source,
            destination: place(bucket, key.spot),
            address,
            addresses: [address].into(),
            port: key.port,
            transport: TCP,
            direction: key.direction,
            named_by: group.named_by,
            totals: group.totals.clone(),
            hints: Hints::default(),
            pivots: first_flows(bucket, members),
            matter: Matter::Inferred(inferred),
        };
        part.keep(candidate, bucket);
    }
}

/// Whether there are enough sessions of SSH.
fn may_hold(group: &Gathered) -> bool {
    let Gathered { key, totals, hints, .. } = group;
    key.transport == TCP
        && totals.flows > SHORT_MIN as u64
        && totals.bytes_in > 0
        && (key.port == SSH || hints.ssh > totals.flows / 2)
}

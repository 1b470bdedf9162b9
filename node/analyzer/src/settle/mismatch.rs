//! Connections whose protocol is not their port's. Whether the sensor's silence says anything depends on what it says of
//! the source's other connections, so all groups of a bucket are looked at before any is scored.

use flowlore_common::label::Direction;

use super::{
    bucket::{Bucket, Mark},
    group::{Gathered, Groups},
};
use crate::{
    flow::{Flow, service},
    naming::NamedBy,
    packed::Addr,
    pair::Mismatch,
};

const TCP: u8 = 6;
const HTTPS: u16 = 443;
const HTTP: u16 = 80;
/// So near a recognised connection of the same two ends another is taken for one that the sensor failed to read,
/// microseconds. [Slips: 5 minutes]
const SAME_US: i64 = 300_000_000;

/// A connection that may be one: source, address, port, start; group.
type Odd = ((Addr, Addr, u16, i64), u32, u32);

/// Mismatches by the number of their group, ascending.
pub(super) fn find(bucket: &Bucket, groups: &Groups) -> Vec<(u32, Mismatch)> {
    let mut odd: Vec<Odd> = Vec::new();
    for (number, (group, members, _)) in (0..).zip(groups.iter()) {
        if may_hold(group) {
            let talks = members.iter().filter(|&&at| is_odd(bucket, at));
            odd.extend(talks.map(|&at| (ends(&bucket.flows[at as usize]), number, at)));
        }
    }
    if odd.is_empty() {
        return Vec::new();
    }
    odd.sort_unstable();
    // What the sensor recognised of the same sources, and between the same ends.
    let mut recognises: Vec<Addr> = Vec::new();
    let mut known: Vec<(Addr, Addr, u16, i64)> = Vec::new();
    for (group, members, _) in groups.iter().filter(|(group, ..)| speaks(group)) {
        let source = group.key.source;
        let from = odd.partition_point(|one| one.0.0 < source);
        if odd.get(from).is_none_or(|one| one.0.0 != source) {
            continue;
        }
        recognises.push(source);
        if !is_web(group.key.port) {
            continue;
        }
        let pair = |flow: &Flow| (flow.orig, flow.resp, flow.resp_port);
        let same = |flow: &Flow| {
            let at = odd.partition_point(|one| (one.0.0, one.0.1, one.0.2) < pair(flow));
            odd.get(at).is_some_and(|one| (one.0.0, one.0.1, one.0.2) == pair(flow))
        };
        let members = members.iter().filter(|&&at| is_known(bucket, at));
        let flows = members.map(|&at| &bucket.flows[at as usize]);
        known.extend(flows.filter(|flow| same(flow)).map(ends));
    }
    recognises.sort_unstable();
    known.sort_unstable();
    odd.retain(|&((source, address, port, start_us), ..)| {
        let from = (source, address, port, start_us.saturating_sub(SAME_US));
        let next = known.get(known.partition_point(|one| *one < from));
        let near = next.is_some_and(|one| {
            (one.0, one.1, one.2) == (source, address, port)
                && one.3 <= start_us.saturating_add(SAME_US)
        });
        !near && recognises.binary_search(&source).is_ok()
    });
    odd.sort_unstable_by_key(|one| (one.1, one.2));
    odd.chunk_by(|a, b| a.1 == b.1).map(|of_group| (of_group[0].1, sum(bucket, of_group))).collect()
}

fn sum(bucket: &Bucket, of_group: &[Odd]) -> Mismatch {
    let mut sum = Mismatch { count: 0, first_us: i64::MAX, bytes_out: 0, bytes_in: 0 };
    for flow in of_group.iter().map(|one| &bucket.flows[one.2 as usize]) {
        sum.count += 1;
        sum.first_us = sum.first_us.min(flow.start_us);
        sum.bytes_out = sum.bytes_out.saturating_add(flow.orig_bytes);
        sum.bytes_in = sum.bytes_in.saturating_add(flow.resp_bytes);
    }
    sum
}

fn ends(flow: &Flow) -> (Addr, Addr, u16, i64) {
    (flow.orig, flow.resp, flow.resp_port, flow.start_us)
}

fn is_web(port: u16) -> bool {
    port == HTTPS || port == HTTP
}

/// Whether the sums leave room for one.
fn may_hold(group: &Gathered) -> bool {
    let Gathered { key, totals, hints, .. } = group;
    let right = if key.port == HTTPS { hints.tls } else { hints.http };
    is_web(key.port)
        && key.transport == TCP
        && key.direction == Direction::Outbound
        && right < totals.flows
        && totals.bytes_in > 0
        && totals.bytes_out > 0
}

/// Whether the sensor recognised something in a group over TCP.
fn speaks(group: &Gathered) -> bool {
    group.key.transport == TCP && group.hints.tls + group.hints.http + group.hints.ssh > 0
}

/// Whether a flow is of the protocol that belongs to its port.
fn is_known(bucket: &Bucket, at: u32) -> bool {
    let (flow, mark): (&Flow, &Mark) = (&bucket.flows[at as usize], &bucket.marks[at as usize]);
    let (bit, named) = if flow.resp_port == HTTPS {
        (service::TLS, mark.named_by == NamedBy::Sni)
    } else {
        (service::HTTP, matches!(mark.named_by, NamedBy::Http | NamedBy::Connect))
    };
    flow.services & bit != 0 || named
}

/// Whether a flow was seen whole, both ends talk in it, and it is of another protocol.
fn is_odd(bucket: &Bucket, at: u32) -> bool {
    let flow = &bucket.flows[at as usize];
    flow.begun
        && flow.missed_bytes == 0
        && flow.orig_bytes > 0
        && flow.resp_bytes > 0
        && !is_known(bucket, at)
}

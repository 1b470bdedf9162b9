//! What shows only in all groups of one source together. A bucket holds all flows of its clients.

use flowlore_common::label::Direction;

use super::{
    bucket::{Bucket, NO_NAME},
    fold::{first_flows, place},
    group::{Gathered, Groups},
    part::{Candidate, Matter, Part, Where},
};
use crate::{
    detect::scan::{self, ATTEMPTS_MIN, Attempt, Sweep, is_half_open},
    limits::ADDRESSES_MAX,
    naming::NamedBy,
    packed::Addr,
    pair::{Grouping, Hints, Totals},
};

const TCP: u8 = 6;

/// Finds what sources do across their groups.
pub(super) fn find(bucket: &Bucket, groups: &Groups, part: &mut Part) {
    let suspects = suspects(groups);
    if suspects.is_empty() {
        return;
    }
    let mut attempts: Vec<(Addr, Attempt)> = (0..)
        .zip(groups.iter())
        .filter(|(_, (group, ..))| group.key.direction != Direction::Inbound)
        .filter(|(_, (group, ..))| suspects.binary_search(&group.key.source).is_ok())
        .map(|(number, (group, ..))| (group.key.source, attempt(bucket, groups, number)))
        .collect();
    attempts.sort_unstable();
    for of_source in attempts.chunk_by(|a, b| a.0 == b.0) {
        let mut attempts: Vec<Attempt> = of_source.iter().map(|one| one.1).collect();
        for sweep in scan::sweeps(&mut attempts) {
            part.keep(candidate(bucket, groups, of_source[0].0, sweep), bucket);
        }
    }
}

fn attempt(bucket: &Bucket, groups: &Groups, number: u32) -> Attempt {
    let (group, members) = groups.at(number);
    let probe = |&at: &u32| is_half_open(&bucket.flows[at as usize]);
    Attempt {
        direction: group.key.direction,
        transport: group.key.transport,
        port: group.key.port,
        address: groups.address(bucket, number),
        first_us: group.totals.first_us,
        answered: group.totals.bytes_in > 0,
        named: group.key.spot.name != NO_NAME,
        half_open: group.key.transport == TCP && members.iter().all(probe),
        group: number,
    }
}

/// Sources with enough attempts that gave nothing, ascending. Inbound ones are counted as probes, not judged.
fn suspects(groups: &Groups) -> Vec<Addr> {
    let failed = groups
        .iter()
        .map(|(group, ..)| group)
        .filter(|group| group.totals.bytes_in == 0 && group.key.direction != Direction::Inbound);
    let mut sources: Vec<Addr> = failed.map(|group| group.key.source).collect();
    sources.sort_unstable();
    let runs = sources.chunk_by(|a, b| a == b).filter(|run| run.len() >= ATTEMPTS_MIN);
    runs.map(|run| run[0]).collect()
}

fn candidate(bucket: &Bucket, groups: &Groups, source: Addr, mut sweep: Sweep) -> Candidate {
    let mut totals = Totals::default();
    let mut members = Vec::new();
    let mut addresses = Vec::new();
    for &number in &sweep.groups {
        let (group, of_group) = groups.at(number);
        totals.add(&group.totals);
        members.extend_from_slice(of_group);
        addresses.push(groups.address(bucket, number));
    }
    addresses.sort_unstable();
    addresses.dedup();
    // Groups lie in the order in which flows came; what stands for all must not.
    let order = |group: &Gathered| {
        let key = &group.key;
        (key.port, key.transport, place(bucket, key.spot), key.grouping)
    };
    let all = sweep.groups.iter().map(|&number| groups.at(number).0);
    let first = all.min_by_key(|group| order(group)).expect("a sweep has groups");
    let one = addresses.len() == 1;
    sweep.hosts = addresses.len() as u64;
    addresses.truncate(ADDRESSES_MAX);
    Candidate {
        scores: [sweep.score()].into(),
        contacts: [].into(),
        grouping: if one { first.key.grouping } else { Grouping::Address },
        source,
        destination: if one { place(bucket, first.key.spot) } else { Where::Many(sweep.hosts) },
        address: addresses[0],
        addresses: addresses.as_slice().into(),
        port: if let [port] = *sweep.ports { port } else { 0 },
        transport: sweep.transport,
        direction: sweep.direction,
        named_by: if one { first.named_by } else { NamedBy::None },
        totals,
        hints: Hints::default(),
        pivots: first_flows(bucket, &members),
        matter: Matter::Scan(Box::new(sweep)),
    }
}

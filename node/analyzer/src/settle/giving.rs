//! What the hosts of a bucket gave to the outside: files over FTP, and their days.

use std::collections::BTreeMap;

use flowlore_common::{
    label::Direction,
    time::{Day, Micros},
};

use super::{
    bucket::Bucket,
    fold::{first_flows, place},
    group::{Gathered, Groups},
    part::{Candidate, Matter, Part},
};
use crate::{
    detect::exfil_pcr_shift::{DAY_BYTES, Exchanged, FTP, Giving, PASSIVE_PORT_MIN},
    flow::Flow,
    packed::Addr,
    pair::Hints,
};

const TCP: u8 = 6;

/// Finds both. Days are of use beside a history only: `days` says whether there is one.
pub(super) fn find(bucket: &Bucket, groups: &Groups, days: bool, part: &mut Part) {
    files(bucket, groups, part);
    if days {
        self::days(bucket, groups, part);
    }
}

/// Time in which a source had control connections open to a server, and the group of the first.
struct Open {
    source: Addr,
    server: Addr,
    from_us: i64,
    until_us: i64,
    number: u32,
}

/// Times that run together are one, so that a flow is in one at most.
fn open(bucket: &Bucket, groups: &Groups) -> Vec<Open> {
    let mut all = Vec::new();
    for (number, (group, members, _)) in (0..).zip(groups.iter()) {
        if is_outward(group) && group.key.port == FTP {
            let flows = members.iter().map(|&at| &bucket.flows[at as usize]);
            all.extend(flows.filter(|flow| flow.resp_bytes > 0).map(|flow| Open {
                source: flow.orig,
                server: flow.resp,
                from_us: flow.start_us,
                until_us: flow.start_us.saturating_add_unsigned(flow.duration_us),
                number,
            }));
        }
    }
    let order = |one: &Open| (one.source, one.server, one.from_us, one.until_us);
    let name = |one: &Open| place(bucket, groups.at(one.number).0.key.spot);
    all.sort_unstable_by(|a, b| order(a).cmp(&order(b)).then_with(|| name(a).cmp(&name(b))));
    all.dedup_by(|next, before| {
        let same = (next.source, next.server) == (before.source, before.server)
            && next.from_us <= before.until_us;
        if same {
            before.until_us = before.until_us.max(next.until_us);
        }
        same
    });
    all
}

fn files(bucket: &Bucket, groups: &Groups, part: &mut Part) {
    let open = open(bucket, groups);
    if open.is_empty() {
        return;
    }
    let during = |flow: &Flow| {
        let flow = (flow.orig, flow.resp, flow.start_us);
        let after = open.partition_point(|one| (one.source, one.server, one.from_us) <= flow);
        let one = after.checked_sub(1).map(|at| &open[at])?;
        ((one.source, one.server) == (flow.0, flow.1) && flow.2 <= one.until_us)
            .then_some(one.number)
    };
    let mut put: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (group, members, _) in groups.iter() {
        if !is_outward(group) || group.key.port < PASSIVE_PORT_MIN {
            continue;
        }
        for &at in members {
            let flow = &bucket.flows[at as usize];
            if flow.orig_bytes > 0
                && flow.resp_bytes == 0
                && let Some(number) = during(flow)
            {
                put.entry(number).or_default().push(at);
            }
        }
    }
    for (number, flows) in put {
        let bytes = flows.iter().map(|&at| bucket.flows[at as usize].orig_bytes);
        let bytes = bytes.fold(0, u64::saturating_add);
        let files = Giving::Files { count: flows.len() as u64, bytes };
        let mut candidate = candidate(bucket, groups, number, files);
        for &at in &flows {
            let category = bucket.marks[at as usize].category;
            candidate.totals.count(&bucket.flows[at as usize], category);
        }
        let (_, members) = groups.at(number);
        candidate.pivots = first_flows(bucket, &[members, &flows].concat());
        part.keep(candidate, bucket);
    }
}

/// Days in which a host gave much, with the destination that got most.
fn days(bucket: &Bucket, groups: &Groups, part: &mut Part) {
    let mut given: BTreeMap<(Addr, Day), (Exchanged, (Exchanged, u32))> = BTreeMap::new();
    for (number, (group, members, _)) in (0..).zip(groups.iter()) {
        if group.key.direction != Direction::Outbound {
            continue;
        }
        let mut by_day: BTreeMap<Day, Exchanged> = BTreeMap::new();
        for flow in members.iter().map(|&at| &bucket.flows[at as usize]) {
            let exchanged = Exchanged { bytes_out: flow.orig_bytes, bytes_in: flow.resp_bytes };
            by_day.entry(Micros(flow.start_us).day()).or_default().add(exchanged);
        }
        for (day, exchanged) in by_day {
            let (sum, most) = given
                .entry((group.key.source, day))
                .or_insert_with(|| (Exchanged::default(), (exchanged, number)));
            sum.add(exchanged);
            // Groups come in an order of arrival: of equal ones the lower place, whichever came first.
            let rank = |of: Exchanged, number: u32| {
                let key = groups.at(number).0.key;
                (of, std::cmp::Reverse((place(bucket, key.spot), key.port, key.transport)))
            };
            if rank(exchanged, number) > rank(most.0, most.1) {
                *most = (exchanged, number);
            }
        }
    }
    for ((source, day), (sum, (_, number))) in given {
        part.exchanged.insert((source, day), sum);
        if sum.bytes_out >= DAY_BYTES {
            let kept = candidate(bucket, groups, number, Giving::Day(day, sum));
            part.keep(kept, bucket);
        }
    }
}

fn is_outward(group: &Gathered) -> bool {
    group.key.transport == TCP && group.key.direction == Direction::Outbound
}

fn candidate(bucket: &Bucket, groups: &Groups, number: u32, giving: Giving) -> Candidate {
    let (group, members) = groups.at(number);
    let key = &group.key;
    let address = groups.address(bucket, number);
    Candidate {
        scores: giving.score().into_iter().collect(),
        contacts: [].into(),
        grouping: key.grouping,
        source: key.source,
        destination: place(bucket, key.spot),
        address,
        addresses: [address].into(),
        port: key.port,
        transport: key.transport,
        direction: key.direction,
        named_by: group.named_by,
        totals: group.totals.clone(),
        hints: Hints::default(),
        pivots: first_flows(bucket, members),
        matter: Matter::Giving(giving),
    }
}

//! A named bucket to groups, and each group to counts, conversations and candidates.

use std::sync::Arc;

use flowlore_common::{
    label::{Category, Direction},
    time::{Day, Micros},
};
use hashbrown::HashMap;

use super::{
    bucket::{Bucket, NO_NAME},
    group::{Groups, Key, Spot},
    part::{Candidate, Destination, Part, Pivot, Row, Sums, Where},
};
use crate::{
    detect::{self, Score},
    direction::stays_on_link,
    flow::{Flow, service},
    limits::{ADDRESSES_MAX, PIVOT_FLOWS_MAX},
    naming::NamedBy,
    packed::Addr,
    pair::{Contact, Group, Hints, Surroundings, Totals},
    stats,
};

/// Working memory, used again for each bucket.
#[derive(Default)]
pub(crate) struct Fold {
    groups: Groups,
    /// The flows of a group and their numbers.
    flows: Vec<(Flow, u32)>,
    contacts: Vec<Contact>,
    addresses: Vec<Addr>,
    /// (source, destination) for whom a client signature is peculiar to the destination.
    peculiar: Vec<(Addr, Spot)>,
    spots: HashMap<Spot, Destination>,
    /// (destination, source, whether the source is inside).
    visits: Vec<(Spot, Addr, bool)>,
    probers: Vec<(Day, Addr)>,
    /// Whether a history will want to know who contacts what.
    pub(crate) keep_visitors: bool,
}

impl Fold {
    pub(crate) fn run(
        &mut self,
        bucket: &Bucket,
        around: &Surroundings,
        part: &mut Part,
        scratch: &mut stats::Scratch,
    ) {
        self.visits.clear();
        self.probers.clear();
        self.spots.clear();
        for at in 0..bucket.flows.len() as u32 {
            self.count(bucket, at, part);
        }
        self.find_peculiar(bucket);
        let mut groups = std::mem::take(&mut self.groups);
        groups.fill(bucket);
        for (key, members) in groups.iter() {
            self.group((bucket, around), key, members, part, scratch);
        }
        self.groups = groups;
        self.count_visits(bucket, part);
        for (address, lease) in &bucket.leases {
            part.lease(*address, lease.clone());
        }
    }

    /// What is counted a flow at a time.
    fn count(&mut self, bucket: &Bucket, at: u32, part: &mut Part) {
        let (flow, mark) = (&bucket.flows[at as usize], &bucket.marks[at as usize]);
        part.coverage.add(flow, mark.direction, mark.name != NO_NAME);
        part.unanswered += u64::from(mark.direction == Direction::Outbound && !flow.is_answered());
        if mark.direction != Direction::Inbound || flow.resp_bytes > 0 {
            return;
        }
        let day = Micros(flow.start_us).day();
        self.probers.push((day, flow.orig));
        let probes = part.probes.entry(day).or_default();
        probes.probes += 1;
        probes.answered += u64::from(flow.resp_packets > 0);
        *probes.ports.entry(flow.resp_port).or_default() += 1;
    }

    /// Signatures that a source used for one destination only.
    fn find_peculiar(&mut self, bucket: &Bucket) {
        self.peculiar.clear();
        let uses = bucket
            .signatures
            .iter()
            .map(|&(source, signature, at)| (source, signature, Key::of(bucket, at).spot));
        let mut uses: Vec<_> = uses.collect();
        uses.sort_unstable();
        uses.dedup();
        let alone = uses.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|run| run.len() == 1);
        self.peculiar.extend(alone.map(|run| (run[0].0, run[0].2)));
        self.peculiar.sort_unstable();
    }

    fn group(
        &mut self,
        (bucket, around): (&Bucket, &Surroundings),
        key: &Key,
        members: &[u32],
        part: &mut Part,
        scratch: &mut stats::Scratch,
    ) {
        let (totals, hints) = self.total(bucket, key, members, part);
        let sums = Sums::of(&totals);
        part.converse(sums, || Row {
            source: key.source,
            destination: place(bucket, key.spot),
            port: key.port,
            transport: key.transport,
            grouping: key.grouping,
            direction: key.direction,
            sums,
            first_us: totals.first_us,
            last_us: totals.last_us,
        });
        let spot = self.spots.entry(key.spot).or_default();
        spot.flows += totals.flows;
        spot.bytes_out = spot.bytes_out.saturating_add(totals.bytes_out);
        spot.bytes_in = spot.bytes_in.saturating_add(totals.bytes_in);
        spot.first_us = spot.first_us.min(totals.first_us);
        spot.last_us = spot.last_us.max(totals.last_us);
        for (category, &flows) in totals.categories.iter().enumerate() {
            if flows > 0 {
                spot.add_category(category, flows);
                part.categories[category] += flows;
            }
        }
        let name = (key.spot.name != NO_NAME).then(|| &*bucket.names[key.spot.name as usize]);
        let address = self.most_contacted(key.spot);
        let group = Group {
            grouping: key.grouping,
            source: key.source.into(),
            host: name,
            address: address.into(),
            port: key.port,
            transport: key.transport,
            direction: key.direction,
            contacts: &self.contacts,
            totals,
            hints,
        };
        let scores = detect::scores(&group, around, scratch);
        if scores.is_empty() {
            return;
        }
        let (totals, hints) = (group.totals, group.hints);
        let candidate = self.keep(bucket, key, members, address, (totals, hints, scores));
        for pivot in candidate.pivots.iter().filter(|pivot| pivot.uid.is_hashed()) {
            if let Some(text) = bucket.odd_uids.get(&pivot.uid) {
                part.odd_uids.insert(pivot.uid, text.clone());
            }
        }
        part.candidates.push(Arc::new(candidate));
    }

    /// What is kept of a group that a detector found something in.
    fn keep(
        &mut self,
        bucket: &Bucket,
        key: &Key,
        members: &[u32],
        address: Addr,
        (totals, hints, scores): (Totals, Hints, Vec<Score>),
    ) -> Candidate {
        self.addresses.dedup();
        self.addresses.truncate(ADDRESSES_MAX);
        if self.addresses.is_empty() {
            self.addresses.push(address);
        }
        let named_by = members.iter().map(|&at| bucket.marks[at as usize].named_by).min();
        Candidate {
            scores: scores.into(),
            contacts: self.contacts.as_slice().into(),
            grouping: key.grouping,
            source: key.source,
            destination: place(bucket, key.spot),
            address,
            addresses: self.addresses.as_slice().into(),
            port: key.port,
            transport: key.transport,
            direction: key.direction,
            named_by: named_by.unwrap_or(NamedBy::None),
            totals,
            hints,
            pivots: first_flows(bucket, members),
        }
    }

    /// Sums of a group; leaves its contacts in order and its addresses as they came.
    fn total(
        &mut self,
        bucket: &Bucket,
        key: &Key,
        members: &[u32],
        part: &mut Part,
    ) -> (Totals, Hints) {
        let mut totals = empty_totals();
        let mut hints = Hints::default();
        self.contacts.clear();
        self.addresses.clear();
        let mut inside = Addr::default();
        self.flows.clear();
        // All at once before any is looked at: they lie far apart, and are fetched side by side then.
        let flows = members.iter().map(|&at| (bucket.flows[at as usize].clone(), at));
        self.flows.extend(flows);
        for &(ref flow, at) in &self.flows {
            let mark = &bucket.marks[at as usize];
            add_flow(&mut totals, &mut hints, flow, mark.category);
            self.contacts.push(contact(flow));
            if key.spot.name != NO_NAME {
                self.addresses.push(flow.resp);
            }
            if let Some(facts) = bucket.facts.get(&at) {
                hints.missing_host_header += facts.missing_host;
                hints.mime_mismatch += facts.mime_mismatch;
            }
            let host = mark.resp_inside && flow.resp_packets > 0 && flow.resp != inside;
            if host && !stays_on_link(flow.resp) {
                inside = flow.resp;
                part.inside.insert(flow.resp);
            }
        }
        // Time, then size, compared as one number.
        let order = |one: &Contact| u64::from(one.second) << 32 | u64::from(one.bytes);
        self.contacts.sort_unstable_by_key(order);
        hints.rare_signature = self.peculiar.binary_search(&(key.source, key.spot)).is_ok();
        let orig_inside = bucket.marks[members[0] as usize].orig_inside;
        if orig_inside && !stays_on_link(key.source) {
            part.inside.insert(key.source);
        }
        self.visits.push((key.spot, key.source, orig_inside));
        (totals, hints)
    }

    /// The address contacted most, the lowest of equals; leaves `addresses` sorted.
    fn most_contacted(&mut self, spot: Spot) -> Addr {
        self.addresses.sort_unstable();
        let runs = self.addresses.chunk_by(|a, b| a == b);
        let most = runs.max_by_key(|run| (run.len(), std::cmp::Reverse(run[0])));
        most.map_or(spot.address, |run| run[0])
    }

    /// Who visited which destination, counted once each.
    fn count_visits(&mut self, bucket: &Bucket, part: &mut Part) {
        self.visits.sort_unstable();
        self.visits.dedup_by_key(|visit| (visit.0, visit.1));
        for &(spot, source, inside) in &self.visits {
            let destination = self.spots.entry(spot).or_default();
            destination.hosts += 1;
            destination.inside_hosts += u32::from(inside);
            if inside && self.keep_visitors {
                destination.visit(source);
            }
        }
        for (spot, destination) in self.spots.drain() {
            if spot.name == NO_NAME {
                part.add_address(spot.address, &destination);
            } else {
                part.add_name(&bucket.names[spot.name as usize], &destination);
            }
        }
        self.probers.sort_unstable();
        self.probers.dedup();
        for (day, _) in &self.probers {
            part.probes.entry(*day).or_default().sources += 1;
        }
    }
}

fn place(bucket: &Bucket, spot: Spot) -> Where {
    if spot.name == NO_NAME {
        Where::Address(spot.address)
    } else {
        Where::Name(bucket.names[spot.name as usize].clone())
    }
}

fn contact(flow: &Flow) -> Contact {
    let second = flow.start_us.div_euclid(1_000_000).max(0);
    Contact {
        second: u32::try_from(second).unwrap_or(u32::MAX),
        bytes: u32::try_from(flow.orig_ip_bytes).unwrap_or(u32::MAX),
    }
}

fn empty_totals() -> Totals {
    Totals {
        flows: 0,
        bytes_out: 0,
        bytes_in: 0,
        packets_out: 0,
        packets_in: 0,
        first_us: i64::MAX,
        last_us: i64::MIN,
        duration_us: 0,
        longest_us: 0,
        open: 0,
        unanswered: 0,
        categories: [0; 30],
    }
}

fn add_flow(totals: &mut Totals, hints: &mut Hints, flow: &Flow, category: Category) {
    totals.flows += 1;
    totals.bytes_out = totals.bytes_out.saturating_add(flow.orig_bytes);
    totals.bytes_in = totals.bytes_in.saturating_add(flow.resp_bytes);
    totals.packets_out = totals.packets_out.saturating_add(flow.orig_packets);
    totals.packets_in = totals.packets_in.saturating_add(flow.resp_packets);
    totals.first_us = totals.first_us.min(flow.start_us);
    totals.last_us = totals.last_us.max(flow.end_us());
    totals.duration_us = totals.duration_us.saturating_add(flow.duration_us);
    totals.longest_us = totals.longest_us.max(flow.duration_us);
    totals.open += u64::from(flow.open);
    totals.unanswered += u64::from(!flow.is_answered());
    totals.categories[usize::from(category.number())] += 1;
    hints.tls += u64::from(flow.services & (service::TLS | service::QUIC) != 0);
    hints.http += u64::from(flow.services & service::HTTP != 0);
}

/// The first flows, for other tools to find.
fn first_flows(bucket: &Bucket, members: &[u32]) -> Box<[Pivot]> {
    let mut first: Vec<_> = members
        .iter()
        .map(|&at| (&bucket.flows[at as usize], at))
        .map(|(flow, at)| (flow.start_us, flow.identity(), at))
        .collect();
    first.sort_unstable();
    first.truncate(PIVOT_FLOWS_MAX);
    let flows = first.into_iter().map(|(_, _, at)| &bucket.flows[at as usize]);
    flows.map(|&Flow { uid, resp, orig_port, .. }| Pivot { uid, resp, orig_port }).collect()
}

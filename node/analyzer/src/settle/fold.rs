//! A named bucket to groups, and each group to counts, conversations and candidates.

use flowlore_common::{
    label::Direction,
    time::{Day, Micros},
};
use hashbrown::HashMap;

use super::{
    bucket::{Bucket, NO_NAME},
    chains,
    destination::Destination,
    giving,
    group::{Gathered, Groups, Key, Spot},
    habits, hosts, lateral, logons, lookups, mismatch, pages,
    part::{Candidate, Matter, Part, Pivot, Row, Sums, Where},
    sessions, ssh, uploads,
};
use crate::{
    detect::{self, Score, exfil_volume::Upload},
    direction::{Home, stays_on_link},
    flow::Flow,
    limits::{ADDRESSES_MAX, PIVOT_FLOWS_MAX},
    lists::Lists,
    naming::NamedBy,
    packed::Addr,
    pair::{Contact, Files, Group, Hints, Mismatch, Sessions, Surroundings},
    places::Places,
    record::ConnState,
    stats,
};

/// Working memory, used again for each bucket.
#[derive(Default)]
pub(crate) struct Fold {
    groups: Groups,
    /// Of a group's flows.
    addresses: Vec<Addr>,
    /// (source, destination) for whom a client signature is peculiar to the destination.
    peculiar: Vec<(Addr, Spot)>,
    spots: HashMap<Spot, Destination>,
    /// (destination, source, whether the source is inside).
    visits: Vec<(Spot, Addr, bool)>,
    probers: Vec<(Day, Addr)>,
    /// Groups that sent much.
    uploads: Vec<(Candidate, Upload)>,
    /// Whether a history will want to know who contacts what.
    pub(crate) keep_visitors: bool,
}

impl Fold {
    pub(crate) fn run(
        &mut self,
        bucket: &Bucket,
        (around, home): (&Surroundings, &Home),
        (places, lists): (&Places, &Lists),
        part: &mut Part,
        scratch: &mut stats::Scratch,
    ) {
        self.visits.clear();
        self.probers.clear();
        self.spots.clear();
        let mut groups = std::mem::take(&mut self.groups);
        groups.clear();
        for at in 0..bucket.flows.len() as u32 {
            self.count(bucket, at, part);
            groups.add(bucket, at);
        }
        groups.deal();
        self.find_peculiar(bucket);
        let first = part.candidates.len();
        let mut sessions = sessions::find(bucket, &groups).into_iter().peekable();
        let mut mismatches = mismatch::find(bucket, &groups).into_iter().peekable();
        for (number, gathered) in (0..).zip(groups.iter()) {
            let sessions = sessions.next_if(|(of, _)| *of == number).map(|(_, found)| found);
            let mismatch = mismatches.next_if(|(of, _)| *of == number).map(|(_, found)| found);
            self.group((bucket, around), gathered, (sessions, mismatch), part, scratch);
        }
        chains::find(bucket, first, part);
        uploads::find(bucket, std::mem::take(&mut self.uploads), first, part);
        giving::find(bucket, &groups, self.keep_visitors, part);
        hosts::find(bucket, &groups, part);
        lookups::find(bucket, &groups, home, part);
        pages::find(bucket, &groups, places, part);
        logons::find(bucket, &groups, home, part);
        lateral::find(bucket, &groups, (first, self.keep_visitors), part);
        habits::find(bucket, &groups, lists, part);
        ssh::find(bucket, &groups, part);
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
        (gathered, members, contacts): (&Gathered, &[u32], &[Contact]),
        (sessions, mismatch): (Option<Sessions>, Option<Mismatch>),
        part: &mut Part,
        scratch: &mut stats::Scratch,
    ) {
        let mut hints = self.complete(bucket, gathered, members, part);
        hints.sessions = sessions.map(Box::new);
        hints.mismatch = mismatch.map(Box::new);
        let Gathered { key, totals, named_by, .. } = gathered;
        let sums = Sums::of(totals);
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
        for (category, &flows) in (0_u8..).zip(&totals.categories) {
            if flows > 0 {
                spot.add_category(category, flows);
                part.categories[usize::from(category)] += flows;
            }
        }
        let name = (key.spot.name != NO_NAME).then(|| &*bucket.names[key.spot.name as usize]);
        let address = most_contacted(&self.addresses);
        let group = Group {
            grouping: key.grouping,
            source: key.source.into(),
            host: name,
            address: address.into(),
            port: key.port,
            transport: key.transport,
            direction: key.direction,
            contacts,
            totals: totals.clone(),
            hints,
        };
        let scores = detect::scores(&group, around, scratch);
        if let Some(upload) = uploads::of_group(bucket, members, &group) {
            let group = Group { contacts: &[], ..group.clone() };
            let kept = self.keep((bucket, members), key, *named_by, Vec::new(), group);
            self.uploads.push((kept, upload));
        }
        if scores.is_empty() {
            return;
        }
        let candidate = self.keep((bucket, members), key, *named_by, scores, group);
        part.keep(candidate, bucket);
    }

    /// What is kept of a group that a detector found something in.
    fn keep(
        &mut self,
        (bucket, members): (&Bucket, &[u32]),
        key: &Key,
        named_by: NamedBy,
        scores: Vec<Score>,
        group: Group<'_>,
    ) -> Candidate {
        self.addresses.dedup();
        self.addresses.truncate(ADDRESSES_MAX);
        Candidate {
            scores: scores.into(),
            matter: Matter::Pair,
            contacts: group.contacts.into(),
            grouping: key.grouping,
            source: key.source,
            destination: place(bucket, key.spot),
            address: group.address.into(),
            addresses: self.addresses.as_slice().into(),
            port: key.port,
            transport: key.transport,
            direction: key.direction,
            named_by,
            totals: group.totals,
            hints: group.hints,
            pivots: first_flows(bucket, members),
        }
    }

    /// What is known of a group only when all of the bucket is: what logs say about its flows, which
    /// addresses they went to (left in `addresses`, sorted), who is inside.
    fn complete(
        &mut self,
        bucket: &Bucket,
        group: &Gathered,
        members: &[u32],
        part: &mut Part,
    ) -> Hints {
        let key = &group.key;
        let mut hints = group.hints.clone();
        if !bucket.facts.is_empty() {
            let mut files = Files { received_us: i64::MAX, ..Files::default() };
            for (&at, facts) in members.iter().filter_map(|at| bucket.facts.get_key_value(at)) {
                hints.missing_host_header += facts.missing_host;
                hints.mime_mismatch += facts.mime_mismatch;
                files.sent_bytes = files.sent_bytes.saturating_add(facts.sent_bytes);
                files.sent_archive |= facts.sent_archive;
                if facts.received.is_some() {
                    files.received = files.received.max(facts.received);
                    files.received_flows += 1;
                    files.received_bytes = files.received_bytes.max(facts.received_bytes);
                    files.received_us = files.received_us.min(bucket.flows[at as usize].start_us);
                }
            }
            let any = files.received.is_some() || files.sent_archive || files.sent_bytes > 0;
            hints.files = any.then(|| Box::new(files));
        }
        hints.one_connection = key.transport == 6 && one_connection(bucket, members);
        hints.rare_signature = self.peculiar.binary_search(&(key.source, key.spot)).is_ok();
        // The direction says which ends are inside.
        let resp_inside = matches!(key.direction, Direction::Internal | Direction::Inbound);
        let orig_inside = matches!(key.direction, Direction::Internal | Direction::Outbound);
        // An end that answered is a host of ours.
        let mut add_host = |address: Addr, packets: u64| {
            if resp_inside && packets > 0 && !stays_on_link(address) {
                part.inside.insert(address);
            }
        };
        self.addresses.clear();
        if group.more_addresses {
            for flow in members.iter().map(|&at| &bucket.flows[at as usize]) {
                self.addresses.push(flow.resp);
                add_host(flow.resp, flow.resp_packets);
            }
            self.addresses.sort_unstable();
        } else {
            self.addresses.push(group.address);
            add_host(group.address, group.totals.packets_in);
        }
        if orig_inside && !stays_on_link(key.source) {
            part.inside.insert(key.source);
        }
        self.visits.push((key.spot, key.source, orig_inside));
        hints
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

pub(super) fn place(bucket: &Bucket, spot: Spot) -> Where {
    if spot.name == NO_NAME {
        Where::Address(spot.address)
    } else {
        Where::Name(bucket.names[spot.name as usize].clone())
    }
}

/// Of sorted addresses the one contacted most, the lowest of equals.
pub(super) fn most_contacted(sorted: &[Addr]) -> Addr {
    let runs = sorted.chunk_by(|a, b| a == b);
    let most = runs.max_by_key(|run| (run.len(), std::cmp::Reverse(run[0])));
    most.map_or_else(Addr::default, |run| run[0])
}

/// Whether flows of a group over TCP are pieces of one connection. A client that binds the same port each time opens
/// each of its connections, and is not taken for that.
fn one_connection(bucket: &Bucket, members: &[u32]) -> bool {
    let flows = || members.iter().map(|&at| &bucket.flows[at as usize]);
    let ends = |flow: &Flow| (flow.orig_port, flow.resp);
    // Records without flags say nothing of how a connection began, but then its port does, if it was recorded.
    let goes_on = |flow: &&Flow| match flow.state {
        Some(state) => state == ConnState::Oth,
        None => flow.orig_port != 0,
    };
    members.len() > 1
        && flows().all(|flow| ends(flow) == ends(&bucket.flows[members[0] as usize]))
        && flows().filter(|flow| !goes_on(flow)).nth(1).is_none()
}

/// The first flows, for other tools to find.
pub(super) fn first_flows(bucket: &Bucket, members: &[u32]) -> Box<[Pivot]> {
    let mut first: Vec<_> = members
        .iter()
        .map(|&at| (&bucket.flows[at as usize], at))
        .map(|(flow, at)| (flow.start_us, flow.identity(), at))
        .collect();
    first.sort_unstable();
    first.truncate(PIVOT_FLOWS_MAX);
    let flows = first.into_iter().map(|(_, _, at)| &bucket.flows[at as usize]);
    let pivot = |&Flow { uid, resp, orig_port, resp_port, .. }: &Flow| Pivot {
        uid,
        resp,
        orig_port,
        resp_port,
    };
    flows.map(pivot).collect()
}

//! Habits of a source across its groups: one finding each, whatever number of destinations.

use flowlore_common::{
    label::{Behaviour, Direction},
    suffixes::Suffixes,
    time::Micros,
};
use hashbrown::HashMap;

use super::{
    bucket::{Bucket, NO_NAME},
    fold::{first_flows, place},
    group::{Gathered, Groups, Key},
    part::{Candidate, Matter, Part, Where},
};
use crate::{
    detect::habits::{
        Habit, MINING_RATE_MAX, MINING_US_MIN, PEERS_MIN, TOR_NAMES_MIN, WARM_US, WINDOW_US,
        is_known, is_pool_port, is_tor_name,
    },
    direction::is_private,
    flow::Flow,
    limits::ADDRESSES_MAX,
    lists::Lists,
    naming::NamedBy,
    packed::Addr,
    pair::{Grouping, Hints, Totals},
    watched::{Use, watched},
};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Ports of an overlay's peers. [Slips]
const PEER_PORTS_FROM: u16 = 30_000;

/// A group that shows a habit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    source: Addr,
    behaviour: Behaviour,
    /// Whether a list that was given says so, which takes nothing more.
    listed: bool,
    /// Its place.
    group: u32,
    /// What it is counted by.
    count: u64,
}

/// Finds habits.
pub(super) fn find(bucket: &Bucket, groups: &Groups, lists: &Lists, part: &mut Part) {
    let mut shown: Vec<Shown> = Vec::new();
    for (number, (group, members, _)) in (0..).zip(groups.iter()) {
        let source = group.key.source;
        let mut show = |behaviour, count| {
            shown.push(Shown { source, behaviour, listed: false, group: number, count });
        };
        let key = &group.key;
        let answers = group.totals.bytes_in > 0 && group.totals.bytes_out > 0;
        let name = (key.spot.name != NO_NAME).then(|| &*bucket.names[key.spot.name as usize]);
        if key.direction == Direction::Outbound && answers {
            by_name_or_shape(group, name, &mut show);
        }
        let listed = by_list(bucket, (group, members), name, lists).into_iter();
        let listed = listed.filter(|(_, count)| *count > 0).map(|(behaviour, count)| Shown {
            source,
            behaviour,
            listed: true,
            group: number,
            count,
        });
        shown.extend(listed);
    }
    let answered = warm(bucket, &shown);
    let asks = |source: &Addr| answered.get(source).copied();
    shown.retain(|one| match one.behaviour {
        Behaviour::ConnWithoutDns => asks(&one.source).is_some_and(|since| {
            groups.at(one.group).0.totals.first_us >= since.saturating_add(WARM_US)
        }),
        Behaviour::TorUse => one.listed || asks(&one.source).is_some(),
        _ => true,
    });
    drop_looked_up(bucket, groups, &mut shown);
    shown.sort_unstable();
    for habit in shown.chunk_by(|a, b| (a.source, a.behaviour) == (b.source, b.behaviour)) {
        if let Some(candidate) = candidate(bucket, groups, lists, habit) {
            part.keep(candidate, bucket);
        }
    }
    rebound(bucket, part);
}

/// What a group with an outside host that answers shows by its name, its port and its shape.
fn by_name_or_shape(group: &Gathered, name: Option<&str>, show: &mut impl FnMut(Behaviour, u64)) {
    let Gathered { key, totals, hints, .. } = group;
    let known = name.and_then(watched).map(|(used, _)| used);
    if known == Some(Use::RemoteAccess) {
        show(Behaviour::RemoteAccessTool, totals.flows);
    }
    let slow = totals.longest_us >= MINING_US_MIN && key.transport == TCP && {
        let bytes = u128::from(totals.bytes_out) + u128::from(totals.bytes_in);
        bytes * 1_000_000 < u128::from(totals.duration_us) * u128::from(MINING_RATE_MAX)
    };
    if slow && (known == Some(Use::MiningPool) || is_pool_port(key.port)) {
        show(Behaviour::Cryptomining, totals.flows);
    }
    if name.is_some_and(is_tor_name) && hints.tls > 0 {
        show(Behaviour::TorUse, 1);
    }
    let spoken = hints.tls + hints.http + hints.ssh > 0;
    if key.transport == UDP && key.port > PEER_PORTS_FROM {
        show(Behaviour::P2pOverlay, 1);
    } else if !spoken && !is_known(key.port) && matches!(key.transport, TCP | UDP) {
        show(Behaviour::UnknownPort, totals.flows);
    }
    if key.transport == TCP && key.grouping == Grouping::Address {
        show(Behaviour::ConnWithoutDns, totals.flows);
    }
}

/// What the lists that were given say of a group, and of how many of its answered flows.
fn by_list(
    bucket: &Bucket,
    (group, members): (&Gathered, &[u32]),
    name: Option<&str>,
    lists: &Lists,
) -> [(Behaviour, u64); 2] {
    let count = |is: &dyn Fn(&Flow) -> bool| {
        let flows = members.iter().map(|&at| &bucket.flows[at as usize]);
        flows.filter(|flow| flow.resp_bytes > 0 && is(flow)).count() as u64
    };
    let Key { direction, transport, .. } = group.key;
    // Behind a proxy the connection is one between inside hosts.
    let ours = matches!(direction, Direction::Outbound | Direction::Internal);
    let young = name.filter(|_| ours).and_then(|name| lists.young(name));
    let young =
        young.map_or(0, |young| count(&|flow| young.contains(&Micros(flow.start_us).day())));
    let asked = direction == Direction::Outbound && transport == TCP && lists.knows_tor();
    let nodes = if asked { count(&|flow| lists.is_tor(flow.resp, flow.resp_port)) } else { 0 };
    [(Behaviour::YoungDomain, young), (Behaviour::TorUse, nodes)]
}

/// Since when each source asks the DNS, of those to whom it matters.
fn warm(bucket: &Bucket, shown: &[Shown]) -> HashMap<Addr, i64> {
    let matters = |one: &&Shown| {
        matches!(one.behaviour, Behaviour::ConnWithoutDns | Behaviour::TorUse) && !one.listed
    };
    let mut since: HashMap<Addr, i64> =
        shown.iter().filter(matters).map(|one| (one.source, i64::MAX)).collect();
    if since.is_empty() {
        return since;
    }
    for asked in &bucket.queries {
        if let Some(first) = since.get_mut(&asked.client) {
            *first = asked.time_us.min(*first);
        }
    }
    since.retain(|_, first| *first < i64::MAX);
    since
}

/// A name that was looked up is a site's, however it looks.
fn drop_looked_up(bucket: &Bucket, groups: &Groups, shown: &mut Vec<Shown>) {
    let by_name = |one: &Shown| one.behaviour == Behaviour::TorUse && !one.listed;
    if !shown.iter().any(by_name) {
        return;
    }
    let mut asked: Vec<(Addr, u32)> =
        bucket.queries.iter().map(|asked| (asked.client, asked.name)).collect();
    asked.sort_unstable();
    shown.retain(|one| {
        let name = groups.at(one.group).0.key.spot.name;
        !by_name(one) || asked.binary_search(&(one.source, name)).is_err()
    });
}

/// The finding of a habit, if there are enough groups that show it.
fn candidate(
    bucket: &Bucket,
    groups: &Groups,
    lists: &Lists,
    shown: &[Shown],
) -> Option<Candidate> {
    let &Shown { source, behaviour, .. } = shown.first()?;
    let least = match behaviour {
        Behaviour::P2pOverlay => PEERS_MIN,
        Behaviour::TorUse => TOR_NAMES_MIN,
        _ => 1,
    };
    // What is listed stands at the end, and stays when the signs before it are too few.
    let (signs, listed) = shown.split_at(shown.partition_point(|one| !one.listed));
    let enough = distinct(bucket, groups, signs).len() >= least;
    let (signs, shown) = if enough { (signs, shown) } else { (&[][..], listed) };
    let mut places = distinct(bucket, groups, shown);
    let mut numbers: Vec<u32> = shown.iter().map(|one| one.group).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut totals = Totals::default();
    let mut members = Vec::new();
    for &number in &numbers {
        let (group, of_group) = groups.at(number);
        totals.add(&group.totals);
        members.extend_from_slice(of_group);
    }
    // Groups lie in the order in which flows came; what stands for all must not.
    let group = |number: u32| groups.at(number).0;
    let order = |number: u32| {
        let key = &group(number).key;
        (key.port, key.transport, place(bucket, key.spot), key.direction, key.grouping)
    };
    let first = numbers.iter().copied().min_by_key(|&number| order(number))?;
    let Gathered { key, named_by, .. } = group(first);
    let one_port = numbers.iter().all(|&number| group(number).key.port == key.port);
    let examples = if signs.is_empty() { shown } else { signs };
    let all = examples.iter().map(|one| group(one.group));
    let (what, named) = what(bucket, lists, behaviour, all, key.port);
    let sum = |shown: &[Shown]| shown.iter().map(|one| one.count).sum();
    let (count, nodes) = match behaviour {
        Behaviour::TorUse => (distinct(bucket, groups, signs).len() as u64, sum(listed)),
        _ => (sum(shown), 0),
    };
    let destinations = places.len() as u64;
    let habit = Habit { behaviour, destinations, count, nodes, what, named };
    let one = places.len() == 1;
    Some(Candidate {
        scores: [habit.score()].into(),
        contacts: [].into(),
        grouping: key.grouping,
        source,
        destination: if one { places.swap_remove(0) } else { Where::Many(places.len() as u64) },
        address: groups.address(bucket, first),
        addresses: lowest_addresses(bucket, groups, &numbers),
        port: if one_port { key.port } else { 0 },
        transport: key.transport,
        direction: key.direction,
        named_by: if one { *named_by } else { NamedBy::None },
        totals,
        hints: Hints::default(),
        pivots: first_flows(bucket, &members),
        matter: Matter::Habit(Box::new(habit)),
    })
}

/// Where groups go, each place once: of young domains the domain.
fn distinct(bucket: &Bucket, groups: &Groups, shown: &[Shown]) -> Vec<Where> {
    let whither = |one: &Shown| match place(bucket, groups.at(one.group).0.key.spot) {
        Where::Name(name) if one.behaviour == Behaviour::YoungDomain => {
            Where::Name(Suffixes::shipped().site(&name).unwrap_or(&name).into())
        }
        place => place,
    };
    let mut places: Vec<Where> = shown.iter().map(whither).collect();
    places.sort_unstable();
    places.dedup();
    places
}

fn lowest_addresses(bucket: &Bucket, groups: &Groups, numbers: &[u32]) -> Box<[Addr]> {
    let all = numbers.iter().flat_map(|&number| groups.addresses(bucket, number));
    let mut addresses: Vec<Addr> = all.collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    addresses.into()
}

/// Whose the destinations are, the first in the alphabet, or an example; and whether the file of names says so.
fn what<'a>(
    bucket: &Bucket,
    lists: &Lists,
    behaviour: Behaviour,
    groups: impl Iterator<Item = &'a Gathered> + Clone,
    port: u16,
) -> (Box<str>, bool) {
    let name = |group: &Gathered| {
        let name = group.key.spot.name;
        (name != NO_NAME).then(|| &*bucket.names[name as usize])
    };
    let makers = groups.clone().filter_map(name).filter_map(watched).map(|(_, maker)| maker);
    match behaviour {
        Behaviour::RemoteAccessTool | Behaviour::Cryptomining => match makers.min() {
            Some(maker) => (maker.into(), true),
            None => (port.to_string().into(), false),
        },
        Behaviour::UnknownPort => (port.to_string().into(), false),
        Behaviour::YoungDomain => {
            let registered = groups.filter_map(name).filter_map(|name| lists.registered(name));
            let first = registered.min();
            let said = first.map(|(domain, day)| format!("{domain} ({day})"));
            (said.unwrap_or_default().into(), true)
        }
        _ => {
            let places = groups.map(|group| place(bucket, group.key.spot));
            (places.min().map(|place| place.to_string().into()).unwrap_or_default(), false)
        }
    }
}

/// Names that had a public address and, within an hour, a private one, from the answers that a host got.
fn rebound(bucket: &Bucket, part: &mut Part) {
    let inside = |row: &(Addr, Addr, i64, u32)| is_private(row.1);
    let mut named: Vec<(Addr, u32, i64, Addr)> =
        bucket.answers.rows().filter(inside).map(|(c, a, t, n)| (c, n, t, a)).collect();
    if named.is_empty() {
        return;
    }
    named.sort_unstable();
    let mut found: Vec<(Addr, u32, i64, Addr)> = Vec::new();
    for (client, address, time_us, name) in bucket.answers.rows() {
        if is_private(address) {
            continue;
        }
        // The first private answer from then on.
        let at = named.partition_point(|one| (one.0, one.1, one.2) < (client, name, time_us));
        let after = named.get(at).filter(|one| (one.0, one.1) == (client, name));
        found.extend(after.filter(|one| one.2.saturating_sub(time_us) < WINDOW_US));
    }
    found.sort_unstable();
    found.dedup_by_key(|one| (one.0, one.1));
    for (client, name, time_us, address) in found {
        let name: Box<str> = bucket.names[name as usize].clone();
        let habit = Habit {
            behaviour: Behaviour::DnsRebindingAnswer,
            destinations: 1,
            nodes: 0,
            count: 1,
            what: name.clone(),
            named: true,
        };
        let candidate = Candidate {
            scores: [habit.score()].into(),
            contacts: [].into(),
            grouping: Grouping::Name,
            source: client,
            destination: Where::Name(name),
            address,
            addresses: [address].into(),
            port: 0,
            transport: TCP,
            direction: Direction::Internal,
            named_by: NamedBy::Dns,
            totals: Totals { first_us: time_us, last_us: time_us, ..Totals::default() },
            hints: Hints::default(),
            pivots: [].into(),
            matter: Matter::Habit(Box::new(habit)),
        };
        part.keep(candidate, bucket);
    }
}

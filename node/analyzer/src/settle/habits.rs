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
    group::{Gathered, Groups},
    part::{Candidate, Matter, Part, Where},
};
use crate::{
    detect::habits::{
        Habit, MINING_RATE_MAX, MINING_US_MIN, PEERS_MIN, TOR_NAMES_MIN, WARM_US, WINDOW_US,
        is_known, is_pool_port, is_tor_name,
    },
    direction::is_private,
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

/// A group that shows a habit: source, habit, group, what it is counted by.
type Shown = (Addr, Behaviour, u32, u64);

/// Finds habits.
pub(super) fn find(bucket: &Bucket, groups: &Groups, lists: &Lists, part: &mut Part) {
    let mut shown: Vec<Shown> = Vec::new();
    for (number, (group, members, _)) in (0..).zip(groups.iter()) {
        let mut show = |behaviour, count| {
            shown.push((group.key.source, behaviour, number, count));
        };
        let key = &group.key;
        let answers = group.totals.bytes_in > 0 && group.totals.bytes_out > 0;
        let name = (key.spot.name != NO_NAME).then(|| &*bucket.names[key.spot.name as usize]);
        if key.direction == Direction::Outbound && answers {
            by_name_or_shape(group, name, &mut show);
        }
        // Behind a proxy the connection is one between inside hosts.
        if matches!(key.direction, Direction::Outbound | Direction::Internal)
            && let Some(young) = name.and_then(|name| lists.young(name))
        {
            let flows = members.iter().map(|&at| &bucket.flows[at as usize]);
            let flows = flows
                .filter(|flow| flow.resp_bytes > 0 && young.contains(&Micros(flow.start_us).day()));
            match flows.count() as u64 {
                0 => {}
                count => show(Behaviour::YoungDomain, count),
            }
        }
    }
    let answered = warm(bucket, &shown);
    let asks = |source: &Addr| answered.get(source).copied();
    shown.retain(|&(source, behaviour, number, _)| match behaviour {
        Behaviour::ConnWithoutDns => asks(&source).is_some_and(|since| {
            groups.at(number).0.totals.first_us >= since.saturating_add(WARM_US)
        }),
        Behaviour::TorUse => asks(&source).is_some(),
        _ => true,
    });
    drop_looked_up(bucket, groups, &mut shown);
    shown.sort_unstable();
    for habit in shown.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
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

/// Since when each source asks the DNS, of those to whom it matters.
fn warm(bucket: &Bucket, shown: &[Shown]) -> HashMap<Addr, i64> {
    let matters = |one: &&Shown| matches!(one.1, Behaviour::ConnWithoutDns | Behaviour::TorUse);
    let mut since: HashMap<Addr, i64> =
        shown.iter().filter(matters).map(|one| (one.0, i64::MAX)).collect();
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
    if !shown.iter().any(|one| one.1 == Behaviour::TorUse) {
        return;
    }
    let mut asked: Vec<(Addr, u32)> =
        bucket.queries.iter().map(|asked| (asked.client, asked.name)).collect();
    asked.sort_unstable();
    shown.retain(|&(source, behaviour, number, _)| {
        let name = groups.at(number).0.key.spot.name;
        behaviour != Behaviour::TorUse || asked.binary_search(&(source, name)).is_err()
    });
}

/// The finding of a habit, if there are enough groups that show it.
fn candidate(
    bucket: &Bucket,
    groups: &Groups,
    lists: &Lists,
    shown: &[Shown],
) -> Option<Candidate> {
    let &(source, behaviour, number, _) = shown.first()?;
    let whither = |one: &Shown| match place(bucket, groups.at(one.2).0.key.spot) {
        Where::Name(name) if behaviour == Behaviour::YoungDomain => {
            Where::Name(Suffixes::shipped().site(&name).unwrap_or(&name).into())
        }
        place => place,
    };
    let mut places: Vec<Where> = shown.iter().map(whither).collect();
    places.sort_unstable();
    places.dedup();
    let least = match behaviour {
        Behaviour::P2pOverlay => PEERS_MIN,
        Behaviour::TorUse => TOR_NAMES_MIN,
        _ => 1,
    };
    if places.len() < least {
        return None;
    }
    let mut totals = Totals::default();
    let mut members = Vec::new();
    let mut addresses = Vec::new();
    for &(_, _, number, _) in shown {
        let (group, of_group) = groups.at(number);
        totals.add(&group.totals);
        members.extend_from_slice(of_group);
        addresses.extend(groups.addresses(bucket, number));
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    // Groups lie in the order in which flows came; what stands for all must not.
    let group = |number: u32| groups.at(number).0;
    let order = |number: u32| {
        let key = &group(number).key;
        (key.port, key.transport, place(bucket, key.spot), key.direction)
    };
    let first = shown.iter().map(|one| one.2).min_by_key(|&number| order(number)).unwrap_or(number);
    let Gathered { key, named_by, .. } = group(first);
    let one_port = shown.iter().all(|one| group(one.2).key.port == key.port);
    let counts = shown.iter().map(|one| one.3);
    let all = shown.iter().map(|one| group(one.2));
    let (what, named) = what(bucket, lists, behaviour, all, key.port);
    let habit = Habit {
        behaviour,
        destinations: places.len() as u64,
        count: match behaviour {
            Behaviour::TorUse => places.len() as u64,
            _ => counts.sum(),
        },
        what,
        named,
    };
    let one = places.len() == 1;
    Some(Candidate {
        scores: [habit.score()].into(),
        contacts: [].into(),
        grouping: key.grouping,
        source,
        destination: if one { places.swap_remove(0) } else { Where::Many(places.len() as u64) },
        address: groups.address(bucket, first),
        addresses: addresses.into(),
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

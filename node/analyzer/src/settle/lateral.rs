//! Sessions of a source with inside hosts by administrators' ports, where something else may be wrong with the source.

use flowlore_common::label::{Behaviour, Direction};

use super::{
    bucket::Bucket,
    fold::{first_flows, place},
    group::{Gathered, Groups},
    part::{Candidate, Matter, Part, Pivot, Sums},
};
use crate::{
    detect::lateral_movement::{
        BINDS_MIN, BINDS_WINDOW_S, DYNAMIC, Edge, Lateral, MAPPER, SPREAD_HOSTS_MIN, Why, is_admin,
    },
    limits::LATERAL_EDGES_MAX,
    naming::NamedBy,
    packed::Addr,
    pair::{Contact, Grouping, Hints, Totals},
    record::RemoteAct,
    severity::is_scan,
    stats,
};

const TCP: u8 = 6;
/// [IANA]
const KERBEROS: u16 = 88;
/// By which members of a domain fetch its policies from the controllers that they log on to, all day. [Microsoft: service
/// overview and network port requirements]
const DOMAIN_PORTS: [u16; 2] = [MAPPER, 445];

/// A group by what it is an edge of: source, address, port, and its number.
type Place = (Addr, Addr, u16, u32);

/// Finds storms of binds, and keeps sessions that may follow another finding: candidates of `part` from `first` on, or
/// any when a history can tell what is new.
pub(super) fn find(
    bucket: &Bucket,
    groups: &Groups,
    (first, with_history): (usize, bool),
    part: &mut Part,
) {
    let mut places: Vec<Place> = (0..)
        .zip(groups.iter())
        .filter(|(_, (group, ..))| is_session(group))
        .map(|(number, (group, ..))| {
            (group.key.source, groups.address(bucket, number), group.key.port, number)
        })
        .collect();
    if places.is_empty() {
        return;
    }
    places.sort_unstable();
    let controllers = controllers(bucket, groups);
    let suspects = suspects(&part.candidates[first..]);
    for of_source in places.chunk_by(|a, b| a.0 == b.0) {
        for of_pair in of_source.chunk_by(|a, b| a.1 == b.1) {
            if let Some(storm) = storm(groups, of_pair) {
                keep(bucket, groups, storm, part);
            }
        }
        let suspect = suspects.binary_search(&of_source[0].0).is_ok();
        let many = with_history && of_source.len() >= SPREAD_HOSTS_MIN;
        if suspect || many {
            let admins = of_source.iter().filter(|place| {
                let domains = DOMAIN_PORTS.contains(&place.2)
                    && controllers.binary_search(&(place.0, place.1)).is_ok();
                is_admin(place.2) && (!domains || act(bucket, groups, place.3).is_some())
            });
            let admins: Vec<u32> = admins.map(|place| place.3).collect();
            keep(bucket, groups, (admins, Why::Undecided), part);
        }
    }
}

/// Whether both ends of a group between inside hosts had something to say, by an administrator's port or by one that
/// the mapper may have handed out.
fn is_session(group: &Gathered) -> bool {
    let Gathered { key, totals, .. } = group;
    key.direction == Direction::Internal
        && key.transport == TCP
        && (is_admin(key.port) || key.port >= DYNAMIC && totals.flows >= BINDS_MIN)
        && totals.bytes_in > 0
        && totals.bytes_out > 0
}

/// Sources with the domain controllers that they log on to, ascending.
fn controllers(bucket: &Bucket, groups: &Groups) -> Vec<(Addr, Addr)> {
    let asked = (0..).zip(groups.iter()).filter(|(_, (group, ..))| {
        group.key.port == KERBEROS
            && group.key.direction == Direction::Internal
            && group.totals.bytes_in > 0
    });
    let pair = |(number, (group, ..)): (u32, (&Gathered, _, _))| {
        (group.key.source, groups.address(bucket, number))
    };
    let mut pairs: Vec<(Addr, Addr)> = asked.map(pair).collect();
    pairs.sort_unstable();
    pairs
}

/// What was done in a group that only administrators may.
fn act(bucket: &Bucket, groups: &Groups, number: u32) -> Option<RemoteAct> {
    let (_, members) = groups.at(number);
    members.iter().filter_map(|at| bucket.facts.get(at)?.act).max()
}

/// Sources with a finding that sessions may follow, ascending.
fn suspects(candidates: &[std::sync::Arc<Candidate>]) -> Vec<Addr> {
    let signs = candidates.iter().filter(|one| one.direction != Direction::Inbound);
    let signs = signs.filter(|one| one.scores.iter().any(|score| is_sign(score.behaviour)));
    let mut sources: Vec<Addr> = signs.map(|one| one.source).collect();
    sources.sort_unstable();
    sources.dedup();
    sources
}

/// What makes a source suspect.
pub(crate) const fn is_sign(behaviour: Behaviour) -> bool {
    behaviour.is_c2()
        || is_scan(behaviour)
        || matches!(
            behaviour,
            Behaviour::DownloadThenC2
                | Behaviour::BruteForceLogin
                | Behaviour::LoginFailuresThenSuccess
        )
}

/// The mapper's group and the port that it hands out most, when both are stormed.
fn storm(groups: &Groups, of_pair: &[Place]) -> Option<(Vec<u32>, Why)> {
    let peak = |number: u32| peak(groups.contacts(number));
    let mapper = of_pair.iter().find(|place| place.2 == MAPPER)?.3;
    let binds = Some(peak(mapper)).filter(|binds| *binds >= BINDS_MIN)?;
    let handed_out = of_pair.iter().filter(|place| place.2 >= DYNAMIC);
    let (calls, _, port) = handed_out
        .map(|place| (peak(place.3), std::cmp::Reverse(place.2), place.3))
        .filter(|(calls, ..)| *calls >= BINDS_MIN)
        .max()?;
    Some((vec![mapper, port], Why::Storm { binds, calls }))
}

/// The most contacts within a minute.
fn peak(contacts: &[Contact]) -> u64 {
    stats::contacts_within(contacts, BINDS_WINDOW_S)
}

fn keep(bucket: &Bucket, groups: &Groups, (numbers, why): (Vec<u32>, Why), part: &mut Part) {
    let mut edges: Vec<Edge> = numbers.iter().map(|&number| edge(bucket, groups, number)).collect();
    edges.sort_by(|a, b| {
        let key = |one: &Edge| (one.first_us, one.address, one.port);
        key(a).cmp(&key(b)).then_with(|| a.destination.cmp(&b.destination))
    });
    edges.truncate(LATERAL_EDGES_MAX);
    let Some(first) = edges.first() else { return };
    let source = groups.at(numbers[0]).0.key.source;
    let (destination, address, port) = (first.destination.clone(), first.address, first.port);
    let lateral = Lateral { edges, why };
    let scores = match why {
        Why::Undecided => [].into(),
        _ => [lateral.score()].into(),
    };
    let mut totals = Totals::default();
    numbers.iter().for_each(|&number| totals.add(&groups.at(number).0.totals));
    let candidate = Candidate {
        scores,
        contacts: [].into(),
        grouping: Grouping::Address,
        source,
        destination,
        address,
        addresses: [address].into(),
        port,
        transport: TCP,
        direction: Direction::Internal,
        named_by: NamedBy::None,
        totals,
        hints: Hints::default(),
        pivots: pivots(bucket, groups, &numbers),
        matter: Matter::Lateral(Box::new(lateral)),
    };
    part.keep(candidate, bucket);
}

/// The first flows of groups together.
fn pivots(bucket: &Bucket, groups: &Groups, numbers: &[u32]) -> Box<[Pivot]> {
    let members = numbers.iter().flat_map(|&number| groups.at(number).1);
    first_flows(bucket, &members.copied().collect::<Vec<u32>>())
}

fn edge(bucket: &Bucket, groups: &Groups, number: u32) -> Edge {
    let (group, members) = groups.at(number);
    Edge {
        destination: place(bucket, group.key.spot),
        address: groups.address(bucket, number),
        port: group.key.port,
        first_us: group.totals.first_us,
        last_us: group.totals.last_us,
        sums: Sums::of(&group.totals),
        act: act(bucket, groups, number),
        pivot: first_flows(bucket, members).first().copied(),
    }
}

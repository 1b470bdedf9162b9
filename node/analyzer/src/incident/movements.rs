//! Lateral movement is decided when the other findings of a host are known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flowlore_common::label::{Direction, Severity};

use super::{Case, Context, Key};
use crate::{
    detect::lateral_movement::{Before, Edge, Lateral, Sign},
    limits::{ADDRESSES_MAX, HISTORY_HOSTS_MAX, PIVOT_FLOWS_MAX},
    packed::Addr,
    pair::{Arrival, Totals},
    settle::{Candidate, Matter, Where, is_sign},
    severity::SHARED_HOSTS_MIN,
};

/// The movements among sessions that may be some, beside what was judged of the same sources.
pub(super) fn decide(
    context: &Context<'_>,
    cases: &BTreeMap<Key, Vec<Case>>,
    sessions: &[Arc<Candidate>],
) -> Vec<Arc<Candidate>> {
    let suspects: BTreeSet<Addr> = sessions.iter().map(|one| one.source).collect();
    let mut signs: BTreeMap<Addr, Vec<Sign>> = BTreeMap::new();
    let cases = cases.values().flatten().filter(|case| {
        case.severity >= Severity::Medium
            && is_sign(case.behaviour)
            && case.candidate.direction != Direction::Inbound
            && suspects.contains(&case.candidate.source)
    });
    for Case { candidate, behaviour, severity, .. } in cases {
        signs.entry(candidate.source).or_default().push(Sign {
            behaviour: *behaviour,
            severity: *severity,
            first_us: candidate.totals.first_us,
            last_us: candidate.totals.last_us,
            address: candidate.address,
        });
    }
    let decided = |candidate: &Arc<Candidate>| {
        let Matter::Lateral(lateral) = &candidate.matter else { return None };
        let signs = signs.get(&candidate.source).map_or(&[][..], Vec::as_slice);
        let before = |edge: &Edge| before(context, candidate.source, edge);
        let decided = lateral.decide(signs, before)?;
        Some(Arc::new(candidate_of(candidate, decided)))
    };
    sessions.iter().filter_map(decided).collect()
}

/// What is known of a source and a host before this input. A host that many inside hosts contact is a server, and nothing
/// is new about a client of its.
fn before(context: &Context<'_>, source: Addr, edge: &Edge) -> Before {
    if context.inside_hosts(&edge.destination) >= SHARED_HOSTS_MIN {
        return Before::Seen;
    }
    let history = context.options.history.as_ref();
    let history = history.filter(|_| context.around.history_days >= Arrival::LEARNING_DAYS);
    let Some(history) = history else { return Before::Unknown };
    match history.destination(&edge.destination.to_string()) {
        None => Before::Never,
        Some(known) if known.hosts.contains(&source.to_string()) => Before::Seen,
        // Not all of its visitors were kept.
        Some(known) if known.hosts.len() >= HISTORY_HOSTS_MAX => Before::Unknown,
        Some(_) => Before::Never,
    }
}

/// The candidate of a movement: the sessions that belong to it, of all that were kept.
fn candidate_of(sessions: &Candidate, lateral: Lateral) -> Candidate {
    let Lateral { edges, .. } = &lateral;
    let mut addresses = lateral.hosts();
    let first = &edges[0];
    let destination = match addresses.len() {
        1 => first.destination.clone(),
        hosts => Where::Many(hosts as u64),
    };
    addresses.truncate(ADDRESSES_MAX);
    let mut totals = Totals::default();
    for edge in edges {
        totals.flows += edge.sums.flows;
        totals.bytes_out = totals.bytes_out.saturating_add(edge.sums.bytes_out);
        totals.bytes_in = totals.bytes_in.saturating_add(edge.sums.bytes_in);
        totals.packets_out = totals.packets_out.saturating_add(edge.sums.packets_out);
        totals.packets_in = totals.packets_in.saturating_add(edge.sums.packets_in);
        totals.first_us = totals.first_us.min(edge.first_us);
        totals.last_us = totals.last_us.max(edge.last_us);
    }
    let one_port = edges.iter().all(|edge| edge.port == first.port);
    Candidate {
        scores: [lateral.score()].into(),
        destination,
        address: first.address,
        addresses: addresses.into(),
        port: if one_port { first.port } else { 0 },
        totals,
        pivots: edges.iter().filter_map(|edge| edge.pivot).take(PIVOT_FLOWS_MAX).collect(),
        matter: Matter::Lateral(Box::new(lateral)),
        ..sessions.clone()
    }
}

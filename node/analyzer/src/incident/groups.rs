//! Which findings are one incident.

use std::collections::BTreeMap;

use flowlore_common::label::{Behaviour, Direction};

use super::{Drafted, THREAT, sequences::Told};
use crate::{packed::Addr, severity};

/// What an incident is about: the outside end.
pub(super) fn subject(draft: &Drafted) -> String {
    match draft.finding.direction {
        Direction::Inbound => draft.key.source.to_string(),
        // Everybody asks the same servers: what hosts ask for is a matter of each.
        // A habit is one matter, whoever has it.
        _ if draft.key.behaviour.kind() != THREAT => {
            format!("{} {}", draft.key.behaviour, draft.key.place)
        }
        _ if severity::is_dns_hint(draft.key.behaviour)
            && draft.finding.destination.host.is_none() =>
        {
            format!("{} asks {}", draft.key.source, draft.key.place)
        }
        // Those who scan for the same thing, as a worm does from host to host, are one matter.
        _ if draft.finding.destination.count.is_some() => {
            format!("*:{}/{}", draft.key.port, draft.key.transport)
        }
        _ => draft.key.place.clone(),
    }
}

/// Stands for all that a source scans.
pub(super) const SCANS: &str = "scan";

/// Numbers of findings that belong together.
pub(super) fn group(drafts: &[Drafted], told: &[Told<'_>]) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..drafts.len()).collect();
    let mut first: BTreeMap<(Option<Addr>, String), usize> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        // Behind a proxy the address is the proxy's, which everything there has in common.
        let proxied = draft.key.behaviour == Behaviour::C2BeaconProxied;
        let noted = draft.key.behaviour.kind() != THREAT;
        let shared = if noted {
            None // it makes no threat graver, and no threat makes it one
        } else if severity::is_scan(draft.key.behaviour) {
            Some((Some(draft.key.source), SCANS.to_owned()))
        } else {
            let address = draft.finding.destination.address.to_string();
            (!proxied).then_some((Some(draft.key.source), address))
        };
        let from = draft.from.clone().map(|from| (Some(draft.key.source), from));
        for key in [(None, subject(draft))].into_iter().chain(shared).chain(from) {
            let other = *first.entry(key).or_insert(at);
            let (a, b) = (root(&leader, at), root(&leader, other));
            leader[a.max(b)] = a.min(b);
        }
    }
    for pair in told.iter().flat_map(|one| one.steps.windows(2)) {
        let (a, b) = (root(&leader, pair[0]), root(&leader, pair[1]));
        leader[a.max(b)] = a.min(b);
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..drafts.len() {
        groups.entry(root(&leader, at)).or_default().push(at);
    }
    groups.into_values().collect()
}

fn root(leader: &[usize], mut at: usize) -> usize {
    // Leaders only ever point to lower numbers.
    while leader[at] != at {
        at = leader[at];
    }
    at
}

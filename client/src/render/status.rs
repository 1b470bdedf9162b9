//! How the node is, as text.

use std::fmt::Write as _;

use super::text::{bytes, clip, counted, duration, number};
use crate::api::{Keys, Netflow, NodeStatus};

/// A line for each thing that an operator looks for.
#[must_use]
pub fn text(status: &NodeStatus) -> String {
    let mut out = format!(
        "Flowlore {}   org {} ({})   federation {}, roster version {}   up {}\n",
        clip(&status.version),
        clip(&status.org_name),
        short(&status.org_id),
        short(&status.federation),
        status.roster_version,
        duration(status.uptime_s),
    );
    let mut line = |label: &str, text: String| {
        let _ = writeln!(out, "{label:<10} {text}");
    };
    for (place, member) in status.members.iter().enumerate() {
        let address = if member.address.is_empty() { "only dials" } else { &member.address };
        line(
            if place == 0 { "Members" } else { "" },
            format!(
                "{}   {}   {}   {}   fingerprint {}",
                clip(&member.name),
                clip(&member.status),
                clip(&member.roles.join(", ")),
                clip(address),
                clip(&member.fingerprint)
            ),
        );
    }
    for waiting in &status.applicants {
        let (name, fingerprint) = (clip(&waiting.name), clip(&waiting.fingerprint));
        let hint = "compare it by voice, then `flowlore-node federation approve`";
        line("Applies", format!("{name}   fingerprint {fingerprint}: {hint}"));
    }
    line("Keys", keys(&status.keys));
    for (place, peer) in status.peers.iter().enumerate() {
        let sync = if peer.in_sync { "in sync" } else { "not in sync" };
        let error = match peer.last_error.as_str() {
            "" => String::new(),
            error => format!("   last error: {}", clip(error)),
        };
        line(
            if place == 0 { "Peers" } else { "" },
            format!(
                "{}   {}, {sync}   {} out, {} in   clock {:+} s{error}",
                clip(&peer.name),
                clip(&peer.state.replace('_', " ")),
                bytes(peer.bytes_sent),
                bytes(peer.bytes_received),
                peer.clock_offset_s
            ),
        );
    }
    for (label, text) in totals(status) {
        line(label, text);
    }
    out
}

fn keys(keys: &Keys) -> String {
    if keys.origin.is_empty() {
        return "none yet: `flowlore-node federation keygen` makes one".to_owned();
    }
    format!(
        "{} of {} needed, {}, epoch {}, generation {}; {} share here",
        keys.threshold,
        counted(keys.evaluators.into(), "evaluator"),
        clip(&keys.origin),
        keys.key_epoch,
        keys.generation,
        if keys.share_here { "a" } else { "no" },
    )
}

fn totals(status: &NodeStatus) -> Vec<(&'static str, String)> {
    let (store, names) = (&status.store, &status.names);
    let mut lines = vec![
        (
            "Store",
            format!(
                "{} ({} own), {} held back, {}, digest {}",
                counted(store.blocks, "block"),
                number(store.own_blocks),
                number(store.held_blocks),
                bytes(store.log_bytes),
                short(&store.objects_digest)
            ),
        ),
        (
            "Names",
            format!(
                "{} cached ({}), {} wait for evaluators, {} for their slot",
                number(names.cached),
                bytes(names.cached_bytes),
                number(names.waiting),
                counted(names.scheduled, "label")
            ),
        ),
        (
            "Traffic",
            format!(
                "{} to peers, {} from them",
                bytes(status.peer_bytes_sent),
                bytes(status.peer_bytes_received)
            ),
        ),
    ];
    if let Some(netflow) = &status.netflow {
        lines.extend(routers(netflow));
    }
    for refused in &status.refused {
        let from = refused.from.as_deref().map_or_else(|| short(&refused.from_org_id), clip);
        let text = format!("{} {} from {from}", number(refused.count), clip(&refused.reason));
        lines.push(("Refused", text));
    }
    lines
}

/// What routers send and, if there is something, what is lost of it.
fn routers(netflow: &Netflow) -> Vec<(&'static str, String)> {
    let mut lines = vec![(
        "NetFlow",
        format!(
            "{}   {} from {}, {}; {} analyzed, {} on disk",
            clip(&netflow.listens.join(", ")),
            counted(netflow.datagrams, "datagram"),
            counted(netflow.exporters, "exporter"),
            bytes(netflow.bytes),
            counted(netflow.periods_analyzed, "period"),
            bytes(netflow.waiting_bytes),
        ),
    )];
    let kernel = netflow.kernel_drops.filter(|lost| *lost > 0).map(|lost| ("kernel", lost));
    let dropped = netflow.dropped.iter().map(|(reason, count)| (&**reason, *count));
    let dropped = dropped
        .chain(kernel)
        .map(|(reason, count)| format!("{} {}", number(count), clip(&reason.replace('_', " "))));
    let dropped: Vec<String> = dropped.collect();
    if !dropped.is_empty() {
        lines.push(("", format!("DROPPED: {}", dropped.join(", "))));
    }
    if netflow.analyses_failed > 0 {
        let failed = number(netflow.analyses_failed);
        lines.push(("", format!("FAILED: {failed} analyses, tried again: see the node's log")));
    }
    lines
}

/// Enough of an id for two people to see that it is the same.
fn short(id: &str) -> String {
    clip(id.get(..8).unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Applicant, Member, Peer, Refused};

    #[test]
    fn a_node_without_a_federation_says_what_is_missing() {
        let text = text(&NodeStatus::default());
        assert!(text.contains("Keys       none yet: `flowlore-node federation keygen`"), "{text}");
        assert!(!text.contains("Members") && !text.contains("Refused"), "{text}");
    }

    #[test]
    fn a_node_in_short() {
        let status = NodeStatus {
            version: "0.1.0".to_owned(),
            org_name: "A".to_owned(),
            org_id: "aa".repeat(32),
            federation: "fe".repeat(32),
            roster_version: 4,
            members: vec![Member {
                name: "B\u{202e}".to_owned(),
                fingerprint: "1a2b3c4d".to_owned(),
                roles: vec!["evaluator".to_owned()],
                status: "active".to_owned(),
                ..Member::default()
            }],
            applicants: vec![Applicant { name: "C".to_owned(), ..Applicant::default() }],
            keys: Keys {
                key_epoch: 1,
                threshold: 2,
                evaluators: 3,
                share_here: true,
                origin: "dealt by A".to_owned(),
                ..Keys::default()
            },
            peers: vec![Peer {
                name: "B".to_owned(),
                state: "backing_off".to_owned(),
                last_error: "refused".to_owned(),
                bytes_sent: 1_200,
                clock_offset_s: -3,
                ..Peer::default()
            }],
            refused: vec![Refused {
                from: Some("B".to_owned()),
                reason: "bad_signature".to_owned(),
                count: 2,
                ..Refused::default()
            }],
            uptime_s: 7_380,
            netflow: Some(Netflow {
                listens: vec!["127.0.0.1:2055".to_owned()],
                datagrams: 1_234,
                bytes: 1_700_000,
                exporters: 2,
                dropped: [("not_netflow".to_owned(), 3)].into(),
                kernel_drops: Some(4),
                periods_analyzed: 1,
                ..Netflow::default()
            }),
            ..NodeStatus::default()
        };
        let hint = "compare it by voice, then `flowlore-node federation approve`";
        let expected = format!(
            r"Flowlore 0.1.0   org A (aaaaaaaa)   federation fefefefe, roster version 4   up 2 h 3 min
Members    B\u{{202e}}   active   evaluator   only dials   fingerprint 1a2b3c4d
Applies    C   fingerprint : {hint}
Keys       2 of 3 evaluators needed, dealt by A, epoch 1, generation 0; a share here
Peers      B   backing off, not in sync   1.2 kB out, 0 B in   clock -3 s   last error: refused
Store      0 blocks (0 own), 0 held back, 0 B, digest 
Names      0 cached (0 B), 0 wait for evaluators, 0 labels for their slot
Traffic    0 B to peers, 0 B from them
NetFlow    127.0.0.1:2055   1,234 datagrams from 2 exporters, 1.7 MB; 1 period analyzed, 0 B on disk
           DROPPED: 3 not netflow, 4 kernel
Refused    2 bad_signature from B
"
        );
        assert_eq!(text(&status), expected);
    }
}

//! Tunnels in DNS as flows alone show them, where no names are logged: a hint, never more.
//!
//! Question: does a connection to port 53 live or talk longer than a look-up does, with questions larger than names are?
//! More than 45 s or 12 packets [AnDNS]; and, since forwarders and some resolvers keep one port for all that they ask,
//! as much data as a channel carries, in questions half as large again as ordinary ones [ours]. Without names, many
//! single questions of more than 90 bytes [AnDNS] are `dns_tunnel_oversize`. ATT&CK T1572, T1048.003.

use flowlore_common::label::{Behaviour, Direction};

use super::{Evidence, Hit, Score, words};
use crate::flow::Flow;

/// Longest that a look-up takes, microseconds. [AnDNS: 45 s]
const SESSION_US_MAX: u64 = 45_000_000;
/// Most packets of a look-up, both ways together. [AnDNS: 12]
const SESSION_PACKETS_MAX: u64 = 12;
/// Least payload sent in such a session, bytes. [design, 2.7: 10 kB]
const SESSION_BYTES_MIN: u64 = 10_000;
/// Least mean of a question in it, bytes. [ours: header 12, type and class 4, EDNS 11 and a name of 24 make some 50;
/// half as much again]
const SESSION_MEAN_BYTES_MIN: u64 = 75;
/// Largest ordinary question, bytes. [AnDNS: 90]
const QUESTION_BYTES_MAX: u64 = 90;
/// So many flows with larger ones are a habit. [ours: RITA's least count of subdomains, as no names can be counted]
const LARGE_FLOWS_MIN: u64 = 100;
/// Base score, thousandths: low.
const HINT_MILLI: u16 = 200;

/// DNS's port (IANA).
pub(crate) const PORT: u16 = 53;

/// What the flows of a source to a server's port 53 add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sessions {
    /// Flows that are such sessions.
    pub(crate) sessions: u64,
    /// Payload sent in them, bytes.
    pub(crate) bytes: u64,
    /// Packets of both ways in them.
    pub(crate) packets: u64,
    /// The longest of them, microseconds.
    pub(crate) longest_us: u64,
    /// Flows whose questions are large.
    pub(crate) large: u64,
    /// Whether the names are logged, and say more than sizes do.
    pub(crate) names_logged: bool,
}

impl Sessions {
    /// Takes in a flow.
    pub(crate) fn add(&mut self, flow: &Flow) {
        let packets = flow.orig_packets.saturating_add(flow.resp_packets);
        let mean = flow.orig_bytes.checked_div(flow.orig_packets).unwrap_or(0);
        self.large += u64::from(mean > QUESTION_BYTES_MAX);
        let lasts = flow.duration_us > SESSION_US_MAX || packets > SESSION_PACKETS_MAX;
        if lasts && flow.orig_bytes >= SESSION_BYTES_MIN && mean >= SESSION_MEAN_BYTES_MIN {
            self.sessions += 1;
            self.bytes = self.bytes.saturating_add(flow.orig_bytes);
            self.packets = self.packets.saturating_add(packets);
            self.longest_us = self.longest_us.max(flow.duration_us);
        }
    }

    /// What they show. Inbound ones are questions to a server of ours.
    pub(crate) fn scores(&self, direction: Direction) -> Vec<Score> {
        let found =
            |behaviour, holds: bool| holds.then_some(Score { behaviour, base_milli: HINT_MILLI });
        let large = !self.names_logged && self.large >= LARGE_FLOWS_MIN;
        let all = [
            found(Behaviour::DnsTunnelOversize, large),
            found(Behaviour::DnsTunnelSession, self.sessions > 0),
        ];
        all.into_iter().flatten().filter(|_| direction != Direction::Inbound).collect()
    }

    /// A score in sentences.
    pub(crate) fn hit(&self, score: Score) -> Hit {
        let Score { behaviour, base_milli } = score;
        let mut limits = Vec::new();
        if !self.names_logged {
            limits.push("No DNS log of this host: what was asked for is unknown.".to_owned());
        }
        let (supports, against) = if behaviour == Behaviour::DnsTunnelSession {
            (
                Evidence::supporting(
                    "session_bytes",
                    self.bytes as f64,
                    "bytes",
                    format!(
                        "{} to port 53 with {} sent in {}, the longest {}: a look-up is two packets.",
                        words::counted(self.sessions, "connection", "connections"),
                        words::bytes(self.bytes),
                        words::counted(self.packets, "packet", "packets"),
                        words::seconds((self.longest_us / 1_000_000) as f64)
                    ),
                )
                .threshold(SESSION_BYTES_MIN as f64),
                "Forwarders and resolvers that keep one port for all their questions look alike.",
            )
        } else {
            (
                Evidence::supporting(
                    "large_questions",
                    self.large as f64,
                    "flows",
                    format!(
                        "{} to port 53 whose questions have more than {QUESTION_BYTES_MAX} B.",
                        words::counted(self.large, "connection", "connections")
                    ),
                )
                .threshold(LARGE_FLOWS_MIN as f64),
                "Long names of content networks and clouds look alike.",
            )
        };
        let kind = Evidence::against("session_kind", 0.0, "flows", against.to_owned());
        Hit { behaviour, base_milli, scores: Vec::new(), evidence: vec![supports, kind], limits }
    }
}

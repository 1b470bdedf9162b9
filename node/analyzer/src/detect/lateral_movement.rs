//! Lateral movement: a host that something is wrong with works on other inside hosts, by the ports that administrators use.
//!
//! Question: did this source hold sessions with inside hosts on such a port (22, 135, 445, 3389, 5985, 5986, and the
//! dynamic ports that 135 hands out) that it had not contacted before, within 24 hours of a channel, a scan or guessed
//! passwords of its own [design 2.13]? Or with five such hosts within an hour that the history has never seen it contact
//! [ours: a worm or a person with stolen passwords spreads; an administrator's machine is in the history]? Or did it bind
//! to one server's remote procedures again and again, 20 times within a minute at the endpoint mapper and 20 times at
//! one dynamic port, as an exploit that tries a service until it gives in [ours: a client asks the mapper once and keeps
//! its association, MS-RPCE 3.3.1; ten times what one with several programs does]?
//! 500 points; 700 after a channel that is high itself, or after one where it also used an administrator's share or made
//! the other host run something. ATT&CK T1021.

use flowlore_common::label::{Behaviour, Severity};

use super::{Evidence, Hit, Score, words};
use crate::{
    packed::Addr,
    record::RemoteAct,
    settle::{Pivot, Sums, Where},
};

/// How long after a sign a session belongs to it, microseconds. [design 2.13]
const AFTER_US: i64 = 86_400 * 1_000_000;
/// Hosts that are new by the history, within [`SPREAD_US`]. [ours, above]
pub(crate) const SPREAD_HOSTS_MIN: usize = 5;
/// Microseconds.
const SPREAD_US: i64 = 3_600 * 1_000_000;
/// Connections to the endpoint mapper, and to the port that it hands out, within a minute. [ours, above]
pub(crate) const BINDS_MIN: u64 = 20;
/// Seconds.
pub(crate) const BINDS_WINDOW_S: u32 = 60;
const MILLI: u16 = 500;
const GRAVE_MILLI: u16 = 700;

/// The endpoint mapper of remote procedure calls. [IANA: epmap]
pub(crate) const MAPPER: u16 = 135;
/// Ports by which administrators work on other machines. [design 2.13]
const PORTS: [u16; 6] = [22, MAPPER, 445, 3389, 5985, 5986];
/// From here on ports are handed out. [RFC 6335; Windows since Vista]
pub(crate) const DYNAMIC: u16 = 49_152;

/// Whether administrators work by this port.
pub(crate) fn is_admin(port: u16) -> bool {
    PORTS.contains(&port)
}

/// A source's sessions with one inside host on one port.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) destination: Where,
    pub(crate) address: Addr,
    pub(crate) port: u16,
    /// Start of the first flow and end of the last.
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
    pub(crate) sums: Sums,
    /// What was done that only administrators may.
    pub(crate) act: Option<RemoteAct>,
    /// The first flow.
    pub(crate) pivot: Option<Pivot>,
}

/// Something wrong with a source, found by another detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) behaviour: Behaviour,
    pub(crate) severity: Severity,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
    /// Where to.
    pub(crate) address: Addr,
}

/// Whether the history has seen a source contact a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// No history, or it cannot say.
    Unknown,
    /// It has.
    Seen,
    /// It has not.
    Never,
}

/// What makes sessions a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nothing yet: what else the source shows is known later.
    Undecided,
    /// They follow another finding; `proven` when the history shows that they are new.
    After { sign: Sign, proven: bool },
    /// The history shows that they are new, and they are many.
    Spread,
    /// They are a storm of binds: so many to the mapper, so many to one port of its.
    Storm { binds: u64, calls: u64 },
}

/// Sessions of a source by administrators' ports.
#[derive(Clone, Debug)]
pub(crate) struct Lateral {
    pub(crate) edges: Vec<Edge>,
    pub(crate) why: Why,
}

impl Lateral {
    /// What is left of undecided sessions beside what else the source shows: those that follow the gravest sign that
    /// has any, or that spread. `before` is asked of each.
    pub(crate) fn decide(&self, signs: &[Sign], before: impl Fn(&Edge) -> Before) -> Option<Self> {
        let asked = self.edges.iter().map(|edge| (edge, before(edge)));
        let new: Vec<(&Edge, Before)> =
            asked.filter(|(_, before)| *before != Before::Seen).collect();
        let after = signs.iter().filter_map(|sign| {
            let follows = |edge: &Edge, before: Before| {
                let in_time = edge.first_us > sign.first_us
                    && edge.first_us <= sign.last_us.saturating_add(AFTER_US);
                // What is ordinary on the web is found often; alone it makes nothing else suspect.
                let sure = sign.severity >= Severity::High || !is_channel(sign.behaviour);
                in_time && (sure || before == Before::Never || edge.act.is_some())
            };
            let edges: Vec<(&Edge, Before)> =
                new.iter().copied().filter(|(edge, before)| follows(edge, *before)).collect();
            let proven = edges.iter().all(|(_, before)| *before == Before::Never);
            let edges: Vec<Edge> = edges.into_iter().map(|(edge, _)| edge.clone()).collect();
            (!edges.is_empty()).then_some((*sign, proven, edges))
        });
        // Of equals the first, then by what it is.
        let gravest = after.max_by_key(|(sign, ..)| {
            let first = std::cmp::Reverse((sign.first_us, sign.behaviour, sign.address));
            (sign.severity, is_channel(sign.behaviour), first)
        });
        if let Some((sign, proven, edges)) = gravest {
            return Some(Self { edges, why: Why::After { sign, proven } });
        }
        let mut new: Vec<&Edge> = new
            .iter()
            .filter(|(_, before)| *before == Before::Never)
            .map(|(edge, _)| *edge)
            .collect();
        new.sort_by_key(|edge| edge.first_us);
        spreads(&new).then(|| Self { edges: new.into_iter().cloned().collect(), why: Why::Spread })
    }

    /// What it followed.
    pub(crate) const fn sign(&self) -> Option<Sign> {
        match self.why {
            Why::After { sign, .. } => Some(sign),
            _ => None,
        }
    }

    /// Different hosts.
    pub(crate) fn hosts(&self) -> Vec<Addr> {
        let mut hosts: Vec<Addr> = self.edges.iter().map(|edge| edge.address).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.edges.iter().map(|edge| edge.port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    fn act(&self) -> Option<RemoteAct> {
        self.edges.iter().filter_map(|edge| edge.act).max()
    }

    /// How strong it is.
    pub(crate) fn score(&self) -> Score {
        let grave = match self.why {
            Why::After { sign, .. } if is_channel(sign.behaviour) => {
                sign.severity >= Severity::High || self.act().is_some()
            }
            _ => false,
        };
        let base_milli = if grave { GRAVE_MILLI } else { MILLI };
        Score { behaviour: Behaviour::LateralMovement, base_milli }
    }

    /// The same in sentences.
    pub(crate) fn hit(&self) -> Hit {
        let Score { behaviour, base_milli } = self.score();
        let hosts = self.hosts().len() as u64;
        let ports: Vec<String> = self.ports().iter().map(u16::to_string).collect();
        let mut limits = Vec::new();
        let mut evidence = vec![Evidence::supporting(
            "admin_hosts",
            hosts as f64,
            "hosts",
            format!(
                "Sessions with {} on {} {}, by which administrators work.",
                words::counted(hosts, "inside host", "inside hosts"),
                if ports.len() == 1 { "port" } else { "ports" },
                ports.join(", ")
            ),
        )];
        match self.why {
            Why::Undecided => {}
            Why::After { sign, proven } => {
                let first_us = self.edges.iter().map(|edge| edge.first_us).min();
                let later_us = first_us.unwrap_or_default().saturating_sub(sign.first_us);
                let later_s = (later_us / 1_000_000) as f64;
                evidence.push(
                    Evidence::supporting(
                        "after_sign",
                        later_s,
                        "s",
                        format!(
                            "They began {} after another finding on this host did: {} ({}).",
                            words::seconds(later_s),
                            sign.behaviour.title(),
                            sign.severity
                        ),
                    )
                    .threshold((AFTER_US / 1_000_000) as f64),
                );
                if !proven {
                    limits.push(
                        "Whether it worked on them before this input, no history says.".to_owned(),
                    );
                }
            }
            Why::Spread => evidence.push(
                Evidence::supporting(
                    "new_hosts",
                    hosts as f64,
                    "hosts",
                    "The history has not seen it contact any of them.".to_owned(),
                )
                .threshold(SPREAD_HOSTS_MIN as f64),
            ),
            Why::Storm { binds, calls } => evidence.push(
                Evidence::supporting(
                    "binds",
                    binds.min(calls) as f64,
                    "flows",
                    format!(
                        "{} to its endpoint mapper and {calls} to one port of its within a minute: \
                         a client binds once and stays.",
                        words::counted(binds, "connection", "connections")
                    ),
                )
                .threshold(BINDS_MIN as f64),
            ),
        }
        match self.act() {
            Some(act) => evidence.push(Evidence::supporting(
                "remote_act",
                1.0,
                "hosts",
                match act {
                    RemoteAct::AdminShare => "It opened a share that only administrators may.",
                    RemoteAct::Execution => "It made another host run something.",
                }
                .to_owned(),
            )),
            None => limits.push("What was done in the sessions is not seen.".to_owned()),
        }
        evidence.push(Evidence::against(
            "admin_kind",
            hosts as f64,
            "hosts",
            "Administrators, deployment and monitoring work like that.".to_owned(),
        ));
        Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits }
    }
}

/// Whether a sign is a channel to outside.
const fn is_channel(behaviour: Behaviour) -> bool {
    behaviour.is_c2() || matches!(behaviour, Behaviour::DownloadThenC2)
}

/// Whether enough different hosts are first contacted within an hour. `edges` are in order of time.
fn spreads(edges: &[&Edge]) -> bool {
    (0..edges.len()).any(|from| {
        let within = edges[from..]
            .iter()
            .take_while(|edge| edge.first_us - edges[from].first_us < SPREAD_US);
        let hosts: std::collections::BTreeSet<Addr> = within.map(|edge| edge.address).collect();
        hosts.len() >= SPREAD_HOSTS_MIN
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn edge(host: u128, first_us: i64) -> Edge {
        Edge {
            destination: Where::Address(Addr(host)),
            address: Addr(host),
            port: 445,
            first_us,
            last_us: first_us,
            sums: Sums::default(),
            act: None,
            pivot: None,
        }
    }

    fn sign(behaviour: Behaviour, severity: Severity) -> Sign {
        Sign { behaviour, severity, first_us: HOUR_US, last_us: 2 * HOUR_US, address: Addr(9) }
    }

    fn lateral(edges: Vec<Edge>) -> Lateral {
        Lateral { edges, why: Why::Undecided }
    }

    #[test]
    fn sessions_follow_a_sign_within_a_day_of_it() {
        let c2 = sign(Behaviour::C2BeaconIp, Severity::High);
        let decide = |first_us| lateral(vec![edge(1, first_us)]).decide(&[c2], |_| Before::Unknown);
        assert!(decide(HOUR_US).is_none(), "there before");
        let found = decide(HOUR_US + 1).expect("after it");
        assert_eq!(found.why, Why::After { sign: c2, proven: false });
        assert_eq!(found.score().base_milli, GRAVE_MILLI);
        assert!(decide(26 * HOUR_US).is_some() && decide(26 * HOUR_US + 1).is_none());
    }

    #[test]
    fn a_doubtful_sign_takes_a_history_or_an_act() {
        let c2 = sign(Behaviour::C2BeaconHttpTls, Severity::Medium);
        let one = edge(1, 2 * HOUR_US);
        let decide = |edge: &Edge, before| lateral(vec![edge.clone()]).decide(&[c2], |_| before);
        assert!(decide(&one, Before::Unknown).is_none());
        assert!(decide(&one, Before::Seen).is_none());
        let proven = decide(&one, Before::Never).expect("new by the history");
        assert_eq!(proven.score().base_milli, MILLI);
        let share = Edge { act: Some(RemoteAct::AdminShare), ..one };
        let act = decide(&share, Before::Unknown).expect("an administrator's share");
        assert_eq!(act.score().base_milli, GRAVE_MILLI);
        let scan = sign(Behaviour::HorizontalScan, Severity::Medium);
        let after_scan =
            lateral(vec![edge(1, 2 * HOUR_US)]).decide(&[c2, scan], |_| Before::Unknown);
        assert_eq!(after_scan.map(|one| one.score().base_milli), Some(MILLI));
    }

    #[test]
    fn five_hosts_within_an_hour_that_the_history_does_not_know() {
        let spread = |hosts: u128, apart_us: i64, before| {
            let edges = (0..hosts).map(|n| edge(n, n as i64 * apart_us)).collect();
            lateral(edges).decide(&[], |_| before).is_some()
        };
        assert!(spread(5, HOUR_US / 5, Before::Never));
        assert!(!spread(5, HOUR_US / 4, Before::Never), "the fifth an hour after the first");
        assert!(!spread(4, 1, Before::Never));
        assert!(!spread(50, 1, Before::Unknown));
    }
}

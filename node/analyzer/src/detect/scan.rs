//! Scans: one source that knocks at many doors and hardly gets in.
//!
//! Question: how many hosts on one port, how many ports of one host, did this source try within an hour without ever
//! getting a byte of payload? What it was refused and what never answered count alike; a full and a half-open attempt
//! too. From ten on it is a scan [Slips: more than 5, said at 10, 100, 1,000 ...; ICMP from 25 hosts on].
//!
//! What fails without being a scan is left out: hosts that the source had looked up by name (programs resolve, scanners
//! count), IPv6 where the source never got an IPv6 answer (a network without it), the ports of traceroute, answers over
//! UDP whose question was not seen, and failures that are less than a quarter of the source's destinations on that port
//! (a client of many servers meets dead ones) [ours]. ATT&CK T1046, T1018.
//!
//! Few hosts and few ports of each, all of them tried, are neither many hosts on a port nor many ports of a host. What tells
//! them from a client's failures is that nobody wanted a connection: at most two packets each way out, and no handshake
//! completed. From fifty such pairs of host and port on they are a scan too, `syn_scan`, where the source shows no other
//! scan over TCP that way: one scanner is one matter, and of the others the evidence says how much was half open.

use flowlore_common::label::{Behaviour, Direction};

use super::{Evidence, Hit, Score, words};
use crate::flow::Flow;
use crate::packed::Addr;
use crate::record::ConnState;
use crate::score::{self, Steps};
use crate::stats;

/// Destinations or ports within an hour. [Slips: powers of ten]
const SCAN_STEPS: Steps = Steps { base: 10, low: 100, medium: 1_000, high: 10_000 };
/// Pairs of host and port within an hour, half open. [Elastic's port scan rule: 50 ports; then Slips' powers of ten]
const PAIR_STEPS: Steps = Steps { base: 50, low: 100, medium: 1_000, high: 10_000 };
/// Packets from the source of a probe: a SYN, and a second one or the reset of what answered. The third of a client
/// completes the handshake, or is the patience that a probe does not have. [Elastic: at most 2 packets]
const PROBE_PACKETS_MAX: u64 = 2;
/// Fewest hosts of a sweep with echo requests. [Slips: 25]
const ECHO_HOSTS_MIN: u64 = 25;
/// From so many attempts that failed a source is looked at. The lowest number that is a scan.
pub(crate) const ATTEMPTS_MIN: usize = SCAN_STEPS.base as usize;
/// The time within which attempts are counted together, microseconds. [Slips: windows of an hour; ours slide, so that
/// none falls between two]
const WINDOW_US: i64 = 3_600_000_000;
/// Failures are at least one in so many of the destinations tried. [ours, atop]
const SHARE: u64 = 4;
/// Base score, thousandths, of a scan of inside hosts or of a port that lets somebody in: medium. [design: internal
/// scans are medium; ports: Elastic's sweep rule]
const GRAVE_MILLI: u16 = 400;
/// Ports of services that let a person or a worm in. [Elastic's sweep rule, telnet's second port beside]
const ENTRANCES: [u16; 10] = [21, 22, 23, 25, 139, 445, 2323, 3389, 5985, 5986];
/// The ports of traceroute over UDP: from 33434 on, one a probe, 30 hops of 3 probes. [traceroute(8)]
const TRACEROUTE: std::ops::Range<u16> = 33_434..33_535;

/// From here on a port belongs to whoever asked: what goes there over UDP is an answer whose question the sensor did
/// not see. [RFC 6335: dynamic ports]
const DYNAMIC: u16 = 49_152;

const ICMP: [u8; 2] = [1, 58];
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Whether a flow over TCP is a probe: no payload, no completed handshake, and no more packets than a probe has. Of states
/// with an answer `RSTO` is one: a SYN, the port's yes, and a reset instead of the third packet.
pub(crate) fn is_half_open(flow: &Flow) -> bool {
    use ConnState::{Rej, Rsto, Rstos0, S0, Sh};
    matches!(flow.state, Some(S0 | Rej | Rstos0 | Sh | Rsto))
        && (1..=PROBE_PACKETS_MAX).contains(&flow.orig_packets)
        && flow.orig_bytes == 0
        && flow.resp_bytes == 0
}

/// All that a source had to do with one port of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attempt {
    /// Seen from the org.
    pub(crate) direction: Direction,
    /// IP protocol number.
    pub(crate) transport: u8,
    /// Destination port; 0 for ICMP.
    pub(crate) port: u16,
    /// Destination.
    pub(crate) address: Addr,
    /// Start of the first flow.
    pub(crate) first_us: i64,
    /// Whether a payload byte ever came back.
    pub(crate) answered: bool,
    /// Whether a name led to it.
    pub(crate) named: bool,
    /// Whether each flow was a probe and no more.
    pub(crate) half_open: bool,
    /// Where the caller finds it again.
    pub(crate) group: u32,
}

/// A scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    pub(crate) behaviour: Behaviour,
    pub(crate) direction: Direction,
    pub(crate) transport: u8,
    /// Different hosts that gave nothing; counted by whoever knows the groups.
    pub(crate) hosts: u64,
    /// Ports, ascending; none for ICMP.
    pub(crate) ports: Vec<u16>,
    /// Most that were tried first within one hour: hosts on one port, ports of one host, or pairs of both.
    pub(crate) peak: u64,
    /// Hosts (ports, pairs) of the same kind that gave something.
    pub(crate) answered: u64,
    /// Of the failed attempts, those that were probes and no more.
    pub(crate) half_open: u64,
    /// Groups of the failed attempts.
    pub(crate) groups: Vec<u32>,
}

/// The scans among a source's attempts: at most one of each behaviour, direction and transport.
pub(crate) fn sweeps(attempts: &mut [Attempt]) -> Vec<Sweep> {
    let v6_works = attempts.iter().any(|one| one.answered && !one.address.is_v4());
    let counts = |one: &Attempt| {
        !one.answered
            && (one.address.is_v4() || v6_works || one.direction == Direction::Internal)
            && !(one.transport == UDP && (TRACEROUTE.contains(&one.port) || one.port >= DYNAMIC))
    };
    // Across hosts: by port. Attempts sort by direction, transport and port.
    attempts.sort_unstable();
    let across = attempts
        .chunk_by(|a, b| (a.direction, a.transport, a.port) == (b.direction, b.transport, b.port))
        .filter_map(|tried| {
            let failed: Vec<_> = tried.iter().filter(|one| counts(one) && !one.named).collect();
            sweep(Behaviour::HorizontalScan, tried, &failed)
        });
    let mut found: Vec<Sweep> = across.collect();
    // Into one host: by address.
    let host = |one: &Attempt| (one.direction, one.transport, one.address);
    attempts.sort_unstable_by_key(|one| (host(one), *one));
    let into = attempts
        .chunk_by(|a, b| host(a) == host(b))
        .filter(|tried| !ICMP.contains(&tried[0].transport))
        .filter_map(|tried| {
            let failed: Vec<_> = tried.iter().filter(|one| counts(one)).collect();
            sweep(Behaviour::VerticalScan, tried, &failed)
        });
    found.extend(into);
    found.sort_by_key(kind);
    let mut found = merge(found);
    let pairs: Vec<Sweep> = attempts
        .chunk_by(|a, b| (a.direction, a.transport) == (b.direction, b.transport))
        .filter(|tried| tried[0].transport == TCP)
        .filter(|tried| {
            let same = |one: &Sweep| (one.direction, one.transport) == (tried[0].direction, TCP);
            !found.iter().any(same)
        })
        .filter_map(|tried| {
            let tried: Vec<Attempt> = tried.iter().filter(|one| !one.named).copied().collect();
            let failed: Vec<_> = tried.iter().filter(|one| counts(one) && one.half_open).collect();
            sweep(Behaviour::SynScan, &tried, &failed)
        })
        .collect();
    found.extend(pairs);
    found
}

fn kind(sweep: &Sweep) -> (Behaviour, Direction, u8) {
    (sweep.behaviour, sweep.direction, sweep.transport)
}

/// A scan, when enough of what was tried failed within an hour.
fn sweep(behaviour: Behaviour, tried: &[Attempt], failed: &[&Attempt]) -> Option<Sweep> {
    let Attempt { direction, transport, .. } = *tried.first()?;
    let echo = ICMP.contains(&transport);
    let peak = peak(failed);
    let least = if echo { ECHO_HOSTS_MIN } else { steps(behaviour).base };
    let (all, none) = (tried.len() as u64, failed.len() as u64);
    if peak < least || none * SHARE < all {
        return None;
    }
    let mut ports: Vec<u16> = failed.iter().map(|one| one.port).filter(|_| !echo).collect();
    ports.sort_unstable();
    ports.dedup();
    Some(Sweep {
        behaviour: if echo { Behaviour::IcmpSweep } else { behaviour },
        direction,
        transport,
        hosts: 0,
        ports,
        peak,
        answered: tried.iter().filter(|one| one.answered).count() as u64,
        half_open: failed.iter().filter(|one| one.half_open).count() as u64,
        groups: failed.iter().map(|one| one.group).collect(),
    })
}

/// What the peak is held against.
const fn steps(behaviour: Behaviour) -> &'static Steps {
    if matches!(behaviour, Behaviour::SynScan) { &PAIR_STEPS } else { &SCAN_STEPS }
}

/// The most first attempts within an hour.
fn peak(failed: &[&Attempt]) -> u64 {
    let mut times: Vec<i64> = failed.iter().map(|one| one.first_us).collect();
    times.sort_unstable();
    stats::most_within(times.iter().copied(), WINDOW_US)
}

/// Scans of one kind are one: a scanner that tries a hundred ports of a hundred hosts is one matter.
fn merge(sorted: Vec<Sweep>) -> Vec<Sweep> {
    let mut merged: Vec<Sweep> = Vec::new();
    for sweep in sorted {
        match merged.last_mut() {
            Some(last) if kind(last) == kind(&sweep) => {
                last.peak = last.peak.max(sweep.peak);
                last.answered += sweep.answered;
                last.half_open += sweep.half_open;
                last.ports.extend(sweep.ports);
                last.groups.extend(sweep.groups);
            }
            _ => merged.push(sweep),
        }
    }
    for sweep in &mut merged {
        sweep.ports.sort_unstable();
        sweep.ports.dedup();
        sweep.groups.sort_unstable();
        sweep.groups.dedup();
    }
    merged
}

impl Sweep {
    /// How strong it is.
    pub(crate) fn score(&self) -> Score {
        let base = score::bucket(self.peak, steps(self.behaviour));
        let grave =
            self.direction == Direction::Internal || self.ports.iter().any(|p| is_entrance(*p));
        let base_milli = if grave { base.max(GRAVE_MILLI) } else { base };
        Score { behaviour: self.behaviour, base_milli }
    }

    /// What is counted: the measure, one, several.
    const fn counted(&self) -> [&'static str; 3] {
        match self.behaviour {
            Behaviour::VerticalScan => ["ports_tried", "port", "ports"],
            Behaviour::SynScan => ["pairs_tried", "pair", "pairs"],
            _ => ["hosts_tried", "host", "hosts"],
        }
    }

    /// What was tried, in a sentence.
    fn tried(&self) -> String {
        let [_, one, several] = self.counted();
        let tried = words::counted(self.peak, one, several);
        let hosts = words::counted(self.hosts, "host", "hosts");
        let word = if self.ports.len() == 1 { "port" } else { "ports" };
        match self.behaviour {
            Behaviour::SynScan => format!(
                "Up to {tried} of host and port tried within an hour, with two packets at most and \
                 no handshake completed: {hosts}, {word} {}.",
                ports(&self.ports)
            ),
            Behaviour::VerticalScan if self.hosts > 1 => format!(
                "Up to {tried} of a host tried within an hour that gave nothing back, on {hosts}."
            ),
            Behaviour::HorizontalScan => format!(
                "Up to {tried} tried on {word} {} within an hour that gave nothing back.",
                ports(&self.ports)
            ),
            _ => format!("Up to {tried} tried within an hour that gave nothing back."),
        }
    }

    /// The same in sentences.
    pub(crate) fn hit(&self) -> Hit {
        let Score { behaviour, base_milli } = self.score();
        let [measure, unit, units] = self.counted();
        let mut evidence = vec![
            Evidence::supporting(measure, self.peak as f64, units, self.tried())
                .threshold(steps(behaviour).base as f64),
        ];
        let attempts = self.groups.len() as u64;
        if behaviour != Behaviour::SynScan && self.half_open * 2 >= attempts {
            evidence.push(Evidence::supporting(
                "half_open",
                self.half_open as f64,
                "attempts",
                format!(
                    "{} of {} ended after two packets at most, with no handshake completed.",
                    self.half_open,
                    words::counted(attempts, "attempt", "attempts")
                ),
            ));
        }
        let entrances: Vec<u16> =
            self.ports.iter().copied().filter(|port| is_entrance(*port)).collect();
        if !entrances.is_empty() {
            evidence.push(Evidence::supporting(
                "entrances",
                entrances.len() as f64,
                "ports",
                format!("Among them ports that let somebody in: {}.", ports(&entrances)),
            ));
        }
        if self.answered > 0 {
            evidence.push(Evidence::against(
                "answered",
                self.answered as f64,
                units,
                format!("{} gave something.", words::counted(self.answered, unit, units)),
            ));
        }
        evidence.push(Evidence::against(
            "scan_kind",
            self.peak as f64,
            units,
            "Inventory and vulnerability scanners, monitoring, and clients of a service that is \
             down look alike."
                .to_owned(),
        ));
        Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits: Vec::new() }
    }
}

fn is_entrance(port: u16) -> bool {
    ENTRANCES.contains(&port)
}

/// A few ports, and how many more.
fn ports(ports: &[u16]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = ports.iter().take(SHOWN).map(u16::to_string).collect();
    match ports.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

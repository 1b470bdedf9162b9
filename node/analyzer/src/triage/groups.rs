//! A host's flows in a window, put together: by the other end, by overlap in time, by closing together, by a page
//! that they load. The rules are NetworkSage's (`DETECTORS.md`, Triage).

use std::collections::BTreeMap;

use super::watch::{Kept, Place};
use crate::{direction::stays_on_link, flow::service, packed::Addr};

/// Groups whose ends follow each other within this time closed together, microseconds [NetworkSage].
const END_TOLERANCE_US: i64 = 750_000;
/// Flows whose starts follow each other within this time belong to one load, microseconds [NetworkSage].
const LOAD_TOLERANCE_US: i64 = 2_000_000;
/// Flows of a page load at least [NetworkSage].
const LOAD_FLOWS_MIN: usize = 3;
/// Bytes from servers of a page load at least [NetworkSage].
const LOAD_BYTES_MIN: u64 = 200_000;
/// Ports by which names are asked for and announced: DNS, over TLS, NetBIOS, mDNS, LLMNR.
const NAME_PORTS: [u16; 5] = [53, 853, 137, 5353, 5355];

/// The other end of flows, as the host sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// Who; of an incoming flow the address it came from.
    pub(crate) place: Place,
    /// The server's port, whichever end that is.
    pub(crate) port: u16,
    pub(crate) transport: u8,
    /// Whether the other end opened it.
    pub(crate) incoming: bool,
}

impl Spot {
    fn of(kept: &Kept, host: Addr) -> Self {
        let flow = &kept.flow;
        let incoming = flow.resp == host && flow.orig != host;
        let place = if incoming {
            Place::Address(flow.orig)
        } else {
            Place::of(kept.name.as_deref(), flow.resp)
        };
        Self { place, port: flow.resp_port, transport: flow.transport, incoming }
    }

    /// `evil.example:443/tcp`.
    pub(crate) fn text(&self) -> String {
        let transport = crate::incident::transport_name(self.transport);
        let place = match &self.place {
            Place::Address(address) if !address.is_v4() => format!("[{address}]"),
            place => place.to_string(),
        };
        // What ICMP has for ports are types and codes.
        if transport == "icmp" {
            format!("{place} (icmp)")
        } else {
            format!("{place}:{}/{transport}", self.port)
        }
    }
}

/// All flows of the window with one other end.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) spot: Spot,
    /// Numbers of its flows, by start.
    pub(crate) flows: Vec<usize>,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
    /// Payload from whoever opened the flows.
    pub(crate) bytes_out: u64,
    /// Payload back.
    pub(crate) bytes_in: u64,
    /// Flows to which a packet or a byte came back.
    pub(crate) answered: usize,
    /// The address contacted first.
    pub(crate) address: Addr,
    /// Whether it is about names: look-ups and announcements.
    pub(crate) naming: bool,
}

impl Thread {
    /// Whether it never left the host's own link.
    pub(crate) fn is_local(&self) -> bool {
        stays_on_link(self.address)
    }
}

/// The threads of flows that are in order of their starts; in order of the other ends.
pub(crate) fn threads(flows: &[Kept], host: Addr) -> Vec<Thread> {
    let mut by_spot: BTreeMap<Spot, Vec<usize>> = BTreeMap::new();
    for (at, kept) in flows.iter().enumerate() {
        by_spot.entry(Spot::of(kept, host)).or_default().push(at);
    }
    let thread = |(spot, members): (Spot, Vec<usize>)| {
        let all = || members.iter().map(|&at| &flows[at].flow);
        let sum =
            |value: fn(&crate::flow::Flow) -> u64| all().map(value).fold(0, u64::saturating_add);
        Thread {
            first_us: all().map(|flow| flow.start_us).min().unwrap_or_default(),
            last_us: all().map(|flow| flow.end_us()).max().unwrap_or_default(),
            bytes_out: sum(|flow| flow.orig_bytes),
            bytes_in: sum(|flow| flow.resp_bytes),
            answered: all().filter(|flow| flow.is_answered()).count(),
            address: all().next().map_or_else(Addr::default, |flow| {
                if spot.incoming { flow.orig } else { flow.resp }
            }),
            naming: NAME_PORTS.contains(&spot.port)
                || all().all(|flow| flow.services & service::DNS != 0),
            spot,
            flows: members,
        }
    };
    by_spot.into_iter().map(thread).collect()
}

/// The thread of each flow.
pub(crate) fn threads_of(flows: &[Kept], threads: &[Thread]) -> Vec<usize> {
    let mut thread_of = vec![0; flows.len()];
    for (number, thread) in threads.iter().enumerate() {
        thread.flows.iter().for_each(|&at| thread_of[at] = number);
    }
    thread_of
}

/// Flows to one destination and port that overlap in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Number of its thread.
    pub(crate) thread: usize,
    /// Numbers of its flows, by start.
    pub(crate) flows: Vec<usize>,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
}

/// The activity groups of all threads, by start.
pub(crate) fn groups(flows: &[Kept], threads: &[Thread]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (thread, one) in threads.iter().enumerate() {
        let mut open: Option<Group> = None;
        for &at in &one.flows {
            let (first_us, last_us) = (flows[at].flow.start_us, flows[at].flow.end_us());
            match open.as_mut().filter(|group| first_us <= group.last_us) {
                Some(group) => {
                    group.flows.push(at);
                    group.last_us = group.last_us.max(last_us);
                }
                None => {
                    groups.extend(open.take());
                    open = Some(Group { thread, flows: vec![at], first_us, last_us });
                }
            }
        }
        groups.extend(open);
    }
    groups.sort_by_key(|group| (group.first_us, group.thread));
    groups
}

/// Groups that closed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// Numbers of groups, by their ends.
    pub(crate) groups: Vec<usize>,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
}

/// The end clusters of at least two destinations among the groups that `counts` lets in, in order of time.
pub(crate) fn clusters(groups: &[Group], counts: impl Fn(&Group) -> bool) -> Vec<Cluster> {
    let mut ends: Vec<(i64, usize)> = (0..groups.len())
        .filter(|&at| counts(&groups[at]))
        .map(|at| (groups[at].last_us, at))
        .collect();
    ends.sort_unstable();
    let runs = ends.chunk_by(|a, b| b.0 - a.0 <= END_TOLERANCE_US);
    let several = runs.filter(|run| {
        let first = groups[run[0].1].thread;
        run.iter().any(|&(_, at)| groups[at].thread != first)
    });
    let cluster = |run: &[(i64, usize)]| Cluster {
        groups: run.iter().map(|&(_, at)| at).collect(),
        first_us: run[0].0,
        last_us: run[run.len() - 1].0,
    };
    several.map(cluster).collect()
}

/// A page and what it loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Number of the page's thread.
    pub(crate) page: usize,
    /// Numbers of its flows, by start.
    pub(crate) flows: Vec<usize>,
    /// Payload from servers.
    pub(crate) bytes_in: u64,
}

/// Page loads: bursts of answered web flows of the host in which much comes in. The page is the first destination that
/// gave more than a little.
pub(crate) fn loads(flows: &[Kept], threads: &[Thread], thread_of: &[usize]) -> Vec<Load> {
    let web: Vec<usize> = (0..flows.len())
        .filter(|&at| is_web(&flows[at]) && !threads[thread_of[at]].spot.incoming)
        .collect();
    let bursts =
        web.chunk_by(|&a, &b| flows[b].flow.start_us - flows[a].flow.start_us <= LOAD_TOLERANCE_US);
    let load = |burst: &[usize]| {
        let bytes = burst.iter().map(|&at| flows[at].flow.resp_bytes);
        let bytes_in = bytes.fold(0, u64::saturating_add);
        if burst.len() < LOAD_FLOWS_MIN || bytes_in < LOAD_BYTES_MIN {
            return None;
        }
        let gave = |&&at: &&usize| {
            let name = flows[at].category.name();
            name.starts_with("some_") || name.starts_with("major_")
        };
        let page = thread_of[*burst.iter().find(gave)?];
        Some(Load { page, flows: burst.to_vec(), bytes_in })
    };
    bursts.filter_map(load).collect()
}

fn is_web(kept: &Kept) -> bool {
    let flow = &kept.flow;
    let recognised = service::TLS | service::HTTP | service::QUIC;
    flow.is_answered() && (matches!(flow.resp_port, 80 | 443) || flow.services & recognised != 0)
}

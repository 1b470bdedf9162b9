//! Everything that a story is made of, put side by side once: the host's flows of the window, threads, groups, loads,
//! parts, and which threads findings and the alert are about.

use std::net::IpAddr;

use flowlore_common::label::{Behaviour, Direction};

use super::{
    Alert,
    groups::{self, Cluster, Group, Load, Spot, Thread},
    role::{self, Part},
    watch::{Asked, Collected, Kept, Known},
    window::Span,
};
use crate::{
    incident::transport_name,
    packed::Addr,
    pair::{Arrival, Surroundings},
    report::model::{Finding, Report},
    severity::{Rarity, is_dns_hint},
};

/// How far an alert's time may be from the flow that it was raised for, microseconds: clocks and queues of one sensor.
const OPEN_US: i64 = 1_000_000;

/// What is known about the host in its window, and around.
pub(crate) struct Scene<'a> {
    pub(crate) alert: &'a Alert,
    pub(crate) host: Addr,
    pub(crate) span: Span,
    /// Flows of the host in the window, by start.
    pub(crate) flows: Vec<Kept>,
    /// Look-ups of the host in the window, by time.
    pub(crate) look_ups: Vec<&'a Asked>,
    pub(crate) threads: Vec<Thread>,
    /// Beside `flows`: the number of each one's thread.
    pub(crate) thread_of: Vec<usize>,
    pub(crate) groups: Vec<Group>,
    pub(crate) loads: Vec<Load>,
    pub(crate) clusters: Vec<Cluster>,
    /// Beside `threads`.
    pub(crate) parts: Vec<Part>,
    /// About the host in the window, or the alert's destination; gravest first.
    pub(crate) findings: Vec<&'a Finding>,
    /// About the host at another time.
    pub(crate) elsewhere: Vec<&'a Finding>,
    /// Threads with the alert's destination.
    pub(crate) alerted: Vec<bool>,
    /// Threads that a finding is about.
    pub(crate) found: Vec<bool>,
    pub(crate) collected: &'a Collected,
    pub(crate) report: &'a Report,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(
        alert: &'a Alert,
        span: Span,
        flows: Vec<Kept>,
        collected: &'a Collected,
        report: &'a Report,
    ) -> Self {
        let host = Addr::from(alert.host);
        let threads = groups::threads(&flows, host);
        let groups = groups::groups(&flows, &threads);
        let thread_of = groups::threads_of(&flows, &threads);
        let loads = groups::loads(&flows, &threads, &thread_of);
        let clusters = groups::clusters(&groups, |group| {
            let thread = &threads[group.thread];
            group.last_us < span.to().0 && !thread.naming && !thread.is_local()
        });
        let parts = role::parts(&role::Given {
            flows: &flows,
            threads: &threads,
            groups: &groups,
            loads: &loads,
        });
        let alerted = alerted(alert, &threads, &flows);
        let of_host = |finding: &&Finding| touches_host(finding, alert.host);
        let in_window = |finding: &&Finding| span.holds(finding.first.0, finding.last.0);
        let about = |finding: &&Finding| touches_destination(finding, alert);
        let (findings, others): (Vec<_>, Vec<_>) =
            report.findings.iter().partition(|one| (of_host(one) && in_window(one)) || about(one));
        let found =
            threads.iter().map(|one| findings.iter().any(|finding| is_about(finding, host, one)));
        let look_ups =
            collected.hosts.get(&host).map(|host| &host.look_ups[..]).unwrap_or_default();
        Self {
            found: found.collect(),
            elsewhere: others.into_iter().filter(of_host).collect(),
            look_ups: look_ups.iter().filter(|one| span.holds(one.time_us, one.time_us)).collect(),
            alert,
            host,
            span,
            flows,
            threads,
            thread_of,
            groups,
            loads,
            clusters,
            parts,
            findings,
            alerted,
            collected,
            report,
        }
    }

    /// Whether the story is about this thread.
    pub(crate) fn matters(&self, thread: usize) -> bool {
        self.alerted[thread] || self.found[thread]
    }

    /// What the whole input knows of a thread's destination; of those who came from outside nothing.
    pub(crate) fn known(&self, thread: &Thread) -> Known {
        if thread.spot.incoming {
            return Known::default();
        }
        self.collected.places.get(&thread.spot.place).copied().unwrap_or_default()
    }

    /// Whether a finding is about what the alert is about.
    pub(crate) fn is_alerts(&self, finding: &Finding) -> bool {
        let mut threads = self.threads.iter().zip(&self.alerted).filter(|(_, alerted)| **alerted);
        threads.any(|(thread, _)| is_about(finding, self.host, thread))
            || touches_destination(finding, self.alert)
    }

    /// Whether the alert says where its matter is: it names a destination that is more than who was asked for names.
    pub(crate) fn has_place(&self) -> bool {
        let mut alerted = self.threads.iter().zip(&self.alerted).filter(|(_, alerted)| **alerted);
        self.alert.destination.is_some()
            && (!self.alerted.contains(&true) || alerted.any(|(thread, _)| !thread.naming))
    }

    /// How usual it is here to contact the thread's destination, or the most visited name of its site.
    pub(crate) fn rarity(&self, thread: &Thread) -> Rarity {
        let known = self.known(thread);
        let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Rarity::of(&Surroundings {
            first_second: 0,
            last_second: 0,
            inside_hosts: narrow(self.collected.inside_hosts),
            hosts_contacting: narrow(known.inside_hosts.max(known.site_hosts)),
            history_days: 0,
            first_seen_days: None,
            arrival: Arrival::Unknown,
            weak_evidence: false,
            nothing_named: false,
            critical_asset: false,
        })
    }
}

/// Which threads the alert is about: the one with its flow; else, of those with its destination, the ones that had a flow
/// open at its time, since many names may share an address; else all of these.
fn alerted(alert: &Alert, threads: &[Thread], flows: &[Kept]) -> Vec<bool> {
    let any = |thread: &Thread, holds: &dyn Fn(&Kept) -> bool| {
        thread.flows.iter().any(|&at| holds(&flows[at]))
    };
    let to = alert.destination.as_deref();
    let there = |thread: &Thread| to.is_some_and(|to| is_at(thread, to, flows));
    let by_uid = |kept: &Kept| alert.uid.is_some() && kept.uid.as_deref() == alert.uid.as_deref();
    let open = |kept: &Kept| {
        let (first, last) = (kept.flow.start_us - OPEN_US, kept.flow.end_us() + OPEN_US);
        (first..=last).contains(&alert.at.0)
    };
    let all = |holds: &dyn Fn(&Thread) -> bool| threads.iter().map(holds).collect::<Vec<bool>>();
    let ways =
        [all(&|thread| any(thread, &by_uid)), all(&|thread| there(thread) && any(thread, &open))];
    let first = ways.into_iter().find(|found| found.contains(&true));
    first.unwrap_or_else(|| all(&there))
}

/// Whether the thread's other end has this name, one below it, or this address.
fn is_at(thread: &Thread, destination: &str, flows: &[Kept]) -> bool {
    if let Ok(address) = destination.parse::<IpAddr>() {
        let address = Addr::from(address);
        return thread.flows.iter().any(|&at| {
            let flow = &flows[at].flow;
            address == if thread.spot.incoming { flow.orig } else { flow.resp }
        });
    }
    thread.spot.place.name().is_some_and(|name| is_below(name, destination))
}

fn is_below(name: &str, domain: &str) -> bool {
    let head = name.strip_suffix(domain);
    head.is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

fn touches_host(finding: &Finding, host: IpAddr) -> bool {
    let to = &finding.destination;
    finding.source.address == host
        || (to.count.is_none() && (to.address == host || to.addresses_seen.contains(&host)))
}

/// Whether a finding is about the alert's destination, whoever went there. What somebody did to many is not.
fn touches_destination(finding: &Finding, alert: &Alert) -> bool {
    let Some(destination) = alert.destination.as_deref() else { return false };
    let to = &finding.destination;
    if to.count.is_some() || is_naming(finding.behaviour) {
        return false;
    }
    match destination.parse::<IpAddr>() {
        Ok(address) => {
            let outside = finding.direction == Direction::Outbound;
            let there = to.address == address || to.addresses_seen.contains(&address);
            // A name that shares the address with others, as behind a CDN, is another destination.
            (outside && there && to.host.is_none()) || finding.source.address == address
        }
        Err(_) => to.host.iter().chain(&to.names).any(|name| is_below(name, destination)),
    }
}

/// Whether a finding is about what was asked of the DNS.
pub(crate) fn is_naming(behaviour: Behaviour) -> bool {
    behaviour == Behaviour::C2OverDns || is_dns_hint(behaviour)
}

/// Whether a finding about one destination is about this thread of the host.
fn is_about(finding: &Finding, host: Addr, thread: &Thread) -> bool {
    let to = &finding.destination;
    let Spot { place, port, transport, incoming } = &thread.spot;
    if to.count.is_some() || is_naming(finding.behaviour) {
        return false; // these have lines of their own
    }
    let address = thread.address.into();
    let same_end = if *incoming {
        Addr::from(to.address) == host && finding.source.address == address
    } else {
        let named = place.name().is_some_and(|name| {
            to.host.as_deref() == Some(name) || to.names.iter().any(|other| other == name)
        });
        let unnamed =
            to.host.is_none() && (to.address == address || to.addresses_seen.contains(&address));
        named || unnamed
    };
    same_end && (to.port == 0 || to.port == *port) && to.transport == transport_name(*transport)
}

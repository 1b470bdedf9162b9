//! From a report to what the one door looks at: outside destinations and findings, without who inside it was.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flowlore_analyzer::report::model::Finding;
use flowlore_analyzer::settle::Contacted;
use flowlore_common::destination::Host;
use flowlore_common::label::{Behaviour, Direction, Severity};
use flowlore_common::time::Micros;

use crate::publish::{Observed, Suspicion};

/// From which severity on the analyzer's findings are said to others: what deserves a look today. Below that, a
/// finding is a hint for the org's own people.
const SUSPECTED_MIN: Severity = Severity::Medium;

/// Destinations that inside hosts contacted. Names that are none are nobody's destination: such text comes from
/// hostile or broken packets.
#[must_use]
pub fn observed(contacted: &[Contacted]) -> Vec<Observed> {
    let seen = contacted.iter().filter_map(|one| {
        Some(Observed {
            host: one.destination.parse::<Host>().ok()?,
            // A destination is summed over its ports: the host as such.
            port: 0,
            transport: 0,
            categories: one.categories.iter().copied().collect(),
            hosts: one.hosts,
            first: one.first.day(),
            last: one.last.day(),
        })
    });
    seen.collect()
}

/// What findings say of outside destinations, summed over the inside hosts at which they were made.
#[must_use]
pub fn suspicions<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Suspicion> {
    let mut sums: BTreeMap<(Host, u16, u8, Behaviour), Sum> = BTreeMap::new();
    for finding in findings {
        let to = &finding.destination;
        let text = to.host.clone().unwrap_or_else(|| to.address.to_string());
        let (Ok(host), Some(transport)) = (text.parse::<Host>(), transport(&to.transport)) else {
            continue;
        };
        let blames = !finding.behaviour.blames_source()
            && finding.behaviour.kind() == "threat"
            && finding.severity >= SUSPECTED_MIN;
        if finding.direction != Direction::Outbound || !blames {
            continue;
        }
        let sum = sums.entry((host, to.port, transport, finding.behaviour)).or_default();
        sum.flows += finding.flows;
        sum.hosts.insert(finding.source.address);
        sum.confidence = sum.confidence.max(finding.confidence);
        sum.first = Some(sum.first.map_or(finding.first, |first| first.min(finding.first)));
        sum.last = sum.last.max(Some(finding.last));
    }
    let suspicion = |((host, port, transport, behaviour), sum): (_, Sum)| {
        let (first, last) = (sum.first?.day(), sum.last?.day());
        let (confidence, flows, hosts) = (sum.confidence, sum.flows, sum.hosts.len() as u64);
        Some(Suspicion { host, port, transport, behaviour, confidence, flows, hosts, first, last })
    };
    sums.into_iter().filter_map(suspicion).collect()
}

#[derive(Default)]
struct Sum {
    flows: u64,
    hosts: BTreeSet<IpAddr>,
    confidence: u8,
    first: Option<Micros>,
    last: Option<Micros>,
}

/// The number of a transport as reports name it.
fn transport(name: &str) -> Option<u8> {
    match name {
        "icmp" => Some(1),
        "tcp" => Some(6),
        "udp" => Some(17),
        number => number.parse().ok(),
    }
}

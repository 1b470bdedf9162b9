//! What detectors' tests share, and the gate.

use std::net::{IpAddr, Ipv4Addr};

use flowlore_common::label::Direction;

use super::*;
use crate::pair::{Arrival, Contact, Grouping, Hints, Totals};

/// A group to documentation addresses with these contacts.
pub(crate) fn group(contacts: &[Contact]) -> Group<'_> {
    Group {
        grouping: Grouping::Address,
        source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
        host: None,
        address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)),
        port: 443,
        transport: 6,
        direction: Direction::Outbound,
        contacts,
        totals: Totals {
            flows: contacts.len() as u64,
            bytes_out: 0,
            bytes_in: 0,
            packets_out: 0,
            packets_in: 0,
            first_us: 0,
            last_us: 0,
            duration_us: 0,
            longest_us: 0,
            open: 0,
            unanswered: 0,
            categories: [0; 30],
        },
        hints: Hints::default(),
    }
}

/// A day's data, 214 inside hosts, nothing else known.
pub(crate) fn around() -> Surroundings {
    Surroundings {
        first_second: 1_700_000_000,
        last_second: 1_700_086_400,
        inside_hosts: 214,
        hosts_contacting: 1,
        history_days: 0,
        first_seen_days: None,
        arrival: Arrival::Unknown,
        weak_evidence: false,
        nothing_named: false,
        critical_asset: false,
    }
}

//! What the detectors' tests share: groups to documentation addresses, and a generator that repeats itself.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::IpAddr;

use flowlore_analyzer::pair::{Arrival, Contact, Group, Grouping, Hints, Surroundings, Totals};
use flowlore_common::label::Direction;

/// Start of the data in most tests: a full hour.
pub(crate) const START: u32 = 1_700_002_800;
/// A day, seconds.
pub(crate) const DAY: u32 = 86_400;

/// A day's data with 214 inside hosts, of which one contacts the destination, and no history.
pub(crate) fn around() -> Surroundings {
    Surroundings {
        first_second: START,
        last_second: START + DAY,
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

/// A TLS group by address with these contacts, each answered with 611 bytes.
pub(crate) fn by_address(contacts: &[Contact]) -> Group<'_> {
    let flows = contacts.len() as u64;
    let micros = |contact: Option<&Contact>| contact.map_or(0, |c| i64::from(c.second) * 1_000_000);
    Group {
        grouping: Grouping::Address,
        source: ip("192.0.2.31"),
        host: None,
        address: ip("203.0.113.77"),
        port: 443,
        transport: 6,
        direction: Direction::Outbound,
        contacts,
        totals: Totals {
            flows,
            bytes_out: contacts.iter().map(|contact| u64::from(contact.bytes)).sum(),
            bytes_in: flows * 611,
            packets_out: flows * 7,
            packets_in: flows * 6,
            first_us: micros(contacts.first()),
            last_us: micros(contacts.last()),
            duration_us: flows * 400_000,
            longest_us: 400_000,
            open: 0,
            unanswered: 0,
            categories: [0; 30],
        },
        hints: Hints { tls: flows, ..Hints::default() },
    }
}

/// The same under a server name.
pub(crate) fn by_name<'a>(host: &'a str, contacts: &'a [Contact]) -> Group<'a> {
    let mut group = Group { grouping: Grouping::Name, host: Some(host), ..by_address(contacts) };
    group.hints.client_named = group.totals.flows;
    group
}

/// The same asked of a proxy.
pub(crate) fn proxied<'a>(host: &'a str, contacts: &'a [Contact]) -> Group<'a> {
    Group { grouping: Grouping::Proxied, ..by_name(host, contacts) }
}

/// Contacts every `period` seconds from `from` on, with up to `jitter` seconds either way.
pub(crate) fn ticks(from: u32, until: u32, period: u32, jitter: u32, bytes: u32) -> Vec<Contact> {
    let mut random = Random(u64::from(period) << 32 | u64::from(jitter));
    let mut contacts: Vec<Contact> = (from + jitter..until)
        .step_by(period as usize)
        .map(|second| Contact { second: second - jitter + random.below(2 * jitter + 1), bytes })
        .collect();
    contacts.sort_unstable();
    contacts
}

/// An address of a test.
pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, repeatable, good enough for test data.
pub(crate) struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        u32::try_from((u128::from(self.bits()) * u128::from(limit)) >> 64).expect("below 32 bits")
    }
}

//! A pair: all contacts of one source with one destination, port and transport, in one of three groupings.
//!
//! The settling of flows (`settle.rs`) builds groups; detectors (`detect/`) read them and nothing else.

use std::net::IpAddr;

use flowlore_common::label::{Category, Direction};

use crate::content::Content;
use crate::flow::Flow;

/// By what the contacts of a group belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grouping {
    /// By the destination's name: TLS or QUIC server name, HTTP host, or a DNS answer.
    Name,
    /// By the destination's address, contacts that are in a name's group left out.
    Address,
    /// By the host asked of a proxy with CONNECT.
    Proxied,
}

/// One contact, as much of it as a score over time needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    /// Start, whole seconds since 1970 UTC.
    pub second: u32,
    /// IP bytes from the source, headers included; saturates.
    pub bytes: u32,
}

/// Sums over the flows of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Flows.
    pub flows: u64,
    /// Payload bytes from source to destination.
    pub bytes_out: u64,
    /// Payload bytes from destination to source.
    pub bytes_in: u64,
    /// Packets from source to destination.
    pub packets_out: u64,
    /// Packets from destination to source.
    pub packets_in: u64,
    /// Start of the first flow, microseconds since 1970 UTC.
    pub first_us: i64,
    /// End of the last flow, microseconds since 1970 UTC.
    pub last_us: i64,
    /// Sum of durations, microseconds; flows that overlap count each.
    pub duration_us: u64,
    /// Longest flow, microseconds.
    pub longest_us: u64,
    /// Flows that had not ended when the sensor wrote them down.
    pub open: u64,
    /// Flows without a packet from the destination.
    pub unanswered: u64,
    /// Flows of each category, by its number; index 0 is not used.
    pub categories: [u64; 30],
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            flows: 0,
            bytes_out: 0,
            bytes_in: 0,
            packets_out: 0,
            packets_in: 0,
            first_us: i64::MAX,
            last_us: i64::MIN,
            duration_us: 0,
            longest_us: 0,
            open: 0,
            unanswered: 0,
            categories: [0; 30],
        }
    }
}

impl Totals {
    /// Takes in a flow of this category.
    #[inline]
    pub fn count(&mut self, flow: &Flow, category: Category) {
        self.flows += 1;
        self.bytes_out = self.bytes_out.saturating_add(flow.orig_bytes);
        self.bytes_in = self.bytes_in.saturating_add(flow.resp_bytes);
        self.packets_out = self.packets_out.saturating_add(flow.orig_packets);
        self.packets_in = self.packets_in.saturating_add(flow.resp_packets);
        self.first_us = self.first_us.min(flow.start_us);
        self.last_us = self.last_us.max(flow.end_us());
        self.duration_us = self.duration_us.saturating_add(flow.duration_us);
        self.longest_us = self.longest_us.max(flow.duration_us);
        self.open += u64::from(flow.open);
        self.unanswered += u64::from(!flow.is_answered());
        self.categories[usize::from(category.number())] += 1;
    }

    /// Takes in the sums of other flows.
    pub fn add(&mut self, other: &Self) {
        self.flows += other.flows;
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.packets_out = self.packets_out.saturating_add(other.packets_out);
        self.packets_in = self.packets_in.saturating_add(other.packets_in);
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        self.duration_us = self.duration_us.saturating_add(other.duration_us);
        self.longest_us = self.longest_us.max(other.longest_us);
        self.open += other.open;
        self.unanswered += other.unanswered;
        for (mine, theirs) in self.categories.iter_mut().zip(other.categories) {
            *mine += theirs;
        }
    }

    /// How many flows are of this category.
    #[must_use]
    pub fn of(&self, category: Category) -> u64 {
        self.categories[usize::from(category.number())]
    }
}

/// Files that came or went in the flows of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The most able of those that came and that run.
    pub received: Option<Content>,
    /// Flows in which such a one came.
    pub received_flows: u64,
    /// Bytes of the largest such one.
    pub received_bytes: u64,
    /// Start of the first flow with one, microseconds since 1970 UTC.
    pub received_us: i64,
    /// Bytes of large bodies and of archives that were sent.
    pub sent_bytes: u64,
    /// Whether an archive was among them.
    pub sent_archive: bool,
}

/// Sessions of a group in which both ends talk at length, as a person at a remote shell does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// How many.
    pub count: u64,
    /// Start of the first, microseconds since 1970 UTC.
    pub first_us: i64,
    /// Longest, microseconds.
    pub longest_us: u64,
    /// Payload bytes of the source in them.
    pub bytes_out: u64,
    /// Payload bytes of the destination in them.
    pub bytes_in: u64,
    /// Packets of the source in them.
    pub packets_out: u64,
    /// Packets of the destination in them.
    pub packets_in: u64,
    /// The source's contacts have names as a rule; this one has none.
    pub nameless: bool,
    /// The sensor saw the opening whole and recognised no protocol, as it does elsewhere.
    pub unrecognised: bool,
}

/// Connections of a group in which both ends talk, in another protocol than its port's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// How many.
    pub count: u64,
    /// Start of the first, microseconds since 1970 UTC.
    pub first_us: i64,
    /// Payload bytes of the source in them.
    pub bytes_out: u64,
    /// Payload bytes of the destination in them.
    pub bytes_in: u64,
}

/// What application protocols say about the flows of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// HTTP requests without a Host header.
    pub missing_host_header: u64,
    /// Flows in which the sensor recognised TLS or QUIC.
    pub tls: u64,
    /// Flows in which the sensor recognised HTTP.
    pub http: u64,
    /// Flows in which the sensor recognised SSH.
    pub ssh: u64,
    /// Flows in which the client itself named the destination: TLS or QUIC server name, Host header, CONNECT.
    pub client_named: u64,
    /// A JA3 or user agent that this source used to exactly one name (or one address when it has none).
    pub rare_signature: bool,
    /// HTTP answers whose MIME type contradicts the path's extension.
    pub mime_mismatch: u64,
    /// All flows are pieces of one TCP connection, which the sensor wrote down anew after each silence: the same ports,
    /// and no opening seen but perhaps the first.
    pub one_connection: bool,
    /// Files of kinds that matter, if any.
    pub files: Option<Box<Files>>,
    /// Sessions that may be interactive, if any.
    pub sessions: Option<Box<Sessions>>,
    /// Connections that do not speak what their port is for, if any.
    pub mismatch: Option<Box<Mismatch>>,
}

impl Hints {
    /// Whether the Host header is missing as a habit: in at least half of the flows with HTTP. A request now and then
    /// without one is a request that the sensor saw in part.
    #[must_use]
    pub const fn lacks_host_header(&self) -> bool {
        self.missing_host_header > 0 && self.missing_host_header >= self.http / 2
    }
}

/// A source's contacts with one destination.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// How it was grouped.
    pub grouping: Grouping,
    /// Who opened the connections.
    pub source: IpAddr,
    /// The destination's name, lower case, if it has one.
    pub host: Option<&'a str>,
    /// The address contacted most; ties: the lowest. Behind a proxy: the proxy's.
    pub address: IpAddr,
    /// Destination port.
    pub port: u16,
    /// IP protocol number.
    pub transport: u8,
    /// Seen from the org.
    pub direction: Direction,
    /// Contacts in ascending order of time, then size. One a flow.
    pub contacts: &'a [Contact],
    /// Sums.
    pub totals: Totals,
    /// What application logs add.
    pub hints: Hints,
}

/// When a destination came into the org's view, as far as its history tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// No history, or one that has hardly begun.
    #[default]
    Unknown,
    /// Contacted while the history began, or for a month.
    Settled,
    /// Contacted first when the history knew what is usual here, less than a month ago.
    New,
}

impl Arrival {
    /// Days in which a history learns what is usual: a working day and the day after. [ours: what runs all the time is
    /// seen on the first; the alert budget is meant from the third day on]
    pub const LEARNING_DAYS: u32 = 2;
}

/// What is around a group: the same for all groups of a run but for the two counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Start of the first flow of the input, seconds since 1970 UTC.
    pub first_second: u32,
    /// Start of the last flow of the input, seconds since 1970 UTC.
    pub last_second: u32,
    /// Distinct inside hosts seen in the input.
    pub inside_hosts: u32,
    /// Inside hosts that contacted this destination (its name, or its address when it has none).
    pub hosts_contacting: u32,
    /// Days of history of the org before this input; 0 without `--history`.
    pub history_days: u32,
    /// Days since this destination was first seen here, with history only.
    pub first_seen_days: Option<u32>,
    /// When the destination came into view.
    pub arrival: Arrival,
    /// The evidence is thin: sampled, one-sided or NetFlow only.
    pub weak_evidence: bool,
    /// The input has no log in which clients name destinations: that one has no name says nothing about it.
    pub nothing_named: bool,
    /// The asset list calls the inside host of the group critical.
    pub critical_asset: bool,
}

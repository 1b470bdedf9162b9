//! Records of routers and clouds, each of one way, to flows: the two ways put together, parts of a flow
//! that were cut joined, and what two exporters saw counted once.

use std::net::IpAddr;

use super::FileTally;
use super::sizes::{self, flag};
use crate::community::counterpart;
use crate::limits::{EXPORT_RECORDS_MAX, TIME_SECONDS_MAX};
use crate::packed::Addr;
use crate::record::{Conn, ConnState, Ends, Sink, Sizes, Skip};

pub(super) const TCP: u8 = 6;
const UDP: u8 = 17;
pub(super) const ICMP: u8 = 1;
pub(super) const ICMP_V6: u8 = 58;

/// How far apart in time the two ways of a flow may lie and still be one, microseconds: routers round
/// to seconds, and end the two ways at different times.
const APART_MAX_US: i64 = 2 * 1_000_000;
/// Longest silence between parts of a TCP connection, microseconds: routers cut after half an hour at
/// most, and end what is silent for long; Zeek waits as long (`tcp_inactivity_timeout`).
const PAUSE_MAX_US: i64 = 300 * 1_000_000;
/// The same where flags are not told: twice the longest life of a segment, in which no connection may
/// take the ports of the one before (RFC 9293, 3.4.2 and 3.6.1).
const FLAGLESS_PAUSE_MAX_US: i64 = 240 * 1_000_000;
/// The same of other transports (`udp_inactivity_timeout`, `icmp_inactivity_timeout`).
const OTHER_PAUSE_MAX_US: i64 = 60 * 1_000_000;

/// What one side of a flow sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Counts {
    pub(super) packets: u64,
    pub(super) ip_bytes: u64,
    /// All flags that were seen; `None` where the router does not say.
    pub(super) flags: Option<u8>,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.ip_bytes = self.ip_bytes.saturating_add(other.ip_bytes);
        self.flags = match (self.flags, other.flags) {
            (Some(mine), Some(theirs)) => Some(mine | theirs),
            (mine, theirs) => mine.or(theirs),
        };
    }
}

/// A record: who sent what to whom; with both ways where the router knows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    pub(super) source: (Addr, u16),
    pub(super) destination: (Addr, u16),
    pub(super) transport: u8,
    pub(super) sent: Counts,
    /// What came back, in records of both ways.
    pub(super) received: Option<Counts>,
    /// Which router or interface it is of: a number that is the same in all of its records.
    pub(super) exporter: u64,
    /// A packet filter let it not pass.
    pub(super) denied: bool,
    /// The flow's beginning and its end were seen, where the record says that without flags.
    pub(super) edges: Option<(bool, bool)>,
}

/// The number of an exporter that has a name.
pub(super) fn exporter(name: &[u8]) -> u64 {
    let hash = blake3::hash(name);
    hash.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Records that wait for their other way.
#[derive(Debug, Default)]
pub(super) struct Ways(Vec<Record>);

impl Ways {
    /// Takes a record.
    pub(super) fn add(&mut self, record: Record) -> Result<(), Skip> {
        let possible = 0..=TIME_SECONDS_MAX * 1_000_000;
        if !possible.contains(&record.start_us) || !possible.contains(&record.end_us) {
            return Err(Skip::BadTime);
        }
        self.0.push(record);
        Ok(())
    }

    /// Hands on what is there if it is as much as may wait: ways whose other way comes later stay alone.
    pub(super) fn settle_if_full(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        if self.0.len() >= EXPORT_RECORDS_MAX {
            self.settle(tally, sink);
        }
    }

    /// Puts together what is there and hands it on.
    pub(super) fn settle(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        let duplicates = settle(std::mem::take(&mut self.0), sink);
        if duplicates > 0 {
            tally.skip(Skip::Duplicate, duplicates);
        }
    }
}

/// What all records of a flow have in common, whichever way they are of.
type Key = ((Addr, u16), (Addr, u16), u8);

impl Record {
    fn key(&self) -> Key {
        let (mut low, mut high) = (self.source, self.destination);
        if matches!(self.transport, ICMP | ICMP_V6) {
            let kind = self.source.1;
            let kind = counterpart(self.transport, kind).map_or(kind, |answer| answer.min(kind));
            (low.1, high.1) = (kind, kind);
        }
        if high < low {
            std::mem::swap(&mut low, &mut high);
        }
        (low, high, self.transport)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start_us <= other.end_us.saturating_add(APART_MAX_US)
            && other.start_us <= self.end_us.saturating_add(APART_MAX_US)
    }

    /// Whether it tells of the same packets: a router tells of them twice in the same words, where they
    /// come in and where they go out; another router's record has most of the shorter one's time in
    /// common with it, or begins and ends with it. Parts that follow each other are not the same.
    fn is_same_as(&self, other: &Self) -> bool {
        if self.exporter == other.exporter {
            return self == other;
        }
        let common_us = self.end_us.min(other.end_us) - self.start_us.max(other.start_us);
        let shorter_us = (self.end_us - self.start_us).min(other.end_us - other.start_us);
        let is_near = |one: i64, other: i64| (one - other).abs() <= APART_MAX_US;
        let is_together =
            is_near(self.start_us, other.start_us) && is_near(self.end_us, other.end_us);
        let is_alike = self.is_along(other) && self.denied == other.denied;
        is_alike && (is_together || common_us > shorter_us / 2)
    }

    /// Whether it goes the same way as another record of its flow.
    fn is_along(&self, other: &Self) -> bool {
        self.source.0 == other.source.0
            && (self.source.0 != self.destination.0 || self.source.1 == other.source.1)
    }

    /// Takes the record of the other way in.
    fn take_other_way(&mut self, other: &Self) {
        if other.opens_before(self) {
            (self.source, self.destination) = (other.source, other.destination);
            self.received = Some(self.sent);
            self.sent = other.sent;
        } else {
            self.received = Some(other.sent);
        }
        self.start_us = self.start_us.min(other.start_us);
        self.end_us = self.end_us.max(other.end_us);
    }

    /// Which of two ways opened a flow: the earlier one; at the same time the one towards the lower
    /// port, where servers are.
    fn opens_before(&self, other: &Self) -> bool {
        let order = |one: &Self| (one.start_us, one.destination.1, one.source);
        order(self) < order(other)
    }

    /// Whether a record is a later part of the same flow: of TCP, this one shows no end and that one no
    /// beginning; of others, little time is between, which is how sensors tell them apart.
    fn goes_on_in(&self, later: &Self) -> bool {
        let pause_max_us = match self.transport {
            TCP if self.sent.flags.is_some() || self.edges.is_some() => PAUSE_MAX_US,
            TCP => FLAGLESS_PAUSE_MAX_US,
            _ => OTHER_PAUSE_MAX_US,
        };
        let is_cut = self.transport != TCP || !self.ends() && !later.begins();
        let is_let = !self.denied && !later.denied;
        is_let && is_cut && later.start_us.saturating_sub(self.end_us) <= pause_max_us
    }

    fn begins(&self) -> bool {
        self.edges.map_or_else(|| self.has(flag::SYN), |(begins, _)| begins)
    }

    fn ends(&self) -> bool {
        self.edges.map_or_else(|| self.has(flag::FIN | flag::RST), |(_, ends)| ends)
    }

    /// Whether either side was seen to send one of these flags.
    fn has(&self, bits: u8) -> bool {
        let flags = |counts: Counts| counts.flags.unwrap_or(0);
        (flags(self.sent) | self.received.map_or(0, flags)) & bits != 0
    }

    /// Takes a later part of the connection in, whichever way round it was put together.
    fn take_later(&mut self, later: &Self) {
        let (sent, received) = if later.is_along(self) {
            (Some(later.sent), later.received)
        } else {
            (later.received, Some(later.sent))
        };
        sent.into_iter().for_each(|counts| self.sent.add(counts));
        if let Some(counts) = received {
            self.received.get_or_insert_default().add(counts);
        }
        self.end_us = self.end_us.max(later.end_us);
        if let (Some(edges), Some((_, ends))) = (&mut self.edges, later.edges) {
            edges.1 |= ends;
        }
    }

    fn hand_on(&self, sink: &mut dyn Sink) {
        let (mut sent, mut received) = (Some(self.sent), self.received);
        let (mut orig, mut resp) = (self.source, self.destination);
        // One way only, from a well-known port to one that is none: the answer, not the question.
        let ports = matches!(self.transport, TCP | UDP) && !self.denied;
        if received.is_none() && ports && orig.1 < 1_024 && resp.1 >= 1_024 {
            (orig, resp) = (resp, orig);
            (sent, received) = (received, sent);
        }
        let (sent, received) = (sent.unwrap_or_default(), received.unwrap_or_default());
        // A record that counts nothing at all tells no sizes: no flow is without a packet.
        let told = (sent.packets | received.packets | sent.ip_bytes | received.ip_bytes) != 0;
        let payload = |counts: Counts| {
            let end = IpAddr::from(orig.0);
            sizes::payload(counts.ip_bytes, counts.packets, self.transport, end, 0)
        };
        let has_flags = sent.flags.is_some() || received.flags.is_some();
        let state = match self.transport {
            TCP if self.denied => Some(ConnState::S0),
            TCP if has_flags => {
                Some(sizes::state(sent.flags.unwrap_or(0), received.flags.unwrap_or(0)))
            }
            _ => None,
        };
        sink.conn(&Conn {
            start_us: self.start_us,
            uid: b"",
            ends: Ends {
                orig: orig.0.into(),
                orig_port: orig.1,
                resp: resp.0.into(),
                resp_port: resp.1,
            },
            transport: self.transport,
            service: None,
            duration_us: u64::try_from(self.end_us - self.start_us).ok(),
            orig_bytes: told.then(|| payload(sent)),
            resp_bytes: told.then(|| payload(received)),
            state,
            local_orig: None,
            local_resp: None,
            missed_bytes: 0,
            history: None,
            orig_packets: told.then_some(sent.packets),
            orig_ip_bytes: told.then_some(sent.ip_bytes),
            resp_packets: told.then_some(received.packets),
            resp_ip_bytes: told.then_some(received.ip_bytes),
            sizes: Sizes::Exported,
            open: false,
        });
    }
}

/// Puts records together and hands the flows on; gives how many were there already.
fn settle(mut records: Vec<Record>, sink: &mut dyn Sink) -> u64 {
    records.sort_unstable_by(|one, other| (one.key(), one).cmp(&(other.key(), other)));
    let mut duplicates = 0;
    for flow in records.chunk_by(|one, other| one.key() == other.key()) {
        let (kept, dropped) = seen_once(flow);
        duplicates += dropped;
        for flow in join(pair(kept)) {
            flow.hand_on(sink);
        }
    }
    duplicates
}

/// Of records that tell of the same packets the largest stays.
fn seen_once(records: &[Record]) -> (Vec<Record>, u64) {
    let mut kept: Vec<Record> = Vec::new();
    for record in records {
        let twin = kept.iter_mut().rev().take(RECENT).find(|other| other.is_same_as(record));
        match twin {
            Some(twin) if twin.sent < record.sent => *twin = record.clone(),
            Some(_) => {}
            None => kept.push(record.clone()),
        }
    }
    let dropped = (records.len() - kept.len()) as u64;
    (kept, dropped)
}

/// How many records back a partner is looked for: parts of a flow follow each other in time.
const RECENT: usize = 16;

/// Puts the two ways together, the earliest first.
fn pair(records: Vec<Record>) -> Vec<Record> {
    let mut flows: Vec<Record> = Vec::new();
    for record in records {
        let other = flows.iter_mut().rev().take(RECENT).find(|other| {
            let one_way = other.received.is_none() && record.received.is_none();
            let is_let = !other.denied && !record.denied;
            is_let && one_way && !other.is_along(&record) && other.overlaps(&record)
        });
        match other {
            Some(other) => other.take_other_way(&record),
            None => flows.push(record),
        }
    }
    flows
}

/// Joins what was cut.
fn join(mut parts: Vec<Record>) -> Vec<Record> {
    parts.sort();
    let mut flows: Vec<Record> = Vec::new();
    for part in parts {
        match flows.last_mut() {
            Some(flow) if flow.goes_on_in(&part) => flow.take_later(&part),
            _ => flows.push(part),
        }
    }
    flows
}

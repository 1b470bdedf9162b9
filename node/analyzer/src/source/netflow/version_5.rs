//! Version 5, whose places are fixed: a header, then up to thirty records of IPv4.

use std::net::{IpAddr, Ipv4Addr};

use super::template::Sent;
use crate::source::ways::{Counts, ICMP, Record, TCP};
use crate::source::wire::Wire;

/// Most records of a datagram.
pub(super) const RECORDS_MAX: u16 = 30;
const HEADER_BYTES: usize = 24;
const RECORD_BYTES: usize = 48;

/// Bytes of a datagram of so many records.
pub(super) fn bytes(count: u16) -> usize {
    HEADER_BYTES + usize::from(count) * RECORD_BYTES
}

/// What stands before the records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) sent: Sent,
    /// Records sent before.
    pub(super) sequence: u32,
    /// Which part of the router it is of.
    pub(super) engine: u16,
    /// One in how many packets is looked at; 0 and 1: each.
    pub(super) sampling: u64,
}

impl Header {
    pub(super) fn read(wire: &mut Wire<'_>) -> Option<Self> {
        wire.u32()?; // version, count
        let uptime_ms = Some(wire.u32()?);
        let (seconds, nanos) = (wire.u32()?, wire.u32()?);
        let time_us = i64::from(seconds) * 1_000_000 + i64::from(nanos / 1_000);
        let (sequence, engine) = (wire.u32()?, wire.u16()?);
        // Two bits of mode, fourteen of interval.
        let sampling = u64::from(wire.u16()? & 0x3fff);
        Some(Self { sent: Sent { time_us, uptime_ms }, sequence, engine, sampling })
    }
}

/// Reads a record.
pub(super) fn record(wire: &mut Wire<'_>, sent: Sent, exporter: u64) -> Option<Record> {
    let mut wire = Wire(wire.take(RECORD_BYTES)?);
    let source = Ipv4Addr::from(wire.u32()?);
    let destination = Ipv4Addr::from(wire.u32()?);
    wire.take(8)?; // next hop, interfaces
    let (packets, ip_bytes) = (u64::from(wire.u32()?), u64::from(wire.u32()?));
    let (first_ms, last_ms) = (wire.u32()?, wire.u32()?);
    let (mut source_port, mut destination_port) = (wire.u16()?, wire.u16()?);
    wire.u8()?;
    let flags = wire.u8()?;
    let transport = wire.u8()?;
    if transport == ICMP {
        (source_port, destination_port) = (destination_port >> 8, destination_port & 0xff);
    }
    let (start_us, end_us) = (sent.at_uptime(first_ms)?, sent.at_uptime(last_ms)?);
    Some(Record {
        start_us,
        end_us: end_us.max(start_us),
        source: (IpAddr::V4(source).into(), source_port),
        destination: (IpAddr::V4(destination).into(), destination_port),
        transport,
        sent: Counts { packets, ip_bytes, flags: (transport == TCP).then_some(flags) },
        received: None,
        exporter,
        denied: false,
        edges: None,
    })
}

//! Captured packets, libpcap's files and pcapng: flows as a sensor would log them, with DNS, the hellos
//! of TLS and QUIC, and the heads of HTTP. Payload is looked at where it lies and never kept. A capture
//! that begins with what a router exports is read as its exports.
//!
//! ```text
//! bytes -> container -> frame -> packet -> flow (by ends) -> stream: dns, tls, http, quic -> Sink
//! ```

mod container;
mod dns;
mod flow;
mod hello;
mod http;
mod packet;
mod quic;
mod stream;
mod tls;

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;

use self::container::{Broken, Container};
use self::flow::Flow;
use self::packet::{ICMP, ICMP_V6, NoPacket, Packet, UDP};
use self::stream::Stream;
use super::netflow::Exports;
use super::table::Decoder;
use super::tally::Format;
use super::{FileTally, netflow};
use crate::community::counterpart;
use crate::limits::{CAPTURE_FLOWS_MAX, CAPTURE_FRAGMENTS_MAX, CAPTURE_STREAM_BYTES_MAX};
use crate::packed::Addr;
use crate::record::{Sink, Skip};

/// What captures cannot give, and what is not read of them.
pub(super) const LIMITS: &str = "Of captured packets certificates and files are not read, and of HTTP/2 \
                                 and QUIC the client's hello alone.";

/// How often flows that are over are looked for, microseconds of the capture's time.
const SWEEP_EVERY_US: i64 = 10 * 1_000_000;

/// Whether bytes begin a file of libpcap's, in either byte order, of microseconds or nanoseconds:
/// <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-06.html>.
pub(super) fn is_pcap(start: &[u8]) -> bool {
    matches!(
        start,
        [0xa1, 0xb2, 0xc3, 0xd4, ..]
            | [0xd4, 0xc3, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0x3c, 0x4d, ..]
            | [0x4d, 0x3c, 0xb2, 0xa1, ..]
    )
}

/// Whether bytes begin a file of pcapng:
/// <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-05.html>, section 4.1.
pub(super) fn is_pcapng(start: &[u8]) -> bool {
    start.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a])
}

pub(super) fn open_pcap() -> Box<dyn Decoder> {
    Box::new(Capture::new(Container::pcap()))
}

pub(super) fn open_pcapng() -> Box<dyn Decoder> {
    Box::new(Capture::new(Container::pcapng()))
}

/// A capture that is being read.
#[derive(Debug)]
struct Capture {
    container: Container,
    packets: Packets,
    broken: bool,
}

impl Capture {
    fn new(container: Container) -> Self {
        Self { container, packets: Packets::default(), broken: false }
    }
}

impl Decoder for Capture {
    fn feed(&mut self, bytes: &[u8], tally: &mut FileTally, sink: &mut dyn Sink) {
        if self.broken {
            return;
        }
        let packets = &mut self.packets;
        let result = self.container.feed(bytes, |frame| {
            let read = packet::read(frame.link, frame.bytes).map_err(|reason| match reason {
                NoPacket::NotIp => Skip::NotIp,
                NoPacket::Bad => Skip::BadPacket,
            });
            let time_us = frame.time_us.ok_or(Skip::BadTime);
            match read.and_then(|packet| Ok((time_us?, packet))) {
                Ok((time_us, packet)) => packets.packet(time_us, &packet, tally, sink),
                Err(reason) => {
                    tally.records += 1;
                    tally.skip(reason, 1);
                }
            }
        });
        if let Err(Broken) = result {
            self.broken = true;
            tally.records += 1;
            tally.skip(Skip::BadBlock, 1);
        }
    }

    fn finish(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        if !self.broken && self.container.is_cut_off() {
            tally.records += 1;
            tally.skip(Skip::CutOff, 1);
        }
        self.packets.flows.finish(sink);
        if let Some(mut exports) = self.packets.exports.take() {
            exports.finish(tally, sink);
        }
    }
}

/// What packets are read as: flows, or, in captures that begin so, what routers say of flows.
#[derive(Debug, Default)]
struct Packets {
    begun: bool,
    exports: Option<Exports>,
    flows: Flows,
}

impl Packets {
    fn packet(
        &mut self,
        time_us: i64,
        packet: &Packet<'_>,
        tally: &mut FileTally,
        sink: &mut dyn Sink,
    ) {
        let is_export = packet.transport == UDP && netflow::is(packet.payload);
        if is_export && !self.begun {
            self.exports = Some(Exports::default());
            tally.formats.insert(Format::Listed(netflow::NAME));
        }
        self.begun = true;
        if let Some(exports) = self.exports.as_mut().filter(|_| is_export) {
            return exports.datagram(packet.source, packet.payload, tally, sink);
        }
        tally.records += 1;
        if let Err(reason) = self.flows.packet(time_us, packet, sink) {
            tally.skip(reason, 1);
        }
    }
}

/// Both ends of a flow, whichever of them sent a packet: the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    low: (Addr, u16),
    high: (Addr, u16),
    transport: u8,
}

impl Key {
    fn new(packet: &Packet<'_>) -> Self {
        let (mut low, mut high) = (
            (Addr::from(packet.source), packet.source_port),
            (Addr::from(packet.destination), packet.destination_port),
        );
        if matches!(packet.transport, ICMP | ICMP_V6) {
            // A type and its answer's are one flow; codes do not matter.
            let kind = packet.source_port;
            let kind = counterpart(packet.transport, kind).map_or(kind, |answer| answer.min(kind));
            (low.1, high.1) = (kind, kind);
        }
        if high < low {
            std::mem::swap(&mut low, &mut high);
        }
        Self { low, high, transport: packet.transport }
    }
}

/// What the fragments of one packet have in common.
type FragmentKey = (IpAddr, IpAddr, u32, u8);

/// Flows whose end has not been seen.
#[derive(Debug, Default)]
struct Flows {
    open: HashMap<Key, Flow>,
    /// Flows of packets in fragments: later ones have no ports. The oldest is forgotten first.
    fragments: HashMap<FragmentKey, Key>,
    fragments_by_age: VecDeque<FragmentKey>,
    /// Bytes that streams keep.
    stream_bytes: usize,
    swept_us: i64,
}

impl Flows {
    fn packet(
        &mut self,
        time_us: i64,
        packet: &Packet<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), Skip> {
        if time_us.saturating_sub(self.swept_us).abs() > SWEEP_EVERY_US {
            self.swept_us = time_us;
            self.end(|flow| flow.is_over(time_us), sink);
        }
        let key = self.key(packet)?;
        if self.open.get(&key).is_some_and(|flow| flow.is_reopened_by(packet)) {
            self.close(&key, sink);
        }
        if self.open.len() >= CAPTURE_FLOWS_MAX && !self.open.contains_key(&key) {
            self.make_room(sink);
        }
        let flow = self.open.entry(key).or_insert_with(|| Flow::new(time_us, packet));
        let before = flow.stream.buffered();
        flow.add(time_us, packet, sink);
        self.stream_bytes = (self.stream_bytes + flow.stream.buffered()).saturating_sub(before);
        if self.stream_bytes > CAPTURE_STREAM_BYTES_MAX {
            // Whoever needs what is not there loses names, no bytes and no flows.
            self.stream_bytes -= flow.stream.buffered();
            flow.stream = Stream::Other;
        }
        Ok(())
    }

    /// Which flow a packet is of; for fragments after the first, that of the first.
    fn key(&mut self, packet: &Packet<'_>) -> Result<Key, Skip> {
        let Some(id) = packet.fragment else { return Ok(Key::new(packet)) };
        let fragment = (packet.source, packet.destination, id, packet.transport);
        if packet.is_later_fragment {
            let known = self.fragments.get(&fragment).copied();
            return known.filter(|key| self.open.contains_key(key)).ok_or(Skip::BadPacket);
        }
        let key = Key::new(packet);
        if self.fragments.insert(fragment, key).is_none() {
            self.fragments_by_age.push_back(fragment);
        }
        if self.fragments_by_age.len() > CAPTURE_FRAGMENTS_MAX
            && let Some(oldest) = self.fragments_by_age.pop_front()
        {
            self.fragments.remove(&oldest);
        }
        Ok(key)
    }

    fn close(&mut self, key: &Key, sink: &mut dyn Sink) {
        if let Some(flow) = self.open.remove(key) {
            self.stream_bytes = self.stream_bytes.saturating_sub(flow.stream.buffered());
            flow.finish(sink);
        }
    }

    fn end(&mut self, is_over: impl Fn(&Flow) -> bool, sink: &mut dyn Sink) {
        let stream_bytes = &mut self.stream_bytes;
        for (_, flow) in self.open.extract_if(|_, flow| is_over(flow)) {
            *stream_bytes = stream_bytes.saturating_sub(flow.stream.buffered());
            flow.finish(sink);
        }
    }

    /// Ends the half that has been silent for longest; if they go on, they come as another flow.
    fn make_room(&mut self, sink: &mut dyn Sink) {
        let mut times: Vec<i64> = self.open.values().map(|flow| flow.last_us).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        let middle = *middle;
        self.end(|flow| flow.last_us <= middle, sink);
    }

    fn finish(&mut self, sink: &mut dyn Sink) {
        self.end(|_| true, sink);
    }
}

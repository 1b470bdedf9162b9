//! A frame to what a flow is made of: ends, sizes by the headers' own words, flags, payload as far as it
//! was captured. Lengths come from headers, so a short snap length costs names but no bytes.

use std::net::IpAddr;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, ether_type};

use crate::source::wire::Wire;

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP: u8 = 1;
pub(super) const ICMP_V6: u8 = 58;
const GRE: u8 = 47;

/// Tunnels inside tunnels that are followed.
const TUNNELS_MAX: u32 = 2;

/// A packet of IP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) transport: u8,
    /// Ports; type and code of ICMP; 0 of others.
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    /// Of the IP packet, by its header.
    pub(super) ip_bytes: u64,
    /// Behind the transport's header, by headers.
    pub(super) payload_bytes: u32,
    /// As much of it as was captured.
    pub(super) payload: &'a [u8],
    /// TCP's sequence number.
    pub(super) sequence: u32,
    /// TCP's flags.
    pub(super) flags: u8,
    /// What all fragments of a packet have in common; `None` if it is none.
    pub(super) fragment: Option<u32>,
    /// A fragment that is not the first: it has no ports.
    pub(super) is_later_fragment: bool,
}

/// Why a frame is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPacket {
    /// ARP, LLDP and the like, or a link that we do not know.
    NotIp,
    /// Cut off, or with headers that cannot be.
    Bad,
}

/// Reads a frame of a link type (<https://www.tcpdump.org/linktypes.html>).
pub(super) fn read(link: i32, frame: &[u8]) -> Result<Packet<'_>, NoPacket> {
    match link {
        1 => ethernet(frame, 0),
        // Raw IP, by any of its numbers.
        12 | 14 | 101 | 228 | 229 => ip(frame, 0),
        // BSD loopback: four bytes of address family in the writer's byte order.
        0 | 108 => ip(frame.get(4..).ok_or(NoPacket::Bad)?, 0),
        113 => by_type(frame.get(14..16), frame.get(16..), 0), // Linux "any"
        276 => by_type(frame.get(..2), frame.get(20..), 0),    // the same, version 2
        _ => Err(NoPacket::NotIp),
    }
}

fn ethernet(frame: &[u8], depth: u32) -> Result<Packet<'_>, NoPacket> {
    packet(&LaxSlicedPacket::from_ethernet(frame).map_err(|_| NoPacket::Bad)?, depth)
}

fn ip(bytes: &[u8], depth: u32) -> Result<Packet<'_>, NoPacket> {
    packet(&LaxSlicedPacket::from_ip(bytes).map_err(|_| NoPacket::Bad)?, depth)
}

fn by_type<'a>(
    kind: Option<&[u8]>,
    bytes: Option<&'a [u8]>,
    depth: u32,
) -> Result<Packet<'a>, NoPacket> {
    let (Some(&[high, low]), Some(bytes)) = (kind, bytes) else { return Err(NoPacket::Bad) };
    let kind = EtherType(u16::from_be_bytes([high, low]));
    packet(&LaxSlicedPacket::from_ether_type(kind, bytes), depth)
}

fn packet<'a>(sliced: &LaxSlicedPacket<'a>, depth: u32) -> Result<Packet<'a>, NoPacket> {
    let (source, destination, payload, header_bytes, said_bytes, fragment, later) =
        match &sliced.net {
            Some(LaxNetSlice::Ipv4(ip)) => {
                let header = ip.header();
                let (source, destination) = (header.source_addr(), header.destination_addr());
                let header_bytes = usize::from(header.ihl()) * 4;
                let later = header.fragments_offset().value() != 0;
                let fragment = header.is_fragmenting_payload();
                let id = fragment.then(|| u32::from(header.identification()));
                let said = usize::from(header.total_len());
                let ends = (IpAddr::V4(source), IpAddr::V4(destination));
                (ends.0, ends.1, ip.payload(), header_bytes, said, id, later)
            }
            Some(LaxNetSlice::Ipv6(ip)) => {
                let header = ip.header();
                let (source, destination) = (header.source_addr(), header.destination_addr());
                let fragment = fragment(header.next_header().0, ip.extensions().slice());
                let header_bytes = 40 + ip.extensions().slice().len();
                let said = match usize::from(header.payload_length()) {
                    0 => 0,
                    length => length + 40,
                };
                let ends = (IpAddr::V6(source), IpAddr::V6(destination));
                let (id, later) = (fragment.map(|(id, _)| id), fragment.is_some_and(|(_, at)| at));
                (ends.0, ends.1, ip.payload(), header_bytes, said, id, later)
            }
            Some(LaxNetSlice::Arp(_)) => return Err(NoPacket::NotIp),
            None => {
                let bad = sliced.stop_err.is_some();
                return Err(if bad { NoPacket::Bad } else { NoPacket::NotIp });
            }
        };
    let transport = payload.ip_number.0;
    if transport == GRE && depth < TUNNELS_MAX && !later {
        return gre(payload.payload, depth + 1);
    }
    // Packets that the sender's card was to cut have no length of their own.
    let ip_bytes = if said_bytes == 0 { header_bytes + payload.payload.len() } else { said_bytes };
    let mut packet = Packet {
        source: source.to_canonical(),
        destination: destination.to_canonical(),
        transport,
        source_port: 0,
        destination_port: 0,
        ip_bytes: ip_bytes as u64,
        payload_bytes: 0,
        payload: payload.payload,
        sequence: 0,
        flags: 0,
        fragment,
        is_later_fragment: later,
    };
    let behind_ip = ip_bytes.saturating_sub(header_bytes);
    let header_bytes = if later { 0 } else { packet.transport_header().ok_or(NoPacket::Bad)? };
    let payload_bytes = behind_ip.saturating_sub(header_bytes);
    packet.payload_bytes = u32::try_from(payload_bytes).unwrap_or(u32::MAX);
    let captured = packet.payload.get(header_bytes..).unwrap_or(&[]);
    packet.payload = &captured[..captured.len().min(payload_bytes)];
    Ok(packet)
}

/// What a fragment header among extension headers says: which packet, and whether it is a later part (RFC 8200).
/// Walked here, because the library's own walk trusts headers that the snap length has cut.
fn fragment(first: u8, mut bytes: &[u8]) -> Option<(u32, bool)> {
    let mut kind = first;
    loop {
        let &[next, length, high, low, a, b, c, d, ..] = bytes else { return None };
        let header_bytes = match kind {
            44 => {
                let offset = u16::from_be_bytes([high, low]) >> 3;
                return Some((u32::from_be_bytes([a, b, c, d]), offset != 0));
            }
            51 => (usize::from(length) + 2) * 4,
            0 | 43 | 60 | 135 | 139 | 140 => (usize::from(length) + 1) * 8,
            _ => return None,
        };
        kind = next;
        bytes = bytes.get(header_bytes..)?;
    }
}

impl Packet<'_> {
    /// Reads what the transport's header says; gives its length. It is looked at only as far as needed:
    /// the snap length may have cut it.
    fn transport_header(&mut self) -> Option<usize> {
        let mut wire = Wire(self.payload);
        match self.transport {
            TCP => {
                (self.source_port, self.destination_port) = (wire.u16()?, wire.u16()?);
                self.sequence = wire.u32()?;
                wire.u32()?;
                let header_bytes = usize::from(wire.u8()? >> 4) * 4;
                self.flags = wire.u8()?;
                (header_bytes >= 20).then_some(header_bytes)
            }
            UDP => {
                (self.source_port, self.destination_port) = (wire.u16()?, wire.u16()?);
                Some(8)
            }
            ICMP | ICMP_V6 => {
                self.source_port = u16::from(wire.u8()?);
                self.destination_port = u16::from(wire.u8()?);
                Some(8)
            }
            _ => Some(0),
        }
    }
}

/// What a GRE header carries (RFC 2784, RFC 2890; ERSPAN as in draft-foschiano-erspan-03).
fn gre(bytes: &[u8], depth: u32) -> Result<Packet<'_>, NoPacket> {
    let mut wire = Wire(bytes);
    let flags = wire.u16().ok_or(NoPacket::Bad)?;
    let kind = wire.u16().ok_or(NoPacket::Bad)?;
    if flags & 7 != 0 {
        return Err(NoPacket::NotIp); // another version: PPTP
    }
    let has = |bit: u16| usize::from(flags & bit != 0);
    let options = 4 * (has(0x8000) + has(0x2000) + has(0x1000));
    wire.take(options).ok_or(NoPacket::Bad)?;
    match kind {
        0x6558 => ethernet(wire.0, depth),
        0x88be | 0x22eb => {
            let header = match kind {
                0x88be if has(0x1000) == 0 => 0, // type I
                0x88be => 8,
                _ => 12,
            };
            ethernet(wire.0.get(header..).ok_or(NoPacket::Bad)?, depth)
        }
        kind if EtherType(kind) == ether_type::IPV4 || EtherType(kind) == ether_type::IPV6 => {
            ip(wire.0, depth)
        }
        _ => Err(NoPacket::NotIp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers cut anywhere, with every length: an answer or none, never more bytes than there are.
    #[test]
    fn extension_headers_may_be_cut_anywhere() {
        let hop = [44, 0, 0, 0, 0, 0, 0, 0];
        let fragment_header = [6, 0, 0, 8, 0, 0, 0, 7];
        let whole = [&hop[..], &fragment_header].concat();
        assert_eq!(fragment(0, &whole), Some((7, true)));
        assert_eq!(fragment(44, &fragment_header), Some((7, true)));
        assert_eq!(fragment(6, &whole), None);
        for cut in 0..whole.len() {
            assert_eq!(fragment(0, &whole[..cut]), None, "{cut} bytes");
        }
        for length in 0..=255 {
            let long = [60, length, 0, 0, 0, 0, 0, 0];
            assert_eq!(fragment(60, &long), None);
            // The same as a packet whose capture ends within its extension headers.
            let mut frame = vec![0x60, 0, 0, 0, 0, 8, 60, 64];
            frame.extend([0x20; 32]);
            frame.extend(long);
            let _ = ip(&frame, 0);
        }
    }
}

//! A datagram as a packet of a capture: libpcap's file of raw IP packets
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-06.html>), with the headers that the system took off.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{Ipv4Header, Ipv6Header, UdpHeader, ip_number};
use flowlore_common::time::Micros;

/// What stands before the packets: little-endian, microseconds, version 2.4, UTC, whole packets, raw IP (101).
pub(super) const FILE_HEADER: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
/// Hops that a packet may still make; it makes none.
const HOPS: u8 = 64;

/// Puts a packet behind others; `None` if its headers and it are longer than a packet may be.
pub(super) fn put(
    out: &mut Vec<u8>,
    at: Micros,
    (from, to): (SocketAddr, SocketAddr),
    payload: &[u8],
) -> Option<()> {
    // One that came over IPv4 to a socket of both is IPv4.
    let (source, target) = (from.ip().to_canonical(), to.ip().to_canonical());
    let ports = (from.port(), to.port());
    let length = u16::try_from(UdpHeader::LEN + payload.len()).ok()?;
    let mut headers = Vec::with_capacity(Ipv6Header::LEN + UdpHeader::LEN);
    match (source, target) {
        (IpAddr::V4(source), target) => {
            // A socket for all addresses does not tell to which one.
            let target =
                if let IpAddr::V4(target) = target { target } else { Ipv4Addr::UNSPECIFIED };
            let ends = (source.octets(), target.octets());
            let mut ip = Ipv4Header::new(length, HOPS, ip_number::UDP, ends.0, ends.1).ok()?;
            ip.header_checksum = ip.calc_header_checksum();
            let udp = UdpHeader::with_ipv4_checksum(ports.0, ports.1, &ip, payload).ok()?;
            headers.extend(ip.to_bytes());
            headers.extend(udp.to_bytes());
        }
        (IpAddr::V6(source), target) => {
            let target =
                if let IpAddr::V6(target) = target { target } else { Ipv6Addr::UNSPECIFIED };
            let ip = Ipv6Header {
                payload_length: length,
                next_header: ip_number::UDP,
                hop_limit: HOPS,
                source: source.octets(),
                destination: target.octets(),
                ..Ipv6Header::default()
            };
            let udp = UdpHeader::with_ipv6_checksum(ports.0, ports.1, &ip, payload).ok()?;
            headers.extend(ip.to_bytes());
            headers.extend(udp.to_bytes());
        }
    }
    let seconds = u32::try_from(at.0.div_euclid(1_000_000)).unwrap_or_default();
    let micros = at.0.rem_euclid(1_000_000) as u32;
    let bytes = (headers.len() + payload.len()) as u32;
    for word in [seconds, micros, bytes, bytes] {
        out.extend(word.to_le_bytes());
    }
    out.extend(headers);
    out.extend(payload);
    Some(())
}

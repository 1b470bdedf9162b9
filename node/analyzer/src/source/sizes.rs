//! What routers and some sensors count, turned into what a flow is judged by: payload from bytes with
//! headers, the state of a TCP connection from the flags that were seen. Both are estimates.

use std::net::IpAddr;

use crate::record::ConnState;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// TCP flags as bits of a byte (RFC 9293, 3.1).
pub(super) mod flag {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const SYN: u8 = 2;
    pub(crate) const RST: u8 = 4;
}

/// Bytes of an Ethernet header, which some sensors count as well.
pub(super) const ETHERNET_BYTES: u64 = 14;

/// The payload that so many bytes in so many packets leave when headers are taken off, and `link_bytes`
/// a packet for what is before the IP header.
///
/// TCP headers are taken to be 32 bytes: 20, and 12 of options, which packets with timestamps have (RFC
/// 7323) and opening ones with the usual options. Where there are none, 12 bytes a packet are too few;
/// the other way round, bare acknowledgements would look like data.
pub(super) fn payload(
    bytes: u64,
    packets: u64,
    transport: u8,
    end: IpAddr,
    link_bytes: u64,
) -> u64 {
    let network = if end.is_ipv6() { 40 } else { 20 };
    let header = match transport {
        TCP => 32,
        UDP => 8,
        // ICMP: Zeek counts what follows its header of eight bytes.
        1 | 58 => 8,
        _ => 0,
    };
    bytes.saturating_sub(packets.saturating_mul(link_bytes + network + header))
}

/// How a TCP connection went, by the flags that each side was seen to send at any time.
pub(super) fn state(orig: u8, resp: u8) -> ConnState {
    let both = |bit: u8| (orig & bit != 0, resp & bit != 0);
    match (both(flag::SYN), both(flag::RST), both(flag::FIN)) {
        ((true, true), _, (true, true)) => ConnState::Sf,
        ((true, true), (true, _), _) => ConnState::Rsto,
        ((true, true), (false, true), _) => ConnState::Rstr,
        ((true, true), _, (true, false)) => ConnState::S2,
        ((true, true), _, (false, true)) => ConnState::S3,
        ((true, true), _, (false, false)) => ConnState::S1,
        ((true, false), (_, true), _) => ConnState::Rej,
        ((true, false), (true, false), _) if resp == 0 => ConnState::Rstos0,
        ((true, false), _, (true, _)) if resp == 0 => ConnState::Sh,
        ((true, false), ..) if resp == 0 => ConnState::S0,
        ((false, true), _, (_, true)) => ConnState::Shr,
        ((false, true), (_, true), _) => ConnState::Rstrh,
        _ => ConnState::Oth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_flags() {
        // FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
        let cases = [
            (0x02, 0x00, ConnState::S0),
            (0x02, 0x14, ConnState::Rej),
            (0x1b, 0x1b, ConnState::Sf),
            (0x1f, 0x1b, ConnState::Sf),
            (0x1a, 0x1a, ConnState::S1),
            (0x1b, 0x1a, ConnState::S2),
            (0x1a, 0x1b, ConnState::S3),
            (0x1e, 0x1a, ConnState::Rsto),
            (0x1a, 0x1e, ConnState::Rstr),
            (0x06, 0x00, ConnState::Rstos0),
            (0x03, 0x00, ConnState::Sh),
            (0x00, 0x13, ConnState::Shr),
            (0x00, 0x16, ConnState::Rstrh),
            (0x18, 0x10, ConnState::Oth),
            (0x00, 0x00, ConnState::Oth),
        ];
        for (orig, resp, expected) in cases {
            assert_eq!(state(orig, resp), expected, "{orig:#x} {resp:#x}");
        }
    }

    #[test]
    fn payload_is_what_headers_leave() {
        let (four, six) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert_eq!(payload(28 + 30, 1, UDP, four, 0), 30);
        assert_eq!(payload(48 + 30, 1, UDP, six, 0), 30);
        assert_eq!(payload(2 * 66 + 500, 2, TCP, four, ETHERNET_BYTES), 500);
        assert_eq!(payload(60, 1, TCP, four, ETHERNET_BYTES), 0, "never below nothing");
        assert_eq!(payload(u64::MAX, u64::MAX, TCP, six, 0), 0);
    }
}

//! Community ID, version 1: the same name for a flow in every tool that saw it.
//!
//! Formula: the Community ID Flow Hashing specification (corelight/community-id-spec): the base64 of
//! the SHA-1 over seed, both ends in order, protocol and ports.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

use crate::packed::Addr;

/// The specification's default.
const SEED: u16 = 0;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;

/// ICMP types that answer one another.
const ICMP_PAIRS: [(u16, u16); 5] = [(0, 8), (9, 10), (13, 14), (15, 16), (17, 18)];
/// The same of ICMPv6.
const ICMP_V6_PAIRS: [(u16, u16); 6] =
    [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];

/// The Community ID of a flow between two ends, each an address and a port (of ICMP, type and code).
#[must_use]
pub fn community_id(transport: u8, orig: (Addr, u16), resp: (Addr, u16)) -> String {
    let (mut low, mut high) = (orig, resp);
    let mut one_way = false;
    if transport == ICMP || transport == ICMP_V6 {
        // Zeek's ports of ICMP are type and code; the specification's are a type and its answer's.
        match counterpart(transport, orig.1) {
            Some(answer) => high.1 = answer,
            None => one_way = true,
        }
    }
    if !one_way && high < low {
        std::mem::swap(&mut low, &mut high);
    }
    let mut hasher = Sha1::new();
    hasher.update(SEED.to_be_bytes());
    update(&mut hasher, low.0);
    update(&mut hasher, high.0);
    hasher.update([transport, 0]);
    if matches!(transport, ICMP | 6 | 17 | ICMP_V6 | 132) {
        hasher.update(low.1.to_be_bytes());
        hasher.update(high.1.to_be_bytes());
    }
    format!("1:{}", STANDARD.encode(hasher.finalize()))
}

/// The type of ICMP that answers this one, or that it answers.
pub(crate) fn counterpart(transport: u8, kind: u16) -> Option<u16> {
    let pairs = if transport == ICMP { &ICMP_PAIRS[..] } else { &ICMP_V6_PAIRS[..] };
    pairs.iter().find_map(|&(ask, answer)| match kind {
        _ if kind == ask => Some(answer),
        _ if kind == answer => Some(ask),
        _ => None,
    })
}

fn update(hasher: &mut Sha1, address: Addr) {
    match IpAddr::from(address) {
        IpAddr::V4(v4) => hasher.update(v4.octets()),
        IpAddr::V6(v6) => hasher.update(v6.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(transport: u8, orig: (&str, u16), resp: (&str, u16)) -> String {
        let end = |(text, port): (&str, u16)| (text.parse::<IpAddr>().unwrap().into(), port);
        community_id(transport, end(orig), end(resp))
    }

    /// The example of the specification's own text.
    #[test]
    fn it_is_that_of_the_specification() {
        let (client, server) = (("128.232.110.120", 34_855), ("66.35.250.204", 80));
        assert_eq!(id(6, client, server), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        assert_eq!(id(6, server, client), id(6, client, server));
    }

    #[test]
    fn an_echo_and_its_reply_are_one() {
        let (one, other) = ("192.0.2.1", "192.0.2.9");
        assert_eq!(id(ICMP, (one, 8), (other, 0)), id(ICMP, (other, 0), (one, 0)));
        assert_ne!(id(ICMP, (one, 3), (other, 1)), id(ICMP, (other, 3), (one, 1)), "one way");
    }
}

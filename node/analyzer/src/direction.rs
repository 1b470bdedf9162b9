//! Which way a flow went, seen from the org.
//!
//! `--home-net`, where given, replaces everything else; then what the sensor says of each end
//! (`local_orig`, `local_resp`); then private ranges. Addresses that no router carries on
//! (multicast, broadcast, link-local, loopback, unspecified) belong to the sender's own network
//! whatever else is said: a name announced to 224.0.0.251 has not left the house.

use flowlore_common::label::Direction;
use ipnet::IpNet;

use crate::packed::Addr;

/// What is inside.
#[derive(Clone, Debug, Default)]
pub struct Home {
    nets: Vec<IpNet>,
}

impl Home {
    /// These networks and nothing else; when empty, the sensor's word and private ranges.
    #[must_use]
    pub fn new(mut nets: Vec<IpNet>) -> Self {
        nets.sort_unstable();
        nets.dedup();
        Self { nets }
    }

    /// The networks that replace everything else.
    #[must_use]
    pub fn nets(&self) -> &[IpNet] {
        &self.nets
    }

    /// Whether `address` is inside, given what the sensor says of it.
    #[must_use]
    pub fn holds(&self, address: Addr, sensor: Option<bool>) -> bool {
        if stays_on_link(address) {
            return true;
        }
        if !self.nets.is_empty() {
            let address = std::net::IpAddr::from(address);
            return self.nets.iter().any(|net| net.contains(&address));
        }
        sensor.unwrap_or_else(|| is_private(address))
    }

    /// The direction between two ends, each inside or not.
    #[must_use]
    pub fn direction(orig_inside: bool, resp_inside: bool) -> Direction {
        match (orig_inside, resp_inside) {
            (true, true) => Direction::Internal,
            (true, false) => Direction::Outbound,
            (false, true) => Direction::Inbound,
            (false, false) => Direction::External,
        }
    }
}

/// Ranges that an org gives out itself: RFC 1918, shared space behind a carrier's NAT (RFC 6598),
/// unique local IPv6 (RFC 4193).
#[must_use]
pub fn is_private(address: Addr) -> bool {
    if !address.is_v4() {
        return address.0 >> 121 == 0xfc >> 1;
    }
    let v4 = address.0 as u32;
    v4 >> 24 == 10 || v4 >> 20 == 0xac1 || v4 >> 16 == 0xc0a8 || v4 >> 22 == 0x6440_0000 >> 22
}

/// Addresses that never cross a router, and so name no host elsewhere: unspecified, loopback,
/// link-local, multicast, broadcast (RFC 1122, RFC 3927, RFC 4291, RFC 5771).
#[must_use]
pub fn stays_on_link(address: Addr) -> bool {
    if !address.is_v4() {
        let top = address.0 >> 112;
        return address.0 <= 1 || top >> 8 == 0xff || top >> 6 == 0xfe80 >> 6;
    }
    let v4 = address.0 as u32;
    let first = v4 >> 24;
    first == 0 || first == 127 || first >> 4 == 0xe || v4 >> 16 == 0xa9fe || v4 == u32::MAX
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn addr(text: &str) -> Addr {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn private_ranges_end_where_their_documents_say() {
        let inside = ["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0"];
        let inside = inside.into_iter().chain(["192.168.255.255", "100.64.0.0", "100.127.255.255"]);
        for text in inside.chain(["fc00::", "fdff:ffff::1"]) {
            assert!(is_private(addr(text)), "{text}");
        }
        let outside = ["9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.0.1"];
        let outside = outside.into_iter().chain(["192.169.0.0", "100.63.255.255", "100.128.0.0"]);
        for text in outside.chain(["fbff::1", "fe00::1", "2001:db8::1"]) {
            assert!(!is_private(addr(text)), "{text}");
        }
    }

    #[test]
    fn the_link_ends_where_its_documents_say() {
        let on = ["0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.251", "239.255.255.255"];
        for text in on.into_iter().chain(["255.255.255.255", "::", "::1", "fe80::1", "ff02::1"]) {
            assert!(stays_on_link(addr(text)), "{text}");
        }
        let off = ["1.0.0.0", "126.0.0.1", "128.0.0.1", "169.253.0.1", "169.255.0.1", "223.0.0.1"];
        for text in off.into_iter().chain(["240.0.0.1", "::2", "fec0::1", "fe7f::1", "2001::1"]) {
            assert!(!stays_on_link(addr(text)), "{text}");
        }
    }

    #[test]
    fn home_net_replaces_the_sensor_and_the_sensor_private_ranges() {
        let by_range = Home::default();
        assert!(by_range.holds(addr("10.1.2.3"), None));
        assert!(!by_range.holds(addr("198.51.100.1"), None));
        assert!(by_range.holds(addr("198.51.100.1"), Some(true)));
        assert!(!by_range.holds(addr("10.1.2.3"), Some(false)));
        let by_net = Home::new(vec!["198.51.100.0/24".parse().unwrap()]);
        assert!(by_net.holds(addr("198.51.100.1"), Some(false)));
        assert!(!by_net.holds(addr("10.1.2.3"), Some(true)));
        assert!(by_net.holds(addr("224.0.0.251"), Some(false)));
    }
}

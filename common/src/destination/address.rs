//! Address classes, from the IANA registries.
//!
//! Sources, as of 2026: "IANA IPv4 Special-Purpose Address Registry", "IANA IPv6 Special-Purpose
//! Address Registry" (both RFC 6890 and its updates), "Internet Protocol Version 6 Address Space"
//! (only 2000::/3 is given out as global unicast) and the multicast ranges of RFC 5771 and RFC
//! 4291.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, for the question whether a destination means the same to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressClass {
    /// A host on the internet.
    Global,
    /// Kept for examples: 192.0.2/24, 198.51.100/24, 203.0.113/24, 2001:db8::/32, 3fff::/20.
    Documentation,
    /// A group of hosts, not one.
    Multicast,
    /// Anything else: private, shared, loopback, link-local, translated, reserved.
    Special,
}

/// The class of an address; an IPv4 address mapped into IPv6 counts as the IPv4 address.
///
/// Where the registry says "N/A" for global reach (6to4, Teredo), and for the NAT64 prefix
/// 64:ff9b::/96, the answer is `Special`: such an address wraps another one and would be a second
/// name for it.
#[must_use]
pub fn address_class(address: IpAddr) -> AddressClass {
    match address.to_canonical() {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

/// Whether the address is that of a host on the internet. Documentation addresses are not.
#[must_use]
pub fn is_global(address: IpAddr) -> bool {
    address_class(address) == AddressClass::Global
}

/// The first 64 bits of an IPv6 address: the site that it belongs to (RFC 4291, 2.5.4).
#[must_use]
pub fn slash64(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

fn class_v4(address: Ipv4Addr) -> AddressClass {
    match address.octets() {
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => AddressClass::Documentation,
        // Port Control Protocol and TURN anycast stand inside a special block and reach everywhere.
        [192, 0, 0, 9 | 10] => AddressClass::Global,
        [224..=239, ..] => AddressClass::Multicast,
        [0 | 10 | 127 | 240..=255, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 0, 0, _]
        | [192, 88, 99, _]
        | [192, 168, ..]
        | [198, 18..=19, ..] => AddressClass::Special,
        _ => AddressClass::Global,
    }
}

fn class_v6(address: Ipv6Addr) -> AddressClass {
    match address.segments() {
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressClass::Documentation,
        // Of 2001::/23 (protocol assignments) only these reach everywhere: PCP, TURN and DNS-SD SRP
        // anycast, AMT, AS112, ORCHIDv2, drone identifiers.
        [0x2001, 1, 0, 0, 0, 0, 0, 1..=3]
        | [0x2001, 3, ..]
        | [0x2001, 4, 0x112, ..]
        | [0x2001, 0x20..=0x3f, ..] => AddressClass::Global,
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] => AddressClass::Special,
        [0x2000..=0x3fff, ..] => AddressClass::Global,
        _ => AddressClass::Special,
    }
}

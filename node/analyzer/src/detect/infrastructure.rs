//! Protocols whose job is to tick: time, name and neighbour services, echo, syslog.
//!
//! They are the most regular traffic of any network, so a score over times and sizes calls nearly all of it a
//! beacon. We leave a group alone when it *is* such a protocol by transport, port and size; whose server it is, or
//! what it is called, plays no part. Where port and size disagree (large packets on the time service's port) the
//! group is scored like any other, and the finding says what the port would have stood for.
//!
//! The price: a channel hidden inside well-formed packets of these protocols is not found here. For DNS that is the
//! job of the DNS detectors; for the others an hour carries a few hundred bytes at most.

use std::net::IpAddr;

use flowlore_common::label::Direction;

use crate::pair::Group;

const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP_V6: u8 = 58;

/// How far from the host a protocol reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Servers anywhere.
    Anywhere,
    /// Its own network: the same port outside is something else.
    Inside,
}

/// A protocol that ticks by nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it is, for a sentence.
    pub name: &'static str,
    reach: Reach,
    /// Largest mean payload of a packet from the source, bytes.
    out_bytes_max: u64,
    /// Largest mean payload of a packet from the destination, bytes.
    in_bytes_max: u64,
}

/// 1,500 bytes of Ethernet less 28 of IPv4 and UDP: no limit but the frame.
const FRAME: u64 = 1_472;

/// The protocol that transport and port stand for, whether or not sizes and reach agree. Ports are IANA's.
#[must_use]
pub const fn expected(transport: u8, port: u16) -> Option<Service> {
    let (name, reach, out_bytes_max, in_bytes_max) = match (transport, port) {
        // A question is a name of at most 255 bytes, a header of 12, type and class, and EDNS options (RFC 1035,
        // RFC 6891). What comes back is for the DNS detectors to weigh.
        (TCP | UDP, 53) => ("DNS", Reach::Anywhere, 300, FRAME),
        // 48 bytes and up to 20 of key id and digest (RFC 5905, 7.3), the same in both directions.
        (UDP, 123) => ("NTP", Reach::Anywhere, 68, 68),
        // Echo of ordinary tools carries 32 or 56 bytes; a tunnel needs more.
        (ICMP | ICMP_V6, _) => ("ICMP", Reach::Anywhere, 64, 64),
        (IGMP, _) => ("IGMP", Reach::Inside, FRAME, FRAME),
        (UDP, 67 | 68 | 546 | 547) => ("DHCP", Reach::Inside, FRAME, FRAME),
        (UDP, 137 | 138) => ("NetBIOS", Reach::Inside, FRAME, FRAME),
        (UDP, 514) => ("syslog", Reach::Inside, FRAME, FRAME),
        (UDP, 1900) => ("SSDP", Reach::Inside, FRAME, FRAME),
        (UDP, 5353) => ("mDNS", Reach::Inside, FRAME, FRAME),
        (UDP, 5355) => ("LLMNR", Reach::Inside, FRAME, FRAME),
        _ => return None,
    };
    Some(Service { name, reach, out_bytes_max, in_bytes_max })
}

/// Whether the group is what it seems to be: such a protocol, with its sizes, within its reach; or addressed to
/// nobody in particular (multicast, broadcast), where no server can sit.
#[must_use]
pub fn explains(group: &Group<'_>) -> bool {
    to_everybody(group)
        || expected(group.transport, group.port).is_some_and(|service| service.fits(group))
}

impl Service {
    fn fits(&self, group: &Group<'_>) -> bool {
        let totals = &group.totals;
        let within_reach = self.reach == Reach::Anywhere || group.direction == Direction::Internal;
        within_reach
            && mean_at_most(totals.bytes_out, totals.packets_out, self.out_bytes_max)
            && mean_at_most(totals.bytes_in, totals.packets_in, self.in_bytes_max)
    }
}

fn to_everybody(group: &Group<'_>) -> bool {
    match group.address {
        IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}

/// Whether a mean is at most `limit`; without packets there is no mean, and only no bytes fit.
fn mean_at_most(bytes: u64, packets: u64, limit: u64) -> bool {
    u128::from(bytes) <= u128::from(packets) * u128::from(limit)
}

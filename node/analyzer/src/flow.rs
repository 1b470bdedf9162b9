//! A flow and what application logs say about it, while they wait to be settled.
//!
//! Everything waits in the bucket of its client's address, so that a bucket holds all that is needed
//! to name and to score the flows of its clients.

mod logon;
mod said;
mod slim;

use std::net::IpAddr;

use flowlore_common::label::Category;

use crate::{
    category::{self, Shape},
    content::Content,
    limits::BUCKETS,
    packed::{Addr, Reader, Uid, Writer, mix, unzigzag, zigzag},
    record::{Conn, ConnState, RemoteAct, Sizes},
};

use logon::read_logon;
pub use logon::{Logon, write_logon, write_remote};
use said::{said, services_byte, state_byte};
pub use slim::{BASE_BYTES, Base, SLIM_BYTES, pack as pack_slim, read as read_slim};

/// Recognised application protocols, as bits.
pub mod service {
    /// TLS over TCP.
    pub const TLS: u8 = 1;
    /// HTTP in clear.
    pub const HTTP: u8 = 2;
    /// QUIC.
    pub const QUIC: u8 = 4;
    /// DNS.
    pub const DNS: u8 = 8;
    /// SSH.
    pub const SSH: u8 = 64;
}

/// One flow. Values that the sensor did not give are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Who opened it.
    pub orig: Addr,
    /// Who was addressed.
    pub resp: Addr,
    /// The sensor's name for it.
    pub uid: Uid,
    /// Microseconds since 1970 UTC.
    pub start_us: i64,
    /// Microseconds.
    pub duration_us: u64,
    /// Payload bytes from the originator.
    pub orig_bytes: u64,
    /// Payload bytes from the responder.
    pub resp_bytes: u64,
    /// Packets from the originator.
    pub orig_packets: u64,
    /// Packets from the responder.
    pub resp_packets: u64,
    /// IP bytes from the originator; where the sensor gives none, its payload bytes.
    pub orig_ip_bytes: u64,
    /// Bytes that the sensor missed.
    pub missed_bytes: u64,
    /// Number of the input file.
    pub file: u32,
    /// Originator's port.
    pub orig_port: u16,
    /// Responder's port.
    pub resp_port: u16,
    /// IP protocol number.
    pub transport: u8,
    /// How it went.
    pub state: Option<ConnState>,
    /// [`service`] bits.
    pub services: u8,
    /// How the sizes are known.
    pub sizes: Sizes,
    /// Whether the opening was seen, both ways and in order.
    pub begun: bool,
    /// A snapshot of a flow that goes on.
    pub open: bool,
    /// Whether the sensor takes the originator for an inside host.
    pub local_orig: Option<bool>,
    /// Whether the sensor takes the responder for an inside host.
    pub local_resp: Option<bool>,
}

impl Flow {
    /// End of it, as far as seen.
    #[must_use]
    pub fn end_us(&self) -> i64 {
        self.start_us.saturating_add_unsigned(self.duration_us)
    }

    /// Whether anything came back, a bare acknowledgement or refusal included. What counts bytes only is believed, too.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.resp_packets > 0 || self.resp_bytes > 0
    }

    /// What makes two records one flow: uid, start and 5-tuple.
    #[must_use]
    pub fn identity(&self) -> (Uid, i64, Addr, Addr, u16, u16, u8) {
        let Self { uid, start_us, orig, resp, orig_port, resp_port, transport, .. } = *self;
        (uid, start_us, orig, resp, orig_port, resp_port, transport)
    }

    /// Equal for equal identities. A uid is as good as unique; where there is none, time and ports are.
    #[must_use]
    pub fn identity_hash(&self) -> u64 {
        let ports = u64::from(self.orig_port) << 16 | u64::from(self.resp_port);
        let time = (self.start_us as u64).rotate_left(32) ^ ports;
        mix(self.uid.0 as u64 ^ self.resp.0 as u64, (self.uid.0 >> 64) as u64 ^ time)
    }

    /// What it is by its shape.
    #[must_use]
    pub fn category(&self) -> Category {
        category::categorise(&Shape {
            packets_out: self.orig_packets,
            bytes_out: self.orig_bytes,
            packets_in: self.resp_packets,
            bytes_in: self.resp_bytes,
            duration_us: self.duration_us,
            port: self.resp_port,
        })
    }
}

/// What waits in a bucket.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'a> {
    /// A flow; the text of its uid where the number does not hold it.
    Flow(Flow, Option<&'a str>),
    /// A TLS or QUIC handshake.
    Tls {
        /// Connection.
        uid: Uid,
        /// From QUIC.
        quic: bool,
        /// Server name; empty: none.
        name: &'a str,
        /// Hash of the client's JA3; 0: none.
        signature: u64,
    },
    /// An HTTP request.
    Http {
        /// Connection.
        uid: Uid,
        /// Host header or CONNECT's target, without a port; empty: none, or an address.
        name: &'a str,
        /// What is one bit each.
        bits: HttpBits,
        /// Hash of the user agent; 0: none.
        signature: u64,
    },
    /// A look-up of a name; the text of its uid where the number does not hold it.
    Query(Query<'a>, Option<&'a str>),
    /// A file of a kind that matters, or a large body that was sent.
    File {
        /// Connection.
        uid: Uid,
        /// Whether the connection's originator sent it.
        sent: bool,
        /// Its kind.
        content: Option<Content>,
        /// Bytes.
        bytes: u64,
    },
    /// A log-on.
    Logon(Logon<'a>),
    /// What only administrators do on another machine.
    Remote {
        /// Connection.
        uid: Uid,
        /// What.
        act: RemoteAct,
    },
    /// A DHCP lease.
    Lease {
        /// The address in use.
        address: Addr,
        /// Microseconds since 1970.
        time_us: i64,
        /// Hardware address; empty: none.
        mac: &'a str,
        /// Name of the machine; empty: none.
        name: &'a str,
    },
}

/// A look-up of a name: what was asked, and what came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// Who asked.
    pub client: Addr,
    /// Who was asked.
    pub server: Addr,
    /// The connection that it went by.
    pub uid: Uid,
    /// Microseconds since 1970 UTC.
    pub time_us: i64,
    /// Port of the server.
    pub port: u16,
    /// IP protocol number.
    pub transport: u8,
    /// Type asked for; 0: not said.
    pub qtype: u16,
    /// Response code; `None`: no response seen.
    pub rcode: Option<u8>,
    /// Bytes of the response as far as they are known: the whole message, or the answers as the log writes them.
    pub answer_bytes: u32,
    /// Highest entropy of the TXT answers, hundredths of a bit a character.
    pub txt_centibits: u16,
    /// Whether `name` is one that a host can have, in lower case, and may be shown.
    pub clean: bool,
    /// The name asked for, as bytes: lower case, escapes undone, without the last dot.
    pub name: &'a [u8],
    /// Addresses in the answers.
    pub addresses: Addresses<'a>,
    /// More addresses of the look-up before, which did not fit there; nothing else of it counts.
    pub continued: bool,
}

/// Addresses, packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses<'a> {
    v4: &'a [u8],
    v6: &'a [u8],
}

impl Addresses<'_> {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Addr> {
        let v4 = self.v4.as_chunks::<4>().0.iter().map(|&four| IpAddr::from(four).into());
        let v6 = self.v6.as_chunks::<16>().0.iter().map(|&all| IpAddr::from(all).into());
        v4.chain(v6)
    }
}

const KIND_FLOW: u8 = 0;
const KIND_TLS: u8 = 1;
const KIND_HTTP: u8 = 2;
const KIND_QUERY: u8 = 3;
const KIND_LEASE: u8 = 4;
const KIND_LOGON: u8 = 5;
const KIND_REMOTE: u8 = 6;
const KIND_FILE: u8 = 7;
const KIND_MASK: u8 = 7;
/// First byte of a flow, above the kind.
const ORIG_V6: u8 = 1 << 3;
const RESP_V6: u8 = 1 << 4;
const OPEN: u8 = 1 << 5;
/// Above: 0 other, 1 TCP, 2 UDP, 3 a flow in fixed places (`slim.rs`).
const TRANSPORT_SHIFT: u8 = 6;
const SLIM: u8 = 3;

/// Which bucket the records of this client wait in.
#[must_use]
pub fn bucket_of(client: Addr) -> usize {
    (mix(client.0 as u64, (client.0 >> 64) as u64) % BUCKETS as u64) as usize
}

/// Writes a connection of any values. `base_us` is the start of the one before it that this wrote into the chunk.
pub fn write_conn(out: &mut Writer<'_>, record: &Conn<'_>, file: u32, base_us: i64) {
    let (orig, resp) = (Addr::from(record.ends.orig), Addr::from(record.ends.resp));
    let transport = match record.transport {
        6 => 1,
        17 => 2,
        _ => 0,
    };
    let mut head = KIND_FLOW | transport << TRANSPORT_SHIFT;
    head |= if orig.is_v4() { 0 } else { ORIG_V6 };
    head |= if resp.is_v4() { 0 } else { RESP_V6 };
    head |= if record.open { OPEN } else { 0 };
    out.byte(head);
    out.byte(state_byte(record));
    out.byte(services_byte(record));
    if transport == 0 {
        out.byte(record.transport);
    }
    let orig_bytes = record.orig_bytes.unwrap_or(0);
    let orig_packets = record.orig_packets.unwrap_or(0);
    let ip_bytes = record.orig_ip_bytes.unwrap_or(orig_bytes);
    let over_usual = ip_bytes.wrapping_sub(usual_ip_bytes(orig_bytes, orig_packets)) as i64;
    out.addr(orig);
    out.addr(resp);
    out.numbers([
        u64::from(record.ends.orig_port) << 16 | u64::from(record.ends.resp_port),
        zigzag(record.start_us.wrapping_sub(base_us)),
        record.duration_us.unwrap_or(0),
        orig_bytes,
        record.resp_bytes.unwrap_or(0),
        orig_packets,
        record.resp_packets.unwrap_or(0),
        zigzag(over_usual),
        record.missed_bytes,
        u64::from(file),
    ]);
    out.uid(record.uid);
}

/// Near the IP bytes of such a flow, so that the difference is short to write. 40 bytes: IPv4 and
/// TCP headers without options.
fn usual_ip_bytes(bytes: u64, packets: u64) -> u64 {
    bytes.wrapping_add(packets.wrapping_mul(40))
}

/// Writes a handshake.
pub fn write_tls(out: &mut Writer<'_>, uid: &str, quic: bool, name: &str, signature: u64) {
    out.byte(KIND_TLS | u8::from(quic) << 3);
    out.uid(uid.as_bytes());
    out.text(name);
    out.bytes.extend_from_slice(&signature.to_le_bytes());
}

/// Facts of an HTTP request that are one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpBits {
    /// It is a CONNECT.
    pub connect: bool,
    /// Its Host header was missing.
    pub missing_host: bool,
    /// The answer's MIME type contradicts the path.
    pub mime_mismatch: bool,
    /// It posted a body.
    pub posted: bool,
}

/// Writes a request.
pub fn write_http(out: &mut Writer<'_>, uid: &str, bits: HttpBits, name: &str, signature: u64) {
    let bits = [bits.connect, bits.missing_host, bits.mime_mismatch, bits.posted];
    let bits = (3..).zip(bits).fold(0, |all, (at, bit)| all | u8::from(bit) << at);
    out.byte(KIND_HTTP | bits);
    out.uid(uid.as_bytes());
    out.text(name);
    out.bytes.extend_from_slice(&signature.to_le_bytes());
}

/// Writes a look-up with its addresses, which [`Query::addresses`] is not read for. `base_us` is as for a connection.
///
/// Packed texts leave room for [`crate::limits::QUERY_ADDRESSES_MAX`] addresses; more take further entries.
pub fn write_query(
    out: &mut Writer<'_>,
    query: &Query<'_>,
    (uid, base_us): (&str, i64),
    addresses: &[Addr],
) {
    let small = |set: bool, bit: u8| u8::from(set) << bit;
    out.byte(
        KIND_QUERY
            | v6_bits(query.client, query.server)
            | small(query.clean, 5)
            | small(query.continued, 6),
    );
    out.addr(query.client);
    out.addr(query.server);
    out.uid(uid.as_bytes());
    out.numbers([
        zigzag(query.time_us.wrapping_sub(base_us)),
        u64::from(query.port) << 8 | u64::from(query.transport),
        u64::from(query.qtype),
        query.rcode.map_or(0, |code| u64::from(code) + 1),
        u64::from(query.answer_bytes),
        u64::from(query.txt_centibits),
    ]);
    out.blob(query.name);
    let (v4, v6) = (addresses.iter().filter(|one| one.is_v4()), addresses.iter());
    out.byte(v4.clone().count() as u8);
    out.byte(addresses.len() as u8);
    v4.chain(v6.filter(|one| !one.is_v4())).for_each(|one| match IpAddr::from(*one) {
        IpAddr::V4(v4) => out.bytes.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => out.bytes.extend_from_slice(&v6.octets()),
    });
}

/// Writes a file.
pub fn write_file(
    out: &mut Writer<'_>,
    uid: &str,
    sent: bool,
    content: Option<Content>,
    bytes: u64,
) {
    out.byte(KIND_FILE | u8::from(sent) << 3 | Content::code(content) << 4);
    out.uid(uid.as_bytes());
    out.numbers([bytes]);
}

/// Writes a lease.
pub fn write_lease(out: &mut Writer<'_>, address: Addr, time_us: i64, mac: &str, name: &str) {
    out.byte(KIND_LEASE | v6_bits(address, address));
    out.addr(address);
    out.numbers([zigzag(time_us)]);
    out.text(mac);
    out.text(name);
}

fn v6_bits(first: Addr, second: Addr) -> u8 {
    u8::from(!first.is_v4()) << 3 | u8::from(!second.is_v4()) << 4
}

/// Reads the next entry; moves `base_us` on. `None` at the end of the chunk.
pub fn read<'a>(input: &mut Reader<'a>, base_us: &mut i64) -> Option<Entry<'a>> {
    let head = input.byte()?;
    Some(match head & KIND_MASK {
        KIND_FLOW => {
            let (flow, text) = read_flow(input, head, base_us)?;
            Entry::Flow(flow, text)
        }
        KIND_TLS => Entry::Tls {
            uid: input.uid()?.0,
            quic: head & 1 << 3 != 0,
            name: input.text()?,
            signature: read_signature(input)?,
        },
        KIND_HTTP => Entry::Http {
            uid: input.uid()?.0,
            bits: HttpBits {
                connect: head & 1 << 3 != 0,
                missing_host: head & 1 << 4 != 0,
                mime_mismatch: head & 1 << 5 != 0,
                posted: head & 1 << 6 != 0,
            },
            name: input.text()?,
            signature: read_signature(input)?,
        },
        KIND_QUERY => {
            let (query, text) = read_query(input, head, *base_us)?;
            Entry::Query(query, text)
        }
        KIND_FILE => Entry::File {
            uid: input.uid()?.0,
            sent: head & 1 << 3 != 0,
            content: Content::from_code(head >> 4),
            bytes: input.numbers().map(|[bytes]| bytes)?,
        },
        KIND_LOGON => Entry::Logon(read_logon(input, head, *base_us)?),
        KIND_REMOTE => Entry::Remote {
            uid: input.uid()?.0,
            act: if head & 1 << 3 == 0 { RemoteAct::AdminShare } else { RemoteAct::Execution },
        },
        KIND_LEASE => Entry::Lease {
            address: input.addr(head & 1 << 3 != 0)?,
            time_us: read_time(input)?,
            mac: input.text()?,
            name: input.text()?,
        },
        _ => return None,
    })
}

fn read_time(input: &mut Reader<'_>) -> Option<i64> {
    input.numbers().map(|[time]| unzigzag(time))
}

fn read_query<'a>(
    input: &mut Reader<'a>,
    head: u8,
    base_us: i64,
) -> Option<(Query<'a>, Option<&'a str>)> {
    let client = input.addr(head & 1 << 3 != 0)?;
    let server = input.addr(head & 1 << 4 != 0)?;
    let (uid, text) = input.uid()?;
    let [time, to, qtype, rcode, answer_bytes, txt_centibits] = input.numbers()?;
    let name = input.blob()?;
    let (v4, all) = (usize::from(input.byte()?), usize::from(input.byte()?));
    let addresses =
        Addresses { v4: input.take(v4 * 4)?, v6: input.take(all.checked_sub(v4)? * 16)? };
    let query = Query {
        client,
        server,
        uid,
        time_us: base_us.wrapping_add(unzigzag(time)),
        port: (to >> 8) as u16,
        transport: to as u8,
        qtype: qtype as u16,
        rcode: rcode.checked_sub(1).map(|code| code as u8),
        answer_bytes: answer_bytes as u32,
        txt_centibits: txt_centibits as u16,
        clean: head & 1 << 5 != 0,
        name,
        addresses,
        continued: head & 1 << 6 != 0,
    };
    Some((query, text))
}

fn read_signature(input: &mut Reader<'_>) -> Option<u64> {
    let mut bytes = [0; 8];
    for byte in &mut bytes {
        *byte = input.byte()?;
    }
    Some(u64::from_le_bytes(bytes))
}

fn read_flow<'a>(
    input: &mut Reader<'a>,
    head: u8,
    base_us: &mut i64,
) -> Option<(Flow, Option<&'a str>)> {
    let second = input.byte()?;
    let services = input.byte()?;
    let transport = match head >> TRANSPORT_SHIFT {
        0 => input.byte()?,
        1 => 6,
        2 => 17,
        _ => return None,
    };
    let orig = input.addr(head & ORIG_V6 != 0)?;
    let resp = input.addr(head & RESP_V6 != 0)?;
    let [ports, start, duration_us, orig_bytes, resp_bytes, more @ ..] = input.numbers::<10>()?;
    let [orig_packets, resp_packets, over, missed_bytes, file] = more;
    let start_us = base_us.wrapping_add(unzigzag(start));
    *base_us = start_us;
    let usual = usual_ip_bytes(orig_bytes, orig_packets);
    let orig_ip_bytes = usual.wrapping_add(unzigzag(over) as u64);
    let (uid, text) = input.uid()?;
    let flow = Flow {
        orig,
        resp,
        uid,
        start_us,
        duration_us,
        orig_bytes,
        resp_bytes,
        orig_packets,
        resp_packets,
        orig_ip_bytes,
        missed_bytes,
        file: file as u32,
        orig_port: (ports >> 16) as u16,
        resp_port: ports as u16,
        transport,
        open: head & OPEN != 0,
        ..said(second, services)
    };
    Some((flow, text))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{
        limits::QUERY_ADDRESSES_MAX,
        record::{Ends, LogonProtocol},
    };

    fn conn(orig: &str, resp: &str) -> Conn<'static> {
        Conn {
            start_us: 1_700_000_000_000_001,
            uid: b"CHhAvVGS1DHFjwGM9",
            ends: Ends {
                orig: orig.parse().unwrap(),
                orig_port: 50_000,
                resp: resp.parse().unwrap(),
                resp_port: 443,
            },
            transport: 6,
            service: Some(b"ssl,http"),
            duration_us: Some(1_500_000),
            orig_bytes: Some(u64::MAX),
            resp_bytes: Some(0),
            state: Some(ConnState::Oth),
            local_orig: Some(true),
            local_resp: Some(false),
            missed_bytes: 7,
            history: None,
            orig_packets: Some(u64::MAX / 3),
            orig_ip_bytes: Some(17),
            resp_packets: None,
            resp_ip_bytes: None,
            sizes: Sizes::Exported,
            open: true,
        }
    }

    #[test]
    fn a_flow_comes_back_exactly_whatever_its_numbers() {
        let ends = [("192.0.2.1", "2001:db8::1"), ("2001:db8::1", "198.51.100.7")];
        for (orig, resp) in ends {
            for transport in [6, 17, 1, 0, 255] {
                let record = Conn { transport, ..conn(orig, resp) };
                let mut bytes = Vec::new();
                write_conn(&mut Writer { bytes: &mut bytes }, &record, 70_000, i64::MIN);
                let mut base = i64::MIN;
                let mut reader = Reader::new(&bytes);
                let Some(Entry::Flow(flow, None)) = read(&mut reader, &mut base) else {
                    panic!("no flow");
                };
                assert!(reader.is_empty());
                assert_eq!(IpAddr::from(flow.orig), record.ends.orig);
                assert_eq!(IpAddr::from(flow.resp), record.ends.resp);
                assert_eq!((flow.orig_port, flow.resp_port), (50_000, 443));
                assert_eq!((flow.start_us, flow.duration_us), (record.start_us, 1_500_000));
                assert_eq!((flow.orig_bytes, flow.resp_bytes), (u64::MAX, 0));
                assert_eq!((flow.orig_packets, flow.resp_packets), (u64::MAX / 3, 0));
                assert_eq!((flow.orig_ip_bytes, flow.missed_bytes), (17, 7));
                assert_eq!((flow.file, flow.transport), (70_000, transport));
                assert_eq!(flow.state, Some(ConnState::Oth));
                assert_eq!(flow.services, service::TLS | service::HTTP);
                assert_eq!(flow.sizes, Sizes::Exported);
                assert_eq!((flow.local_orig, flow.local_resp), (Some(true), Some(false)));
                assert!(flow.open);
            }
        }
    }

    #[test]
    fn what_logs_add_comes_back() {
        let (client, address) =
            (Addr::from("10.0.0.1".parse::<IpAddr>().unwrap()), Addr(0x2001 << 112));
        let mut bytes = Vec::new();
        let mut writer = Writer { bytes: &mut bytes };
        write_tls(&mut writer, "Ca", true, "a.example", 9);
        let bits =
            HttpBits { connect: true, missing_host: false, mime_mismatch: true, posted: true };
        write_http(&mut writer, "odd uid", bits, "", u64::MAX);
        let query = Query {
            client,
            server: address,
            uid: Uid::new(b"Cq"),
            time_us: -5,
            port: 5_353,
            transport: 17,
            qtype: 65_399,
            rcode: Some(0),
            answer_bytes: 70_000,
            txt_centibits: 599,
            clean: true,
            name: b"b.example",
            addresses: Addresses::default(),
            continued: false,
        };
        write_query(&mut writer, &query, ("Cq", 40), &[address, client, Addr(7)]);
        let odd = Query { rcode: None, clean: false, continued: true, name: &[0xff; 255], ..query };
        write_query(&mut writer, &odd, ("an odd uid", 40), &[Addr(7); QUERY_ADDRESSES_MAX]);
        let logon = Logon {
            client,
            server: address,
            time_us: -7,
            port: 88,
            protocol: LogonProtocol::Ssh,
            success: Some(false),
            user: "eve",
            machine: "",
        };
        write_logon(&mut writer, &logon, 40);
        write_remote(&mut writer, "Cr", RemoteAct::Execution);
        write_lease(&mut writer, client, 5, "", "pc-1");
        let mut reader = Reader::new(&bytes);
        let mut base = 40;
        let mut next = || read(&mut reader, &mut base);
        let uid = Uid::new(b"Ca");
        assert_eq!(next(), Some(Entry::Tls { uid, quic: true, name: "a.example", signature: 9 }));
        let uid = Uid::new(b"odd uid");
        let http = Entry::Http { uid, name: "", bits, signature: u64::MAX };
        assert_eq!(next(), Some(http));
        let Some(Entry::Query(back, None)) = next() else { panic!("no query") };
        let addresses: Vec<Addr> = back.addresses.iter().collect();
        assert_eq!(addresses, [client, address, Addr(7)], "those of IPv4 first");
        assert_eq!(Query { addresses: Addresses::default(), ..back }, query);
        let Some(Entry::Query(back, Some("an odd uid"))) = next() else { panic!("no query") };
        assert_eq!(back.addresses.iter().collect::<Vec<_>>(), [Addr(7); QUERY_ADDRESSES_MAX]);
        let uid = Uid::new(b"an odd uid");
        assert_eq!(Query { addresses: Addresses::default(), ..back }, Query { uid, ..odd });
        assert_eq!(next(), Some(Entry::Logon(logon)));
        let uid = Uid::new(b"Cr");
        assert_eq!(next(), Some(Entry::Remote { uid, act: RemoteAct::Execution }));
        assert_eq!(
            next(),
            Some(Entry::Lease { address: client, time_us: 5, mac: "", name: "pc-1" })
        );
        assert_eq!(next(), None);
    }

    #[test]
    fn rubbish_ends_the_reading() {
        for length in 0..64 {
            let bytes = vec![0xf8; length];
            let mut reader = Reader::new(&bytes);
            let mut base = 0;
            while read(&mut reader, &mut base).is_some() {}
        }
    }
}

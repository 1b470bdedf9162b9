//! The usual flow with each value in a fixed place: 48 bytes.
//!
//! Almost all flows of a network fit: IPv4, a uid of Zeek's or none, 64 MiB out and a gibibyte back, 8,191 packets each way,
//! 71 minutes, nothing missed. They are written and read in a few moves, where the form that holds any value asks for
//! the length of each number; and what waits is what an analysis needs most of its memory for. What does not fit is
//! written in that form ([`super::write_conn`]), value by value the same.
//!
//! | word | from its lowest bit |
//! |---|---|
//! | 0 | head 8, state 8, services 8, uid 8, originator 32 |
//! | 1 | responder 32, originator's port 16, responder's port 16 |
//! | 2 | start 32, duration 32 |
//! | 3 | payload out 26, packets out 13, packets back 13, uid 12 |
//! | 4 | payload back 30, IP bytes over the usual 16, uid 18 |
//! | 5 | uid 64 |
//!
//! Starts count from a [`Base`], which stands before the first such flow of a chunk and wherever it changes.

use super::{
    Flow, KIND_FLOW, KIND_MASK, OPEN, SLIM, TRANSPORT_SHIFT, said, services_byte, state_byte,
    usual_ip_bytes,
};
use crate::{
    packed::{Addr, Reader, Uid, unzigzag, zigzag},
    record::Conn,
};

/// Bytes of a flow in this form.
pub const SLIM_BYTES: usize = 48;
/// Bytes of a base.
pub const BASE_BYTES: usize = 1 + 8 + 4;

/// The first byte, but for the transport and one bit.
const HEAD: u8 = KIND_FLOW | SLIM << TRANSPORT_SHIFT;
const HEAD_MASK: u8 = KIND_MASK | 3 << TRANSPORT_SHIFT;
/// Where the first byte says the transport, which for a base is 0.
const PROTOCOL_SHIFT: u8 = 3;
/// Transports by their codes.
const PROTOCOLS: [u8; 4] = [0, 6, 17, 1];

const SENT_BITS: u32 = 26;
const BACK_BITS: u32 = 30;
const PACKET_BITS: u32 = 13;
const OVER_BITS: u32 = 16;

/// What the flows behind it have in common: their file, and a time shortly before or after which they start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    start_us: i64,
    file: u32,
}

impl Base {
    /// Holds no flow: a chunk begins with it.
    pub const NONE: Self = Self { start_us: i64::MIN, file: 0 };

    /// How far from it its middle is, microseconds.
    pub const MIDDLE: u32 = 1 << 31;

    /// With a flow in its middle.
    #[must_use]
    pub fn around(start_us: i64, file: u32) -> Self {
        Self { start_us: start_us - i64::from(Self::MIDDLE), file }
    }

    /// Where from here a flow starts; `None` for one that needs another base.
    #[inline]
    #[must_use]
    pub fn offset(&self, start_us: i64, file: u32) -> Option<u32> {
        let offset = u32::try_from(start_us.wrapping_sub(self.start_us)).ok();
        offset.filter(|_| file == self.file)
    }

    /// As it stands before flows.
    #[must_use]
    pub fn pack(&self) -> [u8; BASE_BYTES] {
        let mut packed = [HEAD; BASE_BYTES];
        packed[1..9].copy_from_slice(&self.start_us.to_le_bytes());
        packed[9..].copy_from_slice(&self.file.to_le_bytes());
        packed
    }

    fn read([_, a, b, c, d, e, f, g, h, file @ ..]: [u8; BASE_BYTES]) -> Self {
        let start_us = i64::from_le_bytes([a, b, c, d, e, f, g, h]);
        Self { start_us, file: u32::from_le_bytes(file) }
    }
}

/// A connection in this form, `offset` from the base; `None` when one of its values does not fit.
#[inline]
#[must_use]
pub fn pack(record: &Conn<'_>, offset: u32) -> Option<[u8; SLIM_BYTES]> {
    let protocol: u8 = match record.transport {
        6 => 1,
        17 => 2,
        1 => 3,
        _ => return None,
    };
    let ends = &record.ends;
    let (orig, resp) = (Addr::from(ends.orig).v4()?, Addr::from(ends.resp).v4()?);
    let uid = Uid::packed(record.uid)?.short()?;
    let duration = record.duration_us.unwrap_or(0);
    let (sent, back) = (record.orig_bytes.unwrap_or(0), record.resp_bytes.unwrap_or(0));
    let (out, answers) = (record.orig_packets.unwrap_or(0), record.resp_packets.unwrap_or(0));
    let ip_bytes = record.orig_ip_bytes.unwrap_or(sent);
    let over = zigzag(ip_bytes.wrapping_sub(usual_ip_bytes(sent, out)) as i64);
    let beyond = duration >> 32
        | sent >> SENT_BITS
        | back >> BACK_BITS
        | (out | answers) >> PACKET_BITS
        | over >> OVER_BITS
        | record.missed_bytes;
    if beyond != 0 {
        return None;
    }
    let head = HEAD | protocol << PROTOCOL_SHIFT | if record.open { OPEN } else { 0 };
    let said = [head, state_byte(record), services_byte(record), (uid >> 94) as u8];
    let words = [
        u64::from(u32::from_le_bytes(said)) | u64::from(orig) << 32,
        u64::from(resp) | u64::from(ends.orig_port) << 32 | u64::from(ends.resp_port) << 48,
        u64::from(offset) | duration << 32,
        sent | out << SENT_BITS
            | answers << (SENT_BITS + PACKET_BITS)
            | ((uid >> 82) as u64) << (SENT_BITS + 2 * PACKET_BITS),
        back | over << BACK_BITS | ((uid >> 64) as u64) << (BACK_BITS + OVER_BITS),
        uid as u64,
    ];
    let mut packed = [0; SLIM_BYTES];
    for (place, word) in packed.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    Some(packed)
}

/// The next entry if it is a flow in this form. A base before it takes effect.
#[inline]
#[must_use]
pub fn read(input: &mut Reader<'_>, base: &mut Base) -> Option<Flow> {
    let is_flow = |head: u8| head & HEAD_MASK == HEAD && head >> PROTOCOL_SHIFT & 3 != 0;
    let packed: &[u8; SLIM_BYTES] = match input.fixed(is_flow) {
        Some(packed) => packed,
        None => {
            *base = Base::read(*input.fixed(|head| head == HEAD)?);
            input.fixed(is_flow)?
        }
    };
    let mut words = [0; SLIM_BYTES / 8];
    for (word, bytes) in words.iter_mut().zip(packed.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let [first, ends, time, counts, back, uid] = words;
    let [head, state, services, uid_top, ..] = first.to_le_bytes();
    let bits = |word: u64, from: u32, count: u32| word >> from & ((1 << count) - 1);
    let uid = u128::from(uid)
        | u128::from(back >> (BACK_BITS + OVER_BITS)) << 64
        | u128::from(counts >> (SENT_BITS + 2 * PACKET_BITS)) << 82
        | u128::from(uid_top) << 94;
    let orig_bytes = bits(counts, 0, SENT_BITS);
    let orig_packets = bits(counts, SENT_BITS, PACKET_BITS);
    let over = unzigzag(bits(back, BACK_BITS, OVER_BITS)) as u64;
    Some(Flow {
        orig: Addr::of_v4((first >> 32) as u32),
        resp: Addr::of_v4(ends as u32),
        uid: Uid::of_short(uid),
        start_us: base.start_us.wrapping_add_unsigned(bits(time, 0, 32)),
        duration_us: time >> 32,
        orig_bytes,
        resp_bytes: bits(back, 0, BACK_BITS),
        orig_packets,
        resp_packets: bits(counts, SENT_BITS + PACKET_BITS, PACKET_BITS),
        orig_ip_bytes: usual_ip_bytes(orig_bytes, orig_packets).wrapping_add(over),
        file: base.file,
        orig_port: (ends >> 32) as u16,
        resp_port: (ends >> 48) as u16,
        transport: PROTOCOLS[usize::from(head >> PROTOCOL_SHIFT & 3)],
        open: head & OPEN != 0,
        ..said(state, services)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        flow::{Entry, write_conn},
        packed::Writer,
        record::{ConnState, Ends, Sizes},
    };

    fn conn() -> Conn<'static> {
        Conn {
            start_us: 4_294_967_295_999_999,
            uid: b"CHhAvVGS1DHFjwGM9z",
            ends: Ends {
                orig: "255.0.1.254".parse().unwrap(),
                orig_port: 65_535,
                resp: "0.255.3.4".parse().unwrap(),
                resp_port: 65_534,
            },
            transport: 6,
            service: Some(b"ssl,ssh"),
            duration_us: Some(u64::from(u32::MAX)),
            orig_bytes: Some((1 << 26) - 1),
            resp_bytes: Some((1 << 30) - 2),
            state: Some(ConnState::Oth),
            local_orig: Some(true),
            local_resp: Some(false),
            missed_bytes: 0,
            history: Some(b"ShADad"),
            orig_packets: Some(8_191),
            orig_ip_bytes: Some((1 << 26) - 1 + 40 * 8_191 + 32_767),
            resp_packets: Some(8_190),
            resp_ip_bytes: None,
            sizes: Sizes::Exported,
            open: true,
        }
    }

    /// The flow as the form that holds any value gives it back.
    fn any(record: &Conn<'_>, file: u32) -> Flow {
        let mut bytes = Vec::new();
        write_conn(&mut Writer { bytes: &mut bytes }, record, file, 0);
        let Some(Entry::Flow(flow, _)) = crate::flow::read(&mut Reader::new(&bytes), &mut 0) else {
            panic!("a flow was written");
        };
        flow
    }

    #[test]
    fn both_forms_say_the_same() {
        let unset = Conn {
            start_us: 0,
            uid: b"",
            service: None,
            duration_us: None,
            orig_bytes: None,
            resp_bytes: None,
            state: None,
            local_orig: None,
            local_resp: None,
            history: None,
            orig_packets: None,
            orig_ip_bytes: None,
            resp_packets: None,
            transport: 1,
            sizes: Sizes::Counted,
            open: false,
            ..conn()
        };
        let payload_for_ip = Conn { orig_ip_bytes: None, orig_packets: Some(819), ..conn() };
        let estimated =
            Conn { sizes: Sizes::Estimated, transport: 17, uid: b"Czzzzzzzzzzzzzzzzz", ..conn() };
        let others = [&b"C"[..], b"C0", b"C00000000000000000", b"CzZ9"];
        let others = others.map(|uid| Conn { uid, ..conn() });
        let records = [conn(), unset, payload_for_ip, estimated].into_iter().chain(others);
        for (file, record) in (0..).zip(records).map(|(at, record)| (u32::MAX - at, record)) {
            let base = Base::around(record.start_us, file);
            let offset = base.offset(record.start_us, file).expect("in its middle");
            let mut packed = base.pack().to_vec();
            packed.extend(pack(&record, offset).expect("each value fits"));
            packed.extend(pack(&record, offset).expect("each value fits"));
            let (mut reader, mut base) = (Reader::new(&packed), Base::NONE);
            assert_eq!(read(&mut reader, &mut base), Some(any(&record, file)));
            assert_eq!(read(&mut reader, &mut base), Some(any(&record, file)), "the same base");
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_base_holds_71_minutes_of_a_file() {
        let base = Base::around(1_700_000_000_000_000, 7);
        let half = 1 << 31;
        assert_eq!(base.offset(1_700_000_000_000_000 - half, 7), Some(0));
        assert_eq!(base.offset(1_700_000_000_000_000 + half - 1, 7), Some(u32::MAX));
        assert_eq!(base.offset(1_700_000_000_000_000 - half - 1, 7), None);
        assert_eq!(base.offset(1_700_000_000_000_000 + half, 7), None);
        assert_eq!(base.offset(1_700_000_000_000_000, 8), None, "another file");
        for start_us in [0, 1_700_000_000_000_000, 4_294_967_295_999_999] {
            assert_eq!(Base::NONE.offset(start_us, 0), None);
        }
        assert_eq!(Base::read(base.pack()), base);
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        let v6 = "2001:db8::1".parse().unwrap();
        let odd = [
            Conn { ends: Ends { orig: v6, ..conn().ends }, ..conn() },
            Conn { ends: Ends { resp: v6, ..conn().ends }, ..conn() },
            Conn { uid: b"no uid of Zeek's", ..conn() },
            Conn { uid: b"DHhAvVGS1DHFjwGM9", ..conn() },
            Conn { uid: b"CHhAvVGS1DHFjwGM9zz", ..conn() },
            Conn { missed_bytes: 1, ..conn() },
            Conn { transport: 47, ..conn() },
            Conn { duration_us: Some(1 << 32), ..conn() },
            Conn { orig_bytes: Some(1 << 26), ..conn() },
            Conn { resp_bytes: Some(1 << 30), ..conn() },
            Conn { orig_ip_bytes: Some(u64::MAX), ..conn() },
            Conn { orig_ip_bytes: conn().orig_ip_bytes.map(|bytes| bytes + 1), ..conn() },
            Conn { orig_ip_bytes: Some(0), ..conn() },
            Conn { orig_packets: Some(8_192), ..conn() },
            Conn { resp_packets: Some(8_192), ..conn() },
        ];
        for record in odd {
            assert_eq!(pack(&record, 0), None, "{record:?}");
        }
        let mut bytes = Vec::new();
        write_conn(&mut Writer { bytes: &mut bytes }, &conn(), 0, 0);
        let read = |bytes: &[u8]| read(&mut Reader::new(bytes), &mut Base::around(0, 0));
        assert_eq!(read(&bytes), None, "the other form");
        let packed = pack(&conn(), 0).unwrap();
        assert!(read(&packed).is_some());
        assert_eq!(read(&packed[..SLIM_BYTES - 1]), None, "cut off");
        assert_eq!(read(&Base::NONE.pack()), None, "a base and nothing behind it");
    }
}

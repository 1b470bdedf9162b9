//! The usual flow with each value in a fixed place: 64 bytes, a line of the processor's cache.
//!
//! Almost all flows of a network fit: IPv4, a uid of Zeek's, under 4 GiB each way, under 65,536 packets, at most 71
//! minutes, nothing missed. They are written and read in a few moves, where the form that holds any value asks for the
//! length of each number. What does not fit is written in that form ([`super::write_conn`]), value by value the same.

use super::{Flow, KIND_FLOW, OPEN, SLIM, TRANSPORT_SHIFT, said, services_byte, state_byte};
use crate::{
    packed::{Addr, Reader, Uid},
    record::Conn,
};

/// Bytes of a flow in this form.
pub const SLIM_BYTES: usize = 64;

/// The first byte, but for one bit.
const HEAD: u8 = KIND_FLOW | SLIM << TRANSPORT_SHIFT;

/// A connection in this form; `None` when one of its values does not fit.
#[inline]
#[must_use]
pub fn pack(record: &Conn<'_>, file: u32) -> Option<[u8; SLIM_BYTES]> {
    let short = |value: Option<u64>| u32::try_from(value.unwrap_or(0)).ok().map(u64::from);
    let few = |value: Option<u64>| u16::try_from(value.unwrap_or(0)).ok().map(u64::from);
    let ends = &record.ends;
    let (orig, resp) = (Addr::from(ends.orig).v4()?, Addr::from(ends.resp).v4()?);
    if record.missed_bytes > 0 {
        return None;
    }
    let head = HEAD | if record.open { OPEN } else { 0 };
    let bytes = [head, state_byte(record), services_byte(record), record.transport];
    let uid = Uid::packed(record.uid)?.0;
    let words = [
        u64::from(u32::from_le_bytes(bytes)) | u64::from(orig) << 32,
        u64::from(resp) | u64::from(ends.orig_port) << 32 | u64::from(ends.resp_port) << 48,
        record.start_us as u64,
        short(record.duration_us)? | short(record.orig_bytes)? << 32,
        short(record.resp_bytes)? | short(record.orig_ip_bytes.or(record.orig_bytes))? << 32,
        few(record.orig_packets)? | few(record.resp_packets)? << 16 | u64::from(file) << 32,
        uid as u64,
        (uid >> 64) as u64,
    ];
    let mut packed = [0; SLIM_BYTES];
    for (place, word) in packed.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    Some(packed)
}

/// The next entry if it is a flow in this form.
#[inline]
#[must_use]
pub fn read(input: &mut Reader<'_>) -> Option<Flow> {
    let packed: &[u8; SLIM_BYTES] = input.fixed(|head| head & !OPEN == HEAD)?;
    let mut words = [0; SLIM_BYTES / 8];
    for (word, bytes) in words.iter_mut().zip(packed.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let [first, ends, start, sent, back, counts, uid_low, uid_high] = words;
    let [head, state, services, transport, ..] = first.to_le_bytes();
    let high = |word: u64| word >> 32;
    let low = |word: u64| word & u64::from(u32::MAX);
    Some(Flow {
        orig: Addr::of_v4(high(first) as u32),
        resp: Addr::of_v4(ends as u32),
        uid: Uid(u128::from(uid_low) | u128::from(uid_high) << 64),
        start_us: start as i64,
        duration_us: low(sent),
        orig_bytes: high(sent),
        resp_bytes: low(back),
        orig_packets: counts & 0xffff,
        resp_packets: counts >> 16 & 0xffff,
        orig_ip_bytes: high(back),
        file: high(counts) as u32,
        orig_port: (ends >> 32) as u16,
        resp_port: (ends >> 48) as u16,
        transport,
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
            transport: 47,
            service: Some(b"ssl,ssh"),
            duration_us: Some(u64::from(u32::MAX)),
            orig_bytes: Some(u64::from(u32::MAX) - 1),
            resp_bytes: Some(u64::from(u32::MAX) - 2),
            state: Some(ConnState::Oth),
            local_orig: Some(true),
            local_resp: Some(false),
            missed_bytes: 0,
            history: Some(b"ShADad"),
            orig_packets: Some(65_535),
            orig_ip_bytes: Some(u64::from(u32::MAX) - 3),
            resp_packets: Some(65_534),
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
            sizes: Sizes::Counted,
            open: false,
            ..conn()
        };
        let payload_for_ip = Conn { orig_ip_bytes: None, ..conn() };
        let estimated = Conn { sizes: Sizes::Estimated, transport: 6, ..conn() };
        for (record, file) in [(conn(), u32::MAX), (unset, 0), (payload_for_ip, 1), (estimated, 2)]
        {
            let packed = pack(&record, file).expect("each value fits");
            let mut reader = Reader::new(&packed);
            assert_eq!(read(&mut reader), Some(any(&record, file)));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        let v6 = "2001:db8::1".parse().unwrap();
        let over = Some(1 << 32);
        let odd = [
            Conn { ends: Ends { orig: v6, ..conn().ends }, ..conn() },
            Conn { ends: Ends { resp: v6, ..conn().ends }, ..conn() },
            Conn { uid: b"no uid of Zeek's", ..conn() },
            Conn { missed_bytes: 1, ..conn() },
            Conn { duration_us: over, ..conn() },
            Conn { orig_bytes: over, ..conn() },
            Conn { resp_bytes: over, ..conn() },
            Conn { orig_ip_bytes: over, ..conn() },
            Conn { orig_packets: Some(65_536), ..conn() },
            Conn { resp_packets: Some(65_536), ..conn() },
        ];
        for record in odd {
            assert_eq!(pack(&record, 0), None, "{record:?}");
        }
        let mut bytes = Vec::new();
        write_conn(&mut Writer { bytes: &mut bytes }, &conn(), 0, 0);
        assert_eq!(read(&mut Reader::new(&bytes)), None, "the other form");
        let packed = pack(&conn(), 0).unwrap();
        assert_eq!(read(&mut Reader::new(&packed[..SLIM_BYTES - 1])), None, "cut off");
    }
}

//! Files of nfcapd and nfdump 1.7: layout 2, records of version 3. Layout: `nffile.h` and `nfxV3.h` of
//! <https://github.com/phaag/nfdump>, and files that nfcapd 1.7.1 wrote.
//!
//! ```text
//! header | block: head, records: head, elements | block ... | appendix
//! ```
//!
//! Blocks may be compressed, each for itself; those are read whole. All numbers are as the machine had them that wrote
//! the file, in practice little-endian.

mod unpack;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use self::unpack::Packing;
use super::FileTally;
use super::table::Decoder;
use super::ways::{Counts, Record, Ways};
use crate::limits::NFCAPD_BLOCK_BYTES_MAX;
use crate::packed::Addr;
use crate::record::{Sink, Skip};

/// The name in the report.
pub(super) const NAME: &str = "nfcapd";

/// What these files cannot give.
pub(super) const LIMITS: &str = "nfcapd's records are routers', of one way each: the two ways are put together by time within \
     a file, and so are parts of a flow; what was sampled, it has scaled up.";

const HEADER_BYTES: usize = 40;
const BLOCK_HEAD_BYTES: usize = 12;
/// Type and length, of records and of elements.
const HEAD_BYTES: usize = 4;
const RECORD_HEAD_BYTES: usize = 12;
const RECORD_BYTES_MAX: usize = u16::MAX as usize;

/// A block of records, as nfdump 1.7 writes them.
const RECORDS: u16 = 3;
/// A block is as it is, whatever the file's header says (flag of a block).
const PLAIN: u16 = 1;
/// A flow (type of a record).
const FLOW: u16 = 11;
/// An event of a firewall (flag of a record): sizes of both ways, and perhaps no flow at all.
const EVENT: u8 = 1;
const SAMPLED: u8 = 2;

const TCP: u8 = 6;
const ICMP: [u8; 2] = [1, 58];

/// Whether a file begins so: its mark, little-endian, and its layout.
pub(super) fn is(start: &[u8]) -> bool {
    start.starts_with(&[0x0c, 0xa5, 2, 0])
}

pub(super) fn open() -> Box<dyn Decoder> {
    Box::new(File::default())
}

#[derive(Debug, Default)]
struct File {
    /// The beginning of a part whose end is to come: at most a record, or a compressed block.
    begun: Vec<u8>,
    place: Place,
    packing: Packing,
    blocks_left: u32,
    /// The collector writes the number of blocks when it closes a file; until then blocks go on to the end.
    is_live: bool,
    ways: Ways,
    not_unpacked: u64,
    sampled: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Header,
    Block,
    /// So many bytes of records.
    Records(usize),
    /// So many bytes, which hold records when they are unpacked.
    Packed(usize),
    /// So many bytes that are not looked at.
    Passed(usize),
    /// Behind the last block, or where lengths cannot be.
    Done,
}

impl Decoder for File {
    fn feed(&mut self, mut bytes: &[u8], tally: &mut FileTally, sink: &mut dyn Sink) {
        // One part out of both what was kept and what is new, the others where they lie.
        while !self.begun.is_empty() && !bytes.is_empty() {
            let mut begun = std::mem::take(&mut self.begun);
            let old = begun.len();
            let (more, rest) = bytes.split_at(bytes.len().min(RECORD_BYTES_MAX));
            begun.extend_from_slice(more);
            let used = self.parts(&begun, tally, sink);
            if let Some(ahead) = used.checked_sub(old) {
                bytes = bytes.get(ahead..).unwrap_or(&[]);
            } else {
                begun.drain(..used);
                self.begun = begun;
                bytes = rest;
            }
        }
        let used = self.parts(bytes, tally, sink);
        self.begun.extend_from_slice(bytes.get(used..).unwrap_or(&[]));
    }

    fn finish(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        let at_end = match self.place {
            Place::Done => true,
            Place::Block | Place::Records(0) | Place::Passed(0) => self.is_live,
            Place::Header | Place::Records(_) | Place::Packed(_) | Place::Passed(_) => false,
        };
        let is_whole = at_end && self.begun.is_empty();
        if self.is_live {
            tally
                .notes
                .insert("not yet closed by its collector: read as far as it goes".to_owned());
        }
        if !is_whole {
            tally.records += 1;
            tally.skip(Skip::CutOff, 1);
        }
        self.ways.settle(tally, sink);
        if self.not_unpacked > 0 {
            tally.notes.insert(format!(
                "records in blocks compressed with LZO, not read: {}; write them anew with \
                 `nfdump -r OLD -w NEW`, without -z",
                self.not_unpacked
            ));
        }
        if self.sampled > 0 {
            tally.notes.insert(format!(
                "records of sampled packets, which nfcapd scaled up: {}",
                self.sampled
            ));
        }
    }
}

impl File {
    /// Reads the whole parts at the start of these bytes; gives how many bytes they took.
    fn parts(&mut self, bytes: &[u8], tally: &mut FileTally, sink: &mut dyn Sink) -> usize {
        let mut rest = Little(bytes);
        loop {
            let before = rest;
            if self.part(&mut rest, tally).is_none() {
                return bytes.len() - before.0.len();
            }
            self.ways.settle_if_full(tally, sink);
        }
    }

    /// Reads a part; `None` if its end is not among these bytes, or nothing is left to read.
    fn part(&mut self, rest: &mut Little<'_>, tally: &mut FileTally) -> Option<()> {
        self.place = match self.place {
            Place::Header => {
                let mut header = Little(rest.take(HEADER_BYTES)?);
                header.take(16)?; // mark, layout, version of nfdump, time
                self.packing = Packing::of(header.u8()?);
                let encryption = header.u8()?;
                header.take(18)?; // appendix, size of blocks
                self.blocks_left = header.u32()?;
                self.is_live = self.blocks_left == 0;
                if encryption == 0 { self.next() } else { broken(tally) }
            }
            Place::Block => {
                let mut head = Little(rest.take(BLOCK_HEAD_BYTES)?);
                let (records, length) = (head.u32()?, head.u32()? as usize);
                let (kind, flags) = (head.u16()?, head.u16()?);
                self.blocks_left = self.blocks_left.saturating_sub(1);
                let packing = if flags & PLAIN == 0 { self.packing } else { Packing::None };
                if kind != RECORDS || packing == Packing::Unknown {
                    let records = u64::from(records);
                    self.not_unpacked += if packing == Packing::Unknown { records } else { 0 };
                    tally.records += records;
                    tally.skip(Skip::UnusedLog, records);
                    Place::Passed(length)
                } else if packing == Packing::None {
                    Place::Records(length)
                } else if length > NFCAPD_BLOCK_BYTES_MAX {
                    bad_block(tally);
                    Place::Passed(length)
                } else {
                    Place::Packed(length)
                }
            }
            Place::Packed(length) => {
                match self.packing.unpack(rest.take(length)?) {
                    Some(records) => self.unpacked(Little(&records), tally),
                    None => bad_block(tally),
                }
                self.next()
            }
            Place::Records(0) | Place::Passed(0) => self.next(),
            Place::Records(left) => {
                let mut head = *rest;
                let (kind, length) = (head.u16()?, usize::from(head.u16()?));
                if length < HEAD_BYTES || length > left {
                    broken(tally)
                } else {
                    self.record(kind, rest.take(length)?, tally);
                    Place::Records(left - length)
                }
            }
            Place::Passed(left) => {
                let count = left.min(rest.0.len());
                rest.take(count).filter(|passed| !passed.is_empty())?;
                Place::Passed(left - count)
            }
            Place::Done => {
                rest.take(rest.0.len()).filter(|passed| !passed.is_empty())?;
                Place::Done
            }
        };
        Some(())
    }

    /// Reads the records of a block that was unpacked. Where they are broken, the next block begins where it did.
    fn unpacked(&mut self, mut rest: Little<'_>, tally: &mut FileTally) {
        while !rest.0.is_empty() {
            let mut head = rest;
            let record = head.u16().zip(head.u16()).and_then(|(kind, length)| {
                let length = usize::from(length);
                rest.take(length).filter(|_| length >= HEAD_BYTES).map(|record| (kind, record))
            });
            let Some((kind, record)) = record else { return bad_block(tally) };
            self.record(kind, record, tally);
        }
    }

    fn record(&mut self, kind: u16, record: &[u8], tally: &mut FileTally) {
        if kind == FLOW {
            tally.records += 1;
            let added = self.flow(record).and_then(|record| self.ways.add(record));
            if let Err(reason) = added {
                tally.skip(reason, 1);
            }
        }
    }

    fn next(&self) -> Place {
        if self.blocks_left > 0 || self.is_live { Place::Block } else { Place::Done }
    }

    fn flow(&mut self, record: &[u8]) -> Result<Record, Skip> {
        let mut head = Little(record);
        let elements = head.take(RECORD_HEAD_BYTES).ok_or(Skip::BadPacket)?;
        let (exporter, flags) = match elements {
            [.., low, high, flags, _] => (u16::from_le_bytes([*low, *high]), *flags),
            _ => return Err(Skip::BadPacket),
        };
        self.sampled += u64::from(flags & SAMPLED != 0);
        let mut all = Elements::default();
        let mut rest = head;
        while !rest.0.is_empty() {
            let (kind, length) = rest.u16().zip(rest.u16()).ok_or(Skip::BadPacket)?;
            let length = usize::from(length).checked_sub(HEAD_BYTES).ok_or(Skip::BadPacket)?;
            let element = rest.take(length).ok_or(Skip::BadPacket)?;
            all.take(kind, Little(element)).ok_or(Skip::BadPacket)?;
        }
        all.record(exporter, flags & EVENT != 0)
    }
}

/// Counts a part whose lengths cannot be, or that is encrypted: what follows is not read.
fn broken(tally: &mut FileTally) -> Place {
    bad_block(tally);
    Place::Done
}

fn bad_block(tally: &mut FileTally) {
    tally.records += 1;
    tally.skip(Skip::BadBlock, 1);
}

/// What the elements of a record say.
#[derive(Default)]
struct Elements {
    ends: Option<(Addr, Addr)>,
    generic: Option<Generic>,
    /// Packets and bytes of the other way.
    back: (u64, u64),
    /// Of firewalls: 1 created, 3 denied.
    event: u8,
}

struct Generic {
    first_ms: u64,
    last_ms: u64,
    packets: u64,
    bytes: u64,
    ports: (u16, u16),
    transport: u8,
    flags: u8,
}

impl Elements {
    /// Takes an element; `None` if it is too short to be one of its kind.
    fn take(&mut self, kind: u16, mut from: Little<'_>) -> Option<()> {
        match kind {
            1 => {
                let (first_ms, last_ms, _) = (from.u64()?, from.u64()?, from.u64()?);
                let (packets, bytes) = (from.u64()?, from.u64()?);
                let ports = (from.u16()?, from.u16()?);
                let (transport, flags) = (from.u8()?, from.u8()?);
                let generic =
                    Generic { first_ms, last_ms, packets, bytes, ports, transport, flags };
                self.generic = Some(generic);
            }
            2 => self.ends = Some((from.ipv4()?, from.ipv4()?)),
            3 => self.ends = Some((from.ipv6()?, from.ipv6()?)),
            5 => {
                from.u64()?; // flows
                self.back = (from.u64()?, from.u64()?);
            }
            19 => {
                from.take(8 + 4 + 2)?; // time, number of the connection, further event
                self.event = from.u8()?;
            }
            _ => {}
        }
        Some(())
    }

    fn record(self, exporter: u16, is_event: bool) -> Result<Record, Skip> {
        let (source, destination) = self.ends.ok_or(Skip::MissingField)?;
        let of = self.generic.ok_or(Skip::MissingField)?;
        if is_event && self.event == 1 {
            return Err(Skip::NoFlow); // its end comes with the sizes
        }
        let us = |ms: u64| i64::try_from(ms).ok().and_then(|ms| ms.checked_mul(1_000));
        let (start_us, end_us) = us(of.first_ms).zip(us(of.last_ms)).ok_or(Skip::BadTime)?;
        let (mut source_port, mut destination_port) = of.ports;
        if ICMP.contains(&of.transport) {
            (source_port, destination_port) = (destination_port >> 8, destination_port & 0xff);
        }
        // Firewalls, and probes that put the ways together themselves, count the way back. No state can be told then:
        // the flags are of one way or of both, which the record does not say.
        let has_back = is_event || self.back != (0, 0);
        let counts = |packets, ip_bytes, flags: u8| Counts {
            packets,
            ip_bytes,
            flags: (of.transport == TCP && !has_back).then_some(flags),
        };
        Ok(Record {
            start_us,
            end_us: end_us.max(start_us),
            source: (source, source_port),
            destination: (destination, destination_port),
            transport: of.transport,
            sent: counts(of.packets, of.bytes, of.flags),
            received: has_back.then(|| counts(self.back.0, self.back.1, 0)),
            exporter: u64::from(exporter),
            denied: is_event && self.event == 3,
            edges: None,
        })
    }
}

/// What is left to read of little-endian numbers.
#[derive(Clone, Copy, Debug)]
struct Little<'a>(&'a [u8]);

impl<'a> Little<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn ipv4(&mut self) -> Option<Addr> {
        self.u32().map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)).into())
    }

    /// Two numbers, the first of them the network's half.
    fn ipv6(&mut self) -> Option<Addr> {
        let (high, low) = (u128::from(self.u64()?), u128::from(self.u64()?));
        Some(Ipv6Addr::from_bits(high << 64 | low).to_canonical().into())
    }
}

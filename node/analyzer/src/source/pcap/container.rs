//! Files of packets, libpcap's and pcapng, to frames with their times. Bytes may come cut anywhere; of a
//! file no more than one block is kept.

use std::ops::Range;

use pcap_parser::{
    Block, parse_block_be, parse_block_le, parse_pcap_header, parse_sectionheaderblock,
};

use crate::limits::{CAPTURE_BLOCK_BYTES_MAX, CAPTURE_INTERFACES_MAX, TIME_SECONDS_MAX};
use crate::source::wire::Wire;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];

/// A frame as it lies in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// Microseconds since 1970 UTC; `None` where it is no time.
    pub(super) time_us: Option<i64>,
    /// Link type, as the registry of the Tcpdump Group numbers them.
    pub(super) link: i32,
    pub(super) bytes: &'a [u8],
}

/// Why the rest of a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// What the first bytes of what is left are.
enum Step {
    /// So many bytes, of which nothing is wanted.
    Pass(usize),
    /// A frame in the first so many bytes; where, its time and its link type.
    Frame { size: usize, at: Range<usize>, time_us: Option<i64>, link: i32 },
    /// More is needed to tell.
    More,
}

/// Cuts a file into frames.
#[derive(Debug)]
pub(super) struct Container {
    kind: Kind,
    /// The beginning of a block whose end is to come.
    begun: Vec<u8>,
    /// Bytes still to be passed over.
    pass: usize,
}

#[derive(Debug)]
enum Kind {
    Pcap(Option<Pcap>),
    Pcapng(Pcapng),
}

#[derive(Debug)]
struct Pcap {
    big_endian: bool,
    nanoseconds: bool,
    link: i32,
}

#[derive(Debug, Default)]
struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: i32,
    snap_bytes: u32,
    units_per_second: u64,
    offset_s: i64,
}

impl Container {
    pub(super) fn pcap() -> Self {
        Self { kind: Kind::Pcap(None), begun: Vec::new(), pass: 0 }
    }

    pub(super) fn pcapng() -> Self {
        Self { kind: Kind::Pcapng(Pcapng::default()), begun: Vec::new(), pass: 0 }
    }

    /// Hands on the frames that end in these bytes.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(Frame<'_>),
    ) -> Result<(), Broken> {
        // What was begun is completed byte by byte's worth: as little as possible is copied.
        while !bytes.is_empty() {
            if self.pass > 0 {
                let passed = self.pass.min(bytes.len());
                self.pass -= passed;
                bytes = &bytes[passed..];
            } else if self.begun.is_empty() {
                let used = self.blocks(bytes, &mut take)?;
                bytes = &bytes[used..];
                if used == 0 {
                    self.begun.extend_from_slice(bytes);
                    return self.bounded();
                }
            } else {
                bytes = self.complete(bytes, &mut take)?;
            }
        }
        Ok(())
    }

    /// Whether the file ended inside a block.
    pub(super) fn is_cut_off(&self) -> bool {
        !self.begun.is_empty() || self.pass > 0
    }

    fn bounded(&self) -> Result<(), Broken> {
        if self.begun.len() > CAPTURE_BLOCK_BYTES_MAX { Err(Broken) } else { Ok(()) }
    }

    /// Adds to the block that was begun; gives what is left.
    fn complete<'b>(
        &mut self,
        bytes: &'b [u8],
        take: &mut impl FnMut(Frame<'_>),
    ) -> Result<&'b [u8], Broken> {
        let mut begun = std::mem::take(&mut self.begun);
        let old = begun.len();
        // As much as its header asks for, so that nothing behind it is copied.
        let wanted = self.size(&begun).map_or(HEADER_BYTES, |size| size.saturating_sub(old));
        let more = wanted.clamp(1, bytes.len());
        begun.extend_from_slice(&bytes[..more]);
        let used = self.blocks(&begun, take)?;
        if used < begun.len() {
            begun.drain(..used);
            self.begun = begun;
            self.bounded()?;
        }
        Ok(&bytes[more..])
    }

    /// How long the block is, if its beginning tells.
    fn size(&self, begun: &[u8]) -> Option<usize> {
        let word = |at: usize, big: bool| {
            let word = *begun.get(at..)?.first_chunk::<4>()?;
            Some(if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
        };
        let size = match &self.kind {
            Kind::Pcap(None) => Some(24),
            Kind::Pcap(Some(pcap)) => word(8, pcap.big_endian)?.checked_add(16),
            Kind::Pcapng(_) if word(0, true)? == SECTION_HEADER => {
                let big = begun.get(8..12)? == BYTE_ORDER_MAGIC;
                word(4, big)
            }
            Kind::Pcapng(pcapng) => word(4, pcapng.big_endian),
        };
        usize::try_from(size?).ok()
    }

    /// Hands on what is whole in these bytes; gives how many were used.
    fn blocks(&mut self, bytes: &[u8], take: &mut impl FnMut(Frame<'_>)) -> Result<usize, Broken> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            match self.step(rest)? {
                Step::More => return Ok(used),
                Step::Pass(size) => {
                    used += size.min(rest.len());
                    if size > rest.len() {
                        self.pass = size - rest.len();
                        return Ok(used);
                    }
                }
                Step::Frame { size, at, time_us, link } => {
                    take(Frame { time_us, link, bytes: rest.get(at).unwrap_or(&[]) });
                    used += size;
                }
            }
        }
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        let size = self.size(bytes);
        match &mut self.kind {
            Kind::Pcap(header) => match header {
                None => Pcap::open(bytes, header),
                Some(pcap) => pcap.step(bytes),
            },
            Kind::Pcapng(pcapng) => pcapng.step(bytes, size),
        }
    }
}

/// Bytes that tell how long any block is.
const HEADER_BYTES: usize = 16;

impl Pcap {
    fn open(bytes: &[u8], place: &mut Option<Self>) -> Result<Step, Broken> {
        if bytes.len() < 24 {
            return Ok(Step::More);
        }
        let (_, header) = parse_pcap_header(bytes).map_err(|_| Broken)?;
        *place = Some(Self {
            big_endian: header.is_bigendian(),
            nanoseconds: header.is_nanosecond_precision(),
            // Above the type stands what a checksum at the end of frames takes.
            link: header.network.0 & 0xffff,
        });
        Ok(Step::Pass(24))
    }

    /// A record: seconds, fraction, bytes here, bytes on the wire.
    fn step(&self, bytes: &[u8]) -> Result<Step, Broken> {
        let mut wire = Wire(bytes);
        let mut word = || {
            let word = wire.u32()?;
            Some(if self.big_endian { word } else { word.swap_bytes() })
        };
        let (Some(seconds), Some(fraction), Some(here)) = (word(), word(), word()) else {
            return Ok(Step::More);
        };
        let here = usize::try_from(here).map_err(|_| Broken)?;
        if here > CAPTURE_BLOCK_BYTES_MAX {
            return Err(Broken);
        }
        let size = 16 + here;
        if bytes.len() < size {
            return Ok(Step::More);
        }
        let micros = if self.nanoseconds { fraction / 1_000 } else { fraction };
        let time_us =
            (micros < 1_000_000).then(|| i64::from(seconds) * 1_000_000 + i64::from(micros));
        Ok(Step::Frame { size, at: 16..size, time_us, link: self.link })
    }
}

impl Pcapng {
    fn step(&mut self, bytes: &[u8], size: Option<usize>) -> Result<Step, Broken> {
        let Some(size) = size else { return Ok(Step::More) };
        // Twelve bytes of frame around any block, and whole words.
        if size < 12 || !size.is_multiple_of(4) {
            return Err(Broken);
        }
        if size > CAPTURE_BLOCK_BYTES_MAX {
            // No block of packets is so long; secrets, names and what programs add may be.
            return Ok(Step::Pass(size));
        }
        let Some(block) = bytes.get(..size) else { return Ok(Step::More) };
        if block.starts_with(&SECTION_HEADER.to_be_bytes()) {
            let (_, header) = parse_sectionheaderblock(block).map_err(|_| Broken)?;
            self.big_endian = header.big_endian();
            self.interfaces.clear();
            return Ok(Step::Pass(size));
        }
        let parse = if self.big_endian { parse_block_be } else { parse_block_le };
        let Ok((_, parsed)) = parse(block) else { return Err(Broken) };
        let interface = |number: u32| self.interfaces.get(usize::try_from(number).ok()?).copied();
        // Where the packet lies in the block: behind the fixed fields.
        let frame = |first: usize, length: u32, interface: Interface, time_us| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let end = first.saturating_add(length).min(size - 4);
            Step::Frame { size, at: first..end, time_us, link: interface.link }
        };
        Ok(match parsed {
            Block::InterfaceDescription(about) => {
                if self.interfaces.len() >= CAPTURE_INTERFACES_MAX {
                    return Err(Broken);
                }
                self.interfaces.push(Interface {
                    link: about.linktype.0,
                    snap_bytes: about.snaplen,
                    units_per_second: about.ts_resolution().unwrap_or(0),
                    offset_s: about.ts_offset(),
                });
                Step::Pass(size)
            }
            Block::EnhancedPacket(packet) => match interface(packet.if_id) {
                Some(interface) => {
                    let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                    frame(28, packet.caplen, interface, interface.time_us(units))
                }
                None => return Err(Broken),
            },
            Block::SimplePacket(packet) => match interface(0) {
                // It has no time; what is shorter than the snap length lies there whole.
                Some(about) => {
                    let snap = if about.snap_bytes == 0 { u32::MAX } else { about.snap_bytes };
                    frame(12, packet.origlen.min(snap), about, None)
                }
                None => return Err(Broken),
            },
            _ => Step::Pass(size),
        })
    }
}

impl Interface {
    fn time_us(self, units: u64) -> Option<i64> {
        let per_second = u128::from(self.units_per_second);
        let micros = (u128::from(units) * 1_000_000).checked_div(per_second)?;
        let offset_us = self.offset_s.checked_mul(1_000_000)?;
        let time_us = i64::try_from(micros).ok()?.checked_add(offset_us)?;
        (0..=TIME_SECONDS_MAX * 1_000_000).contains(&time_us).then_some(time_us)
    }
}

//! NetFlow 5 and 9 and IPFIX: files of datagrams, one after the other as routers sent them, and captures
//! of such datagrams. Formats: Cisco's "NetFlow Export Datagram Format" (version 5), RFC 3954, RFC 7011.
//!
//! ```text
//! bytes -> datagrams -> sets, by templates of their exporter -> records of one way -> flows -> Sink
//! ```

mod announced;
mod export;
mod template;
mod version_5;

use std::net::{IpAddr, Ipv4Addr};

pub use self::announced::Announced;
pub(super) use self::export::Exports;
use super::FileTally;
use super::table::Decoder;
use super::wire::Wire;
use crate::record::{Sink, Skip};

/// The name in the report, of all versions.
pub(super) const NAME: &str = "netflow";

/// What routers' records cannot give.
pub(super) const LIMITS: &str = "Routers' records are of one way each: the two ways are put together by \
                                 time within a file, and so are parts of a flow, of TCP where its flags \
                                 allow it.";

/// Longest datagram of UDP, bytes.
const DATAGRAM_BYTES_MAX: usize = u16::MAX as usize;
const V9_HEADER_BYTES: usize = 20;
const IPFIX_HEADER_BYTES: u16 = 16;
/// Ids below are of templates, or reserved (both RFCs).
const FIRST_DATA_SET: u16 = 256;
/// The year 2000: a smaller number is none of a clock that was set.
const CLOCK_SECONDS_MIN: u32 = 946_684_800;
/// Records of version 9 in a datagram: those of the shortest template in use fit in it.
const V9_RECORDS_MAX: u16 = 8_192;

/// Bytes that tell whether a datagram is one.
pub(super) const START_BYTES: usize = 12;

/// Whether bytes begin a datagram: version, a count or length that can be, a time that can be.
#[must_use]
pub fn is(start: &[u8]) -> bool {
    let mut wire = Wire(start);
    let (Some(version), Some(count)) = (wire.u16(), wire.u16()) else { return false };
    let (Some(second), Some(third)) = (wire.u32(), wire.u32()) else { return false };
    match version {
        5 => (1..=version_5::RECORDS_MAX).contains(&count) && third >= CLOCK_SECONDS_MIN,
        9 => (1..=V9_RECORDS_MAX).contains(&count) && third >= CLOCK_SECONDS_MIN,
        10 => count >= IPFIX_HEADER_BYTES && second >= CLOCK_SECONDS_MIN,
        _ => false,
    }
}

pub(super) fn open() -> Box<dyn Decoder> {
    Box::new(File::default())
}

/// A file of datagrams. It does not say who sent them: as if all were one router's, told apart by engine
/// and domain.
#[derive(Debug, Default)]
struct File {
    /// The beginning of a datagram whose end is to come.
    begun: Vec<u8>,
    exports: Exports,
    broken: bool,
}

impl Decoder for File {
    fn feed(&mut self, mut bytes: &[u8], tally: &mut FileTally, sink: &mut dyn Sink) {
        // One datagram out of both what was kept and what is new, the others where they lie.
        while !self.begun.is_empty() && !bytes.is_empty() {
            let mut begun = std::mem::take(&mut self.begun);
            let old = begun.len();
            let (more, rest) = bytes.split_at(bytes.len().min(DATAGRAM_BYTES_MAX));
            begun.extend_from_slice(more);
            let used = self.datagrams(&begun, false, tally, sink);
            if let Some(ahead) = used.checked_sub(old) {
                bytes = &bytes[ahead..];
            } else {
                begun.drain(..used);
                self.begun = begun;
                bytes = rest;
            }
        }
        let used = self.datagrams(bytes, false, tally, sink);
        self.begun.extend_from_slice(&bytes[used..]);
    }

    fn finish(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        let begun = std::mem::take(&mut self.begun);
        if self.datagrams(&begun, true, tally, sink) < begun.len() {
            tally.records += 1;
            tally.skip(Skip::CutOff, 1);
        }
        self.exports.finish(tally, sink);
    }
}

impl File {
    /// Reads the whole datagrams at the start of these bytes; gives how many bytes they took.
    fn datagrams(
        &mut self,
        bytes: &[u8],
        is_end: bool,
        tally: &mut FileTally,
        sink: &mut dyn Sink,
    ) -> usize {
        let mut rest = bytes;
        while !self.broken && !rest.is_empty() {
            match length(rest, is_end) {
                Length::Bytes(length) => {
                    let (datagram, tail) = rest.split_at(length);
                    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                    self.exports.datagram(nobody, datagram, tally, sink);
                    rest = tail;
                }
                Length::More => return bytes.len() - rest.len(),
                Length::Broken => {
                    self.broken = true;
                    tally.records += 1;
                    tally.skip(Skip::BadBlock, 1);
                }
            }
        }
        bytes.len()
    }
}

enum Length {
    Bytes(usize),
    /// Its end is not among these bytes.
    More,
    Broken,
}

/// How long the datagram at the start of these bytes is. Version 9 does not say: its sets follow each
/// other until what follows is no set, whose ids are below 2 or above 255, but a version.
fn length(bytes: &[u8], is_end: bool) -> Length {
    let mut wire = Wire(bytes);
    let (Some(version), Some(count)) = (wire.u16(), wire.u16()) else { return Length::More };
    let length = match version {
        5 if (1..=version_5::RECORDS_MAX).contains(&count) => version_5::bytes(count),
        9 => return version_9_length(bytes, is_end),
        10 if count >= IPFIX_HEADER_BYTES => usize::from(count),
        _ => return Length::Broken,
    };
    if length <= bytes.len() { Length::Bytes(length) } else { Length::More }
}

fn version_9_length(bytes: &[u8], is_end: bool) -> Length {
    let mut at = V9_HEADER_BYTES;
    while at <= DATAGRAM_BYTES_MAX {
        let mut set = Wire(bytes.get(at..).unwrap_or(&[]));
        match (set.u16(), set.u16()) {
            (Some(5 | 9 | 10), _) => return Length::Bytes(at),
            (Some(0 | 1 | FIRST_DATA_SET..), Some(length @ 4..)) => at += usize::from(length),
            (Some(0), Some(0)) => at += 4, // filled up
            (Some(_), Some(_)) => return Length::Broken,
            _ if is_end && at == bytes.len() => return Length::Bytes(at),
            _ => return Length::More,
        }
    }
    Length::Broken
}

//! Compressed files and pipes, block by block.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use flowlore_analyzer::record::Sink;
use flowlore_analyzer::source::{FileTally, Reader};

use crate::limits::BLOCK_BYTES;

/// How a file is packed, by its first bytes; its name does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Bytes that tell.
const MAGIC_BYTES: usize = 4;

impl Packing {
    pub(super) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,             // RFC 1952, 2.3.1
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd, // RFC 8878, 3.1.1
            _ => Self::Plain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "input",
            Self::Gzip => "gzip data",
            Self::Zstd => "zstd data",
        }
    }
}

/// Reads a pipe, whatever it carries.
pub(super) fn pipe(
    input: impl Read,
    reader: Reader,
    sink: &mut impl Sink,
) -> (FileTally, Option<String>) {
    let mut input = BufReader::with_capacity(BLOCK_BYTES, input);
    let mut start = Vec::new();
    // A pipe may give a byte at a time: ask until the magic number is there.
    if let Err(reason) = input.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut start) {
        return (reader.finish(sink), Some(broken(Packing::Plain, 0, &reason)));
    }
    let packing = Packing::of(&start);
    stream(packing, io::Cursor::new(start).chain(input), reader, sink)
}

/// Reads a stream of known packing to its end, or as far as it can be unpacked.
pub(super) fn stream(
    packing: Packing,
    input: impl BufRead,
    reader: Reader,
    sink: &mut impl Sink,
) -> (FileTally, Option<String>) {
    match packing {
        Packing::Plain => blocks(packing, input, reader, sink),
        Packing::Gzip => blocks(packing, MultiGzDecoder::new(input), reader, sink),
        Packing::Zstd => match zstd::Decoder::with_buffer(input) {
            Ok(decoder) => blocks(packing, decoder, reader, sink),
            Err(reason) => (reader.finish(sink), Some(broken(packing, 0, &reason))),
        },
    }
}

fn blocks(
    packing: Packing,
    mut input: impl Read,
    mut reader: Reader,
    sink: &mut impl Sink,
) -> (FileTally, Option<String>) {
    let mut block = vec![0; BLOCK_BYTES];
    let mut read_bytes = 0_u64;
    let note = loop {
        match input.read(&mut block) {
            Ok(0) => break None,
            Ok(count) => {
                reader.feed(&block[..count], sink);
                read_bytes += count as u64;
                if reader.is_done() {
                    break None;
                }
            }
            Err(reason) if reason.kind() == io::ErrorKind::Interrupted => {}
            Err(reason) => break Some(broken(packing, read_bytes, &reason)),
        }
    };
    (reader.finish(sink), note)
}

fn broken(packing: Packing, read_bytes: u64, reason: &io::Error) -> String {
    format!("{} broken after {read_bytes} bytes: {reason}; what came before counts", packing.name())
}

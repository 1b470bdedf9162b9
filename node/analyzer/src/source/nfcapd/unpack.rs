//! Blocks that nfdump compressed, each for itself: how, the file's header says (`nffile.h`).

use std::io::Read as _;

use crate::limits::NFCAPD_BLOCK_BYTES_MAX;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Packing {
    #[default]
    None,
    Bzip2,
    Lz4,
    Zstd,
    /// LZO, for which there is no well-kept decoder in safe code, and what later versions may have.
    Unknown,
}

impl Packing {
    pub(super) const fn of(number: u8) -> Self {
        match number {
            0 => Self::None,
            2 => Self::Bzip2,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => Self::Unknown,
        }
    }

    /// What is in a block; `None` if it is broken, or more than a block may hold.
    pub(super) fn unpack(self, packed: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Bzip2 => read(bzip2::read::BzDecoder::new(packed)),
            Self::Zstd => read(zstd::stream::read::Decoder::new(packed).ok()?),
            Self::Lz4 => {
                // It is told nowhere how long a block is; a byte stands for 255 at most.
                let bytes_max = packed.len().saturating_mul(255).min(NFCAPD_BLOCK_BYTES_MAX);
                lz4_flex::block::decompress(packed, bytes_max).ok()
            }
            Self::None | Self::Unknown => None,
        }
    }
}

fn read(stream: impl std::io::Read) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    stream.take(NFCAPD_BLOCK_BYTES_MAX as u64 + 1).read_to_end(&mut unpacked).ok()?;
    (unpacked.len() <= NFCAPD_BLOCK_BYTES_MAX).then_some(unpacked)
}

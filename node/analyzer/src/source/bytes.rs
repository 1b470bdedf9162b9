//! Which bytes of a block or a word are a certain one, as a bit a byte.

use wide::u8x16;

/// For a block, sixteen bytes at a time.
#[inline(always)]
pub(super) fn equal(block: &[u8; 64], byte: u8) -> u64 {
    let parts = block.as_chunks::<16>().0.iter().rev();
    parts.fold(0, |hits, part| hits << 16 | u64::from(equal_in_part(part, byte)))
}

/// For sixteen bytes.
#[inline(always)]
pub(super) fn equal_in_part(part: &[u8; 16], byte: u8) -> u32 {
    u8x16::new(*part).simd_eq(u8x16::splat(byte)).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_and_every_byte() {
        for byte in 0..=u8::MAX {
            // All values around the byte, and the byte itself at places that depend on it.
            let block =
                std::array::from_fn(|at| byte.wrapping_add((at * at % 7) as u8).wrapping_sub(3));
            let expected = (0..64).filter(|&at| block[at] == byte).fold(0, |all, at| all | 1 << at);
            assert_eq!(equal(&block, byte), expected);
            let mut block = [byte ^ 0x80; 64];
            for at in 0..64 {
                block[at] = byte;
                assert_eq!(equal(&block, byte), 1 << at);
                block[at] = byte ^ 1;
            }
        }
    }
}

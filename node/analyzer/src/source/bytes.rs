//! Which bytes of a block or a word are a certain one, as a bit a byte.

use wide::u8x16;

/// For a block, sixteen bytes at a time.
#[inline(always)]
pub(super) fn equal(block: &[u8; 64], byte: u8) -> u64 {
    let wanted = u8x16::splat(byte);
    let parts = block.as_chunks::<16>().0.iter().rev();
    parts.fold(0, |hits, part| {
        hits << 16 | u64::from(u8x16::new(*part).simd_eq(wanted).to_bitmask())
    })
}

/// The same for eight bytes, the first of them lowest.
#[inline(always)]
pub(super) fn equal_in_word(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let word = word ^ (0x0101_0101_0101_0101 * u64::from(byte));
    // The high bit of each byte that is zero, exactly: no carry crosses a byte.
    let zeros = !(((word & LOW) + LOW) | word | LOW);
    // Eight bits, eight places apart, moved together at the top: none meets another on the way.
    (zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
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

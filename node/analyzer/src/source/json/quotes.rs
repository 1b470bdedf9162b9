//! Where the quotes of an object's text stand, found 64 bytes at a time.
//!
//! In a text without backslashes every quote begins or ends a string. So their places alone say what stands in
//! strings, and where each of them and what lies between ends, before any of it is read.

use wide::u8x16;

use super::super::bytes;
use crate::limits::{JSON_QUOTES_MAX, LINE_BYTES_MAX};

/// The quotes of one text: reused, so that a record costs no allocation.
#[derive(Clone, Debug)]
pub(super) struct Quotes {
    places: [u32; JSON_QUOTES_MAX],
    found: usize,
    /// The text, or what was looked at behind it, holds bytes beyond ASCII.
    beyond_ascii: bool,
}

impl Default for Quotes {
    fn default() -> Self {
        Self { places: [0; JSON_QUOTES_MAX], found: 0, beyond_ascii: false }
    }
}

impl Quotes {
    /// Looks at a text. False when it holds what the fast pass does not understand: backslashes, control
    /// characters inside strings, too many quotes.
    pub(super) fn find(&mut self, text: &[u8]) -> bool {
        (self.found, self.beyond_ascii) = (0, false);
        let (blocks, rest) = text.as_chunks::<64>();
        let mut last = [b' '; 64];
        last[..rest.len()].copy_from_slice(rest);
        let mut base = 0;
        for block in blocks.iter().chain([&last]) {
            let marks = Marks::of(block);
            if !self.keep(base, marks, block) {
                return false;
            }
            base += 64;
        }
        self.found <= JSON_QUOTES_MAX
    }

    /// Looks at the line at the beginning of a block and gives its length: one look for both. `None` when the block
    /// ends before the 64 bytes in which the line does, the line is too long, or it holds what is not understood.
    #[inline]
    pub(super) fn find_line(&mut self, block: &[u8]) -> Option<usize> {
        (self.found, self.beyond_ascii) = (0, false);
        let mut base = 0;
        for part in block.as_chunks::<64>().0.iter().take(LINE_BYTES_MAX / 64) {
            let marks = Marks::of(part);
            let ends = if marks.odd == 0 { 0 } else { bytes::equal(part, b'\n') };
            if ends == 0 {
                if !self.keep(base, marks, part) {
                    return None;
                }
                base += 64;
                continue;
            }
            let understood = self.keep(base, marks.before(ends.trailing_zeros()), part);
            let length = base as usize + ends.trailing_zeros() as usize;
            return (understood && self.found <= JSON_QUOTES_MAX).then_some(length);
        }
        None
    }

    /// Keeps where quotes stand. False when what else was marked is not understood.
    #[inline(always)]
    fn keep(&mut self, base: u32, marks: Marks, block: &[u8; 64]) -> bool {
        self.beyond_ascii |= marks.beyond_ascii;
        if marks.odd != 0 && !self.are_blanks(&marks, block) {
            return false;
        }
        let mut hits = marks.quotes;
        for place in self.places.get_mut(self.found..).unwrap_or_default() {
            if hits == 0 {
                break;
            }
            *place = base + hits.trailing_zeros();
            hits &= hits - 1;
        }
        self.found += marks.quotes.count_ones() as usize;
        true
    }

    /// Whether the odd bytes are no more than blanks between strings.
    fn are_blanks(&self, marks: &Marks, block: &[u8; 64]) -> bool {
        let mut odd = marks.odd;
        while odd != 0 {
            let at = odd.trailing_zeros();
            let quotes = self.found + marks.before(at).quotes.count_ones() as usize;
            let is_blank = matches!(block[at as usize], b'\t' | b'\r' | b'\n');
            if !is_blank || !quotes.is_multiple_of(2) {
                return false;
            }
            odd &= odd - 1;
        }
        true
    }

    /// Where quotes stand, in order.
    #[inline(always)]
    pub(super) fn places(&self) -> &[u32] {
        self.places.get(..self.found).unwrap_or(&[])
    }

    /// Whether the text may hold bytes beyond ASCII, which must be UTF-8.
    #[inline(always)]
    pub(super) fn beyond_ascii(&self) -> bool {
        self.beyond_ascii
    }
}

/// What 64 bytes hold, as a bit a byte.
#[derive(Clone, Copy)]
struct Marks {
    quotes: u64,
    /// Backslashes and control characters.
    odd: u64,
    beyond_ascii: bool,
}

impl Marks {
    #[inline(always)]
    fn of(block: &[u8; 64]) -> Self {
        let parts = block.as_chunks::<16>().0;
        let parts: [u8x16; 4] = std::array::from_fn(|index| u8x16::new(parts[index]));
        let is_odd = |part: u8x16| {
            let is_control = part.min(u8x16::splat(0x1f)).simd_eq(part);
            is_control | part.simd_eq(u8x16::splat(b'\\'))
        };
        let odd = parts.map(is_odd);
        let [a, b, c, d] = odd;
        // Almost no 64 bytes have any.
        let odd = if (a | b | c | d).any() { bits(odd) } else { 0 };
        let [a, b, c, d] = parts;
        Self {
            quotes: bits(parts.map(|part| part.simd_eq(u8x16::splat(b'"')))),
            odd,
            beyond_ascii: (a | b | c | d).any(),
        }
    }

    /// Those of them before a place.
    #[inline(always)]
    fn before(self, at: u32) -> Self {
        let earlier = (1 << at) - 1;
        Self { quotes: self.quotes & earlier, odd: self.odd & earlier, ..self }
    }
}

/// The highest bit of each byte.
#[inline(always)]
fn bits(parts: [u8x16; 4]) -> u64 {
    parts.iter().rev().fold(0, |bits, part| bits << 16 | u64::from(part.to_bitmask()))
}

//! The fast pass: flat objects, as Zeek writes them, read in place.
//!
//! It understands objects of strings without escapes, numbers, `true`, `false`, `null` and lists of these. It may be
//! narrow, but must never accept what is no JSON. Blanks between what it reads cost a little and change nothing.

use std::net::{IpAddr, Ipv4Addr};

use memchr::memchr;
use wide::u8x16;

use super::super::bytes;
use super::super::kind::WANTED_MAX;
use super::super::row::{Row, optional};
use super::super::text;
use super::keys::{Keys, UNWANTED};
use crate::limits::{LINE_BYTES_MAX, LIST_ITEMS_MAX};
use crate::record::Skip;

/// Where a value stands: a string without its quotes, a list with its brackets; nothing for null.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    start: u32,
    end: u32,
}

/// Added to where a list starts, so that no text is cut out there by one who asks for a scalar.
const LIST: u32 = 1 << 31;

const _: () = assert!(LINE_BYTES_MAX < LIST as usize);

/// The wanted columns, the path's, and one for what is not wanted.
pub(super) type Places = [Place; UNWANTED + 1];

/// No value anywhere.
pub(super) const NOWHERE: Places = [Place { start: 0, end: 0 }; UNWANTED + 1];

const _: () = assert!(WANTED_MAX < UNWANTED);

/// Finds the wanted values of the object that is the first `length` of the bytes, and where its quotes stand.
/// `None` when it is no object that this pass understands; then the places are void.
pub(super) fn scan(
    (bytes, length): (&[u8], usize),
    quotes: &[u32],
    keys: &mut Keys,
    places: &mut Places,
) -> Option<()> {
    let mut cursor = Cursor { bytes, length, quotes, at: 0 };
    cursor.blanks();
    cursor.eat(b'{')?;
    cursor.blanks();
    if cursor.eat(b'}').is_none() {
        keys.restart();
        loop {
            let column = cursor.key(keys)?;
            places[column] = cursor.value()?;
            if cursor.comma().is_none() {
                break;
            }
        }
        cursor.eat(b'}')?;
    }
    bytes.get(cursor.at..length)?.trim_ascii_start().is_empty().then_some(())
}

/// A place in a text whose quotes are known.
///
/// What is behind the text may be looked at, but a place there is never its end, and no quote of it is known.
struct Cursor<'a> {
    bytes: &'a [u8],
    length: usize,
    /// Those at and behind the place.
    quotes: &'a [u32],
    at: usize,
}

impl Cursor<'_> {
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    #[inline(always)]
    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The comma behind a value.
    #[inline(always)]
    fn comma(&mut self) -> Option<()> {
        self.eat(b',').or_else(|| {
            self.blanks();
            self.eat(b',')
        })
    }

    /// A key and its colon: its column.
    #[inline(always)]
    fn key(&mut self, keys: &mut Keys) -> Option<usize> {
        self.expected_key(keys).or_else(|| self.other_key(keys))
    }

    #[inline(always)]
    fn expected_key(&mut self, keys: &mut Keys) -> Option<usize> {
        let (length, column) = keys.expected(self.bytes, self.at)?;
        self.quotes = self.quotes.get(2..)?;
        self.at += length;
        Some(column)
    }

    /// A key that is not the expected one, or has blanks around it.
    #[inline(never)]
    fn other_key(&mut self, keys: &mut Keys) -> Option<usize> {
        self.blanks();
        if let Some(column) = self.expected_key(keys) {
            return Some(column);
        }
        let name = self.string()?;
        self.blanks();
        self.eat(b':')?;
        Some(keys.column(self.bytes.get(name.start as usize..name.end as usize)?))
    }

    #[inline(always)]
    fn string(&mut self) -> Option<Place> {
        let [open, close, rest @ ..] = self.quotes else { return None };
        if *open as usize != self.at {
            return None;
        }
        self.quotes = rest;
        self.at = *close as usize + 1;
        Some(Place { start: open + 1, end: *close })
    }

    #[inline(always)]
    fn value(&mut self) -> Option<Place> {
        if self.peek()? <= b' ' {
            self.blanks();
        }
        match self.peek()? {
            b'"' => self.string(),
            b'[' => self.list(),
            _ => self.bare(),
        }
    }

    fn list(&mut self) -> Option<Place> {
        let start = self.at;
        self.at += 1;
        self.blanks();
        if self.eat(b']').is_none() {
            loop {
                let item = match self.peek()? {
                    b'"' => self.string()?,
                    _ => self.word()?,
                };
                // A null inside a list is left to the thorough reader.
                if item.start == item.end {
                    return None;
                }
                if self.comma().is_none() {
                    break;
                }
                self.blanks();
            }
            self.eat(b']')?;
        }
        Some(Place { start: start as u32 | LIST, end: self.at as u32 })
    }

    /// A number, `true`, `false` or `null` as an object's value.
    #[inline(always)]
    fn bare(&mut self) -> Option<Place> {
        // It ends before the comma in front of the next key or the bracket that ends the object.
        let next = self.quotes.first().map_or(self.length, |quote| *quote as usize);
        let (start, mut end) = (self.at, next.wrapping_sub(1));
        while matches!(self.bytes.get(end), Some(b' ' | b'\t' | b'\r' | b'\n')) && end > start {
            end -= 1;
        }
        let is_known = is_short_whole(self.bytes, start, end)
            || matches!(self.bytes.get(start..end), Some(b"true" | b"false"))
            || is_decimal(self.bytes, start, end);
        if !is_known {
            return self.word();
        }
        self.at = end;
        Some(Place { start: start as u32, end: end as u32 })
    }

    /// The same, wherever it ends.
    fn word(&mut self) -> Option<Place> {
        let start = self.at;
        let rest = self.bytes.get(start..)?;
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let word = &rest[..rest.iter().take_while(|byte| is_part(byte)).count()];
        self.at += word.len();
        let known = match word {
            b"true" | b"false" => word.len(),
            b"null" => 0,
            _ if is_number(word) => word.len(),
            _ => return None,
        };
        Some(Place { start: start as u32, end: (start + known) as u32 })
    }
}

/// Whether a number of one to eight digits stands there, as almost all do.
#[inline(always)]
fn is_short_whole(bytes: &[u8], start: usize, end: usize) -> bool {
    let length = end.wrapping_sub(start);
    let Some(word) = bytes.get(..end).and_then(|before| before.last_chunk::<8>()) else {
        return false;
    };
    let is_whole = text::last_digits(u64::from_le_bytes(*word), length).is_some();
    is_whole && (length == 1 || bytes.get(start) != Some(&b'0'))
}

/// Whether digits with a point among them stand there, fewer than 32 bytes: times, mostly.
#[inline(always)]
fn is_decimal(bytes: &[u8], start: usize, end: usize) -> bool {
    let Some(window) = bytes.get(start..).and_then(|rest| rest.first_chunk::<32>()) else {
        return false;
    };
    let length = end.wrapping_sub(start);
    if !(3..32).contains(&length) {
        return false;
    }
    let (mut digits, mut points) = (0, 0);
    for part in window.as_chunks::<16>().0.iter().rev() {
        let value = u8x16::new(*part) - u8x16::splat(b'0');
        digits = digits << 16 | value.min(u8x16::splat(9)).simd_eq(value).to_bitmask();
        points = points << 16 | bytes::equal_in_part(part, b'.');
    }
    let all = (1 << length) - 1;
    let point = points & all;
    // Digits on both sides of one point, and no zero in front of others.
    (digits | points) & all == all
        && point.is_power_of_two()
        && point & (1 | 1 << (length - 1)) == 0
        && (window[0] != b'0' || point == 2)
}

/// The grammar of RFC 8259, section 6.
fn is_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> (usize, &[u8]) {
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count, &text[count..])
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, mut rest) = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (count, after) = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = after;
    }
    if let [b'e' | b'E', power @ ..] = rest {
        let (count, after) = digits(match power {
            [b'+' | b'-', power @ ..] => power,
            _ => power,
        });
        return count > 0 && after.is_empty();
    }
    rest.is_empty()
}

/// An object's values in place. Its text is known to be UTF-8.
pub(super) struct FlatRow<'a, 'p> {
    /// The text and what stands behind it.
    pub(super) bytes: &'a [u8],
    pub(super) places: &'p Places,
}

impl<'a> FlatRow<'a, '_> {
    /// Where a column stands that is no list.
    #[inline(always)]
    fn place(&self, column: usize) -> Option<(usize, usize)> {
        let place = self.places.get(column)?;
        Some((place.start as usize, place.end as usize))
    }

    /// A column that is an IPv4 address, read with the bytes behind it.
    #[inline(always)]
    fn ipv4(&self, column: usize) -> Option<Ipv4Addr> {
        let (start, end) = self.place(column)?;
        let bytes = self.bytes.get(start..)?.first_chunk::<16>()?;
        text::first_ipv4(*bytes, end.wrapping_sub(start))
    }

    /// A column of one to eight digits, as almost all numbers are, read with the bytes before it.
    #[inline(always)]
    fn short_number(&self, column: usize) -> Option<u64> {
        let (start, end) = self.place(column)?;
        let word = self.bytes.get(..end)?.last_chunk::<8>()?;
        text::last_digits(u64::from_le_bytes(*word), end.wrapping_sub(start))
    }
}

impl<'a> Row<'a> for FlatRow<'a, '_> {
    #[inline(always)]
    fn scalar(&self, column: usize) -> Option<&'a [u8]> {
        let (start, end) = self.place(column)?;
        self.bytes.get(start..end).filter(|text| !text.is_empty())
    }

    fn text(&self, column: usize) -> Result<Option<&'a str>, Skip> {
        self.scalar(column).map(utf8).transpose()
    }

    #[inline(always)]
    fn bytes(&self, column: usize) -> Result<Option<&'a [u8]>, Skip> {
        Ok(self.scalar(column))
    }

    #[inline(always)]
    fn count(&self, column: usize) -> Result<Option<u64>, Skip> {
        match self.short_number(column) {
            Some(number) => Ok(Some(number)),
            None => optional(self.scalar(column), text::count, Skip::BadNumber),
        }
    }

    #[inline(always)]
    fn address(&self, column: usize) -> Result<Option<IpAddr>, Skip> {
        match self.ipv4(column) {
            Some(address) => Ok(Some(IpAddr::V4(address))),
            None => optional(self.scalar(column), text::address, Skip::BadAddress),
        }
    }

    fn each<F>(&self, column: usize, mut take: F) -> Result<(), Skip>
    where
        F: FnMut(&'a str) -> Result<(), Skip>,
    {
        if let Some(text) = self.scalar(column) {
            return take(utf8(text)?);
        }
        let list = self.places.get(column).and_then(|place| {
            let start = place.start.checked_sub(LIST)? as usize;
            // Without its brackets.
            self.bytes.get(start + 1..(place.end as usize).checked_sub(1)?)
        });
        let mut rest = list.unwrap_or(&[]).trim_ascii_start();
        // The list was found valid and flat by the pass that cut it out.
        for _ in 0..LIST_ITEMS_MAX {
            let (item, after) = match rest {
                [] => break,
                [b'"', text @ ..] => {
                    let end = memchr(b'"', text).unwrap_or(text.len());
                    (&text[..end], text.get(end + 1..).unwrap_or(&[]))
                }
                word => {
                    let is_end = |byte: &u8| matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n');
                    word.split_at(word.iter().position(is_end).unwrap_or(word.len()))
                }
            };
            take(utf8(item)?)?;
            let after = after.trim_ascii_start();
            rest = after.strip_prefix(b",").unwrap_or(after).trim_ascii_start();
        }
        Ok(())
    }
}

fn utf8(text: &[u8]) -> Result<&str, Skip> {
    std::str::from_utf8(text).map_err(|_| Skip::Binary)
}

//! Compact bytes for what waits to be settled: numbers without their zero bytes, addresses, uids,
//! short text.
//!
//! A flow costs about 45 bytes this way instead of some 130, every value is kept exactly, and the
//! same bytes can wait in memory or in a temporary file; the usual flow waits in a form that is quicker
//! still (`flow/slim.rs`). Readers never panic: bytes that do not
//! decode end the reading with `None`.
//!
//! The numbers of a flow stand together ([`Writer::numbers`]), their lengths before them: a length
//! in each byte of a number would cost a mispredicted branch, there and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::PACKED_TEXT_BYTES_MAX;

/// An address as one number: IPv6, and IPv4 as `::ffff:a.b.c.d`, so that one machine has one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr(pub u128);

const V4_MAPPED: u128 = 0xffff_0000_0000;

impl Addr {
    /// Whether it is IPv4.
    #[must_use]
    pub fn is_v4(self) -> bool {
        self.0 >> 32 == V4_MAPPED >> 32
    }

    /// The number of an IPv4 address.
    #[must_use]
    pub fn v4(self) -> Option<u32> {
        self.is_v4().then_some(self.0 as u32)
    }

    /// The IPv4 address of this number.
    #[must_use]
    pub fn of_v4(number: u32) -> Self {
        Self(V4_MAPPED | u128::from(number))
    }
}

impl From<IpAddr> for Addr {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self(V4_MAPPED | u128::from(u32::from(v4))),
            IpAddr::V6(v6) => Self(u128::from(v6)),
        }
    }
}

impl From<Addr> for IpAddr {
    fn from(address: Addr) -> Self {
        if address.is_v4() {
            Self::V4(Ipv4Addr::from((address.0 & 0xffff_ffff) as u32))
        } else {
            Self::V6(Ipv6Addr::from(address.0))
        }
    }
}

impl std::fmt::Display for Addr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}

/// A sensor's name of a connection: up to 20 letters and digits in six bits each, as Zeek makes
/// them; of anything else a hash, whose text stands in a table beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub u128);

/// Marks a hashed uid. Packed ones use the lower 120 bits only.
const HASHED: u128 = 1 << 127;
/// No uid among short ones: no character has this code.
const SHORT_NONE: u128 = (1 << 102) - 1;
/// Characters that fit into a packed uid.
const UID_CHARS_MAX: usize = 20;
/// Stands for the byte count of a uid that follows as text.
const UID_AS_TEXT: u8 = 0xff;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CODES: [u8; 256] = {
    let mut codes = [0; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        codes[ALPHABET[at] as usize] = at as u8 + 1;
        at += 1;
    }
    codes
};

impl Uid {
    /// No uid.
    pub const NONE: Self = Self(0);

    /// Packs `text`, or hashes what does not pack.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        Self::packed(text).unwrap_or_else(|| Self(HASHED | hash128(text) >> 8))
    }

    /// Packs `text`; `None` for what does not pack.
    #[inline]
    #[must_use]
    pub fn packed(text: &[u8]) -> Option<Self> {
        if text.len() > UID_CHARS_MAX {
            return None;
        }
        let (low, high) = text.split_at(text.len().min(UID_CHARS_MAX / 2));
        Some(Self(u128::from(pack_half(low)?) | u128::from(pack_half(high)?) << 60))
    }

    /// A uid as Zeek makes them, a C and up to seventeen letters and digits, in 102 bits; so is none. `None` for others.
    #[inline]
    #[must_use]
    pub fn short(self) -> Option<u128> {
        let is_short = self.0 & 63 == u128::from(CODES[b'C' as usize]) && self.0 >> 108 == 0;
        if is_short { Some(self.0 >> 6) } else { (self == Self::NONE).then_some(SHORT_NONE) }
    }

    /// Back from [`Self::short`].
    #[inline]
    #[must_use]
    pub fn of_short(bits: u128) -> Self {
        if bits == SHORT_NONE {
            Self::NONE
        } else {
            Self(bits << 6 | u128::from(CODES[b'C' as usize]))
        }
    }

    /// Whether the text is not in the number.
    #[must_use]
    pub fn is_hashed(self) -> bool {
        self.0 & HASHED != 0
    }

    /// The text of a packed uid; of a hashed one nothing.
    #[must_use]
    pub fn text(self) -> Option<String> {
        if self.is_hashed() {
            return None;
        }
        let codes = (0..UID_CHARS_MAX).map(|at| (self.0 >> (6 * at)) as usize & 63);
        Some(codes.take_while(|&code| code > 0).map(|code| ALPHABET[code - 1] as char).collect())
    }
}

/// Half of a uid: it fits into 60 bits, which are quicker to shift than 120.
#[inline]
fn pack_half(text: &[u8]) -> Option<u64> {
    let (mut packed, mut unknown) = (0, false);
    for &byte in text.iter().rev() {
        let code = CODES[usize::from(byte)];
        unknown |= code == 0;
        packed = packed << 6 | u64::from(code);
    }
    (!unknown).then_some(packed)
}

fn hash128(bytes: &[u8]) -> u128 {
    let hash = blake3::hash(bytes);
    let mut head = [0; 16];
    head.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(head)
}

/// A quick fixed hash, for finding equal things; whoever needs certainty compares them afterwards.
/// Multiply and fold, as in wyhash (public domain).
#[must_use]
pub fn mix(seed: u64, value: u64) -> u64 {
    let product = u128::from(seed ^ 0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(u128::from(value ^ 0xd1b5_4a32_d192_ed03));
    (product as u64) ^ (product >> 64) as u64
}

/// [`mix`] over text.
#[must_use]
pub fn mix_bytes(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    hash
}

/// Most numbers that stand together: their lengths fill a word.
const NUMBERS_MAX: usize = 10;
/// Bytes of a number by its length's code.
const LENGTHS: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 8];

/// A number's length: its code. Zero has none; seven bytes are written as eight.
#[inline]
fn length_code(value: u64) -> u32 {
    (64 - value.leading_zeros()).div_ceil(8).min(7)
}

/// Small distances from zero, either way, as small numbers.
#[must_use]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Back from [`zigzag`].
#[must_use]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Appends to a byte buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    /// What has been written.
    pub bytes: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Some numbers, at most ten: three bits each for their lengths in four bytes, then
    /// the bytes that are not zero, lowest first.
    #[inline]
    pub fn numbers<const N: usize>(&mut self, values: [u64; N]) {
        const { assert!(N <= NUMBERS_MAX) };
        let codes = values.iter().rev().fold(0, |codes, &value| codes << 3 | length_code(value));
        self.bytes.extend_from_slice(&codes.to_le_bytes());
        for value in values {
            // Eight bytes, of which the next number writes over those that are not its own.
            let end = self.bytes.len() + LENGTHS[length_code(value) as usize];
            self.bytes.extend_from_slice(&value.to_le_bytes());
            self.bytes.truncate(end);
        }
    }

    /// Four bytes for IPv4, sixteen for IPv6; which of them is the caller's flag.
    pub fn addr(&mut self, address: Addr) {
        if address.is_v4() {
            self.bytes.extend_from_slice(&(address.0 as u32).to_le_bytes());
        } else {
            self.bytes.extend_from_slice(&address.0.to_le_bytes());
        }
    }

    /// At most [`PACKED_TEXT_BYTES_MAX`] bytes, cut before a character that would not fit.
    pub fn text(&mut self, text: &str) {
        let text = clip(text);
        self.bytes.push(text.len() as u8);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// At most [`PACKED_TEXT_BYTES_MAX`] bytes of any kind.
    pub fn blob(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(PACKED_TEXT_BYTES_MAX)];
        self.bytes.push(bytes.len() as u8);
        self.bytes.extend_from_slice(bytes);
    }

    /// As many bytes as it has, with their count before.
    pub fn uid(&mut self, text: &[u8]) {
        match Uid::packed(text) {
            Some(uid) => {
                let count = (text.len() * 6).div_ceil(8);
                self.bytes.push(count as u8);
                let end = self.bytes.len() + count;
                self.bytes.extend_from_slice(&uid.0.to_le_bytes());
                self.bytes.truncate(end);
            }
            None => {
                self.bytes.push(UID_AS_TEXT);
                self.text(&String::from_utf8_lossy(text));
            }
        }
    }
}

/// As much of `text` as a packed text holds.
#[must_use]
pub fn clip(text: &str) -> &str {
    if text.len() <= PACKED_TEXT_BYTES_MAX {
        return text;
    }
    let mut end = PACKED_TEXT_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Takes values back in the order in which they were written.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// So many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(count)?;
        self.bytes = tail;
        Some(head)
    }

    /// So many bytes, if the first of them is as wanted.
    #[inline]
    pub fn fixed<const N: usize>(&mut self, wanted: impl Fn(u8) -> bool) -> Option<&'a [u8; N]> {
        let (head, tail) = self.bytes.split_first_chunk::<N>()?;
        head.first().filter(|first| wanted(**first))?;
        self.bytes = tail;
        Some(head)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// See [`Writer::numbers`].
    #[inline]
    pub fn numbers<const N: usize>(&mut self) -> Option<[u64; N]> {
        const { assert!(N <= NUMBERS_MAX) };
        let mut codes = u32::from_le_bytes(*self.take(4)?.first_chunk()?);
        let mut values = [0; N];
        for value in &mut values {
            *value = self.number(LENGTHS[(codes & 7) as usize])?;
            codes >>= 3;
        }
        Some(values)
    }

    /// A number of so many bytes, at most eight.
    #[inline]
    fn number(&mut self, length: usize) -> Option<u64> {
        let word = match self.bytes.first_chunk::<8>() {
            Some(word) => u64::from_le_bytes(*word),
            None => {
                let mut word = [0; 8];
                word[..self.bytes.len()].copy_from_slice(self.bytes);
                u64::from_le_bytes(word)
            }
        };
        self.take(length)?;
        let unused = u32::try_from(64 - 8 * length).ok()?;
        Some(word & u64::MAX.checked_shr(unused).unwrap_or(0))
    }

    /// See [`Writer::addr`].
    pub fn addr(&mut self, v6: bool) -> Option<Addr> {
        if v6 {
            let bytes = self.take(16)?;
            return Some(Addr(u128::from_le_bytes(bytes.try_into().ok()?)));
        }
        let bytes = self.take(4)?;
        Some(Addr(V4_MAPPED | u128::from(u32::from_le_bytes(bytes.try_into().ok()?))))
    }

    /// See [`Writer::text`].
    pub fn text(&mut self) -> Option<&'a str> {
        let count = usize::from(self.byte()?);
        std::str::from_utf8(self.take(count)?).ok()
    }

    /// See [`Writer::blob`].
    pub fn blob(&mut self) -> Option<&'a [u8]> {
        let count = usize::from(self.byte()?);
        self.take(count)
    }

    /// The uid, and its text where the number does not hold it.
    pub fn uid(&mut self) -> Option<(Uid, Option<&'a str>)> {
        let count = self.byte()?;
        if count == UID_AS_TEXT {
            let text = self.text()?;
            return Some((Uid::new(text.as_bytes()), Some(text)));
        }
        let bytes = self.take(usize::from(count))?;
        let mut number = [0; 16];
        number.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some((Uid(u128::from_le_bytes(number)), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_at_their_edges() {
        let mut bytes = Vec::new();
        let mut writer = Writer { bytes: &mut bytes };
        let edges = (0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1]).chain([u64::MAX]);
        let edges: Vec<u64> = edges.collect();
        for window in edges.windows(3) {
            writer.numbers([window[0], 0, window[1], window[2]]);
        }
        let mut reader = Reader::new(&bytes);
        for window in edges.windows(3) {
            assert_eq!(reader.numbers(), Some([window[0], 0, window[1], window[2]]));
        }
        assert!(reader.is_empty());
        assert_eq!(reader.numbers::<1>(), None);
        for length in 0..12 {
            assert_eq!(Reader::new(&[0xff; 12][..length]).numbers::<1>(), None);
        }
        for value in [0, 1, -1, 63, -64, i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!((zigzag(-1), zigzag(1)), (1, 2));
    }

    #[test]
    fn uids_come_back_packed_or_as_text() {
        let long = "x".repeat(400);
        let texts = ["", "C", "CHhAvVGS1DHFjwGM9", "0", "zzzzzzzzzzzzzzzzzzzz", "a-b", &long];
        let mut bytes = Vec::new();
        let mut writer = Writer { bytes: &mut bytes };
        texts.iter().for_each(|text| writer.uid(text.as_bytes()));
        let mut reader = Reader::new(&bytes);
        for text in texts {
            let (uid, odd) = reader.uid().unwrap();
            assert_eq!(uid, Uid::new(clip(text).as_bytes()), "{text}");
            let back = odd.map(str::to_owned).or_else(|| uid.text());
            assert_eq!(back.as_deref(), Some(clip(text)));
        }
        assert!(reader.is_empty());
        assert_eq!(Uid::new(b""), Uid::NONE);
        assert_ne!(Uid::new(b"ab"), Uid::new(b"ba"));
    }

    #[test]
    fn addresses_are_one_number_each() {
        let texts = ["0.0.0.0", "255.255.255.255", "240.0.0.1", "192.0.2.1", "::", "2001:db8::1"];
        for text in texts {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(Addr::from(address)), address);
            let mut bytes = Vec::new();
            Writer { bytes: &mut bytes }.addr(address.into());
            let back = Reader::new(&bytes).addr(address.is_ipv6());
            assert_eq!(back, Some(address.into()));
        }
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(IpAddr::from(Addr::from(mapped)).to_string(), "192.0.2.1");
    }

    #[test]
    fn text_is_cut_between_characters() {
        let text = "é".repeat(200);
        let mut bytes = Vec::new();
        Writer { bytes: &mut bytes }.text(&text);
        let back = Reader::new(&bytes).text().unwrap();
        assert_eq!(back.len(), 254);
        assert!(text.starts_with(back));
    }
}

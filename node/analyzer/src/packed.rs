//! Compact bytes for what waits to be settled: variable-length integers, addresses, uids, short text.
//!
//! A record costs about 45 bytes this way instead of some 130, every value is kept exactly, and the
//! same bytes can wait in memory or in a temporary file. Readers never panic: bytes that do not
//! decode end the reading with `None`.

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
    pub fn new(text: &str) -> Self {
        pack(text).unwrap_or_else(|| Self(HASHED | hash128(text.as_bytes()) >> 8))
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

fn pack(text: &str) -> Option<Uid> {
    if text.len() > UID_CHARS_MAX {
        return None;
    }
    let (low, high) = text.as_bytes().split_at(text.len().min(UID_CHARS_MAX / 2));
    Some(Uid(u128::from(pack_half(low)?) | u128::from(pack_half(high)?) << 60))
}

/// Half of a uid: it fits into 60 bits, which are quicker to shift than 120.
fn pack_half(text: &[u8]) -> Option<u64> {
    let mut packed = 0;
    for &byte in text.iter().rev() {
        let code = CODES[usize::from(byte)];
        if code == 0 {
            return None;
        }
        packed = packed << 6 | u64::from(code);
    }
    Some(packed)
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

/// Appends to a byte buffer.
#[derive(Debug, Default)]
pub struct Writer {
    /// What has been written.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Seven bits a byte, lowest first.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Small distances from zero, either way, stay short.
    pub fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Two bytes.
    pub fn port(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
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

    /// As many bytes as it has, with their count before.
    pub fn uid(&mut self, text: &str) {
        match pack(text) {
            Some(uid) => {
                let count = (text.len() * 6).div_ceil(8);
                self.bytes.push(count as u8);
                self.bytes.extend_from_slice(&uid.0.to_le_bytes()[..count]);
            }
            None => {
                self.bytes.push(UID_AS_TEXT);
                self.text(text);
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

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(count)?;
        self.bytes = tail;
        Some(head)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// See [`Writer::number`].
    pub fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// See [`Writer::signed`].
    pub fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Two bytes.
    pub fn port(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
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

    /// The uid, and its text where the number does not hold it.
    pub fn uid(&mut self) -> Option<(Uid, Option<&'a str>)> {
        let count = self.byte()?;
        if count == UID_AS_TEXT {
            let text = self.text()?;
            return Some((Uid::new(text), Some(text)));
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
        let mut writer = Writer::default();
        let unsigned = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX];
        let signed = [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN];
        unsigned.iter().for_each(|&value| writer.number(value));
        signed.iter().for_each(|&value| writer.signed(value));
        let mut reader = Reader::new(&writer.bytes);
        for value in unsigned {
            assert_eq!(reader.number(), Some(value));
        }
        for value in signed {
            assert_eq!(reader.signed(), Some(value));
        }
        assert!(reader.is_empty());
        assert_eq!(reader.number(), None);
        assert_eq!(Reader::new(&[0xff; 12]).number(), None);
    }

    #[test]
    fn uids_come_back_packed_or_as_text() {
        let long = "x".repeat(400);
        let texts = ["", "C", "CHhAvVGS1DHFjwGM9", "0", "zzzzzzzzzzzzzzzzzzzz", "a-b", &long];
        let mut writer = Writer::default();
        texts.iter().for_each(|text| writer.uid(text));
        let mut reader = Reader::new(&writer.bytes);
        for text in texts {
            let (uid, odd) = reader.uid().unwrap();
            assert_eq!(uid, Uid::new(clip(text)), "{text}");
            let back = odd.map(str::to_owned).or_else(|| uid.text());
            assert_eq!(back.as_deref(), Some(clip(text)));
        }
        assert!(reader.is_empty());
        assert_eq!(Uid::new(""), Uid::NONE);
        assert_ne!(Uid::new("ab"), Uid::new("ba"));
    }

    #[test]
    fn addresses_are_one_number_each() {
        let texts = ["0.0.0.0", "255.255.255.255", "240.0.0.1", "192.0.2.1", "::", "2001:db8::1"];
        for text in texts {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(Addr::from(address)), address);
            let mut writer = Writer::default();
            writer.addr(address.into());
            let back = Reader::new(&writer.bytes).addr(address.is_ipv6());
            assert_eq!(back, Some(address.into()));
        }
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(IpAddr::from(Addr::from(mapped)).to_string(), "192.0.2.1");
    }

    #[test]
    fn text_is_cut_between_characters() {
        let text = "é".repeat(200);
        let mut writer = Writer::default();
        writer.text(&text);
        let back = Reader::new(&writer.bytes).text().unwrap();
        assert_eq!(back.len(), 254);
        assert!(text.starts_with(back));
    }
}

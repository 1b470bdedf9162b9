//! Signed and hashed bytes: fixed order, big-endian integers, length-prefixed text, one encoding.
//!
//! Protobuf promises no canonical form, so nothing that is hashed or signed is ever protobuf.
//! Every signed message begins with its 16-byte [`tag`], so that no signature passes for another.

use std::fmt;

/// Bytes of a domain tag.
pub const TAG_BYTES: usize = 16;

/// A domain tag: the name, zeros up to 15 bytes, then the version.
///
/// # Panics
/// At compile time, when the name is longer than 15 bytes.
#[must_use]
pub const fn tag(name: &str, version: u8) -> [u8; TAG_BYTES] {
    let name = name.as_bytes();
    assert!(name.len() < TAG_BYTES, "a tag's name has at most 15 bytes");
    let mut bytes = [0; TAG_BYTES];
    let mut at = 0;
    while at < name.len() {
        bytes[at] = name[at];
        at += 1;
    }
    bytes[TAG_BYTES - 1] = version;
    bytes
}

/// BLAKE3 in its key derivation mode: `context` keeps every use of the hash apart.
#[must_use]
pub fn b3kdf(context: &str, data: &[u8]) -> [u8; 32] {
    blake3::derive_key(context, data)
}

/// [`b3kdf`] over several pieces, as if they stood in one buffer.
#[must_use]
pub fn b3kdf_parts(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The top of a binary tree over `leaves` in the shape of RFC 6962, section 2.1: the left subtree
/// holds the largest power of two below the number of leaves. No leaves: 32 zero bytes.
#[must_use]
pub fn tree_top(mut leaves: Vec<[u8; 32]>, node_context: &str) -> [u8; 32] {
    // Pairing level by level and lifting the odd last one gives that same shape.
    while leaves.len() > 1 {
        let mut above = Vec::with_capacity(leaves.len().div_ceil(2));
        for pair in leaves.chunks(2) {
            above.push(match pair {
                [left, right] => b3kdf_parts(node_context, &[left, right]),
                odd => odd[0],
            });
        }
        leaves = above;
    }
    leaves.first().copied().unwrap_or_default()
}

/// Bytes that are not what they should be, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// Bytes read before that.
    pub at: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed at byte {}: {}", self.at, self.what)
    }
}

impl std::error::Error for Malformed {}

/// Reads canonical bytes from front to back; never panics.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    read: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the front.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, read: 0 }
    }

    /// An error that names the current place.
    #[must_use]
    pub const fn error(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.read }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.read
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        if count > self.rest.len() {
            return Err(self.error("cut off"));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        self.read += count;
        Ok(taken)
    }

    /// The next `N` bytes by value.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// One byte.
    ///
    /// # Errors
    /// None is left.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// A big-endian `u16`.
    ///
    /// # Errors
    /// Fewer than 2 bytes are left.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// A big-endian `u32`.
    ///
    /// # Errors
    /// Fewer than 4 bytes are left.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A big-endian `u64`.
    ///
    /// # Errors
    /// Fewer than 8 bytes are left.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A byte that must be 0 or 1.
    ///
    /// # Errors
    /// None is left, or it is another.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("neither 0 nor 1")),
        }
    }

    /// `u8` length and that much UTF-8, without control characters.
    ///
    /// # Errors
    /// Cut off, longer than `bytes_max`, not UTF-8, or with a control character, which could
    /// rewrite a terminal on which the text is shown.
    pub fn text(&mut self, bytes_max: usize) -> Result<String, Malformed> {
        let length = usize::from(self.u8()?);
        if length > bytes_max {
            return Err(self.error("text too long"));
        }
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.error("text is not UTF-8"))?;
        if text.chars().any(char::is_control) {
            return Err(self.error("text has a control character"));
        }
        Ok(text.to_owned())
    }

    /// The tag that a message begins with.
    ///
    /// # Errors
    /// Another tag, or another version of it.
    pub fn tag(&mut self, expected: &[u8; TAG_BYTES]) -> Result<(), Malformed> {
        if self.take(TAG_BYTES)? == expected { Ok(()) } else { Err(self.error("another tag")) }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Bytes are left: a second encoding of the same thing is refused.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error("bytes left over")) }
    }
}

/// Appends canonical bytes.
pub trait Put {
    /// Appends bytes as they are.
    fn put(&mut self, bytes: &[u8]);
    /// One byte.
    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }
    /// Big-endian.
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }
    /// Big-endian.
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }
    /// Big-endian.
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }
    /// `u8` length and the text, cut at 255 bytes on a character boundary.
    fn put_text(&mut self, text: &str) {
        let mut length = text.len().min(usize::from(u8::MAX));
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        self.put_u8(u8::try_from(length).unwrap_or(u8::MAX));
        self.put(&text.as_bytes()[..length]);
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962's own definition, to compare the level-wise form with.
    fn by_definition(leaves: &[[u8; 32]], context: &str) -> [u8; 32] {
        if leaves.len() <= 1 {
            return leaves.first().copied().unwrap_or_default();
        }
        let left = leaves.len().next_power_of_two() / 2;
        let (a, b) = leaves.split_at(left);
        b3kdf_parts(context, &[&by_definition(a, context), &by_definition(b, context)])
    }

    #[test]
    fn the_tree_has_the_shape_of_rfc_6962() {
        for count in 0..70_u8 {
            let leaves: Vec<_> = (0..count).map(|leaf| [leaf; 32]).collect();
            assert_eq!(tree_top(leaves.clone(), "n"), by_definition(&leaves, "n"), "{count}");
        }
    }

    #[test]
    fn what_is_put_is_read() {
        let mut bytes = Vec::new();
        bytes.put(&tag("flowlore-test", 3));
        bytes.put_u8(1);
        bytes.put_u16(0x0203);
        bytes.put_u32(4);
        bytes.put_u64(5);
        bytes.put_text("five é");
        let mut reader = Reader::new(&bytes);
        reader.tag(&tag("flowlore-test", 3)).unwrap();
        assert_eq!(reader.bool(), Ok(true));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!((reader.u32(), reader.u64()), (Ok(4), Ok(5)));
        assert_eq!(reader.text(64).as_deref(), Ok("five é"));
        assert_eq!(reader.finish(), Ok(()));
        for cut in 0..bytes.len() {
            let mut reader = Reader::new(&bytes[..cut]);
            let all = reader
                .tag(&tag("flowlore-test", 3))
                .and_then(|()| reader.take(1 + 2 + 4 + 8))
                .and_then(|_| reader.text(64));
            assert!(all.is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn bad_text_is_refused() {
        for (bytes, what) in [
            (&b"\x02\xff\xfe"[..], "text is not UTF-8"),
            (b"\x02a\x1b", "text has a control character"),
            (b"\x09aaaaaaaaa", "text too long"),
            (b"\x05abc", "cut off"),
        ] {
            assert_eq!(Reader::new(bytes).text(8).unwrap_err().what, what);
        }
        assert_eq!(Reader::new(&[2]).bool().unwrap_err().what, "neither 0 nor 1");
        assert_eq!(Reader::new(&[2]).finish().unwrap_err().what, "bytes left over");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let mut bytes = Vec::new();
        bytes.put_text(&"é".repeat(200));
        assert_eq!(Reader::new(&bytes).text(255).unwrap(), "é".repeat(127));
    }
}

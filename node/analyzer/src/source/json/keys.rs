//! Which key is wanted, and as which column.

use std::sync::LazyLock;

use wide::u8x16;

use super::super::kind::{Content, Kind, WANTED_MAX, same_name};
use crate::limits::JSON_KEYS_MAX;

/// Keys under which collectors say which log a record belongs to.
pub(super) const PATH_KEYS: [&str; 2] = ["_path", "@stream"];

/// Where the value of a path key is kept: behind the wanted columns.
pub(super) const PATH: usize = WANTED_MAX;

/// Where values go that nobody wants.
pub(super) const UNWANTED: usize = PATH + 1;

/// Keys that are looked for: a name's place in the list of its length, so that most keys of a record
/// are told apart without comparing text.
#[derive(Debug)]
pub(super) struct Names {
    by_length: Vec<Vec<(&'static str, usize)>>,
}

impl Names {
    fn new(wanted: &[&'static str]) -> Self {
        let mut by_length: Vec<Vec<(&'static str, usize)>> = Vec::new();
        let paths = PATH_KEYS.iter().map(|name| (*name, PATH));
        let columns = wanted.iter().enumerate().map(|(column, name)| (*name, column));
        for (name, column) in columns.chain(paths) {
            if by_length.len() <= name.len() {
                by_length.resize_with(name.len() + 1, Vec::new);
            }
            by_length[name.len()].push((name, column));
        }
        Self { by_length }
    }

    pub(super) fn of(content: Content) -> &'static Self {
        let Content::Read(log) = content else { return &NO_NAMES };
        let found = NAMES.iter().find(|(kind, _)| *kind == log.kind);
        found.map_or(&NO_NAMES, |(_, names)| names)
    }

    pub(super) fn find(&self, key: &str) -> Option<usize> {
        let list = self.by_length.get(key.len())?;
        let exact = list.iter().find(|(name, _)| *name == key);
        let found = exact.or_else(|| {
            // Only keys with an underscore for a point are left; few keys get here.
            list.iter().find(|(name, _)| name.contains('.') && same_name(key, name))
        });
        found.map(|(_, column)| *column)
    }
}

static NAMES: LazyLock<Vec<(Kind, Names)>> =
    LazyLock::new(|| Kind::ALL.iter().map(|kind| (*kind, Names::new(kind.columns()))).collect());

static NO_NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[]));

/// The keys that records of one kind had so far, in their order.
///
/// Records of a log have the same keys in the same order, some left out: so the next key is almost always the next
/// one here, or one soon after it. What is found does not depend on that, only how fast.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    names: &'static Names,
    known: Vec<Key>,
    /// Which of them is expected.
    next: usize,
}

/// A key that is not too long, as most writers put it: with its quotes and the colon.
#[derive(Clone, Copy, Debug)]
struct Key {
    text: [u8; KEY_BYTES],
    /// A bit a byte of the text.
    mask: u32,
    length: usize,
    column: usize,
}

/// Bytes that are compared at once.
const KEY_BYTES: usize = 32;

/// Bytes of a key beside its name.
const AROUND_BYTES: usize = 3;

impl Key {
    fn new(name: &[u8], column: usize) -> Option<Self> {
        let length = name.len() + AROUND_BYTES;
        let mut text = [0; KEY_BYTES];
        let (first, rest) = text.get_mut(..length)?.split_first_mut()?;
        let (inner, last) = rest.split_at_mut(name.len());
        *first = b'"';
        inner.copy_from_slice(name);
        last.copy_from_slice(b"\":");
        let mask = u32::MAX >> (KEY_BYTES - length);
        Some(Self { text, mask, length, column })
    }

    /// Whether a text begins with it.
    #[inline(always)]
    fn begins(&self, text: &[u8; KEY_BYTES]) -> bool {
        let halves = self.text.as_chunks::<16>().0.iter().zip(text.as_chunks::<16>().0);
        let same = halves.rev().fold(0, |same, (key, text)| {
            same << 16 | u8x16::new(*key).simd_eq(u8x16::new(*text)).to_bitmask()
        });
        same & self.mask == self.mask
    }
}

impl Keys {
    pub(super) fn new(content: Content) -> Self {
        Self { names: Names::of(content), known: Vec::new(), next: 0 }
    }

    /// A record begins.
    #[inline(always)]
    pub(super) fn restart(&mut self) {
        self.next = 0;
    }

    /// The length, quotes and colon with it, and column of the expected key, if it is what stands there.
    #[inline(always)]
    pub(super) fn expected(&mut self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let key = self.known.get(self.next)?;
        if !key.begins(bytes.get(at..)?.first_chunk()?) {
            return None;
        }
        self.next += 1;
        Some((key.length, key.column))
    }

    /// The column of any key.
    pub(super) fn column(&mut self, name: &[u8]) -> usize {
        let new = Key::new(name, UNWANTED);
        if let Some(new) = new {
            let mut places = (self.next..self.known.len()).chain(0..self.next);
            if let Some(found) = places.find(|at| self.known[*at].text == new.text) {
                self.next = found + 1;
                return self.known[found].column;
            }
        }
        let text = std::str::from_utf8(name).ok();
        let column = text.and_then(|text| self.names.find(text)).unwrap_or(UNWANTED);
        if let Some(new) = new
            && self.known.len() < JSON_KEYS_MAX
        {
            self.known.insert(self.next, Key { column, ..new });
            self.next += 1;
        }
        column
    }
}

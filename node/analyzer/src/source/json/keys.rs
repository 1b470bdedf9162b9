//! Which key is wanted, and as which column.

use std::sync::LazyLock;

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

/// A key of at most 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Key {
    text: u128,
    /// The bits of the text that count.
    mask: u128,
    length: usize,
    column: usize,
}

impl Key {
    #[inline(always)]
    fn is(&self, text: u128, length: usize) -> bool {
        self.length == length && self.text == text & self.mask
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

    /// The column of the key that stands there.
    #[inline(always)]
    pub(super) fn column(&mut self, bytes: &[u8], start: usize, end: usize) -> usize {
        if let Some(text) = first_sixteen(bytes, start)
            && let Some(key) = self.known.get(self.next)
            && key.is(text, end.wrapping_sub(start))
        {
            self.next += 1;
            return key.column;
        }
        self.search(bytes, start, end)
    }

    #[inline(never)]
    fn search(&mut self, bytes: &[u8], start: usize, end: usize) -> usize {
        let Some(key) = bytes.get(start..end) else { return UNWANTED };
        let text = first_sixteen(bytes, start).filter(|_| key.len() <= 16);
        if let Some(text) = text {
            let later = self.next..self.known.len();
            let mut places = later.chain(0..self.next.min(self.known.len()));
            if let Some(found) = places.find(|at| self.known[*at].is(text, key.len())) {
                self.next = found + 1;
                return self.known[found].column;
            }
        }
        let name = std::str::from_utf8(key).ok();
        let column = name.and_then(|name| self.names.find(name)).unwrap_or(UNWANTED);
        if let Some(text) = text
            && self.known.len() < JSON_KEYS_MAX
        {
            let mask = u128::MAX.checked_shr(128 - 8 * key.len() as u32).unwrap_or(0);
            let new = Key { text: text & mask, mask, length: key.len(), column };
            self.known.insert(self.next, new);
            self.next += 1;
        }
        column
    }
}

/// The sixteen bytes at a place, if there are so many.
#[inline(always)]
fn first_sixteen(bytes: &[u8], start: usize) -> Option<u128> {
    Some(u128::from_le_bytes(*bytes.get(start..)?.first_chunk::<16>()?))
}

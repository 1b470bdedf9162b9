//! Zeek's own notation: a header that names the columns, then a line a record.
//! Form: <https://docs.zeek.org/en/master/log-formats.html>.
//!
//! This is the path that must be fast: separators and line ends are found 64 bytes at a time, a line is split
//! once, and only the columns that a reader asks for are looked at. Nothing is allocated a row.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use memchr::memchr_iter;

use super::bytes;
use super::kind::{Content, Log, WANTED_MAX, same_name};
use super::row::{Row, optional};
use super::text::{self, is_binary};
use crate::limits::{COLUMNS_MAX, HEADER_BYTES_MAX, LINE_BYTES_MAX, LIST_ITEMS_MAX};
use crate::record::{Sink, Skip};

/// The position of a column that the header does not name.
const ABSENT: u16 = u16::MAX;

const _: () = assert!(COLUMNS_MAX < ABSENT as usize);

/// How values are written, as header lines say.
#[derive(Clone, Debug)]
struct Notation {
    separator: u8,
    set_separator: u8,
    empty: Vec<u8>,
    unset: Vec<u8>,
}

impl Default for Notation {
    fn default() -> Self {
        Self {
            separator: b'\t',
            set_separator: b',',
            empty: b"(empty)".to_vec(),
            unset: b"-".to_vec(),
        }
    }
}

impl Notation {
    /// Whether a value says that there is none.
    fn is_absent(&self, value: &[u8]) -> bool {
        value.is_empty() || value == self.unset || value == self.empty
    }

    /// The bytes that such values begin with. One may be another's beginning, or of no length.
    fn first_bytes(&self) -> [u8; 2] {
        let first = |mark: &[u8]| mark.first().copied().unwrap_or(self.separator);
        [first(&self.unset), first(&self.empty)]
    }
}

/// A header in force: where the wanted columns stand.
#[derive(Debug)]
struct Table {
    content: Content,
    notation: Notation,
    columns: usize,
    /// The last column carries label columns glued on with blanks (`tunnel_parents   label`), as some
    /// labelling tools write them.
    glued: bool,
    positions: [u16; WANTED_MAX],
    /// What an absent value begins with: most values are told from one by that.
    absent_first: [u8; 2],
    /// One of them begins like a number.
    absent_is_number: bool,
}

/// The header lines read so far, and the table that the last `#fields` line made of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    notation: Notation,
    path: Option<Content>,
    table: Option<Arc<Table>>,
}

impl Header {
    /// Whether a line can begin a log: the directives that Zeek writes first.
    pub(super) fn begins(line: &[u8]) -> bool {
        [&b"#separator"[..], b"#fields", b"#path"].iter().any(|start| line.starts_with(start))
    }

    /// What the rows under this header are.
    pub(super) fn content(&self) -> Option<Content> {
        self.table.as_ref().map(|table| table.content)
    }

    /// Takes a line that begins with `#`. Comments and directives that we do not use change nothing.
    pub(super) fn directive(&mut self, line: &[u8], hint: Option<Content>) {
        if let Some(value) = line.strip_prefix(b"#separator ") {
            // The first line of a log: what an earlier one in the same file said is over.
            *self = Self::default();
            self.notation.separator = single(value).unwrap_or(b'\t');
            return;
        }
        let separator = self.notation.separator;
        let Some(at) = memchr::memchr(separator, line) else { return };
        let (name, value) = (&line[..at], &line[at + 1..]);
        match name {
            b"#set_separator" => self.notation.set_separator = single(value).unwrap_or(b','),
            b"#empty_field" => self.notation.empty = unescaped(value),
            b"#unset_field" => self.notation.unset = unescaped(value),
            b"#path" => self.path = Some(Content::named(&String::from_utf8_lossy(value))),
            b"#fields" => {
                self.table = self.table(value, hint).map(Arc::new);
                self.path = None;
            }
            _ => {}
        }
    }

    fn table(&self, names: &[u8], hint: Option<Content>) -> Option<Table> {
        let names = std::str::from_utf8(names).ok()?;
        if names.len() > HEADER_BYTES_MAX || !self.notation.separator.is_ascii() {
            return None;
        }
        let mut columns: Vec<&str> = names.split(char::from(self.notation.separator)).collect();
        if columns.len() > COLUMNS_MAX {
            return None;
        }
        let last = columns.last_mut()?;
        let glued = last.contains(' ');
        *last = last.split(' ').next().unwrap_or("");
        let guessed = || Content::guessed(&columns, hint).unwrap_or(Content::Unused(None));
        let content = self.path.unwrap_or_else(guessed).opened_by(hint);
        let mut positions = [ABSENT; WANTED_MAX];
        if let Content::Read(log) = content {
            for (position, wanted) in positions.iter_mut().zip(log.kind.columns()) {
                let found = columns.iter().position(|column| same_name(column, wanted));
                *position = found.and_then(|at| u16::try_from(at).ok()).unwrap_or(ABSENT);
            }
        }
        let notation = self.notation.clone();
        let absent_first = notation.first_bytes();
        let absent_is_number = absent_first.iter().any(u8::is_ascii_digit);
        let columns = columns.len();
        Some(Table { content, notation, columns, glued, positions, absent_first, absent_is_number })
    }

    /// Reads a row; `whole` unless it is the last line of a file and has no line end.
    pub(super) fn row(
        &self,
        line: &[u8],
        whole: bool,
        splits: &mut Splits,
        sink: &mut impl Sink,
    ) -> Result<(), Skip> {
        let Some(table) = &self.table else {
            return Err(if is_binary(line) { Skip::Binary } else { Skip::NoHeader });
        };
        let Content::Read(log) = table.content else { return Err(Skip::UnusedLog) };
        let separators = splits.find(line, table.notation.separator);
        table.row(log, (line, separators), whole, splits, sink)
    }

    /// Reads the row at the beginning of a block, whose end is found together with its columns; gives where it ends.
    ///
    /// `None`, and nothing read, where that is not to be had: the block ends soon, or the row in a carriage return, or
    /// there is none, or none that is wanted.
    #[inline]
    pub(super) fn first_row(
        &self,
        block: &[u8],
        splits: &mut Splits,
        sink: &mut impl Sink,
    ) -> Option<(usize, Result<(), Skip>)> {
        let table = self.table.as_deref()?;
        let Content::Read(log) = table.content else { return None };
        let (line, separators) = splits.find_row(block, table.notation.separator)?;
        Some((line.len(), table.row(log, (line, separators), true, splits, sink)))
    }
}

impl Table {
    /// Reads a row that was split and has so many separators.
    #[inline]
    fn row(
        &self,
        log: Log,
        (line, separators): (&[u8], usize),
        whole: bool,
        splits: &Splits,
        sink: &mut impl Sink,
    ) -> Result<(), Skip> {
        if separators + 1 != self.columns {
            let cut = !whole && separators + 1 < self.columns;
            return Err(match (is_binary(line), cut) {
                (true, _) => Skip::Binary,
                (false, true) => Skip::CutOff,
                (false, false) => Skip::ColumnCount,
            });
        }
        log.read(&TsvRow { table: self, line, starts: &splits.starts }, sink)
    }
}

/// The columns of one line: reused, so that a row costs no allocation.
#[derive(Clone, Debug)]
pub(super) struct Splits {
    /// Where each column starts; the one behind the last column is one past the line's end.
    starts: [u32; COLUMNS_MAX + 1],
}

impl Default for Splits {
    fn default() -> Self {
        Self { starts: [0; COLUMNS_MAX + 1] }
    }
}

impl Splits {
    /// Splits a line and returns how many separators it has; those beyond the most columns are
    /// counted but not kept. A line is shorter than 4 GiB by its limit.
    ///
    /// Where separators stand is gathered for 64 bytes before any of them is looked at: columns are so
    /// short that a look at each word of eight bytes would be mispredicted more often than not.
    fn find(&mut self, line: &[u8], separator: u8) -> usize {
        let mut found = 0;
        let mut base = 1_u32;
        let (blocks, rest) = line.as_chunks::<64>();
        for block in blocks {
            self.keep(&mut found, base, bytes::equal(block, separator));
            base += 64;
        }
        let mut last = [!separator; 64];
        last[..rest.len()].copy_from_slice(rest);
        self.keep(&mut found, base, bytes::equal(&last, separator));
        self.end(found, line.len());
        found
    }

    /// The line at the beginning of a block, and how many separators it has: one look for both, and no copy of its rest.
    /// `None` when the block ends before the 64 bytes in which the line does, the line is empty or too long, or it ends in
    /// a carriage return, which is no part of it.
    #[inline]
    fn find_row<'a>(&mut self, block: &'a [u8], separator: u8) -> Option<(&'a [u8], usize)> {
        let (mut found, mut base) = (0, 1_u32);
        for part in block.as_chunks::<64>().0.iter().take(LINE_BYTES_MAX / 64) {
            let hits = bytes::equal(part, separator);
            let ends = bytes::equal(part, b'\n');
            if ends == 0 {
                self.keep(&mut found, base, hits);
                base += 64;
                continue;
            }
            // Bits below the first line end.
            self.keep(&mut found, base, hits & (ends - 1) & !ends);
            let line = block.get(..(base - 1 + ends.trailing_zeros()) as usize)?;
            if matches!(line.last(), None | Some(b'\r')) {
                return None;
            }
            self.end(found, line.len());
            return Some((line, found));
        }
        None
    }

    /// The place behind the last column of a line.
    #[inline(always)]
    fn end(&mut self, found: usize, bytes: usize) {
        if let Some(end) = self.starts.get_mut(found + 1) {
            *end = 1 + bytes as u32;
        }
    }

    /// Keeps the places behind separators, given as a bit a byte.
    #[inline(always)]
    fn keep(&mut self, found: &mut usize, base: u32, mut hits: u64) {
        while hits != 0 {
            *found += 1;
            if let Some(slot) = self.starts.get_mut(*found) {
                *slot = base + hits.trailing_zeros();
            }
            hits &= hits - 1;
        }
    }
}

struct TsvRow<'a, 's> {
    table: &'s Table,
    line: &'a [u8],
    starts: &'s [u32; COLUMNS_MAX + 1],
}

impl<'a> TsvRow<'a, '_> {
    /// Where a column stands in the line.
    #[inline(always)]
    fn place(&self, column: usize) -> Option<(usize, usize)> {
        let position = usize::from(*self.table.positions.get(column)?);
        if position >= self.table.columns {
            return None;
        }
        let [start, end] = *self.starts.get(position..)?.first_chunk::<2>()?;
        Some((start as usize, end as usize - 1))
    }

    /// The bytes of a column, unset and empty ones left out.
    #[inline(always)]
    fn value(&self, column: usize) -> Option<&'a [u8]> {
        let (start, end) = self.place(column)?;
        let table = self.table;
        let mut value = self.line.get(start..end)?;
        if table.glued && end == self.line.len() {
            value = value.split(|byte| *byte == b' ').next().unwrap_or(value);
        }
        let first = *value.first()?;
        if table.absent_first.contains(&first) && table.notation.is_absent(value) {
            return None;
        }
        Some(value)
    }

    /// A column that is an IPv4 address, read with the bytes behind it.
    #[inline(always)]
    fn ipv4(&self, column: usize) -> Option<Ipv4Addr> {
        let (start, end) = self.place(column)?;
        let bytes = self.line.get(start..)?.first_chunk::<16>()?;
        text::first_ipv4(*bytes, end.wrapping_sub(start))
    }

    /// A column of one to eight digits, as almost all numbers are, read with the bytes before it.
    #[inline(always)]
    fn short_number(&self, column: usize) -> Option<u64> {
        let (start, end) = self.place(column)?;
        let word = self.line.get(..end)?.last_chunk::<8>()?;
        text::last_digits(u64::from_le_bytes(*word), end.wrapping_sub(start))
    }
}

impl<'a> Row<'a> for TsvRow<'a, '_> {
    #[inline(always)]
    fn scalar(&self, column: usize) -> Option<&'a [u8]> {
        self.value(column)
    }

    fn text(&self, column: usize) -> Result<Option<&'a str>, Skip> {
        self.value(column).map(utf8).transpose()
    }

    #[inline(always)]
    fn count(&self, column: usize) -> Result<Option<u64>, Skip> {
        match self.short_number(column) {
            Some(number) if !self.table.absent_is_number => Ok(Some(number)),
            _ => optional(self.scalar(column), text::count, Skip::BadNumber),
        }
    }

    #[inline(always)]
    fn address(&self, column: usize) -> Result<Option<IpAddr>, Skip> {
        match self.ipv4(column) {
            Some(address) if !self.table.absent_is_number => Ok(Some(IpAddr::V4(address))),
            _ => optional(self.scalar(column), text::address, Skip::BadAddress),
        }
    }

    fn each<F>(&self, column: usize, mut take: F) -> Result<(), Skip>
    where
        F: FnMut(&'a str) -> Result<(), Skip>,
    {
        let Some(list) = self.value(column) else { return Ok(()) };
        let notation = &self.table.notation;
        let mut start = 0;
        let ends = memchr_iter(notation.set_separator, list).chain([list.len()]);
        for end in ends.take(LIST_ITEMS_MAX) {
            let item = &list[start..end];
            if item != notation.unset {
                take(utf8(item)?)?;
            }
            start = end + 1;
        }
        Ok(())
    }
}

fn utf8(text: &[u8]) -> Result<&str, Skip> {
    std::str::from_utf8(text).map_err(|_| Skip::Binary)
}

/// A separator of one byte; longer ones are in no log that we know of, and not supported.
fn single(text: &[u8]) -> Option<u8> {
    match unescaped(text)[..] {
        [byte] => Some(byte),
        _ => None,
    }
}

/// `\x09` to a tab.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let code = match rest {
            [b'\\', b'x', high, low, ..] => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &rest[4..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

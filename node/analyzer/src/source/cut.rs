//! Cuts a file that lies in memory into pieces that can be read at the same time.

use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::kind::Content;
use super::table::{Objects, Reading};
use super::{FileTally, Mode, Object, Reader};
use crate::limits::LINE_BYTES_MAX;
use crate::record::{
    CaptureLoss, Conn, Dhcp, Dns, File, Http, Logon, Notice, Remote, Sink, Tls, X509,
};

/// Cuts one file, piece by piece, so that readers can begin before the last cut is made.
///
/// Pieces end at line ends; each carries the header that is in force where it begins, also where
/// several logs were put together in one file. A JSON array is one piece, and so is a file whose records
/// are parts of flows.
#[derive(Clone, Debug)]
pub struct Cutter {
    hint: Option<Content>,
    mode: Mode,
    at: usize,
    piece_bytes: usize,
    begun: bool,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where its bytes are.
    range: Range<usize>,
    hint: Option<Content>,
    mode: Mode,
}

impl Piece {
    /// Reads the piece out of its file's bytes.
    pub fn read(self, file: &[u8], sink: &mut impl Sink) -> FileTally {
        let mut reader = Reader::at(self.mode, self.hint);
        reader.feed(file.get(self.range).unwrap_or(&[]), sink);
        reader.finish(sink)
    }

    /// Bytes of the piece.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.range.len()
    }
}

impl Cutter {
    /// Cuts a file of this name into pieces of about so many bytes.
    #[must_use]
    pub fn new(file_name: &str, piece_bytes: usize) -> Self {
        Self::at(Mode::Start, file_name, piece_bytes)
    }

    pub(super) fn at(mode: Mode, file_name: &str, piece_bytes: usize) -> Self {
        Self {
            hint: Content::hinted(file_name),
            mode,
            at: 0,
            piece_bytes: piece_bytes.max(1),
            begun: false,
        }
    }

    /// The next piece of the file, whose bytes must be the same at each call. An empty file has one.
    pub fn next(&mut self, file: &[u8]) -> Option<Piece> {
        let first = !std::mem::replace(&mut self.begun, true);
        if self.at >= file.len() && !first {
            return None;
        }
        let (start, mode) = (self.at, self.mode.clone());
        let known_from = if first { self.decide(file) } else { start };
        self.at = match &self.mode {
            // Parts of flows are put together by one reader.
            Mode::Json(Object::Listed(Objects { read: Reading::Together(_), .. })) => file.len(),
            Mode::Tsv(_) | Mode::Json(_) => {
                line_end(file, start.saturating_add(self.piece_bytes).max(known_from))
            }
            _ => file.len(),
        };
        if let Mode::Tsv(header) = &mut self.mode {
            for line in directives(&file[known_from..self.at]) {
                header.directive(line, self.hint);
            }
        }
        Some(Piece { range: start..self.at, hint: self.hint, mode })
    }

    /// Reads lines until one shows what the file is; gives the place behind it.
    fn decide(&mut self, file: &[u8]) -> usize {
        let mut reader = Reader::at(self.mode.clone(), self.hint);
        let mut at = 0;
        while matches!(reader.mode, Mode::Start | Mode::Undecided(_)) && at < file.len() {
            let end = line_end(file, at);
            reader.feed(&file[at..end], &mut Nobody);
            at = end;
        }
        self.mode = reader.mode;
        at
    }
}

/// The place behind the first line end at or after a place: where a piece may end.
fn line_end(file: &[u8], from: usize) -> usize {
    let rest = file.get(from..).unwrap_or(&[]);
    memchr(b'\n', rest).map_or(file.len(), |end| from + end + 1)
}

/// Header lines, by their first byte. Rows are passed over without being split.
fn directives(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    // By the mark alone, which is rare in rows: a search for one byte is twice as fast as one for two.
    let marks = memchr_iter(b'#', lines);
    let first = |at: &usize| at.checked_sub(1).is_none_or(|before| lines[before] == b'\n');
    marks.filter(first).filter_map(|start| {
        let rest = &lines[start..];
        let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (line.len() <= LINE_BYTES_MAX).then_some(line)
    })
}

/// A sink for what is read only to learn the format.
struct Nobody;

impl Sink for Nobody {
    fn conn(&mut self, _: &Conn<'_>) {}
    fn dns(&mut self, _: &Dns<'_>) {}
    fn tls(&mut self, _: &Tls<'_>) {}
    fn http(&mut self, _: &Http<'_>) {}
    fn file(&mut self, _: &File<'_>) {}
    fn x509(&mut self, _: &X509<'_>) {}
    fn dhcp(&mut self, _: &Dhcp<'_>) {}
    fn logon(&mut self, _: &Logon<'_>) {}
    fn remote(&mut self, _: &Remote<'_>) {}
    fn notice(&mut self, _: &Notice<'_>) {}
    fn capture_loss(&mut self, _: &CaptureLoss<'_>) {}
}

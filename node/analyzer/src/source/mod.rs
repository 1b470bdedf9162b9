//! Logs as bytes to records: one file a log type, one file a notation.
//!
//! ```text
//! bytes -> Reader (format by content, lines) -> tsv | json | array -> conn, dns, tls ... -> Sink
//!                                            -> a row of `table` -> eve, pcap ...       -> Sink
//! ```
//!
//! A [`Reader`] takes a file in blocks of any size. A [`Cutter`] cuts a file that lies in memory into
//! [`Piece`]s that can be read at the same time; together they give what one reader would.
//! Every record is handed to the [`Sink`] or counted in the [`FileTally`] under a [`Skip`].

mod array;
mod begun;
mod bytes;
mod capture_loss;
mod cloud;
mod conn;
mod cut;
mod dhcp;
mod dns;
mod eve;
mod files;
mod http;
mod json;
mod kind;
mod lines;
mod logon;
mod mapped;
mod netflow;
mod nfcapd;
mod notice;
mod pcap;
mod remote;
mod row;
mod sizes;
mod table;
mod tally;
mod text;
mod tls;
mod tsv;
mod value;
mod ways;
mod wire;
mod x509;

#[cfg(test)]
mod tests;

pub use cut::{Cutter, Piece};
pub use mapped::{Mapping, MappingError, Said};
pub use netflow::{Announced, is as is_netflow};
pub(crate) use table::limits;
pub use tally::FileTally;

use std::sync::Arc;

use array::Elements;
use begun::Element;
use json::Records;
use kind::Content;
use memchr::memchr;
use table::{Decoder, Objects};
use tally::Format;
use text::is_binary;
use tsv::{Header, Splits};
use ways::Ways;

use crate::limits::{LINE_BYTES_MAX, UNDECIDED_BYTES_MAX};
use crate::record::{Sink, Skip};

/// Bytes that decide whether a file is text: a byte order mark and what a format of bytes looks at.
const PROBE_BYTES: usize = 3 + table::START_BYTES;

/// How the bytes that follow are read.
#[derive(Clone, Debug)]
enum Mode {
    /// At the file's first byte.
    Start,
    /// Lines so far told nothing; so many bytes were looked at.
    Undecided(usize),
    /// Under Zeek's header.
    Tsv(Header),
    /// An object a line, of this kind unless an object says otherwise.
    Json(Object),
    /// An array over the whole file; the kind once an element told it. One of other objects is read
    /// to its end.
    Array(Elements, Option<Object>),
    /// One of the table's formats of bytes; the reader has its decoder.
    Bytes,
    /// Lines that a person said how to read; the reader has their decoder.
    Mapped(Arc<Mapping>),
    /// Not read.
    Foreign(Format),
}

/// How files are read.
#[derive(Clone, Debug, Default)]
pub enum Opening {
    /// By what they hold.
    #[default]
    ByContent,
    /// As a person said.
    Mapped(Arc<Mapping>),
}

impl Opening {
    /// A reader for a file of this name.
    #[must_use]
    pub fn reader(&self, file_name: &str) -> Reader {
        Reader::at(self.mode(), Content::hinted(file_name))
    }

    /// A cutter for a file of this name, into pieces of about so many bytes.
    #[must_use]
    pub fn cutter(&self, file_name: &str, piece_bytes: usize) -> Cutter {
        Cutter::at(self.mode(), file_name, piece_bytes)
    }

    fn mode(&self) -> Mode {
        match self {
            Self::ByContent => Mode::Start,
            Self::Mapped(mapping) => Mode::Mapped(Arc::clone(mapping)),
        }
    }
}

/// Whose objects the records of a JSON file are.
#[derive(Clone, Copy, Debug)]
enum Object {
    Zeek(Content),
    Listed(&'static Objects),
}

/// Reads one file, given in blocks.
#[derive(Debug)]
pub struct Reader {
    hint: Option<Content>,
    mode: Mode,
    tally: FileTally,
    /// The format counted last: records of one kind follow each other.
    counted: Option<Format>,
    /// The beginning of a line whose end is in a later block, at most the longest line.
    begun: Vec<u8>,
    /// The line in hand is longer than that; its rest is passed over.
    too_long: bool,
    splits: Splits,
    objects: Box<Records>,
    decoder: Option<Box<dyn Decoder>>,
    /// Parts of flows that wait for each other, of objects.
    ways: Ways,
}

impl Reader {
    /// A reader for a file of this name. The name helps where JSON does not say which log it is, and
    /// tells logs of open connections; nothing else depends on it.
    #[must_use]
    pub fn new(file_name: &str) -> Self {
        Self::at(Mode::Start, Content::hinted(file_name))
    }

    fn at(mode: Mode, hint: Option<Content>) -> Self {
        let (mut tally, mut decoder) = (FileTally::default(), None);
        if let Mode::Mapped(mapping) = &mode {
            tally.formats.insert(Format::Listed(mapped::NAME));
            decoder = Some(mapping.open());
        }
        Self {
            hint,
            mode,
            tally,
            counted: None,
            begun: Vec::new(),
            too_long: false,
            splits: Splits::default(),
            objects: Box::new(Records::new(hint)),
            decoder,
            ways: Ways::default(),
        }
    }

    /// Whether the rest of the file need not be read: it is of no format of ours.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.mode, Mode::Foreign(_))
    }

    /// Reads the next bytes of the file. What comes out does not depend on how it is cut into blocks.
    pub fn feed(&mut self, block: &[u8], sink: &mut impl Sink) {
        if !matches!(self.mode, Mode::Start) {
            self.text(block, sink);
        } else if self.begun.is_empty() && block.len() >= PROBE_BYTES {
            self.start(block, sink);
        } else {
            self.begun.extend_from_slice(block);
            if self.begun.len() >= PROBE_BYTES {
                let first = std::mem::take(&mut self.begun);
                self.start(&first, sink);
            }
        }
    }

    /// Reads a last line without line end, and gives the numbers.
    pub fn finish(mut self, sink: &mut impl Sink) -> FileTally {
        if matches!(self.mode, Mode::Start) {
            let first = std::mem::take(&mut self.begun);
            self.start(&first, sink);
        }
        if let Mode::Array(mut elements, content) = self.mode.clone() {
            elements.finish(|element| self.element(element, content, false, sink));
        }
        if let Some(mut decoder) = self.decoder.take() {
            decoder.finish(&mut self.tally, sink);
        }
        let last = std::mem::take(&mut self.begun);
        if self.too_long {
            self.count_too_long();
        } else {
            self.line(&last, false, sink);
        }
        self.ways.settle(&mut self.tally, sink);
        let nothing = match self.mode {
            Mode::Undecided(0) => Some(Format::Empty),
            Mode::Undecided(_) => Some(Format::Unknown),
            Mode::Array(..) if self.tally.formats.is_empty() => Some(Format::Unknown),
            Mode::Foreign(format) => Some(format),
            _ => None,
        };
        if let Some(format) = nothing {
            self.tally = FileTally { formats: [format].into(), ..FileTally::default() };
        }
        self.tally
    }

    fn start(&mut self, block: &[u8], sink: &mut impl Sink) {
        // The file's first bytes only, the mark among them, so that the answer does not depend on the block's size.
        let probe = &block[..block.len().min(PROBE_BYTES)];
        let is_array = unmarked(probe).trim_ascii_start().starts_with(b"[");
        let block = unmarked(block);
        let listed = table::BYTES.iter().find(|format| (format.is)(block));
        self.mode = match listed {
            Some(format) => {
                self.count_format(Some(Format::Listed(format.name)));
                self.decoder = Some((format.open)());
                Mode::Bytes
            }
            None if is_array => Mode::Array(Elements::default(), None),
            None => Mode::Undecided(0),
        };
        self.text(block, sink);
    }

    fn text(&mut self, block: &[u8], sink: &mut impl Sink) {
        match &mut self.mode {
            Mode::Foreign(_) => {}
            Mode::Bytes | Mode::Mapped(_) => {
                if let Some(decoder) = &mut self.decoder {
                    decoder.feed(block, &mut self.tally, sink);
                }
            }
            Mode::Array(elements, content) => {
                let (mut elements, content) = (std::mem::take(elements), *content);
                elements.feed(block, |element| self.element(element, content, true, sink));
                if let Mode::Array(place, _) = &mut self.mode {
                    *place = elements;
                }
            }
            _ => self.lines(block, sink),
        }
    }

    fn lines(&mut self, mut block: &[u8], sink: &mut impl Sink) {
        if !self.begun.is_empty() || self.too_long {
            let end = memchr(b'\n', block);
            self.keep(&block[..end.unwrap_or(block.len())]);
            let Some(end) = end else { return };
            block = &block[end + 1..];
            let mut line = std::mem::take(&mut self.begun);
            if std::mem::take(&mut self.too_long) {
                self.count_too_long();
            } else {
                self.line(&line, true, sink);
            }
            line.clear();
            self.begun = line;
        }
        while !block.is_empty() {
            let end = match self.first_row(block, sink) {
                Some(end) => end,
                None => {
                    let Some(end) = memchr(b'\n', block) else { break };
                    self.line(&block[..end], true, sink);
                    end
                }
            };
            block = &block[end + 1..];
        }
        self.keep(block);
    }

    /// Reads the row at the beginning of a block if it is one of Zeek's, and gives where it ends.
    #[inline]
    fn first_row(&mut self, block: &[u8], sink: &mut impl Sink) -> Option<usize> {
        let (end, result) = match &self.mode {
            Mode::Tsv(header) if block.first() != Some(&b'#') => {
                header.first_row(block, &mut self.splits, sink)?
            }
            Mode::Json(Object::Zeek(content)) => {
                let (end, (content, result)) = self.objects.read_first(block, *content, sink)?;
                self.count_format(Some(Format::Zeek(content)));
                (end, result)
            }
            _ => return None,
        };
        self.tally.records += 1;
        if let Err(reason) = result {
            self.tally.skip(reason, 1);
        }
        Some(end)
    }

    /// Keeps the beginning of a line, unless it is too long already.
    fn keep(&mut self, part: &[u8]) {
        if self.begun.len() + part.len() > LINE_BYTES_MAX {
            self.too_long = true;
            self.begun.clear();
            if let Mode::Undecided(_) = self.mode {
                // No log begins so; it may have no line end at all.
                self.mode = Mode::Foreign(Format::Unknown);
            }
        } else if !self.too_long {
            self.begun.extend_from_slice(part);
        }
    }

    /// One line without its line end; `whole` unless the file ended in it.
    #[inline]
    fn line(&mut self, line: &[u8], whole: bool, sink: &mut impl Sink) {
        // With its return, which is kept, too, where a block cuts the line.
        if line.len() > LINE_BYTES_MAX {
            return self.count_too_long();
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        match &mut self.mode {
            Mode::Tsv(header) if line[0] == b'#' => {
                header.directive(line, self.hint);
                let content = header.content();
                self.count_format(content.map(Format::Zeek));
            }
            Mode::Tsv(header) => {
                self.tally.records += 1;
                if let Err(reason) = header.row(line, whole, &mut self.splits, sink) {
                    self.tally.skip(reason, 1);
                }
            }
            Mode::Json(object) => {
                let object = *object;
                self.object(line, object, whole, sink);
            }
            Mode::Undecided(bytes) => {
                let bytes = *bytes + line.len() + 1;
                self.undecided(line, bytes, whole, sink);
            }
            Mode::Start | Mode::Array(..) | Mode::Bytes | Mode::Mapped(_) | Mode::Foreign(_) => {}
        }
    }

    /// A line of a file that has not shown what it is.
    fn undecided(&mut self, line: &[u8], bytes: usize, whole: bool, sink: &mut impl Sink) {
        if Header::begins(line) {
            self.mode = Mode::Tsv(Header::default());
            return self.line(line, whole, sink);
        }
        if line.trim_ascii_start().starts_with(b"{")
            && let Some(object) = json::recognise(line, self.hint)
        {
            // What came before was no row without its header, but no JSON.
            if let Some(count) = self.tally.skipped.remove(&Skip::NoHeader) {
                self.tally.skip(Skip::BadJson, count);
            }
            self.mode = Mode::Json(object);
            return self.object(line, object, whole, sink);
        }
        self.tally.records += 1;
        self.tally.skip(if is_binary(line) { Skip::Binary } else { Skip::NoHeader }, 1);
        self.mode = if bytes > UNDECIDED_BYTES_MAX {
            Mode::Foreign(Format::Unknown)
        } else {
            Mode::Undecided(bytes)
        };
    }

    fn object(&mut self, text: &[u8], object: Object, whole: bool, sink: &mut impl Sink) {
        self.tally.records += 1;
        let (format, result) = match object {
            Object::Zeek(content) => {
                let (content, result) = self.objects.read(text, content, whole, sink);
                (Some(Format::Zeek(content)), result)
            }
            Object::Listed(objects) => {
                json::read_listed(text, objects, whole, &mut self.ways, sink)
            }
        };
        self.ways.settle_if_full(&mut self.tally, sink);
        self.count_format(format);
        if let Err(reason) = result {
            self.tally.skip(reason, 1);
        }
    }

    /// An element of the array over the whole file.
    fn element(
        &mut self,
        element: Element<'_>,
        known: Option<Object>,
        whole: bool,
        sink: &mut impl Sink,
    ) {
        let Element::Text(text) = element else { return self.count_too_long() };
        // It may have become known since this block began.
        let known = match &self.mode {
            Mode::Array(_, object) => object.or(known),
            _ => known,
        };
        let object = known.or_else(|| json::recognise(text, self.hint));
        match (object, &mut self.mode) {
            (Some(object), mode) => {
                if let Mode::Array(_, place) = mode {
                    *place = Some(object);
                }
                self.object(text, object, whole, sink);
            }
            (None, _) => {
                self.tally.records += 1;
                self.tally.skip(if is_binary(text) { Skip::Binary } else { Skip::BadJson }, 1);
            }
        }
    }

    fn count_format(&mut self, format: Option<Format>) {
        if format != self.counted {
            self.counted = format;
            self.tally.formats.extend(format);
        }
    }

    fn count_too_long(&mut self) {
        self.tally.records += 1;
        self.tally.skip(Skip::LineTooLong, 1);
        if let Mode::Undecided(_) = self.mode {
            // Longer than all that may be undecided.
            self.mode = Mode::Foreign(Format::Unknown);
        }
    }
}

/// Bytes behind a byte order mark, if there is one.
fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

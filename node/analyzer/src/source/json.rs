//! JSON notation: an object a record.
//!
//! Zeek's objects are read in place ([`flat`]), without a tree and without a look at each byte: where quotes stand is
//! found 64 bytes at a time ([`quotes`]), and keys are expected in the order of the record before ([`keys`]). Whatever
//! that pass does not understand to be valid JSON (escapes, nesting, errors) goes to `serde_json`, which decides
//! ([`odd`]). Of keys that stand twice the last counts, as in `serde_json`.

mod flat;
mod keys;
mod odd;
mod quotes;

use flat::{FlatRow, NOWHERE, Places};
use keys::{Keys, Names, PATH};
use odd::{Pairs, plain};
use quotes::Quotes;

use super::Object;
use super::kind::{Content, Kind};
use super::row::Row;
use super::table::{OBJECTS, Objects, Reading};
use super::tally::Format;
use super::text::is_binary;
use super::ways::Ways;
use crate::record::{Sink, Skip};

/// What the records of a JSON file are, found at its first object.
pub(super) fn recognise(line: &[u8], hint: Option<Content>) -> Option<Object> {
    let pairs = Pairs::parse(std::str::from_utf8(line).ok()?)?;
    if let Some(path) = pairs.path() {
        return Some(Object::Zeek(Content::named(&plain(path)?).opened_by(hint)));
    }
    let keys = pairs.keys();
    let listed = OBJECTS.iter().find(|format| (format.is)(&keys));
    listed.map(Object::Listed).or_else(|| Content::guessed(&keys, hint).map(Object::Zeek))
}

/// Reads one object of a format of the table; parts of flows go into `ways`.
pub(super) fn read_listed(
    line: &[u8],
    format: &Objects,
    whole: bool,
    ways: &mut Ways,
    sink: &mut dyn Sink,
) -> (Option<Format>, Result<(), Skip>) {
    let Ok(text) = std::str::from_utf8(line) else { return (None, Err(Skip::Binary)) };
    let (name, result) = match format.read {
        Reading::Alone(read) => read(text, sink),
        Reading::Together(read) => read(text, ways),
    };
    let result = result.map_err(|reason| match reason {
        Skip::BadJson => why_not_json(line, whole),
        other => other,
    });
    // A text that is no JSON is of no kind.
    let is_json = !matches!(result, Err(Skip::BadJson | Skip::Binary | Skip::CutOff));
    (is_json.then_some(Format::Listed(name)), result)
}

/// Reads the objects of a file whose records are of Zeek's logs.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    hint: Option<Content>,
    quotes: Quotes,
    /// The keys of each kind that was met, of logs that are not read under none.
    keys: Vec<(Option<Kind>, Keys)>,
}

/// What a record was, and why it gave nothing if it did not.
type Outcome = (Content, Result<(), Skip>);

impl Records {
    /// Of a file whose name tells this.
    pub(super) fn new(hint: Option<Content>) -> Self {
        Self { hint, ..Self::default() }
    }

    /// Reads one object of a file whose records are `content` unless they say otherwise themselves; `whole` unless it
    /// is the last line of a file and has no line end.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        content: Content,
        whole: bool,
        sink: &mut impl Sink,
    ) -> Outcome {
        let flat = self.quotes.find(text).then(|| self.flat(text, text.len(), content, sink));
        flat.flatten().unwrap_or_else(|| self.odd(text, content, whole, sink))
    }

    /// Reads the object on the line at the beginning of a block, and gives where the line ends. `None`, and nothing
    /// read, where the line is not found or not understood by the fast pass.
    #[inline]
    pub(super) fn read_first(
        &mut self,
        block: &[u8],
        content: Content,
        sink: &mut impl Sink,
    ) -> Option<(usize, Outcome)> {
        let length = self.quotes.find_line(block)?;
        Some((length, self.flat(block, length, content, sink)?))
    }

    /// Reads the object that is the beginning of the bytes, whose quotes were found, if the fast pass understands it.
    fn flat(
        &mut self,
        bytes: &[u8],
        length: usize,
        content: Content,
        sink: &mut impl Sink,
    ) -> Option<Outcome> {
        if self.quotes.beyond_ascii() {
            std::str::from_utf8(bytes.get(..length)?).ok()?;
        }
        let mut places = NOWHERE;
        self.scan((bytes, length), content, &mut places)?;
        let mut actual = content;
        if let Some(name) = (FlatRow { bytes, places: &places }).text(PATH).ok()? {
            actual = Content::named(name).opened_by(self.hint);
            if kind_of(actual) != kind_of(content) {
                places = NOWHERE;
                self.scan((bytes, length), actual, &mut places)?;
            }
        }
        let result = match actual {
            Content::Read(log) => log.read(&FlatRow { bytes, places: &places }, sink),
            Content::Unused(_) => Err(Skip::UnusedLog),
        };
        Some((actual, result))
    }

    /// Finds the values that logs of this content want.
    #[inline]
    fn scan(&mut self, text: (&[u8], usize), content: Content, places: &mut Places) -> Option<()> {
        let kind = kind_of(content);
        let index = self.keys.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
            self.keys.push((kind, Keys::new(content)));
            self.keys.len() - 1
        });
        flat::scan(text, self.quotes.places(), &mut self.keys[index].1, places)
    }

    /// Reads what the fast pass does not understand.
    fn odd(&self, text: &[u8], content: Content, whole: bool, sink: &mut impl Sink) -> Outcome {
        let Ok(text) = std::str::from_utf8(text) else { return (content, Err(Skip::Binary)) };
        let Some(pairs) = Pairs::parse(text) else {
            return (content, Err(why_not_json(text.as_bytes(), whole)));
        };
        let path = pairs.path().and_then(plain).filter(|name| !name.is_empty());
        let actual = path.map_or(content, |name| Content::named(&name).opened_by(self.hint));
        let Content::Read(log) = actual else { return (actual, Err(Skip::UnusedLog)) };
        (actual, log.read(&&pairs.row(Names::of(actual)), sink))
    }
}

fn kind_of(content: Content) -> Option<Kind> {
    match content {
        Content::Read(log) => Some(log.kind),
        Content::Unused(_) => None,
    }
}

/// Why a text that should be an object is none.
fn why_not_json(line: &[u8], whole: bool) -> Skip {
    match (is_binary(line), whole) {
        (true, _) => Skip::Binary,
        (false, true) => Skip::BadJson,
        (false, false) => Skip::CutOff,
    }
}

/// For tests: what the fast pass reads, in a block and alone, and what the thorough one does, with the columns of conn.log.
#[cfg(test)]
impl Records {
    pub(super) fn compare(&mut self, text: &str) -> [Option<Vec<String>>; 3] {
        let content = Content::named("conn");
        let block = format!("{text}\n{}", "\",1}]\n\r ".repeat(10)).into_bytes();
        let length = self.quotes.find_line(&block);
        let first = length.and_then(|length| self.shown((&block, length), content));
        let found = self.quotes.find(text.as_bytes());
        let alone = found.then(|| self.shown((text.as_bytes(), text.len()), content)).flatten();
        let thorough = Pairs::parse(text).map(|pairs| shown(&&pairs.row(Names::of(content))));
        [first, alone, thorough]
    }

    fn shown(&mut self, text: (&[u8], usize), content: Content) -> Option<Vec<String>> {
        let mut places = NOWHERE;
        self.scan(text, content, &mut places)?;
        Some(shown(&FlatRow { bytes: text.0, places: &places }))
    }
}

#[cfg(test)]
fn shown<'a>(row: &impl Row<'a>) -> Vec<String> {
    let value = |column| {
        let (scalar, number, address) =
            (row.scalar(column), row.count(column), row.address(column));
        format!("{scalar:?} {:?} {number:?} {address:?}", row.texts(column))
    };
    (0..=PATH).map(value).collect()
}

//! JSON notation: an object a record. One pass over the text finds the wanted keys; no tree is built.
//!
//! The pass understands the flat objects that Zeek writes. Whatever it does not understand to be valid
//! JSON (escapes, nesting, errors) goes to `serde_json`, which decides: so the pass may be narrow, but
//! must never accept what is no JSON. Of keys that stand twice the last counts, as in `serde_json`.

use std::fmt;
use std::sync::LazyLock;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Object;
use super::kind::{Content, Kind, WANTED_MAX, same_name};
use super::row::Row;
use super::table::{OBJECTS, Objects, Reading};
use super::tally::Format;
use super::text::is_binary;
use super::ways::Ways;
use crate::limits::LIST_ITEMS_MAX;
use crate::record::{Sink, Skip};

/// Keys under which collectors say which log a record belongs to.
const PATH_KEYS: [&str; 2] = ["_path", "@stream"];

/// Where the value of a path key is kept: behind the wanted columns.
const PATH: usize = WANTED_MAX;

/// Keys that are looked for: a name's place in the list of its length, so that most keys of a record
/// are told apart without comparing text.
struct Names {
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

    #[inline]
    fn find(&self, key: &str) -> Option<usize> {
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

fn names_of(content: Content) -> &'static Names {
    let Content::Read(log) = content else { return &NO_NAMES };
    let found = NAMES.iter().find(|(kind, _)| *kind == log.kind);
    found.map_or(&NO_NAMES, |(_, names)| names)
}

/// A value without its quotes, or a list with its brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    Scalar(&'a str),
    List(&'a str),
}

type Values<'a> = [Option<Value<'a>>; WANTED_MAX + 1];

/// What the records of a JSON file are, found at its first object.
pub(super) fn recognise(line: &[u8], hint: Option<Content>) -> Option<Object> {
    let pairs = Pairs::parse(std::str::from_utf8(line).ok()?)?;
    let path = pairs.0.iter().rfind(|(key, _)| PATH_KEYS.contains(&key.as_str()));
    if let Some((_, value)) = path {
        return Some(Object::Zeek(Content::named(&plain(value)?).opened_by(hint)));
    }
    let keys: Vec<&str> = pairs.0.iter().map(|(key, _)| key.as_str()).collect();
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

/// Reads one object of a file whose records are `content` unless they say otherwise themselves.
/// Gives what this record was; `whole` unless it is the last line of a file and has no line end.
pub(super) fn read(
    line: &[u8],
    content: Content,
    hint: Option<Content>,
    whole: bool,
    sink: &mut impl Sink,
) -> (Content, Result<(), Skip>) {
    let Ok(text) = std::str::from_utf8(line) else { return (content, Err(Skip::Binary)) };
    let mut values: Values<'_> = [None; WANTED_MAX + 1];
    if !scan(text, names_of(content), &mut values) {
        return read_odd(text, content, hint, whole, sink);
    }
    let mut actual = content;
    if let Some(Value::Scalar(name)) = values[PATH]
        && !name.is_empty()
    {
        actual = Content::named(name).opened_by(hint);
        if names_differ(actual, content) {
            values = [None; WANTED_MAX + 1];
            scan(text, names_of(actual), &mut values);
        }
    }
    let result = match actual {
        Content::Read(log) => log.read(&JsonRow { values: &values }, sink),
        Content::Unused(_) => Err(Skip::UnusedLog),
    };
    (actual, result)
}

fn names_differ(a: Content, b: Content) -> bool {
    match (a, b) {
        (Content::Read(a), Content::Read(b)) => a.kind != b.kind,
        (Content::Read(_), Content::Unused(_)) => true,
        (Content::Unused(_), _) => false,
    }
}

struct JsonRow<'a, 'v> {
    values: &'v Values<'a>,
}

impl<'a> Row<'a> for JsonRow<'a, '_> {
    #[inline]
    fn scalar(&self, column: usize) -> Option<&'a [u8]> {
        match (*self.values.get(column)?)? {
            Value::Scalar(text) if !text.is_empty() => Some(text.as_bytes()),
            _ => None,
        }
    }

    #[inline]
    fn text(&self, column: usize) -> Result<Option<&'a str>, Skip> {
        Ok(match self.values.get(column) {
            Some(Some(Value::Scalar(text))) if !text.is_empty() => Some(text),
            _ => None,
        })
    }

    fn each<F>(&self, column: usize, mut take: F) -> Result<(), Skip>
    where
        F: FnMut(&'a str) -> Result<(), Skip>,
    {
        let mut cursor = match self.values.get(column) {
            Some(Some(Value::List(text))) => Cursor { text, at: 1 },
            Some(Some(Value::Scalar(text))) if !text.is_empty() => return take(text),
            _ => return Ok(()),
        };
        for _ in 0..LIST_ITEMS_MAX {
            cursor.blanks();
            // The list was found valid and flat by the pass that cut it out.
            let Some(Value::Scalar(item)) = cursor.scalar() else { break };
            take(item)?;
            cursor.blanks();
            if !cursor.eat(b',') {
                break;
            }
        }
        Ok(())
    }
}

/// Puts the wanted values of a flat object in their places. False when the text is not an object that
/// this pass understands; then the values are void.
fn scan<'a>(text: &'a str, names: &Names, values: &mut Values<'a>) -> bool {
    let mut cursor = Cursor { text, at: 0 };
    cursor.blanks();
    if !cursor.eat(b'{') {
        return false;
    }
    cursor.blanks();
    if !cursor.eat(b'}') {
        loop {
            let Some(key) = cursor.string() else { return false };
            cursor.blanks();
            if !cursor.eat(b':') {
                return false;
            }
            cursor.blanks();
            let Some(value) = cursor.value() else { return false };
            if let Some(column) = names.find(key) {
                values[column] = Some(value);
            }
            cursor.blanks();
            if cursor.eat(b',') {
                cursor.blanks();
            } else if cursor.eat(b'}') {
                break;
            } else {
                return false;
            }
        }
    }
    cursor.blanks();
    cursor.at == text.len()
}

/// A place in a text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// A string without escapes and control characters.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        if !self.eat(b'"') {
            return None;
        }
        let rest = &self.text.as_bytes()[self.at..];
        let length = string_end(rest);
        if rest.get(length) != Some(&b'"') {
            return None;
        }
        let text = self.text.get(self.at..self.at + length);
        self.at += length + 1;
        text
    }

    fn value(&mut self) -> Option<Value<'a>> {
        if self.peek() != Some(b'[') {
            return self.scalar();
        }
        let start = self.at;
        self.at += 1;
        self.blanks();
        if !self.eat(b']') {
            loop {
                // A null inside a list is left to the thorough reader.
                match self.scalar()? {
                    Value::Scalar("") => return None,
                    _ => self.blanks(),
                }
                if self.eat(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return None;
                }
                self.blanks();
            }
        }
        self.text.get(start..self.at).map(Value::List)
    }

    /// A string, number, `true`, `false`, or `null` as an empty text.
    #[inline]
    fn scalar(&mut self) -> Option<Value<'a>> {
        if self.peek()? == b'"' {
            return self.string().map(Value::Scalar);
        }
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'))
            .unwrap_or(rest.len());
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length;
        match text {
            "true" | "false" => Some(Value::Scalar(text)),
            "null" => Some(Value::Scalar("")),
            _ => is_number(text.as_bytes()).then_some(Value::Scalar(text)),
        }
    }
}

/// Bytes before the first quote, backslash or control character, eight at a time.
#[inline]
fn string_end(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let (quote, slash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        // Borrows make only bytes above a true hit wrong, and the lowest is taken.
        let hits = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let hits = hits & HIGH;
        if hits != 0 {
            return index * 8 + usize::try_from(hits.trailing_zeros() / 8).unwrap_or(0);
        }
    }
    let stop = tail.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
    words.len() * 8 + stop.unwrap_or(tail.len())
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

/// The keys and values of an object in their order, values unread.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Pairs<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let pairs = reader.deserialize_map(Collect).ok()?;
        reader.end().ok()?;
        Some(pairs)
    }

    /// The wanted values in their places, escapes undone.
    fn columns(&self, names: &Names) -> DecodedValues {
        let mut values: DecodedValues = [const { None }; WANTED_MAX + 1];
        for (key, value) in &self.0 {
            if let Some(column) = names.find(key) {
                values[column] = decoded(value);
            }
        }
        values
    }
}

/// A value that is no list or object, without quotes and escapes; empty for null.
fn plain(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => Some(String::new()),
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        text if text.starts_with(['{', '[']) => None,
        text => Some(text.to_owned()),
    }
}

/// A value with its escapes undone, owned.
enum Decoded {
    Scalar(String),
    List(Vec<String>),
}

type DecodedValues = [Option<Decoded>; WANTED_MAX + 1];

/// Reads what the fast pass does not understand.
fn read_odd(
    text: &str,
    content: Content,
    hint: Option<Content>,
    whole: bool,
    sink: &mut impl Sink,
) -> (Content, Result<(), Skip>) {
    let Some(pairs) = Pairs::parse(text) else {
        return (content, Err(why_not_json(text.as_bytes(), whole)));
    };
    let path = pairs.0.iter().rfind(|(key, _)| PATH_KEYS.contains(&key.as_str()));
    let path = path.and_then(|(_, value)| plain(value)).filter(|name| !name.is_empty());
    let actual = path.map_or(content, |name| Content::named(&name).opened_by(hint));
    let Content::Read(log) = actual else { return (actual, Err(Skip::UnusedLog)) };
    let values = pairs.columns(names_of(actual));
    (actual, log.read(&OddRow { values: &values }, sink))
}

fn decoded(value: &RawValue) -> Option<Decoded> {
    if !value.get().starts_with('[') {
        return plain(value).filter(|text| !text.is_empty()).map(Decoded::Scalar);
    }
    let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    let known = items.iter().take(LIST_ITEMS_MAX).filter_map(|item| plain(item));
    Some(Decoded::List(known.filter(|item| !item.is_empty()).collect()))
}

/// Why a text that should be an object is none.
fn why_not_json(line: &[u8], whole: bool) -> Skip {
    match (is_binary(line), whole) {
        (true, _) => Skip::Binary,
        (false, true) => Skip::BadJson,
        (false, false) => Skip::CutOff,
    }
}

struct OddRow<'v> {
    values: &'v DecodedValues,
}

impl<'v> Row<'v> for OddRow<'v> {
    fn scalar(&self, column: usize) -> Option<&'v [u8]> {
        match self.values.get(column)? {
            Some(Decoded::Scalar(text)) => Some(text.as_bytes()),
            _ => None,
        }
    }

    fn text(&self, column: usize) -> Result<Option<&'v str>, Skip> {
        Ok(match self.values.get(column) {
            Some(Some(Decoded::Scalar(text))) => Some(text),
            _ => None,
        })
    }

    fn each<F>(&self, column: usize, mut take: F) -> Result<(), Skip>
    where
        F: FnMut(&'v str) -> Result<(), Skip>,
    {
        match self.values.get(column) {
            Some(Some(Decoded::List(items))) => items.iter().try_for_each(|item| take(item)),
            Some(Some(Decoded::Scalar(text))) => take(text),
            _ => Ok(()),
        }
    }
}

/// For tests: what the fast pass and the thorough one read, with the columns of conn.log.
#[cfg(test)]
pub(super) fn compare(text: &str) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let names = names_of(Content::named("conn"));
    let mut values: Values<'_> = [None; WANTED_MAX + 1];
    let quick = scan(text, names, &mut values).then(|| shown(&JsonRow { values: &values }));
    let thorough = Pairs::parse(text).map(|pairs| shown(&OddRow { values: &pairs.columns(names) }));
    (quick, thorough)
}

#[cfg(test)]
fn shown<'a>(row: &impl Row<'a>) -> Vec<String> {
    let value = |column| format!("{:?} {:?}", row.scalar(column), row.texts(column));
    (0..=PATH).map(value).collect()
}

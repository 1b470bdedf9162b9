//! The thorough pass: all that is JSON, by `serde_json`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::row::Row;
use super::keys::{Names, PATH, PATH_KEYS};
use crate::limits::LIST_ITEMS_MAX;
use crate::record::Skip;

/// The keys and values of an object in their order, values unread.
pub(super) struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Pairs<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
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

    pub(super) fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(key, _)| key.as_str()).collect()
    }

    /// The value of the last path key.
    pub(super) fn path(&self) -> Option<&'a RawValue> {
        let pair = self.0.iter().rfind(|(key, _)| PATH_KEYS.contains(&key.as_str()));
        pair.map(|(_, value)| *value)
    }

    /// The wanted values in their places, escapes undone.
    pub(super) fn row(&self, names: &Names) -> OddRow {
        let mut values = [const { None }; PATH + 1];
        for (key, value) in &self.0 {
            if let Some(column) = names.find(key) {
                values[column] = decoded(value);
            }
        }
        OddRow { values }
    }
}

/// A value that is no list or object, without quotes and escapes; empty for null.
pub(super) fn plain(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => Some(String::new()),
        text if text.starts_with('"') => serde_json::from_str(text).ok().map(|Text(text)| text),
        text if text.starts_with(['{', '[']) => None,
        text => Some(text.to_owned()),
    }
}

/// A string. Escapes that are half of a character, as some programs write bytes that are no text, become U+FFFD: the
/// record says all the rest.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // As bytes such halves are read; as a string they are an error.
        from.deserialize_bytes(Bytes)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
        Ok(Text(String::from_utf8_lossy(bytes).into_owned()))
    }
}

/// A value with its escapes undone, owned.
enum Decoded {
    Scalar(String),
    List(Vec<String>),
}

fn decoded(value: &RawValue) -> Option<Decoded> {
    if !value.get().starts_with('[') {
        return plain(value).filter(|text| !text.is_empty()).map(Decoded::Scalar);
    }
    let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    let known = items.iter().take(LIST_ITEMS_MAX).filter_map(|item| plain(item));
    Some(Decoded::List(known.filter(|item| !item.is_empty()).collect()))
}

/// An object's values, decoded.
pub(super) struct OddRow {
    values: [Option<Decoded>; PATH + 1],
}

impl<'v> Row<'v> for &'v OddRow {
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

//! A line to the values that a mapping asks for.

use std::borrow::Cow;

use serde_json::Value;

use super::said::Notation;
use crate::limits::MAPPED_FIELDS_MAX;
use crate::record::Skip;

/// The values of a record, by the places of their names in the mapping. None is empty.
pub(super) type Values<'a> = [Option<Cow<'a, str>>; MAPPED_FIELDS_MAX];

/// Which of the mapping's names each column is, and whether more columns may follow.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) places: Vec<Option<usize>>,
    pub(super) open: bool,
}

impl Columns {
    pub(super) fn new<'a>(
        columns: impl Iterator<Item = Cow<'a, str>>,
        names: &[String],
        open: bool,
    ) -> Self {
        let place = |column: Cow<'_, str>| names.iter().position(|name| *name == column.trim());
        Self { places: columns.map(place).collect(), open }
    }

    /// Puts the fields of a line in their places.
    pub(super) fn take<'a>(
        &self,
        fields: impl Iterator<Item = Cow<'a, str>>,
        values: &mut Values<'a>,
    ) -> Result<(), Skip> {
        let mut count = 0;
        for field in fields {
            if let Some(Some(place)) = self.places.get(count) {
                put(values, *place, field);
            }
            count += 1;
        }
        let fits = count == self.places.len() || self.open && count > self.places.len();
        if fits { Ok(()) } else { Err(Skip::ColumnCount) }
    }
}

fn put<'a>(values: &mut Values<'a>, place: usize, value: Cow<'a, str>) {
    if let Some(slot) = values.get_mut(place).filter(|_| !value.is_empty()) {
        *slot = Some(value);
    }
}

/// The fields of a line of `csv` or `words`.
pub(super) fn fields(line: &str, notation: Notation, separator: char) -> Fields<'_> {
    let words = notation == Notation::Words;
    let line = if words { line.trim() } else { line };
    Fields { rest: Some(line), separator: if words { ' ' } else { separator }, words }
}

/// Cuts a line; see [`fields`].
pub(super) struct Fields<'a> {
    rest: Option<&'a str>,
    separator: char,
    words: bool,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.rest.take()?;
        let (value, after) = match rest.strip_prefix('"').filter(|_| !self.words).and_then(quoted) {
            // What stands between the closing quote and the separator belongs to no field.
            Some((value, after)) => (value, after.find(self.separator).map(|at| &after[at..])),
            None => {
                let end = rest.find(self.separator);
                let (value, after) = rest.split_at(end.unwrap_or(rest.len()));
                (Cow::Borrowed(value), end.map(|_| after))
            }
        };
        let after = after.and_then(|after| after.strip_prefix(self.separator));
        self.rest = after.map(|after| if self.words { after.trim_start() } else { after });
        Some(value)
    }
}

/// A text up to its closing quote, two quotes made one; and what follows. `None` if it has no end.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut from = 0;
    let mut doubled = false;
    loop {
        let end = from + text.get(from..)?.find('"')?;
        let (value, after) = (text.get(..end)?, text.get(end + 1..)?);
        if after.starts_with('"') {
            (from, doubled) = (end + 2, true);
        } else if doubled {
            return Some((Cow::Owned(value.replace("\"\"", "\"")), after));
        } else {
            return Some((Cow::Borrowed(value), after));
        }
    }
}

/// Puts `key=value` pairs in their places. A number in angle brackets before the first, as syslog has,
/// is no part of its key.
pub(super) fn pairs<'a>(line: &'a str, names: &[String], values: &mut Values<'a>) {
    let mut rest = line;
    while let Some(at) = rest.find('=') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let key = before.rsplit([' ', '\t', '>', ',', ';']).next().unwrap_or(before);
        let value;
        match after.strip_prefix('"').and_then(quoted) {
            Some((text, tail)) => (value, rest) = (text, tail),
            None => {
                let (text, tail) = after.split_at(after.find([' ', '\t']).unwrap_or(after.len()));
                (value, rest) = (Cow::Borrowed(text), tail);
            }
        }
        // The first of a name counts: what follows may be a second header.
        if let Some(place) = names.iter().position(|name| name == key)
            && values.get(place).is_some_and(Option::is_none)
        {
            put(values, place, value);
        }
    }
}

/// Puts the values of an object in their places.
pub(super) fn json(line: &str, names: &[String], values: &mut Values<'_>) -> Result<(), Skip> {
    let object: Value = serde_json::from_str(line).map_err(|_| Skip::BadJson)?;
    if !object.is_object() {
        return Err(Skip::BadJson);
    }
    for (place, name) in names.iter().enumerate() {
        // A name may have points of its own.
        let inner = || name.split('.').try_fold(&object, |value, key| value.get(key));
        let text = match object.get(name).or_else(inner) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => continue,
        };
        put(values, place, Cow::Owned(text));
    }
    Ok(())
}

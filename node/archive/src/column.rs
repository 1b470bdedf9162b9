//! The table of columns: name, type, from a row and back. Readers elsewhere find columns by name, so
//! new ones go to the end, and none changes its meaning. Names are ECS's with `_` for `.`, so that no
//! SQL dialect wants them quoted; what ECS lacks is named as Zeek's conn.log does.
//!
//! Numbers are signed, since Spark and Trino know no others; what does not fit is the largest that
//! does. Addresses are text, as every tool prints them.

use std::{borrow::Cow, net::IpAddr};

use flowlore_common::time::Micros;

use crate::row::Row;

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing known.
    Null,
    /// A number or a time.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Text.
    Text(Cow<'a, str>),
}

/// How a column is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `TIMESTAMP(MICROS, UTC)`.
    Time,
    /// `INT32`: ports, protocol numbers.
    Small,
    /// `INT64`.
    Number,
    /// `INT64` or null.
    MaybeNumber,
    /// `BOOLEAN`.
    Flag,
    /// `BOOLEAN` or null.
    MaybeFlag,
    /// `STRING`.
    Text,
    /// `STRING` or null.
    MaybeText,
}

impl Kind {
    /// Whether a row may have none.
    #[must_use]
    pub fn optional(self) -> bool {
        matches!(self, Self::MaybeNumber | Self::MaybeFlag | Self::MaybeText)
    }

    fn declaration(self) -> (&'static str, &'static str) {
        match self {
            Self::Time => ("INT64", " (TIMESTAMP(MICROS,true))"),
            Self::Small => ("INT32", ""),
            Self::Number | Self::MaybeNumber => ("INT64", ""),
            Self::Flag | Self::MaybeFlag => ("BOOLEAN", ""),
            Self::Text | Self::MaybeText => ("BYTE_ARRAY", " (STRING)"),
        }
    }
}

/// One column.
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// From a row.
    pub get: for<'a> fn(&'a Row) -> Cell<'a>,
    /// Into a row; `None`: such a value cannot be there.
    pub set: fn(&mut Row, &Cell<'_>) -> Option<()>,
}

/// One entry of [`COLUMNS`]: its name, the row's field, and the way that the type goes.
macro_rules! column {
    ($name:literal, $field:ident, $kind:ident, $way:ident) => {
        Column {
            name: $name,
            kind: Kind::$kind,
            get: |row| $way::get(&row.$field),
            set: |row, cell| {
                row.$field = $way::set(cell)?;
                Some(())
            },
        }
    };
}

/// All columns, in the order of the file.
pub const COLUMNS: &[Column] = &[
    column!("host_ip", host, Text, address),
    column!("host_name", host_name, MaybeText, maybe_text),
    column!("user_name", user, MaybeText, maybe_text),
    column!("event_start", start, Time, time),
    column!("event_end", end, Time, time),
    column!("uid", uid, MaybeText, maybe_text),
    column!("network_direction", direction, Text, text),
    column!("source_ip", source_ip, Text, address),
    column!("source_port", source_port, Small, small),
    column!("destination_ip", destination_ip, Text, address),
    column!("destination_port", destination_port, Small, small),
    column!("network_iana_number", ip_protocol, Small, small),
    column!("destination_domain", destination_name, MaybeText, maybe_text),
    column!("named_by", named_by, MaybeText, maybe_text),
    column!("network_protocol", service, MaybeText, maybe_text),
    column!("conn_state", conn_state, MaybeText, maybe_text),
    column!("source_bytes", source_bytes, Number, number),
    column!("destination_bytes", destination_bytes, Number, number),
    column!("source_packets", source_packets, Number, number),
    column!("destination_packets", destination_packets, Number, number),
    column!("source_ip_bytes", source_ip_bytes, Number, number),
    column!("missed_bytes", missed_bytes, Number, number),
    column!("category", category, Text, text),
    column!("still_open", open, Flag, flag),
    column!("local_source", local_source, MaybeFlag, maybe_flag),
    column!("local_destination", local_destination, MaybeFlag, maybe_flag),
    column!("sizes", sizes, Text, text),
    column!("client_signature", client_signature, MaybeNumber, maybe_number),
];

/// The file's schema in Parquet's own notation.
#[must_use]
pub fn schema_text() -> String {
    let fields = COLUMNS.iter().map(|column| {
        let (stored, meaning) = column.kind.declaration();
        let needed = if column.kind.optional() { "OPTIONAL" } else { "REQUIRED" };
        format!("  {needed} {stored} {}{meaning};\n", column.name)
    });
    format!("message flow {{\n{}}}\n", fields.collect::<String>())
}

mod address {
    use super::{Cell, Cow, IpAddr};
    pub(super) fn get(value: &IpAddr) -> Cell<'_> {
        Cell::Text(Cow::Owned(value.to_string()))
    }
    pub(super) fn set(cell: &Cell<'_>) -> Option<IpAddr> {
        let Cell::Text(text) = cell else { return None };
        text.parse().ok()
    }
}

mod text {
    use super::{Cell, Cow};
    use crate::limits::TEXT_BYTES_MAX;
    pub(super) fn get(value: &str) -> Cell<'_> {
        let mut end = value.len().min(TEXT_BYTES_MAX);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        Cell::Text(Cow::Borrowed(&value[..end]))
    }
    pub(super) fn set(cell: &Cell<'_>) -> Option<String> {
        let Cell::Text(text) = cell else { return None };
        Some(text.to_string())
    }
}

mod maybe_text {
    use super::{Cell, text};
    pub(super) fn get(value: &Option<String>) -> Cell<'_> {
        value.as_deref().map_or(Cell::Null, text::get)
    }
    pub(super) fn set(cell: &Cell<'_>) -> Option<Option<String>> {
        if *cell == Cell::Null { Some(None) } else { text::set(cell).map(Some) }
    }
}

mod time {
    use super::{Cell, Micros};
    pub(super) fn get(value: &Micros) -> Cell<'static> {
        Cell::Number(value.0)
    }
    pub(super) fn set(cell: &Cell<'_>) -> Option<Micros> {
        let Cell::Number(micros) = cell else { return None };
        Some(Micros(*micros))
    }
}

mod small {
    use super::Cell;
    pub(super) fn get<T: Copy + Into<i64>>(value: &T) -> Cell<'static> {
        Cell::Number((*value).into())
    }
    pub(super) fn set<T: TryFrom<i64>>(cell: &Cell<'_>) -> Option<T> {
        let Cell::Number(number) = cell else { return None };
        (*number).try_into().ok()
    }
}

mod number {
    use super::Cell;
    pub(super) fn get(value: &u64) -> Cell<'static> {
        Cell::Number(i64::try_from(*value).unwrap_or(i64::MAX))
    }
    pub(super) fn set(cell: &Cell<'_>) -> Option<u64> {
        super::small::set(cell)
    }
}

mod maybe_number {
    use super::Cell;
    pub(super) fn get(value: &Option<i64>) -> Cell<'static> {
        value.map_or(Cell::Null, Cell::Number)
    }
    pub(super) fn set(cell: &Cell<'_>) -> Option<Option<i64>> {
        match cell {
            Cell::Null => Some(None),
            Cell::Number(number) => Some(Some(*number)),
            _ => None,
        }
    }
}

mod flag {
    use super::Cell;
    pub(super) fn get(value: &bool) -> Cell<'static> {
        Cell::Flag(*value)
    }
    pub(super) fn set(cell: &Cell<'_>) -> Option<bool> {
        let Cell::Flag(flag) = cell else { return None };
        Some(*flag)
    }
}

mod maybe_flag {
    use super::{Cell, flag};
    pub(super) fn get(value: &Option<bool>) -> Cell<'static> {
        value.map_or(Cell::Null, Cell::Flag)
    }
    pub(super) fn set(cell: &Cell<'_>) -> Option<Option<bool>> {
        if *cell == Cell::Null { Some(None) } else { flag::set(cell).map(Some) }
    }
}

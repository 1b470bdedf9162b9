//! One record as named values, whatever the notation: what the readers of each log type ask.
//!
//! Unset values, absent columns and empty strings are all `None`: in no log that we read does an empty
//! string say more than an absent one.

use std::net::IpAddr;

use super::text;
use crate::record::{Ends, Skip};

/// Values of a row by the position of their column in the log type's list of wanted columns.
pub(super) trait Row<'a> {
    /// A value that is no list, without quotes.
    fn scalar(&self, column: usize) -> Option<&'a [u8]>;

    /// A value that is text, as the log writes it: Zeek's own `\x..` escapes stay.
    fn text(&self, column: usize) -> Result<Option<&'a str>, Skip>;

    /// A text of which only the bytes are wanted.
    #[inline(always)]
    fn bytes(&self, column: usize) -> Result<Option<&'a [u8]>, Skip> {
        let Some(value) = self.scalar(column) else { return Ok(None) };
        if value.is_ascii() || std::str::from_utf8(value).is_ok() {
            return Ok(Some(value));
        }
        Err(Skip::Binary)
    }

    /// Hands on each item of a list, at most [`crate::limits::LIST_ITEMS_MAX`].
    fn each<F>(&self, column: usize, take: F) -> Result<(), Skip>
    where
        F: FnMut(&'a str) -> Result<(), Skip>;

    /// An instant that every record of this log has.
    #[inline(always)]
    fn time(&self, column: usize) -> Result<i64, Skip> {
        text::time(self.scalar(column).ok_or(Skip::MissingField)?).ok_or(Skip::BadTime)
    }

    /// An instant.
    #[inline(always)]
    fn optional_time(&self, column: usize) -> Result<Option<i64>, Skip> {
        optional(self.scalar(column), text::time, Skip::BadTime)
    }

    /// A length of time, microseconds.
    #[inline(always)]
    fn interval(&self, column: usize) -> Result<Option<u64>, Skip> {
        optional(self.scalar(column), text::micros, Skip::BadNumber)
    }

    /// A count of something.
    #[inline(always)]
    fn count(&self, column: usize) -> Result<Option<u64>, Skip> {
        optional(self.scalar(column), text::count, Skip::BadNumber)
    }

    /// A code of 16 bits.
    #[inline(always)]
    fn code(&self, column: usize) -> Result<Option<u16>, Skip> {
        code(self.count(column)).map_err(|_| Skip::BadNumber)
    }

    /// An address.
    #[inline(always)]
    fn address(&self, column: usize) -> Result<Option<IpAddr>, Skip> {
        optional(self.scalar(column), text::address, Skip::BadAddress)
    }

    /// Yes or no; `None` for anything else.
    #[inline(always)]
    fn flag(&self, column: usize) -> Option<bool> {
        match self.scalar(column)? {
            b"T" | b"true" => Some(true),
            b"F" | b"false" => Some(false),
            _ => None,
        }
    }

    /// The items of a list of texts.
    fn texts(&self, column: usize) -> Result<Vec<&'a str>, Skip> {
        let mut items = Vec::new();
        self.each(column, |item| {
            items.push(item);
            Ok(())
        })?;
        Ok(items)
    }

    /// The four columns of a connection's ends, the first of them given.
    #[inline(always)]
    fn ends(&self, first: usize) -> Result<Ends, Skip> {
        let address = |column| self.address(column)?.ok_or(Skip::MissingField);
        let port =
            |column| code(self.count(column)).map_err(|_| Skip::BadPort)?.ok_or(Skip::MissingField);
        Ok(Ends {
            orig: address(first)?,
            orig_port: port(first + 1)?,
            resp: address(first + 2)?,
            resp_port: port(first + 3)?,
        })
    }
}

/// A value if there is one; `otherwise` if it is none.
#[inline(always)]
pub(super) fn optional<'a, T>(
    text: Option<&'a [u8]>,
    parse: impl Fn(&'a [u8]) -> Option<T>,
    otherwise: Skip,
) -> Result<Option<T>, Skip> {
    match text {
        Some(text) => parse(text).map(Some).ok_or(otherwise),
        None => Ok(None),
    }
}

/// A number of 16 bits.
#[inline(always)]
fn code(count: Result<Option<u64>, Skip>) -> Result<Option<u16>, Skip> {
    match count? {
        Some(value) => u16::try_from(value).map(Some).map_err(|_| Skip::BadNumber),
        None => Ok(None),
    }
}

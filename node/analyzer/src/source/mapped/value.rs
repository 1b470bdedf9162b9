//! A text of a log to a number, an address or a time, as the mapping says.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use super::said::{Moment, Part, Place, Unit};
use crate::record::Skip;
use crate::source::text;

const MICROS_PER_SECOND: u64 = 1_000_000;

/// Where a value is, by the place of the field's name.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) field: Option<usize>,
    pub(super) place: Place,
}

impl Spot {
    /// The text of a value, cut out of its field's.
    pub(super) fn text<'a>(&'a self, values: &'a super::cut::Values<'_>) -> Option<&'a str> {
        let field = self.field.and_then(|field| values.get(field)?.as_deref());
        let cut = field.and_then(|text| {
            let text = match &self.place.after {
                Some(mark) => text.split_once(mark.as_str())?.1,
                None => text,
            };
            let text = match &self.place.before {
                Some(mark) => text.split_once(mark.as_str()).map_or(text, |(before, _)| before),
                None => text,
            };
            let text = match self.place.part {
                Some(part) => of_url(text, part)?,
                None => text,
            };
            Some(text.trim()).filter(|text| !text.is_empty() && *text != "-")
        });
        cut.or(self.place.or.as_deref())
    }

    /// A size, bytes, or a count.
    pub(super) fn count(&self, values: &super::cut::Values<'_>) -> Result<Option<u64>, Skip> {
        let Some(text) = self.text(values) else { return Ok(None) };
        let count = text::count(text.as_bytes()).ok_or(Skip::BadNumber)?;
        let factor = match self.place.unit {
            Some(Unit::Kilobyte) => 1_000,
            Some(Unit::KiB) => 1_024,
            _ => 1,
        };
        count.checked_mul(factor).map(Some).ok_or(Skip::BadNumber)
    }

    /// A length of time, microseconds.
    pub(super) fn duration_us(&self, values: &super::cut::Values<'_>) -> Result<Option<u64>, Skip> {
        let Some(text) = self.text(values) else { return Ok(None) };
        let as_seconds = || text::micros(text.as_bytes());
        let us = match self.place.unit {
            Some(Unit::Milli) => as_seconds().map(|us| us / 1_000),
            Some(Unit::Micro) => as_seconds().map(|us| us / MICROS_PER_SECOND),
            Some(Unit::Nano) => as_seconds().map(|us| us / 1_000 / MICROS_PER_SECOND),
            Some(Unit::Clock) => clock_us(text),
            _ => as_seconds(),
        };
        us.map(Some).ok_or(Skip::BadNumber)
    }
}

/// `0:00:30`, `12:30`, `7`.
fn clock_us(text: &str) -> Option<u64> {
    text.split(':').try_fold(0_u64, |all, part| {
        all.checked_mul(60)?.checked_add(text::micros(part.as_bytes())?)
    })
}

/// The host or the port of `http://user@host:port/path`, `host:port`, `[2001:db8::1]:443`.
fn of_url(text: &str, part: Part) -> Option<&str> {
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(s, rest)| (Some(s), rest));
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    match (part, port, scheme) {
        (Part::Host, ..) => Some(host),
        (Part::Port, Some(port), _) => Some(port),
        (Part::Port, None, Some("http")) => Some("80"),
        (Part::Port, None, Some("https")) => Some("443"),
        (Part::Port, None, Some("ftp")) => Some("21"),
        (Part::Port, None, _) => None,
    }
}

/// How times are written.
#[derive(Clone, Debug)]
pub(super) enum Clock {
    /// So many of these make a second, since 1970.
    Epoch(u64),
    Rfc3339,
    Pattern {
        pattern: String,
        zone: TimeZone,
        year: Option<i16>,
    },
}

impl Clock {
    /// An instant, microseconds since 1970 UTC.
    pub(super) fn read(&self, text: &str, leading: bool) -> Option<i64> {
        let word = if leading { text.split_ascii_whitespace().next()? } else { text };
        match self {
            Self::Epoch(1) => text::time(word.as_bytes()),
            Self::Epoch(units) => {
                let count = text::count(word.as_bytes())?;
                let us = u128::from(count) * u128::from(MICROS_PER_SECOND) / u128::from(*units);
                i64::try_from(us).ok()
            }
            Self::Rfc3339 => text::time(word.as_bytes()),
            Self::Pattern { pattern, zone, year } => {
                let (mut time, length) =
                    BrokenDownTime::parse_prefix(pattern.as_bytes(), text.trim()).ok()?;
                if !leading && length < text.trim().len() {
                    return None;
                }
                if let Some(year) = year {
                    time.set_year(Some(*year)).ok()?;
                }
                let stamp = match time.offset() {
                    Some(_) => time.to_timestamp().ok()?,
                    None => zone.to_timestamp(time.to_datetime().ok()?).ok()?,
                };
                Some(stamp.as_microsecond())
            }
        }
    }
}

/// When a flow began, microseconds since 1970 UTC.
pub(super) fn start_us(time_us: i64, of: Moment, duration_us: Option<u64>) -> i64 {
    let lasted = duration_us.and_then(|us| i64::try_from(us).ok()).unwrap_or(0);
    match of {
        Moment::Start => time_us,
        Moment::End => time_us.saturating_sub(lasted),
    }
}

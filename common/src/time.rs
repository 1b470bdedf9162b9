//! Instants, hours and days in UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Seconds in an hour.
pub const SECONDS_PER_HOUR: i64 = 3_600;
/// Seconds in a day.
pub const SECONDS_PER_DAY: i64 = 86_400;

/// Microseconds since 1970-01-01 00:00:00 UTC, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }
    /// The hour it falls in.
    #[must_use]
    pub fn hour(self) -> Hour {
        Hour(clamp_u32(self.seconds().div_euclid(SECONDS_PER_HOUR)))
    }
    /// The day it falls in.
    #[must_use]
    pub fn day(self) -> Day {
        let days = self.seconds().div_euclid(SECONDS_PER_DAY);
        Day(u16::try_from(days.clamp(0, i64::from(u16::MAX))).unwrap_or(u16::MAX))
    }
}

/// Hours since 1970-01-01 00:00 UTC: the finest time that leaves a node.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Hour(pub u32);

impl Hour {
    /// The day it falls in.
    #[must_use]
    pub fn day(self) -> Day {
        Day(u16::try_from(self.0 / 24).unwrap_or(u16::MAX))
    }
}

/// A length of time as people write one: `90s`, `10m`, `2h` or `1d`; a bare number is seconds.
///
/// # Errors
/// A sentence that says how to write it.
pub fn parse_seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no length of time: write it as 90s, 10m, 2h or 1d");
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = match text.strip_prefix(digits).unwrap_or_default() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    count.checked_mul(unit).ok_or_else(wrong)
}

/// Days since 1970-01-01 UTC. 65,535 is in the year 2149. Written as `2026-11-24`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u16);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(i64::from(self.0));
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl std::str::FromStr for Day {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a day: write it as 2026-11-24");
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().and_then(|part| part.parse::<i64>().ok()).ok_or_else(wrong);
        let (year, month, day) = (next()?, next()?, next()?);
        if !(1970..=2149).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day)
        {
            return Err(wrong());
        }
        let days = days_from_civil(year, month, day);
        if civil_from_days(days) != (year, month, day) {
            return Err(wrong());
        }
        u16::try_from(days).map(Day).map_err(|_| wrong())
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// RFC 3339 in UTC with microseconds, trailing zeros of the fraction left out.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        if micros != 0 {
            let digits = format!("{micros:06}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl Serialize for Micros {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date.
/// Source of the formula: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2021).
#[must_use]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The proleptic Gregorian date (year, month, day) of days since 1970-01-01; inverse of [`days_from_civil`].
#[must_use]
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn clamp_u32(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_unit() {
        let lengths = ["90s", "10m", "2h", "1d", "45", "0s"].map(parse_seconds);
        assert_eq!(lengths, [90, 600, 7_200, 86_400, 45, 0].map(Ok));
        for text in ["", "m", "1y", "-1s", "1.5h", "10 m", "99999999999999999d"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_go_there_and_back() {
        for days in (-800_000..800_000).step_by(17) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn known_instants() {
        assert_eq!(Micros(1_713_484_795_943_239).to_string(), "2024-04-18T23:59:55.943239Z");
        assert_eq!(Micros(1_713_484_795_500_000).to_string(), "2024-04-18T23:59:55.5Z");
        assert_eq!(Micros(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(Micros(1_795_507_200_000_000).hour(), Hour(498_752));
        assert_eq!("2026-11-24".parse::<Day>().map(|day| day.0), Ok(20_781));
        assert_eq!(Day(20_781).to_string(), "2026-11-24");
    }

    #[test]
    fn impossible_days_are_refused() {
        for text in ["", "2026", "2026-02-30", "2026-13-01", "1969-12-31", "2026-11-24x", "x-1-1"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }
}

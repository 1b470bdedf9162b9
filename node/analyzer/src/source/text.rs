//! Text of a log to numbers, times and addresses: exact, without floating point, without allocation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flowlore_common::time::{MICROS_PER_SECOND, SECONDS_PER_DAY, days_from_civil};

use super::bytes;
use crate::limits::TIME_SECONDS_MAX;

/// Significant digits kept of a number in scientific notation; 10^36 fits 128 bits with room to round.
const DIGITS_KEPT: u32 = 36;

/// A whole number that is not negative: digits, or a decimal that has no fraction (`1e3`, `46.0`).
#[inline]
pub(super) fn count(text: &[u8]) -> Option<u64> {
    digits(text).or_else(|| Decimal::parse(text)?.integer())
}

/// Up to sixteen digits, without a loop over them: lengths vary from field to field, and branches that
/// are mispredicted cost more than the work.
#[inline(always)]
fn digits(text: &[u8]) -> Option<u64> {
    match text.len() {
        1..=8 => eight_digits(text),
        length @ 9..=16 => {
            let (high, low) = (first_digits(text, length - 8)?, eight_digits(&text[length - 8..])?);
            Some(high * 100_000_000 + low)
        }
        _ => None,
    }
}

/// One to eight digits at once: neighbours are summed with weights 10, then 100, then 10,000.
/// Method: Daniel Lemire, "Quickly parsing eight digits" (2018).
#[inline(always)]
fn eight_digits(text: &[u8]) -> Option<u64> {
    first_digits(text, text.len())
}

/// One to eight digits at the beginning of a text.
#[inline(always)]
fn first_digits(text: &[u8], length: usize) -> Option<u64> {
    if !(1..=8).contains(&length) {
        return None;
    }
    last_digits(first_word(text) << (64 - 8 * length), length)
}

/// The digits at the end of a word, one to eight of them; what stands before is passed over.
#[inline(always)]
pub(super) fn last_digits(word: u64, length: usize) -> Option<u64> {
    if !(1..=8).contains(&length) {
        return None;
    }
    // The digits' values with zeros in front; the first digit is the lowest byte.
    let values = (word ^ 0x3030_3030_3030_3030) & u64::MAX << (64 - 8 * length);
    if (values | values.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let twos = (values.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// The first eight bytes as a little-endian word, zeros behind a shorter text.
#[inline(always)]
fn first_word(text: &[u8]) -> u64 {
    if let Some(word) = text.first_chunk::<8>() {
        return u64::from_le_bytes(*word);
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        // Where the two overlap, the same bytes come to the same places.
        let last = u64::from(u32::from_le_bytes(*last)) << (8 * (text.len() - 4));
        return u64::from(u32::from_le_bytes(*first)) | last;
    }
    let at = |index: usize| text.get(index).map_or(0, |byte| u64::from(*byte) << (8 * index));
    at(0) | at(1) | at(2)
}

/// Seconds as decimal text to microseconds, halves rounded up: `0.0351`, `4.294967e+09`.
#[inline]
pub(super) fn micros(text: &[u8]) -> Option<u64> {
    fixed_micros(text).or_else(|| Decimal::parse(text)?.micros())
}

/// Digits, a point and six digits, as Zeek writes times itself; or whole seconds.
#[inline]
fn fixed_micros(text: &[u8]) -> Option<u64> {
    let (whole, fraction) = match text.split_last_chunk::<7>() {
        Some((whole @ [_, ..], [b'.', fraction @ ..])) => (whole, six_digits(*fraction)?),
        _ => (text, 0),
    };
    // Twelve digits of seconds cannot overflow 64 bits as microseconds.
    let seconds = digits(whole).filter(|_| whole.len() <= 12)?;
    Some(seconds * MICROS_PER_SECOND.unsigned_abs() + fraction)
}

/// Six digits at once.
#[inline(always)]
fn six_digits([a, b, c, d, e, f]: [u8; 6]) -> Option<u64> {
    last_digits(u64::from_le_bytes([0, 0, a, b, c, d, e, f]), 6)
}

fn digit_at(text: &[u8], at: usize) -> Option<u64> {
    let digit = text.get(at)?.wrapping_sub(b'0');
    (digit <= 9).then_some(u64::from(digit))
}

/// A number that is not negative: `digits` times ten to the `exponent`.
struct Decimal {
    digits: u128,
    exponent: i32,
}

impl Decimal {
    /// `digits[.digits][(e|E)[+|-]digits]`. Digits beyond the kept ones are dropped, not rounded: they
    /// are below any unit that we read.
    fn parse(text: &[u8]) -> Option<Self> {
        let (mut digits, mut kept, mut exponent) = (0_u128, 0, 0_i32);
        let (mut at, mut point) = (0, None);
        while let Some(&byte) = text.get(at) {
            match byte {
                b'0'..=b'9' => {
                    let fractional = i32::from(point.is_some());
                    if kept < DIGITS_KEPT {
                        digits = digits * 10 + u128::from(byte - b'0');
                        kept += u32::from(digits != 0);
                        exponent -= fractional;
                    } else {
                        exponent += 1 - fractional;
                    }
                }
                b'.' if point.is_none() && at > 0 => point = Some(at),
                _ => break,
            }
            at += 1;
        }
        if at == 0 || point == Some(at - 1) {
            return None;
        }
        match text.get(at) {
            None => {}
            Some(b'e' | b'E') => exponent = exponent.checked_add(power(&text[at + 1..])?)?,
            Some(_) => return None,
        }
        Some(Self { digits, exponent })
    }

    /// The value if it is whole.
    fn integer(&self) -> Option<u64> {
        if self.digits == 0 {
            return Some(0);
        }
        let factor = 10_u128.checked_pow(self.exponent.unsigned_abs())?;
        let value = if self.exponent >= 0 {
            self.digits.checked_mul(factor)?
        } else if self.digits.is_multiple_of(factor) {
            self.digits / factor
        } else {
            return None;
        };
        u64::try_from(value).ok()
    }

    /// The value times a million, halves rounded up.
    fn micros(&self) -> Option<u64> {
        if self.digits == 0 {
            return Some(0);
        }
        let exponent = self.exponent.checked_add(6)?;
        let Some(factor) = 10_u128.checked_pow(exponent.unsigned_abs()) else {
            // Beyond what 128 bits hold: too small to see, or too big for any time.
            return (exponent < 0).then_some(0);
        };
        let value = if exponent >= 0 {
            self.digits.checked_mul(factor)?
        } else {
            let rest = self.digits % factor;
            self.digits / factor + u128::from(rest >= factor - rest)
        };
        u64::try_from(value).ok()
    }
}

/// The power of ten behind an `e`.
fn power(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 4 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

/// An instant, microseconds since 1970 UTC: seconds (also relative ones that begin at 0), or ISO 8601.
/// A date without a zone is taken as UTC. `None` also for what lies outside 1970 to 2106.
pub(super) fn time(text: &[u8]) -> Option<i64> {
    let value = match fixed_micros(text) {
        Some(value) => i64::try_from(value).ok()?,
        None => match iso_time(text) {
            Some(value) => value,
            None => i64::try_from(Decimal::parse(text)?.micros()?).ok()?,
        },
    };
    let range = 0..(TIME_SECONDS_MAX + 1) * MICROS_PER_SECOND;
    range.contains(&value).then_some(value)
}

/// Whether what began then and lasted so long ends before times that no record may carry.
pub(super) fn ends_in_time(start_us: i64, duration_us: Option<u64>) -> bool {
    let end_us = start_us.saturating_add_unsigned(duration_us.unwrap_or(0));
    end_us < (TIME_SECONDS_MAX + 1) * MICROS_PER_SECOND
}

/// `2026-11-24T04:05:06.789Z`, with `+02:00`, `+0200` or nothing for the zone; a blank for the `T`.
fn iso_time(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month, day) =
        (pair(date, 0)? * 100 + pair(date, 2)?, pair(date, 5)?, pair(date, 8)?);
    let (separator, rest) = rest.split_first()?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let marks = [date[4], date[7], clock[2], clock[5]];
    if marks != *b"--::" || !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (hour, minute, second) = (pair(clock, 0)?, pair(clock, 3)?, pair(clock, 6)?);
    // A leap second (60) counts as the first second of the next minute.
    let real = (1..=12).contains(&month) && day <= days_in(year, month) && day > 0;
    if !real || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let digits = rest
        .strip_prefix(b".")
        .map_or(0, |rest| 1 + rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let (fraction, zone) = rest.split_at(digits);
    let mut micros = 0;
    if !fraction.is_empty() {
        let mut padded = [b'0'; 24];
        let length = fraction.len().min(19);
        padded[1..=length].copy_from_slice(&fraction[..length]);
        micros = i64::try_from(Decimal::parse(&padded[..=length])?.micros()?).ok()?;
    }
    let seconds =
        days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second
            - zone_seconds(zone)?;
    Some(seconds * MICROS_PER_SECOND + micros)
}

fn days_in(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_from_civil(next_year, next_month, 1) - days_from_civil(year, month, 1)
}

/// Seconds east of Greenwich.
fn zone_seconds(zone: &[u8]) -> Option<i64> {
    let (sign, digits) = match zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.len() {
        2 => (pair(digits, 0)?, 0),
        4 => (pair(digits, 0)?, pair(digits, 2)?),
        5 if digits[2] == b':' => (pair(digits, 0)?, pair(digits, 3)?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Two digits at a place.
fn pair(text: &[u8], at: usize) -> Option<i64> {
    let value = digit_at(text, at)? * 10 + digit_at(text, at + 1)?;
    i64::try_from(value).ok()
}

/// An address, IPv4 in IPv6 as the IPv4 address that it means.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = ipv4(text) {
        return Some(IpAddr::V4(address));
    }
    let address: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// Four numbers of up to three digits; no leading zeros, which some readers take for octal.
#[inline]
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let [low, high] = [first_word(text), text.get(8..).map_or(0, first_word)];
    first_ipv4((u128::from(low) | u128::from(high) << 64).to_le_bytes(), text.len())
}

/// The same at the beginning of sixteen bytes; what stands behind is passed over.
///
/// The points are found at once and the numbers cut out between them, for the reason given at `digits`.
#[inline]
pub(super) fn first_ipv4(bytes: [u8; 16], length: usize) -> Option<Ipv4Addr> {
    if !(7..=15).contains(&length) {
        return None;
    }
    // The end of the text ends its last number, as a point would.
    let mut stops = bytes::equal_in_part(&bytes, b'.') & ((1 << length) - 1) | 1 << length;
    let text = u128::from_le_bytes(bytes);
    let (mut bits, mut start) = (0, 0);
    for _ in 0..4 {
        let stop = stops.trailing_zeros();
        let length = stop - start;
        if !(1..=3).contains(&length) {
            return None;
        }
        // The digits right-aligned in four bytes, zeros in front.
        let part = (text >> (8 * start)) as u32;
        let digits = (part ^ 0x3030_3030) << (32 - 8 * length);
        let [_, hundreds, tens, ones] = digits.to_le_bytes().map(u32::from);
        let octet = hundreds * 100 + tens * 10 + ones;
        let leading_zero = length > 1 && part.to_le_bytes()[0] == b'0';
        if hundreds.max(tens).max(ones) > 9 || octet > 255 || leading_zero {
            return None;
        }
        bits = bits << 8 | octet;
        stops &= stops.wrapping_sub(1);
        start = stop + 1;
    }
    (stops == 0).then(|| Ipv4Addr::from_bits(bits))
}

/// Whether a record holds what no text log does: bytes that are not UTF-8, or control characters other
/// than tab and line ends. Looked at only to say why a line did not parse.
pub(super) fn is_binary(line: &[u8]) -> bool {
    line.iter().any(|&byte| (byte < 0x20 && !matches!(byte, b'\t' | b'\r' | b'\n')) || byte == 0x7f)
        || std::str::from_utf8(line).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_the_microsecond() {
        let cases: &[(&str, Option<i64>)] = &[
            ("1713484795.943239", Some(1_713_484_795_943_239)),
            ("1588205199.82437", Some(1_588_205_199_824_370)),
            ("1713484795", Some(1_713_484_795_000_000)),
            ("0.000000", Some(0)),
            ("19.981745", Some(19_981_745)),
            ("1.7134847959432390e9", Some(1_713_484_795_943_239)),
            ("0.0000005", Some(1)),
            ("0.00000049", Some(0)),
            ("0.9999995", Some(1_000_000)),
            ("4294967295.999999", Some(4_294_967_295_999_999)),
            ("4294967295.9999996", None),
            ("4294967296", None),
            ("1713484795943", None),
            ("-1.0", None),
            ("1.", None),
            (".5", None),
            ("1.2.3", None),
            ("", None),
            ("-", None),
            ("12a", None),
            ("1e", None),
            ("1e99999", None),
            ("2024-04-18T23:59:55.943239Z", Some(1_713_484_795_943_239)),
            ("2024-04-19T01:59:55.943239+02:00", Some(1_713_484_795_943_239)),
            ("2024-04-18 18:29:55.943239-0530", Some(1_713_484_795_943_239)),
            ("2024-04-18T23:59:55", Some(1_713_484_795_000_000)),
            ("2024-04-18T23:59:55.9999999Z", Some(1_713_484_796_000_000)),
            ("2024-04-18T23:59:55.", None),
            ("2024-02-30T00:00:00Z", None),
            ("2024-04-18T24:00:00Z", None),
            ("2024-04-18T23:59:55Q", None),
            ("2024/04/18T23:59:55Z", None),
            ("1969-12-31T23:59:59Z", None),
        ];
        for (text, expected) in cases {
            assert_eq!(time(text.as_bytes()), *expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let cases: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("1e3", Some(1_000)),
            ("46.0", Some(46)),
            ("1.5e1", Some(15)),
            ("1.5", None),
            ("-1", None),
            ("+1", None),
            ("1e-1", None),
            ("0e999", Some(0)),
            ("", None),
            ("0x10", None),
            ("1 ", None),
            ("000000000000000000000000000000000000000000007", Some(7)),
            ("99999999999999999999999999999999999999999999e-30", None),
        ];
        for (text, expected) in cases {
            assert_eq!(count(text.as_bytes()), *expected, "{text}");
        }
        assert_eq!(micros(b"4.294967e+09"), Some(4_294_967_000_000_000));
        assert_eq!(micros(b"0.0015931129455566407"), Some(1_593));
        assert_eq!(micros(b"1.5e-6"), Some(2));
        assert_eq!(micros(b"1e-400"), Some(0));
        assert_eq!(micros(b"1e40"), None);
    }

    #[test]
    fn addresses() {
        let good =
            ["192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "fe80::1:2:3:4"];
        for text in good {
            assert_eq!(address(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert_eq!(address(b"::ffff:192.0.2.1"), Some("192.0.2.1".parse().unwrap()));
        let bad =
            ["", "-", "192.0.2", "192.0.2.1.1", "192.0.2.256", "192.0.2.01", "192.0.2.", ":::"];
        for text in bad.into_iter().chain(["1.2.3.4 ", ".1.2.3", "[::1]", "fe80::1%eth0", "host"]) {
            assert_eq!(address(text.as_bytes()), None, "{text}");
        }
    }

    /// Against the standard library's parser, which is slower but not ours.
    #[test]
    fn every_ipv4_form_agrees_with_the_standard_library() {
        let parts = ["", "0", "00", "7", "10", "010", "99", "100", "255", "256", "1000", "x"];
        for a in parts {
            for b in parts {
                let text = format!("{a}.{b}.{a}.{b}");
                assert_eq!(ipv4(text.as_bytes()), text.parse().ok(), "{text}");
            }
        }
    }

    #[test]
    fn binary_is_told_from_text() {
        assert!(is_binary(b"a\0b") && is_binary(b"\xff") && is_binary(b"\x1b[0m"));
        assert!(!is_binary(b"a\tb\r") && !is_binary("Grüße".as_bytes()));
    }
}

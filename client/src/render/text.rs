//! Words, numbers, days and colours, and what makes foreign text harmless.

use std::borrow::Cow;
use std::fmt::Write as _;

use flowlore_common::label::Verdict;
use flowlore_common::terminal::is_unsafe;
use flowlore_common::time::{Day, Micros, civil_from_days};

use crate::limits::TEXT_CHARS_MAX;

/// Foreign text on one line, with every unsafe character written out as `\u{...}`.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { cleaned.extend(c.escape_unicode()) } else { cleaned.push(c) }
    }
    cleaned
}

/// As [`clean`], and at most [`TEXT_CHARS_MAX`] characters of it.
#[must_use]
pub fn clip(text: &str) -> String {
    let mut rest = text.chars();
    let head: String = rest.by_ref().take(TEXT_CHARS_MAX).collect();
    let end = if rest.next().is_some() { "..." } else { "" };
    format!("{}{end}", clean(&head))
}

/// Text of several lines with every unsafe character written out, line ends aside, and colours where they are wanted:
/// SGR sequences with numbers alone (ECMA-48), which change how letters look and nothing else.
#[must_use]
pub fn harmless(text: &str, colours: bool) -> Cow<'_, str> {
    let harmful = |c: char| is_unsafe(c) && c != '\n';
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(harmful) {
        let (safe, from) = rest.split_at(at);
        written.push_str(safe);
        if let Some(length) = sgr_length(from).filter(|_| colours) {
            let (colour, after) = from.split_at(length);
            written.push_str(colour);
            rest = after;
        } else {
            let mut letters = from.chars();
            written.extend(letters.next().into_iter().flat_map(char::escape_unicode));
            rest = letters.as_str();
        }
    }
    written.push_str(rest);
    Cow::Owned(written)
}

/// How many bytes a colour's sequence has that the text begins with.
fn sgr_length(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    numbers.get(end..)?.starts_with('m').then_some(end + 3)
}

/// A JSON document with unsafe characters written as JSON's own escapes: the same values. Outside
/// of strings JSON has no such characters but line breaks and tabs, which stay.
#[must_use]
pub fn escape_unsafe(json: &str) -> Cow<'_, str> {
    let harmful = |c: char| is_unsafe(c) && !matches!(c, '\n' | '\r' | '\t');
    if !json.contains(harmful) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// `40,193`.
#[must_use]
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 org`, `7 orgs`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

/// `506 kB`: decimal units, rounded down, one digit after the point below ten.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut unit, mut tenths) = ("B", u128::from(count) * 10);
    for larger in units {
        if tenths < 10_000 {
            break;
        }
        (unit, tenths) = (larger, tenths / 1_000);
    }
    if unit != "B" && tenths < 100 {
        return format!("{}.{} {unit}", tenths / 10, tenths % 10);
    }
    format!("{} {unit}", tenths / 10)
}

/// `2.2 %` of a whole; `0 %` of none.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    let permille = (part * 1_000 + whole / 2).checked_div(whole).unwrap_or_default();
    format!("{}.{} %", permille / 10, permille % 10)
}

/// `45 s`, `12 min`, `5 h 20 min`, `3 d 4 h`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// `2026-11-24 08:02 UTC`.
#[must_use]
pub fn minute(instant: Micros) -> String {
    let text = instant.to_string();
    let to_minute = text.get(..16).unwrap_or(&text);
    format!("{} UTC", to_minute.replace('T', " "))
}

/// `2 Nov`, with the year where `year` is another one.
#[must_use]
pub fn day(day: Day, year: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (own_year, month, of_month) = civil_from_days(i64::from(day.0));
    let month = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month));
    let month = month.copied().unwrap_or_default();
    if own_year == year {
        format!("{of_month} {month}")
    } else {
        format!("{of_month} {month} {own_year}")
    }
}

/// The year of a day.
#[must_use]
pub fn year(day: Day) -> i64 {
    civil_from_days(i64::from(day.0)).0
}

/// The verdict in capitals, coloured where that is wanted: red, yellow, green; unknown is plain.
#[must_use]
pub fn verdict(verdict: Verdict, colour: bool) -> String {
    let (word, code) = match verdict {
        Verdict::Malicious => ("MALICIOUS", "1;31"),
        Verdict::Suspicious => ("SUSPICIOUS", "1;33"),
        Verdict::Benign => ("BENIGN", "1;32"),
        Verdict::Unknown => ("NO VERDICT", "1"),
    };
    paint(word, code, colour)
}

/// Text in a colour: `code` is that of ECMA-48's SGR sequence.
#[must_use]
pub fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_never_told_what_to_do() {
        let hostile = "a\u{1b}[2J\u{9b}31m\r\nb\u{202e}c\u{2066}\u{200b}\u{7f}\u{e0041}\u{2028}d";
        let cleaned = clean(hostile);
        assert!(!cleaned.chars().any(is_unsafe), "{cleaned}");
        assert!(cleaned.starts_with(r"a\u{1b}[2J\u{9b}31m\u{d}\u{a}b\u{202e}c"), "{cleaned}");
        assert_eq!(clean("Zürich ünïcode 例え"), "Zürich ünïcode 例え");
        let long = clip(&"\u{1b}".repeat(500));
        assert!(long.len() < TEXT_CHARS_MAX * 8 && long.ends_with("..."), "{long}");
    }

    #[test]
    fn text_of_the_node_may_colour_and_nothing_else() {
        let coloured =
            "\u{1b}[1;31mHIGH\u{1b}[0m\n a\u{1b}[2Jb\u{1b}]0;x\u{7}c\u{9b}31md\u{202e}\u{1b}[1";
        let shown = harmless(coloured, true);
        let expected = "\u{1b}[1;31mHIGH\u{1b}[0m\n a\\u{1b}[2Jb\\u{1b}]0;x\\u{7}c\\u{9b}31md\\u{202e}\\u{1b}[1";
        assert_eq!(shown, expected);
        let plain = harmless(coloured, false);
        assert!(!plain.contains(|c: char| is_unsafe(c) && c != '\n'), "{plain}");
        assert!(matches!(harmless("plain é\n", true), Cow::Borrowed(_)));
    }

    #[test]
    fn escaped_json_keeps_its_values() {
        let hostile = "x\u{9b}\u{202e}\u{e0041}\u{7f}é\n\u{1b}";
        let json = serde_json::json!({ "title": hostile }).to_string();
        let escaped = escape_unsafe(&json);
        assert!(!escaped.chars().any(is_unsafe), "{escaped}");
        let again: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(again["title"], hostile);
        assert!(matches!(escape_unsafe("{\n\t\"a\": 1\n}"), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1_000, 40_193, 1_234_567].map(number).join(" "),
            "0 999 1,000 40,193 1,234,567"
        );
        assert_eq!([1, 7].map(|count| counted(count, "org")), ["1 org", "7 orgs"]);
        assert_eq!(
            [0, 999, 1_000, 9_999, 506_123, u64::MAX].map(bytes).join(" "),
            "0 B 999 B 1.0 kB 9.9 kB 506 kB 18 EB"
        );
        assert_eq!(
            [(7, 312), (0, 0), (1, 1)].map(|(part, whole)| percent(part, whole)),
            ["2.2 %", "0.0 %", "100.0 %"]
        );
        assert_eq!(
            [45, 720, 19_200, 273_600].map(duration).join(", "),
            "45 s, 12 min, 5 h 20 min, 3 d 4 h"
        );
    }

    #[test]
    fn days_name_another_year() {
        let of = |text: &str| day(text.parse().unwrap(), 2026);
        assert_eq!([of("2026-11-02"), of("2025-12-31")], ["2 Nov", "31 Dec 2025"]);
        assert_eq!(minute(Micros(1_795_507_200_000_000)), "2026-11-24 08:00 UTC");
    }
}

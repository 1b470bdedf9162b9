//! Bytes to lines, for formats that keep something from one line to the next: without keeping more than
//! one of them.

use memchr::memchr;

use super::array::Element;
use crate::limits::LINE_BYTES_MAX;

/// The beginning of a line whose end is in a later block.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// The line in hand is longer than a line may be; its rest is passed over.
    too_long: bool,
}

impl Lines {
    /// Cuts a block. Lines are handed on without their ends; empty ones not at all.
    pub(super) fn feed(&mut self, mut block: &[u8], mut take: impl FnMut(Element<'_>)) {
        while let Some(end) = memchr(b'\n', block) {
            let (line, rest) = block.split_at(end);
            self.end(line, &mut take);
            block = &rest[1..];
        }
        self.keep(block);
    }

    /// The last line, if it has no end.
    pub(super) fn finish(&mut self, mut take: impl FnMut(Element<'_>)) {
        self.end(&[], &mut take);
    }

    fn keep(&mut self, part: &[u8]) {
        if self.begun.len() + part.len() > LINE_BYTES_MAX {
            self.too_long = true;
            self.begun.clear();
        } else if !self.too_long {
            self.begun.extend_from_slice(part);
        }
    }

    fn end(&mut self, part: &[u8], take: &mut impl FnMut(Element<'_>)) {
        if self.begun.len() + part.len() > LINE_BYTES_MAX {
            self.too_long = true;
        }
        if std::mem::take(&mut self.too_long) {
            take(Element::TooLong);
        } else if self.begun.is_empty() {
            text(part, take);
        } else {
            self.begun.extend_from_slice(part);
            text(&self.begun, take);
        }
        self.begun.clear();
    }
}

fn text(line: &[u8], take: &mut impl FnMut(Element<'_>)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.is_empty() {
        take(Element::Text(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_for_every_block_size() {
        let long = format!("a\n{}\nb", "x".repeat(LINE_BYTES_MAX + 1));
        let cases: &[(&str, &[&str])] = &[
            ("a\nbc\r\n\n\r\nd", &["a", "bc", "d"]),
            ("", &[]),
            ("\n\n", &[]),
            (&long, &["a", "too long", "b"]),
        ];
        for (text, expected) in cases {
            for block in [1, 2, 3, 64, usize::MAX >> 1] {
                if text.len() > 1_000 && block < 64 {
                    continue;
                }
                let (mut lines, mut found) = (Lines::default(), Vec::new());
                let mut take = |line: Element<'_>| match line {
                    Element::Text(text) => found.push(String::from_utf8_lossy(text).into_owned()),
                    Element::TooLong => found.push("too long".to_owned()),
                };
                for block in text.as_bytes().chunks(block) {
                    lines.feed(block, &mut take);
                }
                lines.finish(&mut take);
                assert_eq!(found, *expected, "blocks of {block}");
            }
        }
    }
}

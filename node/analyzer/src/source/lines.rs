//! Bytes to lines, for formats that keep something from one line to the next: without keeping more than
//! one of them.

use memchr::memchr;

use super::begun::{Begun, Element};

/// The beginning of a line whose end is in a later block.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    begun: Begun,
}

impl Lines {
    /// Cuts a block. Lines are handed on without their ends; empty ones not at all.
    pub(super) fn feed(&mut self, mut block: &[u8], mut take: impl FnMut(Element<'_>)) {
        while let Some(end) = memchr(b'\n', block) {
            let (line, rest) = block.split_at(end);
            self.begun.end(line, without_return, &mut take);
            block = &rest[1..];
        }
        self.begun.keep(block);
    }

    /// The last line, if it has no end.
    pub(super) fn finish(&mut self, mut take: impl FnMut(Element<'_>)) {
        self.begun.end(&[], without_return, &mut take);
    }
}

/// Without the half of a line end that Windows writes.
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LINE_BYTES_MAX;

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

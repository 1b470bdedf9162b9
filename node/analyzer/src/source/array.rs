//! One JSON array over a whole file: cuts it into its elements without keeping more than one.

use memchr::memchr3;

use super::begun::{Begun, Element};
use super::bytes;

/// Where in the array the bytes so far have led.
#[derive(Clone, Debug, Default)]
pub(super) struct Elements {
    /// Brackets open: 0 outside the array, 1 between elements, more inside one.
    depth: u64,
    in_string: bool,
    escaped: bool,
    begun: Begun,
}

impl Elements {
    /// Cuts a block. Elements are handed on without the blanks around them; empty ones not at all.
    pub(super) fn feed(&mut self, block: &[u8], mut take: impl FnMut(Element<'_>)) {
        let (mut start, mut at) = (0, 0);
        while let Some(&byte) = block.get(at) {
            if self.in_string {
                at = self.string(block, at);
                continue;
            }
            let ends = match (byte, self.depth) {
                (b'[', 0) | (b']', 1) | (b',', 1) => true,
                (b'[' | b'{', 1..) => {
                    self.depth += 1;
                    false
                }
                (b']' | b'}', 2..) => {
                    self.depth -= 1;
                    false
                }
                (b'"', _) => {
                    self.in_string = true;
                    false
                }
                _ => false,
            };
            if ends {
                self.begun.end(&block[start..at], <[u8]>::trim_ascii, &mut take);
                start = at + 1;
                self.depth = u64::from(byte != b']');
            }
            at += 1;
        }
        self.begun.keep(&block[start..]);
    }

    /// The element that the end of the input cut off, if one had begun.
    pub(super) fn finish(&mut self, mut take: impl FnMut(Element<'_>)) {
        self.begun.end(&[], <[u8]>::trim_ascii, &mut take);
    }

    /// Passes over text inside quotes; gives the place behind the byte that matters.
    ///
    /// A line end inside a string is no JSON. Taking it for the string's end keeps one broken element
    /// from swallowing those on the lines that follow.
    fn string(&mut self, block: &[u8], at: usize) -> usize {
        if self.escaped {
            self.escaped = false;
            return at + 1;
        }
        let rest = &block[at..];
        // Most strings are so short that a call would cost more than the look.
        let near = rest.first_chunk::<16>().map_or(0, |part| {
            let hits = [b'"', b'\\', b'\n'].map(|byte| bytes::equal_in_part(part, byte));
            hits.into_iter().fold(0, |all, some| all | some)
        });
        let found = match near {
            0 => memchr3(b'"', b'\\', b'\n', rest),
            hits => Some(hits.trailing_zeros() as usize),
        };
        let Some(found) = found else { return block.len() };
        match block[at + found] {
            b'\\' => self.escaped = true,
            _ => self.in_string = false,
        }
        at + found + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LINE_BYTES_MAX;

    fn cut(text: &str, block: usize) -> Vec<String> {
        let (mut elements, mut found) = (Elements::default(), Vec::new());
        let mut take = |element: Element<'_>| match element {
            Element::Text(text) => found.push(String::from_utf8_lossy(text).into_owned()),
            Element::TooLong => found.push("too long".to_owned()),
        };
        for block in text.as_bytes().chunks(block) {
            elements.feed(block, &mut take);
        }
        elements.finish(&mut take);
        found
    }

    #[test]
    fn elements_are_the_same_for_every_block_size() {
        let long = format!("[1,\"{}\",2]", "x".repeat(LINE_BYTES_MAX));
        let cases: &[(&str, &[&str])] = &[
            (
                r#"[{"a":"],[}\""},{"b":[1,{"c":2}]}]"#,
                &[r#"{"a":"],[}\""}"#, r#"{"b":[1,{"c":2}]}"#],
            ),
            ("[\n {\"a\": 1},\n\n {\"b\": 2}\n]\n", &["{\"a\": 1}", "{\"b\": 2}"]),
            ("[]", &[]),
            ("[{\"a\":1},{\"b\"", &["{\"a\":1}", "{\"b\""]),
            ("[{\"a\":\"x},\n{\"b\":2}}},3]", &["{\"a\":\"x},\n{\"b\":2}}}", "3"]),
            ("[1][2]", &["1", "2"]),
            (&long, &["1", "too long", "2"]),
        ];
        for (text, expected) in cases {
            for block in [1, 2, 3, 7, 64, usize::MAX >> 1] {
                if text.len() < 1_000 || block >= 64 {
                    assert_eq!(cut(text, block), *expected, "blocks of {block}");
                }
            }
        }
    }
}

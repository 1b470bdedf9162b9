//! What blocks cut: the piece in hand, a line or an element of an array, whose end is in a later block.

use crate::limits::LINE_BYTES_MAX;

/// A piece, or why it is not given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Element<'a> {
    Text(&'a [u8]),
    TooLong,
}

/// The beginning of a piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun {
    /// At most the longest line.
    bytes: Vec<u8>,
    /// It is longer than that; its rest is passed over.
    too_long: bool,
}

impl Begun {
    /// Keeps a part whose end is still to come.
    pub(super) fn keep(&mut self, part: &[u8]) {
        if self.bytes.len() + part.len() > LINE_BYTES_MAX {
            self.too_long = true;
            self.bytes.clear();
        } else if !self.too_long {
            self.bytes.extend_from_slice(part);
        }
    }

    /// Hands on the piece that ends with `part`, without what `trim` takes off; an empty one not at all.
    pub(super) fn end(
        &mut self,
        part: &[u8],
        trim: fn(&[u8]) -> &[u8],
        take: &mut impl FnMut(Element<'_>),
    ) {
        if self.bytes.len() + part.len() > LINE_BYTES_MAX {
            self.too_long = true;
        }
        let mut text = |piece: &[u8]| {
            let piece = trim(piece);
            if !piece.is_empty() {
                take(Element::Text(piece));
            }
        };
        if std::mem::take(&mut self.too_long) {
            take(Element::TooLong);
        } else if self.bytes.is_empty() {
            text(part);
        } else {
            self.bytes.extend_from_slice(part);
            text(&self.bytes);
        }
        self.bytes.clear();
    }
}

//! A note: what a person wrote about a name, for everybody who knows the name.
//!
//! ```text
//! note  = T 32 || nonce 24 || len u16 || sealed
//! plain = u16 len || { version u8 = 1, tlp u8, pseudonym 16, n u8, tag u16 * n,
//!         title u8 len + UTF-8, text u16 len + UTF-8 } || zeros        256, 1024 or 4096 B
//! ```
//! An empty one (nonce of zeros, length 0) withdraws the last.

use flowlore_common::canon::{Put as _, Reader};
use flowlore_common::ids::{OrgId, Token};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::body::Contributor;
use crate::limits::{NOTE_BYTES, NOTE_TAGS_MAX, NOTE_TITLE_BYTES_MAX};
use crate::seal::{NONCE_BYTES, Seal, Sealed, TAG_BYTES};
use crate::token::Secret;

const VERSION: u8 = 1;

/// What a note says.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NoteText {
    /// How far it may be passed on: a number of the Traffic Light Protocol's list; kept as it is.
    pub tlp: u8,
    /// Who wrote it; zeros: not said.
    pub contributor: Contributor,
    /// Numbers of tags.
    pub tags: Vec<u16>,
    /// At most 255 bytes.
    pub title: String,
    /// What fits the largest size.
    pub text: String,
}

/// Prints lengths only: people write names into notes.
impl std::fmt::Debug for NoteText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (title, text) = (self.title.len(), self.text.len());
        write!(f, "NoteText({} tags, title {title} bytes, text {text} bytes)", self.tags.len())
    }
}

/// An item of a notes block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    token: Token,
    /// `None`: withdraws the note before it.
    sealed: Option<Sealed>,
}

/// Why an item is no note, or a note cannot be made or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Shorter or longer than its content says.
    #[error("the note's length is wrong")]
    Length,
    /// A sealed text of a size that no note has.
    #[error("a sealed note of {0} bytes")]
    Size(usize),
    /// A withdrawal with a nonce.
    #[error("a withdrawn note with a nonce")]
    WithdrawnNonce,
    /// It was withdrawn: there is nothing to read.
    #[error("the note is withdrawn")]
    Withdrawn,
    /// Too many tags, or a title or text that is too long.
    #[error("too long for a note: 255 tags, a title of 255 bytes and 4 KB in all are possible")]
    TooLong,
    /// Sealed under another secret, by another org, for another note, or changed since.
    #[error("the note was not sealed for this token by this org")]
    Seal,
    /// What was sealed is no note of a known version.
    #[error("what was sealed is no note")]
    Text,
}

impl Note {
    /// Takes back the org's earlier note about `token`.
    #[must_use]
    pub fn withdrawal(token: Token) -> Self {
        Self { token, sealed: None }
    }

    /// Reads an item of a notes block.
    ///
    /// # Errors
    /// [`NoteError`]: length, size, or a withdrawal with a nonce.
    pub fn parse(item: &[u8]) -> Result<Self, NoteError> {
        let cut_off = |_| NoteError::Length;
        let mut reader = Reader::new(item);
        let token = Token(reader.array().map_err(cut_off)?);
        let nonce: [u8; NONCE_BYTES] = reader.array().map_err(cut_off)?;
        let length = usize::from(reader.u16().map_err(cut_off)?);
        let bytes = reader.take(length).map_err(cut_off)?;
        reader.finish().map_err(cut_off)?;
        if length == 0 {
            if nonce != [0; NONCE_BYTES] {
                return Err(NoteError::WithdrawnNonce);
            }
            return Ok(Self::withdrawal(token));
        }
        if !NOTE_BYTES.iter().any(|size| length == size + TAG_BYTES) {
            return Err(NoteError::Size(length));
        }
        Ok(Self { token, sealed: Some(Sealed { nonce, bytes: bytes.into() }) })
    }

    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut item = self.token.0.to_vec();
        match &self.sealed {
            Some(sealed) => {
                item.put(&sealed.nonce);
                item.put_u16(u16::try_from(sealed.bytes.len()).expect("at most 4112 bytes"));
                item.put(&sealed.bytes);
            }
            None => item.put(&[0; NONCE_BYTES + 2]),
        }
        item
    }

    /// What it is about.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// Whether it takes an earlier one back.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.sealed.is_none()
    }
}

impl Secret {
    /// A note under `token`, which must be this secret's.
    ///
    /// # Errors
    /// [`NoteError::TooLong`].
    pub fn note(
        &self,
        token: &Token,
        org: &OrgId,
        text: &NoteText,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Note, NoteError> {
        let sealed = Seal::note(self, token, org).seal(&text.encode()?, rng);
        Ok(Note { token: *token, sealed: Some(sealed) })
    }

    /// Reads a note that `org` signed.
    ///
    /// # Errors
    /// [`NoteError`]: withdrawn, sealed for something else, or no note.
    pub fn open_note(&self, note: &Note, org: &OrgId) -> Result<NoteText, NoteError> {
        let sealed = note.sealed.as_ref().ok_or(NoteError::Withdrawn)?;
        let bytes = Seal::note(self, &note.token, org).open(sealed).ok_or(NoteError::Seal)?;
        NoteText::decode(&bytes).ok_or(NoteError::Text)
    }
}

impl NoteText {
    /// The bytes that are sealed, padded.
    ///
    /// # Errors
    /// [`NoteError::TooLong`].
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, NoteError> {
        if self.tags.len() > NOTE_TAGS_MAX || self.title.len() > NOTE_TITLE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let text_length = u16::try_from(self.text.len()).map_err(|_| NoteError::TooLong)?;
        let fixed = 1 + 1 + 16 + 1 + 1 + 2;
        let length = fixed + 2 * self.tags.len() + self.title.len() + self.text.len();
        let size = NOTE_BYTES.into_iter().find(|size| 2 + length <= *size);
        let size = size.ok_or(NoteError::TooLong)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        bytes.put_u16(u16::try_from(length).map_err(|_| NoteError::TooLong)?);
        bytes.put_u8(VERSION);
        bytes.put_u8(self.tlp);
        bytes.put(&self.contributor);
        bytes.put_u8(u8::try_from(self.tags.len()).map_err(|_| NoteError::TooLong)?);
        for tag in &self.tags {
            bytes.put_u16(*tag);
        }
        bytes.put_text(&self.title);
        bytes.put_u16(text_length);
        bytes.put(self.text.as_bytes());
        bytes.resize(size, 0);
        Ok(bytes)
    }

    /// `None`: not what [`Self::encode`] writes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut outer = Reader::new(bytes);
        let length = usize::from(outer.u16().ok()?);
        let plain = outer.take(length).ok()?;
        if bytes[outer.position()..].iter().any(|byte| *byte != 0) {
            return None;
        }
        let mut reader = Reader::new(plain);
        if reader.u8().ok()? != VERSION {
            return None;
        }
        let tlp = reader.u8().ok()?;
        let contributor = reader.array().ok()?;
        let count = reader.u8().ok()?;
        let tags = (0..count).map(|_| reader.u16().ok()).collect::<Option<_>>()?;
        let title_length = usize::from(reader.u8().ok()?);
        let title = std::str::from_utf8(reader.take(title_length).ok()?).ok()?.to_owned();
        let text_length = usize::from(reader.u16().ok()?);
        let text = std::str::from_utf8(reader.take(text_length).ok()?).ok()?.to_owned();
        reader.finish().ok()?;
        Some(Self { tlp, contributor, tags, title, text })
    }
}

//! A label: one org's sealed word about one token.
//!
//! ```text
//! label = T 32 || flags u8 (bit 0 retracted) || proof 32 or 64
//!         || nonce 24 || len u16 || sealed body
//! ```
//! A retracted label has a nonce of zeros and no body; its proof must hold all the same.

use flowlore_common::canon::{Put as _, Reader};
use flowlore_common::ids::{OrgId, ShareGroup, Token};
use flowlore_common::label::Purpose;
use rand_core::CryptoRngCore;

use crate::body::{Body, BodyError};
use crate::limits::BODY_BYTES;
use crate::proof::{Proof, ZeroPlace};
use crate::seal::{NONCE_BYTES, Seal, Sealed, TAG_BYTES};
use crate::token::Secret;

/// Bit 0 of the flags.
const RETRACTED: u8 = 1;

/// An item of a labels block. That it exists says that its bytes are well-formed; its proof is
/// checked by [`verify_proofs`](crate::proof::verify_proofs).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    token: Token,
    proof: Proof,
    /// `None`: retracted.
    sealed: Option<Sealed>,
}

/// Why an item is no label: void on every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Shorter or longer than its content says.
    #[error("the label's length is wrong")]
    Length,
    /// A flag that has no meaning.
    #[error("label flags {0:#04x}: only bit 0 has a meaning")]
    Flags(u8),
    /// A sealed body of a size that no body has.
    #[error("a sealed body of {0} bytes")]
    SealedBody(usize),
    /// Retracted, yet with a nonce or a body.
    #[error("a retracted label with a nonce or a body")]
    RetractedBody,
}

/// Why a label cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// Its body has no bytes.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Its org has no share.
    #[error(transparent)]
    Place(#[from] ZeroPlace),
}

/// Why a label's body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenBodyError {
    /// There is none.
    #[error("the label is retracted and has no body")]
    Retracted,
    /// Sealed under another secret, by another org, for another label, or changed since.
    #[error("the body was not sealed for this label by this org")]
    Seal,
    /// What was sealed is no body.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl Label {
    /// Reads an item of a labels block of this purpose.
    ///
    /// # Errors
    /// [`LabelError`].
    pub fn parse(item: &[u8], purpose: Purpose) -> Result<Self, LabelError> {
        let cut_off = |_| LabelError::Length;
        let mut reader = Reader::new(item);
        let token = Token(reader.array().map_err(cut_off)?);
        let flags = reader.u8().map_err(cut_off)?;
        if flags & !RETRACTED != 0 {
            return Err(LabelError::Flags(flags));
        }
        let proof = reader.take(Proof::length(purpose)).map_err(cut_off)?;
        let proof = Proof::from_bytes(proof, purpose).ok_or(LabelError::Length)?;
        let nonce: [u8; NONCE_BYTES] = reader.array().map_err(cut_off)?;
        let length = usize::from(reader.u16().map_err(cut_off)?);
        let bytes = reader.take(length).map_err(cut_off)?;
        reader.finish().map_err(cut_off)?;
        let sealed = if flags & RETRACTED != 0 {
            if nonce != [0; NONCE_BYTES] || length != 0 {
                return Err(LabelError::RetractedBody);
            }
            None
        } else {
            if !BODY_BYTES.iter().any(|size| length == size + TAG_BYTES) {
                return Err(LabelError::SealedBody(length));
            }
            Some(Sealed { nonce, bytes: bytes.into() })
        };
        Ok(Self { token, proof, sealed })
    }

    /// The item's bytes: sealed once, written once, sent as they are.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut item = Vec::new();
        item.put(&self.token.0);
        item.put_u8(self.flags());
        item.put(self.proof.as_bytes());
        match &self.sealed {
            Some(sealed) => {
                item.put(&sealed.nonce);
                item.put_u16(u16::try_from(sealed.bytes.len()).expect("at most 528 bytes"));
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

    /// The claim of its signer to know the name.
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Whether it takes an earlier one back.
    #[must_use]
    pub fn is_retracted(&self) -> bool {
        self.sealed.is_none()
    }

    fn flags(&self) -> u8 {
        if self.is_retracted() { RETRACTED } else { 0 }
    }
}

impl Secret {
    /// A label under `token`, which must be this secret's.
    ///
    /// # Errors
    /// [`MakeError`]: the body has too much or wrong content.
    pub fn label(
        &self,
        token: &Token,
        org: &OrgId,
        share_group: &ShareGroup,
        body: &Body,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Label, MakeError> {
        let proof = self.prove(token, org, share_group)?;
        let sealed = Seal::body(self, token, org, 0).seal(&body.encode()?, rng);
        Ok(Label { token: *token, proof, sealed: Some(sealed) })
    }

    /// A label that takes the org's earlier one back.
    ///
    /// # Errors
    /// [`ZeroPlace`].
    pub fn retraction(
        &self,
        token: &Token,
        org: &OrgId,
        share_group: &ShareGroup,
    ) -> Result<Label, ZeroPlace> {
        Ok(Label { token: *token, proof: self.prove(token, org, share_group)?, sealed: None })
    }

    /// Reads the body of a label that `org` signed.
    ///
    /// # Errors
    /// [`OpenBodyError`].
    pub fn open_body(&self, label: &Label, org: &OrgId) -> Result<Body, OpenBodyError> {
        let sealed = label.sealed.as_ref().ok_or(OpenBodyError::Retracted)?;
        let seal = Seal::body(self, &label.token, org, label.flags());
        let bytes = seal.open(sealed).ok_or(OpenBodyError::Seal)?;
        Ok(Body::decode(&bytes)?)
    }
}

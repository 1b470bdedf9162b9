//! The name behind a token, once k independent groups published their shares, and whether it was
//! forged.
//!
//! k shares give `a_0` and with it the sealed name. They prove nothing about that name: k colluders
//! can make a record for any name under a polynomial of their own. So every evaluator evaluates the
//! recovered bytes, in the open, and publishes an [`Opening`]; t of these give `Y`, and only the
//! true `Y` gives the record again.

use std::collections::BTreeMap;

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::scalar::Scalar;
use flowlore_common::canon::{Malformed, Put as _, Reader};
use flowlore_common::ids::{ShareGroup, Token};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::keys::KeyShare;
use crate::oprf::{Answer, Element, Request, RequestError, Y};
use crate::proof::share_place;
use crate::public;
use crate::token::{Secret, TokenRecord};

/// Bytes of an encoded [`Opening`].
pub const OPENING_BYTES: usize = 32 + 4 + 4 + 2 + 32 + 64;

/// Why shares do not open a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// The purpose's names stay sealed for ever.
    #[error("names of this purpose never open")]
    NeverOpens,
    /// Fewer share groups than the purpose needs.
    #[error("{given} share groups; {needed} open the name")]
    TooFew {
        /// k.
        needed: usize,
        /// Distinct share groups given.
        given: usize,
    },
    /// A share that is no scalar, or whose group has no place.
    #[error("a share that is no valid scalar")]
    Share,
    /// The polynomial through the shares is not the record's: a share was not verified.
    #[error("the shares are not of this record")]
    OtherPolynomial,
    /// The shares are right, yet the record's sealed name does not open: whoever made it forged it.
    #[error("the record's name was not sealed under its polynomial")]
    SealedName,
}

/// What k shares opened: bytes that claim to be an input, until [`Recovered::judge`] says so.
pub struct Recovered(Zeroizing<Vec<u8>>);

/// What the evaluators' openings say of a recovered name.
pub enum Judgement {
    /// The record is that of the recovered bytes. The secret reads the bodies and notes under the
    /// token.
    Confirmed(Secret),
    /// The record belongs to no such name: evidence against all who published a share under it.
    Forged,
}

/// Opens the name of a record with verified shares, one a share group; which k of them does not
/// matter.
///
/// # Errors
/// [`RecoverError`].
pub fn recover(
    record: &TokenRecord,
    shares: &[(ShareGroup, [u8; 32])],
) -> Result<Recovered, RecoverError> {
    let needed = usize::from(record.purpose().threshold());
    if needed == 0 {
        return Err(RecoverError::NeverOpens);
    }
    let by_group: BTreeMap<_, _> = shares.iter().map(|(group, share)| (group, share)).collect();
    if by_group.len() < needed {
        return Err(RecoverError::TooFew { needed, given: by_group.len() });
    }
    let (mut places, mut values) = (Vec::with_capacity(needed), Vec::with_capacity(needed));
    for (group, share) in by_group.into_iter().take(needed) {
        places.push(share_place(record.key_epoch(), group).ok_or(RecoverError::Share)?);
        values.push(public::scalar(share).ok_or(RecoverError::Share)?);
    }
    let coefficients = public::lagrange_at_zero(&places).ok_or(RecoverError::Share)?;
    // From here on a_0 is known to everybody who holds the shares: variable time gives nothing
    // away.
    let a_0: Scalar = coefficients.iter().zip(&values).map(|(lambda, y)| lambda * y).sum();
    if public::sum([a_0], [&RISTRETTO_BASEPOINT_POINT]) != record.commitments[0] {
        return Err(RecoverError::OtherPolynomial);
    }
    record.open_name(&a_0).map(Recovered).ok_or(RecoverError::SealedName)
}

impl Recovered {
    /// The bytes as they were sealed. They are an input only if
    /// [`Input::parse`](flowlore_common::destination::Input::parse) takes them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The evaluation, in the open, by which everybody checks the name: verify t openings with it
    /// and finalize.
    ///
    /// # Errors
    /// [`RequestError::Input`], once in 2^252.
    pub fn request(&self) -> Result<Request, RequestError> {
        Request::in_the_open(&self.0)
    }

    /// Whether these bytes, evaluated to `y`, give the record.
    #[must_use]
    pub fn judge(&self, record: &TokenRecord, y: &Y) -> Judgement {
        let secret = Secret::derive(y, record.key_epoch(), record.purpose());
        if secret.record_of(&self.0).token() == record.token() {
            Judgement::Confirmed(secret)
        } else {
            Judgement::Forged
        }
    }
}

/// Prints the length only.
impl std::fmt::Debug for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recovered({} bytes)", self.0.len())
    }
}

/// Prints the outcome only.
impl std::fmt::Debug for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Confirmed(_) => "Confirmed",
            Self::Forged => "Forged",
        })
    }
}

/// An evaluator's word about a recovered name:
/// `T 32 || key_epoch u32 || generation u32 || evaluator u16 || Z 32 || proof 64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Whose name was recovered.
    pub token: Token,
    /// Key epoch of the token's record.
    pub key_epoch: u32,
    /// Which sharing of its key.
    pub generation: u32,
    /// Which evaluator.
    pub evaluator: u16,
    /// The recovered bytes, evaluated.
    pub element: Element,
    /// The proof of that.
    pub proof: [u8; 64],
}

impl Opening {
    /// Evaluates a recovered name with an evaluator's share.
    ///
    /// # Errors
    /// [`RequestError::Input`], once in 2^252.
    pub fn make(
        record: &TokenRecord,
        recovered: &Recovered,
        share: &KeyShare,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Self, RequestError> {
        let answer = share.evaluate(recovered.request()?.blinded(), rng)?;
        Ok(Self {
            token: record.token(),
            key_epoch: record.key_epoch(),
            generation: answer.generation,
            evaluator: share.number(),
            element: answer.evaluated[0],
            proof: answer.proof,
        })
    }

    /// In the form that [`Request::verify`] checks.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let (generation, proof) = (self.generation, self.proof);
        Answer { generation, evaluated: vec![self.element], proof }
    }

    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut item = Vec::with_capacity(OPENING_BYTES);
        item.put(&self.token.0);
        item.put_u32(self.key_epoch);
        item.put_u32(self.generation);
        item.put_u16(self.evaluator);
        item.put(&self.element);
        item.put(&self.proof);
        item
    }

    /// Reads an item of an openings block.
    ///
    /// # Errors
    /// [`Malformed`]: not of its one length.
    pub fn parse(item: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(item);
        let opening = Self {
            token: Token(reader.array()?),
            key_epoch: reader.u32()?,
            generation: reader.u32()?,
            evaluator: reader.u16()?,
            element: reader.array()?,
            proof: reader.array()?,
        };
        reader.finish()?;
        Ok(opening)
    }
}

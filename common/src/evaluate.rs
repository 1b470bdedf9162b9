//! A request to an evaluator and its answer, both signed (FLP1, "Evaluation"). The points are
//! opaque here; the veil checks them.

use crate::canon::{Malformed, Put as _, Reader};
use crate::ids::{BatchId, FederationId, OrgId};
use crate::limits::EVALUATION_BATCH_MAX;
use crate::sign::{BadSignature, PublicKey, SIGNATURE_BYTES, SecretKey, tags};
use crate::time::Day;

/// A blinded or evaluated element: a compressed ristretto point.
pub type Element = [u8; 32];

/// Why a request or an answer is refused. The sender is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// Cut off, another tag, no element or more than 4,096, or bytes left over.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Its signature does not hold under the sender's key.
    #[error("the signature of the evaluation message does not hold")]
    Signature,
}

impl From<BadSignature> for EvaluateError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

/// Which key, share and day a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The federation.
    pub federation: FederationId,
    /// The OPRF key.
    pub key_epoch: u32,
    /// Which shares of it: mixed generations give a wrong result although every proof holds.
    pub generation: u32,
    /// The evaluator asked, from 1.
    pub evaluator: u16,
}

impl Scope {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put(&self.federation.0);
        bytes.put_u32(self.key_epoch);
        bytes.put_u32(self.generation);
        bytes.put_u16(self.evaluator);
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            federation: FederationId(reader.array()?),
            key_epoch: reader.u32()?,
            generation: reader.u32()?,
            evaluator: reader.u16()?,
        })
    }
}

/// "Evaluate these": signed by the asking org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateRequest {
    /// For which key and evaluator.
    pub scope: Scope,
    /// Who asks.
    pub org: OrgId,
    /// The UTC day whose quota it counts against.
    pub day: Day,
    /// The blinded elements, dummies included.
    pub blinded: Vec<Element>,
}

impl EvaluateRequest {
    /// The bytes that travel: the request, then the signature.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> Vec<u8> {
        let mut bytes = tags::EVALUATE_REQUEST.to_vec();
        self.scope.encode(&mut bytes);
        bytes.put(&self.org.0);
        bytes.put_u16(self.day.0);
        put_elements(&self.blinded, &mut bytes);
        append_signature(bytes, key)
    }

    /// Reads a request whose signature is still to be checked, for finding the org's key.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Unverified<'_, Self>, EvaluateError> {
        let (signed, mut reader) = split_signature(bytes)?;
        reader.tag(&tags::EVALUATE_REQUEST)?;
        let message = Self {
            scope: Scope::parse(&mut reader)?,
            org: OrgId(reader.array()?),
            day: Day(reader.u16()?),
            blinded: parse_elements(&mut reader)?,
        };
        reader.finish()?;
        Ok(Unverified { message, signed, signature: bytes })
    }
}

/// An evaluator's answer: signed by the evaluator's org, so that a bad proof is evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateAnswer {
    /// With which key and share.
    pub scope: Scope,
    /// To which request: computed by the evaluator over what it received.
    pub batch: BatchId,
    /// The evaluated elements, in the order of the request.
    pub evaluated: Vec<Element>,
    /// One proof for the whole batch (RFC 9497, 2.2.1).
    pub proof: [u8; 64],
}

impl EvaluateAnswer {
    /// The bytes that travel: the answer, then the signature.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> Vec<u8> {
        let mut bytes = tags::EVALUATE_ANSWER.to_vec();
        self.scope.encode(&mut bytes);
        bytes.put(&self.batch.0);
        put_elements(&self.evaluated, &mut bytes);
        bytes.put(&self.proof);
        append_signature(bytes, key)
    }

    /// Reads an answer whose signature is still to be checked.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Unverified<'_, Self>, EvaluateError> {
        let (signed, mut reader) = split_signature(bytes)?;
        reader.tag(&tags::EVALUATE_ANSWER)?;
        let message = Self {
            scope: Scope::parse(&mut reader)?,
            batch: BatchId(reader.array()?),
            evaluated: parse_elements(&mut reader)?,
            proof: reader.array()?,
        };
        reader.finish()?;
        Ok(Unverified { message, signed, signature: bytes })
    }
}

/// A message of the right shape whose signature nobody has checked yet.
#[derive(Clone, Debug)]
pub struct Unverified<'a, T> {
    message: T,
    signed: usize,
    signature: &'a [u8],
}

impl<T> Unverified<'_, T> {
    /// What it claims, for finding the key; nothing may be done on its word.
    #[must_use]
    pub const fn claimed(&self) -> &T {
        &self.message
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// It does not hold under `key`.
    pub fn verify(self, key: &PublicKey) -> Result<T, EvaluateError> {
        let (message, signature) = self.signature.split_at(self.signed);
        let mut fixed = [0; SIGNATURE_BYTES];
        fixed.copy_from_slice(signature);
        key.verify(message, &fixed)?;
        Ok(self.message)
    }
}

fn put_elements(elements: &[Element], bytes: &mut Vec<u8>) {
    bytes.put_u16(u16::try_from(elements.len()).unwrap_or(u16::MAX));
    for element in elements {
        bytes.put(element);
    }
}

fn parse_elements(reader: &mut Reader<'_>) -> Result<Vec<Element>, Malformed> {
    let count = usize::from(reader.u16()?);
    if count == 0 || count > EVALUATION_BATCH_MAX {
        return Err(reader.error("no element, or more than a batch holds"));
    }
    (0..count).map(|_| reader.array()).collect()
}

fn append_signature(mut bytes: Vec<u8>, key: &SecretKey) -> Vec<u8> {
    let signature = key.sign(&bytes);
    bytes.put(&signature);
    bytes
}

fn split_signature(bytes: &[u8]) -> Result<(usize, Reader<'_>), Malformed> {
    let signed = bytes
        .len()
        .checked_sub(SIGNATURE_BYTES)
        .ok_or(Malformed { what: "cut off", at: bytes.len() })?;
    Ok((signed, Reader::new(&bytes[..signed])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope { federation: FederationId([5; 32]), key_epoch: 7, generation: 1, evaluator: 2 }
    }

    fn request() -> EvaluateRequest {
        let (org, day) = (OrgId([1; 32]), Day(20_781));
        EvaluateRequest { scope: scope(), org, day, blinded: vec![[2; 32], [3; 32]] }
    }

    fn answer() -> EvaluateAnswer {
        let (batch, proof) = (BatchId([9; 32]), [8; 64]);
        EvaluateAnswer { scope: scope(), batch, evaluated: vec![[4; 32]], proof }
    }

    #[test]
    fn both_go_there_and_back_and_no_bit_may_change() {
        let key = SecretKey::from_seed(&[7; 32]);
        let sent = request().sign(&key);
        let read = EvaluateRequest::parse(&sent).unwrap();
        assert_eq!(read.claimed(), &request());
        assert_eq!(read.verify(&key.public()).unwrap(), request());
        let sent_back = answer().sign(&key);
        let read = EvaluateAnswer::parse(&sent_back).unwrap().verify(&key.public());
        assert_eq!(read.unwrap(), answer());
        for (bytes, is_request) in [(sent, true), (sent_back, false)] {
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let fails = if is_request {
                    EvaluateRequest::parse(&bytes).and_then(|m| m.verify(&key.public())).is_err()
                } else {
                    EvaluateAnswer::parse(&bytes).and_then(|m| m.verify(&key.public())).is_err()
                };
                assert!(fails, "bit {bit}");
            }
        }
    }

    #[test]
    fn one_is_not_taken_for_the_other() {
        let key = SecretKey::from_seed(&[7; 32]);
        assert!(EvaluateAnswer::parse(&request().sign(&key)).is_err());
        assert!(EvaluateRequest::parse(&answer().sign(&key)).is_err());
    }

    #[test]
    fn sizes_are_bounded() {
        let key = SecretKey::from_seed(&[7; 32]);
        let with = |count: usize| {
            let bytes = EvaluateRequest { blinded: vec![[2; 32]; count], ..request() }.sign(&key);
            EvaluateRequest::parse(&bytes).is_ok()
        };
        assert!(!with(0));
        assert!(with(EVALUATION_BATCH_MAX));
        assert!(!with(EVALUATION_BATCH_MAX + 1));
        assert!(EvaluateRequest::parse(&[]).is_err());
    }
}

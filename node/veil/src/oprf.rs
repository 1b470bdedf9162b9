//! The evaluation: a client learns `Y` of its inputs, an evaluator learns nothing of them.
//!
//! RFC 9497, mode 0x01 (VOPRF), ristretto255-SHA512, with the evaluator's share as key. The steps
//! are types, so that none can be left out:
//!
//! ```text
//! Request::new -> blinded bytes -> KeyShare::evaluate -> Answer
//!   -> Request::verify -> Share (t of them) -> Request::finalize -> Y
//! ```

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity};
use flowlore_common::canon::b3kdf_parts;
use flowlore_common::destination::Input;
use flowlore_common::ids::{BatchId, FederationId, OrgId};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::dleq::{self, Batch};
use crate::double::{self, HALF};
use crate::hash::{self, DST_GROUP};
use crate::keys::{KeyShare, PublicKeyPackage, QuorumError, random_scalar};
use crate::limits::{BATCH_ELEMENTS_MAX, BATCH_SIZES};
use crate::public;

/// A compressed ristretto point on the wire.
pub type Element = [u8; 32];

/// The OPRF's output for one input: whoever has it knows the name's secrets of every purpose in its
/// key epoch. Zeroized when dropped; never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Y([u8; 64]);

impl Y {
    /// Its bytes, for a cache that is encrypted at rest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Takes it out of such a cache.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

/// Why a request cannot be made, or is refused by the evaluator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No element, or more than a batch holds.
    #[error("{0} elements: a request holds 1 to 4096")]
    Count(usize),
    /// An element that is the identity, or no canonical point. The whole batch is refused.
    #[error("element {0} of the batch is no valid point")]
    Element(usize),
    /// The input hashes to the identity: happens once in 2^252.
    #[error("input {0} cannot be evaluated")]
    Input(usize),
}

/// What is wrong with an evaluator's answer. It is evidence: the answer was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The package has no such evaluator.
    #[error("evaluator {0} is not in the public key package")]
    Unknown(u16),
    /// Answered with a share of another generation than the package's.
    #[error("evaluator {evaluator} answered with generation {given}, not {expected}")]
    Generation {
        /// Who answered.
        evaluator: u16,
        /// The package's generation.
        expected: u32,
        /// The answer's.
        given: u32,
    },
    /// Not one element for each one sent.
    #[error("evaluator {evaluator} answered {given} elements for {expected}")]
    Count {
        /// Who answered.
        evaluator: u16,
        /// Elements sent.
        expected: usize,
        /// Elements answered.
        given: usize,
    },
    /// An element that is no point, or the identity.
    #[error("evaluator {evaluator}: element {index} is no valid point")]
    Element {
        /// Who answered.
        evaluator: u16,
        /// Which element.
        index: usize,
    },
    /// The proof does not hold: not evaluated with the share that the roster names.
    #[error("evaluator {0}: the proof does not hold")]
    Proof(u16),
}

/// Why shares do not combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// These evaluators are no quorum.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// The share was verified for another request.
    #[error("the share of evaluator {0} belongs to another request")]
    OtherRequest(u16),
    /// The share was verified under another package: shares of two generations never mix.
    #[error("the share of evaluator {0} was verified under another public key package")]
    OtherPackage(u16),
    /// The shares add up to the identity for this input: happens once in 2^252.
    #[error("input {0} has no result")]
    Identity(usize),
}

/// What an evaluator sends back, without the signature around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of the share that it evaluated with.
    pub generation: u32,
    /// `Z_i = s_j * B_i`, in the order of the request.
    pub evaluated: Vec<Element>,
    /// One proof for the whole batch: `c || s`.
    pub proof: [u8; 64],
}

/// An evaluator's answer after its proof held. Only [`Request::verify`] makes one.
#[derive(Clone, Debug)]
pub struct Share {
    evaluator: u16,
    /// The verifying share it was checked with: fixes evaluator, key and generation.
    public: [u8; 32],
    request: [u8; 32],
    points: Vec<RistrettoPoint>,
}

/// A client's side of one evaluation: keeps the blinds until the answers are in. Zeroizes them.
pub struct Request {
    inputs: Vec<Box<[u8]>>,
    /// `r^-1` of each input, in the same order.
    unblinds: Zeroizing<Vec<Scalar>>,
    /// Blinded inputs, then dummies.
    points: Vec<RistrettoPoint>,
    blinded: Vec<Element>,
    id: [u8; 32],
}

impl Request {
    /// Blinds the inputs and fills up with dummies to the next batch size, at least `least`
    /// elements: 1 for a look-up,
    /// [`PUBLICATION_ELEMENTS_MIN`](crate::limits::PUBLICATION_ELEMENTS_MIN) for publication.
    /// Dummies are uniform points, as blinded inputs are.
    ///
    /// # Errors
    /// [`RequestError::Count`] for no input, or more than the largest batch.
    pub fn new(
        inputs: &[Input],
        least: usize,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Self, RequestError> {
        let wanted = inputs.len().max(least);
        let size = BATCH_SIZES.into_iter().find(|size| *size >= wanted);
        let size = size.filter(|_| !inputs.is_empty()).ok_or(RequestError::Count(wanted))?;
        Self::blind(inputs.iter().map(|input| input.bytes().into()).collect(), size, rng)
    }

    fn blind(
        inputs: Vec<Box<[u8]>>,
        size: usize,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Self, RequestError> {
        let mut blinds: Zeroizing<Vec<Scalar>> =
            Zeroizing::new(inputs.iter().map(|_| random_scalar(rng)).collect());
        let mut halves = hash_inputs(&inputs)?;
        for (point, blind) in halves.iter_mut().zip(blinds.iter()) {
            *point *= blind * *HALF;
        }
        while halves.len() < size {
            halves.push(RistrettoPoint::random(rng));
        }
        Scalar::batch_invert(&mut blinds);
        let points = halves.iter().map(|half| half + half).collect();
        Ok(Self::with(inputs, blinds, points, double::encode(&halves)))
    }

    /// A request that hides nothing, for bytes that are open already: what evaluators do with a
    /// recovered name, as it is, so that everybody can check it. The bytes come out of a record, so
    /// are at most 318.
    pub(crate) fn in_the_open(recovered: &[u8]) -> Result<Self, RequestError> {
        let inputs = vec![recovered.into()];
        let points = hash_inputs(&inputs)?;
        let blinded = points.iter().map(|point| point.compress().to_bytes()).collect();
        Ok(Self::with(inputs, Zeroizing::new(vec![Scalar::ONE]), points, blinded))
    }

    fn with(
        inputs: Vec<Box<[u8]>>,
        unblinds: Zeroizing<Vec<Scalar>>,
        points: Vec<RistrettoPoint>,
        blinded: Vec<Element>,
    ) -> Self {
        let id = *blake3::hash(blinded.as_flattened()).as_bytes();
        Self { inputs, unblinds, points, blinded, id }
    }

    /// What is sent to every evaluator asked: the same elements, also after a bad answer.
    #[must_use]
    pub fn blinded(&self) -> &[Element] {
        &self.blinded
    }

    /// Checks the answer of evaluator number `evaluator` under the package that the roster holds.
    ///
    /// # Errors
    /// [`AnswerError`], each naming the evaluator.
    pub fn verify(
        &self,
        evaluator: u16,
        package: &PublicKeyPackage,
        answer: &Answer,
    ) -> Result<Share, AnswerError> {
        let key = package.verifying(evaluator).ok_or(AnswerError::Unknown(evaluator))?;
        let (expected, given) = (package.generation(), answer.generation);
        if expected != given {
            return Err(AnswerError::Generation { evaluator, expected, given });
        }
        let (expected, given) = (self.blinded.len(), answer.evaluated.len());
        if expected != given {
            return Err(AnswerError::Count { evaluator, expected, given });
        }
        let points =
            decode(&answer.evaluated).map_err(|index| AnswerError::Element { evaluator, index })?;
        let blinded = Batch { points: &self.points, bytes: &self.blinded };
        let evaluated = Batch { points: &points, bytes: &answer.evaluated };
        if !dleq::verify(key, &blinded, &evaluated, &answer.proof) {
            return Err(AnswerError::Proof(evaluator));
        }
        Ok(Share { evaluator, public: *key.1, request: self.id, points })
    }

    /// `Y` of each input, in order, from exactly t shares. Bit-identical to the whole key's result,
    /// whichever evaluators answered.
    ///
    /// # Errors
    /// [`CombineError`]: no quorum, or a share of another request or package.
    pub fn finalize(
        &self,
        package: &PublicKeyPackage,
        shares: &[Share],
    ) -> Result<Vec<Y>, CombineError> {
        for share in shares {
            if share.request != self.id {
                return Err(CombineError::OtherRequest(share.evaluator));
            }
            if package.verifying(share.evaluator).is_none_or(|(_, key)| *key != share.public) {
                return Err(CombineError::OtherPackage(share.evaluator));
            }
        }
        let evaluators: Vec<u16> = shares.iter().map(|share| share.evaluator).collect();
        let coefficients = package.quorum(&evaluators)?;
        let mut halves = Zeroizing::new(Vec::with_capacity(self.inputs.len()));
        for (index, unblind) in self.unblinds.iter().enumerate() {
            let points = shares.iter().map(|share| &share.points[index]);
            let combined = public::sum(coefficients.iter().copied(), points);
            if combined.is_identity() {
                return Err(CombineError::Identity(index));
            }
            halves.push(combined * (unblind * *HALF));
        }
        let unblinded = Zeroizing::new(double::encode(halves.iter()));
        Ok(self.inputs.iter().zip(unblinded.iter()).map(|(input, at)| output(input, at)).collect())
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} inputs of {} elements)", self.inputs.len(), self.blinded.len())
    }
}

impl KeyShare {
    /// Evaluates a batch and proves it. Constant time in the share.
    ///
    /// # Errors
    /// [`RequestError`]: the whole batch is refused for one bad element.
    pub fn evaluate(
        &self,
        blinded: &[Element],
        rng: &mut impl CryptoRngCore,
    ) -> Result<Answer, RequestError> {
        if blinded.is_empty() || blinded.len() > BATCH_ELEMENTS_MAX {
            return Err(RequestError::Count(blinded.len()));
        }
        let points = decode(blinded).map_err(RequestError::Element)?;
        let secret: &Scalar = &self.secret;
        let half = Zeroizing::new(secret * *HALF);
        let halves: Vec<RistrettoPoint> = points.iter().map(|point| point * *half).collect();
        let evaluated = double::encode(&halves);
        let batch = Batch { points: &points, bytes: blinded };
        let proof = dleq::prove(secret, &self.public, &batch, &evaluated, rng);
        Ok(Answer { generation: self.generation(), evaluated, proof })
    }
}

/// The batch id: `b3kdf("FLP1 2026-11 batch v1", federation || key_epoch || org_id || u16 count ||
/// B_1..B_m)`. The evaluator computes it from what it received, so a batch sent again counts once.
///
/// # Errors
/// [`RequestError::Count`] for no element or more than a batch holds.
pub fn batch_id(
    federation: &FederationId,
    key_epoch: u32,
    org: &OrgId,
    blinded: &[Element],
) -> Result<BatchId, RequestError> {
    let count = u16::try_from(blinded.len()).ok();
    let count = count.filter(|count| (1..=BATCH_ELEMENTS_MAX).contains(&usize::from(*count)));
    let count = count.ok_or(RequestError::Count(blinded.len()))?;
    Ok(BatchId(b3kdf_parts(
        "FLP1 2026-11 batch v1",
        &[
            &federation.0,
            &key_epoch.to_be_bytes(),
            &org.0,
            &count.to_be_bytes(),
            blinded.as_flattened(),
        ],
    )))
}

fn hash_inputs(inputs: &[Box<[u8]>]) -> Result<Vec<RistrettoPoint>, RequestError> {
    let points = inputs.iter().enumerate().map(|(index, input)| {
        let point = hash::to_group(input, DST_GROUP);
        if point == RistrettoPoint::identity() {
            return Err(RequestError::Input(index));
        }
        Ok(point)
    });
    points.collect()
}

/// The points, or the place of the first that is none.
fn decode(elements: &[Element]) -> Result<Vec<RistrettoPoint>, usize> {
    let points = elements.iter().enumerate();
    points.map(|(index, bytes)| public::element(bytes).ok_or(index)).collect()
}

/// `Finalize` after unblinding (RFC 9497, 3.3.2).
fn output(input: &[u8], unblinded: &Element) -> Y {
    let length = u16::try_from(input.len()).expect("inputs have at most 320 bytes");
    let hash = Sha512::new()
        .chain_update(length.to_be_bytes())
        .chain_update(input)
        .chain_update(32_u16.to_be_bytes())
        .chain_update(unblinded)
        .chain_update(b"Finalize")
        .finalize();
    Y(hash.into())
}

#[cfg(test)]
mod tests;

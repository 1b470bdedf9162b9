//! A key of the OPRF, shared t of n among evaluators.
//!
//! Evaluator j, numbered from 1, holds `s_j = f(j)` of a polynomial f of degree t - 1 with `f(0)`
//! the key. The dealer shares it by RFC 9591, appendix C, where the identifier of j is the scalar j.
//! A key of one evaluator (t = n = 1) is a plain scalar: its
//! holder can read its key epoch.

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use flowlore_common::canon::Reader;
use rand_core::CryptoRngCore;
use zeroize::{Zeroize as _, Zeroizing};

use crate::limits::EVALUATORS_MAX;
use crate::public;

/// Bytes of an encoded [`KeyShare`].
pub const KEY_SHARE_BYTES: usize = 2 + 4 + 32;

/// Why a key, a share or a package is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `1 <= t <= n`, `t > n / 2`, `n` at most [`EVALUATORS_MAX`], `t = 1` for a single
    /// evaluator only.
    #[error(
        "{t} of {n} is no way to share a key: t must be more than half of n, at least 2 when n is"
    )]
    Sizes {
        /// Shares that evaluate.
        t: u16,
        /// Shares in all.
        n: u16,
    },
    /// Not the length that its content says.
    #[error("key bytes of a wrong length")]
    Length,
    /// A scalar that is zero or not canonical.
    #[error("not a key: zero or not canonical")]
    Scalar,
    /// A point that is the identity or not canonical.
    #[error("not a public key: the identity or not canonical")]
    Point,
    /// Evaluator numbers are not ascending from 1.
    #[error("evaluator numbers must ascend and be above 0")]
    Numbers,
}

/// Why these evaluators cannot answer together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// Not exactly t evaluators.
    #[error("{given} evaluators answered; exactly {needed} are combined")]
    Count {
        /// t of the package.
        needed: u16,
        /// How many were given.
        given: usize,
    },
    /// The package has no such evaluator.
    #[error("evaluator {0} is not in the public key package")]
    Unknown(u16),
    /// An evaluator stands twice: its coefficient would be 0 in silence.
    #[error("evaluator {0} is named twice")]
    Repeated(u16),
    /// `sum lambda_j PK_j` is not the group key: shares of different generations, or a wrong
    /// package.
    #[error("the evaluators' public shares do not add up to the group key")]
    NotTheGroupKey,
}

/// What everybody knows of a shared key. Stands in the roster; nobody takes it from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyPackage {
    generation: u32,
    threshold: u16,
    group_key: [u8; 32],
    /// By evaluator number, ascending.
    shares: Vec<VerifyingShare>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct VerifyingShare {
    number: u16,
    bytes: [u8; 32],
    point: RistrettoPoint,
}

/// A secret scalar at one place of the heap: moving its owner leaves no copy behind, and it is zeroized where it is.
type SecretScalar = Box<Zeroizing<Scalar>>;

/// An evaluator's share of the key. Zeroized when dropped; never shown.
pub struct KeyShare {
    number: u16,
    generation: u32,
    pub(crate) secret: SecretScalar,
    pub(crate) public: [u8; 32],
}

/// A whole key, in the hands of a dealer: for tests, for a federation of one, and until evaluators
/// make their key together.
pub struct WholeKey(SecretScalar);

impl WholeKey {
    /// A new key.
    #[must_use]
    pub fn random(rng: &mut impl CryptoRngCore) -> Self {
        Self(Box::new(Zeroizing::new(random_scalar(rng))))
    }

    /// The key with these bytes, a canonical scalar other than 0.
    ///
    /// # Errors
    /// [`KeyError::Scalar`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        secret_scalar(bytes).map(Self)
    }

    /// Shares the key out to evaluators 1 to `n` and forgets it. `generation` numbers sharings of
    /// one key.
    ///
    /// # Errors
    /// [`KeyError::Sizes`].
    pub fn deal(
        self,
        t: u16,
        n: u16,
        generation: u32,
        rng: &mut impl CryptoRngCore,
    ) -> Result<(PublicKeyPackage, Vec<KeyShare>), KeyError> {
        check_sizes(t, n)?;
        let group_key = public_bytes(&self.0);
        let shares = if n == 1 {
            vec![KeyShare::new(1, generation, self.0)]
        } else {
            split(self.0, t, n, generation, rng)
        };
        let verifying = shares.iter().map(KeyShare::verifying).collect();
        Ok((PublicKeyPackage { generation, threshold: t, group_key, shares: verifying }, shares))
    }
}

/// Shamir's sharing (RFC 9591, appendix C.1): of a random polynomial of degree t - 1 with the key at 0, its value at each
/// evaluator's number. Each secret stands at one place, where it is zeroized; the stack it passes over is the caller's.
fn split(
    key: SecretScalar,
    t: u16,
    n: u16,
    generation: u32,
    rng: &mut impl CryptoRngCore,
) -> Vec<KeyShare> {
    let mut coefficients = vec![key];
    coefficients.extend((1..t).map(|_| Box::new(Zeroizing::new(random_scalar(rng)))));
    let share = |number: u16| {
        let place = Scalar::from(number);
        let mut value = Box::new(Zeroizing::new(Scalar::ZERO));
        for coefficient in coefficients.iter().rev() {
            **value = **value * place + ***coefficient;
        }
        KeyShare::new(number, generation, value)
    };
    (1..=n).map(share).collect()
}

impl KeyShare {
    fn new(number: u16, generation: u32, secret: SecretScalar) -> Self {
        let public = public_bytes(&secret);
        Self { number, generation, secret, public }
    }

    fn verifying(&self) -> VerifyingShare {
        let point = RISTRETTO_BASEPOINT_TABLE * &**self.secret;
        VerifyingShare { number: self.number, bytes: self.public, point }
    }

    /// The evaluator's number, from 1.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Which sharing of the key it belongs to.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// `number u16 || generation u32 || scalar 32`: a secret; its file has mode 0600.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; KEY_SHARE_BYTES]> {
        let mut bytes = Zeroizing::new([0; KEY_SHARE_BYTES]);
        bytes[..2].copy_from_slice(&self.number.to_be_bytes());
        bytes[2..6].copy_from_slice(&self.generation.to_be_bytes());
        bytes[6..].copy_from_slice(self.secret.as_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`KeyError`] for another length, number 0, or a scalar that is 0 or not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(bytes);
        let number = reader.u16().map_err(|_| KeyError::Length)?;
        let generation = reader.u32().map_err(|_| KeyError::Length)?;
        let secret = Zeroizing::new(reader.array().map_err(|_| KeyError::Length)?);
        reader.finish().map_err(|_| KeyError::Length)?;
        if number == 0 {
            return Err(KeyError::Numbers);
        }
        Ok(Self::new(number, generation, secret_scalar(&secret)?))
    }
}

/// Prints what is public.
impl std::fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyShare(evaluator {}, generation {})", self.number, self.generation)
    }
}

impl PublicKeyPackage {
    /// Which sharing of the key it describes.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// t: how many evaluators answer together.
    #[must_use]
    pub fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The numbers of the evaluators, ascending; there are n.
    pub fn evaluators(&self) -> impl ExactSizeIterator<Item = u16> + '_ {
        self.shares.iter().map(|share| share.number)
    }

    /// The public key that all evaluations of this key epoch stand under.
    #[must_use]
    pub fn group_key(&self) -> &[u8; 32] {
        &self.group_key
    }

    /// Whether the share is the one that this package announces for its evaluator.
    #[must_use]
    pub fn holds(&self, share: &KeyShare) -> bool {
        share.generation == self.generation
            && self.verifying(share.number).is_some_and(|(_, bytes)| *bytes == share.public)
    }

    pub(crate) fn verifying(&self, number: u16) -> Option<(&RistrettoPoint, &[u8; 32])> {
        let at = self.shares.binary_search_by_key(&number, |share| share.number).ok()?;
        Some((&self.shares[at].point, &self.shares[at].bytes))
    }

    /// The coefficients with which these evaluators' answers add up to that of the whole key.
    pub(crate) fn quorum(&self, evaluators: &[u16]) -> Result<Vec<Scalar>, QuorumError> {
        if evaluators.len() != usize::from(self.threshold) {
            let (needed, given) = (self.threshold, evaluators.len());
            return Err(QuorumError::Count { needed, given });
        }
        let mut points = Vec::with_capacity(evaluators.len());
        for (at, number) in evaluators.iter().enumerate() {
            if evaluators[..at].contains(number) {
                return Err(QuorumError::Repeated(*number));
            }
            let (point, _) = self.verifying(*number).ok_or(QuorumError::Unknown(*number))?;
            points.push(*point);
        }
        let places: Vec<_> = evaluators.iter().map(|number| Scalar::from(*number)).collect();
        let coefficients =
            public::lagrange_at_zero(&places).expect("numbers are distinct and not 0");
        let sum = public::sum(coefficients.iter().copied(), &points);
        if sum.compress().to_bytes() != self.group_key {
            return Err(QuorumError::NotTheGroupKey);
        }
        Ok(coefficients)
    }

    /// `generation u32 || t u16 || n u16 || group key 32 || n times (number u16 || verifying share
    /// 32)`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let n = u16::try_from(self.shares.len()).expect("n is bounded");
        let mut bytes = Vec::with_capacity(40 + 34 * self.shares.len());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.threshold.to_be_bytes());
        bytes.extend_from_slice(&n.to_be_bytes());
        bytes.extend_from_slice(&self.group_key);
        for share in &self.shares {
            bytes.extend_from_slice(&share.number.to_be_bytes());
            bytes.extend_from_slice(&share.bytes);
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`KeyError`]: sizes, length, numbers that do not ascend from 1, a point that is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(bytes);
        let generation = reader.u32().map_err(|_| KeyError::Length)?;
        let threshold = reader.u16().map_err(|_| KeyError::Length)?;
        let n = reader.u16().map_err(|_| KeyError::Length)?;
        check_sizes(threshold, n)?;
        let group_key = reader.array().map_err(|_| KeyError::Length)?;
        public::element(&group_key).ok_or(KeyError::Point)?;
        let mut shares: Vec<VerifyingShare> = Vec::with_capacity(usize::from(n));
        for _ in 0..n {
            let number = reader.u16().map_err(|_| KeyError::Length)?;
            let bytes = reader.array().map_err(|_| KeyError::Length)?;
            if number <= shares.last().map_or(0, |before| before.number) {
                return Err(KeyError::Numbers);
            }
            let point = public::element(&bytes).ok_or(KeyError::Point)?;
            shares.push(VerifyingShare { number, bytes, point });
        }
        reader.finish().map_err(|_| KeyError::Length)?;
        Ok(Self { generation, threshold, group_key, shares })
    }
}

fn check_sizes(t: u16, n: u16) -> Result<(), KeyError> {
    let shared = t >= 2 && t <= n && usize::from(n) <= EVALUATORS_MAX && 2 * t > n;
    if shared || (t, n) == (1, 1) { Ok(()) } else { Err(KeyError::Sizes { t, n }) }
}

fn secret_scalar(bytes: &[u8; 32]) -> Result<SecretScalar, KeyError> {
    let mut secret = Box::new(Zeroizing::new(Scalar::ZERO));
    let scalar: Option<Scalar> = Scalar::from_canonical_bytes(*bytes).into();
    let mut scalar = scalar.filter(|scalar| *scalar != Scalar::ZERO).ok_or(KeyError::Scalar)?;
    **secret = scalar;
    scalar.zeroize();
    Ok(secret)
}

fn public_bytes(secret: &Scalar) -> [u8; 32] {
    (RISTRETTO_BASEPOINT_TABLE * secret).compress().to_bytes()
}

/// A uniform scalar other than 0 (RFC 9497, 2.1: `RandomScalar`).
pub(crate) fn random_scalar(rng: &mut impl CryptoRngCore) -> Scalar {
    loop {
        let scalar = Scalar::random(rng);
        if scalar != Scalar::ZERO {
            return scalar;
        }
    }
}

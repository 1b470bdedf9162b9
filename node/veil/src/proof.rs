//! That a label's signer knows the secret of its token: without it, no label.
//!
//! Purposes that open (k > 0): the org's share of the polynomial, `y = f(x)` at a place x that
//! belongs to its share group, checked as Feldman does: `y * G == sum x^i * A_i`. Siblings have one
//! x, so one owner is one share. Purposes that never open: a Schnorr proof of knowledge of `a_0`,
//! bound to the org.

use curve25519_dalek::constants::{RISTRETTO_BASEPOINT_POINT, RISTRETTO_BASEPOINT_TABLE};
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use flowlore_common::ids::{OrgId, ShareGroup, Token};
use flowlore_common::label::Purpose;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::hash;
use crate::limits::PROOFS_BATCH_MAX;
use crate::public;
use crate::token::{Secret, TokenRecord};

const DST_X: &[u8] = b"FLP1-share-x-ristretto255-SHA512";
const DST_KNOW_R: &[u8] = b"FLP1-know-r-ristretto255-SHA512";
const DST_KNOW_C: &[u8] = b"FLP1-know-c-ristretto255-SHA512";

/// What stands in a label after its flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The share y; purposes that open.
    Share([u8; 32]),
    /// `R || s`; purposes that never open.
    Knowledge([u8; 64]),
}

/// A share group whose place on the polynomial is 0, where the secret itself stands: happens once
/// in 2^252.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this share group has no share in this key epoch")]
pub struct ZeroPlace;

/// A label's claim to know its token's secret.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The record of the label's token.
    pub record: &'a TokenRecord,
    /// The label's proof.
    pub proof: &'a Proof,
    /// Who signed the block that the label stands in.
    pub org: OrgId,
    /// That org's share group.
    pub share_group: ShareGroup,
}

impl Proof {
    /// Bytes of a proof for this purpose.
    #[must_use]
    pub fn length(purpose: Purpose) -> usize {
        if purpose.threshold() > 0 { 32 } else { 64 }
    }

    /// Reads the bytes of a proof for this purpose; whether it holds, [`verify_proofs`] says.
    /// `None` for another length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], purpose: Purpose) -> Option<Self> {
        if purpose.threshold() > 0 {
            bytes.try_into().ok().map(Self::Share)
        } else {
            bytes.try_into().ok().map(Self::Knowledge)
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Share(bytes) => bytes,
            Self::Knowledge(bytes) => bytes,
        }
    }
}

impl Secret {
    /// The proof of a label under `token` by `org`. The same on every day: it gives away nothing
    /// more when it is published again. Constant time in the secret.
    ///
    /// # Errors
    /// [`ZeroPlace`].
    pub fn prove(
        &self,
        token: &Token,
        org: &OrgId,
        share_group: &ShareGroup,
    ) -> Result<Proof, ZeroPlace> {
        if self.purpose().threshold() == 0 {
            return Ok(Proof::Knowledge(self.know(token, org)));
        }
        let x = share_place(self.key_epoch(), share_group).ok_or(ZeroPlace)?;
        let coefficients = self.polynomial.iter().rev();
        let y = coefficients.fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient);
        Ok(Proof::Share(y.to_bytes()))
    }

    /// `R || s` with `R = r * G`, `c = HashToScalar(T || org_id || R)`, `s = r + c * a_0`. r
    /// follows from the secret, so a bad generator cannot give a_0 away.
    fn know(&self, token: &Token, org: &OrgId) -> [u8; 64] {
        let a_0 = &self.polynomial[0];
        let secret: [&[u8]; 3] = [a_0.as_bytes(), &token.0, &org.0];
        let r = Zeroizing::new(hash::to_scalar(&secret, DST_KNOW_R));
        let commitment = (RISTRETTO_BASEPOINT_TABLE * &*r).compress();
        let c = know_challenge(token, org, commitment.as_bytes());
        let mut proof = [0; 64];
        proof[..32].copy_from_slice(commitment.as_bytes());
        proof[32..].copy_from_slice((*r + c * a_0).as_bytes());
        proof
    }
}

/// Which of the claims hold, in their order.
///
/// Checked in batches with random 128-bit weights; the claims of a batch that fails are checked one
/// by one, so that the blame falls on the right label. `rng` must be one that no author of a label
/// can predict.
#[must_use]
pub fn verify_proofs(claims: &[Claim<'_>], rng: &mut impl CryptoRngCore) -> Vec<bool> {
    let mut verdicts = Vec::with_capacity(claims.len());
    for batch in claims.chunks(PROOFS_BATCH_MAX) {
        let equations: Vec<_> = batch.iter().map(equation).collect();
        let all_hold = holds_weighted(equations.iter().flatten(), rng);
        verdicts.extend(equations.iter().map(|equation| match equation {
            Some(equation) => all_hold || holds(equation),
            None => false,
        }));
    }
    verdicts
}

/// Whether one claim holds.
#[must_use]
pub fn verify_proof(claim: &Claim<'_>) -> bool {
    equation(claim).is_some_and(|equation| holds(&equation))
}

/// `sum scalar * point - base * G == 0`: what both kinds of proof come down to.
struct Equation {
    terms: Vec<(Scalar, RistrettoPoint)>,
    base: Scalar,
}

/// The equation of a claim; `None` when its bytes are no scalars and points, or the proof is of the
/// other kind.
fn equation(claim: &Claim<'_>) -> Option<Equation> {
    let record = claim.record;
    match (claim.proof, record.purpose().threshold()) {
        (Proof::Share(share), 1..) => {
            let x = share_place(record.key_epoch(), &claim.share_group)?;
            let base = public::scalar(share)?;
            let powers = std::iter::successors(Some(Scalar::ONE), |power| Some(power * x));
            let terms = powers.zip(record.commitments.iter().copied()).collect();
            Some(Equation { terms, base })
        }
        (Proof::Knowledge(proof), 0) => {
            let (commitment, response) = public::halves(proof);
            let base = public::scalar(&response)?;
            let c = know_challenge(&record.token(), &claim.org, &commitment);
            let commitment = public::element(&commitment)?;
            Some(Equation {
                terms: vec![(Scalar::ONE, commitment), (c, record.commitments[0])],
                base,
            })
        }
        _ => None,
    }
}

fn holds(equation: &Equation) -> bool {
    sum_is_zero(equation.terms.iter().copied(), equation.base)
}

fn holds_weighted<'a>(
    equations: impl Iterator<Item = &'a Equation>,
    rng: &mut impl CryptoRngCore,
) -> bool {
    let (mut terms, mut base) = (Vec::new(), Scalar::ZERO);
    for equation in equations {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        let weight = Scalar::from(u128::from_le_bytes(bytes));
        base += weight * equation.base;
        terms.extend(equation.terms.iter().map(|(scalar, point)| (weight * scalar, *point)));
    }
    sum_is_zero(terms.into_iter(), base)
}

fn sum_is_zero(terms: impl Iterator<Item = (Scalar, RistrettoPoint)>, base: Scalar) -> bool {
    let terms = terms.chain([(-base, RISTRETTO_BASEPOINT_POINT)]);
    let (scalars, points): (Vec<_>, Vec<_>) = terms.unzip();
    public::sum(scalars, &points).is_identity()
}

/// x of a share group: where on every polynomial of a key epoch its share lies. `None`: 0.
pub(crate) fn share_place(key_epoch: u32, share_group: &ShareGroup) -> Option<Scalar> {
    let x = hash::to_scalar(&[&key_epoch.to_be_bytes(), &share_group.0], DST_X);
    (x != Scalar::ZERO).then_some(x)
}

fn know_challenge(token: &Token, org: &OrgId, commitment: &[u8; 32]) -> Scalar {
    hash::to_scalar(&[&token.0, &org.0, commitment], DST_KNOW_C)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::traits::Identity;
    use flowlore_common::destination::Input;

    use super::*;
    use crate::oprf::Y;

    /// With R = identity the equation holds for whoever knows a_0, and gives a_0 away: no proof.
    #[test]
    fn a_proof_of_knowledge_without_a_random_part_is_refused() {
        let secret = Secret::derive(&Y::from_bytes([1; 64]), 7, Purpose::Contacted);
        let record = secret.token(&Input::host(&"evil.example".parse().unwrap()));
        let (org, share_group) = (OrgId([1; 32]), ShareGroup([1; 32]));
        let commitment = RistrettoPoint::identity().compress().to_bytes();
        let c = know_challenge(&record.token(), &org, &commitment);
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&commitment);
        bytes[32..].copy_from_slice((c * secret.polynomial[0]).as_bytes());
        let proof = Proof::Knowledge(bytes);
        assert!(!verify_proof(&Claim { record: &record, proof: &proof, org, share_group }));
    }
}

//! Decoding, and arithmetic in variable time.
//!
//! Everything here sees public data only: points and scalars that stand on the wire, in the roster,
//! or follow from these. A secret must never be passed to a function of this module.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};

/// A point off the wire: canonical and not the identity (RFC 9497, 2.1: `DeserializeElement`).
pub(crate) fn element(bytes: &[u8; 32]) -> Option<RistrettoPoint> {
    let point = CompressedRistretto(*bytes).decompress()?;
    (!point.is_identity()).then_some(point)
}

/// A scalar off the wire: canonical, little-endian.
pub(crate) fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_canonical_bytes(*bytes).into()
}

/// The two scalars of a 64-byte proof.
pub(crate) fn scalar_pair(bytes: &[u8; 64]) -> Option<(Scalar, Scalar)> {
    let (first, second) = halves(bytes);
    Some((scalar(&first)?, scalar(&second)?))
}

/// Both halves of a 64-byte string.
pub(crate) fn halves(bytes: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    first.copy_from_slice(&bytes[..32]);
    second.copy_from_slice(&bytes[32..]);
    (first, second)
}

/// `sum scalars_i * points_i`, over the shorter of the two.
pub(crate) fn sum<'a>(
    scalars: impl IntoIterator<Item = Scalar>,
    points: impl IntoIterator<Item = &'a RistrettoPoint>,
) -> RistrettoPoint {
    let (scalars, points): (Vec<Scalar>, Vec<&RistrettoPoint>) =
        scalars.into_iter().zip(points).unzip();
    RistrettoPoint::vartime_multiscalar_mul(scalars, points)
}

/// Lagrange's coefficients at 0 of the polynomial through these places.
///
/// `None` when a place is 0 or stands twice: either would give a wrong result in silence.
pub(crate) fn lagrange_at_zero(places: &[Scalar]) -> Option<Vec<Scalar>> {
    let mut coefficients = Vec::with_capacity(places.len());
    for (at, own) in places.iter().enumerate() {
        let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
        for (other_at, other) in places.iter().enumerate() {
            if other_at != at {
                numerator *= other;
                denominator *= other - own;
            }
        }
        if *own == Scalar::ZERO || denominator == Scalar::ZERO {
            return None;
        }
        coefficients.push(numerator * denominator.invert());
    }
    Some(coefficients)
}

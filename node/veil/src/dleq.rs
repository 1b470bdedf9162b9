//! One proof for a whole batch: `log_G(PK) == log_B(Z)` for every pair (RFC 9497, 2.2).

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::double::{self, HALF};
use crate::hash::{self, DST_SCALAR, DST_SEED};
use crate::public;

/// Points in both forms: decoded for arithmetic, encoded for hashing.
pub(crate) struct Batch<'a> {
    pub(crate) points: &'a [RistrettoPoint],
    pub(crate) bytes: &'a [[u8; 32]],
}

/// Lengths as RFC 9497 writes them in front of what is hashed: an element, a seed.
const ELEMENT_LENGTH: [u8; 2] = 32_u16.to_be_bytes();
const SEED_LENGTH: [u8; 2] = 64_u16.to_be_bytes();

/// `GenerateProof` with `ComputeCompositesFast`: proof bytes `c || s`. Constant time in the key and
/// the proof's random scalar.
pub(crate) fn prove(
    key: &Scalar,
    public_key: &[u8; 32],
    blinded: &Batch<'_>,
    evaluated: &[[u8; 32]],
    rng: &mut impl CryptoRngCore,
) -> [u8; 64] {
    let weights = weights(public_key, blinded.bytes, evaluated);
    let composite = public::sum(weights.map(|weight| weight * *HALF), blinded.points);
    let random = Zeroizing::new(Scalar::random(rng));
    let half_random = Zeroizing::new(*random * *HALF);
    let challenge = challenge(
        public_key,
        [
            composite,
            composite * key,
            RISTRETTO_BASEPOINT_TABLE * &*half_random,
            composite * *random,
        ],
    );
    let mut proof = [0; 64];
    proof[..32].copy_from_slice(challenge.as_bytes());
    proof[32..].copy_from_slice((*random - challenge * key).as_bytes());
    proof
}

/// `VerifyProof`. Both batches have the same length.
pub(crate) fn verify(
    public_key: (&RistrettoPoint, &[u8; 32]),
    blinded: &Batch<'_>,
    evaluated: &Batch<'_>,
    proof: &[u8; 64],
) -> bool {
    let Some((c, s)) = public::scalar_pair(proof) else { return false };
    let (key_point, key_bytes) = public_key;
    let weights = weights(key_bytes, blinded.bytes, evaluated.bytes);
    let weights: Vec<Scalar> = weights.map(|weight| weight * *HALF).collect();
    let composite = public::sum(weights.iter().copied(), blinded.points);
    let image = public::sum(weights, evaluated.points);
    let (half_c, half_s) = (c * *HALF, s * *HALF);
    let on_base = RistrettoPoint::vartime_double_scalar_mul_basepoint(&half_c, key_point, &half_s);
    let on_composite = public::sum([s, c], [&composite, &image]);
    challenge(key_bytes, [composite, image, on_base, on_composite]) == c
}

/// The random weights of `ComputeComposites`: they depend on everything that is proven.
fn weights<'a>(
    public_key: &[u8; 32],
    blinded: &'a [[u8; 32]],
    evaluated: &'a [[u8; 32]],
) -> impl Iterator<Item = Scalar> + use<'a> {
    let seed_dst_length = u16::try_from(DST_SEED.len()).expect("the tag is short").to_be_bytes();
    let seed: [u8; 64] = Sha512::new()
        .chain_update(ELEMENT_LENGTH)
        .chain_update(public_key)
        .chain_update(seed_dst_length)
        .chain_update(DST_SEED)
        .finalize()
        .into();
    let pairs = (0_u16..).zip(blinded.iter().zip(evaluated));
    pairs.map(move |(index, (blinded, evaluated))| {
        let message: [&[u8]; 8] = [
            &SEED_LENGTH,
            &seed,
            &index.to_be_bytes(),
            &ELEMENT_LENGTH,
            blinded,
            &ELEMENT_LENGTH,
            evaluated,
            b"Composite",
        ];
        hash::to_scalar(&message, DST_SCALAR)
    })
}

/// The challenge over M, Z, t2 and t3, of each of which it is given half.
fn challenge(public_key: &[u8; 32], halves: [RistrettoPoint; 4]) -> Scalar {
    let points = double::encode(&halves);
    let mut message: Vec<&[u8]> = vec![&ELEMENT_LENGTH, public_key];
    message.extend(points.iter().flat_map(|point| [&ELEMENT_LENGTH[..], point]));
    message.push(b"Challenge");
    hash::to_scalar(&message, DST_SCALAR)
}

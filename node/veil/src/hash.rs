//! Hashing to scalars and points. Constant time in the data hashed.

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

/// RFC 9497, 4.1: `"OPRFV1-" || mode 0x01 || "-ristretto255-SHA512"` behind each use.
pub(crate) const DST_GROUP: &[u8] = b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512";
pub(crate) const DST_SCALAR: &[u8] = b"HashToScalar-OPRFV1-\x01-ristretto255-SHA512";
pub(crate) const DST_SEED: &[u8] = b"Seed-OPRFV1-\x01-ristretto255-SHA512";

/// Block of SHA-512, bytes: the zeros that RFC 9380 puts in front.
const SHA512_BLOCK_BYTES: usize = 128;

/// `expand_message_xmd` of RFC 9380, 5.3.1, with SHA-512 and 64 bytes of output, hence one round:
/// the message is the pieces in a row.
fn expand(message: &[&[u8]], dst: &[u8]) -> Zeroizing<[u8; 64]> {
    const OUT_BYTES: u16 = 64;
    let dst_length = [u8::try_from(dst.len()).expect("every DST here is short")];
    let mut first = Sha512::new();
    first.update([0; SHA512_BLOCK_BYTES]);
    for piece in message {
        first.update(piece);
    }
    first.update(OUT_BYTES.to_be_bytes());
    first.update([0]);
    first.update(dst);
    first.update(dst_length);
    let mut second = Sha512::new();
    second.update(first.finalize());
    second.update([1]);
    second.update(dst);
    second.update(dst_length);
    Zeroizing::new(second.finalize().into())
}

/// `HashToScalar`: 64 bytes, reduced modulo the group's order as a little-endian integer.
pub(crate) fn to_scalar(message: &[&[u8]], dst: &[u8]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&expand(message, dst))
}

/// `HashToGroup` (RFC 9497, 4.1): nobody knows the logarithm of the result.
pub(crate) fn to_group(input: &[u8], dst: &[u8]) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&expand(&[input], dst))
}

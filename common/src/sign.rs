//! Ed25519 keys and signatures. Verification is strict: no small-order key, one form of every
//! signature, so that all replicas accept the same bytes (RFC 8032; dalek's `verify_strict`).

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

/// The tags of all signed messages, in one place, so that no two are alike.
pub mod tags {
    use crate::canon::{TAG_BYTES, tag};

    /// A block's header.
    pub const BLOCK: [u8; TAG_BYTES] = tag("flowlore-block", 1);
    /// A roster document.
    pub const ROSTER: [u8; TAG_BYTES] = tag("flowlore-roster", 1);
    /// A change of an org's keys, signed by the old and the new one.
    pub const ROTATE: [u8; TAG_BYTES] = tag("flowlore-rotate", 1);
    /// A public key package, signed by every evaluator of it.
    pub const KEY_PACKAGE: [u8; TAG_BYTES] = tag("flowlore-keypkg", 1);
    /// A request to an evaluator.
    pub const EVALUATE_REQUEST: [u8; TAG_BYTES] = tag("flowlore-eval-q", 1);
    /// An evaluator's answer.
    pub const EVALUATE_ANSWER: [u8; TAG_BYTES] = tag("flowlore-eval-a", 1);
    /// A person's credential.
    pub const CREDENTIAL: [u8; TAG_BYTES] = tag("flowlore-cred", 1);
    /// One call on the local port.
    pub const CALL: [u8; TAG_BYTES] = tag("flowlore-call", 1);
    /// A request to be admitted to a federation.
    pub const JOIN: [u8; TAG_BYTES] = tag("flowlore-join", 1);

    /// All of them.
    pub const ALL: [[u8; TAG_BYTES]; 9] = [
        BLOCK,
        ROSTER,
        ROTATE,
        KEY_PACKAGE,
        EVALUATE_REQUEST,
        EVALUATE_ANSWER,
        CREDENTIAL,
        CALL,
        JOIN,
    ];
}

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// A signature as it stands in bytes; whether it holds, [`PublicKey::verify`] tells.
pub type Signature = [u8; SIGNATURE_BYTES];

/// A public key that is a point of large order.
#[derive(Clone, Copy)]
pub struct PublicKey(VerifyingKey);

/// Why 32 bytes are no usable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// They decode to no point of the curve: damaged, or another kind of key.
    #[error("the public key is not a point of the curve")]
    NotAPoint,
    /// A point of small order: signatures under it prove nothing. Only an attacker makes one.
    #[error("the public key has small order")]
    SmallOrder,
}

/// The signature does not hold under this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

impl PublicKey {
    /// Takes a key from untrusted bytes.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        if key.is_weak() { Err(KeyError::SmallOrder) } else { Ok(Self(key)) }
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Whether the holder of this key signed `message`, which must begin with its tag.
    ///
    /// # Errors
    /// It did not.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).map_err(|_| BadSignature)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex::encode(&self.bytes()[..4]))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.bytes()))
    }
}

/// A private key: wiped when dropped, never shown.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRngCore) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(&seed)
    }

    /// The key of an RFC 8032 seed; any 32 bytes are one.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for the key file.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `message`, which must begin with its tag.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {:?}", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tags_are_alike() {
        let distinct: std::collections::BTreeSet<_> = tags::ALL.into_iter().collect();
        assert_eq!(distinct.len(), tags::ALL.len());
    }

    #[test]
    fn a_signature_holds_for_its_key_and_message_only() {
        let key = SecretKey::from_seed(&[7; 32]);
        let signature = key.sign(b"message");
        assert_eq!(key.public().verify(b"message", &signature), Ok(()));
        assert_eq!(key.public().verify(b"messagE", &signature), Err(BadSignature));
        let other = SecretKey::from_seed(&[8; 32]).public();
        assert_eq!(other.verify(b"message", &signature), Err(BadSignature));
        for bit in 0..512 {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.public().verify(b"message", &flipped), Err(BadSignature), "{bit}");
        }
    }

    #[test]
    fn small_order_and_off_curve_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::parse(&identity), Err(KeyError::SmallOrder));
        assert_eq!(PublicKey::parse(&[0; 32]), Err(KeyError::SmallOrder));
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert_eq!(PublicKey::parse(&off_curve), Err(KeyError::NotAPoint));
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SecretKey::from_seed(&[0xab; 32]);
        assert!(!format!("{key:?}").contains("abab"));
    }
}

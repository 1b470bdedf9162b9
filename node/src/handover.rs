//! A key share on its way from its dealer to its evaluator: sealed to the evaluator's transport key, as soon as it is
//! dealt. What the dealer writes to disk and into the buffers of a connection is nothing to anybody else, itself included.
//!
//! `ephemeral 32 || XChaCha20-Poly1305(key, share 38)`, 86 bytes: X25519 (RFC 7748) of an ephemeral key and the transport
//! key, that one mapped from Ed25519 (RFC 7748, 4.1; the secret is clamped SHA-512 of its seed, RFC 8032, 5.1.5);
//! key = b3kdf("flowlore share seal v1", what both agree on || ephemeral || transport key); a key seals once, under the
//! nonce of zeros.

use anyhow::{Context as _, Result, ensure};
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use curve25519_dalek::montgomery::MontgomeryPoint;
use ed25519_dalek::{SigningKey, VerifyingKey};
use flowlore_common::canon::b3kdf_parts;
use flowlore_common::sign::SecretKey;
use flowlore_veil::keys::KeyShare;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::tls::TransportKey;

const POINT_BYTES: usize = 32;
const NONCE: [u8; 24] = [0; 24];

/// Seals a share to whoever has this transport key.
///
/// # Errors
/// It is no key.
pub fn seal(share: &KeyShare, to: &TransportKey, rng: &mut impl CryptoRngCore) -> Result<Vec<u8>> {
    let theirs = VerifyingKey::from_bytes(to).context("no transport key")?.to_montgomery();
    let mut secret = Zeroizing::new([0; POINT_BYTES]);
    rng.fill_bytes(&mut *secret);
    let ephemeral = MontgomeryPoint::mul_base_clamped(*secret);
    let cipher = cipher(&theirs, &secret, &ephemeral, to)?;
    let sealed = cipher.encrypt(&XNonce::from(NONCE), &share.to_bytes()[..]);
    let sealed = sealed.ok().context("a share is short enough")?;
    Ok([&ephemeral.to_bytes()[..], &sealed].concat())
}

/// Opens what was sealed to this transport key.
///
/// # Errors
/// It was not, or holds no share.
pub fn open(sealed: &[u8], transport: &SecretKey) -> Result<KeyShare> {
    let (ephemeral, sealed) = sealed.split_first_chunk().context("it is too short")?;
    let ephemeral = MontgomeryPoint(*ephemeral);
    let secret = Zeroizing::new(SigningKey::from_bytes(&transport.seed()).to_scalar_bytes());
    let cipher = cipher(&ephemeral, &secret, &ephemeral, &transport.public().bytes())?;
    let share = cipher.decrypt(&XNonce::from(NONCE), sealed);
    let share = Zeroizing::new(share.ok().context("it is sealed to another key")?);
    Ok(KeyShare::from_bytes(&share)?)
}

fn cipher(
    theirs: &MontgomeryPoint,
    secret: &Zeroizing<[u8; POINT_BYTES]>,
    ephemeral: &MontgomeryPoint,
    to: &TransportKey,
) -> Result<XChaCha20Poly1305> {
    let agreed = Zeroizing::new(theirs.mul_clamped(**secret).to_bytes());
    ensure!(*agreed != [0; POINT_BYTES], "a point of small order");
    let parts: [&[u8]; 3] = [&*agreed, &ephemeral.to_bytes(), to];
    let key = Zeroizing::new(b3kdf_parts("flowlore share seal v1", &parts));
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

#[cfg(test)]
mod tests {
    use flowlore_common::env::SeededRng;
    use flowlore_veil::keys::WholeKey;

    use super::*;

    #[test]
    fn a_share_opens_for_its_evaluator_alone() {
        let rng = &mut SeededRng::new("handover", 1);
        let (_, shares) = WholeKey::random(rng).deal(2, 3, 7, rng).unwrap();
        let [ours, other] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
        let sealed = seal(&shares[1], &ours.public().bytes(), rng).unwrap();
        assert_eq!(sealed.len(), 86);
        let opened = open(&sealed, &ours).unwrap();
        assert_eq!(*opened.to_bytes(), *shares[1].to_bytes());
        assert!(open(&sealed, &other).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            // The highest bit of a point is none (RFC 7748, 5), but stands in the key's input.
            assert!(open(&changed, &ours).is_err(), "byte {at}");
            assert!(open(&sealed[..at], &ours).is_err(), "{at} bytes");
        }
        let again = seal(&shares[1], &ours.public().bytes(), rng).unwrap();
        assert_ne!(again, sealed);
        // Points of small order agree with every secret on the same.
        assert!(open(&[&[0; 32][..], &sealed[32..]].concat(), &ours).is_err());
    }
}

//! Sealing what an org says about a name, for everybody who knows the name.
//!
//! XChaCha20-Poly1305 with a random nonce of 24 bytes. The key belongs to (name, purpose, key
//! epoch, org) for bodies and to (name, purpose, key epoch) for notes; the associated data binds
//! both to token and org, so that nothing can be moved to another label.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use flowlore_common::canon::b3kdf_parts;
use flowlore_common::ids::{OrgId, Token};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::token::Secret;

/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 24;
/// Bytes that sealing adds.
pub(crate) const TAG_BYTES: usize = 16;

/// Sealed bytes as they stand in an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) bytes: Box<[u8]>,
}

/// A key and what it is bound to.
pub(crate) struct Seal {
    key: Zeroizing<[u8; 32]>,
    bound_to: Vec<u8>,
}

impl Seal {
    /// `Kbody = b3kdf(.., a_0 || org_id)`, bound to `"FLP1-body" 00 || T || org_id || flags`.
    pub(crate) fn body(secret: &Secret, token: &Token, org: &OrgId, flags: u8) -> Self {
        let pieces: [&[u8]; 2] = [secret.polynomial[0].as_bytes(), &org.0];
        let key = Zeroizing::new(b3kdf_parts("FLP1 2026-11 body-seal v1", &pieces));
        Self { key, bound_to: [b"FLP1-body\0", &token.0[..], &org.0, &[flags]].concat() }
    }

    /// `Knote = b3kdf(.., hdr || Y)`, bound to `"FLP1-note" 00 || T || org_id`.
    pub(crate) fn note(secret: &Secret, token: &Token, org: &OrgId) -> Self {
        let pieces: [&[u8]; 2] = [&secret.header(), secret.y.as_bytes()];
        let key = Zeroizing::new(b3kdf_parts("FLP1 2026-11 note-seal v1", &pieces));
        Self { key, bound_to: [b"FLP1-note\0", &token.0[..], &org.0].concat() }
    }

    pub(crate) fn seal(&self, text: &[u8], rng: &mut impl CryptoRngCore) -> Sealed {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: text, aad: &self.bound_to };
        let bytes = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("XChaCha20-Poly1305 seals any text of this size");
        Sealed { nonce, bytes: bytes.into() }
    }

    /// `None`: sealed under another key, for another label, or changed since.
    pub(crate) fn open(&self, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload { msg: &sealed.bytes, aad: &self.bound_to };
        let opened = self.cipher().decrypt(XNonce::from_slice(&sealed.nonce), payload).ok()?;
        Some(Zeroizing::new(opened))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(Key::from_slice(self.key.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use flowlore_common::label::Purpose;

    use super::*;
    use crate::oprf::Y;

    /// FLP1's vectors of the two keys: `Y` as in `token/tests.rs`, purpose flagged, org id 01*32.
    #[test]
    fn keys_are_those_of_the_specification() {
        let mut output = [0; 64];
        let y = concat!(
            "93b33b02a7aea53ac1837533d9ff9acc213fa409924f952692a38a2bfd6accf5",
            "f466a8367996d59f8e8b03145cbfc539689da529450e3950c6b16e18d80952ec"
        );
        hex::decode_to_slice(y, &mut output).unwrap();
        let secret = Secret::derive(&Y::from_bytes(output), 7, Purpose::Flagged);
        let (token, org) = (Token([0; 32]), OrgId([1; 32]));
        assert_eq!(
            hex::encode(*Seal::body(&secret, &token, &org, 0).key),
            "cdea9a6fd2d32b57efda41683a891d02b7295cf27550b3af5ed65834d06fe5c2"
        );
        assert_eq!(
            hex::encode(*Seal::note(&secret, &token, &org).key),
            "187720604bfad7946134155d397e8c946eb44aa37d7d5289c69ed798a313cf86"
        );
    }
}

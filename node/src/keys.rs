//! The node's own keys, one file each.

use anyhow::{Context as _, Result};
use flowlore_common::sign::SecretKey;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::folder::Folder;

/// What a node signs with, is known by on the wire, and hides its name cache with. Debug shows public halves only.
#[derive(Debug)]
pub struct Keys {
    /// Signs blocks, roster documents, evaluation messages and credentials.
    pub signing: SecretKey,
    /// The key of the TLS certificate.
    pub transport: SecretKey,
    /// Encrypts `private/` on disk.
    pub at_rest: AtRestKey,
}

/// Public halves of an org's new keys, for the governor who writes them into the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewKeys {
    /// Of the signing key.
    pub signing: [u8; 32],
    /// Of the transport key.
    pub transport: [u8; 32],
}

impl std::fmt::Display for NewKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", hex::encode(self.signing), hex::encode(self.transport))
    }
}

impl std::str::FromStr for NewKeys {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let key = |text: &str| hex::decode(text).ok()?.try_into().ok();
        let keys = text.split_once('.').and_then(|(one, other)| Some((key(one)?, key(other)?)));
        let (signing, transport) =
            keys.context("new keys are 64 hex digits, a dot, and 64 more")?;
        Ok(Self { signing, transport })
    }
}

/// The key of `private/`: wiped when dropped, never shown.
#[derive(Clone)]
pub struct AtRestKey(Zeroizing<[u8; 32]>);

impl AtRestKey {
    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for AtRestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AtRestKey")
    }
}

impl Keys {
    /// Makes new keys and writes them.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(folder: &Folder, rng: &mut impl CryptoRngCore) -> Result<Self> {
        for name in ["signing", "transport", "at-rest"] {
            let mut seed = Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut *seed);
            folder.write(&format!("keys/{name}"), &*seed)?;
        }
        Self::load(folder)
    }

    /// Puts new signing and transport keys in the place of the old ones, which are kept beside them. The key of
    /// `private/` stays: what it protects is still there.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn replace(folder: &Folder, rng: &mut impl CryptoRngCore) -> Result<NewKeys> {
        for name in ["signing", "transport"] {
            let old = seed(folder, name)?;
            folder.write(&format!("keys/{name}.replaced"), &*old)?;
        }
        for name in ["signing", "transport"] {
            let mut seed = Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut *seed);
            folder.write(&format!("keys/{name}"), &*seed)?;
        }
        let new = Self::load(folder)?;
        Ok(NewKeys {
            signing: new.signing.public().bytes(),
            transport: new.transport.public().bytes(),
        })
    }

    #[cfg(test)]
    pub(crate) fn of(signing: SecretKey, transport: SecretKey) -> Self {
        Self { signing, transport, at_rest: AtRestKey(Zeroizing::new([0; 32])) }
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// One is missing or damaged.
    pub fn load(folder: &Folder) -> Result<Self> {
        Ok(Self {
            signing: SecretKey::from_seed(&*seed(folder, "signing")?),
            transport: SecretKey::from_seed(&*seed(folder, "transport")?),
            at_rest: AtRestKey(seed(folder, "at-rest")?),
        })
    }
}

fn seed(folder: &Folder, name: &str) -> Result<Zeroizing<[u8; 32]>> {
    let relative = format!("keys/{name}");
    let shown = folder.path(&relative);
    let bytes = folder
        .read(&relative)?
        .with_context(|| format!("{} is missing: restore it from a backup", shown.display()))?;
    let seed = <[u8; 32]>::try_from(bytes.as_slice());
    seed.map(Zeroizing::new)
        .with_context(|| format!("{} is damaged: it should have 32 bytes", shown.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowlore_common::env::SeededRng;

    #[test]
    fn keys_are_read_as_they_were_made_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let made = Keys::create(&folder, &mut SeededRng::new("keys", 1)).unwrap();
        let read = Keys::load(&folder).unwrap();
        assert_eq!(made.signing.public(), read.signing.public());
        assert_eq!(made.transport.public(), read.transport.public());
        assert_eq!(made.at_rest.bytes(), read.at_rest.bytes());
        let shown = format!("{read:?}");
        assert!(!shown.contains(&hex::encode(read.at_rest.bytes())));
        assert!(!shown.contains(&hex::encode(&read.signing.seed()[..4])));
        let new = Keys::replace(&folder, &mut SeededRng::new("keys", 2)).unwrap();
        let replaced = Keys::load(&folder).unwrap();
        assert_ne!(replaced.signing.public(), made.signing.public());
        assert_eq!(replaced.at_rest.bytes(), made.at_rest.bytes());
        assert_eq!(new.to_string().parse::<NewKeys>().unwrap(), new);
        assert!("12.34".parse::<NewKeys>().is_err());
        folder.write("keys/signing", &[0; 31]).unwrap();
        assert!(Keys::load(&folder).unwrap_err().to_string().contains("damaged"));
    }
}

//! Encrypted append-only files under `private/`: what a disk that is stolen or thrown away must not tell.
//!
//! A file is frames of `u32 length || nonce 24 || ciphertext`, each sealed under the at-rest key with the file's
//! name as associated data, so that no frame passes for one of another file. A frame is written whole or, after a
//! crash, cut off: the cut-off tail is dropped when the file is opened, and that is said.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context as _, Result, anyhow, ensure};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use flowlore_common::env::SystemRng;
use rand_core::RngCore as _;
use zeroize::Zeroizing;

use crate::folder::Folder;
use crate::keys::AtRestKey;

const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 4;
/// Largest frame, bytes: a batch of names; larger ones are damage.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One such file, open for appending.
pub struct Vault {
    folder: Folder,
    name: &'static str,
    cipher: XChaCha20Poly1305,
    file: File,
    bytes: u64,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({}, {} bytes)", self.name, self.bytes)
    }
}

/// The decrypted frames of a file, in the order in which they were written.
pub type Frames = Vec<Zeroizing<Vec<u8>>>;

impl Vault {
    /// Opens `private/NAME`, made when missing, and gives what it holds.
    ///
    /// # Errors
    /// It cannot be read, or a whole frame does not open under the key: then the file is left as it is.
    pub fn open(folder: &Folder, name: &'static str, key: &AtRestKey) -> Result<(Self, Frames)> {
        let cipher = XChaCha20Poly1305::new(key.bytes().into());
        let path = folder.path("private").join(name);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (frames, whole) = decrypt_frames(&cipher, name, &bytes)
            .with_context(|| format!("{} is damaged; set it aside to go on", path.display()))?;
        if whole < bytes.len() {
            tracing::warn!(file = name, bytes = bytes.len() - whole, "cut-off tail dropped");
            file.set_len(whole as u64)?;
        }
        let vault = Self { folder: folder.clone(), name, cipher, file, bytes: whole as u64 };
        Ok((vault, frames))
    }

    /// Appends a frame; once this returns, it survives a crash.
    ///
    /// # Errors
    /// The frame is too large, or the disk refuses: then the file is as before.
    pub fn append(&mut self, plain: &[u8]) -> Result<()> {
        let frame = self.seal(plain)?;
        let written = self.file.write_all(&frame).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a frame in the middle would hide all later ones.
            self.file.set_len(self.bytes)?;
            return Err(error).with_context(|| format!("appending to private/{}", self.name));
        }
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// Replaces the whole file, so that what is no longer needed goes.
    ///
    /// # Errors
    /// As [`Self::append`]; the old file stands.
    pub fn rewrite<'a>(&mut self, frames: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.extend_from_slice(&self.seal(frame)?);
        }
        let relative = format!("private/{}", self.name);
        self.folder.write(&relative, &bytes)?;
        self.file = OpenOptions::new().append(true).open(self.folder.path(&relative))?;
        self.bytes = bytes.len() as u64;
        Ok(())
    }

    /// Size of the file, bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        ensure!(
            plain.len() <= FRAME_BYTES_MAX - 64,
            "a frame of {} bytes is too large",
            plain.len()
        );
        let mut nonce = [0; NONCE_BYTES];
        SystemRng.fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: self.name.as_bytes() };
        let sealed = self.cipher.encrypt(XNonce::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_| anyhow!("encryption failed"))?;
        let length = u32::try_from(NONCE_BYTES + sealed.len())?;
        Ok([&length.to_be_bytes()[..], &nonce, &sealed].concat())
    }
}

/// The frames, and how many bytes the whole ones take.
fn decrypt_frames(cipher: &XChaCha20Poly1305, name: &str, bytes: &[u8]) -> Result<(Frames, usize)> {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some((head, rest)) = bytes[at..].split_first_chunk::<HEAD_BYTES>() {
        let length = u32::from_be_bytes(*head) as usize;
        ensure!((NONCE_BYTES..=FRAME_BYTES_MAX).contains(&length), "impossible length at {at}");
        let Some(frame) = rest.get(..length) else { break };
        let (nonce, sealed) = frame.split_at(NONCE_BYTES);
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        let plain = cipher.decrypt(XNonce::from_slice(nonce), payload);
        frames.push(Zeroizing::new(plain.map_err(|_| anyhow!("no frame of this key at {at}"))?));
        at += HEAD_BYTES + length;
    }
    Ok((frames, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use flowlore_common::env::SeededRng;

    fn open(folder: &Folder) -> Result<(Vault, Frames)> {
        Vault::open(folder, "names", &Keys::load(folder)?.at_rest)
    }

    fn node() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        Keys::create(&folder, &mut SeededRng::new("vault", 1)).unwrap();
        (dir, folder)
    }

    #[test]
    fn frames_survive_and_are_not_readable() {
        let (_dir, folder) = node();
        let (mut vault, frames) = open(&folder).unwrap();
        assert!(frames.is_empty());
        vault.append(b"evil.example").unwrap();
        vault.append(b"second").unwrap();
        let raw = std::fs::read(folder.path("private/names")).unwrap();
        assert_eq!(raw.len() as u64, vault.bytes());
        assert!(!raw.windows(4).any(|window| window == b"evil"));
        let (mut vault, frames) = open(&folder).unwrap();
        assert_eq!(
            frames.iter().map(|f| f.as_slice()).collect::<Vec<_>>(),
            [&b"evil.example"[..], b"second"]
        );
        vault.rewrite([&b"third"[..]]).unwrap();
        vault.append(b"fourth").unwrap();
        assert_eq!(open(&folder).unwrap().1.len(), 2);
    }

    #[test]
    fn a_cut_off_tail_is_dropped_wherever_it_is_cut() {
        let (_dir, folder) = node();
        let (mut vault, _) = open(&folder).unwrap();
        vault.append(b"first").unwrap();
        let first = vault.bytes();
        vault.append(b"second").unwrap();
        let path = folder.path("private/names");
        let whole = std::fs::read(&path).unwrap();
        for cut in usize::try_from(first).unwrap()..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut vault, frames) = open(&folder).unwrap();
            assert_eq!(frames.len(), 1, "cut at {cut}");
            vault.append(b"after").unwrap();
            assert_eq!(open(&folder).unwrap().1.len(), 2, "cut at {cut}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_an_error_and_nothing_is_lost() {
        let (_dir, folder) = node();
        let (mut vault, _) = open(&folder).unwrap();
        vault.append(b"first").unwrap();
        vault.append(b"second").unwrap();
        let path = folder.path("private/names");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(format!("{:#}", open(&folder).unwrap_err()).contains("damaged"));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

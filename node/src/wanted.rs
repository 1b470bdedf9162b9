//! Names that somebody looked up while too few evaluators answered: they wait here, encrypted, under
//! `private/queue`, and are asked for later, so that the next look-up is answered. Nothing about who asked is kept.

use std::collections::BTreeMap;

use anyhow::Result;
use flowlore_common::canon::{Put as _, Reader};
use flowlore_common::destination::Input;
use flowlore_common::suffixes::Suffixes;
use zeroize::Zeroizing;

use crate::folder::Folder;
use crate::keys::AtRestKey;
use crate::limits::WANTED_NAMES_MAX;
use crate::vault::Vault;

/// Names in one frame: at most 330 bytes each, far below the largest frame.
const NAMES_A_FRAME: usize = 4_096;

/// The names that wait.
#[derive(Debug)]
pub struct Wanted {
    vault: Vault,
    inputs: BTreeMap<Box<[u8]>, Input>,
}

impl Wanted {
    /// Opens `private/queue`.
    ///
    /// # Errors
    /// It cannot be read or decrypted.
    pub fn open(folder: &Folder, key: &AtRestKey, suffixes: &Suffixes) -> Result<Self> {
        let (vault, frames) = Vault::open(folder, "queue", key)?;
        let mut inputs = BTreeMap::new();
        for frame in &frames {
            let mut reader = Reader::new(frame);
            while reader.position() < frame.len() {
                let length = usize::from(reader.u16()?);
                let input = Input::parse(reader.take(length)?, suffixes)?;
                inputs.insert(input.bytes().into(), input);
            }
        }
        Ok(Self { vault, inputs })
    }

    /// Queues names; those for which there is no room are left out. How many wait then.
    ///
    /// # Errors
    /// The disk refuses; nothing is queued.
    pub fn add(&mut self, inputs: impl IntoIterator<Item = Input>) -> Result<usize> {
        let mut new: BTreeMap<Box<[u8]>, Input> = BTreeMap::new();
        for input in inputs {
            let room = self.inputs.len() + new.len() < WANTED_NAMES_MAX;
            if room && !self.inputs.contains_key(input.bytes()) {
                new.insert(input.bytes().into(), input);
            }
        }
        for frame in frames(new.values()) {
            self.vault.append(&frame)?;
        }
        self.inputs.extend(new);
        Ok(self.inputs.len())
    }

    /// Some of the names that wait.
    #[must_use]
    pub fn some(&self, max: usize) -> Vec<Input> {
        self.inputs.values().take(max).cloned().collect()
    }

    /// Forgets names that were asked for.
    ///
    /// # Errors
    /// The disk refuses: they are found to be known after a restart.
    pub fn done(&mut self, inputs: &[Input]) -> Result<()> {
        for input in inputs {
            self.inputs.remove(input.bytes());
        }
        let frames = frames(self.inputs.values());
        self.vault.rewrite(frames.iter().map(|frame| frame.as_slice()))
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inputs.len()
    }
}

fn frames<'a>(inputs: impl Iterator<Item = &'a Input>) -> Vec<Zeroizing<Vec<u8>>> {
    let mut frames = vec![];
    for (index, input) in inputs.enumerate() {
        if index % NAMES_A_FRAME == 0 {
            frames.push(Zeroizing::new(Vec::new()));
        }
        if let Some(frame) = frames.last_mut() {
            frame.put_u16(u16::try_from(input.bytes().len()).unwrap_or(u16::MAX));
            frame.put(input.bytes());
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use flowlore_common::env::SeededRng;

    #[test]
    fn names_wait_once_until_they_are_asked_for_and_are_not_readable() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let keys = Keys::create(&folder, &mut SeededRng::new("wanted", 1)).unwrap();
        let open = || Wanted::open(&folder, &keys.at_rest, Suffixes::shipped()).unwrap();
        let input = |name: &str| Input::host(&name.parse().unwrap());
        let [one, two] = ["one.example", "two.example"].map(input);
        assert_eq!(open().add([one.clone(), two.clone(), one.clone()]).unwrap(), 2);
        assert_eq!(open().add([one.clone()]).unwrap(), 2);
        let mut wanted = open();
        assert_eq!(wanted.some(9).len(), 2);
        wanted.done(&[one]).unwrap();
        assert_eq!(open().some(9)[0].bytes(), two.bytes());
        let raw = std::fs::read(folder.path("private/queue")).unwrap();
        assert!(!raw.windows(7).any(|window| window == b"example"));
    }
}

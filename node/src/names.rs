//! The cache of `Y`: the secret of every name that this node has had evaluated. It makes look-ups of known names
//! free of network and lets the node work while evaluators are away. Encrypted on disk, bounded in memory.

use std::collections::{HashMap, VecDeque};

use anyhow::Result;
use flowlore_common::canon::{Put as _, Reader};
use flowlore_common::destination::Input;
use flowlore_veil::oprf::Y;
use zeroize::Zeroizing;

use crate::folder::Folder;
use crate::keys::AtRestKey;
use crate::limits::CACHED_NAMES_MAX;
use crate::vault::Vault;

/// Names in one frame of a rewritten file: at most 330 bytes each, far below the largest frame.
const NAMES_A_FRAME: usize = 4_096;

type Key = (u32, Box<[u8]>);

/// `Y` by key epoch and input.
#[derive(Debug)]
pub struct Names {
    vault: Vault,
    known: HashMap<Key, Secret>,
    /// Oldest first: the order of eviction.
    order: VecDeque<Key>,
    max: usize,
}

struct Secret(Y);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Y")
    }
}

impl Names {
    /// Opens `private/names`.
    ///
    /// # Errors
    /// It cannot be read or decrypted.
    pub fn open(folder: &Folder, key: &AtRestKey) -> Result<Self> {
        Self::bounded(folder, key, CACHED_NAMES_MAX)
    }

    fn bounded(folder: &Folder, key: &AtRestKey, max: usize) -> Result<Self> {
        let (vault, frames) = Vault::open(folder, "names", key)?;
        let mut names = Self { vault, known: HashMap::new(), order: VecDeque::new(), max };
        for frame in &frames {
            let mut reader = Reader::new(frame);
            while let Ok(key_epoch) = reader.u32() {
                let length = usize::from(reader.u16()?);
                let input = reader.take(length)?.into();
                names.insert((key_epoch, input), Y::from_bytes(reader.array()?));
            }
        }
        if names.order.len() > max {
            names.evict()?;
        }
        Ok(names)
    }

    /// The secret of an input, if it is known.
    #[must_use]
    pub fn get(&self, key_epoch: u32, input: &Input) -> Option<Y> {
        self.known.get(&(key_epoch, input.bytes().into())).map(|secret| secret.0.clone())
    }

    /// Keeps secrets, on disk first.
    ///
    /// # Errors
    /// The disk refuses; then nothing is kept.
    pub fn keep(&mut self, key_epoch: u32, evaluated: &[(Input, Y)]) -> Result<()> {
        for chunk in evaluated.chunks(NAMES_A_FRAME) {
            let mut frame = Zeroizing::new(Vec::new());
            for (input, y) in chunk {
                put(&mut frame, key_epoch, input.bytes(), y);
            }
            self.vault.append(&frame)?;
            for (input, y) in chunk {
                self.insert((key_epoch, input.bytes().into()), y.clone());
            }
        }
        if self.order.len() > self.max { self.evict() } else { Ok(()) }
    }

    /// How many are known, and the size of the file in bytes.
    #[must_use]
    pub fn size(&self) -> (usize, u64) {
        (self.known.len(), self.vault.bytes())
    }

    fn insert(&mut self, key: Key, y: Y) {
        if self.known.insert(key.clone(), Secret(y)).is_none() {
            self.order.push_back(key);
        }
    }

    /// Forgets the older half and rewrites the file, so that eviction is rare.
    fn evict(&mut self) -> Result<()> {
        tracing::info!(names = self.order.len(), "name cache full: the older half is forgotten");
        while self.order.len() > self.max / 2 {
            let Some(oldest) = self.order.pop_front() else { break };
            self.known.remove(&oldest);
        }
        let mut frames = vec![Zeroizing::new(Vec::new())];
        for (index, key) in self.order.iter().enumerate() {
            if index > 0 && index % NAMES_A_FRAME == 0 {
                frames.push(Zeroizing::new(Vec::new()));
            }
            let (Some(frame), Some(secret)) = (frames.last_mut(), self.known.get(key)) else {
                continue;
            };
            put(frame, key.0, &key.1, &secret.0);
        }
        self.vault.rewrite(frames.iter().map(|frame| frame.as_slice()))
    }
}

fn put(frame: &mut Vec<u8>, key_epoch: u32, input: &[u8], y: &Y) {
    frame.put_u32(key_epoch);
    frame.put_u16(u16::try_from(input.len()).unwrap_or(u16::MAX));
    frame.put(input);
    frame.put(y.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use flowlore_common::destination::Host;
    use flowlore_common::env::SeededRng;

    fn input(number: u8) -> Input {
        Input::host(&format!("host-{number}.example").parse::<Host>().unwrap())
    }

    fn y(number: u8) -> Y {
        Y::from_bytes([number; 64])
    }

    #[test]
    fn secrets_survive_and_the_oldest_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let keys = Keys::create(&folder, &mut SeededRng::new("names", 1)).unwrap();
        let open = || Names::bounded(&folder, &keys.at_rest, 4).unwrap();
        let mut names = open();
        for number in 0..4 {
            names.keep(1, &[(input(number), y(number))]).unwrap();
        }
        assert_eq!(names.get(1, &input(0)).unwrap().as_bytes(), &[0; 64]);
        assert!(names.get(2, &input(0)).is_none(), "another key epoch has other secrets");
        assert_eq!(open().size().0, 4);
        names.keep(1, &[(input(4), y(4))]).unwrap();
        for names in [names, open()] {
            assert_eq!(names.size().0, 2);
            assert!(names.get(1, &input(2)).is_none());
            assert_eq!(names.get(1, &input(4)).unwrap().as_bytes(), &[4; 64]);
        }
        let raw = std::fs::read(folder.path("private/names")).unwrap();
        assert!(!raw.windows(7).any(|window| window == b"example"));
        assert!(!format!("{:?}", open()).contains("host-"));
    }
}

//! An OPRF key of the federation. What it fixes can't change while it lives, because tokens made
//! under other lists or thresholds would never meet.

use std::collections::BTreeMap;

use crate::canon::{Malformed, Put as _, Reader};
use crate::label::Purpose;
use crate::limits::KEY_PACKAGE_BYTES_MAX;
use crate::sign::{Signature, tags};

/// How the key came to be: who could know all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyOrigin {
    /// One evaluator holds it whole.
    Single,
    /// A dealer made the shares and promised to forget the key.
    Dealt,
    /// Made together: nobody ever held it whole. All evaluators sign the package.
    Generated,
}

impl KeyOrigin {
    const ALL: [Self; 3] = [Self::Single, Self::Dealt, Self::Generated];
}

/// One key epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEpoch {
    /// Its number, part of every token.
    pub number: u32,
    /// Counts refreshes of the shares; the key and the tokens stay.
    pub generation: u32,
    /// How the key came to be.
    pub origin: KeyOrigin,
    /// Public key package: t, n, group key and verifying shares, in the veil's encoding.
    pub package: Vec<u8>,
    /// How many groups open a name, by purpose; 0: never.
    pub thresholds: [u8; Purpose::ALL.len()],
    /// Hash of the public suffix list, which decides what a site is.
    pub suffix_list: [u8; 32],
    /// Hash that stands for the IDNA and UTS-46 tables, which decide what a name is.
    pub idna_tables: [u8; 32],
    /// Hash of the lists of names and networks that are never tokenised.
    pub never_lists: [u8; 32],
    /// By evaluator number: signatures over [`Self::package_message`]; all of them when generated.
    pub signatures: BTreeMap<u16, Signature>,
}

impl KeyEpoch {
    /// The thresholds that FLP1 names.
    #[must_use]
    pub fn default_thresholds() -> [u8; Purpose::ALL.len()] {
        let mut thresholds = [0; Purpose::ALL.len()];
        for (threshold, purpose) in thresholds.iter_mut().zip(Purpose::ALL) {
            *threshold = purpose.threshold();
        }
        thresholds
    }

    /// How many groups open a name under this purpose.
    #[must_use]
    pub fn threshold(&self, purpose: Purpose) -> u8 {
        self.thresholds[usize::from(purpose.number())]
    }

    /// What each evaluator signs to say that it holds its share of this key.
    #[must_use]
    pub fn package_message(&self) -> Vec<u8> {
        let mut bytes = tags::KEY_PACKAGE.to_vec();
        self.encode_unsigned(&mut bytes);
        bytes
    }

    /// Appends its canonical bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        self.encode_unsigned(bytes);
        bytes.put_u16(u16::try_from(self.signatures.len()).unwrap_or(u16::MAX));
        for (evaluator, signature) in &self.signatures {
            bytes.put_u16(*evaluator);
            bytes.put(signature);
        }
    }

    /// Reads its canonical bytes; the package is not looked into.
    ///
    /// # Errors
    /// Malformed.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = reader.u32()?;
        let generation = reader.u32()?;
        let origin = KeyOrigin::ALL
            .get(usize::from(reader.u8()?))
            .copied()
            .ok_or_else(|| reader.error("unknown origin of a key"))?;
        let length = usize::from(reader.u16()?);
        if length > KEY_PACKAGE_BYTES_MAX {
            return Err(reader.error("key package too long"));
        }
        let package = reader.take(length)?.to_vec();
        if usize::from(reader.u8()?) != Purpose::ALL.len() {
            return Err(reader.error("thresholds of another list of purposes"));
        }
        let thresholds = reader.array()?;
        let (suffix_list, idna_tables, never_lists) =
            (reader.array()?, reader.array()?, reader.array()?);
        let mut signatures = BTreeMap::new();
        for _ in 0..reader.u16()? {
            let evaluator = reader.u16()?;
            if signatures.last_key_value().is_some_and(|(last, _)| *last >= evaluator) {
                return Err(reader.error("evaluators not ascending"));
            }
            signatures.insert(evaluator, reader.array()?);
        }
        Ok(Self {
            number,
            generation,
            origin,
            package,
            thresholds,
            suffix_list,
            idna_tables,
            never_lists,
            signatures,
        })
    }

    fn encode_unsigned(&self, bytes: &mut Vec<u8>) {
        bytes.put_u32(self.number);
        bytes.put_u32(self.generation);
        bytes.put_u8(self.origin as u8);
        bytes.put_u16(u16::try_from(self.package.len()).unwrap_or(u16::MAX));
        bytes.put(&self.package);
        bytes.put_u8(u8::try_from(Purpose::ALL.len()).unwrap_or(u8::MAX));
        bytes.put(&self.thresholds);
        bytes.put(&self.suffix_list);
        bytes.put(&self.idna_tables);
        bytes.put(&self.never_lists);
    }
}

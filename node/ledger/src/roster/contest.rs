//! Governors signed several documents of one version. Which of them holds is a function of the
//! documents and their signatures alone, so that all who have the same ones agree, whatever came first:
//! the one that more than half of those governors signed who signed but one. None: their parent stays
//! the newest. So governors settle it by signing one of the documents that they did not sign before,
//! and never by yet another document.

use std::collections::BTreeSet;

use flowlore_common::ids::{OrgId, RosterHash};
use flowlore_common::roster::Document;

use super::{Chain, RosterError, check_majority};
use crate::limits::ROSTER_RIVALS_MAX;

/// The documents of one version and parent, ascending by hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contest {
    version: u32,
    documents: Vec<Document>,
}

impl Contest {
    /// One document, that nobody contests yet.
    pub(crate) fn of(document: Document) -> Self {
        Self { version: document.statement.version, documents: vec![document] }
    }

    /// Documents as they were stored, of one version.
    pub(crate) fn stored(documents: Vec<Document>) -> Option<Self> {
        let version = documents.first()?.statement.version;
        Some(Self { version, documents })
    }

    pub(crate) fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Whether a document is here with all its signatures.
    pub(crate) fn knows(&self, document: &Document) -> bool {
        self.documents.iter().any(|known| {
            known.statement == document.statement
                && document.signatures.keys().all(|org| known.signatures.contains_key(org))
        })
    }

    /// Adds a document, or signatures to one that is known. `parent` is the chain up to the version.
    pub(crate) fn with(&self, document: &Document, parent: &Chain) -> Result<Self, RosterError> {
        parent.check(document)?;
        let governors = parent.newest().governors();
        let mut more = self.clone();
        let hash = document.hash();
        match more.documents.binary_search_by_key(&hash, Document::hash) {
            Ok(index) => {
                let known = &mut more.documents[index].signatures;
                for (org, signature) in &document.signatures {
                    known.entry(*org).or_insert(*signature);
                }
            }
            Err(index) => {
                check_majority(document, &governors)?;
                more.documents.insert(index, document.clone());
            }
        }
        if more.documents.len() > ROSTER_RIVALS_MAX {
            return Err(RosterError::Rivals { version: self.version });
        }
        Ok(more)
    }

    /// The document that holds on top of `parent`.
    pub(crate) fn settled(&self, parent: &Chain) -> Option<&Document> {
        let [.., _, _] = self.documents.as_slice() else { return self.documents.first() };
        let signed = |org: &OrgId| {
            self.documents.iter().filter(|document| document.signatures.contains_key(org)).count()
        };
        let governors = parent.newest().governors();
        let once: BTreeSet<_> = governors.keys().filter(|org| signed(org) < 2).collect();
        let holds = |document: &&Document| {
            let voices = document.signatures.keys().filter(|org| once.contains(org)).count();
            2 * voices > once.len()
        };
        self.documents.iter().find(holds)
    }

    /// What stands in the objects digest while nothing is settled: the documents with who signed.
    pub(crate) fn update(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&self.version.to_be_bytes());
        for document in &self.documents {
            hasher.update(blake3::hash(&document.encode()).as_bytes());
        }
    }

    pub(crate) const fn version(&self) -> u32 {
        self.version
    }

    /// The hashes, ascending.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = RosterHash> + '_ {
        self.documents.iter().map(Document::hash)
    }
}

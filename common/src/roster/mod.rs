//! The roster: who is a member, under which keys, and what all agreed on (proto/PROTOCOL.md,
//! "Roster"). A chain of documents, each a list of [`Change`]s; applying them is the ledger's part.
//!
//! | module | owns |
//! |---|---|
//! | [`policy`] | the numbers that all members go by |
//! | [`key_epoch`] | an OPRF key of the federation, and what it fixes |
//! | [`member`] | registration, keys, roles and cuts of one org |
//! | [`change`] | what a document can change |

pub mod change;
pub mod key_epoch;
pub mod member;
pub mod policy;

use std::collections::BTreeMap;

pub use change::Change;
pub use key_epoch::KeyEpoch;
pub use member::{Member, Registration, Roles};
pub use policy::Policy;

use crate::canon::{Malformed, Put as _, Reader, b3kdf, b3kdf_parts, tree_top};
use crate::ids::{FederationId, OrgId, RosterHash};
use crate::limits::{ROSTER_CHANGES_MAX, ROSTER_DOCUMENT_BYTES_MAX, ROSTER_MEMBERS_MAX};
use crate::sign::{SecretKey, Signature, tags};
use crate::time::Hour;

/// Every so many versions a document carries the whole table, so that one who was away long can
/// start there instead of at document 0.
pub const TABLE_EVERY: u32 = 64;

/// Everything that the documents up to a version add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The numbers in force.
    pub policy: Policy,
    /// Key epochs by number, retired ones left out.
    pub key_epochs: BTreeMap<u32, KeyEpoch>,
    /// Members by org, expelled ones included: their history stays checkable.
    pub members: BTreeMap<OrgId, Member>,
}

impl Table {
    /// Commits to every entry singly, so that one can be shown without the rest.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        let key_epochs: Vec<_> = self.key_epochs.values().collect();
        let members: Vec<_> = self.members.values().collect();
        table_root(&self.policy, &key_epochs, &members)
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        self.policy.encode(bytes);
        bytes.put_u16(u16::try_from(self.key_epochs.len()).unwrap_or(u16::MAX));
        for key_epoch in self.key_epochs.values() {
            key_epoch.encode(bytes);
        }
        bytes.put_u32(u32::try_from(self.members.len()).unwrap_or(u32::MAX));
        for member in self.members.values() {
            member.encode(bytes);
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut table = Self { policy: Policy::parse(reader)?, ..Self::default() };
        for _ in 0..reader.u16()? {
            let key_epoch = KeyEpoch::parse(reader)?;
            if table.key_epochs.last_key_value().is_some_and(|(last, _)| *last >= key_epoch.number)
            {
                return Err(reader.error("key epochs not ascending"));
            }
            table.key_epochs.insert(key_epoch.number, key_epoch);
        }
        let members = reader.u32()?;
        if members > ROSTER_MEMBERS_MAX {
            return Err(reader.error("too many members"));
        }
        for _ in 0..members {
            let member = Member::parse(reader)?;
            if table.members.last_key_value().is_some_and(|(last, _)| *last >= member.org) {
                return Err(reader.error("members not ascending"));
            }
            table.members.insert(member.org, member);
        }
        Ok(table)
    }
}

/// The root over a policy, key epochs ascending by number, and members ascending by org.
#[must_use]
pub fn table_root(policy: &Policy, key_epochs: &[&KeyEpoch], members: &[&Member]) -> [u8; 32] {
    let leaf = |kind: u8, encode: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = vec![kind];
        encode(&mut bytes);
        b3kdf("flowlore roster leaf v1", &bytes)
    };
    let mut leaves = vec![leaf(0, &|bytes| policy.encode(bytes))];
    leaves.extend(key_epochs.iter().map(|entry| leaf(1, &|bytes| entry.encode(bytes))));
    leaves.extend(members.iter().map(|entry| leaf(2, &|bytes| entry.encode(bytes))));
    let count = u32::try_from(leaves.len()).unwrap_or(u32::MAX).to_be_bytes();
    let top = tree_top(leaves, "flowlore roster node v1");
    b3kdf_parts("flowlore roster table v1", &[&count, &top])
}

/// What a document says, without the signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The federation; zeros in document 0, whose hash it is.
    pub federation: FederationId,
    /// From 0, without a gap.
    pub version: u32,
    /// The document before; zeros in document 0.
    pub parent: RosterHash,
    /// When it was written.
    pub issued: Hour,
    /// What it changes, applied in this order.
    pub changes: Vec<Change>,
    /// The root of the table that results.
    pub table_root: [u8; 32],
    /// That table itself, at versions that are positive multiples of [`TABLE_EVERY`].
    pub table: Option<Table>,
}

impl Statement {
    /// The bytes that are hashed and signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put(&tags::ROSTER);
        bytes.put(&self.federation.0);
        bytes.put_u32(self.version);
        bytes.put(&self.parent.0);
        bytes.put_u32(self.issued.0);
        bytes.put_u16(u16::try_from(self.changes.len()).unwrap_or(u16::MAX));
        for change in &self.changes {
            change.encode(&mut bytes);
        }
        bytes.put(&self.table_root);
        if let Some(table) = &self.table {
            table.encode(&mut bytes);
        }
        bytes
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.tag(&tags::ROSTER)?;
        let federation = FederationId(reader.array()?);
        let version = reader.u32()?;
        let parent = RosterHash(reader.array()?);
        let issued = Hour(reader.u32()?);
        let count = reader.u16()?;
        if count > ROSTER_CHANGES_MAX {
            return Err(reader.error("too many changes"));
        }
        let changes = (0..count).map(|_| Change::parse(reader)).collect::<Result<_, _>>()?;
        let table_root = reader.array()?;
        let carries_table = version > 0 && version.is_multiple_of(TABLE_EVERY);
        let table = carries_table.then(|| Table::parse(reader)).transpose()?;
        Ok(Self { federation, version, parent, issued, changes, table_root, table })
    }
}

/// A roster document: a statement and the governors' signatures, which are not checked here:
/// only its parent tells who may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it says.
    pub statement: Statement,
    /// Who signed, ascending by org.
    pub signatures: BTreeMap<OrgId, Signature>,
}

impl Document {
    /// A document with one signature.
    #[must_use]
    pub fn new(statement: Statement, signer: OrgId, key: &SecretKey) -> Self {
        let mut document = Self { statement, signatures: BTreeMap::new() };
        document.sign(signer, key);
        document
    }

    /// Adds a governor's signature.
    pub fn sign(&mut self, signer: OrgId, key: &SecretKey) {
        self.signatures.insert(signer, key.sign(&self.statement.encode()));
    }

    /// The hash by which blocks and the next document name it; signatures do not change it.
    #[must_use]
    pub fn hash(&self) -> RosterHash {
        RosterHash(b3kdf("flowlore roster v1", &self.statement.encode()))
    }

    /// `u32` length of the statement, the statement, `u16` number of signatures, and of each the
    /// org and the signature.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let statement = self.statement.encode();
        let mut bytes = Vec::with_capacity(statement.len() + 6 + 96 * self.signatures.len());
        bytes.put_u32(u32::try_from(statement.len()).unwrap_or(u32::MAX));
        bytes.put(&statement);
        bytes.put_u16(u16::try_from(self.signatures.len()).unwrap_or(u16::MAX));
        for (org, signature) in &self.signatures {
            bytes.put(&org.0);
            bytes.put(signature);
        }
        bytes
    }

    /// Reads a document; [`Self::encode`] gives the same bytes again.
    ///
    /// # Errors
    /// Malformed, too long, unknown kinds of change, anything not in its one order.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if bytes.len() > ROSTER_DOCUMENT_BYTES_MAX {
            return Err(reader.error("document too long"));
        }
        let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        let mut inner = Reader::new(reader.take(length)?);
        let statement = Statement::parse(&mut inner)?;
        inner.finish()?;
        let mut signatures = BTreeMap::new();
        for _ in 0..reader.u16()? {
            let org = OrgId(reader.array()?);
            if signatures.last_key_value().is_some_and(|(last, _)| *last >= org) {
                return Err(reader.error("signatures not ascending"));
            }
            signatures.insert(org, reader.array()?);
        }
        reader.finish()?;
        Ok(Self { statement, signatures })
    }
}

#[cfg(test)]
mod tests;

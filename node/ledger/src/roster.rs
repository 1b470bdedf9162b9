//! The roster chain: which documents hold, and what they add up to at every version.
//!
//! A document holds when more than half of its parent's governors signed it, its changes apply and
//! the table that results has the root that it states. Document 0 is signed by its own governors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flowlore_common::ids::{FederationId, OrgId, RosterHash};
use flowlore_common::limits::ROSTER_MEMBERS_MAX;
use flowlore_common::roster::{
    Change, Document, KeyEpoch, Member, Policy, Statement, TABLE_EVERY, Table, table_root,
};
use flowlore_common::sign::PublicKey;
use flowlore_common::time::Hour;

use crate::limits::ROSTER_RIVALS_MAX;

mod change;
mod contest;

pub(crate) use contest::Contest;

/// Why a roster document is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Of another federation. The sender is in the wrong place.
    #[error("the roster document is of another federation")]
    Federation,
    /// Documents before it are missing: held until they are here.
    #[error("roster document {given} came before document {wanted}")]
    Missing {
        /// Its version.
        given: u32,
        /// The next that is needed.
        wanted: u32,
    },
    /// It names another parent than the document before it.
    #[error("roster document {0} does not follow the one before it")]
    Parent(u32),
    /// Another document of a version that is here, and it holds: governors signed two.
    #[error("two valid roster documents of version {0}: governors disagree")]
    Fork(u32),
    /// More documents of one version than are kept.
    #[error("more than {max} roster documents of version {version}", max = ROSTER_RIVALS_MAX)]
    Rivals {
        /// Their version.
        version: u32,
    },
    /// It was issued before its parent.
    #[error("the roster document was issued before its parent")]
    Time,
    /// Signed by one who is no governor of the parent, or with a signature that does not hold.
    #[error("a signature of the roster document is not of a governor, or does not hold")]
    Signature,
    /// Fewer signatures than more than half of the governors.
    #[error("{given} of {governors} governors signed: more than half are needed")]
    TooFew {
        /// Valid signatures.
        given: usize,
        /// Governors of the parent.
        governors: usize,
    },
    /// A change that can't be applied.
    #[error("change {index} of the roster document: {what}")]
    Change {
        /// Which, from 0.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// No governor would be left: nobody could ever change anything.
    #[error("no governor would be left")]
    NoGovernor,
    /// The table that results is not the one that it states.
    #[error("the member table that results is not the one that the document states")]
    Root,
}

/// Governors and their keys.
type Governors = BTreeMap<OrgId, [u8; 32]>;

/// What a thing was from which version on, ascending.
type History<T> = Vec<(u32, T)>;

/// The documents held, and their sums. Everything is kept by the version that brought it, so that
/// a block can be judged by the version that it names.
#[derive(Clone, Debug)]
pub struct Chain {
    federation: FederationId,
    links: Vec<Link>,
    policies: History<Policy>,
    /// `None`: retired.
    key_epochs: BTreeMap<u32, History<Option<Arc<KeyEpoch>>>>,
    members: BTreeMap<OrgId, History<Arc<Member>>>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    hash: RosterHash,
    issued: Hour,
}

/// What one document changes, before it is taken.
#[derive(Clone, Debug, Default)]
struct Overlay {
    policy: Option<Policy>,
    key_epochs: BTreeMap<u32, Option<Arc<KeyEpoch>>>,
    members: BTreeMap<OrgId, Arc<Member>>,
}

impl Chain {
    /// Founds a chain on document 0, whose hash is the federation's id.
    ///
    /// # Errors
    /// See [`RosterError`].
    pub fn found(document: &Document) -> Result<Self, RosterError> {
        let mut chain = Self::empty();
        chain.federation = FederationId(document.hash().0);
        chain.take(document)?;
        Ok(chain)
    }

    /// Takes the next document. One that is already here changes nothing and says `false`.
    ///
    /// # Errors
    /// See [`RosterError`]; the chain is as before then.
    pub fn apply(&mut self, document: &Document) -> Result<bool, RosterError> {
        let statement = &document.statement;
        let wanted = self.next_version();
        if statement.version < wanted {
            return self.compare_with_ours(document).map(|()| false);
        }
        if statement.version > wanted {
            return Err(RosterError::Missing { given: statement.version, wanted });
        }
        self.take(document)?;
        Ok(true)
    }

    /// The first statement of a federation that does not exist yet.
    ///
    /// # Errors
    /// `Change`, `NoGovernor`.
    pub fn draft_first(changes: Vec<Change>, issued: Hour) -> Result<Statement, RosterError> {
        Self::empty().draft(changes, issued)
    }

    /// The statement that would follow ours with these changes, to be signed by governors.
    ///
    /// # Errors
    /// `Change`, `NoGovernor`, `Time`.
    pub fn draft(&self, changes: Vec<Change>, issued: Hour) -> Result<Statement, RosterError> {
        let version = self.next_version();
        let mut statement = Statement {
            federation: self.federation,
            version,
            parent: self.links.last().map_or(RosterHash::default(), |link| link.hash),
            issued,
            changes,
            table_root: [0; 32],
            table: None,
        };
        let overlay = self.overlay(&statement)?;
        statement.table_root = self.root_with(&overlay);
        if version > 0 && version.is_multiple_of(TABLE_EVERY) {
            statement.table = Some(self.table_with(&overlay));
        }
        Ok(statement)
    }

    /// The federation's id.
    #[must_use]
    pub const fn federation(&self) -> FederationId {
        self.federation
    }

    /// What holds now.
    #[must_use]
    pub fn newest(&self) -> View<'_> {
        View { chain: self, version: self.next_version().saturating_sub(1) }
    }

    /// What held at a version that is here.
    #[must_use]
    pub fn at(&self, version: u32) -> Option<View<'_>> {
        (version < self.next_version()).then_some(View { chain: self, version })
    }

    fn empty() -> Self {
        Self {
            federation: FederationId::default(),
            links: Vec::new(),
            policies: Vec::new(),
            key_epochs: BTreeMap::new(),
            members: BTreeMap::new(),
        }
    }

    /// The chain as it was before a version.
    pub(crate) fn before(&self, version: u32) -> Self {
        fn older<T: Clone>(history: &History<T>, version: u32) -> Option<History<T>> {
            let kept: History<T> =
                history.iter().filter(|(since, _)| *since < version).cloned().collect();
            (!kept.is_empty()).then_some(kept)
        }
        let links = usize::try_from(version).unwrap_or(usize::MAX).min(self.links.len());
        let key_epochs = self.key_epochs.iter();
        let members = self.members.iter();
        Self {
            federation: self.federation,
            links: self.links[..links].to_vec(),
            policies: older(&self.policies, version).unwrap_or_default(),
            key_epochs: key_epochs
                .filter_map(|(number, history)| Some((*number, older(history, version)?)))
                .collect(),
            members: members
                .filter_map(|(org, history)| Some((*org, older(history, version)?)))
                .collect(),
        }
    }

    /// The hash of the document of a version that is here.
    pub(crate) fn hash_of(&self, version: u32) -> Option<RosterHash> {
        self.link(version).map(|link| link.hash)
    }

    pub(crate) fn next_version(&self) -> u32 {
        u32::try_from(self.links.len()).unwrap_or(u32::MAX)
    }

    fn link(&self, version: u32) -> Option<&Link> {
        self.links.get(usize::try_from(version).ok()?)
    }

    /// A document of a version that is here: ours, one that never could have held, or a fork.
    fn compare_with_ours(&self, document: &Document) -> Result<(), RosterError> {
        let version = document.statement.version;
        let ours = self.link(version).ok_or(RosterError::Parent(version))?;
        if document.hash() == ours.hash {
            return Ok(());
        }
        let Some(parent) = version.checked_sub(1).and_then(|parent| self.at(parent)) else {
            return Err(RosterError::Federation);
        };
        if document.statement.parent != parent.hash() {
            return Err(RosterError::Parent(version));
        }
        check_majority(document, &parent.governors())?;
        Err(RosterError::Fork(version))
    }

    fn take(&mut self, document: &Document) -> Result<(), RosterError> {
        let overlay = self.check(document)?;
        let governors = match self.links.is_empty() {
            true => governors(overlay.members.values()),
            false => self.newest().governors(),
        };
        check_majority(document, &governors)?;
        self.absorb(overlay, document.statement.version);
        self.links.push(Link { hash: document.hash(), issued: document.statement.issued });
        Ok(())
    }

    /// Whether a document follows ours and is signed by nobody but governors, leaving open by how
    /// many.
    fn check(&self, document: &Document) -> Result<Overlay, RosterError> {
        let statement = &document.statement;
        let parent = self.links.last().copied();
        let is_first = parent.is_none();
        let federation = if is_first { FederationId::default() } else { self.federation };
        if statement.federation != federation || statement.version != self.next_version() {
            return Err(RosterError::Federation);
        }
        if statement.parent != parent.map_or(RosterHash::default(), |link| link.hash) {
            return Err(RosterError::Parent(statement.version));
        }
        if !is_first {
            check_signatures(document, &self.newest().governors())?;
        }
        let overlay = self.overlay(statement)?;
        if is_first {
            check_signatures(document, &governors(overlay.members.values()))?;
        }
        let table_holds =
            statement.table.as_ref().is_none_or(|table| *table == self.table_with(&overlay));
        if statement.table_root != self.root_with(&overlay) || !table_holds {
            return Err(RosterError::Root);
        }
        Ok(overlay)
    }

    fn overlay(&self, statement: &Statement) -> Result<Overlay, RosterError> {
        if self.links.last().is_some_and(|link| statement.issued < link.issued) {
            return Err(RosterError::Time);
        }
        let mut overlay = Overlay::default();
        for (index, change) in statement.changes.iter().enumerate() {
            change::apply(self, &mut overlay, statement, change)
                .map_err(|what| RosterError::Change { index, what })?;
        }
        let members = self.members_with(&overlay);
        if u32::try_from(members.len()).unwrap_or(u32::MAX) > ROSTER_MEMBERS_MAX {
            return Err(RosterError::Change { index: 0, what: "too many members" });
        }
        if governors(members).is_empty() {
            return Err(RosterError::NoGovernor);
        }
        Ok(overlay)
    }

    fn absorb(&mut self, overlay: Overlay, version: u32) {
        if let Some(policy) = overlay.policy {
            self.policies.push((version, policy));
        } else if self.policies.is_empty() {
            self.policies.push((version, Policy::default()));
        }
        for (number, key_epoch) in overlay.key_epochs {
            self.key_epochs.entry(number).or_default().push((version, key_epoch));
        }
        for (org, member) in overlay.members {
            self.members.entry(org).or_default().push((version, member));
        }
    }

    fn root_with(&self, overlay: &Overlay) -> [u8; 32] {
        let members: Vec<_> = self.members_with(overlay).into_iter().map(Arc::as_ref).collect();
        let key_epochs = self.key_epochs_with(overlay);
        let key_epochs: Vec<_> = key_epochs.iter().map(Arc::as_ref).collect();
        table_root(&self.policy_with(overlay), &key_epochs, &members)
    }

    fn table_with(&self, overlay: &Overlay) -> Table {
        let members = self.members_with(overlay).into_iter();
        let key_epochs = self.key_epochs_with(overlay).into_iter();
        Table {
            policy: self.policy_with(overlay),
            key_epochs: key_epochs.map(|entry| (entry.number, (*entry).clone())).collect(),
            members: members.map(|entry| (entry.org, (**entry).clone())).collect(),
        }
    }

    fn policy_with(&self, overlay: &Overlay) -> Policy {
        let current = || self.policies.last().map(|(_, policy)| policy.clone());
        overlay.policy.clone().or_else(current).unwrap_or_default()
    }

    /// Live key epochs, ascending.
    fn key_epochs_with(&self, overlay: &Overlay) -> Vec<Arc<KeyEpoch>> {
        let newest = |history: &History<Option<Arc<KeyEpoch>>>| history.last()?.1.clone();
        let ours = self.key_epochs.iter().map(|(number, history)| (*number, newest(history)));
        let mut all: BTreeMap<_, _> = ours.collect();
        all.extend(overlay.key_epochs.iter().map(|(number, entry)| (*number, entry.clone())));
        all.into_values().flatten().collect()
    }

    /// All members, ascending by org.
    fn members_with<'a>(&'a self, overlay: &'a Overlay) -> Vec<&'a Arc<Member>> {
        let newest = |(org, history): (&OrgId, &'a History<Arc<Member>>)| {
            history.last().map(|(_, member)| (*org, member))
        };
        let mut all: BTreeMap<_, _> = self.members.iter().filter_map(newest).collect();
        all.extend(overlay.members.iter().map(|(org, member)| (*org, member)));
        all.into_values().collect()
    }
}

/// The roster at one version.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    chain: &'a Chain,
    version: u32,
}

impl<'a> View<'a> {
    /// The version.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// That document's hash.
    #[must_use]
    pub fn hash(&self) -> RosterHash {
        self.chain.link(self.version).map_or(RosterHash::default(), |link| link.hash)
    }

    /// When that document was issued.
    #[must_use]
    pub fn issued(&self) -> Hour {
        self.chain.link(self.version).map_or(Hour::default(), |link| link.issued)
    }

    /// When the next document was issued, if there is one.
    #[must_use]
    pub fn succeeded(&self) -> Option<Hour> {
        self.chain.link(self.version.checked_add(1)?).map(|link| link.issued)
    }

    /// The federation's id.
    #[must_use]
    pub const fn federation(&self) -> FederationId {
        self.chain.federation
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &'a Policy {
        held(&self.chain.policies, self.version).expect("document 0 brings a policy")
    }

    /// A live key epoch.
    #[must_use]
    pub fn key_epoch(&self, number: u32) -> Option<&'a KeyEpoch> {
        held(self.chain.key_epochs.get(&number)?, self.version)?.as_deref()
    }

    /// Live key epochs, ascending by number.
    pub fn key_epochs(self) -> impl Iterator<Item = &'a KeyEpoch> {
        let histories = self.chain.key_epochs.values();
        histories.filter_map(move |history| held(history, self.version)?.as_deref())
    }

    /// A member, expelled ones included.
    #[must_use]
    pub fn member(&self, org: &OrgId) -> Option<&'a Member> {
        held(self.chain.members.get(org)?, self.version).map(Arc::as_ref)
    }

    /// Members by org ascending, expelled ones included.
    pub fn members(self) -> impl Iterator<Item = &'a Member> {
        let histories = self.chain.members.values();
        histories.filter_map(move |history| held(history, self.version).map(Arc::as_ref))
    }

    /// Active members.
    #[must_use]
    pub fn active(&self) -> u32 {
        u32::try_from(self.members().filter(|member| member.active).count()).unwrap_or(u32::MAX)
    }

    /// The member whose certificate has this key.
    #[must_use]
    pub fn by_transport_key(&self, key: &[u8; 32]) -> Option<&'a Member> {
        self.members().find(|member| member.active && member.transport_key == *key)
    }

    /// The member who holds this share of the OPRF key.
    #[must_use]
    pub fn evaluator(&self, number: u16) -> Option<&'a Member> {
        self.members().find(|member| member.active && member.roles.evaluator == Some(number))
    }

    fn governors(&self) -> Governors {
        self.members()
            .filter(|member| member.active && member.roles.governor)
            .map(|member| (member.org, member.key()))
            .collect()
    }
}

/// What of a history held at a version.
fn held<T>(history: &[(u32, T)], version: u32) -> Option<&T> {
    let after = history.partition_point(|(since, _)| *since <= version);
    history.get(after.checked_sub(1)?).map(|(_, value)| value)
}

/// Active governors and their keys.
fn governors<'a>(members: impl IntoIterator<Item = &'a Arc<Member>>) -> Governors {
    let members = members.into_iter().filter(|member| member.active && member.roles.governor);
    members.map(|member| (member.org, member.key())).collect()
}

fn check_signatures(document: &Document, governors: &Governors) -> Result<(), RosterError> {
    let message = document.statement.encode();
    for (org, signature) in &document.signatures {
        let key = governors.get(org).ok_or(RosterError::Signature)?;
        let key = PublicKey::parse(key).map_err(|_| RosterError::Signature)?;
        key.verify(&message, signature).map_err(|_| RosterError::Signature)?;
    }
    Ok(())
}

/// Whether more than half of the governors signed, and nobody else.
fn check_majority(document: &Document, governors: &Governors) -> Result<(), RosterError> {
    check_signatures(document, governors)?;
    let (given, governors) = (document.signatures.len(), governors.len());
    if 2 * given > governors { Ok(()) } else { Err(RosterError::TooFew { given, governors }) }
}

/// Orgs whose labels a roster change affects.
#[must_use]
pub fn orgs_changed(statement: &Statement) -> BTreeSet<OrgId> {
    statement
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Rekey { org, .. } | Change::Expel { org, .. } => Some(*org),
            _ => None,
        })
        .collect()
}

//! What a roster document can change: `kind u8 || length u32 || bytes`.

use super::member::{
    FeedPlace, Registration, Roles, encode_endpoints, encode_orgs, parse_endpoints, parse_orgs,
};
use super::{KeyEpoch, Policy};
use crate::canon::{Malformed, Put as _, Reader};
use crate::ids::{FederationId, OrgId};
use crate::limits::NAME_BYTES_MAX;
use crate::sign::{SecretKey, Signature, tags};

/// A new member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Gives its name, share group and first signing key.
    pub registration: Registration,
    /// What people call it.
    pub name: String,
    /// Key of its TLS certificate.
    pub transport_key: [u8; 32],
    /// Where it listens.
    pub endpoints: Vec<String>,
    /// What it may do.
    pub roles: Roles,
    /// Who is controlled together.
    pub control_group: [u8; 32],
    /// Who vouches for it.
    pub endorsers: Vec<OrgId>,
}

/// New keys of an org. Written by hand, signed by the old and the new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Whose.
    pub org: OrgId,
    /// Where the new signing key begins.
    pub from: FeedPlace,
    /// The new signing key; the same as before when only the transport key changes.
    pub signing_key: [u8; 32],
    /// The new transport key.
    pub transport_key: [u8; 32],
    /// By the old signing key over [`Self::message`].
    pub old_signature: Signature,
    /// By the new one.
    pub new_signature: Signature,
}

impl Rotation {
    /// What both keys sign.
    #[must_use]
    pub fn message(&self, federation: &FederationId) -> Vec<u8> {
        let mut bytes = tags::ROTATE.to_vec();
        bytes.put(&federation.0);
        self.encode_unsigned(&mut bytes);
        bytes
    }

    /// Fills in both signatures.
    pub fn sign(&mut self, federation: &FederationId, old: &SecretKey, new: &SecretKey) {
        let message = self.message(federation);
        self.old_signature = old.sign(&message);
        self.new_signature = new.sign(&message);
    }

    fn encode_unsigned(&self, bytes: &mut Vec<u8>) {
        bytes.put(&self.org.0);
        self.from.encode(bytes);
        bytes.put(&self.signing_key);
        bytes.put(&self.transport_key);
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Kind 1: the whole policy anew.
    Policy(Policy),
    /// Kind 2: a new key epoch, or the next generation of one.
    KeyEpoch(KeyEpoch),
    /// Kind 3: a key epoch ends; labels under it stop counting.
    RetireKeyEpoch(u32),
    /// Kind 4: a new member.
    Admit(Box<Admission>),
    /// Kind 5: where a member listens.
    Endpoints(OrgId, Vec<String>),
    /// Kind 6: what a member may do.
    Roles(OrgId, Roles),
    /// Kind 7: new keys by the member's own will.
    Rotate(Box<Rotation>),
    /// Kind 8: new keys by the governors' will, because the old ones are stolen or lost: blocks
    /// from `from` on that name an older roster are cut; the new keys begin at the next incarnation.
    Rekey {
        /// Whose.
        org: OrgId,
        /// The first place that is cut off.
        from: FeedPlace,
        /// The new signing key.
        signing_key: [u8; 32],
        /// The new transport key.
        transport_key: [u8; 32],
    },
    /// Kind 9: no longer a member; its blocks from `from` on are cut, its labels stop counting.
    Expel {
        /// Who.
        org: OrgId,
        /// The first place that is cut off.
        from: FeedPlace,
        /// Whether it left by itself.
        left: bool,
    },
    /// Kind 10: the control group of all who share this member's share group.
    ControlGroup(OrgId, [u8; 32]),
}

impl Change {
    /// Appends kind, length and bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let mut inner = Vec::new();
        let kind = self.encode_inner(&mut inner);
        bytes.put_u8(kind);
        bytes.put_u32(u32::try_from(inner.len()).unwrap_or(u32::MAX));
        bytes.put(&inner);
    }

    /// Reads one change.
    ///
    /// # Errors
    /// Malformed, or a kind that is not known: a node that can't apply a document must not guess.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let kind = reader.u8()?;
        let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        let unknown = reader.error("unknown kind of roster change");
        let mut inner = Reader::new(reader.take(length)?);
        let change = Self::parse_inner(kind, &mut inner)?.ok_or(unknown)?;
        inner.finish()?;
        Ok(change)
    }

    fn encode_inner(&self, bytes: &mut Vec<u8>) -> u8 {
        match self {
            Self::Policy(policy) => {
                policy.encode(bytes);
                1
            }
            Self::KeyEpoch(key_epoch) => {
                key_epoch.encode(bytes);
                2
            }
            Self::RetireKeyEpoch(number) => {
                bytes.put_u32(*number);
                3
            }
            Self::Admit(admission) => {
                admission.encode(bytes);
                4
            }
            Self::Endpoints(org, endpoints) => {
                bytes.put(&org.0);
                encode_endpoints(endpoints, bytes);
                5
            }
            Self::Roles(org, roles) => {
                bytes.put(&org.0);
                roles.encode(bytes);
                6
            }
            Self::Rotate(rotation) => {
                rotation.encode_unsigned(bytes);
                bytes.put(&rotation.old_signature);
                bytes.put(&rotation.new_signature);
                7
            }
            Self::Rekey { org, from, signing_key, transport_key } => {
                bytes.put(&org.0);
                from.encode(bytes);
                bytes.put(signing_key);
                bytes.put(transport_key);
                8
            }
            Self::Expel { org, from, left } => {
                bytes.put(&org.0);
                from.encode(bytes);
                bytes.put_u8(u8::from(*left));
                9
            }
            Self::ControlGroup(org, group) => {
                bytes.put(&org.0);
                bytes.put(group);
                10
            }
        }
    }

    fn parse_inner(kind: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, Malformed> {
        Ok(Some(match kind {
            1 => Self::Policy(Policy::parse(reader)?),
            2 => Self::KeyEpoch(KeyEpoch::parse(reader)?),
            3 => Self::RetireKeyEpoch(reader.u32()?),
            4 => Self::Admit(Box::new(Admission::parse(reader)?)),
            5 => Self::Endpoints(OrgId(reader.array()?), parse_endpoints(reader)?),
            6 => Self::Roles(OrgId(reader.array()?), Roles::parse(reader)?),
            7 => Self::Rotate(Box::new(Rotation {
                org: OrgId(reader.array()?),
                from: FeedPlace::parse(reader)?,
                signing_key: reader.array()?,
                transport_key: reader.array()?,
                old_signature: reader.array()?,
                new_signature: reader.array()?,
            })),
            8 => Self::Rekey {
                org: OrgId(reader.array()?),
                from: FeedPlace::parse(reader)?,
                signing_key: reader.array()?,
                transport_key: reader.array()?,
            },
            9 => Self::Expel {
                org: OrgId(reader.array()?),
                from: FeedPlace::parse(reader)?,
                left: reader.bool()?,
            },
            10 => Self::ControlGroup(OrgId(reader.array()?), reader.array()?),
            _ => return Ok(None),
        }))
    }
}

impl Admission {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put(&self.registration.encode());
        bytes.put_text(&self.name);
        bytes.put(&self.transport_key);
        encode_endpoints(&self.endpoints, bytes);
        self.roles.encode(bytes);
        bytes.put(&self.control_group);
        encode_orgs(&self.endorsers, bytes);
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            registration: Registration::parse(reader)?,
            name: reader.text(NAME_BYTES_MAX)?,
            transport_key: reader.array()?,
            endpoints: parse_endpoints(reader)?,
            roles: Roles::parse(reader)?,
            control_group: reader.array()?,
            endorsers: parse_orgs(reader)?,
        })
    }
}

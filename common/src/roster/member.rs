//! One org in the roster.

use crate::canon::{Malformed, Put as _, Reader, b3kdf};
use crate::ids::{OrgId, ShareGroup};
use crate::limits::{
    ADDRESS_BYTES_MAX, CUTS_MAX, ENDORSERS_MAX, ENDPOINTS_MAX, KEY_RANGES_MAX, NAME_BYTES_MAX,
};
use crate::time::Hour;

/// What an org's name is made of; its hash is the [`OrgId`], so that nothing in it ever changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Makes two orgs different even when all else is equal.
    pub random: [u8; 32],
    /// What siblings under common control share: theirs, or 32 random bytes.
    pub share_group: ShareGroup,
    /// The first signing key.
    pub first_key: [u8; 32],
}

impl Registration {
    /// Bytes of a registration record.
    pub const BYTES: usize = 96;

    /// random || share group || first key.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(&self.random);
        bytes[32..64].copy_from_slice(&self.share_group.0);
        bytes[64..].copy_from_slice(&self.first_key);
        bytes
    }

    /// Reads the 96 bytes; the key is not checked here.
    ///
    /// # Errors
    /// Cut off.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (random, share_group) = (reader.array()?, ShareGroup(reader.array()?));
        Ok(Self { random, share_group, first_key: reader.array()? })
    }

    /// The org that registers so.
    #[must_use]
    pub fn org(&self) -> OrgId {
        OrgId(b3kdf("FLP1 2026-11 org-id v1", &self.encode()))
    }
}

/// What an org may do besides publishing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Signs roster documents.
    pub governor: bool,
    /// Attests what it holds.
    pub witness: bool,
    /// Holds this share of the OPRF key; numbers count from 1.
    pub evaluator: Option<u16>,
}

impl Roles {
    /// Appends flags (1 governor, 2 witness) and the evaluator's number (0 none).
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_u8(u8::from(self.governor) | u8::from(self.witness) << 1);
        bytes.put_u16(self.evaluator.unwrap_or(0));
    }

    /// Reads them.
    ///
    /// # Errors
    /// Cut off, or an unknown flag.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.u8()?;
        if flags > 3 {
            return Err(reader.error("unknown role"));
        }
        let evaluator = Some(reader.u16()?).filter(|number| *number != 0);
        Ok(Self { governor: flags & 1 != 0, witness: flags & 2 != 0, evaluator })
    }
}

/// A place in an org's feeds; ordered as time goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedPlace {
    /// The incarnation.
    pub incarnation: u32,
    /// The height in it.
    pub height: u64,
}

impl FeedPlace {
    /// Appends incarnation and height.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_u32(self.incarnation);
        bytes.put_u64(self.height);
    }

    /// Reads them.
    ///
    /// # Errors
    /// Cut off.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { incarnation: reader.u32()?, height: reader.u64()? })
    }
}

/// The signing key from a place on, until the next range begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it begins.
    pub from: FeedPlace,
    /// The ed25519 public key.
    pub key: [u8; 32],
}

/// Blocks at or after a place that name an older roster than `version` count for nothing: so a key
/// that was stolen or thrown out can't write on by naming an old document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The first place that is cut off.
    pub from: FeedPlace,
    /// The version of the document that said so.
    pub version: u32,
}

/// One org in the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name for ever: the hash of `registration`.
    pub org: OrgId,
    /// What that is the hash of.
    pub registration: Registration,
    /// What people call it.
    pub name: String,
    /// Key of its TLS certificate.
    pub transport_key: [u8; 32],
    /// Where it listens; none for one that only dials.
    pub endpoints: Vec<String>,
    /// What it may do.
    pub roles: Roles,
    /// Who is controlled together counts once. Equal for equal share groups.
    pub control_group: [u8; 32],
    /// Who vouched for it.
    pub endorsers: Vec<OrgId>,
    /// When it was admitted.
    pub admitted: Hour,
    /// False once expelled, until re-keyed.
    pub active: bool,
    /// Its signing keys, ascending by place; never empty.
    pub keys: Vec<KeyRange>,
    /// What was cut from its feeds.
    pub cuts: Vec<Cut>,
}

impl Member {
    /// The signing key for a block at this place.
    #[must_use]
    pub fn key_at(&self, place: FeedPlace) -> [u8; 32] {
        let holds = |range: &&KeyRange| range.from <= place;
        self.keys.iter().rev().find(holds).map_or(self.registration.first_key, |range| range.key)
    }

    /// The newest signing key: for everything but blocks.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        self.keys.last().map_or(self.registration.first_key, |range| range.key)
    }

    /// Whether a block at this place that names this roster version was cut off.
    #[must_use]
    pub fn is_cut(&self, place: FeedPlace, roster_version: u32) -> bool {
        self.cuts.iter().any(|cut| place >= cut.from && roster_version < cut.version)
    }

    /// Appends its entry in the table.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put(&self.registration.encode());
        bytes.put_text(&self.name);
        bytes.put(&self.transport_key);
        encode_endpoints(&self.endpoints, bytes);
        self.roles.encode(bytes);
        bytes.put(&self.control_group);
        encode_orgs(&self.endorsers, bytes);
        bytes.put_u32(self.admitted.0);
        bytes.put_u8(u8::from(self.active));
        bytes.put_u16(u16::try_from(self.keys.len()).unwrap_or(u16::MAX));
        for range in &self.keys {
            range.from.encode(bytes);
            bytes.put(&range.key);
        }
        bytes.put_u16(u16::try_from(self.cuts.len()).unwrap_or(u16::MAX));
        for cut in &self.cuts {
            cut.from.encode(bytes);
            bytes.put_u32(cut.version);
        }
    }

    /// Reads its entry.
    ///
    /// # Errors
    /// Malformed, over a limit, or without a key.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let registration = Registration::parse(reader)?;
        let mut member = Self {
            org: registration.org(),
            registration,
            name: reader.text(NAME_BYTES_MAX)?,
            transport_key: reader.array()?,
            endpoints: parse_endpoints(reader)?,
            roles: Roles::parse(reader)?,
            control_group: reader.array()?,
            endorsers: parse_orgs(reader)?,
            admitted: Hour(reader.u32()?),
            active: reader.bool()?,
            keys: Vec::new(),
            cuts: Vec::new(),
        };
        let keys = usize::from(reader.u16()?);
        if keys == 0 || keys > KEY_RANGES_MAX {
            return Err(reader.error("no key, or too many"));
        }
        for _ in 0..keys {
            let from = FeedPlace::parse(reader)?;
            member.keys.push(KeyRange { from, key: reader.array()? });
        }
        let cuts = usize::from(reader.u16()?);
        if cuts > CUTS_MAX {
            return Err(reader.error("too many cuts"));
        }
        for _ in 0..cuts {
            let from = FeedPlace::parse(reader)?;
            member.cuts.push(Cut { from, version: reader.u32()? });
        }
        Ok(member)
    }
}

/// `u8` count, then texts.
pub(crate) fn encode_endpoints(endpoints: &[String], bytes: &mut Vec<u8>) {
    bytes.put_u8(u8::try_from(endpoints.len()).unwrap_or(u8::MAX));
    for endpoint in endpoints {
        bytes.put_text(endpoint);
    }
}

/// Reads what [`encode_endpoints`] wrote.
pub(crate) fn parse_endpoints(reader: &mut Reader<'_>) -> Result<Vec<String>, Malformed> {
    let count = usize::from(reader.u8()?);
    if count > ENDPOINTS_MAX {
        return Err(reader.error("too many endpoints"));
    }
    (0..count).map(|_| reader.text(ADDRESS_BYTES_MAX)).collect()
}

/// `u8` count, then orgs.
pub(crate) fn encode_orgs(orgs: &[OrgId], bytes: &mut Vec<u8>) {
    bytes.put_u8(u8::try_from(orgs.len()).unwrap_or(u8::MAX));
    for org in orgs {
        bytes.put(&org.0);
    }
}

/// Reads what [`encode_orgs`] wrote.
pub(crate) fn parse_orgs(reader: &mut Reader<'_>) -> Result<Vec<OrgId>, Malformed> {
    let count = usize::from(reader.u8()?);
    if count > ENDORSERS_MAX {
        return Err(reader.error("too many endorsers"));
    }
    (0..count).map(|_| Ok(OrgId(reader.array()?))).collect()
}

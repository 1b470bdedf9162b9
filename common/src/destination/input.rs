//! The bytes that stand for a destination in the evaluation: what everybody must spell alike.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Host, Name, slash64};
use crate::limits::DNS_NAME_BYTES_MAX;
use crate::suffixes::Suffixes;

/// `"FLP1-dest" || 00`: keeps these bytes apart from anything else that is ever evaluated.
const TAG: &[u8; 10] = b"FLP1-dest\0";
/// Tag, kind, port and length.
const HEAD_BYTES: usize = TAG.len() + 1 + 2 + 2;

/// Longest input, bytes: the head and the longest name.
pub const INPUT_BYTES_MAX: usize = HEAD_BYTES + DNS_NAME_BYTES_MAX;

/// What an input names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum InputKind {
    /// A DNS name.
    Name = 1,
    /// An IPv4 address.
    V4 = 2,
    /// An IPv6 address.
    V6 = 3,
    /// A registrable domain with all names below it.
    Site = 4,
    /// An IPv6 network of 64 bits.
    Slash64 = 5,
}

/// `"FLP1-dest" || 00 || kind u8 || port u16 = 0 || len u16 || name`, canonical. The port is always
/// 0: one evaluation serves all ports of a host.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Input(Box<[u8]>);

/// Bytes that are no input. Never says which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Not the tag, or lengths that disagree.
    #[error("not an input: tag or lengths are wrong")]
    Form,
    /// A kind other than 1 to 5.
    #[error("an input of unknown kind {0}")]
    Kind(u8),
    /// A port other than 0.
    #[error("an input with a port: only port 0 is evaluated")]
    Port,
    /// The name is not in the one form that everybody derives.
    #[error("an input whose name is not in its canonical form")]
    NotCanonical,
}

impl Input {
    /// Kind 1, 2 or 3: the host itself.
    #[must_use]
    pub fn host(host: &Host) -> Self {
        match host {
            Host::Name(name) => Self::new(InputKind::Name, name.as_str().as_bytes()),
            Host::V4(address) => Self::new(InputKind::V4, &address.octets()),
            Host::V6(address) => Self::new(InputKind::V6, &address.octets()),
        }
    }

    /// Kind 4. `site` must be a registrable domain; [`super::inputs`] sees to that.
    pub(super) fn site(site: &str) -> Self {
        Self::new(InputKind::Site, site.as_bytes())
    }

    /// Kind 5: the network of an IPv6 address.
    pub(super) fn slash64(address: Ipv6Addr) -> Self {
        Self::new(InputKind::Slash64, &slash64(address))
    }

    fn new(kind: InputKind, name: &[u8]) -> Self {
        let length = u16::try_from(name.len()).expect("names have at most 253 bytes");
        let mut bytes = Vec::with_capacity(HEAD_BYTES + name.len());
        bytes.extend_from_slice(TAG);
        bytes.push(kind as u8);
        bytes.extend_from_slice(&0_u16.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(name);
        Self(bytes.into())
    }

    /// Reads an input that others recovered: known kind, port 0, canonical name; a site must be a
    /// registrable domain of the list that the federation pins.
    ///
    /// Whether it may be a token at all is another question: [`super::federation_rule`] of
    /// [`Self::subject`].
    ///
    /// # Errors
    /// [`InputError`] says which of these fails.
    pub fn parse(bytes: &[u8], suffixes: &Suffixes) -> Result<Self, InputError> {
        let rest = bytes.strip_prefix(TAG).ok_or(InputError::Form)?;
        let (&[kind, port_high, port_low, length_high, length_low], name) =
            rest.split_first_chunk().ok_or(InputError::Form)?;
        if usize::from(u16::from_be_bytes([length_high, length_low])) != name.len() {
            return Err(InputError::Form);
        }
        if (port_high, port_low) != (0, 0) {
            return Err(InputError::Port);
        }
        let canonical = match kind {
            1 => Self::host(&Host::Name(canonical_name(name)?)),
            2 => Self::host(&Host::V4(Ipv4Addr::from(array(name)?))),
            3 => {
                let address = Ipv6Addr::from(array::<16>(name)?);
                if address.to_ipv4_mapped().is_some() {
                    return Err(InputError::NotCanonical);
                }
                Self::host(&Host::V6(address))
            }
            4 => {
                let site = canonical_name(name)?;
                if suffixes.site(site.as_str()) != Some(site.as_str()) {
                    return Err(InputError::NotCanonical);
                }
                Self::site(site.as_str())
            }
            5 => Self::new(InputKind::Slash64, &array::<8>(name)?),
            unknown => return Err(InputError::Kind(unknown)),
        };
        Ok(canonical)
    }

    /// The bytes that are hashed to the group and sealed into a record.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it names.
    #[must_use]
    pub fn kind(&self) -> InputKind {
        match self.0[TAG.len()] {
            1 => InputKind::Name,
            2 => InputKind::V4,
            3 => InputKind::V6,
            4 => InputKind::Site,
            _ => InputKind::Slash64, // the constructors write no other
        }
    }

    /// The host that it names: the site's own name for kind 4, the network's first address for kind
    /// 5.
    #[must_use]
    pub fn subject(&self) -> Host {
        let name = &self.0[HEAD_BYTES..];
        match self.kind() {
            InputKind::Name | InputKind::Site => {
                let text = std::str::from_utf8(name).expect("names are ASCII by construction");
                Host::Name(Name(text.into()))
            }
            InputKind::V4 => Host::V4(Ipv4Addr::from(
                <[u8; 4]>::try_from(name).expect("an IPv4 input holds four bytes"),
            )),
            InputKind::V6 | InputKind::Slash64 => {
                let mut octets = [0; 16];
                octets[..name.len()].copy_from_slice(name);
                Host::V6(Ipv6Addr::from(octets))
            }
        }
    }

    /// Its text for the org's own people: a name, an address, or a network such as `2001:db8::/64`.
    #[must_use]
    pub fn text(&self) -> String {
        let subject = self.subject();
        match self.kind() {
            InputKind::Slash64 => format!("{}/64", subject.text()),
            _ => subject.text().into_owned(),
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({:?}, {} bytes)", self.kind(), self.0.len())
    }
}

fn array<const N: usize>(name: &[u8]) -> Result<[u8; N], InputError> {
    name.try_into().map_err(|_| InputError::NotCanonical)
}

/// The name, if these bytes are exactly how the normaliser writes it.
fn canonical_name(bytes: &[u8]) -> Result<Name, InputError> {
    let text = std::str::from_utf8(bytes).map_err(|_| InputError::NotCanonical)?;
    let name: Name = text.parse().map_err(|_| InputError::NotCanonical)?;
    if name.as_str() == text { Ok(name) } else { Err(InputError::NotCanonical) }
}

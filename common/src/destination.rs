//! Destinations: the one normaliser of names and addresses, and what may become a token.
//!
//! ```text
//! text -> Destination (host, port) -> Host -> inputs(policy) -> Input bytes -> token
//! ```
//!
//! If a [`Host`] exists, it is normalised: two spellings of one destination are equal. Destinations
//! are what Flowlore keeps secret, so `Debug` prints kind and length only and there is no
//! `Display`: whoever shows a name to a person calls [`Host::text`] and thereby says so.

mod address;
mod input;
mod policy;

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use idna::uts46::{DnsLength, Hyphens, Uts46};

pub use address::{AddressClass, address_class, is_global, slash64};
pub use input::{INPUT_BYTES_MAX, Input, InputError, InputKind};
pub use policy::{Inputs, OwnPolicy, Scope, ScopeError, WhyNot, federation_rule, inputs};

use crate::limits::{DNS_LABEL_BYTES_MAX, DNS_NAME_BYTES_MAX, HOST_TEXT_BYTES_MAX};

/// A DNS name in its one form: A-labels, lower case, no trailing dot, letters, digits, hyphens and
/// underscores, at most 253 bytes in labels of 1 to 63.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// A host: a DNS name or an address. An IPv4 address mapped into IPv6 is the IPv4 address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name.
    Name(Name),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address that is not IPv4-mapped; make it with `Host::from(IpAddr)`.
    V6(Ipv6Addr),
}

/// What an analyst asks about or labels: a host, with a port where one is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// The host.
    pub host: Host,
    /// 1 to 65535; `None`: the host as such.
    pub port: Option<u16>,
}

/// Text that is no destination. Says what is wrong and what would be accepted, never the text
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing is left without spaces and dots.
    #[error("no destination given: write a name (evil.example), an address, or either with a port")]
    Empty,
    /// The text or the name is longer than any name can be.
    #[error("too long for a DNS name: at most 253 bytes as A-labels are accepted")]
    TooLong,
    /// A label is empty (two dots in a row) or longer than 63 bytes.
    #[error("a part between dots is empty or longer than 63 bytes")]
    Label,
    /// A character that no host name has.
    #[error("a character that no host name has: letters, digits, '-', '_' and '.' are accepted")]
    Character,
    /// The IDNA rules (UTS #46) refuse it: an invalid `xn--` label or a forbidden character.
    #[error("not a valid internationalized name (UTS #46)")]
    Idna,
    /// The last label is a number, as in an address, yet it is no address.
    #[error("ends like an IPv4 address but is none: write four numbers from 0 to 255")]
    Numeric,
    /// An IPv6 address with a zone index means something on one machine only.
    #[error("an IPv6 address with a zone (%) is local to one machine: leave the zone out")]
    Zone,
    /// Brackets that hold no IPv6 address.
    #[error("brackets that hold no IPv6 address: write [2001:db8::1] or [2001:db8::1]:443")]
    Brackets,
    /// What stands after the colon is no port.
    #[error("not a port: a number from 1 to 65535 is accepted after the colon")]
    Port,
}

impl Name {
    /// Its text. Show it to the org's own people only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `zone` or stands below it.
    #[must_use]
    pub fn within(&self, zone: &str) -> bool {
        self.0.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Its labels, leftmost first.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }
}

/// So that a set of names answers for borrowed text.
impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({} bytes)", self.0.len())
    }
}

/// Refuses what is an address: a name only.
impl FromStr for Name {
    type Err = HostError;
    fn from_str(text: &str) -> Result<Self, HostError> {
        match text.parse()? {
            Host::Name(name) => Ok(name),
            Host::V4(_) | Host::V6(_) => Err(HostError::Numeric),
        }
    }
}

impl Host {
    /// Its text: the name, or the address in its canonical form (RFC 5952). Show it to the org's
    /// own people only.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Name(name) => Cow::Borrowed(name.as_str()),
            Self::V4(address) => Cow::Owned(address.to_string()),
            Self::V6(address) => Cow::Owned(address.to_string()),
        }
    }

    /// The address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "Host(name, {} bytes)", name.0.len()),
            Self::V4(_) => f.write_str("Host(IPv4)"),
            Self::V6(_) => f.write_str("Host(IPv6)"),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl From<Name> for Host {
    fn from(name: Name) -> Self {
        Self::Name(name)
    }
}

/// A name or a bare address, without port and brackets.
impl FromStr for Host {
    type Err = HostError;
    fn from_str(text: &str) -> Result<Self, HostError> {
        let text = text.trim_ascii();
        if text.len() > HOST_TEXT_BYTES_MAX {
            return Err(HostError::TooLong);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        if text.contains(':') {
            return Err(if text.contains('%') { HostError::Zone } else { HostError::Character });
        }
        // Hyphens anywhere: hosts such as `r3---sn-x.example` exist, though IDNA2008 frowns on
        // them.
        let ascii = Uts46::new()
            .to_ascii(
                text.as_bytes(),
                idna::AsciiDenyList::EMPTY,
                Hyphens::Allow,
                DnsLength::Ignore,
            )
            .map_err(|_| HostError::Idna)?;
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        check_name(name)?;
        if name.rsplit('.').next().is_some_and(is_numeric) {
            // Only after the mapping: full-width digits and ideographic dots write addresses, too.
            return name.parse().map(Self::V4).map_err(|_| HostError::Numeric);
        }
        Ok(Self::Name(Name(name.into())))
    }
}

impl FromStr for Destination {
    type Err = HostError;
    fn from_str(text: &str) -> Result<Self, HostError> {
        // Blanks around it count: whoever keeps or shows a text that was taken knows how long it is.
        if text.len() > HOST_TEXT_BYTES_MAX + ":65535".len() {
            return Err(HostError::TooLong);
        }
        let text = text.trim_ascii();
        if let Some(rest) = text.strip_prefix('[') {
            let (inside, after) = rest.split_once(']').ok_or(HostError::Brackets)?;
            if inside.contains('%') {
                return Err(HostError::Zone);
            }
            let address: Ipv6Addr = inside.parse().map_err(|_| HostError::Brackets)?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if after.is_empty() => None,
                None => return Err(HostError::Brackets),
            };
            return Ok(Self { host: IpAddr::V6(address).into(), port });
        }
        // One colon parts host and port; more belong to an IPv6 address without brackets.
        match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => {
                Ok(Self { host: host.parse()?, port: Some(parse_port(port)?) })
            }
            _ => Ok(Self { host: text.parse()?, port: None }),
        }
    }
}

fn parse_port(text: &str) -> Result<u16, HostError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HostError::Port); // u16's parser would take "+443"
    }
    text.parse().ok().filter(|port| *port != 0).ok_or(HostError::Port)
}

fn check_name(name: &str) -> Result<(), HostError> {
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > DNS_NAME_BYTES_MAX {
        return Err(HostError::TooLong);
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > DNS_LABEL_BYTES_MAX {
            return Err(HostError::Label);
        }
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if !label.bytes().all(plain) {
            return Err(HostError::Character);
        }
    }
    Ok(())
}

/// Whether a last label reads as a number to some resolver (WHATWG URL, "ends in a number
/// checker"): no top-level domain does.
fn is_numeric(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests;

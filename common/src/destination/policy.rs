//! What may become a token at all, and which inputs a host has.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv6Net};

use super::{AddressClass, Host, HostError, Input, Name, address_class};
use crate::suffixes::Suffixes;

/// Zones that mean something else, or nothing, in every network: special-use names of RFC 6761,
/// 6762 and 7686, `internal` (reserved by ICANN in 2024), and those that routers and offices use
/// for themselves (RFC 6762, appendix G). `home.arpa` stands under `arpa`.
const LOCAL_ZONES: &[&str] =
    &["arpa", "corp", "home", "internal", "invalid", "lan", "local", "localhost", "onion", "test"];

/// Names kept for examples (RFC 2606, RFC 6761).
const DOCUMENTATION_ZONES: &[&str] = &["example", "example.com", "example.net", "example.org"];

/// Shortest registrable label of an own zone that is looked for inside other names: shorter ones
/// (`ibm`, `hp`) stand in too many unrelated words.
const OWN_LABEL_BYTES_MIN: usize = 4;

/// Part of the network that a person names: a zone with all below it, or a range of addresses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The name and all names below it.
    Zone(Name),
    /// All addresses of a range.
    Network(IpNet),
}

/// Text that names no part of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a zone (acme.example) nor a network (203.0.113.0/24): {0}")]
pub struct ScopeError(#[from] HostError);

/// What an org keeps to itself, and what its federation pins. Made once per configuration.
#[derive(Clone, Debug)]
pub struct OwnPolicy<'a> {
    /// The org's own zones and public address ranges.
    pub own: Vec<Scope>,
    /// Whatever else the org wants kept: business partners, honeypots.
    pub private: Vec<Scope>,
    /// Sites that mint a random host name per customer or visit: their hosts are told apart by
    /// nobody, so only the site gets an input. Pinned by the federation.
    pub minting_sites: BTreeSet<Name>,
    /// Whether names and networks kept for examples count as real: demo, tests and sample data
    /// only.
    pub documentation_names: bool,
    /// The list that the federation pins.
    pub suffixes: &'a Suffixes,
}

/// The inputs of one host: at least one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Kind 1, 2 or 3. Absent for hosts of a site that mints names.
    pub host: Option<Input>,
    /// Kind 4 for names that have a registrable domain, kind 5 for IPv6 addresses.
    pub site: Option<Input>,
}

/// Why a host never becomes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum WhyNot {
    /// Not an address of a host on the internet (IANA special-purpose registries).
    #[error("not a host on the internet")]
    NotGlobal,
    /// A name without a dot.
    #[error("a name of one label")]
    SingleLabel,
    /// A zone with a meaning of its own in every network, such as `local` or `arpa`.
    #[error("a name that means something else in every network")]
    LocalZone,
    /// Kept for examples, and the federation does not admit these.
    #[error("a name or address kept for examples")]
    Documentation,
    /// The org's own zone or address range.
    #[error("the org's own")]
    Own,
    /// A name that contains the org's own name, as a tenant's at a provider does.
    #[error("a name that contains the org's own name")]
    NamesOwn,
    /// On the org's private list.
    #[error("on the private list")]
    Private,
}

/// The inputs of `host`, or why it never becomes a token.
///
/// # Errors
/// [`WhyNot`], the federation's reasons before the org's own.
pub fn inputs(host: &Host, policy: &OwnPolicy<'_>) -> Result<Inputs, WhyNot> {
    if let Some(why) = federation_rule(host, policy.documentation_names) {
        return Err(why);
    }
    if policy.own.iter().any(|scope| scope.covers(host)) {
        return Err(WhyNot::Own);
    }
    if policy.private.iter().any(|scope| scope.covers(host)) {
        return Err(WhyNot::Private);
    }
    let name = match host {
        Host::V4(_) => return Ok(Inputs { host: Some(Input::host(host)), site: None }),
        Host::V6(address) => {
            let site = Some(Input::slash64(*address));
            return Ok(Inputs { host: Some(Input::host(host)), site });
        }
        Host::Name(name) => name,
    };
    if policy.own.iter().any(|scope| scope.is_named_by(name, policy.suffixes)) {
        return Err(WhyNot::NamesOwn);
    }
    let site = policy.suffixes.site(name.as_str());
    let minted = site.is_some_and(|site| policy.minting_sites.contains(site));
    Ok(Inputs { host: (!minted).then(|| Input::host(host)), site: site.map(Input::site) })
}

/// The part of the rule that is the same for every member, so that all replicas judge an opened
/// name alike: the reason why this host must not be a token, if there is one.
#[must_use]
pub fn federation_rule(host: &Host, documentation_names: bool) -> Option<WhyNot> {
    let documentation = match host {
        Host::Name(name) => {
            if LOCAL_ZONES.iter().any(|zone| name.within(zone)) {
                return Some(WhyNot::LocalZone);
            }
            if !name.as_str().contains('.') {
                return Some(WhyNot::SingleLabel);
            }
            DOCUMENTATION_ZONES.iter().any(|zone| name.within(zone))
        }
        Host::V4(_) | Host::V6(_) => match host.address().map(address_class) {
            Some(AddressClass::Documentation) => true,
            Some(AddressClass::Global) => false,
            _ => return Some(WhyNot::NotGlobal),
        },
    };
    (documentation && !documentation_names).then_some(WhyNot::Documentation)
}

impl Scope {
    /// Whether the host lies in it. An IPv6 network smaller than a /64 covers the whole /64: the
    /// inputs of its neighbours would name the same site.
    #[must_use]
    pub fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Zone(zone), Host::Name(name)) => name.within(zone.as_str()),
            (Self::Network(network), Host::V4(address)) => network.contains(&IpAddr::V4(*address)),
            (Self::Network(IpNet::V6(network)), Host::V6(address)) => {
                network.contains(address) || site_network(*address).contains(network)
            }
            _ => false,
        }
    }

    /// Whether a label of `name` contains the registrable label of this zone: `acme.okta.example`
    /// and `acme-my.sharepoint.example` name the owner of `acme.example`.
    fn is_named_by(&self, name: &Name, suffixes: &Suffixes) -> bool {
        let Self::Zone(zone) = self else { return false };
        let site = suffixes.site(zone.as_str()).unwrap_or(zone.as_str());
        let own = site.split('.').next().unwrap_or_default();
        own.len() >= OWN_LABEL_BYTES_MIN && name.labels().any(|label| label.contains(own))
    }
}

fn site_network(address: Ipv6Addr) -> Ipv6Net {
    Ipv6Net::new_assert(address, 64).trunc()
}

/// Prints which sort it is only: what an org owns and hides is private, too.
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zone(_) => "Scope(zone)",
            Self::Network(_) => "Scope(network)",
        })
    }
}

/// A network (`203.0.113.0/24`), an address, or a zone (`acme.example`).
impl FromStr for Scope {
    type Err = ScopeError;
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if let Ok(network) = text.trim_ascii().parse::<IpNet>() {
            return Ok(Self::Network(network.trunc()));
        }
        Ok(match text.parse()? {
            Host::Name(name) => Self::Zone(name),
            Host::V4(address) => Self::Network(IpAddr::V4(address).into()),
            Host::V6(address) => Self::Network(IpAddr::V6(address).into()),
        })
    }
}

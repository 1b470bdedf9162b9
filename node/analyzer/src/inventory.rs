//! Machines: what leases, log-ons and the org's asset file say about an address.
//!
//! An asset file is CSV with a header. Columns in any order: `address` (an address, a network in CIDR
//! form, or a machine's name; needed), `name`, `owner`, `criticality` (`low`, `normal`, `high`) and
//! `tags` (separated by `;`). Other columns are passed over. The most particular row holds: address
//! before the longest network before the name that the machine goes by.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use crate::{
    limits::ASSETS_MAX,
    packed::Addr,
    record::LogonProtocol,
    settle::{Identity, Lease},
};

/// How much depends on a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Criticality {
    /// Little.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Much: severities rise a step.
    High,
}

/// A row of the asset file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asset {
    /// What people call it.
    pub name: Option<String>,
    /// Who works with it or answers for it.
    pub owner: Option<String>,
    /// How much depends on it.
    pub criticality: Criticality,
    /// Words of the org.
    pub tags: Vec<String>,
}

/// The asset file.
#[derive(Clone, Debug, Default)]
pub struct Assets {
    addresses: BTreeMap<Addr, Asset>,
    /// Longest prefix first.
    nets: Vec<(IpNet, Asset)>,
    names: BTreeMap<String, Asset>,
    digest: [u8; 32],
}

/// What is wrong with an asset file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct AssetError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
}

impl Assets {
    /// Reads an asset file.
    ///
    /// # Errors
    /// At the first row that cannot be used, or when there are more than [`ASSETS_MAX`]: a machine
    /// taken for an ordinary one because of a typing error would be worse than no answer.
    pub fn parse(text: &str) -> Result<Self, AssetError> {
        let mut rows = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let error = |line, what: &str| AssetError { line, what: what.to_owned() };
        let (line, header) = rows.next().ok_or_else(|| error(1, "the file is empty"))?;
        let header = fields(header.trim_start_matches('\u{feff}'))
            .ok_or_else(|| error(line, "a quote is not closed"))?;
        let column = |name: &str| header.iter().position(|field| field.trim() == name);
        let at = column("address").ok_or_else(|| error(line, "no column 'address'"))?;
        let columns = ["name", "owner", "criticality", "tags"].map(column);
        let mut assets = Self { digest: blake3::hash(text.as_bytes()).into(), ..Self::default() };
        for (count, (line, row)) in rows.enumerate() {
            if count >= ASSETS_MAX {
                return Err(error(line, "too many rows"));
            }
            let row = fields(row).ok_or_else(|| error(line, "a quote is not closed"))?;
            let field = |at: Option<usize>| {
                let text = row.get(at?)?.trim();
                (!text.is_empty()).then(|| text.to_owned())
            };
            let key = field(Some(at)).ok_or_else(|| error(line, "no address"))?;
            let criticality = match field(columns[2]).as_deref() {
                None | Some("normal") => Criticality::Normal,
                Some("low") => Criticality::Low,
                Some("high") => Criticality::High,
                Some(other) => {
                    let what = format!("criticality '{other}': write low, normal or high");
                    return Err(AssetError { line, what });
                }
            };
            let tags = field(columns[3]).unwrap_or_default();
            let tags = tags.split(';').map(str::trim).filter(|tag| !tag.is_empty());
            let asset = Asset {
                name: field(columns[0]),
                owner: field(columns[1]),
                criticality,
                tags: tags.map(str::to_owned).collect(),
            };
            assets.insert(&key, asset);
        }
        assets.nets.sort_by_key(|(net, _)| (std::cmp::Reverse(net.prefix_len()), *net));
        Ok(assets)
    }

    fn insert(&mut self, key: &str, asset: Asset) {
        if let Ok(address) = key.parse::<IpAddr>() {
            self.addresses.insert(address.into(), asset);
        } else if let Ok(net) = key.parse::<IpNet>() {
            self.nets.push((net.trunc(), asset));
        } else {
            let asset = Asset { name: asset.name.or_else(|| Some(key.to_owned())), ..asset };
            self.names.insert(key.to_ascii_lowercase(), asset);
        }
    }

    /// The row for an address, or for the name that a lease gives it.
    #[must_use]
    pub fn find(&self, address: Addr, leased_name: Option<&str>) -> Option<&Asset> {
        let ip = IpAddr::from(address);
        let net = || self.nets.iter().find(|(net, _)| net.contains(&ip)).map(|(_, asset)| asset);
        let name = || self.names.get(&leased_name?.to_ascii_lowercase());
        self.addresses.get(&address).or_else(net).or_else(name)
    }

    /// Addresses that have a row of their own, by the name in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, Addr)> {
        self.addresses
            .iter()
            .filter_map(|(address, asset)| Some((asset.name.as_deref()?, *address)))
    }

    /// The names by which the network knows the machine that people call so.
    pub(crate) fn keys_of(&self, name: &str) -> impl Iterator<Item = &str> {
        let called = move |asset: &Asset| {
            asset.name.as_ref().is_some_and(|known| known.to_lowercase() == name)
        };
        self.names.iter().filter(move |(_, asset)| called(asset)).map(|(key, _)| &**key)
    }

    pub(crate) fn hash_into(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&self.digest);
    }
}

/// The fields of a CSV line; quotes as in RFC 4180. `None` when a quote is not closed.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars().peekable();
    let mut quoted = false;
    while let Some(letter) = letters.next() {
        let field = fields.last_mut().expect("there is always one");
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => field.push(letter),
        }
    }
    (!quoted).then_some(fields)
}

/// A machine as the report names it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Machine {
    /// Its address.
    pub address: IpAddr,
    /// Its name.
    pub name: Option<String>,
    /// Its hardware address.
    pub mac: Option<String>,
    /// Who works with it.
    pub user: Option<String>,
    /// The org's words for it.
    pub tags: Vec<String>,
    /// Where name and hardware address come from: `file`, `dhcp`, `kerberos`, `ntlm`, `rdp`, `none`.
    pub known_from: &'static str,
}

impl Machine {
    /// What asset file, lease and log-ons know of an address, in the order in which their word counts.
    pub(crate) fn new(
        address: Addr,
        assets: &Assets,
        (lease, identity): (Option<&Lease>, Option<&Identity>),
    ) -> Self {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let leased = lease.is_some_and(|lease| !lease.name.is_empty());
        let own = own_name(lease, identity);
        let asset = assets.find(address, own);
        let told = identity.and_then(|identity| identity.machine.as_ref());
        let known_from = match (asset, lease, told) {
            (Some(_), ..) => "file",
            (None, None, Some(told)) => word(told.protocol),
            (None, Some(_), Some(told)) if !leased => word(told.protocol),
            (None, Some(_), _) => "dhcp",
            (None, None, None) => "none",
        };
        let user = identity.and_then(|identity| identity.user.as_ref());
        Self {
            address: address.into(),
            name: asset.and_then(|asset| asset.name.clone()).or(own.map(str::to_owned)),
            mac: lease.and_then(|lease| text(&lease.mac)),
            user: asset
                .and_then(|asset| asset.owner.clone())
                .or_else(|| user.map(|told| told.text.to_string())),
            tags: asset.map(|asset| asset.tags.clone()).unwrap_or_default(),
            known_from,
        }
    }
}

/// The name that a machine goes by: its lease's, or the one in its log-ons.
pub(crate) fn own_name<'a>(
    lease: Option<&'a Lease>,
    identity: Option<&'a Identity>,
) -> Option<&'a str> {
    let leased = lease.map(|lease| &*lease.name).filter(|name| !name.is_empty());
    leased.or_else(|| identity?.machine.as_ref().map(|told| &*told.text))
}

/// A protocol as `known_from` names it.
pub(crate) const fn word(protocol: LogonProtocol) -> &'static str {
    match protocol {
        LogonProtocol::Kerberos => "kerberos",
        LogonProtocol::Ntlm => "ntlm",
        LogonProtocol::Rdp => "rdp",
        // These name no machine.
        LogonProtocol::Smtp | LogonProtocol::Ssh => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Addr {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn the_most_particular_row_holds() {
        let file = "name,address,criticality,tags,owner,floor\n\
                    Net,10.0.0.0/8,low,,,\n\
                    Servers,10.1.0.0/16,high,dmz; web,ops,\n\
                    \"Pay, roll\",10.1.2.3,normal,,\"o\"\"brien\",3\n\
                    ,PC-7,high,,eve,\n";
        let assets = Assets::parse(file).unwrap();
        let name = |address, leased| {
            assets.find(addr(address), leased).and_then(|asset| asset.name.clone())
        };
        assert_eq!(name("10.1.2.3", None).as_deref(), Some("Pay, roll"));
        assert_eq!(name("10.1.9.9", None).as_deref(), Some("Servers"));
        assert_eq!(name("10.9.9.9", None).as_deref(), Some("Net"));
        assert_eq!(name("192.0.2.1", Some("pc-7")).as_deref(), Some("PC-7"));
        assert_eq!(name("192.0.2.1", None), None);
        let servers = assets.find(addr("10.1.9.9"), None).unwrap();
        assert_eq!((servers.criticality, servers.tags.len()), (Criticality::High, 2));
        assert_eq!(assets.find(addr("10.1.2.3"), None).unwrap().owner.as_deref(), Some("o\"brien"));
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        for (text, line) in [
            ("", 1),
            ("name\nx\n", 1),
            ("address\n10.0.0.1\n\"10\n", 3),
            ("address,criticality\n10.0.0.1,urgent\n", 2),
            ("address,name\n\n,x\n", 3),
        ] {
            assert_eq!(Assets::parse(text).unwrap_err().line, line, "{text:?}");
        }
    }

    #[test]
    fn the_file_counts_more_than_a_lease() {
        let lease = Lease { time_us: 1, name: "pc-7".into(), mac: "00:53:00:00:00:07".into() };
        let assets = Assets::parse("address,name,owner\npc-7,FRONT-DESK,eve\n").unwrap();
        let machine = Machine::new(addr("10.0.0.7"), &assets, (Some(&lease), None));
        assert_eq!(machine.name.as_deref(), Some("FRONT-DESK"));
        assert_eq!(machine.mac.as_deref(), Some("00:53:00:00:00:07"));
        assert_eq!((machine.user.as_deref(), machine.known_from), (Some("eve"), "file"));
        let unknown = Machine::new(addr("10.0.0.8"), &assets, (None, None));
        assert_eq!((unknown.name, unknown.known_from), (None, "none"));
    }
}

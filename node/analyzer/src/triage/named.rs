//! Which address a machine had, by the name that leases, log-ons or the asset file give it.
//!
//! A name is followed from address to address only where leases of one hardware address say that it moved; else several
//! addresses are several machines, or one that cannot be told from them, and a person has to choose.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use flowlore_common::time::Micros;

use crate::{
    direction::Home,
    inventory::{Assets, word},
    limits::{NAMED_ADDRESSES_MAX, NEAR_NAMES_MAX},
    naming,
    packed::Addr,
    record::{
        CaptureLoss, Conn, Dhcp, Dns, File, FileSink, Http, Logon, Notice, Remote, Sink, Tls, X509,
    },
};

/// Letters that two names may differ by and still be near: a typing error, or two.
const NEAR_LETTERS: usize = 2;
/// Letters of a name from which on its beginning is near to it.
const BEGINNING_LETTERS: usize = 3;

/// What one address was called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sightings {
    /// The last, and what said so.
    last: Option<(i64, &'static str)>,
    /// Hardware addresses of its leases, the lowest two.
    macs: BTreeSet<Box<str>>,
    /// The last lease up to the time asked for, and the first after it.
    before_us: Option<i64>,
    after_us: Option<i64>,
}

impl Sightings {
    fn merge(&mut self, other: Self) {
        self.last = self.last.max(other.last);
        self.macs.extend(other.macs);
        while self.macs.len() > 2 {
            self.macs.pop_last();
        }
        self.before_us = self.before_us.max(other.before_us);
        self.after_us = match (self.after_us, other.after_us) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Looks for a machine's name in records.
#[derive(Clone, Debug)]
pub struct Named {
    /// The names that it may go by, in lower case, the one asked for first.
    wanted: Vec<String>,
    at_us: i64,
    home: Home,
    addresses: BTreeMap<Addr, Sightings>,
    /// Other names that are near, by how much they differ.
    near: BTreeSet<(usize, Box<str>)>,
    /// Whether anything named any machine.
    names: bool,
}

/// Why a name leads to no address; each sentence says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unnamed {
    /// Nothing names machines.
    #[error(
        "'{0}' is no address, and nothing here names machines: add dhcp, kerberos, ntlm or rdp logs, or --assets, or \
         name an address"
    )]
    NoNames(String),
    /// Nothing has this name.
    #[error("no machine is called '{0}'{1}")]
    Unknown(String, String),
    /// Several addresses have.
    #[error("'{0}' is the name of {1} addresses: {2}; name the one that is meant")]
    Ambiguous(String, usize, String),
}

impl Named {
    /// Looks for `name` as it was at a time.
    #[must_use]
    pub fn new(name: &str, at: Micros, home: Home, assets: &Assets) -> Self {
        let name = name.trim().to_lowercase();
        let mut wanted = vec![name.clone()];
        // Directories write host.domain where leases and log-ons say host.
        wanted.extend(name.split_once('.').map(|(host, _)| host.to_owned()));
        wanted.extend(assets.keys_of(&name).map(str::to_owned));
        let mut named = Self {
            wanted,
            at_us: at.0,
            home,
            addresses: BTreeMap::new(),
            near: BTreeSet::new(),
            names: false,
        };
        for (row, address) in assets.names() {
            named.see(row, address, (i64::MIN, "the asset file"), None);
        }
        named
    }

    /// Adds what another one saw of the same name.
    pub fn merge(&mut self, other: Self) {
        self.names |= other.names;
        other.near.into_iter().for_each(|near| self.add_near(near));
        for (address, sightings) in other.addresses {
            self.addresses.entry(address).or_default().merge(sightings);
            self.trim();
        }
    }

    /// The address that the machine had.
    ///
    /// # Errors
    /// [`Unnamed`].
    pub fn address(&self) -> Result<IpAddr, Unnamed> {
        let name = || self.wanted.first().cloned().unwrap_or_default();
        let all = || self.addresses.iter();
        if let (Some((&only, _)), 1) = (all().next(), self.addresses.len()) {
            return Ok(only.into());
        }
        if self.addresses.is_empty() {
            if !self.names {
                return Err(Unnamed::NoNames(name()));
            }
            let near: Vec<&str> = self.near.iter().map(|(_, name)| &**name).collect();
            let near = match near.is_empty() {
                true => ": write it as leases or log-ons do, or name an address".to_owned(),
                false => format!("; near to it: {}", near.join(", ")),
            };
            return Err(Unnamed::Unknown(name(), near));
        }
        let macs: BTreeSet<&str> = all().flat_map(|one| &one.1.macs).map(|mac| &**mac).collect();
        if macs.len() == 1 && all().all(|one| !one.1.macs.is_empty()) {
            let before = all().filter_map(|(address, one)| Some((one.before_us?, *address))).max();
            let after = || all().filter_map(|(address, one)| Some((one.after_us?, *address))).min();
            if let Some((_, address)) = before.or_else(after) {
                return Ok(address.into());
            }
        }
        let listed = all().take(NEAR_NAMES_MAX).map(|(address, one)| match one.last {
            Some((i64::MIN, by)) => format!("{address} ({by})"),
            Some((at, by)) => format!("{address} ({by}, {})", Micros(at)),
            None => address.to_string(),
        });
        let mut listed = listed.collect::<Vec<_>>().join(", ");
        if self.addresses.len() > NEAR_NAMES_MAX {
            listed.push_str(", ...");
        }
        Err(Unnamed::Ambiguous(name(), self.addresses.len(), listed))
    }

    fn see(&mut self, name: &str, address: Addr, by: (i64, &'static str), mac: Option<&str>) {
        self.names = true;
        let name = name.trim_end_matches('$').to_lowercase();
        if !self.wanted.contains(&name) {
            let distance = self.wanted.iter().filter_map(|wanted| distance(wanted, &name)).min();
            if let Some(distance) = distance {
                self.add_near((distance, name.into()));
            }
            return;
        }
        let leased = mac.map(|_| by.0);
        let one = Sightings {
            last: Some(by),
            macs: mac.into_iter().map(Into::into).collect(),
            before_us: leased.filter(|at| *at <= self.at_us),
            after_us: leased.filter(|at| *at > self.at_us),
        };
        self.addresses.entry(address).or_default().merge(one);
        self.trim();
    }

    /// What is dropped depends on the addresses alone.
    fn trim(&mut self) {
        while self.addresses.len() > NAMED_ADDRESSES_MAX {
            self.addresses.pop_last();
        }
    }

    fn add_near(&mut self, near: (usize, Box<str>)) {
        self.near.insert(near);
        while self.near.len() > NEAR_NAMES_MAX {
            self.near.pop_last();
        }
    }
}

/// By how many letters two names differ, if it is so few that one may be meant by the other.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let begins = |a: &str, b: &str| a.len() >= BEGINNING_LETTERS && b.starts_with(a);
    let letters = strsim::damerau_levenshtein(wanted, name);
    // Of a short name a typing error changes less.
    let most = NEAR_LETTERS.min(wanted.chars().count() / BEGINNING_LETTERS);
    (letters <= most || begins(wanted, name) || begins(name, wanted)).then_some(letters)
}

impl FileSink for Named {
    fn enter(&mut self, _file: u32) {}
}

impl Sink for Named {
    fn dhcp(&mut self, record: &Dhcp<'_>) {
        let (Some(name), Some(address)) = (record.host_name, record.address) else { return };
        let mut clean = String::new();
        if !address.is_unspecified() && naming::clean(name, &mut clean) {
            let mac = record.mac.filter(|mac| !mac.is_empty());
            self.see(&clean, address.into(), (record.time_us, "dhcp"), mac);
        }
    }

    fn logon(&mut self, record: &Logon<'_>) {
        let client = Addr::from(record.ends.orig);
        let machine = record.machine.filter(|machine| naming::is_account(machine));
        if let Some(machine) = machine.filter(|_| self.home.holds(client, None)) {
            self.see(machine, client, (record.time_us, word(record.protocol)), None);
        }
    }

    fn conn(&mut self, _record: &Conn<'_>) {}
    fn dns(&mut self, _record: &Dns<'_>) {}
    fn tls(&mut self, _record: &Tls<'_>) {}
    fn http(&mut self, _record: &Http<'_>) {}
    fn file(&mut self, _record: &File<'_>) {}
    fn x509(&mut self, _record: &X509<'_>) {}
    fn remote(&mut self, _record: &Remote<'_>) {}
    fn notice(&mut self, _record: &Notice<'_>) {}
    fn capture_loss(&mut self, _record: &CaptureLoss<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: &str = "00:53:00:00:00:07";

    fn named(name: &str, assets: &str, seen: &[(&str, i64, &str, Option<&str>)]) -> Named {
        let assets = Assets::parse(&format!("address,name\n{assets}")).unwrap();
        let new = || Named::new(name, Micros(1_000), Home::default(), &assets);
        let mut all = new();
        // Each in one of its own, and backwards: order and splitting are nothing.
        for &(address, time_us, machine, mac) in seen.iter().rev() {
            let mut one = new();
            one.dhcp(&Dhcp {
                time_us,
                mac,
                address: address.parse().ok(),
                host_name: Some(machine),
                domain: None,
                lease_s: None,
            });
            all.merge(one);
        }
        all
    }

    #[test]
    fn a_lease_that_moved_is_followed() {
        let moves = [
            ("10.0.0.1", 100, "PC-7", Some(MAC)),
            ("10.0.0.2", 900, "pc-7", Some(MAC)),
            ("10.0.0.3", 2_000, "pc-7", Some(MAC)),
        ];
        for name in ["pc-7", "PC-7", "pc-7.corp.example"] {
            let address = named(name, "", &moves).address().unwrap();
            assert_eq!(address.to_string(), "10.0.0.2", "{name}");
        }
        let later = named("pc-7", "", &moves[2..]).address().unwrap();
        assert_eq!(later.to_string(), "10.0.0.3", "the only one, though later");
    }

    #[test]
    fn several_machines_of_a_name_are_listed() {
        let two =
            [("10.0.0.1", 100, "phone", Some(MAC)), ("10.0.0.2", 900, "phone", Some("other"))];
        let said = named("phone", "", &two).address().unwrap_err().to_string();
        assert!(said.contains("2 addresses: 10.0.0.1 (dhcp, 1970-01-01T00:00:00"), "{said}");
        let without = [("10.0.0.1", 100, "phone", None), ("10.0.0.2", 900, "phone", None)];
        assert!(matches!(named("phone", "", &without).address(), Err(Unnamed::Ambiguous(..))));
    }

    #[test]
    fn the_asset_file_names_addresses_and_machines() {
        let leases = [("10.0.0.9", 100, "pc-7", Some(MAC))];
        let address = |name: &str| {
            let named = named(name, "10.0.0.1,DESK\npc-7,FRONT\n", &leases);
            named.address().map(|address| address.to_string())
        };
        assert_eq!(address("desk").as_deref(), Ok("10.0.0.1"));
        assert_eq!(address("front").as_deref(), Ok("10.0.0.9"), "by the name of its lease");
        let said = address("dsek").unwrap_err().to_string();
        assert_eq!(said, "no machine is called 'dsek'; near to it: desk");
        let said = address("elsewhere").unwrap_err().to_string();
        assert!(said.contains("or name an address"), "{said}");
        assert!(matches!(named("x", "", &[]).address(), Err(Unnamed::NoNames(_))));
    }
}

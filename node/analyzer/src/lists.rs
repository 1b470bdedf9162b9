//! What is known elsewhere and that a person may give: lists without which a detector does not run, or sees less.
//!
//! Text with a row a line, empty lines and those with `#` before them left out:
//!
//! - domains: a registrable domain and the day of its registration, with a tab between: `evil.example`, `2026-11-24`.
//! - tor: an address, with a port where only that one is meant: `192.0.2.7`, `192.0.2.7:9001`, `[2001:db8::7]:9001`.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use flowlore_common::{suffixes::Suffixes, time::Day};
use hashbrown::{HashMap, HashSet};

use crate::{
    limits::{DOMAINS_MAX, TOR_NODES_MAX},
    packed::Addr,
    places::cleaned,
};

/// Days from its registration on in which a domain is young. [Slips]
const YOUNG_DAYS: u16 = 60;

/// The lists that were given.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    domains: Option<Domains>,
    tor: Option<TorNodes>,
}

#[derive(Clone, Debug)]
struct Domains {
    registered: HashMap<Box<str>, Day>,
    hash: blake3::Hash,
}

#[derive(Clone, Debug)]
struct TorNodes {
    /// With 0 for any port.
    nodes: HashSet<(Addr, u16)>,
    hash: blake3::Hash,
}

/// What is wrong with a list, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ListError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Lists {
    /// Takes the days on which domains were registered; of two rows about one domain the later day counts.
    ///
    /// # Errors
    /// At the first row that cannot be used: no registrable domain, no day, more than [`DOMAINS_MAX`] rows.
    pub fn set_domains(&mut self, text: &str) -> Result<(), ListError> {
        let mut registered: HashMap<Box<str>, Day> = HashMap::new();
        for (line, row) in rows(text, DOMAINS_MAX) {
            let (domain, day) = row.and_then(registration).map_err(at(line))?;
            let known = registered.entry(domain).or_insert(day);
            *known = day.max(*known);
        }
        self.domains = Some(Domains { registered, hash: blake3::hash(text.as_bytes()) });
        Ok(())
    }

    /// Takes the addresses of Tor's nodes.
    ///
    /// # Errors
    /// At the first row that cannot be used: no address, more than [`TOR_NODES_MAX`] rows.
    pub fn set_tor(&mut self, text: &str) -> Result<(), ListError> {
        let nodes = rows(text, TOR_NODES_MAX)
            .map(|(line, row)| row.and_then(node).map_err(at(line)))
            .collect::<Result<_, _>>()?;
        self.tor = Some(TorNodes { nodes, hash: blake3::hash(text.as_bytes()) });
        Ok(())
    }

    /// Whether a list of Tor's nodes was given.
    pub(crate) const fn knows_tor(&self) -> bool {
        self.tor.is_some()
    }

    /// Whether the list has an address, and this port of it.
    pub(crate) fn is_tor(&self, address: Addr, port: u16) -> bool {
        let lists =
            |port| self.tor.as_ref().is_some_and(|tor| tor.nodes.contains(&(address, port)));
        lists(0) || lists(port)
    }

    /// The domain of a name and the day of its registration, if the list has it.
    pub(crate) fn registered<'a>(&self, name: &'a str) -> Option<(&'a str, Day)> {
        let domains = self.domains.as_ref()?;
        let domain = Suffixes::shipped().site(name)?;
        Some((domain, *domains.registered.get(domain)?))
    }

    /// The days on which the domain of a name is young.
    pub(crate) fn young(&self, name: &str) -> Option<Range<Day>> {
        let (_, day) = self.registered(name)?;
        Some(day..Day(day.0.saturating_add(YOUNG_DAYS)))
    }

    /// What lists that were not given keep from being found, a sentence each.
    pub(crate) fn not_given(&self) -> impl Iterator<Item = String> {
        let domains = "Young domains not looked for: give days of registration with --domains.";
        let tor = "Tor looked for by names of servers alone: give its nodes with --tor.";
        [(self.domains.is_none(), domains), (self.tor.is_none(), tor)]
            .into_iter()
            .filter(|(missing, _)| *missing)
            .map(|(_, sentence)| sentence.to_owned())
    }

    /// The names of the lists that were given, and the first sixteen hex digits of each one's hash.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = (&'static str, String)> {
        let domains = self.domains.as_ref().map(|list| ("domains", list.hash));
        let tor = self.tor.as_ref().map(|list| ("tor", list.hash));
        domains.into_iter().chain(tor).map(|(name, hash)| (name, hash.to_hex()[..16].to_owned()))
    }
}

/// The rows of a text with their numbers; an error in place of the first beyond `most`.
fn rows(text: &str, most: usize) -> impl Iterator<Item = (usize, Result<&str, String>)> {
    let rows = (1..).zip(text.lines().map(str::trim));
    let rows = rows.filter(|(_, row)| !row.is_empty() && !row.starts_with('#'));
    rows.zip(0..).map(move |((line, row), before)| {
        let fits = before < most;
        (line, fits.then_some(row).ok_or_else(|| format!("more than {most} rows")))
    })
}

fn at(line: usize) -> impl FnOnce(String) -> ListError {
    move |what| ListError { line, what }
}

/// A row of a domain.
fn registration(row: &str) -> Result<(Box<str>, Day), String> {
    let Some((domain, day)) = row.split_once('\t') else {
        return Err(
            "two columns are needed, with a tab between: domain, day of registration".to_owned()
        );
    };
    let domain = cleaned(domain.trim())?;
    match Suffixes::shipped().site(&domain) {
        Some(site) if *site == *domain => Ok((domain, day.trim().parse()?)),
        Some(site) => Err(format!("'{domain}' is within a domain: write {site}")),
        None => Err(format!("'{domain}' is no domain that anybody registers")),
    }
}

/// A row of a node of Tor; port 0 for any.
fn node(row: &str) -> Result<(Addr, u16), String> {
    let bare = row.strip_prefix('[').and_then(|row| row.strip_suffix(']')).unwrap_or(row);
    let any = bare.parse::<IpAddr>().ok().map(|address| (address.into(), 0));
    let one = || row.parse::<SocketAddr>().ok().filter(|node| node.port() != 0);
    let node = any.or_else(|| one().map(|node| (node.ip().into(), node.port())));
    node.ok_or_else(|| {
        format!("'{row}' is no address: write 192.0.2.7, 192.0.2.7:9001 or [2001:db8::7]:9001")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_young_for_sixty_days() {
        let mut lists = Lists::default();
        assert_eq!(lists.young("www.evil.example"), None);
        lists
            .set_domains("# domain\tday\n\nEvil.example\t2026-09-25\nold.example\t2020-01-01\n")
            .unwrap();
        let young = lists.young("www.evil.example").unwrap();
        let day = |text: &str| text.parse::<Day>().unwrap();
        assert_eq!(young, day("2026-09-25")..day("2026-11-24"));
        assert_eq!(lists.registered("old.example"), Some(("old.example", day("2020-01-01"))));
        assert_eq!(lists.young("other.example"), None);
        lists.set_domains("evil.example\t2026-09-25\nevil.example\t2024-01-01\n").unwrap();
        assert_eq!(lists.registered("evil.example"), Some(("evil.example", day("2026-09-25"))));
    }

    #[test]
    fn wrong_rows_are_named() {
        let said = |text: &str| Lists::default().set_domains(text).unwrap_err().to_string();
        assert_eq!(
            said("#\n\nevil.example 2026-11-24"),
            "line 3: two columns are needed, with a tab between: domain, day of registration"
        );
        assert_eq!(
            said("www.evil.example\t2026-11-24"),
            "line 1: 'www.evil.example' is within a domain: write evil.example"
        );
        assert_eq!(
            said("ev il.example\t2026-11-24"),
            "line 1: 'ev il.example' cannot stand in a name"
        );
        assert_eq!(
            said("co.uk\t2026-11-24"),
            "line 1: 'co.uk' is no domain that anybody registers"
        );
        assert_eq!(
            said("evil.example\t2026-02-30"),
            "line 1: '2026-02-30' is not a day: write it as 2026-11-24"
        );
    }

    #[test]
    fn a_node_is_an_address_and_perhaps_a_port() {
        let mut lists = Lists::default();
        let of = |text: &str| Addr::from(text.parse::<IpAddr>().unwrap());
        assert!(!lists.knows_tor() && !lists.is_tor(of("192.0.2.7"), 443));
        lists
            .set_tor("# nodes\n192.0.2.7\n 192.0.2.8:9001\n[2001:db8::7]:443\n[2001:db8::8]\n")
            .unwrap();
        for (address, port, is) in [
            ("192.0.2.7", 443, true),
            ("192.0.2.8", 9_001, true),
            ("192.0.2.8", 443, false),
            ("2001:db8::7", 443, true),
            ("2001:db8::7", 9_001, false),
            ("2001:db8::8", 9_001, true),
            ("192.0.2.9", 443, false),
        ] {
            assert_eq!(lists.is_tor(of(address), port), is, "{address} {port}");
        }
        assert!(lists.set_tor("192.0.2.7:0").is_err(), "no port is 0");
        let error = lists.set_tor("192.0.2.7\n\nrelay.example").unwrap_err().to_string();
        assert!(error.starts_with("line 3: 'relay.example' is no address: write"), "{error}");
    }

    #[test]
    fn a_list_has_an_end() {
        let rows: Vec<_> = rows("# three rows\na\n\nb\nc", 2).collect();
        let wrong = Err("more than 2 rows".to_owned());
        assert_eq!(rows, [(2, Ok("a")), (4, Ok("b")), (5, wrong)]);
    }
}

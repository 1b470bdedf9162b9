//! What is known beside the look-ups: where sites begin, who went where, who is inside, which names say nothing.

use flowlore_common::suffixes::Suffixes;
use hashbrown::{HashMap, HashSet};

use crate::{
    detect::dns_flows,
    direction::Home,
    naming::NamedBy,
    packed::Addr,
    settle::bucket::{Bucket, NO_NAME},
};

/// Stands for "no site" among sites.
pub(super) const NO_SITE: u32 = u32::MAX;

/// Where the sites of names begin, and the sites as numbers.
pub(super) struct Names<'a> {
    bucket: &'a Bucket,
    /// By name: its site's number, and the bytes before it.
    sites: Vec<(u32, u32)>,
    pub(super) texts: Vec<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn new(bucket: &'a Bucket) -> Self {
        let (mut numbers, mut texts) = (HashMap::new(), Vec::new());
        let sites = bucket.names.iter().map(|name| {
            let Some(site) = Suffixes::shipped().site(name) else { return (NO_SITE, 0) };
            let number = *numbers.entry(site).or_insert_with(|| {
                texts.push(site);
                texts.len() as u32 - 1
            });
            (number, (name.len() - site.len()) as u32)
        });
        Self { bucket, sites: sites.collect(), texts }
    }

    pub(super) fn text(&self, name: u32) -> &'a str {
        &self.bucket.names[name as usize]
    }

    pub(super) fn site(&self, name: u32) -> u32 {
        self.sites[name as usize].0
    }

    /// What stands before the site, without the dot between.
    pub(super) fn before_site(&self, name: u32) -> &'a str {
        let text = &self.text(name)[..self.sites[name as usize].1 as usize];
        text.strip_suffix('.').unwrap_or(text)
    }
}

/// Where look-ups led.
pub(super) struct Visits {
    /// (client, name): the client went there.
    visited: HashSet<(Addr, u32)>,
    /// (client, name): the lowest address that it resolved to.
    addresses: HashMap<(Addr, u32), Addr>,
}

impl Visits {
    pub(super) fn new(bucket: &Bucket) -> Self {
        let flows = || bucket.flows.iter().zip(&bucket.marks);
        // Where a flow carries its name, the address alone confirms no other: whoever answers for a tunnel may say
        // any address.
        let silent = flows().filter(|(flow, mark)| {
            flow.resp_port != dns_flows::PORT && mark.named_by >= NamedBy::Dns
        });
        let contacted: HashSet<(Addr, Addr)> =
            silent.map(|(flow, _)| (flow.orig, flow.resp)).collect();
        let named = flows().filter(|(_, mark)| mark.name != NO_NAME);
        let mut visited: HashSet<_> = named.map(|(flow, mark)| (flow.orig, mark.name)).collect();
        let mut addresses: HashMap<(Addr, u32), Addr> = HashMap::new();
        for (client, address, name) in bucket.answers.each() {
            let lowest = addresses.entry((client, name)).or_insert(address);
            *lowest = address.min(*lowest);
            if contacted.contains(&(client, address)) {
                visited.insert((client, name));
            }
        }
        Self { visited, addresses }
    }

    pub(super) fn visited(&self, client: Addr, name: u32) -> bool {
        self.visited.contains(&(client, name))
    }

    pub(super) fn address(&self, client: Addr, name: u32) -> Option<Addr> {
        self.addresses.get(&(client, name)).copied()
    }
}

/// Who is inside, by the sensor's word on flows where there are some.
pub(super) struct Inside<'a> {
    home: &'a Home,
    clients: HashMap<Addr, bool>,
    servers: HashMap<Addr, bool>,
}

impl<'a> Inside<'a> {
    pub(super) fn new(bucket: &Bucket, home: &'a Home) -> Self {
        let (mut clients, mut servers) = (HashMap::new(), HashMap::new());
        for (flow, mark) in bucket.flows.iter().zip(&bucket.marks) {
            *clients.entry(flow.orig).or_default() |= mark.orig_inside;
            if flow.resp_port == dns_flows::PORT {
                *servers.entry(flow.resp).or_default() |= mark.resp_inside;
            }
        }
        Self { home, clients, servers }
    }

    pub(super) fn has_flows(&self, client: Addr) -> bool {
        self.clients.contains_key(&client)
    }

    pub(super) fn client(&self, address: Addr) -> bool {
        self.clients.get(&address).copied().unwrap_or_else(|| self.home.holds(address, None))
    }

    pub(super) fn server(&self, address: Addr) -> bool {
        self.servers.get(&address).copied().unwrap_or_else(|| self.home.holds(address, None))
    }
}

/// Last labels of zones that are not on the internet: of RFC 6761, 6762, 7686, 8375 and 9476, ICANN's `internal`, and
/// those that networks commonly use for themselves (RFC 6762, appendix G).
const SPECIAL_ZONES: [&str; 16] = [
    "alt",
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "onion",
    "private",
    "test",
    "workgroup",
];

/// Whether a domain belongs to no public zone by name: of one's own network, or of none.
pub(super) fn is_special(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    SPECIAL_ZONES.binary_search(&last).is_ok()
}

/// Whether a text is a name that a host can have.
pub(super) fn is_shown(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

/// Whether a name begins with an address the wrong way round, as lists of addresses are asked (RFC 5782).
pub(super) fn is_turned_address(name: &str) -> bool {
    let octet = |label: &str| label.len() <= 3 && label.parse::<u8>().is_ok();
    let nibble =
        |label: &str| label.len() == 1 && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    let begins = |count: usize, is: fn(&str) -> bool| {
        let labels = || name.split('.').take(count);
        labels().count() == count && labels().all(is)
    };
    begins(4, octet) || begins(32, nibble)
}

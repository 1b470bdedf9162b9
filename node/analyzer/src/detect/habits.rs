//! Habits: what a host does that an org may not want, and that is no attack by itself. One finding a source and habit,
//! however many destinations; of kind `policy` or `hygiene`, which no verdict and no budget counts.
//!
//! Whose a name is, a port's custom, a connection's shape or the lack of a look-up says so; the table of gates is in
//! DETECTORS.md. Names alone decide nothing: a remote-access tool is low, a pool of miners takes a miner's rate as well.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};

/// Different hosts of a peer-to-peer overlay. [Slips]
pub(crate) const PEERS_MIN: usize = 5;
/// Different server names of Tor. [ours: one may be a site's]
pub(crate) const TOR_NAMES_MIN: usize = 2;
/// The time within which answers are compared, microseconds. [Slips: windows of an hour]
pub(crate) const WINDOW_US: i64 = 3_600_000_000;
/// How long a host has asked the DNS before its silence says something, microseconds. [Slips: 30 minutes]
pub(crate) const WARM_US: i64 = 1_800_000_000;
/// Shortest connection of a miner, microseconds, and its highest rate, bytes a second both ways. [design]
pub(crate) const MINING_US_MIN: u64 = 1_800_000_000;
pub(crate) const MINING_RATE_MAX: u64 = 200;

/// Base scores, thousandths: below the band of low, low and medium. [design: info for what a port or a shape says, low for
/// tools; ours: a pool's name and a miner's rate together are hardly anything else]
const NOTED_MILLI: u16 = 100;
const LOW_MILLI: u16 = 200;
const POOL_MILLI: u16 = 400;

/// Ports that pools of miners offer. [design: seen in public code; weak alone]
const POOL_PORTS: [u16; 6] = [3333, 4444, 5555, 7777, 14_433, 14_444];
/// Above the well-known ports: those of services that outside hosts offer. [IANA's registry; vendors' documented ports
/// of push, telephony, VPN, games and file sharing]
const KNOWN_PORTS: &[(u16, u16)] = &[
    (1080, 1080),
    (1194, 1194),
    (1433, 1434),
    (1521, 1521),
    (1701, 1701),
    (1723, 1723),
    (1883, 1883),
    (1935, 1935),
    (2082, 2083),
    (2086, 2087),
    (2095, 2096),
    (2195, 2197),
    (2222, 2222),
    (3000, 3000),
    (3128, 3128),
    (3306, 3306),
    (3389, 3389),
    (3478, 3481),
    (3544, 3544),
    (4070, 4070),
    (4443, 4443),
    (4500, 4500),
    (5000, 5001),
    (5060, 5061),
    (5222, 5223),
    (5228, 5230),
    (5269, 5269),
    (5349, 5349),
    (5432, 5432),
    (5671, 5672),
    (5900, 5903),
    (5938, 5938),
    (6379, 6379),
    (6667, 6667),
    (6697, 6697),
    (6881, 6889),
    (7070, 7070),
    (8000, 8009),
    (8080, 8090),
    (8443, 8443),
    (8883, 8883),
    (8888, 8888),
    (9000, 9000),
    (9090, 9092),
    (9418, 9418),
    (9443, 9443),
    (9993, 9993),
    (19_302, 19_309),
    (25_565, 25_565),
    (27_015, 27_050),
    (32_400, 32_400),
    (41_641, 41_641),
    (51_820, 51_820),
];

/// Whether a service is known for a port.
pub(crate) fn is_known(port: u16) -> bool {
    port < 1024 || KNOWN_PORTS.iter().any(|(low, high)| (*low..=*high).contains(&port))
}

/// Whether pools of miners offer a port.
pub(crate) fn is_pool_port(port: u16) -> bool {
    POOL_PORTS.contains(&port)
}

/// Whether a server name is one that Tor makes up. [Tor, `tor_tls`: `www.`, 4 to 25 letters of base 32, `.com`; links of
/// relays end in `.net`]
pub(crate) fn is_tor_name(name: &str) -> bool {
    let Some(label) = name.strip_prefix("www.") else { return false };
    let Some(label) = label.strip_suffix(".com").or_else(|| label.strip_suffix(".net")) else {
        return false;
    };
    let digit = |byte: u8| (b'2'..=b'7').contains(&byte);
    (4..=25).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_lowercase() || digit(byte))
        && label.bytes().any(digit)
}

/// A habit of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Habit {
    pub(crate) behaviour: Behaviour,
    /// Different destinations.
    pub(crate) destinations: u64,
    /// What it is counted by: connections, names or hosts.
    pub(crate) count: u64,
    /// Connections to nodes of Tor, by the list of them.
    pub(crate) nodes: u64,
    /// Whose it is, where the file of names says so; else an example.
    pub(crate) what: Box<str>,
    /// Whether a name says so, not a port alone.
    pub(crate) named: bool,
}

impl Habit {
    /// How strong it is.
    pub(crate) fn score(&self) -> Score {
        let base_milli = match self.behaviour {
            Behaviour::RemoteAccessTool | Behaviour::DnsRebindingAnswer => LOW_MILLI,
            Behaviour::Cryptomining if self.named => POOL_MILLI,
            _ => NOTED_MILLI,
        };
        Score { behaviour: self.behaviour, base_milli }
    }

    /// What was measured, in a sentence, and what speaks against it.
    fn told(&self) -> (&'static str, String, &'static str) {
        let Self { behaviour, destinations, count, nodes, what, named } = self;
        let flows = words::counted(*count, "connection", "connections");
        let hosts = words::counted(*destinations, "destination", "destinations");
        match behaviour {
            Behaviour::RemoteAccessTool => (
                "remote_access",
                format!("{flows} to {what}, by which others can work on this host."),
                "Support and administrators use such tools; a visit to the maker's site looks the same.",
            ),
            Behaviour::Cryptomining if *named => (
                "mining",
                format!("{flows} held for half an hour or more at a miner's rate, to {what}."),
                "A visit to a pool's site is short; little else is held that long.",
            ),
            Behaviour::Cryptomining => (
                "mining",
                format!(
                    "{flows} held for half an hour or more at a miner's rate, to a port that pools use."
                ),
                "Ports say little: push services and games hold slow connections too.",
            ),
            Behaviour::TorUse => (
                "made_up_names",
                format!(
                    "{count} server names as Tor makes them up, such as {what}, none of them looked up."
                ),
                if *nodes > 0 {
                    "Nodes may serve other things too, and what was one need not be one any more."
                } else {
                    "A program with names of its own and DNS over HTTPS could look like that."
                },
            ),
            Behaviour::P2pOverlay => (
                "peers",
                format!("UDP both ways with {hosts} on ports above 30,000."),
                "Calls and games do that too.",
            ),
            Behaviour::UnknownPort => (
                "unknown_ports",
                format!("{flows} to {hosts} on ports without a known service, such as {what}."),
                "Vendors' own protocols are many.",
            ),
            Behaviour::YoungDomain => (
                "young_domains",
                format!(
                    "{flows} to {} registered less than 60 days before, such as {what}.",
                    words::counted(*destinations, "domain", "domains")
                ),
                "Shops, campaigns and products are new once too.",
            ),
            Behaviour::ConnWithoutDns => (
                "without_dns",
                format!("{flows} to {hosts} that no look-up led to, such as {what}."),
                "Addresses built into programs, and DNS over HTTPS, look the same.",
            ),
            _ => (
                "rebound",
                format!("{what} had a public address and, within an hour, a private one."),
                "Networks with names of their own answer differently inside and outside.",
            ),
        }
    }

    /// The same in sentences.
    pub(crate) fn hit(&self) -> Hit {
        let Score { behaviour, base_milli } = self.score();
        let (measure, sentence, against) = self.told();
        let mut evidence = Vec::new();
        if self.nodes > 0 {
            let flows = words::counted(self.nodes, "connection", "connections");
            let sentence = format!("{flows} to addresses on the list of Tor's nodes.");
            let nodes = Evidence::supporting("listed_nodes", self.nodes as f64, "flows", sentence);
            evidence.push(nodes);
        }
        if self.count > 0 {
            evidence.push(Evidence::supporting(measure, self.count as f64, "flows", sentence));
        }
        let hosts = self.destinations as f64;
        let against = Evidence::against("habit_kind", hosts, "destinations", against.to_owned());
        evidence.push(against);
        Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tor_makes_up() {
        for (name, is) in [
            ("www.4fzg2kq5nmv3.com", true),
            ("www.xr7dj2wq6abq.net", true),
            ("www.example.com", false),
            ("www.a2b.com", false),
            ("www.abcd2.com", true),
            ("www.4fzg2kq5nmv3.org", false),
            ("www.4fzg2kq5nmv8.com", false),
            ("4fzg2kq5nmv3.com", false),
            ("www.shop.abcd2.com", false),
        ] {
            assert_eq!(is_tor_name(name), is, "{name}");
        }
    }

    #[test]
    fn known_ports_are_in_order() {
        assert!(KNOWN_PORTS.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!(is_known(443) && is_known(3479) && !is_known(1024) && !is_known(4444));
    }
}

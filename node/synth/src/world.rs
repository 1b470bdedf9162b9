//! The outside that all orgs share: services with names and addresses, web sites made of them.
//!
//! Addresses are those of RFC 5737 (IPv4) and RFC 9637 (3fff::/20). There are 762 IPv4 addresses
//! for thousands of names, so hosting is as shared as it is in reality; they are dealt in an order
//! of the seed's own, so that no network tells what lives in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flowlore_common::time::Day;

use crate::limits::{OUTSIDE_ADDRESSES, PLANT_ADDRESSES};
use crate::names::{HOSTING, brand};
use crate::random::Random;

/// A service by its place in [`World::services`].
pub(crate) type ServiceId = u32;

/// Something with a name that answers.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// Every answer holds some of these.
    pub(crate) v4: Vec<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
    /// Of its DNS records, seconds.
    pub(crate) ttl: u64,
    /// From an org's border, microseconds.
    pub(crate) rtt: u64,
    pub(crate) quic: bool,
    /// TLS 1.3, else 1.2.
    pub(crate) modern: bool,
    /// Agrees on a post-quantum group.
    pub(crate) hybrid: bool,
}

/// A web site: where its page comes from and what the page pulls in.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) page: ServiceId,
    pub(crate) parts: Vec<ServiceId>,
    /// Where its forms go: itself, or a sign-in service used by many.
    pub(crate) forms: ServiceId,
    /// Median bytes of a page with its parts.
    pub(crate) weight: u64,
    /// Runs a video player.
    pub(crate) video: bool,
}

/// A program that calls home by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agent {
    pub(crate) service: ServiceId,
    /// Seconds between contacts.
    pub(crate) period: u64,
    /// How far a gap strays from it, permille of the period.
    pub(crate) jitter: u64,
    /// Median request and response, bytes.
    pub(crate) sizes: (u64, u64),
    /// Plain HTTP.
    pub(crate) clear: bool,
    /// How many of 1,000 machines run it; 0: one or two machines of some orgs.
    pub(crate) spread: u64,
    /// The day on which it is installed.
    pub(crate) since: Day,
}

/// Everything outside.
pub(crate) struct World {
    pub(crate) services: Vec<Service>,
    pub(crate) sites: Vec<Site>,
    pub(crate) agents: Vec<Agent>,
    /// Time servers.
    pub(crate) ntp: Vec<ServiceId>,
    /// The resolver that an org's own resolver asks, by DNS over TLS.
    pub(crate) resolver: ServiceId,
    pub(crate) imap: ServiceId,
    pub(crate) webmail: ServiceId,
    pub(crate) push: Vec<ServiceId>,
    pub(crate) meetings: ServiceId,
    pub(crate) storage: ServiceId,
    pub(crate) backup: ServiceId,
    pub(crate) updates: ServiceId,
    pub(crate) vpn: ServiceId,
    pub(crate) sign_in: ServiceId,
    pub(crate) autofill: ServiceId,
    /// Shared parts of pages: CDNs' libraries, fonts, measuring, advertising.
    pub(crate) third: Vec<ServiceId>,
    pub(crate) scanners: Vec<Ipv4Addr>,
    pub(crate) visitors: Vec<Ipv4Addr>,
    /// The zone of a file reputation look-up by DNS.
    pub(crate) reputation_zone: String,
    /// Whose mail, sign-in and files everybody uses: what lures pretend to be.
    pub(crate) office: String,
    spare: Vec<Ipv4Addr>,
    random: Random,
    /// Never drawn from: gives brands their order.
    naming: Random,
    brands: u64,
}

/// On how many days after the first new programs appear: more than any evaluation is long.
const NEWCOMER_DAYS: u16 = 30;
/// One new program a day for so many machines, which about half of the orgs install on a machine or two. [ours: a guess, so
/// about five installations a week and 250 machines of something that polls and was never contacted there]
const NEWCOMER_HOSTS: u64 = 250;

/// How many web sites there are for an org of 50 machines and for the largest one.
const SITES: (u64, u64) = (500, 4_000);

impl World {
    /// The outside of a seed, with more sites for larger orgs.
    pub(crate) fn new(seed: u64, hosts: u32, first_day: Day) -> Self {
        let mut random = Random::new("world", seed);
        let mut spare = documentation_addresses();
        for index in (1..spare.len()).rev() {
            spare.swap(index, random.below(index as u64 + 1) as usize);
        }
        let mut world = Self {
            services: Vec::new(),
            sites: Vec::new(),
            agents: Vec::new(),
            ntp: Vec::new(),
            resolver: 0,
            imap: 0,
            webmail: 0,
            push: Vec::new(),
            meetings: 0,
            storage: 0,
            backup: 0,
            updates: 0,
            vpn: 0,
            sign_in: 0,
            autofill: 0,
            third: Vec::new(),
            scanners: Vec::new(),
            visitors: Vec::new(),
            reputation_zone: String::new(),
            office: String::new(),
            spare,
            random,
            naming: Random::new("naming", seed),
            brands: 0,
        };
        world.add_utilities();
        world.add_agents(first_day);
        world.add_sites(u64::from(hosts));
        world.scanners = world.take(150);
        world.visitors = world.take(150);
        let cloud = world.take(9);
        world.add_newcomers(u64::from(hosts), &cloud, first_day);
        debug_assert!(world.spare.len() >= PLANT_ADDRESSES, "{}", world.spare.len());
        world
    }

    /// The service with this number.
    pub(crate) fn service(&self, id: ServiceId) -> &Service {
        &self.services[id as usize]
    }

    /// A brand that nothing else has: `river-press`.
    pub(crate) fn brand(&mut self) -> String {
        self.brands += 1;
        brand(&self.naming, self.brands)
    }

    /// A service of its own on `addresses` addresses of its own.
    pub(crate) fn add(&mut self, name: String, addresses: usize) -> ServiceId {
        let v4 = self.take(addresses);
        self.add_at(name, v4, false)
    }

    /// A service of its own on one address, without IPv6 or QUIC: a rented machine.
    pub(crate) fn add_plain(&mut self, name: String) -> ServiceId {
        let id = self.add(name, 1);
        let service = &mut self.services[id as usize];
        service.v6 = None;
        service.hybrid = false;
        id
    }

    /// A service at given addresses; on a CDN it is near, dual-stacked and modern.
    fn add_at(&mut self, name: String, v4: Vec<Ipv4Addr>, cdn: bool) -> ServiceId {
        let random = &mut self.random;
        let id = self.services.len() as ServiceId;
        let v6 = random.chance(if cdn { 900 } else { 250 }).then(|| v6_outside(id));
        let service = Service {
            name,
            v4,
            v6,
            ttl: if cdn { random.between(20, 300) } else { 300 << random.below(5) },
            rtt: if cdn { random.between(4_000, 18_000) } else { random.around(45_000, 900) },
            quic: cdn && random.chance(600),
            modern: cdn || random.chance(700),
            hybrid: cdn && random.chance(700),
        };
        self.services.push(service);
        id
    }

    fn take(&mut self, count: usize) -> Vec<Ipv4Addr> {
        let at = self.spare.len().saturating_sub(count);
        // When the documentation space is used up the last addresses are shared, as on a host
        // with many tenants.
        if at == 0 { self.spare.clone() } else { self.spare.split_off(at) }
    }

    fn add_utilities(&mut self) {
        let office = self.brand();
        self.office.clone_from(&office);
        let named = |label: &str| format!("{label}.{office}.example");
        self.imap = self.add(named("imap"), 3);
        self.webmail = self.add(named("webmail"), 4);
        self.storage = self.add(named("files"), 4);
        self.meetings = self.add(named("meet"), 6);
        self.sign_in = self.add(named("login"), 4);
        self.push = vec![self.add(named("push"), 4), self.add(named("chat"), 3)];
        let vendor = self.brand();
        self.updates = self.add(format!("download.update.{vendor}.example"), 4);
        self.autofill = self.add(format!("content-autofill.{vendor}.example"), 2);
        let (resolver, backup, vpn) = (self.brand(), self.brand(), self.brand());
        self.resolver = self.add(format!("dns.{resolver}.example"), 2);
        self.backup = self.add(format!("vault.{backup}.example"), 3);
        self.vpn = self.add(format!("gw1.{vpn}.example"), 1);
        self.reputation_zone = format!("hash.{}.example", self.brand());
        for number in 0..4 {
            let id = self.add(format!("{number}.pool.ntp.example"), 4);
            self.ntp.push(id);
        }
    }

    /// Programs that call home: those of whole fleets, and those on a machine or two, which look
    /// most like a beacon and are none.
    fn add_agents(&mut self, since: Day) {
        let mut fleet = |label: &str, every: (u64, u64), sizes, clear, spread| {
            let name = format!("{label}.{}.example", self.brand());
            let addresses = self.random.between(1, 4) as usize;
            let service = self.add(name, addresses);
            let (period, jitter) = every;
            self.agents.push(Agent { service, period, jitter, sizes, clear, spread, since });
        };
        // Seconds and jitter, bytes up and down, clear text, machines of 1,000.
        fleet("sensor.cloud", (300, 20), (420, 180), false, 900);
        fleet("telemetry", (900, 300), (3_200, 420), false, 850);
        fleet("connectivity-check", (300, 5), (87, 147), true, 350);
        fleet("settings.browser", (3_600, 100), (900, 4_200), false, 700);
        fleet("updates.browser", (18_000, 200), (1_100, 2_600), false, 700);
        fleet("license", (1_800, 30), (700, 900), false, 300);
        fleet("status.chat", (600, 100), (500, 600), false, 500);
        fleet("signatures.antivirus", (3_600, 80), (600, 30_000), true, 600);
        fleet("sync.notes", (600, 150), (1_500, 1_200), false, 400);
        // On one or two machines: sensors, home-made scripts, niche software.
        let labels = [
            "api",
            "collector",
            "device",
            "feed",
            "heartbeat",
            "hub",
            "iot",
            "monitor",
            "mqtt",
            "node",
            "poll",
            "probe",
            "relay",
            "report",
            "rest",
            "rpc",
            "stream",
            "tracker",
        ];
        for label in labels {
            let name = format!("{label}.{}.example", self.brand());
            let service = self.add(name, 1);
            self.add_lone_agent(service, since);
        }
    }

    fn add_lone_agent(&mut self, service: ServiceId, since: Day) {
        let random = &mut self.random;
        let agent = Agent {
            service,
            period: *random.pick(&[30, 60, 60, 120, 300, 300, 600, 900, 1_800, 3_600]),
            jitter: *random.pick(&[0, 10, 50, 100, 300]),
            sizes: (random.around(700, 1_000), random.around(900, 1_500)),
            clear: random.chance(250),
            spread: 0,
            since,
        };
        self.agents.push(agent);
    }

    /// Programs that somebody installs later on: a network whose software never changes would make any history look
    /// better than it is. They call a cloud.
    fn add_newcomers(&mut self, hosts: u64, cloud: &[Ipv4Addr], first_day: Day) {
        for since in (1..=NEWCOMER_DAYS).map(|days| Day(first_day.0.saturating_add(days))) {
            let part = hosts % NEWCOMER_HOSTS * 1_000 / NEWCOMER_HOSTS;
            let count = hosts / NEWCOMER_HOSTS + u64::from(self.random.chance(part));
            for _ in 0..count {
                let name = format!("agent.{}.example", self.brand());
                let service = self.add_at(name, cloud.to_vec(), true);
                self.add_lone_agent(service, since);
            }
        }
    }

    fn add_sites(&mut self, hosts: u64) {
        let cdns: Vec<Vec<Ipv4Addr>> = (0..6).map(|_| self.take(9)).collect();
        for index in 0..48_u64 {
            let label = *self.random.pick(&["cdn", "fonts", "stats", "ads", "tag", "static", "js"]);
            let name = format!("{label}.{}.example", self.brand());
            let name = if index < 8 { format!("cdn-{}.example", 11 + index) } else { name };
            let near = self.random.pick(&cdns).clone();
            let id = self.add_at(name, near, true);
            self.third.push(id);
        }
        // Machines of smaller sites: each has many names.
        let hosting: Vec<Ipv4Addr> = self.take(90);
        let count = SITES.0 + (SITES.1 - SITES.0) * hosts.min(10_000) / 10_000;
        for index in 0..count {
            let brand = self.brand();
            let name = match index % 100 {
                // Honest pages on hosting that gives anybody a name, and of partners with the brand in theirs.
                17 => format!("{brand}.{}", HOSTING[index as usize / 100 % HOSTING.len()]),
                42 => format!("www.{brand}-{}.example", self.office),
                _ => format!("www.{brand}.example"),
            };
            let cdn = self.random.chance(550);
            let at = if cdn {
                self.random.pick(&cdns).clone()
            } else {
                vec![*self.random.pick(&hosting)]
            };
            let page = self.add_at(name, at.clone(), cdn);
            let mut parts = Vec::new();
            for label in ["static", "img", "api"] {
                if self.random.chance(450) {
                    let on = if self.random.chance(600) {
                        self.random.pick(&cdns).clone()
                    } else {
                        at.clone()
                    };
                    parts.push(self.add_at(format!("{label}.{brand}.example"), on, true));
                }
            }
            for _ in 0..self.random.between(2, 9) {
                parts.push(self.third[self.random.rank(self.third.len())]);
            }
            parts.sort_unstable();
            parts.dedup();
            let forms = if self.random.chance(300) { self.sign_in } else { page };
            // Median weight of a page: about 2.6 MB in 2024 (HTTP Archive, Web Almanac, "Page
            // Weight"); most of it is cached on a second visit, hence less here.
            let weight = self.random.around(900_000, 1_300);
            let video = self.random.chance(60);
            self.sites.push(Site { page, parts, forms, weight, video });
        }
    }
}

/// Every address of the three networks of RFC 5737 but the first and the last of each.
fn documentation_addresses() -> Vec<Ipv4Addr> {
    let mut addresses = Vec::with_capacity(OUTSIDE_ADDRESSES);
    for [a, b, c] in [[192, 0, 2], [198, 51, 100], [203, 0, 113]] {
        addresses.extend((1..255).map(|d| Ipv4Addr::new(a, b, c, d)));
    }
    addresses
}

/// An address in 3fff::/20 for each service.
fn v6_outside(id: ServiceId) -> Ipv6Addr {
    let [_, high, middle, low] = id.to_be_bytes();
    let host = u16::from_be_bytes([middle, low]);
    Ipv6Addr::new(0x3fff, 0x0a00 + u16::from(high), host, 0, 0, 0, 0, 0x10)
}

/// One of a service's addresses, v6 where asked for and present.
pub(crate) fn address(service: &Service, random: &mut Random, v6: bool) -> IpAddr {
    match service.v6 {
        Some(addr) if v6 => addr.into(),
        _ => (*random.pick(&service.v4)).into(),
    }
}

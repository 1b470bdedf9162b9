//! The machines of an org: roles, addresses, habits of their owners.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::calendar::Shift;
use crate::names::{DEPARTMENTS, brand};
use crate::random::Random;
use crate::transport::Stack;
use crate::world::World;

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Domain controller: resolver, Kerberos, LDAP, time.
    Directory,
    Files,
    /// The way out for machines that have no other; the sensor stands before it.
    Proxy,
    /// Web server with visitors from outside.
    Web,
    /// End of tunnels from home offices.
    Gateway,
    /// Data base and its nightly copy to the outside.
    Database,
    /// Pings the servers.
    Monitor,
    Printer,
    /// Cameras, meeting screens: they keep their address and the time, and call by multicast.
    Device,
    Worker,
}

/// A machine.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) role: Role,
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Option<Ipv6Addr>,
    pub(crate) mac: [u8; 6],
    pub(crate) name: String,
    pub(crate) stack: Stack,
    /// When its owner works; servers have [`Shift::Always`].
    pub(crate) shift: Shift,
    /// Stays on when its owner leaves.
    pub(crate) always_on: bool,
    /// Reaches the outside through the proxy only.
    pub(crate) proxied: bool,
    /// Its browser asks for HTTPS records too.
    pub(crate) asks_https: bool,
    /// Its mail program keeps a connection open, else it asks every few minutes.
    pub(crate) mail_push: bool,
    /// Which browser, an index of [`crate::names::BROWSERS`].
    pub(crate) browser: usize,
    /// Programs that call home: indices of [`World::agents`].
    pub(crate) agents: Vec<u16>,
}

/// An org.
#[derive(Clone, Debug)]
pub(crate) struct Org {
    pub(crate) index: u8,
    /// Folder of its logs: `org-a`.
    pub(crate) folder: String,
    /// Its internal domain.
    pub(crate) domain: String,
    /// First two octets of its addresses.
    pub(crate) net: [u8; 2],
    pub(crate) hosts: Vec<Host>,
    /// Places in `hosts` of each role's machines: servers are looked for at every exchange.
    by_role: [Vec<usize>; Role::Worker as usize + 1],
    /// Its own clock, microseconds east of UTC.
    pub(crate) offset: u64,
    pub(crate) random: Random,
}

impl Org {
    /// Org number `index` of a seed.
    pub(crate) fn new(seed: u64, index: u8, hosts: u32, world: &World) -> Self {
        let random = Random::new("org", seed).part(index.into());
        let mut draw = random.part(0);
        let folder = format!("org-{}", char::from(b'a' + index));
        // 10.x and 172.16 to 172.31 in turn; x from a range of each org's own.
        let net = if index % 3 == 1 {
            [172, 16 + (index / 3 + draw.below(4) as u8 * 4) % 16]
        } else {
            [10, 8 * index + draw.below(8) as u8 + 1]
        };
        let name = brand(&Random::new("org names", seed), index.into());
        let mut org = Self {
            index,
            folder,
            domain: format!("corp.{name}.example"),
            net,
            hosts: Vec::new(),
            by_role: Default::default(),
            offset: draw.below(4) * 3_600_000_000 / 2,
            random,
        };
        let mut roles = vec![
            Role::Directory,
            Role::Files,
            Role::Proxy,
            Role::Web,
            Role::Gateway,
            Role::Database,
            Role::Monitor,
        ];
        let extra = |role, count| std::iter::repeat_n(role, count as usize);
        roles.extend(extra(Role::Directory, hosts / 500));
        roles.extend(extra(Role::Files, hosts / 250));
        roles.extend(extra(Role::Web, hosts / 1_000));
        roles.extend(extra(Role::Printer, 1 + hosts / 40));
        roles.extend(extra(Role::Device, 1 + hosts / 25));
        roles.extend(extra(Role::Worker, hosts.saturating_sub(roles.len() as u32)));
        for role in roles {
            let host = org.host(role, org.by_role[role as usize].len() as u32);
            org.by_role[role as usize].push(org.hosts.len());
            org.hosts.push(host);
        }
        org.install_agents(world);
        org
    }

    fn host(&self, role: Role, number: u32) -> Host {
        let mut draw = self.random.part(1_000 + (role as u64 * 100_000) + u64::from(number));
        let worker = role == Role::Worker;
        let (third, fourth) = match role {
            Role::Worker => (20 + number / 240, 10 + number % 240),
            Role::Printer => (2 + number / 250, 2 + number % 250),
            Role::Device => (8 + number / 250, 2 + number % 250),
            Role::Web | Role::Gateway | Role::Proxy => {
                (250, 10 * (role as u32 - Role::Proxy as u32 + 1) + number)
            }
            _ => (1, 10 * (role as u32 + 1) + number),
        };
        let [a, b] = self.net;
        let v4 = Ipv4Addr::new(a, b, third as u8, fourth as u8);
        let department = *draw.pick(DEPARTMENTS);
        let kind = if draw.chance(600) { "LT" } else { "WS" };
        let name = match role {
            Role::Worker => format!("{department}-{kind}-{:03}", number + 1),
            Role::Directory => format!("DC{:02}", number + 1),
            Role::Files => format!("FILES{:02}", number + 1),
            Role::Proxy => "PROXY01".to_owned(),
            Role::Web => format!("WEB{:02}", number + 1),
            Role::Gateway => "VPN01".to_owned(),
            Role::Database => "DB01".to_owned(),
            Role::Monitor => "MON01".to_owned(),
            Role::Printer => format!("PRN{:02}", number + 1),
            Role::Device => format!("CAM{:02}", number + 1),
        };
        let browser = if draw.chance(700) { 0 } else { 1 + draw.below(2) as usize };
        let v6 = (worker && draw.chance(300)).then(|| {
            let low = u16::from_be_bytes([third as u8, fourth as u8]);
            let net = 0x1000 + u16::from(self.index);
            Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, low)
        });
        let mac = draw.next().to_be_bytes();
        Host {
            role,
            v4,
            v6,
            mac: [0x02, mac[1], mac[2], mac[3], mac[4], mac[5]], // locally administered
            name,
            stack: Stack {
                timestamps: if worker { browser != 0 } else { draw.chance(600) },
                hybrid: worker && draw.chance(750),
            },
            shift: if worker { Shift::draw(&mut draw) } else { Shift::Always },
            always_on: !worker || draw.chance(400),
            proxied: worker && draw.chance(120),
            asks_https: worker && draw.chance(350),
            mail_push: draw.chance(500),
            browser,
            agents: Vec::new(),
        }
    }

    /// Fleet agents by their spread; each lone one on one or two machines of about half the orgs.
    fn install_agents(&mut self, world: &World) {
        let mut draw = self.random.part(2);
        for (number, agent) in world.agents.iter().enumerate() {
            let number = number as u16;
            if agent.spread > 0 {
                for host in &mut self.hosts {
                    let able = !matches!(host.role, Role::Printer | Role::Device) && !host.proxied;
                    if able && draw.chance(agent.spread) {
                        host.agents.push(number);
                    }
                }
            } else if draw.chance(500) {
                for _ in 0..draw.between(1, 2) {
                    let at = draw.below(self.hosts.len() as u64) as usize;
                    let host = &mut self.hosts[at];
                    if !host.proxied && !host.agents.contains(&number) {
                        host.agents.push(number);
                    }
                }
            }
        }
    }

    /// The machines of a role, as places in `hosts`; never empty for the servers that every org
    /// has.
    pub(crate) fn of(&self, role: Role) -> &[usize] {
        &self.by_role[role as usize]
    }

    /// The first machine of a role. Every org has one of each but workers, and `HOSTS_MIN`
    /// leaves room for some of these.
    pub(crate) fn first(&self, role: Role) -> &Host {
        &self.hosts[self.of(role)[0]]
    }

    /// The server of a role that serves host number `index`: spread over all there are.
    pub(crate) fn server(&self, role: Role, index: usize) -> &Host {
        let servers = self.of(role);
        &self.hosts[servers[index % servers.len()]]
    }

    /// Whether an address is one of the org's.
    pub(crate) fn is_inside(&self, addr: IpAddr) -> bool {
        match addr {
            IpAddr::V4(addr) => addr.octets()[..2] == self.net,
            IpAddr::V6(addr) => {
                addr.segments()[..3] == [0x2001, 0xdb8, 0x1000 + u16::from(self.index)]
            }
        }
    }

    /// Its networks, as for `--home-net`.
    pub(crate) fn home_nets(&self) -> [String; 2] {
        let [a, b] = self.net;
        [format!("{a}.{b}.0.0/16"), format!("2001:db8:{:x}::/48", 0x1000 + u16::from(self.index))]
    }
}

//! What programs do without being asked: agents, updates, time, push channels, reputation.

use super::{MINUTE, SECOND};
use crate::calendar::{DAY, HOUR};
use crate::inside::Role;
use crate::names::code;
use crate::rows::QType;
use crate::talk::{Answer, Exchange, Request, Talk, Target};
use crate::transport::Close;

impl Talk<'_> {
    /// One contact of an agent.
    pub(super) fn agent(&mut self, at: u64, number: u16) -> u64 {
        let agent = self.world.agents[usize::from(number)];
        let installed = u64::from(agent.since.0) * DAY;
        if at < installed {
            let hour = self.actor.random.below(12 * HOUR);
            return self.again(installed, hour);
        }
        let period = agent.period * SECOND;
        let stray = period * agent.jitter / 1_000;
        let gap = period - stray + self.actor.random.below(2 * stray + 1);
        if self.on(at) {
            let up = self.actor.random.around(agent.sizes.0, 150);
            let down = self.actor.random.around(agent.sizes.1, 400);
            let (ready, to) = self.reach(agent.service, at);
            if agent.clear {
                let request = Request {
                    method: "GET",
                    uri: "/v2/check",
                    agent: "updater/4.2",
                    sent: 0,
                    received: down,
                    mime: "application/octet-stream",
                    file_name: "",
                };
                self.http(ready, &to.on(80), &request);
            } else {
                let lasts = to.rtt + 30_000 + self.actor.random.below(2 * SECOND);
                let close = Close::Client;
                self.tls(ready, &to, &Exchange { up, down, turns: 1, lasts, close });
            }
        }
        self.again(at, gap)
    }

    /// A channel held open for hours with a sign of life a minute.
    pub(super) fn push(&mut self, at: u64, number: u8) -> u64 {
        if !self.on(at) || self.host.proxied {
            return self.again(at, HOUR);
        }
        let lasts = self.actor.random.between(15 * MINUTE, 5 * HOUR);
        let signs = lasts / MINUTE;
        let (ready, to) = self.reach(self.world.push[usize::from(number)], at);
        let down = signs * 60 + self.actor.random.around(30_000, 2_000);
        let exchange =
            Exchange { up: signs * 64, down, turns: signs, lasts, close: Close::ServerReset };
        let (_, end) = self.tls(ready, &to, &exchange);
        let pause = SECOND + self.actor.random.below(5 * SECOND);
        self.again(end, pause)
    }

    /// Time: from the directory inside, or from a pool outside; polls of 64 to 1,024 seconds
    /// (RFC 5905, 7.2).
    pub(super) fn time(&mut self, at: u64) -> u64 {
        if self.on(at) {
            let outside = self.host.role != Role::Worker && self.host.role != Role::Printer;
            let (at, to) = if outside {
                let servers = &self.world.ntp;
                let own = self.host.v4.octets()[3];
                self.reach(servers[usize::from(own) % servers.len()], at)
            } else {
                (at, Target::bare(self.org.first(Role::Directory).v4, 123, 500))
            };
            let took = to.rtt + self.actor.random.below(800);
            self.udp(at, &to.on(123), "ntp", ((1, 48), (1, 48)), took);
        }
        let poll = if self.host.role == Role::Worker { 2_048 } else { 1_024 };
        let gap = poll * SECOND + self.actor.random.below(8 * SECOND);
        self.again(at, gap)
    }

    /// A system update a day: one file by plain HTTP, signed, in one in five cases a program.
    pub(super) fn update(&mut self, at: u64) -> u64 {
        if self.on(at) && !self.host.proxied {
            let (ready, to) = self.reach(self.world.updates, at);
            let program = self.actor.random.chance(200);
            let name = format!(
                "{}.{}",
                code(&mut self.actor.random, 12),
                if program { "exe" } else { "cab" }
            );
            let uri = format!("/d/2026/11/{name}");
            let request = Request {
                method: "GET",
                uri: &uri,
                agent: "system-update/10.0",
                sent: 0,
                received: self.actor.random.around(9_000_000, 1_800),
                mime: if program {
                    "application/x-dosexec"
                } else {
                    "application/vnd.ms-cab-compressed"
                },
                file_name: "",
            };
            self.http(ready, &to.on(80), &request);
        }
        let gap = 20 * HOUR + self.actor.random.below(6 * HOUR);
        self.again(at, gap)
    }

    /// Asks about a file by a hash in a DNS name: many unique names under one domain, and harmless.
    pub(super) fn reputation(&mut self, at: u64) -> u64 {
        if self.busy(at) {
            for _ in 0..self.actor.random.between(1, 3) {
                let hash = code(&mut self.actor.random, 26);
                let name = format!("{hash}.{}", self.world.reputation_zone);
                let answer = if self.actor.random.chance(900) {
                    Answer::Missing
                } else {
                    Answer::Found("127.0.0.2", 300)
                };
                self.ask(at, &name, QType::A, answer);
            }
        }
        self.later(at, 45)
    }

    /// Multicast names and devices (mDNS, SSDP): nobody answers on the wire.
    pub(super) fn multicast(&mut self, at: u64) -> u64 {
        if self.on(at) {
            let packets = self.actor.random.between(1, 4);
            let to = if self.actor.random.chance(500) {
                Target::bare([224, 0, 0, 251], 5_353, 0)
            } else {
                Target::bare([239, 255, 255, 250], 1_900, 0)
            };
            let size = if to.port == 5_353 { 45 } else { 174 };
            let service = if to.port == 5_353 { "dns" } else { "" };
            let lasts = (packets - 1) * SECOND;
            self.udp(at, &to, service, ((packets, packets * size), (0, 0)), lasts);
        }
        let gap = MINUTE + self.actor.random.exponential(25 * MINUTE);
        self.again(at, gap)
    }

    /// A site-to-site tunnel: one UDP flow renewed every few hours.
    pub(super) fn vpn(&mut self, at: u64) -> u64 {
        let (ready, to) = self.reach(self.world.vpn, at);
        let lasts = self.actor.random.between(2 * HOUR, 6 * HOUR);
        let packets = lasts / (3 * SECOND);
        let way = |factor: u64| (packets * factor, packets * factor * 420);
        self.udp(ready, &to.on(51_820), "", (way(2), way(3)), lasts);
        at + lasts + SECOND
    }
}

//! Servers: visitors and probes from outside, home offices, backups, monitoring, forwarding.

use super::{MINUTE, SECOND};
use crate::calendar::{DAY, HOUR, visitors};
use crate::inside::Role;
use crate::rows::{Ends, Proto};
use crate::talk::{Exchange, Talk, Target};
use crate::transport::{Close, Stack, tcp_failed, udp};

/// Ports that the internet's scanners try most. The order is that of common honeypot statistics,
/// rounded by us.
const PROBED: [u16; 16] =
    [23, 22, 445, 3_389, 8_080, 80, 5_555, 443, 1_433, 8_443, 6_379, 3_306, 2_323, 5_900, 81, 25];

impl Talk<'_> {
    /// Busier orgs have more of what comes from outside: so many machines to one unit.
    fn per_machines(&self, gap: u64) -> u64 {
        let web = self.org.of(self.host.role).len() as u64;
        gap * 50 * web / (self.org.hosts.len() as u64).max(1)
    }

    /// A visitor of the web server.
    pub(super) fn visitors(&mut self, at: u64) -> u64 {
        let local = self.local(at);
        if self.actor.random.chance(visitors(local)) {
            let from = *self.actor.random.pick(&self.world.visitors);
            let down = self.actor.random.around(60_000, 1_800);
            let up = self.actor.random.around(900, 700);
            let lasts = self.actor.random.around(6 * SECOND, 1_400);
            let close = if self.actor.random.chance(700) { Close::Client } else { Close::Server };
            let exchange = Exchange { up, down, turns: 1 + down / 50_000, lasts, close };
            self.visited(at, from.into(), &exchange);
        }
        let mean = self.per_machines(25 * SECOND);
        at + 1_000 + self.actor.random.exponential(mean)
    }

    /// Somebody outside knocks: mostly unanswered, sometimes refused, rarely let in for a moment.
    pub(super) fn probes(&mut self, at: u64) -> u64 {
        let from = *self.actor.random.pick(&self.world.scanners);
        let port = if self.actor.random.chance(700) {
            PROBED[self.actor.random.rank(PROBED.len())]
        } else {
            1 + self.actor.random.below(65_535) as u16
        };
        let ends = Ends(
            from.into(),
            self.actor.random.between(1_024, 65_535) as u16,
            self.host.v4.into(),
            port,
        );
        let open = self.host.role == Role::Web && matches!(port, 80 | 443);
        if open {
            let exchange =
                Exchange { up: 180, down: 700, turns: 1, lasts: SECOND, close: Close::Client };
            self.visited(at, from.into(), &exchange);
        } else {
            let refused = self.actor.random.chance(350).then_some(300);
            let stack = Stack { timestamps: true, hybrid: false };
            let shape = tcp_failed(stack, false, 1, refused);
            self.conn(at, ends, Proto::Tcp, "", shape);
        }
        let mean = self.per_machines(40 * SECOND);
        at + 1_000 + self.actor.random.exponential(mean)
    }

    /// Tunnels from home: hours long, in working time.
    pub(super) fn home_offices(&mut self, at: u64) -> u64 {
        let local = self.local(at);
        if self.actor.random.chance(visitors(local)) && (7..19).contains(&(local % DAY / HOUR)) {
            let from = *self.actor.random.pick(&self.world.visitors);
            let port = self.actor.random.between(20_000, 60_000) as u16;
            let ends = Ends(from.into(), port, self.host.v4.into(), 51_820);
            let lasts = self.actor.random.around(90 * MINUTE, 1_000);
            let packets = lasts / SECOND * 3;
            let way = |packets: u64, size: u64| (packets, packets * size);
            let shape = udp(false, way(packets, 160), way(packets * 2, 700), lasts);
            self.conn(at, ends, Proto::Udp, "", shape);
        }
        let mean = self.per_machines(30 * MINUTE);
        at + self.actor.random.exponential(mean)
    }

    /// The nightly copy: gigabytes out in a few connections.
    pub(super) fn backup(&mut self, at: u64) -> u64 {
        let local = self.local(at);
        let hour = local % DAY / HOUR;
        if (1..3).contains(&hour) {
            let mut starts = at;
            for _ in 0..self.actor.random.between(2, 6) {
                let (ready, to) = self.reach(self.world.backup, starts);
                let up = self.actor.random.around(400_000_000, 900);
                let lasts = up / 20; // 160 Mbit/s
                let exchange = Exchange {
                    up,
                    down: up / 900,
                    turns: up / 4_000_000,
                    lasts,
                    close: Close::Client,
                };
                let (_, end) = self.tls(ready, &to, &exchange);
                starts = end + SECOND;
            }
        }
        // Next night at one o'clock, give or take.
        let midnight = (local / DAY + u64::from(hour >= 1)) * DAY;
        midnight + HOUR - self.org.offset + self.actor.random.below(40 * MINUTE)
    }

    /// Five pings to each server, every five minutes.
    pub(super) fn pings(&mut self, at: u64) -> u64 {
        let org = self.org;
        let mut sent = at;
        for host in org.hosts.iter().filter(|host| host.role < Role::Monitor) {
            sent += 20_000;
            self.ping(sent, host.v4.into(), 5, true);
        }
        at + 5 * MINUTE + self.actor.random.below(SECOND)
    }

    /// The resolver's channel to the resolver outside, by DNS over TLS (RFC 7858); idle ones are
    /// closed after a while.
    pub(super) fn forward(&mut self, at: u64) -> u64 {
        let world = self.world;
        let service = world.service(world.resolver);
        let to = Target { modern: true, ..Target::bare(service.v4[0], 853, service.rtt) };
        let to = Target { name: &service.name, ..to };
        let lasts = self.actor.random.between(20 * SECOND, 4 * MINUTE);
        let turns = lasts / SECOND;
        let exchange =
            Exchange { up: turns * 130, down: turns * 240, turns, lasts, close: Close::Client };
        let (_, end) = self.tls(at, &to, &exchange);
        end + self.actor.random.exponential(30 * SECOND)
    }
}

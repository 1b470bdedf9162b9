//! Reading pages: a page, its parts from other names, forms, films, downloads.

use super::{MINUTE, SECOND};
use crate::rows::QType;
use crate::talk::{Answer, Exchange, Talk};
use crate::transport::Close;
use crate::world::{ServiceId, Site};

impl Talk<'_> {
    /// Reads a page, then another soon or after a pause.
    pub(super) fn browse(&mut self, at: u64) -> u64 {
        if !self.busy(at) {
            return self.later(at, 10);
        }
        let world = self.world;
        let site = &world.sites[self.choose_site()];
        self.page(at, site);
        if self.actor.random.chance(680) {
            at + 8 * SECOND + self.actor.random.exponential(35 * SECOND)
        } else {
            self.later(at, 14)
        }
    }

    /// Mostly one of a dozen favourites of the machine's own, else any, the popular ones first.
    fn choose_site(&mut self) -> usize {
        let count = self.world.sites.len();
        if self.actor.random.chance(600) {
            let favourite = self.actor.random.rank(12) as u64;
            self.days().part(favourite).rank(count)
        } else {
            self.actor.random.rank(count)
        }
    }

    fn page(&mut self, at: u64, site: &Site) {
        // How long the browser keeps idle connections once the reader has gone on.
        let closes = at + 5 * SECOND + self.actor.random.around(25 * SECOND, 1_300);
        let weight = self.actor.random.around(site.weight, 900);
        let (shown, _) = self.fetch(at, site.page, 1_200, weight / 4, closes);
        for part in &site.parts {
            if !self.actor.random.chance(650) {
                continue; // cached, or its connection is still there
            }
            let starts = shown + self.actor.random.exponential(450_000);
            let bytes = self.actor.random.around(weight / 12 + 400, 1_500);
            let asked = self.actor.random.around(700, 700);
            self.fetch(starts, *part, asked, bytes, closes);
        }
        if self.actor.random.chance(25) {
            self.dead_part(shown);
        }
        if self.actor.random.chance(70) {
            self.form(shown, site);
        }
        if site.video && self.actor.random.chance(250) {
            let bytes = self.actor.random.around(60_000_000, 1_200);
            let lasts = self.actor.random.between(2 * MINUTE, 35 * MINUTE);
            self.fetch(shown + 2 * SECOND, site.page, 9_000, bytes, shown + lasts);
        } else if self.actor.random.chance(8) {
            let bytes = self.actor.random.around(25_000_000, 1_500);
            self.fetch(shown + 4 * SECOND, site.page, 900, bytes, shown + MINUTE);
        }
    }

    /// One connection to a service, by the way this machine takes: the proxy, QUIC or TLS.
    pub(super) fn fetch(
        &mut self,
        at: u64,
        service: ServiceId,
        up: u64,
        down: u64,
        closes: u64,
    ) -> (u64, u64) {
        let close = match self.actor.random.below(100) {
            0..70 => Close::Client,
            70..88 => Close::Server,
            88..97 => Close::ClientReset,
            _ => Close::ServerReset,
        };
        let turns = 1 + down / 60_000;
        let mut exchange = Exchange { up, down, turns, lasts: 0, close };
        // Bytes at up to 80 Mbit/s set the least time.
        let least = 40_000 + down / 10;
        if self.host.proxied {
            exchange.lasts = least.max(closes.saturating_sub(at));
            let agent = crate::names::BROWSERS[self.host.browser];
            return self.proxied(at, service, agent, &exchange);
        }
        let (at, to) = self.reach(service, at);
        exchange.lasts = least.max(closes.saturating_sub(at));
        if to.quic && self.actor.random.chance(650) {
            // QUIC goes silent when idle instead of saying goodbye.
            exchange.lasts = least + self.actor.random.below(9 * SECOND);
            self.quic(at, &to, &exchange)
        } else {
            self.tls(at, &to, &exchange)
        }
    }

    /// A form sent after a while of typing: what a phishing submission must be told from.
    fn form(&mut self, shown: u64, site: &Site) {
        if self.actor.random.chance(300) {
            self.fetch(shown + SECOND, self.world.autofill, 900, 1_400, shown + 20 * SECOND);
        }
        let typed = shown + self.actor.random.between(5 * SECOND, 50 * SECOND);
        let (up, down) =
            (self.actor.random.between(700, 3_500), self.actor.random.between(900, 40_000));
        self.fetch(typed, site.forms, up, down, typed + 12 * SECOND);
    }

    /// A part whose server is gone.
    fn dead_part(&mut self, at: u64) {
        if self.host.proxied {
            return;
        }
        let world = self.world;
        let service = world.service(world.third[self.actor.random.rank(world.third.len())]);
        let name = format!("old-{}", service.name);
        self.ask(at, &name, QType::A, Answer::Missing);
    }
}

//! Programs that ask their server for orders: period, jitter, loss, noise in size, carrier.

use std::net::Ipv4Addr;

use serde_json::json;

use super::{Deed, KeyRow, Place, Planner, Told, key_row};
use crate::calendar::{DAY, HOUR};
use crate::habits::SECOND;
use crate::names::{BROWSERS, code};
use crate::talk::{Exchange, Request, Talk, Target};
use crate::transport::Close;
use crate::world::ServiceId;

/// How a beacon travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// TLS with a server name.
    Tls,
    /// Plain HTTP with a Host header.
    Http,
    /// TLS to an address, without a name.
    Bare,
    /// A protocol of its own on a port of its own.
    OddPort,
    /// TLS through the org's proxy.
    Proxy,
}

impl Carrier {
    const ALL: [Self; 5] = [Self::Tls, Self::Http, Self::Bare, Self::OddPort, Self::Proxy];

    const fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Bare => "bare_address",
            Self::OddPort => "odd_port",
            Self::Proxy => "proxy_connect",
        }
    }
}

/// What is drawn for one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    pub(crate) period_s: u64,
    /// A gap is uniform in period times 1 plus or minus this.
    pub(crate) jitter_percent: u64,
    /// So many contacts do not take place.
    pub(crate) loss_percent: u64,
    /// Sizes are uniform in the usual one times 1 plus or minus this.
    pub(crate) size_noise_percent: u64,
}

/// A beacon at work.
pub(crate) struct Beacon {
    pub(crate) habit: Habit,
    pub(crate) carrier: Carrier,
    pub(crate) server: ServiceId,
    pub(crate) addr: Ipv4Addr,
    pub(crate) port: u16,
    pub(crate) sizes: (u64, u64),
    /// A longer first talk, as after an infection: bytes up and down, microseconds.
    pub(crate) opening: Option<(u64, u64, u64)>,
    pub(crate) uri: String,
}

impl Beacon {
    pub(super) fn perform(&mut self, talk: &mut Talk<'_>, at: u64) -> Option<u64> {
        let mut gap = uniform(talk, self.habit.period_s * SECOND, self.habit.jitter_percent);
        if let Some((up, down, lasts)) = self.opening.take() {
            self.contact(talk, at, Exchange { up, down, turns: 30, lasts, close: Close::Client });
            gap += lasts;
        } else if !talk.actor.random.chance(self.habit.loss_percent * 10) {
            let up = uniform(talk, self.sizes.0, self.habit.size_noise_percent);
            let down = uniform(talk, self.sizes.1, self.habit.size_noise_percent);
            let lasts = 60_000 + talk.actor.random.below(300_000);
            self.contact(talk, at, Exchange { up, down, turns: 1, lasts, close: Close::Client });
        }
        Some(at + gap)
    }

    fn contact(&self, talk: &mut Talk<'_>, at: u64, exchange: Exchange) {
        match self.carrier {
            Carrier::Tls => {
                let (ready, to) = talk.reach(self.server, at);
                talk.tls(ready, &to.on(self.port), &exchange);
            }
            Carrier::Http => {
                let (ready, to) = talk.reach(self.server, at);
                let posts = exchange.up > 2_000;
                let request = Request {
                    method: if posts { "POST" } else { "GET" },
                    uri: &self.uri,
                    agent: BROWSERS[0],
                    sent: if posts { exchange.up } else { 0 },
                    received: exchange.down,
                    mime: "text/html",
                    file_name: "",
                };
                talk.http(ready, &to.on(self.port), &request);
            }
            Carrier::Bare => {
                talk.tls(at, &Target::bare(self.addr, self.port, 62_000), &exchange);
            }
            Carrier::OddPort => {
                talk.tcp(at, &Target::bare(self.addr, self.port, 71_000), "", &exchange);
            }
            Carrier::Proxy => {
                talk.proxied(at, self.server, BROWSERS[0], &exchange);
            }
        }
    }
}

/// Uniform around `middle`, this many percent either way.
fn uniform(talk: &mut Talk<'_>, middle: u64, percent: u64) -> u64 {
    let stray = middle * percent / 100;
    talk.actor.random.between(middle - stray, middle + stray)
}

impl Planner<'_> {
    /// Two of each attacked org's own; with two orgs or more one server that the first two share.
    pub(super) fn beacons(&mut self) {
        let turn = self.random.below(5) as usize;
        let attacked = self.attacked();
        for (nth, org) in attacked.iter().enumerate() {
            for more in 0..2 {
                let carrier = Carrier::ALL[(turn + 2 * nth + more) % 5];
                let (habit, place) = (self.draw_habit(), self.victim(*org));
                let server = self.c2_server();
                self.beacon(place, habit, carrier, server, None);
            }
        }
        if let [first, second, ..] = attacked[..] {
            let server = self.c2_server();
            let carrier = *self.random.pick(&[Carrier::Tls, Carrier::Http]);
            let habit = self.draw_habit();
            for org in [first, second] {
                let place = self.victim(org);
                self.beacon(place, habit, carrier, server, None);
            }
        }
    }

    /// Period x jitter x loss x size noise, each once: 64 beacons, carriers in turn.
    pub(super) fn beacon_grid(&mut self) {
        let attacked = self.attacked();
        let mut nth = self.random.below(5) as usize;
        for period_s in [10, 60, 300, 3_600] {
            for jitter_percent in [0, 10, 30, 50] {
                for loss_percent in [0, 20] {
                    for size_noise_percent in [0, 40] {
                        let habit =
                            Habit { period_s, jitter_percent, loss_percent, size_noise_percent };
                        let place = self.victim(attacked[nth % attacked.len()]);
                        let server = self.c2_server();
                        self.beacon(place, habit, Carrier::ALL[nth % 5], server, None);
                        nth += 1;
                    }
                }
            }
        }
    }

    fn draw_habit(&mut self) -> Habit {
        Habit {
            period_s: *self.random.pick(&[10, 60, 60, 300, 300, 300, 3_600]),
            jitter_percent: *self.random.pick(&[0, 10, 30, 50]),
            loss_percent: *self.random.pick(&[0, 20]),
            size_noise_percent: *self.random.pick(&[0, 10, 40]),
        }
    }

    /// A server with a name as rented ones have.
    pub(super) fn c2_server(&mut self) -> ServiceId {
        let brand = self.world.brand();
        let name = match self.random.below(4) {
            0 => format!("{brand}.example"),
            1 => format!("cdn.{brand}.example"),
            2 => format!("{}.{brand}.example", code(&mut self.random, 8)),
            _ => format!("api-{}.example", code(&mut self.random, 10)),
        };
        self.world.add_plain(name)
    }

    /// Plants one; with a follow-up it starts with a longer talk, at its moment and in its group.
    pub(super) fn beacon(
        &mut self,
        place: Place,
        habit: Habit,
        carrier: Carrier,
        server: ServiceId,
        follow: Option<(u64, String)>,
    ) {
        let random = &mut self.random;
        let port = match carrier {
            Carrier::Http => *random.pick(&[80, 80, 8_080]),
            Carrier::OddPort => random.between(4_000, 48_000) as u16,
            Carrier::Tls | Carrier::Bare => *random.pick(&[443, 443, 8_443]),
            Carrier::Proxy => 443,
        };
        // Long enough for at least five contacts even when the period is an hour.
        let begins = self.start + random.between(HOUR / 6, 5 * HOUR);
        let (start, group, opening) = match follow {
            None => (begins, None, None),
            Some((start, group)) => {
                let talk = (
                    random.around(25_000, 1_000),
                    random.around(150_000, 1_200),
                    random.between(180 * SECOND, 1_800 * SECOND),
                );
                (start, Some(group), Some(talk))
            }
        };
        let service = self.world.service(server);
        let (addr, name) = (service.v4[0], service.name.clone());
        let sizes = (self.random.around(420, 900), self.random.around(380, 1_200));
        let row = beacon_row(habit, carrier, &name, addr, port, opening.is_some());
        let parameters = json!({
            "carrier": carrier.name(), "period_s": habit.period_s,
            "jitter_percent": habit.jitter_percent, "loss_percent": habit.loss_percent,
            "size_noise_percent": habit.size_noise_percent, "bytes_up": sizes.0,
            "bytes_down": sizes.1, "name": name, "address": addr.to_string(), "port": port,
            "start_s": start / SECOND, "days": (self.end - start).div_ceil(DAY),
        });
        let uri = format!("/{}/{}", code(&mut self.random, 6), code(&mut self.random, 12));
        let deed = Deed::Beacon(Beacon { habit, carrier, server, addr, port, sizes, opening, uri });
        let scenario = "beacon";
        let destination = match carrier {
            Carrier::Bare | Carrier::OddPort => addr.to_string(),
            _ => name,
        };
        self.add(
            place,
            start,
            deed,
            Told { scenario, group, destination, parameters, key: vec![row] },
        );
    }
}

fn beacon_row(
    habit: Habit,
    carrier: Carrier,
    name: &str,
    addr: Ipv4Addr,
    port: u16,
    after_download: bool,
) -> KeyRow {
    let Habit { period_s, jitter_percent, loss_percent, size_noise_percent } = habit;
    let note = format!(
        "period {period_s} s, jitter {jitter_percent} %, loss {loss_percent} %, size noise \
         {size_noise_percent} %, {}",
        carrier.name()
    );
    let named = format!("{name}|{addr}");
    let (destination, behaviours) = match (carrier, after_download) {
        (Carrier::Proxy, _) => (name.to_owned(), "c2_beacon_proxied"),
        (Carrier::Bare | Carrier::OddPort, false) => (addr.to_string(), "c2_beacon_ip"),
        (Carrier::Bare | Carrier::OddPort, true) => {
            (addr.to_string(), "download_then_c2|c2_beacon_ip|interactive_c2_channel")
        }
        (_, false) => (named, "c2_beacon_http_tls|c2_beacon_ip"),
        (_, true) => {
            (named, "download_then_c2|c2_beacon_http_tls|c2_beacon_ip|interactive_c2_channel")
        }
    };
    key_row(&destination, &port, "tcp", behaviours, "high", note)
}

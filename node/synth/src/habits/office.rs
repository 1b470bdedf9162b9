//! The working day inside: logging on, drives, printers, mail, meetings, shared folders.

use super::{MINUTE, SECOND};
use crate::calendar::{DAY, HOUR};
use crate::inside::Role;
use crate::rows::{Log, Proto, QType};
use crate::talk::{Answer, Exchange, Talk, Target};
use crate::transport::{Close, udp};

/// How long an address is leased, seconds; renewed at half of it (RFC 2131, 4.4.5).
const LEASE_S: u64 = 28_800;
/// Inside, there and back, microseconds.
const NEAR: u64 = 400;

fn exchange(up: u64, down: u64, turns: u64, lasts: u64) -> Exchange {
    Exchange { up, down, turns, lasts, close: Close::Client }
}

impl Talk<'_> {
    /// The morning: address, where the directory is, log-on, drives.
    pub(super) fn start(&mut self, at: u64) -> u64 {
        let at = self.arrival(at);
        self.dhcp(at);
        let directory = format!("_ldap._tcp.dc._msdcs.{}", self.org.domain);
        let answer = format!("dc01.{}", self.org.domain);
        let at = self.ask(at + SECOND, &directory, QType::Srv, Answer::Found(&answer, 600));
        self.log_on(at + 20_000);
        self.drive(at + 3 * SECOND);
        // The next day's arrival: from the coming midnight on.
        let midnight = (self.local(at) / DAY + 1) * DAY - self.org.offset;
        self.arrival(midnight)
    }

    /// Renews its address at half of the lease.
    pub(super) fn lease(&mut self, at: u64) -> u64 {
        self.dhcp(at);
        let gap = LEASE_S / 2 * SECOND + self.actor.random.below(20 * SECOND);
        self.again(at, gap)
    }

    fn dhcp(&mut self, at: u64) {
        let server = self.org.first(Role::Directory).v4;
        let took = self.actor.random.between(600, 9_000);
        let ends = crate::rows::Ends(self.host.v4.into(), 68, server.into(), 67);
        let uid = self.conn(at, ends, Proto::Udp, "dhcp", udp(false, (1, 300), (1, 308), took));
        let [a, b, c, d, e, f] = self.host.mac;
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        let (host, domain) = (&self.host.name, &self.org.domain);
        let full = format!("{}.{domain}", host.to_ascii_lowercase());
        let own = self.host.v4.into();
        self.logs.other(Log::Dhcp, at, |line| {
            line.micros(at).uid(uid).addr(own).addr(server.into()).text(&mac).text(host);
            line.text(&full).text(domain).unset(1).addr(own).micros(LEASE_S * SECOND).unset(2);
            line.text("REQUEST,ACK").micros(took).end();
        });
    }

    fn log_on(&mut self, at: u64) {
        let server = self.org.server(Role::Directory, self.host.v4.octets()[3].into()).v4;
        let kerberos = Target::bare(server, 88, NEAR);
        let sizes = self.actor.random.between(1_400, 2_600);
        self.tcp(at, &kerberos, "krb_tcp", &exchange(sizes, sizes + 150, 1, 4_000));
        let ldap = Target::bare(server, 389, NEAR);
        let down = self.actor.random.around(9_000, 1_200);
        self.tcp(at + 30_000, &ldap, "ldap_tcp", &exchange(2_400, down, 6, 2 * SECOND));
    }

    /// Tickets and look-ups through the day.
    pub(super) fn directory(&mut self, at: u64) -> u64 {
        if self.on(at) {
            self.log_on(at);
        }
        let gap = MINUTE + self.actor.random.exponential(28 * MINUTE);
        self.again(at, gap)
    }

    fn drive(&mut self, at: u64) {
        let index = usize::from(self.host.v4.octets()[3]);
        let name = format!("files{:02}.{}", 1, self.org.domain);
        let server = self.org.server(Role::Files, index).v4;
        let at = self.ask(at, &name, QType::A, Answer::Found(&server.to_string(), 1_200));
        let up = self.actor.random.around(40_000, 2_000);
        let down = self.actor.random.around(150_000, 2_500);
        let lasts = self.actor.random.around(4 * MINUTE, 1_500).min(6 * HOUR);
        let turns = 10 + (up + down) / 20_000;
        let to = Target::bare(server, 445, NEAR);
        self.tcp(at, &to, "gssapi,smb,krb", &exchange(up, down, turns, lasts));
    }

    /// Opens or saves files on the server.
    pub(super) fn file_server(&mut self, at: u64) -> u64 {
        if self.busy(at) {
            self.drive(at);
        }
        self.later(at, 22)
    }

    /// Prints now and then.
    pub(super) fn print(&mut self, at: u64) -> u64 {
        if self.busy(at) {
            let printers = self.org.of(Role::Printer);
            let printer =
                &self.org.hosts[printers[usize::from(self.host.v4.octets()[2]) % printers.len()]];
            let up = self.actor.random.around(350_000, 1_600);
            let to = Target::bare(printer.v4, 9_100, 900);
            self.tcp(at, &to, "", &exchange(up, 300, 4, SECOND + up / 2));
        }
        self.later(at, 150)
    }

    /// Looks for mail: an open IMAP session renewed before 30 minutes (RFC 2177), or a question to
    /// the webmail service every few minutes.
    pub(super) fn mail(&mut self, at: u64) -> u64 {
        let push = self.host.mail_push && !self.host.proxied;
        let gap = if push { 29 * MINUTE } else { 3 * MINUTE + self.actor.random.below(2 * MINUTE) };
        if self.on(at) {
            let news = self.actor.random.chance(250);
            let down = if news { self.actor.random.around(60_000, 1_800) } else { 900 };
            if push {
                let (ready, to) = self.reach(self.world.imap, at);
                let exchange =
                    Exchange { close: Close::Server, ..exchange(1_500, down, 12, gap - SECOND) };
                self.tls(ready, &to.on(993), &exchange);
            } else {
                let webmail = self.world.webmail;
                self.fetch(at, webmail, 1_100, down, at + 20 * SECOND);
            }
        }
        self.again(at, gap)
    }

    /// A call: media both ways over UDP, 0.6 to 2.5 Mbit/s, beside a signalling connection.
    pub(super) fn meeting(&mut self, at: u64) -> u64 {
        if self.busy(at) && !self.host.proxied {
            let lasts = self.actor.random.between(14 * MINUTE, 62 * MINUTE);
            let meetings = self.world.meetings;
            self.fetch(at, meetings, 40_000, 300_000, at + lasts);
            let (ready, to) = self.reach(meetings, at + 2 * SECOND);
            let bytes = |rate_kbit: u64| lasts / 8_000 * rate_kbit;
            let up = bytes(self.actor.random.between(300, 1_500));
            let down = bytes(self.actor.random.between(600, 2_500));
            let packets = |bytes: u64| (bytes.div_ceil(1_050), bytes);
            self.udp(ready, &to.on(3_478), "", (packets(up), packets(down)), lasts);
        }
        self.later(at, 170)
    }

    /// Shared folders outside: small changes, and now and then a large upload.
    pub(super) fn storage(&mut self, at: u64) -> u64 {
        if self.busy(at) {
            let large = self.actor.random.chance(60);
            let up = if large {
                self.actor.random.around(60_000_000, 1_200)
            } else {
                self.actor.random.around(90_000, 2_000)
            };
            let lasts = 2 * SECOND + up / 2;
            let storage = self.world.storage;
            self.fetch(at, storage, up, 4_000 + up / 50, at + lasts);
        }
        self.later(at, 35)
    }

    /// What goes wrong every day: dead servers, dead names, a resolver that does not answer.
    pub(super) fn stray(&mut self, at: u64) -> u64 {
        if self.on(at) {
            let [a, b] = self.org.net;
            let gone = std::net::Ipv4Addr::new(a, b, 1, 200 + self.actor.random.below(8) as u8);
            match self.actor.random.below(10) {
                0..3 => {
                    self.tcp_failed(at, gone.into(), 445, false);
                }
                3..5 => {
                    let server = self.org.first(Role::Files).v4;
                    self.tcp_failed(at, server.into(), 80, true);
                }
                5..7 => {
                    let [c, d] = [self.actor.random.below(2) + 1, self.actor.random.between(2, 99)];
                    let name = format!("{d}.{c}.{b}.{a}.in-addr.arpa");
                    self.ask(at, &name, QType::Ptr, Answer::Missing);
                }
                7..9 => {
                    let name = format!("wpad.{}", self.org.domain);
                    self.ask(at, &name, QType::A, Answer::Missing);
                }
                _ => {
                    let site = self.actor.random.rank(self.world.sites.len());
                    let world = self.world;
                    let name = &world.service(world.sites[site].page).name;
                    let answer = if self.actor.random.chance(500) {
                        Answer::Silence
                    } else {
                        Answer::Broken
                    };
                    self.ask(at, name, QType::A, answer);
                }
            }
        }
        let gap = self.actor.random.exponential(40 * MINUTE);
        self.again(at, gap)
    }
}

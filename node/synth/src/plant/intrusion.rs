//! What follows a break-in: a program fetched, data carried out, a tunnel in DNS, a long line.

use serde_json::json;

use super::beacon::{Carrier, Habit};
use super::{Deed, Planner, Told, key_row};
use crate::calendar::HOUR;
use crate::habits::SECOND;
use crate::inside::Role;
use crate::names::code;
use crate::rows::QType;
use crate::talk::{Answer, Exchange, Request, Talk, Target};
use crate::transport::Close;
use crate::world::ServiceId;

/// A program fetched by plain HTTP, by name or from a bare address.
pub(crate) struct Download {
    server: ServiceId,
    by_name: bool,
    bytes: u64,
    uri: String,
}

impl Download {
    pub(super) fn perform(&mut self, talk: &mut Talk<'_>, at: u64) -> Option<u64> {
        let (ready, to) = if self.by_name {
            talk.reach(self.server, at)
        } else {
            (at, Target::bare(talk.world.service(self.server).v4[0], 80, 55_000))
        };
        let address = to.addr.to_string();
        // A request by address carries the address as its Host.
        let to = if self.by_name { to } else { Target { name: &address, ..to } };
        let request = Request {
            method: "GET",
            uri: &self.uri,
            agent: "fetch/8.4",
            sent: 0,
            received: self.bytes,
            mime: "application/x-dosexec",
            file_name: "",
        };
        talk.http(ready, &to.on(80), &request);
        None
    }
}

/// Data carried out in a few connections.
pub(crate) struct Exfiltration {
    server: ServiceId,
    /// On this port of the bare address, or by name on 443.
    bare_port: Option<u16>,
    /// Bytes of each connection still to come.
    chunks: Vec<u64>,
    /// Bytes a second.
    rate: u64,
}

impl Exfiltration {
    pub(super) fn perform(&mut self, talk: &mut Talk<'_>, at: u64) -> Option<u64> {
        let up = self.chunks.pop()?;
        let lasts = (u128::from(up) * 1_000_000 / u128::from(self.rate)) as u64;
        let turns = 4 + up / 8_000_000;
        let exchange =
            Exchange { up, down: 3_000 + up / 2_000, turns, lasts, close: Close::Client };
        let end = match self.bare_port {
            Some(port) => {
                let addr = talk.world.service(self.server).v4[0];
                talk.tls(at, &Target::bare(addr, port, 80_000), &exchange).1
            }
            None => {
                let (ready, to) = talk.reach(self.server, at);
                talk.tls(ready, &to, &exchange).1
            }
        };
        Some(end + talk.actor.random.between(2 * SECOND, 90 * SECOND))
    }
}

/// Data in the names of DNS queries and in their answers.
pub(crate) struct Tunnel {
    domain: String,
    left: u64,
    label_bytes: u64,
    gap: u64,
    qtypes: Vec<QType>,
}

impl Tunnel {
    pub(super) fn perform(&mut self, talk: &mut Talk<'_>, at: u64) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        let random = &mut talk.actor.random;
        let mut name = String::new();
        let mut rest = self.label_bytes;
        while rest > 0 {
            let label = rest.min(57);
            name.push_str(&code(random, label as usize));
            name.push('.');
            rest -= label;
        }
        name.push_str(&self.domain);
        let qtype = *random.pick(&self.qtypes);
        let length = random.between(20, 180) as usize;
        let data = code(random, length);
        let answer = match qtype {
            QType::Txt => format!("TXT {length} {data}"),
            QType::Cname | QType::Mx => format!("{}.{}", &data[..20], self.domain),
            _ => data,
        };
        let gap = random.exponential(self.gap);
        talk.ask(at, &name, qtype, Answer::Found(&answer, 0));
        Some(at + 1_000 + gap)
    }
}

/// One connection for hours.
pub(crate) struct LongConnection {
    server: ServiceId,
    port: u16,
    lasts: u64,
}

impl LongConnection {
    pub(super) fn perform(&mut self, talk: &mut Talk<'_>, at: u64) -> Option<u64> {
        let addr = talk.world.service(self.server).v4[0];
        let turns = self.lasts / (60 * SECOND);
        let up = turns * 76 + talk.actor.random.around(400_000, 1_500);
        let down = turns * 76 + talk.actor.random.around(900_000, 1_500);
        let exchange = Exchange { up, down, turns, lasts: self.lasts, close: Close::Client };
        let to = Target::bare(addr, self.port, 90_000);
        match self.port {
            22 => {
                talk.tcp(at, &to, "ssh", &exchange);
            }
            443 => {
                talk.tls(at, &to, &exchange);
            }
            _ => {
                talk.tcp(at, &to, "", &exchange);
            }
        }
        None
    }
}

impl Planner<'_> {
    /// One org in three has each of the following, starting with another one each time; with one
    /// org it has them all.
    fn some_orgs(&mut self, offset: usize) -> Vec<usize> {
        let attacked = self.attacked();
        attacked.iter().copied().filter(|org| org % 3 == offset % attacked.len().min(3)).collect()
    }

    pub(super) fn downloads(&mut self) {
        for org in self.some_orgs(0) {
            let (place, drop) = (self.victim(org), self.c2_server());
            let start = self.working_moment(place);
            let by_name = self.random.chance(600);
            let bytes = self.random.around(900_000, 1_000);
            let gap_s = self.random.between(15, 480);
            let uri = format!("/{}/{}.exe", code(&mut self.random, 5), code(&mut self.random, 7));
            let service = self.world.service(drop);
            let (name, addr) = (service.name.clone(), service.v4[0].to_string());
            let destination = if by_name { format!("{name}|{addr}") } else { addr.clone() };
            let note = format!("{bytes} B program, contact with its server {gap_s} s later");
            let row = key_row(
                &destination,
                &80,
                "tcp",
                "malicious_download|download_then_c2",
                "high",
                note,
            );
            let told = Told {
                scenario: "download-c2",
                group: None,
                destination: if by_name { name } else { addr },
                parameters: json!({
                    "by_name": by_name, "bytes": bytes, "gap_s": gap_s, "start_s": start / SECOND,
                }),
                key: vec![row],
            };
            let deed = Deed::Download(Download { server: drop, by_name, bytes, uri });
            let group = self.add(place, start, deed, told);
            let habit = Habit {
                period_s: *self.random.pick(&[60, 120, 300]),
                jitter_percent: *self.random.pick(&[0, 10, 30]),
                loss_percent: 0,
                size_noise_percent: 10,
            };
            let carrier = *self.random.pick(&[Carrier::Tls, Carrier::Bare, Carrier::OddPort]);
            let server = self.c2_server();
            let follows = start + gap_s * SECOND;
            self.beacon(place, habit, carrier, server, Some((follows, group)));
        }
    }

    pub(super) fn exfiltrations(&mut self) {
        for org in self.some_orgs(2) {
            let place = self.victim(org);
            let start = self.working_moment(place);
            let brand = self.world.brand();
            let server = self.world.add_plain(format!("drop.{brand}.example"));
            let bare_port =
                self.random.chance(400).then(|| *self.random.pick(&[443, 8_443, 9_001]));
            let total = self.random.between(180_000_000, 2_500_000_000);
            let count = self.random.between(1, 6);
            let rate = self.random.between(1_500_000, 8_000_000);
            let service = self.world.service(server);
            let (name, addr) = (service.name.clone(), service.v4[0].to_string());
            let destination = match bare_port {
                Some(_) => addr,
                None => format!("{name}|{addr}"),
            };
            let port = bare_port.unwrap_or(443);
            let note = format!("{total} B out in {count} connections");
            let row =
                key_row(&destination, &port, "tcp", "exfil_volume|exfil_pcr_shift", "medium", note);
            let chunks = vec![total / count; count as usize];
            let told = Told {
                scenario: "exfiltration",
                group: None,
                destination,
                parameters: json!({
                    "bytes": total, "connections": count, "bytes_per_s": rate, "port": port,
                    "start_s": start / SECOND,
                }),
                key: vec![row],
            };
            let deed = Deed::Exfiltration(Exfiltration { server, bare_port, chunks, rate });
            self.add(place, start, deed, told);
        }
    }

    pub(super) fn tunnels(&mut self) {
        for org in self.some_orgs(1) {
            let place = self.victim(org);
            let start = self.start + self.random.between(HOUR, 9 * HOUR);
            let domain = format!("{}.example", self.world.brand());
            let queries = self.random.between(400, 4_000);
            let label_bytes = self.random.between(28, 170);
            let gap_ms = self.random.between(300, 5_000);
            let kinds: &[&[QType]] =
                &[&[QType::Txt], &[QType::Null], &[QType::Cname, QType::Txt, QType::Mx]];
            let qtypes = self.random.pick(kinds).to_vec();
            // Machines share out the resolvers, so that which one is asked is not known here.
            let resolvers: Vec<String> = self.orgs[org]
                .of(Role::Directory)
                .iter()
                .map(|index| self.orgs[org].hosts[*index].v4.to_string())
                .collect();
            let destination = format!("{}|{domain}", resolvers.join("|"));
            let note = format!("{queries} queries of {label_bytes} B before the domain");
            let row = key_row(
                &destination,
                &53,
                "udp",
                "c2_over_dns|dns_tunnel_oversize|dns_tunnel_session|dns_odd_qtype",
                "high",
                note,
            );
            let told = Told {
                scenario: "dns-tunnel",
                group: None,
                destination: domain.clone(),
                parameters: json!({
                    "queries": queries, "label_bytes": label_bytes, "mean_gap_ms": gap_ms,
                    "start_s": start / SECOND,
                }),
                key: vec![row],
            };
            let gap = gap_ms * 1_000;
            let deed = Deed::Tunnel(Tunnel { domain, left: queries, label_bytes, gap, qtypes });
            self.add(place, start, deed, told);
        }
    }

    pub(super) fn long_connections(&mut self) {
        for org in self.some_orgs(1) {
            let place = self.victim(org);
            let start = self.start + self.random.between(HOUR, 6 * HOUR);
            let server = self.c2_server();
            let port = *self.random.pick(&[22, 443, 1_194, 4_443]);
            let lasts = self.random.between(5 * HOUR, 16 * HOUR);
            let addr = self.world.service(server).v4[0].to_string();
            let note = format!("one connection of {} s", lasts / SECOND);
            let row = key_row(&addr, &port, "tcp", "long_connection", "low", note);
            let told = Told {
                scenario: "long-connection",
                group: None,
                destination: addr,
                parameters: json!({
                    "lasts_s": lasts / SECOND, "port": port, "start_s": start / SECOND,
                }),
                key: vec![row],
            };
            let deed = Deed::LongConnection(LongConnection { server, port, lasts });
            self.add(place, start, deed, told);
        }
    }
}

//! Names: what a machine asks its resolver, and what it remembers.

use std::net::{IpAddr, Ipv4Addr};

use super::{Cached, Talk, Target};
use crate::inside::Role;
use crate::limits::CACHED_NAMES_MAX;
use crate::rows::{Dns, Ends, Proto, QType, RCode};
use crate::transport::udp;
use crate::world::{ServiceId, address};

/// What a resolver says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer<'a> {
    /// Answers, comma-separated (none: the name has no such record), and their life in seconds.
    Found(&'a str, u64),
    /// No such name.
    Missing,
    /// The resolver failed.
    Broken,
    /// No answer at all.
    Silence,
}

impl<'a> Talk<'a> {
    /// Finds a service's address, from the cache or by asking; and when it is known.
    pub(crate) fn reach(&mut self, id: ServiceId, at: u64) -> (u64, Target<'a>) {
        let world = self.world;
        let service = world.service(id);
        let target = |addr| Target {
            addr,
            port: 443,
            name: &service.name,
            rtt: service.rtt,
            quic: service.quic,
            modern: service.modern,
            hybrid: service.hybrid,
        };
        let cached = self.actor.cache.get(&id);
        if let Some(cached) = cached.filter(|cached| (cached.from..cached.until).contains(&at)) {
            return (at, target(cached.addr));
        }
        let (asks_v6, asks_https) = (self.host.v6.is_some(), self.host.asks_https);
        // What the org's resolver has left of the record's life.
        let ttl = self.actor.random.between(service.ttl / 3 + 1, service.ttl);
        let addr = address(service, &mut self.actor.random, asks_v6);
        let v4 = answers(&service.v4, addr);
        let v6 = service.v6.map(|addr| addr.to_string()).unwrap_or_default();
        let mut ready = self.ask(at, &service.name, QType::A, Answer::Found(&v4, ttl));
        if asks_v6 {
            let answer = Answer::Found(&v6, ttl);
            ready = ready.max(self.ask(at + 150, &service.name, QType::Aaaa, answer));
        }
        if asks_https {
            self.ask(at + 90, &service.name, QType::Https, Answer::Found("", 0));
        }
        let until = ready + ttl * 1_000_000;
        if self.actor.cache.len() >= CACHED_NAMES_MAX {
            self.actor.cache.retain(|_, cached| cached.until > at);
        }
        if self.actor.cache.len() < CACHED_NAMES_MAX {
            self.actor.cache.insert(id, Cached { addr, from: ready, until });
        }
        (ready + 200, target(addr))
    }

    /// Asks the org's resolver; gives when the answer is there. A resolver that is asked for what
    /// it does not know asks outside, through a channel that the sensor cannot read.
    pub(crate) fn ask(&mut self, at: u64, name: &str, qtype: QType, answer: Answer<'_>) -> u64 {
        let resolver = self.org.server(Role::Directory, self.actor.id as usize);
        let ends = Ends(self.host.v4.into(), self.port(), resolver.v4.into(), 53);
        let random = &mut self.actor.random;
        let recursive = !name.ends_with(&self.org.domain);
        let known = !recursive || random.chance(600);
        let rtt = if known { random.between(300, 1_500) } else { random.around(28_000, 800) };
        let id = random.next() as u16;
        // Header, name with its length bytes, type and class; EDNS in the question.
        let asked = 12 + name.len() as u64 + 6 + 11;
        let (answers, ttl, rcode) = match answer {
            Answer::Found(answers, ttl) => (answers, ttl, RCode::NoError),
            Answer::Missing => ("", 0, RCode::NxDomain),
            Answer::Broken | Answer::Silence => ("", 0, RCode::ServFail),
        };
        let silent = matches!(answer, Answer::Silence);
        let told = if answers.is_empty() { 70 } else { answer_bytes(answers, qtype) };
        let shape = if silent {
            udp(false, (2, 2 * asked), (0, 0), 5_000_000)
        } else {
            udp(false, (1, asked), (1, asked + told), rtt)
        };
        let uid = self.conn(at, ends, Proto::Udp, "dns", shape);
        self.logs.dns(&Dns {
            time: at,
            uid,
            ends,
            proto: Proto::Udp,
            id,
            rtt: (!silent).then_some(rtt),
            query: name,
            qtype,
            rcode,
            answers,
            ttl,
            authoritative: !recursive,
        });
        at + if silent { 5_000_000 } else { rtt }
    }
}

/// Up to four of the addresses, the chosen one first if it is among them.
fn answers(all: &[Ipv4Addr], chosen: IpAddr) -> String {
    let start = all.iter().position(|addr| IpAddr::V4(*addr) == chosen).unwrap_or(0);
    let turned = (0..all.len().min(4)).map(|step| all[(start + step) % all.len()].to_string());
    turned.collect::<Vec<_>>().join(",")
}

/// Answer records on the wire: a name pointer and ten bytes each (RFC 1035, 4.1.3), then the data.
fn answer_bytes(answers: &str, qtype: QType) -> u64 {
    let data = |answer: &str| match qtype {
        QType::A => 4,
        QType::Aaaa => 16,
        _ => answer.len() as u64 + 2,
    };
    answers.split(',').map(|answer| 12 + data(answer)).sum()
}

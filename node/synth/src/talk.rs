//! One machine talks: each function adds the rows of one exchange to every log that would show it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::inside::{Host, Org};
use crate::logs::Logs;
use crate::random::{Random, mix};
use crate::rows::{Conn, Ends, Proto, Uid};
use crate::transport::{Close, Shape, Tcp, ping, tcp_failed, udp};
use crate::world::{ServiceId, World};

pub(crate) use dns::Answer;

mod dns;
mod web;

/// Who talks: a machine, or a program on it that was planted. Each has a stream of random numbers
/// and names for its connections of its own, so that planting changes nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) random: Random,
    /// Unique among all actors of all orgs.
    id: u64,
    named: u32,
    cache: BTreeMap<ServiceId, Cached>,
}

/// A name that was looked up.
#[derive(Clone, Copy, Debug)]
struct Cached {
    addr: IpAddr,
    from: u64,
    until: u64,
}

impl Actor {
    /// Actor number `number` of an org, below 2^24.
    pub(crate) fn new(org: &Org, number: u64) -> Self {
        let id = (u64::from(org.index) << 24) | number;
        Self { random: org.random.part(1 << 32 | number), id, named: 0, cache: BTreeMap::new() }
    }
}

/// Where to, and what it is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'w> {
    pub(crate) addr: IpAddr,
    pub(crate) port: u16,
    /// Sent as SNI or Host; empty: none is sent.
    pub(crate) name: &'w str,
    pub(crate) rtt: u64,
    pub(crate) quic: bool,
    pub(crate) modern: bool,
    pub(crate) hybrid: bool,
}

impl Target<'_> {
    /// The same on another port.
    pub(crate) fn on(self, port: u16) -> Self {
        Self { port, ..self }
    }
    /// An inside server, or any address that is called by no name.
    pub(crate) fn bare(addr: impl Into<IpAddr>, port: u16, rtt: u64) -> Self {
        let addr = addr.into();
        Self { addr, port, name: "", rtt, quic: false, modern: true, hybrid: false }
    }
}

/// What is exchanged once a connection is up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// Application bytes there.
    pub(crate) up: u64,
    /// Application bytes back.
    pub(crate) down: u64,
    /// Requests or other turns.
    pub(crate) turns: u64,
    /// Microseconds from the handshake to the end.
    pub(crate) lasts: u64,
    pub(crate) close: Close,
}

/// An HTTP request and its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) uri: &'a str,
    /// Empty: the header is missing.
    pub(crate) agent: &'a str,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) mime: &'static str,
    /// Name of the file received; empty for none.
    pub(crate) file_name: &'a str,
}

/// A conversation of one machine, with everything it needs.
pub(crate) struct Talk<'a> {
    pub(crate) world: &'a World,
    pub(crate) org: &'a Org,
    pub(crate) host: &'a Host,
    pub(crate) logs: &'a mut Logs,
    pub(crate) actor: &'a mut Actor,
}

impl Talk<'_> {
    fn uid(&mut self, letter: u8) -> Uid {
        self.actor.named += 1;
        let unique = (self.actor.id << 32) | u64::from(self.actor.named);
        // A bijection keeps them apart; the seed comes in through the org.
        let key = self.org.random.part(3).next();
        Uid::new(letter, mix(unique ^ key), mix(unique.wrapping_add(key)) as u32)
    }

    fn port(&mut self) -> u16 {
        self.actor.random.between(49_152, 65_535) as u16
    }

    fn own(&self, toward: IpAddr) -> IpAddr {
        match (toward, self.host.v6) {
            (IpAddr::V6(_), Some(own)) => own.into(),
            _ => self.host.v4.into(),
        }
    }

    fn ends_to(&mut self, addr: IpAddr, port: u16) -> Ends {
        Ends(self.own(addr), self.port(), addr, port)
    }

    /// Adds a connection of the given shape.
    pub(crate) fn conn(
        &mut self,
        start: u64,
        ends: Ends,
        proto: Proto,
        service: &'static str,
        shape: Shape,
    ) -> Uid {
        let uid = self.uid(b'C');
        let Shape { duration, state, history, up, down } = shape;
        let local = (self.org.is_inside(ends.0), self.org.is_inside(ends.2));
        let conn =
            Conn { start, uid, ends, proto, service, duration, state, history, up, down, local };
        self.logs.conn(conn);
        uid
    }

    /// A TCP connection of some protocol that is neither TLS nor HTTP. Gives its end.
    pub(crate) fn tcp(
        &mut self,
        at: u64,
        to: &Target<'_>,
        service: &'static str,
        exchange: &Exchange,
    ) -> u64 {
        let tcp = Tcp {
            up: exchange.up,
            down: exchange.down,
            turns: exchange.turns,
            rtt: to.rtt,
            lasts: exchange.lasts,
            close: exchange.close,
            server_first: matches!(service, "ssh" | "smtp" | "imap"),
        };
        let ends = self.ends_to(to.addr, to.port);
        let shape = tcp.shape(&mut self.actor.random, self.host.stack, to.addr.is_ipv6());
        self.conn(at, ends, Proto::Tcp, service, shape);
        at + to.rtt + exchange.lasts
    }

    /// Datagrams: `up` and `down` are packets and bytes.
    pub(crate) fn udp(
        &mut self,
        at: u64,
        to: &Target<'_>,
        service: &'static str,
        (up, down): ((u64, u64), (u64, u64)),
        lasts: u64,
    ) {
        let mut ends = self.ends_to(to.addr, to.port);
        if to.port == 123 || to.port == 5353 {
            ends.1 = to.port; // time and multicast names use one port for both ends
        }
        let shape = udp(to.addr.is_ipv6(), up, down, lasts);
        self.conn(at, ends, Proto::Udp, service, shape);
    }

    /// A TCP connection that does not come about.
    pub(crate) fn tcp_failed(&mut self, at: u64, addr: IpAddr, port: u16, refused: bool) {
        let tries = self.actor.random.between(1, 4);
        let after = refused.then(|| 200 + self.actor.random.below(2_000));
        let shape = tcp_failed(self.host.stack, addr.is_ipv6(), tries, after);
        let ends = self.ends_to(addr, port);
        self.conn(at, ends, Proto::Tcp, "", shape);
    }

    /// Echo requests. Zeek writes type and code where ports stand.
    pub(crate) fn ping(&mut self, at: u64, addr: IpAddr, count: u64, answered: bool) {
        let rtt = 400 + self.actor.random.below(1_500);
        let shape = ping(addr.is_ipv6(), count, answered, rtt);
        self.conn(at, Ends(self.own(addr), 8, addr, 0), Proto::Icmp, "", shape);
    }
}

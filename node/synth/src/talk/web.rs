//! TLS, QUIC and HTTP, as the sensor sees them in conn, ssl, quic, http and files.

use std::net::IpAddr;

use super::{Exchange, Request, Talk, Target};
use crate::inside::Role;
use crate::random::{Random, mix};
use crate::rows::{Ends, File, Http, Log, Proto, Ssl, Uid};
use crate::transport::{Close, Stack, Tcp, udp};
use crate::world::ServiceId;

/// Port of the org's proxy.
const PROXY_PORT: u16 = 3128;

impl Talk<'_> {
    /// TLS over TCP. Gives the end of the handshake and the end.
    pub(crate) fn tls(&mut self, at: u64, to: &Target<'_>, exchange: &Exchange) -> (u64, u64) {
        let client = Client { ends: self.ends_to(to.addr, to.port), stack: self.host.stack };
        self.session(at, client, to, exchange, "ssl").1
    }

    /// A visitor from outside at the org's web server.
    pub(crate) fn visited(&mut self, at: u64, from: IpAddr, exchange: &Exchange) {
        let random = &mut self.actor.random;
        let port = random.between(1_024, 65_535) as u16;
        let ends = Ends(from, port, self.host.v4.into(), 443);
        let stack = Stack { timestamps: random.chance(400), hybrid: random.chance(600) };
        let name = self.org.domain.replacen("corp", "www", 1);
        let rtt = random.around(40_000, 900);
        let to = Target { name: &name, ..Target::bare(self.host.v4, 443, rtt) };
        self.session(at, Client { ends, stack }, &to, exchange, "ssl");
    }

    /// Gives the connection, and the ends of the handshake and of all.
    fn session(
        &mut self,
        at: u64,
        Client { ends, stack }: Client,
        to: &Target<'_>,
        exchange: &Exchange,
        service: &'static str,
    ) -> (Uid, (u64, u64)) {
        let resumed = exchange.turns > 0 && self.actor.random.chance(350);
        let hello = client_hello(&mut self.actor.random, stack, to.name);
        let hybrid = stack.hybrid && to.hybrid && to.modern;
        let random = &mut self.actor.random;
        // Server's first flight: hello (with the hybrid share: 1,088 bytes of FIPS 203's
        // ciphertext more), then a certificate chain unless resumed.
        let chain = if resumed { 230 } else { random.between(2_300, 4_300) };
        let greeting = 130 + if hybrid { 1_088 } else { 0 } + chain;
        let finish = if to.modern { 74 } else { 158 };
        let records = |bytes: u64| bytes + 22 * (exchange.turns + bytes / 16_384);
        let handshake = to.rtt * if to.modern || resumed { 2 } else { 3 } + random.below(3_000);
        let tcp = Tcp {
            up: hello + finish + records(exchange.up),
            down: greeting + records(exchange.down),
            turns: 2 + exchange.turns,
            rtt: to.rtt,
            lasts: handshake - to.rtt + exchange.lasts,
            close: exchange.close,
            server_first: false,
        };
        let shape = tcp.shape(&mut self.actor.random, stack, to.addr.is_ipv6());
        let uid = self.conn(at, ends, Proto::Tcp, service, shape);
        self.logs.ssl(&Ssl {
            time: at + to.rtt + 300,
            uid,
            ends,
            server_name: to.name,
            resumed,
            answered: true,
            modern: to.modern,
            hybrid,
            quic: false,
            alpn: "h2",
            cert_fp: name_hash(to.name),
        });
        (uid, (at + handshake, at + handshake + exchange.lasts))
    }

    /// A TLS client that says hello to a server which never answers with a byte.
    pub(crate) fn tls_unanswered(&mut self, at: u64, to: &Target<'_>, lasts: u64) -> u64 {
        let hello = client_hello(&mut self.actor.random, self.host.stack, to.name);
        let close = Close::ClientOnly;
        let tcp =
            Tcp { up: hello, down: 0, turns: 1, rtt: to.rtt, lasts, close, server_first: false };
        let ends = self.ends_to(to.addr, to.port);
        let shape = tcp.shape(&mut self.actor.random, self.host.stack, to.addr.is_ipv6());
        let uid = self.conn(at, ends, Proto::Tcp, "ssl", shape);
        self.logs.ssl(&Ssl {
            time: at + to.rtt + 300,
            uid,
            ends,
            server_name: to.name,
            resumed: false,
            answered: false,
            modern: true,
            hybrid: false,
            quic: false,
            alpn: "",
            cert_fp: 0,
        });
        at + to.rtt + lasts
    }

    /// QUIC: first packets of both sides are padded to 1,200 bytes of payload or a little more
    /// (RFC 9000, 14.1); a hybrid hello takes two.
    pub(crate) fn quic(&mut self, at: u64, to: &Target<'_>, exchange: &Exchange) -> (u64, u64) {
        let hybrid = self.host.stack.hybrid && to.hybrid;
        let random = &mut self.actor.random;
        let first = 1_250 * if hybrid { 2 } else { 1 };
        let (up, down) = (first + exchange.up + 300, 2_500 + 1_200 + exchange.down);
        let down_packets = down.div_ceil(1_250) + exchange.turns;
        let up_packets = up.div_ceil(1_250) + exchange.turns + down_packets / 3;
        let overhead = 30; // short header and authentication tag
        let handshake = to.rtt + random.below(3_000);
        let shape = udp(
            to.addr.is_ipv6(),
            (up_packets, up + overhead * up_packets),
            (down_packets, down + overhead * down_packets),
            handshake + exchange.lasts,
        );
        let dcid = random.next();
        let scid = random.next();
        let ends = self.ends_to(to.addr, to.port);
        let uid = self.conn(at, ends, Proto::Udp, "quic,ssl", shape);
        self.logs.other(Log::Quic, at, |line| {
            line.micros(at).uid(uid).addr(ends.0).number(ends.1.into());
            line.addr(ends.2).number(ends.3.into()).text("1").text(&format!("{dcid:016x}"));
            line.text("(empty)").text(&format!("{scid:016x}")).text(to.name).text("h3");
            line.text(if hybrid { "ISIIisihHHh" } else { "ISisihHHh" }).end();
        });
        self.logs.ssl(&Ssl {
            time: at,
            uid,
            ends,
            server_name: to.name,
            resumed: false,
            answered: true,
            modern: true,
            hybrid,
            quic: true,
            alpn: "h3",
            cert_fp: 0,
        });
        (at + handshake, at + handshake + exchange.lasts)
    }

    /// Plain HTTP with one request. Gives the end.
    pub(crate) fn http(&mut self, at: u64, to: &Target<'_>, request: &Request<'_>) -> u64 {
        let head =
            60 + request.uri.len() as u64 + to.name.len() as u64 + request.agent.len() as u64;
        // The body at up to 40 Mbit/s.
        let lasts =
            to.rtt * 2 + (request.received + request.sent) / 5 + self.actor.random.below(5_000);
        let tcp = Tcp {
            up: head + request.sent,
            down: 180 + request.received,
            turns: 1,
            rtt: to.rtt,
            lasts,
            close: if self.actor.random.chance(700) { Close::Client } else { Close::Server },
            server_first: false,
        };
        let ends = self.ends_to(to.addr, to.port);
        let shape = tcp.shape(&mut self.actor.random, self.host.stack, to.addr.is_ipv6());
        let uid = self.conn(at, ends, Proto::Tcp, "http", shape);
        let time = at + to.rtt + 400;
        let mut file = |bytes: u64, mime, from_orig, name| {
            (bytes > 0).then(|| {
                let fuid = self.uid(b'F');
                self.logs.file(&File {
                    time: time + if from_orig { 200 } else { to.rtt + 200 },
                    fuid,
                    uid,
                    ends,
                    mime,
                    name,
                    duration: bytes / 5,
                    local_orig: self.org.is_inside(if from_orig { ends.0 } else { ends.2 }),
                    from_orig,
                    bytes,
                });
                (fuid, mime)
            })
        };
        let sent = file(request.sent, "text/plain", true, "");
        let received = file(request.received, request.mime, false, request.file_name);
        self.logs.http(&Http {
            time,
            uid,
            ends,
            depth: 1,
            method: request.method,
            host: to.name,
            uri: request.uri,
            agent: request.agent,
            request_body: request.sent,
            response_body: request.received,
            status: if request.received > 0 { (200, "OK") } else { (204, "No Content") },
            file: received,
            sent,
        });
        at + to.rtt + lasts
    }

    /// TLS through the org's proxy: the sensor sees a CONNECT and then the handshake. The name is
    /// looked up by the proxy, out of the sensor's sight.
    pub(crate) fn proxied(
        &mut self,
        at: u64,
        service: ServiceId,
        agent: &str,
        exchange: &Exchange,
    ) -> (u64, u64) {
        let world = self.world;
        let service = world.service(service);
        let to = Target {
            addr: self.org.first(Role::Proxy).v4.into(),
            port: PROXY_PORT,
            name: &service.name,
            rtt: service.rtt,
            quic: false,
            modern: service.modern,
            hybrid: service.hybrid,
        };
        let asked = Exchange { up: exchange.up + 220, down: exchange.down + 40, ..*exchange };
        let client = Client { ends: self.ends_to(to.addr, to.port), stack: self.host.stack };
        let Client { ends, .. } = client;
        let (uid, until) = self.session(at, client, &to, &asked, "http,ssl");
        let authority = format!("{}:443", to.name);
        self.logs.http(&Http {
            time: at + 900,
            uid,
            ends,
            depth: 1,
            method: "CONNECT",
            host: &authority,
            uri: &authority,
            agent,
            request_body: 0,
            response_body: 0,
            status: (200, "Connection established"),
            file: None,
            sent: None,
        });
        until
    }
}

/// Who opens a TLS connection, and how its packets look.
#[derive(Clone, Copy)]
struct Client {
    ends: Ends,
    stack: Stack,
}

/// Bytes of a ClientHello in its record. About 517 when padded as browsers did for years; with a
/// hybrid key share 1,184 bytes more (ML-KEM-768's encapsulation key, FIPS 203) and less padding,
/// as in the 1,700 to 1,900 that browsers send since 2024.
fn client_hello(random: &mut Random, stack: Stack, name: &str) -> u64 {
    let name = name.len() as u64;
    if stack.hybrid { 1_690 + name + 4 * random.below(24) } else { 517 + 4 * random.below(4) }
}

/// The same number for the same name: stands for its certificate.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)))
}

//! A TLS session over TCP: both hellos out of the records that carry them, and whether it went on.

use super::hello::{CLIENT_HELLO, ClientHello, SERVER_HELLO, ServerHello, message};
use super::stream::About;
use crate::limits::HELLO_BYTES_MAX;
use crate::record::{self, Sink};
use crate::source::wire::Wire;

/// Record types (RFC 8446, 5.1).
const CIPHER_CHANGE: u8 = 20;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// Whether a client's first bytes begin a session.
pub(super) fn begins(bytes: &[u8]) -> bool {
    matches!(bytes, [HANDSHAKE, 3, 0..=4, ..])
}

#[derive(Debug, Default)]
pub(super) struct Session {
    time_us: i64,
    client: Side,
    server: Side,
    hello: Option<ClientHello>,
    answer: Option<ServerHello>,
}

/// What one side has sent.
#[derive(Debug, Default)]
struct Side {
    /// Bytes in which its hello is still looked for.
    begun: Vec<u8>,
    /// Nothing more is looked for: it was found, or is lost.
    done: bool,
    /// It sent what only comes once keys are there.
    has_keys: bool,
}

impl Session {
    pub(super) fn new(time_us: i64) -> Self {
        Self { time_us, ..Self::default() }
    }

    /// Bytes of a side that follow those before.
    pub(super) fn data(&mut self, from_orig: bool, bytes: &[u8]) {
        let side = if from_orig { &mut self.client } else { &mut self.server };
        if side.done {
            side.has_keys |= matches!(bytes, [CIPHER_CHANGE | DATA, 3, ..]);
            return;
        }
        side.begun.extend_from_slice(bytes);
        let (handshake, has_keys) = handshake(&side.begun);
        side.has_keys = has_keys;
        match message(&handshake) {
            Some((CLIENT_HELLO, body)) if from_orig => self.hello = ClientHello::read(body),
            Some((SERVER_HELLO, body)) if !from_orig => self.answer = ServerHello::read(body),
            Some(_) => {}
            None if side.begun.len() <= HELLO_BYTES_MAX && !has_keys => return,
            None => {}
        }
        side.done = true;
        side.begun = Vec::new();
    }

    /// Bytes of a side are missing: what has not been found there will not be.
    pub(super) fn gap(&mut self, from_orig: bool) {
        let side = if from_orig { &mut self.client } else { &mut self.server };
        side.done = true;
        side.begun = Vec::new();
    }

    pub(super) fn buffered(&self) -> usize {
        self.client.begun.capacity() + self.server.begun.capacity()
    }

    pub(super) fn finish(&self, about: &About<'_>, sink: &mut dyn Sink) {
        let established = self.client.has_keys && self.server.has_keys;
        let version = self.answer.as_ref().and_then(ServerHello::version_name);
        let next_protocol = self.answer.as_ref().and_then(|answer| answer.alpn.as_deref());
        let decided = Decided { version, next_protocol, established: Some(established) };
        emit(self.hello.as_ref(), &decided, self.time_us, about, sink);
    }
}

/// What the other side made of a hello.
#[derive(Default)]
pub(super) struct Decided<'a> {
    pub(super) version: Option<&'a str>,
    pub(super) next_protocol: Option<&'a str>,
    pub(super) established: Option<bool>,
}

/// Hands on a session.
pub(super) fn emit(
    hello: Option<&ClientHello>,
    decided: &Decided<'_>,
    time_us: i64,
    about: &About<'_>,
    sink: &mut dyn Sink,
) {
    let quic = about.transport == super::packet::UDP;
    let ja3 = hello.map(ClientHello::ja3);
    let ja4 = hello.map(|hello| hello.ja4(if quic { 'q' } else { 't' }));
    sink.tls(&record::Tls {
        time_us,
        uid: about.uid,
        ends: about.ends,
        quic,
        server_name: hello.and_then(|hello| hello.server_name.as_deref()),
        version: decided.version,
        next_protocol: decided.next_protocol,
        established: decided.established,
        subject: None,
        issuer: None,
        validation_status: None,
        ja3: ja3.as_deref(),
        ja4: ja4.as_deref(),
        hello_bytes: hello.map(|hello| hello.bytes),
        open: false,
    });
}

/// The handshake bytes of the records so far, and whether a record followed that needs keys.
fn handshake(stream: &[u8]) -> (Vec<u8>, bool) {
    let (mut wire, mut handshake, mut has_keys) = (Wire(stream), Vec::new(), false);
    while let Some(kind) = wire.u8() {
        let Some(length) = wire.u16().and_then(|_| wire.u16()) else { break };
        let rest = wire.0;
        let part = wire.take(usize::from(length)).unwrap_or(rest);
        match kind {
            HANDSHAKE if !has_keys => handshake.extend_from_slice(part),
            CIPHER_CHANGE | DATA => has_keys = true,
            _ => break,
        }
        if part.len() < usize::from(length) {
            break;
        }
    }
    (handshake, has_keys)
}

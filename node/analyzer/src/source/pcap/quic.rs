//! QUIC's Initial packets: the client's hello. Their keys follow from what stands in the first packet
//! (RFC 9001, 5.2; RFC 9369 for version 2), so that reading them needs no secret.

use rustls::Side;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{Keys, Version};

use super::hello::{CLIENT_HELLO, ClientHello, message};
use super::stream::About;
use super::tls;
use crate::limits::{HELLO_BYTES_MAX, QUIC_INITIALS_MAX};
use crate::record::Sink;
use crate::source::wire::Wire;

/// Longest connection id of both versions (RFC 9000, 17.2).
const ID_BYTES_MAX: usize = 20;

/// Whether a datagram begins a connection of a version that we know: a long header, of type Initial.
pub(super) fn begins(datagram: &[u8]) -> bool {
    let mut wire = Wire(datagram);
    wire.u8().zip(wire.u32()).is_some_and(|(first, version)| version_of(first, version).is_some())
}

fn version_of(first: u8, version: u32) -> Option<(Version, &'static str)> {
    match (version, first >> 4 & 0x0f) {
        (1, 0b1100) => Some((Version::V1, "1")),
        (0x6b33_43cf, 0b1101) => Some((Version::V2, "quicv2")),
        _ => None,
    }
}

#[derive(Default)]
pub(super) struct Connection {
    time_us: i64,
    version: &'static str,
    keys: Option<Keys>,
    initials: u32,
    /// Parts of the handshake by their places.
    parts: Vec<(usize, Vec<u8>)>,
    hello: Option<ClientHello>,
    done: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("hello", &self.hello).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(time_us: i64) -> Self {
        Self { time_us, ..Self::default() }
    }

    /// A datagram of the client's.
    pub(super) fn datagram(&mut self, datagram: &[u8]) {
        let mut rest = datagram;
        // A datagram may carry several packets.
        while !self.done && !rest.is_empty() {
            self.initials += 1;
            let Some(behind) = self.packet(rest) else { break };
            rest = behind;
        }
        self.done |= self.initials >= QUIC_INITIALS_MAX;
        if self.done {
            (self.parts, self.keys) = (Vec::new(), None);
        }
    }

    /// Reads an Initial packet; gives what is behind it in the datagram.
    fn packet<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let mut wire = Wire(bytes);
        let first = wire.u8()?;
        let (version, name) = version_of(first, wire.u32()?)?;
        let destination = wire.part8()?.0;
        if destination.len() > ID_BYTES_MAX || wire.part8()?.0.len() > ID_BYTES_MAX {
            return None;
        }
        let token_bytes = number(&mut wire)?;
        wire.take(token_bytes)?;
        let length = number(&mut wire)?;
        let at = bytes.len() - wire.0.len();
        let end = at.checked_add(length)?;
        let behind = bytes.get(end..)?;
        if self.keys.is_none() {
            let suite = TLS13_AES_128_GCM_SHA256.tls13()?;
            // The side that reads what the client sends.
            self.keys = Some(Keys::initial(version, suite, suite.quic?, destination, Side::Server));
            self.version = name;
        }
        let keys = self.keys.as_ref()?;
        let mut packet = bytes[..end].to_vec();
        let (head, tail) = packet.split_at_mut(at);
        // The sample is taken as if the packet number had four bytes (RFC 9001, 5.4.2).
        let (number, sample) = tail.split_at_mut_checked(4)?;
        let sample = sample.get(..keys.remote.header.sample_len())?;
        keys.remote.header.decrypt_in_place(sample, &mut head[0], number).ok()?;
        let number_bytes = usize::from(head[0] & 3) + 1;
        let packet_number =
            number[..number_bytes].iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
        let (header, payload) = packet.split_at_mut(at + number_bytes);
        let payload = keys.remote.packet.decrypt_in_place(packet_number, header, payload).ok()?;
        self.frames(payload);
        Some(behind)
    }

    /// Collects the handshake out of the frames (RFC 9000, 19).
    fn frames(&mut self, payload: &[u8]) -> Option<()> {
        let mut wire = Wire(payload);
        while let Some(kind) = wire.u8() {
            match kind {
                0 | 1 => {} // padding, ping
                2 | 3 => {
                    skip(&mut wire, 2)?;
                    let ranges = number(&mut wire)?;
                    skip(&mut wire, ranges.saturating_mul(2).saturating_add(1))?;
                    skip(&mut wire, if kind == 3 { 3 } else { 0 })?;
                }
                6 => {
                    let (place, length) = (number(&mut wire)?, number(&mut wire)?);
                    let part = wire.take(length)?;
                    if place.checked_add(length)? <= HELLO_BYTES_MAX {
                        self.parts.push((place, part.to_vec()));
                    }
                }
                _ => break,
            }
        }
        self.assemble();
        Some(())
    }

    fn assemble(&mut self) {
        self.parts.sort();
        let mut stream: Vec<u8> = Vec::new();
        for (place, part) in &self.parts {
            let Some(known) = stream.len().checked_sub(*place) else { return };
            stream.extend_from_slice(part.get(known..).unwrap_or(&[]));
        }
        if let Some((kind, body)) = message(&stream) {
            self.hello = (kind == CLIENT_HELLO).then(|| ClientHello::read(body)).flatten();
            self.done = true;
        }
    }

    pub(super) fn buffered(&self) -> usize {
        self.parts.iter().map(|(_, part)| part.capacity()).sum()
    }

    pub(super) fn finish(&self, about: &About<'_>, sink: &mut dyn Sink) {
        let version = (!self.version.is_empty()).then_some(self.version);
        let decided = tls::Decided { version, ..tls::Decided::default() };
        tls::emit(self.hello.as_ref(), &decided, self.time_us, about, sink);
    }
}

/// Passes over so many numbers.
fn skip(wire: &mut Wire<'_>, count: usize) -> Option<()> {
    (0..count).try_for_each(|_| number(wire).map(drop))
}

/// A number of variable length (RFC 9000, 16).
fn number(wire: &mut Wire<'_>) -> Option<usize> {
    let first = wire.u8()?;
    let more = wire.take((1 << (first >> 6)) - 1)?;
    let number = more.iter().fold(u64::from(first & 0x3f), |all, byte| all << 8 | u64::from(*byte));
    usize::try_from(number).ok()
}

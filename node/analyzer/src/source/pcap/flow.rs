//! One flow while its packets come: sizes, flags, Zeek's letters, and what is said in it.

use super::packet::{ICMP, ICMP_V6, Packet, TCP, UDP};
use super::stream::{About, Stream};
use crate::packed::{Addr, mix};
use crate::record::{Conn, ConnState, Ends, Sink, Sizes};
use crate::source::sizes::{self, flag};

const ACK: u8 = 16;
/// A jump in sequence numbers that no window allows (RFC 7323: at most 1 GiB): another connection, or a
/// packet made up by somebody between.
const JUMP_MAX: u32 = 1 << 30;
/// Letters of Zeek's history that are written here, both cases, and the one for a flow turned round.
const LETTERS_MAX: usize = 13;

/// How long after its last packet a flow is over, microseconds: Zeek's defaults of
/// `udp_inactivity_timeout`, `icmp_inactivity_timeout` and `tcp_inactivity_timeout`.
const SHORT_IDLE_US: i64 = 60 * 1_000_000;
const TCP_IDLE_US: i64 = 300 * 1_000_000;

/// What one side sent.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    packets: u64,
    bytes: u64,
    ip_bytes: u64,
    flags: u8,
    /// TCP's number of the next byte, once known.
    next: Option<u32>,
    missed: u64,
}

#[derive(Debug)]
pub(super) struct Flow {
    pub(super) ends: Ends,
    pub(super) last_us: i64,
    transport: u8,
    uid: String,
    start_us: i64,
    orig: Side,
    resp: Side,
    /// The sequence number of the first SYN of the originator.
    opened: Option<u32>,
    history: Vec<u8>,
    pub(super) stream: Stream,
}

impl Flow {
    /// The flow that a packet begins.
    pub(super) fn new(time_us: i64, packet: &Packet<'_>) -> Self {
        let turned = is_from_responder(packet);
        let sent = Ends {
            orig: packet.source,
            orig_port: packet.source_port,
            resp: packet.destination,
            resp_port: packet.destination_port,
        };
        let icmp = matches!(packet.transport, ICMP | ICMP_V6);
        let ends = match (turned, icmp) {
            (false, _) => sent,
            // Type and code are the packet's, not the ends': an echo for its reply.
            (true, true) => Ends {
                orig: sent.resp,
                orig_port: if packet.transport == ICMP { 8 } else { 128 },
                resp: sent.orig,
                resp_port: sent.resp_port,
            },
            (true, false) => Ends {
                orig: sent.resp,
                orig_port: sent.resp_port,
                resp: sent.orig,
                resp_port: sent.orig_port,
            },
        };
        Self {
            ends,
            last_us: time_us,
            transport: packet.transport,
            uid: uid(time_us, &ends, packet.transport),
            start_us: time_us,
            orig: Side::default(),
            resp: Side::default(),
            opened: None,
            history: if turned { vec![b'^'] } else { Vec::new() },
            stream: Stream::Silent,
        }
    }

    /// Whether a packet opens a connection that is not this one: the ports are used again.
    pub(super) fn is_reopened_by(&self, packet: &Packet<'_>) -> bool {
        let opens = packet.transport == TCP && packet.flags & (flag::SYN | ACK) == flag::SYN;
        let same = self.opened == Some(packet.sequence) && packet.source == self.ends.orig;
        opens && (self.is_closed() || (self.opened.is_some() && !same))
    }

    fn is_closed(&self) -> bool {
        let (orig, resp) = (self.orig.flags, self.resp.flags);
        orig & resp & flag::FIN != 0 || (orig | resp) & flag::RST != 0
    }

    /// Whether nothing is to be expected any more.
    pub(super) fn is_over(&self, now_us: i64) -> bool {
        let waits = self.transport == TCP && !self.is_closed() && self.resp.packets > 0;
        let idle_us = if waits { TCP_IDLE_US } else { SHORT_IDLE_US };
        now_us.saturating_sub(self.last_us) > idle_us
    }

    /// Adds a packet.
    pub(super) fn add(&mut self, time_us: i64, packet: &Packet<'_>, sink: &mut dyn Sink) {
        // An address that talks to itself is told apart by its ports.
        let from_orig = packet.source == self.ends.orig
            && (packet.source != packet.destination
                || matches!(self.transport, ICMP | ICMP_V6)
                || packet.source_port == self.ends.orig_port);
        self.start_us = self.start_us.min(time_us);
        self.last_us = self.last_us.max(time_us);
        self.letters(from_orig, packet);
        let reset = (self.orig.flags | self.resp.flags) & flag::RST != 0;
        let side = if from_orig { &mut self.orig } else { &mut self.resp };
        side.packets += 1;
        side.ip_bytes += packet.ip_bytes;
        // Who resets first decides; the answer to it is an echo.
        side.flags |= if reset { packet.flags & !flag::RST } else { packet.flags };
        if packet.transport != TCP || packet.is_later_fragment {
            side.bytes += u64::from(packet.payload_bytes);
            if !packet.payload.is_empty() && !packet.is_later_fragment {
                self.say(from_orig, packet.payload, time_us, sink);
            }
            return;
        }
        if from_orig && packet.flags & (flag::SYN | ACK) == flag::SYN {
            self.opened.get_or_insert(packet.sequence);
        }
        let (fresh, gap) = side.follow(packet);
        if gap {
            self.stream.gap(from_orig);
        }
        if let Some(fresh) = fresh.filter(|fresh| !fresh.is_empty()) {
            self.say(from_orig, fresh, time_us, sink);
        }
        if packet.payload.len() < packet.payload_bytes as usize {
            self.stream.gap(from_orig); // the snap length cut it
        }
    }

    fn say(&mut self, from_orig: bool, bytes: &[u8], time_us: i64, sink: &mut dyn Sink) {
        let about = About { uid: &self.uid, ends: self.ends, transport: self.transport };
        self.stream.data(from_orig, bytes, time_us, &about, sink);
    }

    /// Zeek's letters for what this packet is the first to do on its side.
    fn letters(&mut self, from_orig: bool, packet: &Packet<'_>) {
        let flags = packet.flags;
        let mut letter = |letter: u8, seen: bool| {
            let letter = if from_orig { letter } else { letter.to_ascii_lowercase() };
            if seen && self.history.len() < LETTERS_MAX && !self.history.contains(&letter) {
                self.history.push(letter);
            }
        };
        if packet.transport == TCP {
            letter(b'S', flags & (flag::SYN | ACK) == flag::SYN);
            letter(b'H', flags & (flag::SYN | ACK) == flag::SYN | ACK);
            let bare =
                packet.payload_bytes == 0 && flags & (flag::SYN | flag::FIN | flag::RST) == 0;
            letter(b'A', bare && flags & ACK != 0);
        }
        letter(b'D', packet.payload_bytes > 0);
        letter(b'F', flags & flag::FIN != 0);
        letter(b'R', flags & flag::RST != 0);
    }

    fn state(&self) -> Option<ConnState> {
        match self.transport {
            TCP => Some(sizes::state(self.orig.flags, self.resp.flags)),
            UDP => Some(match (self.orig.packets, self.resp.packets) {
                (0, _) => ConnState::Shr,
                (_, 0) => ConnState::S0,
                _ => ConnState::Sf,
            }),
            _ => Some(ConnState::Oth),
        }
    }

    /// Hands on the flow and what is left to say about it.
    pub(super) fn finish(mut self, sink: &mut dyn Sink) {
        let about = About { uid: &self.uid, ends: self.ends, transport: self.transport };
        self.stream.finish(&about, sink);
        sink.conn(&Conn {
            start_us: self.start_us,
            uid: self.uid.as_bytes(),
            ends: self.ends,
            transport: self.transport,
            service: self.stream.service().map(str::as_bytes),
            duration_us: u64::try_from(self.last_us - self.start_us).ok(),
            orig_bytes: Some(self.orig.bytes),
            resp_bytes: Some(self.resp.bytes),
            state: self.state(),
            local_orig: None,
            local_resp: None,
            missed_bytes: self.orig.missed + self.resp.missed,
            history: Some(&self.history).filter(|text| !text.is_empty()).map(Vec::as_slice),
            orig_packets: Some(self.orig.packets),
            orig_ip_bytes: Some(self.orig.ip_bytes),
            resp_packets: Some(self.resp.packets),
            resp_ip_bytes: Some(self.resp.ip_bytes),
            sizes: Sizes::Counted,
            open: false,
        });
    }
}

impl Side {
    /// Follows TCP's sequence numbers, so that what is sent again counts once. Gives what of the payload
    /// follows directly what came before, and whether something between is missing.
    fn follow<'a>(&mut self, packet: &Packet<'a>) -> (Option<&'a [u8]>, bool) {
        let syn = packet.flags & flag::SYN != 0;
        let start = packet.sequence.wrapping_add(u32::from(syn));
        let end = start.wrapping_add(packet.payload_bytes);
        if packet.payload_bytes == 0 && !syn {
            // An acknowledgement or a reset may carry the number of another connection.
            return (None, false);
        }
        let Some(next) = self.next.filter(|_| !syn) else {
            self.next = Some(end);
            self.bytes += u64::from(packet.payload_bytes);
            return (Some(packet.payload), false);
        };
        let ahead = end.wrapping_sub(next);
        if ahead == 0 || ahead > JUMP_MAX {
            if next.wrapping_sub(end) > JUMP_MAX && ahead != 0 {
                // Neither before nor after: begin anew from here.
                self.next = Some(end);
                self.bytes += u64::from(packet.payload_bytes);
                return (None, true);
            }
            // Sent again, or late: then it fills a hole.
            self.missed = self.missed.saturating_sub(u64::from(packet.payload_bytes));
            return (None, false);
        }
        self.next = Some(end);
        self.bytes += u64::from(ahead);
        let hole = ahead.saturating_sub(packet.payload_bytes);
        self.missed += u64::from(hole);
        let old = (packet.payload_bytes - (ahead - hole)) as usize;
        (packet.payload.get(old..), hole > 0)
    }
}

/// Whether a flow's first packet is one of the side that was addressed.
fn is_from_responder(packet: &Packet<'_>) -> bool {
    let (source, destination) = (packet.source_port, packet.destination_port);
    match packet.transport {
        TCP if packet.flags & flag::SYN != 0 => packet.flags & ACK != 0,
        // The middle of a flow: the lower of the ports is the server's if it alone is a well-known one.
        TCP | UDP => source < 1_024 && destination >= 1_024,
        ICMP => source == 0,
        ICMP_V6 => source == 129,
        _ => false,
    }
}

/// A name that is the same whenever the same packets are read: `P`, and sixteen letters and digits of a
/// hash over what makes a flow itself.
fn uid(start_us: i64, ends: &Ends, transport: u8) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let ports = u64::from(ends.orig_port) << 16 | u64::from(ends.resp_port);
    let (orig, resp) = (Addr::from(ends.orig).0, Addr::from(ends.resp).0);
    let words = [
        orig as u64,
        (orig >> 64) as u64,
        resp as u64,
        (resp >> 64) as u64,
        ports << 8 | u64::from(transport),
        start_us as u64,
    ];
    let mut uid = String::from("P");
    for seed in 1..=2 {
        let mut hash = words.iter().fold(seed, |hash, word| mix(hash, *word));
        for _ in 0..8 {
            uid.push(char::from(DIGITS[(hash % 62) as usize]));
            hash /= 62;
        }
    }
    uid
}

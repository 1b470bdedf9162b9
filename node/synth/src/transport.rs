//! From what two applications exchange to packets, bytes, state and history of a connection.
//!
//! Header sizes are those of IPv4 (20), IPv6 (40), TCP (20, with timestamps 32; a SYN's options
//! make it 32 or 40) and UDP (8), RFC 791, 8200, 9293, 7323 and 768. A receiver acknowledges every
//! second segment (RFC 9293, 3.8.6.3).

use crate::random::Random;
use crate::rows::{Conn, History, Proto, Way};

/// What shapes a host's packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    /// TCP timestamps are on (Linux, macOS); off on Windows.
    pub(crate) timestamps: bool,
    /// Its browser's ClientHello carries a post-quantum key share.
    pub(crate) hybrid: bool,
}

/// How a TCP connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The client says goodbye first.
    Client,
    /// The server does.
    Server,
    /// The client gives up.
    ClientReset,
    /// The server drops it.
    ServerReset,
    /// The client leaves; the server never does.
    ClientOnly,
}

/// An established TCP connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tcp {
    /// Payload from the client, bytes.
    pub(crate) up: u64,
    /// Payload from the server, bytes.
    pub(crate) down: u64,
    /// Turns of talk: no more segments than this are small.
    pub(crate) turns: u64,
    /// Microseconds there and back.
    pub(crate) rtt: u64,
    /// Microseconds from established to the end.
    pub(crate) lasts: u64,
    pub(crate) close: Close,
    /// The server speaks first (SSH, SMTP).
    pub(crate) server_first: bool,
}

/// What [`Conn`] needs from a transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) duration: Option<u64>,
    pub(crate) state: &'static str,
    pub(crate) history: History,
    pub(crate) up: Way,
    pub(crate) down: Way,
}

const fn ip_header(v6: bool) -> u64 {
    if v6 { 40 } else { 20 }
}

/// Segments of one direction with what is sent again.
fn segments(random: &mut Random, bytes: u64, turns: u64, mss: u64) -> (u64, u64, u64) {
    let count = bytes.div_ceil(mss).max(turns.min(bytes));
    // A loss of 1 in 1,000 segments, which comes in small groups.
    let lost = if random.below(1_000) < count.min(900) { 1 + count / 2_000 } else { 0 };
    let lost = if random.chance(200) { lost } else { 0 };
    (count, lost, lost * bytes.min(mss))
}

impl Tcp {
    /// Its packets.
    pub(crate) fn shape(&self, random: &mut Random, stack: Stack, v6: bool) -> Shape {
        let options = if stack.timestamps { 12 } else { 0 };
        let header = ip_header(v6) + 20 + options;
        let mss = 1_500 - header;
        let (up, up_lost, up_again) = segments(random, self.up, self.turns, mss);
        let (down, down_lost, down_again) = segments(random, self.down, self.turns, mss);

        let (letters, state, up_ends, down_ends) = match self.close {
            Close::Client => ("Ff", "SF", 2, 1),
            Close::Server => ("fF", "SF", 1, 2),
            Close::ClientReset => ("R", "RSTO", 1, 0),
            Close::ServerReset => ("r", "RSTR", 0, 1),
            Close::ClientOnly => ("F", "S2", 1, 1),
        };
        let mut history = History::of(match (self.server_first, self.up > 0, self.down > 0) {
            (_, false, false) => "ShA",
            (false, true, true) => "ShADad",
            (true, true, true) => "ShAdDa",
            (_, true, false) => "ShADa",
            (_, false, true) => "ShAd",
        });
        history.push(if up_lost > 0 { "T" } else { "" });
        history.push(if down_lost > 0 { "t" } else { "" });
        history.push(letters);

        // SYN and the handshake's last ACK; then data, an ACK for every second segment received.
        let syn_options = if stack.timestamps { 8 } else { 12 };
        let up_packets = 2 + up + up_lost + down / 2 + up_ends;
        let down_packets = 1 + down + down_lost + up.div_ceil(2) + down_ends;
        Shape {
            duration: Some(self.rtt + self.lasts),
            state,
            history,
            up: Way {
                bytes: self.up,
                packets: up_packets,
                ip_bytes: self.up + up_again + up_packets * header + syn_options,
            },
            down: Way {
                bytes: self.down,
                packets: down_packets,
                ip_bytes: self.down + down_again + down_packets * header + syn_options,
            },
        }
    }
}

/// A TCP connection attempt that nobody answered, with `tries` SYNs a doubling second apart
/// (RFC 6298, 2.1 and 5.5), or that was refused.
pub(crate) fn tcp_failed(stack: Stack, v6: bool, tries: u64, refused_after: Option<u64>) -> Shape {
    let syn = ip_header(v6) + if stack.timestamps { 40 } else { 32 };
    let tries = if refused_after.is_some() { 1 } else { tries.clamp(1, 6) };
    let waited = ((1_u64 << (tries - 1)) - 1) * 1_000_000;
    let refused = u64::from(refused_after.is_some());
    Shape {
        duration: refused_after.or(if tries > 1 { Some(waited) } else { None }),
        state: if refused_after.is_some() { "REJ" } else { "S0" },
        history: History::of(if refused_after.is_some() { "Sr" } else { "S" }),
        up: Way { bytes: 0, packets: tries, ip_bytes: tries * syn },
        down: Way { bytes: 0, packets: refused, ip_bytes: refused * (ip_header(v6) + 20) },
    }
}

/// Datagrams both ways; no answer makes it `S0`, and a single one has no duration.
pub(crate) fn udp(v6: bool, up: (u64, u64), down: (u64, u64), duration: u64) -> Shape {
    let header = ip_header(v6) + 8;
    let way = |(packets, bytes)| Way { bytes, packets, ip_bytes: bytes + packets * header };
    let answered = down.0 > 0;
    Shape {
        duration: (answered || up.0 > 1).then_some(duration),
        state: if answered { "SF" } else { "S0" },
        history: History::of(if answered { "Dd" } else { "D" }),
        up: way(up),
        down: way(down),
    }
}

/// `count` echo requests a second apart, of 56 bytes and Zeek's way of counting their payload.
pub(crate) fn ping(v6: bool, count: u64, answered: bool, rtt: u64) -> Shape {
    let way = |packets| Way {
        bytes: packets * 56,
        packets,
        ip_bytes: packets * (56 + 8 + ip_header(v6)),
    };
    Shape {
        duration: (answered || count > 1).then_some((count - 1) * 1_000_000 + rtt),
        state: "OTH",
        history: History::default(),
        up: way(count),
        down: way(if answered { count } else { 0 }),
    }
}

impl Conn {
    /// What had been seen of it after `seen` of `duration` microseconds.
    pub(crate) fn cut(&mut self, seen: u64, duration: u64) {
        let part = |whole: u64| {
            (u128::from(whole) * u128::from(seen) / u128::from(duration.max(1))) as u64
        };
        for way in [&mut self.up, &mut self.down] {
            if way.packets == 0 {
                continue;
            }
            let header = (way.ip_bytes - way.bytes).div_ceil(way.packets);
            way.bytes = part(way.bytes);
            way.packets = part(way.packets).max(1);
            way.ip_bytes = way.bytes + way.packets * header;
        }
        self.duration = Some(seen);
        if self.proto == Proto::Tcp && matches!(self.state, "SF" | "RSTO" | "RSTR" | "S2") {
            self.state = "S1";
            self.history = self.history.without("FfRr");
        }
    }
}

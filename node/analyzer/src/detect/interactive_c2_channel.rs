//! Interactive C2 channels: a session in which both ends talk at length, to where nobody else goes.
//!
//! Question: was there a TCP connection from inside to outside, of 30 s or more and 1,024 bytes [NetworkSage: below, it
//! is dormant], in which both ends had something to say, on a port or to an address that no ordinary service explains?
//! Which flows are sessions is decided in `settle/sessions.rs`, where all of a source's flows are seen: [`is_session`].
//! Points: 300 for the session, 100 each for an unusual port, a missing name, a protocol that the sensor does not
//! recognise, and a second session, 700 at most [ours: the signs of NetworkSage's triage, one step of a band each; a
//! session with one sign is medium, it takes three to be high without a rare destination]. ATT&CK T1071, T1219.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};
use crate::flow::Flow;
use crate::pair::{Group, Sessions, Surroundings};
use crate::stats::Scratch;

/// Shortest session, microseconds. [NetworkSage's as-needed channel: 10 s; ours: page loads with keep-alive last 10 to
/// 20, and a person who reads answers takes longer]
pub(crate) const SESSION_US_MIN: u64 = 30_000_000;
/// Payload of a session, both ways together, bytes. [NetworkSage]
pub(crate) const SESSION_BYTES_MIN: u64 = 1_024;
/// Packets of each end that is seen. [ours: three exchanges and their acknowledgements]
const PACKETS_MIN: u64 = 6;
/// Mean payload of a full packet: 80 % of a frame. [NetworkSage: content is loaded]
const FULL_PACKET_BYTES: u64 = 1_211;
/// Base score of a session, and what a sign adds; thousandths. [ours, above]
const SESSION_MILLI: u16 = 300;
const SIGN_MILLI: u16 = 100;
const BASE_MILLI_MAX: u16 = 700;

/// Ports on which HTTP and TLS are at home. [IANA; 8000, 8081 and 8888 by custom]
const WEB: [u16; 8] = [80, 443, 8000, 8008, 8080, 8081, 8443, 8888];

/// Whether a port's service holds sessions by nature: shells and desktops that admins use, mail, chat and push, telephony,
/// VPN, file transfer, databases. [IANA's names of services; Google's and Apple's documented push ports]
pub(crate) const fn is_sessional(port: u16) -> bool {
    matches!(
        port,
        20..=22 | 25 | 43 | 53 | 110 | 119 | 143 | 465 | 554 | 563 | 587 | 853 | 873 | 989..=995
            | 1194 | 1433 | 1521 | 1701 | 1723 | 1883 | 1935 | 2195..=2197 | 3306 | 3389 | 3478
            | 4500 | 5060 | 5061 | 5222 | 5223 | 5228..=5230 | 5349 | 5432 | 6881..=6889 | 8883
            | 9418 | 27_017
    )
}

/// Whether HTTP or TLS is what one expects on a port.
pub(crate) fn is_web(port: u16) -> bool {
    WEB.contains(&port)
}

/// Whether a port is the web's own, as browsers use it.
pub(crate) const fn is_browsed(port: u16) -> bool {
    matches!(port, 80 | 443)
}

/// Whether both ends of a flow had something to say for long enough. Of a sensor that sees one way only, one end's word
/// is taken for both, unless its packets are full, which is a download.
pub(crate) fn is_session(flow: &Flow) -> bool {
    let payload = flow.orig_bytes.saturating_add(flow.resp_bytes);
    if flow.duration_us < SESSION_US_MIN || payload < SESSION_BYTES_MIN {
        return false;
    }
    let bulk = |bytes: u64, packets: u64, back: u64| {
        bytes / packets.max(1) > FULL_PACKET_BYTES && back < SESSION_BYTES_MIN
    };
    let one_way = flow.orig_bytes == 0 && flow.orig_packets <= 2;
    let talks = if one_way {
        flow.resp_packets >= PACKETS_MIN
    } else {
        flow.orig_bytes > 0
            && flow.resp_bytes > 0
            && flow.orig_packets.min(flow.resp_packets) >= PACKETS_MIN
    };
    talks
        && !bulk(flow.resp_bytes, flow.resp_packets, flow.orig_bytes)
        && !bulk(flow.orig_bytes, flow.orig_packets, flow.resp_bytes)
}

/// Whether the port is no service's that is usual outside. The web's other ports are, unless HTTP or TLS is spoken there.
fn odd_port(group: &Group<'_>) -> bool {
    let spoken = group.hints.tls + group.hints.http > 0;
    !(is_browsed(group.port) || is_web(group.port) && spoken)
}

/// A score when there was a session.
pub(crate) fn score(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Score> {
    let sessions = group.hints.sessions.as_deref()?;
    let signs = [odd_port(group), sessions.nameless, sessions.unrecognised, sessions.count > 1];
    let points = signs.into_iter().filter(|sign| *sign).count() as u16 * SIGN_MILLI;
    let base_milli = (SESSION_MILLI + points).min(BASE_MILLI_MAX);
    Some(Score { behaviour: Behaviour::InteractiveC2Channel, base_milli })
}

/// A hit when there was a session.
pub(crate) fn detect(
    group: &Group<'_>,
    around: &Surroundings,
    scratch: &mut Scratch,
) -> Option<Hit> {
    let Score { behaviour, base_milli } = score(group, around, scratch)?;
    let sessions = group.hints.sessions.as_deref()?;
    let mut evidence = vec![Evidence::supporting(
        "sessions",
        sessions.count as f64,
        "flows",
        format!("{}.", described(sessions)),
    )];
    let mut sign = |holds: bool, measure, value: f64, unit, sentence: &str| {
        if holds {
            evidence.push(Evidence::supporting(measure, value, unit, sentence.to_owned()));
        }
    };
    sign(
        odd_port(group),
        "unusual_port",
        f64::from(group.port),
        "port",
        &format!("Port {} belongs to no service that is usual outside.", group.port),
    );
    sign(
        sessions.nameless,
        "nameless",
        1.0,
        "destinations",
        "No name led there, though this source's destinations have names as a rule.",
    );
    sign(
        sessions.unrecognised,
        "unrecognised",
        1.0,
        "destinations",
        "The sensor recognised no protocol in it, as it does elsewhere.",
    );
    evidence.push(Evidence::against(
        "session_kind",
        sessions.longest_us as f64 / 1e6,
        "s",
        "Games, chat, remote support and vendors' own protocols hold such sessions too.".to_owned(),
    ));
    let mut limits = vec!["What was said is not seen.".to_owned()];
    if sessions.packets_out == 0 || sessions.bytes_out == 0 {
        limits.push("Only the destination's side was seen.".to_owned());
    }
    Some(Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits })
}

fn described(sessions: &Sessions) -> String {
    let longest = words::seconds((sessions.longest_us / 1_000_000) as f64);
    let mean = |bytes: u64, packets: u64| words::bytes(bytes / packets.max(1));
    let how_long = if sessions.count == 1 { "of" } else { "of up to" };
    format!(
        "{} {how_long} {longest} in which the ends talk: {} out, {} in, packets of {} and {} on average",
        words::counted(sessions.count, "session", "sessions"),
        words::bytes(sessions.bytes_out),
        words::bytes(sessions.bytes_in),
        mean(sessions.bytes_out, sessions.packets_out),
        mean(sessions.bytes_in, sessions.packets_in),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(seconds: u64, out: (u64, u64), back: (u64, u64)) -> Flow {
        Flow {
            duration_us: seconds * 1_000_000,
            orig_bytes: out.0,
            orig_packets: out.1,
            resp_bytes: back.0,
            resp_packets: back.1,
            ..Flow::default()
        }
    }

    #[test]
    fn both_ends_talk_for_long_enough() {
        for (name, flow, session) in [
            ("a shell", flow(30, (300, 6), (800, 6)), true),
            ("too short", flow(29, (300, 6), (800, 6)), false),
            ("too little", flow(30, (300, 6), (723, 6)), false),
            ("five packets", flow(60, (300, 5), (2_000, 9)), false),
            ("a download", flow(60, (400, 40), (99_000, 70)), false),
            ("a download and commands", flow(60, (1_024, 40), (99_000, 70)), true),
            ("an upload", flow(60, (99_000, 70), (400, 40)), false),
            ("nothing back", flow(60, (9_000, 70), (0, 40)), false),
            ("the client acknowledges only", flow(60, (0, 40), (9_000, 70)), false),
            ("one way is seen", flow(60, (0, 0), (2_600, 42)), true),
            ("one way, full packets", flow(60, (0, 2), (99_000, 70)), false),
        ] {
            assert_eq!(is_session(&flow), session, "{name}");
        }
    }
}

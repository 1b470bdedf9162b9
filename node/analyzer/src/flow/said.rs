//! The two bytes of a flow that say what the sensor says: how it went, which services, whose ends.

use super::{Flow, service};
use crate::record::{Conn, ConnState, Sizes};

/// Of the byte of services, above these: two bits of how sizes are known, one of whether the opening was seen.
const SIZES_SHIFT: u8 = 4;
const BEGUN: u8 = 1 << 7;

/// The byte of how it went, and of what the sensor says of its ends.
pub(super) fn state_byte(record: &Conn<'_>) -> u8 {
    state_code(record.state) | tri(record.local_orig) << 4 | tri(record.local_resp) << 6
}

/// The byte of services, and what stands above them.
pub(super) fn services_byte(record: &Conn<'_>) -> u8 {
    let begun = u8::from(record.history.is_some_and(|history| history.starts_with(b"Sh"))) * BEGUN;
    record.service.map_or(0, services_of) | (record.sizes as u8) << SIZES_SHIFT | begun
}

pub(super) fn tri(value: Option<bool>) -> u8 {
    value.map_or(0, |yes| 1 + u8::from(yes))
}

pub(super) fn untri(code: u8) -> Option<bool> {
    match code & 3 {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    }
}

const STATES: [ConnState; 13] = [
    ConnState::S0,
    ConnState::S1,
    ConnState::Sf,
    ConnState::Rej,
    ConnState::S2,
    ConnState::S3,
    ConnState::Rsto,
    ConnState::Rstr,
    ConnState::Rstos0,
    ConnState::Rstrh,
    ConnState::Sh,
    ConnState::Shr,
    ConnState::Oth,
];

fn state_code(state: Option<ConnState>) -> u8 {
    state.map_or(0, |state| state as u8 + 1)
}

/// The protocols in Zeek's `service`. The usual ones stand alone and are looked at first.
fn services_of(text: &[u8]) -> u8 {
    let one = |word: &[u8]| match word {
        b"ssl" | b"SSL" | b"tls" => service::TLS,
        b"http" | b"HTTP" => service::HTTP,
        b"quic" | b"QUIC" => service::QUIC,
        b"dns" | b"DNS" => service::DNS,
        b"ssh" | b"SSH" => service::SSH,
        _ => 0,
    };
    match one(text) {
        0 => text.split(|byte| *byte == b',').map(one).fold(0, |all, bit| all | bit),
        bit => bit,
    }
}

/// What [`state_byte`] and [`services_byte`] say; nothing else of the flow is set.
pub(super) fn said(state: u8, services: u8) -> Flow {
    Flow {
        state: usize::from(state & 15).checked_sub(1).and_then(|at| STATES.get(at).copied()),
        services: services & !(3 << SIZES_SHIFT | BEGUN),
        begun: services & BEGUN != 0,
        sizes: match services >> SIZES_SHIFT & 3 {
            0 => Sizes::Counted,
            1 => Sizes::Estimated,
            _ => Sizes::Exported,
        },
        local_orig: untri(state >> 4),
        local_resp: untri(state >> 6),
        ..Flow::default()
    }
}

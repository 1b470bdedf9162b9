//! conn.log and open_conn.log. Columns: <https://docs.zeek.org/en/master/logs/conn.html>.

use std::net::IpAddr;

use super::row::Row;
use super::text;
use crate::record::{Conn, ConnState, Sizes, Skip};

pub(super) const COLUMNS: &[&str] = &[
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "service",
    "duration",
    "orig_bytes",
    "resp_bytes",
    "conn_state",
    "local_orig",
    "local_resp",
    "missed_bytes",
    "history",
    "orig_pkts",
    "orig_ip_bytes",
    "resp_pkts",
    "resp_ip_bytes",
    "ip_proto",
];

/// IANA's reserved protocol number, for a protocol that the log does not name.
const TRANSPORT_UNKNOWN: u8 = 255;

/// Reads a row whose columns are [`COLUMNS`].
pub(super) fn read<'a>(row: &impl Row<'a>, open: bool) -> Result<Conn<'a>, Skip> {
    let start_us = row.time(0)?;
    let ends = row.ends(2)?;
    let duration_us = row.interval(8)?;
    if !text::ends_in_time(start_us, duration_us) {
        return Err(Skip::BadTime);
    }
    Ok(Conn {
        start_us,
        uid: row.bytes(1)?.unwrap_or(b""),
        ends,
        transport: transport(row, 6, 20, ends.orig)?,
        service: row.bytes(7)?,
        duration_us,
        orig_bytes: row.count(9)?,
        resp_bytes: row.count(10)?,
        state: row.scalar(11).and_then(state),
        local_orig: row.flag(12),
        local_resp: row.flag(13),
        missed_bytes: row.count(14)?.unwrap_or(0),
        history: row.bytes(15)?,
        orig_packets: row.count(16)?,
        orig_ip_bytes: row.count(17)?,
        resp_packets: row.count(18)?,
        resp_ip_bytes: row.count(19)?,
        sizes: Sizes::Counted,
        open,
    })
}

/// The protocol's number from its name, or from the number that newer versions add (`ip_proto`).
fn transport<'a>(row: &impl Row<'a>, name: usize, number: usize, orig: IpAddr) -> Result<u8, Skip> {
    let by_name = match row.scalar(name) {
        Some(b"tcp") => return Ok(6),
        Some(b"udp") => return Ok(17),
        Some(b"icmp") => return Ok(if orig.is_ipv6() { 58 } else { 1 }),
        Some(text) => text::count(text).and_then(|value| u8::try_from(value).ok()),
        None => None,
    };
    match (by_name, row.scalar(number)) {
        (Some(value), _) => Ok(value),
        (None, Some(text)) => {
            text::count(text).and_then(|value| u8::try_from(value).ok()).ok_or(Skip::BadNumber)
        }
        (None, None) if row.scalar(name).is_none() => Err(Skip::MissingField),
        (None, None) => Ok(TRANSPORT_UNKNOWN),
    }
}

/// The transport of logs that name it where they do (dns.log).
pub(super) fn transport_of<'a>(row: &impl Row<'a>, name: usize, orig: IpAddr) -> Result<u8, Skip> {
    transport(row, name, usize::MAX, orig)
}

fn state(text: &[u8]) -> Option<ConnState> {
    Some(match text {
        b"S0" => ConnState::S0,
        b"S1" => ConnState::S1,
        b"SF" => ConnState::Sf,
        b"REJ" => ConnState::Rej,
        b"S2" => ConnState::S2,
        b"S3" => ConnState::S3,
        b"RSTO" => ConnState::Rsto,
        b"RSTR" => ConnState::Rstr,
        b"RSTOS0" => ConnState::Rstos0,
        b"RSTRH" => ConnState::Rstrh,
        b"SH" => ConnState::Sh,
        b"SHR" => ConnState::Shr,
        b"OTH" => ConnState::Oth,
        _ => return None,
    })
}

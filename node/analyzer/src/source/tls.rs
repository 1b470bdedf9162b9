//! ssl.log, open_ssl.log and quic.log. Columns: <https://docs.zeek.org/en/master/logs/ssl.html>,
//! <https://docs.zeek.org/en/master/logs/quic.html>.

use super::row::Row;
use crate::record::{Skip, Tls};

pub(super) const SSL_COLUMNS: &[&str] = &[
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "version",
    "server_name",
    "next_protocol",
    "established",
    "subject",
    "issuer",
    "validation_status",
    "ja3",
    "issuer_subject", // the issuer, up to Bro 2.1
];

pub(super) const QUIC_COLUMNS: &[&str] = &[
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "version",
    "server_name",
    "client_protocol",
];

/// Reads a row whose columns are [`SSL_COLUMNS`].
pub(super) fn read_ssl<'a>(row: &impl Row<'a>, open: bool) -> Result<Tls<'a>, Skip> {
    Ok(Tls {
        time_us: row.time(0)?,
        ends: row.ends(2)?,
        uid: row.text(1)?.unwrap_or(""),
        quic: false,
        server_name: row.text(7)?,
        version: row.text(6)?,
        next_protocol: row.text(8)?,
        established: row.flag(9),
        subject: row.text(10)?,
        issuer: match row.text(11)? {
            Some(issuer) => Some(issuer),
            None => row.text(14)?,
        },
        validation_status: row.text(12)?,
        ja3: row.text(13)?,
        ja4: None,
        hello_bytes: None,
        open,
    })
}

/// Reads a row whose columns are [`QUIC_COLUMNS`]. The log does not say whether a handshake completed.
pub(super) fn read_quic<'a>(row: &impl Row<'a>) -> Result<Tls<'a>, Skip> {
    Ok(Tls {
        time_us: row.time(0)?,
        ends: row.ends(2)?,
        uid: row.text(1)?.unwrap_or(""),
        quic: true,
        server_name: row.text(7)?,
        version: row.text(6)?,
        next_protocol: row.text(8)?,
        established: None,
        subject: None,
        issuer: None,
        validation_status: None,
        ja3: None,
        ja4: None,
        hello_bytes: None,
        open: false,
    })
}

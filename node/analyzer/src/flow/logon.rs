//! Log-ons, and what only administrators do, while they wait to be settled.

use super::said::{tri, untri};
use super::{KIND_LOGON, KIND_REMOTE, v6_bits};
use crate::{
    packed::{Addr, Reader, Writer, unzigzag, zigzag},
    record::{LogonProtocol, RemoteAct},
};

/// A log-on, or a part of one that names who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logon<'a> {
    /// Who logs on.
    pub client: Addr,
    /// To whom.
    pub server: Addr,
    /// Microseconds since 1970 UTC.
    pub time_us: i64,
    /// Port of the server.
    pub port: u16,
    /// By what.
    pub protocol: LogonProtocol,
    /// Whether it worked; `None`: not told.
    pub success: Option<bool>,
    /// The user; empty: not told.
    pub user: &'a str,
    /// The client's name for itself; empty: not told.
    pub machine: &'a str,
}

/// Writes a log-on. `base_us` is as for a connection.
pub fn write_logon(out: &mut Writer<'_>, logon: &Logon<'_>, base_us: i64) {
    out.byte(KIND_LOGON | v6_bits(logon.client, logon.server) | tri(logon.success) << 5);
    out.addr(logon.client);
    out.addr(logon.server);
    out.numbers([
        zigzag(logon.time_us.wrapping_sub(base_us)),
        u64::from(logon.port) << 8 | logon.protocol as u64,
    ]);
    out.text(logon.user);
    out.text(logon.machine);
}

/// Writes what only administrators do.
pub fn write_remote(out: &mut Writer<'_>, uid: &str, act: RemoteAct) {
    out.byte(KIND_REMOTE | u8::from(act == RemoteAct::Execution) << 3);
    out.uid(uid.as_bytes());
}

/// Reads a log-on after its first byte.
pub(super) fn read_logon<'a>(input: &mut Reader<'a>, head: u8, base_us: i64) -> Option<Logon<'a>> {
    let client = input.addr(head & 1 << 3 != 0)?;
    let server = input.addr(head & 1 << 4 != 0)?;
    let [time, by] = input.numbers()?;
    Some(Logon {
        client,
        server,
        time_us: base_us.wrapping_add(unzigzag(time)),
        port: (by >> 8) as u16,
        protocol: *LogonProtocol::ALL.get((by & 0xff) as usize)?,
        success: untri(head >> 5),
        user: input.text()?,
        machine: input.text()?,
    })
}

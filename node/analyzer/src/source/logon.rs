//! Logs of log-ons: kerberos.log, ntlm.log, ssh.log, rdp.log and smtp.log. Columns:
//! <https://docs.zeek.org/en/master/script-reference/log-files.html>.

use super::row::Row;
use crate::record::{Ends, Logon, LogonProtocol, Skip};

pub(super) const KERBEROS_COLUMNS: &[&str] = &[
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "request_type",
    "client",
    "service",
    "success",
    "error_msg",
];

pub(super) const NTLM_COLUMNS: &[&str] = &[
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "username",
    "hostname",
    "success",
    "status", // instead of success, in older logs
];

pub(super) const SSH_COLUMNS: &[&str] = &[
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "auth_success",
    "status", // instead of auth_success, in older logs
    "auth_attempts",
];

pub(super) const RDP_COLUMNS: &[&str] = &[
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "cookie",
    "client_name",
    "security_protocol",
];

pub(super) const SMTP_COLUMNS: &[&str] =
    &["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "trans_depth", "last_reply"];

/// Errors of Kerberos that a wrong name, password or account gives. Others belong to the course of things, such as
/// asking for proof first (`KDC_ERR_PREAUTH_REQUIRED`), or are of clocks and services. [RFC 4120, 7.5.9]
const KERBEROS_REFUSALS: [&str; 3] =
    ["KDC_ERR_PREAUTH_FAILED", "KDC_ERR_C_PRINCIPAL_UNKNOWN", "KDC_ERR_CLIENT_REVOKED"];

/// What a log-on over Kerberos came to: `None` when the exchange was not one, or is not over.
pub(super) fn kerberos_outcome(
    log_on: bool,
    success: Option<bool>,
    error: Option<&str>,
) -> Option<bool> {
    match success {
        _ if !log_on => None,
        Some(true) => Some(true),
        _ => error.filter(|error| KERBEROS_REFUSALS.contains(error)).map(|_| false),
    }
}

/// A user of a Kerberos principal, without the realm. A machine's account ends with `$`, and is its name before that.
pub(super) fn principal(client: &str) -> (Option<&str>, Option<&str>) {
    let user = client.rsplit_once('/').map_or(client, |(user, _)| user);
    match user.strip_suffix('$') {
        Some(machine) => (None, Some(machine)),
        None => (Some(user), None),
    }
}

/// What all of these logs begin with.
fn begin<'a>(row: &impl Row<'a>, protocol: LogonProtocol) -> Result<Logon<'a>, Skip> {
    let ends: Ends = row.ends(2)?;
    Ok(Logon { time_us: row.time(0)?, ends, protocol, success: None, user: None, machine: None })
}

/// Reads a row whose columns are [`KERBEROS_COLUMNS`]. A ticket for the ticket service is a log-on; others follow from it.
pub(super) fn read_kerberos<'a>(row: &impl Row<'a>) -> Result<Logon<'a>, Skip> {
    let logon = begin(row, LogonProtocol::Kerberos)?;
    let log_on = match row.text(6)? {
        Some(kind) => kind == "AS",
        None => row.text(8)?.is_some_and(|service| service.starts_with("krbtgt/")),
    };
    let (user, machine) = row.text(7)?.map_or((None, None), principal);
    Ok(Logon {
        success: kerberos_outcome(log_on, row.flag(9), row.text(10)?),
        user,
        machine,
        ..logon
    })
}

/// Reads a row whose columns are [`NTLM_COLUMNS`]. Nobody has logged on where no user is named.
pub(super) fn read_ntlm<'a>(row: &impl Row<'a>) -> Result<Logon<'a>, Skip> {
    let logon = begin(row, LogonProtocol::Ntlm)?;
    let user = row.text(6)?;
    let success = match (row.flag(8), row.text(9)?) {
        (Some(success), _) => Some(success),
        (None, Some("SUCCESS")) => Some(true),
        (None, Some(_)) => Some(false),
        (None, None) => None,
    };
    Ok(Logon { success: success.filter(|_| user.is_some()), user, machine: row.text(7)?, ..logon })
}

/// Reads a row whose columns are [`SSH_COLUMNS`]. A connection is one log-on, however many keys a client offered in it.
pub(super) fn read_ssh<'a>(row: &impl Row<'a>) -> Result<Logon<'a>, Skip> {
    let logon = begin(row, LogonProtocol::Ssh)?;
    let success = match (row.flag(6), row.text(7)?) {
        (Some(success), _) => Some(success),
        (None, Some("success")) => Some(true),
        (None, Some("failure")) => Some(false),
        (None, _) => None,
    };
    Ok(Logon { success, ..logon })
}

/// Reads a row whose columns are [`RDP_COLUMNS`]. Whether somebody got in, the protocol keeps to itself.
pub(super) fn read_rdp<'a>(row: &impl Row<'a>) -> Result<Logon<'a>, Skip> {
    let logon = begin(row, LogonProtocol::Rdp)?;
    Ok(Logon { user: row.text(6)?, machine: row.text(7)?, ..logon })
}

/// Reads a row whose columns are [`SMTP_COLUMNS`]: a refused log-on ends with reply 535 [RFC 4954]; one that works is not
/// told.
pub(super) fn read_smtp<'a>(row: &impl Row<'a>) -> Result<Logon<'a>, Skip> {
    let logon = begin(row, LogonProtocol::Smtp)?;
    let refused = row.text(7)?.is_some_and(|reply| reply.starts_with("535"));
    Ok(Logon { success: refused.then_some(false), ..logon })
}

//! Logs of file sharing and remote procedure calls: smb_mapping.log, smb_files.log and dce_rpc.log. Columns:
//! <https://docs.zeek.org/en/master/logs/smb.html>,
//! <https://docs.zeek.org/en/master/script-reference/log-files.html>.

use super::row::Row;
use crate::record::{Remote, RemoteAct, Skip};

pub(super) const SMB_MAPPING_COLUMNS: &[&str] =
    &["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "path", "share_type"];

pub(super) const SMB_FILES_COLUMNS: &[&str] =
    &["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "action", "path"];

pub(super) const DCE_RPC_COLUMNS: &[&str] =
    &["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "endpoint", "operation"];

/// Calls that make another machine run something: services, tasks, WMI. [MS-SCMR, MS-TSCH, MS-WMI; the list of MITRE's
/// BZAR, its execution techniques]
const RUNS: [(&str, &str); 10] = [
    ("svcctl", "CreateServiceA"),
    ("svcctl", "CreateServiceW"),
    ("svcctl", "CreateServiceWOW64A"),
    ("svcctl", "CreateServiceWOW64W"),
    ("svcctl", "StartServiceA"),
    ("svcctl", "StartServiceW"),
    ("atsvc", "JobAdd"),
    ("ITaskSchedulerService", "SchRpcRegisterTask"),
    ("ITaskSchedulerService", "SchRpcRun"),
    ("IWbemServices", "ExecMethod"),
];

/// Reads a row whose columns are [`SMB_MAPPING_COLUMNS`].
pub(super) fn read_mapping<'a>(row: &impl Row<'a>) -> Result<Remote<'a>, Skip> {
    let act = row.text(6)?.filter(|path| is_admin_share(path)).map(|_| RemoteAct::AdminShare);
    Ok(Remote { uid: row.text(1)?.unwrap_or(""), ends: row.ends(2)?, time_us: row.time(0)?, act })
}

/// Reads a row whose columns are [`SMB_FILES_COLUMNS`]: what is done in a share that only administrators have.
pub(super) fn read_files<'a>(row: &impl Row<'a>) -> Result<Remote<'a>, Skip> {
    let act = row.text(7)?.filter(|path| is_admin_share(path)).map(|_| RemoteAct::AdminShare);
    Ok(Remote { uid: row.text(1)?.unwrap_or(""), ends: row.ends(2)?, time_us: row.time(0)?, act })
}

/// Reads a row whose columns are [`DCE_RPC_COLUMNS`].
pub(super) fn read_dce_rpc<'a>(row: &impl Row<'a>) -> Result<Remote<'a>, Skip> {
    let call = (row.text(6)?.unwrap_or(""), row.text(7)?.unwrap_or(""));
    let act = RUNS.contains(&call).then_some(RemoteAct::Execution);
    Ok(Remote { uid: row.text(1)?.unwrap_or(""), ends: row.ends(2)?, time_us: row.time(0)?, act })
}

/// Whether a share is one that Windows makes for administrators: `ADMIN$`, or a drive such as `C$`. Not `IPC$`, which
/// everybody opens. [Microsoft: default administrative shares]
pub(super) fn is_admin_share(path: &str) -> bool {
    let share = path.rsplit('\\').next().unwrap_or(path);
    let drive = |name: &str| name.len() == 1 && name.as_bytes()[0].is_ascii_alphabetic();
    share.strip_suffix('$').is_some_and(|name| name.eq_ignore_ascii_case("admin") || drive(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_administrators() {
        for (path, is) in [
            (r"\\srv.corp.example\ADMIN$", true),
            (r"\\10.0.0.9\c$", true),
            (r"\\10.0.0.9\IPC$", false),
            (r"\\10.0.0.9\print$", false),
            (r"\\10.0.0.9\C", false),
            ("$", false),
            ("", false),
        ] {
            assert_eq!(is_admin_share(path), is, "{path}");
        }
    }
}

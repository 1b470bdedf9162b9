//! http.log and open_http.log. Columns: <https://docs.zeek.org/en/master/logs/http.html>.

use super::row::Row;
use crate::record::{Http, Skip};

pub(super) const COLUMNS: &[&str] = &[
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "method",
    "host",
    "uri",
    "user_agent",
    "request_body_len",
    "response_body_len",
    "status_code",
    "resp_mime_types",
    "orig_mime_types",
];

/// Reads a row whose columns are [`COLUMNS`].
pub(super) fn read<'a>(row: &impl Row<'a>, open: bool) -> Result<Http<'a>, Skip> {
    Ok(Http {
        time_us: row.time(0)?,
        ends: row.ends(2)?,
        uid: row.text(1)?.unwrap_or(""),
        method: row.text(6)?,
        host: row.text(7)?,
        uri: row.text(8)?,
        user_agent: row.text(9)?,
        request_body_bytes: row.count(10)?.unwrap_or(0),
        response_body_bytes: row.count(11)?.unwrap_or(0),
        status: row.code(12)?,
        resp_mime_types: row.texts(13)?,
        orig_mime_types: row.texts(14)?,
        open,
    })
}

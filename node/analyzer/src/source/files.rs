//! files.log. Columns: <https://docs.zeek.org/en/master/logs/files.html>.

use super::row::Row;
use crate::record::{File, Skip};

pub(super) const COLUMNS: &[&str] = &[
    "ts",
    "conn_uids",
    "uid", // the one connection, in newer logs
    "source",
    "mime_type",
    "is_orig",
    "seen_bytes",
    "total_bytes",
];

/// Reads a row whose columns are [`COLUMNS`].
pub(super) fn read<'a>(row: &impl Row<'a>) -> Result<File<'a>, Skip> {
    let time_us = row.time(0)?;
    let mut conn_uids = row.texts(1)?;
    if conn_uids.is_empty() {
        conn_uids.extend(row.text(2)?);
    }
    Ok(File {
        time_us,
        conn_uids,
        protocol: row.text(3)?,
        mime_type: row.text(4)?,
        is_orig: row.flag(5),
        seen_bytes: row.count(6)?.unwrap_or(0),
        total_bytes: row.count(7)?,
    })
}

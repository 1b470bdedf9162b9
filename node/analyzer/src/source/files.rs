//! files.log. Columns: <https://docs.zeek.org/en/master/logs/files.html>.

use std::net::IpAddr;

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
    "id.orig_h", // in newer logs
    "id.resp_h",
    "tx_hosts", // in older ones
    "rx_hosts",
];

/// Reads a row whose columns are [`COLUMNS`].
pub(super) fn read<'a>(row: &impl Row<'a>) -> Result<File<'a>, Skip> {
    let time_us = row.time(0)?;
    let mut conn_uids = row.texts(1)?;
    if conn_uids.is_empty() {
        conn_uids.extend(row.text(2)?);
    }
    // A set of which all but odd protocols have one.
    let end = |one: usize, set: usize| -> Result<Option<IpAddr>, Skip> {
        match row.address(one)? {
            Some(address) => Ok(Some(address)),
            None => Ok(row.texts(set)?.first().and_then(|text| text.parse().ok())),
        }
    };
    Ok(File {
        time_us,
        conn_uids,
        ends: [end(8, 10)?, end(9, 11)?],
        protocol: row.text(3)?,
        mime_type: row.text(4)?,
        is_orig: row.flag(5),
        seen_bytes: row.count(6)?.unwrap_or(0),
        total_bytes: row.count(7)?,
    })
}

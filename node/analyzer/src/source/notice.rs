//! notice.log. Columns: <https://docs.zeek.org/en/master/logs/notice.html>.

use super::row::Row;
use crate::record::{Notice, Skip};

pub(super) const COLUMNS: &[&str] =
    &["ts", "uid", "note", "msg", "src", "dst", "id.orig_h", "id.resp_h"];

/// Reads a row whose columns are [`COLUMNS`].
pub(super) fn read<'a>(row: &impl Row<'a>) -> Result<Notice<'a>, Skip> {
    let time_us = row.time(0)?;
    let (source, destination) = (row.address(4)?, row.address(5)?);
    let (orig, resp) = (row.address(6)?, row.address(7)?);
    Ok(Notice {
        time_us,
        uid: row.text(1)?,
        note: row.text(2)?.ok_or(Skip::MissingField)?,
        message: row.text(3)?,
        source: source.or(orig),
        destination: destination.or(resp),
    })
}

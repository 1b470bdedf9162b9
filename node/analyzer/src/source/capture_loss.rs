//! capture_loss.log.
//! Columns: <https://docs.zeek.org/en/master/scripts/policy/misc/capture-loss.zeek.html>.

use super::row::Row;
use crate::record::{CaptureLoss, Skip};

pub(super) const COLUMNS: &[&str] = &["ts", "ts_delta", "peer", "percent_lost"];

/// Reads a row whose columns are [`COLUMNS`].
pub(super) fn read<'a>(row: &impl Row<'a>) -> Result<CaptureLoss<'a>, Skip> {
    let time_us = row.time(0)?;
    let interval_us = row.interval(1)?.ok_or(Skip::MissingField)?;
    let lost = row.text(3)?.ok_or(Skip::MissingField)?;
    let percent_lost: f64 = lost.parse().map_err(|_| Skip::BadNumber)?;
    if !percent_lost.is_finite() || percent_lost < 0.0 {
        return Err(Skip::BadNumber);
    }
    Ok(CaptureLoss { time_us, interval_us, peer: row.text(2)?.unwrap_or(""), percent_lost })
}

//! dhcp.log, in its newer form (an exchange a record) and its older one (a lease a record).
//! Columns: <https://docs.zeek.org/en/master/logs/dhcp.html>.

use super::row::Row;
use crate::record::{Dhcp, Skip};

pub(super) const COLUMNS: &[&str] = &[
    "ts",
    "mac",
    "assigned_addr",
    "client_addr",
    "assigned_ip", // in older logs
    "host_name",
    "client_fqdn",
    "domain",
    "lease_time",
];

/// Reads a row whose columns are [`COLUMNS`].
pub(super) fn read<'a>(row: &impl Row<'a>) -> Result<Dhcp<'a>, Skip> {
    let time_us = row.time(0)?;
    let (assigned, client, old) = (row.address(2)?, row.address(3)?, row.address(4)?);
    let full_name = row.text(6)?;
    let (first_label, parent) = match full_name.map(|name| name.split_once('.')) {
        Some(Some((label, parent))) => (Some(label), Some(parent)),
        Some(None) => (full_name, None),
        None => (None, None),
    };
    let filled = |text: &&str| !text.is_empty();
    Ok(Dhcp {
        time_us,
        mac: row.text(1)?,
        address: assigned.or(client).or(old),
        host_name: row.text(5)?.or(first_label.filter(filled)),
        domain: row.text(7)?.or(parent.filter(filled)),
        lease_s: row.interval(8)?.map(|micros| micros / 1_000_000),
    })
}

//! dns.log. Columns: <https://docs.zeek.org/en/master/logs/dns.html>.

use super::conn::transport_of;
use super::row::Row;
use super::text;
use crate::record::{Dns, DnsAnswer, Skip};

pub(super) const COLUMNS: &[&str] = &[
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "query",
    "qtype",
    "rcode",
    "answers",
    "TTLs",
];

/// Reads a row whose columns are [`COLUMNS`].
pub(super) fn read<'a>(row: &impl Row<'a>) -> Result<Dns<'a>, Skip> {
    let time_us = row.time(0)?;
    let ends = row.ends(2)?;
    let mut answers = Vec::new();
    row.each(10, |item| {
        let address = text::address(item.as_bytes());
        answers.push(address.map_or(DnsAnswer::Text(item), DnsAnswer::Address));
        Ok(())
    })?;
    let mut ttls_s = Vec::new();
    row.each(11, |item| {
        let micros = text::micros(item.as_bytes()).ok_or(Skip::BadNumber)?;
        ttls_s.push(u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX));
        Ok(())
    })?;
    Ok(Dns {
        time_us,
        uid: row.text(1)?.unwrap_or(""),
        ends,
        transport: transport_of(row, 6, ends.orig)?,
        query: row.text(7)?,
        qtype: row.code(8)?,
        rcode: row.code(9)?,
        answers,
        ttls_s,
        response_bytes: None,
    })
}

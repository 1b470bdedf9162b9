//! x509.log. Columns: <https://docs.zeek.org/en/master/logs/x509.html>.

use super::row::Row;
use crate::record::{Skip, X509};

pub(super) const COLUMNS: &[&str] = &[
    "ts",
    "fingerprint",
    "id", // the file's id, in place of the fingerprint in older logs
    "certificate.subject",
    "certificate.issuer",
    "certificate.not_valid_before",
    "certificate.not_valid_after",
    "san.dns",
];

/// Reads a row whose columns are [`COLUMNS`].
pub(super) fn read<'a>(row: &impl Row<'a>) -> Result<X509<'a>, Skip> {
    let time_us = row.time(0)?;
    let id = match row.text(1)? {
        Some(fingerprint) => fingerprint,
        None => row.text(2)?.ok_or(Skip::MissingField)?,
    };
    Ok(X509 {
        time_us,
        id,
        subject: row.text(3)?,
        issuer: row.text(4)?,
        // Certificates are made by strangers: a validity that is no time between 1970 and 2106 is
        // left out, and the record stays.
        not_before_us: row.optional_time(5).unwrap_or(None),
        not_after_us: row.optional_time(6).unwrap_or(None),
        san_dns: row.texts(7)?,
    })
}

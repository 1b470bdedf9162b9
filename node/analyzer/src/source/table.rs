//! The formats beside Zeek's own logs: one row each. Zeek's two notations are read by `tsv` and `json`
//! without a table in between, since most input is theirs.
//!
//! To add a format: one file here, one row below, a fuzz target.

use super::eve;
use crate::record::{Sink, Skip};

/// A format of which each record is a JSON object, in lines or in an array over the whole file.
#[derive(Debug)]
pub(super) struct Objects {
    /// Whether an object with these keys is one of its records. Asked before Zeek's logs are guessed.
    pub(super) is: fn(&[&str]) -> bool,
    /// Reads an object; gives what kind of record it was, by its name in the report.
    pub(super) read: fn(&str, &mut dyn Sink) -> Outcome,
}

/// What kind of record it was, and why it gave nothing if it did not.
type Outcome = (&'static str, Result<(), Skip>);

/// Formats of JSON objects.
pub(super) static OBJECTS: &[Objects] = &[Objects { is: eve::is, read: eve::read }];

/// A format of bytes, recognised by the first of them.
#[derive(Debug)]
pub(super) struct Bytes {
    /// Its name in the report.
    pub(super) name: &'static str,
    /// Whether a file begins so.
    pub(super) is: fn(&[u8]) -> bool,
}

/// Formats of bytes.
pub(super) static BYTES: &[Bytes] = &[
    Bytes {
        name: "pcap",
        // Both byte orders, microseconds and nanoseconds:
        // <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-06.html>.
        is: |start| {
            matches!(
                start,
                [0xa1, 0xb2, 0xc3, 0xd4, ..]
                    | [0xd4, 0xc3, 0xb2, 0xa1, ..]
                    | [0xa1, 0xb2, 0x3c, 0x4d, ..]
                    | [0x4d, 0x3c, 0xb2, 0xa1, ..]
            )
        },
    },
    Bytes {
        name: "pcapng",
        // <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-05.html>, section 4.1.
        is: |start| start.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]),
    },
];

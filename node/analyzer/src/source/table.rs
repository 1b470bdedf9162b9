//! The formats beside Zeek's own logs: one row each. Zeek's two notations are read by `tsv` and `json`
//! without a table in between, since most input is theirs.
//!
//! To add a format: one file here, one row below, a fuzz target.

use std::collections::BTreeSet;
use std::fmt;

use super::cloud::{aws, azure, gcp};
use super::ways::Ways;
use super::{FileTally, eve, mapped, netflow, nfcapd, pcap};
use crate::record::{Sink, Skip};

/// A format of which each record is a JSON object, in lines or in an array over the whole file.
#[derive(Debug)]
pub(super) struct Objects {
    /// What its names in the report begin with.
    pub(super) name: &'static str,
    /// What it cannot give, a sentence for the report; empty: nothing to say.
    pub(super) limits: &'static str,
    /// Whether an object with these keys is one of its records. Asked before Zeek's logs are guessed.
    pub(super) is: fn(&[&str]) -> bool,
    /// Reads an object; gives what kind of record it was, by its name in the report.
    pub(super) read: Reading,
}

/// How objects are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    /// Each is a record.
    Alone(fn(&str, &mut dyn Sink) -> Outcome),
    /// Each is a part of a flow: those of a file are put together.
    Together(fn(&str, &mut Ways) -> Outcome),
}

/// What kind of record it was, and why it gave nothing if it did not.
type Outcome = (&'static str, Result<(), Skip>);

/// Formats of JSON objects.
pub(super) static OBJECTS: &[Objects] = &[
    Objects {
        name: "suricata/",
        limits: "Suricata's events tell neither whether handshakes completed nor what clients sent in \
                 bodies.",
        is: eve::is,
        read: Reading::Alone(eve::read),
    },
    Objects {
        name: gcp::NAME,
        limits: gcp::LIMITS,
        is: gcp::is,
        read: Reading::Together(gcp::read),
    },
];

/// A format of bytes, recognised by the first of them.
#[derive(Debug)]
pub(super) struct Bytes {
    /// Its name in the report.
    pub(super) name: &'static str,
    /// As of [`Objects`].
    pub(super) limits: &'static str,
    /// Whether a file begins so. Of a short file all is given, of others at least [`START_BYTES`].
    pub(super) is: fn(&[u8]) -> bool,
    /// Begins to read a file.
    pub(super) open: fn() -> Box<dyn Decoder>,
}

/// Bytes that a format of bytes may look at to recognise a file.
pub(super) const START_BYTES: usize = aws::START_BYTES;

const _: () = assert!(START_BYTES >= netflow::START_BYTES);

/// Reads a file of bytes from its first byte on.
pub(super) trait Decoder: fmt::Debug {
    /// Takes the next bytes, however the file is cut.
    fn feed(&mut self, bytes: &[u8], tally: &mut FileTally, sink: &mut dyn Sink);

    /// Hands on what waits for more.
    fn finish(&mut self, tally: &mut FileTally, sink: &mut dyn Sink);
}

/// Formats of bytes.
pub(super) static BYTES: &[Bytes] = &[
    Bytes { name: "pcap", limits: pcap::LIMITS, is: pcap::is_pcap, open: pcap::open_pcap },
    Bytes { name: "pcapng", limits: pcap::LIMITS, is: pcap::is_pcapng, open: pcap::open_pcapng },
    Bytes { name: netflow::NAME, limits: netflow::LIMITS, is: netflow::is, open: netflow::open },
    Bytes { name: nfcapd::NAME, limits: nfcapd::LIMITS, is: nfcapd::is, open: nfcapd::open },
    Bytes { name: aws::NAME, limits: aws::LIMITS, is: aws::is, open: aws::open },
    Bytes { name: azure::NAME, limits: azure::LIMITS, is: azure::is, open: azure::open },
];

/// What formats, by their names in the report, cannot give: a sentence each, sorted.
pub(crate) fn limits<'a>(formats: impl Iterator<Item = &'a str>) -> BTreeSet<&'static str> {
    let objects = OBJECTS.iter().map(|row| (row.name, row.limits));
    let bytes = BYTES.iter().map(|row| (row.name, row.limits));
    let rows: Vec<_> = objects.chain(bytes).chain([(mapped::NAME, mapped::LIMITS)]).collect();
    let parts = formats.flat_map(|format| format.split('+'));
    let of = |part: &str| {
        let row = rows.iter().find(|(name, _)| part.starts_with(name));
        row.map(|(_, limits)| *limits).filter(|limits| !limits.is_empty())
    };
    parts.filter_map(of).collect()
}

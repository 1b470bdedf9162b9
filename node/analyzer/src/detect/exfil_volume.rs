//! Large uploads: much went out to one destination, or less to one that is suspect.
//!
//! Question, of all flows of a source to a destination, whatever the port: did one of them carry 100 MB out, or all of
//! them 500 MB [Slips], twice as much as came back [ours: calls and synchronised folders go both ways]? Or 1 MiB
//! [NetworkSage's for suspicious sites] in an upload to a destination where this source shows a channel or a suspicious
//! download, or in the body of a request in clear to a bare address? 400, 600 and 500 points [ours: medium for volume
//! alone, as clouds and backups are volume; high where another finding says what it is for]. ATT&CK T1041, T1567.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};

/// Bytes out in one flow. [Slips]
const FLOW_BYTES: u64 = 100_000_000;
/// Bytes out in all. [Slips]
const SUM_BYTES: u64 = 500_000_000;
/// Bytes out to a suspect destination. [NetworkSage]
pub(crate) const SUSPECT_BYTES: u64 = 1 << 20;

const VOLUME_MILLI: u16 = 400;
const BODY_MILLI: u16 = 500;
const FLAGGED_MILLI: u16 = 600;

/// What a source sent to a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
    /// Of the flow that sent most, and what came back in it.
    pub(crate) largest_out: u64,
    pub(crate) largest_in: u64,
    /// Bodies of requests in clear, to a bare address only.
    pub(crate) body_bytes: u64,
    /// Whether an archive was among them.
    pub(crate) archive: bool,
    /// What else this source shows there.
    pub(crate) flagged: Option<Behaviour>,
}

/// The rule that an upload meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Flagged(Behaviour),
    Body,
    Flow,
    Sum,
}

impl Upload {
    /// Takes in what went to another port.
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        if (other.largest_out, other.largest_in) > (self.largest_out, self.largest_in) {
            (self.largest_out, self.largest_in) = (other.largest_out, other.largest_in);
        }
        self.body_bytes = self.body_bytes.saturating_add(other.body_bytes);
        self.archive |= other.archive;
        self.flagged = self.flagged.or(other.flagged);
    }

    fn rule(&self) -> Option<Rule> {
        let sends = |out: u64, back: u64| u128::from(out) >= 2 * u128::from(back);
        let one_flow = sends(self.largest_out, self.largest_in);
        match self.flagged {
            Some(what) if one_flow && self.largest_out >= SUSPECT_BYTES => {
                return Some(Rule::Flagged(what));
            }
            _ => {}
        }
        if self.body_bytes >= SUSPECT_BYTES {
            Some(Rule::Body)
        } else if one_flow && self.largest_out >= FLOW_BYTES {
            Some(Rule::Flow)
        } else if sends(self.bytes_out, self.bytes_in) && self.bytes_out >= SUM_BYTES {
            Some(Rule::Sum)
        } else {
            None
        }
    }

    /// How strong it is, if it is anything.
    pub(crate) fn score(&self) -> Option<Score> {
        let base_milli = match self.rule()? {
            Rule::Flagged(_) => FLAGGED_MILLI,
            Rule::Body => BODY_MILLI,
            Rule::Flow | Rule::Sum => VOLUME_MILLI,
        };
        Some(Score { behaviour: Behaviour::ExfilVolume, base_milli })
    }

    /// The same in sentences.
    pub(crate) fn hit(&self) -> Option<Hit> {
        let Score { behaviour, base_milli } = self.score()?;
        let (out, back) = (words::bytes(self.bytes_out), words::bytes(self.bytes_in));
        let (threshold, sentence) = match self.rule()? {
            Rule::Flow => (
                FLOW_BYTES,
                format!("One flow sent {}; {out} went out in all.", words::bytes(self.largest_out)),
            ),
            Rule::Sum => (SUM_BYTES, format!("{out} went out, {back} came back.")),
            Rule::Body => (
                SUSPECT_BYTES,
                format!(
                    "{} sent in clear to a bare address{}.",
                    words::bytes(self.body_bytes),
                    if self.archive { ", an archive among it" } else { "" }
                ),
            ),
            Rule::Flagged(what) => (
                SUSPECT_BYTES,
                format!(
                    "One flow sent {} to where this source also shows: {}.",
                    words::bytes(self.largest_out),
                    what.title()
                ),
            ),
        };
        let evidence = vec![
            Evidence::supporting("bytes_out", self.bytes_out as f64, "bytes", sentence)
                .threshold(threshold as f64),
            Evidence::against(
                "upload_kind",
                self.bytes_in as f64,
                "bytes",
                "Backups, cloud folders and large mails are uploads too.".to_owned(),
            ),
        ];
        let limits = vec!["What was sent is not seen.".to_owned()];
        Some(Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_at_their_edges() {
        let of = |largest_out, largest_in, bytes_out, bytes_in| Upload {
            bytes_out,
            bytes_in,
            largest_out,
            largest_in,
            ..Upload::default()
        };
        let milli = |upload: Upload| upload.score().map_or(0, |score| score.base_milli);
        let flagged = Some(Behaviour::MaliciousDownload);
        let mib = 1 << 20;
        for (name, upload, expected) in [
            ("100 MB in a flow", of(FLOW_BYTES, FLOW_BYTES / 2, FLOW_BYTES, 0), 400),
            ("a byte less", of(FLOW_BYTES - 1, 0, FLOW_BYTES, 0), 0),
            ("half and half", of(FLOW_BYTES, FLOW_BYTES / 2 + 1, FLOW_BYTES, 0), 0),
            ("500 MB in all", of(1, 0, SUM_BYTES, SUM_BYTES / 2), 400),
            ("500 MB, more back", of(1, 0, SUM_BYTES, SUM_BYTES / 2 + 1), 0),
            ("a byte less in all", of(1, 0, SUM_BYTES - 1, 0), 0),
            ("1 MiB, flagged", Upload { flagged, ..of(mib, 99, mib, 0) }, 600),
            ("less, flagged", Upload { flagged, ..of(mib - 1, 0, mib, 0) }, 0),
            ("1 MiB body", Upload { body_bytes: mib, ..of(mib, 99, mib, 9 * mib) }, 500),
            ("less of a body", Upload { body_bytes: mib - 1, ..of(mib, 99, mib, 0) }, 0),
        ] {
            assert_eq!(milli(upload), expected, "{name}");
            assert_eq!(upload.hit().map_or(0, |hit| hit.base_milli), expected, "{name}");
        }
    }
}

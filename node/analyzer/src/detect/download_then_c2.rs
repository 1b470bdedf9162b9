//! Download, then C2: something that runs came in, and soon afterwards a channel to a destination that was new.
//!
//! Question: within 10 minutes of a suspicious download, did the same host first contact a destination (of the server
//! that gave the file: another port, or again after it), and within 10 minutes of that hold a session or begin a beacon
//! there, or a connection that is not what its port says
//! (`port_protocol_mismatch`)? [the steps of the public intrusions that we know take seconds to minutes; 10 is room for a person who waits
//! before they run it]. 800 points; 500 when the file came from a named server that answers as servers do, since
//! installing an agent looks the same [ours]. ATT&CK T1105, T1071.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};
use crate::content::Content;
use crate::packed::Addr;

/// Longest time from one step to the next, microseconds. [ours, above]
const STEP_US_MAX: u64 = 600 * 1_000_000;
const MILLI: u16 = 800;
const ORDINARY_MILLI: u16 = 500;

/// The steps, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Who gave the file: name or address, and port.
    pub(crate) from: Box<str>,
    pub(crate) from_address: Addr,
    pub(crate) from_port: u16,
    /// Whether that is a named server that answers as servers do.
    pub(crate) from_ordinary: bool,
    pub(crate) content: Content,
    pub(crate) bytes: u64,
    /// The channel's end.
    pub(crate) to: Box<str>,
    pub(crate) to_port: u16,
    pub(crate) channel: Behaviour,
    pub(crate) steps: Steps,
}

/// Microseconds between the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// From the download to the first contact.
    pub(crate) contact_us: u64,
    /// From the first contact to the channel.
    pub(crate) channel_us: u64,
}

impl Steps {
    /// Between three moments, if they follow each other soon enough.
    pub(crate) fn between(download_us: i64, contact_us: i64, channel_us: i64) -> Option<Self> {
        let step = |from: i64, to: i64| {
            u64::try_from(to.checked_sub(from)?).ok().filter(|step| *step <= STEP_US_MAX)
        };
        Some(Self {
            contact_us: step(download_us, contact_us)?,
            channel_us: step(contact_us, channel_us)?,
        })
    }
}

impl Chain {
    /// How strong it is.
    pub(crate) fn score(&self) -> Score {
        let base_milli = if self.from_ordinary { ORDINARY_MILLI } else { MILLI };
        Score { behaviour: Behaviour::DownloadThenC2, base_milli }
    }

    /// The same in sentences, in the order of events.
    pub(crate) fn hit(&self) -> Hit {
        let Score { behaviour, base_milli } = self.score();
        let later = |us: u64| words::seconds((us / 1_000_000) as f64);
        let what = match self.channel {
            Behaviour::InteractiveC2Channel => "a session in which both ends talk",
            Behaviour::PortProtocolMismatch => "a connection that is not what its port says",
            _ => "contacts like a clock's",
        };
        let mut evidence = vec![
            Evidence::supporting(
                "received",
                self.bytes as f64,
                "bytes",
                format!(
                    "First {} of {} came in from {}, port {}.",
                    self.content.name(),
                    words::bytes(self.bytes),
                    self.from,
                    self.from_port
                ),
            ),
            Evidence::supporting(
                "contact_after",
                self.steps.contact_us as f64 / 1e6,
                "s",
                format!(
                    "Then, {} later, the first contact with {}, port {}.",
                    later(self.steps.contact_us),
                    self.to,
                    self.to_port
                ),
            )
            .threshold(STEP_US_MAX as f64 / 1e6),
            Evidence::supporting(
                "channel_after",
                self.steps.channel_us as f64 / 1e6,
                "s",
                format!("From {} after that on, {what}.", later(self.steps.channel_us)),
            )
            .threshold(STEP_US_MAX as f64 / 1e6),
        ];
        let sentence = if self.from_ordinary {
            "The file came from a named server: installing an agent looks the same."
        } else {
            "An installer that then calls its maker does the same."
        };
        evidence.push(Evidence::against("download_kind", 1.0, "flows", sentence.to_owned()));
        let limits = vec!["Whether the file was run is not seen.".to_owned()];
        Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_each_other_within_ten_minutes() {
        let second = 1_000_000;
        let steps = |a: i64, b: i64, c: i64| Steps::between(a * second, b * second, c * second);
        let us = |contact_s: u64, channel_s: u64| {
            Some(Steps { contact_us: contact_s * 1_000_000, channel_us: channel_s * 1_000_000 })
        };
        assert_eq!(steps(100, 126, 137), us(26, 11));
        assert_eq!(steps(0, 600, 1_200), us(600, 600));
        assert_eq!(steps(0, 601, 700), None);
        assert_eq!(steps(0, 1, 602), None);
        assert_eq!(steps(10, 9, 20), None, "the contact came before");
        assert_eq!(steps(10, 12, 11), None);
        assert_eq!(Steps::between(i64::MIN, i64::MAX, 0), None);
    }
}

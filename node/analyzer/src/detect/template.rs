//! A detector to copy. It is compiled and run in tests, so that it cannot rot, and never registered.
//!
//! A new detector, in order:
//! 1. Copy this file under the behaviour's name; say atop what is asked, by which formula, and whose it is.
//! 2. Give each threshold a constant with unit, source and reason.
//! 3. `score` answers without allocating: it runs for every group that passes the gate. `detect` says the same in
//!    sentences, for the few that a report lists.
//! 4. Put the numbers into [`Evidence`], those against the finding too, and what you cannot see into `limits`.
//! 5. Register it in `DETECTORS`, decide its severity in `severity.rs`, add its row to DETECTORS.md and its golden
//!    case to `tests/golden_detectors.rs`; what the table says of its severity, to `tests/golden_severity.rs`.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};
use crate::pair::{Group, Surroundings};
use crate::stats::Scratch;

/// Telnet's port (IANA): an example of a fact, not of a good detector.
const TELNET: u16 = 23;
/// Base score, thousandths: the lowest that is a finding at all.
const BASE_MILLI: u16 = 200;

/// A score when the group goes to telnet's port.
fn score(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Score> {
    (group.port == TELNET)
        .then_some(Score { behaviour: Behaviour::UnknownPort, base_milli: BASE_MILLI })
}

/// A hit when it does.
fn detect(group: &Group<'_>, around: &Surroundings, scratch: &mut Scratch) -> Option<Hit> {
    let Score { behaviour, base_milli } = score(group, around, scratch)?;
    let flows = group.totals.flows;
    Some(Hit {
        behaviour,
        base_milli,
        scores: Vec::new(),
        evidence: vec![Evidence::supporting(
            "flows",
            flows as f64,
            "flows",
            format!("{} to the port of telnet.", words::counted(flows, "flow", "flows")),
        )],
        limits: vec!["The port is all that was looked at.".to_owned()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::tests::{around, group};

    #[test]
    fn the_template_answers_yes_and_no() {
        let (mut telnet, mut scratch) = (group(&[]), Scratch::default());
        telnet.port = TELNET;
        let hit = detect(&telnet, &around(), &mut scratch).expect("it is telnet's port");
        assert!(hit.evidence[0].sentence.ends_with("to the port of telnet."));
        telnet.port = 443;
        assert_eq!(detect(&telnet, &around(), &mut scratch), None);
    }
}

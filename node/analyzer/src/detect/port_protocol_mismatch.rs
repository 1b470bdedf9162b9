//! Protocol and port do not match: a connection to 443 that is no TLS, or to 80 that is no HTTP, in which both ends talk.
//!
//! Question: did a sensor that recognises protocols in this source's other connections see one from its opening on, whole,
//! to port 443 (or 80) of an outside host, with payload both ways, and call it nothing or something else [Slips]? Not
//! where the same two ends spoke what belongs there within five minutes [Slips]. Which flows these are is decided in
//! `settle/mismatch.rs`, where all of a source's flows are seen.
//! 400 points to a bare address, 200 where DNS told a name, and on port 80 [ours: messengers and VPNs with protocols of
//! their own use these ports too, and nearly all have names]. ATT&CK T1571.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};
use crate::pair::{Group, Grouping, Mismatch, Surroundings};
use crate::stats::Scratch;

/// Base score, thousandths. [ours, above]
pub(crate) const BARE_MILLI: u16 = 400;
const DOUBT_MILLI: u16 = 200;
const HTTPS: u16 = 443;

/// A score when there was such a connection.
pub(crate) fn score(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Score> {
    group.hints.mismatch.as_deref()?;
    let bare = group.grouping == Grouping::Address && group.port == HTTPS;
    let base_milli = if bare { BARE_MILLI } else { DOUBT_MILLI };
    Some(Score { behaviour: Behaviour::PortProtocolMismatch, base_milli })
}

/// A hit when there was.
pub(crate) fn detect(
    group: &Group<'_>,
    around: &Surroundings,
    scratch: &mut Scratch,
) -> Option<Hit> {
    let Score { behaviour, base_milli } = score(group, around, scratch)?;
    let Mismatch { count, bytes_out, bytes_in, .. } = *group.hints.mismatch.as_deref()?;
    let belongs = if group.port == HTTPS { "TLS" } else { "HTTP" };
    let mut evidence = vec![Evidence::supporting(
        "mismatched",
        count as f64,
        "flows",
        format!(
            "{} to port {} in which both ends talk ({} out, {} in), but not {belongs}.",
            words::counted(count, "connection", "connections"),
            group.port,
            words::bytes(bytes_out),
            words::bytes(bytes_in),
        ),
    )];
    if group.grouping == Grouping::Address {
        evidence.push(Evidence::supporting(
            "nameless",
            1.0,
            "destinations",
            "No name led there.".to_owned(),
        ));
    }
    evidence.push(Evidence::against(
        "mismatch_kind",
        count as f64,
        "flows",
        "Messengers, VPNs and games with protocols of their own use this port too.".to_owned(),
    ));
    let limits = vec!["What was said is not seen.".to_owned()];
    Some(Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits })
}

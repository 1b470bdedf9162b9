//! Suspicious downloads: something that runs came in from where programs do not come from.
//!
//! Question: did a sensor see a program or a script (by its first bytes, [`Content`](crate::content::Content)) come to
//! an inside host from outside? Points: 200 from a named server; from a bare address 500 for a program, 400 for a
//! script; 100 more on a port that is not the web's [ours: vendors have names, and droppers are where an address was
//! free; a name alone says little, so it takes a wrong extension, a missing header or a new destination to be more].
//! ATT&CK T1105, T1204.002.

use flowlore_common::label::{Behaviour, Direction};

use super::{Evidence, Hit, Score, interactive_c2_channel::is_web, words};
use crate::content::Content;
use crate::pair::{Files, Group, Surroundings};
use crate::stats::Scratch;

const NAMED_MILLI: u16 = 200;
const BARE_SCRIPT_MILLI: u16 = 400;
const BARE_PROGRAM_MILLI: u16 = 500;
const ODD_PORT_MILLI: u16 = 100;

fn received<'a>(group: &'a Group<'_>) -> Option<(&'a Files, Content)> {
    let files = group.hints.files.as_deref()?;
    let content = files.received.filter(|_| group.direction == Direction::Outbound)?;
    Some((files, content))
}

/// A score when something that runs came in.
pub(super) fn score(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Score> {
    let (_, content) = received(group)?;
    let base = match (group.host, content) {
        (Some(_), _) => NAMED_MILLI,
        (None, Content::Program) => BARE_PROGRAM_MILLI,
        (None, _) => BARE_SCRIPT_MILLI,
    };
    let odd = if is_web(group.port) { 0 } else { ODD_PORT_MILLI };
    Some(Score { behaviour: Behaviour::MaliciousDownload, base_milli: base + odd })
}

/// A hit when something that runs came in.
pub(super) fn detect(
    group: &Group<'_>,
    around: &Surroundings,
    scratch: &mut Scratch,
) -> Option<Hit> {
    let Score { behaviour, base_milli } = score(group, around, scratch)?;
    let (files, content) = received(group)?;
    let times = match files.received_flows {
        1 => String::new(),
        more => format!(", in {}", words::counted(more, "flow", "flows")),
    };
    let mut evidence = vec![Evidence::supporting(
        "received",
        files.received_bytes as f64,
        "bytes",
        format!(
            "By its first bytes {} came in: {}{times}.",
            content.name(),
            words::bytes(files.received_bytes)
        ),
    )];
    if group.host.is_none() {
        evidence.push(Evidence::supporting(
            "bare_address",
            1.0,
            "destinations",
            "It came from a bare address: vendors' servers have names.".to_owned(),
        ));
    }
    evidence.push(Evidence::against(
        "download_kind",
        files.received_flows as f64,
        "flows",
        "Installers and updates are programs too.".to_owned(),
    ));
    let limits = vec!["Whether it was run is not seen, nor what comes over TLS.".to_owned()];
    Some(Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits })
}

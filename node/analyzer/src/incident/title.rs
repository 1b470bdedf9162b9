//! What an incident is called.

use flowlore_common::label::Direction;

use super::Drafted;

/// After its gravest finding, and how many hosts it is about.
pub(super) fn title(gravest: &Drafted, hosts: usize) -> String {
    let what = gravest.finding.title();
    match (hosts, gravest.finding.direction) {
        (1, Direction::Outbound) if gravest.alone => {
            format!("{what}: a destination that only this host uses")
        }
        (1, Direction::Inbound) => format!("{what}, from outside"),
        (1, _) => what.to_owned(),
        _ if gravest.finding.destination.count.is_some() => format!("{what}: {hosts} hosts"),
        _ => format!("{what}: {hosts} hosts, one destination"),
    }
}

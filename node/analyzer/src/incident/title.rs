//! What an incident is called.

use flowlore_common::label::Direction;

use super::{Drafted, sequences::Told};

/// After its longest sequence or its gravest finding, how many hosts it is about, and whether they have a destination in common.
pub(super) fn title(gravest: &Drafted, hosts: usize, shared: bool, told: &[&Told<'_>]) -> String {
    if let Some(longest) = told.first() {
        let what = &longest.sequence.title;
        return if hosts == 1 { what.to_string() } else { format!("{what}: {hosts} hosts") };
    }
    let what = gravest.finding.title();
    match (hosts, gravest.finding.direction) {
        (1, Direction::Outbound) if gravest.alone => {
            format!("{what}: a destination that only this host uses")
        }
        (1, Direction::Inbound) => format!("{what}, from outside"),
        (1, _) => what.to_owned(),
        _ if shared => format!("{what}: {hosts} hosts, one destination"),
        _ => format!("{what}: {hosts} hosts"),
    }
}

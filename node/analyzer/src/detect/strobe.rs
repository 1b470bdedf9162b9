//! Strobes: a contact a second or more for a whole day, too many to ask about their rhythm.
//!
//! Question: does this source contact this destination at least 86,400 times within 24 hours? Source: RITA 5, which
//! takes such pairs out of the beacon score and gives them 0.8. ATT&CK T1071.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};
use crate::pair::{Group, Surroundings};
use crate::score::STROBE_MILLI;
use crate::stats::{self, STROBE_CONTACTS, Scratch};

/// A score when a window has enough contacts.
pub fn score(group: &Group<'_>, around: &Surroundings, _: &mut Scratch) -> Option<Score> {
    contacts(group, around)?;
    Some(Score { behaviour: Behaviour::Strobe, base_milli: STROBE_MILLI })
}

/// Contacts in the latest window that has enough of them.
fn contacts(group: &Group<'_>, around: &Surroundings) -> Option<usize> {
    if group.contacts.len() < STROBE_CONTACTS {
        return None;
    }
    stats::windows(group.contacts, around.first_second, around.last_second)
        .map(|(_, contacts)| contacts.len())
        .find(|count| *count >= STROBE_CONTACTS)
}

/// A hit for the latest window with enough contacts.
pub fn detect(group: &Group<'_>, around: &Surroundings, _: &mut Scratch) -> Option<Hit> {
    let count = contacts(group, around)?;
    let evidence = Evidence::supporting(
        "contacts",
        count as f64,
        "flows",
        format!("{} contacts in 24 hours, more than one a second.", words::grouped(count as u64)),
    )
    .threshold(STROBE_CONTACTS as f64);
    let against = Evidence::against(
        "polling",
        count as f64,
        "flows",
        "A client that polls or reconnects without waiting looks the same.".to_owned(),
    );
    Some(Hit {
        behaviour: Behaviour::Strobe,
        base_milli: STROBE_MILLI,
        scores: Vec::new(),
        evidence: vec![evidence, against],
        limits: vec!["So many contacts have no rhythm to measure.".to_owned()],
    })
}

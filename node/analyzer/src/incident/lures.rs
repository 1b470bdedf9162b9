//! Pages that lure, and what was sent after them, where it is known who else goes there.

use flowlore_common::{label::Behaviour, time::Micros};

use super::Context;
use crate::{
    detect::phishing_page_visit::Visit,
    pair::Surroundings,
    score::{HISTORY_DAYS_MIN, NEW_DAYS_MAX},
    settle::{Candidate, Matter},
    severity::{Rarity, SHARED_HOSTS_MIN},
};

/// Whether a page, or where something was sent after it, is one that people here use anyway: known for longer than lures
/// live, or, where no history tells, contacted by many.
pub(super) fn is_usual(context: &Context<'_>, visit: &Visit, candidate: &Candidate) -> bool {
    let first = Micros(visit.first_us).day();
    let history = context.options.history.as_ref();
    let known = |name: &str| {
        let known = history.and_then(|history| history.destination(name));
        known.is_some_and(|known| u32::from(first.0.saturating_sub(known.first.0)) > NEW_DAYS_MAX)
    };
    let page = context.part.named.get(&visit.page).map_or(0, |page| page.inside_hosts);
    let around = Surroundings { hosts_contacting: page, ..context.around };
    let shared = page >= SHARED_HOSTS_MIN && Rarity::of(&around) != Rarity::Rare;
    known(&visit.page)
        || known(&candidate.destination.to_string())
        || shared && context.around.history_days < HISTORY_DAYS_MIN
}

/// How far it came, of a candidate that is about a page.
pub(super) fn submission(candidate: &Candidate) -> Option<&'static str> {
    match &candidate.matter {
        Matter::Page(visit) => Some(visit.submission()),
        _ => None,
    }
}

/// The page that a submission followed.
pub(super) fn page(candidate: &Candidate, behaviour: Behaviour) -> Option<String> {
    match &candidate.matter {
        Matter::Page(visit) if behaviour == Behaviour::PhishingSubmission => {
            Some(visit.page.to_string())
        }
        _ => None,
    }
}

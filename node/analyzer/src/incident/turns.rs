//! Days of hosts are decided beside the days before.

use std::sync::Arc;

use super::Context;
use crate::{
    detect::exfil_pcr_shift::{DAYS, Giving, turned},
    settle::{Candidate, Matter},
};

/// The days among the undecided that are unlike the ones before them.
pub(super) fn decide(context: &Context<'_>, undecided: &[Arc<Candidate>]) -> Vec<Arc<Candidate>> {
    let Some(history) = &context.options.history else { return Vec::new() };
    let decide = |candidate: &Arc<Candidate>| {
        let Matter::Giving(Giving::Day(day, exchanged)) = candidate.matter else { return None };
        let giving = turned(exchanged, &history.exchanged(candidate.source, day, DAYS))?;
        Some(Arc::new(Candidate {
            scores: giving.score().into_iter().collect(),
            matter: Matter::Giving(giving),
            ..Candidate::clone(candidate)
        }))
    };
    undecided.iter().filter_map(decide).collect()
}

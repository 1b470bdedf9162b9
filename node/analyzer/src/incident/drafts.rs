//! Findings made on all threads.

use std::{num::NonZeroUsize, thread};

use super::{Case, Context, Drafted, Key, draft};
use crate::stats::Scratch;

/// Findings in the order of their cases. Sentences are most of the work and no finding's depend on another's, so threads
/// share it, a run of cases each.
pub(super) fn drafts(
    context: &Context<'_>,
    mut cases: Vec<(Key, Vec<Case>)>,
    threads: NonZeroUsize,
) -> Vec<Drafted> {
    let each = cases.len().div_ceil(threads.get());
    let mut runs = Vec::new();
    while !cases.is_empty() {
        let rest = cases.split_off(each.min(cases.len()));
        runs.push(std::mem::replace(&mut cases, rest));
    }
    let work = |run: Vec<(Key, Vec<Case>)>| -> Vec<Drafted> {
        let mut scratch = Scratch::default();
        run.into_iter().map(|(key, cases)| draft(context, key, cases, &mut scratch)).collect()
    };
    thread::scope(|scope| {
        let running: Vec<_> = runs.into_iter().map(|run| scope.spawn(move || work(run))).collect();
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(drafts) => drafts,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.flatten().collect()
    })
}

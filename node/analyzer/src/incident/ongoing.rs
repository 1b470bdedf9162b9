//! Whether what a finding is about was still going on when the data ended.

use crate::{pair::Contact, settle::Candidate};

/// Open, or due again only after the data end: within two of its usual gaps.
pub(super) fn goes_on(candidate: &Candidate, end_us: i64) -> bool {
    let last_us = candidate.totals.last_us;
    let patience_us = median_gap_us(&candidate.contacts).saturating_mul(2);
    candidate.totals.open > 0 || last_us.saturating_add_unsigned(patience_us) >= end_us
}

/// The middle one of the gaps between contacts, microseconds; 0 with fewer than two contacts.
fn median_gap_us(contacts: &[Contact]) -> u64 {
    let mut gaps: Vec<u32> =
        contacts.windows(2).map(|pair| pair[1].second - pair[0].second).collect();
    if gaps.is_empty() {
        return 0;
    }
    let middle = gaps.len() / 2;
    u64::from(*gaps.select_nth_unstable(middle).1) * 1_000_000
}

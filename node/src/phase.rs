//! When a standing label is spoken of again: every four weeks, on a day given by its token, so that labels of one org
//! do not move together and an onlooker learns nothing from the day (privacy.md 2.7).

use flowlore_common::ids::Token;
use flowlore_common::time::{Day, Hour};

/// Days between two words about one label: a refresh speaks for its week and the three before.
pub const PHASE_DAYS: u16 = 28;

/// The token's day: the newest one that is not after `day`; the first of time when there was none.
#[must_use]
pub fn last(day: Day, token: &Token) -> Day {
    let phase = u16::from_be_bytes([token.0[0], token.0[1]]) % PHASE_DAYS;
    Day(day.0.saturating_sub((day.0 + PHASE_DAYS - phase) % PHASE_DAYS))
}

/// The next of the token's days after this hour's, at this hour of the day.
#[must_use]
pub fn next(now: Hour, hour_of_day: u8, token: &Token) -> Hour {
    let day = last(now.day(), token).0.saturating_add(PHASE_DAYS);
    Hour(u32::from(day) * 24 + u32::from(hour_of_day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_come_every_four_weeks_and_are_spread_evenly() {
        let mut on_day = [0_u32; PHASE_DAYS as usize];
        for number in 0..=u16::MAX {
            let mut token = Token([0; 32]);
            token.0[..2].copy_from_slice(&number.to_be_bytes());
            let today = Day(20_000);
            let (before, after) = (last(today, &token), next(Hour(20_000 * 24 + 7), 3, &token));
            assert!(before <= today && today.0 - before.0 < PHASE_DAYS);
            assert_eq!(after, Hour(u32::from(before.0 + PHASE_DAYS) * 24 + 3));
            assert_eq!(last(after.day(), &token), after.day());
            on_day[usize::from(today.0 - before.0)] += 1;
        }
        assert!(on_day.iter().all(|count| (2_300..2_400).contains(count)), "{on_day:?}");
    }
}

//! Found out: log-on after log-on that is refused, and then one that works, from one source to one target.
//!
//! Question: did a log-on work that nine or more refused ones came before within ten minutes [design 1B], more of them
//! than had worked in that time [ours: a server that logs on for many people has failures among many successes]? Only
//! logs of log-ons tell (Kerberos, NTLM, SSH): flows show neither outcome. 500 points, 700 from outside [ours: medium,
//! since people with a new password and scripts do the same; from outside nobody who is let in should have to guess].
//! ATT&CK T1110.

use flowlore_common::label::{Behaviour, Direction};

use super::{Evidence, Hit, Score, words};
use crate::record::LogonProtocol;

/// Refused log-ons before the one that worked. [design 1B; Slips: 9 attempts of SSH]
pub(crate) const FAILURES_MIN: usize = 9;
/// The time within which they are counted, microseconds. [design 1B]
const WINDOW_US: i64 = 600_000_000;
const MILLI: u16 = 500;
const INBOUND_MILLI: u16 = 700;

/// A log-on whose outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Try {
    pub(crate) time_us: i64,
    pub(crate) success: bool,
    /// Equal for equal users; 0: not told.
    pub(crate) user: u64,
}

/// A log-on that worked after many that did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guessed {
    pub(crate) protocol: LogonProtocol,
    pub(crate) direction: Direction,
    /// Refused ones in the ten minutes before.
    pub(crate) failures: u64,
    /// Users that these named.
    pub(crate) users: u64,
    /// Who got in; empty: not told.
    pub(crate) user: Box<str>,
    /// From the first of the refused ones, microseconds.
    pub(crate) took_us: u64,
}

/// Of the log-ons of a source with a target, in order of time: the one that worked after most refusals, of equals the
/// first, with the number of the refusal that the window begins with.
pub(crate) fn guessed(tries: &[Try]) -> Option<(usize, usize)> {
    let mut from = 0;
    let mut best: Option<(usize, (usize, usize))> = None;
    for (at, one) in tries.iter().enumerate() {
        while one.time_us.saturating_sub(tries[from].time_us) > WINDOW_US {
            from += 1;
        }
        if !one.success {
            continue;
        }
        let before = &tries[from..at];
        let failures = before.iter().filter(|one| !one.success).count();
        let more = best.is_none_or(|(most, _)| failures > most);
        if failures >= FAILURES_MIN && failures * 2 > before.len() && more {
            best = Some((failures, (from, at)));
        }
    }
    best.map(|(_, place)| place)
}

impl Guessed {
    /// How strong it is.
    pub(crate) fn score(&self) -> Score {
        let inbound = self.direction == Direction::Inbound;
        let base_milli = if inbound { INBOUND_MILLI } else { MILLI };
        Score { behaviour: Behaviour::LoginFailuresThenSuccess, base_milli }
    }

    /// The same in sentences.
    pub(crate) fn hit(&self) -> Hit {
        let Score { behaviour, base_milli } = self.score();
        let Self { protocol, failures, users, user, took_us, .. } = self;
        let took = words::seconds((took_us / 1_000_000) as f64);
        let whom = match users {
            0 => String::new(),
            _ => format!(", of {}", words::counted(*users, "user", "users")),
        };
        let who = match &**user {
            "" => String::new(),
            user => format!(", as {user}"),
        };
        let evidence = vec![
            Evidence::supporting(
                "failures",
                *failures as f64,
                "flows",
                format!(
                    "{} over {} refused{whom}.",
                    words::counted(*failures, "log-on", "log-ons"),
                    protocol.name()
                ),
            )
            .threshold(FAILURES_MIN as f64),
            Evidence::supporting(
                "success_after",
                *took_us as f64 / 1e6,
                "s",
                format!("Then, {took} after the first of them, one worked{who}."),
            )
            .threshold(WINDOW_US as f64 / 1e6),
            Evidence::against(
                "login_kind",
                *failures as f64,
                "flows",
                "People with a new password, and scripts whose password was put right, do the same."
                    .to_owned(),
            ),
        ];
        Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(seconds: &[(i64, bool)]) -> Vec<Try> {
        let one = |&(second, success): &(i64, bool)| Try {
            time_us: second * 1_000_000,
            success,
            user: 0,
        };
        seconds.iter().map(one).collect()
    }

    #[test]
    fn nine_refusals_within_ten_minutes_before_a_success() {
        let refused = |count: i64, apart: i64| (0..count).map(move |n| (n * apart, false));
        let then = |count, apart, at| {
            let all: Vec<_> = refused(count, apart).chain([(at, true)]).collect();
            guessed(&tries(&all))
        };
        assert_eq!(then(9, 10, 600), Some((0, 9)), "ten minutes after the first");
        assert_eq!(then(9, 10, 601), None, "the first is too long ago");
        assert_eq!(then(10, 10, 601), Some((1, 10)));
        assert_eq!(then(8, 10, 100), None);
        assert_eq!(guessed(&tries(&refused(50, 1).collect::<Vec<_>>())), None);
    }

    #[test]
    fn a_server_that_logs_on_for_many_has_more_successes() {
        let mixed = |good: i64| {
            let bad = (0..9).map(|n| (n, false));
            let all: Vec<_> = bad.chain((0..=good).map(|n| (100 + n, true))).collect();
            guessed(&tries(&all))
        };
        assert_eq!(mixed(20), Some((0, 9)), "the first success after them");
        let good_first: Vec<_> = (0..9)
            .map(|n| (n, true))
            .chain((10..19).map(|n| (n, false)))
            .chain([(20, true)])
            .collect();
        assert_eq!(guessed(&tries(&good_first)), None);
    }
}

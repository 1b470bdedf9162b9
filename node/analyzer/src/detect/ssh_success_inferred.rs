//! A guess that seems to have worked: after many short SSH sessions one in which somebody did something.
//!
//! Question: did a source hold 20 SSH sessions with a server within ten minutes that carry no more than a log-on does, as
//! guessed passwords do (`brute_force_login` has the sources of both numbers), and then, within the same ten minutes, one
//! with more than 4,290 bytes of payload [Slips: from there on SSH has let somebody in]? Of flows alone; where ssh.log
//! tells outcomes, `login_failures_then_success` knows better. 400 points [ours: medium, as a size says less than a log].
//! ATT&CK T1021.004.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, login::LOGIN_BYTES_MAX, words};

/// Short sessions before. [as for guessed passwords]
pub(crate) const SHORT_MIN: usize = 20;
/// Microseconds. [the same]
const WINDOW_US: i64 = 600_000_000;
const MILLI: u16 = 400;

/// A session that followed many short ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inferred {
    /// Short sessions in the ten minutes before.
    pub(crate) short: u64,
    /// Payload of the session, both ways, bytes.
    pub(crate) bytes: u64,
}

/// The first session that lets somebody in after enough that did not, of sessions as (start, payload) in order of time.
pub(crate) fn inferred(sessions: &[(i64, u64)]) -> Option<Inferred> {
    let mut from = 0;
    sessions.iter().enumerate().find_map(|(at, &(start_us, bytes))| {
        while start_us.saturating_sub(sessions[from].0) > WINDOW_US {
            from += 1;
        }
        let short = sessions[from..at].iter().filter(|one| one.1 <= LOGIN_BYTES_MAX).count();
        // One with more before would be work that goes on.
        let only = short == at - from;
        (bytes > LOGIN_BYTES_MAX && only && short >= SHORT_MIN)
            .then_some(Inferred { short: short as u64, bytes })
    })
}

impl Inferred {
    /// How strong it is.
    pub(crate) const fn score() -> Score {
        Score { behaviour: Behaviour::SshSuccessInferred, base_milli: MILLI }
    }

    /// The same in sentences.
    pub(crate) fn hit(self) -> Hit {
        let Score { behaviour, base_milli } = Self::score();
        let evidence = vec![
            Evidence::supporting(
                "short_sessions",
                self.short as f64,
                "flows",
                format!(
                    "{} of SSH within ten minutes that carry no more than a log-on.",
                    words::counted(self.short, "session", "sessions")
                ),
            )
            .threshold(SHORT_MIN as f64),
            Evidence::supporting(
                "session_bytes",
                self.bytes as f64,
                "bytes",
                format!("Then one with {}: somebody got in.", words::bytes(self.bytes)),
            )
            .threshold(LOGIN_BYTES_MAX as f64),
            Evidence::against(
                "session_kind",
                self.bytes as f64,
                "bytes",
                "A monitor of the service, and somebody at work beside it, look the same."
                    .to_owned(),
            ),
        ];
        let limits = vec!["Flows do not show whether a password was right.".to_owned()];
        Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_session_after_twenty_short_ones_within_ten_minutes() {
        let second = 1_000_000;
        let then = |short: i64, apart_s: i64, at_s: i64, bytes: u64| {
            let before = (0..short).map(|n| (n * apart_s * second, LOGIN_BYTES_MAX));
            let all: Vec<(i64, u64)> = before.chain([(at_s * second, bytes)]).collect();
            inferred(&all).map(|one| one.short)
        };
        assert_eq!(then(20, 30, 600, LOGIN_BYTES_MAX + 1), Some(20));
        assert_eq!(then(20, 30, 601, LOGIN_BYTES_MAX + 1), None, "the first is too long ago");
        assert_eq!(then(19, 10, 300, LOGIN_BYTES_MAX + 1), None);
        assert_eq!(then(20, 10, 300, LOGIN_BYTES_MAX), None, "one more of them");
        let mut work: Vec<(i64, u64)> = (0..40).map(|n| (n * second, 3_000)).collect();
        work[5].1 = 90_000;
        work[30].1 = 90_000;
        assert_eq!(inferred(&work), None, "somebody works there all along");
    }
}

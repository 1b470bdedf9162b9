//! Guessed passwords: log-on after log-on, faster than people and ordinary programs, none of which leads to work.
//!
//! Question: did this source open at least 20 short sessions within ten minutes to a service that asks for a password,
//! with no more payload than a log-on has? Ten minutes and counting attempts follow Slips (9 attempts of SSH); 20 is
//! ours, because a monitor that looks once a minute makes ten. Payload of a log-on: up to 4,290 bytes both ways [Slips:
//! from there on SSH has let somebody in]. Whether a password was right in the end flows do not show. ATT&CK T1110.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};
use crate::pair::{Group, Surroundings};
use crate::score::{self, Steps};
use crate::stats::{self, Scratch};

/// Sessions within the window: medium from the first step on, high is left to what follows a success.
const LOGIN_STEPS: Steps = Steps { base: 0, low: 20, medium: 200, high: 2_000 };
/// Seconds. [Slips' and the design's ten minutes]
const WINDOW_S: u32 = 600;
/// Mean payload of a session, both ways, bytes. [Slips: 4,290]
pub(crate) const LOGIN_BYTES_MAX: u64 = 4_290;
/// Services that a person logs on to and that programs do not reconnect to all day: FTP, SSH, telnet, RDP, VNC. [IANA]
/// File sharing, directories and mail are left out: their clients log on again and again.
const PORTS: [u16; 6] = [21, 22, 23, 2323, 3389, 5900];
const TCP: u8 = 6;

/// The most sessions within ten minutes, when they are enough and small.
fn attempts(group: &Group<'_>) -> Option<u64> {
    let totals = &group.totals;
    let asks = PORTS.contains(&group.port) || group.hints.ssh > totals.flows / 2;
    let bytes = totals.bytes_out.saturating_add(totals.bytes_in);
    // Somebody was there to ask for a password, most of the time.
    let answered = totals.unanswered <= totals.flows / 2 && totals.bytes_in > 0;
    if group.transport != TCP || !asks || !answered || bytes / totals.flows.max(1) > LOGIN_BYTES_MAX
    {
        return None;
    }
    let most = stats::contacts_within(group.contacts, WINDOW_S);
    (most >= LOGIN_STEPS.low).then_some(most)
}

/// A score when there are enough sessions.
pub fn score(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Score> {
    let base_milli = score::bucket(attempts(group)?, &LOGIN_STEPS);
    Some(Score { behaviour: Behaviour::BruteForceLogin, base_milli })
}

/// A hit when there are.
pub fn detect(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Hit> {
    let most = attempts(group)?;
    let totals = &group.totals;
    let mean = totals.bytes_out.saturating_add(totals.bytes_in) / totals.flows.max(1);
    Some(Hit {
        behaviour: Behaviour::BruteForceLogin,
        base_milli: score::bucket(most, &LOGIN_STEPS),
        scores: Vec::new(),
        evidence: vec![
            Evidence::supporting(
                "attempts",
                most as f64,
                "flows",
                format!(
                    "Up to {} within ten minutes to a service that asks for a password.",
                    words::counted(most, "session", "sessions")
                ),
            )
            .threshold(LOGIN_STEPS.low as f64),
            Evidence::supporting(
                "session_bytes",
                mean as f64,
                "bytes",
                format!("{} a session, as much as a log-on that fails.", words::bytes(mean)),
            )
            .threshold(LOGIN_BYTES_MAX as f64),
            Evidence::against(
                "attempt_kind",
                most as f64,
                "flows",
                "A script with a stale password or key, or a busy monitor, looks the same."
                    .to_owned(),
            ),
        ],
        limits: vec!["Flows do not show whether a password was right in the end.".to_owned()],
    })
}

//! Long connections: a session held open for hours, as a remote shell or a tunnel is.
//!
//! Question: for how long was this source connected to this destination, with a session of an hour or more among the
//! flows? Steps: RITA 5 (1, 4, 8, 12 hours of connection time in a pair). Two differences from RITA, both because its
//! plain sum calls every busy pair long, a browser with six short connections at a time for ten minutes among them: at
//! least one flow must itself reach the first step, and the sum is cut at the time between first start and last end.
//! ATT&CK T1571, T1572.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};
use crate::pair::{Group, Surroundings};
use crate::score::{self, LONG_STEPS};
use crate::stats::Scratch;

/// A score when the longest flow reaches the first step.
pub fn score(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Score> {
    let base_milli = score::bucket(connected_s(group)?, &LONG_STEPS);
    Some(Score { behaviour: Behaviour::LongConnection, base_milli })
}

/// Seconds of connection, when the longest flow reaches the first step.
fn connected_s(group: &Group<'_>) -> Option<u64> {
    let totals = &group.totals;
    let longest_s = longest_s(group);
    if longest_s < LONG_STEPS.base {
        return None;
    }
    let elapsed_us = elapsed_us(group);
    Some((totals.duration_us.min(elapsed_us) / 1_000_000).max(longest_s))
}

/// Seconds of the longest connection. Its pieces lie end to end, silences between them.
fn longest_s(group: &Group<'_>) -> u64 {
    let longest_us =
        if group.hints.one_connection { elapsed_us(group) } else { group.totals.longest_us };
    longest_us / 1_000_000
}

fn elapsed_us(group: &Group<'_>) -> u64 {
    let totals = &group.totals;
    u64::try_from(totals.last_us.saturating_sub(totals.first_us)).unwrap_or(0)
}

fn said(group: &Group<'_>, connected_s: u64, longest_s: u64) -> String {
    let connected = words::seconds(connected_s as f64);
    let flows = group.totals.flows;
    if flows > 1 && group.hints.one_connection {
        return format!("One connection, open for {connected}, in {flows} records.");
    }
    let flows = words::counted(flows, "flow", "flows");
    format!(
        "Connected for {connected} in {flows}, the longest {}.",
        words::seconds(longest_s as f64)
    )
}

/// A hit when the longest flow reaches the first step.
pub fn detect(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Hit> {
    let connected_s = connected_s(group)?;
    let totals = &group.totals;
    let longest_s = longest_s(group);
    let mut evidence = vec![
        Evidence::supporting(
            "connected",
            connected_s as f64,
            "s",
            said(group, connected_s, longest_s),
        )
        .threshold(LONG_STEPS.base as f64),
    ];
    if totals.open > 0 {
        evidence.push(Evidence::supporting(
            "open",
            totals.open as f64,
            "flows",
            "Still open when the data ended.".to_owned(),
        ));
    }
    evidence.push(Evidence::against(
        "session_kind",
        longest_s as f64,
        "s",
        "Push channels, VPNs, shells and mail clients hold sessions open too.".to_owned(),
    ));
    Some(Hit {
        behaviour: Behaviour::LongConnection,
        base_milli: score::bucket(connected_s, &LONG_STEPS),
        scores: Vec::new(),
        evidence,
        limits: Vec::new(),
    })
}

//! Reconnect storms: a program that calls a dead server again and again, as an implant does whose server was taken down.
//!
//! Question: did this source try to connect at least 20 times within an hour, and never get a byte
//! of data back? Slips counts five rejections of one source, destination and port. Twenty is ours: ordinary clients
//! back off, a retry a minute for a third of an hour is where one does not; and unanswered tries count like rejected ones,
//! since a firewall on the way drops what a host would reject. IPv6 is left out: where a network half has it, every
//! program tries it first and gets nothing. ATT&CK T1110, T1498 (as Slips files it); for an implant T1008.

use std::net::IpAddr;

use flowlore_common::label::{Behaviour, Direction};

use super::{Evidence, Hit, Score, words};
use crate::pair::{Group, Surroundings};
use crate::score::{self, Steps};
use crate::stats::{self, Scratch};

/// Tries within an hour: a retry every three minutes; every 36 s, as few back off to; every 3.6 s. [ours]
const STORM_STEPS: Steps = Steps { base: 20, low: 100, medium: 1_000, high: u64::MAX };
/// Seconds. An hour, as for scans.
const WINDOW_S: u32 = 3_600;
const TCP: u8 = 6;

/// The most tries within an hour, when they are enough and none was answered with data.
fn tries(group: &Group<'_>) -> Option<u64> {
    let totals = &group.totals;
    let asked = group.transport == TCP
        && group.direction != Direction::Inbound
        && matches!(group.address, IpAddr::V4(_));
    let talked = totals.bytes_in > 0 || totals.bytes_out > 0;
    if !asked || talked || totals.flows < STORM_STEPS.base {
        return None;
    }
    let most = stats::contacts_within(group.contacts, WINDOW_S);
    (most >= STORM_STEPS.base).then_some(most)
}

/// A score when there are enough tries.
pub(crate) fn score(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Score> {
    let base_milli = score::bucket(tries(group)?, &STORM_STEPS);
    Some(Score { behaviour: Behaviour::ReconnectStorm, base_milli })
}

/// A hit when there are.
pub(crate) fn detect(group: &Group<'_>, _: &Surroundings, _: &mut Scratch) -> Option<Hit> {
    let most = tries(group)?;
    let totals = &group.totals;
    let refused = totals.flows.saturating_sub(totals.unanswered);
    let mut evidence = vec![
        Evidence::supporting(
            "tries",
            most as f64,
            "flows",
            format!(
                "Up to {} to connect within an hour, {} in all, and not a byte of data either way.",
                words::counted(most, "try", "tries"),
                words::grouped(totals.flows)
            ),
        )
        .threshold(STORM_STEPS.base as f64),
    ];
    if refused > 0 {
        evidence.push(Evidence::supporting(
            "refused",
            refused as f64,
            "flows",
            format!("{} refused.", words::counted(refused, "try was", "tries were")),
        ));
    }
    evidence.push(Evidence::against(
        "storm_kind",
        most as f64,
        "flows",
        "A program whose server is down or behind a firewall looks the same.".to_owned(),
    ));
    Some(Hit {
        behaviour: Behaviour::ReconnectStorm,
        base_milli: score::bucket(most, &STORM_STEPS),
        scores: Vec::new(),
        evidence,
        limits: vec!["Nothing was delivered while this went on.".to_owned()],
    })
}

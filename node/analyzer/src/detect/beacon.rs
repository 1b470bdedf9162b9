//! Beacons: contacts at regular times and of regular size, as an implant makes that asks for orders.
//!
//! Question: does this source contact this destination like a clock? Score: [`stats::beacon`] over each window of
//! 24 hours that holds contacts; shown is the latest window that reaches the gravest band. The behaviour follows from
//! how the contacts were grouped: by a name that TLS or HTTP carried, by a name asked of a proxy, else by address
//! (a name that only DNS told is no more than that). ATT&CK T1071.001, T1090.001, T1071.
//!
//! The score alone does not tell an implant from an updater: see DETECTORS.md for what else decides.

use flowlore_common::label::{Behaviour, Severity};

use super::{Evidence, Hit, Score, infrastructure, words};
use crate::pair::{Contact, Group, Grouping, Surroundings};
use crate::score::{self, BEACON_STEPS};
use crate::stats::{self, BARS, Beacon, Scratch, Spread};

/// What comes back a contact from which on it looks like a download rather than an order, bytes. [ours: ten times
/// the largest answer of a page's small resources; tasking answers are a few hundred bytes, now and then a tool]
const BULK_BYTES_MIN: u64 = 100_000;
/// The base score of what has no rhythm, thousandths. [RITA's lowest bucket; ours to hold it there, because long and
/// even business alone lifts a busy pair of a person's to 700 points]
const NO_RHYTHM_MILLI: u16 = 200;
/// Below this a part of the score speaks against the finding, thousandths. [RITA: where its own bucket begins]
const PART_MIN_MILLI: u16 = 500;

/// The gravest window's score, if any window reaches the base of the bucket.
pub fn score(group: &Group<'_>, around: &Surroundings, scratch: &mut Scratch) -> Option<Score> {
    let (beacon, contacts) = gravest(group, around, scratch)?;
    Some(Score { behaviour: behaviour(group), base_milli: base_milli(&beacon, contacts) })
}

/// The gravest window's hit, if any window reaches the base of the bucket.
pub fn detect(group: &Group<'_>, around: &Surroundings, scratch: &mut Scratch) -> Option<Hit> {
    let (beacon, contacts) = gravest(group, around, scratch)?;
    let mut evidence = Vec::with_capacity(8);
    timing(&beacon, contacts, scratch, &mut evidence);
    sizes(&beacon, contacts, scratch, &mut evidence);
    answers(group, &mut evidence);
    evidence.push(parts(&beacon, contacts.len(), group.contacts.len()));
    ordinary(group, &mut evidence);
    Some(Hit {
        behaviour: behaviour(group),
        base_milli: base_milli(&beacon, contacts),
        scores: vec![
            ("beacon_milli", beacon.score_milli),
            ("beacon_time_milli", beacon.gaps.score_milli),
            ("beacon_size_milli", beacon.sizes.score_milli),
            ("beacon_duration_milli", beacon.duration.score_milli),
            ("beacon_histogram_milli", beacon.bars.score_milli),
        ],
        evidence,
        limits: limits(group),
    })
}

/// The latest window that reaches the gravest band of all, with its contacts.
fn gravest<'a>(
    group: &Group<'a>,
    around: &Surroundings,
    scratch: &mut Scratch,
) -> Option<(Beacon, &'a [Contact])> {
    if group.hints.one_connection {
        return None; // a session's keep-alives: how long it is held open is another detector's question
    }
    let mut gravest = None;
    let mut gravest_band = Severity::Info;
    for (window, contacts) in
        stats::windows(group.contacts, around.first_second, around.last_second)
    {
        let Some(beacon) = stats::beacon(window, contacts, scratch) else { continue };
        let band = score::band(base_milli(&beacon, contacts));
        if band > gravest_band {
            gravest_band = band;
            gravest = Some((beacon, contacts));
        }
        if band >= Severity::High {
            break; // a base score goes no higher, and windows come latest first
        }
    }
    gravest
}

/// RITA's bucket, held at its lowest without a rhythm.
fn base_milli(beacon: &Beacon, contacts: &[Contact]) -> u16 {
    let base = score::bucket(u64::from(beacon.score_milli), &BEACON_STEPS);
    let rhythm = beacon.gaps.score_milli >= rhythm_min_milli(contacts);
    if rhythm { base } else { base.min(NO_RHYTHM_MILLI) }
}

/// The time score that so many contacts need to show a rhythm.
fn rhythm_min_milli(contacts: &[Contact]) -> u16 {
    stats::rhythm_min_milli(stats::gaps(contacts).count())
}

/// Which beacon it is.
const fn behaviour(group: &Group<'_>) -> Behaviour {
    match group.grouping {
        Grouping::Proxied => Behaviour::C2BeaconProxied,
        Grouping::Name if group.hints.client_named > 0 => Behaviour::C2BeaconHttpTls,
        Grouping::Name | Grouping::Address => Behaviour::C2BeaconIp,
    }
}

/// When: the period, how well it is kept, and the pauses.
fn timing(
    beacon: &Beacon,
    contacts: &[Contact],
    scratch: &mut Scratch,
    evidence: &mut Vec<Evidence>,
) {
    let gaps = &beacon.gaps;
    let kept = match stats::most_frequent(stats::gaps(contacts), scratch) {
        Some(common) if gaps.deviation == 0.0 => format!(
            "{} of {} gaps exactly that",
            words::grouped(common.count),
            words::grouped(stats::gaps(contacts).count() as u64)
        ),
        _ => format!("half of the gaps within {} of that", words::seconds(gaps.deviation)),
    };
    let without_pause = beacon.bars.filled as usize == BARS;
    let pause = if without_pause { ", without a pause" } else { "" };
    let rhythm_min = rhythm_min_milli(contacts);
    if gaps.score_milli < rhythm_min {
        evidence.push(
            Evidence::against(
                "rhythm",
                f64::from(gaps.score_milli) / 1000.0,
                "score",
                "The gaps have no clear rhythm: so few, as chance brings them, can look alike."
                    .to_owned(),
            )
            .threshold(f64::from(rhythm_min) / 1000.0),
        );
    }
    evidence.push(fact(
        gaps.score_milli >= rhythm_min,
        "gap_median",
        gaps.median,
        "s",
        format!("Every {}, {kept}{pause}.", words::seconds(gaps.median)),
    ));
    if without_pause {
        return;
    }
    let bar_s = f64::from(beacon.window.length_s()) / BARS as f64;
    evidence.push(fact(
        beacon.duration.score_milli >= PART_MIN_MILLI,
        "bars_filled",
        f64::from(beacon.bars.filled),
        "bars",
        format!(
            "Contacts in {} of {BARS} stretches of {}, {} in a row.",
            beacon.bars.filled,
            words::seconds(bar_s.round()),
            beacon.bars.longest_run
        ),
    ));
}

/// How much each time.
fn sizes(
    beacon: &Beacon,
    contacts: &[Contact],
    scratch: &mut Scratch,
    evidence: &mut Vec<Evidence>,
) {
    let Spread { median, deviation, score_milli, .. } = beacon.sizes;
    let all = contacts.len() as u64;
    let common = stats::most_frequent(contacts.iter().map(|contact| contact.bytes), scratch);
    let sentence = match common {
        Some(common) if common.count == all => {
            format!(
                "Same size each time: {} out with headers.",
                words::bytes(u64::from(common.value))
            )
        }
        Some(common) if common.count * 2 > all => format!(
            "{} out with headers in {} of {} contacts.",
            words::bytes(u64::from(common.value)),
            words::grouped(common.count),
            words::grouped(all)
        ),
        _ => format!(
            "{} out with headers (median), half of the sizes within {} of that.",
            words::bytes(median as u64),
            words::bytes(deviation as u64)
        ),
    };
    evidence.push(fact(score_milli >= PART_MIN_MILLI, "size_median", median, "bytes", sentence));
}

/// What comes back.
fn answers(group: &Group<'_>, evidence: &mut Vec<Evidence>) {
    let totals = &group.totals;
    let Some(back) = totals.bytes_in.checked_div(totals.flows) else { return };
    if totals.unanswered == totals.flows {
        evidence.push(Evidence::against(
            "unanswered",
            totals.unanswered as f64,
            "flows",
            "Never answered, not by a packet: no order came this way. A server that is gone, or a \
             machine set up for one."
                .to_owned(),
        ));
    } else if back >= BULK_BYTES_MIN {
        let sentence = format!(
            "{} come back a contact: updates, feeds and media look like this, orders rarely.",
            words::bytes(back)
        );
        evidence.push(
            Evidence::against("bytes_in_mean", back as f64, "bytes", sentence)
                .threshold(BULK_BYTES_MIN as f64),
        );
    } else {
        let sentence = format!("Little comes back: {} a contact.", words::bytes(back));
        evidence.push(
            Evidence::supporting("bytes_in_mean", back as f64, "bytes", sentence)
                .threshold(BULK_BYTES_MIN as f64),
        );
    }
}

/// The score and what it is the mean of, and where it was measured: in one window of the data, where there is more.
fn parts(beacon: &Beacon, measured: usize, all: usize) -> Evidence {
    let window = if measured == all {
        String::new()
    } else {
        format!(
            " in the 24 hours looked at, with {} of {} contacts",
            words::grouped(measured as u64),
            words::grouped(all as u64)
        )
    };
    let sentence = format!(
        "Beacon score {}{window}: time {}, size {}, duration {}, histogram {}.",
        words::milli(beacon.score_milli),
        words::milli(beacon.gaps.score_milli),
        words::milli(beacon.sizes.score_milli),
        words::milli(beacon.duration.score_milli),
        words::milli(beacon.bars.score_milli)
    );
    Evidence::supporting("beacon", f64::from(beacon.score_milli) / 1000.0, "score", sentence)
        .threshold(BEACON_STEPS.base as f64 / 1000.0)
}

/// What else would look the same.
fn ordinary(group: &Group<'_>, evidence: &mut Vec<Evidence>) {
    if let Some(service) = infrastructure::expected(group.transport, group.port) {
        evidence.push(Evidence::against(
            "service_port",
            f64::from(group.port),
            "port",
            format!(
                "The port is that of {}, which ticks by nature; sizes or reach are not its own.",
                service.name
            ),
        ));
    }
    let named = group.grouping != Grouping::Address;
    let protocol = match group.hints {
        _ if !named => None,
        ref hints if hints.tls > 0 => Some(("TLS with a server name", hints.tls)),
        ref hints if hints.http > 0 && !hints.lacks_host_header() => {
            Some(("HTTP with a Host header", hints.http))
        }
        _ => None,
    };
    if let Some((protocol, flows)) = protocol {
        evidence.push(Evidence::against(
            "ordinary_protocol",
            flows as f64,
            "flows",
            format!(
                "Ordinary {protocol}. An agent or updater would look the same: was one installed \
                 when it began?"
            ),
        ));
    }
}

/// What this detector could not see.
fn limits(group: &Group<'_>) -> Vec<String> {
    let mut limits = Vec::new();
    if group.grouping == Grouping::Proxied {
        limits.push("Behind a proxy: the destination's address is not known.".to_owned());
    }
    if group.hints.tls > 0 {
        limits.push("Encrypted: what was said is not known.".to_owned());
    }
    limits
}

/// A fact that speaks for the finding or against it.
fn fact(
    supports: bool,
    measure: &'static str,
    value: f64,
    unit: &'static str,
    sentence: String,
) -> Evidence {
    Evidence { measure, value, unit, threshold: None, supports, sentence }
}

//! Other tools' beacon rules on the same flows: what an analyst would have to read with them.
//!
//! RITA 5: the beacon score of the last 24 hours, items from 0.7 on, by name and else by address, from inside to
//! outside. Microsoft Sentinel's "network beaconing": per hour, more than 15 gaps above 10 s of which 80 % are the most
//! frequent one; taken by source, destination and port (as published, by source alone, which interleaved traffic
//! defeats). Elastic's beaconing, score 3 of 3: the last 6 hours in minutes; flows have no process, so by source and
//! destination. All from the tools' published descriptions; detection thresholds are theirs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flowlore_analyzer::pair::Contact;
use flowlore_analyzer::stats::{self, Scratch};
use ipnet::IpNet;

use super::survey::{Seen, Survey};

/// Something that a rule would show: who, and the name or address.
pub(super) type Item = (IpAddr, String);

/// What each rule shows.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    pub(super) rita: Vec<Item>,
    pub(super) sentinel: Vec<Item>,
    pub(super) elastic: Vec<Item>,
}

/// Score from which an item is read, thousandths. [RITA users' customary 0.7]
const RITA_MIN_MILLI: u16 = 700;
/// Sentinel: gaps of at most so many seconds are not looked at.
const SENTINEL_GAP_S: u32 = 10;
/// Sentinel: more gaps than these an hour.
const SENTINEL_GAPS: usize = 15;
/// Sentinel: more than this share, percent, is the most frequent gap.
const SENTINEL_PERCENT: usize = 80;
/// Elastic: minutes looked at.
const MINUTES: usize = 360;

impl Rivals {
    pub(super) fn of(survey: &Survey, home: &[IpNet]) -> Self {
        let inside = |address: &IpAddr| home.iter().any(|net| net.contains(address));
        let outbound = |flow: &&Seen| inside(&flow.source) && !inside(&flow.address);
        let seconds = || survey.flows.iter().map(|flow| flow.contact.second);
        let (Some(first), Some(last)) = (seconds().min(), seconds().max()) else {
            return Self::default();
        };
        let mut pairs: BTreeMap<Item, Vec<&Seen>> = BTreeMap::new();
        for flow in survey.flows.iter().filter(outbound) {
            let place =
                flow.name.as_deref().map_or_else(|| flow.address.to_string(), str::to_owned);
            pairs.entry((flow.source, place)).or_default().push(flow);
        }
        let mut scratch = Scratch::default();
        let mut shown = Self::default();
        for (item, flows) in pairs {
            if rita(&flows, first, last, &mut scratch) {
                shown.rita.push(item.clone());
            }
            if sentinel(&flows) {
                shown.sentinel.push(item.clone());
            }
            if elastic(&flows, last) {
                shown.elastic.push(item);
            }
        }
        shown
    }
}

fn rita(flows: &[&Seen], first: u32, last: u32, scratch: &mut Scratch) -> bool {
    let contacts: Vec<Contact> = flows.iter().map(|flow| flow.contact).collect();
    let latest = stats::windows(&contacts, first, last).next();
    latest
        .filter(|(window, _)| window.end() == last)
        .and_then(|(window, contacts)| stats::beacon(window, contacts, scratch))
        .is_some_and(|beacon| beacon.score_milli >= RITA_MIN_MILLI)
}

fn sentinel(flows: &[&Seen]) -> bool {
    let mut hours: BTreeMap<(u16, u32), Vec<u32>> = BTreeMap::new();
    for flow in flows {
        let second = flow.contact.second;
        hours.entry((flow.port, second / 3_600)).or_default().push(second);
    }
    hours.values().any(|seconds| {
        let gaps = seconds.windows(2).map(|pair| pair[1] - pair[0]);
        let mut gaps: Vec<u32> = gaps.filter(|gap| *gap > SENTINEL_GAP_S).collect();
        gaps.sort_unstable();
        let most = gaps.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or(0);
        gaps.len() > SENTINEL_GAPS && most * 100 > gaps.len() * SENTINEL_PERCENT
    })
}

/// All three of its signs.
fn elastic(flows: &[&Seen], last: u32) -> bool {
    let start = last.saturating_sub(MINUTES as u32 * 60);
    let mut minutes = vec![(0u64, 0u64, 0u64); MINUTES];
    for flow in flows.iter().filter(|flow| flow.contact.second > start) {
        let at = ((flow.contact.second - start - 1) / 60) as usize;
        let minute = &mut minutes[at.min(MINUTES - 1)];
        minute.0 += 1;
        minute.1 += u64::from(flow.contact.bytes);
        minute.2 += flow.bytes_in;
    }
    let full = |minute: &(u64, u64, u64)| minute.0 > 0;
    let (Some(from), Some(to)) = (minutes.iter().position(full), minutes.iter().rposition(full))
    else {
        return false;
    };
    let minutes = &minutes[from..to]; // the end is left out, as published
    let filled: Vec<_> = minutes.iter().copied().filter(|minute| full(minute)).collect();
    if minutes.len() < 12 || filled.len() < 7 {
        return false;
    }
    let series = |value: fn(&(u64, u64, u64)) -> f64| filled.iter().map(value).collect::<Vec<_>>();
    let counts = series(|minute| minute.0 as f64);
    let low_count = filled.len() * 2 > minutes.len() && spread_at_most(counts, 0.1);
    let out = spread_at_most(series(|minute| minute.1 as f64 / minute.0 as f64), 0.05);
    let back = spread_at_most(series(|minute| minute.2 as f64 / minute.0 as f64), 0.05);
    let all: Vec<f64> = minutes.iter().map(|minute| minute.0 as f64).collect();
    out && back && (low_count || periodic(&all))
}

/// Whether the values between the 10th and the 80th percentile deviate by at most this share of their mean.
fn spread_at_most(mut values: Vec<f64>, share: f64) -> bool {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len() / 10, (values.len() * 8).div_ceil(10));
    let kept = &values[low..high.max(low + 1)];
    let mean = kept.iter().sum::<f64>() / kept.len() as f64;
    let variance = kept.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / kept.len() as f64;
    variance.sqrt() <= share * mean
}

/// Whether some period repeats at least six times with a mean autocorrelation of 0.7 at its multiples.
fn periodic(values: &[f64]) -> bool {
    let length = values.len();
    let mean = values.iter().sum::<f64>() / length as f64;
    let variance: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if variance == 0.0 {
        return true; // the same each minute
    }
    let at = |lag: usize| {
        let pairs = values.iter().zip(&values[lag..]);
        let sum: f64 = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum();
        // Lags leave out the end: in proportion to what is compared.
        sum / variance * length as f64 / (length - lag) as f64
    };
    (2..=length / 6).any(|period| {
        let lags: Vec<f64> = (period..length - period).step_by(period).map(at).collect();
        !lags.is_empty() && lags.iter().sum::<f64>() / lags.len() as f64 >= 0.7
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(seconds: u32, count: u32, noise: u32) -> Vec<Seen> {
        let second = |at: u32| 1_700_000_000 + at * seconds + at * 7_919 % (noise + 1);
        let flow = |at| Seen::test(second(at), 500 + at * 31 % (noise + 1), 300);
        (0..count).map(flow).collect()
    }

    fn shown(mut flows: Vec<Seen>) -> [usize; 3] {
        flows.sort_by_key(|flow| flow.contact);
        let survey = Survey::test(flows);
        let rivals = Rivals::of(&survey, &["10.0.0.0/8".parse().unwrap()]);
        [rivals.rita.len(), rivals.sentinel.len(), rivals.elastic.len()]
    }

    #[test]
    fn a_clock_is_shown_by_all_and_chance_by_none() {
        assert_eq!(shown(every(60, 400, 0)), [1, 1, 1]);
        assert_eq!(shown(every(300, 100, 0)), [1, 0, 1], "too few an hour for Sentinel");
        assert_eq!(shown(every(3_600, 3, 0)), [0, 0, 0]);
        assert_eq!(shown(every(60, 400, 900)), [1, 0, 0], "RITA counts long and even business");
        let flow = |at: u32| Seen::test(1_700_000_000 + at.pow(2), 500 + at * 31 % 91, 300);
        let mut burst: Vec<Seen> = (0..30).map(flow).collect();
        burst.extend(every(80_000, 2, 0));
        assert_eq!(shown(burst), [0, 0, 0], "a visit in the morning, one more contact at night");
        assert_eq!(shown(Vec::new()), [0, 0, 0]);
    }
}

//! How alike values are: Bowley skewness and the median absolute deviation, from quartiles.

use super::{DISTINCT_SECONDS_MIN, Scratch, milli, real};
use crate::pair::Contact;

/// Skewness says nothing when the middle half of the values is closer together than this. [RITA: 10]
const SKEW_RANGE_MIN: u64 = 10;

/// How alike the values of a list are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Median, in the unit of the values.
    pub median: f64,
    /// Median absolute deviation from the median, in the unit of the values.
    pub deviation: f64,
    /// Bowley skewness, -1 to 1.
    pub skewness: f64,
    /// 1 for a symmetric middle half, 0 for a lopsided one.
    pub skewness_score: f64,
    /// 1 when half of the values are the median, 0 when they are as far from it as it is from 0.
    pub deviation_score: f64,
    /// Mean of the two scores, thousandths.
    pub score_milli: u16,
}

/// The spread of values in ascending order. `None` without a value.
///
/// `deviation_default` is the deviation score of values whose median is below 1, where the ratio means nothing:
/// RITA takes 1 for gaps and 0 for sizes.
#[must_use]
pub fn spread(sorted: &[u32], deviation_default: f64) -> Option<Spread> {
    let [q1, q2, q3] = quartiles_doubled(sorted)?;
    let skewness = if q3 - q1 < 2 * SKEW_RANGE_MIN || q2 == q1 || q2 == q3 {
        0.0
    } else {
        (real(q1 + q3) - real(2 * q2)) / real(q3 - q1)
    };
    // The median of the distances, four times: of each distance doubled, the middle one or two summed.
    let (lower, upper) = (sorted.len().div_ceil(2), sorted.len() / 2 + 1);
    let deviation = distance_doubled(sorted, q2, lower) + distance_doubled(sorted, q2, upper);
    let deviation_score = if q2 >= 2 {
        ((real(2 * q2) - real(deviation)) / real(2 * q2)).max(0.0)
    } else {
        deviation_default
    };
    let skewness_score = 1.0 - skewness.abs();
    Some(Spread {
        median: real(q2) / 2.0,
        deviation: real(deviation) / 4.0,
        skewness,
        skewness_score,
        deviation_score,
        score_milli: milli(f64::midpoint(skewness_score, deviation_score)),
    })
}

/// First quartile, median and third quartile, each doubled so that a mean of two stays whole.
///
/// The quartiles are the medians of the halves; the middle value of an odd list is in neither. A single value is all
/// three.
fn quartiles_doubled(sorted: &[u32]) -> Option<[u64; 3]> {
    let half = sorted.len() / 2;
    let median = median_doubled(sorted)?;
    let lower = median_doubled(&sorted[..half]).unwrap_or(median);
    let upper = median_doubled(&sorted[sorted.len() - half..]).unwrap_or(median);
    Some([lower, median, upper])
}

fn median_doubled(sorted: &[u32]) -> Option<u64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(u64::from(lower) + u64::from(upper))
}

/// Twice the distance between the centre and the `rank`-th nearest value, counted from 1; the centre comes doubled.
///
/// The nearest values of a sorted list are neighbours, so a window of `rank` of them is moved until the far end left
/// of the centre is no longer farther than the one right of it: a binary search instead of a second sort.
fn distance_doubled(sorted: &[u32], centre_doubled: u64, rank: usize) -> u64 {
    let doubled = |at: usize| 2 * u64::from(sorted[at]);
    let left = |start: usize| centre_doubled.saturating_sub(doubled(start));
    let right = |start: usize| doubled(start + rank - 1).saturating_sub(centre_doubled);
    let (mut low, mut high) = (0, sorted.len() - rank);
    while low < high {
        let middle = low.midpoint(high);
        if left(middle) > right(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let here = left(low).max(right(low));
    if low > 0 { here.min(left(low - 1).max(right(low - 1))) } else { here }
}

/// A value and how often it occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The value.
    pub value: u32,
    /// How often.
    pub count: u64,
}

/// The distinct values of a sorted list with their counts, ascending.
pub fn distinct(sorted: &[u32]) -> impl Iterator<Item = Repeated> {
    sorted.chunk_by(|a, b| a == b).map(|run| Repeated { value: run[0], count: run.len() as u64 })
}

/// The most frequent value of a sorted list, the smallest of equally frequent ones.
#[must_use]
pub fn mode(sorted: &[u32]) -> Option<Repeated> {
    distinct(sorted).reduce(|best, next| if next.count > best.count { next } else { best })
}

/// The non-zero gaps between contacts, seconds.
///
/// Contacts in the same second are one knock: retries of a failed connection must not look like a period of a
/// second.
pub fn gaps(contacts: &[Contact]) -> impl Iterator<Item = u32> {
    contacts.windows(2).map(|pair| pair[1].second.abs_diff(pair[0].second)).filter(|gap| *gap > 0)
}

/// The spread of the gaps, seconds. `None` below four distinct seconds.
pub fn gap_spread(contacts: &[Contact], scratch: &mut Scratch) -> Option<Spread> {
    let sorted = scratch.sort(gaps(contacts));
    if sorted.len() < DISTINCT_SECONDS_MIN - 1 {
        return None;
    }
    spread(sorted, 1.0)
}

/// The spread of the sizes, IP bytes. `None` below three contacts.
pub fn size_spread(contacts: &[Contact], scratch: &mut Scratch) -> Option<Spread> {
    if contacts.len() < DISTINCT_SECONDS_MIN - 1 {
        return None;
    }
    spread(scratch.sort(contacts.iter().map(|contact| contact.bytes)), 0.0)
}

/// The most frequent of some values.
pub fn most_frequent(values: impl Iterator<Item = u32>, scratch: &mut Scratch) -> Option<Repeated> {
    mode(scratch.sort(values))
}

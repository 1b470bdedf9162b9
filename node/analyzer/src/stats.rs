//! How regular a series of contacts is: the four parts of RITA's beacon score, and their mean.
//!
//! | part | question | source |
//! |---|---|---|
//! | time | are the gaps between contacts alike? | Bowley skewness and median absolute deviation |
//! | size | is about the same amount sent each time? | the same two, over sizes |
//! | histogram | is each hour as busy as the next, or on one of two levels? | coefficient of variation, two-level fit |
//! | duration | does it go on for long, or without a pause? | share of the window covered, longest run of hours |
//!
//! Formulas, windows and constants are those of RITA 5 (activecm/rita, its documented configuration and its unit
//! tables), implemented from a description. Where RITA counts in floating point we count in whole numbers, so that
//! the same contacts give the same score on any machine; published scores are thousandths, rounded half away from
//! zero. Floating point stays inside this file, and only for the last division of each formula.
//!
//! Nothing here allocates once [`Scratch`] has grown to the busiest pair.

use crate::pair::Contact;

/// How long a window is at most, seconds. [RITA: the last 24 hours of the data are scored]
pub const WINDOW_S: u32 = 86_400;
/// Bars of the histogram; over a full window one bar is one hour. [RITA: beacon time span 24]
pub const BARS: usize = 24;
/// Fewest distinct seconds with a contact. [RITA: unique connection threshold 4]
pub const DISTINCT_SECONDS_MIN: usize = 4;
/// From this many contacts in a window it is no beacon but a strobe. [RITA: strobe at one connection a second]
pub const STROBE_CONTACTS: usize = 86_400;
/// Skewness says nothing when the middle half of the values is closer together than this. [RITA: 10]
const SKEW_RANGE_MIN: u64 = 10;
/// Two bars are on one level when they differ by less than this share of the highest, thousandths. [RITA: 0.05]
pub const LEVEL_SENSITIVITY_MILLI: u32 = 50;
/// Bars that the two-level fit may leave out. [RITA: bimodal outlier removal 1]
const LEVEL_OUTLIERS: u32 = 1;
/// Fewest non-empty bars for the two-level fit. [RITA: minimum hours for bimodal analysis 11]
pub const LEVEL_BARS_MIN: u32 = 11;
/// Fewest non-empty bars for the duration score. [RITA: duration minimum hours 6]
pub const DURATION_BARS_MIN: u32 = 6;
/// A run of this many bars counts as full consistency. [RITA: duration consistency ideal hours 12]
pub const RUN_IDEAL: u32 = 12;
/// Weights of time, size, duration and histogram, thousandths. [RITA: 0.25 each]
pub const WEIGHTS_MILLI: [u16; 4] = [250; 4];

/// Working memory of the scores, reused from pair to pair.
#[derive(Debug, Default)]
pub struct Scratch {
    values: Vec<u32>,
    spare: Vec<u32>,
    levels: Vec<Level>,
}

/// From this many values on, counting digits is quicker than comparing. [ours: where the bench says so]
const RADIX_MIN: usize = 96;

impl Scratch {
    /// Takes values in and sorts them: by comparison when few, else by digits of eight bits, lowest first, where
    /// digits that are the same in all values (nearly always the upper two) cost nothing.
    fn sort(&mut self, values: impl Iterator<Item = u32>) -> &[u32] {
        self.values.clear();
        self.values.extend(values);
        if self.values.len() < RADIX_MIN {
            self.values.sort_unstable();
            return &self.values;
        }
        let first = self.values[0];
        let varying = self.values.iter().fold(0, |bits, value| bits | (value ^ first));
        self.spare.resize(self.values.len(), 0);
        for shift in [0, 8, 16, 24] {
            if (varying >> shift) & 0xff == 0 {
                continue;
            }
            let digit = |value: u32| ((value >> shift) & 0xff) as usize;
            let mut next = [0_usize; 256];
            for value in &self.values {
                next[digit(*value)] += 1;
            }
            let mut start = 0;
            for place in &mut next {
                start += std::mem::replace(place, start);
            }
            for value in &self.values {
                let place = &mut next[digit(*value)];
                self.spare[*place] = *value;
                *place += 1;
            }
            std::mem::swap(&mut self.values, &mut self.spare);
        }
        &self.values
    }
}

/// A stretch of time, both ends included, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: u32,
    end: u32,
}

impl Window {
    /// From `start` to `end`, seconds since 1970. `None` when that is no time at all.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Option<Self> {
        if start < end { Some(Self { start, end }) } else { None }
    }

    /// Its first second.
    #[must_use]
    pub const fn start(self) -> u32 {
        self.start
    }

    /// Its last second.
    #[must_use]
    pub const fn end(self) -> u32 {
        self.end
    }

    /// Seconds from its start to its end.
    #[must_use]
    pub const fn length_s(self) -> u32 {
        self.end - self.start
    }

    /// Counts contacts into as many equal bars as `bars` is long. `contacts` are in ascending order.
    ///
    /// A contact before the start falls into the first bar, one at the very end into the last.
    pub fn histogram(self, contacts: &[Contact], bars: &mut [u32]) {
        bars.fill(0);
        let Some(last) = bars.len().checked_sub(1) else { return };
        let (count, length) = (bars.len() as u64, u64::from(self.length_s()));
        let mut bar = 0;
        for contact in contacts {
            let scaled = u64::from(contact.second.saturating_sub(self.start)) * count;
            while bar < last && scaled >= (bar as u64 + 1) * length {
                bar += 1;
            }
            bars[bar] = bars[bar].saturating_add(1);
        }
    }
}

/// The windows of the data that hold contacts, the latest first, each with its contacts.
///
/// The latest window is RITA's: the last 24 hours of the data, or all of it when that is less; rows are admitted
/// from the start of the hour in which it starts. Before it we look at the 24 hours before that, and so on: an
/// implant that was there on the second day of seven counts. The earliest window begins with the data and is a full
/// day where there is one, overlapping its successor, since a short remainder would make anything look steady.
pub fn windows(
    contacts: &[Contact],
    first_second: u32,
    last_second: u32,
) -> impl Iterator<Item = (Window, &[Contact])> {
    let mut before = contacts.len();
    std::iter::from_fn(move || {
        let latest = contacts[..before].last()?.second.min(last_second);
        let days_back = (last_second - latest) / WINDOW_S;
        let end = last_second - days_back * WINDOW_S;
        let full = end.checked_sub(WINDOW_S).filter(|start| *start > first_second);
        let window = if let Some(start) = full {
            before = contacts[..before].partition_point(|contact| contact.second < start);
            Window::new(start, end)?
        } else {
            before = 0; // nothing lies before the data
            Window::new(first_second, first_second.saturating_add(WINDOW_S).min(last_second))?
        };
        let admitted_from = window.start - window.start % 3_600;
        let from = contacts.partition_point(|contact| contact.second < admitted_from);
        let to = contacts.partition_point(|contact| contact.second <= window.end);
        Some((window, &contacts[from..to.max(from)]))
    })
}

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

/// A height of bars, rounded down to a step of the highest, and how many bars have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level {
    /// Contacts a bar.
    pub height: u32,
    /// Bars.
    pub bars: u32,
}

/// The levels of the non-empty bars, ascending, and how many bars that are. `None` without bars.
///
/// The step is `sensitivity_milli` thousandths of the highest bar, rounded up.
pub fn levels<'a>(
    histogram: &[u32],
    sensitivity_milli: u32,
    levels: &'a mut Vec<Level>,
) -> Option<(&'a [Level], u32)> {
    let highest = u64::from(*histogram.iter().max()?);
    let step =
        (highest * u64::from(sensitivity_milli)).div_ceil(1000).clamp(1, u64::from(u32::MAX));
    let step = u32::try_from(step).expect("clamped to 32 bits above");
    levels.clear();
    for height in histogram.iter().filter(|height| **height > 0) {
        let height = if step == 1 { *height } else { height / step * step };
        match levels.binary_search_by_key(&height, |level| level.height) {
            Ok(at) => levels[at].bars += 1,
            Err(at) => levels.insert(at, Level { height, bars: 1 }),
        }
    }
    let bars = levels.iter().map(|level| level.bars).sum();
    Some((levels, bars))
}

/// Longest run of non-empty bars, the end followed by the start: a night that contains midnight is one night.
#[must_use]
pub fn longest_run(histogram: &[u32]) -> u32 {
    let (mut run, mut longest) = (0_u32, 0_u32);
    for height in histogram.iter().chain(histogram) {
        run = if *height > 0 { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest.min(u32::try_from(histogram.len()).unwrap_or(u32::MAX))
}

/// 1 minus the coefficient of variation of the bars (population standard deviation over mean, empty bars included),
/// at least 0, in thousandths. `None` when nothing was counted.
#[must_use]
pub fn variation_milli(histogram: &[u32]) -> Option<u16> {
    let count = histogram.len() as u64;
    let total: u64 = histogram.iter().map(|height| u64::from(*height)).sum();
    if total == 0 {
        return None;
    }
    // sd / mean = sqrt(n * sum(x^2) - sum(x)^2) / sum(x): whole numbers under the root.
    let squares: u128 = histogram.iter().map(|height| u128::from(*height).pow(2)).sum();
    let spread = u128::from(count) * squares - u128::from(total).pow(2);
    #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty for three decimals")]
    let variation = (spread as f64).sqrt() / real(total);
    Some(milli(1.0 - variation))
}

/// How well one or two levels explain the bars: the share of bars on the two commonest levels, one bar forgiven,
/// in thousandths. `None` without bars or levels; 0 below `bars_min` bars, a minimum below 6 meaning 11.
#[must_use]
pub fn two_level_milli(levels: &[Level], bars: u32, bars_min: u32) -> Option<u16> {
    if bars == 0 || levels.is_empty() {
        return None;
    }
    let bars_min = if bars_min < 6 { LEVEL_BARS_MIN } else { bars_min };
    if bars < bars_min {
        return Some(0);
    }
    let (mut most, mut second) = (0, 0);
    for level in levels {
        (most, second) =
            if level.bars > most { (level.bars, most) } else { (most, second.max(level.bars)) };
    }
    let expected = bars.saturating_sub(LEVEL_OUTLIERS).max(1);
    Some(milli(f64::from(most + second) / f64::from(expected)))
}

/// The bars of a window and what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bars {
    /// Non-empty bars.
    pub filled: u32,
    /// Longest run of non-empty bars, circular.
    pub longest_run: u32,
    /// The better of even bars and bars on two levels, thousandths.
    pub score_milli: u16,
}

/// The histogram score. `None` when nothing was counted.
pub fn bars(histogram: &[u32], two_level_bars_min: u32, scratch: &mut Scratch) -> Option<Bars> {
    let even = variation_milli(histogram)?;
    let (levels, filled) = levels(histogram, LEVEL_SENSITIVITY_MILLI, &mut scratch.levels)?;
    let two_level = two_level_milli(levels, filled, two_level_bars_min)?;
    Some(Bars { filled, longest_run: longest_run(histogram), score_milli: even.max(two_level) })
}

/// How long and how steadily the contacts go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duration {
    /// Share of the window between first and last contact, thousandths, rounded up.
    pub coverage_milli: u16,
    /// Longest run of bars against the ideal, thousandths, rounded up.
    pub consistency_milli: u16,
    /// The better of the two, thousandths.
    pub score_milli: u16,
}

/// The duration score of contacts from `first` to `last`. All 0 below `bars_min` bars. `None` when `bars_min` or
/// `run_ideal` is 0.
#[must_use]
pub fn duration(
    window: Window,
    [first, last]: [u32; 2],
    bars: Bars,
    [bars_min, run_ideal]: [u32; 2],
) -> Option<Duration> {
    if bars_min == 0 || run_ideal == 0 {
        return None;
    }
    if bars.filled < bars_min {
        return Some(Duration::default());
    }
    let share = |part: u32, whole: u32| {
        let milli = (u64::from(part) * 1000).div_ceil(u64::from(whole)).min(1000);
        u16::try_from(milli).expect("at most 1000")
    };
    let coverage_milli = share(last.saturating_sub(first), window.length_s());
    let consistency_milli = share(bars.longest_run, run_ideal);
    let score_milli = coverage_milli.max(consistency_milli);
    Some(Duration { coverage_milli, consistency_milli, score_milli })
}

/// The weighted mean of scores, thousandths. `None` when a score is above 1000 or the weights do not sum to 1000.
#[must_use]
pub fn combine(scores_milli: [u16; 4], weights_milli: [u16; 4]) -> Option<u16> {
    let weights: u32 = weights_milli.iter().map(|weight| u32::from(*weight)).sum();
    if weights != 1000 || scores_milli.iter().any(|score| *score > 1000) {
        return None;
    }
    let pairs = scores_milli.iter().zip(weights_milli);
    let sum: u32 = pairs.map(|(score, weight)| u32::from(*score) * u32::from(weight)).sum();
    u16::try_from((sum + 500) / 1000).ok()
}

/// A beacon score with all that it is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beacon {
    /// The window scored.
    pub window: Window,
    /// Contacts in it.
    pub contacts: usize,
    /// Gaps between contacts, seconds.
    pub gaps: Spread,
    /// IP bytes from the source a contact.
    pub sizes: Spread,
    /// Bars of the window.
    pub bars: Bars,
    /// How long it goes on.
    pub duration: Duration,
    /// The mean of the four, thousandths.
    pub score_milli: u16,
}

/// The beacon score of one window's contacts, in ascending order. `None` when they are too few to tell (below four
/// distinct seconds) or so many that it is a strobe.
pub fn beacon(window: Window, contacts: &[Contact], scratch: &mut Scratch) -> Option<Beacon> {
    if contacts.len() >= STROBE_CONTACTS {
        return None;
    }
    let gaps = gap_spread(contacts, scratch)?;
    let sizes = size_spread(contacts, scratch)?;
    let mut histogram = [0; BARS];
    window.histogram(contacts, &mut histogram);
    let bars = bars(&histogram, LEVEL_BARS_MIN, scratch)?;
    let ends = [contacts.first()?.second, contacts.last()?.second];
    let duration = duration(window, ends, bars, [DURATION_BARS_MIN, RUN_IDEAL])?;
    let scores = [gaps.score_milli, sizes.score_milli, duration.score_milli, bars.score_milli];
    Some(Beacon {
        window,
        contacts: contacts.len(),
        gaps,
        sizes,
        bars,
        duration,
        score_milli: combine(scores, WEIGHTS_MILLI)?,
    })
}

/// A ratio as thousandths from 0 to 1000, half away from zero.
fn milli(ratio: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1000 in the same expression"
    )]
    let milli = (ratio * 1000.0).round().clamp(0.0, 1000.0) as u16;
    milli
}

/// A whole number for a division.
#[expect(clippy::cast_precision_loss, reason = "seconds and bytes of a flow are far below 2^53")]
const fn real(value: u64) -> f64 {
    value as f64
}

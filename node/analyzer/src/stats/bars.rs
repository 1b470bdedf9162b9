//! What the bars of a window say: how even they are, and how long they go on.

use super::{Scratch, Window, milli, real};

/// Two bars are on one level when they differ by less than this share of the highest, thousandths. [RITA: 0.05]
pub const LEVEL_SENSITIVITY_MILLI: u32 = 50;
/// Bars that the two-level fit may leave out. [RITA: bimodal outlier removal 1]
const LEVEL_OUTLIERS: u32 = 1;
/// Fewest non-empty bars for the two-level fit. [RITA: minimum hours for bimodal analysis 11]
pub const LEVEL_BARS_MIN: u32 = 11;

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

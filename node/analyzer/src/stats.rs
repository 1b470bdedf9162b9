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
//! zero. Floating point stays inside this module, and only for the last division of each formula.
//!
//! Nothing here allocates once [`Scratch`] has grown to the busiest pair.

mod bars;
mod chance;
pub mod entropy;
mod spread;
mod window;

pub use bars::{
    Bars, Duration, LEVEL_BARS_MIN, LEVEL_SENSITIVITY_MILLI, Level, bars, duration, levels,
    longest_run, two_level_milli, variation_milli,
};
pub use chance::rhythm_min_milli;
pub use spread::{
    Repeated, Spread, distinct, gap_spread, gaps, mode, most_frequent, size_spread, spread,
};
pub use window::{WINDOW_S, Window, windows};
pub(crate) use window::{contacts_within, most_within};

use crate::pair::Contact;

/// Bars of the histogram; over a full window one bar is one hour. [RITA: beacon time span 24]
pub const BARS: usize = 24;
/// Fewest distinct seconds with a contact. [RITA: unique connection threshold 4]
pub const DISTINCT_SECONDS_MIN: usize = 4;
/// From this many contacts in a window it is no beacon but a strobe. [RITA: strobe at one connection a second]
pub const STROBE_CONTACTS: usize = 86_400;
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
    levels: Vec<Level>,
}

impl Scratch {
    /// Takes values in and sorts them.
    fn sort(&mut self, values: impl Iterator<Item = u32>) -> &[u32] {
        self.values.clear();
        self.values.extend(values);
        self.values.sort_unstable();
        &self.values
    }
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

//! From when to when a story goes.

use flowlore_common::time::{MICROS_PER_SECOND, Micros};

use super::groups::Group;
use crate::limits::WINDOW_SECONDS_MAX;

/// Whole seconds, `to_s` not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First second, since 1970 UTC.
    pub from_s: i64,
    /// The second after the last.
    pub to_s: i64,
}

impl Span {
    /// Both, and what lies between them.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { from_s: self.from_s.min(other.from_s), to_s: self.to_s.max(other.to_s) }
    }

    /// Whether something that lasts from one instant to another overlaps it.
    pub(crate) fn holds(self, first_us: i64, last_us: i64) -> bool {
        first_us.div_euclid(MICROS_PER_SECOND) < self.to_s
            && last_us.div_euclid(MICROS_PER_SECOND) >= self.from_s
    }

    /// Its first instant.
    pub(crate) fn from(self) -> Micros {
        Micros(self.from_s.saturating_mul(MICROS_PER_SECOND))
    }

    /// The instant after its last.
    pub(crate) fn to(self) -> Micros {
        Micros(self.to_s.saturating_mul(MICROS_PER_SECOND))
    }
}

/// How much time around an alert is looked at, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    before_s: i64,
    after_s: i64,
}

impl Default for Around {
    /// [`Self::BEFORE_S`] and [`Self::AFTER_S`].
    fn default() -> Self {
        Self { before_s: Self::BEFORE_S.cast_signed(), after_s: Self::AFTER_S.cast_signed() }
    }
}

impl Around {
    /// Ten minutes before an alert, unless somebody says otherwise.
    pub const BEFORE_S: u64 = 600;
    /// Thirty minutes after it, likewise.
    pub const AFTER_S: u64 = 1_800;

    /// So many seconds before and after.
    ///
    /// # Errors
    /// When it is nothing, or more than [`WINDOW_SECONDS_MAX`].
    pub fn new(before_s: u64, after_s: u64) -> Result<Self, String> {
        let all = before_s.saturating_add(after_s);
        if all == 0 || all > WINDOW_SECONDS_MAX {
            return Err("a window of 1 s to 7 d is needed: see --before and --after".to_owned());
        }
        let seconds = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(Self { before_s: seconds(before_s), after_s: seconds(after_s) })
    }

    /// The window that was asked for.
    pub(crate) fn asked(self, at: Micros) -> Span {
        let at_s = at.seconds();
        Span {
            from_s: at_s.saturating_sub(self.before_s),
            to_s: at_s.saturating_add(self.after_s).saturating_add(1),
        }
    }

    /// How far that may be extended: by as much as was asked for, beyond which it would be another question.
    pub(crate) fn longest(self, at: Micros) -> Span {
        let asked = self.asked(at);
        Span { to_s: asked.to_s.saturating_add(asked.to_s - asked.from_s), ..asked }
    }
}

/// Extends a window to the end of the activity groups that began in it and overlap its end. What stood there before
/// it began is no part of the story, and what does not end within `longest` would not be whole anyway.
pub(crate) fn extend(asked: Span, longest: Span, groups: &[Group]) -> Span {
    let ends = groups.iter().filter_map(|group| {
        let began = group.first_us >= asked.from().0 && group.first_us < asked.to().0;
        let end_s = group.last_us.div_euclid(MICROS_PER_SECOND).saturating_add(1);
        (began && end_s > asked.to_s && end_s <= longest.to_s).then_some(end_s)
    });
    Span { to_s: ends.max().unwrap_or(asked.to_s), ..asked }
}

//! When people work and when visitors come.

use crate::random::Random;

/// Microseconds of an hour and of a day.
pub(crate) const HOUR: u64 = 3_600_000_000;
pub(crate) const DAY: u64 = 24 * HOUR;
const MINUTE: u64 = HOUR / 60;

/// Whose day it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    /// Machines without a person.
    Always,
    /// A person, who comes and leaves at about these local minutes.
    Person {
        /// Minute of the local day.
        from: u64,
        /// Minute of the local day.
        to: u64,
        /// Also on Saturdays and Sundays.
        weekends: bool,
    },
}

/// Activity of visitors from outside by local hour, permille of the peak: low before dawn, a
/// plateau from mid-morning, a second rise in the evening, as published daily curves of access
/// networks and web sites show. Our own rounding.
const VISITORS: [u64; 24] = [
    280, 200, 150, 130, 130, 160, 260, 420, 600, 760, 860, 900, 880, 880, 880, 870, 860, 880, 920,
    970, 1_000, 900, 680, 440,
];

impl Shift {
    /// Office hours for most, late risers for some, an early and a late shift for a few.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let (from, to, weekends) = match random.below(100) {
            0..72 => (500, 1_030, false), // 08:20 to 17:10
            72..88 => (590, 1_140, false),
            88..94 => (360, 840, true),
            _ => (840, 1_320, true),
        };
        let early = random.below(60);
        Self::Person { from: from - 30 + early, to: to - 30 + random.below(90), weekends }
    }

    /// When a person is there on a day, microseconds of the org's own clock. A quarter of an hour
    /// either way each day, away on one in twenty, at work on few free days.
    fn window(self, random: &Random, day: u64) -> Option<(u64, u64)> {
        let Self::Person { from, to, weekends } = self else { return Some((0, u64::MAX)) };
        let mut draw = random.part(day);
        let late = draw.below(30 * MINUTE);
        let long = draw.below(30 * MINUTE);
        let there = if is_weekend(day) && !weekends { draw.chance(40) } else { draw.chance(950) };
        let midnight = day * DAY;
        there.then_some((midnight + from * MINUTE + late, midnight + to * MINUTE + long))
    }

    /// How busy, permille, at `local` microseconds of the org's own clock. At lunch less.
    pub(crate) fn busy(self, random: &Random, local: u64) -> u64 {
        let day = local / DAY;
        match self.window(random, day) {
            Some((from, to)) if (from..to).contains(&local) => {
                let lunch = day * DAY + 12 * HOUR + random.part(day + 1).below(HOUR);
                let eats = self != Self::Always && (lunch..lunch + 35 * MINUTE).contains(&local);
                if eats { 250 } else { 1_000 }
            }
            _ => 0,
        }
    }

    /// The moment at or after `local` when the person is there; a fortnight on if never.
    pub(crate) fn next_arrival(self, random: &Random, local: u64) -> u64 {
        let today = local / DAY;
        for day in today..today + 14 {
            match self.window(random, day) {
                Some((from, to)) if local < to => return local.max(from),
                _ => {}
            }
        }
        local + 14 * DAY
    }
}

/// Of days since 1970, which began on a Thursday.
pub(crate) fn is_weekend(day: u64) -> bool {
    matches!((day + 3) % 7, 5 | 6)
}

/// How many visitors there are, permille of the peak.
pub(crate) fn visitors(local: u64) -> u64 {
    let hour = (local % DAY / HOUR) as usize;
    let (now, next) = (VISITORS[hour], VISITORS[(hour + 1) % 24]);
    let minute = local % HOUR / 60_000_000;
    (now * (60 - minute) + next * minute) / 60
}

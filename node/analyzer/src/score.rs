//! From measured values to a threat score: RITA's buckets and modifiers, in whole thousandths.
//!
//! Formulas and constants are those of RITA 5 (activecm/rita, its documented configuration). A behaviour gives a
//! base score up to 0.8; what surrounds it moves the score by fixed amounts. A modifier alone never makes a finding.

use flowlore_common::label::Severity;

use crate::pair::{Group, Surroundings};

/// The four steps at which a value changes its bucket, ascending, in the value's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Below it there is nothing to report: score 0. From it on 0.2.
    pub base: u64,
    /// 0.4.
    pub low: u64,
    /// 0.6.
    pub medium: u64,
    /// 0.8, and no more above.
    pub high: u64,
}

/// Beacon score, thousandths. [RITA: 50, 70, 90, 100 percent]
pub const BEACON_STEPS: Steps = Steps { base: 500, low: 700, medium: 900, high: 1000 };
/// Long connection, seconds. [RITA: 1, 4, 8, 12 hours]
pub const LONG_STEPS: Steps = Steps { base: 3_600, low: 14_400, medium: 28_800, high: 43_200 };
/// Base score of a strobe, thousandths. [RITA: 0.8]
pub const STROBE_MILLI: u16 = 800;

/// Below this many inside hosts a share of them says nothing. [ours: at 10 one host is 10 %, five times "rare"]
pub const PREVALENCE_HOSTS_MIN: u32 = 10;
/// Below this many days of history "first seen" says nothing. [RITA: rising up to 7 days]
pub const HISTORY_DAYS_MIN: u32 = 7;
/// A destination first seen at most this many days ago is new. [RITA: 7]
pub const NEW_DAYS_MAX: u32 = 7;
/// A destination first seen at least this many days ago is familiar. [RITA: 30]
pub const FAMILIAR_DAYS_MIN: u32 = 30;
/// What most modifiers add or take, thousandths. [RITA: 0.15]
const MODIFIER_MILLI: i16 = 150;
/// What a missing Host header adds, thousandths. [RITA: 0.10]
const MISSING_HOST_MILLI: i16 = 100;

/// The base score of a value, thousandths: 0 below the base, then linear between the steps, 800 from `high` on.
///
/// Rounded down, so that a value below a step never scores like one that has reached it.
#[must_use]
pub fn bucket(value: u64, steps: &Steps) -> u16 {
    let between = |floor: u16, from: u64, to: u64| {
        let width = u128::from(to.saturating_sub(from).max(1));
        let above = u128::from(value - from) * 200 / width;
        floor + u16::try_from(above.min(200)).unwrap_or(200)
    };
    if value < steps.base {
        0
    } else if value < steps.low {
        between(200, steps.base, steps.low)
    } else if value < steps.medium {
        between(400, steps.low, steps.medium)
    } else if value < steps.high {
        between(600, steps.medium, steps.high)
    } else {
        800
    }
}

/// What moves a threat score, thousandths. `None`: there is too little to go by, which a finding says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    /// How many inside hosts contact the destination.
    pub prevalence_milli: Option<i16>,
    /// How long ago the org first contacted it.
    pub first_seen_milli: Option<i16>,
    /// HTTP requests came without a Host header.
    pub missing_host_milli: i16,
    /// A client signature that this source used for this destination only.
    pub rare_signature_milli: i16,
    /// What came back is not what the path's extension says.
    pub mime_mismatch_milli: i16,
}

impl Modifiers {
    /// Those of a group in its surroundings.
    #[must_use]
    pub fn of(group: &Group<'_>, around: &Surroundings) -> Self {
        let when = |holds: bool, milli: i16| if holds { milli } else { 0 };
        Self {
            prevalence_milli: prevalence(around),
            first_seen_milli: first_seen(around),
            missing_host_milli: when(group.hints.lacks_host_header(), MISSING_HOST_MILLI),
            rare_signature_milli: when(group.hints.rare_signature, MODIFIER_MILLI),
            mime_mismatch_milli: when(group.hints.mime_mismatch > 0, MODIFIER_MILLI),
        }
    }

    /// All of them together, thousandths.
    #[must_use]
    pub fn sum_milli(&self) -> i16 {
        self.prevalence_milli.unwrap_or(0)
            + self.first_seen_milli.unwrap_or(0)
            + self.missing_host_milli
            + self.rare_signature_milli
            + self.mime_mismatch_milli
    }
}

/// At most 2 % of the inside hosts contact it: more. At least half do: less. [RITA: 0.02, 0.5]
///
/// Nothing is said below ten inside hosts, nor when no inside host contacts it (the destination is inside itself).
fn prevalence(around: &Surroundings) -> Option<i16> {
    let (hosts, all) = (u64::from(around.hosts_contacting), u64::from(around.inside_hosts));
    if around.inside_hosts < PREVALENCE_HOSTS_MIN || hosts == 0 {
        return None;
    }
    Some(if hosts * 50 <= all {
        MODIFIER_MILLI
    } else if hosts * 2 >= all {
        -MODIFIER_MILLI
    } else {
        0
    })
}

/// New here: more. Known for a month: less.
fn first_seen(around: &Surroundings) -> Option<i16> {
    let days = around.first_seen_days.filter(|_| around.history_days >= HISTORY_DAYS_MIN)?;
    Some(if days <= NEW_DAYS_MAX {
        MODIFIER_MILLI
    } else if days >= FAMILIAR_DAYS_MIN {
        -MODIFIER_MILLI
    } else {
        0
    })
}

/// The threat score: base and modifiers, thousandths, 0 to 1000. A base of 0 stays 0.
#[must_use]
pub fn threat(base_milli: u16, modifiers: &Modifiers) -> u16 {
    if base_milli == 0 {
        return 0;
    }
    let sum = i32::from(base_milli) + i32::from(modifiers.sum_milli());
    u16::try_from(sum.clamp(0, 1000)).expect("clamped to 0..=1000")
}

/// The band of a threat score. [RITA: critical above 0.8, high from 0.6, medium from 0.4, low from 0.2]
#[must_use]
pub const fn band(threat_milli: u16) -> Severity {
    match threat_milli {
        ..200 => Severity::Info,
        200..400 => Severity::Low,
        400..600 => Severity::Medium,
        600..=800 => Severity::High,
        801.. => Severity::Critical,
    }
}

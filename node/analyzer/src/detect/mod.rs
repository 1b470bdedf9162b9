//! Detectors: a group in, hits out. One file a behaviour; a row in DETECTORS.md and a golden case each.

use flowlore_common::label::{Behaviour, Severity};

/// A measured fact for or against a finding, and the sentence that says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What was measured, snake_case; stable.
    pub measure: &'static str,
    /// The value, rounded to three decimals.
    pub value: f64,
    /// Its unit: `s`, `bytes`, `flows`, `hosts`, `score`, `ratio`.
    pub unit: &'static str,
    /// What it was held against, where there is such a number.
    pub threshold: Option<f64>,
    /// Whether it speaks for the finding.
    pub supports: bool,
    /// For a person, with the number in it.
    pub sentence: String,
}

/// What to do about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Stable code: `isolate_host`, `find_process`, `block_destination`, `ask_owner`, `check_update_source`.
    pub code: &'static str,
    /// What it is done to.
    pub target: String,
    /// For a person.
    pub sentence: String,
}

/// A detector's answer about one group, before the surroundings are weighed.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// What was found.
    pub behaviour: Behaviour,
    /// Bucketed threat score before modifiers, thousandths.
    pub base_milli: u16,
    /// Published scores by name, thousandths, in the order of the report: (`beacon_milli`, 990).
    pub scores: Vec<(&'static str, u16)>,
    /// Facts for and against.
    pub evidence: Vec<Evidence>,
    /// What this detector could not see, each a sentence.
    pub limits: Vec<String>,
}

/// A hit with its surroundings weighed in: ready to become a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The hit, its evidence completed by the modifiers.
    pub hit: Hit,
    /// Threat score after modifiers, thousandths, 0 to 1000.
    pub threat_milli: u16,
    /// By the severity table.
    pub severity: Severity,
    /// 0 to 100: how sure we are that this is what its behaviour says.
    pub confidence: u8,
    /// What to do.
    pub actions: Vec<Action>,
}

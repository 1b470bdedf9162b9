//! Generated names: a program that tries domain after domain until one is registered.
//!
//! Question: how many different registrable domains, none of which ever resolved for this source, did it ask for within
//! an hour? From ten on it is said [Slips: 10, 15, 20 names; ours are domains, so that one zone's missing names count
//! once]. Names without a dot and special zones are not counted, and the failures are at least a quarter of all domains
//! that it asked for: who asks for others, as resolvers and mail servers do, meets dead ones [ours]. A hint alone, and
//! low, whatever the number. ATT&CK T1568.002.

use flowlore_common::label::Behaviour;

use super::{Evidence, Hit, Score, words};
use crate::score::{self, Steps};
use crate::stats;

/// Domains that do not exist within an hour. [Slips: from 10 on; powers of ten above: ours, as for scans]
const STEPS: Steps = Steps { base: 10, low: 100, medium: 1_000, high: 10_000 };
/// From so many domains on a source is looked at.
pub(crate) const DOMAINS_MIN: usize = STEPS.base as usize;
/// They are at least one in so many of the domains asked for. [ours]
const SHARE: u64 = 4;
const HOUR_US: i64 = 3_600_000_000;
/// Domains named in the sentence.
const SHOWN: usize = 3;

/// Domains that a source asked for in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Most that were first asked for within an hour.
    pub(crate) peak: u64,
    /// All that never resolved.
    pub(crate) missing: u64,
    /// All that it asked for.
    pub(crate) domains: u64,
    /// Some of them.
    pub(crate) sample: Vec<Box<str>>,
}

impl Missing {
    /// What `first_us`, the first look-ups of the domains that never resolved, add up to.
    pub(crate) fn new(mut first_us: Vec<i64>, domains: u64, sample: Vec<Box<str>>) -> Self {
        first_us.sort_unstable();
        let missing = first_us.len() as u64;
        Self { peak: stats::most_within(first_us.into_iter(), HOUR_US), missing, domains, sample }
    }

    /// A score from ten domains an hour on.
    pub(crate) fn score(&self) -> Option<Score> {
        let base_milli = score::bucket(self.peak, &STEPS);
        let found = base_milli > 0 && self.missing * SHARE >= self.domains;
        found.then_some(Score { behaviour: Behaviour::DgaNxdomain, base_milli })
    }

    /// The same in sentences.
    pub(crate) fn hit(&self, score: Score) -> Hit {
        let sample: Vec<&str> = self.sample.iter().take(SHOWN).map(|name| &**name).collect();
        let such = if sample.is_empty() {
            String::new()
        } else {
            format!(", such as {}", sample.join(", "))
        };
        let evidence = vec![
            Evidence::supporting(
                "missing_domains",
                self.peak as f64,
                "names",
                format!(
                    "{} asked for within an hour that do not exist{such}.",
                    words::counted(self.peak, "domain", "different domains")
                ),
            )
            .threshold(STEPS.base as f64),
            Evidence::against(
                "domains",
                self.domains as f64,
                "names",
                format!(
                    "{} of {} resolved. Typing errors, dead links and mail filters ask in vain too.",
                    words::grouped(self.domains.saturating_sub(self.missing)),
                    words::counted(self.domains, "domain", "domains asked for")
                ),
            ),
        ];
        Hit {
            behaviour: score.behaviour,
            base_milli: score.base_milli,
            scores: Vec::new(),
            evidence,
            limits: Vec::new(),
        }
    }
}

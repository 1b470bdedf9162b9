//! Findings that stand in an order that attacks have: of one host, and after a step that got onto another host, of that
//! one, too.

use std::collections::{BTreeMap, BTreeSet};

use flowlore_common::{
    label::{Behaviour, Severity},
    time::Micros,
};

use super::{Drafted, THREAT};
use crate::{
    limits::SEQUENCE_FINDINGS_MAX,
    packed::Addr,
    report::model::{Finding, SequenceEntry, StepEntry},
    sequences::{Sequence, Sequences, Step, is_movement},
};

/// Steps from which on a sequence says more than its findings: two follow each other by chance, too.
const TELLING_STEPS: usize = 3;

/// A sequence that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told<'a> {
    pub(super) sequence: &'a Sequence,
    /// The number of the finding that is each step.
    pub(super) steps: Vec<usize>,
}

impl Told<'_> {
    /// How grave what its findings come to is: the gravest of them, and one step above it where three or more stand in
    /// order; not above high, since none of them alone shows more.
    pub(super) fn severity(&self, gravest: Severity) -> Severity {
        if self.steps.len() < TELLING_STEPS {
            return gravest;
        }
        gravest.max(gravest.raised().min(Severity::High))
    }

    /// As the report shows it.
    pub(super) fn entry(&self, drafts: &[Drafted]) -> SequenceEntry {
        let step = |&at: &usize| {
            let Drafted { finding, begun_us, .. } = &drafts[at];
            StepEntry {
                at: Micros(*begun_us),
                host: finding.source.address,
                finding_id: finding.id.clone(),
                sentence: sentence(finding),
            }
        };
        SequenceEntry {
            name: self.sequence.name.to_string(),
            title: self.sequence.title.to_string(),
            steps: self.steps.iter().map(step).collect(),
        }
    }
}

/// What a finding is, to whom, and the first thing that speaks for it.
fn sentence(finding: &Finding) -> String {
    let to = &finding.destination;
    let place = match (&to.host, to.count) {
        (_, Some(hosts)) => format!("{hosts} hosts"),
        (Some(host), None) => host.clone(),
        (None, None) => to.address.to_string(),
    };
    let why = finding.evidence.iter().find(|evidence| evidence.supports);
    let why = why.map(|evidence| format!(" {}", evidence.sentence)).unwrap_or_default();
    format!("{}, {place}.{why}", finding.title())
}

/// What of a finding decides about its place in a sequence.
struct Seen {
    number: usize,
    behaviour: Behaviour,
    source: Addr,
    first_us: i64,
    last_us: i64,
    /// Where it went, as far as that is listed.
    addresses: BTreeSet<Addr>,
}

impl Seen {
    fn of(number: usize, Drafted { finding, begun_us, .. }: &Drafted) -> Option<Self> {
        if finding.severity < Severity::Medium || finding.behaviour.kind() != THREAT {
            return None; // what is low is in every network, every day
        }
        let to = &finding.destination;
        let addresses = to.addresses_seen.iter().chain([&to.address]).map(|&one| one.into());
        Some(Self {
            number,
            behaviour: finding.behaviour,
            source: finding.source.address.into(),
            first_us: *begun_us,
            last_us: finding.last.0,
            addresses: addresses.collect(),
        })
    }

    /// The hosts that can do the next step: those that it got onto, and, where that is allowed, its own.
    fn hosts(&self, next: &Step) -> impl Iterator<Item = &Addr> {
        let reached = self.addresses.iter().filter(|_| is_movement(self.behaviour));
        let own = (!next.reached).then_some(&self.source);
        reached.filter(|host| **host != self.source).chain(own)
    }

    /// Whether another one can be the next step. Somebody's work on a host is seen in several ways, none of which is what
    /// came after it.
    fn leads_to(&self, next: &Self, within_us: i64) -> bool {
        let last_us = self.last_us.saturating_add(within_us);
        let same_work = is_movement(self.behaviour)
            && next.source == self.source
            && !next.addresses.is_disjoint(&self.addresses);
        self.first_us < next.first_us
            && next.first_us <= last_us
            && next.number != self.number
            && !same_work
    }
}

/// A step that can be come to, and from which place in the step before.
struct Come<'a> {
    seen: &'a Seen,
    from: usize,
}

/// The sequences among findings, which are in order of gravity; of several ways the one by graver findings, and each
/// finding in one of a kind.
pub(super) fn find<'a>(sequences: &'a Sequences, drafts: &[Drafted]) -> Vec<Told<'a>> {
    let seen: Vec<Seen> =
        drafts.iter().enumerate().filter_map(|(at, one)| Seen::of(at, one)).collect();
    let mut told: Vec<Told<'_>> =
        sequences.iter().flat_map(|sequence| matches(sequence, &seen)).collect();
    // Longer ones first; what is a part of another says nothing beside it.
    told.sort_by_key(|one| std::cmp::Reverse(one.steps.len()));
    let mut kept: Vec<Told<'_>> = Vec::new();
    for one in told {
        let part_of = |other: &Told<'_>| one.steps.iter().all(|step| other.steps.contains(step));
        if !kept.iter().any(part_of) {
            kept.push(one);
        }
    }
    kept
}

fn matches<'a>(sequence: &'a Sequence, seen: &[Seen]) -> Vec<Told<'a>> {
    let mut ways: Vec<Vec<Come<'_>>> = Vec::new();
    for step in &sequence.steps {
        let of_step = seen.iter().filter(|one| step.behaviours.contains(&one.behaviour));
        let Some(before) = ways.last() else {
            ways.push(of_step.map(|seen| Come { seen, from: 0 }).collect());
            continue;
        };
        let mut by_source: BTreeMap<Addr, Vec<&Seen>> = BTreeMap::new();
        for one in of_step {
            let of_source = by_source.entry(one.source).or_default();
            if of_source.len() < SEQUENCE_FINDINGS_MAX {
                of_source.push(one);
            }
        }
        let mut come: BTreeMap<usize, Come<'_>> = BTreeMap::new();
        for (from, Come { seen: earlier, .. }) in before.iter().enumerate() {
            let next = earlier.hosts(step).filter_map(|host| by_source.get(host)).flatten();
            for seen in next.filter(|one| earlier.leads_to(one, step.within_us)) {
                come.entry(seen.number).or_insert(Come { seen, from });
            }
        }
        ways.push(come.into_values().collect());
    }
    let mut used = BTreeSet::new();
    let ends = ways.last().map_or(0, Vec::len);
    let whole = (0..ends).filter_map(|end| {
        let mut at = end;
        let mut steps: Vec<usize> = Vec::new();
        for way in ways.iter().rev() {
            let Come { seen, from } = way.get(at)?;
            steps.push(seen.number);
            at = *from;
        }
        steps.reverse();
        // In itself and beside others each finding is one step.
        let all: BTreeSet<usize> = steps.iter().copied().collect();
        let fresh = all.len() == steps.len() && all.is_disjoint(&used);
        used.extend(all.iter().filter(|_| fresh));
        fresh.then_some(Told { sequence, steps })
    });
    whole.collect()
}

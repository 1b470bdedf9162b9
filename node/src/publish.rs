//! The one door: what of an analysis, or of what a person says, may leave this node, and when.
//!
//! In: destinations with what was seen of them ([`Observed`], [`Suspicion`]) or what a person thinks ([`Opinion`], in
//! `publish/opinion.rs`).
//! Out: [`Statement`]s, which hold outside destinations, days and coarse counts, and nothing else: no inside
//! address, user, file, exact time or exact count has a field to go in. What must never become a token stops here,
//! counted by reason.

mod opinion;

use std::collections::BTreeMap;

use flowlore_common::destination::{Host, Input, Inputs, OwnPolicy, WhyNot, inputs};
use flowlore_common::ids::Token;
use flowlore_common::label::{
    Behaviour, Category, Direction, EntryKind, Outcome, Purpose, Source, Verdict,
};
use flowlore_common::time::{Day, Hour};
use flowlore_veil::body::{Entry, count_log2};
use flowlore_veil::limits::ENTRIES_MAX;
use rand_core::RngCore;

use crate::outbox::{Progress, Statement};
use crate::phase;

pub use opinion::{Closing, NotSaid, Opinion, opinion, purpose_of};

/// Number of the flow categories' ladder in a body's `detector`; behaviours have their own number there.
const DETECTOR_CATEGORIES: u16 = 1;

/// An outside destination to which this org opened connections.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Which.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// IP protocol number.
    pub transport: u8,
    /// Flows by category.
    pub categories: BTreeMap<Category, u64>,
    /// Inside hosts that contacted it.
    pub hosts: u64,
    /// First day.
    pub first: Day,
    /// Last day.
    pub last: Day,
}

/// What the analyzer alone thinks of a destination.
#[derive(Clone, Debug)]
pub struct Suspicion {
    /// Which.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// IP protocol number.
    pub transport: u8,
    /// What was found.
    pub behaviour: Behaviour,
    /// 0 to 100.
    pub confidence: u8,
    /// Flows it rests on.
    pub flows: u64,
    /// Inside hosts it was found at.
    pub hosts: u64,
    /// First day.
    pub first: Day,
    /// Last day.
    pub last: Day,
}

/// When contacted labels may leave (privacy.md 2.7): in the org's daily slot, after a random number of hours.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    /// The current hour.
    pub now: Hour,
    /// The roster's policy; 0: at once.
    pub delay_hours: u16,
    /// Hour of the day of this org's slot, 0 to 23.
    pub slot: u8,
}

impl Slots {
    /// The token's next day of the four weeks, at this org's hour.
    #[must_use]
    pub fn next_phase(&self, token: &Token) -> Hour {
        phase::next(self.now, self.slot, token)
    }

    fn draw(&self, rng: &mut impl RngCore) -> Hour {
        if self.delay_hours == 0 {
            return self.now;
        }
        // 2^32 is so much larger than the delay that the remainder's bias is below one in 25 million.
        let earliest = self.now.0 + rng.next_u32() % (u32::from(self.delay_hours) + 1);
        let to_slot = (24 + u32::from(self.slot) - earliest % 24) % 24;
        Hour(earliest + to_slot)
    }
}

/// What may leave of an analysis.
#[derive(Debug, Default)]
pub struct Draft {
    /// To be said.
    pub statements: Vec<Statement>,
    /// Hosts that stay here, by reason.
    pub kept: BTreeMap<WhyNot, u64>,
}

impl Draft {
    /// How many statements stand under a purpose.
    #[must_use]
    pub fn count(&self, purpose: Purpose) -> u64 {
        self.statements.iter().filter(|said| said.purpose == purpose).count() as u64
    }
}

/// Drafts what an analysis may publish: a sighting of every answered outside destination and of its site, and
/// what the analyzer suspects of hosts.
#[must_use]
pub fn draft(
    observed: &[Observed],
    suspicions: &[Suspicion],
    policy: &OwnPolicy<'_>,
    slots: Slots,
    rng: &mut impl RngCore,
) -> Draft {
    let mut kept: BTreeMap<WhyNot, u64> = BTreeMap::new();
    let mut said: BTreeMap<(Purpose, Input), Vec<Entry>> = BTreeMap::new();
    for seen in observed {
        let entries = sightings(seen);
        if entries.is_empty() {
            continue;
        }
        match may_leave(&seen.host, policy) {
            Err(why) => *kept.entry(why).or_default() += 1,
            Ok(inputs) => {
                for input in inputs.host.into_iter().chain(inputs.site) {
                    let all = said.entry((Purpose::Contacted, input)).or_default();
                    all.extend(entries.iter().cloned());
                }
            }
        }
    }
    for suspicion in suspicions {
        match may_leave(&suspicion.host, policy) {
            Err(why) => *kept.entry(why).or_default() += 1,
            // Never the site: one bad host does not speak for its neighbours.
            Ok(inputs) => {
                if let Some(input) = inputs.host {
                    let all = said.entry((Purpose::Suspected, input)).or_default();
                    all.push(assessment_of(suspicion));
                }
            }
        }
    }
    let statements = said.into_iter().map(|((purpose, input), entries)| {
        let due = if purpose == Purpose::Contacted { slots.draw(rng) } else { slots.now };
        let progress = Progress::Due(due);
        Statement { input, purpose, entries, note: None, contributor: None, put_s: 0, progress }
    });
    Draft { statements: statements.collect(), kept }
}

/// The inputs of a host that may leave, or why it stays here.
fn may_leave(host: &Host, policy: &OwnPolicy<'_>) -> Result<Inputs, WhyNot> {
    // The leak test's positive control: no release build has it, whatever its features.
    #[cfg(all(feature = "open-gate", debug_assertions))]
    if std::env::var_os("FLOWLORE_OPEN_GATE").is_some() {
        return Ok(Inputs { host: Some(Input::host(host)), site: None });
    }
    inputs(host, policy)
}

/// Categories of answered flows only: a contact that was never answered is nobody's sighting.
fn sightings(seen: &Observed) -> Vec<Entry> {
    let answered = |category: &Category| {
        !matches!(category, Category::FailedConnection | Category::Unidirectional)
    };
    let mut categories: Vec<_> = seen
        .categories
        .iter()
        .filter(|(category, flows)| answered(category) && **flows > 0)
        .collect();
    // The most frequent, when there are more than a body holds; ties by number.
    categories.sort_by_key(|(category, flows)| (std::cmp::Reverse(**flows), **category));
    categories.truncate(ENTRIES_MAX);
    let entry = |(category, flows): (&Category, &u64)| Entry {
        kind: EntryKind::Sighting,
        direction: Direction::Outbound,
        transport: seen.transport,
        port: seen.port,
        code: u16::from(category.number()),
        verdict: Verdict::Unknown,
        confidence: 0,
        first_day: seen.first,
        last_day: seen.last,
        flows_log2: count_log2(*flows),
        hosts_log2: count_log2(seen.hosts),
        source: Source::Analyzer,
        outcome: Outcome::None,
        reason: 0,
        minutes_log2: 0,
        source_id: 0,
        detector: DETECTOR_CATEGORIES,
    };
    categories.into_iter().map(entry).collect()
}

fn assessment_of(suspicion: &Suspicion) -> Entry {
    Entry {
        kind: EntryKind::Assessment,
        direction: Direction::Outbound,
        transport: suspicion.transport,
        port: suspicion.port,
        code: suspicion.behaviour.number(),
        verdict: Verdict::Suspicious,
        confidence: suspicion.confidence.min(100),
        first_day: suspicion.first,
        last_day: suspicion.last,
        flows_log2: count_log2(suspicion.flows),
        hosts_log2: count_log2(suspicion.hosts),
        source: Source::Analyzer,
        outcome: Outcome::None,
        reason: 0,
        minutes_log2: 0,
        source_id: 0,
        detector: suspicion.behaviour.number(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowlore_common::destination::Scope;
    use flowlore_common::env::SeededRng;
    use flowlore_common::suffixes::Suffixes;

    pub(super) fn policy(own: &[&str], documentation_names: bool) -> OwnPolicy<'static> {
        OwnPolicy {
            own: own.iter().map(|scope| scope.parse::<Scope>().unwrap()).collect(),
            private: vec![],
            minting_sites: [].into(),
            documentation_names,
            suffixes: Suffixes::shipped(),
        }
    }

    fn observed(host: &str, categories: &[(Category, u64)]) -> Observed {
        Observed {
            host: host.parse().unwrap(),
            port: 443,
            transport: 6,
            categories: categories.iter().copied().collect(),
            hosts: 5,
            first: Day(20_000),
            last: Day(20_001),
        }
    }

    fn run(observed: &[Observed], policy: &OwnPolicy<'_>, delay_hours: u16) -> Draft {
        let slots = Slots { now: Hour(480_000), delay_hours, slot: 3 };
        draft(observed, &[], policy, slots, &mut SeededRng::new("publish", 1))
    }

    #[test]
    fn host_and_site_are_said_apart_with_coarse_counts() {
        let seen = [
            observed("www.evil.example", &[(Category::SmallUpload, 1_000)]),
            observed("cdn.evil.example", &[(Category::KeepAlive, 1)]),
        ];
        let draft = run(&seen, &policy(&[], true), 0);
        assert_eq!(draft.statements.len(), 3);
        let site = draft.statements.iter().find(|said| said.entries.len() == 2).unwrap();
        assert_eq!(site.input.text(), "evil.example");
        let www = draft.statements.iter().find(|said| said.input.text() == "www.evil.example");
        assert_eq!(
            (www.unwrap().entries[0].flows_log2, www.unwrap().entries[0].hosts_log2),
            (9, 2)
        );
    }

    #[test]
    fn what_must_stay_stays_and_is_counted() {
        let flows = [(Category::SmallUpload, 4)];
        let hosts = [
            "10.0.0.1",
            "printer",
            "a.corp",
            "www.acme.example",
            "acme.login.example",
            "192.168.1.7",
        ];
        let seen: Vec<_> = hosts.iter().map(|host| observed(host, &flows)).collect();
        let draft = run(&seen, &policy(&["acme.example"], true), 0);
        assert!(draft.statements.is_empty());
        assert_eq!(draft.kept.values().sum::<u64>(), 6);
        assert_eq!(draft.kept[&WhyNot::Own], 1);
        assert_eq!(draft.kept[&WhyNot::NamesOwn], 1);
        // Documentation names, unless the federation says otherwise.
        assert!(
            run(&[observed("evil.example", &flows)], &policy(&[], false), 0).statements.is_empty()
        );
    }

    #[test]
    fn unanswered_contacts_are_no_sightings() {
        let seen = [
            observed(
                "evil.example",
                &[(Category::FailedConnection, 9), (Category::Unidirectional, 9)],
            ),
            observed("203.0.113.9", &[(Category::FailedConnection, 9), (Category::KeepAlive, 1)]),
        ];
        let draft = run(&seen, &policy(&[], true), 0);
        assert_eq!(draft.statements.len(), 1);
        assert_eq!(draft.statements[0].entries.len(), 1);
    }

    #[test]
    fn contacted_labels_leave_in_the_slot_within_the_delay() {
        let seen: Vec<_> = (0..200)
            .map(|number| {
                observed(&format!("h{number}.s{number}.example"), &[(Category::KeepAlive, 1)])
            })
            .collect();
        let draft = run(&seen, &policy(&[], true), 144);
        let mut days = std::collections::BTreeSet::new();
        for said in &draft.statements {
            let Progress::Due(due) = said.progress else { panic!("sealed already") };
            assert_eq!(due.0 % 24, 3);
            assert!((480_000..=480_000 + 144 + 24).contains(&due.0));
            days.insert(due.day());
        }
        assert!(days.len() >= 6, "{days:?}");
    }
}

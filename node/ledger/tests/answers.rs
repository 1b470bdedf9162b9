//! Goal: an answer says what the labels say, by the rules of `answer::verdict` and `answer::level`.
//! Method: a federation of some groups, a few labels, the expected level.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use flowlore_common::answer::{Class, Contacted, Level, Trend, Voices};
use flowlore_common::label::{EntryKind, Outcome, Purpose, Source, Verdict};
use flowlore_common::time::{Day, Hour};
use flowlore_ledger::answer::Question;
use flowlore_ledger::ledger::Ledger;
use flowlore_veil::body::{Body, Entry};
use world::{NOW, World, assessment, entry, question, sighting, today};

const NAME: &str = "evil.example";

struct Case {
    world: World,
    ledger: Ledger,
}

impl Case {
    fn new(groups: &[u8]) -> Self {
        let world = World::new(groups);
        let ledger = world.ledger();
        Self { world, ledger }
    }

    fn says(&mut self, org: usize, purpose: Purpose, body: &Body) -> &mut Self {
        self.says_at(org, purpose, body, NOW)
    }

    fn says_at(&mut self, org: usize, purpose: Purpose, body: &Body, at: Hour) -> &mut Self {
        let label = self.world.label(org, NAME, purpose, body);
        let author = self.world.orgs[org].author();
        let rng = &mut self.world.rng;
        self.ledger.seal(author, purpose, vec![label], at, rng).unwrap();
        self
    }

    fn flags(&mut self, org: usize, verdict: Verdict, source: Source) -> &mut Self {
        self.says(org, Purpose::Flagged, &assessment(verdict, source, 91))
    }

    fn level(&self) -> Level {
        self.level_on(today()).expect("somebody said something")
    }

    fn level_on(&self, day: Day) -> Option<Level> {
        self.ledger.answer(&question(NAME), day).unwrap().host
    }

    fn verdict(&self) -> (Verdict, u8) {
        let level = self.level();
        (level.verdict, level.confidence)
    }
}

fn with(change: impl FnOnce(&mut Entry)) -> Body {
    let mut body = assessment(Verdict::Malicious, Source::Person, 91);
    change(&mut body.entries[0]);
    body
}

#[test]
fn unseen_is_null_and_not_benign() {
    let case = Case::new(&[1, 2]);
    let answer = case.ledger.answer(&question(NAME), today()).unwrap();
    assert_eq!((answer.host, answer.site, answer.members), (None, None, 2));
    let nothing = case.ledger.answer(&Question::default(), today()).unwrap();
    assert_eq!((nothing.host, nothing.site), (None, None));
}

#[test]
fn malicious_needs_three_groups_of_people() {
    let mut case = Case::new(&[1, 2, 3, 3]);
    case.flags(0, Verdict::Malicious, Source::Person);
    assert_eq!(case.verdict(), (Verdict::Suspicious, 50));
    case.flags(2, Verdict::Malicious, Source::Person);
    assert_eq!(case.verdict(), (Verdict::Suspicious, 65));
    case.flags(3, Verdict::Malicious, Source::Person);
    assert_eq!(case.verdict(), (Verdict::Suspicious, 65), "a sibling is no third group");
    case.flags(1, Verdict::Malicious, Source::Person);
    assert_eq!(case.verdict(), (Verdict::Malicious, 80));
    let tally = case.level().tally;
    let voices = Voices { orgs: 4, groups: 3, by_people: 4 };
    assert_eq!(tally, [(Verdict::Malicious, voices)].into());
}

#[test]
fn common_destinations_need_people() {
    for (contacted, source, expected) in [
        (false, Source::Analyzer, Verdict::Malicious),
        (true, Source::Analyzer, Verdict::Suspicious),
        (true, Source::Person, Verdict::Malicious),
    ] {
        let mut case = Case::new(&[1, 2, 3]);
        for org in 0..3 {
            case.flags(org, Verdict::Malicious, source);
        }
        if contacted {
            case.says(0, Purpose::Contacted, &sighting());
        }
        assert_eq!(case.level().verdict, expected, "{contacted} {source}");
    }
}

#[test]
fn analyzers_alone_are_suspicious_at_most() {
    let mut case = Case::new(&[1, 2, 3, 4, 5]);
    for org in 0..5 {
        let body = assessment(Verdict::Malicious, Source::Analyzer, 99);
        case.says(org, Purpose::Suspected, &body);
    }
    assert_eq!(case.verdict(), (Verdict::Suspicious, 40));
    let voices = Voices { orgs: 5, groups: 5, by_people: 0 };
    assert_eq!(case.level().tally, [(Verdict::Suspicious, voices)].into());
}

#[test]
fn popular_is_not_benign() {
    let mut case = Case::new(&[1, 2, 3, 4]);
    for org in 0..4 {
        case.says(org, Purpose::Contacted, &sighting());
    }
    let level = case.level();
    assert_eq!((level.verdict, level.confidence), (Verdict::Unknown, 0));
    assert_eq!(level.contacted, Contacted { orgs: 4, groups: 4, members: 4 });
    assert_eq!((level.class, level.trend), (Class::Ordinary, Some(Trend::New)));
    assert_eq!(level.behaviours[0].code, "small_upload");
    assert_eq!(level.behaviours[0].orgs, 4);
}

#[test]
fn benign_needs_three_vouching_groups_and_a_dispute_is_shown() {
    let mut case = Case::new(&[1, 2, 3, 4]);
    let vouch = assessment(Verdict::Benign, Source::Person, 70);
    case.says(0, Purpose::Vouched, &vouch).says(1, Purpose::Vouched, &vouch);
    assert_eq!(case.verdict(), (Verdict::Unknown, 0));
    case.says(2, Purpose::Vouched, &vouch);
    assert_eq!(case.verdict(), (Verdict::Benign, 70));
    assert!(!case.level().disputed);
    case.flags(3, Verdict::Suspicious, Source::Person);
    assert_eq!(case.verdict(), (Verdict::Suspicious, 40), "50 less 10");
    assert!(case.level().disputed);
}

#[test]
fn imports_are_no_sighting_and_no_voice() {
    let mut case = Case::new(&[1, 2]);
    case.says(0, Purpose::Flagged, &assessment(Verdict::Malicious, Source::Import, 99));
    let level = case.level();
    assert_eq!((level.verdict, level.tally.len()), (Verdict::Unknown, 0));
    assert_eq!(level.first_seen.claimed, None);
}

#[test]
fn a_body_that_cannot_be_opened_counts_its_org_only() {
    let mut case = Case::new(&[1, 2]);
    let mut label = case.world.label(0, NAME, Purpose::Contacted, &sighting());
    *label.item.last_mut().unwrap() ^= 1;
    let author = case.world.orgs[0].author();
    let rng = &mut case.world.rng;
    case.ledger.seal(author, Purpose::Contacted, vec![label], NOW, rng).unwrap();
    let level = case.level();
    assert_eq!(level.contacted.orgs, 1);
    assert_eq!((level.last_seen, level.behaviours.len()), (None, 0));
}

#[test]
fn days_after_sealing_count_for_nothing() {
    let mut case = Case::new(&[1, 2]);
    let body = with(|entry| entry.last_day = Day(today().0 + 1));
    case.says(0, Purpose::Flagged, &body);
    assert_eq!(case.level().verdict, Verdict::Unknown);
}

#[test]
fn first_and_last_days_and_an_age_that_three_groups_support() {
    let mut case = Case::new(&[1, 1, 2, 3]);
    for (org, first) in [(0, 100), (1, 90), (2, 30), (3, 20)] {
        let body = with(|entry| entry.first_day = Day(today().0 - first));
        case.says(org, Purpose::Flagged, &body);
        let expected = (org == 3).then_some(20);
        assert_eq!(case.level().age_days, expected, "org {org}");
    }
    let level = case.level();
    assert_eq!(level.first_seen.claimed, Some(Day(today().0 - 100)));
    assert_eq!(level.first_seen.witnessed, None);
    assert_eq!(level.last_seen, Some(Day(today().0 - 1)));
}

#[test]
fn labels_end_with_their_lifetime_and_the_answer_says_when() {
    let mut case = Case::new(&[1, 2, 3]);
    case.says(0, Purpose::Contacted, &sighting());
    for (org, days) in [(0, 30), (1, 20), (2, 10)] {
        let sealed = Hour(NOW.0 - days * 24);
        let old = with(|entry| {
            entry.first_day = Day(sealed.day().0 - 5);
            entry.last_day = sealed.day();
        });
        // Org 0 sealed its sighting now, and hours never fall: it is asked last.
        let at = if org == 0 { NOW } else { sealed };
        case.says_at(org, Purpose::Flagged, &old, at);
    }
    let level = case.level();
    let lifetime = 26 * 7;
    assert_eq!(level.verdict, Verdict::Malicious);
    assert_eq!(level.holds_until, Some(Day(today().0 - 20 + lifetime)));
    let last = level.holds_until.unwrap();
    let verdict_on = |day| case.level_on(day).map(|level| level.verdict);
    assert_eq!(verdict_on(last), Some(Verdict::Malicious));
    assert_eq!(verdict_on(Day(last.0 + 1)), Some(Verdict::Suspicious));
    assert_eq!(verdict_on(Day(today().0 + lifetime)), Some(Verdict::Suspicious));
    assert_eq!(verdict_on(Day(today().0 + lifetime + 1)), None);
    assert_eq!(verdict_on(Day(today().0 - 100)), None, "nothing was said by then");
}

#[test]
fn the_last_label_stands_and_a_retraction_ends_it() {
    let mut case = Case::new(&[1, 2]);
    case.flags(0, Verdict::Malicious, Source::Person);
    case.says(0, Purpose::Flagged, &assessment(Verdict::Suspicious, Source::Person, 30));
    assert_eq!(case.verdict(), (Verdict::Suspicious, 30));
    let label = case.world.retraction(0, NAME, Purpose::Flagged);
    let author = case.world.orgs[0].author();
    case.ledger.seal(author, Purpose::Flagged, vec![label], NOW, &mut case.world.rng).unwrap();
    assert_eq!(case.level_on(today()), None);
}

#[test]
fn knocks_are_noise_and_neither_calm_nor_raise() {
    let mut case = Case::new(&[1, 2]);
    let mut knock = entry(1);
    knock.port = 22;
    case.says(0, Purpose::Knocked, &Body::new(None, None, vec![knock]));
    let level = case.level();
    let noise = level.noise.unwrap();
    assert_eq!((noise.orgs, noise.ports), (1, vec![22]));
    assert_eq!((level.verdict, level.contacted.orgs), (Verdict::Unknown, 0));
    assert_eq!((level.first_seen.claimed, level.behaviours.len()), (None, 0));
}

#[test]
fn dispositions_count_groups() {
    let mut case = Case::new(&[1, 1, 2]);
    for (org, outcome) in
        [(0, Outcome::TruePositive), (1, Outcome::TruePositive), (2, Outcome::FalsePositive)]
    {
        let body = with(|entry| {
            entry.kind = EntryKind::Disposition;
            entry.outcome = outcome;
        });
        case.says(org, Purpose::Flagged, &body);
    }
    let closed = case.level().closed_elsewhere.unwrap();
    assert_eq!((closed.true_positive, closed.false_positive, closed.benign_expected), (1, 1, 0));
    assert_eq!(case.level().verdict, Verdict::Unknown, "a disposition is no assessment");
}

#[test]
fn the_same_objects_give_the_same_bytes() {
    let mut case = Case::new(&[1, 2, 3]);
    case.says(0, Purpose::Contacted, &sighting()).flags(1, Verdict::Malicious, Source::Person);
    let bytes = || {
        let answer = case.ledger.answer(&question(NAME), today()).unwrap();
        serde_json::to_string(&answer).unwrap()
    };
    assert_eq!(bytes(), bytes());
    let keys = ["\"day\":\"2026-11-24\"", "\"state_version\":1", "\"closed_elsewhere\":null"];
    assert!(keys.iter().all(|key| bytes().contains(key)), "{}", bytes());
}

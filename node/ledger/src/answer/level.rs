//! One level of an answer: counts, days, trend, class and behaviours, by these rules.
//!
//! - *first seen, claimed*: the earliest first day of any entry that is no import, knocks aside.
//! - *last seen*: the latest last day of any such entry; a refresh says no day, so it counts as the first of its four weeks.
//! - *age*: days since the third group's earliest first day. One group alone could claim any age.
//! - *trend*: by orgs a week, see [`trend`].
//! - *class*: `popular` from a quarter of the members and ten groups on, `rare` up to two orgs.
//!   Shared infrastructure is not told apart yet.

use std::collections::{BTreeMap, BTreeSet};

use flowlore_common::answer::{
    Class, Closed, Contacted, FirstSeen, Level, Noise, SeenBehaviour, Trend, Week,
};
use flowlore_common::ids::OrgId;
use flowlore_common::label::{Behaviour, Category, Direction, EntryKind, Outcome, Purpose, Source};
use flowlore_common::limits::ANSWER_BEHAVIOURS_MAX;
use flowlore_common::time::Day;
use flowlore_veil::body::Entry;

use super::verdict::judge;
use super::{Word, Words};
use crate::aggregate::{groups, sum};
use crate::store::row::{monday_of, week_of};

/// Groups whose claims are needed to believe an age.
const AGE_GROUPS: usize = 3;
/// Orgs and groups of `rare` and `popular`.
const RARE_ORGS_MAX: u32 = 2;
const POPULAR_GROUPS_MIN: u32 = 10;
/// A quarter of the members.
const POPULAR_SHARE: u32 = 4;

/// Weeks that `gone`, and the base of `rising` and `fading`, look at.
const BASE_WEEKS: usize = 4;
/// Weeks that are recent: the running one, which is not over, and the one before.
const RECENT_WEEKS: usize = 2;
/// Days that a refresh speaks for.
const REFRESH_DAYS: u16 = 28;
/// Days without contact after which a contact is a return.
const GAP_DAYS: usize = 60;

/// What is said about a name; `None`: nothing.
pub(super) fn level(words: &Words<'_>, members: u32, day: Day) -> Option<Level> {
    if words.is_empty() {
        return None;
    }
    let of = |purpose| words.get(&purpose).map_or(&[][..], Vec::as_slice);
    let contacted = of(Purpose::Contacted);
    let rows: Vec<_> = contacted.iter().map(|word| (word.member, word.row)).collect();
    let aggregate = sum(&rows, day);
    let contacted = Contacted { orgs: aggregate.orgs, groups: aggregate.groups, members };
    let judged = judge(words, contacted);
    let seen = seen_words(words);
    let people = super::notes::notes(words);
    Some(Level {
        contacted,
        noise: noise(of(Purpose::Knocked)),
        first_seen: FirstSeen { claimed: first_day(&seen), witnessed: None },
        last_seen: seen.iter().filter_map(|word| last_day(word)).max(),
        age_days: age(&seen, day),
        trend: trend(&aggregate.weeks),
        weeks: weeks(&aggregate.weeks, day),
        verdict: judged.verdict,
        confidence: judged.confidence,
        tally: judged.tally,
        disputed: judged.disputed,
        holds_until: judged.holds_until,
        class: class(contacted),
        behaviours: behaviours(&seen),
        closed_elsewhere: closed(words),
        titles: people.titles,
        tags: people.tags,
        notes: people.notes,
    })
}

/// Words of those who had to do with it; knocks are noise and stand apart.
fn seen_words<'a>(words: &'a Words<'a>) -> Vec<&'a Word<'a>> {
    let purposes = words.iter().filter(|(purpose, _)| **purpose != Purpose::Knocked);
    purposes.flat_map(|(_, words)| words).collect()
}

/// What the org itself says. An import is never a sighting.
fn said<'a>(word: &'a Word<'_>) -> impl Iterator<Item = &'a Entry> {
    word.entries.iter().filter(|entry| entry.source != Source::Import)
}

/// The last day that an org says, or the first of the four weeks that its last refresh speaks for: in them it was seen.
fn last_day(word: &Word<'_>) -> Option<Day> {
    let last = said(word).map(|entry| entry.last_day).max()?;
    let is_refreshed = word.row.latest > word.row.sealed;
    let refreshed = word.row.latest.day().0.saturating_sub(REFRESH_DAYS - 1);
    Some(if is_refreshed { last.max(Day(refreshed)) } else { last })
}

fn first_day(words: &[&Word<'_>]) -> Option<Day> {
    words.iter().flat_map(|word| said(word)).map(|entry| entry.first_day).min()
}

fn age(words: &[&Word<'_>], day: Day) -> Option<u32> {
    let mut firsts: BTreeMap<[u8; 32], Day> = BTreeMap::new();
    for word in words {
        if let Some(first) = said(word).map(|entry| entry.first_day).min() {
            let ours = firsts.entry(word.member.control_group).or_insert(first);
            *ours = first.min(*ours);
        }
    }
    let mut firsts: Vec<_> = firsts.into_values().collect();
    firsts.sort_unstable();
    let third = firsts.get(AGE_GROUPS - 1)?;
    Some(u32::from(day.0.saturating_sub(third.0)))
}

fn noise(words: &[Word<'_>]) -> Option<Noise> {
    if words.is_empty() {
        return None;
    }
    let entries = || words.iter().flat_map(|word| said(word));
    let ports: BTreeSet<_> = entries().map(|entry| entry.port).filter(|port| *port != 0).collect();
    Some(Noise {
        orgs: u32::try_from(words.len()).unwrap_or(u32::MAX),
        ports: ports.into_iter().take(ANSWER_BEHAVIOURS_MAX).collect(),
        first: entries().map(|entry| entry.first_day).min(),
        last: entries().map(|entry| entry.last_day).max(),
    })
}

fn weeks(orgs: &[u32], day: Day) -> Vec<Week> {
    let newest = week_of(day);
    let listed = (0_u16..).zip(orgs).filter(|(_, orgs)| **orgs > 0);
    let week = |(before, orgs): (u16, &u32)| Week {
        week: monday_of(newest.saturating_sub(before)),
        orgs: *orgs,
    };
    let mut weeks: Vec<_> = listed.map(week).collect();
    weeks.reverse();
    weeks
}

/// Where the use is going, from orgs by week, the running week first.
///
/// `gone`: none in four weeks. `new`: the first of all weeks is recent. `returned`: recent use, and
/// none in the 60 days before. Else the larger of the two recent weeks, as the running one is not
/// over, is compared with the mean of the four before: at least half as many again and at least
/// two more is `rising`, at most half is `fading`.
fn trend(orgs: &[u32]) -> Option<Trend> {
    let active = |weeks: &[u32]| weeks.iter().any(|orgs| *orgs > 0);
    if !active(orgs) {
        return None;
    }
    let (recent, before) = orgs.split_at(RECENT_WEEKS);
    if !active(&orgs[..BASE_WEEKS]) {
        return Some(Trend::Gone);
    }
    if !active(before) {
        return Some(Trend::New);
    }
    if active(recent) && !active(&before[..GAP_DAYS.div_ceil(7)]) {
        return Some(Trend::Returned);
    }
    let base_weeks = u32::try_from(BASE_WEEKS).unwrap_or(u32::MAX);
    let base: u32 = before[..BASE_WEEKS].iter().sum();
    let now = recent.iter().copied().max().unwrap_or(0).saturating_mul(base_weeks);
    let two_more = base.saturating_add(2 * base_weeks);
    Some(if now.saturating_mul(2) >= base.saturating_mul(3) && now >= two_more {
        Trend::Rising
    } else if now.saturating_mul(2) <= base {
        Trend::Fading
    } else {
        Trend::Steady
    })
}

fn class(contacted: Contacted) -> Class {
    let is_quarter = contacted.orgs.saturating_mul(POPULAR_SHARE) >= contacted.members;
    if contacted.groups >= POPULAR_GROUPS_MIN && is_quarter {
        Class::Popular
    } else if contacted.orgs <= RARE_ORGS_MAX {
        Class::Rare
    } else {
        Class::Ordinary
    }
}

fn behaviours(words: &[&Word<'_>]) -> Vec<SeenBehaviour> {
    type Kind = (u16, u16, u16, u8, u8);
    let mut by_kind: BTreeMap<Kind, (BTreeSet<OrgId>, SeenBehaviour)> = BTreeMap::new();
    for word in words {
        for entry in said(word).filter(|entry| entry.kind != EntryKind::Disposition) {
            // Behaviours before flow categories, graver families first: as numbers descend.
            let is_category = u16::from(entry.code < 0x0100);
            let direction = entry.direction.number();
            let kind = (is_category, entry.code, entry.port, entry.transport, direction);
            let (orgs, seen) =
                by_kind.entry(kind).or_insert_with(|| (BTreeSet::new(), seen_behaviour(entry)));
            orgs.insert(word.member.org);
            seen.orgs = u32::try_from(orgs.len()).unwrap_or(u32::MAX);
            seen.first = seen.first.min(entry.first_day);
            seen.last = seen.last.max(entry.last_day);
        }
    }
    let mut kinds: Vec<_> = by_kind.into_iter().map(|(kind, (_, seen))| (kind, seen)).collect();
    kinds.sort_by_key(|(kind, seen)| (kind.0, std::cmp::Reverse(seen.orgs), *kind));
    kinds.truncate(ANSWER_BEHAVIOURS_MAX);
    kinds.into_iter().map(|(_, seen)| seen).collect()
}

fn seen_behaviour(entry: &Entry) -> SeenBehaviour {
    let category = || Category::from_number(u8::try_from(entry.code).ok()?).map(Category::name);
    let name = Behaviour::from_number(entry.code).map(Behaviour::name).or_else(category);
    let is_known = matches!(entry.direction, Direction::Inbound | Direction::Outbound);
    SeenBehaviour {
        code: name.map_or_else(|| format!("code_{:04x}", entry.code), str::to_owned),
        direction: is_known.then_some(entry.direction),
        port: entry.port,
        transport: match entry.transport {
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            other => other.to_string(),
        },
        orgs: 0,
        first: entry.first_day,
        last: entry.last_day,
    }
}

fn closed(words: &Words<'_>) -> Option<Closed> {
    let by = |outcome| {
        let says = |word: &&Word<'_>| {
            let mut dispositions = said(word).filter(|e| e.kind == EntryKind::Disposition);
            dispositions.any(|entry| entry.outcome == outcome && entry.source == Source::Person)
        };
        groups(words.values().flatten().filter(says).map(|word| word.member))
    };
    let closed = Closed {
        true_positive: by(Outcome::TruePositive),
        benign_expected: by(Outcome::BenignExpected),
        false_positive: by(Outcome::FalsePositive),
    };
    (closed != Closed::default()).then_some(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Orgs by week, the running week first, zeros after.
    fn weeks_of(recent: &[u32]) -> Vec<u32> {
        let mut weeks = recent.to_vec();
        weeks.resize(64, 0);
        weeks
    }

    #[test]
    fn trends() {
        for (recent, expected) in [
            (&[][..], None),
            (&[1, 2], Some(Trend::New)),
            (&[0, 0, 1], Some(Trend::Fading)),
            (&[0, 0, 0, 0, 1], Some(Trend::Gone)),
            (&[5, 5, 5, 5, 5, 5], Some(Trend::Steady)),
            (&[0, 5, 5, 5, 5, 5], Some(Trend::Steady)),
            (&[8, 5, 5, 5, 5, 5], Some(Trend::Rising)),
            (&[2, 1, 1, 1, 1, 1], Some(Trend::Steady)),
            (&[2, 2, 5, 5, 5, 5], Some(Trend::Fading)),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], Some(Trend::Returned)),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], Some(Trend::Steady)),
        ] {
            assert_eq!(trend(&weeks_of(recent)), expected, "{recent:?}");
        }
    }

    #[test]
    fn classes() {
        let of = |orgs, groups, members| class(Contacted { orgs, groups, members });
        assert_eq!(of(2, 2, 3), Class::Rare);
        assert_eq!(of(3, 3, 3), Class::Ordinary);
        assert_eq!(of(10, 10, 40), Class::Popular);
        assert_eq!(of(10, 10, 41), Class::Ordinary);
        assert_eq!(of(10, 9, 10), Class::Ordinary);
    }
}

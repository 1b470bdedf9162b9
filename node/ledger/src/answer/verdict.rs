//! The verdict, by counting groups. Nothing is benign because it is popular, and one voice is
//! never enough for the gravest word:
//!
//! - `malicious`: flagged as malicious by three groups (the threshold of flagged labels). Where 5 %
//!   or more of the members contact it, people at three groups must say so, as a mistake would hit
//!   many.
//! - `suspicious`: anybody flags it, or any analyzer suspects it.
//! - `benign`: people at three groups vouch for it, and nobody says otherwise.
//! - `unknown`: else.
//!
//! What analyzers say alone is suspicious at most, whatever they call it. Disagreement is shown,
//! not averaged: a dispute does not change the verdict.

use std::collections::{BTreeMap, BTreeSet};

use flowlore_common::answer::{Contacted, Voices};
use flowlore_common::label::{EntryKind, Purpose, Source, Verdict};
use flowlore_common::time::Day;

use super::{Word, Words};
use crate::aggregate::groups;

/// A destination contacted by one in so many members is common.
const COMMON_SHARE: u32 = 20;

/// What is thought of a name.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) confidence: u8,
    pub(super) tally: BTreeMap<Verdict, Voices>,
    pub(super) disputed: bool,
    pub(super) holds_until: Option<Day>,
}

/// One org's word for one verdict.
#[derive(Clone, Copy)]
struct Voice<'a> {
    word: &'a Word<'a>,
    by_person: bool,
    /// In a suspected label: an analyzer alone.
    suspected: bool,
    confidence: u8,
}

pub(super) fn judge(words: &Words<'_>, contacted: Contacted) -> Judged {
    let flagged = |verdict| voices(words, Purpose::Flagged, |said| said == verdict);
    let malicious = flagged(Verdict::Malicious);
    let mut suspicious = flagged(Verdict::Suspicious);
    let is_harmful = |said| matches!(said, Verdict::Suspicious | Verdict::Malicious);
    let suspected = voices(words, Purpose::Suspected, is_harmful);
    suspicious.extend(suspected);
    let benign = voices(words, Purpose::Vouched, |said| said == Verdict::Benign);
    let unknown = voices(words, Purpose::Vouched, |said| said == Verdict::Unknown);
    let threshold = u32::from(Purpose::Flagged.threshold());
    let needs_people =
        contacted.orgs > 0 && contacted.orgs.saturating_mul(COMMON_SHARE) >= contacted.members;
    let decisive: Vec<_> =
        malicious.iter().copied().filter(|voice| voice.by_person || !needs_people).collect();
    let vouching: Vec<_> = benign.iter().copied().filter(|voice| voice.by_person).collect();
    let harmful: Vec<_> = malicious.iter().chain(&suspicious).copied().collect();
    let is_vouched = !benign.is_empty() || !unknown.is_empty();
    let disputed = !harmful.is_empty() && is_vouched;
    let (verdict, support, needed) = if group_count(&decisive) >= threshold {
        (Verdict::Malicious, decisive, threshold)
    } else if !harmful.is_empty() {
        (Verdict::Suspicious, harmful, 1)
    } else if group_count(&vouching) >= threshold {
        (Verdict::Benign, vouching, threshold)
    } else {
        (Verdict::Unknown, Vec::new(), 0)
    };
    let said = [
        (Verdict::Unknown, unknown),
        (Verdict::Benign, benign),
        (Verdict::Suspicious, suspicious),
        (Verdict::Malicious, malicious),
    ];
    let spoken = said.iter().filter(|(_, voices)| !voices.is_empty());
    Judged {
        verdict,
        confidence: confidence(&support, disputed),
        tally: spoken.map(|(verdict, voices)| (*verdict, tally(voices))).collect(),
        disputed,
        holds_until: holds_until(&support, needed),
    }
}

/// Orgs that assess so in their live label of a purpose, a voice each.
fn voices<'a>(
    words: &'a Words<'a>,
    purpose: Purpose,
    says: impl Fn(Verdict) -> bool,
) -> Vec<Voice<'a>> {
    let voice = |word: &'a Word<'a>| {
        let entries = || {
            let judged = word.entries.iter().filter(|entry| entry.kind == EntryKind::Assessment);
            judged.filter(|entry| entry.source != Source::Import && says(entry.verdict))
        };
        Some(Voice {
            word,
            by_person: purpose != Purpose::Suspected
                && entries().any(|entry| entry.source == Source::Person),
            suspected: purpose == Purpose::Suspected,
            confidence: entries().map(|entry| entry.confidence).max()?,
        })
    };
    words.get(&purpose).into_iter().flatten().filter_map(voice).collect()
}

fn group_count(voices: &[Voice<'_>]) -> u32 {
    groups(voices.iter().map(|voice| voice.word.member))
}

fn tally(voices: &[Voice<'_>]) -> Voices {
    let orgs = |voices: &mut dyn Iterator<Item = &Voice<'_>>| {
        let distinct: BTreeSet<_> = voices.map(|voice| voice.word.member.org).collect();
        u32::try_from(distinct.len()).unwrap_or(u32::MAX)
    };
    Voices {
        orgs: orgs(&mut voices.iter()),
        groups: group_count(voices),
        by_people: orgs(&mut voices.iter().filter(|voice| voice.by_person)),
    }
}

/// The highest confidence that a supporter states, at most 40 while only analyzers suspect; 50, 65
/// and 80 when 1, 2 and 3 groups flag or vouch, and 5 more for each further group, up to 95. Ten less
/// when disputed. The caps are ours: one voice must never look like a settled matter, and no crowd
/// is infallible.
fn confidence(support: &[Voice<'_>], disputed: bool) -> u8 {
    let firm: Vec<_> = support.iter().copied().filter(|voice| !voice.suspected).collect();
    let stated = support.iter().map(|voice| voice.confidence).max().unwrap_or(0);
    let cap = match group_count(&firm) {
        0 => 40,
        1 => 50,
        2 => 65,
        groups => (groups - 3).saturating_mul(5).saturating_add(80).min(95),
    };
    let penalty = if disputed { 10 } else { 0 };
    u32::from(stated).min(cap).saturating_sub(penalty).try_into().unwrap_or(u8::MAX)
}

/// The last day on which enough supporting groups still live.
fn holds_until(support: &[Voice<'_>], groups_needed: u32) -> Option<Day> {
    let mut last_by_group: BTreeMap<[u8; 32], Day> = BTreeMap::new();
    for voice in support {
        let last = last_by_group.entry(voice.word.member.control_group).or_default();
        *last = voice.word.expires.max(*last);
    }
    let mut days: Vec<_> = last_by_group.into_values().collect();
    days.sort_unstable_by(|a, b| b.cmp(a));
    days.get(usize::try_from(groups_needed).ok()?.checked_sub(1)?).copied()
}

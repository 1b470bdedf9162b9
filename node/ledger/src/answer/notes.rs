//! What people wrote: titles and tags by how many independent groups say the same, notes by when they were said, the
//! newest first. Bounded, as each is attacker-made; control characters become spaces, so that a note cannot drive
//! a terminal or grow in JSON.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use flowlore_common::limits::ANSWER_NOTES_MAX;
use flowlore_common::roster::Member;
use flowlore_common::tag::tag_name;

use super::{Word, Words};
use crate::aggregate::groups;

/// What stands in an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) titles: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Of all words about a name.
pub(super) fn notes(words: &Words<'_>) -> Notes {
    let mut said = Vec::new();
    for word in words.values().flatten() {
        said.extend(word.note.as_ref().map(|note| (word, note)));
    }
    let titles = said.iter().map(|(word, note)| (clean(&note.title), word.member));
    let tags = said
        .iter()
        .flat_map(|(word, note)| note.tags.iter().map(|tag| (tag_name(*tag), word.member)));
    let (titles, tags) = (most_said(titles), most_said(tags));
    said.sort_by_key(|(word, _)| newest_first(word));
    let texts = said.iter().map(|(_, note)| clean(&note.text)).filter(|text| !text.is_empty());
    Notes { titles, tags, notes: texts.take(ANSWER_NOTES_MAX).collect() }
}

fn newest_first(word: &Word<'_>) -> impl Ord + use<> {
    (Reverse(word.row.sealed), word.member.org)
}

/// Each text once, those of the most groups first; ties by text.
fn most_said<'a>(texts: impl Iterator<Item = (String, &'a Member)>) -> Vec<String> {
    let mut by_text: BTreeMap<String, Vec<&Member>> = BTreeMap::new();
    for (text, member) in texts.filter(|(text, _)| !text.is_empty()) {
        by_text.entry(text).or_default().push(member);
    }
    let mut counted: Vec<_> =
        by_text.into_iter().map(|(text, by)| (Reverse(groups(by)), text)).collect();
    counted.sort();
    counted.truncate(ANSWER_NOTES_MAX);
    counted.into_iter().map(|(_, text)| text).collect()
}

fn clean(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() && letter != '\n' { ' ' } else { letter };
    text.trim().chars().map(shown).collect()
}

//! One pass over bytes for all forms of all canaries, and what a channel's search gave.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;

use super::canaries::Canary;

/// Finds canaries.
pub(crate) struct Search {
    automaton: AhoCorasick,
    /// By pattern: the canary's kind and the form.
    meaning: Vec<(&'static str, &'static str)>,
    kinds: Vec<&'static str>,
}

impl Search {
    pub(crate) fn new<'a>(canaries: impl Iterator<Item = &'a Canary>) -> Self {
        let (mut patterns, mut meaning, mut kinds) = (vec![], vec![], vec![]);
        for canary in canaries {
            kinds.push(canary.kind);
            for (form, bytes) in &canary.forms {
                assert!(
                    bytes.len() >= 5,
                    "{} as {form} is too short to mean anything",
                    canary.kind
                );
                patterns.push(bytes);
                meaning.push((canary.kind, *form));
            }
        }
        let automaton =
            AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).unwrap();
        Self { automaton, meaning, kinds }
    }

    pub(crate) fn kinds(&self) -> &[&'static str] {
        &self.kinds
    }

    pub(crate) fn forms(&self) -> usize {
        self.meaning.len()
    }

    /// Looks through the pieces of a channel, each by itself.
    pub(crate) fn through<'a>(
        &self,
        channel: &str,
        pieces: impl IntoIterator<Item = &'a (String, Vec<u8>)>,
    ) -> Findings {
        let mut findings = Findings { channel: channel.to_owned(), ..Findings::default() };
        for (place, bytes) in pieces {
            findings.bytes += bytes.len();
            for hit in self.automaton.find_overlapping_iter(bytes) {
                let (kind, form) = self.meaning[hit.pattern().as_usize()];
                let found = findings.hits.entry(kind).or_default();
                found.0 += 1;
                found.1 = format!("as {form} in {place}");
            }
        }
        findings
    }
}

/// What stands in a channel.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) channel: String,
    pub(crate) bytes: usize,
    /// By kind of canary: how often, and where last.
    pub(crate) hits: BTreeMap<&'static str, (usize, String)>,
}

impl Findings {
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.hits.contains_key(kind)
    }

    /// A row of the report.
    pub(crate) fn row(&self) -> String {
        let hits: usize = self.hits.values().map(|(count, _)| count).sum();
        let (channel, bytes, kinds) = (&self.channel, self.bytes, self.hits.len());
        format!("{channel:<34} {bytes:>12} B {kinds:>4} canaries {hits:>8} hits")
    }

    pub(crate) fn expect_none(&self) {
        assert!(self.hits.is_empty(), "LEAK, {}: {:#?}", self.channel, self.hits);
        assert!(self.bytes > 0, "{}: nothing was searched", self.channel);
    }
}

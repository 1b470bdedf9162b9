//! Questions as they are typed, understood once, and answered from the same bytes as long as nothing changes: parsing,
//! normalising, the public suffix list and putting an answer together cost far more than finding and copying it.
//!
//! An answer is kept with the [`Moment`] in which it was made. All that it was made from is read under locks that hold
//! the moment still, so that an answer of this moment is what would be made now; one of another is made anew.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use flowlore_common::destination::{
    Destination, Host, HostError, Input, Inputs, OwnPolicy, WhyNot, inputs,
};
use flowlore_common::ids::RosterHash;
use flowlore_common::time::Day;
use flowlore_common::wire;
use prost::bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use crate::limits::{QUESTION_BYTES, QUESTIONS_KEPT_BYTES_MAX};

/// What a text asks for.
#[derive(Debug)]
pub(super) struct Question {
    /// As the answer shows it, encoded.
    pub(super) query: Bytes,
    pub(super) host: Host,
    /// What is asked of the store, or why nothing is.
    pub(super) asks: Result<Inputs, WhyNot>,
    /// The part of the policy that a roster can change; the configuration stands as long as the process.
    pub(super) documentation_names: bool,
}

impl Question {
    pub(super) fn parse(text: &str, policy: &OwnPolicy<'_>) -> Result<Self, HostError> {
        let destination = text.parse::<Destination>()?;
        Ok(Self {
            query: wire::query_out(&wire::query(text, &destination, policy.suffixes)),
            asks: inputs(&destination.host, policy),
            host: destination.host,
            documentation_names: policy.documentation_names,
        })
    }

    fn bytes(&self) -> usize {
        let inputs = self.asks.iter().flat_map(|inputs| inputs.host.iter().chain(&inputs.site));
        self.query.len() + inputs.map(|input| Input::bytes(input).len()).sum::<usize>()
    }
}

/// What answers are made from: equal moments of one process, equal answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Of the ledger.
    pub(super) step: u64,
    pub(super) roster: RosterHash,
    pub(super) day: Day,
    /// How often what this org itself knows has changed.
    pub(super) local: [u64; 2],
}

/// A question of before.
struct Asked {
    question: Question,
    /// As it goes out, without its index.
    answer: Box<[u8]>,
    /// Of the moment in which that was made; 0: it was not.
    moment: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<str>, Asked> for Weight {
    fn weight(&self, text: &Box<str>, asked: &Asked) -> u64 {
        (text.len() + asked.question.bytes() + asked.answer.len()) as u64 + QUESTION_BYTES
    }
}

struct Kept {
    asked: Cache<Box<str>, Asked, Weight>,
    now: Option<Moment>,
    /// Of `now`: one more for every other moment.
    number: u64,
}

/// Questions of before. In memory only.
pub(super) struct Questions(RwLock<Kept>);

impl std::fmt::Debug for Questions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Questions")
    }
}

impl Default for Questions {
    fn default() -> Self {
        Self::bounded(QUESTIONS_KEPT_BYTES_MAX)
    }
}

impl Questions {
    fn bounded(bytes_max: u64) -> Self {
        // For its shape only: it grows as it fills.
        let entries = usize::try_from(bytes_max / 1_024).unwrap_or(usize::MAX);
        let asked = Cache::with_weighter(entries, bytes_max, Weight);
        Self(RwLock::new(Kept { asked, now: None, number: 0 }))
    }

    /// What is kept, with the answers of a moment that lasts until this is dropped.
    pub(super) fn at(&self, moment: &Moment) -> At<'_> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let number = (kept.now.as_ref() == Some(moment)).then_some(kept.number);
        At { kept, number }
    }

    /// Keeps questions that are not kept yet, or understood otherwise now; their answers come when they are asked again.
    pub(super) fn keep(&self, questions: impl Iterator<Item = (Box<str>, Question)>) {
        let mut kept = self.write();
        for (text, question) in questions {
            let is_same =
                |asked: &Asked| asked.question.documentation_names == question.documentation_names;
            if kept.asked.peek(&text).is_some_and(is_same) {
                continue;
            }
            kept.asked.insert(text, Asked { question, answer: Box::default(), moment: 0 });
        }
    }

    /// Keeps answers that were made in a moment that lasts.
    pub(super) fn answered(&self, moment: &Moment, answers: Vec<(&str, Vec<u8>)>) {
        let mut kept = self.write();
        if kept.now.as_ref() != Some(moment) {
            kept.number += 1;
            kept.now = Some(*moment);
        }
        let number = kept.number;
        for (text, answer) in answers {
            if let Some(mut asked) = kept.asked.peek_mut(text) {
                (asked.answer, asked.moment) = (answer.into(), number);
            }
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept, while it is read.
pub(super) struct At<'a> {
    kept: RwLockReadGuard<'a, Kept>,
    number: Option<u64>,
}

impl At<'_> {
    /// A question of before, and its answer, if it was made in this moment.
    pub(super) fn get(&self, text: &str) -> Option<(&Question, Option<&[u8]>)> {
        let asked = self.kept.asked.get(text)?;
        let holds = self.number == Some(asked.moment);
        Some((&asked.question, holds.then_some(&asked.answer)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use flowlore_common::suffixes::Suffixes;

    use super::*;

    fn question(text: &str) -> (Box<str>, Question) {
        let policy = OwnPolicy {
            own: vec![],
            private: vec![],
            minting_sites: BTreeSet::new(),
            documentation_names: true,
            suffixes: Suffixes::shipped(),
        };
        (text.into(), Question::parse(text, &policy).unwrap())
    }

    fn moment() -> Moment {
        Moment { step: 1, roster: RosterHash([1; 32]), day: Day(1), local: [0, 0] }
    }

    fn answer(questions: &Questions, moment: &Moment) -> Option<Vec<u8>> {
        let at = questions.at(moment);
        at.get("a.example").expect("it was kept").1.map(<[u8]>::to_vec)
    }

    #[test]
    fn an_answer_is_one_of_its_moment_only() {
        let questions = Questions::default();
        questions.keep([question("a.example")].into_iter());
        assert_eq!(answer(&questions, &moment()), None, "a question alone is no answer");
        questions.answered(&moment(), vec![("a.example", vec![1]), ("unkept.example", vec![1])]);
        assert!(questions.at(&moment()).get("unkept.example").is_none());
        let others = [
            Moment { step: 2, ..moment() },
            Moment { roster: RosterHash([2; 32]), ..moment() },
            Moment { day: Day(2), ..moment() },
            Moment { local: [1, 0], ..moment() },
            Moment { local: [0, 1], ..moment() },
        ];
        for other in others {
            assert_eq!(answer(&questions, &moment()), Some(vec![1]));
            assert_eq!(answer(&questions, &other), None);
            // Another name is answered in the other moment: what is kept of this one is of before.
            questions.answered(&other, vec![("other.example", vec![2])]);
            assert_eq!(answer(&questions, &other), None);
            assert_eq!(answer(&questions, &moment()), None);
            questions.answered(&moment(), vec![]);
            assert_eq!(answer(&questions, &moment()), None, "of before, though an equal moment");
            questions.answered(&moment(), vec![("a.example", vec![1])]);
        }
        questions.keep([question("a.example")].into_iter());
        assert_eq!(answer(&questions, &moment()), Some(vec![1]), "as it was understood");
        let (text, same) = question("a.example");
        let other = Question { documentation_names: false, ..same };
        questions.keep([(text, other)].into_iter());
        assert_eq!(answer(&questions, &moment()), None, "understood anew");
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_with_its_answers() {
        let questions = Questions::bounded(64 * 1_024);
        let texts: Vec<_> = (0..1_000).map(|number| format!("n{number}.example")).collect();
        for text in &texts {
            questions.keep([question(text)].into_iter());
            questions.answered(&moment(), vec![(text, vec![0; 1_000])]);
        }
        let kept = questions.at(&moment());
        let answered =
            texts.iter().filter(|text| kept.get(text).is_some_and(|one| one.1.is_some()));
        assert!((1..64).contains(&answered.count()));
        assert!(kept.kept.asked.weight() <= 64 * 1_024);
    }
}

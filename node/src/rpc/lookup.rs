//! A look-up: from destinations to answers. What was asked before and did not change since is at hand as it went out;
//! what did change is made anew from what is in memory; else secrets are looked for, asked of the evaluators where they
//! are not known, and the store is read.

use std::sync::{Arc, RwLockReadGuard};

use flowlore_common::answer::{Shared, State};
use flowlore_common::destination::{Input, Inputs, WhyNot};
use flowlore_common::time::Day;
use flowlore_common::wire;
use flowlore_ledger::answer::{Asked, Names, Said};
use flowlore_ledger::ledger::Ledger;
use flowlore_proto::answers::Joined;
use flowlore_proto::v1;
use prost::Message as _;
use prost::bytes::Bytes;
use tonic::Status;

use super::internal;
use super::local::Known;
use super::question::{Moment, Question, Questions};
use crate::ask::NotAsked;
use crate::limits::{INVALID_SHOWN_CHARS_MAX, LOOKUP_PART_BYTES_MAX};
use crate::node::Node;
use crate::roster::Roster;

/// How soon to ask again when evaluators are missing, seconds: they are redialled at least that often.
const RETRY_AFTER_S: u32 = 60;
/// What an answer mostly has at most, bytes.
const ANSWER_BYTES: usize = 384;

/// Looks up at a node.
#[derive(Debug)]
pub(super) struct Lookup {
    node: Arc<Node>,
    questions: Arc<Questions>,
}

impl Lookup {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node, questions: Arc::default() }
    }

    /// Answers of texts from `first` on that can be given from memory without waiting for anybody: those before the first
    /// that cannot, as many as a message takes, and the index of the next; `None` if there is none.
    pub(super) fn at_hand(&self, texts: &[String], first: u32) -> Option<(v1::Answers, u32)> {
        let now = Now::at_once(&self.node)?;
        let moment = now.moment();
        let room = (texts.len() * ANSWER_BYTES).min(LOOKUP_PART_BYTES_MAX);
        let (mut part, mut new, mut next) = (Joined::with_capacity(room), vec![], first);
        let at = self.questions.at(&moment);
        for text in texts {
            let Some((question, kept)) = at.get(text) else { break };
            let answer = match kept {
                Some(answer) => answer,
                None => {
                    let Some(answer) = now.answer(question) else { break };
                    new.push((&**text, answer.encode_to_vec()));
                    &new.last()?.1
                }
            };
            if is_full(&part, answer) {
                break;
            }
            part.push(next, answer);
            next += 1;
        }
        drop(at);
        if !new.is_empty() {
            self.questions.answered(&moment, new);
        }
        (next > first).then(|| (part.into(), next))
    }

    /// Answers of texts from `first` on.
    pub(super) async fn answers(
        &self,
        texts: &[String],
        first: u32,
    ) -> Result<Vec<v1::Answers>, Status> {
        let node = &self.node;
        let roster = node.store.roster();
        let policy = node.own_policy(&roster);
        let questions: Vec<_> = texts
            .iter()
            .map(|text| match Question::parse(text, &policy) {
                Ok(question) => Ok((text.clone().into_boxed_str(), question)),
                Err(error) => Err(Box::new(invalid(text, error))),
            })
            .collect();
        let inputs = questions.iter().flatten().flat_map(|(_, question)| &question.asks);
        let wanted: Vec<Input> =
            inputs.flat_map(|inputs| inputs.host.iter().chain(&inputs.site).cloned()).collect();
        // Names that are known are answered whether or not the others can be asked.
        let refused = node.asker.secrets(&roster, &wanted, 1).await.err();
        if let Some(NotAsked::Quorum { .. } | NotAsked::Quota { .. } | NotAsked::NoKey) = refused {
            queue(node, &roster, wanted).await?;
        }
        let (node, kept) = (node.clone(), self.questions.clone());
        let read = tokio::task::spawn_blocking(move || {
            let answers = questions.iter().map(|question| match question {
                Err(answer) => Ok(v1::Answer::clone(answer)),
                Ok((_, question)) => ask(&node, &roster, question, refused.as_ref()),
            });
            let answers = answers.collect::<Result<Vec<_>, _>>();
            kept.keep(questions.into_iter().flatten());
            Ok(parts(answers?, first))
        });
        read.await.map_err(internal)?
    }
}

/// All that answers are made from, held still.
struct Now<'a> {
    ledger: RwLockReadGuard<'a, Ledger>,
    /// The ledger's: it is told of while the ledger is written.
    roster: Arc<Roster>,
    known: Known<'a>,
    day: Day,
}

impl<'a> Now<'a> {
    /// If nobody writes now.
    fn at_once(node: &'a Node) -> Option<Self> {
        let ledger = node.store.read_at_once()?;
        let (roster, day) = (node.store.roster(), node.clock.now().day());
        Some(Self { ledger, roster, known: Known::at_once(node)?, day })
    }

    fn moment(&self) -> Moment {
        let (step, roster, local) = (self.ledger.step(), self.roster.hash, self.known.changes());
        Moment { step, roster, day: self.day, local }
    }

    /// The answer, when it takes nothing that is not in memory.
    fn answer(&self, question: &Question) -> Option<v1::Answer> {
        if question.documentation_names != self.roster.policy.documentation_names {
            return None;
        }
        let answer = asked(question, &self.known);
        Some(match &question.asks {
            Err(why) => private(answer, *why),
            Ok(Inputs { host, site }) => {
                let key_epochs = &[self.roster.key.as_ref()?.epoch.number];
                let names = Names { host: host.as_ref(), site: site.as_ref(), key_epochs };
                answered(answer, &self.ledger.told(names, self.day)?)
            }
        })
    }
}

/// Answers as messages, mostly one: one that is too large for a part goes alone.
fn parts(answers: Vec<v1::Answer>, first: u32) -> Vec<v1::Answers> {
    let (mut parts, mut part) = (vec![], Joined::default());
    for (index, answer) in (first..).zip(answers) {
        let answer = answer.encode_to_vec();
        if is_full(&part, &answer) {
            parts.push(std::mem::take(&mut part).into());
        }
        part.push(index, &answer);
    }
    parts.extend((part.bytes() > 0).then(|| part.into()));
    parts
}

fn is_full(part: &Joined, more: &[u8]) -> bool {
    part.bytes() > 0 && part.bytes() + more.len() > LOOKUP_PART_BYTES_MAX
}

/// Asks the store.
fn ask(
    node: &Node,
    roster: &Roster,
    question: &Question,
    refused: Option<&NotAsked>,
) -> Result<v1::Answer, Status> {
    let answer = asked(question, &Known::of(node));
    let inputs = match &question.asks {
        Ok(inputs) => inputs,
        Err(why) => return Ok(private(answer, *why)),
    };
    let Some(secrets) = secrets(node, roster, inputs) else {
        return Ok(not_asked(answer, refused));
    };
    let day = node.clock.now().day();
    let told = node.store.tell(&secrets, day, wire::level_out).map_err(internal)?;
    Ok(answered(answer, &told))
}

/// Remembers names that could not be asked for, so that they are as soon as evaluators are back.
async fn queue(node: &Arc<Node>, roster: &Roster, wanted: Vec<Input>) -> Result<(), Status> {
    let known = node.asker.known(roster, &wanted);
    let unknown =
        wanted.into_iter().zip(known).filter_map(|(input, y)| y.is_none().then_some(input));
    let (unknown, node) = (unknown.collect::<Vec<_>>(), node.clone());
    let queued = tokio::task::spawn_blocking(move || {
        node.publish.notify_one();
        node.wanted().add(unknown)
    });
    queued.await.map_err(internal)?.map_err(internal)?;
    Ok(())
}

/// The question to the store; `None` when a secret that it takes is not known here.
fn secrets(
    node: &Node,
    roster: &Roster,
    inputs: &Inputs,
) -> Option<flowlore_ledger::answer::Question> {
    let key_epoch = roster.key.as_ref()?.epoch.number;
    let asked = |input: &Option<Input>| match input {
        None => Some(None),
        Some(input) => {
            let y = node.asker.known_one(roster, input)?;
            Some(Some(Asked { input: input.clone(), keys: vec![(key_epoch, y)] }))
        }
    };
    let (host, site) = (asked(&inputs.host)?, asked(&inputs.site)?);
    Some(flowlore_ledger::answer::Question { host, site })
}

/// What stands in every answer but its index: the question, and what this org itself knows.
fn asked(question: &Question, known: &Known<'_>) -> v1::Answer {
    let (query, local) = (question.query.clone(), Some(known.local(question)));
    v1::Answer { query, local, ..v1::Answer::default() }
}

fn answered(answer: v1::Answer, told: &Shared<Said>) -> v1::Answer {
    let is_seen = told.host.is_some() || told.site.is_some();
    let state = if is_seen { State::Answered } else { State::Unseen };
    let shared = wire::shared_out(told, |level| Bytes::copy_from_slice(level));
    v1::Answer { state: wire::state_out(state).into(), shared, ..answer }
}

fn private(answer: v1::Answer, why: WhyNot) -> v1::Answer {
    let state = wire::state_out(State::Private).into();
    v1::Answer { state, private_reason: why.to_string(), ..answer }
}

fn invalid(text: &str, error: impl std::fmt::Display) -> v1::Answer {
    let problem = v1::Problem {
        code: "unreadable_destination".to_owned(),
        message: error.to_string(),
        hint: "a name or address with an optional port: evil.example:8443, [2001:db8::1]:443"
            .to_owned(),
    };
    let input = text.chars().take(INVALID_SHOWN_CHARS_MAX).collect();
    let query = v1::Query { input, ..v1::Query::default() };
    let state = v1::AnswerState::Invalid.into();
    let query = wire::query_out(&query);
    v1::Answer { state, query, problem: Some(problem), ..v1::Answer::default() }
}

fn not_asked(answer: v1::Answer, refused: Option<&NotAsked>) -> v1::Answer {
    let (state, retry_after_s, up, needed) = match refused {
        Some(NotAsked::Quota { retry_after_s }) => (State::Quota, *retry_after_s, 0, 0),
        Some(NotAsked::Quorum { up, needed, .. }) => (State::NotAsked, RETRY_AFTER_S, *up, *needed),
        _ => (State::NotAsked, RETRY_AFTER_S, 0, 0),
    };
    v1::Answer {
        state: wire::state_out(state).into(),
        retry_after_s,
        evaluators_up: up.into(),
        evaluators_needed: needed.into(),
        ..answer
    }
}

#[cfg(test)]
mod tests;

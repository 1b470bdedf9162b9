//! A look-up: from destinations to answers. What was asked before and did not change since is at hand; else secrets
//! are looked for, asked of the evaluators where they are not known, and the store is read.

use std::sync::Arc;

use flowlore_common::answer::{Shared, State};
use flowlore_common::destination::{Input, Inputs, WhyNot};
use flowlore_common::wire;
use flowlore_ledger::answer::{Asked, Names, Said};
use flowlore_proto::v1;
use prost::bytes::Bytes;
use tonic::Status;

use super::internal;
use super::local::Known;
use super::question::{Question, Questions};
use crate::ask::NotAsked;
use crate::node::Node;
use crate::roster::Roster;

/// How soon to ask again when evaluators are missing, seconds: they are redialled at least that often.
const RETRY_AFTER_S: u32 = 60;

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

    /// Answers of texts from `first` on, when all of them can be given from memory without waiting for anybody.
    pub(super) fn at_hand(&self, texts: &[String], first: u32) -> Option<Vec<v1::Answer>> {
        let roster = self.node.store.roster();
        let ledger = self.node.store.read_at_once()?;
        let known = Known::at_once(&self.node)?;
        let day = self.node.clock.now().day();
        let key_epoch = roster.key.as_ref().map(|key| key.epoch.number);
        let answer = |(text, index): (&String, u32)| {
            let question = self.questions.get(text, roster.policy.documentation_names)?;
            let answer = asked(&question, index, &known);
            Some(match &question.asks {
                Err(why) => private(answer, *why),
                Ok(Inputs { host, site }) => {
                    let (host, site) = (host.as_ref(), site.as_ref());
                    let names = Names { host, site, key_epochs: &[key_epoch?] };
                    answered(answer, &ledger.told(names, day)?)
                }
            })
        };
        texts.iter().zip(first..).map(answer).collect()
    }

    /// Answers of texts from `first` on.
    pub(super) async fn answers(
        &self,
        texts: &[String],
        first: u32,
    ) -> Result<Vec<v1::Answer>, Status> {
        if let Some(answers) = self.at_hand(texts, first) {
            return Ok(answers);
        }
        let node = &self.node;
        let roster = node.store.roster();
        let policy = node.own_policy(&roster);
        let questions: Vec<_> = texts
            .iter()
            .map(|text| {
                Question::parse(text, &policy)
                    .map(Arc::new)
                    .map_err(|error| Box::new(invalid(text, error)))
            })
            .collect();
        let inputs = questions.iter().flatten().flat_map(|question| &question.asks);
        let wanted: Vec<Input> =
            inputs.flat_map(|inputs| inputs.host.iter().chain(&inputs.site).cloned()).collect();
        // Names that are known are answered whether or not the others can be asked.
        let refused = node.asker.secrets(&roster, &wanted, 1).await.err();
        if let Some(NotAsked::Quorum { .. } | NotAsked::Quota { .. } | NotAsked::NoKey) = refused {
            queue(node, &roster, wanted).await?;
        }
        let (node, kept) = (node.clone(), self.questions.clone());
        let read = tokio::task::spawn_blocking(move || {
            let answer =
                |(question, index): (Result<Arc<Question>, Box<v1::Answer>>, u32)| match question {
                    Err(answer) => Ok(v1::Answer { index, ..*answer }),
                    Ok(question) => {
                        let answer = ask(&node, &roster, &question, index, refused.as_ref());
                        kept.keep(question);
                        answer
                    }
                };
            questions.into_iter().zip(first..).map(answer).collect()
        });
        read.await.map_err(internal)?
    }
}

/// Asks the store.
fn ask(
    node: &Node,
    roster: &Roster,
    question: &Question,
    index: u32,
    refused: Option<&NotAsked>,
) -> Result<v1::Answer, Status> {
    let answer = asked(question, index, &Known::of(node));
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

/// What stands in every answer: the question, and what this org itself knows.
fn asked(question: &Question, index: u32, known: &Known<'_>) -> v1::Answer {
    let (query, local) = (question.query.clone(), Some(known.local(question)));
    v1::Answer { index, query, local, ..v1::Answer::default() }
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
    let query = v1::Query { input: text.to_owned(), ..v1::Query::default() };
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

//! Look-ups: from destinations to answers, in the order asked.

use std::sync::Arc;

use flowlore_common::answer::State;
use flowlore_common::credential::Role;
use flowlore_common::destination::{Destination, Host, Input, Inputs, OwnPolicy, WhyNot, inputs};
use flowlore_common::wire;
use flowlore_ledger::answer::{Asked, Question};
use flowlore_proto::v1;
use flowlore_proto::v1::reputation_service_server::ReputationService;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::auth::require;
use super::internal;
use crate::ask::NotAsked;
use crate::limits::LOOKUP_DESTINATIONS_MAX;
use crate::node::Node;
use crate::roster::Roster;

/// Destinations answered at a time: their answers wait in memory for the caller.
const CHUNK: usize = 256;
/// How soon to ask again when evaluators are missing, seconds: they are redialled at least that often.
const RETRY_AFTER_S: u32 = 60;

/// Serves `ReputationService` on the local port.
#[derive(Debug)]
pub struct ReputationHandler(pub Arc<Node>);

#[tonic::async_trait]
impl ReputationService for ReputationHandler {
    type LookupStream = ReceiverStream<Result<v1::Answer, Status>>;

    async fn lookup(
        &self,
        request: Request<v1::LookupRequest>,
    ) -> Result<Response<Self::LookupStream>, Status> {
        require(&request, Role::Reader)?;
        let texts = request.into_inner().destinations;
        if texts.is_empty() || texts.len() > LOOKUP_DESTINATIONS_MAX {
            let limit = LOOKUP_DESTINATIONS_MAX;
            return Err(Status::invalid_argument(format!("1 to {limit} destinations are needed")));
        }
        let (sender, receiver) = mpsc::channel(CHUNK);
        let node = self.0.clone();
        tokio::spawn(async move {
            for (chunk, first) in texts.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
                let answers = match lookup(&node, chunk, first).await {
                    Ok(answers) => answers.into_iter().map(Ok).collect(),
                    Err(status) => vec![Err(status)],
                };
                for answer in answers {
                    // The caller went away: nobody reads the rest.
                    if sender.send(answer).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// What became of one destination before the store was asked.
enum Step {
    Done(v1::Answer),
    Ask(v1::Answer, Inputs),
}

async fn lookup(node: &Arc<Node>, texts: &[String], first: u32) -> Result<Vec<v1::Answer>, Status> {
    let roster = node.store.roster();
    let policy = node.own_policy(&roster);
    let steps: Vec<(Option<Host>, Step)> = texts
        .iter()
        .zip(first..)
        .map(|(text, index)| {
            let answer = v1::Answer { index, ..v1::Answer::default() };
            let destination = match text.parse::<Destination>() {
                Ok(destination) => destination,
                Err(error) => return (None, Step::Done(invalid(answer, text, &error))),
            };
            let query = Some(wire::query(text, &destination, node.suffixes));
            let answer = v1::Answer { query, ..answer };
            let step = match inputs(&destination.host, &policy) {
                Ok(inputs) => Step::Ask(answer, inputs),
                Err(why) => Step::Done(private(answer, why)),
            };
            (Some(destination.host), step)
        })
        .collect();
    let wanted: Vec<_> = steps
        .iter()
        .filter_map(|(_, step)| match step {
            Step::Ask(_, inputs) => Some(inputs.host.iter().chain(&inputs.site).cloned()),
            Step::Done(_) => None,
        })
        .flatten()
        .collect();
    // Names that are known are answered whether or not the others can be asked.
    let refused = node.asker.secrets(&roster, &wanted, 1).await.err();
    if let Some(NotAsked::Quorum { .. } | NotAsked::Quota { .. } | NotAsked::NoKey) = refused {
        queue(node, &roster, wanted).await?;
    }
    let node = node.clone();
    tokio::task::spawn_blocking(move || {
        let day = node.clock.now().day();
        steps
            .into_iter()
            .map(|(host, step)| {
                let answer = match step {
                    Step::Done(answer) => answer,
                    Step::Ask(answer, inputs) => match question(&node, &roster, inputs) {
                        None => not_asked(answer, refused.as_ref()),
                        Some(question) => {
                            answered(answer, &node.store.answer(&question, day).map_err(internal)?)?
                        }
                    },
                };
                let local = host.map(|host| local(&node, &host, &policy));
                Ok(v1::Answer { local_json: local.unwrap_or_default().into(), ..answer })
            })
            .collect()
    })
    .await
    .map_err(internal)?
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

/// What this org itself knows of a host: what it saw, and the rule of its own that applies.
fn local(node: &Node, host: &Host, policy: &OwnPolicy<'_>) -> Vec<u8> {
    let rule = inputs(host, policy).err().map(|why| {
        let source = match why {
            WhyNot::Own | WhyNot::NamesOwn | WhyNot::Private => "flowlore.toml",
            WhyNot::Documentation => "roster",
            WhyNot::NotGlobal | WhyNot::SingleLabel | WhyNot::LocalZone => "protocol",
        };
        serde_json::json!({
            "rule": why.to_string(), "source": source, "effect": "never asked, never published",
        })
    });
    let labels = own_labels(node, host, policy);
    let here = node.here().of(host);
    serde_json::json!({ "here": here, "policy": rule, "labels": labels }).to_string().into_bytes()
}

/// What people of this org say of a host, here or to others.
fn own_labels(node: &Node, host: &Host, policy: &OwnPolicy<'_>) -> Vec<serde_json::Value> {
    let outbox = node.outbox();
    let words = Node::own_words(&outbox, host, policy).into_iter().map(super::labels::shown);
    let shown = words.map(|label| {
        serde_json::json!({
            "verdict": wire::verdict(label.verdict()),
            "behaviour": Some(label.behaviour).filter(|name| !name.is_empty()),
            "port": label.port,
            "confidence": label.confidence,
            "outcome": Some(label.outcome).filter(|name| !name.is_empty()),
            "title": label.title,
            "note": label.note,
            "tags": label.tags,
            "stays_here": label.status == i32::from(v1::LabelStatus::Local),
            "put": flowlore_common::time::Micros(label.put_unix_s.saturating_mul(1_000_000)),
        })
    });
    shown.collect()
}

/// The question to the store; `None` when a secret that it takes is not known here.
fn question(node: &Node, roster: &Roster, inputs: Inputs) -> Option<Question> {
    let key_epoch = roster.key.as_ref()?.epoch.number;
    let asked = |input: Option<Input>| match input {
        None => Some(None),
        Some(input) => {
            let y = node.asker.known_one(roster, &input)?;
            Some(Some(Asked { input, keys: vec![(key_epoch, y)] }))
        }
    };
    Some(Question { host: asked(inputs.host)?, site: asked(inputs.site)? })
}

fn answered(
    answer: v1::Answer,
    shared: &flowlore_common::answer::Shared,
) -> Result<v1::Answer, Status> {
    let seen = shared.host.is_some() || shared.site.is_some();
    let state = if seen { State::Answered } else { State::Unseen };
    Ok(v1::Answer {
        state: wire::state_out(state).into(),
        shared_json: serde_json::to_vec(shared).map_err(internal)?.into(),
        ..answer
    })
}

fn private(answer: v1::Answer, why: WhyNot) -> v1::Answer {
    let state = wire::state_out(State::Private).into();
    v1::Answer { state, private_reason: why.to_string(), ..answer }
}

fn invalid(answer: v1::Answer, text: &str, error: &dyn std::fmt::Display) -> v1::Answer {
    let problem = v1::Problem {
        code: "unreadable_destination".to_owned(),
        message: error.to_string(),
        hint: "a name or address with an optional port: evil.example:8443, [2001:db8::1]:443"
            .to_owned(),
    };
    let query = v1::Query { input: text.to_owned(), ..v1::Query::default() };
    let state = v1::AnswerState::Invalid.into();
    v1::Answer { state, query: Some(query), problem: Some(problem), ..answer }
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

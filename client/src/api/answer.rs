//! The answer to a look-up: schema `flowlore.answer.v1`.

use flowlore_common::answer::{ANSWER_SCHEMA, Shared};
use flowlore_common::label::Verdict;
use flowlore_proto::v1;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a node says about one destination. Serializes to `flowlore.answer.v1`.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The schema's name.
    pub schema: &'static str,
    /// The question, as it was understood.
    pub query: Query,
    /// Whether the network could be asked, and what came of it.
    pub state: State,
    /// When to ask again, seconds; with `not_asked` and `quota`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
    /// Evaluators that answer now; with `not_asked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluators_up: Option<u32>,
    /// Evaluators whose answers are needed; with `not_asked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u32>,
    /// Why it is the org's own; with `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_reason: Option<String>,
    /// Why it cannot be read; with `invalid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// What all members agree on, byte for byte as the node gave it: nodes may be compared.
    pub shared: Option<Box<RawValue>>,
    /// What this org itself saw. It never leaves the node's people.
    pub local: Option<Box<RawValue>>,
}

/// The question, as it was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Query {
    /// As it was given.
    pub input: String,
    /// Normalised name.
    pub host: Option<String>,
    /// Normalised address.
    pub address: Option<String>,
    /// Registrable domain, or the /64 of an IPv6 address.
    pub site: Option<String>,
    /// The port, if one was given.
    pub port: Option<u32>,
    /// Not asked about by this version.
    pub transport: Option<String>,
    /// Not asked about by this version.
    pub as_of: Option<String>,
}

/// Whether the network could be asked, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody has seen it.
    Answered,
    /// Asked, and nobody has seen it. That does not mean benign.
    Unseen,
    /// Too few evaluators answer.
    NotAsked,
    /// Today's quota is used up.
    Quota,
    /// The org's own: never asked, never published.
    Private,
    /// The destination cannot be read.
    Invalid,
}

/// An error about one destination of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable, snake_case.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub hint: String,
}

/// What this org itself saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Local {
    /// Contacts of this org.
    pub here: Option<Here>,
    /// The local rule that applied.
    pub policy: Option<Policy>,
    /// What people of this org said of it, to others or not.
    pub labels: Vec<OwnLabel>,
}

/// A label of this org's own people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OwnLabel {
    /// What was said.
    pub verdict: Option<Verdict>,
    /// What it does.
    pub behaviour: Option<String>,
    /// How sure, 1 to 100.
    pub confidence: u32,
    /// How an incident about it was closed.
    pub outcome: Option<String>,
    /// What was written beside it; empty: nothing.
    pub title: String,
    /// Likewise.
    pub note: String,
    /// Names of tags.
    pub tags: Vec<String>,
    /// It never leaves the node.
    pub stays_here: bool,
    /// RFC 3339.
    pub put: String,
}

/// This org's own contacts with a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Here {
    /// Inside hosts.
    pub machines: u64,
    /// Flows.
    pub flows: u64,
    /// Payload sent, bytes.
    pub bytes_out: u64,
    /// Payload received, bytes.
    pub bytes_in: u64,
    /// RFC 3339.
    pub first: String,
    /// RFC 3339.
    pub last: String,
}

/// A local rule about a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Which rule.
    pub rule: String,
    /// Where it stands.
    pub source: String,
    /// What it does.
    pub effect: String,
}

impl Answer {
    /// The shared part, read; `None` where nobody could be asked.
    ///
    /// # Errors
    /// It is of a newer version than this client.
    pub fn shared(&self) -> Result<Option<Shared>, serde_json::Error> {
        self.shared.as_ref().map(|raw| serde_json::from_str(raw.get())).transpose()
    }

    /// The local part, read.
    ///
    /// # Errors
    /// It is of a newer version than this client.
    pub fn local(&self) -> Result<Local, serde_json::Error> {
        self.local.as_ref().map_or(Ok(Local::default()), |raw| serde_json::from_str(raw.get()))
    }
}

/// Refuses what is no answer, saying why.
impl TryFrom<v1::Answer> for Answer {
    type Error = String;

    fn try_from(answer: v1::Answer) -> Result<Self, String> {
        let state = match answer.state() {
            v1::AnswerState::Answered => State::Answered,
            v1::AnswerState::Unseen => State::Unseen,
            v1::AnswerState::NotAsked => State::NotAsked,
            v1::AnswerState::Quota => State::Quota,
            v1::AnswerState::Private => State::Private,
            v1::AnswerState::Invalid => State::Invalid,
            v1::AnswerState::Unspecified => {
                return Err(format!("an answer of unknown state {}", answer.state));
            }
        };
        let shared = document(&answer.shared_json, "shared")?;
        if matches!(state, State::Answered | State::Unseen) && shared.is_none() {
            return Err("an answer without its shared part".to_owned());
        }
        let later = matches!(state, State::NotAsked | State::Quota);
        let quorum = later && answer.evaluators_needed > 0;
        Ok(Self {
            schema: ANSWER_SCHEMA,
            query: answer.query.unwrap_or_default().into(),
            state,
            retry_after_s: later.then_some(answer.retry_after_s),
            evaluators_up: quorum.then_some(answer.evaluators_up),
            needed: quorum.then_some(answer.evaluators_needed),
            private_reason: given(answer.private_reason),
            problem: answer.problem.map(Problem::from),
            shared,
            local: document(&answer.local_json, "local")?,
        })
    }
}

impl From<v1::Query> for Query {
    fn from(query: v1::Query) -> Self {
        Self {
            input: query.input,
            host: given(query.host),
            address: given(query.address),
            site: given(query.site),
            port: (query.port != 0).then_some(query.port),
            transport: None,
            as_of: None,
        }
    }
}

impl From<v1::Problem> for Problem {
    fn from(problem: v1::Problem) -> Self {
        Self { code: problem.code, message: problem.message, hint: problem.hint }
    }
}

fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn document(bytes: &[u8], part: &str) -> Result<Option<Box<RawValue>>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let parsed = serde_json::from_slice(bytes);
    parsed.map(Some).map_err(|error| format!("the {part} part is no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_part_passes_as_it_came() {
        let odd = r#"{ "day":"2026-11-24",  "new_key" : [1] }"#;
        let answer = v1::Answer {
            state: v1::AnswerState::Unseen.into(),
            shared_json: odd.into(),
            ..v1::Answer::default()
        };
        let json = serde_json::to_string(&Answer::try_from(answer).unwrap()).unwrap();
        assert!(json.contains(odd), "{json}");
        assert!(json.contains(r#""local":null"#), "{json}");
    }

    #[test]
    fn quorum_and_retry_stand_where_they_mean_something() {
        let mut answer = v1::Answer {
            state: v1::AnswerState::NotAsked.into(),
            retry_after_s: 30,
            evaluators_up: 2,
            evaluators_needed: 3,
            ..v1::Answer::default()
        };
        let json = serde_json::to_value(Answer::try_from(answer.clone()).unwrap()).unwrap();
        assert_eq!(json["state"], "not_asked");
        assert_eq!((&json["retry_after_s"], &json["needed"]), (&30.into(), &3.into()));
        answer.state = v1::AnswerState::Private.into();
        let json = serde_json::to_value(Answer::try_from(answer).unwrap()).unwrap();
        assert_eq!((json.get("retry_after_s"), json.get("needed")), (None, None));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let answer = |state: v1::AnswerState, shared: &'static str| v1::Answer {
            state: state.into(),
            shared_json: shared.into(),
            ..v1::Answer::default()
        };
        for (answer, told) in [
            (answer(v1::AnswerState::Unspecified, ""), "unknown state 0"),
            (v1::Answer { state: 99, ..v1::Answer::default() }, "unknown state 99"),
            (answer(v1::AnswerState::Answered, ""), "without its shared part"),
            (answer(v1::AnswerState::Answered, "{"), "no JSON"),
            (answer(v1::AnswerState::Answered, "\u{1b}[2J"), "no JSON"),
        ] {
            let error = Answer::try_from(answer).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}

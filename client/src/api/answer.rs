//! The answer to a look-up: schema `flowlore.answer.v1`.

use flowlore_common::answer::{ANSWER_SCHEMA, Local, Shared};
use flowlore_common::wire::{answer_query, local_in, shared_in};
use flowlore_proto::v1;
use serde::Serialize;

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
    /// What all members agree on: with the same objects they give the same bytes.
    pub shared: Option<Shared>,
    /// What this org itself saw. It never leaves the node's people.
    pub local: Option<Local>,
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
        let told = |error| format!("{error}");
        let query = answer_query(&answer).map_err(told)?;
        let shared = Some(answer.shared).filter(|shared| !shared.is_empty());
        let shared = shared.map(shared_in).transpose().map_err(told)?;
        if matches!(state, State::Answered | State::Unseen) && shared.is_none() {
            return Err("an answer without its shared part".to_owned());
        }
        let later = matches!(state, State::NotAsked | State::Quota);
        let quorum = later && answer.evaluators_needed > 0;
        Ok(Self {
            schema: ANSWER_SCHEMA,
            query: query.into(),
            state,
            retry_after_s: later.then_some(answer.retry_after_s),
            evaluators_up: quorum.then_some(answer.evaluators_up),
            needed: quorum.then_some(answer.evaluators_needed),
            private_reason: given(answer.private_reason),
            problem: answer.problem.map(Problem::from),
            shared,
            local: answer.local.map(local_in).transpose().map_err(told)?,
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

#[cfg(test)]
mod tests {
    use flowlore_common::ids::ObjectsDigest;
    use flowlore_common::time::Day;
    use flowlore_common::wire::{level_out, query_out, shared_out};

    use super::*;

    fn shared() -> Shared {
        Shared {
            day: Day(20_781),
            state_version: 1,
            objects_digest: ObjectsDigest([0x9f; 32]),
            members: 3,
            host: None,
            site: None,
        }
    }

    /// Scripts read these keys and compare these bytes.
    #[test]
    fn an_answer_has_its_bytes() {
        let query = v1::Query { input: "Evil.example".to_owned(), ..v1::Query::default() };
        let answer = v1::Answer {
            state: v1::AnswerState::Unseen.into(),
            query: query_out(&query),
            shared: shared_out(&shared(), |level| level_out(level).into()),
            ..v1::Answer::default()
        };
        let answer = Answer::try_from(answer).unwrap();
        let expected =
            r#"{"schema":"flowlore.answer.v1","query":{"input":"Evil.example","host":null,"#
                .to_owned()
                + r#""address":null,"site":null,"port":null,"transport":null,"as_of":null},"#
                + r#""state":"unseen","shared":{"day":"2026-11-24","state_version":1,"#
                + &format!(r#""objects_digest":"{}","members":3,"#, "9f".repeat(32))
                + r#""host":null,"site":null},"local":null}"#;
        assert_eq!(serde_json::to_string(&answer).unwrap(), expected);
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
            shared: shared.into(),
            ..v1::Answer::default()
        };
        for (answer, told) in [
            (answer(v1::AnswerState::Unspecified, ""), "unknown state 0"),
            (v1::Answer { state: 99, ..v1::Answer::default() }, "unknown state 99"),
            (answer(v1::AnswerState::Answered, ""), "without its shared part"),
            (answer(v1::AnswerState::Answered, "{"), "the shared part"),
            (answer(v1::AnswerState::Answered, "\u{1b}[2J"), "the shared part"),
            (
                v1::Answer { query: "{".into(), ..answer(v1::AnswerState::Private, "") },
                "the question",
            ),
        ] {
            let error = Answer::try_from(answer).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}

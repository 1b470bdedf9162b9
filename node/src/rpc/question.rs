//! Questions as they are typed, understood once: parsing, normalising and the public suffix list cost more than the
//! rest of a look-up of a known name.

use std::sync::Arc;

use flowlore_common::destination::{
    Destination, Host, HostError, Inputs, OwnPolicy, WhyNot, inputs,
};
use flowlore_common::wire;
use prost::bytes::Bytes;
use quick_cache::sync::Cache;

use crate::limits::QUESTIONS_KEPT_MAX;

/// What a text asks for.
#[derive(Debug)]
pub(super) struct Question {
    text: Box<str>,
    /// As the answer shows it, encoded.
    pub(super) query: Bytes,
    pub(super) host: Host,
    /// What is asked of the store, or why nothing is.
    pub(super) asks: Result<Inputs, WhyNot>,
    /// The part of the policy that a roster can change.
    documentation_names: bool,
}

impl Question {
    pub(super) fn parse(text: &str, policy: &OwnPolicy<'_>) -> Result<Self, HostError> {
        let destination = text.parse::<Destination>()?;
        Ok(Self {
            text: text.into(),
            query: wire::query_out(&wire::query(text, &destination, policy.suffixes)),
            asks: inputs(&destination.host, policy),
            host: destination.host,
            documentation_names: policy.documentation_names,
        })
    }
}

/// Questions of before. The configuration stands as long as the process, so they hold while the roster's part does.
#[derive(Debug)]
pub(super) struct Questions(Cache<Box<str>, Arc<Question>>);

impl Default for Questions {
    fn default() -> Self {
        Self(Cache::new(QUESTIONS_KEPT_MAX))
    }
}

impl Questions {
    pub(super) fn get(&self, text: &str, documentation_names: bool) -> Option<Arc<Question>> {
        let known = self.0.get(text)?;
        (known.documentation_names == documentation_names).then_some(known)
    }

    pub(super) fn keep(&self, question: Arc<Question>) {
        self.0.insert(question.text.clone(), question);
    }
}

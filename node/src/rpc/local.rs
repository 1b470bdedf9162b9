//! The `local` object of an answer: what this org itself knows of a destination. It never leaves.

use std::sync::RwLockReadGuard;

use flowlore_common::destination::WhyNot;
use flowlore_common::time::Micros;
use flowlore_common::wire;
use flowlore_proto::v1;
use serde::Serialize;

use super::question::Question;
use crate::here::{Here, Shown};
use crate::node::Node;
use crate::outbox::Outbox;

/// Where it stands, held while answers are made.
pub(super) struct Known<'a> {
    here: RwLockReadGuard<'a, Here>,
    outbox: RwLockReadGuard<'a, Outbox>,
}

#[derive(Serialize)]
struct Local {
    here: Option<Shown>,
    labels: Vec<serde_json::Value>,
    policy: Option<Rule>,
}

/// The rule of its own that applies.
#[derive(Serialize)]
struct Rule {
    effect: &'static str,
    rule: String,
    source: &'static str,
}

impl<'a> Known<'a> {
    /// Waits for whoever has it now: uploads and labels that are on their way to disk.
    pub(super) fn of(node: &'a Node) -> Self {
        let (here, outbox) = node.own();
        Self { here, outbox }
    }

    /// If nobody has it now.
    pub(super) fn at_once(node: &'a Node) -> Option<Self> {
        node.own_at_once().map(|(here, outbox)| Self { here, outbox })
    }

    /// The JSON about what a question asks for.
    pub(super) fn json(&self, question: &Question) -> Vec<u8> {
        let policy = question.asks.as_ref().err().map(|why| Rule {
            effect: "never asked, never published",
            rule: why.to_string(),
            source: match why {
                WhyNot::Own | WhyNot::NamesOwn | WhyNot::Private => "flowlore.toml",
                WhyNot::Documentation => "roster",
                WhyNot::NotGlobal | WhyNot::SingleLabel | WhyNot::LocalZone => "protocol",
            },
        });
        let (here, labels) = (self.here.of(&question.host), self.labels(question));
        let local = Local { here, labels, policy };
        serde_json::to_vec(&local).expect("texts and numbers are JSON")
    }

    /// What people of this org say of it, here or to others.
    fn labels(&self, question: &Question) -> Vec<serde_json::Value> {
        let public = question.asks.as_ref().ok();
        let public = public.and_then(|inputs| inputs.host.as_ref().or(inputs.site.as_ref()));
        let words = Node::own_words(&self.outbox, &question.host, public);
        let shown = words.into_iter().map(super::labels::shown).map(|label| {
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
                "put": Micros(label.put_unix_s.saturating_mul(1_000_000)),
            })
        });
        shown.collect()
    }
}

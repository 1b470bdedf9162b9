//! The local part of an answer: what this org itself knows of a destination. It never leaves.

use std::sync::RwLockReadGuard;

use flowlore_common::destination::WhyNot;
use flowlore_common::wire;
use flowlore_proto::v1;

use super::question::Question;
use crate::here::Here;
use crate::node::Node;
use crate::outbox::Outbox;

/// Where it stands, held while answers are made.
pub(super) struct Known<'a> {
    here: RwLockReadGuard<'a, Here>,
    outbox: RwLockReadGuard<'a, Outbox>,
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

    /// Two counts, one of which is another after every change to what [`Self::local`] gives.
    pub(super) fn changes(&self) -> [u64; 2] {
        [self.here.changes(), self.outbox.changes()]
    }

    /// What is known of what a question asks for.
    pub(super) fn local(&self, question: &Question) -> v1::Local {
        let rule = question.asks.as_ref().err().map(|why| v1::Rule {
            rule: why.to_string(),
            source: match why {
                WhyNot::Own | WhyNot::NamesOwn | WhyNot::Private => "flowlore.toml",
                WhyNot::Documentation => "roster",
                WhyNot::NotGlobal | WhyNot::SingleLabel | WhyNot::LocalZone => "protocol",
            }
            .to_owned(),
            effect: "never asked, never published".to_owned(),
        });
        let public = question.asks.as_ref().ok();
        let public = public.and_then(|inputs| inputs.host.as_ref().or(inputs.site.as_ref()));
        let words = Node::own_words(&self.outbox, &question.host, public);
        let labels = words.into_iter().map(super::labels::shown).collect();
        let here = self.here.of(&question.host);
        v1::Local { here: here.as_ref().map(wire::here_out), labels, rule }
    }
}

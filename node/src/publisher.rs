//! From statements that are due to sealed labels: asks for `Y`, derives tokens, seals, in this order, and notes
//! what was sealed only afterwards. A crash in between seals once more, which replaces like with like.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use flowlore_common::env::SystemRng;
use flowlore_common::label::Purpose;
use flowlore_common::limits::BLOCK_ITEMS_MAX;
use flowlore_common::time::Hour;
use flowlore_ledger::seal::OwnLabel;
use flowlore_ledger::sync::Event;
use flowlore_veil::limits::{BATCH_SIZES, PUBLICATION_ELEMENTS_MIN};
use flowlore_veil::oprf::Y;
use flowlore_veil::token::Secret;

use crate::ask::NotAsked;
use crate::federation::same_rules;
use crate::node::Node;
use crate::outbox::{Progress, Statement};
use crate::roster::{LiveKey, Roster};

/// How often due statements are looked for without being told: slots are hours wide.
const EVERY: Duration = Duration::from_secs(60);
/// How soon to try again when evaluators are missing.
const RETRY: Duration = Duration::from_secs(2);

/// Publishes until the node is to stop; the batch that it is at then is finished.
///
/// # Errors
/// None: what cannot be published waits.
pub async fn run(node: Arc<Node>) -> anyhow::Result<()> {
    loop {
        let published = publish_due(&node).await;
        let wait = match published.and(ask_wanted(&node).await) {
            Ok(()) => EVERY,
            Err(error) => {
                let (waiting, queued) = (node.outbox().waiting_count(), node.wanted().count());
                tracing::info!(%error, waiting, queued, "labels or names wait");
                RETRY
            }
        };
        // Whichever comes first: time, something new to say, the end.
        tokio::select! {
            _ = tokio::time::timeout(wait, node.publish.notified()) => {}
            () = node.stopped() => return Ok(()),
        }
    }
}

/// Seals everything that is due now.
///
/// # Errors
/// [`NotAsked`]: what is left waits.
pub async fn publish_due(node: &Arc<Node>) -> Result<(), NotAsked> {
    let _one_at_a_time = node.publishing.lock().await;
    let roster = node.store.roster();
    let key = roster.key.clone().ok_or(NotAsked::NoKey)?;
    if !same_rules(&key.epoch) {
        let why = "this software makes tokens by other lists than the federation pins";
        return Err(NotAsked::Fault(why.to_owned()));
    }
    node.may_seal(&roster).map_err(NotAsked::Unheard)?;
    node.outbox().reseal_under(key.epoch.number, node.hour()).map_err(fault)?;
    loop {
        let now = node.hour();
        let batch = next_batch(node, now);
        if batch.is_empty() {
            return Ok(());
        }
        let inputs: Vec<_> = batch.iter().map(|said| said.input.clone()).collect();
        let ys = node.asker.secrets(&roster, &inputs, PUBLICATION_ELEMENTS_MIN).await?;
        let due: Vec<_> = batch.into_iter().zip(ys).filter(|(said, _)| is_due(said, now)).collect();
        let (node, roster, key) = (node.clone(), roster.clone(), key.clone());
        let sealed = tokio::task::spawn_blocking(move || seal(&node, &roster, &key, &due));
        sealed.await.map_err(fault)?.map_err(fault)?;
    }
}

/// Asks for names that were looked up while evaluators were away.
async fn ask_wanted(node: &Arc<Node>) -> Result<(), NotAsked> {
    loop {
        let names = node.wanted().some(BATCH_SIZES[BATCH_SIZES.len() - 1]);
        if names.is_empty() {
            return Ok(());
        }
        let roster = node.store.roster();
        node.asker.secrets(&roster, &names, PUBLICATION_ELEMENTS_MIN).await?;
        node.wanted().done(&names).map_err(fault)?;
        tracing::info!(names = names.len(), "names that waited are known now");
    }
}

fn is_due(said: &Statement, now: Hour) -> bool {
    matches!(said.progress, Progress::Due(due) if due <= now)
}

/// What is due, and as many of those that wait for later as fill the batch without dummies.
fn next_batch(node: &Node, now: Hour) -> Vec<Statement> {
    let largest = BATCH_SIZES[BATCH_SIZES.len() - 1];
    let mut batch = node.outbox().waiting(now, largest);
    let due = batch.iter().filter(|said| is_due(said, now)).count();
    if due == 0 {
        return vec![];
    }
    let wanted = due.max(PUBLICATION_ELEMENTS_MIN);
    batch.truncate(BATCH_SIZES.into_iter().find(|size| *size >= wanted).unwrap_or(largest));
    batch
}

/// Seals statements, each purpose in blocks of its own.
fn seal(node: &Node, roster: &Roster, key: &LiveKey, due: &[(Statement, Y)]) -> anyhow::Result<()> {
    for purpose in Purpose::ALL {
        let of_purpose = due.iter().filter(|(said, _)| said.purpose == *purpose);
        let mut labels: Vec<(Statement, OwnLabel)> = of_purpose
            .map(|(said, y)| Ok((said.clone(), label(node, key, said, y)?)))
            .collect::<anyhow::Result<_>>()?;
        // By token, which begins the item: the order in which names were said stays here.
        labels.sort_by(|one, other| one.1.item.cmp(&other.1.item));
        for part in labels.chunks(BLOCK_ITEMS_MAX) {
            let (statements, items): (Vec<_>, Vec<_>) = part.iter().cloned().unzip();
            let block = node.store.seal(*purpose, items, &node.keys.signing, node.hour())?;
            node.outbox().sealed(&statements, key.epoch.number, block)?;
        }
    }
    node.step(Event::Grew(vec![node.store.own_feed()]));
    let names = node.asker.names.lock().unwrap_or_else(PoisonError::into_inner).size().0;
    tracing::info!(labels = due.len(), names, roster = roster.version, "published");
    Ok(())
}

fn label(node: &Node, key: &LiveKey, said: &Statement, y: &Y) -> anyhow::Result<OwnLabel> {
    let secret = Secret::derive(y, key.epoch.number, said.purpose);
    let record = secret.token(&said.input);
    let (token, group) = (record.token(), node.registration.share_group);
    let label = if said.is_retracted() {
        secret.retraction(&token, &node.org, &group)?
    } else {
        secret.label(&token, &node.org, &group, &said.body(), &mut SystemRng)?
    };
    Ok(OwnLabel { item: label.encode(), record: record.bytes().to_vec() })
}

fn fault(error: impl std::fmt::Display) -> NotAsked {
    NotAsked::Fault(error.to_string())
}

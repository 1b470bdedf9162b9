//! From statements that are due to sealed labels: asks for `Y`, derives tokens, seals, in this order, and notes
//! what was sealed only afterwards. A crash in between seals once more, which replaces like with like.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use flowlore_common::block::PayloadKind;
use flowlore_common::env::SystemRng;
use flowlore_common::ids::{BlockId, Token};
use flowlore_common::label::Purpose;
use flowlore_common::limits::BLOCK_ITEMS_MAX;
use flowlore_common::time::Hour;
use flowlore_ledger::seal::OwnLabel;
use flowlore_ledger::sync::Event;
use flowlore_veil::limits::{BATCH_SIZES, PUBLICATION_ELEMENTS_MIN};
use flowlore_veil::note::Note;
use flowlore_veil::oprf::Y;
use flowlore_veil::token::Secret;

use crate::ask::NotAsked;
use crate::federation::same_rules;
use crate::node::Node;
use crate::outbox::{Sealed, Statement};
use crate::roster::Roster;

/// Notes in one block: at the largest size 132 kB, half of what a block holds.
const NOTES_A_BLOCK: usize = 32;
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
    let mut upkeep = node.publishing.lock().await;
    let roster = node.store.roster();
    let key = roster.key.clone().ok_or(NotAsked::NoKey)?;
    if !same_rules(&key.epoch) {
        let why = "this software makes tokens by other lists than the federation pins";
        return Err(NotAsked::Fault(why.to_owned()));
    }
    node.may_seal(&roster).map_err(NotAsked::Unheard)?;
    *upkeep = blocking(node, *upkeep, &roster, |node, mut upkeep, roster| {
        node.outbox().reseal_under(roster.key_epoch(), node.hour())?;
        upkeep.run(node, roster)?;
        Ok(upkeep)
    })
    .await?;
    loop {
        let now = node.hour();
        let batch = next_batch(node, now);
        if batch.is_empty() {
            return Ok(());
        }
        let inputs: Vec<_> = batch.iter().map(|said| said.input.clone()).collect();
        let ys = node.asker.secrets(&roster, &inputs, PUBLICATION_ELEMENTS_MIN).await?;
        let due: Vec<_> = batch.into_iter().zip(ys).filter(|(said, _)| said.is_due(now)).collect();
        let key_epoch = key.epoch.number;
        blocking(node, due, &roster, move |node, due, _| seal(node, key_epoch, due)).await?;
    }
}

/// Work that waits for disk and curves, off the threads of the sockets.
async fn blocking<G: Send + 'static, T: Send + 'static>(
    node: &Arc<Node>,
    given: G,
    roster: &Arc<Roster>,
    work: impl FnOnce(&Node, G, &Roster) -> anyhow::Result<T> + Send + 'static,
) -> Result<T, NotAsked> {
    let (node, roster) = (node.clone(), roster.clone());
    let done = tokio::task::spawn_blocking(move || work(&node, given, &roster));
    done.await.map_err(fault)?.map_err(fault)
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

/// What is due, and as many of those that wait for later as fill the batch without dummies.
fn next_batch(node: &Node, now: Hour) -> Vec<Statement> {
    let largest = BATCH_SIZES[BATCH_SIZES.len() - 1];
    let mut batch = node.outbox().waiting(now, largest);
    let due = batch.iter().filter(|said| said.is_due(now)).count();
    if due == 0 {
        return vec![];
    }
    let wanted = due.max(PUBLICATION_ELEMENTS_MIN);
    batch.truncate(BATCH_SIZES.into_iter().find(|size| *size >= wanted).unwrap_or(largest));
    batch
}

/// A statement as it leaves.
struct Made {
    said: Statement,
    token: Token,
    /// `None` for a withdrawal of what never left, of which nobody is told.
    label: Option<OwnLabel>,
    /// A note, or the withdrawal of one, where another stands.
    note: Option<Vec<u8>>,
}

/// Seals statements, each purpose in blocks of its own, their notes in blocks after those.
fn seal(node: &Node, key_epoch: u32, due: Vec<(Statement, Y)>) -> anyhow::Result<()> {
    let count = due.len();
    let mut by_purpose: BTreeMap<Purpose, Vec<Made>> = BTreeMap::new();
    for (said, y) in due {
        let purpose = said.purpose;
        by_purpose.entry(purpose).or_default().push(made(node, key_epoch, said, &y)?);
    }
    for (purpose, mut all) in by_purpose {
        // The order in which names were said stays here.
        all.sort_by_key(|made| made.token);
        for part in all.chunks(BLOCK_ITEMS_MAX) {
            let labels: Vec<_> = part.iter().filter_map(|made| made.label.clone()).collect();
            let block = match labels.is_empty() {
                true => BlockId::default(),
                false => node.store.seal(purpose, labels, &node.keys.signing, node.hour())?,
            };
            let notes: Vec<_> = part.iter().filter_map(|made| made.note.clone()).collect();
            for notes in notes.chunks(NOTES_A_BLOCK) {
                let (kind, now) = (PayloadKind::NOTES, node.hour());
                node.store.seal_items(kind, notes, &node.keys.signing, now)?;
            }
            let done = part.iter().map(|made| {
                let block = if made.label.is_some() { block } else { BlockId::default() };
                (made.said.clone(), Sealed { key_epoch, token: made.token, block })
            });
            node.outbox().sealed(&done.collect::<Vec<_>>())?;
        }
    }
    node.step(Event::Grew(vec![node.store.own_feed()]));
    let names = node.asker.names.lock().unwrap_or_else(PoisonError::into_inner).size().0;
    tracing::info!(labels = count, names, roster = node.store.roster().version, "published");
    Ok(())
}

fn made(node: &Node, key_epoch: u32, said: Statement, y: &Y) -> anyhow::Result<Made> {
    let secret = Secret::derive(y, key_epoch, said.purpose);
    let record = secret.token(&said.input);
    let (token, group) = (record.token(), node.registration.share_group);
    let (stands, noted) = {
        let ledger = node.store.read();
        (ledger.stands(&token, &node.org)?, ledger.note(&secret, &token, &node.org)?)
    };
    let label = if !said.is_retracted() {
        Some(secret.label(&token, &node.org, &group, &said.body(), &mut SystemRng)?)
    } else if stands.is_some_and(|stands| !stands.row.retracted) {
        Some(secret.retraction(&token, &node.org, &group)?)
    } else {
        None
    };
    let note = match &said.note {
        Some(text) if noted.as_ref() != Some(text) => {
            Some(secret.note(&token, &node.org, text, &mut SystemRng)?)
        }
        None if stands.is_some_and(|stands| stands.has_note) => Some(Note::withdrawal(token)),
        _ => None,
    };
    let record = record.bytes().to_vec();
    let label = label.map(|label| OwnLabel { item: label.encode(), record });
    Ok(Made { said, token, label, note: note.map(|note| note.encode()) })
}

fn fault(error: impl std::fmt::Display) -> NotAsked {
    NotAsked::Fault(error.to_string())
}

//! Keeps streams to other members open, fetches this node's key share, and lets the state machine feel time pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};
use flowlore_common::canon::b3kdf_parts;
use flowlore_common::ids::OrgId;
use flowlore_common::roster::key_epoch::KeyOrigin;
use flowlore_ledger::sync::Event;
use flowlore_proto::v1;
use tokio::task::{AbortHandle, JoinSet};

use crate::dial::timed;
use crate::handover;
use crate::limits::{OUTBOUND_PEERS_MAX, REDIAL_MAX, REDIAL_MIN, TICK_EVERY};
use crate::node::Node;
use crate::peer::links::peer_client;
use crate::peer::session;
use crate::roster::Roster;

/// Works for as long as the node runs.
pub async fn run(node: Arc<Node>) {
    let mut rosters = node.store.watch_roster();
    let mut dialling: BTreeMap<OrgId, AbortHandle> = BTreeMap::new();
    // Dropped with this future, and all its tasks with it.
    let mut tasks = JoinSet::new();
    tasks.spawn(tick(node.clone()));
    let mut wait = REDIAL_MIN;
    loop {
        let roster = rosters.borrow_and_update().clone();
        node.links.keep_only(&roster);
        let chosen = outbound(&roster, &node.org);
        dialling.retain(|org, task| {
            let stays = chosen.contains(org);
            if !stays {
                task.abort();
            }
            stays
        });
        for org in chosen {
            let dial = || tasks.spawn(keep_dialling(node.clone(), org));
            dialling.entry(org).or_insert_with(dial);
        }
        let fetched = fetch_share(&node, &roster).await;
        wait = match fetched {
            Ok(()) => REDIAL_MAX,
            Err(error) => {
                tracing::info!(error = format!("{error:#}"), "the key share is not here yet");
                (wait * 2).min(REDIAL_MAX)
            }
        };
        // A new roster may bring a key, or members: look at once, and begin to try anew.
        if let Ok(changed) = tokio::time::timeout(wait, rosters.changed()).await {
            wait = REDIAL_MIN;
            if changed.is_err() {
                return;
            }
        }
    }
}

/// Members that this node dials: all that can be, or so many in an order of its own, so that the federation's
/// streams make one web and not one star.
pub fn outbound(roster: &Roster, us: &OrgId) -> Vec<OrgId> {
    let mut others: Vec<_> = roster
        .active()
        .filter(|member| member.org != *us && !member.endpoints.is_empty())
        .map(|member| (b3kdf_parts("flowlore dial order v1", &[&us.0, &member.org.0]), member.org))
        .collect();
    others.sort_unstable();
    others.truncate(OUTBOUND_PEERS_MAX);
    others.into_iter().map(|(_, org)| org).collect()
}

async fn keep_dialling(node: Arc<Node>, org: OrgId) {
    let mut wait = REDIAL_MIN;
    loop {
        // It may have dialled us; one stream is enough.
        if node.board.peer(&org).sessions == 0 {
            node.board.update(org, |peer| peer.dialling = true);
            let dialled = dial(&node, org).await;
            let (reason, lived) = match dialled {
                Ok(reason) => (reason, true),
                Err(error) => (format!("{error:#}"), false),
            };
            tracing::debug!(peer = org.short(), reason, "stream ended");
            node.board.update(org, |peer| {
                peer.dialling = false;
                peer.tried = true;
                peer.last_error = reason;
            });
            // Whoever waited for this attempt need not wait longer.
            node.publish.notify_one();
            wait = if lived { REDIAL_MIN } else { (wait * 2).min(REDIAL_MAX) };
        }
        tokio::time::sleep(wait).await;
    }
}

async fn dial(node: &Arc<Node>, org: OrgId) -> Result<String> {
    let channel = node.links.to_member(&node.store.roster(), &org)?;
    session::open(node, org, channel)
        .await
        .map_err(|status| anyhow::anyhow!("{}", status.message()))
}

async fn tick(node: Arc<Node>) {
    let mut every = tokio::time::interval(TICK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = node.store.objects_digest();
    let mut before = told;
    loop {
        every.tick().await;
        let ticked = node.clone();
        let now = tokio::task::spawn_blocking(move || {
            ticked.step(Event::Tick);
            if let Err(error) = ticked.flows.forget(ticked.clock.now()) {
                tracing::warn!(%error, "old flows could not be removed; the next hour tries again");
            }
            if let Err(error) = ticked.days.forget(ticked.clock.now()) {
                let error = format!("{error:#}");
                tracing::warn!(error, "a day that is over could not be removed; it is tried again");
            }
            let now = ticked.store.objects_digest();
            if now == before && now != told {
                // Nothing came for a while: most likely the others hold the same. Telling them so keeps status true.
                ticked.step(Event::RosterGrew);
            }
            now
        });
        // A step that panics is a bug: it does not end the ticking.
        let now = now.await.unwrap_or(before);
        if now == before {
            told = now;
        }
        before = now;
    }
}

/// Fetches the share that was dealt to this node, if it holds a place in the newest key and no share of it.
async fn fetch_share(node: &Arc<Node>, roster: &Roster) -> Result<()> {
    let Some(key) = &roster.key else { return Ok(()) };
    let number = roster.member(&node.org).and_then(|us| us.roles.evaluator);
    let has_place = number.is_some_and(|number| key.package.evaluators().any(|one| one == number));
    let holds = node.holds_share(&key.package);
    let is_told = node.share_told.load(Ordering::Relaxed) == key.epoch.number;
    if !has_place || key.epoch.origin != KeyOrigin::Dealt || (holds && is_told) {
        return Ok(());
    }
    let dealers = roster.active().filter(|member| member.roles.governor && member.org != node.org);
    let dealers: Vec<_> = dealers.collect();
    if holds && dealers.is_empty() {
        // The only governor dealt the key itself: nobody else keeps a copy of our share.
        return Ok(());
    }
    let mut last = anyhow::anyhow!("no governor can be asked");
    for dealer in dealers {
        match take_share(node, roster, dealer.org, holds).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn take_share(node: &Arc<Node>, roster: &Roster, dealer: OrgId, holds: bool) -> Result<()> {
    let key = roster.key.as_ref().context("no key")?;
    let (key_epoch, generation) = (key.epoch.number, key.epoch.generation);
    let mut client = peer_client(node.links.to_member(roster, &dealer)?);
    let ask = |held| timed(v1::TakeShareRequest { key_epoch, generation, held });
    if !holds {
        let sealed = client.take_share(ask(false)).await?.into_inner().sealed_share;
        let share = handover::open(&sealed, &node.keys.transport)?;
        ensure!(key.package.holds(&share), "the dealer sent a share of another key");
        node.keep_share(share)?;
        tracing::info!(key_epoch, "key share taken");
        node.publish.notify_one();
    }
    // On disk here: the dealer may erase its copy. Told again after a restart, in case it was not heard.
    client.take_share(ask(true)).await?;
    node.share_told.store(key_epoch, Ordering::Relaxed);
    Ok(())
}

//! Evaluating for others: this node's share of the key, who has used how much of it today, and which batches
//! were answered already. Who used how much is on disk before the answer leaves, so that a restart renews nobody's
//! quota and counts no batch twice. No clock and no network in here.

use std::collections::{BTreeMap, HashMap, VecDeque};

use flowlore_common::evaluate::{EvaluateAnswer, EvaluateRequest, Scope};
use flowlore_common::ids::{BatchId, OrgId};
use flowlore_common::sign::{PublicKey, SecretKey};
use flowlore_common::time::{Day, Hour, MICROS_PER_SECOND, Micros};
use flowlore_veil::keys::KeyShare;
use flowlore_veil::oprf::batch_id;
use rand_core::CryptoRngCore;

use crate::counted::{Count, Counted};
use crate::folder::Folder;
use crate::keys::AtRestKey;
use crate::limits::{BATCH_KEPT_HOURS, BATCHES_KEPT_MAX};
use crate::roster::Roster;

/// New members may send more at first: their whole history (privacy.md 2.2).
const FIRST_DAYS: u32 = 14;
/// How far from midnight the neighbouring day is accepted, seconds: clocks differ, requests travel. More would
/// let an org use two days' quota in one.
const MIDNIGHT_S: i64 = 300;

/// Why a request is not evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEvaluated {
    /// Not the form of a request, or a batch size that nobody sends.
    #[error("the evaluation request is malformed")]
    Malformed,
    /// The connection's org is not the signer, or the signature does not hold.
    #[error("the evaluation request is not signed by the org whose connection this is")]
    Signer,
    /// Another federation, key epoch, generation or evaluator than ours.
    #[error("the evaluation request is for another key, generation or evaluator")]
    Scope,
    /// This node holds no share of the newest key.
    #[error("this node holds no share of that key")]
    NoShare,
    /// An element is no point; the whole batch is refused.
    #[error("an element of the batch is no valid point")]
    Element,
    /// The day named is neither today nor next to it.
    #[error("the request names another day: check both clocks")]
    Day,
    /// What was counted could not be kept.
    #[error("this evaluator's disk refuses")]
    Storage,
    /// Today's elements are used up.
    #[error("the quota of evaluations is used up for today")]
    Quota {
        /// Until it is renewed.
        retry_after_s: u32,
    },
}

/// Batch sizes that are served (privacy.md 2.2): others would tell how many names are asked for.
const BATCH_SIZES: [usize; 5] = [1, 16, 256, 1_024, 4_096];

/// An evaluator's state.
#[derive(Debug, Default)]
pub struct Evaluator {
    /// Where counts and batches are kept; none in tests.
    counted: Option<Counted>,
    /// Elements counted, by org and day; days before yesterday are forgotten.
    used: BTreeMap<(Day, OrgId), u32>,
    /// Elements of the first days beyond the daily quota, by org.
    used_at_first: BTreeMap<OrgId, u32>,
    /// Answers by batch; none for a batch that was answered before the start: it is evaluated again, and not counted.
    answered: HashMap<BatchId, Option<Vec<u8>>>,
    order: VecDeque<(Hour, BatchId)>,
}

/// What a request is judged by.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The newest roster.
    pub roster: &'a Roster,
    /// Whose connection the request came by.
    pub caller: OrgId,
    /// Our share of the newest key.
    pub share: Option<&'a KeyShare>,
    /// Signs answers.
    pub signing: &'a SecretKey,
    /// The current time, seconds since 1970.
    pub now_s: i64,
}

impl Situation<'_> {
    fn hour(&self) -> Hour {
        Hour(u32::try_from(self.now_s / 3_600).unwrap_or(0))
    }
}

impl Evaluator {
    /// Opens `private/evaluated`.
    ///
    /// # Errors
    /// It cannot be read or decrypted.
    pub fn open(folder: &Folder, key: &AtRestKey) -> anyhow::Result<Self> {
        let (counted, kept) = Counted::open(folder, key)?;
        let mut evaluator = Self { counted: Some(counted), ..Self::default() };
        for count in kept {
            match count {
                Count::Used(day, org, total) => _ = evaluator.used.insert((day, org), total),
                Count::AtFirst(org, total) => _ = evaluator.used_at_first.insert(org, total),
                Count::Batch(hour, batch) => evaluator.remember(batch, None, hour),
            }
        }
        Ok(evaluator)
    }

    /// Answers a request: the signed answer's bytes.
    ///
    /// # Errors
    /// See [`NotEvaluated`]; nothing is counted then.
    pub fn evaluate(
        &mut self,
        bytes: &[u8],
        situation: &Situation<'_>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Vec<u8>, NotEvaluated> {
        let (request, share) = check(bytes, situation)?;
        self.forget(situation.hour());
        let Scope { federation, key_epoch, .. } = request.scope;
        let batch = batch_id(&federation, key_epoch, &request.org, &request.blinded)
            .map_err(|_| NotEvaluated::Malformed)?;
        let known = self.answered.get(&batch);
        if let Some(Some(answer)) = known {
            return Ok(answer.clone());
        }
        let counted = match known {
            Some(_) => None,
            None => Some(self.would_count(&request, situation)?),
        };
        let answer = share.evaluate(&request.blinded, rng).map_err(|_| NotEvaluated::Element)?;
        let answer = EvaluateAnswer {
            scope: request.scope,
            batch,
            evaluated: answer.evaluated,
            proof: answer.proof,
        };
        if let Some(counted) = counted {
            self.count(&request, counted, (situation.hour(), batch))?;
        }
        let answer = answer.sign(situation.signing);
        self.answered.insert(batch, Some(answer.clone()));
        Ok(answer)
    }

    /// How many elements would count against (the day, the first days).
    fn would_count(
        &self,
        request: &EvaluateRequest,
        situation: &Situation<'_>,
    ) -> Result<(u32, u32), NotEvaluated> {
        let elements = u32::try_from(request.blinded.len()).unwrap_or(u32::MAX);
        let policy = &situation.roster.policy;
        let used = self.used.get(&(request.day, request.org)).copied().unwrap_or(0);
        let daily = elements.min(policy.evaluations_per_day.saturating_sub(used));
        let beyond = elements - daily;
        let member = situation.roster.member(&request.org).ok_or(NotEvaluated::Signer)?;
        let new = situation.hour().0 < member.admitted.0.saturating_add(FIRST_DAYS * 24);
        let used = self.used_at_first.get(&request.org).copied().unwrap_or(0);
        let left = if new { policy.evaluations_at_first.saturating_sub(used) } else { 0 };
        if beyond > left {
            let until = 86_400 - situation.now_s.rem_euclid(86_400);
            return Err(NotEvaluated::Quota { retry_after_s: u32::try_from(until).unwrap_or(0) });
        }
        Ok((daily, beyond))
    }

    /// Counts a batch, on disk first.
    fn count(
        &mut self,
        request: &EvaluateRequest,
        (daily, beyond): (u32, u32),
        (now, batch): (Hour, BatchId),
    ) -> Result<(), NotEvaluated> {
        let (today, org) = ((request.day, request.org), request.org);
        let used = self.used.get(&today).copied().unwrap_or(0).saturating_add(daily);
        let at_first = self.used_at_first.get(&org).copied().unwrap_or(0).saturating_add(beyond);
        if let Some(counted) = &mut self.counted {
            let mut new = vec![Count::Used(request.day, org, used), Count::Batch(now, batch)];
            new.extend((beyond > 0).then_some(Count::AtFirst(org, at_first)));
            counted.append(&new).map_err(|error| {
                tracing::error!(error = format!("{error:#}"), "evaluations cannot be counted");
                NotEvaluated::Storage
            })?;
        }
        self.used.insert(today, used);
        if beyond > 0 {
            self.used_at_first.insert(org, at_first);
        }
        self.remember(batch, None, now);
        self.tidy();
        Ok(())
    }

    fn remember(&mut self, batch: BatchId, answer: Option<Vec<u8>>, now: Hour) {
        if self.order.len() >= BATCHES_KEPT_MAX
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.answered.remove(&oldest);
        }
        self.answered.insert(batch, answer);
        self.order.push_back((now, batch));
    }

    /// Rewrites the file when most of it is of the past.
    fn tidy(&mut self) {
        let used = self.used.iter().map(|((day, org), total)| Count::Used(*day, *org, *total));
        let first = self.used_at_first.iter().map(|(org, total)| Count::AtFirst(*org, *total));
        let batches = self.order.iter().map(|(hour, batch)| Count::Batch(*hour, *batch));
        if let Some(counted) = &mut self.counted
            && let Err(error) = counted.tidy(used.chain(first).chain(batches))
        {
            // The old file stands, longer than it need be.
            tracing::warn!(error = format!("{error:#}"), "counted evaluations are not tidied");
        }
    }

    fn forget(&mut self, now: Hour) {
        while let Some((when, batch)) = self.order.front().copied() {
            if when.0.saturating_add(BATCH_KEPT_HOURS) > now.0 {
                break;
            }
            self.order.pop_front();
            self.answered.remove(&batch);
        }
        let yesterday = Day(now.day().0.saturating_sub(1));
        self.used = self.used.split_off(&(yesterday, OrgId([0; 32])));
    }
}

fn check<'a>(
    bytes: &[u8],
    situation: &Situation<'a>,
) -> Result<(EvaluateRequest, &'a KeyShare), NotEvaluated> {
    let request = EvaluateRequest::parse(bytes).map_err(|_| NotEvaluated::Malformed)?;
    let member = situation.roster.member(&situation.caller).ok_or(NotEvaluated::Signer)?;
    if request.claimed().org != situation.caller {
        return Err(NotEvaluated::Signer);
    }
    let key = PublicKey::parse(&member.key()).map_err(|_| NotEvaluated::Signer)?;
    let request = request.verify(&key).map_err(|_| NotEvaluated::Signer)?;
    let live = situation.roster.key.as_ref().ok_or(NotEvaluated::NoShare)?;
    let share = situation.share.filter(|share| live.package.holds(share));
    let share = share.ok_or(NotEvaluated::NoShare)?;
    let ours = Scope {
        federation: situation.roster.federation,
        key_epoch: live.epoch.number,
        generation: live.epoch.generation,
        evaluator: share.number(),
    };
    if request.scope != ours {
        return Err(NotEvaluated::Scope);
    }
    let day_at = |second: i64| Micros(second.saturating_mul(MICROS_PER_SECOND)).day();
    let around = [situation.now_s - MIDNIGHT_S, situation.now_s + MIDNIGHT_S];
    if !around.map(day_at).contains(&request.day) {
        return Err(NotEvaluated::Day);
    }
    if !BATCH_SIZES.contains(&request.blinded.len()) {
        return Err(NotEvaluated::Malformed);
    }
    Ok((request, share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW_S, Org, three};
    use flowlore_common::env::SeededRng;
    use flowlore_veil::oprf::{Answer, Request};

    fn blinded(seed: u64, elements: usize) -> Request {
        let input = flowlore_common::destination::Input::host(&"evil.example".parse().unwrap());
        Request::new(&[input], elements, &mut SeededRng::new("blind", seed)).unwrap()
    }

    /// Org 0 asks evaluator 2, which is org 1.
    fn request(roster: &Roster, asker: &Org, request: &Request) -> EvaluateRequest {
        let key = roster.key.as_ref().unwrap();
        EvaluateRequest {
            scope: Scope {
                federation: roster.federation,
                key_epoch: key.epoch.number,
                generation: key.epoch.generation,
                evaluator: 2,
            },
            org: asker.org,
            day: Micros(NOW_S * MICROS_PER_SECOND).day(),
            blinded: request.blinded().to_vec(),
        }
    }

    fn situation<'a>(roster: &'a Roster, orgs: &'a [Org]) -> Situation<'a> {
        Situation {
            roster,
            caller: orgs[0].org,
            share: Some(&orgs[1].share),
            signing: &orgs[1].signing,
            now_s: NOW_S,
        }
    }

    #[test]
    fn a_batch_is_counted_once_and_the_quota_holds() {
        let (roster, orgs) = three(32);
        let (mut evaluator, mut rng) = (Evaluator::default(), SeededRng::new("evaluator", 1));
        let at = situation(&roster, &orgs);
        let mut ask = |seed| {
            let signed = request(&roster, &orgs[0], &blinded(seed, 16)).sign(&orgs[0].signing);
            evaluator.evaluate(&signed, &at, &mut rng)
        };
        let first = ask(1).unwrap();
        for _ in 0..5 {
            assert_eq!(ask(1).unwrap(), first, "the same batch, the same answer");
        }
        ask(2).unwrap();
        // 08:00: sixteen hours until midnight.
        assert_eq!(ask(3).unwrap_err(), NotEvaluated::Quota { retry_after_s: 16 * 3_600 });
        assert_eq!(ask(1).unwrap(), first, "what was counted is still answered");
    }

    #[test]
    fn a_restart_renews_no_quota_and_counts_no_batch_twice() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let mut rng = SeededRng::new("restart", 1);
        let keys = crate::keys::Keys::create(&folder, &mut rng).unwrap();
        let (roster, orgs) = three(32);
        let at = situation(&roster, &orgs);
        let mut ask = |seed| {
            // A new process for every call.
            let mut evaluator = Evaluator::open(&folder, &keys.at_rest).unwrap();
            let signed = request(&roster, &orgs[0], &blinded(seed, 16)).sign(&orgs[0].signing);
            evaluator.evaluate(&signed, &at, &mut rng)
        };
        ask(1).unwrap();
        for _ in 0..3 {
            ask(1).unwrap();
        }
        ask(2).unwrap();
        assert_eq!(ask(3).unwrap_err(), NotEvaluated::Quota { retry_after_s: 16 * 3_600 });
        ask(1).unwrap();
    }

    #[test]
    fn the_answer_holds_under_the_rosters_key() {
        let (roster, orgs) = three(1_000);
        let (mut evaluator, mut rng) = (Evaluator::default(), SeededRng::new("evaluator", 2));
        let batch = blinded(1, 1);
        let signed = request(&roster, &orgs[0], &batch).sign(&orgs[0].signing);
        let bytes = evaluator.evaluate(&signed, &situation(&roster, &orgs), &mut rng).unwrap();
        let answer = EvaluateAnswer::parse(&bytes).unwrap();
        let answer = answer.verify(&orgs[1].signing.public()).unwrap();
        let package = &roster.key.as_ref().unwrap().package;
        let generation = answer.scope.generation;
        let answer = Answer { generation, evaluated: answer.evaluated, proof: answer.proof };
        batch.verify(2, package, &answer).unwrap();
        assert!(batch.verify(3, package, &answer).is_err(), "not another's answer");
    }

    #[test]
    fn what_is_not_right_is_refused_and_not_counted() {
        let (roster, orgs) = three(16);
        let (mut evaluator, mut rng) = (Evaluator::default(), SeededRng::new("evaluator", 3));
        let right = request(&roster, &orgs[0], &blinded(1, 16));
        let changed = |change: &dyn Fn(&mut EvaluateRequest)| {
            let mut request = right.clone();
            change(&mut request);
            request.sign(&orgs[0].signing)
        };
        let thief = right.sign(&orgs[2].signing);
        for (signed, refused) in [
            (vec![1, 2, 3], NotEvaluated::Malformed),
            (thief, NotEvaluated::Signer),
            (changed(&|request| request.org = orgs[2].org), NotEvaluated::Signer),
            (changed(&|request| request.scope.evaluator = 1), NotEvaluated::Scope),
            (changed(&|request| request.scope.key_epoch = 1), NotEvaluated::Scope),
            (changed(&|request| request.scope.generation = 9), NotEvaluated::Scope),
            (changed(&|request| request.day.0 += 1), NotEvaluated::Day),
            (changed(&|request| request.day.0 -= 1), NotEvaluated::Day),
            (changed(&|request| request.blinded.truncate(15)), NotEvaluated::Malformed),
            (changed(&|request| request.blinded[7] = [0; 32]), NotEvaluated::Element),
        ] {
            let at = situation(&roster, &orgs);
            assert_eq!(evaluator.evaluate(&signed, &at, &mut rng), Err(refused));
        }
        let no_share = Situation { share: None, ..situation(&roster, &orgs) };
        let signed = right.sign(&orgs[0].signing);
        let refused = evaluator.evaluate(&signed, &no_share, &mut rng);
        assert_eq!(refused, Err(NotEvaluated::NoShare));
        // Nothing of that was counted: the whole quota of 16 is left.
        evaluator.evaluate(&signed, &situation(&roster, &orgs), &mut rng).unwrap();
    }
}

//! Asking evaluators: from names to `Y`, blinded, t of n, from the cache where it is known.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use flowlore_common::destination::Input;
use flowlore_common::env::{Clock, SystemRng};
use flowlore_common::evaluate::{EvaluateAnswer, EvaluateRequest, Scope};
use flowlore_common::ids::OrgId;
use flowlore_common::sign::{PublicKey, SecretKey};
use flowlore_veil::keys::KeyShare;
use flowlore_veil::limits::BATCH_ELEMENTS_MAX;
use flowlore_veil::oprf::{Answer, Request, Share, Y, batch_id};

use crate::names::Names;
use crate::peer::links::Links;
use crate::roster::{LiveKey, Roster};

/// Sends a signed request to an evaluator and brings its signed answer: the network, or a test's stand-in.
#[tonic::async_trait]
pub trait Carrier: Send + Sync {
    /// Carries one request.
    async fn evaluate(
        &self,
        roster: &Roster,
        to: &OrgId,
        signed: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal>;
}

/// Why an evaluator did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Our quota with it is used up.
    Quota {
        /// Until it is renewed.
        retry_after_s: u32,
    },
    /// It cannot be reached, or refuses for another reason.
    Away(String),
}

/// Why there is no `Y`. Never the same as "nobody has seen it".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// Fewer than t answer.
    #[error("{up} of {of} evaluators answer, {needed} are needed")]
    Quorum {
        /// How many answered.
        up: u16,
        /// How many there are.
        of: u16,
        /// t.
        needed: u16,
    },
    /// The quota of the day is used up.
    #[error("the quota of evaluations is used up for today")]
    Quota {
        /// Until it is renewed.
        retry_after_s: u32,
    },
    /// The federation has no key yet.
    #[error("the federation has no evaluation key yet: flowlore-node federation keygen")]
    NoKey,
    /// The node has just started and hears first what others hold.
    #[error("{0}")]
    Unheard(&'static str),
    /// A fault of our own: the disk, or the arithmetic library.
    #[error("{0}")]
    Fault(String),
}

/// Asks for this node.
pub struct Asker {
    /// Who asks.
    pub org: OrgId,
    /// Signs requests.
    pub signing: SecretKey,
    /// What is known already.
    pub names: Arc<Mutex<Names>>,
    /// Our own share, when we are an evaluator.
    pub share: Arc<Mutex<Option<KeyShare>>>,
    /// Tells the day.
    pub clock: Arc<dyn Clock>,
    /// To the others.
    pub carrier: Arc<dyn Carrier>,
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asker of {:?}", self.org)
    }
}

impl Asker {
    /// `Y` of every input that is known here, without asking anybody.
    #[must_use]
    pub fn known(&self, roster: &Roster, inputs: &[Input]) -> Vec<Option<Y>> {
        let Some(key) = &roster.key else { return vec![None; inputs.len()] };
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        inputs.iter().map(|input| names.get(key.epoch.number, input)).collect()
    }

    /// `Y` of one input, if it is known here.
    #[must_use]
    pub fn known_one(&self, roster: &Roster, input: &Input) -> Option<Y> {
        let key = roster.key.as_ref()?;
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(key.epoch.number, input)
    }

    /// `Y` of every input, in order: what is not known is asked, in batches of at least `least` elements, and kept.
    ///
    /// # Errors
    /// See [`NotAsked`]; what earlier batches brought is kept.
    pub async fn secrets(
        &self,
        roster: &Roster,
        inputs: &[Input],
        least: usize,
    ) -> Result<Vec<Y>, NotAsked> {
        let key = roster.key.as_ref().ok_or(NotAsked::NoKey)?;
        let mut unknown: Vec<Input> = self
            .known(roster, inputs)
            .into_iter()
            .zip(inputs)
            .filter_map(|(known, input)| known.is_none().then(|| input.clone()))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        for batch in unknown.chunks(BATCH_ELEMENTS_MAX) {
            let evaluated = self.evaluate(roster, key, batch.to_vec(), least).await?;
            let pairs: Vec<_> = batch.iter().cloned().zip(evaluated).collect();
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.keep(key.epoch.number, &pairs).map_err(fault)?;
        }
        let all: Option<Vec<Y>> = self.known(roster, inputs).into_iter().collect();
        all.ok_or_else(|| NotAsked::Fault("more names at once than the cache holds".to_owned()))
    }

    async fn evaluate(
        &self,
        roster: &Roster,
        key: &LiveKey,
        batch: Vec<Input>,
        least: usize,
    ) -> Result<Vec<Y>, NotAsked> {
        let request = blocking(move || Request::new(&batch, least, &mut SystemRng)).await?;
        let request = Arc::new(request.map_err(fault)?);
        let shares = self.shares(roster, key, &request).await?;
        let package = key.package.clone();
        let finalized = blocking(move || request.finalize(&package, &shares)).await?;
        finalized.map_err(fault)
    }

    /// Exactly t checked shares: our own first, then the others in turn, beginning at another one for every
    /// request so that the load spreads.
    async fn shares(
        &self,
        roster: &Roster,
        key: &LiveKey,
        request: &Arc<Request>,
    ) -> Result<Vec<Share>, NotAsked> {
        let needed = usize::from(key.package.threshold());
        let mut shares = Vec::with_capacity(needed);
        shares.extend(self.own_share(key, request).await?);
        let evaluators: BTreeMap<u16, OrgId> = roster
            .evaluators()
            .into_iter()
            .filter(|(number, member)| {
                member.org != self.org && key.package.evaluators().any(|known| known == *number)
            })
            .map(|(number, member)| (number, member.org))
            .collect();
        let first = usize::from(request.blinded()[0][0]) % evaluators.len().max(1);
        let mut quota = None;
        for (number, org) in evaluators.iter().cycle().skip(first).take(evaluators.len()) {
            if shares.len() == needed {
                break;
            }
            match self.ask(roster, key, (*number, *org), request).await {
                Ok(share) => shares.push(share),
                Err(Refusal::Quota { retry_after_s }) => quota = Some(retry_after_s),
                Err(Refusal::Away(why)) => {
                    tracing::info!(evaluator = number, why, "evaluator gave no usable answer");
                }
            }
        }
        if shares.len() == needed {
            return Ok(shares);
        }
        Err(match quota {
            Some(retry_after_s) => NotAsked::Quota { retry_after_s },
            None => NotAsked::Quorum {
                up: u16::try_from(shares.len()).unwrap_or(u16::MAX),
                of: u16::try_from(key.package.evaluators().len()).unwrap_or(u16::MAX),
                needed: key.package.threshold(),
            },
        })
    }

    async fn own_share(
        &self,
        key: &LiveKey,
        request: &Arc<Request>,
    ) -> Result<Option<Share>, NotAsked> {
        let (share, request) = (self.share.clone(), request.clone());
        let package = key.package.clone();
        let evaluated = blocking(move || {
            let share = share.lock().unwrap_or_else(PoisonError::into_inner);
            let share = share.as_ref().filter(|share| package.holds(share))?;
            let answer = share.evaluate(request.blinded(), &mut SystemRng).ok()?;
            request.verify(share.number(), &package, &answer).ok()
        });
        evaluated.await
    }

    async fn ask(
        &self,
        roster: &Roster,
        key: &LiveKey,
        (number, org): (u16, OrgId),
        request: &Arc<Request>,
    ) -> Result<Share, Refusal> {
        let scope = Scope {
            federation: roster.federation,
            key_epoch: key.epoch.number,
            generation: key.epoch.generation,
            evaluator: number,
        };
        let day = self.clock.now().day();
        let asked =
            EvaluateRequest { scope, org: self.org, day, blinded: request.blinded().to_vec() };
        let answer = self.carrier.evaluate(roster, &org, asked.sign(&self.signing)).await?;
        let answer = open(&answer, roster, &org, &asked).map_err(|error| away(&error))?;
        let (request, package) = (request.clone(), key.package.clone());
        let answer = Answer {
            generation: answer.scope.generation,
            evaluated: answer.evaluated,
            proof: answer.proof,
        };
        let checked = blocking(move || request.verify(number, &package, &answer)).await;
        let checked = checked.map_err(|error| Refusal::Away(error.to_string()))?;
        checked.map_err(|error| {
            // Signed and wrong: either its software or its owner is at fault.
            tracing::warn!(evaluator = number, %error, "an evaluator's signed answer is wrong");
            Refusal::Away(error.to_string())
        })
    }
}

/// Reads a signed answer and checks that it is `org`'s answer to this request.
fn open(
    bytes: &[u8],
    roster: &Roster,
    org: &OrgId,
    asked: &EvaluateRequest,
) -> anyhow::Result<EvaluateAnswer> {
    let member = roster.member(org).context("the evaluator is no longer a member")?;
    let answer = EvaluateAnswer::parse(bytes)?.verify(&PublicKey::parse(&member.key())?)?;
    anyhow::ensure!(answer.scope == asked.scope, "an answer for another key or evaluator");
    let batch = batch_id(&roster.federation, asked.scope.key_epoch, &asked.org, &asked.blinded)?;
    anyhow::ensure!(answer.batch == batch, "an answer to another batch");
    Ok(answer)
}

fn away(error: &anyhow::Error) -> Refusal {
    Refusal::Away(format!("{error:#}"))
}

fn fault(error: impl std::fmt::Display) -> NotAsked {
    NotAsked::Fault(error.to_string())
}

/// Curve arithmetic off the threads that serve sockets: 4,096 elements take half a second.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotAsked> {
    tokio::task::spawn_blocking(work).await.map_err(fault)
}

#[tonic::async_trait]
impl Carrier for Links {
    async fn evaluate(
        &self,
        roster: &Roster,
        to: &OrgId,
        signed: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        self.call_evaluate(roster, to, signed).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluator::{Evaluator, NotEvaluated, Situation};
    use crate::fixture::{NOW_S, Org, three};
    use crate::folder::Folder;
    use crate::keys::Keys;
    use flowlore_common::env::{FixedClock, SeededRng};
    use flowlore_common::time::Micros;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// How an evaluator behaves.
    #[derive(Clone, Copy, PartialEq)]
    enum Conduct {
        Honest,
        Away,
        /// Signs an answer that it made with another share.
        Lies,
    }

    /// Evaluators 2 and 3 without a network; evaluator 1 is the asker.
    struct Two {
        orgs: Vec<Org>,
        conduct: [Conduct; 2],
        state: Mutex<[Evaluator; 2]>,
        calls: AtomicU32,
    }

    #[tonic::async_trait]
    impl Carrier for Two {
        async fn evaluate(
            &self,
            roster: &Roster,
            to: &OrgId,
            signed: Vec<u8>,
        ) -> Result<Vec<u8>, Refusal> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let at = self.orgs.iter().position(|org| org.org == *to).unwrap();
            let conduct = self.conduct[at - 1];
            if conduct == Conduct::Away {
                return Err(Refusal::Away("away".to_owned()));
            }
            let situation = Situation {
                roster,
                caller: self.orgs[0].org,
                share: Some(&self.orgs[at].share),
                signing: &self.orgs[at].signing,
                now_s: NOW_S,
            };
            let mut rng = SeededRng::new("two", at as u64);
            let mut state = self.state.lock().unwrap();
            let answer = state[at - 1].evaluate(&signed, &situation, &mut rng);
            let answer = answer.map_err(|error| match error {
                NotEvaluated::Quota { retry_after_s } => Refusal::Quota { retry_after_s },
                other => Refusal::Away(other.to_string()),
            })?;
            if conduct == Conduct::Honest {
                return Ok(answer);
            }
            let mut answer = EvaluateAnswer::parse(&answer).unwrap().claimed().clone();
            let other = self.orgs[0]
                .share
                .evaluate(&EvaluateRequest::parse(&signed).unwrap().claimed().blinded, &mut rng);
            answer.evaluated = other.unwrap().evaluated;
            Ok(answer.sign(&self.orgs[at].signing))
        }
    }

    fn asker(conduct: [Conduct; 2], quota: u32) -> (tempfile::TempDir, Roster, Asker, Arc<Two>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let keys = Keys::create(&folder, &mut SeededRng::new("ask", 1)).unwrap();
        let (roster, orgs) = three(quota);
        let share = KeyShare::from_bytes(&*orgs[0].share.to_bytes()).unwrap();
        let (org, signing) = (orgs[0].org, orgs[0].signing.clone());
        let state = Mutex::default();
        let two = Arc::new(Two { orgs, conduct, state, calls: AtomicU32::new(0) });
        let asker = Asker {
            org,
            signing,
            names: Arc::new(Mutex::new(Names::open(&folder, &keys.at_rest).unwrap())),
            share: Arc::new(Mutex::new(Some(share))),
            clock: Arc::new(FixedClock(Micros(NOW_S * 1_000_000))),
            carrier: two.clone(),
        };
        (dir, roster, asker, two)
    }

    fn inputs(names: &[&str]) -> Vec<Input> {
        names.iter().map(|name| Input::host(&name.parse().unwrap())).collect()
    }

    #[tokio::test]
    async fn any_quorum_gives_the_same_secret_and_it_is_asked_once() {
        let mut secrets = vec![];
        for conduct in [
            [Conduct::Honest, Conduct::Honest],
            [Conduct::Away, Conduct::Honest],
            [Conduct::Honest, Conduct::Away],
            [Conduct::Lies, Conduct::Honest],
            [Conduct::Honest, Conduct::Lies],
        ] {
            let (_dir, roster, asker, two) = asker(conduct, 1_000);
            let asked = inputs(&["evil.example", "other.example", "evil.example"]);
            let ys = asker.secrets(&roster, &asked, 1).await.unwrap();
            assert_eq!(ys[0].as_bytes(), ys[2].as_bytes());
            assert_ne!(ys[0].as_bytes(), ys[1].as_bytes());
            let calls = two.calls.load(Ordering::Relaxed);
            asker.secrets(&roster, &asked, 1).await.unwrap();
            assert_eq!(two.calls.load(Ordering::Relaxed), calls, "known names ask nobody");
            secrets.push(*ys[0].as_bytes());
        }
        secrets.dedup();
        assert_eq!(secrets.len(), 1);
    }

    #[tokio::test]
    async fn too_few_answers_are_never_unseen() {
        for conduct in [[Conduct::Away; 2], [Conduct::Lies; 2], [Conduct::Away, Conduct::Lies]] {
            let (_dir, roster, asker, _) = asker(conduct, 1_000);
            let refused = asker.secrets(&roster, &inputs(&["evil.example"]), 1).await;
            let needed = NotAsked::Quorum { up: 1, of: 3, needed: 2 };
            assert_eq!(refused.err(), Some(needed));
            assert!(asker.known_one(&roster, &inputs(&["evil.example"])[0]).is_none());
        }
    }

    #[tokio::test]
    async fn a_used_up_quota_is_told_with_its_renewal() {
        let (_dir, roster, asker, _) = asker([Conduct::Honest; 2], 1);
        asker.secrets(&roster, &inputs(&["one.example"]), 1).await.unwrap();
        // The other evaluator's quota is still there, then none.
        asker.secrets(&roster, &inputs(&["two.example"]), 1).await.unwrap();
        let refused = asker.secrets(&roster, &inputs(&["three.example"]), 1).await;
        assert_eq!(refused.err(), Some(NotAsked::Quota { retry_after_s: 16 * 3_600 }));
    }
}

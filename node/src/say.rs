//! What people of this org say about destinations, and what they take back.

use std::sync::Arc;

use flowlore_common::destination::{Host, Input, inputs};
use flowlore_common::ids::BlockId;
use flowlore_common::label::Purpose;
use flowlore_common::time::Hour;
use tonic::Status;

use crate::node::Node;
use crate::outbox::{Outbox, Progress, Statement};
use crate::publish::{self, Opinion};
use crate::rpc::internal;

/// Under which people speak.
const PURPOSES: [Purpose; 2] = [Purpose::Flagged, Purpose::Vouched];

/// How far what was said is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// On disk here, waiting.
    Waits,
    /// In this block of the own feed.
    Sealed(BlockId),
    /// It stays here.
    Local,
}

impl Node {
    /// Takes what a person says, and publishes it unless it stays here.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when the destination never leaves; INVALID_ARGUMENT when a note names what does not.
    pub async fn put(self: &Arc<Self>, opinion: Opinion) -> Result<Said, Status> {
        let node = self.clone();
        let stored = tokio::task::spawn_blocking(move || {
            let policy = node.own_policy(&node.store.roster());
            let now_s = node.clock.now().seconds();
            let statement = publish::opinion(&opinion, &policy, now_s, node.hour());
            let statement = statement.map_err(|not| refused(&not))?;
            let (purpose, input) = (statement.purpose, statement.input.clone());
            let stays_here = statement.progress == Progress::Local;
            let mut outbox = node.outbox();
            // Who changes their mind does not contradict themselves: the earlier label goes.
            let other = PURPOSES.into_iter().find(|other| *other != purpose);
            let earlier = other.and_then(|other| said(&outbox, stays_here, other, &input));
            if let Some(retraction) = earlier.map(|said| said.retraction(node.hour())) {
                outbox.put(retraction).map_err(internal)?;
            }
            outbox.put(statement).map_err(internal)?;
            Ok::<_, Status>((stays_here, purpose, input))
        });
        let (stays_here, purpose, input) = stored.await.map_err(internal)??;
        if stays_here {
            return Ok(Said::Local);
        }
        if let Err(error) = crate::publisher::publish_due(self).await {
            tracing::info!(%error, "a label waits");
            self.publish.notify_one();
        }
        let outbox = self.outbox();
        Ok(match outbox.get(purpose, &input).map(|said| said.progress) {
            Some(Progress::Sealed(sealed)) => Said::Sealed(sealed.block),
            _ => Said::Waits,
        })
    }

    /// Withdraws what people of this org said of a host, here and to others; how many labels that were.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn retract(self: &Arc<Self>, host: &Host) -> Result<u32, Status> {
        let (node, host) = (self.clone(), host.clone());
        let retracted = tokio::task::spawn_blocking(move || node.take_back(&host, node.hour()));
        let count = retracted.await.map_err(internal)?.map_err(internal)?;
        if let Err(error) = crate::publisher::publish_due(self).await {
            tracing::info!(%error, "a retraction waits");
            self.publish.notify_one();
        }
        Ok(count)
    }

    fn take_back(&self, host: &Host, now: Hour) -> anyhow::Result<u32> {
        let policy = self.own_policy(&self.store.roster());
        let public = inputs(host, &policy).ok().and_then(|inputs| inputs.host.or(inputs.site));
        let mut outbox = self.outbox();
        let words = Self::own_words(&outbox, host, public.as_ref());
        let retractions: Vec<_> = words.iter().map(|said| said.retraction(now)).collect();
        let count = u32::try_from(retractions.len())?;
        for retraction in retractions {
            outbox.put(retraction)?;
        }
        Ok(count)
    }

    /// What people of this org say of a host and have not taken back. `public`: as which it is published.
    #[must_use]
    pub fn own_words<'a>(
        outbox: &'a Outbox,
        host: &Host,
        public: Option<&Input>,
    ) -> Vec<&'a Statement> {
        if !outbox.has_people() {
            return vec![];
        }
        let here = Input::host(host);
        let both = [(true, Some(&here)), (false, public)];
        let words = both.into_iter().flat_map(|(stays_here, input)| {
            let of = move |purpose| said(outbox, stays_here, purpose, input?);
            PURPOSES.into_iter().filter_map(of)
        });
        words.collect()
    }
}

/// A person's statement that was not taken back.
fn said<'a>(
    outbox: &'a Outbox,
    stays_here: bool,
    purpose: Purpose,
    input: &Input,
) -> Option<&'a Statement> {
    let said = match stays_here {
        true => outbox.local(purpose, input),
        false => outbox.get(purpose, input),
    };
    said.filter(|said| !said.is_retracted())
}

fn refused(why: &publish::NotSaid) -> Status {
    match why {
        publish::NotSaid::Never(_) => Status::failed_precondition(why.to_string()),
        publish::NotSaid::Inside(_) => Status::invalid_argument(why.to_string()),
    }
}

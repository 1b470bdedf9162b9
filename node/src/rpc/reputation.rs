//! `ReputationService`: answers as they are ready, in the order asked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec::IntoIter;

use flowlore_common::credential::Role;
use flowlore_proto::v1;
use flowlore_proto::v1::reputation_service_server::ReputationService;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::auth::require;
use super::lookup::Lookup;
use crate::limits::{LOOKUP_CHUNK, LOOKUP_CHUNKS_AHEAD_MAX, LOOKUP_DESTINATIONS_MAX};
use crate::node::Node;

/// Serves `ReputationService` on the local port.
#[derive(Debug)]
pub struct ReputationHandler(Arc<Lookup>);

impl ReputationHandler {
    /// Looks up at this node.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        Self(Arc::new(Lookup::new(node)))
    }
}

#[tonic::async_trait]
impl ReputationService for ReputationHandler {
    type LookupStream = Answers;

    async fn lookup(
        &self,
        request: Request<v1::LookupRequest>,
    ) -> Result<Response<Answers>, Status> {
        require(&request, Role::Reader)?;
        let texts = request.into_inner().destinations;
        if texts.is_empty() || texts.len() > LOOKUP_DESTINATIONS_MAX {
            let limit = LOOKUP_DESTINATIONS_MAX;
            return Err(Status::invalid_argument(format!("1 to {limit} destinations are needed")));
        }
        // What is at hand needs no other thread, and most calls have no more than one chunk.
        let chunk = &texts[..texts.len().min(LOOKUP_CHUNK)];
        let ready = self.0.at_hand(chunk, 0).unwrap_or_default();
        let rest = (ready.len() < texts.len()).then(|| answer(self.0.clone(), texts, ready.len()));
        Ok(Response::new(Answers { ready: ready.into_iter(), rest }))
    }
}

/// Answers all texts but the first `done`, chunk by chunk.
fn answer(
    lookup: Arc<Lookup>,
    texts: Vec<String>,
    done: usize,
) -> mpsc::Receiver<Result<Vec<v1::Answer>, Status>> {
    let (sender, receiver) = mpsc::channel(LOOKUP_CHUNKS_AHEAD_MAX);
    tokio::spawn(async move {
        for (chunk, first) in texts.chunks(LOOKUP_CHUNK).zip((0..).step_by(LOOKUP_CHUNK)) {
            if (first as usize) < done {
                continue;
            }
            let answers = lookup.answers(chunk, first).await;
            let failed = answers.is_err();
            // The caller went away: nobody reads the rest.
            if sender.send(answers).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// Answers that are there, then those that come.
#[derive(Debug)]
pub struct Answers {
    ready: IntoIter<v1::Answer>,
    rest: Option<mpsc::Receiver<Result<Vec<v1::Answer>, Status>>>,
}

impl Stream for Answers {
    type Item = Result<v1::Answer, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(answer) = self.ready.next() {
                return Poll::Ready(Some(Ok(answer)));
            }
            let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
            match ready!(rest.poll_recv(cx)) {
                Some(Ok(answers)) => self.ready = answers.into_iter(),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
    }
}

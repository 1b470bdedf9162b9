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
        Ok(Response::new(Answers::new(self.0.clone(), texts)))
    }
}

/// Answers all texts from `next` on, chunk by chunk.
fn answer(
    lookup: Arc<Lookup>,
    texts: Vec<String>,
    mut next: u32,
) -> mpsc::Receiver<Result<Vec<v1::Answers>, Status>> {
    let (sender, receiver) = mpsc::channel(LOOKUP_CHUNKS_AHEAD_MAX);
    tokio::spawn(async move {
        while let chunk @ [_, ..] = chunk(&texts, next) {
            let answers = match lookup.at_hand(chunk, next) {
                Some((part, after)) => {
                    next = after;
                    Ok(vec![part])
                }
                None => {
                    let answers = lookup.answers(chunk, next).await;
                    next += chunk.len() as u32;
                    answers
                }
            };
            let failed = answers.is_err();
            // The caller went away: nobody reads the rest.
            if sender.send(answers).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// What is answered at a time.
fn chunk(texts: &[String], next: u32) -> &[String] {
    let rest = texts.get(next as usize..).unwrap_or_default();
    &rest[..rest.len().min(LOOKUP_CHUNK)]
}

/// Answers: what is at hand needs no other thread, and most calls ask for nothing else.
#[derive(Debug)]
pub struct Answers {
    lookup: Arc<Lookup>,
    texts: Vec<String>,
    next: u32,
    ready: IntoIter<v1::Answers>,
    /// From the first that is not at hand on.
    rest: Option<mpsc::Receiver<Result<Vec<v1::Answers>, Status>>>,
}

impl Answers {
    fn new(lookup: Arc<Lookup>, texts: Vec<String>) -> Self {
        Self { lookup, texts, next: 0, ready: vec![].into_iter(), rest: None }
    }
}

impl Stream for Answers {
    type Item = Result<v1::Answers, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(part) = self.ready.next() {
                return Poll::Ready(Some(Ok(part)));
            }
            if let Some(rest) = &mut self.rest {
                match ready!(rest.poll_recv(cx)) {
                    Some(Ok(parts)) => self.ready = parts.into_iter(),
                    Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                    None => return Poll::Ready(None),
                }
                continue;
            }
            let chunk = chunk(&self.texts, self.next);
            if chunk.is_empty() {
                return Poll::Ready(None);
            }
            if let Some((part, next)) = self.lookup.at_hand(chunk, self.next) {
                self.next = next;
                return Poll::Ready(Some(Ok(part)));
            }
            let texts = std::mem::take(&mut self.texts);
            self.rest = Some(answer(self.lookup.clone(), texts, self.next));
        }
    }
}

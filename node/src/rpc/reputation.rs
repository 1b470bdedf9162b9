//! `ReputationService`: answers as they are ready, in the order asked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec::IntoIter;

use flowlore_common::credential::Role;
use flowlore_proto::v1;
use flowlore_proto::v1::reputation_service_server::ReputationService;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::auth::require;
use super::lookup::Lookup;
use crate::limits::{
    LOOKUP_CHUNK, LOOKUP_CHUNKS_AHEAD_MAX, LOOKUP_DESTINATIONS_MAX, LOOKUP_PART_BYTES_MAX,
};
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
        let done = ready.len();
        let rest = (done < texts.len()).then(|| answer(self.0.clone(), texts, done));
        Ok(Response::new(Answers { ready: parts(ready).into_iter(), rest }))
    }
}

/// Answers all texts but the first `done`, chunk by chunk.
fn answer(
    lookup: Arc<Lookup>,
    texts: Vec<String>,
    done: usize,
) -> mpsc::Receiver<Result<Vec<v1::Answers>, Status>> {
    let (sender, receiver) = mpsc::channel(LOOKUP_CHUNKS_AHEAD_MAX);
    tokio::spawn(async move {
        for (chunk, first) in texts.chunks(LOOKUP_CHUNK).zip((0..).step_by(LOOKUP_CHUNK)) {
            if (first as usize) < done {
                continue;
            }
            let answers = lookup.answers(chunk, first).await.map(parts);
            let failed = answers.is_err();
            // The caller went away: nobody reads the rest.
            if sender.send(answers).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// Answers as messages, mostly one: one that is too large for a part goes alone.
fn parts(answers: Vec<v1::Answer>) -> Vec<v1::Answers> {
    let mut parts = vec![];
    let (mut part, mut bytes) = (v1::Answers::default(), 0);
    part.answers.reserve_exact(answers.len());
    for answer in answers {
        let more = answer.encoded_len();
        if bytes + more > LOOKUP_PART_BYTES_MAX && bytes > 0 {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += more;
        part.answers.push(answer);
    }
    parts.extend(Some(part).filter(|part| !part.answers.is_empty()));
    parts
}

/// Answers that are there, then those that come.
#[derive(Debug)]
pub struct Answers {
    ready: IntoIter<v1::Answers>,
    rest: Option<mpsc::Receiver<Result<Vec<v1::Answers>, Status>>>,
}

impl Stream for Answers {
    type Item = Result<v1::Answers, Status>;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_together_as_far_as_a_message_holds() {
        let answer = |index, bytes| v1::Answer {
            index,
            private_reason: "x".repeat(bytes),
            ..v1::Answer::default()
        };
        let sizes = |bytes: &[usize]| {
            let answers = (0..).zip(bytes).map(|(index, bytes)| answer(index, *bytes)).collect();
            let parts = parts(answers);
            let all = parts.iter().flat_map(|part| &part.answers).map(|answer| answer.index);
            assert!(all.eq(0..u32::try_from(bytes.len()).unwrap()), "in order, none lost");
            parts.iter().map(|part| part.answers.len()).collect::<Vec<_>>()
        };
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[100; LOOKUP_CHUNK]), [LOOKUP_CHUNK]);
        let half = LOOKUP_PART_BYTES_MAX / 2;
        assert_eq!(sizes(&[half; 3]), [1, 1, 1]);
        assert_eq!(sizes(&[half, half - 100, half]), [2, 1]);
        assert_eq!(sizes(&[1, 4 * half, 1, 1]), [1, 1, 2]);
    }
}

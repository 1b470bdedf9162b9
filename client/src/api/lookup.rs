//! `ReputationService.Lookup`.

use flowlore_proto::v1;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request, Status, Streaming};
use v1::reputation_service_client::ReputationServiceClient;

use super::session::{AUTHORIZATION, OPEN, SESSION};
use super::{Answer, Client};
use crate::failure::Failure;
use crate::limits::{LOOKUP_BATCH_BYTES_MAX, LOOKUP_BATCH_MAX, LOOKUP_TIMEOUT, MESSAGE_BYTES_MAX};

impl Client {
    /// Looks destinations up: one batch of [`batches`]. The answers stand in the order asked,
    /// exactly one for each destination.
    ///
    /// # Errors
    /// The node refuses, cannot be reached, or does not answer what was asked. What is wrong with
    /// one destination is no error: its answer's state is `invalid`.
    pub async fn lookup(&self, batch: &[String]) -> Result<Vec<Answer>, Failure> {
        self.within(LOOKUP_TIMEOUT, self.lookup_batch(batch)).await
    }

    async fn lookup_batch(&self, batch: &[String]) -> Result<Vec<Answer>, Failure> {
        let asked = self.ask(v1::LookupRequest { destinations: batch.to_vec() }).await;
        let mut stream = asked.map_err(|status| self.refusal(status))?;
        let mut answers: Vec<Option<Answer>> = vec![None; batch.len()];
        while let Some(part) = stream.message().await.map_err(|status| self.refusal(status))? {
            let damaged = |error| self.nonsense(format!("an answer that cannot be read: {error}"));
            for answer in part.decoded().map_err(damaged)? {
                let place = usize::try_from(answer.index).unwrap_or(usize::MAX);
                let twice = "one destination was answered twice";
                match answers.get_mut(place) {
                    Some(slot @ None) => {
                        *slot = Some(answer.try_into().map_err(|what| self.nonsense(what))?);
                    }
                    Some(Some(_)) => return Err(self.nonsense(twice)),
                    None => return Err(self.nonsense("an answer to what was not asked")),
                }
            }
        }
        let all: Option<Vec<Answer>> = answers.into_iter().collect();
        all.ok_or_else(|| self.nonsense("a destination was left without an answer"))
    }

    /// Asks in the session of this client's connection. Where there is none, or the node does not know it any more
    /// as after a new connection, the call is signed and opens one.
    async fn ask(&self, request: v1::LookupRequest) -> Result<Streaming<v1::Answers>, Status> {
        let mut service = ReputationServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        if let Some(known) = self.session.known() {
            let mut within = Request::new(request.clone());
            within.metadata_mut().insert(AUTHORIZATION, known);
            match service.lookup(within).await {
                Err(status) if status.code() == Code::Unauthenticated => {}
                done => return Ok(done?.into_inner()),
            }
        }
        let mut signed = Request::new(request);
        signed.metadata_mut().insert(SESSION, AsciiMetadataValue::from_static(OPEN));
        let answered = service.lookup(signed).await?;
        self.session.opened(answered.metadata());
        Ok(answered.into_inner())
    }
}

/// Splits destinations into batches that fit one call, by number and by bytes.
pub fn batches(mut destinations: &[String]) -> impl Iterator<Item = &[String]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |text: &&String| {
            bytes += text.len();
            bytes <= LOOKUP_BATCH_BYTES_MAX
        };
        // One text larger than a batch goes alone: the node says what is wrong with it.
        let count = destinations.iter().take(LOOKUP_BATCH_MAX).take_while(fits).count().max(1);
        let (batch, rest) = destinations.split_at_checked(count)?;
        destinations = rest;
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(destinations: &[String]) -> Vec<usize> {
        batches(destinations).map(<[String]>::len).collect()
    }

    #[test]
    fn batches_hold_number_and_bytes() {
        assert_eq!(sizes(&[]), Vec::<usize>::new());
        assert_eq!(sizes(&vec!["x".to_owned(); 10_000]), [10_000]);
        assert_eq!(sizes(&vec!["x".to_owned(); 20_001]), [10_000, 10_000, 1]);
        assert_eq!(sizes(&vec!["x".repeat(300 << 10); 2]), [1, 1]);
        assert_eq!(sizes(&["x".repeat(600 << 10), "y".to_owned()]), [1, 1]);
        let many: Vec<String> = (0..25_000).map(|number| format!("{number}.example")).collect();
        assert_eq!(batches(&many).flatten().cloned().collect::<Vec<_>>(), many);
    }
}

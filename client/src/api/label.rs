//! `LabelService`: what people say about destinations.

use flowlore_common::label::{Behaviour, Verdict};
use flowlore_common::wire;
use flowlore_proto::v1;
use serde::Serialize;
use v1::label_service_client::LabelServiceClient;

use super::{Client, Query};
use crate::failure::Failure;
use crate::limits::{CALL_TIMEOUT, MESSAGE_BYTES_MAX};

/// What a person wants to say about a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLabel {
    /// A name or address with an optional port.
    pub destination: String,
    /// Malicious, suspicious or benign.
    pub verdict: Verdict,
    /// What it does.
    pub behaviour: Option<Behaviour>,
    /// How sure the person is, 1 to 100; `None`: the node's default.
    pub confidence: Option<u8>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Labelled {
    /// The destination, as it was understood.
    pub destination: Query,
    /// What was said.
    pub verdict: Verdict,
    /// What it does.
    pub behaviour: Option<Behaviour>,
    /// How far it is on its way out.
    pub status: LabelStatus,
    /// The block of the own feed that holds it, hex; none while it waits.
    pub block_id: Option<String>,
}

/// Where a label is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelStatus {
    /// On the node's disk, waiting for evaluators or for its slot.
    Waiting,
    /// In the own feed: members get it.
    Sealed,
}

impl Client {
    /// Says what a person thinks of a destination; a later label for the same one replaces it.
    ///
    /// # Errors
    /// The destination cannot be read or never leaves the node, the credential's role is too low,
    /// there is no federation yet, or the node cannot be reached.
    pub async fn label(&self, label: &NewLabel) -> Result<Labelled, Failure> {
        let request = v1::PutLabelRequest {
            destination: label.destination.clone(),
            verdict: wire::verdict_out(label.verdict).into(),
            behaviour: label.behaviour.map_or(String::new(), |code| code.name().to_owned()),
            transport: 0,
            confidence: label.confidence.map_or(0, u32::from),
        };
        let put = async { self.labels().put(request).await.map_err(|status| self.refusal(status)) };
        let response = self.within(CALL_TIMEOUT, put).await?.into_inner();
        let status = match response.status() {
            v1::LabelStatus::Waiting => LabelStatus::Waiting,
            v1::LabelStatus::Sealed => LabelStatus::Sealed,
            v1::LabelStatus::Unspecified | v1::LabelStatus::Retracted => {
                return Err(self.nonsense("a new label that is neither waiting nor sealed"));
            }
        };
        Ok(Labelled {
            destination: response.destination.unwrap_or_default().into(),
            verdict: label.verdict,
            behaviour: label.behaviour,
            status,
            block_id: Some(hex::encode(&response.block_id)).filter(|id| !id.is_empty()),
        })
    }

    /// Withdraws what this org's people said of a destination; tells how many labels that were.
    ///
    /// # Errors
    /// As [`Self::label`]; `not_found` when there is nothing to withdraw.
    pub async fn retract(&self, destination: &str) -> Result<u32, Failure> {
        let request = v1::RetractLabelRequest { destination: destination.to_owned() };
        let call =
            async { self.labels().retract(request).await.map_err(|status| self.refusal(status)) };
        Ok(self.within(CALL_TIMEOUT, call).await?.into_inner().retracted)
    }

    fn labels(&self) -> LabelServiceClient<super::Signed> {
        LabelServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

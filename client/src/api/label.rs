//! `LabelService`: what people say about destinations.

use flowlore_common::label::{Behaviour, Outcome, Reason, Verdict};
use flowlore_common::tag::Tag;
use flowlore_common::time::Micros;
use flowlore_common::wire;
use flowlore_proto::v1;
use serde::Serialize;
use v1::label_service_client::LabelServiceClient;

use super::{Client, Query};
use crate::failure::Failure;
use crate::limits::{CALL_TIMEOUT, MESSAGE_BYTES_MAX, MY_LABELS_MAX};

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
    /// Stays on the node for so many hours, at most 720; 0: leaves at once.
    pub hold_hours: u16,
    /// Read beside the label at members who know the name; empty: none.
    pub title: String,
    /// Likewise.
    pub note: String,
    /// Likewise.
    pub tags: Vec<Tag>,
    /// It never leaves the node.
    pub stays_here: bool,
    /// How an incident about the destination was closed.
    pub closed: Option<Closing>,
}

/// How an incident was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// How.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Minutes that people spent on it; 0: not said.
    pub minutes: u32,
}

/// A label that somebody of this org has put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MyLabel {
    /// A name or address.
    pub destination: String,
    /// What was said; unknown once it is withdrawn.
    pub verdict: Verdict,
    /// What it does.
    pub behaviour: Option<Behaviour>,
    /// The port; 0: the host as such.
    pub port: u32,
    /// How sure the person was, 1 to 100.
    pub confidence: u32,
    /// How far it is on its way out.
    pub status: LabelStatus,
    /// When it was put.
    pub put: Micros,
    /// What was written beside it; empty: nothing.
    pub title: String,
    /// Likewise.
    pub note: String,
    /// Names of tags.
    pub tags: Vec<String>,
    /// How an incident about it was closed.
    pub outcome: Option<Outcome>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelStatus {
    /// On the node's disk, waiting for evaluators or for its slot.
    Waiting,
    /// In the own feed: members get it.
    Sealed,
    /// Taken back.
    Retracted,
    /// It never leaves.
    Local,
}

impl Client {
    /// Says what a person thinks of a destination; a later label for the same one replaces it.
    ///
    /// # Errors
    /// The destination cannot be read or never leaves the node, the credential's role is too low,
    /// there is no federation yet, or the node cannot be reached.
    pub async fn label(&self, label: &NewLabel) -> Result<Labelled, Failure> {
        let closed = label.closed;
        let reason = closed.map(|closed| closed.reason).filter(|reason| *reason != Reason::None);
        let request = v1::PutLabelRequest {
            destination: label.destination.clone(),
            verdict: wire::verdict_out(label.verdict).into(),
            behaviour: label.behaviour.map_or(String::new(), |code| code.name().to_owned()),
            transport: 0,
            confidence: label.confidence.map_or(0, u32::from),
            hold_hours: label.hold_hours.into(),
            title: label.title.clone(),
            note: label.note.clone(),
            tags: label.tags.iter().map(|tag| tag.name().to_owned()).collect(),
            local: label.stays_here,
            outcome: closed.map_or(String::new(), |closed| closed.outcome.name().to_owned()),
            reason: reason.map_or(String::new(), |reason| reason.name().to_owned()),
            minutes: closed.map_or(0, |closed| closed.minutes),
        };
        let put = async { self.labels().put(request).await.map_err(|status| self.refusal(status)) };
        let response = self.within(CALL_TIMEOUT, put).await?.into_inner();
        self.labelled(response, label.verdict, label.behaviour)
    }

    /// Contradicts what others say of a destination: a benign label that says why.
    ///
    /// # Errors
    /// As [`Self::label`].
    pub async fn dispute(&self, destination: &str, reason: Reason) -> Result<Labelled, Failure> {
        let (destination, reason) = (destination.to_owned(), reason.name().to_owned());
        let request = v1::DisputeRequest { destination, reason };
        let put =
            async { self.labels().dispute(request).await.map_err(|status| self.refusal(status)) };
        let response = self.within(CALL_TIMEOUT, put).await?.into_inner();
        self.labelled(response, Verdict::Benign, None)
    }

    /// What people of this org have put, newest first.
    ///
    /// # Errors
    /// The node refuses or cannot be reached, or there are more than [`MY_LABELS_MAX`].
    pub async fn mine(&self) -> Result<Vec<MyLabel>, Failure> {
        let call = async {
            let answered = self.labels().mine(v1::MineRequest {}).await;
            let mut stream = answered.map_err(|status| self.refusal(status))?.into_inner();
            let mut mine = Vec::new();
            while let Some(label) = stream.message().await.map_err(|status| self.refusal(status))? {
                if mine.len() == MY_LABELS_MAX {
                    return Err(self.nonsense("more labels than a node keeps"));
                }
                mine.push(self.my_label(label)?);
            }
            Ok(mine)
        };
        self.within(CALL_TIMEOUT, call).await
    }

    fn my_label(&self, label: v1::MyLabel) -> Result<MyLabel, Failure> {
        let status = match label.status() {
            v1::LabelStatus::Waiting => LabelStatus::Waiting,
            v1::LabelStatus::Sealed => LabelStatus::Sealed,
            v1::LabelStatus::Retracted => LabelStatus::Retracted,
            v1::LabelStatus::Local => LabelStatus::Local,
            v1::LabelStatus::Unspecified => return Err(self.nonsense("a label without a status")),
        };
        Ok(MyLabel {
            verdict: wire::verdict(label.verdict()).unwrap_or(Verdict::Unknown),
            // A behaviour of a later version is none that could be shown.
            behaviour: label.behaviour.parse().ok(),
            destination: label.destination,
            port: label.port,
            confidence: label.confidence,
            status,
            put: Micros(label.put_unix_s.saturating_mul(1_000_000)),
            title: label.title,
            note: label.note,
            tags: label.tags,
            outcome: label.outcome.parse().ok(),
        })
    }

    fn labelled(
        &self,
        response: v1::PutLabelResponse,
        verdict: Verdict,
        behaviour: Option<Behaviour>,
    ) -> Result<Labelled, Failure> {
        let status = match response.status() {
            v1::LabelStatus::Waiting => LabelStatus::Waiting,
            v1::LabelStatus::Sealed => LabelStatus::Sealed,
            v1::LabelStatus::Local => LabelStatus::Local,
            v1::LabelStatus::Unspecified | v1::LabelStatus::Retracted => {
                return Err(
                    self.nonsense("a new label that neither waits nor is sealed nor stays here")
                );
            }
        };
        Ok(Labelled {
            destination: response.destination.unwrap_or_default().into(),
            verdict,
            behaviour,
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

//! Channels to other members, one a member, made when first needed and kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use flowlore_common::ids::OrgId;
use flowlore_proto::v1;
use flowlore_proto::v1::evaluator_service_client::EvaluatorServiceClient;
use flowlore_proto::v1::peer_service_client::PeerServiceClient;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::ask::Refusal;
use crate::dial::{channel, timed};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::roster::Roster;
use crate::tls::{Identity, Meter, TransportKey};

/// In the metadata of RESOURCE_EXHAUSTED: seconds until the quota is renewed.
pub const RETRY_AFTER: &str = "retry-after-s";

/// Wait when an evaluator does not say for how long: an hour is harmless and soon enough.
const RETRY_AFTER_DEFAULT_S: u32 = 3_600;

/// Channels by (key, address): a member that rotates its key or moves gets a new one.
#[derive(Debug)]
pub struct Links {
    identity: Arc<Identity>,
    meter: Arc<Meter>,
    channels: Mutex<BTreeMap<(TransportKey, String), Channel>>,
}

impl Links {
    /// No channel yet.
    #[must_use]
    pub fn new(identity: Arc<Identity>, meter: Arc<Meter>) -> Self {
        Self { identity, meter, channels: Mutex::default() }
    }

    /// The channel to a member.
    ///
    /// # Errors
    /// It is no member, or listens nowhere.
    pub fn to_member(&self, roster: &Roster, org: &OrgId) -> Result<Channel> {
        let member = roster.member(org).context("not a member")?;
        let address = member.endpoints.first().context("the member listens nowhere")?;
        self.to(member.transport_key, address)
    }

    /// The channel to an address under a key.
    ///
    /// # Errors
    /// The identity does not fit TLS.
    pub fn to(&self, key: TransportKey, address: &str) -> Result<Channel> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&(key, address.to_owned())) {
            return Ok(channel.clone());
        }
        let made = channel(&self.identity, address, key, self.meter.of(&key))?;
        channels.insert((key, address.to_owned()), made.clone());
        Ok(made)
    }

    /// Forgets channels to whoever is not in the roster any more.
    pub fn keep_only(&self, roster: &Roster) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|(key, _), _| roster.member_by_key(key).is_some());
    }

    pub(crate) async fn call_evaluate(
        &self,
        roster: &Roster,
        to: &OrgId,
        signed: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        let channel =
            self.to_member(roster, to).map_err(|error| Refusal::Away(error.to_string()))?;
        let mut client =
            EvaluatorServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let request = timed(v1::EvaluateRequest { signed: signed.into() });
        match client.evaluate(request).await {
            Ok(answer) => Ok(answer.into_inner().signed.to_vec()),
            Err(status) => Err(refusal(&status)),
        }
    }
}

/// A client of another member's peer service.
#[must_use]
pub fn peer_client(channel: Channel) -> PeerServiceClient<Channel> {
    PeerServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .accept_compressed(Gzip)
}

fn refusal(status: &Status) -> Refusal {
    if status.code() != Code::ResourceExhausted {
        return Refusal::Away(status.message().to_owned());
    }
    let after = status.metadata().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_s = after.and_then(|text| text.parse().ok()).unwrap_or(RETRY_AFTER_DEFAULT_S);
    Refusal::Quota { retry_after_s }
}

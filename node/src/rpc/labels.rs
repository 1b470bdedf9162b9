//! What people of this org say.

use std::sync::Arc;

use flowlore_common::credential::Role;
use flowlore_common::destination::Destination;
use flowlore_common::label::{Behaviour, Reason, Verdict};
use flowlore_common::wire;
use flowlore_proto::v1;
use flowlore_proto::v1::label_service_server::LabelService;
use tokio_stream::{Iter, iter};
use tonic::{Request, Response, Status};

use super::auth::{Caller, require};
use super::internal;
use crate::limits::HOLD_HOURS_MAX;
use crate::node::Node;
use crate::outbox::{Progress, Statement};
use crate::publish::{Opinion, purpose_of};

/// IP protocol number of TCP: what a port without a transport means.
const TCP: u8 = 6;
/// Confidence of who gives none: "medium high" in the report's bands.
const CONFIDENCE_DEFAULT: u8 = 75;

/// Serves `LabelService` on the local port.
#[derive(Debug)]
pub struct LabelHandler(pub Arc<Node>);

#[tonic::async_trait]
impl LabelService for LabelHandler {
    async fn put(
        &self,
        request: Request<v1::PutLabelRequest>,
    ) -> Result<Response<v1::PutLabelResponse>, Status> {
        require(&request, Role::Contributor)?;
        let contributor = pseudonym(&request);
        let said = request.into_inner();
        self.say(&said, Reason::None, contributor).await
    }

    async fn dispute(
        &self,
        request: Request<v1::DisputeRequest>,
    ) -> Result<Response<v1::PutLabelResponse>, Status> {
        require(&request, Role::Contributor)?;
        let contributor = pseudonym(&request);
        let v1::DisputeRequest { destination, reason } = request.into_inner();
        let reason: Reason =
            reason.parse().map_err(|error| Status::invalid_argument(format!("reason: {error}")))?;
        if reason == Reason::None {
            return Err(Status::invalid_argument("reason: a dispute needs one"));
        }
        let verdict = v1::Verdict::Benign.into();
        let said = v1::PutLabelRequest { destination, verdict, ..Default::default() };
        self.say(&said, reason, contributor).await
    }

    async fn retract(
        &self,
        request: Request<v1::RetractLabelRequest>,
    ) -> Result<Response<v1::RetractLabelResponse>, Status> {
        require(&request, Role::Contributor)?;
        let destination = parse(&request.into_inner().destination)?;
        let retracted = self.0.retract(&destination.host).await?;
        if retracted == 0 {
            return Err(Status::not_found("nobody of this org has labelled that destination"));
        }
        Ok(Response::new(v1::RetractLabelResponse { retracted }))
    }

    type MineStream = Iter<std::vec::IntoIter<Result<v1::MyLabel, Status>>>;

    async fn mine(
        &self,
        request: Request<v1::MineRequest>,
    ) -> Result<Response<Self::MineStream>, Status> {
        require(&request, Role::Reader)?;
        let node = self.0.clone();
        let mine = tokio::task::spawn_blocking(move || node.outbox().by_people());
        let labels: Vec<_> =
            mine.await.map_err(internal)?.iter().map(|said| Ok(shown(said))).collect();
        Ok(Response::new(iter(labels)))
    }
}

impl LabelHandler {
    async fn say(
        &self,
        said: &v1::PutLabelRequest,
        reason: Reason,
        contributor: [u8; 16],
    ) -> Result<Response<v1::PutLabelResponse>, Status> {
        let destination: Destination = parse(&said.destination)?;
        let opinion = opinion(said, &destination, reason, contributor)?;
        let block = self.0.put(opinion).await?;
        let status =
            if block.is_some() { v1::LabelStatus::Sealed } else { v1::LabelStatus::Waiting };
        Ok(Response::new(v1::PutLabelResponse {
            status: status.into(),
            destination: Some(wire::query(&said.destination, &destination, self.0.suffixes)),
            block_id: block.map(|block| block.0.to_vec().into()).unwrap_or_default(),
        }))
    }
}

fn parse(text: &str) -> Result<Destination, Status> {
    text.parse().map_err(|error| Status::invalid_argument(format!("destination: {error}")))
}

/// The person, as their own org may recognise them later: nothing outside can be told from it.
fn pseudonym<T>(request: &Request<T>) -> [u8; 16] {
    request.extensions().get::<Caller>().map(|caller| caller.serial).unwrap_or_default()
}

fn opinion(
    said: &v1::PutLabelRequest,
    destination: &Destination,
    reason: Reason,
    contributor: [u8; 16],
) -> Result<Opinion, Status> {
    let invalid = |message: String| Status::invalid_argument(message);
    let verdict = wire::verdict(said.verdict())
        .ok_or_else(|| invalid("verdict: benign, suspicious or malicious is needed".to_owned()))?;
    let behaviour: Option<Behaviour> = match said.behaviour.as_str() {
        "" => None,
        name => Some(name.parse().map_err(|error| invalid(format!("behaviour: {error}")))?),
    };
    let confidence = match u8::try_from(said.confidence) {
        Ok(0) => CONFIDENCE_DEFAULT,
        Ok(confidence @ 1..=100) => confidence,
        _ => return Err(invalid("confidence: 1 to 100 is needed".to_owned())),
    };
    let port = destination.port.unwrap_or(0);
    let transport = match u8::try_from(said.transport) {
        Ok(0) if port != 0 => TCP,
        Ok(transport) => transport,
        Err(_) => return Err(invalid("transport: an IP protocol number is needed".to_owned())),
    };
    let hold_hours = u16::try_from(said.hold_hours).ok().filter(|hours| *hours <= HOLD_HOURS_MAX);
    let hold_hours =
        hold_hours.ok_or_else(|| invalid(format!("hold_hours: at most {HOLD_HOURS_MAX}")))?;
    Ok(Opinion {
        host: destination.host.clone(),
        port,
        transport,
        verdict,
        behaviour,
        confidence,
        reason,
        hold_hours,
        contributor,
    })
}

fn shown(said: &Statement) -> v1::MyLabel {
    let status = match (said.is_retracted(), said.progress) {
        (true, _) => v1::LabelStatus::Retracted,
        (_, Progress::Due(_)) => v1::LabelStatus::Waiting,
        (_, Progress::Sealed(..)) => v1::LabelStatus::Sealed,
    };
    let entry = said.entries.first();
    let verdict = entry.map_or(Verdict::Unknown, |entry| entry.verdict);
    debug_assert!(entry.is_none() || purpose_of(verdict) == said.purpose);
    let behaviour = entry.and_then(|entry| Behaviour::from_number(entry.code));
    v1::MyLabel {
        destination: said.input.text(),
        verdict: wire::verdict_out(verdict).into(),
        behaviour: behaviour.map(|behaviour| behaviour.name().to_owned()).unwrap_or_default(),
        port: entry.map_or(0, |entry| u32::from(entry.port)),
        transport: entry.map_or(0, |entry| u32::from(entry.transport)),
        confidence: entry.map_or(0, |entry| u32::from(entry.confidence)),
        status: status.into(),
        put_unix_s: said.put_s,
    }
}

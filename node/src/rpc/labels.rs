//! What people of this org say.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use flowlore_common::credential::Role;
use flowlore_common::destination::Destination;
use flowlore_common::label::{Behaviour, EntryKind, Outcome, Reason, UnknownWord, Verdict};
use flowlore_common::tag::{Tag, tag_name};
use flowlore_common::wire;
use flowlore_proto::v1;
use flowlore_proto::v1::label_service_server::LabelService;
use flowlore_veil::note::NoteText;
use tokio_stream::{Iter, iter};
use tonic::{Request, Response, Status};

use super::auth::{Caller, require};
use super::internal;
use crate::limits::HOLD_HOURS_MAX;
use crate::node::Node;
use crate::outbox::{Progress, Statement};
use crate::publish::{Closing, Opinion, purpose_of};
use crate::say::Said;

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
        let reason = match (&*said.reason, &*said.outcome) {
            ("", _) => Reason::None,
            (_, "") => return Err(Status::invalid_argument("reason: only with an outcome")),
            (name, _) => word("reason", name)?,
        };
        self.say(&said, reason, contributor).await
    }

    async fn dispute(
        &self,
        request: Request<v1::DisputeRequest>,
    ) -> Result<Response<v1::PutLabelResponse>, Status> {
        require(&request, Role::Contributor)?;
        let contributor = pseudonym(&request);
        let v1::DisputeRequest { destination, reason } = request.into_inner();
        let reason: Reason = word("reason", &reason)?;
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
        let (status, block) = match self.0.put(opinion).await? {
            Said::Sealed(block) => (v1::LabelStatus::Sealed, Some(block)),
            Said::Waits => (v1::LabelStatus::Waiting, None),
            Said::Local => (v1::LabelStatus::Local, None),
        };
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
        name => Some(word("behaviour", name)?),
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
        closed: closing(said, verdict)?,
        note: note(said, contributor)?,
        stays_here: said.local,
        hold_hours,
        contributor,
    })
}

/// A word of a vocabulary.
fn word<W: FromStr<Err = UnknownWord>>(field: &str, text: &str) -> Result<W, Status> {
    text.parse().map_err(|error| Status::invalid_argument(format!("{field}: {error}")))
}

/// How an incident was closed, which must not contradict the verdict.
fn closing(said: &v1::PutLabelRequest, verdict: Verdict) -> Result<Option<Closing>, Status> {
    let invalid = |message: &str| Err(Status::invalid_argument(message));
    let outcome = match &*said.outcome {
        "" if said.minutes > 0 => return invalid("minutes: only with an outcome"),
        "" => return Ok(None),
        name => word("outcome", name)?,
    };
    match (outcome, verdict) {
        (Outcome::None, _) => invalid("outcome: true_positive, benign_expected or false_positive"),
        (Outcome::TruePositive, Verdict::Benign) => {
            invalid("outcome: true_positive contradicts a benign verdict")
        }
        (
            Outcome::BenignExpected | Outcome::FalsePositive,
            Verdict::Malicious | Verdict::Suspicious,
        ) => invalid("outcome: only true_positive goes with a malicious or suspicious verdict"),
        _ => Ok(Some(Closing { outcome, minutes: said.minutes })),
    }
}

/// What people write, if they write anything.
fn note(said: &v1::PutLabelRequest, contributor: [u8; 16]) -> Result<Option<NoteText>, Status> {
    let invalid = |message: String| Status::invalid_argument(message);
    let tags = said.tags.iter().map(|name| Ok(word::<Tag>("tags", name)?.number()));
    let tags = tags.collect::<Result<BTreeSet<_>, Status>>()?;
    let (title, text) = (said.title.trim(), said.note.trim());
    if title.is_empty() && text.is_empty() && tags.is_empty() {
        return Ok(None);
    }
    if title.chars().any(char::is_control) {
        return Err(invalid("title: one line without control characters is needed".to_owned()));
    }
    if text.chars().any(|letter| letter.is_control() && !"\n\t".contains(letter)) {
        return Err(invalid("note: text without control characters is needed".to_owned()));
    }
    let note = NoteText {
        contributor,
        tags: tags.into_iter().collect(),
        title: title.to_owned(),
        text: text.to_owned(),
        ..NoteText::default()
    };
    note.encode().map_err(|error| invalid(format!("title, note and tags: {error}")))?;
    Ok(Some(note))
}

/// A label of one's own people, as they see it.
pub(super) fn shown(said: &Statement) -> v1::MyLabel {
    let status = match (said.is_retracted(), said.progress) {
        (true, _) => v1::LabelStatus::Retracted,
        (_, Progress::Due(_)) => v1::LabelStatus::Waiting,
        (_, Progress::Sealed(_)) => v1::LabelStatus::Sealed,
        (_, Progress::Local) => v1::LabelStatus::Local,
    };
    let of = |kind| said.entries.iter().find(|entry| entry.kind == kind && entry.detector == 0);
    let entry = of(EntryKind::Assessment);
    let verdict = entry.map_or(Verdict::Unknown, |entry| entry.verdict);
    debug_assert!(entry.is_none() || purpose_of(verdict) == said.purpose);
    let behaviour = entry.and_then(|entry| Behaviour::from_number(entry.code));
    let outcome = of(EntryKind::Disposition).map(|entry| entry.outcome.name());
    let note = said.note.clone().unwrap_or_default();
    v1::MyLabel {
        destination: said.input.text(),
        verdict: wire::verdict_out(verdict).into(),
        behaviour: behaviour.map(|behaviour| behaviour.name().to_owned()).unwrap_or_default(),
        port: entry.map_or(0, |entry| u32::from(entry.port)),
        transport: entry.map_or(0, |entry| u32::from(entry.transport)),
        confidence: entry.map_or(0, |entry| u32::from(entry.confidence)),
        status: status.into(),
        put_unix_s: said.put_s,
        title: note.title,
        note: note.text,
        tags: note.tags.into_iter().map(tag_name).collect(),
        outcome: outcome.unwrap_or_default().to_owned(),
    }
}

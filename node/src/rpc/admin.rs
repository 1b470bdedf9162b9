//! For those who run the node.

use std::sync::Arc;

use flowlore_common::credential::Role;
use flowlore_common::destination::InputKind;
use flowlore_common::label::{Behaviour, Category};
use flowlore_common::roster::Member;
use flowlore_common::time::SECONDS_PER_HOUR;
use flowlore_proto::v1;
use flowlore_proto::v1::admin_service_server::AdminService;
use flowlore_veil::body::Entry;
use tokio_stream::{Iter, iter};
use tonic::{Request, Response, Status, Streaming};

use super::auth::require;
use super::flows::drafted;
use super::upload::Upload;
use super::{erase, internal, precondition};
use crate::archive::Raw;
use crate::keys::NewKeys;
use crate::node::Node;
use crate::outbox::Progress;
use crate::publish::Draft;
use crate::roster::fingerprint;

/// Serves `AdminService` on the local port.
#[derive(Debug)]
pub struct AdminHandler(pub Arc<Node>);

#[tonic::async_trait]
impl AdminService for AdminHandler {
    async fn status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        require(&request, Role::Reader)?;
        let node = self.0.clone();
        let status = tokio::task::spawn_blocking(move || super::status::status(&node));
        Ok(Response::new(status.await.map_err(internal)?))
    }

    type PublishDryRunStream = Iter<std::vec::IntoIter<Result<v1::DryRunPart, Status>>>;

    async fn publish_dry_run(
        &self,
        request: Request<Streaming<v1::AnalyzeRequest>>,
    ) -> Result<Response<Self::PublishDryRunStream>, Status> {
        require(&request, Role::Contributor)?;
        let upload = Upload::receive(&self.0, request.into_inner()).await?;
        let node = self.0.clone();
        let drafted = tokio::task::spawn_blocking(move || drafted(&node, &upload));
        let drafted = drafted.await.map_err(internal)??;
        Ok(Response::new(iter(dry_run(&drafted)?)))
    }

    async fn invite(
        &self,
        request: Request<v1::InviteRequest>,
    ) -> Result<Response<v1::InviteResponse>, Status> {
        require(&request, Role::Admin)?;
        let (line, expires_unix_s) = self.0.invite().map_err(|error| precondition(&error))?;
        Ok(Response::new(v1::InviteResponse { line, expires_unix_s }))
    }

    async fn approve(
        &self,
        request: Request<v1::ApproveRequest>,
    ) -> Result<Response<v1::ApproveResponse>, Status> {
        require(&request, Role::Admin)?;
        let v1::ApproveRequest { applicant, endorsers } = request.into_inner();
        let node = self.0.clone();
        let approved = tokio::task::spawn_blocking(move || node.approve(&applicant, &endorsers));
        let org = approved.await.map_err(internal)?.map_err(|error| precondition(&error))?;
        let roster = self.0.store.roster();
        let member = roster.member(&org).map(member_out);
        Ok(Response::new(v1::ApproveResponse { member, roster_version: roster.version }))
    }

    async fn keygen(
        &self,
        request: Request<v1::KeygenRequest>,
    ) -> Result<Response<v1::KeygenResponse>, Status> {
        require(&request, Role::Admin)?;
        let v1::KeygenRequest { threshold, evaluators } = request.into_inner();
        let sizes = u16::try_from(threshold).ok().zip(u16::try_from(evaluators).ok());
        let (t, n) = sizes.ok_or_else(|| Status::invalid_argument("t and n are far too large"))?;
        let node = self.0.clone();
        let made =
            tokio::task::spawn_blocking(move || node.keygen(t, n)).await.map_err(internal)?;
        let key_epoch = made.map_err(|error| precondition(&error))?;
        let roster_version = self.0.store.roster().version;
        Ok(Response::new(v1::KeygenResponse { key_epoch, roster_version }))
    }

    async fn expel(
        &self,
        request: Request<v1::ExpelRequest>,
    ) -> Result<Response<v1::ExpelResponse>, Status> {
        require(&request, Role::Admin)?;
        let v1::ExpelRequest { member, from_height } = request.into_inner();
        let node = self.0.clone();
        let expelled = tokio::task::spawn_blocking(move || node.expel(&member, from_height));
        let version = expelled.await.map_err(internal)?;
        let roster_version = version.map_err(|error| precondition(&error))?;
        Ok(Response::new(v1::ExpelResponse { roster_version }))
    }

    async fn rekey(
        &self,
        request: Request<v1::RekeyRequest>,
    ) -> Result<Response<v1::RekeyResponse>, Status> {
        require(&request, Role::Admin)?;
        let v1::RekeyRequest { member, signing_key, transport_key, from_height } =
            request.into_inner();
        let key = |bytes: &[u8]| {
            bytes.try_into().map_err(|_| Status::invalid_argument("a key has 32 bytes"))
        };
        let keys = NewKeys { signing: key(&signing_key)?, transport: key(&transport_key)? };
        let node = self.0.clone();
        let rekeyed = tokio::task::spawn_blocking(move || node.rekey(&member, keys, from_height));
        let version = rekeyed.await.map_err(internal)?;
        let roster_version = version.map_err(|error| precondition(&error))?;
        Ok(Response::new(v1::RekeyResponse { roster_version }))
    }

    async fn erase_flows(
        &self,
        request: Request<v1::EraseFlowsRequest>,
    ) -> Result<Response<v1::EraseFlowsResponse>, Status> {
        require(&request, Role::Admin)?;
        let erasure = erase::asked(request.into_inner())?;
        let node = self.0.clone();
        let erased = tokio::task::spawn_blocking(move || {
            let raw = Raw { days: &node.days, spool: &node.netflow.spool };
            node.flows.erase(raw, &erasure)
        });
        let erased = erased.await.map_err(internal)?.map_err(internal)?;
        Ok(Response::new(erase::response(erased)))
    }
}

/// A draft as it is shown, statement by statement.
fn dry_run(drafted: &Draft) -> Result<Vec<Result<v1::DryRunPart, Status>>, Status> {
    use v1::dry_run_part::Part;
    let mut parts = vec![];
    for said in &drafted.statements {
        let body = said.body();
        let due_unix_s = match said.progress {
            Progress::Due(hour) => i64::from(hour.0) * SECONDS_PER_HOUR,
            Progress::Sealed(_) | Progress::Local => 0,
        };
        parts.push(Part::Statement(v1::DryRunStatement {
            destination: said.input.text(),
            kind: kind(said.input.kind()).to_owned(),
            purpose: said.purpose.name().to_owned(),
            body: body.encode().map_err(internal)?.to_vec().into(),
            entries: body.entries.iter().map(entry_line).collect(),
            due_unix_s,
        }));
    }
    let kept = drafted.kept.iter().map(|(why, count)| (why.to_string(), *count));
    parts.push(Part::Kept(v1::DryRunKept { never_tokenised: kept.collect() }));
    Ok(parts.into_iter().map(|part| Ok(v1::DryRunPart { part: Some(part) })).collect())
}

const fn kind(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Name => "name",
        InputKind::V4 => "ipv4",
        InputKind::V6 => "ipv6",
        InputKind::Site => "site",
        InputKind::Slash64 => "ipv6_64",
    }
}

/// An entry in words; every number in it leaves, and nothing besides.
fn entry_line(entry: &Entry) -> String {
    let category = u8::try_from(entry.code).ok().and_then(Category::from_number);
    let behaviour = Behaviour::from_number(entry.code);
    let code = category.map(Category::name).or(behaviour.map(Behaviour::name)).unwrap_or("none");
    format!(
        "{} {} {code}, port {}, protocol {}, verdict {} at {}, {} to {}, flows 2^{}, hosts 2^{}",
        entry.kind,
        entry.direction,
        entry.port,
        entry.transport,
        entry.verdict,
        entry.confidence,
        entry.first_day,
        entry.last_day,
        entry.flows_log2,
        entry.hosts_log2
    )
}

/// A member as it is shown.
#[must_use]
pub fn member_out(member: &Member) -> v1::Member {
    let roles = [
        (true, "member"),
        (member.roles.governor, "governor"),
        (member.roles.witness, "witness"),
        (member.roles.evaluator.is_some(), "evaluator"),
    ];
    v1::Member {
        name: member.name.clone(),
        org_id: member.org.0.to_vec().into(),
        fingerprint: fingerprint(&member.transport_key),
        roles: roles.iter().filter(|(has, _)| *has).map(|(_, name)| (*name).to_owned()).collect(),
        evaluator_number: member.roles.evaluator.map_or(0, u32::from),
        address: member.endpoints.first().cloned().unwrap_or_default(),
        status: if member.active { "active" } else { "expelled" }.to_owned(),
    }
}

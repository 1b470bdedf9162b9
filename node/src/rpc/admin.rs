//! For those who run the node.

use std::sync::Arc;

use flowlore_common::credential::Role;
use flowlore_common::roster::Member;
use flowlore_proto::v1;
use flowlore_proto::v1::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use super::auth::require;
use super::{internal, precondition};
use crate::node::Node;
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
        let status = tokio::task::spawn_blocking(move || crate::status::status(&node));
        Ok(Response::new(status.await.map_err(internal)?.map_err(internal)?))
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

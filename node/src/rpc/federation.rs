//! What other nodes ask for: replication, joining, the roster, dealt shares.

use std::sync::Arc;

use flowlore_common::ids::OrgId;
use flowlore_common::invite::JoinRequest;
use flowlore_proto::v1;
use flowlore_proto::v1::peer_service_server::PeerService;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Iter, iter};
use tonic::{Request, Response, Status, Streaming};

use super::internal;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::listen::PeerKey;
use crate::node::Node;
use crate::peer::session;

/// Serves `PeerService` on the peers' port.
#[derive(Debug)]
pub struct PeerHandler(pub Arc<Node>);

/// The key that the connection's handshake proved.
fn peer_key<T>(request: &Request<T>) -> Result<PeerKey, Status> {
    let key = request.extensions().get::<PeerKey>().copied();
    key.ok_or_else(|| Status::unauthenticated("the connection proved no key"))
}

/// The member at the other end. Asked anew for every call, so that an expelled member's open connection is of no use.
///
/// # Errors
/// PERMISSION_DENIED for whoever is no member.
pub fn member<T>(node: &Node, request: &Request<T>) -> Result<OrgId, Status> {
    let key = peer_key(request)?;
    let roster = node.store.roster();
    let member = roster.member_by_key(&key.0);
    member.map(|member| member.org).ok_or_else(|| Status::permission_denied("not a member"))
}

#[tonic::async_trait]
impl PeerService for PeerHandler {
    type ReplicateStream = ReceiverStream<Result<v1::PeerFrame, Status>>;

    async fn replicate(
        &self,
        request: Request<Streaming<v1::PeerFrame>>,
    ) -> Result<Response<Self::ReplicateStream>, Status> {
        let org = member(&self.0, &request)?;
        Ok(Response::new(session::answer(self.0.clone(), org, request.into_inner())))
    }

    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let key = peer_key(&request)?;
        let signed = request.into_inner().signed;
        let join = JoinRequest::open(&signed)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let roster = self.0.store.roster();
        let member = roster.member(&join.registration.org());
        if member.is_some_and(|member| member.transport_key == key.0) {
            return Ok(Response::new(v1::JoinResponse { admitted: true }));
        }
        let now_s = self.0.clock.now().seconds();
        let applied = self.0.admission().apply(&join, &signed, &key.0, &roster.federation, now_s);
        match applied.map_err(internal)? {
            Ok(()) => Ok(Response::new(v1::JoinResponse { admitted: false })),
            Err(turned_away) => Err(Status::permission_denied(turned_away.to_string())),
        }
    }

    type RosterStream = Iter<std::vec::IntoIter<Result<v1::RosterDocument, Status>>>;

    async fn roster(
        &self,
        request: Request<v1::RosterRequest>,
    ) -> Result<Response<Self::RosterStream>, Status> {
        member(&self.0, &request)?;
        let from = request.into_inner().from_version;
        let node = self.0.clone();
        let documents = tokio::task::spawn_blocking(move || {
            // A page; who wants more asks from behind the last.
            node.store.documents_from(from, MESSAGE_BYTES_MAX)
        });
        let documents: Vec<_> = documents
            .await
            .map_err(internal)?
            .map_err(internal)?
            .into_iter()
            .map(|document| Ok(v1::RosterDocument { document: document.into() }))
            .collect();
        Ok(Response::new(iter(documents)))
    }

    async fn take_share(
        &self,
        request: Request<v1::TakeShareRequest>,
    ) -> Result<Response<v1::TakeShareResponse>, Status> {
        let org = member(&self.0, &request)?;
        let v1::TakeShareRequest { key_epoch, held, .. } = request.into_inner();
        if held {
            self.0.dealt().taken(key_epoch, &org).map_err(internal)?;
            return Ok(Response::new(v1::TakeShareResponse::default()));
        }
        let share = self.0.dealt().share_of(key_epoch, &org).map(<[u8]>::to_vec);
        let share = share.ok_or_else(|| Status::not_found("no share is dealt to you here"))?;
        Ok(Response::new(v1::TakeShareResponse { sealed_share: share.into() }))
    }
}

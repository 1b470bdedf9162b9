//! One replication stream, from either side: frames in, steps of the state machine, frames out.

use std::sync::Arc;

use flowlore_common::ids::OrgId;
use flowlore_ledger::sync::Event;
use flowlore_ledger::sync::message::{Message, State};
use flowlore_proto::v1;
use flowlore_proto::v1::peer_frame::Frame;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::frame;
use super::hub::{Connection, Outgoing};
use super::links::peer_client;
use crate::limits::FRAMES_QUEUED_MAX;
use crate::node::Node;

/// Serves a stream that a member opened.
#[must_use]
pub fn answer(
    node: Arc<Node>,
    org: OrgId,
    incoming: Streaming<v1::PeerFrame>,
) -> ReceiverStream<Result<v1::PeerFrame, Status>> {
    let (outgoing, frames) = mpsc::channel(FRAMES_QUEUED_MAX);
    tokio::spawn(async move { run(&node, org, incoming, outgoing).await });
    ReceiverStream::new(frames)
}

/// Opens a stream to a member and serves it to its end; why it ended.
///
/// # Errors
/// It could not be opened.
pub async fn open(node: &Arc<Node>, org: OrgId, channel: Channel) -> Result<String, Status> {
    let (outgoing, frames) = mpsc::channel(FRAMES_QUEUED_MAX);
    // An error of ours ends the stream; its reason is for our own log.
    let frames = ReceiverStream::new(frames).map_while(Result::ok);
    let incoming = peer_client(channel).replicate(frames).await?.into_inner();
    Ok(run(node, org, incoming, outgoing).await)
}

async fn run(
    node: &Arc<Node>,
    org: OrgId,
    mut incoming: Streaming<v1::PeerFrame>,
    outgoing: Outgoing,
) -> String {
    let connection = node.hub.open(org, outgoing.clone());
    node.guard.connected(org);
    node.board.update(org, |peer| {
        peer.sessions += 1;
        peer.last_error.clear();
        peer.tried = true;
    });
    step(node, Event::Connected(connection.id)).await;
    let reason = tokio::select! {
        reason = receive(node, &connection, &mut incoming, &outgoing) => reason,
        () = connection.ended.notified() => "ended by this node".to_owned(),
        () = node.stopped() => "this node stops".to_owned(),
        () = expelled(node, &org) => "no longer a member".to_owned(),
    };
    step(node, Event::Disconnected(connection.id)).await;
    node.board.update(org, |peer| peer.sessions = peer.sessions.saturating_sub(1));
    node.guard.disconnected(&org);
    node.publish.notify_one();
    reason
}

/// Ends when the member is none any more: it hears no more of what others say.
async fn expelled(node: &Arc<Node>, org: &OrgId) {
    // A sender that is gone means that the node is, too.
    let _ = node.store.watch_roster().wait_for(|roster| roster.member(org).is_none()).await;
}

async fn receive(
    node: &Arc<Node>,
    connection: &Connection,
    incoming: &mut Streaming<v1::PeerFrame>,
    outgoing: &Outgoing,
) -> String {
    loop {
        // What a peer asks for is made only when it has read what it asked for before.
        if outgoing.reserve().await.is_err() {
            return "the peer closed the stream".to_owned();
        }
        let given = match incoming.next().await {
            None => return "the peer closed the stream".to_owned(),
            Some(Err(status)) => return status.message().to_owned(),
            Some(Ok(given)) => given,
        };
        if node.store.roster().member(&connection.org).is_none() {
            return "no longer a member".to_owned();
        }
        if let Some(Frame::Hello(hello)) = &given.frame {
            let offset = hello.clock_unix_s.saturating_sub(node.clock.now().seconds());
            node.board.update(connection.org, |peer| peer.clock_offset_s = offset);
        }
        match frame::decode(given) {
            Ok(message) => {
                let theirs = said_state(&message).map(|state| state.objects_digest);
                if let Some(digest) = theirs {
                    node.board.update(connection.org, |peer| peer.digest = Some(digest));
                }
                let same = theirs.is_some_and(|theirs| theirs == node.store.objects_digest());
                if node.guard.heard(connection.org, &node.org, &message, same) {
                    node.publish.notify_one();
                }
                step(node, Event::Received(connection.id, message)).await;
            }
            Err(error) => {
                node.board.refuse(connection.org, "frame");
                let _ = outgoing.try_send(Err(Status::invalid_argument(error.to_string())));
                return error.to_string();
            }
        }
    }
}

const fn said_state(message: &Message) -> Option<State> {
    match message {
        Message::Hello { state, .. } | Message::State(state) => Some(*state),
        _ => None,
    }
}

async fn step(node: &Arc<Node>, event: Event) {
    let node = node.clone();
    // A step that panics is a bug: it ends its session, not the node.
    let _ = tokio::task::spawn_blocking(move || node.step(event)).await;
}

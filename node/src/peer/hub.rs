//! All replication streams of this node around one sync state machine.
//!
//! ```text
//! frame -> session -> Hub::step(event) -> effects: frames to any session, refusals to the board
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use flowlore_common::env::{Clock, SystemRng};
use flowlore_common::ids::OrgId;
use flowlore_ledger::sync::message::Message;
use flowlore_ledger::sync::{Broken, Effect, Event, PeerId, Sync};
use flowlore_proto::v1;
use tokio::sync::{Notify, mpsc};
use tonic::{Code, Status};

use super::frame;
use crate::board::Board;
use crate::store::Store;

/// Where a session's frames go. An error is the stream's last word.
pub type Outgoing = mpsc::Sender<Result<v1::PeerFrame, Status>>;

/// One open stream.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Names it to the state machine.
    pub id: PeerId,
    /// The member at the other end.
    pub org: OrgId,
    /// Told when the state machine ends the connection.
    pub ended: Arc<Notify>,
    outgoing: Outgoing,
}

/// The state machine and its connections.
#[derive(Debug, Default)]
pub struct Hub {
    sync: Mutex<Sync>,
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    last: PeerId,
    open: BTreeMap<PeerId, Connection>,
}

impl Hub {
    /// Registers a stream.
    #[must_use]
    pub fn open(&self, org: OrgId, outgoing: Outgoing) -> Connection {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.last += 1;
        let id = connections.last;
        let connection = Connection { id, org, ended: Arc::default(), outgoing };
        connections.open.insert(id, connection.clone());
        connection
    }

    /// Lets the state machine take a step and does what it says. Blocks: the ledger is read and written.
    pub fn step(&self, store: &Store, board: &Board, clock: &dyn Clock, event: Event) {
        let now = clock.now();
        let gone = if let Event::Disconnected(id) = event { Some(id) } else { None };
        let mut sync = self.sync.lock().unwrap_or_else(PoisonError::into_inner);
        let effects = store.write(|ledger| sync.step(ledger, now, &mut SystemRng, event));
        // Still under the lock, so that frames to one peer leave in the order in which they were decided.
        for effect in effects {
            self.perform(effect, board, now.seconds());
        }
        drop(sync);
        if let Some(id) = gone {
            self.take(id);
        }
    }

    fn perform(&self, effect: Effect, board: &Board, now_s: i64) {
        match effect {
            Effect::Send(id, message) => self.send(id, message, now_s),
            Effect::Disconnect(id, broken) => self.disconnect(id, &broken, board),
            Effect::Refused(id, refused) => {
                if let Some(connection) = self.get(id) {
                    board.refuse(connection.org, refused.metric());
                }
            }
            Effect::Accepted(blocks) => {
                for block in blocks.iter().filter(|block| !block.voids.is_empty()) {
                    let (org, height) = (block.feed.org.short(), block.height);
                    tracing::warn!(org, height, voids = ?block.voids, "a block has void items");
                    for (void, count) in &block.voids {
                        board.void(block.feed.org, void.metric(), (*count).into());
                    }
                }
                tracing::debug!(blocks = blocks.len(), "blocks accepted");
            }
            Effect::Roster(version) => tracing::info!(version, "roster document taken"),
            Effect::RosterFork(version) => {
                tracing::error!(version, "GOVERNORS SIGNED TWO ROSTERS of one version: ask them");
            }
        }
    }

    fn send(&self, id: PeerId, message: Message, now_s: i64) {
        let Some(connection) = self.get(id) else { return };
        let sent = connection.outgoing.try_send(Ok(frame::encode(message, now_s)));
        if sent.is_err() {
            // It reads too slowly, or is gone: it will compare anew when it comes back.
            self.take(id);
            connection.ended.notify_one();
        }
    }

    fn disconnect(&self, id: PeerId, broken: &Broken, board: &Board) {
        let Some(connection) = self.take(id) else { return };
        let reason = broken.to_string();
        tracing::warn!(peer = connection.org.short(), reason, "peer disconnected");
        board.update(connection.org, |peer| peer.last_error.clone_from(&reason));
        let status = match broken {
            Broken::Storage(_) => Status::internal("this node's storage failed"),
            Broken::Full => Status::resource_exhausted(reason),
            Broken::Object(refused) => Status::new(Code::from(refused.code() as i32), reason),
            _ => Status::invalid_argument(reason),
        };
        // When the queue is full, the stream ends without the reason.
        let _ = connection.outgoing.try_send(Err(status));
        connection.ended.notify_one();
    }

    fn get(&self, id: PeerId) -> Option<Connection> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.open.get(&id).cloned()
    }

    fn take(&self, id: PeerId) -> Option<Connection> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.open.remove(&id)
    }
}

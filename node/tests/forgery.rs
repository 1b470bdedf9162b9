//! Goal: what a member passes on that it should have refused ends its stream, is counted under its reason, and
//! changes nothing. Method: a node alone, and a second member's keys in the hands of this test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod running;

use std::sync::Arc;

use flowlore_common::block::{Draft, Feed, PayloadKind};
use flowlore_common::env::{Clock as _, SystemClock};
use flowlore_common::ids::{BlockId, FederationId, OrgId};
use flowlore_common::sign::SecretKey;
use flowlore_ledger::ledger::Head;
use flowlore_ledger::sync::PROTOCOL;
use flowlore_ledger::sync::message::{Message, State};
use flowlore_node::dial::channel;
use flowlore_node::federation;
use flowlore_node::folder::Folder;
use flowlore_node::keys::Keys;
use flowlore_node::peer::frame;
use flowlore_node::peer::links::peer_client;
use flowlore_node::rpc::client::StatusResponse;
use flowlore_node::tls::{Identity, Traffic};
use running::{Running, make};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

struct Liar {
    keys: Keys,
    org: OrgId,
}

impl Liar {
    /// A block that would come first in the liar's feed, honest but for what a test changes.
    fn draft(&self, status: &StatusResponse) -> Draft {
        Draft {
            federation: FederationId::try_from(&*status.federation).unwrap(),
            feed: Feed { org: self.org, incarnation: 0 },
            height: 0,
            prev: BlockId::default(),
            sealed: SystemClock.now().hour(),
            roster_version: status.roster_version,
            roster_hash: status.roster_hash.as_ref().try_into().unwrap(),
            kind: PayloadKind(32),
            purpose: 0,
        }
    }

    /// Says that it holds a block, and sends these bytes when asked for it; how the node ended the stream.
    async fn offer(&self, node: &Running, status: &StatusResponse, block: Vec<u8>) -> Status {
        let us = status.members.iter().find(|member| member.org_id == status.org_id).unwrap();
        let key = Keys::load(&Folder::open(&node.dir).unwrap()).unwrap().transport.public().bytes();
        let identity = Identity::new(&self.keys.transport).unwrap();
        let to = channel(&identity, &us.address, key, Arc::new(Traffic::default())).unwrap();
        let (sender, frames) = mpsc::channel(8);
        let say = |message| sender.send(frame::encode(message, 0));
        let federation = FederationId::try_from(&*status.federation).unwrap();
        let state = State { roster_version: status.roster_version, objects_digest: [0; 32] };
        let (protocol_min, protocol_max) = (PROTOCOL, PROTOCOL);
        say(Message::Hello { protocol_min, protocol_max, federation, state }).await.unwrap();
        let feed = Feed { org: self.org, incarnation: 0 };
        let block_id = BlockId([1; 32]);
        say(Message::Heads(vec![Head { feed, next: 1, block: block_id }])).await.unwrap();
        let heard = peer_client(to).replicate(ReceiverStream::new(frames)).await;
        let mut heard = heard.unwrap().into_inner();
        loop {
            match heard.next().await.unwrap() {
                Err(status) => return status,
                Ok(said) => {
                    if let Message::WantBlocks(_) = frame::decode(said).unwrap() {
                        say(Message::Blocks(vec![block.clone()])).await.unwrap();
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forgeries_are_refused_by_name_and_change_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (dir, other) = (make(root.path(), "Node", true), make(root.path(), "Liar", true));
    let node = Running::start(&dir).await;
    let joined = running::join(&node, &other, "Liar", &[]).await;
    joined.stop().await;
    let folder = Folder::open(&other).unwrap();
    let org = federation::registration(&folder).unwrap().org();
    let liar = Liar { keys: Keys::load(&folder).unwrap(), org };
    let before = node.status().await;

    let seal = |draft: Draft, key: &SecretKey| draft.seal(&[b"x".as_slice()], key).unwrap();
    let honest = seal(liar.draft(&before), &liar.keys.signing).bytes().to_vec();
    let thief = SecretKey::from_seed(&[66; 32]);
    let mut changed = honest.clone();
    *changed.last_mut().unwrap() ^= 1;
    let elsewhere = Draft { federation: FederationId([9; 32]), ..liar.draft(&before) };
    let mut reserved = honest.clone();
    reserved[219] = 1;
    for (block, reason) in [
        (seal(liar.draft(&before), &thief).bytes().to_vec(), "signature"),
        (changed, "root"),
        (seal(elsewhere, &liar.keys.signing).bytes().to_vec(), "federation"),
        (reserved, "reserved"),
        (honest[..200].to_vec(), "malformed"),
    ] {
        let ended = liar.offer(&node, &before, block).await;
        let code =
            if reason == "signature" { Code::Unauthenticated } else { Code::InvalidArgument };
        assert_eq!(ended.code(), code, "{reason}: {ended:?}");
        let status = node.status().await;
        let counted = status.refused.iter().find(|one| one.reason == reason);
        assert_eq!(counted.map(|one| one.count), Some(1), "{reason}: {:?}", status.refused);
        assert_eq!(counted.unwrap().from_org_id, org.0.to_vec());
    }
    let after = node.status().await;
    let digest = |status: &StatusResponse| status.store.clone().unwrap().objects_digest;
    assert_eq!(digest(&before), digest(&after));
    node.stop().await;
}

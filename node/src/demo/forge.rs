//! A block in A's name that A's key never signed, offered to B over a connection that B trusts to be A's.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use flowlore_common::block::{Draft, Feed, PayloadKind};
use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_common::ids::{BlockId, FederationId, OrgId};
use flowlore_common::sign::SecretKey;
use flowlore_ledger::ledger::Head;
use flowlore_ledger::sync::PROTOCOL;
use flowlore_ledger::sync::message::{Message, State};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::cluster::Cluster;
use crate::dial::channel;
use crate::federation;
use crate::folder::Folder;
use crate::keys::Keys;
use crate::peer::frame;
use crate::peer::links::peer_client;
use crate::rpc::client::StatusResponse;
use crate::tls::{Identity, Traffic};

/// Offers the block; what B did, in the words of its status.
pub(super) async fn offer(cluster: &Cluster) -> Result<String> {
    let (a, b) = (Folder::open(cluster.dir(0))?, Folder::open(cluster.dir(1))?);
    let keys = Keys::load(&a)?;
    let org = federation::registration(&a)?.org();
    let b_key = Keys::load(&b)?.transport.public().bytes();
    let status = cluster.status(1).await?;
    let b_org = status.org_id.clone();
    let address = status.members.iter().find(|member| member.org_id == b_org);
    let address = address.context("B is no member")?.address.clone();
    let identity = Identity::new(&keys.transport)?;
    let to = channel(&identity, &address, b_key, Arc::new(Traffic::default()))?;
    let (sender, frames) = mpsc::channel(4);
    let say = |message| sender.send(frame::encode(message, SystemClock.now().seconds()));
    let federation = FederationId::try_from(&*status.federation)?;
    let nothing = State { roster_version: status.roster_version, objects_digest: [0; 32] };
    let (protocol_min, protocol_max) = (PROTOCOL, PROTOCOL);
    say(Message::Hello { protocol_min, protocol_max, federation, state: nothing }).await?;
    let mut heard = peer_client(to).replicate(ReceiverStream::new(frames)).await?.into_inner();
    let mut forged = None;
    let ended = loop {
        let said = match heard.next().await {
            None => bail!("B closed the stream without a word"),
            Some(Err(status)) => break status,
            Some(Ok(said)) => frame::decode(said)?,
        };
        match said {
            // B tells what it has: the forgery pretends to come next.
            Message::Heads(heads) => {
                let (feed, next, prev) = head_of(&heads, org);
                forged = Some(forge(&status, federation, (feed, next, prev))?);
                let block = BlockId([0xee; 32]);
                say(Message::Heads(vec![Head { feed, next: next + 1, block }])).await?;
            }
            Message::WantBlocks(_) => {
                let forged = forged.take().context("B asks before it was told")?;
                say(Message::Blocks(vec![forged])).await?;
            }
            _ => {}
        }
    };
    let refused = cluster.status(1).await?.refused;
    let counted = refused.iter().find(|one| *one.from_org_id == org.0 && one.count > 0);
    let reason = counted.map_or("nothing counted", |one| &*one.reason);
    tracing::info!(ended = ended.message(), "B ended the stream");
    Ok(format!("refused: {reason}"))
}

fn head_of(heads: &[Head], org: OrgId) -> (Feed, u64, BlockId) {
    let head = heads.iter().find(|head| head.feed.org == org);
    let first = (Feed { org, incarnation: 0 }, 0, BlockId::default());
    head.map_or(first, |head| (head.feed, head.next, head.block))
}

/// A block that is right in everything but its signature.
fn forge(
    status: &StatusResponse,
    federation: FederationId,
    (feed, height, prev): (Feed, u64, BlockId),
) -> Result<Vec<u8>> {
    let draft = Draft {
        federation,
        feed,
        height,
        prev,
        sealed: SystemClock.now().hour(),
        roster_version: status.roster_version,
        roster_hash: status.roster_hash.as_ref().try_into()?,
        kind: PayloadKind(32),
        purpose: 0,
    };
    let thief = SecretKey::generate(&mut SystemRng);
    Ok(draft.seal(&[b"forged".as_slice()], &thief)?.bytes().to_vec())
}

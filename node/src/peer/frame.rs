//! Between frames on the wire and messages of the sync protocol.

use flowlore_common::block::Feed;
use flowlore_common::ids::{BlockId, FederationId, IdError, OrgId, Token};
use flowlore_ledger::ledger::{Head, Want};
use flowlore_ledger::store::row::ForkProof;
use flowlore_ledger::sync::message::{Message, State};
use flowlore_proto::v1;
use flowlore_proto::v1::peer_frame::Frame;

/// A frame that is no message. The peer is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// An empty frame, or one of a kind that came later.
    #[error("a frame of no known kind")]
    Kind,
    /// A field is missing or out of its range.
    #[error("a frame's {0} is missing or out of range")]
    Field(&'static str),
}

impl From<IdError> for FrameError {
    fn from(_: IdError) -> Self {
        Self::Field("id")
    }
}

/// A message as a frame; `now_s` is our clock, which a hello tells.
#[must_use]
pub fn encode(message: Message, now_s: i64) -> v1::PeerFrame {
    let frame = match message {
        Message::Hello { protocol_min, protocol_max, federation, state } => {
            Frame::Hello(v1::Hello {
                protocol_min: protocol_min.into(),
                protocol_max: protocol_max.into(),
                federation: federation.0.to_vec().into(),
                state: Some(state_out(state)),
                clock_unix_s: now_s,
            })
        }
        Message::State(state) => Frame::State(state_out(state)),
        Message::WantRoster { from } => Frame::WantRoster(v1::WantRoster { from_version: from }),
        Message::Roster(documents) => Frame::Roster(list(documents)),
        Message::Forks(proofs) => {
            Frame::Forks(list(proofs.iter().map(|proof| proof.encode().to_vec())))
        }
        Message::Heads(heads) => {
            Frame::Heads(v1::Heads { heads: heads.into_iter().map(head_out).collect() })
        }
        Message::WantBlocks(wants) => {
            Frame::WantBlocks(v1::WantBlocks { ranges: wants.into_iter().map(want_out).collect() })
        }
        Message::Blocks(blocks) => Frame::Blocks(list(blocks)),
        Message::WantRecords(tokens) => {
            Frame::WantRecords(list(tokens.iter().map(|token| token.0.to_vec())))
        }
        Message::Records(records) => Frame::Records(list(records)),
    };
    v1::PeerFrame { frame: Some(frame) }
}

/// The message of a frame.
///
/// # Errors
/// See [`FrameError`].
pub fn decode(frame: v1::PeerFrame) -> Result<Message, FrameError> {
    Ok(match frame.frame.ok_or(FrameError::Kind)? {
        Frame::Hello(hello) => Message::Hello {
            protocol_min: version(hello.protocol_min)?,
            protocol_max: version(hello.protocol_max)?,
            federation: FederationId::try_from(&*hello.federation)?,
            state: state(&hello.state.ok_or(FrameError::Field("state"))?)?,
        },
        Frame::State(given) => Message::State(state(&given)?),
        Frame::WantRoster(want) => Message::WantRoster { from: want.from_version },
        Frame::Roster(documents) => Message::Roster(bytes(documents)),
        Frame::Forks(proofs) => {
            let proof = |bytes: &tonic::codegen::Bytes| {
                ForkProof::parse(bytes).ok_or(FrameError::Field("fork proof"))
            };
            Message::Forks(proofs.items.iter().map(proof).collect::<Result<_, _>>()?)
        }
        Frame::Heads(heads) => {
            Message::Heads(heads.heads.into_iter().map(head).collect::<Result<_, _>>()?)
        }
        Frame::WantBlocks(wants) => {
            Message::WantBlocks(wants.ranges.into_iter().map(want).collect::<Result<_, _>>()?)
        }
        Frame::Blocks(blocks) => Message::Blocks(bytes(blocks)),
        Frame::WantRecords(tokens) => {
            let tokens = tokens.items.iter().map(|token| Token::try_from(&**token));
            Message::WantRecords(tokens.collect::<Result<_, _>>()?)
        }
        Frame::Records(records) => Message::Records(bytes(records)),
    })
}

fn version(given: u32) -> Result<u16, FrameError> {
    given.try_into().map_err(|_| FrameError::Field("protocol version"))
}

fn list(items: impl IntoIterator<Item = Vec<u8>>) -> v1::ByteList {
    v1::ByteList { items: items.into_iter().map(Into::into).collect() }
}

fn bytes(list: v1::ByteList) -> Vec<Vec<u8>> {
    list.items.into_iter().map(Into::into).collect()
}

fn state_out(state: State) -> v1::SyncState {
    let objects_digest = state.objects_digest.to_vec().into();
    v1::SyncState { roster_version: state.roster_version, objects_digest }
}

fn state(given: &v1::SyncState) -> Result<State, FrameError> {
    let digest = (&*given.objects_digest).try_into();
    let objects_digest = digest.map_err(|_| FrameError::Field("digest"))?;
    Ok(State { roster_version: given.roster_version, objects_digest })
}

fn feed_out(feed: Feed) -> Option<v1::Feed> {
    Some(v1::Feed { org_id: feed.org.0.to_vec().into(), incarnation: feed.incarnation })
}

fn feed(given: Option<v1::Feed>) -> Result<Feed, FrameError> {
    let given = given.ok_or(FrameError::Field("feed"))?;
    Ok(Feed { org: OrgId::try_from(&*given.org_id)?, incarnation: given.incarnation })
}

fn head_out(head: Head) -> v1::Head {
    let block_id = head.block.0.to_vec().into();
    v1::Head { feed: feed_out(head.feed), next_height: head.next, block_id }
}

fn head(given: v1::Head) -> Result<Head, FrameError> {
    let block = BlockId::try_from(&*given.block_id)?;
    Ok(Head { feed: feed(given.feed)?, next: given.next_height, block })
}

fn want_out(want: Want) -> v1::BlockRange {
    v1::BlockRange { feed: feed_out(want.feed), from_height: want.from, until_height: want.until }
}

fn want(given: v1::BlockRange) -> Result<Want, FrameError> {
    let (from, until) = (given.from_height, given.until_height);
    Ok(Want { feed: feed(given.feed)?, from, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_goes_there_and_back() {
        let feed = Feed { org: OrgId([1; 32]), incarnation: 2 };
        let state = State { roster_version: 3, objects_digest: [4; 32] };
        for message in [
            Message::Hello {
                protocol_min: 1,
                protocol_max: 2,
                federation: FederationId([5; 32]),
                state,
            },
            Message::State(state),
            Message::WantRoster { from: 7 },
            Message::Roster(vec![vec![1], vec![]]),
            Message::Forks(vec![]),
            Message::Heads(vec![Head { feed, next: 8, block: BlockId([9; 32]) }]),
            Message::WantBlocks(vec![Want { feed, from: 1, until: u64::MAX }]),
            Message::Blocks(vec![vec![0; 300]]),
            Message::WantRecords(vec![Token([6; 32])]),
            Message::Records(vec![vec![2; 40]]),
        ] {
            assert_eq!(decode(encode(message.clone(), 0)), Ok(message));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(decode(v1::PeerFrame { frame: None }), Err(FrameError::Kind));
        let short = v1::SyncState { roster_version: 0, objects_digest: vec![0; 31].into() };
        let frame = v1::PeerFrame { frame: Some(Frame::State(short)) };
        assert_eq!(decode(frame), Err(FrameError::Field("digest")));
        let token = v1::ByteList { items: vec![vec![0; 33].into()] };
        let frame = v1::PeerFrame { frame: Some(Frame::WantRecords(token)) };
        assert_eq!(decode(frame), Err(FrameError::Field("id")));
    }
}

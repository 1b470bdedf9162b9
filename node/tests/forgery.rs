//! Goal: what a member passes on that it should have refused ends its stream, what an author should not have signed
//! is refused, and what counts for nothing is void: each is counted under its own reason and changes nothing.
//! Method: a node alone, and a second member's keys in the hands of this test; all is asked before and after.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod running;

use std::collections::BTreeMap;
use std::sync::Arc;

use flowlore_common::block::{
    Draft, Feed, PayloadKind, SIGNED_HEADER_BYTES, SignedBlock, UnverifiedBlock,
};
use flowlore_common::destination::{Host, Input};
use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_common::ids::{BlockId, FederationId, OrgId, RosterHash, ShareGroup};
use flowlore_common::label::{
    Behaviour, Category, Direction, EntryKind, Outcome, Purpose, Source, Verdict,
};
use flowlore_common::sign::SecretKey;
use flowlore_common::time::{Day, Hour};
use flowlore_ledger::fold::Void;
use flowlore_ledger::ledger::{Head, Want};
use flowlore_ledger::seal::OwnLabel;
use flowlore_ledger::sync::PROTOCOL;
use flowlore_ledger::sync::message::{Message, State};
use flowlore_node::dial::channel;
use flowlore_node::federation;
use flowlore_node::folder::Folder;
use flowlore_node::keys::Keys;
use flowlore_node::metrics;
use flowlore_node::peer::frame;
use flowlore_node::peer::links::peer_client;
use flowlore_node::rpc::client::StatusResponse;
use flowlore_node::tls::{Identity, Traffic};
use flowlore_proto::v1;
use flowlore_veil::body::{Body, Entry};
use flowlore_veil::token::{Secret, token_of};
use running::{PATIENCE, Running, make, shared};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

/// What the node's own org says of it is what is stolen.
const NAME: &str = "evil.example";
/// What the liar says honestly.
const OTHER: &str = "other.example";
/// What nobody says honestly.
const UNSAID: &str = "unsaid.example";

struct Liar {
    keys: Keys,
    org: OrgId,
    share_group: ShareGroup,
    /// When all that it says is sealed: now, once.
    sealed: Hour,
}

/// Where the next honest block of the liar's feed stands.
#[derive(Clone, Copy, Default)]
struct Place {
    height: u64,
    prev: BlockId,
}

impl Liar {
    fn feed(&self) -> Feed {
        Feed { org: self.org, incarnation: 0 }
    }

    /// A block that would come next in the liar's feed, honest but for what a test changes.
    fn draft(&self, status: &StatusResponse, place: Place) -> Draft {
        Draft {
            federation: FederationId::try_from(&*status.federation).unwrap(),
            feed: self.feed(),
            height: place.height,
            prev: place.prev,
            sealed: self.sealed,
            roster_version: status.roster_version,
            roster_hash: status.roster_hash.as_ref().try_into().unwrap(),
            kind: PayloadKind(32),
            purpose: 0,
        }
    }

    /// Labels of one purpose, next in the feed.
    fn labels(
        &self,
        status: &StatusResponse,
        place: Place,
        (purpose, items): (Purpose, &[&[u8]]),
    ) -> SignedBlock {
        let (kind, purpose) = (PayloadKind::LABELS, purpose.number());
        let draft = Draft { kind, purpose, ..self.draft(status, place) };
        draft.seal(items, &self.keys.signing).unwrap()
    }

    /// Says that it holds a block, and sends these bytes and records when asked for them; how the node ends the
    /// stream, if it does.
    async fn offer(&self, node: &Running, block: Vec<u8>, records: Vec<Vec<u8>>) -> Offered {
        let status = node.status().await;
        let us = status.members.iter().find(|member| member.org_id == status.org_id).unwrap();
        let key = Keys::load(&Folder::open(&node.dir).unwrap()).unwrap().transport.public().bytes();
        let identity = Identity::new(&self.keys.transport).unwrap();
        let to = channel(&identity, &us.address, key, Arc::new(Traffic::default())).unwrap();
        let (sender, frames) = mpsc::channel(8);
        let federation = FederationId::try_from(&*status.federation).unwrap();
        let state = State { roster_version: status.roster_version, objects_digest: [0; 32] };
        let (protocol_min, protocol_max) = (PROTOCOL, PROTOCOL);
        let head = Head { feed: self.feed(), next: 100, block: BlockId([1; 32]) };
        let hello = Message::Hello { protocol_min, protocol_max, federation, state };
        for message in [hello, Message::Heads(vec![head])] {
            sender.send(frame::encode(message, 0)).await.unwrap();
        }
        let heard = peer_client(to).replicate(ReceiverStream::new(frames)).await;
        let mut heard = heard.unwrap().into_inner();
        Offered(tokio::spawn(async move {
            let mut block = Some(block);
            loop {
                let answer = match heard.next().await.expect("a reason, or no end") {
                    Err(status) => return status,
                    Ok(said) => match frame::decode(said).unwrap() {
                        Message::WantBlocks(_) => {
                            Message::Blocks(block.take().into_iter().collect())
                        }
                        Message::WantRecords(_) => Message::Records(records.clone()),
                        _ => continue,
                    },
                };
                // A node that ends the stream hears no more of it, and says why in what is read next.
                let _ = sender.send(frame::encode(answer, 0)).await;
            }
        }))
    }
}

/// A stream on which a block is offered, closed when dropped.
struct Offered(JoinHandle<Status>);

impl Offered {
    async fn ended(mut self) -> Status {
        tokio::time::timeout(PATIENCE, &mut self.0).await.expect("the stream ends").unwrap()
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was refused from whom, and what was void of whom, by reason.
fn counts(status: &StatusResponse) -> BTreeMap<(Vec<u8>, String), u64> {
    let refused = status.refused.iter();
    refused.map(|one| ((one.from_org_id.to_vec(), one.reason.clone()), one.count)).collect()
}

fn digest(status: &StatusResponse) -> Vec<u8> {
    status.store.clone().unwrap().objects_digest.to_vec()
}

/// Waits for one more under this reason, from this org, and for nothing else; in the status as on the page.
async fn counted_once(node: &Running, before: &StatusResponse, org: OrgId, reason: &str) {
    let mut expected = counts(before);
    *expected.entry((org.0.to_vec(), reason.to_owned())).or_default() += 1;
    node.until(reason, |status| counts(status) != counts(before)).await;
    assert_eq!(counts(&node.status().await), expected, "{reason}");
    let count: u64 = expected.iter().filter(|((_, one), _)| one == reason).map(|(_, by)| by).sum();
    let page = metrics::text(&node.node).unwrap();
    let line = format!("flowlore_refused_total{{reason=\"{reason}\"}} {count}\n");
    assert!(page.contains(&line), "{line} in {page}");
}

async fn secret(node: &Running, name: &str, purpose: Purpose) -> (Secret, Input) {
    let input = Input::host(&name.parse::<Host>().unwrap());
    let roster = node.node.store.roster();
    let asked = node.node.asker.secrets(&roster, std::slice::from_ref(&input), 1).await.unwrap();
    let key_epoch = roster.key.as_ref().unwrap().epoch.number;
    (Secret::derive(&asked[0], key_epoch, purpose), input)
}

/// A label as this org would make it.
async fn label(
    node: &Running,
    (org, group): (OrgId, ShareGroup),
    name: &str,
    purpose: Purpose,
) -> OwnLabel {
    let (secret, input) = secret(node, name, purpose).await;
    let record = secret.token(&input);
    let body = Body::new(None, None, vec![entry(purpose)]);
    let label = secret.label(&record.token(), &org, &group, &body, &mut SystemRng).unwrap();
    OwnLabel { item: label.encode(), record: record.bytes().to_vec() }
}

fn entry(purpose: Purpose) -> Entry {
    let is_sighting = purpose == Purpose::Contacted;
    let (kind, verdict, code, confidence) = match is_sighting {
        true => (EntryKind::Sighting, Verdict::Unknown, Category::SmallUpload.number().into(), 0),
        false => {
            (EntryKind::Assessment, Verdict::Malicious, Behaviour::C2BeaconHttpTls.number(), 70)
        }
    };
    let today = SystemClock.now().hour().day();
    Entry {
        kind,
        direction: Direction::Outbound,
        transport: 6,
        port: 443,
        code,
        verdict,
        confidence,
        first_day: Day(today.0 - 20),
        last_day: Day(today.0 - 1),
        flows_log2: 5,
        hosts_log2: 1,
        source: if is_sighting { Source::Analyzer } else { Source::Person },
        outcome: Outcome::None,
        reason: 0,
        minutes_log2: 0,
        source_id: 0,
        detector: 1,
    }
}

/// All that counts, where it was said included.
fn state(node: &Running) -> [u8; 32] {
    node.node.store.read().state_digest(node.node.hour().day()).unwrap()
}

/// Everything that is asked of a node about the names, but which objects it holds.
async fn everything(node: &Running) -> String {
    let day = node.node.hour().day();
    let mut all = String::new();
    for answer in node.lookup(&[NAME, OTHER, UNSAID]).await {
        let (state, shared) = (answer.state(), shared(&answer));
        assert!(matches!(state, v1::AnswerState::Answered | v1::AnswerState::Unseen), "{state:?}");
        all += &format!("{state:?} {} {}", shared["host"], shared["site"]);
    }
    for name in [NAME, OTHER, UNSAID] {
        for &purpose in Purpose::ALL {
            let (secret, input) = secret(node, name, purpose).await;
            let token = secret.token(&input).token();
            let ledger = node.node.store.read();
            all += &format!("{:?}", ledger.aggregate(&token, purpose, day).unwrap());
        }
    }
    all
}

/// A node, and a member that will lie to it; the member has said nothing.
async fn node_and_liar(root: &std::path::Path) -> (Running, Liar) {
    let (dir, other) = (make(root, "Node", true), make(root, "Liar", true));
    let node = Running::start(&dir).await;
    let joined = running::join(&node, &other, "Liar", &[]).await;
    joined.stop().await;
    let folder = Folder::open(&other).unwrap();
    let registration = federation::registration(&folder).unwrap();
    let (org, share_group) = (registration.org(), registration.share_group);
    let sealed = SystemClock.now().hour();
    let liar = Liar { keys: Keys::load(&folder).unwrap(), org, share_group, sealed };
    (node, liar)
}

/// The block's header and signature before the payload of another of the same size.
fn under_another_payload(block: &SignedBlock, payload: &SignedBlock) -> Vec<u8> {
    assert_eq!(block.bytes().len(), payload.bytes().len());
    let (header, payload) =
        (&block.bytes()[..SIGNED_HEADER_BYTES], &payload.bytes()[SIGNED_HEADER_BYTES..]);
    [header, payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn forgeries_are_refused_by_name_and_change_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (node, liar) = node_and_liar(root.path()).await;
    let before = node.status().await;
    let (ours, said, counted) = (node.node.org, everything(&node).await, state(&node));

    let seal = |draft: Draft, items: &[&[u8]], key: &SecretKey| draft.seal(items, key).unwrap();
    let signed = |draft: Draft| seal(draft, &[b"x"], &liar.keys.signing).bytes().to_vec();
    let draft = || liar.draft(&before, Place::default());
    let honest = signed(draft());
    let thief = SecretKey::from_seed(&[66; 32]);
    let mut changed = honest.clone();
    *changed.last_mut().unwrap() ^= 1;
    let mut reserved = honest.clone();
    reserved[219] = 1;
    // The height as it was signed, and another in its place.
    let mut raised = honest.clone();
    raised[84..92].copy_from_slice(&1_u64.to_be_bytes());
    let raised_header = UnverifiedBlock::header_of(&raised).unwrap();
    assert_eq!(raised_header.height, 1);
    // The same items in another order, and the same bytes in other items.
    let two = seal(draft(), &[b"ab", b"cd"], &liar.keys.signing);
    let reordered = seal(draft(), &[b"cd", b"ab"], &liar.keys.signing);
    let recut = seal(draft(), &[b"abc", b"d"], &liar.keys.signing);
    let in_name_of = |org| Draft { feed: Feed { org, incarnation: 0 }, ..draft() };
    let ended = Some(Code::InvalidArgument);
    let forged = Some(Code::Unauthenticated);
    for (what, block, reason, code) in [
        ("a thief's key", seal(draft(), &[b"x"], &thief).bytes().to_vec(), "signature", forged),
        ("a changed byte", changed, "root", ended),
        (
            "another federation",
            signed(Draft { federation: FederationId([9; 32]), ..draft() }),
            "federation",
            ended,
        ),
        ("reserved bytes", reserved, "reserved", ended),
        ("cut off", honest[..200].to_vec(), "malformed", ended),
        ("in the name of another member", signed(in_name_of(ours)), "signature", forged),
        ("a height that was not signed", raised, "signature", forged),
        ("items in another order", under_another_payload(&two, &reordered), "root", ended),
        ("items cut elsewhere", under_another_payload(&two, &recut), "root", ended),
        // What its author signed so is no fault of who passes it on: the stream goes on.
        ("in the name of nobody", signed(in_name_of(OrgId([9; 32]))), "unknown_org", None),
        ("the last height", signed(Draft { height: u64::MAX, ..draft() }), "height", None),
        (
            "another roster",
            signed(Draft { roster_hash: RosterHash([9; 32]), ..draft() }),
            "roster_hash",
            None,
        ),
        ("a block before it", signed(Draft { prev: BlockId([9; 32]), ..draft() }), "prev", None),
        // Held, as what comes before it may still come.
        ("a height too far", signed(Draft { height: 9, ..draft() }), "gap", None),
    ] {
        let earlier = node.status().await;
        let offered = liar.offer(&node, block, vec![]).await;
        counted_once(&node, &earlier, liar.org, reason).await;
        if let Some(code) = code {
            let ended = offered.ended().await;
            assert_eq!(ended.code(), code, "{what}: {ended:?}");
        }
        let after = node.status().await;
        assert_eq!(digest(&before), digest(&after), "{what}");
        assert_eq!(after.store.unwrap().blocks, 0, "{what}");
    }
    assert_eq!((everything(&node).await, state(&node)), (said, counted));
    node.stop().await;
}

/// The liar's stream brings a block that enters, in its place.
async fn enters(node: &Running, liar: &Liar, block: &SignedBlock, records: Vec<Vec<u8>>) -> Place {
    let offered = liar.offer(node, block.bytes().to_vec(), records).await;
    let place = Place { height: block.header().height + 1, prev: block.id() };
    node.until("the block is here", |_| {
        let head = node.node.store.head_of(&liar.org);
        head.is_some_and(|head| (head.next, head.block) == (place.height, place.prev))
    })
    .await;
    drop(offered);
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn void_items_are_counted_by_name_and_change_no_answer() {
    let root = tempfile::tempdir().unwrap();
    let (node, liar) = node_and_liar(root.path()).await;
    let status = node.status().await;
    // Said by the node's org: a label with a share, and one with a proof of knowledge.
    node.put(NAME, v1::Verdict::Malicious).await;
    let own = |status: &StatusResponse| status.store.as_ref().unwrap().own_blocks;
    node.until("the label is sealed", |status| own(status) == 1).await;
    let us = (node.node.org, node.node.registration.share_group);
    let contacted = label(&node, us, NAME, Purpose::Contacted).await;
    let (hour, key) = (node.node.hour(), &node.node.keys.signing);
    node.node.store.seal(Purpose::Contacted, vec![contacted.clone()], key, hour).unwrap();
    let want = Want { feed: node.node.store.own_feed(), from: 0, until: u64::MAX };
    let sealed = node.node.store.read().blocks_after(want, usize::MAX).unwrap();
    let flagged = UnverifiedBlock::parse(sealed[0].clone()).unwrap();
    assert_eq!(flagged.purpose(), Purpose::Flagged.number());
    let (share, knowledge) = (flagged.item(0).unwrap(), &*contacted.item);
    // Said by the liar, honestly.
    let them = (liar.org, liar.share_group);
    let good = label(&node, them, OTHER, Purpose::Flagged).await;
    let block = liar.labels(&status, Place::default(), (Purpose::Flagged, &[&good.item]));
    let mut place = enters(&node, &liar, &block, vec![good.record.clone()]).await;
    let said = everything(&node).await;
    assert_eq!(counts(&node.status().await), BTreeMap::new(), "all of that counts");

    // Its own label under a record whose name one org could open: key_epoch, purpose, k = 1, A_0, the sealed name.
    let unsaid = label(&node, them, UNSAID, Purpose::Flagged).await;
    let commitments = usize::from(Purpose::Flagged.threshold());
    let mut alone = unsaid.record[..6 + 32].to_vec();
    alone[5] = 1;
    alone.extend_from_slice(&unsaid.record[6 + 32 * commitments..]);
    let opened = [&token_of(&alone).0, &unsaid.item[32..]].concat();
    let (flagged, contacted) = (Purpose::Flagged, Purpose::Contacted);
    let (share, knowledge, twice) = (&[share][..], &[knowledge][..], &[&*good.item; 2][..]);
    for (what, purpose, items, records, void) in [
        ("a copied share", flagged, share, vec![], Void::Proof),
        ("a copied proof of knowledge", contacted, knowledge, vec![], Void::Proof),
        ("a token twice", flagged, twice, vec![], Void::Order),
        ("a record with k = 1", flagged, &[&*opened][..], vec![alone], Void::Record),
    ] {
        let (before, counted) = (node.status().await, state(&node));
        let block = liar.labels(&before, place, (purpose, items));
        place = enters(&node, &liar, &block, records).await;
        counted_once(&node, &before, liar.org, &format!("void_{}", void.metric())).await;
        assert_ne!(digest(&before), digest(&node.status().await), "{what}: the block is here");
        assert_eq!(everything(&node).await, said, "{what}");
        // The first of both says once more what stood already, now in this block.
        assert_eq!(state(&node) != counted, void == Void::Order, "{what}");
    }
    // The same label under its true record counts: it was the record that was void, and nothing else.
    let status = node.status().await;
    let block = liar.labels(&status, place, (Purpose::Flagged, &[&unsaid.item]));
    enters(&node, &liar, &block, vec![unsaid.record.clone()]).await;
    assert_eq!(counts(&node.status().await), counts(&status));
    assert_ne!(everything(&node).await, said, "a label that counts is seen");
    node.stop().await;
}

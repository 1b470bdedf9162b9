//! Positive controls: what the search must find, or it could not find a leak either.

use std::sync::Arc;

use flowlore_common::block::{Draft, PayloadKind};
use flowlore_common::destination::{Host, Input, OwnPolicy, inputs};
use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_common::ids::{BlockId, FederationId};
use flowlore_common::label::Purpose;
use flowlore_common::suffixes::Suffixes;
use flowlore_ledger::ledger::Head;
use flowlore_ledger::sync::PROTOCOL;
use flowlore_ledger::sync::message::{Message, State};
use flowlore_node::dial::channel;
use flowlore_node::federation;
use flowlore_node::folder::Folder;
use flowlore_node::peer::frame;
use flowlore_node::peer::links::peer_client;
use flowlore_node::store::Store;
use flowlore_node::tls::{Identity, Traffic};
use flowlore_proto::v1;
use flowlore_proto::v1::evaluator_service_client::EvaluatorServiceClient;
use flowlore_veil::keys::KeyShare;
use flowlore_veil::oprf::Request;
use flowlore_veil::token::Secret;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::canaries::{Canary, Secrets, byte_forms};
use super::cluster::Cluster;

/// Tokens, for every purpose, of what must never become one: what would leave if the gate were open. The keys of
/// two evaluators, taken from their folders, make them; the nodes must be down.
pub(crate) fn tokens(cluster: &Cluster, secrets: &Secrets) -> Vec<Canary> {
    let hosts: [(&'static str, String); 5] = [
        ("token of an own name", format!("www.{}", secrets.own_zone)),
        ("token of a name with the own name", secrets.tenant.clone()),
        ("token of a private name", secrets.partner.clone()),
        ("token of an inside name", secrets.inside_name.clone()),
        ("token of an address beyond", secrets.beyond.to_string()),
    ];
    let folders = [1, 2].map(|at| Folder::open(&cluster.orgs[at].dir).unwrap());
    let org = federation::registration(&folders[0]).unwrap().org();
    let key = Store::open(&folders[0], org, &SystemClock).unwrap().roster().key.clone().unwrap();
    let shares = folders.map(|folder| {
        KeyShare::from_bytes(&folder.read(federation::SHARE_FILE).unwrap().unwrap()).unwrap()
    });
    let anything = OwnPolicy {
        own: vec![],
        private: vec![],
        minting_sites: [].into(),
        documentation_names: true,
        suffixes: Suffixes::shipped(),
    };
    let tokens = hosts.into_iter().map(|(kind, host)| {
        let host: Host = host.parse().unwrap();
        let both = inputs(&host, &anything);
        let site = both.ok().and_then(|both| both.site);
        let all: Vec<Input> = [Input::host(&host)].into_iter().chain(site).collect();
        let request = Request::new(&all, 1, &mut SystemRng).unwrap();
        let answers = shares.each_ref().map(|share| {
            let answer = share.evaluate(request.blinded(), &mut SystemRng).unwrap();
            request.verify(share.number(), &key.package, &answer).unwrap()
        });
        let ys = request.finalize(&key.package, &answers).unwrap();
        let mut forms = vec![];
        for (input, y) in all.iter().zip(&ys) {
            for purpose in Purpose::ALL {
                let secret = Secret::derive(y, key.epoch.number, *purpose);
                forms.extend(byte_forms("raw", &secret.token(input).token().0));
            }
            forms.extend(byte_forms("Y", y.as_bytes()));
        }
        Canary { kind, forms }
    });
    tokens.collect()
}

/// A block of a kind for experiments, signed by A, with every canary in it as it is, goes to B; and a request for
/// an evaluation that is none, with all of them.
pub(crate) async fn send_all(cluster: &Cluster, canaries: &[Canary]) {
    let keys = cluster.orgs[0].keys();
    let org = federation::registration(&Folder::open(&cluster.orgs[0].dir).unwrap()).unwrap().org();
    let status = cluster.local(1).await.status().await.unwrap();
    let b = status.members.iter().find(|member| member.org_id == status.org_id).unwrap();
    let b_key = cluster.orgs[1].keys().transport.public().bytes();
    let identity = Identity::new(&keys.transport).unwrap();
    let to = channel(&identity, &b.address, b_key, Arc::new(Traffic::default())).unwrap();
    let items: Vec<Vec<u8>> = canaries.iter().map(|canary| canary.forms[0].1.clone()).collect();

    let signed = items.concat().into();
    let mut evaluator = EvaluatorServiceClient::new(to.clone());
    let refused = evaluator.evaluate(v1::EvaluateRequest { signed });
    assert_eq!(refused.await.unwrap_err().code(), tonic::Code::InvalidArgument);

    let (sender, frames) = mpsc::channel(8);
    let say = |message| sender.send(frame::encode(message, SystemClock.now().seconds()));
    let federation = FederationId::try_from(&*status.federation).unwrap();
    let state = State { roster_version: status.roster_version, objects_digest: [0; 32] };
    let (protocol_min, protocol_max) = (PROTOCOL, PROTOCOL);
    say(Message::Hello { protocol_min, protocol_max, federation, state }).await.unwrap();
    let mut heard =
        peer_client(to).replicate(ReceiverStream::new(frames)).await.unwrap().into_inner();
    let mut block = None;
    loop {
        match frame::decode(heard.next().await.unwrap().unwrap()).unwrap() {
            Message::Heads(heads) if block.is_none() => {
                let head = heads.iter().find(|head| head.feed.org == org).unwrap();
                let draft = Draft {
                    federation,
                    feed: head.feed,
                    height: head.next,
                    prev: head.block,
                    sealed: SystemClock.now().hour(),
                    roster_version: status.roster_version,
                    roster_hash: status.roster_hash.as_ref().try_into().unwrap(),
                    kind: PayloadKind(32),
                    purpose: 0,
                };
                let (feed, next) = (head.feed, head.next + 1);
                let slices: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
                block = Some(draft.seal(&slices, &keys.signing).unwrap().bytes().to_vec());
                let head = Head { feed, next, block: BlockId([1; 32]) };
                say(Message::Heads(vec![head])).await.unwrap();
            }
            Message::WantBlocks(_) => {
                say(Message::Blocks(vec![block.take().unwrap()])).await.unwrap();
                break;
            }
            _ => {}
        }
    }
    // B passes it on to C: then it has gone over every channel between peers.
    for at in [1, 2] {
        let more = status.store.as_ref().unwrap().blocks + 1;
        let held = |now: &v1::StatusResponse| now.store.as_ref().unwrap().blocks >= more;
        cluster.until(at, "the block is held", held).await;
    }
}

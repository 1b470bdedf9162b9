//! Test vectors of the signed formats, made anew at each call from fixed seeds. They stand in
//! proto/PROTOCOL.md too, and a test compares both, so that no byte changes unnoticed. FLP1's own
//! vectors are the veil's.

use std::collections::BTreeMap;

use flowlore_common::block::{Draft, Feed, PayloadKind, SignedBlock, payload_root};
use flowlore_common::canon::b3kdf;
use flowlore_common::credential::{CredentialFile, Grant, Role};
use flowlore_common::destination::Input;
use flowlore_common::env::SeededRng;
use flowlore_common::evaluate::{EvaluateAnswer, EvaluateRequest, Scope};
use flowlore_common::ids::{BatchId, BlockId, FederationId, OrgId, RosterHash, ShareGroup};
use flowlore_common::invite::{Invite, JoinRequest};
use flowlore_common::label::Purpose;
use flowlore_common::roster::change::{Admission, Rotation};
use flowlore_common::roster::key_epoch::KeyOrigin;
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::roster::{Change, Document, KeyEpoch, Policy, Registration, Roles};
use flowlore_common::sign::{SecretKey, tags};
use flowlore_common::tag::Tag;
use flowlore_common::time::{Day, Hour};
use flowlore_veil::keys::WholeKey;
use flowlore_veil::note::{Note, NoteText};
use flowlore_veil::oprf::Y;
use flowlore_veil::token::Secret;

use crate::fold::Refresh;
use crate::ledger::Ledger;
use crate::roster::Chain;
use crate::store::row::ForkProof;

/// 2026-11-24 08:00 UTC.
const NOW: Hour = Hour(498_752);

/// One vector: what it is, and its bytes or text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    /// What it is.
    pub name: &'static str,
    /// Lower-case hex, or the text where the format is text.
    pub value: String,
}

/// All vectors, in the order of proto/PROTOCOL.md. Seeds of keys: `07*32` signs for the org,
/// `08*32` is its transport key, `09*32` a person's key, `0a*32` the next signing key.
#[must_use]
pub fn vectors() -> Vec<Vector> {
    let mut vectors = Vec::new();
    blocks(&mut vectors);
    roster(&mut vectors);
    joining(&mut vectors);
    evaluation(&mut vectors);
    people(&mut vectors);
    vectors
}

fn push(vectors: &mut Vec<Vector>, name: &'static str, bytes: &[u8]) {
    vectors.push(Vector { name, value: hex(bytes) });
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn blocks(vectors: &mut Vec<Vector>) {
    for (name, tag) in [
        ("tag_block", tags::BLOCK),
        ("tag_roster", tags::ROSTER),
        ("tag_rotate", tags::ROTATE),
        ("tag_key_package", tags::KEY_PACKAGE),
        ("tag_evaluate_request", tags::EVALUATE_REQUEST),
        ("tag_evaluate_answer", tags::EVALUATE_ANSWER),
        ("tag_credential", tags::CREDENTIAL),
        ("tag_call", tags::CALL),
        ("tag_join", tags::JOIN),
    ] {
        push(vectors, name, &tag);
    }
    let items: [&[u8]; 3] = [b"a", b"bb", b"ccc"];
    let root = payload_root(PayloadKind(32), 0, &items).expect("three short items");
    push(vectors, "payload_root", &root);
    let block = block(BlockId::default(), 0, &items);
    push(vectors, "block", block.bytes());
    push(vectors, "block_id", &block.id().0);
    let (one, other) = (self::block(block.id(), 1, &[b"d"]), self::block(block.id(), 1, &[b"e"]));
    let proof = ForkProof::new(*one.signed_header(), *other.signed_header());
    push(vectors, "fork_proof", &proof.encode());
    let refresh = Refresh { incarnation: 1, height: 2, index: 3 };
    push(vectors, "refresh_item", &refresh.encode());
    note(vectors);
}

fn block(prev: BlockId, height: u64, items: &[&[u8]]) -> SignedBlock {
    let draft = Draft {
        federation: FederationId([5; 32]),
        feed: Feed { org: OrgId([1; 32]), incarnation: 0 },
        height,
        prev,
        sealed: NOW,
        roster_version: 1,
        roster_hash: RosterHash([6; 32]),
        kind: PayloadKind(32),
        purpose: 0,
    };
    draft.seal(items, &key(7)).expect("a few short items")
}

fn registration() -> Registration {
    Registration {
        random: [0x0a; 32],
        share_group: ShareGroup([0x0b; 32]),
        first_key: key(7).public().bytes(),
    }
}

/// `Y` of FLP1's vectors: evil.example in key epoch 7.
const Y_BYTES: [u8; 64] = [
    0x93, 0xb3, 0x3b, 0x02, 0xa7, 0xae, 0xa5, 0x3a, 0xc1, 0x83, 0x75, 0x33, 0xd9, 0xff, 0x9a, 0xcc,
    0x21, 0x3f, 0xa4, 0x09, 0x92, 0x4f, 0x95, 0x26, 0x92, 0xa3, 0x8a, 0x2b, 0xfd, 0x6a, 0xcc, 0xf5,
    0xf4, 0x66, 0xa8, 0x36, 0x79, 0x96, 0xd5, 0x9f, 0x8e, 0x8b, 0x03, 0x14, 0x5c, 0xbf, 0xc5, 0x39,
    0x68, 0x9d, 0xa5, 0x29, 0x45, 0x0e, 0x39, 0x50, 0xc6, 0xb1, 0x6e, 0x18, 0xd8, 0x09, 0x52, 0xec,
];

/// What the first org wrote beside its flagged label of that name.
fn note(vectors: &mut Vec<Vector>) {
    let secret = Secret::derive(&Y::from_bytes(Y_BYTES), 7, Purpose::Flagged);
    let host = "evil.example".parse().expect("a name");
    let token = secret.token(&Input::host(&host)).token();
    let text = NoteText {
        tlp: 0,
        contributor: [2; 16],
        tags: vec![Tag::CredentialsEntered.number(), Tag::Phishing.number()],
        title: "A kit".to_owned(),
        text: "Two pages.".to_owned(),
    };
    push(vectors, "note_plain", &text.encode().expect("a short note"));
    let rng = &mut SeededRng::new("note vector", 1);
    let note = secret.note(&token, &OrgId([1; 32]), &text, rng).expect("a short note");
    push(vectors, "note_item", &note.encode());
    push(vectors, "note_withdrawn", &Note::withdrawal(token).encode());
}

fn roster(vectors: &mut Vec<Vector>) {
    let org = registration().org();
    push(vectors, "registration", &registration().encode());
    push(vectors, "org_id", &org.0);
    let admission = Admission {
        registration: registration(),
        name: "Org A".to_owned(),
        transport_key: key(8).public().bytes(),
        endpoints: vec!["198.51.100.1:7071".to_owned()],
        roles: Roles { governor: true, witness: false, evaluator: Some(1) },
        control_group: [0x0c; 32],
        endorsers: vec![],
    };
    let policy = Policy { name: "Example".to_owned(), ..Policy::default() };
    let changes = vec![Change::Policy(policy), Change::Admit(Box::new(admission))];
    let statement = Chain::draft_first(changes, NOW).expect("a governor is admitted");
    let first = Document::new(statement, org, &key(7));
    push(vectors, "roster_0_table_root", &first.statement.table_root);
    push(vectors, "roster_0", &first.encode());
    push(vectors, "federation_id", &first.hash().0);
    let mut chain = Chain::found(&first).expect("signed by its governor");
    let mut rotation = Rotation {
        org,
        from: FeedPlace { incarnation: 0, height: 9 },
        signing_key: key(10).public().bytes(),
        transport_key: key(8).public().bytes(),
        old_signature: [0; 64],
        new_signature: [0; 64],
    };
    rotation.sign(&chain.federation(), &key(7), &key(10));
    let statement = chain.draft(vec![Change::Rotate(Box::new(rotation))], Hour(NOW.0 + 1));
    let second = Document::new(statement.expect("signed by both keys"), org, &key(7));
    push(vectors, "roster_1", &second.encode());
    push(vectors, "roster_1_hash", &second.hash().0);
    chain.apply(&second).expect("the next document");
    let rng = &mut SeededRng::new("vectors", 2);
    let dealt = WholeKey::random(rng).deal(1, 1, 0, rng);
    let (package, _) = dealt.expect("one of one is a way to share a key");
    push(vectors, "public_key_package", &package.to_bytes());
    let mut epoch = KeyEpoch {
        number: 1,
        generation: package.generation(),
        origin: KeyOrigin::Single,
        package: package.to_bytes(),
        thresholds: KeyEpoch::default_thresholds(),
        suffix_list: [0x0d; 32],
        idna_tables: b3kdf("flowlore idna tables v1", b"UTS-46 non-transitional, idna 1.1"),
        never_lists: b3kdf("flowlore never-tokenised lists v1", b"FLP1 2026-11 never-tokenised"),
        signatures: BTreeMap::new(),
    };
    let signed = key(10).sign(&epoch.package_message());
    epoch.signatures.insert(1, signed);
    let statement = chain.draft(vec![Change::KeyEpoch(epoch)], Hour(NOW.0 + 2));
    let third = Document::new(statement.expect("its evaluator is a member"), org, &key(10));
    push(vectors, "roster_2", &third.encode());
    push(vectors, "roster_2_hash", &third.hash().0);
    let ledger = Ledger::in_memory(&first).expect("signed by its governor");
    push(vectors, "objects_digest_of_roster_0", &ledger.objects_digest());
}

fn joining(vectors: &mut Vec<Vector>) {
    let invite = Invite {
        federation: FederationId([5; 32]),
        inviter: OrgId([1; 32]),
        transport_key: key(8).public().bytes(),
        address: "198.51.100.1:7071".to_owned(),
        code: [3; 16],
        expires: Hour(NOW.0 + 24),
    };
    vectors.push(Vector { name: "invite", value: invite.to_string() });
    let join = JoinRequest {
        federation: FederationId([5; 32]),
        code: [3; 16],
        registration: registration(),
        name: "Org A".to_owned(),
        transport_key: key(8).public().bytes(),
        endpoints: vec!["198.51.100.1:7071".to_owned()],
    };
    push(vectors, "join_request", &join.sign(&key(7)));
}

fn evaluation(vectors: &mut Vec<Vector>) {
    let federation = FederationId([5; 32]);
    let scope = Scope { federation, key_epoch: 7, generation: 1, evaluator: 2 };
    let (org, day) = (OrgId([1; 32]), Day(20_781));
    let request = EvaluateRequest { scope, org, day, blinded: vec![[2; 32], [3; 32]] };
    push(vectors, "evaluate_request", &request.sign(&key(7)));
    let (batch, evaluated) = (BatchId([9; 32]), vec![[4; 32], [5; 32]]);
    let answer = EvaluateAnswer { scope, batch, evaluated, proof: [8; 64] };
    push(vectors, "evaluate_answer", &answer.sign(&key(7)));
}

fn people(vectors: &mut Vec<Vector>) {
    let grant = Grant {
        org: OrgId([1; 32]),
        serial: [2; 16],
        public_key: key(9).public().bytes(),
        role: Role::Analyst,
        name: "Ada".to_owned(),
        tenants: vec!["east".to_owned()],
        issued: NOW,
        expires: Hour(NOW.0 + 24),
    };
    let credential = grant.sign(&key(7));
    push(vectors, "credential", credential.bytes());
    let file = CredentialFile::new(credential, key(9));
    let mut rng = SeededRng::new("vectors", 0);
    let call = file.call("/flowlore.v1.ReputationService/Lookup", 1_795_507_200, &mut rng);
    vectors.push(Vector { name: "authorization", value: call.to_string() });
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! Goal: no byte of a format changes unnoticed. Method: the vectors of proto/PROTOCOL.md, and those
//! that were derived from FLP1's text by an independent program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use flowlore_common::block::{Draft, Feed, PayloadKind};
use flowlore_common::destination::{Host, Input};
use flowlore_common::ids::{BlockId, FederationId, OrgId, RosterHash, ShareGroup};
use flowlore_common::label::{Direction, EntryKind, Outcome, Purpose, Source, Verdict};
use flowlore_common::sign::SecretKey;
use flowlore_common::time::{Day, Hour};
use flowlore_ledger::vectors::vectors;
use flowlore_veil::body::{Body, Entry};
use flowlore_veil::oprf::Y;
use flowlore_veil::token::Secret;
use rand_core::{CryptoRng, Error, RngCore};

#[test]
fn the_protocol_document_has_these_vectors() {
    let document = include_str!("../../../proto/PROTOCOL.md");
    let block = document.split("```vectors\n").nth(1).expect("a block of vectors");
    let block = block.split("```").next().expect("its end");
    let ours: String =
        vectors().iter().map(|vector| format!("{} {}\n", vector.name, vector.value)).collect();
    for (theirs, ours) in block.lines().zip(ours.lines()) {
        assert_eq!(theirs, ours);
    }
    assert_eq!(block.lines().count(), ours.lines().count());
}

/// Counts up from 0, for the nonce of the published label.
struct Counting(u8);

impl RngCore for Counting {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        for byte in dest {
            *byte = self.0;
            self.0 += 1;
        }
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for Counting {}

#[test]
fn the_published_block_of_one_label() {
    let y = "93b33b02a7aea53ac1837533d9ff9acc213fa409924f952692a38a2bfd6accf5\
             f466a8367996d59f8e8b03145cbfc539689da529450e3950c6b16e18d80952ec";
    let y = Y::from_bytes(hex::decode(y).unwrap().try_into().unwrap());
    let secret = Secret::derive(&y, 7, Purpose::Flagged);
    let token = secret.token(&Input::host(&"evil.example".parse::<Host>().unwrap())).token();
    let day = |text: &str| text.parse::<Day>().unwrap();
    let entry = Entry {
        kind: EntryKind::Assessment,
        direction: Direction::Outbound,
        transport: 6,
        port: 443,
        code: 0x0101,
        verdict: Verdict::Malicious,
        confidence: 86,
        first_day: day("2026-11-02"),
        last_day: day("2026-11-23"),
        flows_log2: flowlore_veil::body::count_log2(341),
        hosts_log2: flowlore_veil::body::count_log2(2),
        source: Source::Person,
        outcome: Outcome::None,
        reason: 0,
        minutes_log2: 0,
        source_id: 0,
        detector: 0,
    };
    let body = Body::new(None, None, vec![entry]);
    let (org, group) = (OrgId([1; 32]), ShareGroup([1; 32]));
    let label = secret.label(&token, &org, &group, &body, &mut Counting(0)).unwrap().encode();
    assert_eq!(label.len(), 235);
    assert_eq!(
        blake3::hash(&label).to_string(),
        "137c2b38f0903886dfe9ac2e68f900b0009c2a9e21dd01a57b3a418927bceb0a"
    );
    let draft = Draft {
        federation: FederationId([5; 32]),
        feed: Feed { org, incarnation: 0 },
        height: 0,
        prev: BlockId::default(),
        sealed: Hour(498_752),
        roster_version: 1,
        roster_hash: RosterHash([6; 32]),
        kind: PayloadKind::LABELS,
        purpose: 1,
    };
    let block = draft.seal(&[&label], &SecretKey::from_seed(&[7; 32])).unwrap();
    assert_eq!(block.header().payload_bytes, 238);
    let header = [
        ("tag", "666c6f776c6f72652d626c6f636b0001"),
        ("federation", "0505050505050505050505050505050505050505050505050505050505050505"),
        ("org_id", "0101010101010101010101010101010101010101010101010101010101010101"),
        ("incarnation", "00000000"),
        ("height", "0000000000000000"),
        ("prev", "0000000000000000000000000000000000000000000000000000000000000000"),
        ("sealed_hour", "00079c40"),
        ("roster_version", "00000001"),
        ("roster_hash", "0606060606060606060606060606060606060606060606060606060606060606"),
        ("payload_kind", "01"),
        ("flags", "00"),
        ("items", "0001"),
        ("payload_len", "000000ee"),
        ("payload_root", "16fca93ece4205af8620a7748ea778c420723e93e44b477b7a76ab491a2785df"),
        ("reserved", "00000000000000000000000000000000"),
    ];
    let mut rest = &block.bytes()[..220];
    for (field, expected) in header {
        let (bytes, after) = rest.split_at(expected.len() / 2);
        assert_eq!(hex::encode(bytes), expected, "{field}");
        rest = after;
    }
    assert_eq!(
        block.id().to_string(),
        "dbde1452ac4a5454ddf03d8f43de35425a9961d885926471296384fdde08e747"
    );
    assert_eq!(
        hex::encode(block.signed_header().signature),
        "3265e7fad5a7fd5a9988f7017a9461679ae3698baaa8f03f9f0f92bb892dc62a\
         404c76bc7c378b0bf3ea1f957a606dbfc6a526d71c55aa6d53b671544a55ef08"
    );
}

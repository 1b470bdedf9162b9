//! FLP1's own vectors, per field, so that another implementation can be checked against them.
//!
//! Key: skSm of RFC 9497, A.1.2; key epoch 7; `evil.example`, kind 1, unless said otherwise. Share
//! groups, org ids and the federation are 32 equal bytes, so a test writes `[1; 32]`.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::scalar::Scalar;
use flowlore_common::destination::{Host, Input};
use flowlore_common::env::SeededRng;
use flowlore_common::ids::{FederationId, OrgId, ShareGroup, Token};
use flowlore_common::label::{Direction, EntryKind, Outcome, Purpose, Source, Verdict};
use flowlore_common::time::Day;
use flowlore_veil::body::{Body, Entry, count_log2};
use flowlore_veil::keys::WholeKey;
use flowlore_veil::label::Label;
use flowlore_veil::open::recover;
use flowlore_veil::oprf::{Request, Y, batch_id};
use flowlore_veil::proof::{Claim, Proof, verify_proof};
use flowlore_veil::token::{Secret, TokenRecord, token_of};
use rand_core::{CryptoRng, RngCore};

const SKSM: &str = "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909";
const KEY_EPOCH: u32 = 7;
const INPUT: &str = "464c50312d6465737400010000000c6576696c2e6578616d706c65";
const OUTPUT: &str = "93b33b02a7aea53ac1837533d9ff9acc213fa409924f952692a38a2bfd6accf5f466a8367996d59f8e8b03145cbfc539689da529450e3950c6b16e18d80952ec";

/// A record of a purpose, by field.
struct Record {
    purpose: Purpose,
    header: &'static str,
    commitments: &'static [&'static str],
    sealed_name: &'static str,
    token: &'static str,
}

const RECORDS: [Record; 5] = [
    Record {
        purpose: Purpose::Contacted,
        header: "000000070000",
        commitments: &["daf0cb0bbfae8475f3e0a479ac602e916409e282d5290463fb9a5742e5b33271"],
        sealed_name: "",
        token: "702c4d4140a387aa922a4bf81d5bc1df3a74656158bfff2075be7beb19ae75d0",
    },
    Record {
        purpose: Purpose::Flagged,
        header: "000000070103",
        commitments: &[
            "4e79465b630c63c2b3d8fa9bd46997e68b9150aedeaad81babeddef4812aa41d",
            "1e4f48fe19a5712e8a39b4f4a10387cd11ce56412dc456acd3c43d2b84caf95d",
            "e6b95a97c18cac14064bd8e761372ea86f7bb8cccd56cf77ae7d97fb20b3a76e",
        ],
        sealed_name: "ea0db784291ee2ec6ddb382cc907a1ca295281d678d49a0bf07245ca7baa90869952c150da7ad965606edfff55f6d1c35c5c9b2cdcaf534a4668d524b2ddad2f7b5b4b64e7b4a83867b134d22af135d9e19274c4beb1b953971a9834729b0042817eb794b5cd6860c8ec17dfc5b5ac52",
        token: "33a66df10cd46b598de699e2fb275a7e2630a696deaf1819c1a38116d81e2b11",
    },
    Record {
        purpose: Purpose::Vouched,
        header: "000000070200",
        commitments: &["4e5d617099687b50995d98a1af207cf68f0b5b10b921230b112f37de547f403a"],
        sealed_name: "",
        token: "5d12b9228b47b7c05394039df5ec6416fc7e7301d4e84a2f9edafb9be6e2317f",
    },
    Record {
        purpose: Purpose::Knocked,
        header: "000000070305",
        commitments: &[
            "c6767b696b9ac6ff0e47c88af586f281793c26535c876d6673a2b4f7f4872e12",
            "100f24a5faafd61e8f78e2832e86628734c73ee485fa3edb25089748ba1e4342",
            "4628c4eb92b20431897b6cd26bf8ca8be81e86756ab0381f045f6256e1117e5d",
            "86304628ffbb61e68fdc5ebbccde5ec2d47294b0bb12413da9e35f039ea1ae16",
            "0ec07edf5a7a12442fa0273f0b60238a40e90dc2fd63a766850be41cc0f4ed71",
        ],
        sealed_name: "79030c2ff5af186317e9624e337adaa75aeeb14648bcaf02ad4f16849df62a39ff5fc581a50102a06466e53cf635fc2468d9d2090c556867d55b8e888063cf013157102225e16234a3c970bc9f15a0606dc227b2febd96488ec0d9b97707c0fb56228b81bf62f95424e5259332caa605",
        token: "2fe0240e0aa0f23f96583dc7707943c5d5d750b2f713f9ada9f1876f7c6f0891",
    },
    Record {
        purpose: Purpose::Suspected,
        header: "000000070400",
        commitments: &["5c61cfd8ebaf72885b75fd13d7c2d268ccf026b6e2c464bbda57e48cde534456"],
        sealed_name: "",
        token: "d07a1749fba2d2901d0e3a6feefb9bcc227ae8d07c6dde6a89bbf688a30711d1",
    },
];

/// Purpose, byte of the share group, y.
const SHARES: &[(Purpose, u8, &str)] = &[
    (Purpose::Flagged, 1, "6e5db6c40cabcd3a6e4f1712192e7c535c1081e3f27347840ca6f6714252fa00"),
    (Purpose::Flagged, 2, "51395a3236ff7cab766a9f37b800a8e5a160694e62128e8863152fac82cbc805"),
    (Purpose::Flagged, 3, "7fd27282eba79ed419a4d4681936f15d64e658089fef26d083515b4388d12208"),
    (Purpose::Knocked, 1, "5b46278ffbba732657909f3aae1e6cc0c7f2ffd8a9060f2cc53ad8c3d08d3909"),
    (Purpose::Knocked, 2, "c4f1b0fa9490687332e6c2bcc0533afcc98fc454721f7d1debb961ba605b3903"),
    (Purpose::Knocked, 3, "c9e8a281f2ffe82f6eb745d2380056d0a6be23aa9786033bafd8014cade6d301"),
    (Purpose::Knocked, 4, "61cd7986148d80c5949b04d3a5d6d2c2c1a35fba21967b83aab59423b49aac05"),
    (Purpose::Knocked, 5, "77e2fb1c6de2b5f9b914de0f41347e714c73ca596acc19717c761c6b24624109"),
];

/// Purpose, R, s; org id 01*32.
const KNOWLEDGE: [(Purpose, &str, &str); 3] = [
    (
        Purpose::Contacted,
        "d0654c521ff941ad9edc7b2ec875b60737e6f0f919c2240b2f5fd281b4407d1c",
        "52f3ee66fd25296ed6bc6239d1fd4d170d28622f7c48c028c6b8bc4f10eabc0d",
    ),
    (
        Purpose::Vouched,
        "887803c56f59955187b4f365794bf6d4d9971639c8448c1a838b76b0b7b33a43",
        "90274935621cec1bd57b002f45a5f0bdcde8e1f9ec27bed749c2978ddc58ed0c",
    ),
    (
        Purpose::Suspected,
        "18221ca5343bea19f467b3b63fa26fde308d31255a4cccf5c05dc325bff64946",
        "65157b268d5e6777b80c1d94535fcfff120b3ae738dc0876daf74fd90635d70f",
    ),
];

const ENTRY: &str = "0101060001bb010103565117512c0801010000000000000000000000";
const NONCE: &str = "000102030405060708090a0b0c0d0e0f1011121314151617";
const SEALED_BODY: &str = "97b0cb30c33d57e863cf7d4b86b3720accc321f1201dd0b31ceb9b95ce72665fefd93988e257399d958d27185c52f162d10b1856baf0189c701c0db953052e7386541460234a247e5310e75af5397ec175323addd8449a641382f266d467bf2819ca5183f45af8b8edaefc4c4469b1f3f14dfb04722269ae67731f536552b5bf9f47e26057a69ac91319f3f42fafa1ed";
const LABEL_HASH: &str = "137c2b38f0903886dfe9ac2e68f900b0009c2a9e21dd01a57b3a418927bceb0a";
const LONG_NAME_TOKEN: &str = "01538be34875d9687af7060885742da097bda0ef8408c55462fef54a313d7ad0";
const BATCH_ID: &str = "12f69f76039613ffd7f6a598984358ff0b2bda430af5a598932727f06523d446";

fn hex32(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn name(text: &str) -> Input {
    Input::host(&text.parse::<Host>().unwrap())
}

/// `Y` of an input under skSm, as the key of a single evaluator.
fn evaluate(input: &Input) -> Y {
    let rng = &mut SeededRng::new("vectors", 1);
    let (package, shares) = WholeKey::from_bytes(&hex32(SKSM)).unwrap().deal(1, 1, 0, rng).unwrap();
    let request = Request::new(std::slice::from_ref(input), 1, rng).unwrap();
    let answer = shares[0].evaluate(request.blinded(), rng).unwrap();
    let share = request.verify(1, &package, &answer).unwrap();
    request.finalize(&package, &[share]).unwrap().remove(0)
}

fn secret(purpose: Purpose) -> Secret {
    Secret::derive(&evaluate(&name("evil.example")), KEY_EPOCH, purpose)
}

fn record(purpose: Purpose) -> TokenRecord {
    secret(purpose).token(&name("evil.example"))
}

/// Gives out the bytes of one nonce.
struct OneNonce;

impl RngCore for OneNonce {
    fn next_u32(&mut self) -> u32 {
        unreachable!("a nonce is drawn as bytes")
    }
    fn next_u64(&mut self) -> u64 {
        unreachable!("a nonce is drawn as bytes")
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        hex::decode_to_slice(NONCE, bytes).unwrap();
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for OneNonce {}

#[test]
fn input_and_output() {
    let input = name("evil.example");
    assert_eq!(hex::encode(input.bytes()), INPUT);
    assert_eq!(hex::encode(evaluate(&input).as_bytes()), OUTPUT);
}

#[test]
fn records_and_tokens_of_all_purposes() {
    for vector in RECORDS {
        let record = record(vector.purpose);
        let sealed_length = format!("{:04x}", vector.sealed_name.len() / 2);
        let bytes =
            [vector.header, &vector.commitments.concat(), &sealed_length, vector.sealed_name]
                .concat();
        assert_eq!(hex::encode(record.bytes()), bytes, "{}", vector.purpose);
        assert_eq!(record.token().to_string(), vector.token, "{}", vector.purpose);
        assert_eq!(token_of(record.bytes()), record.token());
        let read = TokenRecord::parse(record.bytes(), &record.token()).unwrap();
        assert_eq!(read.bytes(), record.bytes());
        assert_eq!((read.purpose(), read.key_epoch()), (vector.purpose, KEY_EPOCH));
    }
}

#[test]
fn shares() {
    for (purpose, group, y) in SHARES {
        let (record, group) = (record(*purpose), ShareGroup([*group; 32]));
        let org = OrgId([9; 32]); // a share belongs to the group, whichever of its orgs publishes it
        let proof = secret(*purpose).prove(&record.token(), &org, &group).unwrap();
        assert_eq!(hex::encode(proof.as_bytes()), *y, "{purpose} {group}");
        let claim = Claim { record: &record, proof: &proof, org, share_group: group };
        assert!(verify_proof(&claim), "{purpose} {group}");
    }
}

#[test]
fn proofs_of_knowledge() {
    for (purpose, commitment, response) in KNOWLEDGE {
        let (record, org, share_group) = (record(purpose), OrgId([1; 32]), ShareGroup([9; 32]));
        let proof = secret(purpose).prove(&record.token(), &org, &share_group).unwrap();
        assert_eq!(hex::encode(proof.as_bytes()), [commitment, response].concat(), "{purpose}");
        let claim = Claim { record: &record, proof: &proof, org, share_group };
        assert!(verify_proof(&claim), "{purpose}");
    }
}

#[test]
fn any_k_shares_give_the_name() {
    for purpose in [Purpose::Flagged, Purpose::Knocked] {
        let record = record(purpose);
        let shares: Vec<_> = SHARES.iter().filter(|share| share.0 == purpose).collect();
        let shares: Vec<_> =
            shares.iter().map(|(_, group, y)| (ShareGroup([*group; 32]), hex32(y))).collect();
        assert_eq!(shares.len(), usize::from(purpose.threshold()));
        assert_eq!(hex::encode(recover(&record, &shares).unwrap().bytes()), INPUT);
    }
}

#[test]
fn a_long_name_is_sealed_in_the_long_form() {
    let input = name(&format!("{}.{}.evil.example", "a".repeat(63), "b".repeat(20)));
    assert_eq!(input.text().len(), 97);
    let record = Secret::derive(&evaluate(&input), KEY_EPOCH, Purpose::Flagged).token(&input);
    assert_eq!(record.bytes().len(), 6 + 3 * 32 + 2 + 336);
    assert_eq!(record.token().to_string(), LONG_NAME_TOKEN);
}

fn body() -> Body {
    let entry = Entry {
        kind: EntryKind::Assessment,
        direction: Direction::Outbound,
        transport: 6,
        port: 443,
        code: 0x0101,
        verdict: Verdict::Malicious,
        confidence: 86,
        first_day: "2026-11-02".parse().unwrap(),
        last_day: "2026-11-23".parse().unwrap(),
        flows_log2: count_log2(341),
        hosts_log2: count_log2(2),
        source: Source::Person,
        outcome: Outcome::None,
        reason: 0,
        minutes_log2: 0,
        source_id: 0,
        detector: 0,
    };
    assert_eq!(entry.last_day, Day(0x512c));
    Body::new(None, None, vec![entry])
}

#[test]
fn body_and_label() {
    let plain = body().encode().unwrap();
    let bytes = ["01010000", &"00".repeat(48), ENTRY, &"00".repeat(48)].concat();
    assert_eq!(hex::encode(&*plain), bytes);
    assert_eq!(Body::decode(&plain), Ok(body()));

    let (secret, org, group) = (secret(Purpose::Flagged), OrgId([1; 32]), ShareGroup([1; 32]));
    let token: Token = RECORDS[1].token.parse().unwrap();
    let item = secret.label(&token, &org, &group, &body(), &mut OneNonce).unwrap().encode();
    let share = SHARES[0].2;
    let bytes = [RECORDS[1].token, "00", share, NONCE, "0090", SEALED_BODY].concat();
    assert_eq!(hex::encode(&item), bytes);
    assert_eq!((item.len(), blake3::hash(&item).to_string().as_str()), (235, LABEL_HASH));

    let label = Label::parse(&item, Purpose::Flagged).unwrap();
    assert_eq!(label.proof(), &Proof::Share(hex32(share)));
    assert_eq!(secret.open_body(&label, &org), Ok(body()));
}

#[test]
fn batch_ids() {
    let element =
        |factor: u8| (RISTRETTO_BASEPOINT_POINT * Scalar::from(factor)).compress().to_bytes();
    let id = |elements: &[[u8; 32]]| {
        batch_id(&FederationId([5; 32]), KEY_EPOCH, &OrgId([1; 32]), elements).unwrap()
    };
    assert_eq!(id(&[element(2), element(3)]).to_string(), BATCH_ID);
    assert_ne!(id(&[element(3), element(2)]).to_string(), BATCH_ID);
}

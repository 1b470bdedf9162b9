//! What an attacker, or a fault, may send: each refused with its reason, and blamed on the right
//! one.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use flowlore_common::destination::{Host, Input};
use flowlore_common::env::SeededRng;
use flowlore_common::ids::{FederationId, OrgId, ShareGroup, Token};
use flowlore_common::label::Purpose;
use flowlore_veil::body::Body;
use flowlore_veil::keys::{KeyError, KeyShare, PublicKeyPackage, QuorumError, WholeKey};
use flowlore_veil::label::{Label, LabelError, OpenBodyError};
use flowlore_veil::note::{Note, NoteError, NoteText};
use flowlore_veil::open::{Judgement, Opening, RecoverError, Recovered, recover};
use flowlore_veil::oprf::{AnswerError, CombineError, Request, RequestError, Share, Y, batch_id};
use flowlore_veil::proof::{Claim, Proof, verify_proof, verify_proofs};
use flowlore_veil::token::{RecordError, Secret, TokenRecord, VoidRecord, token_of};
use rand_core::RngCore;

const IDENTITY: [u8; 32] = [0; 32];

/// Encodings that are no ristretto points (RFC 9496, A.3): above the field's modulus, negative, and
/// no square.
const NO_POINTS: [&str; 4] = [
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
];

fn no_points() -> impl Iterator<Item = [u8; 32]> {
    let decode = |text: &&str| hex::decode(text).unwrap().try_into().unwrap();
    NO_POINTS.iter().map(decode).chain([IDENTITY])
}

fn rng() -> SeededRng {
    SeededRng::new("adversary tests", 1)
}

fn name(text: &str) -> Input {
    Input::host(&text.parse::<Host>().unwrap())
}

/// One key: its package and shares, of generation 1.
fn keys(t: u16, n: u16) -> (PublicKeyPackage, Vec<KeyShare>) {
    let rng = &mut rng();
    WholeKey::random(rng).deal(t, n, 1, rng).unwrap()
}

fn answers(request: &Request, package: &PublicKeyPackage, shares: &[KeyShare]) -> Vec<Share> {
    let verified = |share: &KeyShare| {
        let answer = share.evaluate(request.blinded(), &mut rng()).unwrap();
        request.verify(share.number(), package, &answer).unwrap()
    };
    shares.iter().map(verified).collect()
}

fn evaluate(input: &Input) -> Y {
    let (package, shares) = keys(2, 3);
    let request = Request::new(std::slice::from_ref(input), 1, &mut rng()).unwrap();
    let verified = answers(&request, &package, &shares[..2]);
    request.finalize(&package, &verified).unwrap().remove(0)
}

fn secret(text: &str, purpose: Purpose) -> (Secret, TokenRecord) {
    let secret = Secret::derive(&evaluate(&name(text)), 7, purpose);
    let record = secret.token(&name(text));
    (secret, record)
}

#[test]
fn one_bad_element_refuses_the_whole_batch() {
    let (_, shares) = keys(1, 1);
    let good = Request::new(&[name("a.example")], 16, &mut rng()).unwrap().blinded().to_vec();
    for bad in no_points() {
        let mut batch = good.clone();
        batch[9] = bad;
        let refused = shares[0].evaluate(&batch, &mut rng()).unwrap_err();
        assert_eq!(refused, RequestError::Element(9), "{bad:02x?}");
    }
    assert_eq!(shares[0].evaluate(&[], &mut rng()).unwrap_err(), RequestError::Count(0));
    let long = vec![good[0]; 4097];
    assert_eq!(shares[0].evaluate(&long, &mut rng()).unwrap_err(), RequestError::Count(4097));
}

#[test]
fn wrong_and_swapped_elements_of_a_large_batch_are_seen() {
    let (package, shares) = keys(1, 1);
    let request = Request::new(&[name("a.example")], 1024, &mut rng()).unwrap();
    let good = shares[0].evaluate(request.blinded(), &mut rng()).unwrap();
    assert!(request.verify(1, &package, &good).is_ok());

    let mut wrong = good.clone();
    wrong.evaluated[700] = request.blinded()[700];
    assert_eq!(request.verify(1, &package, &wrong).unwrap_err(), AnswerError::Proof(1));
    let mut swapped = good.clone();
    swapped.evaluated.swap(3, 1000);
    assert_eq!(request.verify(1, &package, &swapped).unwrap_err(), AnswerError::Proof(1));
    let mut short = good.clone();
    short.evaluated.pop();
    let count = AnswerError::Count { evaluator: 1, expected: 1024, given: 1023 };
    assert_eq!(request.verify(1, &package, &short).unwrap_err(), count);
    for bad in no_points() {
        let mut broken = good.clone();
        broken.evaluated[5] = bad;
        let element = AnswerError::Element { evaluator: 1, index: 5 };
        assert_eq!(request.verify(1, &package, &broken).unwrap_err(), element);
    }
    for bit in [0, 255, 256, 511] {
        let mut proof = good.clone();
        proof.proof[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(request.verify(1, &package, &proof).unwrap_err(), AnswerError::Proof(1));
    }
    let mut unreduced = good;
    unreduced.proof = [0xff; 64];
    assert_eq!(request.verify(1, &package, &unreduced).unwrap_err(), AnswerError::Proof(1));
}

#[test]
fn answers_count_for_their_evaluator_generation_and_request_only() {
    let key = [9; 32].map(|byte: u8| byte & 0x0f); // a canonical scalar
    let deal = |generation| {
        let rng = &mut SeededRng::new("generations", u64::from(generation));
        WholeKey::from_bytes(&key).unwrap().deal(2, 3, generation, rng).unwrap()
    };
    let ((old, old_shares), (new, new_shares)) = (deal(1), deal(2));
    assert_eq!(old.group_key(), new.group_key());
    assert!(old.holds(&old_shares[0]) && !new.holds(&old_shares[0]));
    let request = Request::new(&[name("a.example")], 1, &mut rng()).unwrap();

    // Another evaluator's answer, and one with the share of another generation.
    let answer = old_shares[0].evaluate(request.blinded(), &mut rng()).unwrap();
    assert_eq!(request.verify(2, &old, &answer).unwrap_err(), AnswerError::Proof(2));
    assert_eq!(request.verify(4, &old, &answer).unwrap_err(), AnswerError::Unknown(4));
    assert_eq!(request.verify(0, &old, &answer).unwrap_err(), AnswerError::Unknown(0));
    let generation = AnswerError::Generation { evaluator: 1, expected: 2, given: 1 };
    assert_eq!(request.verify(1, &new, &answer).unwrap_err(), generation);
    let mut relabelled = answer;
    relabelled.generation = 2;
    assert_eq!(request.verify(1, &new, &relabelled).unwrap_err(), AnswerError::Proof(1));

    // Shares of two generations, each with a proof that holds.
    let olds = answers(&request, &old, &old_shares);
    let news = answers(&request, &new, &new_shares);
    let mixed = [olds[0].clone(), news[1].clone()];
    let error = request.finalize(&old, &mixed).map(|_| ()).unwrap_err();
    assert_eq!(error, CombineError::OtherPackage(2));

    // A package put together from both: its quorum misses the group key.
    let (mut bytes, other) = (old.to_bytes(), new.to_bytes());
    bytes[40 + 34..40 + 68].copy_from_slice(&other[40 + 34..40 + 68]);
    let forged = PublicKeyPackage::from_bytes(&bytes).unwrap();
    let mut second = new_shares[1].evaluate(request.blinded(), &mut rng()).unwrap();
    second.generation = 1;
    let second = request.verify(2, &forged, &second).unwrap();
    let error = request.finalize(&forged, &[olds[0].clone(), second]).map(|_| ()).unwrap_err();
    assert_eq!(error, CombineError::Quorum(QuorumError::NotTheGroupKey));

    // Too few, too many, one twice, and the share of another request.
    let finalize = |shares: &[Share]| request.finalize(&old, shares).map(|_| ());
    let quorum = |error| Err(CombineError::Quorum(error));
    let count = |given| quorum(QuorumError::Count { needed: 2, given });
    assert_eq!(finalize(&[]), count(0));
    assert_eq!(finalize(&olds[..1]), count(1));
    assert_eq!(finalize(&olds), count(3));
    assert_eq!(finalize(&[olds[0].clone(), olds[0].clone()]), quorum(QuorumError::Repeated(1)));
    let other = Request::new(&[name("b.example")], 1, &mut rng()).unwrap();
    let stray = answers(&other, &old, &old_shares);
    assert_eq!(finalize(&[olds[0].clone(), stray[1].clone()]), Err(CombineError::OtherRequest(2)));
    assert_eq!(finalize(&olds[1..]), Ok(()));
}

#[test]
fn packages_and_shares_that_are_none() {
    let rng = &mut rng();
    for (t, n) in [(0, 0), (0, 1), (1, 2), (2, 1), (1, 3), (2, 4), (3, 2), (17, 33), (2, 0)] {
        let error = WholeKey::random(rng).deal(t, n, 1, rng).map(|_| ()).unwrap_err();
        assert_eq!(error, KeyError::Sizes { t, n });
    }
    let (package, shares) = keys(2, 3);
    let good = package.to_bytes();
    let parse = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        PublicKeyPackage::from_bytes(&bytes).map(|_| ())
    };
    assert_eq!(parse(&|_| ()), Ok(()));
    assert_eq!(parse(&|bytes| bytes.truncate(40)), Err(KeyError::Length));
    assert_eq!(parse(&|bytes| bytes.push(0)), Err(KeyError::Length));
    assert_eq!(parse(&|bytes| bytes[5] = 1), Err(KeyError::Sizes { t: 1, n: 3 }));
    assert_eq!(parse(&|bytes| bytes[41] = 0), Err(KeyError::Numbers));
    assert_eq!(parse(&|bytes| bytes[41] = 2), Err(KeyError::Numbers));
    for bad in no_points() {
        assert_eq!(parse(&|bytes| bytes[8..40].copy_from_slice(&bad)), Err(KeyError::Point));
        assert_eq!(parse(&|bytes| bytes[42..74].copy_from_slice(&bad)), Err(KeyError::Point));
    }
    let good = shares[0].to_bytes();
    let parse = |bytes: &[u8]| KeyShare::from_bytes(bytes).map(|_| ());
    assert_eq!(parse(&good[..]), Ok(()));
    assert_eq!(parse(&good[1..]), Err(KeyError::Length));
    assert_eq!(parse(&[&good[..], &[0]].concat()), Err(KeyError::Length));
    assert_eq!(parse(&[&[0, 0], &good[2..]].concat()), Err(KeyError::Numbers));
    assert_eq!(parse(&[&good[..6], &[0; 32]].concat()), Err(KeyError::Scalar));
    assert_eq!(parse(&[&good[..6], &[0xff; 32]].concat()), Err(KeyError::Scalar));
    assert!(WholeKey::from_bytes(&[0; 32]).is_err());
    assert!(!format!("{:?}", shares[0]).contains(&hex::encode(&good[6..10])));
}

#[test]
fn requests_have_a_size() {
    let error = |inputs: &[Input], least| {
        Request::new(inputs, least, &mut rng()).map(|request| request.blinded().len())
    };
    let names: Vec<_> = (0..17).map(|i| name(&format!("n{i}.example"))).collect();
    assert_eq!(error(&[], 1), Err(RequestError::Count(1)));
    assert_eq!(error(&names[..1], 1), Ok(1));
    assert_eq!(error(&names[..2], 1), Ok(16));
    assert_eq!(error(&names[..1], 16), Ok(16));
    assert_eq!(error(&names, 16), Ok(256));
    assert_eq!(error(&names, 4097), Err(RequestError::Count(4097)));
}

#[test]
fn a_batch_id_fixes_every_element_and_the_asker() {
    let batch = Request::new(&[name("a.example")], 16, &mut rng()).unwrap().blinded().to_vec();
    let id = |epoch, org, batch: &[[u8; 32]]| {
        batch_id(&FederationId([5; 32]), epoch, &OrgId([org; 32]), batch)
    };
    let first = id(7, 1, &batch).unwrap();
    assert_eq!(id(7, 1, &batch), Ok(first));
    let mut others = batch.clone();
    others[15] = others[14];
    for other in [id(7, 1, &others), id(7, 1, &batch[..15]), id(8, 1, &batch), id(7, 2, &batch)] {
        assert_ne!(other, Ok(first));
    }
    assert_eq!(id(7, 1, &[]), Err(RequestError::Count(0)));
}

#[test]
fn records_are_void_for_the_same_reason_everywhere() {
    let (_, record) = secret("evil.example", Purpose::Flagged);
    let good = record.bytes().to_vec();
    // The token is taken from the changed bytes: whoever makes a record chooses its token.
    let void = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        match TokenRecord::parse(&bytes, &token_of(&bytes)) {
            Err(RecordError::Void(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(void(&|bytes| bytes[4] = 5), VoidRecord::Purpose(5));
    let threshold = |given| VoidRecord::Threshold { expected: 3, given };
    for k in [0, 1, 2, 4, 255] {
        assert_eq!(void(&|bytes| bytes[5] = k), threshold(k));
    }
    for bad in no_points() {
        let second = void(&|bytes| bytes[38..70].copy_from_slice(&bad));
        assert_eq!(second, VoidRecord::Commitment(1));
    }
    assert_eq!(void(&|bytes| bytes.truncate(100)), VoidRecord::Length);
    assert_eq!(void(&|bytes| bytes.clear()), VoidRecord::Length);
    assert_eq!(void(&|bytes| bytes.push(0)), VoidRecord::Length);
    let shorter = void(&|bytes| {
        bytes.pop();
        bytes[103] -= 1;
    });
    assert_eq!(shorter, VoidRecord::SealedName(111));
    let without = void(&|bytes| {
        bytes.truncate(104);
        bytes[103] = 0;
    });
    assert_eq!(without, VoidRecord::SealedName(0));

    let (_, contacted) = secret("evil.example", Purpose::Contacted);
    let mut sealed = contacted.bytes().to_vec();
    sealed[39] = 112;
    sealed.extend_from_slice(&[0; 112]);
    let error = TokenRecord::parse(&sealed, &token_of(&sealed)).unwrap_err();
    assert_eq!(error, RecordError::Void(VoidRecord::SealedName(112)));

    let mut flipped = good.clone();
    flipped[150] ^= 1;
    let error = TokenRecord::parse(&flipped, &record.token()).unwrap_err();
    assert_eq!(error, RecordError::NotThisToken);
    let long = vec![0; 100_000];
    assert_eq!(TokenRecord::parse(&long, &token_of(&long)).unwrap_err(), RecordError::NotThisToken);
}

#[test]
fn a_proof_is_good_for_its_org_token_and_key_epoch_only() {
    for (purpose, other) in
        [(Purpose::Flagged, Purpose::Contacted), (Purpose::Vouched, Purpose::Knocked)]
    {
        let ((secret, record), (_, stranger)) =
            (secret("evil.example", purpose), secret("good.example", purpose));
        let (org, group) = (OrgId([1; 32]), ShareGroup([1; 32]));
        let proof = secret.prove(&record.token(), &org, &group).unwrap();
        let claim = Claim { record: &record, proof: &proof, org, share_group: group };
        assert!(verify_proof(&claim));

        let (org_2, group_2) = (OrgId([2; 32]), ShareGroup([2; 32]));
        assert!(!verify_proof(&Claim { org: org_2, share_group: group_2, ..claim }), "{purpose}");
        assert!(!verify_proof(&Claim { record: &stranger, ..claim }), "{purpose}");
        let later = Secret::derive(&evaluate(&name("evil.example")), 8, purpose);
        let later = later.token(&name("evil.example"));
        assert_ne!(later.token(), record.token());
        assert!(!verify_proof(&Claim { record: &later, ..claim }), "{purpose}");
        let mut random = vec![0; proof.as_bytes().len()];
        rng().fill_bytes(&mut random);
        for end in [31, 63] {
            if let Some(byte) = random.get_mut(end) {
                *byte &= 0x0f; // canonical, so that the equation decides
            }
        }
        let random = Proof::from_bytes(&random, purpose).unwrap();
        assert!(!verify_proof(&Claim { proof: &random, ..claim }), "{purpose}");
        let unreduced = Proof::from_bytes(&vec![0xff; Proof::length(purpose)], purpose).unwrap();
        assert!(!verify_proof(&Claim { proof: &unreduced, ..claim }), "{purpose}");
        let foreign = Proof::from_bytes(&vec![0; Proof::length(other)], other).unwrap();
        assert!(!verify_proof(&Claim { proof: &foreign, ..claim }), "{purpose}");
        assert_eq!(Proof::from_bytes(&[0; 33], purpose), None);
    }
}

#[test]
fn siblings_have_one_share() {
    let (secret, record) = secret("evil.example", Purpose::Flagged);
    let group = ShareGroup([1; 32]);
    let of = |org| secret.prove(&record.token(), &OrgId([org; 32]), &group).unwrap();
    assert_eq!(of(1), of(2));
    let Proof::Share(share) = of(1) else { panic!("flagged names have shares") };
    let error = recover(&record, &[(group, share); 3]).unwrap_err();
    assert_eq!(error, RecoverError::TooFew { needed: 3, given: 1 });
}

#[test]
fn a_failed_batch_blames_the_right_labels() {
    let purposes = [Purpose::Flagged, Purpose::Contacted, Purpose::Knocked, Purpose::Suspected];
    let known: Vec<_> = purposes.map(|purpose| secret("evil.example", purpose)).into();
    let mut proofs = Vec::new();
    for number in 0..600_u16 {
        let (secret, record) = &known[usize::from(number % 4)];
        let (org, group) = (id(number, OrgId), id(number, ShareGroup));
        proofs.push((record, secret.prove(&record.token(), &org, &group).unwrap(), org, group));
    }
    let verdicts = |proofs: &[(&TokenRecord, Proof, OrgId, ShareGroup)]| {
        let claims: Vec<_> = proofs
            .iter()
            .map(|(record, proof, org, group)| Claim {
                record,
                proof,
                org: *org,
                share_group: *group,
            })
            .collect();
        verify_proofs(&claims, &mut rng())
    };
    assert_eq!(verdicts(&proofs), vec![true; 600]);
    assert_eq!(verdicts(&[]), Vec::<bool>::new());
    // Two wrong shares whose errors cancel out in an unweighted sum, and nothing else wrong beside
    // them.
    let (first, second) = (proofs[8].1.clone(), proofs[12].1.clone());
    (proofs[8].1, proofs[12].1) = (second, first);
    let swapped: Vec<_> = (0..600).map(|at| at != 8 && at != 12).collect();
    assert_eq!(verdicts(&proofs), swapped);

    let bad = [0, 255, 256, 400];
    for at in bad {
        (proofs[at].2, proofs[at].3) = (id(1_000, OrgId), id(1_000, ShareGroup));
    }
    let expected: Vec<_> = (0..600).map(|at| swapped[at] && !bad.contains(&at)).collect();
    assert_eq!(verdicts(&proofs), expected);
}

fn id<T>(number: u16, make: fn([u8; 32]) -> T) -> T {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    make(bytes)
}

fn shares(secret: &Secret, token: &Token, count: u8) -> Vec<(ShareGroup, [u8; 32])> {
    (0..count)
        .map(|group| {
            let group = ShareGroup([group; 32]);
            match secret.prove(token, &OrgId([0; 32]), &group).unwrap() {
                Proof::Share(share) => (group, share),
                Proof::Knowledge(_) => panic!("this purpose has no shares"),
            }
        })
        .collect()
}

#[test]
fn fewer_than_k_shares_open_nothing() {
    for purpose in [Purpose::Flagged, Purpose::Knocked] {
        let (secret, record) = secret("evil.example", purpose);
        let k = purpose.threshold();
        let all = shares(&secret, &record.token(), k + 2);
        let error = recover(&record, &all[..usize::from(k) - 1]).unwrap_err();
        let (needed, given) = (usize::from(k), usize::from(k) - 1);
        assert_eq!(error, RecoverError::TooFew { needed, given });
        for skipped in 0..all.len() {
            let mut some = all.clone();
            some.remove(skipped);
            some.rotate_left(skipped);
            assert_eq!(recover(&record, &some).unwrap().bytes(), name("evil.example").bytes());
        }
        let mut wrong = all.clone();
        wrong[0].1 = wrong[1].1;
        assert_eq!(recover(&record, &wrong).unwrap_err(), RecoverError::OtherPolynomial);
        wrong[0].1 = [0xff; 32];
        assert_eq!(recover(&record, &wrong).unwrap_err(), RecoverError::Share);
    }
    for purpose in [Purpose::Contacted, Purpose::Vouched, Purpose::Suspected] {
        let (_, record) = secret("evil.example", purpose);
        let share = [(ShareGroup([0; 32]), [1; 32])];
        assert_eq!(recover(&record, &share).unwrap_err(), RecoverError::NeverOpens);
    }
}

/// What every replica does once k shares are in: openings from evaluators, `Y`, the judgement.
fn judge(record: &TokenRecord, recovered: &Recovered) -> Judgement {
    let (package, evaluators) = keys(2, 3);
    let request = recovered.request().unwrap();
    let verified: Vec<_> = evaluators[1..]
        .iter()
        .map(|evaluator| {
            let opening = Opening::make(record, recovered, evaluator, &mut rng()).unwrap();
            let item = opening.encode();
            assert_eq!(item.len(), 138);
            let read = Opening::parse(&item).unwrap();
            assert_eq!(read, opening);
            assert!(Opening::parse(&item[1..]).is_err());
            request.verify(read.evaluator, &package, &read.answer()).unwrap()
        })
        .collect();
    let y = request.finalize(&package, &verified).unwrap().remove(0);
    recovered.judge(record, &y)
}

#[test]
fn a_true_name_is_confirmed_and_a_forged_one_caught() {
    let (truth, record) = secret("evil.example", Purpose::Flagged);
    let recovered = recover(&record, &shares(&truth, &record.token(), 3)).unwrap();
    let Judgement::Confirmed(secret) = judge(&record, &recovered) else { panic!("it is true") };
    assert_eq!(secret.token(&name("evil.example")).token(), record.token());

    // Three colluders agree on a polynomial of their own and "flag" a bank's name.
    let fabricated = Secret::derive(&Y::from_bytes([42; 64]), 7, Purpose::Flagged);
    let record = fabricated.token(&name("bank.example"));
    let shares = shares(&fabricated, &record.token(), 3);
    for (group, share) in &shares {
        let (proof, org) = (Proof::Share(*share), OrgId([0; 32]));
        let claim = Claim { record: &record, proof: &proof, org, share_group: *group };
        assert!(verify_proof(&claim), "shares alone look right");
    }
    let recovered = recover(&record, &shares).unwrap();
    assert_eq!(recovered.bytes(), name("bank.example").bytes());
    assert!(matches!(judge(&record, &recovered), Judgement::Forged));
    assert!(!format!("{recovered:?}").contains("bank"));
}

#[test]
fn a_sealed_name_that_does_not_open_is_the_makers_forgery() {
    let (secret, record) = secret("evil.example", Purpose::Flagged);
    let mut bytes = record.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let record = TokenRecord::parse(&bytes, &token_of(&bytes)).unwrap();
    let shares = shares(&secret, &record.token(), 3);
    assert_eq!(recover(&record, &shares).unwrap_err(), RecoverError::SealedName);
}

#[test]
fn bodies_stay_with_their_label() {
    let (secret, record) = secret("evil.example", Purpose::Flagged);
    let (stranger, other) = self::secret("good.example", Purpose::Flagged);
    let (org, group) = (OrgId([1; 32]), ShareGroup([1; 32]));
    let body = Body::default();
    let label = secret.label(&record.token(), &org, &group, &body, &mut rng()).unwrap();
    assert_eq!(secret.open_body(&label, &org), Ok(body));
    assert_eq!(secret.open_body(&label, &OrgId([2; 32])), Err(OpenBodyError::Seal));
    assert_eq!(stranger.open_body(&label, &org), Err(OpenBodyError::Seal));

    // The sealed body moved under another token, and one bit changed.
    let item = label.encode();
    let moved = [&other.token().0[..], &item[32..]].concat();
    let moved = Label::parse(&moved, Purpose::Flagged).unwrap();
    assert_eq!(secret.open_body(&moved, &org), Err(OpenBodyError::Seal));
    assert_eq!(stranger.open_body(&moved, &org), Err(OpenBodyError::Seal));
    let mut flipped = item;
    *flipped.last_mut().unwrap() ^= 0x80;
    let flipped = Label::parse(&flipped, Purpose::Flagged).unwrap();
    assert_eq!(secret.open_body(&flipped, &org), Err(OpenBodyError::Seal));

    let retraction = secret.retraction(&record.token(), &org, &group).unwrap();
    let read = Label::parse(&retraction.encode(), Purpose::Flagged).unwrap();
    assert_eq!((&read, read.is_retracted()), (&retraction, true));
    assert_eq!(read.proof(), label.proof());
    assert_eq!(secret.open_body(&read, &org), Err(OpenBodyError::Retracted));
}

#[test]
fn items_that_are_no_labels() {
    let (secret, record) = secret("evil.example", Purpose::Flagged);
    let (org, group) = (OrgId([1; 32]), ShareGroup([1; 32]));
    let label = secret.label(&record.token(), &org, &group, &Body::default(), &mut rng()).unwrap();
    let good = label.encode();
    let parse = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut item = good.clone();
        change(&mut item);
        Label::parse(&item, Purpose::Flagged).map(|_| ())
    };
    assert_eq!(parse(&|_| ()), Ok(()));
    assert_eq!(parse(&|item| item.clear()), Err(LabelError::Length));
    assert_eq!(parse(&|item| item.truncate(234)), Err(LabelError::Length));
    assert_eq!(parse(&|item| item.push(0)), Err(LabelError::Length));
    assert_eq!(parse(&|item| item[32] = 2), Err(LabelError::Flags(2)));
    assert_eq!(parse(&|item| item[32] = 1), Err(LabelError::RetractedBody));
    let retracted = |nonce: u8| {
        move |item: &mut Vec<u8>| {
            item[32] = 1;
            item.truncate(65);
            item.extend_from_slice(&[nonce; 24]);
            item.extend_from_slice(&[0, 0]);
        }
    };
    assert_eq!(parse(&retracted(0)), Ok(()));
    assert_eq!(parse(&retracted(1)), Err(LabelError::RetractedBody));
    let shorter = parse(&|item| {
        item.pop();
        item[90] -= 1;
    });
    assert_eq!(shorter, Err(LabelError::SealedBody(143)));
    // The same bytes under a purpose with the longer proof.
    assert!(Label::parse(&good, Purpose::Contacted).is_err());
}

#[test]
fn notes_stay_with_their_token_and_org() {
    let (secret, record) = secret("evil.example", Purpose::Vouched);
    let (token, org) = (record.token(), OrgId([1; 32]));
    let text = NoteText {
        tlp: 2,
        contributor: [3; 16],
        tags: vec![1, 500],
        title: "Über C2".into(),
        text: "seen on two hosts".into(),
    };
    let note = secret.note(&token, &org, &text, &mut rng()).unwrap();
    let item = note.encode();
    assert_eq!(item.len(), 32 + 24 + 2 + 256 + 16);
    let read = Note::parse(&item).unwrap();
    assert_eq!(secret.open_note(&read, &org), Ok(text.clone()));
    assert_eq!(secret.open_note(&read, &OrgId([2; 32])), Err(NoteError::Seal));
    let moved = Note::parse(&[&[9; 32], &item[32..]].concat()).unwrap();
    assert_eq!(secret.open_note(&moved, &org), Err(NoteError::Seal));

    let withdrawal = Note::parse(&Note::withdrawal(token).encode()).unwrap();
    assert!(withdrawal.is_withdrawn());
    assert_eq!(secret.open_note(&withdrawal, &org), Err(NoteError::Withdrawn));
    let mut nonce = Note::withdrawal(token).encode();
    nonce[40] = 1;
    assert_eq!(Note::parse(&nonce), Err(NoteError::WithdrawnNonce));
    assert_eq!(Note::parse(&item[..item.len() - 1]), Err(NoteError::Length));
    let mut shorter = item[..item.len() - 1].to_vec();
    shorter[57] -= 1;
    assert_eq!(Note::parse(&shorter), Err(NoteError::Size(271)));

    let sizes = [(200, 256), (900, 1024), (4_000, 4096)];
    for (length, size) in sizes {
        let text = NoteText { text: "x".repeat(length), ..text.clone() };
        let note = secret.note(&token, &org, &text, &mut rng()).unwrap();
        assert_eq!(note.encode().len(), 32 + 24 + 2 + size + 16);
        assert_eq!(secret.open_note(&note, &org), Ok(text));
    }
    for long in [
        NoteText { text: "x".repeat(4_090), ..text.clone() },
        NoteText { text: "x".repeat(70_000), ..text.clone() },
        NoteText { title: "x".repeat(256), ..text.clone() },
        NoteText { tags: vec![0; 256], ..text },
    ] {
        let error = secret.note(&token, &org, &long, &mut rng()).unwrap_err();
        assert_eq!(error, NoteError::TooLong);
    }
}

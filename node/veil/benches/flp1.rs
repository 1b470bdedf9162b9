//! What each step of FLP1 costs on this machine, beside the design's estimate: microseconds an
//! element, one core.
//!
//! `cargo bench -p flowlore-veil`. Read the columns against each other, not against another
//! machine's.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul as _;
use flowlore_common::destination::{Host, Input, OwnPolicy, inputs};
use flowlore_common::env::SeededRng;
use flowlore_common::ids::{OrgId, ShareGroup};
use flowlore_common::label::Purpose;
use flowlore_common::suffixes::Suffixes;
use flowlore_veil::body::Body;
use flowlore_veil::keys::WholeKey;
use flowlore_veil::open::recover;
use flowlore_veil::oprf::Request;
use flowlore_veil::proof::{Claim, Proof, verify_proof, verify_proofs};
use flowlore_veil::token::{Secret, TokenRecord};

const ELEMENTS: usize = 256;
/// Where other programs run, the best of many is the cost, as long as one try fits between two of their turns.
const REPEATS: usize = 20;
/// Operations in one try.
const OPERATIONS: usize = 16;

/// Best of [`REPEATS`], microseconds.
fn measure_quietly(mut step: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let start = Instant::now();
        step();
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    best
}

/// Best of [`REPEATS`], microseconds an element; the last result is handed back.
fn measure<T>(
    what: &str,
    elements: usize,
    estimate_us: Option<f64>,
    mut step: impl FnMut() -> T,
) -> T {
    let mut result = None;
    let best = measure_quietly(|| result = Some(black_box(step())));
    let estimate = estimate_us.map_or_else(|| "-".to_owned(), |us| format!("{us:.1}"));
    println!("{what:<44} {:>9.1} {estimate:>9}", best / elements as f64);
    result.expect("measured at least once")
}

/// The curve operations of an evaluation of one name, each alone: the floor below an evaluator that answers a single
/// name. By RFC 9497 it decodes a point, multiplies it by the key, weighs it, multiplies the weighed one by the key and
/// by the proof's random scalar, the base point too, and encodes five points.
fn operations(rng: &mut SeededRng) {
    let (point, scalar) = (RistrettoPoint::random(rng), Scalar::random(rng));
    let encoded = point.compress();
    let times = |what: &str, count: f64, step: &mut dyn FnMut()| {
        let us = measure_quietly(|| (0..OPERATIONS).for_each(|_| step())) / OPERATIONS as f64;
        println!("  {what:<42} {us:>9.1}   {count} of an evaluation");
        us * count
    };
    println!("operations of a single evaluation");
    let floor = times("decode a point", 1.0, &mut || _ = black_box(encoded.decompress()))
        + times("multiply by a secret", 3.0, &mut || _ = black_box(black_box(point) * scalar))
        + times("multiply by what is public", 1.0, &mut || {
            let sum = RistrettoPoint::vartime_multiscalar_mul([scalar], [black_box(point)]);
            black_box(sum);
        })
        + times("multiply the base point", 1.0, &mut || {
            black_box(RISTRETTO_BASEPOINT_TABLE * &black_box(scalar));
        })
        + times("encode a point", 1.0, &mut || _ = black_box(black_box(point).compress()))
        + times("encode four points together", 1.0, &mut || {
            black_box(RistrettoPoint::double_and_compress_batch(&[black_box(point); 4]));
        });
    println!("  {:<42} {floor:>9.1}", "together");
}

/// What a name costs that was not seen before: the client's work and one evaluator's, three of five.
fn new_names(elements: usize, rng: &mut SeededRng) {
    let name = |i| Input::host(&format!("new-{i}.example").parse::<Host>().expect("a name"));
    let names: Vec<Input> = (0..elements).map(name).collect();
    let (package, evaluators) =
        WholeKey::random(rng).deal(3, 5, 1, rng).expect("three of five is a sharing");
    let request = Request::new(&names, 1, rng).expect("a batch");
    let answers = measure(
        &format!("new names in batches of {elements}: an evaluator"),
        elements,
        Some(80.0),
        || evaluators[0].evaluate(request.blinded(), rng).expect("the elements are points"),
    );
    let rest = evaluators[1..3].iter().map(|evaluator| evaluator.evaluate(request.blinded(), rng));
    let rest: Vec<_> = rest.map(|answer| answer.expect("the elements are points")).collect();
    let answers: Vec<_> = [&answers].into_iter().chain(&rest).collect();
    let estimate = if elements == 1 { 1_000.0 } else { 350.0 };
    measure(
        &format!("new names in batches of {elements}: the client"),
        elements,
        Some(estimate),
        || {
            drop(black_box(Request::new(&names, 1, rng).expect("a batch")));
            let numbered = (1..).zip(&answers);
            let shares = numbered.map(|(number, answer)| request.verify(number, &package, answer));
            let shares: Vec<_> = shares.map(|share| share.expect("honest")).collect();
            request.finalize(&package, &shares).expect("a quorum")
        },
    );
}

fn main() {
    let rng = &mut SeededRng::new("bench", 1);
    let names: Vec<Input> = (0..ELEMENTS)
        .map(|i| Input::host(&format!("host-{i}.evil.example").parse::<Host>().expect("a name")))
        .collect();
    println!("{:<44} {:>9} {:>9}", "step", "us", "estimate");
    let policy = OwnPolicy {
        own: vec!["acme.example".parse().expect("a zone")],
        private: Vec::new(),
        minting_sites: BTreeSet::new(),
        documentation_names: true,
        suffixes: Suffixes::shipped(),
    };
    measure("normalise a name, its site, its inputs", ELEMENTS, None, || {
        let input = |i| {
            let host = format!("Host-{i}.Evil.example").parse().expect("a name");
            inputs(&host, &policy).expect("nobody's own")
        };
        (0..ELEMENTS).map(input).collect::<Vec<_>>()
    });
    let (package, evaluators) =
        WholeKey::random(rng).deal(3, 5, 1, rng).expect("three of five is a sharing");

    let request = measure("blind (256)", ELEMENTS, Some(68.0), || {
        Request::new(&names, 1, rng).expect("256 inputs are a batch")
    });
    let answers: Vec<_> = evaluators[..3]
        .iter()
        .map(|evaluator| {
            let what = format!("evaluate, batch proof: evaluator {}", evaluator.number());
            measure(&what, ELEMENTS, Some(67.0), || {
                evaluator.evaluate(request.blinded(), rng).expect("the elements are points")
            })
        })
        .collect();
    let outputs = measure("verify 3, combine, finalize", ELEMENTS, Some(174.0), || {
        let shares: Vec<_> = (1..)
            .zip(&answers)
            .map(|(number, answer)| request.verify(number, &package, answer).expect("honest"))
            .collect();
        request.finalize(&package, &shares).expect("a quorum")
    });

    let secrets: Vec<Secret> =
        outputs.iter().map(|y| Secret::derive(y, 7, Purpose::Flagged)).collect();
    let records: Vec<TokenRecord> =
        measure("derive and token record (k=3)", ELEMENTS, Some(81.0), || {
            let derive = |y| Secret::derive(y, 7, Purpose::Flagged);
            outputs.iter().zip(&names).map(|(y, name)| derive(y).token(name)).collect()
        });
    measure("parse a record", ELEMENTS, None, || {
        records.iter().filter(|r| TokenRecord::parse(r.bytes(), &r.token()).is_ok()).count()
    });
    let (org, group) = (OrgId([1; 32]), ShareGroup([1; 32]));
    let proofs: Vec<Proof> = measure("share", ELEMENTS, Some(2.2), || {
        let prove = |(secret, record): (&Secret, &TokenRecord)| {
            secret.prove(&record.token(), &org, &group).expect("a place")
        };
        secrets.iter().zip(&records).map(prove).collect()
    });
    let claims: Vec<_> = records
        .iter()
        .zip(&proofs)
        .map(|(record, proof)| Claim { record, proof, org, share_group: group })
        .collect();
    measure("Feldman check, singly", ELEMENTS, Some(81.0), || {
        assert!(claims.iter().all(verify_proof));
    });
    measure("Feldman check, batch of 256", ELEMENTS, Some(20.0), || {
        assert!(verify_proofs(&claims, rng).into_iter().all(|holds| holds));
    });
    let shares: Vec<_> = (0..3)
        .map(|group| {
            let group = ShareGroup([group; 32]);
            match secrets[0].prove(&records[0].token(), &org, &group).expect("a place") {
                Proof::Share(share) => (group, share),
                Proof::Knowledge(_) => unreachable!("flagged names have shares"),
            }
        })
        .collect();
    measure("recover a name (k=3)", 1, Some(80.0), || {
        recover(&records[0], &shares).expect("true shares")
    });
    operations(rng);
    for elements in [1, 1_024] {
        new_names(elements, rng);
    }
    let body = Body::default();
    measure("label: share, seal, encode", ELEMENTS, Some(5.4), || {
        let make = |(secret, record): (&Secret, &TokenRecord)| {
            secret.label(&record.token(), &org, &group, &body, rng).expect("fits").encode()
        };
        secrets.iter().zip(&records).map(make).collect::<Vec<_>>()
    });
}

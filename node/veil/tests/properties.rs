//! What holds for all values: encodings go there and back, order does not matter, damage never
//! panics.

use flowlore_common::destination::Input;
use flowlore_common::env::SeededRng;
use flowlore_common::ids::{OrgId, ShareGroup, Token};
use flowlore_common::label::{Direction, EntryKind, Outcome, Purpose, Source, Verdict};
use flowlore_common::time::Day;
use flowlore_veil::body::{Body, BodyError, Entry, count_log2, minutes_log2};
use flowlore_veil::keys::{KeyShare, PublicKeyPackage, WholeKey};
use flowlore_veil::label::Label;
use flowlore_veil::note::{Note, NoteText};
use flowlore_veil::oprf::Y;
use flowlore_veil::token::{Secret, TokenRecord, token_of};
use rand_core::RngCore;

const SEED: u64 = 1;

fn pick<T: Copy>(of: &[T], rng: &mut SeededRng) -> T {
    of[rng.next_u32() as usize % of.len()]
}

fn byte(rng: &mut SeededRng) -> u8 {
    rng.next_u32().to_be_bytes()[0]
}

fn random_entry(rng: &mut SeededRng) -> Entry {
    let first_day = u16::from_be_bytes([byte(rng), byte(rng)]);
    Entry {
        kind: pick(EntryKind::ALL, rng),
        direction: pick(&[Direction::Outbound, Direction::Inbound], rng),
        transport: byte(rng),
        port: u16::from_be_bytes([byte(rng), byte(rng)]),
        code: u16::from_be_bytes([byte(rng), byte(rng)]),
        verdict: pick(Verdict::ALL, rng),
        confidence: byte(rng) % 101,
        first_day: Day(first_day),
        last_day: Day(first_day.saturating_add(u16::from(byte(rng)))),
        flows_log2: byte(rng),
        hosts_log2: byte(rng),
        source: pick(Source::ALL, rng),
        outcome: pick(Outcome::ALL, rng),
        reason: byte(rng),
        minutes_log2: byte(rng),
        source_id: rng.next_u32(),
        detector: u16::from_be_bytes([byte(rng), byte(rng)]),
    }
}

fn random_body(entries: usize, rng: &mut SeededRng) -> Body {
    let prior = byte(rng).is_multiple_of(2).then(|| Token([byte(rng) | 1; 32]));
    let contributor = byte(rng).is_multiple_of(2).then(|| [byte(rng) | 1; 16]);
    Body::new(prior, contributor, (0..entries).map(|_| random_entry(rng)).collect())
}

#[test]
fn bodies_go_there_and_back() {
    let rng = &mut SeededRng::new("bodies", SEED);
    for round in 0..2_000 {
        let body = random_body(round % 17, rng);
        let bytes = body.encode().unwrap();
        let size = match body.entries.len() {
            0..=2 => 128,
            3..=7 => 256,
            _ => 512,
        };
        assert_eq!(bytes.len(), size, "seed {SEED}, round {round}");
        assert_eq!(Body::decode(&bytes), Ok(body), "seed {SEED}, round {round}");
    }
}

#[test]
fn entries_in_any_order_give_one_body_of_the_gravest() {
    let rng = &mut SeededRng::new("order", SEED);
    for round in 0..200 {
        let mut entries: Vec<_> = (0..round % 30).map(|_| random_entry(rng)).collect();
        let body = Body::new(None, None, entries.clone());
        for last in (1..entries.len()).rev() {
            entries.swap(last, rng.next_u32() as usize % (last + 1));
        }
        assert_eq!(Body::new(None, None, entries.clone()), body, "seed {SEED}, round {round}");
        let ranks: Vec<_> = body.entries.iter().map(|e| (e.verdict, e.last_day)).collect();
        assert!(ranks.is_sorted_by(|a, b| a >= b));
        entries.sort_by_key(|e| std::cmp::Reverse((e.verdict, e.last_day)));
        let gravest: Vec<_> = entries.iter().take(16).map(|e| (e.verdict, e.last_day)).collect();
        assert_eq!(ranks, gravest);
    }
}

#[test]
fn bodies_that_nobody_writes_are_refused() {
    let rng = &mut SeededRng::new("bad bodies", SEED);
    let good = random_body(2, rng).encode().unwrap().to_vec();
    let decode = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Body::decode(&bytes).unwrap_err()
    };
    let field = |index, field| BodyError::Field { index, field };
    assert_eq!(decode(&|bytes| bytes.clear()), BodyError::Size(0));
    assert_eq!(decode(&|bytes| bytes.truncate(127)), BodyError::Size(127));
    assert_eq!(decode(&|bytes| bytes.resize(256, 0)), BodyError::Size(256));
    assert_eq!(decode(&|bytes| bytes[0] = 2), BodyError::Version(2));
    assert_eq!(decode(&|bytes| bytes[1] = 17), BodyError::Count(17));
    assert_eq!(decode(&|bytes| bytes[1] = 1), BodyError::Reserved);
    assert_eq!(decode(&|bytes| bytes[3] = 1), BodyError::Reserved);
    assert_eq!(decode(&|bytes| bytes[127] = 1), BodyError::Reserved);
    assert_eq!(decode(&|bytes| bytes[52] = 3), field(0, "kind"));
    assert_eq!(decode(&|bytes| bytes[80 + 1] = 3), field(1, "direction"));
    assert_eq!(decode(&|bytes| bytes[80 + 3] = 1), field(1, "reserved"));
    assert_eq!(decode(&|bytes| bytes[80 + 8] = 4), field(1, "verdict"));
    assert_eq!(decode(&|bytes| bytes[80 + 9] = 101), field(1, "confidence"));
    assert_eq!(decode(&|bytes| bytes[90..94].copy_from_slice(&[1, 0, 0, 0])), field(1, "last_day"));
    assert_eq!(decode(&|bytes| bytes[80 + 16] = 3), field(1, "source"));
    assert_eq!(decode(&|bytes| bytes[80 + 17] = 4), field(1, "outcome"));
    assert_eq!(decode(&|bytes| bytes[80 + 27] = 1), field(1, "reserved"));

    let internal = Entry { direction: Direction::Internal, ..random_entry(rng) };
    let body = Body { entries: vec![internal], ..Body::default() };
    assert_eq!(body.encode().unwrap_err(), field(0, "direction"));
    let entries = vec![random_entry(rng); 17];
    let body = Body { entries, ..Body::default() };
    assert_eq!(body.encode().unwrap_err(), BodyError::Count(17));
}

#[test]
fn counts_are_published_in_buckets() {
    let buckets = [(0, 0), (1, 1), (3, 1), (4, 2), (7, 2), (8, 3), (341, 8), (u64::MAX, 63)];
    for (count, log) in buckets {
        assert_eq!(count_log2(count), log, "{count}");
    }
    for (minutes, log) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (60, 6), (u64::MAX, 64)] {
        assert_eq!(minutes_log2(minutes), log, "{minutes}");
    }
}

#[test]
fn keys_go_there_and_back() {
    let rng = &mut SeededRng::new("keys", SEED);
    for (t, n) in [(1, 1), (2, 2), (2, 3), (3, 5), (5, 9), (17, 32)] {
        let (package, shares) = WholeKey::random(rng).deal(t, n, 4, rng).unwrap();
        assert_eq!(PublicKeyPackage::from_bytes(&package.to_bytes()).as_ref(), Ok(&package));
        assert_eq!((package.threshold(), package.generation()), (t, 4));
        assert!(package.evaluators().eq(1..=n));
        for share in &shares {
            let read = KeyShare::from_bytes(&*share.to_bytes()).unwrap();
            assert_eq!(read.to_bytes(), share.to_bytes());
            assert!(package.holds(&read));
        }
    }
}

/// Damaged bytes of every kind: parsing refuses or accepts; it never panics, and what it accepts
/// encodes to the same bytes.
#[test]
fn damage_never_panics() {
    let rng = &mut SeededRng::new("damage", SEED);
    let (package, shares) = WholeKey::random(rng).deal(2, 3, 1, rng).unwrap();
    let (org, group) = (OrgId([1; 32]), ShareGroup([1; 32]));
    let secret = Secret::derive(&Y::from_bytes([1; 64]), 7, Purpose::Knocked);
    let record = secret.token(&Input::host(&"evil.example".parse().unwrap())).bytes().to_vec();
    for round in 0..3_500 {
        let purpose = pick(Purpose::ALL, rng);
        let secret = Secret::derive(&Y::from_bytes([byte(rng); 64]), 7, purpose);
        let token = Token([byte(rng); 32]);
        let body = random_body(round % 17, rng);
        let text = NoteText { text: "x".repeat(usize::from(byte(rng))), ..NoteText::default() };
        let mut bytes = match round % 7 {
            0 => secret.label(&token, &org, &group, &body, rng).unwrap().encode(),
            1 => secret.note(&token, &org, &text, rng).unwrap().encode(),
            2 => body.encode().unwrap().to_vec(),
            3 => package.to_bytes(),
            4 => shares[0].to_bytes().to_vec(),
            5 => record.clone(),
            _ => {
                let mut random = vec![0; usize::from(byte(rng))];
                rng.fill_bytes(&mut random);
                random
            }
        };
        for _ in 0..byte(rng) % 4 {
            if !bytes.is_empty() {
                let at = rng.next_u32() as usize % bytes.len();
                bytes[at] = byte(rng);
            }
        }
        if byte(rng).is_multiple_of(4) {
            bytes.truncate(rng.next_u32() as usize % (bytes.len() + 1));
        }
        let place = format!("seed {SEED}, round {round}");
        if let Ok(label) = Label::parse(&bytes, purpose) {
            assert_eq!(label.encode(), bytes, "{place}");
            let _ = secret.open_body(&label, &org);
        }
        if let Ok(note) = Note::parse(&bytes) {
            assert_eq!(note.encode(), bytes, "{place}");
            let _ = secret.open_note(&note, &org);
        }
        if let Ok(body) = Body::decode(&bytes) {
            assert_eq!(*body.encode().unwrap(), bytes, "{place}");
        }
        if let Ok(package) = PublicKeyPackage::from_bytes(&bytes) {
            assert_eq!(package.to_bytes(), bytes, "{place}");
        }
        if let Ok(share) = KeyShare::from_bytes(&bytes) {
            assert_eq!(share.to_bytes()[..], bytes, "{place}");
        }
        if let Ok(record) = TokenRecord::parse(&bytes, &token_of(&bytes)) {
            assert_eq!(record.bytes(), bytes, "{place}");
        }
    }
}

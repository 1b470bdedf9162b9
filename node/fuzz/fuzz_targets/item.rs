//! Any bytes as items, and as the records that come with them, of a block that an org signed: it enters its
//! feed or waits for records, and what is void changes no label.
#![no_main]

use flowlore_common::block::PayloadKind;
use flowlore_fuzz::world::{At, NOW, first, today};
use flowlore_fuzz::{LABELS, WORLD};
use flowlore_ledger::admit::Refused;
use flowlore_ledger::ledger::Admission;
use flowlore_veil::token::token_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [kind, purpose, size, keep, rest @ ..] = data else { return };
    let (mut ledger, mut rng) = (WORLD.ledger(), WORLD.rng.clone());
    // A good label whose end the bytes replace, so that some get past the first checks.
    let purpose = purpose % 6;
    let label = &LABELS[usize::from(purpose) % LABELS.len()];
    let keep = usize::from(*keep).min(label.item.len());
    let mut first_item = label.item[..keep].to_vec();
    let pieces: Vec<&[u8]> = rest.chunks(usize::from(*size) + 1).take(16).collect();
    first_item.extend_from_slice(pieces.first().copied().unwrap_or_default());
    let mut items = vec![first_item.as_slice()];
    items.extend(pieces.iter().skip(1));
    let kind = PayloadKind(1 + kind % 3);
    let purpose = if kind == PayloadKind::LABELS { purpose } else { 0 };
    let block = WORLD.block(1, At { kind, purpose, ..first() }, &items);
    let state = ledger.state_digest(today()).unwrap();
    let given: Vec<Vec<u8>> =
        pieces.iter().map(|piece| piece.to_vec()).chain([label.record.clone()]).collect();
    let mut records = vec![];
    for _ in 0..2 {
        match ledger.admit(block.bytes().to_vec(), records.clone(), NOW, &mut rng) {
            Ok(Admission::Accepted(accepted)) => {
                let voids: usize = accepted[0].voids.values().map(|n| usize::from(*n)).sum();
                let counts = kind == PayloadKind::LABELS || kind == PayloadKind::REFRESH;
                if voids == items.len() || !counts {
                    assert_eq!(ledger.state_digest(today()).unwrap(), state);
                }
                let check = ledger.verify(today(), &mut rng).unwrap();
                assert!(check.objects_agree && check.state_agrees);
                return;
            }
            Ok(Admission::AlreadyHere) => panic!("it is new"),
            Err(Refused::RecordsMissing(tokens)) => {
                records =
                    given.iter().filter(|it| tokens.contains(&token_of(it))).cloned().collect();
                records.sort();
                records.dedup();
            }
            Err(other) => panic!("{other}"),
        }
    }
});

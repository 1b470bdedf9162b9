//! Any bytes as a roster document; then as one that follows ours and that the governor signed.
#![no_main]

use flowlore_common::roster::Document;
use flowlore_fuzz::WORLD;
use flowlore_fuzz::world::NOW;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let world = &*WORLD;
    let mut ledger = world.ledger();
    let mut rng = world.rng.clone();
    // The statement of ours, its end replaced: bytes that get past the tag.
    let ours = world.first.encode();
    let keep = data.first().map_or(0, |keep| usize::from(*keep) * ours.len() / 255);
    let spliced = [&ours[..keep.min(ours.len())], data.get(1..).unwrap_or_default()].concat();
    for bytes in [data, spliced.as_slice()] {
        let Ok(document) = Document::parse(bytes) else { continue };
        assert_eq!(document.encode(), bytes, "one encoding");
        let _ = ledger.apply_roster(&document, NOW, &mut rng);
        // What it changes, said as our governor would.
        if let Ok(statement) = ledger.chain().draft(document.statement.changes.clone(), NOW) {
            let signed = Document::new(statement, world.orgs[0].id, &world.orgs[0].key);
            let before = ledger.roster().version();
            if ledger.contested().is_none() {
                let _ = ledger.apply_roster(&signed, NOW, &mut rng);
                assert!(ledger.roster().version() <= before + 1);
            }
        }
    }
});

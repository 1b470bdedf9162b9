//! Any bytes as a block; then as the payload of one that an org signed.
#![no_main]

use flowlore_common::block::UnverifiedBlock;
use flowlore_fuzz::WORLD;
use flowlore_fuzz::world::{NOW, first};
use flowlore_ledger::admit::Refused;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(block) = UnverifiedBlock::parse(data.to_vec()) {
        assert_eq!(block.bytes(), data);
        assert_eq!(block.signed_header().encode()[..], data[..284], "one encoding");
        assert_eq!(block.items().len(), usize::from(block.header().items));
    }
    let (mut ledger, mut rng) = (WORLD.ledger(), WORLD.rng.clone());
    let before = ledger.objects_digest();
    let refused = ledger.admit(data.to_vec(), vec![], NOW, &mut rng);
    assert!(refused.is_err(), "nobody signed it");
    assert_eq!(ledger.objects_digest(), before);
    // The same bytes where a signed block has its payload.
    let mut bytes = WORLD.block(1, first(), &[b"x"]).bytes()[..284].to_vec();
    bytes.extend_from_slice(data);
    match ledger.admit(bytes, vec![], NOW, &mut rng) {
        Err(Refused::Sizes | Refused::Root | Refused::Reserved) => {}
        Ok(_) => assert_eq!(data, b"\0\0\x01x"),
        Err(other) => panic!("{other}"),
    }
});

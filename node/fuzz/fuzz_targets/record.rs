//! Any bytes as a token record: read or void, and written as it was read.
#![no_main]

use flowlore_fuzz::world::{World, sighting};
use flowlore_common::label::Purpose;
use flowlore_veil::token::{TokenRecord, token_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check(data);
    // The end of a good record replaced.
    let [purpose, keep, rest @ ..] = data else { return };
    let purpose = Purpose::from_number(purpose % 5).unwrap_or(Purpose::Flagged);
    let record = World::new(&[1]).label(0, "evil.example", purpose, &sighting()).record;
    let keep = usize::from(*keep).min(record.len());
    check(&[&record[..keep], rest].concat());
});

fn check(bytes: &[u8]) {
    let token = token_of(bytes);
    if let Ok(record) = TokenRecord::parse(bytes, &token) {
        assert_eq!(record.bytes(), bytes);
        assert_eq!(record.token(), token);
    }
}

//! Any bytes as a token record: read or void, and written as it was read.
#![no_main]

use flowlore_fuzz::LABELS;
use flowlore_veil::token::{TokenRecord, token_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check(data);
    // The end of a good record replaced.
    let [purpose, keep, rest @ ..] = data else { return };
    let record = &LABELS[usize::from(*purpose) % LABELS.len()].record;
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

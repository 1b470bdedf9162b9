//! Any bytes as a file, in blocks and pieces of the size that the first byte says.
#![no_main]

use flowlore_fuzz::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [size, log @ ..] = data else { return };
    check(log, usize::from(*size) + 1);
});

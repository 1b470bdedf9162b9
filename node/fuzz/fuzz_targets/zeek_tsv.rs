//! Rows under a good header of a log type: the first byte chooses the type, the second how it is cut.
#![no_main]

use flowlore_fuzz::{LOGS, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [kind, size, rows @ ..] = data else { return };
    let (path, fields) = LOGS[usize::from(*kind) % LOGS.len()];
    let fields = fields.replace(' ', "\t");
    let mut log = format!("#separator \\x09\n#path\t{path}\n#fields\t{fields}\n").into_bytes();
    log.extend_from_slice(rows);
    check(&log, usize::from(*size) + 1);
});

//! An object of a log type whose values, and what follows, are the input: the first byte chooses the
//! type, the second how it is cut; values are separated by line ends.
#![no_main]

use flowlore_fuzz::{LOGS, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [kind, size, rest @ ..] = data else { return };
    let (path, fields) = LOGS[usize::from(*kind) % LOGS.len()];
    let mut values = rest.split(|byte| *byte == b'\n');
    let mut log = format!("{{\"_path\":\"{path}\"}}\n{{\"_path\":\"{path}\"").into_bytes();
    for field in fields.split(' ') {
        let Some(value) = values.next() else { break };
        log.extend_from_slice(format!(",\"{field}\":").as_bytes());
        log.extend_from_slice(value);
    }
    log.extend_from_slice(b"}\n");
    for line in values {
        log.extend_from_slice(line);
        log.push(b'\n');
    }
    check(&log, usize::from(*size) + 1);
});

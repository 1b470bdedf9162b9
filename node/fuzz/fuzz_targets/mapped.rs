//! Any lines by one of four mappings, a notation each: the first byte chooses it, the second how the file is
//! cut.
#![no_main]

use std::sync::{Arc, LazyLock};

use flowlore_analyzer::source::{Mapping, Opening};
use flowlore_fuzz::check_opened;
use libfuzzer_sys::fuzz_target;

/// What the notations have in common. JSON says what TOML does.
const REST: &str = r#""time":{"field":"t","format":"%Y-%m-%d %H:%M:%S","zone":"UTC","leading":true,"of":"end"},
    "only":{"k":["a"]},"denied":{"field":"d","is":["no"]},"bytes_are":"frames",
    "fields":{"source":"s","source_port":"sp","destination":{"field":"u","part":"host"},
    "destination_port":{"field":"u","part":"port"},"transport":{"field":"p","or":"tcp"},
    "duration":{"field":"l","unit":"h:m:s"},"bytes_out":{"field":"b","unit":"KiB"},"packets_out":"c",
    "host":{"field":"h","after":"/","before":";"},"method":"m","status":"st"}"#;
const NOTATIONS: [&str; 4] = [
    r#""notation":"csv""#,
    r#""notation":"words","columns":["t","k","d","s","sp","u","p","l","b","c","h","m","st"]"#,
    r#""notation":"pairs""#,
    r#""notation":"json""#,
];

static OPENINGS: LazyLock<Vec<Opening>> = LazyLock::new(|| {
    let opening = |notation: &&str| {
        let said = serde_json::from_str(&format!("{{{notation},{REST}}}")).unwrap();
        let utc = |_: &str| Some(jiff::tz::TimeZone::UTC);
        Opening::Mapped(Arc::new(Mapping::new(said, utc).unwrap()))
    };
    NOTATIONS.iter().map(opening).collect()
});

fuzz_target!(|data: &[u8]| {
    let [notation, size, log @ ..] = data else { return };
    let opening = &OPENINGS[usize::from(*notation) % OPENINGS.len()];
    check_opened(opening, log, usize::from(*size) + 1);
});

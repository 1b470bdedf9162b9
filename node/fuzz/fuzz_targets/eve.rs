//! A Suricata event whose values, and lines after it, are the input: the first byte chooses the type, the
//! second how it is cut; values are separated by line ends, and an empty one leaves what is usual.
#![no_main]

use flowlore_fuzz::check;
use libfuzzer_sys::fuzz_target;

/// Usual values, then those that are special to a type.
const COMMON: &[(&str, &str)] = &[
    ("timestamp", r#""2023-11-14T22:13:20.000001+0000""#),
    ("flow_id", "1920604222098419"),
    ("src_ip", r#""192.0.2.1""#),
    ("src_port", "50000"),
    ("dest_ip", r#""198.51.100.2""#),
    ("dest_port", "53"),
    ("proto", r#""TCP""#),
];
const TYPES: [(&str, &[(&str, &str)]); 8] = [
    (
        "flow",
        &[
            ("pkts_toserver", "1"),
            ("bytes_toserver", "60"),
            ("pkts_toclient", "1"),
            ("bytes_toclient", "60"),
            ("start", r#""2023-11-14T22:13:20.000001+0000""#),
            ("end", r#""2023-11-14T22:13:20.000001+0000""#),
            ("age", "1"),
        ],
    ),
    (
        "dns",
        &[
            ("type", r#""answer""#),
            ("rrname", r#""a.example""#),
            ("rrtype", r#""A""#),
            ("rdata", r#""203.0.113.9""#),
            ("ttl", "8"),
            ("rcode", r#""NOERROR""#),
            ("answers", r#"[{"rdata":"x","ttl":1}]"#),
            ("queries", r#"[{"rrname":"x"}]"#),
            ("grouped", r#"{"A":["203.0.113.9"]}"#),
        ],
    ),
    (
        "tls",
        &[("sni", r#""a.example""#), ("ja3", r#"{"hash":"x"}"#), ("server_alpns", r#"["h2"]"#)],
    ),
    ("quic", &[("sni", r#""a.example""#), ("version", r#""1""#)]),
    (
        "http",
        &[("hostname", r#""a.example""#), ("url", r#""/""#), ("status", "200"), ("length", "1")],
    ),
    ("fileinfo", &[("size", "1"), ("state", r#""CLOSED""#)]),
    ("alert", &[("signature", r#""s""#), ("category", r#""c""#)]),
    ("dhcp", &[("dhcp_type", r#""ack""#), ("assigned_ip", r#""192.0.2.9""#), ("lease_time", "1")]),
];

fuzz_target!(|data: &[u8]| {
    let [kind, size, rest @ ..] = data else { return };
    let (kind, special) = TYPES[usize::from(*kind) % TYPES.len()];
    let mut values = rest.split(|byte| *byte == b'\n');
    let mut object = |fields: &[(&str, &str)]| {
        let mut text = Vec::new();
        for (name, usual) in fields {
            let value = values.next().filter(|value| !value.is_empty());
            text.extend_from_slice(format!("\"{name}\":").as_bytes());
            text.extend_from_slice(value.unwrap_or(usual.as_bytes()));
            text.push(b',');
        }
        text.pop();
        text
    };
    let common = object(COMMON);
    let mut log = br#"{"timestamp":"x","event_type":"stats"}"#.to_vec();
    log.extend_from_slice(format!("\n{{\"event_type\":\"{kind}\",\"{kind}\":{{").as_bytes());
    log.extend_from_slice(&object(special));
    log.extend_from_slice(b"},");
    log.extend_from_slice(&common);
    log.extend_from_slice(b"}\n");
    for line in values {
        log.extend_from_slice(line);
        log.push(b'\n');
    }
    check(&log, usize::from(*size) + 1);
});

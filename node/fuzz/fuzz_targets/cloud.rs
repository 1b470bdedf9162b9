//! Clouds' flow logs whose values are replaced: the first byte chooses the format, the second how the file
//! is cut; values are separated by line ends, and an empty one leaves what is usual. What is left after
//! the last value follows as it is.
#![no_main]

use flowlore_fuzz::check_cuts;
use libfuzzer_sys::fuzz_target;

/// A begin, then pairs of a usual value and what follows it.
const FORMATS: [(&str, &[(&str, &str)]); 5] = [
    (
        "version interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
         tcp-flags log-status\n2 eni-1 ",
        &[
            ("10.0.0.1", " "),
            ("198.51.100.2", " "),
            ("50000", " "),
            ("443", " "),
            ("6", " "),
            ("20", " "),
            ("4249", " "),
            ("1418530010", " "),
            ("1418530070", " "),
            ("ACCEPT", " "),
            ("18", " "),
            ("OK", "\n"),
        ],
    ),
    (
        "2 123456789010 eni-1 ",
        &[
            ("10.0.0.1", " 198.51.100.2 50000 "),
            ("443", " 6 20 4249 "),
            ("1418530010", " 1418530070 "),
            ("REJECT", " "),
            ("OK", "\n"),
        ],
    ),
    (
        r#"{"records":[{"category":"FlowLogFlowEvent","macAddress":"#,
        &[
            (r#""112233445566""#, r#","flowRecords":{"flows":[{"flowGroups":[{"flowTuples":[""#),
            ("1663146003599,10.0.0.6,192.0.2.180,23956,443,6,O,B,NX,0,0,0,0", r#"",""#),
            ("1663146003606,10.0.0.6,192.0.2.180,23956,443,6,O,C,NX,3,767,2,1580", r#"",""#),
            ("1663146003607,10.0.0.6,192.0.2.180,23956,443,6,O,E,NX,3,767,2,1580", r#""]}]}]}}]}"#),
        ],
    ),
    (
        r#"{"records":[{"category":"NetworkSecurityGroupFlowEvent","properties":"#,
        &[
            (r#"{"Version":2,"flows":[{"flows":[{"mac":"0","flowTuples":[""#, ""),
            ("1542110424,10.5.16.4,198.51.100.100,59831,443,T,O,A,B,,,,", r#"",""#),
            ("1542110437,10.5.16.4,198.51.100.100,59831,443,T,O,A,E,1,66,1,66", r#""]}]}]}}]}"#),
        ],
    ),
    (
        r#"{"logName":"x/vpc_flows","jsonPayload":{"connection":{"src_ip":"#,
        &[
            (r#""10.0.0.1""#, r#","dest_ip":"198.51.100.2","src_port":"#),
            ("50000", r#","protocol":"#),
            ("6", r#"},"bytes_sent":"#),
            (r#""1020""#, r#","packets_sent":"10","start_time":"#),
            (r#""2026-11-24T10:00:00Z""#, r#","end_time":"#),
            (r#""2026-11-24T10:00:05Z""#, "}}\n"),
        ],
    ),
];

fuzz_target!(|data: &[u8]| {
    let [format, size, rest @ ..] = data else { return };
    let (begin, fields) = FORMATS[usize::from(*format) % FORMATS.len()];
    let mut values = rest.split(|byte| *byte == b'\n');
    let mut log = begin.as_bytes().to_vec();
    for (usual, after) in fields {
        let value = values.next().filter(|value| !value.is_empty());
        log.extend_from_slice(value.unwrap_or(usual.as_bytes()));
        log.extend_from_slice(after.as_bytes());
    }
    for line in values {
        log.extend_from_slice(line);
        log.push(b'\n');
    }
    check_cuts(&log, usize::from(*size) + 1);
});

//! Clouds' flow logs: records of one way put together, tuples joined, what tells of no flow counted.
//! Samples are written after the examples on the vendors' pages that are named in `cloud/`.

use super::collect::{blocks, pieces, read};
use crate::record::Skip;
use crate::source::FileTally;

fn flows(log: &str, format: &str) -> (Vec<String>, FileTally) {
    let (records, tally) = read("x", log);
    assert_eq!(tally.format(), format);
    assert_eq!(tally.used() + tally.skipped.values().sum::<u64>(), tally.records);
    (records.sorted().0, tally)
}

fn clean(log: &str, format: &str) -> Vec<String> {
    let (records, tally) = flows(log, format);
    assert_eq!((tally.skipped.len(), tally.notes.len()), (0, 0), "{tally:?}");
    records
}

fn has(record: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(record.contains(part), "{part} is not in {record}");
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-records-examples.html>: the default
/// format, here of both ways of one connection, a rejected try, and the two kinds of no record.
const AWS: &str = "\
2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK
2 123456789010 eni-1235b8ca123456789 172.31.16.21 172.31.16.139 22 20641 6 18 5936 1418530010 1418530070 ACCEPT OK
2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK
2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA
2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA
";

#[test]
fn amazons_default_format_needs_no_header() {
    let (records, tally) = flows(AWS, "aws-vpc");
    assert_eq!((tally.records, records.len()), (5, 2));
    assert_eq!(tally.skipped, [(Skip::NoFlow, 2)].into());
    assert_eq!(tally.notes.len(), 1, "{tally:?}");
    has(
        &records[0],
        &[
            "start_us: 1418530010000000",
            "orig: 172.31.16.139, orig_port: 20641, resp: 172.31.16.21, resp_port: 22",
            "transport: 6",
            "duration_us: Some(60000000)",
            // 52 bytes of headers a packet.
            "orig_bytes: Some(3209), resp_bytes: Some(5000), state: None",
            "orig_packets: Some(20), orig_ip_bytes: Some(4249), resp_packets: Some(18)",
            "sizes: Exported",
        ],
    );
    has(
        &records[1],
        &["resp: 172.31.9.12, resp_port: 3389", "state: Some(S0)", "resp_packets: Some(0)"],
    );
    let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes \
                  start end action log-status\n";
    // As S3 has them, and two files one behind the other, of which what stands twice counts once.
    assert_eq!(flows(&format!("{header}{AWS}"), "aws-vpc").0, records);
    let (twice, tally) = flows(&format!("{header}{AWS}{header}{AWS}"), "aws-vpc");
    assert_eq!((twice, tally.skipped[&Skip::Duplicate]), (records, 3));
}

/// The same page: a custom format with flags, where a connection goes through a gateway and is cut by
/// the interval; times here are those of one connection.
#[test]
fn amazons_custom_fields_are_found_by_their_header() {
    let log = "\
version vpc-id interface-id type srcaddr dstaddr srcport dstport pkt-srcaddr pkt-dstaddr protocol bytes packets start end action tcp-flags flow-direction log-status reject-reason new-field
3 vpc-a eni-1 IPv4 10.0.0.220 10.0.0.62 43416 443 10.0.0.62 203.0.113.5 6 568 8 1566848875 1566848933 ACCEPT 2 egress OK - x
3 vpc-a eni-1 IPv4 203.0.113.5 10.0.0.62 443 43416 203.0.113.5 10.0.0.62 6 376 7 1566848875 1566848933 ACCEPT 18 ingress OK - x
3 vpc-a eni-1 IPv4 10.0.0.220 10.0.0.62 43416 443 10.0.0.62 203.0.113.5 6 520 10 1566848935 1566848990 ACCEPT 0 egress OK - x
3 vpc-a eni-1 IPv4 203.0.113.5 10.0.0.62 443 43416 203.0.113.5 10.0.0.62 6 520 10 1566848935 1566848990 ACCEPT 0 ingress OK - x
3 vpc-a eni-1 IPv4 10.0.0.220 10.0.0.62 43416 443 10.0.0.62 203.0.113.5 6 100 1 1566849113 1566849133 ACCEPT 1 egress OK - x
3 vpc-a eni-1 IPv4 203.0.113.5 10.0.0.62 443 43416 203.0.113.5 10.0.0.62 6 52 1 1566849113 1566849133 ACCEPT 1 ingress OK - x
";
    let records = clean(log, "aws-vpc");
    assert_eq!(records.len(), 1, "{records:?}");
    has(
        &records[0],
        &[
            "orig: 10.0.0.62, orig_port: 43416, resp: 203.0.113.5, resp_port: 443",
            "duration_us: Some(258000000)",
            "state: Some(Sf)",
            "orig_packets: Some(19), orig_ip_bytes: Some(1188), resp_packets: Some(18), resp_ip_bytes: Some(948)",
        ],
    );
}

#[test]
fn what_two_interfaces_saw_counts_once() {
    let line = |interface: &str, start: u32| {
        format!(
            "2 123456789010 {interface} 10.0.0.1 10.0.0.2 50000 22 6 20 4249 {start} {} ACCEPT OK\n",
            start + 50
        )
    };
    let log = line("eni-1", 1_418_530_010) + &line("eni-2", 1_418_530_011);
    let (records, tally) = flows(&log, "aws-vpc");
    assert_eq!((records.len(), tally.skipped), (1, [(Skip::Duplicate, 1)].into()));
}

#[test]
fn amazons_bad_lines_are_counted() {
    let good = AWS.lines().next().unwrap_or_default();
    let bad = [
        (good.replace("172.31.16.21", "172.31.16"), Skip::BadAddress),
        (good.replace("1418530010", "yesterday"), Skip::BadTime),
        (good.replace("20641", "70641"), Skip::BadPort),
        (good.replace(" 4249 ", " -1 "), Skip::BadNumber),
        (good.replace("172.31.16.21", "-"), Skip::MissingField),
        (good.replace(" OK", ""), Skip::ColumnCount),
        (good.replace("OK", "\u{1}OK OK"), Skip::Binary),
    ];
    for (line, reason) in &bad {
        let (records, tally) = flows(&format!("{AWS}{line}\n"), "aws-vpc");
        assert_eq!((records.len(), tally.skipped.get(reason)), (2, Some(&1)), "{line}");
    }
    let (_, tally) = flows(&format!("{AWS}2 123"), "aws-vpc");
    assert_eq!(tally.skipped.get(&Skip::CutOff), Some(&1));
}

/// <https://learn.microsoft.com/en-us/azure/network-watcher/nsg-flow-logs-overview>, "Sample log records",
/// version 2: a flow's beginning, counts and end; and one that was denied.
const GROUP: &str = r#"{"records":[
{"time":"2018-11-13T12:00:35.3899262Z","systemId":"a","category":"NetworkSecurityGroupFlowEvent","resourceId":"/X","operationName":"NetworkSecurityGroupFlowEvents",
 "properties":{"Version":2,"flows":[{"rule":"DefaultRule_DenyAllInBound","flows":[{"mac":"000D3AF87856","flowTuples":["1542110402,192.0.2.190,10.5.16.4,28746,443,U,I,D,B,,,,"]}]},
 {"rule":"UserRule_allow","flows":[{"mac":"000D3AF87856","flowTuples":["1542110424,10.5.16.4,198.51.100.100,59831,443,T,O,A,B,,,,","1542110437,10.5.16.4,198.51.100.100,59831,443,T,O,A,E,1,66,1,66"]}]}]}},
{"time":"2018-11-13T12:01:35Z","category":"NetworkSecurityGroupFlowEvent","properties":{"Version":2,"flows":[{"rule":"r","flows":[{"mac":"000D3AF87856","flowTuples":[
 "1542110440,10.5.16.4,198.51.100.7,50000,443,T,O,A,B,,,,","1542110740,10.5.16.4,198.51.100.7,50000,443,T,O,A,C,21,1100,20,6040","1542111040,10.5.16.4,198.51.100.7,50000,443,T,O,A,C,10,600,10,600","1542111050,10.5.16.4,198.51.100.7,50000,443,T,O,A,E,2,104,2,104"]}]}]}}
]}"#;

#[test]
fn azures_tuples_of_a_flow_are_joined() {
    let records = clean(GROUP, "azure");
    assert_eq!(records.len(), 3, "{records:?}");
    has(
        &records[0],
        &[
            "start_us: 1542110402000000",
            "orig: 192.0.2.190, orig_port: 28746, resp: 10.5.16.4, resp_port: 443",
            "transport: 17",
            "orig_bytes: None, resp_bytes: None, state: None",
        ],
    );
    has(
        &records[1],
        &["duration_us: Some(13000000)", "orig_packets: Some(1), orig_ip_bytes: Some(66)"],
    );
    has(
        &records[2],
        &[
            "start_us: 1542110440000000",
            "resp: 198.51.100.7",
            "duration_us: Some(610000000)",
            "orig_packets: Some(33), orig_ip_bytes: Some(1804), resp_packets: Some(32), resp_ip_bytes: Some(6744)",
            "sizes: Exported",
        ],
    );
    // Two documents, one behind the other, are two lists.
    let other = GROUP.replace("10.5.16.4", "10.5.16.5").replace("000D3AF87856", "000D3AF87857");
    assert_eq!(clean(&format!("{GROUP}\n{other}"), "azure").len(), 6);
}

/// <https://learn.microsoft.com/en-us/azure/network-watcher/vnet-flow-logs-overview>, "Sample log record".
#[test]
fn azures_networks_and_first_version_are_read() {
    let network = r#"{"records":[{"time":"2022-09-14T09:00:52.5625085Z","flowLogVersion":4,"flowLogGUID":"a","macAddress":"112233445566","category":"FlowLogFlowEvent","operationName":"FlowLogFlowEvent",
"flowRecords":{"flows":[{"aclID":"b","flowGroups":[{"rule":"DefaultRule_AllowInternetOutBound","flowTuples":["1663146003599,10.0.0.6,192.0.2.180,23956,443,6,O,B,NX,0,0,0,0","1663146003606,10.0.0.6,192.0.2.180,23956,443,6,O,E,NX,3,767,2,1580","1663146003637,10.0.0.6,203.0.113.17,22730,443,6,O,D,NX,0,0,0,0"]}]}]}}]}"#;
    let records = clean(network, "azure");
    assert_eq!(records.len(), 2);
    has(
        &records[0],
        &[
            "start_us: 1663146003599000",
            "duration_us: Some(7000)",
            "orig_bytes: Some(611), resp_bytes: Some(1476), state: None",
        ],
    );
    has(&records[1], &["resp: 203.0.113.17", "orig_bytes: None", "state: Some(S0)"]);
    let first = r#"{"records":[{"time":"2017-02-16T22:00:32.8950000Z","category":"NetworkSecurityGroupFlowEvent","properties":{"Version":1,"flows":[{"rule":"r","flows":[{"mac":"000D3AF8801A","flowTuples":["1487282421,192.0.2.95,10.1.0.4,51529,5358,T,I,D","1487282370,10.1.0.4,198.51.100.1,61771,443,T,O,A"]}]}]}}]}"#;
    let records = clean(first, "azure");
    has(&records[0], &["resp: 198.51.100.1, resp_port: 443", "orig_packets: None", "state: None"]);
    has(&records[1], &["resp: 10.1.0.4, resp_port: 5358", "state: Some(S0)"]);
}

#[test]
fn azures_bad_tuples_and_other_logs_are_counted() {
    let bad = [
        ("1542110424,", "x,", Skip::BadTime),
        ("10.5.16.4,198.51.100.100", "10.5.16.4,198.51", Skip::BadAddress),
        ("59831,443,T,O,A,B", "59831,70000,T,O,A,B", Skip::BadPort),
        ("A,E,1,66,1,66", "A,E,one,66,1,66", Skip::BadNumber),
        ("A,E,1,66,1,66", "A,Z,1,66,1,66", Skip::MissingField),
        (r#"["1542110424,10"#, r#"[7,"1542110424,10"#, Skip::MissingField),
        ("NetworkSecurityGroupFlowEvent\",\"res", "Other\",\"res", Skip::UnusedLog),
        ("\"Version\":2,\"flows\":[{", "\"Version\":2,\"flows\":3,\"x\":[{", Skip::MissingField),
        ("\"systemId\":\"a\",", "\"systemId\":\"a\":", Skip::BadJson),
    ];
    for (old, new, reason) in bad {
        let (records, tally) = flows(&GROUP.replacen(old, new, 1), "azure");
        assert_eq!(tally.skipped, [(reason, 1)].into(), "{old}");
        assert!(records.iter().any(|record| record.contains("198.51.100.7")), "{old}");
    }
    let (_, tally) = flows(&GROUP[..GROUP.len() - 40], "azure");
    assert_eq!(tally.skipped, [(Skip::CutOff, 1)].into());
}

/// An entry of <https://cloud.google.com/vpc/docs/about-flow-logs-records>, in the form of a LogEntry.
fn google(
    from: (&str, u16),
    to: (&str, u16),
    reporter: &str,
    counts: (u32, u32),
    second: u32,
) -> String {
    format!(
        r#"{{"insertId":"a","jsonPayload":{{"bytes_sent":"{}","connection":{{"dest_ip":"{}","dest_port":{},"protocol":6,"src_ip":"{}","src_port":{}}},"end_time":"2026-11-24T10:00:{:02}.904781456Z","packets_sent":"{}","reporter":"{reporter}","rtt_msec":"35","src_vpc":{{"vpc_name":"default"}},"start_time":"2026-11-24T10:00:{second:02}.800000000Z"}},"logName":"projects/p/logs/compute.googleapis.com%2Fvpc_flows","resource":{{"type":"gce_subnetwork"}},"timestamp":"2026-11-24T10:00:09Z"}}"#,
        counts.1,
        to.0,
        to.1,
        from.0,
        from.1,
        second + 4,
        counts.0
    ) + "\n"
}

const HERE: (&str, u16) = ("10.128.0.2", 50_000);
const THERE: (&str, u16) = ("10.128.0.3", 443);

fn google_day() -> String {
    [
        google(HERE, THERE, "SRC", (10, 1_020), 0),
        google(HERE, THERE, "DEST", (10, 1_020), 0),
        google(THERE, HERE, "SRC", (8, 5_416), 1),
        google(THERE, HERE, "DEST", (8, 5_416), 1),
        // The next interval.
        google(HERE, THERE, "SRC", (10, 1_020), 5),
        google(THERE, HERE, "DEST", (8, 5_416), 6),
    ]
    .concat()
}

#[test]
fn googles_two_ends_and_ways_are_one_flow() {
    let wanted = [
        "start_us: 1795514400800000",
        "orig: 10.128.0.2, orig_port: 50000, resp: 10.128.0.3, resp_port: 443",
        "duration_us: Some(10104781)",
        "orig_bytes: Some(1000), resp_bytes: Some(10000), state: None",
        "orig_packets: Some(20), orig_ip_bytes: Some(2040), resp_packets: Some(16), resp_ip_bytes: Some(10832)",
        "sizes: Exported",
    ];
    let lines = google_day();
    // `gcloud logging read --format=json` gives an array.
    let array = format!("[{}]", lines.trim_end().replace('\n', ",\n"));
    for log in [lines, array] {
        let (records, tally) = flows(&log, "gcp/vpc_flows");
        assert_eq!((records.len(), tally.skipped), (1, [(Skip::Duplicate, 2)].into()));
        has(&records[0], &wanted);
    }
}

#[test]
fn googles_other_entries_and_bad_values_are_counted() {
    let bad = [
        ("vpc_flows", "firewall", Skip::UnusedLog),
        ("\"10.128.0.3\"", "\"host\"", Skip::BadAddress),
        ("2026-11-24T10:00:00", "2026-31-24T10:00:00", Skip::BadTime),
        ("\"dest_port\":443", "\"dest_port\":70000", Skip::BadPort),
        ("\"protocol\":6", "\"protocol\":\"tcp\"", Skip::BadNumber),
        ("\"protocol\":6,", "", Skip::MissingField),
        ("\"connection\":{", "\"connections\":{", Skip::MissingField),
        ("\"insertId\":\"a\"", "\"insertId\":", Skip::BadJson),
    ];
    for (old, new, reason) in bad {
        let line = google(HERE, ("10.128.0.3", 443), "SRC", (1, 60), 0).replacen(old, new, 1);
        let log = google_day() + &line;
        let (records, tally) = read("x", &log);
        assert_eq!(tally.skipped.get(&reason), Some(&1), "{old}: {tally:?}");
        assert_eq!(records.0.len(), 1, "{old}");
    }
}

#[test]
fn all_cuts_give_the_same() {
    for log in [AWS.to_owned(), GROUP.to_owned(), google_day()] {
        let (whole, tally) = read("x", &log);
        let whole = whole.sorted();
        for size in [1, 2, 3, 7, 64, 65, 100, 1_000] {
            let (records, counted) = blocks("x", &log, size);
            assert_eq!((&records.sorted(), &counted), (&whole, &tally), "blocks of {size}");
            let (records, counted) = pieces("x", log.as_bytes(), size);
            assert_eq!((&records.sorted(), &counted), (&whole, &tally), "pieces of {size}");
        }
    }
}

//! Suricata's events: every type and form, what is wrong in them, and blocks and pieces.

use super::collect::{blocks, one, pieces, read};
use crate::record::Skip;

/// An event of UDP port 50000 to 53, or TCP to 443.
fn event(kind: &str, part: &str) -> String {
    let (proto, port) = if kind == "dns" { ("UDP", 53) } else { ("TCP", 443) };
    format!(
        r#"{{"timestamp":"2023-11-14T23:13:20.000001+0100","flow_id":1920604222098419,"event_type":"{kind}","src_ip":"192.0.2.1","src_port":50000,"dest_ip":"198.51.100.2","dest_port":{port},"proto":"{proto}",{part}}}"#
    ) + "\n"
}

const FLOW: &str = r#""app_proto":"tls","flow":{"pkts_toserver":10,"pkts_toclient":8,"bytes_toserver":1660,"bytes_toclient":5528,"start":"2023-11-14T23:13:20.000001+0100","end":"2023-11-14T23:13:21.500001+0100","age":1,"state":"closed","reason":"timeout","alerted":false},"tcp":{"tcp_flags":"1f","tcp_flags_ts":"1b","tcp_flags_tc":"1b","state":"closed"}"#;

fn has(record: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(record.contains(part), "{part} is not in {record}");
    }
}

#[test]
fn a_flow_has_estimated_payload_and_a_state() {
    let record = one("eve.json", &event("flow", FLOW));
    has(
        &record,
        &[
            "start_us: 1700000000000001",
            &format!("uid: {:?}", b"1920604222098419"),
            "orig: 192.0.2.1, orig_port: 50000, resp: 198.51.100.2, resp_port: 443",
            "transport: 6",
            &format!("service: Some({:?})", b"tls"),
            "duration_us: Some(1500000)",
            // 66 bytes of headers a packet: Ethernet, IPv4, TCP with options.
            "orig_bytes: Some(1000), resp_bytes: Some(5000), state: Some(Sf)",
            "orig_packets: Some(10), orig_ip_bytes: Some(1520)",
            "resp_packets: Some(8), resp_ip_bytes: Some(5416), sizes: Estimated",
        ],
    );
    let without = FLOW.split(",\"tcp\"").next().unwrap_or_default();
    has(&one("x", &event("flow", without)), &["state: Some(Sf)"]);
    let young = without.replace("closed", "new").replace("toclient\":8", "toclient\":0");
    has(&one("x", &event("flow", &young)), &["state: Some(S0)"]);
    let aged = without.replace("\"end\"", "\"fin\"");
    has(&one("x", &event("flow", &aged)), &["duration_us: Some(1000000)"]);
}

#[test]
fn icmp_has_its_type_and_code_for_ports() {
    let log = event("flow", FLOW)
        .replace("\"src_port\":50000", "\"icmp_type\":8")
        .replace("\"dest_port\":443", "\"icmp_code\":0")
        .replace("\"TCP\"", "\"ICMP\"");
    has(&one("x", &log), &["orig_port: 8", "resp_port: 0", "transport: 1", "state: None"]);
}

#[test]
fn the_forms_of_dns() {
    let ask = |part: &str| one("x", &event("dns", &format!("\"dns\":{part}")));
    let query = ask(r#"{"type":"query","id":2,"rrname":"a.example","rrtype":"AAAA","tx_id":1}"#);
    has(&query, &[r#"query: Some("a.example")"#, "qtype: Some(28), rcode: None, answers: []"]);
    let one_by_one = ask(
        r#"{"type":"answer","rcode":"NOERROR","rrname":"a.example","rrtype":"A","ttl":8,"rdata":"203.0.113.9"}"#,
    );
    has(&one_by_one, &["rcode: Some(0), answers: [Address(203.0.113.9)], ttls_s: [8]"]);
    let list = ask(
        r#"{"version":2,"type":"answer","rrname":"a.example","rrtype":"A","rcode":"NOERROR","answers":[{"rrname":"a.example","rrtype":"CNAME","ttl":592,"rdata":"b.example"},{"rrname":"b.example","rrtype":"A","ttl":60,"rdata":"203.0.113.9"}],"grouped":{"A":["203.0.113.9"]}}"#,
    );
    has(&list, &[r#"answers: [Text("b.example"), Address(203.0.113.9)]"#, "ttls_s: [592, 60]"]);
    let grouped = ask(
        r#"{"version":2,"type":"answer","rrname":"a.example","rcode":"NOERROR","grouped":{"AAAA":["2001:db8::9"],"CNAME":["b.example"]}}"#,
    );
    has(&grouped, &[r#"answers: [Address(2001:db8::9), Text("b.example")]"#, "ttls_s: []"]);
    let third = ask(
        r#"{"version":3,"type":"response","rcode":"NXDOMAIN","queries":[{"rrname":"a.example","rrtype":"HTTPS"}]}"#,
    );
    has(&third, &[r#"query: Some("a.example")"#, "qtype: Some(65), rcode: Some(3)"]);
}

/// An answer names flows of the client that it was told, whichever way the event points.
#[test]
fn an_answer_is_the_clients() {
    let part = r#""dns":{"type":"answer","rrname":"a.example","rcode":"NOERROR","rrtype":"A","rdata":"203.0.113.9"}"#;
    let towards = event("dns", part);
    let back = towards
        .replace("\"src_port\":50000", "\"src_port\":53")
        .replace("\"dest_port\":53", "\"dest_port\":50000")
        .replace("192.0.2.1", "?")
        .replace("198.51.100.2", "192.0.2.1")
        .replace('?', "198.51.100.2");
    assert_ne!(towards, back);
    assert_eq!(one("x", &towards), one("x", &back));
}

#[test]
fn sessions_requests_files_alerts_and_leases() {
    let tls = one(
        "x",
        &event(
            "tls",
            r#""tls":{"subject":"CN=a.example","issuerdn":"CN=ca","sni":"a.example","version":"TLS 1.3","ja3":{"hash":"b7202231ff2db28363c109cedc6d1642","string":"770"},"server_alpns":["h2"]}"#,
        ),
    );
    has(
        &tls,
        &[
            "quic: false",
            r#"server_name: Some("a.example")"#,
            r#"subject: Some("CN=a.example"), issuer: Some("CN=ca")"#,
            r#"next_protocol: Some("h2")"#,
            r#"ja3: Some("b7202231ff2db28363c109cedc6d1642")"#,
        ],
    );
    let quic = one("x", &event("quic", r#""quic":{"version":"1","sni":"a.example","ja3":null}"#));
    has(&quic, &["quic: true", r#"server_name: Some("a.example")"#, "ja3: None"]);
    let http = one(
        "x",
        &event(
            "http",
            r#""http":{"hostname":"a.example","url":"/x.zip","http_user_agent":"u\u0022","http_method":"GET","status":200,"length":47}"#,
        ),
    );
    has(&http, &[r#"host: Some("a.example")"#, r#"user_agent: Some("u\"")"#, "status: Some(200)"]);
    let file = event(
        "fileinfo",
        r#""direction":"to_client","app_proto":"http","fileinfo":{"filename":"/x","state":"CLOSED","size":47}"#,
    );
    has(
        &one("x", &file),
        &[r#"conn_uids: ["1920604222098419"]"#, "is_orig: Some(false)", "total_bytes: Some(47)"],
    );
    let alert = one(
        "x",
        &event(
            "alert",
            r#""alert":{"gid":1,"signature":"ET X","category":"Misc Attack"},"flow":{}"#,
        ),
    );
    has(&alert, &[r#"note: "ET X", message: Some("Misc Attack")"#, "source: Some(192.0.2.1)"]);
    let lease = |kind: &str| {
        let part = format!(
            r#""dhcp":{{"type":"reply","dhcp_type":"{kind}","client_mac":"00:00:5e:00:53:01","assigned_ip":"192.0.2.9","client_ip":"0.0.0.0","hostname":"pc","lease_time":600}}"#
        );
        one("x", &event("dhcp", &part))
    };
    has(&lease("ack"), &["address: Some(192.0.2.9)", "lease_s: Some(600)"]);
    has(&lease("offer"), &["address: None"]);
}

#[test]
fn what_is_wrong_is_counted() {
    let flow = event("flow", FLOW);
    let cases = [
        (event("ssh", r#""ssh":{"client":{}}"#), Skip::UnusedLog),
        (event("stats", r#""stats":{}"#), Skip::UnusedLog),
        (flow.replace("192.0.2.1\"", "192.0.2.x\""), Skip::BadAddress),
        (flow.replace("50000", "70000"), Skip::BadPort),
        (flow.replace("50000", "-1"), Skip::BadPort),
        (flow.replace("1660", "1.5"), Skip::BadNumber),
        (flow.replace("\"start\":\"2023-11-14T23", "\"start\":\"2023-11-34T23"), Skip::BadTime),
        (flow.replace("\"proto\"", "\"p\""), Skip::MissingField),
        (flow.replace("\"flow\":{", "\"flow\":[{"), Skip::BadJson),
        (flow.replace("\"flow\":{", "\"flown\":{"), Skip::MissingField),
        (event("tls", r#""tls":[]"#), Skip::MissingField),
        (event("alert", r#""alert":{"gid":1}"#), Skip::MissingField),
        ("{\"timestamp\":\"x\",\"event_type\":7}\n".to_owned(), Skip::MissingField),
        ("\u{1}\n".to_owned(), Skip::Binary),
    ];
    for (bad, reason) in cases {
        // Between good ones: nothing else may be lost.
        let log = format!("{flow}{bad}{flow}");
        let (records, tally) = read("x", &log);
        assert_eq!(records.0.len(), 2, "{bad}");
        assert_eq!(tally.skipped.get(&reason), Some(&1), "{bad}: {tally:?}");
        assert_eq!((tally.records, tally.skipped.len()), (3, 1), "{bad}");
    }
    let (_, tally) = read("x", format!("{flow}{}", &flow[..100]));
    assert_eq!(tally.skipped.get(&Skip::CutOff), Some(&1));
}

#[test]
fn the_same_in_lines_arrays_blocks_and_pieces() {
    let dns = event("dns", r#""dns":{"type":"query","rrname":"a.example","rrtype":"A"}"#);
    let log = [event("flow", FLOW), dns, event("anomaly", "\"anomaly\":{}"), "{\n".to_owned()];
    let array = format!("[{}]", log[..3].join(","));
    let log = log.concat().repeat(3);
    let whole = read("conn.log", &log);
    assert_eq!(whole.1.format(), "suricata/anomaly+suricata/dns+suricata/flow");
    for size in [1, 7, 100, 1_000] {
        assert_eq!(blocks("conn.log", &log, size), whole, "blocks of {size}");
        assert_eq!(pieces("conn.log", log.as_bytes(), size).1, whole.1, "pieces of {size}");
        let pieces = pieces("conn.log", log.as_bytes(), size).0;
        assert_eq!(pieces.sorted(), read("conn.log", &log).0.sorted());
    }
    let (records, tally) = read("x", &array);
    assert_eq!((records.0.len(), tally.format()), (2, whole.1.format()));
    assert_eq!(records.0, whole.0.0[..2]);
}

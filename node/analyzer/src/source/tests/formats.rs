//! Every log type in both notations, and every freedom that the notations have.

use super::super::Reader;
use super::collect::{Collected, one, read};
use crate::limits::LINE_BYTES_MAX;
use crate::record::{DnsAnswer, Sink};

const DIRECTIVES: &str =
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n";

fn tsv(path: &str, fields: &str, row: &str) -> String {
    let (fields, row) = (fields.replace(' ', "\t"), row.replace(' ', "\t"));
    format!("{DIRECTIVES}#path\t{path}\n#fields\t{fields}\n#types\tx\n{row}\n#close\tx\n")
}

/// Both notations of a record must give the same.
pub(super) fn both(path: &str, fields: &str, row: &str, json: &str) -> String {
    let from_tsv = one("x", &tsv(path, fields, row));
    assert_eq!(one("x", &format!("{json}\n")), from_tsv);
    assert_eq!(one("x", &format!("[{json}]")), from_tsv, "as an array");
    let underscored = json.replace("id.", "id_").replace("certificate.", "certificate_");
    assert_eq!(one("x", &underscored.replace("san.", "san_")), from_tsv, "without points");
    let spaced = json.replace("\":", "\" : ").replace(",\"", " ,\t\"");
    assert_eq!(one("x", &format!(" {spaced} \r\n")), from_tsv, "with blanks");
    from_tsv
}

#[test]
fn conn() {
    let record = both(
        "conn",
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes \
         resp_bytes conn_state local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes \
         resp_pkts resp_ip_bytes tunnel_parents",
        "1700000000.123456 CAbc1 192.0.2.1 50000 2001:db8::2 443 tcp ssl,http 1.5 10 20 SF T F 3 \
         ShADadFf 4 200 5 300 (empty)",
        r#"{"ts":1700000000.123456,"uid":"CAbc1","id.orig_h":"192.0.2.1","id.orig_p":50000,"id.resp_h":"2001:db8::2","id.resp_p":443,"proto":"tcp","service":"ssl,http","duration":1.5,"orig_bytes":10,"resp_bytes":20,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":3,"history":"ShADadFf","orig_pkts":4,"orig_ip_bytes":200,"resp_pkts":5,"resp_ip_bytes":300}"#,
    );
    assert_eq!(
        record,
        format!(
            "Conn {{ start_us: 1700000000123456, uid: {:?}, ends: Ends {{ orig: 192.0.2.1, \
             orig_port: 50000, resp: 2001:db8::2, resp_port: 443 }}, transport: 6, \
             service: Some({:?}), duration_us: Some(1500000), orig_bytes: Some(10), \
             resp_bytes: Some(20), state: Some(Sf), local_orig: Some(true), local_resp: Some(false), \
             missed_bytes: 3, history: Some({:?}), orig_packets: Some(4), \
             orig_ip_bytes: Some(200), resp_packets: Some(5), resp_ip_bytes: Some(300), sizes: Counted, open: false }}",
            b"CAbc1", b"ssl,http", b"ShADadFf",
        )
    );
}

pub(super) const ENDS: &str = "id.orig_h id.orig_p id.resp_h id.resp_p";
pub(super) const ENDS_ROW: &str = "192.0.2.1 50000 198.51.100.2 443";
pub(super) const ENDS_JSON: &str =
    r#""id.orig_h":"192.0.2.1","id.orig_p":50000,"id.resp_h":"198.51.100.2","id.resp_p":443"#;

#[test]
fn transports() {
    let transport = |fields: &str, row: &str| {
        let log = tsv("conn", &format!("ts {ENDS} {fields}"), &format!("1.0 {ENDS_ROW} {row}"));
        let record = one("conn.log", &log);
        record.split("transport: ").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok())
    };
    assert_eq!(transport("proto", "udp"), Some(17));
    assert_eq!(transport("proto", "icmp"), Some(1));
    assert_eq!(transport("proto", "47"), Some(47));
    assert_eq!(transport("proto ip_proto", "unknown_transport 50"), Some(50));
    assert_eq!(transport("proto", "unknown_transport"), Some(255));
    let six = tsv("conn", &format!("ts {ENDS} proto"), "1.0 2001:db8::1 128 2001:db8::2 0 icmp");
    assert!(one("conn.log", &six).contains("transport: 58"));
}

#[test]
fn dns() {
    both(
        "dns",
        &format!("ts uid {ENDS} proto trans_id query qclass qtype rcode rejected answers TTLs"),
        &format!(
            "1.0 C1 {ENDS_ROW} udp 7 a.example 1 1 0 F b.example,203.0.113.9,2001:db8::9 60.0,30.5,0.0"
        ),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"proto":"udp","trans_id":7,"query":"a.example","qclass":1,"qtype":1,"rcode":0,"rejected":false,"answers":["b.example","203.0.113.9","2001:db8::9"],"TTLs":[60.0,30.5,0.0]}}"#
        ),
    );
    struct Answers(Vec<u32>, usize);
    impl Sink for Answers {
        fn dns(&mut self, record: &crate::record::Dns<'_>) {
            self.0.clone_from(&record.ttls_s);
            let address = |answer: &&DnsAnswer<'_>| matches!(answer, DnsAnswer::Address(_));
            self.1 = record.answers.iter().filter(address).count();
        }
        fn conn(&mut self, _: &crate::record::Conn<'_>) {}
        fn tls(&mut self, _: &crate::record::Tls<'_>) {}
        fn http(&mut self, _: &crate::record::Http<'_>) {}
        fn file(&mut self, _: &crate::record::File<'_>) {}
        fn x509(&mut self, _: &crate::record::X509<'_>) {}
        fn dhcp(&mut self, _: &crate::record::Dhcp<'_>) {}
        fn logon(&mut self, _: &crate::record::Logon<'_>) {}
        fn remote(&mut self, _: &crate::record::Remote<'_>) {}
        fn notice(&mut self, _: &crate::record::Notice<'_>) {}
        fn capture_loss(&mut self, _: &crate::record::CaptureLoss<'_>) {}
    }
    let log = tsv(
        "dns",
        &format!("ts {ENDS} proto answers TTLs"),
        &format!("1 {ENDS_ROW} udp x.example,203.0.113.9 3600.9,99999999999.0"),
    );
    let (mut sink, mut reader) = (Answers(Vec::new(), 0), Reader::new("x"));
    reader.feed(log.as_bytes(), &mut sink);
    reader.finish(&mut sink);
    assert_eq!((sink.0, sink.1), (vec![3_600, u32::MAX], 1));
}

#[test]
fn tls_and_quic() {
    let ssl = both(
        "ssl",
        &format!("ts uid {ENDS} version server_name next_protocol established validation_status"),
        &format!("1.0 C1 {ENDS_ROW} TLSv13 a.example h2 T ok"),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"version":"TLSv13","server_name":"a.example","next_protocol":"h2","established":true,"validation_status":"ok"}}"#
        ),
    );
    assert!(ssl.contains("quic: false") && ssl.contains("server_name: Some(\"a.example\")"));
    let quic = both(
        "quic",
        &format!("ts uid {ENDS} version client_initial_dcid server_name client_protocol"),
        &format!("1.0 C1 {ENDS_ROW} 1 0a0b a.example h3"),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"version":"1","client_initial_dcid":"0a0b","server_name":"a.example","client_protocol":"h3"}}"#
        ),
    );
    assert!(quic.contains("quic: true") && quic.contains("next_protocol: Some(\"h3\")"));
}

#[test]
fn http() {
    let record = both(
        "http",
        &format!(
            "ts uid {ENDS} trans_depth method host uri user_agent request_body_len \
                  response_body_len status_code resp_mime_types orig_mime_types"
        ),
        &format!(
            "1.0 C1 {ENDS_ROW} 1 GET a.example:8080 /x.gif curl/8 0 35 200 image/gif,text/html -"
        ),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"trans_depth":1,"method":"GET","host":"a.example:8080","uri":"/x.gif","user_agent":"curl/8","request_body_len":0,"response_body_len":35,"status_code":200,"resp_mime_types":["image/gif","text/html"]}}"#
        ),
    );
    assert!(
        record.contains("resp_mime_types: [\"image/gif\", \"text/html\"], orig_mime_types: []")
    );
}

#[test]
fn files_in_both_shapes() {
    let fields = "ts fuid conn_uids source mime_type is_orig seen_bytes total_bytes";
    let old = both(
        "files",
        fields,
        "1.0 F1 C1,C2 HTTP text/html F 7 -",
        r#"{"ts":1.0,"fuid":"F1","conn_uids":["C1","C2"],"source":"HTTP","mime_type":"text/html","is_orig":false,"seen_bytes":7}"#,
    );
    assert!(old.contains("conn_uids: [\"C1\", \"C2\"]"));
    let new = one("x", &tsv("files", "ts fuid uid source seen_bytes", "1.0 F1 C9 SSL 7"));
    assert!(new.contains("conn_uids: [\"C9\"]"));
}

#[test]
fn x509_in_both_shapes() {
    let record = both(
        "x509",
        "ts fingerprint certificate.subject certificate.issuer certificate.not_valid_before \
         certificate.not_valid_after san.dns",
        "1.0 ab12 CN=a.example CN=ca.example 1600000000.0 9999999999999.0 a.example,b.example",
        r#"{"ts":1.0,"fingerprint":"ab12","certificate.subject":"CN=a.example","certificate.issuer":"CN=ca.example","certificate.not_valid_before":1600000000.0,"certificate.not_valid_after":9999999999999.0,"san.dns":["a.example","b.example"]}"#,
    );
    assert!(record.contains("not_before_us: Some(1600000000000000), not_after_us: None"));
    assert!(one("x", &tsv("x509", "ts id", "1.0 F1")).contains("id: \"F1\""));
}

#[test]
fn dhcp_in_both_shapes() {
    let new = both(
        "dhcp",
        "ts uids client_addr mac host_name client_fqdn assigned_addr lease_time msg_types",
        "1.0 C1 192.0.2.5 02:00:00:00:00:01 - pc7.corp.example 192.0.2.9 3600.0 ACK",
        r#"{"ts":1.0,"uids":["C1"],"client_addr":"192.0.2.5","mac":"02:00:00:00:00:01","client_fqdn":"pc7.corp.example","assigned_addr":"192.0.2.9","lease_time":3600.0,"msg_types":["ACK"]}"#,
    );
    assert!(new.contains("address: Some(192.0.2.9), host_name: Some(\"pc7\"), domain: Some(\"corp.example\"), lease_s: Some(3600)"));
    let fields = format!("ts uid {ENDS} mac assigned_ip lease_time trans_id");
    let row = format!("1.0 C1 {ENDS_ROW} 02:00:00:00:00:01 192.0.2.7 4.294967e+09 5");
    let old = one("x", &tsv("dhcp", &fields, &row));
    assert!(old.contains("address: Some(192.0.2.7)") && old.contains("lease_s: Some(4294967000)"));
}

#[test]
fn notice_and_capture_loss() {
    let notice = both(
        "notice",
        &format!("ts uid {ENDS} note msg src dst actions"),
        &format!("1.0 C1 {ENDS_ROW} SSL::Invalid_Server_Cert bad - - Notice::ACTION_LOG"),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"note":"SSL::Invalid_Server_Cert","msg":"bad","actions":["Notice::ACTION_LOG"]}}"#
        ),
    );
    assert!(notice.contains("source: Some(192.0.2.1), destination: Some(198.51.100.2)"));
    let loss = both(
        "capture_loss",
        "ts ts_delta peer gaps acks percent_lost",
        "1.0 900.000012 worker-1 1 100 1.25",
        r#"{"ts":1.0,"ts_delta":900.000012,"peer":"worker-1","gaps":1,"acks":100,"percent_lost":1.25}"#,
    );
    assert!(loss.contains("interval_us: 900000012, peer: \"worker-1\", percent_lost: 1.25"));
}

#[test]
fn columns_in_any_order_missing_unknown_and_glued_on() {
    let plain =
        one("x", &tsv("conn", &format!("ts uid {ENDS} proto"), &format!("1.5 C1 {ENDS_ROW} tcp")));
    let shuffled = tsv(
        "conn",
        "node id.resp_p proto id_orig_h id.orig_p colour id.resp_h uid ts label detailedlabel",
        "n1 443 tcp 192.0.2.1 50000 red 198.51.100.2 C1 1.5 Benign x",
    );
    assert_eq!(one("x", &shuffled), plain);
    let fields = format!("ts\tuid\t{}\tproto   label   detailed-label", ENDS.replace(' ', "\t"));
    let row = format!("1.5\tC1\t{}\ttcp   Malicious   C&C", ENDS_ROW.replace(' ', "\t"));
    assert_eq!(one("x", &format!("#path\tconn\n#fields\t{fields}\n{row}\n")), plain);
}

#[test]
fn other_separators_marks_line_ends_and_a_byte_order_mark() {
    let plain =
        one("x", &tsv("conn", &format!("ts uid {ENDS} proto"), &format!("1.5 C1 {ENDS_ROW} tcp")));
    let commas = format!(
        "#separator ,\n#set_separator,|\n#empty_field,EMPTY\n#unset_field,NONE\n#path,conn\n\
         #fields,ts,uid,{},proto,service,history\n1.5,C1,{},tcp,NONE,EMPTY\n",
        ENDS.replace(' ', ","),
        ENDS_ROW.replace(' ', ","),
    );
    assert_eq!(one("x", &commas), plain);
    let log = tsv("conn", &format!("ts uid {ENDS} proto"), &format!("1.5 C1 {ENDS_ROW} tcp"));
    assert_eq!(one("x", &log.replace('\n', "\r\n")), plain);
    assert_eq!(one("x", &format!("\u{feff}{log}")), plain);
    assert_eq!(one("x", log.trim_end_matches("#close\tx\n").trim_end()), plain, "no line end");
    assert_eq!(one("x", &format!("\n\n{}", log.replace('\n', "\n\n"))), plain, "blank lines");
}

#[test]
fn iso_times_and_relative_ones() {
    for (time, micros) in [
        ("2023-11-14T22:13:20.000001Z", 1_700_000_000_000_001_i64),
        ("0.000000", 0),
        ("19.9", 19_900_000),
    ] {
        let log = tsv("conn", &format!("ts {ENDS} proto"), &format!("{time} {ENDS_ROW} tcp"));
        assert!(one("x", &log).contains(&format!("start_us: {micros},")), "{time}");
        let json = format!(r#"{{"ts":"{time}",{ENDS_JSON},"proto":"tcp","missed_bytes":0}}"#);
        assert!(one("x", &json).contains(&format!("start_us: {micros},")), "{time}");
    }
}

#[test]
fn several_headers_in_one_file() {
    let log = tsv("conn", &format!("ts {ENDS} proto"), &format!("1.0 {ENDS_ROW} tcp"))
        + &tsv("weird", "ts name", "1.0 odd")
        + &tsv("capture_loss", "peer ts ts_delta percent_lost", "w 2.0 900 0.0")
        + &tsv("conn", &format!("proto ts {ENDS}"), &format!("udp 3.0 {ENDS_ROW}"));
    let (sink, tally) = read("x", &log);
    assert_eq!((tally.records, tally.used()), (4, 3));
    assert_eq!(tally.format(), "zeek/capture_loss+zeek/conn+zeek/weird");
    assert!(sink.0[2].contains("start_us: 3000000") && sink.0[2].contains("transport: 17"));
}

#[test]
fn open_logs_by_their_path_or_their_file_name() {
    let fields = format!("ts {ENDS} proto");
    let row = format!("1.0 {ENDS_ROW} tcp");
    assert!(one("x", &tsv("open_conn", &fields, &row)).contains("open: true"));
    assert!(one("open_conn.log", &tsv("conn", &fields, &row)).contains("open: true"));
    let json = format!(r#"{{"ts":1.0,{ENDS_JSON},"proto":"tcp","missed_bytes":0}}"#);
    assert!(one("open_conn.05:00:00-06:00:00.log.gz", &json).contains("open: true"));
    assert!(one("conn.log", &json).contains("open: false"));
}

#[test]
fn json_says_which_log_it_is_itself_or_the_file_name_does() {
    let named = format!(r#"{{"_path":"ssl","ts":1.0,{ENDS_JSON}}}"#);
    assert!(one("x", &named).starts_with("Tls"));
    let mixed = format!(
        "{{\"@stream\":\"conn\",\"ts\":1.0,{ENDS_JSON},\"proto\":\"tcp\"}}\n{named}\n\
         {{\"_path\":\"weird\",\"ts\":1.0}}\n{{\"_path\":\"made_up\",\"ts\":1.0}}\n"
    );
    let (sink, tally) = read("x", &mixed);
    assert!(sink.0[0].starts_with("Conn") && sink.0[1].starts_with("Tls"));
    assert_eq!(tally.format(), "zeek/conn+zeek/other+zeek/ssl+zeek/weird");
    assert_eq!(tally.used(), 2);
    let bare = format!(r#"{{"ts":1.0,{ENDS_JSON},"server_name":"a.example"}}"#);
    assert!(one("sensor_ssl.log", &bare).starts_with("Tls"));
}

#[test]
fn json_escapes_nesting_duplicates_and_null() {
    let json = format!(
        r#"{{"extra":{{"ts":9,"deep":[1,{{"uid":"no"}}]}},"ts":7.0,"ts":1e0,"uid":"C\u0031\"",{ENDS_JSON},"proto":"tcp","service":null,"missed_bytes":2e1,"history":"S\\h"}}"#
    );
    let record = one("x", &json);
    assert!(record.contains(&format!("start_us: 1000000, uid: {:?}", b"C1\"")), "{record}");
    assert!(record.contains("service: None") && record.contains("missed_bytes: 20"), "{record}");
    let list = format!(
        r#"{{"ts":1.0,{ENDS_JSON},"proto":"udp","qtype":1,"answers":["a\u002eexample",null,["x"],"203.0.113.1"]}}"#
    );
    assert!(one("x", &list).contains("[Text(\"a.example\"), Address(203.0.113.1)]"));
}

#[test]
fn what_is_not_ours_is_said_once() {
    let format = |bytes: &[u8]| {
        let (sink, tally) = read("x", bytes);
        assert_eq!((sink, tally.records, tally.skipped.len()), (Collected::default(), 0, 0));
        tally.format()
    };
    assert_eq!(format(b""), "empty");
    assert_eq!(format(b"\n\n"), "empty");
    assert_eq!(format(b"# Title\n\nSome text.\n"), "unknown");
    assert_eq!(format(b"{\"event_type\":\"flow\",\"src_ip\":\"192.0.2.1\"}\n"), "unknown");
    assert_eq!(format(b"[{\"a\":1},{\"a\":2}]"), "unknown");
    assert_eq!(format(&vec![b'x'; 3 << 20]), "unknown");
    let late = ["x\n".repeat(200_000), tsv("conn", "ts", "1")].concat();
    assert_eq!(format(late.as_bytes()), "unknown", "a header beyond the limit");
}

#[test]
fn a_beginning_without_a_line_end_is_not_read_on() {
    let (mut reader, mut sink) = (Reader::new("zero"), Collected::default());
    let mut blocks = 0;
    while !reader.is_done() {
        reader.feed(&[0; 64 << 10], &mut sink);
        blocks += 1;
        assert!(blocks <= LINE_BYTES_MAX / (64 << 10) + 1, "a device would be read for ever");
    }
    assert!(reader.finish(&mut sink).is_unknown());
}

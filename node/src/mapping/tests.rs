//! Goal: the mappings that ship read what their vendors' documentation says that the devices write, and what
//! cannot be meant is refused with its place. Samples are written after the pages that each mapping names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flowlore_analyzer::record::{
    CaptureLoss, Conn, Dhcp, Dns, File, Http, Logon, Notice, Remote, Sink, Skip, Tls, X509,
};
use flowlore_analyzer::source::{FileTally, Opening};

use super::{mapping, opening};

/// Connections and requests as their debug text.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen(Vec<String>);

impl Sink for Seen {
    fn conn(&mut self, record: &Conn<'_>) {
        self.0.push(format!("{record:?}"));
    }
    fn http(&mut self, record: &Http<'_>) {
        self.0.push(format!("{record:?}"));
    }
    fn dns(&mut self, _: &Dns<'_>) {}
    fn tls(&mut self, _: &Tls<'_>) {}
    fn file(&mut self, _: &File<'_>) {}
    fn x509(&mut self, _: &X509<'_>) {}
    fn dhcp(&mut self, _: &Dhcp<'_>) {}
    fn logon(&mut self, _: &Logon<'_>) {}
    fn remote(&mut self, _: &Remote<'_>) {}
    fn notice(&mut self, _: &Notice<'_>) {}
    fn capture_loss(&mut self, _: &CaptureLoss<'_>) {}
}

fn maps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/maps")
}

/// Reads a log whole, in small blocks and in pieces: the same each time.
fn read(opening: &Opening, log: &str) -> (Vec<String>, FileTally) {
    let blocks = |size: usize| {
        let (mut seen, mut reader) = (Seen::default(), opening.reader("x"));
        for block in log.as_bytes().chunks(size) {
            reader.feed(block, &mut seen);
        }
        let tally = reader.finish(&mut seen);
        (seen.0, tally)
    };
    let whole = blocks(log.len().max(1));
    for size in [1, 7, 64] {
        assert_eq!(blocks(size), whole, "blocks of {size}");
        let (mut seen, mut tally) = (Seen::default(), FileTally::default());
        let mut cutter = opening.cutter("x", size);
        while let Some(piece) = cutter.next(log.as_bytes()) {
            tally.merge(&piece.read(log.as_bytes(), &mut seen));
        }
        assert_eq!((seen.0, tally), whole, "pieces of {size}");
    }
    assert_eq!(whole.1.format(), "mapped");
    whole
}

fn shipped(name: &str, log: &str, skipped: &[(Skip, u64)]) -> Vec<String> {
    let opening = opening(&maps().join(name)).unwrap();
    let (seen, tally) = read(&opening, log);
    assert_eq!(tally.skipped, skipped.iter().copied().collect(), "{seen:?}");
    seen
}

fn has(record: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(record.contains(part), "{part} is not in {record}");
    }
}

#[test]
fn all_that_ship_are_tested() {
    let files = std::fs::read_dir(maps()).unwrap();
    let files: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let tested = ["fortigate.toml", "iptables.toml", "paloalto.toml", "pfsense.toml", "squid.toml"];
    assert_eq!(files, tested.map(str::to_owned).into());
}

#[test]
fn fortigate() {
    let traffic = "<189>date=2026-11-24 time=10:00:32 devname=\"fw = 1\" logid=\"0000000013\" type=\"traffic\" \
                   subtype=\"forward\" level=\"notice\" eventtime=1795514432369913239 srcip=192.0.2.11 \
                   srcport=58012 srcintf=\"port12\" srcintfrole=\"lan\" dstip=198.51.100.35 dstport=443 \
                   sessionid=105048 proto=6 action=\"close\" policyid=1 service=\"HTTPS\" duration=30 \
                   sentbyte=1520 rcvdbyte=5416 sentpkt=10 rcvdpkt=8";
    let denied = traffic.replace("\"close\"", "\"deny\"").replace("198.51.100.35", "198.51.100.36");
    let interim = traffic.replace("0000000013", "0000000020");
    let other = traffic.replace("type=\"traffic\"", "type=\"utm\"");
    let bad = traffic.replace("proto=6", "proto=six");
    let log = [traffic, &denied, &interim, &other, &bad].join("\n");
    let seen = shipped("fortigate.toml", &log, &[(Skip::UnusedLog, 2), (Skip::BadNumber, 1)]);
    has(
        &seen[0],
        &[
            // The log's time is the end.
            "start_us: 1795514402369913",
            "orig: 192.0.2.11, orig_port: 58012, resp: 198.51.100.35, resp_port: 443",
            "transport: 6",
            "duration_us: Some(30000000), orig_bytes: Some(1000), resp_bytes: Some(5000), state: None",
            "orig_packets: Some(10), orig_ip_bytes: Some(1520)",
            "sizes: Exported",
        ],
    );
    has(&seen[1], &["resp: 198.51.100.36", "state: Some(S0)"]);
    assert_eq!(seen.len(), 2);
}

#[test]
fn paloalto() {
    let traffic = "<14>Nov 24 10:00:32 fw 1,2026/11/24 10:00:32,001801000001,TRAFFIC,end,2305,2026/11/24 10:00:32,\
                   192.0.2.11,198.51.100.35,0.0.0.0,0.0.0.0,\"out, \"\"web\"\"\",user,,ssl,vsys1,trust,untrust,\
                   ethernet1/2,ethernet1/1,default,2026/11/24 10:00:32,12345,1,58012,443,0,0,0x1c,tcp,allow,6936,\
                   1520,5416,18,2026/11/24 10:00:02,30,any,0,678,0x0,A,B,0,10,8,tcp-fin,0";
    let start = traffic.replace(",end,2305", ",start,2305");
    let dropped =
        traffic.replace(",end,2305", ",drop,2305").replace("198.51.100.35", "198.51.100.36");
    let short = traffic.split_once(",678").unwrap().0;
    let log = [traffic, &start, &dropped, short].join("\r\n");
    let seen = shipped("paloalto.toml", &log, &[(Skip::UnusedLog, 1), (Skip::CutOff, 1)]);
    has(
        &seen[0],
        &[
            "start_us: 1795514402000000",
            "orig: 192.0.2.11, orig_port: 58012, resp: 198.51.100.35, resp_port: 443",
            "transport: 6",
            "duration_us: Some(30000000), orig_bytes: Some(1000), resp_bytes: Some(5000), state: None",
        ],
    );
    has(&seen[1], &["resp: 198.51.100.36", "state: Some(S0)"]);
    assert_eq!(seen.len(), 2);
}

#[test]
fn squid() {
    let log = "\
1795514402.500    500 192.0.2.11 TCP_TUNNEL/200 5000 CONNECT www.example:443 - HIER_DIRECT/198.51.100.35 -
1795514403.000     40 192.0.2.11 TCP_MISS/404 700 GET http://www.example/a?b user HIER_DIRECT/2001:db8::35 text/html
1795514404.000      0 192.0.2.11 TCP_MEM_HIT/200 700 GET http://www.example:8080/ - HIER_NONE/- text/html
1795514405.000      0 192.0.2.11 TCP_MISS/200 700
";
    let seen = shipped("squid.toml", log, &[(Skip::MissingField, 1), (Skip::ColumnCount, 1)]);
    has(
        &seen[0],
        &[
            "start_us: 1795514402000000",
            "orig: 192.0.2.11, orig_port: 0, resp: 198.51.100.35, resp_port: 443",
            "duration_us: Some(500000), orig_bytes: None, resp_bytes: Some(5000)",
            "sizes: Counted",
        ],
    );
    has(&seen[1], &["method: Some(\"CONNECT\"), host: Some(\"www.example\")", "status: Some(200)"]);
    has(&seen[2], &["resp: 2001:db8::35, resp_port: 80"]);
    has(&seen[3], &["method: Some(\"GET\"), host: Some(\"www.example\")", "status: Some(404)"]);
}

#[test]
fn pfsense() {
    let log = "\
Nov  4 10:00:02 fw filterlog[57123]: 5,,,1000000103,igb1,match,block,in,4,0x0,,64,0,0,DF,6,tcp,60,192.0.2.11,198.51.100.35,58012,443,0,S,1,,64240,,mss
Nov 24 10:00:02 fw filterlog[57123]: 90,,,1,igb1,match,pass,in,4,0x0,,64,0,0,none,17,udp,70,192.0.2.11,198.51.100.53,50000,53,50
Nov 24 10:00:03 fw filterlog[57123]: 90,,,1,igb1,match,pass,in,6,0x00,0x0,255,UDP,17,50,2001:db8::1,2001:db8::2,50000,53,50,a,b
Foo 24 10:00:03 fw filterlog[57123]: 90,,,1,igb1,match,pass,in,4,0x0,,64,0,0,none,17,udp,70,192.0.2.11,198.51.100.53,50000,53,50
";
    let seen = shipped("pfsense.toml", log, &[(Skip::UnusedLog, 1), (Skip::BadTime, 1)]);
    has(
        &seen[0],
        &[
            "start_us: 1793786402000000",
            "orig: 192.0.2.11, orig_port: 58012, resp: 198.51.100.35, resp_port: 443",
            "orig_bytes: None, resp_bytes: None, state: Some(S0)",
        ],
    );
    has(&seen[1], &["start_us: 1795514402000000", "transport: 17", "state: None"]);
}

#[test]
fn iptables() {
    let log = "\
2026-11-24T10:00:02.250000+00:00 fw kernel: [12.5] NEW IN=eth0 OUT=eth1 MAC=00:11 SRC=192.0.2.11 DST=198.51.100.35 LEN=60 TOS=0x00 TTL=63 ID=1 DF PROTO=TCP SPT=58012 DPT=443 WINDOW=64240 RES=0x00 SYN URGP=0
2026-11-24T10:00:02.250000+00:00 fw kernel: [12.5] NEW IN=eth0 OUT= SRC=192.0.2.11 DST=198.51.100.35 LEN=60 PROTO=ICMP TYPE=3 CODE=1 [SRC=198.51.100.35 DST=192.0.2.11 PROTO=TCP SPT=1 DPT=2 ]
2026-11-24T10:00:03+00:00 fw sshd[5]: connection closed
";
    let seen = shipped("iptables.toml", log, &[(Skip::UnusedLog, 2)]);
    has(
        &seen[0],
        &[
            "start_us: 1795514402250000",
            "orig: 192.0.2.11, orig_port: 58012, resp: 198.51.100.35, resp_port: 443",
            "transport: 6",
        ],
    );
}

const JSON: &str = r#"
notation = "json"
inside = "source"
bytes_are = "frames"
[time]
field = "day"
and = "clock"
format = "%d.%m.%Y %H:%M:%S%.f"
zone = "Europe/Berlin"
[fields]
source = "from.address"
destination = { field = "to", before = ":" }
destination_port = { field = "to", after = ":" }
transport = { field = "p", or = "udp" }
duration = { field = "took", unit = "h:m:s" }
bytes_out = { field = "size", unit = "KiB" }
packets_out = "packets"
"#;

#[test]
fn json_units_zones_and_sides() {
    let opening = Opening::Mapped(std::sync::Arc::new(mapping(JSON).unwrap()));
    let line = r#"{"day":"24.11.2026","clock":"11:00:02.5","from":{"address":"192.0.2.11"},"to":"198.51.100.35:53","took":"0:01:30","size":1,"packets":2}"#;
    let (wrong, endless) = (line.replace("11:00", "25:00"), line.replace("0:01", "9999999:01"));
    let log = format!("{line}\n{wrong}\n{endless}\n{{\n[1]\n{line}");
    let (seen, tally) = read(&opening, &log);
    assert_eq!(tally.skipped, [(Skip::BadTime, 2), (Skip::BadJson, 2)].into());
    has(
        &seen[0],
        &[
            "start_us: 1795514402500000",
            "resp: 198.51.100.35, resp_port: 53",
            "transport: 17",
            "duration_us: Some(90000000)",
            // 42 bytes of headers a frame, of which 14 are no part of IP.
            "orig_bytes: Some(940), resp_bytes: None",
            "local_orig: Some(true), local_resp: Some(false)",
            "orig_packets: Some(2), orig_ip_bytes: Some(996)",
        ],
    );
    assert_eq!(seen[0], seen[1], "the same line has the same uid");
}

#[test]
fn a_line_of_names_is_found_in_csv() {
    let text =
        JSON.replace("\"json\"", "\"csv\"\nseparator = \";\"").replace("from.address", "from");
    let opening = Opening::Mapped(std::sync::Arc::new(mapping(&text).unwrap()));
    let log = "x;to; from ;day;clock\n1;198.51.100.35:53;192.0.2.11;24.11.2026;11:00:02\n1;2\n";
    let (seen, tally) = read(&opening, log);
    assert_eq!((seen.len(), tally.skipped), (1, [(Skip::ColumnCount, 1)].into()));
    has(&seen[0], &["orig: 192.0.2.11", "resp_port: 53"]);
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let cases = [
        ("inside = \"source\"", "insight = \"source\"", "line 3"),
        ("before = \":\"", "befor = \":\"", "line 12"),
        ("unit = \"KiB\"", "unit = \"MiB\"", "line 16"),
        ("\"json\"", "\"xml\"", "line 2"),
        ("source = \"from.address\"\n", "", "missing field `source`"),
        ("Europe/Berlin", "Europe/Berlim", "no such time zone"),
        ("zone = \"Europe/Berlin\"", "", "a pattern without %z needs one"),
        ("%d.%m.%Y", "%d.%m.", "needs one"),
        ("%d.%m.%Y %H:%M:%S%.f", "day", "write s, ms"),
        ("{ field = \"p\", or = \"udp\" }", "{ unit = \"B\" }", "a field needs"),
        ("\"json\"", "\"json\"\ncolumns = [\"a\"]", "columns for csv"),
        ("\"json\"", "\"words\"", "needs columns"),
        ("\"json\"", "\"words\"\ncolumns = [\"day\"]", "not among the columns"),
        ("\"json\"", "\"csv\"\nseparator = \"\\\"\"", "one ASCII character"),
    ];
    for (old, new, wanted) in cases {
        let text = JSON.replacen(old, new, 1);
        let result = mapping(&text).map(|_| ()).map_err(|error| format!("{error:#}"));
        let error = result.unwrap_err();
        assert!(error.contains(wanted), "{new}: {error}");
    }
}

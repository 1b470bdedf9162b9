//! The same canaries by other ways in: Suricata's events, a log that a mapping reads, and what a router sends.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use flowlore_common::time::Micros;
use flowlore_proto::v1;
use flowlore_proto::v1::FilePurpose;
use flowlore_proto::v1::analyze_request::Part;
use serde_json::{Value, json};

use super::canaries::{Secrets, mac_text};
use super::datagrams::{Way, version_5};

/// How the log of pairs is read; what is not named here is inside all the same.
const MAPPING: &str = "notation = \"pairs\"\nbytes_are = \"ip\"\n\n[time]\nfield = \"time\"\nformat = \"s\"\n\n\
                       [fields]\nsource = \"src\"\nsource_port = \"sport\"\ndestination = \"dst\"\n\
                       destination_port = \"dport\"\ntransport = \"proto\"\nbytes_out = \"out\"\nbytes_in = \"in\"\n";

/// Suricata's events of a day, a canary in every field that names something, and a line that is broken.
fn events(secrets: &Secrets) -> String {
    let time = Micros(secrets.start_us).to_string().replace('Z', "+0000");
    let event = |kind: &str, body: Value| {
        let mut event = json!({
            "timestamp": time, "flow_id": 77_001, "event_type": kind, "in_iface": secrets.folder,
            "src_ip": secrets.laptop.to_string(), "src_port": 45_000,
            "dest_ip": secrets.server.to_string(), "dest_port": 443, "proto": "TCP",
            "ether": { "src_mac": mac_text(&secrets.mac), "dest_mac": mac_text(&secrets.mac) },
            "host": secrets.host,
        });
        event[kind] = body;
        format!("{event}\n")
    };
    let flow = json!({
        "pkts_toserver": 10, "pkts_toclient": 8, "bytes_toserver": secrets.bytes_out,
        "bytes_toclient": secrets.bytes_in, "start": time, "end": time, "state": "closed",
    });
    let http = json!({
        "hostname": secrets.contacted, "url": secrets.url, "http_user_agent": secrets.agent,
        "http_refer": secrets.referrer, "http_method": "POST", "status": 200, "length": secrets.bytes_in,
    });
    let tls = json!({
        "sni": secrets.contacted, "subject": secrets.subject, "issuerdn": secrets.issuer,
        "version": "TLS 1.2",
    });
    let query = json!({ "type": "query", "rrname": secrets.inside_name, "rrtype": "A" });
    let lease = json!({
        "type": "reply", "dhcp_type": "ack", "assigned_ip": secrets.laptop.to_string(),
        "client_mac": mac_text(&secrets.mac), "hostname": secrets.host,
    });
    let alert = json!({
        "signature": format!("{} {}", secrets.host, secrets.mail), "signature_id": 1,
        "category": secrets.user, "severity": 1, "action": "allowed",
    });
    let file = json!({ "filename": format!("/{}", secrets.file), "size": secrets.bytes_in });
    let broken = format!("{{\"event_type\":\"{}\",\"{}\n", secrets.user, secrets.host);
    [
        event("flow", flow),
        event("http", http),
        event("tls", tls),
        event("dns", query),
        event("dhcp", lease),
        event("alert", alert),
        event("fileinfo", file),
        broken,
    ]
    .concat()
}

fn pairs(secrets: &Secrets) -> String {
    let seconds = secrets.start_us / 1_000_000;
    let row = |dst: &str| {
        format!(
            "time={seconds} src={} sport=46000 dst={dst} dport=443 proto=6 out={} in={} user=\"{}\" url=\"{}\" \
             host=\"{}\"\n",
            secrets.laptop,
            secrets.bytes_out,
            secrets.bytes_in,
            secrets.user,
            secrets.url,
            secrets.host
        )
    };
    [row(&secrets.server.to_string()), row(&secrets.host), row(&secrets.beyond.to_string())]
        .concat()
}

/// Uploads: Suricata's events as a part of a day, twice; the log of pairs by its mapping; and by one that is wrong.
pub(super) fn uploads(secrets: &Secrets) -> [Vec<v1::AnalyzeRequest>; 4] {
    let file = |purpose: FilePurpose, name: &str, bytes: String, options| {
        let open = v1::FileOpen {
            path: format!("{}/{name}{}", secrets.folder, secrets.file),
            purpose: purpose.into(),
            options,
            ..Default::default()
        };
        [Part::Open(open), Part::Data(bytes.into_bytes().into())]
    };
    let options = |day: &str| {
        Some(v1::AnalyzeOptions {
            home_nets: super::home_nets(),
            day: day.to_owned(),
            ..Default::default()
        })
    };
    let day = Micros(secrets.start_us).day().to_string();
    let eve = || file(FilePurpose::Flows, "eve", events(secrets), options(&day)).to_vec();
    let mapped = |mapping: String| {
        let logs = file(FilePurpose::Flows, "pairs", pairs(secrets), options(&day));
        [logs, file(FilePurpose::Mapping, "map", mapping, None)].concat()
    };
    let wrong = format!("{MAPPING}{} = \"{}\"\n", secrets.user.replace('-', "_"), secrets.host);
    [eve(), eve(), mapped(MAPPING.to_owned()), mapped(wrong)].map(|parts| {
        let parts = parts.into_iter().chain([Part::End(v1::UploadEnd {})]);
        parts.map(|part| v1::AnalyzeRequest { part: Some(part) }).collect()
    })
}

/// What a router says of the same connections, and datagrams that are none.
pub(super) fn send_datagrams(to: SocketAddr, secrets: &Secrets) {
    let seconds = u32::try_from(secrets.start_us / 1_000_000).unwrap();
    let inside = (secrets.laptop.octets(), 47_000);
    let ways = [secrets.server, secrets.beyond].map(|other| {
        let outside = (other.octets(), 443);
        [
            Way { source: inside, destination: outside, packets: 10, bytes: 1_400 },
            Way { source: outside, destination: inside, packets: 12, bytes: 9_000 },
        ]
    });
    let router = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in [version_5(seconds, 1, &ways.concat()), secrets.host.clone().into_bytes()] {
        router.send_to(&datagram, to).unwrap();
    }
}

/// What a node's configuration says so that it listens there.
pub(super) fn input(to: SocketAddr) -> toml::Value {
    let mut input = toml::Table::new();
    input.insert("kind".to_owned(), "netflow".into());
    input.insert("listen".to_owned(), to.to_string().into());
    input.insert("every".to_owned(), "10s".into());
    vec![toml::Value::Table(input)].into()
}

/// Whether a folder has files.
pub(super) fn has_files(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

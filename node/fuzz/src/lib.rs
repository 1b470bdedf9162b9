//! What the fuzz targets share: a sink that counts, and what must hold for any input.
//!
//! | target | feeds |
//! |---|---|
//! | `zeek_tsv` | rows under a good header of each log type |
//! | `zeek_json` | an object of each log type, its values replaced |
//! | `zeek_cut` | any bytes, in blocks and in pieces |
//! | `eve` | Suricata events whose values are replaced |
//! | `mapped` | any lines by a mapping of each notation |
//! | `pcap` | frames of packets, and any bytes as a capture |
//! | `netflow` | sets of templates and records, and any bytes as datagrams |
//! | `cloud` | clouds' flow logs whose values are replaced |
//! | `nfcapd` | records of a file of nfcapd, and any bytes behind its header |
//! | `evaluate` | requests to an evaluator and its answers |
//! | `invite` | lines that invite an org |
//! | `block` | any bytes as a block, and as the payload of one that is signed |
//! | `item` | any bytes as items and records of a signed block |
//! | `record` | any bytes as a token record |
//! | `roster` | any bytes as a roster document, and as one that governors signed |
//! | `sync` | messages of a peer that says anything, one after the other |
//!
//! Run one with `cargo +nightly fuzz run zeek_tsv -- -max_total_time=30`, in this folder.

#[path = "../../ledger/tests/world/mod.rs"]
pub mod world;

use std::fmt::Debug;
use std::sync::LazyLock;

use flowlore_analyzer::record::{
    CaptureLoss, Conn, Dhcp, Dns, File, Http, Logon, Notice, Remote, Sink, Tls, X509,
};
use flowlore_analyzer::source::{FileTally, Opening};
use flowlore_common::label::Purpose;
use flowlore_ledger::seal::OwnLabel;

/// A federation of two, made once: its keys take longer than most inputs.
pub static WORLD: LazyLock<world::World> = LazyLock::new(|| world::World::new(&[1, 2]));

/// A good label of org 1 for each purpose.
pub static LABELS: LazyLock<Vec<OwnLabel>> = LazyLock::new(|| {
    let mut world = world::World::new(&[1, 2]);
    let purposes = Purpose::ALL.iter();
    purposes.map(|purpose| world.label(1, "evil.example", *purpose, &world::sighting())).collect()
});

/// Log types with the columns that matter.
pub const LOGS: [(&str, &str); 20] = [
    (
        "conn",
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes ip_proto",
    ),
    ("open_conn", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto duration"),
    ("dns", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto query qtype rcode answers TTLs"),
    (
        "ssl",
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p version server_name established subject issuer",
    ),
    ("quic", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p version server_name client_protocol"),
    (
        "http",
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p method host uri request_body_len status_code resp_mime_types",
    ),
    ("files", "ts conn_uids uid source mime_type is_orig seen_bytes total_bytes"),
    (
        "x509",
        "ts fingerprint certificate.subject certificate.not_valid_before certificate.not_valid_after san.dns",
    ),
    ("dhcp", "ts mac assigned_addr client_addr host_name client_fqdn domain lease_time"),
    (
        "kerberos",
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p request_type client service success error_msg",
    ),
    (
        "ntlm",
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p username hostname domainname success status",
    ),
    ("ssh", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p auth_success auth_attempts status"),
    ("rdp", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p cookie security_protocol client_name"),
    ("smtp", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p trans_depth mailfrom last_reply"),
    ("smb_mapping", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p path share_type"),
    ("smb_files", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p action path name times.modified"),
    ("dce_rpc", "ts uid id.orig_h id.orig_p id.resp_h id.resp_p endpoint operation"),
    ("notice", "ts uid note msg src dst id.orig_h id.resp_h"),
    ("capture_loss", "ts ts_delta peer percent_lost"),
    ("weird", "ts name"),
];

/// Records as text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Records(pub Vec<String>);

impl Records {
    fn add(&mut self, record: &impl Debug) {
        self.0.push(format!("{record:?}"));
    }
}

impl Sink for Records {
    fn conn(&mut self, record: &Conn<'_>) {
        self.add(record);
    }
    fn dns(&mut self, record: &Dns<'_>) {
        self.add(record);
    }
    fn tls(&mut self, record: &Tls<'_>) {
        self.add(record);
    }
    fn http(&mut self, record: &Http<'_>) {
        self.add(record);
    }
    fn file(&mut self, record: &File<'_>) {
        self.add(record);
    }
    fn x509(&mut self, record: &X509<'_>) {
        self.add(record);
    }
    fn dhcp(&mut self, record: &Dhcp<'_>) {
        self.add(record);
    }
    fn logon(&mut self, record: &Logon<'_>) {
        self.add(record);
    }
    fn remote(&mut self, record: &Remote<'_>) {
        self.add(record);
    }
    fn notice(&mut self, record: &Notice<'_>) {
        self.add(record);
    }
    fn capture_loss(&mut self, record: &CaptureLoss<'_>) {
        self.add(record);
    }
}

/// Reads a log whole, in blocks and in pieces: the same each time, and every record accounted for.
pub fn check(log: &[u8], size: usize) {
    let (whole, tally) = blocks(&Opening::ByContent, log, log.len().max(1));
    assert_eq!(tally.used(), whole.0.len() as u64);
    check_cuts(log, size);
}

/// The same of a format whose records are parts of what is handed on, such as packets of flows.
pub fn check_cuts(log: &[u8], size: usize) {
    check_opened(&Opening::ByContent, log, size);
}

/// The same of a log that is opened so.
pub fn check_opened(opening: &Opening, log: &[u8], size: usize) {
    let (whole, tally) = blocks(opening, log, log.len().max(1));
    assert_eq!(tally.used() + tally.skipped.values().sum::<u64>(), tally.records);
    let (cut, counted) = blocks(opening, log, size);
    assert_eq!((&whole, &tally), (&cut, &counted));
    assert_eq!((whole, tally), pieces(opening, log, size));
}

fn blocks(opening: &Opening, log: &[u8], size: usize) -> (Records, FileTally) {
    let (mut sink, mut reader) = (Records::default(), opening.reader("conn.log"));
    for block in log.chunks(size) {
        reader.feed(block, &mut sink);
    }
    let tally = reader.finish(&mut sink);
    sink.0.sort();
    (sink, tally)
}

fn pieces(opening: &Opening, log: &[u8], size: usize) -> (Records, FileTally) {
    let (mut sink, mut tally) = (Records::default(), FileTally::default());
    let mut cutter = opening.cutter("conn.log", size);
    while let Some(piece) = cutter.next(log) {
        tally.merge(&piece.read(log, &mut sink));
    }
    sink.0.sort();
    (sink, tally)
}

//! One row of each log, as Zeek 7 writes it: columns, their order and their spelling.
//!
//! Columns follow the log references of docs.zeek.org; the TSV rules (tab between fields, `-` for
//! unset, `(empty)` for an empty set, times with six decimals) are those of its ASCII writer.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use crate::limits::HISTORY_BYTES_MAX;

/// The logs that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Log {
    CaptureLoss,
    Conn,
    Dhcp,
    Dns,
    Files,
    Http,
    Notice,
    Quic,
    Ssl,
}

impl Log {
    pub(crate) const ALL: [Self; 9] = [
        Self::CaptureLoss,
        Self::Conn,
        Self::Dhcp,
        Self::Dns,
        Self::Files,
        Self::Http,
        Self::Notice,
        Self::Quic,
        Self::Ssl,
    ];

    /// Its name in file names and after `#path`.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::CaptureLoss => "capture_loss",
            Self::Conn => "conn",
            Self::Dhcp => "dhcp",
            Self::Dns => "dns",
            Self::Files => "files",
            Self::Http => "http",
            Self::Notice => "notice",
            Self::Quic => "quic",
            Self::Ssl => "ssl",
        }
    }

    /// Its columns, each with its type, in the order of its rows.
    pub(crate) const fn columns(self) -> &'static str {
        match self {
            Self::CaptureLoss => {
                "ts:time ts_delta:interval peer:string gaps:count acks:count percent_lost:double"
            }
            Self::Conn => {
                "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port \
                 proto:enum service:string duration:interval orig_bytes:count resp_bytes:count \
                 conn_state:string local_orig:bool local_resp:bool missed_bytes:count \
                 history:string orig_pkts:count orig_ip_bytes:count resp_pkts:count \
                 resp_ip_bytes:count tunnel_parents:set[string]"
            }
            Self::Dhcp => {
                "ts:time uids:set[string] client_addr:addr server_addr:addr mac:string \
                 host_name:string client_fqdn:string domain:string requested_addr:addr \
                 assigned_addr:addr lease_time:interval client_message:string \
                 server_message:string msg_types:vector[string] duration:interval"
            }
            Self::Dns => {
                "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port \
                 proto:enum trans_id:count rtt:interval query:string qclass:count \
                 qclass_name:string qtype:count qtype_name:string rcode:count rcode_name:string \
                 AA:bool TC:bool RD:bool RA:bool Z:count answers:vector[string] \
                 TTLs:vector[interval] rejected:bool"
            }
            Self::Files => {
                "ts:time fuid:string uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr \
                 id.resp_p:port source:string depth:count analyzers:set[string] mime_type:string \
                 filename:string duration:interval local_orig:bool is_orig:bool seen_bytes:count \
                 total_bytes:count missing_bytes:count overflow_bytes:count timedout:bool \
                 parent_fuid:string md5:string sha1:string sha256:string extracted:string \
                 extracted_cutoff:bool extracted_size:count"
            }
            Self::Http => {
                "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port \
                 trans_depth:count method:string host:string uri:string referrer:string \
                 version:string user_agent:string origin:string request_body_len:count \
                 response_body_len:count status_code:count status_msg:string info_code:count \
                 info_msg:string tags:set[enum] username:string password:string \
                 proxied:set[string] orig_fuids:vector[string] orig_filenames:vector[string] \
                 orig_mime_types:vector[string] resp_fuids:vector[string] \
                 resp_filenames:vector[string] resp_mime_types:vector[string]"
            }
            Self::Notice => {
                "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port \
                 fuid:string file_mime_type:string file_desc:string proto:enum note:enum \
                 msg:string sub:string src:addr dst:addr p:port n:count peer_descr:string \
                 actions:set[enum] email_dest:set[string] suppress_for:interval \
                 remote_location.country_code:string remote_location.region:string \
                 remote_location.city:string remote_location.latitude:double \
                 remote_location.longitude:double"
            }
            Self::Quic => {
                "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port \
                 version:string client_initial_dcid:string client_scid:string server_scid:string \
                 server_name:string client_protocol:string history:string"
            }
            Self::Ssl => {
                "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port \
                 version:string cipher:string curve:string server_name:string resumed:bool \
                 last_alert:string next_protocol:string established:bool ssl_history:string \
                 cert_chain_fps:vector[string] client_cert_chain_fps:vector[string] \
                 sni_matches_cert:bool"
            }
        }
    }
}

/// Zeek's name of a connection or file: a letter and 96 bits in base 62.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uid([u8; 17]);

impl Uid {
    /// `unique` is kept whole (11 digits hold 64 bits), so different numbers never meet;
    /// `noise` fills it up to the usual length.
    pub(crate) fn new(letter: u8, mut unique: u64, mut noise: u32) -> Self {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut text = [letter; 17];
        for slot in &mut text[1..12] {
            *slot = DIGITS[(unique % 62) as usize];
            unique /= 62;
        }
        for slot in &mut text[12..] {
            *slot = DIGITS[(noise % 62) as usize];
            noise /= 62;
        }
        Self(text)
    }
}

/// Who talks to whom: originator, its port, responder, its port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends(pub(crate) IpAddr, pub(crate) u16, pub(crate) IpAddr, pub(crate) u16);

/// Transport protocols that occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proto {
    Icmp,
    Tcp,
    Udp,
}

impl Proto {
    const fn name(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Zeek's letters of what happened, short enough to be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    letters: [u8; HISTORY_BYTES_MAX],
    len: u8,
}

impl History {
    /// Appends letters; those beyond the bound are left out.
    pub(crate) fn push(&mut self, letters: &str) {
        for letter in letters.bytes() {
            if let Some(slot) = self.letters.get_mut(usize::from(self.len)) {
                *slot = letter;
                self.len += 1;
            }
        }
    }
    /// Those letters.
    pub(crate) fn of(letters: &str) -> Self {
        let mut history = Self::default();
        history.push(letters);
        history
    }
    /// Takes out every letter of `these`.
    pub(crate) fn without(self, these: &str) -> Self {
        let mut history = Self::default();
        for letter in self.as_bytes() {
            if !these.as_bytes().contains(letter) {
                history.letters[usize::from(history.len)] = *letter;
                history.len += 1;
            }
        }
        history
    }
    fn as_bytes(&self) -> &[u8] {
        &self.letters[..usize::from(self.len)]
    }
}

/// A connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conn {
    /// Microseconds since 1970.
    pub(crate) start: u64,
    pub(crate) uid: Uid,
    pub(crate) ends: Ends,
    pub(crate) proto: Proto,
    /// Empty when not recognised.
    pub(crate) service: &'static str,
    /// Microseconds; `None` for a single packet.
    pub(crate) duration: Option<u64>,
    pub(crate) state: &'static str,
    pub(crate) history: History,
    pub(crate) up: Way,
    pub(crate) down: Way,
    pub(crate) local: (bool, bool),
}

/// One direction of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// Payload bytes.
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    /// Payload and headers, what was sent again included.
    pub(crate) ip_bytes: u64,
}

/// A DNS transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dns<'a> {
    pub(crate) time: u64,
    pub(crate) uid: Uid,
    pub(crate) ends: Ends,
    pub(crate) proto: Proto,
    pub(crate) id: u16,
    /// Microseconds; `None`: never answered.
    pub(crate) rtt: Option<u64>,
    pub(crate) query: &'a str,
    pub(crate) qtype: QType,
    pub(crate) rcode: RCode,
    /// Comma-separated; empty for none.
    pub(crate) answers: &'a str,
    /// Seconds, the same for each answer.
    pub(crate) ttl: u64,
    /// Whether the resolver is authoritative.
    pub(crate) authoritative: bool,
}

/// Query types that occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QType {
    A,
    Aaaa,
    Cname,
    Https,
    Mx,
    Null,
    Ptr,
    Srv,
    Txt,
}

impl QType {
    const fn columns(self) -> (u64, &'static str) {
        match self {
            Self::A => (1, "A"),
            Self::Aaaa => (28, "AAAA"),
            Self::Cname => (5, "CNAME"),
            Self::Https => (65, "HTTPS"),
            Self::Mx => (15, "MX"),
            Self::Null => (10, "NULL"),
            Self::Ptr => (12, "PTR"),
            Self::Srv => (33, "SRV"),
            Self::Txt => (16, "TXT"),
        }
    }
}

/// Response codes that occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RCode {
    NoError,
    NxDomain,
    ServFail,
}

/// A TLS session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ssl<'a> {
    pub(crate) time: u64,
    pub(crate) uid: Uid,
    pub(crate) ends: Ends,
    /// Empty when the client sent none.
    pub(crate) server_name: &'a str,
    pub(crate) resumed: bool,
    /// The server answered.
    pub(crate) answered: bool,
    /// TLS 1.3, else 1.2.
    pub(crate) modern: bool,
    /// A hybrid post-quantum group was agreed on.
    pub(crate) hybrid: bool,
    /// Inside QUIC, where Zeek sees the hello only.
    pub(crate) quic: bool,
    pub(crate) alpn: &'static str,
    pub(crate) cert_fp: u64,
}

/// An HTTP request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Http<'a> {
    pub(crate) time: u64,
    pub(crate) uid: Uid,
    pub(crate) ends: Ends,
    pub(crate) depth: u64,
    pub(crate) method: &'static str,
    /// Empty when the header is missing.
    pub(crate) host: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) request_body: u64,
    pub(crate) response_body: u64,
    pub(crate) status: (u64, &'static str),
    /// The response's file, when it had a body.
    pub(crate) file: Option<(Uid, &'static str)>,
    /// The request's file, when it had a body.
    pub(crate) sent: Option<(Uid, &'static str)>,
}

/// A file in transit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File<'a> {
    pub(crate) time: u64,
    pub(crate) fuid: Uid,
    pub(crate) uid: Uid,
    pub(crate) ends: Ends,
    pub(crate) mime: &'static str,
    /// Empty when none was named.
    pub(crate) name: &'a str,
    pub(crate) duration: u64,
    pub(crate) local_orig: bool,
    pub(crate) from_orig: bool,
    pub(crate) bytes: u64,
}

/// Writes one row into a buffer, field by field.
pub(crate) struct Line<'a>(&'a mut Vec<u8>);

impl<'a> Line<'a> {
    pub(crate) fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self(buffer)
    }
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(if text.is_empty() { b"-" } else { text.as_bytes() });
        self.0.push(b'\t');
        self
    }
    pub(crate) fn unset(&mut self, times: usize) -> &mut Self {
        for _ in 0..times {
            self.0.extend_from_slice(b"-\t");
        }
        self
    }
    pub(crate) fn flag(&mut self, flag: bool) -> &mut Self {
        self.0.extend_from_slice(if flag { b"T\t" } else { b"F\t" });
        self
    }
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        push_number(self.0, number);
        self.0.push(b'\t');
        self
    }
    /// Microseconds as seconds with six decimals.
    pub(crate) fn micros(&mut self, micros: u64) -> &mut Self {
        push_number(self.0, micros / 1_000_000);
        let mut rest = micros % 1_000_000;
        let mut digits = *b".000000\t";
        for slot in digits[1..7].iter_mut().rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.0.extend_from_slice(&digits);
        self
    }
    pub(crate) fn addr(&mut self, addr: IpAddr) -> &mut Self {
        push_addr(self.0, addr);
        self.0.push(b'\t');
        self
    }
    pub(crate) fn uid(&mut self, uid: Uid) -> &mut Self {
        self.0.extend_from_slice(&uid.0);
        self.0.push(b'\t');
        self
    }
    fn ends(&mut self, Ends(orig, orig_port, resp, resp_port): Ends) -> &mut Self {
        self.addr(orig).number(orig_port.into()).addr(resp).number(resp_port.into())
    }
    /// The tab after the last field becomes the end of the line.
    pub(crate) fn end(&mut self) {
        if let Some(last) = self.0.last_mut() {
            *last = b'\n';
        }
    }

    pub(crate) fn conn(&mut self, conn: &Conn) {
        self.micros(conn.start).uid(conn.uid).ends(conn.ends);
        self.text(conn.proto.name()).text(conn.service);
        match conn.duration {
            Some(duration) => {
                self.micros(duration).number(conn.up.bytes).number(conn.down.bytes);
            }
            None => {
                self.unset(3);
            }
        }
        self.text(conn.state).flag(conn.local.0).flag(conn.local.1).number(0);
        if conn.history.len == 0 {
            self.unset(1);
        } else {
            self.0.extend_from_slice(conn.history.as_bytes());
            self.0.push(b'\t');
        }
        self.number(conn.up.packets).number(conn.up.ip_bytes);
        self.number(conn.down.packets).number(conn.down.ip_bytes).unset(1).end();
    }

    pub(crate) fn dns(&mut self, dns: &Dns<'_>) {
        self.micros(dns.time).uid(dns.uid).ends(dns.ends).text(dns.proto.name());
        self.number(dns.id.into());
        let answered = dns.rtt.is_some();
        match dns.rtt {
            Some(rtt) => self.micros(rtt),
            None => self.unset(1),
        };
        let (number, name) = dns.qtype.columns();
        self.text(dns.query).text("1").text("C_INTERNET").number(number).text(name);
        match (answered, dns.rcode) {
            (false, _) => self.unset(2),
            (true, RCode::NoError) => self.text("0").text("NOERROR"),
            (true, RCode::NxDomain) => self.text("3").text("NXDOMAIN"),
            (true, RCode::ServFail) => self.text("2").text("SERVFAIL"),
        };
        self.flag(dns.authoritative && answered).flag(false).flag(true).flag(answered).number(0);
        self.text(dns.answers);
        if dns.answers.is_empty() {
            self.unset(1);
        } else {
            for index in 0..dns.answers.split(',').count() {
                if index > 0 {
                    self.0.push(b',');
                }
                push_number(self.0, dns.ttl);
                self.0.extend_from_slice(b".000000");
            }
            self.0.push(b'\t');
        }
        self.flag(answered && dns.rcode != RCode::NoError).end();
    }

    pub(crate) fn ssl(&mut self, ssl: &Ssl<'_>) {
        self.micros(ssl.time).uid(ssl.uid).ends(ssl.ends);
        if ssl.answered {
            let (version, cipher) = if ssl.modern {
                ("TLSv13", "TLS_AES_128_GCM_SHA256")
            } else {
                ("TLSv12", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
            };
            let curve = if ssl.hybrid { "X25519MLKEM768" } else { "x25519" };
            self.text(version).text(cipher).text(curve);
        } else {
            self.unset(3);
        }
        self.text(ssl.server_name).flag(ssl.resumed).unset(1);
        // What TLS 1.3 encrypts is unset: the protocol agreed on and the certificate.
        let clear = ssl.answered && !ssl.modern;
        self.text(if clear { ssl.alpn } else { "" }).flag(ssl.answered && !ssl.quic);
        let history = match (ssl.answered, ssl.quic, ssl.modern, ssl.resumed) {
            (false, ..) => "C",
            (true, true, ..) => "Cs",
            (true, false, true, _) => "CsiI",
            (true, false, false, true) => "CsiI",
            (true, false, false, false) => "CsxknGIi",
        };
        self.text(history);
        if clear && !ssl.resumed {
            for part in 0..4 {
                let word = crate::random::mix(ssl.cert_fp.wrapping_add(part));
                // A Vec takes every write.
                let _ = write!(self.0, "{word:016x}");
            }
            self.0.push(b'\t');
            self.text("(empty)").text("T").end();
        } else {
            self.unset(3).end();
        }
    }

    pub(crate) fn http(&mut self, http: &Http<'_>) {
        self.micros(http.time).uid(http.uid).ends(http.ends).number(http.depth);
        self.text(http.method).text(http.host).text(http.uri).unset(1).text("1.1");
        self.text(http.agent).unset(1).number(http.request_body).number(http.response_body);
        if http.status.0 == 0 {
            self.unset(2);
        } else {
            self.number(http.status.0).text(http.status.1);
        }
        self.unset(2).text("(empty)").unset(3);
        for file in [http.sent, http.file] {
            match file {
                Some((fuid, mime)) => self.uid(fuid).unset(1).text(mime),
                None => self.unset(3),
            };
        }
        self.end();
    }

    pub(crate) fn file(&mut self, file: &File<'_>) {
        self.micros(file.time).uid(file.fuid).uid(file.uid).ends(file.ends);
        self.text("HTTP").number(0).text("(empty)").text(file.mime).text(file.name);
        self.micros(file.duration).flag(file.local_orig).flag(file.from_orig);
        self.number(file.bytes).number(file.bytes).number(0).number(0).flag(false);
        self.unset(7).end();
    }
}

fn push_number(buffer: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    buffer.extend_from_slice(&digits[at..]);
}

/// An address in text.
pub(crate) fn push_addr(buffer: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => push_v4(buffer, addr),
        IpAddr::V6(addr) => {
            // A Vec takes every write.
            let _ = write!(buffer, "{addr}");
        }
    }
}

fn push_v4(buffer: &mut Vec<u8>, addr: Ipv4Addr) {
    for (index, octet) in addr.octets().into_iter().enumerate() {
        if index > 0 {
            buffer.push(b'.');
        }
        push_number(buffer, octet.into());
    }
}

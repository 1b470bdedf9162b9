//! What a source hands on: one record of a log, borrowed from the input's bytes.
//!
//! Sources (`source/`) read formats and call a [`Sink`]; they judge nothing. The intake (`intake.rs`) is the
//! product's sink; tests and fuzz targets bring their own.

use std::net::IpAddr;

/// The two ends of a connection, as the sensor names them: who opened it, and who was addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ends {
    /// Originator's address.
    pub orig: IpAddr,
    /// Originator's port; the type for ICMP; 0 where the protocol has none.
    pub orig_port: u16,
    /// Responder's address.
    pub resp: IpAddr,
    /// Responder's port; the code for ICMP; 0 where the protocol has none.
    pub resp_port: u16,
}

/// How a TCP connection went, in Zeek's words (`conn_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "Zeek's own names; what they mean stands in its conn.log reference"
)]
pub enum ConnState {
    S0,
    S1,
    Sf,
    Rej,
    S2,
    S3,
    Rsto,
    Rstr,
    Rstos0,
    Rstrh,
    Sh,
    Shr,
    Oth,
}

impl ConnState {
    /// As Zeek writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S0 => "S0",
            Self::S1 => "S1",
            Self::Sf => "SF",
            Self::Rej => "REJ",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::Rsto => "RSTO",
            Self::Rstr => "RSTR",
            Self::Rstos0 => "RSTOS0",
            Self::Rstrh => "RSTRH",
            Self::Sh => "SH",
            Self::Shr => "SHR",
            Self::Oth => "OTH",
        }
    }
}

/// How the sizes of a connection are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sizes {
    /// The sensor counted payload.
    #[default]
    Counted,
    /// The sensor saw every packet and counted frames or IP packets; payload is what headers leave.
    Estimated,
    /// A router's record: as [`Self::Estimated`], and perhaps of sampled packets or of one way only.
    Exported,
}

impl Sizes {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Estimated => "estimated",
            Self::Exported => "exported",
        }
    }
}

/// A connection: conn.log, or open_conn.log for one that had not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Conn<'a> {
    /// Microseconds since 1970 UTC of the first packet.
    pub start_us: i64,
    /// The sensor's name for it, UTF-8; empty where the format has none.
    pub uid: &'a [u8],
    /// Who talked to whom.
    pub ends: Ends,
    /// IP protocol number: 6 TCP, 17 UDP, 1 and 58 ICMP.
    pub transport: u8,
    /// Recognised application protocols, comma-separated as Zeek writes them.
    pub service: Option<&'a [u8]>,
    /// Microseconds; `None` when the sensor did not say.
    pub duration_us: Option<u64>,
    /// Payload bytes from the originator.
    pub orig_bytes: Option<u64>,
    /// Payload bytes from the responder.
    pub resp_bytes: Option<u64>,
    /// How it went.
    pub state: Option<ConnState>,
    /// Whether the sensor takes the originator for an inside host.
    pub local_orig: Option<bool>,
    /// Whether the sensor takes the responder for an inside host.
    pub local_resp: Option<bool>,
    /// Bytes that the sensor missed in the middle.
    pub missed_bytes: u64,
    /// Zeek's letters of what happened, upper case from the originator.
    pub history: Option<&'a [u8]>,
    /// Packets from the originator.
    pub orig_packets: Option<u64>,
    /// IP bytes from the originator, headers included.
    pub orig_ip_bytes: Option<u64>,
    /// Packets from the responder.
    pub resp_packets: Option<u64>,
    /// IP bytes from the responder, headers included.
    pub resp_ip_bytes: Option<u64>,
    /// How bytes and packets are known.
    pub sizes: Sizes,
    /// From an `open_` log: a snapshot of a connection that goes on.
    pub open: bool,
}

/// One answer of a DNS response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsAnswer<'a> {
    /// An address.
    Address(IpAddr),
    /// A name or other text, as the log writes it.
    Text(&'a str),
}

/// A DNS transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Dns<'a> {
    /// When the query was seen.
    pub time_us: i64,
    /// The connection's uid.
    pub uid: &'a str,
    /// Client and server.
    pub ends: Ends,
    /// IP protocol number.
    pub transport: u8,
    /// The name asked for.
    pub query: Option<&'a str>,
    /// Query type number.
    pub qtype: Option<u16>,
    /// Response code number; `None`: no response seen.
    pub rcode: Option<u16>,
    /// Answers in the log's order.
    pub answers: Vec<DnsAnswer<'a>>,
    /// TTLs in whole seconds, one an answer where the log has them.
    pub ttls_s: Vec<u32>,
    /// The response as a message, bytes, where the sensor gives it.
    pub response_bytes: Option<u32>,
}

/// A TLS session (ssl.log) or a QUIC one (quic.log).
#[derive(Clone, Debug, PartialEq)]
pub struct Tls<'a> {
    /// When the handshake was seen.
    pub time_us: i64,
    /// The connection's uid.
    pub uid: &'a str,
    /// Client and server.
    pub ends: Ends,
    /// From quic.log.
    pub quic: bool,
    /// Server name of the ClientHello.
    pub server_name: Option<&'a str>,
    /// Version negotiated.
    pub version: Option<&'a str>,
    /// Application protocol negotiated (ALPN).
    pub next_protocol: Option<&'a str>,
    /// Whether the handshake completed.
    pub established: Option<bool>,
    /// Subject of the server's certificate.
    pub subject: Option<&'a str>,
    /// Issuer of the server's certificate.
    pub issuer: Option<&'a str>,
    /// Result of the sensor's validation of the chain.
    pub validation_status: Option<&'a str>,
    /// JA3 of the client, where the sensor computes it.
    pub ja3: Option<&'a str>,
    /// JA4 of the client, where the sensor computes it.
    pub ja4: Option<&'a str>,
    /// The client's hello with its header, bytes, where it was seen.
    pub hello_bytes: Option<u32>,
    /// From an `open_` log.
    pub open: bool,
}

/// An HTTP request with its response.
#[derive(Clone, Debug, PartialEq)]
pub struct Http<'a> {
    /// When the request was seen.
    pub time_us: i64,
    /// The connection's uid.
    pub uid: &'a str,
    /// Client and server; behind a proxy the server is the proxy.
    pub ends: Ends,
    /// GET, POST, CONNECT and so on.
    pub method: Option<&'a str>,
    /// The Host header, with a port if it had one.
    pub host: Option<&'a str>,
    /// The path asked for. Used for its extension only.
    pub uri: Option<&'a str>,
    /// The User-Agent header.
    pub user_agent: Option<&'a str>,
    /// Body sent.
    pub request_body_bytes: u64,
    /// Body received.
    pub response_body_bytes: u64,
    /// Status code of the response.
    pub status: Option<u16>,
    /// MIME types that the sensor recognised in what came back.
    pub resp_mime_types: Vec<&'a str>,
    /// MIME types that the sensor recognised in what was sent.
    pub orig_mime_types: Vec<&'a str>,
    /// From an `open_` log.
    pub open: bool,
}

/// A file seen in transit.
#[derive(Clone, Debug, PartialEq)]
pub struct File<'a> {
    /// When it was first seen.
    pub time_us: i64,
    /// The connections that carried it.
    pub conn_uids: Vec<&'a str>,
    /// Its two ends, in no order; an end that is not told is absent.
    pub ends: [Option<IpAddr>; 2],
    /// Protocol it was seen in (`HTTP`, `SMB`, `SSL`).
    pub protocol: Option<&'a str>,
    /// What its bytes look like.
    pub mime_type: Option<&'a str>,
    /// Whether the originator of the connection sent it.
    pub is_orig: Option<bool>,
    /// Bytes seen.
    pub seen_bytes: u64,
    /// Bytes in all, where the protocol says.
    pub total_bytes: Option<u64>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct X509<'a> {
    /// When it was seen.
    pub time_us: i64,
    /// Fingerprint, or the file id in older logs.
    pub id: &'a str,
    /// Subject.
    pub subject: Option<&'a str>,
    /// Issuer.
    pub issuer: Option<&'a str>,
    /// Start of its validity, microseconds since 1970.
    pub not_before_us: Option<i64>,
    /// End of its validity, microseconds since 1970.
    pub not_after_us: Option<i64>,
    /// DNS names of the subject alternative name extension.
    pub san_dns: Vec<&'a str>,
}

/// A DHCP exchange: which machine had which address.
#[derive(Clone, Debug, PartialEq)]
pub struct Dhcp<'a> {
    /// When it was seen.
    pub time_us: i64,
    /// Hardware address of the client.
    pub mac: Option<&'a str>,
    /// Address in use or assigned.
    pub address: Option<IpAddr>,
    /// The name that the client gives itself.
    pub host_name: Option<&'a str>,
    /// Domain of the client's full name or of the network.
    pub domain: Option<&'a str>,
    /// How long the lease runs, seconds.
    pub lease_s: Option<u64>,
}

/// A protocol by which somebody logs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogonProtocol {
    /// Kerberos: to the domain.
    Kerberos,
    /// NTLM, whatever carries it.
    Ntlm,
    /// Remote desktop.
    Rdp,
    /// Mail submission.
    Smtp,
    /// Secure shell.
    Ssh,
}

impl LogonProtocol {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Kerberos, Self::Ntlm, Self::Rdp, Self::Smtp, Self::Ssh];

    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kerberos => "Kerberos",
            Self::Ntlm => "NTLM",
            Self::Rdp => "RDP",
            Self::Smtp => "SMTP",
            Self::Ssh => "SSH",
        }
    }
}

/// A log-on, or a part of one that names who tries.
#[derive(Clone, Debug, PartialEq)]
pub struct Logon<'a> {
    /// When it was seen.
    pub time_us: i64,
    /// Client and server.
    pub ends: Ends,
    /// By what.
    pub protocol: LogonProtocol,
    /// Whether it worked; `None`: not told, or not over.
    pub success: Option<bool>,
    /// The user, without a domain.
    pub user: Option<&'a str>,
    /// The client's name for itself.
    pub machine: Option<&'a str>,
}

/// What a client does on another machine that only administrators may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemoteAct {
    /// Opens a share that is there for administrators.
    AdminShare,
    /// Makes it run something.
    Execution,
}

/// File sharing, or a call of a procedure of another machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote<'a> {
    /// When it was seen.
    pub time_us: i64,
    /// The connection's uid.
    pub uid: &'a str,
    /// Client and server.
    pub ends: Ends,
    /// What it is, if it matters here.
    pub act: Option<RemoteAct>,
}

/// A notice of the sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice<'a> {
    /// When it was raised.
    pub time_us: i64,
    /// The connection it is about.
    pub uid: Option<&'a str>,
    /// Its type (`SSL::Invalid_Server_Cert`).
    pub note: &'a str,
    /// Its sentence.
    pub message: Option<&'a str>,
    /// Who.
    pub source: Option<IpAddr>,
    /// To whom.
    pub destination: Option<IpAddr>,
}

/// How much of the traffic a sensor lost.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureLoss<'a> {
    /// End of the interval.
    pub time_us: i64,
    /// Length of the interval, microseconds.
    pub interval_us: u64,
    /// Which sensor process.
    pub peer: &'a str,
    /// Share of acknowledged segments that were not seen, percent.
    pub percent_lost: f64,
}

/// Takes records in any order. Nothing of a record outlives the call.
pub trait Sink {
    /// A connection.
    fn conn(&mut self, record: &Conn<'_>);
    /// A DNS transaction.
    fn dns(&mut self, record: &Dns<'_>);
    /// A TLS or QUIC session.
    fn tls(&mut self, record: &Tls<'_>);
    /// An HTTP request.
    fn http(&mut self, record: &Http<'_>);
    /// A file.
    fn file(&mut self, record: &File<'_>);
    /// A certificate.
    fn x509(&mut self, record: &X509<'_>);
    /// A DHCP exchange.
    fn dhcp(&mut self, record: &Dhcp<'_>);
    /// A log-on.
    fn logon(&mut self, record: &Logon<'_>);
    /// File sharing or a remote procedure call.
    fn remote(&mut self, record: &Remote<'_>);
    /// A sensor's notice.
    fn notice(&mut self, record: &Notice<'_>);
    /// A loss report.
    fn capture_loss(&mut self, record: &CaptureLoss<'_>);
}

/// A sink that is told which file its records come from, so that it can settle what stands twice.
pub trait FileSink: Sink {
    /// The records that follow come from this file: its place in the sorted list of inputs. A file's
    /// pieces may reach several sinks, and a sink several times, in any order.
    fn enter(&mut self, file: u32);
}

/// Why a line gave no record. Each is a key of `skipped` in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Bytes that are no text of the format: binary, or not UTF-8 where text is needed.
    Binary,
    /// JSON that does not parse.
    BadJson,
    /// A time that is none.
    BadTime,
    /// An address that is none.
    BadAddress,
    /// A port outside 0 to 65535.
    BadPort,
    /// A number that is none, or negative.
    BadNumber,
    /// A column that every record of this log needs is absent or unset.
    MissingField,
    /// More or fewer columns than the header names.
    ColumnCount,
    /// A line longer than the limit.
    LineTooLong,
    /// The last line ends in the middle.
    CutOff,
    /// A row before any header.
    NoHeader,
    /// A frame that carries no IP packet (ARP, LLDP), or of a link that we do not know.
    NotIp,
    /// A packet that is cut off in its headers, whose headers cannot be, or a part of one whose first
    /// part was not seen.
    BadPacket,
    /// Part of a capture or an export whose lengths cannot be; what follows it was not read.
    BadBlock,
    /// The same flow stands elsewhere in the input, as recent or more so.
    Duplicate,
    /// A record that tells of no flow: an interval without traffic, or one whose flows were left out.
    NoFlow,
    /// A log that this version does not use, recognised.
    UnusedLog,
}

impl Skip {
    /// All of them, in the order of the report.
    pub const ALL: &'static [Self] = &[
        Self::BadAddress,
        Self::BadBlock,
        Self::BadJson,
        Self::BadNumber,
        Self::BadPacket,
        Self::BadPort,
        Self::BadTime,
        Self::Binary,
        Self::ColumnCount,
        Self::CutOff,
        Self::Duplicate,
        Self::LineTooLong,
        Self::MissingField,
        Self::NoFlow,
        Self::NoHeader,
        Self::NotIp,
        Self::UnusedLog,
    ];

    /// What it means and what to do, for the report's text.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Binary => "bytes that are no text",
            Self::BadJson => "JSON that does not parse",
            Self::BadTime => "times that are neither seconds since 1970 nor ISO 8601",
            Self::BadAddress => "addresses that are none",
            Self::BadPort => "ports outside 0 to 65535",
            Self::BadNumber => "numbers that are none, or negative",
            Self::MissingField => {
                "a time, an address or another field that every record needs is missing"
            }
            Self::ColumnCount => "more or fewer columns than the header names",
            Self::LineTooLong => "lines beyond the limit",
            Self::CutOff => "a last line that ends in the middle",
            Self::NoHeader => "rows before any header: send the log with its # lines",
            Self::NoFlow => "records of intervals without traffic, or whose flows were left out",
            Self::Duplicate => "flows that stand elsewhere too",
            Self::UnusedLog => "of logs that this version does not use",
            Self::NotIp => "frames without an IP packet",
            Self::BadPacket => "packets cut off in their headers, or with headers that cannot be",
            Self::BadBlock => {
                "parts of a capture or export whose lengths cannot be; the rest was not read"
            }
        }
    }

    /// The key in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::BadJson => "bad_json",
            Self::BadTime => "bad_time",
            Self::BadAddress => "bad_address",
            Self::BadPort => "bad_port",
            Self::BadNumber => "bad_number",
            Self::MissingField => "missing_field",
            Self::ColumnCount => "column_count",
            Self::LineTooLong => "line_too_long",
            Self::CutOff => "cut_off",
            Self::NoHeader => "no_header",
            Self::NotIp => "not_ip",
            Self::BadPacket => "bad_packet",
            Self::BadBlock => "bad_block",
            Self::Duplicate => "duplicate",
            Self::NoFlow => "no_flow",
            Self::UnusedLog => "unused_log",
        }
    }
}

//! The objects inside events, as far as they are read.

use serde::Deserialize;

use crate::source::value::Value;

#[derive(Deserialize)]
pub(super) struct Flow<'a> {
    #[serde(borrow, default)]
    pub(super) pkts_toserver: Value<'a>,
    #[serde(borrow, default)]
    pub(super) pkts_toclient: Value<'a>,
    #[serde(borrow, default)]
    pub(super) bytes_toserver: Value<'a>,
    #[serde(borrow, default)]
    pub(super) bytes_toclient: Value<'a>,
    #[serde(borrow, default)]
    pub(super) start: Value<'a>,
    #[serde(borrow, default)]
    pub(super) end: Value<'a>,
    #[serde(borrow, default)]
    pub(super) age: Value<'a>,
    #[serde(borrow, default)]
    pub(super) state: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct Tcp<'a> {
    #[serde(borrow, default)]
    pub(super) tcp_flags_ts: Value<'a>,
    #[serde(borrow, default)]
    pub(super) tcp_flags_tc: Value<'a>,
}

/// All three forms: an answer an event (1), answers in a list or grouped (2), queries in a list (3).
#[derive(Deserialize)]
pub(super) struct DnsPart<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Value<'a>,
    #[serde(borrow, default)]
    pub(super) rrname: Value<'a>,
    #[serde(borrow, default)]
    pub(super) rrtype: Value<'a>,
    #[serde(borrow, default)]
    pub(super) rcode: Value<'a>,
    #[serde(borrow, default)]
    pub(super) rdata: Value<'a>,
    #[serde(borrow, default)]
    pub(super) ttl: Value<'a>,
    #[serde(borrow, default)]
    pub(super) queries: Vec<Query<'a>>,
    #[serde(borrow, default)]
    pub(super) answers: Vec<Answer<'a>>,
    #[serde(borrow)]
    pub(super) grouped: Option<Grouped<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Query<'a> {
    #[serde(borrow, default)]
    pub(super) rrname: Value<'a>,
    #[serde(borrow, default)]
    pub(super) rrtype: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(super) rdata: Value<'a>,
    #[serde(borrow, default)]
    pub(super) ttl: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct Grouped<'a> {
    #[serde(rename = "A", borrow, default)]
    pub(super) a: Vec<Value<'a>>,
    #[serde(rename = "AAAA", borrow, default)]
    pub(super) aaaa: Vec<Value<'a>>,
    #[serde(rename = "CNAME", borrow, default)]
    pub(super) cname: Vec<Value<'a>>,
}

/// `tls`, and `quic`, which has the same of what we use.
#[derive(Deserialize)]
pub(super) struct TlsPart<'a> {
    #[serde(borrow, default)]
    pub(super) sni: Value<'a>,
    #[serde(borrow, default)]
    pub(super) version: Value<'a>,
    #[serde(borrow, default)]
    pub(super) subject: Value<'a>,
    #[serde(borrow, default)]
    pub(super) issuerdn: Value<'a>,
    #[serde(borrow, default)]
    pub(super) server_alpns: Vec<Value<'a>>,
    #[serde(borrow)]
    pub(super) ja3: Option<Ja3<'a>>,
    #[serde(borrow, default)]
    pub(super) ja4: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct Ja3<'a> {
    #[serde(borrow, default)]
    pub(super) hash: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct HttpPart<'a> {
    #[serde(borrow, default)]
    pub(super) hostname: Value<'a>,
    #[serde(borrow, default)]
    pub(super) url: Value<'a>,
    #[serde(borrow, default)]
    pub(super) http_user_agent: Value<'a>,
    #[serde(borrow, default)]
    pub(super) http_method: Value<'a>,
    #[serde(borrow, default)]
    pub(super) status: Value<'a>,
    #[serde(borrow, default)]
    pub(super) length: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct FilePart<'a> {
    #[serde(borrow, default)]
    pub(super) size: Value<'a>,
    #[serde(borrow, default)]
    pub(super) state: Value<'a>,
    #[serde(borrow, default)]
    pub(super) mimetype: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct Alert<'a> {
    #[serde(borrow, default)]
    pub(super) signature: Value<'a>,
    #[serde(borrow, default)]
    pub(super) category: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct DhcpPart<'a> {
    #[serde(borrow, default)]
    pub(super) dhcp_type: Value<'a>,
    #[serde(borrow, default)]
    pub(super) client_mac: Value<'a>,
    #[serde(borrow, default)]
    pub(super) assigned_ip: Value<'a>,
    #[serde(borrow, default)]
    pub(super) client_ip: Value<'a>,
    #[serde(borrow, default)]
    pub(super) hostname: Value<'a>,
    #[serde(borrow, default)]
    pub(super) lease_time: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct KerberosPart<'a> {
    #[serde(borrow, default)]
    pub(super) msg_type: Value<'a>,
    #[serde(borrow, default)]
    pub(super) failed_request: Value<'a>,
    #[serde(borrow, default)]
    pub(super) error_code: Value<'a>,
    #[serde(borrow, default)]
    pub(super) cname: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct RdpPart<'a> {
    #[serde(borrow, default)]
    pub(super) cookie: Value<'a>,
    #[serde(borrow)]
    pub(super) client: Option<RdpClient<'a>>,
}

#[derive(Deserialize)]
pub(super) struct RdpClient<'a> {
    #[serde(borrow, default)]
    pub(super) client_name: Value<'a>,
}

#[derive(Deserialize)]
pub(super) struct SmbPart<'a> {
    #[serde(borrow, default)]
    pub(super) status: Value<'a>,
    #[serde(borrow, default)]
    pub(super) share: Value<'a>,
    #[serde(borrow)]
    pub(super) ntlmssp: Option<Ntlm<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Ntlm<'a> {
    #[serde(borrow, default)]
    pub(super) user: Value<'a>,
    #[serde(borrow, default)]
    pub(super) host: Value<'a>,
}

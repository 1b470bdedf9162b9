//! Suricata's EVE JSON: an event a record. Fields:
//! <https://docs.suricata.io/en/latest/output/eve/eve-json-format.html>, and the examples there for
//! the older forms of `dns`.
//!
//! Events of one flow carry its `flow_id`, which is the uid here. Flow events count whole frames, so
//! payload is estimated; DNS queries and answers are events, and so records, of their own.

mod part;

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::part::{
    Alert, DhcpPart, DnsPart, FilePart, Flow, HttpPart, KerberosPart, RdpPart, SmbPart, Tcp,
    TlsPart,
};
use super::sizes::{self, ETHERNET_BYTES};
use super::value::Value;
use super::{logon, remote, text};
use crate::limits::LIST_ITEMS_MAX;
use crate::record::{
    Conn, ConnState, Dhcp, Dns, DnsAnswer, Ends, File, Http, Logon, LogonProtocol, Notice, Remote,
    RemoteAct, Sink, Sizes, Skip, Tls,
};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// IANA's reserved protocol number, for a protocol that the event does not name.
const TRANSPORT_UNKNOWN: u8 = 255;
const DNS_PORT: u16 = 53;

/// Whether an object with these keys is an event.
pub(super) fn is(keys: &[&str]) -> bool {
    ["timestamp", "event_type"].iter().all(|wanted| keys.contains(wanted))
}

/// What all events have. What is special to a type is parsed once the type is known.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    timestamp: Value<'a>,
    #[serde(borrow, default)]
    flow_id: Value<'a>,
    #[serde(borrow, default)]
    event_type: Value<'a>,
    #[serde(borrow, default)]
    src_ip: Value<'a>,
    #[serde(borrow, default)]
    src_port: Value<'a>,
    #[serde(borrow, default)]
    dest_ip: Value<'a>,
    #[serde(borrow, default)]
    dest_port: Value<'a>,
    #[serde(borrow, default)]
    proto: Value<'a>,
    #[serde(borrow, default)]
    icmp_type: Value<'a>,
    #[serde(borrow, default)]
    icmp_code: Value<'a>,
    #[serde(borrow, default)]
    app_proto: Value<'a>,
    #[serde(borrow, default)]
    direction: Value<'a>,
    #[serde(borrow)]
    flow: Option<&'a RawValue>,
    #[serde(borrow)]
    tcp: Option<&'a RawValue>,
    #[serde(borrow)]
    dns: Option<&'a RawValue>,
    #[serde(borrow)]
    tls: Option<&'a RawValue>,
    #[serde(borrow)]
    quic: Option<&'a RawValue>,
    #[serde(borrow)]
    http: Option<&'a RawValue>,
    #[serde(borrow)]
    fileinfo: Option<&'a RawValue>,
    #[serde(borrow)]
    alert: Option<&'a RawValue>,
    #[serde(borrow)]
    dhcp: Option<&'a RawValue>,
    #[serde(borrow)]
    krb5: Option<&'a RawValue>,
    #[serde(borrow)]
    rdp: Option<&'a RawValue>,
    #[serde(borrow)]
    smb: Option<&'a RawValue>,
}

/// Reads an event.
pub(super) fn read(line: &str, sink: &mut dyn Sink) -> (&'static str, Result<(), Skip>) {
    match serde_json::from_str::<Event<'_>>(line) {
        Ok(event) => event.read(sink),
        Err(_) => ("suricata/other", Err(Skip::BadJson)),
    }
}

impl<'a> Event<'a> {
    fn read(&self, sink: &mut dyn Sink) -> (&'static str, Result<(), Skip>) {
        match self.event_type.text() {
            Some("flow") => ("suricata/flow", self.flow(sink)),
            Some("dns") => ("suricata/dns", self.dns(sink)),
            Some("tls") => ("suricata/tls", self.tls(sink)),
            Some("quic") => ("suricata/quic", self.quic(sink)),
            Some("http" | "http2") => ("suricata/http", self.http(sink)),
            Some("fileinfo") => ("suricata/fileinfo", self.file(sink)),
            Some("alert") => ("suricata/alert", self.alert(sink)),
            Some("dhcp") => ("suricata/dhcp", self.dhcp(sink)),
            Some("krb5") => ("suricata/krb5", self.kerberos(sink)),
            Some("rdp") => ("suricata/rdp", self.rdp(sink)),
            Some("smb") => ("suricata/smb", self.smb(sink)),
            // Recognised, and not used by this version.
            Some("anomaly") => ("suricata/anomaly", Err(Skip::UnusedLog)),
            Some("netflow") => ("suricata/netflow", Err(Skip::UnusedLog)),
            Some("ssh") => ("suricata/ssh", Err(Skip::UnusedLog)), // tells no outcome
            Some("stats") => ("suricata/stats", Err(Skip::UnusedLog)),
            Some(_) => ("suricata/other", Err(Skip::UnusedLog)),
            None => ("suricata/other", Err(Skip::MissingField)),
        }
    }

    fn time(&self) -> Result<i64, Skip> {
        time(&self.timestamp)?.ok_or(Skip::MissingField)
    }

    fn uid(&self) -> String {
        match &self.flow_id {
            Value::Number(number) => number.to_string(),
            other => other.text().unwrap_or_default().to_owned(),
        }
    }

    /// Source as originator: so for events about flows; packets and files come from either side.
    fn ends(&self) -> Result<(u8, Ends), Skip> {
        let orig = address(&self.src_ip)?.ok_or(Skip::MissingField)?;
        let resp = address(&self.dest_ip)?.ok_or(Skip::MissingField)?;
        let transport = transport(self.proto.text().ok_or(Skip::MissingField)?);
        let number = |value: &Value<'_>| match value.count().map_err(|_| Skip::BadPort)? {
            Some(number) => u16::try_from(number).map(Some).map_err(|_| Skip::BadPort),
            None => Ok(None),
        };
        let (orig_port, resp_port) = match transport {
            1 | 58 => (number(&self.icmp_type)?, number(&self.icmp_code)?),
            _ => (number(&self.src_port)?, number(&self.dest_port)?),
        };
        let has_ports = matches!(transport, TCP | UDP);
        if has_ports && (orig_port.is_none() || resp_port.is_none()) {
            return Err(Skip::MissingField);
        }
        let (orig_port, resp_port) = (orig_port.unwrap_or(0), resp_port.unwrap_or(0));
        Ok((transport, Ends { orig, orig_port, resp, resp_port }))
    }

    fn flow(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let (transport, ends) = self.ends()?;
        let flow: Flow<'_> = part(self.flow)?;
        let start_us = time(&flow.start)?.ok_or(Skip::MissingField)?;
        let duration_us = match time(&flow.end)? {
            Some(end_us) => Some(u64::try_from(end_us.saturating_sub(start_us)).unwrap_or(0)),
            None => flow.age.count()?.map(|seconds| seconds.saturating_mul(1_000_000)),
        };
        let packets = (flow.pkts_toserver.count()?, flow.pkts_toclient.count()?);
        let bytes = (flow.bytes_toserver.count()?, flow.bytes_toclient.count()?);
        let payload = |bytes: Option<u64>, packets: Option<u64>| {
            let (bytes, packets) = (bytes?, packets.unwrap_or(0));
            Some(sizes::payload(bytes, packets, transport, ends.orig, ETHERNET_BYTES))
        };
        let network = |bytes: Option<u64>, packets: Option<u64>| {
            Some(bytes?.saturating_sub(packets.unwrap_or(0).saturating_mul(ETHERNET_BYTES)))
        };
        let state = if transport == TCP { self.state(&flow, packets.1)? } else { None };
        sink.conn(&Conn {
            start_us,
            uid: self.uid().as_bytes(),
            ends,
            transport,
            service: self.app_proto.text().filter(|name| *name != "failed").map(str::as_bytes),
            duration_us,
            orig_bytes: payload(bytes.0, packets.0),
            resp_bytes: payload(bytes.1, packets.1),
            state,
            local_orig: None,
            local_resp: None,
            missed_bytes: 0,
            history: None,
            orig_packets: packets.0,
            orig_ip_bytes: network(bytes.0, packets.0),
            resp_packets: packets.1,
            resp_ip_bytes: network(bytes.1, packets.1),
            sizes: Sizes::Estimated,
            open: false,
        });
        Ok(())
    }

    /// By the flags of both sides where the event has them, else by Suricata's word.
    fn state(&self, flow: &Flow<'_>, resp_packets: Option<u64>) -> Result<Option<ConnState>, Skip> {
        if self.tcp.is_some() {
            let tcp: Tcp<'_> = part(self.tcp)?;
            let flags = |value: &Value<'_>| u8::from_str_radix(value.text()?, 16).ok();
            if let (Some(orig), Some(resp)) = (flags(&tcp.tcp_flags_ts), flags(&tcp.tcp_flags_tc)) {
                return Ok(Some(sizes::state(orig, resp)));
            }
        }
        Ok(match flow.state.text() {
            Some("new") if resp_packets == Some(0) => Some(ConnState::S0),
            Some("established") => Some(ConnState::S1),
            Some("closed") => Some(ConnState::Sf),
            _ => None,
        })
    }

    fn dns(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let time_us = self.time()?;
        let (transport, mut ends) = self.ends()?;
        let message: DnsPart<'_> = part(self.dns)?;
        let is_answer = matches!(message.kind.text(), Some("answer" | "response"));
        if is_answer && ends.orig_port == DNS_PORT && ends.resp_port != DNS_PORT {
            // Some versions give the packet's direction: whom it was told is at its destination.
            ends = Ends {
                orig: ends.resp,
                orig_port: ends.resp_port,
                resp: ends.orig,
                resp_port: ends.orig_port,
            };
        }
        let (mut answers, mut ttls_s) = (Vec::new(), Vec::new());
        let mut answer = |rdata: &'_ Value<'_>, ttl: &Value<'_>| -> Result<(), Skip> {
            let Some(rdata) = rdata.text() else { return Ok(()) };
            if answers.len() < LIST_ITEMS_MAX {
                answers.push(rdata.to_owned());
                ttls_s.extend(ttl.count()?.map(|ttl| u32::try_from(ttl).unwrap_or(u32::MAX)));
            }
            Ok(())
        };
        if is_answer {
            answer(&message.rdata, &message.ttl)?; // version 1: an event an answer
        }
        for one in &message.answers {
            answer(&one.rdata, &one.ttl)?;
        }
        if let (true, Some(grouped)) = (message.answers.is_empty(), &message.grouped) {
            for rdata in grouped.a.iter().chain(&grouped.aaaa).chain(&grouped.cname) {
                answer(rdata, &Value::None)?;
            }
        }
        let first = message.queries.first();
        let query = message.rrname.text().or_else(|| first?.rrname.text());
        let qtype = message.rrtype.text().or_else(|| first?.rrtype.text());
        sink.dns(&Dns {
            time_us,
            uid: &self.uid(),
            ends,
            transport,
            query,
            qtype: qtype.and_then(record_type),
            rcode: message.rcode.text().filter(|_| is_answer).and_then(response_code),
            answers: answers.iter().map(|text| dns_answer(text)).collect(),
            ttls_s,
            response_bytes: None,
        });
        Ok(())
    }

    fn tls(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let tls: TlsPart<'_> = part(self.tls)?;
        sink.tls(&Tls {
            subject: tls.subject.text(),
            issuer: tls.issuerdn.text(),
            next_protocol: tls.server_alpns.first().and_then(Value::text),
            ..self.hello(&tls, &self.uid(), false)?
        });
        Ok(())
    }

    fn quic(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let quic: TlsPart<'_> = part(self.quic)?;
        sink.tls(&self.hello(&quic, &self.uid(), true)?);
        Ok(())
    }

    fn hello<'b>(&self, part: &'b TlsPart<'_>, uid: &'b str, quic: bool) -> Result<Tls<'b>, Skip> {
        Ok(Tls {
            time_us: self.time()?,
            uid,
            ends: self.ends()?.1,
            quic,
            server_name: part.sni.text(),
            version: part.version.text(),
            next_protocol: None,
            // Not said: events are written once the certificate was seen, or the hello.
            established: None,
            subject: None,
            issuer: None,
            validation_status: None,
            ja3: part.ja3.as_ref().and_then(|ja3| ja3.hash.text()),
            ja4: part.ja4.text(),
            hello_bytes: None,
            open: false,
        })
    }

    fn http(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let http: HttpPart<'_> = part(self.http)?;
        sink.http(&Http {
            time_us: self.time()?,
            uid: &self.uid(),
            ends: self.ends()?.1,
            method: http.http_method.text(),
            host: http.hostname.text(),
            uri: http.url.text(),
            user_agent: http.http_user_agent.text(),
            request_body_bytes: 0, // not said
            response_body_bytes: http.length.count()?.unwrap_or(0),
            status: http.status.count()?.and_then(|code| u16::try_from(code).ok()),
            // The header's word, which is not what the bytes are, is left out.
            resp_mime_types: Vec::new(),
            orig_mime_types: Vec::new(),
            open: false,
        });
        Ok(())
    }

    fn file(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let file: FilePart<'_> = part(self.fileinfo)?;
        let seen_bytes = file.size.count()?.unwrap_or(0);
        let uid = self.uid();
        sink.file(&File {
            time_us: self.time()?,
            conn_uids: if uid.is_empty() { Vec::new() } else { vec![&uid] },
            ends: [address(&self.src_ip)?, address(&self.dest_ip)?],
            protocol: self.app_proto.text(),
            mime_type: file.mimetype.text(),
            is_orig: match self.direction.text() {
                Some("to_server") => Some(true),
                Some("to_client") => Some(false),
                _ => None,
            },
            seen_bytes,
            total_bytes: (file.state.text() == Some("CLOSED")).then_some(seen_bytes),
        });
        Ok(())
    }

    fn alert(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let alert: Alert<'_> = part(self.alert)?;
        let uid = self.uid();
        sink.notice(&Notice {
            time_us: self.time()?,
            uid: (!uid.is_empty()).then_some(&*uid),
            note: alert.signature.text().ok_or(Skip::MissingField)?,
            message: alert.category.text(),
            source: address(&self.src_ip)?,
            destination: address(&self.dest_ip)?,
        });
        Ok(())
    }

    fn kerberos(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let krb5: KerberosPart<'_> = part(self.krb5)?;
        let error = krb5.error_code.text();
        let (log_on, success) = match (krb5.msg_type.text(), krb5.failed_request.text()) {
            (Some("KRB_AS_REP"), _) => (true, Some(true)),
            (Some("KRB_ERROR"), Some("KRB_AS_REQ") | None) => (true, Some(false)),
            _ => (false, None),
        };
        let (user, machine) = krb5.cname.text().map_or((None, None), logon::principal);
        sink.logon(&Logon {
            time_us: self.time()?,
            ends: self.ends()?.1,
            protocol: LogonProtocol::Kerberos,
            success: logon::kerberos_outcome(log_on, success, error),
            user,
            machine,
        });
        Ok(())
    }

    fn rdp(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let rdp: RdpPart<'_> = part(self.rdp)?;
        sink.logon(&Logon {
            time_us: self.time()?,
            ends: self.ends()?.1,
            protocol: LogonProtocol::Rdp,
            success: None,
            user: rdp.cookie.text(),
            machine: rdp.client.as_ref().and_then(|client| client.client_name.text()),
        });
        Ok(())
    }

    /// A session's set-up carries a log-on; others may name a share.
    fn smb(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let smb: SmbPart<'_> = part(self.smb)?;
        let (time_us, ends) = (self.time()?, self.ends()?.1);
        let Some(ntlm) = &smb.ntlmssp else {
            let share = smb.share.text().filter(|share| remote::is_admin_share(share));
            let act = share.map(|_| RemoteAct::AdminShare);
            sink.remote(&Remote { time_us, uid: &self.uid(), ends, act });
            return Ok(());
        };
        let user = ntlm.user.text();
        let success = match smb.status.text() {
            Some("STATUS_SUCCESS") => Some(true),
            Some("STATUS_LOGON_FAILURE") => Some(false),
            _ => None,
        };
        sink.logon(&Logon {
            time_us,
            ends,
            protocol: LogonProtocol::Ntlm,
            success: success.filter(|_| user.is_some()),
            user,
            machine: ntlm.host.text(),
        });
        Ok(())
    }

    fn dhcp(&self, sink: &mut dyn Sink) -> Result<(), Skip> {
        let dhcp: DhcpPart<'_> = part(self.dhcp)?;
        let set =
            |value: &Value<'_>| Ok(address(value)?.filter(|address| !address.is_unspecified()));
        // An offer is not yet a lease.
        let assigned = set(&dhcp.assigned_ip)?.filter(|_| dhcp.dhcp_type.text() == Some("ack"));
        let client = set(&dhcp.client_ip)?;
        sink.dhcp(&Dhcp {
            time_us: self.time()?,
            mac: dhcp.client_mac.text(),
            address: assigned.or(client),
            host_name: dhcp.hostname.text(),
            domain: None,
            lease_s: dhcp.lease_time.count()?,
        });
        Ok(())
    }
}

/// What is special to a type; JSON of another shape counts as absent.
fn part<'a, T: Deserialize<'a>>(part: Option<&'a RawValue>) -> Result<T, Skip> {
    let part = part.ok_or(Skip::MissingField)?;
    serde_json::from_str(part.get()).map_err(|_| Skip::MissingField)
}

fn time(value: &Value<'_>) -> Result<Option<i64>, Skip> {
    match value {
        Value::None => Ok(None),
        other => {
            let text = other.text().ok_or(Skip::BadTime)?;
            text::time(text.as_bytes()).map(Some).ok_or(Skip::BadTime)
        }
    }
}

fn address(value: &Value<'_>) -> Result<Option<IpAddr>, Skip> {
    match value {
        Value::None => Ok(None),
        other => {
            let text = other.text().ok_or(Skip::BadAddress)?;
            text::address(text.as_bytes()).map(Some).ok_or(Skip::BadAddress)
        }
    }
}

/// By name, or by the number that Suricata writes of protocols that it has no name for.
fn transport(name: &str) -> u8 {
    match name {
        "TCP" | "tcp" => TCP,
        "UDP" | "udp" => UDP,
        "ICMP" => 1,
        "IPv6-ICMP" | "IPV6-ICMP" => 58,
        "GRE" => 47,
        "ESP" => 50,
        "SCTP" => 132,
        other => other.parse().unwrap_or(TRANSPORT_UNKNOWN),
    }
}

fn dns_answer(text: &str) -> DnsAnswer<'_> {
    text::address(text.as_bytes()).map_or(DnsAnswer::Text(text), DnsAnswer::Address)
}

/// Numbers of DNS record types, from IANA's registry of DNS parameters.
fn record_type(name: &str) -> Option<u16> {
    Some(match name {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "NULL" => 10,
        "PTR" => 12,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "NAPTR" => 35,
        "DS" => 43,
        "RRSIG" => 46,
        "DNSKEY" => 48,
        "SVCB" => 64,
        "HTTPS" => 65,
        "ANY" => 255,
        other => return other.trim_start_matches("TYPE").parse().ok(),
    })
}

/// Numbers of DNS response codes, from the same registry.
fn response_code(name: &str) -> Option<u16> {
    let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
    let place = names.iter().position(|known| *known == name);
    place.and_then(|place| u16::try_from(place).ok()).or_else(|| name.parse().ok())
}

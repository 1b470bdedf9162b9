//! What is said inside a flow: which protocol it is, by its first bytes, and that protocol's reader.

use super::{dns, http, packet::UDP, quic, tls};
use crate::limits::{DNS_PENDING_MAX, HELLO_BYTES_MAX};
use crate::record::{self, DnsAnswer, Ends, Sink};

const DNS_PORT: u16 = 53;

/// The flow that something is said in.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) uid: &'a str,
    pub(super) ends: Ends,
    pub(super) transport: u8,
}

/// What is said in a flow.
#[derive(Debug)]
pub(super) enum Stream {
    /// The client has said nothing yet.
    Silent,
    /// Nothing that we read.
    Other,
    Tls(Box<tls::Session>),
    Http(Box<http::Requests>),
    Quic(Box<quic::Connection>),
    /// Only that it is SSH.
    Ssh,
    Dns(Box<Questions>),
}

impl Stream {
    /// Payload of a side that follows what came before it.
    pub(super) fn data(
        &mut self,
        from_orig: bool,
        bytes: &[u8],
        time_us: i64,
        about: &About<'_>,
        sink: &mut dyn Sink,
    ) {
        if let Self::Silent = self {
            if !from_orig && about.ends.resp_port != DNS_PORT {
                return;
            }
            *self = Self::begun(bytes, time_us, about);
        }
        match self {
            Self::Silent | Self::Other | Self::Ssh => {}
            Self::Tls(session) => session.data(from_orig, bytes),
            Self::Http(requests) => requests.data(from_orig, bytes, time_us, about, sink),
            Self::Quic(connection) if from_orig => connection.datagram(bytes),
            Self::Quic(_) => {}
            Self::Dns(questions) if about.transport == UDP => {
                questions.message(bytes, time_us, about, sink);
            }
            Self::Dns(questions) => questions.stream(from_orig, bytes, time_us, about, sink),
        }
    }

    fn begun(bytes: &[u8], time_us: i64, about: &About<'_>) -> Self {
        match about.transport {
            _ if about.ends.resp_port == DNS_PORT => Self::Dns(Box::default()),
            UDP if quic::begins(bytes) => Self::Quic(Box::new(quic::Connection::new(time_us))),
            UDP => Self::Other,
            _ if tls::begins(bytes) => Self::Tls(Box::new(tls::Session::new(time_us))),
            _ if http::begins(bytes) => Self::Http(Box::default()),
            // RFC 4253, 4.2.
            _ if bytes.starts_with(b"SSH-") => Self::Ssh,
            _ => Self::Other,
        }
    }

    /// Bytes of a side are missing.
    pub(super) fn gap(&mut self, from_orig: bool) {
        match self {
            Self::Silent if from_orig => *self = Self::Other,
            Self::Tls(session) => session.gap(from_orig),
            Self::Http(requests) => requests.gap(from_orig),
            Self::Dns(questions) => questions.begun[usize::from(from_orig)].clear(),
            Self::Silent | Self::Other | Self::Quic(_) | Self::Ssh => {}
        }
    }

    /// Bytes kept until more comes.
    pub(super) fn buffered(&self) -> usize {
        match self {
            Self::Silent | Self::Other | Self::Ssh => 0,
            Self::Tls(session) => session.buffered(),
            Self::Http(requests) => requests.buffered(),
            Self::Quic(connection) => connection.buffered(),
            Self::Dns(questions) => questions.begun.iter().map(Vec::capacity).sum(),
        }
    }

    /// Its name in Zeek's `service`.
    pub(super) fn service(&self) -> Option<&'static str> {
        match self {
            Self::Silent | Self::Other => None,
            Self::Tls(_) => Some("ssl"),
            Self::Http(_) => Some("http"),
            Self::Quic(_) => Some("quic"),
            Self::Ssh => Some("ssh"),
            Self::Dns(questions) => questions.seen.then_some("dns"),
        }
    }

    /// Hands on what has not been yet.
    pub(super) fn finish(&mut self, about: &About<'_>, sink: &mut dyn Sink) {
        match self {
            Self::Silent | Self::Other | Self::Ssh => {}
            Self::Tls(session) => session.finish(about, sink),
            Self::Http(requests) => requests.finish(about, sink),
            Self::Quic(connection) => connection.finish(about, sink),
            Self::Dns(questions) => {
                for (time_us, question) in std::mem::take(&mut questions.pending) {
                    emit(time_us, &question, false, about, sink);
                }
            }
        }
    }
}

/// DNS: questions that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Questions {
    pending: Vec<(i64, dns::Message)>,
    /// Over TCP, messages whose end is to come, of the responder and the originator.
    begun: [Vec<u8>; 2],
    seen: bool,
}

impl Questions {
    fn message(&mut self, bytes: &[u8], time_us: i64, about: &About<'_>, sink: &mut dyn Sink) {
        let Some(message) = dns::read(bytes) else { return };
        self.seen = true;
        if message.is_response {
            let asked = |(_, question): &(i64, dns::Message)| question.id == message.id;
            let place = self.pending.iter().position(asked);
            let asked_us = place.map_or(time_us, |place| self.pending.remove(place).0);
            return emit(asked_us, &message, true, about, sink);
        }
        if self.pending.len() >= DNS_PENDING_MAX {
            let (asked_us, question) = self.pending.remove(0);
            emit(asked_us, &question, false, about, sink);
        }
        self.pending.push((time_us, message));
    }

    /// Over TCP each message has its length before it (RFC 1035, 4.2.2).
    fn stream(
        &mut self,
        from_orig: bool,
        bytes: &[u8],
        time_us: i64,
        about: &About<'_>,
        sink: &mut dyn Sink,
    ) {
        let mut begun = std::mem::take(&mut self.begun[usize::from(from_orig)]);
        begun.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(length) = begun.get(used..).and_then(|rest| rest.first_chunk::<2>()) {
            let end = used + 2 + usize::from(u16::from_be_bytes(*length));
            let Some(message) = begun.get(used + 2..end) else { break };
            self.message(message, time_us, about, sink);
            used = end;
        }
        begun.drain(..used);
        if begun.len() <= HELLO_BYTES_MAX {
            self.begun[usize::from(from_orig)] = begun;
        }
    }
}

fn emit(
    time_us: i64,
    message: &dns::Message,
    is_response: bool,
    about: &About<'_>,
    sink: &mut dyn Sink,
) {
    let answers = message.answers.iter();
    sink.dns(&record::Dns {
        time_us,
        uid: about.uid,
        ends: about.ends,
        transport: about.transport,
        query: Some(&*message.query).filter(|query| !query.is_empty()),
        qtype: Some(message.qtype),
        rcode: is_response.then_some(message.rcode),
        answers: answers
            .clone()
            .map(|answer| match &answer.data {
                dns::Data::Address(address) => DnsAnswer::Address(*address),
                dns::Data::Text(text) => DnsAnswer::Text(text),
            })
            .collect(),
        ttls_s: answers.map(|answer| answer.ttl_s).collect(),
        response_bytes: is_response.then_some(message.bytes),
    });
}

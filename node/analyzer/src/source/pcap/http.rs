//! HTTP/1 over TCP: the heads of requests and responses. Bodies are passed over; a segment that begins
//! with a method, or with `HTTP/1.`, begins a message.

use std::collections::VecDeque;

use super::stream::About;
use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_PENDING_MAX};
use crate::record::{self, Sink};

/// Methods of RFC 9110, 9.3, of RFC 5789, and of WebDAV (RFC 4918), each with the blank behind it.
const METHODS: [&[u8]; 16] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"CONNECT ",
    b"OPTIONS ",
    b"DELETE ",
    b"PATCH ",
    b"TRACE ",
    b"PROPFIND ",
    b"PROPPATCH ",
    b"MKCOL ",
    b"COPY ",
    b"MOVE ",
    b"LOCK ",
    b"UNLOCK ",
];

/// Whether bytes begin a request.
pub(super) fn begins(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| bytes.starts_with(method))
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    /// The head of a request whose end is to come, and when it began.
    begun: Vec<u8>,
    begun_us: i64,
    /// The head of a response whose end is to come.
    answer: Vec<u8>,
    /// Requests, the oldest first, that have no response yet; the first of them may have one whose body
    /// is being counted.
    pending: VecDeque<Request>,
    answered: bool,
}

#[derive(Debug, Default)]
struct Request {
    time_us: i64,
    method: String,
    uri: String,
    host: Option<String>,
    user_agent: Option<String>,
    sent: Body,
    received: Body,
    status: Option<u16>,
}

#[derive(Debug, Default)]
struct Body {
    /// By the header; else what was seen.
    said: Option<u64>,
    seen: u64,
    mime: Option<&'static str>,
}

impl Body {
    fn bytes(&self) -> u64 {
        self.said.unwrap_or(self.seen)
    }

    fn add(&mut self, part: &[u8]) {
        if self.seen == 0 {
            self.mime = mime(part);
        }
        self.seen += part.len() as u64;
    }
}

impl Requests {
    /// Bytes of a side that follow those before.
    pub(super) fn data(
        &mut self,
        from_orig: bool,
        bytes: &[u8],
        time_us: i64,
        about: &About<'_>,
        sink: &mut dyn Sink,
    ) {
        if from_orig {
            self.request(bytes, time_us, about, sink)
        } else {
            self.response(bytes, about, sink)
        }
    }

    fn request(&mut self, bytes: &[u8], time_us: i64, about: &About<'_>, sink: &mut dyn Sink) {
        if begins(bytes) {
            self.begun.clear();
            self.begun_us = time_us;
        } else if self.begun.is_empty() {
            if let Some(request) = self.pending.back_mut() {
                request.sent.add(bytes);
            }
            return;
        }
        self.begun.extend_from_slice(bytes);
        let Some(end) = head_end(&self.begun) else {
            if self.begun.len() > HTTP_HEAD_BYTES_MAX {
                self.begun = Vec::new();
            }
            return;
        };
        let begun = std::mem::take(&mut self.begun);
        let (head, body) = begun.split_at(end);
        let Some(mut request) = Request::read(head, self.begun_us) else { return };
        request.sent.add(body);
        if self.pending.len() >= HTTP_PENDING_MAX {
            self.give(about, sink);
        }
        self.pending.push_back(request);
    }

    fn response(&mut self, bytes: &[u8], about: &About<'_>, sink: &mut dyn Sink) {
        if bytes.starts_with(b"HTTP/1.") {
            self.answer.clear();
            if std::mem::take(&mut self.answered) {
                self.give(about, sink);
            }
        } else if self.answer.is_empty() {
            if let (true, Some(request)) = (self.answered, self.pending.front_mut()) {
                request.received.add(bytes);
            }
            return;
        }
        self.answer.extend_from_slice(bytes);
        let Some(end) = head_end(&self.answer) else {
            if self.answer.len() > HTTP_HEAD_BYTES_MAX {
                self.answer = Vec::new();
            }
            return;
        };
        let answer = std::mem::take(&mut self.answer);
        let (head, body) = answer.split_at(end);
        let Some(request) = self.pending.front_mut() else { return };
        self.answered = request.answer(head);
        request.received.add(body);
    }

    /// Bytes of a side are missing.
    pub(super) fn gap(&mut self, from_orig: bool) {
        if from_orig { self.begun.clear() } else { self.answer.clear() }
    }

    pub(super) fn buffered(&self) -> usize {
        self.begun.capacity() + self.answer.capacity()
    }

    pub(super) fn finish(&mut self, about: &About<'_>, sink: &mut dyn Sink) {
        while !self.pending.is_empty() {
            self.give(about, sink);
        }
    }

    /// Hands on the oldest request.
    fn give(&mut self, about: &About<'_>, sink: &mut dyn Sink) {
        let Some(request) = self.pending.pop_front() else { return };
        sink.http(&record::Http {
            time_us: request.time_us,
            uid: about.uid,
            ends: about.ends,
            method: Some(&request.method),
            host: request.host.as_deref(),
            uri: Some(&request.uri),
            user_agent: request.user_agent.as_deref(),
            request_body_bytes: request.sent.bytes(),
            response_body_bytes: request.received.bytes(),
            status: request.status,
            resp_mime_types: request.received.mime.into_iter().collect(),
            orig_mime_types: request.sent.mime.into_iter().collect(),
            open: false,
        });
    }
}

impl Request {
    fn read(head: &[u8], time_us: i64) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(head).ok()?;
        let mut request = Self {
            time_us,
            method: parsed.method?.to_owned(),
            uri: parsed.path?.to_owned(),
            ..Self::default()
        };
        for header in parsed.headers.iter() {
            let value = || Some(String::from_utf8_lossy(header.value).trim().to_owned());
            if header.name.eq_ignore_ascii_case("host") {
                request.host = value();
            } else if header.name.eq_ignore_ascii_case("user-agent") {
                request.user_agent = value();
            } else if header.name.eq_ignore_ascii_case("content-length") {
                request.sent.said = number(header.value);
            }
        }
        Some(request)
    }

    /// Reads the head of its response; false for one before the final one.
    fn answer(&mut self, head: &[u8]) -> bool {
        let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        if parsed.parse(head).is_err() {
            return false;
        }
        self.status = parsed.code;
        let length =
            parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        self.received.said = length.and_then(|header| number(header.value));
        if self.method == "HEAD" {
            self.received.said = Some(0);
        }
        parsed.code.is_some_and(|code| code >= 200 || code == 101)
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// The place behind the empty line.
fn head_end(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// What a body looks like by its first bytes, where they leave no doubt; names as libmagic has them.
fn mime(start: &[u8]) -> Option<&'static str> {
    let word = start.trim_ascii_start();
    let tag =
        |name: &[u8]| word.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    Some(match start {
        [b'M', b'Z', _, _, ..] => "application/x-dosexec",
        [0x7f, b'E', b'L', b'F', ..] => "application/x-elf",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => "application/x-mach-o-executable",
        // A Java class has its version there, a universal Mach-O the number of its parts (Zeek: executable.sig).
        [0xca, 0xfe, 0xba, 0xbe, _, _, 0, 1..=0x14, ..] => "application/x-mach-o-executable",
        [0xca, 0xfe, 0xba, 0xbe, ..] => "application/x-java-applet",
        [b'P', b'K', 3, 4, ..] => "application/zip",
        [0x1f, 0x8b, 8, ..] => "application/gzip",
        [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => "application/x-rar",
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => "application/x-7z-compressed",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        _ if tag(b"#!/bin/sh") || tag(b"#!/bin/bash") => "text/x-shellscript",
        _ if tag(b"<!doctype html") || tag(b"<html") => "text/html",
        _ => return None,
    })
}

//! Takes records in any order and keeps what settling needs, packed, in buckets by client.
//!
//! Nothing is decided here, so the order and the splitting of the input cannot matter: what waits is
//! a multiset. Intakes merge by putting their buckets together. When an intake holds more than its
//! share of memory it hands its buckets to a [`Spill`] and goes on.

use std::{collections::BTreeSet, io, sync::Arc};

use flowlore_common::time::{Hour, Micros};

use crate::{
    content::Content,
    flow::{self, BASE_BYTES, Base, HttpBits, SLIM_BYTES},
    limits::{
        BUCKETS, CHUNK_BYTES, NOTABLE_BODY_BYTES, PACKED_FIXED_BYTES_MAX, PACKED_TEXT_BYTES_MAX,
        QUERY_ADDRESSES_MAX,
    },
    naming,
    packed::{Addr, Uid, Writer, mix_bytes},
    record::{
        CaptureLoss, Conn, Dhcp, Dns, DnsAnswer, File, FileSink, Http, Logon, Notice, Remote, Sink,
        Tls, X509,
    },
    stats::entropy::centibits,
};

/// Keeps chunks of buckets elsewhere: temporary files in the product, a vector in tests.
pub trait Spill: Send + Sync {
    /// Adds a chunk to a bucket. Chunks come from many threads, in any order.
    ///
    /// # Errors
    /// When it cannot be kept. The run then ends with this error.
    fn append(&self, bucket: usize, chunk: &[u8]) -> io::Result<()>;

    /// All chunks of a bucket, in any order.
    ///
    /// # Errors
    /// When they cannot be read back whole.
    fn read(&self, bucket: usize) -> io::Result<Vec<Vec<u8>>>;
}

/// The chunks of a bucket.
pub(crate) type Chunks = Vec<Vec<u8>>;

/// Which logs the input had: what is absent limits what can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogsSeen {
    /// conn.log.
    pub conn: bool,
    /// dns.log.
    pub dns: bool,
    /// ssl.log.
    pub ssl: bool,
    /// quic.log.
    pub quic: bool,
    /// http.log.
    pub http: bool,
    /// files.log.
    pub files: bool,
    /// x509.log.
    pub x509: bool,
    /// dhcp.log.
    pub dhcp: bool,
    /// capture_loss.log.
    pub capture_loss: bool,
}

impl LogsSeen {
    fn merge(&mut self, other: Self) {
        self.conn |= other.conn;
        self.dns |= other.dns;
        self.ssl |= other.ssl;
        self.quic |= other.quic;
        self.http |= other.http;
        self.files |= other.files;
        self.x509 |= other.x509;
        self.dhcp |= other.dhcp;
        self.capture_loss |= other.capture_loss;
    }

    /// Whether there is one in which clients say whom they want.
    #[must_use]
    pub const fn name_destinations(self) -> bool {
        self.ssl || self.quic || self.http
    }

    /// The absent ones, by the names that Zeek gives them.
    #[must_use]
    pub fn absent(self) -> Vec<&'static str> {
        let all = [
            (self.capture_loss, "capture_loss"),
            (self.conn, "conn"),
            (self.dhcp, "dhcp"),
            (self.dns, "dns"),
            (self.files, "files"),
            (self.http, "http"),
            (self.quic, "quic"),
            (self.ssl, "ssl"),
            (self.x509, "x509"),
        ];
        all.into_iter().filter(|(seen, _)| !seen).map(|(_, name)| name).collect()
    }
}

/// What is known without settling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Start of the first flow, microseconds since 1970 UTC.
    pub first_us: Option<i64>,
    /// Start of the last flow.
    pub last_start_us: Option<i64>,
    /// Latest end of a flow.
    pub last_us: Option<i64>,
    /// Logs that had a record.
    pub logs: LogsSeen,
    /// Sum over loss reports of thousandths of a percent times microseconds.
    pub lost_milli_percent_us: u128,
    /// Sum of the intervals of loss reports, microseconds.
    pub loss_intervals_us: u128,
    /// Hours in which the sensor reported on its loss: it was awake then.
    pub sensor_hours: BTreeSet<u32>,
    /// Hours in which application logs had a record.
    pub log_hours: BTreeSet<u32>,
}

impl Seen {
    fn merge(&mut self, other: Self) {
        self.first_us = self.first_us.into_iter().chain(other.first_us).min();
        self.last_start_us = self.last_start_us.max(other.last_start_us);
        self.last_us = self.last_us.max(other.last_us);
        self.logs.merge(other.logs);
        self.lost_milli_percent_us += other.lost_milli_percent_us;
        self.loss_intervals_us += other.loss_intervals_us;
        self.sensor_hours.extend(other.sensor_hours);
        self.log_hours.extend(other.log_hours);
    }
}

#[derive(Debug)]
struct Bucket {
    /// Full ones.
    chunks: Chunks,
    /// The one that is being filled.
    open: Vec<u8>,
    /// Start of the flow that the open chunk has last in the form that holds any value.
    base_us: i64,
    /// What its flows in the usual form are told from.
    base: Base,
}

impl Bucket {
    const EMPTY: Self = Self { chunks: Vec::new(), open: Vec::new(), base_us: 0, base: Base::NONE };

    /// Nothing more goes into the open chunk.
    fn close(&mut self) {
        if !self.open.is_empty() {
            self.chunks.push(std::mem::take(&mut self.open));
        }
    }

    fn into_chunks(mut self) -> Chunks {
        self.close();
        self.chunks
    }
}

/// What waits, in buckets by client.
struct Waiting {
    buckets: Vec<Bucket>,
    memory_bytes: usize,
    share_bytes: usize,
    spill: Option<Arc<dyn Spill>>,
    failed: Option<io::Error>,
}

impl Waiting {
    /// The end of a bucket's open chunk, with room for a record whose texts have so many bytes, and
    /// the start of the flow before in that chunk.
    #[inline]
    fn open(&mut self, bucket: usize, text_bytes: usize) -> (Writer<'_>, &mut i64) {
        // Texts are clipped as they are packed: a chunk has room for the longest three.
        let wanted = PACKED_FIXED_BYTES_MAX + text_bytes.min(3 * (PACKED_TEXT_BYTES_MAX + 1));
        let open = &self.buckets[bucket].open;
        if open.capacity() - open.len() < wanted {
            self.begin_chunk(bucket);
        }
        let Bucket { open, base_us, .. } = &mut self.buckets[bucket];
        (Writer { bytes: open }, base_us)
    }

    /// Adds a flow in its usual form, if it has that.
    #[inline]
    fn push(&mut self, bucket: usize, record: &Conn<'_>, file: u32) -> bool {
        let open = &self.buckets[bucket].open;
        if open.capacity() - open.len() < BASE_BYTES + SLIM_BYTES {
            self.begin_chunk(bucket);
        }
        let Bucket { open, base, .. } = &mut self.buckets[bucket];
        let known = base.offset(record.start_us, file);
        let Some(slim) = flow::pack_slim(record, known.unwrap_or(Base::MIDDLE)) else {
            return false;
        };
        if known.is_none() {
            *base = Base::around(record.start_us, file);
            open.extend_from_slice(&base.pack());
        }
        open.extend_from_slice(&slim);
        true
    }

    fn begin_chunk(&mut self, bucket: usize) {
        self.memory_bytes += CHUNK_BYTES;
        if self.memory_bytes > self.share_bytes {
            self.spill();
        }
        let bucket = &mut self.buckets[bucket];
        bucket.close();
        bucket.open = Vec::with_capacity(CHUNK_BYTES);
        // A chunk must be readable without the one before.
        (bucket.base_us, bucket.base) = (0, Base::NONE);
    }

    fn spill(&mut self) {
        let Some(spill) = &self.spill else { return };
        for (number, bucket) in self.buckets.iter_mut().enumerate() {
            bucket.close();
            for chunk in bucket.chunks.drain(..) {
                if let Err(error) = spill.append(number, &chunk) {
                    self.failed.get_or_insert(error);
                }
            }
        }
        self.memory_bytes = CHUNK_BYTES;
    }

    fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            mine.chunks.extend(theirs.into_chunks());
        }
        self.memory_bytes += other.memory_bytes;
        self.failed = self.failed.take().or(other.failed);
    }
}

/// A worker's share of the input.
pub struct Intake {
    waiting: Waiting,
    seen: Seen,
    file: u32,
    name: String,
    raw_name: Vec<u8>,
    addresses: Vec<Addr>,
    last_hour: u32,
}

/// The number of TXT among record types (RFC 1035).
const TXT: u16 = 16;

/// Entropy of a TXT answer, without the word and the length that Zeek writes before it.
fn txt_centibits(answer: &str) -> u16 {
    let text = answer.strip_prefix("TXT ").and_then(|rest| rest.split_once(' '));
    centibits(text.map_or(answer, |(_, text)| text).as_bytes())
}

impl Intake {
    /// Keeps at most about `share_bytes` in memory if there is somewhere to spill to; all of it if not.
    #[must_use]
    pub fn new(share_bytes: usize, spill: Option<Arc<dyn Spill>>) -> Self {
        let buckets = (0..BUCKETS).map(|_| Bucket::EMPTY).collect();
        Self {
            waiting: Waiting { buckets, memory_bytes: 0, share_bytes, spill, failed: None },
            seen: Seen::default(),
            file: 0,
            name: String::new(),
            raw_name: Vec::new(),
            addresses: Vec::new(),
            last_hour: u32::MAX,
        }
    }

    /// Bytes that wait in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.waiting.memory_bytes
    }

    /// Puts two intakes together.
    pub fn merge(&mut self, other: Self) {
        self.waiting.merge(other.waiting);
        self.seen.merge(other.seen);
    }

    /// Ends the intake.
    ///
    /// # Errors
    /// When something could not be spilled.
    pub(crate) fn finish(self) -> io::Result<(Vec<Chunks>, Seen)> {
        let Waiting { buckets, failed, .. } = self.waiting;
        match failed {
            Some(error) => Err(error),
            None => Ok((buckets.into_iter().map(Bucket::into_chunks).collect(), self.seen)),
        }
    }

    fn keep_file(
        &mut self,
        bucket: usize,
        uid: &str,
        sent: bool,
        content: Option<Content>,
        bytes: u64,
    ) {
        let (mut out, _) = self.waiting.open(bucket, uid.len());
        flow::write_file(&mut out, uid, sent, content, bytes);
    }

    fn note_hour(&mut self, time_us: i64) {
        let Hour(hour) = Micros(time_us).hour();
        if hour != self.last_hour {
            self.last_hour = hour;
            self.seen.log_hours.insert(hour);
        }
    }
}

impl FileSink for Intake {
    fn enter(&mut self, file: u32) {
        self.file = file;
    }
}

impl Sink for Intake {
    fn conn(&mut self, record: &Conn<'_>) {
        let start_us = record.start_us;
        let end_us = start_us.saturating_add_unsigned(record.duration_us.unwrap_or(0));
        let seen = &mut self.seen;
        seen.logs.conn = true;
        seen.first_us = Some(seen.first_us.map_or(start_us, |first| first.min(start_us)));
        seen.last_start_us = seen.last_start_us.max(Some(start_us));
        seen.last_us = seen.last_us.max(Some(end_us));
        let number = flow::bucket_of(record.ends.orig.into());
        if self.waiting.push(number, record, self.file) {
            return;
        }
        let (mut out, base_us) = self.waiting.open(number, record.uid.len());
        flow::write_conn(&mut out, record, self.file, *base_us);
        *base_us = start_us;
    }

    fn dns(&mut self, record: &Dns<'_>) {
        self.seen.logs.dns = true;
        self.note_hour(record.time_us);
        let Some(text) = record.query else { return };
        let clean = naming::clean(text, &mut self.name);
        if !clean && !naming::raw(text, &mut self.raw_name) {
            return;
        }
        let name = if clean { self.name.as_bytes() } else { &self.raw_name };
        let mut texts = record.answers.iter().filter_map(|answer| match answer {
            DnsAnswer::Address(_) => None,
            DnsAnswer::Text(text) => Some(*text),
        });
        let told = texts.clone().map(str::len).sum::<usize>();
        let mut query = flow::Query {
            client: record.ends.orig.into(),
            server: record.ends.resp.into(),
            uid: Uid::NONE, // its text is written
            time_us: record.time_us,
            port: record.ends.resp_port,
            transport: record.transport,
            qtype: record.qtype.unwrap_or(0),
            rcode: record.rcode.map(|code| u8::try_from(code).unwrap_or(u8::MAX)),
            answer_bytes: record
                .response_bytes
                .unwrap_or_else(|| told.try_into().unwrap_or(u32::MAX)),
            txt_centibits: match record.qtype {
                Some(TXT) => texts.by_ref().map(txt_centibits).max().unwrap_or(0),
                _ => 0,
            },
            clean,
            name,
            addresses: flow::Addresses::default(),
            continued: false,
        };
        self.addresses.clear();
        self.addresses.extend(record.answers.iter().filter_map(|answer| match answer {
            DnsAnswer::Address(address) => Some(Addr::from(*address)),
            DnsAnswer::Text(_) => None,
        }));
        let mut addresses = self.addresses.chunks(QUERY_ADDRESSES_MAX);
        let mut some = Some(addresses.next().unwrap_or_default());
        while let Some(part) = some {
            let text_bytes = record.uid.len() + name.len() + part.len() * 16 + 2;
            let (mut out, base_us) = self.waiting.open(flow::bucket_of(query.client), text_bytes);
            flow::write_query(&mut out, &query, (record.uid, *base_us), part);
            query.continued = true;
            some = addresses.next();
        }
    }

    fn tls(&mut self, record: &Tls<'_>) {
        if record.quic {
            self.seen.logs.quic = true;
        } else {
            self.seen.logs.ssl = true;
        }
        self.note_hour(record.time_us);
        let named = record.server_name.is_some_and(|name| naming::clean(name, &mut self.name));
        let signature = record.ja3.map_or(0, |ja3| mix_bytes(ja3.as_bytes()) | 1);
        if !named {
            self.name.clear();
        }
        let number = flow::bucket_of(record.ends.orig.into());
        let (mut out, _) = self.waiting.open(number, record.uid.len() + self.name.len());
        flow::write_tls(&mut out, record.uid, record.quic, &self.name, signature);
    }

    fn http(&mut self, record: &Http<'_>) {
        self.seen.logs.http = true;
        self.note_hour(record.time_us);
        let connect = record.method.is_some_and(|method| method.eq_ignore_ascii_case("CONNECT"));
        let host = record.host.filter(|host| !host.is_empty());
        // The target of a CONNECT stands in the request line; a Host header only repeats it.
        let target = record.uri.filter(|_| connect).or(host);
        if !target.is_some_and(|name| naming::clean(name, &mut self.name)) {
            self.name.clear();
        }
        let bits = HttpBits {
            connect: connect && !self.name.is_empty(),
            missing_host: host.is_none() && !connect,
            mime_mismatch: record.uri.is_some_and(|uri| {
                record.resp_mime_types.iter().any(|mime| naming::contradicts(uri, mime))
            }),
            posted: record.request_body_bytes > 0
                && record.method.is_some_and(|method| method.eq_ignore_ascii_case("POST")),
        };
        // An even number, so that it never meets a JA3's.
        let signature = record.user_agent.map_or(0, |agent| mix_bytes(agent.as_bytes()) & !1 | 2);
        let number = flow::bucket_of(record.ends.orig.into());
        let (mut out, _) = self.waiting.open(number, record.uid.len() + self.name.len());
        flow::write_http(&mut out, record.uid, bits, &self.name, signature);
        let most = |types: &[&str]| types.iter().filter_map(|mime| Content::of(mime)).max();
        let received = most(&record.resp_mime_types).filter(|content| content.runs());
        if received.is_some() {
            self.keep_file(number, record.uid, false, received, record.response_body_bytes);
        }
        let sent = most(&record.orig_mime_types);
        if sent.is_some() || record.request_body_bytes >= NOTABLE_BODY_BYTES {
            self.keep_file(number, record.uid, true, sent, record.request_body_bytes);
        }
    }

    fn file(&mut self, record: &File<'_>) {
        self.seen.logs.files = true;
        self.note_hour(record.time_us);
        let Some(content) = record.mime_type.and_then(Content::of) else { return };
        let Some(sent) = record.is_orig else { return };
        if !sent && !content.runs() {
            return;
        }
        // Which end opened the connection is not told everywhere: the flow is found in one of their buckets.
        let [one, other] = record.ends.map(|end| end.map(|end| flow::bucket_of(end.into())));
        for number in one.into_iter().chain(other.filter(|_| other != one)) {
            for uid in &record.conn_uids {
                self.keep_file(number, uid, sent, Some(content), record.seen_bytes);
            }
        }
    }

    fn x509(&mut self, record: &X509<'_>) {
        self.seen.logs.x509 = true;
        self.note_hour(record.time_us);
    }

    fn dhcp(&mut self, record: &Dhcp<'_>) {
        self.seen.logs.dhcp = true;
        self.note_hour(record.time_us);
        let Some(address) = record.address else { return };
        if address.is_unspecified() {
            return;
        }
        let name = record.host_name.filter(|name| naming::clean(name, &mut self.name));
        if name.is_none() {
            self.name.clear();
        }
        let mac = record.mac.unwrap_or_default();
        if mac.is_empty() && self.name.is_empty() {
            return;
        }
        let address = Addr::from(address);
        let (mut out, _) = self.waiting.open(flow::bucket_of(address), mac.len() + self.name.len());
        flow::write_lease(&mut out, address, record.time_us, mac, &self.name);
    }

    fn logon(&mut self, record: &Logon<'_>) {
        self.note_hour(record.time_us);
        let user = record.user.filter(|user| naming::is_account(user));
        let machine = record.machine.filter(|machine| naming::is_account(machine));
        if record.success.is_none() && user.is_none() && machine.is_none() {
            return;
        }
        let logon = flow::Logon {
            client: record.ends.orig.into(),
            server: record.ends.resp.into(),
            time_us: record.time_us,
            port: record.ends.resp_port,
            protocol: record.protocol,
            success: record.success,
            user: user.unwrap_or_default(),
            machine: machine.unwrap_or_default(),
        };
        let text_bytes = logon.user.len() + logon.machine.len();
        let (mut out, base_us) = self.waiting.open(flow::bucket_of(logon.client), text_bytes);
        flow::write_logon(&mut out, &logon, *base_us);
    }

    fn remote(&mut self, record: &Remote<'_>) {
        self.note_hour(record.time_us);
        let Some(act) = record.act else { return };
        let number = flow::bucket_of(record.ends.orig.into());
        let (mut out, _) = self.waiting.open(number, record.uid.len());
        flow::write_remote(&mut out, record.uid, act);
    }

    fn notice(&mut self, record: &Notice<'_>) {
        self.note_hour(record.time_us);
    }

    fn capture_loss(&mut self, record: &CaptureLoss<'_>) {
        self.seen.logs.capture_loss = true;
        let milli_percent = (record.percent_lost.clamp(0.0, 100.0) * 1000.0).round() as u128;
        self.seen.lost_milli_percent_us += milli_percent * u128::from(record.interval_us);
        self.seen.loss_intervals_us += u128::from(record.interval_us);
        // The interval ends at the record's time; a microsecond earlier lies within it.
        let Hour(hour) = Micros(record.time_us.saturating_sub(1)).hour();
        self.seen.sensor_hours.insert(hour);
    }
}

//! Flow logs of Amazon's virtual networks and transit gateways, as text: a line a record, separated by
//! blanks, as they lie in S3. Fields:
//! <https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>.
//!
//! Each record is what one interface saw one way within an interval of one or ten minutes.

use crate::limits::COLUMNS_MAX;
use crate::packed::Addr;
use crate::record::{Sink, Skip};
use crate::source::FileTally;
use crate::source::begun::Element;
use crate::source::lines::Lines;
use crate::source::table::Decoder;
use crate::source::text::{self, is_binary};
use crate::source::ways::{self, Counts, Record, Ways};

/// The name in the report.
pub(in crate::source) const NAME: &str = "aws-vpc";

/// What these logs cannot give.
pub(in crate::source) const LIMITS: &str = "Amazon's flow logs are of one way, interface and interval each, by the second: they are \
     put together within a file; types of ICMP are not told, and without the field tcp-flags \
     nor is how connections of TCP went.";

const TCP: u8 = 6;

/// All fields of versions 2 to 10 and of transit gateways: what a header is made of.
const FIELDS: &[&str] = &[
    "account-id",
    "action",
    "az-id",
    "bytes",
    "dstaddr",
    "dstport",
    "ecs-cluster-arn",
    "ecs-cluster-name",
    "ecs-container-id",
    "ecs-container-instance-arn",
    "ecs-container-instance-id",
    "ecs-second-container-id",
    "ecs-service-name",
    "ecs-task-arn",
    "ecs-task-definition-arn",
    "ecs-task-id",
    "encryption-status",
    "end",
    "flow-direction",
    "instance-id",
    "interface-id",
    "log-status",
    "packets",
    "packets-lost-blackhole",
    "packets-lost-mtu-exceeded",
    "packets-lost-no-route",
    "packets-lost-ttl-expired",
    "pkt-dst-aws-service",
    "pkt-dstaddr",
    "pkt-src-aws-service",
    "pkt-srcaddr",
    "protocol",
    "region",
    "reject-reason",
    "resource-id",
    "resource-type",
    "srcaddr",
    "srcport",
    "start",
    "sublocation-id",
    "sublocation-type",
    "subnet-id",
    "tcp-flags",
    "tgw-attachment-id",
    "tgw-dst-az-id",
    "tgw-dst-eni",
    "tgw-dst-subnet-id",
    "tgw-dst-vpc-account-id",
    "tgw-dst-vpc-id",
    "tgw-id",
    "tgw-pair-attachment-id",
    "tgw-src-az-id",
    "tgw-src-eni",
    "tgw-src-subnet-id",
    "tgw-src-vpc-account-id",
    "tgw-src-vpc-id",
    "traffic-path",
    "type",
    "version",
    "vpc-id",
];

/// The order of the default format, which stands without a header where no S3 wrote it.
const DEFAULT: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets \
                       bytes start end action log-status";

/// The fields that are used, by their places in [`Row`].
const WANTED: [&str; 16] = [
    "srcaddr",
    "dstaddr",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
    "tcp-flags",
    "interface-id",
    "tgw-attachment-id",
];

/// Bytes that tell whether a file is one: its first two fields, or the first three values of the default.
pub(in crate::source) const START_BYTES: usize = 64;

/// Whether a file begins so: with two names of fields, or with a record of the default format.
pub(in crate::source) fn is(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or(start);
    let mut parts = line.split(|byte| *byte == b' ');
    let (first, second, third) = (parts.next(), parts.next(), parts.next());
    let (Some(first), Some(second)) = (first, second) else { return false };
    let is_account = second == b"unknown" || second.len() == 12 && is_digits(second);
    let is_interface = third.is_some_and(|third| third.starts_with(b"eni-"));
    is_field(first) && is_field(second) || first == b"2" && is_account && is_interface
}

fn is_field(name: &[u8]) -> bool {
    FIELDS.iter().any(|field| field.as_bytes() == name)
}

fn is_digits(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit)
}

pub(in crate::source) fn open() -> Box<dyn Decoder> {
    Box::new(File { lines: Lines::default(), rows: Rows::default() })
}

#[derive(Debug)]
struct File {
    lines: Lines,
    rows: Rows,
}

impl Decoder for File {
    fn feed(&mut self, bytes: &[u8], tally: &mut FileTally, sink: &mut dyn Sink) {
        let Self { lines, rows } = self;
        lines.feed(bytes, |line| rows.line(line, true, tally, sink));
    }

    fn finish(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        let Self { lines, rows } = self;
        lines.finish(|line| rows.line(line, false, tally, sink));
        rows.ways.settle(tally, sink);
        if rows.left_out > 0 {
            let note = format!(
                "intervals of which the cloud left records out (SKIPDATA): {}",
                rows.left_out
            );
            tally.notes.insert(note);
        }
    }
}

/// The header in force, and what its rows gave.
#[derive(Debug)]
struct Rows {
    /// Which of [`WANTED`] each column is.
    columns: Vec<Option<usize>>,
    ways: Ways,
    left_out: u64,
}

impl Default for Rows {
    fn default() -> Self {
        Self { columns: columns(DEFAULT.as_bytes()), ways: Ways::default(), left_out: 0 }
    }
}

fn columns(header: &[u8]) -> Vec<Option<usize>> {
    let names = header.split(|byte| *byte == b' ').take(COLUMNS_MAX + 1);
    names.map(|name| WANTED.iter().position(|wanted| wanted.as_bytes() == name)).collect()
}

impl Rows {
    fn line(&mut self, line: Element<'_>, whole: bool, tally: &mut FileTally, sink: &mut dyn Sink) {
        let Element::Text(line) = line else {
            tally.records += 1;
            return tally.skip(Skip::LineTooLong, 1);
        };
        let line = line.trim_ascii();
        // Files put together have a header each.
        if line.split(|byte| *byte == b' ').take(2).all(is_field) {
            self.columns = columns(line);
            return;
        }
        tally.records += 1;
        let added = self.record(line, whole).and_then(|record| self.ways.add(record));
        match added {
            Ok(()) => self.ways.settle_if_full(tally, sink),
            Err(reason) => tally.skip(reason, 1),
        }
    }

    fn record(&mut self, line: &[u8], whole: bool) -> Result<Record, Skip> {
        let mut row = Row([None; WANTED.len()]);
        let mut count = 0;
        for (index, value) in line.split(|byte| *byte == b' ').enumerate() {
            count = index + 1;
            if let Some(Some(wanted)) = self.columns.get(index)
                && value != b"-"
                && let Some(place) = row.0.get_mut(*wanted)
            {
                *place = Some(value);
            }
        }
        if count != self.columns.len() {
            return Err(match (is_binary(line), whole || count > self.columns.len()) {
                (true, _) => Skip::Binary,
                (false, true) => Skip::ColumnCount,
                (false, false) => Skip::CutOff,
            });
        }
        let [.., status, _, _, _] = row.0;
        match status {
            Some(b"NODATA") => return Err(Skip::NoFlow),
            Some(b"SKIPDATA") => {
                self.left_out += 1;
                return Err(Skip::NoFlow);
            }
            _ => {}
        }
        row.record()
    }
}

/// The values of a line by their places in [`WANTED`].
struct Row<'a>([Option<&'a [u8]>; WANTED.len()]);

impl Row<'_> {
    fn record(&self) -> Result<Record, Skip> {
        let [
            source,
            destination,
            packet_source,
            packet_destination,
            source_port,
            destination_port,
            transport,
            packets,
            bytes,
            start,
            end,
            action,
            _,
            flags,
            interface,
            attachment,
        ] = self.0;
        // An interface of a gateway has its own address where the packet has that of the far end.
        let source = packet_source.or(source);
        let destination = packet_destination.or(destination);
        let transport = u8::try_from(count(transport)?.ok_or(Skip::MissingField)?)
            .map_err(|_| Skip::BadNumber)?;
        let flags = count(flags)?.and_then(|flags| u8::try_from(flags).ok());
        let (start_us, end_us) = (time(start)?, time(end)?);
        Ok(Record {
            start_us,
            end_us: end_us.max(start_us),
            source: (address(source)?, port(source_port)?),
            destination: (address(destination)?, port(destination_port)?),
            transport,
            sent: Counts {
                packets: count(packets)?.unwrap_or(0),
                ip_bytes: count(bytes)?.unwrap_or(0),
                flags: flags.filter(|_| transport == TCP),
            },
            received: None,
            exporter: interface.or(attachment).map_or(0, ways::exporter),
            denied: action == Some(b"REJECT"),
            edges: None,
        })
    }
}

fn count(value: Option<&[u8]>) -> Result<Option<u64>, Skip> {
    value.map(|value| text::count(value).ok_or(Skip::BadNumber)).transpose()
}

fn time(value: Option<&[u8]>) -> Result<i64, Skip> {
    text::time(value.ok_or(Skip::MissingField)?).ok_or(Skip::BadTime)
}

fn address(value: Option<&[u8]>) -> Result<Addr, Skip> {
    let address = text::address(value.ok_or(Skip::MissingField)?).ok_or(Skip::BadAddress)?;
    Ok(address.into())
}

/// A port; 0 where the transport has none.
fn port(value: Option<&[u8]>) -> Result<u16, Skip> {
    let port = count(value).map_err(|_| Skip::BadPort)?.unwrap_or(0);
    u16::try_from(port).map_err(|_| Skip::BadPort)
}

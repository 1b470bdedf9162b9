//! Flow logs of Azure's network security groups (versions 1 and 2) and virtual networks: documents of
//! records, each of which has tuples of what one interface saw in a minute. Forms:
//! <https://learn.microsoft.com/en-us/azure/network-watcher/nsg-flow-logs-overview> and
//! <https://learn.microsoft.com/en-us/azure/network-watcher/vnet-flow-logs-overview>.
//!
//! A tuple says that a flow began (B), goes on (C) or ended (E), and what went both ways since the tuple
//! before; tuples of a flow are joined. Of a flow that was denied, and in version 1, there is one tuple.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::limits::EXPORT_RECORDS_MAX;
use crate::packed::Addr;
use crate::record::{Sink, Skip};
use crate::source::FileTally;
use crate::source::array::Elements;
use crate::source::begun::Element;
use crate::source::table::Decoder;
use crate::source::text::{self, is_binary};
use crate::source::value::Value;
use crate::source::ways::{self, Counts, Record, Ways};

/// The name in the report.
pub(in crate::source) const NAME: &str = "azure";

/// What these logs cannot give.
pub(in crate::source) const LIMITS: &str = "Azure's flow logs tell neither flags of TCP nor types of ICMP; flows that were denied, \
     those of version 1 and those whose first count is in another file have no sizes.";

/// Longest time between two tuples of a flow, microseconds: counts come every five minutes, records
/// every minute (both pages).
const TUPLE_PAUSE_MAX_US: i64 = (5 + 1) * 60 * 1_000_000;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
/// IANA's reserved protocol number: version 2 of groups names TCP and UDP only, virtual networks all.
const TRANSPORT_UNKNOWN: u8 = 255;

/// Whether a file begins so: an object whose first field is a list of records.
pub(in crate::source) fn is(start: &[u8]) -> bool {
    let marks = [&b"{"[..], b"\"records\"", b":", b"["];
    let rest =
        marks.iter().try_fold(start, |rest, mark| rest.trim_ascii_start().strip_prefix(*mark));
    rest.is_some()
}

pub(in crate::source) fn open() -> Box<dyn Decoder> {
    Box::new(File::default())
}

#[derive(Debug, Default)]
struct File {
    elements: Elements,
    tuples: Tuples,
}

impl Decoder for File {
    fn feed(&mut self, bytes: &[u8], tally: &mut FileTally, sink: &mut dyn Sink) {
        let Self { elements, tuples } = self;
        elements.feed(bytes, |element| tuples.element(element, true, tally, sink));
    }

    fn finish(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        let Self { elements, tuples } = self;
        elements.finish(|element| tuples.element(element, false, tally, sink));
        tuples.join(tally, sink);
    }
}

/// A record of a document, of whichever kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow, default)]
    category: Value<'a>,
    #[serde(borrow, default)]
    mac_address: Value<'a>,
    #[serde(borrow)]
    flow_records: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

/// Of a virtual network: lists by access list, then by rule.
#[derive(Deserialize)]
struct Network<'a> {
    #[serde(borrow)]
    flows: Vec<Lists<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lists<'a> {
    #[serde(borrow)]
    flow_groups: Vec<List<'a>>,
}

/// Of a security group: lists by rule, then by interface.
#[derive(Deserialize)]
struct Group<'a> {
    #[serde(borrow)]
    flows: Vec<Rule<'a>>,
}

#[derive(Deserialize)]
struct Rule<'a> {
    #[serde(borrow)]
    flows: Vec<List<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(borrow, default)]
    mac: Value<'a>,
    #[serde(borrow)]
    flow_tuples: Vec<Value<'a>>,
}

/// What a tuple says of its flow, in the order in which it comes where times are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Begin,
    Continue,
    End,
    Denied,
    /// Version 1: nothing but that it was let pass.
    Once,
}

/// A tuple; sorted, those of a flow follow each other as they came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tuple {
    exporter: u64,
    source: (Addr, u16),
    destination: (Addr, u16),
    transport: u8,
    time_us: i64,
    moment: Moment,
    sent: Counts,
    received: Counts,
}

/// Tuples that wait for the others of their flows.
#[derive(Debug, Default)]
struct Tuples(Vec<Tuple>);

impl Tuples {
    fn element(
        &mut self,
        element: Element<'_>,
        whole: bool,
        tally: &mut FileTally,
        sink: &mut dyn Sink,
    ) {
        let skipped = match element {
            Element::Text(text) if is_envelope(text) => return,
            Element::Text(text) => self.entry(text, whole, tally),
            Element::TooLong => Err(Skip::LineTooLong),
        };
        if let Err(reason) = skipped {
            tally.records += 1;
            tally.skip(reason, 1);
        }
        if self.0.len() >= EXPORT_RECORDS_MAX {
            self.join(tally, sink);
        }
    }

    /// Takes the tuples of a record; an error if it has none to give.
    fn entry(&mut self, text: &[u8], whole: bool, tally: &mut FileTally) -> Result<(), Skip> {
        let wrong = || match (is_binary(text), whole) {
            (true, _) => Skip::Binary,
            (false, true) => Skip::BadJson,
            (false, false) => Skip::CutOff,
        };
        let text = std::str::from_utf8(text).map_err(|_| wrong())?;
        let entry: Entry<'_> = serde_json::from_str(text).map_err(|_| wrong())?;
        let mac = entry.mac_address.text().unwrap_or("");
        match entry.category.text() {
            Some("FlowLogFlowEvent") => {
                let flows = entry.flow_records.ok_or(Skip::MissingField)?;
                let network: Network<'_> = parse(flows)?;
                for list in network.flows.iter().flat_map(|flow| &flow.flow_groups) {
                    self.list(list, mac, network_tuple, tally);
                }
            }
            Some("NetworkSecurityGroupFlowEvent") => {
                let group: Group<'_> = parse(entry.properties.ok_or(Skip::MissingField)?)?;
                for list in group.flows.iter().flat_map(|rule| &rule.flows) {
                    self.list(list, list.mac.text().unwrap_or(mac), group_tuple, tally);
                }
            }
            Some(_) => return Err(Skip::UnusedLog),
            None => return Err(Skip::MissingField),
        }
        Ok(())
    }

    fn list(&mut self, list: &List<'_>, mac: &str, read: ReadTuple, tally: &mut FileTally) {
        let exporter = ways::exporter(mac.as_bytes());
        for value in &list.flow_tuples {
            tally.records += 1;
            let read = value.text().ok_or(Skip::MissingField).and_then(read);
            match read {
                Ok(tuple) => self.0.push(Tuple { exporter, ..tuple }),
                Err(reason) => tally.skip(reason, 1),
            }
        }
    }

    /// Joins the tuples of each flow and hands the flows on, those that two interfaces saw once.
    fn join(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        self.0.sort_unstable();
        let mut ways = Ways::default();
        let mut add = |record: Option<Record>| {
            if let Some(Err(reason)) = record.map(|record| ways.add(record)) {
                tally.skip(reason, 1);
            }
        };
        let mut flow: Option<Record> = None;
        for tuple in std::mem::take(&mut self.0) {
            match &mut flow {
                Some(flow) if tuple.goes_on(flow) => tuple.add_to(flow),
                _ => add(flow.replace(tuple.record())),
            }
        }
        add(flow);
        ways.settle(tally, sink);
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a RawValue) -> Result<T, Skip> {
    serde_json::from_str(text.get()).map_err(|_| Skip::MissingField)
}

/// Whether a text is what stands around lists of records, also between two documents.
fn is_envelope(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"}").unwrap_or(text).trim_ascii_start();
    let rest = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let rest = rest.and_then(|rest| rest.strip_prefix(b"\"records\"")).map(<[u8]>::trim_ascii);
    text.is_empty() || rest == Some(b":")
}

type ReadTuple = fn(&str) -> Result<Tuple, Skip>;

/// Of a virtual network: time in ms, addresses, ports, protocol's number, direction, state, encryption,
/// packets and bytes there, packets and bytes back.
fn network_tuple(text: &str) -> Result<Tuple, Skip> {
    let mut values = text.split(',');
    let mut next = || values.next().unwrap_or("");
    let time_us = time(next(), 1_000)?;
    let (source, destination) = (address(next())?, address(next())?);
    let (source_port, destination_port) = (port(next())?, port(next())?);
    let transport = u8::try_from(number(next())?).map_err(|_| Skip::BadNumber)?;
    next(); // direction: the source is who opened it in both
    let moment = match next() {
        "B" => Moment::Begin,
        "C" => Moment::Continue,
        "E" => Moment::End,
        "D" => Moment::Denied,
        _ => return Err(Skip::MissingField),
    };
    next(); // encryption
    let sent = counts(next(), next())?;
    let received = counts(next(), next())?;
    let (source, destination) = ((source, source_port), (destination, destination_port));
    Ok(Tuple { exporter: 0, source, destination, transport, time_us, moment, sent, received })
}

/// Of a security group: time in s, addresses, ports, T or U, direction, A or D; of version 2 also state,
/// packets and bytes there, packets and bytes back.
fn group_tuple(text: &str) -> Result<Tuple, Skip> {
    let mut values = text.split(',');
    let mut next = || values.next().unwrap_or("");
    let time_us = time(next(), 1_000_000)?;
    let (source, destination) = (address(next())?, address(next())?);
    let (source_port, destination_port) = (port(next())?, port(next())?);
    let transport = match next() {
        "T" => TCP,
        "U" => UDP,
        "I" => ICMP,
        "" => return Err(Skip::MissingField),
        _ => TRANSPORT_UNKNOWN,
    };
    next(); // direction, as above
    let decision = next();
    let moment = match (decision, next()) {
        ("D", _) => Moment::Denied,
        ("A", "B") => Moment::Begin,
        ("A", "C") => Moment::Continue,
        ("A", "E") => Moment::End,
        ("A", "") => Moment::Once,
        _ => return Err(Skip::MissingField),
    };
    let sent = counts(next(), next())?;
    let received = counts(next(), next())?;
    let (source, destination) = ((source, source_port), (destination, destination_port));
    Ok(Tuple { exporter: 0, source, destination, transport, time_us, moment, sent, received })
}

impl Tuple {
    /// Whether it is of the same flow as the tuples before it.
    fn goes_on(&self, flow: &Record) -> bool {
        let is_same = (self.exporter, self.source, self.destination, self.transport)
            == (flow.exporter, flow.source, flow.destination, flow.transport);
        let is_open = flow.edges.is_some_and(|(_, ended)| !ended);
        is_same
            && is_open
            && matches!(self.moment, Moment::Continue | Moment::End)
            && self.time_us - flow.end_us <= TUPLE_PAUSE_MAX_US
    }

    fn add_to(&self, flow: &mut Record) {
        flow.sent.add(self.sent);
        flow.received.get_or_insert_default().add(self.received);
        flow.end_us = self.time_us;
        if let Some((_, ended)) = &mut flow.edges {
            *ended = self.moment == Moment::End;
        }
    }

    /// The flow of which it is the first tuple, or the only one.
    fn record(&self) -> Record {
        let ended = matches!(self.moment, Moment::End | Moment::Denied | Moment::Once);
        Record {
            start_us: self.time_us,
            end_us: self.time_us,
            source: self.source,
            destination: self.destination,
            transport: self.transport,
            sent: self.sent,
            received: Some(self.received).filter(|_| self.moment != Moment::Denied),
            exporter: self.exporter,
            denied: self.moment == Moment::Denied,
            edges: Some((!matches!(self.moment, Moment::Continue | Moment::End), ended)),
        }
    }
}

fn number(value: &str) -> Result<u64, Skip> {
    text::count(value.as_bytes()).ok_or(Skip::BadNumber)
}

/// Packets and bytes; none where they are not told.
fn counts(packets: &str, bytes: &str) -> Result<Counts, Skip> {
    let count = |value: &str| if value.is_empty() { Ok(0) } else { number(value) };
    Ok(Counts { packets: count(packets)?, ip_bytes: count(bytes)?, flags: None })
}

fn time(value: &str, unit_us: i64) -> Result<i64, Skip> {
    let count = text::count(value.as_bytes()).and_then(|count| i64::try_from(count).ok());
    count.and_then(|count| count.checked_mul(unit_us)).ok_or(Skip::BadTime)
}

fn address(value: &str) -> Result<Addr, Skip> {
    text::address(value.as_bytes()).map(Addr::from).ok_or(Skip::BadAddress)
}

fn port(value: &str) -> Result<u16, Skip> {
    let port = if value.is_empty() { Some(0) } else { text::count(value.as_bytes()) };
    port.and_then(|port| u16::try_from(port).ok()).ok_or(Skip::BadPort)
}

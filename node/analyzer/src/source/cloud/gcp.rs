//! Flow logs of Google's virtual networks: entries of Cloud Logging, an object a record. Fields:
//! <https://cloud.google.com/vpc/docs/about-flow-logs-records>, and of what is around them
//! <https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry>.
//!
//! Each record is what the machine at one end saw one way within an interval; what both ends saw counts
//! once.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::packed::Addr;
use crate::record::Skip;
use crate::source::text;
use crate::source::value::Value;
use crate::source::ways::{self, Counts, Record, Ways};

/// What its names in the report begin with.
pub(in crate::source) const NAME: &str = "gcp/";

/// What these logs cannot give.
pub(in crate::source) const LIMITS: &str = "Google's flow logs are of sampled packets, scaled up, of one way, end and interval each: \
     they are put together within a file; small flows may be missing, and neither flags of \
     TCP nor types of ICMP are told.";

/// Whether an object with these keys is an entry of Cloud Logging with a payload of fields.
pub(in crate::source) fn is(keys: &[&str]) -> bool {
    ["logName", "jsonPayload"].iter().all(|wanted| keys.contains(wanted))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow, default)]
    log_name: Value<'a>,
    #[serde(borrow)]
    json_payload: &'a RawValue,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    connection: Option<Connection<'a>>,
    #[serde(borrow, default)]
    start_time: Value<'a>,
    #[serde(borrow, default)]
    end_time: Value<'a>,
    #[serde(borrow, default)]
    bytes_sent: Value<'a>,
    #[serde(borrow, default)]
    packets_sent: Value<'a>,
    #[serde(borrow, default)]
    reporter: Value<'a>,
}

#[derive(Deserialize)]
struct Connection<'a> {
    #[serde(borrow, default)]
    src_ip: Value<'a>,
    #[serde(borrow, default)]
    src_port: Value<'a>,
    #[serde(borrow, default)]
    dest_ip: Value<'a>,
    #[serde(borrow, default)]
    dest_port: Value<'a>,
    #[serde(borrow, default)]
    protocol: Value<'a>,
}

/// Reads an entry.
pub(in crate::source) fn read(entry: &str, ways: &mut Ways) -> (&'static str, Result<(), Skip>) {
    let Ok(entry) = serde_json::from_str::<Entry<'_>>(entry) else {
        return ("gcp/other", Err(Skip::BadJson));
    };
    // Of virtual machines, and of what Network Management logs since 2025: `.../logs/..%2Fvpc_flows`.
    if !entry.log_name.text().is_some_and(|name| name.ends_with("vpc_flows")) {
        return ("gcp/other", Err(Skip::UnusedLog));
    }
    let record = serde_json::from_str::<Payload<'_>>(entry.json_payload.get())
        .map_err(|_| Skip::MissingField)
        .and_then(|payload| payload.record());
    ("gcp/vpc_flows", record.and_then(|record| ways.add(record)))
}

impl Payload<'_> {
    fn record(&self) -> Result<Record, Skip> {
        let ends = self.connection.as_ref().ok_or(Skip::MissingField)?;
        let (start_us, end_us) = (time(&self.start_time)?, time(&self.end_time)?);
        let transport = ends.protocol.count()?.ok_or(Skip::MissingField)?;
        Ok(Record {
            start_us,
            end_us: end_us.max(start_us),
            source: (address(&ends.src_ip)?, port(&ends.src_port)?),
            destination: (address(&ends.dest_ip)?, port(&ends.dest_port)?),
            transport: u8::try_from(transport).map_err(|_| Skip::BadNumber)?,
            sent: Counts {
                packets: self.packets_sent.count()?.unwrap_or(0),
                ip_bytes: self.bytes_sent.count()?.unwrap_or(0),
                flags: None,
            },
            received: None,
            exporter: self
                .reporter
                .text()
                .map_or(0, |reporter| ways::exporter(reporter.as_bytes())),
            denied: false,
            edges: None,
        })
    }
}

fn time(value: &Value<'_>) -> Result<i64, Skip> {
    match value {
        Value::Text(time) => text::time(time.as_bytes()).ok_or(Skip::BadTime),
        Value::None => Err(Skip::MissingField),
        _ => Err(Skip::BadTime),
    }
}

fn address(value: &Value<'_>) -> Result<Addr, Skip> {
    let address = value.text().ok_or(Skip::MissingField)?;
    text::address(address.as_bytes()).map(Addr::from).ok_or(Skip::BadAddress)
}

/// A port; 0 where the transport has none.
fn port(value: &Value<'_>) -> Result<u16, Skip> {
    let port = value.count().map_err(|_| Skip::BadPort)?.unwrap_or(0);
    u16::try_from(port).map_err(|_| Skip::BadPort)
}

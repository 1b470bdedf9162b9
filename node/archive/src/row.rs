//! A flow as it is kept.

use std::net::{IpAddr, Ipv4Addr};

use flowlore_common::time::Micros;

/// One flow, with what was known about its ends when it was analyzed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose flow it is: the inside end; where both or neither is inside, who opened it.
    pub host: IpAddr,
    /// Name of that machine, if a lease or an asset list told it.
    pub host_name: Option<String>,
    /// Who was logged on there.
    pub user: Option<String>,
    /// When it began.
    pub start: Micros,
    /// When it ended, as far as seen.
    pub end: Micros,
    /// The sensor's name for it.
    pub uid: Option<String>,
    /// `outbound`, `inbound`, `internal` or `external`.
    pub direction: String,
    /// Who opened it.
    pub source_ip: IpAddr,
    /// Port there.
    pub source_port: u16,
    /// Who was addressed.
    pub destination_ip: IpAddr,
    /// Port there.
    pub destination_port: u16,
    /// IP protocol number.
    pub ip_protocol: u8,
    /// Name of the destination.
    pub destination_name: Option<String>,
    /// Where that name is from: `sni`, `quic`, `http` or `dns`.
    pub named_by: Option<String>,
    /// Application protocols in Zeek's words, with commas between.
    pub service: Option<String>,
    /// Zeek's `conn_state`.
    pub conn_state: Option<String>,
    /// Payload bytes of the source.
    pub source_bytes: u64,
    /// Payload bytes of the destination.
    pub destination_bytes: u64,
    /// Packets of the source.
    pub source_packets: u64,
    /// Packets of the destination.
    pub destination_packets: u64,
    /// IP bytes of the source.
    pub source_ip_bytes: u64,
    /// Bytes that the sensor missed.
    pub missed_bytes: u64,
    /// What the flow is by its shape.
    pub category: String,
    /// A snapshot of a flow that went on.
    pub open: bool,
    /// Whether the sensor took the source for an inside host.
    pub local_source: Option<bool>,
    /// Whether the sensor took the destination for an inside host.
    pub local_destination: Option<bool>,
    /// How the sizes are known: `counted`, `estimated` or `exported`.
    pub sizes: String,
    /// Hash of the client's JA3 or user agent.
    pub client_signature: Option<i64>,
}

impl Default for Row {
    fn default() -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            host: nowhere,
            host_name: None,
            user: None,
            start: Micros(0),
            end: Micros(0),
            uid: None,
            direction: String::new(),
            source_ip: nowhere,
            source_port: 0,
            destination_ip: nowhere,
            destination_port: 0,
            ip_protocol: 0,
            destination_name: None,
            named_by: None,
            service: None,
            conn_state: None,
            source_bytes: 0,
            destination_bytes: 0,
            source_packets: 0,
            destination_packets: 0,
            source_ip_bytes: 0,
            missed_bytes: 0,
            category: String::new(),
            open: false,
            local_source: None,
            local_destination: None,
            sizes: String::new(),
            client_signature: None,
        }
    }
}

impl Row {
    /// Order in a file: by host, so that one host's flows lie together, then by time; the rest so
    /// that the same rows give the same bytes.
    #[must_use]
    pub fn order(&self) -> impl Ord + '_ {
        (
            self.host,
            self.start,
            self.uid.as_deref(),
            self.source_ip,
            self.destination_ip,
            self.source_port,
            self.destination_port,
            (self.ip_protocol, self.end, self.source_bytes, self.destination_bytes),
        )
    }

    /// Whether this address is one of its ends.
    #[must_use]
    pub fn touches(&self, address: IpAddr) -> bool {
        self.source_ip == address || self.destination_ip == address
    }
}

//! What is counted of datagrams since the start, over all inputs.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Why a datagram was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Its sender is not among those of `from`.
    NotFrom,
    /// It is neither NetFlow 5 or 9 nor IPFIX.
    NotNetflow,
    /// It is longer than a packet of IP may be, with its headers.
    TooLong,
    /// As much waits for analysis as may.
    SpoolFull,
    /// The disk refused.
    Disk,
}

impl Dropped {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::NotFrom, Self::NotNetflow, Self::TooLong, Self::SpoolFull, Self::Disk];

    /// As it is told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFrom => "not_from",
            Self::NotNetflow => "not_netflow",
            Self::TooLong => "too_long",
            Self::SpoolFull => "spool_full",
            Self::Disk => "disk",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// The counts.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Datagrams that came, dropped ones included.
    pub datagrams: Counter,
    /// Bytes of them, without headers of UDP and below.
    pub bytes: Counter,
    /// Exporters that were heard within a day, parts of routers that count for themselves apart.
    pub exporters: Gauge,
    /// Periods that were analyzed and kept.
    pub analyzed: Counter,
    /// Analyses that failed, tried again or not.
    pub failed: Counter,
    dropped: Family<Reason, Counter>,
}

impl Counts {
    /// Counts datagrams that were not kept.
    pub fn drop(&self, reason: Dropped, count: u64) {
        self.dropped.get_or_create(&Reason { reason: reason.name() }).inc_by(count);
    }

    /// How many were not kept for a reason.
    #[must_use]
    pub fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped.get_or_create(&Reason { reason: reason.name() }).get()
    }

    /// Puts them on the page of metrics.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("netflow");
        registry.register("datagrams", "Datagrams of routers that came", self.datagrams.clone());
        registry.register("received_bytes", "Bytes of datagrams that came", self.bytes.clone());
        let help = "Datagrams that were not kept";
        registry.register("dropped", help, self.dropped.clone());
        let help = "Routers, or parts of them, heard within a day";
        registry.register("exporters", help, self.exporters.clone());
        let help = "Periods of datagrams that were analyzed and kept";
        registry.register("periods_analyzed", help, self.analyzed.clone());
        let help = "Analyses of a period that failed; they are tried again";
        registry.register("analyses_failed", help, self.failed.clone());
    }
}

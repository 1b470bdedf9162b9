//! The datagrams of one input, period by period: which are kept, which are counted only.

use std::net::SocketAddr;

use flowlore_analyzer::source::{Announced, is_netflow};
use flowlore_common::time::Micros;
use ipnet::IpNet;

use super::counts::Dropped;
use super::spool::Open;
use super::{Netflow, packet};
use crate::limits::SPOOL_BUFFER_BYTES;

/// What came in the period that is now.
#[derive(Debug)]
pub(super) struct Gathering<'a> {
    netflow: &'a Netflow,
    /// Where it came to.
    to: SocketAddr,
    every_us: i64,
    from: &'a [IpNet],
    announced: Announced,
    /// Whether nothing is kept for want of room, but what exporters announce.
    is_learning: bool,
    /// How many exporters this input has told the counts of.
    exporters: usize,
    /// Periods since 1970.
    period: i64,
    open: Option<Open<'a>>,
    packets: Vec<u8>,
    /// Of this period.
    datagrams: u64,
    bytes: u64,
    dropped: u64,
}

impl<'a> Gathering<'a> {
    /// At this address, in periods of so many microseconds, of exporters in these networks; none: of all.
    pub(super) fn new(
        netflow: &'a Netflow,
        to: SocketAddr,
        (every_us, from): (i64, &'a [IpNet]),
        now: Micros,
    ) -> Self {
        Self {
            netflow,
            to,
            every_us,
            from,
            announced: Announced::default(),
            is_learning: false,
            exporters: 0,
            period: now.0.div_euclid(every_us),
            open: None,
            packets: Vec::new(),
            datagrams: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    /// Takes a datagram.
    pub(super) fn take(&mut self, from: SocketAddr, datagram: &[u8], now: Micros) {
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        self.netflow.counts.datagrams.inc();
        self.netflow.counts.bytes.inc_by(datagram.len() as u64);
        if let Err(reason) = self.keep(from, datagram, now) {
            self.lose(reason, 1);
        }
    }

    fn keep(&mut self, from: SocketAddr, datagram: &[u8], now: Micros) -> Result<(), Dropped> {
        let sender = from.ip().to_canonical();
        if !self.from.is_empty() && !self.from.iter().any(|network| network.contains(&sender)) {
            return Err(Dropped::NotFrom);
        }
        if !is_netflow(datagram) {
            return Err(Dropped::NotNetflow);
        }
        let has_room = self.netflow.spool.has_room(SPOOL_BUFFER_BYTES);
        if has_room && self.is_learning {
            // What was to stand before others was dropped with them: it is said again.
            self.announced.begin_file(now);
        }
        self.is_learning = !has_room;
        let before = self.announced.before(sender, datagram, now);
        if !has_room {
            return Err(Dropped::SpoolFull);
        }
        self.packets.clear();
        let ends = (from, self.to);
        if let Some(before) = before {
            packet::put(&mut self.packets, now, ends, &before).ok_or(Dropped::TooLong)?;
        }
        packet::put(&mut self.packets, now, ends, datagram).ok_or(Dropped::TooLong)?;
        self.count_exporters();
        self.write().map_err(|error| {
            tracing::debug!(error = format!("{error:#}"), "a datagram was not written");
            // What was to stand before it does not: it is said again.
            self.announced.begin_file(now);
            Dropped::Disk
        })?;
        if self.open.as_ref().is_some_and(Open::is_full) {
            self.close();
            self.announced.begin_file(now);
            self.netflow.over.notify_one();
        }
        Ok(())
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(self.netflow.spool.begin()?),
        };
        Ok(open.put(&self.packets)?)
    }

    fn lose(&mut self, reason: Dropped, count: u64) {
        self.dropped += count;
        self.netflow.counts.drop(reason, count);
    }

    fn count_exporters(&mut self) {
        let (before, now) = (self.exporters, self.announced.exporters());
        self.exporters = now;
        let change = i64::try_from(now).unwrap_or(0) - i64::try_from(before).unwrap_or(0);
        self.netflow.counts.exporters.inc_by(change);
    }

    /// Nothing comes just now.
    pub(super) fn rest(&mut self) {
        if let Some(open) = &mut self.open
            && let Err(error) = open.flush()
        {
            // What is not written is tried again, and counted when the period ends.
            tracing::debug!(%error, "datagrams are not written yet");
        }
    }

    /// Ends the period if its time is over.
    pub(super) fn turn(&mut self, now: Micros) {
        let period = now.0.div_euclid(self.every_us);
        if period == self.period {
            return;
        }
        self.period = period;
        if self.netflow.spool.is_crowded() {
            self.rest();
        } else {
            self.close();
        }
        self.tell(now);
    }

    /// Ends the last period.
    pub(super) fn end(mut self, now: Micros) {
        self.close();
        self.tell(now);
        self.netflow.counts.exporters.dec_by(i64::try_from(self.exporters).unwrap_or(0));
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        match open.close() {
            Ok(0) => {}
            Ok(lost) => self.lose(Dropped::Disk, lost),
            Err(error) => tracing::error!(%error, "a file of datagrams waits for the next start"),
        }
    }

    /// Says what came, and lets another file and period begin.
    fn tell(&mut self, now: Micros) {
        self.announced.begin_file(now);
        self.count_exporters();
        let (datagrams, bytes, dropped) = (self.datagrams, self.bytes, self.dropped);
        let (exporters, kernel) = (self.exporters, self.netflow.kernel_drops());
        tracing::info!(datagrams, bytes, dropped, exporters, kernel, "a period of netflow is over");
        if dropped > 0 {
            tracing::warn!(dropped, "datagrams were not kept: `flowlore status` says why");
        }
        (self.datagrams, self.bytes, self.dropped) = (0, 0, 0);
        self.netflow.over.notify_one();
    }
}

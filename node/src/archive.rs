//! The org's own flows: from uploads into `archive/`, out of it by age, size and erasure. Private, never shared.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use anyhow::Result;
use flowlore_analyzer::flow::service;
use flowlore_analyzer::settle::{Settled, Witness};
use flowlore_archive::ArchiveError;
use flowlore_archive::archive::{Archive, Erasure, Forgotten, Receipt, Retention};
use flowlore_archive::batch::{Batch, Written};
use flowlore_archive::row::Row;
use flowlore_common::time::{Hour, Micros};
use serde::Serialize;

use crate::config;
use crate::days::Days;
use crate::netflow::Spool;

/// The archive's folder in the node's.
const FOLDER: &str = "archive";

/// Opens the archive of the node in `dir`.
///
/// # Errors
/// When its folder cannot be used, or a running node has it.
pub fn open(dir: &Path) -> Result<Archive, ArchiveError> {
    Archive::open(&dir.join(FOLDER))
}

/// As [`open`], but a running node is not waited for.
///
/// # Errors
/// As [`open`].
pub fn open_at_once(dir: &Path) -> Result<Archive, ArchiveError> {
    Archive::open_at_once(&dir.join(FOLDER))
}

/// What was erased.
#[derive(Debug, Serialize)]
pub struct Erased {
    /// Of the archive.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// Days that were in hand.
    pub days_removed: u64,
    /// Files of routers' datagrams that waited to be analyzed, or could not be.
    pub datagram_files_removed: u64,
}

/// What is kept of flows as they came, in which nobody's can be told apart.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// What was sent for days.
    pub days: &'a Days,
    /// What routers sent.
    pub spool: &'a Spool,
}

/// Erases flows for good, and all of what is kept as it came.
///
/// # Errors
/// The disk refuses; asked again, the rest goes.
pub fn erase(archive: &Archive, raw: Raw<'_>, erasure: &Erasure) -> Result<Erased> {
    let days_removed = raw.days.clear()?;
    let datagram_files_removed = raw.spool.clear()?;
    Ok(Erased { receipt: archive.erase(erasure)?, days_removed, datagram_files_removed })
}

/// The archive of a running node, and how long it remembers.
#[derive(Debug)]
pub struct Flows {
    /// The archive.
    pub archive: Archive,
    keeps: config::Retention,
    /// The hour in which it was last looked through for what is to be forgotten.
    looked: AtomicU32,
    /// How often flows were erased: what began before one was over must not bring them back.
    erasures: AtomicU64,
    /// Held by who erases, and shared by those who put flows in view.
    erasing: RwLock<()>,
}

impl Flows {
    /// Of the node in `dir`.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(dir: &Path, keeps: config::Retention) -> Result<Self, ArchiveError> {
        Ok(Self {
            archive: open(dir)?,
            keeps,
            looked: AtomicU32::new(0),
            erasures: AtomicU64::default(),
            erasing: RwLock::default(),
        })
    }

    /// How often flows were erased until now. Waits for none that runs, which may take long.
    #[must_use]
    pub fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::Acquire)
    }

    /// Holds erasures off until what this gives is dropped, if none ended since so many had.
    pub(crate) fn since(&self, erasures: u64) -> Option<RwLockReadGuard<'_, ()>> {
        let still = self.erasing.read().unwrap_or_else(PoisonError::into_inner);
        (self.erasures() == erasures).then_some(still)
    }

    /// As [`erase`], and nothing that is under way brings back what is erased.
    ///
    /// # Errors
    /// As [`erase`].
    pub fn erase(&self, raw: Raw<'_>, erasure: &Erasure) -> Result<Erased> {
        let _erasing = self.erasing.write().unwrap_or_else(PoisonError::into_inner);
        let erased = erase(&self.archive, raw, erasure);
        // Not before: what begins to be read meanwhile may be a file that goes. Nor only if all went: some may have.
        self.erasures.fetch_add(1, Ordering::Release);
        erased
    }

    /// For the flows of one upload; `None`: none are kept, or those of this upload are already.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn keeper(&self, upload: &str) -> Result<Option<Keeper<'_>>, ArchiveError> {
        if self.keeps.archive_gib == 0 {
            return Ok(None);
        }
        Ok(self.archive.batch(upload)?.map(|batch| Keeper(Mutex::new(batch))))
    }

    /// Once an hour, forgets what is too old or too much.
    ///
    /// # Errors
    /// When a file cannot be removed; the next hour tries again.
    pub fn forget(&self, now: Micros) -> Result<Forgotten, ArchiveError> {
        let hour = now.hour();
        if self.looked.swap(hour.0, Ordering::Relaxed) == hour.0 {
            return Ok(Forgotten::default());
        }
        self.archive.keep(&Retention {
            oldest: Hour(hour.0.saturating_sub(self.keeps.flows_days.saturating_mul(24))),
            bytes_max: u64::from(self.keeps.archive_gib) << 30,
        })
    }
}

/// Takes the flows of one analysis.
#[derive(Debug)]
pub struct Keeper<'a>(Mutex<Batch<'a>>);

impl Keeper<'_> {
    /// Puts the flows into view.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn commit(self) -> Result<Written, ArchiveError> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).commit()
    }
}

impl Witness for Keeper<'_> {
    fn settled(&self, flow: &Settled<'_>) -> io::Result<()> {
        let row = row(flow);
        let mut batch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        batch.push(row).map_err(io::Error::other)
    }
}

fn row(settled: &Settled<'_>) -> Row {
    let flow = settled.flow;
    // Whose flow it is: the inside end; else who opened it.
    let host = if settled.resp_inside && !settled.orig_inside { flow.resp } else { flow.orig };
    let machine = settled.machine.filter(|_| host == flow.orig);
    Row {
        host: host.into(),
        host_name: machine.map(str::to_owned),
        user: None,
        start: Micros(flow.start_us),
        end: Micros(flow.end_us()),
        uid: settled.uid.as_deref().map(str::to_owned),
        direction: settled.direction.name().to_owned(),
        source_ip: flow.orig.into(),
        source_port: flow.orig_port,
        destination_ip: flow.resp.into(),
        destination_port: flow.resp_port,
        ip_protocol: flow.transport,
        destination_name: settled.name.map(str::to_owned),
        named_by: settled.name.map(|_| settled.named_by.name().to_owned()),
        service: services(flow.services),
        conn_state: flow.state.map(|state| state.name().to_owned()),
        source_bytes: flow.orig_bytes,
        destination_bytes: flow.resp_bytes,
        source_packets: flow.orig_packets,
        destination_packets: flow.resp_packets,
        source_ip_bytes: flow.orig_ip_bytes,
        missed_bytes: flow.missed_bytes,
        category: settled.category.name().to_owned(),
        open: flow.open,
        local_source: flow.local_orig,
        local_destination: flow.local_resp,
        sizes: flow.sizes.name().to_owned(),
        client_signature: settled.signature.map(u64::cast_signed),
    }
}

/// In Zeek's words and the alphabet's order.
fn services(bits: u8) -> Option<String> {
    let words = [
        (service::DNS, "dns"),
        (service::HTTP, "http"),
        (service::QUIC, "quic"),
        (service::TLS, "ssl"),
    ];
    let seen = words.into_iter().filter(|(bit, _)| bits & bit != 0);
    let seen: Vec<&str> = seen.map(|(_, word)| word).collect();
    (!seen.is_empty()).then(|| seen.join(","))
}

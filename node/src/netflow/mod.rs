//! What routers send: NetFlow 5 and 9 and IPFIX over UDP, gathered for a period, then kept as an upload is.
//!
//! ```text
//! socket -> listener -> gathering -> spool: a capture in private/spool, closed when the period is over
//!                                     -> worker -> keep (analysis, archive, the one door) -> spool file removed
//! ```
//!
//! Nobody waits for the report, so the newest stay in private/reports. The folder of the spool is the queue: what a process
//! leaves behind, closed or not, the next one finds there. A spool file is a capture of the datagrams with their senders,
//! which the analyzer, and any other program for captures, reads as it is. Templates that were announced before it began
//! stand at its head.

mod counts;
mod gathering;
mod kernel;
mod listener;
mod packet;
mod reports;
mod spool;
#[cfg(test)]
mod tests;
mod worker;

use std::net::SocketAddr;
use std::sync::OnceLock;

use anyhow::Result;
use tokio::sync::Notify;

pub use self::counts::{Counts, Dropped};
pub use self::listener::Listener;
pub use self::spool::Spool;
pub use self::worker::run;
use crate::config::Config;
use crate::folder::Folder;
use crate::limits::SPOOL_BYTES_MAX;

/// What listeners, the worker, and those who ask how they are share.
#[derive(Debug)]
pub struct Netflow {
    /// Datagrams on disk.
    pub spool: Spool,
    /// What was counted.
    pub counts: Counts,
    /// A period is over.
    over: Notify,
    listens: OnceLock<Vec<SocketAddr>>,
}

impl Netflow {
    /// Of the node in this folder.
    ///
    /// # Errors
    /// What an earlier process left behind cannot be looked at.
    pub fn open(folder: &Folder) -> Result<Self> {
        Ok(Self {
            spool: Spool::open(&folder.path(spool::FOLDER), SPOOL_BYTES_MAX)?,
            counts: Counts::default(),
            over: Notify::new(),
            listens: OnceLock::new(),
        })
    }

    /// Binds every input of the configuration.
    ///
    /// # Errors
    /// An address cannot be used.
    pub fn bind(&self, config: &Config) -> Result<Vec<Listener>> {
        let bound: Vec<_> = config.inputs.iter().map(Listener::bind).collect::<Result<_>>()?;
        // A node serves once.
        let _ = self.listens.set(bound.iter().map(Listener::address).collect());
        Ok(bound)
    }

    /// Where datagrams are received.
    pub fn listens(&self) -> &[SocketAddr] {
        self.listens.get().map_or(&[], |listens| listens)
    }

    /// Datagrams that the system dropped because nobody fetched them in time, as far as it tells.
    pub fn kernel_drops(&self) -> Option<u64> {
        self.listens().iter().map(kernel::drops).sum()
    }
}

//! The door to the disk: the operating system, or what a test puts in its place to see what a full or
//! broken one costs.

use std::fs::File;
use std::io::{self, Write as _};

use super::Store;

/// How writes reach the disk.
pub trait Disk: std::fmt::Debug + Send + Sync {
    /// Appends to a log file.
    ///
    /// # Errors
    /// The disk is full, or the like; part of the bytes may be written.
    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Waits until a log file is on disk.
    ///
    /// # Errors
    /// The device fails.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// The state as it is to be used.
    fn state(&self, store: Box<dyn Store>) -> Box<dyn Store> {
        store
    }
}

/// The operating system's.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {}

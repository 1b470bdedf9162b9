//! A file's bytes in memory, without copying them.
#![allow(unsafe_code, reason = "the map: its contract stands below")]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// A regular file as bytes.
#[derive(Debug)]
pub(super) struct Map(Option<Mmap>);

impl Map {
    /// Maps an open file as it is now; what is appended later is not seen.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the bytes are only read, and only as bytes: no value of another type is made of them
        // whose validity could break, and text is checked where it is used. If another process writes
        // to the file meanwhile, what is parsed may be a mixture, which is counted like any other
        // rubbish. If another process truncates it, the system ends this one with SIGBUS; log
        // rotation renames and appends, and a log that is being truncated cannot be read well by any
        // means.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Self(Some(map)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}

//! Rows of one upload, hour by hour, with bounded memory.

use std::{collections::BTreeMap, path::PathBuf};

use flowlore_common::time::Hour;

use crate::{
    ArchiveError, file,
    folder::{Folder, PART, check_batch},
    limits::WAITING_ROWS_MAX,
    row::Row,
};

/// The last hour that a folder can be named after, in 2149: what claims to be later lies there, too.
const LAST_HOUR: Hour = Hour(u16::MAX as u32 * 24 + 23);

/// A batch that is being written. Dropped without [`Batch::commit`], nothing of it is ever seen.
#[derive(Debug)]
pub struct Batch<'a> {
    folder: &'a Folder,
    name: String,
    incoming: PathBuf,
    waiting: BTreeMap<Hour, Vec<Row>>,
    waiting_rows: usize,
    files: u32,
    rows: u64,
}

/// What a batch brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Files.
    pub files: u32,
    /// Flows.
    pub rows: u64,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(folder: &'a Folder, name: &str) -> Result<Self, ArchiveError> {
        check_batch(name)?;
        Ok(Self {
            folder,
            name: name.to_owned(),
            incoming: folder.incoming(name)?,
            waiting: BTreeMap::new(),
            waiting_rows: 0,
            files: 0,
            rows: 0,
        })
    }

    /// Adds a flow.
    ///
    /// # Errors
    /// When an hour has to be written and cannot.
    pub fn push(&mut self, row: Row) -> Result<(), ArchiveError> {
        let hour = row.start.hour().min(LAST_HOUR);
        self.waiting.entry(hour).or_default().push(row);
        self.waiting_rows += 1;
        self.rows += 1;
        if self.waiting_rows >= WAITING_ROWS_MAX {
            let fullest = self.waiting.iter().max_by_key(|(_, rows)| rows.len());
            if let Some(hour) = fullest.map(|(hour, _)| *hour) {
                self.write(hour)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, hour: Hour) -> Result<(), ArchiveError> {
        let Some(mut rows) = self.waiting.remove(&hour) else { return Ok(()) };
        self.waiting_rows -= rows.len();
        file::sort(&mut rows);
        let name = format!("{}.{}-{}.{PART}", hour.0, self.name, self.files);
        self.files += 1;
        file::write(&self.incoming.join(name), &rows)
    }

    /// Puts the batch into view.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is seen then, or, when only moving failed, all will be
    /// after the archive was opened again.
    pub fn commit(mut self) -> Result<Written, ArchiveError> {
        while let Some(hour) = self.waiting.keys().next().copied() {
            self.write(hour)?;
        }
        if self.files > 0 {
            self.folder.commit(&self.incoming, &self.name)?;
        }
        Ok(Written { files: self.files, rows: self.rows })
    }
}

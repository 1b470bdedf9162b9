//! The whole: write, read, forget.

use std::{
    fs,
    net::IpAddr,
    path::Path,
    sync::{Mutex, PoisonError},
};

use flowlore_common::lock;
use flowlore_common::time::{Hour, Micros};
use serde::Serialize;

use crate::{
    ArchiveError,
    batch::Batch,
    file::{self, Selection},
    folder::{Folder, PART, Part, check_batch},
    row::Row,
};

/// Where erasure writes; with a dot in it, no batch has this name.
const ERASURE: &str = "erasure.work";

/// The flows of one org, or of one tenant of a node.
#[derive(Debug)]
pub struct Archive {
    folder: Folder,
    /// Files are taken away by one at a time.
    forgetting: Mutex<()>,
}

/// How much a read had to touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Files opened.
    pub files: usize,
    /// Row groups read.
    pub groups: usize,
}

/// Whose flows are to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// All with this address at one end.
    Address(IpAddr),
    /// All of the machine of this name.
    HostName(String),
    /// All of this user.
    User(String),
    /// All that began before.
    Before(Micros),
}

impl Erasure {
    fn covers(&self, row: &Row) -> bool {
        match self {
            Self::Address(address) => row.host == *address || row.touches(*address),
            Self::HostName(name) => row.host_name.as_ref().is_some_and(|host| host == name),
            Self::User(name) => row.user.as_ref().is_some_and(|user| user == name),
            Self::Before(time) => row.start < *time,
        }
    }

    /// What can hold such a flow.
    fn selection(&self) -> Selection {
        match self {
            Self::Before(time) => Selection { until: *time, ..Selection::ALL },
            _ => Selection::ALL,
        }
    }
}

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Files looked into.
    pub files_searched: u64,
    /// Files written anew without the flows.
    pub files_rewritten: u64,
    /// Files with nothing else in them.
    pub files_removed: u64,
    /// Flows erased.
    pub flows_erased: u64,
    /// Flows kept in the rewritten files.
    pub flows_kept: u64,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Hours that ended before this one's begin are forgotten.
    pub oldest: Hour,
    /// Bytes of all files; the oldest hours go first.
    pub bytes_max: u64,
}

/// What retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Archive {
    /// Opens it, made if it is not there; finishes or removes what a crash has left.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process writes to it.
    pub fn open(root: &Path) -> Result<Self, ArchiveError> {
        Ok(Self { folder: Folder::open(root, lock::exclusive)?, forgetting: Mutex::new(()) })
    }

    /// As [`Archive::open`], but who has it is not waited for.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn open_at_once(root: &Path) -> Result<Self, ArchiveError> {
        Ok(Self { folder: Folder::open(root, lock::at_once)?, forgetting: Mutex::new(()) })
    }

    /// A new batch; `None`: one of this name is there already, so that what is sent again after a
    /// crash is kept once.
    ///
    /// # Errors
    /// When its folder cannot be made or its name is none.
    pub fn batch(&self, name: &str) -> Result<Option<Batch<'_>>, ArchiveError> {
        check_batch(name)?;
        let known = self.folder.parts()?.iter().any(|part| batch_of(part) == Some(name));
        if known { Ok(None) } else { Batch::new(&self.folder, name).map(Some) }
    }

    /// Hands on the wanted flows, oldest hour first, in each file by host and start.
    ///
    /// # Errors
    /// When a file cannot be read, and whatever `take` gives.
    pub fn read<E: From<ArchiveError>>(
        &self,
        selection: &Selection,
        mut take: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<Touched, E> {
        let mut touched = Touched::default();
        for part in self.folder.parts()? {
            if part.hour > selection.until.hour() {
                break;
            }
            touched.files += 1;
            touched.groups += file::read(&part.path, selection, &mut take)?;
        }
        Ok(touched)
    }

    /// Erases flows that are in view. Each file is replaced in one step; cut off and asked again, it goes on.
    /// A batch of which a file is left is still known, so that sending it again brings nothing back.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn erase(&self, erasure: &Erasure) -> Result<Receipt, ArchiveError> {
        let _alone = self.forgetting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut receipt = Receipt::default();
        let work = self.folder.incoming(ERASURE)?;
        for part in self.folder.parts()? {
            if part.hour > erasure.selection().until.hour() {
                break;
            }
            receipt.files_searched += 1;
            self.erase_from(&part, erasure, &work, &mut receipt)?;
        }
        Ok(receipt)
    }

    fn erase_from(
        &self,
        part: &Part,
        erasure: &Erasure,
        work: &Path,
        receipt: &mut Receipt,
    ) -> Result<(), ArchiveError> {
        let (mut kept, mut erased) = (Vec::new(), 0);
        file::read(&part.path, &Selection::ALL, |row| {
            if erasure.covers(&row) {
                erased += 1;
            } else {
                kept.push(row);
            }
            Ok::<_, ArchiveError>(())
        })?;
        if erased == 0 {
            return Ok(());
        }
        receipt.flows_erased += erased;
        receipt.flows_kept += kept.len() as u64;
        if kept.is_empty() {
            receipt.files_removed += 1;
            return self.folder.remove(part);
        }
        receipt.files_rewritten += 1;
        let new = work.join(format!("{}.{PART}", receipt.files_rewritten));
        file::write(&new, &kept)?;
        self.folder.replace(&new, &part.path)
    }

    /// Forgets what is too old, then the oldest hours until the rest has room.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn keep(&self, retention: &Retention) -> Result<Forgotten, ArchiveError> {
        let _alone = self.forgetting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parts = Vec::new();
        for part in self.folder.parts()? {
            let bytes = fs::metadata(&part.path).map_err(ArchiveError::io(&part.path))?.len();
            parts.push((part, bytes));
        }
        let mut total: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
        let mut forgotten = Forgotten::default();
        let mut going = None;
        for (part, bytes) in &parts {
            // An hour goes as a whole.
            let too_much = total > retention.bytes_max || going == Some(part.hour);
            if part.hour >= retention.oldest && !too_much {
                break;
            }
            going = Some(part.hour);
            self.folder.remove(part)?;
            total -= bytes;
            forgotten.files += 1;
            forgotten.bytes += bytes;
        }
        Ok(forgotten)
    }
}

/// `BATCH-N.parquet`.
fn batch_of(part: &Part) -> Option<&str> {
    Some(part.path.file_stem()?.to_str()?.rsplit_once('-')?.0)
}

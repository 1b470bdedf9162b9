//! All uploads of a day as files to read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::sent::{self, Sent};
use crate::follow::Openings;
use crate::mapping;

/// Links to the files of a day, which go with it.
#[derive(Debug)]
pub(crate) struct Gathered {
    folder: TempDir,
    uploads: BTreeMap<String, Sent>,
    openings: Openings,
    left_out: usize,
}

impl Gathered {
    /// None yet, in a folder.
    pub(super) fn new(folder: TempDir) -> Result<Self> {
        Ok(Self { folder, uploads: BTreeMap::new(), openings: Openings::default(), left_out: 0 })
    }

    /// Counts one that cannot be read any more; nothing of it is.
    pub(super) fn leave_out(&mut self, digest: &str) {
        self.left_out += 1;
        // What is left of it goes with all the rest, if not now.
        if fs::remove_dir_all(self.folder.path().join(digest)).is_err() {
            tracing::debug!(digest, "nothing of it was linked");
        }
    }

    /// What the report says of those that are left out.
    pub(crate) fn left_out(&self) -> Option<String> {
        let count = self.left_out;
        (count > 0).then(|| {
            format!("uploads of this day that cannot be read any more and are left out: {count}")
        })
    }

    /// Adds the upload of this digest, which is in this folder. Every file is linked into a folder of its own, under the
    /// name with which it came: two may have one name.
    pub(super) fn link(&mut self, from: &Path, digest: &str) -> Result<()> {
        let sent = Sent::read(from)?;
        let upload = self.folder.path().join(digest);
        for (number, named) in sent.flows.iter().enumerate() {
            let folder = sent::log(&upload, number);
            let to = folder.join(&named.file);
            fs::create_dir_all(&folder)
                .and_then(|()| fs::hard_link(sent::log(from, number), &to))
                // Not by its name, which is the sender's.
                .with_context(|| format!("file {number}"))?;
        }
        if sent.mapping.is_some() {
            let opening = mapping::opening(&sent::mapping(from)).ok().context("its mapping")?;
            self.openings.within(upload, opening);
        }
        self.uploads.insert(digest.to_owned(), sent);
        Ok(())
    }

    /// Where the files are.
    pub(crate) fn paths(&self) -> [PathBuf; 1] {
        [self.folder.path().to_owned()]
    }

    /// How they are read: each upload by the mapping with which it came.
    pub(crate) fn openings(&self) -> &Openings {
        &self.openings
    }

    /// Whether something of it may not be published.
    pub(crate) fn keep_here(&self) -> bool {
        self.uploads.values().any(|sent| sent.keep_here)
    }

    /// The sender's path of a file of ours.
    pub(crate) fn as_sent(&self, path: &str) -> String {
        let sent = || {
            let mut rest = Path::new(path).strip_prefix(self.folder.path()).ok()?.iter();
            let upload = self.uploads.get(rest.next()?.to_str()?)?;
            let number: usize = rest.next()?.to_str()?.parse().ok()?;
            Some(upload.flows.get(number)?.sent.clone())
        };
        sent().unwrap_or_else(|| path.to_owned())
    }
}

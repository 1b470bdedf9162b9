//! Paths, folders and links to files: sorted, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::{FollowError, shown};
use crate::limits::INPUT_FILES_MAX;

/// A file to read.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Its size when it was found, bytes; 0 for pipes. Decides only which file is read first.
    pub(super) bytes: u64,
    /// Named itself, not found in a folder.
    pub(super) named: bool,
}

impl Input {
    pub(super) fn is_standard_input(&self) -> bool {
        self.named && self.path.as_os_str() == "-"
    }
}

/// What there is to read, and what to say about the rest.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) inputs: Vec<Input>,
    pub(super) notes: Vec<String>,
}

/// One file, however it was reached: device and number where the system has them.
type Identity = (u64, u64, PathBuf);

/// All files under the paths.
pub(super) fn files(paths: &[PathBuf]) -> Result<Found, FollowError> {
    let mut search = Search::default();
    for path in paths {
        search.named(path)?;
    }
    let Search { found, mut notes, hidden, .. } = search;
    if hidden > 0 {
        notes.push(format!("hidden files and folders, not read: {hidden}"));
    }
    let mut inputs: Vec<Input> = Vec::new();
    let mut seen: BTreeMap<Identity, PathBuf> = BTreeMap::new();
    for (path, (input, identity)) in found {
        match seen.get(&identity) {
            Some(first) => {
                let (path, first) = (path.display(), first.display());
                notes.push(format!("{path}: the same file as {first}, read once"));
            }
            None => {
                seen.insert(identity, path);
                inputs.push(input);
            }
        }
    }
    Ok(Found { inputs, notes })
}

#[derive(Default)]
struct Search {
    /// By path: the order of the report, whatever order they were named in.
    found: BTreeMap<PathBuf, (Input, Identity)>,
    /// Folders already searched: links can lead round in circles.
    searched: BTreeSet<Identity>,
    named_already: BTreeSet<PathBuf>,
    notes: Vec<String>,
    hidden: u64,
}

impl Search {
    fn named(&mut self, path: &Path) -> Result<(), FollowError> {
        if !self.named_already.insert(path.to_owned()) {
            self.notes.push(format!("{}: named twice, read once", path.display()));
            return Ok(());
        }
        if path.as_os_str() == "-" {
            let input = Input { path: path.to_owned(), bytes: 0, named: true };
            return self.add(input, (0, 0, path.to_owned()));
        }
        let unreadable = |reason| FollowError::Unreadable { path: path.to_owned(), reason };
        let about = fs::metadata(path).map_err(unreadable)?;
        if !about.is_dir() {
            let input = Input { path: path.to_owned(), bytes: about.len(), named: true };
            return self.add(input, identity(path, &about));
        }
        fs::read_dir(path).map_err(unreadable)?;
        self.folder(path, &about)
    }

    /// Searches a folder and those below it.
    fn folder(&mut self, path: &Path, about: &Metadata) -> Result<(), FollowError> {
        let mut waiting = vec![(path.to_owned(), identity(path, about))];
        while let Some((folder, identity)) = waiting.pop() {
            if !self.searched.insert(identity) {
                continue;
            }
            let mut entries: Vec<PathBuf> = match fs::read_dir(&folder) {
                Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
                Err(reason) => {
                    self.notes.push(format!("{}: cannot be read: {reason}", shown(&folder)));
                    continue;
                }
            };
            // Which of two links to one folder is followed must not depend on the file system.
            entries.sort();
            for entry in entries.into_iter().rev() {
                waiting.extend(self.entry(entry)?);
            }
        }
        Ok(())
    }

    /// Takes an entry of a folder; gives it back if it is a folder itself.
    fn entry(&mut self, path: PathBuf) -> Result<Option<(PathBuf, Identity)>, FollowError> {
        let name = path.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(b".") {
            self.hidden += 1;
            return Ok(None);
        }
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => {
                let identity = identity(&path, &about);
                return Ok(Some((path, identity)));
            }
            Ok(about) if about.is_file() => {
                let identity = identity(&path, &about);
                self.add(Input { path, bytes: about.len(), named: false }, identity)?;
            }
            // A pipe in a folder could block for ever.
            Ok(_) => self.notes.push(format!("{}: no regular file, not read", path.display())),
            Err(reason) => self.notes.push(format!("{}: cannot be read: {reason}", path.display())),
        }
        Ok(None)
    }

    fn add(&mut self, input: Input, identity: Identity) -> Result<(), FollowError> {
        // A file that was named and also lies in a named folder stays the named one.
        let named = self.found.get(&input.path).is_some_and(|(known, _)| known.named);
        if !named {
            self.found.insert(input.path.clone(), (input, identity));
        }
        if self.found.len() > INPUT_FILES_MAX { Err(FollowError::TooManyFiles) } else { Ok(()) }
    }
}

/// Hard links, symbolic links and different spellings of a path lead to the same identity.
#[cfg(unix)]
fn identity(_path: &Path, about: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (about.dev(), about.ino(), PathBuf::new())
}

/// Hard links stay apart where the system does not number files.
#[cfg(not(unix))]
fn identity(path: &Path, _about: &Metadata) -> Identity {
    (0, 0, fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
}

//! Paths to the files that are sent, as `flowlore-node analyze` finds them: folders searched, links followed, each file
//! once, in the order of their paths, hidden ones passed over and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::limits::{UPLOAD_DEPTH_MAX, UPLOAD_FILES_MAX};

/// Files to send.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) paths: Vec<PathBuf>,
    /// Of all of them.
    pub(super) bytes: u64,
    /// What is to be said about the others.
    pub(super) notes: Vec<String>,
}

/// The files of all paths.
pub(super) fn find(paths: &[PathBuf]) -> Result<Found, Failure> {
    let mut search = Search::default();
    for path in paths {
        if search.named.insert(path) {
            search.path(path, UPLOAD_DEPTH_MAX)?;
        } else {
            search.notes.push(format!("{}: named twice, read once", path.display()));
        }
    }
    let Search { found, mut notes, hidden, .. } = search;
    if hidden > 0 {
        notes.push(format!("hidden files and folders, not read: {hidden}"));
    }
    let mut files = Found { notes, ..Found::default() };
    let mut first: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for (path, (real, bytes)) in found {
        if let Some(first) = first.get(&real) {
            let (path, first) = (path.display(), first.display());
            files.notes.push(format!("{path}: the same file as {first}, read once"));
            continue;
        }
        first.insert(real, path.clone());
        files.paths.push(path);
        files.bytes = files.bytes.saturating_add(bytes);
    }
    if files.paths.is_empty() {
        return Err(Failure::new("files", "no file in the folders named", "name a file"));
    }
    Ok(files)
}

#[derive(Default)]
struct Search<'a> {
    /// By path: what it leads to, and its bytes.
    found: BTreeMap<PathBuf, (PathBuf, u64)>,
    /// Folders already searched: links can lead round in circles.
    searched: BTreeSet<PathBuf>,
    named: BTreeSet<&'a PathBuf>,
    notes: Vec<String>,
    hidden: u64,
}

impl Search<'_> {
    fn path(&mut self, path: &Path, depth: usize) -> Result<(), Failure> {
        let unreadable = |error| Failure::file(path, &error);
        let about = fs::metadata(path).map_err(unreadable)?;
        let real = fs::canonicalize(path).map_err(unreadable)?;
        if about.is_dir() {
            return if self.searched.insert(real) { self.folder(path, depth) } else { Ok(()) };
        }
        if !about.is_file() {
            let message = format!("{} is neither file nor folder", path.display());
            return Err(Failure::new("files", message, "name a file or a folder"));
        }
        self.found.insert(path.to_owned(), (real, about.len()));
        if self.found.len() > UPLOAD_FILES_MAX {
            let message = format!("more than {UPLOAD_FILES_MAX} files");
            return Err(Failure::new("files", message, "send them in several turns"));
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), Failure> {
        let unreadable = |error| Failure::file(folder, &error);
        let Some(depth) = depth.checked_sub(1) else {
            let message = format!("{}: folders nest too deep", folder.display());
            return Err(Failure::new("files", message, "name a folder further down"));
        };
        let entries = fs::read_dir(folder).map_err(unreadable)?;
        let mut entries: Vec<PathBuf> =
            entries.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>().map_err(unreadable)?;
        // Which of two links to one folder is followed must not depend on the file system.
        entries.sort();
        for entry in entries {
            let name = entry.file_name().unwrap_or_default();
            if name.as_encoded_bytes().starts_with(b".") {
                self.hidden += 1;
                continue;
            }
            match fs::metadata(&entry) {
                Ok(about) if about.is_dir() || about.is_file() => self.path(&entry, depth)?,
                // A pipe in a folder could block for ever.
                Ok(_) => {
                    self.notes.push(format!("{}: no regular file, not read", entry.display()));
                }
                Err(reason) => {
                    self.notes.push(format!("{}: cannot be read: {reason}", entry.display()));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_in_order_and_each_file_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("2026-11-23")).unwrap();
        for (name, text) in [("b.log", "b"), ("a.log", "aa"), ("2026-11-23/x.gz", "xxx")] {
            fs::write(path(name), text).unwrap();
        }
        fs::write(path(".hidden"), "hidden").unwrap();
        std::os::unix::fs::symlink(folder.path(), path("circle")).unwrap();
        std::os::unix::fs::symlink(path("a.log"), path("z.log")).unwrap();
        std::os::unix::fs::symlink(path("none"), path("lost")).unwrap();
        let found =
            find(&[path("b.log"), folder.path().to_owned(), folder.path().to_owned()]).unwrap();
        let names: Vec<_> =
            found.paths.iter().map(|found| found.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, ["2026-11-23/x.gz", "a.log", "b.log"].map(Path::new));
        assert_eq!(found.bytes, 3 + 2 + 1);
        for said in ["cannot be read", "named twice", "not read: 1", "z.log: the same file as"] {
            assert!(found.notes.iter().any(|note| note.contains(said)), "{:?}", found.notes);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none.log");
        assert!(find(&[none]).unwrap_err().to_string().contains("none.log"));
        assert!(find(&[folder.path().to_owned()]).unwrap_err().to_string().contains("no file"));
        let deep = folder.path().join("d/".repeat(UPLOAD_DEPTH_MAX + 1));
        fs::create_dir_all(deep).unwrap();
        let failure = find(&[folder.path().to_owned()]).unwrap_err();
        assert!(failure.to_string().contains("too deep"), "{failure}");
    }
}

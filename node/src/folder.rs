//! The node's folder: who may read it, and how a file gets there whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use flowlore_common::lock;
use zeroize::Zeroizing;

/// Largest file that is read whole from this folder, bytes: the name cache is the largest.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What the folders of uploads in `private/` begin with.
pub const UPLOAD_PREFIX: &str = "upload-";

/// A node's folder (0700; every file in it that this type writes is 0600).
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes a new folder for a node.
    ///
    /// # Errors
    /// It holds a node already, or cannot be made.
    pub fn create(root: &Path) -> Result<Self> {
        let folder = Self { root: root.to_owned() };
        ensure!(
            !folder.config_file().exists(),
            "{} holds a node already; choose another folder",
            root.display()
        );
        for path in [root.to_owned(), folder.path("keys"), folder.path("private")] {
            make_private_dir(&path)?;
        }
        make_private_dir(&folder.path("credentials"))?;
        Ok(folder)
    }

    /// Opens the folder of an initialised node.
    ///
    /// # Errors
    /// There is none, or others may read it.
    pub fn open(root: &Path) -> Result<Self> {
        let folder = Self { root: root.to_owned() };
        if !folder.config_file().is_file() {
            bail!(
                "{} holds no node; make one with: flowlore-node init --dir {} --org NAME",
                root.display(),
                root.display()
            );
        }
        let mode = fs::metadata(root)?.permissions().mode() & 0o777;
        ensure!(
            mode & 0o077 == 0,
            "{} may be read by others (mode {mode:o}); it holds keys: chmod 700 {}",
            root.display(),
            root.display()
        );
        Ok(folder)
    }

    /// A path in the folder.
    #[must_use]
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `flowlore.toml`.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.path("flowlore.toml")
    }

    /// Writes a file so that after a crash it is the old one or the new one, never half of it.
    ///
    /// # Errors
    /// The disk is full, or the like; the old file stands.
    pub fn write(&self, relative: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(relative);
        let parent = path.parent().unwrap_or(&self.root);
        make_private_dir(parent)?;
        let write = || -> io::Result<()> {
            // tempfile creates with mode 0600 and removes what is not persisted.
            let mut file = tempfile::NamedTempFile::new_in(parent)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            File::open(parent)?.sync_all()
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    /// Reads a file whole; `None` when there is none.
    ///
    /// # Errors
    /// It cannot be read, or is absurdly large.
    pub fn read(&self, relative: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let path = self.path(relative);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("reading {}", path.display()))?,
        };
        let length = file.metadata()?.len();
        ensure!(length <= FILE_BYTES_MAX, "{} is too large: {length} bytes", path.display());
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length)?));
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .with_context(|| format!("reading {}", path.display()))?;
        Ok(Some(bytes))
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub fn remove(&self, relative: &str) -> Result<()> {
        match fs::remove_file(self.path(relative)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.with_context(|| format!("removing {}", self.path(relative).display())),
        }
    }

    /// Removes uploads that a process left behind when it was killed: nobody will ever read them. The caller holds
    /// the lock.
    ///
    /// # Errors
    /// They cannot be removed.
    pub fn remove_leftovers(&self) -> Result<()> {
        let private = self.path("private");
        for entry in fs::read_dir(&private).with_context(|| private.display().to_string())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UPLOAD_PREFIX) {
                let path = entry.path();
                fs::remove_dir_all(&path)
                    .with_context(|| format!("removing {}", path.display()))?;
                tracing::info!(path = %path.display(), "an upload that was cut off is removed");
            }
        }
        Ok(())
    }

    /// Holds the folder against a second process until dropped.
    ///
    /// # Errors
    /// Another process holds it.
    pub fn lock(&self) -> Result<FolderLock> {
        let path = self.path("lock");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        match lock::exclusive(&file) {
            Ok(()) => Ok(FolderLock { _file: file }),
            Err(fs::TryLockError::WouldBlock) => bail!(
                "another process uses {}: stop it first, or talk to it (its commands take --dir too)",
                self.root.display()
            ),
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking {}", path.display()))
            }
        }
    }
}

/// Held by the one process that writes to a folder; the system lets go of it when that ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Makes a folder that nobody else may read, unless it is there.
pub(crate) fn make_private_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
        .with_context(|| format!("making the folder {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        folder.write("keys/signing", &[1; 32]).unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.root().to_owned()), 0o700);
        assert_eq!(mode(folder.path("keys")), 0o700);
        assert_eq!(mode(folder.path("keys/signing")), 0o600);
        assert_eq!(folder.read("keys/signing").unwrap().unwrap().as_slice(), [1; 32]);
        assert!(folder.read("keys/none").unwrap().is_none());
    }

    #[test]
    fn a_folder_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("node");
        let folder = Folder::create(&root).unwrap();
        assert!(Folder::open(&root).unwrap_err().to_string().contains("flowlore-node init"));
        folder.write("flowlore.toml", b"").unwrap();
        Folder::open(&root).unwrap();
        assert!(Folder::create(&root).unwrap_err().to_string().contains("already"));
        fs::set_permissions(&root, Permissions::from_mode(0o750)).unwrap();
        assert!(Folder::open(&root).unwrap_err().to_string().contains("chmod 700"));
    }

    #[test]
    fn uploads_that_were_cut_off_go_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        folder.write("private/upload-Ab12/00000/conn.log", b"inside names").unwrap();
        folder.write("private/labels", b"kept").unwrap();
        folder.remove_leftovers().unwrap();
        assert!(!folder.path("private/upload-Ab12").exists());
        assert!(folder.path("private/labels").exists());
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let lock = folder.lock().unwrap();
        assert!(folder.lock().unwrap_err().to_string().contains("another process"));
        drop(lock);
        folder.lock().unwrap();
    }
}

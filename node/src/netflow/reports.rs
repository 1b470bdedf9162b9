//! The reports of periods, for people, who sent nothing and so are answered nothing: the newest of them, as files that
//! only the node's user may read.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context as _, Result};
use flowlore_analyzer::report::Report;
use flowlore_common::time::Micros;

use crate::folder::Folder;
use crate::limits::{REPORTS_BYTES_MAX, REPORTS_MAX};
use crate::output::bounded;

/// The folder in the node's.
const FOLDER: &str = "private/reports";

/// The report of a period's file, which is named by its name alone.
///
/// # Errors
/// It is too much.
pub(super) fn document(report: &mut Report, spooled: &Path) -> io::Result<Vec<u8>> {
    for file in &mut report.input.files {
        file.path = spooled.file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    bounded(|out| report.write_json(out))
}

/// Keeps it, and removes the oldest ones beyond the bounds.
///
/// # Errors
/// The disk refuses.
pub(super) fn keep(folder: &Folder, spooled: &Path, document: &[u8], now: Micros) -> Result<()> {
    let number = spooled.file_stem().unwrap_or_default().to_string_lossy();
    let number = number.trim_start_matches('0');
    let time = Micros(now.0 - now.0.rem_euclid(1_000_000)).to_string().replace(':', "-");
    folder.write(&format!("{FOLDER}/{time}-{number}.json"), document)?;
    forget(&folder.path(FOLDER), REPORTS_MAX, REPORTS_BYTES_MAX)
}

/// Removes the oldest files until the others are few and small enough. Names begin with their time.
fn forget(folder: &Path, files_max: usize, bytes_max: u64) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort_unstable();
    let (mut files, mut bytes) = (0, 0);
    for path in paths.iter().rev() {
        files += 1;
        bytes += path.metadata()?.len();
        if files > files_max || bytes > bytes_max {
            fs::remove_file(path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_as_far_as_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let kept = |files_max, bytes_max| {
            for (day, bytes) in [(10, 100), (11, 10), (12, 10), (13, 10)] {
                let path = dir.path().join(format!("2026-11-{day}T00-00-00Z-1.json"));
                fs::write(path, vec![b'x'; bytes]).unwrap();
            }
            forget(dir.path(), files_max, bytes_max).unwrap();
            fs::read_dir(dir.path()).unwrap().count()
        };
        assert_eq!(
            [kept(9, 999), kept(2, 999), kept(9, 120), kept(9, 15), kept(0, 0)],
            [4, 2, 3, 1, 0]
        );
    }
}

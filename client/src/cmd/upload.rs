//! `flowlore upload`.

use std::fs;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Console;
use crate::api::{Client, UploadOptions};
use crate::cli::Upload;
use crate::failure::{Ending, Failure};
use crate::limits::{UPLOAD_DEPTH_MAX, UPLOAD_FILES_MAX};
use crate::render;

/// Streams the files, and prints the report that comes back.
pub(super) async fn run(
    client: &Client,
    upload: &Upload,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    let files = find(&upload.paths)?;
    let options = UploadOptions {
        home_nets: upload.home_net.clone(),
        min_severity: upload.min_severity,
        conversations_max: upload.conversations,
        keep_here: upload.keep_here,
    };
    let bar = progress_bar(files.bytes, console.progress);
    let uploaded = client.upload(&files.paths, &options, |bytes| bar.inc(bytes)).await;
    bar.finish_and_clear();
    let uploaded = uploaded?;
    let unreadable =
        |what: String| Failure::new("protocol", what, "are node and client of the same version?");
    if console.json {
        let report = std::str::from_utf8(&uploaded.report)
            .map_err(|error| unreadable(format!("the report is no text: {error}")))?;
        console.json_document(report)?;
    } else {
        let report = render::report::Report::parse(&uploaded.report)
            .map_err(|error| unreadable(format!("the report cannot be read: {error}")))?;
        console.text(&render::report::text(&report, console.colour))?;
        if let Some(publication) = &uploaded.publication {
            console.text(&render::report::publication(publication))?;
        }
    }
    Ok(Ending::Done)
}

fn progress_bar(bytes: u64, shown: bool) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    let template = "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Files to upload.
#[derive(Debug, Default)]
struct Found {
    paths: Vec<PathBuf>,
    bytes: u64,
}

/// All files of the paths, folders searched, each folder in the order of its names. Hidden files
/// and symbolic links inside folders are passed over: the first are no logs, the second may lead
/// out of what was named, or in circles.
fn find(paths: &[PathBuf]) -> Result<Found, Failure> {
    let mut found = Found::default();
    for path in paths {
        search(path, UPLOAD_DEPTH_MAX, &mut found)?;
    }
    if found.paths.is_empty() {
        return Err(Failure::new("files", "no file in the folders named", "name a file"));
    }
    Ok(found)
}

fn search(path: &Path, depth: usize, found: &mut Found) -> Result<(), Failure> {
    let unreadable = |error| Failure::file(path, &error);
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.is_file() {
        if found.paths.len() == UPLOAD_FILES_MAX {
            let message = format!("more than {UPLOAD_FILES_MAX} files");
            return Err(Failure::new("files", message, "upload them in several turns"));
        }
        found.paths.push(path.to_owned());
        found.bytes = found.bytes.saturating_add(metadata.len());
        return Ok(());
    }
    if !metadata.is_dir() {
        let message = format!("{} is neither file nor folder", path.display());
        return Err(Failure::new("files", message, "name a file or a folder"));
    }
    let Some(depth) = depth.checked_sub(1) else {
        let message = format!("{}: folders nest too deep", path.display());
        return Err(Failure::new("files", message, "name a folder further down"));
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && (kind.is_file() || kind.is_dir()) {
            entries.push(entry.path());
        }
    }
    entries.sort();
    entries.iter().try_for_each(|entry| search(entry, depth, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("2026-11-23")).unwrap();
        for (name, text) in [("b.log", "b"), ("a.log", "aa"), ("2026-11-23/x.gz", "xxx")] {
            fs::write(path(name), text).unwrap();
        }
        fs::write(path(".hidden"), "hidden").unwrap();
        std::os::unix::fs::symlink(folder.path(), path("circle")).unwrap();
        let found = find(&[path("b.log"), folder.path().to_owned()]).unwrap();
        let names: Vec<_> =
            found.paths.iter().map(|found| found.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, ["b.log", "2026-11-23/x.gz", "a.log", "b.log"].map(Path::new));
        assert_eq!(found.bytes, 1 + 3 + 2 + 1);
    }

    #[test]
    fn what_cannot_be_uploaded_is_named() {
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

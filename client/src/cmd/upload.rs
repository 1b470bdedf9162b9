//! `flowlore upload` and `flowlore triage`: files out, a document back, as the node wrote it.

use std::path::{Path, PathBuf};

use flowlore_common::label::Severity;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Console;
use super::files::{Found, find};
use crate::api::{About, Client, Form, Question, UploadOptions};
use crate::cli::{FlowFiles, Triage, Upload};
use crate::failure::{Ending, Failure};
use crate::render::{publication, text};

/// Streams the files, and prints the report that comes back.
pub(super) async fn run(
    client: &Client,
    upload: &Upload,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    let files = find(&upload.files.paths)?;
    // As `flowlore-node analyze` does: a program picks for itself.
    let severity_min = if console.json { Severity::Info } else { Severity::Medium };
    let mut options = UploadOptions {
        day: upload.day,
        min_severity: Some(upload.min_severity.unwrap_or(severity_min)),
        conversations_max: upload.conversations,
        keep_here: upload.keep_here,
        ..options(&upload.files, &files, console)
    };
    if let (Some(day), Form::Text { input, .. }) = (upload.day, &mut options.form) {
        *input = format!("all that was sent for {day}");
    }
    let bar = progress_bar(files.bytes, console.progress);
    let uploaded = client.upload(&files.paths, &options, |bytes| bar.inc(bytes)).await;
    bar.finish_and_clear();
    let uploaded = uploaded?;
    print(console, &uploaded.report)?;
    if let (false, Some(publication)) = (console.json, &uploaded.publication) {
        console.text(&publication::text(publication))?;
    }
    Ok(Ending::Done)
}

/// Streams the files and what is asked, and prints the stories that come back.
pub(super) async fn triage(
    client: &Client,
    triage: &Triage,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    let files = find(&triage.files.paths)?;
    let options = options(&triage.files, &files, console);
    let question = question(triage);
    let alerts = match &question.about {
        // Of a pipe the length is not known.
        About::Alerts(path) => std::fs::metadata(path).map_or(0, |about| about.len()),
        About::Finding(_) | About::Moment { .. } => 0,
    };
    let bar = progress_bar(files.bytes.saturating_add(alerts), console.progress);
    let told = client.triage(&files.paths, &options, &question, |bytes| bar.inc(bytes)).await;
    bar.finish_and_clear();
    print(console, &told?)?;
    Ok(Ending::Done)
}

fn options(given: &FlowFiles, files: &Found, console: &Console<'_>) -> UploadOptions {
    let paths = given.paths.iter().map(|path| path.to_string_lossy());
    UploadOptions {
        home_nets: given.home_net.clone(),
        assets: given.assets.clone(),
        brands: given.brands.clone(),
        places: given.places.clone(),
        sequences: given.sequences.clone(),
        domains: given.domains.clone(),
        tor: given.tor.clone(),
        mapping: given.format.mapping().map(Path::to_owned),
        notes: files.notes.clone(),
        form: if console.json {
            Form::Json
        } else {
            Form::Text {
                colour: console.colour,
                input: paths.collect::<Vec<_>>().join(" "),
                time_zone: given.tz.clone(),
            }
        },
        ..UploadOptions::default()
    }
}

fn question(triage: &Triage) -> Question {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let about = match &triage.alert {
        Some(named) if is_id(named) && !Path::new(named).exists() => About::Finding(named.clone()),
        Some(named) => About::Alerts(PathBuf::from(named)),
        None => About::Moment {
            at: text(&triage.at),
            host: text(&triage.host),
            destination: text(&triage.destination),
        },
    };
    Question { about, before_s: triage.before, after_s: triage.after }
}

/// Whether this is how ids of findings look.
fn is_id(text: &str) -> bool {
    matches!(text.len(), 8 | 16) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Prints a document as the node wrote it; a terminal obeys nothing in it but colours.
fn print(console: &mut Console<'_>, document: &[u8]) -> Result<(), Failure> {
    let document = std::str::from_utf8(document).map_err(|error| {
        let message = format!("the answer is no text: {error}");
        Failure::new("protocol", message, "are node and client of the same version?")
    })?;
    if console.json {
        console.json_document(document)
    } else {
        console.text(&text::harmless(document, console.colour))
    }
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

//! Files on their way in: they wait as they are in a private folder that goes with the call, whatever becomes of it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use flowlore_analyzer::direction::Home;
use flowlore_analyzer::limits::CONVERSATIONS_DEFAULT;
use flowlore_analyzer::options::Options;
use flowlore_analyzer::source::Opening;
use flowlore_common::label::Severity;
use flowlore_common::time::{Day, Micros};
use flowlore_proto::v1;
use flowlore_proto::v1::FilePurpose as Purpose;
use flowlore_proto::v1::analyze_request::Part;
use tempfile::TempDir;
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};

use super::internal;
use crate::folder::UPLOAD_PREFIX;
use crate::input::{Zone, read_assets, read_lists, read_places, read_sequences};
use crate::limits::{
    UPLOAD_BYTES_MAX, UPLOAD_FILES_MAX, UPLOAD_PART_BYTES_MAX, UPLOAD_PATH_BYTES_MAX,
    UPLOAD_SILENCE_MAX, UPLOAD_TABLE_BYTES_MAX,
};
use crate::node::Node;
use crate::output::{Output, Shown};
use crate::{days, keep, mapping};

/// What is told to a caller whose stream ends without its last part.
const BROKEN_OFF: &str =
    "the upload broke off before its end: nothing of it was analyzed; upload again";

/// Files on their way in.
pub(super) struct Upload {
    folder: TempDir,
    options: v1::AnalyzeOptions,
    question: Option<v1::TriageQuestion>,
    files: Vec<Received>,
    open: Option<File>,
    /// Of all logs, so that an upload is recognised when it comes again.
    digest: blake3::Hasher,
    /// Of the mapping by which they are read.
    mapping: blake3::Hasher,
    bytes: u64,
}

/// A file.
struct Received {
    purpose: Purpose,
    /// As its sender names it.
    sent: String,
    stored: PathBuf,
    bytes: u64,
}

fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(message)
}

impl Upload {
    fn new(node: &Node) -> Result<Self, Status> {
        // tempfile makes it with mode 0700 and removes it when dropped, whatever becomes of the call.
        let folder =
            tempfile::Builder::new().prefix(UPLOAD_PREFIX).tempdir_in(node.folder.path("private"));
        let folder = folder.map_err(internal)?;
        std::fs::create_dir(folder.path().join(place(Purpose::Flows))).map_err(internal)?;
        Ok(Self {
            folder,
            options: v1::AnalyzeOptions::default(),
            question: None,
            files: Vec::new(),
            open: None,
            digest: keep::digest(),
            mapping: blake3::Hasher::new(),
            bytes: 0,
        })
    }

    /// Takes all parts of a call.
    pub(super) async fn receive(
        node: &Node,
        mut incoming: Streaming<v1::AnalyzeRequest>,
    ) -> Result<Self, Status> {
        let mut upload = Self::new(node)?;
        loop {
            let next = tokio::time::timeout(UPLOAD_SILENCE_MAX, incoming.next()).await;
            let silent = |_| Status::deadline_exceeded("nothing came for a minute: upload again");
            let next = next.map_err(silent)?.transpose()?;
            match next.map(|message| message.part) {
                // A caller that goes away looks the same here as one that has half-closed.
                None => return Err(invalid(BROKEN_OFF)),
                Some(Some(Part::End(_))) => return Ok(upload),
                Some(part) => upload.take(part)?,
            }
        }
    }

    fn take(&mut self, part: Option<Part>) -> Result<(), Status> {
        match part {
            Some(Part::Open(open)) => self.begin(open),
            Some(Part::Data(data)) => self.data(&data),
            Some(Part::End(_)) | None => Err(invalid("a part that is neither open, data nor end")),
        }
    }

    fn begin(&mut self, open: v1::FileOpen) -> Result<(), Status> {
        if !open.tenant.is_empty() {
            return Err(invalid("tenants are not served by this version: leave tenant empty"));
        }
        if !matches!(&*open.format, "" | "auto" | "zeek") {
            return Err(invalid("format: auto and zeek are known"));
        }
        if self.files.len() >= UPLOAD_FILES_MAX {
            return Err(invalid("an upload holds at most 10,000 files: split it"));
        }
        let purpose = Purpose::try_from(open.purpose);
        let purpose = purpose.map_err(|_| invalid("purpose: this version does not know it"))?;
        if is_table(purpose) && self.table(purpose).is_some() {
            return Err(invalid(format!("{}: one file at most", place(purpose))));
        }
        if self.files.is_empty() {
            self.options = open.options.unwrap_or_default();
            self.question = open.question;
        }
        // Every file in a folder of its own: two may have one name.
        let folder = self.folder.path().join(place(purpose));
        let folder = folder.join(format!("{:05}", self.files.len()));
        let stored = folder.join(file_name(&open.path)?);
        std::fs::create_dir_all(&folder).map_err(internal)?;
        self.open = Some(File::create_new(&stored).map_err(internal)?);
        self.files.push(Received { purpose, sent: open.path, stored, bytes: 0 });
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> Result<(), Status> {
        if data.len() > UPLOAD_PART_BYTES_MAX {
            return Err(invalid("a data part holds at most 256 KiB"));
        }
        self.bytes += data.len() as u64;
        if self.bytes > UPLOAD_BYTES_MAX {
            return Err(invalid("an upload holds at most 64 GiB: split it"));
        }
        let (Some(file), Some(received)) = (self.open.as_mut(), self.files.last_mut()) else {
            return Err(invalid("data before the first open"));
        };
        received.bytes += data.len() as u64;
        if is_table(received.purpose) && received.bytes > UPLOAD_TABLE_BYTES_MAX {
            let what = place(received.purpose);
            return Err(invalid(format!("{what}: {} has more than 16 MiB", received.sent)));
        }
        match received.purpose {
            Purpose::Flows => _ = self.digest.update(data),
            Purpose::Mapping => _ = self.mapping.update(data),
            // What is known of machines beside the logs makes no other logs of them.
            _ => {}
        }
        file.write_all(data).map_err(internal)
    }

    /// The file of a table, if one was sent.
    fn table(&self, purpose: Purpose) -> Option<&Path> {
        let mut files = self.files.iter();
        files.find(|file| file.purpose == purpose).map(|file| &*file.stored)
    }

    /// What it is recognised by.
    pub(super) fn digest(&self) -> blake3::Hash {
        let logs = self.digest.finalize();
        match self.table(Purpose::Mapping) {
            Some(_) => keep::digest_mapped(logs, self.mapping.finalize()),
            None => logs,
        }
    }

    /// How the logs are read.
    pub(super) fn opening(&self) -> Result<Opening, Status> {
        let mapping = self.table(Purpose::Mapping).map(mapping::opening).transpose();
        Ok(mapping.map_err(|error| self.refusal(&error))?.unwrap_or_default())
    }

    /// Where the logs are.
    pub(super) fn flows(&self) -> [PathBuf; 1] {
        [self.folder.path().join(place(Purpose::Flows))]
    }

    /// The files of alerts, and how an error names them.
    pub(super) fn alerts(&self) -> (Vec<PathBuf>, String) {
        let files = || self.files.iter().filter(|file| file.purpose == Purpose::Alerts);
        let named: Vec<&str> = files().map(|file| &*file.sent).collect();
        (files().map(|file| file.stored.clone()).collect(), named.join(" "))
    }

    /// What is asked of the flows.
    pub(super) const fn question(&self) -> Option<&v1::TriageQuestion> {
        self.question.as_ref()
    }

    /// Whether nothing of it may be published.
    pub(super) const fn keep_here(&self) -> bool {
        self.options.keep_here
    }

    /// The day that it is a part of.
    pub(super) fn day(&self) -> Result<Option<Day>, Status> {
        let day = Some(&*self.options.day).filter(|day| !day.is_empty());
        let wrong = |day| invalid(format!("day: {day:?} is no day: write it as 2026-11-24"));
        day.map(|day| day.parse().map_err(|_| wrong(day))).transpose()
    }

    /// It as a part of a day, where it came at this time.
    pub(super) fn for_day(&self, day: Day, now: Micros) -> days::Given<'_> {
        let of = |purpose| {
            let files = self.files.iter().filter(move |file| file.purpose == purpose);
            files.map(|file| days::Came { sent: &file.sent, stored: &file.stored })
        };
        days::Given {
            day,
            digest: self.digest(),
            flows: of(Purpose::Flows).collect(),
            mapping: of(Purpose::Mapping).next(),
            keep_here: self.keep_here(),
            now,
        }
    }

    /// What the sender says about its paths.
    pub(super) fn notes(&self) -> &[String] {
        &self.options.notes
    }

    /// What the sender chose, and what the node's configuration says where it chose nothing.
    pub(super) fn options(&self, node: &Node) -> Result<Options, Status> {
        let home_nets = self.options.home_nets.iter().map(|net| {
            net.parse()
                .map_err(|_| invalid(format!("home_nets: {net:?} is no network: 10.0.0.0/8")))
        });
        let mut home_nets = home_nets.collect::<Result<Vec<_>, _>>()?;
        if home_nets.is_empty() {
            home_nets.clone_from(&node.config.home_nets);
        }
        let severity_min = match &*self.options.min_severity {
            "" => Severity::Low,
            name => name.parse().map_err(|error| invalid(format!("min_severity: {error}")))?,
        };
        let conversations = match usize::try_from(self.options.conversations_max) {
            Ok(0) | Err(_) => CONVERSATIONS_DEFAULT,
            Ok(count) => count,
        };
        let assets = self.table(Purpose::Assets).map(read_assets).transpose();
        let places = read_places(self.table(Purpose::Places), self.table(Purpose::Brands));
        let lists = read_lists(self.table(Purpose::Domains), self.table(Purpose::Tor));
        let sequences = read_sequences(self.table(Purpose::Sequences));
        Ok(Options {
            home: Home::new(home_nets),
            severity_min,
            conversations: Some(conversations),
            assets: assets.map_err(|error| self.refusal(&error))?.unwrap_or_default(),
            places: places.map_err(|error| self.refusal(&error))?,
            lists: lists.map_err(|error| self.refusal(&error))?,
            sequences: sequences.map_err(|error| self.refusal(&error))?,
            ..Options::default()
        })
    }

    /// In which form the sender wants its document.
    pub(super) fn shown<'a>(&'a self, zone: &'a Zone) -> Result<Shown<'a>, Status> {
        let wanted = self.options.presentation.as_ref();
        let output = match wanted.map_or("", |wanted| &*wanted.form) {
            "" | "json" => Output::Json,
            "ndjson" => Output::Ndjson,
            "text" => Output::Text,
            other => return Err(invalid(format!("form: {other:?} is not json, ndjson or text"))),
        };
        Ok(Shown {
            output,
            colour: wanted.is_some_and(|wanted| wanted.colour),
            input: wanted.map_or("", |wanted| &*wanted.input),
            zone,
            elapsed_ms: None,
        })
    }

    /// The zone in which the sender reads text and writes times.
    pub(super) fn zone(&self) -> Result<Zone, Status> {
        let wanted = self.options.presentation.as_ref();
        let name = wanted.map_or("", |wanted| &*wanted.time_zone);
        Zone::named(if name.is_empty() { "UTC" } else { name })
            .map_err(|error| self.refusal(&error))
    }

    /// What is wrong with what was sent, files named as their sender does.
    pub(super) fn refusal(&self, error: &anyhow::Error) -> Status {
        let files = self.files.iter();
        let told = files.fold(format!("{error:#}"), |text, file| {
            text.replace(&*file.stored.to_string_lossy(), &file.sent)
        });
        invalid(told)
    }

    /// The sender's path of a file of ours.
    pub(super) fn as_sent(&self, path: &str) -> String {
        let ours = Path::new(path).strip_prefix(&self.flows()[0]).ok();
        let number = ours.and_then(|rest| rest.components().next());
        let number = number.and_then(|number| number.as_os_str().to_str()?.parse::<usize>().ok());
        let file = number.and_then(|number| self.files.get(number));
        file.map_or_else(|| path.to_owned(), |file| file.sent.clone())
    }
}

/// Where files of a purpose wait, and what they are called.
const fn place(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Flows => "flows",
        Purpose::Alerts => "alerts",
        Purpose::Assets => "assets",
        Purpose::Brands => "brands",
        Purpose::Places => "places",
        Purpose::Sequences => "sequences",
        Purpose::Domains => "domains",
        Purpose::Tor => "tor",
        Purpose::Mapping => "mapping",
    }
}

/// Whether it is read whole, and there is one at most.
const fn is_table(purpose: Purpose) -> bool {
    !matches!(purpose, Purpose::Flows | Purpose::Alerts)
}

/// The last name of the sender's path, which tells some formats: no root, no way up, and not hidden, since what was
/// sent is meant.
fn file_name(path: &str) -> Result<String, Status> {
    let refused = || invalid("path: 1 to 4,096 bytes that name a file are needed");
    if path.len() > UPLOAD_PATH_BYTES_MAX || path.contains('\0') {
        return Err(refused());
    }
    let mut names = Path::new(path).components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let name = names.next_back().map_or("", |name| name.trim_start_matches('.'));
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        Err(refused())
    } else {
        Ok(name.to_owned())
    }
}

/// Longest file name, bytes (NAME_MAX of Linux).
const NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_and_are_read() {
        for (sent, kept) in [
            ("conn.log", "conn.log"),
            ("/var/log/zeek/conn.log", "conn.log"),
            ("../../etc/passwd", "passwd"),
            ("a/./b/../c.log", "c.log"),
            (".zeek/.conn.log", "conn.log"),
        ] {
            assert_eq!(file_name(sent).unwrap(), kept);
        }
        for sent in ["", "/", "..", "a\0b", &"x".repeat(5_000), &"x".repeat(256), "a/..."] {
            assert!(file_name(sent).is_err(), "{sent:?}");
        }
    }
}

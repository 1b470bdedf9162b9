//! `FlowService.Analyze`: files out, one report back.

use std::convert::Infallible;
use std::future::pending;
use std::path::{Path, PathBuf};

use flowlore_common::label::Severity;
use flowlore_proto::v1;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use v1::analyze_request::Part;
use v1::flow_service_client::FlowServiceClient;

use super::Client;
use crate::failure::Failure;
use crate::limits::{
    MESSAGE_BYTES_MAX, REPORT_BYTES_MAX, UPLOAD_FILES_MAX, UPLOAD_PART_BYTES, UPLOAD_PARTS_AHEAD,
};

/// How the node is to analyze an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// Inside networks (CIDR); none: those of the node's configuration.
    pub home_nets: Vec<String>,
    /// Findings below it are counted, not listed; `None`: the node's default, low.
    pub min_severity: Option<Severity>,
    /// How many conversations the report lists; `None`: the node's default, 100.
    pub conversations_max: Option<u32>,
    /// Nothing of these flows is published.
    pub keep_here: bool,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// The report, a JSON document of schema `flowlore.report.v1`, as the node wrote it.
    pub report: Vec<u8>,
    /// What waits to leave the node because of it; `None`: the node did not say.
    pub publication: Option<Publication>,
}

/// What a report made wait at the one door out of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// Destinations that may leave as contacted.
    pub contacted_names: u64,
    /// Destinations that may leave as suspected.
    pub suspected_names: u64,
    /// Destinations that stay: own zones, inside addresses, the private list.
    pub never_tokenised_names: u64,
    /// Why nothing was queued; empty: it was.
    pub not_published_because: String,
}

impl Client {
    /// Streams files to the node, in this order, and waits for its report. `sent` is told the
    /// number of bytes each time some have been handed over.
    ///
    /// A file that cannot be read makes the node refuse the whole, and so does dropping the call
    /// before it has ended: nothing of it is analyzed.
    ///
    /// # Errors
    /// No file or too many, one that cannot be read, a refusal of the node, or a report above
    /// [`REPORT_BYTES_MAX`].
    pub async fn upload(
        &self,
        files: &[PathBuf],
        options: &UploadOptions,
        sent: impl FnMut(u64),
    ) -> Result<Uploaded, Failure> {
        if files.is_empty() || files.len() > UPLOAD_FILES_MAX {
            let message = format!("{} files to upload", files.len());
            let hint = format!("1 to {UPLOAD_FILES_MAX} are taken at once");
            return Err(Failure::new("files", message, hint));
        }
        let (parts, queue) = mpsc::channel(UPLOAD_PARTS_AHEAD);
        let mut unreadable = None;
        let feeding = async {
            unreadable = feed(files, options, parts, sent).await;
            // What the node says, to all parts or to too many of them, ends the call.
            pending::<Infallible>().await
        };
        let uploaded = tokio::select! {
            never = feeding => match never {},
            uploaded = self.analyze(queue) => uploaded,
        };
        unreadable.map_or(uploaded, Err)
    }

    async fn analyze(
        &self,
        queue: mpsc::Receiver<v1::AnalyzeRequest>,
    ) -> Result<Uploaded, Failure> {
        let mut service = FlowServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let answered = service.analyze(ReceiverStream::new(queue)).await;
        let mut stream = answered.map_err(|status| self.refusal(status))?.into_inner();
        let mut uploaded = Uploaded { report: Vec::new(), publication: None };
        while let Some(answer) = stream.message().await.map_err(|status| self.refusal(status))? {
            match answer.part {
                Some(v1::analyze_response::Part::Report(part)) => {
                    if uploaded.report.len() + part.json.len() > REPORT_BYTES_MAX {
                        return Err(self.nonsense("a report without end"));
                    }
                    uploaded.report.extend_from_slice(&part.json);
                }
                Some(v1::analyze_response::Part::Publication(summary)) => {
                    uploaded.publication = Some(summary.into());
                }
                None => return Err(self.nonsense("a part of a report of an unknown kind")),
            }
        }
        if uploaded.report.is_empty() {
            return Err(self.nonsense("no report came back"));
        }
        Ok(uploaded)
    }
}

/// Why not every part was handed over.
enum Stopped {
    /// A file could not be read.
    Unreadable(Failure),
    /// The node ended the call; what it says follows.
    Refused,
}

/// Hands all files over and says that this was all; tells which one could not be read.
async fn feed(
    files: &[PathBuf],
    options: &UploadOptions,
    parts: mpsc::Sender<v1::AnalyzeRequest>,
    sent: impl FnMut(u64),
) -> Option<Failure> {
    match feed_all(files, options, &parts, sent).await {
        Ok(()) | Err(Stopped::Refused) => None,
        // Without its last part the node refuses all that came before.
        Err(Stopped::Unreadable(failure)) => Some(failure),
    }
}

async fn feed_all(
    files: &[PathBuf],
    options: &UploadOptions,
    parts: &mpsc::Sender<v1::AnalyzeRequest>,
    mut sent: impl FnMut(u64),
) -> Result<(), Stopped> {
    let send = async |part| {
        let message = v1::AnalyzeRequest { part: Some(part) };
        parts.send(message).await.map_err(|_| Stopped::Refused)
    };
    for (place, path) in files.iter().enumerate() {
        let unreadable = |error| Stopped::Unreadable(Failure::file(path, &error));
        let mut file = File::open(path).await.map_err(unreadable)?;
        // The node reads options of the first `open` only.
        let options = (place == 0).then_some(options);
        send(Part::Open(open(path, options))).await?;
        loop {
            let part = read_part(&mut file).await.map_err(unreadable)?;
            if part.is_empty() {
                break;
            }
            let bytes = part.len() as u64;
            send(Part::Data(part.into())).await?;
            sent(bytes);
        }
    }
    send(Part::End(v1::UploadEnd {})).await
}

fn open(path: &Path, options: Option<&UploadOptions>) -> v1::FileOpen {
    v1::FileOpen {
        tenant: String::new(),
        path: path.to_string_lossy().into_owned(),
        format: String::new(),
        options: options.map(|options| v1::AnalyzeOptions {
            home_nets: options.home_nets.clone(),
            min_severity: options.min_severity.map_or(String::new(), |s| s.name().to_owned()),
            conversations_max: options.conversations_max.unwrap_or_default(),
            keep_here: options.keep_here,
        }),
    }
}

/// The next part, full unless it is the last; empty at the end of the file.
async fn read_part(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut part = Vec::with_capacity(UPLOAD_PART_BYTES);
    file.take(UPLOAD_PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(part)
}

impl From<v1::PublicationSummary> for Publication {
    fn from(summary: v1::PublicationSummary) -> Self {
        Self {
            contacted_names: summary.contacted_names,
            suspected_names: summary.suspected_names,
            never_tokenised_names: summary.never_tokenised_names,
            not_published_because: summary.not_published_because,
        }
    }
}

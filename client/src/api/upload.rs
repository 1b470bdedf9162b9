//! `FlowService`: files out, one document back.

use std::convert::Infallible;
use std::future::pending;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use flowlore_common::label::Severity;
use flowlore_common::time::Day;
use flowlore_proto::v1;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use v1::FilePurpose as Purpose;
use v1::analyze_request::Part;
use v1::flow_service_client::FlowServiceClient;

use super::{Client, Signed};
use crate::failure::Failure;
use crate::limits::{
    MESSAGE_BYTES_MAX, REPORT_BYTES_MAX, UPLOAD_FILES_MAX, UPLOAD_PART_BYTES, UPLOAD_PARTS_AHEAD,
};

/// How the node is to look at files, and in which form it is to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// Inside networks (CIDR); none: those of the node's configuration.
    pub home_nets: Vec<String>,
    /// Findings below it are counted, not listed; `None`: the node's default, low. Of reports only.
    pub min_severity: Option<Severity>,
    /// How many conversations the report lists; `None`: the node's default, 100.
    pub conversations_max: Option<u32>,
    /// Nothing of these flows is published. A triage publishes nothing anyway.
    pub keep_here: bool,
    /// What the org knows of its machines: the file of `flowlore-node analyze --assets`.
    pub assets: Option<PathBuf>,
    /// Further brands that names may imitate: that of `--brands`.
    pub brands: Option<PathBuf>,
    /// Further well-known places: that of `--places`.
    pub places: Option<PathBuf>,
    /// Sequences instead of those that the node knows: that of `--sequences`.
    pub sequences: Option<PathBuf>,
    /// When domains were registered: that of `--domains`.
    pub domains: Option<PathBuf>,
    /// Tor's nodes: that of `--tor`.
    pub tor: Option<PathBuf>,
    /// The mapping by which all files are read: that of `--format map:`; `None`: each by its content.
    pub mapping: Option<PathBuf>,
    /// The day that these flows are a part of: the report is of all that was sent for it. Of reports only.
    pub day: Option<Day>,
    /// What is to be said about the paths, such as hidden files that were not read; the report lists it.
    pub notes: Vec<String>,
    /// The form of the answer.
    pub form: Form,
}

/// In which form a document is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// JSON, a document a line.
    #[default]
    Json,
    /// Text for a person.
    Text {
        /// With the colours of a terminal.
        colour: bool,
        /// What the first line says was looked at.
        input: String,
        /// Such as `Europe/Berlin`; empty: UTC.
        time_zone: String,
    },
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// The report as the node wrote it: a JSON document of schema `flowlore.report.v1`, or text.
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

/// What a story is to be told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// About what.
    pub about: About,
    /// How long before it, seconds.
    pub before_s: u64,
    /// How long after it, seconds.
    pub after_s: u64,
}

/// Alerts, a finding, or a host at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A file of Suricata's EVE or of Zeek's notice.log; `-` for standard input.
    Alerts(PathBuf),
    /// The id of a finding or of an incident.
    Finding(String),
    /// A host at a time, and perhaps its other end.
    Moment {
        /// 2026-11-23T09:22:30Z, 2026-11-23 09:22:30 in the zone of the form, or seconds since 1970.
        at: String,
        /// Whose story.
        host: String,
        /// The other end; empty: none.
        destination: String,
    },
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
        let opens = opens(files, options, None)?;
        let (parts, queue) = mpsc::channel(UPLOAD_PARTS_AHEAD);
        beside(feed(opens, parts, sent), self.analyze(queue)).await
    }

    /// Streams files to the node, and waits for the stories around what is asked about: a document of schema
    /// `flowlore.triage.v1`, of several alerts `flowlore.triage_review.v1`, or text. Nothing of it is published or kept.
    ///
    /// # Errors
    /// As [`Self::upload`]; a host or alerts of which the files show nothing are refused.
    pub async fn triage(
        &self,
        files: &[PathBuf],
        options: &UploadOptions,
        question: &Question,
        sent: impl FnMut(u64),
    ) -> Result<Vec<u8>, Failure> {
        let opens = opens(files, options, Some(question))?;
        let (parts, queue) = mpsc::channel(UPLOAD_PARTS_AHEAD);
        beside(feed(opens, parts, sent), self.tell(queue)).await
    }

    fn flows(&self) -> FlowServiceClient<Signed> {
        FlowServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    async fn analyze(
        &self,
        queue: mpsc::Receiver<v1::AnalyzeRequest>,
    ) -> Result<Uploaded, Failure> {
        let answered = self.flows().analyze(ReceiverStream::new(queue)).await;
        let mut stream = answered.map_err(|status| self.refusal(status))?.into_inner();
        let mut uploaded = Uploaded { report: Vec::new(), publication: None };
        while let Some(answer) = stream.message().await.map_err(|status| self.refusal(status))? {
            match answer.part {
                Some(v1::analyze_response::Part::Report(part)) => {
                    self.collect(&mut uploaded.report, &part)?;
                }
                Some(v1::analyze_response::Part::Publication(summary)) => {
                    uploaded.publication = Some(summary.into());
                }
                None => return Err(self.nonsense("a part of a report of an unknown kind")),
            }
        }
        self.whole(&uploaded.report)?;
        Ok(uploaded)
    }

    async fn tell(&self, queue: mpsc::Receiver<v1::AnalyzeRequest>) -> Result<Vec<u8>, Failure> {
        let answered = self.flows().triage(ReceiverStream::new(queue)).await;
        let mut stream = answered.map_err(|status| self.refusal(status))?.into_inner();
        let mut document = Vec::new();
        while let Some(part) = stream.message().await.map_err(|status| self.refusal(status))? {
            self.collect(&mut document, &part)?;
        }
        self.whole(&document)?;
        Ok(document)
    }

    fn collect(&self, document: &mut Vec<u8>, part: &v1::ReportPart) -> Result<(), Failure> {
        if document.len() + part.document.len() > REPORT_BYTES_MAX {
            return Err(self.nonsense("an answer without end"));
        }
        document.extend_from_slice(&part.document);
        Ok(())
    }

    fn whole(&self, document: &[u8]) -> Result<(), Failure> {
        if document.is_empty() { Err(self.nonsense("no answer came back")) } else { Ok(()) }
    }
}

/// What the node says, to all parts or to too many of them, ends the call; a file that could not be read is the reason
/// why it refused.
async fn beside<T>(
    feeding: impl Future<Output = Option<Failure>>,
    answered: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut unreadable = None;
    let feeding = async {
        unreadable = feeding.await;
        pending::<Infallible>().await
    };
    let answer = tokio::select! {
        never = feeding => match never {},
        answer = answered => answer,
    };
    unreadable.map_or(answer, Err)
}

/// Each file, with what opens it. The node reads options and question of the first only.
fn opens(
    files: &[PathBuf],
    options: &UploadOptions,
    question: Option<&Question>,
) -> Result<Vec<v1::FileOpen>, Failure> {
    let alerts = question.and_then(|question| match &question.about {
        About::Alerts(path) => Some(path),
        About::Finding(_) | About::Moment { .. } => None,
    });
    let others = [
        (Purpose::Assets, options.assets.as_ref()),
        (Purpose::Brands, options.brands.as_ref()),
        (Purpose::Places, options.places.as_ref()),
        (Purpose::Sequences, options.sequences.as_ref()),
        (Purpose::Domains, options.domains.as_ref()),
        (Purpose::Tor, options.tor.as_ref()),
        (Purpose::Mapping, options.mapping.as_ref()),
        (Purpose::Alerts, alerts),
    ];
    let others = others.into_iter().filter_map(|(purpose, path)| Some((purpose, path?)));
    let all = files.iter().map(|path| (Purpose::Flows, path)).chain(others);
    let mut opens: Vec<v1::FileOpen> = all
        .map(|(purpose, path)| v1::FileOpen {
            path: path.to_string_lossy().into_owned(),
            purpose: purpose.into(),
            ..v1::FileOpen::default()
        })
        .collect();
    if files.is_empty() || opens.len() > UPLOAD_FILES_MAX {
        let message = format!("{} files to send", opens.len());
        let hint = format!("1 to {UPLOAD_FILES_MAX} are taken at once");
        return Err(Failure::new("files", message, hint));
    }
    if let Some(first) = opens.first_mut() {
        first.options = Some(options.into());
        first.question = question.map(Into::into);
    }
    Ok(opens)
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
    opens: Vec<v1::FileOpen>,
    parts: mpsc::Sender<v1::AnalyzeRequest>,
    sent: impl FnMut(u64),
) -> Option<Failure> {
    match feed_all(opens, &parts, sent).await {
        Ok(()) | Err(Stopped::Refused) => None,
        // Without its last part the node refuses all that came before.
        Err(Stopped::Unreadable(failure)) => Some(failure),
    }
}

async fn feed_all(
    opens: Vec<v1::FileOpen>,
    parts: &mpsc::Sender<v1::AnalyzeRequest>,
    mut sent: impl FnMut(u64),
) -> Result<(), Stopped> {
    let send = async |part| {
        let message = v1::AnalyzeRequest { part: Some(part) };
        parts.send(message).await.map_err(|_| Stopped::Refused)
    };
    for open in opens {
        let path = PathBuf::from(&open.path);
        let unreadable = |error| Stopped::Unreadable(Failure::file(&path, &error));
        let mut file = source(&open, &path).await.map_err(unreadable)?;
        send(Part::Open(open)).await?;
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

/// Where the bytes are from: alerts may come from standard input.
async fn source(open: &v1::FileOpen, path: &Path) -> std::io::Result<File> {
    if open.purpose() == Purpose::Alerts && open.path == "-" {
        let input = std::io::stdin().as_fd().try_clone_to_owned()?;
        return Ok(File::from_std(input.into()));
    }
    File::open(path).await
}

/// The next part, full unless it is the last; empty at the end of the file.
async fn read_part(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut part = Vec::with_capacity(UPLOAD_PART_BYTES);
    file.take(UPLOAD_PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(part)
}

impl From<&UploadOptions> for v1::AnalyzeOptions {
    fn from(options: &UploadOptions) -> Self {
        Self {
            home_nets: options.home_nets.clone(),
            min_severity: options.min_severity.map_or(String::new(), |s| s.name().to_owned()),
            conversations_max: options.conversations_max.unwrap_or_default(),
            keep_here: options.keep_here,
            presentation: Some((&options.form).into()),
            notes: options.notes.clone(),
            day: options.day.map(|day| day.to_string()).unwrap_or_default(),
        }
    }
}

impl From<&Form> for v1::Presentation {
    fn from(form: &Form) -> Self {
        match form {
            Form::Json => Self { form: "json".to_owned(), ..Self::default() },
            Form::Text { colour, input, time_zone } => Self {
                form: "text".to_owned(),
                colour: *colour,
                input: input.clone(),
                time_zone: time_zone.clone(),
            },
        }
    }
}

impl From<&Question> for v1::TriageQuestion {
    fn from(question: &Question) -> Self {
        use v1::triage_question::About as Wire;
        let Question { about, before_s, after_s } = question;
        let about = match about {
            About::Alerts(_) => None,
            About::Finding(id) => Some(Wire::Finding(id.clone())),
            About::Moment { at, host, destination } => Some(Wire::Moment(v1::Moment {
                at: at.clone(),
                host: host.clone(),
                destination: destination.clone(),
            })),
        };
        Self { about, before_s: Some(*before_s), after_s: Some(*after_s) }
    }
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

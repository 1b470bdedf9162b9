//! Uploads: files come in as they are, wait in a private folder, are analyzed as the `analyze` command would, and
//! what may leave is handed to the one door.

use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use flowlore_analyzer::direction::Home;
use flowlore_analyzer::limits::CONVERSATIONS_DEFAULT;
use flowlore_analyzer::options::Options;
use flowlore_analyzer::report::Analysis;
use flowlore_analyzer::report::model::SCHEMA;
use flowlore_analyzer::settle::{Contacted, Witness};
use flowlore_common::credential::Role;
use flowlore_common::env::SystemRng;
use flowlore_common::label::{Purpose, Severity};
use flowlore_proto::v1;
use flowlore_proto::v1::analyze_request::Part as Incoming;
use flowlore_proto::v1::analyze_response::Part as Outgoing;
use flowlore_proto::v1::flow_service_server::FlowService;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_stream::{Iter, StreamExt as _, iter};
use tonic::{Request, Response, Status, Streaming};

use super::auth::require;
use super::internal;
use crate::analyze::{Effort, analyze_and};
use crate::folder::UPLOAD_PREFIX;
use crate::limits::{
    REPORT_PART_BYTES, UPLOAD_BYTES_MAX, UPLOAD_FILES_MAX, UPLOAD_PART_BYTES_MAX,
    UPLOAD_PATH_BYTES_MAX, UPLOAD_SILENCE_MAX, UPLOADS_MAX,
};
use crate::node::Node;
use crate::observe::{observed, suspicions};
use crate::publish::{Draft, draft};

/// What is told to a caller whose stream ends without its last part.
const BROKEN_OFF: &str =
    "the upload broke off before its end: nothing of it was analyzed; upload again";

/// Serves `FlowService` on the local port.
#[derive(Debug)]
pub struct FlowHandler {
    node: Arc<Node>,
    running: Semaphore,
}

impl FlowHandler {
    /// For this node.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        Self { node, running: Semaphore::new(UPLOADS_MAX) }
    }
}

type Responses = Iter<std::vec::IntoIter<Result<v1::AnalyzeResponse, Status>>>;

#[tonic::async_trait]
impl FlowService for FlowHandler {
    type AnalyzeStream = Responses;

    async fn analyze(
        &self,
        request: Request<Streaming<v1::AnalyzeRequest>>,
    ) -> Result<Response<Responses>, Status> {
        require(&request, Role::Contributor)?;
        let _running = self.running.try_acquire().map_err(|_| {
            Status::resource_exhausted(format!("{UPLOADS_MAX} analyses run already; try again"))
        })?;
        let upload = Upload::receive(&self.node, request.into_inner()).await?;
        let node = self.node.clone();
        let analyzed = tokio::task::spawn_blocking(move || analyze(&node, &upload));
        let (json, publication) = analyzed.await.map_err(internal)??;
        self.node.publish.notify_one();
        Ok(Response::new(iter(responses(&json, publication))))
    }
}

/// Files on their way in.
pub(super) struct Upload {
    folder: TempDir,
    options: v1::AnalyzeOptions,
    open: Option<File>,
    /// Of all bytes, so that an upload is recognised when it comes again.
    digest: blake3::Hasher,
    files: usize,
    bytes: u64,
}

impl Upload {
    fn new(node: &Node) -> Result<Self, Status> {
        // tempfile makes it with mode 0700 and removes it when dropped, whatever becomes of the call.
        let folder =
            tempfile::Builder::new().prefix(UPLOAD_PREFIX).tempdir_in(node.folder.path("private"));
        let options = v1::AnalyzeOptions::default();
        let folder = folder.map_err(internal)?;
        let digest = blake3::Hasher::new_derive_key("flowlore upload v1");
        Ok(Self { folder, options, open: None, digest, files: 0, bytes: 0 })
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
                None => return Err(Status::invalid_argument(BROKEN_OFF)),
                Some(Some(Incoming::End(_))) => return Ok(upload),
                Some(part) => upload.take(part)?,
            }
        }
    }

    fn take(&mut self, part: Option<Incoming>) -> Result<(), Status> {
        let invalid = |message: &str| Status::invalid_argument(message);
        match part {
            Some(Incoming::Open(open)) => self.begin(open),
            Some(Incoming::Data(data)) => {
                if data.len() > UPLOAD_PART_BYTES_MAX {
                    return Err(invalid("a data part holds at most 256 KiB"));
                }
                self.bytes += data.len() as u64;
                if self.bytes > UPLOAD_BYTES_MAX {
                    return Err(invalid("an upload holds at most 64 GiB: split it"));
                }
                let file =
                    self.open.as_mut().ok_or_else(|| invalid("data before the first open"))?;
                self.digest.update(&data);
                file.write_all(&data).map_err(internal)
            }
            Some(Incoming::End(_)) | None => {
                Err(invalid("a part that is neither open, data nor end"))
            }
        }
    }

    fn begin(&mut self, open: v1::FileOpen) -> Result<(), Status> {
        let invalid = |message: &str| Status::invalid_argument(message);
        if !open.tenant.is_empty() {
            return Err(invalid("tenants are not served by this version: leave tenant empty"));
        }
        if !matches!(&*open.format, "" | "auto" | "zeek") {
            return Err(invalid("format: auto and zeek are known"));
        }
        if self.files >= UPLOAD_FILES_MAX {
            return Err(invalid("an upload holds at most 10,000 files: split it"));
        }
        if self.files == 0 {
            self.options = open.options.unwrap_or_default();
        }
        // Every file in a folder of its own: two may have one name.
        let path = self.folder.path().join(format!("{:05}", self.files)).join(inside(&open.path)?);
        let parent = path.parent().unwrap_or(self.folder.path());
        std::fs::create_dir_all(parent).map_err(internal)?;
        self.open = Some(File::create_new(&path).map_err(internal)?);
        self.files += 1;
        Ok(())
    }

    fn options(&self, node: &Node) -> Result<Options, Status> {
        let invalid = |error: String| Status::invalid_argument(error);
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
        Ok(Options {
            home: Home::new(home_nets),
            severity_min,
            conversations: Some(conversations),
            ..Options::default()
        })
    }
}

/// The path as the sender names it, kept within the upload's folder: no root, no way up.
fn inside(path: &str) -> Result<PathBuf, Status> {
    let invalid = || Status::invalid_argument("path: 1 to 4,096 bytes that name a file are needed");
    if path.len() > UPLOAD_PATH_BYTES_MAX || path.contains('\0') {
        return Err(invalid());
    }
    let plain = Path::new(path).components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let path: PathBuf = plain.collect();
    if path.as_os_str().is_empty() { Err(invalid()) } else { Ok(path) }
}

/// The report of an upload, and what of it may leave.
pub(super) fn analyzed(
    node: &Node,
    upload: &Upload,
    witness: Option<&dyn Witness>,
) -> Result<(Analysis, Vec<Contacted>, Draft), Status> {
    let options = upload.options(node)?;
    let memory_bytes = usize::try_from(node.config.memory_mib).unwrap_or(usize::MAX) << 20;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let effort = Effort { threads, memory_bytes: memory_bytes / UPLOADS_MAX };
    let paths = [upload.folder.path().to_owned()];
    let (mut analysis, contacted) =
        analyze_and(&paths, effort, &options, witness, |part| part.contacted())
            .map_err(|error| Status::invalid_argument(format!("{error:#}")))?;
    for file in &mut analysis.report.input.files {
        file.path = as_sent(&file.path, upload.folder.path());
    }
    let roster = node.store.roster();
    let policy = node.own_policy(&roster);
    let suspicions = suspicions(&analysis.report.findings);
    let drafted =
        draft(&observed(&contacted), &suspicions, &policy, node.slots(&roster), &mut SystemRng);
    Ok((analysis, contacted, drafted))
}

fn analyze(node: &Node, upload: &Upload) -> Result<(String, v1::PublicationSummary), Status> {
    let digest = upload.digest.finalize();
    let keeper = node.flows.keeper(digest.to_hex().as_str()).map_err(internal)?;
    let witness = keeper.as_ref().map(|keeper| keeper as &dyn Witness);
    let (analysis, contacted, drafted) = analyzed(node, upload, witness)?;
    if let Some(keeper) = keeper {
        keeper.commit().map_err(internal)?;
    }
    let digest = *digest.as_bytes();
    node.here().saw(digest, &contacted, &analysis.report.incidents).map_err(internal)?;
    let withheld = if upload.options.keep_here {
        "keep_here"
    } else if node.config.publish.enabled {
        ""
    } else {
        "disabled"
    };
    let summary = summary(&drafted, withheld);
    if withheld.is_empty() {
        let slots = node.slots(&node.store.roster());
        node.outbox().observe(drafted.statements, slots).map_err(internal)?;
    }
    Ok((analysis.report.to_json(), summary))
}

fn summary(drafted: &Draft, withheld: &str) -> v1::PublicationSummary {
    v1::PublicationSummary {
        contacted_names: drafted.count(Purpose::Contacted),
        suspected_names: drafted.count(Purpose::Suspected),
        never_tokenised_names: drafted.kept.values().sum(),
        not_published_because: withheld.to_owned(),
    }
}

/// The sender's path of a file: without our folder and the file's number.
fn as_sent(path: &str, folder: &Path) -> String {
    let ours = Path::new(path).strip_prefix(folder).ok();
    let sent = ours.map(|ours| ours.components().skip(1).collect::<PathBuf>());
    sent.map_or_else(|| path.to_owned(), |sent| sent.display().to_string())
}

fn responses(
    json: &str,
    publication: v1::PublicationSummary,
) -> Vec<Result<v1::AnalyzeResponse, Status>> {
    let chunks = json.as_bytes().chunks(REPORT_PART_BYTES).enumerate();
    let parts = chunks.map(|(index, json)| {
        let schema = if index == 0 { SCHEMA.to_owned() } else { String::new() };
        Outgoing::Report(v1::ReportPart { schema, json: json.to_vec().into() })
    });
    let parts = parts.chain([Outgoing::Publication(publication)]);
    parts.map(|part| Ok(v1::AnalyzeResponse { part: Some(part) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for (sent, kept) in [
            ("conn.log", "conn.log"),
            ("/var/log/zeek/conn.log", "var/log/zeek/conn.log"),
            ("../../etc/passwd", "etc/passwd"),
            ("a/./b/../c.log", "a/b/c.log"),
        ] {
            assert_eq!(inside(sent).unwrap(), Path::new(kept));
        }
        for sent in ["", "/", "..", "a\0b", &"x".repeat(5_000)] {
            assert!(inside(sent).is_err(), "{sent:?}");
        }
        assert_eq!(as_sent("/tmp/u/00007/2026/conn.log", Path::new("/tmp/u")), "2026/conn.log");
    }
}

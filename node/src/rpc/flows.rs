//! Uploads: files come in as they are, are analyzed as the `analyze` and `triage` commands would, and what may leave is
//! handed to the one door.

use std::io;
use std::sync::Arc;

use flowlore_analyzer::options::Options;
use flowlore_analyzer::report::Analysis;
use flowlore_analyzer::report::model::SCHEMA;
use flowlore_analyzer::settle::{Contacted, Witness};
use flowlore_analyzer::source::Opening;
use flowlore_analyzer::triage::Around;
use flowlore_common::credential::Role;
use flowlore_common::env::SystemRng;
use flowlore_common::label::{Purpose, Severity};
use flowlore_proto::v1;
use flowlore_proto::v1::analyze_response::Part as Outgoing;
use flowlore_proto::v1::flow_service_server::FlowService;
use flowlore_proto::v1::triage_question::About as Asked;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::{Iter, iter};
use tonic::{Request, Response, Status, Streaming};

use super::auth::require;
use super::internal;
use super::upload::Upload;
use crate::analyze::analyze_and;
use crate::limits::{DOCUMENT_BYTES_MAX, REPORT_PART_BYTES, UPLOADS_MAX};
use crate::node::Node;
use crate::observe::{observed, suspicions};
use crate::publish::{Draft, draft};
use crate::triage::{About, Answers, Input};

/// Serves `FlowService` on the local port.
#[derive(Debug)]
pub struct FlowHandler {
    node: Arc<Node>,
    running: Arc<Semaphore>,
}

impl FlowHandler {
    /// For this node.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        Self { node, running: Arc::new(Semaphore::new(UPLOADS_MAX)) }
    }

    /// A place among those whose flows are looked at. It goes with the work, not with the call: work goes on to its end
    /// when whoever asked for it has gone.
    fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = Arc::clone(&self.running).try_acquire_owned();
        place.map_err(|_| {
            Status::resource_exhausted(format!("{UPLOADS_MAX} analyses run already; try again"))
        })
    }
}

type Stream<T> = Iter<std::vec::IntoIter<Result<T, Status>>>;

#[tonic::async_trait]
impl FlowService for FlowHandler {
    type AnalyzeStream = Stream<v1::AnalyzeResponse>;
    type TriageStream = Stream<v1::ReportPart>;

    async fn analyze(
        &self,
        request: Request<Streaming<v1::AnalyzeRequest>>,
    ) -> Result<Response<Self::AnalyzeStream>, Status> {
        require(&request, Role::Contributor)?;
        let place = self.place()?;
        let upload = Upload::receive(&self.node, request.into_inner()).await?;
        let node = self.node.clone();
        let analyzed = tokio::task::spawn_blocking(move || {
            let _place = place;
            analyze(&node, &upload)
        });
        let (document, publication) = analyzed.await.map_err(internal)??;
        self.node.publish.notify_one();
        let report = parts(SCHEMA, &document).map(Outgoing::Report);
        let all = report.chain([Outgoing::Publication(publication)]);
        let all = all.map(|part| Ok(v1::AnalyzeResponse { part: Some(part) }));
        Ok(Response::new(iter(all.collect::<Vec<_>>())))
    }

    async fn triage(
        &self,
        request: Request<Streaming<v1::AnalyzeRequest>>,
    ) -> Result<Response<Self::TriageStream>, Status> {
        require(&request, Role::Contributor)?;
        let place = self.place()?;
        let upload = Upload::receive(&self.node, request.into_inner()).await?;
        let node = self.node.clone();
        let told = tokio::task::spawn_blocking(move || {
            let _place = place;
            triage(&node, &upload)
        });
        let (schema, document) = told.await.map_err(internal)??;
        Ok(Response::new(iter(parts(schema, &document).map(Ok).collect::<Vec<_>>())))
    }
}

/// The report of an upload, and what of it may leave.
pub(super) fn analyzed(
    node: &Node,
    upload: &Upload,
    witness: Option<&dyn Witness>,
) -> Result<(Analysis, Vec<Contacted>, Draft), Status> {
    let options = upload.options(node)?;
    let (mut analysis, contacted) = analyze_and(
        &upload.flows(),
        Opening::ByContent,
        Upload::effort(node),
        &options,
        witness,
        |part| part.contacted(),
    )
    .map_err(|error| upload.refusal(&error))?;
    let input = &mut analysis.report.input;
    input.files.iter_mut().for_each(|file| file.path = upload.as_sent(&file.path));
    input.notes.extend_from_slice(upload.notes());
    let roster = node.store.roster();
    let policy = node.own_policy(&roster);
    let suspicions = suspicions(analysis.report.findings.iter().chain(&analysis.unlisted.findings));
    let drafted =
        draft(&observed(&contacted), &suspicions, &policy, node.slots(&roster), &mut SystemRng);
    Ok((analysis, contacted, drafted))
}

fn analyze(node: &Node, upload: &Upload) -> Result<(Vec<u8>, v1::PublicationSummary), Status> {
    let zone = upload.zone()?;
    let shown = upload.shown(&zone)?;
    let digest = upload.digest();
    let keeper = node.flows.keeper(digest.to_hex().as_str()).map_err(internal)?;
    let witness = keeper.as_ref().map(|keeper| keeper as &dyn Witness);
    let (analysis, contacted, drafted) = analyzed(node, upload, witness)?;
    if let Some(keeper) = keeper {
        keeper.commit().map_err(internal)?;
    }
    let digest = *digest.as_bytes();
    let incidents = analysis.report.incidents.iter().chain(&analysis.unlisted.incidents);
    node.here().saw(digest, &contacted, incidents).map_err(internal)?;
    let withheld = if upload.keep_here() {
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
    Ok((document(|out| shown.report(&analysis.report, out))?, summary))
}

fn triage(node: &Node, upload: &Upload) -> Result<(&'static str, Vec<u8>), Status> {
    let zone = upload.zone()?;
    let shown = upload.shown(&zone)?;
    // Every finding that a story can be about.
    let options = Options { severity_min: Severity::Low, ..upload.options(node)? };
    let missing = || Status::invalid_argument("the first open of a triage has a question");
    let question = upload.question().ok_or_else(missing)?;
    let (alerts, named) = upload.alerts();
    let about = match &question.about {
        Some(Asked::Finding(id)) => About::Finding(id),
        Some(Asked::Moment(v1::Moment { at, host, destination })) => {
            let destination = Some(&**destination).filter(|to| !to.is_empty());
            About::Moment { at, host, destination }
        }
        None => About::Alerts { paths: &alerts, named: &named },
    };
    let flows = upload.flows();
    let effort = Upload::effort(node);
    let input = Input { paths: &flows, effort, options: &options, zone: &zone };
    let around = (question.before_s, question.after_s);
    let around = (around.0.unwrap_or(Around::BEFORE_S), around.1.unwrap_or(Around::AFTER_S));
    let answers = Answers::of(&input, &about, around).map_err(|error| upload.refusal(&error))?;
    Ok((answers.schema(), document(|out| answers.write(&shown, out))?))
}

/// What is written, unless it is too much.
fn document(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<Vec<u8>, Status> {
    let mut bounded = Bounded(Vec::new());
    let written = write(&mut bounded);
    written.map_err(|error| Status::resource_exhausted(error.to_string()))?;
    Ok(bounded.0)
}

/// A buffer with an end.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(io::Error::other(
                "the answer has more than 256 MiB: ask about fewer alerts or flows",
            ));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn summary(drafted: &Draft, withheld: &str) -> v1::PublicationSummary {
    v1::PublicationSummary {
        contacted_names: drafted.count(Purpose::Contacted),
        suspected_names: drafted.count(Purpose::Suspected),
        never_tokenised_names: drafted.kept.values().sum(),
        not_published_because: withheld.to_owned(),
    }
}

/// A document in pieces; the first names its schema.
fn parts(schema: &'static str, document: &[u8]) -> impl Iterator<Item = v1::ReportPart> {
    document.chunks(REPORT_PART_BYTES).enumerate().map(move |(index, piece)| v1::ReportPart {
        schema: if index == 0 { schema.to_owned() } else { String::new() },
        document: piece.to_vec().into(),
    })
}

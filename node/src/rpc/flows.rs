//! Uploads: files come in as they are, are analyzed as the `analyze` and `triage` commands would, and what may leave is
//! handed to the one door.

use std::io;
use std::path::Path;
use std::sync::Arc;

use flowlore_analyzer::options::Options;
use flowlore_analyzer::report::model::SCHEMA;
use flowlore_analyzer::report::{Analysis, Report};
use flowlore_analyzer::triage::Around;
use flowlore_common::credential::Role;
use flowlore_common::label::Severity;
use flowlore_common::time::Day;
use flowlore_proto::v1;
use flowlore_proto::v1::analyze_response::Part as Outgoing;
use flowlore_proto::v1::flow_service_server::FlowService;
use flowlore_proto::v1::triage_question::About as Asked;
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::{Iter, iter};
use tonic::{Request, Response, Status, Streaming};

use super::auth::require;
use super::internal;
use super::upload::Upload;
use crate::days::{DaysError, Staged};
use crate::keep::{self, Failed, Given};
use crate::limits::{REPORT_PART_BYTES, UPLOADS_MAX};
use crate::node::Node;
use crate::output::{Shown, bounded};
use crate::publish::Draft;
use crate::triage::{About, Answers, Input};

/// Serves `FlowService` on the local port.
#[derive(Debug)]
pub struct FlowHandler(pub Arc<Node>);

impl FlowHandler {
    /// A place among those whose flows are looked at. It goes with the work, not with the call: work goes on to its end
    /// when whoever asked for it has gone.
    fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = Arc::clone(&self.0.analyses).try_acquire_owned();
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
        let erasures = self.0.flows.erasures();
        let upload = Upload::receive(&self.0, request.into_inner()).await?;
        let node = self.0.clone();
        let analyzed = tokio::task::spawn_blocking(move || {
            let _place = place;
            let analyzed = analyze(&node, &upload, erasures);
            // Also what cannot be told, or nobody waits for any more, may be kept and wait to be published.
            node.publish.notify_one();
            analyzed
        });
        let (document, publication) = analyzed.await.map_err(internal)??;
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
        let upload = Upload::receive(&self.0, request.into_inner()).await?;
        let node = self.0.clone();
        let told = tokio::task::spawn_blocking(move || {
            let _place = place;
            triage(&node, &upload)
        });
        let (schema, document) = told.await.map_err(internal)??;
        Ok(Response::new(iter(parts(schema, &document).map(Ok).collect::<Vec<_>>())))
    }
}

/// What would leave of an upload.
pub(super) fn drafted(node: &Node, upload: &Upload) -> Result<Draft, Status> {
    let (options, opening) = (upload.options(node)?, upload.opening()?);
    let (_, _, drafted) = keep::look(node, &upload.flows(), &opening, &options, None)
        .map_err(|error| upload.refusal(&error))?;
    Ok(drafted)
}

fn analyze(
    node: &Node,
    upload: &Upload,
    erasures: u64,
) -> Result<(Vec<u8>, v1::PublicationSummary), Status> {
    let zone = upload.zone()?;
    let shown = upload.shown(&zone)?;
    let (options, opening) = (upload.options(node)?, upload.opening()?);
    let given = Given {
        paths: &upload.flows(),
        opening: &opening,
        options: &options,
        digest: upload.digest(),
        keep_here: upload.keep_here(),
        erasures,
    };
    let failed = |failed| match failed {
        Failed::Unusable(error) => upload.refusal(&error),
        Failed::Erased => erased(),
        Failed::TooMuch(error) => too_much(&error, "nothing was kept"),
        Failed::NotKept(error) => internal(error),
    };
    // On disk before it counts, and in view after: sent again after a crash in between, it is both, once.
    let part = upload.day()?.map(|day| Part::stage(node, upload, day)).transpose()?;
    let (document, publication) = if let Some(part) = part {
        // One report at a time in memory.
        let (_, _, mut publication) = keep::keep(node, &given, |_| Ok(())).map_err(failed)?;
        let still = node.flows.since(erasures).ok_or_else(erased)?;
        let (day, mut said) = part.commit(node)?;
        drop(still);
        let whole = node.days.gather(day).map_err(|error| kept(&internal(error)))?;
        said.extend(whole.left_out());
        let analysis = keep::keep_whole(node, &whole, &options, &mut publication);
        let mut analysis = analysis.map_err(|error| kept(&failed(error)))?;
        let document =
            told(&mut analysis.report, |path| whole.as_sent(path), (upload, &said), &shown);
        (document.map_err(|error| too_much(&error, KEPT))?, publication)
    } else {
        let write = |analysis: &mut Analysis| {
            told(&mut analysis.report, |path| upload.as_sent(path), (upload, &[]), &shown)
        };
        let (document, _, publication) = keep::keep(node, &given, write).map_err(failed)?;
        (document, publication)
    };
    let summary = v1::PublicationSummary {
        contacted_names: publication.contacted,
        suspected_names: publication.suspected,
        never_tokenised_names: publication.never,
        not_published_because: publication.withheld.unwrap_or_default().to_owned(),
    };
    Ok((document, summary))
}

/// The report as its sender wants it, with the sender's names.
fn told(
    report: &mut Report,
    as_sent: impl Fn(&str) -> String,
    (upload, said): (&Upload, &[String]),
    shown: &Shown<'_>,
) -> io::Result<Vec<u8>> {
    let input = &mut report.input;
    input.files.iter_mut().for_each(|file| file.path = as_sent(&file.path));
    // As those of one call.
    input.files.sort_by(|one, other| Path::new(&one.path).cmp(Path::new(&other.path)));
    input.notes.extend(upload.notes().iter().chain(said).cloned());
    bounded(|out| shown.report(report, out))
}

fn erased() -> Status {
    Status::aborted(
        "flows were erased while this came, and it may hold some of them: send again what may be kept",
    )
}

/// What is to be known of a part whose day cannot be told.
const KEPT: &str = "what was sent is kept";

/// The whole fails, after its part was kept.
fn kept(failed: &Status) -> Status {
    Status::new(failed.code(), format!("{}; {KEPT}", failed.message()))
}

fn too_much(error: &io::Error, kept: &str) -> Status {
    let help = "list less (--min-severity, --conversations) or send less at once";
    Status::resource_exhausted(format!("{error}: {help}; {kept}"))
}

/// An upload on its way into its day.
struct Part {
    day: Day,
    /// None where the day has it.
    staged: Option<Staged>,
}

impl Part {
    fn stage(node: &Node, upload: &Upload, day: Day) -> Result<Self, Status> {
        let staged = node.days.stage(&upload.for_day(day, node.clock.now())).map_err(refused)?;
        Ok(Self { day, staged })
    }

    /// Gives the day, and what is to be said about it.
    fn commit(self, node: &Node) -> Result<(Day, Vec<String>), Status> {
        let Self { day, staged } = self;
        let Some(staged) = staged else {
            return Ok((
                day,
                vec![format!("these files were sent for {day} before and count once")],
            ));
        };
        let gone = node.days.commit(staged).map_err(refused)?;
        let said = |gone| format!("{gone} is not in hand any more: its room was needed");
        Ok((day, gone.into_iter().map(said).collect()))
    }
}

fn refused(error: DaysError) -> Status {
    match error {
        DaysError::Off => Status::failed_precondition(error.to_string()),
        DaysError::NoRoom(..) | DaysError::TooManyFiles(_) => {
            Status::resource_exhausted(error.to_string())
        }
        DaysError::Disk(error) => internal(error),
    }
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
    let (flows, opening) = (upload.flows(), upload.opening()?);
    let effort = keep::effort(node);
    let input = Input { paths: &flows, opening: &opening, effort, options: &options, zone: &zone };
    let around = (question.before_s, question.after_s);
    let around = (around.0.unwrap_or(Around::BEFORE_S), around.1.unwrap_or(Around::AFTER_S));
    let answers = Answers::of(&input, &about, around).map_err(|error| upload.refusal(&error))?;
    Ok((answers.schema(), document(|out| answers.write(&shown, out))?))
}

/// What is written, unless it is too much.
fn document(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<Vec<u8>, Status> {
    bounded(write).map_err(|error| {
        Status::resource_exhausted(format!("{error}: ask about fewer alerts or flows"))
    })
}

/// A document in pieces; the first names its schema.
fn parts(schema: &'static str, document: &[u8]) -> impl Iterator<Item = v1::ReportPart> {
    document.chunks(REPORT_PART_BYTES).enumerate().map(move |(index, piece)| v1::ReportPart {
        schema: if index == 0 { schema.to_owned() } else { String::new() },
        document: piece.to_vec().into(),
    })
}

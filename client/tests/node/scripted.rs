//! A node of scripted answers: what it says follows from the destination's name.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use flowlore_client::access::{Access, Given};
use flowlore_client::api::Client;
use flowlore_common::answer::Shared;
use flowlore_common::credential::{CallHeader, CredentialFile, Grant, Role};
use flowlore_common::destination::Destination;
use flowlore_common::env::{Clock as _, SystemClock};
use flowlore_common::ids::OrgId;
use flowlore_common::sign::{PublicKey, SecretKey};
use flowlore_common::suffixes::Suffixes;
use flowlore_common::time::Hour;
use flowlore_common::wire;
use flowlore_proto::v1;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use v1::admin_service_server::{AdminService, AdminServiceServer};
use v1::flow_service_server::{FlowService, FlowServiceServer};
use v1::label_service_server::{LabelService, LabelServiceServer};
use v1::reputation_service_server::{ReputationService, ReputationServiceServer};

/// Answers in one message: few, so that small look-ups have several.
const PART: usize = 3;
const ORG: OrgId = OrgId([0xaa; 32]);

/// What the node was asked.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// Sizes of look-up batches.
    pub(crate) batches: Vec<usize>,
    /// "destination verdict behaviour confidence".
    pub(crate) labels: Vec<String>,
    /// The last label, whole.
    pub(crate) put: Option<v1::PutLabelRequest>,
    /// Files of the last upload.
    pub(crate) files: Vec<SeenFile>,
    /// Of all signed calls.
    pub(crate) nonces: Vec<[u8; 16]>,
    /// The number of the session, while the node knows one.
    pub(crate) session: Option<String>,
}

/// A file that was uploaded.
#[derive(Clone, Default)]
pub(crate) struct SeenFile {
    pub(crate) path: String,
    /// "networks severity conversations keep form colour zone notes", or "none".
    pub(crate) options: String,
    /// What it is for.
    pub(crate) purpose: String,
    /// What is asked of a triage.
    pub(crate) question: Option<v1::TriageQuestion>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) parts: Vec<usize>,
}

/// A running node and its folder.
pub(crate) struct Node {
    pub(crate) folder: TempDir,
    pub(crate) address: String,
    seen: Arc<Mutex<Seen>>,
    ends: tokio::sync::Mutex<mpsc::UnboundedReceiver<Result<(), Status>>>,
}

#[derive(Clone)]
struct Script {
    org_key: PublicKey,
    seen: Arc<Mutex<Seen>>,
    ends: mpsc::UnboundedSender<Result<(), Status>>,
}

impl Node {
    pub(crate) async fn on_socket() -> Self {
        let (node, script) = Self::new("unix:local.sock");
        let listener = UnixListener::bind(node.folder.path().join("local.sock")).unwrap();
        tokio::spawn(script.server().serve_with_incoming(UnixListenerStream::new(listener)));
        node
    }

    pub(crate) async fn on_loopback() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (node, script) = Self::new(&listener.local_addr().unwrap().to_string());
        tokio::spawn(script.server().serve_with_incoming(TcpListenerStream::new(listener)));
        node
    }

    fn new(address: &str) -> (Self, Script) {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("[local]\nlisten = '{address}'\n");
        std::fs::write(folder.path().join("flowlore.toml"), config).unwrap();
        std::fs::create_dir(folder.path().join("credentials")).unwrap();
        let org_key = SecretKey::from_seed(&[7; 32]);
        write_credential(&folder.path().join("credentials/admin.cred"), &org_key);
        let (sender, ends) = mpsc::unbounded_channel();
        let seen = Arc::<Mutex<Seen>>::default();
        let script = Script { org_key: org_key.public(), seen: Arc::clone(&seen), ends: sender };
        let ends = tokio::sync::Mutex::new(ends);
        (Self { folder, address: address.to_owned(), seen, ends }, script)
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Knows no session any more, as after a restart.
    pub(crate) fn forget_session(&self) {
        self.seen.lock().unwrap().session = None;
    }

    /// How the last upload's stream ended: half-closed, or broken off.
    pub(crate) async fn end_of_upload(&self) -> Result<(), Status> {
        self.ends.lock().await.recv().await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        let given = Given { dir: Some(self.folder.path().to_owned()), ..Given::default() };
        let access = Access::find(&given, |_| None).unwrap();
        Client::connect(access, Arc::new(SystemClock)).await.unwrap()
    }

    /// A credential that another org signed.
    pub(crate) fn stranger(&self) -> PathBuf {
        let path = self.folder.path().join("stranger.cred");
        write_credential(&path, &SecretKey::from_seed(&[8; 32]));
        path
    }
}

fn write_credential(path: &Path, org_key: &SecretKey) {
    let key = SecretKey::from_seed(&[9; 32]);
    let hour = SystemClock.now().hour();
    let grant = Grant {
        org: ORG,
        serial: [2; 16],
        public_key: key.public().bytes(),
        role: Role::Admin,
        name: "Ada".to_owned(),
        tenants: Vec::new(),
        issued: hour,
        expires: Hour(hour.0 + 24),
    };
    let file = CredentialFile::new(grant.sign(org_key), key);
    std::fs::write(path, file.to_text().as_bytes()).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Script {
    fn server(self) -> tonic::transport::server::Router {
        Server::builder()
            .add_service(ReputationServiceServer::new(self.clone()))
            .add_service(LabelServiceServer::new(self.clone()))
            .add_service(FlowServiceServer::new(self.clone()))
            .add_service(AdminServiceServer::new(self))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// The checks of a node: credential of this org, time, signature over this method, nonce.
    fn admit<T>(&self, request: &Request<T>, method: &str) -> Result<(), Status> {
        let refuse = |why: &str| Status::unauthenticated(why.to_owned());
        let header = request.metadata().get("authorization").ok_or_else(|| refuse("no header"))?;
        let header = header.to_str().map_err(|_| refuse("not ASCII"))?;
        let header: CallHeader = header.parse().map_err(|_| refuse("no call header"))?;
        let now_s = u64::try_from(SystemClock.now().seconds()).unwrap();
        let checked = header.check(&ORG, &self.org_key, &format!("/flowlore.v1.{method}"), now_s);
        checked.map_err(|error| refuse(&error.to_string()))?;
        self.seen().nonces.push(header.nonce);
        Ok(())
    }
}

impl Script {
    /// Lets a call of the session in; else it must be signed, and opens one if it wishes so.
    fn session<T>(&self, request: &Request<T>) -> Result<Option<String>, Status> {
        let header = |name| request.metadata().get(name).and_then(|value| value.to_str().ok());
        if let Some(number) =
            header("authorization").unwrap_or("").strip_prefix("Flowlore-Session ")
        {
            let is_known = self.seen().session.as_deref() == Some(number);
            return if is_known {
                Ok(None)
            } else {
                Err(Status::unauthenticated("no such session"))
            };
        }
        self.admit(request, "ReputationService/Lookup")?;
        if header("flowlore-session") != Some("open") {
            return Ok(None);
        }
        let number = format!("{:064x}", self.seen().nonces.len());
        self.seen().session = Some(number.clone());
        Ok(Some(number))
    }
}

fn shared(destination: &str) -> Shared {
    let level = destination.starts_with("answered").then(|| {
        json!({
            "contacted": { "orgs": 2, "groups": 2, "members": 3 }, "noise": null,
            "first_seen": { "claimed": "2026-11-20", "witnessed": null },
            "last_seen": "2026-11-24", "age_days": null, "trend": "new", "weeks": [],
            "verdict": "suspicious", "confidence": 60,
            "tally": { "suspicious": { "orgs": 2, "groups": 2, "by_people": 0 } },
            "disputed": false, "holds_until": null, "class": "rare", "behaviours": [],
            "closed_elsewhere": null, "titles": [], "tags": [], "notes": [],
        })
    });
    let shared = json!({
        "day": "2026-11-24", "state_version": 1, "members": 3, "objects_digest": "9f".repeat(32),
        "host": level, "site": null,
    });
    serde_json::from_value(shared).unwrap()
}

fn query(text: &str) -> v1::Query {
    let destination: Option<Destination> = text.parse().ok();
    let unread = v1::Query { input: text.to_owned(), ..v1::Query::default() };
    destination.map_or(unread, |known| wire::query(text, &known, Suffixes::shipped()))
}

fn answer(index: u32, text: &str) -> v1::Answer {
    let mut answer =
        v1::Answer { index, query: wire::query_out(&query(text)), ..v1::Answer::default() };
    if let Err(error) = text.parse::<Destination>() {
        answer.set_state(v1::AnswerState::Invalid);
        answer.problem = Some(v1::Problem {
            code: "bad_destination".to_owned(),
            message: error.to_string(),
            hint: "write evil.example:443".to_owned(),
        });
        return answer;
    }
    let word = text.split(['-', '.']).next().unwrap();
    answer.set_state(match word {
        "answered" => v1::AnswerState::Answered,
        "not" => v1::AnswerState::NotAsked,
        "quota" => v1::AnswerState::Quota,
        "private" => v1::AnswerState::Private,
        _ => v1::AnswerState::Unseen,
    });
    match answer.state() {
        v1::AnswerState::Answered | v1::AnswerState::Unseen => {
            answer.shared = wire::shared_out(&shared(text), |level| wire::level_out(level).into());
        }
        v1::AnswerState::NotAsked => {
            (answer.evaluators_up, answer.evaluators_needed) = (1, 2);
            answer.retry_after_s = 30;
        }
        _ => answer.retry_after_s = 3_600,
    }
    match word {
        "elsewhere" => answer.index = 7,
        "garbled" => answer.shared = (&b"\x1b[2J"[..]).into(),
        _ => {}
    }
    answer
}

type Answers<T> = tokio_stream::Iter<std::vec::IntoIter<Result<T, Status>>>;

#[tonic::async_trait]
impl ReputationService for Script {
    type LookupStream = Answers<v1::Answers>;

    async fn lookup(
        &self,
        request: Request<v1::LookupRequest>,
    ) -> Result<Response<Self::LookupStream>, Status> {
        let session = self.session(&request)?;
        let asked = request.into_inner().destinations;
        self.seen().batches.push(asked.len());
        let mut answers = Vec::new();
        for (index, text) in (0..).zip(&asked) {
            let repeats = match text.split('.').next().unwrap() {
                "silent" => 0,
                "twice" => 2,
                _ => 1,
            };
            answers.extend(std::iter::repeat_n(answer(index, text), repeats));
        }
        answers.reverse();
        let parts = answers.chunks(PART).map(|part| Ok(part.iter().cloned().collect()));
        let parts: Vec<_> = parts.collect();
        let mut response = Response::new(tokio_stream::iter(parts));
        if let Some(number) = session {
            response.metadata_mut().insert("flowlore-session", number.parse().unwrap());
        }
        Ok(response)
    }
}

#[tonic::async_trait]
impl LabelService for Script {
    type MineStream = Answers<v1::MyLabel>;

    async fn put(
        &self,
        request: Request<v1::PutLabelRequest>,
    ) -> Result<Response<v1::PutLabelResponse>, Status> {
        self.admit(&request, "LabelService/Put")?;
        let label = request.into_inner();
        let (destination, verdict) = (&label.destination, label.verdict());
        if destination.starts_with("own") {
            return Err(Status::failed_precondition(format!(
                "{destination} is the org's own zone\u{1b}[2J"
            )));
        }
        let (behaviour, confidence) = (&label.behaviour, label.confidence);
        let held = label.hold_hours;
        let held = if held == 0 { String::new() } else { format!(" held {held} h") };
        let said = format!("{destination} {verdict:?} {behaviour} {confidence}{held}");
        self.seen().labels.push(said);
        self.seen().put = Some(label.clone());
        let waits = destination.starts_with("late");
        let mut response = v1::PutLabelResponse {
            destination: Some(query(destination)),
            block_id: if waits { Vec::new() } else { vec![0x9f; 32] }.into(),
            ..v1::PutLabelResponse::default()
        };
        response.set_status(if waits { v1::LabelStatus::Waiting } else { v1::LabelStatus::Sealed });
        Ok(Response::new(response))
    }

    async fn retract(
        &self,
        request: Request<v1::RetractLabelRequest>,
    ) -> Result<Response<v1::RetractLabelResponse>, Status> {
        self.admit(&request, "LabelService/Retract")?;
        if request.into_inner().destination.starts_with("never") {
            return Err(Status::not_found("no label of yours about it"));
        }
        Ok(Response::new(v1::RetractLabelResponse { retracted: 1 }))
    }

    async fn dispute(
        &self,
        request: Request<v1::DisputeRequest>,
    ) -> Result<Response<v1::PutLabelResponse>, Status> {
        self.admit(&request, "LabelService/Dispute")?;
        let v1::DisputeRequest { destination, reason } = request.into_inner();
        self.seen().labels.push(format!("{destination} disputed {reason}"));
        let mut response = v1::PutLabelResponse {
            destination: Some(query(&destination)),
            block_id: vec![0x9f; 32].into(),
            ..v1::PutLabelResponse::default()
        };
        response.set_status(v1::LabelStatus::Sealed);
        Ok(Response::new(response))
    }

    async fn mine(
        &self,
        request: Request<v1::MineRequest>,
    ) -> Result<Response<Self::MineStream>, Status> {
        self.admit(&request, "LabelService/Mine")?;
        let label = v1::MyLabel {
            destination: "answered.example".to_owned(),
            verdict: v1::Verdict::Malicious.into(),
            status: v1::LabelStatus::Waiting.into(),
            put_unix_s: 1_795_507_200,
            ..v1::MyLabel::default()
        };
        Ok(Response::new(tokio_stream::iter(vec![Ok(label)])))
    }
}

#[tonic::async_trait]
impl FlowService for Script {
    type AnalyzeStream = Answers<v1::AnalyzeResponse>;
    type TriageStream = Answers<v1::ReportPart>;

    async fn analyze(
        &self,
        request: Request<Streaming<v1::AnalyzeRequest>>,
    ) -> Result<Response<Self::AnalyzeStream>, Status> {
        self.admit(&request, "FlowService/Analyze")?;
        let text = self.receive(request.into_inner()).await?;
        let report = document(text, "flowlore.report.v1");
        let publication = v1::analyze_response::Part::Publication(v1::PublicationSummary {
            not_published_because: "keep_here".to_owned(),
            ..v1::PublicationSummary::default()
        });
        let report = report.into_iter().map(v1::analyze_response::Part::Report);
        let parts = report.chain([publication]);
        let parts: Vec<_> =
            parts.map(|part| Ok(v1::AnalyzeResponse { part: Some(part) })).collect();
        Ok(Response::new(tokio_stream::iter(parts)))
    }

    async fn triage(
        &self,
        request: Request<Streaming<v1::AnalyzeRequest>>,
    ) -> Result<Response<Self::TriageStream>, Status> {
        self.admit(&request, "FlowService/Triage")?;
        let text = self.receive(request.into_inner()).await?;
        let parts: Vec<_> = document(text, "flowlore.triage.v1").into_iter().map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(parts)))
    }
}

impl Script {
    /// Takes all files; whether text is wanted.
    async fn receive(&self, mut stream: Streaming<v1::AnalyzeRequest>) -> Result<bool, Status> {
        let first = stream.message().await?.and_then(|request| request.part);
        let Some(v1::analyze_request::Part::Open(first)) = first else {
            return Err(Status::invalid_argument("data before open"));
        };
        if first.path.ends_with("refused.log") {
            return Err(Status::resource_exhausted("too many analyses at once"));
        }
        let wanted = first.options.as_ref().and_then(|options| options.presentation.as_ref());
        let text = wanted.is_some_and(|wanted| wanted.form == "text");
        // A task of its own sees how the stream ends even when the call is cancelled.
        let ends = self.ends.clone();
        let receiving = tokio::spawn(async move {
            let received = receive_after(first, &mut stream).await;
            let _ = ends.send(received.as_ref().map(|_| ()).map_err(Clone::clone));
            received
        });
        self.seen().files = receiving.await.unwrap()?;
        Ok(text)
    }
}

/// A document in two pieces: JSON, or text of which a part is meant for the terminal itself.
fn document(text: bool, schema: &str) -> [v1::ReportPart; 2] {
    let document = if text {
        "NO INTERESTING ACTIVITY\n\u{1b}[2J\n".to_owned()
    } else {
        format!("{}\n", json!({ "schema": schema, "later": true }))
    };
    let (head, tail) = document.as_bytes().split_at(document.len() / 2);
    [head, tail].map(|piece| v1::ReportPart {
        document: piece.to_vec().into(),
        ..v1::ReportPart::default()
    })
}

/// The files of a stream whose first message has been read.
async fn receive_after(
    first: v1::FileOpen,
    stream: &mut Streaming<v1::AnalyzeRequest>,
) -> Result<Vec<SeenFile>, Status> {
    let mut files = vec![opened(first)];
    while let Some(request) = stream.message().await? {
        let part = request.part.ok_or_else(|| Status::invalid_argument("no part"))?;
        match part {
            v1::analyze_request::Part::End(_) => return Ok(files),
            v1::analyze_request::Part::Open(open) => files.push(opened(open)),
            v1::analyze_request::Part::Data(data) => {
                let file = files.last_mut().unwrap();
                file.parts.push(data.len());
                file.bytes.extend_from_slice(&data);
            }
        }
    }
    Err(Status::invalid_argument("broken off"))
}

fn opened(open: v1::FileOpen) -> SeenFile {
    let purpose = open.purpose().as_str_name().trim_start_matches("FILE_PURPOSE_").to_lowercase();
    let options = open.options.map_or("none".to_owned(), |options| {
        let networks = options.home_nets.join(",");
        let (least, most) = (options.min_severity, options.conversations_max);
        let v1::Presentation { form, colour, time_zone, .. } = options.presentation.unwrap();
        let notes = options.notes.join(",");
        format!(
            "{networks} {least} {most} {} {form} {colour} {time_zone} {notes}",
            options.keep_here
        )
    });
    let (path, question) = (open.path, open.question);
    SeenFile { path, options, purpose, question, ..SeenFile::default() }
}

#[tonic::async_trait]
impl AdminService for Script {
    type PublishDryRunStream = Answers<v1::DryRunPart>;

    async fn publish_dry_run(
        &self,
        _: Request<Streaming<v1::AnalyzeRequest>>,
    ) -> Result<Response<Self::PublishDryRunStream>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        self.admit(&request, "AdminService/Status")?;
        let b = vec![0xbb; 32];
        Ok(Response::new(v1::StatusResponse {
            version: "0.1.0".to_owned(),
            org_name: "A".to_owned(),
            org_id: vec![0xaa; 32].into(),
            members: vec![v1::Member {
                name: "B".to_owned(),
                org_id: b.clone().into(),
                ..v1::Member::default()
            }],
            store: Some(v1::StoreStatus {
                objects_digest: vec![0x9f; 32].into(),
                ..v1::StoreStatus::default()
            }),
            refused: vec![v1::RefusedCount {
                from_org_id: b.into(),
                reason: "bad_signature".to_owned(),
                count: 2,
            }],
            ..v1::StatusResponse::default()
        }))
    }

    async fn invite(
        &self,
        _: Request<v1::InviteRequest>,
    ) -> Result<Response<v1::InviteResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn approve(
        &self,
        _: Request<v1::ApproveRequest>,
    ) -> Result<Response<v1::ApproveResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn keygen(
        &self,
        _: Request<v1::KeygenRequest>,
    ) -> Result<Response<v1::KeygenResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn expel(
        &self,
        _: Request<v1::ExpelRequest>,
    ) -> Result<Response<v1::ExpelResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn erase_flows(
        &self,
        _: Request<v1::EraseFlowsRequest>,
    ) -> Result<Response<v1::EraseFlowsResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn rekey(
        &self,
        _: Request<v1::RekeyRequest>,
    ) -> Result<Response<v1::RekeyResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }
}

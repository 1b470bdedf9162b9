//! A client of this machine's own node, for commands and the demo.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};

use anyhow::{Context as _, Result, anyhow};
use flowlore_archive::archive::Erasure;
use flowlore_common::credential::CredentialFile;
use flowlore_common::env::{Clock, SystemClock, SystemRng};
use flowlore_proto::v1;
use flowlore_proto::v1::admin_service_client::AdminServiceClient;
use flowlore_proto::v1::analyze_request::Part;
use flowlore_proto::v1::flow_service_client::FlowServiceClient;
use flowlore_proto::v1::label_service_client::LabelServiceClient;
use flowlore_proto::v1::reputation_service_client::ReputationServiceClient;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use prost::bytes::Bytes;
use tokio::net::{TcpStream, UnixStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::body::Body;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::{Service, http};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status, Streaming};

use super::erase;
use super::session::{OPEN, SCHEME, SESSION};
use crate::archive::Erased;
use crate::config::{Config, LocalAddress};
use crate::folder::Folder;
use crate::keys::NewKeys;
use crate::limits::{ANSWER_FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, UPLOAD_PART_BYTES_MAX};
use crate::listen::LocalStream;

pub use v1::StatusResponse;

/// The services of a running node, called with the admin's credential.
#[derive(Clone, Debug)]
pub struct Local {
    /// Status, invitations, approvals, keys.
    pub admin: AdminServiceClient<Signed>,
    /// Look-ups.
    pub reputation: ReputationServiceClient<Signed>,
    /// Labels.
    pub labels: LabelServiceClient<Signed>,
    /// Uploads.
    pub flows: FlowServiceClient<Signed>,
    /// The `authorization` of the session in which look-ups are made, once there is one.
    session: Arc<Mutex<Option<AsciiMetadataValue>>>,
}

impl Local {
    /// Connects to the node that runs in `dir`.
    ///
    /// # Errors
    /// It does not run, or the credential is missing.
    pub async fn connect(dir: &Path) -> Result<Self> {
        let folder = Folder::open(dir)?;
        let config = Config::load(&folder)?;
        let text = folder.read("credentials/admin.cred")?;
        let text = text.context("credentials/admin.cred is missing")?;
        let credential = CredentialFile::parse(std::str::from_utf8(&text)?)?;
        let channel = connect(&config.local).await.with_context(|| {
            format!("no node runs there: flowlore-node run --dir {}", dir.display())
        })?;
        let signed = Signed { channel, credential: Arc::new(credential) };
        Ok(Self {
            admin: AdminServiceClient::new(signed.clone()),
            reputation: ReputationServiceClient::new(signed.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
            labels: LabelServiceClient::new(signed.clone()),
            flows: FlowServiceClient::new(signed).max_decoding_message_size(MESSAGE_BYTES_MAX),
            session: Arc::default(),
        })
    }
}

/// An admitted org.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Its name.
    pub name: String,
    /// Of its transport key.
    pub fingerprint: String,
    /// The roster that names it.
    pub roster_version: u32,
}

/// What an upload gave.
#[derive(Clone, Debug)]
pub struct Analyzed {
    /// The report, JSON.
    pub report: Vec<u8>,
    /// What of it waits to be published.
    pub publication: v1::PublicationSummary,
}

/// What a look-up of one destination gave.
#[derive(Clone, Debug)]
pub struct Told {
    /// `answered`, `unseen`, `not_asked`, ...
    pub state: String,
    /// The shared part as it came; empty where there is none.
    pub shared: Bytes,
}

impl Local {
    /// How the node is.
    ///
    /// # Errors
    /// The node's words, here and below.
    pub async fn status(&mut self) -> Result<StatusResponse> {
        Ok(self.admin.status(v1::StatusRequest {}).await.map_err(status_error)?.into_inner())
    }

    /// A line with which an org can ask to join.
    ///
    /// # Errors
    /// This node cannot invite.
    pub async fn invite(&mut self) -> Result<String> {
        let invited = self.admin.invite(v1::InviteRequest {}).await.map_err(status_error)?;
        Ok(invited.into_inner().line)
    }

    /// Admits an applicant.
    ///
    /// # Errors
    /// Nobody of that name waits, or the roster's rules are not met.
    pub async fn approve(&mut self, applicant: &str, endorsers: &[String]) -> Result<Admitted> {
        let (applicant, endorsers) = (applicant.to_owned(), endorsers.to_vec());
        let request = v1::ApproveRequest { applicant, endorsers };
        let approved = self.admin.approve(request).await.map_err(status_error)?.into_inner();
        let member = approved.member.context("the node names no member")?;
        let (name, fingerprint) = (member.name, member.fingerprint);
        Ok(Admitted { name, fingerprint, roster_version: approved.roster_version })
    }

    /// Deals a new key; its key epoch and the roster that announces it.
    ///
    /// # Errors
    /// That is no way to share a key here.
    pub async fn keygen(&mut self, threshold: u32, evaluators: u32) -> Result<(u32, u32)> {
        let request = v1::KeygenRequest { threshold, evaluators };
        let made = self.admin.keygen(request).await.map_err(status_error)?.into_inner();
        Ok((made.key_epoch, made.roster_version))
    }

    /// Ends a membership; the roster that says so.
    ///
    /// # Errors
    /// There is no such member, or this node is no governor.
    pub async fn expel(&mut self, member: &str, from_height: Option<u64>) -> Result<u32> {
        let request = v1::ExpelRequest { member: member.to_owned(), from_height };
        let expelled = self.admin.expel(request).await.map_err(status_error)?;
        Ok(expelled.into_inner().roster_version)
    }

    /// Gives a member new keys; the roster that says so.
    ///
    /// # Errors
    /// As [`Self::expel`].
    pub async fn rekey(
        &mut self,
        member: &str,
        keys: NewKeys,
        from_height: Option<u64>,
    ) -> Result<u32> {
        let request = v1::RekeyRequest {
            member: member.to_owned(),
            signing_key: keys.signing.to_vec().into(),
            transport_key: keys.transport.to_vec().into(),
            from_height,
        };
        let rekeyed = self.admin.rekey(request).await.map_err(status_error)?;
        Ok(rekeyed.into_inner().roster_version)
    }

    /// Erases flows from the archive.
    ///
    /// # Errors
    /// The node's, in its words.
    pub async fn erase(&mut self, erasure: &Erasure) -> Result<Erased> {
        let erased = self.admin.erase_flows(erase::request(erasure)).await.map_err(status_error)?;
        Ok(erase::erased(erased.into_inner()))
    }

    /// Uploads files and folders.
    ///
    /// # Errors
    /// A path cannot be read.
    pub async fn analyze(&mut self, paths: &[PathBuf], home_nets: &[String]) -> Result<Analyzed> {
        let options = v1::AnalyzeOptions { home_nets: home_nets.to_vec(), ..Default::default() };
        let parts = upload_parts(paths, options)?;
        let mut answered = self.flows.analyze(parts).await.map_err(status_error)?.into_inner();
        let (mut report, mut publication) = (vec![], v1::PublicationSummary::default());
        while let Some(part) = answered.next().await {
            match part.map_err(status_error)?.part {
                Some(v1::analyze_response::Part::Report(part)) => {
                    report.extend_from_slice(&part.document);
                }
                Some(v1::analyze_response::Part::Publication(summary)) => publication = summary,
                None => {}
            }
        }
        Ok(Analyzed { report, publication })
    }

    /// What would leave of files and folders: a line of text a fact.
    ///
    /// # Errors
    /// A path cannot be read.
    pub async fn dry_run(&mut self, paths: &[PathBuf]) -> Result<Vec<String>> {
        let parts = upload_parts(paths, v1::AnalyzeOptions::default())?;
        let shown = self.admin.publish_dry_run(parts).await.map_err(status_error)?;
        let mut shown = shown.into_inner();
        let (mut lines, mut statements) = (vec![], 0_u64);
        while let Some(part) = shown.next().await {
            match part.map_err(status_error)?.part {
                Some(v1::dry_run_part::Part::Statement(said)) => {
                    statements += 1;
                    lines.push(format!("{} {} {}", said.purpose, said.kind, said.destination));
                    lines.extend(said.entries.iter().map(|entry| format!("  {entry}")));
                    lines.push(format!("  sealed bytes: {}", hex::encode(said.body)));
                }
                Some(v1::dry_run_part::Part::Kept(kept)) => {
                    let kept: BTreeMap<_, _> = kept.never_tokenised.into_iter().collect();
                    let kept = kept.iter();
                    lines.extend(kept.map(|(why, count)| format!("{count} stay here: {why}")));
                }
                None => {}
            }
        }
        lines.push(format!("{statements} statements would leave, as tokens and sealed bytes."));
        Ok(lines)
    }

    /// Looks destinations up, in a session: only the call that opens it is signed. A session that the node does not
    /// know any more, as after a new connection, is opened again.
    ///
    /// # Errors
    /// The node's status.
    pub async fn answers(
        &mut self,
        destinations: Vec<String>,
    ) -> Result<Streaming<v1::Answers>, Status> {
        let mut request = v1::LookupRequest { destinations };
        let session = || self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let known = session().clone();
        if let Some(known) = known {
            // Should it be needed again: far cheaper than a copy of every text.
            let again = request.encode_to_vec();
            let mut within = Request::new(request);
            within.metadata_mut().insert(AUTHORIZATION.as_str(), known);
            match self.reputation.lookup(within).await {
                Err(status) if status.code() == Code::Unauthenticated => {}
                done => return Ok(done?.into_inner()),
            }
            let again = v1::LookupRequest::decode(&*again);
            request = again.map_err(|error| Status::internal(error.to_string()))?;
        }
        let mut signed = Request::new(request);
        signed.metadata_mut().insert(SESSION, AsciiMetadataValue::from_static(OPEN));
        let answer = self.reputation.lookup(signed).await?;
        let opened = answer.metadata().get(SESSION).and_then(|number| number.to_str().ok());
        let mut header: Option<AsciiMetadataValue> =
            opened.and_then(|number| format!("{SCHEME}{number}").try_into().ok());
        // Whoever prints this client must not print the session.
        header.iter_mut().for_each(|header| header.set_sensitive(true));
        *session() = header;
        Ok(answer.into_inner())
    }

    /// Looks a destination up.
    ///
    /// # Errors
    /// The node gives no answer.
    pub async fn lookup(&mut self, destination: &str) -> Result<Told> {
        let asked = self.answers(vec![destination.to_owned()]).await;
        let part = asked.map_err(status_error)?.next().await.context("no answer")?;
        let answer = part.map_err(status_error)?.decoded()?.pop().context("no answer")?;
        let state = answer.state().as_str_name().trim_start_matches("ANSWER_STATE_");
        Ok(Told { state: state.to_lowercase(), shared: answer.shared })
    }

    /// Calls a destination malicious; where the label is then: `sealed` or `waiting`.
    ///
    /// # Errors
    /// The destination never leaves the node.
    pub async fn call_malicious(&mut self, destination: &str, behaviour: &str) -> Result<String> {
        let request = v1::PutLabelRequest {
            destination: destination.to_owned(),
            verdict: v1::Verdict::Malicious.into(),
            behaviour: behaviour.to_owned(),
            confidence: 90,
            ..Default::default()
        };
        let put = self.labels.put(request).await.map_err(status_error)?;
        let status = put.into_inner().status();
        Ok(status.as_str_name().trim_start_matches("LABEL_STATUS_").to_lowercase())
    }
}

/// A connection to the local port of a node.
///
/// # Errors
/// Nobody listens there.
pub async fn connect(address: &LocalAddress) -> Result<Channel> {
    let endpoint = Endpoint::from_static("http://localhost").max_frame_size(ANSWER_FRAME_BYTES_MAX);
    let address = address.clone();
    let connect = tower::service_fn(move |_: Uri| {
        let address = address.clone();
        async move {
            let stream: Box<dyn LocalStream> = match address {
                LocalAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
                LocalAddress::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    // Else a call waits for the acknowledgement of the one before, up to 40 ms.
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
            };
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    Ok(endpoint.connect_with_connector(connect).await?)
}

/// A call's status as an error of one line.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
pub fn status_error(status: Status) -> anyhow::Error {
    anyhow!("{}", status.message())
}

/// A channel whose calls are signed, those in a session aside.
#[derive(Clone, Debug)]
pub struct Signed {
    channel: Channel,
    credential: Arc<CredentialFile>,
}

impl Service<http::Request<Body>> for Signed {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if request.headers().contains_key(AUTHORIZATION) {
            return self.channel.call(request); // In a session.
        }
        let now = u64::try_from(SystemClock.now().seconds()).unwrap_or(0);
        let header = self.credential.call(request.uri().path(), now, &mut SystemRng).to_string();
        if let Ok(header) = http::HeaderValue::try_from(header) {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        self.channel.call(request)
    }
}

/// Files and folders as the parts of an upload, read as they are sent.
///
/// # Errors
/// A path cannot be read; a file that vanishes later is sent empty.
pub fn upload_parts(
    paths: &[PathBuf],
    options: v1::AnalyzeOptions,
) -> Result<impl Stream<Item = v1::AnalyzeRequest> + Send + 'static> {
    let mut files = vec![];
    for path in paths {
        let found = if path.is_dir() { files_below(path)? } else { vec![path.clone()] };
        files.extend(found.into_iter().map(|file| (path.clone(), file)));
    }
    let mut options = Some(options);
    let parts = files.into_iter().flat_map(move |(root, path)| {
        let within = path.strip_prefix(&root).ok().filter(|rest| !rest.as_os_str().is_empty());
        let shown = within.unwrap_or(&path).display().to_string();
        let open = v1::FileOpen { path: shown, options: options.take(), ..Default::default() };
        let bytes = std::fs::read(&path).unwrap_or_default();
        let chunks = bytes.chunks(UPLOAD_PART_BYTES_MAX);
        let data = chunks.map(|chunk| Part::Data(chunk.to_vec().into())).collect::<Vec<_>>();
        [Part::Open(open)].into_iter().chain(data)
    });
    let parts = parts.chain([Part::End(v1::UploadEnd {})]);
    Ok(tokio_stream::iter(parts.map(|part| v1::AnalyzeRequest { part: Some(part) })))
}

/// All files below a folder, in the order of their paths.
///
/// # Errors
/// A folder cannot be read.
pub fn files_below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![];
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder);
        for entry in entries.with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

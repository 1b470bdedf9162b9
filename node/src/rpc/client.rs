//! A client of this machine's own node, for commands and the demo.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{self, Poll};

use anyhow::{Context as _, Result, anyhow};
use flowlore_common::credential::CredentialFile;
use flowlore_common::env::{Clock, SystemClock, SystemRng};
use flowlore_proto::v1;
use flowlore_proto::v1::admin_service_client::AdminServiceClient;
use flowlore_proto::v1::analyze_request::Part;
use flowlore_proto::v1::flow_service_client::FlowServiceClient;
use flowlore_proto::v1::label_service_client::LabelServiceClient;
use flowlore_proto::v1::reputation_service_client::ReputationServiceClient;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio_stream::Stream;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::config::{Config, LocalAddress};
use crate::folder::Folder;
use crate::limits::{MESSAGE_BYTES_MAX, UPLOAD_PART_BYTES_MAX};
use crate::listen::LocalStream;

/// The services of a running node, called with the admin's credential.
#[derive(Debug)]
pub struct Local {
    /// Status, invitations, approvals, keys.
    pub admin: AdminServiceClient<Signed>,
    /// Look-ups.
    pub reputation: ReputationServiceClient<Signed>,
    /// Labels.
    pub labels: LabelServiceClient<Signed>,
    /// Uploads.
    pub flows: FlowServiceClient<Signed>,
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
        })
    }
}

async fn connect(address: &LocalAddress) -> Result<Channel> {
    let endpoint = Endpoint::from_static("http://localhost");
    let address = address.clone();
    let connect = tower::service_fn(move |_: Uri| {
        let address = address.clone();
        async move {
            let stream: Box<dyn LocalStream> = match address {
                LocalAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
                LocalAddress::Tcp(address) => Box::new(TcpStream::connect(address).await?),
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

/// A channel whose every call is signed.
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
        let now = u64::try_from(SystemClock.now().seconds()).unwrap_or(0);
        let header = self.credential.call(request.uri().path(), now, &mut SystemRng).to_string();
        if let Ok(header) = http::HeaderValue::try_from(header) {
            request.headers_mut().insert(http::header::AUTHORIZATION, header);
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

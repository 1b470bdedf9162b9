//! What all calls share: the signed header, a deadline, and what a refusal means.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use flowlore_common::credential::CredentialFile;
use flowlore_common::env::{Clock, SystemRng};
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::{Code, GrpcMethod, Request, Status};

use super::Client;
use super::session::AUTHORIZATION;
use crate::failure::Failure;

/// What to do when nobody answers.
pub(super) const START_HINT: &str =
    "is the node running? start it with `flowlore-node run --dir DIR`";

/// Signs calls with the credential's key, those in a session aside.
#[derive(Clone)]
pub(super) struct Signer {
    credential: Arc<CredentialFile>,
    clock: Arc<dyn Clock>,
}

impl Signer {
    pub(super) fn new(credential: CredentialFile, clock: Arc<dyn Clock>) -> Self {
        Self { credential: Arc::new(credential), clock }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer with {:?}", self.credential)
    }
}

impl Interceptor for Signer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if request.metadata().contains_key(AUTHORIZATION) {
            return Ok(request); // In a session.
        }
        let method = request.extensions().get::<GrpcMethod<'_>>();
        let method = method.ok_or_else(|| Status::internal("the call has no method to sign"))?;
        let path = format!("/{}/{}", method.service(), method.method());
        let now_s = u64::try_from(self.clock.now().seconds()).unwrap_or_default();
        let header = self.credential.call(&path, now_s, &mut SystemRng).to_string();
        let mut value: MetadataValue<_> =
            header.parse().map_err(|_| Status::internal("the header is not ASCII"))?;
        value.set_sensitive(true);
        request.metadata_mut().insert(AUTHORIZATION, value);
        Ok(request)
    }
}

impl Client {
    /// Runs a call within a deadline.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
            let message =
                format!("node at {}: no answer within {} s", self.address, limit.as_secs());
            Err(Failure::new("timeout", message, "see the node's log, or try again later"))
        })
    }

    /// What the node's refusal means to a person.
    #[expect(clippy::needless_pass_by_value, reason = "so that it fits map_err")]
    pub(super) fn refusal(&self, status: Status) -> Failure {
        let (code, hint) = match status.code() {
            Code::Unavailable => ("unavailable", START_HINT),
            Code::Unauthenticated => {
                ("unauthenticated", "check the credential, and that both clocks are right")
            }
            Code::PermissionDenied => {
                ("permission_denied", "ask the node's admin for a credential with another role")
            }
            Code::InvalidArgument => ("invalid_argument", "correct it and try again"),
            Code::FailedPrecondition => ("failed_precondition", "`flowlore status` tells more"),
            Code::NotFound => ("not_found", ""),
            Code::ResourceExhausted => ("resource_exhausted", "try again later"),
            Code::Unimplemented => ("not_served", "not served by this version of the node"),
            Code::DeadlineExceeded | Code::Cancelled => ("timeout", "try again later"),
            _ => ("node_error", "see the node's log"),
        };
        let said = match status.message() {
            "" => status.code().description().to_owned(),
            said => said.to_owned(),
        };
        // tonic's own words for a broken connection are "transport error": its cause says more.
        let cause = status.source().map(root_cause).filter(|cause| *cause != said);
        let said = cause.map_or_else(|| said.clone(), |cause| format!("{said} ({cause})"));
        Failure::new(code, format!("node at {}: {said}", self.address), hint)
    }

    /// The node answered with something that the protocol does not have.
    pub(super) fn nonsense(&self, what: impl fmt::Display) -> Failure {
        let message = format!("node at {}: {what}", self.address);
        Failure::new("protocol", message, "are node and client of the same version?")
    }
}

/// The innermost reason, which is the one that a person can act upon.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

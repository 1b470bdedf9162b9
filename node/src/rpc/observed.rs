//! Every call of both ports has a number, a span in the log, and is counted. The span holds the number, the port
//! and the method: no header, no destination, no credential.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use flowlore_common::env::SystemRng;
use rand_core::RngCore as _;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;

use crate::metrics::Metrics;

/// In every answer: the call's number, by which our log can be searched.
const REQUEST_ID: &str = "x-request-id";
/// Calls of services that are not ours.
const FOREIGN: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

/// Bytes of randomness that are taken from the system at once: each time costs more than all else that is done here.
const RANDOM_BYTES: usize = 512;

/// Watches the calls of a port.
#[derive(Clone, Debug)]
pub struct Observe {
    port: &'static str,
    metrics: Arc<Metrics>,
    numbers: Arc<Mutex<Numbers>>,
}

impl Observe {
    /// For the port of this name.
    #[must_use]
    pub fn new(port: &'static str, metrics: Arc<Metrics>) -> Self {
        Self { port, metrics, numbers: Arc::default() }
    }
}

/// Random numbers for calls.
#[derive(Debug, Default)]
struct Numbers(Vec<u64>);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0.pop().unwrap_or_else(|| {
            let mut bytes = [0; RANDOM_BYTES];
            SystemRng.fill_bytes(&mut bytes);
            let (first, more) = bytes.split_at(size_of::<u64>());
            let number =
                |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            self.0.extend(more.chunks_exact(size_of::<u64>()).map(number));
            number(first)
        })
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;
    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, observe: self.clone() }
    }
}

/// A service that is watched.
#[derive(Clone, Debug)]
pub struct Observed<S> {
    inner: S,
    observe: Observe,
}

impl<S, B> Service<http::Request<B>> for Observed<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send + 'static>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let Observe { port, metrics, numbers } = self.observe.clone();
        let method = known(request.uri().path());
        let number = numbers.lock().unwrap_or_else(PoisonError::into_inner).next();
        let id = format!("{number:016x}");
        let span = tracing::info_span!("call", id, port, method);
        let begun = Instant::now();
        let answer = self.inner.call(request);
        let observed = async move {
            let mut answer = answer.await?;
            let code = code(&answer);
            let seconds = begun.elapsed().as_secs_f64();
            metrics.called(port, method, code, seconds);
            tracing::debug!(code, seconds, "answered");
            if let Ok(mut id) = http::HeaderValue::try_from(id) {
                // No secret, but it never comes again: else it would have a place in the connection's table of
                // headers, where it pushes out those that do.
                id.set_sensitive(true);
                answer.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(answer)
        };
        Box::pin(observed.instrument(span))
    }
}

/// The path as a label: one of those that there are.
fn known(path: &str) -> &'static str {
    let ours = flowlore_proto::CALLS.iter().chain(&FOREIGN);
    ours.copied().find(|call| *call == path).unwrap_or("unknown")
}

/// The status with which an answer begins; a stream that fails later began well.
fn code(answer: &http::Response<Body>) -> &'static str {
    match Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code()) {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_comes_twice() {
        let mut numbers = Numbers::default();
        let all: std::collections::BTreeSet<u64> = (0..1_000).map(|_| numbers.next()).collect();
        assert_eq!(all.len(), 1_000);
    }

    #[test]
    fn only_calls_that_exist_become_labels() {
        assert!(flowlore_proto::CALLS.len() > 10);
        assert_eq!(known("/flowlore.v1.AdminService/Status"), "/flowlore.v1.AdminService/Status");
        assert_eq!(known("/flowlore.v1.AdminService/Statu"), "unknown");
        assert_eq!(code(&Status::not_found("x").into_http()), "not_found");
    }
}

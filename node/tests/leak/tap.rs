//! Taps: a proxy in front of every port of every node, which ends TLS with the keys of both ends, as only who holds
//! the nodes' folders can. What goes over is recorded after TLS and HPACK, and searched after decompression.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use flowlore_common::sign::SecretKey;
use flowlore_node::config::LocalAddress;
use flowlore_node::dial::channel;
use flowlore_node::limits::MESSAGE_BYTES_MAX;
use flowlore_node::listen::{LocalPort, PeerKey, PeerPort};
use flowlore_node::tls::{Identity, Meter, Traffic, TransportKey};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, BoxFuture, Bytes, Service, StdError, http};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};
use tower::ServiceExt as _;

/// Who a transport key belongs to.
pub(crate) type Identities = Arc<BTreeMap<TransportKey, Arc<Identity>>>;

/// All that went over taps, a call at a time.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<Arc<Call>>>);

struct Call {
    channel: &'static str,
    path: String,
    heads: Mutex<Vec<u8>>,
    asked: Mutex<Vec<u8>>,
    answered: Mutex<Vec<u8>>,
}

impl Recorder {
    fn call(&self, channel: &'static str, path: &str) -> Arc<Call> {
        let path = path.to_owned();
        let (heads, asked, answered) = Default::default();
        let call = Arc::new(Call { channel, path, heads, asked, answered });
        self.0.lock().unwrap().push(call.clone());
        call
    }

    /// What went over a channel so far: headers, then messages as they were before compression; and how many of
    /// these were compressed.
    pub(crate) fn of(&self, channel: &str) -> (Vec<(String, Vec<u8>)>, usize) {
        let (mut pieces, mut compressed) = (vec![], 0);
        for call in self.0.lock().unwrap().iter().filter(|call| call.channel == channel) {
            let mut piece =
                |part: &str, bytes| pieces.push((format!("{} {part}", call.path), bytes));
            piece("headers", call.heads.lock().unwrap().clone());
            for (part, body) in [("asked", &call.asked), ("answered", &call.answered)] {
                let (plain, unpacked) = unframe(&body.lock().unwrap());
                compressed += unpacked;
                piece(part, plain);
            }
        }
        (pieces, compressed)
    }
}

/// gRPC messages without their frames: `compressed u8 || length u32 || bytes`.
fn unframe(mut body: &[u8]) -> (Vec<u8>, usize) {
    let (mut plain, mut compressed) = (vec![], 0);
    while let Some((&[flag, a, b, c, d], rest)) = body.split_first_chunk() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some((message, rest)) = rest.split_at_checked(length) else { break };
        if flag == 1 {
            compressed += 1;
            let unpacked = flate2::read::GzDecoder::new(message);
            unpacked.take(MESSAGE_BYTES_MAX as u64).read_to_end(&mut plain).unwrap();
        } else {
            plain.extend_from_slice(message);
        }
        body = rest;
    }
    plain.extend_from_slice(body);
    (plain, compressed)
}

/// Stands where peers dial a node and passes everything on, in the name of whoever dials.
pub(crate) async fn peers(
    at: SocketAddr,
    to: SocketAddr,
    of: &SecretKey,
    identities: Identities,
    recorder: Arc<Recorder>,
) {
    let port = PeerPort::bind(at).await.unwrap();
    let node = Identity::new(of).unwrap();
    let incoming =
        port.accept(&node, Arc::new(|_| true), Arc::new(Meter::default()), Arc::default()).unwrap();
    let expected = of.public().bytes();
    let channels = Mutex::new(BTreeMap::<TransportKey, Channel>::new());
    let route = move |from: Option<PeerKey>| {
        let PeerKey(key) = from.expect("the handshake shows a key");
        let mut channels = channels.lock().unwrap();
        let open = || {
            let identity = &identities[&key];
            channel(identity, &to.to_string(), expected, Arc::new(Traffic::default())).unwrap()
        };
        channels.entry(key).or_insert_with(open).clone()
    };
    serve(Proxy { recorder, local: false, route: Arc::new(route) }, incoming);
}

/// Stands where clients find a node.
pub(crate) async fn clients(at: SocketAddr, to: SocketAddr, recorder: Arc<Recorder>) {
    let port = LocalPort::bind(&LocalAddress::Tcp(at)).await.unwrap();
    let channel = Endpoint::from_shared(format!("http://{to}")).unwrap().connect_lazy();
    let route = Arc::new(move |_: Option<PeerKey>| channel.clone());
    serve(Proxy { recorder, local: true, route }, port.accept());
}

fn serve<I, C>(proxy: Proxy, incoming: I)
where
    I: tokio_stream::Stream<Item = std::io::Result<C>> + Send + 'static,
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    C: tonic::transport::server::Connected,
{
    let routes = Routes::default().into_axum_router().fallback_service(proxy);
    let server = Server::builder().add_routes(Routes::from(routes));
    tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
}

type Route = Arc<dyn Fn(Option<PeerKey>) -> Channel + Send + Sync>;

#[derive(Clone)]
struct Proxy {
    recorder: Arc<Recorder>,
    local: bool,
    route: Route,
}

impl Proxy {
    fn channel_of(&self, path: &str) -> &'static str {
        match path {
            _ if self.local => "local port",
            path if path.starts_with("/flowlore.v1.EvaluatorService/") => "evaluators",
            _ => "peers",
        }
    }
}

impl<B> Service<http::Request<B>> for Proxy
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let call = self.recorder.call(self.channel_of(&path), &path);
        note(&call, request.headers());
        let channel = (self.route)(request.extensions().get().copied());
        let question = call.clone();
        let request = request.map(|body| {
            let record: Record =
                Box::new(move |bytes| question.asked.lock().unwrap().extend(bytes));
            Body::new(Tapped { body: Box::pin(body), call: call.clone(), record })
        });
        Box::pin(async move {
            let answered = match channel.ready_oneshot().await {
                Ok(mut channel) => channel.call(request).await,
                Err(error) => Err(error),
            };
            let response = match answered {
                Ok(response) => response,
                // As for a node that is away: its peer hears of a broken connection.
                Err(error) => return Ok(Status::unavailable(error.to_string()).into_http()),
            };
            note(&call, response.headers());
            let answer = call.clone();
            Ok(response.map(|body| {
                let record: Record =
                    Box::new(move |bytes| answer.answered.lock().unwrap().extend(bytes));
                Body::new(Tapped { body: Box::pin(body), call, record })
            }))
        })
    }
}

fn note(call: &Call, headers: &http::HeaderMap) {
    let mut heads = call.heads.lock().unwrap();
    for (name, value) in headers {
        heads.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
}

type Record = Box<dyn Fn(&[u8]) + Send>;

/// A body whose bytes and trailers are recorded as they pass.
struct Tapped<B> {
    body: Pin<Box<B>>,
    call: Arc<Call>,
    record: Record,
}

impl<B: HttpBody<Data = Bytes>> HttpBody for Tapped<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, B::Error>>> {
        let polled = self.body.as_mut().poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if let Some(bytes) = frame.data_ref() {
                (self.record)(bytes);
            }
            if let Some(trailers) = frame.trailers_ref() {
                note(&self.call, trailers);
            }
        }
        polled
    }
}

//! The dialling side: a channel to one peer, pinned to the key that the roster names.

use std::io;
use std::sync::Arc;

use anyhow::Result;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::limits::{
    CALL_TIME_MAX, CONNECT_TIME_MAX, CONNECTION_WINDOW_BYTES, HANDSHAKE_TIME_MAX,
    KEEPALIVE_ANSWER_MAX, KEEPALIVE_EVERY, STREAM_WINDOW_BYTES,
};
use crate::tls::{Counted, Identity, Traffic, TransportKey, server_name};

/// A channel to `address` ("host:port") and to nobody but the holder of `expected`. It connects with the first
/// call, and again with the first call after a connection was lost; a call fails when nobody, or somebody else,
/// answers there.
///
/// # Errors
/// The identity does not fit TLS.
pub fn channel(
    identity: &Identity,
    address: &str,
    expected: TransportKey,
    traffic: Arc<Traffic>,
) -> Result<Channel> {
    let connector = TlsConnector::from(identity.client(expected)?);
    let to = address.to_owned();
    let connect = move |_: Uri| {
        let (connector, to, traffic) = (connector.clone(), to.clone(), traffic.clone());
        async move {
            let tls = open(&connector, &to).await?;
            Ok::<_, io::Error>(TokioIo::new(Counted::new(tls, traffic)))
        }
    };
    // The host in this URI becomes the :authority header and is never resolved.
    Ok(Endpoint::from_static("http://flowlore")
        .http2_keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_ANSWER_MAX)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .connect_with_connector_lazy(tower::service_fn(connect)))
}

async fn open(
    connector: &TlsConnector,
    to: &str,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
    let tcp = tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(to));
    let tcp = tcp.await.map_err(timed_out)??;
    tcp.set_nodelay(true)?;
    let handshake = connector.connect(server_name(), tcp);
    let tls = tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await.map_err(timed_out)??;
    if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::other("the peer does not speak HTTP/2"));
    }
    Ok(tls)
}

/// A request that gives up after [`CALL_TIME_MAX`].
#[must_use]
pub fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(CALL_TIME_MAX);
    request
}

//! The listening side of both ports: connections that have passed TLS, or come from this machine, as one stream
//! for tonic. tonic's own TLS has no place for a verifier of clients, so the handshake happens here.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use rustls::CertificateError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::config::LocalAddress;
use crate::gathered::Gathered;
use crate::limits::{
    HANDSHAKE_TIME_MAX, HANDSHAKES_MAX, LOCAL_CONNECTIONS_MAX, PEER_CONNECTIONS_MAX,
};
use crate::metrics::Metrics;
use crate::rpc::session::Sessions;
use crate::tls::{Admits, Counted, Identity, Meter, TransportKey, transport_key};

/// Who is at the other end of a peer's connection: proven by the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerKey(pub TransportKey);

/// A connection whose holder counts against a bound until it is closed.
#[derive(Debug)]
pub struct Bounded<S, I> {
    stream: S,
    info: I,
    _permit: OwnedSemaphorePermit,
}

/// A peer's connection.
pub type PeerConnection = Bounded<Counted<TlsStream<TcpStream>>, PeerKey>;

impl<S, I: Clone + Send + Sync + 'static> Connected for Bounded<S, I> {
    type ConnectInfo = I;
    fn connect_info(&self) -> I {
        self.info.clone()
    }
}

impl<S: AsyncRead + Unpin, I: Unpin> AsyncRead for Bounded<S, I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin, I: Unpin> AsyncWrite for Bounded<S, I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    // A frame's head and its payload leave in one call to the system, where the stream can.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The peers' port, bound.
#[derive(Debug)]
pub struct PeerPort {
    listener: TcpListener,
}

impl PeerPort {
    /// Binds it.
    ///
    /// # Errors
    /// The address is taken, or not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listening for peers on {address}"))?;
        Ok(Self { listener })
    }

    /// The address with the port that the system chose.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts for ever; whoever `admits` does not let in is gone after the handshake.
    ///
    /// # Errors
    /// The identity does not fit TLS.
    pub fn accept(
        self,
        identity: &Identity,
        admits: Admits,
        meter: Arc<Meter>,
        metrics: Arc<Metrics>,
    ) -> Result<ReceiverStream<io::Result<PeerConnection>>> {
        let acceptor = TlsAcceptor::from(identity.server(admits)?);
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(accept_peers(self.listener, acceptor, (meter, metrics), sender));
        Ok(ReceiverStream::new(receiver))
    }
}

async fn accept_peers(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    (meter, metrics): (Arc<Meter>, Arc<Metrics>),
    sender: mpsc::Sender<io::Result<PeerConnection>>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let connections = Arc::new(Semaphore::new(PEER_CONNECTIONS_MAX));
    loop {
        let Ok(handshake) = handshakes.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = sender.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let (tcp, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: the next connection to end makes room.
                tracing::warn!(%error, "accepting a peer's connection failed");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            metrics.connection_refused("too_many");
            tracing::warn!(%from, "refused: too many peer connections");
            continue;
        };
        let (acceptor, meter, metrics) = (acceptor.clone(), meter.clone(), metrics.clone());
        let sender = sender.clone();
        tokio::spawn(async move {
            let shaken = shake_hands(&acceptor, tcp).await;
            drop(handshake);
            match shaken {
                Ok((stream, key)) => {
                    let stream = Counted::new(stream, meter.of(&key));
                    let connection = Bounded { stream, info: PeerKey(key), _permit: permit };
                    // A closed channel means that the node is stopping.
                    let _ = sender.send(Ok(connection)).await;
                }
                Err(error) => {
                    metrics.connection_refused(why(&error));
                    tracing::info!(%from, %error, "peer connection refused");
                }
            }
        });
    }
}

/// A refused handshake's reason, as it is counted.
fn why(error: &io::Error) -> &'static str {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        None if error.kind() == io::ErrorKind::TimedOut => "timeout",
        None => "closed",
        Some(rustls::Error::InvalidCertificate(CertificateError::BadSignature)) => "bad_signature",
        Some(rustls::Error::InvalidCertificate(_)) => "unknown_key",
        Some(rustls::Error::NoCertificatesPresented) => "no_certificate",
        Some(rustls::Error::PeerIncompatible(_)) => "tls_version",
        Some(rustls::Error::NoApplicationProtocol) => "protocol",
        Some(rustls::Error::InvalidMessage(_)) => "no_tls",
        Some(_) => "handshake",
    }
}

async fn shake_hands(
    acceptor: &TlsAcceptor,
    tcp: TcpStream,
) -> io::Result<(TlsStream<TcpStream>, TransportKey)> {
    tcp.set_nodelay(true)?;
    let handshake = tokio::time::timeout(HANDSHAKE_TIME_MAX, acceptor.accept(tcp));
    let stream = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::other("the peer does not speak HTTP/2"));
    }
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.ok_or_else(|| io::Error::other("no certificate was shown"))?;
    let key = transport_key(certificate).map_err(io::Error::other)?;
    Ok((stream, key))
}

/// A local connection: either kind of socket. Who calls, its credential tells.
pub type LocalConnection = Bounded<Box<dyn LocalStream>, Sessions>;

/// What both kinds of local socket have in common.
pub trait LocalStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl LocalStream for TcpStream {}
impl LocalStream for UnixStream {}
impl<S: LocalStream> LocalStream for Gathered<S> {}

/// The local port, bound.
#[derive(Debug)]
pub enum LocalPort {
    /// A Unix socket.
    Unix(UnixListener),
    /// A loopback address.
    Tcp(TcpListener),
}

impl LocalPort {
    /// Binds it. The caller holds the folder's lock, so a socket that is there already is a leftover.
    ///
    /// # Errors
    /// The address is taken or cannot be used.
    pub async fn bind(address: &LocalAddress) -> Result<Self> {
        match address {
            LocalAddress::Tcp(address) => {
                let listener = TcpListener::bind(address).await;
                Ok(Self::Tcp(listener.with_context(|| format!("listening on {address}"))?))
            }
            LocalAddress::Unix(path) => Ok(Self::Unix(bind_unix(path)?)),
        }
    }

    /// How clients reach it: `unix:PATH` or `ADDRESS:PORT`.
    #[must_use]
    pub fn shown(&self) -> String {
        let unknown = || "?".to_owned();
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| unknown(), |at| at.to_string())
            }
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(unknown, |path| format!("unix:{}", path.display()))
            }
        }
    }

    /// Accepts for ever.
    #[must_use]
    pub fn accept(self) -> ReceiverStream<io::Result<LocalConnection>> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let connections = Arc::new(Semaphore::new(LOCAL_CONNECTIONS_MAX));
            loop {
                let Ok(permit) = connections.clone().acquire_owned().await else { return };
                let stream: io::Result<Box<dyn LocalStream>> = tokio::select! {
                    () = sender.closed() => return,
                    accepted = self.next() => accepted,
                };
                let info = Sessions::default();
                let accepted = stream.map(|stream| Bounded { stream, info, _permit: permit });
                if sender.send(accepted).await.is_err() {
                    return;
                }
            }
        });
        ReceiverStream::new(receiver)
    }

    async fn next(&self) -> io::Result<Box<dyn LocalStream>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(Gathered::new(stream))
            }
            Self::Unix(listener) => Box::new(Gathered::new(listener.accept().await?.0)),
        })
    }
}

fn bind_unix(path: &Path) -> Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path)
        .with_context(|| format!("listening on {} (at most 107 bytes long)", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

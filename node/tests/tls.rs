//! Goal: nobody gets in on either side without the private half of a pinned key. Method: a real listener on
//! loopback, and clients that are wrong in one thing each.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;

use flowlore_common::sign::SecretKey;
use flowlore_node::listen::{PeerKey, PeerPort};
use flowlore_node::metrics::Metrics;
use flowlore_node::tls::{Identity, TransportKey, server_name};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::StreamExt as _;
use tonic::transport::server::Connected as _;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn public(seed: u8) -> TransportKey {
    key(seed).public().bytes()
}

/// The listener's key; the one client key that it admits; a key that nobody knows.
const SERVER: u8 = 1;
const MEMBER: u8 = 2;
const STRANGER: u8 = 3;

/// A listener that admits `MEMBER` only; the keys of those who got in, and the count of those who did not.
async fn listener() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<TransportKey>, Arc<Metrics>)
{
    let port = PeerPort::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = port.address().unwrap();
    let identity = Identity::new(&key(SERVER)).unwrap();
    let admits = Arc::new(|shown: &TransportKey| *shown == public(MEMBER));
    let metrics = Arc::<Metrics>::default();
    let mut incoming = port.accept(&identity, admits, Arc::default(), metrics.clone()).unwrap();
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(mut connection)) = incoming.next().await {
            let PeerKey(shown) = connection.connect_info();
            sender.send(shown).unwrap();
            connection.write_all(b"welcome").await.unwrap();
            connection.flush().await.unwrap();
        }
    });
    (address, receiver, metrics)
}

/// Connects and reads the welcome. With TLS 1.3 a client learns that it was refused only when it reads.
async fn try_to_enter(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<Vec<u8>> {
    let tcp = TcpStream::connect(address).await?;
    let mut tls = TlsConnector::from(config).connect(server_name(), tcp).await?;
    let mut read = [0; 7];
    tls.read_exact(&mut read).await?;
    Ok(read.to_vec())
}

/// Takes any server, so that what a test shows is the server's doing alone.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Shows one key's certificate and signs with another.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
    fn has_certs(&self) -> bool {
        true
    }
}

impl rustls::server::ResolvesServerCert for Shows {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn certified(certificate_of: u8, signs_with: u8) -> Arc<CertifiedKey> {
    let certificate = Identity::new(&key(certificate_of)).unwrap().certificate().clone();
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend_from_slice(&[signs_with; 32]);
    let signer = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(der)).unwrap();
    Arc::new(CertifiedKey::new(vec![certificate], signer))
}

fn client(
    versions: &[&'static rustls::SupportedProtocolVersion],
    alpn: &[u8],
    shows: Option<Arc<CertifiedKey>>,
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous));
    let mut config = match shows {
        Some(shown) => builder.with_client_cert_resolver(Arc::new(Shows(shown))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

/// Waits until one refusal is counted under this reason: the client may learn of it before the listener counts.
async fn refused(metrics: &Metrics, reason: &'static str) {
    let counted = async {
        while metrics.connections_refused(reason) != 1 {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, counted)
        .await
        .unwrap_or_else(|_| panic!("{reason}: not counted"));
}

#[tokio::test]
async fn a_member_gets_in_and_is_known_by_its_key() {
    let (address, mut entered, _) = listener().await;
    let member = Identity::new(&key(MEMBER)).unwrap().client(public(SERVER)).unwrap();
    assert_eq!(try_to_enter(address, member).await.unwrap(), b"welcome");
    assert_eq!(entered.recv().await, Some(public(MEMBER)));
}

#[tokio::test]
async fn only_the_holder_of_an_admitted_key_gets_in() {
    let (address, mut entered, metrics) = listener().await;
    let tls13 = &[&rustls::version::TLS13][..];
    let tls12 = &[&rustls::version::TLS12][..];
    for (reason, config) in [
        ("unknown_key", client(tls13, b"h2", Some(certified(STRANGER, STRANGER)))),
        // A copied certificate: the key that signs is not the one that it shows.
        ("bad_signature", client(tls13, b"h2", Some(certified(MEMBER, STRANGER)))),
        ("no_certificate", client(tls13, b"h2", None)),
        ("tls_version", client(tls12, b"h2", Some(certified(MEMBER, MEMBER)))),
        ("protocol", client(tls13, b"http/1.1", Some(certified(MEMBER, MEMBER)))),
    ] {
        assert!(try_to_enter(address, config).await.is_err(), "{reason}: got in");
        refused(&metrics, reason).await;
    }
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut heard = vec![];
    // A TLS alert, or an end, or a reset: anything but a welcome.
    let _ = plain.read_to_end(&mut heard).await;
    assert!(!heard.windows(7).any(|window| window == b"welcome"));
    refused(&metrics, "no_tls").await;
    // The same client with everything right gets in: what was refused was refused for its one fault.
    let right = client(tls13, b"h2", Some(certified(MEMBER, MEMBER)));
    assert_eq!(try_to_enter(address, right).await.unwrap(), b"welcome");
    assert_eq!(entered.recv().await, Some(public(MEMBER)));
    assert!(entered.try_recv().is_err(), "only the last one got in");
}

/// A server that shows `shown`, whatever clients it gets.
async fn impostor(shown: Arc<CertifiedKey>) -> SocketAddr {
    let mut config =
        rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Shows(shown)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Ok(mut tls) = acceptor.accept(tcp).await {
                let _ = tls.write_all(b"welcome").await;
            }
        }
    });
    address
}

#[tokio::test]
async fn a_dialler_talks_to_the_pinned_key_only() {
    let dial = || Identity::new(&key(MEMBER)).unwrap().client(public(SERVER)).unwrap();
    let wrong_key = impostor(certified(STRANGER, STRANGER)).await;
    assert!(try_to_enter(wrong_key, dial()).await.is_err(), "another key");
    let copied = impostor(certified(SERVER, STRANGER)).await;
    assert!(try_to_enter(copied, dial()).await.is_err(), "a copied certificate");
    let right = impostor(certified(SERVER, SERVER)).await;
    assert_eq!(try_to_enter(right, dial()).await.unwrap(), b"welcome");
}

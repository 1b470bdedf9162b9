//! TLS 1.3 with both sides pinned: a connection exists only to a key that the roster names.
//!
//! Certificates are self-signed around the ed25519 transport key and serve as its wrapping only: names, dates
//! and issuers in them mean nothing. What counts is that the handshake is signed by that key, which is why the
//! verifiers check the signature of the handshake: without it a copied certificate would pass.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use flowlore_common::sign::SecretKey;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::METERED_KEYS_MAX;

/// What every ed25519 SubjectPublicKeyInfo begins with (RFC 8410, section 4); the 32 bytes of the key follow.
const SPKI_HEAD: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What every ed25519 PKCS#8 v1 private key begins with (RFC 8410, section 7); the 32-byte seed follows.
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// The only application protocol spoken here: HTTP/2.
const ALPN: &[u8] = b"h2";
/// Stands in every certificate and server name; nobody reads it.
const NAME: &str = "flowlore";

/// A transport key, as the roster names it.
pub type TransportKey = [u8; 32];

/// Tells whether a connection by this key may be opened to us.
pub type Admits = Arc<dyn Fn(&TransportKey) -> bool + Send + Sync>;

/// A node's certificate and the means to prove that it is its own.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// Wraps a transport key into a self-signed certificate.
    ///
    /// # Errors
    /// The library refuses the key; does not happen with an ed25519 seed.
    pub fn new(transport: &SecretKey) -> Result<Self> {
        let mut der = PKCS8_HEAD.to_vec();
        der.extend_from_slice(&*transport.seed());
        let key = PrivatePkcs8KeyDer::from(der);
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ED25519)
            .context("wrapping the transport key")?;
        let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])
            .and_then(|params| params.self_signed(&pair))
            .context("making the certificate")?;
        Ok(Self { certificate: certificate.der().clone(), key })
    }

    /// The certificate, which everybody may see.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// For the listening side: who connects must show a key that `admits` lets in.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn server(&self, admits: Admits) -> Result<Arc<ServerConfig>> {
        let provider = provider();
        let verifier = Arc::new(Pinned { pin: Whom::AnyOf(admits), provider: provider.clone() });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key().into())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed session would not show a certificate again: an expelled member must not come back by one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// For the dialling side: the other must prove that it holds `expected`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn client(&self, expected: TransportKey) -> Result<Arc<ClientConfig>> {
        let provider = provider();
        let verifier = Arc::new(Pinned { pin: Whom::One(expected), provider: provider.clone() });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key().into())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        config.enable_sni = false;
        Ok(Arc::new(config))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The server name that rustls wants; it is neither sent nor compared.
#[must_use]
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from(NAME).expect("a plain name is a server name")
}

/// The ed25519 key in a certificate.
///
/// # Errors
/// It is no certificate, or has another kind of key.
pub fn transport_key(certificate: &CertificateDer<'_>) -> Result<TransportKey, Error> {
    let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    let key = spki.strip_prefix(&SPKI_HEAD).and_then(|key| key.try_into().ok());
    key.ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
}

/// Whom a side lets in.
enum Whom {
    One(TransportKey),
    AnyOf(Admits),
}

/// Lets a certificate pass by its key alone, and the handshake by that key's signature.
struct Pinned {
    pin: Whom,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pinned")
    }
}

impl Pinned {
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let key = transport_key(certificate)?;
        let pinned = match &self.pin {
            Whom::One(expected) => key == *expected,
            Whom::AnyOf(admits) => admits(&key),
        };
        let refused = CertificateError::ApplicationVerificationFailure;
        if pinned { Ok(()) } else { Err(Error::InvalidCertificate(refused)) }
    }

    fn handshake(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }
}

/// TLS 1.2 is not offered; should a change ever offer it, it still fails here.
fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOfferedOrEnabled))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.handshake(message, certificate, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.handshake(message, certificate, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// What went over a connection, in application bytes.
#[derive(Debug, Default)]
pub struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    /// Bytes written and bytes read so far.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

/// Traffic by the key at the other end.
#[derive(Debug, Default)]
pub struct Meter(Mutex<BTreeMap<TransportKey, Arc<Traffic>>>);

impl Meter {
    /// The counters of a key. Beyond [`METERED_KEYS_MAX`] keys, all others share those of the zero key, so that the
    /// sum stays right.
    #[must_use]
    pub fn of(&self, key: &TransportKey) -> Arc<Traffic> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = keys.contains_key(key) || keys.len() < METERED_KEYS_MAX;
        keys.entry(if known { *key } else { [0; 32] }).or_default().clone()
    }

    /// Bytes written and bytes read so far, to and from everybody.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.values()
            .map(|traffic| traffic.totals())
            .fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1))
    }
}

/// A stream whose bytes are counted.
#[derive(Debug)]
pub struct Counted<S> {
    inner: S,
    traffic: Arc<Traffic>,
}

impl<S> Counted<S> {
    /// Counts what goes over `inner` in `traffic`.
    #[must_use]
    pub fn new(inner: S, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        self.traffic.received.fetch_add(read as u64, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            self.traffic.sent.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

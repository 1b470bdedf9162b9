//! The only gRPC client of Flowlore's local port, as a library.
//!
//! Calls carry a header signed by the credential's key over method, time and a nonce, so that whoever reads one
//! can neither act in its holder's name nor call again with it. Look-ups are made in a session that the first of
//! them opens, and signed where there is none.
//! Wire messages become domain types here; nobody else meets them.

mod answer;
mod call;
mod label;
mod lookup;
mod session;
mod status;
mod upload;

use std::sync::Arc;

use flowlore_common::env::Clock;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

pub use answer::{Answer, Problem, Query, State};
pub use label::{Closing, LabelStatus, Labelled, MyLabel, NewLabel};
pub use lookup::batches;
pub use status::{Applicant, Keys, Member, Names, Netflow, NodeStatus, Peer, Refused, Store};
pub use upload::{About, Form, Publication, Question, UploadOptions, Uploaded};

use crate::access::{Access, NodeAddress};
use crate::failure::Failure;
use crate::limits::{CONNECT_TIMEOUT, FRAME_BYTES_MAX, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use call::Signer;
use session::Session;

type Signed = InterceptedService<Channel, Signer>;

/// A connection to the own org's node. Cheap to clone; calls may run side by side.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Signed,
    address: Arc<str>,
    session: Session,
}

impl Client {
    /// Connects to the node.
    ///
    /// # Errors
    /// Nobody listens there, or not within [`CONNECT_TIMEOUT`].
    pub async fn connect(access: Access, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let address: Arc<str> = access.address.to_string().into();
        let channel = open(access.address).await.map_err(|error| {
            let message = format!("node at {address}: {}", call::root_cause(&error));
            Failure::new("unavailable", message, call::START_HINT)
        })?;
        let signer = Signer::new(access.credential, clock);
        let channel = Signed::new(channel, signer);
        Ok(Self { channel, address, session: Session::default() })
    }
}

async fn open(address: NodeAddress) -> Result<Channel, tonic::transport::Error> {
    // A Unix socket has no authority, yet HTTP/2 wants one.
    let authority = match &address {
        NodeAddress::Unix(_) => "localhost".to_owned(),
        NodeAddress::Tcp(address) => address.to_string(),
    };
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    match address {
        NodeAddress::Tcp(_) => endpoint.connect().await,
        NodeAddress::Unix(path) => {
            let dial = service_fn(move |_| {
                let path = path.clone();
                async {
                    tokio::net::UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new)
                }
            });
            endpoint.connect_with_connector(dial).await
        }
    }
}

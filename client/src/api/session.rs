//! Sessions (PROTOCOL.md, 9): after one signed call, the next ones of the same connection need no signature. Signing
//! and checking one costs both ends more than a look-up of a known name does.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tonic::metadata::{AsciiMetadataValue, MetadataMap};

/// In which header a call says who makes it.
pub(super) const AUTHORIZATION: &str = "authorization";
/// In a signed call: its wish; in the answer: the session's number.
pub(super) const SESSION: &str = "flowlore-session";
/// What a caller wishes.
pub(super) const OPEN: &str = "open";
/// Before the number, in `authorization`.
const SCHEME: &str = "Flowlore-Session ";

/// What a call in the session carries in `authorization`, once there is a session.
#[derive(Clone, Default)]
pub(super) struct Session(Arc<Mutex<Option<AsciiMetadataValue>>>);

impl Session {
    /// The last one that the node opened.
    pub(super) fn known(&self) -> Option<AsciiMetadataValue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what a signed call was answered with: a node that opens none leaves every call signed.
    pub(super) fn opened(&self, answer: &MetadataMap) {
        let number = answer.get(SESSION).and_then(|number| number.to_str().ok());
        let header = number.and_then(|number| format!("{SCHEME}{number}").try_into().ok());
        let header = header.map(|mut header: AsciiMetadataValue| {
            header.set_sensitive(true);
            header
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = header;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

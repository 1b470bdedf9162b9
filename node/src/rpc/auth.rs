//! The local port lets nobody in by place alone: every call is signed by a key that this org granted a role
//! to, or made in a session that such a call opened on the same connection.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use flowlore_common::credential::{CallHeader, Role};
use flowlore_common::env::{Clock, SystemRng};
use flowlore_common::ids::OrgId;
use flowlore_common::sign::PublicKey;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::{Request, Status};
use tower::{Layer, Service};

use super::internal;
use super::session::{OPEN, SCHEME, SESSION, Sessions};
use crate::limits::{CALL_NONCES_MAX, CALL_SKEW_S};
use crate::people::Revoked;

/// Calls below this path need no credential: whether the node lives is no secret on its own machine.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Who calls, as far as a handler needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub(super) role: Role,
    /// Names the credential: the person's pseudonym in labels.
    pub serial: [u8; 16],
}

/// The caller of a request, when its role suffices.
///
/// # Errors
/// PERMISSION_DENIED names the role that is needed.
pub fn require<T>(request: &Request<T>, role: Role) -> Result<(), Status> {
    let caller = request.extensions().get::<Caller>();
    let caller = caller.ok_or_else(|| Status::unauthenticated("the call is not signed"))?;
    if caller.role >= role {
        return Ok(());
    }
    let (needed, held) = (role.name(), caller.role.name());
    Err(Status::permission_denied(format!("role {needed} is needed; this credential has {held}")))
}

/// Checks the `authorization` header of every call.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    org: OrgId,
    org_key: PublicKey,
    clock: Arc<dyn Clock>,
    revoked: Revoked,
    nonces: Mutex<Nonces>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Auth({:?})", self.0.org)
    }
}

impl Auth {
    /// Lets in who holds a credential of `org` that was not taken back.
    #[must_use]
    pub fn new(org: OrgId, org_key: PublicKey, clock: Arc<dyn Clock>, revoked: Revoked) -> Self {
        Self(Arc::new(Inner { org, org_key, clock, revoked, nonces: Mutex::default() }))
    }

    /// Who calls, and the session that the call opened if it wished for one.
    fn check(
        &self,
        method: &str,
        headers: &http::HeaderMap,
        sessions: Option<&Sessions>,
    ) -> Result<(Caller, Option<http::HeaderValue>), Status> {
        let header = headers.get(http::header::AUTHORIZATION);
        let header = header.ok_or_else(|| refuse(&"no credential: --credential FILE"))?;
        let header =
            header.to_str().map_err(|_| refuse(&"the authorization header is not text"))?;
        let now = u64::try_from(self.0.clock.now().seconds()).unwrap_or(0);
        if let Some(number) = header.strip_prefix(SCHEME) {
            let found = sessions.and_then(|sessions| sessions.find(number, now));
            let caller = found.ok_or_else(|| refuse(&"no such session: sign a call"))?;
            self.check_revoked(&caller.serial)?;
            return Ok((caller, None));
        }
        let call: CallHeader = header.parse().map_err(|error| refuse(&error))?;
        let grant = call
            .check(&self.0.org, &self.0.org_key, method, now)
            .map_err(|error| refuse(&error))?;
        self.check_revoked(&grant.serial)?;
        let mut nonces = self.0.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.remember(call.nonce, now)?;
        let wished = headers.get(SESSION).is_some_and(|wish| wish == OPEN);
        let session = sessions.filter(|_| wished);
        let session = session.and_then(|sessions| sessions.open(grant, now, &mut SystemRng));
        Ok((Caller { role: grant.role, serial: grant.serial }, session))
    }

    fn check_revoked(&self, serial: &[u8; 16]) -> Result<(), Status> {
        if self.0.revoked.is_revoked(serial).map_err(internal)? {
            return Err(refuse(&"the credential was taken back"));
        }
        Ok(())
    }
}

fn refuse(why: &dyn std::fmt::Display) -> Status {
    Status::unauthenticated(why.to_string())
}

/// Nonces of the last two minutes: a call heard on the way cannot be made again.
#[derive(Default)]
struct Nonces {
    seen: HashSet<[u8; 16]>,
    order: VecDeque<(u64, [u8; 16])>,
}

impl Nonces {
    fn remember(&mut self, nonce: [u8; 16], now_s: u64) -> Result<(), Status> {
        // A call is good from one skew before to one after its time: for twice the skew it could come again.
        let kept = 2 * CALL_SKEW_S.unsigned_abs();
        while let Some((at, oldest)) = self.order.front().copied() {
            if at + kept >= now_s {
                break;
            }
            self.order.pop_front();
            self.seen.remove(&oldest);
        }
        if self.order.len() >= CALL_NONCES_MAX {
            return Err(Status::resource_exhausted("too many calls within two minutes; wait"));
        }
        if !self.seen.insert(nonce) {
            return Err(Status::unauthenticated("this call was made already"));
        }
        self.order.push_back((now_s, nonce));
        Ok(())
    }
}

impl<S> Layer<S> for Auth {
    type Service = Checked<S>;
    fn layer(&self, inner: S) -> Checked<S> {
        Checked { inner, auth: self.clone() }
    }
}

/// A service behind [`Auth`].
#[derive(Clone, Debug)]
pub struct Checked<S> {
    inner: S,
    auth: Auth,
}

impl<S, B> Service<http::Request<B>> for Checked<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send + 'static>,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let path = request.uri().path();
        if path.starts_with(HEALTH) {
            return Box::pin(self.inner.call(request));
        }
        let sessions = request.extensions().get::<Sessions>();
        let (caller, session) = match self.auth.check(path, request.headers(), sessions) {
            Ok(admitted) => admitted,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        request.extensions_mut().insert(caller);
        let answer = self.inner.call(request);
        let Some(session) = session else { return Box::pin(answer) };
        Box::pin(async move {
            let mut answer = answer.await?;
            answer.headers_mut().insert(SESSION, session);
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;
    use flowlore_common::credential::{CredentialFile, Grant};
    use flowlore_common::env::{FixedClock, SeededRng};
    use flowlore_common::sign::SecretKey;
    use flowlore_common::time::{Hour, Micros};

    const NOW_S: i64 = 1_795_507_200;
    const METHOD: &str = "/flowlore.v1.AdminService/Status";

    fn file(org_key: &SecretKey, role: Role) -> CredentialFile {
        let person = SecretKey::from_seed(&[9; 32]);
        let hour = u32::try_from(NOW_S / 3_600).unwrap();
        let grant = Grant {
            org: OrgId([1; 32]),
            serial: [2; 16],
            public_key: person.public().bytes(),
            role,
            name: "Ada".to_owned(),
            tenants: vec![],
            issued: Hour(hour - 1),
            expires: Hour(hour + 24),
        };
        CredentialFile::new(grant.sign(org_key), person)
    }

    #[test]
    fn only_fresh_calls_of_our_own_people_pass() {
        let org_key = SecretKey::from_seed(&[3; 32]);
        let clock = Arc::new(FixedClock(Micros(NOW_S * 1_000_000)));
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let auth = Auth::new(OrgId([1; 32]), org_key.public(), clock, Revoked::new(folder));
        let mut rng = SeededRng::new("auth", 1);
        let mut header = |key: &SecretKey, method: &str, offset: i64| {
            let now = u64::try_from(NOW_S + offset).unwrap();
            file(key, Role::Analyst).call(method, now, &mut rng).to_string()
        };
        let check = |text: &str| {
            let value = http::HeaderValue::from_str(text).unwrap();
            let headers = [(http::header::AUTHORIZATION, value)].into_iter().collect();
            let checked = auth.check(METHOD, &headers, None).map(|(caller, _)| caller);
            checked.map_err(|status| status.message().to_owned())
        };
        let good = header(&org_key, METHOD, 0);
        assert_eq!(check(&good).unwrap().role, Role::Analyst);
        assert!(check(&good).unwrap_err().contains("already"));
        assert!(check(&header(&org_key, METHOD, 61)).unwrap_err().contains("clock"));
        assert!(check(&header(&org_key, METHOD, -61)).unwrap_err().contains("clock"));
        let other = header(&org_key, "/flowlore.v1.LabelService/Put", 0);
        assert!(check(&other).unwrap_err().contains("signature"));
        let foreign = header(&SecretKey::from_seed(&[4; 32]), METHOD, 0);
        assert!(check(&foreign).unwrap_err().contains("not signed by this org"));
        assert!(check("Flowlore x").is_err());
        assert!(auth.check(METHOD, &http::HeaderMap::new(), None).is_err());
    }

    #[test]
    fn roles_are_a_ladder() {
        let mut request = Request::new(());
        assert!(require(&request, Role::Reader).is_err());
        request.extensions_mut().insert(Caller { role: Role::Contributor, serial: [0; 16] });
        require(&request, Role::Reader).unwrap();
        require(&request, Role::Contributor).unwrap();
        let error = require(&request, Role::Admin).unwrap_err();
        assert!(error.message().contains("role admin is needed"), "{error}");
    }
}

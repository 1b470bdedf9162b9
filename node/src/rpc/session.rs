//! Sessions: who signed a call may make the next ones of the same connection without, for a while. A signature
//! costs its two ends a hundred times what a look-up of a known name does.
//!
//! ```text
//! call    authorization: Flowlore ...      flowlore-session: open
//! answer  flowlore-session: <64 hex digits>
//! call    authorization: Flowlore-Session <the same>
//! ```
//!
//! The number is random and means something on its own connection only, so that a call heard on the way cannot be
//! made again elsewhere. Whether the credential was taken back is asked at every call.

use std::sync::{Arc, Mutex, PoisonError};

use flowlore_common::credential::Grant;
use rand_core::CryptoRngCore;
use subtle::ConstantTimeEq as _;
use tonic::codegen::http::HeaderValue;
use zeroize::Zeroizing;

use super::auth::Caller;
use crate::limits::{SESSION_S, SESSIONS_MAX};

/// In a signed call: its wish; in the answer: the session's number.
pub const SESSION: &str = "flowlore-session";
/// What a caller wishes.
pub const OPEN: &str = "open";
/// Before the number, in `authorization`.
pub const SCHEME: &str = "Flowlore-Session ";

/// The sessions of one connection; they end with it.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<Vec<Session>>>);

struct Session {
    number: Zeroizing<[u8; 32]>,
    caller: Caller,
    until_s: u64,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    /// Opens one for who has just signed a call, or lengthens the one that the credential has: who makes many calls
    /// at once is given one number. `None`: there are too many, and the caller goes on signing.
    pub(super) fn open(
        &self,
        grant: &Grant,
        now_s: u64,
        rng: &mut dyn CryptoRngCore,
    ) -> Option<HeaderValue> {
        let caller = Caller { role: grant.role, serial: grant.serial };
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|other| other.until_s > now_s);
        let until_s = (now_s + SESSION_S).min(u64::from(grant.expires.0) * 3_600);
        let ours = sessions.iter().position(|other| other.caller.serial == caller.serial);
        let ours = match ours {
            Some(ours) => ours,
            None if sessions.len() >= SESSIONS_MAX => return None,
            None => {
                let mut number = Zeroizing::new([0; 32]);
                rng.fill_bytes(number.as_mut_slice());
                sessions.push(Session { number, caller, until_s });
                sessions.len() - 1
            }
        };
        let ours = &mut sessions[ours];
        (ours.caller, ours.until_s) = (caller, until_s);
        let mut header = HeaderValue::try_from(hex::encode(ours.number.as_slice())).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// Whose session it is, if it is one of this connection and not over.
    pub(super) fn find(&self, number: &str, now_s: u64) -> Option<Caller> {
        let mut given = Zeroizing::new([0; 32]);
        hex::decode_to_slice(number, given.as_mut_slice()).ok()?;
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |session: &&Session| bool::from(session.number.ct_eq(&*given));
        let found = sessions.iter().find(is_it).filter(|session| session.until_s > now_s)?;
        Some(found.caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowlore_common::credential::Role;
    use flowlore_common::env::SeededRng;
    use flowlore_common::ids::OrgId;
    use flowlore_common::time::Hour;

    const NOW_S: u64 = 1_795_507_200;

    fn grant(serial: u8) -> Grant {
        let hour = u32::try_from(NOW_S / 3_600).unwrap();
        Grant {
            org: OrgId([1; 32]),
            serial: [serial; 16],
            public_key: [2; 32],
            role: Role::Reader,
            name: "Ada".to_owned(),
            tenants: vec![],
            issued: Hour(hour),
            expires: Hour(hour + 1),
        }
    }

    #[test]
    fn a_session_holds_for_its_connection_and_time() {
        let mut rng = SeededRng::new("session", 1);
        let (ours, other) = (Sessions::default(), Sessions::default());
        let number = ours.open(&grant(1), NOW_S, &mut rng).unwrap();
        let number = number.to_str().unwrap();
        assert_eq!(ours.find(number, NOW_S + SESSION_S - 1).unwrap().serial, [1; 16]);
        assert!(ours.find(number, NOW_S + SESSION_S).is_none(), "over");
        assert!(other.find(number, NOW_S).is_none(), "another connection");
        for wrong in ["", "00", &"0".repeat(64), &number[1..]] {
            assert!(ours.find(wrong, NOW_S).is_none());
        }
        let again = ours.open(&grant(1), NOW_S + SESSION_S - 1, &mut rng).unwrap();
        assert_eq!(again, number);
        assert!(ours.find(number, NOW_S + SESSION_S).is_some(), "lengthened");
        // Just before the credential's end.
        let late = NOW_S + 3_590;
        let next = ours.open(&grant(1), late, &mut rng).unwrap();
        assert!(next != number && ours.find(number, late).is_none(), "what is over is another one");
        assert!(ours.find(next.to_str().unwrap(), late + 9).is_some());
        assert!(ours.find(next.to_str().unwrap(), late + 10).is_none(), "the credential is over");
        assert!(!format!("{ours:?} {next:?}").contains(next.to_str().unwrap()));
    }

    #[test]
    fn a_connection_has_so_many_sessions() {
        let (sessions, mut rng) = (Sessions::default(), SeededRng::new("session", 2));
        let max = u8::try_from(SESSIONS_MAX).unwrap();
        for serial in 0..max {
            assert!(sessions.open(&grant(serial), NOW_S, &mut rng).is_some());
        }
        assert!(sessions.open(&grant(max), NOW_S, &mut rng).is_none());
        assert!(sessions.open(&grant(0), NOW_S, &mut rng).is_some(), "it has its own");
        assert!(sessions.open(&grant(max), NOW_S + SESSION_S, &mut rng).is_some());
    }
}

//! How orgs come in, and how dealt key shares reach their evaluators: the part of a federation that waits for
//! people. Survives restarts in `roster/admission` and `keys/dealt`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use flowlore_common::canon::{Put as _, Reader, b3kdf};
use flowlore_common::ids::{FederationId, OrgId};
use flowlore_common::invite::JoinRequest;
use flowlore_common::time::SECONDS_PER_HOUR;
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::limits::{APPLICANTS_MAX, INVITATION_LIFETIME_S, INVITATIONS_MAX};
use crate::roster::fingerprint;
use crate::tls::TransportKey;

const FILE: &str = "roster/admission";
const DEALT_FILE: &str = "keys/dealt";

/// Invitations that are open and orgs that used one.
#[derive(Debug)]
pub struct Admission {
    folder: Folder,
    state: State,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// By hash of the code: whoever reads the disk cannot use them.
    invitations: BTreeMap<String, Invitation>,
    /// By org, hex: the signed request.
    applicants: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Invitation {
    expires_s: i64,
    used_by: Option<OrgId>,
}

/// Why a join request is turned away. The words are told to the joiner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnedAway {
    /// No such code is open, or another org used it.
    #[error("the invitation is not known here, was used, or has expired: ask for a new one")]
    Code,
    /// It names another federation or shows another certificate than its connection.
    #[error("the request does not fit this federation or this connection")]
    Mismatch,
    /// Too many wait.
    #[error("too many applicants wait for approval; try again later")]
    Full,
}

impl Admission {
    /// Reads what waits.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn open(folder: &Folder) -> Result<Self> {
        let state = match folder.read(FILE)? {
            None => State::default(),
            Some(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{FILE} is damaged; remove it and invite again"))?,
        };
        Ok(Self { folder: folder.clone(), state })
    }

    /// Opens an invitation for this code; returns when it expires, seconds since 1970, on a full hour because an
    /// invitation's line counts in hours.
    ///
    /// # Errors
    /// Too many are open, or the disk refuses.
    pub fn invite(&mut self, code: &[u8; 16], now_s: i64) -> Result<i64> {
        self.state.invitations.retain(|_, invitation| invitation.expires_s > now_s);
        ensure!(
            self.state.invitations.len() < INVITATIONS_MAX,
            "{INVITATIONS_MAX} invitations are open; let some expire"
        );
        let hour = (now_s + INVITATION_LIFETIME_S).div_euclid(SECONDS_PER_HOUR);
        let expires_s = hour * SECONDS_PER_HOUR;
        let invitation = Invitation { expires_s, used_by: None };
        self.state.invitations.insert(code_hash(code), invitation);
        self.save()?;
        Ok(expires_s)
    }

    /// Whether somebody outside the roster may connect with this key: an invitation is open, or it applied.
    #[must_use]
    pub fn admits(&self, key: &TransportKey, now_s: i64) -> bool {
        self.state.invitations.values().any(|invitation| invitation.expires_s > now_s)
            || self.applicants().iter().any(|request| request.transport_key == *key)
    }

    /// Takes a join request that came over a connection of `key`. The same org may ask again.
    ///
    /// # Errors
    /// See [`TurnedAway`]; the outer error is the disk's.
    pub fn apply(
        &mut self,
        request: &JoinRequest,
        signed: &[u8],
        key: &TransportKey,
        federation: &FederationId,
        now_s: i64,
    ) -> Result<Result<(), TurnedAway>> {
        if request.federation != *federation || request.transport_key != *key {
            return Ok(Err(TurnedAway::Mismatch));
        }
        let org = request.registration.org();
        if self.state.applicants.get(&org.to_string()) == Some(&hex::encode(signed)) {
            // It waits for a person; that its invitation has expired meanwhile is not its fault.
            return Ok(Ok(()));
        }
        let invitation = self.state.invitations.get_mut(&code_hash(&request.code));
        let Some(invitation) = invitation.filter(|invitation| {
            invitation.expires_s > now_s && invitation.used_by.is_none_or(|user| user == org)
        }) else {
            return Ok(Err(TurnedAway::Code));
        };
        let applicants = &mut self.state.applicants;
        if applicants.len() >= APPLICANTS_MAX && !applicants.contains_key(&org.to_string()) {
            return Ok(Err(TurnedAway::Full));
        }
        invitation.used_by = Some(org);
        applicants.insert(org.to_string(), hex::encode(signed));
        self.save()?;
        Ok(Ok(()))
    }

    /// Who waits.
    #[must_use]
    pub fn applicants(&self) -> Vec<JoinRequest> {
        let read = |signed: &String| JoinRequest::open(&hex::decode(signed).ok()?).ok();
        self.state.applicants.values().filter_map(read).collect()
    }

    /// The one applicant of this name or fingerprint.
    ///
    /// # Errors
    /// Nobody, or several, wait under it.
    pub fn applicant(&self, name: &str) -> Result<JoinRequest> {
        let is_named = |request: &JoinRequest| {
            request.name == name || fingerprint(&request.transport_key) == name
        };
        let mut found = self.applicants().into_iter().filter(is_named);
        let Some(first) = found.next() else {
            bail!("nobody called {name:?} waits; federation status shows who does");
        };
        ensure!(found.next().is_none(), "several called {name:?} wait: use the fingerprint");
        Ok(first)
    }

    /// Forgets an applicant that was admitted.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn done(&mut self, org: &OrgId) -> Result<()> {
        self.state.applicants.remove(&org.to_string());
        self.save()
    }

    fn save(&self) -> Result<()> {
        self.folder.write(FILE, &serde_json::to_vec(&self.state)?)
    }
}

fn code_hash(code: &[u8; 16]) -> String {
    hex::encode(b3kdf("flowlore invitation code v1", code))
}

/// Shares that were dealt and not yet taken, each sealed to its evaluator.
#[derive(Debug)]
pub struct Dealt {
    folder: Folder,
    key_epoch: u32,
    shares: BTreeMap<OrgId, Vec<u8>>,
}

impl Dealt {
    /// Reads what is still to be taken.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn open(folder: &Folder) -> Result<Self> {
        let mut dealt = Self { folder: folder.clone(), key_epoch: 0, shares: BTreeMap::new() };
        let Some(bytes) = folder.read(DEALT_FILE)? else { return Ok(dealt) };
        let mut reader = Reader::new(&bytes);
        dealt.key_epoch = reader.u32()?;
        while reader.position() < bytes.len() {
            let org = OrgId(reader.array()?);
            let length = usize::from(reader.u16()?);
            dealt.shares.insert(org, reader.take(length)?.to_vec());
        }
        Ok(dealt)
    }

    /// Keeps shares until they are taken.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn deal(&mut self, key_epoch: u32, shares: BTreeMap<OrgId, Vec<u8>>) -> Result<()> {
        (self.key_epoch, self.shares) = (key_epoch, shares);
        self.save()
    }

    /// The share of an org.
    #[must_use]
    pub fn share_of(&self, key_epoch: u32, org: &OrgId) -> Option<&[u8]> {
        self.shares.get(org).filter(|_| self.key_epoch == key_epoch).map(Vec::as_slice)
    }

    /// Erases a share that its evaluator holds now.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn taken(&mut self, key_epoch: u32, org: &OrgId) -> Result<()> {
        if self.key_epoch == key_epoch && self.shares.remove(org).is_some() {
            self.save()?;
        }
        Ok(())
    }

    fn save(&self) -> Result<()> {
        if self.shares.is_empty() {
            return self.folder.remove(DEALT_FILE);
        }
        let mut bytes = Vec::new();
        bytes.put_u32(self.key_epoch);
        for (org, share) in &self.shares {
            bytes.put(&org.0);
            bytes.put_u16(u16::try_from(share.len())?);
            bytes.put(share);
        }
        self.folder.write(DEALT_FILE, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowlore_common::ids::ShareGroup;
    use flowlore_common::roster::Registration;
    use flowlore_common::sign::SecretKey;

    const FEDERATION: FederationId = FederationId([7; 32]);

    fn request(code: [u8; 16], seed: u8) -> (JoinRequest, Vec<u8>) {
        let key = SecretKey::from_seed(&[seed; 32]);
        let request = JoinRequest {
            federation: FEDERATION,
            code,
            registration: Registration {
                random: [seed; 32],
                share_group: ShareGroup([seed; 32]),
                first_key: key.public().bytes(),
            },
            name: format!("Org {seed}"),
            transport_key: [seed; 32],
            endpoints: vec![],
        };
        let signed = request.sign(&key);
        (request, signed)
    }

    fn node() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        (dir, folder)
    }

    #[test]
    fn a_code_works_once_and_for_a_day() {
        let (_dir, folder) = node();
        let mut admission = Admission::open(&folder).unwrap();
        let now = 1_795_507_200;
        assert!(!admission.admits(&[5; 32], now));
        let expires = admission.invite(&[1; 16], now).unwrap();
        assert!(admission.admits(&[5; 32], now) && expires <= now + INVITATION_LIFETIME_S);
        let mut admission = Admission::open(&folder).unwrap();
        let mut apply = |code: u8, seed: u8, key: u8, at: i64| {
            let (request, signed) = request([code; 16], seed);
            admission.apply(&request, &signed, &[key; 32], &FEDERATION, at).unwrap()
        };
        assert_eq!(apply(2, 5, 5, now), Err(TurnedAway::Code));
        assert_eq!(apply(1, 5, 6, now), Err(TurnedAway::Mismatch));
        assert_eq!(apply(1, 5, 5, expires), Err(TurnedAway::Code));
        assert_eq!(apply(1, 5, 5, now), Ok(()));
        assert_eq!(apply(1, 5, 5, expires), Ok(()), "asking again is fine, however late");
        assert_eq!(apply(1, 6, 6, now), Err(TurnedAway::Code), "another org cannot use it");
        let mut admission = Admission::open(&folder).unwrap();
        assert!(admission.admits(&[5; 32], expires) && !admission.admits(&[6; 32], expires));
        let waiting = admission.applicant("Org 5").unwrap();
        assert!(admission.applicant("Org 6").is_err());
        admission.done(&waiting.registration.org()).unwrap();
        assert!(Admission::open(&folder).unwrap().applicants().is_empty());
    }

    #[test]
    fn dealt_shares_are_erased_when_taken() {
        let (_dir, folder) = node();
        let shares = [vec![1; 86], vec![2; 86], vec![3; 86]];
        let orgs = [OrgId([1; 32]), OrgId([2; 32]), OrgId([3; 32])];
        let mut dealt = Dealt::open(&folder).unwrap();
        dealt.deal(2, orgs.into_iter().zip(shares).collect()).unwrap();
        let mut dealt = Dealt::open(&folder).unwrap();
        assert!(dealt.share_of(1, &orgs[0]).is_none(), "another key epoch");
        for org in &orgs {
            assert_eq!(dealt.share_of(2, org), Some(&[org.0[0]; 86][..]));
            dealt.taken(2, org).unwrap();
            assert!(dealt.share_of(2, org).is_none());
        }
        assert!(!folder.path(DEALT_FILE).exists());
    }
}

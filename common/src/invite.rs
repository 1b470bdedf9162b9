//! How an org comes in: a line that a member hands over, and the signed request that follows.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroize as _;

use crate::canon::{Malformed, Put as _, Reader, b3kdf};
use crate::ids::{FederationId, OrgId};
use crate::limits::{ADDRESS_BYTES_MAX, NAME_BYTES_MAX};
use crate::roster::Registration;
use crate::roster::member::{encode_endpoints, parse_endpoints};
use crate::sign::{BadSignature, KeyError, PublicKey, SIGNATURE_BYTES, SecretKey, tags};
use crate::time::Hour;

/// What an invitation's line begins with; the digit is the version.
pub const INVITE_PREFIX: &str = "flowlore1";

/// An invitation: where to dial, whom to expect there, and a code that works once.
///
/// As text it is one word of lower-case letters and digits, so that mail and chat leave it whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// The federation.
    pub federation: FederationId,
    /// The member that invites.
    pub inviter: OrgId,
    /// The key of its certificate.
    pub transport_key: [u8; 32],
    /// Where it listens, `host:port`.
    pub address: String,
    /// Works once.
    pub code: [u8; 16],
    /// Until when.
    pub expires: Hour,
}

/// Why a line is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// It does not begin with `flowlore1`.
    #[error("not an invitation: it begins with 'flowlore1'")]
    Prefix,
    /// A character is missing, changed or too many.
    #[error("the invitation is damaged: copy the whole line again")]
    Damaged,
    /// The checksum holds but the content does not: made by other software.
    #[error("the invitation is of a form that is not known here: {0}")]
    Malformed(Malformed),
}

impl Invite {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put(&self.federation.0);
        bytes.put(&self.inviter.0);
        bytes.put(&self.transport_key);
        bytes.put(&self.code);
        bytes.put_u32(self.expires.0);
        bytes.put_text(&self.address);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let invite = Self {
            federation: FederationId(reader.array()?),
            inviter: OrgId(reader.array()?),
            transport_key: reader.array()?,
            code: reader.array()?,
            expires: Hour(reader.u32()?),
            address: reader.text(ADDRESS_BYTES_MAX)?,
        };
        reader.finish()?;
        Ok(invite)
    }
}

/// Catches slips of the hand only; what protects is the code and the pinned key.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let hash = b3kdf("flowlore invite v1", bytes);
    [hash[0], hash[1], hash[2], hash[3]]
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.encode();
        write!(f, "{INVITE_PREFIX}{}{}", hex::encode(&bytes), hex::encode(checksum(&bytes)))
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The code is a secret until used.
        write!(f, "Invite to {} at {}", self.federation.short(), self.address)
    }
}

impl Drop for Invite {
    fn drop(&mut self) {
        self.code.zeroize();
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    /// Reads a line; space around it and upper case are forgiven.
    fn from_str(line: &str) -> Result<Self, InviteError> {
        let line = line.trim().to_ascii_lowercase();
        let digits = line.strip_prefix(INVITE_PREFIX).ok_or(InviteError::Prefix)?;
        let bytes = hex::decode(digits).map_err(|_| InviteError::Damaged)?;
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or(InviteError::Damaged)?;
        if checksum(content) != *sum {
            return Err(InviteError::Damaged);
        }
        Self::parse(content).map_err(InviteError::Malformed)
    }
}

/// What a joiner sends to the inviter over the pinned connection, signed by its first key.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// Which federation it wants to join.
    pub federation: FederationId,
    /// The invitation's code.
    pub code: [u8; 16],
    /// Who it is.
    pub registration: Registration,
    /// What people call it.
    pub name: String,
    /// Key of its certificate.
    pub transport_key: [u8; 32],
    /// Where it listens, if anywhere.
    pub endpoints: Vec<String>,
}

/// Why a join request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Cut off, another tag, over a limit, or bytes left over.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The first signing key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not signed by the key that it registers.
    #[error("the join request is not signed by the key that it registers")]
    Signature,
}

impl From<BadSignature> for JoinError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

impl JoinRequest {
    /// The bytes that travel: the request, then the signature.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> Vec<u8> {
        let mut bytes = tags::JOIN.to_vec();
        bytes.put(&self.federation.0);
        bytes.put(&self.code);
        bytes.put(&self.registration.encode());
        bytes.put_text(&self.name);
        bytes.put(&self.transport_key);
        encode_endpoints(&self.endpoints, &mut bytes);
        let signature = key.sign(&bytes);
        bytes.put(&signature);
        bytes
    }

    /// Reads a request and checks that the registered key signed it.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub fn open(bytes: &[u8]) -> Result<Self, JoinError> {
        let cut_off = Malformed { what: "cut off", at: bytes.len() };
        let (signed, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(cut_off)?;
        let mut reader = Reader::new(signed);
        reader.tag(&tags::JOIN)?;
        let request = Self {
            federation: FederationId(reader.array()?),
            code: reader.array()?,
            registration: Registration::parse(&mut reader)?,
            name: reader.text(NAME_BYTES_MAX)?,
            transport_key: reader.array()?,
            endpoints: parse_endpoints(&mut reader)?,
        };
        reader.finish()?;
        PublicKey::parse(&request.registration.first_key)?.verify(signed, signature)?;
        Ok(request)
    }
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinRequest of {:?} ({})", self.registration.org(), self.name)
    }
}

impl Drop for JoinRequest {
    fn drop(&mut self) {
        self.code.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ShareGroup;

    fn invite() -> Invite {
        Invite {
            federation: FederationId([5; 32]),
            inviter: OrgId([1; 32]),
            transport_key: [2; 32],
            address: "198.51.100.1:7071".to_owned(),
            code: [3; 16],
            expires: Hour(498_776),
        }
    }

    #[test]
    fn a_line_goes_there_and_back() {
        let line = invite().to_string();
        assert!(line.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_eq!(line.parse(), Ok(invite()));
        assert_eq!(format!("  {}\n", line.to_uppercase()).parse(), Ok(invite()));
    }

    #[test]
    fn every_slip_of_the_hand_is_noticed() {
        let line = invite().to_string();
        for at in 0..line.len() {
            let mut changed = line.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<Invite>().is_err(), "changed at {at}");
            assert!(line[..at].parse::<Invite>().is_err(), "cut at {at}");
        }
        assert_eq!("flowlore2ab".parse::<Invite>(), Err(InviteError::Prefix));
        assert_eq!("flowlore1".parse::<Invite>(), Err(InviteError::Damaged));
        let other = hex::encode(checksum(b""));
        let error = format!("flowlore1{other}").parse::<Invite>().unwrap_err();
        assert!(matches!(error, InviteError::Malformed(_)));
    }

    #[test]
    fn debug_shows_no_code() {
        assert!(!format!("{:?}", invite()).contains("0303"));
    }

    #[test]
    fn a_join_request_is_signed_by_the_key_it_registers() {
        let key = SecretKey::from_seed(&[7; 32]);
        let request = JoinRequest {
            federation: FederationId([5; 32]),
            code: [3; 16],
            registration: Registration {
                random: [10; 32],
                share_group: ShareGroup([11; 32]),
                first_key: key.public().bytes(),
            },
            name: "Org B".to_owned(),
            transport_key: [2; 32],
            endpoints: vec![],
        };
        let sent = request.sign(&key);
        assert_eq!(JoinRequest::open(&sent), Ok(request.clone()));
        let other = SecretKey::from_seed(&[8; 32]);
        assert_eq!(JoinRequest::open(&request.sign(&other)), Err(JoinError::Signature));
        for bit in 0..sent.len() * 8 {
            let mut changed = sent.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(JoinRequest::open(&changed).is_err(), "bit {bit}");
        }
        assert!(JoinRequest::open(&[]).is_err());
    }
}

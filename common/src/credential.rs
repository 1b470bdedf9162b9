//! People's keys: an org signs who may do what at its node, and every call is signed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::canon::{Malformed, Put as _, Reader, b3kdf};
use crate::ids::OrgId;
use crate::limits::{
    CALL_METHOD_BYTES_MAX, CALL_SKEW_S_MAX, CREDENTIAL_BYTES_MAX, CREDENTIAL_TENANTS_MAX,
    NAME_BYTES_MAX,
};
use crate::sign::{BadSignature, KeyError, PublicKey, SIGNATURE_BYTES, SecretKey, tags};
use crate::time::Hour;

/// What a person may do; each may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look up.
    Reader,
    /// Upload flows and label for one's own tenant.
    Contributor,
    /// Label in the org's name, see its flows.
    Analyst,
    /// Everything.
    Admin,
}

impl Role {
    /// All roles, in the order of their numbers on the wire.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Contributor, Self::Analyst, Self::Admin];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Contributor => "contributor",
            Self::Analyst => "analyst",
            Self::Admin => "admin",
        }
    }
}

/// What an org signs about a person's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The org that grants.
    pub org: OrgId,
    /// Names the credential, for revoking it.
    pub serial: [u8; 16],
    /// The person's key.
    pub public_key: [u8; 32],
    /// What the person may do.
    pub role: Role,
    /// Who the person is, for the audit log.
    pub name: String,
    /// The tenants it is good for; none: all.
    pub tenants: Vec<String>,
    /// From when.
    pub issued: Hour,
    /// Until when.
    pub expires: Hour,
}

/// A grant with the org's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What was granted.
    pub grant: Grant,
    bytes: Vec<u8>,
}

/// Why a credential or a call is not accepted: all are UNAUTHENTICATED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Cut off, another tag, over a limit, unknown role, or bytes left over.
    #[error("the credential is damaged: {0}")]
    Malformed(#[from] Malformed),
    /// Not base64, or not the parts that belong there.
    #[error("the credential or call header has not the form that is expected")]
    Form,
    /// Granted by another org, or not signed by it.
    #[error("the credential was not signed by this org")]
    NotOurs,
    /// Over, or not yet begun.
    #[error("the credential has expired")]
    Expired,
    /// The person's key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The call was not signed by the credential's key, or for another method.
    #[error("the call's signature does not hold")]
    CallSignature,
    /// The caller's clock and ours differ by more than a minute.
    #[error("the call's time is more than 60 s off: check both clocks")]
    Skew,
}

impl From<BadSignature> for CredentialError {
    fn from(_: BadSignature) -> Self {
        Self::CallSignature
    }
}

impl Grant {
    /// Signs the grant with the org's signing key.
    #[must_use]
    pub fn sign(self, org_key: &SecretKey) -> Credential {
        let mut bytes = tags::CREDENTIAL.to_vec();
        bytes.put(&self.org.0);
        bytes.put(&self.serial);
        bytes.put(&self.public_key);
        bytes.put_u8(self.role as u8);
        bytes.put_text(&self.name);
        bytes.put_u8(u8::try_from(self.tenants.len()).unwrap_or(u8::MAX));
        for tenant in &self.tenants {
            bytes.put_text(tenant);
        }
        bytes.put_u32(self.issued.0);
        bytes.put_u32(self.expires.0);
        let signature = org_key.sign(&bytes);
        bytes.put(&signature);
        Credential { grant: self, bytes }
    }
}

impl Credential {
    /// Reads a credential that is not checked yet; [`Self::check`] tells whether it is ours.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self, CredentialError> {
        let mut reader = Reader::new(bytes);
        if bytes.len() > CREDENTIAL_BYTES_MAX {
            return Err(reader.error("too long").into());
        }
        reader.tag(&tags::CREDENTIAL)?;
        let org = OrgId(reader.array()?);
        let serial = reader.array()?;
        let public_key = reader.array()?;
        let role = Role::ALL.get(usize::from(reader.u8()?)).copied();
        let role = role.ok_or_else(|| reader.error("unknown role"))?;
        let name = reader.text(NAME_BYTES_MAX)?;
        let count = usize::from(reader.u8()?);
        if count > CREDENTIAL_TENANTS_MAX {
            return Err(reader.error("too many tenants").into());
        }
        let tenants = (0..count).map(|_| reader.text(NAME_BYTES_MAX)).collect::<Result<_, _>>()?;
        let (issued, expires) = (Hour(reader.u32()?), Hour(reader.u32()?));
        reader.take(SIGNATURE_BYTES)?;
        reader.finish()?;
        let grant = Grant { org, serial, public_key, role, name, tenants, issued, expires };
        Ok(Self { grant, bytes: bytes.to_vec() })
    }

    /// The bytes: grant, then signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether this org signed it and it holds now. A revoked serial is the caller's to refuse.
    ///
    /// # Errors
    /// `NotOurs`, `Expired`.
    pub fn check(
        &self,
        org: &OrgId,
        org_key: &PublicKey,
        now: Hour,
    ) -> Result<(), CredentialError> {
        let split = self.bytes.split_last_chunk::<SIGNATURE_BYTES>();
        let (signed, signature) = split.ok_or(CredentialError::NotOurs)?;
        if self.grant.org != *org || org_key.verify(signed, signature).is_err() {
            return Err(CredentialError::NotOurs);
        }
        if now < self.grant.issued || now >= self.grant.expires {
            return Err(CredentialError::Expired);
        }
        Ok(())
    }

    fn call_message(&self, method: &str, time_s: u64, nonce: &[u8; 16]) -> Vec<u8> {
        let mut bytes = tags::CALL.to_vec();
        bytes.put(&b3kdf("flowlore credential v1", &self.bytes));
        bytes.put_u16(u16::try_from(method.len()).unwrap_or(u16::MAX));
        bytes.put(method.as_bytes());
        bytes.put_u64(time_s);
        bytes.put(nonce);
        bytes
    }
}

/// The value of a call's `authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallHeader {
    /// Who calls; not checked until [`Self::check`].
    pub credential: Credential,
    /// When, seconds since 1970.
    pub time_s: u64,
    /// Never used twice within the skew.
    pub nonce: [u8; 16],
    signature: [u8; SIGNATURE_BYTES],
}

impl CallHeader {
    /// Checks credential, time and signature. A nonce seen before is the caller's to refuse.
    ///
    /// # Errors
    /// See [`CredentialError`].
    pub fn check(
        &self,
        org: &OrgId,
        org_key: &PublicKey,
        method: &str,
        now_s: u64,
    ) -> Result<&Grant, CredentialError> {
        if method.len() > CALL_METHOD_BYTES_MAX {
            return Err(CredentialError::Form);
        }
        let hour = Hour(u32::try_from(now_s / 3_600).unwrap_or(u32::MAX));
        self.credential.check(org, org_key, hour)?;
        if self.time_s.abs_diff(now_s) > CALL_SKEW_S_MAX {
            return Err(CredentialError::Skew);
        }
        let message = self.credential.call_message(method, self.time_s, &self.nonce);
        PublicKey::parse(&self.credential.grant.public_key)?.verify(&message, &self.signature)?;
        Ok(&self.credential.grant)
    }
}

impl fmt::Display for CallHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let credential = encode(&self.credential.bytes);
        let (nonce, signature) = (encode(&self.nonce), encode(&self.signature));
        write!(f, "Flowlore {credential}.{}.{nonce}.{signature}", self.time_s)
    }
}

impl FromStr for CallHeader {
    type Err = CredentialError;

    fn from_str(text: &str) -> Result<Self, CredentialError> {
        let form = CredentialError::Form;
        if text.len() > 2 * CREDENTIAL_BYTES_MAX {
            return Err(form);
        }
        let mut parts = text.strip_prefix("Flowlore ").ok_or(form)?.split('.');
        let mut next = || parts.next().ok_or(form);
        let (credential, time, nonce, signature) = (next()?, next()?, next()?, next()?);
        if parts.next().is_some() || !time.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(form);
        }
        Ok(Self {
            credential: Credential::parse(&decode(credential)?)?,
            time_s: time.parse().map_err(|_| form)?,
            nonce: decode(nonce)?.try_into().map_err(|_| form)?,
            signature: decode(signature)?.try_into().map_err(|_| form)?,
        })
    }
}

fn decode(text: &str) -> Result<Vec<u8>, CredentialError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| CredentialError::Form)
}

/// What a person holds: the credential and the private half of its key. A file of mode 0600.
pub struct CredentialFile {
    /// The public part.
    pub credential: Credential,
    key: SecretKey,
}

impl CredentialFile {
    /// Puts a credential and its key together.
    #[must_use]
    pub const fn new(credential: Credential, key: SecretKey) -> Self {
        Self { credential, key }
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let credential = URL_SAFE_NO_PAD.encode(&self.credential.bytes);
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*self.key.seed()));
        Zeroizing::new(format!(
            "# Flowlore credential: keep it to yourself.\ncredential = {credential}\nsecret = {}\n",
            *secret
        ))
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// `Form`: a line is missing or unknown. `Malformed`. `CallSignature`: the secret is not of
    /// this credential.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let (mut credential, mut secret) = (None, None);
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                Some(("credential", value)) => credential = Some(decode(value)?),
                Some(("secret", value)) => secret = Some(Zeroizing::new(decode(value)?)),
                _ => return Err(CredentialError::Form),
            }
        }
        let credential = Credential::parse(&credential.ok_or(CredentialError::Form)?)?;
        let secret = secret.ok_or(CredentialError::Form)?;
        let mut seed = Zeroizing::new([0; 32]);
        if secret.len() != seed.len() {
            return Err(CredentialError::Form);
        }
        seed.copy_from_slice(&secret);
        let key = SecretKey::from_seed(&seed);
        if key.public().bytes() != credential.grant.public_key {
            return Err(CredentialError::CallSignature);
        }
        Ok(Self { credential, key })
    }

    /// Signs one call.
    #[must_use]
    pub fn call(&self, method: &str, now_s: u64, rng: &mut impl CryptoRngCore) -> CallHeader {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let message = self.credential.call_message(method, now_s, &nonce);
        let signature = self.key.sign(&message);
        CallHeader { credential: self.credential.clone(), time_s: now_s, nonce, signature }
    }
}

impl fmt::Debug for CredentialFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialFile of {}", self.credential.grant.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SeededRng;

    const METHOD: &str = "/flowlore.v1.ReputationService/Lookup";
    const NOW: u64 = 498_752 * 3_600;

    fn org_key() -> SecretKey {
        SecretKey::from_seed(&[7; 32])
    }

    fn file() -> CredentialFile {
        let key = SecretKey::from_seed(&[9; 32]);
        let grant = Grant {
            org: OrgId([1; 32]),
            serial: [2; 16],
            public_key: key.public().bytes(),
            role: Role::Analyst,
            name: "Ada".to_owned(),
            tenants: vec!["east".to_owned()],
            issued: Hour(498_752),
            expires: Hour(498_752 + 24),
        };
        CredentialFile::new(grant.sign(&org_key()), key)
    }

    fn call() -> CallHeader {
        file().call(METHOD, NOW, &mut SeededRng::new("call", 1))
    }

    fn check(header: &CallHeader, method: &str, now: u64) -> Result<Role, CredentialError> {
        let org_key = org_key().public();
        header.check(&OrgId([1; 32]), &org_key, method, now).map(|grant| grant.role)
    }

    #[test]
    fn a_call_holds_for_its_method_and_time_only() {
        let header: CallHeader = call().to_string().parse().unwrap();
        assert_eq!(header, call());
        assert_eq!(check(&header, METHOD, NOW), Ok(Role::Analyst));
        assert_eq!(check(&header, METHOD, NOW + 60), Ok(Role::Analyst));
        assert_eq!(check(&header, METHOD, NOW + 61), Err(CredentialError::Skew));
        assert_eq!(check(&header, "/x/Y", NOW), Err(CredentialError::CallSignature));
        assert_eq!(check(&header, METHOD, NOW - 1), Err(CredentialError::Expired));
        assert_eq!(check(&header, METHOD, NOW + 24 * 3_600), Err(CredentialError::Expired));
        let key = org_key().public();
        let other = header.check(&OrgId([2; 32]), &key, METHOD, NOW).unwrap_err();
        assert_eq!(other, CredentialError::NotOurs);
        let stranger = SecretKey::from_seed(&[8; 32]).public();
        let other = header.check(&OrgId([1; 32]), &stranger, METHOD, NOW).unwrap_err();
        assert_eq!(other, CredentialError::NotOurs);
    }

    #[test]
    fn no_character_of_a_call_may_change() {
        let text = call().to_string();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            let checked = changed.parse().and_then(|header| check(&header, METHOD, NOW));
            assert!(checked.is_err(), "changed at {at}");
        }
    }

    #[test]
    fn a_file_goes_there_and_back() {
        let file = file();
        let again = CredentialFile::parse(&file.to_text()).unwrap();
        assert_eq!(again.credential, file.credential);
        assert_eq!(again.key.public(), file.key.public());
        assert!(!format!("{file:?}").contains("0909"));
    }

    #[test]
    fn bad_files_are_refused() {
        let text = file().to_text();
        let secret_line = text.lines().last().unwrap();
        let other = URL_SAFE_NO_PAD.encode([5; 32]);
        for (text, error) in [
            (String::new(), CredentialError::Form),
            (text.replace(secret_line, ""), CredentialError::Form),
            (text.replace("secret", "password"), CredentialError::Form),
            (text.replace(secret_line, "secret = AAAA"), CredentialError::Form),
            (
                text.replace(secret_line, &format!("secret = {other}")),
                CredentialError::CallSignature,
            ),
        ] {
            assert_eq!(CredentialFile::parse(&text).unwrap_err(), error);
        }
    }
}

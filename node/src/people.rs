//! People and programs that may call the local port: who was granted which role, and whose grant was taken back.
//! The register is `credentials/register`; a running node notices when it changes.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use flowlore_common::credential::{CredentialFile, Grant, Role};
use flowlore_common::ids::OrgId;
use flowlore_common::sign::SecretKey;
use flowlore_common::time::Hour;
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::limits::{CREDENTIAL_HOURS_MAX, CREDENTIALS_MAX};

const FILE: &str = "credentials/register";

/// One grant, as the register shows it. The key is not in here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// Names the grant, 32 hex digits.
    pub serial: String,
    /// To whom.
    pub name: String,
    /// Which role.
    pub role: String,
    /// From when, hours since 1970.
    pub issued_hour: u32,
    /// Until when.
    pub expires_hour: u32,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// What is granted, and for how long.
#[derive(Clone, Debug)]
pub struct Wish {
    /// To whom: it becomes the file's name.
    pub name: String,
    /// Which role.
    pub role: Role,
    /// For how long, hours.
    pub hours: u32,
}

/// All grants, in the order in which they were made.
///
/// # Errors
/// The register is damaged.
pub fn register(folder: &Folder) -> Result<Vec<Granted>> {
    let Some(bytes) = folder.read(FILE)? else { return Ok(vec![]) };
    serde_json::from_slice(&bytes).with_context(|| {
        format!("{} is damaged: restore it from a backup", folder.path(FILE).display())
    })
}

/// Grants a role; the file with the credential and its key, 0600, to be handed over.
///
/// # Errors
/// The name cannot be used or is taken, or the disk refuses.
pub fn issue(
    folder: &Folder,
    (org, org_key): (OrgId, &SecretKey),
    wish: &Wish,
    now: Hour,
    rng: &mut impl CryptoRngCore,
) -> Result<PathBuf> {
    let Wish { name, role, hours } = wish;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@_-.".contains(&byte);
    ensure!(
        name.bytes().all(is_plain) && (1..=64).contains(&name.len()) && !name.starts_with('.'),
        "name {name:?}: 1 to 64 letters, digits, @, _, - or dots, as it names a file"
    );
    ensure!(
        (1..=CREDENTIAL_HOURS_MAX).contains(hours),
        "a credential is good for 1 hour to {} days",
        CREDENTIAL_HOURS_MAX / 24
    );
    let _lock = lock(folder)?;
    let mut register = register(folder)?;
    ensure!(register.len() < CREDENTIALS_MAX, "{CREDENTIALS_MAX} credentials were issued already");
    let relative = format!("credentials/{name}.cred");
    let path = folder.path(&relative);
    ensure!(!path.exists(), "{} is there already: choose another name", path.display());
    let key = SecretKey::generate(rng);
    let mut serial = [0; 16];
    rng.fill_bytes(&mut serial);
    let expires = Hour(now.0.saturating_add(*hours));
    let grant = Grant {
        org,
        serial,
        public_key: key.public().bytes(),
        role: *role,
        name: name.clone(),
        tenants: vec![],
        issued: now,
        expires,
    };
    register.push(Granted {
        serial: hex::encode(serial),
        name: name.clone(),
        role: role.name().to_owned(),
        issued_hour: now.0,
        expires_hour: expires.0,
        revoked: false,
    });
    // The register first: a credential that is not in it could never be taken back.
    folder.write(FILE, &serde_json::to_vec_pretty(&register)?)?;
    let file = CredentialFile::new(grant.sign(org_key), key);
    folder.write(&relative, file.to_text().as_bytes())?;
    Ok(path)
}

/// Takes a grant back, by its serial or the name it was made out to; all grants of that name.
///
/// # Errors
/// There is none, or the disk refuses.
pub fn revoke(folder: &Folder, whose: &str) -> Result<usize> {
    let _lock = lock(folder)?;
    let mut register = register(folder)?;
    let mut count = 0;
    for granted in &mut register {
        let is_meant = granted.serial == whose || granted.name == whose;
        if is_meant && !granted.revoked {
            granted.revoked = true;
            count += 1;
        }
    }
    ensure!(count > 0, "no live credential of {whose:?}; see: flowlore-node credential list");
    folder.write(FILE, &serde_json::to_vec_pretty(&register)?)?;
    Ok(count)
}

/// Takes all grants back and removes their files: they were signed with a key that is no longer the org's.
///
/// # Errors
/// The disk refuses.
pub fn revoke_all(folder: &Folder) -> Result<()> {
    let _lock = lock(folder)?;
    let mut register = register(folder)?;
    for granted in &mut register {
        granted.revoked = true;
        folder.remove(&format!("credentials/{}.cred", granted.name))?;
    }
    folder.write(FILE, &serde_json::to_vec_pretty(&register)?)
}

/// One command at a time changes the register.
fn lock(folder: &Folder) -> Result<File> {
    let path = folder.path("credentials");
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

/// Serials that were revoked, read again whenever the register is another file.
#[derive(Debug)]
pub struct Revoked {
    folder: Folder,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    file: Option<(u64, i64, i64)>,
    serials: std::collections::BTreeSet<[u8; 16]>,
}

impl Revoked {
    /// Watches the register of a folder.
    #[must_use]
    pub fn new(folder: Folder) -> Self {
        Self { folder, known: Mutex::default() }
    }

    /// Whether a grant was taken back.
    ///
    /// # Errors
    /// The register cannot be read: nobody is let in then.
    pub fn is_revoked(&self, serial: &[u8; 16]) -> Result<bool> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match std::fs::metadata(self.folder.path(FILE)) {
            // Written anew as a whole, so another register is another inode.
            Ok(data) => Some((data.ino(), data.mtime(), data.mtime_nsec())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).context(FILE),
        };
        if file != known.file {
            let revoked = register(&self.folder)?.into_iter().filter(|granted| granted.revoked);
            let serial = |granted: Granted| {
                let bytes = hex::decode(&granted.serial).ok();
                let serial = bytes.and_then(|bytes| bytes.try_into().ok());
                serial.with_context(|| format!("{FILE}: {:?} is no serial", granted.serial))
            };
            known.serials = revoked.map(serial).collect::<Result<_>>()?;
            known.file = file;
        }
        Ok(known.serials.contains(serial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowlore_common::env::SeededRng;

    #[test]
    fn grants_are_registered_and_taken_back_under_a_running_node() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let (org, org_key) = (OrgId([1; 32]), SecretKey::from_seed(&[3; 32]));
        let mut rng = SeededRng::new("people", 1);
        let mut issue = |name: &str, hours| {
            let wish = Wish { name: name.to_owned(), role: Role::Analyst, hours };
            issue(&folder, (org, &org_key), &wish, Hour(100), &mut rng)
        };
        let ada = issue("ada@acme", 24).unwrap();
        issue("bob", 24).unwrap();
        for (name, hours) in
            [("../x", 1), ("", 1), (".x", 1), ("ada@acme", 1), ("c", 0), ("c", u32::MAX)]
        {
            assert!(issue(name, hours).is_err(), "{name} {hours}");
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&ada.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let file = CredentialFile::parse(&std::fs::read_to_string(&ada).unwrap()).unwrap();
        file.credential.check(&org, &org_key.public(), Hour(101)).unwrap();
        let serial = file.credential.grant.serial;
        let revoked = Revoked::new(folder.clone());
        assert!(!revoked.is_revoked(&serial).unwrap());
        assert_eq!(revoke(&folder, "ada@acme").unwrap(), 1);
        assert!(revoked.is_revoked(&serial).unwrap(), "noticed");
        assert!(revoke(&folder, "ada@acme").unwrap_err().to_string().contains("no live"));
        let states: Vec<_> =
            register(&folder).unwrap().into_iter().map(|one| (one.name, one.revoked)).collect();
        assert_eq!(states, [("ada@acme".to_owned(), true), ("bob".to_owned(), false)]);
        folder.write(FILE, b"[").unwrap();
        assert!(revoked.is_revoked(&serial).is_err(), "a damaged register lets nobody in");
    }
}

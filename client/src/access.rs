//! Where the node listens, and with which credential it is asked.

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flowlore_common::credential::CredentialFile;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::limits::{CONFIG_FILE_BYTES_MAX, CREDENTIAL_FILE_BYTES_MAX};

/// Names the node's address when no option does.
pub const NODE_VARIABLE: &str = "FLOWLORE_NODE";
/// Names the credential file when no option does.
pub const CREDENTIAL_VARIABLE: &str = "FLOWLORE_CREDENTIAL";

/// Where a node listens for the people of its org. Both stay on this machine: calls are signed, not
/// encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeAddress {
    /// A Unix socket.
    Unix(PathBuf),
    /// A loopback address.
    Tcp(SocketAddr),
}

impl NodeAddress {
    /// Reads `unix:PATH` (relative to `folder`) or a loopback address with port.
    ///
    /// # Errors
    /// Anything else: a usage failure that says what is accepted.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Failure> {
        let hint =
            "write unix:PATH, 127.0.0.1:PORT or [::1]:PORT; reach another machine by a tunnel";
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(folder.join(path)));
        }
        let address: SocketAddr = text
            .parse()
            .map_err(|_| Failure::usage(format!("'{text}' is no address of a node"), hint))?;
        if !address.ip().is_loopback() || address.port() == 0 {
            let message = format!("'{text}' is not a loopback address with a port");
            return Err(Failure::usage(message, hint));
        }
        Ok(Self::Tcp(address))
    }
}

/// As [`NodeAddress::parse`] reads it.
impl std::fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

/// What the command line says about access.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--node`.
    pub node: Option<String>,
    /// `--credential`.
    pub credential: Option<PathBuf>,
    /// `--dir`.
    pub dir: Option<PathBuf>,
}

/// A node's address and the credential to ask it with.
#[derive(Debug)]
pub struct Access {
    /// Where.
    pub address: NodeAddress,
    /// Who.
    pub credential: CredentialFile,
}

impl Access {
    /// Finds both. `--dir` stands for the node of that folder and its admin credential; otherwise
    /// options come before the environment, which `variable` reads.
    ///
    /// # Errors
    /// Nothing says where the node is or who asks; a file is missing, unreadable, too large, or no
    /// credential; a credential that others may read.
    pub fn find(given: &Given, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let (address, own) = match (&given.dir, &given.node) {
            (Some(dir), None) => (configured(dir)?, Some(dir.join("credentials/admin.cred"))),
            (dir, node) => {
                let node = node.clone().or_else(|| variable(NODE_VARIABLE)).ok_or_else(no_node)?;
                let own = dir.as_ref().map(|dir| dir.join("credentials/admin.cred"));
                (NodeAddress::parse(&node, Path::new(""))?, own)
            }
        };
        let path = given.credential.clone().or(own);
        let path = path.or_else(|| variable(CREDENTIAL_VARIABLE).map(PathBuf::from));
        Ok(Self { address, credential: read_credential(&path.ok_or_else(no_credential)?)? })
    }
}

fn no_node() -> Failure {
    let hint = "give --dir DIR (the node's folder), or --node ADDR with --credential FILE, \
        or set FLOWLORE_NODE and FLOWLORE_CREDENTIAL";
    Failure::usage("no node is named", hint)
}

fn no_credential() -> Failure {
    let hint = "give --credential FILE or set FLOWLORE_CREDENTIAL; the node's admin issues one";
    Failure::usage("no credential is named", hint)
}

/// The only part of a node's configuration that its clients need.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    local: Local,
}

#[derive(Deserialize)]
#[serde(default)]
struct Local {
    listen: String,
}

impl Default for Local {
    fn default() -> Self {
        Self { listen: "unix:local.sock".to_owned() }
    }
}

fn configured(dir: &Path) -> Result<NodeAddress, Failure> {
    let path = dir.join("flowlore.toml");
    if !path.is_file() {
        let message = format!("{} holds no node: flowlore.toml is missing", dir.display());
        return Err(Failure::new(
            "file",
            message,
            "name the folder that `flowlore-node init` made",
        ));
    }
    let text = read_bounded(&path, CONFIG_FILE_BYTES_MAX)?;
    let config: Config = toml::from_str(&text).map_err(|error| {
        let message = format!("{}: {}", path.display(), error.message());
        Failure::new("config", message, "correct the file, or name the node with --node")
    })?;
    NodeAddress::parse(&config.local.listen, dir)
}

fn read_credential(path: &Path) -> Result<CredentialFile, Failure> {
    let metadata = path.metadata().map_err(|error| Failure::file(path, &error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!("{} may be read by others (mode {mode:o})", path.display());
        return Err(Failure::new("credential", message, format!("chmod 600 {}", path.display())));
    }
    let text = read_bounded(path, CREDENTIAL_FILE_BYTES_MAX)?;
    CredentialFile::parse(&text).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        Failure::new("credential", message, "ask the node's admin for a new credential")
    })
}

fn read_bounded(path: &Path, bytes_max: u64) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    file.take(bytes_max + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::file(path, &error))?;
    if text.len() as u64 > bytes_max {
        let message = format!("{}: more than {bytes_max} bytes", path.display());
        return Err(Failure::new("file", message, "is it the right file?"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_on_this_machine() {
        let parse = |text: &str| NodeAddress::parse(text, Path::new("node"));
        assert_eq!(parse("unix:local.sock"), Ok(NodeAddress::Unix("node/local.sock".into())));
        assert_eq!(parse("unix:/run/x.sock"), Ok(NodeAddress::Unix("/run/x.sock".into())));
        for text in ["127.0.0.1:7070", "[::1]:7070"] {
            assert_eq!(parse(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "unix:", "localhost", "192.0.2.1:7070", "127.0.0.1:0", "[::]:7070"] {
            let failure = parse(text).unwrap_err();
            assert_eq!(failure.code, Failure::USAGE, "{text}");
            assert!(failure.hint.contains("unix:PATH"), "{text}");
        }
    }

    #[test]
    fn the_folder_says_where_its_node_listens() {
        let folder = tempfile::tempdir().unwrap();
        let listen = |text: &str| {
            std::fs::write(folder.path().join("flowlore.toml"), text).unwrap();
            configured(folder.path())
        };
        let socket = NodeAddress::Unix(folder.path().join("local.sock"));
        assert_eq!(listen("org.name = 'A'"), Ok(socket));
        let address = listen("[org]\nname = 'A'\n[local]\nlisten = '127.0.0.1:7070'").unwrap();
        assert_eq!(address.to_string(), "127.0.0.1:7070");
        assert_eq!(listen("[local").unwrap_err().code, "config");
        let failure = configured(Path::new("nowhere")).unwrap_err();
        assert!(failure.to_string().contains("nowhere holds no node"), "{failure}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let nothing = |_: &str| None;
        let failure = Access::find(&Given::default(), nothing).unwrap_err();
        assert!(failure.to_string().contains("--dir DIR"), "{failure}");
        let node = |name: &str| (name == NODE_VARIABLE).then(|| "127.0.0.1:7070".to_owned());
        let failure = Access::find(&Given::default(), node).unwrap_err();
        assert!(failure.to_string().contains("FLOWLORE_CREDENTIAL"), "{failure}");
        let given = Given { credential: Some("none.cred".into()), ..Given::default() };
        let failure = Access::find(&given, node).unwrap_err();
        assert!(failure.to_string().contains("none.cred"), "{failure}");
        assert_eq!(failure.ending(), crate::failure::Ending::Failed);
    }

    #[test]
    fn a_credential_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.cred");
        let refused = |mode: u32, text: &str| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read_credential(&path).unwrap_err().to_string()
        };
        assert!(refused(0o640, "").contains("chmod 600"));
        assert!(refused(0o600, "secret = x").contains("x.cred"));
        let long = "#".repeat(usize::try_from(CREDENTIAL_FILE_BYTES_MAX).unwrap() + 1);
        assert!(refused(0o600, &long).contains("more than"));
    }
}

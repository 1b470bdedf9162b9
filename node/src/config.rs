//! `flowlore.toml`: read once, checked whole, every key with a default. Unknown keys are refused, because a
//! misspelt `own_zones` would publish what it was meant to keep.

mod input;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use flowlore_common::destination::Scope;
use ipnet::IpNet;
use serde::Deserialize;

pub use self::input::Input;
use crate::folder::Folder;

/// Longest name of an org, bytes: what the roster holds.
const ORG_NAME_BYTES_MAX: usize = flowlore_common::limits::NAME_BYTES_MAX;
/// Memory of an analysis, MiB: below 64 the buffers of the readers alone do not fit; above 1 TiB is a slip of the pen.
const MEMORY_MIB: std::ops::RangeInclusive<u64> = 64..=1024 * 1024;
/// GiB of days in hand: more than a PiB is a slip of the pen.
const DAYS_GIB: std::ops::RangeInclusive<u64> = 0..=1024 * 1024;
/// Days for which flows are kept: ten years is longer than any law asks for.
const FLOWS_DAYS: std::ops::RangeInclusive<u32> = 1..=3_653;
/// GiB of flows: more than a PiB is a slip of the pen.
const ARCHIVE_GIB: std::ops::RangeInclusive<u32> = 0..=1024 * 1024;
/// Own zones, own networks and private entries, each: they are compared with every name that would leave.
const LIST_MAX: usize = 10_000;

/// The keys that the environment may override, as `FLOWLORE_<SECTION>_<KEY>`; lists are separated by commas.
pub const OVERRIDABLE: &[(&str, &str, Kind)] = &[
    ("org", "name", Kind::Text),
    ("local", "listen", Kind::Text),
    ("peer", "listen", Kind::Text),
    ("peer", "advertise", Kind::Text),
    ("metrics", "listen", Kind::Text),
    ("analyze", "home_net", Kind::List),
    ("analyze", "memory_mib", Kind::Number),
    ("analyze", "days_gib", Kind::Number),
    ("retention", "flows_days", Kind::Number),
    ("retention", "archive_gib", Kind::Number),
    ("publish", "enabled", Kind::Switch),
    ("publish", "own_zones", Kind::List),
    ("publish", "own_networks", Kind::List),
    ("publish", "private", Kind::List),
    ("log", "format", Kind::Text),
    ("log", "level", Kind::Text),
];

/// How an override is read.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// As it is.
    Text,
    /// A whole number.
    Number,
    /// true or false.
    Switch,
    /// Separated by commas.
    List,
}

/// A node's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What people call this org.
    pub org_name: String,
    /// Where clients of this machine connect.
    pub local: LocalAddress,
    /// Where peers connect.
    pub peer_listen: SocketAddr,
    /// What peers are told to dial; empty: this node only dials.
    pub peer_advertise: String,
    /// Where metrics are read; none: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// What this node listens to beside its ports.
    pub inputs: Vec<Input>,
    /// Inside networks for analyses; empty: what the logs say, then private ranges.
    pub home_nets: Vec<IpNet>,
    /// Memory of one analysis, MiB.
    pub memory_mib: u64,
    /// GiB that days in hand may take; 0: none are kept.
    pub days_gib: u64,
    /// How long flows are kept here.
    pub retention: Retention,
    /// What may leave.
    pub publish: Publish,
    /// How to log.
    pub log: Log,
}

/// `[retention]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days for which flows are kept.
    pub flows_days: u32,
    /// GiB that they may take; 0: none are kept.
    pub archive_gib: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { flows_days: 30, archive_gib: 50 }
    }
}

/// `[publish]`
#[derive(Clone, Debug)]
pub struct Publish {
    /// Whether analyses publish at all. Labels by people are published in any case: they ask for it.
    pub enabled: bool,
    /// The org's own zones and public networks.
    pub own: Vec<Scope>,
    /// What else never leaves.
    pub private: Vec<Scope>,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// One JSON object a line, for machines.
    pub json: bool,
    /// error, warn, info, debug or trace.
    pub level: tracing::Level,
}

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAddress {
    /// A Unix socket: who may open the folder may connect.
    Unix(PathBuf),
    /// A loopback address.
    Tcp(SocketAddr),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    org: RawOrg,
    #[serde(default)]
    local: RawLocal,
    #[serde(default)]
    peer: RawPeer,
    #[serde(default)]
    metrics: RawMetrics,
    #[serde(default)]
    input: Vec<input::Raw>,
    #[serde(default)]
    analyze: RawAnalyze,
    #[serde(default)]
    retention: Retention,
    #[serde(default)]
    publish: RawPublish,
    #[serde(default)]
    log: RawLog,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOrg {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLocal {
    listen: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPeer {
    listen: String,
    advertise: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawMetrics {
    listen: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawAnalyze {
    home_net: Vec<IpNet>,
    memory_mib: u64,
    days_gib: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPublish {
    enabled: bool,
    own_zones: Vec<String>,
    own_networks: Vec<IpNet>,
    private: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    format: String,
    level: String,
}

impl Default for RawLocal {
    fn default() -> Self {
        Self { listen: "unix:local.sock".to_owned() }
    }
}

impl Default for RawPeer {
    fn default() -> Self {
        Self { listen: "0.0.0.0:7071".to_owned(), advertise: String::new() }
    }
}

impl Default for RawMetrics {
    fn default() -> Self {
        Self { listen: "127.0.0.1:7072".to_owned() }
    }
}

impl Default for RawAnalyze {
    fn default() -> Self {
        Self { home_net: Vec::new(), memory_mib: 1024, days_gib: 4 }
    }
}

impl Default for RawPublish {
    fn default() -> Self {
        Self { enabled: true, own_zones: vec![], own_networks: vec![], private: vec![] }
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self { format: "text".to_owned(), level: "info".to_owned() }
    }
}

impl Config {
    /// Reads the configuration of a node, with the environment's overrides.
    ///
    /// # Errors
    /// One line: which file, which key, what would be accepted.
    pub fn load(folder: &Folder) -> Result<Self> {
        let path = folder.config_file();
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text, folder.root(), &|name| std::env::var(name).ok())
            .with_context(|| path.display().to_string())
    }

    /// Checks the text of a configuration file. `env` gives the environment's variables.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str, root: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let mut table: toml::Table = text.parse().map_err(|error| spanned(text, &error))?;
        for (section, key, kind) in OVERRIDABLE {
            let name = format!("FLOWLORE_{}_{}", section.to_uppercase(), key.to_uppercase());
            let Some(given) = env(&name) else { continue };
            let value = override_value(&given, *kind).with_context(|| name.clone())?;
            let entry = table.entry(*section).or_insert_with(|| toml::Table::new().into());
            let section = entry.as_table_mut().with_context(|| format!("{section}: no table"))?;
            section.insert((*key).to_owned(), value);
        }
        let raw = Raw::deserialize(toml::Value::Table(table)).map_err(|error| {
            // The merged table knows no lines; the text alone does, unless the environment is at fault.
            let in_text = toml::from_str::<Raw>(text).err();
            in_text.map_or_else(|| anyhow!("{}", error.message()), |error| spanned(text, &error))
        })?;
        raw.check(root).map_err(|error| match line_of(text, &error.to_string()) {
            Some(line) => error.context(format!("line {line}")),
            None => error,
        })
    }
}

/// An error of the TOML library as one line that names the line in the file.
fn spanned(text: &str, error: &toml::de::Error) -> anyhow::Error {
    let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
    anyhow!("line {line}: {}", error.message())
}

/// The line on which the key stands that a complaint begins with, as in "peer.listen = ...".
fn line_of(text: &str, complaint: &str) -> Option<usize> {
    let (section, rest) = complaint.split_once('.')?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let key = &rest[..end];
    let mut at = "";
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            at = name.trim();
        }
        let given = line.split_once('=').map(|(given, _)| given.trim());
        let dotted = at.is_empty()
            && given.is_some_and(|given| given == &complaint[..section.len() + 1 + end]);
        if dotted || (at == section && given == Some(key)) {
            return Some(number);
        }
    }
    None
}

fn override_value(given: &str, kind: Kind) -> Result<toml::Value> {
    Ok(match kind {
        Kind::Text => given.into(),
        Kind::Number => given.parse::<i64>().context("not a number")?.into(),
        Kind::Switch => given.parse::<bool>().context("neither true nor false")?.into(),
        Kind::List => given
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(toml::Value::from)
            .collect::<Vec<_>>()
            .into(),
    })
}

impl Raw {
    fn check(self, root: &Path) -> Result<Config> {
        let name = self.org.name.trim();
        ensure!(
            !name.is_empty() && name.len() <= ORG_NAME_BYTES_MAX,
            "org.name: 1 to {ORG_NAME_BYTES_MAX} bytes are needed"
        );
        ensure!(!name.chars().any(char::is_control), "org.name: no control characters");
        ensure!(
            MEMORY_MIB.contains(&self.analyze.memory_mib),
            "analyze.memory_mib = {}: {} to {} are accepted",
            self.analyze.memory_mib,
            MEMORY_MIB.start(),
            MEMORY_MIB.end()
        );
        ensure!(
            DAYS_GIB.contains(&self.analyze.days_gib),
            "analyze.days_gib = {}: {} to {} are accepted",
            self.analyze.days_gib,
            DAYS_GIB.start(),
            DAYS_GIB.end()
        );
        let peer_listen = self.peer.listen.parse().map_err(|_| {
            anyhow!("peer.listen = {:?}: an address with port, as 0.0.0.0:7071", self.peer.listen)
        })?;
        let advertise = self.peer.advertise.trim().to_owned();
        ensure!(
            advertise.is_empty() || is_host_and_port(&advertise),
            "peer.advertise = {advertise:?}: a host or address with port, as node.example:7071"
        );
        Ok(Config {
            org_name: name.to_owned(),
            local: local_address(&self.local.listen, root)?,
            peer_listen,
            peer_advertise: advertise,
            metrics_listen: metrics_address(&self.metrics.listen)?,
            inputs: input::check(self.input)?,
            home_nets: self.analyze.home_net,
            memory_mib: self.analyze.memory_mib,
            days_gib: self.analyze.days_gib,
            retention: self.retention.check()?,
            publish: self.publish.check()?,
            log: self.log.check()?,
        })
    }
}

impl Retention {
    fn check(self) -> Result<Self> {
        for (key, value, allowed) in [
            ("flows_days", self.flows_days, FLOWS_DAYS),
            ("archive_gib", self.archive_gib, ARCHIVE_GIB),
        ] {
            let (least, most) = allowed.into_inner();
            ensure!(
                (least..=most).contains(&value),
                "retention.{key} = {value}: {least} to {most} are accepted"
            );
        }
        Ok(self)
    }
}

impl RawPublish {
    fn check(self) -> Result<Publish> {
        for (key, length) in [
            ("own_zones", self.own_zones.len()),
            ("own_networks", self.own_networks.len()),
            ("private", self.private.len()),
        ] {
            ensure!(length <= LIST_MAX, "publish.{key}: at most {LIST_MAX} entries");
        }
        let mut own = scopes("own_zones", &self.own_zones)?;
        ensure!(
            own.iter().all(|scope| matches!(scope, Scope::Zone(_))),
            "publish.own_zones: only zones (acme.example); networks go to own_networks"
        );
        own.extend(self.own_networks.into_iter().map(Scope::Network));
        Ok(Publish { enabled: self.enabled, own, private: scopes("private", &self.private)? })
    }
}

impl RawLog {
    fn check(&self) -> Result<Log> {
        let json = match self.format.as_str() {
            "text" => false,
            "json" => true,
            other => bail!("log.format = {other:?}: text and json are known"),
        };
        let level = self.level.parse().map_err(|_| {
            anyhow!("log.level = {:?}: error, warn, info, debug and trace are known", self.level)
        })?;
        Ok(Log { json, level })
    }
}

fn scopes(key: &str, entries: &[String]) -> Result<Vec<Scope>> {
    let scope = |entry: &String| {
        entry.parse::<Scope>().map_err(|error| anyhow!("publish.{key}: {entry:?}: {error}"))
    };
    entries.iter().map(scope).collect()
}

fn local_address(text: &str, root: &Path) -> Result<LocalAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        ensure!(!path.is_empty(), "local.listen: a path is needed after unix:");
        return Ok(LocalAddress::Unix(root.join(path)));
    }
    let address: SocketAddr = text.parse().map_err(|_| {
        anyhow!("local.listen = {text:?}: unix:PATH or a loopback address with port is needed")
    })?;
    ensure!(
        address.ip().is_loopback(),
        "local.listen = {text:?}: only loopback addresses; from elsewhere, tunnel to it"
    );
    Ok(LocalAddress::Tcp(address))
}

fn metrics_address(text: &str) -> Result<Option<SocketAddr>> {
    if text.is_empty() {
        return Ok(None);
    }
    let address: SocketAddr = text
        .parse()
        .map_err(|_| anyhow!("metrics.listen = {text:?}: a loopback address with port, or \"\""))?;
    ensure!(address.ip().is_loopback(), "metrics.listen = {text:?}: only loopback addresses");
    Ok(Some(address))
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

/// The file that `init` writes: every key, its default, and what it is for.
#[must_use]
pub fn template(org_name: &str) -> String {
    let name = toml::Value::from(org_name);
    include_str!("../../deploy/config/flowlore.toml").replace("\"Example Org\"", &name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, Path::new("/node"), &|_| None)
    }

    fn error(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn every_sample_is_accepted() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config");
        let mut count = 0;
        for entry in std::fs::read_dir(samples).unwrap() {
            let path = entry.unwrap().path();
            let parsed = parse(&std::fs::read_to_string(&path).unwrap());
            assert!(parsed.is_ok(), "{}: {parsed:?}", path.display());
            count += 1;
        }
        assert!(count >= 2);
    }

    #[test]
    fn the_template_states_the_defaults() {
        let (full, bare) = (parse(&template("A \"B\"")).unwrap(), parse("org.name = 'x'").unwrap());
        assert_eq!(full.org_name, "A \"B\"");
        let comparable = |config: &Config| {
            let mut config = config.clone();
            config.org_name.clear();
            format!("{config:?}")
        };
        assert_eq!(comparable(&full), comparable(&bare));
        for (section, key, _) in OVERRIDABLE {
            let table: toml::Table = template("x").parse().unwrap();
            assert!(table[*section].get(key).is_some(), "{section}.{key} is not in the template");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_key() {
        for (text, told) in [
            ("", "org"),
            ("org.name = ''", "org.name"),
            ("org.name = 'x'\npublish.own_zone = []", "own_zone"),
            ("org.name = 'x'\n[local]\nlisten = '192.0.2.1:7070'", "loopback"),
            ("org.name = 'x'\n[local]\nlisten = 'here'", "unix:PATH"),
            ("org.name = 'x'\npeer.listen = 'x'", "peer.listen"),
            ("org.name = 'x'\npeer.advertise = 'node.example'", "peer.advertise"),
            ("org.name = 'x'\nanalyze.memory_mib = 1", "64 to"),
            ("org.name = 'x'\nanalyze.days_gib = 9999999", "0 to"),
            ("org.name = 'x'\nretention.flows_days = 0", "1 to"),
            ("org.name = 'x'\nretention.flow_days = 1", "flow_days"),
            ("org.name = 'x'\npublish.private = ['a b']", "publish.private"),
            ("org.name = 'x'\npublish.own_zones = ['192.0.2.0/24']", "own_networks"),
            ("org.name = 'x'\nlog.level = 'loud'", "trace"),
            ("org.name = 'x'\nlog.format = 'xml'", "text and json"),
            ("org.name = 'x'\n[metrics]\nlisten = '192.0.2.1:7072'", "loopback"),
            ("org.name = 'x'\n[[input]]\nkind = 'netflow'", "listen"),
            ("org.name = 'x'\n[[input]]\nkind = 'syslog'\nlisten = '[::]:1'", "input 1: kind"),
            ("org.name = 'x'\ninput = [{kind = 'netflow', listen = '2055'}]", "127.0.0.1:2055"),
            (
                "org.name = 'x'\ninput = [{kind = 'netflow', listen = '[::]:1', every = '1s'}]",
                "10s",
            ),
            ("org.name = 'x'\ninput = [{kind = 'netflow', listen = '[::]:1', port = 1}]", "port"),
            (
                "org.name = 'x'\n[[input]]\nkind = 'netflow'\nlisten = '[::]:1'
                 [[input]]\nkind = 'netflow'\nlisten = '[::]:1'",
                "input 2: listen",
            ),
            // With the line on which they stand.
            ("org.name = 'x'\n[peer]\nlisten = 'x'", "line 3: peer.listen"),
            ("org.name = 'x'\nlog.level = 'loud'", "line 2: log.level"),
            ("[org]\nname = 'x'\n\n[publish]\nown_zone = []", "line 5: unknown field"),
            ("[org]\nname = 'x'\n[peer]\nlisten = 7071", "line 4: invalid type"),
            ("[org]\nname = 'x'\n[peer\n", "line 3: "),
        ] {
            let error = error(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn the_input_that_the_template_shows_is_one() {
        assert!(parse(&template("x")).unwrap().inputs.is_empty());
        let text = template("x");
        let shown = text.find("# [[input]]").unwrap();
        let shown = text[shown..].lines().map_while(|line| line.strip_prefix("# "));
        let shown = format!("org.name = 'x'\n{}", shown.collect::<Vec<_>>().join("\n"));
        let inputs = parse(&shown).unwrap().inputs;
        let listen = "127.0.0.1:2055".parse().unwrap();
        assert_eq!(inputs, [Input { listen, every_s: 300, from: vec![] }]);
    }

    #[test]
    fn the_environment_overrides() {
        let env = |name: &str| {
            Some(match name {
                "FLOWLORE_ORG_NAME" => "From outside".to_owned(),
                "FLOWLORE_PUBLISH_OWN_ZONES" => "acme.example, other.example".to_owned(),
                "FLOWLORE_ANALYZE_MEMORY_MIB" => "128".to_owned(),
                "FLOWLORE_PUBLISH_ENABLED" => "false".to_owned(),
                _ => return None,
            })
        };
        let config = Config::parse("org.name = 'x'", Path::new("/node"), &env).unwrap();
        assert_eq!(config.org_name, "From outside");
        assert_eq!(config.publish.own.len(), 2);
        assert_eq!((config.memory_mib, config.publish.enabled), (128, false));
        let bad = |name: &str| (name == "FLOWLORE_PUBLISH_ENABLED").then(|| "maybe".to_owned());
        let error = Config::parse("org.name = 'x'", Path::new("/node"), &bad).unwrap_err();
        assert!(format!("{error:#}").contains("FLOWLORE_PUBLISH_ENABLED"));
    }
}

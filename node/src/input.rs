//! What commands that read flows have in common on their command line: the input, what is inside, what is known of
//! machines, the history, and how much of this machine may be used.

use std::{
    fs::File,
    io::{self, Read as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use flowlore_analyzer::{
    direction::Home, history::History, inventory::Assets, limits::MEMORY_BYTES_DEFAULT,
    lists::Lists, options::Options, places::Places, sequences::Sequences, source::Opening,
};
use flowlore_common::{label::Severity, time::Micros};
use ipnet::IpNet;
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    analyze::Effort,
    follow,
    limits::{MEMORY_BYTES_MIN, READERS_MAX, TABLE_BYTES_MAX},
    mapping,
};

/// The history's file in its folder.
const HISTORY_FILE: &str = "history.json";
/// Beside it, locked while an analysis reads and writes it.
const HISTORY_LOCK: &str = "history.lock";

/// The input, and how it is looked at.
#[derive(Clone, Debug, Args)]
pub struct InputArgs {
    /// Files, folders (searched), or - for standard input; .gz and .zst are unpacked
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Format of the input: auto recognises each file by its content, map:FILE.toml reads lines as that mapping says
    #[arg(long, value_name = "auto|zeek|map:FILE", default_value = "auto")]
    format: Format,
    /// What is inside, instead of what the sensor says and private ranges; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = parse_net)]
    home_net: Vec<IpNet>,
    /// CSV of machines: address, name, owner, criticality (low, normal, high), tags
    #[arg(long, value_name = "FILE")]
    assets: Option<PathBuf>,
    /// Further brands that names may imitate, such as your own: brand, words, sites, resources, with tabs between
    #[arg(long, value_name = "FILE")]
    brands: Option<PathBuf>,
    /// Further well-known places: kind (hosting, mail, chat, background ...) and end of a name, with a tab between
    #[arg(long, value_name = "FILE")]
    places: Option<PathBuf>,
    /// Behaviours in order whose findings are one incident, instead of the list that ships: name, title, steps, source,
    /// with tabs between; an empty file for none
    #[arg(long, value_name = "FILE")]
    sequences: Option<PathBuf>,
    /// When domains were registered: domain and day (2026-11-24), with a tab between; tells which are young
    #[arg(long, value_name = "FILE")]
    domains: Option<PathBuf>,
    /// Addresses of Tor's nodes, one a line, with a port where only that one is meant; tells who uses Tor
    #[arg(long, value_name = "FILE")]
    tor: Option<PathBuf>,
    /// A folder that remembers what was contacted when: `analyze` fills it, all use it
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,
    /// Memory for flows that wait, such as 512MiB or 2GiB; the rest waits in a temporary file
    #[arg(long, value_name = "SIZE", default_value_t = Size(MEMORY_BYTES_DEFAULT))]
    memory: Size,
    /// Threads, 1 to 256; one a core if not given
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<NonZeroUsize>,
    /// Time zone of the text, such as Europe/Berlin; JSON is always UTC
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
}

impl InputArgs {
    /// How the input is read.
    pub(crate) fn opening(&self) -> anyhow::Result<Opening> {
        self.format.opening()
    }

    pub(crate) fn effort(&self) -> Effort {
        let threads = self.threads.unwrap_or_else(|| follow::Options::default().threads);
        Effort { threads, memory_bytes: self.memory.0 }
    }

    pub(crate) fn zone(&self) -> anyhow::Result<Zone> {
        Zone::named(&self.tz)
    }

    /// The paths, as the first line of text names them.
    pub(crate) fn shown(&self) -> String {
        let paths = self.paths.iter().map(|path| path.to_string_lossy());
        paths.collect::<Vec<_>>().join(" ")
    }

    /// The folder of `--history`, locked until it is dropped.
    pub(crate) fn history(&self) -> anyhow::Result<Option<HistoryFolder>> {
        self.history.as_deref().map(HistoryFolder::open).transpose()
    }

    pub(crate) fn options(
        &self,
        severity_min: Severity,
        history: Option<&HistoryFolder>,
    ) -> anyhow::Result<Options> {
        Ok(Options {
            home: Home::new(self.home_net.clone()),
            severity_min,
            assets: self.assets.as_deref().map(read_assets).transpose()?.unwrap_or_default(),
            places: read_places(self.places.as_deref(), self.brands.as_deref())?,
            lists: read_lists(self.domains.as_deref(), self.tor.as_deref())?,
            sequences: read_sequences(self.sequences.as_deref())?,
            history: history.map(HistoryFolder::read).transpose()?,
            ..Options::default()
        })
    }
}

/// How the input is read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Format {
    /// By content. `zeek` is the same: whatever is found is read.
    Auto,
    /// By a mapping.
    Map(PathBuf),
}

impl std::str::FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("map:")) {
            ("auto" | "zeek", _) => Ok(Self::Auto),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Map(path.into())),
            _ => Err("write auto, or map: and a mapping's file, such as map:squid.toml".to_owned()),
        }
    }
}

impl Format {
    fn opening(&self) -> anyhow::Result<Opening> {
        let Self::Map(path) = self else { return Ok(Opening::ByContent) };
        mapping::opening(path)
    }
}

/// A time zone, under the name that a person gave it.
pub(crate) struct Zone {
    pub(crate) zone: TimeZone,
    pub(crate) name: String,
}

impl Zone {
    /// The zone of a name such as Europe/Berlin.
    pub(crate) fn named(name: &str) -> anyhow::Result<Self> {
        let zone = TimeZone::get(name)
            .map_err(|_| anyhow!("--tz {name}: no such time zone; write it as Europe/Berlin"))?;
        Ok(Self { zone, name: name.to_owned() })
    }

    /// Seconds to add to UTC at an instant.
    pub(crate) fn offset_s(&self, at: Micros) -> i32 {
        Timestamp::from_microsecond(at.0).map_or(0, |at| self.zone.to_offset(at).seconds())
    }
}

fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse().ok().and_then(NonZeroUsize::new);
    let allowed = count.filter(|count| count.get() <= READERS_MAX);
    allowed.ok_or_else(|| format!("'{text}' threads: write a number from 1 to {READERS_MAX}"))
}

/// A network; one with bits behind its prefix is refused, since either part may be the slip.
fn parse_net(text: &str) -> Result<IpNet, String> {
    let wrong = || format!("'{text}' is no network: write it as 192.168.0.0/16");
    let net: IpNet = text.parse().map_err(|_| wrong())?;
    let whole = net.trunc();
    if net == whole { Ok(net) } else { Err(format!("'{text}' is a host's address: write {whole}")) }
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size(usize);

const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = UNITS.iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes));
        let (name, bytes) = unit.copied().unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / bytes)
    }
}

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no amount of memory: write it as 512MiB or 2GiB");
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let count: usize = digits.parse().map_err(|_| wrong())?;
        let letter = text[digits.len()..].trim().trim_end_matches("iB").trim_end_matches('B');
        let unit = UNITS.iter().find(|(name, _)| name[..1].eq_ignore_ascii_case(letter));
        let bytes = unit.and_then(|(_, bytes)| count.checked_mul(*bytes)).ok_or_else(wrong)?;
        if bytes < MEMORY_BYTES_MIN {
            return Err(format!("'{text}' is too little: {} at least", Self(MEMORY_BYTES_MIN)));
        }
        Ok(Self(bytes))
    }
}

/// An asset file.
pub(crate) fn read_assets(path: &Path) -> anyhow::Result<Assets> {
    let text = read_table("--assets", path)?;
    Assets::parse(&text).with_context(|| format!("--assets {}", path.display()))
}

/// The lists that ship with the program, and the rows of these files.
pub(crate) fn read_places(
    places: Option<&Path>,
    brands: Option<&Path>,
) -> anyhow::Result<Arc<Places>> {
    let mut all = Places::shipped();
    if let Some(path) = places {
        let text = read_table("--places", path)?;
        let added = Arc::make_mut(&mut all).add_places(&text);
        added.with_context(|| format!("--places {}", path.display()))?;
    }
    if let Some(path) = brands {
        let text = read_table("--brands", path)?;
        let added = Arc::make_mut(&mut all).add_brands(&text);
        added.with_context(|| format!("--brands {}", path.display()))?;
    }
    Ok(all)
}

/// The lists that ship with nobody.
pub(crate) fn read_lists(domains: Option<&Path>, tor: Option<&Path>) -> anyhow::Result<Arc<Lists>> {
    let mut lists = Lists::default();
    if let Some(path) = domains {
        let set = lists.set_domains(&read_table("--domains", path)?);
        set.with_context(|| format!("--domains {}", path.display()))?;
    }
    if let Some(path) = tor {
        let set = lists.set_tor(&read_table("--tor", path)?);
        set.with_context(|| format!("--tor {}", path.display()))?;
    }
    Ok(Arc::new(lists))
}

/// The sequences of a file, or those that ship with the program.
pub(crate) fn read_sequences(path: Option<&Path>) -> anyhow::Result<Arc<Sequences>> {
    let Some(path) = path else { return Ok(Sequences::shipped()) };
    let all = Sequences::parse(&read_table("--sequences", path)?);
    Ok(Arc::new(all.with_context(|| format!("--sequences {}", path.display()))?))
}

/// The text of a file that an option names, of a bounded length.
pub(crate) fn read_table(option: &str, path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    let mut read = || File::open(path)?.take(TABLE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read().with_context(|| format!("{option} {shown}"))?;
    ensure!(
        bytes.len() as u64 <= TABLE_BYTES_MAX,
        "{option} {shown}: more than {} MiB, which no table has",
        TABLE_BYTES_MAX >> 20
    );
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        anyhow!("{option} {shown}: line {line} is no UTF-8 text: save the file in UTF-8")
    })
}

/// The folder of `--history`, locked until dropped: two analyses at once would lose one's memory.
pub(crate) struct HistoryFolder {
    path: PathBuf,
    _lock: File,
}

impl HistoryFolder {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("--history {}", path.display());
        if path.is_file() {
            bail!("{} is a file: name a folder for the history", context());
        }
        std::fs::create_dir_all(path).with_context(context)?;
        let lock = File::create(path.join(HISTORY_LOCK)).with_context(context)?;
        lock.lock().with_context(context)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    fn file(&self) -> PathBuf {
        self.path.join(HISTORY_FILE)
    }

    pub(crate) fn read(&self) -> anyhow::Result<History> {
        let file = self.file();
        match std::fs::read(&file) {
            Ok(bytes) => History::from_bytes(&bytes).with_context(|| file.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(History::default()),
            Err(error) => Err(error).with_context(|| file.display().to_string()),
        }
    }

    /// All or nothing: whoever reads it sees the old one or the new one.
    pub(crate) fn write(&self, history: &History) -> anyhow::Result<()> {
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            io::Write::write_all(&mut file, &history.to_bytes())?;
            file.as_file().sync_all()?;
            file.persist(self.file())?;
            io::Result::Ok(())
        };
        write().with_context(|| self.file().display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for (text, bytes) in [("1GiB", 1 << 30), ("512MiB", 512 << 20), ("64M", 64 << 20)] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size, Size(bytes));
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        for text in ["", "12", "MiB", "5 parsecs", "1KiB", "99999999999999GiB", "-1GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_table_has_an_end() {
        let error = read_table("--brands", Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("--brands /dev/zero: more than 64 MiB"), "{error}");
    }

    #[test]
    fn a_wrong_row_of_a_list_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.tsv");
        std::fs::write(&path, "# a list\n192.0.2.7 9001\n").unwrap();
        let shown = path.display();
        let error = format!("{:#}", read_lists(Some(&path), None).unwrap_err());
        assert!(error.starts_with(&format!("--domains {shown}: line 2: two columns")), "{error}");
        let error = format!("{:#}", read_lists(None, Some(&path)).unwrap_err());
        assert!(error.starts_with(&format!("--tor {shown}: line 2: '192.0.2.7 9001'")), "{error}");
        std::fs::write(&path, "192.0.2.7\n").unwrap();
        assert!(read_lists(None, Some(&path)).is_ok());
    }

    #[test]
    fn networks_have_no_host_bits() {
        assert_eq!(parse_net("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(parse_net("2001:db8::/32").unwrap().to_string(), "2001:db8::/32");
        assert!(parse_net("10.1.2.3/8").unwrap_err().contains("write 10.0.0.0/8"));
        assert!(parse_net("10.0.0.0").unwrap_err().contains("no network"));
    }

    #[test]
    fn threads_are_a_few() {
        assert_eq!(parse_threads("256").map(NonZeroUsize::get), Ok(256));
        for text in ["0", "257", "100000", "-1", "many", ""] {
            let error = parse_threads(text).unwrap_err();
            assert!(error.contains("from 1 to 256"), "{error}");
        }
    }
}

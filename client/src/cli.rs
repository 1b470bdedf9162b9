//! The command line.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use flowlore_common::label::{Behaviour, Outcome, Reason, Severity, Verdict};
use flowlore_common::tag::Tag;
use flowlore_common::time::{Day, parse_seconds};

use crate::access::Given;
use crate::limits::HOLD_HOURS_MAX;

/// Asks your org's Flowlore node about destinations of network flows, and tells it what you know.
#[derive(Debug, Parser)]
#[command(name = "flowlore", version, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done; 1 input or node at fault; 2 usage; \
    4 lookup: some destination could not be asked now.")]
pub struct Cli {
    /// Where the node is and who asks.
    #[command(flatten)]
    pub access: AccessOptions,
    /// JSON on standard output, errors as JSON on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where the node is and who asks.
#[derive(Args, Debug)]
pub struct AccessOptions {
    /// Where the node listens.
    #[arg(
        long,
        value_name = "ADDR",
        global = true,
        help = "The node: unix:PATH, 127.0.0.1:PORT or [::1]:PORT; else FLOWLORE_NODE"
    )]
    node: Option<String>,
    /// Your credential; else FLOWLORE_CREDENTIAL
    #[arg(long, value_name = "FILE", global = true)]
    credential: Option<PathBuf>,
    /// The folder of a node on this machine: its address and its admin credential
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
}

impl From<AccessOptions> for Given {
    fn from(options: AccessOptions) -> Self {
        Self { node: options.node, credential: options.credential, dir: options.dir }
    }
}

/// One of the client's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What the network knows about destinations; asking tells nobody what was asked
    Lookup(Lookup),
    /// Say what you think of a destination, signed, to all members
    Label(Label),
    /// Contradict what others say of a destination, with a reason
    Dispute(Dispute),
    /// Withdraw what your org's people said of a destination
    Retract(Retract),
    /// Have the node analyze log files, and print its report
    Upload(Upload),
    /// Have the node tell the story around alerts, a finding, or a host at a time; nothing is published or kept
    Triage(Triage),
    /// What is known of a destination, by day; with what your own people said
    History(History),
    /// JSON lines in, the same lines out with what is known of their destination
    Enrich(Enrich),
    /// How the node is: federation, keys, peers, store
    Status,
}

/// `flowlore lookup`.
#[derive(Args, Debug)]
pub struct Lookup {
    /// Names or addresses with an optional port.
    #[arg(
        required = true,
        value_name = "DEST",
        help = "Names or addresses with an optional port: evil.example:8443, [2001:db8::1]:443"
    )]
    pub destinations: Vec<String>,
    /// What was known on that day
    #[arg(long, value_name = "DAY")]
    pub as_of: Option<Day>,
}

/// `flowlore label`.
#[derive(Args, Debug)]
pub struct Label {
    /// A name or address with an optional port
    #[arg(value_name = "DEST")]
    pub destination: String,
    /// malicious, suspicious or benign
    #[arg(long, value_parser = spoken_verdict)]
    pub verdict: Verdict,
    /// What it does, such as c2_beacon_http_tls
    #[arg(long)]
    pub behaviour: Option<Behaviour>,
    /// The port, when DEST has none
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// How sure you are, 1 to 100; the node's default is 75
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub confidence: Option<u8>,
    /// Keep it here so long before it leaves, such as 72h or 3d, at most 30d; retract takes it back
    #[arg(long, value_name = "TIME", default_value = "0h", hide_default_value = true, value_parser = hours)]
    pub hold: u16,
    /// One line that says what it is, for members who know the name
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub title: String,
    /// What you know about it, for members who know the name; nothing inside belongs in it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub note: String,
    /// Such as threat:phishing or destination:cdn; may be repeated
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<Tag>,
    /// Keep the label on your org's node for good; then any destination will do
    #[arg(long, conflicts_with = "hold")]
    pub local: bool,
    /// An incident about it was closed as true_positive, benign_expected or false_positive
    #[arg(long, value_parser = closed_as)]
    pub outcome: Option<Outcome>,
    /// Why it was closed so, such as known_service
    #[arg(long, requires = "outcome", value_parser = given_reason)]
    pub reason: Option<Reason>,
    /// Minutes that people spent on it; told as a power of two
    #[arg(long, requires = "outcome", value_name = "N")]
    pub minutes: Option<u32>,
}

/// `flowlore dispute`.
#[derive(Args, Debug)]
pub struct Dispute {
    /// A name or address with an optional port
    #[arg(value_name = "DEST")]
    pub destination: String,
    /// Why, such as known_service, detector_mistaken or cleaned_up
    #[arg(long, value_parser = given_reason)]
    pub reason: Reason,
    /// The port, when DEST has none
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
}

/// `flowlore history`.
#[derive(Args, Debug)]
pub struct History {
    /// A name or address
    #[arg(value_name = "DEST")]
    pub destination: String,
}

/// `flowlore enrich`.
#[derive(Args, Debug)]
pub struct Enrich {
    /// A file of JSON objects, one a line; - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// The key of the destination: the first that a line has counts; may be repeated
    #[arg(long, value_name = "KEY", default_values = ENRICH_FIELDS)]
    pub field: Vec<String>,
    /// The key under which the answer is added
    #[arg(long, value_name = "KEY", default_value = "flowlore")]
    pub into: String,
}

/// Where logs commonly name a destination: names before addresses, since names say more. Of Zeek's logs, of
/// Suricata's EVE, of the Elastic Common Schema.
const ENRICH_FIELDS: [&str; 9] = [
    "destination",
    "server_name",
    "tls.sni",
    "host",
    "query",
    "destination.domain",
    "id.resp_h",
    "dest_ip",
    "destination.ip",
];

/// `flowlore retract`.
#[derive(Args, Debug)]
pub struct Retract {
    /// A name or address with an optional port, as it was labelled
    #[arg(value_name = "DEST")]
    pub destination: String,
}

/// Log files, and how the node is to look at them.
#[derive(Args, Debug)]
pub struct FlowFiles {
    /// Log files, and folders that are searched for them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Format of the files: auto recognises each by its content, map:FILE.toml reads lines as that mapping says
    #[arg(long, value_name = "auto|zeek|map:FILE", default_value = "auto")]
    pub format: Format,
    /// An inside network; may be repeated; else those of the node's configuration
    #[arg(long, value_name = "CIDR")]
    pub home_net: Vec<String>,
    /// CSV of machines: address, name, owner, criticality (low, normal, high), tags
    #[arg(long, value_name = "FILE")]
    pub assets: Option<PathBuf>,
    /// Further brands that names may imitate, such as your own: brand, words, sites, resources, with tabs between
    #[arg(long, value_name = "FILE")]
    pub brands: Option<PathBuf>,
    /// Further well-known places: kind (hosting, mail, chat, background ...) and end of a name, with a tab between
    #[arg(long, value_name = "FILE")]
    pub places: Option<PathBuf>,
    /// Behaviours in order whose findings are one incident, instead of the node's list: name, title, steps, source, with
    /// tabs between; an empty file for none
    #[arg(long, value_name = "FILE")]
    pub sequences: Option<PathBuf>,
    /// When domains were registered: domain and day (2026-11-24), with a tab between; tells which are young
    #[arg(long, value_name = "FILE")]
    pub domains: Option<PathBuf>,
    /// Addresses of Tor's nodes, one a line, with a port where only that one is meant; tells who uses Tor
    #[arg(long, value_name = "FILE")]
    pub tor: Option<PathBuf>,
    /// Time zone of the text, such as Europe/Berlin; JSON is always UTC
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub tz: String,
}

/// How files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// By content. `zeek` is the same: whatever is found is read.
    Auto,
    /// By a mapping.
    Map(PathBuf),
}

impl Format {
    /// The mapping's file.
    #[must_use]
    pub fn mapping(&self) -> Option<&Path> {
        match self {
            Self::Auto => None,
            Self::Map(path) => Some(path),
        }
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("map:")) {
            ("auto" | "zeek", _) => Ok(Self::Auto),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Map(path.into())),
            _ => Err("write auto, or map: and a mapping's file, such as map:squid.toml".to_owned()),
        }
    }
}

/// `flowlore upload`.
#[derive(Args, Debug)]
pub struct Upload {
    /// What is sent.
    #[command(flatten)]
    pub files: FlowFiles,
    /// List findings from this severity on; the others are counted [default: medium as text, info as JSON]
    #[arg(long, value_name = "SEVERITY")]
    pub min_severity: Option<Severity>,
    /// How many conversations the report lists
    #[arg(long, value_name = "N")]
    pub conversations: Option<u32>,
    /// The UTC day that these files are a part of: the report is of all that was sent for it so far
    #[arg(long, value_name = "DAY")]
    pub day: Option<Day>,
    /// Publish nothing of these flows
    #[arg(long)]
    pub keep_here: bool,
}

/// `flowlore triage`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("question").required(true).args(["alert", "at"]))]
pub struct Triage {
    /// What is sent.
    #[command(flatten)]
    pub files: FlowFiles,
    /// Alerts: a file of Suricata's EVE or of Zeek's notice.log, one or many; - for standard input; or the id of a
    /// finding of these paths
    #[arg(long, value_name = "FILE|-|ID")]
    pub alert: Option<String>,
    /// When: 2026-11-23T09:22:30Z, 2026-11-23 09:22:30 in the zone of --tz, or seconds since 1970
    #[arg(long, value_name = "TIME", requires = "host")]
    pub at: Option<String>,
    /// Whose story: an address, or a machine's name as dhcp, kerberos, ntlm and rdp logs or --assets have it
    #[arg(long, value_name = "ADDRESS|NAME", requires = "at")]
    pub host: Option<String>,
    /// The other end that it is about: a name or an address
    #[arg(long, value_name = "DESTINATION", requires = "at")]
    pub destination: Option<String>,
    /// How long before the alert
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_seconds)]
    pub before: u64,
    /// How long after it
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = parse_seconds)]
    pub after: u64,
}

fn closed_as(text: &str) -> Result<Outcome, String> {
    match text.parse() {
        Ok(Outcome::None) | Err(_) => {
            Err("write true_positive, benign_expected or false_positive".to_owned())
        }
        Ok(outcome) => Ok(outcome),
    }
}

fn given_reason(text: &str) -> Result<Reason, String> {
    match text.parse() {
        Ok(Reason::None) => Err("a reason is needed, and none is none".to_owned()),
        Ok(reason) => Ok(reason),
        Err(unknown) => Err(unknown.to_string()),
    }
}

/// `72h` or `3d`.
fn hours(text: &str) -> Result<u16, String> {
    let (digits, factor) = match (text.strip_suffix('h'), text.strip_suffix('d')) {
        (Some(hours), _) => (hours, 1),
        (_, Some(days)) => (days, 24),
        _ => ("", 1),
    };
    let hours = digits.parse::<u16>().ok().and_then(|count| count.checked_mul(factor));
    hours
        .filter(|hours| *hours <= HOLD_HOURS_MAX)
        .ok_or_else(|| "write hours or days, at most 30d: 72h, 3d".to_owned())
}

fn spoken_verdict(text: &str) -> Result<Verdict, String> {
    match text.parse() {
        Ok(Verdict::Unknown) | Err(_) => Err("write malicious, suspicious or benign \
            (retract takes back what was said)"
            .to_owned()),
        Ok(verdict) => Ok(verdict),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let all = std::iter::once("flowlore").chain(arguments.iter().copied());
        Cli::try_parse_from(all).unwrap_err().to_string()
    }

    #[test]
    fn the_command_line_holds_together() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn wrong_arguments_say_what_is_accepted() {
        for (arguments, told) in [
            (&["lookup"][..], "DEST"),
            (&["lookup", "x.example", "--as-of", "yesterday"], "2026-11-24"),
            (&["label", "x.example"], "--verdict"),
            (&["label", "x.example", "--verdict", "unknown"], "malicious, suspicious or benign"),
            (&["label", "x.example", "--verdict", "benign", "--confidence", "101"], "1..=100"),
            (&["label", "x.example", "--verdict", "benign", "--port", "0"], "1..=65535"),
            (&["label", "x.example", "--verdict", "benign", "--behaviour", "evil"], "strobe"),
            (&["upload", "x.log", "--min-severity", "loud"], "critical"),
            (&["upload", "x.log", "--day", "today"], "2026-11-24"),
            (&["upload", "x.log", "--format", "map:"], "map:squid.toml"),
            (&["triage", "x.log"], "--alert"),
            (&["triage", "x.log", "--at", "2026-11-23T09:22:30Z"], "--host"),
            (&["triage", "x.log", "--alert", "eve.json", "--before", "1y"], "write it as 90s"),
            (&["label", "x.example", "--verdict", "benign", "--hold", "31d"], "at most 30d"),
            (&["label", "x.example", "--verdict", "benign", "--tag", "evil"], "threat:phishing"),
            (&["label", "x.example", "--verdict", "benign", "--outcome", "none"], "false_positive"),
            (&["label", "x.example", "--verdict", "benign", "--minutes", "5"], "--outcome"),
            (&["label", "x.example", "--verdict", "benign", "--local", "--hold", "3d"], "--hold"),
            (&["dispute", "x.example"], "--reason"),
            (&["dispute", "x.example", "--reason", "none"], "a reason is needed"),
            (&["dispute", "x.example", "--reason", "mood"], "known_service"),
        ] {
            let text = refused(arguments);
            assert!(text.contains(told), "{arguments:?}: {text}");
        }
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for arguments in [
            ["flowlore", "--json", "--dir", "A", "status"],
            ["flowlore", "status", "--dir", "A", "--json"],
        ] {
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert!(cli.json);
            assert_eq!(Given::from(cli.access).dir, Some("A".into()));
        }
    }
}

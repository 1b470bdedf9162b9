//! Ground truth: a table of what is due in which recording, and what of a report it matches.
//!
//! Tab-separated, first line the columns' names:
//!
//! | column | meaning |
//! |---|---|
//! | `path` | file or folder, relative to the table |
//! | `format` | `zeek`, `eve`, `pcap` or `netflow`; another is listed as not read |
//! | `home_net` | networks of the inside, joined by `\|` |
//! | `source` | who opened the connections; `*`: anybody |
//! | `destination` | names or addresses, joined by `\|`, any of which is right; `*`: any; `-` in a benign row |
//! | `port`, `transport` | as in a report; `*`: any |
//! | `behaviours` | what is right to find there, joined by `\|`; `phishing_submission:GRADE` names the grade |
//! | `severity_min` | malicious: the least severity that is due; benign: from it on nothing may be found |
//! | `kind` | `malicious` or `benign` |
//! | `group` | rows of the same traffic, however it was recorded, have the same |
//! | `note` | for people |

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use flowlore_analyzer::places::Places;
use flowlore_analyzer::report::model::Finding;
use flowlore_common::label::{Behaviour, Severity};
use ipnet::IpNet;

use super::seen;
use crate::limits::TRUTH_ROWS_MAX;

/// Formats that the analyzer reads.
pub(super) const READ: [&str; 4] = ["zeek", "eve", "pcap", "netflow"];

/// The first line.
const COLUMNS: [&str; 12] = [
    "path",
    "format",
    "home_net",
    "source",
    "destination",
    "port",
    "transport",
    "behaviours",
    "severity_min",
    "kind",
    "group",
    "note",
];

/// A recording with everything that is due in it.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    /// As the table names it.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// As the table says it.
    pub(super) format: String,
    /// What is inside.
    pub(super) home: Vec<IpNet>,
    /// Lists: the shipped ones, and those beside the table.
    pub(super) places: Arc<Places>,
    /// Recordings of the same traffic have the same.
    pub(super) group: String,
    /// What is due; empty for a benign recording.
    pub(super) due: Vec<Due>,
    /// From this severity on nothing may be found; benign recordings only.
    pub(super) quiet_from: Option<Severity>,
}

/// One thing to find. Empty lists and `None` are `*`.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) source: Option<IpAddr>,
    pub(super) destinations: Vec<String>,
    pub(super) port: Option<u16>,
    pub(super) transport: Option<String>,
    pub(super) behaviours: Vec<(Behaviour, Option<String>)>,
    pub(super) severity_min: Severity,
}

impl Due {
    /// Whether a finding is about it, whatever it calls it. Where any destination is right, the name decides: what
    /// else its source does is no part of it.
    pub(super) fn is_about(&self, finding: &Finding) -> bool {
        self.is_place_of(finding) && (!self.destinations.is_empty() || self.names(finding))
    }

    fn is_place_of(&self, finding: &Finding) -> bool {
        let to = &finding.destination;
        let named = |name: &String| {
            to.host.as_ref() == Some(name)
                || to.site.as_ref() == Some(name)
                || to.names.contains(name)
                || name.parse().is_ok_and(|address: IpAddr| {
                    to.address == address || to.addresses_seen.contains(&address)
                })
        };
        // What goes through a proxy goes to the proxy's port.
        let behind_proxy = finding.behaviour == Behaviour::C2BeaconProxied;
        self.source.is_none_or(|source| source == finding.source.address)
            && (self.destinations.is_empty() || self.destinations.iter().any(named))
            && self.port.is_none_or(|port| port == to.port || behind_proxy)
            && self.transport.as_ref().is_none_or(|transport| *transport == to.transport)
    }

    /// Whether a finding is about it and calls it by one of the right names.
    pub(super) fn is_found_by(&self, finding: &Finding) -> bool {
        self.is_place_of(finding) && self.names(finding)
    }

    fn names(&self, finding: &Finding) -> bool {
        self.behaviours.iter().any(|(behaviour, grade)| {
            *behaviour == finding.behaviour
                && grade.as_deref().is_none_or(|grade| finding.submission == Some(grade))
        })
    }
}

/// Reads a table.
pub(super) fn read(table: &Path) -> anyhow::Result<Vec<Recording>> {
    let shown = table.display();
    let text = std::fs::read_to_string(table).with_context(|| shown.to_string())?;
    let folder = table.parent().unwrap_or(Path::new("."));
    let mut recordings = parse(&text, folder).with_context(|| shown.to_string())?;
    let places = seen::places(folder)?;
    recordings.iter_mut().for_each(|one| one.places = Arc::clone(&places));
    Ok(recordings)
}

fn parse(text: &str, folder: &Path) -> anyhow::Result<Vec<Recording>> {
    let mut lines = (1..).zip(text.lines());
    let header = lines.next().map(|(_, line)| line).unwrap_or_default();
    if header.split('\t').ne(COLUMNS) {
        bail!("line 1: the columns must be {}", COLUMNS.join(", "));
    }
    let mut recordings: Vec<Recording> = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        if number > TRUTH_ROWS_MAX {
            bail!("line {number}: more than {TRUTH_ROWS_MAX} rows");
        }
        let row = row(line, folder).with_context(|| format!("line {number}"))?;
        match recordings.iter_mut().find(|known| known.name == row.name) {
            Some(known) => {
                if known.quiet_from != row.quiet_from || known.home != row.home {
                    bail!("line {number}: another row of {} says otherwise", row.name);
                }
                known.due.extend(row.due);
            }
            None => recordings.push(row),
        }
    }
    Ok(recordings)
}

fn row(line: &str, folder: &Path) -> anyhow::Result<Recording> {
    let cells: Vec<&str> = line.split('\t').collect();
    let Ok(cells) = <[&str; COLUMNS.len()]>::try_from(cells) else {
        bail!("{} columns, {} needed", line.split('\t').count(), COLUMNS.len());
    };
    let [name, format, home, source, destination, port, transport, behaviours, least, kind, ..] =
        cells;
    let home = home
        .split('|')
        .map(|net| net.parse().with_context(|| format!("home_net '{net}'")))
        .collect::<anyhow::Result<_>>()?;
    let severity: Severity = least.parse().context("severity_min")?;
    let malicious = match kind {
        "malicious" => true,
        "benign" => false,
        _ => bail!("kind '{kind}': write malicious or benign"),
    };
    let due = malicious
        .then(|| {
            anyhow::Ok(Due {
                source: given(source).map(str::parse).transpose().context("source")?,
                destinations: given(destination)
                    .map_or_else(Vec::new, |all| all.split('|').map(str::to_owned).collect()),
                port: given(port).map(str::parse).transpose().context("port")?,
                transport: given(transport).map(str::to_owned),
                behaviours: behaviours.split('|').map(behaviour).collect::<anyhow::Result<_>>()?,
                severity_min: severity,
            })
        })
        .transpose()?;
    Ok(Recording {
        name: name.to_owned(),
        path: folder.join(name),
        format: format.to_owned(),
        home,
        places: Places::shipped(),
        group: cells[10].to_owned(),
        due: due.into_iter().collect(),
        quiet_from: (!malicious).then_some(severity),
    })
}

fn given(cell: &str) -> Option<&str> {
    (!matches!(cell, "*" | "-")).then_some(cell)
}

fn behaviour(text: &str) -> anyhow::Result<(Behaviour, Option<String>)> {
    let (code, grade) =
        text.split_once(':').map_or((text, None), |(code, grade)| (code, Some(grade.to_owned())));
    let behaviour = code.parse().map_err(|_| anyhow!("behaviours: there is no '{code}'"))?;
    Ok((behaviour, grade))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEACON: &str = "a\tzeek\t10.0.0.0/8|fd00::/8\t10.0.0.1\tx.example|192.0.2.1\t443\ttcp\t\
                          c2_beacon_http_tls|c2_beacon_ip\thigh\tmalicious\tg\tnote";

    fn table(rows: &[&str]) -> anyhow::Result<Vec<Recording>> {
        parse(&format!("{}\n{}\n", COLUMNS.join("\t"), rows.join("\n")), Path::new("/t"))
    }

    #[test]
    fn rows_of_one_path_are_one_recording() {
        let any = BEACON.replace("\t443\ttcp\t", "\t*\t*\t").replace("10.0.0.1", "*");
        let benign = "b\tpcap\t10.0.0.0/8\t10.0.0.1\t-\t-\t-\t-\thigh\tbenign\th\t";
        let read = table(&[BEACON, &any, "", benign]).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].path, Path::new("/t/a"));
        assert_eq!((read[0].home.len(), read[0].due.len(), read[0].quiet_from), (2, 2, None));
        assert_eq!(read[0].due[0].destinations, ["x.example", "192.0.2.1"]);
        assert_eq!((read[0].due[0].port, read[0].due[1].port), (Some(443), None));
        assert_eq!(read[0].due[1].source, None);
        assert_eq!((read[1].due.len(), read[1].quiet_from), (0, Some(Severity::High)));
        assert_eq!(read[1].format, "pcap");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let wrong = |row: &str| format!("{:#}", table(&[BEACON, row]).unwrap_err());
        for (from, to, said) in [
            ("\tnote", "", "line 3: 11 columns, 12 needed"),
            ("10.0.0.0/8", "10.0.0", "home_net '10.0.0'"),
            ("\thigh\t", "\tgrave\t", "severity_min"),
            ("\tmalicious\t", "\tbad\t", "kind 'bad': write malicious or benign"),
            ("c2_beacon_ip", "c2", "behaviours: there is no 'c2'"),
            ("\t443\t", "\t65536\t", "line 3: port"),
            ("10.0.0.1", "10.0.0.256", "line 3: source"),
            ("|fd00::/8", "", "another row of a says otherwise"),
        ] {
            let told = wrong(&BEACON.replace(from, to));
            assert!(told.contains(said), "{told}");
        }
        assert!(parse("path\tformat\n", Path::new("")).unwrap_err().to_string().contains("line 1"));
    }
}

//! What to generate.

use std::fmt;
use std::str::FromStr;

use flowlore_common::time::Day;

use crate::limits::{DAYS_MAX, HOSTS_MAX, HOSTS_MIN, ORGS_MAX, ROWS_MAX};

/// What to generate. [`Default`] is one quiet working day of one org of 50 machines with every
/// kind of attack planted once or twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Decides everything that is drawn. By convention 1 to 99 are for tuning detectors and 100
    /// upward for reporting how well they do: a figure from a seed that was tuned on is worthless.
    pub seed: u64,
    /// First day, UTC.
    pub first_day: Day,
    /// Days in a row.
    pub days: u16,
    /// Orgs, each in its own folder.
    pub orgs: u8,
    /// Machines of each org.
    pub hosts: u32,
    /// About how many conn rows of background each org shall have; replaces `hosts`.
    pub rows: Option<u64>,
    /// What to plant; empty for clean days. The background is the same whatever is planted.
    pub scenarios: Vec<Scenario>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            seed: 1,
            first_day: Day(20_780), // Monday, 23 November 2026
            days: 1,
            orgs: 1,
            hosts: 50,
            rows: None,
            scenarios: Scenario::USUAL.to_vec(),
        }
    }
}

impl Params {
    /// Refuses what cannot be generated.
    ///
    /// # Errors
    /// [`ParamsError`] names the parameter and its range.
    pub fn check(&self) -> Result<(), ParamsError> {
        let refuse = |name, low: u64, high: u64, value: u64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(ParamsError { name, low, high, value })
            }
        };
        refuse("orgs", 1, u64::from(ORGS_MAX), u64::from(self.orgs))?;
        refuse("days", 1, u64::from(DAYS_MAX), u64::from(self.days))?;
        let last_start = u64::from(u16::MAX - DAYS_MAX);
        refuse("first day, as days since 1970", 0, last_start, u64::from(self.first_day.0))?;
        match self.rows {
            Some(rows) => refuse("rows", 1, ROWS_MAX, rows)?,
            None => {
                refuse("hosts", u64::from(HOSTS_MIN), u64::from(HOSTS_MAX), u64::from(self.hosts))?;
            }
        }
        Ok(())
    }
}

/// A parameter out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamsError {
    name: &'static str,
    low: u64,
    high: u64,
    value: u64,
}

impl fmt::Display for ParamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, low, high, value } = self;
        write!(f, "{name} must be {low} to {high}, not {value}")
    }
}

impl std::error::Error for ParamsError {}

/// A family of attacks to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A few beacons an org with parameters drawn at random; one C2 server has two orgs' hosts.
    Beacons,
    /// Every combination of period, jitter, loss and size noise once, over the orgs in turn.
    BeaconGrid,
    /// Visits to phishing pages, with and without a form sent.
    Phishing,
    /// Many of them, over everything that a visit can be like: a measuring bench.
    PhishingGrid,
    /// A program fetched, then contact with its server.
    DownloadC2,
    /// Data in DNS queries.
    DnsTunnel,
    /// Much data out to one destination.
    Exfiltration,
    /// One connection for hours.
    LongConnection,
    /// An inside host that probes others.
    Scans,
}

impl Scenario {
    /// All of them with their names on the command line.
    pub const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Beacons, "beacons"),
        (Self::BeaconGrid, "beacon-grid"),
        (Self::Phishing, "phishing"),
        (Self::PhishingGrid, "phishing-grid"),
        (Self::DownloadC2, "download-c2"),
        (Self::DnsTunnel, "dns-tunnel"),
        (Self::Exfiltration, "exfiltration"),
        (Self::LongConnection, "long-connection"),
        (Self::Scans, "scans"),
    ];
    /// What is planted unless asked otherwise: all but the grids, which are measuring benches and
    /// would make every machine of a small org a victim.
    pub const USUAL: &'static [Self] = &[
        Self::Beacons,
        Self::Phishing,
        Self::DownloadC2,
        Self::DnsTunnel,
        Self::Exfiltration,
        Self::LongConnection,
        Self::Scans,
    ];

    /// Reads `all`, `clean`, or names with commas between.
    ///
    /// # Errors
    /// A sentence that names the unknown word and the known ones.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        match text {
            "all" => Ok(Self::USUAL.to_vec()),
            "clean" => Ok(Vec::new()),
            _ => text.split(',').map(str::parse).collect(),
        }
    }
}

impl FromStr for Scenario {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(scenario, _)| *scenario).ok_or_else(|| {
            let known: Vec<_> = Self::NAMES.iter().map(|(_, name)| *name).collect();
            format!("scenario '{text}' is not known; known are: all, clean, {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_parameters_are_refused_by_name() {
        let wrong = |change: fn(&mut Params)| {
            let mut params = Params::default();
            change(&mut params);
            params.check().expect_err("refused").to_string()
        };
        assert_eq!(wrong(|p| p.orgs = 0), "orgs must be 1 to 26, not 0");
        assert_eq!(wrong(|p| p.days = 0), "days must be 1 to 366, not 0");
        assert_eq!(wrong(|p| p.hosts = 11), "hosts must be 12 to 50000, not 11");
        assert_eq!(wrong(|p| p.rows = Some(0)), "rows must be 1 to 1000000000, not 0");
        assert!(wrong(|p| p.first_day = Day(u16::MAX)).starts_with("first day"));
        assert_eq!(Params::default().check(), Ok(()));
    }

    #[test]
    fn scenarios_by_name() {
        assert_eq!(Scenario::list("clean"), Ok(vec![]));
        assert_eq!(Scenario::list("scans,beacons"), Ok(vec![Scenario::Scans, Scenario::Beacons]));
        assert!(Scenario::list("beacon").expect_err("unknown").contains("beacon-grid"));
        for (scenario, name) in Scenario::NAMES {
            assert_eq!(name.parse(), Ok(*scenario));
        }
    }
}

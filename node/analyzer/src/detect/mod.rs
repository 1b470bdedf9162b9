//! Detectors: a group in, hits out. One file a behaviour; a row in DETECTORS.md and a golden case each.
//!
//! A detector sees one group and the time that the data covers. How common the destination is, how long it has been
//! known, how much the host matters: that is weighed afterwards, in [`severity`](crate::severity), because it is
//! known only when all groups have been seen.
//!
//! | module | finds |
//! |---|---|
//! | [`beacon`] | contacts at regular times and of regular size |
//! | [`strobe`] | a contact a second, all day |
//! | [`long_connection`] | a connection held open for hours |
//! | `dns` | names that carry data: tunnels in DNS; asked of a source and a domain |
//! | `dns_flows` | the same in flows alone |
//! | `dga` | many domains that do not exist |
//! | `habits` | what an org may not want and is no attack by itself; asked of a source |
//! | `lateral_movement` | sessions with inside hosts that follow another finding, or a storm of binds; asked of a source |
//! | [`login`] | log-on after log-on, as guessed passwords are |
//! | `login_failures_then_success` | the one that worked; asked of a source and target |
//! | `port_protocol_mismatch` | a connection to a port of the web that speaks something else |
//! | `reconnect_storm` | try after try at a server that never answers |
//! | `scan` | many hosts, ports or pairs of both tried, which gave nothing; asked of a source, not of a group |
//! | `ssh_success_inferred` | an SSH session after many short ones; asked of a source and server |
//! | `interactive_c2_channel` | a session in which both ends talk at length |
//! | `malicious_download` | something that runs, from a bare address or a rare server |
//! | `download_then_c2` | a download, and a channel soon after it; asked of a source |
//! | `exfil_pcr_shift` | files put on a server, days that turn from taking to giving; asked of a source |
//! | `exfil_volume` | much that went out; asked of a source and destination, all ports |
//! | `phishing_page_visit` | a page that lures; asked of a source |
//! | `phishing_submission` | what was sent after it, in four grades; asked of a source |
//! | [`infrastructure`] | not a detector: protocols whose job is to tick, which are left alone |
//! | `template` | a detector to copy, compiled in tests only |

pub mod beacon;
pub(crate) mod dga;
pub(crate) mod dns;
pub(crate) mod dns_flows;
pub(crate) mod download_then_c2;
pub(crate) mod exfil_pcr_shift;
pub(crate) mod exfil_volume;
pub(crate) mod habits;
pub mod infrastructure;
pub(crate) mod interactive_c2_channel;
pub(crate) mod lateral_movement;
pub mod login;
pub(crate) mod login_failures_then_success;
pub mod long_connection;
mod malicious_download;
pub(crate) mod phishing_page_visit;
pub(crate) mod phishing_submission;
pub(crate) mod port_protocol_mismatch;
mod reconnect_storm;
pub(crate) mod scan;
pub(crate) mod ssh_success_inferred;
pub mod strobe;
#[cfg(test)]
mod template;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use flowlore_common::label::{Behaviour, Severity};

use crate::pair::{Group, Surroundings};
use crate::score::LONG_STEPS;
use crate::stats::{DISTINCT_SECONDS_MIN, Scratch};

/// A behaviour that a group shows, and how strongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// What was found.
    pub behaviour: Behaviour,
    /// Bucketed threat score before modifiers, thousandths.
    pub base_milli: u16,
}

/// A question put to every group that passes the gate.
struct Detector {
    /// The answer as a number. Asked of millions of groups: it makes no text.
    score: fn(&Group<'_>, &Surroundings, &mut Scratch) -> Option<Score>,
    /// The same answer with what speaks for it, in sentences; `None` exactly when `score` is.
    detect: fn(&Group<'_>, &Surroundings, &mut Scratch) -> Option<Hit>,
}

/// The detectors, in the order of their behaviours' numbers. A behaviour is registered here and nowhere else.
const DETECTORS: [Detector; 8] = [
    Detector { score: beacon::score, detect: beacon::detect },
    Detector { score: strobe::score, detect: strobe::detect },
    Detector { score: long_connection::score, detect: long_connection::detect },
    Detector { score: login::score, detect: login::detect },
    Detector { score: reconnect_storm::score, detect: reconnect_storm::detect },
    Detector { score: interactive_c2_channel::score, detect: interactive_c2_channel::detect },
    Detector { score: port_protocol_mismatch::score, detect: port_protocol_mismatch::detect },
    Detector { score: malicious_download::score, detect: malicious_download::detect },
];

/// Behaviours that these detectors find.
pub const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::C2BeaconHttpTls,
    Behaviour::C2BeaconIp,
    Behaviour::C2BeaconProxied,
    Behaviour::Strobe,
    Behaviour::C2OverDns,
    Behaviour::DnsTunnelOversize,
    Behaviour::DnsTunnelSession,
    Behaviour::DnsTxtHighEntropy,
    Behaviour::DnsOddQtype,
    Behaviour::DgaNxdomain,
    Behaviour::HorizontalScan,
    Behaviour::VerticalScan,
    Behaviour::SynScan,
    Behaviour::IcmpSweep,
    Behaviour::BruteForceLogin,
    Behaviour::ReconnectStorm,
    Behaviour::LongConnection,
    Behaviour::InteractiveC2Channel,
    Behaviour::ExfilVolume,
    Behaviour::ExfilPcrShift,
    Behaviour::MaliciousDownload,
    Behaviour::DownloadThenC2,
    Behaviour::LoginFailuresThenSuccess,
    Behaviour::LateralMovement,
    Behaviour::PortProtocolMismatch,
    Behaviour::RemoteAccessTool,
    Behaviour::Cryptomining,
    Behaviour::TorUse,
    Behaviour::P2pOverlay,
    Behaviour::UnknownPort,
    Behaviour::YoungDomain,
    Behaviour::ConnWithoutDns,
    Behaviour::DnsRebindingAnswer,
    Behaviour::SshSuccessInferred,
    Behaviour::PhishingPageVisit,
    Behaviour::PhishingSubmission,
];

/// Kinds of attack as people speak of them, each with the behaviours by which it would be found.
const KINDS: &[(&str, &[Behaviour])] = &[
    ("phishing", &[Behaviour::PhishingPageVisit, Behaviour::PhishingSubmission]),
    ("malicious downloads", &[Behaviour::MaliciousDownload, Behaviour::DownloadThenC2]),
    ("interactive C2", &[Behaviour::InteractiveC2Channel]),
    (
        "DNS tunnels and generated names",
        &[
            Behaviour::C2OverDns,
            Behaviour::DnsTunnelOversize,
            Behaviour::DnsTunnelSession,
            Behaviour::DgaNxdomain,
        ],
    ),
    ("exfiltration", &[Behaviour::ExfilVolume, Behaviour::ExfilPcrShift]),
    ("scans", &[Behaviour::HorizontalScan, Behaviour::VerticalScan, Behaviour::SynScan]),
    ("password guessing", &[Behaviour::BruteForceLogin, Behaviour::LoginFailuresThenSuccess]),
    ("lateral movement", &[Behaviour::LateralMovement]),
    ("cryptomining", &[Behaviour::Cryptomining]),
    ("remote-access tools", &[Behaviour::RemoteAccessTool]),
];

/// A sentence about the kinds of attack for which there is no detector at all; `None`: there is one for each.
#[must_use]
pub fn not_looked_for() -> Option<String> {
    let unknown =
        KINDS.iter().filter(|(_, found_by)| !found_by.iter().any(|one| BEHAVIOURS.contains(one)));
    let names: Vec<&str> = unknown.map(|(name, _)| *name).collect();
    let (last, others) = names.split_last()?;
    let list = if others.is_empty() {
        (*last).to_owned()
    } else {
        format!("{} and {last}", others.join(", "))
    };
    Some(format!("Not looked for by this version: {list}."))
}

/// What the detectors find in a group: at most one hit each, in the order of their behaviours' numbers.
///
/// Of `around` only `first_second` and `last_second` are read, so this can run before the whole input has been
/// counted.
#[must_use]
pub fn detect(group: &Group<'_>, around: &Surroundings, scratch: &mut Scratch) -> Vec<Hit> {
    if !passes(group) {
        return Vec::new();
    }
    DETECTORS.iter().filter_map(|one| (one.detect)(group, around, scratch)).collect()
}

/// The scores of what [`detect`] would find, for a fraction of the price: most groups have a contact or two and
/// cost two comparisons, and where nothing is found there is no allocation.
#[must_use]
pub fn scores(group: &Group<'_>, around: &Surroundings, scratch: &mut Scratch) -> Vec<Score> {
    if !passes(group) {
        return Vec::new();
    }
    DETECTORS.iter().filter_map(|one| (one.score)(group, around, scratch)).collect()
}

/// The gate.
fn passes(group: &Group<'_>) -> bool {
    let long = group.totals.longest_us / 1_000_000 >= LONG_STEPS.base;
    let hints = &group.hints;
    let told = hints.sessions.is_some() || hints.files.is_some() || hints.mismatch.is_some();
    (group.contacts.len() >= DISTINCT_SECONDS_MIN || long || told)
        && !infrastructure::explains(group)
}

/// A measured fact for or against a finding, and the sentence that says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What was measured, snake_case; stable.
    pub measure: &'static str,
    /// The value, rounded to three decimals.
    pub value: f64,
    /// Its unit: `s`, `days`, `bytes`, `flows`, `hosts`, `ports`, `pairs`, `attempts`, `destinations`, `bars`, `port`, `score`.
    pub unit: &'static str,
    /// What it was held against, where there is such a number.
    pub threshold: Option<f64>,
    /// Whether it speaks for the finding.
    pub supports: bool,
    /// For a person, with the number in it.
    pub sentence: String,
}

/// What to do about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Stable code: `isolate_host`, `find_process`, `block_destination`, `ask_owner`, `check_update_source`,
    /// `check_client`, `check_exposure`, `check_names`, `ask_person`, `reset_password`.
    pub code: &'static str,
    /// What it is done to.
    pub target: String,
    /// For a person.
    pub sentence: String,
}

impl Evidence {
    /// A fact that speaks for the finding.
    #[must_use]
    pub const fn supporting(
        measure: &'static str,
        value: f64,
        unit: &'static str,
        sentence: String,
    ) -> Self {
        Self { measure, value, unit, threshold: None, supports: true, sentence }
    }

    /// A fact that speaks against it.
    #[must_use]
    pub const fn against(
        measure: &'static str,
        value: f64,
        unit: &'static str,
        sentence: String,
    ) -> Self {
        Self { measure, value, unit, threshold: None, supports: false, sentence }
    }

    /// The same fact with the number it was held against.
    #[must_use]
    pub const fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = Some(threshold);
        self
    }
}

/// A detector's answer about one group, before the surroundings are weighed.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// What was found.
    pub behaviour: Behaviour,
    /// Bucketed threat score before modifiers, thousandths.
    pub base_milli: u16,
    /// Published scores by name, thousandths, in the order of the report: (`beacon_milli`, 990).
    pub scores: Vec<(&'static str, u16)>,
    /// Facts for and against.
    pub evidence: Vec<Evidence>,
    /// What this detector could not see, each a sentence.
    pub limits: Vec<String>,
}

impl Hit {
    /// What it is without the text.
    #[must_use]
    pub const fn score(&self) -> Score {
        Score { behaviour: self.behaviour, base_milli: self.base_milli }
    }
}

/// A hit with its surroundings weighed in: ready to become a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The hit, its evidence completed by the modifiers.
    pub hit: Hit,
    /// Threat score after modifiers, thousandths, 0 to 1000.
    pub threat_milli: u16,
    /// By the severity table.
    pub severity: Severity,
    /// 0 to 100: how sure we are that this is what its behaviour says.
    pub confidence: u8,
    /// What to do.
    pub actions: Vec<Action>,
}

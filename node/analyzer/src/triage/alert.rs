//! What is asked about: alerts of Suricata and Zeek, a finding, or a host at a time.
//!
//! An alert's two addresses say which packet it was raised for, not who opened the connection; whose story is told is
//! therefore decided by who is inside.

use std::{collections::BTreeMap, net::IpAddr};

use flowlore_common::{terminal::is_unsafe, time::Micros};

use crate::{
    direction::Home,
    limits::{ALERT_TEXT_CHARS_MAX, ALERTS_MAX, FOLD_US},
    naming,
    packed::Addr,
    record::{
        CaptureLoss, Conn, Dhcp, Dns, File, FileSink, Http, Logon, Notice, Remote, Sink, Tls, X509,
    },
    report::model::Finding,
};

/// The rule of a question that no sensor raised.
pub(crate) const ASKED: &str = "asked";

/// Something to tell the story around.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alert {
    /// When.
    pub at: Micros,
    /// Whose story: the inside end.
    pub host: IpAddr,
    /// The other end: a name or an address, if there is one.
    pub destination: Option<String>,
    /// What raised it: a signature, a notice's type, a behaviour; `asked` when a person names host and time.
    pub rule: String,
    /// Its sentence or class.
    pub message: Option<String>,
    /// The sensor's name of the flow that it was raised for.
    pub uid: Option<String>,
}

impl Alert {
    /// A person's question.
    #[must_use]
    pub fn asked(at: Micros, host: IpAddr) -> Self {
        let rule = ASKED.to_owned();
        Self { at, host, destination: None, rule, message: None, uid: None }
    }

    /// About a finding, at its first flow: what came before that tells where it is from.
    #[must_use]
    pub fn of_finding(finding: &Finding, home: &Home) -> Self {
        let to = &finding.destination;
        let there = to.host.clone().unwrap_or_else(|| to.address.to_string());
        let theirs =
            home.holds(to.address.into(), None) && !home.holds(finding.source.address.into(), None);
        let (host, destination) = if theirs {
            (to.address, finding.source.address.to_string())
        } else {
            (finding.source.address, there)
        };
        Self {
            at: finding.first,
            host,
            destination: to.count.is_none().then_some(destination),
            rule: finding.behaviour.name().to_owned(),
            message: Some(format!("finding {}: {}", finding.id, finding.title())),
            uid: None,
        }
    }

    fn of_notice(notice: &Notice<'_>, home: &Home) -> Option<Self> {
        let inside = |address: &IpAddr| home.holds((*address).into(), None);
        let (source, destination) = (notice.source, notice.destination);
        let theirs =
            destination.filter(|to| inside(to) && source.is_some_and(|from| !inside(&from)));
        let (host, other) = match theirs {
            Some(host) => (host, source),
            None => (source.or(destination)?, source.and(destination)),
        };
        Some(Self {
            at: Micros(notice.time_us),
            host: Addr::from(host).into(),
            destination: other.map(|address| IpAddr::from(Addr::from(address)).to_string()),
            rule: shown(notice.note),
            message: notice.message.map(shown).filter(|text| !text.is_empty()),
            uid: notice.uid.map(shown),
        })
    }
}

/// A destination as a person may write it: an address, or a name without a port.
///
/// # Errors
/// When it is neither.
pub fn destination(text: &str) -> Result<String, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(IpAddr::from(Addr::from(address)).to_string());
    }
    let mut name = String::new();
    if !naming::clean(text, &mut name) {
        return Err(format!("'{text}' is no name and no address: write evil.example or 192.0.2.1"));
    }
    Ok(name)
}

/// Text of a sensor for a terminal: nothing that steers one or hides in it, and not too much of it.
fn shown(text: &str) -> String {
    let safe = text.chars().map(|letter| if is_unsafe(letter) { '?' } else { letter });
    safe.take(ALERT_TEXT_CHARS_MAX).collect()
}

/// Alerts that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Themselves, unless there are more than [`ALERTS_MAX`]: then only some.
    pub alerts: Vec<Alert>,
    /// How many there are.
    pub count: u64,
    /// Alerts that name no address, such as a sensor's about itself.
    pub unusable: u64,
}

impl Taken {
    /// Adds those of another sink.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.unusable += other.unusable;
        let room = ALERTS_MAX.saturating_sub(self.alerts.len());
        self.alerts.extend(other.alerts.into_iter().take(room));
    }
}

/// Takes the alerts out of records and passes over everything else.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    home: Home,
    taken: Taken,
}

impl Alerts {
    /// None yet; `home` says which end is inside.
    #[must_use]
    pub fn new(home: Home) -> Self {
        Self { home, ..Self::default() }
    }

    /// Those that were taken.
    #[must_use]
    pub fn finish(self) -> Taken {
        self.taken
    }
}

impl FileSink for Alerts {
    fn enter(&mut self, _file: u32) {}
}

impl Sink for Alerts {
    fn notice(&mut self, record: &Notice<'_>) {
        let Some(alert) = Alert::of_notice(record, &self.home) else {
            self.taken.unusable += 1;
            return;
        };
        self.taken.count += 1;
        // Whoever is over the limit is refused, and needs no memory for it.
        if self.taken.alerts.len() < ALERTS_MAX {
            self.taken.alerts.push(alert);
        }
    }

    fn conn(&mut self, _record: &Conn<'_>) {}
    fn dns(&mut self, _record: &Dns<'_>) {}
    fn tls(&mut self, _record: &Tls<'_>) {}
    fn http(&mut self, _record: &Http<'_>) {}
    fn file(&mut self, _record: &File<'_>) {}
    fn x509(&mut self, _record: &X509<'_>) {}
    fn dhcp(&mut self, _record: &Dhcp<'_>) {}
    fn logon(&mut self, _record: &Logon<'_>) {}
    fn remote(&mut self, _record: &Remote<'_>) {}
    fn capture_loss(&mut self, _record: &CaptureLoss<'_>) {}
}

/// An alert, and how many identical ones it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The first of them.
    pub alert: Alert,
    /// How many, itself among them.
    pub count: u64,
    /// When the last was raised.
    pub last: Micros,
}

/// Folds alerts with the same rule, host and destination within a day of the first, in order of time.
#[must_use]
pub fn fold(mut alerts: Vec<Alert>) -> Vec<Folded> {
    alerts.sort();
    let mut open: BTreeMap<(String, IpAddr, Option<String>), usize> = BTreeMap::new();
    let mut folded: Vec<Folded> = Vec::new();
    for alert in alerts {
        let key = (alert.rule.clone(), alert.host, alert.destination.clone());
        let same = open.get(&key).map(|&at| &mut folded[at]);
        match same.filter(|one| alert.at.0.saturating_sub(one.alert.at.0) < FOLD_US) {
            Some(one) => {
                one.count += 1;
                one.last = alert.at;
            }
            None => {
                open.insert(key, folded.len());
                folded.push(Folded { count: 1, last: alert.at, alert });
            }
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(source: &str, destination: &str) -> Notice<'static> {
        let address = |text: &str| text.parse().ok();
        Notice {
            time_us: 5_000_000,
            uid: Some("C1"),
            note: "ET \u{1b}[31mRULE\u{202e}",
            message: Some("Class"),
            source: address(source),
            destination: address(destination),
        }
    }

    #[test]
    fn the_inside_end_is_the_host_whoever_sent_the_packet() {
        let home = Home::default();
        let ends = |source: &str, destination: &str| {
            let alert = Alert::of_notice(&notice(source, destination), &home)?;
            Some((alert.host.to_string(), alert.destination))
        };
        let told = |host: &str, other: &str| Some((host.to_owned(), Some(other.to_owned())));
        assert_eq!(ends("10.0.0.1", "203.0.113.7"), told("10.0.0.1", "203.0.113.7"));
        assert_eq!(ends("203.0.113.7", "10.0.0.1"), told("10.0.0.1", "203.0.113.7"));
        assert_eq!(ends("10.0.0.1", "10.0.0.2"), told("10.0.0.1", "10.0.0.2"), "both inside");
        assert_eq!(ends("", "10.0.0.2"), Some(("10.0.0.2".to_owned(), None)));
        assert_eq!(ends("", ""), None);
        let alert = Alert::of_notice(&notice("10.0.0.1", ""), &home).unwrap();
        assert_eq!(alert.rule, "ET ?[31mRULE?", "a terminal is not steered");
    }

    #[test]
    fn identical_ones_fold_for_a_day() {
        let alert = |hours: i64, rule: &str| Alert {
            rule: rule.to_owned(),
            ..Alert::asked(Micros(hours * 3_600_000_000), IpAddr::from([10, 0, 0, 1]))
        };
        let hours = [(0, "a"), (23, "a"), (1, "b"), (24, "a"), (40, "a")];
        let folded = fold(hours.iter().map(|&(at, rule)| alert(at, rule)).collect());
        let told: Vec<_> = folded.iter().map(|one| (one.alert.rule.as_str(), one.count)).collect();
        assert_eq!(told, [("a", 2), ("b", 1), ("a", 2)]);
        assert_eq!(folded[0].last, Micros(23 * 3_600_000_000));
    }

    #[test]
    fn destinations_are_names_or_addresses() {
        assert_eq!(destination("Evil.Example."), Ok("evil.example".to_owned()));
        assert_eq!(destination("[2001:db8::1]"), Ok("2001:db8::1".to_owned()));
        assert_eq!(destination("::ffff:192.0.2.1"), Ok("192.0.2.1".to_owned()));
        assert!(destination("a b").is_err());
        assert!(destination("").is_err());
    }
}

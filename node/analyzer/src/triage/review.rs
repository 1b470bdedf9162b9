//! Several alerts together: how they were answered, and what hosts have in common.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use flowlore_common::label::Behaviour;

use super::{
    Questions,
    model::{REVIEW_SCHEMA, Review, Shared, Triage},
};
use crate::{
    detect::words::{counted, grouped},
    limits::SHARED_HOSTS_MAX,
    report::{
        Report,
        model::{Finding, Verdict},
    },
};

impl Questions {
    /// The answers together; their triages are put into it.
    #[must_use]
    pub fn review(&self, triages: Vec<Triage>, report: &Report) -> Review {
        let alerts = self.alerts.iter().map(|one| one.count).sum();
        let mut verdicts: BTreeMap<&'static str, u64> = BTreeMap::new();
        for triage in &triages {
            *verdicts.entry(word(triage.summary.verdict)).or_default() += 1;
        }
        Review {
            schema: REVIEW_SCHEMA,
            tool: report.tool.clone(),
            alerts,
            folded: alerts - self.alerts.len() as u64,
            unusable: self.unusable,
            verdicts,
            shared: shared(&triages),
            triages,
        }
    }
}

/// The word of a verdict, as in JSON.
pub(crate) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Malicious => "malicious",
        Verdict::Suspicious => "suspicious",
        Verdict::NoInterestingActivity => "no_interesting_activity",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// How grave a verdict is.
const fn gravity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Malicious => 3,
        Verdict::Suspicious => 2,
        Verdict::Inconclusive => 1,
        Verdict::NoInterestingActivity => 0,
    }
}

/// What several answers have in common, while it is put together.
struct Common {
    hosts: BTreeSet<IpAddr>,
    behaviours: BTreeSet<Behaviour>,
    verdict: Verdict,
    alerts: u64,
}

impl Common {
    fn add(&mut self, triage: &Triage) {
        let summary = triage.summary.verdict;
        self.hosts.insert(triage.alert.host.address);
        if gravity(summary) > gravity(self.verdict) {
            self.verdict = summary;
        }
    }
}

impl Default for Common {
    fn default() -> Self {
        let verdict = Verdict::NoInterestingActivity;
        Self { hosts: BTreeSet::new(), behaviours: BTreeSet::new(), verdict, alerts: 0 }
    }
}

/// What at least two hosts share: a destination that findings or alerts are about, or a behaviour towards different
/// ones. Answers without interesting activity have no part in it.
fn shared(triages: &[Triage]) -> Vec<Shared> {
    let mut places: BTreeMap<String, Common> = BTreeMap::new();
    let mut behaviours: BTreeMap<Behaviour, Common> = BTreeMap::new();
    let answered =
        triages.iter().filter(|one| one.summary.verdict != Verdict::NoInterestingActivity);
    for triage in answered {
        let of_host = |finding: &&Finding| finding.source.address == triage.alert.host.address;
        let mut about: BTreeSet<String> = triage.alert.destination.iter().cloned().collect();
        for finding in triage.findings.iter().filter(of_host) {
            let to = &finding.destination;
            if to.count.is_none() {
                let place = to.host.clone().unwrap_or_else(|| to.address.to_string());
                places.entry(place.clone()).or_default().behaviours.insert(finding.behaviour);
                about.insert(place);
            }
            let common = behaviours.entry(finding.behaviour).or_default();
            common.behaviours.insert(finding.behaviour);
            common.add(triage);
            common.alerts += triage.alert.count;
        }
        for place in about {
            let common = places.entry(place).or_default();
            common.add(triage);
            common.alerts += triage.alert.count;
        }
    }
    let one_place: BTreeSet<(BTreeSet<Behaviour>, BTreeSet<IpAddr>)> =
        places.values().map(|one| (one.behaviours.clone(), one.hosts.clone())).collect();
    let by_place = places.into_iter().map(|(place, common)| (Some(place), common));
    // A behaviour of the very hosts that share a destination is that destination's.
    let by_behaviour = behaviours.into_values().filter(|common| {
        !one_place
            .iter()
            .any(|(of, hosts)| of.is_superset(&common.behaviours) && *hosts == common.hosts)
    });
    let all = by_place.chain(by_behaviour.map(|common| (None, common)));
    let mut shared: Vec<Shared> = all
        .filter(|(_, common)| common.hosts.len() > 1)
        .map(|(place, common)| entry(place, common))
        .collect();
    shared.sort_by(|a, b| {
        let rank = |one: &Shared| (gravity(one.verdict), one.hosts_count);
        rank(b)
            .cmp(&rank(a))
            .then_with(|| (&a.destination, &a.behaviours).cmp(&(&b.destination, &b.behaviours)))
    });
    shared
}

fn entry(destination: Option<String>, common: Common) -> Shared {
    let count = common.hosts.len() as u64;
    let titles: Vec<&str> = common.behaviours.iter().map(|one| one.title()).collect();
    let what = if titles.is_empty() { "alerts".to_owned() } else { titles.join(", ") };
    let place = match &destination {
        Some(place) => format!("one destination, {place}"),
        None => "different destinations".to_owned(),
    };
    let sentence = format!(
        "{} hosts, {place}: {what} ({}).",
        grouped(count),
        counted(common.alerts, "alert", "alerts"),
    );
    Shared {
        destination,
        behaviours: common.behaviours.into_iter().collect(),
        verdict: common.verdict,
        hosts_count: count,
        hosts: common.hosts.into_iter().take(SHARED_HOSTS_MAX).collect(),
        alerts: common.alerts,
        orgs: None,
        sentence,
    }
}

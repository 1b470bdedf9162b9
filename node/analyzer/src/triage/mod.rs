//! The story around an alert: what the host did before and after, what of it matters, what it comes to, what to do.
//!
//! ```text
//! alerts -> fold -> Watch, told every flow while the input is settled -> Collected
//!                              report (findings of the whole input) -> | -> window -> scene -> story, judgement
//! ```
//!
//! Nothing is detected here: findings are the report's. Triage puts the flows of one host in order, says which of them
//! findings and alert are about, tells them line by line, and counts the others by the reason for which they are left
//! out, so that the flows of a window always add up.
//!
//! | module | owns |
//! |---|---|
//! | [`alert`] | what is asked about, and which alerts are the same |
//! | [`named`] | which address a machine of a name had |
//! | [`window`] | from when to when |
//! | [`watch`] | flows and look-ups of the hosts, collected during settling |
//! | `groups` | threads, activity groups, end clusters, page loads |
//! | `role` | a destination's part, and its inference scores |
//! | `scene` | all of it side by side, with the findings |
//! | `story`, `words` | lines and their sentences |
//! | `judge` | verdict, for and against, what to do |
//! | `review` | several alerts together |
//! | [`model`] | the JSON |
//! | [`text`] | the text |

pub mod alert;
mod groups;
mod judge;
pub mod model;
pub mod named;
mod review;
mod role;
mod scene;
mod story;
pub mod text;
pub mod watch;
pub mod window;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use flowlore_common::{label::Category, time::Micros};

pub use alert::{Alert, Folded, fold};
pub use watch::{Collected, Watch};
pub use window::Around;

use self::{
    groups::Group,
    model::{AlertEntry, ClusterEntry, DestinationPart, GroupEntry, SCHEMA, Triage, Window},
    scene::Scene,
    window::Span,
};
use crate::{
    incident::transport_name,
    limits::{TRIAGE_FINDINGS_MAX, TRIAGE_FLOWS_MAX, TRIAGE_LISTED_MAX},
    options::Options,
    packed::Addr,
    report::Report,
    settle::Part,
};

/// Alerts, and how much of the time around them is looked at.
#[derive(Clone, Debug)]
pub struct Questions {
    /// In order of time.
    pub alerts: Vec<Folded>,
    /// Around each.
    pub around: Around,
    /// Alerts that name no address.
    pub unusable: u64,
}

impl Questions {
    /// The witness to settle the input with.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(
            self.alerts
                .iter()
                .map(|one| (Addr::from(one.alert.host), self.around.longest(one.alert.at))),
        )
    }

    /// Hosts that are asked about and have no flow in the input, each once.
    #[must_use]
    pub fn unknown_hosts(&self, collected: &Collected) -> Vec<IpAddr> {
        let hosts: BTreeSet<IpAddr> = self.alerts.iter().map(|one| one.alert.host).collect();
        let seen =
            |host: &IpAddr| collected.hosts.get(&Addr::from(*host)).is_some_and(|one| one.seen);
        hosts.into_iter().filter(|host| !seen(host)).collect()
    }

    /// Whether no window of any alert overlaps the time that the input covers.
    #[must_use]
    pub fn miss(&self, report: &Report) -> bool {
        let (Some(first), Some(last)) = (report.input.first, report.input.last) else {
            return false;
        };
        let outside = |one: &Folded| !self.around.asked(one.alert.at).holds(first.0, last.0);
        self.alerts.iter().all(outside)
    }

    /// The answers, in the order of the alerts.
    #[must_use]
    pub fn answer(&self, collected: &Collected, report: &Report) -> Vec<Triage> {
        self.alerts.iter().map(|one| triage(one, self.around, collected, report)).collect()
    }
}

/// What a watch collected, once the input is settled.
#[must_use]
pub fn collect(watch: &Watch, part: &Part, options: &Options) -> Collected {
    watch.finish(part, options)
}

/// Answers one alert.
fn triage(folded: &Folded, around: Around, collected: &Collected, report: &Report) -> Triage {
    let alert = &folded.alert;
    let (asked, longest) = (around.asked(alert.at), around.longest(alert.at));
    let host = collected.hosts.get(&Addr::from(alert.host));
    let flows_of = |span: Span| -> Vec<watch::Kept> {
        let all = host.map(|host| &host.flows[..]).unwrap_or_default().iter();
        all.filter(|kept| span.holds(kept.flow.start_us, kept.flow.end_us())).cloned().collect()
    };
    let wide = flows_of(longest);
    let threads = groups::threads(&wide, Addr::from(alert.host));
    let span = window::extend(asked, longest, &groups::groups(&wide, &threads));
    let flows = flows_of(span);
    let of_host = host.map_or(0, |host| host.seconds.within(span));
    let scene = Scene::new(alert, span, flows, collected, report);
    let story = story::tell(&scene);
    let mut judgement = judge::judge(&scene);
    judgement.limits.extend(judge::edges(&scene));
    let mut left_out: BTreeMap<&'static str, u64> = BTreeMap::new();
    story.left_out.iter().flatten().for_each(|reason| *left_out.entry(reason).or_default() += 1);
    let all = collected.seconds.within(span);
    let beyond = of_host - scene.flows.len() as u64;
    if beyond > 0 {
        judgement.limits.push(format!(
            "The host has {of_host} flows in this window; {TRIAGE_FLOWS_MAX} were looked at, those with the lowest hashes."
        ));
    }
    for (reason, count) in [("beyond_limit", beyond), ("other_hosts", all - of_host)] {
        if count > 0 {
            left_out.insert(reason, count);
        }
    }
    let rest = |all: usize| all.saturating_sub(TRIAGE_LISTED_MAX) as u64;
    let parts = Parts::new(&scene, &story);
    Triage {
        schema: SCHEMA,
        tool: report.tool.clone(),
        alert: AlertEntry {
            at: alert.at,
            count: folded.count,
            last: folded.last,
            rule: alert.rule.clone(),
            message: alert.message.clone(),
            host: collected.machine(alert.host),
            destination: alert.destination.clone(),
            uid: alert.uid.clone(),
        },
        window: Window {
            from: span.from(),
            to: span.to(),
            extended_by_s: u64::try_from(span.to_s - asked.to_s).unwrap_or(0),
            flows: all,
            told: story.lines.iter().map(|line| line.flows).sum(),
            left_out,
        },
        summary: judgement.summary,
        story: story.lines,
        evidence: judgement.evidence,
        destinations_rest: rest(scene.threads.len()),
        groups: parts.groups(),
        groups_rest: rest(scene.groups.len()),
        end_clusters: clusters(&scene),
        end_clusters_rest: rest(scene.clusters.len()),
        destinations: parts.destinations,
        findings_rest: scene.findings.len().saturating_sub(TRIAGE_FINDINGS_MAX) as u64,
        findings: scene.findings.iter().take(TRIAGE_FINDINGS_MAX).map(|&one| one.clone()).collect(),
        actions: judgement.actions,
        limits: judgement.limits,
    }
}

/// Destinations in order of their first flow, and the groups that point to them.
struct Parts<'a> {
    scene: &'a Scene<'a>,
    /// Threads in the order of `destinations`; beside it for each thread its place there.
    places: Vec<usize>,
    destinations: Vec<DestinationPart>,
}

impl<'a> Parts<'a> {
    fn new(scene: &'a Scene<'a>, story: &story::Story) -> Self {
        let mut order: Vec<usize> = (0..scene.threads.len()).collect();
        order.sort_by_key(|&at| (scene.threads[at].first_us, at));
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &at)| places[at] = place);
        let entry = |at: usize| {
            let (thread, part) = (&scene.threads[at], &scene.parts[at]);
            DestinationPart {
                destination: thread.spot.place.to_string(),
                port: thread.spot.port,
                transport: transport_name(thread.spot.transport),
                incoming: thread.spot.incoming,
                role: part.role,
                score: part.sum(),
                points: part.points.iter().copied().collect(),
                flows: thread.flows.len() as u64,
                bytes_out: thread.bytes_out,
                bytes_in: thread.bytes_in,
                first: Micros(thread.first_us),
                last: Micros(thread.last_us),
                inside_hosts: scene.known(thread).inside_hosts,
                left_out: thread.flows.iter().find_map(|&flow| story.left_out[flow]),
            }
        };
        let destinations = order.into_iter().take(TRIAGE_LISTED_MAX).map(entry).collect();
        Self { scene, places, destinations }
    }

    fn groups(&self) -> Vec<GroupEntry> {
        let entry = |group: &Group| GroupEntry {
            destination: self.places[group.thread] as u64,
            first: Micros(group.first_us),
            last: Micros(group.last_us),
            flows: group.flows.len() as u64,
            categories: self.categories(group),
        };
        self.scene.groups.iter().take(TRIAGE_LISTED_MAX).map(entry).collect()
    }

    fn categories(&self, group: &Group) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        let all = group.flows.iter().map(|&at| self.scene.flows[at].category);
        all.for_each(|category: Category| *counts.entry(category.name()).or_default() += 1);
        counts
    }
}

fn clusters(scene: &Scene<'_>) -> Vec<ClusterEntry> {
    let entry = |cluster: &groups::Cluster| {
        let threads: BTreeSet<usize> =
            cluster.groups.iter().map(|&at| scene.groups[at].thread).collect();
        ClusterEntry {
            first: Micros(cluster.first_us),
            last: Micros(cluster.last_us),
            destinations: threads.into_iter().map(|at| scene.threads[at].spot.text()).collect(),
        }
    };
    scene.clusters.iter().take(TRIAGE_LISTED_MAX).map(entry).collect()
}

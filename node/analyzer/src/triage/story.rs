//! What happened, in order, as a person would tell it: each line a time and a sentence, each flow of the window in one
//! line at most. What is in no line is left out for a reason that is counted.

use std::collections::{BTreeMap, BTreeSet};

use flowlore_common::time::Micros;

use super::{
    alert::ASKED,
    groups::Load,
    model::StoryLine,
    role::NOTABLE,
    scene::{Scene, is_naming},
    words,
};
use crate::{
    detect::words::{bytes, counted},
    flow::Flow,
    limits::{OTHERS_TOLD_MAX, PAGES_TOLD_MAX, PIVOT_FLOWS_MAX, STORY_LINES_MAX},
    packed::Addr,
    report::model::Finding,
    severity::Rarity,
};

/// Flows of a thread up to which each has a line of its own.
const SINGLY_MAX: usize = 3;
/// How long something follows something else, microseconds: ten minutes, as for a channel after a download.
const LINKED_US: i64 = 600_000_000;
/// Names in a sentence; the others are counted.
const NAMES_MAX: usize = 3;
/// End clusters that are told.
const CLOSINGS_MAX: usize = 2;

/// A line before it is one of several.
#[derive(Clone, Debug)]
struct Line {
    at_us: i64,
    until_us: i64,
    kind: &'static str,
    destination: Option<String>,
    /// Without capital and stop.
    text: String,
    /// Numbers of flows that no other line has.
    flows: Vec<usize>,
    weight: Weight,
}

/// Which lines stay when there are too many; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Alert,
    Matter,
    Download,
    Closing,
    Page,
    Other,
}

/// Lines, and why the flows that are in none are not.
pub(crate) struct Story {
    pub(crate) lines: Vec<StoryLine>,
    /// Beside the scene's flows; `None`: in a line.
    pub(crate) left_out: Vec<Option<&'static str>>,
}

/// Tells the story of a scene.
pub(crate) fn tell(scene: &Scene<'_>) -> Story {
    let mut teller = Teller { scene, told: vec![false; scene.flows.len()], lines: Vec::new() };
    teller.alert();
    for finding in &scene.findings {
        teller.many(finding);
    }
    let telling = |load: &&Load| load.flows.iter().any(|&at| scene.matters(scene.thread_of[at]));
    let (own, others): (Vec<_>, Vec<_>) = scene.loads.iter().partition(telling);
    own.into_iter().for_each(|load| teller.load(load, Weight::Matter));
    for thread in 0..scene.threads.len() {
        if scene.matters(thread) {
            teller.thread(thread, Weight::Matter);
        } else if scene.parts[thread].role == "download" {
            teller.thread(thread, Weight::Download);
        }
    }
    teller.look_ups();
    teller.closings();
    let near = |at_us: i64| (at_us - scene.alert.at.0).abs();
    let start = |load: &Load| load.flows.first().map_or(0, |&at| scene.flows[at].flow.start_us);
    let mut others = others;
    others.sort_by_key(|load| (near(start(load)), start(load)));
    others.into_iter().take(PAGES_TOLD_MAX).for_each(|load| teller.load(load, Weight::Page));
    let mut notable: Vec<usize> =
        (0..scene.threads.len()).filter(|&at| teller.stands_out(at)).collect();
    notable.sort_by_key(|&at| (-scene.parts[at].sum(), near(scene.threads[at].first_us), at));
    notable.into_iter().take(OTHERS_TOLD_MAX).for_each(|at| teller.thread(at, Weight::Other));
    teller.finish()
}

struct Teller<'a> {
    scene: &'a Scene<'a>,
    told: Vec<bool>,
    lines: Vec<Line>,
}

impl Teller<'_> {
    fn flow(&self, at: usize) -> &Flow {
        &self.scene.flows[at].flow
    }

    /// Takes those of the flows that no line has.
    fn take(&mut self, flows: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let free: Vec<usize> = flows.into_iter().filter(|&at| !self.told[at]).collect();
        free.iter().for_each(|&at| self.told[at] = true);
        free
    }

    fn line(
        &mut self,
        kind: &'static str,
        weight: Weight,
        to: Option<String>,
        flows: Vec<usize>,
        text: String,
    ) {
        let starts = flows.iter().map(|&at| self.flow(at).start_us);
        let at_us = starts.min().unwrap_or(self.scene.alert.at.0);
        let until_us = flows.iter().map(|&at| self.flow(at).end_us()).max().unwrap_or(at_us);
        self.lines.push(Line { at_us, until_us, kind, destination: to, text, flows, weight });
    }

    fn alert(&mut self) {
        let alert = self.scene.alert;
        let text = match (&*alert.rule, &alert.message) {
            (ASKED, _) => "this is the time that was asked about".to_owned(),
            (rule, Some(message)) => format!("the alert: {rule} ({message})"),
            (rule, None) => format!("the alert: {rule}"),
        };
        self.line("alert", Weight::Alert, alert.destination.clone(), Vec::new(), text);
    }

    /// The line of a finding that is about many destinations or about names.
    fn many(&mut self, finding: &Finding) {
        let scene = self.scene;
        let naming = is_naming(finding.behaviour);
        let source = Addr::from(finding.source.address);
        if finding.destination.count.is_none() && !naming || source != scene.host {
            return;
        }
        let to = &finding.destination;
        let of = |at: &usize| {
            let thread = &scene.threads[*at];
            let port = to.port == 0 || to.port == thread.spot.port;
            !thread.spot.incoming
                && if naming {
                    thread.naming && !thread.is_local()
                } else {
                    port && thread.bytes_in == 0
                }
        };
        let threads: Vec<usize> = (0..scene.threads.len()).filter(of).collect();
        let flows: Vec<usize> =
            threads.iter().flat_map(|&at| scene.threads[at].flows.clone()).collect();
        let direction = |at: &usize| naming || scene.flows[*at].direction == finding.direction;
        let flows = self.take(flows.into_iter().filter(direction));
        if flows.is_empty() {
            return;
        }
        let what = finding.title().to_ascii_lowercase();
        let count = flows.len() as u64;
        if naming {
            let zone = to.host.clone().unwrap_or_else(|| to.address.to_string());
            let asked = counted(count, "flow", "flows");
            let text = format!("asked for names in {asked}, those of {zone} among them: {what}");
            self.line("names", Weight::Matter, Some(zone), flows, text);
        } else {
            let hosts: BTreeSet<Addr> = flows.iter().map(|&at| self.flow(at).resp).collect();
            let ports: BTreeSet<u16> = flows.iter().map(|&at| self.flow(at).resp_port).collect();
            let text = format!(
                "tried {} on {}, {}, and got no data: {what}",
                counted(hosts.len() as u64, "host", "hosts"),
                counted(ports.len() as u64, "port", "ports"),
                counted(count, "flow", "flows"),
            );
            self.line("scan", Weight::Matter, None, flows, text);
        }
    }

    fn load(&mut self, load: &Load, weight: Weight) {
        let scene = self.scene;
        let page = &scene.threads[load.page];
        let there = page.spot.text();
        let threads: BTreeSet<usize> = load.flows.iter().map(|&at| scene.thread_of[at]).collect();
        let others = threads.into_iter().filter(|&at| at != load.page);
        let others: Vec<String> =
            others.map(|at| scene.threads[at].spot.place.to_string()).collect();
        let flows = self.take(load.flows.iter().copied());
        if flows.is_empty() {
            return;
        }
        let with = match others.len() {
            0 => String::new(),
            _ => format!(", with what it needs from {}", words::some(&others, NAMES_MAX)),
        };
        let text = format!(
            "loaded a page from {there}{with}: {}, {} in",
            counted(load.flows.len() as u64, "flow", "flows"),
            bytes(load.bytes_in),
        );
        // The burst may have begun with something else; the page came when it came.
        let mut own = load.flows.iter().filter(|at| scene.thread_of[**at] == load.page);
        let at_us = own.next().map_or(scene.alert.at.0, |&at| self.flow(at).start_us);
        self.line("page_load", weight, Some(there), flows, text);
        if let Some(line) = self.lines.last_mut() {
            line.at_us = at_us;
        }
    }

    /// What no line has of a thread yet.
    fn thread(&mut self, number: usize, weight: Weight) {
        let scene = self.scene;
        let thread = &scene.threads[number];
        let there = Some(thread.spot.text());
        let free = self.take(thread.flows.iter().copied());
        let fetched = |at: &usize| scene.flows[*at].received.is_some();
        let (fetched, free): (Vec<_>, Vec<_>) = free.into_iter().partition(fetched);
        let first = free.first().map_or(0, |&at| self.flow(at).start_us);
        let before = |at: &&usize| self.flow(**at).start_us < first;
        let again =
            thread.flows.iter().take_while(before).any(|at| free.binary_search(at).is_err());
        let single = |at: usize| words::contact(&scene.flows[at], thread, scene.span);
        let quiet = |at: &usize| !scene.flows[*at].flow.is_answered();
        let kind = |at: usize| match () {
            () if thread.spot.incoming => "inbound",
            () if quiet(&at) => "attempt",
            () => "contact",
        };
        match fetched.as_slice() {
            [] => {}
            [first, ..] => {
                let more = match fetched.len() - 1 {
                    0 => String::new(),
                    more => format!(", and {} more", counted(more as u64, "time", "times")),
                };
                let text = format!("{}{more}", single(*first));
                self.line("download", weight, there.clone(), fetched, text);
            }
        }
        if free.len() <= SINGLY_MAX {
            for at in free {
                self.line(kind(at), weight, there.clone(), vec![at], single(at));
            }
            return;
        }
        let incoming = thread.spot.incoming;
        let kind = if incoming {
            "inbound"
        } else if free.iter().all(quiet) {
            "attempt"
        } else {
            "contacts"
        };
        let flows: Vec<&Flow> = free.iter().map(|&at| &scene.flows[at].flow).collect();
        let text = words::contacts(&flows, thread, scene.span, again);
        self.line(kind, weight, there, free, text);
    }

    /// When the names of what is told were asked for: the last time before the first contact.
    fn look_ups(&mut self) {
        let scene = self.scene;
        let flow_of: BTreeMap<_, usize> = (0..scene.flows.len())
            .filter(|&at| scene.flows[at].flow.uid != crate::packed::Uid::NONE)
            .map(|at| (scene.flows[at].flow.uid, at))
            .collect();
        let mut first: BTreeMap<&str, i64> = BTreeMap::new();
        for (number, thread) in scene.threads.iter().enumerate() {
            let told = scene.matters(number) || scene.parts[number].role == "download";
            if let (true, Some(name)) = (told && !thread.spot.incoming, thread.spot.place.name()) {
                let known = first.entry(name).or_insert(thread.first_us);
                *known = thread.first_us.min(*known);
            }
        }
        for (name, first_us) in first {
            let before =
                scene.look_ups.iter().rfind(|one| &*one.name == name && one.time_us <= first_us);
            let Some(asked) = before else { continue };
            let flows = self.take(flow_of.get(&asked.uid).copied());
            let text = format!("looked up {name}");
            self.lines.push(Line {
                at_us: asked.time_us,
                until_us: asked.time_us,
                kind: "look_up",
                destination: Some(name.to_owned()),
                text,
                flows,
                weight: Weight::Matter,
            });
        }
    }

    /// What closed together with what the story is about, and what came next.
    fn closings(&mut self) {
        let scene = self.scene;
        let about = |cluster: &&super::groups::Cluster| {
            cluster.groups.iter().any(|&at| scene.matters(scene.groups[at].thread))
        };
        for cluster in scene.clusters.iter().filter(about).take(CLOSINGS_MAX) {
            let threads: BTreeSet<usize> =
                cluster.groups.iter().map(|&at| scene.groups[at].thread).collect();
            // What the story is about is named first.
            let (own, others): (Vec<usize>, Vec<usize>) =
                threads.into_iter().partition(|&at| scene.matters(at));
            // What closed with it, and came to it later than what it loaded at once.
            let late = |at: &usize| {
                let loaded = matches!(scene.parts[*at].role, "page" | "resource");
                !loaded && scene.threads[*at].flows.iter().all(|&flow| !self.told[flow])
            };
            let late: Vec<usize> = others.iter().copied().filter(late).collect();
            late.into_iter().take(OTHERS_TOLD_MAX).for_each(|at| self.thread(at, Weight::Closing));
            let names: Vec<String> =
                own.into_iter().chain(others).map(|at| scene.threads[at].spot.text()).collect();
            let text = format!(
                "{} closed {}, as when a tab or a program ends: {}",
                counted(names.len() as u64, "destination", "destinations"),
                words::within(cluster.last_us - cluster.first_us),
                words::some(&names, NAMES_MAX),
            );
            self.lines.push(Line {
                at_us: cluster.first_us,
                until_us: cluster.last_us,
                kind: "closing",
                destination: None,
                text,
                flows: Vec::new(),
                weight: Weight::Closing,
            });
            self.after(cluster.last_us);
        }
    }

    /// The first group of a destination that begins after an instant.
    fn after(&mut self, last_us: i64) {
        let scene = self.scene;
        let next = scene.groups.iter().find(|group| {
            let thread = &scene.threads[group.thread];
            let usual = thread.naming || thread.is_local() || thread.spot.incoming;
            group.first_us > last_us && !usual && group.flows.iter().any(|&at| !self.told[at])
        });
        let Some(group) = next else { return };
        let there = scene.threads[group.thread].spot.text();
        let text = format!(
            "the next contact, {} after that: {there}",
            words::duration(group.first_us - last_us)
        );
        let flows = self.take(group.flows.iter().copied());
        self.line("after", Weight::Closing, Some(there), flows, text);
    }

    /// Whether a thread has enough about it for a line, though neither finding nor alert is about it.
    fn stands_out(&self, number: usize) -> bool {
        let scene = self.scene;
        let thread = &scene.threads[number];
        let usual = scene.rarity(thread) == Rarity::Common || thread.naming || thread.is_local();
        !usual
            && thread.answered > 0
            && scene.parts[number].sum() >= NOTABLE
            && thread.flows.iter().any(|&at| !self.told[at])
    }

    fn finish(mut self) -> Story {
        let scene = self.scene;
        let at = scene.alert.at.0;
        self.lines.sort_by(|a, b| {
            let key = |line: &Line| (line.weight, (line.at_us - at).abs(), line.at_us);
            (key(a), a.kind, &a.text).cmp(&(key(b), b.kind, &b.text))
        });
        let mut further = vec![false; scene.flows.len()];
        for line in self.lines.split_off(self.lines.len().min(STORY_LINES_MAX)) {
            line.flows.iter().for_each(|&flow| {
                self.told[flow] = false;
                further[flow] = true;
            });
        }
        self.lines.sort_by(|a, b| {
            (a.at_us, a.weight, a.kind, &a.text).cmp(&(b.at_us, b.weight, b.kind, &b.text))
        });
        let mut before: Option<i64> = None;
        let mut lines = Vec::new();
        for line in &self.lines {
            let linked =
                matches!(line.kind, "download" | "contact" | "contacts" | "attempt" | "page_load")
                    && matches!(line.weight, Weight::Matter | Weight::Download | Weight::Closing);
            let gap = before
                .map(|before| line.at_us - before)
                .filter(|gap| (1_000_000..=LINKED_US).contains(gap));
            let text = match gap.filter(|_| linked) {
                Some(gap) => format!("{} later: {}", words::duration(gap), line.text),
                None => line.text.clone(),
            };
            if linked {
                before = Some(line.at_us);
            }
            lines.push(self.entry(line, &text));
        }
        let pages: BTreeSet<usize> =
            scene.loads.iter().flat_map(|load| load.flows.iter().copied()).collect();
        let reason = |flow: usize| match () {
            () if self.told[flow] => None,
            () if further[flow] => Some("further_activity"),
            () => Some(why_not(scene, flow, pages.contains(&flow))),
        };
        Story { left_out: (0..scene.flows.len()).map(reason).collect(), lines }
    }

    fn entry(&self, line: &Line, text: &str) -> StoryLine {
        let uids = line.flows.iter().filter_map(|&at| self.scene.flows[at].uid.as_deref());
        StoryLine {
            at: Micros(line.at_us),
            until: Micros(line.until_us),
            kind: line.kind,
            destination: line.destination.clone(),
            sentence: words::sentence(text),
            flows: line.flows.len() as u64,
            flow_uids: uids.take(PIVOT_FLOWS_MAX).map(str::to_owned).collect(),
        }
    }
}

/// Why a flow is in no line; the first reason that holds.
fn why_not(scene: &Scene<'_>, flow: usize, of_page: bool) -> &'static str {
    let thread = &scene.threads[scene.thread_of[flow]];
    let one = &scene.flows[flow].flow;
    match () {
        () if thread.is_local() => "local_network",
        () if thread.naming => "look_ups",
        () if thread.spot.incoming && one.resp_bytes == 0 => "inbound_probes",
        () if !one.is_answered() => "unanswered",
        () if thread.spot.incoming => "inbound_answered",
        () if scene.rarity(thread) == Rarity::Common => "common_here",
        () if scene.known(thread).settled => "long_known_here",
        () if of_page => "further_pages",
        () if scene.rarity(thread) == Rarity::Uncommon => "others_here_use_it",
        () => "nothing_to_say",
    }
}

/// What a reason means, with the count before it.
#[must_use]
pub(super) fn reason(name: &str) -> &'static str {
    match name {
        "other_hosts" => "of other hosts",
        "beyond_limit" => "beyond the number that is kept of one host",
        "local_network" => "that stay on the host's own link",
        "look_ups" => "about names",
        "inbound_probes" => "from others that got no data",
        "unanswered" => "that nobody answered",
        "inbound_answered" => "from others to services of the host",
        "common_here" => "to destinations that half of the hosts here contact",
        "long_known_here" => "to destinations long known here",
        "further_pages" => "of further page loads",
        "others_here_use_it" => "to destinations that other hosts here contact too",
        "further_activity" => "that the story has no room for",
        _ => "to destinations about which there is nothing to say",
    }
}

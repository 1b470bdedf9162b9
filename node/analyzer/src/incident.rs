//! Candidates to findings, findings to incidents, and the ids of both.
//!
//! *Finding*: one source, one behaviour, one site (or address without a name), port and transport.
//! Ten names of one site that tick alike are one finding. *Incident*: findings about one site,
//! whoever the sources are (forty hosts that poll one vendor), findings of one source about one
//! address (a CDN's many sites), and findings that stand in a sequence.
//!
//! Ids are 8 hex digits of BLAKE3 over tenant, behaviour, source address, site or address, port,
//! transport and first day; 16 where two would be equal. With a history the first day is the one
//! remembered, so an id lasts while its matter goes on, whatever batches the logs come in.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    num::NonZeroUsize,
    sync::Arc,
};

use flowlore_common::{
    label::{Behaviour, Direction, Severity},
    suffixes::Suffixes,
    time::{Day, Micros},
};

mod drafts;
mod groups;
mod ids;
mod lures;
mod movements;
mod ongoing;
mod sequences;
mod title;
mod turns;

use drafts::drafts;
use groups::{SCANS, group, subject};
use ids::{id_hash, short_ids};
use ongoing::goes_on;
use sequences::Told;
use title::title;

use crate::{
    community::community_id,
    detect::dns::Zone,
    detect::{Action, Evidence, Hit, Judged, Score, detect},
    inventory::{self, Assets, Criticality, Machine},
    limits::{ACTIONS_MAX, ADDRESSES_MAX},
    options::Options,
    packed::Addr,
    pair::{Arrival, Surroundings},
    places::Places,
    report::model::{ActionEntry, EvidenceEntry, Finding, FindingDestination, Incident, Pivots},
    score::PREVALENCE_HOSTS_MIN,
    settle::{Candidate, Destination, Matter, Part, Pivot, Where},
    severity::{self, Rarity, Target, Weighed, weigh},
    stats::Scratch,
};

/// What judging and grouping need to know beside the candidates.
pub(crate) struct Context<'a> {
    pub(crate) part: &'a Part,
    pub(crate) options: &'a Options,
    /// The same for all candidates but for counts and asset.
    pub(crate) around: Surroundings,
    /// Start of the first flow.
    pub(crate) first_us: i64,
    /// End of the last flow.
    pub(crate) last_us: i64,
}

impl Context<'_> {
    fn assets(&self) -> &Assets {
        &self.options.assets
    }

    /// Whether the report shows findings of this severity.
    fn lists(&self, severity: Severity) -> bool {
        severity >= self.options.severity_min
    }

    /// Whether it may show them: a step of a sequence is shown with it.
    fn tells(&self, severity: Severity) -> bool {
        self.lists(severity) || (severity >= Severity::Medium && self.lists(Severity::High))
    }

    /// Inside hosts that contact a destination.
    fn inside_hosts(&self, destination: &Where) -> u32 {
        let destination = match destination {
            Where::Name(name) => self.part.named.get(name),
            Where::Address(address) => self.part.addressed.get(address),
            Where::Many(_) => None,
        };
        destination.map_or(0, |destination| destination.inside_hosts)
    }

    fn around(&self, candidate: &Candidate) -> Surroundings {
        let inside = if candidate.direction == Direction::Inbound {
            candidate.address
        } else {
            candidate.source
        };
        let asset = self.assets().find(inside, self.own_name(inside));
        let lookups = lookups(&candidate.matter);
        let one = !matches!(candidate.destination, Where::Many(_)) && !lookups;
        let history = self.options.history.as_ref().filter(|_| one);
        // By its own last day: a clock that runs ahead elsewhere in the input makes nothing old.
        let last = Micros(candidate.totals.last_us).day();
        let known = history.map(|history| {
            let known = history.destination(&candidate.destination.to_string());
            let first = known.map_or(Micros(candidate.totals.first_us).day(), |known| known.first);
            (u32::from(last.0.saturating_sub(first.0)), history.arrival(first, last))
        });
        Surroundings {
            hosts_contacting: match &candidate.matter {
                Matter::Zone(zone) => self.asking(zone),
                _ if lookups => 0, // everybody asks that server
                _ => self.inside_hosts(&candidate.destination),
            },
            first_seen_days: known.map(|(days, _)| days),
            arrival: known.map_or(Arrival::Unknown, |(_, arrival)| arrival),
            critical_asset: asset.is_some_and(|asset| asset.criticality == Criticality::High),
            ..self.around
        }
    }

    /// Inside hosts that ask for names of the zone's domain.
    fn asking(&self, zone: &Zone) -> u32 {
        zone.domain().and_then(|domain| self.part.asked.get(domain)).copied().unwrap_or(0)
    }

    /// What a candidate shows, now that it is known where everybody went.
    fn scores(&self, candidate: &Candidate) -> Vec<Score> {
        let zone = match &candidate.matter {
            Matter::Zone(zone) => zone,
            Matter::Page(visit) if lures::is_usual(self, visit, candidate) => return Vec::new(),
            _ => return candidate.scores.to_vec(),
        };
        let inside = |one: Option<&Destination>| one.is_some_and(|one| one.inside_hosts > 0);
        let visited = zone.sample.iter().filter(|(name, address)| {
            let by_address = address.and_then(|address| self.part.addressed.get(&address));
            inside(self.part.named.get(name)) || inside(by_address)
        });
        zone.scores_beside(visited.count())
    }

    /// The name that a machine goes by on the network.
    fn own_name(&self, address: Addr) -> Option<&str> {
        inventory::own_name(self.part.leases.get(&address), self.part.identities.get(&address))
    }

    fn machine(&self, address: Addr) -> Machine {
        let told = (self.part.leases.get(&address), self.part.identities.get(&address));
        Machine::new(address, self.assets(), told)
    }
}

/// What a candidate shows, weighed. Tens of thousands of them come to nothing that a report lists, so
/// the sentences wait until that is known.
struct Case {
    candidate: Arc<Candidate>,
    behaviour: Behaviour,
    threat_milli: u16,
    severity: Severity,
    confidence: u8,
    alone: bool,
}

impl Case {
    /// The sentences of this case's score, from a matter that makes them one score at a time.
    fn hits(&self, context: &Context<'_>, hit: impl Fn(Score) -> Hit) -> Vec<Hit> {
        let scores = context.scores(&self.candidate).into_iter();
        scores.filter(|score| score.behaviour == self.behaviour).map(hit).collect()
    }

    /// The hit with all its sentences.
    fn tell(&self, context: &Context<'_>, scratch: &mut Scratch) -> Option<Judged> {
        let (group, around) = (self.candidate.group(), context.around(&self.candidate));
        let hits = match &self.candidate.matter {
            Matter::Pair => detect(&group, &around, scratch),
            Matter::Scan(sweep) => vec![sweep.hit()],
            Matter::Zone(zone) => self.hits(context, |score| zone.hit(score)),
            Matter::Sessions(sessions) => self.hits(context, |score| sessions.hit(score)),
            Matter::Missing(missing) => self.hits(context, |score| missing.hit(score)),
            Matter::Chain(chain) => vec![chain.hit()],
            Matter::Upload(upload) => upload.hit().into_iter().collect(),
            Matter::Guessed(guessed) => vec![guessed.hit()],
            Matter::Lateral(lateral) => vec![lateral.hit()],
            Matter::Habit(habit) => vec![habit.hit()],
            Matter::Inferred(inferred) => vec![inferred.hit()],
            Matter::Giving(giving) => giving.hit().into_iter().collect(),
            Matter::Page(visit) if self.behaviour == Behaviour::PhishingPageVisit => {
                vec![visit.hit()]
            }
            Matter::Page(visit) => visit.sent.iter().map(|sent| sent.hit(visit)).collect(),
        };
        let hit = hits.into_iter().find(|hit| hit.behaviour == self.behaviour)?;
        Some(severity::judge(hit, &group, &around))
    }
}

/// What makes a finding one: the inputs of its id but for the day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    behaviour: Behaviour,
    source: Addr,
    place: String,
    port: u16,
    transport: u8,
}

impl Key {
    fn of(case: &Case, places: &Places) -> Self {
        let Candidate { source, ref destination, port, transport, .. } = *case.candidate;
        let place = place(destination, places);
        Self { behaviour: case.behaviour, source, place, port, transport }
    }

    /// What stands in the history for it.
    fn text(&self) -> String {
        let Self { behaviour, source, place, port, transport } = self;
        format!("{behaviour}|{source}|{place}|{port}|{transport}")
    }
}

/// The site of a name, or the name or address itself where it has none.
fn place(destination: &Where, places: &Places) -> String {
    match destination {
        Where::Name(name) => places.site(name).to_owned(),
        Where::Address(address) => address.to_string(),
        // However many there are: the number may grow while the matter stays the same.
        Where::Many(_) => "*".to_owned(),
    }
}

/// A finding with what its incident is decided by.
struct Drafted {
    key: Key,
    finding: Finding,
    /// When what it is about began, which may be later than the first contact.
    begun_us: i64,
    first_day: Day,
    alone: bool,
    /// What else of the same source it belongs to: where the file before the channel came from, or what a movement
    /// followed.
    from: Option<String>,
}

/// Findings and incidents, gravest first both, and what the history is to remember of them.
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    pub(crate) incidents: Vec<Incident>,
    /// What each finding is about, and since when.
    pub(crate) matters: Vec<(String, Day)>,
}

/// Judges candidates and puts together what belongs together. Takes them, so that those of which
/// nothing comes make room at once.
pub(crate) fn find(
    context: &Context<'_>,
    candidates: Vec<Arc<Candidate>>,
    threads: NonZeroUsize,
) -> Found {
    let external = context.part.inside.is_empty();
    let mut cases: BTreeMap<Key, Vec<Case>> = BTreeMap::new();
    let add = |candidate: &Arc<Candidate>, cases: &mut BTreeMap<Key, Vec<Case>>| {
        for case in judge(context, candidate) {
            cases.entry(Key::of(&case, &context.options.places)).or_default().push(case);
        }
    };
    let scored = candidates.into_iter();
    let mut undecided = Vec::new();
    for candidate in scored.filter(|one| external || one.direction != Direction::External) {
        if candidate.scores.is_empty() {
            undecided.push(candidate);
        } else {
            add(&candidate, &mut cases);
        }
    }
    let moved = movements::decide(context, &cases, &undecided);
    for candidate in moved.iter().chain(&turns::decide(context, &undecided)) {
        add(candidate, &mut cases);
    }
    let mut drafts = drafts(context, cases.into_iter().collect(), threads);
    name_findings(&mut drafts);
    drafts.sort_by(|a, b| by_gravity(&a.finding, &b.finding));
    let incidents = incidents(&mut drafts, context);
    let matters = drafts.iter().map(|draft| (draft.key.text(), draft.first_day)).collect();
    let findings = drafts.into_iter().map(|draft| draft.finding).collect();
    Found { findings, incidents, matters }
}

/// The order of the report: severity, confidence, newest last activity, id.
fn by_gravity(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    (b.severity, b.confidence, b.last, &a.id).cmp(&(a.severity, a.confidence, a.last, &b.id))
}

/// Whether a candidate is about what was asked of the DNS.
const fn lookups(matter: &Matter) -> bool {
    matches!(matter, Matter::Zone(_) | Matter::Sessions(_) | Matter::Missing(_))
}

fn judge(context: &Context<'_>, candidate: &Arc<Candidate>) -> Vec<Case> {
    let around = context.around(candidate);
    let blamed = candidate.scores.iter().any(|score| score.behaviour.blames_source());
    if Rarity::of(&around) == Rarity::Common && !blamed {
        return Vec::new(); // the severity table ends at info for these
    }
    let group = candidate.group();
    let alone = around.hosts_contacting == 1 && around.inside_hosts >= PREVALENCE_HOSTS_MIN;
    let weighed = context.scores(candidate).into_iter().map(|score| {
        let Weighed { threat_milli, ruling, confidence, .. } = weigh(score, &group, &around);
        Case {
            candidate: Arc::clone(candidate),
            behaviour: score.behaviour,
            threat_milli,
            severity: ruling.severity,
            confidence,
            alone,
        }
    });
    // Info means that there is nothing to report, but for what is noted only.
    let noted = |case: &Case| case.behaviour.kind() != THREAT;
    weighed.filter(|case| case.severity > Severity::Info || noted(case)).collect()
}

/// One finding of all the names of a site that do the same. The gravest speaks; sums are of all.
fn draft(context: &Context<'_>, key: Key, mut cases: Vec<Case>, scratch: &mut Scratch) -> Drafted {
    cases.sort_by(|a, b| {
        let rank = |case: &Case| (case.severity, case.threat_milli);
        let flows = |case: &Case| case.candidate.totals.flows;
        (rank(b), flows(b)).cmp(&(rank(a), flows(a))).then_with(|| {
            let rest = |case: &Case| (case.candidate.grouping, case.candidate.direction);
            (&a.candidate.destination, rest(a)).cmp(&(&b.candidate.destination, rest(b)))
        })
    });
    let all = || cases.iter().map(|case| &*case.candidate);
    let sum = |value: fn(&Candidate) -> u64| all().map(value).fold(0, u64::saturating_add);
    let first_us = all().map(|one| one.totals.first_us).min().unwrap_or_default();
    let last_us = all().map(|one| one.totals.last_us).max().unwrap_or_default();
    let begun_us = all().map(|one| one.begun_us(key.behaviour)).min().unwrap_or(first_us);
    let addresses: BTreeSet<Addr> = all().flat_map(|one| one.addresses.iter().copied()).collect();
    let names: BTreeSet<&str> = all().filter_map(|one| name_of(&one.destination)).collect();
    let gravest = &cases[0];
    let Case { candidate, severity, confidence, alone, .. } = gravest;
    let listed = context.tells(*severity);
    let told = listed.then(|| gravest.tell(context, scratch)).flatten();
    let (hit, actions) = told.map_or((None, Vec::new()), |told| (Some(told.hit), told.actions));
    let (scores, evidences, limits) = hit.map_or_else(Default::default, |hit: Hit| {
        (hit.scores.into_iter().collect(), hit.evidence, hit.limits)
    });
    let flows = sum(|one| one.totals.flows);
    let host = name_of(&candidate.destination);
    let finding = Finding {
        id: String::new(),
        incident: String::new(),
        behaviour: key.behaviour,
        severity: *severity,
        confidence: *confidence,
        source: context.machine(candidate.source),
        destination: FindingDestination {
            host: host.map(str::to_owned),
            names: if names.len() > 1 {
                names.into_iter().map(str::to_owned).collect()
            } else {
                Vec::new()
            },
            count: match candidate.destination {
                Where::Many(hosts) => Some(hosts),
                Where::Name(_) | Where::Address(_) => None,
            },
            address: candidate.address.into(),
            addresses_seen: addresses.into_iter().take(ADDRESSES_MAX).map(Into::into).collect(),
            port: candidate.port,
            transport: transport_name(candidate.transport),
            site: host.and_then(|name| Suffixes::shipped().site(name)).map(str::to_owned),
            named_by: candidate.named_by.name(),
        },
        direction: candidate.direction,
        first: Micros(first_us),
        last: Micros(last_us),
        ongoing: all().any(|one| goes_on(one, context.last_us)),
        flows,
        bytes_out: sum(|one| one.totals.bytes_out),
        bytes_in: sum(|one| one.totals.bytes_in),
        packets_out: sum(|one| one.totals.packets_out),
        packets_in: sum(|one| one.totals.packets_in),
        scores,
        evidence: evidences.into_iter().map(evidence).collect(),
        submission: lures::submission(candidate),
        page: lures::page(candidate, key.behaviour),
        attack: key.behaviour.techniques(),
        pivot: if listed { pivots(context.part, candidate, flows) } else { Pivots::default() },
        crowd: None,
        actions: actions.into_iter().map(action).collect(),
        limits,
    };
    let day = Micros(first_us).day();
    let history = context.options.history.as_ref();
    let known = history.and_then(|history| history.finding(&key.text()));
    let first_day = known.map_or(day, |known| known.min(day));
    let from = match &candidate.matter {
        Matter::Chain(chain) => Some(chain.from_address.to_string()),
        Matter::Lateral(lateral) => {
            lateral.sign().map(|sign| match severity::is_scan(sign.behaviour) {
                true => SCANS.to_owned(),
                false => sign.address.to_string(),
            })
        }
        Matter::Page(visit) => Some(visit.address.to_string()),
        _ => None,
    };
    Drafted { finding, begun_us, first_day, alone: *alone, key, from }
}

fn name_of(destination: &Where) -> Option<&str> {
    match destination {
        Where::Name(name) => Some(name),
        Where::Address(_) | Where::Many(_) => None,
    }
}

fn pivots(part: &Part, candidate: &Candidate, flows: u64) -> Pivots {
    let all = candidate.pivots.iter();
    let community = |pivot: &Pivot| {
        let Candidate { transport, source, .. } = *candidate;
        community_id(transport, (source, pivot.orig_port), (pivot.resp, pivot.resp_port))
    };
    let uids = all.clone().map(|pivot| part.uid_text(pivot.uid)).filter(|uid| !uid.is_empty());
    Pivots {
        flow_uids: uids.collect(),
        community_ids: all.map(community).collect(),
        more: flows.saturating_sub(candidate.pivots.len() as u64),
    }
}

fn evidence(evidence: Evidence) -> EvidenceEntry {
    let Evidence { measure, value, unit, threshold, supports, sentence } = evidence;
    EvidenceEntry { measure, value, unit, threshold, supports, sentence }
}

fn action(action: Action) -> ActionEntry {
    let Action { code, target, sentence } = action;
    ActionEntry { code, target, sentence }
}

/// What to do about a finding, listed or not.
fn actions_of(finding: &Finding) -> impl Iterator<Item = ActionEntry> {
    let target = Target {
        behaviour: finding.behaviour,
        source: finding.source.address,
        address: finding.destination.address,
        host: finding.destination.host.as_deref(),
        direction: finding.direction,
    };
    severity::actions(finding.severity, &target).into_iter().map(action)
}

/// `tcp`, `udp`, `icmp`, or the number.
pub(crate) fn transport_name(transport: u8) -> String {
    match transport {
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        1 | 58 => "icmp".to_owned(),
        other => other.to_string(),
    }
}

fn name_findings(drafts: &mut [Drafted]) {
    let hash = |draft: &Drafted| id_hash("finding", &draft.key.text(), draft.first_day);
    short_ids(drafts, hash, |draft, id| draft.finding.id = id);
}

/// Puts findings together by site, by source and address, and by sequence; names and orders the incidents.
fn incidents(drafts: &mut [Drafted], context: &Context<'_>) -> Vec<Incident> {
    let told = sequences::find(&context.options.sequences, drafts);
    let groups = group(drafts, &told);
    let mut incidents: Vec<(Incident, Vec<usize>, String, Day)> = groups
        .into_iter()
        .map(|members| {
            let told = told.iter().filter(|one| members.contains(&one.steps[0]));
            let incident = incident(drafts, &members, &told.collect::<Vec<_>>(), context);
            // Findings come gravest first, but the place must not change with gravity.
            let place = members.iter().map(|&at| subject(&drafts[at])).min().unwrap_or_default();
            let day = members.iter().map(|&at| drafts[at].first_day).min().unwrap_or_default();
            (incident, members, place, day)
        })
        .collect();
    let hash = |one: &(Incident, Vec<usize>, String, Day)| id_hash("incident", &one.2, one.3);
    short_ids(&mut incidents, hash, |one, id| one.0.id = id);
    for (incident, members, ..) in &incidents {
        members.iter().for_each(|&at| drafts[at].finding.incident.clone_from(&incident.id));
    }
    let mut incidents: Vec<Incident> = incidents.into_iter().map(|one| one.0).collect();
    incidents.sort_by(|a, b| {
        (b.severity, b.confidence, b.last, &a.id).cmp(&(a.severity, a.confidence, a.last, &b.id))
    });
    incidents
}

/// The kind of matter that somebody has to act on.
pub(crate) const THREAT: &str = "threat";
fn incident(
    drafts: &[Drafted],
    members: &[usize],
    told: &[&Told<'_>],
    context: &Context<'_>,
) -> Incident {
    let all = || members.iter().map(|&at| &drafts[at].finding);
    let gravest = &drafts[members[0]];
    let hosts: BTreeSet<_> = all().map(|finding| finding.source.address).collect();
    let destinations: BTreeSet<String> = all()
        .flat_map(|finding| {
            let to = &finding.destination;
            let one = match to.count {
                Some(hosts) => format!("{hosts} hosts"),
                None => to.host.clone().unwrap_or_else(|| to.address.to_string()),
            };
            to.names.iter().cloned().chain([one])
        })
        .collect();
    let mut visitors: BTreeMap<&str, BTreeSet<IpAddr>> = BTreeMap::new();
    for draft in members.iter().map(|&at| &drafts[at]) {
        visitors.entry(&draft.key.place).or_default().insert(draft.finding.source.address);
    }
    let shared = gravest.finding.destination.count.is_none()
        && visitors.values().any(|visitors| *visitors == hosts);
    let mut seen = BTreeSet::new();
    let severity = gravest.finding.severity;
    let severity = told.iter().map(|one| one.severity(severity)).fold(severity, Severity::max);
    let listed = all().filter(|_| context.lists(severity));
    let actions = listed.flat_map(actions_of).filter(|action| seen.insert(action.clone()));
    let actions = actions.take(ACTIONS_MAX).collect();
    let ongoing = all().any(|finding| finding.ongoing);
    let before = Micros(context.first_us).day();
    let known = members.iter().any(|&at| drafts[at].first_day < before);
    Incident {
        id: String::new(),
        title: title(gravest, hosts.len(), shared, told),
        severity,
        kind: gravest.finding.behaviour.kind(),
        confidence: all().map(|finding| finding.confidence).max().unwrap_or_default(),
        state: match (ongoing, known) {
            (false, _) => "ended",
            (true, true) => "ongoing",
            (true, false) => "new",
        },
        hosts: hosts.into_iter().collect(),
        destinations: destinations.into_iter().collect(),
        first: all().map(|finding| finding.first).min().unwrap_or_default(),
        last: all().map(|finding| finding.last).max().unwrap_or_default(),
        finding_ids: all().map(|finding| finding.id.clone()).collect(),
        sequences: told.iter().map(|one| one.entry(drafts)).collect(),
        actions,
        closed_elsewhere: None,
    }
}

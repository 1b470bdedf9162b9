//! Pages that lure, and what was sent after them: per source, over all its flows in the order of time.
//!
//! Cheap for those who visit no such page: a source's flows are put in order only when one of its groups, under a name
//! that could lure, brought as much as a page.

use flowlore_common::label::{Behaviour, Direction};
use hashbrown::HashMap;

use super::{
    bucket::{Asked, Bucket, NO_NAME},
    fold::{first_flows, most_contacted, place},
    group::{Gathered, Groups},
    part::{Candidate, Matter, Part},
};
use crate::{
    detect::{
        Score,
        phishing_page_visit::{PAGE_BYTES_MIN, Visit},
    },
    flow::Flow,
    limits::{ADDRESSES_MAX, LURES_MAX},
    packed::Addr,
    places::{BrandId, Kind, Lure, Places},
};

mod client;
mod sends;

use client::Client;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// A lure is come to once or twice; a site that a person comes back to again and again is a habit. [ours]
const VISITS_MAX: usize = 3;
/// After so long without a flow to it the next one is another visit, microseconds: as long as a person may type. [design]
const VISIT_US: i64 = 300_000_000;

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
struct Info<'a> {
    /// What one owner has of it.
    site: &'a str,
    /// By its end.
    kind: Option<Kind>,
    /// By its end or first label.
    role: Option<Kind>,
    /// Whose it is.
    brand: Option<BrandId>,
    /// Whose pages load from it.
    resource: Option<BrandId>,
}

impl<'a> Info<'a> {
    fn of(name: &'a str, places: &Places) -> Self {
        Self {
            site: places.site(name),
            kind: places.kind(name),
            role: places.role(name),
            brand: places.brand_of(name),
            resource: places.resource_of(name),
        }
    }

    /// Whether anybody may own it, as far as is known.
    fn is_anybodys(&self) -> bool {
        matches!(self.kind, None | Some(Kind::Hosting | Kind::Cloud)) && self.brand.is_none()
    }
}

/// Whether a flow is one of a browser.
fn is_web(flow: &Flow) -> bool {
    match flow.transport {
        TCP => matches!(flow.resp_port, 80 | 443 | 8080 | 8443),
        UDP => flow.resp_port == 443,
        _ => false,
    }
}

/// A group under a name that lures.
struct Page {
    source: Addr,
    name: u32,
    group: u32,
}

/// Finds visits and what was sent after them.
pub(super) fn find(bucket: &Bucket, groups: &Groups, places: &Places, part: &mut Part) {
    let mut lures: HashMap<u32, Lure> = HashMap::new();
    let mut pages: Vec<Page> = Vec::new();
    for (number, (group, ..)) in
        (0..).zip(groups.iter()).filter(|(_, (group, ..))| may_be_page(group))
    {
        let name = group.key.spot.name;
        let lure = lures.entry(name).or_insert_with(|| places.lure(&bucket.names[name as usize]));
        if lure.signs() > 0 {
            pages.push(Page { source: group.key.source, name, group: number });
        }
    }
    if pages.is_empty() {
        return;
    }
    pages.sort_unstable_by_key(|page| (page.source, page.name, page.group));
    let sources = pages.chunk_by(|a, b| a.source == b.source);
    let few =
        sources.filter(|pages| pages.len() <= LURES_MAX).map(|pages| (pages[0].source, pages));
    let few: HashMap<Addr, &[Page]> = few.collect();
    let order = |&at: &u32| {
        let flow = &bucket.flows[at as usize];
        (flow.orig, flow.start_us, flow.identity())
    };
    let looked_at = |at: &u32| few.contains_key(&bucket.flows[*at as usize].orig);
    let mut flows: Vec<u32> = (0..bucket.flows.len() as u32).filter(looked_at).collect();
    flows.sort_unstable_by_key(order);
    let looked_up = bucket.queries.iter().filter(|one| few.contains_key(&one.client));
    let mut asked: Vec<&Asked> = looked_up.collect();
    asked.sort_unstable_by_key(|one| (one.client, one.time_us, *one));
    let mut infos: HashMap<u32, Info<'_>> = HashMap::new();
    let called = flows.iter().map(|&at| bucket.marks[at as usize].name);
    for name in called.chain(asked.iter().map(|one| one.name)) {
        if name != NO_NAME {
            let text = &bucket.names[name as usize];
            infos.entry(name).or_insert_with(|| Info::of(text, places));
        }
    }
    let source = |at: &u32| bucket.flows[*at as usize].orig;
    for of_source in flows.chunk_by(|a, b| source(a) == source(b)) {
        let of = source(&of_source[0]);
        let from = asked.partition_point(|one| one.client < of);
        let to = asked.partition_point(|one| one.client <= of);
        let client = Client::new(bucket, of_source, &asked[from..to], &infos);
        let pages = few[&of].chunk_by(|a, b| a.name == b.name);
        let visits = pages.filter_map(|of_name| {
            let members = of_name.iter().flat_map(|page| groups.at(page.group).1);
            let mut flows: Vec<u32> = members.copied().collect();
            flows.sort_unstable_by_key(order);
            client.visit(&flows, lures[&of_name[0].name], places)
        });
        keep(bucket, groups, visits.collect(), part);
    }
}

/// Whether the sums leave room for a page.
fn may_be_page(group: &Gathered) -> bool {
    let key = &group.key;
    key.direction == Direction::Outbound
        && key.spot.name != NO_NAME
        && matches!(key.transport, TCP | UDP)
        && group.totals.bytes_in >= PAGE_BYTES_MIN
}

/// A visit with the flows by which page and collector are shown.
struct Found {
    visit: Visit,
    page: u32,
    collector: Option<u32>,
}

/// Keeps a candidate for each page, and one for each collector: that of the gravest visit, of equals the first.
fn keep(bucket: &Bucket, groups: &Groups, found: Vec<Found>, part: &mut Part) {
    let mut collectors: Vec<(u32, Found)> = Vec::new();
    for Found { visit, page, collector } in found {
        let visit = Visit { address: page_address(bucket, groups, page), ..visit };
        let matter = Matter::Page(Box::new(visit.clone()));
        part.keep(candidate(bucket, groups, page, visit.score(), matter), bucket);
        if let Some(at) = collector {
            collectors.push((groups.of_flow(at), Found { visit, page, collector }));
        }
    }
    collectors.sort_by(|a, b| {
        let grade = |one: &Found| one.visit.sent.as_ref().map(|sent| sent.grade);
        a.0.cmp(&b.0)
            .then_with(|| grade(&b.1).cmp(&grade(&a.1)))
            .then_with(|| a.1.visit.first_us.cmp(&b.1.visit.first_us))
            .then_with(|| a.1.visit.page.cmp(&b.1.visit.page))
    });
    collectors.dedup_by_key(|one| one.0);
    for (_, Found { visit, collector, .. }) in collectors {
        let (Some(at), Some(sent)) = (collector, &visit.sent) else { continue };
        let score = sent.score(&visit);
        let matter = Matter::Page(Box::new(visit));
        part.keep(candidate(bucket, groups, at, score, matter), bucket);
    }
}

fn page_address(bucket: &Bucket, groups: &Groups, at: u32) -> Addr {
    let (_, members) = groups.at(groups.of_flow(at));
    most_contacted(&addresses(bucket, members))
}

/// The group of a flow as a candidate.
fn candidate(bucket: &Bucket, groups: &Groups, at: u32, score: Score, matter: Matter) -> Candidate {
    debug_assert!(matches!(
        score.behaviour,
        Behaviour::PhishingPageVisit | Behaviour::PhishingSubmission
    ));
    let (group, members) = groups.at(groups.of_flow(at));
    let key = &group.key;
    let mut addresses = addresses(bucket, members);
    let address = most_contacted(&addresses);
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    Candidate {
        scores: [score].into(),
        matter,
        contacts: [].into(),
        grouping: key.grouping,
        source: key.source,
        destination: place(bucket, key.spot),
        address,
        addresses: addresses.into(),
        port: key.port,
        transport: key.transport,
        direction: key.direction,
        named_by: group.named_by,
        totals: group.totals.clone(),
        hints: group.hints.clone(),
        pivots: first_flows(bucket, members),
    }
}

fn addresses(bucket: &Bucket, members: &[u32]) -> Vec<Addr> {
    let mut all: Vec<Addr> = members.iter().map(|&at| bucket.flows[at as usize].resp).collect();
    all.sort_unstable();
    all
}

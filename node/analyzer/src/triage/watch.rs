//! Collects, while an input is settled, what the stories around some alerts need: the flows and look-ups of their
//! hosts near their times, and how many flows of others there were meanwhile.
//!
//! Nothing depends on the order in which flows come: of a host with more flows than are kept those with the lowest
//! hashes are, and the others are counted.

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use flowlore_common::{
    label::{Category, Direction},
    suffixes::Suffixes,
    time::{MICROS_PER_SECOND, Micros},
};
use hashbrown::HashMap;

use super::window::Span;
use crate::{
    content::Content,
    flow::{Flow, bucket_of},
    inventory::{Assets, Machine},
    limits::{TRIAGE_FLOWS_MAX, TRIAGE_LOOK_UPS_MAX},
    options::Options,
    packed::{Addr, Uid, mix_bytes},
    pair::Arrival,
    settle::{LookUp, Part, Settled, Witness},
};

/// Parts into which what is collected is divided, so that threads seldom wait for each other.
const SHARDS: usize = 64;

/// A flow of an alert's host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) flow: Flow,
    pub(crate) uid: Option<Box<str>>,
    /// The destination's name.
    pub(crate) name: Option<Box<str>>,
    pub(crate) category: Category,
    pub(crate) direction: Direction,
    /// What came in that runs, and its bytes.
    pub(crate) received: Option<(Content, u64)>,
}

impl Kept {
    /// An order that nothing but the flow itself decides.
    fn rank(&self) -> (u64, i64, Addr, Addr, u16, u16) {
        let Flow { start_us, orig, resp, orig_port, resp_port, .. } = self.flow;
        (self.flow.identity_hash(), start_us, orig, resp, orig_port, resp_port)
    }
}

/// A look-up of an alert's host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    hash: u64,
    pub(crate) time_us: i64,
    pub(crate) name: Box<str>,
    pub(crate) uid: Uid,
}

/// How many flows began and ended in which second.
#[derive(Clone, Debug, Default)]
struct Tally(BTreeMap<i64, (u64, u64)>);

impl Tally {
    fn add(&mut self, flow: &Flow) {
        self.0.entry(second(flow.start_us)).or_default().0 += 1;
        self.0.entry(second(flow.end_us())).or_default().1 += 1;
    }

    fn merge(&mut self, other: Self) {
        for (second, (began, ended)) in other.0 {
            let sum = self.0.entry(second).or_default();
            *sum = (sum.0 + began, sum.1 + ended);
        }
    }
}

/// How many flows had begun and ended by which second: enough to say exactly how many overlap any window of whole
/// seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seconds(Vec<(i64, u64, u64)>);

impl From<Tally> for Seconds {
    fn from(tally: Tally) -> Self {
        let sums = tally.0.into_iter().scan((0, 0), |sum, (second, (began, ended))| {
            *sum = (sum.0 + began, sum.1 + ended);
            Some((second, sum.0, sum.1))
        });
        Self(sums.collect())
    }
}

impl Seconds {
    /// Flows that overlap the span.
    pub(crate) fn within(&self, span: Span) -> u64 {
        let before = |second: i64| {
            let after = self.0.partition_point(|sum| sum.0 < second);
            self.0[..after].last().map_or((0, 0), |sum| (sum.1, sum.2))
        };
        before(span.to_s).0 - before(span.from_s).1
    }
}

fn second(time_us: i64) -> i64 {
    time_us.div_euclid(MICROS_PER_SECOND)
}

/// What there is of one host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    /// By start.
    pub(crate) flows: Vec<Kept>,
    /// By time.
    pub(crate) look_ups: Vec<Asked>,
    tally: Tally,
    /// Of all its flows, kept or not.
    pub(crate) seconds: Seconds,
    /// Whether it has a flow anywhere in the input.
    pub(crate) seen: bool,
}

impl Host {
    fn keep(&mut self, kept: Kept) {
        self.flows.push(kept);
        if self.flows.len() > 2 * TRIAGE_FLOWS_MAX {
            self.trim();
        }
    }

    fn ask(&mut self, asked: Asked) {
        self.look_ups.push(asked);
        if self.look_ups.len() > 2 * TRIAGE_LOOK_UPS_MAX {
            self.trim();
        }
    }

    /// Keeps the lowest by hash.
    fn trim(&mut self) {
        if self.flows.len() > TRIAGE_FLOWS_MAX {
            self.flows.sort_unstable_by_key(Kept::rank);
            self.flows.truncate(TRIAGE_FLOWS_MAX);
        }
        if self.look_ups.len() > TRIAGE_LOOK_UPS_MAX {
            self.look_ups.sort_unstable();
            self.look_ups.truncate(TRIAGE_LOOK_UPS_MAX);
        }
    }

    fn finish(&mut self) {
        self.trim();
        self.seconds = std::mem::take(&mut self.tally).into();
        self.flows.sort_unstable_by_key(|kept| (kept.flow.start_us, kept.rank()));
        self.look_ups.sort_unstable_by(|a, b| (a.time_us, a).cmp(&(b.time_us, b)));
    }
}

#[derive(Default)]
struct Shard {
    hosts: HashMap<Addr, Host>,
    tally: Tally,
}

/// The witness.
pub struct Watch {
    /// When each host is of interest: spans that do not touch, in order.
    spans: HashMap<Addr, Vec<Span>>,
    /// From the first to the last of all.
    whole: Option<Span>,
    shards: Vec<Mutex<Shard>>,
}

impl Watch {
    /// Watches hosts during spans.
    pub(crate) fn new(wanted: impl Iterator<Item = (Addr, Span)>) -> Self {
        let mut spans: HashMap<Addr, Vec<Span>> = HashMap::new();
        let mut whole: Option<Span> = None;
        for (host, span) in wanted {
            spans.entry(host).or_default().push(span);
            whole = Some(whole.map_or(span, |whole| whole.and(span)));
        }
        for spans in spans.values_mut() {
            spans.sort_unstable();
            spans.dedup_by(|later, first| {
                let touch = later.from_s <= first.to_s;
                if touch {
                    *first = first.and(*later);
                }
                touch
            });
        }
        Self { spans, whole, shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn wants(&self, host: Addr, first_us: i64, last_us: i64) -> bool {
        self.spans.get(&host).is_some_and(|spans| {
            let after = spans.partition_point(|span| span.from_s <= second(last_us));
            spans[..after].last().is_some_and(|span| span.holds(first_us, last_us))
        })
    }

    fn with<T>(&self, of: Addr, work: impl FnOnce(&mut Shard) -> T) -> T {
        let shard = &self.shards[bucket_of(of) % SHARDS];
        work(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was collected, with what `part` knows of the hosts and of the places where they went.
    pub(crate) fn finish(&self, part: &Part, options: &Options) -> Collected {
        let mut tally = Tally::default();
        let mut hosts: HashMap<Addr, Host> = HashMap::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            tally.merge(std::mem::take(&mut shard.tally));
            hosts.extend(shard.hosts.drain());
        }
        let machine = |&host: &Addr| {
            let told = (part.leases.get(&host), part.identities.get(&host));
            (host, Machine::new(host, &options.assets, told))
        };
        let mut places = HashMap::new();
        for host in hosts.values_mut() {
            host.finish();
            for kept in &host.flows {
                places.entry(Place::of(kept.name.as_deref(), kept.flow.resp)).or_default();
            }
        }
        for (place, known) in &mut places {
            *known = Known::of(place, part, options);
        }
        add_sites(&mut places, part);
        Collected {
            machines: self.spans.keys().map(machine).collect(),
            inside_hosts: part.inside.len() as u64,
            seconds: tally.into(),
            hosts,
            places,
        }
    }
}

/// Adds how many hosts go to the most visited name of a place's site.
fn add_sites(places: &mut HashMap<Place, Known>, part: &Part) {
    let site = |name: &str| Suffixes::shipped().site(name).map(str::to_owned);
    let of_places = places.keys().filter_map(|place| site(place.name()?));
    let mut most: HashMap<String, u64> = of_places.map(|site| (site, 0)).collect();
    for (name, one) in &part.named {
        let known = Suffixes::shipped().site(name).and_then(|site| most.get_mut(site));
        if let Some(known) = known {
            *known = (*known).max(u64::from(one.inside_hosts));
        }
    }
    for (place, known) in places {
        let most = place.name().and_then(site).and_then(|site| most.get(&site).copied());
        known.site_hosts = most.unwrap_or(known.inside_hosts);
    }
}

impl Witness for Watch {
    fn settled(&self, settled: &Settled<'_>) -> io::Result<()> {
        let Settled { flow, direction, category, received, .. } = *settled;
        let (first_us, last_us) = (flow.start_us, flow.end_us());
        let ends = [flow.orig, flow.resp];
        let both = if ends[0] == ends[1] { 1 } else { 2 };
        for host in ends.into_iter().take(both).filter(|host| self.spans.contains_key(host)) {
            let wanted = self.wants(host, first_us, last_us);
            self.with(host, |shard| {
                let of_host = shard.hosts.entry(host).or_default();
                of_host.seen = true;
                if wanted {
                    of_host.tally.add(flow);
                    of_host.keep(Kept {
                        flow: flow.clone(),
                        uid: settled.uid.as_deref().map(Into::into),
                        name: settled.name.map(Into::into),
                        category,
                        direction,
                        received,
                    });
                }
            });
        }
        if self.whole.is_some_and(|whole| whole.holds(first_us, last_us)) {
            self.with(flow.orig, |shard| shard.tally.add(flow));
        }
        Ok(())
    }

    fn looked_up(&self, look_up: &LookUp<'_>) {
        let LookUp { client, name, time_us, uid } = *look_up;
        if self.wants(client, time_us, time_us) {
            let hash = mix_bytes(name.as_bytes());
            let asked = Asked { hash, time_us, name: name.into(), uid };
            self.with(client, |shard| shard.hosts.entry(client).or_default().ask(asked));
        }
    }
}

/// A destination: its name, or the address of one that has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Name(Box<str>),
    Address(Addr),
}

impl Place {
    pub(crate) fn of(name: Option<&str>, address: Addr) -> Self {
        name.map_or(Self::Address(address), |name| Self::Name(name.into()))
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// What the whole input and the history know of a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Inside hosts that contacted it.
    pub(crate) inside_hosts: u64,
    /// Inside hosts that contacted the most visited name of its site.
    pub(crate) site_hosts: u64,
    /// Start of the first flow, whoever's.
    pub(crate) first_us: i64,
    /// Whether the history has long known it.
    pub(crate) settled: bool,
}

impl Known {
    fn of(place: &Place, part: &Part, options: &Options) -> Self {
        let one = match place {
            Place::Name(name) => part.named.get(name),
            Place::Address(address) => part.addressed.get(address),
        };
        let Some(one) = one else { return Self::default() };
        let arrival = options.history.as_ref().map(|history| {
            let day = |us: i64| Micros(us).day();
            let known = history.destination(&place.to_string());
            let first = known.map_or(day(one.first_us), |known| known.first);
            history.arrival(first, day(one.last_us))
        });
        Self {
            inside_hosts: u64::from(one.inside_hosts),
            site_hosts: 0,
            first_us: one.first_us,
            settled: arrival == Some(Arrival::Settled),
        }
    }
}

/// All that was collected.
#[derive(Debug, Default)]
pub struct Collected {
    pub(crate) hosts: HashMap<Addr, Host>,
    /// The hosts as leases and asset file name them.
    pub(crate) machines: HashMap<Addr, Machine>,
    pub(crate) places: HashMap<Place, Known>,
    pub(crate) inside_hosts: u64,
    /// Of all flows of the input near any of the alerts, whoever's.
    pub(crate) seconds: Seconds,
}

impl Collected {
    /// What is known of a host.
    pub(crate) fn machine(&self, host: IpAddr) -> Machine {
        let known = self.machines.get(&Addr::from(host)).cloned();
        known.unwrap_or_else(|| Machine::new(host.into(), &Assets::default(), (None, None)))
    }
}

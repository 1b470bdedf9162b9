//! What a source asks the DNS for: names by domain and by server, domains that do not exist, flows to port 53.
//!
//! A bucket holds all look-ups and flows of its clients. Look-ups are sorted, so nothing depends on who came first; the
//! dear part, whether a name was visited, is asked of those only that would be found without it.

use std::collections::BTreeMap;

use flowlore_common::suffixes::Suffixes;
use hashbrown::HashSet;

mod known;

use self::known::{Inside, NO_SITE, Names, Visits, is_shown, is_special, is_turned_address};
use super::{
    bucket::{Asked, Bucket},
    fold::first_flows,
    group::{Gathered, Groups},
    part::{Candidate, Matter, Part, Where},
};
use crate::{
    detect::{
        Score,
        dga::{DOMAINS_MIN, Missing},
        dns::{self, NAMES_MIN, Name, Scope, Zone},
        dns_flows::{self, Sessions},
    },
    direction::Home,
    limits::{ADDRESSES_MAX, DNS_SAMPLE_NAMES_MAX},
    naming::NamedBy,
    packed::{Addr, Uid, mix_bytes},
    pair::{Grouping, Hints, Totals},
    stats::entropy::centibits,
};

/// Response code for a name that does not exist (RFC 1035).
const NXDOMAIN: u8 = 3;
/// A domain of at most so many names gives them nothing in common. [ours]
const COMMON_DOMAIN_NAMES: usize = 3;
/// Ports at which neighbours are asked: NetBIOS, mDNS, LLMNR.
const NEIGHBOUR_PORTS: [u16; 3] = [137, 5353, 5355];

/// Finds what look-ups show.
pub(super) fn find(bucket: &Bucket, groups: &Groups, home: &Home, part: &mut Part) {
    let asking: HashSet<Addr> = bucket.queries.iter().map(|query| query.client).collect();
    find_sessions(bucket, groups, &asking, part);
    if bucket.queries.is_empty() {
        return;
    }
    let names = Names::new(bucket);
    let mut asked: Vec<(u32, &Asked)> = bucket
        .queries
        .iter()
        .filter(|query| !NEIGHBOUR_PORTS.contains(&query.port))
        .map(|query| (names.site(query.name), query))
        .collect();
    asked.sort_unstable_by_key(|&(site, query)| (query.client, site, *query));
    let (mut visits, inside) = (None, Inside::new(bucket, home));
    for of_client in asked.chunk_by(|a, b| a.1.client == b.1.client) {
        let client = Client { bucket, names: &names, inside: &inside, asked: of_client };
        client.count(part);
        client.missing(part);
        client.zones(&mut visits, part);
    }
}

/// The look-ups of one client, by site, then name.
struct Client<'a> {
    bucket: &'a Bucket,
    names: &'a Names<'a>,
    inside: &'a Inside<'a>,
    asked: &'a [(u32, &'a Asked)],
}

impl<'a> Client<'a> {
    fn address(&self) -> Addr {
        self.asked[0].1.client
    }

    fn sites(&self) -> impl Iterator<Item = &'a [(u32, &'a Asked)]> + use<'a> {
        self.asked.chunk_by(|a, b| a.0 == b.0)
    }

    /// Which domains an inside host asks for.
    fn count(&self, part: &mut Part) {
        if self.inside.client(self.address()) {
            for of_site in self.sites().filter(|of_site| of_site[0].0 != NO_SITE) {
                *part.asked.entry_ref(self.names.texts[of_site[0].0 as usize]).or_default() += 1;
            }
        }
    }

    /// Domains none of whose names resolved.
    fn missing(&self, part: &mut Part) {
        let domains = || {
            self.sites().filter(|of_site| {
                of_site[0].0 != NO_SITE && !is_special(self.names.texts[of_site[0].0 as usize])
            })
        };
        let failed = || {
            domains()
                .filter(|of_site| of_site.iter().all(|(_, query)| query.rcode == Some(NXDOMAIN)))
        };
        if failed().count() < DOMAINS_MIN {
            return;
        }
        let first_us =
            failed().filter_map(|of_site| of_site.iter().map(|(_, query)| query.time_us).min());
        let texts = failed().map(|of_site| self.names.texts[of_site[0].0 as usize]);
        let mut sample: Vec<(u64, &str)> = texts
            .filter(|text| is_shown(text))
            .map(|text| (mix_bytes(text.as_bytes()), text))
            .collect();
        sample.sort_unstable();
        sample.truncate(DNS_SAMPLE_NAMES_MAX);
        let sample = sample.into_iter().map(|(_, text)| text.into()).collect();
        let missing = Missing::new(first_us.collect(), domains().count() as u64, sample);
        if let Some(score) = missing.score() {
            let asked: Vec<&Asked> = failed().flatten().map(|(_, query)| *query).collect();
            let server = most_asked(&asked);
            let candidate = self.candidate(
                vec![score],
                &asked,
                Where::Address(server),
                Matter::Missing(Box::new(missing)),
            );
            part.keep(candidate, self.bucket);
        }
    }

    /// A zone for each domain, and one for each server of names without a common domain.
    fn zones(&self, visits: &mut Option<Visits>, part: &mut Part) {
        let mut apart: BTreeMap<Addr, Vec<&Asked>> = BTreeMap::new();
        for of_site in self.sites() {
            let site = of_site[0].0;
            let asked: Vec<&Asked> = of_site.iter().map(|(_, query)| *query).collect();
            let names = asked.chunk_by(|a, b| a.name == b.name).count();
            if site != NO_SITE && names >= NAMES_MIN {
                self.zone(Some(site), &asked, visits, part);
            } else if names <= COMMON_DOMAIN_NAMES && !self.is_listed(of_site) {
                asked
                    .into_iter()
                    .for_each(|query| apart.entry(query.server).or_default().push(query));
            }
        }
        for mut asked in apart.into_values() {
            asked.sort_unstable_by_key(|query| **query);
            self.zone(None, &asked, visits, part);
        }
    }

    /// `asked`: by name. `site`: the domain that the names have in common.
    fn zone(
        &self,
        site: Option<u32>,
        asked: &[&Asked],
        visits: &mut Option<Visits>,
        part: &mut Part,
    ) {
        let mut names: Vec<Name<'_>> = asked
            .chunk_by(|a, b| a.name == b.name)
            .filter(|of_name| !self.is_set_aside(of_name))
            .map(|of_name| self.name(site.is_some(), of_name))
            .collect();
        let domain = site.map(|site| self.names.texts[site as usize]);
        // A domain that cannot be shown is no place to point to; the server is.
        let scope = || match domain.filter(|domain| is_shown(domain)) {
            Some(domain) => Scope::Domain(domain.into()),
            None => Scope::Server,
        };
        let flows_seen = self.inside.has_flows(self.address());
        if Zone::new(scope(), &mut names, flows_seen).scores().is_empty() {
            return;
        }
        let visits = visits.get_or_insert_with(|| Visits::new(self.bucket));
        let mut names: Vec<Name<'_>> = asked
            .chunk_by(|a, b| a.name == b.name)
            .filter(|of_name| !self.is_set_aside(of_name))
            .map(|of_name| Name {
                visited: visits.visited(self.address(), of_name[0].name),
                address: visits.address(self.address(), of_name[0].name),
                ..self.name(site.is_some(), of_name)
            })
            .collect();
        let zone = Zone::new(scope(), &mut names, flows_seen);
        let scores = zone.scores();
        if scores.is_empty() {
            return;
        }
        let destination = match zone.domain() {
            Some(domain) => Where::Name(domain.into()),
            None => Where::Address(most_asked(asked)),
        };
        part.keep(
            self.candidate(scores, asked, destination, Matter::Zone(Box::new(zone))),
            self.bucket,
        );
    }

    /// All look-ups of a name together.
    fn name(&self, has_site: bool, of_name: &[&Asked]) -> Name<'a> {
        let number = of_name[0].name;
        let text = self.names.text(number);
        let message = if has_site { self.names.before_site(number) } else { text };
        // Characters are bytes: see `Bucket::take_query`.
        let bytes = |text: &str| -> Vec<u8> {
            text.chars().filter(|one| *one != '.').map(|one| one as u8).collect()
        };
        let message = bytes(message);
        let all = || of_name.iter();
        let odd =
            all().map(|query| query.qtype).filter(|qtype| !dns::is_ordinary_type(*qtype)).min();
        Name {
            shown: Some(text).filter(|text| is_shown(text)),
            first_us: all().map(|query| query.time_us).min().unwrap_or_default(),
            bytes: text.chars().count() as u32,
            message_bytes: message.len() as u32,
            centibits: centibits(&message),
            answer_bytes: all().map(|query| query.answer_bytes).max().unwrap_or(0),
            txt_centibits: all().map(|query| query.txt_centibits).max().unwrap_or(0),
            odd_type: odd.unwrap_or(0),
            underscored: text.split('.').any(|label| label.starts_with('_')),
            address: None,
            visited: false,
        }
    }

    /// Names that carry what everybody knows: addresses turned round, and names with the search list's domain behind.
    fn is_set_aside(&self, of_name: &[&Asked]) -> bool {
        let text = self.names.text(of_name[0].name);
        let before = self.names.before_site(of_name[0].name);
        let searched = || {
            of_name.iter().all(|query| query.rcode == Some(NXDOMAIN))
                && !Suffixes::shipped().lists(text)
                && Suffixes::shipped().lists(before)
        };
        text.ends_with(".arpa") || is_turned_address(text) || searched()
    }

    fn is_listed(&self, of_site: &[(u32, &Asked)]) -> bool {
        Suffixes::shipped().lists(self.names.text(of_site[0].1.name))
    }

    fn candidate(
        &self,
        scores: Vec<Score>,
        asked: &[&Asked],
        destination: Where,
        matter: Matter,
    ) -> Candidate {
        let client = self.address();
        let server = most_asked(asked);
        let uids: HashSet<Uid> =
            asked.iter().map(|query| query.uid).filter(|uid| *uid != Uid::NONE).collect();
        let of_asked = (0_u32..).zip(&self.bucket.flows);
        let of_asked = of_asked.filter(|(_, flow)| flow.orig == client && uids.contains(&flow.uid));
        let members: Vec<u32> = of_asked.map(|(at, _)| at).collect();
        let mut totals = Totals::default();
        members.iter().for_each(|&at| {
            let (flow, mark) = (&self.bucket.flows[at as usize], &self.bucket.marks[at as usize]);
            totals.count(flow, mark.category);
        });
        let times = || asked.iter().map(|query| query.time_us);
        totals.first_us = times().min().unwrap_or_default();
        totals.last_us = times().max().unwrap_or_default();
        let mut addresses: Vec<Addr> = asked.iter().map(|query| query.server).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        let inside = (self.inside.client(client), self.inside.server(server));
        // Whoever answers for a domain of the internet sits outside, though a server of ours is asked.
        let outward = matches!(&destination, Where::Name(name) if !is_special(name));
        Candidate {
            scores: scores.into(),
            matter,
            contacts: [].into(),
            grouping: if outward { Grouping::Name } else { Grouping::Address },
            source: client,
            destination,
            address: server,
            addresses: addresses.into(),
            port: most(asked.iter().map(|query| query.port)),
            transport: most(asked.iter().map(|query| query.transport)),
            direction: Home::direction(inside.0, inside.1 && !outward),
            named_by: if outward { NamedBy::Dns } else { NamedBy::None },
            totals,
            hints: Hints::default(),
            pivots: first_flows(self.bucket, &members),
        }
    }
}

/// The commonest value, the lowest of equals.
fn most<T: Ord + Copy + Default>(values: impl Iterator<Item = T>) -> T {
    let mut counts: BTreeMap<T, u64> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let most = counts.iter().max_by_key(|(value, count)| (**count, std::cmp::Reverse(**value)));
    most.map_or_else(T::default, |(value, _)| *value)
}

fn most_asked(asked: &[&Asked]) -> Addr {
    most(asked.iter().map(|query| query.server))
}

/// Flows to port 53 by themselves.
fn find_sessions(bucket: &Bucket, groups: &Groups, asking: &HashSet<Addr>, part: &mut Part) {
    for (group, members, _) in groups.iter().filter(|(group, ..)| group.key.port == dns_flows::PORT)
    {
        let names_logged = asking.contains(&group.key.source);
        let mut sessions = Sessions { names_logged, ..Sessions::default() };
        members.iter().for_each(|&at| sessions.add(&bucket.flows[at as usize]));
        let scores = sessions.scores(group.key.direction);
        if !scores.is_empty() {
            part.keep(session(bucket, (group, members), scores, sessions), bucket);
        }
    }
}

fn session(
    bucket: &Bucket,
    (group, members): (&Gathered, &[u32]),
    scores: Vec<Score>,
    sessions: Sessions,
) -> Candidate {
    let key = &group.key;
    // A name that the server has plays no part.
    let address = most(members.iter().map(|&at| bucket.flows[at as usize].resp));
    Candidate {
        scores: scores.into(),
        matter: Matter::Sessions(sessions),
        contacts: [].into(),
        grouping: Grouping::Address,
        source: key.source,
        destination: Where::Address(address),
        address,
        addresses: [address].into(),
        port: key.port,
        transport: key.transport,
        direction: key.direction,
        named_by: NamedBy::None,
        totals: group.totals.clone(),
        hints: Hints::default(),
        pivots: first_flows(bucket, members),
    }
}

//! Tunnels in DNS: names that carry data to whoever answers for a domain.
//!
//! Question: how many different names under one domain did this source ask for without ever going where they lead, how
//! much do they carry, and are their types and answers those of a channel? Asked of a source and a *zone*: a registrable
//! domain, or, where names have no domain in common, the server that was asked.
//!
//! | behaviour | says |
//! |---|---|
//! | `c2_over_dns` | many names in a day [RITA], or many bytes of even letters in an hour [design, 2.7] |
//! | `dns_tunnel_oversize` | questions or answers beyond ordinary sizes [AnDNS] |
//! | `dns_txt_high_entropy` | TXT answers like encrypted text [Slips] |
//! | `dns_odd_qtype` | types that clients have no use for [AnDNS] |
//!
//! Everything is counted over *different* names, so that a look-up that stands twice in the input counts once. A name
//! that led to a contact is a look-up and no message, and is left out [ours, after RITA, which asks for connections to
//! what was resolved]. ATT&CK T1071.004, T1572, T1048.003.

mod tell;

use flowlore_common::label::Behaviour;

use super::Score;
use crate::limits::{DNS_SAMPLE_NAMES_MAX, DNS_TYPES_MAX};
use crate::packed::{Addr, mix_bytes};
use crate::score::{self, Steps};
use crate::stats;

/// Names under one domain within a day. [RITA: 100, 500, 800, 1,000 subdomains]
const NAME_STEPS: Steps = Steps { base: 100, low: 500, medium: 800, high: 1_000 };
/// Most that a count of names alone gives, thousandths: medium. [ours: crawlers, monitoring and mail filters ask for
/// thousands of short names; a channel has to carry something]
const COUNT_ALONE_MILLI: u16 = 400;
/// Base score, thousandths, of names that carry data: high when rare. [design, 2.14: c2_* of 0.6]
const CARRIES_MILLI: u16 = 600;
/// What names that carry data are, within an hour: so many of them, [design, 2.7]
const CARRIER_NAMES_MIN: u64 = 20;
/// with so many bytes in all,
const CARRIER_BYTES_MIN: u64 = 10_000;
/// and this entropy before the domain, hundredths of a bit a character, longer names counting more: a channel sends
/// short keep-alives between its messages. [design: 3.5; the weight: ours]
const CARRIER_CENTIBITS_MIN: u64 = 350;
/// From one visited name to so many unvisited ones on, a domain is a site that people visit. [ours]
const VISITED_SHARE: u64 = 4;
/// Bytes of a question message. [AnDNS: more than 90]
const QUESTION_BYTES_MAX: u32 = 90;
/// Bytes of a question beside its name: header, length of the first label and end of the name, type and class
/// (RFC 1035); options are not counted.
const QUESTION_OTHER_BYTES: u32 = 12 + 2 + 4;
/// Bytes of a response. [AnDNS: more than 544]
const ANSWER_BYTES_MAX: u32 = 544;
/// Entropy of a TXT answer, hundredths of a bit a character. [Slips: 5 bits]
const TXT_CENTIBITS_MIN: u16 = 500;
/// So many different names make long names, or odd types, a habit. [ours: one is a long name]
const HABIT_NAMES_MIN: u64 = 10;
/// So many different names make TXT answers a habit; one holds more than a name does. [ours]
const TXT_NAMES_MIN: u64 = 4;
/// From so many names of a domain on it is looked at: the lowest number at which something is found.
pub(crate) const NAMES_MIN: usize = TXT_NAMES_MIN as usize;
/// Base score of a hint, thousandths: low.
const HINT_MILLI: u16 = 200;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// Types that clients ask for in the ordinary course. [AnDNS: A, SOA, PTR, TXT, AAAA, LOC's place 32 and SRV; ours
/// beside: NS, DS, DNSKEY and the like of validating resolvers, SVCB and HTTPS of browsers (RFC 9460), CAA]
const ORDINARY_TYPES: [u16; 14] = [1, 2, 6, 12, 16, 28, 32, 33, 43, 46, 48, 64, 65, 257];

/// Whether a client asks for a type in the ordinary course; 0 is a type that the log does not say.
pub(crate) fn is_ordinary_type(qtype: u16) -> bool {
    qtype == 0 || ORDINARY_TYPES.contains(&qtype)
}

/// Domains of services that are asked by data in names, as their operators describe them: lists of mail senders and of
/// sites, reputation of files and addresses. Not complete, and no proof of anything: they are held at low.
const ASKED_IN_NAMES: [&str; 12] = [
    "barracudacentral.org",
    "cymru.com",
    "dnswl.org",
    "e5.sk",
    "mailspike.net",
    "mcafee.com",
    "sophosxl.net",
    "spamcop.net",
    "spamhaus.net",
    "spamhaus.org",
    "surbl.org",
    "uribl.com",
];

/// A name that a client asked for, all its look-ups together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    /// As text, for a person; `None` when it cannot be shown.
    pub(crate) shown: Option<&'a str>,
    /// First look-up, microseconds since 1970 UTC.
    pub(crate) first_us: i64,
    /// Bytes of the whole name.
    pub(crate) bytes: u32,
    /// Bytes before the domain, without dots.
    pub(crate) message_bytes: u32,
    /// Entropy of these, hundredths of a bit a byte.
    pub(crate) centibits: u16,
    /// Largest response, bytes.
    pub(crate) answer_bytes: u32,
    /// Highest entropy of a TXT answer, hundredths of a bit a character.
    pub(crate) txt_centibits: u16,
    /// A type that is not ordinary; 0: none.
    pub(crate) odd_type: u16,
    /// A label begins with `_`: a name by which services publish texts (RFC 8552).
    pub(crate) underscored: bool,
    /// An address that it resolved to.
    pub(crate) address: Option<Addr>,
    /// The client then contacted what it resolved to.
    pub(crate) visited: bool,
}

/// What the names of a zone have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A registrable domain.
    Domain(Box<str>),
    /// The server that was asked; names have no domain in common.
    Server,
}

/// The busiest hour of names by the bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hour {
    pub(crate) names: u64,
    pub(crate) bytes: u64,
    /// Mean of the names' entropies, longer ones counting more.
    pub(crate) centibits: u64,
}

impl Hour {
    const fn carries(&self) -> bool {
        self.names >= CARRIER_NAMES_MIN
            && self.bytes >= CARRIER_BYTES_MIN
            && self.centibits >= CARRIER_CENTIBITS_MIN
    }
}

/// All that a source asked of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) scope: Scope,
    /// Different names, those that were visited left out.
    pub(crate) names: u64,
    /// Names that were visited.
    pub(crate) visited: u64,
    /// Most names first asked for within 24 hours.
    pub(crate) peak_day: u64,
    pub(crate) hour: Hour,
    /// Names whose question is longer than ordinary.
    pub(crate) long_questions: u64,
    /// Names whose response is.
    pub(crate) long_answers: u64,
    /// The longest name, bytes.
    pub(crate) longest_bytes: u32,
    /// Names with a TXT answer of high entropy.
    pub(crate) txt: u64,
    /// Names asked for by types that are not ordinary, and these types, ascending.
    pub(crate) odd: u64,
    pub(crate) odd_types: Vec<u16>,
    /// Whether the input has flows of the source, so that a visit would have been seen.
    pub(crate) visits_seen: bool,
    /// Some names, those with the lowest hashes, and what they resolved to.
    pub(crate) sample: Vec<(Box<str>, Option<Addr>)>,
}

impl Zone {
    /// What these names add up to; `names` in any order.
    pub(crate) fn new(scope: Scope, names: &mut [Name<'_>], visits_seen: bool) -> Self {
        names.sort_unstable_by_key(|name| (name.first_us, name.bytes, name.centibits, name.shown));
        let unvisited = || names.iter().filter(|name| !name.visited);
        let count =
            |holds: fn(&Name<'_>) -> bool| unvisited().filter(|name| holds(name)).count() as u64;
        let mut odd_types: Vec<u16> =
            unvisited().map(|name| name.odd_type).filter(|odd| *odd != 0).collect();
        odd_types.sort_unstable();
        odd_types.dedup();
        odd_types.truncate(DNS_TYPES_MAX);
        let mut sample: Vec<(u64, &str, Option<Addr>)> = unvisited()
            .filter_map(|name| Some((name.shown?, name.address)))
            .map(|(name, address)| (mix_bytes(name.as_bytes()), name, address))
            .collect();
        sample.sort_unstable();
        sample.truncate(DNS_SAMPLE_NAMES_MAX);
        Self {
            scope,
            names: unvisited().count() as u64,
            visited: names.iter().filter(|name| name.visited).count() as u64,
            peak_day: stats::most_within(unvisited().map(|name| name.first_us), DAY_US),
            hour: busiest_hour(&unvisited().collect::<Vec<_>>()),
            long_questions: count(|name| name.bytes + QUESTION_OTHER_BYTES > QUESTION_BYTES_MAX),
            long_answers: count(|name| name.answer_bytes > ANSWER_BYTES_MAX),
            longest_bytes: unvisited().map(|name| name.bytes).max().unwrap_or(0),
            txt: count(|name| !name.underscored && name.txt_centibits >= TXT_CENTIBITS_MIN),
            odd: count(|name| !name.underscored && name.odd_type != 0),
            odd_types,
            visits_seen,
            sample: sample.into_iter().map(|(_, name, address)| (name.into(), address)).collect(),
        }
    }

    /// What it shows, in the order of the behaviours' numbers.
    pub(crate) fn scores(&self) -> Vec<Score> {
        // People visit it: what they did not go to was fetched ahead or is a part of a page.
        if self.visited * VISITED_SHARE >= self.names {
            return Vec::new();
        }
        let base = self.channel_milli();
        // Every resolver is asked for names without a common domain: only a channel makes more of that.
        if base == 0 && self.scope == Scope::Server {
            return Vec::new();
        }
        let long = self.long_questions.max(self.long_answers);
        let hint = |holds: bool| if holds { HINT_MILLI } else { 0 };
        let all = [
            (Behaviour::C2OverDns, base),
            (Behaviour::DnsTunnelOversize, hint(long >= HABIT_NAMES_MIN)),
            (Behaviour::DnsTxtHighEntropy, hint(self.txt >= TXT_NAMES_MIN)),
            (Behaviour::DnsOddQtype, hint(self.odd >= HABIT_NAMES_MIN)),
        ];
        let found = all.into_iter().filter(|(_, base_milli)| *base_milli > 0);
        found.map(|(behaviour, base_milli)| Score { behaviour, base_milli }).collect()
    }

    /// The same when `visited` names of the sample were visited by others inside: whoever asks for others, as resolvers
    /// do, visits nothing itself.
    pub(crate) fn scores_beside(&self, visited: usize) -> Vec<Score> {
        if visited > 0 && visited * 2 >= self.sample.len() {
            return Vec::new();
        }
        let most = if visited > 0 { COUNT_ALONE_MILLI } else { u16::MAX };
        let held = |score: Score| Score { base_milli: score.base_milli.min(most), ..score };
        self.scores().into_iter().map(held).collect()
    }

    /// Base score of `c2_over_dns`.
    fn channel_milli(&self) -> u16 {
        let by_count = match self.scope {
            Scope::Domain(_) => score::bucket(self.peak_day, &NAME_STEPS),
            Scope::Server => 0,
        };
        let base = if self.hour.carries() { by_count.max(CARRIES_MILLI) } else { by_count };
        let most = if self.domain().is_some_and(is_asked_in_names) {
            HINT_MILLI
        } else if self.hour.carries() && self.visits_seen && self.visited == 0 {
            u16::MAX
        } else {
            COUNT_ALONE_MILLI
        };
        base.min(most)
    }

    /// The domain, if names have one in common.
    pub(crate) fn domain(&self) -> Option<&str> {
        match &self.scope {
            Scope::Domain(domain) => Some(domain),
            Scope::Server => None,
        }
    }
}

/// Whether it is one of [`ASKED_IN_NAMES`].
fn is_asked_in_names(domain: &str) -> bool {
    ASKED_IN_NAMES.binary_search(&domain).is_ok()
}

/// The hour with most bytes, of names in order of time.
fn busiest_hour(names: &[&Name<'_>]) -> Hour {
    let (mut from, mut bytes, mut message, mut weighed) = (0, 0_u64, 0_u64, 0_u64);
    let mut busiest = Hour::default();
    let weight = |name: &Name<'_>| u64::from(name.message_bytes) * u64::from(name.centibits);
    for (at, name) in names.iter().enumerate() {
        bytes += u64::from(name.bytes);
        message += u64::from(name.message_bytes);
        weighed += weight(name);
        while name.first_us.saturating_sub(names[from].first_us) >= HOUR_US {
            bytes -= u64::from(names[from].bytes);
            message -= u64::from(names[from].message_bytes);
            weighed -= weight(names[from]);
            from += 1;
        }
        if bytes > busiest.bytes {
            let names = (at + 1 - from) as u64;
            busiest = Hour { names, bytes, centibits: weighed / message.max(1) };
        }
    }
    busiest
}

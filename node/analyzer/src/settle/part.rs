//! What settled buckets add up to. Everything here merges in any order: sums, sets, and a top list
//! under a total order.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use flowlore_common::{
    label::{Behaviour, Direction},
    time::Day,
};
use hashbrown::{HashMap, HashSet};
use serde::Serialize;

use super::{
    bucket::{Bucket, Lease},
    destination::Destination,
    logons::Identity,
};
use crate::{
    coverage,
    detect::{
        Score,
        dga::Missing,
        dns::Zone,
        dns_flows::Sessions,
        download_then_c2::Chain,
        exfil_pcr_shift::{Exchanged, Giving},
        exfil_volume::Upload,
        habits::Habit,
        lateral_movement::Lateral,
        login_failures_then_success::Guessed,
        phishing_page_visit::Visit,
        scan::Sweep,
        ssh_success_inferred::Inferred,
    },
    naming::NamedBy,
    packed::{Addr, Uid},
    pair::{Contact, Group, Grouping, Hints, Totals},
};

/// Records of one file that became flows, and those that stood elsewhere too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileCounts {
    pub(crate) flows: u64,
    pub(crate) duplicates: u64,
}

/// Sums over flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sums {
    pub(crate) flows: u64,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) packets_out: u64,
    pub(crate) packets_in: u64,
}

impl Sums {
    pub(crate) fn of(totals: &Totals) -> Self {
        Self {
            flows: totals.flows,
            bytes_out: totals.bytes_out,
            bytes_in: totals.bytes_in,
            packets_out: totals.packets_out,
            packets_in: totals.packets_in,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.flows += other.flows;
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.packets_out = self.packets_out.saturating_add(other.packets_out);
        self.packets_in = self.packets_in.saturating_add(other.packets_in);
    }

    pub(crate) fn less(self, other: Self) -> Self {
        Self {
            flows: self.flows - other.flows,
            bytes_out: self.bytes_out.saturating_sub(other.bytes_out),
            bytes_in: self.bytes_in.saturating_sub(other.bytes_in),
            packets_out: self.packets_out.saturating_sub(other.packets_out),
            packets_in: self.packets_in.saturating_sub(other.packets_in),
        }
    }
}

/// A destination: a name, or the address of one that has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Where {
    Name(Box<str>),
    Address(Addr),
    /// So many hosts, that have in common that they were tried.
    Many(u64),
}

impl std::fmt::Display for Where {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
            Self::Many(hosts) => write!(f, "{hosts} hosts"),
        }
    }
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) source: Addr,
    pub(crate) destination: Where,
    pub(crate) port: u16,
    pub(crate) transport: u8,
    pub(crate) grouping: Grouping,
    pub(crate) direction: Direction,
    pub(crate) sums: Sums,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
}

impl Row {
    fn bytes(&self) -> u64 {
        self.sums.bytes_out.saturating_add(self.sums.bytes_in)
    }

    /// Most bytes first; equal ones by who and where.
    fn before(&self, other: &Self) -> std::cmp::Ordering {
        let key = |row: &Self| (row.source, row.port, row.transport, row.grouping, row.direction);
        (Reverse(self.bytes()), &self.destination, key(self)).cmp(&(
            Reverse(other.bytes()),
            &other.destination,
            key(other),
        ))
    }
}

/// The conversations with most bytes.
#[derive(Debug, Default)]
struct Top {
    rows: Vec<Row>,
    limit: Option<usize>,
    /// Conversations below this many bytes cannot be among them any more.
    floor: u64,
}

impl Top {
    fn push(&mut self, bytes: u64, row: impl FnOnce() -> Row) {
        if bytes < self.floor {
            return;
        }
        self.rows.push(row());
        // Twice the limit, so that sorting is seldom.
        if self.limit.is_some_and(|limit| self.rows.len() > 2 * limit + 64) {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.rows.sort_unstable_by(Row::before);
        let Some(limit) = self.limit else { return };
        if self.rows.len() > limit {
            self.rows.truncate(limit);
            self.floor = self.rows.last().map_or(0, Row::bytes);
        }
    }
}

/// What other tools find a flow by, beside what its group has in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pivot {
    pub(crate) uid: Uid,
    pub(crate) resp: Addr,
    pub(crate) orig_port: u16,
    pub(crate) resp_port: u16,
}

/// What a candidate's detectors looked at, as much of it as their sentences need.
#[derive(Clone, Debug)]
pub(crate) enum Matter {
    /// The candidate's own contacts and sums.
    Pair,
    /// Many groups of one source.
    Scan(Box<Sweep>),
    /// Names of a zone.
    Zone(Box<Zone>),
    /// Flows to a server's port 53.
    Sessions(Sessions),
    /// Domains that do not exist.
    Missing(Box<Missing>),
    /// A download and a channel after it.
    Chain(Box<Chain>),
    /// Sums over the ports of a destination.
    Upload(Box<Upload>),
    /// Log-ons of a source with a target.
    Guessed(Box<Guessed>),
    /// Sessions with inside hosts by administrators' ports.
    Lateral(Box<Lateral>),
    /// What a source does that is no attack by itself.
    Habit(Box<Habit>),
    /// An SSH session after many short ones.
    Inferred(Inferred),
    /// What a source gave to the outside.
    Giving(Giving),
    /// A page that lures, and what was sent after it.
    Page(Box<Visit>),
}

/// Something that a detector found, kept until its surroundings are known. What the report lists is
/// found again then, with its sentences: numbers are much smaller.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// What detectors found: at least one, but for what other findings of the source or its history are to decide.
    pub(crate) scores: Box<[Score]>,
    pub(crate) matter: Matter,
    pub(crate) contacts: Box<[Contact]>,
    pub(crate) grouping: Grouping,
    pub(crate) source: Addr,
    pub(crate) destination: Where,
    /// The one contacted most.
    pub(crate) address: Addr,
    /// The lowest ones, ascending.
    pub(crate) addresses: Box<[Addr]>,
    pub(crate) port: u16,
    pub(crate) transport: u8,
    pub(crate) direction: Direction,
    pub(crate) named_by: NamedBy,
    pub(crate) totals: Totals,
    pub(crate) hints: Hints,
    /// The first flows.
    pub(crate) pivots: Box<[Pivot]>,
}

impl Candidate {
    /// When what a behaviour is about began: the file, the session; else the first contact.
    pub(crate) fn begun_us(&self, behaviour: Behaviour) -> i64 {
        let Hints { files, sessions, .. } = &self.hints;
        let began = match behaviour {
            Behaviour::MaliciousDownload => files.as_ref().map(|files| files.received_us),
            Behaviour::InteractiveC2Channel => sessions.as_ref().map(|one| one.first_us),
            _ => None,
        };
        // A list of files of which none came has no time.
        began.filter(|us| *us < i64::MAX).unwrap_or(self.totals.first_us)
    }

    /// The group again.
    pub(crate) fn group(&self) -> Group<'_> {
        Group {
            grouping: self.grouping,
            source: self.source.into(),
            host: match &self.destination {
                Where::Name(name) => Some(name),
                Where::Address(_) | Where::Many(_) => None,
            },
            address: self.address.into(),
            port: self.port,
            transport: self.transport,
            direction: self.direction,
            contacts: &self.contacts,
            totals: self.totals.clone(),
            hints: self.hints.clone(),
        }
    }
}

/// Attempts from outside that got no answer with data, in a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    pub(crate) probes: u64,
    /// Sources live in one bucket each, so their numbers add up.
    pub(crate) sources: u64,
    /// Attempts that got a packet back: a refusal or an open port.
    pub(crate) answered: u64,
    pub(crate) ports: BTreeMap<u16, u64>,
}

/// Sums, sets and lists over settled buckets.
#[derive(Default)]
pub struct Part {
    pub(crate) files: Vec<FileCounts>,
    pub(crate) sums: Sums,
    /// By the category's number; index 0 is not used.
    pub(crate) categories: [u64; 30],
    pub(crate) coverage: coverage::Tally,
    pub(crate) inside: HashSet<Addr>,
    pub(crate) named: HashMap<Box<str>, Destination>,
    pub(crate) addressed: HashMap<Addr, Destination>,
    pub(crate) probes: BTreeMap<Day, Probes>,
    /// Inside hosts that asked for names of a domain. A client lives in one bucket, so their numbers add up.
    pub(crate) asked: HashMap<Box<str>, u32>,
    /// Each on its own, so that putting parts together moves pointers only.
    pub(crate) candidates: Vec<Arc<Candidate>>,
    /// Texts of the uids that candidates point to and that do not fit into a number.
    pub(crate) odd_uids: BTreeMap<Uid, Box<str>>,
    /// The latest lease of each address.
    pub(crate) leases: BTreeMap<Addr, Lease>,
    /// What hosts exchanged with the outside a day, where a history is kept. A client lives in one bucket.
    pub(crate) exchanged: BTreeMap<(Addr, Day), Exchanged>,
    /// What log-ons say of inside hosts.
    pub(crate) identities: BTreeMap<Addr, Identity>,
    pub(crate) conversations: u64,
    /// Outbound flows without a packet back.
    pub(crate) unanswered: u64,
    top: Top,
}

impl Part {
    pub(crate) fn limit_conversations(&mut self, limit: Option<usize>) {
        self.top.limit = limit;
    }

    fn file(&mut self, file: u32) -> &mut FileCounts {
        let at = file as usize;
        if self.files.len() <= at {
            self.files.resize(at + 1, FileCounts::default());
        }
        &mut self.files[at]
    }

    pub(crate) fn count_flow(&mut self, file: u32) {
        self.file(file).flows += 1;
    }

    pub(crate) fn count_duplicate(&mut self, file: u32) {
        self.file(file).duplicates += 1;
    }

    pub(crate) fn converse(&mut self, sums: Sums, row: impl FnOnce() -> Row) {
        self.conversations += 1;
        self.sums.add(sums);
        self.top.push(sums.bytes_out.saturating_add(sums.bytes_in), row);
    }

    pub(crate) fn add_name(&mut self, name: &str, destination: &Destination) {
        self.named.entry_ref(name).or_default().merge(destination);
    }

    pub(crate) fn add_address(&mut self, address: Addr, destination: &Destination) {
        self.addressed.entry(address).or_default().merge(destination);
    }

    pub(crate) fn lease(&mut self, address: Addr, lease: Lease) {
        let known = self.leases.entry(address).or_insert_with(|| lease.clone());
        if *known < lease {
            *known = lease;
        }
    }

    /// Keeps a candidate, and what its uids are when they do not fit into a number.
    pub(crate) fn keep(&mut self, candidate: Candidate, bucket: &Bucket) {
        for pivot in candidate.pivots.iter().filter(|pivot| pivot.uid.is_hashed()) {
            if let Some(text) = bucket.odd_uids.get(&pivot.uid) {
                self.odd_uids.insert(pivot.uid, text.clone());
            }
        }
        self.candidates.push(Arc::new(candidate));
    }

    /// The sensor's name of a flow, as its log wrote it.
    pub(crate) fn uid_text(&self, uid: Uid) -> String {
        let odd = || self.odd_uids.get(&uid).map(|text| text.to_string());
        uid.text().or_else(odd).unwrap_or_default()
    }

    /// The listed conversations, in the report's order.
    pub(crate) fn top(&mut self) -> Vec<Row> {
        self.top.trim();
        std::mem::take(&mut self.top.rows)
    }

    /// Puts two parts together.
    pub fn merge(&mut self, mut other: Self) {
        // The smaller goes into the larger, whose table need not grow much then.
        if other.addressed.len() > self.addressed.len() {
            std::mem::swap(&mut self.addressed, &mut other.addressed);
        }
        if other.named.len() > self.named.len() {
            std::mem::swap(&mut self.named, &mut other.named);
        }
        if self.top.limit.is_none() {
            self.top.limit = other.top.limit;
        }
        for (file, counts) in (0..).zip(other.files) {
            let mine = self.file(file);
            mine.flows += counts.flows;
            mine.duplicates += counts.duplicates;
        }
        self.sums.add(other.sums);
        for (mine, theirs) in self.categories.iter_mut().zip(other.categories) {
            *mine += theirs;
        }
        self.coverage.merge(other.coverage);
        self.inside.extend(other.inside);
        for (name, destination) in other.named {
            self.named.entry(name).or_default().merge(&destination);
        }
        for (address, destination) in other.addressed {
            self.addressed.entry(address).or_default().merge(&destination);
        }
        if other.asked.len() > self.asked.len() {
            std::mem::swap(&mut self.asked, &mut other.asked);
        }
        for (domain, hosts) in other.asked {
            *self.asked.entry(domain).or_default() += hosts;
        }
        for (day, probes) in other.probes {
            let mine = self.probes.entry(day).or_default();
            mine.probes += probes.probes;
            mine.sources += probes.sources;
            mine.answered += probes.answered;
            for (port, count) in probes.ports {
                *mine.ports.entry(port).or_default() += count;
            }
        }
        self.candidates.extend(other.candidates);
        self.odd_uids.extend(other.odd_uids);
        self.exchanged.extend(other.exchanged);
        for (address, identity) in other.identities {
            self.identities.entry(address).or_default().merge(identity);
        }
        other.leases.into_iter().for_each(|(address, lease)| self.lease(address, lease));
        self.conversations += other.conversations;
        self.unanswered += other.unanswered;
        for row in other.top.rows {
            self.top.push(row.bytes(), || row);
        }
    }
}

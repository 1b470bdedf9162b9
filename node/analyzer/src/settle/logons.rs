//! What logs of log-ons say: who works where, and whether somebody guessed until it worked.

use std::collections::BTreeMap;

use super::{
    bucket::{Bucket, NO_NAME},
    fold::{first_flows, place},
    group::Groups,
    part::{Candidate, Matter, Part, Where},
};
use crate::{
    detect::login_failures_then_success::{FAILURES_MIN, Guessed, Try, guessed},
    direction::Home,
    flow,
    naming::NamedBy,
    packed::{Addr, mix_bytes},
    pair::{Grouping, Hints, Totals},
    record::LogonProtocol,
};

const TCP: u8 = 6;

/// A log-on whose outcome is known, by source, target and protocol, then time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    client: Addr,
    server: Addr,
    protocol: LogonProtocol,
    one: Try,
    port: u16,
}

/// What a log-on said, and when. Of two the greater counts: Kerberos knows its machines and people, others repeat what a
/// client says of itself; then the later one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    kerberos: bool,
    time_us: i64,
    pub(crate) protocol: LogonProtocol,
    pub(crate) text: Box<str>,
}

/// A machine as log-ons describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its name.
    pub(crate) machine: Option<Told>,
    /// Who logged on from it.
    pub(crate) user: Option<Told>,
}

impl Identity {
    pub(super) fn merge(&mut self, other: Self) {
        self.machine = self.machine.take().max(other.machine);
        self.user = self.user.take().max(other.user);
    }
}

/// The log-ons of a bucket.
#[derive(Default)]
pub(super) struct Logons {
    seen: Vec<Seen>,
    /// Users by what stands for them.
    users: BTreeMap<u64, Box<str>>,
    identities: BTreeMap<Addr, Identity>,
}

impl Logons {
    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.users.clear();
        self.identities.clear();
    }

    pub(super) fn take(&mut self, logon: &flow::Logon<'_>) {
        let flow::Logon { client, server, time_us, port, protocol, success, user, machine } =
            *logon;
        let hash = if user.is_empty() { 0 } else { mix_bytes(user.as_bytes()) | 1 };
        if let Some(success) = success {
            if success && hash != 0 {
                self.users.entry(hash).or_insert_with(|| user.into());
            }
            let one = Try { time_us, success, user: hash };
            self.seen.push(Seen { client, server, protocol, one, port });
        }
        let told = |text: &str| {
            let kerberos = protocol == LogonProtocol::Kerberos;
            (!text.is_empty()).then(|| Told { kerberos, time_us, protocol, text: text.into() })
        };
        // Whoever was refused may have named anybody.
        let user = told(user).filter(|_| success == Some(true));
        let machine = told(machine);
        if user.is_some() || machine.is_some() {
            self.identities.entry(client).or_default().merge(Identity { machine, user });
        }
    }

    /// Puts log-ons in order, each once: two sensors may have seen one.
    pub(super) fn sort(&mut self) {
        self.seen.sort_unstable();
        self.seen.dedup();
    }
}

/// Finds guessed log-ons, and tells `part` who works where.
pub(super) fn find(bucket: &Bucket, groups: &Groups, home: &Home, part: &mut Part) {
    let Logons { seen, users, identities } = &bucket.logons;
    for (client, identity) in identities.iter().filter(|(client, _)| home.holds(**client, None)) {
        part.identities.entry(*client).or_default().merge(identity.clone());
    }
    let matter = |one: &Seen| (one.client, one.server, one.protocol);
    for between in seen.chunk_by(|a, b| matter(a) == matter(b)) {
        if between.len() <= FAILURES_MIN {
            continue;
        }
        let tries: Vec<Try> = between.iter().map(|seen| seen.one).collect();
        let Some((from, at)) = guessed(&tries) else { continue };
        let refused = || tries[from..at].iter().filter(|one| !one.success);
        let mut named: Vec<u64> = refused().map(|one| one.user).filter(|user| *user != 0).collect();
        named.sort_unstable();
        named.dedup();
        let first_us = refused().map(|one| one.time_us).min().unwrap_or_default();
        let Seen { client, server, protocol, port, .. } = between[at];
        let ends = [client, server].map(|end| home.holds(end, None));
        let guessed = Guessed {
            protocol,
            direction: Home::direction(ends[0], ends[1]),
            failures: refused().count() as u64,
            users: named.len() as u64,
            user: users.get(&tries[at].user).cloned().unwrap_or_default(),
            took_us: u64::try_from(tries[at].time_us.saturating_sub(first_us)).unwrap_or(0),
        };
        let times = (first_us, tries[at].time_us);
        part.keep(candidate(bucket, groups, (client, server, port), times, guessed), bucket);
    }
}

fn candidate(
    bucket: &Bucket,
    groups: &Groups,
    (client, server, port): (Addr, Addr, u16),
    (first_us, last_us): (i64, i64),
    guessed: Guessed,
) -> Candidate {
    // The flows that carried it, where the input has them.
    let carried = (0..).zip(groups.iter()).filter(|(number, (group, ..))| {
        let key = &group.key;
        (key.source, key.port) == (client, port) && groups.address(bucket, *number) == server
    });
    let carried = carried.map(|(_, group)| group);
    let alone = Candidate {
        scores: [guessed.score()].into(),
        contacts: [].into(),
        grouping: Grouping::Address,
        source: client,
        destination: Where::Address(server),
        address: server,
        addresses: [server].into(),
        port,
        transport: TCP,
        direction: guessed.direction,
        named_by: NamedBy::None,
        totals: Totals { first_us, last_us, ..Totals::default() },
        hints: Hints::default(),
        pivots: [].into(),
        matter: Matter::Guessed(Box::new(guessed)),
    };
    match carried.min_by_key(|(group, ..)| (place(bucket, group.key.spot), group.key.transport)) {
        None => alone,
        Some((group, members, _)) => Candidate {
            destination: place(bucket, group.key.spot),
            grouping: if group.key.spot.name == NO_NAME {
                Grouping::Address
            } else {
                Grouping::Name
            },
            transport: group.key.transport,
            named_by: group.named_by,
            totals: group.totals.clone(),
            pivots: first_flows(bucket, members),
            ..alone
        },
    }
}

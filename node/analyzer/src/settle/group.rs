//! Flows of a bucket that belong together: same client, destination, port, transport, direction.

use flowlore_common::label::{Category, Direction};
use hashbrown::HashTable;

use super::bucket::{Bucket, NO_NAME};
use crate::{
    flow::{Flow, service},
    naming::NamedBy,
    packed::{Addr, mix},
    pair::{Contact, Grouping, Hints, Totals},
};

/// A destination within a bucket: a name's number, or an address without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spot {
    pub(super) name: u32,
    pub(super) address: Addr,
}

/// What the flows of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) source: Addr,
    pub(super) spot: Spot,
    pub(super) grouping: Grouping,
    pub(super) port: u16,
    pub(super) transport: u8,
    pub(super) direction: Direction,
}

impl Key {
    /// The key of a flow.
    pub(super) fn of(bucket: &Bucket, at: u32) -> Self {
        let (flow, mark) = (&bucket.flows[at as usize], &bucket.marks[at as usize]);
        let (spot, grouping) = if mark.name == NO_NAME {
            (Spot { name: NO_NAME, address: flow.resp }, Grouping::Address)
        } else {
            let proxied = mark.named_by == NamedBy::Connect;
            let grouping = if proxied { Grouping::Proxied } else { Grouping::Name };
            (Spot { name: mark.name, address: Addr::default() }, grouping)
        };
        Self {
            source: flow.orig,
            spot,
            grouping,
            port: flow.resp_port,
            transport: flow.transport,
            direction: mark.direction,
        }
    }

    fn hash(&self) -> u64 {
        let source = mix(self.source.0 as u64, (self.source.0 >> 64) as u64);
        let address = mix(self.spot.address.0 as u64, (self.spot.address.0 >> 64) as u64);
        let small = u64::from(self.spot.name) << 32
            | u64::from(self.port) << 16
            | u64::from(self.transport) << 8
            | (self.grouping as u64) << 4
            | self.direction as u64 & 15;
        mix(mix(source, address), small)
    }
}

/// A group: what its flows have in common, and what they add up to.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    pub(super) key: Key,
    pub(super) totals: Totals,
    pub(super) hints: Hints,
    /// Address of the first flow that came.
    pub(super) address: Addr,
    /// Others have other addresses.
    pub(super) more_addresses: bool,
    /// The surest way in which one of them was named.
    pub(super) named_by: NamedBy,
    /// Where its flows end among the members.
    end: usize,
}

impl Gathered {
    fn new(key: Key, address: Addr) -> Self {
        Self {
            key,
            totals: Totals::default(),
            hints: Hints::default(),
            address,
            more_addresses: false,
            named_by: NamedBy::None,
            end: 0,
        }
    }

    fn add(&mut self, flow: &Flow, category: Category, named_by: NamedBy) {
        let Self { totals, hints, .. } = self;
        totals.count(flow, category);
        hints.tls += u64::from(flow.services & (service::TLS | service::QUIC) != 0);
        hints.http += u64::from(flow.services & service::HTTP != 0);
        hints.ssh += u64::from(flow.services & service::SSH != 0);
        let said =
            matches!(named_by, NamedBy::Sni | NamedBy::Quic | NamedBy::Http | NamedBy::Connect);
        hints.client_named += u64::from(said);
        self.more_addresses |= flow.resp != self.address;
        self.named_by = self.named_by.min(named_by);
    }
}

/// The groups of a bucket. Buffers are used again for the next one.
///
/// Flows are looked at once, in the order in which they lie, and added to their groups: a few busy
/// groups have most of the flows and stay in the cache, whereas the flows of one group lie far apart.
/// What must be known of each flow of a group is dealt out afterwards, and is small.
#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Gathered>,
    /// The group of each flow, and the flow as a contact.
    dealt: Vec<(u32, Contact)>,
    /// Numbers of flows, those of a group together.
    members: Vec<u32>,
    /// Beside `members`, but each group's in order of time, then size.
    contacts: Vec<Contact>,
    index: HashTable<u32>,
}

impl Groups {
    pub(super) fn clear(&mut self) {
        self.groups.clear();
        self.dealt.clear();
        self.index.clear();
    }

    /// Adds the next flow to its group.
    pub(super) fn add(&mut self, bucket: &Bucket, at: u32) {
        let Self { groups, index, .. } = self;
        let (flow, mark) = (&bucket.flows[at as usize], &bucket.marks[at as usize]);
        let key = Key::of(bucket, at);
        let next = groups.len() as u32;
        let same = |&number: &u32| groups[number as usize].key == key;
        let hash = |&number: &u32| groups[number as usize].key.hash();
        let number = *index.entry(key.hash(), same, hash).or_insert(next).get();
        if number == next {
            groups.push(Gathered::new(key, flow.resp));
        }
        groups[number as usize].add(flow, mark.category, mark.named_by);
        self.dealt.push((number, contact(flow)));
    }

    /// Deals out the flows that were added.
    pub(super) fn deal(&mut self) {
        let Self { groups, dealt, members, contacts, .. } = self;
        // Starts first; they become ends while members are put in their places.
        let mut start = 0;
        for group in &mut *groups {
            group.end = start;
            start += group.totals.flows as usize;
        }
        members.resize(start, 0);
        contacts.resize(start, Contact { second: 0, bytes: 0 });
        for (at, &(number, contact)) in (0..).zip(&*dealt) {
            let end = &mut groups[number as usize].end;
            members[*end] = at;
            contacts[*end] = contact;
            *end += 1;
        }
        let mut start = 0;
        for group in &*groups {
            // Time, then size, compared as one number.
            let order = |one: &Contact| u64::from(one.second) << 32 | u64::from(one.bytes);
            contacts[start..group.end].sort_unstable_by_key(order);
            start = group.end;
        }
    }

    /// The place of a flow's group in [`Self::iter`].
    pub(super) fn of_flow(&self, at: u32) -> u32 {
        self.dealt[at as usize].0
    }

    /// A group by its place in [`Self::iter`], with the numbers of its flows.
    pub(super) fn at(&self, number: u32) -> (&Gathered, &[u32]) {
        let at = number as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.groups[before].end);
        let group = &self.groups[at];
        (group, &self.members[start..group.end])
    }

    /// The addresses of a group by its place, some perhaps several times.
    pub(super) fn addresses(&self, bucket: &Bucket, number: u32) -> impl Iterator<Item = Addr> {
        let (group, members) = self.at(number);
        let others = members.iter().filter(|_| group.more_addresses);
        let others = others.map(|&at| bucket.flows[at as usize].resp);
        std::iter::once(group.address).chain(others)
    }

    /// The lowest address of a group by its place, whichever flow came first.
    pub(super) fn address(&self, bucket: &Bucket, number: u32) -> Addr {
        self.addresses(bucket, number).min().unwrap_or_default()
    }

    /// The contacts of a group by its place.
    pub(super) fn contacts(&self, number: u32) -> &[Contact] {
        let at = number as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.groups[before].end);
        &self.contacts[start..self.groups[at].end]
    }

    /// Each group with the numbers of its flows and its contacts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Gathered, &[u32], &[Contact])> {
        let mut start = 0;
        self.groups.iter().map(move |group| {
            let range = start..group.end;
            start = group.end;
            (group, &self.members[range.clone()], &self.contacts[range])
        })
    }
}

fn contact(flow: &Flow) -> Contact {
    let second = flow.start_us.div_euclid(1_000_000).max(0);
    Contact {
        second: u32::try_from(second).unwrap_or(u32::MAX),
        bytes: u32::try_from(flow.orig_ip_bytes).unwrap_or(u32::MAX),
    }
}

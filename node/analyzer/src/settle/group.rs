//! Flows of a bucket that belong together: same client, destination, port, transport, direction.

use flowlore_common::label::Direction;
use hashbrown::HashTable;

use super::bucket::{Bucket, NO_NAME};
use crate::{
    naming::NamedBy,
    packed::{Addr, mix},
    pair::Grouping,
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

/// The groups of a bucket. Buffers are used again for the next one.
///
/// Flows are dealt out by a table of keys and not sorted: there are several of them to a group, and
/// most come in the order of time anyway.
#[derive(Default)]
pub(super) struct Groups {
    /// Key, and where the group's flows end among `members`.
    groups: Vec<(Key, usize)>,
    /// Numbers of flows, those of a group together.
    members: Vec<u32>,
    /// The group of each flow.
    group_of: Vec<u32>,
    index: HashTable<u32>,
}

impl Groups {
    /// Groups the flows of a bucket.
    pub(super) fn fill(&mut self, bucket: &Bucket) {
        let Self { groups, members, group_of, index } = self;
        groups.clear();
        group_of.clear();
        index.clear();
        for at in 0..bucket.flows.len() as u32 {
            let key = Key::of(bucket, at);
            let next = groups.len() as u32;
            let same = |&number: &u32| groups[number as usize].0 == key;
            let hash = |&number: &u32| groups[number as usize].0.hash();
            let number = *index.entry(key.hash(), same, hash).or_insert(next).get();
            if number == next {
                groups.push((key, 0));
            }
            groups[number as usize].1 += 1;
            group_of.push(number);
        }
        // Counts become starts, and starts become ends while members are put in their places.
        let mut start = 0;
        for (_, end) in &mut *groups {
            start += std::mem::replace(end, start);
        }
        members.resize(start, 0);
        for (at, &number) in (0..).zip(&*group_of) {
            let end = &mut groups[number as usize].1;
            members[*end] = at;
            *end += 1;
        }
    }

    /// Each group's key and flows.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &[u32])> {
        let mut start = 0;
        self.groups.iter().map(move |(key, end)| {
            let members = &self.members[start..*end];
            start = *end;
            (key, members)
        })
    }
}

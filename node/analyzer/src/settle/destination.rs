//! What is known of a destination. There may be as many destinations as flows, when somebody scans: one of one flow
//! takes some 90 bytes with its place in the table.

use crate::{
    limits::HISTORY_HOSTS_MAX,
    packed::{Addr, mix},
};

/// Flows by category.
#[derive(Clone, Debug, Default)]
pub(crate) enum Counts {
    /// No flow yet.
    #[default]
    None,
    /// All of one category, as most destinations have them.
    One(u8, u32),
    /// By the category's number.
    Many(Box<[u32; 30]>),
}

impl Counts {
    /// Flows of the category of this number; a counter that is full stays so.
    pub(crate) fn of(&self, category: usize) -> u32 {
        match self {
            Self::One(one, flows) if usize::from(*one) == category => *flows,
            Self::None | Self::One(..) => 0,
            Self::Many(all) => all[category],
        }
    }

    fn add(&mut self, category: u8, flows: u32) {
        match self {
            Self::None => *self = Self::One(category, flows),
            Self::One(one, mine) if *one == category => *mine = mine.saturating_add(flows),
            Self::One(one, mine) => {
                let mut all = Box::new([0; 30]);
                all[usize::from(*one)] = *mine;
                all[usize::from(category)] = flows;
                *self = Self::Many(all);
            }
            Self::Many(all) => {
                let mine = &mut all[usize::from(category)];
                *mine = mine.saturating_add(flows);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        match other {
            Self::None => {}
            Self::One(category, flows) => self.add(*category, *flows),
            Self::Many(all) => {
                let counted = (0..).zip(all.iter()).filter(|(_, flows)| **flows > 0);
                counted.for_each(|(category, flows)| self.add(category, *flows));
            }
        }
    }
}

/// Who contacts a destination.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) hosts: u32,
    pub(crate) inside_hosts: u32,
    pub(crate) flows: u64,
    /// Payload, from who opened the flow and back.
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) categories: Counts,
    /// Start of the first flow.
    pub(crate) first_us: i64,
    /// End of the last flow.
    pub(crate) last_us: i64,
    /// Some of the inside hosts, the ones with the lowest hashes; kept for a history only.
    #[expect(clippy::box_collection, reason = "a pointer where none are kept, and not three")]
    visitors: Option<Box<Vec<Addr>>>,
}

impl Default for Destination {
    fn default() -> Self {
        Self {
            hosts: 0,
            inside_hosts: 0,
            flows: 0,
            bytes_out: 0,
            bytes_in: 0,
            categories: Counts::None,
            first_us: i64::MAX,
            last_us: i64::MIN,
            visitors: None,
        }
    }
}

impl Destination {
    /// Adds flows of the category of this number.
    pub(crate) fn add_category(&mut self, category: u8, flows: u64) {
        self.categories.add(category, u32::try_from(flows).unwrap_or(u32::MAX));
    }

    /// The inside hosts that are kept.
    pub(crate) fn visitors(&self) -> &[Addr] {
        self.visitors.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Keeps an inside host.
    pub(crate) fn visit(&mut self, visitor: Addr) {
        let hash = |addr: &Addr| (mix(addr.0 as u64, (addr.0 >> 64) as u64), *addr);
        let visitors = self.visitors.get_or_insert_default();
        if let Err(at) = visitors.binary_search_by_key(&hash(&visitor), hash) {
            visitors.insert(at, visitor);
            visitors.truncate(HISTORY_HOSTS_MAX);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        other.visitors().iter().for_each(|&visitor| self.visit(visitor));
        self.hosts += other.hosts;
        self.inside_hosts += other.inside_hosts;
        self.flows += other.flows;
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.categories.merge(&other.categories);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_counted_whichever_way_they_come_together() {
        let counts = |some: &[(u8, u32)]| {
            let mut counts = Counts::default();
            some.iter().for_each(|&(category, flows)| counts.add(category, flows));
            counts
        };
        let all = |counts: &Counts| (0..30).map(|category| counts.of(category)).collect::<Vec<_>>();
        let parts =
            [&[][..], &[(3, 1)], &[(3, 2), (29, 1)], &[(3, u32::MAX)], &[(7, 1), (3, 1), (7, 4)]];
        for first in parts {
            for second in parts {
                let (mut one, mut other) = (counts(first), counts(second));
                let together = all(&counts(&[first, second].concat()));
                one.merge(&counts(second));
                other.merge(&counts(first));
                assert_eq!(all(&one), together);
                assert_eq!(all(&other), together);
            }
        }
    }

    #[test]
    fn a_destination_is_small() {
        assert!(size_of::<(Addr, Destination)>() <= 96, "{}", size_of::<(Addr, Destination)>());
    }
}

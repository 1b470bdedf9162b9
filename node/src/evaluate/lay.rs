//! A recording laid into a day of another network: its inside machines become machines of that day, its times times of
//! that day. What happens outside stays what it is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use flowlore_analyzer::direction::is_private;
use flowlore_analyzer::places::Places;
use flowlore_common::time;
use ipnet::IpNet;

use super::survey::Survey;
use super::truth::{Due, Recording};
use super::view::View;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// When a short recording begins: in the morning, with most of the day before it.
const BEGINS_US: i64 = 9 * HOUR_US;
/// Where servers outside go whose private addresses the recording's laboratory gave them (RFC 2544: benchmarks).
const LABORATORY: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The day that recordings are laid into.
pub(super) struct Day {
    pub(super) path: PathBuf,
    pub(super) home: Vec<IpNet>,
    pub(super) places: Arc<Places>,
    /// Inside machines that send something, ascending.
    machines: Vec<IpAddr>,
    start_us: i64,
}

/// What a recording becomes in the day.
pub(super) struct Laid {
    pub(super) view: View,
    pub(super) due: Vec<Due>,
}

impl Day {
    /// The day in this folder of a sample.
    pub(super) fn new(
        (path, day): (PathBuf, time::Day),
        home: &[IpNet],
        places: &Arc<Places>,
    ) -> anyhow::Result<Self> {
        let survey = Survey::read(&[(vec![path.clone()], View::default())])?;
        let inside = |address: &IpAddr| home.iter().any(|net| net.contains(address));
        let mut machines: Vec<IpAddr> = survey.flows.iter().map(|flow| flow.source).collect();
        machines.retain(|address| address.is_ipv4() && inside(address));
        machines.sort_unstable();
        machines.dedup();
        Ok(Self {
            path,
            home: home.to_vec(),
            places: Arc::clone(places),
            machines,
            start_us: i64::from(day.0) * DAY_US,
        })
    }

    /// Which day it is.
    pub(super) fn day(&self) -> time::Day {
        time::Day(u16::try_from(self.start_us / DAY_US).unwrap_or(0))
    }

    /// Lays a recording in. Of a long one the first 24 hours.
    pub(super) fn lay(&self, recording: &Recording, survey: &Survey) -> Laid {
        let addresses = Arc::new(self.addresses(recording, survey));
        let (first_us, last_us) = (survey.first_us.unwrap_or(0), survey.last_us.unwrap_or(0));
        let length_us = (last_us - first_us).min(DAY_US);
        let begins_us = BEGINS_US.min(DAY_US - length_us);
        let view = View {
            shift_us: self.start_us + begins_us - first_us,
            addresses: Arc::clone(&addresses),
            until_us: first_us.saturating_add(DAY_US - begins_us),
            ..View::default()
        };
        let mapped = |address: IpAddr| addresses.get(&address).copied().unwrap_or(address);
        let place = |place: &String| {
            place.parse().map_or_else(|_| place.clone(), |address| mapped(address).to_string())
        };
        let due = recording.due.iter().map(|due| Due {
            source: due.source.map(mapped),
            destinations: due.destinations.iter().map(place).collect(),
            ..due.clone()
        });
        Laid { view, due: due.collect() }
    }

    fn addresses(&self, recording: &Recording, survey: &Survey) -> BTreeMap<IpAddr, IpAddr> {
        let inside = |address: &IpAddr| recording.home.iter().any(|net| net.contains(address));
        let nobody = |address: &IpAddr| match address {
            IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
            IpAddr::V6(_) => true,
        };
        let mut new = BTreeMap::new();
        for net in recording.home.iter().filter(|net| net.prefix_len() < 31) {
            // To everybody there: to everybody here.
            let here = self.home.iter().find(|home| home.addr().is_ipv4());
            here.map(|here| new.insert(net.broadcast(), here.broadcast()));
        }
        // Whom the table names comes first, and gets a machine that has a life of its own.
        let named = recording.due.iter().filter_map(|due| due.source);
        let all = named.chain(survey.addresses.iter().copied());
        let mut machines = self.from(&recording.group);
        let mut laboratory = u32::from(LABORATORY)..;
        for address in all.filter(|address| !nobody(address)) {
            if new.contains_key(&address) {
                continue;
            }
            if inside(&address) {
                new.insert(address, machines.next().unwrap_or(address));
            } else if is_private(address.into()) {
                let next = laboratory.next().map_or(LABORATORY, Ipv4Addr::from);
                new.insert(address, next.into());
            }
        }
        new
    }

    /// Machines of the day, beginning somewhere that the name decides; then addresses that nobody has.
    fn from(&self, name: &str) -> impl Iterator<Item = IpAddr> {
        let digest = blake3::hash(name.as_bytes());
        let begin = usize::from(u16::from_le_bytes([digest.as_bytes()[0], digest.as_bytes()[1]]));
        let count = self.machines.len().max(1);
        let here = (0..self.machines.len()).map(move |at| self.machines[(begin + at) % count]);
        let net = self.home.iter().find_map(|net| match net {
            IpNet::V4(net) => Some(*net),
            IpNet::V6(_) => None,
        });
        let free = net.into_iter().flat_map(|net| net.hosts()).map(IpAddr::from);
        here.chain(free.filter(|address| self.machines.binary_search(address).is_err()))
    }
}

//! What is planted: attacks with parameters drawn from the seed, each with its rows of the key.

use serde::Serialize;

use crate::calendar::{DAY, HOUR, is_weekend};
use crate::inside::{Org, Role};
use crate::params::{Params, Scenario};
use crate::random::Random;
use crate::talk::{Actor, Talk};
use crate::world::World;

mod beacon;
mod intrusion;
mod phishing;
mod scan;

/// First number of actors that are planted: above every machine's.
const FIRST_ACTOR: u64 = 1 << 23;

/// One row of the answer key without what the org says: see [`crate::key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) port: String,
    pub(crate) transport: &'static str,
    pub(crate) behaviours: &'static str,
    pub(crate) severity_min: &'static str,
    pub(crate) note: String,
}

/// Something planted, as `parameters.json` tells it.
#[derive(Clone, Debug, Serialize)]
pub struct Planted {
    /// The same word as in the key's `group`.
    pub group: String,
    /// Folder of the org that sees it.
    pub org: String,
    /// Which family.
    pub scenario: &'static str,
    /// Inside address.
    pub source: String,
    /// Outside name or address, or the inside target of a scan.
    pub destination: String,
    /// Everything that was drawn, by name, with the unit in the name.
    pub parameters: serde_json::Value,
    #[serde(skip)]
    pub(crate) key: Vec<KeyRow>,
}

/// What a plant does at its turns.
pub(crate) enum Deed {
    Beacon(beacon::Beacon),
    Download(intrusion::Download),
    Exfiltration(intrusion::Exfiltration),
    LongConnection(intrusion::LongConnection),
    Phishing(phishing::Visit),
    Scan(scan::Scan),
    Tunnel(intrusion::Tunnel),
}

/// A plant on its machine.
pub(crate) struct Plant {
    pub(crate) org: usize,
    pub(crate) host: usize,
    pub(crate) start: u64,
    pub(crate) actor: Actor,
    pub(crate) deed: Deed,
    pub(crate) told: Planted,
}

impl Deed {
    /// Does the next thing; when again, if at all.
    pub(crate) fn perform(&mut self, talk: &mut Talk<'_>, at: u64) -> Option<u64> {
        match self {
            Self::Beacon(beacon) => beacon.perform(talk, at),
            Self::Download(download) => download.perform(talk, at),
            Self::Exfiltration(exfiltration) => exfiltration.perform(talk, at),
            Self::LongConnection(long) => long.perform(talk, at),
            Self::Phishing(visit) => visit.perform(talk, at),
            Self::Scan(scan) => scan.perform(talk, at),
            Self::Tunnel(tunnel) => tunnel.perform(talk, at),
        }
    }
}

/// Draws everything that is planted. The world gains its servers; nothing benign changes.
pub(crate) fn plan(params: &Params, world: &mut World, orgs: &[Org]) -> Vec<Plant> {
    let start = u64::from(params.first_day.0) * DAY;
    let mut planner = Planner {
        world,
        orgs,
        start,
        end: start + u64::from(params.days) * DAY,
        random: Random::new("plan", params.seed),
        plants: Vec::new(),
        victims: vec![0; orgs.len()],
    };
    for scenario in &params.scenarios {
        match scenario {
            Scenario::Beacons => planner.beacons(),
            Scenario::BeaconGrid => planner.beacon_grid(),
            Scenario::Phishing => planner.phishing(),
            Scenario::PhishingGrid => planner.phishing_grid(),
            Scenario::DownloadC2 => planner.downloads(),
            Scenario::DnsTunnel => planner.tunnels(),
            Scenario::Exfiltration => planner.exfiltrations(),
            Scenario::LongConnection => planner.long_connections(),
            Scenario::Scans => planner.scans(),
        }
    }
    planner.plants
}

struct Planner<'a> {
    world: &'a mut World,
    orgs: &'a [Org],
    start: u64,
    end: u64,
    random: Random,
    plants: Vec<Plant>,
    /// How many machines of each org have become victims.
    victims: Vec<usize>,
}

/// Where something is planted and who it happens to.
#[derive(Clone, Copy)]
struct Place {
    org: usize,
    host: usize,
}

impl Planner<'_> {
    /// Orgs in which something is planted: of four the last stays clean, so that what an org
    /// without an attack reports can be seen.
    fn attacked(&self) -> Vec<usize> {
        (0..self.orgs.len()).filter(|org| org % 4 != 3).collect()
    }

    /// A machine of an office worker that stays on at night; another one each time while there
    /// are such.
    fn victim(&mut self, org: usize) -> Place {
        let workers = self.orgs[org].of(Role::Worker);
        let host = |index: &usize| &self.orgs[org].hosts[*index];
        let on: Vec<usize> =
            workers.iter().copied().filter(|w| host(w).always_on && !host(w).proxied).collect();
        let list = if on.is_empty() { workers } else { &on[..] };
        let shuffle = Random::new("victims", org as u64).part(self.orgs[org].random.part(4).next());
        let offset = shuffle.part(0).next() as usize % list.len().max(1);
        let nth = self.victims[org];
        self.victims[org] += 1;
        // A stride prime to the length visits all before it repeats.
        let stride = (1..=list.len()).rev().find(|s| gcd(*s, list.len()) == 1 && s % 3 == 1);
        let at = (offset + nth * stride.unwrap_or(1)) % list.len().max(1);
        Place { org, host: list.get(at).copied().unwrap_or(0) }
    }

    /// A moment when the machine's owner works, on a working day if there is one.
    fn working_moment(&mut self, place: Place) -> u64 {
        let org = &self.orgs[place.org];
        let days = (self.end - self.start) / DAY;
        let weekdays: Vec<u64> =
            (0..days).filter(|day| !is_weekend(self.start / DAY + day)).collect();
        let day = if weekdays.is_empty() { 0 } else { *self.random.pick(&weekdays) };
        let at = self.start + day * DAY + self.random.between(10 * HOUR, 15 * HOUR);
        let host = &org.hosts[place.host];
        let stream = org.random.part(u64::from(u32::from(host.v4)));
        let arrival = host.shift.next_arrival(&stream, at + org.offset) - org.offset;
        // On a machine whose owner is away all day, the night shift has clicked.
        if arrival + HOUR < self.end { arrival.max(at) } else { at }
    }

    /// Adds it; its group is named after its kind and number.
    fn add(&mut self, place: Place, start: u64, deed: Deed, told: Told) -> String {
        let org = &self.orgs[place.org];
        let number = self.plants.len() as u64;
        let group = told.group.unwrap_or_else(|| format!("{}-{}", told.scenario, number + 1));
        let actor = Actor::new(org, FIRST_ACTOR + number);
        let source = org.hosts[place.host].v4.to_string();
        let key =
            told.key.into_iter().map(|row| KeyRow { source: source.clone(), ..row }).collect();
        self.plants.push(Plant {
            org: place.org,
            host: place.host,
            start,
            actor,
            deed,
            told: Planted {
                group: group.clone(),
                org: org.folder.clone(),
                scenario: told.scenario,
                source,
                destination: told.destination,
                parameters: told.parameters,
                key,
            },
        });
        group
    }
}

/// What is told of a plant when it is added.
struct Told {
    scenario: &'static str,
    /// Belongs to an earlier one's group.
    group: Option<String>,
    destination: String,
    parameters: serde_json::Value,
    /// Without the source, which the place gives.
    key: Vec<KeyRow>,
}

/// A key row but for the source.
fn key_row(
    destination: &str,
    port: &dyn std::fmt::Display,
    transport: &'static str,
    behaviours: &'static str,
    severity_min: &'static str,
    note: String,
) -> KeyRow {
    KeyRow {
        source: String::new(),
        destination: destination.to_owned(),
        port: port.to_string(),
        transport,
        behaviours,
        severity_min,
        note,
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

//! The simulation: every org's turns in the order of time, its logs a slice at a time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::{fmt, io};

use crate::calendar::{DAY, HOUR, is_weekend};
use crate::habits::{self, Habit, MINUTE};
use crate::inside::Org;
use crate::key::{brands_tsv, key_tsv, parameters_json, places_tsv};
use crate::limits::{HOSTS_MAX, HOSTS_MIN};
use crate::logs::{Logs, Output};
use crate::params::{Params, ParamsError};
use crate::plant::{Plant, Planted, plan};
use crate::rows::Log;
use crate::talk::{Actor, Talk};
use crate::world::World;

/// What was generated.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Rows of each log over all orgs, by its name.
    pub rows: BTreeMap<&'static str, u64>,
    /// Machines of each org.
    pub hosts: u32,
    /// What was planted, in the order of planting.
    pub planted: Vec<Planted>,
    /// Each org's folder with its networks, as for `--home-net`.
    pub orgs: Vec<(String, [String; 2])>,
}

/// Why nothing, or not all, was generated.
#[derive(Debug)]
pub enum Error {
    /// A parameter is out of range.
    Params(ParamsError),
    /// The output refused bytes.
    Output(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Params(error) => error.fmt(f),
            Self::Output(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Conn rows of background that a machine's share of an org makes on a working day and on a day of
/// a weekend. Measured on our own output (a test holds them); used to turn `rows` into machines.
const ROWS_A_DAY: (u64, u64) = (2_190, 1_500);

/// Generates all that `params` asks for. Same parameters, same bytes.
///
/// # Errors
/// A parameter out of range, before anything is written; or what `out` refuses.
pub fn generate(params: &Params, out: &mut dyn Output) -> Result<Summary, Error> {
    params.check().map_err(Error::Params)?;
    let hosts = machines(params);
    let mut world = World::new(params.seed, hosts, params.first_day);
    let orgs: Vec<Org> =
        (0..params.orgs).map(|index| Org::new(params.seed, index, hosts, &world)).collect();
    let mut plants = plan(params, &mut world, &orgs);
    let mut rows = BTreeMap::new();
    for (index, org) in orgs.iter().enumerate() {
        let own: Vec<&mut Plant> = plants.iter_mut().filter(|plant| plant.org == index).collect();
        let logs = Logs::new(&org.folder, params.first_day, params.days);
        for (log, count) in run(&world, org, own, logs, out)? {
            *rows.entry(log.path()).or_insert(0) += count;
        }
    }
    let planted: Vec<&Planted> = plants.iter().map(|plant| &plant.told).collect();
    let json = parameters_json(params, &world, &orgs, &planted).map_err(io::Error::other)?;
    for (path, text) in [
        ("key.tsv", key_tsv(&orgs, &planted)),
        ("parameters.json", json),
        ("places.tsv", places_tsv()),
        ("brands.tsv", brands_tsv(&world)),
    ] {
        out.append(path, text.as_bytes())?;
        out.finish(path)?;
    }
    Ok(Summary {
        rows,
        hosts,
        planted: planted.into_iter().cloned().collect(),
        orgs: orgs.iter().map(|org| (org.folder.clone(), org.home_nets())).collect(),
    })
}

/// Machines an org: as asked, or as many as make the rows asked for.
fn machines(params: &Params) -> u32 {
    let Some(rows) = params.rows else { return params.hosts };
    let first = u64::from(params.first_day.0);
    let per_machine: u64 = (first..first + u64::from(params.days))
        .map(|day| if is_weekend(day) { ROWS_A_DAY.1 } else { ROWS_A_DAY.0 })
        .sum();
    let machines = u32::try_from(rows / per_machine).unwrap_or(HOSTS_MAX);
    machines.clamp(HOSTS_MIN, HOSTS_MAX)
}

/// Whose turn it is. The order breaks ties between turns of the same microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Sensor,
    Machine(u32, Habit),
    Plant(u32),
}

fn run(
    world: &World,
    org: &Org,
    mut plants: Vec<&mut Plant>,
    mut logs: Logs,
    out: &mut dyn Output,
) -> io::Result<Vec<(Log, u64)>> {
    let (start, end) = (logs.start(), logs.end());
    let mut agenda = BinaryHeap::new();
    agenda.push(Reverse((start + 15 * MINUTE, Turn::Sensor)));
    let mut actors: Vec<Actor> = Vec::with_capacity(org.hosts.len());
    for (index, host) in org.hosts.iter().enumerate() {
        let mut actor = Actor::new(org, index as u64);
        for habit in habits::of(host) {
            let at = start + habits::first(habit, &mut actor.random);
            agenda.push(Reverse((at, Turn::Machine(index as u32, habit))));
        }
        actors.push(actor);
    }
    for (index, plant) in plants.iter().enumerate() {
        agenda.push(Reverse((plant.start, Turn::Plant(index as u32))));
    }
    while let Some(Reverse((at, turn))) = agenda.pop() {
        if at >= end {
            break;
        }
        // Turns come in order and write nothing before their moment: what lies behind is complete.
        logs.flush(at, out)?;
        let next = match turn {
            Turn::Sensor => Some(sensor(&mut logs, org, at)),
            Turn::Machine(index, habit) => {
                let (host, actor) = (&org.hosts[index as usize], &mut actors[index as usize]);
                let mut talk = Talk { world, org, host, logs: &mut logs, actor };
                Some(habits::perform(&mut talk, habit, at))
            }
            Turn::Plant(index) => {
                let Plant { host, actor, deed, .. } = &mut *plants[index as usize];
                let host = &org.hosts[*host];
                deed.perform(&mut Talk { world, org, host, logs: &mut logs, actor }, at)
            }
        };
        if let Some(next) = next {
            agenda.push(Reverse((next.max(at + 1), turn)));
        }
    }
    logs.close(out)?;
    Ok(logs.counts().collect())
}

/// What the sensor says about itself every quarter of an hour: hardly any loss, and a notice when
/// a day's worst quarter is above it.
fn sensor(logs: &mut Logs, org: &Org, at: u64) -> u64 {
    let mut draw = org.random.part(at);
    let local = at + org.offset;
    let busy = if is_weekend(local / DAY) { 200 } else { crate::calendar::visitors(local) };
    let acks = 200 + draw.below(org.hosts.len() as u64 * busy);
    let gaps = if draw.chance(150) { draw.below(acks / 400 + 1) } else { 0 };
    // Percent with four decimals, cut.
    let lost = gaps * 1_000_000 / acks;
    logs.other(Log::CaptureLoss, at, |line| {
        line.micros(at).micros(15 * MINUTE).text("zeek").number(gaps).number(acks);
        line.text(&format!("{}.{:04}", lost / 10_000, lost % 10_000)).end();
    });
    if local % DAY / HOUR == 3 && local % HOUR < 15 * MINUTE {
        let sentence = format!("{acks} acknowledgements in the quietest quarter of an hour");
        logs.other(Log::Notice, at, |line| {
            line.micros(at).unset(9).text("CaptureLoss::Too_Little_Traffic").text(&sentence);
            line.unset(5).text("zeek").text("Notice::ACTION_LOG").text("(empty)");
            line.micros(60 * MINUTE).unset(5).end();
        });
    }
    at + 15 * MINUTE
}

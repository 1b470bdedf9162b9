//! The answer key: `key.tsv` for evaluation, `parameters.json` for whoever wants to know more.

use serde::Serialize;

use crate::inside::Org;
use crate::names::HOSTING;
use crate::params::Params;
use crate::plant::{KeyRow, Planted};
use crate::world::World;

/// First line of `key.tsv`: the columns of a capture's ground truth.
pub const KEY_HEADER: &str = "path\tformat\thome_net\tsource\tdestination\tport\ttransport\t\
                              behaviours\tseverity_min\tkind\tgroup\tnote\n";

/// What `parameters.json` holds.
#[derive(Clone, Debug, Serialize)]
struct Parameters<'a> {
    schema: &'static str,
    seed: u64,
    first_day: String,
    days: u16,
    orgs: Vec<OrgTold>,
    planted: Vec<&'a Planted>,
    /// Programs that call home like a beacon, on one or two machines of an org, and are harmless.
    benign_agents: Vec<BenignAgent>,
}

#[derive(Clone, Debug, Serialize)]
struct OrgTold {
    folder: String,
    home_nets: [String; 2],
    domain: String,
    hosts: usize,
    attacked: bool,
}

#[derive(Clone, Debug, Serialize)]
struct BenignAgent {
    org: String,
    source: String,
    destination: String,
    period_s: u64,
    jitter_permille: u64,
    /// The day on which it is installed.
    since: String,
}

/// `key.tsv`. Several values of one cell are joined by `|`, as everywhere in this format; an org's
/// two networks are.
pub(crate) fn key_tsv(orgs: &[Org], planted: &[&Planted]) -> String {
    let mut text = KEY_HEADER.to_owned();
    for org in orgs {
        let mut attacked = false;
        let home = org.home_nets().join("|");
        for planted in planted.iter().filter(|planted| planted.org == org.folder) {
            for row in &planted.key {
                attacked = true;
                let KeyRow { source, destination, port, transport, behaviours, .. } = row;
                let KeyRow { severity_min, note, .. } = row;
                let (path, group) = (&org.folder, &planted.group);
                text.push_str(&format!(
                    "{path}\tzeek\t{home}\t{source}\t{destination}\t{port}\t{transport}\t\
                     {behaviours}\t{severity_min}\tmalicious\t{group}\t{note}\n"
                ));
            }
        }
        if !attacked {
            let path = &org.folder;
            text.push_str(&format!(
                "{path}\tzeek\t{home}\t*\t-\t-\t-\t-\thigh\tbenign\tclean-{path}\tno finding of \
                 severity_min or above may appear; nothing is planted here\n"
            ));
        }
    }
    text
}

/// `places.tsv`: what the outside's well-known names are for, as the analyzer takes it by `--places`.
pub(crate) fn places_tsv() -> String {
    let rows = HOSTING.iter().map(|end| format!("hosting\t{end}\n"));
    "# Hosting that gives anybody a name\n".to_owned() + &rows.collect::<String>()
}

/// `brands.tsv`: the brand that lures pretend to be, as the analyzer takes it by `--brands`.
pub(crate) fn brands_tsv(world: &World) -> String {
    let office = &world.office;
    format!(
        "# brand, words, sites, resources\n{office}\t{office}\t{office}.example\tlogin.{office}.example\n"
    )
}

/// `parameters.json`.
pub(crate) fn parameters_json(
    params: &Params,
    world: &World,
    orgs: &[Org],
    planted: &[&Planted],
) -> serde_json::Result<String> {
    let told = |org: &Org| OrgTold {
        folder: org.folder.clone(),
        home_nets: org.home_nets(),
        domain: org.domain.clone(),
        hosts: org.hosts.len(),
        attacked: planted.iter().any(|planted| planted.org == org.folder),
    };
    let mut benign_agents = Vec::new();
    for org in orgs {
        for host in &org.hosts {
            for number in &host.agents {
                let agent = &world.agents[usize::from(*number)];
                if agent.spread == 0 {
                    benign_agents.push(BenignAgent {
                        org: org.folder.clone(),
                        source: host.v4.to_string(),
                        destination: world.service(agent.service).name.clone(),
                        period_s: agent.period,
                        jitter_permille: agent.jitter,
                        since: agent.since.to_string(),
                    });
                }
            }
        }
    }
    serde_json::to_string_pretty(&Parameters {
        schema: "flowlore.synth.v1",
        seed: params.seed,
        first_day: params.first_day.to_string(),
        days: params.days,
        orgs: orgs.iter().map(told).collect(),
        planted: planted.to_vec(),
        benign_agents,
    })
    .map(|text| text + "\n")
}

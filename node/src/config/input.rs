//! `[[input]]`: what this node listens to.

use std::net::SocketAddr;

use anyhow::{Result, anyhow, ensure};
use flowlore_common::time::parse_seconds;
use ipnet::IpNet;
use serde::Deserialize;

/// Inputs: a network's routers need one; more are for those that must be kept apart.
const INPUTS_MAX: usize = 16;
/// Networks of one input's exporters: they are compared with every datagram's sender.
const FROM_MAX: usize = 1_000;
/// Seconds of a period: below ten, most of the work is beginning; a day is what the analyzer looks at best.
const EVERY_S: std::ops::RangeInclusive<u64> = 10..=86_400;

/// Where routers send what they saw of flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where datagrams are received.
    pub listen: SocketAddr,
    /// Seconds after which what came in is analyzed.
    pub every_s: u64,
    /// Exporters that are heard; empty: all.
    pub from: Vec<IpNet>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    kind: String,
    listen: String,
    #[serde(default = "every")]
    every: String,
    #[serde(default)]
    from: Vec<IpNet>,
}

fn every() -> String {
    "5m".to_owned()
}

/// Checks all of them.
pub(super) fn check(all: Vec<Raw>) -> Result<Vec<Input>> {
    ensure!(all.len() <= INPUTS_MAX, "input: at most {INPUTS_MAX} are accepted");
    let mut inputs: Vec<Input> = Vec::with_capacity(all.len());
    for (number, raw) in (1..).zip(all) {
        let input = raw.check().map_err(|error| anyhow!("input {number}: {error}"))?;
        let listen = input.listen;
        // Port 0 is another one each time.
        let taken = inputs.iter().any(|other| other.listen == listen && listen.port() != 0);
        ensure!(!taken, "input {number}: listen = \"{listen}\" is another input's, too");
        inputs.push(input);
    }
    Ok(inputs)
}

impl Raw {
    fn check(self) -> Result<Input> {
        ensure!(self.kind == "netflow", "kind = {:?}: netflow is known", self.kind);
        let listen = self.listen.parse().map_err(|_| {
            anyhow!("listen = {:?}: an address with port, as 127.0.0.1:2055", self.listen)
        })?;
        let every_s = parse_seconds(&self.every).map_err(|error| anyhow!("every: {error}"))?;
        ensure!(EVERY_S.contains(&every_s), "every = {:?}: 10s to 1d are accepted", self.every);
        ensure!(self.from.len() <= FROM_MAX, "from: at most {FROM_MAX} networks");
        Ok(Input { listen, every_s, from: self.from })
    }
}

//! Sample days, made once for an evaluation and removed with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use flowlore_analyzer::places::Places;
use flowlore_common::time::Day;
use flowlore_synth::{Params, Scenario};
use ipnet::IpNet;

use super::seen;
use crate::synth;

/// A Monday.
pub(super) const FIRST_DAY: Day = Day(20_780);

/// Days of one org.
pub(super) struct Sample {
    folder: PathBuf,
    first_day: Day,
    days: u16,
    pub(super) home: Vec<IpNet>,
    pub(super) places: Arc<Places>,
    pub(super) planted: Vec<flowlore_synth::Planted>,
}

impl Sample {
    /// Makes days below a folder, from `first_day` on.
    pub(super) fn make(
        folder: &Path,
        (seed, hosts): (u64, u32),
        (first_day, days): (Day, u16),
        scenarios: &str,
    ) -> anyhow::Result<Self> {
        let scenarios = Scenario::list(scenarios).map_err(anyhow::Error::msg)?;
        let params = Params { seed, first_day, days, orgs: 1, hosts, rows: None, scenarios };
        let summary = synth::write(&params, folder, false)
            .with_context(|| format!("sample days in {}", folder.display()))?;
        let (org, nets) = summary.orgs.first().context("sample days without an org")?;
        let home = nets.iter().map(|net| net.parse()).collect::<Result<_, _>>()?;
        let planted = summary.planted;
        let places = seen::places(folder)?;
        let folder = folder.join(org);
        Ok(Self { folder, first_day, days, home, places, planted })
    }

    /// The folder with all days.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The key of what is planted.
    pub(super) fn key(&self) -> PathBuf {
        self.folder.with_file_name("key.tsv")
    }

    /// The days' folders in order.
    pub(super) fn days(&self) -> impl Iterator<Item = (PathBuf, Day)> {
        let days = (0..self.days).map(|number| Day(self.first_day.0 + number));
        days.map(|day| (self.folder.join(day.to_string()), day))
    }
}

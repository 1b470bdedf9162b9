//! `--format map:FILE.toml`: a log that is none of those we know, read as a person says. Samples of such files
//! are in `deploy/maps`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use flowlore_analyzer::source::{Mapping, Opening, Said};
use jiff::tz::TimeZone;

use crate::input::read_table;

#[cfg(test)]
mod tests;

/// Reads a mapping.
///
/// # Errors
/// When the file cannot be read, or says what cannot be meant: with the line where a key or a value is wrong.
pub(crate) fn opening(path: &Path) -> anyhow::Result<Opening> {
    let shown = || format!("mapping {}", path.display());
    let text = read_table("mapping", path)?;
    mapping(&text).with_context(shown).map(|mapping| Opening::Mapped(Arc::new(mapping)))
}

fn mapping(text: &str) -> anyhow::Result<Mapping> {
    let said: Said = toml::from_str(text)?;
    Ok(Mapping::new(said, |zone| TimeZone::get(zone).ok())?)
}

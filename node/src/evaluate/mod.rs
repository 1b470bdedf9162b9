//! `flowlore-node evaluate`: recordings with ground truth and sample days through the analyzer, and how well it did.
//!
//! ```text
//! truth -> recordings -> (view) -> analyzer -> measure -> result -> table
//!             survey -> rivals, lay        sample days ^
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `truth` | the table of what is due where, and what matches it |
//! | `view` | a recording changed on the way: moved, cut off, without a log, a share at a time |
//! | `survey` | flows, addresses, times and notices of a recording |
//! | `rivals` | other tools' rules on the same flows |
//! | `sample` | sample days |
//! | `lay` | a recording in a day of another network |
//! | `seen` | one analysis of recordings in their views |
//! | `measure` | everything that is measured, in turn |
//! | `phishing` | visits to pages that lure, by what was done and what was said |
//! | `interval` | how sure a share or count is |
//! | `result` | the JSON |
//! | `table` | the text, and the README's part of it |
//!
//! Rules of counting: recordings of the same traffic count once, the first that is read; behaviours are never pooled;
//! a place is right by address or name, port and transport, a behaviour when the truth names it there.

mod interval;
mod lay;
mod measure;
mod phishing;
mod result;
mod rivals;
mod sample;
mod seen;
mod survey;
mod table;
mod truth;
mod view;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use result::{Evaluation, SCHEMA};

/// Measure the analyzer on captures with ground truth and on sample days.
#[derive(Args, Clone, Debug)]
pub(crate) struct EvaluateArgs {
    /// Tables of ground truth; their columns are those of `synth`'s key.tsv
    #[arg(value_name = "TRUTH.tsv", required_unless_present = "from")]
    truth: Vec<PathBuf>,
    /// Seed of the sample days: 1 to 99 for tuning, 100 upward for reporting
    #[arg(long, default_value_t = 100)]
    seed: u64,
    /// Machines of the sample days
    #[arg(long, default_value_t = 500)]
    hosts: u32,
    /// Days of the alert budget; it counts from the third on
    #[arg(long, default_value_t = 12)]
    days: u16,
    /// Print the whole result as JSON
    #[arg(long)]
    json: bool,
    /// Keep the result in this file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Measure nothing: take this kept result
    #[arg(long, value_name = "FILE", conflicts_with = "truth")]
    from: Option<PathBuf>,
    /// Write the result's table between the markers of this file
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// A table, recording or kept result that cannot be used; a failure to write.
pub(crate) fn run(args: &EvaluateArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let evaluation = match &args.from {
        Some(path) => kept(&std::fs::read_to_string(path).context(shown(path))?)
            .with_context(|| shown(path))?,
        None => measure::all(&args.truth, args.seed, args.hosts, args.days)?,
    };
    let mut json = serde_json::to_string_pretty(&evaluation)?;
    json.push('\n');
    if let Some(path) = &args.save {
        std::fs::write(path, &json).with_context(|| shown(path))?;
    }
    if let Some(path) = &args.readme {
        let text = std::fs::read_to_string(path).with_context(|| shown(path))?;
        let written = table::between_markers(&text, &table::readme(&evaluation));
        std::fs::write(path, written.with_context(|| shown(path))?).with_context(|| shown(path))?;
    }
    let text = if args.json { json } else { table::text(&evaluation) };
    out.write_all(text.as_bytes())?;
    Ok(())
}

fn shown(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// Reads what `--save` wrote.
fn kept(json: &str) -> anyhow::Result<Evaluation> {
    let evaluation: Evaluation = serde_json::from_str(json).context("no kept evaluation")?;
    if evaluation.schema != SCHEMA {
        bail!("a result of schema {}; this version reads {SCHEMA}", evaluation.schema);
    }
    Ok(evaluation)
}

#[cfg(test)]
mod tests;

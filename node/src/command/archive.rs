//! `archive`: the org's own flows.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use flowlore_archive::ArchiveError;
use flowlore_archive::archive::{Archive, Erasure, Receipt};
use flowlore_common::time::{Day, Micros, SECONDS_PER_DAY};

use crate::archive::{self, Erased, Raw};
use crate::days::Days;
use crate::folder::Folder;
use crate::netflow::Netflow;
use crate::rpc::client::Local;

/// Arguments of `archive`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Erase flows for good, and all days in hand and waiting datagrams of routers; prints a receipt. The node may run.
    Erase(Erase),
}

#[derive(Debug, clap::Args)]
struct Erase {
    #[command(flatten)]
    dir: super::Dir,
    #[command(flatten)]
    whose: WhoseArgs,
    /// The receipt as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WhoseArgs {
    /// All flows of this address, at either end, or of the machine of this name.
    #[arg(long, value_name = "ADDRESS|NAME", value_parser = parse_host)]
    host: Option<Erasure>,
    /// All flows of this user's.
    #[arg(long, value_name = "NAME", value_parser = parse_user)]
    user: Option<Erasure>,
    /// All flows that began before: a day such as 2026-11-24, or a time such as 2026-11-24T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    before: Option<Erasure>,
}

impl WhoseArgs {
    fn erasure(&self) -> Option<&Erasure> {
        self.host.as_ref().or(self.user.as_ref()).or(self.before.as_ref())
    }
}

fn parse_host(text: &str) -> Result<Erasure, String> {
    text.parse().map(Erasure::Address).or_else(|_| parse_name(text).map(Erasure::HostName))
}

fn parse_user(text: &str) -> Result<Erasure, String> {
    parse_name(text).map(Erasure::User)
}

fn parse_name(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("an empty name names nobody".to_owned()) } else { Ok(text.to_owned()) }
}

fn parse_time(text: &str) -> Result<Erasure, String> {
    let day = text.parse::<Day>().ok();
    let day = day.map(|day| Micros(i64::from(day.0) * SECONDS_PER_DAY * 1_000_000));
    let time = || text.parse::<jiff::Timestamp>().ok().map(|time| Micros(time.as_microsecond()));
    day.or_else(time).map(Erasure::Before).ok_or_else(|| {
        format!("'{text}' is no time: write it as 2026-11-24 or 2026-11-24T08:00:00Z")
    })
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let Command::Erase(args) = &args.command;
    let Some(erasure) = args.whose.erasure() else {
        bail!("one of --host, --user and --before is needed")
    };
    let dir = args.dir.path();
    let folder = Folder::open(dir)?;
    let erased = match archive::open_at_once(dir) {
        Ok(archive) => erase(&archive, &folder, erasure)?,
        // A running node has it: it is asked to.
        Err(ArchiveError::Locked(_)) => super::block_on(async {
            match Local::connect(dir).await {
                Ok(mut node) => node.erase(erasure).await,
                // One that ends lets go of it in a moment.
                Err(error) => match archive::open(dir) {
                    Ok(archive) => erase(&archive, &folder, erasure),
                    Err(ArchiveError::Locked(_)) => Err(error),
                    Err(error) => Err(error.into()),
                },
            }
        })?,
        Err(error) => return Err(error.into()),
    };
    let told = if args.json { serde_json::to_string(&erased)? } else { text(&erased) };
    println!("{told}");
    Ok(ExitCode::SUCCESS)
}

/// No node runs there, nor can one start while the archive is held.
fn erase(archive: &Archive, folder: &Folder, erasure: &Erasure) -> Result<Erased> {
    // A killed one left them, and they are logs, too.
    folder.remove_leftovers()?;
    let (days, netflow) = (Days::open(folder, 0)?, Netflow::open(folder)?);
    archive::erase(archive, Raw { days: &days, spool: &netflow.spool }, erasure)
}

fn text(Erased { receipt, days_removed, datagram_files_removed }: &Erased) -> String {
    let Receipt { files_searched, files_rewritten, files_removed, flows_erased, flows_kept } =
        receipt;
    format!(
        "Erased {flows_erased} flows. {files_searched} files searched, {files_rewritten} written anew with {flows_kept} \
         other flows, {files_removed} removed.\nWhat was on its way in is refused.\nDays in hand, in which no host's \
         flows can be told apart: all {days_removed} removed. Files of routers' datagrams that waited: all \
         {datagram_files_removed} removed; those of the period that runs are still analyzed: erase again after \
         it.\nWhat was derived from them stays: reports that were printed, those of routers' flows in private/reports \
         (remove its files if they must go too), sums about destinations in private/, labels that others hold."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_instants() {
        assert_eq!(parse_time("1970-01-02"), Ok(Erasure::Before(Micros(86_400_000_000))));
        assert_eq!(parse_time("1970-01-01T00:00:01.5Z"), Ok(Erasure::Before(Micros(1_500_000))));
        for text in ["", "yesterday", "2026-02-30", "2026-11-24T08:00:00"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}

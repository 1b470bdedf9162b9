//! `flowlore-node synth`: writes sample logs with their answer key to a folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use flowlore_common::time::Day;
use flowlore_synth::{Output, Params, Scenario, Summary, generate};

/// Deterministic sample logs of one or more orgs, with an answer key (key.tsv, parameters.json).
#[derive(Args, Clone, Debug)]
pub(crate) struct SynthArgs {
    /// Folder to write to; it must be empty or absent.
    #[arg(long)]
    out: PathBuf,
    /// Decides everything drawn. 1 to 99 for tuning detectors, 100 upward for reporting.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Orgs, each in its own folder: org-a, org-b and so on.
    #[arg(long, default_value_t = 1)]
    orgs: u8,
    /// Machines of each org.
    #[arg(long, default_value_t = 50)]
    hosts: u32,
    /// Days in a row.
    #[arg(long, default_value_t = 1)]
    days: u16,
    /// First day, UTC.
    #[arg(long, default_value = "2026-11-23")]
    first_day: Day,
    /// About so many conn rows of background for each org, by as many machines as they take.
    #[arg(long, conflicts_with = "hosts")]
    rows: Option<u64>,
    /// What to plant: all, clean, or names with commas between.
    #[arg(long, default_value = "all")]
    scenario: String,
    /// Compress the logs.
    #[arg(long)]
    gzip: bool,
}

/// Runs the command and prints what was written.
///
/// # Errors
/// A parameter out of range, a folder that holds something, or a failure to write.
pub(crate) fn run(args: &SynthArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let params = Params {
        seed: args.seed,
        first_day: args.first_day,
        days: args.days,
        orgs: args.orgs,
        hosts: args.hosts,
        rows: args.rows,
        scenarios: Scenario::list(&args.scenario).map_err(anyhow::Error::msg)?,
    };
    let summary = write(&params, &args.out, args.gzip)?;
    let rows: Vec<_> = summary.rows.iter().map(|(log, n)| format!("{n} {log}")).collect();
    writeln!(out, "{} machines an org; rows: {}", summary.hosts, rows.join(", "))?;
    for (org, home_nets) in &summary.orgs {
        let planted = summary.planted.iter().filter(|planted| planted.org == *org).count();
        let path = args.out.join(org);
        let nets = home_nets.each_ref().map(|net| format!("--home-net {net}")).join(" ");
        writeln!(out, "{planted} planted   flowlore-node analyze {} {nets}", path.display())?;
    }
    writeln!(out, "key: {}", args.out.join("key.tsv").display())?;
    Ok(())
}

/// Writes sample logs to a folder that is new or empty.
///
/// # Errors
/// As [`run`].
pub(crate) fn write(params: &Params, folder: &Path, gzip: bool) -> anyhow::Result<Summary> {
    params.check()?;
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{}: not empty; name a new folder, so that no old logs mix in", folder.display());
    }
    generate(params, &mut Folder::new(folder, gzip))
        .with_context(|| format!("writing sample logs to {}", folder.display()))
}

/// Files below a folder, logs compressed when asked.
struct Folder<'a> {
    root: &'a Path,
    gzip: bool,
    open: BTreeMap<String, Sink>,
}

enum Sink {
    Plain(File),
    Gzip(GzEncoder<File>),
}

impl<'a> Folder<'a> {
    fn new(root: &'a Path, gzip: bool) -> Self {
        Self { root, gzip, open: BTreeMap::new() }
    }

    fn create(&self, path: &str) -> io::Result<Sink> {
        let gzip = self.gzip && path.ends_with(".log");
        let full = self.root.join(if gzip { format!("{path}.gz") } else { path.to_owned() });
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = File::create_new(full)?;
        // No name and no time in the header: the same seed gives the same bytes.
        Ok(if gzip {
            Sink::Gzip(GzEncoder::new(file, Compression::fast()))
        } else {
            Sink::Plain(file)
        })
    }
}

impl Output for Folder<'_> {
    fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if !self.open.contains_key(path) {
            let sink = self.create(path)?;
            self.open.insert(path.to_owned(), sink);
        }
        match self.open.get_mut(path) {
            Some(Sink::Plain(file)) => file.write_all(bytes),
            Some(Sink::Gzip(file)) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    fn finish(&mut self, path: &str) -> io::Result<()> {
        match self.open.remove(path) {
            Some(Sink::Gzip(file)) => file.finish().map(drop),
            Some(Sink::Plain(_)) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn args(out: PathBuf, gzip: bool) -> SynthArgs {
        SynthArgs {
            out,
            seed: 3,
            orgs: 2,
            hosts: 14,
            days: 1,
            first_day: Day(20_780),
            rows: None,
            scenario: "phishing".to_owned(),
            gzip,
        }
    }

    #[test]
    fn compressed_files_hold_the_plain_bytes_and_a_full_folder_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (plain, packed) = (folder.path().join("plain"), folder.path().join("packed"));
        let mut said = Vec::new();
        run(&args(plain.clone(), false), &mut said).expect("plain");
        run(&args(packed.clone(), true), &mut said).expect("packed");
        assert!(String::from_utf8_lossy(&said).contains("--home-net 2001:db8:1001::/48"));

        let log = "org-b/2026-11-23/conn.10:00:00-11:00:00.log";
        let bytes = fs::read(plain.join(log)).expect("an hour of work");
        let file = File::open(packed.join(format!("{log}.gz"))).expect("the same, packed");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(bytes, unpacked);
        assert!(bytes.ends_with(b"#close\t2026-11-23-11-00-00\n"));

        let refused = run(&args(plain, false), &mut said).expect_err("it holds files");
        assert!(refused.to_string().contains("not empty"));
    }
}

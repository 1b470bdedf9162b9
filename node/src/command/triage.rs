//! `triage`: the story around alerts, at a terminal.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args as ClapArgs;
use flowlore_common::{label::Severity, time::parse_seconds};

use crate::{
    input::InputArgs,
    output::{Output, Shown},
    triage::{About, Answers, Input, is_id},
};

/// Tell the story around alerts: what happened before and after, what it comes to, what to do.
#[derive(Clone, Debug, ClapArgs)]
#[command(group = clap::ArgGroup::new("question").required(true).args(["alert", "at"]))]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Alerts: a file of Suricata's EVE or of Zeek's notice.log, one or many; - for standard input; or the id of a
    /// finding of these paths
    #[arg(long, value_name = "FILE|-|ID")]
    alert: Option<String>,
    /// When: 2026-11-23T09:22:30Z, 2026-11-23 09:22:30 in the zone of --tz, or seconds since 1970
    #[arg(long, value_name = "TIME", requires = "host")]
    at: Option<String>,
    /// Whose story: an address, or a machine's name as dhcp, kerberos, ntlm and rdp logs or --assets have it
    #[arg(long, value_name = "ADDRESS|NAME", requires = "at")]
    host: Option<String>,
    /// The other end that it is about: a name or an address
    #[arg(long, value_name = "DESTINATION", requires = "at")]
    destination: Option<String>,
    /// How long before the alert
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_seconds)]
    before: u64,
    /// How long after it
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = parse_seconds)]
    after: u64,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

impl Args {
    fn about<'a>(&'a self, alerts: &'a [PathBuf]) -> anyhow::Result<About<'a>> {
        if let (Some(at), Some(host)) = (&self.at, &self.host) {
            return Ok(About::Moment { at, host, destination: self.destination.as_deref() });
        }
        let Some(named) = self.alert.as_deref() else { bail!("name --alert, or --at and --host") };
        let stdin = Path::new("-");
        if named == "-" && self.input.paths.iter().any(|path| path == stdin) {
            bail!(
                "--alert - and the input cannot both be standard input: put one of them into a file"
            );
        }
        if is_id(named) && !Path::new(named).exists() {
            return Ok(About::Finding(named));
        }
        Ok(About::Alerts { paths: alerts, named })
    }
}

/// The command: writes the answers to `out`, which is a terminal or not.
///
/// # Errors
/// When a path, the alerts, the time or the host cannot be used.
pub(super) fn run(
    args: &Args,
    terminal: bool,
    out: &mut dyn io::Write,
) -> anyhow::Result<ExitCode> {
    let opening = args.input.opening()?;
    let zone = args.input.zone()?;
    let folder = args.input.history()?;
    let options = args.input.options(Severity::Low, folder.as_ref())?;
    let (paths, effort) = (&args.input.paths, args.input.effort());
    let input = Input { paths, opening: &opening, effort, options: &options, zone: &zone };
    let alerts: Vec<PathBuf> = args.alert.iter().map(PathBuf::from).collect();
    let answers = Answers::of(&input, &args.about(&alerts)?, (args.before, args.after))?;
    let shown = Shown {
        output: args.output,
        colour: terminal,
        input: &args.input.shown(),
        zone: &zone,
        elapsed_ms: None,
    };
    match answers.write(&shown, out).and_then(|()| out.flush()) {
        // Whoever reads has read enough: `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS).context("output"),
    }
}

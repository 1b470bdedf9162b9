//! `credential`: people, their roles, and taking roles back. Works on the folder; a running node notices.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use flowlore_common::credential::Role;
use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_common::time::Hour;

use crate::federation;
use crate::folder::Folder;
use crate::keys::Keys;
use crate::people::{self, Wish};

/// Arguments of `credential`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Grant a role; writes a file to hand over to the person.
    Issue(Issue),
    /// Who was granted what.
    List(super::Dir),
    /// Take a grant back; it ends with the next call.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Issue {
    #[command(flatten)]
    dir: super::Dir,
    /// Who it is for; names the file.
    #[arg(long)]
    name: String,
    /// reader: look up. contributor: upload and label. analyst: label in the org's name. admin: everything.
    #[arg(long, value_parser = parse_role)]
    role: Role,
    /// For how long.
    #[arg(long, default_value_t = 365)]
    days: u32,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    #[command(flatten)]
    dir: super::Dir,
    /// The name or the serial of the grant.
    whose: String,
}

fn parse_role(text: &str) -> Result<Role, String> {
    let named = Role::ALL.into_iter().find(|role| role.name() == text);
    named.ok_or_else(|| "reader, contributor, analyst and admin are known".to_owned())
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Issue(args) => issue(args)?,
        Command::List(dir) => list(dir)?,
        Command::Revoke(args) => {
            let folder = Folder::open(args.dir.path())?;
            let count = people::revoke(&folder, &args.whose)?;
            println!("{count} taken back; a running node refuses it from the next call on.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn issue(args: &Issue) -> Result<()> {
    let folder = Folder::open(args.dir.path())?;
    let keys = Keys::load(&folder)?;
    let org = federation::registration(&folder)?.org();
    let hours = args.days.saturating_mul(24);
    let wish = Wish { name: args.name.clone(), role: args.role, hours };
    let now = SystemClock.now().hour();
    let path = people::issue(&folder, (org, &keys.signing), &wish, now, &mut SystemRng)?;
    println!(
        "{} for {}, good for {} days: {}\n\
         It holds a key: hand it over safely, then remove it here. Used as:\n  \
         flowlore status --node ADDR --credential FILE",
        args.role.name(),
        args.name,
        args.days,
        path.display()
    );
    Ok(())
}

fn list(dir: &super::Dir) -> Result<()> {
    let folder = Folder::open(dir.path())?;
    let now = SystemClock.now().hour();
    for granted in people::register(&folder)? {
        let state = match (granted.revoked, Hour(granted.expires_hour) <= now) {
            (true, _) => "revoked".to_owned(),
            (_, true) => "expired".to_owned(),
            _ => format!("until {}", Hour(granted.expires_hour).day()),
        };
        println!("{}  {:11}  {}  {state}", granted.serial, granted.role, granted.name);
    }
    Ok(())
}

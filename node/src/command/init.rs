//! `init`: a new node.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use flowlore_common::credential::Role;
use flowlore_common::env::{Clock, SystemClock, SystemRng};
use flowlore_common::ids::OrgId;
use flowlore_common::roster::Policy;
use flowlore_common::suffixes::Suffixes;
use flowlore_common::time::Hour;

use crate::config::{Config, template};
use crate::federation;
use crate::folder::Folder;
use crate::keys::{Keys, NewKeys};
use crate::outbox::Outbox;
use crate::people::{self, Wish};
use crate::store::Store;

/// How long the first credential is good for, hours: a year, as certificates of people commonly are.
const ADMIN_HOURS: u32 = 365 * 24;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    dir: super::Dir,
    /// What the members of a federation will call this org.
    #[arg(long)]
    org: String,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let org = create(args.dir.path(), &args.org)?;
    let dir = args.dir.path().display();
    println!(
        "Node of {} made in {dir}, org {}.\n\
         Next: look at {dir}/flowlore.toml ([publish] own_zones above all), then one of\n  \
         flowlore-node run --dir {dir}\n  \
         flowlore-node federation create --dir {dir} --name NAME\n  \
         flowlore-node federation join --dir {dir} LINE",
        args.org,
        org.short()
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes a node in an empty or missing folder.
///
/// # Errors
/// The folder holds a node, the name is unusable, or the disk refuses.
pub fn create(dir: &Path, org_name: &str) -> Result<OrgId> {
    let text = template(org_name);
    let config = Config::parse(&text, dir, &|_| None)?;
    let folder = Folder::create(dir)?;
    let _lock = folder.lock()?;
    let keys = Keys::create(&folder, &mut SystemRng)?;
    let registration = federation::register(&folder, &keys, &mut SystemRng)?;
    let now = SystemClock.now().hour();
    let admin = Wish { name: "admin".to_owned(), role: Role::Admin, hours: ADMIN_HOURS };
    let org = registration.org();
    people::issue(&folder, (org, &keys.signing), &admin, now, &mut SystemRng)?;
    let policy = Policy { name: org_name.to_owned(), ..Policy::default() };
    found(&folder, &config, &keys, policy, now)?;
    // Last: a folder with a configuration holds a whole node.
    folder.write("flowlore.toml", text.as_bytes())?;
    Ok(org)
}

/// Founds a federation of one in a folder without blocks.
///
/// # Errors
/// The folder holds blocks already, or the disk refuses.
fn found(folder: &Folder, config: &Config, keys: &Keys, policy: Policy, now: Hour) -> Result<()> {
    ensure!(
        !Store::has_blocks(folder)?,
        "this node has published already: a new federation needs a new node"
    );
    let registration = federation::registration(folder)?;
    let (changes, share) =
        federation::founding(config, keys, registration, policy, &mut SystemRng)?;
    let document = Store::first_document(changes, registration.org(), &keys.signing, now)?;
    Store::create(folder, &[document])?;
    // Secrets of names are of the key that was before; its number is the same.
    folder.remove("private/names")?;
    folder.write(federation::SHARE_FILE, &*share.to_bytes())
}

/// Gives the org of a stopped node new keys, its admin a new credential, and lets everything it says wait again.
///
/// # Errors
/// The disk refuses, or something in the folder cannot be read.
pub fn replace_keys(folder: &Folder) -> Result<NewKeys> {
    let now = SystemClock.now().hour();
    let new = Keys::replace(folder, &mut SystemRng)?;
    let keys = Keys::load(folder)?;
    people::revoke_all(folder)?;
    let admin = Wish { name: "admin".to_owned(), role: Role::Admin, hours: ADMIN_HOURS };
    let org = federation::registration(folder)?.org();
    people::issue(folder, (org, &keys.signing), &admin, now, &mut SystemRng)?;
    Outbox::open(folder, &keys.at_rest, Suffixes::shipped())?.reseal_all(now)?;
    Ok(new)
}

/// Founds the federation anew under a name and the two rules that demos and tests need otherwise.
///
/// # Errors
/// The folder holds blocks already, the disk refuses, or the node runs.
pub fn refound(dir: &Path, name: &str, documentation_names: bool, delay_hours: u16) -> Result<()> {
    let folder = Folder::open(dir)?;
    let config = Config::load(&folder)?;
    let _lock = folder.lock()?;
    let keys = Keys::load(&folder)?;
    let policy = Policy {
        name: name.to_owned(),
        documentation_names,
        publication_delay_hours: delay_hours,
        ..Policy::default()
    };
    found(&folder, &config, &keys, policy, SystemClock.now().hour())
}

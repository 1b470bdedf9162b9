//! `federation`: membership and evaluation keys. `create` and `join` change a node that is not running; the
//! others talk to the running one through its local port.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use flowlore_common::env::{Clock, SystemClock};
use flowlore_common::invite::Invite;
use flowlore_common::roster::Policy;

use super::init;
use crate::config::Config;
use crate::folder::Folder;
use crate::keys::{Keys, NewKeys};
use crate::peer::joining;
use crate::rpc::client::Local;

/// Arguments of `federation`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Found a federation with this org as its only member. The node must not run.
    Create(Create),
    /// Print a line with which another org can ask to join; good once, for 24 hours.
    Invite(super::Dir),
    /// Ask to join with such a line. The node must not run; the next `run` asks.
    Join(Join),
    /// Admit an org that asked.
    Approve(Approve),
    /// Deal a new evaluation key: `2-of-3`.
    Keygen(Keygen),
    /// End a membership.
    Expel(Expel),
    /// New keys after theft or loss. Without KEYS, on the member's own machine while its node is stopped: makes
    /// them. With KEYS, at a governor: writes them into the roster.
    Rekey(Rekey),
    /// Who is in, who waits, how the keys are.
    Status(super::Dir),
}

#[derive(Debug, clap::Args)]
struct Create {
    #[command(flatten)]
    dir: super::Dir,
    /// The federation's name.
    #[arg(long)]
    name: String,
    /// Make documentation names into tokens, for demos and tests: such a federation is good for nothing else.
    #[arg(long)]
    documentation_names: bool,
    /// Contacted labels leave at random within so many hours; 0 only for demos and tests.
    #[arg(long, default_value_t = Policy::default().publication_delay_hours)]
    publication_delay_hours: u16,
}

#[derive(Debug, clap::Args)]
struct Join {
    #[command(flatten)]
    dir: super::Dir,
    /// The invitation: flowlore1...
    line: String,
}

#[derive(Debug, clap::Args)]
struct Approve {
    #[command(flatten)]
    dir: super::Dir,
    /// Name or fingerprint of the applicant.
    applicant: String,
    /// A member who vouches for it, too; one is needed as soon as there are two members.
    #[arg(long = "endorsed-by", value_name = "MEMBER")]
    endorsers: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Keygen {
    #[command(flatten)]
    dir: super::Dir,
    /// How many of how many evaluators answer together: 2-of-3, 3-of-5.
    #[arg(value_parser = parse_quorum)]
    quorum: (u32, u32),
}

#[derive(Debug, clap::Args)]
struct Expel {
    #[command(flatten)]
    dir: super::Dir,
    /// Name or fingerprint.
    member: String,
    /// Cut its newest feed from this height on; default: behind all that is held here.
    #[arg(long)]
    from_height: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct Rekey {
    #[command(flatten)]
    dir: super::Dir,
    /// Name or fingerprint of the member.
    #[arg(requires = "keys")]
    member: Option<String>,
    /// What `federation rekey` printed at the member.
    keys: Option<NewKeys>,
    /// The first block that is not the member's own; default: behind all that is held here.
    #[arg(long)]
    from_height: Option<u64>,
}

fn parse_quorum(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once("-of-").and_then(|(t, n)| Some((t.parse().ok()?, n.parse().ok()?)));
    parts.ok_or_else(|| format!("{text:?} is not of the form 2-of-3"))
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Create(args) => create(args)?,
        Command::Join(args) => join(args)?,
        Command::Invite(dir) => super::block_on(invite(dir))?,
        Command::Approve(args) => super::block_on(approve(args))?,
        Command::Keygen(args) => super::block_on(keygen(args))?,
        Command::Expel(args) => super::block_on(expel(args))?,
        Command::Rekey(args) => match (&args.member, args.keys) {
            (Some(member), Some(keys)) => super::block_on(rekey(args, member, keys))?,
            _ => new_keys(&args.dir)?,
        },
        Command::Status(dir) => super::block_on(status(dir))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(args: &Create) -> Result<()> {
    let (name, delay_hours) = (&args.name, args.publication_delay_hours);
    init::refound(args.dir.path(), name, args.documentation_names, delay_hours)?;
    let folder = Folder::open(args.dir.path())?;
    let config = Config::load(&folder)?;
    let dir = folder.root().display();
    println!(
        "Federation {:?} founded.\nNext: flowlore-node run --dir {dir}, then, beside it:\n  \
         flowlore-node federation invite --dir {dir}",
        args.name
    );
    if config.peer_advertise.is_empty() {
        println!(
            "First set peer.advertise in {}: joiners dial it.",
            folder.config_file().display()
        );
    }
    Ok(())
}

fn join(args: &Join) -> Result<()> {
    let folder = Folder::open(args.dir.path())?;
    let _lock = folder.lock()?;
    let invite: Invite = args.line.parse()?;
    if SystemClock.now().hour() >= invite.expires {
        bail!("the invitation has expired: ask for a new one");
    }
    joining::ask(&folder, &args.line)?;
    let dir = folder.root().display();
    let fingerprint = crate::roster::fingerprint(&Keys::load(&folder)?.transport.public().bytes());
    println!(
        "Will ask {} for admission to federation {}.\n\
         Next: flowlore-node run --dir {dir}\n\
         Tell them your fingerprint by another way: {fingerprint}",
        invite.address,
        invite.federation.short()
    );
    Ok(())
}

async fn invite(dir: &super::Dir) -> Result<()> {
    println!("{}", Local::connect(dir.path()).await?.invite().await?);
    Ok(())
}

async fn approve(args: &Approve) -> Result<()> {
    let mut local = Local::connect(args.dir.path()).await?;
    let admitted = local.approve(&args.applicant, &args.endorsers).await?;
    println!(
        "{} ({}) is a member; roster version {}.\n\
         Once enough evaluators are in: flowlore-node federation keygen --dir {} 2-of-3",
        admitted.name,
        admitted.fingerprint,
        admitted.roster_version,
        args.dir.path().display()
    );
    Ok(())
}

async fn keygen(args: &Keygen) -> Result<()> {
    let (threshold, evaluators) = args.quorum;
    let mut local = Local::connect(args.dir.path()).await?;
    let (key_epoch, roster_version) = local.keygen(threshold, evaluators).await?;
    println!(
        "Key epoch {key_epoch} dealt {threshold} of {evaluators}; roster version {roster_version}.\n\
         The evaluators fetch their shares; the copies here are erased as they do."
    );
    Ok(())
}

async fn expel(args: &Expel) -> Result<()> {
    let mut local = Local::connect(args.dir.path()).await?;
    let roster_version = local.expel(&args.member, args.from_height).await?;
    println!(
        "{} is no member from roster version {roster_version} on; its labels stop counting.\n\
         If it evaluated, it still holds a share: flowlore-node federation keygen --dir {} T-of-N",
        args.member,
        args.dir.path().display()
    );
    Ok(())
}

/// New keys at the member: the old ones are lost or somebody else has them.
fn new_keys(dir: &super::Dir) -> Result<()> {
    let folder = Folder::open(dir.path())?;
    let _lock = folder.lock()?;
    let keys = init::replace_keys(&folder)?;
    println!(
        "New keys; what this org says waits to be sealed with them. Everybody's credentials are void: the new\n\
         admin's is {}.\n\
         Tell a governor, who types (and is sure that it is you):\n  \
         flowlore-node federation rekey --dir DIR NAME {keys}\n\
         Then here: flowlore-node run --dir {}",
        folder.path("credentials/admin.cred").display(),
        dir.path().display()
    );
    Ok(())
}

async fn rekey(args: &Rekey, member: &str, keys: NewKeys) -> Result<()> {
    let mut local = Local::connect(args.dir.path()).await?;
    let roster_version = local.rekey(member, keys, args.from_height).await?;
    println!(
        "{member} has new keys from roster version {roster_version} on.\n\
         If it evaluated and its share may be stolen: flowlore-node federation keygen --dir {} T-of-N",
        args.dir.path().display()
    );
    Ok(())
}

async fn status(dir: &super::Dir) -> Result<()> {
    let status = Local::connect(dir.path()).await?.status().await?;
    println!("{} in federation {}", status.org_name, hex::encode(&status.federation[..4]));
    let members = match status.members.len() {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    println!("roster version {}, {members}", status.roster_version);
    for alarm in &status.alarms {
        println!("  {alarm}");
    }
    for member in &status.members {
        let number = match member.evaluator_number {
            0 => String::new(),
            number => format!(" {number}"),
        };
        println!(
            "  {}  {}  {}{number}  {}",
            member.fingerprint,
            member.name,
            member.roles.join(", "),
            member.address
        );
    }
    for applicant in &status.applicants {
        let (fingerprint, name) = (&applicant.fingerprint, &applicant.name);
        println!(
            "  {fingerprint}  {name}  WAITS: federation approve --dir {} {name:?}",
            dir.path().display()
        );
    }
    if let Some(keys) = &status.keys {
        println!(
            "keys: epoch {}, {} of {}, {}; share here: {}",
            keys.key_epoch,
            keys.threshold,
            keys.evaluators,
            keys.origin,
            if keys.share_here { "yes" } else { "no" }
        );
    }
    for peer in &status.peers {
        println!(
            "peer {}: {}, {}{}",
            peer.name,
            peer.state,
            if peer.in_sync { "in sync" } else { "not in sync" },
            if peer.last_error.is_empty() {
                String::new()
            } else {
                format!("; last: {}", peer.last_error)
            }
        );
    }
    Ok(())
}

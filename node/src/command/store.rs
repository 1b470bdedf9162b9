//! `store`: check the ledger, carry it elsewhere, bring it back. All but `backup` and `export` need the node to be
//! stopped; those two read what is whole at that moment and leave a running node alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Subcommand;
use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_ledger::ledger::{Engine, Imported, Ledger, OpenReport};
use flowlore_ledger::store::disk::RealDisk;
use flowlore_ledger::store::segment::Log;
use flowlore_ledger::store::transfer::{self, Copied, Exported};

use crate::folder::Folder;
use crate::store::Store;

/// Arguments of `store`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the whole log, judge every entry again, and compare what it adds up to with the state. The node must not run.
    Verify(super::Dir),
    /// Write all blocks, records and roster documents as one file; `-` for standard output. The node may run.
    Export {
        #[command(flatten)]
        dir: super::Dir,
        /// The file, which must not exist.
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Take what such a file has and is not here, each entry judged; `-` for standard input. The node must not run.
    Import {
        #[command(flatten)]
        dir: super::Dir,
        /// The file.
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
    /// Copy the log into a new folder, every entry checked. The node may run. Keys are not in it.
    Backup {
        #[command(flatten)]
        dir: super::Dir,
        /// The new folder.
        #[arg(value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Put a backup in the place of the log; what was there is set aside. The node must not run.
    Restore {
        #[command(flatten)]
        dir: super::Dir,
        /// The backup's folder.
        #[arg(value_name = "FOLDER")]
        from: PathBuf,
    },
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let out = &mut io::stdout().lock();
    let (dir, done) = match &args.command {
        Command::Verify(dir) => return verify(&Folder::open(dir.path())?, out),
        Command::Export { dir, to } if to == Path::new("-") => {
            export(&Folder::open(dir.path())?, BufWriter::new(out)).context("standard output")?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Export { dir, to } => (dir, export_file(&Folder::open(dir.path())?, to)?),
        Command::Import { dir, from } if from == Path::new("-") => {
            (dir, import(&Folder::open(dir.path())?, io::stdin().lock())?)
        }
        Command::Import { dir, from } => {
            let file = File::open(from).with_context(|| from.display().to_string())?;
            let done = import(&Folder::open(dir.path())?, BufReader::new(file));
            (dir, done.with_context(|| from.display().to_string())?)
        }
        Command::Backup { dir, to } => (dir, backup(&Folder::open(dir.path())?, to)?),
        Command::Restore { dir, from } => (dir, restore(&Folder::open(dir.path())?, from)?),
    };
    writeln!(out, "{}: {done}", dir.path().display())?;
    Ok(ExitCode::SUCCESS)
}

fn open(folder: &Folder) -> Result<(Ledger, OpenReport)> {
    Ok(Ledger::open(folder.root(), Engine::Sled, &mut SystemRng)?)
}

/// What opening had to mend: said, as it is no longer to be seen afterwards.
fn mended(report: &OpenReport) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(why) = &report.rebuilt {
        said.push(format!("the state was made anew from the log: {why}"));
    } else if report.replayed > 0 {
        said.push(format!("{} entries were missing in the state", report.replayed));
    }
    said
}

fn verify(folder: &Folder, out: &mut impl Write) -> Result<ExitCode> {
    let _lock = folder.lock()?;
    // Opening would move such bytes aside; whoever verifies wants to see them where they are.
    let read = transfer::scan(&log_of(folder)?)?;
    ensure!(
        read.left_bytes == 0,
        "the last {} bytes of the log are no whole entry: a write that a crash cut off, or damage. The next run sets \
         them aside as log/*.torn-*, and asks peers for what is missing; `store restore` puts a backup in its place",
        read.left_bytes
    );
    let (ledger, report) = open(folder)?;
    for line in mended(&report) {
        writeln!(out, "mended   {line}")?;
    }
    let day = SystemClock.now().hour().day();
    let check = ledger.verify(day, &mut SystemRng)?;
    let blocks: u64 = ledger.heads().map(|head| head.next).sum();
    writeln!(out, "log      {} entries in {} segments, all whole", check.entries, check.segments)?;
    writeln!(out, "feeds    {}, {blocks} blocks", ledger.heads().count())?;
    writeln!(
        out,
        "objects  {}  {}",
        hex::encode(ledger.objects_digest()),
        said(check.objects_agree)
    )?;
    let state = ledger.state_digest(day)?;
    writeln!(out, "state    {}  {} (day {day})", hex::encode(state), said(check.state_agrees))?;
    if check.objects_agree && check.state_agrees {
        return Ok(ExitCode::SUCCESS);
    }
    bail!(
        "the log adds up to something else than the state: remove {} and start the node, which makes it anew",
        folder.path("state").display()
    )
}

const fn said(agrees: bool) -> &'static str {
    if agrees { "as the log says" } else { "NOT AS THE LOG SAYS" }
}

fn log_of(folder: &Folder) -> Result<Log> {
    Ok(Log::open_to_read(&folder.path("log"))?)
}

fn counts(copied: Copied) -> String {
    format!("{} entries, {} bytes", copied.entries, copied.bytes)
}

fn export(folder: &Folder, mut to: impl Write) -> Result<Copied> {
    Ok(transfer::export(&log_of(folder)?, &mut to)?)
}

fn export_file(folder: &Folder, to: &Path) -> Result<String> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = file.with_context(|| format!("writing {}", to.display()))?;
    let copied = export(folder, BufWriter::new(&file))?;
    file.sync_all()?;
    Ok(format!("{} exported to {}", counts(copied), to.display()))
}

fn import(folder: &Folder, from: impl Read) -> Result<String> {
    let _lock = folder.lock()?;
    let (mut ledger, _) = open(folder)?;
    let mut exported = Exported::open(from)?;
    let now = SystemClock.now().hour();
    let (mut entries, mut taken, mut known) = (0_u64, 0_u64, 0_u64);
    let mut refused = std::collections::BTreeMap::<&str, (u64, String)>::new();
    while let Some((kind, content)) = exported
        .entry()
        .with_context(|| format!("after entry {entries}; what came before it was taken"))?
    {
        match ledger.import(kind, &content, now, &mut SystemRng)? {
            Imported::New => taken += 1,
            Imported::Known => known += 1,
            // Document 0 is the federation: with another one, nothing that follows can enter.
            Imported::Refused(_, why) if entries == 0 => bail!("not of this federation: {why}"),
            Imported::Refused(reason, why) => refused.entry(reason).or_insert((0, why)).0 += 1,
        }
        entries += 1;
    }
    ledger.flush()?;
    let mut done = format!("{taken} entries taken, {known} were here");
    for (reason, (count, why)) in refused {
        done += &format!("\n  {count} refused, {reason}: {why}");
    }
    Ok(done)
}

fn backup(folder: &Folder, to: &Path) -> Result<String> {
    ensure!(!to.exists(), "{} exists: a backup is a new folder", to.display());
    // Whole or not at all under its name.
    let partial = to.with_extension("partial");
    ensure!(!partial.exists(), "{} is of a backup that failed: remove it", partial.display());
    fs::DirBuilder::new().mode(0o700).create(&partial).context(partial.display().to_string())?;
    let copied = copy(&log_of(folder)?, &partial.join("log"))?;
    fs::rename(&partial, to).with_context(|| to.display().to_string())?;
    Ok(format!("{} copied to {}; keys are not in it", counts(copied), to.display()))
}

fn copy(from: &Log, to: &Path) -> Result<Copied> {
    let (mut log, _) = Log::open(to, Arc::new(RealDisk))?;
    Ok(transfer::copy(from, &mut log)?)
}

fn restore(folder: &Folder, from: &Path) -> Result<String> {
    let _lock = folder.lock()?;
    let backup = Log::open_to_read(&from.join("log"))?;
    // Judged before anything is moved: a backup that can't be read must not take the place of what can.
    let fresh = folder.path("restoring");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| fresh.display().to_string())?;
    }
    fs::DirBuilder::new().mode(0o700).create(&fresh).context(fresh.display().to_string())?;
    let copied = copy(&backup, &fresh.join("log"))?;
    let (ledger, _) = Ledger::open(&fresh, Engine::Sled, &mut SystemRng)?;
    let (feeds, blocks) =
        (ledger.heads().count(), ledger.heads().map(|head| head.next).sum::<u64>());
    drop(ledger);
    Store::set_aside(folder)?;
    for name in ["log", "state"] {
        fs::rename(fresh.join(name), folder.path(name)).context("moving the restored log")?;
    }
    fs::remove_dir_all(&fresh).context("removing what is left")?;
    Ok(format!(
        "{} restored: {blocks} blocks of {feeds} feeds. What was here is in aside-*.\nNext: run the node; \
         it publishes when its peers have told it what they hold of its feed.",
        counts(copied)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    use crate::command::init;

    struct Made {
        dir: tempfile::TempDir,
        folder: Folder,
    }

    fn node() -> Made {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("node");
        init::create(&root, "A").unwrap();
        let folder = Folder::open(&root).unwrap();
        Made { dir, folder }
    }

    fn verified(folder: &Folder) -> (String, bool) {
        let mut said = Vec::new();
        let good = verify(folder, &mut said).is_ok_and(|code| code == ExitCode::SUCCESS);
        (String::from_utf8(said).unwrap(), good)
    }

    #[test]
    fn a_backup_is_restored_and_all_say_the_same() {
        let made = node();
        let (before, good) = verified(&made.folder);
        assert!(good && before.contains("1 entries in 1 segments"), "{before}");
        let to = made.dir.path().join("backup");
        backup(&made.folder, &to).unwrap();
        assert!(backup(&made.folder, &to).unwrap_err().to_string().contains("new folder"));
        fs::remove_dir_all(made.folder.path("log")).unwrap();
        restore(&made.folder, &to).unwrap();
        assert_eq!(verified(&made.folder), (before, true));
        assert!(made.folder.path("aside-1").exists());
    }

    #[test]
    fn a_damaged_backup_takes_no_place() {
        let made = node();
        let to = made.dir.path().join("backup");
        backup(&made.folder, &to).unwrap();
        let log = OpenOptions::new().write(true).open(to.join("log/00000000.log")).unwrap();
        log.write_all_at(&[0xff], 100).unwrap();
        assert!(restore(&made.folder, &to).is_err());
        assert!(verified(&made.folder).1, "what was here stands");
        assert!(restore(&made.folder, &made.dir.path().join("none")).is_err());
    }

    #[test]
    fn an_export_of_another_federation_is_refused_and_one_of_ours_is_known() {
        let (one, other) = (node(), node());
        let file = one.dir.path().join("export");
        export_file(&one.folder, &file).unwrap();
        assert!(export_file(&one.folder, &file).is_err(), "nothing is overwritten");
        let said = import(&one.folder, File::open(&file).unwrap()).unwrap();
        assert_eq!(said, "0 entries taken, 1 were here");
        let refused = import(&other.folder, File::open(&file).unwrap()).unwrap_err().to_string();
        assert!(refused.contains("not of this federation"), "{refused}");
        let nothing = import(&one.folder, &b"no export at all"[..]).unwrap_err().to_string();
        assert!(nothing.contains("no exported store"), "{nothing}");
    }

    #[test]
    fn a_running_node_is_not_disturbed() {
        let made = node();
        let _running = made.folder.lock().unwrap();
        let (_ledger, _) = open(&made.folder).unwrap();
        let mut said = Vec::new();
        let refused = verify(&made.folder, &mut said).unwrap_err().to_string();
        assert!(refused.contains("another process"), "{refused}");
        let to = made.dir.path().join("backup");
        backup(&made.folder, &to).unwrap();
        assert!(restore(&made.folder, &to).unwrap_err().to_string().contains("another process"));
    }

    #[test]
    fn a_corrupt_state_is_set_aside_rebuilt_and_said() {
        let made = node();
        for name in ["db", "conf"] {
            let file = OpenOptions::new().write(true).open(made.folder.path("state").join(name));
            let file = file.unwrap();
            let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
            file.write_all_at(&vec![0xa5; length], 0).unwrap();
        }
        let (said, good) = verified(&made.folder);
        assert!(good && said.contains("the state was made anew from the log"), "{said}");
        assert!(made.folder.path("state.aside-0").exists());
        assert!(!verified(&made.folder).0.contains("mended"));
    }

    #[test]
    fn a_flipped_byte_of_the_log_is_found_and_left() {
        let made = node();
        let path = made.folder.path("log/00000000.log");
        let log = OpenOptions::new().write(true).open(&path).unwrap();
        log.write_all_at(&[0xff], 100).unwrap();
        let mut said = Vec::new();
        let before = fs::read(&path).unwrap();
        let error = format!("{:#}", verify(&made.folder, &mut said).unwrap_err());
        assert!(error.contains("are no whole entry"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before, "it is left as it is");
    }
}

//! Goal: what was acknowledged is there after every accident, and what can't be is said.
//! Method: a folder with a few blocks, one accident, open, verify.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowlore_common::label::{Purpose, Source, Verdict};
use flowlore_common::roster::Change;
use flowlore_common::time::Hour;
use flowlore_ledger::ledger::{Engine, Imported, Ledger, OpenError, OpenReport};
use flowlore_ledger::store::disk::RealDisk;
use flowlore_ledger::store::segment::{Log, LogError};
use flowlore_ledger::store::transfer::{self, Exported, TransferError};
use world::{NOW, World, assessment, question, sighting, today};

struct Folder {
    dir: tempfile::TempDir,
    world: World,
}

impl Folder {
    /// A ledger with two blocks of org 0, a roster document, and one of org 1.
    fn new() -> (Self, [u8; 32]) {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(&[1, 2]);
        let mut ledger = Ledger::create(dir.path(), Engine::Sled, &world.first).unwrap();
        fill(&mut world, &mut ledger);
        ledger.flush().unwrap();
        let digest = ledger.objects_digest();
        drop(ledger);
        (Self { dir, world }, digest)
    }

    fn open(&mut self) -> Result<(Ledger, OpenReport), OpenError> {
        Ledger::open(self.dir.path(), Engine::Sled, &mut self.world.rng)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn segment(&self) -> PathBuf {
        self.path("log/00000000.log")
    }

    /// Opens, and checks that all is there and that log and state agree.
    fn whole(&mut self, digest: [u8; 32]) -> OpenReport {
        let (ledger, report) = self.open().unwrap();
        assert_eq!(ledger.objects_digest(), digest);
        let check = ledger.verify(today(), &mut self.world.rng).unwrap();
        assert!(check.objects_agree && check.state_agrees, "{check:?}");
        let host = ledger.answer(&question("a.example"), today()).unwrap().host.unwrap();
        assert_eq!(host.contacted.orgs, 2);
        report
    }
}

fn fill(world: &mut World, ledger: &mut Ledger) {
    let (a, b) = (world::org(0, 1), world::org(1, 2));
    let mut seal = |world: &mut World, org: &world::Org, index, purpose, body: &_| {
        let label = world.label(index, "a.example", purpose, body);
        ledger.seal(org.author(), purpose, vec![label], NOW, &mut world.rng).unwrap();
    };
    seal(world, &a, 0, Purpose::Contacted, &sighting());
    let flagged = assessment(Verdict::Malicious, Source::Person, 90);
    seal(world, &a, 0, Purpose::Flagged, &flagged);
    seal(world, &b, 1, Purpose::Contacted, &sighting());
    let change = Change::Endpoints(a.id, vec!["a.example:7071".to_owned()]);
    let document = world.document(ledger, vec![change], NOW);
    ledger.apply_roster(&document, NOW, &mut world.rng).unwrap();
}

#[test]
fn reopening_finds_everything_and_replays_nothing() {
    let (mut folder, digest) = Folder::new();
    assert_eq!(folder.whole(digest), OpenReport::default());
    let mode = folder.segment().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_second_process_is_kept_out() {
    let (mut folder, digest) = Folder::new();
    let (first, _) = folder.open().unwrap();
    assert!(matches!(folder.open(), Err(OpenError::Locked(_))));
    drop(first);
    folder.whole(digest);
}

#[test]
fn a_folder_is_founded_once_and_must_exist_to_open() {
    let (mut folder, digest) = Folder::new();
    let again = Ledger::create(folder.dir.path(), Engine::Sled, &folder.world.first);
    assert!(matches!(again, Err(OpenError::Folder { .. })));
    folder.whole(digest);
    let empty = tempfile::tempdir().unwrap();
    let none = Ledger::open(empty.path(), Engine::Sled, &mut folder.world.rng);
    assert!(matches!(none, Err(OpenError::Folder { .. })));
}

#[test]
fn a_missing_state_is_rebuilt() {
    let (mut folder, digest) = Folder::new();
    std::fs::remove_dir_all(folder.path("state")).unwrap();
    let report = folder.whole(digest);
    assert_eq!(report.rebuilt.as_deref(), Some("there is none"));
    assert_eq!(report.replayed, 4);
    assert_eq!(folder.whole(digest), OpenReport::default());
}

#[test]
fn a_broken_state_is_set_aside_and_rebuilt_and_old_ones_are_dropped() {
    let (mut folder, digest) = Folder::new();
    for round in 0..4 {
        for name in ["db", "conf"] {
            let file = OpenOptions::new().write(true).open(folder.path("state").join(name));
            let file = file.unwrap();
            let length = file.metadata().unwrap().len();
            file.write_all_at(&vec![0xa5; usize::try_from(length).unwrap()], 0).unwrap();
        }
        let report = folder.whole(digest);
        assert!(report.rebuilt.is_some(), "round {round}");
        assert_eq!(report.replayed, 4);
    }
    let aside = |name: &str| folder.path(name).exists();
    assert!(aside("state.aside-0") && aside("state.aside-1") && !aside("state.aside-2"));
}

#[test]
fn a_state_that_lost_its_end_catches_up() {
    let (mut folder, _) = Folder::new();
    let saved = folder.path("saved");
    copy(&folder.path("state"), &saved);
    let (mut ledger, _) = folder.open().unwrap();
    let label = folder.world.label(1, "b.example", Purpose::Contacted, &sighting());
    let author = world::org(1, 2);
    let rng = &mut folder.world.rng;
    ledger.seal(author.author(), Purpose::Contacted, vec![label], NOW, rng).unwrap();
    let digest = ledger.objects_digest();
    drop(ledger);
    std::fs::remove_dir_all(folder.path("state")).unwrap();
    copy(&saved, &folder.path("state"));
    let report = folder.whole(digest);
    assert_eq!(report, OpenReport { replayed: 1, ..OpenReport::default() });
}

#[test]
fn a_state_ahead_of_the_log_is_rebuilt() {
    let (mut folder, _) = Folder::new();
    let log = OpenOptions::new().write(true).open(folder.segment()).unwrap();
    log.set_len(log.metadata().unwrap().len() - 1).unwrap();
    let (ledger, report) = folder.open().unwrap();
    assert_eq!(report.rebuilt.as_deref(), Some("it is ahead of the log, which lost its end"));
    assert!(report.torn_bytes > 0);
    assert_eq!(ledger.roster().version(), 0, "the last entry was the roster document");
    assert!(ledger.verify(today(), &mut folder.world.rng).unwrap().state_agrees);
}

#[test]
fn every_torn_tail_is_set_aside_and_said() {
    let (mut folder, digest) = Folder::new();
    let whole = std::fs::read(folder.segment()).unwrap();
    for extra in [1, 4, 5, 36, 37, 400] {
        let mut torn = whole.clone();
        // The beginning of an entry that is repeated: a length that promises more than there is.
        torn.extend_from_slice(&whole[..extra]);
        std::fs::write(folder.segment(), &torn).unwrap();
        let report = folder.whole(digest);
        assert_eq!(report, OpenReport { torn_bytes: extra as u64, ..OpenReport::default() });
        assert_eq!(std::fs::read(folder.segment()).unwrap(), whole);
        let aside = folder.path(&format!("log/00000000.torn-{}", whole.len()));
        assert_eq!(std::fs::read(&aside).unwrap(), whole[..extra]);
    }
}

#[test]
fn garbage_after_the_end_is_no_entry() {
    let (mut folder, digest) = Folder::new();
    let mut log = OpenOptions::new().append(true).open(folder.segment()).unwrap();
    log.write_all(&[0xff; 100]).unwrap();
    assert_eq!(folder.whole(digest).torn_bytes, 100);
}

#[test]
fn a_flipped_byte_in_the_log_is_found() {
    let (mut folder, _) = Folder::new();
    let (ledger, _) = folder.open().unwrap();
    let log = OpenOptions::new().read(true).write(true).open(folder.segment()).unwrap();
    let mut byte = [0];
    log.read_exact_at(&mut byte, 200).unwrap();
    log.write_all_at(&[byte[0] ^ 1], 200).unwrap();
    let found = ledger.verify(today(), &mut folder.world.rng);
    let is_named = matches!(found, Err(OpenError::Log(LogError::Damaged { offset: 0, .. })));
    assert!(is_named, "{found:?}");
}

#[test]
fn memory_and_sled_agree_and_both_with_a_rebuilt_one() {
    let (mut folder, digest) = Folder::new();
    let (ledger, _) = folder.open().unwrap();
    let state = ledger.state_digest(today()).unwrap();
    let answer = ledger.answer(&question("a.example"), today()).unwrap();
    drop(ledger);
    let rng = &mut folder.world.rng;
    let (memory, report) = Ledger::open(folder.dir.path(), Engine::Memory, rng).unwrap();
    assert_eq!(report.replayed, 4);
    assert_eq!(memory.objects_digest(), digest);
    assert_eq!(memory.state_digest(today()).unwrap(), state);
    assert_eq!(memory.answer(&question("a.example"), today()).unwrap(), answer);
}

#[test]
fn the_log_goes_on_in_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(&[1]);
    let mut ledger = Ledger::create(dir.path(), Engine::Sled, &world.first).unwrap();
    let filler = vec![7; 65_000];
    let items: Vec<&[u8]> = vec![&filler; 4];
    let author = world::org(0, 1);
    let kind = flowlore_common::block::PayloadKind(40);
    for hour in 0..260 {
        let sealed = Hour(NOW.0 + hour);
        ledger.seal_items(author.author(), kind, &items, sealed, &mut world.rng).unwrap();
    }
    assert!(dir.path().join("log/00000001.log").exists());
    let first = std::fs::metadata(dir.path().join("log/00000000.log")).unwrap();
    assert!(first.len() <= flowlore_ledger::limits::SEGMENT_BYTES_MAX);
    let digest = ledger.objects_digest();
    assert_eq!(world::blocks(&ledger, author.feed(), 255).len(), 5);
    drop(ledger);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let (ledger, report) = Ledger::open(dir.path(), Engine::Sled, &mut world.rng).unwrap();
    assert_eq!((ledger.objects_digest(), report.replayed), (digest, 260));
}

#[test]
fn a_growing_log_is_copied_and_the_copy_is_a_ledger() {
    let (mut folder, digest) = Folder::new();
    let (ledger, _) = folder.open().unwrap();
    // Bytes of an entry that is being written.
    let whole = std::fs::read(folder.segment()).unwrap();
    let mut log = OpenOptions::new().append(true).open(folder.segment()).unwrap();
    log.write_all(&whole[..50]).unwrap();
    let target = tempfile::tempdir().unwrap();
    let from = Log::open_to_read(&folder.path("log")).unwrap();
    let (mut to, _) = Log::open(&target.path().join("log"), Arc::new(RealDisk)).unwrap();
    let copied = transfer::copy(&from, &mut to).unwrap();
    assert_eq!((copied.entries, copied.left_bytes), (5, 50));
    drop((to, ledger));
    assert_eq!(std::fs::read(target.path().join("log/00000000.log")).unwrap(), whole);
    let rng = &mut folder.world.rng;
    let (copy, _) = Ledger::open(target.path(), Engine::Sled, rng).unwrap();
    assert_eq!(copy.objects_digest(), digest);
}

#[test]
fn an_export_is_imported_once_and_any_change_of_it_is_found() {
    let (mut folder, digest) = Folder::new();
    let mut file = Vec::new();
    let log = Log::open_to_read(&folder.path("log")).unwrap();
    let copied = transfer::export(&log, &mut file).unwrap();
    let mut ledger = folder.world.ledger();
    let mut all = |ledger: &mut Ledger, file: &[u8]| {
        let mut exported = Exported::open(file)?;
        let mut seen = Vec::new();
        while let Some((kind, content)) = exported.entry()? {
            seen.push(ledger.import(kind, &content, NOW, &mut folder.world.rng).unwrap());
        }
        Ok::<_, TransferError>(seen)
    };
    let seen = all(&mut ledger, &file).unwrap();
    assert_eq!(seen.len() as u64, copied.entries);
    assert_eq!(seen[0], Imported::Known, "the first document is the federation");
    assert!(seen[1..].iter().all(|entry| *entry == Imported::New), "{seen:?}");
    assert_eq!(ledger.objects_digest(), digest);
    let again = all(&mut ledger, &file).unwrap();
    assert!(again.iter().all(|entry| *entry == Imported::Known), "{again:?}");
    for offset in (0..file.len()).step_by(61) {
        let mut changed = file.clone();
        changed[offset] ^= 1;
        assert!(all(&mut ledger, &changed).is_err(), "byte {offset}");
    }
    assert!(all(&mut ledger, &file[..file.len() - 1]).is_err(), "cut off");
    assert_eq!(ledger.objects_digest(), digest);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

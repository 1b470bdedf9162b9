use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flowlore_common::time::{Day, Micros};

use super::{Came, Days, DaysError, Given};
use crate::folder::{Folder, UPLOAD_PREFIX};
use crate::follow::is_packed;

const HOUR_US: i64 = 3_600 * 1_000_000;

struct Scene {
    dir: tempfile::TempDir,
    folder: Folder,
    days: Days,
}

impl Scene {
    fn new(bytes_max: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let days = Days::open(&folder, bytes_max).unwrap();
        Self { dir, folder, days }
    }

    /// What the next process finds.
    fn restart(&mut self) {
        self.folder.remove_leftovers().unwrap();
        self.days = Days::open(&self.folder, self.days.bytes_max).unwrap();
    }

    /// A file that came, in a folder of its own as uploads have it.
    fn file(&self, number: usize, name: &str, bytes: &[u8]) -> PathBuf {
        let folder = self.folder.path(format!("private/came/{number}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
        folder.join(name)
    }

    /// Bytes that are stored as they are, since they look packed.
    fn packed(&self, bytes: usize) -> PathBuf {
        let mut packed = vec![b'x'; bytes];
        packed[..2].copy_from_slice(&[0x1f, 0x8b]);
        self.file(9, "packed.gz", &packed)
    }

    fn add(&self, day: Day, name: &str, file: &Path) -> Result<Option<Vec<Day>>, DaysError> {
        let staged = self.days.stage(&given(day, name, &[file], Micros(0)))?;
        staged.map(|staged| self.days.commit(staged)).transpose()
    }

    /// Files of a day by their senders' names, unpacked.
    fn in_hand(&self, day: Day) -> BTreeMap<String, Vec<u8>> {
        let gathered = self.days.gather(day).unwrap();
        let files = crate::rpc::client::files_below(&gathered.paths()[0]).unwrap();
        let read = |path: PathBuf| {
            let bytes = fs::read(&path).unwrap();
            let bytes = if is_packed(&bytes) && bytes[0] == 0x28 {
                zstd::decode_all(&*bytes).unwrap()
            } else {
                bytes
            };
            (gathered.as_sent(path.to_str().unwrap()), bytes)
        };
        files.into_iter().map(read).collect()
    }

    fn days(&self) -> Vec<Day> {
        self.days.held().keys().copied().collect()
    }

    /// Folders on their way in or out.
    fn beside(&self) -> usize {
        let entries = fs::read_dir(self.folder.path("private")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(UPLOAD_PREFIX)).count()
    }
}

fn given<'a>(day: Day, name: &str, files: &[&'a Path], now: Micros) -> Given<'a> {
    let came = |stored: &&'a Path| Came { sent: stored.to_str().unwrap(), stored };
    Given {
        day,
        digest: blake3::hash(name.as_bytes()),
        flows: files.iter().map(came).collect(),
        mapping: None,
        keep_here: false,
        now,
    }
}

#[test]
fn what_is_in_hand_outlives_a_restart_and_is_there_once() {
    let mut scene = Scene::new(1 << 20);
    let plain = "a line\n".repeat(1_000);
    let [conn, empty] = [("conn.log", plain.as_bytes()), ("ssl.log", b"")]
        .map(|(name, bytes)| scene.file(name.len(), name, bytes));
    let mut text = vec![];
    flate2::read::GzEncoder::new(plain.as_bytes(), flate2::Compression::fast())
        .read_to_end(&mut text)
        .unwrap();
    let packed = scene.file(0, "conn.log", &text);
    let day = Day(20_780);
    let now = Micros(5 * HOUR_US);
    let first = given(day, "one", &[&conn, &empty], now);
    let staged = scene.days.stage(&first).unwrap().unwrap();
    assert!(scene.in_hand(day).is_empty(), "not in view before all of it is there");
    scene.days.commit(staged).unwrap();
    // By a mapping, under the same name.
    let mapping = scene.file(7, "m.toml", b"notation = \"words\"\n");
    let mapping = Some(Came { sent: "m.toml", stored: &mapping });
    let second = Given { mapping, keep_here: true, ..given(day, "two", &[&packed], now) };
    let staged = scene.days.stage(&second).unwrap().unwrap();
    scene.days.commit(staged).unwrap();
    // That mapping is none: the others of the day are read all the same, and it is said.
    let gathered = scene.days.gather(day).unwrap();
    let said = gathered.left_out().unwrap();
    assert!(said.ends_with("left out: 1") && !said.contains("m.toml"), "{said}");
    let paths = crate::rpc::client::files_below(&gathered.paths()[0]).unwrap();
    assert_eq!(paths.len(), 2);
    scene.add(Day(20_781), "one", &conn).unwrap().unwrap();

    scene.restart();
    assert_eq!(scene.days(), [day, Day(20_781)]);
    for again in [&first, &second] {
        assert!(scene.days.stage(again).unwrap().is_none(), "the same again is there already");
    }
    let root = scene.folder.path("private/days");
    for path in crate::rpc::client::files_below(&root).unwrap() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700), "{path:?}");
    }
    let stored: u64 = scene.days.held()[&Day(20_781)].values().map(|counted| counted.bytes).sum();
    assert!(stored < plain.len() as u64 / 10, "what came plain is packed: {stored}");
    let files = scene.in_hand(Day(20_781));
    assert_eq!(files, [(conn.to_str().unwrap().to_owned(), plain.into_bytes())].into());
}

#[test]
fn what_a_killed_process_had_not_put_in_view_is_gone() {
    let mut scene = Scene::new(1 << 20);
    let (day, file) = (Day(20_780), scene.packed(100));
    scene.add(day, "one", &file).unwrap().unwrap();
    let staged = scene.days.stage(&given(day, "two", &[&file], Micros(0))).unwrap();
    std::mem::forget(staged);
    assert_eq!(scene.beside(), 1);
    scene.restart();
    assert_eq!((scene.beside(), scene.in_hand(day).len()), (0, 1));
    // Nor is what a broken disk left of one.
    let upload = fs::read_dir(scene.folder.path("private/days").join(day.to_string()));
    let upload = upload.unwrap().next().unwrap().unwrap().path();
    fs::write(upload.join("sent.json"), b"{").unwrap();
    scene.restart();
    assert!(!upload.exists() && scene.days().is_empty());
}

#[test]
fn the_oldest_other_day_makes_room() {
    let scene = Scene::new(1_000);
    let file = scene.packed(400);
    let [first, second, third] = [20_780, 20_781, 20_782].map(Day);
    assert_eq!(scene.add(second, "one", &file).unwrap(), Some(vec![]));
    assert_eq!(scene.add(first, "two", &file).unwrap(), Some(vec![]));
    assert_eq!(scene.add(third, "three", &file).unwrap(), Some(vec![first]));
    // Never the day itself; and nothing goes for what has no room anyway.
    let large = scene.packed(700);
    let refused = scene.add(third, "four", &large).unwrap_err();
    assert!(matches!(refused, DaysError::NoRoom(day, _) if day == third), "{refused}");
    let mut noise = vec![0; 2_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let refused = scene.add(first, "five", &scene.file(8, "noise", &noise)).unwrap_err();
    assert!(refused.to_string().contains("[analyze] days_gib"), "{refused}");
    assert_eq!((scene.days(), scene.beside()), (vec![second, third], 0));
    let refused = Scene::new(0).add(first, "one", &file).unwrap_err();
    assert!(matches!(refused, DaysError::Off), "{refused}");
}

#[test]
fn a_day_goes_when_it_is_over_and_all_when_they_must() {
    let mut scene = Scene::new(1 << 20);
    let file = scene.packed(100);
    let [first, second] = [20_780, 20_781].map(Day);
    for (day, name, hour) in [(first, "one", 0), (first, "two", 10), (second, "one", 5)] {
        let staged = scene.days.stage(&given(day, name, &[&file], Micros(hour * HOUR_US)));
        scene.days.commit(staged.unwrap().unwrap()).unwrap();
    }
    scene.days.forget(Micros(77 * HOUR_US)).unwrap();
    assert_eq!(scene.days().len(), 2);
    scene.days.forget(Micros(78 * HOUR_US)).unwrap();
    assert_eq!(scene.days(), [first]);
    // Who reads a day reads it to its end.
    let gathered = scene.days.gather(first).unwrap();
    assert_eq!(scene.days.clear().unwrap(), 1);
    assert_eq!(crate::rpc::client::files_below(&gathered.paths()[0]).unwrap().len(), 2);
    drop(gathered);
    assert_eq!((scene.days.clear().unwrap(), scene.beside()), (0, 0));
    scene.restart();
    assert!(scene.days().is_empty() && !scene.folder.path("private/days").exists());
    assert!(scene.dir.path().exists());
}

#[test]
fn what_the_disk_kept_but_would_not_confirm_is_sent_again() {
    let scene = Scene::new(1 << 20);
    let (day, file) = (Day(20_780), scene.file(0, "conn.log", b"a line\n"));
    let one = blake3::hash(b"one").to_hex().to_string();
    let left = scene.days.day(day).join(one);
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("00007"), b"of the time before").unwrap();
    scene.add(day, "one", &file).unwrap().unwrap();
    assert!(!left.join("00007").exists());
    assert_eq!((scene.in_hand(day).len(), scene.beside()), (1, 0));
}

#[test]
fn what_lost_a_file_is_left_out_and_gone_after_a_restart() {
    let mut scene = Scene::new(1 << 20);
    let day = Day(20_780);
    let files = [("a.log", "one\n"), ("b.log", "other\n")]
        .map(|(name, text)| scene.file(name.as_bytes()[0].into(), name, text.as_bytes()));
    for file in &files {
        scene.add(day, file.to_str().unwrap(), file).unwrap().unwrap();
    }
    let broken = blake3::hash(files[0].to_str().unwrap().as_bytes()).to_hex().to_string();
    let path = scene.days.day(day).join(broken).join("00000");
    fs::remove_file(&path).unwrap();
    let gathered = scene.days.gather(day).unwrap();
    assert!(gathered.left_out().is_some());
    assert_eq!(scene.in_hand(day).len(), 1, "the other is there");
    fs::write(&path, b"short").unwrap();
    scene.restart();
    assert!(scene.days.gather(day).unwrap().left_out().is_none(), "it is removed");
    assert_eq!(scene.in_hand(day).len(), 1);
}

#[test]
fn what_comes_again_to_be_kept_here_is() {
    let scene = Scene::new(1 << 20);
    let file = scene.file(0, "conn.log", b"a line\n");
    let first = given(Day(20_780), "one", &[&file], Micros(0));
    let staged = scene.days.stage(&first).unwrap().unwrap();
    scene.days.commit(staged).unwrap();
    assert!(!scene.days.gather(first.day).unwrap().keep_here());
    for keep_here in [true, false] {
        assert!(scene.days.stage(&Given { keep_here, ..first.clone() }).unwrap().is_none());
        assert!(scene.days.gather(first.day).unwrap().keep_here());
    }
}

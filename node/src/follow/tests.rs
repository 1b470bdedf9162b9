//! Goal: which files are found, how each is unpacked, and that nothing depends on threads, pieces or
//! the order of paths. Method: folders made for the test, real files of our own making in them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use flowlore_analyzer::record::{
    CaptureLoss, Conn, Dhcp, Dns, File, FileSink, Http, Logon, Notice, Remote, Sink, Skip, Tls,
    X509,
};
use flowlore_analyzer::source::Reader;

use super::{FileRead, FollowError, Followed, Options, read};

/// Counts the starts of connections by file.
#[derive(Debug, Default)]
struct Starts {
    file: u32,
    starts: BTreeMap<(u32, i64), u64>,
}

impl FileSink for Starts {
    fn enter(&mut self, file: u32) {
        self.file = file;
    }
}

impl Sink for Starts {
    fn conn(&mut self, record: &Conn<'_>) {
        *self.starts.entry((self.file, record.start_us)).or_default() += 1;
    }
    fn dns(&mut self, _: &Dns<'_>) {}
    fn tls(&mut self, _: &Tls<'_>) {}
    fn http(&mut self, _: &Http<'_>) {}
    fn file(&mut self, _: &File<'_>) {}
    fn x509(&mut self, _: &X509<'_>) {}
    fn dhcp(&mut self, _: &Dhcp<'_>) {}
    fn logon(&mut self, _: &Logon<'_>) {}
    fn remote(&mut self, _: &Remote<'_>) {}
    fn notice(&mut self, _: &Notice<'_>) {}
    fn capture_loss(&mut self, _: &CaptureLoss<'_>) {}
}

fn log(rows: std::ops::Range<u32>) -> Vec<u8> {
    let mut log = String::from(
        "#separator \\x09\n#path\tconn\n\
         #fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\n",
    );
    for row in rows {
        log.push_str(&format!("{row}.5\t192.0.2.1\t5\t198.51.100.2\t443\ttcp\n"));
    }
    log.into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn follow(
    paths: &[&Path],
    threads: usize,
    piece_bytes: usize,
) -> Result<Followed<Starts>, FollowError> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let threads = NonZeroUsize::new(threads).unwrap();
    let options = Options { threads, piece_bytes, ..Options::default() };
    read(&paths, &options, Starts::default)
}

fn merged(followed: &Followed<Starts>) -> BTreeMap<(u32, i64), u64> {
    let mut all = BTreeMap::new();
    for (key, count) in followed.sinks.iter().flat_map(|sink| &sink.starts) {
        *all.entry(*key).or_default() += count;
    }
    all
}

#[test]
fn the_same_for_all_threads_pieces_and_orders_of_paths() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("2026-11-23")).unwrap();
    fs::create_dir_all(at("current")).unwrap();
    fs::write(at("2026-11-23/conn.00:00:00-01:00:00.log"), log(0..700)).unwrap();
    let members = [gzip(&log(700..900)), gzip(&log(900..1_000))].concat();
    fs::write(at("2026-11-23/conn.01:00:00-02:00:00.log.gz"), members).unwrap();
    let packed = zstd::encode_all(&log(1_000..1_500)[..], 1).unwrap();
    fs::write(at("2026-11-23/conn.02:00:00-03:00:00.log.zst"), packed).unwrap();
    fs::write(at("current/conn.log"), log(1_500..1_600)).unwrap();
    fs::write(at("current/notes.txt"), "none of ours\n").unwrap();
    let whole = follow(&[folder.path()], 1, usize::MAX).unwrap();
    let starts = merged(&whole);
    assert_eq!(starts.len(), 1_600);
    assert!(starts.values().all(|count| *count == 1));
    let formats: Vec<String> = whole.files.iter().map(|file| file.tally.format()).collect();
    assert_eq!(formats, ["zeek/conn", "zeek/conn", "zeek/conn", "zeek/conn", "unknown"]);
    for (threads, piece_bytes) in [(1, 1), (2, 100), (8, 1_000), (3, usize::MAX)] {
        let paths = [at("current"), at("2026-11-23")];
        let again = follow(&[&paths[0], &paths[1]], threads, piece_bytes).unwrap();
        assert_eq!(again.sinks.len(), threads);
        assert_eq!((&again.files, merged(&again)), (&whole.files, starts.clone()));
    }
}

#[test]
fn a_file_is_read_once_however_it_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("conn.log");
    fs::write(&file, log(0..10)).unwrap();
    fs::write(folder.path().join(".hidden.log"), log(0..10)).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&file, folder.path().join("latest.log")).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("round")).unwrap();
    }
    fs::hard_link(&file, folder.path().join("same.log")).unwrap();
    let followed = follow(&[folder.path(), &file, &file], 2, 64).unwrap();
    assert_eq!((followed.files.len(), merged(&followed).len()), (1, 10));
    let notes = followed.notes.join("\n");
    for said in ["hidden files and folders, not read: 1", "named twice", "read once"] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
}

#[test]
fn what_is_broken_costs_itself_only() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let packed = gzip(&log(0..5_000));
    fs::write(at("a.log.gz"), &packed[..packed.len() / 2]).unwrap();
    fs::write(at("b.log.gz"), b"\x1f\x8brubbish").unwrap();
    fs::write(at("c.log.zst"), b"\x28\xb5\x2f\xfdrubbish").unwrap();
    fs::write(at("d.log.gz"), [gzip(&log(0..7)), b"trailing rubbish".to_vec()].concat()).unwrap();
    fs::write(at("e.log"), b"").unwrap();
    fs::write(at("f.log"), &log(0..9)[..200]).unwrap();
    let followed = follow(&[folder.path()], 2, 64).unwrap();
    let file = |index: usize| &followed.files[index];
    let half = file(0).tally.records;
    assert!(half > 500 && half < 5_000, "{half}");
    for index in [0, 1, 2, 3] {
        let note = file(index).note.as_deref().unwrap_or("");
        assert!(note.contains("broken after"), "{index}: {note}");
    }
    assert_eq!(file(3).tally.used(), 7);
    assert_eq!(file(4).tally.format(), "empty");
    assert_eq!(file(5).tally.skipped, [(Skip::CutOff, 1)].into());
}

#[test]
fn only_a_named_path_that_cannot_be_read_is_fatal() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("conn.log"), log(0..3)).unwrap();
    let error = follow(&[folder.path(), Path::new("no/such.log")], 1, 64).unwrap_err();
    assert!(error.to_string().starts_with("no/such.log: cannot be read: "), "{error}");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", folder.path().join("dangling.log")).unwrap();
        let followed = follow(&[folder.path()], 1, 64).unwrap();
        assert_eq!(followed.files.len(), 1);
        assert!(followed.notes[0].contains("dangling.log: cannot be read"));
    }
}

#[test]
fn captures_are_read_beside_logs() {
    let folder = tempfile::tempdir().unwrap();
    // A header of libpcap's, a packet that is none, and the beginning of another.
    let header = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0";
    let packet = b"\0\0\0\x01\0\0\0\0\x01\0\0\0\x01\0\0\0\xff";
    let capture = [&header[..], packet, &packet[..9]].concat();
    fs::write(folder.path().join("a.pcap"), &capture).unwrap();
    fs::write(folder.path().join("b.pcap.gz"), gzip(&capture)).unwrap();
    fs::write(folder.path().join("conn.log"), log(0..3)).unwrap();
    let followed = follow(&[folder.path()], 1, 64).unwrap();
    for file in &followed.files[..2] {
        assert_eq!((file.tally.format(), &file.note), ("pcap".to_owned(), &None));
        let skipped = [(Skip::BadPacket, 1), (Skip::CutOff, 1)].into();
        assert_eq!((file.tally.records, &file.tally.skipped), (2, &skipped));
    }
    assert_eq!(merged(&followed).len(), 3);
}

/// Real captures, where their folder is given. Every folder by itself, so that one broken file cannot
/// hide behind another.
#[test]
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
fn every_folder_of_captures_reconciles() {
    let Some(captures) = std::env::var_os("FLOWLORE_CAPTURES").map(PathBuf::from) else {
        println!("skipped: every_folder_of_captures_reconciles (FLOWLORE_CAPTURES is not set)");
        return;
    };
    let mut conns = BTreeMap::new();
    for group in fs::read_dir(&captures).unwrap().flatten().map(|entry| entry.path()) {
        for folder in fs::read_dir(&group).into_iter().flatten().flatten().map(|entry| entry.path())
        {
            let whole = match follow(&[&folder], 1, usize::MAX) {
                Ok(followed) => followed,
                Err(error) => panic!("{error}"),
            };
            let cut = follow(&[&folder], 3, 10_000).unwrap();
            assert_eq!((&cut.files, merged(&cut)), (&whole.files, merged(&whole)));
            let formats = ["zeek/conn", "zeek/open_conn"];
            let logs = whole.files.iter().filter(|file| formats.contains(&&*file.tally.format()));
            let used: u64 = logs.map(|file| file.tally.used()).sum();
            // Zeek gives a record a connection; packets and other sensors' events are many to one.
            let zeek = |file: &FileRead| {
                file.tally.format().starts_with("zeek/") || file.tally.records == 0
            };
            if whole.files.iter().all(zeek) {
                assert_eq!(used, merged(&whole).values().sum::<u64>(), "{}", folder.display());
            }
            for file in &whole.files {
                let counts = conns.entry((folder.clone(), file.tally.format())).or_insert(0);
                *counts += file.tally.records;
            }
        }
    }
    let folder = captures.join("beacon/rita-missing_host");
    let records = |format: &str| conns.get(&(folder.clone(), format.to_owned())).copied();
    assert_eq!((records("zeek/conn"), records("zeek/open_conn")), (Some(105_918), Some(72)));
}

#[cfg(unix)]
#[test]
fn pipes_are_read_whatever_they_carry() {
    for bytes in [log(0..50), gzip(&log(0..50)), zstd::encode_all(&log(0..50)[..], 1).unwrap()] {
        let mut sink = Starts::default();
        let trickle = Trickle(&bytes);
        let (tally, note) = super::unpack::pipe(trickle, Reader::new("-"), &mut sink);
        assert_eq!((tally.used(), note), (50, None));
    }
}

/// A pipe that gives a byte at a time.
struct Trickle<'a>(&'a [u8]);

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (Some((first, rest)), Some(place)) = (self.0.split_first(), buffer.first_mut()) else {
            return Ok(0);
        };
        *place = *first;
        self.0 = rest;
        Ok(1)
    }
}

//! Flows in, flows out: pruned, forgotten, erased; and what is left after a crash.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use flowlore_archive::{
    ArchiveError,
    archive::{Archive, Erasure, Receipt, Retention},
    batch::Written,
    file::Selection,
    limits::{GROUP_ROWS_MAX, WAITING_ROWS_MAX},
    row::Row,
};
use flowlore_common::time::{Hour, Micros};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
/// 2026-11-23 00:00 UTC.
const DAY: i64 = 1_795_392_000 * SECOND;

fn inside(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + number).into()
}

fn outside(number: u32) -> IpAddr {
    Ipv4Addr::from(0xc633_6400 + number).into()
}

/// A flow of a minute from a host to the server of the same number.
fn flow(host: u32, start: i64) -> Row {
    Row {
        host: inside(host),
        host_name: Some(format!("pc-{host}")),
        user: (host % 2 == 1).then(|| format!("u{host}")),
        start: Micros(start),
        end: Micros(start + 60 * SECOND),
        uid: Some(format!("C{host}x{start}")),
        direction: "outbound".to_owned(),
        source_ip: inside(host),
        source_port: 50_000,
        destination_ip: outside(host),
        destination_port: 443,
        ip_protocol: 6,
        source_bytes: u64::from(host) * 100,
        category: "short".to_owned(),
        ..Row::default()
    }
}

fn put(archive: &Archive, name: &str, rows: impl IntoIterator<Item = Row>) -> Written {
    let mut batch = archive.batch(name).unwrap().expect("a new batch");
    for row in rows {
        batch.push(row).unwrap();
    }
    batch.commit().unwrap()
}

fn get(archive: &Archive, selection: Selection) -> Vec<Row> {
    let mut rows = Vec::new();
    let take = |row| {
        rows.push(row);
        Ok::<_, ArchiveError>(())
    };
    archive.read(&selection, take).unwrap();
    rows
}

/// Files in view as a reader's glob sees them.
fn in_view(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "parquet") {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_field_comes_back_and_extremes_are_held() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path()).unwrap();
    let full = Row {
        host: "2001:db8::1".parse().unwrap(),
        host_name: Some("größer".to_owned()),
        user: Some(String::new()),
        start: Micros(DAY + 1),
        end: Micros(i64::MAX),
        uid: None,
        direction: "external".to_owned(),
        source_ip: "2001:db8::1".parse().unwrap(),
        source_port: u16::MAX,
        destination_ip: outside(1),
        destination_port: 1,
        ip_protocol: 255,
        destination_name: Some("a.example".to_owned()),
        named_by: Some("sni".to_owned()),
        service: Some("ssl,http".to_owned()),
        conn_state: Some("SF".to_owned()),
        source_bytes: i64::MAX as u64,
        destination_bytes: 1,
        source_packets: 2,
        destination_packets: 3,
        source_ip_bytes: 4,
        missed_bytes: 5,
        category: "upload".to_owned(),
        open: true,
        local_source: Some(false),
        local_destination: Some(true),
        sizes: "estimated".to_owned(),
        client_signature: Some(i64::MIN),
    };
    let bare = Row { start: Micros(DAY), ..Row::default() };
    put(&archive, "a", [full.clone(), bare.clone()]);
    assert_eq!(get(&archive, Selection::ALL), [bare, full.clone()]);
    // What is out of range is held at the range's end, and a long text is cut.
    let odd = Row { source_bytes: u64::MAX, uid: Some("ü".repeat(5_000)), ..full };
    put(&archive, "b", [odd]);
    let back = get(&archive, Selection::ALL).pop().unwrap();
    assert_eq!(back.source_bytes, i64::MAX as u64);
    assert_eq!(back.uid, Some("ü".repeat(512)));
}

#[test]
fn the_same_rows_in_any_order_are_the_same_bytes() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rows: Vec<_> =
        (0..500).map(|at| flow(at * 7 % 50, DAY + i64::from(at) * 60 * SECOND)).collect();
    put(&Archive::open(first.path()).unwrap(), "a", rows.clone());
    put(&Archive::open(second.path()).unwrap(), "a", rows.into_iter().rev());
    let files = in_view(first.path());
    assert_eq!(files.len(), 9);
    assert_eq!(files[0], Path::new("date=2026-11-23/hour=00/a-0.parquet"));
    assert_eq!(files, in_view(second.path()));
    for file in files {
        let bytes = |root: &Path| fs::read(root.join(&file)).unwrap();
        assert!(bytes(first.path()) == bytes(second.path()), "{}", file.display());
    }
}

#[test]
fn a_read_touches_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path()).unwrap();
    // One hour of four row groups, by host; and an hour before it.
    let rows = GROUP_ROWS_MAX as u32 * 4;
    let at = |number: u32| DAY + HOUR + i64::from(number % 1_000) * SECOND;
    put(&archive, "a", (0..rows).map(|number| flow(number / 500, at(number))));
    put(&archive, "b", [flow(1, DAY), Row { end: Micros(DAY + 2 * HOUR), ..flow(2, DAY) }]);
    let select =
        |from, until, address| Selection { from: Micros(from), until: Micros(until), address };
    let count = |selection: Selection| {
        let mut rows = 0_usize;
        let take = |row: Row| {
            assert!(selection.wants(&row));
            rows += 1;
            Ok::<_, ArchiveError>(())
        };
        let touched = archive.read(&selection, take).unwrap();
        (rows, touched.files, touched.groups)
    };
    assert_eq!(count(Selection::ALL), (rows as usize + 2, 2, 5));
    // Nothing of the later hour is opened; the flow that goes on into the window is found.
    assert_eq!(count(select(DAY + 600 * SECOND, DAY + 700 * SECOND, None)).0, 1);
    assert_eq!(count(select(DAY, DAY + 1, None)), (2, 1, 1));
    // A host lies in one group, wherever it is looked for.
    let (found, files, groups) = count(select(DAY, DAY + 9 * HOUR, Some(inside(100))));
    assert_eq!((found, files), (500, 2));
    assert!(groups <= 2, "{groups} groups for one host");
    assert_eq!(count(select(DAY, DAY + 9 * HOUR, Some(outside(100)))).0, 500);
    assert_eq!(count(select(DAY, DAY + 9 * HOUR, Some(outside(9_999_999)))).0, 0);
}

#[test]
fn a_large_batch_is_written_while_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path()).unwrap();
    let mut batch = archive.batch("a").unwrap().unwrap();
    for number in 0..WAITING_ROWS_MAX as u32 + 10 {
        batch.push(flow(number % 300, DAY + i64::from(number % 2) * HOUR)).unwrap();
    }
    assert!(in_view(folder.path()).is_empty());
    let written = batch.commit().unwrap();
    assert_eq!(written, Written { files: 3, rows: WAITING_ROWS_MAX as u64 + 10 });
    assert_eq!(in_view(folder.path()).len(), 3);
    assert_eq!(get(&archive, Selection::ALL).len(), WAITING_ROWS_MAX + 10);
}

#[test]
fn a_batch_counts_once_and_one_that_is_dropped_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path()).unwrap();
    put(&archive, "a-1", [flow(1, DAY)]);
    assert!(archive.batch("a-1").unwrap().is_none());
    assert!(archive.batch("a").unwrap().is_some());
    let mut dropped = archive.batch("b").unwrap().unwrap();
    dropped.push(flow(2, DAY)).unwrap();
    drop(dropped);
    assert_eq!(get(&archive, Selection::ALL).len(), 1);
    put(&archive, "b", [flow(2, DAY)]);
    assert_eq!(get(&archive, Selection::ALL).len(), 2);
    for name in ["", "A", "a/b", "..", &"a".repeat(65)] {
        assert!(matches!(archive.batch(name), Err(ArchiveError::BatchName(_))), "{name}");
    }
}

/// What a crash leaves at each step of a commit, made by hand from what commit made.
#[test]
fn a_crash_leaves_all_of_a_batch_or_nothing() {
    let rows = || [flow(1, DAY), flow(2, DAY + HOUR), flow(3, DAY + 2 * HOUR)];
    let hour = |root: &Path, hour| root.join(format!("date=2026-11-23/hour={hour:02}"));
    let first = (DAY / HOUR) as u32;
    // Before the rename: nothing. After it: all, however many files were moved.
    for (place, moved, expected) in
        [(".incoming", 0, 0), (".committed", 0, 3), (".committed", 2, 3)]
    {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        put(&Archive::open(root).unwrap(), "a", rows());
        let back = root.join(place).join("a");
        fs::create_dir_all(&back).unwrap();
        for number in moved..3 {
            let from = hour(root, number).join(format!("a-{number}.parquet"));
            let hour = first + number;
            fs::rename(from, back.join(format!("{hour}.a-{number}.part"))).unwrap();
        }
        assert_eq!(in_view(root).len(), moved as usize, "no half file in view");
        let archive = Archive::open(root).unwrap();
        assert_eq!(get(&archive, Selection::ALL).len(), expected, "{place}, {moved} moved");
        assert_eq!(archive.batch("a").unwrap().is_some(), expected == 0);
        drop(archive);
        assert!(fs::read_dir(root.join(".committed")).unwrap().next().is_none());
    }
}

#[test]
fn what_is_erased_is_gone_and_the_rest_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path()).unwrap();
    let of = |hosts: std::ops::Range<u32>, start| hosts.map(move |host| flow(host, start));
    put(&archive, "a", of(0..10, DAY).chain(of(3..4, DAY + HOUR)).chain(of(5..6, DAY + 2 * HOUR)));
    let receipt = archive.erase(&Erasure::HostName("pc-3".to_owned())).unwrap();
    let expected = Receipt {
        files_searched: 3,
        files_rewritten: 1,
        files_removed: 1,
        flows_erased: 2,
        flows_kept: 9,
    };
    assert_eq!(receipt, expected);
    assert!(!folder.path().join("date=2026-11-23/hour=01").exists());
    let left = get(&archive, Selection::ALL);
    assert_eq!(left.len(), 10);
    assert!(left.iter().all(|row| row.host != inside(3)));
    assert_eq!(archive.erase(&Erasure::HostName("pc-3".to_owned())).unwrap().flows_erased, 0);
    assert_eq!(archive.erase(&Erasure::User("u7".to_owned())).unwrap().flows_erased, 1);
    // An address at the other end counts, too.
    assert_eq!(archive.erase(&Erasure::Address(outside(1))).unwrap().flows_erased, 1);
    assert_eq!(archive.erase(&Erasure::Before(Micros(DAY + HOUR))).unwrap().flows_erased, 7);
    assert_eq!(get(&archive, Selection::ALL), [flow(5, DAY + 2 * HOUR)]);
    // Not a byte of them is left in any file.
    for file in in_view(folder.path()) {
        let bytes = fs::read(folder.path().join(file)).unwrap();
        assert!(!bytes.windows(4).any(|four| four == b"pc-3"));
    }
    // Sent again, an erased batch of which something is left is known.
    assert!(archive.batch("a").unwrap().is_none());
}

#[test]
fn the_oldest_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path()).unwrap();
    for hour in 0..6 {
        put(&archive, &format!("b{hour}"), (0..100).map(|host| flow(host, DAY + hour * HOUR)));
        put(&archive, &format!("c{hour}"), (0..100).map(|host| flow(host, DAY + hour * HOUR + 1)));
    }
    let first = (DAY / HOUR) as u32;
    let all = Retention { oldest: Hour(first), bytes_max: u64::MAX };
    assert_eq!(archive.keep(&all).unwrap().files, 0);
    assert_eq!(archive.keep(&Retention { oldest: Hour(first + 2), ..all }).unwrap().files, 4);
    let total: u64 = in_view(folder.path())
        .iter()
        .map(|file| fs::metadata(folder.path().join(file)).unwrap().len())
        .sum();
    // A byte too much costs the oldest hour, as a whole.
    let forgotten = archive.keep(&Retention { bytes_max: total - 1, ..all }).unwrap();
    assert_eq!(forgotten.files, 2);
    let rows = get(&archive, Selection::ALL);
    assert_eq!(rows.len(), 600);
    assert!(rows.iter().all(|row| row.start >= Micros(DAY + 3 * HOUR)));
    assert_eq!(archive.keep(&Retention { bytes_max: 0, ..all }).unwrap().files, 6);
    assert!(in_view(folder.path()).is_empty());
}

#[test]
fn damage_is_named_and_a_second_writer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path()).unwrap();
    assert!(matches!(Archive::open(folder.path()), Err(ArchiveError::Locked(_))));
    put(&archive, "a", (0..100).map(|host| flow(host, DAY)));
    let file = folder.path().join(&in_view(folder.path())[0]);
    let whole = fs::read(&file).unwrap();
    let read = || archive.read(&Selection::ALL, |_| Ok::<_, ArchiveError>(()));
    assert!(read().is_ok());
    // Cut off anywhere, or with a byte of it changed: an error or other rows, never a panic.
    for length in (0..whole.len()).step_by(whole.len() / 64) {
        fs::write(&file, &whole[..length]).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains("a-0.parquet") && error.contains("move the file away"), "{error}");
    }
    for at in (0..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(&file, &bytes).unwrap();
        let _ = read();
    }
    // A file of somebody else.
    fs::write(&file, b"PAR1").unwrap();
    assert!(read().is_err());
}

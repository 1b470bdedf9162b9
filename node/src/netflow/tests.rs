//! Datagrams into a spool without a socket and a node: what is kept, what is counted, what an earlier process left.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use flowlore_analyzer::limits::ANNOUNCED_EXPORTER_BYTES_MAX;
use flowlore_common::time::Micros;
use tokio::sync::Notify;

use super::gathering::Gathering;
use super::{Counts, Dropped, Netflow, Spool, packet};
use crate::limits::{SPOOL_ASIDE_MAX, SPOOL_ATTEMPTS_MAX, SPOOL_BUFFER_BYTES, SPOOL_FILES_MAX};

const MINUTE: i64 = 60 * 1_000_000;
const NOW: Micros = Micros(1_795_514_400_000_000);

fn later(minutes: i64) -> Micros {
    Micros(NOW.0 + minutes * MINUTE)
}

fn netflow(dir: &Path, bytes_max: u64) -> Netflow {
    Netflow {
        spool: Spool::open(&dir.join("spool"), bytes_max).unwrap(),
        counts: Counts::default(),
        over: Notify::new(),
        listens: Vec::new().into(),
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// NetFlow 5, one record.
fn datagram(sequence: u32) -> Vec<u8> {
    let mut datagram = vec![0, 5, 0, 1];
    for word in [10_000_u32, 1_795_514_400, 0, sequence, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.resize(24 + 48, 1);
    datagram
}

fn gather<'a>(netflow: &'a Netflow, from: &'a [ipnet::IpNet]) -> Gathering<'a> {
    Gathering::new(netflow, at("127.0.0.1:2055"), (MINUTE, from), NOW)
}

fn waiting(netflow: &Netflow) -> Vec<PathBuf> {
    netflow.spool.waiting().unwrap()
}

#[test]
fn a_period_is_a_file_and_an_empty_one_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let netflow = netflow(dir.path(), u64::MAX);
    let mut gathering = gather(&netflow, &[]);
    let from = at("192.0.2.1:5000");
    for sequence in 0..3 {
        gathering.take(from, &datagram(sequence), NOW);
    }
    gathering.turn(NOW);
    assert!(waiting(&netflow).is_empty());
    gathering.turn(later(1));
    gathering.turn(later(2));
    gathering.take(from, &datagram(3), later(2));
    gathering.end(later(2));
    let sizes: Vec<u64> =
        waiting(&netflow).iter().map(|path| path.metadata().unwrap().len()).collect();
    let packet = 16 + 28 + 72;
    assert_eq!(sizes, [24 + 3 * packet, 24 + packet]);
    assert_eq!(netflow.spool.bytes(), sizes.iter().sum::<u64>());
    assert_eq!((netflow.counts.datagrams.get(), netflow.counts.bytes.get()), (4, 4 * 72));
    for path in waiting(&netflow) {
        netflow.spool.remove(&path).unwrap();
    }
    assert_eq!((netflow.spool.bytes(), waiting(&netflow).len()), (0, 0));
}

#[test]
fn what_is_not_kept_is_counted_under_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let bytes_max = SPOOL_BUFFER_BYTES as u64 + 1_000;
    let netflow = netflow(dir.path(), bytes_max);
    let from = ["192.0.2.0/24".parse().unwrap()];
    let mut gathering = gather(&netflow, &from);
    gathering.take(at("198.51.100.1:1"), &datagram(0), NOW);
    gathering.take(at("[::ffff:192.0.2.7]:1"), b"no NetFlow", NOW);
    let mut long = datagram(1);
    long.resize(65_510, 0);
    gathering.take(at("192.0.2.1:1"), &long, NOW);
    for sequence in 1..=20 {
        gathering.take(at("192.0.2.1:1"), &datagram(sequence), NOW);
    }
    gathering.end(NOW);
    let kept = (netflow.spool.bytes() - 24) / (16 + 28 + 72);
    assert_eq!(kept, 9, "the bound is kept");
    let counted = Dropped::ALL.map(|reason| netflow.counts.dropped(reason));
    assert_eq!(counted, [1, 1, 1, 20 - kept, 0]);
    assert_eq!(netflow.counts.datagrams.get(), 23);
    // Room that is made is used.
    netflow.spool.remove(&waiting(&netflow)[0]).unwrap();
    let mut gathering = gather(&netflow, &from);
    gathering.take(at("192.0.2.1:1"), &datagram(21), NOW);
    gathering.end(NOW);
    assert_eq!(waiting(&netflow).len(), 1);
}

#[test]
fn a_disk_that_refuses_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let netflow = netflow(dir.path(), u64::MAX);
    fs::write(dir.path().join("spool"), b"no folder").unwrap();
    let mut gathering = gather(&netflow, &[]);
    gathering.take(at("192.0.2.1:1"), &datagram(0), NOW);
    assert_eq!(netflow.counts.dropped(Dropped::Disk), 1);
    fs::remove_file(dir.path().join("spool")).unwrap();
    gathering.take(at("192.0.2.1:1"), &datagram(1), NOW);
    gathering.end(NOW);
    assert_eq!(waiting(&netflow).len(), 1, "it goes on when the disk does");
}

#[test]
fn what_a_process_left_waits_for_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let first = netflow(dir.path(), u64::MAX);
    let mut gathering = gather(&first, &[]);
    gathering.take(at("192.0.2.1:1"), &datagram(0), NOW);
    gathering.turn(later(1));
    gathering.take(at("192.0.2.1:1"), &datagram(1), later(1));
    gathering.rest();
    // Killed: nothing is dropped, nothing closed.
    std::mem::forget(gathering);
    let second = netflow(dir.path(), u64::MAX);
    let left = waiting(&second);
    assert_eq!((left.len(), second.spool.bytes()), (2, first.spool.bytes()));
    assert!(fs::read(&left[1]).unwrap().ends_with(&datagram(1)));
    let mut gathering = gather(&second, &[]);
    gathering.take(at("192.0.2.1:1"), &datagram(2), NOW);
    gathering.end(NOW);
    let all = waiting(&second);
    assert_eq!((&all[..2], all.len()), (&left[..], 3), "in the order in which they began");
}

#[test]
fn when_many_files_wait_the_period_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let netflow = netflow(dir.path(), u64::MAX);
    let mut gathering = gather(&netflow, &[]);
    for minute in 0..SPOOL_FILES_MAX as i64 + 5 {
        gathering.take(at("192.0.2.1:1"), &datagram(0), later(minute));
        gathering.turn(later(minute + 1));
    }
    assert_eq!(waiting(&netflow).len(), SPOOL_FILES_MAX);
    gathering.end(NOW);
    let all = waiting(&netflow);
    let last = all.last().unwrap().metadata().unwrap().len();
    assert_eq!((all.len(), last), (SPOOL_FILES_MAX + 1, 24 + 5 * (16 + 28 + 72)));
}

#[test]
fn a_file_that_is_full_does_not_wait_for_the_end_of_its_period() {
    let dir = tempfile::tempdir().unwrap();
    let netflow = netflow(dir.path(), 600 << 10);
    let mut gathering = gather(&netflow, &[]);
    for sequence in 0..1_400 {
        gathering.take(at("192.0.2.1:1"), &datagram(sequence), NOW);
    }
    let [full] = &waiting(&netflow)[..] else { panic!("one file waits") };
    let bytes = full.metadata().unwrap().len();
    assert!((150 << 10..(150 << 10) + 200).contains(&bytes), "{bytes}");
    gathering.end(NOW);
    assert_eq!(netflow.spool.bytes(), 2 * 24 + 1_400 * (16 + 28 + 72), "nothing is lost");
}

/// NetFlow 9: a template of one field, or a record of it.
fn version_9(sequence: u32, is_template: bool) -> Vec<u8> {
    let mut datagram = vec![0, 9, 0, 1];
    for word in [10_000_u32, 1_795_514_400, sequence, 7] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.extend(if is_template {
        &[0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4][..]
    } else {
        &[1, 0, 0, 8, 192, 0, 2, 1]
    });
    datagram
}

#[test]
fn what_is_announced_while_there_is_no_room_is_known_when_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let netflow = netflow(dir.path(), SPOOL_BUFFER_BYTES as u64 + 200);
    let mut gathering = gather(&netflow, &[]);
    let from = at("192.0.2.1:1");
    for sequence in 0..3 {
        gathering.take(from, &datagram(sequence), NOW);
    }
    gathering.turn(later(1));
    gathering.take(from, &version_9(1, true), later(1));
    assert_eq!(netflow.counts.dropped(Dropped::SpoolFull), 2);
    netflow.spool.remove(&waiting(&netflow)[0]).unwrap();
    gathering.take(from, &version_9(2, false), later(1));
    gathering.end(later(1));
    let file = fs::read(&waiting(&netflow)[0]).unwrap();
    let announced = &version_9(1, true)[20..];
    assert!(file.windows(announced.len()).any(|bytes| bytes == announced));
}

#[test]
fn a_file_that_fails_again_and_again_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let netflow = netflow(dir.path(), u64::MAX);
    for minute in 0..4 {
        let mut gathering = gather(&netflow, &[]);
        gathering.take(at("192.0.2.1:1"), &datagram(0), later(minute));
        gathering.end(later(minute));
        let [path] = &waiting(&netflow)[..] else { panic!("one file waits") };
        let failed = [0; SPOOL_ATTEMPTS_MAX as usize].map(|_| netflow.spool.failed(path));
        assert_eq!(failed, [false, false, true]);
        assert_eq!((waiting(&netflow).len(), netflow.spool.bytes()), (0, 0));
    }
    assert_eq!(fs::read_dir(dir.path().join("spool")).unwrap().count(), SPOOL_ASIDE_MAX);
    let next = Spool::open(&dir.path().join("spool"), u64::MAX).unwrap();
    assert_eq!((next.waiting().unwrap().len(), next.bytes()), (0, 0));
}

#[test]
fn an_erasure_leaves_what_is_written_alone() {
    let dir = tempfile::tempdir().unwrap();
    let netflow = netflow(dir.path(), u64::MAX);
    let mut gathering = gather(&netflow, &[]);
    for minute in 0..3 {
        gathering.take(at("192.0.2.1:1"), &datagram(0), later(minute));
        gathering.turn(later(minute + 1));
    }
    let all = waiting(&netflow);
    assert!((0..SPOOL_ATTEMPTS_MAX).any(|_| netflow.spool.failed(&all[1])));
    gathering.take(at("192.0.2.1:1"), &datagram(1), later(3));
    assert_eq!(netflow.spool.clear().unwrap(), 3, "two that waited, one set aside");
    // Whose analysis ran meanwhile is done with it, too.
    netflow.spool.remove(&all[0]).unwrap();
    gathering.end(later(3));
    let [left] = &waiting(&netflow)[..] else { panic!("the running period's waits") };
    assert!(fs::read(left).unwrap().ends_with(&datagram(1)));
    assert_eq!(netflow.spool.bytes(), left.metadata().unwrap().len());
    assert_eq!(fs::read_dir(dir.path().join("spool")).unwrap().count(), 1);
    assert_eq!(netflow.spool.clear().unwrap(), 1);
    assert_eq!((netflow.spool.clear().unwrap(), netflow.spool.bytes()), (0, 0));
}

#[test]
fn a_datagram_and_what_stands_before_it_have_room_in_the_buffer() {
    let mut packets = vec![];
    for bytes in [ANNOUNCED_EXPORTER_BYTES_MAX + 1_024, 65_527] {
        let ends = (at("[2001:db8::1]:1"), at("[2001:db8::2]:2"));
        packet::put(&mut packets, NOW, ends, &vec![0; bytes]).unwrap();
    }
    assert!(packets.len() < SPOOL_BUFFER_BYTES);
}

//! A sink that remembers what it was given, and ways to read a log into it.

use std::fmt::Debug;

use super::super::{Cutter, FileTally, Reader};
use crate::record::{
    CaptureLoss, Conn, Dhcp, Dns, File, Http, Logon, Notice, Remote, Sink, Tls, X509,
};

/// Records as their debug text: equal texts are equal records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Collected(pub(super) Vec<String>);

impl Collected {
    fn add(&mut self, record: &impl Debug) {
        self.0.push(format!("{record:?}"));
    }

    pub(super) fn sorted(mut self) -> Self {
        self.0.sort();
        self
    }
}

impl Sink for Collected {
    fn conn(&mut self, record: &Conn<'_>) {
        self.add(record);
    }
    fn dns(&mut self, record: &Dns<'_>) {
        self.add(record);
    }
    fn tls(&mut self, record: &Tls<'_>) {
        self.add(record);
    }
    fn http(&mut self, record: &Http<'_>) {
        self.add(record);
    }
    fn file(&mut self, record: &File<'_>) {
        self.add(record);
    }
    fn x509(&mut self, record: &X509<'_>) {
        self.add(record);
    }
    fn dhcp(&mut self, record: &Dhcp<'_>) {
        self.add(record);
    }
    fn logon(&mut self, record: &Logon<'_>) {
        self.add(record);
    }
    fn remote(&mut self, record: &Remote<'_>) {
        self.add(record);
    }
    fn notice(&mut self, record: &Notice<'_>) {
        self.add(record);
    }
    fn capture_loss(&mut self, record: &CaptureLoss<'_>) {
        self.add(record);
    }
}

/// Reads a log in one block.
pub(super) fn read(name: &str, log: impl AsRef<[u8]>) -> (Collected, FileTally) {
    blocks(name, log, usize::MAX)
}

/// Reads a log in blocks of a size.
pub(super) fn blocks(name: &str, log: impl AsRef<[u8]>, size: usize) -> (Collected, FileTally) {
    let (mut sink, mut reader) = (Collected::default(), Reader::new(name));
    let log = log.as_ref();
    for block in log.chunks(size.min(log.len().max(1))) {
        reader.feed(block, &mut sink);
    }
    let tally = reader.finish(&mut sink);
    (sink, tally)
}

/// Reads a log in pieces of a size, the last piece first.
pub(super) fn pieces(name: &str, log: &[u8], size: usize) -> (Collected, FileTally) {
    let (mut sink, mut tally) = (Collected::default(), FileTally::default());
    let mut cutter = Cutter::new(name, size);
    let mut pieces: Vec<_> = std::iter::from_fn(|| cutter.next(log)).collect();
    assert_eq!(pieces.iter().map(super::super::Piece::bytes).sum::<usize>(), log.len());
    while let Some(piece) = pieces.pop() {
        tally.merge(&piece.read(log, &mut sink));
    }
    (sink, tally)
}

/// The only record of a log, and no record that gave nothing.
pub(super) fn one(name: &str, log: &str) -> String {
    let (sink, tally) = read(name, log);
    assert_eq!((tally.records, tally.skipped.len()), (1, 0), "{log}: {tally:?}");
    assert_eq!(sink.0.len(), 1, "{log}");
    sink.0.into_iter().next().unwrap_or_default()
}

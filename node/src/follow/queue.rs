//! Which thread reads what next: pieces of plain files, compressed files and pipes whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::sync::{Arc, Mutex, PoisonError};

use flowlore_analyzer::record::FileSink;
use flowlore_analyzer::source::{Cutter, FileTally, Piece};

use super::find::Input;
use super::map::Map;
use super::unpack::{self, Packing};
use super::{Openings, Options};

/// Said of a file in no format of ours.
const UNKNOWN: &str = "no format that we know: Zeek's logs (as text they begin with #fields), Suricata's EVE JSON, \
     pcap and pcapng, NetFlow 5 and 9, IPFIX, files of nfcapd, flow logs of AWS, Azure and Google Cloud; \
     others with --format map:FILE.toml";

/// What is left to read.
pub(super) struct Queue<'a> {
    inputs: &'a [Input],
    /// Files not yet opened, the next one last.
    waiting: Vec<usize>,
    /// The plain file that is being handed out.
    open: Option<(usize, Arc<Map>, Cutter)>,
    piece_bytes: usize,
    openings: &'a Openings,
}

/// Something for one thread to read.
enum Unit {
    Piece(Arc<Map>, Piece),
    Packed(Arc<Map>, Packing),
    Pipe(File),
    StandardInput,
    Unopened(io::Error),
}

impl<'a> Queue<'a> {
    /// Big files first, so that the threads end together.
    pub(super) fn new(inputs: &'a [Input], options: &'a Options) -> Self {
        let mut waiting: Vec<usize> = (0..inputs.len()).collect();
        waiting.sort_by_key(|index| (inputs[*index].bytes, std::cmp::Reverse(*index)));
        let Options { piece_bytes, openings, .. } = options;
        Self { inputs, waiting, open: None, piece_bytes: *piece_bytes, openings }
    }

    fn take(&mut self) -> Option<(usize, Unit)> {
        loop {
            if let Some((index, map, cutter)) = &mut self.open {
                if let Some(piece) = cutter.next(map.bytes()) {
                    return Some((*index, Unit::Piece(Arc::clone(map), piece)));
                }
                self.open = None;
            }
            let index = self.waiting.pop()?;
            match self.opened(&self.inputs[index]) {
                Ok(Opened::Unit(unit)) => return Some((index, unit)),
                Ok(Opened::Plain(map, cutter)) => self.open = Some((index, map, cutter)),
                Err(reason) => return Some((index, Unit::Unopened(reason))),
            }
        }
    }

    fn opened(&self, input: &Input) -> io::Result<Opened> {
        if input.is_standard_input() {
            return Ok(Opened::Unit(Unit::StandardInput));
        }
        let file = File::open(&input.path)?;
        let about = file.metadata()?;
        // What the system makes up as it is read says that it is empty.
        if !about.is_file() || about.len() == 0 {
            return Ok(Opened::Unit(Unit::Pipe(file)));
        }
        let map = Arc::new(Map::new(&file)?);
        Ok(match Packing::of(map.bytes()) {
            Packing::Plain => {
                let opening = self.openings.of(&input.path);
                let cutter = opening.cutter(&file_name(input), self.piece_bytes);
                Opened::Plain(map, cutter)
            }
            packing => Opened::Unit(Unit::Packed(map, packing)),
        })
    }
}

enum Opened {
    Plain(Arc<Map>, Cutter),
    Unit(Unit),
}

fn file_name(input: &Input) -> String {
    input.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What one thread, or all of them, found out about files, by their numbers.
#[derive(Default)]
pub(super) struct Outcomes {
    tallies: BTreeMap<usize, FileTally>,
    notes: BTreeMap<usize, String>,
    unopened: BTreeMap<usize, io::Error>,
}

impl Outcomes {
    fn add(&mut self, index: usize, tally: &FileTally, note: Option<String>) {
        self.tallies.entry(index).or_default().merge(tally);
        self.notes.extend(note.map(|note| (index, note)));
    }

    /// Adds what another thread found. Notes are about whole files, which one thread reads.
    pub(super) fn merge(&mut self, other: Self) {
        for (index, tally) in other.tallies {
            self.tallies.entry(index).or_default().merge(&tally);
        }
        self.notes.extend(other.notes);
        self.unopened.extend(other.unopened);
    }

    /// The numbers of a file and what to say about it.
    pub(super) fn take(&mut self, index: usize) -> (FileTally, Option<String>) {
        let tally = self.tallies.remove(&index).unwrap_or_default();
        let note = match (self.notes.remove(&index), self.unopened.get(&index)) {
            (_, Some(reason)) => Some(format!("cannot be read: {reason}")),
            (None, None) if tally.is_unknown() => Some(UNKNOWN.to_owned()),
            (note, None) => {
                let notes: Vec<String> = tally.notes.iter().cloned().chain(note).collect();
                (!notes.is_empty()).then(|| notes.join("; "))
            }
        };
        (tally, note)
    }

    /// Why a file could not be opened.
    pub(super) fn unopened(&mut self, index: usize) -> Option<io::Error> {
        self.unopened.remove(&index)
    }
}

/// Reads units until none is left.
pub(super) fn work<S: FileSink>(queue: &Mutex<Queue<'_>>, mut sink: S) -> (S, Outcomes) {
    let mut outcomes = Outcomes::default();
    loop {
        // A thread that panicked while it held the lock left a queue that is still in order: each of
        // its steps is complete before the next.
        let mut guard = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((index, unit)) = guard.take() else { break };
        let name = file_name(&guard.inputs[index]);
        let opening = guard.openings.of(&guard.inputs[index].path);
        drop(guard);
        let reader = || opening.reader(&name);
        sink.enter(u32::try_from(index).unwrap_or(u32::MAX));
        let (tally, note) = match unit {
            Unit::Piece(map, piece) => (piece.read(map.bytes(), &mut sink), None),
            Unit::Packed(map, packing) => unpack::stream(packing, map.bytes(), reader(), &mut sink),
            Unit::Pipe(file) => unpack::pipe(BufReader::new(file), reader(), &mut sink),
            Unit::StandardInput => unpack::pipe(io::stdin().lock(), reader(), &mut sink),
            Unit::Unopened(reason) => {
                outcomes.unopened.insert(index, reason);
                continue;
            }
        };
        outcomes.add(index, &tally, note);
    }
    (sink, outcomes)
}

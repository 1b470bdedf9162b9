//! Datagrams of any number of exporters: what each of them has announced and counted, their records until
//! all are there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::template::{self, Sent, Template};
use super::{FIRST_DATA_SET, version_5};
use crate::limits::{
    EXPORT_TEMPLATES_MAX, EXPORT_WAITING_BYTES_MAX, EXPORTER_DOMAINS_MAX, EXPORTER_TEMPLATES_MAX,
    EXPORTERS_MAX,
};
use crate::record::{Sink, Skip};
use crate::source::FileTally;
use crate::source::ways::Ways;
use crate::source::wire::Wire;

/// An exporter: its address and, behind it, its engine or domain; and the version that it speaks.
pub(super) type Exporter = (IpAddr, u32, u16);

#[derive(Debug, Default)]
struct State {
    /// Its place among the exporters.
    number: u64,
    templates: BTreeMap<u16, Arc<Template>>,
    /// The number that its next datagram should have.
    next: Option<u32>,
    /// When it started, where it says so.
    boot_us: Option<i64>,
}

/// A set that came before its template.
#[derive(Debug)]
struct Waiting {
    sent: Sent,
    set: Vec<u8>,
}

impl Waiting {
    /// In memory.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.set.len()
    }
}

/// What exporters sent.
#[derive(Debug, Default)]
pub(in crate::source) struct Exports {
    exporters: BTreeMap<Exporter, State>,
    templates: usize,
    ways: Ways,
    /// By the template that they wait for.
    waiting: BTreeMap<(Exporter, u16), Vec<Waiting>>,
    waiting_bytes: usize,
    lost: u64,
    sampling: u64,
}

/// A datagram, or a part of it, that cannot be.
pub(super) struct Bad;

impl Exports {
    /// Reads a datagram of an exporter.
    pub(in crate::source) fn datagram(
        &mut self,
        address: IpAddr,
        bytes: &[u8],
        tally: &mut FileTally,
        sink: &mut dyn Sink,
    ) {
        let read = match bytes {
            [0, 5, count @ ..] => self.version_5(address, count, bytes, tally),
            [0, 9, ..] => self.version_9(address, bytes, tally),
            [0, 10, ..] => self.ipfix(address, bytes, tally),
            _ => None,
        };
        if read.is_none() {
            bad(tally);
        }
        self.ways.settle_if_full(tally, sink);
    }

    /// The exporter's place. Counts what is missing before this datagram, which counts so many units.
    fn exporter(
        &mut self,
        exporter: Exporter,
        sequence: u32,
        units: u32,
        tally: &mut FileTally,
    ) -> Option<u64> {
        let known = self.exporters.len();
        if !has_room(&self.exporters, &exporter) {
            tally.notes.insert(format!(
                "more than {EXPORTERS_MAX} exporters, or {EXPORTER_DOMAINS_MAX} domains of one: others were not read"
            ));
            return None;
        }
        let new = || State { number: known as u64, ..State::default() };
        let state = self.exporters.entry(exporter).or_insert_with(new);
        if let Some(next) = state.next {
            let missing = sequence.wrapping_sub(next);
            // Above half the range it is an old one, or the router started anew.
            if missing < 1 << 31 {
                self.lost += u64::from(missing);
            }
        }
        state.next = Some(sequence.wrapping_add(units));
        Some(state.number)
    }

    fn version_5(
        &mut self,
        address: IpAddr,
        count: &[u8],
        bytes: &[u8],
        tally: &mut FileTally,
    ) -> Option<()> {
        let count = Wire(count).u16()?;
        let mut wire = Wire(bytes);
        let header = version_5::Header::read(&mut wire)?;
        let exporter = (address, u32::from(header.engine), 5);
        let exporter = self.exporter(exporter, header.sequence, u32::from(count), tally)?;
        self.sampling = self.sampling.max(header.sampling);
        for _ in 0..count {
            let record = version_5::record(&mut wire, header.sent, exporter)?;
            tally.records += 1;
            if let Err(reason) = self.ways.add(record) {
                tally.skip(reason, 1);
            }
        }
        Some(())
    }

    fn version_9(&mut self, address: IpAddr, bytes: &[u8], tally: &mut FileTally) -> Option<()> {
        let mut wire = Wire(bytes);
        wire.u32()?; // version, count
        let (uptime_ms, seconds) = (wire.u32()?, wire.u32()?);
        let (sequence, domain) = (wire.u32()?, wire.u32()?);
        let sent = Sent { time_us: i64::from(seconds) * 1_000_000, uptime_ms: Some(uptime_ms) };
        let exporter = (address, domain, 9);
        self.exporter(exporter, sequence, 1, tally)?;
        self.sets(exporter, wire, sent, tally);
        Some(())
    }

    fn ipfix(&mut self, address: IpAddr, bytes: &[u8], tally: &mut FileTally) -> Option<()> {
        let mut wire = Wire(bytes);
        wire.u32()?; // version, length
        let (seconds, sequence, domain) = (wire.u32()?, wire.u32()?, wire.u32()?);
        let sent = Sent { time_us: i64::from(seconds) * 1_000_000, uptime_ms: None };
        let exporter = (address, domain, 10);
        self.exporter(exporter, sequence, 0, tally)?;
        let records = self.sets(exporter, wire, sent, tally);
        // It counts records of data, which only now are counted.
        let state = self.exporters.get_mut(&exporter)?;
        state.next = records.map(|records| sequence.wrapping_add(records));
        Some(())
    }

    /// Reads the sets of a datagram; gives how many records of data there were, if that is known.
    fn sets(
        &mut self,
        exporter: Exporter,
        mut wire: Wire<'_>,
        sent: Sent,
        tally: &mut FileTally,
    ) -> Option<u32> {
        let ipfix = exporter.2 == 10;
        let mut records = Some(0);
        while wire.0.len() >= 4 && wire.0.iter().any(|byte| *byte != 0) {
            let (id, set) = match set(&mut wire) {
                Ok(set) => set,
                Err(Bad) => {
                    bad(tally);
                    return None;
                }
            };
            match (id, ipfix) {
                (0, false) | (2, true) => self.learn(exporter, Wire(set), false, tally),
                (1, false) | (3, true) => self.learn(exporter, Wire(set), true, tally),
                (FIRST_DATA_SET.., _) => {
                    let found = self.data(exporter, id, set, sent, tally);
                    records = records.zip(found).map(|(all, found)| all + found);
                }
                _ => bad(tally),
            }
        }
        records
    }

    /// Learns the templates of a set.
    fn learn(
        &mut self,
        exporter: Exporter,
        mut wire: Wire<'_>,
        is_options: bool,
        tally: &mut FileTally,
    ) {
        let ipfix = exporter.2 == 10;
        // Behind the last one is padding, less than a template or zeros.
        while wire.0.len() >= 4 && wire.0.iter().any(|byte| *byte != 0) {
            if let [_, _, 0, 0] = wire.0 {
                return; // withdrawn: the next one of this id takes its place
            }
            let id = wire.u16().filter(|id| *id >= FIRST_DATA_SET);
            let read = if is_options { Template::read_options } else { Template::read };
            let Some((id, template)) = id.zip(read(&mut wire, ipfix)) else {
                return bad(tally);
            };
            let Some(state) = self.exporters.get_mut(&exporter) else { return };
            let known = state.templates.get(&id);
            if known.is_some_and(|known| **known == template) {
                continue;
            }
            let has_room = self.templates < EXPORT_TEMPLATES_MAX
                && state.templates.len() < EXPORTER_TEMPLATES_MAX;
            if known.is_none() && !has_room {
                tally.notes.insert(format!(
                    "more than {EXPORT_TEMPLATES_MAX} templates, or {EXPORTER_TEMPLATES_MAX} of one exporter: others were not kept"
                ));
                return;
            }
            self.templates += usize::from(known.is_none());
            state.templates.insert(id, Arc::new(template));
            self.retry(exporter, id, tally);
        }
    }

    /// Reads the sets that waited for a template.
    fn retry(&mut self, exporter: Exporter, id: u16, tally: &mut FileTally) {
        for waiting in self.waiting.remove(&(exporter, id)).unwrap_or_default() {
            self.waiting_bytes -= waiting.bytes();
            self.data(exporter, id, &waiting.set, waiting.sent, tally);
        }
    }

    /// Reads a set of data; gives how many records it had, `None` as long as its template is to come.
    fn data(
        &mut self,
        exporter: Exporter,
        id: u16,
        set: &[u8],
        sent: Sent,
        tally: &mut FileTally,
    ) -> Option<u32> {
        if set.is_empty() {
            return Some(0);
        }
        let state = self.exporters.get_mut(&exporter)?;
        let number = state.number;
        let Some(template) = state.templates.get(&id).map(Arc::clone) else {
            let waiting = Waiting { sent, set: set.to_vec() };
            if self.waiting_bytes + waiting.bytes() <= EXPORT_WAITING_BYTES_MAX {
                self.waiting_bytes += waiting.bytes();
                self.waiting.entry((exporter, id)).or_default().push(waiting);
            } else {
                tally.records += 1;
                tally.skip(Skip::NoHeader, 1);
            }
            return None;
        };
        let (mut wire, mut records) = (Wire(set), 0);
        // Less than a record is padding.
        while wire.0.len() >= template.bytes_min() {
            let Some(values) = template.record(&mut wire) else {
                bad(tally);
                break;
            };
            records += 1;
            if template.is_options() {
                self.sampling = self.sampling.max(template::sampling(&values).unwrap_or(0));
                state.boot_us = template::boot_us(&values).or(state.boot_us);
                continue;
            }
            tally.records += 1;
            match template::flow(&values, sent.since(state.boot_us), number) {
                Ok((record, sampling)) => {
                    self.sampling = self.sampling.max(sampling.unwrap_or(0));
                    if let Err(reason) = self.ways.add(record) {
                        tally.skip(reason, 1);
                    }
                }
                Err(reason) => tally.skip(reason, 1),
            }
        }
        Some(records)
    }

    /// Hands on what is there, and says what is missing.
    pub(in crate::source) fn finish(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        self.ways.settle(tally, sink);
        let waiting = std::mem::take(&mut self.waiting);
        let orphans = waiting.into_values().map(|sets| sets.len() as u64).sum();
        if orphans > 0 {
            tally.records += orphans;
            tally.skip(Skip::NoHeader, orphans);
            let note = format!("sets of records whose template did not come: {orphans}");
            tally.notes.insert(note);
        }
        if self.lost > 0 {
            tally.notes.insert(format!(
                "records or datagrams lost on the way, by their exporters' count: {}",
                self.lost
            ));
        }
        if self.sampling > 1 {
            tally.notes.insert(format!(
                "sampled, one packet in {}: sizes are of the sampled packets",
                self.sampling
            ));
        }
    }
}

/// Whether this exporter is known, or may become so: one address cannot take the places of all others.
pub(super) fn has_room<T>(known: &BTreeMap<Exporter, T>, exporter: &Exporter) -> bool {
    let all_of = |address| (address, 0, 0)..=(address, u32::MAX, u16::MAX);
    known.contains_key(exporter)
        || (known.len() < EXPORTERS_MAX
            && known.range(all_of(exporter.0)).count() < EXPORTER_DOMAINS_MAX)
}

fn bad(tally: &mut FileTally) {
    tally.records += 1;
    tally.skip(Skip::BadPacket, 1);
}

/// Cuts a set off a datagram: its id and what is in it.
pub(super) fn set<'a>(wire: &mut Wire<'a>) -> Result<(u16, &'a [u8]), Bad> {
    let (id, length) = wire.u16().zip(wire.u16()).ok_or(Bad)?;
    let length = usize::from(length).checked_sub(4).ok_or(Bad)?;
    wire.take(length).map(|set| (id, set)).ok_or(Bad)
}

//! What a reader must have heard of an exporter before its records mean anything: templates, how it samples, and when it
//! started.
//! Whoever cuts a stream of datagrams into files writes it anew at the head of each.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flowlore_common::time::Micros;

use super::export::{Exporter, has_room, set};
use super::template::{self, Template};
use super::{FIRST_DATA_SET, V9_RECORDS_MAX, is};
use crate::limits::{ANNOUNCED_BYTES_MAX, ANNOUNCED_EXPORTER_BYTES_MAX, EXPORTER_SILENCE_MAX_US};
use crate::source::wire::Wire;

/// What exporters have announced, and which of them the current file has heard.
#[derive(Debug, Default)]
pub struct Announced {
    exporters: BTreeMap<Exporter, Said>,
    bytes: usize,
}

/// What one exporter has announced.
#[derive(Debug, Default)]
struct Said {
    templates: BTreeMap<u16, Known>,
    bytes: usize,
    /// Of its last datagram.
    sequence: u32,
    heard_us: i64,
    /// Whether the current file has a datagram of it.
    in_file: bool,
}

/// A template, and of options the last set that told of sampling or the start; both as they came.
#[derive(Debug)]
struct Known {
    template: Template,
    bytes: Vec<u8>,
    options: Vec<u8>,
}

/// What stands before the sets of a datagram.
#[derive(Clone, Copy, Debug)]
struct Head<'a> {
    version: u16,
    sequence: u32,
    domain: u32,
    sets: Wire<'a>,
}

impl<'a> Head<'a> {
    fn read(datagram: &'a [u8]) -> Option<Self> {
        let mut wire = Wire(datagram);
        let version = wire.u16()?;
        // Behind the version: count or length, uptime but in IPFIX, seconds, and in version 5 nanoseconds.
        wire.take(if version == 5 {
            14
        } else if version == 9 {
            10
        } else {
            6
        })?;
        let sequence = wire.u32()?;
        let domain = if version == 5 { u32::from(wire.u16()?) } else { wire.u32()? };
        Some(Self { version, sequence, domain, sets: wire })
    }

    const fn is_ipfix(&self) -> bool {
        self.version == 10
    }
}

impl Announced {
    /// Takes note of a datagram. Gives the datagram that a file needs before it, if this is its first of an exporter
    /// that has announced something before: numbered so that a reader misses nothing, or what did not come.
    pub fn before(&mut self, address: IpAddr, datagram: &[u8], now: Micros) -> Option<Vec<u8>> {
        let head = Head::read(datagram).filter(|_| is(datagram))?;
        let exporter = (address, head.domain, head.version);
        if !has_room(&self.exporters, &exporter) {
            return None;
        }
        let said = self.exporters.entry(exporter).or_default();
        let is_first = !std::mem::replace(&mut said.in_file, true);
        let again = is_first.then(|| said.again(&head, datagram)).flatten();
        (said.sequence, said.heard_us) = (head.sequence, now.0);
        if head.version != 5 {
            self.bytes -= said.bytes;
            said.learn(&head, ANNOUNCED_BYTES_MAX - self.bytes);
            self.bytes += said.bytes;
        }
        again
    }

    /// Another file begins. Who was silent for a day is forgotten: it would have announced everything anew.
    pub fn begin_file(&mut self, now: Micros) {
        self.exporters.retain(|_, said| {
            said.in_file = false;
            let stays = now.0.saturating_sub(said.heard_us) < EXPORTER_SILENCE_MAX_US;
            self.bytes -= if stays { 0 } else { said.bytes };
            stays
        });
    }

    /// How many exporters are remembered.
    #[must_use]
    pub fn exporters(&self) -> usize {
        self.exporters.len()
    }
}

impl Said {
    /// Takes what the sets of a datagram announce, as far as there is room for so many bytes.
    fn learn(&mut self, head: &Head<'_>, room: usize) {
        let room = room.min(ANNOUNCED_EXPORTER_BYTES_MAX);
        let mut wire = head.sets;
        while let Ok((id, mut body)) = set(&mut wire).map(|(id, body)| (id, Wire(body))) {
            let is_options = match (id, head.is_ipfix()) {
                (0, false) | (2, true) => false,
                (1, false) | (3, true) => true,
                (FIRST_DATA_SET.., _) => {
                    self.options(id, body, room);
                    continue;
                }
                _ => continue,
            };
            while let Some((id, known)) = one(&mut body, is_options, head.is_ipfix()) {
                if self.templates.get(&id).is_some_and(|old| old.template == known.template) {
                    continue;
                }
                // The old one goes also where the new one has no room: records are no longer as it says.
                let old = self.templates.remove(&id);
                self.bytes -= old.map_or(0, |old| old.bytes.len() + old.options.len());
                if self.bytes + known.bytes.len() <= room {
                    self.bytes += known.bytes.len();
                    self.templates.insert(id, known);
                }
            }
        }
    }

    /// Keeps a set of options that a reader needs.
    fn options(&mut self, id: u16, body: Wire<'_>, room: usize) {
        let Some(known) = self.templates.get_mut(&id).filter(|one| one.template.is_options())
        else {
            return;
        };
        let bytes = self.bytes - known.options.len() + body.0.len();
        if bytes <= room && records(&known.template, body).1 {
            known.options = body.0.to_vec();
            self.bytes = bytes;
        }
    }

    /// Everything once more, under the head of the datagram that follows.
    fn again(&self, head: &Head<'_>, datagram: &[u8]) -> Option<Vec<u8>> {
        let head_bytes = datagram.len() - head.sets.0.len();
        let mut again = datagram.get(..head_bytes).filter(|_| !self.templates.is_empty())?.to_vec();
        let (mut count, mut data) = (self.templates.len(), 0);
        let ids = if head.is_ipfix() { [2_u16, 3] } else { [0, 1] };
        for (id, is_options) in ids.into_iter().zip([false, true]) {
            let wanted =
                self.templates.values().filter(|one| one.template.is_options() == is_options);
            let body: Vec<u8> = wanted.flat_map(|one| one.bytes.iter().copied()).collect();
            put(&mut again, id, &body);
        }
        for (id, one) in &self.templates {
            put(&mut again, *id, &one.options);
            data += records(&one.template, Wire(&one.options)).0;
        }
        count += data;
        // Readers go by the sets; more than can be in use would not be taken for a datagram.
        let count = count.min(usize::from(V9_RECORDS_MAX));
        let length = if head.is_ipfix() { again.len() } else { count };
        // Version 9 counts datagrams, and this one stands for the last that was read. IPFIX counts records of data,
        // and the next datagram's number stands before what is in it.
        let sequence = if head.is_ipfix() {
            head.sequence.wrapping_sub(u32::try_from(data).ok()?)
        } else {
            self.sequence
        };
        let at = head_bytes - 8;
        again.get_mut(2..4)?.copy_from_slice(&u16::try_from(length).ok()?.to_be_bytes());
        again.get_mut(at..at + 4)?.copy_from_slice(&sequence.to_be_bytes());
        Some(again)
    }
}

/// Cuts a template off a set, with its bytes.
fn one(body: &mut Wire<'_>, is_options: bool, ipfix: bool) -> Option<(u16, Known)> {
    loop {
        let all = body.0;
        let id = body.u16()?;
        if let [0, 0, ..] = body.0
            && id >= FIRST_DATA_SET
        {
            body.take(2)?; // withdrawn: the next one of this id takes its place
            continue;
        }
        let read = if is_options { Template::read_options } else { Template::read };
        let template = read(body, ipfix).filter(|_| id >= FIRST_DATA_SET)?;
        let bytes = all.get(..all.len() - body.0.len())?.to_vec();
        return Some((id, Known { template, bytes, options: Vec::new() }));
    }
}

/// How many records a set has, and whether one of them tells of sampling or of the start.
fn records(template: &Template, mut body: Wire<'_>) -> (usize, bool) {
    let (mut count, mut tells) = (0, false);
    while body.0.len() >= template.bytes_min() {
        let Some(values) = template.record(&mut body) else { break };
        count += 1;
        tells |= template::sampling(&values).is_some() || template::boot_us(&values).is_some();
    }
    (count, tells)
}

/// Puts a set behind what is there, unless it is empty.
fn put(out: &mut Vec<u8>, id: u16, body: &[u8]) {
    if let Some(length) = u16::try_from(body.len() + 4).ok().filter(|length| *length > 4) {
        out.extend(id.to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(body);
    }
}

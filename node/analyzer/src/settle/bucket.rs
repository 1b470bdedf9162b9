//! One bucket: its flows decoded, duplicates dropped, each flow given a direction and a name.

use std::{collections::BTreeMap, io};

use flowlore_common::label::{Category, Direction};
use hashbrown::{HashTable, hash_table::Entry};

use super::{logons::Logons, part::Part};
use crate::{
    content::Content,
    direction::Home,
    flow::{self, Base, Flow},
    intake::Chunks,
    naming::{Answers, NamedBy},
    packed::{Addr, Reader, Uid, mix_bytes},
    record::RemoteAct,
};

/// Stands for "no name" among name numbers.
pub(crate) const NO_NAME: u32 = u32::MAX;

/// What was decided about a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) name: u32,
    pub(crate) named_by: NamedBy,
    pub(crate) category: Category,
    pub(crate) direction: Direction,
    pub(crate) orig_inside: bool,
    pub(crate) resp_inside: bool,
}

/// What an application log says about a connection.
#[derive(Clone, Copy, Debug)]
struct App {
    uid: Uid,
    by: NamedBy,
    name: u32,
    signature: u64,
    missing_host: bool,
    mime_mismatch: bool,
    posted: bool,
}

impl App {
    /// One that says nothing.
    fn of(uid: Uid) -> Self {
        Self {
            uid,
            by: NamedBy::None,
            name: NO_NAME,
            signature: 0,
            missing_host: false,
            mime_mismatch: false,
            posted: false,
        }
    }
}

/// Something that an application log counts for a flow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) missing_host: u64,
    pub(crate) mime_mismatch: u64,
    /// Whether a request posted a body.
    pub(crate) posted: bool,
    /// What came in that runs, and the bytes of the largest.
    pub(crate) received: Option<Content>,
    pub(crate) received_bytes: u64,
    /// Bytes of the largest body that went out, and whether one was an archive.
    pub(crate) sent_bytes: u64,
    pub(crate) sent_archive: bool,
    /// What was done that only administrators may, the most able.
    pub(crate) act: Option<RemoteAct>,
}

/// What a log says about a file in transit.
#[derive(Clone, Copy, Debug)]
struct FileSeen {
    uid: Uid,
    sent: bool,
    content: Option<Content>,
    bytes: u64,
}

impl Facts {
    /// The same file may stand in two logs, so nothing is summed.
    fn add_file(&mut self, file: &FileSeen) {
        if file.sent {
            self.sent_bytes = self.sent_bytes.max(file.bytes);
            self.sent_archive |= file.content == Some(Content::Archive);
        } else {
            self.received = self.received.max(file.content);
            self.received_bytes = self.received_bytes.max(file.bytes);
        }
    }
}

/// A machine as its leases describe it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lease {
    pub(crate) time_us: i64,
    pub(crate) name: Box<str>,
    pub(crate) mac: Box<str>,
}

/// A look-up of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub(crate) client: Addr,
    pub(crate) server: Addr,
    pub(crate) name: u32,
    pub(crate) time_us: i64,
    pub(crate) uid: Uid,
    pub(crate) answer_bytes: u32,
    pub(crate) port: u16,
    pub(crate) qtype: u16,
    pub(crate) txt_centibits: u16,
    pub(crate) rcode: Option<u8>,
    pub(crate) transport: u8,
}

/// A decoded bucket. Buffers are used again for the next one.
#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) flows: Vec<Flow>,
    /// Beside `flows`.
    pub(crate) marks: Vec<Mark>,
    /// In alphabetical order, so that numbers compare like names.
    pub(crate) names: Vec<Box<str>>,
    /// Client signatures: (client, signature, flow).
    pub(crate) signatures: Vec<(Addr, u64, u32)>,
    /// What logs of HTTP and files count, by flow.
    pub(crate) facts: BTreeMap<u32, Facts>,
    pub(crate) leases: Vec<(Addr, Lease)>,
    /// Texts of the uids that do not fit into a number.
    pub(crate) odd_uids: BTreeMap<Uid, Box<str>>,
    pub(crate) queries: Vec<Asked>,
    pub(super) logons: Logons,
    remotes: Vec<(Uid, RemoteAct)>,
    apps: Vec<App>,
    files: Vec<FileSeen>,
    pub(super) answers: Answers,
    /// Of names while they come in, then of flows that may stand twice.
    index: HashTable<u32>,
    hashes: Hashes,
}

impl Bucket {
    fn clear(&mut self) {
        self.flows.clear();
        self.marks.clear();
        self.names.clear();
        self.signatures.clear();
        self.facts.clear();
        self.leases.clear();
        self.odd_uids.clear();
        self.queries.clear();
        self.logons.clear();
        self.remotes.clear();
        self.apps.clear();
        self.files.clear();
        self.answers.clear();
        self.index.clear();
    }

    /// Decodes chunks, letting go of each when it is done.
    pub(crate) fn load(&mut self, chunks: Chunks) -> io::Result<()> {
        self.clear();
        for chunk in chunks {
            let mut reader = Reader::new(&chunk);
            let (mut base_us, mut base) = (0, Base::NONE);
            loop {
                while let Some(flow) = flow::read_slim(&mut reader, &mut base) {
                    self.flows.push(flow);
                }
                let Some(entry) = flow::read(&mut reader, &mut base_us) else { break };
                self.take(entry);
            }
            if !reader.is_empty() {
                let what = "spilled flows did not come back as they were written";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        self.sort_names();
        self.logons.sort();
        Ok(())
    }

    fn take(&mut self, entry: flow::Entry<'_>) {
        match entry {
            flow::Entry::Flow(flow, text) => {
                if let Some(text) = text {
                    self.odd_uids.insert(flow.uid, text.into());
                }
                self.flows.push(flow);
            }
            flow::Entry::Tls { uid, quic, name, signature } => {
                let by = if quic { NamedBy::Quic } else { NamedBy::Sni };
                let name = self.intern(name);
                self.apps.push(App { by, name, signature, ..App::of(uid) });
            }
            flow::Entry::Http { uid, name, bits, signature } => {
                let flow::HttpBits { connect, missing_host, mime_mismatch, posted } = bits;
                let by = if connect { NamedBy::Connect } else { NamedBy::Http };
                let name = self.intern(name);
                let app = App { uid, by, name, signature, missing_host, mime_mismatch, posted };
                self.apps.push(app);
            }
            flow::Entry::Query(query, _) => self.take_query(&query),
            flow::Entry::File { uid, sent, content, bytes } => {
                self.files.push(FileSeen { uid, sent, content, bytes });
            }
            flow::Entry::Logon(logon) => self.logons.take(&logon),
            flow::Entry::Remote { uid, act } => self.remotes.push((uid, act)),
            flow::Entry::Lease { address, time_us, mac, name } => {
                let lease = Lease { time_us, name: name.into(), mac: mac.into() };
                self.leases.push((address, lease));
            }
        }
    }

    fn take_query(&mut self, query: &flow::Query<'_>) {
        // Bytes that no host name has stand for the characters of their numbers, so that names are text here.
        let text = std::str::from_utf8(query.name).ok().filter(|_| query.clean);
        let name = match text {
            Some(text) => self.intern(text),
            None => self.intern(&query.name.iter().copied().map(char::from).collect::<String>()),
        };
        if query.clean {
            let flow::Query { client, time_us, .. } = *query;
            query.addresses.iter().for_each(|one| self.answers.push(client, one, time_us, name));
        }
        if !query.continued {
            let flow::Query { client, server, time_us, uid, answer_bytes, port, qtype, .. } =
                *query;
            let flow::Query { txt_centibits, rcode, transport, .. } = *query;
            self.queries.push(Asked {
                client,
                server,
                name,
                time_us,
                uid,
                answer_bytes,
                port,
                qtype,
                txt_centibits,
                rcode,
                transport,
            });
        }
    }

    fn intern(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return NO_NAME;
        }
        let Self { names, index, .. } = self;
        let hash = mix_bytes(name.as_bytes());
        let entry = index.entry(
            hash,
            |&at| &*names[at as usize] == name,
            |&at| mix_bytes(names[at as usize].as_bytes()),
        );
        // A bucket would need a terabyte of names to have 2^32 of them.
        let next = names.len() as u32;
        let at = *entry.or_insert(next).get();
        if at == next {
            names.push(name.into());
        }
        at
    }

    /// Renumbers names alphabetically, so that no order of arrival is left in them.
    fn sort_names(&mut self) {
        let mut order: Vec<u32> = (0..self.names.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.names[a as usize].cmp(&self.names[b as usize]));
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old as usize] = new as u32;
        }
        self.names.sort_unstable();
        let renumber = |name: &mut u32| {
            if *name != NO_NAME {
                *name = place[*name as usize];
            }
        };
        self.apps.iter_mut().for_each(|app| renumber(&mut app.name));
        self.answers.names_mut().for_each(renumber);
        self.queries.iter_mut().for_each(|query| renumber(&mut query.name));
        self.answers.sort();
    }

    /// Keeps one record of each flow: the one that ends last, then the finished one, then the
    /// greatest by all its fields; of equal ones that of the file named first. The others are
    /// counted for their files.
    pub(crate) fn drop_duplicates(&mut self, part: &mut Part) {
        let Self { flows, index, hashes, .. } = self;
        hashes.note(flows);
        index.clear();
        let mut kept = 0;
        for at in 0..flows.len() {
            if hashes.is_single(at) {
                if kept != at {
                    flows.swap(kept, at);
                }
                kept += 1;
                continue;
            }
            let flow = &flows[at];
            let same = |&other: &u32| flows[other as usize].identity() == flow.identity();
            let hash = |&other: &u32| flows[other as usize].identity_hash();
            match index.entry(flow.identity_hash(), same, hash) {
                Entry::Vacant(place) => {
                    place.insert(kept as u32);
                    if kept != at {
                        flows.swap(kept, at);
                    }
                    kept += 1;
                }
                Entry::Occupied(place) => {
                    let other = *place.get() as usize;
                    if best_last(&flows[other], &flows[at]).is_lt() {
                        flows.swap(other, at);
                    }
                    part.count_duplicate(flows[at].file);
                }
            }
        }
        flows.truncate(kept);
        self.flows.iter().for_each(|flow| part.count_flow(flow.file));
    }

    /// Gives each flow its category, direction and name, and collects what logs say about it.
    pub(crate) fn name(&mut self, home: &Home) {
        let marks = self.flows.iter().map(|flow| {
            let orig_inside = home.holds(flow.orig, flow.local_orig);
            let resp_inside = home.holds(flow.resp, flow.local_resp);
            Mark {
                name: NO_NAME,
                named_by: NamedBy::None,
                category: flow.category(),
                direction: Home::direction(orig_inside, resp_inside),
                orig_inside,
                resp_inside,
            }
        });
        self.marks.extend(marks);
        if !self.apps.is_empty() || !self.files.is_empty() || !self.remotes.is_empty() {
            self.join_apps();
        }
        if self.answers.is_empty() {
            return;
        }
        let unnamed =
            self.flows.iter().zip(&mut self.marks).filter(|(_, mark)| mark.name == NO_NAME);
        for (flow, mark) in unnamed {
            if let Some(name) = self.answers.name(flow.orig, flow.resp, flow.start_us) {
                (mark.name, mark.named_by) = (name, NamedBy::Dns);
            }
        }
    }

    fn join_apps(&mut self) {
        let mut by_uid: Vec<(Uid, u32)> = self.flows.iter().map(|flow| flow.uid).zip(0..).collect();
        by_uid.sort_unstable();
        let mut said: Vec<(u32, NamedBy, u32)> = Vec::new();
        for app in self.apps.iter().filter(|app| app.uid != Uid::NONE) {
            let from = by_uid.partition_point(|(uid, _)| *uid < app.uid);
            for &(_, at) in by_uid[from..].iter().take_while(|(uid, _)| *uid == app.uid) {
                if app.name != NO_NAME {
                    said.push((at, app.by, app.name));
                }
                if app.signature != 0 {
                    self.signatures.push((self.flows[at as usize].orig, app.signature, at));
                }
                if app.missing_host || app.mime_mismatch || app.posted {
                    let facts = self.facts.entry(at).or_default();
                    facts.missing_host += u64::from(app.missing_host);
                    facts.mime_mismatch += u64::from(app.mime_mismatch);
                    facts.posted |= app.posted;
                }
            }
        }
        for file in self.files.iter().filter(|file| file.uid != Uid::NONE) {
            let from = by_uid.partition_point(|(uid, _)| *uid < file.uid);
            for &(_, at) in by_uid[from..].iter().take_while(|(uid, _)| *uid == file.uid) {
                self.facts.entry(at).or_default().add_file(file);
            }
        }
        for &(uid, act) in self.remotes.iter().filter(|(uid, _)| *uid != Uid::NONE) {
            let from = by_uid.partition_point(|(other, _)| *other < uid);
            for &(_, at) in by_uid[from..].iter().take_while(|(other, _)| *other == uid) {
                let facts = self.facts.entry(at).or_default();
                facts.act = facts.act.max(Some(act));
            }
        }
        said.sort_unstable();
        for about in said.chunk_by(|a, b| a.0 == b.0) {
            let (at, by, _) = about[0];
            let best = about.chunk_by(|a, b| (a.1, a.2) == (b.1, b.2)).filter(|run| run[0].1 == by);
            // The name said most often; of equals the first in the alphabet.
            let most = best.max_by_key(|run| (run.len(), std::cmp::Reverse(run[0].2)));
            if let Some(run) = most {
                let mark = &mut self.marks[at as usize];
                (mark.name, mark.named_by) = (run[0].2, by);
            }
        }
    }
}

/// Which flows can stand twice: those whose hashes meet in a table of bits. It stays in the processor's cache, and spares
/// most flows a place in a table of flows.
#[derive(Default)]
struct Hashes {
    /// Of each flow.
    hashes: Vec<u64>,
    /// Whether a flow has this hash, and whether another has, too: two bits a place.
    bits: Vec<u64>,
}

impl Hashes {
    /// Places a flow, about: one of sixteen meets another by chance, and is looked at closely.
    const PLACES: usize = 16;

    fn note(&mut self, flows: &[Flow]) {
        self.hashes.clear();
        self.hashes.extend(flows.iter().map(Flow::identity_hash));
        self.bits.clear();
        self.bits.resize((flows.len() * Self::PLACES).next_power_of_two().div_ceil(32), 0);
        for at in 0..self.hashes.len() {
            let (word, shift) = self.place(at);
            // 0 becomes 1, 1 becomes 3, 3 stays.
            let word = &mut self.bits[word];
            *word |= (*word >> shift & 1) << (shift + 1) | 1 << shift;
        }
    }

    /// The word and the shift of a flow's two bits.
    fn place(&self, at: usize) -> (usize, u32) {
        let hash = self.hashes[at];
        ((hash >> 5) as usize & (self.bits.len() - 1), (hash as u32 & 31) * 2)
    }

    /// Whether no other flow has the hash of this one.
    fn is_single(&self, at: usize) -> bool {
        let (word, shift) = self.place(at);
        self.bits[word] >> shift & 2 == 0
    }
}

/// Orders two records of one flow so that the better one comes last.
fn best_last(a: &Flow, b: &Flow) -> std::cmp::Ordering {
    let whole = |flow: &Flow| Flow { file: 0, ..flow.clone() };
    (a.end_us(), !a.open)
        .cmp(&(b.end_us(), !b.open))
        .then_with(|| whole(a).cmp(&whole(b)))
        .then(b.file.cmp(&a.file))
}

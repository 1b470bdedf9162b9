//! What this org itself saw of destinations, for the local part of answers: `private/seen`, encrypted, never shared.
//! An upload that comes again counts once; what two different uploads have in common counts twice.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use anyhow::Result;
use flowlore_analyzer::report::model::Incident;
use flowlore_analyzer::settle::Contacted;
use flowlore_common::answer::Here as Shown;
use flowlore_common::destination::{Host, Input};
use flowlore_common::time::Micros;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::folder::Folder;
use crate::keys::AtRestKey;
use crate::limits::{HERE_DESTINATIONS_MAX, HERE_INCIDENTS_MAX, HERE_UPLOADS_MAX};
use crate::vault::Vault;

/// Destinations in one frame: at most 2 kB each, below the largest frame.
const SEEN_A_FRAME: usize = 4_096;
/// The file is rewritten when this many times more was written than is live.
const GARBAGE_FACTOR: usize = 4;
/// ... but not for fewer than this many, some MB.
const GARBAGE_MIN: usize = 16_384;

/// What was seen of one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    machines: u64,
    flows: u64,
    bytes_out: u64,
    bytes_in: u64,
    first_us: i64,
    last_us: i64,
    incidents: BTreeSet<String>,
}

/// A frame of the file: an upload, and what is known after it of the destinations in it.
#[derive(Serialize, Deserialize)]
struct Frame {
    upload: Option<[u8; 32]>,
    seen: Vec<(Vec<u8>, Seen)>,
}

/// All that was seen.
pub struct Here {
    vault: Vault,
    seen: HashMap<Box<[u8]>, Seen>,
    uploads: VecDeque<[u8; 32]>,
    written: usize,
    max: usize,
    changes: u64,
}

impl std::fmt::Debug for Here {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Here({} destinations)", self.seen.len())
    }
}

impl Here {
    /// Opens `private/seen`.
    ///
    /// # Errors
    /// It cannot be read or decrypted.
    pub fn open(folder: &Folder, key: &AtRestKey) -> Result<Self> {
        Self::bounded(folder, key, HERE_DESTINATIONS_MAX)
    }

    fn bounded(folder: &Folder, key: &AtRestKey, max: usize) -> Result<Self> {
        let (vault, frames) = Vault::open(folder, "seen", key)?;
        let (seen, uploads) = (HashMap::new(), VecDeque::new());
        let mut here = Self { vault, seen, uploads, written: 0, max, changes: 0 };
        for frame in &frames {
            here.take(serde_json::from_slice(frame)?);
        }
        Ok(here)
    }

    /// Takes what an upload showed, unless it was taken before.
    ///
    /// # Errors
    /// The disk refuses; then nothing is taken.
    pub fn saw<'a>(
        &mut self,
        upload: [u8; 32],
        contacted: &[Contacted],
        incidents: impl IntoIterator<Item = &'a Incident>,
    ) -> Result<()> {
        if self.uploads.contains(&upload) {
            return Ok(());
        }
        let named = by_destination(incidents);
        let new = contacted.iter().filter_map(|one| {
            let at = Input::host(&one.destination.parse::<Host>().ok()?).bytes().to_vec();
            let incidents = named.get(&*one.destination).map_or(&[][..], |ids| ids);
            let known = self.seen.get(&*at);
            Some((at, merged(known, one, incidents)))
        });
        let new: Vec<_> = new.collect();
        self.write(new, Some(upload))
    }

    /// Takes incidents that only several uploads together show. Of destinations that none of them contacted nothing is
    /// known, and what is known already does not count twice.
    ///
    /// # Errors
    /// As [`Self::saw`].
    pub fn also_saw<'a>(
        &mut self,
        incidents: impl IntoIterator<Item = &'a Incident>,
    ) -> Result<()> {
        let mut new: BTreeMap<Vec<u8>, Seen> = BTreeMap::new();
        for (destination, ids) in by_destination(incidents) {
            let Ok(host) = destination.parse::<Host>() else { continue };
            let at = Input::host(&host).bytes().to_vec();
            let Some(known) = new.get(&at).or_else(|| self.seen.get(&*at)) else { continue };
            let seen = with_incidents(known.clone(), &ids);
            if seen != *known {
                new.insert(at, seen);
            }
        }
        if new.is_empty() { Ok(()) } else { self.write(new.into_iter().collect(), None) }
    }

    /// Appends what is known from now on of some destinations, and of which upload.
    fn write(&mut self, new: Vec<(Vec<u8>, Seen)>, upload: Option<[u8; 32]>) -> Result<()> {
        // The upload goes with the last frame: a crash before it lets the upload count when it comes again.
        let parts = new.len().div_ceil(SEEN_A_FRAME).max(1);
        let mut rest = new;
        for part in 1..=parts {
            let after = rest.split_off(rest.len().min(SEEN_A_FRAME));
            let frame = Frame { upload: upload.filter(|_| part == parts), seen: rest };
            self.vault.append(&bytes(&frame)?)?;
            self.take(frame);
            rest = after;
        }
        if self.seen.len() > self.max {
            self.forget();
            return self.rewrite();
        }
        let live = self.seen.len().max(GARBAGE_MIN / GARBAGE_FACTOR);
        if self.written > GARBAGE_FACTOR * live { self.rewrite() } else { Ok(()) }
    }

    /// What was seen of a host.
    #[must_use]
    pub fn of(&self, host: &Host) -> Option<Shown> {
        let seen = self.seen.get(Input::host(host).bytes())?;
        Some(Shown {
            machines: seen.machines,
            users: None,
            flows: seen.flows,
            bytes_out: seen.bytes_out,
            bytes_in: seen.bytes_in,
            first: Micros(seen.first_us),
            last: Micros(seen.last_us),
            incidents: seen.incidents.len() as u64,
        })
    }

    /// How often it changed since it was opened.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    fn take(&mut self, frame: Frame) {
        self.changes += 1;
        self.written += frame.seen.len();
        self.seen.extend(frame.seen.into_iter().map(|(at, seen)| (at.into(), seen)));
        self.uploads.extend(frame.upload);
        if self.uploads.len() > HERE_UPLOADS_MAX {
            self.uploads.pop_front();
        }
    }

    /// Keeps the half that was seen last.
    fn forget(&mut self) {
        self.changes += 1;
        let mut last: Vec<_> =
            self.seen.iter().map(|(at, seen)| (seen.last_us, at.clone())).collect();
        last.sort_unstable();
        last.truncate(last.len() - self.max / 2);
        tracing::info!(
            destinations = last.len(),
            "own contacts: those seen longest ago are forgotten"
        );
        for (_, at) in last {
            self.seen.remove(&at);
        }
    }

    fn rewrite(&mut self) -> Result<()> {
        let all: BTreeMap<_, _> = self.seen.iter().collect();
        let all: Vec<_> = all.into_iter().collect();
        let seen = all.chunks(SEEN_A_FRAME).map(|part| Frame {
            upload: None,
            seen: part.iter().map(|(at, seen)| (at.to_vec(), (*seen).clone())).collect(),
        });
        let uploads = self.uploads.iter().map(|one| Frame { upload: Some(*one), seen: vec![] });
        let frames: Vec<_> =
            seen.chain(uploads).map(|frame| bytes(&frame)).collect::<Result<_>>()?;
        self.vault.rewrite(frames.iter().map(|frame| frame.as_slice()))?;
        self.written = self.seen.len();
        Ok(())
    }
}

fn bytes(frame: &Frame) -> Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(serde_json::to_vec(frame)?))
}

/// What is known of a destination after one more upload.
fn merged(known: Option<&Seen>, new: &Contacted, incidents: &[&str]) -> Seen {
    let flows = new.categories.iter().map(|(_, flows)| flows).sum();
    let mut seen = Seen {
        machines: new.hosts,
        flows,
        bytes_out: new.bytes_out,
        bytes_in: new.bytes_in,
        first_us: new.first.0,
        last_us: new.last.0,
        incidents: BTreeSet::new(),
    };
    if let Some(known) = known {
        seen.machines = seen.machines.max(known.machines);
        seen.flows = seen.flows.saturating_add(known.flows);
        seen.bytes_out = seen.bytes_out.saturating_add(known.bytes_out);
        seen.bytes_in = seen.bytes_in.saturating_add(known.bytes_in);
        seen.first_us = seen.first_us.min(known.first_us);
        seen.last_us = seen.last_us.max(known.last_us);
        seen.incidents.extend(known.incidents.iter().cloned());
    }
    with_incidents(seen, incidents)
}

/// The ids of incidents by the destinations in them.
fn by_destination<'a>(
    incidents: impl IntoIterator<Item = &'a Incident>,
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for incident in incidents {
        for destination in &incident.destinations {
            named.entry(destination).or_default().push(&incident.id);
        }
    }
    named
}

fn with_incidents(mut seen: Seen, incidents: &[&str]) -> Seen {
    seen.incidents.extend(incidents.iter().map(|id| (*id).to_owned()));
    while seen.incidents.len() > HERE_INCIDENTS_MAX {
        seen.incidents.pop_last();
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use flowlore_common::env::SeededRng;
    use flowlore_common::label::Category;

    fn contacted(destination: &str, flows: u64, at_s: i64) -> Contacted {
        Contacted {
            destination: destination.to_owned(),
            hosts: flows,
            bytes_out: 10 * flows,
            bytes_in: 100 * flows,
            categories: vec![(Category::ALL[0], flows)],
            first: Micros(at_s * 1_000_000),
            last: Micros((at_s + 60) * 1_000_000),
        }
    }

    #[test]
    fn incidents_of_the_whole_are_added_once_and_to_what_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let keys = Keys::create(&folder, &mut SeededRng::new("here", 2)).unwrap();
        let open = || Here::bounded(&folder, &keys.at_rest, 4).unwrap();
        let seen = |here: &Here, name: &str| here.of(&name.parse::<Host>().unwrap());
        let incident = |id: &str, destinations: &[&str]| Incident {
            id: id.to_owned(),
            title: String::new(),
            severity: flowlore_common::label::Severity::High,
            kind: "threat",
            confidence: 80,
            state: "new",
            hosts: vec![],
            destinations: destinations.iter().map(ToString::to_string).collect(),
            first: Micros(0),
            last: Micros(0),
            finding_ids: vec![],
            sequences: vec![],
            actions: vec![],
            closed_elsewhere: None,
        };
        open().saw([1; 32], &[contacted("evil.example", 3, 1_000)], &[]).unwrap();
        let whole = [
            incident("0123abcd", &["evil.example", "never.example"]),
            incident("0123abce", &["evil.example", "not a host!"]),
        ];
        open().also_saw(&whole).unwrap();
        let mut here = open();
        let changes = here.changes();
        here.also_saw(&whole).unwrap();
        assert_eq!(here.changes(), changes, "nothing new is said");
        let shown = seen(&here, "evil.example").unwrap();
        assert_eq!((shown.incidents, shown.flows, shown.machines), (2, 3, 3));
        assert!(seen(&here, "never.example").is_none());
    }

    #[test]
    fn uploads_add_up_once_and_survive() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("node")).unwrap();
        let keys = Keys::create(&folder, &mut SeededRng::new("here", 1)).unwrap();
        let open = || Here::bounded(&folder, &keys.at_rest, 4).unwrap();
        let host: Host = "evil.example".parse().unwrap();
        let first = [contacted("evil.example", 3, 1_000), contacted("not a host!", 1, 1_000)];
        open().saw([1; 32], &first, &[]).unwrap();
        open().saw([1; 32], &first, &[]).unwrap();
        open().saw([2; 32], &[contacted("evil.example", 2, 500)], &[]).unwrap();
        let shown = open().of(&host).unwrap();
        assert_eq!((shown.machines, shown.flows), (3, 5));
        assert_eq!((shown.bytes_out, shown.bytes_in), (50, 500));
        assert_eq!((shown.first, shown.last), (Micros(500_000_000), Micros(1_060_000_000)));
        // Over the bound, those seen longest ago go.
        let many: Vec<_> =
            (0..4).map(|n| contacted(&format!("h{n}.example"), 1, 9_000 + n)).collect();
        open().saw([3; 32], &many, &[]).unwrap();
        assert_eq!(open().seen.len(), 2);
        assert!(open().of(&host).is_none());
        assert!(open().of(&"h3.example".parse().unwrap()).is_some());
        assert!(open().uploads.contains(&[1; 32]), "still recognised");
        let raw = std::fs::read(folder.path("private/seen")).unwrap();
        assert!(!raw.windows(7).any(|window| window == b"example"));
    }
}

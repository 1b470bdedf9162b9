//! Goal: an answer from what was kept has the bytes of one that is computed afresh, whatever happened in between.
//! Method: a seeded story of labels, retractions, notes, refreshes, a fork, roster documents and passing days; after every
//! step each name is asked for, from what was kept, and compared.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use flowlore_common::answer::{Level, Shared};
use flowlore_common::block::{PayloadKind, SignedHeader};
use flowlore_common::env::SeededRng;
use flowlore_common::label::{Purpose, Source, Verdict};
use flowlore_common::roster::Change;
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::time::{Day, Hour};
use flowlore_ledger::answer::{Names, Question, Said};
use flowlore_ledger::fold::Refresh;
use flowlore_ledger::ledger::Ledger;
use flowlore_ledger::store::row::ForkProof;
use rand_core::RngCore as _;
use world::{At, KEY_EPOCH, NOW, World, assessment, blocks, first, input, question, sighting};

const NAMES: [&str; 3] = ["one.example", "two.example", "three.example"];
const ORGS: usize = 4;
/// Forked, and expelled, in some stories.
const FORKER: usize = 3;
const LEAVER: usize = 2;
const STEPS: usize = 80;

fn encode(level: &Level) -> Vec<u8> {
    serde_json::to_vec(level).unwrap()
}

fn read(told: Shared<Said>) -> Shared {
    let level = |said: Option<Said>| said.map(|said| serde_json::from_slice(&said).unwrap());
    Shared {
        day: told.day,
        state_version: told.state_version,
        objects_digest: told.objects_digest,
        members: told.members,
        host: level(told.host),
        site: level(told.site),
    }
}

struct Story {
    world: World,
    ledger: Ledger,
    rng: SeededRng,
    now: Hour,
    /// Answers that came from what was kept; answers that a step changed.
    kept: usize,
    changed: usize,
    before: Vec<Vec<u8>>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let world = World::new(&[1, 2, 3, 4]);
        let (ledger, rng) = (world.ledger(), SeededRng::new("kept", seed));
        Self {
            world,
            ledger,
            rng,
            now: NOW,
            kept: 0,
            changed: 0,
            before: vec![vec![]; NAMES.len()],
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.rng.next_u32() as usize % end
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len())]
    }

    /// Who was cut off says nothing any more; that is refused, and changes nothing.
    fn step(&mut self) {
        let (org, name) = (self.below(ORGS), self.name());
        let purpose = Purpose::ALL[self.below(Purpose::ALL.len())];
        match self.below(20) {
            0..8 => {
                let body = match purpose {
                    Purpose::Contacted | Purpose::Knocked => sighting(),
                    Purpose::Vouched => assessment(Verdict::Benign, Source::Person, 70),
                    _ => assessment(Verdict::Malicious, Source::Person, 80),
                };
                let label = self.world.label(org, name, purpose, &body);
                let author = self.world.orgs[org].author();
                let _ = self.ledger.seal(author, purpose, vec![label], self.now, &mut self.rng);
            }
            8..10 => {
                let retraction = self.world.retraction(org, name, purpose);
                let author = self.world.orgs[org].author();
                let _ =
                    self.ledger.seal(author, purpose, vec![retraction], self.now, &mut self.rng);
            }
            10..12 => {
                let title = format!("thought {}", self.below(100));
                let note = self.world.note(org, name, Purpose::Flagged, &title);
                self.items(org, PayloadKind::NOTES, &note);
            }
            12..14 => {
                let feed = self.world.orgs[org].feed();
                let next = self.ledger.head(&feed).map_or(0, |head| head.next);
                let height = self.below(usize::try_from(next).unwrap().max(1)) as u64;
                let refresh = Refresh { incarnation: 0, height, index: 0 }.encode();
                self.items(org, PayloadKind::REFRESH, &refresh);
            }
            14..17 => self.now.0 += 24,
            17 => self.now.0 += 24 * 20,
            18 => self.fork(),
            _ => {
                let from = FeedPlace { incarnation: 0, height: 1 };
                let org = self.world.member(LEAVER);
                let expel = vec![Change::Expel { org, from, left: false }];
                if self.ledger.roster().member(&org).is_some_and(|member| member.active) {
                    let document = self.world.document(&self.ledger, expel, self.now);
                    self.ledger.apply_roster(&document, self.now, &mut self.rng).unwrap();
                }
            }
        }
    }

    fn items(&mut self, org: usize, kind: PayloadKind, item: &[u8]) {
        let author = self.world.orgs[org].author();
        let _ = self.ledger.seal_items(author, kind, &[item], self.now, &mut self.rng);
    }

    fn fork(&mut self) {
        let feed = self.world.orgs[FORKER].feed();
        let Some(height) = self.ledger.head(&feed).and_then(|head| head.next.checked_sub(1)) else {
            return;
        };
        let block = blocks(&self.ledger, feed, height).remove(0);
        let ours = SignedHeader::parse(block.first_chunk().unwrap()).unwrap();
        let (prev, sealed) = (ours.header.prev, ours.header.sealed);
        let other = self.world.block(FORKER, At { height, prev, sealed, ..first() }, &[b"other"]);
        let proof = ForkProof::new(ours, *other.signed_header());
        // One that is as low may be here already.
        let _ = self.ledger.admit_fork(&proof);
    }

    fn compare(&mut self, seed: u64) {
        // Sometimes of yesterday first: what is kept for one day says nothing of another.
        let yesterday = (self.below(8) == 0).then(|| Day(self.now.day().0 - 1));
        for day in yesterday.into_iter().chain([self.now.day()]) {
            for (at, name) in NAMES.iter().enumerate() {
                // As its own site, so that both levels are read.
                let both = || Question { site: question(name).host, ..question(name) };
                let (name, keys) = (input(name), [KEY_EPOCH]);
                let names = Names { host: Some(&name), site: Some(&name), key_epochs: &keys };
                let answer = self.ledger.answer(&both(), day).unwrap();
                if let Some(told) = self.ledger.told(names, day) {
                    self.kept += 1;
                    assert_eq!(read(told), answer, "kept; seed {seed}");
                }
                let told = self.ledger.tell(&both(), day, encode).unwrap();
                assert_eq!(read(told), answer, "seed {seed}");
                assert_eq!(read(self.ledger.told(names, day).unwrap()), answer, "seed {seed}");
                let level = serde_json::to_vec(&answer.host).unwrap();
                self.changed += usize::from(self.before[at] != level);
                self.before[at] = level;
            }
        }
    }
}

#[test]
fn what_is_kept_is_what_would_be_computed() {
    let (mut kept, mut changed) = (0, 0);
    for seed in 0..5 {
        let mut story = Story::new(seed);
        for _ in 0..STEPS {
            story.step();
            story.compare(seed);
        }
        kept += story.kept;
        changed += story.changed;
    }
    println!("{kept} answers from what was kept, {changed} levels that a step changed");
    assert!(kept > 300 && changed > 200, "{kept} kept, {changed} changed");
}

/// Only what a change touches is computed again.
#[test]
fn a_label_of_one_name_leaves_the_others_kept() {
    let mut story = Story::new(1);
    let body = sighting();
    for name in NAMES {
        story.ledger.tell(&question(name), NOW.day(), encode).unwrap();
    }
    let digest = story.ledger.objects_digest();
    let label = story.world.label(0, NAMES[0], Purpose::Contacted, &body);
    let author = story.world.orgs[0].author();
    story.ledger.seal(author, Purpose::Contacted, vec![label], NOW, &mut story.rng).unwrap();
    assert_ne!(story.ledger.objects_digest(), digest);
    let told = |name: &str, keys: &[u32], day| {
        let name = input(name);
        let names = Names { host: Some(&name), site: None, key_epochs: keys };
        story.ledger.told(names, day).is_some()
    };
    let today = NOW.day();
    assert_eq!(NAMES.map(|name| told(name, &[KEY_EPOCH], today)), [false, true, true]);
    assert!(!told(NAMES[1], &[KEY_EPOCH], Day(today.0 + 1)), "another day has other ages");
    assert!(!told(NAMES[1], &[KEY_EPOCH + 1], today), "another key has other tokens");
    assert!(!told("four.example", &[KEY_EPOCH], today), "never asked for");
}

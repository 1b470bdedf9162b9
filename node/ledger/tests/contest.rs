//! Goal: when governors sign two rosters of one version, all members end with the same one or, until
//! the others agree, with the one before it, whatever came first; nothing is lost that holds in the end.
//! Method: three governors, one of whom signs twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use flowlore_common::block::{PayloadKind, SignedBlock};
use flowlore_common::label::{Purpose, Source, Verdict};
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::roster::{Change, Document};
use flowlore_ledger::admit::Refused;
use flowlore_ledger::ledger::{Engine, Ledger, RosterRefused};
use flowlore_ledger::limits::ROSTER_RIVALS_MAX;
use flowlore_ledger::roster::RosterError;
use flowlore_ledger::seal::SealError;
use flowlore_ledger::store::row::ForkProof;
use world::{At, NOW, World, after, assessment, first, permutations, question, today};

const NAME: &str = "evil.example";
/// The org that speaks; the governors are orgs 0, 1 and 2.
const SPEAKER: usize = 3;

/// What there is: two documents of version 1, and what the speaker said under document 0 and under
/// the first of the two.
struct Story {
    world: World,
    one: Document,
    other: Document,
    before: SignedBlock,
    under_one: SignedBlock,
    record: Vec<u8>,
}

fn endpoints(world: &World, name: &str) -> Vec<Change> {
    vec![Change::Endpoints(world.member(0), vec![format!("{name}.example:1")])]
}

impl Story {
    fn new() -> Self {
        let mut world = World::governed(&[1, 2, 3, 4], 3);
        let ledger = world.ledger();
        let one = world.signed(&ledger, endpoints(&world, "one"), &[0, 1]);
        let other = world.signed(&ledger, endpoints(&world, "other"), &[1, 2]);
        let label = |world: &mut World, confidence| {
            let body = assessment(Verdict::Malicious, Source::Person, confidence);
            world.label(SPEAKER, NAME, Purpose::Flagged, &body)
        };
        let (low, high) = (label(&mut world, 10), label(&mut world, 20));
        let at = At { kind: PayloadKind::LABELS, purpose: 1, ..first() };
        let before = world.block(SPEAKER, at, &[&low.item]);
        let at = At { kind: PayloadKind::LABELS, purpose: 1, ..after(&before) };
        let under_one = world.block_under(&one, SPEAKER, at, &[&high.item]);
        Self { world, one, other, before, under_one, record: low.record }
    }

    /// One of the two, which a governor who had signed the other signs as well.
    fn settled(&self, document: &Document, signer: usize) -> Document {
        let mut settled = document.clone();
        settled.sign(self.world.member(signer), &self.world.orgs[signer].key);
        settled
    }

    fn hear(&mut self, ledger: &mut Ledger, document: &Document) {
        ledger.apply_roster(document, NOW, &mut self.world.rng).unwrap().unwrap();
    }

    fn admit(&mut self, ledger: &mut Ledger, block: &SignedBlock) -> Result<(), Refused> {
        let bytes = block.bytes().to_vec();
        let admitted = match ledger.admit(bytes.clone(), vec![], NOW, &mut self.world.rng) {
            Err(Refused::RecordsMissing(_)) => {
                ledger.admit(bytes, vec![self.record.clone()], NOW, &mut self.world.rng)
            }
            other => other,
        };
        admitted.map(|_| ())
    }

    /// A ledger that took the first document and what was said under it.
    fn under_one(&mut self) -> Ledger {
        let mut ledger = self.world.ledger();
        self.take_one(&mut ledger);
        ledger
    }

    fn take_one(&mut self, ledger: &mut Ledger) {
        let (one, before, under) = (self.one.clone(), self.before.clone(), self.under_one.clone());
        self.admit(ledger, &before).unwrap();
        self.hear(ledger, &one);
        self.admit(ledger, &under).unwrap();
    }
}

fn confidence(ledger: &Ledger) -> Option<u8> {
    ledger.answer(&question(NAME), today()).unwrap().host.map(|host| host.confidence)
}

fn outcome(ledger: &Ledger) -> (String, String, String) {
    let answer = ledger.answer(&question(NAME), today()).unwrap();
    let state = ledger.state_digest(today()).unwrap();
    let answer = serde_json::to_string(&answer).unwrap();
    (hex::encode(ledger.objects_digest()), hex::encode(state), answer)
}

#[test]
fn two_rosters_take_both_back_until_a_faithful_governor_gives_way() {
    let mut story = Story::new();
    let mut ledger = story.under_one();
    assert_eq!((ledger.roster().version(), confidence(&ledger)), (1, Some(20)));
    let other = story.other.clone();
    let settled = story.settled(&other, 0);
    story.hear(&mut ledger, &other);
    assert_eq!((ledger.roster().version(), ledger.contested()), (0, Some(1)));
    assert_eq!(confidence(&ledger), Some(10), "what names a contested roster waits");
    let under = story.under_one.clone();
    assert_eq!(story.admit(&mut ledger, &under), Err(Refused::RosterContested(1)));
    assert_eq!(ledger.held(), 1);
    let author = world::org(3, 4);
    let sealed =
        ledger.seal_items(author.author(), PayloadKind(40), &[b""], NOW, &mut story.world.rng);
    assert_eq!(sealed, Err(SealError::Refused(Refused::RosterContested(1))));
    story.hear(&mut ledger, &settled);
    assert_eq!((ledger.roster().version(), ledger.contested()), (1, None));
    assert_eq!(ledger.roster().hash(), other.hash());
    assert_eq!(ledger.roster_forks().collect::<Vec<_>>(), [1]);
    assert!(matches!(story.admit(&mut ledger, &under), Err(Refused::RosterHash(_))));
    assert_eq!((ledger.held(), confidence(&ledger)), (0, Some(10)));
    // The speaker says it again where it stands now.
    let at = At { kind: PayloadKind::LABELS, purpose: 1, ..after(&story.before) };
    let again = story.world.block_under(&other, SPEAKER, at, &[under.item(0).unwrap()]);
    story.admit(&mut ledger, &again).unwrap();
    assert_eq!(confidence(&ledger), Some(20));
    let proof = ForkProof::new(*again.signed_header(), *under.signed_header());
    assert!(matches!(ledger.admit_fork(&proof), Err(Refused::RosterHash(_))), "no fork");
    assert!(ledger.verify(today(), &mut story.world.rng).unwrap().state_agrees);
}

#[test]
fn one_more_signature_settles_it_for_one_of_the_two_and_what_waited_counts() {
    let mut story = Story::new();
    let alone = outcome(&story.under_one());
    let mut ledger = story.under_one();
    let other = story.other.clone();
    story.hear(&mut ledger, &other);
    assert_eq!(ledger.contested(), Some(1));
    // Org 2 signs the first as well: of the three, only org 0 signed but one.
    let settled = story.settled(&story.one, 2);
    story.hear(&mut ledger, &settled);
    assert_eq!((ledger.roster().version(), ledger.contested()), (1, None));
    assert_eq!(outcome(&ledger), alone, "as if there had been no other");
    assert!(ledger.verify(today(), &mut story.world.rng).unwrap().state_agrees);
    let known = ledger.apply_roster(&settled, NOW, &mut story.world.rng).unwrap();
    assert_eq!(known, None);
}

#[test]
fn every_order_of_documents_and_blocks_ends_alike() {
    let mut story = Story::new();
    for ends in ["contested", "other", "one"] {
        let mut documents = vec![story.one.clone(), story.other.clone()];
        match ends {
            "one" => documents.push(story.settled(&story.one, 2)),
            "other" => documents.push(story.settled(&story.other, 0)),
            _ => {}
        }
        let blocks = [story.before.clone(), story.under_one.clone()];
        let mut things: Vec<usize> = (0..documents.len() + blocks.len()).collect();
        let count = things.len();
        let mut outcomes = std::collections::BTreeMap::new();
        permutations(&mut things, count, &mut |order| {
            let mut ledger = story.world.ledger();
            let mut waiting = order.to_vec();
            loop {
                let before = waiting.len();
                waiting.retain(|thing| match documents.get(*thing) {
                    Some(document) => {
                        ledger.apply_roster(document, NOW, &mut story.world.rng).is_err()
                    }
                    None => story.admit(&mut ledger, &blocks[*thing - documents.len()]).is_err(),
                });
                if waiting.len() == before {
                    break;
                }
            }
            outcomes.insert(outcome(&ledger), (ledger.contested(), confidence(&ledger)));
        });
        let expected = match ends {
            "contested" => (Some(1), Some(10)),
            "other" => (None, Some(10)),
            _ => (None, Some(20)),
        };
        assert_eq!(outcomes.into_values().collect::<Vec<_>>(), [expected], "{ends}");
    }
}

#[test]
fn what_a_document_cut_comes_back_with_the_document() {
    let mut story = Story::new();
    let from = FeedPlace { incarnation: 0, height: 0 };
    let expel = vec![Change::Expel { org: story.world.member(SPEAKER), from, left: false }];
    let mut ledger = story.world.ledger();
    let before = story.before.clone();
    story.admit(&mut ledger, &before).unwrap();
    let expulsion = story.world.signed(&ledger, expel, &[0, 1]);
    story.hear(&mut ledger, &expulsion);
    assert_eq!((confidence(&ledger), ledger.head(&story.world.orgs[SPEAKER].feed())), (None, None));
    let other = story.other.clone();
    story.hear(&mut ledger, &other);
    assert_eq!((ledger.contested(), confidence(&ledger)), (Some(1), Some(10)));
    assert!(ledger.verify(today(), &mut story.world.rng).unwrap().state_agrees);
}

#[test]
fn documents_after_a_contested_one_go_and_come_with_it() {
    let mut story = Story::new();
    let mut ledger = story.under_one();
    for version in 2..6 {
        let name = format!("v{version}");
        let next = story.world.signed(&ledger, endpoints(&story.world, &name), &[0, 1]);
        story.hear(&mut ledger, &next);
    }
    let (long, digest) = (ledger.roster().hash(), outcome(&ledger));
    let other = story.other.clone();
    story.hear(&mut ledger, &other);
    assert_eq!((ledger.roster().version(), ledger.contested()), (0, Some(1)));
    let settled = story.settled(&story.one, 2);
    story.hear(&mut ledger, &settled);
    assert_eq!((ledger.roster().version(), ledger.roster().hash()), (5, long));
    assert_eq!(outcome(&ledger), digest);
    // One who has nothing learns all of it from what is passed on, in its order.
    let mut newcomer = story.world.ledger();
    for bytes in ledger.documents_from(0, usize::MAX).unwrap() {
        let document = Document::parse(&bytes).unwrap();
        newcomer.apply_roster(&document, NOW, &mut story.world.rng).unwrap();
    }
    assert_eq!(newcomer.roster().hash(), long);
    assert_eq!(newcomer.roster_forks().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_contest_survives_restarts_and_a_rebuild() {
    let mut story = Story::new();
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(dir.path(), Engine::Sled, &story.world.first).unwrap();
    story.take_one(&mut ledger);
    let again = |ledger: Ledger, story: &mut Story, rebuild: bool| {
        let (expected, contested) = (outcome(&ledger), ledger.contested());
        drop(ledger);
        if rebuild {
            std::fs::remove_dir_all(dir.path().join("state")).unwrap();
        }
        let rng = &mut story.world.rng;
        let (ledger, report) = Ledger::open(dir.path(), Engine::Sled, rng).unwrap();
        assert_eq!(report.rebuilt.is_some(), rebuild);
        assert_eq!((outcome(&ledger), ledger.contested()), (expected, contested));
        ledger
    };
    let documents = [story.other.clone(), story.settled(&story.other, 0)];
    for document in documents {
        story.hear(&mut ledger, &document);
        ledger = again(ledger, &mut story, false);
        ledger = again(ledger, &mut story, true);
    }
    assert_eq!(ledger.roster().hash(), story.other.hash());
}

#[test]
fn a_document_without_a_majority_contests_nothing() {
    let mut story = Story::new();
    let mut ledger = story.under_one();
    let alone =
        |name| story.world.signed(&story.world.ledger(), endpoints(&story.world, name), &[2]);
    let (weak, other) = (alone("weak"), story.other.clone());
    let few = |ledger: &mut Ledger, story: &mut Story| {
        let refused = ledger.apply_roster(&weak, NOW, &mut story.world.rng).unwrap_err();
        let RosterRefused::Roster(error) = refused else { panic!("{refused}") };
        assert_eq!(error, RosterError::TooFew { given: 1, governors: 3 });
    };
    few(&mut ledger, &mut story);
    assert_eq!(ledger.roster().version(), 1, "nothing happened");
    story.hear(&mut ledger, &other);
    few(&mut ledger, &mut story);
    assert_eq!(ledger.contested(), Some(1));
}

#[test]
fn a_third_document_settles_nothing() {
    let mut story = Story::new();
    let mut ledger = story.under_one();
    let names = endpoints(&story.world, "third");
    let third = story.world.signed(&story.world.ledger(), names, &[0, 2]);
    let other = story.other.clone();
    story.hear(&mut ledger, &other);
    story.hear(&mut ledger, &third);
    assert_eq!((ledger.contested(), ledger.roster().version()), (Some(1), 0));
}

#[test]
fn rivals_are_bounded() {
    let mut story = Story::new();
    let mut ledger = story.world.ledger();
    let mut refused = 0;
    for number in 0..ROSTER_RIVALS_MAX + 2 {
        let changes = endpoints(&story.world, &format!("r{number}"));
        let rival = story.world.signed(&story.world.ledger(), changes, &[0, 1]);
        match ledger.apply_roster(&rival, NOW, &mut story.world.rng) {
            Ok(_) => {}
            Err(RosterRefused::Roster(RosterError::Rivals { version: 1 })) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((refused, ledger.contested()), (2, Some(1)));
}

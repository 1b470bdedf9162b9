//! Goal: what this org said goes on to stand: it is refreshed while it is in use, and said again when a roster that lost
//! took it back. Method: a node without ports whose clock the test moves; roster documents signed by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use flowlore_common::answer::{Level, Shared};
use flowlore_common::destination::{Host, Input};
use flowlore_common::env::{Clock, SeededRng, SystemClock};
use flowlore_common::ids::{OrgId, ShareGroup};
use flowlore_common::label::{Behaviour, Category, Reason, Verdict};
use flowlore_common::roster::change::Admission;
use flowlore_common::roster::{Change, Document, Registration, Roles};
use flowlore_common::sign::SecretKey;
use flowlore_common::time::{Day, Micros};
use flowlore_ledger::answer::{Asked, Question};
use flowlore_node::command::init;
use flowlore_node::config::Config;
use flowlore_node::folder::Folder;
use flowlore_node::node::Node;
use flowlore_node::phase::PHASE_DAYS;
use flowlore_node::publish::{Observed, Opinion, draft};
use flowlore_node::publisher::publish_due;
use flowlore_node::say::Said;
use flowlore_veil::note::NoteText;

const DAY_S: i64 = 86_400;

/// A clock that the test moves.
#[derive(Debug)]
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::Relaxed) * 1_000_000)
    }
}

/// A federation of one, in which contacts leave after up to `delay_hours`.
fn node(root: &Path, delay_hours: u16) -> (Arc<Node>, Arc<Moved>) {
    let dir = root.join("node");
    init::create(&dir, "A").unwrap();
    init::refound(&dir, "A", true, delay_hours).unwrap();
    let folder = Folder::open(&dir).unwrap();
    let config = Config::load(&folder).unwrap();
    // The last hour of today, when every org's slot has been: the roster was made by the machine's clock.
    let start_s = SystemClock.now().seconds() / DAY_S * DAY_S + 23 * 3_600;
    let clock = Arc::new(Moved(AtomicI64::new(start_s)));
    (Node::open(folder, config, clock.clone()).unwrap(), clock)
}

fn level(node: &Node, host: &str) -> Option<Level> {
    let input = Input::host(&host.parse::<Host>().unwrap());
    let roster = node.store.roster();
    let y = node.asker.known_one(&roster, &input)?;
    let asked = Asked { input, keys: vec![(roster.key_epoch(), y)] };
    let question = Question { host: Some(asked), site: None };
    let answer: Shared = node.store.read().answer(&question, node.clock.now().day()).unwrap();
    answer.host
}

fn own_blocks(node: &Node) -> u64 {
    node.store.sizes().own_blocks
}

/// An analysis in which inside hosts contacted these until `last`.
fn contacted(node: &Node, hosts: &[String], last: Day) {
    let seen: Vec<_> = hosts
        .iter()
        .map(|host| Observed {
            host: host.parse().unwrap(),
            port: 443,
            transport: 6,
            categories: [(Category::KeepAlive, 9)].into(),
            hosts: 3,
            first: last,
            last,
        })
        .collect();
    let roster = node.store.roster();
    let slots = node.slots(&roster);
    let rng = &mut SeededRng::new("upkeep", 1);
    let drafted = draft(&seen, &[], &node.own_policy(&roster), slots, rng);
    node.outbox().observe(drafted.statements, slots).unwrap();
}

#[tokio::test]
async fn labels_in_use_are_refreshed_every_four_weeks_and_others_expire() {
    let root = tempfile::tempdir().unwrap();
    let (node, clock) = node(root.path(), 144);
    let today = || node.clock.now().day();
    let hosts: Vec<_> = (0..30).map(|number| format!("n{number}.example")).collect();
    let (used, unused) = hosts.split_at(15);
    contacted(&node, &hosts, today());
    let first = today();
    let mut blocks_by_day = vec![];
    // Twelve weeks: half of the hosts are contacted daily, the rest never again.
    for _ in 0..12 * 7 {
        clock.0.fetch_add(DAY_S, Ordering::Relaxed);
        let before = own_blocks(&node);
        publish_due(&node).await.unwrap();
        publish_due(&node).await.unwrap();
        blocks_by_day.push(own_blocks(&node) - before);
        contacted(&node, used, today());
    }
    // Labels within the first week, by then each with its day; after that a block of refreshes on such days.
    let weeks = usize::from(PHASE_DAYS);
    let (one, next) = (&blocks_by_day[8..8 + weeks], &blocks_by_day[8 + weeks..8 + 2 * weeks]);
    assert_eq!(one, next, "every four weeks the same: {blocks_by_day:?}");
    assert!(one.iter().all(|blocks| *blocks <= 1), "{blocks_by_day:?}");
    assert!((3..=27).contains(&one.iter().sum::<u64>()), "{blocks_by_day:?}");
    for host in used {
        let level = level(&node, host).unwrap();
        assert_eq!(level.contacted.orgs, 1, "{host}");
        assert_eq!(level.first_seen.claimed, Some(first));
        let last = level.last_seen.unwrap();
        assert!(last <= today() && today().0 - last.0 < 2 * PHASE_DAYS, "{host}: {last}");
        assert!(level.weeks.len() >= 8, "{host}: {:?}", level.weeks);
    }
    for host in unused {
        assert_eq!(level(&node, host), None, "{host} has expired");
    }
}

/// An org that governs and runs no node.
fn governor(seed: u8) -> (OrgId, SecretKey, Change) {
    let key = SecretKey::from_seed(&[seed; 32]);
    let share_group = ShareGroup([seed; 32]);
    let registration =
        Registration { random: [seed; 32], share_group, first_key: key.public().bytes() };
    let admission = |endorsers| Admission {
        registration,
        name: format!("Org {seed}"),
        transport_key: SecretKey::from_seed(&[seed + 100; 32]).public().bytes(),
        endpoints: vec![],
        roles: Roles { governor: true, witness: false, evaluator: None },
        control_group: [seed; 32],
        endorsers,
    };
    (registration.org(), key, Change::Admit(Box::new(admission(vec![]))))
}

fn endorsed(change: Change, by: Vec<OrgId>) -> Change {
    let Change::Admit(mut admission) = change else { panic!("an admission") };
    admission.endorsers = by;
    Change::Admit(admission)
}

#[tokio::test]
async fn what_a_losing_roster_took_back_is_said_again_with_its_note() {
    let root = tempfile::tempdir().unwrap();
    let (node, _) = node(root.path(), 0);
    let rng = || SeededRng::new("documents", 1);
    let apply = |document: &Document| {
        node.store.write(|ledger| ledger.apply_roster(document, node.hour(), &mut rng())).unwrap();
    };
    let draft = |changes| node.store.read().chain().draft(changes, node.hour()).unwrap();
    let ((b, b_key, admit_b), (c, c_key, admit_c)) = (governor(2), governor(3));
    let ours = &node.keys.signing;
    apply(&Document::new(draft(vec![endorsed(admit_b, vec![node.org])]), node.org, ours));
    let mut document =
        Document::new(draft(vec![endorsed(admit_c, vec![node.org, b])]), node.org, ours);
    document.sign(b, &b_key);
    apply(&document);
    node.guard.waive();

    // Two rosters of one version: the governor B signs both.
    let moved = |address: &str| draft(vec![Change::Endpoints(b, vec![address.to_owned()])]);
    let (one, other) = (moved("one.example:1"), moved("other.example:1"));
    let mut losing = Document::new(one, node.org, ours);
    losing.sign(b, &b_key);
    let mut winning = Document::new(other, b, &b_key);
    winning.sign(c, &c_key);
    apply(&losing);
    let opinion = Opinion {
        host: "evil.example".parse().unwrap(),
        port: 443,
        transport: 6,
        verdict: Verdict::Malicious,
        behaviour: Some(Behaviour::C2BeaconHttpTls),
        confidence: 90,
        reason: Reason::None,
        closed: None,
        note: Some(NoteText { title: "A beacon".to_owned(), ..NoteText::default() }),
        stays_here: false,
        hold_hours: 0,
        contributor: [7; 16],
    };
    assert!(matches!(node.put(opinion).await.unwrap(), Said::Sealed(_)));
    assert_eq!(level(&node, "evil.example").unwrap().titles, ["A beacon"]);

    // Contested: our blocks leave the feed, and nothing is sealed.
    apply(&winning);
    assert_eq!(own_blocks(&node), 0);
    assert_eq!(level(&node, "evil.example"), None);
    publish_due(&node).await.unwrap();
    assert_eq!((own_blocks(&node), node.outbox().waiting_count()), (0, 0));

    // Settled for the other: said again under it.
    winning.sign(node.org, ours);
    apply(&winning);
    assert_eq!(level(&node, "evil.example"), None, "what names the loser is gone for good");
    publish_due(&node).await.unwrap();
    let level = level(&node, "evil.example").unwrap();
    assert_eq!(
        (level.titles, level.tally[&Verdict::Malicious].orgs),
        (vec!["A beacon".to_owned()], 1)
    );
    let settled = own_blocks(&node);
    publish_due(&node).await.unwrap();
    assert_eq!(own_blocks(&node), settled, "once");
}

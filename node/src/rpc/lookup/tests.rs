use std::sync::atomic::{AtomicI64, Ordering};

use flowlore_analyzer::settle::Contacted;
use flowlore_common::env::{Clock, SystemClock};
use flowlore_common::label::{Category, Reason, Verdict};
use flowlore_common::roster::{Change, Policy};
use flowlore_common::time::Micros;

use super::*;
use crate::command::init;
use crate::config::Config;
use crate::folder::Folder;
use crate::limits::LOOKUP_CHUNK;
use crate::publish::Opinion;

#[test]
fn answers_go_together_as_far_as_a_message_holds() {
    let answer = |bytes| v1::Answer { private_reason: "x".repeat(bytes), ..Default::default() };
    let sizes = |bytes: &[usize]| {
        let parts = parts(bytes.iter().map(|bytes| answer(*bytes)).collect(), 7);
        let parts: Vec<_> = parts.iter().map(|part| part.decoded().unwrap()).collect();
        let all = parts.iter().flatten().map(|answer| answer.index);
        let end = 7 + u32::try_from(bytes.len()).unwrap();
        assert!(all.eq(7..end), "in order, none lost");
        parts.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert!(sizes(&[]).is_empty());
    assert_eq!(sizes(&[100; LOOKUP_CHUNK]), [LOOKUP_CHUNK]);
    let half = LOOKUP_PART_BYTES_MAX / 2;
    assert_eq!(sizes(&[half; 3]), [1, 1, 1]);
    assert_eq!(sizes(&[half, half - 100, half]), [2, 1]);
    assert_eq!(sizes(&[1, 4 * half, 1, 1]), [1, 1, 2]);
}

/// A clock that the test moves, seconds.
#[derive(Debug)]
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::Relaxed) * 1_000_000)
    }
}

struct Scene {
    _root: tempfile::TempDir,
    node: Arc<Node>,
    clock: Arc<Moved>,
    lookup: Lookup,
    before: Vec<v1::Answers>,
}

const TEXTS: [&str; 5] =
    ["evil.example", "www.Evil.example:443", "unsaid.example", "10.0.0.1", "evil.example"];

impl Scene {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("node");
        init::create(&dir, "A").unwrap();
        init::refound(&dir, "A", true, 0).unwrap();
        let folder = Folder::open(&dir).unwrap();
        let config = Config::load(&folder).unwrap();
        let clock = Arc::new(Moved(AtomicI64::new(SystemClock.now().seconds())));
        let node = Node::open(folder, config, clock.clone()).unwrap();
        let lookup = Lookup::new(node.clone());
        Self { _root: root, node, clock, lookup, before: vec![] }
    }

    fn opinion(&self, stays_here: bool) -> Opinion {
        Opinion {
            host: "evil.example".parse().unwrap(),
            port: 0,
            transport: 0,
            verdict: Verdict::Malicious,
            behaviour: None,
            confidence: 90,
            reason: Reason::None,
            closed: None,
            note: None,
            stays_here,
            hold_hours: 0,
            contributor: [7; 16],
        }
    }

    /// Answers have changed, and nobody is given those of before: not who asks first, and not who asks again.
    async fn changed(&mut self, what: &str) {
        let texts = TEXTS.map(str::to_owned);
        let end = u32::try_from(texts.len()).unwrap();
        let fresh = Lookup::new(self.node.clone()).answers(&texts, 0).await.unwrap();
        assert_ne!(fresh, self.before, "{what}");
        if self.before.is_empty() {
            assert_eq!(self.lookup.answers(&texts, 0).await.unwrap(), fresh, "{what}");
        }
        for time in ["made anew", "kept", "kept again"] {
            let (part, next) = self.lookup.at_hand(&texts, 0).expect("it is at hand");
            assert_eq!(([part].as_slice(), next), (&*fresh, end), "{what}: {time}");
        }
        let moment = Now::at_once(&self.node).unwrap().moment();
        let at = self.lookup.questions.at(&moment);
        assert!(texts.iter().all(|text| at.get(text).unwrap().1.is_some()), "{what}: all are kept");
        drop(at);
        self.before = fresh;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_is_not_given_after_any_change() {
    let mut scene = Scene::new();
    let node = scene.node.clone();
    scene.changed("first asked").await;
    node.put(scene.opinion(false)).await.unwrap();
    scene.changed("a label of all").await;
    node.put(scene.opinion(true)).await.unwrap();
    scene.changed("a label that stays here").await;
    let contacted = Contacted {
        destination: "evil.example".to_owned(),
        hosts: 1,
        bytes_out: 2,
        bytes_in: 3,
        categories: vec![(Category::ALL[0], 4)],
        first: Micros(5),
        last: Micros(6),
    };
    node.here().saw([1; 32], &[contacted], []).unwrap();
    scene.changed("an upload").await;
    scene.clock.0.fetch_add(86_400, Ordering::Relaxed);
    scene.changed("the next day").await;
    node.retract(&"evil.example".parse().unwrap()).await.unwrap();
    scene.changed("taken back").await;
    let amend = |policy| {
        let changes = vec![Change::Policy(policy)];
        node.store.amend(changes, node.org, &node.keys.signing, node.hour()).unwrap();
    };
    let policy = node.store.roster().policy.clone();
    amend(Policy { evaluations_per_day: policy.evaluations_per_day + 1, ..policy.clone() });
    scene.changed("a roster").await;
    // What the questions ask for is another thing then.
    amend(Policy { documentation_names: false, ..policy });
    let texts = TEXTS.map(str::to_owned);
    assert!(scene.lookup.at_hand(&texts, 0).is_none());
    let answers = scene.lookup.answers(&texts, 0).await.unwrap().remove(0).decoded().unwrap();
    assert!(answers.iter().all(|answer| answer.state() == v1::AnswerState::Private));
    scene.changed("a roster without names for examples").await;
}

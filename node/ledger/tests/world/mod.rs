//! A small federation to test with: orgs with keys, a roster of them all, and labels about names.
//! `Y` is made from the name instead of by evaluators: the ledger never sees how it came to be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a module of every test, each of which uses its part"
)]

pub use flowlore_common::block::Feed;
use flowlore_common::block::{Draft, PayloadKind, SignedBlock};
use flowlore_common::destination::{Host, Input};
use flowlore_common::env::SeededRng;
use flowlore_common::ids::{BlockId, OrgId, ShareGroup};
use flowlore_common::label::{
    Behaviour, Category, Direction, EntryKind, Outcome, Purpose, Source, Verdict,
};
use flowlore_common::roster::change::Admission;
use flowlore_common::roster::key_epoch::KeyOrigin;
use flowlore_common::roster::{Change, Document, KeyEpoch, Policy, Registration, Roles};
use flowlore_common::sign::SecretKey;
use flowlore_common::time::{Day, Hour};
use flowlore_ledger::answer::{Asked, Question};
use flowlore_ledger::ledger::{Ledger, Want};
use flowlore_ledger::roster::Chain;
use flowlore_ledger::seal::{Author, OwnLabel};
use flowlore_veil::body::{Body, Entry};
use flowlore_veil::keys::WholeKey;
use flowlore_veil::note::NoteText;
use flowlore_veil::oprf::Y;
use flowlore_veil::token::Secret;

/// 2026-11-24 08:00 UTC.
pub const NOW: Hour = Hour(498_752);
pub const KEY_EPOCH: u32 = 7;

pub fn today() -> Day {
    NOW.day()
}

pub struct Org {
    pub key: SecretKey,
    pub id: OrgId,
    pub share_group: ShareGroup,
    pub admission: Admission,
}

impl Org {
    pub fn author(&self) -> Author<'_> {
        Author { org: self.id, incarnation: 0, key: &self.key }
    }

    pub const fn feed(&self) -> Feed {
        Feed { org: self.id, incarnation: 0 }
    }
}

pub struct World {
    pub orgs: Vec<Org>,
    pub first: Document,
    pub rng: SeededRng,
}

/// An org of this number: number 0 governs and evaluates.
pub fn org(number: u8, group: u8) -> Org {
    let key = SecretKey::from_seed(&[number + 1; 32]);
    let share_group = ShareGroup([group; 32]);
    let registration =
        Registration { random: [number; 32], share_group, first_key: key.public().bytes() };
    let admission = Admission {
        registration,
        name: format!("Org {number}"),
        transport_key: SecretKey::from_seed(&[number + 101; 32]).public().bytes(),
        endpoints: vec![],
        roles: Roles {
            governor: number == 0,
            witness: false,
            evaluator: (number == 0).then_some(1),
        },
        control_group: [group; 32],
        endorsers: vec![],
    };
    Org { key, id: registration.org(), share_group, admission }
}

pub fn key_epoch(number: u32) -> KeyEpoch {
    let key = WholeKey::from_bytes(&[5; 32].map(|byte: u8| byte % 16)).unwrap();
    let (package, _) = key.deal(1, 1, 0, &mut SeededRng::new("key epoch", 1)).unwrap();
    KeyEpoch {
        number,
        generation: 0,
        origin: KeyOrigin::Single,
        package: package.to_bytes(),
        thresholds: KeyEpoch::default_thresholds(),
        suffix_list: [1; 32],
        idna_tables: [2; 32],
        never_lists: [3; 32],
        signatures: std::collections::BTreeMap::new(),
    }
}

impl World {
    /// `groups[i]` is the control group of org i.
    pub fn new(groups: &[u8]) -> Self {
        Self::with_policy(groups, |_| ())
    }

    /// The first `governors` orgs govern.
    pub fn governed(groups: &[u8], governors: usize) -> Self {
        Self::founded(groups, governors, |_| ())
    }

    pub fn with_policy(groups: &[u8], change: impl FnOnce(&mut Policy)) -> Self {
        Self::founded(groups, 1, change)
    }

    fn founded(groups: &[u8], governors: usize, change: impl FnOnce(&mut Policy)) -> Self {
        let mut orgs: Vec<_> =
            (0_u8..).zip(groups).map(|(number, group)| org(number, *group)).collect();
        for (number, org) in orgs.iter_mut().enumerate() {
            org.admission.roles.governor = number < governors;
        }
        let mut policy = Policy { name: "Test".to_owned(), ..Policy::default() };
        change(&mut policy);
        let mut changes = vec![Change::Policy(policy)];
        changes.extend(orgs.iter().map(|org| Change::Admit(Box::new(org.admission.clone()))));
        changes.push(Change::KeyEpoch(key_epoch(KEY_EPOCH)));
        let statement = Chain::draft_first(changes, NOW).unwrap();
        let mut first = Document::new(statement, orgs[0].id, &orgs[0].key);
        for org in orgs.iter().take(governors) {
            first.sign(org.id, &org.key);
        }
        Self { orgs, first, rng: SeededRng::new("world", 1) }
    }

    pub fn ledger(&self) -> Ledger {
        Ledger::in_memory(&self.first).unwrap()
    }

    /// The next roster document after what `ledger` holds, signed by org 0.
    pub fn document(&self, ledger: &Ledger, changes: Vec<Change>, issued: Hour) -> Document {
        let statement = ledger.chain().draft(changes, issued).unwrap();
        Document::new(statement, self.orgs[0].id, &self.orgs[0].key)
    }

    /// Likewise, signed by these orgs.
    pub fn signed(&self, ledger: &Ledger, changes: Vec<Change>, signers: &[usize]) -> Document {
        let statement = ledger.chain().draft(changes, NOW).unwrap();
        let mut document = Document { statement, signatures: Default::default() };
        for org in signers.iter().map(|signer| &self.orgs[*signer]) {
            document.sign(org.id, &org.key);
        }
        document
    }

    pub fn label(&mut self, org: usize, name: &str, purpose: Purpose, body: &Body) -> OwnLabel {
        let (secret, input) = (secret(name, purpose), input(name));
        let record = secret.token(&input);
        let org = &self.orgs[org];
        let token = record.token();
        let label = secret.label(&token, &org.id, &org.share_group, body, &mut self.rng).unwrap();
        OwnLabel { item: label.encode(), record: record.bytes().to_vec() }
    }

    /// A note with this title.
    pub fn note(&mut self, org: usize, name: &str, purpose: Purpose, title: &str) -> Vec<u8> {
        let secret = secret(name, purpose);
        let token = secret.token(&input(name)).token();
        let text = NoteText { title: title.to_owned(), tags: vec![0x0401], ..NoteText::default() };
        secret.note(&token, &self.orgs[org].id, &text, &mut self.rng).unwrap().encode()
    }

    pub fn retraction(&self, org: usize, name: &str, purpose: Purpose) -> OwnLabel {
        let secret = secret(name, purpose);
        let record = secret.token(&input(name));
        let org = &self.orgs[org];
        let label = secret.retraction(&record.token(), &org.id, &org.share_group).unwrap();
        OwnLabel { item: label.encode(), record: record.bytes().to_vec() }
    }

    /// A block as its org would seal it at this place, whatever the rules say.
    pub fn block(&self, org: usize, place: At, items: &[&[u8]]) -> SignedBlock {
        self.block_under(&self.first, org, place, items)
    }

    /// Likewise, naming this roster document.
    pub fn block_under(
        &self,
        roster: &Document,
        org: usize,
        place: At,
        items: &[&[u8]],
    ) -> SignedBlock {
        let org = &self.orgs[org];
        let draft = Draft {
            federation: flowlore_common::ids::FederationId(self.first.hash().0),
            feed: Feed { org: org.id, incarnation: place.incarnation },
            height: place.height,
            prev: place.prev,
            sealed: place.sealed,
            roster_version: roster.statement.version,
            roster_hash: roster.hash(),
            kind: place.kind,
            purpose: place.purpose,
        };
        draft.seal(items, &org.key).unwrap()
    }

    pub fn member(&self, org: usize) -> OrgId {
        self.orgs[org].id
    }
}

#[derive(Clone, Copy)]
pub struct At {
    pub incarnation: u32,
    pub height: u64,
    pub prev: BlockId,
    pub sealed: Hour,
    pub kind: PayloadKind,
    pub purpose: u8,
}

/// The first place of a feed, for an experimental kind.
pub fn first() -> At {
    At {
        incarnation: 0,
        height: 0,
        prev: BlockId::default(),
        sealed: NOW,
        kind: PayloadKind(32),
        purpose: 0,
    }
}

/// The place after a block.
pub fn after(block: &SignedBlock) -> At {
    At { height: block.header().height + 1, prev: block.id(), ..first() }
}

pub fn input(name: &str) -> Input {
    Input::host(&name.parse::<Host>().unwrap())
}

pub fn y(name: &str) -> Y {
    let mut bytes = [0; 64];
    blake3::Hasher::new_derive_key("test y")
        .update(name.as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    Y::from_bytes(bytes)
}

pub fn secret(name: &str, purpose: Purpose) -> Secret {
    Secret::derive(&y(name), KEY_EPOCH, purpose)
}

pub fn question(name: &str) -> Question {
    let asked = Asked { input: input(name), keys: vec![(KEY_EPOCH, y(name))] };
    Question { host: Some(asked), site: None }
}

pub fn entry(code: u16) -> Entry {
    Entry {
        kind: EntryKind::Sighting,
        direction: Direction::Outbound,
        transport: 6,
        port: 443,
        code,
        verdict: Verdict::Unknown,
        confidence: 0,
        first_day: Day(today().0 - 20),
        last_day: Day(today().0 - 1),
        flows_log2: 5,
        hosts_log2: 1,
        source: Source::Analyzer,
        outcome: Outcome::None,
        reason: 0,
        minutes_log2: 0,
        source_id: 0,
        detector: 1,
    }
}

pub fn sighting() -> Body {
    let code = u16::from(Category::SmallUpload.number());
    Body::new(None, None, vec![entry(code)])
}

pub fn assessment(verdict: Verdict, source: Source, confidence: u8) -> Body {
    let code = Behaviour::C2BeaconHttpTls.number();
    let kind = EntryKind::Assessment;
    Body::new(None, None, vec![Entry { kind, verdict, source, confidence, ..entry(code) }])
}

/// Everything of a feed from a height on.
pub fn blocks(ledger: &Ledger, feed: Feed, from: u64) -> Vec<Vec<u8>> {
    let want = Want { feed, from, until: u64::MAX };
    ledger.blocks_after(want, usize::MAX).unwrap()
}

/// Heap's algorithm: calls `see` with every order.
pub fn permutations<T>(items: &mut [T], length: usize, see: &mut impl FnMut(&[T])) {
    if length <= 1 {
        see(items);
        return;
    }
    for index in 0..length {
        permutations(items, length - 1, see);
        let other = if length.is_multiple_of(2) { index } else { 0 };
        items.swap(other, length - 1);
    }
}

//! Goal: every reason of `Void` is given for its cause alone, and a void item counts for nothing: every
//! label, aggregate and answer is what it was. Method: a federation in which people said things, one
//! more block with one void item, everything asked before and after.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use std::collections::BTreeMap;

use flowlore_common::block::{PayloadKind, SignedBlock};
use flowlore_common::label::{Purpose, Source, Verdict};
use flowlore_common::roster::Change;
use flowlore_ledger::fold::{Refresh, Void};
use flowlore_ledger::ledger::{Admission, Ledger};
use flowlore_ledger::seal::{OwnLabel, SealError};
use flowlore_veil::token::token_of;
use world::{At, NOW, World, after, assessment, first, question, secret, sighting, today};

const NAME: &str = "evil.example";
/// The org that says void things; it said one good thing before.
const LIAR: usize = 2;

struct Case {
    world: World,
    ledger: Ledger,
    said: SignedBlock,
}

impl Case {
    fn new() -> Self {
        let mut world = World::new(&[1, 2, 3]);
        let mut ledger = world.ledger();
        let flagged = assessment(Verdict::Malicious, Source::Person, 70);
        for (org, purpose, body) in [
            (0, Purpose::Contacted, sighting()),
            (0, Purpose::Flagged, flagged.clone()),
            (1, Purpose::Flagged, flagged),
            (1, Purpose::Knocked, sighting()),
        ] {
            let label = world.label(org, NAME, purpose, &body);
            let author = world.orgs[org].author();
            ledger.seal(author, purpose, vec![label], NOW, &mut world.rng).unwrap();
        }
        let label = world.label(LIAR, "other.example", Purpose::Contacted, &sighting());
        let at = At { kind: PayloadKind::LABELS, ..first() };
        let said = world.block(LIAR, at, &[&label.item]);
        let bytes = said.bytes().to_vec();
        ledger.admit(bytes, vec![label.record], NOW, &mut world.rng).unwrap();
        Self { world, ledger, said }
    }

    /// Everything that is asked of a ledger, but which objects it holds.
    fn everything(&self) -> String {
        let mut all = hex::encode(self.ledger.state_digest(today()).unwrap());
        for name in [NAME, "other.example", "a.example"] {
            let answer = self.ledger.answer(&question(name), today()).unwrap();
            all += &format!("{:?} {:?}", answer.host, answer.site);
            for &purpose in Purpose::ALL {
                let token = secret(name, purpose).token(&world::input(name)).token();
                all += &format!("{:?}", self.ledger.aggregate(&token, purpose, today()).unwrap());
            }
        }
        all
    }

    fn purposed(&self, purpose: Purpose) -> At {
        At { kind: PayloadKind::LABELS, purpose: purpose.number(), ..after(&self.said) }
    }

    /// A block of the liar enters, its items are void for these reasons, and nothing changes.
    fn is_void(
        &mut self,
        at: At,
        items: &[&[u8]],
        records: Vec<Vec<u8>>,
        expected: &[(Void, u16)],
    ) {
        let (before, objects) = (self.everything(), self.ledger.objects_digest());
        let block = self.world.block(LIAR, at, items);
        let bytes = block.bytes().to_vec();
        let admitted = self.ledger.admit(bytes, records, NOW, &mut self.world.rng).unwrap();
        let Admission::Accepted(accepted) = admitted else { panic!("not accepted") };
        assert_eq!(accepted[0].voids, expected.iter().copied().collect::<BTreeMap<_, _>>());
        assert_ne!(self.ledger.objects_digest(), objects, "the block is here");
        assert_eq!(self.everything(), before, "{expected:?}");
    }

    /// One label item under its record.
    fn is_void_label(&mut self, purpose: Purpose, label: &OwnLabel, reason: Void) {
        let is_here = self.ledger.record(&token_of(&label.record)).unwrap().is_some();
        let records = if is_here { vec![] } else { vec![label.record.clone()] };
        self.is_void(self.purposed(purpose), &[&label.item], records, &[(reason, 1)]);
    }
}

/// The label's bytes under another record: its token changed, all else kept.
fn moved(label: &OwnLabel, record: Vec<u8>) -> OwnLabel {
    let mut item = token_of(&record).0.to_vec();
    item.extend_from_slice(&label.item[32..]);
    OwnLabel { item, record }
}

#[test]
fn an_item_of_another_shape() {
    let mut case = Case::new();
    let label = case.world.label(LIAR, "a.example", Purpose::Flagged, &sighting());
    let cut = &label.item[..label.item.len() - 1];
    let at = case.purposed(Purpose::Flagged);
    case.is_void(at, &[cut], vec![label.record.clone()], &[(Void::Malformed, 1)]);
    let mut case = Case::new();
    case.is_void(at_of(&case), &[b"short"], vec![], &[(Void::Malformed, 1)]);
    // A label with a proof of the other form.
    let mut case = Case::new();
    let at = case.purposed(Purpose::Contacted);
    case.is_void(at, &[&label.item], vec![label.record], &[(Void::Malformed, 1)]);
}

fn at_of(case: &Case) -> At {
    case.purposed(Purpose::Flagged)
}

#[test]
fn an_unknown_purpose() {
    let mut case = Case::new();
    let label = case.world.label(LIAR, "a.example", Purpose::Flagged, &sighting());
    let at = At { purpose: 99, ..case.purposed(Purpose::Flagged) };
    case.is_void(at, &[&label.item], vec![label.record], &[(Void::Purpose, 1)]);
}

#[test]
fn a_token_twice_counts_once_and_what_descends_is_void() {
    let mut case = Case::new();
    let label = case.world.label(LIAR, "other.example", Purpose::Contacted, &sighting());
    let at = case.purposed(Purpose::Contacted);
    let block = case.world.block(LIAR, at, &[&label.item, &label.item]).bytes().to_vec();
    let admitted = case.ledger.admit(block, vec![], NOW, &mut case.world.rng).unwrap();
    let Admission::Accepted(accepted) = admitted else { panic!("not accepted") };
    assert_eq!(accepted[0].voids, [(Void::Order, 1)].into());
    let mut case = Case::new();
    let mut labels = ["a.example", "b.example"]
        .map(|name| case.world.label(0, name, Purpose::Contacted, &sighting()));
    labels.sort_by(|a, b| b.item.cmp(&a.item));
    // Both are copied from org 0; the second also stands below the first.
    let items = [labels[0].item.as_slice(), labels[1].item.as_slice()];
    let records = labels.iter().map(|label| label.record.clone()).collect();
    case.is_void(at, &items, records, &[(Void::Order, 1), (Void::Proof, 1)]);
}

#[test]
fn records_that_say_nothing() {
    let void = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut case = Case::new();
        let label = case.world.label(LIAR, "a.example", Purpose::Flagged, &sighting());
        let mut record = label.record.clone();
        change(&mut record);
        case.is_void_label(Purpose::Flagged, &moved(&label, record), Void::Record);
    };
    void(&|record| record.truncate(3));
    void(&|record| record.clear());
    void(&|record| record.push(0));
    // hdr is key_epoch u32, purpose, k: another k than the purpose's, and a purpose that is none.
    void(&|record| record[5] = 1);
    void(&|record| record[5] = 0);
    void(&|record| record[4] = 99);
    // A commitment that is the identity, and one that is no canonical point.
    void(&|record| record[6..38].fill(0));
    void(&|record| record[6..38].fill(0xff));
}

#[test]
fn a_record_with_k_1_though_all_else_is_right() {
    let mut case = Case::new();
    let label = case.world.label(LIAR, "a.example", Purpose::Flagged, &sighting());
    // key_epoch, purpose, k = 1, A_0 alone, the sealed name as it was.
    let mut record = label.record[..38].to_vec();
    record[5] = 1;
    record.extend_from_slice(&label.record[6 + 3 * 32..]);
    case.is_void_label(Purpose::Flagged, &moved(&label, record), Void::Record);
}

#[test]
fn a_record_of_another_purpose() {
    let mut case = Case::new();
    let label = case.world.label(LIAR, "a.example", Purpose::Suspected, &sighting());
    case.is_void_label(Purpose::Contacted, &label, Void::RecordPurpose);
}

#[test]
fn a_key_epoch_that_does_not_live() {
    let mut case = Case::new();
    let label = case.world.label(LIAR, "a.example", Purpose::Flagged, &sighting());
    let mut record = label.record.clone();
    record[3] += 1;
    case.is_void_label(Purpose::Flagged, &moved(&label, record), Void::KeyEpoch);
    // One that was retired: our own seal refuses to make such an item.
    let mut case = Case::new();
    let retire = Change::RetireKeyEpoch(world::KEY_EPOCH);
    let document = case.world.document(&case.ledger, vec![retire], NOW);
    case.ledger.apply_roster(&document, NOW, &mut case.world.rng).unwrap();
    let (author, rng) = (case.world.orgs[LIAR].author(), &mut case.world.rng);
    let sealed = case.ledger.seal(author, Purpose::Flagged, vec![label], NOW, rng);
    assert_eq!(sealed, Err(SealError::Void(1)));
}

#[test]
fn a_copied_share_and_a_copied_proof_of_knowledge() {
    for purpose in Purpose::ALL.iter().copied() {
        let mut case = Case::new();
        let stolen = case.world.label(0, "a.example", purpose, &sighting());
        case.is_void_label(purpose, &stolen, Void::Proof);
        // Of a label that counts for its owner.
        let mut case = Case::new();
        let stolen = case.world.label(0, NAME, purpose, &sighting());
        case.is_void_label(purpose, &stolen, Void::Proof);
    }
}

#[test]
fn any_other_proof() {
    for purpose in [Purpose::Flagged, Purpose::Vouched] {
        for byte in [33, 63] {
            let mut case = Case::new();
            let mut label = case.world.label(LIAR, "a.example", purpose, &sighting());
            label.item[byte] ^= 1;
            case.is_void_label(purpose, &label, Void::Proof);
        }
        // The proof of one name under the token of another.
        let mut case = Case::new();
        let label = case.world.label(LIAR, "a.example", purpose, &sighting());
        let other = case.world.label(LIAR, "b.example", purpose, &sighting());
        case.is_void_label(purpose, &moved(&label, other.record), Void::Proof);
    }
}

#[test]
fn one_void_item_among_good_ones_costs_itself_only() {
    let mut case = Case::new();
    let good = case.world.label(LIAR, "a.example", Purpose::Flagged, &sighting());
    let stolen = case.world.label(0, "b.example", Purpose::Flagged, &sighting());
    let mut labels = [&good, &stolen];
    labels.sort_by(|a, b| a.item.cmp(&b.item));
    let items = labels.map(|label| label.item.as_slice());
    let at = case.purposed(Purpose::Flagged);
    let block = case.world.block(LIAR, at, &items).bytes().to_vec();
    let records = vec![good.record.clone(), stolen.record.clone()];
    let admitted = case.ledger.admit(block, records, NOW, &mut case.world.rng).unwrap();
    let Admission::Accepted(accepted) = admitted else { panic!("not accepted") };
    assert_eq!(accepted[0].voids, [(Void::Proof, 1)].into());
    let orgs = |label: &OwnLabel| {
        let token = token_of(&label.record);
        case.ledger.aggregate(&token, Purpose::Flagged, today()).unwrap().orgs
    };
    assert_eq!((orgs(&good), orgs(&stolen)), (1, 0));
}

#[test]
fn refreshes_of_anything_but_a_valid_label_before_them() {
    let refresh = |incarnation, height, index| Refresh { incarnation, height, index }.encode();
    let at = |case: &Case| At { kind: PayloadKind::REFRESH, ..after(&case.said) };
    for item in [refresh(0, 0, 1), refresh(0, 0, 200), refresh(0, 1, 0), refresh(1, 0, 0)] {
        let mut case = Case::new();
        case.is_void(at(&case), &[&item], vec![], &[(Void::Refresh, 1)]);
    }
    let mut case = Case::new();
    case.is_void(at(&case), &[&[0; 13]], vec![], &[(Void::Malformed, 1)]);
    // A void label can't be refreshed.
    let mut case = Case::new();
    let stolen = case.world.label(0, "a.example", Purpose::Contacted, &sighting());
    let labels = case.purposed(Purpose::Contacted);
    let block = case.world.block(LIAR, labels, &[&stolen.item]);
    let bytes = block.bytes().to_vec();
    case.ledger.admit(bytes, vec![stolen.record], NOW, &mut case.world.rng).unwrap();
    case.said = block;
    case.is_void(at(&case), &[&refresh(0, 1, 0)], vec![], &[(Void::Refresh, 1)]);
    // Said twice, the second is out of order; the first counts, here without changing anything new.
    let mut case = Case::new();
    let twice = refresh(0, 0, 0);
    let block = case.world.block(LIAR, at(&case), &[&twice, &twice]).bytes().to_vec();
    let admitted = case.ledger.admit(block, vec![], NOW, &mut case.world.rng).unwrap();
    let Admission::Accepted(accepted) = admitted else { panic!("not accepted") };
    assert_eq!(accepted[0].voids, [(Void::Order, 1)].into());
}

#[test]
fn no_two_reasons_share_a_metric() {
    let metrics: std::collections::BTreeSet<_> =
        Void::ALL.iter().map(|void| void.metric()).collect();
    assert_eq!(metrics.len(), Void::ALL.len());
}

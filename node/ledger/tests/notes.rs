//! Goal: a note is read beside its org's live label of the same token, and nowhere else; the last one lives.
//! Method: ledgers with labels and notes of three orgs, the answer's titles, tags and notes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use flowlore_common::answer::Level;
use flowlore_common::block::PayloadKind;
use flowlore_common::label::{Purpose, Source, Verdict};
use flowlore_ledger::fold::Void;
use flowlore_ledger::ledger::Ledger;
use flowlore_ledger::store::row::ForkProof;
use flowlore_veil::note::{Note, NoteText};
use world::{At, NOW, World, after, assessment, first, input, question, secret, today};

const NAME: &str = "evil.example";

/// Three orgs; those at `labelled` have flagged the name.
fn world(labelled: &[usize]) -> (World, Ledger) {
    let mut world = World::new(&[1, 2, 3]);
    let mut ledger = world.ledger();
    let body = assessment(Verdict::Malicious, Source::Person, 80);
    for org in labelled {
        let label = world.label(*org, NAME, Purpose::Flagged, &body);
        let author = world.orgs[*org].author();
        ledger.seal(author, Purpose::Flagged, vec![label], NOW, &mut world.rng.clone()).unwrap();
    }
    (world, ledger)
}

fn say(world: &World, ledger: &mut Ledger, org: usize, items: &[&[u8]]) {
    let author = world.orgs[org].author();
    let rng = &mut world.rng.clone();
    ledger.seal_items(author, PayloadKind::NOTES, items, NOW, rng).unwrap();
}

fn level(ledger: &Ledger) -> Level {
    ledger.answer(&question(NAME), today()).unwrap().host.unwrap()
}

#[test]
fn the_last_note_lives_until_it_is_withdrawn() {
    let (mut world, mut ledger) = world(&[0, 1]);
    for title in ["first thought", "second thought"] {
        let note = world.note(0, NAME, Purpose::Flagged, title);
        say(&world, &mut ledger, 0, &[&note]);
    }
    let said = level(&ledger);
    assert_eq!(
        (said.titles, said.tags),
        (vec!["second thought".into()], vec!["threat:phishing".into()])
    );
    // What most groups say comes first, each once.
    for (org, title) in [(1, "agreed"), (0, "agreed"), (1, "agreed")] {
        let note = world.note(org, NAME, Purpose::Flagged, title);
        say(&world, &mut ledger, org, &[&note]);
    }
    assert_eq!(level(&ledger).titles, ["agreed"]);
    let token = secret(NAME, Purpose::Flagged).token(&input(NAME)).token();
    for org in [0, 1] {
        say(&world, &mut ledger, org, &[&Note::withdrawal(token).encode()]);
    }
    assert_eq!(level(&ledger).titles, Vec::<String>::new());
}

#[test]
fn texts_cannot_drive_a_terminal() {
    let (world, mut ledger) = world(&[0, 1]);
    let secret = secret(NAME, Purpose::Flagged);
    let token = secret.token(&input(NAME)).token();
    let (title, text) = ("a\u{1b}[31mtitle".to_owned(), "one\ntwo\u{7}".to_owned());
    let text = NoteText { title, text, ..NoteText::default() };
    let note = secret.note(&token, &world.member(0), &text, &mut world.rng.clone()).unwrap();
    say(&world, &mut ledger, 0, &[&note.encode()]);
    let said = level(&ledger);
    assert_eq!((&*said.titles[0], &*said.notes[0]), ("a [31mtitle", "one\ntwo "));
}

#[test]
fn a_note_without_a_label_or_of_another_org_says_nothing() {
    // B labelled nothing; C copies what A wrote.
    let (mut world, mut ledger) = world(&[0, 2]);
    let (of_a, of_b) = (
        world.note(0, NAME, Purpose::Flagged, "of A"),
        world.note(1, NAME, Purpose::Flagged, "of B"),
    );
    say(&world, &mut ledger, 1, &[&of_b]);
    say(&world, &mut ledger, 2, &[&of_a]);
    assert_eq!(level(&ledger).titles, Vec::<String>::new());
    say(&world, &mut ledger, 0, &[&of_a]);
    assert_eq!(level(&ledger).titles, ["of A"]);
}

#[test]
fn what_is_no_note_or_out_of_order_is_void() {
    let (mut world, mut ledger) = world(&[0]);
    let note = world.note(1, NAME, Purpose::Flagged, "once");
    let at = At { kind: PayloadKind::NOTES, ..first() };
    let block = world.block(1, at, &[b"no note", &note, &note]);
    let rng = &mut world.rng.clone();
    let admitted = ledger.admit(block.bytes().to_vec(), vec![], NOW, rng).unwrap();
    let flowlore_ledger::ledger::Admission::Accepted(accepted) = admitted else { panic!("new") };
    assert_eq!(accepted[0].voids, [(Void::Malformed, 1), (Void::Order, 1)].into());
}

#[test]
fn a_cut_gives_the_earlier_note_back() {
    let (mut world, mut ledger) = world(&[]);
    let body = assessment(Verdict::Malicious, Source::Person, 80);
    let label = world.label(1, NAME, Purpose::Flagged, &body);
    let labels = At { kind: PayloadKind::LABELS, purpose: 1, ..first() };
    let blocks = {
        let one = world.block(1, labels, &[&label.item]);
        let notes = |before| At { kind: PayloadKind::NOTES, ..after(before) };
        let first = world.note(1, NAME, Purpose::Flagged, "first");
        let two = world.block(1, notes(&one), &[&first]);
        let second = world.note(1, NAME, Purpose::Flagged, "second");
        let three = world.block(1, notes(&two), &[&second]);
        [one, two, three]
    };
    let rng = &mut world.rng.clone();
    for block in &blocks {
        let records = if block.header().height == 0 { vec![label.record.clone()] } else { vec![] };
        ledger.admit(block.bytes().to_vec(), records, NOW, rng).unwrap();
    }
    assert_eq!(level(&ledger).titles, ["second"]);
    let other = world.block(1, after(&blocks[1]), &[b"another third block"]);
    let proof = ForkProof::new(*blocks[2].signed_header(), *other.signed_header());
    assert!(ledger.admit_fork(&proof).unwrap());
    assert_eq!(level(&ledger).titles, ["first"]);
}

//! What a person says of a destination, as a statement that may leave, or that stays here.

use flowlore_common::destination::{Destination, Host, Input, OwnPolicy, WhyNot, inputs};
use flowlore_common::label::{
    Behaviour, Direction, EntryKind, Outcome, Purpose, Reason, Source, Verdict,
};
use flowlore_common::time::Hour;
use flowlore_veil::body::{Body, Contributor, Entry};
use flowlore_veil::note::NoteText;

use super::may_leave;
use crate::outbox::{Progress, Statement};

/// What a person thinks of a destination.
#[derive(Clone, Debug)]
pub struct Opinion {
    /// Which.
    pub host: Host,
    /// Its port; 0: the host as such.
    pub port: u16,
    /// IP protocol number; 0 without a port.
    pub transport: u8,
    /// Benign, suspicious or malicious.
    pub verdict: Verdict,
    /// What it is said to do.
    pub behaviour: Option<Behaviour>,
    /// 1 to 100.
    pub confidence: u8,
    /// Why, where others are contradicted or an incident was closed.
    pub reason: Reason,
    /// How an incident about it was closed.
    pub closed: Option<Closing>,
    /// Title, text and tags.
    pub note: Option<NoteText>,
    /// It never leaves.
    pub stays_here: bool,
    /// How long it stays here before it may leave, hours.
    pub hold_hours: u16,
    /// Who.
    pub contributor: Contributor,
}

/// How an incident about a destination was closed.
#[derive(Clone, Copy, Debug)]
pub struct Closing {
    /// How.
    pub outcome: Outcome,
    /// Minutes that people spent on it; 0: not known.
    pub minutes: u32,
}

/// Under which purpose a person's opinion stands.
#[must_use]
pub fn purpose_of(verdict: Verdict) -> Purpose {
    if verdict == Verdict::Benign { Purpose::Vouched } else { Purpose::Flagged }
}

/// Why what a person says is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSaid {
    /// The destination never leaves this node.
    #[error("never published: {0}; --local keeps a label here")]
    Never(WhyNot),
    /// Its title or note names something inside.
    #[error(
        "the title or note names {0}, which never leaves this node: take it out, or keep the label here with --local"
    )]
    Inside(String),
}

/// What a person says, as a statement that may leave, or that stays here.
///
/// # Errors
/// See [`NotSaid`].
pub fn opinion(
    opinion: &Opinion,
    policy: &OwnPolicy<'_>,
    now_s: i64,
    now: Hour,
) -> Result<Statement, NotSaid> {
    let (input, progress) = if opinion.stays_here {
        (Input::host(&opinion.host), Progress::Local)
    } else {
        let inputs = may_leave(&opinion.host, policy).map_err(NotSaid::Never)?;
        if let Some(note) = &opinion.note {
            names_nothing_inside(note, policy)?;
        }
        // A site that mints host names has an input for the site only, and a person may label a site.
        let input = inputs.host.or(inputs.site).ok_or(NotSaid::Never(WhyNot::NotGlobal))?;
        (input, Progress::Due(Hour(now.0.saturating_add(opinion.hold_hours.into()))))
    };
    let today = now.day();
    let assessment = Entry {
        kind: EntryKind::Assessment,
        direction: Direction::Outbound,
        transport: opinion.transport,
        port: opinion.port,
        code: opinion.behaviour.map_or(0, Behaviour::number),
        verdict: opinion.verdict,
        confidence: opinion.confidence.min(100),
        first_day: today,
        last_day: today,
        flows_log2: 0,
        hosts_log2: 0,
        source: Source::Person,
        outcome: Outcome::None,
        reason: opinion.reason.number(),
        minutes_log2: 0,
        source_id: 0,
        detector: 0,
    };
    let closing = opinion.closed.map(|closed| Entry {
        kind: EntryKind::Disposition,
        verdict: Verdict::Unknown,
        confidence: 0,
        outcome: closed.outcome,
        minutes_log2: minutes_log2(closed.minutes),
        ..assessment.clone()
    });
    let entries = std::iter::once(assessment).chain(closing).collect();
    Ok(Statement {
        input,
        purpose: purpose_of(opinion.verdict),
        entries: Body::new(None, None, entries).entries,
        note: opinion.note.clone(),
        contributor: Some(opinion.contributor),
        put_s: now_s,
        progress,
    })
}

/// People write down what they see: what they write is looked through for names and addresses that stay here.
/// Other words, such as a person's name, nobody can tell from harmless ones.
fn names_nothing_inside(note: &NoteText, policy: &OwnPolicy<'_>) -> Result<(), NotSaid> {
    let is_apart = |letter: char| !letter.is_ascii_alphanumeric() && !".:-_".contains(letter);
    for word in note.title.split(is_apart).chain(note.text.split(is_apart)) {
        let word = word.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
        // `10.0.0.1:443` and `10.0.0.1` alike; other words are no destinations.
        let Ok(host) = word.parse::<Destination>().map(|named| named.host) else { continue };
        match inputs(&host, policy) {
            Ok(_) | Err(WhyNot::SingleLabel | WhyNot::Documentation) => {}
            Err(_) => return Err(NotSaid::Inside(format!("'{word}'"))),
        }
    }
    Ok(())
}

/// Minutes as a body holds them: 0 not known, else the place of the highest bit.
fn minutes_log2(minutes: u32) -> u8 {
    u8::try_from(u32::BITS - minutes.leading_zeros()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::policy;
    use super::*;

    /// A person's word about a name.
    fn said(verdict: Verdict) -> Opinion {
        Opinion {
            host: "evil.example".parse().unwrap(),
            port: 443,
            transport: 6,
            verdict,
            behaviour: Some(Behaviour::C2BeaconHttpTls),
            confidence: 90,
            reason: Reason::None,
            closed: None,
            note: None,
            stays_here: false,
            hold_hours: 0,
            contributor: [7; 16],
        }
    }

    #[test]
    fn opinions_stand_under_their_purpose() {
        let said = said(Verdict::Malicious);
        let flagged = opinion(&said, &policy(&[], true), 1, Hour(24)).unwrap();
        assert_eq!(
            (flagged.purpose, flagged.entries[0].source),
            (Purpose::Flagged, Source::Person)
        );
        let said = Opinion { verdict: Verdict::Benign, reason: Reason::KnownService, ..said };
        let held = Opinion { hold_hours: 72, ..said.clone() };
        let held = opinion(&held, &policy(&[], true), 1, Hour(24)).unwrap();
        assert_eq!((held.progress, held.entries[0].reason), (Progress::Due(Hour(96)), 1));
        assert_eq!(
            opinion(&said, &policy(&[], true), 1, Hour(24)).unwrap().purpose,
            Purpose::Vouched
        );
        assert_eq!(
            opinion(&said, &policy(&["evil.example"], true), 1, Hour(24)).unwrap_err(),
            NotSaid::Never(WhyNot::Own)
        );
        // What stays here may be about anything.
        let kept = Opinion { stays_here: true, ..said };
        let kept = opinion(&kept, &policy(&["evil.example"], true), 1, Hour(24)).unwrap();
        assert_eq!(kept.progress, Progress::Local);
    }

    #[test]
    fn a_closed_incident_is_an_entry_of_its_own() {
        let closed = Closing { outcome: Outcome::BenignExpected, minutes: 40 };
        let said =
            Opinion { closed: Some(closed), reason: Reason::KnownService, ..said(Verdict::Benign) };
        let said = opinion(&said, &policy(&[], true), 1, Hour(24)).unwrap();
        let kinds: Vec<_> =
            said.entries.iter().map(|entry| (entry.kind, entry.minutes_log2)).collect();
        assert!(kinds.contains(&(EntryKind::Disposition, 6)), "{kinds:?}");
        assert!(kinds.contains(&(EntryKind::Assessment, 0)), "{kinds:?}");
    }

    #[test]
    fn notes_that_name_what_is_inside_are_not_taken() {
        let policy = policy(&["acme.example", "198.18.7.0/24"], true);
        let note = |text: &str| NoteText { text: text.to_owned(), ..NoteText::default() };
        for inside in [
            "seen at 10.1.2.3.",
            "from (10.1.2.3:51000), twice",
            "host fe80::1 too",
            "mail.acme.example logged it",
            "https://intranet.acme.example/x",
            "ACME.login.example",
            "printer.corp did",
        ] {
            let refused = names_nothing_inside(&note(inside), &policy).unwrap_err();
            assert!(
                matches!(&refused, NotSaid::Inside(word) if inside.contains(&word[1..word.len() - 1])),
                "{inside}: {refused}"
            );
        }
        for outside in ["", "evil.example and 203.0.113.9", "e.g. v1.2, at 10:41, host-7: C2"] {
            names_nothing_inside(&note(outside), &policy).unwrap();
        }
        let title = NoteText { title: "10.1.2.3".to_owned(), ..NoteText::default() };
        names_nothing_inside(&title, &policy).unwrap_err();
    }
}

//! What is known of a destination, by day: the same facts as an answer's, in the order of time.

use std::fmt::Write as _;

use flowlore_common::answer::{Level, Shared};
use flowlore_common::label::Verdict;
use flowlore_common::time::Day;
use serde::Serialize;

use super::answer::destination;
use super::text::{clip, counted};
use crate::api::{Answer, LabelStatus, MyLabel, Query, State};

/// The schema's name.
pub const HISTORY_SCHEMA: &str = "flowlore.history.v1";

/// A destination's history.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// The schema's name.
    pub schema: &'static str,
    /// The question, as it was understood.
    pub query: Query,
    /// Whether the network could be asked, and what came of it.
    pub state: State,
    /// Oldest first.
    pub events: Vec<Event>,
}

/// Something that happened on a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Event {
    /// When.
    pub day: Day,
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// About the destination itself, or about its site.
    pub of: Of,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The name or address.
    Host,
    /// Its registrable domain, or its /64.
    Site,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// An org says that it first saw it.
    FirstSeenClaimed,
    /// Witnesses attest that somebody had seen it.
    FirstSeenWitnessed,
    /// Orgs published or refreshed a sighting in the week that begins.
    ActiveWeek {
        /// How many.
        orgs: u32,
    },
    /// The first day of a behaviour or category, as orgs say.
    BehaviourFirst(Doing),
    /// Its last day.
    BehaviourLast(Doing),
    /// Somebody of this org labelled it. Not what others see.
    OwnLabel {
        /// What was said; unknown once it is withdrawn.
        verdict: Verdict,
        /// How far it is on its way out.
        status: LabelStatus,
    },
    /// The last day on which anybody says to have seen it.
    LastSeen,
    /// The verdict stands until this day, if nothing is added.
    HoldsUntil {
        /// The verdict.
        verdict: Verdict,
    },
}

/// A behaviour where it was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Doing {
    /// Its name.
    pub code: String,
    /// The destination's port; 0: not known.
    pub port: u16,
    /// The IP protocol.
    pub transport: String,
    /// Orgs that say so.
    pub orgs: u32,
}

impl History {
    /// From an answer and what people of this org said of the same destination.
    #[must_use]
    pub fn new(answer: &Answer, mine: &[MyLabel]) -> Self {
        let mut events = vec![];
        if let Some(Shared { host, site, .. }) = &answer.shared {
            for (level, of) in [(host, Of::Host), (site, Of::Site)] {
                let told = level.iter().flat_map(of_level);
                events.extend(told.map(|(day, what)| Event { day, what, of }));
            }
        }
        let name = answer.query.host.as_ref().or(answer.query.address.as_ref());
        for label in mine.iter().filter(|label| Some(&label.destination) == name) {
            let (verdict, status) = (label.verdict, label.status);
            let what = What::OwnLabel { verdict, status };
            events.push(Event { day: label.put.day(), what, of: Of::Host });
        }
        events.sort();
        let (query, state) = (answer.query.clone(), answer.state);
        Self { schema: HISTORY_SCHEMA, query, state, events }
    }
}

fn of_level(level: &Level) -> Vec<(Day, What)> {
    let mut events = vec![];
    let mut add = |day: Option<Day>, what| events.extend(day.map(|day| (day, what)));
    add(level.first_seen.claimed, What::FirstSeenClaimed);
    add(level.first_seen.witnessed, What::FirstSeenWitnessed);
    for week in level.weeks.iter().filter(|week| week.orgs > 0) {
        add(Some(week.week), What::ActiveWeek { orgs: week.orgs });
    }
    for seen in &level.behaviours {
        let doing = Doing {
            code: seen.code.clone(),
            port: seen.port,
            transport: seen.transport.clone(),
            orgs: seen.orgs,
        };
        add(Some(seen.first), What::BehaviourFirst(doing.clone()));
        add(Some(seen.last), What::BehaviourLast(doing));
    }
    add(level.last_seen, What::LastSeen);
    add(level.holds_until, What::HoldsUntil { verdict: level.verdict });
    events
}

/// A line an event.
#[must_use]
pub fn text(history: &History) -> String {
    let mut out = format!("{}\n", destination(&history.query));
    let nothing = match history.state {
        State::Answered => None,
        State::Unseen => Some("NOT SEEN by any org. This does not mean benign."),
        State::NotAsked | State::Quota => Some("NOT ASKED: flowlore lookup says why"),
        State::Private => Some("PRIVATE: never asked, never published"),
        State::Invalid => Some("CANNOT BE READ: flowlore lookup says why"),
    };
    if let Some(nothing) = nothing {
        let _ = writeln!(out, "  {nothing}");
    }
    for event in &history.events {
        let site = if event.of == Of::Site { "  (its site)" } else { "" };
        let _ = writeln!(out, "  {}  {}{site}", event.day, words(&event.what));
    }
    out
}

fn words(what: &What) -> String {
    let doing = |one: &Doing| {
        let (code, transport) = (clip(&one.code), clip(&one.transport));
        let place =
            if one.port == 0 { String::new() } else { format!(", {}/{transport}", one.port) };
        format!("{code}{place}, {}", counted(one.orgs.into(), "org"))
    };
    match what {
        What::FirstSeenClaimed => "first seen, as an org claims".to_owned(),
        What::FirstSeenWitnessed => "first seen, as witnesses attest".to_owned(),
        What::ActiveWeek { orgs } => format!("week of {}", counted((*orgs).into(), "active org")),
        What::BehaviourFirst(one) => format!("first of {}", doing(one)),
        What::BehaviourLast(one) => format!("last of {}", doing(one)),
        What::OwnLabel { status: LabelStatus::Retracted, .. } => {
            "our own label, withdrawn".to_owned()
        }
        What::OwnLabel { verdict, status } => {
            let waits = if *status == LabelStatus::Waiting { ", waiting here" } else { "" };
            format!("our own label: {verdict}{waits}")
        }
        What::LastSeen => "last seen".to_owned(),
        What::HoldsUntil { verdict } => format!("{verdict} holds until here"),
    }
}

#[cfg(test)]
mod tests {
    use flowlore_common::time::Micros;
    use flowlore_common::wire;
    use flowlore_proto::v1;
    use serde_json::json;

    use super::*;

    fn answer(host: &serde_json::Value) -> Answer {
        let shared = json!({
            "day": "2026-11-24", "state_version": 1, "members": 3, "objects_digest": "9f".repeat(32),
            "host": host, "site": null,
        });
        let query = v1::Query { host: "evil.example".to_owned(), ..v1::Query::default() };
        let shared = serde_json::from_value::<Shared>(shared).unwrap();
        let answer = v1::Answer {
            state: v1::AnswerState::Answered.into(),
            query: wire::query_out(&query),
            shared: wire::shared_out(&shared, |level| wire::level_out(level).into()),
            ..v1::Answer::default()
        };
        Answer::try_from(answer).unwrap()
    }

    #[test]
    fn events_stand_in_the_order_of_time() {
        let answer = answer(&json!({
            "contacted": { "orgs": 2, "groups": 2, "members": 3 }, "noise": null,
            "first_seen": { "claimed": "2026-11-02", "witnessed": "2026-11-03" },
            "last_seen": "2026-11-23", "age_days": null, "trend": "new",
            "weeks": [{ "week": "2026-11-02", "orgs": 1 }, { "week": "2026-11-09", "orgs": 0 }],
            "verdict": "suspicious", "confidence": 60, "tally": {}, "disputed": false,
            "holds_until": "2026-12-13", "class": "rare",
            "behaviours": [{ "code": "c2_\u{1b}[2J", "direction": "outbound", "port": 443,
                "transport": "tcp", "orgs": 2, "first": "2026-11-02", "last": "2026-11-22" }],
            "closed_elsewhere": null, "titles": [], "tags": [], "notes": [],
        }));
        let own = |destination: &str| MyLabel {
            destination: destination.to_owned(),
            verdict: Verdict::Malicious,
            behaviour: None,
            port: 0,
            confidence: 75,
            status: LabelStatus::Sealed,
            title: String::new(),
            note: String::new(),
            tags: vec![],
            outcome: None,
            put: Micros(1_795_507_200_000_000),
        };
        let mine = [own("evil.example"), own("other.example")];
        let history = History::new(&answer, &mine);
        let text = text(&history);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "evil.example",
                "2026-11-02  first seen, as an org claims",
                "2026-11-02  week of 1 active org",
                r"2026-11-02  first of c2_\u{1b}[2J, 443/tcp, 2 orgs",
                "2026-11-03  first seen, as witnesses attest",
                r"2026-11-22  last of c2_\u{1b}[2J, 443/tcp, 2 orgs",
                "2026-11-23  last seen",
                "2026-11-24  our own label: malicious",
                "2026-12-13  suspicious holds until here",
            ]
        );
        let json = serde_json::to_value(&history).unwrap();
        assert_eq!(
            json["events"][1],
            json!({
                "day": "2026-11-02", "event": "active_week", "orgs": 1, "of": "host",
            })
        );
    }
}

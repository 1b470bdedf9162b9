//! Answers: what is agreed on is encoded once, where it is computed, and read once, where it is shown.

use flowlore_proto::v1;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::answer::{
    Class, Closed, Contacted, FirstSeen, Here, Level, Local, Noise, OwnLabel, Rule, SeenBehaviour,
    Shared, Trend, Voices, Week,
};
use crate::ids::ObjectsDigest;
use crate::label::{Direction, Verdict};
use crate::time::{Day, MICROS_PER_SECOND, Micros};

/// Not the form that this version knows: `what` is the part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of an answer cannot be read: it is damaged, or of a newer version")]
pub struct Unreadable {
    /// Which part.
    pub what: &'static str,
}

fn unreadable<T>(what: &'static str) -> impl Fn(T) -> Unreadable {
    move |_| Unreadable { what }
}

/// The wire's number of each word, both ways; 0 stands for none.
const TRENDS: [(v1::Trend, Trend); 6] = [
    (v1::Trend::New, Trend::New),
    (v1::Trend::Rising, Trend::Rising),
    (v1::Trend::Steady, Trend::Steady),
    (v1::Trend::Fading, Trend::Fading),
    (v1::Trend::Returned, Trend::Returned),
    (v1::Trend::Gone, Trend::Gone),
];
const CLASSES: [(v1::Class, Class); 4] = [
    (v1::Class::SharedInfrastructure, Class::SharedInfrastructure),
    (v1::Class::Popular, Class::Popular),
    (v1::Class::Ordinary, Class::Ordinary),
    (v1::Class::Rare, Class::Rare),
];

fn word_out<W: Copy + Into<i32>, D: PartialEq>(words: &[(W, D)], word: &D) -> i32 {
    words.iter().find(|(_, known)| known == word).map_or(0, |(number, _)| (*number).into())
}

fn word_in<W: Copy + Into<i32>, D: Copy>(words: &[(W, D)], number: i32) -> Option<D> {
    words.iter().find(|(known, _)| (*known).into() == number).map(|(_, word)| *word)
}

fn day_out(day: Option<Day>) -> Option<u32> {
    day.map(|day| day.0.into())
}

fn day_in(day: u32) -> Result<Day, Unreadable> {
    u16::try_from(day).map(Day).map_err(unreadable("a day"))
}

fn days_in(day: Option<u32>) -> Result<Option<Day>, Unreadable> {
    day.map(day_in).transpose()
}

fn verdict_in(number: i32) -> Result<Verdict, Unreadable> {
    let verdict = v1::Verdict::try_from(number).map_err(unreadable("a verdict"))?;
    Ok(super::verdict(verdict).unwrap_or(Verdict::Unknown))
}

/// The question, encoded.
#[must_use]
pub fn query_out(query: &v1::Query) -> Bytes {
    query.encode_to_vec().into()
}

/// The question of an answer.
///
/// # Errors
/// It is no question.
pub fn answer_query(answer: &v1::Answer) -> Result<v1::Query, Unreadable> {
    v1::Query::decode(answer.query.clone()).map_err(unreadable("the question"))
}

/// What all members agree on, encoded; `level` encodes a level. Equal answers have equal bytes.
pub fn shared_out<L>(shared: &Shared<L>, level: impl Fn(&L) -> Bytes) -> Bytes {
    let level = |part: &Option<L>| part.as_ref().map(&level).unwrap_or_default();
    let message = v1::Shared {
        day: shared.day.0.into(),
        state_version: shared.state_version.into(),
        objects_digest: Bytes::copy_from_slice(&shared.objects_digest.0),
        members: shared.members,
        host: level(&shared.host),
        site: level(&shared.site),
    };
    message.encode_to_vec().into()
}

/// What all members agree on.
///
/// # Errors
/// It is damaged, or has words that this version does not know.
pub fn shared_in(bytes: Bytes) -> Result<Shared, Unreadable> {
    let shared = v1::Shared::decode(bytes).map_err(unreadable("the shared part"))?;
    let version = u16::try_from(shared.state_version).map_err(unreadable("the rules' version"))?;
    let digest = ObjectsDigest::try_from(&*shared.objects_digest);
    // A level has a class, so that none is without bytes.
    let level = |bytes: Bytes| (!bytes.is_empty()).then(|| level_in(bytes)).transpose();
    Ok(Shared {
        day: day_in(shared.day)?,
        state_version: version,
        objects_digest: digest.map_err(unreadable("the objects digest"))?,
        members: shared.members,
        host: level(shared.host)?,
        site: level(shared.site)?,
    })
}

/// A level, encoded.
#[must_use]
pub fn level_out(level: &Level) -> Vec<u8> {
    let Contacted { orgs, groups, members } = level.contacted;
    let noise = level.noise.as_ref().map(|noise| v1::Noise {
        orgs: noise.orgs,
        ports: noise.ports.iter().map(|port| u32::from(*port)).collect(),
        first: day_out(noise.first),
        last: day_out(noise.last),
    });
    let week = |week: &Week| v1::Week { week: week.week.0.into(), orgs: week.orgs };
    let voices = |(verdict, voices): (&Verdict, &Voices)| v1::Voices {
        verdict: super::verdict_out(*verdict).into(),
        orgs: voices.orgs,
        groups: voices.groups,
        by_people: voices.by_people,
    };
    let closed = level.closed_elsewhere.map(|closed| v1::Closed {
        true_positive: closed.true_positive,
        benign_expected: closed.benign_expected,
        false_positive: closed.false_positive,
    });
    let message = v1::Level {
        contacted: Some(v1::Contacted { orgs, groups, members }),
        noise,
        first_claimed: day_out(level.first_seen.claimed),
        first_witnessed: day_out(level.first_seen.witnessed),
        last_seen: day_out(level.last_seen),
        age_days: level.age_days,
        trend: level.trend.map_or(0, |trend| word_out(&TRENDS, &trend)),
        weeks: level.weeks.iter().map(week).collect(),
        verdict: super::verdict_out(level.verdict).into(),
        confidence: level.confidence.into(),
        tally: level.tally.iter().map(voices).collect(),
        disputed: level.disputed,
        holds_until: day_out(level.holds_until),
        class: word_out(&CLASSES, &level.class),
        behaviours: level.behaviours.iter().map(behaviour_out).collect(),
        closed_elsewhere: closed,
        titles: level.titles.clone(),
        tags: level.tags.clone(),
        notes: level.notes.clone(),
    };
    message.encode_to_vec()
}

fn behaviour_out(seen: &SeenBehaviour) -> v1::SeenBehaviour {
    v1::SeenBehaviour {
        code: seen.code.clone(),
        direction: seen.direction.map_or(0, |direction| direction.number().into()),
        port: seen.port.into(),
        transport: seen.transport.clone(),
        orgs: seen.orgs,
        first: seen.first.0.into(),
        last: seen.last.0.into(),
    }
}

fn level_in(bytes: Bytes) -> Result<Level, Unreadable> {
    let level = v1::Level::decode(bytes).map_err(unreadable("a level"))?;
    let v1::Contacted { orgs, groups, members } = level.contacted.unwrap_or_default();
    let tally = level.tally.into_iter().map(|said| {
        let v1::Voices { verdict, orgs, groups, by_people } = said;
        Ok((verdict_in(verdict)?, Voices { orgs, groups, by_people }))
    });
    let week =
        |week: v1::Week| day_in(week.week).map(|monday| Week { week: monday, orgs: week.orgs });
    let closed = level.closed_elsewhere.map(|closed| Closed {
        true_positive: closed.true_positive,
        benign_expected: closed.benign_expected,
        false_positive: closed.false_positive,
    });
    let trend = match level.trend {
        0 => None,
        number => Some(word_in(&TRENDS, number).ok_or(()).map_err(unreadable("a trend"))?),
    };
    let class = word_in(&CLASSES, level.class);
    Ok(Level {
        contacted: Contacted { orgs, groups, members },
        noise: level.noise.map(noise_in).transpose()?,
        first_seen: FirstSeen {
            claimed: days_in(level.first_claimed)?,
            witnessed: days_in(level.first_witnessed)?,
        },
        last_seen: days_in(level.last_seen)?,
        age_days: level.age_days,
        trend,
        weeks: level.weeks.into_iter().map(week).collect::<Result<_, _>>()?,
        verdict: verdict_in(level.verdict)?,
        confidence: u8::try_from(level.confidence).map_err(unreadable("a confidence"))?,
        tally: tally.collect::<Result<_, Unreadable>>()?,
        disputed: level.disputed,
        holds_until: days_in(level.holds_until)?,
        class: class.ok_or(()).map_err(unreadable("a class"))?,
        behaviours: level.behaviours.into_iter().map(behaviour_in).collect::<Result<_, _>>()?,
        closed_elsewhere: closed,
        titles: level.titles,
        tags: level.tags,
        notes: level.notes,
    })
}

fn noise_in(noise: v1::Noise) -> Result<Noise, Unreadable> {
    let port = |port: u32| u16::try_from(port).map_err(unreadable("a port"));
    Ok(Noise {
        orgs: noise.orgs,
        ports: noise.ports.into_iter().map(port).collect::<Result<_, _>>()?,
        first: days_in(noise.first)?,
        last: days_in(noise.last)?,
    })
}

fn behaviour_in(seen: v1::SeenBehaviour) -> Result<SeenBehaviour, Unreadable> {
    let direction = match seen.direction {
        0 => None,
        number => {
            let number = u8::try_from(number).map_err(unreadable("a direction"))?;
            Some(Direction::from_number(number).ok_or(()).map_err(unreadable("a direction"))?)
        }
    };
    Ok(SeenBehaviour {
        code: seen.code,
        direction,
        port: u16::try_from(seen.port).map_err(unreadable("a port"))?,
        transport: seen.transport,
        orgs: seen.orgs,
        first: day_in(seen.first)?,
        last: day_in(seen.last)?,
    })
}

/// An org's own contacts on the wire.
#[must_use]
pub fn here_out(here: &Here) -> v1::Here {
    v1::Here {
        machines: here.machines,
        flows: here.flows,
        bytes_out: here.bytes_out,
        bytes_in: here.bytes_in,
        first_us: here.first.0,
        last_us: here.last.0,
        incidents: here.incidents,
    }
}

/// What an org itself knows.
///
/// # Errors
/// It has words that this version does not know.
pub fn local_in(local: v1::Local) -> Result<Local, Unreadable> {
    let here = local.here.map(|here| Here {
        machines: here.machines,
        users: None,
        flows: here.flows,
        bytes_out: here.bytes_out,
        bytes_in: here.bytes_in,
        first: Micros(here.first_us),
        last: Micros(here.last_us),
        incidents: here.incidents,
    });
    let policy =
        local.rule.map(|rule| Rule { effect: rule.effect, rule: rule.rule, source: rule.source });
    let labels = local.labels.into_iter().map(own_label_in).collect::<Result<_, _>>()?;
    Ok(Local { here, labels, policy })
}

fn own_label_in(label: v1::MyLabel) -> Result<OwnLabel, Unreadable> {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let verdict = v1::Verdict::try_from(label.verdict).map_err(unreadable("a verdict"))?;
    Ok(OwnLabel {
        stays_here: label.status() == v1::LabelStatus::Local,
        behaviour: given(label.behaviour),
        confidence: label.confidence,
        note: label.note,
        outcome: given(label.outcome),
        port: label.port,
        put: Micros(label.put_unix_s.saturating_mul(MICROS_PER_SECOND)),
        tags: label.tags,
        title: label.title,
        verdict: super::verdict(verdict),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// With every field set to something of its own.
    fn level() -> Level {
        let seen = SeenBehaviour {
            code: "c2_beacon_http_tls".to_owned(),
            direction: Some(Direction::External),
            port: 65_535,
            transport: "132".to_owned(),
            orgs: 21,
            first: Day(22),
            last: Day(u16::MAX),
        };
        Level {
            contacted: Contacted { orgs: 1, groups: 2, members: u32::MAX },
            noise: Some(Noise {
                orgs: 3,
                ports: vec![22, 65_535],
                first: None,
                last: Some(Day(0)),
            }),
            first_seen: FirstSeen { claimed: Some(Day(0)), witnessed: Some(Day(5)) },
            last_seen: Some(Day(6)),
            age_days: Some(0),
            trend: Some(Trend::Gone),
            weeks: vec![Week { week: Day(4), orgs: 0 }, Week { week: Day(11), orgs: 7 }],
            verdict: Verdict::Malicious,
            confidence: 100,
            tally: Verdict::ALL
                .iter()
                .map(|verdict| (*verdict, Voices { orgs: 8, groups: 9, by_people: 10 }))
                .collect(),
            disputed: true,
            holds_until: Some(Day(12)),
            class: Class::Rare,
            behaviours: vec![
                seen.clone(),
                SeenBehaviour { code: "code_00ff".to_owned(), direction: None, port: 0, ..seen },
            ],
            closed_elsewhere: Some(Closed::default()),
            titles: vec![String::new(), "\u{1f600}".to_owned()],
            tags: vec!["threat:trojan".to_owned()],
            notes: vec!["two\nlines".to_owned()],
        }
    }

    fn least() -> Level {
        Level {
            contacted: Contacted { members: 1, ..Contacted::default() },
            noise: None,
            first_seen: FirstSeen::default(),
            last_seen: None,
            age_days: None,
            trend: None,
            weeks: vec![],
            verdict: Verdict::Unknown,
            confidence: 0,
            tally: BTreeMap::new(),
            disputed: false,
            holds_until: None,
            class: Class::SharedInfrastructure,
            behaviours: vec![],
            closed_elsewhere: None,
            titles: vec![],
            tags: vec![],
            notes: vec![],
        }
    }

    fn shared(host: Option<Level>, site: Option<Level>) -> Shared {
        let objects_digest = ObjectsDigest([0x9f; 32]);
        Shared { day: Day(20_781), state_version: 1, objects_digest, members: 3, host, site }
    }

    fn encoded(shared: &Shared) -> Bytes {
        shared_out(shared, |level| level_out(level).into())
    }

    #[test]
    fn what_goes_out_comes_in() {
        let levels = || [None, Some(least()), Some(level())];
        for (host, site) in
            levels().into_iter().flat_map(|one| levels().map(|two| (one.clone(), two)))
        {
            let given = shared(host, site);
            let back = shared_in(encoded(&given)).unwrap();
            assert_eq!(back, given);
            let json = |shared: &Shared| serde_json::to_string(shared).unwrap();
            assert_eq!(json(&back), json(&given));
        }
        for trend in TRENDS.map(|(_, trend)| trend) {
            let level = Level { trend: Some(trend), ..least() };
            assert_eq!(level_in(level_out(&level).into()).unwrap().trend, Some(trend));
        }
        for class in CLASSES.map(|(_, class)| class) {
            let level = Level { class, ..least() };
            assert_eq!(level_in(level_out(&level).into()).unwrap().class, class);
        }
    }

    #[test]
    fn what_this_version_does_not_know_is_said() {
        let told = |change: fn(&mut v1::Level)| {
            let mut level = v1::Level::decode(&*level_out(&level())).unwrap();
            change(&mut level);
            let error = level_in(level.encode_to_vec().into()).unwrap_err();
            error.what
        };
        assert_eq!(told(|level| level.trend = 7), "a trend");
        assert_eq!(told(|level| level.class = 0), "a class");
        assert_eq!(told(|level| level.class = -1), "a class");
        assert_eq!(told(|level| level.verdict = 4), "a verdict");
        assert_eq!(told(|level| level.tally[0].verdict = 4), "a verdict");
        assert_eq!(told(|level| level.confidence = 256), "a confidence");
        assert_eq!(told(|level| level.last_seen = Some(65_536)), "a day");
        assert_eq!(told(|level| level.behaviours[0].direction = 4), "a direction");
        assert_eq!(told(|level| level.behaviours[0].port = 65_536), "a port");
        let mut cut = encoded(&shared(Some(level()), None)).to_vec();
        cut.pop();
        assert_eq!(shared_in(cut.into()).unwrap_err().what, "the shared part");
        assert_eq!(shared_in(Bytes::new()).unwrap_err().what, "the objects digest");
    }

    #[test]
    fn what_this_org_knows_comes_in() {
        let here = Here {
            machines: 1,
            users: None,
            flows: 2,
            bytes_out: u64::MAX,
            bytes_in: 3,
            first: Micros(-1),
            last: Micros(i64::MAX),
            incidents: 4,
        };
        let label = v1::MyLabel {
            verdict: v1::Verdict::Benign.into(),
            status: v1::LabelStatus::Local.into(),
            put_unix_s: i64::MAX,
            ..v1::MyLabel::default()
        };
        let rule = v1::Rule { rule: "own zone".to_owned(), ..v1::Rule::default() };
        let local =
            v1::Local { here: Some(here_out(&here)), labels: vec![label], rule: Some(rule) };
        let local = local_in(local).unwrap();
        assert_eq!(local.here, Some(here));
        let label = &local.labels[0];
        assert_eq!((label.verdict, label.stays_here), (Some(Verdict::Benign), true));
        assert_eq!((&label.behaviour, label.put), (&None, Micros(i64::MAX)));
        assert_eq!(local.policy.unwrap().rule, "own zone");
        assert_eq!(local_in(v1::Local::default()).unwrap(), Local::default());
    }
}

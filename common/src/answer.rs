//! What a look-up says: schema `flowlore.answer.v1`. The `shared` part is the same, byte for byte,
//! at every member that holds the same objects; `local` stays on the node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::ObjectsDigest;
use crate::label::{Direction, Verdict};
use crate::time::{Day, Micros};

/// The schema's name.
pub const ANSWER_SCHEMA: &str = "flowlore.answer.v1";

/// Whether the network could be asked, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody has seen it.
    Answered,
    /// Asked, and nobody has seen it. That does not mean benign.
    Unseen,
    /// Too few evaluators answer.
    NotAsked,
    /// Today's quota is used up.
    Quota,
    /// The org's own: never asked, never published.
    Private,
}

/// What all members agree on about one destination; `L` is [`Level`], or one that is encoded already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared<L = Level> {
    /// The day for which it was computed.
    pub day: Day,
    /// Which rules computed it.
    pub state_version: u16,
    /// What it was computed from.
    pub objects_digest: ObjectsDigest,
    /// Active members on that day's roster: what counts are a share of.
    pub members: u32,
    /// About the host or address itself; null when nobody has seen it.
    pub host: Option<L>,
    /// About its site, or its /64.
    pub site: Option<L>,
}

/// What is known about a host, or about a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Who contacted it.
    pub contacted: Contacted,
    /// Where it knocked.
    pub noise: Option<Noise>,
    /// When it was first seen.
    pub first_seen: FirstSeen,
    /// The last day on which anybody says to have seen it.
    pub last_seen: Option<Day>,
    /// Days since the third independent group says to have first seen it; null while fewer than
    /// three groups say so, since one alone could claim any age.
    pub age_days: Option<u32>,
    /// Where its use is going.
    pub trend: Option<Trend>,
    /// Weeks of the last 64 in which an org published or refreshed a sighting, oldest first.
    pub weeks: Vec<Week>,
    /// What members think of it.
    pub verdict: Verdict,
    /// How sure that is, 0 to 100.
    pub confidence: u8,
    /// Who says what, by verdict.
    pub tally: BTreeMap<Verdict, Voices>,
    /// Whether somebody vouches for it while others assess it as harmful.
    pub disputed: bool,
    /// The last day on which the verdict stands if nothing is added.
    pub holds_until: Option<Day>,
    /// How widely it is used. Common is not the same as safe.
    pub class: Class,
    /// What it did, most orgs first.
    pub behaviours: Vec<SeenBehaviour>,
    /// How incidents about it were closed elsewhere.
    pub closed_elsewhere: Option<Closed>,
    /// People's titles.
    pub titles: Vec<String>,
    /// People's tags.
    pub tags: Vec<String>,
    /// People's texts.
    pub notes: Vec<String>,
}

/// Who contacted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contacted {
    /// Orgs that contacted it and were answered.
    pub orgs: u32,
    /// Independent groups of orgs: who is controlled together counts once.
    pub groups: u32,
    /// Active members of the federation.
    pub members: u32,
}

/// Unasked attempts to reach members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noise {
    /// Orgs that it knocked at.
    pub orgs: u32,
    /// On these ports, ascending.
    pub ports: Vec<u16>,
    /// The first day; null when nobody's label can be read.
    pub first: Option<Day>,
    /// The last day.
    pub last: Option<Day>,
}

/// When a destination was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSeen {
    /// The earliest day that a live label claims.
    pub claimed: Option<Day>,
    /// The day that witnesses attest; null without witnesses.
    pub witnessed: Option<Day>,
}

/// Where a destination's use is going, by orgs a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// First seen within the last two weeks.
    New,
    /// At least half as many again as in the four weeks before.
    Rising,
    /// Neither.
    Steady,
    /// At most half as many as in the four weeks before.
    Fading,
    /// Seen again after 60 days or more without.
    Returned,
    /// Not seen for four weeks.
    Gone,
}

/// One week of activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Week {
    /// Its Monday.
    pub week: Day,
    /// Orgs that published or refreshed a sighting in it.
    pub orgs: u32,
}

/// Who says one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voices {
    /// Orgs.
    pub orgs: u32,
    /// Independent groups.
    pub groups: u32,
    /// Orgs of those in which a person says it.
    pub by_people: u32,
}

/// How widely a destination is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Serves many unrelated tenants, so that an address says little.
    SharedInfrastructure,
    /// Contacted by a quarter of the members and by ten independent groups.
    Popular,
    /// Neither.
    Ordinary,
    /// Contacted by at most two orgs.
    Rare,
}

/// A behaviour or flow category, as seen by members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenBehaviour {
    /// Its name, or `code_` and four hex digits when it is newer than this software.
    pub code: String,
    /// Which way; null when newer than this software.
    pub direction: Option<Direction>,
    /// The destination's port; 0: not known.
    pub port: u16,
    /// The IP protocol: `tcp`, `udp`, or its number.
    pub transport: String,
    /// Orgs that say so.
    pub orgs: u32,
    /// The first day that any claims.
    pub first: Day,
    /// The last day that any claims.
    pub last: Day,
}

/// How incidents were closed, by independent groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// It was an attack.
    pub true_positive: u32,
    /// Real, and expected.
    pub benign_expected: u32,
    /// The detector was wrong.
    pub false_positive: u32,
}

/// What an org itself knows of a destination. It never leaves the org's people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Local {
    /// Its contacts; null when there were none in any upload.
    pub here: Option<Here>,
    /// What its people said of it, to others or not.
    pub labels: Vec<OwnLabel>,
    /// The local rule that applied.
    pub policy: Option<Rule>,
}

/// An org's own contacts with a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Here {
    /// Inside machines that contacted it: the most in one upload, as machines have no name that would last.
    pub machines: u64,
    /// Always null: logs tell of machines only.
    pub users: Option<u64>,
    /// Flows.
    pub flows: u64,
    /// Payload sent, bytes.
    pub bytes_out: u64,
    /// Payload received, bytes.
    pub bytes_in: u64,
    /// The first contact.
    pub first: Micros,
    /// The last.
    pub last: Micros,
    /// Incidents that name it.
    pub incidents: u64,
}

/// What people of an org said of a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OwnLabel {
    /// What it does.
    pub behaviour: Option<String>,
    /// How sure, 0 to 100.
    pub confidence: u32,
    /// What was written beside it; empty: nothing.
    pub note: String,
    /// How an incident about it was closed.
    pub outcome: Option<String>,
    /// The destination's port; 0: any.
    pub port: u32,
    /// When it was said.
    pub put: Micros,
    /// It never leaves the node.
    pub stays_here: bool,
    /// Names of tags.
    pub tags: Vec<String>,
    /// Likewise.
    pub title: String,
    /// What was said.
    pub verdict: Option<Verdict>,
}

/// A local rule about a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// What it does.
    pub effect: String,
    /// Which rule.
    pub rule: String,
    /// Where it stands: `flowlore.toml`, `roster` or `protocol`.
    pub source: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts read these keys, in whatever order they are made.
    #[test]
    fn the_local_part_has_its_bytes() {
        let label = OwnLabel {
            behaviour: Some("c2_beacon_http_tls".to_owned()),
            confidence: 90,
            port: 443,
            put: Micros(1_795_507_200_000_000),
            tags: vec!["threat:trojan".to_owned()],
            title: "Beacon".to_owned(),
            verdict: Some(Verdict::Malicious),
            ..OwnLabel::default()
        };
        let here = Here { machines: 2, flows: 3, bytes_out: 4, ..Here::default() };
        let local = Local {
            here: Some(Here { first: Micros(1_500_000), incidents: 1, ..here }),
            labels: vec![label],
            policy: Some(Rule { rule: "own zone".to_owned(), ..Rule::default() }),
        };
        let json = serde_json::to_string(&local).unwrap();
        let expected = r#"{"here":{"machines":2,"users":null,"flows":3,"bytes_out":4,"bytes_in":0,"#
            .to_owned()
            + r#""first":"1970-01-01T00:00:01.5Z","last":"1970-01-01T00:00:00Z","incidents":1},"#
            + r#""labels":[{"behaviour":"c2_beacon_http_tls","confidence":90,"note":"","#
            + r#""outcome":null,"port":443,"put":"2026-11-24T08:00:00Z","stays_here":false,"#
            + r#""tags":["threat:trojan"],"title":"Beacon","verdict":"malicious"}],"#
            + r#""policy":{"effect":"","rule":"own zone","source":""}}"#;
        assert_eq!(json, expected);
        let nothing = serde_json::to_string(&Local::default()).unwrap();
        assert_eq!(nothing, r#"{"here":null,"labels":[],"policy":null}"#);
    }
}

//! Goal: what an analyst reads, word for word, in every state, and hostile text made harmless.

use flowlore_common::answer::{ANSWER_SCHEMA, Here, Rule};
use flowlore_common::time::MICROS_PER_SECOND;
use serde_json::{Value, json};

use super::*;
use crate::api::Problem;
use flowlore_common::terminal::is_unsafe;

/// 2026-11-24 08:02 UTC.
const NOW: Micros = Micros((1_795_507_200 + 120) * 1_000_000);

fn answer(state: State, shared: Option<&Value>) -> Answer {
    Answer {
        schema: ANSWER_SCHEMA,
        query: Query {
            input: "evil.example".to_owned(),
            host: Some("evil.example".to_owned()),
            site: Some("evil.example".to_owned()),
            ..Query::default()
        },
        state,
        retry_after_s: None,
        evaluators_up: None,
        needed: None,
        private_reason: None,
        problem: None,
        shared: shared.map(|shared| serde_json::from_value(shared.clone()).unwrap()),
        local: None,
    }
}

fn level() -> Value {
    json!({
        "contacted": { "orgs": 7, "groups": 6, "members": 312 },
        "noise": null,
        "first_seen": { "claimed": "2026-11-02", "witnessed": "2026-11-03" },
        "last_seen": "2026-11-23", "age_days": 16, "trend": "rising",
        "weeks": [
            { "week": "2026-11-02", "orgs": 1 }, { "week": "2026-11-09", "orgs": 3 },
            { "week": "2026-11-16", "orgs": 6 }, { "week": "2026-11-23", "orgs": 7 },
        ],
        "verdict": "malicious", "confidence": 91,
        "tally": {
            "malicious": { "orgs": 5, "groups": 5, "by_people": 3 },
            "suspicious": { "orgs": 1, "groups": 1, "by_people": 0 },
        },
        "disputed": false, "holds_until": "2026-12-13", "class": "ordinary",
        "behaviours": [
            { "code": "major_content_downloaded", "direction": "outbound", "port": 443,
              "transport": "tcp", "orgs": 6, "first": "2026-11-02", "last": "2026-11-02" },
            { "code": "c2_beacon_http_tls", "direction": "outbound", "port": 8443,
              "transport": "tcp", "orgs": 5, "first": "2026-11-02", "last": "2026-11-23" },
        ],
        "closed_elsewhere": { "true_positive": 3, "benign_expected": 0, "false_positive": 0 },
        "titles": [], "tags": [], "notes": [],
    })
}

fn shared(host: &Value, site: &Value) -> Value {
    json!({
        "day": "2026-11-24", "state_version": 1, "members": 312,
        "objects_digest": "9f3c1be1".repeat(8), "host": host, "site": site,
    })
}

fn shown(answer: &Answer) -> String {
    text(answer, NOW, false)
}

#[test]
fn answered_malicious() {
    let level = level();
    let mut answer = answer(State::Answered, Some(&shared(&level, &level)));
    let second = |day: i64| Micros(day * 86_400 * MICROS_PER_SECOND);
    let here = Here {
        machines: 2,
        users: None,
        flows: 341,
        bytes_out: 506_123,
        bytes_in: 208_000,
        first: second(20_777),
        last: second(20_780),
        incidents: 1,
    };
    let policy = Rule {
        rule: "watch evil.example".to_owned(),
        source: "flowlore.toml".to_owned(),
        effect: "alert".to_owned(),
    };
    answer.local = Some(Local { here: Some(here), labels: vec![], policy: Some(policy) });
    let expected = "\
evil.example                            answered from the local store, 2026-11-24 08:02 UTC
MALICIOUS, confidence 91   C2 beacon   holds until 2026-12-13 unless seen again
  Contacted by  7 of 312 orgs (2.2 %), 6 independent groups: rising. Knocks at: none
  First seen    2 Nov claimed, 3 Nov witnessed    Last seen 23 Nov    Age 16 days
  Orgs a week   . . . . . . . . 1 3 6 7    (12 weeks, to 23 Nov)
  Labels        5 malicious (3 by people), 1 suspicious, 0 benign, no dispute
  Behaviours    major content downloaded, 443/tcp: 6 orgs, 2 Nov
                C2 beacon, 8443/tcp: 5 orgs, 2 Nov to 23 Nov
  Class         ordinary
  Closed there  3 true positive, 0 benign and expected, 0 false positive
STATE 9f3c1be1 of 2026-11-24, rules version 1
HERE (stays on this node)   2 hosts, 341 connections, 506 kB out, 208 kB in, 2026-11-20T00:00:00Z to 2026-11-23T00:00:00Z
POLICY (stays on this node)   watch evil.example (flowlore.toml): alert
";
    assert_eq!(shown(&answer), expected);
    let coloured = text(&answer, NOW, true);
    assert!(coloured.contains("\u{1b}[1;31mMALICIOUS\u{1b}[0m, confidence 91"), "{coloured}");
}

#[test]
fn answered_without_verdict_is_not_safe() {
    let mut level = level();
    level["verdict"] = "unknown".into();
    level["contacted"] = json!({ "orgs": 241, "groups": 200, "members": 312 });
    level["first_seen"]["claimed"] = "2025-03-01".into();
    level["class"] = "popular".into();
    level["trend"] = Value::Null;
    let common = shown(&answer(State::Answered, Some(&shared(&level, &Value::Null))));
    let told = "NO VERDICT. Contacted by 241 of 312 orgs since 2025: common. \
        Common is not the same as safe.\n";
    assert!(common.contains(told), "{common}");
    assert!(common.contains("(77.2 %), 200 independent groups: common. Knocks"), "{common}");
    assert!(common.contains("1 Mar 2025 claimed"), "{common}");

    level["class"] = "rare".into();
    level["contacted"] = json!({ "orgs": 0, "groups": 0, "members": 312 });
    level["noise"] =
        json!({ "orgs": 40, "ports": [22, 23], "first": "2026-11-01", "last": "2026-11-23" });
    let noise = shown(&answer(State::Answered, Some(&shared(&level, &Value::Null))));
    let told = "NO VERDICT. Contacted by none of 312 orgs. Unknown is not the same as benign.\n";
    assert!(noise.contains(told), "{noise}");
    assert!(noise.contains("Knocks at: 40 orgs, on 22, 23\n"), "{noise}");
}

#[test]
fn a_site_speaks_for_itself_only() {
    let mut level = level();
    let mut unseen_host = answer(State::Answered, Some(&shared(&Value::Null, &level)));
    unseen_host.query.host = Some("www.evil.example".to_owned());
    let told = "The host itself was not seen; of its site evil.example:\nMALICIOUS";
    assert!(shown(&unseen_host).contains(told), "{}", shown(&unseen_host));

    let site = level.clone();
    level["verdict"] = "suspicious".into();
    let mut both = answer(State::Answered, Some(&shared(&level, &site)));
    both.query.host = Some("www.evil.example".to_owned());
    let told = "  Its site      evil.example: MALICIOUS, confidence 91; contacted by 7 of 312 orgs, \
        6 independent groups\n";
    let both = shown(&both);
    assert!(both.contains(told) && both.contains("\nSUSPICIOUS, confidence 91"), "{both}");
}

#[test]
fn unseen_is_not_benign() {
    let answer = answer(State::Unseen, Some(&shared(&Value::Null, &Value::Null)));
    let expected = "\
evil.example                            answered from the local store, 2026-11-24 08:02 UTC
NOT SEEN by any of 312 orgs (store current to 2026-11-24). This does not mean benign.
STATE 9f3c1be1 of 2026-11-24, rules version 1
";
    assert_eq!(shown(&answer), expected);
}

#[test]
fn what_was_not_asked_says_why() {
    let mut one = answer(State::NotAsked, None);
    (one.retry_after_s, one.evaluators_up, one.needed) = (Some(30), Some(2), Some(3));
    let lead = format!("{:<38}  ", "evil.example");
    assert_eq!(
        shown(&one),
        format!("{lead}NOT ASKED: 2 evaluators now, 3 needed; queued. Ask again in 30 s.\n")
    );
    one = answer(State::Quota, None);
    one.retry_after_s = Some(19_200);
    assert_eq!(
        shown(&one),
        format!(
            "{lead}NOT ASKED: today's quota of evaluations is used up. Ask again in 5 h 20 min.\n"
        )
    );
    one = answer(State::Private, None);
    one.private_reason = Some("matches your own zone".to_owned());
    let told = "PRIVATE: matches your own zone; never asked, never published.\n";
    assert_eq!(shown(&one), format!("{lead}{told}"));
    one = answer(State::Invalid, None);
    one.query = Query { input: "a..b".to_owned(), ..Query::default() };
    one.problem = Some(Problem {
        code: "bad_destination".to_owned(),
        message: "an empty label".to_owned(),
        hint: "write evil.example:443".to_owned(),
    });
    let lead = format!("{:<38}  ", "a..b");
    let told = "CANNOT BE READ: an empty label: write evil.example:443\n";
    assert_eq!(shown(&one), format!("{lead}{told}"));
}

#[test]
fn strangers_cannot_steer_the_terminal() {
    let hostile = "\u{1b}]0;x\u{7}\u{202e}\r\nMALICIOUS\u{9b}2J";
    let mut level = level();
    for key in ["titles", "tags", "notes"] {
        level[key] = json!(vec![hostile; LISTED_MAX + 2]);
    }
    level["behaviours"][0]["code"] = hostile.into();
    level["behaviours"][0]["transport"] = hostile.into();
    let mut one = answer(State::Answered, Some(&shared(&level, &level)));
    one.query.host = Some(format!("www.{hostile}"));
    one.query.site = Some(hostile.to_owned());
    let text = shown(&one);
    let steering: Vec<char> = text.chars().filter(|c| is_unsafe(*c) && *c != '\n').collect();
    assert!(steering.is_empty(), "{steering:?}");
    let calm = shown(&answer(State::Answered, Some(&shared(&self::level(), &Value::Null))));
    let added = 3 * (LISTED_MAX + 1) + "its site".split('\n').count();
    assert_eq!(text.lines().count(), calm.lines().count() + added, "{text}");
    assert!(text.contains("and 2 more (--json has all)"), "{text}");
}

#[test]
fn destinations_are_shown_as_understood() {
    let query = |host: Option<&str>, address: Option<&str>, port| Query {
        input: "As Given".to_owned(),
        host: host.map(str::to_owned),
        address: address.map(str::to_owned),
        port,
        ..Query::default()
    };
    for (query, text) in [
        (query(Some("evil.example"), None, Some(8443)), "evil.example:8443"),
        (query(None, Some("2001:db8::1"), Some(443)), "[2001:db8::1]:443"),
        (query(None, Some("2001:db8::1"), None), "2001:db8::1"),
        (query(None, None, None), "As Given"),
    ] {
        assert_eq!(destination(&query), text);
    }
}

//! The answer to a look-up, as text.

use std::fmt::Write as _;

use flowlore_common::answer::{
    Class, Level, Local, OwnLabel, SeenBehaviour, Shared, Trend, Voices,
};
use flowlore_common::label::{Behaviour, Verdict};
use flowlore_common::time::{Day, Micros};

use super::text::{
    bytes, clip, counted, day, duration, minute, number, paint, percent, verdict, year,
};
use crate::api::{Answer, Query, State};
use crate::limits::{LISTED_MAX, WEEKS_SHOWN};

/// One destination's answer, some lines; `now` is when it was asked.
#[must_use]
pub fn text(answer: &Answer, now: Micros, colour: bool) -> String {
    let mut out = String::new();
    let name = destination(&answer.query);
    let headline =
        |word: &str, rest: String| format!("{name:<38}  {}{rest}\n", paint(word, "1", colour));
    let again = answer.retry_after_s.map_or(String::new(), |seconds| {
        format!(" Ask again in {}.", duration(u64::from(seconds)))
    });
    match answer.state {
        State::Answered | State::Unseen => {
            if let Some(shared) = &answer.shared {
                out += &known(answer, shared, now, colour);
            }
        }
        State::NotAsked => {
            let quorum = match (answer.evaluators_up, answer.needed) {
                (Some(up), Some(needed)) => {
                    format!(": {} now, {needed} needed; queued.", counted(up.into(), "evaluator"))
                }
                _ => ": too few evaluators; queued.".to_owned(),
            };
            out += &headline("NOT ASKED", quorum + &again);
        }
        State::Quota => {
            let why = ": today's quota of evaluations is used up.".to_owned();
            out += &headline("NOT ASKED", why + &again);
        }
        State::Private => {
            let why = answer.private_reason.as_deref().unwrap_or("your own");
            out += &headline("PRIVATE", format!(": {}; never asked, never published.", clip(why)));
        }
        State::Invalid => {
            let problem = answer.problem.as_ref();
            let (what, hint) =
                problem.map_or(("", ""), |problem| (&*problem.message, &*problem.hint));
            out += &headline("CANNOT BE READ", format!(": {}: {}", clip(what), clip(hint)));
        }
    }
    if let Some(local) = &answer.local {
        out += &local_text(local, colour);
    }
    out
}

/// The destination as it was understood: `evil.example:443`, `[2001:db8::1]:443`; as it was given
/// where it was not.
#[must_use]
pub fn destination(query: &Query) -> String {
    let host = query.host.as_ref().or(query.address.as_ref());
    match (host, query.port) {
        (None, _) => clip(&query.input),
        (Some(host), None) => clip(host),
        (Some(host), Some(port)) if host.contains(':') => format!("[{}]:{port}", clip(host)),
        (Some(host), Some(port)) => format!("{}:{port}", clip(host)),
    }
}

fn known(answer: &Answer, shared: &Shared, now: Micros, colour: bool) -> String {
    let name = destination(&answer.query);
    let mut out = format!("{name:<38}  answered from the local store, {}\n", minute(now));
    let site = answer.query.site.as_deref().unwrap_or_default();
    let host = answer.query.host.as_deref().unwrap_or_default();
    match (&shared.host, &shared.site) {
        (None, None) => {
            let orgs = counted(shared.members.into(), "org");
            let what = format!("NOT SEEN by any of {orgs}");
            let _ = writeln!(
                out,
                "{} (store current to {}). This does not mean benign.",
                paint(&what, "1", colour),
                shared.day
            );
        }
        (None, Some(level)) => {
            let _ = writeln!(out, "The host itself was not seen; of its site {}:", clip(site));
            out += &level_text(level, shared, colour);
        }
        (Some(level), site_level) => {
            out += &level_text(level, shared, colour);
            if let Some(level) = site_level.as_ref().filter(|_| site != host) {
                let _ = writeln!(
                    out,
                    "  Its site      {}: {}; contacted by {} of {}, {}",
                    clip(site),
                    judged(level, colour),
                    number(level.contacted.orgs.into()),
                    counted(level.contacted.members.into(), "org"),
                    counted(level.contacted.groups.into(), "independent group"),
                );
            }
        }
    }
    let (digest, version) = (shared.objects_digest.short(), shared.state_version);
    let _ = writeln!(out, "STATE {digest} of {}, rules version {version}", shared.day);
    out
}

fn judged(level: &Level, colour: bool) -> String {
    match level.verdict {
        Verdict::Unknown => verdict(Verdict::Unknown, colour),
        known => format!("{}, confidence {}", verdict(known, colour), level.confidence),
    }
}

/// What is known about a host or a site: a headline, then a line for each question.
fn level_text(level: &Level, shared: &Shared, colour: bool) -> String {
    let today = year(shared.day);
    let mut out = headline(level, today, colour);
    let mut line = |label: &str, text: String| {
        let _ = writeln!(out, "  {label:<13} {text}");
    };
    line("Contacted by", contacted(level));
    // Who labels a destination need not have contacted it.
    line(if level.contacted.orgs == 0 { "First label" } else { "First seen" }, seen(level, today));
    line("Orgs a week", weeks(level, shared.day, today));
    line("Labels", tally(level));
    let behaviours = level.behaviours.iter().map(|behaviour| behaviour_text(behaviour, today));
    listed("Behaviours", behaviours, &mut line);
    line("Class", class(level.class).to_owned());
    if let Some(closed) = &level.closed_elsewhere {
        line(
            "Closed there",
            format!(
                "{} true positive, {} benign and expected, {} false positive",
                closed.true_positive, closed.benign_expected, closed.false_positive
            ),
        );
    }
    for (label, texts) in
        [("Titles", &level.titles), ("Tags", &level.tags), ("Notes", &level.notes)]
    {
        listed(label, texts.iter().map(|text| clip(text)), &mut line);
    }
    out
}

/// One line each, the label on the first, and how many were left out.
fn listed(
    label: &str,
    texts: impl ExactSizeIterator<Item = String>,
    line: &mut impl FnMut(&str, String),
) {
    let more = texts.len().saturating_sub(LISTED_MAX);
    for (place, text) in texts.take(LISTED_MAX).enumerate() {
        line(if place == 0 { label } else { "" }, text);
    }
    if more > 0 {
        line("", format!("and {more} more (--json has all)"));
    }
}

fn headline(level: &Level, today: i64, colour: bool) -> String {
    let judged = judged(level, colour);
    if level.verdict == Verdict::Unknown {
        let since = level.first_seen.claimed.map_or(String::new(), |first| match year(first) {
            this if this == today => format!(" since {}", day(first, today)),
            earlier => format!(" since {earlier}"),
        });
        let of = counted(level.contacted.members.into(), "org");
        let who = match level.contacted.orgs {
            0 => format!("Contacted by none of {of}"),
            orgs => format!("Contacted by {} of {of}{since}", number(orgs.into())),
        };
        return match level.class {
            Class::Popular => {
                format!("{judged}. {who}: common. Common is not the same as safe.\n")
            }
            _ => format!("{judged}. {who}. Unknown is not the same as benign.\n"),
        };
    }
    // Behaviours come with the most orgs first; flow categories are no headline.
    let known = level.behaviours.iter().find_map(|seen| seen.code.parse::<Behaviour>().ok());
    let known = known.map_or(String::new(), |code| format!("   {}", code.title()));
    let holds = level
        .holds_until
        .map_or(String::new(), |day| format!("   holds until {day} unless seen again"));
    format!("{judged}{known}{holds}\n")
}

fn contacted(level: &Level) -> String {
    let who = &level.contacted;
    let class = match level.class {
        Class::Rare => Some("rare"),
        Class::Popular => Some("common"),
        Class::Ordinary | Class::SharedInfrastructure => None,
    };
    let words: Vec<&str> = class.into_iter().chain(level.trend.map(trend)).collect();
    let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) };
    let knocks = level.noise.as_ref().map_or("none".to_owned(), |noise| {
        let orgs = counted(noise.orgs.into(), "org");
        let ports: Vec<String> =
            noise.ports.iter().take(LISTED_MAX).map(ToString::to_string).collect();
        let more = if noise.ports.len() > LISTED_MAX { ", ..." } else { "" };
        match ports.len() {
            0 => orgs,
            _ => format!("{orgs}, on {}{more}", ports.join(", ")),
        }
    });
    format!(
        "{} of {} ({}), {}{words}. Knocks at: {knocks}",
        number(who.orgs.into()),
        counted(who.members.into(), "org"),
        percent(who.orgs.into(), who.members.into()),
        counted(who.groups.into(), "independent group"),
    )
}

const fn trend(trend: Trend) -> &'static str {
    match trend {
        Trend::New => "new",
        Trend::Rising => "rising",
        Trend::Steady => "steady",
        Trend::Fading => "fading",
        Trend::Returned => "returned",
        Trend::Gone => "gone",
    }
}

fn seen(level: &Level, today: i64) -> String {
    let shown = |date: Option<Day>| date.map(|date| day(date, today));
    let first = match (shown(level.first_seen.claimed), shown(level.first_seen.witnessed)) {
        (Some(claimed), Some(witnessed)) => format!("{claimed} claimed, {witnessed} witnessed"),
        (Some(claimed), None) => format!("{claimed} claimed, not witnessed"),
        (None, Some(witnessed)) => format!("{witnessed} witnessed"),
        (None, None) => "not known".to_owned(),
    };
    let last = shown(level.last_seen).unwrap_or_else(|| "not known".to_owned());
    let age = level.age_days.map_or("not known (fewer than three groups)".to_owned(), |days| {
        counted(days.into(), "day")
    });
    let latest = if level.contacted.orgs == 0 { "Last label" } else { "Last seen" };
    format!("{first}    {latest} {last}    Age {age}")
}

/// The last weeks, oldest first: a dot for a week without an org.
fn weeks(level: &Level, today: Day, this_year: i64) -> String {
    // 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
    let days = i64::from(today.0);
    let monday = days - (days + 3).rem_euclid(7);
    let counts: Vec<String> = (0..WEEKS_SHOWN)
        .rev()
        .map(|back| monday - 7 * back)
        .map(|week| level.weeks.iter().find(|one| i64::from(one.week.0) == week))
        .map(|week| week.map_or(".".to_owned(), |week| week.orgs.to_string()))
        .collect();
    let monday = u16::try_from(monday).map(Day).unwrap_or_default();
    format!("{}    ({WEEKS_SHOWN} weeks, to {})", counts.join(" "), day(monday, this_year))
}

fn tally(level: &Level) -> String {
    let said = |verdict: Verdict| {
        let voices: Voices = level.tally.get(&verdict).copied().unwrap_or_default();
        let people = match voices.by_people {
            0 => String::new(),
            people => format!(" ({} by people)", number(people.into())),
        };
        format!("{} {verdict}{people}", number(voices.orgs.into()))
    };
    let all = [Verdict::Malicious, Verdict::Suspicious, Verdict::Benign].map(said).join(", ");
    format!("{all}, {}", if level.disputed { "DISPUTED" } else { "no dispute" })
}

fn behaviour_text(seen: &SeenBehaviour, today: i64) -> String {
    let title = seen.code.parse::<Behaviour>().map(|code| code.title().to_owned());
    let title = title.unwrap_or_else(|_| clip(&seen.code.replace('_', " ")));
    let place = match seen.port {
        0 => String::new(),
        port => format!(", {port}/{}", clip(&seen.transport)),
    };
    let (first, last) = (day(seen.first, today), day(seen.last, today));
    let when = if first == last { first } else { format!("{first} to {last}") };
    format!("{title}{place}: {}, {when}", counted(seen.orgs.into(), "org"))
}

const fn class(class: Class) -> &'static str {
    match class {
        Class::SharedInfrastructure => {
            "shared infrastructure: serves many unrelated tenants, so that it says little"
        }
        Class::Popular => "popular: a quarter of the orgs or more. Common is not the same as safe",
        Class::Ordinary => "ordinary",
        Class::Rare => "rare: at most two orgs contacted it",
    }
}

/// What this org itself saw, and the rule that applied.
fn local_text(local: &Local, colour: bool) -> String {
    let mut out = String::new();
    if let Some(here) = &local.here {
        let _ = writeln!(
            out,
            "HERE (stays on this node)   {}, {}, {} out, {} in, {} to {}",
            counted(here.machines, "host"),
            counted(here.flows, "connection"),
            bytes(here.bytes_out),
            bytes(here.bytes_in),
            here.first,
            here.last,
        );
    }
    for label in &local.labels {
        out += &own_label(label, colour);
    }
    if let Some(policy) = &local.policy {
        let (rule, source) = (clip(&policy.rule), clip(&policy.source));
        let _ = writeln!(
            out,
            "POLICY (stays on this node)   {rule} ({source}): {}",
            clip(&policy.effect)
        );
    }
    out
}

/// What somebody of this org said, and whether others were told.
fn own_label(label: &OwnLabel, colour: bool) -> String {
    let what = verdict(label.verdict.unwrap_or(Verdict::Unknown), colour);
    let title = label.behaviour.as_ref().and_then(|name| name.parse().ok()).map(Behaviour::title);
    let written = [Some(&*label.title), title, label.outcome.as_deref(), Some(&*label.note)];
    let written = written.into_iter().flatten().filter(|text| !text.is_empty());
    let written: String = written.map(|text| format!(", {}", clip(text))).collect();
    let tags: String = label.tags.iter().map(|tag| format!(" #{}", clip(tag))).collect();
    let told = if label.stays_here { "stays on this node" } else { "told to members" };
    let put = label.put.day();
    format!("OWN LABEL ({told})   {what} at {}, {put}{written}{tags}\n", label.confidence)
}

#[cfg(test)]
mod tests;

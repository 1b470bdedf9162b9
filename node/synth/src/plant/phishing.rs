//! A person opens a lure, and types, or does not.
//!
//! The order of events follows the worked public case of phishing triage: the page with parts of
//! the brand that it copies, a pause for typing, then contact with a collector, often twice
//! because kits say that the password was wrong; all closed together.

use serde_json::json;

use super::{Deed, KeyRow, Planner, Told, key_row};
use crate::habits::SECOND;
use crate::names::{BROWSERS, code};
use crate::random::Random;
use crate::talk::{Exchange, Request, Talk};
use crate::transport::Close;
use crate::world::ServiceId;

/// What became of what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    None,
    Attempted,
    Likely,
    Confirmed,
}

impl Grade {
    const ALL: [Self; 4] = [Self::Attempted, Self::Confirmed, Self::Likely, Self::None];

    /// Behaviour and least severity of the row about the collector.
    const fn key(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None => None,
            Self::Attempted => Some(("phishing_submission:submission_attempted", "medium")),
            Self::Likely => Some(("phishing_submission:submission_likely", "high")),
            Self::Confirmed => Some(("phishing_submission:submission_confirmed", "critical")),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "no_submission_seen",
            Self::Attempted => "submission_attempted",
            Self::Likely => "submission_likely",
            Self::Confirmed => "submission_confirmed",
        }
    }
}

/// A visit.
pub(crate) struct Visit {
    grade: Grade,
    page: ServiceId,
    /// The page itself when the kit collects there.
    collector: ServiceId,
    /// Confirmed by a form sent in clear, else by the way on to the brand.
    in_clear: bool,
    mail_before: bool,
    autofill: bool,
    /// Microseconds from the page to the first sending, and to the second if any.
    typing: u64,
    again: Option<u64>,
    page_bytes: u64,
    parts: Vec<ServiceId>,
    /// What is sent beyond the handshake, bytes.
    sent: u64,
}

impl Visit {
    pub(super) fn perform(&mut self, talk: &mut Talk<'_>, at: u64) -> Option<u64> {
        let world = talk.world;
        let page_at = at
            + if self.mail_before { 30 * SECOND + talk.actor.random.below(60 * SECOND) } else { 0 };
        let last = self.typing + self.again.unwrap_or(0);
        let closed = page_at + last + talk.actor.random.between(6 * SECOND, 25 * SECOND);
        if self.mail_before {
            visit(talk, at, world.webmail, (2_400, 85_000), page_at + 200 * SECOND);
        }
        let loaded = visit(talk, page_at, self.page, (1_100, self.page_bytes), closed);
        visit(talk, loaded + 80_000, self.page, (700, self.page_bytes / 3), closed);
        for part in self.parts.clone() {
            let starts = loaded + 100_000 + talk.actor.random.exponential(500_000);
            let bytes = talk.actor.random.around(32_000, 900);
            visit(talk, starts, part, (650, bytes), closed);
        }
        if self.autofill {
            visit(talk, loaded + 2 * SECOND, world.autofill, (900, 1_400), closed);
        }
        if self.grade == Grade::None {
            return None;
        }
        let first = page_at + self.typing;
        self.send(talk, first, closed);
        if let Some(again) = self.again {
            self.send(talk, first + again, closed);
        }
        if self.grade == Grade::Confirmed && !self.in_clear {
            let on = page_at + last + talk.actor.random.between(2 * SECOND, 5 * SECOND);
            visit(talk, on, world.sign_in, (1_800, 95_000), closed);
            visit(talk, on + SECOND, world.webmail, (2_600, 240_000), closed);
        }
        None
    }

    fn send(&self, talk: &mut Talk<'_>, at: u64, closed: u64) {
        let (ready, to) = talk.reach(self.collector, at);
        let lasts = spread_end(talk, closed).saturating_sub(ready);
        let confirmed_in_clear = self.grade == Grade::Confirmed && self.in_clear;
        if self.grade == Grade::Attempted {
            talk.tls_unanswered(ready, &to, lasts.saturating_sub(to.rtt));
        } else if confirmed_in_clear {
            let request = Request {
                method: "POST",
                uri: "/next.php",
                agent: BROWSERS[talk.host.browser],
                sent: self.sent.min(600),
                received: 240,
                mime: "text/html",
                file_name: "",
            };
            talk.http(ready, &to.on(80), &request);
        } else {
            let down = talk.actor.random.between(300, 4_000);
            let exchange = Exchange { up: self.sent, down, turns: 2, lasts, close: Close::Client };
            talk.tls(ready, &to, &exchange);
        }
    }
}

/// Connections of one tab end within half a second.
fn spread_end(talk: &mut Talk<'_>, closed: u64) -> u64 {
    closed + talk.actor.random.below(500_000)
}

/// One connection of the tab; gives when its handshake was done.
fn visit(talk: &mut Talk<'_>, at: u64, service: ServiceId, bytes: (u64, u64), closed: u64) -> u64 {
    let (ready, to) = talk.reach(service, at);
    let lasts = spread_end(talk, closed).saturating_sub(ready + 3 * to.rtt).max(40_000);
    let exchange = Exchange { up: bytes.0, down: bytes.1, turns: 2, lasts, close: Close::Client };
    talk.tls(ready, &to, &exchange).0
}

impl Planner<'_> {
    /// Two visits an org; the four grades in turn, so that two orgs show all of them.
    pub(super) fn phishing(&mut self) {
        let mut turn = self.random.below(4) as usize;
        for org in self.attacked() {
            for _ in 0..2 {
                self.visit(org, Grade::ALL[turn % 4]);
                turn += 1;
            }
        }
    }

    fn visit(&mut self, org: usize, grade: Grade) {
        let brand = self.world.brand();
        let page = match self.random.below(3) {
            0 => format!("{}.pages-{brand}.example", code(&mut self.random, 9)),
            1 => format!("docs-share.{brand}.example"),
            _ => format!("login-{brand}.example"),
        };
        let page = self.world.add_plain(page);
        // Some kits collect where they lure.
        let same = grade == Grade::Likely && self.random.chance(250);
        let collector = if same {
            page
        } else {
            let other = self.world.brand();
            self.world.add_plain(format!("post.{other}.example"))
        };
        let parts = parts(&mut self.random, &self.world.third);
        let typing = self.random.between(6 * SECOND, 60 * SECOND);
        let again = (grade != Grade::None && self.random.chance(600))
            .then(|| self.random.between(5 * SECOND, 15 * SECOND));
        let visit = Visit {
            grade,
            page,
            collector,
            in_clear: self.random.chance(500),
            mail_before: self.random.chance(600),
            autofill: self.random.chance(600),
            typing,
            again,
            page_bytes: self.random.between(170_000, 600_000),
            parts,
            sent: self.random.between(900, 4_000),
        };
        let place = self.victim(org);
        let start = self.working_moment(place);
        let told = self.tell_visit(&visit);
        self.add(place, start, Deed::Phishing(visit), told);
    }

    fn tell_visit(&self, visit: &Visit) -> Told {
        let both = |id| {
            let service = self.world.service(id);
            format!("{}|{}", service.name, service.v4[0])
        };
        let grade = visit.grade;
        let context = if visit.mail_before { "from a mail session" } else { "lure unknown" };
        let note = format!("{}, {context}", grade.name());
        let mut key: Vec<KeyRow> = vec![key_row(
            &both(visit.page),
            &443,
            "tcp",
            "phishing_page_visit",
            "low",
            note.clone(),
        )];
        if let Some((behaviour, severity)) = grade.key() {
            let clear = grade == Grade::Confirmed && visit.in_clear;
            let port = if clear { 80 } else { 443 };
            key.push(key_row(&both(visit.collector), &port, "tcp", behaviour, severity, note));
        }
        Told {
            scenario: "phishing",
            group: None,
            destination: self.world.service(visit.page).name.clone(),
            parameters: json!({
                "grade": grade.name(), "page": self.world.service(visit.page).name,
                "collector": grade.key().map(|_| self.world.service(visit.collector).name.clone()),
                "mail_before": visit.mail_before, "autofill": visit.autofill,
                "typing_s": visit.typing / SECOND, "again_s": visit.again.map(|a| a / SECOND),
                "page_bytes": visit.page_bytes, "sent_bytes": visit.sent,
                "in_clear": grade == Grade::Confirmed && visit.in_clear,
            }),
            key,
        }
    }
}

/// Three to six of the libraries that pages share, each once.
fn parts(random: &mut Random, third: &[ServiceId]) -> Vec<ServiceId> {
    let mut parts: Vec<_> =
        (0..random.between(3, 6)).map(|_| third[random.rank(third.len())]).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

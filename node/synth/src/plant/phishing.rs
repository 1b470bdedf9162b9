//! A person opens a lure, and types, or does not.
//!
//! The order of events follows the worked public case of phishing triage: the page with parts of
//! the brand that it copies, a pause for typing, then contact with a collector, often twice
//! because kits say that the password was wrong; all closed together.

use serde_json::json;

use super::{Deed, KeyRow, Planner, Told, key_row};
use crate::habits::SECOND;
use crate::inside::Host;
use crate::names::{BROWSERS, HOSTING, code};
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

/// What the page's name looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lure {
    /// A name on hosting that gives anybody one.
    Hosting,
    /// The brand in a name of its own.
    LookAlike,
    /// The brand in a name on hosting.
    Both,
    /// A word of log-on pages.
    Word,
    /// Nothing: a site that was taken over.
    Plain,
}

impl Lure {
    const ALL: [Self; 5] = [Self::Hosting, Self::LookAlike, Self::Both, Self::Word, Self::Plain];

    const fn name(self) -> &'static str {
        match self {
            Self::Hosting => "hosting",
            Self::LookAlike => "look_alike",
            Self::Both => "look_alike_on_hosting",
            Self::Word => "log_on_word",
            Self::Plain => "plain",
        }
    }
}

/// How what was typed goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To another host.
    Elsewhere,
    /// To the page's host, over a new connection.
    SameHost,
    /// Over a connection of the page: nothing of it is seen apart.
    Reused,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::SameHost => "same_host",
            Self::Reused => "reused_connection",
        }
    }
}

/// A visit.
pub(crate) struct Visit {
    grade: Grade,
    lure: Lure,
    way: Way,
    page: ServiceId,
    /// The page itself when the kit collects there.
    collector: ServiceId,
    /// Confirmed by a form sent in clear, else by the way on to the brand.
    in_clear: bool,
    mail_before: bool,
    autofill: bool,
    /// The page shows something from the brand's own sign-in.
    brand_parts: bool,
    /// Everything of the page comes over one connection, as with HTTP/2.
    one_connection: bool,
    /// A visitor goes on to another page of the same host.
    clicks_on: bool,
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
        let typed =
            if self.way == Way::Reused && self.grade != Grade::None { self.sent } else { 0 };
        let loaded = visit(talk, page_at, self.page, (1_100 + typed, self.page_bytes), closed);
        if !self.one_connection {
            visit(talk, loaded + 80_000, self.page, (700, self.page_bytes / 3), closed);
        }
        for part in self.parts.clone() {
            let starts = loaded + 100_000 + talk.actor.random.exponential(500_000);
            let bytes = talk.actor.random.around(32_000, 900);
            visit(talk, starts, part, (650, bytes), closed);
        }
        if self.brand_parts {
            visit(talk, loaded + 400_000, world.sign_in, (600, 24_000), closed);
        }
        if self.autofill {
            visit(talk, loaded + 2 * SECOND, world.autofill, (900, 1_400), closed);
        }
        if self.grade == Grade::None {
            if self.clicks_on {
                let up = talk.actor.random.between(700, 1_500);
                let down = talk.actor.random.between(15_000, 200_000);
                visit(talk, page_at + self.typing, self.page, (up, down), closed);
            }
            return None;
        }
        let first = page_at + self.typing;
        if self.way != Way::Reused {
            self.send(talk, first, closed);
            if let Some(again) = self.again {
                self.send(talk, first + again, closed);
            }
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

/// Visits of the grid: some sixty victims of an org, and not more addresses than are kept for what is planted.
const GRID_VISITS: usize = 60;

impl Planner<'_> {
    /// Two visits an org; the four grades in turn, so that two orgs show all of them.
    pub(super) fn phishing(&mut self) {
        let mut turn = self.random.below(4) as usize;
        for org in self.attacked() {
            for _ in 0..2 {
                let grade = Grade::ALL[turn % 4];
                let lure = Lure::ALL[self.random.below(4) as usize];
                // Some kits collect where they lure.
                let same = grade == Grade::Likely && self.random.chance(250);
                let way = if same { Way::SameHost } else { Way::Elsewhere };
                self.visit(org, grade, lure, way);
                turn += 1;
            }
        }
    }

    /// Every other visit of somebody who types nothing; the others in the three grades and ways.
    pub(super) fn phishing_grid(&mut self) {
        let orgs = self.attacked();
        for turn in 0..GRID_VISITS {
            let grade = match turn % 6 {
                1 => Grade::Attempted,
                3 => Grade::Likely,
                5 => Grade::Confirmed,
                _ => Grade::None,
            };
            let lure = Lure::ALL[turn / 6 % 5];
            let way = match self.random.below(10) {
                0..=5 => Way::Elsewhere,
                6..=8 => Way::SameHost,
                _ => Way::Reused,
            };
            // What is only attempted needs a connection of its own.
            let way =
                if grade == Grade::Attempted && way == Way::Reused { Way::Elsewhere } else { way };
            self.visit(orgs[turn % orgs.len()], grade, lure, way);
        }
    }

    fn visit(&mut self, org: usize, grade: Grade, lure: Lure, way: Way) {
        let brand = self.world.brand();
        let office = self.world.office.clone();
        let hosting = *self.random.pick(&HOSTING);
        let page = match lure {
            Lure::Hosting => format!("{}.{hosting}", code(&mut self.random, 9)),
            Lure::LookAlike => format!("{office}-{brand}.example"),
            Lure::Both => format!("{office}-{}.{hosting}", code(&mut self.random, 4)),
            Lure::Word => format!("login-{brand}.example"),
            Lure::Plain => format!("docs-share.{brand}.example"),
        };
        let page = self.world.add_plain(page);
        let collector = if way == Way::Elsewhere {
            let other = self.world.brand();
            self.world.add_plain(format!("post.{other}.example"))
        } else {
            page
        };
        let parts = parts(&mut self.random, &self.world.third);
        // Some look something up first.
        let slow = self.random.chance(150);
        let typing = if slow { (60, 280) } else { (5, 60) };
        let typing = self.random.between(typing.0 * SECOND, typing.1 * SECOND);
        let again = (grade != Grade::None && self.random.chance(600))
            .then(|| self.random.between(5 * SECOND, 15 * SECOND));
        let visit = Visit {
            grade,
            lure,
            way,
            page,
            collector,
            in_clear: way == Way::Elsewhere && self.random.chance(500),
            mail_before: self.random.chance(600),
            autofill: self.random.chance(600),
            brand_parts: self.random.chance(400),
            one_connection: self.random.chance(500),
            clicks_on: grade == Grade::None && self.random.chance(300),
            typing,
            again,
            page_bytes: self.random.between(200_000, 600_000),
            parts,
            sent: self.random.between(900, 4_000),
        };
        let place = self.victim(org);
        let start = self.working_moment(place);
        let told = self.tell_visit(&visit, &self.orgs[org].hosts[place.host]);
        self.add(place, start, Deed::Phishing(visit), told);
    }

    fn tell_visit(&self, visit: &Visit, host: &Host) -> Told {
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
        let in_clear = grade == Grade::Confirmed && visit.in_clear;
        if let Some((behaviour, severity)) = grade.key() {
            let port = if in_clear { 80 } else { 443 };
            key.push(key_row(&both(visit.collector), &port, "tcp", behaviour, severity, note));
        }
        Told {
            scenario: "phishing",
            group: None,
            destination: self.world.service(visit.page).name.clone(),
            parameters: json!({
                "grade": grade.name(), "page": self.world.service(visit.page).name,
                "collector": grade.key().map(|_| self.world.service(visit.collector).name.clone()),
                "lure": visit.lure.name(), "way": visit.way.name(),
                "mail_before": visit.mail_before, "autofill": visit.autofill,
                "brand_parts": visit.brand_parts, "one_connection": visit.one_connection,
                "clicks_on": visit.clicks_on, "hybrid_hello": host.stack.hybrid,
                "dual_stack": host.v6.is_some(),
                "typing_s": visit.typing / SECOND, "again_s": visit.again.map(|a| a / SECOND),
                "page_bytes": visit.page_bytes, "sent_bytes": visit.sent,
                "in_clear": in_clear,
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

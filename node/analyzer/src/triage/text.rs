//! A triage for a person at a terminal: at most 100 columns, the answer first, then what happened, then why and what
//! to do. Every number is in the JSON, too.

use std::fmt::Write as _;

use super::{
    alert::ASKED,
    model::{Review, Triage},
    review::word,
    story::reason,
};
use crate::{
    detect::words::{counted, grouped},
    report::{
        model::{Finding, Verdict},
        text::{TextOptions, colour_of, labelled, paint, wrap},
    },
};

/// Where the sentence of a story's line begins.
const STORY_COLUMNS: usize = 15;

/// Of answers without interesting activity so many get a line; the rest is counted.
const QUIET_LISTED_MAX: usize = 20;

impl Triage {
    /// The whole triage as text.
    #[must_use]
    pub fn to_text(&self, options: &TextOptions<'_>) -> String {
        let mut out = String::new();
        let head = format!("flowlore-node {}   triage   {}", self.tool.version, options.input);
        wrap(&mut out, "", &head);
        out.push('\n');
        self.body(&mut out, options);
        out
    }

    fn body(&self, out: &mut String, options: &TextOptions<'_>) {
        self.answer(out, options);
        out.push('\n');
        self.story(out, options);
        for finding in &self.findings {
            out.push('\n');
            self::finding(out, finding, options);
        }
        if self.findings_rest > 0 {
            let more = counted(self.findings_rest, "finding", "findings");
            wrap(out, "", &format!("And {more} more (--output json, or analyze)."));
        }
        out.push('\n');
        let sentences = |supports: bool| {
            let all = self.evidence.iter().filter(|one| one.supports == supports);
            all.map(|one| &*one.sentence).collect::<Vec<_>>().join(" ")
        };
        if self.findings.is_empty() {
            labelled(out, "For", &sentences(true));
        }
        labelled(out, "Against", &sentences(false));
        let actions: Vec<_> = self.actions.iter().map(|action| &*action.sentence).collect();
        let actions = if actions.is_empty() { "Nothing.".to_owned() } else { actions.join(" ") };
        labelled(out, "Do", &actions);
        labelled(out, "Left out", &self.left_out());
        labelled(out, "Unknown", &self.limits.join(" "));
    }

    fn answer(&self, out: &mut String, options: &TextOptions<'_>) {
        let (summary, alert) = (&self.summary, &self.alert);
        let mark = if summary.action_required { "1" } else { "0" };
        let mut text = String::new();
        wrap(&mut text, "", &format!("{} Confidence {}.", summary.text, summary.confidence));
        out.push_str(&paint(text.trim_end(), mark, options.colour));
        out.push('\n');
        let at = options.local(alert.at);
        let rule = if alert.rule == ASKED { "none, a question" } else { &alert.rule };
        let mut line = format!("{rule}   {}, {} {}", at.date(), at.time(), options.zone);
        if let Some(message) = &alert.message {
            let _ = write!(line, "   {message}");
        }
        if alert.count > 1 {
            let last = options.local(alert.last);
            let _ = write!(
                line,
                "   {} times, the last {}, {}",
                grouped(alert.count),
                last.date(),
                last.time()
            );
        }
        labelled(out, "Alert", &line);
        let host = &alert.host;
        let mut line = match &host.name {
            Some(name) => format!("{name} ({})", host.address),
            None => host.address.to_string(),
        };
        if let Some(user) = &host.user {
            let _ = write!(line, ", user {user}");
        }
        if let Some(destination) = &alert.destination {
            let _ = write!(line, "   and {destination}");
        }
        labelled(out, "Host", &line);
        let window = &self.window;
        let (from, to) = (options.local(window.from), options.local(window.to));
        let until = if from.day() == to.day() {
            to.time()
        } else {
            format!("{}, {}", to.date(), to.time())
        };
        let extended = match window.extended_by_s {
            0 => String::new(),
            seconds => format!(", {seconds} s longer than asked for to see flows end"),
        };
        let line = format!(
            "{}, {} to {until}{extended}   {}, {} told below",
            from.date(),
            from.time(),
            counted(window.flows, "flow", "flows"),
            grouped(window.told),
        );
        labelled(out, "Window", &line);
    }

    fn story(&self, out: &mut String, options: &TextOptions<'_>) {
        out.push_str("What happened\n");
        let day = options.local(self.alert.at).day();
        for line in &self.story {
            let at = options.local(line.at);
            let mark = if line.kind == "alert" { '>' } else { ' ' };
            let mut first = format!("  {mark} {}  ", at.time());
            debug_assert!(first.len() < STORY_COLUMNS);
            first.push_str(&" ".repeat(STORY_COLUMNS - first.len()));
            let dated = if at.day() == day { String::new() } else { format!("({}) ", at.date()) };
            let mut lines = String::new();
            wrap(&mut lines, &" ".repeat(STORY_COLUMNS), &format!("{dated}{}", line.sentence));
            out.push_str(&first);
            out.push_str(&lines[STORY_COLUMNS..]);
        }
    }

    fn left_out(&self) -> String {
        let all: u64 = self.window.left_out.values().sum();
        if all == 0 {
            return "nothing.".to_owned();
        }
        let reasons = self.window.left_out.iter();
        let reasons = reasons.map(|(name, count)| format!("{} {}", grouped(*count), reason(name)));
        format!("{}: {}.", counted(all, "flow", "flows"), reasons.collect::<Vec<_>>().join(", "))
    }
}

fn finding(out: &mut String, finding: &Finding, options: &TextOptions<'_>) {
    let name = finding.severity.name().to_ascii_uppercase();
    let name = paint(&name, colour_of(finding.severity), options.colour);
    let _ = writeln!(
        out,
        "{name}, confidence {}   {}   {}",
        finding.confidence,
        finding.title(),
        finding.id,
    );
    crate::report::text::finding(out, finding, options);
}

impl Review {
    /// All answers as text: what needs a person in full, the rest a line each.
    #[must_use]
    pub fn to_text(&self, options: &TextOptions<'_>) -> String {
        let mut out = String::new();
        let head = format!("flowlore-node {}   triage   {}", self.tool.version, options.input);
        wrap(&mut out, "", &head);
        let verdicts =
            self.verdicts.iter().map(|(verdict, count)| format!("{} {verdict}", grouped(*count)));
        let folded = match self.folded {
            0 => String::new(),
            folded => format!(", {} of them folded into identical ones", grouped(folded)),
        };
        let line = format!(
            "{}{folded}: {}.",
            counted(self.alerts, "alert", "alerts"),
            verdicts.collect::<Vec<_>>().join(", "),
        );
        wrap(&mut out, "", &line);
        if self.unusable > 0 {
            let alerts = counted(self.unusable, "alert", "alerts");
            wrap(&mut out, "", &format!("Not answered: {alerts} without an address."));
        }
        if !self.shared.is_empty() {
            out.push_str("\nShared\n");
        }
        for shared in &self.shared {
            let hosts: Vec<String> = shared.hosts.iter().take(5).map(ToString::to_string).collect();
            let more = match shared.hosts_count - hosts.len() as u64 {
                0 => String::new(),
                more => format!(" and {} more", grouped(more)),
            };
            let line =
                format!("{}: {} {}{more}", word(shared.verdict), shared.sentence, hosts.join(", "));
            wrap(&mut out, "    ", &line);
        }
        let quiet = |triage: &&Triage| triage.summary.verdict == Verdict::NoInterestingActivity;
        for verdict in [Verdict::Malicious, Verdict::Suspicious, Verdict::Inconclusive] {
            for triage in self.triages.iter().filter(|one| one.summary.verdict == verdict) {
                let _ = write!(out, "\n{}\n\n", "-".repeat(100));
                triage.body(&mut out, options);
            }
        }
        let all: Vec<&Triage> = self.triages.iter().filter(quiet).collect();
        if !all.is_empty() {
            let _ = writeln!(out, "\nNo interesting activity");
        }
        for triage in all.iter().take(QUIET_LISTED_MAX) {
            let alert = &triage.alert;
            let to =
                alert.destination.as_deref().map(|to| format!(" and {to}")).unwrap_or_default();
            let line = format!(
                "{}, {}   {}   {}{to}",
                options.local(alert.at).date(),
                options.local(alert.at).time(),
                alert.rule,
                alert.host.address,
            );
            wrap(&mut out, "    ", &line);
        }
        if all.len() > QUIET_LISTED_MAX {
            let more = grouped((all.len() - QUIET_LISTED_MAX) as u64);
            wrap(&mut out, "    ", &format!("and {more} more (--output json)."));
        }
        out
    }
}

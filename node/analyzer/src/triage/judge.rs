//! What it comes to: verdict, outcome, confidence, for and against, what to do.
//!
//! Findings decide where there are any. Without one the alert's own destination does: it is harmless only where
//! something shows that it is usual here, since an alert is a reason to look that silence does not take away.

use std::collections::{BTreeMap, BTreeSet};

use flowlore_common::{
    label::{Direction, Severity},
    time::MICROS_PER_SECOND,
};

use super::{
    groups::Thread,
    model::Reason,
    role::{NOTABLE, STRONG},
    scene::Scene,
};
use crate::{
    coverage::Grade,
    detect::words::{counted, grouped},
    incident::THREAT,
    limits::ACTIONS_MAX,
    report::{
        band,
        model::{ActionEntry, Finding, Summary, Verdict},
    },
    score::PREVALENCE_HOSTS_MIN,
    severity::Rarity,
};

/// Share of the host's TCP flows of which one side was seen from which its window is half blind, thousandths; as for
/// the coverage of a whole input.
const ONE_SIDED_PERMILLE: usize = 100;
/// TCP flows below which that share says nothing; likewise.
const ONE_SIDED_FLOWS_MIN: usize = 20;

/// Confidence in answers without a finding [ours: those of the report; less where a score alone speaks].
const SURE_GOOD: u8 = 70;
const SURE_PARTIAL: u8 = 50;
const SURE_SCORE: u8 = 40;
const SURE_BLIND: u8 = 20;

/// The answer.
pub(crate) struct Judgement {
    pub(crate) summary: Summary,
    pub(crate) evidence: Vec<Reason>,
    pub(crate) actions: Vec<ActionEntry>,
    pub(crate) limits: Vec<String>,
}

/// A verdict without findings.
struct Bare {
    verdict: Verdict,
    outcome: &'static str,
    confidence: u8,
    /// After the verdict's word.
    text: String,
    reasons: Vec<Reason>,
    action: Option<ActionEntry>,
}

fn supports(sentence: String) -> Reason {
    Reason { supports: true, sentence }
}

fn against(sentence: String) -> Reason {
    Reason { supports: false, sentence }
}

/// Judges a scene.
pub(crate) fn judge(scene: &Scene<'_>) -> Judgement {
    let mut limits = blind_spots(scene);
    let blind = !limits.is_empty() || scene.report.coverage.grade == Grade::Poor;
    // An alert about one destination does not turn grave by what is merely worth a look about another.
    let least = if scene.has_place() { Severity::High } else { Severity::Medium };
    let drives = |finding: &Finding| {
        let own = if usual_place(scene) { Severity::Medium } else { Severity::Low };
        // What an org merely has a policy about makes no verdict.
        finding.behaviour.kind() == THREAT
            && (finding.severity >= least || (scene.is_alerts(finding) && finding.severity >= own))
    };
    let driving = scene.findings.iter().copied().find(|finding| drives(finding));
    let (mut summary, mut evidence, mut actions) = match driving {
        Some(finding) => by_finding(scene, finding),
        None => {
            let bare = bare(scene, blind);
            let actions = bare.action.clone().into_iter().collect();
            (without_finding(&bare), bare.reasons, actions)
        }
    };
    if let [first, ..] = scene.elsewhere[..] {
        let count = counted(scene.elsewhere.len() as u64, "finding", "findings");
        let sentence = format!(
            "Outside of this window the input has {count} about this host, the gravest {}: {} ({}).",
            first.severity,
            first.title(),
            first.id,
        );
        evidence.push(Reason { supports: driving.is_some(), sentence });
    }
    summary.incidents = incidents(&scene.findings);
    let mut seen = BTreeSet::new();
    actions.retain(|action| seen.insert(action.clone()));
    actions.truncate(ACTIONS_MAX);
    limits.extend(scene.report.coverage.notes.iter().cloned());
    Judgement { summary, evidence, actions, limits }
}

/// Incidents of findings, by severity.
fn incidents(findings: &[&Finding]) -> BTreeMap<&'static str, u64> {
    let mut gravest: BTreeMap<&str, Severity> = BTreeMap::new();
    for finding in findings {
        let known = gravest.entry(&finding.incident).or_insert(finding.severity);
        *known = finding.severity.max(*known);
    }
    let mut counts: BTreeMap<&'static str, u64> =
        Severity::ALL.iter().map(|severity| (severity.name(), 0)).collect();
    gravest.values().for_each(|severity| *counts.entry(severity.name()).or_default() += 1);
    counts
}

/// Findings decide: verdict and confidence as in the report, of those about this window.
fn by_finding(scene: &Scene<'_>, finding: &Finding) -> (Summary, Vec<Reason>, Vec<ActionEntry>) {
    let grave = finding.severity >= Severity::High;
    let outcome = outcome(&scene.findings, grave);
    let word = if grave { "ACTION REQUIRED" } else { "SUSPICIOUS" };
    let host = scene.alert.host;
    let who = if finding.source.address == host || finding.destination.address == host {
        format!("{host}")
    } else {
        format!("another host ({})", finding.source.address)
    };
    let about_alert = match (&scene.alert.destination, scene.is_alerts(finding)) {
        (Some(_), true) => " The alert is about it.",
        (Some(_), false) => " The alert is about another destination.",
        (None, _) => "",
    };
    let rest = match scene.findings.len() {
        1 => String::new(),
        more => format!(" {} in all.", counted(more as u64, "finding", "findings")),
    };
    let text =
        format!("{word}: {} by {who}: {}.{about_alert}{rest}", finding.title(), place(finding),);
    let same = scene.findings.iter().filter(|one| one.severity == finding.severity);
    let confidence = same.map(|one| one.confidence).max().unwrap_or_default();
    let verdict = if grave { Verdict::Malicious } else { Verdict::Suspicious };
    let evidence = scene.findings.iter().map(|one| {
        let evidence = one.evidence.iter().find(|evidence| evidence.supports);
        let why = evidence.map(|evidence| format!(" {}", evidence.sentence)).unwrap_or_default();
        supports(format!(
            "{} ({}, confidence {}): {}.{why}",
            one.title(),
            one.severity,
            one.confidence,
            place(one)
        ))
    });
    let actions = scene.findings.iter().filter(|one| one.severity == finding.severity);
    let actions = actions.flat_map(|one| one.actions.iter().cloned()).collect();
    (summary(verdict, outcome, confidence, text), evidence.collect(), actions)
}

/// How far it came, as far as flows show.
fn outcome(findings: &[&Finding], grave: bool) -> &'static str {
    let submission = |grade: &str| findings.iter().any(|one| one.submission == Some(grade));
    let c2 = findings.iter().any(|one| one.behaviour.is_c2() && one.severity >= Severity::High);
    let delivered = findings.iter().any(|one| {
        matches!(one.behaviour, flowlore_common::label::Behaviour::MaliciousDownload)
            || one.submission == Some("no_submission_seen")
    });
    match () {
        () if submission("submission_confirmed") => "compromise_confirmed",
        () if (grave && c2) || submission("submission_likely") => "compromise_likely",
        () if submission("submission_attempted") => "attempted",
        () if delivered => "delivered",
        () => "unknown",
    }
}

fn place(finding: &Finding) -> String {
    let to = &finding.destination;
    match (&to.host, to.count) {
        (_, Some(hosts)) => counted(hosts, "host", "hosts"),
        (Some(host), None) => host.clone(),
        (None, None) => match to.port {
            0 => to.address.to_string(),
            port => format!("{} port {port}", to.address),
        },
    }
}

fn without_finding(bare: &Bare) -> Summary {
    let word = match (bare.verdict, bare.outcome) {
        (Verdict::Suspicious, "attempted") => "ATTEMPTED, NO ANSWER",
        (Verdict::Suspicious | Verdict::Malicious, _) => "SUSPICIOUS",
        (Verdict::NoInterestingActivity, _) => "NO INTERESTING ACTIVITY",
        (Verdict::Inconclusive, _) => "INCONCLUSIVE",
    };
    summary(bare.verdict, bare.outcome, bare.confidence, format!("{word}: {}", bare.text))
}

fn summary(verdict: Verdict, outcome: &'static str, confidence: u8, text: String) -> Summary {
    Summary {
        verdict,
        outcome,
        confidence,
        confidence_band: band(confidence),
        action_required: verdict == Verdict::Malicious,
        text,
        incidents: BTreeMap::new(),
        muted: 0,
        below_threshold: 0,
    }
}

/// No finding drives: is the alert's own destination explained?
fn bare(scene: &Scene<'_>, blind: bool) -> Bare {
    let host = scene.alert.host;
    let mut reasons = vec![match scene.findings.first() {
        None => supports(format!("No detector has a finding about {host} in this window.")),
        Some(first) => against(format!(
            "In this window there are {} about {host} and other destinations, at most {}.",
            counted(scene.findings.len() as u64, "finding", "findings"),
            first.severity,
        )),
    }];
    let sure = match scene.report.coverage.grade {
        Grade::Good => SURE_GOOD,
        Grade::Partial => SURE_PARTIAL,
        Grade::Poor => SURE_BLIND,
    };
    if scene.flows.is_empty() {
        let text = format!(
            "no flow of {host} in this window; whether it was silent or the sensor blind cannot be told."
        );
        return inconclusive(text, reasons, check_sensor(scene));
    }
    let alerted: Vec<usize> = (0..scene.threads.len()).filter(|&at| scene.alerted[at]).collect();
    if let Some(destination) = scene.alert.destination.as_deref() {
        if alerted.is_empty() {
            reasons.push(against(format!(
                "The input has no flow between {host} and {destination} in this window."
            )));
            let text = format!(
                "the connection of {host} with {destination} that the alert is about is not in the input."
            );
            return inconclusive(text, reasons, check_sensor(scene));
        }
        // What nobody answered is harmless only where an answer would have been seen.
        if !blind && let Some(bare) = probe(scene, destination, &alerted, &mut reasons) {
            return bare;
        }
        if let Some(bare) = about_destination(scene, destination, &alerted, &mut reasons) {
            return bare;
        }
    }
    if blind {
        let text = "nothing bad was seen, but much was not recorded.".to_owned();
        return inconclusive(text, reasons, check_sensor(scene));
    }
    let about = match scene.alert.destination.as_deref() {
        Some(destination) => format!("{host}, and {destination} is usual here"),
        None => host.to_string(),
    };
    Bare {
        verdict: Verdict::NoInterestingActivity,
        outcome: "none",
        confidence: sure,
        text: format!("nothing that needs a person in this window of {about}."),
        reasons,
        action: None,
    }
}

fn inconclusive(text: String, reasons: Vec<Reason>, action: Option<ActionEntry>) -> Bare {
    let verdict = Verdict::Inconclusive;
    Bare { verdict, outcome: "unknown", confidence: SURE_BLIND, text, reasons, action }
}

/// Somebody outside tried, and no data came back: what every address on the Internet meets, and to the report info.
fn probe(
    scene: &Scene<'_>,
    destination: &str,
    alerted: &[usize],
    reasons: &mut Vec<Reason>,
) -> Option<Bare> {
    let host = scene.alert.host;
    let threads = || alerted.iter().map(|&at| &scene.threads[at]);
    let mut flows = threads().flat_map(|thread| &thread.flows).map(|&at| &scene.flows[at]);
    let from_outside = flows.all(|kept| kept.direction == Direction::Inbound);
    if !from_outside || !threads().all(is_silent) {
        return None;
    }
    let flows: u64 = threads().map(|thread| thread.flows.len() as u64).sum();
    let times = counted(flows, "flow", "flows");
    let mut reasons = std::mem::take(reasons);
    reasons.push(supports(format!(
        "{destination} is outside; {times} from there, none with data in answer."
    )));
    Some(Bare {
        verdict: Verdict::NoInterestingActivity,
        outcome: "attempted",
        confidence: SURE_PARTIAL,
        text: format!("{destination} probed {host} from outside, {times}; no data came back."),
        reasons,
        action: None,
    })
}

/// What the threads with the alert's destination come to; `None`: they are harmless.
fn about_destination(
    scene: &Scene<'_>,
    destination: &str,
    alerted: &[usize],
    reasons: &mut Vec<Reason>,
) -> Option<Bare> {
    let host = scene.alert.host;
    let threads = || alerted.iter().map(|&at| &scene.threads[at]);
    let flows: u64 = threads().map(|thread| thread.flows.len() as u64).sum();
    let called_back = threads().any(|thread| !thread.spot.incoming && thread.answered > 0);
    let came = threads().any(|thread| thread.spot.incoming);
    let times = counted(flows, "flow", "flows");
    let mut taken = || std::mem::take(reasons);
    let unusual = |thread: &Thread| thread.spot.incoming || usual(scene, thread).is_none();
    if threads().any(unusual) && threads().all(is_silent) {
        let (text, target) = if came {
            (format!("{destination} tried {host}, {times}; no data came back."), host.to_string())
        } else {
            (
                format!("{host} tried {destination}, {times}; no data came back."),
                destination.to_owned(),
            )
        };
        let mut reasons = taken();
        reasons.push(supports(format!("{times} between them, none with data in answer.")));
        let (code, sentence) = if came {
            (
                "check_exposure",
                format!("No action now. Check whether {target} has to be reachable there."),
            )
        } else {
            ("find_process", format!("Find out what on {host} asks for {target}."))
        };
        let action = Some(ActionEntry { code, target, sentence });
        let verdict = Verdict::Suspicious;
        return Some(Bare {
            verdict,
            outcome: "attempted",
            confidence: SURE_PARTIAL,
            text,
            reasons,
            action,
        });
    }
    if came && called_back {
        let mut reasons = taken();
        reasons.push(supports(format!(
            "{destination} connected to {host}, and {host} connected to {destination}, too."
        )));
        let text = format!("{destination} reached {host} and was called back by it.");
        return Some(suspicious(text, reasons, look_up(destination)));
    }
    if came {
        let mut reasons = taken();
        reasons.push(against(format!(
            "{host} answered {destination} with data: whether an attack worked flows do not show."
        )));
        let text =
            format!("{host} answered {destination}, and nothing followed that a detector knows.");
        let sentence = format!("Look at the logs of the service on {host} that answered.");
        let action = ActionEntry { code: "check_service", target: host.to_string(), sentence };
        return Some(inconclusive(text, reasons, Some(action)));
    }
    // The least usual one decides.
    for &at in alerted {
        let thread = &scene.threads[at];
        if let Some(why) = usual(scene, thread) {
            reasons.push(supports(why));
            continue;
        }
        let (sum, there) = (scene.parts[at].sum(), thread.spot.text());
        let points = scene.parts[at]
            .points
            .iter()
            .map(|(name, points)| format!("{} {points:+}", name.replace('_', " ")));
        let made_of = points.collect::<Vec<_>>().join(", ");
        reasons.push(against(rare(scene, &there)));
        if sum >= NOTABLE {
            reasons.push(against(format!("{there} has an inference score of {sum} ({made_of}).")));
        }
        let mut reasons = std::mem::take(reasons);
        let action = look_up(destination);
        if sum >= STRONG {
            for reason in reasons.iter_mut().filter(|reason| reason.sentence.contains(&there)) {
                reason.supports = true;
            }
            let text = format!(
                "{there} is not usual here, and what {host} did with it asks for a look today."
            );
            return Some(suspicious(text, reasons, action));
        }
        let text = format!("nothing bad was seen, but nothing shows that {there} is harmless.");
        return Some(inconclusive(text, reasons, action));
    }
    None
}

fn suspicious(text: String, reasons: Vec<Reason>, action: Option<ActionEntry>) -> Bare {
    let verdict = Verdict::Suspicious;
    Bare { verdict, outcome: "unknown", confidence: SURE_SCORE, text, reasons, action }
}

/// Whether no payload came back, of those whom the host tried not even a packet.
fn is_silent(thread: &Thread) -> bool {
    if thread.spot.incoming {
        thread.bytes_in == 0
    } else {
        thread.answered == 0 || thread.bytes_in == 0
    }
}

/// Whether all that the alert is about is nothing out of the ordinary.
fn usual_place(scene: &Scene<'_>) -> bool {
    let threads = scene.threads.iter().zip(&scene.alerted).filter(|(_, alerted)| **alerted);
    let mut threads = threads
        .map(|(thread, _)| !thread.spot.incoming && usual(scene, thread).is_some())
        .peekable();
    threads.peek().is_some() && threads.all(|usual| usual)
}

/// Why a destination is nothing out of the ordinary, if it is.
fn usual(scene: &Scene<'_>, thread: &Thread) -> Option<String> {
    let there = thread.spot.text();
    if thread.is_local() {
        return Some(format!("{there} is the host's own link."));
    }
    let known = scene.known(thread);
    if known.settled {
        return Some(format!("{there} has long been known here."));
    }
    let all = grouped(scene.collected.inside_hosts);
    (scene.rarity(thread) != Rarity::Rare).then(|| match known.inside_hosts >= known.site_hosts {
        true => format!("{} of {all} hosts here contact {there}.", grouped(known.inside_hosts)),
        false => format!(
            "{} of {all} hosts here contact the site of {there}.",
            grouped(known.site_hosts)
        ),
    })
}

fn rare(scene: &Scene<'_>, there: &str) -> String {
    if scene.collected.inside_hosts < u64::from(PREVALENCE_HOSTS_MIN) {
        return format!(
            "{} in the input: too few to say whether {there} is usual.",
            counted(scene.collected.inside_hosts, "inside host", "inside hosts"),
        );
    }
    format!("Hardly anybody else here contacts {there}.")
}

fn look_up(destination: &str) -> Option<ActionEntry> {
    let sentence = format!("Ask what others know: flowlore lookup {destination}");
    Some(ActionEntry { code: "look_up_destination", target: destination.to_owned(), sentence })
}

fn check_sensor(scene: &Scene<'_>) -> Option<ActionEntry> {
    let host = scene.alert.host.to_string();
    let sentence = format!("Check whether the sensor sees {host}, and name its other logs.");
    Some(ActionEntry { code: "check_sensor", target: host, sentence })
}

/// Where the window itself is half blind, each a sentence.
fn blind_spots(scene: &Scene<'_>) -> Vec<String> {
    let mut limits = Vec::new();
    let span = scene.span;
    let hour_us = 3_600 * MICROS_PER_SECOND;
    let empty = scene.report.coverage.empty_hours.iter();
    let empty = empty.filter(|hour| span.holds(hour.0, hour.0 + hour_us - 1)).count();
    if empty > 0 {
        limits.push(format!(
            "The window has {} without a record.",
            counted(empty as u64, "hour", "hours")
        ));
    }
    let tcp: Vec<_> =
        scene.flows.iter().map(|kept| &kept.flow).filter(|flow| flow.transport == 6).collect();
    let one_sided = tcp.iter().filter(|flow| crate::coverage::is_one_sided(flow)).count();
    if tcp.len() >= ONE_SIDED_FLOWS_MIN && one_sided * 1_000 > tcp.len() * ONE_SIDED_PERMILLE {
        limits.push(format!(
            "Of {one_sided} of the host's {} TCP flows only one side was seen.",
            tcp.len()
        ));
    }
    let input = &scene.report.input;
    let at = scene.alert.at;
    if input.first.is_some_and(|first| at.seconds() < first.seconds())
        || input.last.is_some_and(|last| at.seconds() > last.seconds())
    {
        limits.push("The alert lies outside of the time that the input covers.".to_owned());
    }
    limits
}

/// What the window does not show though it is not blind, each a sentence.
pub(crate) fn edges(scene: &Scene<'_>) -> Vec<String> {
    let input = &scene.report.input;
    let mut limits = Vec::new();
    if input.first.is_some_and(|first| scene.span.from() < first) {
        limits
            .push("The input begins within the window: what came before is not known.".to_owned());
    }
    if input.last.is_some_and(|last| scene.span.to() > last) {
        limits.push("The input ends within the window.".to_owned());
    }
    limits
}

//! A hit in its surroundings: how grave, how sure, what to do.
//!
//! Two analysts must be able to predict the severity, so it is a table and not a sum: the band of the threat score,
//! then caps, each with a reason that the finding states. The table with the source of each row is in DETECTORS.md.

mod actions;

pub use actions::{Target, actions};

use flowlore_common::label::{Behaviour, Direction, Severity};

use crate::detect::{Evidence, Hit, Judged, Score, words};
use crate::pair::{Arrival, Group, Grouping, Surroundings};
use crate::score::{
    self, FAMILIAR_DAYS_MIN, HISTORY_DAYS_MIN, Modifiers, NEW_DAYS_MAX, PREVALENCE_HOSTS_MIN,
};

/// From so many inside hosts on an ordinary named service is taken for one that the org uses. [ours: a vendor's agent
/// is on many machines at once; an intruder's on one or two for days, and a fifth machine comes after other signs]
pub(crate) const SHARED_HOSTS_MIN: u32 = 5;

/// Ports of HTTP, HTTPS, DNS over TLS, mail over TLS, and push services. [IANA; 5228 to 5230 and 5223: the push services
/// of Google and Apple as these document them]
const ORDINARY_PORTS: [u16; 11] = [80, 443, 465, 587, 853, 993, 995, 5223, 5228, 5229, 5230];

/// DNS over TLS. [RFC 7858]
const DNS_OVER_TLS: u16 = 853;

/// How many of the inside hosts contact a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rarity {
    /// One inside host or at most 2 % of them; below ten inside hosts everything that the history does not know.
    Rare,
    /// Fewer than half of the inside hosts; below ten, what the history has known for a month.
    Uncommon,
    /// Half of the inside hosts or more.
    Common,
}

impl Rarity {
    /// That of a destination.
    #[must_use]
    pub fn of(around: &Surroundings) -> Self {
        let (hosts, all) = (u64::from(around.hosts_contacting), u64::from(around.inside_hosts));
        if around.inside_hosts < PREVALENCE_HOSTS_MIN {
            // A share of so few hosts says nothing. Time does, but less: an implant may be a month old too.
            let familiar = around.history_days >= HISTORY_DAYS_MIN
                && around.first_seen_days.is_some_and(|days| days >= FAMILIAR_DAYS_MIN);
            return if familiar { Self::Uncommon } else { Self::Rare };
        }
        if hosts <= 1 || hosts * 50 <= all {
            Self::Rare
        } else if hosts * 2 < all {
            Self::Uncommon
        } else {
            Self::Common
        }
    }
}

/// A severity, and what held it below the band of the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// By the table.
    pub severity: Severity,
    /// Whether something harmless explains it as well.
    pub explained: bool,
    /// Why it is not the band of the score, if it is not; reads after "held at".
    pub reason: Option<&'static str>,
}

/// The severity of a group's behaviour with this threat score: the severity table.
#[must_use]
pub fn rule(
    behaviour: Behaviour,
    threat_milli: u16,
    group: &Group<'_>,
    around: &Surroundings,
) -> Ruling {
    use Severity::{Info, Low, Medium};
    let severity = score::band(threat_milli);
    let mut ruling = Ruling { severity, explained: false, reason: None };
    if behaviour == Behaviour::BruteForceLogin {
        ruling.cap(true, Medium, "attempts alone");
        ruling.cap(group.direction == Direction::Inbound, Low, "what every open server sees");
        return ruling.of_asset(around);
    }
    if matches!(
        behaviour,
        Behaviour::LoginFailuresThenSuccess
            | Behaviour::LateralMovement
            | Behaviour::SshSuccessInferred
    ) {
        return ruling.of_asset(around); // who else logs on there says nothing
    }
    if behaviour == Behaviour::ReconnectStorm {
        ruling.cap(true, Medium, "attempts alone");
        ruling.cap(group.direction == Direction::Internal, Low, "a server inside that is down");
        return ruling.of_asset(around);
    }
    if is_scan(behaviour) {
        ruling.cap(true, Medium, "a scan alone");
        ruling.cap(around.weak_evidence, Low, "answers may have been missed");
        // Peers are many hosts, each on a port of its own.
        let to_peers = (group.transport == 17 || behaviour == Behaviour::SynScan)
            && group.direction != Direction::Internal;
        ruling.explain(to_peers, Low, "peer-to-peer programs try outside hosts like that");
        return ruling.of_asset(around);
    }
    if is_dns_hint(behaviour) {
        // Not up for a critical host either: what is asked of it is to be looked at, no more.
        ruling.cap(true, Low, "a hint alone");
        return ruling;
    }
    if behaviour.kind() != "threat" {
        let settled = around.arrival == Arrival::Settled;
        ruling.cap(settled, Info, "here since the history began or for a month");
        let shared = around.hosts_contacting >= SHARED_HOSTS_MIN;
        ruling.cap(shared, Info, "other hosts here use it too");
        return ruling;
    }
    let rarity = Rarity::of(around);
    ruling.cap(rarity == Rarity::Common, Info, "common here");
    let shared = rarity == Rarity::Uncommon && around.hosts_contacting >= SHARED_HOSTS_MIN;
    let known = around.arrival != Arrival::New;
    if is_phishing(behaviour) {
        // A few who fell for one mail are no reason to look away.
        let usual = shared && known;
        ruling.cap(usual, Low, "other hosts here use it too");
        return ruling.of_asset(around).of_evidence(around);
    }
    ruling.cap(rarity == Rarity::Uncommon, Medium, "not rare here");
    let ordinary = is_ordinary(group);
    let service = is_c2(behaviour) && (ordinary || may_be_ordinary(group, around));
    ruling.explain(
        service && shared && known,
        Low,
        "an ordinary service that other hosts here use too",
    );
    let inward = matches!(group.direction, Direction::Inbound | Direction::Internal);
    ruling.cap(is_c2(behaviour) && inward, Medium, "not from inside to outside");
    ruling.cap(
        service && around.arrival == Arrival::Unknown,
        Medium,
        "an ordinary service, and no history to show that it is new",
    );
    // A download before it would be a second sign.
    ruling.cap(
        service && around.arrival == Arrival::New && behaviour.is_c2(),
        Medium,
        "an ordinary service, and nothing against it but that it is new",
    );
    ruling.explain(
        service && around.arrival == Arrival::Settled,
        Low,
        "an ordinary service, here since the history began or for a month",
    );
    ruling.explain(
        behaviour == Behaviour::MaliciousDownload && ordinary && known,
        Low,
        "from an ordinary service",
    );
    ruling.explain(
        matches!(behaviour, Behaviour::MaliciousDownload | Behaviour::ExfilVolume)
            && shared
            && ordinary
            && known,
        Info,
        "an ordinary service that other hosts here use too",
    );
    ruling.explain(
        matches!(
            behaviour,
            Behaviour::InteractiveC2Channel | Behaviour::LongConnection | Behaviour::ExfilVolume
        ) && shared
            && known,
        Low,
        "other hosts here talk to it too",
    );
    let resolver = group.transport == 6 && group.port == DNS_OVER_TLS;
    ruling.explain(
        is_c2(behaviour) && service && resolver,
        Low,
        "resolvers are asked all the time",
    );
    ruling.explain(
        behaviour == Behaviour::ExfilVolume && around.arrival == Arrival::Settled,
        Low,
        "here since the history began or for a month",
    );
    let giving = behaviour == Behaviour::ExfilPcrShift;
    ruling.cap(giving, Low, "a direction alone");
    ruling.explain(giving && shared && known, Info, "other hosts here give to it too");
    let odd = behaviour == Behaviour::PortProtocolMismatch;
    ruling.cap(odd, Medium, "a protocol alone");
    let knocks = group.direction == Direction::Inbound && group.totals.bytes_in == 0;
    ruling.cap(is_c2(behaviour) && knocks, Info, "a probe that got no data");
    let long = behaviour == Behaviour::LongConnection;
    ruling.cap(long, Medium, "duration alone");
    let settled = around.arrival == Arrival::Settled;
    ruling.explain(long && settled, Low, "here since the history began or for a month");
    let explained = group.host.is_some() || may_be_ordinary(group, around);
    ruling.explain(
        long && explained && known,
        Low,
        "duration alone, and nothing odd about where it goes",
    );
    let visit = group.direction == Direction::Inbound;
    ruling.explain(long && visit, Low, "a visitor that stays");
    ruling.of_asset(around).of_evidence(around)
}

impl Ruling {
    /// One step up when the host matters much.
    fn of_asset(self, around: &Surroundings) -> Self {
        let severity = match self.severity {
            _ if !around.critical_asset => return self,
            Severity::Info | Severity::Critical => return self,
            Severity::Low => Severity::Medium,
            Severity::Medium => Severity::High,
            Severity::High => Severity::Critical,
        };
        Self { severity, reason: Some("a critical host, one step up"), ..self }
    }

    /// Held below what thin evidence cannot carry.
    fn of_evidence(mut self, around: &Surroundings) -> Self {
        self.cap(around.weak_evidence, Severity::High, "sampled or one-sided evidence");
        self.cap(around.history_days < HISTORY_DAYS_MIN, Severity::High, "no history");
        self
    }

    fn cap(&mut self, applies: bool, at_most: Severity, reason: &'static str) {
        if applies && self.severity > at_most {
            (self.severity, self.reason) = (at_most, Some(reason));
        }
    }

    /// As `cap`, for a reason to think that it is something else, which counts whether or not it lowers anything.
    fn explain(&mut self, applies: bool, at_most: Severity, reason: &'static str) {
        self.cap(applies, at_most, reason);
        self.explained |= applies;
    }
}

/// Whether how rare a destination is plays no part: those of attacks are victims, those of habits are beside the point.
fn says_nothing_of_destination(behaviour: Behaviour) -> bool {
    behaviour.blames_source() || behaviour.kind() != "threat"
}

/// Command and control, also when a download came first.
const fn is_c2(behaviour: Behaviour) -> bool {
    behaviour.is_c2() || matches!(behaviour, Behaviour::DownloadThenC2)
}

/// What DNS shows beside a channel: each a hint, which alone is no more than low.
pub(crate) const fn is_dns_hint(behaviour: Behaviour) -> bool {
    matches!(
        behaviour,
        Behaviour::DnsTunnelOversize
            | Behaviour::DnsTunnelSession
            | Behaviour::DnsTxtHighEntropy
            | Behaviour::DnsOddQtype
            | Behaviour::DgaNxdomain
            | Behaviour::DnsRebindingAnswer
    )
}

/// What is judged by its grade, which no modifier moves.
const fn is_phishing(behaviour: Behaviour) -> bool {
    matches!(behaviour, Behaviour::PhishingPageVisit | Behaviour::PhishingSubmission)
}

/// Behaviours towards many destinations or ports at once.
pub(crate) const fn is_scan(behaviour: Behaviour) -> bool {
    matches!(
        behaviour,
        Behaviour::HorizontalScan
            | Behaviour::VerticalScan
            | Behaviour::SynScan
            | Behaviour::IcmpSweep
    )
}

/// A service that the client asks for by name, over TLS or HTTP, on a port where browsers, mail programs and agents
/// speak them, and that answers. Most of what is periodic in a network is one of these, so it takes a history that has
/// not seen it before to call one grave. A rare client signature does not count against it here: every agent has one of
/// its own.
pub(crate) fn is_ordinary(group: &Group<'_>) -> bool {
    let hints = &group.hints;
    matches!(group.grouping, Grouping::Name | Grouping::Proxied)
        && (hints.tls > 0 || hints.http > 0)
        && hints.client_named >= group.totals.flows.div_ceil(2)
        && (group.grouping == Grouping::Proxied || ORDINARY_PORTS.contains(&group.port))
        && !hints.lacks_host_header()
        && hints.mime_mismatch == 0
        && group.totals.unanswered < group.totals.flows
}

/// What would be ordinary if a log could name it, and no log of the input could: by its port, and it answers. Where the
/// sensor sees openings and recognises protocols elsewhere, it has to recognise one here too.
fn may_be_ordinary(group: &Group<'_>, around: &Surroundings) -> bool {
    let strange = group.hints.sessions.as_ref().is_some_and(|sessions| sessions.unrecognised);
    around.nothing_named
        && ORDINARY_PORTS.contains(&group.port)
        && group.totals.unanswered < group.totals.flows
        && !strange
}

/// A score in its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// What moved the score.
    pub modifiers: Modifiers,
    /// Threat score after modifiers, thousandths, 0 to 1000.
    pub threat_milli: u16,
    /// The severity and what held it.
    pub ruling: Ruling,
    /// 0 to 100: see [`confidence`].
    pub confidence: u8,
}

/// Weighs a score. Of `group` neither contacts nor sums of bytes are read. A severity of `info` means that there is
/// nothing to report.
#[must_use]
pub fn weigh(score: Score, group: &Group<'_>, around: &Surroundings) -> Weighed {
    // How rare victims are says nothing.
    let modifiers = if says_nothing_of_destination(score.behaviour) || is_phishing(score.behaviour)
    {
        Modifiers::default()
    } else {
        Modifiers::of(group, around)
    };
    let threat_milli = score::threat(score.base_milli, &modifiers);
    let ruling = rule(score.behaviour, threat_milli, group, around);
    let confidence = confidence(threat_milli, ruling.explained, group, around);
    Weighed { modifiers, threat_milli, ruling, confidence }
}

/// [`weigh`] with the sentences and actions that follow.
///
/// Everything of `group` is read but its contacts, which a caller may have let go by now.
#[must_use]
pub fn judge(mut hit: Hit, group: &Group<'_>, around: &Surroundings) -> Judged {
    let Weighed { modifiers, threat_milli, ruling, confidence } = weigh(hit.score(), group, around);
    if !says_nothing_of_destination(hit.behaviour) {
        prevalence(around, &mut hit);
        first_seen(around, &mut hit);
        signs(group, &modifiers, &mut hit);
    }
    hit.scores.push(("threat_milli", threat_milli));
    hit.evidence.push(Evidence::supporting(
        "threat",
        f64::from(threat_milli) / 1000.0,
        "score",
        composition(hit.base_milli, &modifiers, threat_milli, ruling),
    ));
    if around.weak_evidence {
        hit.limits.push("Sampled or one-sided records: counts and sizes are estimates.".to_owned());
    }
    let target = Target {
        behaviour: hit.behaviour,
        source: group.source,
        address: group.address,
        host: group.host,
        direction: group.direction,
    };
    let actions = actions(ruling.severity, &target);
    Judged { hit, threat_milli, severity: ruling.severity, confidence, actions }
}

/// How sure we are that this is what its behaviour says, 0 to 100.
///
/// 30 for having passed the detector's gate; up to 50 by the threat score; 10 when at least ten inside hosts were
/// there to show that the destination is rare; 5 for a history to compare with; 10 off when nothing ever came back,
/// 10 off for sampled or one-sided evidence, and 30 off when something harmless explains it as well
/// (a row of the severity table that says so). Kept within 5 to 95: flows alone never prove it. [ours: a starting
/// point, to be calibrated against labelled data]
#[must_use]
pub fn confidence(
    threat_milli: u16,
    explained: bool,
    group: &Group<'_>,
    around: &Surroundings,
) -> u8 {
    let points = |holds: bool, points: i32| if holds { points } else { 0 };
    let shown_rare =
        around.inside_hosts >= PREVALENCE_HOSTS_MIN && Rarity::of(around) == Rarity::Rare;
    let unanswered = group.totals.flows > 0 && group.totals.unanswered == group.totals.flows;
    let sum = 30
        + i32::from(threat_milli) / 20
        + points(shown_rare, 10)
        + points(around.history_days >= HISTORY_DAYS_MIN, 5)
        + points(unanswered, -10)
        + points(around.weak_evidence, -10)
        + points(explained, -30);
    u8::try_from(sum.clamp(5, 95)).expect("clamped to 5..=95")
}

/// Who else contacts it.
fn prevalence(around: &Surroundings, hit: &mut Hit) {
    let (hosts, all) = (u64::from(around.hosts_contacting), u64::from(around.inside_hosts));
    if around.inside_hosts < PREVALENCE_HOSTS_MIN {
        hit.limits.push(format!(
            "{} in the data: too few ({PREVALENCE_HOSTS_MIN} needed) to say how common the \
             destination is.",
            words::counted(all, "inside host", "inside hosts")
        ));
        return;
    }
    if hosts == 0 {
        return; // the destination is inside: no inside host went out to it
    }
    let verb = if hosts == 1 { "contacts" } else { "contact" };
    let count = format!("{} of {} hosts {verb} it", words::grouped(hosts), words::grouped(all));
    let (supports, sentence) = match Rarity::of(around) {
        Rarity::Rare => (true, format!("{count}.")),
        Rarity::Uncommon => (false, format!("{count}: uncommon here, not rare.")),
        Rarity::Common => (false, format!("{count}: common here.")),
    };
    let value = hosts as f64;
    hit.evidence.push(Evidence {
        measure: "hosts_contacting",
        value,
        unit: "hosts",
        threshold: None,
        supports,
        sentence,
    });
}

/// Since when it is known here.
fn first_seen(around: &Surroundings, hit: &mut Hit) {
    if around.history_days < HISTORY_DAYS_MIN {
        hit.limits.push(format!(
            "{} of history ({HISTORY_DAYS_MIN} needed): \"first seen\" not used.",
            words::counted(u64::from(around.history_days), "day", "days")
        ));
        return;
    }
    let Some(days) = around.first_seen_days else { return };
    let ago = words::counted(u64::from(days), "day", "days");
    let value = f64::from(days);
    if days <= NEW_DAYS_MAX {
        let sentence = format!("First seen here {ago} ago.");
        hit.evidence.push(
            Evidence::supporting("first_seen", value, "days", sentence)
                .threshold(f64::from(NEW_DAYS_MAX)),
        );
    } else if days >= FAMILIAR_DAYS_MIN {
        let sentence = format!("Known here for {ago}.");
        hit.evidence.push(
            Evidence::against("first_seen", value, "days", sentence)
                .threshold(f64::from(FAMILIAR_DAYS_MIN)),
        );
    }
}

/// What application logs add.
fn signs(group: &Group<'_>, modifiers: &Modifiers, hit: &mut Hit) {
    let hints = &group.hints;
    if modifiers.missing_host_milli != 0 {
        hit.evidence.push(Evidence::supporting(
            "missing_host_header",
            hints.missing_host_header as f64,
            "flows",
            format!(
                "{} without a Host header: no browser does that.",
                words::counted(hints.missing_host_header, "HTTP request", "HTTP requests")
            ),
        ));
    }
    if modifiers.rare_signature_milli != 0 {
        hit.evidence.push(Evidence::supporting(
            "rare_signature",
            1.0,
            "destinations",
            "The client's signature was used by this source for this destination only.".to_owned(),
        ));
    }
    if modifiers.mime_mismatch_milli != 0 {
        hit.evidence.push(Evidence::supporting(
            "mime_mismatch",
            hints.mime_mismatch as f64,
            "flows",
            format!(
                "{} of another type than the path's extension says.",
                words::counted(hints.mime_mismatch, "answer", "answers")
            ),
        ));
    }
}

/// How the threat score came about, and the severity from it.
fn composition(base: u16, modifiers: &Modifiers, threat: u16, ruling: Ruling) -> String {
    let named = [
        (modifiers.prevalence_milli.unwrap_or(0), "prevalence"),
        (modifiers.first_seen_milli.unwrap_or(0), "first seen"),
        (modifiers.missing_host_milli, "a missing Host header"),
        (modifiers.rare_signature_milli, "a rare signature"),
        (modifiers.mime_mismatch_milli, "a wrong type"),
    ];
    let mut sentence = format!("Threat score {}", words::milli(threat));
    let mut separator = format!(" ({}", words::milli(base));
    for (milli, name) in named.into_iter().filter(|(milli, _)| *milli != 0) {
        sentence.push_str(&separator);
        sentence.push_str(&format!(", {} for {name}", words::signed_milli(milli)));
        separator.clear();
    }
    if separator.is_empty() {
        sentence.push(')');
    }
    if let Some(reason) = ruling.reason {
        sentence.push_str(&format!(", held at {}: {reason}", ruling.severity));
    }
    sentence.push('.');
    sentence
}

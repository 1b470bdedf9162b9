//! What part a destination has in a window, and how much about it asks for a second look: NetworkSage's inference
//! scores, on flows alone. They order what is told and break ties; findings decide.

use flowlore_common::{label::Category, suffixes::Suffixes, time::MICROS_PER_SECOND};

use super::{
    groups::{Group, Load, Thread},
    watch::{Kept, Place},
};

/// Ports that are common [NetworkSage].
const COMMON_PORTS: [u16; 5] = [443, 53, 80, 22, 3389];
/// Bytes from which a channel that is used as needed carries something [NetworkSage].
const CHANNEL_BYTES_MIN: u64 = 1_024;
/// Bytes up to which it is dormant [NetworkSage].
const DORMANT_BYTES_MAX: u64 = 50;
/// A mebibyte, either way [NetworkSage].
const MUCH_BYTES: u64 = 1 << 20;
/// Bytes of a long session that fetched very much [NetworkSage].
const LONG_SESSION_BYTES: u64 = 100_000_000;
/// Small uploads within one bucket of five seconds [NetworkSage].
const UPLOADS_MIN: usize = 3;
const UPLOADS_BUCKET_US: i64 = 5 * MICROS_PER_SECOND;
/// Flows without a category of their own [NetworkSage].
const UNCLASSIFIED_MIN: usize = 5;
/// Time that a page is open before it counts as used, microseconds [NetworkSage].
const ACTIVE_US: i64 = 15 * MICROS_PER_SECOND;
/// Whom Chrome asks what a form's fields are, once it shows one [NetworkSage].
const AUTOFILL: &str = "content-autofill.googleapis.com";
/// How long after a page such a look at a form is taken for that of the page, microseconds: the longest time in which
/// a person fills a form [the design's gap for submissions].
const AUTOFILL_US: i64 = 300 * MICROS_PER_SECOND;

/// From this sum on a destination asks for a second look [NetworkSage's second band].
pub(crate) const NOTABLE: i32 = 5;
/// From this sum on it is suspicious unless something explains it [NetworkSage's third band].
pub(crate) const STRONG: i32 = 10;

/// What is said of a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) role: &'static str,
    /// What adds to the sum, and how much.
    pub(crate) points: Vec<(&'static str, i32)>,
}

impl Part {
    pub(crate) fn sum(&self) -> i32 {
        self.points.iter().map(|point| point.1).sum()
    }
}

/// What stands around a thread.
pub(crate) struct Given<'a> {
    pub(crate) flows: &'a [Kept],
    pub(crate) threads: &'a [Thread],
    pub(crate) groups: &'a [Group],
    pub(crate) loads: &'a [Load],
}

/// The part of each thread.
pub(crate) fn parts(given: &Given<'_>) -> Vec<Part> {
    let mut sessions = vec![0_usize; given.threads.len()];
    given.groups.iter().for_each(|group| sessions[group.thread] += 1);
    let mut pages = vec![false; given.threads.len()];
    let mut resources = vec![false; given.threads.len()];
    let mut loading = vec![false; given.flows.len()];
    for load in given.loads {
        pages[load.page] = true;
        load.flows.iter().for_each(|&at| loading[at] = true);
    }
    for (number, thread) in given.threads.iter().enumerate() {
        resources[number] = !pages[number] && thread.flows.iter().any(|&at| loading[at]);
    }
    let forms: Vec<i64> = given
        .threads
        .iter()
        .filter(|thread| thread.spot.place.name() == Some(AUTOFILL))
        .flat_map(|thread| thread.flows.iter().map(|&at| given.flows[at].flow.start_us))
        .collect();
    let part = |(number, thread): (usize, &Thread)| {
        let (page, resource) = (pages[number], resources[number]);
        let form =
            page && forms.iter().any(|at| (0..AUTOFILL_US).contains(&(at - thread.first_us)));
        let mut part = Part { role: role(given, thread, page, resource), points: Vec::new() };
        if !thread.spot.incoming && !thread.is_local() {
            part.points = points(given, thread, sessions[number]);
            let let_to_all =
                thread.spot.place.name().is_some_and(|name| Suffixes::shipped().is_let(name));
            let mut add =
                |holds: bool, name, points| part.points.extend(holds.then_some((name, points)));
            add(page, "page", 3);
            add(let_to_all && page, "page_on_trusted_hosting", 5);
            add(let_to_all && resource, "resource_on_trusted_hosting", 2);
            add(form, "form_near_page", 1);
            add(page && thread.last_us - thread.first_us > ACTIVE_US, "page_in_use", 3);
        }
        part
    };
    given.threads.iter().enumerate().map(part).collect()
}

fn role(given: &Given<'_>, thread: &Thread, page: bool, resource: bool) -> &'static str {
    let received = |&at: &usize| given.flows[at].received.is_some();
    match () {
        () if thread.naming => "name_server",
        () if thread.spot.incoming && thread.bytes_in == 0 => "prober",
        () if thread.spot.incoming => "visitor",
        () if thread.answered == 0 => "silent",
        () if thread.flows.iter().any(received) => "download",
        () if page => "page",
        () if resource => "resource",
        () => "other",
    }
}

/// What flows alone add.
fn points(given: &Given<'_>, thread: &Thread, sessions: usize) -> Vec<(&'static str, i32)> {
    let kept = || thread.flows.iter().map(|&at| &given.flows[at]);
    let channel = |kept: &Kept, bytes: fn(u64) -> bool| {
        kept.category == Category::AsNeededChannel
            && bytes(kept.flow.orig_bytes.max(kept.flow.resp_bytes))
    };
    let uploads: Vec<i64> = kept()
        .filter(|one| one.category == Category::SmallUpload)
        .map(|one| one.flow.start_us.div_euclid(UPLOADS_BUCKET_US))
        .collect();
    let unclassified = kept().filter(|one| one.category == Category::Unclassified).count();
    let long = kept().any(|one| {
        one.category == Category::MajorDataDownloadedViaLongSession
            && one.flow.resp_bytes >= LONG_SESSION_BYTES
    });
    let naming = thread.spot.port == 53;
    let address = matches!(thread.spot.place, Place::Address(_));
    let all = [
        (kept().any(|one| channel(one, |bytes| bytes >= CHANNEL_BYTES_MIN)), "channel_in_use", 2),
        (
            kept().any(|one| channel(one, |bytes| bytes <= DORMANT_BYTES_MAX)),
            "dormant_channel",
            -10,
        ),
        (sessions >= 2, "sessions", 3),
        (sessions >= 5, "many_sessions", 3),
        (address, "bare_address", 1),
        (!COMMON_PORTS.contains(&thread.spot.port), "uncommon_port", 1),
        (
            uploads.chunk_by(|a, b| a == b).any(|run| run.len() >= UPLOADS_MIN),
            "burst_of_uploads",
            3,
        ),
        (unclassified >= UNCLASSIFIED_MIN, "unclassified_flows", 1),
        (thread.bytes_out >= MUCH_BYTES, "much_sent", 5),
        (thread.bytes_in >= MUCH_BYTES, "much_received", 3),
        (
            kept().any(|one| one.category == Category::MajorContentDownloadedQuickly),
            "much_received_quickly",
            5,
        ),
        (long, "very_much_received", 1),
        (naming && kept().any(|one| one.category != Category::DnsQuery), "more_than_look_ups", 1),
    ];
    all.into_iter().filter(|one| one.0).map(|(_, name, points)| (name, points)).collect()
}

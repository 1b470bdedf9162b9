//! What was sent after a page.

use super::{
    UDP,
    client::{Client, Site, TOGETHER_US},
};
use crate::{
    detect::{
        phishing_page_visit::Visit,
        phishing_submission::{
            AGAIN_US_MAX, AGAIN_US_MIN, COLLECTOR_BYTES_MAX, ONWARD_US_MAX, QUIC_HELLO_BYTES, Sent,
            Submission, TOGETHER_US_MAX, TYPING_US_MAX, TYPING_US_MIN,
        },
    },
    flow::{Flow, service},
    places::BrandId,
};

/// A page as it was visited.
pub(super) struct Page<'a> {
    pub(super) site: Site<'a>,
    pub(super) first_us: i64,
    /// Start of the last flow of its load.
    pub(super) load_us: i64,
    /// All of the visit's flows to it.
    pub(super) flows: &'a [u32],
    /// The brand that it imitates, as far as is known.
    pub(super) brand: Option<BrandId>,
}

/// What was sent after a page, and the flow of the first try: the gravest, of equals the first.
pub(super) fn find(
    client: &Client<'_>,
    page: &Page<'_>,
    hello: u64,
    visit: &Visit,
) -> Option<(Sent, u32)> {
    let from_us = page.first_us.saturating_add(TYPING_US_MIN).max(page.load_us.saturating_add(1));
    let window = client.between(from_us, page.first_us.saturating_add(TYPING_US_MAX));
    let mut tried: Vec<Vec<u32>> = Vec::new();
    for &at in window.iter().filter(|at| may_be_sending(client, page, **at)) {
        let same = |tries: &&mut Vec<u32>| client.site(tries[0]) == client.site(at);
        match tried.iter_mut().find(same) {
            Some(tries) => tries.push(at),
            None => tried.push(vec![at]),
        }
    }
    let sent = tried.into_iter().filter_map(|tries| {
        let at = *tries.first()?;
        Some((sent(client, page, &tries, hello)?.graded(visit)?, at))
    });
    // The last of equals is taken: so the first in time.
    sent.rev().max_by_key(|(sent, _)| sent.grade)
}

/// Whether a flow may carry a form: to the page's own site anew, or to a place that is new, nobody's that is known, gives
/// little and is called for alone.
fn may_be_sending(client: &Client<'_>, page: &Page<'_>, at: u32) -> bool {
    let flow = client.flow(at);
    if !client.is_browsed(at) || flow.orig_bytes == 0 || flow.resp_bytes >= COLLECTOR_BYTES_MAX {
        return false;
    }
    if client.site(at) == page.site {
        return true;
    }
    // Without a name it may be anyone's, a known service's, too; what is in clear would have shown a name.
    let is_anybodys = match client.info(at) {
        Some(info) => info.is_anybodys(),
        None => is_in_clear(flow),
    };
    is_anybodys
        && is_new(client, page, at)
        && client.span(at).is_some_and(|span| span.largest_in < COLLECTOR_BYTES_MAX)
        && is_alone(client, at)
}

/// Whether the source went there first after the page, and no more once it was over.
fn is_new(client: &Client<'_>, page: &Page<'_>, at: u32) -> bool {
    let until_us = page.first_us.saturating_add(2 * TYPING_US_MAX);
    client.span(at).is_some_and(|span| {
        span.first_us >= page.first_us.saturating_add(TYPING_US_MIN) && span.last_us <= until_us
    })
}

/// Whether nothing else was called for, for the first time, at the same moment, as parts of a page are.
fn is_alone(client: &Client<'_>, at: u32) -> bool {
    let start_us = client.flow(at).start_us;
    let near =
        client.between(start_us.saturating_sub(TOGETHER_US), start_us.saturating_add(TOGETHER_US));
    !near.iter().any(|&other| {
        let first = || client.span(other).map(|span| span.first_us);
        client.is_browsed(other)
            && client.site(other) != client.site(at)
            && client.info(other).is_none_or(super::Info::is_anybodys)
            && first() == Some(client.flow(other).start_us)
    })
}

fn sent(client: &Client<'_>, page: &Page<'_>, tries: &[u32], hello: u64) -> Option<Sent> {
    let (&at, &last) = (tries.first()?, tries.last()?);
    let first_us = client.flow(at).start_us;
    let beyond = |at: u32| beyond_hello(client.flow(at), hello);
    // Of equals the first.
    let most = tries.iter().rev().copied().max_by_key(|&at| beyond(at))?;
    let ends: Vec<i64> = page.flows.iter().map(|at| client.flow(*at).end_us()).collect();
    let together = |at: &u32| {
        let end_us = client.flow(*at).end_us();
        !page.flows.contains(at) && ends.iter().any(|end| end.abs_diff(end_us) <= TOGETHER_US_MAX)
    };
    let after = |at: &u32| client.flow(*at).start_us - first_us;
    let again = |us: &i64| (AGAIN_US_MIN..=AGAIN_US_MAX).contains(us);
    Some(Sent {
        grade: Submission::Attempted,
        to: client.called(at),
        here: client.site(at) == page.site,
        gap_us: first_us.abs_diff(page.first_us),
        tries: tries.len() as u64,
        again_us: tries.iter().map(after).find(again).and_then(|us| u64::try_from(us).ok()),
        bytes_out: client.flow(most).orig_bytes,
        beyond: beyond(most),
        bytes_in: client.flow(most).resp_bytes,
        together: tries.iter().any(together),
        posted: tries.iter().any(|at| client.posted(*at)),
        onward_us: onward(client, page, last),
    })
}

fn is_in_clear(flow: &Flow) -> bool {
    flow.services & (service::TLS | service::HTTP) == service::HTTP
}

/// Payload that is no hello, bytes.
fn beyond_hello(flow: &Flow, hello: u64) -> u64 {
    let hello = match flow.transport {
        UDP => QUIC_HELLO_BYTES,
        _ if is_in_clear(flow) => 0,
        _ => hello,
    };
    flow.orig_bytes.saturating_sub(hello)
}

/// From the last try to the first flow to the brand's own sites.
fn onward(client: &Client<'_>, page: &Page<'_>, last: u32) -> Option<u64> {
    let brand = page.brand?;
    let from_us = client.flow(last).start_us;
    let after = client.between(from_us, from_us.saturating_add(ONWARD_US_MAX));
    let to_brand = |at: &&u32| client.info(**at).is_some_and(|info| info.brand == Some(brand));
    let at = after.iter().find(to_brand)?;
    u64::try_from(client.flow(*at).start_us - from_us).ok()
}

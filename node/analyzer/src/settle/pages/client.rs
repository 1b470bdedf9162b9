//! A source's flows in the order of time, and the pages among them.

use flowlore_common::label::Direction;
use hashbrown::HashMap;

use super::{Found, Info, VISIT_US, VISITS_MAX, is_web, sends};
use crate::{
    detect::phishing_page_visit::{MAIL_US_MAX, PAGE_BYTES_MIN, Visit},
    flow::{Flow, service},
    packed::Addr,
    places::{Kind, Lure, Places},
    settle::bucket::{Asked, Bucket, NO_NAME},
};

/// Flows of a load start within this time of each other, microseconds. [NetworkSage]
pub(super) const TOGETHER_US: i64 = 2_000_000;
/// Longest load, microseconds: what starts later belongs to what a person does. [ours: pages finish within some seconds;
/// without an end other pages would go on with it]
const LOAD_US_MAX: i64 = 10_000_000;
/// How long after a page form filling is looked up, microseconds. [ours: the public case took 2 s]
const AUTOFILL_US_MAX: i64 = 30_000_000;
/// Ports of mail: POP3, IMAP, both over TLS; submission. [IANA]
const MAIL_PORTS: [u16; 6] = [110, 143, 465, 587, 993, 995];

/// Where a flow went: what one owner has of its name, or its address.
pub(super) type Site<'a> = (&'a str, Addr);

/// All contacts with a site.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) first_us: i64,
    /// Start of the last.
    pub(super) last_us: i64,
    /// Most that one flow brought, bytes.
    pub(super) largest_in: u64,
}

/// A source.
pub(super) struct Client<'a> {
    bucket: &'a Bucket,
    /// In the order of time.
    flows: &'a [u32],
    infos: &'a HashMap<u32, Info<'a>>,
    sites: HashMap<Site<'a>, Span>,
    /// Flows of mail and chat.
    mail: Vec<u32>,
    /// Its look-ups, in the order of time. A machine with two addresses asks from one and goes there from the other.
    asked: &'a [&'a Asked],
}

impl<'a> Client<'a> {
    pub(super) fn new(
        bucket: &'a Bucket,
        flows: &'a [u32],
        asked: &'a [&'a Asked],
        infos: &'a HashMap<u32, Info<'a>>,
    ) -> Self {
        let (sites, mail) = (HashMap::new(), Vec::new());
        let mut client = Self { bucket, flows, infos, sites, mail, asked };
        let mail = flows.iter().copied().filter(|at| client.is_mail(*at)).collect();
        client.mail = mail;
        for &at in flows {
            if !client.is_outbound(at) {
                continue;
            }
            let (flow, site) = (client.flow(at), client.site(at));
            let span = client.sites.entry(site).or_insert(Span {
                first_us: flow.start_us,
                last_us: flow.start_us,
                largest_in: 0,
            });
            span.last_us = flow.start_us;
            span.largest_in = span.largest_in.max(flow.resp_bytes);
        }
        client
    }

    pub(super) fn flow(&self, at: u32) -> &'a Flow {
        &self.bucket.flows[at as usize]
    }

    fn name(&self, at: u32) -> u32 {
        self.bucket.marks[at as usize].name
    }

    fn is_outbound(&self, at: u32) -> bool {
        self.bucket.marks[at as usize].direction == Direction::Outbound
    }

    pub(super) fn is_browsed(&self, at: u32) -> bool {
        self.is_outbound(at) && is_web(self.flow(at))
    }

    /// What is known of the name of a flow.
    pub(super) fn info(&self, at: u32) -> Option<&'a Info<'a>> {
        self.infos.get(&self.name(at))
    }

    pub(super) fn site(&self, at: u32) -> Site<'a> {
        self.info(at).map_or(("", self.flow(at).resp), |info| (info.site, Addr::default()))
    }

    pub(super) fn span(&self, at: u32) -> Option<Span> {
        self.sites.get(&self.site(at)).copied()
    }

    /// As it is called: its name, else its address.
    pub(super) fn called(&self, at: u32) -> Box<str> {
        match self.name(at) {
            NO_NAME => self.flow(at).resp.to_string().into(),
            name => self.bucket.names[name as usize].clone(),
        }
    }

    /// Whether a request of a flow posted a body.
    pub(super) fn posted(&self, at: u32) -> bool {
        self.bucket.facts.get(&at).is_some_and(|facts| facts.posted)
    }

    fn is_mail(&self, at: u32) -> bool {
        let role = self.info(at).and_then(|info| info.role);
        matches!(role, Some(Kind::Mail | Kind::Chat))
            || MAIL_PORTS.contains(&self.flow(at).resp_port)
    }

    /// The flows that start in a stretch of time, both ends included.
    pub(super) fn between(&self, from_us: i64, to_us: i64) -> &'a [u32] {
        let before = |us: i64| self.flows.partition_point(|&at| self.flow(at).start_us < us);
        let (from, to) = (before(from_us), before(to_us.saturating_add(1)));
        self.flows.get(from..to).unwrap_or_default()
    }

    /// The look-ups in a stretch of time, both ends included, with what is known of their names.
    fn asked_between(
        &self,
        from_us: i64,
        to_us: i64,
    ) -> impl DoubleEndedIterator<Item = (&'a Asked, &'a Info<'a>)> {
        let before = |us: i64| self.asked.partition_point(|one| one.time_us < us);
        let (from, to) = (before(from_us), before(to_us.saturating_add(1)));
        let asked = self.asked.get(from..to).unwrap_or_default().iter();
        asked.filter_map(|one| Some((*one, self.infos.get(&one.name)?)))
    }

    /// The visit to a page that says most: of several the one after which most was sent, then the first.
    pub(super) fn visit(&self, flows: &[u32], lure: Lure, places: &Places) -> Option<Found> {
        let pages: Vec<u32> = flows.iter().copied().filter(|at| self.is_browsed(*at)).collect();
        let near = |a: &u32, b: &u32| self.flow(*b).start_us - self.flow(*a).start_us <= VISIT_US;
        if pages.chunk_by(near).count() > VISITS_MAX {
            return None;
        }
        let visits = pages.chunk_by(near).filter_map(|page| self.look(page, lure, places));
        let grade = |one: &Found| one.visit.sent.as_ref().map(|sent| sent.grade);
        // The last of equals is taken: so the first in time.
        visits.rev().max_by_key(grade)
    }

    fn look(&self, page: &[u32], lure: Lure, places: &Places) -> Option<Found> {
        let first_us = self.flow(*page.first()?).start_us;
        let load = self.load(first_us);
        let end_us = load.last().map_or(first_us, |&at| self.flow(at).start_us);
        let of_page = page.iter().filter(|at| self.flow(**at).start_us <= end_us);
        // Of equals the first.
        let most = of_page.rev().max_by_key(|at| self.flow(**at).resp_bytes)?;
        if self.flow(*most).resp_bytes < PAGE_BYTES_MIN {
            return None;
        }
        let is_resource = |info: &Info<'_>| {
            info.kind == Some(Kind::Logo)
                || info.resource.is_some()
                || info.kind.is_none() && info.brand.is_some() && info.brand == lure.brand
        };
        let loaded = load.iter().filter_map(|&at| Some((self.name(at), self.info(at)?)));
        let asked = self.asked_between(first_us, end_us.saturating_add(TOGETHER_US));
        let resource = loaded
            .chain(asked.map(|(one, info)| (one.name, info)))
            .find(|(_, info)| is_resource(info));
        let of_resource = resource.and_then(|(_, info)| info.resource);
        let brand = lure.brand.or(of_resource);
        let bytes = load.iter().map(|at| self.flow(*at).resp_bytes);
        let mut visit = Visit {
            page: self.called(*most),
            address: self.flow(*most).resp,
            lure,
            brand: brand.map(|id| places.brand_name(id).into()),
            resources: resource.map(|(name, _)| self.bucket.names[name as usize].clone()),
            opened: self.is_opened_by(first_us),
            first_us,
            load_flows: load.len() as u64,
            load_bytes: bytes.fold(0, u64::saturating_add),
            page_bytes: self.flow(*most).resp_bytes,
            autofill_us: self.autofill(first_us),
            mail: self.mail(first_us),
            sent: None,
        };
        if !visit.counts() {
            return None;
        }
        let page =
            sends::Page { site: self.site(*most), first_us, load_us: end_us, flows: page, brand };
        let sent = sends::find(self, &page, self.hello(&load), &visit);
        let collector = sent.as_ref().map(|(_, at)| *at);
        visit.sent = sent.map(|(sent, _)| Box::new(sent));
        Some(Found { visit, page: *most, collector })
    }

    /// The flows of a browser that start with a page or soon after one another.
    fn load(&self, first_us: i64) -> Vec<u32> {
        let mut last_us = first_us;
        let started = self.between(first_us, first_us.saturating_add(LOAD_US_MAX)).iter();
        let browsed = started.copied().filter(|at| self.is_browsed(*at));
        let near = browsed.take_while(|at| {
            let start_us = self.flow(*at).start_us;
            let near = start_us - last_us <= TOGETHER_US;
            last_us = start_us;
            near
        });
        near.collect()
    }

    /// Whether no other page began just before: what begins then is what the person went to.
    fn is_opened_by(&self, first_us: i64) -> bool {
        let before = self.between(first_us.saturating_sub(TOGETHER_US), first_us.saturating_sub(1));
        !before.iter().any(|&at| {
            self.is_browsed(at)
                && self.flow(at).resp_bytes >= PAGE_BYTES_MIN
                && self.info(at).is_some_and(Info::is_anybodys)
        })
    }

    fn autofill(&self, first_us: i64) -> Option<u64> {
        let until_us = first_us.saturating_add(AUTOFILL_US_MAX);
        let fills = |info: &Info<'_>| info.role == Some(Kind::Autofill);
        let called = self.between(first_us, until_us).iter().copied();
        let called = called.filter(|at| self.info(*at).is_some_and(fills));
        let called = called.map(|at| self.flow(at).start_us);
        let asked = self.asked_between(first_us, until_us).filter(|(_, info)| fills(info));
        let first = called.chain(asked.map(|(one, _)| one.time_us)).min()?;
        u64::try_from(first - first_us).ok()
    }

    /// The mail or chat in use just before: the one that was quiet for the shortest time; of equals the last begun, a
    /// connection before a look-up.
    fn mail(&self, first_us: i64) -> Option<(Box<str>, u64)> {
        let before = self.mail.partition_point(|&at| self.flow(at).start_us <= first_us);
        let before = self.mail.get(..before).unwrap_or_default().iter().rev();
        let used = before.map(|&at| (self.called(at), (first_us - self.flow(at).end_us()).max(0)));
        let asked = self.asked_between(first_us.saturating_sub(MAIL_US_MAX), first_us).rev();
        let asked = asked
            .filter(|(_, info)| matches!(info.role, Some(Kind::Mail | Kind::Chat)))
            .map(|(one, _)| (self.bucket.names[one.name as usize].clone(), first_us - one.time_us));
        let (service, quiet) = used.chain(asked).min_by_key(|(_, quiet)| *quiet)?;
        (quiet <= MAIL_US_MAX).then(|| (service, u64::try_from(quiet).unwrap_or(0)))
    }

    /// The most that a hello of this browser may have, bytes: what its load shows, see
    /// [`LARGE_HELLO_BYTES_MIN`](crate::detect::phishing_submission::LARGE_HELLO_BYTES_MIN). A program with a small hello
    /// may have called in between, so one flow of four has to show it.
    fn hello(&self, load: &[u32]) -> u64 {
        use crate::detect::phishing_submission::{
            HELLO_BYTES, LARGE_HELLO_BYTES_MIN, SMALL_HELLO_BYTES,
        };
        let tls = load.iter().map(|at| self.flow(*at)).filter(|flow| {
            flow.transport == super::TCP && flow.services & service::TLS != 0 && flow.resp_bytes > 0
        });
        let small = tls.clone().filter(|flow| flow.orig_bytes < LARGE_HELLO_BYTES_MIN).count();
        if small >= 2 && small * 4 >= tls.count() { SMALL_HELLO_BYTES } else { HELLO_BYTES }
    }
}

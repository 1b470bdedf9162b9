//! A visit to a page that lures people to type what is secret.
//!
//! Question, asked of a source in `settle/pages.rs`: did its browser load a page whose name somebody chose who may be
//! anybody, and does more speak for a lure? *Signs of the place*: free hosting, another's brand in the name, a word of
//! log-on pages in it, resources of a brand or of a logo service among its parts. *Signs around it*: a look-up of the
//! browser's form filling, mail or chat active within 120 s before. Two of the place, or one with one around it when the
//! page opened what was loaded, make a visit: one alone never does. 200 points and 50 for each sign beyond two, 350 at
//! most: a visit is low, whatever there is [design: visiting is no compromise]. ATT&CK T1566.002.

use flowlore_common::label::Behaviour;

use super::{
    Evidence, Hit, Score,
    phishing_submission::{Sent, Submission},
    words,
};
use crate::packed::Addr;
use crate::places::Lure;

/// A page load: flows that start within two seconds of each other, and what they brought, bytes. [NetworkSage] One flow
/// will do that brought as much: HTTP/2 has a page in one, and its parts may come over the other IP version. [ours]
pub(crate) const LOAD_FLOWS_MIN: u64 = 3;
/// See [`LOAD_FLOWS_MIN`].
pub(crate) const LOAD_BYTES_MIN: u64 = 200_000;
/// What a page's own host brings in one flow at least, bytes. [NetworkSage: "some content"]
pub(crate) const PAGE_BYTES_MIN: u64 = 10_000;
/// How long before a page mail counts, microseconds. [design: 120 s]
pub(crate) const MAIL_US_MAX: i64 = 120_000_000;

const MILLI: u16 = 200;
const SIGN_MILLI: u16 = 50;
const MILLI_MAX: u16 = 350;

/// A visit, and what was sent after it.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// Name of the page's host.
    pub(crate) page: Box<str>,
    /// The address of it contacted most.
    pub(crate) address: Addr,
    pub(crate) lure: Lure,
    /// The brand in the name.
    pub(crate) brand: Option<Box<str>>,
    /// Where the page took somebody's logo or resources from.
    pub(crate) resources: Option<Box<str>>,
    /// Whether no other page opened the load.
    pub(crate) opened: bool,
    /// Start of its first flow.
    pub(crate) first_us: i64,
    /// Flows of the load, and what they brought, bytes.
    pub(crate) load_flows: u64,
    pub(crate) load_bytes: u64,
    /// Most that a flow of the page's own host brought, bytes.
    pub(crate) page_bytes: u64,
    /// From the page to the look-up of form filling.
    pub(crate) autofill_us: Option<u64>,
    /// A mail or chat service, and for how long it had been quiet before the page; 0: it was in use.
    pub(crate) mail: Option<(Box<str>, u64)>,
    /// What was sent after it, if anything was seen.
    pub(crate) sent: Option<Box<Sent>>,
}

impl Visit {
    /// How many signs of the place there are.
    pub(crate) fn place_signs(&self) -> u32 {
        self.lure.signs() + u32::from(self.resources.is_some())
    }

    fn signs(&self) -> u32 {
        let around = u32::from(self.autofill_us.is_some()) + u32::from(self.mail.is_some());
        self.place_signs() + around
    }

    /// Whether it is one.
    pub(crate) fn counts(&self) -> bool {
        let loaded = self.load_flows >= LOAD_FLOWS_MIN && self.load_bytes >= LOAD_BYTES_MIN
            || self.page_bytes >= LOAD_BYTES_MIN;
        let place = self.place_signs();
        (loaded || self.lure.brand.is_some())
            && (place >= 2 || place == 1 && self.opened && self.signs() >= 2)
    }

    /// How far it came, as the report names it.
    pub(crate) fn submission(&self) -> &'static str {
        self.sent.as_ref().map_or(Submission::NONE, |sent| sent.grade.name())
    }

    /// How strong it is.
    pub(crate) fn score(&self) -> Score {
        let beyond = u16::try_from(self.signs().saturating_sub(2)).unwrap_or(0);
        let base_milli = (MILLI + SIGN_MILLI * beyond).min(MILLI_MAX);
        Score { behaviour: Behaviour::PhishingPageVisit, base_milli }
    }

    /// The same in sentences.
    pub(crate) fn hit(&self) -> Hit {
        let Score { behaviour, base_milli } = self.score();
        let mut evidence = self.signs_told();
        evidence.push(match &self.sent {
            None => Evidence::against(
                "submission",
                0.0,
                "flows",
                "Nothing was seen to be sent after it.".to_owned(),
            ),
            Some(sent) => Evidence::supporting(
                "submission",
                sent.tries as f64,
                "flows",
                format!("Afterwards something went to {}: {}.", sent.to, sent.grade.told()),
            ),
        });
        Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits: limits() }
    }

    /// What makes the page a lure, in the order of the list above.
    pub(crate) fn signs_told(&self) -> Vec<Evidence> {
        let mut told = vec![
            Evidence::supporting(
                "page_load",
                self.load_bytes as f64,
                "bytes",
                format!(
                    "{} opened a page load: {}, {} back.",
                    self.page,
                    words::counted(self.load_flows, "flow", "flows"),
                    words::bytes(self.load_bytes)
                ),
            )
            .threshold(LOAD_BYTES_MIN as f64),
        ];
        let mut sign = |measure, value: f64, unit, sentence: String| {
            told.push(Evidence::supporting(measure, value, unit, sentence));
        };
        if self.lure.hosted {
            sign("free_hosting", 1.0, "names", "Its hosting gives anybody a name.".to_owned());
        }
        if let Some(brand) = &self.brand {
            sign("look_alike", 1.0, "names", format!("Its name says {brand}, whose it is not."));
        }
        if self.lure.word {
            let sentence = "Its name has a word of log-on pages.".to_owned();
            sign("lure_word", 1.0, "names", sentence);
        }
        if let Some(from) = &self.resources {
            sign(
                "brand_resources",
                1.0,
                "names",
                format!("It took a logo or the like from {from}."),
            );
        }
        if let Some(after) = self.autofill_us {
            let after = seconds(after);
            let sentence = format!("Form-autofill look-up {} later.", words::seconds(after));
            sign("autofill", after, "s", sentence);
        }
        match &self.mail {
            Some((service, 0)) => {
                sign("mail_before", 0.0, "s", format!("Mail or chat was open then: {service}."));
            }
            Some((service, quiet)) => {
                let quiet = seconds(*quiet);
                let sentence = format!("Mail or chat {} before: {service}.", words::seconds(quiet));
                sign("mail_before", quiet, "s", sentence);
            }
            None => told.push(Evidence::against(
                "mail_before",
                MAIL_US_MAX as f64 / 1e6,
                "s",
                "How the page was come by is unknown: no mail or chat within 120 s before."
                    .to_owned(),
            )),
        }
        told
    }
}

/// Microseconds as seconds, in tenths.
pub(crate) fn seconds(us: u64) -> f64 {
    (us / 100_000) as f64 / 10.0
}

/// What no look at flows shows; said of every visit.
pub(crate) fn limits() -> Vec<String> {
    vec![
        "What is sent over a connection of the page that is open already (HTTP/2, HTTP/3) is not \
         seen apart; pages that pass everything on to the real site look like one that is read; \
         sampled flows miss both."
            .to_owned(),
    ]
}

//! Whether something was typed into a page that lures, in four grades.
//!
//! Question, asked of each visit of [`phishing_page_visit`](super::phishing_page_visit): 4 to 300 s after the page, was
//! something sent to a place that this source had not contacted before in the data, or anew to the page's own host, and
//! is it no page load itself? The grades, never yes or no [design 2.12]:
//!
//! - `no_submission_seen`: none of the below.
//! - `submission_attempted`, 400 points: the client sent, and the server gave at most 100 B; or as the next, but nothing
//!   corroborates.
//! - `submission_likely`, 600: more came back, 700 B or more went out beyond the hello, and something corroborates: form
//!   filling, a second try, all closed together; for the page's own site two signs of the place instead, or both of the
//!   first two.
//! - `submission_confirmed`, 850: an HTTP request that posts a body; or likely, and then on to the brand's own site within
//!   30 s.
//!
//! 50 points more for each that corroborates and for mail before, within the band. ATT&CK T1056.003, T1598.003.

use flowlore_common::label::Behaviour;

use super::{
    Evidence, Hit, Score,
    phishing_page_visit::{Visit, limits, seconds},
    words,
};

/// From page to sending: a person has to type, and does not take for ever; microseconds. [design: 4 to 300 s]
pub(crate) const TYPING_US_MIN: i64 = 4_000_000;
/// See [`TYPING_US_MIN`].
pub(crate) const TYPING_US_MAX: i64 = 300_000_000;
/// From one try to the next: kits say that the password was wrong, and it is typed again; microseconds. [ours: the public
/// case took 9 s; below 4 s nobody types, after a minute it is another matter]
pub(crate) const AGAIN_US_MIN: i64 = 4_000_000;
/// See [`AGAIN_US_MIN`].
pub(crate) const AGAIN_US_MAX: i64 = 60_000_000;
/// Connections of one tab end within this time, microseconds. [NetworkSage]
pub(crate) const TOGETHER_US_MAX: u64 = 750_000;
/// From the last try to the brand's own site, microseconds. [design]
pub(crate) const ONWARD_US_MAX: i64 = 30_000_000;
/// Up to so many bytes back nothing was accepted: an alert, a reset. [design]
pub(crate) const REFUSED_BYTES_MAX: u64 = 100;
/// What a form is at least beyond the hello, bytes. [design: a request's head and its fields]
pub(crate) const FORM_BYTES_MIN: u64 = 700;
/// Most that a collector gives back in a flow, bytes. [NetworkSage: from there on it is content]
pub(crate) const COLLECTOR_BYTES_MAX: u64 = 10_000;

/// A TLS hello with a key share against quantum computers, bytes. [design; 1,184 of them are ML-KEM-768's key, FIPS 203]
pub(crate) const HELLO_BYTES: u64 = 1_900;
/// One without, bytes. [browsers pad to 517, RFC 7685; ours: with what else some send]
pub(crate) const SMALL_HELLO_BYTES: u64 = 700;
/// Who sends less than this in a whole TLS connection has no such key share. [ours: that key and 316 B]
pub(crate) const LARGE_HELLO_BYTES_MIN: u64 = 1_500;
/// First packets of QUIC, bytes. [design: two Initials]
pub(crate) const QUIC_HELLO_BYTES: u64 = 2 * 1_250;

const ATTEMPTED_MILLI: u16 = 400;
const LIKELY_MILLI: u16 = 600;
const CONFIRMED_MILLI: u16 = 850;
const SIGN_MILLI: u16 = 50;
/// Three signs at most, so that no grade reaches the next one's band.
const SIGNS_MAX: u16 = 3;

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Submission {
    Attempted,
    Likely,
    Confirmed,
}

impl Submission {
    /// The word for none of them.
    pub(crate) const NONE: &'static str = "no_submission_seen";

    /// The word in the report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Attempted => "submission_attempted",
            Self::Likely => "submission_likely",
            Self::Confirmed => "submission_confirmed",
        }
    }

    /// What an incident of the grade of this name is called.
    pub(crate) fn title(name: &str) -> &'static str {
        match name {
            "submission_confirmed" => "Phishing: credentials submitted",
            "submission_likely" => "Phishing: credentials likely submitted",
            _ => "Phishing: a submission was attempted",
        }
    }

    /// For a person.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Attempted => "a submission was attempted",
            Self::Likely => "a submission is likely",
            Self::Confirmed => "a submission is confirmed",
        }
    }
}

/// What was sent after a page.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) grade: Submission,
    /// Name or address of the collector.
    pub(crate) to: Box<str>,
    /// Whether that is the page's own site.
    pub(crate) here: bool,
    /// From the page to the first try.
    pub(crate) gap_us: u64,
    pub(crate) tries: u64,
    /// From the first try to the next.
    pub(crate) again_us: Option<u64>,
    /// Of the try that sent most: bytes out, of these beyond the hello, bytes back.
    pub(crate) bytes_out: u64,
    pub(crate) beyond: u64,
    pub(crate) bytes_in: u64,
    /// Closed together with the page.
    pub(crate) together: bool,
    /// A request in clear posted a body.
    pub(crate) posted: bool,
    /// From the last try to the brand's own site.
    pub(crate) onward_us: Option<u64>,
}

impl Sent {
    /// The grade of what was sent after a visit, if it is one.
    pub(crate) fn graded(mut self, visit: &Visit) -> Option<Self> {
        let answered = self.bytes_in > REFUSED_BYTES_MAX;
        if answered && self.beyond < FORM_BYTES_MIN && !self.posted {
            return None; // a look at another page
        }
        let (filled, again) = (visit.autofill_us.is_some(), self.again_us.is_some());
        let asked = filled || again;
        // To its own host an honest page sends forms, too, and much else: the place has to speak against it, or both that
        // form filling was asked and that it was typed twice.
        let corroborated = if self.here {
            visit.place_signs() >= 2 || filled && again
        } else {
            asked || self.together
        };
        self.grade = if self.posted && (corroborated || !self.here) {
            Submission::Confirmed
        } else if answered && corroborated {
            match self.onward_us {
                Some(_) => Submission::Confirmed,
                None => Submission::Likely,
            }
        } else if self.here && !asked {
            return None;
        } else {
            Submission::Attempted
        };
        Some(self)
    }

    /// How strong it is.
    pub(crate) fn score(&self, visit: &Visit) -> Score {
        let signs = [
            visit.autofill_us.is_some(),
            self.again_us.is_some(),
            self.together,
            visit.mail.is_some(),
        ];
        let signs = signs.into_iter().map(u16::from).sum::<u16>().min(SIGNS_MAX);
        let base = match self.grade {
            Submission::Attempted => ATTEMPTED_MILLI,
            Submission::Likely => LIKELY_MILLI,
            Submission::Confirmed => CONFIRMED_MILLI,
        };
        let behaviour = Behaviour::PhishingSubmission;
        Score { behaviour, base_milli: base + SIGN_MILLI * signs }
    }

    /// The same in sentences, in the order of events.
    pub(crate) fn hit(&self, visit: &Visit) -> Hit {
        let Score { behaviour, base_milli } = self.score(visit);
        let mut evidence = visit.signs_told();
        let gap = seconds(self.gap_us);
        let to = if self.here {
            format!("something was sent to {} anew", self.to)
        } else {
            format!("{}, not contacted before in these data, was", self.to)
        };
        let times = match self.again_us {
            Some(again) => format!(", and again {} later", words::seconds(seconds(again))),
            None => String::new(),
        };
        let told = if self.here { to } else { format!("{to} sent something") };
        evidence.push(
            Evidence::supporting(
                "typing_gap",
                gap,
                "s",
                format!("After {} (typing) {told}{times}.", words::seconds(gap)),
            )
            .threshold(TYPING_US_MIN as f64 / 1e6),
        );
        if self.together {
            let sentence = "It closed together with the page.".to_owned();
            evidence.push(Evidence::supporting("closed_together", 1.0, "flows", sentence));
        }
        evidence.extend(self.sizes());
        if let Some(onward) = self.onward_us {
            let onward = seconds(onward);
            let brand = visit.brand.as_deref().unwrap_or("the brand");
            let sentence = format!("{} later on to a site of {brand}.", words::seconds(onward));
            evidence.push(Evidence::supporting("onward", onward, "s", sentence));
        }
        if !self.posted {
            let sentence = "Encrypted: that something was sent is seen, not what.".to_owned();
            evidence.push(Evidence::against("content", 0.0, "flows", sentence));
        }
        Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits: limits() }
    }

    fn sizes(&self) -> Option<Evidence> {
        let out = words::bytes(self.bytes_out);
        let back = words::bytes(self.bytes_in);
        if self.posted {
            let sentence = "A request in clear posted a body.".to_owned();
            return Some(Evidence::supporting("posted", 1.0, "requests", sentence));
        }
        if self.bytes_in <= REFUSED_BYTES_MAX {
            let sentence = format!("{out} went out, but {back} came back: nothing was accepted.");
            let refused = Evidence::against("bytes_in", self.bytes_in as f64, "bytes", sentence);
            return Some(refused.threshold(REFUSED_BYTES_MAX as f64));
        }
        let sentence = format!(
            "{out} went out, {} beyond the largest hello assumed; {back} came back.",
            words::bytes(self.beyond)
        );
        let sent = Evidence::supporting("beyond_hello", self.beyond as f64, "bytes", sentence);
        Some(sent.threshold(FORM_BYTES_MIN as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::Addr;
    use crate::places::Lure;

    fn visit(autofill: bool, signs: u32) -> Visit {
        Visit {
            page: "a.pages.example".into(),
            address: Addr::default(),
            lure: Lure { hosted: true, brand: None, word: signs > 1 },
            brand: None,
            resources: None,
            opened: true,
            first_us: 0,
            load_flows: 9,
            load_bytes: 400_000,
            page_bytes: 90_000,
            autofill_us: autofill.then_some(2_000_000),
            mail: None,
            sent: None,
        }
    }

    fn sent(beyond: u64, bytes_in: u64) -> Sent {
        Sent {
            grade: Submission::Attempted,
            to: "b.example".into(),
            here: false,
            gap_us: 9_000_000,
            tries: 1,
            again_us: None,
            bytes_out: 700 + beyond,
            beyond,
            bytes_in,
            together: false,
            posted: false,
            onward_us: None,
        }
    }

    #[test]
    fn grades_at_their_edges() {
        let (bare, form) = (visit(false, 1), visit(true, 1));
        let of = |visit: &Visit, sent: Sent| sent.graded(visit).map(|sent| sent.grade);
        let onward = Some(2_000_000);
        for (name, grade, expected) in [
            ("a form", of(&form, sent(700, 101)), Some(Submission::Likely)),
            ("a byte less", of(&form, sent(699, 101)), None),
            ("nothing accepted", of(&form, sent(0, 100)), Some(Submission::Attempted)),
            ("nothing beside it", of(&bare, sent(900, 101)), Some(Submission::Attempted)),
            (
                "a second try",
                of(&bare, Sent { again_us: Some(9_000_000), ..sent(900, 101) }),
                Some(Submission::Likely),
            ),
            (
                "closed together",
                of(&bare, Sent { together: true, ..sent(900, 101) }),
                Some(Submission::Likely),
            ),
            (
                "on to the brand",
                of(&form, Sent { onward_us: onward, ..sent(900, 101) }),
                Some(Submission::Confirmed),
            ),
            (
                "on to the brand, nothing accepted",
                of(&form, Sent { onward_us: onward, ..sent(900, 100) }),
                Some(Submission::Attempted),
            ),
            (
                "posted to a page of one sign",
                of(&bare, Sent { posted: true, here: true, ..sent(900, 999) }),
                None,
            ),
            ("posted", of(&bare, Sent { posted: true, ..sent(0, 9) }), Some(Submission::Confirmed)),
            (
                "to the page, a form",
                of(&form, Sent { here: true, ..sent(900, 999) }),
                Some(Submission::Attempted),
            ),
            (
                "to the page, a form, twice",
                of(&form, Sent { here: true, again_us: Some(9_000_000), ..sent(900, 999) }),
                Some(Submission::Likely),
            ),
            (
                "to the page, twice",
                of(&bare, Sent { here: true, again_us: Some(9_000_000), ..sent(900, 999) }),
                Some(Submission::Attempted),
            ),
            ("to a page of one sign", of(&bare, Sent { here: true, ..sent(900, 999) }), None),
            (
                "to a page of two signs",
                of(&visit(false, 2), Sent { here: true, ..sent(900, 999) }),
                Some(Submission::Likely),
            ),
        ] {
            assert_eq!(grade, expected, "{name}");
        }
    }

    #[test]
    fn no_sign_lifts_a_grade_into_the_next_band() {
        for (grade, least, most) in [
            (Submission::Attempted, 400, 599),
            (Submission::Likely, 600, 800),
            (Submission::Confirmed, 801, 1000),
        ] {
            let mut page = visit(false, 1);
            let mut sent = Sent { grade, ..sent(900, 999) };
            assert_eq!(
                sent.score(&page).base_milli.clamp(least, most),
                sent.score(&page).base_milli
            );
            page.autofill_us = Some(1);
            page.mail = Some(("mail.example".into(), 0));
            (sent.again_us, sent.together) = (Some(1), true);
            assert_eq!(
                sent.score(&page).base_milli.clamp(least, most),
                sent.score(&page).base_milli
            );
        }
    }
}

//! What gives where others take: files put on an outside server, and a host whose days turn from taking to giving.
//!
//! The measure is the producer-consumer ratio, (out - in) / (out + in) of payload: 1 gives only, -1 takes only, web browsing
//! about -0.5, mail about 0.4 [Gerber, Bullard: "PCR, a new flow metric", FloCon 2014]. Two questions:
//!
//! Files: while a control connection to an FTP server outside was open, did the source open another to a high port of that
//! server in which only it sent? That is a STOR in passive mode [RFC 959, 3.2 and 4.1.3]; nothing else about FTP is that
//! clear in flows alone. Stealers send what they took that way, in a few hundred bytes.
//!
//! Day: is the ratio of all that a host exchanged with the outside in a day 0.4 above the median of its earlier days, the
//! last 14, of which 7 at least must be known [ours: a working week and a weekend], with 10 MB out [ours: what a person
//! types and clicks stays below]?
//!
//! 250 points each, at most low [ours: web masters, backups and films sent to a friend are the same]. ATT&CK T1048.

use flowlore_common::{label::Behaviour, time::Day};

use super::{Evidence, Hit, Score, words};

/// The port of FTP's control connections. [RFC 959]
pub(crate) const FTP: u16 = 21;
/// Data connections go to ports that the server picks. [RFC 6335: those above are not assigned to services of the system]
pub(crate) const PASSIVE_PORT_MIN: u16 = 1_024;

/// Bytes out in a day. [ours]
pub(crate) const DAY_BYTES: u64 = 10_000_000;
/// Days before that count. [ours: two weeks, so that each day of the week is there twice]
pub(crate) const DAYS: u16 = 14;
/// Of which so many must be known. [ours]
const DAYS_MIN: usize = 7;
/// Thousandths of the ratio, which has 2,000. [ours: from browsing to balance, or from mail's to giving nearly alone]
const SHIFT_MILLI: i32 = 400;

const MILLI: u16 = 250;

/// Payload that a host exchanged with the outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exchanged {
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
}

impl Exchanged {
    pub(crate) fn add(&mut self, other: Self) {
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
    }

    /// The ratio, thousandths; `None` of nothing.
    pub(crate) fn ratio_milli(self) -> Option<i32> {
        let (out, back) = (i128::from(self.bytes_out), i128::from(self.bytes_in));
        let milli = ((out - back) * 1_000).checked_div(out + back)?;
        i32::try_from(milli).ok()
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Giving {
    /// Files put on an FTP server: so many connections, and what they carried.
    Files { count: u64, bytes: u64 },
    /// A day of a host, not yet held against others.
    Day(Day, Exchanged),
    /// A day that is unlike the ones before.
    Turned { day: Exchanged, usual_milli: i32, days: u32 },
}

/// Whether a day's ratio is far above those of the days before.
pub(crate) fn turned(day: Exchanged, before: &[Exchanged]) -> Option<Giving> {
    let mut ratios: Vec<i32> = before.iter().filter_map(|one| one.ratio_milli()).collect();
    if ratios.len() < DAYS_MIN || day.bytes_out < DAY_BYTES {
        return None;
    }
    ratios.sort_unstable();
    // Of an even number the upper one of the middle: it takes more to be above.
    let usual_milli = ratios[ratios.len() / 2];
    let days = u32::try_from(ratios.len()).unwrap_or(u32::MAX);
    (day.ratio_milli()? >= usual_milli + SHIFT_MILLI).then_some(Giving::Turned {
        day,
        usual_milli,
        days,
    })
}

impl Giving {
    /// How strong it is, if it is anything.
    pub(crate) fn score(self) -> Option<Score> {
        let found = !matches!(self, Self::Day(..));
        found.then_some(Score { behaviour: Behaviour::ExfilPcrShift, base_milli: MILLI })
    }

    /// The same in sentences.
    pub(crate) fn hit(self) -> Option<Hit> {
        let Score { behaviour, base_milli } = self.score()?;
        let (evidence, limit) = match self {
            Self::Day(..) => return None,
            Self::Files { count, bytes } => (
                vec![
                    Evidence::supporting(
                        "files_put",
                        count as f64,
                        "flows",
                        format!(
                            "{} put on an FTP server outside, {} in all: data connections in which \
                             only the client sends.",
                            words::counted(count, "file", "files"),
                            words::bytes(bytes)
                        ),
                    ),
                    Evidence::against(
                        "files_put_kind",
                        count as f64,
                        "flows",
                        "Web masters and backups put files there too.".to_owned(),
                    ),
                ],
                "FTP in active mode is not looked at, nor what was sent.",
            ),
            Self::Turned { day, usual_milli, days } => {
                let now = day.ratio_milli()?;
                let ratio = |milli: i32| format!("{:+.2}", f64::from(milli) / 1_000.0);
                (
                    vec![
                        Evidence::supporting(
                            "producer_consumer_ratio",
                            f64::from(now) / 1_000.0,
                            "score",
                            format!(
                                "It sent {} and got {} that day, a ratio of {} (+1 gives only, -1 \
                                 takes only); the median of {} before is {}.",
                                words::bytes(day.bytes_out),
                                words::bytes(day.bytes_in),
                                ratio(now),
                                words::counted(u64::from(days), "day", "days"),
                                ratio(usual_milli)
                            ),
                        )
                        .threshold(f64::from(usual_milli + SHIFT_MILLI) / 1_000.0),
                        Evidence::against(
                            "upload_kind",
                            day.bytes_out as f64,
                            "bytes",
                            "A first backup and a film sent to a friend turn a day as well."
                                .to_owned(),
                        ),
                    ],
                    "The destination named is the one that got most; others may have got more together.",
                )
            }
        };
        let limits = vec![limit.to_owned()];
        Some(Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn day(bytes_out: u64, bytes_in: u64) -> Exchanged {
        Exchanged { bytes_out, bytes_in }
    }

    #[test]
    fn ratios_go_from_taking_to_giving() {
        assert_eq!(day(0, 0).ratio_milli(), None);
        assert_eq!(
            [day(0, 9), day(5, 5), day(9, 0)].map(Exchanged::ratio_milli),
            [Some(-1_000), Some(0), Some(1_000)]
        );
        assert_eq!(day(u64::MAX, u64::MAX / 3).ratio_milli(), Some(500));
    }

    #[test]
    fn a_day_is_held_against_seven_before() {
        let usual = [day(1_000, 3_000); 7]; // -0.5
        let turned = |day: Exchanged, before: &[Exchanged]| turned(day, before).is_some();
        let at = |milli: u64| day(DAY_BYTES, DAY_BYTES * (1_000 - milli) / (1_000 + milli));
        assert!(turned(at(0), &usual), "+0.5");
        assert!(!turned(day(DAY_BYTES - 1, 0), &usual), "too little");
        assert!(!turned(at(0), &usual[1..]), "six days");
        // -0.1 and a little less.
        assert!(turned(day(9 * DAY_BYTES, 11 * DAY_BYTES), &usual));
        assert!(!turned(day(9 * DAY_BYTES, 11 * DAY_BYTES + 1_000_000), &usual));
        // Servers give every day.
        assert!(!turned(day(DAY_BYTES, 0), &[day(900, 100); 14]));
        // Days on which it was off say nothing.
        let mut off = usual.to_vec();
        off[3] = day(0, 0);
        assert!(!turned(at(0), &off));
    }

    #[test]
    fn what_is_not_held_against_anything_is_no_finding() {
        assert_eq!(Giving::Day(Day(9), day(1 << 40, 0)).hit(), None);
        let put = Giving::Files { count: 1, bytes: 533 }.hit().expect("a hit");
        assert_eq!(
            put.evidence[0].sentence,
            "1 file put on an FTP server outside, 533 B in all: data connections in which only the \
             client sends."
        );
    }
}

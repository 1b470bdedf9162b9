//! How much of the traffic the input shows: counted while flows are settled, graded at the end.
//!
//! The grades: *poor* without a flow, with an empty hour between two full ones, loss above 2 %, or
//! one-sided TCP above 10 %; *partial* at half of these, or when DNS and TLS logs are both absent;
//! else *good*. A poor input where nothing was found is inconclusive: what was not recorded cannot
//! have been seen to be harmless.

use std::collections::BTreeSet;

use flowlore_common::{
    label::Direction,
    time::{Day, Hour, MICROS_PER_SECOND, Micros, SECONDS_PER_HOUR},
};
use serde::Serialize;

use crate::{
    detect::words::counted,
    flow::Flow,
    intake::Seen,
    limits::{EMPTY_HOURS_MAX, GAP_HOURS_MAX},
    record::Sizes,
};

/// Loss from which coverage is poor, thousandths of all bytes or segments.
const LOSS_POOR_PERMILLE: u64 = 20;
/// Share of one-sided TCP flows from which coverage is poor, thousandths.
const ONE_SIDED_POOR_PERMILLE: u64 = 100;
/// TCP flows below which their one-sided share says nothing; one of ten would already be too many.
const ONE_SIDED_FLOWS_MIN: u64 = 20;

/// What settled flows say about coverage. Merging is adding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Hours in which a flow ended: the sensor writes a flow down when it ends.
    ended: BTreeSet<u32>,
    /// Hours in which a flow began.
    began: BTreeSet<u32>,
    missed_bytes: u64,
    payload_bytes: u64,
    tcp: u64,
    one_sided: u64,
    outbound: u64,
    /// Flows with neither end inside.
    external: u64,
    named: u64,
    flows: u64,
    /// Flows whose payload is estimated, exported ones among them.
    estimated: u64,
    exported: u64,
    /// Hours of the flow before, so that a run of flows costs no search.
    last: Option<(u32, u32)>,
}

impl Tally {
    pub(crate) fn add(&mut self, flow: &Flow, direction: Direction, named: bool) {
        let hours = (Micros(flow.start_us).hour().0, Micros(flow.end_us()).hour().0);
        if self.last != Some(hours) {
            self.last = Some(hours);
            self.began.insert(hours.0);
            self.ended.insert(hours.1);
        }
        let payload = flow.orig_bytes.saturating_add(flow.resp_bytes);
        self.missed_bytes = self.missed_bytes.saturating_add(flow.missed_bytes);
        self.payload_bytes = self.payload_bytes.saturating_add(payload);
        self.flows += 1;
        self.estimated += u64::from(flow.sizes != Sizes::Counted);
        self.exported += u64::from(flow.sizes == Sizes::Exported);
        if flow.transport == 6 {
            self.tcp += 1;
            self.one_sided += u64::from(is_one_sided(flow));
        }
        self.external += u64::from(direction == Direction::External);
        if direction == Direction::Outbound {
            self.outbound += 1;
            self.named += u64::from(named);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.ended.extend(other.ended);
        self.began.extend(other.began);
        self.missed_bytes = self.missed_bytes.saturating_add(other.missed_bytes);
        self.payload_bytes = self.payload_bytes.saturating_add(other.payload_bytes);
        self.tcp += other.tcp;
        self.one_sided += other.one_sided;
        self.outbound += other.outbound;
        self.external += other.external;
        self.named += other.named;
        self.flows += other.flows;
        self.estimated += other.estimated;
        self.exported += other.exported;
    }

    /// Days on which a flow began or ended.
    pub(crate) fn days(&self) -> impl Iterator<Item = Day> {
        let hours = self.began.iter().chain(&self.ended);
        let days: BTreeSet<Day> = hours.map(|&hour| Hour(hour).day()).collect();
        days.into_iter()
    }

    /// Hours without any record between two with some: (first, last) of each run.
    fn gaps(&self, seen: &Seen) -> Vec<(u32, u32)> {
        let (Some(&first), Some(&last)) = (self.ended.first(), self.ended.last()) else {
            return Vec::new();
        };
        let flows = self.ended.iter().chain(self.began.range(first..=last));
        // Where the sensor reports on itself and no log has a word, the hour was quiet.
        let quiet = seen.sensor_hours.difference(&seen.log_hours);
        let awake: BTreeSet<u32> = flows.chain(quiet).copied().collect();
        let pairs = awake.iter().zip(awake.iter().skip(1));
        let holes = pairs.filter(|(before, after)| **after - **before > 1);
        let holes = holes.filter(|(before, after)| {
            **after - **before <= GAP_HOURS_MAX && **before >= first && **after <= last
        });
        holes.map(|(before, after)| (before + 1, after - 1)).collect()
    }
}

/// TCP of which the sensor saw one side only: our own packets came from nowhere, or data went out
/// and nothing, not even an acknowledgement, came back. An unanswered SYN is not that.
pub(crate) fn is_one_sided(flow: &Flow) -> bool {
    (flow.orig_packets == 0 && flow.resp_packets > 0)
        || (flow.resp_packets == 0 && flow.orig_bytes > 0)
}

/// How well the input shows the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Nothing known is missing.
    Good,
    /// Something is missing; findings stand, their absence says less.
    Partial,
    /// So much is missing that finding nothing says nothing.
    Poor,
}

impl Grade {
    /// The word in text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Partial => "partial",
            Self::Poor => "poor",
        }
    }
}

/// The section `coverage` of the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// All in all.
    pub grade: Grade,
    /// Starts of hours without a record between two with some.
    pub empty_hours: Vec<Micros>,
    /// Bytes that the sensor says it missed, thousandths; the larger of its loss reports and the
    /// holes in flows.
    pub missed_bytes_permille: u64,
    /// TCP flows of which one side was seen, thousandths.
    pub one_sided_permille: u64,
    /// Outbound flows with a name, thousandths.
    pub named_permille: u64,
    /// Logs that had no record.
    pub logs_absent: Vec<&'static str>,
    /// Days of history before this input.
    pub history_days: u32,
    /// Whether the federation was asked.
    pub crowd: &'static str,
    /// What limits the report, each a sentence.
    pub notes: Vec<String>,
    /// Whether there was no flow at all.
    #[serde(skip)]
    pub no_flows: bool,
    /// Flows whose payload is estimated from bytes with headers, thousandths.
    #[serde(skip)]
    pub estimated_permille: u64,
    /// Flows known from routers' records only, thousandths.
    #[serde(skip)]
    pub exported_permille: u64,
}

impl Coverage {
    /// Why it is poor, to be read after a colon.
    #[must_use]
    pub fn poor_because(&self) -> String {
        if self.no_flows {
            return "no flows in the input".to_owned();
        }
        if let (Some(first), Some(last)) = (self.empty_hours.first(), self.empty_hours.last()) {
            let after = Micros(last.0 + SECONDS_PER_HOUR * MICROS_PER_SECOND);
            let runs = self
                .empty_hours
                .windows(2)
                .all(|pair| pair[1].0 - pair[0].0 == SECONDS_PER_HOUR * MICROS_PER_SECOND);
            let day = |at: Micros| at.to_string()[..10].to_owned();
            let minute = |at: Micros| at.to_string()[11..16].to_owned();
            return if runs && day(*first) == day(*last) {
                format!("no records {} to {} on {}", minute(*first), minute(after), day(*first))
            } else {
                format!("{} hours without records", self.empty_hours.len())
            };
        }
        if self.missed_bytes_permille > LOSS_POOR_PERMILLE {
            return format!("{} of the traffic missed", tenths(self.missed_bytes_permille));
        }
        format!("one side only of {} of TCP flows", tenths(self.one_sided_permille))
    }
}

fn permille(part: u64, whole: u64) -> u64 {
    let (part, whole) = (u128::from(part), u128::from(whole));
    u64::try_from((part * 1000 + whole / 2).checked_div(whole).unwrap_or(0)).unwrap_or(u64::MAX)
}

/// Grades what was counted.
pub(crate) fn grade(tally: &Tally, seen: &Seen, history_days: u32) -> Coverage {
    let holes = permille(tally.missed_bytes, tally.payload_bytes + tally.missed_bytes);
    // Thousandths of a percent to thousandths: a hundredth.
    let mean = seen.lost_milli_percent_us.checked_div(seen.loss_intervals_us).unwrap_or(0);
    let reported = u64::try_from((mean + 50) / 100).unwrap_or(u64::MAX);
    let missed_bytes_permille = holes.max(reported);
    let one_sided_permille = permille(tally.one_sided, tally.tcp);
    let gaps = tally.gaps(seen);
    let one_sided = if tally.tcp < ONE_SIDED_FLOWS_MIN { 0 } else { one_sided_permille };
    let dark = !seen.logs.dns && !seen.logs.ssl && !seen.logs.quic;
    let grade = if tally.ended.is_empty()
        || !gaps.is_empty()
        || missed_bytes_permille > LOSS_POOR_PERMILLE
        || one_sided > ONE_SIDED_POOR_PERMILLE
    {
        Grade::Poor
    } else if missed_bytes_permille * 2 > LOSS_POOR_PERMILLE
        || one_sided * 2 > ONE_SIDED_POOR_PERMILLE
        || dark
    {
        Grade::Partial
    } else {
        Grade::Good
    };
    let hours = gaps.iter().flat_map(|&(first, last)| first..=last);
    let start = |hour: u32| Micros(i64::from(hour) * SECONDS_PER_HOUR * MICROS_PER_SECOND);
    let empty: Vec<Micros> = hours.map(start).collect();
    let mut coverage = Coverage {
        grade,
        missed_bytes_permille,
        one_sided_permille,
        named_permille: permille(tally.named, tally.outbound),
        logs_absent: seen.logs.absent(),
        history_days,
        crowd: "not_asked",
        notes: Vec::new(),
        empty_hours: empty,
        no_flows: tally.ended.is_empty(),
        estimated_permille: permille(tally.estimated, tally.flows),
        exported_permille: permille(tally.exported, tally.flows),
    };
    coverage.notes = notes(&coverage, dark, one_sided);
    coverage.empty_hours.truncate(EMPTY_HOURS_MAX);
    coverage
}

fn notes(coverage: &Coverage, dark: bool, one_sided: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if coverage.no_flows {
        notes.push("There are no flows in the input.".to_owned());
    }
    match coverage.empty_hours.len() {
        0 => {}
        1 => notes.push("One hour without a record lies between hours with some.".to_owned()),
        count => {
            notes.push(format!("{count} hours without a record lie between hours with some."));
        }
    }
    if coverage.missed_bytes_permille * 2 > LOSS_POOR_PERMILLE {
        notes.push(format!(
            "The sensor missed {} of the traffic.",
            tenths(coverage.missed_bytes_permille)
        ));
    }
    if one_sided * 2 > ONE_SIDED_POOR_PERMILLE {
        notes.push(format!("Of {} of TCP flows only one side was seen.", tenths(one_sided)));
    }
    if coverage.estimated_permille > 0 {
        notes.push(format!(
            "Of {} of flows the records count bytes with headers: payload sizes are estimates.",
            tenths(coverage.estimated_permille)
        ));
    }
    if coverage.exported_permille > 0 {
        notes.push(format!(
            "{} of flows are routers' records: long connections come in parts, and there are no \
             names, hello sizes or order of packets.",
            tenths(coverage.exported_permille)
        ));
    }
    if dark {
        notes.push("DNS and TLS logs are absent: destinations have no names.".to_owned());
    }
    if coverage.history_days == 0 {
        notes.push("No history yet, \"first seen\" not used.".to_owned());
    }
    notes.push("Federation not asked.".to_owned());
    notes
}

/// Flows that no detector was asked about because both their ends are outside. Where no host is inside at all, they are
/// judged like the others.
pub(crate) fn unjudged(tally: &Tally, nobody_inside: bool) -> Option<String> {
    if nobody_inside || tally.external == 0 {
        return None;
    }
    let most = tally.external * 2 > tally.flows;
    let hint = if most { " Most of the input: is --home-net right?" } else { "" };
    Some(format!(
        "{} with both ends outside ({} of all) {} not judged.{hint}",
        counted(tally.external, "flow", "flows"),
        tenths(permille(tally.external, tally.flows)),
        if tally.external == 1 { "was" } else { "were" },
    ))
}

/// Thousandths as percent with one decimal.
#[must_use]
pub(crate) fn tenths(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::LogsSeen;

    const HOUR_US: i64 = SECONDS_PER_HOUR * MICROS_PER_SECOND;

    fn flow(hour: i64) -> Flow {
        Flow {
            start_us: hour * HOUR_US,
            transport: 6,
            orig_bytes: 500,
            resp_bytes: 500,
            orig_packets: 3,
            resp_packets: 3,
            ..Flow::default()
        }
    }

    fn seen() -> Seen {
        let logs = LogsSeen { conn: true, dns: true, ..LogsSeen::default() };
        Seen { logs, ..Seen::default() }
    }

    fn graded(flows: &[Flow], seen: &Seen) -> Coverage {
        let mut tally = Tally::default();
        flows.iter().for_each(|flow| tally.add(flow, Direction::Outbound, true));
        grade(&tally, seen, 0)
    }

    #[test]
    fn an_empty_hour_between_full_ones_is_poor() {
        assert_eq!(graded(&[flow(5), flow(6)], &seen()).grade, Grade::Good);
        let poor = graded(&[flow(5), flow(8)], &seen());
        assert_eq!(poor.grade, Grade::Poor);
        assert_eq!(poor.empty_hours, [Micros(6 * HOUR_US), Micros(7 * HOUR_US)]);
        let apart = graded(&[flow(5), flow(6 + i64::from(GAP_HOURS_MAX))], &seen());
        assert_eq!(apart.grade, Grade::Good, "two captures");
    }

    #[test]
    fn an_hour_in_which_the_sensor_was_awake_and_nothing_happened_is_quiet() {
        let mut quiet = seen();
        quiet.sensor_hours.insert(6);
        assert_eq!(graded(&[flow(5), flow(7)], &quiet).grade, Grade::Good);
        quiet.log_hours.insert(6);
        assert_eq!(graded(&[flow(5), flow(7)], &quiet).grade, Grade::Poor, "other logs spoke");
    }

    #[test]
    fn a_flow_that_began_long_ago_opens_no_gap() {
        let old = Flow { duration_us: 40 * HOUR_US as u64, ..flow(1) };
        assert_eq!(graded(&[old, flow(41), flow(42)], &seen()).grade, Grade::Good);
    }

    #[test]
    fn loss_is_graded_at_its_limits() {
        for (percent_milli, grade) in [
            (1_000, Grade::Good),
            (1_100, Grade::Partial),
            (2_000, Grade::Partial),
            (2_100, Grade::Poor),
        ] {
            let loss =
                Seen { lost_milli_percent_us: percent_milli * 60, loss_intervals_us: 60, ..seen() };
            assert_eq!(graded(&[flow(5)], &loss).grade, grade, "{percent_milli}");
        }
        let holes = Flow { missed_bytes: 30, ..flow(5) };
        assert_eq!(graded(&[holes], &seen()).missed_bytes_permille, 29);
    }

    #[test]
    fn one_sided_tcp_is_graded_once_there_is_enough_of_it() {
        let sided = Flow { resp_packets: 0, ..flow(5) };
        let some = |sided_count: usize, all: usize| {
            let whole = vec![flow(5); all - sided_count];
            [vec![sided.clone(); sided_count], whole].concat()
        };
        assert_eq!(graded(&some(1, 100), &seen()).grade, Grade::Good);
        assert_eq!(graded(&some(6, 100), &seen()).grade, Grade::Partial);
        assert_eq!(graded(&some(11, 100), &seen()).grade, Grade::Poor);
        assert_eq!(graded(&some(5, 19), &seen()).grade, Grade::Good, "too few to say");
        let syn = Flow { orig_bytes: 0, ..sided };
        assert_eq!(graded(&vec![syn; 100], &seen()).grade, Grade::Good, "unanswered");
    }

    /// Captures with relative times begin in hour 0.
    #[test]
    fn a_flow_in_the_first_hour_of_1970_is_a_flow() {
        let mut tally = Tally::default();
        tally.add(&Flow { start_us: 15_000_000, ..Flow::default() }, Direction::Outbound, true);
        assert_eq!(tally.days().collect::<Vec<_>>(), [Day(0)]);
        assert_eq!((tally.began.len(), tally.ended.len()), (1, 1));
    }

    #[test]
    fn no_flows_is_poor() {
        let nothing = graded(&[], &seen());
        assert_eq!(nothing.grade, Grade::Poor);
        assert_eq!(nothing.poor_because(), "no flows in the input");
    }

    #[test]
    fn without_dns_and_tls_logs_it_is_partial() {
        let dark = graded(&[flow(5)], &Seen::default());
        assert_eq!(dark.grade, Grade::Partial);
        assert!(dark.notes.iter().any(|note| note.contains("DNS and TLS")));
    }
}

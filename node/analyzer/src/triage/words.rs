//! Sentences of a story.

use super::{groups::Thread, watch::Kept, window::Span};
use crate::{
    detect::words::{bytes, counted},
    flow::{Flow, service},
    record::ConnState,
};

/// Gaps this near the middle one make a rhythm: a fifth, as jitter of common implants goes, and two seconds of rounding.
const RHYTHM_PART: i64 = 5;
const RHYTHM_US: i64 = 2_000_000;

/// `0.4 s`, `12 s`, `13 min`, `3.4 h`, from microseconds.
pub(super) fn duration(us: i64) -> String {
    let tenths = us.max(0) / 100_000;
    match tenths {
        ..100 if tenths % 10 != 0 => format!("{}.{} s", tenths / 10, tenths % 10),
        ..1_200 => format!("{} s", tenths / 10),
        1_200..72_000 => format!("{} min", tenths / 600),
        72_000.. => format!("{}.{} h", tenths / 36_000, tenths / 3_600 % 10),
    }
}

/// `within 0.4 s`, or at once.
pub(super) fn within(us: i64) -> String {
    if us < 100_000 { "at once".to_owned() } else { format!("within {}", duration(us)) }
}

/// The first letter made large.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let mut sentence: String = first.into_iter().chain(letters).collect();
    sentence.push('.');
    sentence
}

/// Some of several, and how many more there are.
pub(super) fn some(all: &[String], most: usize) -> String {
    let more = all.len().saturating_sub(most);
    let named = &all[..all.len() - more];
    match (named, more) {
        ([], _) => "none".to_owned(),
        ([one], 0) => one.clone(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (named, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// How a flow of the host went.
pub(super) fn contact(kept: &Kept, thread: &Thread, span: Span) -> String {
    let (flow, there) = (&kept.flow, thread.spot.text());
    if let Some((content, size)) = kept.received {
        let clear = if flow.services & service::HTTP != 0 { " over HTTP in clear" } else { "" };
        let size = if size > 0 { format!(" of {}", bytes(size)) } else { String::new() };
        return format!("fetched {}{size} from {there}{clear}", content.name());
    }
    if thread.spot.incoming {
        return format!("{there} connected: {}", exchanged(flow, "it sent", "the host sent"));
    }
    if !flow.is_answered() {
        return format!("tried {there}: no answer");
    }
    if flow.resp_bytes == 0 && flow.orig_bytes == 0 {
        return match flow.state {
            Some(ConnState::Rej) => format!("tried {there}: refused"),
            _ => format!("connected to {there}; no data went either way"),
        };
    }
    let before = span.from().0 - flow.start_us;
    let begun = if before > 0 {
        format!("was talking to {there} since {} before the window", duration(before))
    } else {
        format!("talked to {there}")
    };
    let lasting = match flow.end_us() {
        end if end >= span.to().0 => " past the end of the window".to_owned(),
        _ if flow.duration_us >= 1_000_000 => {
            format!(" for {}", duration(i64::try_from(flow.duration_us).unwrap_or(i64::MAX)))
        }
        _ => String::new(),
    };
    format!("{begun}{lasting}: {}", exchanged(flow, "sent", "received"))
}

fn exchanged(flow: &Flow, out: &str, back: &str) -> String {
    match (flow.orig_bytes, flow.resp_bytes) {
        (sent, 0) if flow.resp_packets > 0 => {
            format!("{out} {}, no payload came back", bytes(sent))
        }
        (sent, 0) => format!("{out} {}, nothing came back", bytes(sent)),
        (sent, received) => format!("{out} {}, {back} {}", bytes(sent), bytes(received)),
    }
}

/// Several flows of one thread: how many, in what rhythm, for how long, how much.
pub(super) fn contacts(flows: &[&Flow], thread: &Thread, span: Span, more: bool) -> String {
    let there = thread.spot.text();
    let count = flows.len() as u64;
    let times = if more {
        format!("{} more", counted(count, "time", "times"))
    } else {
        counted(count, "time", "times")
    };
    let starts: Vec<i64> = flows.iter().map(|flow| flow.start_us).collect();
    let first = starts.iter().min().copied().unwrap_or_default();
    let last = flows.iter().map(|flow| flow.end_us()).max().unwrap_or_default();
    let rhythm =
        rhythm(&starts).map_or(String::new(), |gap| format!(", about every {}", duration(gap)));
    let until = if last >= span.to().0 {
        " until after the window".to_owned()
    } else {
        format!(" {}", within(last - first))
    };
    let sum =
        |value: fn(&Flow) -> u64| flows.iter().map(|flow| value(flow)).fold(0, u64::saturating_add);
    let (sent, received) = (sum(|flow| flow.orig_bytes), sum(|flow| flow.resp_bytes));
    let unanswered = flows.iter().filter(|flow| !flow.is_answered()).count();
    let answers = match unanswered {
        0 => format!("sent {}, received {}", bytes(sent), bytes(received)),
        all if all == flows.len() => "no answer".to_owned(),
        some => {
            format!("sent {}, received {}; {some} without an answer", bytes(sent), bytes(received))
        }
    };
    if thread.spot.incoming {
        return format!("{there} connected {times}{rhythm}{until}: it {answers}");
    }
    format!("contacted {there} {times}{rhythm}{until}: {answers}")
}

/// The middle gap, where at least half of at least three gaps are near it.
fn rhythm(starts: &[i64]) -> Option<i64> {
    let mut starts = starts.to_vec();
    starts.sort_unstable();
    let mut gaps: Vec<i64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    let middle = *gaps.get(gaps.len() / 2)?;
    let near = |gap: &&i64| (**gap - middle).abs() <= (middle / RHYTHM_PART).max(RHYTHM_US);
    let regular = gaps.len() >= 3
        && middle >= RHYTHM_US
        && gaps.iter().filter(near).count() * 2 >= gaps.len();
    regular.then_some(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_a_person_says_them() {
        for (us, text) in [
            (0, "0 s"),
            (-5, "0 s"),
            (400_000, "0.4 s"),
            (12_000_000, "12 s"),
            (119_900_000, "119 s"),
            (120_000_000, "2 min"),
            (7_199_000_000, "119 min"),
            (12_240_000_000, "3.4 h"),
        ] {
            assert_eq!(duration(us), text);
        }
    }

    #[test]
    fn a_rhythm_needs_gaps_that_agree() {
        let every = |gaps: &[i64]| {
            let mut at = 0;
            let starts: Vec<i64> = gaps
                .iter()
                .map(|gap| {
                    at += gap * 1_000_000;
                    at
                })
                .collect();
            rhythm(&starts)
        };
        assert_eq!(every(&[0, 60, 61, 59]), Some(60_000_000));
        assert_eq!(every(&[0, 60, 60]), None, "two gaps are none");
        assert_eq!(every(&[0, 10, 60, 300, 900, 5]), None);
        assert_eq!(every(&[0, 1, 1, 1, 1]), None, "a burst is no rhythm");
    }

    #[test]
    fn lists_end_with_how_many_more() {
        let all: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(some(&all, 3), "a, b and c");
        assert_eq!(some(&all, 2), "a, b and 1 more");
        assert_eq!(some(&all[..1], 2), "a");
        assert_eq!(some(&[], 2), "none");
    }
}

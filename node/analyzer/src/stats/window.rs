//! Which stretch of the data is scored, and its bars.

use crate::pair::Contact;

/// How long a window is at most, seconds. [RITA: the last 24 hours of the data are scored]
pub const WINDOW_S: u32 = 86_400;

/// A stretch of time, both ends included, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: u32,
    end: u32,
}

impl Window {
    /// From `start` to `end`, seconds since 1970. `None` when that is no time at all.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Option<Self> {
        if start < end { Some(Self { start, end }) } else { None }
    }

    /// Its first second.
    #[must_use]
    pub const fn start(self) -> u32 {
        self.start
    }

    /// Its last second.
    #[must_use]
    pub const fn end(self) -> u32 {
        self.end
    }

    /// Seconds from its start to its end.
    #[must_use]
    pub const fn length_s(self) -> u32 {
        self.end - self.start
    }

    /// Counts contacts into as many equal bars as `bars` is long. `contacts` are in ascending order.
    ///
    /// A contact before the start falls into the first bar, one at the very end into the last.
    pub fn histogram(self, contacts: &[Contact], bars: &mut [u32]) {
        bars.fill(0);
        let Some(last) = bars.len().checked_sub(1) else { return };
        let (count, length) = (bars.len() as u64, u64::from(self.length_s()));
        let mut bar = 0;
        for contact in contacts {
            let scaled = u64::from(contact.second.saturating_sub(self.start)) * count;
            while bar < last && scaled >= (bar as u64 + 1) * length {
                bar += 1;
            }
            bars[bar] = bars[bar].saturating_add(1);
        }
    }
}

/// The most of these ascending times within a stretch of this length, in their unit; the stretch slides.
pub(crate) fn most_within(times: impl Iterator<Item = i64> + Clone, length: i64) -> u64 {
    let mut from = times.clone().peekable();
    let (mut within, mut most) = (0, 0);
    for time in times {
        within += 1;
        while from.next_if(|first| time.saturating_sub(*first) >= length).is_some() {
            within -= 1;
        }
        most = most.max(within);
    }
    most
}

/// The most of these contacts, in ascending order, within so many seconds.
pub(crate) fn contacts_within(contacts: &[Contact], seconds: u32) -> u64 {
    most_within(contacts.iter().map(|contact| i64::from(contact.second)), i64::from(seconds))
}

/// The windows of the data that hold contacts, the latest first, each with its contacts.
///
/// The latest window is RITA's: the last 24 hours of the data, or all of it when that is less; rows are admitted
/// from the start of the hour in which it starts. Before it we look at the 24 hours before that, and so on: an
/// implant that was there on the second day of seven counts. The earliest window begins with the data and is a full
/// day where there is one, overlapping its successor, since a short remainder would make anything look steady.
pub fn windows(
    contacts: &[Contact],
    first_second: u32,
    last_second: u32,
) -> impl Iterator<Item = (Window, &[Contact])> {
    let mut before = contacts.len();
    std::iter::from_fn(move || {
        let latest = contacts[..before].last()?.second.min(last_second);
        let days_back = (last_second - latest) / WINDOW_S;
        let end = last_second - days_back * WINDOW_S;
        let full = end.checked_sub(WINDOW_S).filter(|start| *start > first_second);
        let window = if let Some(start) = full {
            before = contacts[..before].partition_point(|contact| contact.second < start);
            Window::new(start, end)?
        } else {
            before = 0; // nothing lies before the data
            Window::new(first_second, first_second.saturating_add(WINDOW_S).min(last_second))?
        };
        let admitted_from = window.start - window.start % 3_600;
        let from = contacts.partition_point(|contact| contact.second < admitted_from);
        let to = contacts.partition_point(|contact| contact.second <= window.end);
        Some((window, &contacts[from..to.max(from)]))
    })
}

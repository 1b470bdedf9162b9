//! What was here before: destinations by the day they were first and last contacted, and by whom.
//!
//! A history is a function of the days put into it: first days merge by the earlier, last days by the
//! later, hosts by the lowest hashes; putting the same input in twice changes nothing. Only the bound
//! on destinations can forget, and then what was not seen for longest.

use std::collections::{BTreeMap, BTreeSet};

use flowlore_common::time::Day;
use serde::{Deserialize, Serialize};

use crate::{
    detect::exfil_pcr_shift::Exchanged,
    limits::{
        HISTORY_DESTINATIONS_MAX, HISTORY_HOSTS_MAX, HISTORY_MACHINE_DAYS_MAX, HISTORY_MACHINES_MAX,
    },
    packed::{Addr, mix_bytes},
    pair::Arrival,
    score::FAMILIAR_DAYS_MIN,
};

/// The form of the file; a history of another form is not read.
const VERSION: u32 = 1;

/// What is known of a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// First contacted.
    pub first: Day,
    /// Last contacted.
    pub last: Day,
    /// Hosts that contacted it: the ones with the lowest hashes, ascending by text.
    pub hosts: BTreeSet<String>,
}

/// The org's local history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    version: u32,
    days: BTreeSet<Day>,
    destinations: BTreeMap<String, Known>,
    /// First day of what a finding is about, by the hash of its key.
    findings: BTreeMap<String, Day>,
    /// Payload out and in that an inside host exchanged with the outside, by day. Absent in files of earlier versions.
    #[serde(default)]
    exchanged: BTreeMap<String, BTreeMap<Day, [u64; 2]>>,
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It is no history, or damaged.
    #[error("not a history: {0}; remove the file to begin a new one")]
    Damaged(#[from] serde_json::Error),
    /// It was written by another version.
    #[error("a history of form {0}; this version reads form {VERSION}")]
    Version(u32),
}

impl History {
    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When it is damaged or of another form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HistoryError> {
        let history: Self = serde_json::from_slice(bytes)?;
        if history.version != VERSION {
            return Err(HistoryError::Version(history.version));
        }
        Ok(history)
    }

    /// The file's bytes: the same history, the same bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let history = Self { version: VERSION, ..self.clone() };
        serde_json::to_vec(&history).expect("strings and numbers are always JSON")
    }

    /// Days with flows before `first`, the first day of an input.
    #[must_use]
    pub fn days_before(&self, first: Day) -> u32 {
        u32::try_from(self.days.range(..first).count()).unwrap_or(u32::MAX)
    }

    /// When a destination that was first contacted on a day came into view, seen from the day an input ends.
    #[must_use]
    pub fn arrival(&self, first: Day, last: Day) -> Arrival {
        let since = |from: Day, to: Day| u32::from(to.0.saturating_sub(from.0));
        // Days are counted, not subtracted: a row with a wrong clock must not make learning long past.
        let mut learning = self.days.range(..last).take(Arrival::LEARNING_DAYS as usize);
        let Some(learned) = learning.nth(Arrival::LEARNING_DAYS as usize - 1) else {
            return Arrival::Unknown;
        };
        if first <= *learned || since(first, last) >= FAMILIAR_DAYS_MIN {
            Arrival::Settled
        } else {
            Arrival::New
        }
    }

    /// What is known of a destination.
    #[must_use]
    pub fn destination(&self, destination: &str) -> Option<&Known> {
        self.destinations.get(destination)
    }

    /// The first day of what a finding is about.
    #[must_use]
    pub fn finding(&self, key: &str) -> Option<Day> {
        self.findings.get(key).copied()
    }

    /// A day had flows.
    pub fn note_day(&mut self, day: Day) {
        self.days.insert(day);
    }

    /// A destination was contacted by a host between two days.
    pub fn note_destination(&mut self, destination: &str, first: Day, last: Day, host: &str) {
        let known = self.destinations.entry(destination.to_owned()).or_insert_with(|| Known {
            first,
            last,
            hosts: BTreeSet::new(),
        });
        known.first = known.first.min(first);
        known.last = known.last.max(last);
        known.hosts.insert(host.to_owned());
        if known.hosts.len() > HISTORY_HOSTS_MAX {
            let hash = |host: &String| mix_bytes(host.as_bytes());
            let highest = known.hosts.iter().max_by_key(|host| (hash(host), *host)).cloned();
            highest.map(|host| known.hosts.remove(&host));
        }
    }

    /// What a host exchanged with the outside on the days before one, so many at most.
    pub(crate) fn exchanged(&self, host: Addr, before: Day, days: u16) -> Vec<Exchanged> {
        let first = Day(before.0.saturating_sub(days));
        let known = self.exchanged.get(&host.to_string());
        let of = |&[bytes_out, bytes_in]: &[u64; 2]| Exchanged { bytes_out, bytes_in };
        known.map_or_else(Vec::new, |known| {
            known.range(first..before).map(|(_, sum)| of(sum)).collect()
        })
    }

    /// What a host exchanged with the outside on a day. Of several inputs of a day the one with most speaks for it: the
    /// same input twice must change nothing.
    pub(crate) fn note_exchanged(&mut self, host: Addr, day: Day, sum: Exchanged) {
        let known = self.exchanged.entry(host.to_string()).or_default().entry(day).or_default();
        let most = |[out, back]: [u64; 2]| (out.saturating_add(back), out);
        *known = std::cmp::max_by_key(*known, [sum.bytes_out, sum.bytes_in], |one| most(*one));
    }

    /// A finding's matter began on a day.
    pub fn note_finding(&mut self, key: &str, first: Day) {
        let known = self.findings.entry(key.to_owned()).or_insert(first);
        *known = (*known).min(first);
    }

    /// Keeps the bounds on destinations and on days of hosts.
    pub fn trim(&mut self) {
        for days in self.exchanged.values_mut() {
            while days.len() > HISTORY_MACHINE_DAYS_MAX {
                days.pop_first();
            }
        }
        while self.exchanged.len() > HISTORY_MACHINES_MAX {
            self.exchanged.pop_last();
        }
        let over = self.destinations.len().saturating_sub(HISTORY_DESTINATIONS_MAX);
        if over == 0 {
            return;
        }
        let mut by_age: Vec<(Day, String)> =
            self.destinations.iter().map(|(name, known)| (known.last, name.clone())).collect();
        by_age.sort_unstable();
        by_age.truncate(over);
        by_age.iter().for_each(|(_, name)| drop(self.destinations.remove(name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: &[u16], reverse: bool) -> History {
        let mut history = History::default();
        let mut days = days.to_vec();
        if reverse {
            days.reverse();
        }
        for day in days {
            history.note_day(Day(day));
            for host in 0..20 {
                let host = format!("10.0.0.{}", (host + day) % 20);
                history.note_destination("a.example", Day(day), Day(day), &host);
            }
            history.note_finding("k", Day(day));
        }
        history
    }

    #[test]
    fn it_is_the_same_in_any_order_and_twice() {
        let forth = days(&[5, 6, 9], false);
        assert_eq!(forth.to_bytes(), days(&[5, 6, 9], true).to_bytes());
        assert_eq!(forth.to_bytes(), days(&[5, 6, 9, 9, 5], false).to_bytes());
        let known = forth.destination("a.example").unwrap();
        assert_eq!(
            (known.first, known.last, known.hosts.len()),
            (Day(5), Day(9), HISTORY_HOSTS_MAX)
        );
        assert_eq!((forth.days_before(Day(9)), forth.days_before(Day(5))), (2, 0));
        assert_eq!(forth.finding("k"), Some(Day(5)));
    }

    #[test]
    fn what_came_after_two_days_is_new_for_a_month() {
        let history = days(&[100, 101, 103], false);
        let of = |first, last| history.arrival(Day(first), Day(last));
        assert_eq!(History::default().arrival(Day(1), Day(9)), Arrival::Unknown);
        assert_eq!(of(100, 101), Arrival::Unknown);
        assert_eq!([of(100, 102), of(101, 102), of(101, 150)], [Arrival::Settled; 3]);
        assert_eq!([of(102, 102), of(102, 131), of(150, 150)], [Arrival::New; 3]);
        // Clocks that are wrong: a day of 1970, and one far ahead.
        let odd = days(&[0, 100, 101, 9_000], false);
        let of_odd = |first, last| odd.arrival(Day(first), Day(last));
        assert_eq!(of_odd(102, 102), Arrival::New);
        assert_eq!(of_odd(100, 102), Arrival::Settled);
        assert_eq!(days(&[0, 100], false).arrival(Day(100), Day(100)), Arrival::Unknown);
        assert_eq!(of(102, 132), Arrival::Settled);
    }

    #[test]
    fn it_comes_back_from_its_bytes_and_nothing_else_does() {
        let history = days(&[5, 6], false);
        let read = History::from_bytes(&history.to_bytes()).unwrap();
        assert_eq!(read.to_bytes(), history.to_bytes());
        assert!(matches!(History::from_bytes(b"{"), Err(HistoryError::Damaged(_))));
        let other = String::from_utf8(history.to_bytes()).unwrap();
        let other = other.replace("\"version\":1", "\"version\":2");
        assert!(matches!(History::from_bytes(other.as_bytes()), Err(HistoryError::Version(2))));
    }
}

//! From rows in any order to hourly files in the order of time, a slice at a time.
//!
//! Zeek writes a connection when it has ended, everything else when it was seen; so a row waits
//! in the slice of that moment until the simulation has passed it.

use std::collections::BTreeMap;
use std::io;

use flowlore_common::time::{Day, Micros, SECONDS_PER_DAY, SECONDS_PER_HOUR};

use crate::limits::SLICE_US;
use crate::rows::{Conn, Dns, File, Http, Line, Log, Ssl};

/// Takes the files that are generated. Paths are relative, with `/` between the parts.
pub trait Output {
    /// Appends to a file, which is created at the first call together with its folders.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being stored; generation stops.
    fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Says that a file is complete. Every appended file is finished once; at most ten are open
    /// at a time.
    ///
    /// # Errors
    /// As [`Output::append`].
    fn finish(&mut self, path: &str) -> io::Result<()>;
}

/// Files in memory, for tests and demonstrations.
impl Output for BTreeMap<String, Vec<u8>> {
    fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.entry(path.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }
    fn finish(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }
}

/// Rows of one log in one slice: when each is written, and where it stands in `text`.
#[derive(Default)]
struct Waiting {
    rows: Vec<(u64, u32, u32)>,
    text: Vec<u8>,
}

/// The logs of one sensor.
pub(crate) struct Logs {
    folder: String,
    start: u64,
    end: u64,
    /// Slices not yet written, by their number since `start`.
    slices: BTreeMap<u64, [Waiting; Log::ALL.len()]>,
    /// The file that each log is writing, with its hour.
    open: [Option<(u64, String)>; Log::ALL.len()],
    counts: [u64; Log::ALL.len()],
}

impl Logs {
    /// Of a sensor that runs from the start of `first` for `days` days.
    pub(crate) fn new(folder: &str, first: Day, days: u16) -> Self {
        let start = u64::from(first.0) * SECONDS_PER_DAY as u64 * 1_000_000;
        Self {
            folder: folder.to_owned(),
            start,
            end: start + u64::from(days) * SECONDS_PER_DAY as u64 * 1_000_000,
            slices: BTreeMap::new(),
            open: Default::default(),
            counts: Default::default(),
        }
    }

    /// First microsecond.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }
    /// First microsecond after the last.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }
    /// Rows of each log so far.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Log, u64)> {
        Log::ALL.into_iter().zip(self.counts)
    }

    fn row(&mut self, log: Log, time: u64, write: impl FnOnce(&mut Line<'_>)) {
        if time < self.start || time >= self.end {
            return; // before the sensor ran, or after
        }
        let slice = self.slices.entry((time - self.start) / SLICE_US).or_default();
        let waiting = &mut slice[log as usize];
        let at = waiting.text.len();
        write(&mut Line::new(&mut waiting.text));
        let length = waiting.text.len() - at;
        let at = u32::try_from(at).expect("a slice holds less than 4 GiB: SLICE_US and ROWS_MAX");
        waiting.rows.push((time, at, length as u32));
        self.counts[log as usize] += 1;
    }

    /// A connection, written when it ends. One still open when the sensor stops is written then,
    /// as far as it had come.
    pub(crate) fn conn(&mut self, mut conn: Conn) {
        if conn.start >= self.end {
            return;
        }
        let last = self.end - 1;
        let duration = conn.duration.unwrap_or(0);
        if conn.start + duration > last {
            let seen = last - conn.start;
            conn.cut(seen, duration);
        }
        let written = conn.start + conn.duration.unwrap_or(0);
        self.row(Log::Conn, written, |line| line.conn(&conn));
    }
    pub(crate) fn dns(&mut self, dns: &Dns<'_>) {
        self.row(Log::Dns, dns.time, |line| line.dns(dns));
    }
    pub(crate) fn ssl(&mut self, ssl: &Ssl<'_>) {
        self.row(Log::Ssl, ssl.time, |line| line.ssl(ssl));
    }
    pub(crate) fn http(&mut self, http: &Http<'_>) {
        self.row(Log::Http, http.time, |line| line.http(http));
    }
    pub(crate) fn file(&mut self, file: &File<'_>) {
        self.row(Log::Files, file.time, |line| line.file(file));
    }
    /// A row of a log that has one writer only, who knows its columns.
    pub(crate) fn other(&mut self, log: Log, time: u64, write: impl FnOnce(&mut Line<'_>)) {
        self.row(log, time, write);
    }

    /// Writes all that lies before `time`: nothing earlier may come any more.
    pub(crate) fn flush(&mut self, time: u64, out: &mut dyn Output) -> io::Result<()> {
        let passed = time.saturating_sub(self.start) / SLICE_US;
        while let Some(entry) = self.slices.first_entry() {
            if *entry.key() >= passed {
                break;
            }
            let slice = entry.remove();
            for (log, waiting) in Log::ALL.into_iter().zip(slice) {
                self.write(log, waiting, out)?;
            }
        }
        Ok(())
    }

    /// Writes the rest and closes every file.
    pub(crate) fn close(&mut self, out: &mut dyn Output) -> io::Result<()> {
        self.flush(self.end + SLICE_US, out)?;
        for log in Log::ALL {
            self.rotate(log, out)?;
        }
        Ok(())
    }

    fn write(&mut self, log: Log, mut waiting: Waiting, out: &mut dyn Output) -> io::Result<()> {
        let Some(&(first, ..)) = waiting.rows.first() else { return Ok(()) };
        // Slices never cross an hour. The position breaks ties, so the order is a total one.
        waiting.rows.sort_unstable();
        let hour = first / 3_600_000_000;
        if self.open[log as usize].as_ref().is_some_and(|(open, _)| *open != hour) {
            self.rotate(log, out)?;
        }
        let mut bytes = Vec::with_capacity(waiting.text.len() + 1_000);
        if self.open[log as usize].is_none() {
            header(log, waiting.rows[0].0, &mut bytes);
            self.open[log as usize] = Some((hour, file_path(&self.folder, log, hour)));
        }
        for (_, at, length) in &waiting.rows {
            bytes.extend_from_slice(&waiting.text[*at as usize..(*at + *length) as usize]);
        }
        let Some((_, path)) = &self.open[log as usize] else { return Ok(()) };
        out.append(path, &bytes)
    }

    fn rotate(&mut self, log: Log, out: &mut dyn Output) -> io::Result<()> {
        let Some((hour, path)) = self.open[log as usize].take() else { return Ok(()) };
        let close = format!("#close\t{}\n", stamp((hour + 1) * 3_600_000_000));
        out.append(&path, close.as_bytes())?;
        out.finish(&path)
    }
}

const _: () = assert!((SECONDS_PER_HOUR as u64 * 1_000_000).is_multiple_of(SLICE_US));

/// `org-a/2026-11-23/conn.09:00:00-10:00:00.log`, as Zeek's archiver names them.
fn file_path(folder: &str, log: Log, hour: u64) -> String {
    let day = Micros((hour * 3_600_000_000) as i64).day();
    let (from, to) = (hour % 24, (hour + 1) % 24);
    format!("{folder}/{day}/{}.{from:02}:00:00-{to:02}:00:00.log", log.path())
}

/// `2026-11-23-09-00-00`.
fn stamp(micros: u64) -> String {
    let text = Micros((micros - micros % 1_000_000) as i64).to_string();
    text.trim_end_matches('Z').replace(['T', ':'], "-")
}

fn header(log: Log, time: u64, bytes: &mut Vec<u8>) {
    let mut text = format!(
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
         #path\t{}\n#open\t{}\n#fields",
        log.path(),
        stamp(time)
    );
    let columns = || log.columns().split_ascii_whitespace().filter_map(|c| c.rsplit_once(':'));
    for (name, _) in columns() {
        text.push('\t');
        text.push_str(name);
    }
    text.push_str("\n#types");
    for (_, kind) in columns() {
        text.push('\t');
        text.push_str(kind);
    }
    text.push('\n');
    bytes.extend_from_slice(text.as_bytes());
}

//! How a recording is seen: records changed on their way from the reader to the intake.
//!
//! The same recording with its times moved and its addresses exchanged, cut off at a time, without some of its logs,
//! or a share of its records at a time. Records are rewritten one by one as they are read; nothing is written to disk
//! and nothing of a recording is ever run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use flowlore_analyzer::record::{
    CaptureLoss, Conn, Dhcp, Dns, DnsAnswer, Ends, File, FileSink, Http, Logon, Notice, Remote,
    Sink, Tls, X509,
};

/// Kinds of logs that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    Conn,
    Dns,
    Tls,
    Http,
    Files,
    Other,
}

/// What to change.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Files already numbered by others.
    pub(super) files_before: u32,
    /// Added to every time, microseconds.
    pub(super) shift_us: i64,
    /// Addresses that become others.
    pub(super) addresses: Arc<BTreeMap<IpAddr, IpAddr>>,
    /// Records before it, in the recording's own time.
    pub(super) until_us: i64,
    /// Logs that are there.
    pub(super) has: fn(Log) -> bool,
    /// Of so many shares of the records the one with this number.
    pub(super) share: Share,
}

/// A share of the records.
#[derive(Clone, Copy, Debug)]
pub(super) enum Share {
    All,
    /// By a hash of what identifies the record: no order that anybody would choose.
    Hashed {
        of: u64,
        at: u64,
    },
    /// By the hour of the day: batches as logs are rotated.
    Hour(i64),
}

impl Default for View {
    fn default() -> Self {
        Self {
            files_before: 0,
            shift_us: 0,
            addresses: Arc::default(),
            until_us: i64::MAX,
            has: |_| true,
            share: Share::All,
        }
    }
}

/// A sink that passes on what a view shows.
pub(super) struct Viewed<S> {
    view: View,
    inner: S,
}

impl<S: FileSink> Viewed<S> {
    pub(super) const fn new(view: View, inner: S) -> Self {
        Self { view, inner }
    }

    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    /// The new time of a record, if it is shown.
    fn time(&self, log: Log, time_us: i64, uid: &[u8]) -> Option<i64> {
        let view = &self.view;
        let mine = match view.share {
            Share::All => true,
            Share::Hashed { of, at } => hash(time_us, uid) % of == at,
            Share::Hour(hour) => time_us.div_euclid(3_600_000_000).rem_euclid(24) == hour,
        };
        let shown = mine && (view.has)(log) && time_us < view.until_us;
        shown.then(|| time_us.saturating_add(view.shift_us))
    }

    fn address(&self, address: IpAddr) -> IpAddr {
        self.view.addresses.get(&address).copied().unwrap_or(address)
    }

    fn ends(&self, ends: Ends) -> Ends {
        Ends { orig: self.address(ends.orig), resp: self.address(ends.resp), ..ends }
    }

    /// A name that is an address, as some clients write it.
    fn name<'a>(&self, name: Option<&'a str>) -> Option<Cow<'a, str>> {
        let changed = |name: &str| {
            let address = name.parse().ok()?;
            self.view.addresses.get(&address).map(ToString::to_string)
        };
        name.map(|name| changed(name).map_or(Cow::Borrowed(name), Cow::Owned))
    }
}

/// FNV-1a: spreads records over shares, nothing more.
fn hash(time_us: i64, uid: &[u8]) -> u64 {
    let bytes = time_us.to_le_bytes();
    bytes.iter().chain(uid).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl<S: FileSink> FileSink for Viewed<S> {
    fn enter(&mut self, file: u32) {
        self.inner.enter(file + self.view.files_before);
    }
}

impl<S: FileSink> Sink for Viewed<S> {
    fn conn(&mut self, record: &Conn<'_>) {
        let Some(start_us) = self.time(Log::Conn, record.start_us, record.uid) else { return };
        let lasts_us = record.duration_us.filter(|_| !record.open).unwrap_or(0);
        if record.start_us.saturating_add_unsigned(lasts_us) >= self.view.until_us {
            return; // still going on when the recording is cut off: not written down yet
        }
        let mut record = Conn { start_us, ends: self.ends(record.ends), ..record.clone() };
        if !self.view.addresses.is_empty() {
            // The sensor's word is about the network that it stood in.
            (record.local_orig, record.local_resp) = (None, None);
        }
        self.inner.conn(&record);
    }

    fn dns(&mut self, record: &Dns<'_>) {
        let Some(time_us) = self.time(Log::Dns, record.time_us, record.uid.as_bytes()) else {
            return;
        };
        let mut record = Dns { time_us, ends: self.ends(record.ends), ..record.clone() };
        for answer in &mut record.answers {
            if let DnsAnswer::Address(address) = answer {
                *address = self.address(*address);
            }
        }
        self.inner.dns(&record);
    }

    fn tls(&mut self, record: &Tls<'_>) {
        let Some(time_us) = self.time(Log::Tls, record.time_us, record.uid.as_bytes()) else {
            return;
        };
        let name = self.name(record.server_name);
        let ends = self.ends(record.ends);
        self.inner.tls(&Tls { time_us, ends, server_name: name.as_deref(), ..record.clone() });
    }

    fn http(&mut self, record: &Http<'_>) {
        let Some(time_us) = self.time(Log::Http, record.time_us, record.uid.as_bytes()) else {
            return;
        };
        let name = self.name(record.host);
        let ends = self.ends(record.ends);
        self.inner.http(&Http { time_us, ends, host: name.as_deref(), ..record.clone() });
    }

    fn file(&mut self, record: &File<'_>) {
        let uid = record.conn_uids.first().map_or(&b""[..], |uid| uid.as_bytes());
        let Some(time_us) = self.time(Log::Files, record.time_us, uid) else { return };
        self.inner.file(&File { time_us, ..record.clone() });
    }

    fn x509(&mut self, record: &X509<'_>) {
        if let Some(time_us) = self.time(Log::Other, record.time_us, record.id.as_bytes()) {
            self.inner.x509(&X509 { time_us, ..record.clone() });
        }
    }

    fn dhcp(&mut self, record: &Dhcp<'_>) {
        if let Some(time_us) = self.time(Log::Other, record.time_us, b"dhcp") {
            let address = record.address.map(|address| self.address(address));
            self.inner.dhcp(&Dhcp { time_us, address, ..record.clone() });
        }
    }

    fn logon(&mut self, record: &Logon<'_>) {
        if let Some(time_us) = self.time(Log::Other, record.time_us, b"logon") {
            self.inner.logon(&Logon { time_us, ends: self.ends(record.ends), ..record.clone() });
        }
    }

    fn remote(&mut self, record: &Remote<'_>) {
        if let Some(time_us) = self.time(Log::Other, record.time_us, record.uid.as_bytes()) {
            self.inner.remote(&Remote { time_us, ends: self.ends(record.ends), ..record.clone() });
        }
    }

    fn notice(&mut self, record: &Notice<'_>) {
        if let Some(time_us) = self.time(Log::Other, record.time_us, b"notice") {
            self.inner.notice(&Notice { time_us, ..record.clone() });
        }
    }

    fn capture_loss(&mut self, record: &CaptureLoss<'_>) {
        if let Some(time_us) = self.time(Log::Other, record.time_us, b"loss") {
            self.inner.capture_loss(&CaptureLoss { time_us, ..record.clone() });
        }
    }
}

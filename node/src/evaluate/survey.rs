//! What is in a recording, apart from what the analyzer makes of it: its flows, for other tools' rules; its addresses
//! and times, for laying it into another day; its sensor's notices.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;

use flowlore_analyzer::pair::Contact;
use flowlore_analyzer::record::{
    CaptureLoss, Conn, Dhcp, Dns, DnsAnswer, File, FileSink, Http, Logon, Notice, Remote, Sink,
    Tls, X509,
};

use super::view::{View, Viewed};
use crate::follow;

/// A flow, as much of it as other tools' rules look at.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) source: IpAddr,
    pub(super) address: IpAddr,
    pub(super) name: Option<Box<str>>,
    pub(super) port: u16,
    pub(super) contact: Contact,
    /// Payload bytes from the destination.
    pub(super) bytes_in: u64,
    uid: Box<[u8]>,
}

#[cfg(test)]
impl Survey {
    /// Flows and nothing else.
    pub(super) fn test(flows: Vec<Seen>) -> Self {
        Self { flows, ..Self::default() }
    }
}

#[cfg(test)]
impl Seen {
    /// A flow from an inside host to a documentation address.
    pub(super) fn test(second: u32, bytes: u32, bytes_in: u64) -> Self {
        let (source, address) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
        let contact = Contact { second, bytes };
        Self { source, address, name: None, port: 443, contact, bytes_in, uid: Box::default() }
    }
}

/// Everything that was seen, by time.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) flows: Vec<Seen>,
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) notices: u64,
    pub(super) first_us: Option<i64>,
    pub(super) last_us: Option<i64>,
    names: HashMap<Box<[u8]>, Box<str>>,
}

impl Survey {
    /// Reads recordings, each as its view shows it.
    pub(super) fn read(recordings: &[(Vec<PathBuf>, View)]) -> anyhow::Result<Self> {
        let mut whole = Self::default();
        for (paths, view) in recordings {
            let make = || Viewed::new(view.clone(), Self::default());
            let read = follow::read(paths, &follow::Options::default(), make)?;
            read.sinks.into_iter().for_each(|sink| whole.merge(sink.into_inner()));
        }
        for flow in &mut whole.flows {
            flow.name = whole.names.get(&flow.uid).cloned();
        }
        // One connection may stand in several logs of a rotation; the longest is the last.
        whole.flows.sort_by(|a, b| {
            let key = |one: &Seen| (one.contact, one.source, one.address, one.port);
            (&a.uid, key(a)).cmp(&(&b.uid, key(b)))
        });
        whole.flows.dedup_by(|later, first| {
            let same = !first.uid.is_empty() && later.uid == first.uid;
            if same {
                first.contact.bytes = first.contact.bytes.max(later.contact.bytes);
            }
            same
        });
        whole.flows.sort_by_key(|one| one.contact);
        Ok(whole)
    }

    fn merge(&mut self, other: Self) {
        self.flows.extend(other.flows);
        self.addresses.extend(other.addresses);
        self.names.extend(other.names);
        self.notices += other.notices;
        self.first_us = self.first_us.into_iter().chain(other.first_us).min();
        self.last_us = self.last_us.max(other.last_us);
    }

    fn name(&mut self, uid: &str, name: Option<&str>) {
        let named = name.filter(|name| !name.is_empty() && name.parse::<IpAddr>().is_err());
        if let Some(name) = named {
            let host = name.split(':').next().unwrap_or(name).to_ascii_lowercase();
            self.names.insert(uid.as_bytes().into(), host.into());
        }
    }
}

impl FileSink for Survey {
    fn enter(&mut self, _file: u32) {}
}

impl Sink for Survey {
    fn conn(&mut self, record: &Conn<'_>) {
        let end_us = record.start_us.saturating_add_unsigned(record.duration_us.unwrap_or(0));
        self.first_us = self.first_us.into_iter().chain([record.start_us]).min();
        self.last_us = self.last_us.max(Some(end_us));
        self.addresses.extend([record.ends.orig, record.ends.resp]);
        let ip_bytes = record.orig_ip_bytes.or(record.orig_bytes).unwrap_or(0);
        let second = record.start_us.div_euclid(1_000_000).max(0);
        self.flows.push(Seen {
            source: record.ends.orig,
            address: record.ends.resp,
            name: None,
            port: record.ends.resp_port,
            contact: Contact {
                second: u32::try_from(second).unwrap_or(u32::MAX),
                bytes: u32::try_from(ip_bytes).unwrap_or(u32::MAX),
            },
            bytes_in: record.resp_bytes.unwrap_or(0),
            uid: record.uid.into(),
        });
    }

    fn dns(&mut self, record: &Dns<'_>) {
        self.addresses.extend([record.ends.orig, record.ends.resp]);
        self.addresses.extend(record.answers.iter().filter_map(|answer| match answer {
            DnsAnswer::Address(address) => Some(*address),
            DnsAnswer::Text(_) => None,
        }));
    }

    fn tls(&mut self, record: &Tls<'_>) {
        self.name(record.uid, record.server_name);
    }

    fn http(&mut self, record: &Http<'_>) {
        self.name(record.uid, record.host);
    }

    fn notice(&mut self, _record: &Notice<'_>) {
        self.notices += 1;
    }

    fn file(&mut self, _record: &File<'_>) {}
    fn x509(&mut self, _record: &X509<'_>) {}
    fn dhcp(&mut self, _record: &Dhcp<'_>) {}
    fn logon(&mut self, _record: &Logon<'_>) {}
    fn remote(&mut self, _record: &Remote<'_>) {}
    fn capture_loss(&mut self, _record: &CaptureLoss<'_>) {}
}

//! Templates of NetFlow 9 (RFC 3954) and IPFIX (RFC 7011): which bytes of a record mean what. Elements
//! and their numbers: IANA's registry "IP Flow Information Export (IPFIX) Entities"; what came back in
//! records of both ways: RFC 5103.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::EXPORT_FIELDS_MAX;
use crate::packed::Addr;
use crate::record::Skip;
use crate::source::ways::{Counts, ICMP, ICMP_V6, Record};
use crate::source::wire::Wire;

/// The enterprise under which elements mean the other way (RFC 5103, 6.1).
const REVERSE: u32 = 29_305;
/// A length that stands before the value.
const VARIABLE: u16 = 0xffff;
/// Seconds from 1900, where NTP's times begin, to 1970.
const NTP_SECONDS: i64 = 2_208_988_800;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    element: u16,
    enterprise: u32,
    bytes: u16,
}

/// A template of data or, with scopes, of options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    fields: Vec<Field>,
    is_options: bool,
}

/// When and by which clock a datagram was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) time_us: i64,
    /// Milliseconds since the router started; the head of IPFIX does not tell.
    pub(super) uptime_ms: Option<u32>,
}

impl Sent {
    /// With the uptime of a router that started then, unless it is known.
    pub(super) fn since(self, boot_us: Option<i64>) -> Self {
        // Of its milliseconds the lower half is told in records.
        let uptime_ms = || Some(self.time_us.checked_sub(boot_us?)?.div_euclid(1_000) as u32);
        Self { uptime_ms: self.uptime_ms.or_else(uptime_ms), ..self }
    }

    /// The time at which a router's clock showed so many milliseconds, before it was sent.
    pub(super) fn at_uptime(self, ms: u32) -> Option<i64> {
        // Differences are right also where the clock, of 49 days, began anew.
        let before_ms = i64::from(self.uptime_ms?.wrapping_sub(ms).cast_signed());
        self.time_us.checked_sub(before_ms.checked_mul(1_000)?)
    }
}

impl Template {
    /// Reads a template behind its id; IPFIX has fields of enterprises.
    pub(super) fn read(wire: &mut Wire<'_>, ipfix: bool) -> Option<Self> {
        let count = wire.u16()?;
        fields(wire, usize::from(count), ipfix).map(|fields| Self { fields, is_options: false })
    }

    /// Reads a template of options behind its id.
    pub(super) fn read_options(wire: &mut Wire<'_>, ipfix: bool) -> Option<Self> {
        let (first, second) = (usize::from(wire.u16()?), usize::from(wire.u16()?));
        // IPFIX: all fields, of which so many are scopes. NetFlow 9: bytes of both, four a field.
        let count = if ipfix { first } else { first / 4 + second / 4 };
        fields(wire, count, ipfix).map(|fields| Self { fields, is_options: true })
    }

    /// Bytes of the shortest record.
    pub(super) fn bytes_min(&self) -> usize {
        let length =
            |field: &Field| if field.bytes == VARIABLE { 1 } else { usize::from(field.bytes) };
        self.fields.iter().map(length).sum()
    }

    /// Cuts a record off a set; `None` where the set ends.
    pub(super) fn record<'a>(&self, wire: &mut Wire<'a>) -> Option<Vec<Value<'a>>> {
        let value = |field: &Field| {
            let bytes = match field.bytes {
                VARIABLE => match wire.u8()? {
                    255 => wire.part16()?.0,
                    length => wire.take(usize::from(length))?,
                },
                length => wire.take(usize::from(length))?,
            };
            Some(Value { element: field.element, enterprise: field.enterprise, bytes })
        };
        self.fields.iter().map(value).collect()
    }

    pub(super) fn is_options(&self) -> bool {
        self.is_options
    }
}

fn fields(wire: &mut Wire<'_>, count: usize, ipfix: bool) -> Option<Vec<Field>> {
    if count == 0 || count > EXPORT_FIELDS_MAX {
        return None;
    }
    let field = |_| {
        let (element, bytes) = (wire.u16()?, wire.u16()?);
        let enterprise = if ipfix && element & 0x8000 != 0 { wire.u32()? } else { 0 };
        let element = if ipfix { element & 0x7fff } else { element };
        Some(Field { element, enterprise, bytes })
    };
    let mut fields: Vec<Field> = (0..count).map(field).collect::<Option<_>>()?;
    // Fields without a byte say nothing, and cost as much as others: work is to grow with bytes.
    fields.retain(|field| field.bytes > 0);
    // A record without a byte would have no end.
    (!fields.is_empty()).then_some(fields)
}

/// A value of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    element: u16,
    enterprise: u32,
    bytes: &'a [u8],
}

impl Value<'_> {
    /// As a number in network order, whatever its length (RFC 7011, 6.2).
    fn number(&self) -> Option<u64> {
        (self.bytes.len() <= 8)
            .then(|| self.bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    fn address(&self) -> Option<Addr> {
        match self.bytes.len() {
            4 => Some(IpAddr::V4(Ipv4Addr::from(*self.bytes.first_chunk::<4>()?)).into()),
            16 => {
                let address = Ipv6Addr::from(*self.bytes.first_chunk::<16>()?);
                Some(address.to_canonical().into())
            }
            _ => None,
        }
    }

    /// As an address. Some routers have both an IPv4 and an IPv6 one, of which one is all zeros.
    fn address_over(&self, known: Option<Addr>) -> Option<Addr> {
        let is_set = |address: &Addr| !IpAddr::from(*address).is_unspecified();
        self.address().filter(|address| known.is_none() || is_set(address)).or(known)
    }

    /// A time of NTP's: seconds and a fraction of 32 bits each.
    fn ntp_us(&self) -> Option<i64> {
        let time = self.number().filter(|_| self.bytes.len() == 8)?;
        let seconds = i64::try_from(time >> 32).ok()? - NTP_SECONDS;
        let micros = ((time & 0xffff_ffff) * 1_000_000) >> 32;
        Some(seconds * 1_000_000 + i64::try_from(micros).ok()?)
    }
}

/// One in how many packets is looked at, if a record of options says so.
pub(super) fn sampling(values: &[Value<'_>]) -> Option<u64> {
    let of = |wanted: u16| {
        let value = values.iter().find(|value| value.element == wanted && value.enterprise == 0)?;
        value.number()
    };
    // samplingInterval, samplerRandomInterval; of samplingPacketInterval, so many are followed by so many.
    let plain = of(34).or_else(|| of(50));
    plain.or_else(|| Some(of(305)?.saturating_add(of(306)?).checked_div(of(305)?)?.max(1)))
}

/// When the router started, if a record of options says so (systemInitTimeMilliseconds).
pub(super) fn boot_us(values: &[Value<'_>]) -> Option<i64> {
    let value = values.iter().find(|value| value.element == 160 && value.enterprise == 0)?;
    i64::try_from(value.number()?).ok()?.checked_mul(1_000)
}

/// What a record's values say, while they are collected.
#[derive(Default)]
struct Collected {
    source: Option<Addr>,
    destination: Option<Addr>,
    ports: (u16, u16),
    transport: Option<u8>,
    icmp: Option<u16>,
    start_us: Option<i64>,
    end_us: Option<i64>,
    duration_us: Option<u64>,
    sent: Counts,
    received: Option<Counts>,
    /// Of firewalls: 1 created, 2 ended, 3 denied.
    event: Option<u64>,
    boot_us: Option<i64>,
    uptime: (Option<u32>, Option<u32>),
    sampling: Option<u64>,
}

/// A record of data as the flow that it tells of, and its sampling where it says so itself.
pub(super) fn flow(
    values: &[Value<'_>],
    sent: Sent,
    exporter: u64,
) -> Result<(Record, Option<u64>), Skip> {
    let mut all = Collected::default();
    for value in values {
        all.take(value).ok_or(Skip::BadNumber)?;
    }
    if all.event == Some(1) {
        return Err(Skip::UnusedLog); // its end comes with the sizes
    }
    let at = |ms: u32| match all.boot_us {
        Some(boot_us) => boot_us.checked_add(i64::from(ms) * 1_000),
        None => sent.at_uptime(ms),
    };
    let start_us = all.start_us.or_else(|| at(all.uptime.0?));
    let end_us = all.end_us.or_else(|| at(all.uptime.1?));
    let lasted = |us: Option<u64>| us.and_then(|us| i64::try_from(us).ok());
    let (start_us, end_us) = match (start_us, end_us) {
        (Some(start), Some(end)) => (start, end),
        (Some(start), None) => (start, start.saturating_add(lasted(all.duration_us).unwrap_or(0))),
        (None, end) => {
            let end = end.unwrap_or(sent.time_us);
            (end.saturating_sub(lasted(all.duration_us).unwrap_or(0)), end)
        }
    };
    let (source, destination) = all.source.zip(all.destination).ok_or(Skip::MissingField)?;
    let transport = all.transport.ok_or(Skip::MissingField)?;
    let mut ports = all.ports;
    if matches!(transport, ICMP | ICMP_V6) {
        // NetFlow has type and code where the destination's port is.
        let both = all.icmp.unwrap_or(ports.1);
        ports = (both >> 8, both & 0xff);
    }
    let record = Record {
        start_us,
        end_us: end_us.max(start_us),
        source: (source, ports.0),
        destination: (destination, ports.1),
        transport,
        sent: all.sent,
        received: all.received,
        exporter,
        denied: all.event == Some(3),
        edges: None,
    };
    Ok((record, all.sampling))
}

impl Collected {
    /// Takes a value; `None` if it cannot be one of its element.
    fn take(&mut self, value: &Value<'_>) -> Option<()> {
        let number = || value.number();
        let short = || number().and_then(|number| u16::try_from(number).ok());
        let ms = |number: u64| i64::try_from(number).ok()?.checked_mul(1_000);
        if value.enterprise == REVERSE {
            let received = self.received.get_or_insert_default();
            match value.element {
                1 | 85 => received.ip_bytes = number()?,
                2 | 86 => received.packets = number()?,
                6 => received.flags = Some(number()? as u8),
                _ => {}
            }
            return Some(());
        }
        if value.enterprise != 0 {
            return Some(());
        }
        match value.element {
            1 | 85 | 231 => self.sent.ip_bytes = number()?,
            2 | 86 | 298 => self.sent.packets = number()?,
            232 => self.received.get_or_insert_default().ip_bytes = number()?,
            299 => self.received.get_or_insert_default().packets = number()?,
            4 => self.transport = Some(u8::try_from(number()?).ok()?),
            6 => self.sent.flags = Some(number()? as u8),
            7 => self.ports.0 = short()?,
            11 => self.ports.1 = short()?,
            8 | 27 => self.source = value.address_over(self.source),
            12 | 28 => self.destination = value.address_over(self.destination),
            21 => self.uptime.1 = Some(u32::try_from(number()?).ok()?),
            22 => self.uptime.0 = Some(u32::try_from(number()?).ok()?),
            32 | 139 => self.icmp = Some(short()?),
            34 | 50 => self.sampling = Some(number()?),
            150 => self.start_us = Some(ms(number()?.checked_mul(1_000)?)?),
            151 => self.end_us = Some(ms(number()?.checked_mul(1_000)?)?),
            152 => self.start_us = Some(ms(number()?)?),
            153 => self.end_us = Some(ms(number()?)?),
            154 | 156 => self.start_us = Some(value.ntp_us()?),
            155 | 157 => self.end_us = Some(value.ntp_us()?),
            160 => self.boot_us = Some(ms(number()?)?),
            161 => self.duration_us = Some(number()?.checked_mul(1_000)?),
            162 => self.duration_us = Some(number()?),
            176 | 178 => self.icmp = Some(self.icmp.unwrap_or(0) & 0xff | (short()? & 0xff) << 8),
            177 | 179 => self.icmp = Some(self.icmp.unwrap_or(0) & 0xff00 | short()? & 0xff),
            233 => self.event = Some(number()?),
            _ => {}
        }
        Some(())
    }
}

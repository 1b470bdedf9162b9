//! Any log of flows, line by line, by a mapping that a person wrote: which of its fields is which of ours.
//!
//! ```text
//! Said (TOML) -> Mapping -> lines -> cut (csv, words, pairs, json) -> value -> Conn, Http -> Sink
//! ```

mod cut;
mod said;
mod value;

use std::sync::Arc;

use jiff::tz::TimeZone;

use self::cut::{Columns, Values};
pub use self::said::Said;
use self::said::{Choice, Counted, End, Field, Fields, Moment, Notation};
use self::value::{Clock, Spot};
use super::FileTally;
use super::begun::Element;
use super::lines::Lines;
use super::sizes::{self, ETHERNET_BYTES};
use super::table::Decoder;
use super::text::{self, is_binary};
use crate::limits::MAPPED_FIELDS_MAX;
use crate::record::{Conn, ConnState, Ends, Http, Sink, Sizes, Skip};

/// The name in the report.
pub(super) const NAME: &str = "mapped";

/// What such a log cannot give.
pub(super) const LIMITS: &str = "Of logs that were read by a mapping, what it does not name is not known; where packets are not \
                                 counted, sizes are with headers.";

/// A field that is the whole line.
const LINE: &str = "@line";

const TCP: u8 = 6;

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// Too many fields.
    #[error("more than {MAPPED_FIELDS_MAX} different fields")]
    Fields,
    /// Columns that are not named.
    #[error("notation words needs columns = [...]: such logs name theirs nowhere")]
    Columns,
    /// Something about columns where there are none.
    #[error("separator is for csv, and columns for csv and words")]
    NoColumns,
    /// A separator that is none.
    #[error("separator: one ASCII character that is no double quote")]
    Separator,
    /// A field that a line can never have.
    #[error("{0}: not among the columns")]
    NoColumn(String),
    /// A value that comes from nowhere.
    #[error("a field needs field = \"...\" or or = \"...\"")]
    Nowhere,
    /// A format that is none.
    #[error("time.format: write s, ms, us, ns, rfc3339 or a pattern such as %Y-%m-%d %H:%M:%S")]
    Format,
    /// A zone that is none.
    #[error("time.zone: {0}: no such time zone; write it as Europe/Berlin")]
    Zone(String),
    /// A pattern that does not say where it is.
    #[error("time.zone: a pattern without %z needs one: UTC, or Europe/Berlin")]
    NoZone,
    /// A pattern that does not say when it is.
    #[error("time.year: a pattern without %Y, %y or %s needs one")]
    NoYear,
}

/// How a log is read.
#[derive(Clone, Debug)]
pub struct Mapping {
    notation: Notation,
    separator: char,
    columns: Option<Columns>,
    /// All fields that are asked for.
    names: Vec<String>,
    only: Vec<(usize, Vec<String>)>,
    except: Vec<(usize, Vec<String>)>,
    time: (usize, Option<usize>),
    clock: Clock,
    leading: bool,
    of: Moment,
    bytes_are: Counted,
    inside: Option<End>,
    denied: Option<(usize, Vec<String>)>,
    source: Spot,
    source_port: Option<Spot>,
    destination: Spot,
    destination_port: Option<Spot>,
    transport: Spot,
    duration: Option<Spot>,
    /// Out and in.
    bytes: [Option<Spot>; 2],
    packets: [Option<Spot>; 2],
    host: Option<Spot>,
    method: Option<Spot>,
    status: Option<Spot>,
    user_agent: Option<Spot>,
}

/// The names of fields as they come up.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn place(&mut self, name: &str) -> usize {
        let known = self.0.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }

    fn spot(&mut self, Field(place): Field) -> Result<Spot, MappingError> {
        let field = place.field.as_deref().map(|name| self.place(name));
        if field.is_none() && place.or.is_none() {
            return Err(MappingError::Nowhere);
        }
        Ok(Spot { field, place })
    }

    fn optional(&mut self, field: Option<Field>) -> Result<Option<Spot>, MappingError> {
        field.map(|field| self.spot(field)).transpose()
    }

    fn choice(&mut self, Choice { field, is }: Choice) -> (usize, Vec<String>) {
        (self.place(&field), is)
    }
}

impl Mapping {
    /// Checks what was written. `zone` finds a time zone by its name.
    ///
    /// # Errors
    /// When it cannot be meant so.
    pub fn new(said: Said, zone: impl Fn(&str) -> Option<TimeZone>) -> Result<Self, MappingError> {
        let mut names = Names::default();
        let choices = |names: &mut Names, said: std::collections::BTreeMap<String, Vec<String>>| {
            said.into_iter().map(|(field, is)| names.choice(Choice { field, is })).collect()
        };
        let only = choices(&mut names, said.only);
        let except = choices(&mut names, said.except);
        let time = (names.place(&said.time.field), said.time.and.map(|name| names.place(&name)));
        let clock = clock(&said.time.format, said.time.zone.as_deref(), said.time.year, zone)?;
        let denied = said.denied.map(|choice| names.choice(choice));
        let Fields {
            source,
            source_port,
            destination,
            destination_port,
            transport,
            duration,
            bytes_out,
            bytes_in,
            packets_out,
            packets_in,
            host,
            method,
            status,
            user_agent,
        } = said.fields;
        let mut mapping = Self {
            notation: said.notation,
            separator: separator(said.notation, said.separator)?,
            columns: None,
            only,
            except,
            time,
            clock,
            leading: said.time.leading,
            of: said.time.of,
            bytes_are: said.bytes_are,
            inside: said.inside,
            denied,
            source: names.spot(source)?,
            source_port: names.optional(source_port)?,
            destination: names.spot(destination)?,
            destination_port: names.optional(destination_port)?,
            transport: names.spot(transport)?,
            duration: names.optional(duration)?,
            bytes: [names.optional(bytes_out)?, names.optional(bytes_in)?],
            packets: [names.optional(packets_out)?, names.optional(packets_in)?],
            host: names.optional(host)?,
            method: names.optional(method)?,
            status: names.optional(status)?,
            user_agent: names.optional(user_agent)?,
            names: names.0,
        };
        if mapping.names.len() > MAPPED_FIELDS_MAX {
            return Err(MappingError::Fields);
        }
        let has_columns = matches!(said.notation, Notation::Csv | Notation::Words);
        mapping.columns = match said.columns {
            Some(_) if !has_columns => return Err(MappingError::NoColumns),
            None if said.notation == Notation::Words => return Err(MappingError::Columns),
            None => None,
            Some(columns) => {
                let is_absent = |name: &&String| *name != LINE && !columns.contains(name);
                if let Some(absent) = mapping.names.iter().find(is_absent) {
                    return Err(MappingError::NoColumn(absent.clone()));
                }
                Some(Columns::new(columns.into_iter().map(Into::into), &mapping.names, true))
            }
        };
        Ok(mapping)
    }

    /// Begins to read a file.
    pub(super) fn open(self: &Arc<Self>) -> Box<dyn Decoder> {
        let rows = Rows { mapping: Arc::clone(self), columns: self.columns.clone() };
        Box::new(File { lines: Lines::default(), rows })
    }

    fn read(&self, line: &str, columns: Option<&Columns>, sink: &mut dyn Sink) -> Result<(), Skip> {
        let mut values: Values<'_> = [const { None }; MAPPED_FIELDS_MAX];
        match (self.notation, columns) {
            (Notation::Pairs, _) => cut::pairs(line, &self.names, &mut values),
            (Notation::Json, _) => cut::json(line, &self.names, &mut values)?,
            (_, Some(columns)) => {
                let fields = cut::fields(line, self.notation, self.separator);
                columns.take(fields, &mut values)?;
            }
            (_, None) => return Err(Skip::NoHeader),
        }
        if let Some(place) = self.names.iter().position(|name| name == LINE)
            && let Some(slot) = values.get_mut(place)
        {
            *slot = Some(line.into());
        }
        if !self.only.iter().all(|choice| is_one(choice, &values))
            || self.except.iter().any(|choice| is_one(choice, &values))
        {
            return Err(Skip::UnusedLog);
        }
        let uid = format!("M{}", &blake3::hash(line.as_bytes()).to_hex()[..16]);
        let conn = self.conn(&uid, &values)?;
        let http = self.http(&uid, &conn, &values)?;
        sink.conn(&conn);
        if let Some(http) = http {
            sink.http(&http);
        }
        Ok(())
    }

    fn conn<'a>(&self, uid: &'a str, values: &Values<'_>) -> Result<Conn<'a>, Skip> {
        let duration_us =
            self.duration.as_ref().map_or(Ok(None), |spot| spot.duration_us(values))?;
        let start_us = value::start_us(self.time_us(values)?, self.of, duration_us);
        if start_us < 0 || !text::ends_in_time(start_us, duration_us) {
            return Err(Skip::BadTime);
        }
        let ends = Ends {
            orig: address(&self.source, values)?,
            orig_port: port(self.source_port.as_ref(), values)?,
            resp: address(&self.destination, values)?,
            resp_port: port(self.destination_port.as_ref(), values)?,
        };
        let name = self.transport.text(values).ok_or(Skip::MissingField)?;
        let transport = transport(name, ends.orig.is_ipv6()).ok_or(Skip::BadNumber)?;
        let counts = |spots: &[Option<Spot>; 2]| -> Result<[Option<u64>; 2], Skip> {
            let [out, back] =
                spots.each_ref().map(|spot| spot.as_ref().map_or(Ok(None), |s| s.count(values)));
            Ok([out?, back?])
        };
        let ([bytes_out, bytes_in], [packets_out, packets_in]) =
            (counts(&self.bytes)?, counts(&self.packets)?);
        let link_bytes = if self.bytes_are == Counted::Frames { ETHERNET_BYTES } else { 0 };
        let counted = self.bytes_are == Counted::Payload;
        let payload = |bytes: Option<u64>, packets: Option<u64>| {
            let (bytes, packets) = (bytes?, packets.unwrap_or(0));
            if counted {
                return Some(bytes);
            }
            Some(sizes::payload(bytes, packets, transport, ends.orig, link_bytes))
        };
        let ip = |bytes: Option<u64>, packets: Option<u64>| {
            let headers = packets.unwrap_or(0).saturating_mul(link_bytes);
            bytes.filter(|_| !counted).map(|bytes| bytes.saturating_sub(headers))
        };
        let is_denied = self.denied.as_ref().is_some_and(|choice| is_one(choice, values));
        Ok(Conn {
            start_us,
            uid: uid.as_bytes(),
            ends,
            transport,
            service: None,
            duration_us,
            orig_bytes: payload(bytes_out, packets_out),
            resp_bytes: payload(bytes_in, packets_in),
            state: (is_denied && transport == TCP).then_some(ConnState::S0),
            local_orig: self.inside.map(|end| end == End::Source),
            local_resp: self.inside.map(|end| end == End::Destination),
            missed_bytes: 0,
            history: None,
            orig_packets: packets_out,
            orig_ip_bytes: ip(bytes_out, packets_out),
            resp_packets: packets_in,
            resp_ip_bytes: ip(bytes_in, packets_in),
            sizes: if counted { Sizes::Counted } else { Sizes::Exported },
            open: false,
        })
    }

    fn http<'a>(
        &'a self,
        uid: &'a str,
        conn: &Conn<'_>,
        values: &'a Values<'_>,
    ) -> Result<Option<Http<'a>>, Skip> {
        let text = |spot: &'a Option<Spot>| spot.as_ref().and_then(|spot| spot.text(values));
        let Some(host) = text(&self.host) else { return Ok(None) };
        let method = text(&self.method);
        let status = match text(&self.status) {
            Some(text) => text::count(text.as_bytes()).ok_or(Skip::BadNumber)?,
            None => 0,
        };
        Ok(Some(Http {
            time_us: conn.start_us,
            uid,
            ends: conn.ends,
            method,
            host: Some(host),
            // The target of a CONNECT stands where paths do.
            uri: method.filter(|method| method.eq_ignore_ascii_case("CONNECT")).map(|_| host),
            user_agent: text(&self.user_agent),
            request_body_bytes: 0,
            response_body_bytes: 0,
            // Proxies write 0 where there was no answer.
            status: u16::try_from(status).ok().filter(|status| *status > 0),
            resp_mime_types: Vec::new(),
            orig_mime_types: Vec::new(),
            open: false,
        }))
    }

    fn time_us(&self, values: &Values<'_>) -> Result<i64, Skip> {
        let text = |place: usize| values.get(place).and_then(|value| value.as_deref());
        let first = text(self.time.0).ok_or(Skip::MissingField)?;
        let time = match self.time.1 {
            Some(second) => {
                let second = text(second).ok_or(Skip::MissingField)?;
                self.clock.read(&format!("{first} {second}"), self.leading)
            }
            None => self.clock.read(first, self.leading),
        };
        time.ok_or(Skip::BadTime)
    }
}

fn is_one((place, wanted): &(usize, Vec<String>), values: &Values<'_>) -> bool {
    let value = values.get(*place).and_then(|value| value.as_deref());
    value.is_some_and(|value| wanted.iter().any(|wanted| wanted == value.trim()))
}

fn address(spot: &Spot, values: &Values<'_>) -> Result<std::net::IpAddr, Skip> {
    let text = spot.text(values).ok_or(Skip::MissingField)?;
    text::address(text.as_bytes()).ok_or(Skip::BadAddress)
}

/// A port; 0 where the log has none.
fn port(spot: Option<&Spot>, values: &Values<'_>) -> Result<u16, Skip> {
    let Some(spot) = spot else { return Ok(0) };
    let port = spot.count(values).map_err(|_| Skip::BadPort)?.unwrap_or(0);
    u16::try_from(port).map_err(|_| Skip::BadPort)
}

/// A protocol by its number or name.
fn transport(text: &str, is_v6: bool) -> Option<u8> {
    let named = |name: &str| text.eq_ignore_ascii_case(name);
    match text::count(text.as_bytes()) {
        Some(number) => u8::try_from(number).ok(),
        None if named("tcp") => Some(TCP),
        None if named("udp") => Some(17),
        None if named("icmp") => Some(if is_v6 { 58 } else { 1 }),
        None if named("icmp6") || named("icmpv6") || named("ipv6-icmp") => Some(58),
        None if named("gre") => Some(47),
        None if named("esp") => Some(50),
        None if named("sctp") => Some(132),
        None => None,
    }
}

fn separator(notation: Notation, said: Option<char>) -> Result<char, MappingError> {
    match said {
        Some(_) if notation != Notation::Csv => Err(MappingError::NoColumns),
        Some(character) if !character.is_ascii() || matches!(character, '"' | '\n' | '\r') => {
            Err(MappingError::Separator)
        }
        said => Ok(said.unwrap_or(',')),
    }
}

fn clock(
    format: &str,
    zone: Option<&str>,
    year: Option<i16>,
    find: impl Fn(&str) -> Option<TimeZone>,
) -> Result<Clock, MappingError> {
    let has = |marks: &[&str]| marks.iter().any(|mark| format.contains(mark));
    Ok(match format {
        "s" => Clock::Epoch(1),
        "ms" => Clock::Epoch(1_000),
        "us" => Clock::Epoch(1_000_000),
        "ns" => Clock::Epoch(1_000_000_000),
        "rfc3339" => Clock::Rfc3339,
        _ if !format.contains('%') => return Err(MappingError::Format),
        _ => {
            let zone = match zone {
                Some(name) => find(name).ok_or_else(|| MappingError::Zone(name.to_owned()))?,
                None if has(&["%z", "%:z", "%s", "%Q"]) => TimeZone::UTC,
                None => return Err(MappingError::NoZone),
            };
            if year.is_none() && !has(&["%Y", "%y", "%s", "%F", "%D", "%C", "%G"]) {
                return Err(MappingError::NoYear);
            }
            Clock::Pattern { pattern: format.to_owned(), zone, year }
        }
    })
}

#[derive(Debug)]
struct File {
    lines: Lines,
    rows: Rows,
}

impl Decoder for File {
    fn feed(&mut self, bytes: &[u8], tally: &mut FileTally, sink: &mut dyn Sink) {
        let Self { lines, rows } = self;
        lines.feed(bytes, |line| rows.line(line, true, tally, sink));
    }

    fn finish(&mut self, tally: &mut FileTally, sink: &mut dyn Sink) {
        let Self { lines, rows } = self;
        lines.finish(|line| rows.line(line, false, tally, sink));
    }
}

#[derive(Debug)]
struct Rows {
    mapping: Arc<Mapping>,
    /// Of logs that have them; `None` until the first line named them.
    columns: Option<Columns>,
}

impl Rows {
    fn line(&mut self, line: Element<'_>, whole: bool, tally: &mut FileTally, sink: &mut dyn Sink) {
        let result = match line {
            Element::Text(line) => match std::str::from_utf8(line) {
                Ok(_) if is_binary(line) => Err(Skip::Binary),
                Ok(line) if self.is_header(line) => return,
                Ok(line) => self.mapping.read(line, self.columns.as_ref(), sink),
                Err(_) => Err(Skip::Binary),
            },
            Element::TooLong => Err(Skip::LineTooLong),
        };
        tally.records += 1;
        if let Err(reason) = result {
            let is_cut = !whole && matches!(reason, Skip::ColumnCount | Skip::BadJson);
            tally.skip(if is_cut { Skip::CutOff } else { reason }, 1);
        }
    }

    /// Takes the line that names the columns, the first one.
    fn is_header(&mut self, line: &str) -> bool {
        let mapping = &self.mapping;
        if self.columns.is_some() || mapping.notation != Notation::Csv {
            return false;
        }
        let line = line.trim_start_matches('\u{feff}');
        let fields = cut::fields(line, mapping.notation, mapping.separator);
        self.columns = Some(Columns::new(fields, &mapping.names, false));
        true
    }
}

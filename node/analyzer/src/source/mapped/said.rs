//! What a person writes about a log: which of its fields are which of ours. Read from TOML by whoever has
//! the file; unknown keys are refused there, with their line.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// A mapping as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// How a line is cut into fields.
    pub(super) notation: Notation,
    /// Between the fields of `csv`: one character, a comma if not given.
    pub(super) separator: Option<char>,
    /// Names of the columns of `csv` and `words`, where the log has no line of them; more may follow.
    pub(super) columns: Option<Vec<String>>,
    /// Records are used only where each of these fields has one of its values.
    #[serde(default)]
    pub(super) only: BTreeMap<String, Vec<String>>,
    /// Records are not used where one of these fields has one of its values.
    #[serde(default)]
    pub(super) except: BTreeMap<String, Vec<String>>,
    pub(super) time: Time,
    /// What sizes count.
    #[serde(default)]
    pub(super) bytes_are: Counted,
    /// Which end is inside, where the log is of one side only.
    pub(super) inside: Option<End>,
    pub(super) fields: Fields,
    /// A packet filter let it not pass, where this field has one of these values.
    pub(super) denied: Option<Choice>,
}

/// How a line is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Notation {
    /// Fields with a separator between them, perhaps in double quotes (RFC 4180, without line ends in
    /// fields).
    Csv,
    /// Fields with blanks between them.
    Words,
    /// `key=value`, blanks between, values perhaps in double quotes. What is no pair is passed over.
    Pairs,
    /// An object a line; fields of objects in it are named `outer.inner`.
    Json,
}

/// When it was.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    pub(super) field: String,
    /// Joined to `field`, a blank between: where date and time are apart.
    pub(super) and: Option<String>,
    /// `s`, `ms`, `us` or `ns` since 1970, `rfc3339`, or a pattern of strptime.
    pub(super) format: String,
    /// More follows behind the time.
    #[serde(default)]
    pub(super) leading: bool,
    /// Of times that do not say it, such as `Europe/Berlin`.
    pub(super) zone: Option<String>,
    /// Of times without one, as syslog writes them.
    pub(super) year: Option<i16>,
    /// Whether it is the flow's first moment or its last.
    #[serde(default)]
    pub(super) of: Moment,
}

/// Which moment of a flow is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Moment {
    #[default]
    Start,
    End,
}

/// What sizes count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Counted {
    /// What is behind the headers of IP and transport.
    Payload,
    /// IP packets.
    #[default]
    Ip,
    /// Ethernet frames.
    Frames,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Source,
    Destination,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    pub(super) field: String,
    pub(super) is: Vec<String>,
}

/// Our fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    pub(super) source: Field,
    pub(super) source_port: Option<Field>,
    pub(super) destination: Field,
    pub(super) destination_port: Option<Field>,
    pub(super) transport: Field,
    pub(super) duration: Option<Field>,
    pub(super) bytes_out: Option<Field>,
    pub(super) bytes_in: Option<Field>,
    pub(super) packets_out: Option<Field>,
    pub(super) packets_in: Option<Field>,
    pub(super) host: Option<Field>,
    pub(super) method: Option<Field>,
    pub(super) status: Option<Field>,
    pub(super) user_agent: Option<Field>,
}

/// Where a value is: the name of a field, or a table that says more.
#[derive(Clone, Debug, Default)]
pub(super) struct Field(pub(super) Place);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub(super) field: Option<String>,
    /// What follows the first of these texts in the field.
    pub(super) after: Option<String>,
    /// What is before the first of these texts.
    pub(super) before: Option<String>,
    /// A part of a URL, or of a host and a port.
    pub(super) part: Option<Part>,
    pub(super) unit: Option<Unit>,
    /// The value where the field has none; alone, the value of every record.
    pub(super) or: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    Host,
    Port,
}

/// Units of sizes and of lengths of time; bytes and seconds if not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Unit {
    B,
    #[serde(rename = "kB")]
    Kilobyte,
    KiB,
    #[serde(rename = "s")]
    Second,
    #[serde(rename = "ms")]
    Milli,
    #[serde(rename = "us")]
    Micro,
    #[serde(rename = "ns")]
    Nano,
    /// Hours, minutes and seconds with colons between them.
    #[serde(rename = "h:m:s")]
    Clock,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field, or a table of field, after, before, part, unit, or")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
        Ok(Field(Place { field: Some(name.to_owned()), ..Place::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
        Place::deserialize(MapAccessDeserializer::new(map)).map(Field)
    }
}

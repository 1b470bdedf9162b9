//! The numbers that all members go by. They stand in the roster so that no answer depends on one
//! node's configuration.

use crate::canon::{Malformed, Put as _, Reader};
use crate::label::Purpose;
use crate::limits::NAME_BYTES_MAX;

/// The policy of a federation. Every field has a default, named beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The federation's name, for people.
    pub name: String,
    /// Which rules turn objects into answers; nodes that know only older ones say so. 1.
    pub state_version: u16,
    /// Whether documentation names and networks are tokenised, for demos and tests. No.
    pub documentation_names: bool,
    /// Contacted and knocked labels leave at random within so many hours. 144.
    pub publication_delay_hours: u16,
    /// How long a label lives without a refresh, weeks, by purpose. 8, 26, 52, 8, 26.
    pub lifetime_weeks: [u16; Purpose::ALL.len()],
    /// Blocks of one feed in one sealed hour. 256.
    pub blocks_per_hour: u16,
    /// Blocks of one feed in one sealed day. 1,024.
    pub blocks_per_day: u16,
    /// Elements that one org may send to one evaluator in a UTC day. 50,000.
    pub evaluations_per_day: u32,
    /// What an org may send besides, once, in its first 14 days. 500,000.
    pub evaluations_at_first: u32,
    /// An item sealed so many days after its roster's successor counts for nothing. 30.
    pub grace_days: u16,
    /// How long a new member's weight ramps up, days. 90.
    pub probation_days: u16,
    /// How far before its witnessed time a claimed first day is believed, days. 7.
    pub first_seen_lag_days: u16,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: String::new(),
            state_version: 1,
            documentation_names: false,
            publication_delay_hours: 6 * 24,
            lifetime_weeks: [8, 26, 52, 8, 26],
            blocks_per_hour: 256,
            blocks_per_day: 1_024,
            evaluations_per_day: 50_000,
            evaluations_at_first: 500_000,
            grace_days: 30,
            probation_days: 90,
            first_seen_lag_days: 7,
        }
    }
}

impl Policy {
    /// Days that a label of this purpose lives without a refresh.
    #[must_use]
    pub fn lifetime_days(&self, purpose: Purpose) -> u32 {
        7 * u32::from(self.lifetime_weeks[usize::from(purpose.number())])
    }

    /// Appends its canonical bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_text(&self.name);
        bytes.put_u16(self.state_version);
        bytes.put_u8(u8::from(self.documentation_names));
        bytes.put_u16(self.publication_delay_hours);
        bytes.put_u8(u8::try_from(Purpose::ALL.len()).unwrap_or(u8::MAX));
        for weeks in self.lifetime_weeks {
            bytes.put_u16(weeks);
        }
        bytes.put_u16(self.blocks_per_hour);
        bytes.put_u16(self.blocks_per_day);
        bytes.put_u32(self.evaluations_per_day);
        bytes.put_u32(self.evaluations_at_first);
        bytes.put_u16(self.grace_days);
        bytes.put_u16(self.probation_days);
        bytes.put_u16(self.first_seen_lag_days);
    }

    /// Reads its canonical bytes.
    ///
    /// # Errors
    /// Malformed, or a list of lifetimes for other purposes than are known.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let name = reader.text(NAME_BYTES_MAX)?;
        let state_version = reader.u16()?;
        let documentation_names = reader.bool()?;
        let publication_delay_hours = reader.u16()?;
        let mut lifetime_weeks = [0; Purpose::ALL.len()];
        if usize::from(reader.u8()?) != lifetime_weeks.len() {
            return Err(reader.error("lifetimes of another list of purposes"));
        }
        for weeks in &mut lifetime_weeks {
            *weeks = reader.u16()?;
        }
        Ok(Self {
            name,
            state_version,
            documentation_names,
            publication_delay_hours,
            lifetime_weeks,
            blocks_per_hour: reader.u16()?,
            blocks_per_day: reader.u16()?,
            evaluations_per_day: reader.u32()?,
            evaluations_at_first: reader.u32()?,
            grace_days: reader.u16()?,
            probation_days: reader.u16()?,
            first_seen_lag_days: reader.u16()?,
        })
    }
}

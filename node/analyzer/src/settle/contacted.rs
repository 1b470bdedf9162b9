//! What a part knows of destinations, for whoever passes it on: no inside host is named.

use flowlore_common::{label::Category, time::Micros};

use super::{Destination, Part};

/// A destination that inside hosts contacted, over all its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contacted {
    /// Its name, or its address when it has none.
    pub destination: String,
    /// Inside hosts that contacted it.
    pub hosts: u64,
    /// Payload sent, bytes.
    pub bytes_out: u64,
    /// Payload received, bytes.
    pub bytes_in: u64,
    /// Flows by category, ascending.
    pub categories: Vec<(Category, u64)>,
    /// Start of the first flow.
    pub first: Micros,
    /// End of the last flow.
    pub last: Micros,
}

impl Part {
    /// All destinations that inside hosts contacted, by their text.
    #[must_use]
    pub fn contacted(&self) -> Vec<Contacted> {
        let named = self.named.iter().map(|(name, one)| (name.to_string(), one));
        let addressed = self.addressed.iter().map(|(address, one)| (address.to_string(), one));
        let inside = named.chain(addressed).filter(|(_, one)| one.inside_hosts > 0);
        let mut all: Vec<_> = inside.map(|(text, one)| contacted(text, one)).collect();
        all.sort_unstable_by(|a, b| a.destination.cmp(&b.destination));
        all
    }
}

fn contacted(destination: String, one: &Destination) -> Contacted {
    let count = |&category: &Category| {
        (category, u64::from(one.categories.of(usize::from(category.number()))))
    };
    let counts = Category::ALL.iter().map(count);
    Contacted {
        destination,
        hosts: u64::from(one.inside_hosts),
        bytes_out: one.bytes_out,
        bytes_in: one.bytes_in,
        categories: counts.filter(|(_, flows)| *flows > 0).collect(),
        first: Micros(one.first_us),
        last: Micros(one.last_us),
    }
}

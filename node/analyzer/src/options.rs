//! What a person may choose about an analysis, and its digest: reports are comparable when it is equal.

use std::sync::Arc;

use flowlore_common::label::Severity;

use crate::{
    direction::Home, history::History, inventory::Assets, limits::CONVERSATIONS_DEFAULT,
    lists::Lists, places::Places, sequences::Sequences,
};

/// Choices that change what a report says.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is inside.
    pub home: Home,
    /// Findings below it are counted, not listed.
    pub severity_min: Severity,
    /// Conversations listed; `None`: all.
    pub conversations: Option<usize>,
    /// What the org knows of its machines.
    pub assets: Assets,
    /// What well-known names are for, and brands that names may imitate.
    pub places: Arc<Places>,
    /// What is known elsewhere: none unless given.
    pub lists: Arc<Lists>,
    /// Behaviours whose findings belong together when they stand in order.
    pub sequences: Arc<Sequences>,
    /// What was here before.
    pub history: Option<History>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            home: Home::default(),
            severity_min: Severity::Medium,
            conversations: Some(CONVERSATIONS_DEFAULT),
            assets: Assets::default(),
            places: Places::shipped(),
            lists: Arc::default(),
            sequences: Sequences::shipped(),
            history: None,
        }
    }
}

impl Options {
    /// Sixteen hex digits over everything that changes a report, the history's content aside.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("flowlore analyze options v1");
        for net in self.home.nets() {
            hasher.update(format!("home {net}\n").as_bytes());
        }
        hasher.update(format!("severity {}\n", self.severity_min).as_bytes());
        hasher.update(format!("conversations {:?}\n", self.conversations).as_bytes());
        hasher.update(format!("history {}\n", self.history.is_some()).as_bytes());
        hasher.update(format!("places {}\n", self.places.hash()).as_bytes());
        hasher.update(format!("sequences {}\n", self.sequences.hash()).as_bytes());
        self.assets.hash_into(&mut hasher);
        for (name, hash) in self.lists.hashes() {
            hasher.update(format!("{name} {hash}\n").as_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_changes_with_each_choice() {
        let home = |nets: &[&str]| Home::new(nets.iter().map(|net| net.parse().unwrap()).collect());
        let domains = |text: &str| {
            let mut lists = Lists::default();
            lists.set_domains(text).unwrap();
            Arc::new(lists)
        };
        let mut tor = Lists::default();
        tor.set_tor("192.0.2.7").unwrap();
        let base = Options::default();
        let others = [
            Options { home: home(&["10.0.0.0/8"]), ..base.clone() },
            Options { severity_min: Severity::Info, ..base.clone() },
            Options { conversations: None, ..base.clone() },
            Options { history: Some(History::default()), ..base.clone() },
            Options {
                assets: Assets::parse("address,name\n10.0.0.1,a\n").unwrap(),
                ..base.clone()
            },
            Options { places: Arc::new(Places::default()), ..base.clone() },
            Options { sequences: Arc::new(Sequences::parse("").unwrap()), ..base.clone() },
            Options { lists: domains(""), ..base.clone() },
            Options { lists: domains("a.example\t2026-11-24"), ..base.clone() },
            Options { lists: Arc::new(tor), ..base.clone() },
        ];
        let mut digests: Vec<String> = others.iter().map(Options::digest).collect();
        digests.push(base.digest());
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 11);
        let (a, b) = (home(&["10.0.0.0/8", "192.0.2.0/24"]), home(&["192.0.2.0/24", "10.0.0.0/8"]));
        let digest = |home| Options { home, ..base.clone() }.digest();
        assert_eq!(digest(a), digest(b), "the order of networks does not matter");
    }
}

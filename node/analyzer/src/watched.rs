//! Whose a name is, where that matters: makers of remote-access tools and pools of miners. The data file holds them.

use std::sync::LazyLock;

use hashbrown::HashMap;

/// The file; its version and licence stand in its head.
const FILE: &str = include_str!("../data/watched_names.tsv");

/// What a watched name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    RemoteAccess,
    MiningPool,
}

/// Use and maker by domain.
static DOMAINS: LazyLock<HashMap<&str, (Use, &str)>> = LazyLock::new(|| rows(FILE).collect());

fn rows(file: &str) -> impl Iterator<Item = (&str, (Use, &str))> {
    file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut columns = line.split('\t');
        let used = match columns.next()? {
            "remote_access" => Use::RemoteAccess,
            "mining_pool" => Use::MiningPool,
            _ => return None,
        };
        let maker = columns.next()?;
        Some((columns.next()?, (used, maker)))
    })
}

/// What a name, or the domain that it is under, is for, and whose it is.
pub(crate) fn watched(name: &str) -> Option<(Use, &'static str)> {
    let mut rest = Some(name);
    while let Some(domain) = rest {
        if let Some(found) = DOMAINS.get(domain) {
            return Some(*found);
        }
        rest = domain.split_once('.').map(|(_, parent)| parent);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_and_found_with_what_is_under_it() {
        let lines = FILE.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(rows(FILE).count(), lines.count());
        assert_eq!(DOMAINS.len(), rows(FILE).count(), "each domain once");
        assert_eq!(watched("relay-7.net.anydesk.com"), Some((Use::RemoteAccess, "AnyDesk")));
        assert_eq!(watched("remotedesktop.google.com").map(|one| one.0), Some(Use::RemoteAccess));
        assert_eq!(watched("google.com"), None);
        assert_eq!(watched("notanydesk.com"), None);
        assert_eq!(watched("com"), None);
    }
}

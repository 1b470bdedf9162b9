//! Words that names are made of. All names end in `.example` (RFC 2606 and 6761), so that none
//! can be a real one by accident.

use crate::random::Random;

/// Hosting that gives anybody a name.
pub(crate) const HOSTING: [&str; 3] =
    ["pages-for-all.example", "sites-at-once.example", "webspace.example"];

const FIRST: &[&str] = &[
    "alder", "amber", "arbor", "basalt", "beacon", "birch", "blue", "brook", "cedar", "cinder",
    "cloud", "cobalt", "coral", "crest", "delta", "dune", "east", "elm", "ember", "fern", "field",
    "flint", "forest", "garnet", "glen", "granite", "harbor", "hazel", "heron", "hill", "iris",
    "island", "jade", "juniper", "kestrel", "lake", "larch", "lark", "linden", "lumen", "maple",
    "marble", "meadow", "mill", "mint", "moor", "north", "oak", "ocean", "olive", "onyx", "opal",
    "orchard", "pebble", "pine", "quartz", "rain", "raven", "reed", "ridge", "river", "rowan",
    "sage", "sand", "silver", "slate", "south", "spruce", "stone", "summit", "swift", "thistle",
    "timber", "valley", "violet", "west", "willow", "winter", "wren", "zephyr",
];
const SECOND: &[&str] = &[
    "bank", "base", "books", "box", "cast", "charts", "clinic", "coffee", "courier", "craft",
    "daily", "data", "desk", "drive", "farm", "finance", "foods", "forum", "games", "garden",
    "gazette", "goods", "guide", "health", "herald", "home", "hotel", "house", "journal",
    "kitchen", "labs", "learn", "legal", "library", "logic", "maps", "market", "media", "motors",
    "music", "news", "notes", "office", "parts", "path", "photo", "point", "post", "press",
    "radio", "rail", "review", "school", "shop", "soft", "sports", "store", "studio", "supply",
    "systems", "tech", "times", "tools", "travel", "tribune", "video", "wear", "weather", "wiki",
    "works",
];

/// How many different names [`brand`] can give.
const BRANDS: u64 = (FIRST.len() * SECOND.len()) as u64;

/// Name number `index` in an order of the seed's own: `alderbank`, `silver-rail`. Every index
/// gives another name, without end.
pub(crate) fn brand(random: &Random, index: u64) -> String {
    // A step that shares no factor with the count visits every pair once.
    let start = random.part(1).next() % BRANDS;
    let step = 1_361;
    let place = (start + index % BRANDS * step) % BRANDS;
    let first = FIRST[(place / SECOND.len() as u64) as usize];
    let second = SECOND[(place % SECOND.len() as u64) as usize];
    let joint = if mix_bit(random, index) { "-" } else { "" };
    match index / BRANDS {
        0 => format!("{first}{joint}{second}"),
        round => format!("{first}{joint}{second}{round}"),
    }
}

fn mix_bit(random: &Random, index: u64) -> bool {
    random.part(index.wrapping_mul(2) + 3).next() & 3 == 0
}

/// `length` letters and digits, as generated host names and tokens have them.
pub(crate) fn code(random: &mut Random, length: usize) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    (0..length).map(|_| char::from(DIGITS[random.below(32) as usize])).collect()
}

/// Department codes of machine names.
pub(crate) const DEPARTMENTS: &[&str] =
    &["ACC", "ENG", "FIN", "HR", "IT", "LAW", "MKT", "OPS", "PUR", "RND", "SAL", "SUP"];

/// User agents of browsers, in the form of today's with our own product tokens.
pub(crate) const BROWSERS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Larkview/131.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Heron/128.0",
    "Mozilla/5.0 (Macintosh; Intel 14_6) Larkview/130.0",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn brands_never_repeat() {
        let random = Random::new("test", 3);
        let names: BTreeSet<_> = (0..3 * BRANDS).map(|index| brand(&random, index)).collect();
        let plain: BTreeSet<_> = names.iter().map(|name| name.replace('-', "")).collect();
        assert_eq!(plain.len() as u64, 3 * BRANDS);
    }
}

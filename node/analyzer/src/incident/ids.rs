//! Ids of findings and incidents: how they are made is said in the head of [`incident`](crate::incident).

use std::collections::BTreeMap;

use flowlore_common::time::Day;

/// Gives ids: short ones where they differ.
pub(super) fn short_ids<T>(
    items: &mut [T],
    hash: impl Fn(&T) -> blake3::Hash,
    set: impl Fn(&mut T, String),
) {
    let hashes: Vec<String> = items.iter().map(|item| hash(item).to_hex().to_string()).collect();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    hashes.iter().for_each(|hash| *counts.entry(&hash[..8]).or_default() += 1);
    for (item, hash) in items.iter_mut().zip(&hashes) {
        let digits = if counts[&hash[..8]] > 1 { 16 } else { 8 };
        set(item, hash[..digits].to_owned());
    }
}

/// The hash that an id begins.
pub(super) fn id_hash(what: &str, key: &str, day: Day) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("flowlore report ids v1");
    // The tenant comes first; there is none yet.
    hasher.update(format!("|{what}|{key}|{day}").as_bytes());
    hasher.finalize()
}

//! Every bound of this crate: what it is, its unit, and why it has that value.

use flowlore_common::limits::{BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, RECORD_BYTES_MAX};

/// Size at which a segment file is full, bytes. Small enough to copy and check in a second, large
/// enough that a year of a large federation is some hundred files.
pub const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Most bytes of one log entry: a block with a record for each item. Longer lengths are damage.
pub const ENTRY_BYTES_MAX: usize = {
    let admission = BLOCK_BYTES_MAX + BLOCK_ITEMS_MAX * (RECORD_BYTES_MAX + 2) + 16;
    let document = flowlore_common::limits::ROSTER_DOCUMENT_BYTES_MAX;
    if admission > document { admission } else { document }
};
/// Memory of sled's cache, bytes. It takes several times that; more brought no speed for keys that
/// are spread as evenly as tokens.
pub const SLED_CACHE_BYTES: u64 = 48 << 20;
/// Batches of the state that wait while the next block is checked: two keep both busy, more only remember more.
pub const BATCHES_BEHIND_MAX: usize = 4;
/// Broken or outdated state folders that are kept for inspection, so that a disk that breaks one a
/// day does not fill up.
pub const STATE_SET_ASIDE_MAX: usize = 2;

/// Memory of answers that were computed before, bytes: some 300,000 names, at about 800 B each. More names are
/// answered all the same, at the price of deriving their tokens again.
pub const KEPT_ANSWERS_BYTES_MAX: u64 = 256 << 20;
/// Counters that tell which answers of before still hold: 2 MiB, so that a block of 256 labels makes one in two
/// hundred of the others be computed again in vain.
pub const KEPT_COUNTERS: usize = 1 << 18;

/// How far ahead of our clock a block may be sealed, hours. Sealed hours are rounded down, so one
/// absorbs a clock error of up to an hour; what is further ahead is held until its time.
pub const BLOCK_AHEAD_HOURS_MAX: u32 = 1;
/// Held blocks, one a feed: as many as peers can plausibly be ahead of us in feeds.
pub const HELD_BLOCKS_MAX: usize = 4_096;
/// Bytes of held blocks and their records: what 64 full blocks take.
pub const HELD_BYTES_MAX: usize = 16 << 20;
/// Incarnations of one org: one a week for twenty years. Each is a feed with its own quota.
pub const INCARNATIONS_MAX: u32 = 1_024;
/// Roster documents of one version that are kept: two make a contest, one settles it; more take a
/// majority of governors that signs each, and is for people to sort out.
pub const ROSTER_RIVALS_MAX: usize = 16;

/// Peers at once: 64 inbound and 16 outbound, the design's numbers with room for replacing.
pub const PEERS_MAX: usize = 80;
/// Bytes of blocks or records in one sync message; the frame around it stays below 1 MiB.
pub const SYNC_PAGE_BYTES_MAX: usize = 768 << 10;
/// Feed heads in one sync message: 8,192 of 76 bytes are 608 KiB.
pub const SYNC_HEADS_MAX: usize = 8_192;
/// Ranges of blocks asked for in one message: each may bring a page, of which one is sent.
pub const SYNC_WANTS_MAX: usize = 256;
/// Feeds that are remembered of one peer: the members there may be, and a re-key for some.
pub const SYNC_FEEDS_MAX: usize = 20_000;
/// Fork proofs in one message: 568 bytes each, well below a page.
pub const SYNC_FORKS_MAX: usize = 256;
/// How long a peer may take to answer, microseconds: half a minute for a page over a slow link.
pub const SYNC_ANSWER_US_MAX: i64 = 30_000_000;
/// How often both sides compare their digests, microseconds: a minute. What a lost or refused
/// message left undone is found then; it costs some 40 bytes.
pub const SYNC_COMPARE_US: i64 = 60_000_000;
/// How often a peer is told all that we hold between two comparisons: forks that are found one
/// below the other need some; a peer that asks for it without end gets no more.
pub const SYNC_TELLS_MAX: u32 = 64;
/// Blocks that wait for their token records at one time, per peer: what one page holds at most.
pub const SYNC_WAITING_BYTES_MAX: usize = SYNC_PAGE_BYTES_MAX + BLOCK_BYTES_MAX;

const _: () = assert!(SEGMENT_BYTES_MAX > 2 * ENTRY_BYTES_MAX as u64);
const _: () = assert!(SYNC_PAGE_BYTES_MAX > BLOCK_BYTES_MAX, "a page holds at least one block");
const _: () = assert!(SYNC_PAGE_BYTES_MAX > BLOCK_ITEMS_MAX * (RECORD_BYTES_MAX + 2));
const _: () = assert!(SYNC_HEADS_MAX * 76 < SYNC_PAGE_BYTES_MAX);

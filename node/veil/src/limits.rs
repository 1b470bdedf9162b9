//! Every bound of this crate: what it is, its unit, and why it has that value.

/// Elements of a request: a single look-up, or a batch padded to the next of these, so that the
/// number of names asked for shows in five classes only.
pub const BATCH_SIZES: [usize; 5] = [1, 16, 256, 1024, 4096];
/// Elements of the largest request: 0.3 s of an evaluator's core, 128 KiB on the wire.
pub const BATCH_ELEMENTS_MAX: usize = BATCH_SIZES[BATCH_SIZES.len() - 1];
/// Least elements of a request for publication (FLP1, evaluation).
pub const PUBLICATION_ELEMENTS_MIN: usize = 16;
/// Evaluators of one key. Five of nine is the largest set that is planned; a client asks t of them
/// one by one.
pub const EVALUATORS_MAX: usize = 32;
/// Highest number of shares that open a name (purpose knocked).
pub const THRESHOLD_MAX: usize = 5;
/// Longest token record, bytes: header, five commitments, length, the long sealed name.
pub const RECORD_BYTES_MAX: usize = 6 + 32 * THRESHOLD_MAX + 2 + 336;
/// Entries of a body: what fits its largest size.
pub const ENTRIES_MAX: usize = 16;
/// Sizes of a body before sealing, bytes: 2, 7 and 16 entries. Three sizes tell an onlooker little.
pub const BODY_BYTES: [usize; 3] = [128, 256, 512];
/// Sizes of a note before sealing, bytes.
pub const NOTE_BYTES: [usize; 3] = [256, 1024, 4096];
/// Tags of a note: the count is one byte.
pub const NOTE_TAGS_MAX: usize = u8::MAX as usize;
/// Bytes of a note's title: its length is one byte.
pub const NOTE_TITLE_BYTES_MAX: usize = u8::MAX as usize;
/// Proofs checked in one equation: a block's items. More gain little speed, and one bad proof costs
/// a single check of each proof beside it.
pub const PROOFS_BATCH_MAX: usize = 256;

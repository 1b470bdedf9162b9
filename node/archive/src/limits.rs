//! Every bound of this crate: what it is, its unit, and why it has that value.

/// Rows of one row group. A look-up reads whole groups: some megabytes, milliseconds. More would
/// read more than was asked for, fewer would compress worse and give footers more to hold.
pub const GROUP_ROWS_MAX: usize = 32_768;
/// Rows of a batch that wait in memory before the fullest hour is written: about 100 MB.
pub const WAITING_ROWS_MAX: usize = 200_000;
/// Chance that a row group is read in vain because its filter takes a strange address for its own.
pub const FILTER_FALSE_POSITIVES: f64 = 0.01;
/// zstd's level: 3 is its default, fast enough that it is not what writing waits for.
pub const ZSTD_LEVEL: i32 = 3;
/// Longest text of a cell, bytes: names have at most 253, uids of other sensors some dozen.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// Characters of a batch's name: it is part of file names.
pub const BATCH_NAME_MAX: usize = 64;

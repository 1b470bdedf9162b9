//! Every bound of this crate: what it is, its unit, and why it has that value.

/// Fewest machines of an org. Below it an org has servers and nobody who uses them.
pub(crate) const HOSTS_MIN: u32 = 12;
/// Most machines of an org: what the address plan fits into one /16.
pub(crate) const HOSTS_MAX: u32 = 50_000;
/// Most orgs: a letter each.
pub(crate) const ORGS_MAX: u8 = 26;
/// Most days: a leap year, so that a date never overflows.
pub(crate) const DAYS_MAX: u16 = 366;
/// Most conn rows that can be asked for, about 200 GB of text.
pub(crate) const ROWS_MAX: u64 = 1_000_000_000;
/// Names that a client's resolver cache keeps before expired ones are dropped.
pub(crate) const CACHED_NAMES_MAX: usize = 512;
/// Length of the slices in which rows wait to be sorted and written, microseconds. Five minutes
/// of ten million rows a day are about 20 MB of text at the busiest hour.
pub(crate) const SLICE_US: u64 = 300_000_000;
/// Addresses of the three IPv4 documentation networks (RFC 5737) but the first and last of each.
pub(crate) const OUTSIDE_ADDRESSES: usize = 3 * 254;
/// Outside addresses kept for what is planted: more than one seed ever plants.
pub(crate) const PLANT_ADDRESSES: usize = 140;
/// Longest `history` of a connection, letters: longer ones say nothing more here.
pub(crate) const HISTORY_BYTES_MAX: usize = 16;

const _: () = assert!(HOSTS_MAX as usize <= 230 * 240, "the address plan of inside.rs");
const _: () = assert!(PLANT_ADDRESSES < OUTSIDE_ADDRESSES / 4, "the rest is the benign world");

//! Every bound of this crate: what it is, its unit, and why it has that value.

use std::time::Duration;

/// Most destinations in one look-up call: the node's own bound; more are asked in several calls.
pub const LOOKUP_BATCH_MAX: usize = 10_000;
/// Most bytes of destinations in one look-up call. Half a message of 1 MiB: the rest is for the few
/// bytes that each one costs beside its text.
pub const LOOKUP_BATCH_BYTES_MAX: usize = 512 << 10;
/// Largest message either way, bytes: the protocol's bound.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Largest HTTP/2 frame, bytes: the node's largest message of answers in one piece, as each frame costs both ends a call
/// to the system.
pub const FRAME_BYTES_MAX: u32 = 256 << 10;
/// Bytes of a file in one message: the node's own bound.
pub const UPLOAD_PART_BYTES: usize = 256 << 10;
/// Parts read ahead of the network: a megabyte hides a disk's latency.
pub const UPLOAD_PARTS_AHEAD: usize = 4;
/// Most files in one upload: the node's own bound.
pub const UPLOAD_FILES_MAX: usize = 10_000;
/// How deep folders are searched: deeper than dated archives by sensor go, and an end to bind
/// mounts that contain themselves.
pub const UPLOAD_DEPTH_MAX: usize = 16;
/// Most bytes of a report or of stories that are collected: the node's own bound. They have no row for a flow, so that
/// a day of a large network stays far below; a node that sends more is faulty.
pub const REPORT_BYTES_MAX: usize = 256 << 20;
/// Longest time that a label is held back, hours: the node's own bound.
pub const HOLD_HOURS_MAX: u16 = 720;
/// Most labels of the org's own people that are collected: the node's own bound.
pub const MY_LABELS_MAX: usize = 1_000_000;
/// Longest line that is enriched, bytes: a flow record has a few kilobytes.
pub const ENRICH_LINE_BYTES_MAX: usize = 1 << 20;
/// Lines that are looked up at once: enough that the call costs little beside the answers.
pub const ENRICH_LINES_AT_ONCE: usize = 256;
/// Bytes of input read at once: a pipe's size on Linux.
pub const ENRICH_READ_BYTES: usize = 64 << 10;
/// Largest credential file, bytes: a credential of 2 KiB and a key, in Base64, with a comment.
pub const CREDENTIAL_FILE_BYTES_MAX: u64 = 8 << 10;
/// Largest configuration file of a node that is read for its address, bytes.
pub const CONFIG_FILE_BYTES_MAX: u64 = 1 << 20;

/// How long to wait for a connection on this machine.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one answer of a few kilobytes may take. The node writes to disk, nothing more.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a whole batch of look-ups may take: evaluators far away may be asked for all of it.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(120);
/// How often a silent connection is probed; a long analysis is silent, a dead node is, too.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long a probe may stay unanswered.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Most characters of one piece of foreign text on a terminal: one line and a half.
pub const TEXT_CHARS_MAX: usize = 160;
/// Most behaviours, titles, tags or notes of one answer in text; all of them are in the JSON.
pub const LISTED_MAX: usize = 8;
/// Weeks of activity in text: a quarter fits a line.
pub const WEEKS_SHOWN: i64 = 12;

const _: () = assert!(UPLOAD_PART_BYTES < MESSAGE_BYTES_MAX);
const _: () = assert!(LOOKUP_BATCH_BYTES_MAX + 8 * LOOKUP_BATCH_MAX < MESSAGE_BYTES_MAX);

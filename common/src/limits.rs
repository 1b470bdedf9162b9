//! Every bound of this crate: what it is, its unit, and why it has that value.

/// Longest DNS name in presentation form without the trailing dot, bytes (RFC 1035, 2.3.4).
pub const DNS_NAME_BYTES_MAX: usize = 253;
/// Longest DNS label, bytes (RFC 1035, 2.3.4).
pub const DNS_LABEL_BYTES_MAX: usize = 63;
/// Longest text that is read as a host, bytes. A name at its bound, written in Unicode, needs at most four
/// bytes a character; decoding takes time quadratic in a label, so longer text is refused unread.
pub const HOST_TEXT_BYTES_MAX: usize = 4 * DNS_NAME_BYTES_MAX + 1;
/// Longest public suffix list, bytes. Today's has 0.3 MB and grows by some percent a year.
pub const SUFFIX_LIST_BYTES_MAX: usize = 4 << 20;

/// Most items in a block: a batch of proofs of that size is checked at once, and one index fits a byte's worth of bits.
pub const BLOCK_ITEMS_MAX: usize = 256;
/// Most bytes of a block's payload. With its records it still fits a message of 1 MiB.
pub const BLOCK_PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// Most bytes of a block: header, signature, payload.
pub const BLOCK_BYTES_MAX: usize = BLOCK_PAYLOAD_BYTES_MAX + 284;
/// Most bytes of a token record: 6 of header, 5 commitments of 32, a length, a sealed name of 336.
pub const RECORD_BYTES_MAX: usize = 6 + 5 * 32 + 2 + 336;

/// Most bytes of a roster document: a whole table of the most members, generously; half of what a
/// node may be made to hold by one unchecked message on a link that may stream it in parts.
pub const ROSTER_DOCUMENT_BYTES_MAX: usize = 8 << 20;
/// Most changes in one roster document: founding a federation with all orgs of a country's sector.
pub const ROSTER_CHANGES_MAX: u16 = 1_024;
/// Most members ever, expelled ones included: the design's aim is 10,000.
pub const ROSTER_MEMBERS_MAX: u32 = 16_384;
/// Longest name of an org, a federation or a person, bytes: one line of a screen beside other things.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest `host:port`, bytes: a DNS name, a colon and five digits, within a length of one byte.
pub const ADDRESS_BYTES_MAX: usize = 255;
/// Most endpoints of a member: two address families at two sites.
pub const ENDPOINTS_MAX: usize = 4;
/// Most endorsers of a member: two are asked for.
pub const ENDORSERS_MAX: usize = 8;
/// Most key ranges of a member: a rotation each year for a century, and some for accidents.
pub const KEY_RANGES_MAX: usize = 128;
/// Most cuts of a member: each stands for a stolen key or an expulsion.
pub const CUTS_MAX: usize = 64;
/// Longest public key package, bytes: 255 verifying shares of 34 bytes and a header.
pub const KEY_PACKAGE_BYTES_MAX: usize = 255 * 34 + 128;

/// Most elements in one evaluation batch (the largest of FLP1's batch sizes).
pub const EVALUATION_BATCH_MAX: usize = 4_096;

/// Longest credential, bytes: names of a person and of 16 tenants.
pub const CREDENTIAL_BYTES_MAX: usize = 2_048;
/// Most tenants that one credential names; more is what "all tenants" is for.
pub const CREDENTIAL_TENANTS_MAX: usize = 16;
/// How far a call's time may lie from the node's clock, seconds; nonces are remembered that long.
pub const CALL_SKEW_S_MAX: u64 = 60;
/// Longest method name in a signed call, bytes: `/package.Service/Method`.
pub const CALL_METHOD_BYTES_MAX: usize = 256;
/// How long an invitation holds, hours: a day to hand over a line and type it in.
pub const INVITE_HOURS: u32 = 24;
/// Most behaviours listed in an answer: more than one screen helps nobody, and each is attacker-made.
pub const ANSWER_BEHAVIOURS_MAX: usize = 64;
/// Most titles, tags and notes, each, listed in an answer: what a person reads of it. Sixteen notes of 4 KB for a host
/// and for its site leave an answer below a message of 1 MiB.
pub const ANSWER_NOTES_MAX: usize = 16;
/// Weeks of activity in an answer: a year, a quarter, and one bit for each in 64.
pub const ANSWER_WEEKS: u32 = 64;

const _: () = assert!(BLOCK_ITEMS_MAX <= u8::MAX as usize + 1);
const _: () = assert!(
    BLOCK_BYTES_MAX + BLOCK_ITEMS_MAX * (RECORD_BYTES_MAX + 2) < 1 << 20,
    "a block with a record for each item fits a message of 1 MiB"
);

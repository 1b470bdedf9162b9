//! Every bound of this crate: what it is, its unit, and why it has that value.

/// Longest DNS name in presentation form without the trailing dot, bytes (RFC 1035, 2.3.4).
pub const DNS_NAME_BYTES_MAX: usize = 253;
/// Longest DNS label, bytes (RFC 1035, 2.3.4).
pub const DNS_LABEL_BYTES_MAX: usize = 63;

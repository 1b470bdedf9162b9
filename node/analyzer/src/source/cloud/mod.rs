//! Flow logs of clouds: what their virtual networks count, a file a format.

pub(super) mod aws;
pub(super) mod azure;
pub(super) mod gcp;

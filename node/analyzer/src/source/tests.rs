//! Goal: every record is used or counted under its reason, and the same whatever the notation, the
//! blocks and the pieces. Method: small logs of our own, bad lines planted among good ones, all cuts.

mod cloud;
mod collect;
mod eve;
mod formats;
pub(super) mod frames;
mod json;
mod logons;
mod netflow;
mod nfcapd;
mod pcap;
mod pieces;
mod planted;

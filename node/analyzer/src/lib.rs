//! Log bytes to flows, findings and a report. Pure: no files, threads, clock or randomness.
//!
//! ```text
//! bytes -> source -> record -> intake -> settle -> pair -> detect -> incident -> report
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`record`] | what a source hands on, and why a line gave nothing |
//! | [`limits`] | every bound of this crate, with unit and reason |
//! | [`source`] | a notation and a log type each: bytes to records |
//! | [`category`] | what one flow is by its shape alone |
//! | [`packed`] | compact bytes for what waits: numbers, addresses, uids, text |
//! | [`flow`] | a flow and what application logs say about it, packed into buckets by client |
//! | [`direction`] | inside, outside, and which way a flow went |
//! | [`naming`] | the destination's name: SNI, QUIC, Host, else what this client was told |
//! | [`community`] | Community ID of a flow |
//! | [`intake`] | takes records in any order; keeps what settling needs |
//! | [`places`] | what well-known names are for, which brands names imitate: lists |
//! | [`lists`] | what is known elsewhere, such as when domains were registered: lists that a person gives |
//! | [`pair`] | the contacts of a source with one destination |
//! | [`stats`] | how regular a series of contacts is |
//! | [`score`] | measured values to a threat score |
//! | [`detect`] | a group in, hits out: one file a behaviour |
//! | [`severity`] | a hit in its surroundings: how grave, how sure, what to do |
//! | [`sequences`] | behaviours that stand in an order that attacks have: a list |
//! | [`inventory`] | machines by lease and asset file |
//! | [`history`] | what was here before this input |
//! | [`options`] | what a person may choose about an analysis |
//! | [`settle`] | buckets to groups, counts and candidates |
//! | `watched` | whose a name is, where that matters: remote-access tools, pools of miners |
//! | [`coverage`] | how much of the traffic the input shows |
//! | [`incident`] | candidates to findings, findings to incidents, their ids |
//! | [`report`] | the whole answer, as JSON and as text |
//! | [`triage`] | the story around an alert |
pub mod category;
pub mod community;
pub mod content;
pub mod coverage;
pub mod detect;
pub mod direction;
pub mod flow;
pub mod history;
pub mod incident;
pub mod intake;
pub mod inventory;
pub mod limits;
pub mod lists;
pub mod naming;
pub mod options;
pub mod packed;
pub mod pair;
pub mod places;
pub mod record;
pub mod report;
pub mod score;
pub mod sequences;
pub mod settle;
pub mod severity;
pub mod source;
pub mod stats;
pub mod triage;
mod watched;

//! The Flowlore node, as a library: the binary is a dispatch of its commands, benches and tests call the rest.
//!
//! ```text
//! logs -> follow -> (flowlore-analyzer) report -> publish -> outbox -> publisher -> store -> peers
//!                                                                      | names, ask: Y from evaluators
//! client -> rpc -> store -> answer
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`limits`] | every bound of the daemon, with unit and reason |
//! | [`config`] | `flowlore.toml` |
//! | [`folder`] | the node's folder: who may read it, whole files or none |
//! | [`keys`], [`people`] | the node's own keys, and who may call it |
//! | [`vault`] | encrypted append-only files |
//! | [`follow`] | paths to parsed records |
//! | [`input`] | what commands that read flows take |
//! | `mapping` | a log of any form, read as a person says |
//! | [`analyze`], [`spill`] | parsed records to a report |
//! | `triage` | the stories around alerts |
//! | `keep` | logs that callers or routers give: analyzed, archived, and what of them may leave |
//! | [`days`] | what was sent for days, as it came, so that a report is of all of it |
//! | `output` | in which form both are written |
//! | `evaluate` | how well the analyzer does, on captures with ground truth and sample days |
//! | [`observe`] | from a report to what the door looks at |
//! | [`archive`] | the org's own flows, kept for looking back |
//! | [`here`] | what this org itself saw of a destination |
//! | [`publish`] | the one door: what may leave |
//! | [`outbox`] | what this org says, waiting or sealed |
//! | [`roster`] | what the node needs of the newest roster |
//! | [`names`], [`wanted`] | the cache of `Y`, and names that wait to be asked for |
//! | [`evaluator`], [`counted`] | evaluating for others, and what of it is kept |
//! | [`ask`] | asking evaluators |
//! | [`store`] | the ledger, behind its one writer |
//! | [`federation`] | documents written as a governor |
//! | [`admission`] | invitations, applicants, dealt shares |
//! | [`handover`] | a dealt share, sealed to its evaluator |
//! | [`tls`], [`listen`], [`dial`] | pinned connections |
//! | `gathered` | small answers leave in one write |
//! | [`board`] | what is known about peers right now |
//! | [`guard`] | after a start: when our feed may grow |
//! | [`netflow`] | what routers send: gathered for a period, then kept as an upload is |
//! | [`metrics`] | counters, and the page on which they stand |
//! | [`node`] | a running node: what its services share |
//! | [`membership`] | what a governor's node does to its federation |
//! | [`say`] | what people say and take back |
//! | [`publisher`] | due statements to sealed labels |
//! | [`upkeep`], [`phase`] | what was sealed and no longer stands, or is still in use, and when that is said |
//! | [`peer`] | joining, and replication with other members |
//! | [`rpc`] | the services |
//! | [`serve`] | both ports and all workers, until told to stop |
//! | [`demo`], [`synth`] | three orgs on one machine, and sample logs |
//! | [`command`] | one module a command |
pub mod admission;
pub mod analyze;
pub mod archive;
pub mod ask;
pub mod board;
pub mod command;
pub mod config;
pub mod counted;
pub mod days;
pub mod demo;
pub mod dial;
mod evaluate;
pub mod evaluator;
pub mod federation;
#[cfg(test)]
mod fixture;
pub mod folder;
pub mod follow;
mod gathered;
pub mod guard;
pub mod handover;
pub mod here;
pub mod input;
mod keep;
pub mod keys;
pub mod limits;
pub mod listen;
mod mapping;
pub mod membership;
pub mod metrics;
pub mod names;
pub mod netflow;
pub mod node;
pub mod observe;
pub mod outbox;
mod output;
pub mod peer;
pub mod people;
pub mod phase;
pub mod publish;
pub mod publisher;
pub mod roster;
pub mod rpc;
pub mod say;
pub mod serve;
pub mod spill;
pub mod store;
pub mod synth;
pub mod tls;
mod triage;
pub mod upkeep;
pub mod vault;
pub mod wanted;

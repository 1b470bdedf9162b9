//! Days of Zeek logs that look like those of an office, with planted attacks and their answer key,
//! from a seed. Pure: bytes go to an [`Output`], nothing is read, same parameters give the same
//! bytes on every machine.
//!
//! ```text
//! Params -> World (outside, shared) -> Org (inside, each) -> plants ─┐
//!                                         └─ habits: turns in time ──┴─> rows -> hourly files
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `limits` | every bound of this crate |
//! | `params` | what is asked for |
//! | `random` | random numbers in integers only |
//! | `names` | words, names, user agents |
//! | `world` | services, sites and programs outside |
//! | `calendar` | when people work, when visitors come |
//! | `inside` | the machines of an org |
//! | `rows` | a row of each log, column by column |
//! | `transport` | exchange -> packets, bytes, state, history |
//! | `logs` | rows in any order -> hourly files in order |
//! | `talk` | one exchange of one machine -> its rows in every log |
//! | `habits` | what machines do: the benign background |
//! | `plant` | what is planted |
//! | `key` | `key.tsv`, `parameters.json`, and the lists of the outside: `places.tsv`, `brands.tsv` |
//! | `generate` | the simulation |
//!
//! What is modelled, from where, and what is not: `node/synth/README.md`.
mod calendar;
mod generate;
mod habits;
mod inside;
mod key;
mod limits;
mod logs;
mod names;
mod params;
mod plant;
mod random;
mod rows;
mod talk;
mod transport;
mod world;

pub use generate::{Error, Summary, generate};
pub use key::KEY_HEADER;
pub use logs::Output;
pub use params::{Params, ParamsError, Scenario};
pub use plant::Planted;

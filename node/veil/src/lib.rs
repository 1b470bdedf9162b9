//! FLP1: from a destination's name to a token that nobody can enumerate, and back when enough
//! agree.
//!
//! ```text
//! Input --blind--> evaluators (t of n) --verify, combine, finalize--> Y --derive--> Secret
//!   Secret --commit--> TokenRecord, T            Label = T || flags || Proof || sealed body
//!   Secret --share or knowledge--> Proof
//!   Secret --seal--> body, note                  k shares --interpolate--> the name, or a forgery
//! ```
//!
//! Pure: no clock, no randomness but the generator passed in, no I/O. At the edge stand byte arrays
//! and the domain types of `flowlore-common`; no curve type is public. The same inputs and the same
//! generator give the same bytes.
//!
//! | module | owns |
//! |---|---|
//! | [`limits`] | every bound of this crate, with unit and reason |
//! | `hash` | RFC 9380's expansion and the hashes to scalars and points |
//! | `public` | decoding and variable-time arithmetic, on public data only |
//! | [`keys`] | a key shared t of n: the public package, an evaluator's share, the dealer |
//! | `dleq` | RFC 9497's proof that a whole batch was evaluated with one key |
//! | [`oprf`] | a request, its evaluation, the checked shares, and `Y` |
//! | [`token`] | the secret of (name, purpose, key epoch), its public record and token |
//! | [`proof`] | that a label's signer knows the secret: a share or a proof of knowledge |
//! | `seal` | sealing bodies and notes for those who know the name |
//! | [`body`] | what a label says: entries and their bytes |
//! | [`label`] | an item of a labels block |
//! | [`note`] | an item of a notes block |
//! | [`open`] | the name from k shares, and whether it was forged |
#![forbid(unsafe_code)]

mod dleq;
mod double;
mod hash;
mod public;
mod seal;

pub mod body;
pub mod keys;
pub mod label;
pub mod limits;
pub mod note;
pub mod open;
pub mod oprf;
pub mod proof;
pub mod token;

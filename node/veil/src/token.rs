//! From `Y` to the secret of one (name, purpose, key epoch), its public record, and the token.
//!
//! ```text
//! hdr = key_epoch u32 || purpose u8 || k u8        k = how many groups open the name; 0: never
//! a_i = HashToScalar(hdr || i u8 || Y),  i = 0 .. max(k,1)-1          A_i = a_i * G
//! C   = the input, sealed under a_0 (k > 0 only)
//! record = hdr || A_0 .. A_k-1 || u16 len(C) || C
//! T = b3kdf("FLP1 2026-11 token v1", record)
//! ```
//!
//! Everybody who knows the name derives the same record, byte for byte; nobody else can.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use flowlore_common::canon::{Reader, b3kdf};
use flowlore_common::destination::Input;
use flowlore_common::ids::Token;
use flowlore_common::label::Purpose;
use zeroize::Zeroizing;

use crate::hash;
use crate::limits::{RECORD_BYTES_MAX, THRESHOLD_MAX};
use crate::oprf::Y;
use crate::public;

const DST_POLY: &[u8] = b"FLP1-poly-ristretto255-SHA512";
const TOKEN_CONTEXT: &str = "FLP1 2026-11 token v1";
const NAME_CONTEXT: &str = "FLP1 2026-11 name-seal v1";

/// Sizes of the padded name before sealing, bytes: nearly all names fit the first.
const NAME_BYTES: [usize; 2] = [96, 320];
/// Poly1305's tag, bytes.
const TAG_BYTES: usize = 16;
/// `hdr`.
const HEADER_BYTES: usize = 6;

/// Number of commitments of a purpose.
fn commitments(purpose: Purpose) -> usize {
    usize::from(purpose.threshold().max(1))
}

const _: () = assert!(THRESHOLD_MAX == Purpose::Knocked.threshold() as usize);

/// What knowing a name gives for one purpose and key epoch: the polynomial, and the `Y` behind it.
/// Zeroized when dropped; never shown.
pub struct Secret {
    key_epoch: u32,
    purpose: Purpose,
    pub(crate) polynomial: Zeroizing<Vec<Scalar>>,
    pub(crate) y: Y,
}

impl Secret {
    /// Derives it. `key_epoch` is the one that `y` was evaluated in.
    #[must_use]
    pub fn derive(y: &Y, key_epoch: u32, purpose: Purpose) -> Self {
        let header = header(key_epoch, purpose);
        let count = u8::try_from(commitments(purpose)).expect("at most five");
        let polynomial = (0..count)
            .map(|index| hash::to_scalar(&[&header, &[index], y.as_bytes()], DST_POLY))
            .collect();
        Self { key_epoch, purpose, polynomial: Zeroizing::new(polynomial), y: y.clone() }
    }

    /// The purpose.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The key epoch.
    #[must_use]
    pub fn key_epoch(&self) -> u32 {
        self.key_epoch
    }

    /// The record of `input`, which must be the input that `Y` was evaluated for. Constant time in
    /// the secret.
    #[must_use]
    pub fn token(&self, input: &Input) -> TokenRecord {
        self.record_of(input.bytes())
    }

    /// The same for bytes that need not be an input: what others recovered, as it is.
    pub(crate) fn record_of(&self, input: &[u8]) -> TokenRecord {
        let commitments: Vec<RistrettoPoint> =
            self.polynomial.iter().map(|scalar| RISTRETTO_BASEPOINT_TABLE * scalar).collect();
        let sealed_name = match self.purpose.threshold() {
            0 => Vec::new(),
            _ => seal_name(&self.polynomial[0], input),
        };
        let length = u16::try_from(sealed_name.len()).expect("a sealed name has at most 336 bytes");
        let mut bytes = Vec::with_capacity(RECORD_BYTES_MAX);
        bytes.extend_from_slice(&self.header());
        for commitment in &commitments {
            bytes.extend_from_slice(commitment.compress().as_bytes());
        }
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&sealed_name);
        let token = token_of(&bytes);
        let (key_epoch, purpose) = (self.key_epoch, self.purpose);
        TokenRecord { token, key_epoch, purpose, commitments, bytes: bytes.into() }
    }

    pub(crate) fn header(&self) -> [u8; HEADER_BYTES] {
        header(self.key_epoch, self.purpose)
    }
}

fn header(key_epoch: u32, purpose: Purpose) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = key_epoch.to_be_bytes();
    [a, b, c, d, purpose.number(), purpose.threshold()]
}

/// The token of a record's bytes, valid or void: the hash that addresses it.
#[must_use]
pub fn token_of(record: &[u8]) -> Token {
    Token(b3kdf(TOKEN_CONTEXT, record))
}

/// What stands in public for a name: commitments to its polynomial and, where it can open, the
/// sealed name. If it exists, it is valid.
#[derive(Clone)]
pub struct TokenRecord {
    token: Token,
    key_epoch: u32,
    purpose: Purpose,
    pub(crate) commitments: Vec<RistrettoPoint>,
    bytes: Box<[u8]>,
}

/// Why bytes are no record under a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// They do not hash to the token: refused, and the block that came with them waits for the
    /// right ones.
    #[error("the record does not hash to its token")]
    NotThisToken,
    /// They hash to the token and say nothing: kept, and all items under the token are void with
    /// it.
    #[error("void record: {0}")]
    Void(VoidRecord),
}

/// Why a record that hashes to its token is void, on every replica alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoidRecord {
    /// Shorter or longer than its content says.
    #[error("its length is wrong")]
    Length,
    /// A purpose that is none.
    #[error("unknown purpose {0}")]
    Purpose(u8),
    /// A k that is not the purpose's.
    #[error("k = {given} where the purpose has {expected}")]
    Threshold {
        /// The purpose's.
        expected: u8,
        /// The record's.
        given: u8,
    },
    /// A commitment that is no canonical point, or the identity.
    #[error("commitment {0} is no valid point")]
    Commitment(usize),
    /// A sealed name of another length than 112 or 336 (0 when the name never opens).
    #[error("a sealed name of {0} bytes")]
    SealedName(usize),
}

impl TokenRecord {
    /// Reads a record that came for `token`. The rules are the same on every replica.
    ///
    /// # Errors
    /// [`RecordError`]: not this token's, or void with the reason.
    pub fn parse(bytes: &[u8], token: &Token) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX || token_of(bytes) != *token {
            return Err(RecordError::NotThisToken);
        }
        Self::parse_checked(bytes, *token).map_err(RecordError::Void)
    }

    fn parse_checked(bytes: &[u8], token: Token) -> Result<Self, VoidRecord> {
        let cut_off = |_| VoidRecord::Length;
        let mut reader = Reader::new(bytes);
        let key_epoch = reader.u32().map_err(cut_off)?;
        let number = reader.u8().map_err(cut_off)?;
        let given = reader.u8().map_err(cut_off)?;
        let purpose = Purpose::from_number(number).ok_or(VoidRecord::Purpose(number))?;
        let expected = purpose.threshold();
        if given != expected {
            return Err(VoidRecord::Threshold { expected, given });
        }
        let mut points = Vec::with_capacity(commitments(purpose));
        for index in 0..commitments(purpose) {
            let commitment = reader.array().map_err(cut_off)?;
            points.push(public::element(&commitment).ok_or(VoidRecord::Commitment(index))?);
        }
        let length = usize::from(reader.u16().map_err(cut_off)?);
        reader.take(length).map_err(cut_off)?;
        reader.finish().map_err(cut_off)?;
        let fits = match expected {
            0 => length == 0,
            _ => NAME_BYTES.iter().any(|size| length == size + TAG_BYTES),
        };
        if !fits {
            return Err(VoidRecord::SealedName(length));
        }
        Ok(Self { token, key_epoch, purpose, commitments: points, bytes: bytes.into() })
    }

    /// Its bytes: what is stored, sent, and hashed to the token.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// What labels under it are for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The key epoch whose key it was made with.
    #[must_use]
    pub fn key_epoch(&self) -> u32 {
        self.key_epoch
    }

    /// C; empty where the name never opens.
    fn sealed_name(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES + 32 * self.commitments.len() + 2..]
    }

    /// Opens C under a_0. `None`: it was not sealed under it, or its padding is not zeros.
    pub(crate) fn open_name(&self, a_0: &Scalar) -> Option<Zeroizing<Vec<u8>>> {
        let opened = name_cipher(a_0).decrypt(&Nonce::default(), self.sealed_name()).ok()?;
        let opened = Zeroizing::new(opened);
        let mut reader = Reader::new(&opened);
        let length = usize::from(reader.u16().ok()?);
        let name = reader.take(length).ok()?;
        let padding = &opened[reader.position()..];
        padding.iter().all(|byte| *byte == 0).then(|| Zeroizing::new(name.to_vec()))
    }
}

/// Prints what everybody may know.
impl std::fmt::Debug for TokenRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenRecord({}, {})", self.token.short(), self.purpose)
    }
}

/// The nonce is fixed because the key seals this one text: both follow from `Y`. So all derive the
/// same C.
fn seal_name(a_0: &Scalar, input: &[u8]) -> Vec<u8> {
    let length = u16::try_from(input.len()).expect("an input has at most 318 bytes");
    let size = NAME_BYTES[usize::from(2 + input.len() > NAME_BYTES[0])];
    let mut padded = Zeroizing::new(Vec::with_capacity(size));
    padded.extend_from_slice(&length.to_be_bytes());
    padded.extend_from_slice(input);
    padded.resize(size, 0);
    name_cipher(a_0)
        .encrypt(&Nonce::default(), padded.as_slice())
        .expect("ChaCha20-Poly1305 seals any text of this size")
}

fn name_cipher(a_0: &Scalar) -> ChaCha20Poly1305 {
    let key = Zeroizing::new(b3kdf(NAME_CONTEXT, a_0.as_bytes()));
    ChaCha20Poly1305::new(Key::from_slice(key.as_slice()))
}

#[cfg(test)]
mod tests;

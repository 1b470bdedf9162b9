//! The only door to the machine's clock and random source.
//!
//! Everything else takes `&dyn Clock` or a generator as an argument, so that a run can be repeated.

use rand_core::{CryptoRng, Error, RngCore};

use crate::time::Micros;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> Micros;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn now(&self) -> Micros {
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still, for tests and for `--as-of`.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub Micros);

impl Clock for FixedClock {
    fn now(&self) -> Micros {
        self.0
    }
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl RngCore for SystemRng {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        // Without randomness no key and no nonce is safe: stopping is the only right answer.
        getrandom::getrandom(dest).expect("the operating system gives randomness");
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        getrandom::getrandom(dest).map_err(|error| Error::from(error.code()))
    }
}

impl CryptoRng for SystemRng {}

/// A generator for tests, samples and simulations: BLAKE3's output stream keyed by a seed.
/// Repeatable on every platform; never used for keys outside tests and `demo`.
#[derive(Clone)]
pub struct SeededRng(blake3::OutputReader);

impl SeededRng {
    /// The stream of `seed` in the domain `purpose`: two purposes never share numbers.
    #[must_use]
    pub fn new(purpose: &str, seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("flowlore seeded stream v1");
        hasher.update(&seed.to_be_bytes());
        hasher.update(purpose.as_bytes());
        Self(hasher.finalize_xof())
    }
}

impl std::fmt::Debug for SeededRng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeededRng")
    }
}

impl RngCore for SeededRng {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill(dest);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

/// So that code under test takes the same bound as the product; the stream is as strong as its seed is secret.
impl CryptoRng for SeededRng {}

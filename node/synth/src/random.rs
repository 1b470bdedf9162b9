//! Random numbers in integers only, so that a seed gives the same bytes on every machine.
//!
//! Logarithms and powers are computed in fixed point: the last bit of a platform's `ln` or `exp`
//! must not decide what is generated.

use flowlore_common::env::SeededRng;
use rand_core::RngCore;

/// SplitMix64 (Steele, Lea, Flood 2014), seeded from [`SeededRng`]: quick, and good enough to
/// draw traffic from. One stream for each actor, so that adding an actor changes no other.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

/// The finalizer of SplitMix64: a bijection on 64 bits.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// One in the fixed point of this file.
const ONE: u64 = 1 << 30;
/// ln 2 in that fixed point.
const LN_2: u64 = 744_261_118;

impl Random {
    /// The stream of `seed` for `purpose`.
    pub(crate) fn new(purpose: &str, seed: u64) -> Self {
        Self(SeededRng::new(purpose, seed).next_u64())
    }

    /// A stream of its own for part number `part` of what this one stands for. Draws nothing.
    pub(crate) fn part(&self, part: u64) -> Self {
        Self(mix(self.0 ^ mix(part.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in 0..n; 0 when n is 0. Multiply and shift: the bias is below n / 2^64.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(n);
        (product >> 64) as u64
    }

    /// Uniform, both ends included; `low` when they cross.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True in `permille` of 1,000.
    pub(crate) fn chance(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    /// One of a list that is not empty.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }

    /// A rank below n with the low ones preferred: density falls with the power -2/3, a mild form
    /// of the popularity laws of web sites.
    pub(crate) fn rank(&mut self, n: usize) -> usize {
        let u = self.next() >> 44; // 20 bits: the cube fits 60
        ((u128::from(u * u * u) * n as u128) >> 60) as usize
    }

    /// Exponentially distributed with this mean: gaps of a Poisson process. At most 44 means.
    pub(crate) fn exponential(&mut self, mean: u64) -> u64 {
        let bits = self.next() | 1;
        let halvings = u64::from(bits.leading_zeros());
        let mantissa = (bits << halvings) >> 34; // in [ONE / 2, ONE)
        let logarithm = halvings * LN_2 + minus_ln(mantissa);
        ((u128::from(mean) * u128::from(logarithm)) >> 30) as u64
    }

    /// Roughly log-normal around a median: the exponent is the sum of four uniforms, scaled so
    /// that its standard deviation is `octave_permille` thousandths of a doubling.
    pub(crate) fn around(&mut self, median: u64, octave_permille: u64) -> u64 {
        let mut sum = 0_i64;
        for _ in 0..4 {
            sum += (self.next() >> 44) as i64 - (1 << 19);
        }
        // Four uniforms of width 2^20 have a standard deviation of 2^20 / sqrt(3) = 605,397.
        let exponent = i128::from(sum) * i128::from(octave_permille) * (1 << 30) / 605_397_000;
        scale(median, exponent as i64)
    }
}

/// -ln(m / ONE) for m in [ONE / 2, ONE], by 2 artanh((1 - m) / (1 + m)) to the ninth power.
const fn minus_ln(m: u64) -> u64 {
    let z = ((ONE - m) << 30) / (ONE + m);
    let square = (z * z) >> 30;
    let (mut power, mut sum, mut n) = (z, 0, 1);
    while n <= 9 {
        sum += power / n;
        power = (power * square) >> 30;
        n += 2;
    }
    2 * sum
}

/// `value` times 2 to the power of `exponent / ONE`. The fraction by a parabola through both ends
/// (within 0.3 %), which is smooth enough to draw sizes from.
fn scale(value: u64, exponent: i64) -> u64 {
    let whole = exponent.div_euclid(ONE as i64);
    let fraction = exponent.rem_euclid(ONE as i64) as u64;
    let slope = 704_924_942 + ((368_816_882 * fraction) >> 30); // 0.6565 + 0.3435 f
    let factor = ONE + ((fraction * slope) >> 30);
    let scaled = (u128::from(value) * u128::from(factor)) >> 30;
    let scaled = if whole >= 0 { scaled << whole.min(40) } else { scaled >> (-whole).min(127) };
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_have_their_moments() {
        let mut random = Random::new("test", 1);
        let n = 200_000_u64;
        let mean = (0..n).map(|_| random.exponential(1_000_000)).sum::<u64>() / n;
        assert!((990_000..1_010_000).contains(&mean), "{mean}");
        let mut sizes: Vec<u64> = (0..n).map(|_| random.around(10_000, 1_000)).collect();
        sizes.sort_unstable();
        let (median, upper) = (sizes[100_000], sizes[168_268]); // one standard deviation above
        assert!((9_900..10_100).contains(&median), "{median}");
        assert!((19_000..21_000).contains(&upper), "{upper}");
        let low = (0..n).filter(|_| random.rank(1_000) < 125).count();
        assert!((98_000..102_000).contains(&low), "half of the draws in the first eighth: {low}");
    }

    #[test]
    fn fixed_point_agrees_with_the_functions_it_stands_for() {
        for m in (ONE / 2..=ONE).step_by(9_999_991) {
            let exact = -(m as f64 / ONE as f64).ln();
            assert!((minus_ln(m) as f64 / ONE as f64 - exact).abs() < 1e-5);
        }
        for exponent in (-8 * ONE as i64..8 * ONE as i64).step_by(99_999_989) {
            let exact = 1e9 * 2_f64.powf(exponent as f64 / ONE as f64);
            let got = scale(1_000_000_000, exponent) as f64;
            assert!((got / exact - 1.0).abs() < 0.004, "{exponent}: {got} {exact}");
        }
    }

    #[test]
    fn streams_are_apart_and_repeatable() {
        let root = Random::new("test", 1);
        assert_eq!(root.part(7).next(), root.part(7).next());
        assert_ne!(root.part(7).next(), root.part(8).next());
        assert_ne!(root.part(7).next(), Random::new("test", 2).part(7).next());
    }
}

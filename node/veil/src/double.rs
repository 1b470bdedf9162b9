//! Many points encoded at once. An encoding takes an inverse square root, a tenth of a multiplication; encodings of
//! doubles share one inversion. So whoever multiplies first multiplies by half of the scalar, and has here the encodings
//! of the whole. Constant time in the points.

use std::sync::LazyLock;

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;

/// Half of 1: twice it is 1, modulo the group's order.
pub(crate) static HALF: LazyLock<Scalar> = LazyLock::new(|| Scalar::from(2_u8).invert());

/// The encodings of `2 * point` for every point.
pub(crate) fn encode<'a>(halves: impl IntoIterator<Item = &'a RistrettoPoint>) -> Vec<[u8; 32]> {
    let encoded = RistrettoPoint::double_and_compress_batch(halves);
    encoded.into_iter().map(|point| point.to_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::traits::Identity as _;
    use flowlore_common::env::SeededRng;

    use super::*;

    #[test]
    fn halves_are_encoded_as_the_whole() {
        let mut rng = SeededRng::new("double", 1);
        for count in [0, 1, 2, 65] {
            let mut points: Vec<_> = (0..count).map(|_| RistrettoPoint::random(&mut rng)).collect();
            // In the midst of others, so that what they share is seen to bear it.
            if let Some(point) = points.get_mut(1) {
                *point = RistrettoPoint::identity();
            }
            let halves: Vec<_> = points.iter().map(|point| point * *HALF).collect();
            let singly: Vec<_> = points.iter().map(|point| point.compress().to_bytes()).collect();
            assert_eq!(encode(&halves), singly, "{count}");
        }
    }
}

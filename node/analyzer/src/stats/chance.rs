//! What chance alone can do: the time score that contacts without any rhythm reach now and then.
//!
//! A day has a million pairs, and the score of a few gaps scatters widely, so a fixed bar would let hundreds of pairs
//! of ordinary people pass as clocks. The bar therefore falls with the number of gaps.

/// Gaps, and the time score in thousandths that contacts at random (a Poisson process, so exponential gaps) reach in one
/// of 100,000 draws. [ours: simulation, a million draws a row, 200,000 in the last two; `bar_is_what_chance_reaches` in
/// the tests repeats some rows]
const BARS: [(u32, u16); 14] = [
    (3, 1000),
    (5, 987),
    (8, 943),
    (12, 922),
    (16, 902),
    (20, 886),
    (24, 868),
    (32, 856),
    (48, 818),
    (64, 805),
    (96, 774),
    (144, 748),
    (288, 715),
    (400, FLOOR_MILLI),
];
/// The bar for any number of gaps, thousandths. [ours, from theory: random contacts score 522 (skewness 0.262, MAD 0.694
/// of the median); a period with 50 % of jitter either way about 870. This is the middle]
const FLOOR_MILLI: u16 = 700;

/// The time score from which on so many gaps have a rhythm that chance does not explain, thousandths. Between the rows
/// of the table it is drawn straight.
#[must_use]
pub fn rhythm_min_milli(gaps: usize) -> u16 {
    let gaps = u32::try_from(gaps).unwrap_or(u32::MAX);
    let above = BARS.partition_point(|(count, _)| *count <= gaps);
    let Some((to, low)) = BARS.get(above).copied() else { return FLOOR_MILLI };
    let Some((from, high)) = above.checked_sub(1).map(|below| BARS[below]) else { return 1000 };
    let fallen = u32::from(high - low) * (gaps - from) / (to - from);
    high - u16::try_from(fallen).unwrap_or(high - low)
}

#[cfg(test)]
mod tests {
    use flowlore_common::env::SeededRng;
    use rand_core::RngCore;

    use super::*;
    use crate::pair::Contact;
    use crate::stats::{Scratch, gap_spread};

    #[test]
    fn the_bar_falls_with_the_number_of_gaps() {
        assert_eq!(rhythm_min_milli(0), 1000);
        assert_eq!(rhythm_min_milli(3), 1000);
        assert_eq!(rhythm_min_milli(4), 994);
        assert_eq!(rhythm_min_milli(288), 715);
        assert_eq!(rhythm_min_milli(400), FLOOR_MILLI);
        assert_eq!(rhythm_min_milli(usize::MAX), FLOOR_MILLI);
        assert!((0..1_000).all(|gaps| rhythm_min_milli(gaps) >= rhythm_min_milli(gaps + 1)));
    }

    /// Seed 22. 40,000 draws a row: one in 100,000 expects 0.4 above the bar; 6 or more would have a chance below one in
    /// a million. A bar 10 % lower lets dozens through, so the test can fail both ways.
    #[test]
    fn bar_is_what_chance_reaches() {
        let mut random = SeededRng::new("bar", 22);
        let mut scratch = Scratch::default();
        for gaps in [12_u32, 24, 48] {
            let (mut above, mut near) = (0, 0);
            for _ in 0..40_000 {
                let mut second = 1_700_000_000_u32;
                let mut contacts = vec![Contact { second, bytes: 100 }];
                for _ in 0..gaps {
                    let uniform = (f64::from(random.next_u32()) + 1.0) / 4_294_967_297.0;
                    second += 1 + (-uniform.ln() * 86_400.0 / f64::from(gaps + 1)) as u32;
                    contacts.push(Contact { second, bytes: 100 });
                }
                let score = gap_spread(&contacts, &mut scratch).expect("enough gaps").score_milli;
                above += u32::from(score > rhythm_min_milli(gaps as usize));
                near += u32::from(score > rhythm_min_milli(gaps as usize) * 9 / 10);
            }
            assert!(above < 6, "{gaps} gaps: {above} above the bar");
            assert!(near > 10, "{gaps} gaps: {near} near the bar, which is needlessly high");
        }
    }
}

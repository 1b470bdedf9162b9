//! Shannon's entropy of bytes: how evenly a text uses the characters that it uses.

/// Hundredths of a bit a character, rounded; 0 for nothing. At most 800.
#[must_use]
pub fn centibits(bytes: &[u8]) -> u16 {
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let all = bytes.len() as f64;
    let one = |&count: &u32| {
        let share = f64::from(count) / all;
        -share * share.log2()
    };
    let bits: f64 = counts.iter().filter(|count| **count > 0).map(one).sum();
    (bits * 100.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::centibits;

    #[test]
    fn even_use_of_n_characters_has_the_logarithm_of_n() {
        for (text, expected) in
            [("", 0), ("aaaa", 0), ("abab", 100), ("0123456789abcdef", 400), ("aab", 92)]
        {
            assert_eq!(centibits(text.as_bytes()), expected, "{text}");
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(centibits(&all), 800);
    }
}

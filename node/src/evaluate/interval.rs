//! How far a measured share or count may be from the true one, at 95 %.

/// Two-sided 95 % of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's interval of a share; all of it when nothing was measured.
pub(super) fn wilson(hits: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (n as f64, hits as f64 / n as f64);
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0))
}

/// Upper one-sided 95 % bound of a Poisson count: the mean with which so few come in one of twenty.
pub(super) fn poisson_upper(count: u64) -> f64 {
    let log_factorial: f64 = (1..=count).map(|k| (k as f64).ln()).sum();
    let at_most = |mean: f64| {
        // From the count downwards: the other way begins with what is too small for a number.
        let mut term = (count as f64 * mean.ln() - mean - log_factorial).exp();
        let mut sum = term;
        for k in (1..=count).rev() {
            term *= k as f64 / mean;
            sum += term;
        }
        sum
    };
    let (mut low, mut high) = (count as f64 + 1e-9, 2.0 * count as f64 + 10.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_published_tables() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 0.001, "{a} {b}");
        // Newcombe 1998, method 3: 81 of 263, 0 of 20.
        let (low, high) = wilson(81, 263);
        near(low, 0.2553);
        near(high, 0.3662);
        near(wilson(0, 20).1, 0.1611);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(wilson(3, 3).1, 1.0);
        // Garwood: 0, 1 and 10 events.
        near(poisson_upper(0), 2.9957);
        near(poisson_upper(1), 4.7439);
        near(poisson_upper(10), 16.9622);
        // Far above, that of the normal distribution: 2,407 + 1.645 * 49.06 + 1.6.
        assert!((poisson_upper(2_407) - 2_489.5).abs() < 2.0, "{}", poisson_upper(2_407));
    }
}

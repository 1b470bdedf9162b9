//! Numbers as a person reads them: thousands apart, a unit that fits, no false precision.

/// `1482` as `1,482`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Thousandths as `0.990`.
pub(crate) fn milli(value: u16) -> String {
    format!("{}.{:03}", value / 1000, value % 1000)
}

/// A modifier as `+0.150` or `-0.150`.
pub(crate) fn signed_milli(value: i16) -> String {
    format!("{}{}", if value < 0 { '-' } else { '+' }, milli(value.unsigned_abs()))
}

/// Bytes: exact below 10,000, then kB, MB and GB (powers of 1000) with one decimal.
pub(crate) fn bytes(value: u64) -> String {
    let scaled = |unit: u64, name: &str| {
        // In 128 bits: the tenfold of a counter near its end must not wrap.
        let tenths = u128::from(value) * 10 / u128::from(unit);
        format!(
            "{}.{} {name}",
            grouped(u64::try_from(tenths / 10).unwrap_or(u64::MAX)),
            tenths % 10
        )
    };
    match value {
        ..10_000 => format!("{} B", grouped(value)),
        10_000..1_000_000 => scaled(1_000, "kB"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "MB"),
        1_000_000_000.. => scaled(1_000_000_000, "GB"),
    }
}

/// Seconds: a half where there is one, hours with one decimal from two hours on.
pub(crate) fn seconds(value: f64) -> String {
    if value >= 7_200.0 {
        format!("{:.1} h", value / 3_600.0)
    } else if value.fract() > 0.0 {
        format!("{value:.1} s")
    } else {
        format!("{value:.0} s")
    }
}

/// `1 host`, `3 hosts`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_482), "1,482");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(milli(990), "0.990");
        assert_eq!(milli(1000), "1.000");
        assert_eq!(signed_milli(150), "+0.150");
        assert_eq!(signed_milli(-150), "-0.150");
        assert_eq!(bytes(9_999), "9,999 B");
        assert_eq!(bytes(10_000), "10.0 kB");
        assert_eq!(bytes(1_999_999), "1.9 MB");
        assert_eq!(bytes(u64::MAX), "18,446,744,073.7 GB");
        assert_eq!(seconds(300.0), "300 s");
        assert_eq!(seconds(299.5), "299.5 s");
        assert_eq!(seconds(7_200.0), "2.0 h");
        assert_eq!(counted(1, "host", "hosts"), "1 host");
        assert_eq!(counted(2, "host", "hosts"), "2 hosts");
    }
}
